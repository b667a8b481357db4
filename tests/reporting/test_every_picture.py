"""Every picture of five data sets, with 4 to 4,000 groups: drawn without warnings, readable, in grey print too."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import Collection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from numpy.typing import NDArray

import bayesmix as bx
from tests.fabricated import fabricated
from tests.reporting.conftest import grouped_frame


@dataclass(frozen=True)
class Case:
    """A model of a data set, its fits, and what to draw along, by and of."""

    model: bx.Model
    reml: bx.LikelihoodFit
    post: bx.BayesFit
    x: str
    by: str
    level: str


def simulated(groups: int, rows: int) -> pd.DataFrame:
    """With a second predictor."""
    frame = grouped_frame(groups, rows)
    return frame.assign(z=np.random.default_rng(2).normal(size=len(frame)))


_CASES: dict[str, tuple[str, Callable[[], pd.DataFrame], str, str, str]] = {
    "hsb": (
        "math ~ ses * meanses + sector + (ses | school)",
        lambda: bx.load_dataset("hsb"),
        "ses",
        "meanses",
        "school",
    ),
    "exam": (
        "normexam ~ standLRT * schavg + (standLRT | school)",
        lambda: bx.load_dataset("exam"),
        "standLRT",
        "schavg",
        "school",
    ),
    "egsingle": (
        "math ~ year * lowinc + (year | schoolid/childid)",
        lambda: bx.load_dataset("egsingle"),
        "year",
        "lowinc",
        "schoolid",
    ),
    "four": ("y ~ x * z + (x | g)", lambda: simulated(4, 12), "x", "z", "g"),
    "thousands": ("y ~ x * z + (x | g)", lambda: simulated(4000, 4), "x", "z", "g"),
}


@cache
def case(name: str) -> Case:
    """The posterior's draws are made up, around the estimates."""
    formula, data, x, by, level = _CASES[name]
    model = bx.Model(formula, data())
    reml = model.reml()
    rng = np.random.default_rng(3)
    fixed = reml.fixed_effects()
    beta = fixed["estimate"].to_numpy() + fixed["se"].to_numpy() * rng.normal(size=(60, len(fixed)))
    sigma = reml.sigma * np.exp(0.02 * rng.normal(size=60))
    return Case(model, reml, fabricated(model, rng, draws=30, beta=beta, sigma=sigma), x, by, level)


_PICTURES: dict[str, Callable[[Case], Any]] = {
    "agreement": lambda c: bx.plot_agreement(c.reml, c.post),
    "caterpillar": lambda c: bx.plot_caterpillar(c.reml, c.level),
    "caterpillar of a posterior": lambda c: bx.plot_caterpillar(c.post, c.level, effect=c.x, kind="coefficients"),
    "correlation": lambda c: bx.plot_correlation(c.reml, c.x, level=c.level),
    "effects": lambda c: bx.plot_effects(c.reml, c.x, c.by),
    "graph": lambda c: bx.plot_graph(c.model),
    "group fits": lambda c: bx.plot_group_fits(c.reml, c.x, c.level),
    "icc": lambda c: bx.plot_icc(c.post, c.x),
    "influence": lambda c: bx.plot_influence(c.reml, c.level),
    "Johnson-Neyman": lambda c: bx.plot_johnson_neyman(c.reml, c.x, c.by),
    "ppc": lambda c: bx.plot_ppc_groups(c.reml, level=c.level, draws=50, seed=1),
    "prior and posterior": lambda c: bx.plot_prior_posterior(c.post),
    "profile": lambda c: bx.plot_profile(c.reml, c.post, "residual"),
    "residuals": lambda c: bx.plot_residuals(c.reml),
    "shrinkage": lambda c: bx.plot_shrinkage(c.reml, c.level),
    "shrinkage of one effect": lambda c: bx.plot_shrinkage(c.reml, c.level, effect="Intercept"),
    "trajectories": lambda c: bx.plot_trajectories(c.reml, c.x, c.level),
    "rows along x": lambda c: bx.plot_trajectories(c.reml, c.x, c.level, kind="observed"),
    "variance": lambda c: bx.plot_variance(c.post, c.x),
    "partition": lambda c: bx.plot_variance_partition(c.reml),
    "partition by source": lambda c: bx.plot_variance_partition(c.reml, method="rights-sterba"),
}
# Names on one axis, and all words of a picture but for the numbers of a heat map.
MOST_ON_AN_AXIS, MOST_WORDS = 45, 130


@pytest.mark.parametrize("data", list(_CASES))
@pytest.mark.parametrize("picture", list(_PICTURES))
def test_readable(picture: str, data: str) -> None:
    axes: NDArray[Any] = np.atleast_1d(_PICTURES[picture](case(data)))
    figure = axes[0].figure
    figure.canvas.draw()
    words = list(texts(figure))
    outside = [text.get_text() for text in words if not inside(text, figure)]
    assert not outside
    assert len(words) <= MOST_WORDS or picture == "correlation"
    for ax in axes:
        assert ax.has_data() or picture == "graph"
        for axis in ("x", "y"):
            shown = names(ax, axis)
            assert len(shown) <= MOST_ON_AN_AXIS
            assert not overlapping(shown)
    assert not overlapping([ax.title for ax in axes if ax.get_title()])
    for legend in legends(figure, axes):
        assert not alike(legend)


def test_every_picture_is_here() -> None:
    """But for those of type I errors and of calibration, which have no data of these."""
    drawn = {name.split()[0] for text in _PICTURES.values() for name in text.__code__.co_names if "plot_" in name}
    assert drawn | {"plot_type1", "plot_sbc"} == {name for name in bx.__all__ if name.startswith("plot_")}


def texts(figure: Figure) -> Iterator[Text]:
    """All words that can be seen."""
    for ax in figure.axes:
        yield from (text for text in [ax.title, *ax.texts] if text.get_text())
        if ax.axison:
            yield from (axis.label for axis in (ax.xaxis, ax.yaxis) if axis.label.get_text())
            yield from [*names(ax, "x"), *names(ax, "y")]
    for legend in [*figure.legends, *(ax.get_legend() for ax in figure.axes)]:
        if legend is not None:
            yield from (text for text in [*legend.get_texts(), legend.get_title()] if text.get_text())


def names(ax: Axes, axis: str) -> list[Text]:
    """Labels of ticks at places that an axis shows."""
    low, high = sorted(ax.get_xlim() if axis == "x" else ax.get_ylim())
    labels = ax.get_xticklabels() if axis == "x" else ax.get_yticklabels()
    slack = 1e-9 * (high - low)
    shown = [label for label in labels if label.get_visible() and label.get_text()]
    return [label for label in shown if low - slack <= label.get_position()[axis == "y"] <= high + slack]


def inside(text: Text, figure: Figure) -> bool:
    """Whether nothing of it is cut off."""
    box, page = text.get_window_extent(), figure.bbox
    return bool(box.x0 >= -1 and box.y0 >= -1 and box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1)


def overlapping(words: list[Text]) -> list[tuple[str, str]]:
    """Neighbours one of which hides part of the other; a pixel of white around letters does not count."""
    found = []
    for one, other in pairwise(words):
        a, b = one.get_window_extent(), other.get_window_extent()
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        down = min(a.y1, b.y1) - max(a.y0, b.y0)
        if across > 1 and down > 2:
            found.append((one.get_text(), other.get_text()))
    return found


def legends(figure: Figure, axes: NDArray[Any]) -> Iterator[list[Any]]:
    """The marks of every legend."""
    for legend in [*figure.legends, *(ax.get_legend() for ax in axes)]:
        if legend is not None:
            yield list(legend.legend_handles)


def alike(handles: list[Any]) -> list[tuple[str, str]]:
    """Marks that differ in nothing but hue."""
    pairs = [(one, other) for one, other in combinations(handles, 2) if shape(one) == shape(other)]
    return [(a.get_label(), b.get_label()) for a, b in pairs if abs(grey(a) - grey(b)) < 0.2]


def shape(handle: Any) -> tuple[Any, ...]:
    """What a mark is without its colour."""
    if isinstance(handle, Line2D):
        return "line", str(handle._dash_pattern), handle.get_marker(), round(handle.get_linewidth(), 1)
    if isinstance(handle, PathCollection):
        vertices = handle.get_paths()[0].vertices
        return "mark", len(vertices), bool(len(handle.get_facecolor())), round(float(np.abs(vertices).sum()), 3)
    if isinstance(handle, Collection):
        return "lines", str(handle.get_linestyle()), round(float(handle.get_linewidth()[0]), 1)
    return "patch", handle.get_hatch() or "", str(handle.get_linestyle()), round(handle.get_linewidth(), 1)


def grey(handle: Any) -> float:
    """How light it is in grey print, on white paper."""
    if isinstance(handle, Line2D):
        colour = handle.get_color()
    elif isinstance(handle, Collection):
        faces = handle.get_facecolor()
        colour = faces[0] if len(faces) else handle.get_edgecolor()[0]
    else:
        colour = handle.get_facecolor()
    red, green, blue, alpha = to_rgba(colour)
    own = alpha if handle.get_alpha() is None else handle.get_alpha()
    return float(1 - own * (1 - (0.299 * red + 0.587 * green + 0.114 * blue)))
