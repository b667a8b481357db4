"""Predictions, comparisons and slopes: L beta by hand, derivatives by hand, averages with their covariances."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixError
from bayesmix.results.interpret import Interpretation
from tests import dense
from tests.bayes import Fits
from tests.frames import dense_problem, random_frame

Z = stats.norm.ppf(0.975)


@pytest.fixture(scope="module")
def full(hsb: pd.DataFrame) -> bx.LikelihoodFit:
    return bx.Model("math ~ ses * sector + meanses + (ses | school)", hsb).reml()


def check(found: Interpretation, L: np.ndarray, fit: bx.LikelihoodFit) -> None:
    """Against L beta."""
    V, beta = fit.vcov().to_numpy(), fit.fixed_effects()["estimate"].to_numpy()
    assert_allclose(found.summary["estimate"], L @ beta, rtol=1e-8)
    assert_allclose(found.summary["se"], np.sqrt(np.diag(L @ V @ L.T)), rtol=1e-8)
    assert_allclose(found.summary["ci_high"] - found.summary["estimate"], Z * found.summary["se"])
    assert found.covariance is not None and found.draws is None
    assert_allclose(found.covariance, L @ V @ L.T, rtol=1e-7, atol=1e-12)
    assert "normal" in found.summary.attrs["note"]


# Columns of X: Intercept, ses, sector[Catholic], meanses, ses:sector[Catholic].


def test_grid(full: bx.LikelihoodFit, hsb: pd.DataFrame) -> None:
    """Others at their mean or most frequent label, as Bambi; the grid is every combination, the last fastest."""
    assert full.design.fixed_names == ("Intercept", "ses", "sector[Catholic]", "meanses", "ses:sector[Catholic]")
    mean = hsb["meanses"].mean()
    found = bx.predictions(full, {"ses": [0, 2], "sector": ["Public", "Catholic"]})
    L = [[1, s, c, mean, s * c] for s in (0, 2) for c in (0, 1)]
    check(found, np.array(L, float), full)
    assert found.summary["sector"].astype(str).tolist() == ["Public", "Catholic"] * 2
    assert_allclose(found.summary["meanses"], mean)
    only = bx.predictions(full, "ses")
    assert len(only.summary) == 50 and set(only.summary["sector"]) == {"Public"}  # 3642 of 7185
    assert_allclose(only.summary["ses"].iloc[[0, -1]], [hsb["ses"].min(), hsb["ses"].max()])
    assert_allclose(bx.predictions(full, ["sector", "ses"]).summary["estimate"].head(50), only.summary["estimate"])
    assert repr(found) == repr(found.summary) and "<table" in found._repr_html_()


def test_rows_and_averages(full: bx.LikelihoodFit) -> None:
    """Averages of rows with the covariances between them: the mean row of X."""
    X = full.design.fixed_values
    rows = bx.predictions(full)
    assert len(rows.summary) == 7185 and rows.covariance is None
    assert_allclose(rows.summary["estimate"], X @ full.fixed_effects()["estimate"])
    assert_allclose(rows.summary["se"] ** 2, np.einsum("na,ab,nb->n", X, full.vcov(), X))
    check(bx.predictions(full, average_by="all"), X.mean(axis=0, keepdims=True), full)
    catholic = X[:, 2] == 1
    found = bx.predictions(full, average_by="sector")
    check(found, np.array([X[~catholic].mean(axis=0), X[catholic].mean(axis=0)]), full)
    assert found.summary["sector"].astype(str).tolist() == ["Public", "Catholic"]


def test_comparisons(full: bx.LikelihoodFit, hsb: pd.DataFrame) -> None:
    found = bx.comparisons(full, "sector", {"ses": [-1, 1]})
    check(found, np.array([[0, 0, 1, 0, -1], [0, 0, 1, 0, 1.0]]), full)
    assert found.summary["value"].tolist() == ["Public_vs_Catholic"] * 2
    assert found.summary["term"].tolist() == ["sector"] * 2
    average = bx.comparisons(full, "sector", average_by="all")
    check(average, np.array([[0, 0, 1, 0, hsb["ses"].mean()]]), full)
    by_value = bx.comparisons(full, {"ses": [0, 1, 3]}, "sector")
    assert list(dict.fromkeys(by_value.summary["value"])) == ["0_vs_1", "0_vs_3", "1_vs_3"]
    steps = np.array([1, 1, 3, 3, 2, 2.0])
    check(by_value, np.array([[0, s, 0, 0, s * (i % 2)] for i, s in enumerate(steps)]), full)
    half = bx.comparisons(full, "ses", "sector")
    check(half, np.array([[0, 1, 0, 0, 0], [0, 1, 0, 0, 1.0]]), full)


@pytest.mark.parametrize("kind", ["ratio", "lift"])
def test_delta_method(kind: str, full: bx.LikelihoodFit) -> None:
    """By the numerical gradient in beta."""
    X = full.design.fixed_values
    public, catholic = X.copy(), X.copy()
    public[:, [2, 4]] = 0.0
    catholic[:, 2], catholic[:, 4] = 1.0, X[:, 1]

    def value(beta: np.ndarray) -> np.ndarray:
        a, b = public @ beta, catholic @ beta
        return np.mean(b / a if kind == "ratio" else b / a - 1, keepdims=True)

    beta = full.fixed_effects()["estimate"].to_numpy()
    gradient = dense.central_difference(value, beta)[:, 0]
    found = bx.comparisons(full, "sector", comparison=kind, average_by="all").summary
    assert_allclose(found["estimate"], value(beta), rtol=1e-10)
    assert_allclose(found["se"], np.sqrt(gradient @ full.vcov().to_numpy() @ gradient), rtol=1e-7)
    assert found["estimate_type"].tolist() == [kind]


def test_slopes(full: bx.LikelihoodFit, hsb: pd.DataFrame) -> None:
    check(bx.slopes(full, "ses", "sector"), np.array([[0, 1, 0, 0, 0], [0, 1, 0, 0, 1.0]]), full)
    share = (hsb["sector"] == "Catholic").mean()
    found = bx.slopes(full, "ses", average_by="all")
    check(found, np.array([[0, 1, 0, 0, share]]), full)
    assert list(found.summary.columns[:2]) == ["term", "estimate_type"]
    found = bx.slopes(full, {"ses": 2.0}, "sector", eps=0.1)
    check(found, np.array([[0, 1, 0, 0, 0], [0, 1, 0, 0, 1.0]]), full)
    assert_allclose(found.summary["value"], 2.0)


def test_slopes_of_transforms(rng: np.random.Generator) -> None:
    """log, powers and orthogonal polynomials: the derivative of the formula at each row's own value."""
    frame = random_frame(rng)
    frame["t"] = rng.uniform(0.01, 30, size=len(frame))
    fit = bx.Model("y ~ log(t) + I(x^3) + t:z + (1 | top)", frame).reml()
    estimate = fit.fixed_effects()["estimate"]
    found = bx.slopes(fit, "t").summary
    assert_allclose(found["value"], frame["t"])
    by_hand = estimate["log(t)"] / frame["t"] + estimate["t:z"] * frame["z"]
    assert_allclose(found["estimate"], by_hand, rtol=1e-7)
    V = fit.vcov().to_numpy()
    L = np.zeros((120, 4))
    L[:, list(estimate.index).index("log(t)")], L[:, list(estimate.index).index("t:z")] = 1 / frame["t"], frame["z"]
    assert_allclose(found["se"], np.sqrt(np.einsum("na,ab,nb->n", L, V, L)), rtol=1e-7)
    cubic = bx.slopes(fit, "x", average_by="all").summary
    assert_allclose(cubic["estimate"], 3 * estimate["I(x^3)"] * np.mean(frame["x"] ** 2), rtol=1e-8)
    raw = bx.Model("y ~ x + I(x^2) + (1 | top)", frame).reml()
    orthogonal = bx.Model("y ~ poly(x, 2) + (1 | top)", frame).reml()
    at = {"x": 18.0}
    one, two = (bx.slopes(fit, at, []).summary[["estimate", "se"]] for fit in (raw, orthogonal))
    assert_allclose(one, two, rtol=1e-6)


def test_kinds_of_slope(full: bx.LikelihoodFit) -> None:
    beta, V = full.fixed_effects()["estimate"].to_numpy(), full.vcov().to_numpy()
    x = np.array([1.0, 2.0, 1.0, 0.1, 2.0])
    wanted: dict[str, Callable[[np.ndarray], Any]] = {
        "eyex": lambda b: (b[1] + b[4]) * 2.0 / (x @ b),
        "eydx": lambda b: (b[1] + b[4]) / (x @ b),
        "dyex": lambda b: (b[1] + b[4]) * 2.0,
    }
    for kind, value in wanted.items():
        found = bx.slopes(full, {"ses": 2.0}, {"sector": "Catholic", "meanses": 0.1}, slope=kind).summary
        gradient = dense.central_difference(lambda b, value=value: np.array([value(b)]), beta)[:, 0]
        assert_allclose(found["estimate"], value(beta), rtol=1e-9)
        assert_allclose(found["se"], np.sqrt(gradient @ V @ gradient), rtol=1e-7)


def test_known_groups(hsb_reml: bx.LikelihoodFit) -> None:
    """The slope of a school is its coefficient, with its standard deviation."""
    labels = list(hsb_reml.design.levels[0].grouping.labels)
    found = bx.slopes(hsb_reml, "ses", "school", groups="known").summary
    expected = hsb_reml.coefficients().xs("ses", level="effect")
    assert found["school"].astype(str).tolist() == labels
    assert_allclose(found["estimate"], expected["estimate"], rtol=1e-7)
    assert_allclose(found["se"], expected["sd"], rtol=1e-7)
    average = bx.predictions(hsb_reml, groups="known", average_by="all").summary
    assert_allclose(average["estimate"], hsb_reml.fitted().mean())


def test_averages_over_known_groups(rng: np.random.Generator) -> None:
    """With the joint covariance of fixed and group effects, dense."""
    fit = bx.Model("y ~ x + (x | top/inner)", random_frame(rng)).reml()
    problem, covariances = dense_problem(fit)
    joint = dense.effects_posterior(problem, covariances, fit.sigma**2, dense.Flat())
    L = np.hstack([problem.X, *(problem.effect_columns(level) for level in range(2))])
    top = fit.design.levels[1].grouping.codes
    weights = np.array([(top == g) / (top == g).sum() for g in range(8)])
    found = bx.predictions(fit, groups="known", average_by="top")
    expected = weights @ L @ joint.covariance @ L.T @ weights.T
    assert_allclose(found.summary["estimate"], weights @ L @ joint.mean, rtol=1e-8)
    assert_allclose(found.covariance, expected, rtol=1e-6, atol=1e-9 * expected.max())


# A posterior


def test_posterior(hsb_fits: Fits, hsb: pd.DataFrame) -> None:
    """Of every draw; averages within draws."""
    post = hsb_fits.post
    beta = post.parameters.beta
    found = bx.comparisons(post, {"ses": [0, 2]}, [])
    assert found.draws is not None and found.draws.dims == ("chain", "draw", "row") and found.covariance is None
    assert_allclose(found.draws[..., 0], 2 * beta[..., 1], rtol=1e-10)
    row = found.summary.iloc[0]
    values = 2 * beta[..., 1]
    assert_allclose([row["mean"], row["sd"]], [values.mean(), values.std(ddof=1)])
    assert_allclose([row["ci_low"], row["ci_high"]], np.quantile(values, [0.025, 0.975]))
    average = bx.predictions(post, average_by="all")
    assert average.draws is not None
    assert_allclose(average.draws[..., 0], beta[..., 0] + hsb["ses"].mean() * beta[..., 1])
    ratio = bx.comparisons(post, {"ses": [0, 2]}, [], comparison=lambda a, b: b / a)
    assert ratio.draws is not None
    assert_allclose(ratio.draws[..., 0], (beta[..., 0] + 2 * beta[..., 1]) / beta[..., 0])
    elasticity = bx.slopes(post, {"ses": 1.0}, [], slope="eyex", prob=0.5).summary
    assert_allclose(elasticity["mean"], np.mean(beta[..., 1] / beta.sum(axis=-1)), rtol=1e-8)


def test_posterior_of_known_groups(hsb_fits: Fits, hsb: pd.DataFrame) -> None:
    post = hsb_fits.post
    found = bx.slopes(post, "ses", "school", groups="known").summary
    assert_allclose(found["mean"], post.coefficients().xs("ses", level="effect")["mean"], rtol=1e-7)
    by_school = bx.predictions(post, groups="known", average_by="school")
    assert by_school.draws is not None
    means = hsb.groupby("school", observed=True)["ses"].mean().to_numpy()
    fixed, effects = post.parameters.beta, post.effect_values(0)
    coefficients = fixed[:, :, None, :] + effects
    assert_allclose(by_school.draws, coefficients[..., 0] + means * coefficients[..., 1], rtol=1e-9)


def test_same_surface(hsb_fits: Fits) -> None:
    one, two = (bx.slopes(fit, "ses", average_by="all").summary for fit in (hsb_fits.reml, hsb_fits.post))
    assert list(one.columns) == ["term", "estimate_type", "estimate", "se", "ci_low", "ci_high"]
    assert list(two.columns) == ["term", "estimate_type", "mean", "sd", "ci_low", "ci_high"]
    assert_allclose(one["estimate"], two["mean"], atol=0.1 * one["se"].iloc[0])


# Data of other kinds


def test_categories(rng: np.random.Generator) -> None:
    """Numbers taken as labels, booleans, whole numbers, and group means in the formula."""
    frame = random_frame(rng).assign(dose=rng.choice([1, 2, 5], size=120), on=rng.random(120) < 0.7)
    fit = bx.Model("y ~ C(dose) + on + within(x, top) + (1 | top)", frame).reml()
    estimate = fit.fixed_effects()["estimate"]
    found = bx.comparisons(fit, "dose", []).summary
    assert found["value"].tolist() == ["1_vs_2", "1_vs_5", "2_vs_5"]
    doses = estimate[["C(dose)[2]", "C(dose)[5]"]].to_numpy()
    assert_allclose(found["estimate"], [*doses, doses[1] - doses[0]], rtol=1e-8)
    assert found["on"].tolist() == [True] * 3
    on = bx.comparisons(fit, "on", {"dose": [5]}).summary
    assert on["value"].tolist() == ["False_vs_True"]
    assert_allclose(on["estimate"], estimate["on[True]"], rtol=1e-8)
    assert bx.predictions(fit, "dose").summary["dose"].tolist() == [1, 2, 5]
    assert_allclose(bx.slopes(fit, "x", "dose").summary["estimate"], estimate["within(x, top)"], rtol=1e-8)


def test_no_levels_and_no_predictors(dataset: Callable[[str], pd.DataFrame]) -> None:
    fit = bx.Model("Reaction ~ Days", dataset("sleepstudy")).reml()
    estimate = fit.fixed_effects()["estimate"]
    assert_allclose(bx.slopes(fit, "Days", average_by="all").summary["estimate"], estimate["Days"])
    assert bx.predictions(fit, "Days").summary["Days"].tolist() == list(range(10))
    empty = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff")).reml()
    found = bx.predictions(empty, average_by="all").summary
    assert_allclose(found["estimate"], 1527.5)
    with pytest.raises(ArgumentError, match="no predictor"):
        bx.slopes(empty, "Days")
    with pytest.raises(ArgumentError, match="no levels"):
        bx.predictions(fit, groups="known")


WRONG: list[tuple[Callable[[Any], object], str]] = [
    (lambda fit: bx.predictions(fit, "sess"), "Did you mean 'ses'"),
    (lambda fit: bx.predictions(fit, "math"), "no predictor"),
    (lambda fit: bx.predictions(fit, 3), "conditional"),
    (lambda fit: bx.predictions(fit, {"ses": ["high"]}), "number"),
    (lambda fit: bx.predictions(fit, {"ses": [np.nan]}), "finite"),
    (lambda fit: bx.predictions(fit, {"ses": []}), "at least one"),
    (lambda fit: bx.predictions(fit, {"school": ["1224"]}), "no predictor"),
    (lambda fit: bx.predictions(fit, {"school": ["none"]}, groups="known"), "no label"),
    (lambda fit: bx.predictions(fit, average_by="school"), "average_by"),
    (lambda fit: bx.predictions(fit, average_by=True), "average_by"),
    (lambda fit: bx.predictions(fit, average_by=[["ses"]]), "average_by"),
    (lambda fit: bx.slopes(fit, {"ses": [1, 2]}), "one number"),
    (lambda fit: bx.comparisons(fit, "school", groups="known"), "12720 pairs"),
    (lambda fit: bx.predictions(fit, groups="new"), "'population'"),
    (lambda fit: bx.predictions(fit, target="sigma"), "'mean'"),
    (lambda fit: bx.predictions(fit, use_hdi=True), "equal-tailed"),
    (lambda fit: bx.predictions(fit, prob=95), "0.95"),
    (lambda fit: bx.predictions(fit, sample_new_groups=True), "no keyword"),
    (lambda fit: bx.comparisons(fit, "sess"), "Did you mean 'ses'"),
    (lambda fit: bx.comparisons(fit, {"ses": 1}), "at least two"),
    (lambda fit: bx.comparisons(fit, {"ses": [1, 2], "x": [1]}), "one predictor"),
    (lambda fit: bx.comparisons(fit, None), "one predictor"),
    (lambda fit: bx.comparisons(fit, "ses", "ses"), "change is asked for"),
    (lambda fit: bx.comparisons(fit, "ses", comparison="difference"), "'lift'"),
    (lambda fit: bx.slopes(fit, "ses", slope="dx"), "'eyex'"),
    (lambda fit: bx.slopes(fit, "ses", eps=0), "positive"),
    (lambda fit: bx.slopes(fit, "ses", eps="x"), "positive"),
    (lambda fit: bx.slopes(fit, {"ses": "x"}), "number"),
    (lambda fit: bx.slopes(fit, "school", groups="known"), "comparisons"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_wrong_use(call: Callable[[Any], object], message: str, hsb_fits: Fits) -> None:
    for fit in (hsb_fits.reml, hsb_fits.post):
        with pytest.raises(BayesmixError, match=message):
            call(fit)


def test_not_a_fit(hsb_fits: Fits) -> None:
    with pytest.raises(ArgumentError, match=r"model\.reml"):
        bx.predictions(hsb_fits.model)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="needs draws"):
        bx.comparisons(hsb_fits.reml, "ses", comparison=lambda a, b: b - a)


def test_nothing_is_changed(hsb_fits: Fits) -> None:
    before = hsb_fits.reml.design.columns_read["ses"].values.copy()
    summary = bx.predictions(hsb_fits.reml).summary
    summary["ses"] = 0.0
    assert_array_equal(hsb_fits.reml.design.columns_read["ses"].values, before)
