"""What one predictor does at values of another: simple slopes, and where a slope is told apart from 0."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri

from bayesmix.design.frame import Numbers
from bayesmix.errors import ArgumentError, refuse_unknown, require_coverage
from bayesmix.reporting.canvas import BLACK, BLUE, CYCLE, DASHES, GREY, legend_below, require_fit, single_axes
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.fit import Fit
from bayesmix.results.grids import Predictors, read_predictors
from bayesmix.results.interpret import predictions
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.naming import require_count
from bayesmix.results.parameters import all_draws

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
# Ends of the interval of a slope at values of the moderator, (m,) to (3, m): middle, low, high.
Ends = Callable[[Floats], Floats]


def effects_data(
    fit: LikelihoodFit | BayesFit,
    x: str,
    by: str | None = None,
    values: Any = None,
    *,
    prob: float = 0.95,
    **unknown: Any,
) -> pd.DataFrame:
    """Predicted means along a predictor at values of another: the frame behind :func:`plot_effects`.

    Parameters
    ----------
    fit : LikelihoodFit or BayesFit
    x : str
        The predictor along the axis.
    by : str, optional
        The moderator.
    values : sequence, optional
        Its values; by itself all labels, or the mean and one standard deviation of the rows on either side, or as far
        as the rows go.
    prob : float
        Coverage of the intervals.

    Returns
    -------
    DataFrame
        x, by, estimate (of a posterior its mean), ci_low, ci_high, without group effects; other predictors are at their
        means or most frequent labels. See :func:`bayesmix.predictions`.

    Raises
    ------
    ArgumentError
        Predictors or values that the fit does not know.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("math ~ ses * sector + (ses | school)", bx.load_dataset("hsb")).reml()
    >>> frame = bx.effects_data(fit, "ses", "sector")
    >>> frame.groupby("sector", observed=True).size().to_dict()
    {'Public': 50, 'Catholic': 50}
    """
    refuse_unknown("effects_data", unknown, ("by", "values", "prob"))
    require_fit("effects_data", fit)
    predictors = read_predictors(fit.design, groupings=False)
    predictors.column(x)
    chosen: dict[str, Any] = {x: None}
    if by is not None:
        if by == x:
            raise ArgumentError(f"by='{by}' is x itself.", "Expected another predictor.", "Name another, or none.")
        chosen[by] = _moderator_values(predictors, by) if values is None else values
    elif values is not None:
        raise ArgumentError(f"values={values!r} without by.", "Expected whose values they are.", "Add by='...'.")
    frame = predictions(fit, chosen, prob=prob).summary.rename(columns={"mean": "estimate"})
    return frame[[*chosen, "estimate", "ci_low", "ci_high"]]


def _moderator_values(predictors: Predictors, by: str) -> Any:
    """Labels, few whole numbers, or the mean and one standard deviation on either side, within the range."""
    column = predictors.column(by)
    if not isinstance(column, Numbers) or len(np.unique(column.values)) <= 3:
        return predictors.spread(by)
    mean, sd = float(column.values.mean()), float(column.values.std(ddof=1))
    return [max(mean - sd, float(column.values.min())), mean, min(mean + sd, float(column.values.max()))]


def plot_effects(
    fit: LikelihoodFit | BayesFit,
    x: str,
    by: str | None = None,
    values: Any = None,
    *,
    prob: float = 0.95,
    ax: Axes | None = None,
    **unknown: Any,
) -> Axes:
    """Draw predicted means along a predictor, a line with its band for each value of another (simple slopes).

    Parameters
    ----------
    fit, x, by, values, prob
        See :func:`effects_data`.
    ax : matplotlib axes, optional
        Where to draw; by itself a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        Predictors or values that the fit does not know.

    Examples
    --------
    >>> import bayesmix as bx
    >>> from matplotlib.figure import Figure
    >>> fit = bx.Model("math ~ ses * sector + (ses | school)", bx.load_dataset("hsb")).reml()
    >>> [line.get_label() for line in bx.plot_effects(fit, "ses", "sector", ax=Figure().subplots()).lines]
    ['sector = Public', 'sector = Catholic']
    """
    refuse_unknown("plot_effects", unknown, ("by", "values", "prob", "ax"))
    frame = effects_data(fit, x, by, values, prob=prob)
    ax = single_axes(ax)
    numeric = pd.api.types.is_numeric_dtype(frame[x])
    parts = [("mean", frame)] if by is None else [(key, part) for key, part in frame.groupby(by, observed=True)]
    for number, (key, own) in enumerate(parts):
        label = key if by is None else f"{by} = {_short(key, frame[by])}"
        colour, dash = CYCLE[number % len(CYCLE)], DASHES[number % len(DASHES)]
        if numeric:
            ax.plot(own[x], own["estimate"], color=colour, ls=dash, lw=1.8, label=label)
            ax.fill_between(own[x], own["ci_low"], own["ci_high"], color=colour, alpha=0.15, lw=0)
        else:
            places = np.arange(len(own)) + 0.15 * (number - (len(parts) - 1) / 2)
            ax.vlines(places, own["ci_low"], own["ci_high"], color=colour, lw=1.6)
            ax.plot(places, own["estimate"], color=colour, ls="", marker="o", label=label)
            ax.set_xticks(range(len(own)), labels=[str(value) for value in own[x]])
    ax.set_xlabel(x)
    ax.set_ylabel(f"mean of {fit.design.specification.response.text}, {100 * prob:g} % band")
    legend_below(ax, columns=min(3, len(parts)))
    return ax


def _short(value: Any, column: pd.Series[Any]) -> str:
    """A label, or a number with the decimals that tell it from its neighbours."""
    if not isinstance(value, float):
        return str(value)
    spread = float(column.max() - column.min()) or abs(value) or 1.0
    return f"{value:.{max(0, 2 - int(np.floor(np.log10(spread))))}f}"


def johnson_neyman_data(
    fit: Fit, x: str, by: str, *, values: Any = None, points: int = 101, prob: float = 0.95, **unknown: Any
) -> pd.DataFrame:
    """The slope of a predictor along a moderator: the frame behind :func:`plot_johnson_neyman`.

    Parameters
    ----------
    fit : LikelihoodFit or BayesFit
    x : str
        A numeric predictor; where it enters curved, its slope is that at its mean.
    by : str
        The moderator, a number.
    values : pair of float, optional
        From where to where; by itself the range in the data.
    points : int
        How many.
    prob : float
        Coverage of the intervals, each for one value of the moderator: normal, or equal-tailed of a posterior.

    Returns
    -------
    DataFrame
        by, slope, ci_low, ci_high.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("math ~ ses * meanses + (1 | school)", bx.load_dataset("hsb")).reml()
    >>> bx.johnson_neyman_data(fit, "ses", "meanses", values=(-1, 1), points=3)["slope"].round(3).tolist()
    [1.982, 2.198, 2.413]
    """
    refuse_unknown("johnson_neyman_data", unknown, ("values", "points", "prob"))
    ends, (low, high) = _slope_ends(require_fit("johnson_neyman_data", fit), x, by, values, prob)
    z = np.linspace(low, high, require_count("points", points, 2))
    middle, lower, upper = ends(z)
    return pd.DataFrame({by: z, "slope": middle, "ci_low": lower, "ci_high": upper})


def johnson_neyman(
    fit: Fit, x: str, by: str, *, values: Any = None, prob: float = 0.95, **unknown: Any
) -> pd.DataFrame:
    """Regions of a moderator in which the interval of a slope leaves 0 out.

    Parameters
    ----------
    fit, x, by, values, prob
        See :func:`johnson_neyman_data`.

    Returns
    -------
    DataFrame
        One row for each region from the lowest: low, high, slope (``"negative"``, ``"positive"``, or ``"undecided"``
        where the interval holds 0), and rows: the share of the rows whose moderator lies there.

    Raises
    ------
    ArgumentError
        Predictors that the fit does not know or that are no numbers, or a range that is none.

    References
    ----------
    Johnson & Neyman (1936), Statistical Research Memoirs 1:57-93; Bauer & Curran (2005), Multivariate Behavioral
    Research 40:373-400, for multilevel models.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("math ~ ses * meanses + (1 | school)", bx.load_dataset("hsb")).reml()
    >>> bx.johnson_neyman(fit, "meanses", "ses")[["low", "high", "slope"]].round(2).values.tolist()
    [[-3.76, 2.69, 'positive']]
    """
    refuse_unknown("johnson_neyman", unknown, ("values", "prob"))
    ends, (low, high) = _slope_ends(require_fit("johnson_neyman", fit), x, by, values, prob)
    grid = np.linspace(low, high, 401)
    found = ends(grid)
    cuts = {low, high}
    for row in (1, 2):

        def end(z: float, row: int = row) -> float:
            return float(ends(np.array([z]))[row, 0])

        for place in np.flatnonzero(np.diff(np.sign(found[row])) != 0):
            cuts.add(float(brentq(end, grid[place], grid[place + 1], xtol=1e-12, rtol=1e-14)))
    edges = np.array(sorted(cuts))
    moderator = _number(read_predictors(fit.design, groupings=False), by)
    regions = []
    for left, right in pairwise(edges):
        _, lower, upper = ends(np.array([0.5 * (left + right)]))[:, 0]
        sign = "positive" if lower > 0 else "negative" if upper < 0 else "undecided"
        inside = (moderator >= left) & ((moderator < right) | (right == edges[-1]) & (moderator <= right))
        regions.append({"low": left, "high": right, "slope": sign, "rows": float(inside.mean())})
    return pd.DataFrame(regions)


def plot_johnson_neyman(
    fit: Fit, x: str, by: str, *, values: Any = None, prob: float = 0.95, ax: Axes | None = None, **unknown: Any
) -> Axes:
    """Draw the slope of a predictor along a moderator, and shade where its interval holds 0.

    Parameters
    ----------
    fit, x, by, values, prob
        See :func:`johnson_neyman_data`.
    ax : matplotlib axes, optional
        Where to draw; by itself a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        As :func:`johnson_neyman`.

    Examples
    --------
    >>> import bayesmix as bx
    >>> from matplotlib.figure import Figure
    >>> fit = bx.Model("math ~ ses * meanses + (1 | school)", bx.load_dataset("hsb")).reml()
    >>> bx.plot_johnson_neyman(fit, "ses", "meanses", ax=Figure().subplots()).get_ylabel()
    'slope of ses'
    """
    refuse_unknown("plot_johnson_neyman", unknown, ("values", "prob", "ax"))
    require_fit("plot_johnson_neyman", fit)
    frame = johnson_neyman_data(fit, x, by, values=values, prob=prob)
    regions = johnson_neyman(fit, x, by, values=values, prob=prob)
    ax = single_axes(ax)
    ax.plot(frame[by], frame["slope"], color=BLUE, lw=1.8, label="slope")
    ax.fill_between(
        frame[by], frame["ci_low"], frame["ci_high"], color=BLUE, alpha=0.2, lw=0, label=f"{100 * prob:g} % interval"
    )
    label = "interval holds 0"
    for row in regions[regions["slope"] == "undecided"].itertuples():
        ax.axvspan(row.low, row.high, color=GREY, alpha=0.2, lw=0, label=label)
        label = "_nolegend_"
    for cut in regions["low"].iloc[1:]:
        ax.axvline(cut, color=BLACK, lw=0.8, ls=":")
    ax.axhline(0, color=BLACK, lw=0.8)
    ax.set_xlim(frame[by].iloc[0], frame[by].iloc[-1])
    ax.set_xlabel(by)
    ax.set_ylabel(f"slope of {x}")
    legend_below(ax, columns=3)
    return ax


def _slope_ends(fit: Fit, x: str, by: str, values: Any, prob: float) -> tuple[Ends, tuple[float, float]]:
    """The slope and its interval as a function of the moderator, and the range of the latter."""
    require_coverage(prob)
    predictors = read_predictors(fit.design, groupings=False)
    along, moderator = (_number(predictors, name) for name in (x, by))
    if x == by:
        raise ArgumentError(f"by='{by}' is x itself.", "Expected another predictor.", "Name another.")
    low, high = _range(moderator if values is None else values)
    step = 1e-3 * float(along.std())
    centre = float(along.mean())

    def contrasts(z: Floats) -> Floats:
        typical = {
            name: predictors.typical(name).take(np.zeros(len(z), np.int64)).reset_index(drop=True)
            for name in predictors.columns
            if name not in (x, by)
        }
        frame = pd.DataFrame({**typical, by: z})
        up, down = (fit.design.encode(frame.assign(**{x: centre + h}), groups=False).fixed for h in (step, -step))
        return np.asarray((up - down) / (2 * step))

    if isinstance(fit, LikelihoodFit):
        beta, vcov, quantile = fit.parameters.beta[0, 0], fit.vcov().to_numpy(), float(ndtri(0.5 + prob / 2))

        def normal(z: Floats) -> Floats:
            C = contrasts(z)
            se = np.sqrt(np.maximum(np.einsum("mi,ij,mj->m", C, vcov, C), 0.0))
            return np.stack([C @ beta, C @ beta - quantile * se, C @ beta + quantile * se])

        return normal, (low, high)
    draws = all_draws(fit.parameters.beta)

    def equal_tailed(z: Floats) -> Floats:
        slopes = draws @ contrasts(z).T
        return np.stack([slopes.mean(axis=0), *np.quantile(slopes, [0.5 - prob / 2, 0.5 + prob / 2], axis=0)])

    return equal_tailed, (low, high)


def _number(predictors: Predictors, name: str) -> Floats:
    """The values of a numeric predictor."""
    column = predictors.column(name)
    if not isinstance(column, Numbers):
        raise ArgumentError(f"'{name}' is a category.", "Expected a number.", "Call bx.slopes, or bx.plot_effects.")
    return column.values


def _range(values: Any) -> tuple[float, float]:
    """The smallest and the largest of some numbers."""
    try:
        numbers = np.asarray(values, dtype=float).ravel()
    except (TypeError, ValueError):
        numbers = np.zeros(0)
    if len(numbers) < 2 or not np.isfinite(numbers).all() or numbers.min() == numbers.max():
        raise ArgumentError(f"values={values!r}.", "Expected two different finite numbers.", "Write values=(-1, 1).")
    return float(numbers.min()), float(numbers.max())
