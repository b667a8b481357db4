"""Cross-validation of posteriors: against refits by hand, closed forms and ArviZ, and wrong use."""

import warnings
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy import stats
from scipy.special import logsumexp

import bayesmix as bx
from bayesmix.design.subset import without_rows
from bayesmix.errors import ArgumentError, BayesmixWarning, ConvergenceError, DesignError, PriorError
from bayesmix.inference import posterior as inference_posterior
from bayesmix.inference import refits, sampling
from bayesmix.inference.density_means import DensityMeans, density_means
from bayesmix.inference.leave_out import Hyperparameters, log_predictive
from bayesmix.inference.threads import one_blas_thread
from bayesmix.results import cross_validation, left_out, refitted
from bayesmix.results.left_out import hyperparameters
from tests import dense
from tests.bayes import Fits, dense_problem, user_prior
from tests.exact_regression import exact_regression
from tests.fabricated import fabricated
from tests.frames import random_frame

Floats = NDArray[np.float64]

QUIET = "ignore:.*Pareto k.*:bayesmix.BayesmixWarning"
FALLBACK = "ignore:.*WAIC.*:bayesmix.BayesmixWarning"


@pytest.mark.parametrize("weights", [None, "w"])
def test_regression_has_a_closed_form(weights: str | None, rng: np.random.Generator) -> None:
    """Only sigma is left to importance sampling: a hundredth, where all of beta would leave a tenth."""
    post, exact = exact_regression(rng, weights)
    found, other = post.loo(), post.waic()
    assert_allclose(found.elpd_i, exact, atol=0.02)
    assert_allclose(found.elpd, sum(exact), atol=0.05)
    assert_allclose(other.elpd, sum(exact), atol=0.1)
    assert found.p < 1.5  # sigma alone is sampled
    assert (found.kind, other.kind) == ("loo", "waic")
    assert "elpd_waic" in str(other)


@pytest.mark.filterwarnings(QUIET, FALLBACK)
def test_arviz_gets_dense_densities(sleepstudy: Fits) -> None:
    """ArviZ's own loo of the densities of the groups, computed with dense matrices draw by draw."""
    post = sleepstudy.post
    problem, prior = dense_problem(sleepstudy.model), user_prior(sleepstudy.model)
    few = post.idata.isel(draw=slice(0, 60))
    thin = bx.BayesFit(post.design, post.products, post.priors, few, post.effects)
    draws, codes = thin.parameters, post.design.levels[0].grouping.codes
    values, around = np.empty((4, 60, 18)), problem.X @ np.linalg.inv(prior.precision) @ problem.X.T
    for c, d in product(range(4), range(60)):
        with one_blas_thread():
            sigma, residual = [draws.covariances[0][c, d]], draws.sigma[c, d] ** 2
            P = np.linalg.inv(problem.variance(sigma, residual) + around)
            whole = P @ (problem.y - problem.X @ prior.mean)
            for g in range(18):
                rows = np.flatnonzero(codes == g)
                block = P[np.ix_(rows, rows)]
                mean = -np.linalg.solve(block, whole[rows])
                values[c, d, g] = stats.multivariate_normal.logpdf(np.zeros(10), mean, np.linalg.inv(block))
    tree = few.copy()
    tree["log_likelihood"] = az.convert_to_datatree({"y": values}, group="log_likelihood")["log_likelihood"]
    own = [name for name in ("sigma", "1|Subject_sigma", "Days|Subject_sigma", "Subject_corr")]
    size = np.concatenate([np.ravel(az.ess(few["posterior"].to_dataset()[name], method="mean")) for name in own])
    with pytest.warns(UserWarning, match="shape parameter"):
        theirs = az.loo(tree, pointwise=True, reff=min(1.0, size.mean() / 240))
    found = thin.loo(by="Subject")
    assert_allclose(found.elpd_i, theirs.elpd_i, rtol=1e-8)
    assert_allclose(found.pareto_k, theirs.pareto_k, rtol=1e-5)
    for name in ("elpd", "se", "p", "good_k", "n_samples", "n_data_points", "warning"):
        assert_allclose(getattr(found, name), getattr(theirs, name), rtol=1e-7)
    waic = thin.waic("Subject")
    flat = values.reshape(240, 18)
    lppd, variance = logsumexp(flat, axis=0) - np.log(240), flat.var(axis=0, ddof=1)
    assert_allclose([waic.elpd, waic.p], [(lppd - variance).sum(), variance.sum()], rtol=1e-8)


@pytest.mark.filterwarnings(QUIET)
def test_labels_and_what_arviz_does_with_it(sleepstudy: Fits, pastes: Fits) -> None:
    found = sleepstudy.post.loo(by="Subject")
    assert found.elpd_i.dims == found.pareto_k.dims == ("Subject",)
    assert found.elpd_i["Subject"].to_numpy().tolist() == list(sleepstudy.post.design.levels[0].grouping.labels)
    assert_allclose(found.elpd, float(found.elpd_i.sum()))
    assert_allclose(found.p, float(found.p_loo_i.sum()))
    assert "18 observations" in str(found)
    rows = sleepstudy.post.loo()
    assert rows.elpd_i.sizes == {"__obs__": 180}
    assert rows.elpd > found.elpd  # rows of known groups are easier
    az.plot_khat(found)
    plt.close("all")
    table = az.compare({"one": rows, "other": rows})
    assert_allclose(table["elpd_diff"], 0)
    inner = pastes.post.loo(by="batch:cask")
    assert inner.elpd_i.sizes == {"batch:cask": 30}
    assert not inner.warning


def test_other_order_of_rows(rng: np.random.Generator) -> None:
    """The value of a group has its own label, whatever the order of rows and the numbers of groups in the tree."""
    frame = random_frame(rng)
    frame["inner"] = rng.permutation(3)[frame["inner"]]
    moved = frame.sample(frac=1, random_state=1)
    found = []
    for data in (frame, moved):
        model = bx.Model("y ~ x + (x | top/inner)", data)
        draws = hyperparameters(fabricated(model, np.random.default_rng(1)))
        post = fabricated(model, np.random.default_rng(1))
        values = {}
        for by in ("top", "top:inner", None):
            units = left_out.pick_units(model.design, by)
            each = log_predictive(model.design, model.products, model.priors.numbers, draws, units)
            values[by] = dict(zip(left_out.labels_of(post.design, units), each[0], strict=True))
        found.append(values)
    for by, values in found[0].items():
        assert values.keys() == found[1][by].keys()
        assert_allclose([values[k] for k in values], [found[1][by][k] for k in values], rtol=1e-8)


@pytest.mark.filterwarnings(QUIET, FALLBACK)
def test_parts_of_the_memory(pastes: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = pastes.post.loo(), pastes.post.waic()
    monkeypatch.setattr(cross_validation, "_CHUNK_BYTES", 8 * 4000 * 7)
    assert_allclose(pastes.post.loo().elpd_i, one.elpd_i, rtol=1e-12)
    assert_allclose(pastes.post.waic().elpd_i, other.elpd_i, rtol=1e-12)
    assert_allclose(pastes.post.loo().elpd, one.elpd, rtol=1e-12)


def test_effects_need_not_be_kept(rng: np.random.Generator) -> None:
    post = fabricated(bx.Model("y ~ x + (1 | top)", random_frame(rng)), rng, keep=False, draws=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BayesmixWarning)
        assert np.isfinite(post.loo(by="top").elpd)


def test_too_few_draws(rng: np.random.Generator) -> None:
    """Weights have no tail to smooth."""
    post = fabricated(bx.Model("y ~ x + (1 | top)", random_frame(rng)), rng)
    with pytest.raises(ArgumentError, match="The posterior has 10 draws"):
        post.loo()
    model = bx.Model("y ~ x", random_frame(rng))
    sigma = rng.gamma(200, 0.01, size=30)
    with pytest.raises(ArgumentError, match=r"The posterior has 29 draws\. Expected at least 30"):
        fabricated(model, rng, chains=1, draws=29, sigma=sigma[:29]).loo()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = fabricated(model, rng, chains=1, draws=30, sigma=sigma).loo()
    assert np.isfinite(found.pareto_k).all()
    assert all("Of 30 draws a k up to 0.32 is good" in str(each.message) for each in said)
    assert all("sample more draws" in str(each.message) for each in said)


def test_frozen_draws(rng: np.random.Generator) -> None:
    """Draws that are all the same have no tail either."""
    post = fabricated(bx.Model("y ~ x", random_frame(rng)), rng, draws=100, sigma=np.ones(200))
    with pytest.raises(ConvergenceError, match="Importance sampling failed: All tail values are the same"):
        post.loo()


def test_high_k_is_said(sleepstudy: Fits) -> None:
    """With names, and what to do."""
    with pytest.warns(
        BayesmixWarning, match=r"of 18 groups of Subject \(.*332.*Pareto k above 0.70.*reloo=True\)"
    ) as said:
        found = sleepstudy.post.loo(by="Subject")
    assert Path(said[0].filename) == Path(__file__)
    assert found.warning
    with pytest.warns(BayesmixWarning, match=r"WAIC: .*groups of Subject .*332.*Use loo\(by='Subject'\)") as said:
        sleepstudy.post.waic("Subject")
    assert Path(said[0].filename) == Path(__file__)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What refits were sampled with, and their draws."""
    calls: list[Any] = []
    plain = refits.draw_by_plan

    def spied(design: Any, products: Any, priors: Any, plan: Any, settings: Any, keep: bool) -> Any:
        found = plain(design, products, priors, plan, settings, keep)
        calls.append((products, priors, settings, found.variances))
        return found

    monkeypatch.setattr(refits, "draw_by_plan", spied)
    return calls


@pytest.mark.filterwarnings(QUIET)
def test_reloo(sleepstudy: Fits, seen: list[Any]) -> None:
    """The group with a high k is left out of the data, not of the priors, and the compiled graph serves again."""
    post = sleepstudy.post
    plain, graphs = post.loo(by="Subject"), list(sampling._compiled)
    high = np.flatnonzero(plain.pareto_k > plain.good_k)
    found = post.loo(by="Subject", reloo=True, seed=1, progress=False)
    assert list(sampling._compiled) == graphs
    assert len(seen) == high.size > 0
    codes = post.design.levels[0].grouping.codes
    for g, (products, priors, settings, variances) in zip(high, seen, strict=True):
        assert priors == post.priors.numbers
        assert products.n == 170
        assert_array_equal(products.sums, without_rows(post.design, post.products, codes != g).sums)
        assert (settings.draws, settings.tune, settings.chains) == (1000, 300, 4)
        draws = Hyperparameters(variances.covariances, variances.sigma, np.zeros((4000, 0)))
        units = left_out.pick_units(post.design, "Subject")
        each = log_predictive(post.design, post.products, priors, draws, units, np.array([g]), codes != g)
        own = density_means(each.reshape(4, 1000, 1))
        assert_allclose(found.elpd_i[g], own.values[0], rtol=1e-10)
        assert_allclose(found.elpd_i["mcse"][g], own.mcse[0], rtol=1e-8)
        assert_allclose(found.pareto_k[g], own.k[0] if own.doubtful[0] else 0.0)
    assert np.isnan(found.elpd_i["mcse"]).sum() == 18 - high.size
    others = np.setdiff1d(np.arange(18), high)
    assert_array_equal(found.elpd_i[others], plain.elpd_i[others])
    assert (np.abs(found.elpd_i[high] - plain.elpd_i[high]) > 1e-6).all()
    assert_allclose(found.elpd_i[high], plain.elpd_i[high], atol=3)
    again = post.loo(by="Subject", reloo=True, seed=1, progress=False)
    assert_array_equal(again.elpd_i, found.elpd_i)


@pytest.mark.filterwarnings(QUIET)
def test_kfold(sleepstudy: Fits, seen: list[Any]) -> None:
    """Every group once, predicted by the posterior without its fold."""
    post, graphs = sleepstudy.post, list(sampling._compiled)
    found = post.kfold("Subject", k=3, seed=1, progress=False)
    assert list(sampling._compiled) == graphs
    assert (found.kind, found.n_folds, found.n_data_points) == ("loo_kfold", 3, 18)
    folds = found.elpd_i["fold"].to_numpy()
    assert_array_equal(np.bincount(folds), [6, 6, 6])
    codes = post.design.levels[0].grouping.codes
    for number, (products, priors, _, variances) in enumerate(seen):
        assert priors == post.priors.numbers
        kept, fold = folds[codes] != number, np.flatnonzero(folds == number)
        assert_array_equal(products.sums, without_rows(post.design, post.products, kept).sums)
        draws = Hyperparameters(variances.covariances, variances.sigma, np.zeros((4000, 0)))
        units = left_out.pick_units(post.design, "Subject")
        each = log_predictive(post.design, post.products, priors, draws, units, fold, kept)
        assert_allclose(found.elpd_i[fold], logsumexp(each, axis=0) - np.log(4000), rtol=1e-10)
    assert_allclose(found.elpd, float(found.elpd_i.sum()))
    assert_allclose(found.p, float(found.p_kfold_i.sum()))
    assert "3-fold" in str(found)


def test_interrupted_folds(sleepstudy: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is finished is kept."""
    done: list[int] = []

    def refit(*given: Any) -> np.ndarray:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return DensityMeans(np.full(len(given[2]), -1.0), np.zeros(6), np.zeros(6), 0.7)

    monkeypatch.setattr(refitted, "_refit", refit)
    with pytest.warns(BayesmixWarning, match="2 of 3 refits were finished"):
        found = sleepstudy.post.kfold("Subject", k=3, seed=1, progress=False)
    assert found.n_data_points == found.elpd_i.size == 12
    assert found.elpd == -12
    with pytest.raises(KeyboardInterrupt):
        sleepstudy.post.kfold("Subject", k=3, seed=1, progress=False)


@pytest.mark.filterwarnings(FALLBACK)
def test_what_vanishes_is_refused(rng: np.random.Generator) -> None:
    frame = random_frame(rng)
    frame["b"] = np.where(frame["top"] == 4, rng.normal(size=len(frame)), 0.0)
    post = fabricated(bx.Model("y ~ x + b + (1 | top)", frame, priors="flat"), rng, draws=50)
    for call in (lambda: post.loo("top"), lambda: post.waic("top"), lambda: post.kfold("top", k=8)):
        with pytest.raises(DesignError, match="Without top 4 the other rows do not determine 'b'"):
            call()
    with pytest.raises(DesignError, match=r"Without the fold of top \d, \d, \d( and 1 more)? the other rows"):
        post.kfold("top", k=3)
    post.waic()  # rows do not take it away


def test_improper_refits_are_refused(dyestuff2: Fits, dataset: Any, rng: np.random.Generator) -> None:
    """Three batches are enough for a flat sd, the two left are not."""
    frame = dataset("dyestuff").query("Batch in ['A', 'B', 'C']")
    model = bx.Model("Yield ~ 1 + (1 | Batch)", frame, priors="flat")
    inference_posterior.require_proper(model.priors.numbers, model.design, model.products)
    with pytest.raises(PriorError, match="flat priors, and the data leave 1 independent difference"):
        fabricated(model, rng).kfold("Batch", k=3, progress=False)


def test_draws_out_of_reach(rng: np.random.Generator) -> None:
    model = bx.Model("y ~ x + (1 | top)", random_frame(rng))
    post = fabricated(model, rng, draws=50, sigma=np.where(np.arange(100) == 3, np.inf, 1.0))
    with pytest.raises(ConvergenceError, match="density of row 0 given all others is not a number at 1 draws"):
        post.loo()


WRONG = [
    (lambda p: p.loo(by="school"), ArgumentError, "no level 'school'"),
    (lambda p: p.loo(by=3), ArgumentError, "by=3. Expected the name of a level: 'Subject'"),
    (lambda p: p.loo(by=["Subject"]), ArgumentError, "Expected the name of a level"),
    (lambda p: p.loo(level="Subject"), ArgumentError, "Write by="),
    (lambda p: p.loo(refit=True), ArgumentError, "Write reloo=True"),
    (lambda p: p.loo(pointwise=True), ArgumentError, "elpd_i"),
    (lambda p: p.loo(reloo="yes"), ArgumentError, "reloo='yes'. Expected True or False"),
    (lambda p: p.loo(progress=1), ArgumentError, "progress=1"),
    (lambda p: p.loo(seed=-1), ArgumentError, "seed=-1"),
    (lambda p: p.loo(seed="a"), ArgumentError, "seed='a'"),
    (lambda p: p.waic(by="subject"), ArgumentError, "Did you mean 'Subject'"),
    (lambda p: p.waic(progress="no"), ArgumentError, "progress='no'. Expected True or False"),
    (lambda p: p.waic(pointwise=True), ArgumentError, "elpd_i"),
    (lambda p: p.kfold("Subject", k=19), ArgumentError, "k=19, and there are 18 groups of Subject"),
    (lambda p: p.kfold(k=181), ArgumentError, "180 rows"),
    (lambda p: p.kfold("Subject", k=1), ArgumentError, "k=1. Expected a whole number of at least 2"),
    (lambda p: p.kfold("Subject", k=2.5), ArgumentError, r"k=2\.5"),
    (lambda p: p.kfold("Subject", K=5), ArgumentError, "k=10"),
    (lambda p: p.kfold("Subject", seed=1.5), ArgumentError, r"seed=1\.5"),
    (lambda p: p.kfold("Subject", random_seed=1), ArgumentError, "seed=1"),
]


@pytest.mark.parametrize(("call", "kind", "message"), WRONG)
def test_wrong_use(call: Any, kind: type[Exception], message: str, sleepstudy: Fits) -> None:
    with pytest.raises(kind, match=message):
        call(sleepstudy.post)


def test_no_levels(rng: np.random.Generator) -> None:
    post = fabricated(bx.Model("y ~ x", random_frame(rng)), rng)
    with pytest.raises(ArgumentError, match="the model has no levels"):
        post.loo(by="top")


def test_estimates_have_none(sleepstudy: Fits) -> None:
    with pytest.raises(AttributeError, match=r"model.sample\(\).loo\(\)"):
        sleepstudy.reml.loo  # noqa: B018
    with pytest.raises(AttributeError, match="kfold"):
        sleepstudy.reml.kfold  # noqa: B018


def by_hand(model: bx.Model, frame: pd.DataFrame, group: int) -> Floats:
    """log p(y_g | y_-g, theta) at draws of theta from the data without the group, sampled on the same priors.

    One level: the density given the variance parameters is that of the group's rows, beta as the other groups leave it.
    """
    codes = model.design.levels[0].grouping.codes
    smaller = bx.Model(model.formula, frame[codes != group])
    numbers = model.priors.numbers
    settings = sampling.Settings(draws=1000, chains=4, seed=50 + group, progress=False)
    found = inference_posterior.draw_posterior(
        smaller.design, smaller.products, numbers, smaller.reml().solution, settings, "summary"
    )
    sigma, residual = found.variances.covariances[0][::4], found.variances.sigma[::4, None, None] ** 2
    problem, prior = dense_problem(model), user_prior(model)

    def parts(rows: np.ndarray) -> tuple[Floats, Floats, Floats]:
        Z = problem.columns[0][rows]
        return problem.X[rows], problem.y[rows], residual * np.eye(len(rows)) + Z @ sigma @ Z.T

    precision, right = prior.precision, prior.precision @ prior.mean
    for g in range(codes.max() + 1):
        if g != group:
            X, y, V = parts(np.flatnonzero(codes == g))
            VX = np.linalg.solve(V, np.broadcast_to(X, (len(V), *X.shape)))
            precision, right = precision + X.T @ VX, right + y @ VX
    X, y, V = parts(np.flatnonzero(codes == group))
    V = V + X @ np.linalg.solve(precision, np.broadcast_to(X.T, (len(V), *X.T.shape)))
    beta = np.linalg.solve(precision, right[:, :, None])[:, :, 0]
    return np.array([dense.normal_log_density(y, X @ b, v) for b, v in zip(beta, V, strict=True)])


def error_of(logs: Floats) -> float:
    """Of the log of a mean of exponentials of correlated draws, about half of which count."""
    values = np.exp(logs - logs.max())
    return float(values.std() / values.mean() / np.sqrt(len(values) / 2))


def against_refits(model: bx.Model, post: bx.BayesFit, frame: pd.DataFrame, groups: Sequence[int]) -> None:
    """Within Monte Carlo error of both: of the mean of densities, and of the mean of their inverses."""
    level = model.levels[0]
    with one_blas_thread():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BayesmixWarning)
            plain = post.loo(by=level)
            found = post.loo(by=level, reloo=True, seed=8, progress=False).elpd_i.to_numpy()
        units = left_out.pick_units(model.design, level)
        inverse = -log_predictive(model.design, model.products, model.priors.numbers, hyperparameters(post), units)
        hands = [by_hand(model, frame, g) for g in groups]
    rows = []
    for g, logs in zip(groups, hands, strict=True):
        again = bool(plain.pareto_k[g] > plain.good_k)
        error = np.hypot(error_of(logs), error_of(logs) / 2 if again else error_of(inverse[:, g]))
        rows.append((found[g], float(logsumexp(logs) - np.log(len(logs))), error, again))
    table = pd.DataFrame(rows, columns=["loo", "by hand", "error", "refitted"], index=list(groups))
    table["z"] = (table["loo"] - table["by hand"]) / table["error"]
    print(table.round(3).to_string())
    assert (table["z"].abs() < 4).all()
    assert table["error"].median() < 0.03


@pytest.mark.slow
def test_every_subject_left_out_by_hand(sleepstudy: Fits, dataset: Any) -> None:
    against_refits(sleepstudy.model, sleepstudy.post, dataset("sleepstudy"), range(18))


@pytest.mark.slow
def test_schools_left_out_by_hand(dataset: Any) -> None:
    """The first nine, and the one of two pupils with the slope of -7."""
    frame = dataset("exam")
    model = bx.Model("normexam ~ standLRT + (standLRT | school)", frame)
    post = model.sample(seed=5, progress=False)
    labels = [str(label) for label in model.design.levels[0].grouping.labels]
    against_refits(model, post, frame, [*range(9), labels.index("48")])
