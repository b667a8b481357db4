"""Least squares within groups, beside what the other levels do, against dense algebra on the user's own columns."""

import zlib
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.inference.own_coefficients import (
    VarianceParameters,
    draw_chunks,
    mean_shrinkage,
    own_coefficients,
)
from tests import dense
from tests.frames import dense_problem, random_frame

FORMULAS = [
    "y ~ x + (1 | top)",
    "y ~ x + (x || top)",
    "y ~ x + z + (0 + x | top)",
    "y ~ 0 + f + (x + z | top)",
    "y ~ x + offset(z) + (f | top)",
    "y ~ x + (x | top/inner)",
    "y ~ x + z + (z | top) + (1 | top:inner)",
    "y ~ x + (1 | region) + (x | region:top) + (1 | region:top:inner)",
]


@pytest.fixture(params=[(formula, weighted) for formula in FORMULAS for weighted in (False, True)], ids=str)
def fit(request: pytest.FixtureRequest) -> bx.LikelihoodFit:
    formula, weighted = request.param
    rng = np.random.default_rng(zlib.crc32(formula.encode()))
    frame = random_frame(rng)
    frame["region"] = frame["top"] % 3
    weights = np.exp(rng.normal(size=len(frame))) if weighted else None
    return bx.Model(formula, frame, weights=weights).reml()


def variance_draws(fit: bx.LikelihoodFit, rng: np.random.Generator, count: int) -> VarianceParameters:
    """Full covariance matrices, nothing like the estimates."""
    scales = [np.sqrt(np.diag(sigma)) + 0.1 for sigma in fit.solution.covariances]
    roots = [s[:, None] * rng.normal(size=(count, len(s), len(s))) for s in scales]
    sigma = fit.sigma * rng.uniform(0.5, 2, size=count)
    return VarianceParameters(sigma, tuple(root @ np.swapaxes(root, -1, -2) for root in roots))


def by_hand(
    fit: bx.LikelihoodFit, number: int, group: int, sigma: float, covariances: list[Any], residual: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A = Z'V^-1Z of a group and its Z'V^-1 r, V that of the residuals and the levels below."""
    problem, _ = dense_problem(fit)
    below = dense.Dense(problem.X, problem.y, problem.columns[:number], problem.codes[:number], problem.weights)
    V = below.variance(covariances[:number], sigma**2)
    mine = problem.codes[number] == group
    Z = problem.columns[number][mine]
    weighted = np.linalg.solve(V[np.ix_(mine, mine)], np.column_stack([Z, residual[mine]]))
    return Z.T @ weighted[:, :-1], Z.T @ weighted[:, -1]


def test_values_variances_and_matrices(fit: bx.LikelihoodFit) -> None:
    """Three draws at once, each its own parameters, fixed effects and effects above."""
    rng = np.random.default_rng(3)
    parameters = variance_draws(fit, rng, 3)
    problem, _ = dense_problem(fit)
    beta = fit.solution.beta * rng.uniform(0.5, 1.5, size=(3, len(fit.solution.beta)))
    shapes = [(len(v.grouping.labels), len(v.effects)) for v in fit.design.levels]
    effects = [rng.normal(size=(3, *shape)) for shape in shapes]  # by label
    assert fit.design.tree is not None
    for number, (J, q) in enumerate(shapes):
        order = fit.design.tree.order[number]
        deep = []
        for upper in range(number + 1, len(shapes)):
            placed = np.empty_like(effects[upper])
            placed[:, fit.design.tree.order[upper]] = effects[upper]
            deep.append(placed)
        found = own_coefficients(fit.products, number, parameters, beta, deep)
        kept = [mean_shrinkage(fit.products, number, parameters.part(slice(d, d + 1)))[order] for d in range(3)]
        assert_allclose(mean_shrinkage(fit.products, number, parameters)[order], np.mean(kept, axis=0), rtol=1e-9)
        for d in range(3):
            covariances = [sigma[d] for sigma in parameters.covariances]
            residual = problem.y - problem.X @ beta[d]
            for upper in range(number + 1, len(shapes)):
                columns, codes = problem.columns[upper], problem.codes[upper]
                residual = residual - np.einsum("nq,nq->n", columns, effects[upper][d][codes])
            for group in range(J):
                A, moment = by_hand(fit, number, group, parameters.sigma[d], covariances, residual)
                pull = covariances[number] @ A
                expected = pull @ np.linalg.inv(pull + np.eye(q))
                assert_allclose(kept[d][group], expected, rtol=1e-6, atol=1e-8 * np.abs(expected).max())
                place = order[group]
                if np.linalg.matrix_rank(A, tol=1e-9 * np.abs(A).max()) < q:
                    assert not found.complete[place]
                    continue
                assert found.complete[place]
                variance = np.diag(np.linalg.inv(A))
                assert_allclose(found.variances[d, place], variance, rtol=1e-6)
                own = np.linalg.solve(A, moment)
                assert_allclose(found.values[d, place], own, rtol=1e-6, atol=1e-8 * np.sqrt(variance).max())


def test_what_a_group_does_not_determine() -> None:
    """A group with one label of f knows its mean at that label only: the intercept where it is the reference."""
    rng = np.random.default_rng(5)
    frame = random_frame(rng, groups=6)
    frame.loc[frame["top"] == 0, "f"] = "a"
    frame.loc[frame["top"] == 1, "f"] = "b"
    frame.loc[(frame["top"] == 2) & (frame["f"] == "c"), "f"] = "a"
    frame.loc[frame["top"] == 3, "x"] = 21.0
    formulas = {"y ~ f + (f | top)": (0, 1, 2), "y ~ x + (x | top)": (3,)}
    for formula, short in formulas.items():
        fit = bx.Model(formula, frame).reml()
        table = fit.shrinkage()
        (level,) = fit.design.levels
        for group in range(6):
            rows = level.grouping.codes == group
            Z = fit.design.values[np.ix_(rows, level.places)]
            y = fit.design.response[rows]
            own = np.linalg.lstsq(Z, y, rcond=None)[0]
            null = np.eye(Z.shape[1]) - np.linalg.pinv(Z) @ Z
            determined = np.abs(np.diag(null)) < 1e-8
            assert determined.all() == (group not in short)
            row = table.xs(group, level="group")
            assert row["no_pooling"].notna().tolist() == determined.tolist()
            assert row["se"].notna().tolist() == determined.tolist()
            assert row["reliability"].notna().tolist() == determined.tolist()
            assert_allclose(row["no_pooling"][determined], own[determined], rtol=1e-7)
        usual = table.drop(list(short), level="group")["reliability"].groupby("effect", sort=False).mean()
        assert_allclose(fit.reliability()["estimate"], usual, rtol=1e-9)
        assert fit.reliability()["groups_used"].tolist() == [6 - len(short)] * len(level.effects)
        assert np.isfinite(fit.shrinkage_matrices().to_numpy()).all()


def test_draws_in_parts() -> None:
    assert draw_chunks(5, 10, limit=20) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert draw_chunks(3, 10**9) == [slice(0, 1), slice(1, 2), slice(2, 3)]
