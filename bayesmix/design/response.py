"""Another response for the same rows: only the column of the response is summed again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayesmix.design.design import Design
from bayesmix.design.products import CrossProducts
from bayesmix.design.reduction import WhitenedRows, least_squares, whiten

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """What is read again for every response.

    Parameters
    ----------
    rows : WhitenedRows
        Predictors and weights.
    leaf : (n,) int array
        Lowest group of each row.
    slots : tuple of (inner column, (n,) int array)
        For every column of every crossed level, the slot each row adds to.
    """

    rows: WhitenedRows
    leaf: Integers
    slots: tuple[tuple[int, Integers], ...]


def read_rows(design: Design, products: CrossProducts) -> Rows:
    """The rows of a design, to be kept by a caller who tries many responses."""
    leaf = design.tree.leaf if design.tree is not None else np.zeros(design.n, np.int64)
    slots: list[tuple[int, Integers]] = []
    crossing = products.crossing
    if crossing is not None:
        width = len(crossing.gram)
        filled = len(crossing.sums)
        own = np.repeat(np.arange(len(products.sums)), np.diff(crossing.starts[: len(products.sums) + 1]))
        keys = own * width + crossing.columns[:filled]
        first = 0
        for level, shape in zip(design.crossed, products.levels[products.n_nested :], strict=True):
            m = shape.columns.size
            for a, column in enumerate(shape.columns):
                key = leaf * width + first + level.grouping.codes * m + a
                slots.append((int(column), np.searchsorted(keys, key)))
            first += shape.n_groups * m
    return Rows(whiten(design), leaf, tuple(slots))


def with_response(design: Design, products: CrossProducts, y: Floats, rows: Rows | None = None) -> CrossProducts:
    """The cross-products of a design with another response.

    Parameters
    ----------
    design : Design
        Rows, groupings, weights and offset; its own response is not read.
    products : CrossProducts
        Of the same design.
    y : (n,) array
        The response, in the user's units, offset included.
    rows : Rows, optional
        From :func:`read_rows`.

    Returns
    -------
    CrossProducts
        The same as :func:`bayesmix.design.cross_products` of a design with this response.

    Raises
    ------
    DataError
        The predictors fit the response without error.
    """
    rows = rows or read_rows(design, products)
    rest, fit, scale = least_squares(replace(design, response=y), rows.rows)
    values, count = rows.rows.values, len(products.sums)
    sums = products.sums.copy()
    for k in range(values.shape[1]):
        sums[:, k, -1] = np.bincount(rows.leaf, weights=values[:, k] * rest, minlength=count)
    sums[:, -1, -1] = np.bincount(rows.leaf, weights=rest * rest, minlength=count)
    sums[:, -1, :-1] = sums[:, :-1, -1]
    sums.flags.writeable = False
    crossing = products.crossing
    if crossing is not None:
        crossed = crossing.sums.copy()
        crossed[:, -1] = 0.0
        for column, slot in rows.slots:
            crossed[:, -1] += np.bincount(slot, weights=values[:, column] * rest, minlength=len(crossed))
        crossed.flags.writeable = False
        crossing = replace(crossing, sums=crossed)
    unit = float(np.sqrt(products.mean_weight))
    return replace(products, sums=sums, crossing=crossing, response_fit=fit, response_scale=unit * scale)
