"""Conditional means, covariances and draws of the effects against dense algebra, without any Monte Carlo.

A kernel that draws takes standard normals and is affine in them: zeros give its mean, unit vectors the columns of its
factor, whose product with its transpose must be the covariance.
"""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayesmix.likelihood import kernels
from tests import dense
from tests.designs import RandomDesign, cases, crowded_cases, random_design

SCALE = 3.7
SIGMA = 2.9  # in the user's units


@pytest.fixture(params=[*cases(), *crowded_cases()], ids=str)
def design(request: pytest.FixtureRequest, rng: np.random.Generator) -> RandomDesign:
    return random_design(rng, request.param, SCALE)


def flat_factors(design: RandomDesign) -> np.ndarray:
    return np.concatenate([factor.ravel() for factor in design.factors(design.theta)])


def n_effects(design: RandomDesign) -> int:
    return sum(level.n_groups * level.n_effects for level in design.layout.levels)


def diagonal_blocks(design: RandomDesign, covariance: np.ndarray) -> np.ndarray:
    """The (q, q) block of every group, flat, as the kernel writes them."""
    at, parts = 0, []
    for level in design.layout.levels:
        for _ in range(level.n_groups):
            stop = at + level.n_effects
            parts.append(covariance[at:stop, at:stop].ravel())
            at = stop
    return np.concatenate(parts)


def close(actual: np.ndarray, expected: np.ndarray) -> None:
    assert_allclose(actual, expected, rtol=1e-9, atol=1e-10 * np.abs(expected).max())


def test_effects_given_beta(design: RandomDesign, rng: np.random.Generator) -> None:
    sigma = 1.7
    beta = rng.normal(size=design.layout.n_fixed)
    v = -design.layout.fixed_basis @ beta
    v[-1] += 1.0
    roots, size = design.layout.roots(design.theta), n_effects(design)

    def effects(normals: np.ndarray) -> np.ndarray:
        out = normals.copy()
        kernels.effects(design.packed, design.body, roots, flat_factors(design), v, sigma, out)
        return out

    covariances = [sigma**2 * S for S in design.covariances(design.theta)]
    expected = dense.effects_posterior(design.dense, covariances, sigma**2, dense.Explicit(beta))
    mean = effects(np.zeros(size))
    factor = np.array([effects(unit) - mean for unit in np.eye(size)]).T
    close(mean, expected.mean)
    close(factor @ factor.T, expected.covariance)


def test_effects_are_affine_in_their_normals(design: RandomDesign, rng: np.random.Generator) -> None:
    """What the other tests rest on."""
    v = rng.normal(size=design.layout.width)
    roots, size = design.layout.roots(design.theta), n_effects(design)

    def effects(normals: np.ndarray) -> np.ndarray:
        out = normals.copy()
        kernels.effects(design.packed, design.body, roots, flat_factors(design), v, 1.3, out)
        return out

    one, two, zero = rng.normal(size=size), rng.normal(size=size), np.zeros(size)
    close(effects(one + 2 * two) - effects(zero), effects(one) + 2 * effects(two) - 3 * effects(zero))


def test_covariances_of_effects(design: RandomDesign) -> None:
    """Given beta (D at the root 0), and with beta estimated (D = inverse of R_xx), over sigma^2."""
    layout, p, K = design.layout, design.layout.n_fixed, design.layout.width
    roots, factors, B = layout.roots(design.theta), flat_factors(design), layout.fixed_basis
    relative = design.covariances(design.theta)
    size = sum(level.n_groups * level.n_effects**2 for level in layout.levels)
    crossed = sum(level.n_groups * level.n_effects * p for level in layout.levels)

    variances, with_fixed = np.zeros(size), np.zeros(crossed)
    none = np.zeros((K, K)), np.zeros((p, K))
    kernels.covariances(design.packed, design.body, roots, factors, *none, variances, with_fixed)
    given = dense.effects_posterior(design.dense, relative, 1.0, dense.Explicit(np.zeros(p)))
    close(variances, diagonal_blocks(design, given.covariance))
    assert not with_fixed.any()

    inverse = kernels.profiled(design.theta, design.packed, design.body, True)[5]
    variances, with_fixed = np.zeros(size), np.zeros(crossed)
    D, N = B @ inverse @ B.T, np.ascontiguousarray(-inverse @ B.T)
    kernels.covariances(design.packed, design.body, roots, factors, D, N, variances, with_fixed)
    joint = dense.effects_posterior(design.dense, relative, 1.0, dense.Flat())
    close(variances, diagonal_blocks(design, joint.covariance[p:, p:]))
    at, parts = p, []
    for level in layout.levels:
        for _ in range(level.n_groups):
            parts.append(joint.covariance[:p, at : at + level.n_effects].ravel())
            at += level.n_effects
    close(with_fixed, np.concatenate(parts))


@pytest.fixture(params=["flat", "normal", "explicit", "partial"])
def prior(request: pytest.FixtureRequest, rng: np.random.Generator, design: RandomDesign) -> tuple[np.ndarray, Any]:
    """As the kernel takes it and as the dense oracle does; the values themselves where beta is explicit."""
    p = design.layout.n_fixed
    half = rng.normal(size=(p, p))
    mean, precision, nothing = rng.normal(size=p), half @ half.T + np.eye(p), np.zeros(p * p)
    if request.param == "flat":
        return np.concatenate([[kernels.FLAT], np.zeros(p), nothing]), dense.Flat()
    if request.param == "normal":
        return np.concatenate([[kernels.NORMAL], mean, precision.ravel()]), dense.Normal(mean, precision)
    if request.param == "partial":
        A = rng.normal(size=(p, p))
        half = half[1:, 1:]
        numbers = [kernels.PARTIAL, 1.0, 0.0], mean[1:], (half.T @ half).ravel(), A.ravel()
        return np.concatenate(numbers), dense.Partial(mean[:1], mean[1:], half.T @ half, A)
    return np.concatenate([[kernels.EXPLICIT], np.zeros(p), nothing]), dense.Explicit(mean)


def test_posterior_draws(design: RandomDesign, prior: tuple[np.ndarray, Any]) -> None:
    """Mean and covariance of (beta, u) together: a wrong sign between the two would not show in either alone."""
    packed, oracle = prior
    p, size = design.layout.n_fixed, n_effects(design)
    given = {dense.Explicit: p, dense.Partial: 1}.get(type(oracle), 0)
    normals = np.vstack([np.zeros(p + size), np.eye(p + size)])
    draws = len(normals)
    beta, effects = normals[:, :p].copy(), normals[:, p:].copy()
    if given:
        beta[:, :given] = oracle.beta if given == p else oracle.given
    sigma = np.full(draws, SIGMA)
    lam = np.tile(SIGMA * design.theta, (draws, 1))
    factors = np.tile(SIGMA * flat_factors(design), (draws, 1))
    kernels.posterior(design.packed, design.body, packed, lam, factors, sigma, beta, effects)
    inner = SIGMA / SCALE
    covariances = [inner**2 * S for S in design.covariances(design.theta)]
    expected = dense.effects_posterior(design.dense, covariances, inner**2, oracle)
    found = np.hstack([beta, effects])
    if given == p:
        assert (beta == oracle.beta).all()
        found = np.delete(effects, range(1, p + 1), axis=0)
    elif given:
        inner = np.linalg.solve(oracle.A, beta.T).T
        assert_allclose(inner[:, 0], oracle.given[0], rtol=1e-10)
        found = np.delete(np.hstack([inner[:, 1:], effects]), 1, axis=0)
    mean, factor = found[0], (found[1:] - found[0]).T
    # Effects are reported in the units of the factors given: absolute ones, over the scale of the response.
    close(mean, expected.mean)
    close(factor @ factor.T, expected.covariance)


def test_posterior_draws_use_each_draws_own_parameters(design: RandomDesign) -> None:
    """Draw after draw in one call = one call for each."""
    p, size, draws = design.layout.n_fixed, n_effects(design), 3
    rng = np.random.default_rng(5)
    packed = np.zeros(1 + p + p * p)
    factors = rng.uniform(0.5, 2.0, size=(draws, 1))
    lam, flat = factors * SIGMA * design.theta, factors * SIGMA * flat_factors(design)
    sigma = rng.uniform(1.0, 4.0, size=draws)
    beta, effects = rng.normal(size=(draws, p)), rng.normal(size=(draws, size))
    alone = []
    for d in range(draws):
        one = slice(d, d + 1)
        own_beta, own_effects = beta[one].copy(), effects[one].copy()
        kernels.posterior(design.packed, design.body, packed, lam[one], flat[one], sigma[one], own_beta, own_effects)
        alone.append(np.hstack([own_beta, own_effects]))
    kernels.posterior(design.packed, design.body, packed, lam, flat, sigma, beta, effects)
    assert_allclose(np.hstack([beta, effects]), np.vstack(alone), rtol=1e-13, atol=1e-13)


def test_no_effects_wanted(design: RandomDesign, rng: np.random.Generator) -> None:
    """beta alone is drawn where there is no room for effects."""
    p = design.layout.n_fixed
    beta, effects = rng.normal(size=(1, p)), np.zeros((1, n_effects(design)))
    again = beta.copy()
    packed, sigma = np.zeros(1 + p + p * p), np.array([SIGMA])
    lam, factors = SIGMA * design.theta[None, :], SIGMA * flat_factors(design)[None, :]
    kernels.posterior(design.packed, design.body, packed, lam, factors, sigma, beta, effects)
    kernels.posterior(design.packed, design.body, packed, lam, factors, sigma, again, np.zeros((1, 0)))
    assert_allclose(again, beta, rtol=1e-14)
