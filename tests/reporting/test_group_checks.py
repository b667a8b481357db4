"""Replications by group: statistics by pandas, closed forms of their spread, and what is drawn where."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.bayes import Fits


@pytest.mark.parametrize("statistic", ["mean", "sd", "min", "max"])
def test_statistics(hsb_reml: bx.LikelihoodFit, hsb: pd.DataFrame, statistic: str) -> None:
    frame = bx.ppc_groups_data(hsb_reml, statistic, draws=30, seed=3)
    grouped = hsb.groupby("school", observed=True)["math"]
    expected = grouped.agg("std" if statistic == "sd" else statistic)
    assert_allclose(frame["observed"], expected.loc[frame.index])
    assert (np.diff(frame["observed"]) >= 0).all()
    drawn = pd.DataFrame(hsb_reml.simulate(30, seed=3, groups="known").T).groupby(hsb["school"].to_numpy())
    each = drawn.agg("std" if statistic == "sd" else statistic).loc[frame.index]
    assert_allclose(frame["replicated"], each.mean(axis=1))
    assert_allclose(frame["ci_high"], each.quantile(0.975, axis=1))
    above = each.gt(frame["observed"], axis=0).mean(axis=1) + 0.5 * each.eq(frame["observed"], axis=0).mean(axis=1)
    assert_allclose(frame["tail"], above)


def test_rows_in_any_order(rng: np.random.Generator) -> None:
    g = rng.permutation(np.repeat(np.arange(6), 5))
    frame = pd.DataFrame({"y": rng.normal(size=30) + g, "g": g})
    fit = bx.Model("y ~ 1 + (1 | g)", frame).reml()
    found = bx.ppc_groups_data(fit, draws=10, seed=1)
    assert_allclose(found["observed"].sort_index(), frame.groupby("g")["y"].mean())
    drawn = pd.DataFrame(fit.simulate(10, seed=1, groups="known").T).groupby(g).mean().mean(axis=1)
    assert_allclose(found["replicated"].sort_index(), drawn)


def test_spread_of_means(dyestuff_reml: bx.LikelihoodFit) -> None:
    """Means of new groups have tau2 + sigma2/n, of known ones sigma2/n; four standard errors of a simulated sd."""
    found = dyestuff_reml.variance_components()["estimate"]
    tau2, sigma2 = found["Batch", "var(Intercept)"], found["residual", "var"]
    for groups, variance in (("new", tau2 + sigma2 / 5), ("known", sigma2 / 5)):
        frame = bx.ppc_groups_data(dyestuff_reml, groups=groups, draws=4000, seed=1, prob=0.6826894921370859)
        half = (frame["ci_high"] - frame["ci_low"]).mean() / 2
        assert_allclose(half, np.sqrt(variance), rtol=4 * 1.5 / np.sqrt(2 * 6 * 4000))


def test_posterior(sleepstudy: Fits) -> None:
    frame = bx.ppc_groups_data(sleepstudy.post, draws=80, seed=5)
    tree = sleepstudy.post.posterior_predictive(draws=20, groups="known", seed=5)
    drawn = tree["posterior_predictive"]["y"].to_numpy().reshape(80, -1)
    codes = sleepstudy.model.design.levels[0].grouping.codes
    means = pd.DataFrame(drawn.T).groupby(codes).mean().mean(axis=1).to_numpy()
    assert_allclose(frame["replicated"].loc[list(sleepstudy.model.design.levels[0].grouping.labels)], means)
    summary = replace(sleepstudy.post, effects=replace(sleepstudy.post.effects, effects=None))
    with pytest.raises(ArgumentError, match="not kept"):
        bx.plot_ppc_groups(summary)


def test_drawn(thousands: bx.LikelihoodFit, hsb_reml: bx.LikelihoodFit) -> None:
    frame = bx.ppc_groups_data(hsb_reml, groups="new", draws=50, seed=1)
    ax = bx.plot_ppc_groups(hsb_reml, groups="new", draws=50, seed=1)
    spans = np.array([[s[0, 1], s[0, 0], s[1, 0]] for s in ax.collections[0].get_segments()])
    assert_allclose(spans, np.c_[np.arange(160), frame["ci_low"], frame["ci_high"]])
    inside, outside = (c.get_offsets() for c in ax.collections[1:])
    out = (frame["observed"] < frame["ci_low"]) | (frame["observed"] > frame["ci_high"])
    assert (len(inside), len(outside)) == ((~out).sum(), out.sum())
    assert_allclose(np.sort(np.r_[inside[:, 0], outside[:, 0]]), frame["observed"])
    assert ax.get_title() == "Replications of new groups"
    many = bx.plot_ppc_groups(thousands, draws=20, seed=1)
    assert len(many.collections[0].get_segments()) == 4000
    assert len(many.get_yticks()) == 0


def test_groups_of_one_row(rng: np.random.Generator) -> None:
    """They have a mean, and no standard deviation: left out of the picture."""
    g = np.r_[np.repeat(np.arange(6), 5), 6]
    frame = pd.DataFrame({"y": rng.normal(size=31) + rng.normal(size=7)[g], "g": g})
    fit = bx.Model("y ~ 1 + (1 | g)", frame).reml()
    found = bx.ppc_groups_data(fit, "sd", draws=10, seed=1)
    assert found.loc[6, ["observed", "tail"]].isna().all()
    ax = bx.plot_ppc_groups(fit, "sd", draws=10, seed=1)
    assert len(ax.get_yticklabels()) == 6


@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        ({"statistic": "median"}, "statistic='median'"),
        ({"statistic": np.mean}, "is not offered"),
        ({"groups": "population"}, "groups='population'"),
        ({"draws": 0}, "draws=0"),
        ({"draws": 2.5}, "draws=2.5"),
        ({"seed": -1}, "seed"),
        ({"prob": None}, "prob=None"),
        ({"level": "h"}, "no level 'h'"),
        ({"random_seed": 1}, "seed=1"),
    ],
)
def test_wrong_input(four: bx.LikelihoodFit, keywords: dict[str, object], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        bx.plot_ppc_groups(four, **keywords)


def test_no_levels(flat: bx.LikelihoodFit) -> None:
    with pytest.raises(ArgumentError, match="no levels"):
        bx.plot_ppc_groups(flat)
