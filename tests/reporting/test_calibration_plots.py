"""Pictures of a calibration: a panel for each quantity, what is outside its band marked, refusals."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import same_color
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.inference.recycled import Thinned
from bayesmix.reporting.canvas import BLUE, VERMILLION
from bayesmix.teaching.calibration import Replication
from bayesmix.teaching.calibration_verdict import Calibration


@pytest.fixture(scope="module")
def found() -> Calibration:
    """Uniform ranks and shifted ones, without any fit."""
    rng = np.random.default_rng(8)
    ranks = np.stack([rng.integers(0, 20, 300), np.floor(20 * rng.beta(2, 1, 300)).astype(int)], axis=1)
    study = SimpleNamespace(names=["a", "b"], keep=19, entropy=1, model=SimpleNamespace(formula="y ~ x"))
    draws = Thinned(np.zeros((19, 2)), 300.0, 500, 0)
    replications = tuple(Replication(i, np.zeros(2), own, draws, "") for i, own in enumerate(ranks))
    return Calibration(study, replications, 300, 1.0, True)  # type: ignore[arg-type]


def test_panels(found: Calibration) -> None:
    axes = bx.plot_sbc(found)
    assert [ax.get_title() for ax in axes] == ["a", "b, outside its band"]
    frame = found.ecdf
    for ax, name, colour in zip(axes, "ab", (BLUE, VERMILLION), strict=True):
        own = frame[frame["quantity"] == name]
        curve = ax.lines[0]
        assert_allclose(curve.get_xdata(), own["x"])
        assert_allclose(curve.get_ydata(), own["difference"])
        assert same_color(curve.get_color(), colour)
    plt.close("all")


def test_some(found: Calibration) -> None:
    assert [ax.get_title() for ax in bx.plot_sbc(found, "a")] == ["a"]
    assert [ax.get_title()[0] for ax in bx.plot_sbc(found, ["b", "a"])] == ["b", "a"]
    plt.close("all")


def test_refused(found: Calibration) -> None:
    with pytest.raises(ArgumentError, match="Expected a calibration"):
        bx.plot_sbc(found.ranks)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="no quantity 'c'"):
        bx.plot_sbc(found, "c")
    with pytest.raises(ArgumentError, match="quantities"):
        bx.plot_sbc(found, [])
    with pytest.raises(ArgumentError, match="no keyword"):
        bx.plot_sbc(found, ax=None)
    empty = Calibration(found.study, (), 3, 1.0, False)
    with pytest.raises(ArgumentError, match="No replication"):
        bx.plot_sbc(empty)
