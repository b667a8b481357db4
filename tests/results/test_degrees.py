"""Degrees of freedom by name, and what the table of fixed effects says about them."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError

METHODS = ["satterthwaite", "kenward-roger", "containment", "hlm", "between-within", "residual", "z"]


@pytest.fixture(scope="session")
def hsb_full(hsb: pd.DataFrame) -> bx.LikelihoodFit:
    """Raudenbush & Bryk's intercepts and slopes as outcomes."""
    return bx.Model("math ~ meanses * cses + sector * cses + (cses | school)", hsb).reml()


@pytest.fixture(scope="session")
def batting() -> bx.LikelihoodFit:
    """20 players, 10 games by day and 10 by night each."""
    rng = np.random.default_rng(5)
    player, night = np.repeat(np.arange(20), 20), np.tile(np.repeat([0, 1], 10), 20)
    y = 0.285 + 0.02 * rng.normal(size=20)[player] + 0.01 * rng.normal(size=400)
    frame = pd.DataFrame({"y": y, "player": player, "time": np.where(night, "night", "day")})
    return bx.Model("y ~ time + (1 | player)", frame).reml()


def test_high_school_and_beyond(hsb_reml: bx.LikelihoodFit) -> None:
    """lmerTest at the true optimum; HLM's 160 - 0 - 1; SAS's rank contributions."""
    assert_allclose(hsb_reml.fixed_effects()["df"], [145.5509, 157.5297], atol=5e-5)
    assert_array_equal(hsb_reml.fixed_effects(df="hlm")["df"], 159)
    assert_array_equal(hsb_reml.fixed_effects(df="containment")["df"], 159)
    assert_array_equal(hsb_reml.fixed_effects(df="residual")["df"], 7183)
    assert_array_equal(hsb_reml.fixed_effects(df="between-within")["df"], [159, 7024])


def test_with_predictors_of_schools(hsb_full: bx.LikelihoodFit) -> None:
    """Two in each equation: 157. By name only cses varies by school, and the rest counts rows: 7185 - 320."""
    assert_array_equal(hsb_full.fixed_effects(df="hlm")["df"], 157)
    found = hsb_full.fixed_effects(df="containment")
    assert_array_equal(found["df"], [157, 6865, 157, 6865, 6865, 6865])
    note = found.attrs["note"]
    assert "meanses, sector[Catholic]" in note
    assert "cses" not in note.replace("meanses", "")
    assert "predictors of the equation" in hsb_full.fixed_effects(df="hlm").attrs["note"]
    assert "note" not in hsb_full.fixed_effects().attrs


def test_kenward_roger_of_sleepstudy(dataset: Callable[[str], pd.DataFrame]) -> None:
    """pbkrtest at the true optimum; 18 subjects in balance."""
    fit = bx.Model("Reaction ~ Days + (Days | Subject)", dataset("sleepstudy")).reml()
    table = fit.fixed_effects(df="kenward-roger")
    assert_allclose(table["se"], [6.824557, 1.545789], atol=5e-7)
    assert_allclose(table["df"], 17, rtol=1e-9)
    half = stats.t.ppf(0.975, 17) * table["se"]
    assert_allclose(table["ci_high"] - table["estimate"], half)


def test_on_the_boundary(dataset: Callable[[str], pd.DataFrame]) -> None:
    """A variance of 0 is no parameter to Satterthwaite, but is to Kenward and Roger."""
    model = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2"))
    assert model.reml().singular
    assert_allclose(model.reml().fixed_effects()["df"], 29, rtol=1e-9)
    assert_allclose(model.reml().fixed_effects(df="kenward-roger")["df"], 5, rtol=1e-9)
    assert_allclose(model.ml().fixed_effects()["df"], 30, rtol=1e-9)


def test_containment_of_a_split_plot(batting: bx.LikelihoodFit) -> None:
    """Players contain the intercept, 20 - 1; nothing contains the time of day, 400 - 21."""
    table = batting.fixed_effects(df="containment")
    assert_array_equal(table["df"], [19, 379])
    assert "note" not in table.attrs
    assert_allclose(batting.fixed_effects()["df"], [19, 379], rtol=0.1)


def test_labels_of_one_factor_are_one_effect(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Machine by worker: 18 cells, 8 of them for Machine and Worker, which leaves 10."""
    frame = dataset("machines")
    slopes = bx.Model("score ~ Machine + (Machine | Worker)", frame).reml()
    assert_array_equal(slopes.fixed_effects(df="containment")["df"], [5, 10, 10])
    nested = bx.Model("score ~ Machine + (1 | Worker/Machine)", frame).reml()
    assert_array_equal(nested.fixed_effects(df="containment")["df"], [5, 10, 10])


def test_containment_far_from_zero(hsb: pd.DataFrame) -> None:
    moved = hsb.assign(ses=1e6 + 1e-2 * hsb["ses"])
    fit = bx.Model("math ~ ses + (ses | school)", moved).reml()
    assert_array_equal(fit.fixed_effects(df="containment")["df"], 159)


def test_three_levels(egsingle_reml: bx.LikelihoodFit) -> None:
    assert_array_equal(egsingle_reml.fixed_effects(df="hlm")["df"], 59)
    assert_array_equal(egsingle_reml.fixed_effects(df="containment")["df"], 59)


@pytest.mark.parametrize("df", METHODS)
def test_columns(df: str, hsb_full: bx.LikelihoodFit) -> None:
    table = hsb_full.fixed_effects(df=df, prob=0.9)
    assert list(table.columns) == ["estimate", "se", "df", "t", "p", "ci_low", "ci_high"]
    assert table.index.name == "term"
    assert list(table.index) == list(hsb_full.design.fixed_names)
    assert_allclose(table["t"], table["estimate"] / table["se"])
    assert_allclose(table["p"], 2 * stats.t.sf(np.abs(table["t"]), table["df"]))
    half = stats.t.ppf(0.95, table["df"]) * table["se"]
    assert_allclose(table["ci_low"], table["estimate"] - half)
    assert_allclose(table["ci_high"], table["estimate"] + half)


@pytest.mark.parametrize("df", METHODS)
def test_without_levels_or_without_fixed_effects(df: str, hsb: pd.DataFrame) -> None:
    plain = bx.Model("math ~ ses", hsb).reml().fixed_effects(df=df)
    assert_allclose(plain["df"], np.inf if df == "z" else 7183, rtol=1e-9)
    empty = bx.Model("math ~ 0 + (1 | school)", hsb).reml().fixed_effects(df=df)
    assert empty.empty
    assert list(empty.columns) == list(plain.columns)


def test_refusals(hsb_reml: bx.LikelihoodFit, hsb_model: bx.Model) -> None:
    with pytest.raises(ArgumentError, match=r"df='kenward' is not offered.*Write df='kenward-roger'"):
        hsb_reml.fixed_effects(df="kenward")
    with pytest.raises(ArgumentError, match="df=12 is not offered"):
        hsb_reml.fixed_effects(df=12)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"fit by ML.*model\.reml\(\)"):
        hsb_model.ml().fixed_effects(df="kenward-roger")
    with pytest.raises(ArgumentError, match="no keyword 'ddf'"):
        hsb_reml.fixed_effects(ddf="satterthwaite")
