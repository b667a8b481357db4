"""Quantities along one variable: shares of variance, variances, correlations, error rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayesmix.errors import refuse_unknown
from bayesmix.reporting.canvas import BLACK, CYCLE, DASHES, central_column, legend_below, require_fit, single_axes
from bayesmix.results.fit import Fit
from bayesmix.results.naming import pick_level
from bayesmix.teaching.type_one import type1_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def icc_data(
    fit: Fit, x: str, values: Any = None, *, at: Any = None, prob: float | None = None, **unknown: Any
) -> pd.DataFrame:
    """Intraclass correlation along a predictor: ``fit.icc_curve(x)`` as the frame behind :func:`plot_icc`.

    Parameters
    ----------
    fit : LikelihoodFit or BayesFit
    x, values, at, prob
        As in ``fit.icc_curve``.

    Returns
    -------
    DataFrame
        level, x, estimate (of a posterior its mean, with ci_low and ci_high).

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
    >>> bx.icc_data(fit, "ses", [-2, 0, 2])["estimate"].round(4).tolist()
    [0.1616, 0.1159, 0.1373]
    """
    refuse_unknown("icc_data", unknown, ("values", "at", "prob"))
    table: Any = require_fit("icc_data", fit).icc_curve(x, values, at=at, prob=prob)
    frame = table.rename(columns={central_column(table): "estimate"}).reset_index()
    if "level" not in frame:
        frame.insert(0, "level", fit.design.levels[0].name)
    return frame


def plot_icc(
    fit: Fit,
    x: str,
    values: Any = None,
    *,
    at: Any = None,
    prob: float | None = None,
    ax: Axes | None = None,
    **unknown: Any,
) -> Axes:
    """Draw the intraclass correlation of each level along a predictor.

    Parameters
    ----------
    fit, x, values, at, prob
        See :func:`icc_data`.
    ax : matplotlib axes, optional
        Where to draw; by itself a new figure.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import bayesmix as bx
    >>> from matplotlib.figure import Figure
    >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
    >>> bx.plot_icc(fit, "ses", ax=Figure().subplots()).get_xlabel()
    'ses'
    """
    refuse_unknown("plot_icc", unknown, ("values", "at", "prob", "ax"))
    frame = icc_data(require_fit("plot_icc", fit), x, values, at=at, prob=prob)
    return _lines(single_axes(ax), frame, "level", str(frame.columns[1]), "intraclass correlation")


def variance_data(
    fit: Fit, x: str, values: Any = None, *, at: Any = None, prob: float | None = None, **unknown: Any
) -> pd.DataFrame:
    """Variance of an observation and its parts along a predictor: the frame behind :func:`plot_variance`.

    Parameters
    ----------
    fit : LikelihoodFit or BayesFit
    x, values, at, prob
        As in ``fit.variance_curve``.

    Returns
    -------
    DataFrame
        part (the levels, residual, total), x, estimate (of a posterior its mean, with ci_low and ci_high).

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("Reaction ~ Days + (Days | Subject)", bx.load_dataset("sleepstudy")).reml()
    >>> bx.variance_data(fit, "Days", [0, 9])["estimate"].round(1).tolist()
    [612.1, 3625.8, 654.9, 654.9, 1267.0, 4280.7]
    """
    refuse_unknown("variance_data", unknown, ("values", "at", "prob"))
    table: Any = require_fit("variance_data", fit).variance_curve(x, values, at=at, prob=prob)
    return table.rename(columns={central_column(table): "estimate"}).reset_index()


def plot_variance(
    fit: Fit,
    x: str,
    values: Any = None,
    *,
    at: Any = None,
    prob: float | None = None,
    ax: Axes | None = None,
    **unknown: Any,
) -> Axes:
    """Draw the variance of an observation, given the fixed part, and its parts along a predictor.

    Parameters
    ----------
    fit, x, values, at, prob
        See :func:`variance_data`.
    ax : matplotlib axes, optional
        Where to draw; by itself a new figure.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import bayesmix as bx
    >>> from matplotlib.figure import Figure
    >>> fit = bx.Model("Reaction ~ Days + (Days | Subject)", bx.load_dataset("sleepstudy")).reml()
    >>> bx.plot_variance(fit, "Days", ax=Figure().subplots()).get_ylabel()
    'variance given the fixed part'
    """
    refuse_unknown("plot_variance", unknown, ("values", "at", "prob", "ax"))
    frame = variance_data(require_fit("plot_variance", fit), x, values, at=at, prob=prob)
    return _lines(single_axes(ax), frame, "part", str(frame.columns[1]), "variance given the fixed part")


def correlation_data(
    fit: Fit, x: str, values: Any = None, level: str | None = None, *, at: Any = None, **unknown: Any
) -> pd.DataFrame:
    """Correlations of two observations of one group at two values of a predictor, as a square.

    Parameters
    ----------
    fit : LikelihoodFit or BayesFit
    x, values, level, at
        As in ``fit.within_group_correlation``; the level may be left out where there is one.

    Returns
    -------
    DataFrame
        Rows and columns values of x; the diagonal is that of two different observations at the same x, the ICC there.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("Reaction ~ Days + (Days | Subject)", bx.load_dataset("sleepstudy")).reml()
    >>> bx.correlation_data(fit, "Days", [0, 4, 9]).round(3).loc[0].tolist()
    [0.483, 0.419, 0.3]
    """
    refuse_unknown("correlation_data", unknown, ("values", "level", "at"))
    require_fit("correlation_data", fit)
    fit._need_levels()
    name = fit.design.levels[pick_level(fit.design, level)].name
    table: Any = fit.within_group_correlation(x, values, level=name, at=at)
    square: pd.DataFrame = table[central_column(table)].unstack(sort=False)
    return square


def plot_correlation(
    fit: Fit,
    x: str,
    values: Any = None,
    level: str | None = None,
    *,
    at: Any = None,
    ax: Axes | None = None,
    **unknown: Any,
) -> Axes:
    """Draw the correlations that the model gives observations of one group, as a heat map.

    Parameters
    ----------
    fit, x, values, level, at
        See :func:`correlation_data`.
    ax : matplotlib axes, optional
        Where to draw; by itself a new figure.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import bayesmix as bx
    >>> from matplotlib.figure import Figure
    >>> fit = bx.Model("Reaction ~ Days + (Days | Subject)", bx.load_dataset("sleepstudy")).reml()
    >>> len(bx.plot_correlation(fit, "Days", ax=Figure().subplots()).texts)
    100
    """
    refuse_unknown("plot_correlation", unknown, ("values", "level", "at", "ax"))
    square = correlation_data(require_fit("plot_correlation", fit), x, values, level, at=at)
    ax = single_axes(ax, 5.6, 4.8)
    numbers = square.to_numpy()
    signed = bool((numbers < 0).any())
    # A scale up to 1 would show nothing of the correlations of .05 to .2 that are usual in schools.
    most = max(np.ceil(10 * np.abs(numbers).max()) / 10, 0.1)
    colours, low = ("PuOr", -most) if signed else ("cividis", 0.0)
    image = ax.imshow(numbers, cmap=colours, vmin=low, vmax=most)
    names = _even_names(square.index)
    step = 1 + (len(names) - 1) // 12
    shown = list(range(0, len(names), step))
    crowded = sum(len(names[place]) for place in shown) > 30
    ax.set_xticks(shown, labels=[names[place] for place in shown], rotation=90 if crowded else 0)
    ax.set_yticks(shown, labels=[names[place] for place in shown])
    if len(names) <= 12:
        for (row, column), value in np.ndenumerate(numbers):
            dark = abs(value) > 0.6 * most if signed else value < 0.5 * most
            ax.text(
                column,
                row,
                f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=9 if len(names) <= 6 else 7,
                color="white" if dark else BLACK,
            )
    else:
        _contours(ax, numbers)
    name = fit.design.levels[pick_level(fit.design, level)].name
    ax.set_title(f"Two observations of one group of {name}", fontsize=10)
    ax.set_xlabel(str(square.columns.name))
    ax.set_ylabel(str(square.index.name))
    if ax.figure is not None:
        ax.figure.colorbar(image, ax=ax, label="correlation")
    return ax


def _even_names(values: pd.Index[Any]) -> list[str]:
    """Labels, or numbers with one number of decimals that tells them apart."""
    if not pd.api.types.is_float_dtype(values):
        return [str(value) for value in values]
    step = float(np.ptp(values)) / max(1, len(values) - 1) or abs(float(values[0])) or 1.0
    decimals = max(0, 1 - int(np.floor(np.log10(step))))
    names = [f"{value:.{decimals}f}" for value in values]
    while decimals and all(name.endswith("0") for name in names):
        decimals -= 1
        names = [name[:-1].removesuffix(".") for name in names]
    return names


def _contours(ax: Axes, numbers: Any) -> None:
    """Lines of equal correlation with their values, dashed below 0: the sign is lost in grey print without them."""
    if np.ptp(numbers) > 1e-6:
        lines = ax.contour(numbers, levels=6, colors=BLACK, linewidths=0.7, negative_linestyles="dashed")
        ax.clabel(lines, fontsize=7)


def type1_data(
    *, k: Any = (2, 3, 5), n: Any = 10, rho: Any = None, alpha: float = 0.05, **unknown: Any
) -> pd.DataFrame:
    """Type I error of a test that ignores groups, along the intraclass correlation.

    Parameters
    ----------
    k, n, rho, alpha
        As in :func:`bayesmix.type1_curve`.

    Returns
    -------
    DataFrame
        k, n, rho, type1_error, and groups, which names the curve.

    Examples
    --------
    >>> import bayesmix as bx
    >>> bx.type1_data(k=2, n=10, rho=[0, 0.5])["type1_error"].round(3).tolist()
    [0.05, 0.534]
    """
    refuse_unknown("type1_data", unknown, ("k", "n", "rho", "alpha"))
    frame = type1_curve(k=k, n=n, rho=rho, alpha=alpha).reset_index()
    return frame.assign(groups=[f"{J} groups of {size}" for J, size in zip(frame["k"], frame["n"], strict=True)])


def plot_type1(
    *,
    k: Any = (2, 3, 5),
    n: Any = 10,
    rho: Any = None,
    alpha: float = 0.05,
    ax: Axes | None = None,
    **unknown: Any,
) -> Axes:
    """Draw how often an analysis that ignores groups finds a difference that is none.

    Parameters
    ----------
    k, n, rho, alpha
        As in :func:`bayesmix.type1_curve`.
    ax : matplotlib axes, optional
        Where to draw; by itself a new figure.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import bayesmix as bx
    >>> from matplotlib.figure import Figure
    >>> [line.get_label() for line in bx.plot_type1(k=[2, 5], ax=Figure().subplots()).lines[:2]]
    ['2 groups of 10', '5 groups of 10']
    """
    refuse_unknown("plot_type1", unknown, ("k", "n", "rho", "alpha", "ax"))
    frame = type1_data(k=k, n=n, rho=rho, alpha=alpha).rename(columns={"type1_error": "estimate"})
    ax = _lines(single_axes(ax), frame, "groups", "rho", "type I error", legend=False)
    ax.axhline(alpha, color=BLACK, lw=0.9, ls=":", label=f"claimed level {alpha:g}")
    ax.set_xlabel("intraclass correlation")
    ax.set_ylim(0, 1)
    legend_below(ax, columns=3)
    return ax


def _lines(ax: Axes, frame: pd.DataFrame, by: str, x: str, label: str, legend: bool = True) -> Axes:
    """A line, with its band where it has one, for each value of a column; marks in place of lines for labels."""
    band = "ci_low" in frame
    numeric = pd.api.types.is_numeric_dtype(frame[x])
    names = list(dict.fromkeys(frame[by]))
    for number, name in enumerate(names):
        own = frame[frame[by] == name]
        colour = CYCLE[number % len(CYCLE)]
        at = own[x] if numeric else own[x].astype(str)
        dash = DASHES[number % len(DASHES)] if numeric else ""
        ax.plot(at, own["estimate"], color=colour, ls=dash, marker="" if numeric else "o", lw=1.8, label=str(name))
        if band and numeric:
            ax.fill_between(at, own["ci_low"], own["ci_high"], color=colour, alpha=0.18, lw=0)
        elif band:
            ax.vlines(at, own["ci_low"], own["ci_high"], color=colour, lw=1.4)
    ax.set_xlabel(x)
    ax.set_ylabel(label)
    ax.set_ylim(min(0, ax.get_ylim()[0]))
    if legend:
        legend_below(ax, columns=min(4, len(names)))
    return ax
