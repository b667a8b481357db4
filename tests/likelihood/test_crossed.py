"""Crossed levels beside and above a nested chain, against dense algebra: every kernel, in both coordinates."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.design.reduction import whiten
from bayesmix.inference.certificate import on_effects
from bayesmix.inference.criterion import omega_jacobian, theta_hessian
from bayesmix.likelihood import crossed_derivatives, evaluation
from bayesmix.likelihood.coordinates import Coordinates, fit_coordinates, user_coordinates
from bayesmix.likelihood.derivatives import second_order_pass
from bayesmix.likelihood.kernels import EXPLICIT, FLAT, NORMAL, PARTIAL
from tests import dense
from tests.dense import Dense, Explicit, Flat, Normal, Partial

# Formula: nested levels that the tree takes, columns of the crossed ones.
FORMULAS = {
    "y ~ x + (1 | a) + (1 | c)": (1, 7),
    "y ~ 1 + (1 | a) + (1 | c) + (1 | d)": (1, 12),
    "y ~ x + (x | a) + (x | c) + (1 | d)": (1, 19),
    "y ~ x + (1 | b/a) + (0 + x | c) + (x || d)": (2, 24),
    "y ~ x + (x | a) + (x | b) + (x | c)": (2, 14),
    "y ~ x + (1 | t/b/a) + (1 + x + z | c)": (3, 21),
    "y ~ z + (0 + x | a) + (0 + f | c)": (1, 28),
}


def frame(rng: np.random.Generator, n: int = 200) -> pd.DataFrame:
    """Groups a in b in t; c and d cross them. The predictors' means are not 0."""
    a = rng.integers(30, size=n)
    c = np.where(rng.random(n) < 0.5, a % 7, rng.integers(7, size=n))  # cells of very different sizes
    x, z = rng.normal(size=n) + 2, 3 * rng.normal(size=n) - 1
    y = 5 + x + rng.normal(size=30)[a] + 2 * rng.normal(size=7)[c] + rng.normal(size=n)
    labels = [f"d{i}" for i in rng.integers(5, size=n)]
    f = rng.choice(["p", "q", "r"], size=n)
    names = {"a": [f"a{i}" for i in a], "b": [f"b{i // 6}" for i in a], "t": [f"t{i // 15}" for i in a]}
    return pd.DataFrame({"y": y, "x": x, "z": z, "f": f, **names, "c": [f"c{i}" for i in c], "d": labels})


@dataclass(frozen=True)
class Case:
    """A model, a point theta, and the same problem in dense form in the same coordinates (inner units)."""

    coordinates: Coordinates
    theta: np.ndarray
    problem: Dense
    W: np.ndarray

    def covariances(self, theta: np.ndarray) -> list[np.ndarray]:
        start, found = 0, []
        for level in self.coordinates.layout.levels:
            stop = start + len(level.entries)
            factor = np.zeros((level.n_effects,) * 2, theta.dtype)
            factor[level.entries[:, 0], level.entries[:, 1]] = theta[start:stop]
            found.append(factor @ factor.T)
            start = stop
        return found


@pytest.fixture(params=FORMULAS)
def model(request: pytest.FixtureRequest, rng: np.random.Generator) -> bx.Model:
    model = bx.Model(request.param, frame(rng))
    assert (model.design.tree.depth, model.products.crossing.gram.shape[0]) == FORMULAS[request.param]
    return model


@pytest.fixture(params=["interior", "boundary"])
def case(request: pytest.FixtureRequest, model: bx.Model, rng: np.random.Generator) -> Case:
    return make_case(model, rng, request.param == "boundary", fit_coordinates)


def make_case(model: bx.Model, rng: np.random.Generator, boundary: bool, choose: Callable[..., Coordinates]) -> Case:
    design, products = model.design, model.products
    coordinates = choose(products)
    layout = coordinates.layout
    rest = (design.response - design.fixed_values @ products.response_fit) / products.response_scale
    W = np.column_stack([whiten(design).values, rest])
    codes = tuple(order[level.grouping.codes] for order, level in zip(design.tree.order, design.levels, strict=True))
    columns = tuple(W[:, level.columns] @ level.basis for level in layout.levels)
    theta = rng.uniform(0.3, 1.3, layout.n_entries) * rng.choice([-1.0, 1.0], layout.n_entries)
    if boundary:
        for at in {0, layout.n_entries - 1}:
            theta[at] = 0.0
    return Case(coordinates, theta, Dense(W @ layout.fixed_basis, rest, columns, codes), W)


def test_root(case: Case) -> None:
    """R = W'V^-1W and log|V|."""
    R, logdet = evaluation.root_products(case.coordinates, case.coordinates.layout.roots(case.theta))
    V = case.problem.variance(case.covariances(case.theta))
    assert_allclose(R, case.W.T @ np.linalg.solve(V, case.W), atol=1e-10 * case.problem.n)
    assert_allclose(logdet, dense.log_determinant(V), rtol=1e-11)


@pytest.mark.parametrize("reml", [True, False])
def test_value_gradient_and_slopes(case: Case, reml: bool) -> None:
    def deviance(theta: np.ndarray) -> complex:
        return dense.profiled_deviance(case.problem, case.covariances(theta), reml)

    value, gradient, d_omega, *_ = evaluation.profiled(case.coordinates, case.theta, reml, certify=True)
    assert_allclose(value, deviance(case.theta), rtol=1e-12)
    expected = dense.complex_step(deviance, case.theta)
    assert_allclose(gradient, expected, atol=1e-10 * np.abs(expected).max())
    without = evaluation.profiled(case.coordinates, case.theta, reml, certify=False)
    assert without[0] == value
    assert_allclose(without[1], gradient, rtol=1e-13)
    # Derivatives in Omega itself, also where Lambda has no inverse.
    for level, slope in enumerate(on_effects(case.coordinates, d_omega)):
        for row, column in np.ndindex(slope.shape):

            def moved(step: np.ndarray, level: int = level, row: int = row, column: int = column) -> complex:
                covariances = [S.astype(complex) for S in case.covariances(case.theta)]
                covariances[level][row, column] += step[0] / 2
                covariances[level][column, row] += step[0] / 2
                return dense.profiled_deviance(case.problem, covariances, reml)

            assert_allclose(slope[row, column], dense.complex_step(moved, np.zeros(1))[0], rtol=1e-9, atol=1e-9)


def test_second_order(case: Case) -> None:
    """Gradient and Hessian of the criterion from the second-order pass; differences agree where A is not formed."""
    at = second_order_pass(case.coordinates, case.theta)
    hessian = theta_hessian(case.coordinates, at, case.problem.n, True, case.theta)
    expected = dense.central_difference(lambda t: evaluation.profiled(case.coordinates, t, True)[1], case.theta)
    assert_allclose(hessian, expected, atol=1e-8 * np.abs(expected).max())
    # R_i and ld_i are exact, their differences nearly: step 1e-4, error of its square and of rounding over it.
    entries = [(entry.level, entry.row, entry.column) for entry in at.entries]
    R, R1, R2, logdet, ld1, ld2 = crossed_derivatives._differenced(case.coordinates, case.theta, entries)
    for ours, theirs, tolerance in [
        (at.R, R, 1e-12), (at.R1, R1, 1e-12), (at.R2, R2, 1e-5), (at.logdet, logdet, 1e-12), (at.ld1, ld1, 1e-12),
        (at.ld2, ld2, 1e-6),
    ]:  # fmt: skip
        assert_allclose(theirs, ours, rtol=0, atol=tolerance * np.abs(ours).max())


def test_jacobian_gives_slopes_inside(model: bx.Model, rng: np.random.Generator) -> None:
    """Where Lambda has an inverse, dOmega follows from the gradient in theta."""
    case = make_case(model, rng, False, fit_coordinates)
    _, gradient, d_omega, *_ = evaluation.profiled(case.coordinates, case.theta, True, certify=True)
    weights = np.linalg.solve(omega_jacobian(case.coordinates, case.theta).T, gradient)
    parts = case.coordinates.layout.factors(weights)
    for level, part, slope in zip(
        case.coordinates.layout.levels, parts, on_effects(case.coordinates, d_omega), strict=True
    ):
        rows, columns = level.entries.T
        assert_allclose(((part + part.T) / 2)[rows, columns], slope[rows, columns], rtol=1e-8, atol=1e-8)


@pytest.fixture
def user_case(model: bx.Model, rng: np.random.Generator) -> Case:
    return make_case(model, rng, True, user_coordinates)


def test_effects_and_their_covariances(user_case: Case) -> None:
    case, layout = user_case, user_case.coordinates.layout
    covariances = case.covariances(case.theta)
    roots = layout.roots(case.theta)
    factors = np.concatenate([factor.ravel() for factor in layout.factors(case.theta)])
    R, _ = evaluation.root_products(case.coordinates, roots)
    B = layout.fixed_basis
    inverse = np.linalg.inv(B.T @ R @ B)
    beta = inverse @ (B.T @ R[:, -1])
    v = -B @ beta
    v[-1] += 1.0
    shapes = [(level.n_groups, level.n_effects) for level in layout.levels]
    means = np.zeros(sum(J * q for J, q in shapes))
    evaluation.effects(case.coordinates, roots, factors, v, 1.0, means)
    p, K = len(beta), layout.width
    flat = dense.effects_posterior(case.problem, covariances, 1.0, Flat())
    given = dense.effects_posterior(case.problem, covariances, 1.0, Explicit(beta))
    assert_allclose(means, flat.mean[p:], atol=1e-10)
    for D, N, covariance in [
        (np.zeros((K, K)), np.zeros((p, K)), given.covariance),
        (B @ inverse @ B.T, -inverse @ B.T, flat.covariance[p:, p:]),
    ]:
        variances = np.zeros(sum(J * q * q for J, q in shapes))
        with_fixed = np.zeros(sum(J * p * q for J, q in shapes))
        evaluation.covariances(case.coordinates, roots, factors, D, np.ascontiguousarray(N), variances, with_fixed)
        at = start = 0
        for J, q in shapes:
            for _ in range(J):
                block = slice(at, at + q)
                found = variances[start : start + q * q].reshape(q, q)
                assert_allclose(found, covariance[block, block], atol=1e-10)
                if N.any():
                    crossed = with_fixed[at * p : (at + q) * p].reshape(p, q)
                    assert_allclose(crossed, flat.covariance[:p, p:][:, block], atol=1e-10)
                at, start = at + q, start + q * q


@pytest.mark.parametrize("kind", ["flat", "normal", "explicit", "partial"])
def test_log_density(user_case: Case, kind: str, rng: np.random.Generator) -> None:
    case, layout = user_case, user_case.coordinates.layout
    p, sigma = layout.n_fixed, 1.3 * layout.response_scale
    mean, root = rng.normal(size=p), np.eye(p) + 0.3 * rng.normal(size=(p, p))
    precision = root @ root.T
    prior = {
        "flat": np.concatenate([[FLAT], np.zeros(p + p * p)]),
        "normal": np.concatenate([[NORMAL], mean, precision.ravel()]),
        "explicit": np.concatenate([[EXPLICIT], np.zeros(p + p * p)]),
        "partial": np.concatenate([[PARTIAL, 1.0, 0.0], mean[1:], precision[1:, 1:].ravel(), root.ravel()]),
    }[kind]
    beta = {"explicit": mean, "partial": mean[:1]}.get(kind, np.zeros(0))
    about = {
        "flat": Flat(),
        "normal": Normal(mean, precision),
        "explicit": Explicit(mean),
        "partial": Partial(mean[:1], mean[1:], precision[1:, 1:], root),
    }[kind]
    lam = case.theta * 1.3 * layout.response_scale
    vector = np.concatenate([case.coordinates.packed, case.coordinates.body])

    def expected(lam: np.ndarray, sigma: complex) -> complex:
        scale = layout.response_scale
        return dense.log_density(case.problem, case.covariances(lam / scale), (sigma / scale) ** 2, about)

    value, d_lam, d_sigma, _ = evaluation.log_density(vector, prior, lam, sigma, beta, "crossed")
    shift = -case.problem.n * np.log(layout.response_scale)
    if kind == "flat":
        shift += p * np.log(layout.response_scale) - layout.log_jacobian
    if kind == "partial":
        shift -= 0.5 * (p - 1) * np.log(2 * np.pi)
    assert_allclose(value, expected(lam, sigma) + shift, rtol=1e-11)
    both = dense.complex_step(lambda x: expected(x[:-1], x[-1]), np.append(lam, sigma))
    assert_allclose(np.append(d_lam, d_sigma), both, rtol=1e-8, atol=1e-9 * np.abs(both).max())


def test_posterior_draws(user_case: Case) -> None:
    """With normals of zero a draw is the conditional mean; the spread over draws is the conditional covariance."""
    case, layout = user_case, user_case.coordinates.layout
    p, sigma = layout.n_fixed, 0.9
    width = sum(level.n_groups * level.n_effects for level in layout.levels)
    prior = np.concatenate([[FLAT], np.zeros(p + p * p)])
    factors = np.concatenate([factor.ravel() for factor in layout.factors(case.theta * sigma)])
    count = 1 + p + width
    noise = np.vstack([np.zeros(p + width), np.eye(p + width)])
    beta, effects = noise[:, :p].copy(), noise[:, p:].copy()
    many = np.tile(case.theta * sigma, (count, 1)) * layout.response_scale
    full = np.tile(factors, (count, 1)) * layout.response_scale
    sigmas = np.full(count, sigma * layout.response_scale)
    evaluation.posterior(case.coordinates, prior, many, full, sigmas, beta, effects)
    expected = dense.effects_posterior(
        case.problem, [S * sigma**2 for S in case.covariances(case.theta)], sigma**2, Flat()
    )
    draws = np.column_stack([beta, effects])
    assert_allclose(draws[0], expected.mean, atol=1e-9)
    root = draws[1:] - draws[0]
    assert_allclose(root.T @ root, expected.covariance, atol=1e-9)
