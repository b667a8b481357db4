"""Every group left out and the model fitted again: against influence() of lme4, nested and crossed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx

CASES = json.loads((Path(__file__).parent / "influence.json").read_text(encoding="utf-8"))["cases"]

# lme4's variances are those of a search without derivatives, good to about 1e-6 of themselves; fixed effects of these
# balanced data hardly depend on them, errors and determinants do.
LOOSE = 3e-5


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["level"])
def test_as_lme4(case: dict[str, Any], dataset: Callable[[str], pd.DataFrame]) -> None:
    """lme4 multiplies Cook's distance by (J - p)/J."""
    fit = bx.Model(case["formula"], dataset(case["data"])).reml()
    found = fit.influence(case["level"], refit=True, groups=case["groups"])
    change, p = np.array(case["dfbeta"]), len(fit.design.fixed_names)
    J = len(change)
    se = np.sqrt(np.diag(fit.solution.vcov))
    assert_allclose(found.coefficients["change"].to_numpy().reshape(J, p) / se, change / se, rtol=0, atol=1e-8)
    assert_allclose(found.coefficients["dfbetas"].to_numpy().reshape(J, p), case["dfbetas"], rtol=LOOSE, atol=1e-6)
    assert_allclose(found.table["cooks_distance"] * (J - p) / J, case["cooks_distance"], rtol=1e-6, atol=1e-9)
    assert_allclose(found.table["covratio"], case["covratio"], rtol=LOOSE)
    assert_allclose(found.table["covtrace"], case["covtrace"], rtol=0, atol=LOOSE)
    assert found.components is not None
    components = found.components["change"].unstack(["level", "parameter"], sort=False)
    components = components.loc[:, [not name.startswith("corr") for _, name in components.columns]]
    # lme4 puts the residual first, and the covariance between the variances.
    order = ["var", "var(Intercept)", "cov(Intercept,Days)", "var(Days)"]
    names = components.columns.get_level_values("parameter")
    places = sorted(range(len(names)), key=lambda i: (order.index(names[i]), i))
    theirs, size = np.array(case["variances"]), fit.sigma**2
    assert_allclose(components.to_numpy()[:, places] / size, theirs / size, rtol=0, atol=LOOSE)
