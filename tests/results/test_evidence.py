"""Bayes factors of values, near the draws and far from them: quadrature, smaller models, and their own repetitions."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy.special import logsumexp

import bayesmix as bx
from bayesmix.errors import ArgumentError, PriorError
from bayesmix.inference.fixed_given import fixed_given
from bayesmix.inference.folded import Folded, fold
from bayesmix.inference.held import Held
from bayesmix.inference.importance import integrate
from bayesmix.inference.presets import choose_priors
from bayesmix.results import held_evidence
from bayesmix.results.evidence import (
    EXACT,
    FAR,
    FEW,
    IMPORTANCE,
    KERNEL,
    Evidence,
    _averaged,
    contrast_near_draws,
    sd_near_draws,
)
from bayesmix.results.held_evidence import HeldEvidence
from bayesmix.results.prior_density import coefficient_prior, contrast_log_prior
from bayesmix.results.prior_table import PriorTable
from tests.bayes import Fits
from tests.evidence import apart, null_posterior, one_way, over_quantiles, with_raw
from tests.frames import random_frame

Dataset = Callable[[str], pd.DataFrame]


def log_bf(row: pd.Series) -> tuple[float, float]:
    """Logarithm of a row's factor and its error."""
    return float(np.log(row["evidence_ratio"])), float(row["mcse"] / row["evidence_ratio"])


def whole_integral(model: bx.Model, start: list[float]) -> tuple[float, float]:
    """log p(y) of a model from its density alone, and its error."""
    target: Folded = fold(model.design, model.products, model.priors.numbers, {})
    near = np.array(start) + np.random.default_rng(5).normal(0, 0.3, size=(100, target.dimension))
    found = integrate(
        Held(target, np.arange(target.dimension), np.zeros(target.dimension)).log_density,
        near,
        np.random.default_rng(6),
    )
    assert found.reliable
    return found.value, found.se


# Near the draws both ways agree

ASKED: dict[str, list[tuple[str, tuple[object, ...]]]] = {
    "sleepstudy": [
        ("sd", (0, 1, 6.0)),
        ("sd", (None, 0, 28.0)),
        ("contrast", ([1.0, 2.0], 290.0)),
    ],
    "hsb_fits": [("sd", (0, 1, 0.0)), ("contrast", ([0.0, 1.0], 2.4))],
    "dyestuff2": [("sd", (0, 0, 0.0)), ("contrast", ([1.0], 5.0))],
    "pastes": [("sd", (1, 0, 0.0))],
}


@pytest.mark.parametrize("name", ASKED)
def test_draws_and_integral_agree(name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_evidence, "NESTED", 2000)
    post = request.getfixturevalue(name).post
    far = HeldEvidence(post, seed=4)
    for kind, asked in ASKED[name]:
        if kind == "sd":
            near, found = sd_near_draws(post, *asked), far.sd(*asked)  # type: ignore[arg-type]
        else:
            contrast, value = np.array(asked[0]), float(asked[1])  # type: ignore[arg-type]
            near = contrast_near_draws(post, contrast, value, contrast_log_prior(post, contrast, value))
            found = far.contrast(contrast, value)
        assert near.method == EXACT, asked
        assert found is not None, asked
        error = np.hypot(near.log_se, found[1])
        assert abs(near.log_ratio - found[0]) < 4 * error, asked
        assert error < 0.12, asked


# Far from the draws


def test_slopes_of_sleepstudy(sleepstudy: Fits, dataset: Dataset) -> None:
    """Slopes that vary, against none that do: the smaller model's density, integrated on its own."""
    found, error = log_bf(row := sleepstudy.post.hypothesis("sd(Days) = 0").iloc[0])
    assert row["method"] == IMPORTANCE
    small = bx.Model("Reaction ~ Days + (1 | Subject)", dataset("sleepstudy"))
    value, se = whole_integral(small, [3.4, 3.6])
    whole = sleepstudy.post.log_marginal_likelihood(seed=8)
    assert abs(found - (value - whole)) < 4 * np.hypot(np.hypot(error, se), whole.se)
    assert error < 0.01
    # The ratio is a multiple of its error, and the probability that of even odds.
    assert_allclose(row["probability"], row["evidence_ratio"] / (1 + row["evidence_ratio"]))
    again = sleepstudy.post.hypothesis(["Days > 8", "sd(Days) = 0"]).iloc[1]
    assert_allclose(again["evidence_ratio"], row["evidence_ratio"], rtol=1e-12)


def test_a_slope_far_out(hsb_fits: Fits, dataset: Dataset) -> None:
    """No effect of ses, a hundred log units away: the model without it, whose intercept has the same prior."""
    found, error = log_bf(row := hsb_fits.post.hypothesis("ses = 0").iloc[0])
    assert row["method"] == IMPORTANCE
    small = bx.Model("math ~ 1 + (ses | school)", dataset("hsb"))
    assert small.priors.numbers.beta[0] == hsb_fits.model.priors.numbers.beta[0]
    assert small.priors.numbers.levels == hsb_fits.model.priors.numbers.levels
    value, se = whole_integral(small, [1.8, 0.8, 0.8, 0.0])
    whole = hsb_fits.post.log_marginal_likelihood(seed=8)
    assert abs(found - (value - whole)) < 4 * np.hypot(np.hypot(error, se), whole.se)
    assert found < -90
    assert error < 0.03


@pytest.mark.parametrize("name", ["dyestuff", "dyestuff2"])
def test_far_out_by_quadrature(name: str, request: pytest.FixtureRequest) -> None:
    """A balanced layout: over (sigma, tau), over tau at a sigma, and over both with a mean that is known."""
    fits: Fits = request.getfixturevalue(name)
    numbers, data = fits.model.priors.numbers, bx.load_dataset(name)
    y, batch, prior = data["Yield"].to_numpy(), data["Batch"].to_numpy(), numbers.beta[0]
    layout = one_way(y, batch, prior.mean, prior.sd)
    ppfs = [numbers.sigma.frozen().ppf, numbers.levels[0].sds[0].frozen().ppf]
    whole = over_quantiles(ppfs, layout, 200)
    s, mean = 8 * y.std(), y.mean() + 5 * y.std()
    exact = {
        f"sigma = {s}": over_quantiles(ppfs[1:], lambda x: layout(np.full(x.shape, s), x), 200),
        f"Intercept = {mean}": over_quantiles(ppfs, one_way(y, batch, mean, 0.0), 200),
    }
    table = fits.post.hypothesis(list(exact))
    assert table["method"].iloc[1] == IMPORTANCE
    for text, row in table.iterrows():
        found, error = log_bf(row)
        assert abs(found - (exact[str(text)] - whole)) < 4 * error + 1e-3, text
        assert error < 0.1


def test_a_correlation_far_out(sleepstudy: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    """By quadrature over the log odds: posterior over prior density along all correlations integrates to p(y)."""
    monkeypatch.setattr(held_evidence, "NESTED", 2000)
    far = HeldEvidence(sleepstudy.post, seed=2)
    place, weight = np.polynomial.legendre.leggauss(8)
    logs, errors = np.array([far.correlation(0, (0, 1), float(r)) for r in place]).T
    prior = np.log(0.75 * (1 - place**2))  # LKJ(2) of two effects
    assert abs(logsumexp(logs + prior + np.log(weight))) < 4 * errors.max()
    row = sleepstudy.post.hypothesis("corr(Intercept, Days) = -0.95").iloc[0]
    assert row["method"] == IMPORTANCE
    assert 0 < row["evidence_ratio"] < 1e-4
    assert row["mcse"] < 0.05 * row["evidence_ratio"]


def test_no_levels(rng: np.random.Generator) -> None:
    """Least squares: a slope of 0 is the model without it."""
    frame = random_frame(rng, n=40)
    post = null_posterior(bx.Model("y ~ x + offset(z)", frame), seed=3)
    small = null_posterior(bx.Model("y ~ 1 + offset(z)", frame), seed=4)
    row = post.hypothesis("x = 0").iloc[0]
    factor = bx.bayes_factor(small, post, seed=2)
    found, error = log_bf(row)
    assert abs(found - factor.log) < 4 * np.hypot(error, factor.se)
    far = HeldEvidence(post).contrast(np.array([0.0, 1.0]), 0.0)
    assert far is not None
    assert abs(far[0] - factor.log) < 4 * np.hypot(far[1], factor.se)
    # Nothing is left to integrate where sigma is held.
    near, held = sd_near_draws(post, None, 0, 50.0), HeldEvidence(post).sd(None, 0, 50.0)
    assert held is not None
    assert_allclose(near.log_ratio, held[0], atol=4 * held[1] + 1e-3)


# Beyond what floats can hold


def test_ratios_that_floats_can_not_hold(hsb_fits: Fits) -> None:
    row = hsb_fits.post.hypothesis("sigma = 9").iloc[0]
    assert (row["evidence_ratio"], row["probability"], row["mcse"], row["method"]) == (0.0, 0.0, 0.0, IMPORTANCE)
    held = HeldEvidence(hsb_fits.post).sd(None, 0, 9.0)
    assert held is not None
    assert held[0] < -800
    assert Evidence(800.0, 0.1, IMPORTANCE).ratio == np.inf
    assert Evidence(800.0, 0.1, IMPORTANCE).probability == 1.0
    assert_allclose(Evidence(-700.0, 0.1, EXACT).mcse, 0.1 * np.exp(-700.0))


def test_means_of_logs() -> None:
    """Independent of the size of the densities; without an error where a handful decides."""
    logs = np.random.default_rng(1).normal(0, 0.5, size=(4, 500))
    one, two = (_averaged(logs.ravel() - shift, logs.shape) for shift in (0.0, 5000.0))
    assert_allclose(one.log_ratio, np.log(np.exp(logs).mean()))
    assert_allclose(two.log_ratio + 5000, one.log_ratio)
    assert_allclose(two.log_se, one.log_se)
    assert one.method == two.method == EXACT
    few = _averaged(12 * logs.ravel(), logs.shape)
    assert few.method == FEW
    assert np.isnan(few.mcse)
    assert _averaged(np.full(2000, -np.inf), (4, 500)).method == FEW
    same = _averaged(np.full(2000, -3.0), (4, 500))
    assert (same.log_ratio, same.log_se, same.method) == (-3.0, 0.0, EXACT)


# Where the integral is not to be had


CHANGES: dict[str, Callable[[xr.Dataset], xr.Dataset | None]] = {
    "chains apart": apart,
    "gone": lambda raw: None,
    "some gone": lambda raw: raw.drop_vars("sigma"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_draws_alone_say(name: str, sleepstudy: Fits) -> None:
    """A handful gives a number without an error, no draw gives none."""
    post = with_raw(sleepstudy.post, CHANGES[name])
    table = post.hypothesis(["Days = 0", "corr(Intercept, Days) = -0.99"])
    assert list(table["method"]) == [FEW, FAR]
    assert table["mcse"].isna().all()
    assert list(table["evidence_ratio"].isna()) == [False, True]


def test_crossed_effects_that_were_sampled(sleepstudy: Fits) -> None:
    post = with_raw(sleepstudy.post, lambda raw: raw.assign(Subject_effects=raw["sigma"]))
    table = post.hypothesis(["sd(Days) = 0", "Days = 0", "sd(Days) = 6"])
    assert list(table["method"]) == [FAR, FAR, KERNEL]
    assert list(table["mcse"].isna()) == [True, True, False]


def test_flat_priors_of_sds(sleepstudy: Fits) -> None:
    """A flat prior of another parameter: fixed effects are integrated all the same, sds are not."""
    design = sleepstudy.model.design
    flat, proper = choose_priors("flat", design), sleepstudy.model.priors.numbers
    for numbers, expected in ((replace(proper, beta=flat.beta), IMPORTANCE), (replace(proper, sigma=flat.sigma), FEW)):
        post = replace(sleepstudy.post, priors=PriorTable(design, numbers))
        assert post.hypothesis("sd(Days) = 0").iloc[0]["method"] == expected
        with pytest.raises(PriorError, match="flat"):
            post.hypothesis("Days = 0" if expected == IMPORTANCE else "sigma = 90")


def test_group_effects_are_not_needed(dyestuff2: Fits) -> None:
    bare = replace(dyestuff2.post, effects=replace(dyestuff2.post.effects, effects=None))
    one, two = (post.hypothesis("Intercept = 0").iloc[0] for post in (bare, dyestuff2.post))
    assert one["method"] == IMPORTANCE
    assert one["evidence_ratio"] == two["evidence_ratio"]


def test_refused_all_the_same(sleepstudy: Fits) -> None:
    for text in ("sd(Days) = -1", "sigma = 0", "corr(Intercept, Days) = -1", "sd(Days) = sigma"):
        with pytest.raises(ArgumentError):
            sleepstudy.post.hypothesis(text)


def test_the_exact_density_of_a_contrast(sleepstudy: Fits) -> None:
    """The mean over draws of the normal density of a fixed effect, written out."""
    post, contrast = sleepstudy.post, np.array([0.0, 1.0])
    found = contrast_near_draws(post, contrast, 10.0, 0.0)
    flat = [sigma.reshape(-1, *sigma.shape[2:]) for sigma in post.parameters.covariances]
    given = fixed_given(post.products, coefficient_prior(post), flat, post.parameters.sigma.ravel())
    sd = np.sqrt((given.root @ np.swapaxes(given.root, 1, 2))[:, 1, 1])
    density = np.exp(-0.5 * ((10.0 - given.mean[:, 1]) / sd) ** 2) / sd / np.sqrt(2 * np.pi)
    assert_allclose(found.ratio, density.mean())


# With sampling


@pytest.mark.slow  # twenty posteriors each
@pytest.mark.parametrize("name", ["dyestuff2", "sleepstudy"])
def test_the_error_is_honest(name: str, request: pytest.FixtureRequest) -> None:
    """Posteriors and proposals of twenty seeds: values spread as each of them says."""
    fits: Fits = request.getfixturevalue(name)
    asked = {
        "dyestuff2": [partial(HeldEvidence.sd, level=0, effect=0, value=0.0)],
        "sleepstudy": [
            partial(HeldEvidence.sd, level=0, effect=1, value=0.0),
            partial(HeldEvidence.contrast, contrast=np.array([0.0, 1.0]), value=0.0),
        ],
    }[name]
    found = []
    for seed in range(20):
        far = HeldEvidence(fits.model.sample(seed=100 + seed, cores=2, progress=False), seed)
        found.append([ask(far) for ask in asked])
    values, errors = np.moveaxis(np.array(found, dtype=float), -1, 0)
    # The sd of 20 values is itself uncertain by 16 %.
    ratio = values.std(axis=0, ddof=1) / np.sqrt((errors**2).mean(axis=0))
    assert ((ratio > 0.5) & (ratio < 1.6)).all(), ratio
