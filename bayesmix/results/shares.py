"""Shares of variance: intraclass correlations, anywhere on the predictors, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.design import Design
from bayesmix.design.groups import is_nested
from bayesmix.errors import ArgumentError
from bayesmix.inference.clustering import excess_variance, mean_size
from bayesmix.results.components import ICC_NOTE, has_slopes, level_variances
from bayesmix.results.derived import axis_of, hand_out, require_choice
from bayesmix.results.moments import row_moments
from bayesmix.results.naming import pick_level
from bayesmix.results.points import Points, points_along, points_at

if TYPE_CHECKING:
    from bayesmix.results.surface.core import Core

Floats = NDArray[np.float64]

DEFINITIONS = ("share", "correlation")


def icc_table(
    fit: Core, definition: str, adjusted: bool, at: Any, prob: float | None, draws: bool
) -> pd.DataFrame | xr.DataArray:
    """Intraclass correlations, averaged over the rows or at given predictors."""
    require_choice("definition", definition, DEFINITIONS)
    if not isinstance(adjusted, bool):
        raise ArgumentError(f"adjusted={adjusted!r}.", "Expected True or False.", "Leave it out for the adjusted ICC.")
    names = [level.name for level in fit.design.levels]
    if at is None:
        values = average_icc(fit, definition, adjusted)
        note = ICC_NOTE if has_slopes(fit.design.levels) else None
        return hand_out(fit, values, {"level": names}, prob, draws, note)
    if not adjusted:
        raise ArgumentError(
            "adjusted=False, and values of the predictors in at.",
            "Expected one of the two: at given predictors the fixed effects add no variance.",
            "Leave adjusted or at out.",
        )
    points = points_at(fit.design, at)
    values = _conditional_icc(fit, points, definition)
    if isinstance(at, Mapping):
        return hand_out(fit, values[:, :, 0], {"level": names}, prob, draws, points.note)
    return hand_out(fit, values, {"row": points.labels, "level": names}, prob, draws, points.note)


def average_icc(fit: Core, definition: str, adjusted: bool = True) -> Floats:
    """ICC of each level from variances averaged over the rows, (C, D, levels)."""
    parts = level_variances(fit.products, fit.parameters.covariances)
    total = parts.sum(axis=-1) + fit.parameters.sigma**2
    if not adjusted:
        total = total + row_moments(fit.design).explained(fit.parameters.beta)
    return _within_same(fit.design, parts, definition) / total[..., None]


def icc_along(
    fit: Core, x: Any, values: Any, level: str | None, definition: str, at: Any, prob: float | None, draws: bool
) -> pd.DataFrame | xr.DataArray:
    """ICC as a function of one predictor."""
    require_choice("definition", definition, DEFINITIONS)
    points = points_along(fit.design, x, values, at)
    found = np.moveaxis(_conditional_icc(fit, points, definition), -1, 2)
    names = [other.name for other in fit.design.levels]
    if level is not None or len(names) == 1:
        number = pick_level(fit.design, level)
        return hand_out(fit, found[:, :, number], {axis_of(x): points.labels}, prob, draws, points.note)
    return hand_out(fit, found, {"level": names, axis_of(x): points.labels}, prob, draws, points.note)


def variance_along(fit: Core, x: Any, values: Any, at: Any, prob: float | None, draws: bool) -> Any:
    """Variance of an observation and its parts as a function of one predictor."""
    points = points_along(fit.design, x, values, at)
    parts = np.moveaxis(variances_at(fit, points), -1, 2)
    residual = np.broadcast_to((fit.parameters.sigma**2)[..., None, None], (*parts.shape[:2], 1, parts.shape[3]))
    whole = parts.sum(axis=2, keepdims=True) + residual
    names = [*(level.name for level in fit.design.levels), "residual", "total"]
    found = np.concatenate([parts, residual, whole], axis=2)
    return hand_out(fit, found, {"part": names, axis_of(x): points.labels}, prob, draws, points.note)


def correlation_between(
    fit: Core, x: Any, values: Any, level: str | None, kind: str, at: Any, prob: float | None, draws: bool
) -> pd.DataFrame | xr.DataArray:
    """Correlation or covariance of two observations of one group at two values of a predictor."""
    require_choice("kind", kind, ("correlation", "covariance"))
    points = points_along(fit.design, x, values, at)
    parts = np.stack(
        [
            np.einsum("ma,cdab,nb->cdmn", Z, sigma, Z)
            for Z, sigma in zip(points.effects, fit.parameters.covariances, strict=True)
        ],
        axis=-1,
    )
    found = np.moveaxis(_within_same(fit.design, parts, "correlation"), -1, 2)
    if kind == "correlation":
        total = np.einsum("cdmml->cdm", parts) + (fit.parameters.sigma**2)[..., None]
        found = found / np.sqrt(total[:, :, None, :, None] * total[:, :, None, None, :])
    labels: dict[str, Sequence[Any]] = {axis_of(x): points.labels, f"{axis_of(x)}'": points.labels}
    names = [other.name for other in fit.design.levels]
    if level is not None or len(names) == 1:
        return hand_out(fit, found[:, :, pick_level(fit.design, level)], labels, prob, draws, points.note)
    return hand_out(fit, found, {"level": names} | labels, prob, draws, points.note)


def variances_at(fit: Core, points: Points) -> Floats:
    """Variance each level adds to an observation at each point, (C, D, points, levels)."""
    parts = zip(points.effects, fit.parameters.covariances, strict=True)
    return np.stack([np.einsum("ma,cdab,mb->cdm", Z, sigma, Z) for Z, sigma in parts], axis=-1)


def _conditional_icc(fit: Core, points: Points, definition: str) -> Floats:
    """ICC of each level at each point, (C, D, points, levels)."""
    parts = variances_at(fit, points)
    total = parts.sum(axis=-1) + (fit.parameters.sigma**2)[..., None]
    return _within_same(fit.design, parts, definition) / total[..., None]


def _within_same(design: Design, parts: Floats, definition: str) -> Floats:
    """Variances (..., levels) as they are, or summed over the levels that two observations of a group share."""
    return parts if definition == "share" else np.asarray(parts @ containing(design).T)


def containing(design: Design) -> Floats:
    """For each level (row), 1 at itself and at the levels in one group of which each of its groups lies.

    Above a nested level these are all levels above it; of crossed levels those alone in which it happens to be nested.
    """
    groupings = [level.grouping for level in design.levels]
    return np.array([[float(lower is upper or is_nested(lower, upper)) for upper in groupings] for lower in groupings])


def design_effects(fit: Core, n: Any, predictor: Any, prob: float | None, draws: bool) -> pd.DataFrame | xr.DataArray:
    """Variance under the model over the variance were all rows independent, level by level and for all together."""
    design = fit.design
    if design.weights is not None:
        raise ArgumentError(
            "The model has weights.",
            "Expected rows of one residual variance, whose mean is compared with that of independent rows.",
            "Take the ICC, or fit without weights.",
        )
    if n is not None and (isinstance(n, bool) or not isinstance(n, int | float | np.number) or not 1 <= n < np.inf):
        raise ArgumentError(f"n={n!r}.", "Expected rows per group, a number of at least 1.", "Leave it out, or n=20.")
    if n is not None and len(design.levels) > 1:
        raise ArgumentError(
            f"n={n!r}, and the model has {len(design.levels)} levels.",
            "Expected n for a model of one level, or none.",
            "Leave it out: the sizes of the groups are those of the data.",
        )
    sizes = group_sizes(design) if n is None else np.array([float(n)])
    clustering = np.ones(len(design.levels)) if predictor is None else _clustering(design, predictor)
    parts = excess_variance(sizes, average_icc(fit, "share"), clustering)
    names = [level.name for level in design.levels]
    values = 1 + parts
    if len(names) > 1:
        values, names = np.concatenate([values, 1 + parts.sum(axis=-1, keepdims=True)], axis=-1), [*names, "all"]
    note = f"Rows per group: {', '.join(f'{s:.4g}' for s in sizes)}."
    if predictor is not None:
        note += f" Intraclass correlation of {predictor}: {', '.join(f'{r:.4g}' for r in clustering)}."
    if has_slopes(design.levels):
        note += f" {ICC_NOTE}"
    return hand_out(fit, values, {"level": names}, prob, draws, note)


def group_sizes(design: Design) -> Floats:
    """Rows per group as they bear on a mean, sum n_j^2 / sum n_j of each level."""
    return np.array([mean_size(np.bincount(level.grouping.codes)) for level in design.levels])


def _clustering(design: Design, predictor: Any) -> Floats:
    """Intraclass correlation of a predictor over all pairs of rows of a group, by level.

    sum over pairs of (x - mean)(x' - mean), over (n - 1) sum (x - mean)^2 with n = sum n_j^2 / sum n_j; for equal
    groups this is Fisher's.
    """
    names = [column.name for column in design.columns]
    if not isinstance(predictor, str) or predictor not in names or predictor == "Intercept":
        raise ArgumentError(
            f"predictor={predictor!r} is no column of the model.",
            f"Expected one of {', '.join(names[1:]) or 'its predictors, of which it has none'}.",
            "Leave it out for the design effect of a mean.",
        )
    x = design.values[:, names.index(predictor)]
    x = x - x.mean()
    total = x @ x
    squares = [np.sum(np.bincount(level.grouping.codes, weights=x) ** 2) for level in design.levels]
    return (np.array(squares) - total) / ((group_sizes(design) - 1) * total)
