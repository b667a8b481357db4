"""Responses drawn from chosen parameters: their moments, their frames, and what is refused."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixError, DataError, DesignError, FormulaError
from bayesmix.teaching.responses import open_design
from bayesmix.teaching.truth import read_truth
from tests.frames import dense_problem, random_frame

TRUTH: dict[Any, Any] = {
    "Intercept": 1.0,
    "x": 2.0,
    "sd(Intercept | g)": 1.5,
    "sd(x | g)": 0.5,
    "corr(Intercept, x | g)": -0.6,
    "sigma": 0.7,
}
FORMULA = "y ~ x + (x | g)"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return bx.nested_frame({"g": 4, "row": (2, 3)}, predictors={"x": "row"}, seed=3)


def drawn(formula: str, truth: Mapping[Any, Any], data: pd.DataFrame, n: int = 4000, **options: Any) -> np.ndarray:
    return np.array([found["y"] for found in bx.simulate(formula, truth, data=data, n=n, seed=5, **options)])


def assert_moments(values: np.ndarray, mean: np.ndarray, V: np.ndarray) -> None:
    """Means and covariances within five of their standard errors."""
    n = len(values)
    assert (np.abs(values.mean(axis=0) - mean) < 5 * np.sqrt(np.diag(V) / n)).all()
    errors = np.sqrt((np.outer(np.diag(V), np.diag(V)) + V**2) / n)
    assert (np.abs(np.cov(values.T) - V) < 5 * errors).all()


def test_mean_and_covariance_of_all_rows(frame: pd.DataFrame) -> None:
    Z = np.column_stack([np.ones(len(frame)), frame["x"]])
    sigma = np.array([[2.25, -0.45], [-0.45, 0.25]])
    same = frame["g"].to_numpy()[:, None] == frame["g"].to_numpy()
    V = np.where(same, Z @ sigma @ Z.T, 0.0) + 0.49 * np.eye(len(frame))
    assert_moments(drawn(FORMULA, TRUTH, frame), Z @ [1.0, 2.0], V)


def test_weights_offset_and_crossed_levels() -> None:
    frame = pd.DataFrame(
        {
            "a": [1, 1, 2, 2, 3, 3, 1, 2],
            "b": ["p", "q", "p", "q", "p", "q", "p", "q"],
            "w": [1.0, 2, 4, 1, 2, 4, 1, 8],
            "o": np.arange(8.0),
        }
    )
    truth = {"Intercept": 3, "sd(Intercept | a)": 1, "sd(Intercept | b)": 2, "sigma": 1.5}
    values = drawn("y ~ 1 + offset(o) + (1 | a) + (1 | b)", truth, frame, weights="w")
    a, b = (frame[name].to_numpy()[:, None] == frame[name].to_numpy() for name in ("a", "b"))
    assert_moments(values, 3 + frame["o"].to_numpy(), 1.0 * a + 4.0 * b + np.diag(2.25 / frame["w"]))


def test_every_kind_of_design_has_the_covariance_of_its_model(rng: np.random.Generator) -> None:
    """The parameters of a fit, given by name, are those of the fit: both V are the same."""
    data = random_frame(rng)
    for formula in ("y ~ x * f + (f | top) + (x | top:inner)", "y ~ 0 + x + (x || top/inner)", "y ~ x + (1 | f)"):
        fit = bx.Model(formula, data).reml()
        table = fit.variance_components()["estimate"]
        truth: dict[Any, Any] = fit.fixed_effects()["estimate"].to_dict()
        truth |= {key: value for key, value in table.items() if not key[1].startswith("corr(")}
        chosen = read_truth(fit.design, truth)
        problem, covariances = dense_problem(fit)
        ours = [chosen.sigma**2 * root @ root.T for root in chosen.factors]
        assert_allclose(problem.variance(ours, chosen.sigma**2), problem.variance(covariances, fit.sigma**2))
        assert_allclose(chosen.beta, fit.parameters.beta[0, 0])


@pytest.mark.parametrize(
    "other",
    [
        {"var(Intercept | g)": 2.25, "var(x|g)": 0.25, "cov(x, Intercept | g)": -0.45},
        {"1|g_sigma": 1.5, "x|g_sigma": 0.5, "cor(Intercept, x | g)": -0.6},
        {("g", "sd(Intercept)"): 1.5, ("g", "sd(x)"): 0.5, ("g", "corr(Intercept,x)"): -0.6},
        {"g": {"sd(Intercept)": 1.5, "var(x)": 0.25, "cor(Intercept, x)": -0.6}},
        {"g": [[2.25, -0.45], [-0.45, 0.25]]},
        {"g": pd.DataFrame([[2.25, -0.45], [-0.45, 0.25]])},
    ],
)
def test_every_way_of_naming_says_the_same(frame: pd.DataFrame, other: dict[Any, Any]) -> None:
    design = open_design(bx.Model(FORMULA, frame.assign(y=np.arange(len(frame)))).specification, frame)[1]
    root = read_truth(design, TRUTH).factors[0]
    for sigma in ({"sigma": 0.7}, {"sigma2": 0.49}, {("residual", "sd"): 0.7}, {"residual": {"var": 0.49}}):
        found = read_truth(design, {"Intercept": 1, "x": np.float64(2)} | other | sigma)
        assert_allclose(found.factors[0] @ found.factors[0].T, root @ root.T, rtol=1e-12)
        assert_allclose(found.beta, [1, 2])
    assert_allclose(read_truth(design, pd.Series(TRUTH)).factors[0], root)


def test_frames_are_the_callers_own_with_a_response(frame: pd.DataFrame) -> None:
    before = frame.copy()
    first, second = bx.simulate(FORMULA, TRUTH, data=frame.assign(note="kept"), n=2, seed=1)
    assert list(first) == [*frame, "note", "y"] and (first["note"] == "kept").all()
    assert not np.allclose(first["y"], second["y"])
    pd.testing.assert_frame_equal(frame, before)
    again = bx.simulate(FORMULA, TRUTH, data=frame, n=2, seed=1)[1]
    pd.testing.assert_series_equal(again["y"], second["y"])
    (other,) = bx.simulate(FORMULA, TRUTH, data=pl.from_pandas(frame), seed=1)
    assert_allclose(other["y"], first["y"])
    (mapped,) = bx.simulate(FORMULA, TRUTH, data={name: frame[name].tolist() for name in frame}, seed=1)
    assert_allclose(mapped["y"], first["y"])


def test_a_model_keeps_rows_predictors_and_weights(hsb: pd.DataFrame) -> None:
    part = hsb.iloc[:400].assign(w=np.linspace(1, 3, 400))
    part.loc[part.index[3], "ses"] = np.nan
    model = bx.Model("math ~ ses * sector + (1 | school)", part, weights="w")
    truth = {"Intercept": 12, "ses": 2, "sector[Catholic]": 1, "ses:sector[Catholic]": 0, "sigma": 6}
    (found,) = bx.simulate(model, truth | {"sd(Intercept | school)": 2}, seed=1)
    assert set(found) == {"math", "ses", "sector", "school", "w"} and len(found) == 399
    again = bx.Model("math ~ ses * sector + (1 | school)", found, weights="w")
    assert_allclose(again.design.values, model.design.values)
    assert_allclose(again.design.weights, model.design.weights)
    assert again.groups == model.groups and again.design.levels[0].grouping.labels[0] == "1224"
    (given,) = bx.simulate(bx.Model("math ~ 1", part, weights=part["w"]), {"Intercept": 0, "sigma": 1})
    assert list(given) == ["math", "weights"]


def test_least_squares_and_singular_covariances(frame: pd.DataFrame) -> None:
    """No levels; an effect without variance; effects that move together."""
    values = drawn("y ~ x", {"Intercept": 1, "x": 2, "sigma": 0.5}, frame)
    assert_moments(values, 1 + 2 * frame["x"].to_numpy(), 0.25 * np.eye(len(frame)))
    truth = TRUTH | {"sd(x | g)": 0, "corr(Intercept, x | g)": 0}
    same = frame["g"].to_numpy()[:, None] == frame["g"].to_numpy()
    V = 2.25 * same + 0.49 * np.eye(len(frame))
    assert_moments(drawn(FORMULA, truth, frame), 1 + 2 * frame["x"].to_numpy(), V)
    together = TRUTH | {"corr(Intercept, x | g)": 1}
    (found,) = bx.simulate(FORMULA, together | {"sigma": 1e-9}, data=frame, seed=1)
    lines = np.array([np.polyfit(rows["x"], rows["y"], 1) for _, rows in found.groupby("g")])
    assert_allclose((lines[:, 0] - 2) / (lines[:, 1] - 1), 1 / 3, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"x": None}, "'x' is None"),
        ({"x": float("nan")}, "'x' is nan"),
        ({"x": "two"}, "'x' is 'two'"),
        ({"x": [1, 2]}, "'x' is [1, 2]"),
        ({"z": 1}, "no parameter 'z'"),
        ({"sigma": 0}, "sigma=0"),
        ({"sigma": -1}, "is -1"),
        ({"sigma2": 1}, "'sigma' and 'sigma2' are both given"),
        ({"sd(x | g)": -0.1}, "is -0.1"),
        ({"corr(Intercept, x | g)": 1.2}, "is 1.2"),
        ({"cov(Intercept, x | g)": 0}, "both given"),
        ({"sd(x|g)": 1}, "given twice"),
        ({"sd(x | h)": 1}, "no parameter 'sd(x | h)'"),
        ({"corr(x, z | g)": 0}, "no parameter 'corr(x,z | g)'"),
        ({3: 1}, "called 3"),
        ({"g": {"sd(z)": 1}}, "no parameter 'sd(z | g)'"),
    ],
)
def test_wrong_parameters(frame: pd.DataFrame, change: dict[Any, Any], part: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        bx.simulate(FORMULA, TRUTH | change, data=frame)
    assert part in caught.value.found


def test_missing_parameters_are_named(frame: pd.DataFrame) -> None:
    with pytest.raises(ArgumentError) as caught:
        bx.simulate(FORMULA, {"Intercept": 1, "sd(x | g)": 1}, data=frame)
    assert caught.value.found == ("The parameters lack 'x', 'sigma', 'sd(Intercept | g)', 'corr(Intercept, x | g)'.")
    with pytest.raises(ArgumentError, match=r"Did you mean 'sd\(Intercept \| g\)'"):
        bx.simulate(FORMULA, {**TRUTH, "sd(intercept | g)": 1}, data=frame)


@pytest.mark.parametrize(
    ("formula", "matrix", "part"),
    [
        (FORMULA, [[1, 2], [2, 1]], "make no covariance matrix"),
        (FORMULA, [[1, 2], [0, 1]], "The covariance matrix of 'g' is"),
        (FORMULA, [[1.0]], "The covariance matrix of 'g' is"),
        (FORMULA, [["a", "b"], ["b", "a"]], "The covariance matrix of 'g' is"),
        ("y ~ x + (x || g)", [[1, 0.2], [0.2, 1]], "has 0.2 for Intercept and x"),
    ],
)
def test_wrong_matrices(frame: pd.DataFrame, formula: str, matrix: Any, part: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        bx.simulate(formula, {"Intercept": 1, "x": 2, "sigma": 1, "g": matrix}, data=frame)
    assert part in caught.value.found


def test_a_dropped_effect_is_no_parameter(frame: pd.DataFrame) -> None:
    truth = {"Intercept": 1, "x": 1, "sd(Intercept | g)": 1, "sigma": 1}
    data = frame.assign(twice=2 * frame["x"])
    with pytest.warns(bx.BayesmixWarning, match="'twice'"):
        assert len(bx.simulate("y ~ x + twice + (1 | g)", truth, data=data)) == 1
    with pytest.warns(bx.BayesmixWarning, match="'twice'"), pytest.raises(ArgumentError, match="was dropped"):
        bx.simulate("y ~ x + twice + (1 | g)", truth | {"twice": 1}, data=data)


@pytest.mark.parametrize(
    ("arguments", "options", "kind"),
    [
        ((FORMULA, TRUTH), {}, ArgumentError),
        ((FORMULA, TRUTH), {"data": 3}, DataError),
        ((FORMULA, TRUTH), {"data": pd.DataFrame()}, DataError),
        ((FORMULA, TRUTH), {"data": pd.DataFrame({"g": [1, 1, 2, 2]})}, DataError),
        ((FORMULA, TRUTH), {"data": pd.DataFrame({"g": [1, 1, 2, 2] * 3, "x": [None, 1.0, 2.0] * 4})}, DataError),
        ((FORMULA, TRUTH), {"data": pd.DataFrame({"g": [1, 1], "x": [0.0, 1]})}, DesignError),
        ((FORMULA, [1, 2]), {}, ArgumentError),
        ((FORMULA, None), {}, ArgumentError),
        ((None, TRUTH), {}, ArgumentError),
        (("y ~ ", TRUTH), {}, FormulaError),
        ((FORMULA, TRUTH | {"Intercept": 1e308, "sigma": 1e308}), {}, ArgumentError),
        (("log(y) ~ x + (x | g)", TRUTH), {}, ArgumentError),
        ((FORMULA, TRUTH), {"n": 0}, ArgumentError),
        ((FORMULA, TRUTH), {"n": 10**9}, ArgumentError),
        ((FORMULA, TRUTH), {"seed": -1}, ArgumentError),
        ((FORMULA, TRUTH), {"weights": "w"}, DataError),
        ((FORMULA, TRUTH), {"random_seed": 1}, ArgumentError),
    ],
)
def test_refused(frame: pd.DataFrame, arguments: tuple[Any, Any], options: dict[str, Any], kind: type) -> None:
    given = {} if arguments == (FORMULA, TRUTH) and not options else {"data": frame}
    with pytest.raises(kind) as caught:
        bx.simulate(*arguments, **(given | options))
    assert isinstance(caught.value, BayesmixError) and caught.value.remedy


def test_a_model_and_data_are_one_too_many(hsb_model: bx.Model, hsb_reml: bx.LikelihoodFit, hsb: pd.DataFrame) -> None:
    with pytest.raises(ArgumentError, match="A model was given, and data"):
        bx.simulate(hsb_model, {}, data=hsb)
    with pytest.raises(ArgumentError, match=r"fit\.simulate"):
        bx.simulate(hsb_reml, {})
