"""What pictures share: colours that colour-blind readers tell apart, axes to draw on, views without far outliers."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.fit import Fit
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.teaching.arguments import shown

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

# Okabe & Ito (2008), Color Universal Design.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#8A8A8A"
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
# With the colours, so that lines differ in grey print too.
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)))

# Of fewer numbers than this none is far from the others.
FENCED = 12
# More names than this on one axis can not be read.
MOST_NAMES = 45


def require_fit(function: str, fit: Any) -> Fit:
    """Refuse what is no fit."""
    if isinstance(fit, LikelihoodFit | BayesFit):
        return fit
    raise ArgumentError(
        f"{function} was given an object of type {type(fit).__name__}.",
        "Expected a fit.",
        "Pass model.reml() or model.sample().",
    )


def require_posterior(function: str, fit: Any) -> BayesFit:
    """Refuse what is no posterior."""
    if isinstance(fit, BayesFit):
        return fit
    raise ArgumentError(
        f"{function} was given an object of type {type(fit).__name__}.", "Expected a posterior.", "Pass model.sample()."
    )


def require_likelihood(function: str, fit: Any) -> LikelihoodFit:
    """Refuse what is no REML or ML fit."""
    if isinstance(fit, LikelihoodFit):
        return fit
    raise ArgumentError(
        f"{function} was given an object of type {type(fit).__name__}.",
        "Expected a REML or ML fit.",
        "Pass model.reml() or model.ml().",
    )


def single_axes(ax: Any, width: float = 6.4, height: float = 4.4) -> Axes:
    """The axes given, or those of a new figure."""
    from matplotlib.axes import Axes

    if ax is None:
        import matplotlib.pyplot as plt

        return plt.subplots(figsize=(width, height), layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise ArgumentError(
            f"ax={shown(ax)}.", "Expected matplotlib axes.", "Leave it out, or pass one of plt.subplots()."
        )
    return ax


def several_axes(count: int, columns: int, width: float, height: float, shared: bool = False) -> NDArray[np.object_]:
    """Axes of a new figure, (count,), row by row."""
    import matplotlib.pyplot as plt

    columns = min(columns, count)
    rows = ceil(count / columns)
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(width * columns, height * rows),
        squeeze=False,
        layout="constrained",
        sharex=shared,
        sharey=shared,
    )
    for unused in grid.ravel()[count:]:
        figure.delaxes(unused)
    return np.asarray(grid.ravel()[:count])


def central_column(frame: pd.DataFrame) -> str:
    """What a table calls its estimate."""
    return "estimate" if "estimate" in frame else "mean"


def robust_view(kept: Floats, cut: Floats) -> tuple[float, float]:
    """Limits that show all of ``kept``, and of ``cut`` what is within or little beyond Tukey's fences; of a few all.

    Far beyond them single groups of two or three rows would decide the scale of the picture.
    """
    found = cut[np.isfinite(cut)]
    inside = kept[np.isfinite(kept)]
    if len(found) < FENCED:
        inside = np.concatenate([inside, found])
    else:
        low, high = np.quantile(found, [0.25, 0.75])
        reach = 1.5 * (high - low)
        inside = np.concatenate([inside, found[(found >= low - reach) & (found <= high + reach)]])
    low, high = float(inside.min()), float(inside.max())
    little = 0.25 * (high - low)
    near = found[(found >= low - little) & (found <= high + little)]
    low, high = min([low, *near.tolist()]), max([high, *near.tolist()])
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def marker_areas(counts: Floats) -> Floats:
    """Areas of markers that grow with the rows behind them, smaller where there are many."""
    scale = np.clip(1200 / len(counts), 4, 60)
    return np.asarray(np.clip(scale * counts / counts.mean(), 2, 300))


def name_places(ax: Axes, names: list[str]) -> None:
    """Names at places 0, 1, ... of the vertical axis, where they can be read; otherwise none."""
    if len(names) <= MOST_NAMES:
        ax.set_yticks(range(len(names)), labels=names, fontsize=8 if len(names) > 15 else 9)
    else:
        ax.set_yticks([])
    ax.set_ylim(-0.5 - 0.01 * len(names), len(names) - 0.5 + 0.01 * len(names))


def height_for(rows: int) -> float:
    """Height of a figure with one line of text for each row, up to a page."""
    return float(np.clip(1.4 + 0.19 * rows, 2.4, 9.0))


def fitted_title(ax: Axes, text: str) -> None:
    """A title above a small panel, in smaller letters where it is long, on two lines where it is longer still."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    room = 15 * ax.get_position().width * figure.get_figwidth()
    if len(text) > 1.35 * room and ": " in text:
        text = text.replace(": ", ":\n", 1)
    longest = max(len(line) for line in text.split("\n"))
    ax.set_title(text, fontsize=float(np.clip(9 * room / longest, 6, 9)))


def few_ticks(ax: Axes) -> None:
    """Small numbers along a small panel, as many as have room."""
    ax.tick_params(labelsize=8)
    ax.locator_params(axis="x", nbins=4)


def legend_above(axes: NDArray[np.object_]) -> None:
    """One legend for all panels above them, of every label that one of them has."""
    found: dict[str, Any] = {}
    for panel in axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure = axes[0].figure
    columns = max(1, min(len(found), int(figure.get_figwidth() / 1.5)))
    figure.legend(list(found.values()), list(found), loc="outside upper center", ncols=columns, fontsize=8)


def legend_below(ax: Axes, remark: str = "", columns: int = 2) -> None:
    """A legend below the label of the horizontal axis, where it hides nothing, with marks of one readable size."""
    from matplotlib.collections import PathCollection
    from matplotlib.lines import Line2D
    from matplotlib.transforms import ScaledTranslation

    figure = ax.get_figure(root=True)
    assert figure is not None
    below = ax.transAxes + ScaledTranslation(0, -36 / 72, figure.dpi_scale_trans)
    legend = ax.legend(
        title=remark or None,
        title_fontsize=8,
        fontsize=8,
        ncols=columns,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=below,
        frameon=False,
    )
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes(np.clip(handle.get_sizes(), 30, 70))
            handle.set(alpha=1, linewidth=1)
        if isinstance(handle, Line2D) and handle.get_linestyle() != "None":
            handle.set(alpha=1, linewidth=max(1.0, handle.get_linewidth()))
