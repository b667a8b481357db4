from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError, ConvergenceError
from tests.frames import flat_frame, random_frame

COLUMNS = ["n_par", "criterion", "aic", "bic", "loglik", "chisq", "df", "p", "p_mixture", "p_low", "p_high"]


@pytest.fixture(scope="module")
def intercepts(hsb: pd.DataFrame) -> bx.Model:
    return bx.Model("math ~ ses + (1 | school)", hsb)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return random_frame(np.random.default_rng(8), n=300)


def test_slope_of_the_school_study(intercepts: bx.Model, hsb_model: bx.Model) -> None:
    """lmerTest's ranova of `math ~ ses + (ses | school)`: 4.771 on 2, p .092; the mixture .0605."""
    found = bx.lrt(intercepts, hsb_model)
    assert found.method == "REML"
    assert found.table.columns.tolist() == COLUMNS
    assert found.table.index.tolist() == [intercepts.formula, hsb_model.formula]
    small, large = found.table.iloc[0], found.table.iloc[1]
    assert small[["chisq", "df", "p", "p_mixture", "p_low", "p_high"]].isna().all()
    assert_allclose(large["chisq"], 4.771, atol=5e-4)
    assert large["df"] == 2
    assert_allclose(large[["p", "p_mixture"]].astype(float), [0.0920, 0.0605], atol=5e-5)
    fits = intercepts.reml(), hsb_model.reml()
    for row, fit in zip((small, large), fits, strict=True):
        expected = [fit.n_parameters, fit.criterion, fit.aic, fit.bic, fit.loglik]
        assert_allclose(row[:5].astype(float), expected, rtol=1e-15)
    assert bx.lrt(*fits).table.equals(found.table)


def test_text_says_what_the_p_values_are(intercepts: bx.Model, hsb_model: bx.Model) -> None:
    text = repr(bx.lrt(intercepts, hsb_model))
    assert "Likelihood-ratio tests, REML fits" in text
    assert "4.7711   2  0.0920     0.0605" in text
    assert "half chi-square on df - 1 and half on df" in text
    assert "p_low" not in text


def test_more_than_two_in_any_order(frame: pd.DataFrame) -> None:
    models = [bx.Model(f"y ~ {right}", frame) for right in ("x + (x | top)", "1 + (1 | top)", "x + (1 | top)")]
    found = bx.lrt(*models)
    assert found.method == "ML"
    assert found.table["n_par"].tolist() == [3, 4, 6]
    pairs = [bx.lrt(models[1], models[2], method="ML"), bx.lrt(models[2], models[0], method="ML")]
    for i, pair in enumerate(pairs):
        pd.testing.assert_series_equal(pair.table.iloc[1], found.table.iloc[i + 1])


def test_against_least_squares(frame: pd.DataFrame) -> None:
    """No level at all is the null of a first variance."""
    plain, mixed = bx.Model("y ~ x", frame).reml(), bx.Model("y ~ x + (1 | top)", frame).reml()
    row = bx.lrt(plain, mixed).table.iloc[1]
    assert_allclose(row["chisq"], plain.criterion - mixed.criterion, rtol=1e-15)
    assert_allclose(row["p_mixture"], stats.chi2.sf(row["chisq"], 1) / 2, rtol=1e-14)


def test_several_variances_have_bounds_and_say_so(frame: pd.DataFrame) -> None:
    found = bx.lrt(bx.Model("y ~ x + (1 | top)", frame), bx.Model("y ~ x + (x + z | top)", frame))
    row = found.table.iloc[1]
    assert row["df"] == 5
    assert np.isnan(row["p_mixture"])
    assert row["p_low"] < row["p_high"] < row["p"]
    assert "weights are not known" in found.note
    assert "p_low" in repr(found)


def test_a_null_on_the_boundary_has_bounds_only() -> None:
    """Groups turned around the mean of x: without slopes they do not differ."""
    turned = flat_frame()
    turned["y"] += np.random.default_rng(4).normal(size=10)[turned["g"]] * (turned["x"] - 102.5)
    small, large = (bx.Model(f"y ~ x + ({left} | g)", turned).reml() for left in ("1", "x"))
    assert small.singular
    found = bx.lrt(small, large)
    row = found.table.iloc[1]
    assert row["chisq"] > 1
    assert np.isnan(row["p_mixture"])
    assert (row["p_low"], row["p_high"]) == (0.0, stats.chi2.sf(row["chisq"], 3))
    assert "weights are not known" in found.note
    fixed = bx.lrt(bx.Model("y ~ 1 + (1 | g)", turned), bx.Model("y ~ x + (1 | g)", turned)).table.iloc[1]
    assert fixed["p_mixture"] == fixed["p"]


def test_reml_of_one_span_in_two_codings(frame: pd.DataFrame) -> None:
    small = bx.Model("y ~ x + (1 | top)", frame).reml()
    large = bx.Model("y ~ x + (x | top)", frame).reml()
    other = bx.Model("y ~ I(3 * x - 40) + (x | top)", frame).reml()
    assert abs(other.criterion - large.criterion) > 1
    found = bx.lrt(small, other)
    assert_allclose(found.table.iloc[1]["chisq"], small.criterion - large.criterion, atol=1e-6)
    assert "coded differently" in found.note
    assert "coded differently" not in bx.lrt(small, large).note


def test_refit_replaces_reml_by_ml(frame: pd.DataFrame) -> None:
    models = [bx.Model(f"y ~ {right} + (1 | top)", frame) for right in ("1", "x")]
    found = bx.lrt(*(model.reml() for model in models), refit=True)
    assert found.method == "ML"
    assert found.table.equals(bx.lrt(*(model.ml() for model in models)).table)
    mixed = bx.lrt(models[0].reml(), models[1].ml(), refit=True)
    assert mixed.table.equals(found.table)


def test_nesting_that_the_data_do_not_show(frame: pd.DataFrame) -> None:
    """Compound symmetry over labels of which no group has all."""
    kept = frame[frame["f"] != np.array(["a", "b", "c"])[frame["top"] % 3]]
    found = bx.lrt(bx.Model("y ~ f + (1 | top/f)", kept), bx.Model("y ~ f + (f | top)", kept))
    row = found.table.iloc[1]
    assert row["p"] == stats.chi2.sf(row["chisq"], 4)
    assert np.isnan(row["p_mixture"])
    assert "do not show whether 'y ~ f + (f | top)' contains" in found.note


def test_a_fit_that_missed_its_optimum(frame: pd.DataFrame) -> None:
    small, large = bx.Model("y ~ x + (1 | top)", frame).ml(), bx.Model("y ~ x + (x | top)", frame).ml()
    missed = replace(large, solution=replace(large.solution, criterion=small.criterion + 0.5))
    with pytest.raises(ConvergenceError, match=r"criterion that is 0\.5 higher"):
        bx.lrt(small, missed)


def refused(*fits: Any, **options: Any) -> str:
    with pytest.raises(ArgumentError) as error:
        bx.lrt(*fits, **options)
    assert all((error.value.found, error.value.expected, error.value.remedy))
    return str(error.value)


def test_reml_with_different_fixed_parts(frame: pd.DataFrame) -> None:
    models = [bx.Model(f"y ~ {right} + (1 | top)", frame) for right in ("1", "x", "z")]
    said = refused(models[0].reml(), models[1].reml())
    assert "restricted likelihood" in said
    assert ".ml()" in said
    assert "refit=True" in said
    assert "fixed parts differ" in refused(models[0], models[1], method="REML")
    assert "fixed parts differ" in refused(models[0].reml(), models[1])


def test_other_rows_or_response(frame: pd.DataFrame) -> None:
    small = bx.Model("y ~ 1 + (1 | top)", frame).ml()
    assert "300 and 299 rows" in refused(small, bx.Model("y ~ x + (1 | top)", frame.iloc[1:]).ml())
    gaps = frame.assign(x=frame["x"].where(frame.index > 4))
    assert "300 and 295 rows" in refused(small, bx.Model("y ~ x + (1 | top)", gaps).ml())
    logs = bx.Model("log(y) ~ x + (1 | top)", frame[frame["y"] > 0]).ml()
    positive = bx.Model("y ~ 1 + (1 | top)", frame[frame["y"] > 0]).ml()
    assert "different responses, offsets or rows" in refused(positive, logs)
    assert "different responses" in refused(small, bx.Model("y ~ x + offset(z) + (1 | top)", frame).ml())


def test_other_weights(frame: pd.DataFrame) -> None:
    """Twice the weights are another likelihood of the same model; all 1 are none."""
    weights = 1.0 + np.arange(300) % 4
    small = bx.Model("y ~ 1 + (1 | top)", frame, weights=weights).ml()
    other, none = (bx.Model("y ~ x + (1 | top)", frame, weights=given).ml() for given in (2 * weights, None))
    assert "fitted with different weights" in refused(small, other)
    assert "fitted with different weights" in refused(small, none)
    ones = bx.Model("y ~ 1 + (1 | top)", frame, weights=np.ones(300)).ml()
    plain = bx.Model("y ~ 1 + (1 | top)", frame).ml()
    assert_allclose(bx.lrt(ones, none).table["chisq"].iloc[1], bx.lrt(plain, none).table["chisq"].iloc[1], rtol=1e-9)


def test_not_nested(frame: pd.DataFrame) -> None:
    x, z = (bx.Model(f"y ~ {name} + (1 | top)", frame).ml() for name in ("x", "z"))
    assert "both have 4 parameters" in refused(x, z)
    assert "its fixed part is not contained" in refused(x, bx.Model("y ~ z + f + (1 | top)", frame).ml())
    other = frame.assign(other=np.arange(300) % 7)
    crossing, large = (bx.Model(f"y ~ x + {bar}", other).reml() for bar in ("(1 | other)", "(x | top)"))
    assert crossing.criterion > large.criterion
    assert "its random part is not contained" in refused(crossing, large)


def test_methods_and_arguments(frame: pd.DataFrame) -> None:
    model = bx.Model("y ~ x + (1 | top)", frame)
    larger = bx.Model("y ~ x + (x | top)", frame)
    said = refused(model.reml(), larger.ml())
    assert "(REML)" in said
    assert "(ML)" in said
    assert "method='ML'" in refused(model.reml(), larger.reml(), method="ML")
    assert "Expected two or more" in refused(model)
    assert "given a str" in refused(model, "larger")
    assert "'ML' or 'REML'" in refused(model, larger, method="ml")
    assert "no keyword 'refitted'" in refused(model, larger, refitted=True)


def test_simulated_p_beside_the_others(hsb: pd.DataFrame) -> None:
    """The slope of HSB: .0605 by the mixture, within the Monte Carlo error of 400 responses."""
    models = [bx.Model(f"math ~ ses + ({left} | school)", hsb) for left in ("1", "ses")]
    found = bx.lrt(*models, simulate=400, seed=3)
    row = found.table.iloc[1]
    assert abs(row["p_simulated"] - row["p_mixture"]) < 4 * np.sqrt(0.06 * 0.94 / 400)
    assert "400 responses" in found.note
    assert bx.lrt(*models, simulate=400, seed=3).table.iloc[1]["p_simulated"] == row["p_simulated"]
    with pytest.raises(bx.BayesmixError, match="simulate=-1"):
        bx.lrt(*models, simulate=-1)
