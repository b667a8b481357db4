"""The tree recursion and its derivatives against dense algebra, on random designs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayesmix.likelihood import evaluation, kernels
from bayesmix.likelihood.elimination import CHUNK
from tests import dense
from tests.designs import Case, RandomDesign, cases, crowded_cases, random_design

CASES = cases()
WITHOUT_LEVELS = Case(0, 1, "equal", "correlated", False)

# Response units, log|T| of the fixed effects: neither may be mistaken for 1 or 0.
SCALE, LOG_JACOBIAN = 3.7, 0.83


@pytest.fixture(params=[*CASES, *crowded_cases(), WITHOUT_LEVELS], ids=str)
def design(request: pytest.FixtureRequest, rng: np.random.Generator) -> RandomDesign:
    return random_design(rng, request.param, SCALE, LOG_JACOBIAN)


def test_cases_hold_every_combination() -> None:
    assert {(case.depth, case.effects) for case in CASES} == {(d, q) for d in (1, 2, 3) for q in (1, 2, 3)}
    assert len({(case.where, case.structure, case.boundary) for case in CASES}) == 18


def test_crowded_cases_fill_more_than_one_chunk(rng: np.random.Generator) -> None:
    for case in crowded_cases():
        design = random_design(rng, case)
        assert all(level.n_groups > CHUNK for level in design.layout.levels)


def test_root_products(design: RandomDesign) -> None:
    """R = W'V^-1W and log|V|."""
    V = design.dense.variance(design.covariances(design.theta))
    R, logdet, _ = kernels.root_products(design.layout.roots(design.theta), design.packed, design.body)
    assert_allclose(logdet, dense.log_determinant(V), rtol=1e-10, atol=1e-10)
    expected = design.W.T @ np.linalg.solve(V, design.W)
    assert_allclose(R, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


def test_products_of_upper_groups(design: RandomDesign) -> None:
    """S of a group above the leaves: W_g'V_g^-1W_g of its rows, V_g counting the levels below it."""
    _, _, upper = kernels.root_products(design.layout.roots(design.theta), design.packed, design.body)
    covariances = design.covariances(design.theta)
    at = 0
    for level in range(1, len(design.codes)):
        below = [S if number < level else 0 * S for number, S in enumerate(covariances)]
        V = design.dense.variance(below)
        for g in range(design.layout.levels[level].n_groups):
            rows = design.codes[level] == g
            expected = design.W[rows].T @ np.linalg.solve(V[np.ix_(rows, rows)], design.W[rows])
            assert_allclose(upper[:, :, at], expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())
            at += 1
    assert at == upper.shape[2] - 1


@pytest.mark.parametrize("reml", [True, False])
def test_profiled_value(design: RandomDesign, reml: bool) -> None:
    value, _, _, beta, r2, inverse = kernels.profiled(design.theta, design.packed, design.body, reml)
    V = design.dense.variance(design.covariances(design.theta))
    X, y = design.dense.X, design.dense.y
    xx = X.T @ np.linalg.solve(V, X)
    expected_beta = np.linalg.solve(xx, X.T @ np.linalg.solve(V, y))
    rest = y - X @ expected_beta
    assert_allclose(beta, expected_beta, rtol=1e-10, atol=1e-10)
    assert_allclose(r2, rest @ np.linalg.solve(V, rest), rtol=1e-10)
    assert_allclose(inverse, np.linalg.inv(xx), rtol=1e-9, atol=1e-10)
    expected = dense.profiled_deviance(design.dense, design.covariances(design.theta), reml)
    assert_allclose(value, expected, rtol=1e-10)


@pytest.mark.parametrize("reml", [True, False])
def test_profiled_gradient(design: RandomDesign, reml: bool) -> None:
    def deviance(theta: np.ndarray) -> Any:
        return dense.profiled_deviance(design.dense, design.covariances(theta), reml)

    _, gradient, *_ = kernels.profiled(design.theta, design.packed, design.body, reml)
    expected = dense.complex_step(deviance, design.theta)
    assert_allclose(gradient, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("reml", [True, False])
def test_profiled_gradient_is_the_slope_of_its_value(design: RandomDesign, reml: bool) -> None:
    """By differences of the kernel's own values, so that the two can not drift apart."""

    def value(theta: np.ndarray) -> Any:
        return kernels.profiled(theta, design.packed, design.body, reml)[0]

    _, gradient, *_ = kernels.profiled(design.theta, design.packed, design.body, reml)
    assert_allclose(gradient, dense.central_difference(value, design.theta), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("reml", [True, False])
def test_derivative_in_omega(design: RandomDesign, reml: bool) -> None:
    """dOmega on the inner columns: the derivative along any symmetric direction is its trace with that direction."""

    def deviance(amount: np.ndarray) -> Any:
        moved = list(design.covariances(design.theta.astype(complex)))
        moved[level] = moved[level] + amount[0] * direction
        return dense.profiled_deviance(design.dense, moved, reml)

    _, _, d_omega, *_ = kernels.profiled(design.theta, design.packed, design.body, reml)
    rng = np.random.default_rng(11)
    for level, shape in enumerate(design.layout.levels):
        half = rng.normal(size=(shape.n_effects,) * 2)
        direction = half + half.T
        m = len(shape.columns)
        found = np.trace(shape.basis.T @ d_omega[level, :m, :m] @ shape.basis @ direction)
        assert_allclose(found, dense.complex_step(deviance, np.zeros(1))[0], rtol=1e-9, atol=1e-9)


# log_density

# What a caller adds to -2 log density, for the prior of the coefficients that are integrated out in part.
CONSTANT = 1.7


@pytest.fixture(params=["flat", "normal", "explicit", "partial", "all but one"])
def prior(request: pytest.FixtureRequest, rng: np.random.Generator, design: RandomDesign) -> tuple[np.ndarray, Any]:
    """The prior of the inner fixed effects as the kernel takes it, and as the dense oracle does."""
    p = design.layout.n_fixed
    half = rng.normal(size=(p, p))
    mean, precision = rng.normal(size=p), half @ half.T + np.eye(p)
    packed = {
        "flat": (kernels.FLAT, np.zeros(p), np.zeros((p, p)), lambda beta: dense.Flat()),
        "normal": (kernels.NORMAL, mean, precision, lambda beta: dense.Normal(mean, precision)),
        "explicit": (kernels.EXPLICIT, np.zeros(p), np.zeros((p, p)), dense.Explicit),
    }
    if request.param in ("partial", "all but one"):
        n_given = 1 if request.param == "partial" else p - 1
        A, mean, half = rng.normal(size=(p, p)), mean[n_given:], half[n_given:, n_given:]
        half[0] = 0.0  # one direction is flat
        numbers = [kernels.PARTIAL, n_given, CONSTANT], mean, (half.T @ half).ravel(), A.ravel()
        return np.concatenate(numbers), lambda beta: dense.Partial(beta[:n_given], mean, half.T @ half, A)
    kind, mean, precision, oracle = packed[request.param]
    return np.concatenate([[kind], mean, precision.ravel()]), oracle


@pytest.fixture
def point(rng: np.random.Generator, design: RandomDesign, prior: tuple[np.ndarray, Any]) -> np.ndarray:
    """lam (absolute, in the user's units), sigma and beta (inner; those given first) in one vector."""
    sigma, beta = 2.9, rng.normal(size=design.layout.n_fixed)
    if prior[0][0] == kernels.PARTIAL:
        beta = beta[: int(prior[0][1])]
    return np.concatenate([sigma * design.theta, [sigma], beta])


def dense_log_density(design: RandomDesign, oracle: Callable[[Any], Any]) -> Callable[[np.ndarray], Any]:
    """The density of the response in the user's units: SCALE times the inner response."""
    P, p = len(design.theta), design.layout.n_fixed

    def value(point: np.ndarray) -> Any:
        lam, sigma, beta = point[:P] / SCALE, point[P] / SCALE, point[P + 1 :]
        found = dense.log_density(design.dense, design.covariances(lam), sigma**2, oracle(beta))
        found -= design.dense.n * np.log(SCALE)
        if isinstance(oracle(beta), dense.Flat):
            # A density of 1 in the user's fixed effects, T^-1 times SCALE times the inner ones.
            found += p * np.log(SCALE) - LOG_JACOBIAN
        if isinstance(oracle(beta), dense.Partial):
            found -= 0.5 * (CONSTANT + (p - len(beta)) * np.log(2 * np.pi))
        return found

    return value


def kernel_log_density(design: RandomDesign, prior: np.ndarray) -> Callable[[np.ndarray], tuple[Any, ...]]:
    P = len(design.theta)
    vector = np.concatenate([design.packed, design.body])

    def value(point: np.ndarray) -> tuple[Any, ...]:
        return evaluation.log_density(vector, prior, point[:P].copy(), float(point[P]), point[P + 1 :].copy())

    return value


def test_log_density(design: RandomDesign, prior: tuple[np.ndarray, Any], point: np.ndarray) -> None:
    packed, oracle = prior
    value, *_ = kernel_log_density(design, packed)(point)
    assert_allclose(value, dense_log_density(design, oracle)(point), rtol=1e-10)


def test_log_density_gradient(design: RandomDesign, prior: tuple[np.ndarray, Any], point: np.ndarray) -> None:
    packed, oracle = prior
    _, d_lam, d_sigma, d_beta = kernel_log_density(design, packed)(point)
    expected = dense.complex_step(dense_log_density(design, oracle), point)
    size = np.abs(expected).max()
    assert_allclose(np.concatenate([d_lam, [d_sigma], d_beta]), expected, rtol=1e-9, atol=1e-10 * size)


def test_log_density_gradient_is_the_slope_of_its_value(
    design: RandomDesign, prior: tuple[np.ndarray, Any], point: np.ndarray
) -> None:
    function = kernel_log_density(design, prior[0])
    _, d_lam, d_sigma, d_beta = function(point)
    expected = dense.central_difference(lambda moved: function(moved)[0], point)
    size = np.abs(expected).max()
    assert_allclose(np.concatenate([d_lam, [d_sigma], d_beta]), expected, rtol=1e-6, atol=1e-7 * size)


def test_flat_density_is_the_restricted_likelihood(design: RandomDesign) -> None:
    """At sigma's optimum -2 log density is the REML criterion: same theta, so the same ranking of all theta."""
    n, p = design.layout.n, design.layout.n_fixed
    value, _, _, _, r2, _ = kernels.profiled(design.theta, design.packed, design.body, True)
    sigma = SCALE * np.sqrt(r2 / (n - p))
    point = np.concatenate([sigma * design.theta, [sigma], np.zeros(p)])
    density, *_ = kernel_log_density(design, np.zeros(1 + p + p * p))(point)
    assert_allclose(-2 * density, value + 2 * (n - p) * np.log(SCALE) + 2 * LOG_JACOBIAN, rtol=1e-10)


def test_a_factor_that_is_not_positive_definite_gives_nan() -> None:
    """Cross-products that no data can have, so that a failed Cholesky factor is seen."""
    design = random_design(np.random.default_rng(3), CASES[0])
    body = design.body.copy()
    body[design.layout.levels[0].n_groups :] *= -1  # the parents stand before the cross-products
    value, *_ = kernels.profiled(design.theta, design.packed, body, True)
    assert np.isnan(value)
