from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.frames import random_frame


def test_school_study(hsb: pd.DataFrame, hsb_reml: bx.LikelihoodFit) -> None:
    """Recomputed in R: 1660.23; 216.20 of the slope; 605.01 and 162.22 (the book prints 605.3 and 162.3)."""
    null = bx.homogeneity_test(bx.Model("math ~ 1 + (1 | school)", hsb).reml())
    assert null.columns.tolist() == ["chi2", "df", "p", "groups_used", "groups_excluded"]
    assert null.index.names == ["level", "effect"]
    assert_allclose(null["chi2"], [1660.23], atol=5e-3)
    assert null[["df", "groups_used", "groups_excluded"]].to_numpy().tolist() == [[159, 160, 0]]
    slope = bx.homogeneity_test(hsb_reml).loc[("school", "ses")]
    assert_allclose(slope["chi2"], 216.20, atol=5e-3)
    assert slope["df"] == 159
    assert_allclose(slope["p"], 0.002, atol=5e-4)
    full = bx.homogeneity_test(bx.Model("math ~ meanses * cses + sector * cses + (cses | school)", hsb).reml())
    assert_allclose(full["chi2"], [605.01, 162.22], atol=5e-3)
    assert full["df"].tolist() == [157, 157]


def test_three_levels(egsingle_reml: bx.LikelihoodFit) -> None:
    found = bx.homogeneity_test(egsingle_reml)
    assert_allclose(found.loc["schoolid", "chi2"], [488.4, 377.3], atol=0.05)
    assert_allclose(found.loc["schoolid:childid", "chi2"], [13598.5, 2129.5], atol=0.06)
    assert found.loc["schoolid", "df"].tolist() == [59, 59]
    assert found.loc["schoolid:childid", "df"].tolist() == [1661, 1661]


def test_df_count_the_predictors_of_each_equation() -> None:
    rng = np.random.default_rng(2)
    frame = random_frame(rng, n=600)
    cell = frame["top"] * 3 + frame["inner"]
    frame = frame.assign(w=rng.normal(size=8)[frame["top"]], v=rng.normal(size=24)[cell])
    found = bx.homogeneity_test(bx.Model("y ~ x + w + v + v:x + z + (x | top/inner)", frame).reml())
    assert found["df"].to_dict() == {
        ("top:inner", "Intercept"): 24 - 8 - 1,
        ("top:inner", "x"): 24 - 8 - 1,
        ("top", "Intercept"): 8 - 2,
        ("top", "x"): 8 - 1,
    }


def test_groups_without_coefficients_of_their_own(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Schools of one sex can not estimate the effect of sex."""
    exam = dataset("exam")
    found = bx.homogeneity_test(bx.Model("normexam ~ standLRT + sex + (sex | school)", exam).reml())
    mixed = int((exam.groupby("school", observed=True)["sex"].nunique() == 2).sum())
    assert 0 < mixed < 65
    assert set(found["groups_used"]) == {mixed}
    assert set(found["groups_excluded"]) == {65 - mixed}
    assert set(found["df"]) == {mixed - 1}


def test_wrong_use(hsb_model: bx.Model, hsb: pd.DataFrame) -> None:
    with pytest.raises(ArgumentError, match="given a Model"):
        bx.homogeneity_test(hsb_model)
    with pytest.raises(ArgumentError, match="no levels"):
        bx.homogeneity_test(bx.Model("math ~ ses", hsb).reml())
