"""Importance sampling of integrals that are known, and of tails that no proposal covers."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from bayesmix.inference.importance import ImportanceEstimate, _Proposal, integrate, pareto_k

SCALE = np.array([[2.0, 0.0, 0.0], [0.5, 1.0, 0.0], [-1.0, 0.3, 0.2]])


def heavy(x: np.ndarray) -> np.ndarray:
    """A t density of 5 degrees of freedom in three skewed directions, times e^7."""
    return 7 + stats.multivariate_t.logpdf(x, [1, -2, 3], SCALE @ SCALE.T, df=5)


def long_tail(x: np.ndarray) -> np.ndarray:
    """An sd with a half normal density, in logarithms, whose left tail is longer than any normal one; and another."""
    return stats.halfnorm.logpdf(np.exp(x[:, 0])) + x[:, 0] + stats.norm.logpdf(x[:, 1], 0.3 * x[:, 0], 0.5)


def odds(x: np.ndarray) -> np.ndarray:
    """Four shares, uniform, in log odds."""
    return -(np.logaddexp(0, x) + np.logaddexp(0, -x)).sum(axis=1)


CASES = {"heavy": (heavy, 3, 7.0), "long tail": (long_tail, 2, 0.0), "odds": (odds, 4, 0.0)}


@pytest.mark.parametrize("case", CASES)
def test_the_error_is_honest(case: str, rng: np.random.Generator) -> None:
    """Sixty repetitions from points far off: right on average, and spread as each of them says."""
    log_density, d, exact = CASES[case]
    found = [integrate(log_density, rng.normal(6, 2, size=(50, d)), rng, 1000) for _ in range(60)]
    assert all(each.reliable for each in found)
    errors = np.array([each.value - exact for each in found])
    typical = np.sqrt(np.mean([each.se**2 for each in found]))
    assert abs(errors.mean()) < 4 * typical / np.sqrt(60)
    # The sd of 60 errors is itself uncertain by 9 %.
    assert 0.7 < errors.std(ddof=1) / typical < 1.4
    assert typical < 0.05


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_proposal_is_a_density(d: int, rng: np.random.Generator) -> None:
    """Its own logarithm at its draws: the mean of a normal density over it is 1."""
    root = np.tril(rng.uniform(0.5, 1.5, size=(d, d)))
    proposal = _Proposal(np.full(d, 2.0), root, np.array([np.full(d, 0.5), np.full(d, 3.0)]))
    points, own = proposal.draw(100_000, rng)
    weights = np.exp(stats.multivariate_normal(np.full(d, 2.5), 0.3 * root @ root.T).logpdf(points).ravel() - own)
    assert abs(weights.mean() - 1) < 4 * weights.std() / np.sqrt(len(weights))
    along = np.linalg.solve(root, (points - 2.0).T)
    assert_allclose(-along[along < 0].mean() / along[along > 0].mean(), 0.5 / 3.0, rtol=0.05)


def test_shape_of_a_tail(rng: np.random.Generator) -> None:
    """Of weights u^-k it is k (Pareto), of bounded ones it is negative, of equal ones there is none."""
    u = rng.uniform(size=50_000)
    for k in (0.3, 0.9):
        assert_allclose(pareto_k(-k * np.log(u)), k, atol=0.1)
    assert pareto_k(np.log(u)) < 0
    assert pareto_k(np.full(100, 3.0)) == -np.inf


def bent(x: np.ndarray) -> np.ndarray:
    """A parabola of a parabola, a hundredth as wide as it is long."""
    return -0.5 * (x[:, 0] ** 2 / 9 + ((x[:, 1] - x[:, 0] ** 2) / 0.1) ** 2 + ((x[:, 2] - x[:, 1] ** 2) / 0.1) ** 2)


HARD = {
    "tails along axes": (lambda x: stats.cauchy.logpdf(x).sum(axis=1), 6),
    "bent": (bent, 3),
}


@pytest.mark.parametrize("case", HARD)
def test_what_no_proposal_covers(case: str, rng: np.random.Generator) -> None:
    """Errors that can not be trusted are not."""
    log_density, d = HARD[case]
    assert not integrate(log_density, rng.normal(size=(50, d)), rng, 4000).reliable


def test_what_an_error_takes() -> None:
    """Finite numbers, a tail that has a mean with a spread, a tenth of the draws."""
    good = ImportanceEstimate(-3.0, 0.01, 2000.0, 0.2, 4000)
    assert good.reliable
    for change in ({"pareto_k": 0.71}, {"effective": 399.0}, {"value": -np.inf}, {"se": np.nan}, {"pareto_k": np.nan}):
        assert not replace(good, **change).reliable


def test_nothing_to_integrate() -> None:
    found = integrate(lambda x: np.full(len(x), -3.5), np.zeros((7, 0)), np.random.default_rng(1))
    assert (found.value, found.se, found.draws, found.reliable) == (-3.5, 0.0, 1, True)


def test_density_of_zero(rng: np.random.Generator) -> None:
    found = integrate(lambda x: np.full(len(x), -np.inf), rng.normal(size=(50, 2)), rng, 500)
    assert found.value == -np.inf
    assert not found.reliable
    half = integrate(
        lambda x: np.where(x[:, 0] > 0, -0.5 * x[:, 0] ** 2, -np.inf), np.abs(rng.normal(size=(50, 1))), rng
    )
    assert abs(half.value - 0.5 * np.log(np.pi / 2)) < 4 * half.se


def test_a_constant_moves_the_value_alone(rng: np.random.Generator) -> None:
    near = rng.normal(size=(50, 3))
    one, two = (
        integrate(partial(lambda x, shift: heavy(x) - shift, shift=shift), near, np.random.default_rng(3), 2000)
        for shift in (0.0, 1e4)
    )
    # The search of the mode sees rounding of 1e-12 over its steps.
    assert abs(two.value + 1e4 - one.value) < 5 * np.hypot(one.se, two.se)
    assert_allclose(two.se, one.se, rtol=0.3)
