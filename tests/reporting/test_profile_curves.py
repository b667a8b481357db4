"""Profile likelihoods beside posteriors: closed forms, quadrature, and what is drawn."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.optimize import brentq, minimize_scalar

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.bayes import Fits, dyestuff

__all__ = ["dyestuff"]


def curves(frame: pd.DataFrame, parameter: str) -> dict[str, pd.DataFrame]:
    """One parameter's curves by name."""
    own = frame[frame["parameter"] == parameter]
    return {str(name): part for name, part in own.groupby("curve")}


@cache
def sums_of_squares() -> tuple[float, float, int, int]:
    """Within and between groups of a balanced one-way layout, groups and rows of each."""
    groups = bx.load_dataset("dyestuff").groupby("Batch", observed=True)["Yield"]
    n, J = int(groups.size().iloc[0]), groups.ngroups
    return float((groups.var() * (n - 1)).sum()), float(n * groups.mean().var() * (J - 1)), J, n


def reml_deviance(sd: Any, sigma: Any) -> Any:
    """Less constants; Searle, Casella & McCulloch (1992), Variance Components, section 3.8."""
    within, between, J, n = sums_of_squares()
    own, total = sigma**2, sigma**2 + n * sd**2
    return J * (n - 1) * np.log(own) + within / own + (J - 1) * np.log(total) + between / total


def profiled(sd: float) -> float:
    """Minimised over sigma."""
    return float(minimize_scalar(lambda sigma: reml_deviance(sd, sigma), bounds=(20, 120), options={"xatol": 1e-9}).fun)


def test_profile_of_a_balanced_layout(dyestuff_reml: bx.LikelihoodFit) -> None:
    by = curves(bx.profile_data(dyestuff_reml, prob=0.9), "sd(Intercept)")
    value, density = by["profile"]["value"].to_numpy(), by["profile"]["density"].to_numpy()
    lowest = minimize_scalar(profiled, bounds=(1, 150), options={"xatol": 1e-9})
    expected = np.exp(-(np.array([profiled(x) for x in value[::5]]) - lowest.fun) / 2)
    assert_allclose(np.trapezoid(density, value), 1)
    rise = stats.chi2.ppf(0.9, 1)
    highest = by["interval"]["density"].iloc[0] * np.exp(rise / 2)
    assert_allclose(density[::5] / highest, expected, atol=1e-4)  # what a cubic through 25 points leaves
    ends = [brentq(lambda x: profiled(x) - lowest.fun - rise, *bracket) for bracket in ((1, 40), (40, 150))]
    assert_allclose(by["interval"]["value"], ends, rtol=1e-5)
    assert_allclose(by["interval"]["density"] / density.max(), np.exp(-rise / 2), rtol=1e-3)


def test_fits_profile_their_own_criterion(dyestuff_reml: bx.LikelihoodFit) -> None:
    ml = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).ml()
    for fit, criterion in ((dyestuff_reml, "reml"), (ml, "ml")):
        table = fit.intervals("profile", scale="sd", criterion=criterion)
        ends = curves(bx.profile_data(fit, parameters="residual"), "sd")["interval"]["value"]
        assert_allclose(ends, table.loc[("residual", "sd"), ["ci_low", "ci_high"]].astype(float), rtol=1e-6)
    assert bx.plot_profile(ml)[0].get_legend_handles_labels()[1][0] == "ML profile likelihood"


def test_integrated_likelihood(dyestuff: Fits) -> None:
    """Posterior over prior is the likelihood integrated over sigma's prior, by quadrature, to the noise of draws."""
    by = curves(bx.profile_data(dyestuff.reml, dyestuff.post, "Batch"), "sd(Intercept)")
    x, found = by["integrated"]["value"].to_numpy(), by["integrated"]["density"].to_numpy()
    sigma = np.linspace(25, 120, 400)
    prior = stats.t.pdf(sigma, 4, scale=dyestuff.model.priors.numbers.sigma.scale)
    likelihood = np.exp(-(reml_deviance(x[:, None], sigma) - profiled(40)) / 2)
    expected = np.trapezoid(likelihood * prior, sigma, axis=1)
    expected = expected / np.trapezoid(expected, x)
    assert np.corrcoef(found, expected)[0, 1] > 0.99
    assert_allclose(np.trapezoid(found, x), 1)


def test_posterior_and_prior(sleepstudy: Fits) -> None:
    frame = bx.profile_data(sleepstudy.reml, sleepstudy.post)
    table = sleepstudy.post.prior_posterior()
    names = {"sd(Days)": "Days|Subject_sigma", "corr(Intercept,Days)": "Subject_corr[Intercept,Days]", "sd": "sigma"}
    for parameter, name in names.items():
        by = curves(frame, parameter)
        for column in ("posterior", "prior"):
            assert_allclose(by[column]["value"], table.loc[name, "x"])
            assert_allclose(by[column]["density"], table.loc[name, column])
        ratio = by["integrated"].merge(by["prior"], on="value").merge(by["posterior"], on="value")
        quotient = ratio["density_x"] * ratio["density_y"] / ratio["density"]
        assert_allclose(quotient, quotient.iloc[0])
    ends = curves(frame, "corr(Intercept,Days)")["integrated"]["value"]
    assert ends.abs().max() < 0.95


def test_drawn(sleepstudy: Fits) -> None:
    axes = bx.plot_profile(sleepstudy.reml, sleepstudy.post, prob=0.9)
    titles = ["Subject: sd(Intercept)", "Subject: sd(Days)", "Subject: corr(Intercept,Days)", "residual: sd"]
    assert [panel.get_title() for panel in axes] == titles
    frame = bx.profile_data(sleepstudy.reml, sleepstudy.post, prob=0.9)
    by = curves(frame, "sd(Days)")
    lines = {line.get_label(): line for line in axes[1].lines}
    assert list(lines) == ["REML profile likelihood", "posterior / prior", "prior", "90 % interval of the REML profile"]
    for label, curve in zip(lines, ("profile", "integrated", "prior", "interval"), strict=True):
        assert_allclose(lines[label].get_xydata(), by[curve][["value", "density"]])
    labels = [text.get_text() for text in axes[0].figure.legends[0].get_texts()]
    assert sorted(labels) == sorted([*lines, "posterior"])
    assert len(bx.plot_profile(sleepstudy.reml, parameters=["residual", ("Subject", "sd(Days)")])) == 2


def test_estimate_at_the_bound(dyestuff2_reml: bx.LikelihoodFit) -> None:
    by = curves(bx.profile_data(dyestuff2_reml), "sd(Intercept)")
    assert by["profile"]["value"].iloc[0] == by["interval"]["value"].iloc[0] == 0
    assert by["profile"]["density"].idxmax() == by["profile"].index[0]


def test_correlation_without_a_profile() -> None:
    """An effect that no group has: its correlation means nothing, and the panel says so."""
    x = np.tile([-1.0, 0.0, 1.0], 6)
    g = np.repeat(np.arange(6), 3)
    y = np.array([0.0, 3.0, -2.0, 5.0, 1.0, -4.0])[g] + x + np.tile([0.3, -0.6, 0.3, -0.3, 0.6, -0.3], 3)
    fit = bx.Model("y ~ x + (x | g)", pd.DataFrame({"y": y, "x": x, "g": g})).reml()
    frame = bx.profile_data(fit)
    assert "no profile" in frame.attrs["note"]
    assert "corr(Intercept,x)" not in set(frame["parameter"])
    assert [text.get_text() for text in bx.plot_profile(fit)[2].texts] == ["no profile"]


def test_other_models(flat: bx.LikelihoodFit, crossed: bx.LikelihoodFit) -> None:
    assert [panel.get_title() for panel in bx.plot_profile(flat)] == ["residual: sd"]
    assert len(bx.plot_profile(crossed, parameters="sample")) == 1


def test_wrong_input(sleepstudy: Fits, four: bx.LikelihoodFit) -> None:
    cases = [
        ((sleepstudy.post,), {}, "Expected a REML or ML fit"),
        ((None,), {}, "type NoneType"),
        ((four, sleepstudy.post), {}, "Expected one of this model"),
        ((four, four), {}, "Expected a posterior"),
        ((four, None, "fixed"), {}, "no standard deviation"),
        ((four, None, "sd(z)"), {}, "no parameter"),
        ((four, None, []), {}, r"parameters=\[\]"),
        ((four,), {"prob": 95}, "prob=95"),
        ((four,), {"points": 5}, "no keyword 'points'"),
    ]
    for arguments, keywords, text in cases:
        with pytest.raises(ArgumentError, match=text):
            bx.plot_profile(*arguments, **keywords)
    with pytest.raises(ArgumentError, match="points=1"):
        bx.profile_data(four, points=1)
