"""Information criteria against the formulas each program documents."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

import bayesmix as bx


def test_lme4_is_the_convention_of_the_fit(hsb_model: bx.Model) -> None:
    """ML: AIC 46648.47 and BIC 46689.75 by lme4; AICc from AIC by hand."""
    fit = hsb_model.ml()
    assert_allclose([fit.aic, fit.bic], [46648.47, 46689.75], atol=5e-3)
    assert_allclose(fit.aicc, fit.aic + 2 * 6 * 7 / (7185 - 6 - 1), rtol=1e-15)
    table = fit.information_criteria()
    assert table.index.tolist() == ["lme4", "sas", "spss", "stata"]
    assert table.columns.tolist() == ["aic", "aicc", "bic", "k", "n_aicc", "n_bic"]
    assert_allclose(table.loc["lme4", ["aic", "aicc", "bic"]], [fit.aic, fit.aicc, fit.bic], rtol=1e-15)


def test_parameters_and_observations_by_program(hsb_model: bx.Model, hsb_reml: bx.LikelihoodFit) -> None:
    counts = ["k", "n_aicc", "n_bic"]
    reml, ml = hsb_reml.information_criteria(), hsb_model.ml().information_criteria()
    assert reml[counts].to_numpy().tolist() == [[6, 7185, 7185], [4, 7183, 160], [4, 7183, 7183], [6, 7185, 7185]]
    assert ml[counts].to_numpy().tolist() == [[6, 7185, 7185], [6, 7185, 160], [6, 7185, 7185], [6, 7185, 7185]]
    for table, fit in ((reml, hsb_reml), (ml, hsb_model.ml())):
        k, n = table["k"], table["n_aicc"]
        assert_allclose(table["aic"], fit.criterion + 2 * k, rtol=1e-15)
        assert_allclose(table["aicc"], fit.criterion + 2 * k * n / (n - k - 1), rtol=1e-15)
        assert_allclose(table["bic"], fit.criterion + k * np.log(table["n_bic"]), rtol=1e-15)


def test_sas_does_not_count_a_variance_of_zero(dataset: Callable[[str], pd.DataFrame]) -> None:
    table = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2")).reml().information_criteria()
    assert table["k"].to_dict() == {"lme4": 3, "sas": 1, "spss": 2, "stata": 3}
    assert table.loc["sas", "n_bic"] == 6


def test_sas_subjects_are_the_highest_groups(egsingle_reml: bx.LikelihoodFit, hsb: pd.DataFrame) -> None:
    assert egsingle_reml.information_criteria().loc["sas", "n_bic"] == 60
    assert bx.Model("math ~ ses", hsb).reml().information_criteria().loc["sas", "n_bic"] == 7183


def test_aicc_of_too_few_rows() -> None:
    frame = pd.DataFrame({"y": [1.0, 3.0, 2.0, 5.0], "x": [1.0, 2.0, 3.0, 5.0]})
    fit = bx.Model("y ~ x", frame).ml()
    assert fit.n_parameters == 3
    assert fit.aicc == np.inf
    assert fit.information_criteria().loc["sas", "n_aicc"] == 5
