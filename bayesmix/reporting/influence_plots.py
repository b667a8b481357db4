"""Groups on which the estimates hang."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.reporting.canvas import (
    BLACK,
    BLUE,
    GREY,
    VERMILLION,
    few_ticks,
    fitted_title,
    height_for,
    legend_above,
    require_likelihood,
)
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.naming import pick_level, require_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COOK = "cooks_distance"
# Groups with a line of their own, and panels beside that of Cook's distance.
MOST_GROUPS, MOST_TERMS = 30, 7


def influence_data(
    fit: LikelihoodFit, level: str | None = None, *, refit: bool = False, **unknown: Any
) -> pd.DataFrame:
    """Cook's distance and DFBETAs of each group with their usual cut-offs: the frame behind :func:`plot_influence`.

    Parameters
    ----------
    fit : LikelihoodFit
    level : str, optional
        Whose groups, nested or crossed; may be left out where there is one level.
    refit : bool
        Estimate the variances anew without each group; by itself they are held. See ``fit.influence``.

    Returns
    -------
    DataFrame
        Index (measure, group); n (rows), value, cut, beyond. The measures are ``"cooks_distance"``, cut at 4/J, and
        the terms, whose values are DFBETAs, cut at 2/sqrt(J) on both sides; J is the number of groups. A DFBETA is the
        estimate without the group less that with it, over its standard error without the group: positive where leaving
        the group out raises the estimate, as in lme4; Belsley, Kuh & Welsch have the other sign. Groups are in the
        order of Cook's distance, largest first, those without which a term is not determined last, with nan.

    Raises
    ------
    ArgumentError
        What is no REML or ML fit, no levels, several and none named, or no fixed effects.

    References
    ----------
    Belsley, Kuh & Welsch (1980), Regression Diagnostics, for 2/sqrt(J); Van der Meer, te Grotenhuis & Pelzer (2010),
    American Sociological Review 75:173-178, and Nieuwenhuis, te Grotenhuis & Pelzer (2012), The R Journal 4(2):38-47,
    for both with groups in place of rows. They are marks to look at, not tests.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("normexam ~ standLRT + (standLRT | school)", bx.load_dataset("exam")).reml()
    >>> frame = bx.influence_data(fit)
    >>> frame.loc["cooks_distance"].index[:3].tolist()
    ['53', '7', '59']
    """
    refuse_unknown("influence_data", unknown, ("level", "refit"))
    require_likelihood("influence_data", fit)
    if not fit.design.fixed_names:
        raise ArgumentError(
            "The model has no fixed effects.",
            "Expected some: Cook's distance and DFBETAs say how they move.",
            "Read fit.influence(refit=True).components.",
        )
    found = fit.influence(level, refit=refit)
    table = found.table.sort_values(COOK, ascending=False, kind="stable", na_position="last")
    wide = found.coefficients["dfbetas"].unstack("term", sort=False).loc[table.index]
    J = len(table)
    parts = {COOK: (table[COOK], 4 / J)} | {str(term): (wide[term], 2 / np.sqrt(J)) for term in wide}
    frame = pd.concat(
        {
            name: pd.DataFrame({"n": table["n"], "value": values, "cut": cut, "beyond": values.abs() > cut})
            for name, (values, cut) in parts.items()
        },
        names=["measure", "group"],
    )
    frame.attrs["note"] = found.note
    return frame


def plot_influence(
    fit: LikelihoodFit,
    level: str | None = None,
    *,
    terms: Any = None,
    groups: int = MOST_GROUPS,
    refit: bool = False,
    **unknown: Any,
) -> NDArray[np.object_]:
    """Draw how far the fixed effects would move without each group: Cook's distance, and DFBETAs term by term.

    The groups of largest Cook's distance have a line each, largest on top; all others are dots on the lowest line.
    Beyond the usual cut-offs (dotted: 4/J and 2/sqrt(J) for J groups) marks are filled diamonds. To the right
    leaving the group out raises the estimate, as DFBETAs are signed in lme4; those of Belsley, Kuh & Welsch have the
    other sign.

    Parameters
    ----------
    fit, level, refit
        See :func:`influence_data`.
    terms : str or sequence of str, optional
        Whose DFBETAs; by itself all, or the 7 of largest DFBETAs.
    groups : int
        How many with a line of their own.

    Returns
    -------
    (1 + terms,) array of Axes

    Raises
    ------
    ArgumentError
        What is no REML or ML fit, no levels, several and none named, no fixed effects, or a term that the fit has not.

    References
    ----------
    See :func:`influence_data`.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("normexam ~ standLRT + (standLRT | school)", bx.load_dataset("exam")).reml()
    >>> axes = bx.plot_influence(fit)  # doctest: +SKIP
    """
    refuse_unknown("plot_influence", unknown, ("level", "terms", "groups", "refit"))
    most = require_count("groups", groups, 1)
    frame = influence_data(fit, level, refit=refit)
    chosen = _chosen(frame, terms)
    distances = frame.loc[COOK, "value"]
    known = list(distances.index[np.isfinite(distances)])
    # One group more than has room is shown as itself and not as "1 other".
    named = known if len(known) <= most + 1 else known[:most]
    axes = _row_of_axes(1 + len(chosen), len(named))
    for panel, measure in zip(axes, [COOK, *chosen], strict=True):
        _lollipops(panel, frame.loc[measure].loc[known], named)
        fitted_title(panel, "Cook's distance" if measure == COOK else f"DFBETAs: {measure}")
    others = len(known) - len(named)
    lines = [str(label) for label in reversed(named)]
    ticks = [*([-1] if others else []), *range(len(lines))]
    axes[0].set_yticks(ticks, labels=[*([f"{others:,} others"] if others else []), *lines], fontsize=8)
    axes[0].set_ylim(ticks[0] - 0.7, len(lines) - 0.3)
    name = fit.design.levels[pick_level(fit.design, level)].name
    without = len(distances) - len(known)
    for panel in axes:
        if panel.get_subplotspec().is_first_col():
            panel.set_ylabel(name if not without else f"{name} ({without} without a value)")
    legend_above(axes)
    return axes


def _chosen(frame: pd.DataFrame, terms: Any) -> list[str]:
    """Terms by name, or those of the largest DFBETAs in the order of the formula."""
    known = [name for name in dict.fromkeys(frame.index.get_level_values("measure")) if name != COOK]
    if terms is None:
        sizes = {name: float(frame.loc[name, "value"].abs().max()) for name in known}
        largest = sorted(known, key=lambda name: -np.nan_to_num(sizes[name]))[:MOST_TERMS]
        return [name for name in known if name in largest]
    several = isinstance(terms, Sequence) and not isinstance(terms, str)
    wanted = list(terms) if several else [terms]
    for name in wanted:
        if name not in known:
            raise ArgumentError(
                f"The fit has no fixed effect {name!r}.", f"Expected among {', '.join(known)}.", "Choose among these."
            )
    return list(dict.fromkeys(wanted))


def _row_of_axes(count: int, lines: int) -> NDArray[np.object_]:
    """Panels beside each other, in one row or two, with one vertical axis."""
    import matplotlib.pyplot as plt

    rows = 1 if count <= 5 else 2
    columns = -(-count // rows)
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(1.2 + 2.0 * columns, rows * height_for(lines)),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    for unused in grid.ravel()[count:]:
        figure.delaxes(unused)
    return np.asarray(grid.ravel()[:count])


def _lollipops(ax: Axes, frame: pd.DataFrame, named: list[Any]) -> None:
    """One measure: a stem and a mark for each named group, the others on one line below."""
    own = frame.loc[named]
    places = np.arange(len(named))[::-1]
    values, beyond = own["value"].to_numpy(), own["beyond"].to_numpy(bool)
    ax.hlines(places, 0, values, color=GREY, lw=1.0, zorder=1)
    rest = frame.drop(index=named)["value"].dropna().to_numpy()
    if len(rest):
        few = len(rest) <= 300
        ax.scatter(rest, np.full(len(rest), -1.0), s=8 if few else 4, color=GREY, alpha=0.6, lw=0, label="other groups")
    looks: tuple[tuple[Any, dict[str, Any]], ...] = (
        (~beyond, {"s": 22, "facecolor": "white", "edgecolor": BLUE, "marker": "o", "label": "within the cut-off"}),
        (beyond, {"s": 26, "color": VERMILLION, "marker": "D", "label": "beyond the cut-off"}),
    )
    for chosen, look in looks:
        ax.scatter(values[chosen], places[chosen], zorder=3, **look)
    cut = float(own["cut"].iloc[0]) if len(own) else 0.0
    signed = bool((values < 0).any() or (rest < 0).any())
    for end in (-cut, cut) if signed else (cut,):
        ax.axvline(end, color=BLACK, lw=0.9, ls=":", zorder=0, label=None if end < 0 else "cut-off, 4/J or 2/√J")
    ax.axvline(0, color=BLACK, lw=0.8, zorder=0)
    few_ticks(ax)
