"""Foundations: the concepts of a first lecture, each shown on data. The lecture itself has no numbers.

Left to the figures: the tree of a multilevel structure, pooling and shrinkage as pictures, and the correlation within
groups as a curve. What they draw is here: ``groups``, ``bx.pooling(...).shrinkage``, ``within_group_correlation``.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from tests.printed import printed, run_textbook


@pytest.fixture(scope="module")
def null(hsb: pd.DataFrame) -> bx.LikelihoodFit:
    return bx.Model("math ~ 1 + (1 | school)", hsb).reml()


@pytest.fixture(scope="module")
def growth(dataset: Callable[[str], pd.DataFrame]) -> bx.Model:
    """Y = b0jk + b1jk t, both with TX at level 2 and every one of the four coefficients varying at level 3."""
    return bx.Model(
        "math ~ year * female + (year | schoolid:childid) + (year * female | schoolid)", dataset("egsingle")
    )


def test_least_squares_understates_the_error_of_a_clustered_mean(hsb: pd.DataFrame, null: bx.LikelihoodFit) -> None:
    """sd/sqrt(n) is right for independent rows; the groups make it three times as large here."""
    naive = bx.Model("math ~ 1", hsb).reml().fixed_effects().loc["Intercept", "se"]
    assert naive == pytest.approx(hsb["math"].std() / np.sqrt(len(hsb)), rel=1e-10)
    ratio = null.fixed_effects().loc["Intercept", "se"] / naive
    assert 2.9 < ratio < np.sqrt(null.design_effect().loc["school", "estimate"])


def test_shrinkage_of_small_groups(null: bx.LikelihoodFit) -> None:
    """lambda_j = tau^2/(tau^2 + sigma^2/n_j), so the fewer rows, the stronger the pull towards the mean."""
    tau, residual = null.variance_components()["estimate"]
    table = null.shrinkage().xs("Intercept", level="effect").sort_values("n")
    assert_allclose(table["reliability"], tau / (tau + residual / table["n"]), rtol=1e-10)
    assert table["reliability"].is_monotonic_increasing
    moved = (table["partial_pooling"] - table["no_pooling"]) / (table["fixed"] - table["no_pooling"])
    assert_allclose(moved, 1 - table["reliability"], rtol=1e-6)


def test_a_higher_icc_means_less_shrinkage() -> None:
    """Balanced data whose group means are spread more and more."""
    rng = np.random.default_rng(11)
    noise, means = rng.normal(size=(30, 8)), rng.normal(size=30)
    found = []
    for spread in (0.3, 0.6, 1.2, 2.4):
        frame = pd.DataFrame({"y": (noise + spread * means[:, None]).ravel(), "g": np.repeat(np.arange(30), 8)})
        fit = bx.Model("y ~ 1 + (1 | g)", frame).reml()
        icc = float(fit.icc().loc["g", "estimate"])
        reliability = fit.shrinkage()["reliability"].to_numpy()
        assert 0 < icc < 1
        assert_allclose(reliability, 8 * icc / (1 + 7 * icc), rtol=1e-10)
        found.append((icc, reliability[0]))
    assert found == sorted(found)


def test_icc_is_a_share_and_a_correlation_and_makes_the_design_effect(
    null: bx.LikelihoodFit, hsb: pd.DataFrame
) -> None:
    tau, residual = null.variance_components()["estimate"]
    icc = float(null.icc().loc["school", "estimate"])
    assert icc == pytest.approx(tau / (tau + residual), rel=1e-12)
    assert null.icc(definition="correlation").loc["school", "estimate"] == pytest.approx(icc, rel=1e-12)
    assert null.design_effect(n=30).loc["school", "estimate"] == pytest.approx(1 + 29 * icc, rel=1e-12)
    # A low correlation matters where groups are large.
    fit = bx.Model("math ~ sector + meanses + (1 | school)", hsb).reml()
    assert fit.icc().loc["school", "estimate"] < 0.1 < 20 < fit.design_effect(n=500).loc["school", "estimate"]


def test_exchangeability_ends_where_slopes_vary(hsb_reml: bx.LikelihoodFit, hsb: pd.DataFrame) -> None:
    """Varying intercepts: one correlation within a group, whatever x. Varying slopes: it depends on both x."""
    constant = bx.Model("math ~ ses + (1 | school)", hsb).reml()
    values = constant.within_group_correlation("ses", [-2, 0, 2])["estimate"]
    assert_allclose(values, constant.icc().loc["school", "estimate"], rtol=1e-10)
    assert hsb_reml.within_group_correlation("ses", [-2, 0, 2])["estimate"].round(6).nunique() == 6


def test_three_level_growth_as_written(growth: bx.Model) -> None:
    """A 2 x 2 covariance of children, 4 x 4 of schools, and the cross-level interaction delta 110."""
    fit = growth.reml()
    covariances = fit.covariances()
    assert covariances["schoolid:childid"].shape == (2, 2) and covariances["schoolid"].shape == (4, 4)
    assert list(covariances["schoolid"]) == ["Intercept", "year", "female[Male]", "year:female[Male]"]
    assert list(fit.fixed_effects().index) == ["Intercept", "year", "female[Male]", "year:female[Male]"]
    assert growth.groups == {"schoolid:childid": 1721, "schoolid": 60}
    assert len(fit.theta) == 3 + 10


def test_three_level_growth_by_levels(growth: bx.Model, dataset: Callable[[str], pd.DataFrame]) -> None:
    """From equations to the formula and back, and the equations as the lecture prints them, with female for TX."""
    written = bx.levels(
        "math ~ year",
        {
            "childid": {"Intercept": "female", "year": "female"},
            "schoolid": {"Intercept": "", "year": "", "female": "", "year:female": ""},
        },
    )
    assert (written.fixed, written.groups) == (growth.specification.fixed, growth.specification.groups)
    assert growth.level_equations().specification.groups == growth.specification.groups
    by_levels = bx.Model(written, dataset("egsingle"))
    assert by_levels.level_equations() == growth.level_equations()
    assert by_levels.reml().criterion == pytest.approx(growth.reml().criterion, abs=1e-6)
    text = by_levels.equations().text
    assert text == growth.equations().text
    printed_lines = [
        "mathᵢⱼₖ = β₀ⱼₖ + β₁ⱼₖ yearᵢⱼₖ + Rᵢⱼₖ",
        "β₀ⱼₖ = γ₀₀ₖ + γ₀₁ₖ female[Male]ⱼₖ + U₀ⱼₖ",
        "β₁ⱼₖ = γ₁₀ₖ + γ₁₁ₖ female[Male]ⱼₖ + U₁ⱼₖ",
        "γ₀₀ₖ = δ₀₀₀ + V₀ₖ",
        "γ₁₀ₖ = δ₁₀₀ + V₁ₖ",
        "γ₀₁ₖ = δ₀₁₀ + V₂ₖ",
        "γ₁₁ₖ = δ₁₁₀ + V₃ₖ",
    ]
    assert [line for line in printed_lines if f"  {line}\n" not in text] == []
    assert "(U₀ⱼₖ, U₁ⱼₖ) ~ N(0, " in text and "(V₀ₖ, V₁ₖ, V₂ₖ, V₃ₖ) ~ N(0, " in text


def test_three_level_growth_by_command(capsys: pytest.CaptureFixture[str]) -> None:
    """A file of level equations; numbers of lme4 1.1-31 for the formula."""
    out = run_textbook("egsingle_growth", capsys)
    numbers = ["-0.53453", "0.79881", "-0.41366", "-0.06146", "0.62877", "16303.9971"]
    assert [number for number in [*numbers, "γ₁₁ₖ = δ₁₁₀ + V₃ₖ"] if number not in out] == []


def test_no_complete_and_partial_pooling(hsb: pd.DataFrame) -> None:
    """One call; each analysis by NumPy, and the schools between their own means and the mean of all."""
    ladder = bx.pooling(bx.Model("math ~ 1 + (1 | school)", hsb))
    schools = hsb.groupby("school", observed=True)["math"].agg(["mean", "size"])
    table = ladder.table.xs("Intercept", level="term")
    assert_allclose(table.loc["aggregated", "estimate"], schools["mean"].mean(), rtol=1e-10)
    assert_allclose(table.loc["disaggregated", "estimate"], hsb["math"].mean(), rtol=1e-10)
    assert_allclose(table.loc["disaggregated", "se"], hsb["math"].std() / np.sqrt(7185), rtol=1e-10)
    assert_allclose(table.loc["per group", "sd"], schools["mean"].std(), rtol=1e-10)
    tau, residual = ladder.fit.variance_components()["estimate"]
    weights = 1 / (tau + residual / schools["size"])
    assert_allclose(table.loc["partial (REML)", "estimate"], np.average(schools["mean"], weights=weights), rtol=1e-10)
    assert_allclose(table.loc["partial (REML)", ["se", "sd"]], [weights.sum() ** -0.5, np.sqrt(tau)], rtol=1e-8)
    own = ladder.shrinkage.xs("Intercept", level="effect").loc[schools.index]
    assert_allclose(own["no_pooling"], schools["mean"], rtol=1e-10)
    low, high = (function(own["no_pooling"], own["fixed"]) for function in (np.minimum, np.maximum))
    assert own["partial_pooling"].between(low, high).all()
    assert ladder.analyses["gets_wrong"].str.len().gt(50).all()


def test_from_least_squares_to_varying_slopes(hsb: pd.DataFrame) -> None:
    """The order of the lecture; each step has a test, AIC and BIC, and smaller is better."""
    right = ["ses", "ses + (1 | school)", "ses + (ses || school)", "ses + (ses | school)"]
    fits = [bx.Model(f"math ~ {part}", hsb).ml() for part in ["1", "1 + (1 | school)", *right]]
    assert [fit.n_parameters for fit in fits] == [2, 3, 3, 4, 5, 6]
    test = bx.lrt(*fits[2:], method="ML").table
    assert (test["p"].iloc[1] < 0.001) and (test["p_mixture"].iloc[2] < 0.05 < test["p"].iloc[3])
    for column in ("aic", "bic"):
        values = test[column]
        assert values.iloc[0] == values.max()
    assert test["aic"].idxmin() == "math ~ ses + (ses || school)"
    assert printed([fits[-1].loglik, fits[-1].aic, fits[-1].bic], 2) == ["-23318.23", "46648.47", "46689.75"]


def test_what_centring_makes_of_the_intercept(hsb: pd.DataFrame) -> None:
    """Grand mean: the outcome at the mean of x. Group mean: the mean of the group, unadjusted."""
    slopes = bx.Model("math ~ ses", hsb).reml().fixed_effects()["estimate"]
    centred = bx.Model("math ~ centre(ses)", hsb).reml().fixed_effects()["estimate"]
    assert centred["Intercept"] == pytest.approx(hsb["math"].mean(), rel=1e-12)
    assert centred.iloc[1] == pytest.approx(slopes["ses"], rel=1e-10)
    within = bx.Model("math ~ within(ses, school) + (1 | school)", hsb).reml()
    recorded = bx.Model("math ~ cses + (1 | school)", hsb).reml()
    # The column of the file is rounded.
    assert_allclose(within.fixed_effects()["estimate"], recorded.fixed_effects()["estimate"], atol=2e-3)
    own = within.shrinkage().xs("Intercept", level="effect")["no_pooling"]
    means = hsb.groupby("school", observed=True)["math"].mean()
    assert_allclose(own[means.index], means, rtol=1e-8)


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ("centre(ses)", "where ses is at its mean over the rows (0.0001434), in a school whose residual is 0"),
        ("within(ses)", "where ses is at the mean of its own school, in a school whose residual is 0"),
        ("within(ses)", "the intercept of each school is its own mean, not adjusted"),
    ],
)
def test_what_the_intercept_means_in_words(term: str, words: str, hsb: pd.DataFrame) -> None:
    assert words in bx.Model(f"math ~ {term} + (1 | school)", hsb).intercept_meaning()
