"""Simulated responses, with rows and without: the distribution they should have, by dense algebra."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import bayesmix as bx
from bayesmix.design import CrossProducts
from bayesmix.design.reduction import whiten
from bayesmix.inference.simulation import Draw, is_nested, products_drawer, rows_drawer, simulated_rows
from tests.frames import dense_problem, random_frame

DRAWS = 4000
FORMULAS = ["y ~ x + (x | top) + (1 | top:inner)", "y ~ x + z + (0 + z | top)", "y ~ x"]


@pytest.fixture(scope="module", params=FORMULAS)
def fit(request: pytest.FixtureRequest) -> bx.LikelihoodFit:
    return bx.Model(request.param, random_frame(np.random.default_rng(8), n=40, groups=5)).reml()


def variance(fit: bx.LikelihoodFit) -> np.ndarray:
    problem, covariances = dense_problem(fit)
    return problem.variance(covariances, fit.sigma**2)


def inner_rows(fit: bx.LikelihoodFit) -> np.ndarray:
    return whiten(fit.design).values


def assert_covariance(draws: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> None:
    """Of normal draws: mean and covariance within 5 standard errors (some hundred entries are compared)."""
    n = len(draws)
    spread = np.sqrt(np.diag(covariance))
    assert (np.abs(draws.mean(axis=0) - mean) < 5 * spread / np.sqrt(n)).all()
    noise = np.sqrt((np.outer(spread, spread) ** 2 + covariance**2) / n)
    assert (np.abs(np.cov(draws.T) - covariance) < 5 * noise).all()


def response_sums(drawn: CrossProducts) -> tuple[np.ndarray, np.ndarray]:
    """W'y and y'y of every lowest group, of y minus its fixed part at the user's scale."""
    return drawn.sums[:, :-1, -1] * drawn.response_scale, drawn.sums[:, -1, -1] * drawn.response_scale**2


def test_rows(fit: bx.LikelihoodFit, rng: np.random.Generator) -> None:
    y = np.array([simulated_rows(fit.design, fit.solution, rng) for _ in range(DRAWS)])
    mean = fit.design.fixed_values @ fit.solution.beta + fit.design.offset
    assert_covariance(y, mean, variance(fit))


def test_products(fit: bx.LikelihoodFit, rng: np.random.Generator) -> None:
    """W'y of all groups together, and the moments of y'y in each: tr V, 2 tr V^2, and its covariance with W'y of 0."""
    draw = products_drawer(fit.products, fit.solution)
    drawn = [response_sums(draw(rng)) for _ in range(DRAWS)]
    linear = np.array([sums.ravel() for sums, _ in drawn])
    squares = np.array([square for _, square in drawn])
    W, V = inner_rows(fit), variance(fit)
    leaf = fit.design.tree.leaf if fit.design.tree is not None else np.zeros(fit.design.n, int)
    groups = squares.shape[1]
    spread = np.zeros((fit.design.n, groups, W.shape[1]))
    spread[np.arange(fit.design.n), leaf] = W
    spread = spread.reshape(fit.design.n, -1)
    covariance = spread.T @ V @ spread
    informative = np.diag(covariance) > 1e-8 * np.diag(covariance).max()
    exact = covariance[np.ix_(informative, informative)]
    assert_covariance(linear[:, informative], np.zeros(informative.sum()), exact)
    for g in range(groups):
        own = V[np.ix_(leaf == g, leaf == g)]
        trace, square = np.trace(own), 2 * np.trace(own @ own)
        assert abs(squares[:, g].mean() - trace) < 5 * np.sqrt(square / DRAWS)
        kurtosis = 48 * np.trace(own @ own @ own @ own) / square**2
        assert abs(squares[:, g].var() / square - 1) < 5 * np.sqrt((2 + kurtosis) / DRAWS)


def test_groups_of_one_row_stay_products_of_it(fit: bx.LikelihoodFit, rng: np.random.Generator) -> None:
    drawn = products_drawer(fit.products, fit.solution)(rng)
    single = drawn.sums[drawn.sizes == 1]
    for S in single:
        assert_allclose(S, np.outer(S[0], S[0]), rtol=1e-9, atol=1e-9)
    smallest = np.linalg.eigvalsh(drawn.sums)[:, 0]
    assert (smallest > -1e-9 * np.trace(drawn.sums, axis1=1, axis2=2)).all()


@pytest.mark.parametrize("rows", [False, True])
def test_quadratic_form(rows: bool, fit: bx.LikelihoodFit, rng: np.random.Generator) -> None:
    """(y - X beta)'V^-1(y - X beta) at the estimated beta is a chi-square on n - p: both ways of drawing."""
    from bayesmix.likelihood.coordinates import fit_coordinates
    from bayesmix.likelihood.derivatives import second_order_pass

    draw: Draw = products_drawer(fit.products, fit.solution)
    if rows:
        draw = rows_drawer(fit.design, fit.products, fit.solution)
    found = []
    for _ in range(400):
        drawn = draw(rng)
        R = second_order_pass(fit_coordinates(drawn), fit.solution.inner_theta).R
        B = drawn.fixed_basis
        rest = R[-1, -1] - R[-1] @ B @ np.linalg.solve(B.T @ R @ B, B.T @ R[-1])
        found.append(rest * (drawn.response_scale / fit.sigma) ** 2)
    df = fit.design.n - len(fit.solution.beta)
    assert stats.kstest(found, stats.chi2(df).cdf).pvalue > 1e-3


def test_known_effects(fit: bx.LikelihoodFit) -> None:
    rng = np.random.default_rng(1)
    shapes = [(len(level.grouping.labels), len(level.effects)) for level in fit.design.levels]
    effects = tuple(rng.normal(size=shape) for shape in shapes)
    y = simulated_rows(fit.design, fit.solution, np.random.default_rng(2), effects)
    expected = fit.design.fixed_values @ fit.solution.beta + fit.design.offset
    for level, u in zip(fit.design.levels, effects, strict=True):
        expected = expected + (fit.design.values[:, level.places] * u[level.grouping.codes]).sum(axis=1)
    assert_allclose(y - fit.sigma * np.random.default_rng(2).standard_normal(fit.design.n), expected, rtol=1e-12)


def test_same_seed_same_draw(fit: bx.LikelihoodFit) -> None:
    draw = products_drawer(fit.products, fit.solution)
    one, two = (draw(np.random.default_rng(3)).sums for _ in range(2))
    assert_array_equal(one, two)
    assert not np.array_equal(one, draw(np.random.default_rng(4)).sums)


def test_nested(fit: bx.LikelihoodFit) -> None:
    assert is_nested(fit.products)


def test_rank_of_groups_with_more_columns_than_rows(rng: np.random.Generator) -> None:
    """Groups of 2 rows and 4 columns: nothing is left for the chi-square, and a refit finds the truth's scale."""
    frame = pd.DataFrame(rng.normal(size=(60, 4)), columns=list("yabc")).assign(g=np.arange(60) // 2)
    fit = bx.Model("y ~ a + b + c + (1 | g)", frame).reml()
    draw = products_drawer(fit.products, fit.solution)
    for S, size in zip(draw(rng).sums, fit.products.sizes, strict=True):
        assert np.linalg.matrix_rank(S, tol=1e-9) == size
