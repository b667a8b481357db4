"""Tests of hypotheses about a fit: published numbers, closed forms, and what is shown."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError

METHODS = ["satterthwaite", "kenward-roger", "containment", "hlm", "between-within", "residual", "chi2"]


@pytest.fixture(scope="module")
def full(hsb: pd.DataFrame) -> bx.LikelihoodFit:
    return bx.Model("math ~ meanses * cses + sector * cses + (cses | school)", hsb).reml()


def test_high_school_and_beyond(full: bx.LikelihoodFit) -> None:
    """lmerTest's contest at the true optimum."""
    test = bx.wald(full, "meanses = sector = 0")
    assert_allclose(test.statistic, 152.24, atol=0.005)
    assert test.num_df == 2
    assert_allclose(test.den_df, 150.19, atol=0.005)
    assert test.scale == 1
    assert_allclose(test.p, stats.f.sf(test.statistic, 2, test.den_df))
    assert list(test.table.index) == ["meanses = 0", "sector[Catholic] = 0"]
    assert test.table.index.name == "hypothesis"
    rows = full.fixed_effects().loc[["meanses", "sector[Catholic]"]]
    assert_allclose(test.table, rows)


@pytest.mark.parametrize("df", METHODS)
def test_each_alone(df: str, full: bx.LikelihoodFit) -> None:
    """A hypothesis on one coefficient is its row of the table; its value moves the test and not the interval."""
    rows = full.fixed_effects(df="z" if df == "chi2" else df)
    test = bx.wald(full, "meanses = 5, cses:sector = -2", df=df)
    for (_, found), name, value in zip(
        test.table.iterrows(), ["meanses", "sector[Catholic]:cses"], [5, -2], strict=True
    ):
        for column in ("estimate", "se", "df", "ci_low", "ci_high"):
            assert_allclose(found[column], rows.loc[name, column])
        assert_allclose(found["t"], (found["estimate"] - value) / found["se"])
        assert_allclose(found["p"], 2 * stats.t.sf(abs(found["t"]), found["df"]))
    one = bx.wald(full, "meanses = 5", df=df)
    assert_allclose(one.statistic, one.table["t"].iloc[0] ** 2)
    assert_allclose(one.p, one.table["p"].iloc[0])


def test_denominators_that_are_counted(full: bx.LikelihoodFit) -> None:
    """The smallest among the fixed effects involved; F is the same for all of them."""
    found = {df: bx.wald(full, "meanses = sector = 0, cses = 2", df=df) for df in METHODS}
    assert {df: found[df].den_df for df in ("containment", "hlm", "between-within", "residual")} == {
        "containment": 157, "hlm": 157, "between-within": 157, "residual": 7179
    }  # fmt: skip
    assert_allclose(bx.wald(full, "meanses = cses", df="containment").table["df"], 157)
    F = found["satterthwaite"].statistic
    for df in ("containment", "hlm", "residual"):
        assert_allclose(found[df].statistic, F)
        assert_allclose(found[df].p, stats.f.sf(F, 3, found[df].den_df))
    assert_allclose(found["chi2"].statistic, 3 * F)
    assert found["chi2"].den_df == np.inf
    assert_allclose(found["chi2"].p, stats.chi2.sf(3 * F, 3))


def test_wald_chi_square_is_the_quadratic_form(full: bx.LikelihoodFit) -> None:
    test = bx.wald(full, "meanses = 5, meanses - 2*cses = sector", df="chi2")
    L = np.zeros((2, 6))
    L[0, 1], L[1, [1, 2, 3]] = 1, [1, -2, -1]
    distance = L @ full.solution.beta - [5, 0]
    assert_allclose(test.statistic, distance @ np.linalg.solve(L @ full.solution.vcov @ L.T, distance), rtol=1e-8)


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_how_a_hypothesis_is_put_does_not_matter(df: str, full: bx.LikelihoodFit) -> None:
    """F, its scale and Kenward and Roger's df depend on what is tested only; Fai and Cornelius' df nearly so."""
    one = bx.wald(full, "meanses = sector = 0", df=df)
    two = bx.wald(full, "meanses + sector = 0, meanses - 3*sector = 0", df=df)
    assert_allclose([two.statistic, two.scale], [one.statistic, one.scale], rtol=1e-8)
    assert_allclose(two.den_df, one.den_df, rtol=1e-8 if df == "kenward-roger" else 1e-2)


def test_least_squares(hsb: pd.DataFrame) -> None:
    """The F of two nested regressions, exactly."""
    fit = bx.Model("math ~ ses + sector + minority", hsb).reml()
    short = bx.Model("math ~ ses", hsb).reml()
    rss, more = (part.sigma**2 * (7185 - part.products.n_fixed) for part in (fit, short))
    test = bx.wald(fit, "sector = minority = 0")
    assert_allclose(test.statistic, (more - rss) / 2 / fit.sigma**2, rtol=1e-9)
    assert_allclose(test.den_df, 7181)


def test_text(full: bx.LikelihoodFit, hsb: pd.DataFrame) -> None:
    text = repr(bx.wald(full, "meanses = sector = 0"))
    for part in ("Satterthwaite", "sector[Catholic] = 0", "F = 152.2399 on 2 and 150.19 df, p <0.0001"):
        assert part in text, part
    assert "scaled" not in text
    assert "chi2 = 304.4798 on 2 df" in repr(bx.wald(full, "meanses = sector = 0", df="chi2"))
    assert "no random effect contains" in repr(bx.wald(full, "meanses = 0", df="containment"))
    few = bx.Model("math ~ ses + sector + (ses | school)", hsb.iloc[:300]).reml()
    assert "scaled by" in repr(bx.wald(few, "ses = sector = 0", df="kenward-roger"))


def test_refusals(full: bx.LikelihoodFit, hsb_model: bx.Model) -> None:
    with pytest.raises(ArgumentError, match=r"names 'meansses'.*Did you mean 'meanses'"):
        bx.wald(full, "meansses = 0")
    with pytest.raises(ArgumentError, match="df='z' is not offered"):
        bx.wald(full, "cses = 0", df="z")
    with pytest.raises(ArgumentError, match="fit by ML"):
        bx.wald(hsb_model.ml(), "ses = 0", df="kenward-roger")
    with pytest.raises(ArgumentError, match="given a Model"):
        bx.wald(hsb_model, "ses = 0")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="prob=95"):
        bx.wald(full, "cses = 0", prob=95)
    with pytest.raises(ArgumentError, match="no keyword 'method'"):
        bx.wald(full, "cses = 0", method="z")


def test_frozen(full: bx.LikelihoodFit) -> None:
    test = bx.wald(full, "cses = 0")
    with pytest.raises(AttributeError):
        test.p = 0.0  # type: ignore[misc]
