"""The boundary report: each column is the number of the function it comes from, and of the books where they have it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.results.boundary import boundary_of_draws, effect_limits, without_effect
from bayesmix.specification import parse_formula
from tests.bayes import Fits
from tests.fabricated import fabricated
from tests.frames import random_frame

LIKELIHOOD = ["p", "p_mixture", "p_low", "p_high"]


def test_hsb_slope(hsb_reml: bx.LikelihoodFit) -> None:
    """LRT 4.771 on 2: .0920, mixture .0605 (lme4's ranova); Bryk and Raudenbush 216.20 on 159."""
    row = hsb_reml.boundary().loc[("school", "ses")]
    assert_allclose(row["chisq"], 4.771, atol=5e-4)
    assert_allclose([row["p"], row["p_mixture"]], [0.0920, 0.0605], atol=5e-5)
    assert_allclose([row["br_chi2"], row["br_df"]], [216.20, 159], atol=5e-3)
    assert row["df"] == 2 and "disagree" in row["reading"] and "chi-square of the groups" in row["reading"]


def test_equals_the_functions_it_comes_from(pastes: Fits, sleepstudy: Fits) -> None:
    for fits in (pastes, sleepstudy):
        found, alone = fits.post.boundary(), fits.reml.boundary()
        for level, term in fits.reml.random_terms().index:
            expected = fits.reml.random_terms().loc[(level, term), ["chisq", "df", *LIKELIHOOD]]
            for frame in (found, alone):
                assert_allclose(
                    frame.loc[(level, term), expected.index].astype(float), expected.astype(float), rtol=1e-6
                )
        scatter = bx.homogeneity_test(fits.reml)[["chi2", "df", "p"]]
        assert_allclose(found[["br_chi2", "br_df", "br_p"]].astype(float), scatter, rtol=1e-6)
        for (level, effect), row in found.iterrows():
            factor = fits.post.hypothesis(f"sd({effect} | {level}) = 0")
            assert_allclose(row[["bf_zero", "bf_mcse"]].astype(float), factor[["evidence_ratio", "mcse"]].iloc[0])
            name = f"{'1' if effect == 'Intercept' else effect}|{level}_sigma"
            draws = fits.post.idata["posterior"][name].to_numpy()
            assert_allclose(row["prob_below"], (draws < row["eps"]).mean())
            assert_allclose(row["sd"], draws.mean())
        assert list(alone.columns) == [
            name for name in found if name not in ("eps", "prob_below", "bf_zero", "bf_mcse")
        ]


def test_an_intercept_goes_with_its_covariances(hsb_fits: Fits) -> None:
    """Against the model fitted without it, whose bars are what the report says."""
    smaller = bx.Model("math ~ ses + (0 + ses | school)", bx.load_dataset("hsb")).reml()
    row = hsb_fits.reml.boundary().loc[("school", "Intercept")]
    assert_allclose(row["chisq"], smaller.criterion - hsb_fits.reml.criterion, rtol=1e-8)
    assert row["df"] == 2
    assert without_effect(hsb_fits.reml.design, 0, 0).formula == "(0 + ses | school)"


def test_an_uncorrelated_variance() -> None:
    """Half chi-square on 0, half on 1: the p-value is halved; ML fits are compared by ML."""
    model = bx.Model("Reaction ~ Days + (Days || Subject)", bx.load_dataset("sleepstudy"))
    frame = model.ml().boundary()
    smaller = bx.Model("Reaction ~ Days + (1 | Subject)", bx.load_dataset("sleepstudy")).ml()
    row = frame.loc[("Subject", "Days")]
    assert_allclose(row["chisq"], smaller.criterion - model.ml().criterion, rtol=1e-7)
    assert row["df"] == 1
    assert_allclose(row["p_mixture"], 0.5 * stats.chi2.sf(row["chisq"], 1), rtol=1e-9)
    assert "by ML" in frame.attrs["note"]


def test_a_boundary(dyestuff2: Fits) -> None:
    """A ratio of 0 has p 1; every test says the same."""
    row = dyestuff2.post.boundary().loc[("Batch", "Intercept")]
    assert row["chisq"] == 0 and row["p_mixture"] == 1 and row["bf_zero"] > 3 and row["br_p"] > 0.05
    assert row["reading"] == "Not to be told from 0: nothing speaks for a variance."


def test_a_small_model_on_the_boundary_has_bounds_only() -> None:
    """Without the slope nothing varies: the weights of the mixture are not known, and the note says so."""
    frame = bx.load_dataset("dyestuff2").assign(x=np.tile([-2.0, -1.0, 0.0, 1.0, 2.0], 6))
    frame["Yield"] += frame["x"] * np.repeat([-3.0, 3.0, 2.0, -2.0, 4.0, -4.0], 5)
    found = bx.Model("Yield ~ x + (x | Batch)", frame).reml().boundary()
    row = found.loc[("Batch", "x")]
    assert np.isnan(row["p_mixture"]) and 0 <= row["p_low"] < row["p_high"]
    assert "p_mixture of x at Batch" in found.attrs["note"]


def test_eps(hsb_fits: Fits) -> None:
    """By itself 5 % of the residual sd over the sd of the column; a number, or one for an effect."""
    post, sigma = hsb_fits.post, 6.0
    (own,) = effect_limits(post.design, sigma, None)
    assert_allclose(own, [0.05 * sigma, 0.05 * sigma / bx.load_dataset("hsb")["ses"].std(ddof=0)])
    assert effect_limits(post.design, sigma, 0.3)[0].tolist() == [0.3, 0.3]
    assert_allclose(effect_limits(post.design, sigma, {"ses": 0.3})[0], [own[0], 0.3])


def test_eps_is_used(dyestuff: Fits) -> None:
    low, high = (dyestuff.post.boundary(eps=eps).iloc[0] for eps in (10.0, 60))
    assert (low["eps"], high["eps"]) == (10.0, 60.0) and low["prob_below"] < high["prob_below"]


@pytest.mark.parametrize("eps", [0, -1.0, "small", True, np.nan, np.inf, {"age": 1.0}, {"ses": "x"}, [0.1], {1: 2}])
def test_wrong_eps(eps: object, hsb_fits: Fits) -> None:
    with pytest.raises(ArgumentError, match="eps"):
        hsb_fits.post.boundary(eps=eps)


def test_wrong_use(hsb_fits: Fits, rng: np.random.Generator) -> None:
    alone = bx.Model("y ~ x", random_frame(rng))
    for fit in (alone.reml(), fabricated(alone, rng)):
        with pytest.raises(ArgumentError, match="no levels"):
            fit.boundary()
    with pytest.raises(ArgumentError, match="needs a posterior"):
        hsb_fits.reml.boundary(eps=0.1)
    with pytest.raises(ArgumentError, match="epsilon"):
        hsb_fits.post.boundary(epsilon=0.1)


@pytest.mark.filterwarnings("ignore::bayesmix.BayesmixWarning")
def test_what_is_missing_has_a_reason(rng: np.random.Generator) -> None:
    """Crossed levels have no chi-square, flat priors no Bayes factor."""
    frame = random_frame(rng)
    crossed = fabricated(bx.Model("y ~ x + (1 | top) + (1 | f)", frame), rng, draws=120).boundary()
    assert crossed["br_p"].isna().all() and "cross the others" in crossed.attrs["note"]
    assert crossed["bf_zero"].notna().all()
    flat = fabricated(bx.Model("y ~ x + (1 | top)", frame, priors="flat"), rng, draws=120).boundary()
    assert flat["bf_zero"].isna().all() and "'1|top_sigma' is flat" in flat.attrs["note"]
    assert flat["p_mixture"].notna().all()


def test_a_factor_that_is_next_to_nothing(egsingle_model: bx.Model, rng: np.random.Generator) -> None:
    """With 3,562 effects it is not computed where every draw is far from 0, and the note says what it would be."""
    post = fabricated(egsingle_model, rng, keep=False, chains=2, draws=100)
    idata = post.idata.copy(deep=True)
    for name in ("1|schoolid_sigma", "year|schoolid_sigma", "1|schoolid:childid_sigma", "year|schoolid:childid_sigma"):
        idata["posterior"][name][...] = 1 + 0.01 * rng.normal(size=(2, 100))
    found = dataclasses.replace(post, idata=idata).boundary()
    assert found["bf_zero"].isna().all() and (found["prob_below"] == 0).all()
    assert "post.hypothesis('sd(year | schoolid) = 0') gives it" in found.attrs["note"]


def test_no_estimates(dyestuff: Fits) -> None:
    """Where REML finds no optimum the posterior's columns are there, and the reason."""
    problem = bx.errors.ConvergenceError("Nothing found.", "Expected an optimum.", "Try again.")
    frame = boundary_of_draws(dyestuff.post, problem, None)
    assert frame[["chisq", "p", "br_p"]].isna().all(axis=None) and "Nothing found." in frame.attrs["note"]
    assert frame["bf_zero"].notna().all() and frame["reading"].iloc[0]


READINGS = [
    ({"p_mixture": 0.01, "br_p": 0.01, "bf_zero": 0.1}, "It varies"),
    ({"p_mixture": 0.5, "br_p": 0.5, "bf_zero": 9.0}, "Not to be told from 0"),
    ({"p_mixture": 0.01, "br_p": 0.5, "bf_zero": 1.0}, "only the likelihood ratio"),
    ({"p_mixture": 0.5, "br_p": 0.01, "bf_zero": 1.0}, "only the chi-square of the groups"),
    ({"p_mixture": 0.01, "br_p": 0.01, "bf_zero": 9.0}, "narrower prior"),
    ({"p_mixture": 0.5, "br_p": 0.5, "bf_zero": 0.1}, "little power"),
    ({"p_low": 0.01, "p_high": 0.2}, "Undecided"),
    ({"p_low": 0.001, "p_high": 0.02}, "It varies"),
    ({"p_low": 0.1, "p_high": 0.2}, "Not to be told from 0"),
]


@pytest.mark.parametrize(("numbers", "words"), READINGS)
def test_readings(numbers: dict[str, float], words: str) -> None:
    from bayesmix.results.boundary import _reading

    empty = dict.fromkeys([*LIKELIHOOD, "br_p", "bf_zero"], np.nan)
    assert words in _reading(pd.Series(empty | numbers))


def test_levels_of_three(pastes: Fits) -> None:
    """A row for every effect of every level, the fit itself unchanged."""
    before = dataclasses.asdict(pastes.reml.solution)["criterion"]
    assert list(pastes.post.boundary().index) == [("batch:cask", "Intercept"), ("batch", "Intercept")]
    assert pastes.reml.criterion == before
    assert parse_formula(pastes.model.formula).groups
