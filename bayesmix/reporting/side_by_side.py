"""Two accounts of each parameter: REML and a posterior, a prior and a posterior."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from bayesmix.errors import ArgumentError, refuse_unknown, require_coverage
from bayesmix.reporting.canvas import (
    BLUE,
    CYCLE,
    VERMILLION,
    few_ticks,
    fitted_title,
    height_for,
    legend_above,
    legend_below,
    name_places,
    require_fit,
    require_posterior,
    several_axes,
    single_axes,
)
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.comparison import compare
from bayesmix.results.fit import Fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = ("o", "s", "D", "^", "v", "P", "X")


def agreement_data(*fits: Fit, prob: float = 0.95, **unknown: Any) -> pd.DataFrame:
    """Estimates and intervals of several fits of one model: the frame behind :func:`plot_agreement`.

    Parameters
    ----------
    *fits : LikelihoodFit and BayesFit
        Two or more of one model.
    prob : float
        Coverage of the intervals.

    Returns
    -------
    DataFrame
        source, part, parameter, estimate, ci_low, ci_high, and the last three again with ``_in_se``: less the estimate
        of the first fit, in its standard errors (posterior sds). Variances of a likelihood fit have normal intervals,
        which with few groups are too low on both sides; a standard error of 0 leaves nan.

    Raises
    ------
    ArgumentError
        Fewer than two fits, or fits of different models.

    Examples
    --------
    >>> import bayesmix as bx
    >>> model = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff"))
    >>> bx.agreement_data(model.reml(), model.ml())["estimate_in_se"].round(2).tolist()
    [0.0, 0.0, 0.0, 0.0, -0.26, 0.0]
    """
    refuse_unknown("agreement_data", unknown, ("prob",))
    require_coverage(prob)
    for fit in fits:
        require_fit("agreement_data", fit)
    frame = compare(*fits, prob=prob).long
    normal = frame["ci_low"].isna()
    half = float(ndtri(0.5 + prob / 2)) * frame["se"]
    frame["ci_low"] = frame["ci_low"].where(~normal, frame["estimate"] - half)
    frame["ci_high"] = frame["ci_high"].where(~normal, frame["estimate"] + half)
    first = frame[frame["source"] == frame["source"].iloc[0]].set_index(["part", "parameter"])
    rows = pd.MultiIndex.from_frame(frame[["part", "parameter"]])
    centre = first["estimate"].loc[rows].to_numpy()
    scale = first["se"].where(first["se"] > 0).loc[rows].to_numpy()
    found = ["estimate", "ci_low", "ci_high"]
    scaled = {f"{name}_in_se": (frame[name].to_numpy() - centre) / scale for name in found}
    return frame[["source", "part", "parameter", *found]].assign(**scaled)


def plot_agreement(*fits: Fit, prob: float = 0.95, ax: Axes | None = None, **unknown: Any) -> Axes:
    """Draw the intervals of several fits side by side, on a scale that all parameters share.

    Parameters
    ----------
    *fits, prob
        See :func:`agreement_data`.
    ax : matplotlib axes, optional
        Where to draw; by itself a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        Fewer than two fits, or fits of different models.

    Examples
    --------
    >>> import bayesmix as bx
    >>> from matplotlib.figure import Figure
    >>> model = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff"))
    >>> ax = bx.plot_agreement(model.reml(), model.ml(), ax=Figure().subplots())
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['residual: var', 'Batch: var(Intercept)', 'Intercept']
    """
    refuse_unknown("plot_agreement", unknown, ("prob", "ax"))
    frame = agreement_data(*fits, prob=prob)
    rows = list(dict.fromkeys(zip(frame["part"], frame["parameter"], strict=True)))[::-1]
    sources = list(dict.fromkeys(frame["source"]))
    names = [name if part == "fixed" else f"{part}: {name}" for part, name in rows]
    ax = single_axes(ax, 4.6 + 0.07 * max(map(len, names)), height_for(2 * len(rows)))
    for number, source in enumerate(sources):
        own = frame[frame["source"] == source].set_index(["part", "parameter"]).loc[rows]
        places = np.arange(len(rows)) + 0.5 * (len(sources) - 1 - 2 * number) / (len(sources) + 1)
        colour = CYCLE[number % len(CYCLE)]
        ax.hlines(places, own["ci_low_in_se"], own["ci_high_in_se"], color=colour, lw=1.6)
        ax.scatter(
            own["estimate_in_se"],
            places,
            s=24,
            color=colour,
            marker=MARKERS[number % len(MARKERS)],
            zorder=3,
            label=source,
        )
    ax.axvline(0, color="0.6", lw=0.8, zorder=0)
    name_places(ax, names)
    ax.set_xlabel(f"difference from {sources[0]}, in its standard errors")
    ax.set_title(f"{100 * prob:g} % intervals", fontsize=10)
    legend_below(ax, columns=len(sources))
    return ax


def prior_posterior_data(post: BayesFit, parameters: Any = None, *, points: int = 200, **unknown: Any) -> pd.DataFrame:
    """Prior and posterior density of each parameter: the frame behind :func:`plot_prior_posterior`.

    Parameters
    ----------
    post : BayesFit
    parameters : str or sequence of str, optional
        Which, as they are named in ``post.prior_posterior()``; by itself all.
    points : int
        Of each curve.

    Returns
    -------
    DataFrame
        Index (parameter, point); x, prior (nan where flat), posterior.

    Raises
    ------
    ArgumentError
        No posterior, or a parameter that it has not.

    Examples
    --------
    >>> import bayesmix as bx
    >>> post = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).sample()  # doctest: +SKIP
    >>> bx.prior_posterior_data(post, "sigma")  # doctest: +SKIP
    """
    refuse_unknown("prior_posterior_data", unknown, ("parameters", "points"))
    frame = require_posterior("prior_posterior_data", post).prior_posterior(points=points)
    known = list(dict.fromkeys(frame.index.get_level_values("parameter")))
    if parameters is None:
        return frame
    several = isinstance(parameters, Sequence) and not isinstance(parameters, str)
    wanted = list(parameters) if several else [parameters]
    for name in wanted or [""]:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.4)
            raise ArgumentError(
                f"The posterior has no parameter {name!r}.",
                f"Expected among {', '.join(known)}.",
                f"Did you mean '{near[0]}'?" if near else "Choose among these.",
            )
    return pd.concat({name: frame.loc[name] for name in dict.fromkeys(wanted)}, names=["parameter", "point"])


def plot_prior_posterior(post: BayesFit, parameters: Any = None, **unknown: Any) -> NDArray[np.object_]:
    """Draw prior and posterior density of each parameter, in a panel of its own.

    Parameters
    ----------
    post, parameters
        See :func:`prior_posterior_data`.

    Returns
    -------
    (parameters,) array of Axes

    Raises
    ------
    ArgumentError
        No posterior, or a parameter that it has not.

    Examples
    --------
    >>> import bayesmix as bx
    >>> post = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).sample()  # doctest: +SKIP
    >>> bx.plot_prior_posterior(post)  # doctest: +SKIP
    """
    refuse_unknown("plot_prior_posterior", unknown, ("parameters",))
    frame = prior_posterior_data(require_posterior("plot_prior_posterior", post), parameters)
    names = list(dict.fromkeys(frame.index.get_level_values("parameter")))
    axes = several_axes(len(names), 3, 2.7, 2.1)
    for panel, name in zip(axes, names, strict=True):
        own = frame.loc[name]
        panel.fill_between(own["x"], own["posterior"], color=BLUE, alpha=0.25, lw=0)
        panel.plot(own["x"], own["posterior"], color=BLUE, lw=1.6, label="posterior")
        panel.plot(own["x"], own["prior"], color=VERMILLION, lw=1.4, ls="--", label="prior")
        panel.set_ylim(0)
        panel.set_yticks([])
        fitted_title(panel, f"{name} (flat prior)" if own["prior"].isna().all() else name)
        few_ticks(panel)
    legend_above(axes)
    return axes
