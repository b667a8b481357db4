"""A design becomes its cross-products: rows are read here for the last time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmix.design.crossing import crossed_products
from bayesmix.design.design import Design
from bayesmix.design.products import CrossProducts, LevelProducts, Standardised, grouped_sums, standardise
from bayesmix.errors import DataError

Floats = NDArray[np.float64]


def cross_products(design: Design) -> CrossProducts:
    """Reduce a design to its sums of products by group, the only thing a fit reads.

    Raises
    ------
    DataError
        The predictors fit the response without error.
    """
    inner = standardise(design.values[:, 1:])
    n, k = inner.values.shape
    mean, roots, log_weights = _weights(design)
    basis = np.sqrt(mean) * _inner_basis(inner)
    response, fit, scale = _least_squares(design, inner, roots)
    W = np.empty((n, k + 2), order="F")
    W[:, 0], W[:, 1:-1], W[:, -1] = roots, inner.values * roots[:, None], response
    if design.tree is None:
        leaf, sizes = np.zeros(n, np.int64), np.array([float(n)])
        parent = np.zeros(0, np.int64)
    else:
        leaf, parent = design.tree.leaf, design.tree.parent
        sizes = np.bincount(leaf).astype(float)
    levels = []
    for level in design.levels:
        maps = basis[:, level.places]
        on = np.flatnonzero(np.any(maps != 0, axis=1))
        levels.append(LevelProducts(len(level.grouping.labels), on, np.ascontiguousarray(maps[on]), level.blocks))
    sums = grouped_sums(W, leaf, len(sizes))
    for array in (sums, sizes, parent):
        array.flags.writeable = False
    depth = len(levels) - len(design.crossed)
    codes = [level.grouping.codes for level in design.crossed]
    counts = [level.n_groups for level in levels[:depth]]
    return CrossProducts(
        n=n,
        sums=sums,
        sizes=sizes,
        parent=parent,
        levels=tuple(levels),
        fixed_basis=basis[:, design.fixed],
        response_fit=fit,
        response_scale=float(np.sqrt(mean) * scale),
        crossing=crossed_products(W, leaf, parent, counts, levels[depth:], codes) if codes else None,
        depth=depth,
        log_weights=log_weights,
        mean_weight=mean,
    )


def _weights(design: Design) -> tuple[float, Floats, float]:
    """Mean of the weights, sqrt(w / mean) of every row, and the sum of their logarithms."""
    if design.weights is None:
        return 1.0, np.ones(design.n), 0.0
    mean = float(design.weights.mean())
    return mean, np.sqrt(design.weights / mean), float(np.log(design.weights).sum())


def _inner_basis(inner: Standardised) -> Floats:
    """Map from every column of the design to the inner columns, (K, k + 1)."""
    k = len(inner.means)
    basis = np.zeros((k + 2, k + 1))
    basis[0, 0] = 1.0
    basis[0, 1:] = inner.means
    basis[np.arange(1, k + 1), np.arange(1, k + 1)] = inner.scales
    return basis


def _least_squares(design: Design, inner: Standardised, roots: Floats) -> tuple[Floats, Floats, float]:
    """The response as scaled residual of (weighted) least squares, the coefficients, and the scale."""
    y = design.response - design.offset
    unit = float(np.abs(y).max())  # so that squares neither overflow nor vanish, whatever the units
    y = y / unit
    places = design.fixed
    centred = len(places) > 0 and places[0] == 0
    X = design.values[:, places]
    if centred:
        X = np.column_stack([np.ones(design.n), inner.values[:, places[1:] - 1]])
    X = X * roots[:, None]
    size = np.sqrt(np.einsum("ij,ij->j", X, X))
    X = X / size
    fit = np.zeros(len(places))
    rest = (y - y.mean() if centred else y) * roots
    if centred:
        fit[0] = y.mean() * size[0]
    for _ in range(2):  # the second pass removes what rounding left of the first
        step = np.linalg.solve(X.T @ X, X.T @ rest) if len(places) else fit
        fit += step
        rest -= X @ step
    scale = float(np.sqrt(rest @ rest / design.n))
    if not scale > 1e-13:
        raise DataError(
            f"The fixed effects fit the response '{design.specification.response.text}' without error.",
            "Expected some residual variation.",
            "Check whether the response is computed from a predictor.",
        )
    fit /= size
    if centred:
        fit[1:] /= inner.scales[places[1:] - 1]
        fit[0] -= inner.means[places[1:] - 1] @ fit[1:]
    return rest / scale, fit * unit, scale * unit
