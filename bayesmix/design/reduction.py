"""A design becomes its cross-products: rows are read here for the last time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from bayesmix.design.crossing import crossed_products
from bayesmix.design.design import Design
from bayesmix.design.products import CrossProducts, LevelProducts, grouped_sums, inner_columns
from bayesmix.errors import DataError

Floats = NDArray[np.float64]


def cross_products(design: Design) -> CrossProducts:
    """Reduce a design to its sums of products by group, the only thing a fit reads.

    Raises
    ------
    DataError
        The predictors fit the response without error.
    """
    rows = whiten(design)
    n, k = design.n, rows.values.shape[1]
    unit = float(np.sqrt(rows.mean_weight))
    basis = unit * np.vstack([rows.basis, np.zeros(k)])
    response, fit, scale = least_squares(design, rows)
    W = np.empty((n, k + 1), order="F")
    W[:, :-1], W[:, -1] = rows.values, response
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
        response_scale=unit * scale,
        crossing=crossed_products(W, leaf, parent, counts, levels[depth:], codes) if codes else None,
        depth=depth,
        log_weights=0.0 if design.weights is None else float(np.log(design.weights).sum()),
        mean_weight=rows.mean_weight,
    )


@dataclass(frozen=True)
class WhitenedRows:
    """The predictors as the sums of products take them.

    Parameters
    ----------
    values : (n, k + 1) array
        [1 | inner columns], every row times the root of its weight over the mean weight.
    roots : (n,) array
        Those roots, all 1 without weights.
    basis : (k + 1, k + 1) array
        From the columns of the design to the inner ones, without weights.
    mean_weight : float
    """

    values: Floats
    roots: Floats
    basis: Floats
    mean_weight: float


def whiten(design: Design) -> WhitenedRows:
    """Inner columns of the design and its weights; columns with effects come first, to keep every level on few."""
    effects = [int(place) - 1 for level in design.levels for place in level.places if place > 0]
    order = list(dict.fromkeys([*effects, *range(design.values.shape[1] - 1)]))
    inner = inner_columns(design.values[:, 1:], order)
    mean = 1.0 if design.weights is None else float(design.weights.mean())
    roots = np.ones(design.n) if design.weights is None else np.sqrt(design.weights / mean)
    values = np.empty((design.n, len(inner.basis)), order="F")
    values[:, 0], values[:, 1:] = roots, inner.values * roots[:, None]
    return WhitenedRows(values, roots, inner.basis, mean)


def least_squares(design: Design, rows: WhitenedRows) -> tuple[Floats, Floats, float]:
    """The response as scaled residual of (weighted) least squares, the coefficients, and the scale."""
    y = design.response - design.offset
    unit = float(np.abs(y).max()) or 1.0  # so that squares neither overflow nor vanish, whatever the units
    y = y / unit
    places = design.fixed
    constant = len(places) > 0 and places[0] == 0
    directions, triangle = np.linalg.qr(rows.basis[:, places])
    X = rows.values @ directions
    centre = float(y.mean()) if constant else 0.0
    rest, step = (y - centre) * rows.roots, np.zeros(len(places))
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
