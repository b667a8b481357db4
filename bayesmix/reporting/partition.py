"""Shares of variance as stacked bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.reporting.canvas import CYCLE, central_column, legend_below, require_fit, single_axes
from bayesmix.results.fit import Fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METHODS = ("levels", "rights-sterba")
# In print colours may be lost.
HATCHES = ("", "//", "..", "xx", "\\\\", "oo", "--")


def variance_partition_data(fit: Fit, *, method: str = "levels", **unknown: Any) -> pd.DataFrame:
    """Shares of the variance, in bars that each sum to 1: the frame behind :func:`plot_variance_partition`.

    Parameters
    ----------
    fit : LikelihoodFit or BayesFit
    method : {"levels", "rights-sterba"}
        The levels and the residual, given the fixed part (with varying slopes averages over the rows, see
        ``fit.icc``); or all variance by source as in ``fit.r2("rights-sterba")``, in total, and with one level also
        within and between groups.

    Returns
    -------
    DataFrame
        Index (bar, part); share (of a posterior its mean).

    Raises
    ------
    ArgumentError
        No levels, or another method.

    References
    ----------
    Rights & Sterba (2019), Psychological Methods 24:309-338, figure 1.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("math ~ 1 + (1 | school)", bx.load_dataset("hsb")).reml()
    >>> bx.variance_partition_data(fit)["share"].round(3).tolist()
    [0.18, 0.82]
    """
    refuse_unknown("variance_partition_data", unknown, ("method",))
    require_fit("variance_partition_data", fit)
    if method not in METHODS:
        raise ArgumentError(
            f"method={method!r} is not offered.", f"Expected one of {', '.join(METHODS)}.", "Choose one of these."
        )
    if method == "levels":
        table = fit.icc()
        shares = table[central_column(table)]
        rows = {("total", str(name)): share for name, share in shares.items()}
        rows["total", "residual"] = 1 - float(shares.sum())
    else:
        rows = _by_source(fit)
    index = pd.MultiIndex.from_tuples(list(rows), names=["bar", "part"])
    return pd.DataFrame({"share": list(rows.values())}, index=index, dtype=float)


def _by_source(fit: Fit) -> dict[tuple[str, str], float]:
    """Parts of the total variance; with one level also of that within and between groups."""
    table = fit.r2("rights-sterba")
    found = table[central_column(table)]
    rows = {("total", str(part)): float(share) for part, share in found.items() if not str(part).startswith("R2_")}
    if "R2_w(f1)" in found:
        rows["within", "f1"], rows["within", "v"] = float(found["R2_w(f1)"]), float(found["R2_w(v)"])
        rows["within", "sigma2"] = 1 - float(found["R2_w(f1v)"])
        rows["between", "f2"], rows["between", "m"] = float(found["R2_b(f2)"]), float(found["R2_b(m)"])
    return rows


_MEANINGS = {
    "f": "fixed part",
    "f1": "fixed part, within",
    "f2": "fixed part, between",
    "v": "varying slopes",
    "m": "means of groups",
    "sigma2": "residual",
}


def _in_words(part: str, parts: list[str]) -> str:
    """A source of variance in a few words, beside its symbol."""
    if part not in _MEANINGS and "(" in part:
        symbol, level = part[:-1].split("(", 1)
        return f"{_MEANINGS.get(symbol, symbol)}: {level}"
    if part in _MEANINGS and ("f3" not in parts or part == "sigma2"):
        return f"{_MEANINGS[part]} ({part})"
    return f"fixed part, level {part[1:]} ({part})" if part[1:].isdigit() else part


def plot_variance_partition(fit: Fit, *, method: str = "levels", ax: Axes | None = None, **unknown: Any) -> Axes:
    """Draw what share of the variance lies where, as stacked bars.

    Parameters
    ----------
    fit, method
        See :func:`variance_partition_data`.
    ax : matplotlib axes, optional
        Where to draw; by itself a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        No levels, or another method.

    Examples
    --------
    >>> import bayesmix as bx
    >>> from matplotlib.figure import Figure
    >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
    >>> ax = bx.plot_variance_partition(fit, method="rights-sterba", ax=Figure().subplots())
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['total', 'within', 'between']
    """
    refuse_unknown("plot_variance_partition", unknown, ("method", "ax"))
    frame = variance_partition_data(require_fit("plot_variance_partition", fit), method=method)
    bars = list(dict.fromkeys(frame.index.get_level_values("bar")))
    parts = list(dict.fromkeys(frame.index.get_level_values("part")))
    ax = single_axes(ax, height=1.7 + 0.45 * len(bars) + 0.15 * len(parts))
    for number, part in enumerate(parts):
        residual = part in ("sigma2", "residual")
        for place, bar in enumerate(bars):
            own = frame.loc[bar, "share"]
            if part not in own.index or not pd.notna(own[part]):
                continue
            start = float(own.iloc[: own.index.get_loc(part)].sum())
            drawn = ax.barh(
                place,
                own[part],
                left=start,
                height=0.65,
                color="0.8" if residual else CYCLE[number % len(CYCLE)],
                hatch="" if residual else HATCHES[(number + number // len(CYCLE)) % len(HATCHES)],
                edgecolor="white",
                label=_in_words(part, parts) if bar == "total" else None,
            )
            if own[part] >= 0.06:
                text = ax.bar_label(drawn, [f"{100 * own[part]:.0f} %"], label_type="center", fontsize=8)
                text[0].set_bbox({"facecolor": "white", "alpha": 0.85, "pad": 1.2, "lw": 0})
    ax.set_yticks(range(len(bars)), labels=bars)
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    ax.set_xlabel("share of the variance" if method != "levels" else "share of the variance, given the fixed part")
    legend_below(ax)
    return ax
