"""The London schools: five analyses, as the command and the fits show them.

Each analysis with all its digits is tested in tests/teaching/test_pooling_ladder.py; the likelihood ratios, the null
model and the degrees of freedom in tests/reference/test_published.py. Left to the figures: the spaghetti plot. Left to
later: Reisby's data, which were not published.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.teaching.pooling_ladder import PoolingLadder
from tests.printed import printed, run_textbook


@pytest.fixture(scope="module")
def ladder(dataset: Callable[[str], pd.DataFrame]) -> PoolingLadder:
    return bx.pooling(bx.Model("normexam ~ standLRT + (standLRT | school)", dataset("exam")))


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("london_aggregated", ["0.005", "0.884", "0.004567", "0.883722", "65"]),
        ("london_pooled", ["-0.001", "0.595", "-0.001191", "0.595057"]),
        pytest.param("london_lines", ["-0.7728334", "0.28221159", "-6.90146639", "130"], marks=pytest.mark.slow),
        pytest.param("london_interactions", ["0.74387132", "130", "4059"], marks=pytest.mark.slow),
        ("london_null", ["0.17160", "0.847758", "0.16834"]),
        ("london_intercepts", ["0.002391", "0.563371", "0.09213", "0.56573", "9357.2"]),
        ("london_slopes", ["-0.011505", "0.556730", "0.0904473", "0.0145357", "0.0180405", "0.5536575", "-4658.435"]),
        ("london_slopes_reml", ["-0.01165", "0.55653", "0.0921184", "0.0149671", "0.49397", "9327.6003"]),
        ("london_uncorrelated", ["9325.1184"]),
        ("london_sex", ["-0.179519", "0.00166124"]),
    ],
)
def test_the_command(name: str, numbers: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = run_textbook(name, capsys)
    assert [number for number in numbers if number not in out] == []


def test_five_analyses_in_one_table(ladder: PoolingLadder) -> None:
    """The digits of the page; .939371 and .116515 are cut off there, and so .939 and .116."""
    table = ladder.table
    assert printed(table.loc["aggregated", ["estimate", "se"]], 3) == ["0.005", "0.040", "0.884", "0.116"]
    assert printed(table.loc["disaggregated", ["estimate", "se"]], 3) == ["-0.001", "0.013", "0.595", "0.013"]
    own = table.loc["per group", ["estimate", "sd", "se"]]
    assert printed(own.loc["Intercept"], 3) == ["-0.068", "0.519", "0.064"]
    assert printed(np.floor(own.loc["standLRT"] * 1000) / 1000, 3) == ["0.424", "0.939", "0.116"]
    assert ladder.group_terms["df_extra"].tolist() == [0, 64, 64]
    assert printed(table.loc["partial (REML)", ["estimate", "se"]], 5) == ["-0.01165", "0.04011", "0.55653", "0.02011"]
    assert printed(ladder.groups.loc["28", ["Intercept", "standLRT"]], 3) == ["-0.773", "0.282"]


def test_two_pupils_rule_the_school_by_school_analysis(ladder: PoolingLadder) -> None:
    """School 48, slope -6.90: slopes .425 (sd .939) with it, .539 (.177) without; partial pooling does not mind."""
    assert ladder.left_out == ("48",) and ladder.groups.loc["48", "n"] == 2
    slopes = ladder.influence.xs("standLRT", level="term")
    assert printed(ladder.groups.loc["48", "standLRT"], 2) == ["-6.90"]
    columns = ["estimate", "sd", "without", "sd_without"]
    assert printed(slopes.loc["per group", columns], 3) == ["0.425", "0.939", "0.539", "0.177"]
    assert abs(slopes.loc["partial (REML)", "change"]) < 0.002


def test_variables(dataset: Callable[[str], pd.DataFrame]) -> None:
    """School and student, exam and reading test, gender of both, averages, verbal reasoning and intake bands."""
    frame = dataset("exam")
    assert frame.shape == (4059, 10) and frame["school"].nunique() == 65
    listed = {"school", "student", "normexam", "standLRT", "sex", "schgend", "schavg", "vr", "intake"}
    assert listed <= set(frame)
    # Numbers of students start again in every school.
    assert frame["student"].nunique() == 650


def test_the_ecological_fallacy(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Means of schools have a steeper line, .884, than pupils within them, .56: another question, another answer."""
    frame = dataset("exam")
    both = bx.Model("normexam ~ within(standLRT, school) + between(standLRT, school) + (1 | school)", frame).reml()
    within, between = both.fixed_effects()["estimate"].iloc[1:]
    assert within < 0.57 < 0.85 < between
    own = frame.assign(x=frame["standLRT"] - frame.groupby("school", observed=True)["standLRT"].transform("mean"))
    assert within == pytest.approx(np.polyfit(own["x"], own["normexam"], 1)[0], rel=1e-6)
    context = both.contextual_effect("standLRT")["estimate"]
    assert_allclose(context[["within", "between", "contextual"]], [within, between, between - within], rtol=1e-10)


def test_a_predictor_of_schools_is_not_known_from_4059_rows(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Least squares on pupils claims a third of the standard error that 65 schools leave."""
    frame = dataset("exam")
    pupils = bx.Model("normexam ~ schavg", frame).reml().fixed_effects()["se"]["schavg"]
    schools = bx.Model("normexam ~ schavg + (1 | school)", frame).reml().fixed_effects()["se"]["schavg"]
    assert pupils < schools / 2
    ladder = bx.pooling(bx.Model("normexam ~ schavg + (1 | school)", frame))
    assert ladder.analyses["units"].loc[["aggregated", "disaggregated"]].tolist() == [65, 4059]
    errors = ladder.table.xs("schavg", level="term")["se"]
    assert_allclose(errors[["disaggregated", "partial (REML)"]], [pupils, schools], rtol=1e-6)
    # Means of schools are honest about it, though each counts alike.
    assert 0.8 < errors["aggregated"] / schools < 1.25
    assert "predictors of the groups suffer likewise" in ladder.analyses.loc["disaggregated", "gets_wrong"]


def test_an_effect_of_a_category_varies_by_school(dataset: Callable[[str], pd.DataFrame]) -> None:
    fit = bx.Model("normexam ~ standLRT + sex + (sex | school)", dataset("exam")).reml()
    assert fit.covariances()["school"].shape == (2, 2) and fit.singular
    assert fit.variance_components()["estimate"]["school", "corr(Intercept,sex[M])"] == pytest.approx(-1, abs=1e-6)


def test_what_is_assumed(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Residuals and school effects are predicted, and add up to the response; their covariance is assumed to be 0."""
    frame = dataset("exam")
    fit = bx.Model("normexam ~ standLRT + (1 | school)", frame).reml()
    effects = fit.group_effects()["estimate"].xs("Intercept", level="effect")
    parts = fit.predict(groups="population")["mean"].to_numpy() + effects[frame["school"]].to_numpy()
    assert_allclose(parts + fit.residuals(), frame["normexam"], atol=1e-8)
    assert printed(fit.residuals().mean(), 8) in (["0.00000000"], ["-0.00000000"])
