"""What the test of equal group means does to rows that are correlated within groups."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.results.naming import require_count
from bayesmix.teaching.arguments import (
    as_list,
    is_number,
    require_seed,
    require_several,
    require_share,
    shown,
)

Floats = NDArray[np.float64]

# Rows held at a time by a simulation: 80 MB.
CHUNK = 10_000_000

# Correlations of a curve where none are named.
CURVE = np.linspace(0, 0.99, 100)


def type1_error(*, k: int, n: int, rho: float, alpha: float = 0.05, **unknown: Any) -> float:
    """Chance that one-way analysis of variance finds a difference where there is none, rows being correlated.

    Rows of a group have the intraclass correlation rho and equal variances, and the test takes them for independent.
    Then its F is c F', c = (1 + (n - 1) rho)/(1 - rho), F' of k - 1 and k (n - 1) degrees of freedom: exact. With two
    groups, 1 minus this is the coverage of the interval for their difference.

    Parameters
    ----------
    k : int
        Groups, at least 2.
    n : int
        Rows of each group, at least 2.
    rho : float
        Correlation of two rows of a group, from -1/(n - 1) to 1.
    alpha : float
        Level the test claims.

    Returns
    -------
    float

    Raises
    ------
    ArgumentError
        A number outside its range.

    References
    ----------
    Kenny & Judd (1986), Psychological Bulletin 99:422-431.

    Examples
    --------
    >>> import bayesmix as bx
    >>> round(bx.type1_error(k=3, n=10, rho=0.2), 3)
    0.396
    """
    refuse_unknown("type1_error", unknown, ("k", "n", "rho", "alpha"))
    groups, size = require_count("k", k, 2), require_count("n", n, 2)
    if as_list(rho) is not None:
        raise ArgumentError(
            f"rho={shown(rho)}.",
            "Expected one correlation.",
            "For several call type1_curve(rho=...) with the same k and n.",
        )
    return float(_exact(groups, size, _require_correlations(rho, size), require_share("alpha", alpha))[0])


def type1_curve(
    *,
    k: Any = (2, 3, 5),
    n: Any = 10,
    rho: Any = None,
    alpha: float = 0.05,
    simulate: int = 0,
    seed: int | None = None,
    **unknown: Any,
) -> pd.DataFrame:
    """:func:`type1_error` along the correlation, for several numbers and sizes of groups, simulated too if asked.

    Parameters
    ----------
    k, n : int or sequence of int
        Groups, and rows of each.
    rho : float or sequence of float, optional
        Correlations; by default 0, .01, ..., .99.
    alpha : float
        Level the test claims.
    simulate : int
        Data sets to draw and test at each point; 0 for none.
    seed : int, optional
        The same seed gives the same data sets.

    Returns
    -------
    DataFrame
        Index (k, n, rho); type1_error, and where simulated: simulated (the share that was rejected) and mc_se, its
        standard error sqrt(p (1 - p)/simulate) at the exact p.

    Examples
    --------
    >>> import bayesmix as bx
    >>> bx.type1_curve(k=[2, 5], n=10, rho=[0, 0.1, 0.5])["type1_error"].round(3).tolist()
    [0.05, 0.165, 0.534, 0.05, 0.315, 0.918]
    """
    refuse_unknown("type1_curve", unknown, ("k", "n", "rho", "alpha", "simulate", "seed"))
    groups = [require_count("k", value, 2) for value in require_several("k", k)]
    sizes = [require_count("n", value, 2) for value in require_several("n", n)]
    share, count, rng = require_share("alpha", alpha), require_count("simulate", simulate, 0), require_seed(seed)
    points = {size: _require_correlations(CURVE if rho is None else rho, size) for size in sizes}
    rows = []
    for J, size in product(groups, sizes):
        exact = _exact(J, size, points[size], share)
        for correlation, p in zip(points[size], exact, strict=True):
            row = {"k": J, "n": size, "rho": correlation, "type1_error": p}
            if count:
                row["simulated"] = _simulated(J, size, correlation, share, count, rng)
                row["mc_se"] = np.sqrt(p * (1 - p) / count)
            rows.append(row)
    return pd.DataFrame(rows).set_index(["k", "n", "rho"])


def _exact(k: int, n: int, rho: Floats, alpha: float) -> Floats:
    """The rate at each correlation; 0 and 1 at the ends, where F is 0 and infinite."""
    critical = stats.f.isf(alpha, k - 1, k * (n - 1))
    # Between groups the mean square has 1 + (n - 1) rho, within 1 - rho of the variance.
    return np.asarray(stats.f.sf(_ratio(1 - rho, 1 + (n - 1) * rho) * critical, k - 1, k * (n - 1)))


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """A quotient of numbers that are not negative, infinite where the lower is 0 but for rounding."""
    positive = bottom > 1e-12
    return np.where(positive, top / np.where(positive, bottom, 1.0), np.inf)


def _simulated(k: int, n: int, rho: float, alpha: float, count: int, rng: np.random.Generator) -> float:
    """Share of simulated data sets in which analysis of variance rejects."""
    critical = stats.f.isf(alpha, k - 1, k * (n - 1))
    rejected, left = 0, count
    while left:
        now = min(left, max(1, CHUNK // (k * n)))
        y = rng.standard_normal((now, k, n))
        mean = y.mean(axis=2, keepdims=True)
        # Deviations have the correlation -1/(n - 1); with means of this variance two rows have rho, negative or not.
        y = np.sqrt(1 - rho) * (y - mean) + np.sqrt(max(0.0, 1 + (n - 1) * rho)) * mean
        means = y.mean(axis=2)
        between = n * means.var(axis=1, ddof=1)
        within = ((y - means[:, :, None]) ** 2).sum(axis=(1, 2)) / (k * (n - 1))
        rejected += int(np.count_nonzero(between > critical * within))
        left -= now
    return rejected / count


def _require_correlations(rho: Any, n: int) -> Floats:
    """Correlations that rows of groups of n can have."""
    values = require_several("rho", rho)
    least = -1 / (n - 1)
    for value in values:
        if not is_number(value) or not least - 1e-12 <= value <= 1:
            raise ArgumentError(
                f"rho={shown(value)}.",
                f"Expected correlations from -1/(n - 1) = {least:.4g} to 1 for groups of {n}.",
                "Correct rho; below that no variables are so correlated.",
            )
    return np.array(values, dtype=float)
