"""Draws from the prior have the distributions they were asked for, and responses the variance these imply."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.errors import BayesmixError, PriorError
from bayesmix.inference.prior_draws import PriorDraws, draw_prior, draw_responses
from tests.frames import random_frame

FORMULA = "y ~ x + z + (x | top) + (1 | top:inner)"
N = 4000


def drawn(priors: Any, formula: str = FORMULA) -> tuple[bx.Model, PriorDraws]:
    model = bx.Model(formula, random_frame(np.random.default_rng(3)), priors=priors)
    return model, draw_prior(model.design, model.products, model.priors.numbers, N, np.random.default_rng(7))


def sds(found: PriorDraws, level: int) -> np.ndarray:
    return np.sqrt(np.einsum("dqq->dq", found.variances.covariances[level]))


def follows(draws: np.ndarray, distribution: Any) -> bool:
    return bool(stats.kstest(draws, distribution.cdf).pvalue > 1e-3)


def test_defaults() -> None:
    model, found = drawn("default")
    priors = model.priors.numbers
    assert follows(found.variances.sigma, priors.sigma.frozen())
    for j in range(3):
        assert follows(found.stated[:, j], priors.beta[j].frozen())
    for number, level in enumerate(priors.levels):
        for a, sd in enumerate(level.sds):
            assert follows(sds(found, number)[:, a], sd.frozen())
    covariance = found.variances.covariances[1]
    rho = covariance[:, 0, 1] / sds(found, 1).prod(axis=1)
    assert follows((rho + 1) / 2, stats.beta(2, 2))
    means = model.design.fixed_values.mean(axis=0)
    assert_allclose(found.beta @ means, found.stated[:, 0], rtol=1e-9, atol=1e-8)
    assert_allclose(found.beta[:, 1:], found.stated[:, 1:], rtol=1e-9, atol=1e-9)


def test_three_correlations_are_lkj() -> None:
    """Each alone: (1 + r)/2 is Beta(a, a) with a = eta + (q - 2)/2."""
    _, found = drawn({"cor": "LKJ(1.5)"}, "y ~ x + z + (x + z | top)")
    covariance, spread = found.variances.covariances[0], sds(found, 0)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        rho = covariance[:, i, j] / (spread[:, i] * spread[:, j])
        assert follows((rho + 1) / 2, stats.beta(2, 2))


def test_decov() -> None:
    """In units of sigma the mean square of a block is tau^2, and its shares are uniform."""
    _, found = drawn("rstanarm")
    relative = sds(found, 1) / found.variances.sigma[:, None]
    assert follows(np.sqrt((relative**2).mean(axis=1)), stats.gamma(1))
    assert follows(relative[:, 0] ** 2 / (relative**2).sum(axis=1), stats.uniform())
    assert follows(sds(found, 0)[:, 0] / found.variances.sigma, stats.gamma(1))


@pytest.mark.parametrize("level", ["top", "top:inner"])
def test_icc(level: str) -> None:
    """The share of the intercept's variance in all intercepts' and the residual's."""
    model, found = drawn({f"icc({level})": "Beta(2, 5)"})
    variances = np.stack([sds(found, k)[:, 0] ** 2 for k in range(2)], axis=1)
    share = variances[:, model.levels.index(level)] / (variances.sum(axis=1) + found.variances.sigma**2)
    assert follows(share, stats.beta(2, 5))


def test_r2() -> None:
    """With predictors that do not correlate, the expected variance of X beta over itself and sigma^2 is R2."""
    model, found = drawn({"R2": "Beta(3, 2)"})
    spreads = np.array(model.priors.numbers.r2.spreads)
    assert_allclose(spreads, model.design.fixed_values[:, 1:].std(axis=0, ddof=1))
    # z_j^2 phi_j W sigma^2 summed: its ratio to sigma^2 given W has mean W.
    ratio = ((found.stated[:, 1:] * spreads) ** 2).sum(axis=1) / found.variances.sigma**2
    inner = draw_prior(model.design, model.products, model.priors.numbers, N, np.random.default_rng(7))
    assert_allclose(inner.stated, found.stated)
    rng = np.random.default_rng(7)
    model.priors.numbers.sigma.frozen().rvs(size=N, random_state=rng)
    share = stats.beta(3, 2).rvs(size=N, random_state=rng)
    W = share / (1 - share)
    error = (ratio / W).std() / np.sqrt(N)
    assert abs((ratio / W).mean() - 1) < 4 * error


def test_responses_have_the_variance_of_the_model() -> None:
    """At one draw of the parameters, repeated: mean X beta, covariance ZSZ' + sigma^2/w."""
    model, _ = drawn("default")
    frame = random_frame(np.random.default_rng(3)).assign(w=lambda d: 1 + d["z"] ** 2)
    model = bx.Model(FORMULA, frame, weights="w")
    one = draw_prior(model.design, model.products, model.priors.numbers, 1, np.random.default_rng(5))
    many = PriorDraws(
        np.repeat(one.beta, N, axis=0),
        np.repeat(one.stated, N, axis=0),
        type(one.variances)(
            np.repeat(one.variances.sigma, N), tuple(np.repeat(factor, N, axis=0) for factor in one.variances.factors)
        ),
    )
    y, effects = draw_responses(model.design, many, np.random.default_rng(6))
    V = np.diag(one.variances.sigma[0] ** 2 / model.design.weights)
    for level, covariance, u in zip(model.design.levels, one.variances.covariances, effects, strict=True):
        Z = model.design.values[:, level.places]
        same = level.grouping.codes[:, None] == level.grouping.codes
        V += same * (Z @ covariance[0] @ Z.T)
        assert u.shape == (N, len(level.grouping.labels), len(level.effects))
    scale = np.sqrt(np.diag(V))
    standard = (y - model.design.fixed_values @ one.beta[0]) / scale
    assert np.abs(standard.mean(axis=0)).max() < 5 / np.sqrt(N)
    assert np.abs(standard.T @ standard / N - V / np.outer(scale, scale)).max() < 6 / np.sqrt(N)


def test_prior_predictive(rng: np.random.Generator) -> None:
    model = bx.Model(FORMULA, random_frame(rng))
    tree = model.prior_predictive(draws=20, seed=4)
    assert set(tree.children) == {"prior", "prior_predictive", "observed_data"}
    assert tree["prior_predictive"]["y"].dims == ("chain", "draw", "__obs__")
    assert tree["prior_predictive"]["y"].shape == (1, 20, 120)
    assert {"Intercept", "x", "z", "sigma", "1|top_sigma", "x|top", "top_corr", "1|top:inner"} <= set(
        tree["prior"].data_vars
    )
    again = model.prior_predictive(draws=20, seed=4)
    assert (again["prior_predictive"]["y"] == tree["prior_predictive"]["y"]).all()
    other = model.prior_predictive(draws=20, seed=5)
    assert (other["prior_predictive"]["y"] != tree["prior_predictive"]["y"]).all()


@pytest.mark.parametrize(
    "wrong", [{"draws": 0}, {"draws": 2.5}, {"draws": True}, {"seed": -1}, {"seed": "a"}, {"random_seed": 1}]
)
def test_prior_predictive_refuses(wrong: dict[str, Any], rng: np.random.Generator) -> None:
    model = bx.Model(FORMULA, random_frame(rng))
    with pytest.raises(BayesmixError):
        model.prior_predictive(**wrong)


@pytest.mark.parametrize("priors", ["flat", "brms", {"sigma": "flat"}, {"1|top_sigma": "flat"}, {"x": "flat"}])
def test_nothing_is_drawn_from_a_flat_prior(priors: Any, rng: np.random.Generator) -> None:
    with pytest.raises(PriorError, match="flat priors"):
        bx.Model(FORMULA, random_frame(rng), priors=priors).prior_predictive(seed=1)
