"""Fits beside each other, priors beside posteriors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.bayes import Fits


def test_agreement(sleepstudy: Fits) -> None:
    """Intervals are those of the two fits, and the scale is the standard error of the first."""
    frame = bx.agreement_data(sleepstudy.reml, sleepstudy.post, prob=0.9).set_index(["source", "part", "parameter"])
    post = sleepstudy.post.variance_components(prob=0.9)
    own = frame.loc["posterior"].loc["Subject"]
    table = post.loc["Subject"].loc[own.index]
    assert_allclose(own[["estimate", "ci_low", "ci_high"]], table[["mean", "ci_low", "ci_high"]])
    components = sleepstudy.reml.variance_components().loc["Subject"]
    like = frame.loc["REML"].loc["Subject"]
    half = stats.norm.ppf(0.95) * components["se"].loc[like.index]
    assert_allclose(like["ci_high"], components["estimate"].loc[like.index] + half)
    moved = (own["estimate"] - like["estimate"]) / components["se"].loc[like.index]
    assert_allclose(own["estimate_in_se"], moved)
    fixed = sleepstudy.reml.fixed_effects(prob=0.9)
    found = frame.loc["REML"].loc["fixed"]
    assert_allclose(found["ci_low"], fixed["ci_low"], rtol=0.02)
    assert_allclose(frame.loc["REML"]["estimate_in_se"], 0)


def test_drawn_side_by_side(sleepstudy: Fits) -> None:
    ax = bx.plot_agreement(sleepstudy.reml, sleepstudy.post)
    frame = bx.agreement_data(sleepstudy.reml, sleepstudy.post)
    names = [text.get_text() for text in ax.get_yticklabels()][::-1]
    assert names[:2] == ["Intercept", "Days"]
    assert names[-1] == "residual: var"
    marks = [c for c in ax.collections if c.get_label() in ("REML", "posterior")]
    places = [c.get_offsets()[:, 1] for c in marks]
    assert (places[0] > places[1]).all()
    own = frame[frame["source"] == "posterior"]["estimate_in_se"].to_numpy()
    assert_allclose(marks[1].get_offsets()[::-1, 0], own)


def test_estimates_at_the_bound(dyestuff2_reml: bx.LikelihoodFit) -> None:
    """A variance of 0 has no standard error worth a scale: no interval, and the picture is drawn."""
    other = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff2")).ml()
    bx.plot_agreement(dyestuff2_reml, other).figure.canvas.draw()


def test_prior_and_posterior(sleepstudy: Fits) -> None:
    frame = bx.prior_posterior_data(sleepstudy.post)
    axes = bx.plot_prior_posterior(sleepstudy.post)
    names = list(dict.fromkeys(frame.index.get_level_values("parameter")))
    assert [panel.get_title() for panel in axes] == names
    own = frame.loc["sigma"]
    panel = axes[names.index("sigma")]
    lines = {line.get_label(): line for line in panel.lines}
    assert_allclose(lines["posterior"].get_ydata(), own["posterior"])
    assert_allclose(lines["prior"].get_ydata(), own["prior"])
    scale = sleepstudy.model.priors.numbers.sigma.scale
    assert_allclose(own["prior"], 2 * stats.t.pdf(own["x"], 4, scale=scale))


def test_chosen_parameters(sleepstudy: Fits) -> None:
    axes = bx.plot_prior_posterior(sleepstudy.post, ["sigma", "Days"])
    assert [panel.get_title() for panel in axes] == ["sigma", "Days"]
    assert len(bx.plot_prior_posterior(sleepstudy.post, "Days")) == 1
    assert len(bx.prior_posterior_data(sleepstudy.post, "Days", points=7)) == 7
    assert np.isfinite(bx.prior_posterior_data(sleepstudy.post)["posterior"]).all()


def test_wrong_input(sleepstudy: Fits, four: bx.LikelihoodFit) -> None:
    with pytest.raises(ArgumentError, match=r"Did you mean 'Days'\?"):
        bx.plot_prior_posterior(sleepstudy.post, "days")
    for parameters in ([], 3, [None]):
        with pytest.raises(ArgumentError, match="no parameter"):
            bx.plot_prior_posterior(sleepstudy.post, parameters)
    with pytest.raises(ArgumentError, match="Expected a posterior"):
        bx.plot_prior_posterior(sleepstudy.reml)
    with pytest.raises(ArgumentError, match="at least two"):
        bx.plot_agreement(four)
    with pytest.raises(ArgumentError, match="at least two"):
        bx.plot_agreement()
    with pytest.raises(ArgumentError, match="same effects"):
        bx.plot_agreement(four, sleepstudy.reml)
    with pytest.raises(ArgumentError, match="type str"):
        bx.plot_agreement(four, "book")
    with pytest.raises(ArgumentError, match="prob=2"):
        bx.plot_agreement(four, sleepstudy.reml, prob=2)
