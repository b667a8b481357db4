"""The sufficient statistics: cross-products of every column with effects, every predictor and the response, by group.

Rows are read here and never again. Columns are kept centred and scaled, and the response as its least-squares
residual: at a predictor mean of 1e6 standard deviations the raw sums would have lost every digit that matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class LevelProducts:
    """What the likelihood knows of a level.

    Parameters
    ----------
    n_groups : int
        J.
    columns : (m,) int array
        Inner columns on which the effects live.
    basis : (m, q) array
        Z = W[:, columns] basis, W the inner columns.
    blocks : tuple of (start, stop)
        Effects that are correlated with each other; together they partition range(q).
    """

    n_groups: int
    columns: Integers
    basis: Floats
    blocks: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Crossing:
    """Sums of products with the columns D of the crossed levels: one column for each group and inner column of each.

    A slot is a column of D that occurs in a group of the nested chain; the slots of a group are neighbours, in
    ascending order of their column.

    Parameters
    ----------
    starts : (sum J + 2,) int array
        First slot of each group of the chain, level after level, the root last; and the number of slots.
    columns : (slots,) int array
        Column of D of each slot.
    up : (slots,) int array
        Slot of the same column in the parent of the group; at the root the slot itself.
    sums : (leaf slots, K) array
        D'W over the rows of the lowest group of each slot.
    gram : (m, m) array
        D'D over all rows.
    """

    starts: Integers
    columns: Integers
    up: Integers
    sums: Floats
    gram: Floats

    def flat(self) -> list[Floats]:
        """Its parts as flat vectors of floats, in the order in which the likelihood reads them."""
        whole = [part.astype(float) for part in (self.starts, self.columns, self.up)]
        return [*whole, self.sums.ravel(), self.gram.ravel()]


@dataclass(frozen=True)
class CrossProducts:
    """Sums of products of the inner columns W = [1 | centred, scaled columns | response residual].

    With weights every row of W is multiplied by sqrt(w / mean w): rows of variance sigma^2 / w have one variance then.

    Parameters
    ----------
    n : int
        Rows N.
    sums : (J, K, K) array
        W'W of each lowest group, in depth-first order ((1, K, K) without levels).
    sizes : (J,) array
        Rows of each lowest group.
    parent : (sum J,) int array
        Tree of groups, see :class:`bayesmix.design.groups.Tree`.
    levels : tuple of LevelProducts
        The nested levels, lowest first, then the crossed ones.
    fixed_basis : (K, p) array
        X = W fixed_basis.
    response_fit : (p,) array
        Least-squares coefficients b; the response is X b + response_scale * (last column of W).
    response_scale : float
        Units of the response per unit of the last column of W; with weights, of sqrt(w) times the response.
    crossing : Crossing or None
        Products with the columns of crossed levels.
    depth : int or None
        Number of nested levels; None where all are.
    log_weights : float
        Sum of the logarithms of the weights: log |d(sqrt(w) y)/dy| is half of it.
    mean_weight : float
        Mean of the weights, whose root is in every basis here.
    """

    n: int
    sums: Floats
    sizes: Floats
    parent: Integers
    levels: tuple[LevelProducts, ...]
    fixed_basis: Floats
    response_fit: Floats
    response_scale: float
    crossing: Crossing | None = None
    depth: int | None = None
    log_weights: float = 0.0
    mean_weight: float = 1.0

    @property
    def n_nested(self) -> int:
        """Levels of the nested chain; those after them are crossed."""
        return len(self.levels) if self.depth is None else self.depth

    @property
    def width(self) -> int:
        """Number of inner columns K."""
        return int(self.sums.shape[1])

    @property
    def n_fixed(self) -> int:
        """Number of fixed effects p."""
        return int(self.fixed_basis.shape[1])

    @cached_property
    def body(self) -> Floats:
        """Parents, sums with the group as last index, and the crossing: the one vector that the likelihood reads."""
        crossed = [] if self.crossing is None else self.crossing.flat()
        return np.concatenate([self.parent.astype(float), np.moveaxis(self.sums, 0, -1).ravel(), *crossed])

    @cached_property
    def total(self) -> Floats:
        """W'W over all rows, (K, K)."""
        return np.asarray(self.sums.sum(axis=0))


@dataclass(frozen=True)
class Standardised:
    """Columns with mean and standard deviation taken out: column = mean * 1 + scale * inner column."""

    values: Floats
    means: Floats
    scales: Floats


def standardise(columns: Floats) -> Standardised:
    """Centre and scale the columns of an (n, k) matrix; constant columns are left with scale 0."""
    means = columns.mean(axis=0)
    values = columns - means
    shift = values.mean(axis=0)  # what rounding of a large mean left over
    values -= shift
    scales = np.sqrt(np.einsum("ij,ij->j", values, values) / max(len(columns), 1))
    constant = scales <= 1e-13 * np.abs(means)
    scales[constant] = 0.0
    values /= np.where(scales > 0, scales, 1.0)
    values[:, constant] = 0.0
    return Standardised(values, means + shift, scales)


# A column of which less than this share is left beside those before it is made orthogonal to them.
CROWDED = 0.1


@dataclass(frozen=True)
class InnerColumns:
    """Columns in which sums of products lose no digits, and the way back.

    Parameters
    ----------
    values : (n, k) array
        Mean 0 and variance 1 (0 where a column is constant or a combination of others).
    basis : (k + 1, k + 1) array
        [1 | columns] = [1 | values] basis.
    """

    values: Floats
    basis: Floats


def inner_columns(columns: Floats, order: Sequence[int]) -> InnerColumns:
    """Centre and scale the columns of an (n, k) matrix, and take apart those that nearly coincide.

    Powers of a year or of a temperature far from 0 are parallel to their third digit; left so, their sums of products
    hold half the digits of a fit.

    Parameters
    ----------
    columns : (n, k) array
    order : sequence of int
        Every column, those first that are to stay as they are.
    """
    plain = standardise(columns)
    values, k = plain.values, columns.shape[1]
    basis = np.zeros((k + 1, k + 1))
    basis[0, 0], basis[0, 1:] = 1.0, plain.means
    basis[np.arange(1, k + 1), np.arange(1, k + 1)] = plain.scales
    gram = values.T @ values / len(values)
    before: list[int] = []
    for j in order:
        if plain.scales[j] == 0:
            continue
        weights = np.linalg.lstsq(gram[np.ix_(before, before)], gram[before, j])[0]
        if 1 - gram[before, j] @ weights < CROWDED:
            total, left = np.zeros(len(before)), values[:, j]
            for _ in range(2):  # the second pass removes what rounding left of the first
                weights = np.linalg.lstsq(gram[np.ix_(before, before)], values[:, before].T @ left / len(left))[0]
                left = left - values[:, before] @ weights
                total += weights
            left -= left.mean()
            size = float(np.sqrt(left @ left / len(left)))
            size = size if size > 1e-13 else 0.0
            values[:, j] = left / size if size > 0 else 0.0
            basis[[1 + i for i in before], 1 + j] = plain.scales[j] * total
            basis[1 + j, 1 + j] = plain.scales[j] * size
            gram[j, :] = gram[:, j] = values.T @ values[:, j] / len(values)
            if size == 0:
                continue
        before.append(j)
    return InnerColumns(values, basis)


def grouped_sums(W: Floats, leaf: Integers, n_groups: int) -> Floats:
    """W_g'W_g of every group, (J, K, K), in one read of the rows."""
    K = W.shape[1]
    out = np.empty((n_groups, K, K))
    for i in range(K):
        for j in range(i + 1):
            out[:, i, j] = out[:, j, i] = np.bincount(leaf, weights=W[:, i] * W[:, j], minlength=n_groups)
    return out
