"""Residuals of rows and groups: by hand, in rank order, and on the line where they are normal."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.bayes import Fits


def test_rows(hsb_reml: bx.LikelihoodFit, hsb: pd.DataFrame) -> None:
    frame = bx.residuals_data(hsb_reml)
    assert_allclose(frame["fitted"] + frame["residual"], hsb["math"])
    assert_allclose(frame["scaled"], frame["residual"] / hsb_reml.sigma)
    order = np.argsort(frame["residual"].to_numpy())
    assert_allclose(frame["quantile"].to_numpy()[order], stats.norm.ppf((np.arange(7185) + 0.5) / 7185))


def test_weighted_rows_have_one_variance(rng: np.random.Generator) -> None:
    g, w = np.repeat(np.arange(5), 8), rng.uniform(0.2, 5, 40)
    frame = pd.DataFrame({"y": rng.normal(size=40) / np.sqrt(w) + rng.normal(size=5)[g], "g": g, "w": w})
    fit = bx.Model("y ~ 1 + (1 | g)", frame, weights="w").reml()
    found = bx.residuals_data(fit)
    assert_allclose(found["scaled"], np.sqrt(w) * found["residual"] / fit.sigma)


def test_groups_by_their_diagnostic_error(dyestuff_reml: bx.LikelihoodFit) -> None:
    """Balanced: var(u) = tau2^2/(tau2 + sigma2/n) (1 - 1/J), the same for all, as REML makes the mean square."""
    frame = bx.residuals_data(dyestuff_reml, "Batch").xs("Intercept", level="effect")
    found = dyestuff_reml.variance_components()["estimate"]
    tau2, sigma2 = found["Batch", "var(Intercept)"], found["residual", "var"]
    u = dyestuff_reml.group_effects()["estimate"].to_numpy()
    assert_allclose(frame["scaled"], u / np.sqrt(tau2**2 / (tau2 + sigma2 / 5) * (1 - 1 / 6)), rtol=1e-5)
    assert_array_equal(np.argsort(frame["quantile"]), np.argsort(u))


def test_posterior(sleepstudy: Fits) -> None:
    frame = bx.residuals_data(sleepstudy.post, "Subject")
    table = sleepstudy.post.group_effects()["mean"]
    assert_array_equal(frame["effect_value"], table)
    assert_allclose((frame["scaled"] ** 2).groupby(level="effect").mean(), 1)


def test_panels(egsingle_reml: bx.LikelihoodFit, flat: bx.LikelihoodFit, crossed: bx.LikelihoodFit) -> None:
    titles = [panel.get_title() for panel in bx.plot_residuals(egsingle_reml)]
    effects = [f"{level}: {name}" for level in ("schoolid:childid", "schoolid") for name in ("Intercept", "year")]
    assert titles == ["residuals by fitted value", "residuals", *effects]
    assert len(bx.plot_residuals(flat)) == 2
    assert len(bx.plot_residuals(crossed)) == 4


def test_drawn_points(hsb_reml: bx.LikelihoodFit) -> None:
    axes = bx.plot_residuals(hsb_reml)
    frame = bx.residuals_data(hsb_reml)
    assert_allclose(axes[0].collections[0].get_offsets(), frame[["fitted", "scaled"]])
    assert_allclose(axes[1].collections[0].get_offsets(), frame[["quantile", "scaled"]])
    slices = axes[0].lines[0]
    lowest = frame.sort_values("fitted", kind="stable").iloc[:360]
    assert len(slices.get_xdata()) == 20
    assert_allclose((slices.get_xdata()[0], slices.get_ydata()[0]), lowest[["fitted", "scaled"]].mean())
    assert len(axes[2].collections[0].get_offsets()) == 160


def test_no_variance(dyestuff2_reml: bx.LikelihoodFit) -> None:
    assert bx.residuals_data(dyestuff2_reml, "Batch")["quantile"].isna().all()
    assert [text.get_text() for text in bx.plot_residuals(dyestuff2_reml)[2].texts] == ["no variance"]


def test_wrong_input(four: bx.LikelihoodFit, flat: bx.LikelihoodFit) -> None:
    with pytest.raises(ArgumentError, match="no level 'h'"):
        bx.residuals_data(four, "h")
    with pytest.raises(ArgumentError, match="no levels"):
        bx.residuals_data(flat, "g")
    with pytest.raises(ArgumentError, match="type tuple"):
        bx.plot_residuals(())
    with pytest.raises(ArgumentError, match="no keyword 'ax'"):
        bx.plot_residuals(four, ax=None)
