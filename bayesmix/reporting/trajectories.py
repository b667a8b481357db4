"""Fitted lines of groups along one predictor, together or each beside its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import Design
from bayesmix.design.frame import Categories, Column, Numbers
from bayesmix.design.groups import is_nested
from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.reporting.canvas import (
    BLACK,
    BLUE,
    VERMILLION,
    legend_above,
    legend_below,
    require_fit,
    several_axes,
    single_axes,
)
from bayesmix.results.fit import Fit
from bayesmix.results.grids import Predictors, read_predictors
from bayesmix.results.group_values import find_group
from bayesmix.results.naming import pick_level, require_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Lines of which a cloud is still one of lines; panels that fit on a page.
MOST_LINES, MOST_PANELS = 300, 12


def trajectories_data(
    fit: Fit,
    x: str,
    level: str | None = None,
    *,
    kind: str = "fitted",
    groups: Any = None,
    points: int = 20,
    **unknown: Any,
) -> pd.DataFrame:
    """Lines of groups along a predictor and that of the population: the frame behind :func:`plot_trajectories`.

    A group's line holds its other predictors at their means in the group (most frequent labels), and has its effects
    and those of the groups in which it lies, at their estimates or posterior means; effects of levels below are 0. The
    population's line holds them at their means over all rows and has no group effects.

    Parameters
    ----------
    fit : LikelihoodFit or BayesFit
    x : str
        A numeric predictor.
    level : str, optional
        Whose groups; may be left out where there is one level.
    kind : {"fitted", "observed"}
        Fitted lines over the range of x in the group; or the mean of its rows at each value of x.
    groups : int or sequence of labels, optional
        How many groups, evenly spaced among their labels, 300 at most by itself; or which.
    points : int
        Of each fitted line.

    Returns
    -------
    DataFrame
        line (``"group"`` or ``"population"``), group (None for the population), x, value.

    Raises
    ------
    ArgumentError
        A predictor that is none or no number, unknown groups, no levels.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("Reaction ~ Days + (Days | Subject)", bx.load_dataset("sleepstudy")).reml()
    >>> bx.trajectories_data(fit, "Days", groups=["308"], points=2)["value"].round(1).tolist()
    [253.7, 430.7, 251.4, 345.6]
    """
    refuse_unknown("trajectories_data", unknown, ("level", "kind", "groups", "points"))
    require_fit("trajectories_data", fit)
    fit._need_levels()
    if kind not in ("fitted", "observed"):
        raise ArgumentError(
            f"kind={kind!r} is not offered.", "Expected 'fitted' or 'observed'.", "Choose one of these."
        )
    number = pick_level(fit.design, level)
    chosen = _chosen(fit.design, number, groups, MOST_LINES)
    predictors = read_predictors(fit.design, groupings=True)
    values = _numbers(predictors, x)
    count = require_count("points", points, 2)
    labels = fit.design.levels[number].grouping.labels
    if kind == "fitted":
        lines, codes = _group_lines(fit, number, x, chosen, count)
    else:
        lines, codes = _observed_lines(fit.design, number, x, values, chosen)
    everyone = _population_line(fit, predictors, x, np.linspace(values.min(), values.max(), count))
    lines.insert(0, "group", pd.Series([labels[code] for code in codes], dtype=object))
    everyone.insert(0, "group", pd.Series([None] * count, dtype=object))
    lines.insert(0, "line", "group")
    everyone.insert(0, "line", "population")
    return pd.concat([lines, everyone], ignore_index=True)


def group_fits_data(
    fit: Fit, x: str, level: str | None = None, *, groups: Any = None, points: int = 20, **unknown: Any
) -> pd.DataFrame:
    """Rows of some groups and their lines: the frame behind :func:`plot_group_fits`.

    Parameters
    ----------
    fit, x, level, groups, points
        See :func:`trajectories_data`; by itself 12 groups.

    Returns
    -------
    DataFrame
        line, group, x, value. ``"observed"`` are rows; ``"group"`` is the line of the group; ``"fixed"`` is that of the
        fixed effects alone, at the same values of the other predictors.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("Reaction ~ Days + (Days | Subject)", bx.load_dataset("sleepstudy")).reml()
    >>> bx.group_fits_data(fit, "Days", groups=["308", "309"])["line"].value_counts().sort_index().to_dict()
    {'fixed': 40, 'group': 40, 'observed': 20}
    """
    refuse_unknown("group_fits_data", unknown, ("level", "groups", "points"))
    require_fit("group_fits_data", fit)
    fit._need_levels()
    number = pick_level(fit.design, level)
    grouping = fit.design.levels[number].grouping
    chosen = _chosen(fit.design, number, groups, MOST_PANELS)
    values = _numbers(read_predictors(fit.design, groupings=True), x)
    count = require_count("points", points, 2)
    rows = np.flatnonzero(np.isin(grouping.codes, chosen))
    parts = {"observed": (pd.DataFrame({x: values[rows], "value": fit.design.response[rows]}), grouping.codes[rows])}
    parts["group"] = _group_lines(fit, number, x, chosen, count)
    parts["fixed"] = _group_lines(fit, number, x, chosen, count, effects=False)
    frames = []
    for line, (frame, codes) in parts.items():
        names = pd.Series([grouping.labels[code] for code in codes], dtype=object)
        frames.append(frame.assign(line=line, group=names)[["line", "group", x, "value"]])
    return pd.concat(frames, ignore_index=True)


def plot_trajectories(
    fit: Fit,
    x: str,
    level: str | None = None,
    *,
    kind: str = "fitted",
    groups: Any = None,
    ax: Axes | None = None,
    **unknown: Any,
) -> Axes:
    """Draw a line for each group and a thick one for the population.

    Parameters
    ----------
    fit, x, level, kind, groups
        See :func:`trajectories_data`.
    ax : matplotlib axes, optional
        Where to draw; by itself a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        A predictor that is none or no number, unknown groups, no levels.

    Examples
    --------
    >>> import bayesmix as bx
    >>> from matplotlib.figure import Figure
    >>> fit = bx.Model("Reaction ~ Days + (Days | Subject)", bx.load_dataset("sleepstudy")).reml()
    >>> len(bx.plot_trajectories(fit, "Days", ax=Figure().subplots()).collections[0].get_segments())
    18
    """
    from matplotlib.collections import LineCollection

    refuse_unknown("plot_trajectories", unknown, ("level", "kind", "groups", "ax"))
    frame = trajectories_data(fit, x, level, kind=kind, groups=groups)
    ax = single_axes(ax)
    own = frame[frame["line"] == "group"]
    segments = [part[[x, "value"]].to_numpy() for _, part in own.groupby("group", sort=False)]
    few = len(segments) <= 40
    # Means at every value of a measured predictor are a cloud.
    thin = min(1.0, 3000 / max(1, len(own))) if kind == "observed" else 1.0
    lines = LineCollection(
        segments,
        colors=BLUE,
        linewidths=1.1 if few else 0.6,
        alpha=(0.75 if few else 0.35) * thin,
        label=f"{'groups' if kind == 'fitted' else 'means of rows'} ({len(segments):,})",
    )
    ax.add_collection(lines)
    population = frame[frame["line"] == "population"]
    ax.plot(population[x], population["value"], color=BLACK, lw=2.5, label="population", zorder=3)
    ax.autoscale_view()
    grouping = fit.design.levels[pick_level(fit.design, level)].grouping
    total = len(grouping.labels)
    shown = f"{total:,}" if len(segments) == total else f"{len(segments):,} of {total:,}"
    ax.set_title(f"{shown} groups of {grouping.name}", fontsize=11)
    ax.set_xlabel(x)
    ax.set_ylabel(fit.design.specification.response.text)
    legend_below(ax)
    return ax


def plot_group_fits(
    fit: Fit, x: str, level: str | None = None, *, groups: Any = None, **unknown: Any
) -> NDArray[np.object_]:
    """Draw the rows of some groups, each in a panel of its own, with its line and that of the fixed effects.

    Parameters
    ----------
    fit, x, level, groups
        See :func:`group_fits_data`.

    Returns
    -------
    (groups,) array of Axes

    Raises
    ------
    ArgumentError
        A predictor that is none or no number, unknown groups, no levels.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("Reaction ~ Days + (Days | Subject)", bx.load_dataset("sleepstudy")).reml()
    >>> axes = bx.plot_group_fits(fit, "Days", groups=["308", "309"])  # doctest: +SKIP
    """
    refuse_unknown("plot_group_fits", unknown, ("level", "groups"))
    frame = group_fits_data(fit, x, level, groups=groups)
    chosen = list(dict.fromkeys(frame.loc[frame["line"] == "group", "group"]))
    columns = 4 if len(chosen) > 4 else 2
    axes = several_axes(len(chosen), columns, 2.2, 1.9, shared=True)
    for place, (panel, label) in enumerate(zip(axes, chosen, strict=True)):
        part = frame[frame["group"] == label].groupby("line")
        rows, own, fixed = (part.get_group(name) for name in ("observed", "group", "fixed"))
        panel.scatter(rows[x], rows["value"], s=9, color="0.45", lw=0, label="rows")
        panel.plot(own[x], own["value"], color=BLUE, lw=1.8, label="group")
        panel.plot(fixed[x], fixed["value"], color=VERMILLION, lw=1.2, ls="--", label="fixed effects")
        panel.set_title(str(label), fontsize=9)
        if place >= len(chosen) - columns:
            panel.set_xlabel(x)
            panel.tick_params(labelbottom=True)
        if place % columns == 0:
            panel.set_ylabel(fit.design.specification.response.text)
    legend_above(axes)
    return axes


def _chosen(design: Design, number: int, groups: Any, most: int) -> Integers:
    """Places of groups among the labels: those named, or so many evenly spaced ones."""
    total = len(design.levels[number].grouping.labels)
    several = isinstance(groups, Sequence | np.ndarray | pd.Series | pd.Index) and not isinstance(groups, str)
    if several:
        if len(groups) == 0:
            raise ArgumentError("groups is empty.", "Expected at least one label.", "Name groups, or leave it out.")
        return np.array(list(dict.fromkeys(find_group(design, number, label) for label in groups)))
    count = most if groups is None else require_count("groups", groups, 1)
    return np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(np.int64))


def _numbers(predictors: Predictors, x: str) -> Floats:
    """The values of a numeric predictor."""
    column = predictors.column(x)
    if not isinstance(column, Numbers):
        raise ArgumentError(
            f"'{x}' is a category.", "Expected a number to draw lines along.", "Name another predictor."
        )
    return column.values


def _group_lines(
    fit: Fit, number: int, x: str, chosen: Integers, points: int, effects: bool = True
) -> tuple[pd.DataFrame, Integers]:
    """Fitted lines over each group's range of x, and whose they are."""
    design = fit.design
    codes = design.levels[number].grouping.codes
    predictors = read_predictors(design, groupings=True)
    values = _numbers(predictors, x)
    J = len(design.levels[number].grouping.labels)
    low, high = np.full(J, np.inf), np.full(J, -np.inf)
    np.minimum.at(low, codes, values)
    np.maximum.at(high, codes, values)
    x_values = np.linspace(low[chosen], high[chosen], points, axis=1).ravel()
    groups = np.repeat(chosen, points)
    columns = {name: _held(column, codes, J) for name, column in predictors.columns.items() if name != x}
    grid = pd.DataFrame({name: values.take(groups) for name, values in columns.items()})
    grid[x] = x_values
    encoded = design.encode(grid, groups=False)
    found = encoded.fixed @ fit.parameters.beta.mean(axis=(0, 1)) + encoded.offset
    if effects:
        own = design.levels[number].grouping
        first = np.zeros(J, np.int64)
        first[codes[::-1]] = np.arange(design.n)[::-1]
        for upper, level in enumerate(design.levels):
            if upper == number or is_nested(own, level.grouping):
                table = fit.group_effects(level.name).iloc[:, 0].to_numpy()
                each = table.reshape(-1, len(level.effects))[level.grouping.codes[first[groups]]]
                found = found + np.einsum("nq,nq->n", encoded.effects[upper], each)
    return pd.DataFrame({x: x_values, "value": found}), groups


def _observed_lines(
    design: Design, number: int, x: str, values: Floats, chosen: Integers
) -> tuple[pd.DataFrame, Integers]:
    """Mean response at each value of x in each group, and whose it is."""
    codes = design.levels[number].grouping.codes
    rows = np.isin(codes, chosen)
    frame = pd.DataFrame({"code": codes[rows], x: values[rows], "value": design.response[rows]})
    means = frame.groupby(["code", x], as_index=False)["value"].mean()
    return means[[x, "value"]], means["code"].to_numpy()


def _held(column: Column, codes: Integers, J: int) -> pd.Series[Any] | Any:
    """A predictor at its mean, or its most frequent label, in each of J groups."""
    if isinstance(column, Categories):
        counts = np.zeros((J, len(column.labels)), np.int64)
        np.add.at(counts, (codes, column.codes), 1)
        return pd.Categorical.from_codes(counts.argmax(axis=1), list(column.labels), column.ordered)
    return pd.Series(np.bincount(codes, weights=column.values, minlength=J) / np.bincount(codes, minlength=J))


def _population_line(fit: Fit, predictors: Predictors, x: str, values: Floats) -> pd.DataFrame:
    """The fixed part along x, other predictors at typical values."""
    typical = {
        name: predictors.typical(name).take(np.zeros(len(values), np.int64)).reset_index(drop=True)
        for name in predictors.columns
        if name != x
    }
    encoded = fit.design.encode(pd.DataFrame(typical).assign(**{x: values}), groups=False)
    found = encoded.fixed @ fit.parameters.beta.mean(axis=(0, 1)) + encoded.offset
    return pd.DataFrame({x: values, "value": found})
