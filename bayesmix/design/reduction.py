"""A design becomes its cross-products: rows are read here for the last time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from bayesmix.design.crossing import crossed_products
from bayesmix.design.design import Design
from bayesmix.design.products import CrossProducts, InnerColumns, LevelProducts, grouped_sums, inner_columns
from bayesmix.errors import DataError

Floats = NDArray[np.float64]


def cross_products(design: Design) -> CrossProducts:
    """Reduce a design to its sums of products by group, the only thing a fit reads.

    Raises
    ------
    DataError
        The predictors fit the response without error.
    """
    inner = _inner(design)
    n, k = inner.values.shape
    mean, roots, log_weights = _weights(design)
    basis = np.sqrt(mean) * np.vstack([inner.basis, np.zeros(k + 1)])
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


def _inner(design: Design) -> InnerColumns:
    """Inner columns of the design; those with effects come first, so that every level lives on few of them."""
    effects = [int(place) - 1 for level in design.levels for place in level.places if place > 0]
    order = list(dict.fromkeys([*effects, *range(design.values.shape[1] - 1)]))
    return inner_columns(design.values[:, 1:], order)


def _least_squares(design: Design, inner: InnerColumns, roots: Floats) -> tuple[Floats, Floats, float]:
    """The response as scaled residual of (weighted) least squares, the coefficients, and the scale."""
    y = design.response - design.offset
    unit = float(np.abs(y).max())  # so that squares neither overflow nor vanish, whatever the units
    y = y / unit
    places = design.fixed
    constant = len(places) > 0 and places[0] == 0
    directions, triangle = np.linalg.qr(inner.basis[:, places])
    X = (inner.values @ directions[1:] + directions[0]) * roots[:, None]
    centre = float(y.mean()) if constant else 0.0
    rest, step = (y - centre) * roots, np.zeros(len(places))
    for _ in range(2):  # the second pass removes what rounding left of the first
        found = np.linalg.solve(X.T @ X, X.T @ rest)
        step += found
        rest -= X @ found
    scale = float(np.sqrt(rest @ rest / design.n))
    if not scale > 1e-13:
        raise DataError(
            f"The fixed effects fit the response '{design.specification.response.text}' without error.",
            "Expected some residual variation.",
            "Check whether the response is computed from a predictor.",
        )
    fit = solve_triangular(triangle, step)
    if constant:
        fit[0] += centre
    return rest / scale, fit * unit, scale * unit
