from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.frames import random_frame

COLUMNS = ["left", "n_par", "loglik", "aic", "chisq", "df", "p", "p_mixture", "p_low", "p_high"]

# Bars of a model, and for each row of its table the bars that are left of the model.
REDUCTIONS = {
    "(1 | top)": {("top", "Intercept"): ""},
    "(x | top)": {("top", "x"): "(1 | top)"},
    "(0 + x | top)": {("top", "x"): ""},
    "(x || top)": {("top", "Intercept"): "(0 + x | top)", ("top", "x"): "(1 | top)"},
    "(x + z | top)": {("top", "x"): "(z | top)", ("top", "z"): "(x | top)"},
    "(f | top)": {("top", "f"): "(1 | top)"},
    "(0 + f | top)": {("top", "f"): "(1 | top)"},
    "(f || top)": {("top", "Intercept"): "(0 + f | top)", ("top", "f"): "(1 | top)"},
    "(x * z | top)": {("top", "x:z"): "(x + z | top)"},
    "(1 | top/inner)": {("top:inner", "Intercept"): "(1 | top)", ("top", "Intercept"): "(1 | top:inner)"},
    "(1 | top:inner) + (x | top)": {
        ("top:inner", "Intercept"): "(x | top)",
        ("top", "x"): "(1 | top/inner)",
    },
}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return random_frame(np.random.default_rng(8), n=500)


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("bars", REDUCTIONS)
def test_each_row_is_a_fit_of_the_smaller_formula(frame: pd.DataFrame, bars: str, reml: bool) -> None:
    def fit(random: str) -> bx.LikelihoodFit:
        model = bx.Model("y ~ x + f" + (f" + {random}" if random else ""), frame)
        return model.reml() if reml else model.ml()

    large = fit(bars)
    table = large.random_terms()
    assert table.columns.tolist() == COLUMNS
    assert table.index.names == ["level", "term"]
    assert set(table.index) == set(REDUCTIONS[bars])
    for place, random in REDUCTIONS[bars].items():
        small, row = fit(random), table.loc[place]
        assert row["n_par"] == small.n_parameters
        assert_allclose([row["loglik"], row["aic"]], [small.loglik, small.aic], rtol=0, atol=1e-7)
        theirs = bx.lrt(small, large).table.iloc[1]
        for name in ("chisq", "df", "p", "p_mixture", "p_low", "p_high"):
            assert_allclose(row[name], theirs[name], rtol=1e-6, atol=1e-7)


def test_published_tables(hsb_reml: bx.LikelihoodFit, dataset: Callable[[str], pd.DataFrame]) -> None:
    """lmerTest's ranova: `math ~ ses + (ses | school)`, and `Reaction ~ Days + (1 | Subject)` (its documentation)."""
    slope = hsb_reml.random_terms().loc[("school", "ses")]
    assert slope["left"] == "(1 | school)"
    assert_allclose(slope["chisq"], 4.771, atol=5e-4)
    assert_allclose([slope["p"], slope["p_mixture"]], [0.0920, 0.0605], atol=5e-5)
    days = bx.Model("Reaction ~ Days + (1 | Subject)", dataset("sleepstudy")).reml().random_terms().iloc[0]
    assert (days["n_par"], days["df"]) == (3, 1)
    assert_allclose([days["loglik"], days["aic"]], [-946.83, 1899.7], atol=0.05)
    assert_allclose(days["chisq"], 107.1986, atol=5e-5)


def test_the_note_says_what_the_p_values_are(hsb_reml: bx.LikelihoodFit, frame: pd.DataFrame) -> None:
    assert "half chi-square on df - 1 and half on df" in hsb_reml.random_terms().attrs["note"]
    assert "weights" not in hsb_reml.random_terms().attrs["note"]
    several = bx.Model("y ~ x + (f | top)", frame).reml().random_terms()
    assert np.isnan(several["p_mixture"].iloc[0])
    assert "weights are not known" in several.attrs["note"]


def test_a_variance_of_zero_costs_nothing(dataset: Callable[[str], pd.DataFrame]) -> None:
    row = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2")).reml().random_terms().iloc[0]
    assert_allclose(row["chisq"], 0, atol=1e-9)
    assert (row["df"], row["p"]) == (1, 1.0)


def test_without_levels(frame: pd.DataFrame) -> None:
    with pytest.raises(ArgumentError, match="no levels"):
        bx.Model("y ~ x", frame).reml().random_terms()
