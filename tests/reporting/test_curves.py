"""Curves along a predictor and heat maps: closed forms, positions and labels."""

import numpy as np
import pytest
from matplotlib.contour import ContourSet
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.bayes import Fits


def test_variance_is_a_parabola(sleepstudy: Fits) -> None:
    """s00 + 2 x s01 + x^2 s11, and sigma^2."""
    ax = bx.plot_variance(sleepstudy.reml, "Days")
    parts = {line.get_label(): line for line in ax.lines}
    found = sleepstudy.reml.variance_components()["estimate"]
    x = np.arange(10)
    own = found["Subject"]
    between = own["var(Intercept)"] + 2 * x * own["cov(Intercept,Days)"] + x**2 * own["var(Days)"]
    residual = found["residual", "var"]
    assert_allclose(parts["Subject"].get_ydata(), between)
    assert_allclose(parts["total"].get_ydata(), between + residual)
    icc = bx.plot_icc(sleepstudy.reml, "Days").lines[0]
    assert_allclose(icc.get_xdata(), x)
    assert_allclose(icc.get_ydata(), between / (between + residual))


def test_bands_of_a_posterior(sleepstudy: Fits) -> None:
    frame = bx.icc_data(sleepstudy.post, "Days", [0, 9], prob=0.5)
    ax = bx.plot_icc(sleepstudy.post, "Days", [0, 9], prob=0.5)
    band = ax.collections[0].get_paths()[0].vertices
    assert_allclose((band[:, 1].min(), band[:, 1].max()), (frame["ci_low"].min(), frame["ci_high"].max()))
    assert list(frame.columns) == ["level", "Days", "estimate", "ci_low", "ci_high"]
    assert len(bx.plot_variance(sleepstudy.post, "Days").collections) == 3


def test_levels_are_told_apart(egsingle_reml: bx.LikelihoodFit) -> None:
    lines = bx.plot_icc(egsingle_reml, "year").lines
    assert [line.get_label() for line in lines] == ["schoolid:childid", "schoolid"]
    assert len({line.get_color() for line in lines}) == len({line.get_linestyle() for line in lines}) == 2


def test_labels_on_the_axis(dataset: object) -> None:
    fit = bx.Model("score ~ Machine + (Machine | Worker)", dataset("machines")).reml()
    ax = bx.plot_variance(fit, "Machine")
    assert [text.get_text() for text in ax.get_xticklabels()] == ["A", "B", "C"]
    assert ax.lines[0].get_linestyle() == "None"


def test_heat_map(sleepstudy: Fits) -> None:
    square = bx.correlation_data(sleepstudy.reml, "Days")
    assert_allclose(square, square.T)
    ax = bx.plot_correlation(sleepstudy.reml, "Days")
    assert_allclose(ax.images[0].get_array(), square)
    assert [text.get_text() for text in ax.texts[:2]] == [f"{value:.2f}" for value in square.iloc[0, :2]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Days'", "Days")
    low, high = ax.images[0].get_clim()
    assert low == 0
    assert square.to_numpy().max() <= high < square.to_numpy().max() + 0.1


def test_heat_map_of_many_values(hsb_reml: bx.LikelihoodFit) -> None:
    """No number in every cell, but lines of equal correlation: those below 0 are dashed and so told apart in grey."""
    ax = bx.plot_correlation(hsb_reml, "ses")
    (lines,) = [c for c in ax.collections if isinstance(c, ContourSet)]
    assert {text.get_text() for text in ax.texts} <= {f"{level:.2f}".replace("-", "−") for level in lines.levels}
    dashed = [bool(pattern) for _, pattern in lines.get_linestyle()]
    assert dashed == (lines.levels < 0).tolist()
    assert len(ax.get_xticks()) <= 13


def test_negative_correlations(sleepstudy: Fits) -> None:
    """Two observations on either side of where the lines cross: a scale with 0 in its middle."""
    fit = bx.Model("y ~ x + (0 + x | g)", _crossing()).reml()
    ax = bx.plot_correlation(fit, "x", [-1, 0, 1])
    assert ax.images[0].get_array()[0, 2] < 0
    low, high = ax.images[0].get_clim()
    assert low == -high


def _crossing() -> object:
    import pandas as pd

    rng = np.random.default_rng(4)
    g, x = np.repeat(np.arange(8), 6), np.tile([-1.0, -0.5, 0.5, 1.0, 0.2, -0.2], 8)
    return pd.DataFrame({"y": rng.normal(size=8)[g] * 2 * x + rng.normal(size=48), "x": x, "g": g})


def test_type1() -> None:
    """F of k groups of n under a correlation: sf(critical (1 - rho)/(1 + (n - 1) rho))."""
    ax = bx.plot_type1(k=[2, 4], n=5, rho=[0, 0.2, 0.5], alpha=0.1)
    for line, k in zip(ax.lines, (2, 4), strict=False):
        rho = line.get_xdata()
        critical = stats.f.isf(0.1, k - 1, 4 * k)
        assert_allclose(line.get_ydata(), stats.f.sf(critical * (1 - rho) / (1 + 4 * rho), k - 1, 4 * k))
    assert ax.lines[2].get_label() == "claimed level 0.1"
    assert bx.type1_data(k=2, n=[5, 6], rho=0.1)["groups"].tolist() == ["2 groups of 5", "2 groups of 6"]


def test_wrong_input(flat: bx.LikelihoodFit, four: bx.LikelihoodFit, egsingle_reml: bx.LikelihoodFit) -> None:
    for plot in (bx.plot_icc, bx.plot_variance, bx.plot_correlation):
        with pytest.raises(ArgumentError, match="no levels"):
            plot(flat, "Days")
        with pytest.raises(ArgumentError):
            plot(four, "z")
        with pytest.raises(ArgumentError, match="type float"):
            plot(1.5, "x")
        with pytest.raises(ArgumentError, match="no keyword 'color'"):
            plot(four, "x", color="red")
        with pytest.raises(ArgumentError, match="matplotlib axes"):
            plot(four, "x", ax="here")
    with pytest.raises(ArgumentError, match="none was named"):
        bx.plot_correlation(egsingle_reml, "year")
    with pytest.raises(ArgumentError, match="rho"):
        bx.plot_type1(rho=2)
