"""Likelihood-ratio tests between nested linear models of lme4's reference results.

chi-square to 1e-6, the tolerance of two criteria; p to 1e-6 relative, which a chi-square exact to 1e-7 gives.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx

HERE = Path(__file__).parent
MODELS = {model["id"]: model for model in json.loads((HERE / "lme4.json").read_text(encoding="utf-8"))["models"]}
PAIRS = json.loads((HERE / "lrt.json").read_text(encoding="utf-8"))["lrt"]


@pytest.fixture(scope="module")
def fit_of(dataset: Callable[[str], pd.DataFrame]) -> Callable[[str], bx.LikelihoodFit]:
    found: dict[str, bx.LikelihoodFit] = {}

    def fit(name: str) -> bx.LikelihoodFit:
        if name not in found:
            theirs = MODELS[name]
            data = dataset({"Hsb82": "hsb"}.get(theirs["dataset"], theirs["dataset"].lower()))
            model = bx.Model(
                theirs["formula"], data.rename(columns={"math": "mAch"} if "mAch" in theirs["formula"] else {})
            )
            found[name] = model.reml() if theirs["method"] == "REML" else model.ml()
        return found[name]

    return fit


def test_all_pairs_of_linear_models_are_here() -> None:
    assert len(PAIRS) == 22


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair['small']}-{pair['large']}")
def test_likelihood_ratio(pair: dict[str, Any], fit_of: Callable[[str], bx.LikelihoodFit]) -> None:
    small, large = fit_of(pair["small"]), fit_of(pair["large"])
    row = bx.lrt(large, small).table.iloc[1]
    assert row.name == large.design.specification.formula
    assert_allclose(row["chisq"], pair["chisq"], rtol=0, atol=1e-6)
    assert row["df"] == pair["df"]
    assert_allclose(row["p"], pair["p"], rtol=1e-6, atol=1e-300)
