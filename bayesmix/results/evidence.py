"""Evidence that a parameter has one value: posterior over prior density there (Savage and Dickey), with its error.

Dickey (1971), Ann. Math. Statist. 42:204-223; Verdinelli & Wasserman (1995), JASA 90:614-618. It is the Bayes factor of
the value against the model that was fitted, as long as the priors of all other parameters do not depend on it. For a
standard deviation of 0 it is, because correlations have no say there and their prior does not depend on the sds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import logsumexp

from bayesmix.inference.distributions import Distribution
from bayesmix.inference.fixed_given import FixedGiven, fixed_given
from bayesmix.inference.naming import given_name
from bayesmix.results.components import correlation
from bayesmix.results.prior_density import (
    coefficient_prior,
    contrast_log_prior,
    correlation_log_prior,
    require_density,
    sd_log_prior,
)

if TYPE_CHECKING:
    from bayesmix.results.surface.posterior import PosteriorChecks

Floats = NDArray[np.float64]

EXACT = "rao-blackwell"
KERNEL = "kernel"

# Draws for which an integral over the parameter is done, and points of each integral.
NESTED_DRAWS, CROSSED_DRAWS, NODES = 500, 60, 32


@dataclass(frozen=True)
class Evidence:
    """A Bayes factor as a mean over draws.

    Parameters
    ----------
    ratios : (C, D) array
        Posterior over prior density, of which the mean is the Bayes factor.
    method : str
        ``"rao-blackwell"``: every draw contributes an exact conditional density; ``"kernel"``: a kernel estimate.
    """

    ratios: Floats
    method: str


def contrast_evidence(post: PosteriorChecks, contrast: Floats, value: float) -> Evidence:
    """Evidence that a linear combination of the fixed effects has a value; normal given the variance parameters."""
    prior = contrast_log_prior(post, contrast, value)
    if _is_sampled(post) or post.priors.numbers.given:
        draws = post.parameters.beta @ contrast
        return Evidence(_kernel(draws, value, -np.inf, np.inf) / np.exp(prior), KERNEL)
    chosen = _thinned(post, 4000 if not post.design.crossed else NESTED_DRAWS)
    found = _given(post, chosen.covariances, chosen.sigma)
    sd = np.linalg.norm(np.einsum("p,dpr->dr", contrast, found.root), axis=1)
    density = stats.norm.logpdf(value, found.mean @ contrast, sd)
    return Evidence(np.exp(density - prior).reshape(chosen.shape), EXACT)


def sd_evidence(post: PosteriorChecks, level: int | None, effect: int, value: float) -> Evidence:
    """Evidence that a standard deviation (that of the residuals where level is None) has a value.

    Given all other variance parameters and with fixed and group effects integrated out, its density is likelihood times
    prior over their integral, done by quadrature for each draw.
    """
    draws = post.parameters.sigma
    if level is not None:
        draws = np.sqrt(post.parameters.covariances[level][..., effect, effect])
    prior = require_density(post, level, effect, value)
    if _is_sampled(post) or post.priors.numbers.given or _shares_priors(post):
        return Evidence(_kernel(draws, value, 0.0, np.inf) / np.exp(prior), KERNEL)
    chosen = _thinned(post, CROSSED_DRAWS if post.design.crossed else NESTED_DRAWS)
    spread = float(np.ptp(draws))
    low, high = max(0.0, float(draws.min()) - spread / 2), float(draws.max()) + spread / 2
    place, weight = np.polynomial.legendre.leggauss(NODES)
    nodes, weights = low + (place + 1) / 2 * (high - low), weight * (high - low) / 2
    logs = np.stack([_log_likelihood(post, chosen, level, effect, t) for t in (*nodes, value)])
    area = logsumexp(logs[:-1] + (np.log(weights) + sd_log_prior(post, level, effect, nodes))[:, None], axis=0)
    return Evidence(np.exp(logs[-1] - area).reshape(chosen.shape), EXACT)


def correlation_evidence(post: PosteriorChecks, level: int, pair: tuple[int, int], value: float) -> Evidence:
    """Evidence that a correlation has a value."""
    prior = correlation_log_prior(post, level, pair, value)
    draws = correlation(post.parameters.covariances[level], *pair)
    return Evidence(_kernel(draws, value, -1.0, 1.0) / np.exp(prior), KERNEL)


def standard_error(values: Floats) -> float:
    """Monte Carlo error of the mean of (C, D) values; not a number where they are all the same."""
    import arviz_stats

    if np.ptp(values) == 0 or values.shape[1] < 4:
        return float("nan")
    size = float(np.asarray(arviz_stats.ess(values, method="mean")))
    return float(values.std(ddof=1) / np.sqrt(size))


@dataclass(frozen=True)
class _Chosen:
    """Draws at equal distances, chains one after the other; ``shape`` is (chains, draws)."""

    covariances: tuple[Floats, ...]
    sigma: Floats
    shape: tuple[int, int]


def _thinned(post: PosteriorChecks, limit: int) -> _Chosen:
    """No more draws than the limit."""
    found = post.parameters
    step = -(-found.sigma.size // limit)
    kept = found.sigma[:, ::step]
    covariances = tuple(sigma[:, ::step].reshape(-1, *sigma.shape[2:]) for sigma in found.covariances)
    return _Chosen(covariances, kept.ravel(), kept.shape)


def _is_sampled(post: PosteriorChecks) -> bool:
    """Whether effects of crossed levels were sampled, because integrating them out takes too long at every draw."""
    raw = post.idata["unconstrained_posterior"]
    return any(given_name(level.name) in raw for level in post.design.levels)


def _shares_priors(post: PosteriorChecks) -> bool:
    """Whether some standard deviation has a prior that others, or sigma, have a part in."""
    return not all(isinstance(sd, Distribution) for level in post.priors.numbers.levels for sd in level.sds)


def _given(post: PosteriorChecks, covariances: tuple[Floats, ...], sigma: Floats) -> FixedGiven:
    """Fixed effects and likelihood at draws of the variance parameters."""
    return fixed_given(post.products, coefficient_prior(post), covariances, sigma)


def _log_likelihood(post: PosteriorChecks, chosen: _Chosen, level: int | None, effect: int, value: float) -> Floats:
    """At the draws, with one standard deviation set to a value and all correlations left as they are."""
    if level is None:
        return _given(post, chosen.covariances, np.full_like(chosen.sigma, value)).log_likelihood
    moved = list(chosen.covariances)
    factor = value / np.sqrt(moved[level][:, effect, effect])
    sigma = moved[level].copy()
    sigma[:, effect, :] *= factor[:, None]
    sigma[:, :, effect] *= factor[:, None]
    moved[level] = sigma
    return _given(post, tuple(moved), chosen.sigma).log_likelihood


def _kernel(draws: Floats, value: float, low: float, high: float) -> Floats:
    """Terms of a Gaussian kernel estimate of a density, reflected at the bounds of the parameter.

    Bandwidth by Silverman (1986), Density Estimation, eq. 3.31.
    """
    flat = draws.ravel()
    quartiles = np.quantile(flat, [0.25, 0.75])
    width = 0.9 * min(flat.std(ddof=1), float(np.ptp(quartiles)) / 1.34) * flat.size**-0.2
    terms = stats.norm.pdf(value, draws, width)
    for bound in (low, high):
        if np.isfinite(bound):
            terms = terms + stats.norm.pdf(value, 2 * bound - draws, width)
    return np.asarray(terms)
