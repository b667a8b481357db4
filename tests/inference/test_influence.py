"""Groups left out one by one, against generalised least squares on the rows that remain."""

import zlib

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.inference.influence import WithoutGroup, distances, influence_measures, without_groups
from tests import dense
from tests.frames import dense_problem, random_frame

FORMULAS = [
    "y ~ x + (1 | top)",
    "y ~ x + z + (x || top)",
    "y ~ x + z + (0 + x | top)",
    "y ~ 0 + f + (x + z | top)",
    "y ~ 0 + x + offset(z) + (1 | top)",
    "y ~ x + (x | top/inner)",
    "y ~ f + (1 | region) + (x | region:top) + (1 | region:top:inner)",
]


@pytest.fixture(params=[(formula, weighted) for formula in FORMULAS for weighted in (False, True)], ids=str)
def fit(request: pytest.FixtureRequest) -> bx.LikelihoodFit:
    formula, weighted = request.param
    rng = np.random.default_rng(zlib.crc32(formula.encode()))
    frame = random_frame(rng)
    frame["region"] = frame["top"] % 3
    weights = np.exp(rng.normal(size=len(frame))) if weighted else None
    return bx.Model(formula, frame, weights=weights).reml()


def test_variances_held(fit: bx.LikelihoodFit) -> None:
    """beta and its covariance without the rows of every group of every level."""
    problem, covariances = dense_problem(fit)
    V = problem.variance(covariances, fit.sigma**2)
    assert fit.design.tree is not None
    for number, codes in enumerate(problem.codes):
        order = fit.design.tree.order[number]
        found = without_groups(fit.products, fit.solution, number, order, False)
        assert not found.refitted
        for group in range(len(order)):
            kept = codes != group
            X = problem.X[kept]
            weighted = np.linalg.solve(V[np.ix_(kept, kept)], np.column_stack([X, problem.y[kept]]))
            vcov = np.linalg.inv(X.T @ weighted[:, :-1])
            beta = vcov @ X.T @ weighted[:, -1]
            assert found.sizes[group] == (~kept).sum()
            assert_allclose(found.beta[group], beta, rtol=1e-8, atol=1e-8 * np.sqrt(np.diag(vcov)).max())
            assert_allclose(found.vcov[group], vcov, rtol=1e-7, atol=1e-8 * vcov.max())


def test_measures_by_hand() -> None:
    """Two coefficients, one group: numbers a pocket calculator gives."""
    without = WithoutGroup(
        np.array([0]), np.array([3.0]), np.array([[1.0, 4.0]]), np.array([np.diag([0.5, 4.0])]), (), np.array([1.0]),
        np.zeros((1, 2), bool), np.array([-1]), np.zeros(1, bool), False,
    )  # fmt: skip
    found = influence_measures(np.array([2.0, 3.0]), np.diag([0.25, 1.0]), without)
    assert_allclose(found.cooks_distance, [(1 / 0.25 + 1 / 1) / 2])
    assert_allclose(found.mdffits, [(1 / 0.5 + 1 / 4) / 2])
    assert_allclose(found.covratio, [2 / 0.25])
    assert_allclose(found.covtrace, [0.5 / 0.25 + 4 / 1 - 2])
    assert_allclose(found.dfbetas, [[-1 / np.sqrt(0.5), 1 / 2]])


def test_distances(rng: np.random.Generator) -> None:
    roots = rng.normal(size=(5, 3, 3)) * np.array([1.0, 50.0, 1e-4])[:, None]
    covariances, values = roots @ np.swapaxes(roots, 1, 2), np.einsum("gab,gb->ga", roots, rng.normal(size=(5, 3)))
    expected = [u @ np.linalg.solve(C, u) for u, C in zip(values, covariances, strict=True)]
    assert_allclose(distances(values, covariances), expected, rtol=1e-6)


def test_a_direction_without_variance_has_no_distance() -> None:
    direction = np.array([1.0, 2.0])
    found = distances(3 * direction[None], np.array([4 * np.outer(direction, direction)]))
    assert_allclose(found, [9 / 4])
    assert_allclose(distances(np.zeros((1, 2)), np.zeros((1, 2, 2))), [0.0])


def test_spread_of_the_residuals(fit: bx.LikelihoodFit) -> None:
    """Diagnostic variance: Sigma Z'P Z Sigma, P = V^-1 - V^-1X(X'V^-1X)^-1X'V^-1."""
    problem, covariances = dense_problem(fit)
    V = np.linalg.inv(problem.variance(covariances, fit.sigma**2))
    X = problem.X
    P = V - V @ X @ np.linalg.solve(X.T @ V @ X, X.T @ V)
    for number, sigma in enumerate(covariances):
        Z = dense.Dense(X, problem.y, problem.columns, problem.codes).effect_columns(number)
        spread = np.kron(np.eye(Z.shape[1] // len(sigma)), sigma) @ Z.T
        expected = np.sqrt(np.maximum(np.diag(spread @ P @ spread.T), 0))
        level = fit.design.levels[number].name
        table = fit.level_residuals(level)
        assert_allclose(table["sd"], expected, rtol=1e-5, atol=1e-5 * np.sqrt(sigma.max(initial=0)))
        assert_allclose(table["residual"], spread @ P @ problem.y, rtol=1e-6, atol=1e-6 * (1 + expected.max()))
