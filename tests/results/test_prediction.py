"""Predictions of both kinds of fit: published numbers, lme4, closed forms; draws against their conditionals."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixError, DataError
from bayesmix.inference import predictive_draws
from tests import dense
from tests.bayes import Fits
from tests.frames import dense_problem

Z = stats.norm.ppf(0.975)


@pytest.fixture(scope="module")
def sleep_reml(sleepstudy: Fits) -> bx.LikelihoodFit:
    return sleepstudy.reml


def standard_normal(values: np.ndarray) -> None:
    """Rows (D, k) are N(0, I): mean, variances, covariances and tails, at four Monte Carlo standard errors."""
    D, k = values.shape
    assert np.abs(values.mean(axis=0)).max() < 4 / np.sqrt(D)
    covariance = values.T @ values / D
    assert np.abs(covariance - np.eye(k)).max() < 4 * np.sqrt(2 / D)
    assert abs((np.abs(values) > Z).mean() - 0.05) < 4 * np.sqrt(0.05 * 0.95 / values.size)


# Published numbers and other programs


def test_batting(dataset: Callable[[str], pd.DataFrame]) -> None:
    """SAS PROC MIXED, as printed; the slide has .29772 for .29771, which rounds .297714."""
    fit = bx.Model("average ~ time + (1 | player)", dataset("batting")).reml()
    found = fit.predict({"player": np.repeat(list("1234"), 2), "time": ["day", "night"] * 4})
    printed = [0.25004, 0.24554, 0.27048, 0.26598, 0.29771, 0.29321, 0.26979, 0.26529]
    assert_allclose(found["mean"], printed, rtol=0, atol=5e-6)
    fixed = fit.predict({"time": ["day", "night"]})
    assert_allclose(fixed["mean"], [0.2850, 0.2805], rtol=0, atol=5e-5)
    assert_allclose(fixed["se"].iloc[0], 0.005203, rtol=0, atol=5e-7)


def test_lme4(sleep_reml: bx.LikelihoodFit, pastes: Fits) -> None:
    """predict() of lme4 1.1-31: known and new groups, the population, and some levels only."""
    new = {"Days": [0, 5, 9, 12], "Subject": ["308", "309", "372", "999"]}
    found = sleep_reml.predict(new, groups="new")["mean"]
    assert_allclose(found, [253.6636703, 220.2444418, 369.4814855, 377.0125364], rtol=1e-7)
    found = sleep_reml.predict(new, groups="population")["mean"]
    assert_allclose(found, [251.4051048, 303.7415346, 345.6106785, 377.0125364], rtol=1e-9)
    casks = {"batch": ["A", "A", "Z"], "cask": ["a", "z", "q"]}
    found = pastes.reml.predict(casks, groups="new")["mean"]
    assert_allclose(found, [62.62866464, 60.85397835, 60.05333333], rtol=1e-7)
    found = pastes.reml.predict({"batch": ["A", "J"]}, levels="batch")["mean"]
    assert_allclose(found, [60.85397835, 59.52157964], rtol=1e-7)


# A likelihood fit


def test_rows_used(hsb_reml: bx.LikelihoodFit) -> None:
    found = hsb_reml.predict()
    assert list(found.columns) == ["mean", "se", "ci_low", "ci_high"]
    assert found.attrs["groups"] == "known"
    assert_allclose(found["mean"], hsb_reml.fitted(), rtol=1e-10)
    assert_allclose(found["ci_high"] - found["mean"], Z * found["se"])
    response = hsb_reml.predict(kind="response", prob=0.5)
    assert_allclose(response["se"] ** 2, found["se"] ** 2 + hsb_reml.sigma**2)
    assert_allclose(response["mean"] - response["ci_low"], stats.norm.ppf(0.75) * response["se"])


def test_known_errors_are_those_of_coefficients(hsb_reml: bx.LikelihoodFit) -> None:
    """At ses = 0 the mean of a school is its intercept."""
    labels = list(hsb_reml.design.levels[0].grouping.labels)
    found = hsb_reml.predict({"ses": np.zeros(160), "school": labels})
    expected = hsb_reml.coefficients().xs("Intercept", level="effect")
    assert_allclose(found["mean"], expected["estimate"], rtol=1e-10)
    assert_allclose(found["se"], expected["sd"], rtol=1e-8)


def test_population(hsb_reml: bx.LikelihoodFit) -> None:
    """L beta with its covariance; a response of a new school adds z'Sigma z and the residual."""
    L = np.array([[1.0, 0.0], [1.0, 1.5]])
    V, sigma = hsb_reml.vcov().to_numpy(), hsb_reml.covariances()["school"].to_numpy()
    quadratic = np.einsum("na,ab,nb->n", L, V, L)
    found = hsb_reml.predict({"ses": L[:, 1]})
    assert found.attrs["groups"] == "population"
    assert "Population" in found.attrs["note"]
    assert_allclose(found["mean"], L @ hsb_reml.fixed_effects()["estimate"])
    assert_allclose(found["se"] ** 2, quadratic)
    between = np.einsum("na,ab,nb->n", L, sigma, L)
    response = hsb_reml.predict({"ses": L[:, 1]}, kind="response")
    assert_allclose(response["se"] ** 2, quadratic + between + hsb_reml.sigma**2)
    assert "variance is added" in response.attrs["note"]
    new = hsb_reml.predict({"ses": L[:, 1], "school": ["a", "a"]}, groups="new")
    assert_allclose(new["se"] ** 2, quadratic + between)
    assert "1 of school" in new.attrs["note"]


def test_levels(pastes: Fits) -> None:
    """A new cask of a known batch has the batch's effect, and the variance of a cask."""
    fit = pastes.reml
    cask = float(fit.covariances()["batch:cask"].iloc[0, 0])
    batch = fit.predict({"batch": ["C"]}, levels=["batch"])
    child = fit.predict({"batch": ["C"], "cask": ["new"]}, groups="new")
    assert_allclose(child["mean"], batch["mean"])
    assert_allclose(child["se"] ** 2, batch["se"] ** 2 + cask)
    assert "Averaged over batch:cask" in batch.attrs["note"]
    response = fit.predict({"batch": ["C"]}, levels=["batch"], kind="response")
    assert_allclose(response["se"] ** 2, batch["se"] ** 2 + cask + fit.sigma**2)
    with pytest.raises(DataError, match=r"levels=\['batch'\]"):
        fit.predict({"batch": ["C"]})


@pytest.mark.parametrize("left_out", ["308", "372"])
def test_a_new_group_with_observations(left_out: str, dataset: Callable[[str], pd.DataFrame]) -> None:
    """As the conditional effects of the complete data at the same variances and fixed effects."""
    frame = dataset("sleepstudy")
    own = frame["Subject"] == left_out
    fit = bx.Model("Reaction ~ Days + (Days | Subject)", frame[~own]).reml()
    new = {"Days": [0, 1], "Subject": [left_out] * 2}
    found = fit.predict(new, groups="new", observed=frame[own])
    whole = bx.Model("Reaction ~ Days + (Days | Subject)", frame)
    problem, _ = dense_problem(whole.reml())
    beta = fit.fixed_effects()["estimate"].to_numpy()
    sigma = fit.covariances()["Subject"].to_numpy()
    effects = dense.effects_posterior(problem, [sigma], fit.sigma**2, dense.Explicit(beta))
    place = 2 * list(whole.design.levels[0].grouping.labels).index(left_out)
    u, given = effects.mean[place : place + 2], effects.covariance[place : place + 2, place : place + 2]
    x = np.array([[1.0, 0.0], [1.0, 1.0]])
    assert_allclose(found["mean"], x @ (beta + u), rtol=1e-8)
    # With beta estimated: its error e enters as (x - x A)'e, u falling by A e.
    rows = problem.X[own.to_numpy()]
    A = np.linalg.solve(np.linalg.inv(sigma) + rows.T @ rows / fit.sigma**2, rows.T @ rows / fit.sigma**2)
    error = x @ (np.eye(2) - A)
    expected = np.diag(x @ given @ x.T + error @ fit.vcov().to_numpy() @ error.T)
    assert_allclose(found["se"] ** 2, expected, rtol=1e-8)
    assert "10 further rows" in found.attrs["note"]


def test_group_means_of_new_groups(hsb: pd.DataFrame) -> None:
    """within() and between() of a school that was observed take its mean from the rows observed."""
    own = hsb["school"] == "1224"
    fit = bx.Model("math ~ within(ses, school) + between(ses, school) + (1 | school)", hsb[~own]).reml()
    new = hsb[own].head(3)
    found = fit.predict(new, groups="new", observed=hsb[own])["mean"]
    whole = fit.predict(hsb[own], groups="new", observed=hsb[own])["mean"]
    assert_allclose(found, whole.head(3), rtol=1e-12)
    assert np.abs(fit.predict(new, groups="new")["mean"] - found).min() > 0.01


def test_weights(dataset: Callable[[str], pd.DataFrame]) -> None:
    frame = dataset("sleepstudy").assign(w=np.tile([0.5, 1.0, 4.0], 60))
    new = frame.head(3)[["Days", "Subject", "w"]]
    fit = bx.Model("Reaction ~ Days + (Days | Subject)", frame, weights="w").reml()
    mean, response = fit.predict(new), fit.predict(new, kind="response")
    assert_allclose(response["se"] ** 2 - mean["se"] ** 2, fit.sigma**2 / new["w"])
    assert_allclose(fit.predict(kind="response")["se"].head(3), response["se"])
    with pytest.raises(DataError, match="Add the column 'w'"):
        fit.predict(new.drop(columns="w"), kind="response")
    with pytest.raises(DataError, match="not positive"):
        fit.predict(new.assign(w=0.0), kind="response")
    with pytest.raises(DataError, match="'w'"):
        fit.predict(new.assign(Subject="new"), observed=frame.head(3).drop(columns="w").assign(Subject="new"))
    given = bx.Model("Reaction ~ Days + (Days | Subject)", frame, weights=frame["w"].to_numpy()).reml()
    found = given.predict(new, kind="response")
    assert "weight 1" in found.attrs["note"]
    assert_allclose(found["se"] ** 2, mean["se"] ** 2 + fit.sigma**2)


def test_least_squares(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Without levels: the textbook's prediction error."""
    frame = dataset("sleepstudy")
    fit = bx.Model("Reaction ~ Days", frame).reml()
    x = frame["Days"].to_numpy(float)
    found = fit.predict({"Days": [12.0]}, kind="response")
    leverage = 1 / 180 + (12 - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()
    assert_allclose(found["se"] ** 2, fit.sigma**2 * (1 + leverage))
    for option in ({"groups": "known"}, {"groups": "new"}, {"levels": "Subject"}, {"observed": frame}):
        with pytest.raises(ArgumentError, match=r"no levels|without levels"):
            fit.predict(frame, **option)


def test_aliased_and_offset(dataset: Callable[[str], pd.DataFrame]) -> None:
    frame = dataset("sleepstudy").assign(twice=lambda f: 2 * f["Days"], o=3.0)
    with pytest.warns(bx.BayesmixWarning, match="twice"):
        aliased = bx.Model("Reaction ~ Days + twice + (1 | Subject)", frame).reml()
    plain = bx.Model("Reaction ~ Days + offset(o) + (1 | Subject)", frame).reml()
    assert_allclose(aliased.predict(frame), plain.predict(frame), rtol=1e-7)
    moved = plain.predict(frame.assign(o=5.0)) - plain.predict(frame)
    assert_allclose(moved[["mean", "se"]], np.tile([2.0, 0.0], (180, 1)), atol=1e-9)


def test_index_is_kept(sleep_reml: bx.LikelihoodFit) -> None:
    new = pd.DataFrame({"Days": [1.0, 2.0]}, index=["a", "b"])
    assert list(sleep_reml.predict(new).index) == ["a", "b"]
    assert list(sleep_reml.predict({"Days": [1.0, 2.0]}).index) == [0, 1]
    before = new.copy()
    sleep_reml.predict(new)
    pd.testing.assert_frame_equal(new, before)


def test_frames_of_other_libraries(sleep_reml: bx.LikelihoodFit) -> None:
    new = pd.DataFrame({"Days": [1.0, 2.0], "Subject": ["308", "309"]})
    pd.testing.assert_frame_equal(sleep_reml.predict(pl.from_pandas(new)), sleep_reml.predict(new))


def test_observed_and_unobserved_groups_together(sleepstudy: Fits) -> None:
    """Rows of one new group say nothing of another."""
    observed = {"Days": [0.0, 5.0], "Reaction": [200.0, 210.0], "Subject": ["seen", "seen"]}
    new = {"Days": [3.0, 3.0, 3.0], "Subject": ["unseen", "seen", "308"]}
    plain, found = (sleepstudy.reml.predict(new, groups="new", observed=rows) for rows in (None, observed))
    assert_allclose(found.iloc[[0, 2]], plain.iloc[[0, 2]], rtol=1e-9)
    assert found["mean"].iloc[1] < plain["mean"].iloc[1] - 50 and found["se"].iloc[1] < plain["se"].iloc[1]
    draws = sleepstudy.post.predict(new, observed=observed, seed=1)
    assert_allclose(draws["mean"], found["mean"], atol=3 * found["se"].max() / np.sqrt(400))


# A posterior


def test_posterior_of_known_groups(sleepstudy: Fits) -> None:
    post, posterior = sleepstudy.post, sleepstudy.post.idata["posterior"]
    new = {"Days": [0.0, 3.0], "Subject": ["308", "372"]}
    found = post.predict(new)
    assert list(found.columns) == ["mean", "sd", "ci_low", "ci_high"]
    draws = post.predict(new, draws=True)
    assert draws.dims == ("chain", "draw", "row") and draws.attrs["groups"] == "known"
    for i, (days, subject) in enumerate(zip(new["Days"], new["Subject"], strict=True)):
        own = posterior.to_dataset().sel(Subject__factor_dim=subject)
        mean = own["Intercept"] + own["1|Subject"] + days * (own["Days"] + own["Days|Subject"])
        assert_allclose(draws[:, :, i], mean, rtol=1e-12)
        assert_allclose(found.loc[i], [mean.mean(), mean.std(ddof=1), *np.quantile(mean, [0.025, 0.975])], rtol=1e-9)
    assert_allclose(post.fitted(), post.predict()["mean"], rtol=1e-10)
    assert_allclose(post.residuals(), post.design.response - post.fitted())


def test_few_rows_at_a_time(sleepstudy: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = sleepstudy.post.predict()
    monkeypatch.setattr(predictive_draws, "CHUNK", 4000 * 7)
    pd.testing.assert_frame_equal(sleepstudy.post.predict(), expected)


def test_response(sleepstudy: Fits) -> None:
    """Given its parameters each draw is normal: standardised, N(0, 1), independent between rows."""
    post, found = sleepstudy.post, sleepstudy.post.parameters
    new = {"Days": [0.0, 9.0, 9.0], "Subject": ["308", "372", "372"]}
    mean = post.predict(new, draws=True)
    values = post.predict(new, kind="response", draws=True, seed=4)
    standard_normal(((values - mean) / found.sigma[..., None]).to_numpy().reshape(-1, 3))
    z = np.array([[1.0, 0.0], [1.0, 9.0], [1.0, 9.0]])
    total = np.einsum("na,cdab,nb->cdn", z, found.covariances[0], z) + found.sigma[..., None] ** 2
    fixed = post.predict({"Days": new["Days"]}, draws=True)
    values = post.predict({"Days": new["Days"]}, kind="response", draws=True, seed=5)
    standard_normal(((values - fixed) / np.sqrt(total)).to_numpy().reshape(-1, 3))


def test_new_groups_are_independent(sleepstudy: Fits) -> None:
    """A draw for each label and each posterior draw: none shared, the same in all rows of a label."""
    post = sleepstudy.post
    new = {"Days": [0.0, 0.0, 1.0, 0.0], "Subject": ["a", "b", "a", "308"]}
    draws = post.predict(new, groups="new", draws=True, seed=6)
    fixed = post.predict(new, groups="population", draws=True)
    u = (draws - fixed).to_numpy().reshape(-1, 4)
    roots = np.linalg.cholesky(post.parameters.covariances[0].reshape(-1, 2, 2))
    effects = np.column_stack([u[:, 0], u[:, 2] - u[:, 0]])  # intercept and slope of a
    white = np.linalg.solve(roots, effects[:, :, None])[:, :, 0]
    standard_normal(np.column_stack([white, u[:, 1] / roots[:, 0, 0]]))
    assert abs(np.corrcoef(white[1:, 0], white[:-1, 0])[0, 1]) < 4 / np.sqrt(4000)
    assert_allclose(draws[..., 3], post.predict({"Days": [0.0], "Subject": ["308"]}, draws=True)[..., 0])


def test_a_new_group_with_observations_in_a_posterior(sleepstudy: Fits) -> None:
    """Draw by draw the exact conditional of the effects, given beta, Sigma and sigma of the draw."""
    post, found = sleepstudy.post, sleepstudy.post.parameters
    days, y = np.array([0.0, 4.0, 9.0]), np.array([220.0, 300.0, 330.0])
    observed = {"Days": days, "Reaction": y, "Subject": ["new"] * 3}
    new = {"Days": [0.0, 1.0, 0.0], "Subject": ["new", "new", "308"]}
    draws = post.predict(new, observed=observed, draws=True, seed=7).to_numpy().reshape(-1, 3)
    plain = post.predict(new, groups="population", draws=True).to_numpy().reshape(-1, 3)
    effects = np.column_stack([draws[:, 0] - plain[:, 0], draws[:, 1] - plain[:, 1]]) @ [[1.0, -1.0], [0.0, 1.0]]
    white = np.empty_like(effects)
    x = np.column_stack([np.ones(3), days])
    sigma, beta = found.covariances[0].reshape(-1, 2, 2), found.beta.reshape(-1, 2)
    for d, residual in enumerate(found.sigma.ravel() ** 2):
        gain = np.linalg.solve(x @ sigma[d] @ x.T + residual * np.eye(3), x @ sigma[d]).T
        given = sigma[d] - gain @ x @ sigma[d]
        white[d] = np.linalg.solve(np.linalg.cholesky(given), effects[d] - gain @ (y - x @ beta[d]))
    standard_normal(white)
    known = post.predict({"Days": [0.0], "Subject": ["308"]}, draws=True)
    assert_allclose(draws[:, 2], known.to_numpy().ravel())


def test_a_new_cask_with_observations_in_a_known_batch(pastes: Fits) -> None:
    """The batch, and its other casks, are informed too; other batches keep their draws."""
    post, found = pastes.post, pastes.post.parameters
    observed = pd.DataFrame({"batch": "A", "cask": ["z", "z"], "strength": [57.0, 58.5]})
    new = pd.DataFrame({"batch": ["A", "A", "B"], "cask": ["z", "a", "a"]})
    draws = post.predict(new, observed=observed, draws=True, seed=8).to_numpy().reshape(-1, 3)
    frame = bx.load_dataset("pastes")
    own = frame.loc[frame["batch"] == "A", ["batch", "cask", "strength"]].astype({"batch": str, "cask": str})
    rows = pd.concat([own, observed])
    codes = pd.Categorical(rows["cask"], categories=["a", "b", "c", "z"]).codes
    casks = np.eye(4)[codes]
    wanted = np.eye(4)[[3, 0]]
    white = np.empty((4000, 2))
    parameters = zip(found.beta.ravel(), found.sigma.ravel() ** 2, *(c.ravel() for c in found.covariances), strict=True)
    for d, (beta, residual, cask, batch) in enumerate(parameters):
        V = batch + cask * casks @ casks.T + residual * np.eye(len(rows))
        across = batch + cask * wanted @ casks.T
        gain = np.linalg.solve(V, across.T).T
        given = batch + cask * wanted @ wanted.T - gain @ across.T
        mean = beta + gain @ (rows["strength"].to_numpy() - beta)
        white[d] = np.linalg.solve(np.linalg.cholesky(given), draws[d, :2] - mean)
    standard_normal(white)
    assert_allclose(draws[:, 2], post.predict(new.tail(1), draws=True).to_numpy().ravel())


def test_agrees_with_reml(sleepstudy: Fits) -> None:
    """Predictions of a posterior and of REML: near, the posterior a little wider."""
    new = {"Days": [0.0, 9.0], "Subject": ["308", "new"]}
    for kind in ("mean", "response"):
        one = sleepstudy.reml.predict(new, groups="new", kind=kind)
        two = sleepstudy.post.predict(new, groups="new", kind=kind, seed=1)
        assert np.abs(one["mean"] - two["mean"]).max() < 0.1 * one["se"].max()
        assert_allclose(two["sd"] / one["se"], 1.05, atol=0.15)


def test_seed(sleepstudy: Fits) -> None:
    new = {"Days": [0.0], "Subject": ["new"]}
    one, two, three = (
        sleepstudy.post.predict(new, groups="new", kind="response", seed=seed, draws=True) for seed in (3, 3, 4)
    )
    assert_array_equal(one, two)
    assert not np.allclose(one, three)
    table = sleepstudy.post.predict(new, groups="new", kind="response", seed=3)
    assert_allclose(table["mean"], one.mean())


def test_effects_that_were_not_kept(dyestuff: Fits) -> None:
    import dataclasses

    summary = dataclasses.replace(dyestuff.post.effects, effects=None)
    post = dataclasses.replace(dyestuff.post, effects=summary)
    with pytest.raises(ArgumentError, match="group_effects=True"):
        post.predict()
    assert_allclose(post.fitted(), dyestuff.post.fitted())
    new = post.predict({"Batch": ["new"]}, groups="new", seed=1)
    assert_allclose(new, dyestuff.post.predict({"Batch": ["new"]}, groups="new", seed=1))
    assert_allclose(post.predict({"Batch": ["A"]}, groups="population")["mean"], dyestuff.post.parameters.beta.mean())
    with pytest.raises(ArgumentError, match="group_effects=True"):
        post.posterior_predictive()
    assert post.posterior_predictive(groups="new", draws=2, seed=1)["posterior_predictive"]["y"].shape == (4, 2, 30)


# Replicated data


def test_posterior_predictive(dyestuff: Fits) -> None:
    post, found = dyestuff.post, dyestuff.post.parameters
    before = set(post.idata.children)
    tree = post.posterior_predictive(seed=2)
    assert set(post.idata.children) == before and isinstance(tree, xr.DataTree)
    y = tree["posterior_predictive"]["y"]
    assert y.dims == ("chain", "draw", "__obs__") and y.shape == (4, 1000, 30)
    assert_array_equal(tree["observed_data"]["y"], post.design.response)
    rest = (y.to_numpy() - post.predict(draws=True).to_numpy()) / found.sigma[..., None]
    standard_normal(rest.reshape(-1, 30)[:, :5])
    new = post.posterior_predictive(groups="new", seed=2)["posterior_predictive"]["y"].to_numpy()
    total = np.sqrt(found.covariances[0][..., 0] + found.sigma[..., None] ** 2)
    standard_normal(((new - found.beta) / total).reshape(-1, 30)[:, [0, 7, 29]])  # one row of each of three batches
    some = post.posterior_predictive(draws=5, seed=2)["posterior_predictive"]
    assert some["y"].shape == (4, 5, 30)
    assert some["draw"].to_numpy().tolist() == [0, 250, 500, 749, 999]


def test_arviz_reads_replicated_data(dyestuff: Fits) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import arviz as az
    from matplotlib import pyplot

    assert az.plot_ppc_dist(dyestuff.post.posterior_predictive(draws=20, seed=1)) is not None
    pyplot.close("all")


@pytest.mark.parametrize(
    "options",
    [
        {"draws": 0},
        {"draws": 5000},
        {"draws": True},
        {"draws": 2.5},
        {"groups": "population"},
        {"seed": -1},
        {"kind": 1},
    ],
    ids=str,
)
def test_wrong_use_of_posterior_predictive(options: dict[str, object], dyestuff: Fits) -> None:
    with pytest.raises(ArgumentError):
        dyestuff.post.posterior_predictive(**options)  # type: ignore[arg-type]


# Wrong use


WRONG: list[tuple[object, dict[str, object], str]] = [
    ({"Days": [1.0], "Subject": ["zzz"]}, {}, "groups='new'"),
    ({"Days": [1.0], "Subject": [308]}, {}, "'308'"),
    ({"Days": [1.0], "Subject": [None]}, {}, "missing"),
    ({"Days": [np.nan], "Subject": ["308"]}, {}, "missing"),
    ({"Days": [np.inf]}, {}, "infinite"),
    ({"Day": [1.0]}, {}, "Did you mean"),
    ({"Days": ["one"]}, {}, "number"),
    (pd.DataFrame({"Days": []}), {}, "0 rows"),
    (pd.DataFrame(), {}, "0 rows"),
    ([1, 2], {}, "data frame"),
    (3, {}, "data frame"),
    ("Days", {}, "data frame"),
    ({"Days": [1.0]}, {"groups": "known"}, "no column 'Subject'"),
    ({"Days": [1.0]}, {"groups": "new"}, "no column 'Subject'"),
    ({"Days": [1.0]}, {"groups": "all"}, "'population'"),
    ({"Days": [1.0]}, {"groups": ["known"]}, "'population'"),
    ({"Days": [1.0]}, {"kind": "link"}, "'response'"),
    ({"Days": [1.0]}, {"kind": None}, "'response'"),
    ({"Days": [1.0]}, {"prob": 95}, "0.95"),
    ({"Days": [1.0]}, {"prob": "wide"}, "0.95"),
    ({"Days": [1.0]}, {"seed": "one"}, "seed"),
    ({"Days": [1.0]}, {"draws": 5}, "draws=True"),
    ({"Days": [1.0]}, {"levels": "subject"}, "Did you mean 'Subject'"),
    ({"Days": [1.0]}, {"levels": []}, "groups='population'"),
    ({"Days": [1.0]}, {"levels": 1}, "groups='population'"),
    ({"Days": [1.0]}, {"levels": "Subject"}, "no column 'Subject'"),
    ({"Days": [1.0]}, {"levels": "Subject", "groups": "population"}, "Leave groups out"),
    ({"Days": [1.0]}, {"newdata": 1}, "Write new="),
    (None, {"data": pd.DataFrame({"Days": range(20)})}, r"Write new=\.\.\.\."),
    ({"Days": [1.0]}, {"level": "Subject"}, "Write levels='Subject'"),
    ({"Days": [1.0]}, {"re_form": 1}, "no keyword 're_form'"),
    ({"Days": [1.0], "Subject": ["a"]}, {"observed": 3}, "data frame"),
    ({"Days": [1.0], "Subject": ["a"]}, {"observed": {"Days": [1.0], "Subject": ["a"]}}, "Reaction"),
    ({"Days": [1.0], "Subject": ["a"]}, {"observed": {"Days": [1.0], "Reaction": [1.0]}}, "Subject"),
    ({"Days": [1.0], "Subject": ["a"]}, {"observed": {"Days": [1.0], "Reaction": ["x"], "Subject": ["a"]}}, "numbers"),
    ({"Days": [1.0], "Subject": ["a"]}, {"observed": {"Days": [1.0], "Reaction": [None], "Subject": ["a"]}}, "missing"),
    ({"Days": [1.0], "Subject": ["a"]}, {"observed": {}}, "0 rows"),
    ({"Days": [1.0], "Subject": ["a"]}, {"observed": {}, "groups": "known"}, "groups='new'"),
    (None, {"observed": {"Days": [1.0]}}, "groups='new'"),
]


@pytest.mark.parametrize(("new", "options", "message"), WRONG, ids=str)
def test_wrong_use(new: object, options: dict[str, object], message: str, sleepstudy: Fits) -> None:
    for fit in (sleepstudy.reml, sleepstudy.post):
        with pytest.raises(BayesmixError, match=message):
            fit.predict(new, **options)  # type: ignore[arg-type]


def test_a_likelihood_fit_has_no_draws(sleep_reml: bx.LikelihoodFit) -> None:
    with pytest.raises(ArgumentError, match=r"model\.sample"):
        sleep_reml.predict(draws=True)


def test_labels_of_predictors(hsb: pd.DataFrame) -> None:
    fit = bx.Model("math ~ sector + (1 | school)", hsb).reml()
    with pytest.raises(DataError, match="Catholic"):
        fit.predict({"sector": ["Private"]})
    new = {"sector": ["Public"], "school": ["new"]}
    with pytest.raises(DataError, match="Catholic"):
        fit.predict(new, observed={**new, "sector": ["Private"], "math": [3.0]})


def test_too_many_effects_to_update(pastes: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    from bayesmix.results import prediction

    monkeypatch.setattr(prediction, "MOST_EFFECTS", 4)
    new = {"batch": ["A"], "cask": ["z"]}
    with pytest.raises(ArgumentError, match="5 group effects"):
        pastes.post.predict(new, observed={**new, "strength": [60.0]})
    pastes.post.predict({"batch": ["Z"], "cask": ["z"]}, observed={"batch": ["Z"], "cask": ["z"], "strength": [60.0]})


def test_a_label_of_another_type(hsb_reml: bx.LikelihoodFit) -> None:
    """HSB's schools are text: the number 1224 is a slip, not a new school."""
    new = pd.DataFrame({"ses": [0.0], "school": [1224]})
    for groups in (None, "new"):
        with pytest.raises(DataError, match="of different types \\(int and str\\)"):
            hsb_reml.predict(new, groups=groups)
    assert hsb_reml.predict(new.assign(school="1224"), groups="new").shape == (1, 4)


def test_rows_observed_twice(sleepstudy: Fits) -> None:
    """Rows of the fit given again as further rows are warned of; other rows of the same subject are not."""
    rows = sleepstudy.model.design
    again = bx.load_dataset("sleepstudy").iloc[:3]
    new = again[["Days", "Subject"]]
    with pytest.warns(bx.BayesmixWarning, match="3 of the 3 rows observed"):
        sleepstudy.reml.predict(new, groups="new", observed=again)
    sleepstudy.reml.predict(new, groups="new", observed=again.assign(Reaction=again["Reaction"] + 1))
    assert rows.n == 180


def test_labels_of_the_rows_used(hsb: pd.DataFrame) -> None:
    """Rows left out leave a gap in the labels."""
    frame = hsb.iloc[:300].copy()
    frame.loc[frame.index[[3, 50]], "ses"] = np.nan
    fit = bx.Model("math ~ ses + (1 | school)", frame).reml()
    assert fit.predict().index.equals(frame.index.delete([3, 50]))
    assert_allclose(fit.predict()["mean"], fit.fitted(), rtol=1e-9)
