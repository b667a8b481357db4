"""R's model.matrix for polynomials, contrasts and ordered factors, and lme4's fits with them and with weights.

Tolerances: columns to 1e-12 of their size (R's own orthogonal polynomials of degree 9 to 1e-10, and to 1e-8 where they
are extrapolated); of the fits the criterion to 1e-6 and estimates to 1e-5, for the reasons given in test_reference.py;
lme4 stops a little short of the optimum, so that relative factors are compared to 1e-5 of the largest.
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
from bayesmix.design import Design, build_design
from bayesmix.specification import parse_formula

REFERENCE = json.loads((Path(__file__).parent / "language.json").read_text(encoding="utf-8"))

# The weights of the fits, as R computes them and as pandas does.
WEIGHTS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "1 + Days %% 3": lambda d: 1 + d["Days"] % 3,
    "age / 100": lambda d: d["age"] / 100,
    "1 + 2 * (sex == 'Female')": lambda d: 1 + 2 * (d["sex"] == "Female"),
    "exp(year / 4)": lambda d: np.exp(d["year"] / 4),
    "1000 * (1 + (seq_along(strength) - 1) %% 4)": lambda d: 1000.0 * (1 + np.arange(len(d)) % 4),
}


def coded(records: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(records)
    frame["u"] = pd.Categorical(frame["u"], ["b3", "b1", "b2"])
    frame["f"] = pd.Categorical(frame["f"], ["low", "mid", "high", "top"], ordered=True)
    return frame


def design_of(call: str) -> Design:
    """R names the reference by its place, bayesmix by its label."""
    right = call.removeprefix("model.matrix(~ ").removesuffix(")").replace("base = 2", "b1")
    frame = coded(REFERENCE["frame"])
    return build_design(parse_formula(f"y ~ {right}"), frame.assign(y=np.arange(len(frame)) ** 2.0))


MATRICES = REFERENCE["matrices"]


@pytest.mark.parametrize("case", MATRICES, ids=lambda case: case["call"])
def test_columns_are_those_of_r(case: dict[str, Any]) -> None:
    design = design_of(case["call"])
    expected = np.array(case["columns"])
    size = np.maximum(np.abs(expected).max(axis=0), 1.0)
    rtol = 1e-10 if "poly(x, 9)" in case["call"] else 1e-12
    assert_allclose(design.fixed_values / size, expected / size, rtol=0, atol=rtol)


@pytest.mark.parametrize("case", MATRICES, ids=lambda case: case["call"])
def test_new_data_are_coded_as_r_predicts(case: dict[str, Any]) -> None:
    """The fit's polynomials and contrasts, in rows of which not all labels are left, and out of its range."""
    expected = np.array(case["new"])
    found = design_of(case["call"]).encode(coded(REFERENCE["new"]), groups=False).fixed
    size = np.maximum(np.abs(expected).max(axis=0), 1.0)
    rtol = 1e-8 if "poly(x, 9)" in case["call"] else 1e-12
    assert_allclose(found / size, expected / size, rtol=0, atol=rtol)


NAMES = {
    "poly(x, 2) * u": "Intercept|poly(x, 2)[1]|poly(x, 2)[2]|u[b1]|u[b2]|poly(x, 2)[1]:u[b1]|poly(x, 2)[2]:u[b1]|"
    "poly(x, 2)[1]:u[b2]|poly(x, 2)[2]:u[b2]",
    "poly(x, 3, raw = TRUE)": "Intercept|poly(x, 3, raw)[1]|poly(x, 3, raw)[2]|poly(x, 3, raw)[3]",
    "C(u, contr.sum)": "Intercept|C(u, Sum)[S.b3]|C(u, Sum)[S.b1]",
    "C(u, contr.helmert) * z": "Intercept|C(u, Helmert)[H.b1]|C(u, Helmert)[H.b2]|z|C(u, Helmert)[H.b1]:z|"
    "C(u, Helmert)[H.b2]:z",
    "C(u, contr.treatment, base = 2)": "Intercept|C(u, Treatment, b1)[b3]|C(u, Treatment, b1)[b2]",
    "C(f)": "Intercept|C(f)[.L]|C(f)[.Q]|C(f)[.C]",
    "C(f, contr.treatment)": "Intercept|C(f, Treatment)[mid]|C(f, Treatment)[high]|C(f, Treatment)[top]",
    "0 + f": "f[low]|f[mid]|f[high]|f[top]",
}


@pytest.mark.parametrize(("call", "names"), NAMES.items())
def test_names(call: str, names: str) -> None:
    assert design_of(f"model.matrix(~ {call})").fixed_names == tuple(names.split("|"))


def fit_of(case: dict[str, Any], data: pd.DataFrame) -> bx.LikelihoodFit:
    formula = case["formula"]
    for name in ("Machine", "grade"):
        if f"ordered({name})" in formula:
            formula = formula.replace(f"ordered({name})", name)
            data[name] = pd.Categorical(data[name], sorted(data[name].unique()), ordered=True)
    weights = None
    if case["weights"] is not None:
        data["w"], weights = WEIGHTS[case["weights"]](data), "w"
    model = bx.Model(formula, data, weights=weights)
    return model.reml() if case["reml"] else model.ml()


@pytest.mark.parametrize(
    "case", REFERENCE["fits"], ids=lambda c: f"{c['data']}: {c['formula']} {c['weights'] or ''} {c['reml']}"
)
def test_fits_are_those_of_lme4(case: dict[str, Any], dataset: Callable[[str], pd.DataFrame]) -> None:
    fit = fit_of(case, dataset(case["data"]))
    rows = np.array(case["rows"]) - 1
    assert_allclose(fit.criterion, case["criterion"], rtol=0, atol=1e-6)
    table = fit.fixed_effects()
    assert_allclose(table["estimate"], case["beta"], rtol=1e-5, atol=1e-6 * fit.sigma)
    assert_allclose(table["se"], case["se"], rtol=1e-5)
    assert_allclose(fit.sigma, case["sigma"], rtol=1e-6)
    assert_allclose(fit.theta, case["theta"], rtol=1e-5, atol=1e-5 * np.abs(case["theta"]).max())
    spread = np.std(fit.design.response)
    assert_allclose(fit.fitted()[rows], case["fitted"], rtol=0, atol=1e-6 * spread)
    assert_allclose(fit.residuals()[rows], case["response"], rtol=0, atol=1e-6 * spread)
    largest = 1.0 if fit.design.weights is None else float(np.sqrt(fit.design.weights.max()))
    assert_allclose(fit.residuals(kind="pearson")[rows], case["pearson"], rtol=0, atol=1e-6 * spread * largest)
