"""Groups in order, each with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.reporting.canvas import (
    BLACK,
    BLUE,
    VERMILLION,
    central_column,
    height_for,
    legend_below,
    name_places,
    require_fit,
    single_axes,
)
from bayesmix.results.fit import Fit
from bayesmix.results.group_values import combination, fixed_counterparts
from bayesmix.results.naming import pick_level

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = ("effects", "coefficients")


def caterpillar_data(
    fit: Fit,
    level: str | None = None,
    *,
    effect: str | None = None,
    kind: str = "effects",
    prob: float = 0.95,
    **unknown: Any,
) -> pd.DataFrame:
    """Effects or coefficients of a level with their intervals, lowest first: the frame behind :func:`plot_caterpillar`.

    Parameters
    ----------
    fit : LikelihoodFit or BayesFit
    level : str, optional
        Which level; may be left out where there is one.
    effect : str, optional
        By itself the intercept, or the only effect.
    kind : {"effects", "coefficients"}
        Deviations from the fixed effect, compared with 0; or fixed effect plus deviation, compared with the former.
    prob : float
        Coverage of the intervals.

    Returns
    -------
    DataFrame
        Index group; estimate (of a posterior its mean), ci_low, ci_high, reference, and apart: whether the interval
        leaves the reference out.

    Raises
    ------
    ArgumentError
        No levels, or names and options that are not offered.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
    >>> frame = bx.caterpillar_data(fit)
    >>> frame.index[0], int(frame["apart"].sum())
    ('8367', 61)
    """
    refuse_unknown("caterpillar_data", unknown, ("level", "effect", "kind", "prob"))
    require_fit("caterpillar_data", fit)
    if kind not in KINDS:
        raise ArgumentError(
            f"kind={kind!r} is not offered.", f"Expected one of {', '.join(KINDS)}.", "Choose one of these."
        )
    if not fit.design.levels:
        return fit.group_effects()
    number = pick_level(fit.design, level)
    weights, name = combination(fit.design, number, effect, None)
    own = fit.design.levels[number].name
    table = (fit.group_effects if kind == "effects" else fit.coefficients)(own, prob=prob)
    found = table.xs(name, level="effect").rename(columns={central_column(table): "estimate"})
    beta = fit.parameters.beta.mean(axis=(0, 1))
    reference = 0.0 if kind == "effects" else float(fixed_counterparts(fit.design, number, beta) @ weights)
    frame = found[["estimate", "ci_low", "ci_high"]].sort_values("estimate", kind="stable")
    apart = (frame["ci_low"] > reference) | (frame["ci_high"] < reference)
    return frame.assign(reference=reference, apart=apart)


def plot_caterpillar(
    fit: Fit,
    level: str | None = None,
    *,
    effect: str | None = None,
    kind: str = "effects",
    prob: float = 0.95,
    ax: Axes | None = None,
    **unknown: Any,
) -> Axes:
    """Draw the effects of a level in their order, with intervals and a reference line.

    Groups whose interval leaves the reference out are filled diamonds of another colour. Intervals are of one group
    each: that two of them overlap does not say that the groups do not differ; for that see ``fit.group_differences``.

    Parameters
    ----------
    fit, level, effect, kind, prob
        See :func:`caterpillar_data`.
    ax : matplotlib axes, optional
        Where to draw; by itself a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        No levels, or names and options that are not offered.

    References
    ----------
    Goldstein & Healy (1995), J. R. Statist. Soc. A 158:175-177, for what such intervals do not say.

    Examples
    --------
    >>> import bayesmix as bx
    >>> from matplotlib.figure import Figure
    >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
    >>> bx.plot_caterpillar(fit, effect="ses", ax=Figure().subplots()).get_xlabel()
    'ses: deviation from the fixed effect'
    """
    refuse_unknown("plot_caterpillar", unknown, ("level", "effect", "kind", "prob", "ax"))
    require_fit("plot_caterpillar", fit)
    frame = caterpillar_data(fit, level, effect=effect, kind=kind, prob=prob)
    number = pick_level(fit.design, level)
    name = combination(fit.design, number, effect, None)[1]
    ax = single_axes(ax, height=height_for(min(len(frame), 45)))
    places = np.arange(len(frame))
    many = len(frame) > 200
    apart = frame["apart"].to_numpy()
    for chosen, colour, label in ((~apart, BLUE, "interval holds it"), (apart, VERMILLION, "interval leaves it out")):
        part = frame[chosen]
        ax.hlines(
            places[chosen],
            part["ci_low"],
            part["ci_high"],
            color=colour,
            lw=0.4 if many else 1.2,
            alpha=(0.6 if colour == VERMILLION else 0.25) if many else 0.9,
        )
        ax.scatter(
            part["estimate"],
            places[chosen],
            s=(5 if colour == VERMILLION else 2) if many else 14,
            marker="D" if colour == VERMILLION else "o",
            color=colour if colour == VERMILLION or many else "white",
            edgecolor=colour,
            lw=0 if many else 1,
            zorder=3,
            label=f"{label} ({int(chosen.sum()):,})",
        )
    ax.axvline(frame["reference"].iloc[0], color=BLACK, lw=0.9, ls="--")
    name_places(ax, [str(label) for label in frame.index])
    own = fit.design.levels[number].name
    ax.set_ylabel(own if len(frame) <= 45 else f"{own} ({len(frame):,}, in order)")
    ax.set_xlabel(f"{name}: deviation from the fixed effect" if kind == "effects" else f"{name} of the group")
    ax.set_title(f"{100 * prob:g} % intervals; reference dashed", fontsize=10)
    legend_below(ax)
    return ax
