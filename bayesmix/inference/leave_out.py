"""Rows and groups left out: their log densities given all others, at each draw of the variance parameters.

Fixed and group effects are integrated out, so that what is left out is predicted by what the other rows say of its
groups, and not by itself. What is sampled beside the variances (fixed effects whose prior is neither normal nor flat)
is given.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.design.products import grouped_sums
from bayesmix.design.subset import inner_rows, lowest_groups, without_rows
from bayesmix.errors import DesignError
from bayesmix.inference.fixed_given import inner_roots
from bayesmix.inference.leave_out_crossed import crossed_densities, integrated_part
from bayesmix.inference.long_compilation import told_while_compiling
from bayesmix.inference.priors import Priors, beta_prior_vector
from bayesmix.inference.threads import one_blas_thread
from bayesmix.likelihood.coordinates import Coordinates, user_coordinates
from bayesmix.likelihood.left_out import group_densities, row_densities

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Below this share of its length over all rows a direction of the fixed effects has no rows left.
_GONE = 1e-9


@dataclass(frozen=True)
class Hyperparameters:
    """D draws of what is not integrated out.

    Parameters
    ----------
    covariances : tuple of (D, q, q) arrays
        Sigma of each level.
    sigma : (D,) array
        Residual standard deviation.
    given : (D, k) array
        Fixed effects that were sampled, as their priors are stated, less their least-squares fit (see
        :func:`bayesmix.inference.priors.given_shift`).
    """

    covariances: tuple[Floats, ...]
    sigma: Floats
    given: Floats


@dataclass(frozen=True)
class Units:
    """What is left out, one at a time.

    Parameters
    ----------
    level : int or None
        Groups of a level; None for rows.
    codes : (n,) int array
        Unit of each row.
    count : int
        How many there are.
    """

    level: int | None
    codes: Integers
    count: int


def units_of(design: Design, level: int | None) -> Units:
    """Groups of a level in the order of their labels, or the rows."""
    if level is None:
        return Units(None, np.arange(design.n), design.n)
    grouping = design.levels[level].grouping
    return Units(level, grouping.codes, len(grouping.labels))


def log_predictive(
    design: Design,
    products: CrossProducts,
    priors: Priors,
    draws: Hyperparameters,
    units: Units,
    chosen: Integers | None = None,
    kept: Flags | None = None,
    progress: bool = False,
) -> Floats:
    """log p(y_g | other rows, draw) of groups or rows, densities in the user's units.

    Parameters
    ----------
    design, products, priors
        Of all rows.
    draws : Hyperparameters
    units : Units
    chosen : (G,) int array, optional
        Which of the units; all by default.
    kept : (n,) bool array, optional
        Rows that are known; none of them may be of a unit chosen. By default, for each unit all rows but its own.
    progress : bool
        Say so where the kernel has to be compiled first.

    Returns
    -------
    (D, G) array
        The rows of a unit jointly.
    """
    chosen = np.arange(units.count) if chosen is None else chosen
    W = inner_rows(design)
    if products.crossing is not None:
        with one_blas_thread():
            out = crossed_densities(design, products, priors, draws, W, units.codes, chosen, kept)
    elif units.level is None:
        with told_while_compiling(row_densities, progress):
            out = _of_rows(design, products, priors, draws, W, chosen, kept)
    else:
        with told_while_compiling(group_densities, progress):
            out = _of_groups(design, products, priors, draws, W, units.level, chosen, kept)
    logs = np.full(design.n, -np.log(products.response_scale))
    if design.weights is not None:
        logs += np.log(design.weights) / 2
    out += np.bincount(units.codes, logs, units.count)[chosen]
    return out


def _of_groups(
    design: Design,
    products: CrossProducts,
    priors: Priors,
    draws: Hyperparameters,
    W: Floats,
    level: int,
    chosen: Integers,
    kept: Flags | None,
) -> Floats:
    """Groups of a nested level, in inner units."""
    assert design.tree is not None
    coordinates = user_coordinates(products)
    prior, roots = beta_prior_vector(priors, coordinates, products), _roots(coordinates, draws)
    codes = design.levels[level].grouping.codes
    sizes = np.bincount(codes, minlength=len(design.tree.order[level])).astype(float)[chosen]
    places = np.ascontiguousarray(design.tree.order[level][chosen])
    body, whole = coordinates.body, np.zeros(0)
    if kept is not None:
        body, whole = without_rows(design, products, kept, W).body, coordinates.body
    out = np.empty((len(draws.sigma), len(chosen)))

    def fill(part: slice) -> None:
        group_densities(
            coordinates.packed, body, whole, prior, roots[part], draws.sigma[part], draws.given[part], level, places,
            sizes, out[part],
        )  # fmt: skip

    _share_out(fill, len(out))
    return out


def _of_rows(
    design: Design,
    products: CrossProducts,
    priors: Priors,
    draws: Hyperparameters,
    W: Floats,
    chosen: Integers,
    kept: Flags | None,
) -> Floats:
    """Rows of a model whose levels are nested, in inner units."""
    coordinates = user_coordinates(products)
    prior, roots = beta_prior_vector(priors, coordinates, products), _roots(coordinates, draws)
    leaf = lowest_groups(design)[chosen]
    order = np.argsort(leaf, kind="stable")
    rows, leaf = np.ascontiguousarray(W[chosen[order]]), leaf[order]
    body = coordinates.body if kept is None else without_rows(design, products, kept, W).body
    out = np.empty((len(draws.sigma), len(chosen)))

    def fill(part: slice) -> None:
        row_densities(
            coordinates.packed, body, prior, roots[part], draws.sigma[part], draws.given[part], rows, leaf, order,
            kept is None, out[part],
        )  # fmt: skip

    _share_out(fill, len(out))
    return out


def _roots(coordinates: Coordinates, draws: Hyperparameters) -> Floats:
    """B Lambda over sigma at each draw."""
    return inner_roots(coordinates.layout, draws.covariances, draws.sigma)


def _share_out(fill: Callable[[slice], None], n_draws: int) -> None:
    """Fill parts of the draws, shared out over the processors; what is compiled runs beside the interpreter."""
    bounds = np.unique(np.linspace(0, n_draws, (os.cpu_count() or 1) + 1).astype(int))
    parts = [slice(a, b) for a, b in pairwise(bounds.tolist())]
    with ThreadPoolExecutor(max(len(parts), 1)) as pool:
        for running in [pool.submit(fill, part) for part in parts]:
            running.result()


def require_determined(
    design: Design, products: CrossProducts, priors: Priors, codes: Integers, names: Callable[[int], str]
) -> None:
    """Refuse to leave out rows without which a fixed effect with a flat prior is not determined.

    Parameters
    ----------
    codes : (n,) int array
        What is left out together has one code; -1 stays.
    names : callable
        What to call the rows of a code.

    Raises
    ------
    DesignError
        With the coefficients, and what can not be left out.
    """
    gone = _vanished(design, products, priors, codes)
    which = np.flatnonzero(gone.any(axis=1))
    if which.size == 0:
        return
    shown = ", ".join(names(int(g)) for g in which[:3]) + (f" and {which.size - 3} more" if which.size > 3 else "")
    terms = ", ".join(f"'{t}'" for t, out in zip(design.fixed_names, gone[which].any(axis=0), strict=True) if out)
    raise DesignError(
        f"Without {shown} the other rows do not determine {terms}, whose prior is flat.",
        "Expected every fixed effect to be determined by what is left, or to have a proper prior.",
        "Use priors='default' or set one for it, leave the term out, or leave out less at a time.",
    )


def _vanished(design: Design, products: CrossProducts, priors: Priors, codes: Integers) -> Flags:
    """Which of the user's fixed effects the rows without those of a code do not determine, (G, p)."""
    coordinates = user_coordinates(products)
    free = _without_prior(beta_prior_vector(priors, coordinates, products), products.n_fixed)
    count = int(codes.max(initial=-1)) + 1
    if free.shape[1] == 0:
        return np.zeros((count, products.n_fixed), bool)
    X = inner_rows(design) @ coordinates.layout.fixed_basis @ free
    triangle = np.linalg.qr(X, mode="r")
    X = np.linalg.solve(triangle.T, X.T).T
    inside = codes >= 0
    lost = grouped_sums(X[inside], codes[inside], count)
    kept, vectors = np.linalg.eigh(np.eye(X.shape[1]) - lost)
    # Directions of the user's coefficients in which the other rows say nothing; each entry by the size of its column.
    lengths = np.sqrt((coordinates.fixed**2).sum(axis=0))
    directions = lengths[:, None] * np.linalg.solve(coordinates.fixed, free @ np.linalg.solve(triangle, vectors))
    size = np.sqrt((directions**2).sum(axis=1, keepdims=True))
    return np.asarray(((np.abs(directions) > 1e-7 * size) & (kept < _GONE)[:, None, :]).any(axis=2))


def _without_prior(prior: Floats, p: int) -> Floats:
    """Directions of the inner fixed effects that the data alone determine, (p, k)."""
    n_given, _, precision, A = integrated_part(prior, p)
    values, vectors = np.linalg.eigh(precision)
    free = values <= 1e-12 * max(values.max(initial=0.0), 1e-300)
    return np.asarray(A[:, n_given:] @ vectors[:, free])
