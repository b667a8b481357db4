"""The same model without some rows: groups, columns, their centres and units stay those of all rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bayesmix.design.crossing import crossed_products
from bayesmix.design.design import Design
from bayesmix.design.products import CrossProducts, grouped_sums
from bayesmix.design.reduction import least_squares, whiten

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


def inner_rows(design: Design) -> Floats:
    """W, (n, K): the rows whose products the cross-products are."""
    rows = whiten(design)
    response, _, _ = least_squares(design, rows)
    return np.column_stack([rows.values, response])


def lowest_groups(design: Design) -> Integers:
    """Lowest group of each row, depth-first number, (n,)."""
    return design.tree.leaf if design.tree is not None else np.zeros(design.n, np.int64)


def without_rows(design: Design, products: CrossProducts, kept: Flags, W: Floats | None = None) -> CrossProducts:
    """The cross-products of the rows kept.

    Nothing that priors or coordinates rest on is computed anew, and groups left without rows stay as groups that the
    data say nothing of.

    Parameters
    ----------
    design, products : Design, CrossProducts
        Of all rows.
    kept : (n,) bool array
    W : (n, K) array, optional
        From :func:`inner_rows`.
    """
    W = (inner_rows(design) if W is None else W) * kept[:, None]
    leaf = lowest_groups(design)
    depth, crossing = products.n_nested, products.crossing
    if crossing is not None:
        counts = [level.n_groups for level in products.levels[:depth]]
        codes = [level.grouping.codes for level in design.crossed]
        crossing = crossed_products(W, leaf, products.parent, counts, products.levels[depth:], codes)
    sums = grouped_sums(W, leaf, len(products.sums))
    sizes = np.bincount(leaf, kept, len(products.sums))
    for array in (sums, sizes):
        array.flags.writeable = False
    weights = None if design.weights is None else design.weights[kept]
    log_weights = 0.0 if weights is None else float(np.log(weights).sum())
    return replace(
        products, n=int(kept.sum()), sums=sums, sizes=sizes, crossing=crossing, log_weights=log_weights
    )  # fmt: skip


def emptied(design: Design, kept: Flags) -> Design:
    """The design with zeros in all columns of the rows left out, as ranks and sizes of groups are counted."""
    return replace(design, values=design.values * kept[:, None])
