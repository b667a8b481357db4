"""More than two fits, and published numbers: the table, the sentences, and what is refused."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.bayes import Fits

# Zieffler, Introduction to Mixed-Effects Models (slides), summary(lmer.1).
FIXED = {"(Intercept)": "12.6650 (0.1898)", "ses": {"estimate": "2.3938", "se": "0.1181", "t": "20.27"}}
COMPONENTS = {
    ("school", "var(Intercept)"): {"estimate": "4.8286", "sd": "2.1974"},
    ("school", "corr(ses,Intercept)"): "-0.11",
    ("residual", "var"): "36.8302",
}


@pytest.fixture(scope="module")
def hsb_ml(hsb_model: bx.Model) -> bx.LikelihoodFit:
    return hsb_model.ml()


@pytest.fixture(scope="module")
def slide() -> bx.Published:
    return bx.Published("slide", FIXED, COMPONENTS, source="slides")


@pytest.fixture(scope="module")
def centres() -> bx.LikelihoodFit:
    """Four groups of ten: few enough for the informations to differ in the first digits."""
    rng = np.random.default_rng(2007)
    use, centre = np.tile(np.arange(10) - 2.0, 4), np.repeat(np.arange(4), 10)
    lines = np.array([[80.0, -2.0], [75.0, -1.2], [69.0, -2.5], [52.0, 1.5]])
    y = lines[centre, 0] + lines[centre, 1] * use + 2 * rng.normal(size=40)
    return bx.Model("y ~ use + (use | centre)", pd.DataFrame({"y": y, "use": use, "centre": centre})).reml()


def as_published(fit: bx.LikelihoodFit, digits: int = 4, **se: str) -> bx.Published:
    """A fit as a program would print it."""
    fixed = fit.fixed_effects(df="z")
    components = fit.variance_components(**se)  # type: ignore[arg-type]

    def text(row: Any) -> dict[str, str]:
        return {column: f"{row[column]:.{digits}f}" for column in ("estimate", "se")}

    return bx.Published(
        "printed",
        {name: text(row) for name, row in fixed.iterrows()},
        {key: text(row) for key, row in components.iterrows()},
    )


# The table


def test_two_likelihood_fits(hsb_reml: bx.LikelihoodFit, hsb_ml: bx.LikelihoodFit) -> None:
    found = bx.compare(hsb_reml, hsb_ml)
    assert list(found.table.columns) == [
        ("REML", "estimate"),
        ("REML", "se"),
        ("ML", "estimate"),
        ("ML", "se"),
        ("ML", "difference_in_se"),
    ]
    assert found.table.index.names == ["part", "parameter"]
    for name, fit in (("REML", hsb_reml), ("ML", hsb_ml)):
        parts = [fit.fixed_effects(df="z"), fit.variance_components()]
        for column in ("estimate", "se"):
            assert_allclose(found.table[name][column], np.concatenate([part[column] for part in parts]))
    moved = found.table["ML"]["estimate"] - found.table["REML"]["estimate"]
    assert_allclose(found.table["ML"]["difference_in_se"], moved / found.table["REML"]["se"])
    # In the other order the unit is ML's standard error.
    turned = bx.compare(hsb_ml, hsb_reml).table
    assert_allclose(turned["REML"]["difference_in_se"], -moved / found.table["ML"]["se"])


def test_published_columns(hsb_reml: bx.LikelihoodFit, slide: bx.Published) -> None:
    table = bx.compare(hsb_reml, slide).table
    columns = table["slide"]
    assert list(columns) == ["value", "digits", "agrees", "last_digits", "se", "se_agrees", "t", "t_agrees"]
    assert list(table.index) == [
        ("fixed", "Intercept"),
        ("fixed", "ses"),
        ("school", "var(Intercept)"),
        ("school", "sd(Intercept)"),
        ("school", "var(ses)"),
        ("school", "cov(Intercept,ses)"),
        ("school", "corr(Intercept,ses)"),
        ("residual", "var"),
    ]
    printed = [12.6650, 2.3938, 4.8286, 2.1974, np.nan, np.nan, -0.11, 36.8302]
    assert_allclose(columns["value"], printed)
    assert columns["digits"].fillna(-9).tolist() == [4, 4, 4, 4, -9, -9, 2, 4]
    assert columns["agrees"].fillna(False).tolist() == [True, True, True, True, False, False, True, True]
    ours = table["REML"]["estimate"]
    expected = (ours - columns["value"]) * 10.0 ** columns["digits"].astype("Float64").to_numpy(float, na_value=np.nan)
    assert_allclose(columns["last_digits"], expected)
    variance, sd = ("school", "var(Intercept)"), ("school", "sd(Intercept)")
    assert_allclose(table.loc[sd, ("REML", "estimate")], np.sqrt(ours[variance]))
    se = table["REML"]["se"]
    assert_allclose(se[sd], se[variance] / (2 * np.sqrt(ours[variance])), rtol=1e-12)


def test_any_order_and_long_form(hsb_fits: Fits, slide: bx.Published) -> None:
    ml = hsb_fits.model.ml()
    found = bx.compare(slide, hsb_fits.post, ml, hsb_fits.reml)
    assert list(dict.fromkeys(found.table.columns.get_level_values(0))) == ["slide", "posterior", "ML", "REML"]
    assert list(found.table["posterior"]) == ["mean", "sd", "ci_low", "ci_high", "mcse"]
    # In units of the first fit, here the posterior.
    moved = found.table["REML"]["estimate"] - found.table["posterior"]["mean"]
    assert_allclose(found.table["REML"]["difference_in_se"], moved / found.table["posterior"]["sd"])
    long = found.long
    assert list(long) == [
        "source", "part", "parameter", "estimate", "se", "ci_low", "ci_high", "difference_in_se", "digits", "agrees",
    ]  # fmt: skip
    assert long.groupby("source").size().to_dict() == {"ML": 8, "REML": 8, "posterior": 8, "slide": 6}
    one = long.set_index(["source", "part", "parameter"]).sort_index()
    assert_allclose(one.loc[("posterior", "school", "sd(Intercept)"), "estimate"], 2.2, atol=0.1)
    assert_allclose(one.loc[("slide", "fixed", "ses"), "estimate"], 2.3938)
    assert len(found.verdict.splitlines()) == 3
    assert found.agree


def test_names(hsb_reml: bx.LikelihoodFit, hsb_ml: bx.LikelihoodFit, slide: bx.Published) -> None:
    found = bx.compare(hsb_reml, hsb_ml, published=[slide, {**{"fixed": {"ses": "2.39"}}}], names=list("abcd"))
    assert found.names == ("a", "b", "c", "d")
    assert found.verdict.startswith("b agrees with a: ")
    again = bx.compare(hsb_reml, dataclasses.replace(hsb_reml), slide, dataclasses.replace(slide))
    assert again.names == ("REML", "REML 2", "slide", "slide 2")
    for wrong in (["a", "b"], ["a", "a", "b"], "abc", [1, 2, 3]):
        with pytest.raises(ArgumentError, match="names="):
            bx.compare(hsb_reml, hsb_ml, slide, names=wrong)  # type: ignore[arg-type]


def test_text_and_html(hsb_reml: bx.LikelihoodFit, hsb_ml: bx.LikelihoodFit, slide: bx.Published) -> None:
    found = bx.compare(hsb_reml, hsb_ml, dataclasses.replace(slide, name="<slide>"))
    text, html = repr(found), found._repr_html_()
    assert text.splitlines()[0] == "REML beside ML and <slide>"
    for sentence in found.verdict.splitlines():
        assert f"Note: {sentence}" in text
    # As printed, not with more digits than that.
    for shown in ("12.6650", "-0.11 ", "36.8302", "yes", "4.8286"):
        assert shown in text
    assert "-0.1100" not in text and "nan" not in text and "<NA>" not in text
    assert "&lt;slide&gt;" in html and "<slide>" not in html
    assert html.startswith("<section>") and html.count("<table>") == 1
    assert '<td class="text">yes</td>' in html and "<td>-0.11</td>" in html
    assert ">nan<" not in html and "NA&gt;" not in html


def test_html_of_one_fit_of_each_kind(hsb_fits: Fits) -> None:
    found = bx.compare(hsb_fits.reml, hsb_fits.post)
    html = found._repr_html_()
    assert found.verdict in html
    assert "width_ratio" in html and "colgroup" not in html
    assert set(found.long["source"]) == {"REML", "posterior"}


# Sentences on fits


def test_reml_and_ml_by_their_factors(hsb_reml: bx.LikelihoodFit, hsb_ml: bx.LikelihoodFit) -> None:
    found = bx.compare(hsb_reml, hsb_ml)
    assert found.agree
    ratio = hsb_ml.variance_components()["estimate"] / hsb_reml.variance_components()["estimate"]
    assert f"{ratio['school', 'var(Intercept)']:.4f} for school var(Intercept)" in found.verdict
    assert "160 groups less 1: 0.9938" in found.verdict
    assert "ML does not count the 2 fixed effects as estimated" in found.verdict


def test_least_squares_by_their_factor(hsb: pd.DataFrame) -> None:
    """Without levels the factor is (n - p)/n exactly."""
    model = bx.Model("math ~ ses", hsb.iloc[:50])
    reml, ml = model.reml(), model.ml()
    assert_allclose(ml.sigma**2 / reml.sigma**2, 48 / 50, rtol=1e-9)
    assert "the factor is 0.9600 (48/50)" in bx.compare(reml, ml).verdict


def test_reml_and_ml_of_few_groups(dyestuff: Fits) -> None:
    """A balanced layout: the variance between batches with J - 1 or J."""
    found = bx.compare(dyestuff.model.ml(), dyestuff.reml)
    assert "6 groups less 1: 0.8333" in found.verdict
    assert "few groups (6)" in found.verdict
    assert found.verdict.startswith("REML agrees with ML")


def test_the_same_method_twice(hsb_reml: bx.LikelihoodFit, hsb_model: bx.Model) -> None:
    again = hsb_model.reml(start=np.array([0.3, 0.0, 0.2]))
    found = bx.compare(hsb_reml, again)
    assert found.agree
    assert "the same optimum of the REML criterion, 46640.3983" in found.verdict
    solution = dataclasses.replace(
        hsb_reml.solution, criterion=hsb_reml.criterion + 2.5, beta=np.add(hsb_reml.solution.beta, [0.0, 0.2])
    )
    found = bx.compare(hsb_reml, dataclasses.replace(hsb_reml, solution=solution))
    assert not found.agree
    assert "REML 2 differs from REML in fixed ses: REML has the lower REML criterion, by 2.5" in found.verdict


def test_two_posteriors(dyestuff: Fits) -> None:
    tight = dyestuff.model.with_priors({"Intercept": "Normal(1500, 1)"}).priors
    other = dataclasses.replace(dyestuff.post, priors=tight)
    found = bx.compare(dyestuff.post, other)
    assert found.agree and "although their priors differ" in found.verdict
    idata = dyestuff.post.idata.copy(deep=True)
    idata["posterior"]["Intercept"] = idata["posterior"]["Intercept"] - 20
    found = bx.compare(dyestuff.post, dataclasses.replace(other, idata=idata))
    assert not found.agree
    assert "posterior 2 differs from the posterior in fixed Intercept: their priors differ" in found.verdict
    alone = dataclasses.replace(dyestuff.post, idata=idata)
    assert "check R-hat" in bx.compare(dyestuff.post, alone).verdict


# Sentences on published numbers


def test_all_digits_reproduced(hsb_reml: bx.LikelihoodFit, hsb_ml: bx.LikelihoodFit, slide: bx.Published) -> None:
    found = bx.compare(hsb_reml, slide)
    assert found.agree
    assert found.verdict == "slide agrees with REML: all 9 printed numbers are reproduced to the last digit."
    # With ML there too, it is still REML that they belong to.
    assert bx.compare(hsb_ml, hsb_reml, slide).verdict.splitlines()[1] == found.verdict


def test_spelling_of_other_programs(hsb: pd.DataFrame) -> None:
    fit = bx.Model("math ~ ses*sector + (ses | school)", hsb).reml()
    names = list(fit.fixed_effects(df="z").index)
    assert names == ["Intercept", "ses", "sector[Catholic]", "ses:sector[Catholic]"]
    theirs = ["(Intercept)", "ses", "sectorCatholic", "sectorCatholic:ses"]
    values = dict(zip(theirs, map(float, fit.fixed_effects(df="z")["estimate"].round(4)), strict=True))
    assert bx.compare(fit, bx.Published("R", values)).agree


def test_reml_numbers_beside_an_ml_fit(hsb_ml: bx.LikelihoodFit, slide: bx.Published) -> None:
    found = bx.compare(hsb_ml, slide)
    assert not found.agree
    assert "its numbers are those of REML, and ML does not count the 2 fixed effects" in found.verdict


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("expected-ml", ", the standard errors of variance components by the expected ML information (as MLwiN)."),
        ("expected-reml", ", the standard errors of variance components by the expected REML information."),
        ("ml", ", the standard errors of variance components by the observed ML information."),
        ("reml", "are reproduced to the last digit."),
    ],
)
def test_convention_of_standard_errors_is_named(kind: str, words: str, hsb_reml: bx.LikelihoodFit) -> None:
    found = bx.compare(hsb_reml, as_published(hsb_reml, 6, se=kind))
    assert found.agree
    assert found.verdict.endswith(words)


def test_mlwin_errors_of_four_centres(centres: bx.LikelihoodFit) -> None:
    """With so few groups one decimal tells: sqrt(2/4) V, not sqrt(2/3) V."""
    found = bx.compare(centres, as_published(centres, 1, se="expected-ml"))
    assert found.agree and "as MLwiN" in found.verdict
    assert bx.compare(centres, as_published(centres, 1)).verdict.endswith("are reproduced to the last digit.")


def test_convention_of_the_errors_of_square_roots(centres: bx.LikelihoodFit) -> None:
    row = ("centre", "var(use)")
    table = centres.variance_components(se="expected-ml").loc[row]
    printed = {"estimate": f"{table['sd']:.5f}", "se": f"{table['se'] / (2 * table['sd']):.5f}"}
    found = bx.compare(centres, bx.Published("x", variance_components={("centre", "sd(use)"): printed}))
    assert found.agree and "expected ML information" in found.verdict


def test_no_convention(centres: bx.LikelihoodFit) -> None:
    """.97 beside a residual variance of 4.0 is such a case: it would need 34 degrees of freedom, not 40 - 8."""
    value = centres.variance_components().loc[("residual", "var"), "estimate"]
    printed = {"estimate": f"{value:.2f}", "se": f"{value * np.sqrt(2 / 34):.2f}"}
    found = bx.compare(centres, bx.Published("x", variance_components={("residual", "var"): printed}))
    assert not found.agree
    assert f"no convention tried gives the printed se ({printed['se']}, ours" in found.verdict
    assert "differs from REML in residual var se (1 of 2 numbers)" in found.verdict


def test_degrees_of_freedom(hsb_reml: bx.LikelihoodFit) -> None:
    """Whatever conventions a fit offers are tried; nobody's 12.3 is a number of degrees of freedom here."""
    found = bx.compare(hsb_reml, bx.Published("x", {"ses": {"estimate": "2.3938", "t": "20.27", "df": "12.3"}}))
    assert not found.agree
    assert "no convention tried gives the printed df (12.3" in found.verdict
    assert list(found.table["x"]["df_agrees"].dropna()) == [False]


@pytest.mark.parametrize(
    ("components", "words"),
    [
        ({("school", "var(Intercept)"): "2.1974"}, "var(Intercept) is printed as a variance but is the standard"),
        ({("school", "sd(Intercept)"): "4.8286"}, "sd(Intercept) is printed as a standard deviation but is the var"),
        ({("school", "corr(Intercept,ses)"): "0.109"}, "corr(Intercept,ses) has the other sign"),
        ({("residual", "sd"): "6.0687"}, "residual sd is cut off after its last digit, not rounded"),
        ({("school", "var(ses)"): "0.4130"}, "school var(ses) at most 0.71 units of the last printed digit away"),
        ({("school", "var(ses)"): "0.413934"}, "stopped short of the optimum"),
        ({("residual", "var"): "40.0"}, "residual var is 36.8302 here and 40.0 there, 5 standard errors away"),
    ],
)
def test_why_a_number_is_off(components: dict[Any, str], words: str, hsb_reml: bx.LikelihoodFit) -> None:
    found = bx.compare(hsb_reml, bx.Published("x", variance_components=components))
    assert not found.agree
    assert words in found.verdict


def test_only_the_criterion_is_off(hsb_reml: bx.LikelihoodFit) -> None:
    published = bx.Published("x", {"ses": "2.3938"}, statistics={"criterion": "46650.1", "n": 7185})
    found = bx.compare(hsb_reml, published)
    assert not found.agree
    assert "fit criterion (1 of 3 numbers): programs differ in constants" in found.verdict


def test_singular_fit(dyestuff2: Fits) -> None:
    """No variance, hence no sd error and no information: said, not raised."""
    published = bx.Published(
        "x", variance_components={"Batch": {"var(Intercept)": "0.5", "sd(Intercept)": "0.7 (0.2)"}}
    )
    found = bx.compare(dyestuff2.reml, published)
    assert not found.agree and "boundary" in found.verdict
    zero = bx.Published("x", variance_components={"Batch": {"var(Intercept)": "0.000"}})
    assert bx.compare(dyestuff2.reml, zero).agree


def test_published_beside_a_posterior(hsb_fits: Fits, slide: bx.Published, dyestuff: Fits) -> None:
    """Its digits prove nothing there; what counts is what an estimate and a posterior may differ by."""
    found = bx.compare(hsb_fits.post, slide)
    assert found.agree
    assert "lie within what the posterior allows" in found.verdict
    far = bx.Published("far", {"ses": "3.0"}, statistics={"criterion": "46640.4"})
    found = bx.compare(hsb_fits.post, far)
    assert not found.agree and "(1 of 1 numbers)" in found.verdict
    found = bx.compare(dyestuff.post, bx.Published("far", variance_components={"residual": {"sd": "500"}}))
    assert "few groups (6)" in found.verdict


# What is given, and refusals


def test_forms_of_published(hsb_reml: bx.LikelihoodFit, tmp_path: Path) -> None:
    frame = pd.DataFrame({"estimate": ["2.3938"]}, index=["ses"])
    csv, toml = tmp_path / "a.csv", tmp_path / "b.toml"
    frame.rename_axis("parameter").to_csv(csv)
    toml.write_text('[[published]]\n[published.fixed]\nses = "2.3938"\n')
    found = bx.compare(hsb_reml, frame, published=[{"fixed": {"ses": 2.3938}}, csv, str(toml)])
    assert found.names == ("REML", "published", "published 2", "a", "b")
    assert found.agree


@pytest.mark.parametrize(
    ("published", "missing", "nearest"),
    [
        (bx.Published("x", {"sess": "2.4"}), "fixed effect 'sess'", "'ses'"),
        (bx.Published("x", variance_components={("schol", "var(ses)"): "1"}), "'schol var(ses)'", "'school var(ses)'"),
        (bx.Published("x", variance_components={("school", "cov(ses,sex)"): "1"}), "cov(ses,sex)", "school"),
    ],
)
def test_unknown_names(published: bx.Published, missing: str, nearest: str, hsb_reml: bx.LikelihoodFit) -> None:
    with pytest.raises(ArgumentError) as caught:
        bx.compare(hsb_reml, published)
    assert missing in caught.value.found
    assert nearest in caught.value.remedy


def test_covariance_that_the_model_has_not(hsb: pd.DataFrame) -> None:
    fit = bx.Model("math ~ ses + (ses || school)", hsb).reml()
    with pytest.raises(ArgumentError, match="corr"):
        bx.compare(fit, bx.Published("x", variance_components={("school", "corr(Intercept,ses)"): "0.1"}))


def test_too_few_sources(hsb_reml: bx.LikelihoodFit, slide: bx.Published) -> None:
    for given in ((), (hsb_reml,), (slide,), (slide, dataclasses.replace(slide, name="y"))):
        with pytest.raises(ArgumentError, match="at least two different sources"):
            bx.compare(*given)
    with pytest.raises(ArgumentError, match="the same twice"):
        bx.compare(hsb_reml, slide, hsb_reml)


def test_a_parameter_given_twice(hsb_reml: bx.LikelihoodFit) -> None:
    """Under two spellings."""
    with pytest.raises(ArgumentError, match="fixed Intercept twice"):
        bx.compare(hsb_reml, bx.Published("x", {"(Intercept)": "12.665", "Intercept": "12.665"}))


def test_unknown_keyword(hsb_reml: bx.LikelihoodFit, slide: bx.Published) -> None:
    with pytest.raises(ArgumentError, match="Write names="):
        bx.compare(hsb_reml, slide, name=["a", "b"])


def test_third_fit_of_another_model(
    hsb_reml: bx.LikelihoodFit, hsb_ml: bx.LikelihoodFit, dataset: Callable[[str], pd.DataFrame]
) -> None:
    other = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff")).reml()
    with pytest.raises(ArgumentError, match="same effects"):
        bx.compare(hsb_reml, hsb_ml, other)


@pytest.mark.parametrize("prob", [95, 0.0])
def test_impossible_coverage(prob: float, hsb_reml: bx.LikelihoodFit, hsb_ml: bx.LikelihoodFit) -> None:
    with pytest.raises(ArgumentError, match="prob"):
        bx.compare(hsb_reml, hsb_ml, prob=prob)
