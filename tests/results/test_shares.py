"""Intraclass correlations, variances and correlations as functions of predictors, and design effects."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.results.shares import containing
from tests import dense
from tests.bayes import Fits
from tests.frames import dense_problem, random_frame


def covariance_of(fit: bx.LikelihoodFit) -> tuple[dense.Dense, np.ndarray]:
    """V of all rows."""
    problem, covariances = dense_problem(fit)
    return problem, problem.variance(covariances, fit.sigma**2)


# ICC


def test_published_icc(hsb: pd.DataFrame, hsb_reml: bx.LikelihoodFit) -> None:
    """Null model of High School and Beyond .18035; adjusted ICC of the model with slopes .1212."""
    null = bx.Model("math ~ 1 + (1 | school)", hsb).reml()
    assert_allclose(null.icc().loc["school", "estimate"], 0.18035, atol=5e-6)
    assert_allclose(null.icc(adjusted=False), null.icc())
    assert_allclose(hsb_reml.icc().loc["school", "estimate"], 0.1212, atol=5e-5)


def test_three_levels(egsingle_reml: bx.LikelihoodFit, dataset: Callable[[str], pd.DataFrame]) -> None:
    """lme4's variances of egsingle at year 0, where the intercepts say it all."""
    child, school, residual = 0.6404745, 0.1685575, 0.3014326
    total = child + school + residual
    share = egsingle_reml.icc(at={"year": 0})["estimate"]
    assert_allclose(share, [child / total, school / total], rtol=2e-6)
    same = egsingle_reml.icc(definition="correlation", at={"year": 0})["estimate"]
    assert_allclose(same, [(child + school) / total, school / total], rtol=2e-6)
    # Averaged over the rows, by the row.
    year = dataset("egsingle")["year"].to_numpy()
    Z = np.column_stack([np.ones_like(year), year])
    matrices = [sigma.to_numpy() for sigma in egsingle_reml.covariances().values()]
    parts = [np.mean(np.einsum("ni,ij,nj->n", Z, sigma, Z)) for sigma in matrices]
    total = sum(parts) + egsingle_reml.sigma**2
    assert_allclose(egsingle_reml.icc()["estimate"], np.array(parts) / total)
    assert_allclose(egsingle_reml.icc(definition="correlation")["estimate"], np.array([sum(parts), parts[1]]) / total)


def test_unadjusted(hsb: pd.DataFrame, hsb_reml: bx.LikelihoodFit) -> None:
    """The variance of the fixed part joins the total."""
    share = float(hsb_reml.icc().loc["school", "estimate"])
    between = share * hsb_reml.sigma**2 / (1 - share)
    fixed = float(hsb_reml.fixed_effects().loc["ses", "estimate"]) ** 2 * hsb["ses"].var()
    expected = between / (between + hsb_reml.sigma**2 + fixed)
    assert_allclose(hsb_reml.icc(adjusted=False).loc["school", "estimate"], expected)


FORMULAS = [
    "y ~ x + (x | top)",
    "y ~ x + (x || top/inner)",
    "y ~ x * f + (f | top) + (x | top:inner)",
    "y ~ 0 + x + (0 + x | top)",
    "y ~ x + (x | top) + (1 | kind)",
    "y ~ poly(x, 2) + offset(z) + (poly(x, 2) | top)",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_rows_of_the_data(formula: str, rng: np.random.Generator) -> None:
    """At the predictors of a row: its variance in V; of two rows, their covariance in V."""
    frame = random_frame(rng).assign(kind=lambda d: "kind " + d["f"])
    fit = bx.Model(formula, frame).reml()
    problem, V = covariance_of(fit)
    rows = frame[["x", "z", "f"]].iloc[:30]
    found = fit.icc(definition="correlation", at=rows)["estimate"]
    _, covariances = dense_problem(fit)
    nested = containing(fit.design)
    for number, level in enumerate(fit.design.levels):
        own = sum(np.diag(problem.spread(k, covariances[k])) for k in range(len(covariances)) if nested[number, k] == 1)
        assert_allclose(found.xs(level.name, level="level"), (own / np.diag(V))[:30], rtol=1e-9)
    shares = fit.icc(at=rows)["estimate"].unstack("row").sum()
    assert_allclose(shares, 1 - fit.sigma**2 / np.diag(V)[:30], rtol=1e-9)


def test_pairs_of_rows(rng: np.random.Generator) -> None:
    """Covariances and correlations of rows of one inner group, and of one outer group alone, are V's."""
    frame = random_frame(rng).assign(x=np.round(20 + 3 * rng.normal(size=120)))
    fit = bx.Model("y ~ x + (x | top/inner)", frame).reml()
    _, V = covariance_of(fit)
    values = sorted(frame["x"].unique())
    tables = {
        kind: fit.within_group_correlation("x", values, kind=kind)["estimate"] for kind in ("covariance", "correlation")
    }
    lower, upper = (level.grouping.codes for level in fit.design.levels)
    x, checked = frame["x"].to_numpy(), [0, 0]
    for i in range(120):
        for j in range(i):
            if upper[i] != upper[j]:
                continue
            same = int(lower[i] == lower[j])
            name = "top:inner" if same else "top"
            assert_allclose(tables["covariance"][name, x[i], x[j]], V[i, j], rtol=1e-9)
            assert_allclose(tables["correlation"][name, x[i], x[j]], V[i, j] / np.sqrt(V[i, i] * V[j, j]), rtol=1e-9)
            checked[same] += 1
    assert min(checked) > 50


def test_variance_formula(dataset: Callable[[str], pd.DataFrame]) -> None:
    """s00 + 2 t s01 + t^2 s11 + sigma^2, from the published variances of sleepstudy; no sigma^2 in covariances."""
    fit = bx.Model("Reaction ~ Days + (Days | Subject)", dataset("sleepstudy")).reml()
    s00, s11, s01, residual = 612.08975, 35.07166, 9.60434, 654.94104
    table = fit.variance_curve("Days")["estimate"]
    days = np.arange(10.0)
    assert_allclose(table["Subject"], s00 + 2 * days * s01 + days**2 * s11, rtol=1e-6)
    assert_allclose(table["residual"], residual, rtol=1e-6)
    assert_allclose(table["total"], table["Subject"] + table["residual"])
    assert list(table["total"].index) == days.tolist()
    found = fit.within_group_correlation("Days", kind="covariance")["estimate"].unstack()
    assert_allclose(found, s00 + s01 * (days[:, None] + days) + s11 * days[:, None] * days, rtol=1e-6)
    diagonal = np.diag(fit.within_group_correlation("Days")["estimate"].unstack())
    assert_allclose(diagonal, fit.icc_curve("Days")["estimate"])


def test_crossed_levels_share_only_what_contains_them(rng: np.random.Generator) -> None:
    """Of a crossed level its own share; the groups of one that lies within another share that too."""
    n = 240
    item, person = rng.integers(12, size=n), rng.integers(20, size=n)
    y = rng.normal(size=12)[item] + rng.normal(size=3)[item % 3] + rng.normal(size=20)[person] + rng.normal(size=n)
    frame = pd.DataFrame({"y": y, "item": item, "kind": np.array(["ab", "cd", "ef"])[item % 3], "person": person})
    fit = bx.Model("y ~ 1 + (1 | person) + (1 | item) + (1 | kind)", frame).reml()
    share = fit.icc()["estimate"]
    found = fit.icc(definition="correlation")["estimate"]
    assert_allclose(found["person"], share["person"])
    assert_allclose(found["kind"], share["kind"])
    assert_allclose(found["item"], share["item"] + share["kind"])
    assert share["kind"] > 0


def test_curve_of_a_level(egsingle_reml: bx.LikelihoodFit) -> None:
    both = egsingle_reml.icc_curve("year", [0, 1])
    assert both.index.names == ["level", "year"]
    pd.testing.assert_frame_equal(egsingle_reml.icc_curve("year", [0, 1], level="schoolid"), both.loc["schoolid"])
    assert_allclose(both.xs(1, level="year"), egsingle_reml.icc(at={"year": 1}))


# Draws


def test_draws(pastes: Fits, hsb_fits: Fits) -> None:
    """Tables summarise the draws that are handed out; an estimate is one draw."""
    post = hsb_fits.post
    draws = post.icc_curve("ses", [-1, 0.5], draws=True)
    assert isinstance(draws, xr.DataArray)
    assert draws.dims == ("chain", "draw", "ses")
    assert draws.shape == (4, 1000, 2)
    table = post.icc_curve("ses", [-1, 0.5], prob=0.8)
    assert_allclose(table["mean"], draws.mean(("chain", "draw")))
    assert_allclose(table[["ci_low", "ci_high"]].T, draws.quantile([0.1, 0.9], ("chain", "draw")))
    posterior = post.idata["posterior"]
    one, ses = posterior["1|school_sigma"].to_numpy(), posterior["ses|school_sigma"].to_numpy()
    between = one**2 + posterior["school_corr"].to_numpy()[..., 0] * one * ses + 0.25 * ses**2
    assert_allclose(draws.sel(ses=0.5), between / (between + posterior["sigma"].to_numpy() ** 2))
    levels = pastes.post.icc(definition="correlation", draws=True)
    assert levels.coords["level"].to_numpy().tolist() == ["batch:cask", "batch"]
    assert_allclose(levels, pastes.post.icc(draws=True).to_numpy()[..., ::-1].cumsum(-1)[..., ::-1])
    assert hsb_fits.reml.icc(draws=True).shape == (1, 1, 1)
    assert hsb_fits.reml.within_group_correlation("ses", [0, 1], draws=True).dims == ("chain", "draw", "ses", "ses'")


def test_names_of_axes(dataset: Callable[[str], pd.DataFrame]) -> None:
    """A predictor called as an axis of ours keeps out of its way."""
    frame = dataset("sleepstudy").rename(columns={"Days": "draw"})
    fit = bx.Model("Reaction ~ draw + (draw | Subject)", frame).reml()
    assert fit.icc_curve("draw", [0, 1], draws=True).dims == ("chain", "draw", "draw_")
    assert fit.variance_curve("draw", [0, 1]).index.names == ["part", "draw_"]


# Design effects


def test_design_effect_of_a_mean(rng: np.random.Generator) -> None:
    """Variance of the mean of all rows under V, over that of independent rows of the same variance."""
    for formula in ("y ~ 1 + (1 | top)", "y ~ 1 + (1 | top/inner)", "y ~ 1 + (1 | top) + (1 | kind)"):
        fit = bx.Model(formula, random_frame(rng).assign(kind=lambda d: "kind " + d["f"])).reml()
        _, V = covariance_of(fit)
        found = fit.design_effect()["estimate"]
        assert_allclose(found.iloc[-1], V.sum() / np.trace(V), rtol=1e-9)
        assert_allclose(found.iloc[-1] - 1, (found.iloc[: len(fit.design.levels)] - 1).sum(), rtol=1e-9)
    assert list(found.index) == ["top", "kind", "all"]


def test_design_effect_of_a_slope(rng: np.random.Generator) -> None:
    """Variance of the least-squares slope under V, over that under independence."""
    frame = random_frame(rng)
    frame["x"] += 3.0 * frame["top"]
    fit = bx.Model("y ~ x + (1 | top/inner)", frame).reml()
    problem, V = covariance_of(fit)
    pinv = np.linalg.pinv(problem.X)
    expected = (pinv @ V @ pinv.T)[1, 1] / (V[0, 0] * np.linalg.inv(problem.X.T @ problem.X)[1, 1])
    assert_allclose(fit.design_effect(predictor="x").loc["all", "estimate"], expected, rtol=1e-9)
    assert expected > 2


def test_design_effect_of_equal_groups(dataset: Callable[[str], pd.DataFrame]) -> None:
    """1 + (n - 1) rho, and with a number of rows asked for."""
    fit = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff")).reml()
    rho = fit.icc().loc["Batch", "estimate"]
    assert_allclose(fit.design_effect().loc["Batch", "estimate"], 1 + 4 * rho)
    assert_allclose(fit.design_effect(n=20).loc["Batch", "estimate"], 1 + 19 * rho)
    frame = dataset("dyestuff").assign(acid=lambda d: d["Batch"].astype(str).map(ord))
    varying = bx.Model("Yield ~ acid + (1 | Batch)", frame).reml()
    assert "Intraclass correlation of acid: 1." in varying.design_effect(predictor="acid").attrs["note"]


# What is refused


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda fit: fit.icc(definition="within"), "definition='within'"),
        (lambda fit: fit.icc(adjusted="no"), "adjusted='no'"),
        (lambda fit: fit.icc(adjusted=False, at={"ses": 0}), "adjusted=False"),
        (lambda fit: fit.icc(draws=True, prob=0.9), "prob=0.9"),
        (lambda fit: fit.icc(draws="yes"), "draws='yes'"),
        (lambda fit: fit.icc(prob=0.9), "prob=0.9"),
        (lambda fit: fit.icc(defintion="share"), "'defintion'"),
        (lambda fit: fit.icc_curve("ses", level="scool"), "'scool'"),
        (lambda fit: fit.within_group_correlation("ses", kind="cor"), "kind='cor'"),
        (lambda fit: fit.design_effect(n=0), "n=0"),
        (lambda fit: fit.design_effect(n=True), "n=True"),
        (lambda fit: fit.design_effect(predictor="sess"), "'sess'"),
        (lambda fit: fit.design_effect(predictor="Intercept"), "'Intercept'"),
    ],
)
def test_refusals(call: Callable[[bx.LikelihoodFit], object], words: str, hsb_reml: bx.LikelihoodFit) -> None:
    with pytest.raises(ArgumentError) as caught:
        call(hsb_reml)
    assert words in caught.value.found


def test_no_levels_and_weights(rng: np.random.Generator) -> None:
    frame = random_frame(rng).assign(w=1.0 + np.arange(120) % 3)
    plain = bx.Model("y ~ x", frame).reml()
    for call in (plain.icc, plain.design_effect):
        with pytest.raises(ArgumentError, match="no levels"):
            call()
    with pytest.raises(ArgumentError, match="no levels"):
        plain.icc_curve("x")
    with pytest.raises(ArgumentError, match="weights"):
        bx.Model("y ~ x + (1 | top)", frame, weights="w").reml().design_effect()
    with pytest.raises(ArgumentError, match="2 levels"):
        bx.Model("y ~ x + (1 | top/inner)", frame).reml().design_effect(n=5)


@pytest.mark.slow
def test_posterior_icc_of_the_null_model(hsb: pd.DataFrame) -> None:
    """Of 160 schools the posterior lies around REML's .18035; its sd is about that of the delta method."""
    model = bx.Model("math ~ 1 + (1 | school)", hsb)
    draws = model.sample(seed=4, progress=False).icc(draws=True).to_numpy()[..., 0]
    reml = model.reml()
    components = reml.variance_components()
    between, residual = components["estimate"]
    slope = np.array([residual, -between]) / (between + residual) ** 2
    expected = np.linalg.norm(slope * components["se"])  # the two estimates are nearly uncorrelated
    assert abs(draws.mean() - 0.18035) < 0.25 * expected
    assert_allclose(draws.std(), expected, rtol=0.1)
