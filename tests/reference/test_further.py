"""Models that are hard for lme4, which stops up to 88 above the optimum by default: against the best of its searches.

Criterion and estimates by the tolerances of test_reference.py; one-sided where lme4's searches did not meet.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx

FITS = json.loads((Path(__file__).parent / "further.json").read_text(encoding="utf-8"))["models"]


@pytest.mark.parametrize("case", FITS, ids=lambda case: f"{case['data']}: {case['formula']}")
def test_fits_are_those_of_lme4(case: dict[str, Any], dataset: Callable[[str], pd.DataFrame]) -> None:
    model = bx.Model(case["formula"], dataset(case["data"]))
    fit = model.reml() if case["reml"] else model.ml()
    assert fit.solution.certificate.holds
    assert fit.criterion <= case["criterion"] + 1e-6
    assert_allclose(fit.criterion, case["criterion"], rtol=0, atol=2e-6)
    assert_allclose(fit.sigma, case["sigma"], rtol=1e-5)
    rows = np.array(case["rows"]) - 1
    X = fit.design.fixed_values[rows]
    floor = 1e-5 * fit.sigma
    assert_allclose(X @ fit.solution.beta, case["mean"], rtol=1e-5, atol=floor)
    assert_allclose(np.sqrt(np.einsum("np,pq,nq->n", X, fit.solution.vcov, X)), case["se"], rtol=1e-4)
    assert_allclose(fit.fitted()[rows], case["fitted"], rtol=1e-5, atol=floor)


def test_lme4_stops_short_in_some() -> None:
    """What makes these models worth a test."""
    gaps = [case["default"] - case["criterion"] for case in FITS]
    assert max(gaps) > 80
    assert sum(gap > 1 for gap in gaps) >= 5
