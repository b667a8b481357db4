"""The reading surface of a REML or ML fit: columns, indices, names, notes, and what is refused."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixError, BayesmixWarning
from tests.frames import random_frame


@pytest.fixture(scope="module")
def nested() -> bx.LikelihoodFit:
    """Two levels with different effects, one of them without a fixed counterpart."""
    frame = random_frame(np.random.default_rng(2), 200)
    return bx.Model("y ~ x + (x + z | top) + (1 | top:inner)", frame).reml()


@pytest.fixture(scope="module")
def plain(hsb: pd.DataFrame) -> bx.LikelihoodFit:
    return bx.Model("math ~ ses", hsb).reml()


# Scalars


def test_criteria(hsb_reml: bx.LikelihoodFit, hsb_model: bx.Model) -> None:
    """lme4's digits, and its counts: 2 fixed effects, 3 entries of theta, 1 residual variance."""
    assert hsb_reml.method == "REML"
    assert_allclose(hsb_reml.criterion, 46640.398254, atol=2e-6)
    assert_allclose(hsb_reml.loglik, -46640.398254 / 2, atol=1e-6)
    assert hsb_reml.n_parameters == 6
    assert_allclose(hsb_reml.aic, hsb_reml.criterion + 12)
    assert_allclose(hsb_reml.bic, hsb_reml.criterion + 6 * np.log(7185))
    ml = hsb_model.ml()
    assert ml.method == "ML"
    assert ml.criterion < hsb_reml.criterion + 20


def test_theta_and_covariances(nested: bx.LikelihoodFit) -> None:
    """theta holds the free entries of the relative factors, lowest level first, column by column."""
    theta = nested.theta
    assert theta.shape == (1 + 6,)
    found = nested.covariances()
    assert list(found) == ["top:inner", "top"]
    assert_allclose(found["top:inner"].to_numpy(), [[(nested.sigma * theta[0]) ** 2]])
    factor = np.zeros((3, 3))
    factor[[0, 1, 2, 1, 2, 2], [0, 0, 0, 1, 1, 2]] = theta[1:]
    assert_allclose(found["top"].to_numpy(), nested.sigma**2 * factor @ factor.T, rtol=1e-10, atol=1e-12)
    assert list(found["top"].index) == list(found["top"].columns) == ["Intercept", "x", "z"]


def test_vcov(hsb_reml: bx.LikelihoodFit) -> None:
    V = hsb_reml.vcov()
    assert list(V.index) == list(V.columns) == ["Intercept", "ses"]
    assert_allclose(np.sqrt(np.diag(V)), [0.189845, 0.118121], rtol=5e-6)


# Tables


def test_fixed_effects(hsb_reml: bx.LikelihoodFit) -> None:
    table = hsb_reml.fixed_effects(df="z")
    assert list(table.columns) == ["estimate", "se", "df", "t", "p", "ci_low", "ci_high"]
    assert table.index.name == "term"
    assert list(table.index) == ["Intercept", "ses"]
    assert_allclose(table["estimate"], [12.665023, 2.393813], rtol=1e-6)
    assert_allclose(table["se"], [0.189845, 0.118121], rtol=5e-6)
    assert (table["df"] == np.inf).all()
    assert_allclose(table["t"], table["estimate"] / table["se"])
    assert_allclose(table["p"], 2 * stats.norm.sf(np.abs(table["t"])))
    half = stats.norm.ppf(0.975) * table["se"]
    assert_allclose(table["ci_low"], table["estimate"] - half)
    assert_allclose(table["ci_high"], table["estimate"] + half)
    wide = hsb_reml.fixed_effects(df="z", prob=0.99)
    assert_allclose(wide["ci_high"] - wide["estimate"], stats.norm.ppf(0.995) * table["se"])


def test_the_default_is_satterthwaite(hsb_reml: bx.LikelihoodFit) -> None:
    pd.testing.assert_frame_equal(hsb_reml.fixed_effects(), hsb_reml.fixed_effects(df="satterthwaite"))
    assert_allclose(hsb_reml.fixed_effects()["df"], [145.5509, 157.5297], atol=5e-5)


def test_variance_components(hsb_reml: bx.LikelihoodFit) -> None:
    table = hsb_reml.variance_components()
    assert list(table.columns) == ["estimate", "sd", "se"]
    assert table.index.names == ["level", "parameter"]
    assert list(table.index) == [
        ("school", "var(Intercept)"),
        ("school", "var(ses)"),
        ("school", "cov(Intercept,ses)"),
        ("school", "corr(Intercept,ses)"),
        ("residual", "var"),
    ]
    assert_allclose(table["estimate"], [4.8286367, 0.4129294, -0.1542754, -0.109256, 36.8301646], rtol=3e-6)
    variances = table.index.get_level_values("parameter").str.startswith("var")
    assert_allclose(table.loc[variances, "sd"], np.sqrt(table.loc[variances, "estimate"]))
    assert table.loc[~variances, "sd"].isna().all()
    assert (table["se"] > 0).all()


def test_variance_components_of_several_levels(nested: bx.LikelihoodFit) -> None:
    assert list(nested.variance_components().index) == [
        ("top:inner", "var(Intercept)"),
        ("top", "var(Intercept)"),
        ("top", "var(x)"),
        ("top", "var(z)"),
        ("top", "cov(Intercept,x)"),
        ("top", "corr(Intercept,x)"),
        ("top", "cov(Intercept,z)"),
        ("top", "corr(Intercept,z)"),
        ("top", "cov(x,z)"),
        ("top", "corr(x,z)"),
        ("residual", "var"),
    ]


def test_independent_effects_have_no_covariance(dataset: Callable[[str], pd.DataFrame]) -> None:
    fit = bx.Model("Reaction ~ Days + (Days || Subject)", dataset("sleepstudy")).reml()
    parameters = [parameter for _, parameter in fit.variance_components().index]
    assert parameters == ["var(Intercept)", "var(Days)", "var"]


@pytest.mark.parametrize("kind", ["reml", "ml", "expected-reml", "expected-ml"])
def test_variance_component_errors(kind: str, hsb_reml: bx.LikelihoodFit) -> None:
    table = hsb_reml.variance_components(se=kind)
    assert (table["se"] > 0).all()
    if kind != "reml":
        assert not np.allclose(table["se"], hsb_reml.variance_components()["se"], rtol=1e-6)
        assert_allclose(table["se"], hsb_reml.variance_components()["se"], rtol=0.1)


def test_correlation_error_is_the_delta_method(hsb_reml: bx.LikelihoodFit) -> None:
    """Moving the estimates by their joint covariance moves the correlation by its standard error."""
    from bayesmix.inference.information import component_covariance

    C = component_covariance(hsb_reml.products, hsb_reml.solution)[1:, 1:]  # var, cov, var
    a, c, b = hsb_reml.covariances()["school"].to_numpy()[[0, 1, 1], [0, 0, 1]]

    def rho(v: np.ndarray) -> float:
        return float(v[1] / np.sqrt(v[0] * v[2]))

    at, step = np.array([a, c, b]), 1e-6
    slope = [(rho(at + step * e) - rho(at - step * e)) / (2 * step) for e in np.eye(3)]
    expected = np.sqrt(np.array(slope) @ C @ np.array(slope))
    assert_allclose(hsb_reml.variance_components().loc[("school", "corr(Intercept,ses)"), "se"], expected, rtol=1e-6)


def test_variance_components_refuse_other_errors(hsb_reml: bx.LikelihoodFit) -> None:
    with pytest.raises(ArgumentError, match="'robust'"):
        hsb_reml.variance_components(se="robust")


def test_icc_of_intercepts(dataset: Callable[[str], pd.DataFrame]) -> None:
    fit = bx.Model("strength ~ 1 + (1 | batch/cask)", dataset("pastes")).reml()
    table = fit.icc()
    assert list(table.columns) == ["estimate"]
    assert table.index.name == "level"
    assert list(table.index) == ["batch:cask", "batch"]
    variances = fit.variance_components()["estimate"]
    assert_allclose(table["estimate"], variances.iloc[:2] / variances.sum())
    assert "note" not in table.attrs


def test_icc_under_slopes(hsb_reml: bx.LikelihoodFit, hsb: pd.DataFrame) -> None:
    """The average over the rows of (1, ses) Sigma (1, ses)', and a note that says so (.1212 for HSB)."""
    table = hsb_reml.icc()
    Z = np.column_stack([np.ones(len(hsb)), hsb["ses"]])
    between = np.einsum("ni,ij,nj->n", Z, hsb_reml.covariances()["school"].to_numpy(), Z).mean()
    assert_allclose(table["estimate"], between / (between + hsb_reml.sigma**2), rtol=1e-10)
    assert_allclose(table["estimate"], 0.1212, atol=5e-5)
    assert "average over the rows" in table.attrs["note"]


def test_icc_with_weights(hsb: pd.DataFrame) -> None:
    """The average over the rows is weighted; the residual is that of a row of weight 1."""
    w = np.where(hsb["sex"] == "Female", 40.0, 10.0)
    fit = bx.Model("math ~ ses + (ses | school)", hsb, weights=w).reml()
    Z = np.column_stack([np.ones(len(hsb)), hsb["ses"]])
    between = np.average(np.einsum("ni,ij,nj->n", Z, fit.covariances()["school"].to_numpy(), Z), weights=w)
    assert_allclose(fit.icc()["estimate"], between / (between + fit.sigma**2), rtol=1e-10)


def test_weights_are_mentioned(hsb: pd.DataFrame) -> None:
    frame = hsb.head(400).assign(w=2.0)
    named = bx.Model("math ~ ses + (1 | school)", frame, weights="w")
    given = bx.Model("math ~ ses + (1 | school)", frame, weights=frame["w"].to_numpy())
    plain = bx.Model("math ~ ses + (1 | school)", frame)
    for model, words in ((named, "w (residual variance sigma^2 / weight)"), (given, "given (residual variance")):
        (line,) = [line for line in model.reml().summary().splitlines() if "Weights" in line]
        assert words in line
    assert "weights: w" in repr(named)
    assert "weights: given" in repr(given)
    assert "eights" not in plain.reml().summary() + repr(plain)


def test_residuals_by_kind(hsb: pd.DataFrame) -> None:
    w = np.where(hsb["sex"] == "Female", 4.0, 1.0)
    fit = bx.Model("math ~ ses + (1 | school)", hsb, weights=w).reml()
    assert_allclose(fit.residuals(), fit.design.response - fit.fitted(), rtol=1e-13)
    assert_allclose(fit.residuals(kind="pearson"), np.sqrt(w) * fit.residuals(), rtol=1e-13)
    plain = bx.Model("math ~ ses", hsb).reml()
    assert_array_equal(plain.residuals(kind="pearson"), plain.residuals())


def test_group_effects(nested: bx.LikelihoodFit) -> None:
    """One level, or all of them under one more index level; groups in the order of their labels."""
    one = nested.group_effects("top")
    assert list(one.columns) == ["estimate", "sd", "ci_low", "ci_high"]
    assert one.index.names == ["group", "effect"]
    labels = nested.design.levels[1].grouping.labels
    assert list(one.index) == [(label, effect) for label in labels for effect in ("Intercept", "x", "z")]
    half = stats.norm.ppf(0.975) * one["sd"]
    assert_allclose(one["ci_low"], one["estimate"] - half)
    assert_allclose(one["ci_high"], one["estimate"] + half)
    every = nested.group_effects()
    assert every.index.names == ["level", "group", "effect"]
    assert list(every.index.get_level_values("level").unique()) == ["top:inner", "top"]
    for level in ("top:inner", "top"):
        part = nested.group_effects(level)
        assert list(every.loc[level].index) == list(part.index)
        assert_array_equal(every.loc[level], part)


def test_labels_are_those_of_the_data(dataset: Callable[[str], pd.DataFrame]) -> None:
    for name, formula, group in (
        ("sleepstudy", "Reaction ~ Days + (Days | Subject)", "Subject"),
        ("dyestuff", "Yield ~ 1 + (1 | Batch)", "Batch"),
    ):
        frame = dataset(name)
        table = bx.Model(formula, frame).reml().group_effects()
        assert set(table.index.get_level_values("group")) == set(frame[group])


def test_kinds_of_variance(nested: bx.LikelihoodFit) -> None:
    """Diagnostic and prediction variance add up to the variance of the effect."""
    total = nested.covariances()["top"].to_numpy().diagonal()
    parts = [nested.group_effects("top", variance=kind)["sd"] ** 2 for kind in ("prediction", "diagnostic")]
    expected = np.tile(total, len(parts[0]) // 3)
    assert_allclose(parts[0] + parts[1], expected, rtol=1e-8)
    given = nested.group_effects("top")["sd"] ** 2
    assert (given <= parts[0] + 1e-9 * total.max()).all()
    with pytest.raises(ArgumentError, match="'comparative'"):
        nested.group_effects("top", variance="comparative")


def test_coefficients(nested: bx.LikelihoodFit) -> None:
    """Fixed plus group effect; z has no fixed counterpart and is reported as it is."""
    table = nested.coefficients("top")
    assert list(table.columns) == ["estimate", "sd", "ci_low", "ci_high"]
    effects = nested.group_effects("top")
    pd.testing.assert_index_equal(table.index, effects.index)
    fixed = nested.fixed_effects()["estimate"].reindex(table.index.get_level_values("effect")).fillna(0.0)
    assert_allclose(table["estimate"], fixed.to_numpy() + effects["estimate"])


def test_fitted_and_residuals(hsb_reml: bx.LikelihoodFit, hsb: pd.DataFrame) -> None:
    own = hsb_reml.coefficients("school")["estimate"].unstack("effect").loc[hsb["school"]]
    expected = own["Intercept"].to_numpy() + own["ses"].to_numpy() * hsb["ses"].to_numpy()
    assert_allclose(hsb_reml.fitted(), expected, rtol=1e-9)
    assert_allclose(hsb_reml.residuals(), hsb["math"] - expected, atol=1e-8)


# Refusals


def test_which_level(nested: bx.LikelihoodFit) -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'top:inner'"):
        nested.group_effects("top:iner")
    with pytest.raises(ArgumentError, match="no level 'school'"):
        nested.coefficients("school")


def test_without_levels(plain: bx.LikelihoodFit) -> None:
    for call in (plain.icc, plain.group_effects, plain.coefficients):
        with pytest.raises(ArgumentError, match="no levels"):
            call()
    assert list(plain.variance_components().index) == [("residual", "var")]
    assert "Linear model" in plain.summary()
    assert "Intraclass" not in plain.summary()


@pytest.mark.parametrize("prob", [95, 0.0])
def test_impossible_coverage(prob: float, hsb_reml: bx.LikelihoodFit) -> None:
    for call in (hsb_reml.fixed_effects, hsb_reml.group_effects, hsb_reml.coefficients):
        with pytest.raises(BayesmixError, match="prob"):
            call(prob=prob)


# Text


def test_summary(hsb_reml: bx.LikelihoodFit) -> None:
    text = hsb_reml.summary()
    assert repr(hsb_reml) == text
    for part in (
        "fitted by REML", "math ~ ses + (ses | school)", "7185", "school 160", "46640.3983", "46652.40", "46693.68",
        "12.6650", "0.1898", "2.3938", "0.1181", "4.8286", "2.1974", "0.4129", "0.6426", "-0.1543", "-0.1093",
        "36.8302", "6.0688", "0.1212", "average over the rows",
        "Satterthwaite", "145.55", "157.53",
    ):  # fmt: skip
        assert part in text, part
    assert "singular" not in text
    assert max(map(len, text.splitlines())) <= 130


def test_summary_says_what_a_reader_must_know(dataset: Callable[[str], pd.DataFrame], hsb: pd.DataFrame) -> None:
    singular = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2")).reml()
    assert singular.singular
    assert "singular" in singular.summary()
    frame = hsb.iloc[:500].assign(double=lambda d: 2 * d["ses"])
    frame.loc[frame.index[:7], "ses"] = np.nan
    with pytest.warns(BayesmixWarning, match="'double'"):
        fit = bx.Model("math ~ ses + double + (1 | school)", frame).reml()
    assert "7 left out" in fit.summary()
    assert "double" in fit.summary().split("Note:")[-1]


def test_frozen(hsb_reml: bx.LikelihoodFit) -> None:
    with pytest.raises(AttributeError):
        hsb_reml.solution = None  # type: ignore[misc, assignment]
    first = hsb_reml.fixed_effects()
    first.iloc[:] = 0.0
    assert hsb_reml.fixed_effects()["estimate"].iloc[0] > 12
    effects = hsb_reml.coefficients()
    effects.iloc[:] = 0.0
    assert hsb_reml.coefficients()["estimate"].abs().max() > 1
    assert hsb_reml.group_effects()["estimate"].abs().max() < 10


def test_a_notebook_shows_the_summary(hsb_reml: bx.LikelihoodFit) -> None:
    assert hsb_reml._repr_html_() == hsb_reml.summary()._repr_html_()
    assert "<table" in hsb_reml._repr_html_()
