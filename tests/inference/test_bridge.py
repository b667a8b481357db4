"""Bridge sampling of integrals that are known, and of chains that are not to be believed."""

import contextlib

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import logsumexp

from bayesmix.errors import ArgumentError, ConvergenceError
from bayesmix.inference.bridge import bridge, bridge_root

SCALE = np.array([[2.0, 0.0, 0.0], [0.5, 1.0, 0.0], [-1.0, 0.3, 0.2]])


def heavy(x: np.ndarray) -> np.ndarray:
    """A t density of 5 degrees of freedom in three skewed directions, times e^7."""
    return 7 + stats.multivariate_t.logpdf(x, [1, -2, 3], SCALE @ SCALE.T, df=5)


def heavy_draws(rng: np.random.Generator, chains: int, n: int) -> np.ndarray:
    return stats.multivariate_t.rvs([1, -2, 3], SCALE @ SCALE.T, df=5, size=(chains, n), random_state=rng)


def funnel(x: np.ndarray) -> np.ndarray:
    """Log of an exponential variable, whose left tail is longer than any normal one, and a normal one around it."""
    return x[:, 0] - np.exp(x[:, 0]) + stats.norm.logpdf(x[:, 1], x[:, 0], 0.5)


def autocorrelated(rng: np.random.Generator, chains: int, n: int, rho: float) -> np.ndarray:
    """Standard normal chains whose neighbours correlate, (chains, n, 2)."""
    x = np.empty((chains, n, 2))
    x[:, 0] = rng.normal(size=(chains, 2))
    for t in range(1, n):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho**2) * rng.normal(size=(chains, 2))
    return x


def skewed(x: np.ndarray) -> np.ndarray:
    """Standard normal in sinh(x), which has lighter tails than any normal."""
    return -0.5 * (np.sinh(x) ** 2 - 2 * np.log(np.cosh(x))).sum(axis=1)


@pytest.mark.parametrize("case", ["heavy", "funnel", "autocorrelated"])
def test_the_error_is_honest(case: str, rng: np.random.Generator) -> None:
    """Sixty repetitions with draws of their own: right on average, and spread as each of them says."""
    found = []
    for _ in range(60):
        if case == "heavy":
            estimate, exact = bridge(heavy, heavy_draws(rng, 4, 200), rng), 7.0
        elif case == "funnel":
            first = np.log(rng.exponential(size=(4, 200)))
            draws = np.stack([first, first + 0.5 * rng.normal(size=first.shape)], axis=-1)
            estimate, exact = bridge(funnel, draws, rng), 0.0
        else:
            estimate, exact = bridge(skewed, np.arcsinh(autocorrelated(rng, 4, 500, 0.8)), rng), np.log(2 * np.pi)
        found.append((estimate.value - exact, estimate.se))
    errors, claims = np.array(found).T
    typical = np.sqrt(np.mean(claims**2))
    assert abs(errors.mean()) < 4 * typical / np.sqrt(60)
    # The sd of 60 errors is itself uncertain by 9 %.
    assert 0.7 < errors.std(ddof=1) / typical < 1.4
    assert typical < 0.1


def test_correlated_draws_count_less(rng: np.random.Generator) -> None:
    """A proposal beside the density, so that nearly all of the error is that of the draws."""
    found = []
    for _ in range(40):
        p, q = autocorrelated(rng, 4, 2000, 0.9)[:, :, 0], rng.normal(1.5, 1, size=20_000)
        at_draws, at_proposals = (stats.norm.logpdf(x) - stats.norm.logpdf(x, 1.5) for x in (p, q))
        found.append(bridge_root(at_draws, at_proposals, 20_000.0))
    values, errors = np.array(found).T
    # The sd of 40 values is itself uncertain by 11 %; were the draws independent it would be a quarter.
    assert 0.65 < values.std(ddof=1) / np.sqrt(np.mean(errors**2)) < 1.5


def test_what_is_reported(rng: np.random.Generator) -> None:
    draws = autocorrelated(rng, 4, 501, 0.8)
    found = bridge(lambda x: stats.norm.logpdf(x).sum(axis=1), draws, rng)
    assert (found.dimension, found.draws) == (2, 2004)
    # An autocorrelation of rho leaves (1 - rho)/(1 + rho) of the draws.
    assert 0.5 < found.effective / (2004 * 0.2 / 1.8) < 2
    assert found.value == np.mean(found.halves)
    assert_allclose(found.se, np.hypot(*found.errors) / 2)


def test_the_root_is_the_fixed_point(rng: np.random.Generator) -> None:
    """Meng & Wong's iteration, run until it stands still, for independent draws."""
    p, q = rng.normal(0.5, 1, size=(4, 250)), rng.normal(-0.3, 2, size=700)
    at_draws = stats.norm.logpdf(p, 0.5, 1) + 3 - stats.norm.logpdf(p, -0.3, 2)
    at_proposals = stats.norm.logpdf(q, 0.5, 1) + 3 - stats.norm.logpdf(q, -0.3, 2)
    value, _ = bridge_root(at_draws, at_proposals, 1000.0)
    s1, s2, r = 1000 / 1700, 700 / 1700, 0.0
    for _ in range(500):
        above = logsumexp(at_proposals - np.logaddexp(np.log(s1) + at_proposals, np.log(s2) + r)) - np.log(700)
        below = logsumexp(-np.logaddexp(np.log(s1) + at_draws, np.log(s2) + r)) - np.log(1000)
        r = above - below
    assert_allclose(value, r, atol=1e-10)
    assert abs(value - 3) < 0.2


def test_a_constant_moves_the_value_alone(rng: np.random.Generator) -> None:
    draws = heavy_draws(rng, 2, 300)
    one = bridge(heavy, draws, np.random.default_rng(3))
    two = bridge(lambda x: heavy(x) - 1e5, draws, np.random.default_rng(3))
    assert_allclose(two.value, one.value - 1e5, rtol=1e-12)
    assert_allclose(two.se, one.se, rtol=1e-6)


def test_density_of_zero_at_proposals(rng: np.random.Generator) -> None:
    """Half a normal density: half of the proposals near the edge have none."""
    draws = np.abs(rng.normal(size=(4, 500, 1)))

    def half(x: np.ndarray) -> np.ndarray:
        return np.where(x[:, 0] > 0, -0.5 * x[:, 0] ** 2, -np.inf)

    found = bridge(half, draws, rng)
    assert abs(found.value - 0.5 * np.log(np.pi / 2)) < 4 * found.se


def test_one_chain(rng: np.random.Generator) -> None:
    """Its halves take the place of chains: R-hat needs two."""
    found = bridge(heavy, heavy_draws(rng, 1, 2000).reshape(1, 2000, 3), rng)
    assert abs(found.value - 7) < 4 * found.se < 0.4
    drifting = rng.normal(size=(1, 401, 2)) + np.linspace(0, 5, 401)[:, None]
    with pytest.raises(ConvergenceError, match="two halves of the chain do not agree: R-hat is 1"):
        bridge(lambda x: stats.norm.logpdf(x).sum(axis=1), drifting, rng)


@pytest.mark.parametrize(("chains", "d", "least"), [(1, 1, 20), (1, 2, 40), (4, 1, 8), (4, 2, 10), (3, 2, 14)])
def test_as_many_draws_as_asked_for(chains: int, d: int, least: int, rng: np.random.Generator) -> None:
    """What the message asks for is enough, and one less is not."""

    def density(x: np.ndarray) -> np.ndarray:
        return np.asarray(stats.norm.logpdf(x).sum(axis=1))

    independent = stats.norm.ppf((rng.permuted(np.tile(np.arange(400), (4, d, 1)), axis=2) + 0.5) / 400)
    draws = np.moveaxis(independent, 1, 2)[:chains]
    with pytest.raises(ArgumentError, match=f"at least {least} draws in each chain, {chains * least} in all"):
        bridge(density, draws[:, : least - 1], rng)
    with contextlib.suppress(ConvergenceError):  # so few may differ by chance
        bridge(density, draws[:, :least], rng)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x[:, :6], "Sample more"),
        (lambda x: np.repeat(x[:, :1], 400, axis=1), "does not move"),
        (lambda x: np.concatenate([x[:1] * 0 + 1.0, x[1:]]), "does not move"),
        (lambda x: x + np.arange(4)[:, None, None] * 9, "R-hat"),
    ],
)
def test_chains_that_can_not_be_used(change: object, words: str, rng: np.random.Generator) -> None:
    draws = change(rng.normal(size=(4, 400, 2)))  # type: ignore[operator]
    with pytest.raises((ArgumentError, ConvergenceError), match=words):
        bridge(lambda x: stats.norm.logpdf(x).sum(axis=1), draws, rng)


def test_a_density_that_is_not_that_of_the_draws(rng: np.random.Generator) -> None:
    draws = rng.normal(size=(4, 400, 1))
    with pytest.raises(ConvergenceError, match="not a finite number"):
        bridge(lambda x: np.full(len(x), np.nan), draws, rng)
    with pytest.raises(ConvergenceError, match="wherever the proposal looked"):
        bridge_root(np.zeros((4, 100)), np.full(400, -np.inf), 400.0)
