"""Whether ranks are uniform: their empirical distribution against simultaneous bands, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaln

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Halvings in the search for the width of a band.
STEPS = 22


@dataclass(frozen=True)
class Ecdf:
    """The empirical distribution of N ranks at the points i/(L + 1), i = 1 .. L.

    Parameters
    ----------
    points : (L,) array
    shares : (L,) array
        Share of ranks below i.
    """

    points: Floats
    shares: Floats

    @property
    def difference(self) -> Floats:
        """Shares less those of uniform ranks, (L,)."""
        return np.asarray(self.shares - self.points)


def rank_among(truth: Floats, draws: Floats, rng: np.random.Generator) -> Integers:
    """How many of L draws lie below the truth, 0 to L, ties at random.

    Parameters
    ----------
    truth : (Q,) array
    draws : (L, Q) array
    rng : Generator

    Returns
    -------
    (Q,) int array
        Uniform on 0 .. L where truth and draws are exchangeable (Talts et al. 2018, theorem 1).
    """
    below, equal = (draws < truth).sum(axis=0), (draws == truth).sum(axis=0)
    return np.asarray(below + rng.integers(0, equal, endpoint=True), dtype=np.int64)


def rank_ecdf(ranks: Integers, L: int) -> Ecdf:
    """The empirical distribution of ranks among L draws."""
    below = np.cumsum(np.bincount(ranks, minlength=L + 1))[:-1]
    return Ecdf(np.arange(1, L + 1) / (L + 1), below / len(ranks))


def uniform_p(ranks: Integers, L: int) -> float:
    """Probability that uniform ranks leave the band that these ranks touch, or a wider one.

    At each point the number of ranks below is binomial; the statistic is the smallest two-sided tail probability over
    all points, and its distribution is computed exactly.

    Parameters
    ----------
    ranks : (N,) int array
        0 to L.
    L : int
        Draws they are among.

    Returns
    -------
    float

    References
    ----------
    Säilynoja, Bürkner & Vehtari (2022), Statistics and Computing 32:32, algorithms 1 and 2.

    Examples
    --------
    >>> import numpy as np
    >>> round(uniform_p(np.arange(10), 9), 3)
    1.0
    >>> round(uniform_p(np.zeros(3, int), 9), 4)
    0.002
    """
    n = len(ranks)
    below = np.cumsum(np.bincount(ranks, minlength=L + 1))[:-1]
    tails = _tails(n, L)
    smallest = tails[np.arange(L), below].min()
    return float(np.clip(1 - _stays_inside(tails > smallest, n), 0.0, 1.0))


def simultaneous_band(n: int, L: int, prob: float) -> tuple[Floats, Floats]:
    """Within what all shares of n uniform ranks lie at once with this probability, or a little more.

    Parameters
    ----------
    n, L : int
        Ranks, and the draws they are among.
    prob : float

    Returns
    -------
    (L,) array, (L,) array
        Lowest and highest shares inside.

    References
    ----------
    Säilynoja, Bürkner & Vehtari (2022), Statistics and Computing 32:32, algorithm 2.
    """
    return _band(n, L, prob)


@lru_cache(maxsize=32)
def _band(n: int, L: int, prob: float) -> tuple[Floats, Floats]:
    """See :func:`simultaneous_band`."""
    tails = _tails(n, L)
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        if 1 - _stays_inside(tails > middle, n) <= 1 - prob:
            low = middle
        else:
            high = middle
    inside = tails > low
    first, last = inside.argmax(axis=1), n - inside[:, ::-1].argmax(axis=1)
    ends = first / n, last / n
    for end in ends:
        end.flags.writeable = False
    return ends


@lru_cache(maxsize=8)
def _tails(n: int, L: int) -> Floats:
    """Two-sided tail probability of s of n ranks below point i, (L, n + 1)."""
    points, counts = np.arange(1, L + 1)[:, None] / (L + 1), np.arange(n + 1)
    lower = stats.binom.cdf(counts, n, points)
    # Turned over, not computed: the same number of ranks too few and too many must not differ by rounding.
    upper = lower[::-1, ::-1]
    found = np.asarray(np.minimum(1.0, 2 * np.minimum(lower, upper)))
    found.flags.writeable = False
    return found


def _stays_inside(inside: Flags, n: int) -> float:
    """Probability that the numbers of uniform ranks below all points are of those marked, (L, n + 1) marks.

    The numbers are a Markov chain: of the n - s ranks above a point each lies below the next one with the same
    probability.
    """
    log_factorial = gammaln(np.arange(n + 1) + 1)
    points = np.arange(0, len(inside) + 1) / (len(inside) + 1)
    at, chance = np.array([0]), np.array([1.0])
    for i, row in enumerate(inside):
        to = np.flatnonzero(row)
        if not to.size:
            return 0.0
        step = (points[i + 1] - points[i]) / (1 - points[i])
        moved, left = to[None, :] - at[:, None], n - at[:, None]
        possible = moved >= 0
        moved = np.where(possible, moved, 0)
        stays = np.maximum(left - moved, 0)
        log = log_factorial[left] - log_factorial[moved] - log_factorial[stays]
        log = log + moved * np.log(step) + stays * np.log1p(-step)
        chance = chance @ np.where(possible, np.exp(log), 0.0)
        at = to
    return float(chance.sum())


def holm(p: Floats) -> Floats:
    """p-values adjusted for their number (Holm 1979, Scandinavian Journal of Statistics 6:65-70)."""
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    found = np.empty(len(p))
    found[order] = np.minimum(adjusted, 1.0)
    return found


def rank_coverage(ranks: Integers, L: int, prob: float) -> tuple[float, float]:
    """Share of truths inside central intervals of L draws, and its Monte Carlo error.

    The interval holds prob of the L + 1 ranks; where an edge falls within a rank, that rank counts by its part, so
    that the expected share of uniform ranks is prob for every L.

    Parameters
    ----------
    ranks : (N,) int array
    L : int
    prob : float
    """
    low, high = (0.5 - prob / 2) * (L + 1), (0.5 + prob / 2) * (L + 1)
    inside = np.clip(np.minimum(ranks + 1, high) - np.maximum(ranks, low), 0.0, 1.0)
    share = float(inside.mean())
    return share, float(np.sqrt(prob * (1 - prob) / len(ranks)))
