"""High School and Beyond: from least squares to varying slopes, and the tests of each.

F and sums of squares of least squares are in tests/reference/test_published.py. Left to the figures: residuals of one
school. Slips of the slides that are not followed: 64 independent observations, 1785
cases and 1783 degrees of freedom (7185 and 7183), 12.74 + 3.19 ses (12.75 + 3.18).
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from tests.printed import printed, run_textbook

FULL = "math ~ meanses*cses + sector*cses + (cses | school)"


@pytest.fixture(scope="module")
def full(hsb: pd.DataFrame) -> bx.LikelihoodFit:
    return bx.Model(FULL, hsb).reml()


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("hsb_pupils", ["12.74740", "0.0757", "168.42", "3.18387", "0.0971", "32.78", "6.416"]),
        ("hsb_schools", ["12.6573", "0.1533", "82.57", "5.9093", "0.3714", "15.91", "1.939"]),
        ("hsb_ses", ["12.6650", "0.1898", "66.71", "2.3938", "0.1181", "20.27"]),
        ("hsb_ses", ["4.8286", "0.4129", "-0.11", "36.8302", "2.1974", "0.6426", "6.0688", "46640.398254"]),
        ("hsb_ses_ml", ["4.78517", "0.39832", "-0.15587", "36.83156", "-23318.23", "46648.47", "46689.75"]),
        ("hsb_null", ["8.6140248", "39.1483219", "0.18035", "47116.79348"]),
        ("hsb_means", ["5.86354", "2.63888"]),
        ("hsb_random", ["2.19320", "8.68097", "0.693989", "36.7002"]),
        ("hsb_full", ["12.12793", "5.33287", "2.94504", "1.22658", "1.03923", "-1.64267"]),
        ("hsb_full", ["2.37958", "0.101216", "0.191826", "36.721155", "46503.6629"]),
        ("hsb_fixed_slopes", ["2.37534", "36.7661"]),
    ],
)
def test_the_command(name: str, numbers: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = run_textbook(name, capsys)
    assert [number for number in numbers if number not in out] == []


def test_the_outcome_described(hsb: pd.DataFrame) -> None:
    """n, mean, sd, median, trimmed by a tenth, mad, min, max, range, skew, kurtosis and standard error."""
    math = hsb["math"].to_numpy()
    z = (math - math.mean()) / math.std(ddof=1)
    described = [
        [len(math), math.mean(), math.std(ddof=1), np.median(math), stats.trim_mean(math, 0.1)],
        [1.4826 * np.median(np.abs(math - np.median(math))), math.min(), math.max(), np.ptp(math)],
        [(z**3).mean(), (z**4).mean() - 3, math.std(ddof=1) / np.sqrt(len(math))],
    ]
    assert printed(described[0], 2) == ["7185.00", "12.75", "6.88", "13.13", "12.91"]
    # 27.825 is printed as 27.82: an exact half goes to the even digit there.
    assert printed(described[1][:3], 2) == ["8.12", "-2.83", "24.99"] and abs(described[1][3] - 27.825) < 1e-9
    assert printed(described[2], 2) == ["-0.18", "-0.92", "0.08"]
    assert printed(hsb["ses"].corr(hsb["math"]), 7) == ["0.3607556"]


def test_shares_explained_by_least_squares(hsb: pd.DataFrame) -> None:
    """R2 .1301 on pupils, .6157 (adjusted .6132) on schools; 7183 and 158 degrees of freedom."""
    means = hsb.groupby("school", observed=True)[["math", "ses"]].mean().reset_index()
    for frame, share, left in ((hsb, "0.1301", 7183), (means, "0.6157", 158)):
        fit = bx.Model("math ~ ses", frame).reml()
        total = float(((frame["math"] - frame["math"].mean()) ** 2).sum())
        assert printed(1 - fit.sigma**2 * left / total, 4) == [share]
        assert_allclose(fit.fixed_effects()["df"], left, rtol=1e-10)
        if left == 158:
            assert printed(1 - fit.sigma**2 / (total / 159), 4) == ["0.6132"]


def test_substitution_step_by_step(hsb_model: bx.Model, hsb_reml: bx.LikelihoodFit) -> None:
    """mu and eta as the slides write them, the composite error in brackets at the end; with estimates on request."""
    equations = hsb_model.equations(notation="mu")
    steps = [
        "mathᵢⱼ = β₀ⱼ + β₁ⱼ(sesᵢⱼ) + εᵢⱼ",
        "β₀ⱼ = μ₀ + η₀ⱼ",
        "β₁ⱼ = μ₁ + η₁ⱼ",
        "mathᵢⱼ = (μ₀ + η₀ⱼ) + (μ₁ + η₁ⱼ)(sesᵢⱼ) + εᵢⱼ",
        "mathᵢⱼ = μ₀ + μ₁(sesᵢⱼ) + [η₀ⱼ + η₁ⱼ(sesᵢⱼ) + εᵢⱼ]",
    ]
    places = [equations.text.find(f"  {step}\n") for step in steps]
    assert -1 not in places and places == sorted(places)
    assert r"(\mu_{0} + \eta_{0j}) + (\mu_{1} + \eta_{1j})(\mathrm{ses}_{ij})" in equations.latex
    filled = hsb_model.equations(notation="mu", values=hsb_reml).text
    assert "mathᵢⱼ = 12.665 + 2.3938(sesᵢⱼ) + [η₀ⱼ + η₁ⱼ(sesᵢⱼ) + εᵢⱼ]" in filled
    assert all(number in filled for number in ("4.8286", "0.41293", "36.83"))


def test_degrees_of_freedom(hsb_reml: bx.LikelihoodFit, full: bx.LikelihoodFit) -> None:
    """Satterthwaite 145.55 and 157.53; an older lmerTest, by numerical derivatives, printed 145.51 and 157.39."""
    found = hsb_reml.fixed_effects()["df"]
    assert_allclose(found, [145.55, 157.53], atol=0.01)
    assert_allclose(found, [145.5100, 157.3900], rtol=1e-3)
    assert (hsb_reml.fixed_effects(df="hlm")["df"] == 160 - 0 - 1).all()
    assert (full.fixed_effects(df="hlm")["df"] == 160 - 2 - 1).all()


def test_p_values_are_given_with_their_denominators(hsb_reml: bx.LikelihoodFit) -> None:
    """lme4 prints none as no denominator is agreed on; here each choice is named, and z is the limit of all."""
    by_z = hsb_reml.fixed_effects(df="z")
    assert np.isinf(by_z["df"]).all()
    for kind in ("satterthwaite", "kenward-roger", "hlm", "containment", "residual"):
        table = hsb_reml.fixed_effects(df=kind)
        assert np.isfinite(table["df"]).all() and table.loc["ses", "p"] > by_z.loc["ses", "p"]
        # The slide takes 158 and 1783 for the denominator, and prints 0 for both.
        assert printed(table.loc["ses", "p"], 16) == ["0.0000000000000000"]


def test_analysis_of_variance(hsb_reml: bx.LikelihoodFit) -> None:
    row = hsb_reml.anova().loc["ses"]
    assert printed([row["sum_sq"], row["mean_sq"]], 0) == ["15126", "15126"]
    assert printed(row["F"], 1) == ["410.7"]
    # 15126/36.8302 = 410.6956 from the printed numbers.
    assert row["F"] == pytest.approx(row["mean_sq"] / hsb_reml.sigma**2, rel=1e-12)
    assert printed(round(row["mean_sq"]) / round(hsb_reml.sigma**2, 4), 4) == ["410.6956"]


def test_does_the_slope_vary(hsb_reml: bx.LikelihoodFit) -> None:
    """The likelihood ratio doubts it, the chi-square of the schools' own slopes does not: both are shown."""
    slope = hsb_reml.random_terms().iloc[0]
    assert printed(slope["chisq"], 3) == ["4.771"]
    assert printed([slope["p"], slope["p_mixture"]], 4) == ["0.0920", "0.0605"]
    test = bx.homogeneity_test(hsb_reml).loc[("school", "ses")]
    assert printed([test["chi2"], test["df"]], 2) == ["216.20", "159.00"]
    assert printed(test["p"], 3) == ["0.002"]


def test_chi_squares_of_the_sequence(hsb: pd.DataFrame, full: bx.LikelihoodFit) -> None:
    """1660.23; 605.01 and 162.22, where HLM has 605.3 and 162.3 with its own residual variance, 36.70."""
    null = bx.homogeneity_test(bx.Model("math ~ 1 + (1 | school)", hsb).reml())
    assert printed(null[["chi2", "df"]], 2) == ["1660.23", "159.00"]
    found = bx.homogeneity_test(full)
    assert printed(found["chi2"], 2) == ["605.01", "162.22"]
    assert (found["df"] == 157).all()


def test_wald_test_of_two_effects(full: bx.LikelihoodFit) -> None:
    found = bx.wald(full, "meanses = sector[Catholic] = 0")
    assert printed([found.statistic, found.den_df], 2) == ["152.24", "150.19"]


def test_how_much_the_schools_differ(hsb_reml: bx.LikelihoodFit, hsb: pd.DataFrame) -> None:
    """The three research questions: schools differ, their ses matters, and the line is not the same in all."""
    null = bx.Model("math ~ 1 + (1 | school)", hsb).reml()
    means = bx.Model("math ~ meanses + (1 | school)", hsb).reml()
    between = [fit.variance_components()["estimate"]["school", "var(Intercept)"] for fit in (null, means)]
    assert printed(1 - between[1] / between[0], 2) == ["0.69"]
    assert means.fixed_effects().loc["meanses", "p"] < 1e-4
    lines = hsb_reml.coefficients("school")["estimate"].xs("ses", level="effect")
    assert 0 < lines.min() < 2 < 2.7 < lines.max()


def test_residuals_of_one_school_lean_to_one_side(hsb: pd.DataFrame) -> None:
    """Least squares on pupils leaves the school in the residuals: far more schools lean than chance would have it."""
    residuals = pd.Series(bx.Model("math ~ ses", hsb).reml().residuals(), index=hsb["school"].to_numpy())
    above = (residuals > 0).groupby(level=0, observed=True).agg(["sum", "count"])
    p = [stats.binomtest(int(k), int(n)).pvalue for k, n in above.to_numpy()]
    leaning = int(np.sum(np.array(p) < 0.05))
    assert stats.binomtest(leaning, 160, 0.05, alternative="greater").pvalue < 1e-6
