"""Interval tables by all three methods, profiles and simulated responses: layout, closed forms, notes, refusals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError, ConvergenceError
from bayesmix.inference import profile as profiles
from bayesmix.results.quantities import chosen_rows
from tests.frames import random_frame

J, M = 9, 5
BY_VAR = [
    ("fixed", "Intercept"),
    ("fixed", "ses"),
    ("school", "var(Intercept)"),
    ("school", "var(ses)"),
    ("school", "cov(Intercept,ses)"),
    ("school", "corr(Intercept,ses)"),
    ("residual", "var"),
]
BY_SD = [
    *BY_VAR[:2],
    ("school", "sd(Intercept)"),
    ("school", "sd(ses)"),
    ("school", "corr(Intercept,ses)"),
    ("residual", "sd"),
]
METHODS: dict[str, dict[str, Any]] = {
    "wald": {},
    "profile": {},
    "bootstrap": {"n": 21, "seed": 3, "progress": False},
}


@pytest.fixture(scope="module")
def one_way() -> bx.LikelihoodFit:
    rng = np.random.default_rng(3)
    y = 2 * rng.normal(size=(J, 1)) + rng.normal(size=(J, M))
    return bx.Model("y ~ 1 + (1 | g)", pd.DataFrame({"y": y.ravel(), "g": np.repeat(np.arange(J), M)})).reml()


@pytest.fixture(scope="module")
def flat() -> bx.LikelihoodFit:
    """A singular fit: the slopes have no variance."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"y": rng.normal(size=60), "x": rng.normal(size=60), "g": np.arange(60) % 10})
    return bx.Model("y ~ x + (x | g)", frame).reml()


@pytest.fixture(scope="module")
def plain() -> bx.LikelihoodFit:
    return bx.Model("y ~ x", random_frame(np.random.default_rng(2))).reml()


# All methods


@pytest.mark.parametrize("method", METHODS)
def test_layout(method: str, hsb_reml: bx.LikelihoodFit) -> None:
    # Of 21 replicates the ends of a 90 % interval are draws themselves, so that roots and squares commute with them.
    by_var = hsb_reml.intervals(method, prob=0.9, **METHODS[method])
    by_sd = hsb_reml.intervals(method, prob=0.9, scale="sd", **METHODS[method])
    assert by_var.index.names == ["part", "parameter"]
    assert list(by_var.index) == BY_VAR
    assert list(by_sd.index) == BY_SD
    assert list(by_var.columns)[:3] == ["estimate", "ci_low", "ci_high"]
    assert_allclose(by_var["estimate"].to_numpy()[:2], hsb_reml.solution.beta)
    assert_allclose(by_var["estimate"].to_numpy()[2:], hsb_reml.variance_components()["estimate"])
    assert (by_var["ci_low"] < by_var["estimate"]).all()
    assert (by_var["estimate"] < by_var["ci_high"]).all()
    variances = [2, 3, 6]
    ends = ["estimate", "ci_low", "ci_high"]
    assert_allclose(by_sd[ends].to_numpy()[[2, 3, 5]] ** 2, by_var[ends].to_numpy()[variances], rtol=1e-8)
    assert_allclose(by_sd[ends].iloc[4], by_var[ends].iloc[5], rtol=1e-8)
    assert by_var.attrs["note"]


@pytest.mark.parametrize("method", METHODS)
def test_coverage_is_passed_on(method: str, one_way: bx.LikelihoodFit) -> None:
    narrow = one_way.intervals(method, prob=0.5, **METHODS[method])
    wide = one_way.intervals(method, prob=0.9, **METHODS[method])
    assert (wide["ci_low"] < narrow["ci_low"]).all()
    assert (wide["ci_high"] > narrow["ci_high"]).all()


@pytest.mark.parametrize("method", METHODS)
def test_without_levels(method: str, plain: bx.LikelihoodFit) -> None:
    table = plain.intervals(method, scale="sd", **METHODS[method])
    assert list(table.index) == [("fixed", "Intercept"), ("fixed", "x"), ("residual", "sd")]
    assert (table["ci_low"] < table["ci_high"]).all()


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"method": "boot"}, "'boot'.*wald, profile, bootstrap"),
    ({"prob": 95}, "prob=95"),
    ({"scale": "variance"}, "'variance'"),
    ({"method": "profile", "criterion": "REML"}, "'REML'"),
    ({"method": "profile", "n": 10}, "no keyword 'n'"),
    ({"level": 0.9}, "Write prob=0.9"),
    ({"method": "bootstrap", "nsim": 10}, "Write n=10"),
    ({"method": "bootstrap", "random_seed": 1}, "Write seed=1"),
    ({"method": "bootstrap", "n": 0}, "n=0"),
    ({"df": "nonsense"}, "'nonsense'"),
]


@pytest.mark.parametrize(("options", "message"), MISTAKES, ids=str)
def test_wrong_use(options: dict[str, Any], message: str, one_way: bx.LikelihoodFit) -> None:
    with pytest.raises(ArgumentError, match=message):
        one_way.intervals(**options)


# Wald


def test_wald_in_closed_form(one_way: bx.LikelihoodFit) -> None:
    """var(sigma^2) = 2 MSW^2/(J(m-1)), so that log sigma^2 has the standard error sqrt(2/(J(m-1))); and tau^2."""
    y = one_way.design.response.reshape(J, M)
    between, within = M * y.mean(axis=1).var(ddof=1), y.var(axis=1, ddof=1).mean()
    tau2 = (between - within) / M
    spread = np.sqrt(2 / M**2 * (between**2 / (J - 1) + within**2 / (J * (M - 1))))
    half = stats.norm.ppf(0.975)
    table = one_way.intervals()
    signs = np.array([-1, 1])
    ends = ["ci_low", "ci_high"]
    assert_allclose(table.loc[("residual", "var"), ends], within * np.exp(signs * half * np.sqrt(2 / (J * (M - 1)))))
    assert_allclose(table.loc[("g", "var(Intercept)"), ends], tau2 * np.exp(signs * half * spread / tau2), rtol=1e-6)
    se = np.sqrt(between / (J * M))
    fixed = y.mean() + signs * stats.t.ppf(0.975, J - 1) * se
    assert_allclose(table.loc[("fixed", "Intercept"), ends], fixed, rtol=1e-6)


def test_wald_correlation_and_covariance(hsb_reml: bx.LikelihoodFit) -> None:
    components = hsb_reml.variance_components()
    table = hsb_reml.intervals(prob=0.9)
    half = stats.norm.ppf(0.95)
    rho = components.loc[("school", "corr(Intercept,ses)")]
    z = np.arctanh(rho["estimate"]) + np.array([-1, 1]) * half * rho["se"] / (1 - rho["estimate"] ** 2)
    assert_allclose(table.loc[("school", "corr(Intercept,ses)"), ["ci_low", "ci_high"]], np.tanh(z))
    cov = components.loc[("school", "cov(Intercept,ses)")]
    expected = cov["estimate"] + np.array([-1, 1]) * half * cov["se"]
    assert_allclose(table.loc[("school", "cov(Intercept,ses)"), ["ci_low", "ci_high"]], expected)


def test_wald_fixed_effects_are_those_of_their_table(hsb_reml: bx.LikelihoodFit) -> None:
    for options in ({}, {"df": "z"}):
        expected = hsb_reml.fixed_effects(prob=0.8, **options)[["estimate", "ci_low", "ci_high"]]
        assert_array_equal(hsb_reml.intervals(prob=0.8, **options).loc["fixed"], expected)


def test_wald_of_an_ml_fit_uses_its_information(hsb_model: bx.Model) -> None:
    ml = hsb_model.ml()
    part = ml.variance_components(se="ml").loc[("residual", "var")]
    half = stats.norm.ppf(0.975) * part["se"] / part["estimate"]
    assert_allclose(ml.intervals().loc[("residual", "var"), "ci_high"], part["estimate"] * np.exp(half))


def test_wald_on_the_boundary(flat: bx.LikelihoodFit, dataset: Callable[[str], pd.DataFrame]) -> None:
    assert flat.singular
    table = flat.intervals()
    assert table.loc["g", ["ci_low", "ci_high"]].isna().any(axis=None)
    assert "method='profile'" in table.attrs["note"]
    assert table.loc["fixed"].notna().all(axis=None)
    one = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2")).reml().intervals()
    assert one.loc[("Batch", "var(Intercept)"), ["ci_low", "ci_high"]].isna().all()
    assert one.loc[("residual", "var"), ["ci_low", "ci_high"]].notna().all()


# Profiles


def test_fixed_effects_are_profiled_in_the_full_likelihood(hsb_reml: bx.LikelihoodFit) -> None:
    """Also where the REML criterion is profiled for the variance components; its estimates are others."""
    ml, reml = (hsb_reml.profile("fixed", criterion=criterion, points=1).data for criterion in ("ml", "reml"))
    assert_allclose(reml[["value", "zeta", "deviance"]], ml[["value", "zeta", "deviance"]], rtol=1e-7)


def test_profile_notes_say_which_likelihood(one_way: bx.LikelihoodFit) -> None:
    ml = one_way.intervals("profile")
    reml = one_way.intervals("profile", criterion="reml")
    assert "ML deviance for all parameters" in ml.attrs["note"]
    assert "REML criterion for the variance components" in reml.attrs["note"]
    assert (reml["ci_high"] > ml["ci_high"])["g"].all()  # REML allows for the estimated mean
    assert_allclose(reml.loc["fixed", ["ci_low", "ci_high"]], ml.loc["fixed", ["ci_low", "ci_high"]])


def test_profile_of_the_residual_variance_by_reml(one_way: bx.LikelihoodFit) -> None:
    """Balanced layout: J(m-1)(s - 1 - log s) with s = MSW/sigma^2, as long as sigma^2 < MSB."""
    y = one_way.design.response.reshape(J, M)
    within = y.var(axis=1, ddof=1).mean()
    row = one_way.intervals("profile", criterion="reml").loc[("residual", "var")]
    for end in ("ci_low", "ci_high"):
        s = within / row[end]
        assert_allclose(J * (M - 1) * (s - 1 - np.log(s)), stats.chi2.ppf(0.95, 1), rtol=1e-6)


def test_profile_at_the_boundary(flat: bx.LikelihoodFit) -> None:
    table = flat.intervals("profile", scale="sd")
    at_zero = table.loc["g", "estimate"].iloc[:2] == 0
    assert at_zero.any()
    zeros = table.loc["g"].iloc[:2][at_zero]
    assert (zeros["ci_low"] == 0).all()
    assert zeros["low_at_boundary"].all()
    assert (zeros["ci_high"] > 0).all()
    assert table.loc[("g", "corr(Intercept,x)"), ["ci_low", "ci_high"]].isna().all()
    assert "no variance, so that it has no profile" in table.attrs["note"]


def test_profile_that_fails_is_nan_with_a_note(one_way: bx.LikelihoodFit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "minimise", lambda function, start: (0.0, start, False))
    table = one_way.intervals("profile")
    assert table[["ci_low", "ci_high"]].isna().all(axis=None)
    assert "g var(Intercept): The deviance could not be minimised" in table.attrs["note"]
    with pytest.raises(ConvergenceError, match="could not be minimised"):
        one_way.profile("fixed")


def test_profile_curves(one_way: bx.LikelihoodFit) -> None:
    found = one_way.profile(points=4)
    data = found.data
    assert list(data.columns) == ["part", "parameter", "value", "zeta", "deviance"]
    names = data[["part", "parameter"]].drop_duplicates().to_numpy().tolist()
    assert names == [["fixed", "Intercept"], ["g", "sd(Intercept)"], ["residual", "sd"]]
    bounds = one_way.intervals("profile", prob=0.99, scale="sd")
    lowest = bx.Model("y ~ 1 + (1 | g)", pd.DataFrame({"y": one_way.design.response, "g": np.arange(J * M) // M})).ml()
    for (part, parameter), group in data.groupby(["part", "parameter"]):
        assert group["value"].is_monotonic_increasing
        assert group["zeta"].is_monotonic_increasing
        assert_allclose(group["value"].iloc[[0, -1]], bounds.loc[(part, parameter), ["ci_low", "ci_high"]], rtol=1e-6)
        assert_allclose(group["zeta"].iloc[[0, -1]], [-stats.norm.ppf(0.995), stats.norm.ppf(0.995)], atol=1e-5)
        assert_allclose(group["deviance"], lowest.criterion + group["zeta"] ** 2)
    assert "3 parameters" in repr(found)


def test_chosen_profiles(hsb_reml: bx.LikelihoodFit) -> None:
    def names(parameters: Any) -> list[tuple[str, str]]:
        data = hsb_reml.profile(parameters, points=1).data
        return list(dict.fromkeys(zip(data["part"], data["parameter"], strict=True)))

    assert names("sd(ses)") == [("school", "sd(ses)")]
    assert names("school") == [("school", f) for f in ("sd(Intercept)", "sd(ses)", "corr(Intercept,ses)")]
    assert names(("school", "var(ses)")) == [("school", "var(ses)")]
    assert names(["ses", ("residual", "sd")]) == [("fixed", "ses"), ("residual", "sd")]
    expected = ["school: Intercept", "school: Intercept,ses", "school: ses"]
    assert names("theta") == [("theta", name) for name in expected]
    with pytest.raises(ArgumentError, match=r"Did you mean 'sd\(ses\)'"):
        hsb_reml.profile("sd(sess)")
    with pytest.raises(ArgumentError, match="points=0"):
        hsb_reml.profile(points=0)
    with pytest.raises(ArgumentError, match="Write parameters='ses'"):
        hsb_reml.profile(parm="ses")


def test_profiles_by_the_names_of_hypotheses(hsb_reml: bx.LikelihoodFit) -> None:
    named = ["sd(ses | school)", "corr(Intercept, ses | school)", "sigma"]
    in_tables = [("school", "sd(ses)"), ("school", "corr(Intercept,ses)"), ("residual", "sd")]
    assert chosen_rows(hsb_reml.design, named) == chosen_rows(hsb_reml.design, in_tables)
    assert len(chosen_rows(hsb_reml.design, named)) == 3
    with pytest.raises(ArgumentError, match="no parameter"):
        chosen_rows(hsb_reml.design, "sd(sess | school)")


def test_theta_profile_passes_through_theta(hsb_model: bx.Model) -> None:
    ml = hsb_model.ml()
    data = ml.profile("theta", points=1).data
    assert_allclose(data.loc[data["zeta"] == 0, "value"], ml.theta, rtol=1e-9)


# Simulation and bootstrap


def test_bootstrap_table(one_way: bx.LikelihoodFit) -> None:
    found = one_way.bootstrap(40, seed=5, progress=False)
    assert found.draws.shape == (40, 3)
    assert found.n == 40
    table = found.intervals(prob=0.8)
    expected = found.draws.quantile([0.1, 0.9]).T.to_numpy()
    assert_allclose(table[["ci_low", "ci_high"]], expected)
    assert_array_equal(table, one_way.intervals("bootstrap", prob=0.8, n=40, seed=5, progress=False))
    assert "40 parametric bootstrap replicates" in table.attrs["note"]
    assert "sd(Intercept)" in repr(found) or "var(Intercept)" in repr(found)


def test_bootstrap_of_a_singular_fit(flat: bx.LikelihoodFit) -> None:
    """Correlations are undefined where an effect has no variance: left out, and counted in the note."""
    found = flat.bootstrap(15, seed=5, progress=False)
    assert found.n_singular > 0
    table = found.intervals(scale="sd")
    undefined = int(found.draws[("g", "corr(Intercept,x)")].isna().sum())
    if undefined:
        assert f"undefined in {undefined}" in table.attrs["note"]
    assert table.loc[("g", "sd(x)"), "ci_low"] == 0


def test_simulate(hsb_reml: bx.LikelihoodFit) -> None:
    one = hsb_reml.simulate(3, seed=1)
    assert one.shape == (3, 7185)
    assert_array_equal(one, hsb_reml.simulate(3, seed=1))
    known = hsb_reml.simulate(2, seed=1, groups="known")
    # Given the groups, what is left is residual: its sd is sigma within 5 standard errors.
    rest = known - hsb_reml.fitted()
    assert_allclose(rest.std(), hsb_reml.sigma, rtol=5 / np.sqrt(2 * rest.size))
    assert (one - hsb_reml.fitted()).std() > 1.03 * hsb_reml.sigma


def test_simulate_wrong_use(one_way: bx.LikelihoodFit) -> None:
    with pytest.raises(ArgumentError, match="n=0"):
        one_way.simulate(0)
    with pytest.raises(ArgumentError, match="'old'"):
        one_way.simulate(groups="old")
    with pytest.raises(ArgumentError, match="Write n=5"):
        one_way.simulate(nsim=5)
    with pytest.raises(ArgumentError, match="Write progress=False"):
        one_way.bootstrap(progressbar=False)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["profile", "bootstrap"])
def test_coverage(method: str) -> None:
    """Balanced one-way layout, 30 groups of 5: 95 % intervals cover in 0.95 of samples, within 4 standard errors.

    Percentile intervals of so few groups are known to cover a little less; 3 points are allowed for that.
    """
    rng = np.random.default_rng(11)
    samples, groups, size = 150 if method == "bootstrap" else 400, 30, 5
    label = np.repeat(np.arange(groups), size)
    covered = np.zeros(3)
    for _ in range(samples):
        y = 3 + rng.normal(size=(groups, 1)) + 1.5 * rng.normal(size=(groups, size))
        fit = bx.Model("y ~ 1 + (1 | g)", pd.DataFrame({"y": y.ravel(), "g": label})).reml()
        options = {"n": 200, "seed": 1, "progress": False} if method == "bootstrap" else {}
        table = fit.intervals(method, **options)
        truth = np.array([3.0, 1.0, 1.5**2])
        covered += (table["ci_low"].to_numpy() <= truth) & (truth <= table["ci_high"].to_numpy())
    margin = 4 * np.sqrt(0.95 * 0.05 / samples)
    allowed = 0.03 if method == "bootstrap" else 0.01
    assert (covered / samples > 0.95 - margin - allowed).all()
    assert (covered / samples < 0.95 + margin).all()
