"""Foundations: the concepts of a first lecture, each shown on data. The lecture itself has no numbers.

With other parts of the package: pooling as one table, level equations, the contrast between and within, figures.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from tests.printed import printed


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
