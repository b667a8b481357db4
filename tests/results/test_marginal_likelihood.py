"""The log marginal likelihood: quadrature of models small enough for it, its error, and what is refused."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import logsumexp

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixError, BayesmixWarning, ConvergenceError, PriorError
from bayesmix.inference import geometry
from bayesmix.results import marginal_likelihood
from bayesmix.results.marginal_likelihood import LogMarginalLikelihood
from tests import dense
from tests.bayes import Fits, dense_problem, user_prior
from tests.evidence import apart, null_posterior, one_way, over_quantiles, with_raw
from tests.fabricated import fabricated
from tests.frames import random_frame

Dataset = Callable[[str], pd.DataFrame]


def half_t(scale: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda share: stats.t.ppf((1 + share) / 2, 4, scale=scale)


def test_one_chain(dyestuff: Fits) -> None:
    """One chain of four: the same number, within its error."""
    whole = dyestuff.post.log_marginal_likelihood(seed=1)
    one = replace(dyestuff.post, idata=dyestuff.post.idata.isel(chain=[2])).log_marginal_likelihood(seed=1)
    assert one.draws == 1000
    assert abs(one - whole) < 4 * np.hypot(one.se, whole.se) < 0.1


# Quadrature


@pytest.mark.parametrize("name", ["dyestuff", "dyestuff2"])
def test_one_way_layout(name: str, request: pytest.FixtureRequest) -> None:
    fits: Fits = request.getfixturevalue(name)
    numbers, data = fits.model.priors.numbers, bx.load_dataset(name)
    mean = numbers.beta[0]
    layout = one_way(data["Yield"].to_numpy(), data["Batch"].to_numpy(), mean.mean, mean.sd)
    priors = [half_t(numbers.sigma.scale), half_t(numbers.levels[0].sds[0].scale)]
    exact = over_quantiles(priors, layout, 200)
    found = fits.post.log_marginal_likelihood(seed=1)
    assert found.se < 0.01
    assert abs(found - exact) < 4 * found.se
    assert abs(found - exact) < 0.02
    # The formula is that of the rows: their covariance matrix, written out.
    problem, s, t = dense_problem(fits.model), 1.3, 0.7
    rows = dense.log_density(problem, [np.array([[t**2]])], s**2, user_prior(fits.model))
    assert_allclose(layout(np.array(s), np.array(t)), rows, rtol=1e-10)


def test_three_levels(pastes: Fits, dataset: Dataset) -> None:
    """Casks in batches, balanced: V has four eigenvalues."""
    data, numbers = dataset("pastes"), pastes.model.priors.numbers
    y, mean = data["strength"].to_numpy(), numbers.beta[0]
    batch = data.groupby("batch", observed=True)["strength"].transform("mean").to_numpy()
    cask = data.groupby(["batch", "cask"], observed=True)["strength"].transform("mean").to_numpy()
    squares = [float(part @ part) for part in (y - cask, cask - batch, batch - y.mean())]

    def log_density(sigma: np.ndarray, inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
        values = [sigma**2, sigma**2 + 2 * inner**2]
        values.append(values[1] + 6 * outer**2)
        top = values[2] + 60 * mean.sd**2
        total = 60 * np.log(2 * np.pi) + np.log(top) + 60 * (y.mean() - mean.mean) ** 2 / top
        for value, count, square in zip(values, (30, 20, 9), squares, strict=True):
            total = total + count * np.log(value) + square / value
        return -0.5 * total

    problem = dense_problem(pastes.model)
    rows = dense.log_density(problem, [np.eye(1) * 4.0, np.eye(1) * 2.25], 1.44, user_prior(pastes.model))
    assert pastes.model.levels == ("batch:cask", "batch")
    assert_allclose(log_density(*map(np.array, (1.2, 2.0, 1.5))), rows, rtol=1e-10)
    scales = [numbers.sigma.scale, numbers.levels[0].sds[0].scale, numbers.levels[1].sds[0].scale]
    exact = over_quantiles([half_t(scale) for scale in scales], log_density, 120)
    found = pastes.post.log_marginal_likelihood(seed=1)
    assert abs(found - exact) < 4 * found.se
    assert abs(found - exact) < 0.03


def test_correlated_slopes(sleepstudy: Fits, dataset: Dataset) -> None:
    """Every subject has the same days: least squares by subject, a normal sample of lines, sums of squares around."""
    data, numbers = dataset("sleepstudy"), sleepstudy.model.priors.numbers
    Y = data.sort_values(["Subject", "Days"])["Reaction"].to_numpy().reshape(18, 10)
    X = np.column_stack([np.ones(10), np.arange(10.0)])
    inverse = np.linalg.inv(X.T @ X)
    lines = Y @ X @ inverse
    rest = float(((Y - lines @ X.T) ** 2).sum())
    centre, prior = lines.mean(axis=0), user_prior(sleepstudy.model)
    around = (lines - centre).T @ (lines - centre)
    B, b0 = np.linalg.inv(prior.precision), prior.mean
    level = numbers.levels[0]

    def log_density(ls: np.ndarray, l0: np.ndarray, l1: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Prior times likelihood in log sigma, log sds and log odds of (1 + r)/2."""
        s, t0, t1, r = np.exp(ls), np.exp(l0), np.exp(l1), np.tanh(z / 2)
        W = [s**2 * inverse[0, 0] + t0**2, s**2 * inverse[0, 1] + r * t0 * t1, s**2 * inverse[1, 1] + t1**2]
        det = W[0] * W[2] - W[1] ** 2
        trace = (W[2] * around[0, 0] - 2 * W[1] * around[0, 1] + W[0] * around[1, 1]) / det
        M = [W[0] / 18 + B[0, 0], W[1] / 18 + B[0, 1], W[2] / 18 + B[1, 1]]
        outer, d = M[0] * M[2] - M[1] ** 2, centre - b0
        form = (M[2] * d[0] ** 2 - 2 * M[1] * d[0] * d[1] + M[0] * d[1] ** 2) / outer
        total = 180 * np.log(2 * np.pi) + 144 * np.log(s**2) + rest / s**2  # 8 residuals of each subject
        total = total + 17 * np.log(det) + trace + np.log(outer) + form
        # b = (X'X)^-1 X'y: the volume it keeps, 18 times; and that of 18 lines as mean and deviations.
        total = total - 18 * np.linalg.slogdet(inverse)[1] + 2 * np.log(18)
        before = sum(
            np.log(2) + stats.t.logpdf(x, 4, scale=scale) + np.log(x)
            for x, scale in ((s, numbers.sigma.scale), (t0, level.sds[0].scale), (t1, level.sds[1].scale))
        )
        # LKJ(2) of two effects: (1 + r)/2 is Beta(2, 2); in its log odds there is one more of each factor.
        share = (1 + r) / 2
        return -0.5 * total + before + np.log(6) + 2 * np.log(share) + 2 * np.log1p(-share)

    at = np.log([25.0, 20.0, 6.0]), np.array(0.4)
    problem = dense_problem(sleepstudy.model)
    r = np.tanh(0.2)
    Sigma = np.array([[400.0, 120 * r], [120 * r, 36.0]])
    rows = dense.log_density(problem, [Sigma], 625.0, prior)
    densities = [numbers.sigma, *level.sds]
    before = sum(d.frozen().logpdf(np.exp(x)) + x for d, x in zip(densities, at[0], strict=True))
    before += stats.beta.logpdf((1 + r) / 2, 2, 2) + np.log((1 + r) / 2 * (1 - r) / 2)
    assert_allclose(log_density(*at[0], at[1]), rows + before, rtol=1e-10)

    draws = sleepstudy.post.idata["posterior"].to_dataset()
    names = ["sigma", "1|Subject_sigma", "Days|Subject_sigma"]
    columns = [np.log(draws[name].to_numpy()) for name in names]
    columns.append(2 * np.arctanh(draws["Subject_corr"].to_numpy()[..., 0]))
    place, weight = np.polynomial.legendre.leggauss(34)
    nodes = [c.mean() + 8 * c.std() * place for c in columns]
    logs = [np.log(8 * c.std() * weight) for c in columns]
    values = np.meshgrid(*nodes, indexing="ij")
    exact = float(logsumexp(log_density(*values) + sum(np.meshgrid(*logs, indexing="ij"))))
    found = sleepstudy.post.log_marginal_likelihood(seed=1)
    assert abs(found - exact) < 4 * found.se + 1e-3
    assert abs(found - exact) < 0.02


@pytest.mark.parametrize("options", [{}, {"weights": "w"}])
def test_no_levels(options: dict[str, Any], rng: np.random.Generator) -> None:
    """One dimension: the normal density of the rows over a grid of sigma."""
    frame = random_frame(rng, n=40).assign(w=rng.uniform(0.2, 5, size=40))
    model = bx.Model("y ~ x + offset(z)", frame, **options)
    found = null_posterior(model, seed=4).log_marginal_likelihood(seed=4)
    assert found.dimension == 1
    problem, prior = dense_problem(model), user_prior(model)

    def log_density(sigma: np.ndarray) -> np.ndarray:
        return np.array([dense.log_density(problem, [], s**2, prior) for s in sigma])

    exact = over_quantiles([half_t(model.priors.numbers.sigma.scale)], log_density, 300)
    assert abs(found - exact) < 4 * found.se
    assert found.se < 0.01


# What comes back


def test_a_float_that_knows_its_error(hsb_fits: Fits) -> None:
    found = hsb_fits.post.log_marginal_likelihood(seed=3)
    assert isinstance(found, float)
    assert found - 1 == float(found) - 1
    assert (found.method, found.dimension, found.draws) == ("bridge sampling, normal proposal", 4, 4000)
    assert 0 < found.se < 0.05
    assert 400 < found.effective <= 4000
    assert f"{float(found):.3f} ± {found.se:.3f}" in repr(found)
    assert "4 parameters, 4000 draws" in repr(found)
    assert f"{found:.1f}" == f"{float(found):.1f}"
    again = hsb_fits.post.log_marginal_likelihood(seed=3)
    assert (again, again.se) == (found, found.se)
    other = hsb_fits.post.log_marginal_likelihood(seed=4)
    assert other != found
    assert abs(other - found) < 5 * np.hypot(found.se, other.se)
    for made in (copy.copy(found), copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert (made, repr(made)) == (found, repr(found))
    with pytest.raises(AttributeError):
        found.se = 0.0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del found.se


def test_fewer_draws(sleepstudy: Fits) -> None:
    found = sleepstudy.post.log_marginal_likelihood(seed=1, draws=500)
    assert found.draws == 500
    assert sleepstudy.post.log_marginal_likelihood(seed=1, draws=1007).draws <= 1007
    whole = sleepstudy.post.log_marginal_likelihood(seed=1)
    assert found.se > 1.5 * whole.se
    assert abs(found - whole) < 4 * found.se


def test_a_loaded_fit(hsb_fits: Fits, tmp_path: Path) -> None:
    found = bx.load(hsb_fits.post.save(tmp_path / "fit.nc")).log_marginal_likelihood(seed=2)
    assert found == hsb_fits.post.log_marginal_likelihood(seed=2)


def test_group_effects_are_not_needed(pastes: Fits) -> None:
    bare = replace(pastes.post, effects=replace(pastes.post.effects, effects=None))
    assert bare.log_marginal_likelihood(seed=2) == pastes.post.log_marginal_likelihood(seed=2)


def test_warnings(dyestuff: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marginal_likelihood, "LARGEST_ERROR", 1e-6)
    with pytest.warns(BayesmixWarning, match="Monte Carlo error"):
        dyestuff.post.log_marginal_likelihood(seed=1)
    monkeypatch.setattr(marginal_likelihood, "LARGEST_DISAGREEMENT", 0.0)
    with pytest.warns(BayesmixWarning) as found:
        dyestuff.post.log_marginal_likelihood(seed=1)
    assert any("two halves" in str(each.message) for each in found)
    assert all(each.filename == __file__ for each in found)


# What is refused


@pytest.mark.parametrize(
    ("priors", "names"),
    [
        ("flat", ["'Intercept'", "'x'", "'1|top_sigma'", "'x|top_sigma'", "'sigma'"]),
        ("brms", ["'x'"]),
        ({"sigma": "flat"}, ["'sigma'"]),
        ({"sd(x | top)": "flat"}, ["'x|top_sigma'"]),
    ],
)
def test_improper_priors_are_named(priors: Any, names: list[str], rng: np.random.Generator) -> None:
    post = fabricated(bx.Model("y ~ x + (x | top)", random_frame(rng), priors=priors), rng)
    with pytest.raises(PriorError, match="flat") as found:
        post.log_marginal_likelihood()
    assert ", ".join(names) in found.value.found


def test_draws_that_are_gone(hsb_fits: Fits) -> None:
    with pytest.raises(ArgumentError, match="no group 'unconstrained_posterior'"):
        with_raw(hsb_fits.post, lambda raw: None).log_marginal_likelihood()
    with pytest.raises(ArgumentError, match=r"no 'ses\|school_sigma'"):
        with_raw(hsb_fits.post, lambda raw: raw.drop_vars("ses|school_sigma_signed")).log_marginal_likelihood()


def test_chains_that_did_not_mix(dyestuff: Fits) -> None:
    def frozen(raw: xr.Dataset) -> xr.Dataset:
        values = raw["sigma"].to_numpy().copy()
        values[2] = values[2, 0]
        return raw.assign(sigma=(("chain", "draw"), values))

    with pytest.raises(ConvergenceError, match="does not move"):
        with_raw(dyestuff.post, frozen).log_marginal_likelihood()
    with pytest.raises(ConvergenceError, match="R-hat is"):
        with_raw(dyestuff.post, apart).log_marginal_likelihood()


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"seed": "a"},
        {"seed": 1.5},
        {"seed": True},
        {"draws": 0},
        {"draws": 30},
        {"draws": "all"},
        {"random_seed": 1},
        {"repetitions": 2},
    ],
)
def test_wrong_options(wrong: dict[str, Any], hsb_fits: Fits) -> None:
    with pytest.raises(BayesmixError):
        hsb_fits.post.log_marginal_likelihood(**wrong)


def test_estimates_have_none(dyestuff: Fits) -> None:
    with pytest.raises(AttributeError, match=r"model\.sample\(\)"):
        dyestuff.reml.log_marginal_likelihood()  # type: ignore[attr-defined]


def test_very_small_and_unknown_errors() -> None:
    known = {"method": "m", "dimension": 1, "draws": 8, "effective": 8.0}
    assert "-1.0000 ± 0.0000 " in repr(LogMarginalLikelihood(-1.0, se=0.0, **known))  # type: ignore[arg-type]
    assert "-1.0000 ± nan " in repr(LogMarginalLikelihood(-1.0, se=np.nan, **known))  # type: ignore[arg-type]


# With sampling


@pytest.mark.slow  # twenty posteriors each
@pytest.mark.parametrize("name", ["dyestuff2", "sleepstudy"])
def test_the_error_is_honest(name: str, request: pytest.FixtureRequest) -> None:
    """Posteriors of twenty seeds: values spread as each of them says."""
    fits: Fits = request.getfixturevalue(name)
    found = [
        fits.model.sample(seed=100 + seed, cores=2, progress=False).log_marginal_likelihood(seed=seed)
        for seed in range(20)
    ]
    typical = np.sqrt(np.mean([each.se**2 for each in found]))
    # The sd of 20 values is itself uncertain by 16 %.
    assert 0.5 < np.std(found, ddof=1) / typical < 1.6


ONE_WAY: dict[str, tuple[Any, Callable[[float, float], float]]] = {
    "icc": ({"icc(Batch)": "Beta(2, 3)"}, lambda sigma, share: sigma * np.sqrt(share / (1 - share))),
    "decov": ("rstanarm", lambda sigma, tau: sigma * tau),
    "uniform": ({"sd": "Uniform(0, 150)", "sigma": "Uniform(5, 200)"}, lambda sigma, tau: tau),
    "lognormal": ({"sd": "LogNormal(3, 1)", "sigma": "InverseGamma(3, 100)"}, lambda sigma, tau: tau),
}


@pytest.mark.slow  # a graph for each
@pytest.mark.parametrize("name", ONE_WAY)
def test_priors_of_other_kinds(name: str, dataset: Dataset) -> None:
    priors, sd_of = ONE_WAY[name]
    data = dataset("dyestuff")
    model = bx.Model("Yield ~ 1 + (1 | Batch)", data, priors=priors)
    found = model.sample(seed=5, progress=False, target_accept=0.9).log_marginal_likelihood(seed=5)
    numbers = model.priors.numbers
    mean, own = numbers.beta[0], numbers.levels[0].sds[0]
    of_sd = {"icc": stats.beta(2, 3), "decov": stats.gamma(1)}.get(name)
    quantiles = [numbers.sigma.frozen().ppf, own.frozen().ppf if of_sd is None else of_sd.ppf]
    layout = one_way(data["Yield"].to_numpy(), data["Batch"].to_numpy(), mean.mean, mean.sd)
    exact = over_quantiles(quantiles, lambda s, x: layout(s, sd_of(s, x)), 300)
    assert abs(found - exact) < 4 * found.se + 1e-4
    assert found.se < 0.03


@pytest.mark.slow  # two graphs
@pytest.mark.parametrize("priors", [{"R2": "Beta(2, 1.5)"}, {"x": "Laplace(0, 1)", "z": "StudentT(3, 0, 2)"}])
def test_coefficients_that_are_sampled(priors: Any, rng: np.random.Generator) -> None:
    """Least squares, its two slopes sampled: over (R2, their split, sigma) or over the slopes, by quadrature."""
    frame = random_frame(rng, n=60)
    model = bx.Model("y ~ x + z", frame, priors=priors)
    post = model.sample(seed=6, progress=False)
    found = post.log_marginal_likelihood(seed=6)
    numbers, problem = model.priors.numbers, dense_problem(model)
    one, X = numbers.beta[0], problem.X
    centred = X[:, 1:] - X[:, 1:].mean(axis=0)
    y = problem.y - one.mean
    n, ones = len(y), np.ones(len(y))

    def rows(sigma: np.ndarray, slopes: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """Rows given slopes (m, 2), or with normal slopes of (m, 2) sds; the intercept's prior integrated."""
        out = np.empty(len(sigma))
        for i, s in enumerate(sigma):
            V = s**2 * np.eye(n) + one.sd**2 * np.outer(ones, ones) + (centred * spread[i] ** 2) @ centred.T
            out[i] = dense.normal_log_density(y, centred @ slopes[i], V)
        return out

    def log_density(*values: np.ndarray) -> np.ndarray:
        flat = [value.ravel() for value in values]
        zero = np.zeros((flat[0].size, 2))
        if numbers.r2 is None:
            return rows(flat[0], np.column_stack(flat[1:]), zero).reshape(values[0].shape)
        sigma, share, split = flat
        phi = np.column_stack([split, 1 - split])
        spread = sigma[:, None] * np.sqrt(phi * (share / (1 - share))[:, None]) / X[:, 1:].std(axis=0, ddof=1)
        return rows(sigma, zero, spread).reshape(values[0].shape)

    # In boxes that hold the posterior, the prior's density at each node.
    raw = post.idata["unconstrained_posterior"].to_dataset()
    names = ["sigma", "x", "z"] if numbers.r2 is None else ["sigma", "fixed_R2", "fixed_split"]
    priors_of = [numbers.sigma.frozen()]
    priors_of += [stats.beta(2, 1.5), stats.uniform()] if numbers.r2 else [b.frozen() for b in numbers.beta[1:]]
    draws = [raw[name].to_numpy().ravel() for name in names]
    bounds = [(d.min() - np.ptp(d) / 2, d.max() + np.ptp(d) / 2) for d in draws]
    bounds[0] = (max(bounds[0][0], draws[0].min() / 3), bounds[0][1])
    bounds = bounds if numbers.r2 is None else [bounds[0], (1e-9, 1 - 1e-9), (1e-9, 1 - 1e-9)]
    place, weight = np.polynomial.legendre.leggauss(24)
    nodes = [low + (high - low) * (place + 1) / 2 for low, high in bounds]
    logs = [
        np.log(weight * (high - low) / 2) + prior.logpdf(at)
        for (low, high), prior, at in zip(bounds, priors_of, nodes, strict=True)
    ]
    grid = np.meshgrid(*nodes, indexing="ij")
    exact = float(logsumexp(log_density(*grid) + sum(np.meshgrid(*logs, indexing="ij"))))
    assert abs(found - exact) < 4 * found.se + 0.01


@pytest.mark.slow  # two graphs
@pytest.mark.filterwarnings("ignore::bayesmix.BayesmixWarning")
def test_crossed_effects_that_were_sampled(monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> None:
    """They are integrated out all the same: one number, whichever way the posterior was sampled."""
    model = bx.Model("diameter ~ 1 + (1 | plate) + (1 | sample)", dataset("penicillin"))
    one = model.sample(seed=1, progress=False).log_marginal_likelihood(seed=1)
    monkeypatch.setattr(geometry, "LARGEST_BLOCK", 3)
    post = model.sample(seed=2, progress=False)
    assert any(str(name).endswith("_effects") for name in post.idata["unconstrained_posterior"].data_vars)
    two = post.log_marginal_likelihood(seed=2)
    assert (one.dimension, two.dimension) == (3, 3)
    assert abs(one - two) < 4 * np.hypot(one.se, two.se)
