"""Standard errors of variance components, in the user's units, against dense information matrices."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.inference.information import component_covariance
from tests import dense
from tests.frames import dense_problem, random_frame

FORMULAS = [
    "y ~ x + (1 | top)",
    "y ~ x + (x | top)",
    "y ~ x + (x || top)",
    "y ~ x + (0 + x | top)",
    "y ~ x + z + (1 | top/inner)",
    "y ~ x + (x | top) + (1 | top:inner)",
]


@pytest.fixture(params=FORMULAS)
def fit(request: pytest.FixtureRequest) -> bx.LikelihoodFit:
    # Large groups, so that every variance is well inside the parameter space.
    found = bx.Model(request.param, random_frame(np.random.default_rng(2), n=150, groups=10)).reml()
    assert not found.singular
    return found


def entries(fit: bx.LikelihoodFit) -> list[tuple[int, int, int]]:
    """Level, row and column of the free entries, in the order of theta."""
    return [
        (number, row, column)
        for number, level in enumerate(fit.design.levels)
        for start, stop in level.blocks
        for column in range(start, stop)
        for row in range(column, stop)
    ]


def information(fit: bx.LikelihoodFit, kind: str) -> np.ndarray:
    """On (sigma^2, free entries of every Sigma), observed or expected, from dense V."""
    problem, covariances = dense_problem(fit)
    places = entries(fit)
    if kind in ("reml", "ml"):

        def deviance(values: np.ndarray) -> Any:
            moved = [np.zeros(S.shape, values.dtype) for S in covariances]
            for value, (level, row, column) in zip(values[1:], places, strict=True):
                moved[level][row, column] = moved[level][column, row] = value
            return dense.absolute_deviance(problem, moved, values[0], kind == "reml")

        at = np.array([fit.sigma**2, *(covariances[level][row, column] for level, row, column in places)])
        unit = np.abs(at)  # steps by the size of each
        scaled = dense.central_difference(
            lambda values: dense.complex_step(lambda v: deviance(v * unit), values), at / unit, 2e-4
        )
        return scaled / np.outer(unit, unit) / 2
    V = problem.variance(covariances, fit.sigma**2)
    Q, X = np.linalg.inv(V), problem.X
    if kind == "expected-reml":
        Q = Q - Q @ X @ np.linalg.solve(X.T @ Q @ X, X.T @ Q)
    slopes = [np.eye(problem.n)]
    for level, row, column in places:
        matrix = np.zeros_like(covariances[level])
        matrix[row, column] = matrix[column, row] = 1.0
        slopes.append(problem.spread(level, matrix))
    return np.array([[np.trace(Q @ one @ Q @ two) / 2 for two in slopes] for one in slopes])


@pytest.mark.parametrize("kind", ["reml", "ml", "expected-reml", "expected-ml"])
def test_covariance_of_components(fit: bx.LikelihoodFit, kind: str) -> None:
    expected = np.linalg.inv(information(fit, kind))
    scale = np.sqrt(np.abs(np.diag(expected)))
    found = component_covariance(fit.products, fit.solution, kind)
    assert_allclose(found / np.outer(scale, scale), expected / np.outer(scale, scale), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["reml", "ml", "expected-reml", "expected-ml"])
def test_table(fit: bx.LikelihoodFit, kind: str) -> None:
    """Names on the numbers; correlations by the delta method, here with the slope by a complex step."""
    covariance = np.linalg.inv(information(fit, kind))
    table = fit.variance_components(se=kind)
    places = entries(fit)
    _, covariances = dense_problem(fit)
    expected = {("residual", "var"): covariance[0, 0]}
    for i, (number, row, column) in enumerate(places, start=1):
        level = fit.design.levels[number]
        names = level.effect_names
        if row == column:
            expected[level.name, f"var({names[row]})"] = covariance[i, i]
            continue
        expected[level.name, f"cov({names[column]},{names[row]})"] = covariance[i, i]
        where = [places.index((number, *pair)) + 1 for pair in ((row, column), (column, column), (row, row))]
        S = covariances[number]
        at = np.array([S[row, column], S[column, column], S[row, row]])
        slope = dense.complex_step(lambda v: v[0] / np.sqrt(v[1] * v[2]), at)
        expected[level.name, f"corr({names[column]},{names[row]})"] = slope @ covariance[np.ix_(where, where)] @ slope
    assert set(expected) == set(table.index)
    for name, variance in expected.items():
        assert_allclose(table.loc[name, "se"], np.sqrt(variance), rtol=1e-5)
    sd = np.sqrt(table["estimate"].where(table.index.get_level_values("parameter").str.startswith("var")))
    assert_allclose(table["sd"], sd, rtol=1e-14)


def test_balanced_one_way_layout(rng: np.random.Generator) -> None:
    """var(sigma^2) = 2 MSW^2/(J(m-1)), var(tau^2) = 2/m^2 (MSB^2/(J-1) + MSW^2/(J(m-1))); Searle et al. (1992), 3.5."""
    J, m = 9, 5
    y = 2 * rng.normal(size=(J, 1)) + rng.normal(size=(J, m))
    between = m * y.mean(axis=1).var(ddof=1)
    within = y.var(axis=1, ddof=1).mean()
    frame = pd.DataFrame({"y": y.ravel(), "g": np.repeat(np.arange(J), m)})
    fit = bx.Model("y ~ 1 + (1 | g)", frame).reml()
    for kind in ("reml", "expected-reml"):
        se = fit.variance_components(se=kind)["se"]
        assert_allclose(se["residual", "var"] ** 2, 2 * within**2 / (J * (m - 1)), rtol=1e-6)
        tau = 2 / m**2 * (between**2 / (J - 1) + within**2 / (J * (m - 1)))
        assert_allclose(se["g", "var(Intercept)"] ** 2, tau, rtol=1e-6)


def test_none_on_the_boundary_where_the_information_is_singular() -> None:
    """Not a number, and no warning: a correlation where a variance is 0."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"y": rng.normal(size=60), "x": rng.normal(size=60), "g": np.arange(60) % 10})
    fit = bx.Model("y ~ x + (x | g)", frame).reml()
    assert fit.singular
    table = fit.variance_components()
    assert (table["se"].isna() | (table["se"] > 0)).all()
