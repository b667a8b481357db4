"""Ranks and their test: enumeration of every possible outcome, simulation, and adjustments by hand."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from bayesmix.inference.uniformity import (
    holm,
    rank_among,
    rank_coverage,
    rank_ecdf,
    simultaneous_band,
    uniform_p,
)


def smallest_tail(ranks: np.ndarray, L: int) -> float:
    """The statistic, from its definition."""
    tails = []
    for i in range(1, L + 1):
        below = int((ranks < i).sum())
        law = stats.binom(len(ranks), i / (L + 1))
        tails.append(min(1.0, 2 * min(law.cdf(below), law.sf(below - 1))))
    return round(min(tails), 12)  # ties must not differ by rounding


@pytest.mark.parametrize(("n", "L"), [(3, 2), (4, 3), (1, 9)])
def test_p_by_enumeration(n: int, L: int) -> None:
    """Every sequence of n ranks is equally likely: p is the share of those at least as extreme."""
    outcomes = [np.array(ranks) for ranks in product(range(L + 1), repeat=n)]
    statistics = np.array([smallest_tail(ranks, L) for ranks in outcomes])
    for ranks, statistic in list(zip(outcomes, statistics, strict=True))[:: max(1, len(outcomes) // 40)]:
        assert_allclose(uniform_p(ranks, L), np.mean(statistics <= statistic), atol=1e-12)


@pytest.mark.parametrize(("n", "L", "prob"), [(4, 3, 0.8), (4, 2, 0.9), (5, 2, 0.95)])
def test_band_by_enumeration(n: int, L: int, prob: float) -> None:
    """The narrowest band of its kind that holds all shares at once with the probability."""
    outcomes = np.array(list(product(range(L + 1), repeat=n)))
    shares = np.stack([(outcomes < i).mean(axis=1) for i in range(1, L + 1)], axis=1)
    low, high = simultaneous_band(n, L, prob)
    inside = ((low - 1e-9 <= shares) & (shares <= high + 1e-9)).all(axis=1).mean()
    assert inside >= prob
    statistics = np.array([smallest_tail(ranks, L) for ranks in outcomes])
    wider = [np.mean(statistics >= value) for value in np.unique(statistics)]
    assert_allclose(inside, min(share for share in wider if share >= prob - 1e-12), atol=1e-12)


def test_p_of_uniform_ranks_is_uniform(rng: np.random.Generator) -> None:
    """1,000 samples: shares below a level within four standard errors of it (p is discrete, but finely so)."""
    p = np.array([uniform_p(rng.integers(0, 20, size=60), 19) for _ in range(1000)])
    for level in (0.05, 0.2, 0.5):
        assert abs((p <= level).mean() - level) < 4 * np.sqrt(level * (1 - level) / 1000)


def test_p_of_other_ranks(rng: np.random.Generator) -> None:
    """Shifted, too narrow and too wide posteriors are found."""
    n, L = 500, 99
    for u in (rng.beta(1.5, 1, n), rng.beta(0.6, 0.6, n), rng.beta(1.8, 1.8, n)):
        assert uniform_p(np.floor(u * (L + 1)).astype(int), L) < 1e-3


def test_band_and_p_agree(rng: np.random.Generator) -> None:
    """A curve leaves the band of 1 - alpha where p is at most alpha."""
    n, L = 80, 39
    low, high = simultaneous_band(n, L, 0.7)
    outside, small = [], []
    for _ in range(200):
        ranks = rng.integers(0, L + 1, size=n)
        shares = rank_ecdf(ranks, L).shares
        outside.append(bool(((shares < low - 1e-9) | (shares > high + 1e-9)).any()))
        small.append(uniform_p(ranks, L) <= 0.3)
    assert outside == small
    assert 20 < sum(outside) < 100


def test_ecdf() -> None:
    found = rank_ecdf(np.array([0, 0, 3, 1]), 3)
    assert_allclose(found.points, [0.25, 0.5, 0.75])
    assert_allclose(found.shares, [0.5, 0.75, 0.75])
    assert_allclose(found.difference, [0.25, 0.25, 0.0])


def test_ranks(rng: np.random.Generator) -> None:
    draws = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    assert_array_equal(rank_among(np.array([2.5, 6.0]), draws, rng), [2, 3])
    tied = [int(rank_among(np.array([2.0, 5.0]), draws, rng)[1]) for _ in range(400)]
    assert_array_equal(np.unique(tied), [0, 1, 2, 3])
    assert np.bincount(tied).min() > 60


def test_coverage_of_all_ranks() -> None:
    """Each rank once: nominal, whatever the number of draws."""
    for L in (9, 20, 99):
        for prob in (0.5, 0.8, 0.95):
            share, error = rank_coverage(np.arange(L + 1), L, prob)
            assert_allclose(share, prob, rtol=1e-12)
            assert_allclose(error, np.sqrt(prob * (1 - prob) / (L + 1)))
    assert rank_coverage(np.array([50, 49, 0, 99]), 99, 0.5)[0] == 0.5


def test_holm() -> None:
    assert_allclose(holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])
    assert_allclose(holm(np.array([0.9, 0.8])), [1.0, 1.0])
