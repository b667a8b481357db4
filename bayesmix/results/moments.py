"""Variances and covariances of the columns of a model over its rows, whole and by strata of groups.

Rows count by their weights. Columns are centred before they are multiplied, so that no digits are lost to large means.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import Design

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class RowMoments:
    """Covariance of the fixed columns over the rows, (p, p), with divisor n - 1."""

    fixed: Floats

    def explained(self, beta: Floats) -> Floats:
        """Variance of X beta over the rows, (...) from (..., p)."""
        return np.asarray(np.einsum("...i,ij,...j->...", beta, self.fixed, beta))


def row_weights(design: Design) -> Floats:
    """Share of each row in an average, (n,); they sum to 1."""
    if design.weights is None:
        return np.full(design.n, 1 / design.n)
    return np.asarray(design.weights / design.weights.sum())


def row_moments(design: Design) -> RowMoments:
    """Covariance of the fixed columns."""
    return RowMoments(_covariance(design.fixed_values, row_weights(design)) * design.n / (design.n - 1))


@dataclass(frozen=True)
class Strata:
    """Covariances of the fixed columns, stratum by stratum, and mean squares of the columns of each level's effects.

    Parameters
    ----------
    fixed : tuple of (p, p) arrays
        Within the lowest groups; of the means of these within the groups above; and so on to the means of the highest
        groups. Together they are the covariance over the rows (divisor n). One only where levels are crossed.
    within : tuple of (q, q) arrays
        By level, covariance of the columns of its effects within its groups.
    between : tuple of (q, q) arrays
        By level, mean over the rows of the products of their group means.
    """

    fixed: tuple[Floats, ...]
    within: tuple[Floats, ...]
    between: tuple[Floats, ...]


def strata(design: Design) -> Strata:
    """Take the columns apart along the groups."""
    share = row_weights(design)
    means = [_group_means(design.values, share, level.grouping.codes) for level in design.levels]
    steps = [design.values, *means, np.average(design.values, axis=0, weights=share)]
    if design.crossed:
        steps = [steps[0], steps[-1]]
    fixed = tuple(_products((lower - upper)[:, design.fixed], share) for lower, upper in pairwise(steps))
    within, between = [], []
    for level, mean in zip(design.levels, means, strict=True):
        within.append(_products((design.values - mean)[:, level.places], share))
        between.append(_products(mean[:, level.places], share))
    return Strata(fixed, tuple(within), tuple(between))


def _group_means(values: Floats, share: Floats, codes: Integers) -> Floats:
    """The mean of its group in the place of each row; exact for columns that are constant within groups."""
    total = np.bincount(codes, weights=share)
    first = np.empty((len(total), values.shape[1]))
    first[codes] = values
    rest = values - first[codes]
    sums = np.stack([np.bincount(codes, weights=share * column) for column in rest.T], axis=1)
    return np.asarray((first + sums / total[:, None])[codes])


def _covariance(values: Floats, share: Floats) -> Floats:
    """Weighted, about the mean."""
    return _products(values - np.average(values, axis=0, weights=share), share)


def _products(values: Floats, share: Floats) -> Floats:
    """Mean over the rows of products of columns."""
    return np.asarray((values * share[:, None]).T @ values)
