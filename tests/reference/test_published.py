"""Numbers printed about textbook data, and the same to more digits by R, as far as no other test has them.

Tolerance: half a unit of the last digit given. Sources: course notes on the London schools (Exam, 65 schools);
Zieffler's slides on High School and Beyond; Sturdivant's slides (2007) on batting averages by PROC MIXED; R 4.2.2.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import bayesmix as bx


@pytest.fixture(scope="module")
def london(dataset: Callable[[str], pd.DataFrame]) -> Callable[[str], bx.Model]:
    frame = dataset("exam")
    return lambda right: bx.Model(f"normexam ~ {right}", frame)


@pytest.fixture(scope="module")
def lines(london: Callable[[str], bx.Model]) -> pd.DataFrame:
    """Intercept and slope of each school, from one regression."""
    found = london("0 + school + school:standLRT").reml().fixed_effects()["estimate"].to_numpy()
    labels = london("1 + (1 | school)").design.levels[0].grouping.labels
    return pd.DataFrame({"intercept": found[:65], "slope": found[65:]}, index=labels)


@pytest.fixture(scope="module")
def batting(dataset: Callable[[str], pd.DataFrame]) -> bx.LikelihoodFit:
    return bx.Model("average ~ time + (1 | player)", dataset("batting")).reml()


def test_london_school_by_school(lines: pd.DataFrame) -> None:
    """Analysis 3, and the two schools that the notes stumble over."""
    spread = lines.std()
    assert_allclose(lines.mean(), [-0.068118, 0.424583], rtol=0, atol=5e-7)
    assert_allclose(spread, [0.519174, 0.939371], rtol=0, atol=5e-7)
    assert_allclose(spread / np.sqrt(65), [0.064396, 0.116515], rtol=0, atol=5e-7)
    assert_allclose(lines.loc["48", "slope"], -6.90, rtol=0, atol=5e-3)
    slopes = lines["slope"].drop("48")
    assert_allclose([slopes.mean(), slopes.std()], [0.539, 0.177], rtol=0, atol=5e-4)
    assert_allclose(lines.loc["28"], [-0.773, 0.282], rtol=0, atol=5e-4)


def test_london_lines_need_128_parameters_more(london: Callable[[str], bx.Model]) -> None:
    """Analysis 4: 64 intercepts and 64 slopes."""
    found = bx.lrt(london("standLRT"), london("standLRT * school")).table.iloc[1]
    assert found["df"] == 128
    assert london("standLRT * school").design.fixed_values.shape[1] == 130


def test_london_likelihood_ratios(london: Callable[[str], bx.Model]) -> None:
    intercepts, slopes = london("standLRT + (1 | school)"), london("standLRT + (standLRT | school)")
    independent = london("standLRT + (standLRT || school)")
    found = bx.lrt(intercepts, slopes, method="ML").table.iloc[1]
    assert_allclose(found["chisq"], 40.37, rtol=0, atol=5e-3)
    assert found["df"] == 2
    found = bx.lrt(independent, slopes, method="ML").table.iloc[1]
    assert_allclose(found["chisq"], 8.25, rtol=0, atol=5e-3)
    assert found["df"] == 1


def test_london_null_model(london: Callable[[str], bx.Model]) -> None:
    fit = london("1 + (1 | school)").reml()
    assert_allclose(fit.variance_components()["estimate"], [0.1716, 0.8478], rtol=0, atol=5e-5)
    assert_allclose(fit.icc()["estimate"], 0.168, rtol=0, atol=5e-4)


def test_london_degrees_of_freedom(london: Callable[[str], bx.Model]) -> None:
    found = london("standLRT + (standLRT | school)").reml().fixed_effects()["df"]
    assert_allclose(found, [60.653, 56.343], rtol=0, atol=5e-4)


def test_high_school_means_by_the_variable_of_the_school_file(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Its MEANSES is not the mean of the sampled pupils: 12.6219, where the slide has 12.6573."""
    by_school = dataset("mathachieve").groupby("School", observed=True)[["MathAch", "MEANSES"]].mean().reset_index()
    fit = bx.Model("MathAch ~ MEANSES", by_school).reml()
    assert_allclose(fit.fixed_effects()["estimate"]["Intercept"], 12.6219, rtol=0, atol=5e-5)
    assert_array_equal(fit.fixed_effects()["df"], 158)


def test_high_school_least_squares(hsb: pd.DataFrame) -> None:
    """F 1075 and 253.1, sums of squares 44233 and 295644."""
    fit = bx.Model("math ~ ses", hsb).reml()
    row = fit.anova().iloc[0]
    assert_allclose([row["F"], row["sum_sq"]], [1075, 44233], rtol=0, atol=0.5)
    assert_allclose(fit.sigma**2 * 7183, 295644, rtol=0, atol=0.5)
    means = hsb.groupby("school", observed=True)[["math", "ses"]].mean().reset_index()
    row = bx.Model("math ~ ses", means).reml().anova().iloc[0]
    assert_allclose(row["F"], 253.1, rtol=0, atol=0.05)
    assert (row["num_df"], row["den_df"]) == (1, 158)


def test_three_levels_of_growth(egsingle_reml: bx.LikelihoodFit) -> None:
    table, components = egsingle_reml.fixed_effects(), egsingle_reml.variance_components()["estimate"]
    assert_allclose(table["estimate"], [-0.77916, 0.76312], rtol=0, atol=5e-6)
    assert_allclose(table["se"], [0.0583, 0.0154], rtol=0, atol=5e-5)
    assert_allclose(table["df"], [59.84, 55.34], rtol=0, atol=5e-3)
    places = ["var(Intercept)", "var(year)", "cov(Intercept,year)"]
    child, school = components["schoolid:childid"], components["schoolid"]
    assert_allclose(child[places], [0.6404745, 0.0112580, 0.0467870], rtol=0, atol=5e-7)
    assert_allclose(school[places], [0.1685575, 0.0112639, 0.0173396], rtol=0, atol=5e-7)
    assert_allclose(components["residual", "var"], 0.3014326, rtol=0, atol=5e-8)


def test_batting_degrees_of_freedom(batting: bx.LikelihoodFit) -> None:
    """SAS prints the containment ones; Satterthwaite's are 19.38 and 379."""
    assert_array_equal(batting.fixed_effects(df="containment")["df"], [19, 379])
    assert_allclose(batting.fixed_effects()["df"], [19.38, 379], rtol=0, atol=5e-3)


def test_batting_predictions(batting: bx.LikelihoodFit) -> None:
    """By day and by night, the first four players; one day's value is .29772 on the slide, .29771 from its own sums."""
    day = batting.coefficients()["estimate"].xs("Intercept", level="effect").iloc[:4]
    assert_allclose(day, [0.25004, 0.27048, 0.29771, 0.26979], rtol=0, atol=5e-6)
    night = day + batting.fixed_effects()["estimate"]["time[night]"]
    assert_allclose(night, [0.24554, 0.26598, 0.29321, 0.26529], rtol=0, atol=5e-6)
