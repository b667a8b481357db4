"""Posteriors sampled without some rows: against dense densities where a column vanishes, and where some fail."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy import stats
from scipy.special import logsumexp

import bayesmix as bx
from bayesmix.errors import BayesmixWarning, ConvergenceError
from bayesmix.inference.refits import plan_refits, sample_without
from bayesmix.inference.sampling import Settings
from bayesmix.inference.threads import one_blas_thread
from bayesmix.results import refitted
from bayesmix.results.refitted import with_enough_draws
from tests import dense
from tests.bayes import Fits, dense_problem, user_prior

Floats = NDArray[np.float64]

# Of one outlying subject.
pytestmark = pytest.mark.filterwarnings("ignore:.*Pareto k.*:bayesmix.BayesmixWarning")

SITE = "Reaction ~ Days + site + (Days | Subject)"


@pytest.fixture(scope="module")
def one_site() -> Fits:
    """A column that is constant outside one group; the graph has the shape of sleepstudy's, which is compiled."""
    frame = bx.load_dataset("sleepstudy")
    model = bx.Model(SITE, frame.assign(site=np.where(frame["Subject"].astype(str) == "308", "B", "A")))
    return Fits(model, model.reml(), model.sample(seed=2, progress=False))


def log_joint(model: bx.Model, rows: NDArray[np.int64], points: Floats) -> Floats:
    """Log density of rows, and of sigma, two sds in logarithms and the log odds of a partial correlation, (m,)."""
    problem, prior, numbers = dense_problem(model), user_prior(model), model.priors.numbers
    X, y, codes, Z = problem.X[rows], problem.y[rows], problem.codes[0][rows], problem.columns[0][rows]
    around, out = X @ np.linalg.inv(prior.precision) @ X.T, np.empty(len(points))
    for i, point in enumerate(points):
        sd, share = np.exp(point[1:3]), 1 / (1 + np.exp(-point[3]))
        r = 2 * share - 1
        sigma = np.outer(sd, sd) * np.array([[1, r], [r, 1]])
        V = np.exp(2 * point[0]) * np.eye(len(rows)) + (codes[:, None] == codes) * (Z @ sigma @ Z.T) + around
        out[i] = dense.normal_log_density(y, X @ prior.mean, V) + np.log(share * (1 - share))
    scales = [numbers.sigma.scale, *(own.scale for own in numbers.levels[0].sds)]
    out += (stats.t.logpdf(np.exp(points[:, :3]), 4, scale=scales) + points[:, :3]).sum(axis=1)
    return np.asarray(out + stats.beta.logpdf(1 / (1 + np.exp(-points[:, 3])), 2, 2))


def by_importance(
    model: bx.Model, group: int, fold: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[float, float]:
    """log p(y_g | rows outside the fold) and its error, by points from a t around the full posterior's mode."""
    reml = model.reml().variance_components()["estimate"]
    codes = model.design.levels[0].grouping.codes
    known, both = np.flatnonzero(~fold), np.flatnonzero(~fold | (codes == group))
    middle = np.append(
        np.log(reml[[("residual", "var"), ("Subject", "var(Intercept)"), ("Subject", "var(Days)")]]) / 2, 0
    )
    spread = np.diag([0.07, 0.35, 0.35, 1.0]) ** 2
    points = stats.multivariate_t.rvs(middle, spread, df=5, size=1500, random_state=rng)
    with one_blas_thread():
        without, together = (log_joint(model, rows, points) for rows in (known, both))
    weights = without - stats.multivariate_t.logpdf(points, middle, spread, df=5)
    weights = np.exp(weights - weights.max())
    ratio = np.exp(together - without - (together - without).max())
    mean = np.average(ratio, weights=weights)
    error = np.sqrt(np.sum((weights * (ratio - mean)) ** 2)) / weights.sum() / mean
    return float(np.log(mean) + (together - without).max()), float(error)


def test_a_column_that_vanishes(one_site: Fits, rng: np.random.Generator) -> None:
    """Without the group there is no estimate of its coefficient, whose prior is proper."""
    post = one_site.post
    found = post.kfold("Subject", k=6, seed=1, progress=False)
    fold, codes = found.elpd_i["fold"].to_numpy(), post.design.levels[0].grouping.codes
    group = list(map(str, post.design.levels[0].grouping.labels)).index("308")
    other = int(np.flatnonzero(fold == fold[group])[-1])
    for g in (group, other):
        exact, error = by_importance(one_site.model, g, fold[codes] == fold[group], rng)
        assert error < 0.15
        assert abs(found.elpd_i[g] - exact) < 4 * np.hypot(error, found.elpd_i["mcse"][g])


def test_a_column_of_one_row(one_site: Fits) -> None:
    """Over rows too; its posterior is that of the other rows and the prior of the coefficient."""
    frame = bx.load_dataset("sleepstudy")
    model = bx.Model("Reaction ~ Days + one + (Days | Subject)", frame.assign(one=(np.arange(180) == 3) * 1.0))
    numbers, kept = model.priors.numbers, np.arange(180) != 3
    plan = plan_refits(model.design, model.products, numbers)
    found = sample_without(model.design, model.products, numbers, plan, kept, Settings(seed=1, progress=False))
    assert found.sigma.shape == (4000,)
    plain = bx.Model("Reaction ~ Days + (Days | Subject)", frame[kept]).sample(seed=1, progress=False)
    assert_allclose(found.sigma.mean(), plain.parameters.sigma.mean(), rtol=0.01)


def failing(monkeypatch: pytest.MonkeyPatch, fails: Any) -> None:
    """Refits for which ``fails(number, kept)`` holds end as samplers do that find no start."""
    plain, calls = refitted.sample_without, iter(range(100))

    def sampled(*given: Any) -> Any:
        if fails(next(calls), given[4]):
            raise RuntimeError("All initialization points failed")
        return plain(*given)

    monkeypatch.setattr(refitted, "sample_without", sampled)


def test_one_fold_fails(sleepstudy: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are kept, and the one is named."""
    whole = sleepstudy.post.kfold("Subject", k=6, seed=1, progress=False)
    failing(monkeypatch, lambda number, kept: number == 2)
    labels = whole.elpd_i["Subject"][whole.elpd_i["fold"] == 2].to_numpy()
    said = rf"1 of 6 refits failed.*without the fold of Subject {labels[0]}, {labels[1]}, {labels[2]}: All init"
    with pytest.warns(BayesmixWarning, match=said) as warned:
        found = sleepstudy.post.kfold("Subject", k=6, seed=1, progress=False)
    assert Path(warned[-1].filename) == Path(__file__)
    assert found.n_data_points == 15
    assert_array_equal(found.elpd_i, whole.elpd_i[whole.elpd_i["fold"] != 2])


def test_all_folds_fail(sleepstudy: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, lambda number, kept: True)
    with pytest.raises(ConvergenceError, match=r"Every refit failed; without the fold of Subject .*; and 3 more"):
        sleepstudy.post.kfold("Subject", k=6, seed=1, progress=False)


def test_a_refit_of_one_group_fails(sleepstudy: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its estimate by importance sampling stays, and its k."""
    few = sleepstudy.post.idata.isel(draw=slice(0, 8))
    post = bx.BayesFit(sleepstudy.post.design, sleepstudy.post.products, sleepstudy.post.priors, few, None)  # type: ignore[arg-type]
    plain = post.loo("Subject")
    high = np.flatnonzero(plain.pareto_k > plain.good_k)
    assert high.size > 1
    failing(monkeypatch, lambda number, kept: number == 0)
    name = post.design.levels[0].grouping.labels[high[0]]
    with pytest.warns(BayesmixWarning, match=rf"1 of {high.size} refits failed.*without Subject {name}: All init"):
        found = post.loo("Subject", reloo=True, seed=1, progress=False)
    assert found.warning
    assert_array_equal(found.elpd_i[high[0]], plain.elpd_i[high[0]])
    assert_array_equal(found.pareto_k[high[0]], plain.pareto_k[high[0]])
    assert np.isfinite(found.elpd_i["mcse"][high[1:]]).all()


def test_refits_have_enough_draws() -> None:
    """As many as by default, over the chains there are; more where the posterior has more."""
    few = with_enough_draws(Settings(draws=100, tune=50, chains=3))
    assert (few.draws, few.tune, few.chains) == (1334, 300, 3)
    many = Settings(draws=2000, tune=800, chains=4)
    assert with_enough_draws(many) == many


@pytest.mark.slow
def test_every_group_by_quadrature(rng: np.random.Generator) -> None:
    """A column that is 1 in one of eight groups: log p(y) less log p(y without the group), over sigma and one sd."""
    group, x = np.repeat(np.arange(8), 15), rng.normal(size=120)
    y = x + rng.normal(size=8)[group] + rng.normal(size=120)
    model = bx.Model("y ~ x + t + (1 | g)", pd.DataFrame({"y": y, "x": x, "g": group, "t": (group == 3) * 1.0}))
    found = model.sample(seed=1, progress=False).kfold("g", k=8, progress=False)
    problem, prior, numbers = dense_problem(model), user_prior(model), model.priors.numbers
    around, mean = problem.X @ np.linalg.inv(prior.precision) @ problem.X.T, problem.X @ prior.mean
    scales = [numbers.sigma.scale, numbers.levels[0].sds[0].scale]
    steps = np.log([[0.5, 2.5], [0.005, 40]])
    points = np.stack(np.meshgrid(*(np.linspace(*each, 81) for each in steps), indexing="ij"), axis=-1).reshape(-1, 2)
    plain = stats.t.logpdf(np.exp(points), 4, scale=scales).sum(axis=1) + points.sum(axis=1)

    def evidence(kept: NDArray[np.bool_]) -> float:
        rows = np.ix_(kept, kept)
        with one_blas_thread():
            logs = [
                dense.normal_log_density(
                    y[kept], mean[kept], s * np.eye(kept.sum()) + t * (group[kept, None] == group[kept]) + around[rows]
                )
                for s, t in np.exp(2 * points)
            ]
        return float(logsumexp(logs + plain))

    exact = np.array([evidence(group >= 0) - evidence(group != g) for g in range(8)])
    assert (np.abs(found.elpd_i - exact) < 4 * found.elpd_i["mcse"] + 1e-3).all()
    assert found.elpd_i["mcse"].max() < 0.1
