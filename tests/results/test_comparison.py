"""REML beside the posterior: the table, the verdict and its reasons, and what is refused."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixError
from tests.bayes import Fits

COLUMNS = ["estimate", "se", "mean", "sd", "ci_low", "ci_high", "difference_in_se", "width_ratio", "mcse"]


def moved(post: bx.BayesFit, change: Mapping[str, Callable[[np.ndarray], np.ndarray]]) -> bx.BayesFit:
    """A posterior with some of its variables changed."""
    idata = post.idata.copy(deep=True)
    for name, function in change.items():
        idata["posterior"][name] = function(idata["posterior"][name])
    return dataclasses.replace(post, idata=idata)


# The table


def test_table(hsb_fits: Fits) -> None:
    table = bx.compare(hsb_fits.reml, hsb_fits.post).table
    assert list(table.columns) == COLUMNS
    assert table.index.names == ["part", "parameter"]
    fixed, components = hsb_fits.reml.fixed_effects(), hsb_fits.reml.variance_components()
    assert list(table.index) == [("fixed", "Intercept"), ("fixed", "ses"), *components.index]
    assert_allclose(table["estimate"], np.concatenate([fixed["estimate"], components["estimate"]]))
    assert_allclose(table["se"], np.concatenate([fixed["se"], components["se"]]))
    posterior = pd.concat([hsb_fits.post.fixed_effects(), hsb_fits.post.variance_components()])
    for column in ("mean", "sd", "ci_low", "ci_high"):
        assert_allclose(table[column], posterior[column])
    assert_allclose(table["mcse"], posterior["sd"] / np.sqrt(posterior["ess_bulk"]))
    assert_allclose(table["difference_in_se"], (table["mean"] - table["estimate"]) / table["se"])
    widths = (table["ci_high"] - table["ci_low"]) / (2 * stats.norm.ppf(0.975) * table["se"])
    assert_allclose(table["width_ratio"], widths)


def test_coverage(hsb_fits: Fits) -> None:
    table = bx.compare(hsb_fits.reml, hsb_fits.post, prob=0.8).table
    posterior = hsb_fits.post.fixed_effects(prob=0.8)
    assert_allclose(table.loc["fixed", "ci_low"], posterior["ci_low"])
    ratio = (posterior["ci_high"] - posterior["ci_low"]) / (2 * stats.norm.ppf(0.9) * table.loc["fixed", "se"])
    assert_allclose(table.loc["fixed", "width_ratio"], ratio)


def test_either_order(hsb_fits: Fits) -> None:
    one, other = bx.compare(hsb_fits.reml, hsb_fits.post), bx.compare(hsb_fits.post, hsb_fits.reml)
    pd.testing.assert_frame_equal(one.table, other.table)
    assert one.verdict == other.verdict


def test_repr(hsb_fits: Fits) -> None:
    found = bx.compare(hsb_fits.reml, hsb_fits.post)
    text = repr(found)
    assert found.verdict in text
    for row in found.table.itertuples():
        assert f"{row.estimate:.4f}" in text
        assert f"{row.mean:.4f}" in text


def test_levels_in_the_table(pastes: Fits) -> None:
    found = bx.compare(pastes.reml, pastes.post)
    assert list(found.table.index) == [
        ("fixed", "Intercept"),
        ("batch:cask", "var(Intercept)"),
        ("batch", "var(Intercept)"),
        ("residual", "var"),
    ]


# The verdict


def one_sentence(text: str) -> bool:
    """Ends with a point, and has no other point that ends a sentence."""
    return text.endswith(".") and ". " not in text.removesuffix(".")


def test_agreement(hsb_fits: Fits) -> None:
    """160 schools: nothing to explain."""
    found = bx.compare(hsb_fits.reml, hsb_fits.post)
    assert found.agree
    assert found.verdict.startswith("REML and the posterior agree")
    assert "although" not in found.verdict
    assert one_sentence(found.verdict)
    largest = found.table["difference_in_se"].abs()
    assert f"{largest.max():.2f} standard errors ({' '.join(largest.idxmax())})" in found.verdict


def test_few_groups_are_named(dyestuff: Fits) -> None:
    """6 batches: whether the two agree or not, that is what to know."""
    found = bx.compare(dyestuff.reml, dyestuff.post)
    assert "level Batch has few groups (6)" in found.verdict
    assert one_sentence(found.verdict)


def test_disagreement_names_what_and_why(dyestuff: Fits) -> None:
    far = moved(dyestuff.post, {"1|Batch_sigma": lambda s: 2 * s})
    found = bx.compare(dyestuff.reml, far)
    assert not found.agree
    assert found.verdict.startswith("REML and the posterior differ in Batch var(Intercept): ")
    assert "few groups (6)" in found.verdict
    assert one_sentence(found.verdict)


def test_a_level_called_fixed(dataset: Callable[[str], pd.DataFrame], dyestuff: Fits) -> None:
    """A name does not make a variance a fixed effect: the verdict is that of the same data under another name."""
    model = bx.Model("Yield ~ 1 + (1 | fixed)", dataset("dyestuff").rename(columns={"Batch": "fixed"}))
    found = bx.compare(model.reml(), model.sample(seed=20, cores=2, progress=False))
    assert found.agree == bx.compare(dyestuff.reml, dyestuff.post).agree


def test_disagreement_in_a_fixed_effect(hsb_fits: Fits) -> None:
    """A quarter of a standard error is much for a fixed effect, and nothing for a variance."""
    se = hsb_fits.reml.fixed_effects().loc["ses", "se"]
    far = moved(hsb_fits.post, {"ses": lambda b: b + 0.5 * se})
    found = bx.compare(hsb_fits.reml, far)
    assert not found.agree
    assert "differ in fixed ses:" in found.verdict
    near = moved(hsb_fits.post, {"sigma": lambda s: np.sqrt(s**2 + 0.5 * 0.63)})
    assert bx.compare(hsb_fits.reml, near).agree


def test_a_posterior_far_away_from_three_groups(dataset: Callable[[str], pd.DataFrame], dyestuff: Fits) -> None:
    """A real disagreement, from data: three batches say next to nothing on their variance."""
    frame = dataset("dyestuff")
    frame = frame[frame["Batch"].isin(["A", "B", "C"])]
    model = bx.Model("Yield ~ 1 + (1 | Batch)", frame)
    found = bx.compare(model.reml(), model.sample(seed=3, cores=2, progress=False))
    assert "few groups (3)" in found.verdict
    assert not found.agree


def test_boundary_is_named(dyestuff2: Fits) -> None:
    assert dyestuff2.reml.singular
    found = bx.compare(dyestuff2.reml, dyestuff2.post)
    assert "boundary" in found.verdict
    assert "few groups (6)" in found.verdict
    assert one_sentence(found.verdict)


def test_a_prior_that_matters_is_named(hsb_fits: Fits) -> None:
    tight = hsb_fits.model.with_priors({"ses": "Normal(0, 0.3)"}).priors
    found = bx.compare(hsb_fits.reml, dataclasses.replace(hsb_fits.post, priors=tight))
    assert "the prior of ses matters (Normal(0, 0.3), standard error 0.118)" in found.verdict
    assert "Intercept matters" not in found.verdict


def test_a_prior_of_an_sd_that_matters_is_named(dyestuff: Fits) -> None:
    """The sd of batches, 42, is of the size of the scale of its prior, 63."""
    assert (
        "prior of the sd of Intercept at Batch matters (HalfStudentT(4, 63.02))"
        in bx.compare(dyestuff.reml, dyestuff.post).verdict
    )


def test_agreement_with_ml_and_on_three_levels(pastes: Fits) -> None:
    assert bx.compare(pastes.model.ml(), pastes.post).table.loc[("residual", "var"), "estimate"] > 0


# Refusals


def test_two_of_a_kind(hsb_fits: Fits) -> None:
    with pytest.raises(ArgumentError, match="LikelihoodFit and LikelihoodFit"):
        bx.compare(hsb_fits.reml, hsb_fits.reml)
    with pytest.raises(ArgumentError, match="BayesFit and BayesFit"):
        bx.compare(hsb_fits.post, hsb_fits.post)


def test_not_a_fit(hsb_fits: Fits) -> None:
    with pytest.raises(ArgumentError, match="str"):
        bx.compare(hsb_fits.reml, "posterior")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="Model"):
        bx.compare(hsb_fits.model, hsb_fits.post)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "formula", ["math ~ ses + (1 | school)", "math ~ ses + (ses || school)", "math ~ ses + cses + (ses | school)"]
)
def test_different_models(formula: str, hsb_fits: Fits, hsb: pd.DataFrame) -> None:
    with pytest.raises(ArgumentError, match="same effects") as caught:
        bx.compare(bx.Model(formula, hsb).reml(), hsb_fits.post)
    assert formula in caught.value.found
    assert "math ~ ses + (ses | school)" in caught.value.found


def test_different_rows(hsb_fits: Fits, hsb: pd.DataFrame) -> None:
    other = bx.Model("math ~ ses + (ses | school)", hsb.iloc[:6000]).reml()
    with pytest.raises(ArgumentError, match="6000 rows"):
        bx.compare(other, hsb_fits.post)


def test_different_responses(hsb_fits: Fits, hsb: pd.DataFrame) -> None:
    """The same right-hand side and as many rows, but another response: no comparison."""
    other = bx.Model("math ~ ses + (ses | school)", hsb.assign(math=hsb["math"] ** 2)).reml()
    with pytest.raises(ArgumentError):
        bx.compare(other, hsb_fits.post)


@pytest.mark.parametrize("prob", [95, 0.0])
def test_impossible_coverage(prob: float, dyestuff: Fits) -> None:
    with pytest.raises(BayesmixError, match="prob"):
        bx.compare(dyestuff.reml, dyestuff.post, prob=prob)
