"""Printouts against output that the programs printed and others published, and numbers recomputed from it.

HLM: annotated output of the unconditional model of the school study (UCLA); HLM 7 manual, the same study with slopes of
sex. Stata: the same study (UCLA, examples of Singer 1998, and the FAQ on intervals of variances). SAS: the same study
(UCLA, examples of Raudenbush & Bryk 2002, chapter 4).
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesmix as bx
from bayesmix.results.dialects.styles import printout
from bayesmix.tables import Sheet


def row(text: str, start: str, nth: int = 0) -> list[str]:
    """The cells after the first words of a line."""
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith(start)]
    return lines[nth][len(start) :].replace("|", " ").split()


def numbers(cells: list[str]) -> np.ndarray:
    return np.array([float(cell.replace("<", "")) for cell in cells])


@pytest.fixture(scope="module")
def null(hsb: pd.DataFrame) -> bx.LikelihoodFit:
    return bx.Model("math ~ 1 + (1 | school)", hsb).reml()


@pytest.fixture(scope="module")
def exam(dataset: Callable[[str], pd.DataFrame]) -> bx.LikelihoodFit:
    return bx.Model("normexam ~ standLRT + (standLRT | school)", dataset("exam")).ml()


def test_hlm_unconditional(null: bx.LikelihoodFit) -> None:
    """HLM stops before the optimum (a variance of 8.61431 for 8.61402): four digits agree, the criterion in seven."""
    text = null.summary(style="hlm")
    np.testing.assert_allclose(numbers(row(text, "INTRCPT2, G00")[:4]), [12.636972, 0.244412, 51.704, 159], rtol=1e-4)
    found = numbers(row(text, "INTRCPT1, U0")[:4])
    np.testing.assert_allclose(found, [2.93501, 8.61431, 159, 1660.23259], rtol=5e-5)
    np.testing.assert_allclose(numbers(row(text, "level-1, R")), [6.25686, 39.14831], rtol=1e-6)
    assert row(text, "INTRCPT1, B0", 0) == ["0.901"]
    np.testing.assert_allclose(float(row(text, "Deviance")[1]), 47116.793477, atol=1e-4)
    assert row(text, "Number of estimated parameters") == ["=", "2"]
    assert row(text, "The value of the log-likelihood function") == ["=", "-2.355840E+04"]
    assert row(text, "Sigma_squared") == ["=", "39.14832"]


def test_hlm_units_without_data_are_counted(hsb: pd.DataFrame) -> None:
    """The manual's fit is by full ML and again short of the optimum: a slope variance of .64709 for .64928."""
    model = bx.Model("math ~ C(sex, Treatment, Male) + (C(sex, Treatment, Male) | school)", hsb)
    text = model.ml().summary(style="hlm")
    slope = "C(SEX, TREATMENT, MALE)_FEMALE slope"
    fixed = [numbers(row(text, f"INTRCPT2, {code}")[:4]) for code in ("G00", "G10")]
    np.testing.assert_allclose(fixed[0], [13.345654, 0.261011, 51.131, 159], rtol=1e-4)
    np.testing.assert_allclose(fixed[1], [-1.381355, 0.185852, -7.433, 159], rtol=3e-4)
    found = numbers(row(text, "INTRCPT1, U0")[:4])
    np.testing.assert_allclose(found[:2], [2.93070, 8.58901], rtol=2e-4)
    np.testing.assert_allclose(found[2:], [122, 589.08609], rtol=1e-5)
    found = numbers(row(text, f"{slope}, U1"))
    np.testing.assert_allclose(found[:2], [0.80442, 0.64709], rtol=4e-3)
    np.testing.assert_allclose(found[2:], [122, 139.99921, 0.127], rtol=1e-5)
    assert f"For {slope}, B1" in text
    assert "based on only 123 of 160 units of school that had sufficient data" in text


def test_hlm_cross_level_interactions(hsb: pd.DataFrame) -> None:
    """Predictors of the slope stand under it. Chi-squares recomputed in R."""
    text = bx.Model("math ~ meanses * cses + sector * cses + (cses | school)", hsb).reml().summary(style="hlm")
    lines = [line.strip() for line in text.splitlines()]
    start = lines.index("For INTRCPT1, B0")
    names = [line.split("  ")[0] for line in lines[start : start + 8]]
    assert names == [
        "For INTRCPT1, B0",
        "INTRCPT2, G00",
        "MEANSES, G01",
        "SECTOR_CATHOLIC, G02",
        "For CSES slope, B1",
        "INTRCPT2, G10",
        "MEANSES, G11",
        "SECTOR_CATHOLIC, G12",
    ]
    assert [row(text, f"SECTOR_CATHOLIC, G{i}2")[3] for i in (0, 1)] == ["157", "157"]
    np.testing.assert_allclose(float(row(text, "INTRCPT1, U0")[3]), 605.01, atol=5e-3)
    np.testing.assert_allclose(float(row(text, "CSES slope, U1")[3]), 162.22, atol=5e-3)


def test_hlm_three_levels_name_their_equations() -> None:
    """y ~ t * tx with both varying at both levels: pi, beta and gamma by the place of each predictor."""
    rng = np.random.default_rng(5)
    child, school = np.repeat(np.arange(60), 6), np.repeat(np.arange(12), 30)
    frame = pd.DataFrame({"y": rng.normal(size=360), "t": rng.normal(size=360), "child": child, "school": school})
    frame = frame.assign(tx=rng.normal(size=60)[child], size=rng.normal(size=12)[school])
    fit = bx.Model("y ~ t * tx * size + (t | school/child)", frame).reml()
    sheet = next(p for p in printout(fit, "hlm").parts if isinstance(p, Sheet) and "fixed effects" in p.title)
    assert [line[0].strip() for line in sheet.rows] == [
        "For INTRCPT1, P0", "For INTRCPT2, B00", "INTRCPT3, G000", "SIZE, G001",
        "For TX, B01", "INTRCPT3, G010", "SIZE, G011",
        "For T slope, P1", "For INTRCPT2, B10", "INTRCPT3, G100", "SIZE, G101",
        "For TX, B11", "INTRCPT3, G110", "SIZE, G111",
    ]  # fmt: skip


def test_stata_unconditional(null: bx.LikelihoodFit) -> None:
    text = null.summary(style="stata")
    assert row(text, "Log restricted-likelihood")[:2] == ["=", "-23558.397"]
    np.testing.assert_allclose(numbers(row(text, "_cons")[:2]), [12.63697, 0.2443937], rtol=5e-7)
    assert row(text, "_cons")[2:] == ["51.71", "0.000", "12.15797", "13.11598"]
    np.testing.assert_allclose(numbers(row(text, "var(_cons)")), [8.614034, 1.078805, 6.739129, 11.01056], rtol=2e-6)
    assert row(text, "var(Residual)") == ["39.14832", ".6606447", "37.87466", "40.46481"]
    assert "chibar2(01) = 986.12    Prob >= chibar2 = 0.0000" in text
    assert re.search(r"Wald chi2\(0\) = +\.\n", text)
    assert "Obs per group: min =        14" in text
    assert re.search(r"avg = +44\.9\n", text)


@pytest.mark.parametrize(
    ("method", "wald", "ratio", "slope", "constant"),
    [
        ("ml", "62.89", "936.66", "-1.35939 .1714111 -7.93 0.000 -1.695349 -1.02343",
         "13.34526 .2539356 52.55 0.000 12.84756 13.84297"),
        ("reml", "62.83", "938.95", "-1.358992 .1714418 -7.93 0.000 -1.695012 -1.022972",
         "13.34494 .2546749 52.40 0.000 12.84579 13.8441"),
    ],
)  # fmt: skip
def test_stata_sex(hsb: pd.DataFrame, method: str, wald: str, ratio: str, slope: str, constant: str) -> None:
    """Stata's stopping rule leaves the last digits open: its variance by ML is 8.109025 for 8.108972."""
    model = bx.Model("math ~ C(sex, Treatment, Male) + (1 | school)", hsb)
    text = (model.ml() if method == "ml" else model.reml()).summary(style="stata")
    np.testing.assert_allclose(numbers(row(text, "Female")), numbers(slope.split()), rtol=1e-4)
    np.testing.assert_allclose(numbers(row(text, "_cons")), numbers(constant.split()), rtol=2e-5)
    assert re.search(rf"Wald chi2\(1\) = +{re.escape(wald)}\n", text)
    assert f"chibar2(01) = {ratio}" in text
    if method == "ml":
        np.testing.assert_allclose(
            numbers(row(text, "var(_cons)")), [8.109025, 1.018281, 6.339865, 10.37187], rtol=2e-5
        )
        np.testing.assert_allclose(
            numbers(row(text, "var(Residual)")), [38.84481, 0.6555315, 37.58101, 40.15111], rtol=5e-7
        )


def test_sas_unconditional(null: bx.LikelihoodFit) -> None:
    """SAS stops at a variance of 8.6097 for 8.6140: what depends on it agrees to that only."""
    text = null.summary(style="sas")
    assert row(text, "Residual", 1)[1:] == ["0.6606", "59.26", "<.0001"]
    assert row(text, "-2 Res Log Likelihood") == ["47116.8"]
    assert row(text, "AIC (Smaller is Better)") == ["47120.8"]
    assert row(text, "AICC (Smaller is Better)") == ["47120.8"]
    assert row(text, "BIC (Smaller is Better)") == ["47126.9"]
    found = row(text, "Intercept", 0)
    assert found[0] == "school"
    np.testing.assert_allclose(numbers(found[1:4]), [8.6097, 1.0778, 7.99], rtol=2e-3)
    assert row(text, "Intercept", 1)[0] == "12.6370"
    assert row(text, "Intercept", 1)[2] == "159"
    assert "Type 3" not in text


def test_sas_counts_degrees_of_freedom_by_names(hsb: pd.DataFrame) -> None:
    """158 for the intercept and 7025 for the school mean, as SAS printed for this model."""
    text = bx.Model("math ~ meanses + (1 | school)", hsb).reml().summary(style="sas")
    assert row(text, "Intercept", 1)[2] == "158"
    assert row(text, "meanses", 0)[2] == "7025"
    assert row(text, "meanses", 1)[:2] == ["1", "7025"]
    assert "no random effect contains meanses" in text


def test_sas_batting_averages() -> None:
    """20 players, 10 days and 10 nights each, rebuilt from printed means and sums of squares (Sturdivant 2007)."""
    rng = np.random.default_rng(7)
    player, night = np.repeat(np.arange(20), 20), np.tile(np.repeat([0.0, 1.0], 10), 20)
    within = rng.normal(size=400)
    within -= np.array([within[player == i].mean() for i in range(20)])[player]
    within -= (night - 0.5) * (within @ (night - 0.5)) / 100
    within *= np.sqrt(379 * 1.0547e-4 / (within @ within))
    between = rng.normal(size=20)
    between -= between.mean()
    between *= np.sqrt(19 * (5.3092e-4 + 1.0547e-4 / 20) / (between @ between))
    frame = pd.DataFrame({"average": 0.28499 - 0.004502 * night + between[player] + within})
    frame = frame.assign(night=night, player=player)
    text = bx.Model("average ~ night + (1 | player)", frame).reml().summary(style="sas")
    assert row(text, "Intercept", 1) == ["0.2850", "0.005203", "19", "54.77", "<.0001"]
    assert row(text, "night")[1:4] == ["0.001027", "379", "-4.38"]
    assert row(text, "Intercept", 0)[:2] == ["player", "0.000531"]
    assert row(text, "Residual", 1)[0] == "0.000105"


def test_sas_tests_variances_on_one_side(exam: bx.LikelihoodFit) -> None:
    """z 6.16 has p < .0001, -2.76 on two sides .0058, 1.98 on one .0241 (UCLA, Snijders & Bosker, table 8.1)."""
    from bayesmix.results.dialects.estimates import Component
    from bayesmix.results.dialects.sas import format_probability, z_probability

    effect = exam.design.levels[0].effects[0]
    parts = [(0, 0, 8.2740, 1.3422), (1, 0, -0.7629, 0.2767), (1, 1, 0.1686, 0.08534)]
    found = [z_probability(Component(0, 0, 2, i, j, effect, effect, value, se)) for i, j, value, se in parts]
    assert [format_probability(p) for p in found] == ["<.0001", "0.0058", "0.0241"]
    text = exam.summary(style="sas")
    assert [row(text, f"UN({place})")[0] for place in ("1,1", "2,1", "2,2")] == ["school"] * 3


@pytest.mark.parametrize(
    ("name", "formula"),
    [("exam_rs_ml", "normexam ~ standLRT + (standLRT | school)"), ("exam_ri_ml", "normexam ~ standLRT + (1 | school)")],
)
def test_mlwin_equations(name: str, formula: str, dataset: Callable[[str], pd.DataFrame]) -> None:
    """Estimates as lme4 has them; errors of variances from the expected information of the full likelihood."""
    models = json.loads((Path(__file__).parents[2] / "reference" / "lme4.json").read_text(encoding="utf-8"))["models"]
    theirs = next(model for model in models if model["id"] == name)
    fit = bx.Model(formula, dataset("exam")).ml()
    text = fit.summary(style="mlwin")
    constant, slope = (f"{fixed['estimate']:.3f}({fixed['se']:.3f})" for fixed in theirs["fixed"])
    assert f"b0_ij = {constant} + u0_j + e0_ij" in text
    varying = name == "exam_rs_ml"
    assert (f"b1_j = {slope} + u1_j" if varying else f"normexam_ij = b0_ij cons + {slope} standLRT") in text
    errors = fit.variance_components(se="expected-ml")["se"]
    sigma = theirs["random"][0]["cov"]
    assert row(text, "u0_j") == [f"{sigma[0][0]:.3f}({errors['school', 'var(Intercept)']:.3f})"]
    if varying:
        se = [errors["school", kind] for kind in ("cov(Intercept,standLRT)", "var(standLRT)")]
        assert row(text, "u1_j") == [f"{value:.3f}({error:.3f})" for value, error in zip(sigma[1], se, strict=True)]
    assert f"Omega_e = {theirs['residual_variance']:.3f}({errors['residual', 'var']:.3f})" in text
    assert f"-2*loglikelihood(IGLS Deviance) = {theirs['criterion']:.3f}(4059 of 4059 cases in use)" in text


def test_spss_counts_and_intervals(null: bx.LikelihoodFit) -> None:
    """Criteria from the criterion by hand; estimate, error and interval are those that Stata printed for this model."""
    text = null.summary(style="spss")
    f, n = 47116.79347, 7184
    expected = [f, f + 4, f + 4 * n / (n - 3), f + 2 * (np.log(n) + 1), f + 2 * np.log(n)]
    names = ["-2 Restricted Log Likelihood", "Akaike's", "Hurvich and Tsai's", "Bozdogan's", "Schwarz's"]
    np.testing.assert_allclose([float(row(text, name)[-1]) for name in names], expected, atol=1e-3)
    covariances = text[text.index("Estimates of Covariance Parameters") :]
    residual = row(covariances, "Residual")
    np.testing.assert_allclose(numbers(residual[:2]), [39.14832, 0.6606447], rtol=1e-6)
    assert residual[3] == "<.001"
    found = row(covariances, "Intercept [subject = school]")
    assert found[0] == "Variance"
    np.testing.assert_allclose(numbers(found[1:3]), [8.614034, 1.078805], rtol=2e-6)
    np.testing.assert_allclose(numbers(found[5:]), [6.739129, 11.01056], rtol=2e-6)
    assert covariances.index("Residual") < covariances.index("Intercept [")


def test_spss_tests_the_intercept_over_all_labels(hsb: pd.DataFrame) -> None:
    """With labels the type III intercept is the mean over them: as from sum-to-zero coding."""
    treatment = bx.Model("math ~ sector * minority + (1 | school)", hsb).reml().summary(style="spss")
    sums = bx.Model("math ~ C(sector, Sum) * C(minority, Sum) + (1 | school)", hsb).reml()
    t = sums.fixed_effects().loc["Intercept"]
    found = row(treatment[treatment.index("Type III") :], "Intercept")
    np.testing.assert_allclose(numbers(found[:3]), [1, t["df"], t["t"] ** 2], rtol=1e-4)
