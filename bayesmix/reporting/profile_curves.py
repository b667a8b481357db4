"""Profile likelihood of each variance component beside its posterior and its prior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.interpolate import CubicSpline

from bayesmix.design import Design
from bayesmix.errors import ArgumentError, ConvergenceError, refuse_unknown, require_coverage
from bayesmix.reporting.canvas import (
    BLACK,
    BLUE,
    GREEN,
    VERMILLION,
    few_ticks,
    fitted_title,
    legend_above,
    require_likelihood,
    require_posterior,
    several_axes,
)
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.naming import require_count
from bayesmix.results.quantities import Row, chosen_rows, component_rows
from bayesmix.results.same_model import require_same_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

# How far curves go: to the bounds of intervals of this coverage, where the likelihood is 0.004 of its highest.
FAR = 0.999
# Below this share of its highest a kernel estimate is noise, and so is what it gives when divided by the prior.
NOISE = 0.05
# Where the prior of a correlation falls to 0 at the ends, a kernel estimate does not: below this share of its highest
# the ratio of the two says nothing.
FADING = 0.3
# Points at which a profile is drawn between those at which it was computed.
DRAWN = 201


def profile_data(
    fit: LikelihoodFit,
    post: BayesFit | None = None,
    parameters: Any = None,
    *,
    prob: float = 0.95,
    points: int = 12,
    **unknown: Any,
) -> pd.DataFrame:
    """Profile likelihood, posterior and prior of standard deviations and correlations: behind :func:`plot_profile`.

    Parameters
    ----------
    fit : LikelihoodFit
        Of a REML fit the REML criterion is profiled, of an ML fit the likelihood.
    post : BayesFit, optional
        A posterior of the same model.
    parameters : str, (part, parameter), or a sequence of these, optional
        As in ``fit.profile``: levels, ``"residual"``, ``"sd(ses)"``; by itself all sds and correlations.
    prob : float
        Coverage of the profile intervals.
    points : int
        On each side of the estimate, at which the likelihood is maximised over everything else.

    Returns
    -------
    DataFrame
        part, parameter, curve, value, density. ``"profile"``: the profile likelihood, scaled so that the area below it
        is 1; ``"interval"``: the two ends of the profile interval, at the height of the cut-off; ``"posterior"``
        (kernel estimate) and ``"prior"`` (nan where flat); ``"integrated"``: posterior over prior, with area 1, where
        both are known: the likelihood with everything else integrated out under its prior instead of maximised. A
        parameter that has no profile has none of the first two, and ``attrs["note"]`` says why.

    Raises
    ------
    ArgumentError
        What is no fit or no posterior of the same model, or parameters that are no variance components.

    References
    ----------
    Venzon & Moolgavkar (1988), Applied Statistics 37:87-94; Berger, Liseo & Wolpert (1999), Statistical Science
    14:1-28, for maximised and integrated likelihoods.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).reml()
    >>> frame = bx.profile_data(fit, parameters="residual")
    >>> frame.loc[frame["curve"] == "interval", "value"].round(2).tolist()
    [38.23, 67.66]
    """
    refuse_unknown("profile_data", unknown, ("prob", "points"))
    require_likelihood("profile_data", fit)
    require_coverage(prob)
    count = require_count("points", points, 2)
    if post is not None:
        require_same_model(fit.design, require_posterior("profile_data", post).design)
    table = None if post is None else post.prior_posterior()
    frames, notes = [], []
    for row in _components(fit.design, parameters):
        found = _profile(fit, row, prob, count)
        if isinstance(found, str):
            notes.append(found)
        else:
            frames.append(found)
        if table is not None:
            frames.append(_densities(fit.design, table, row))
    if not frames:
        raise ConvergenceError(" ".join(notes), "Expected at least one profile.", "Simplify the random part.")
    frame = pd.concat(frames, ignore_index=True)
    frame.attrs["note"] = "\n".join(notes)
    return frame


def _components(design: Design, parameters: Any) -> list[Row]:
    """The standard deviations and correlations named, or all."""
    known = component_rows(design, "sd")
    if parameters is None:
        return known
    chosen = chosen_rows(design, parameters)
    for row in chosen:
        if row not in known:
            raise ArgumentError(
                f"'{row.parameter}' ({row.part}) is no standard deviation and no correlation.",
                f"Expected among {', '.join(dict.fromkeys(row.parameter for row in known))}.",
                "Call fit.profile for other profiles.",
            )
    return chosen


def _profile(fit: LikelihoodFit, row: Row, prob: float, points: int) -> pd.DataFrame | str:
    """One profile likelihood and its interval, or why there is none."""
    name, criterion = (row.part, row.parameter), fit.method.lower()
    try:
        curve = fit.profile([name], criterion=criterion, prob=FAR, points=points).data
        ends = fit.profile([name], criterion=criterion, prob=prob, points=1).data["value"]
    except ConvergenceError as problem:
        return str(problem.found)
    if len(curve) < 2:
        return f"{row.part} {row.parameter}: the profile is a single point."
    known, zeta = curve["value"].to_numpy(), curve["zeta"].to_numpy()
    value = np.linspace(known[0], known[-1], DRAWN)
    # The signed root of the deviance is nearly a line, so that it is what is interpolated.
    height = np.exp(-(CubicSpline(known, zeta)(value) ** 2) / 2)
    area = float(np.trapezoid(height, value))
    cut = float(np.exp(-stats.chi2.ppf(prob, 1) / 2))
    return pd.concat(
        [
            _curve(row, "profile", value, height / area),
            _curve(row, "interval", np.array([ends.min(), ends.max()]), np.full(2, cut / area)),
        ]
    )


def _densities(design: Design, table: pd.DataFrame, row: Row) -> pd.DataFrame:
    """Posterior and prior of one parameter, and their ratio."""
    names = list(dict.fromkeys(table.index.get_level_values("parameter")))[len(design.fixed_names) :]
    own = table.loc[names[component_rows(design, "sd").index(row)]]
    x, before, after = (own[name].to_numpy() for name in ("x", "prior", "posterior"))
    frames = [_curve(row, "posterior", x, after), _curve(row, "prior", x, before)]
    weight = np.ones(len(x)) if np.isnan(before).all() else before
    kept = (after >= NOISE * after.max()) & (weight > 0)
    if row.quantity.kind == "corr":
        kept &= weight >= FADING * weight.max()
    if kept.sum() > 1:
        ratio = after[kept] / weight[kept]
        frames.append(_curve(row, "integrated", x[kept], ratio / np.trapezoid(ratio, x[kept])))
    return pd.concat(frames)


def _curve(row: Row, curve: str, value: Floats, density: Floats) -> pd.DataFrame:
    """Rows of the frame."""
    columns = {"part": row.part, "parameter": row.parameter, "curve": curve, "value": value, "density": density}
    return pd.DataFrame(columns)


_LOOKS: dict[str, dict[str, Any]] = {
    "profile": {"color": BLACK, "lw": 1.8, "ls": "-"},
    "integrated": {"color": GREEN, "lw": 1.4, "ls": "-."},
    "prior": {"color": VERMILLION, "lw": 1.4, "ls": "--"},
}


def plot_profile(
    fit: LikelihoodFit, post: BayesFit | None = None, parameters: Any = None, *, prob: float = 0.95, **unknown: Any
) -> NDArray[np.object_]:
    """Draw the profile likelihood of each standard deviation and correlation over its posterior and prior.

    The bar is the interval of this profile, at the height to which the likelihood falls at its ends; of a fit by REML
    it is ``fit.intervals("profile", criterion="reml")`` (the default there is the deviance by ML, as in lme4). Profile
    and posterior differ by the prior, and by what they do with the other parameters: the one maximises, the other
    integrates.

    Parameters
    ----------
    fit, post, parameters, prob
        See :func:`profile_data`.

    Returns
    -------
    (parameters,) array of Axes

    Raises
    ------
    ArgumentError
        What is no fit or no posterior of the same model, or parameters that are no variance components.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).reml()
    >>> axes = bx.plot_profile(fit)  # doctest: +SKIP
    """
    refuse_unknown("plot_profile", unknown, ("parameters", "prob"))
    frame = profile_data(fit, post, parameters, prob=prob)
    rows = _components(fit.design, parameters)
    axes = several_axes(len(rows), 2 if len(rows) in (2, 4) else 3, 2.9, 2.3)
    for panel, row in zip(axes, rows, strict=True):
        own = frame[(frame["part"] == row.part) & (frame["parameter"] == row.parameter)]
        _panel(panel, own, fit.method, prob)
        fitted_title(panel, f"{row.part}: {row.parameter}")
    legend_above(axes)
    return axes


def _panel(ax: Axes, own: pd.DataFrame, method: str, prob: float) -> None:
    """One parameter."""
    by = {str(name): part for name, part in own.groupby("curve", sort=False)}
    if "posterior" in by:
        part = by["posterior"]
        ax.fill_between(part["value"], part["density"], color=BLUE, alpha=0.25, lw=0, label="posterior")
    words = {"profile": f"{method} profile likelihood", "integrated": "posterior / prior", "prior": "prior"}
    for name in ("profile", "integrated", "prior"):
        if name in by and by[name]["density"].notna().any():
            ax.plot(by[name]["value"], by[name]["density"], label=words[name], **_LOOKS[name])
    if "interval" in by:
        part = by["interval"]
        ax.plot(
            part["value"],
            part["density"],
            color=BLACK,
            lw=1.0,
            marker="|",
            ms=9,
            label=f"{100 * prob:g} % interval of the {method} profile",
        )
    else:
        ax.text(0.5, 0.9, "no profile", transform=ax.transAxes, ha="center", va="top", fontsize=8)
    ax.set_ylim(0)
    ax.set_yticks([])
    few_ticks(ax)
