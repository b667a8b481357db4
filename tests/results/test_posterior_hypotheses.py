"""Hypotheses about posteriors: counts of draws, and Bayes factors against integrals done another way."""

import dataclasses
from collections.abc import Callable

import arviz_stats
import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import logsumexp

import bayesmix as bx
from bayesmix.errors import ArgumentError, PriorError
from bayesmix.inference.fixed_given import fixed_given
from bayesmix.inference.presets import choose_priors
from bayesmix.results.evidence import EXACT, KERNEL, _kernel, _log_likelihood, _thinned
from bayesmix.results.prior_density import (
    coefficient_prior,
    contrast_log_prior,
    correlation_log_prior,
    sd_log_prior,
)
from bayesmix.results.prior_table import PriorTable
from tests import dense
from tests.bayes import Fits, dense_problem, user_prior

COLUMNS = ["mean", "sd", "ci_low", "ci_high", "probability", "evidence_ratio", "mcse", "method"]


def draws(fits: Fits, name: str) -> np.ndarray:
    return fits.post.idata["posterior"][name].to_numpy()


# Counted over draws


def test_inequalities(hsb_fits: Fits) -> None:
    texts = ["ses > 2.4", "corr(Intercept, ses) < 0", "ses|school_sigma^2 / var(Intercept) > 0.05", "icc > 0.12"]
    table = hsb_fits.post.hypothesis(texts)
    assert list(table.columns) == COLUMNS
    assert list(table.index) == texts
    assert table.index.name == "hypothesis"
    one, ses = draws(hsb_fits, "1|school_sigma"), draws(hsb_fits, "ses|school_sigma")
    differences = [
        draws(hsb_fits, "ses") - 2.4,
        draws(hsb_fits, "school_corr")[..., 0],
        ses**2 / one**2 - 0.05,
        hsb_fits.post.icc(draws=True).to_numpy()[..., 0] - 0.12,
    ]
    for (_, row), values, sign in zip(table.iterrows(), differences, (1, -1, 1, 1), strict=True):
        holds = (sign * values > 0).astype(float)
        p = holds.mean()
        assert_allclose(row[["mean", "sd"]].astype(float), [values.mean(), values.std(ddof=1)])
        assert_allclose(row[["ci_low", "ci_high"]].astype(float), np.quantile(values, [0.025, 0.975]))
        assert_allclose([row["probability"], row["evidence_ratio"]], [p, p / (1 - p)])
        error = np.sqrt(p * (1 - p) / arviz_stats.ess(holds, method="mean"))
        assert_allclose(row["mcse"], error / (1 - p) ** 2, rtol=1e-3)
        assert row["method"] == "draws"
    found = hsb_fits.post.hypothesis(texts, draws=True)
    assert found.dims == ("chain", "draw", "hypothesis")
    assert_allclose(found, np.stack(differences, axis=-1), rtol=1e-9, atol=1e-12)
    narrow = hsb_fits.post.hypothesis(texts, prob=0.5)
    assert (narrow["ci_low"] > table["ci_low"]).all()


def test_what_all_draws_say(hsb_fits: Fits) -> None:
    row = hsb_fits.post.hypothesis("sigma > 1").iloc[0]
    assert (row["probability"], row["evidence_ratio"]) == (1.0, np.inf)
    assert np.isnan(row["mcse"])


def test_names(pastes: Fits, hsb_fits: Fits) -> None:
    """Every spelling of a parameter is that parameter."""
    post = pastes.post
    variances = post.variance_components()["mean"]
    for text, expected in {
        "sd(Intercept|batch:cask)": draws(pastes, "1|batch:cask_sigma").mean(),
        "1|batch_sigma": draws(pastes, "1|batch_sigma").mean(),
        "var(Intercept|batch)": variances["batch", "var(Intercept)"],
        "var(residual)": variances["residual", "var"],
        "sd(residual)": draws(pastes, "sigma").mean(),
        "icc(batch:cask)": post.icc().loc["batch:cask", "mean"],
        "Intercept": post.fixed_effects().loc["Intercept", "mean"],
    }.items():
        assert_allclose(post.hypothesis(f"{text} > 0").iloc[0]["mean"], expected)
    assert_allclose(
        hsb_fits.post.hypothesis("cov(ses,Intercept|school) > 0").iloc[0]["mean"],
        hsb_fits.post.variance_components()["mean"]["school", "cov(Intercept,ses)"],
    )
    with pytest.raises(ArgumentError, match=r"sd\(Intercept\|batch\)"):
        post.hypothesis("sd(Intercept) > 0")  # of which level?


# Equality


def grid(fits: Fits, spread: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of (sigma, sd) by the quantiles of their priors, and log weights of prior times area."""
    place, weight = np.polynomial.legendre.leggauss(spread)
    place, weight = (place + 1) / 2, weight / 2
    sigma, sd = (
        stats.t.ppf(0.5 + place / 2, 4, scale=prior.scale)
        for prior in (fits.model.priors.numbers.sigma, fits.model.priors.numbers.levels[0].sds[0])
    )
    return sigma, sd, np.log(weight)


def log_evidence(
    fits: Fits, beta: dense.Normal | dense.Explicit, sigma: float | None = None, sd: float | None = None
) -> float:
    """log p(y) of a one-way layout by quadrature over sigma and the sd, or with one of them given."""
    sigmas, sds, weights = grid(fits)
    problem = dense_problem(fits.model)
    at_sigma = [(sigma, 0.0)] if sigma is not None else list(zip(sigmas, weights, strict=True))
    at_sd = [(sd, 0.0)] if sd is not None else list(zip(sds, weights, strict=True))
    return float(
        logsumexp(
            [
                u + v + dense.log_density(problem, [np.array([[t**2]])], s**2, beta)
                for s, u in at_sigma
                for t, v in at_sd
            ]
        )
    )


@pytest.mark.parametrize("name", ["dyestuff", "dyestuff2"])
def test_bayes_factors_by_quadrature(name: str, request: pytest.FixtureRequest) -> None:
    """The Bayes factor of a value is p(y) with it over p(y) without, both integrated over everything else."""
    fits: Fits = request.getfixturevalue(name)
    prior = user_prior(fits.model)
    centre, wide = float(fits.model.design.response.mean()), float(fits.model.design.response.std())
    whole = log_evidence(fits, prior)
    value, s = round(centre + 0.4 * wide, 1), round(0.8 * wide, 1)
    expected = {
        "sd(Intercept) = 0": log_evidence(fits, prior, sd=0.0),
        f"sd(Intercept|Batch) = {s}": log_evidence(fits, prior, sd=s),
        f"sigma = {s}": log_evidence(fits, prior, sigma=s),
        f"Intercept = {value}": log_evidence(fits, dense.Explicit(np.array([value]))),
        f"2*Intercept - {value} = {value}": log_evidence(fits, dense.Explicit(np.array([value]))),
    }
    table = fits.post.hypothesis(list(expected))
    assert set(table["method"]) == {"rao-blackwell"}
    exact = np.exp(np.array(list(expected.values())) - whole)
    assert (table["mcse"] < 0.15 * table["evidence_ratio"]).all()
    assert_allclose((table["evidence_ratio"] - exact) / table["mcse"], 0.0, atol=3.0)
    assert_allclose(table["probability"], table["evidence_ratio"] / (1 + table["evidence_ratio"]))


def test_kernel_and_exact_agree(hsb_fits: Fits) -> None:
    """Where the draws are dense, the two estimates of a density are one."""
    prior = float(sd_log_prior(hsb_fits.post, 0, 1, np.array([0.0]))[0])
    row = hsb_fits.post.hypothesis("sd(ses) = 0").iloc[0]
    kernel = _kernel(draws(hsb_fits, "ses|school_sigma"), 0.0, 0.0, np.inf, prior)
    error = np.hypot(kernel.mcse, row["mcse"])
    assert abs(kernel.ratio - row["evidence_ratio"]) < 3 * error
    assert error < 0.15 * row["evidence_ratio"]


def test_one_sd_moved(sleepstudy: Fits) -> None:
    """The likelihood with one sd set to a value and its correlation left, against Sigma written anew."""
    post, at = sleepstudy.post, 7.5
    chosen = _thinned(post, 40)
    assert chosen.shape == (4, 10)
    kept = {
        name: draws(sleepstudy, name)[:, ::100].reshape(40, -1)[:, 0]
        for name in ("sigma", "1|Subject_sigma", "Subject_corr")
    }
    assert_allclose(chosen.sigma, kept["sigma"])
    covariance = kept["Subject_corr"] * kept["1|Subject_sigma"] * at
    matrix = np.array([[kept["1|Subject_sigma"] ** 2, covariance], [covariance, np.full(40, at**2)]])
    expected = fixed_given(post.products, coefficient_prior(post), [np.moveaxis(matrix, -1, 0)], chosen.sigma)
    found = _log_likelihood(post, chosen, 0, 1, at)
    assert_allclose(np.diff(found), np.diff(expected.log_likelihood), rtol=1e-7, atol=1e-8)  # constants differ


def test_effects_that_were_sampled(dyestuff2: Fits) -> None:
    """Where crossed effects were too many to integrate out, kernels take the place of exact densities."""
    tree = dyestuff2.post.idata.copy()
    raw = tree["unconstrained_posterior"].to_dataset()
    tree["unconstrained_posterior"] = xr.DataTree(raw.assign(Batch_effects=raw["sigma"]))
    post = dataclasses.replace(dyestuff2.post, idata=tree)
    texts = ["sd(Intercept) = 0", "sigma = 4", "Intercept = 5.5"]
    found, exact = post.hypothesis(texts), dyestuff2.post.hypothesis(texts)
    assert set(found["method"]) == {"kernel"}
    assert_allclose(found["evidence_ratio"], exact["evidence_ratio"], rtol=0.1)


def test_signed_draws_folded(hsb_fits: Fits) -> None:
    """The reflected kernel of |s| at 0 is twice the plain kernel of s and -s."""
    signed = hsb_fits.post.idata["unconstrained_posterior"]["ses|school_sigma_signed"].to_numpy()
    folded = _kernel(np.abs(signed), 0.0, 0.0, np.inf, 0.0).ratio
    width = 0.9 * min(np.abs(signed).std(ddof=1), np.subtract(*np.quantile(np.abs(signed), [0.75, 0.25])) / 1.34)
    width *= signed.size**-0.2
    both = np.concatenate([signed.ravel(), -signed.ravel()])
    assert_allclose(folded, 2 * stats.norm.pdf(0.0, both, width).mean(), rtol=1e-9)


def test_correlation(hsb_fits: Fits) -> None:
    """A kernel of the draws over LKJ(2)'s marginal, which for two effects is 3/4 (1 - r^2)."""
    row = hsb_fits.post.hypothesis("corr(Intercept,ses) = -0.1").iloc[0]
    assert row["method"] == KERNEL
    density = stats.gaussian_kde(draws(hsb_fits, "school_corr").ravel())(-0.1)[0]
    assert_allclose(row["evidence_ratio"], density / (0.75 * (1 - 0.01)), rtol=0.03)


def test_flipped_statement(hsb_fits: Fits) -> None:
    one, other = hsb_fits.post.hypothesis(["ses = 2.4", "2.4 = ses"]).to_dict("records")
    assert_allclose(one["evidence_ratio"], other["evidence_ratio"])
    assert_allclose(one["mean"], -other["mean"])
    # Of a normal given the variance parameters: near the peak, about the posterior density over the prior's.
    sd = draws(hsb_fits, "ses").std()
    prior = np.exp(contrast_log_prior(hsb_fits.post, np.array([0.0, 1.0]), 2.4))
    assert_allclose(one["evidence_ratio"], 1 / (sd * np.sqrt(2 * np.pi) * prior), rtol=0.03)
    assert hsb_fits.post.hypothesis("ses = 1e6").iloc[0]["evidence_ratio"] == 0.0


# Priors


def test_prior_of_a_contrast(hsb_fits: Fits, rng: np.random.Generator) -> None:
    """Against draws of the priors, the intercept's taken back from the means of the other columns."""
    found = coefficient_prior(hsb_fits.post)
    expected = user_prior(hsb_fits.model)
    assert_allclose(np.linalg.solve(found.combinations, found.mean), expected.mean)
    contrast = np.array([1.0, -2.0])
    sd = np.sqrt(contrast @ np.linalg.solve(expected.precision, contrast))
    for value in (0.0, 30.0):
        assert_allclose(
            contrast_log_prior(hsb_fits.post, contrast, value), stats.norm.logpdf(value, contrast @ expected.mean, sd)
        )


def with_flat_priors(fits: Fits) -> bx.BayesFit:
    design = fits.model.design
    return dataclasses.replace(fits.post, priors=PriorTable(design, choose_priors("flat", design)))


def test_prior_of_a_correlation(hsb_fits: Fits) -> None:
    """LKJ integrates to 1, and is uniform where it should be."""
    r, w = np.polynomial.legendre.leggauss(40)
    density = [np.exp(correlation_log_prior(hsb_fits.post, 0, (0, 1), value)) for value in r]
    assert_allclose(w @ density, 1.0, rtol=1e-10)
    flat = with_flat_priors(hsb_fits)
    assert_allclose(np.exp(correlation_log_prior(flat, 0, (0, 1), 0.3)), 0.5)


@pytest.mark.parametrize("text", ["ses = 2", "ses - Intercept = 1", "sd(ses) = 0", "sigma = 6"])
def test_improper_priors(text: str, hsb_fits: Fits) -> None:
    flat = with_flat_priors(hsb_fits)
    with pytest.raises(PriorError, match="flat"):
        flat.hypothesis(text)
    assert np.isfinite(flat.hypothesis("ses > 2").iloc[0]["probability"])


# What is refused


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda post: post.hypothesis(None), "None"),
        (lambda post: post.hypothesis([]), "[]"),
        (lambda post: post.hypothesis(["ses > 2", 3]), "3]"),
        (lambda post: post.hypothesis({"ses": 2}), "{'ses': 2}"),
        (lambda post: post.hypothesis("sess > 2"), "'sess'"),
        (lambda post: post.hypothesis("ses = ses"), "says nothing"),
        (lambda post: post.hypothesis("2*ses > ses + ses - 1"), "says nothing"),
        (lambda post: post.hypothesis("sd(ses) = -1"), "to -1"),
        (lambda post: post.hypothesis("sigma = 0"), "to 0"),
        (lambda post: post.hypothesis("corr(Intercept,ses) = 1"), "to 1"),
        (lambda post: post.hypothesis("icc = 0"), "no prior density"),
        (lambda post: post.hypothesis("sd(ses) = sd(Intercept)"), "no prior density"),
        (lambda post: post.hypothesis("ses = sigma"), "no prior density"),
        (lambda post: post.hypothesis("ses > 2", alpha=0.05), "'alpha'"),
        (lambda post: post.hypothesis("ses > 2", prob=95), "prob=95"),
        (lambda post: post.hypothesis("ses > 2", prob=0.9, draws=True), "prob=0.9"),
    ],
)
def test_refusals(call: Callable[[bx.BayesFit], object], words: str, hsb_fits: Fits) -> None:
    with pytest.raises(ArgumentError) as caught:
        call(hsb_fits.post)
    assert words in caught.value.found


# Priors that are not normal


@pytest.fixture(scope="module")
def nearly_normal(dyestuff: Fits) -> tuple[bx.BayesFit, bx.BayesFit]:
    """One prior of the intercept, once as the normal it is, once as a t distribution that is sampled."""
    normal = dyestuff.model.with_priors({"Intercept": "Normal(1500, 30)"})
    sampled = dyestuff.model.with_priors({"Intercept": "StudentT(1e7, 1500, 30)"})
    return normal.sample(seed=2, progress=False), sampled.sample(seed=2, progress=False)


@pytest.mark.parametrize("text", ["Intercept = 1500", "Intercept = 1530", "sigma = 50", "sd(Intercept) = 0"])
def test_sampled_coefficients(text: str, nearly_normal: tuple[bx.BayesFit, bx.BayesFit]) -> None:
    """The evidence is that of the same prior where the coefficient is integrated out."""
    one, two = (post.hypothesis(text).iloc[0] for post in nearly_normal)
    assert two["method"] == one["method"] == EXACT
    assert abs(one["evidence_ratio"] - two["evidence_ratio"]) < 4 * np.hypot(one["mcse"], two["mcse"])
    assert two["mcse"] < 0.1 * two["evidence_ratio"]


def test_a_value_the_prior_excludes(dyestuff: Fits) -> None:
    with pytest.raises(PriorError, match="density of 'sigma' at 90 is 0"):
        priors = dyestuff.model.with_priors({"sigma": "Uniform(0, 80)"}).priors
        dataclasses.replace(dyestuff.post, priors=priors).hypothesis("sigma = 90")
