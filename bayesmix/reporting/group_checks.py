"""Replicated data beside the data, group by group."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError, refuse_unknown, require_coverage
from bayesmix.reporting.canvas import (
    BLUE,
    GREY,
    VERMILLION,
    height_for,
    legend_below,
    name_places,
    require_fit,
    single_axes,
)
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.naming import pick_level, require_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def _by_group(reduce: Any) -> Callable[[Floats, Integers], Floats]:
    """A ufunc over the columns of each group, (D, n) sorted by group to (D, J)."""
    return lambda values, starts: np.asarray(reduce.reduceat(values, starts, axis=1))


def _mean(values: Floats, starts: Integers) -> Floats:
    """Means of groups."""
    counts = np.diff(np.append(starts, values.shape[1]))
    return np.asarray(np.add.reduceat(values, starts, axis=1) / counts)


def _sd(values: Floats, starts: Integers) -> Floats:
    """Standard deviations of groups with n - 1, nan of a single row."""
    counts = np.diff(np.append(starts, values.shape[1]))
    rest = values - np.repeat(_mean(values, starts), counts, axis=1)
    squares = np.add.reduceat(rest**2, starts, axis=1)
    return np.asarray(np.sqrt(squares / np.where(counts > 1, counts - 1, np.nan)))


STATISTICS = {"mean": _mean, "sd": _sd, "min": _by_group(np.minimum), "max": _by_group(np.maximum)}


def ppc_groups_data(
    fit: LikelihoodFit | BayesFit,
    statistic: str = "mean",
    level: str | None = None,
    *,
    groups: str = "known",
    draws: int = 400,
    seed: int | None = None,
    prob: float = 0.95,
    **unknown: Any,
) -> pd.DataFrame:
    """A statistic of each group's responses, observed and replicated: the frame behind :func:`plot_ppc_groups`.

    Parameters
    ----------
    fit : LikelihoodFit or BayesFit
        Replications of a posterior, or simulations at the estimates.
    statistic : {"mean", "sd", "min", "max"}
    level : str, optional
        Whose groups; may be left out where there is one level.
    groups : {"known", "new"}
        Replicate rows of these groups, or of new ones in their places: only then do means of groups test the
        distribution of group effects.
    draws : int
        Replications, over all chains.
    seed : int, optional
        The same seed gives the same replications.
    prob : float
        Coverage of the intervals.

    Returns
    -------
    DataFrame
        Index group, by the observed statistic; n, observed, replicated (its mean), ci_low, ci_high, and
        tail: the share of replications above the observed value, ties half.

    Raises
    ------
    ArgumentError
        Options that are not offered, no levels, or group effects that were not kept.

    References
    ----------
    Gelman, Meng & Stern (1996), Statistica Sinica 6:733-807.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).reml()
    >>> bx.ppc_groups_data(fit, seed=1)["observed"].tolist()
    [1470.0, 1498.0, 1505.0, 1528.0, 1564.0, 1600.0]
    """
    refuse_unknown("ppc_groups_data", unknown, ("statistic", "level", "groups", "draws", "seed", "prob"))
    require_fit("ppc_groups_data", fit)
    require_coverage(prob)
    if not isinstance(statistic, str) or statistic not in STATISTICS:
        raise ArgumentError(
            f"statistic={statistic!r} is not offered.",
            f"Expected one of {', '.join(STATISTICS)}.",
            "Choose one of these, or apply your own to the replications.",
        )
    fit._need_levels()
    grouping = fit.design.levels[pick_level(fit.design, level)].grouping
    order = np.argsort(grouping.codes, kind="stable")
    counts = np.bincount(grouping.codes)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    compute = STATISTICS[statistic]
    replications = compute(_replications(fit, groups, require_count("draws", draws, 1), seed)[:, order], starts)
    observed = compute(fit.design.response[None, order], starts)[0]
    low, high = np.quantile(replications, [0.5 - prob / 2, 0.5 + prob / 2], axis=0)
    tail = (replications > observed).mean(axis=0) + 0.5 * (replications == observed).mean(axis=0)
    columns = {"n": counts, "observed": observed, "replicated": replications.mean(axis=0)}
    columns |= {"ci_low": low, "ci_high": high, "tail": np.where(np.isnan(observed), np.nan, tail)}
    frame = pd.DataFrame(columns, index=pd.Index(list(grouping.labels), name="group"))
    return frame.sort_values("observed", kind="stable")


def _replications(fit: LikelihoodFit | BayesFit, groups: str, draws: int, seed: int | None) -> Floats:
    """Responses of the rows used, (D, n)."""
    if isinstance(fit, LikelihoodFit):
        return fit.simulate(draws, seed=seed, groups=groups)
    chains, length = (int(fit.idata["posterior"].sizes[name]) for name in ("chain", "draw"))
    each = min(length, -(-draws // chains))
    tree = fit.posterior_predictive(draws=each, groups=groups, seed=seed)
    values = tree["posterior_predictive"]["y"].to_numpy()
    return np.asarray(values.reshape(-1, values.shape[-1]))


def plot_ppc_groups(
    fit: LikelihoodFit | BayesFit,
    statistic: str = "mean",
    level: str | None = None,
    *,
    groups: str = "known",
    draws: int = 400,
    seed: int | None = None,
    prob: float = 0.95,
    ax: Axes | None = None,
    **unknown: Any,
) -> Axes:
    """Draw a statistic of each group beside the interval of its replications.

    Parameters
    ----------
    fit, statistic, level, groups, draws, seed, prob
        See :func:`ppc_groups_data`.
    ax : matplotlib axes, optional
        Where to draw; by itself a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        Options that are not offered, no levels, or group effects that were not kept.

    Examples
    --------
    >>> import bayesmix as bx
    >>> from matplotlib.figure import Figure
    >>> fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).reml()
    >>> bx.plot_ppc_groups(fit, "sd", seed=1, ax=Figure().subplots()).get_xlabel()
    'sd of Yield in the group'
    """
    refuse_unknown("plot_ppc_groups", unknown, ("statistic", "level", "groups", "draws", "seed", "prob", "ax"))
    require_fit("plot_ppc_groups", fit)
    frame = ppc_groups_data(fit, statistic, level, groups=groups, draws=draws, seed=seed, prob=prob)
    frame = frame.dropna(subset=["observed"])
    ax = single_axes(ax, height=height_for(min(len(frame), 45)))
    places, many = np.arange(len(frame)), len(frame) > 200
    ax.hlines(
        places,
        frame["ci_low"],
        frame["ci_high"],
        color=GREY,
        lw=0.4 if many else 1.6,
        alpha=0.6,
        label=f"{100 * prob:g} % of replications",
    )
    outside = ((frame["observed"] < frame["ci_low"]) | (frame["observed"] > frame["ci_high"])).to_numpy()
    for chosen, colour, marker, text in ((~outside, BLUE, "o", "inside"), (outside, VERMILLION, "D", "outside")):
        ax.scatter(
            frame["observed"][chosen],
            places[chosen],
            s=(10 if marker == "D" else 3) if many else 16,
            color=colour,
            marker=marker,
            lw=0,
            zorder=3,
            label=f"observed, {text} ({int(chosen.sum()):,})",
        )
    name_places(ax, [str(label) for label in frame.index])
    name = fit.design.levels[pick_level(fit.design, level)].name
    ax.set_ylabel(name if len(frame) <= 45 else f"{name} ({len(frame):,}, by observed {statistic})")
    ax.set_xlabel(f"{statistic} of {fit.design.specification.response.text} in the group")
    ax.set_title(f"Replications of {groups} groups", fontsize=10)
    legend_below(ax, columns=3)
    return ax
