"""Shrinkage drawn: where each group's rows alone put it, and where the model does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.reporting.canvas import (
    BLACK,
    BLUE,
    GREY,
    MOST_NAMES,
    VERMILLION,
    height_for,
    legend_below,
    marker_areas,
    name_places,
    require_fit,
    robust_view,
    single_axes,
)
from bayesmix.results.fit import Fit
from bayesmix.results.group_values import combination
from bayesmix.results.naming import pick_level

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def shrinkage_data(fit: Fit, level: str | None = None, *, effect: Any = None, **unknown: Any) -> pd.DataFrame:
    """No, partial and complete pooling of every group: the frame behind :func:`plot_shrinkage`.

    Parameters
    ----------
    fit : LikelihoodFit or BayesFit
    level : str, optional
        Which level; may be left out where there is one.
    effect : str or pair of str, optional
        Which effects; by itself the first two, or the only one.

    Returns
    -------
    DataFrame
        Index (group, effect); n, no_pooling (nan where the group's rows do not determine it), partial_pooling, fixed,
        complete_pooling and the other columns of ``fit.shrinkage()``. Groups are in the order of no pooling of the
        first effect, those without last.

    Raises
    ------
    ArgumentError
        No levels, or names that the fit does not know.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).reml()
    >>> bx.shrinkage_data(fit)[["no_pooling", "partial_pooling"]].round(1).iloc[0].tolist()
    [1470.0, 1482.5]
    """
    refuse_unknown("shrinkage_data", unknown, ("level", "effect"))
    require_fit("shrinkage_data", fit)
    frame = _of_level(fit, level)
    number = pick_level(fit.design, level)
    names = _chosen(fit, number, effect)
    frame = frame[frame.index.isin(names, level="effect")]
    first = frame.xs(names[0], level="effect").sort_values("no_pooling", kind="stable", na_position="last")
    return frame.reindex(pd.MultiIndex.from_product([first.index, names], names=["group", "effect"]))


def _of_level(fit: Fit, level: str | None) -> pd.DataFrame:
    """The table of one level, which must be named where there are several."""
    if not fit.design.levels:
        return fit.shrinkage()
    return fit.shrinkage(fit.design.levels[pick_level(fit.design, level)].name)


def _chosen(fit: Fit, number: int, effect: Any) -> list[str]:
    """Names of one or two effects."""
    if effect is None:
        return list(fit.design.levels[number].effect_names[:2])
    several = isinstance(effect, Sequence) and not isinstance(effect, str)
    wanted = list(effect) if several else [effect]
    names = [combination(fit.design, number, "" if name is None else name, None)[1] for name in wanted]
    if len(names) not in (1, 2) or len(set(names)) < len(names):
        raise ArgumentError(
            f"effect={effect!r}.", "Expected one effect, or two different ones.", "Write effect=('Intercept', 'x')."
        )
    return names


def plot_shrinkage(
    fit: Fit, level: str | None = None, *, effect: Any = None, ax: Axes | None = None, **unknown: Any
) -> Axes:
    """Draw how far each group is pulled from its own estimate to that of the model.

    Open circles are no pooling, their area the group's rows; dots are partial pooling; the dashed line (or cross)
    is complete pooling, the solid line (or plus) the fixed effect. Of one effect groups are in the order of no pooling;
    of two the plane of both is drawn, in which groups move along the contours of their likelihood. Groups that lie far
    outside are cut off and counted below the picture.

    Parameters
    ----------
    fit, level, effect
        See :func:`shrinkage_data`.
    ax : matplotlib axes, optional
        Where to draw; by itself a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        No levels, crossed levels, or names that the fit does not know.

    References
    ----------
    Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., figures 4.1 and 4.2.

    Examples
    --------
    >>> import bayesmix as bx
    >>> from matplotlib.figure import Figure
    >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
    >>> bx.plot_shrinkage(fit, ax=Figure().subplots()).get_ylabel()
    'ses'
    """
    refuse_unknown("plot_shrinkage", unknown, ("level", "effect", "ax"))
    frame = shrinkage_data(require_fit("plot_shrinkage", fit), level, effect=effect)
    names = list(dict.fromkeys(frame.index.get_level_values("effect")))
    name = fit.design.levels[pick_level(fit.design, level)].name
    if len(names) == 1:
        ax = single_axes(ax, height=height_for(min(len(frame), 45)))
        _one_effect(ax, frame.droplevel("effect"), names[0], name)
    else:
        ax = single_axes(ax, 6.4, 5.4)
        _plane(ax, frame, names, name)
    return ax


def _one_effect(ax: Axes, frame: pd.DataFrame, effect: str, level: str) -> None:
    """Arrows along one effect, groups one above the other."""
    places = np.arange(len(frame), dtype=float)
    own, pooled = frame["no_pooling"].to_numpy(), frame["partial_pooling"].to_numpy()
    thin = len(frame) > 200
    _arrows(ax, own, places, pooled - own, np.zeros(len(frame)))
    _markers(ax, own, places, frame["n"].to_numpy(float), "no pooling (area: rows)")
    ax.scatter(pooled, places, s=3 if thin else 16, color=BLUE, zorder=4, label="partial pooling")
    _reference_lines(ax, frame)
    low, high = robust_view(np.append(pooled, frame[["fixed", "complete_pooling"]].iloc[0]), own)
    ax.set_xlim(low, high)
    name_places(ax, [str(label) for label in frame.index])
    ax.set_xlabel(effect)
    ax.set_ylabel(level if len(frame) <= MOST_NAMES else f"{level} ({len(frame):,}, by no pooling)")
    _close(ax, own, np.full(len(own), 0.0), level)


def _reference_lines(ax: Axes, frame: pd.DataFrame) -> None:
    """Complete pooling and the fixed effect."""
    ax.axvline(frame["complete_pooling"].iloc[0], color=VERMILLION, ls="--", lw=1.3, zorder=1, label="complete pooling")
    ax.axvline(frame["fixed"].iloc[0], color=BLACK, lw=0.9, zorder=1, label="fixed effect")


def _plane(ax: Axes, frame: pd.DataFrame, names: list[str], level: str) -> None:
    """Arrows in the plane of two effects."""
    x, y = (frame.xs(name, level="effect") for name in names)
    own = (x["no_pooling"].to_numpy(), y["no_pooling"].to_numpy())
    pooled = (x["partial_pooling"].to_numpy(), y["partial_pooling"].to_numpy())
    _arrows(ax, *own, pooled[0] - own[0], pooled[1] - own[1])
    _markers(ax, *own, x["n"].to_numpy(float), "no pooling (area: rows)")
    ax.scatter(pooled[0], pooled[1], s=3 if len(x) > 200 else 10, color=BLUE, zorder=4, label="partial pooling")
    for column, marker, colour, text in (
        ("complete_pooling", "X", VERMILLION, "complete pooling"),
        ("fixed", "P", BLACK, "fixed effects"),
    ):
        ax.scatter(
            [x[column].iloc[0]],
            [y[column].iloc[0]],
            s=90,
            marker=marker,
            color=colour,
            edgecolor="white",
            zorder=5,
            label=text,
        )
    for setter, values, kept, part in ((ax.set_xlim, own[0], pooled[0], x), (ax.set_ylim, own[1], pooled[1], y)):
        setter(*robust_view(np.append(kept, part[["fixed", "complete_pooling"]].iloc[0]), values))
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    _close(ax, *own, level)


def _arrows(ax: Axes, x: Any, y: Any, dx: Any, dy: Any) -> None:
    """Arrows in the units of the axes, those of groups that have an estimate of their own."""
    known = np.isfinite(x) & np.isfinite(y)
    many = len(x) > 200
    ax.quiver(
        x[known],
        y[known],
        dx[known],
        dy[known],
        angles="xy",
        scale_units="xy",
        scale=1,
        units="dots",
        width=0.4 if many else 1.1,
        headwidth=5,
        headlength=6,
        headaxislength=5,
        color=GREY,
        alpha=0.35 if many else 0.8,
        zorder=2,
    )


def _markers(ax: Axes, x: Any, y: Any, counts: Any, label: str) -> None:
    """Open circles whose areas are the rows."""
    many = len(x) > 200
    ax.scatter(
        x,
        y,
        s=marker_areas(counts),
        facecolor="none",
        edgecolor=VERMILLION,
        lw=0.4 if many else 0.9,
        alpha=0.5 if many else 0.9,
        zorder=3,
        label=label,
    )


def _close(ax: Axes, x: Any, y: Any, level: str) -> None:
    """A title, and a legend that counts what can not be seen."""
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    known = np.isfinite(x) & np.isfinite(y)
    outside = int((known & ((x < left) | (x > right) | (y < low) | (y > high))).sum())
    remarks = []
    if outside:
        remarks.append(f"{outside} outside the picture")
    if not known.all():
        remarks.append(f"{int((~known).sum())} without an estimate of their own")
    ax.set_title(f"Shrinkage of {len(x):,} groups of {level}", fontsize=11)
    legend_below(ax, "; ".join(remarks))
