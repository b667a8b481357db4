"""Cross-products with the columns of crossed levels, from one read of the rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bayesmix.design.products import Crossing, LevelProducts
from bayesmix.errors import DesignError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Columns of the dense block: at 10,000 one matrix takes 0.8 GB, and a criterion with its gradient five of them.
MOST_COLUMNS = 10_000


def crossed_products(
    W: Floats,
    leaf: Integers,
    parent: Integers,
    counts: Sequence[int],
    levels: Sequence[LevelProducts],
    codes: Sequence[Integers],
) -> Crossing:
    """Sums of products of the inner columns and of the crossed levels' columns.

    Parameters
    ----------
    W : (n, K) array
        Inner columns.
    leaf : (n,) int array
        Lowest group of each row.
    parent : (sum J,) int array
        Parent of each group of the chain.
    counts : sequence of int
        Groups of each level of the chain.
    levels : sequence of LevelProducts
        The crossed levels.
    codes : sequence of (n,) int arrays
        Their group in each row.

    Raises
    ------
    DesignError
        More columns than a dense block can have.
    """
    sizes = [level.n_groups * level.columns.size for level in levels]
    if sum(sizes) > MOST_COLUMNS:
        raise DesignError(
            f"The crossed levels have {sum(sizes)} effects outside the largest nested chain.",
            f"Expected at most {MOST_COLUMNS}: they are eliminated together, as one dense block.",
            "Leave one of the crossed levels out, or write levels as nested where their groups are.",
        )
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    width = int(offsets[-1])
    keys, sums = [], []
    for level, code, offset in zip(levels, codes, offsets, strict=False):
        key, part = _leaf_sums(W, leaf, level, code, int(offset), width)
        keys.append(key)
        sums.append(part)
    key = np.concatenate(keys)
    order = np.argsort(key)
    starts, columns, up = _slots(key[order], parent, counts, width)
    crossing = Crossing(starts, columns, up, np.concatenate(sums)[order], _gram(W, levels, codes, offsets))
    for array in (crossing.starts, crossing.columns, crossing.up, crossing.sums, crossing.gram):
        array.flags.writeable = False
    return crossing


def _leaf_sums(
    W: Floats, leaf: Integers, level: LevelProducts, code: Integers, offset: int, width: int
) -> tuple[Integers, Floats]:
    """Key (leaf * width + column) and D'W of every column of a level that occurs in a leaf."""
    cells, at = np.unique(leaf * level.n_groups + code, return_inverse=True)
    group, label = np.divmod(cells, level.n_groups)
    m, K = level.columns.size, W.shape[1]
    out = np.empty((len(cells), m, K))
    for a, z in enumerate(level.columns):
        for c in range(K):
            out[:, a, c] = np.bincount(at, weights=W[:, z] * W[:, c], minlength=len(cells))
    keys = (group * width + offset + label * m)[:, None] + np.arange(m)
    return keys.ravel(), out.reshape(-1, K)


def _slots(key: Integers, parent: Integers, counts: Sequence[int], width: int) -> tuple[Integers, Integers, Integers]:
    """Slots of every group from those of the leaves (sorted keys), up to the root, which has all columns."""
    starts, columns, ups = [], [], []
    total = first = 0
    for level, count in enumerate(counts):
        group, column = np.divmod(key, width)
        starts.append(total + np.searchsorted(group, np.arange(count)))
        columns.append(column)
        above = parent[first + group] - first - count
        total, first = total + len(key), first + count
        if level + 1 == len(counts):
            key, at = np.arange(width), column
        else:
            key, at = np.unique(above * width + column, return_inverse=True)
        ups.append(total + at)
    starts.append(np.array([total, total + width]))
    columns.append(np.arange(width))
    ups.append(np.arange(total, total + width))
    return np.concatenate(starts), np.concatenate(columns), np.concatenate(ups)


def _gram(W: Floats, levels: Sequence[LevelProducts], codes: Sequence[Integers], offsets: Integers) -> Floats:
    """D'D, block by block of levels."""
    width = int(offsets[-1])
    gram = np.zeros((width, width))
    for i, (one, code) in enumerate(zip(levels, codes, strict=True)):
        for j, (two, other) in enumerate(zip(levels[: i + 1], codes, strict=False)):
            for a, z in enumerate(one.columns):
                rows = slice(int(offsets[i]) + a, int(offsets[i + 1]), one.columns.size)
                for b, w in enumerate(two.columns):
                    columns = slice(int(offsets[j]) + b, int(offsets[j + 1]), two.columns.size)
                    weights = W[:, z] * W[:, w]
                    if i == j:
                        block = np.diag(np.bincount(code, weights=weights, minlength=one.n_groups))
                    else:
                        cells = np.bincount(
                            code * two.n_groups + other, weights=weights, minlength=one.n_groups * two.n_groups
                        )
                        block = cells.reshape(one.n_groups, two.n_groups)
                    gram[rows, columns] = block
                    gram[columns, rows] = block.T
    return gram
