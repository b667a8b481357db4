"""Where to begin with crossed levels: each level fitted as if it were the only one, nested and at little cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts

Floats = NDArray[np.float64]


def level_alone(products: CrossProducts, number: int) -> CrossProducts:
    """The same data with one level only.

    Parameters
    ----------
    products : CrossProducts
    number : int
        Which level.

    Returns
    -------
    CrossProducts
        For a crossed level the groups' matrices hold only the rows and columns of its effects, which is all that its
        elimination reads; what is missing of the total stands in the first group.
    """
    level = products.levels[number]
    sums = _nested_sums(products, number) if number < products.n_nested else _crossed_sums(products, number)
    return replace(
        products,
        sums=sums,
        sizes=np.full(len(sums), products.n / len(sums)),
        parent=np.full(len(sums), len(sums), np.int64),
        levels=(level,),
        crossing=None,
        depth=1,
    )


def _nested_sums(products: CrossProducts, number: int) -> Floats:
    """Sums of the groups of a nested level, from those of the lowest."""
    group = np.arange(len(products.sums))
    first = 0
    for level in products.levels[:number]:
        group = products.parent[first + group] - first - level.n_groups
        first += level.n_groups
    out = np.zeros((products.levels[number].n_groups, products.width, products.width))
    np.add.at(out, group, products.sums)
    return out


def _crossed_sums(products: CrossProducts, number: int) -> Floats:
    """Rows and columns of a crossed level's effects in each of its groups."""
    crossing = products.crossing
    assert crossing is not None
    level = products.levels[number]
    first = sum(other.n_groups * other.columns.size for other in products.levels[products.n_nested : number])
    m, K = level.columns.size, products.width
    by_column = np.zeros((crossing.gram.shape[0], K))
    np.add.at(by_column, crossing.columns[: len(crossing.sums)], crossing.sums)
    rows = by_column[first : first + level.n_groups * m].reshape(level.n_groups, m, K)
    out = np.zeros((level.n_groups, K, K))
    out[:, level.columns, :] = rows
    out[:, :, level.columns] = np.swapaxes(rows, 1, 2)
    out[0] += products.total - out.sum(axis=0)
    return out


def rows_alone(products: CrossProducts) -> CrossProducts:
    """The same data without levels: every row by itself."""
    return replace(
        products,
        sums=products.total[None],
        sizes=np.array([float(products.n)]),
        parent=np.zeros(0, np.int64),
        levels=(),
        crossing=None,
        depth=0,
    )
