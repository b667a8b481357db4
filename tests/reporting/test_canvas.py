"""What pictures share: limits, colours, and an import without matplotlib."""

import subprocess
import sys

import numpy as np
from numpy.testing import assert_allclose

from bayesmix.reporting.canvas import CYCLE, DASHES, fitted_title, legend_above, marker_areas, robust_view, several_axes


def test_limits_show_what_is_kept_and_cut_far_outliers() -> None:
    kept, cut = np.array([0.0, 10.0]), np.array([*np.repeat([1.0, 2.0, 3.0, 4.0], 3), 12.6])
    low, high = robust_view(kept, cut)
    assert_allclose((low, high), (-0.5, 10.5))
    # A quarter more of the axis shows it.
    low, high = robust_view(kept, np.array([*np.repeat([1.0, 2.0, 3.0, 4.0], 3), 12.4]))
    assert_allclose((low, high), (-0.62, 13.02))
    low, high = robust_view(kept, np.array([*np.repeat([1.0, 2.0, 3.0, 4.0], 2), 12.0]))
    assert_allclose((low, high), (-0.6, 12.6))
    low, high = robust_view(kept, np.array([np.nan, *np.linspace(11, 13, 15)]))
    assert_allclose((low, high), (-0.65, 13.65))
    assert robust_view(np.array([2.0]), np.array([np.nan])) == (1.0, 3.0)


def test_areas_are_the_counts() -> None:
    assert_allclose(marker_areas(np.array([10.0, 20.0, 30.0])), [30, 60, 90])


def test_each_line_has_a_colour_and_a_dash_of_its_own() -> None:
    assert len(set(CYCLE)) == len(set(DASHES)) == 7


def test_matplotlib_is_imported_late() -> None:
    code = "import sys, bayesmix.reporting.pooling_arrows as p, bayesmix as bx; bx.plot_effects; "
    code += "sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_titles_of_small_panels_fit() -> None:
    """Small letters where a name is long, two lines where it is longer still."""
    axes = several_axes(3, 3, 2.7, 2.0)
    for panel, text in zip(axes, ("sigma", "g: sd(a name of some length)", "a long level: " + 40 * "x"), strict=True):
        fitted_title(panel, text)
    sizes = [panel.title.get_fontsize() for panel in axes]
    assert 9 == sizes[0] > sizes[1] >= sizes[2] >= 6
    assert axes[2].get_title() == "a long level:\n" + 40 * "x"


def test_one_legend_of_all_panels() -> None:
    axes = several_axes(2, 2, 2.7, 2.0)
    axes[0].plot([0, 1], label="one")
    for label in ("one", "other"):
        axes[1].plot([0, 1], label=label)
    legend_above(axes)
    assert [text.get_text() for text in axes[0].figure.legends[0].get_texts()] == ["one", "other"]
