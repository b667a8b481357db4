"""The shape of a model as one flat vector, so that one compiled kernel serves every model.

A layout holds sizes, the columns with effects at each level, the maps from effects to inner columns and the free
entries of each covariance factor. It is small, and separate from the cross-products it describes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Header of the vector.
LENGTH, LEVELS, WIDTH, FIXED, ROWS, ENTRIES, AT_FIXED, LEAVES, ROOT_SIZE, LOG_JACOBIAN, RESPONSE_SCALE = range(11)
# LEVELS counts the nested chain, ALL_LEVELS the crossed levels too; DENSE is the number of their columns.
ALL_LEVELS, DENSE, SLOTS, LEAF_SLOTS = range(11, 15)
HEADER = 15
# One record of each level follows the header; FIRST is its first group, or of a crossed level its first column.
GROUPS, SPAN, EFFECTS, FIRST, AT_COLUMNS, AT_BASIS, AT_ENTRIES, ENTRY_COUNT, ENTRY_FIRST, AT_ROOT = range(10)
RECORD = 10


@dataclass(frozen=True)
class LevelLayout:
    """One level: J groups, q effects living on m inner columns.

    Parameters
    ----------
    n_groups : int
        J.
    columns : (m,) int array
        The inner columns z on which this level's effects live.
    basis : (m, q) array
        Map B from effects to those columns, Z = W[:, columns] B.
    entries : (k, 2) int array
        Row and column of each free entry of the (q, q) covariance factor, in the order of theta.
    """

    n_groups: int
    columns: Integers
    basis: Floats
    entries: Integers

    @property
    def n_effects(self) -> int:
        """Number of effects q."""
        return int(self.basis.shape[1])


@dataclass(frozen=True)
class Layout:
    """Sizes and maps of a model in one choice of coordinates.

    Parameters
    ----------
    n : int
        Rows N of the data.
    width : int
        Inner columns K, the response last.
    fixed_basis : (K, p) array
        Map from the fixed effects to the inner columns.
    levels : tuple of LevelLayout
        The nested levels, lowest first, then the crossed ones.
    response_scale : float
        Units of the response per unit of the inner response.
    log_jacobian : float
        log|det T| of the map from the user's fixed effects to the ones used here.
    depth : int or None
        Number of nested levels, None where all are.
    slots : (int, int)
        Slots of the crossed columns, and those of the lowest groups.
    """

    n: int
    width: int
    fixed_basis: Floats
    levels: tuple[LevelLayout, ...]
    response_scale: float = 1.0
    log_jacobian: float = 0.0
    depth: int | None = None
    slots: tuple[int, int] = (0, 0)

    @property
    def n_nested(self) -> int:
        """Levels of the nested chain."""
        return len(self.levels) if self.depth is None else self.depth

    @property
    def n_dense(self) -> int:
        """Columns of the crossed levels, on inner columns."""
        return sum(level.n_groups * level.columns.size for level in self.levels[self.n_nested :])

    @property
    def n_fixed(self) -> int:
        """Number of fixed effects p."""
        return int(self.fixed_basis.shape[1])

    @property
    def n_entries(self) -> int:
        """Length of theta."""
        return sum(len(level.entries) for level in self.levels)

    def pack(self) -> Floats:
        """Write the layout as one float vector; integers below 2**53 are exact there."""
        first, entry_first, root = 0, 0, 0
        records: list[list[float]] = []
        tail: list[Floats] = [np.ravel(self.fixed_basis)]
        at = HEADER + RECORD * len(self.levels)
        at_fixed, at = at, at + self.fixed_basis.size
        for number, level in enumerate(self.levels):
            if number == self.n_nested:
                first = 0
            at_columns, at = at, at + level.columns.size
            at_basis, at = at, at + level.basis.size
            at_entries, at = at, at + level.entries.size
            tail += [level.columns.astype(float), np.ravel(level.basis), np.ravel(level.entries).astype(float)]
            count = len(level.entries)
            record: list[float] = [
                level.n_groups,
                level.columns.size,
                level.n_effects,
                first,
                at_columns,
                at_basis,
                at_entries,
            ]
            records.append([*record, count, entry_first, root])
            first += level.n_groups * (1 if number < self.n_nested else level.columns.size)
            entry_first, root = entry_first + count, root + level.basis.size
        leaves = self.levels[0].n_groups if self.levels else 1
        header: list[float] = [
            at,
            self.n_nested,
            self.width,
            self.n_fixed,
            self.n,
            entry_first,
            at_fixed,
            leaves,
            root,
        ]
        header += [self.log_jacobian, self.response_scale]
        header += [len(self.levels), self.n_dense, *self.slots]
        return np.concatenate([np.array(header, float), np.array(records, float).ravel(), *tail])

    def roots(self, theta: Floats) -> Floats:
        """Pack B Lambda(theta) of every level, the form in which the kernels take the covariances."""
        parts = [np.ravel(level.basis @ factor) for level, factor in zip(self.levels, self.factors(theta), strict=True)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def factors(self, theta: Floats) -> tuple[Floats, ...]:
        """Unpack theta into the (q, q) covariance factor Lambda of each level."""
        start, factors = 0, []
        for level in self.levels:
            stop = start + len(level.entries)
            factor = np.zeros((level.n_effects, level.n_effects))
            factor[level.entries[:, 0], level.entries[:, 1]] = theta[start:stop]
            factors.append(factor)
            start = stop
        return tuple(factors)

    def theta(self, factors: tuple[Floats, ...]) -> Floats:
        """Pack the free entries of the factors."""
        parts = [
            factor[level.entries[:, 0], level.entries[:, 1]] for level, factor in zip(self.levels, factors, strict=True)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)
