"""Another response for the same rows: only the column of the response is summed again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bayesmix.design.design import Design
from bayesmix.design.products import CrossProducts, Standardised, standardise
from bayesmix.design.reduction import _least_squares

Floats = NDArray[np.float64]


def inner_columns(design: Design) -> Standardised:
    """The centred and scaled predictors, to be kept by a caller who tries many responses."""
    return standardise(design.values[:, 1:])


def with_response(
    design: Design, products: CrossProducts, y: Floats, inner: Standardised | None = None
) -> CrossProducts:
    """The cross-products of a design with another response.

    Parameters
    ----------
    design : Design
        Rows, groupings and offset; its own response is not read.
    products : CrossProducts
        Of the same design.
    y : (n,) array
        The response, in the user's units, offset included.
    inner : Standardised, optional
        From :func:`inner_columns`.

    Returns
    -------
    CrossProducts
        The same as :func:`bayesmix.design.cross_products` of a design with this response.

    Raises
    ------
    DataError
        The predictors fit the response without error.
    """
    inner = inner or inner_columns(design)
    rest, fit, scale = _least_squares(replace(design, response=y), inner)
    leaf = design.tree.leaf if design.tree is not None else np.zeros(design.n, np.int64)
    count = len(products.sums)
    sums = products.sums.copy()
    sums[:, 0, -1] = np.bincount(leaf, weights=rest, minlength=count)
    for k in range(inner.values.shape[1]):
        sums[:, k + 1, -1] = np.bincount(leaf, weights=inner.values[:, k] * rest, minlength=count)
    sums[:, -1, -1] = np.bincount(leaf, weights=rest * rest, minlength=count)
    sums[:, -1, :-1] = sums[:, :-1, -1]
    sums.flags.writeable = False
    return replace(products, sums=sums, response_fit=fit, response_scale=scale)
