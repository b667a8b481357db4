"""The cross-products of a design without some of its rows, coded and scaled as with all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bayesmix.design.crossing import crossed_products
from bayesmix.design.design import Design
from bayesmix.design.products import CrossProducts, grouped_sums
from bayesmix.design.reduction import least_squares, whiten

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def rows_left_out(design: Design, products: CrossProducts) -> Callable[[Flags], CrossProducts]:
    """A function from rows to be left out, (n,) flags, to the cross-products of the others.

    Groups keep their places, those without rows too: they add nothing to any sum. The inner columns are those of all
    rows, so that parameters mean the same.

    Parameters
    ----------
    design : Design
    products : CrossProducts
        Of all its rows.
    """
    rows = whiten(design)
    response, _, _ = least_squares(design, rows)
    W = np.column_stack([rows.values, response])
    tree, count = design.tree, len(products.sums)
    all_leaves = np.zeros(design.n, np.int64) if tree is None else tree.leaf
    counts = [level.n_groups for level in products.levels[: products.n_nested]]

    def without(out: Flags) -> CrossProducts:
        kept = ~out
        part, leaf = W[kept], all_leaves[kept]
        codes = [level.grouping.codes[kept] for level in design.crossed]
        crossed = products.levels[products.n_nested :]
        sums, sizes = grouped_sums(part, leaf, count), np.bincount(leaf, minlength=count).astype(float)
        for array in (sums, sizes):
            array.flags.writeable = False
        return replace(
            products,
            n=int(kept.sum()),
            sums=sums,
            sizes=sizes,
            crossing=crossed_products(part, leaf, products.parent, counts, crossed, codes) if codes else None,
            log_weights=0.0 if design.weights is None else float(np.log(design.weights[kept]).sum()),
        )

    return without
