"""Residuals of rows and of groups: against fitted values, and against normal quantiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from bayesmix.errors import refuse_unknown
from bayesmix.reporting.canvas import BLUE, GREY, VERMILLION, require_fit, several_axes
from bayesmix.results.fit import Fit
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.naming import pick_level

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
# Points of the line that shows where the mean of the residuals drifts.
BINS = 20


def residuals_data(fit: Fit, level: str | None = None, **unknown: Any) -> pd.DataFrame:
    """Residuals with the normal quantiles they are compared with: the frame behind :func:`plot_residuals`.

    Parameters
    ----------
    fit : LikelihoodFit or BayesFit
    level : str, optional
        Whose group effects; by itself the residuals of the rows.

    Returns
    -------
    DataFrame
        Of rows, in the order of the data: fitted, residual, scaled (over sigma, with weights times their root),
        quantile. Of a level, index (group, effect): effect_value, scaled, quantile; scaled is over the diagnostic
        standard error, which differs between groups of different size (nan where it is 0), of a posterior over the
        root mean square of all groups. quantile is that of a normal distribution at (rank - 1/2)/n.

    Raises
    ------
    ArgumentError
        A level that the model has not.

    References
    ----------
    Snijders & Bosker (2012), Multilevel Analysis, 2nd ed., section 10.6, for diagnostic standard errors.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).reml()
    >>> bx.residuals_data(fit, "Batch")["quantile"].round(2).tolist()
    [-0.21, 0.21, 0.67, -0.67, 1.38, -1.38]
    """
    refuse_unknown("residuals_data", unknown, ("level",))
    require_fit("residuals_data", fit)
    if level is None:
        scaled = fit.residuals(kind="pearson") / float(fit.parameters.sigma.mean())
        columns = {"fitted": fit.fitted(), "residual": fit.residuals(), "scaled": scaled, "quantile": _normal(scaled)}
        return pd.DataFrame(columns, index=fit.design.row_index)
    fit._need_levels()
    name = fit.design.levels[pick_level(fit.design, level)].name
    if isinstance(fit, LikelihoodFit):
        table = fit.group_effects(name, variance="diagnostic")
        spread = table["sd"].where(table["sd"] > 1e-8 * fit.sigma)
        frame = pd.DataFrame({"effect_value": table["estimate"], "scaled": table["estimate"] / spread})
    else:
        values = fit.group_effects(name)["mean"]
        size = np.sqrt((values**2).groupby(level="effect").transform("mean"))
        frame = pd.DataFrame({"effect_value": values, "scaled": values / size})
    quantiles = frame.groupby(level="effect")["scaled"].transform(lambda own: _normal(own.to_numpy()))
    return frame.assign(quantile=quantiles)


def _normal(values: Floats) -> Floats:
    """Normal quantiles at the ranks of some values, nan where they are."""
    found = np.full(len(values), np.nan)
    known = np.isfinite(values)
    if known.any():
        found[known] = ndtri((rankdata(values[known], method="ordinal") - 0.5) / known.sum())
    return found


def plot_residuals(fit: Fit, **unknown: Any) -> NDArray[np.object_]:
    """Draw residuals against fitted values, and the quantiles of residuals and of group effects, level by level.

    Parameters
    ----------
    fit : LikelihoodFit or BayesFit

    Returns
    -------
    array of Axes
        Residuals by fitted value, with the means of 20 slices; then quantiles of the residuals, and of every effect
        of every level. Shrunken group effects look more normal than the groups are.

    Raises
    ------
    ArgumentError
        What is given is no fit.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).reml()
    >>> axes = bx.plot_residuals(fit)  # doctest: +SKIP
    """
    refuse_unknown("plot_residuals", unknown, ())
    rows = residuals_data(require_fit("plot_residuals", fit))
    effects = [
        (level.name, name, residuals_data(fit, level.name).xs(name, level="effect"))
        for level in fit.design.levels
        for name in level.effect_names
    ]
    count = 2 + len(effects)
    axes = several_axes(count, 2 if count == 4 else 3, 3.2, 2.9)
    _against_fitted(axes[0], rows)
    _quantiles(axes[1], rows, "residuals")
    for panel, (level, name, frame) in zip(axes[2:], effects, strict=True):
        _quantiles(panel, frame, f"{level}: {name}")
    return axes


def _against_fitted(ax: Axes, rows: pd.DataFrame) -> None:
    """Scaled residuals by fitted value, and their means in slices of equal size."""
    _dots(ax, rows["fitted"].to_numpy(), rows["scaled"].to_numpy())
    if len(rows) >= 5 * BINS:
        order = np.argsort(rows["fitted"].to_numpy(), kind="stable")
        slices = [rows.iloc[part] for part in np.array_split(order, BINS)]
        ax.plot(
            [part["fitted"].mean() for part in slices],
            [part["scaled"].mean() for part in slices],
            color=VERMILLION,
            lw=1.6,
        )
    ax.axhline(0, color=GREY, lw=0.9, zorder=0)
    ax.set_title("residuals by fitted value", fontsize=9)
    ax.set_xlabel("fitted")
    ax.set_ylabel("residual / sigma")


def _quantiles(ax: Axes, frame: pd.DataFrame, title: str) -> None:
    """Scaled values by normal quantiles, beside the line of a standard normal distribution."""
    known = frame.dropna(subset=["scaled"])
    _dots(ax, known["quantile"].to_numpy(), known["scaled"].to_numpy(), 0.8)
    ax.axline((0, 0), slope=1, color=VERMILLION, lw=1.2)
    if not len(known):
        ax.text(0.5, 0.5, "no variance", transform=ax.transAxes, ha="center", va="center", color=GREY)
    ax.set_title(title, fontsize=9)
    ax.set_xlabel("normal quantile")
    ax.set_ylabel("scaled value")


def _dots(ax: Axes, x: Floats, y: Floats, alpha: float = 0.3) -> None:
    """Points, in a cloud lighter where there are many."""
    few = len(x) <= 300
    ax.scatter(x, y, s=14 if few else 3, alpha=0.8 if few else alpha, color=BLUE, lw=0, rasterized=len(x) > 2000)
