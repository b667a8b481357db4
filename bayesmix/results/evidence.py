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
from bayesmix.inference.fixed_given import fixed_given
from bayesmix.inference.naming import given_name
from bayesmix.inference.prior_draws import log_marginal
from bayesmix.inference.priors import Decov, IccPrior, stated_on
from bayesmix.results.components import correlation
from bayesmix.results.parameters import all_draws
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
FEW = "rao-blackwell (few draws)"
FAR = "kernel (too far)"
# Draws that must count for a mean, or lie near a value.
LEAST_COUNTING = 50

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
        ``"rao-blackwell"``: every draw contributes an exact conditional density, ``"(few draws)"`` where a handful
        decides; ``"kernel"``: a kernel estimate, ``"(too far)"`` and nan where hardly a draw lies near.
    """

    ratios: Floats
    method: str


def contrast_evidence(post: PosteriorChecks, contrast: Floats, value: float) -> Evidence:
    """Evidence that a linear combination of the fixed effects has a value; normal given the variance parameters.

    One coefficient whose prior is not normal has, given everything else, a normal likelihood times that prior, whose
    integral is done by quadrature.
    """
    prior = contrast_log_prior(post, contrast, value)
    if _is_sampled(post):
        return _kernel(post.parameters.beta @ contrast, value, -np.inf, np.inf, prior)
    chosen = _thinned(post, 4000 if not post.design.crossed else NESTED_DRAWS)
    found = fixed_given(post.products, coefficient_prior(post), chosen.covariances, chosen.sigma)
    given = post.priors.numbers.given
    if not given:
        sd = np.linalg.norm(np.einsum("p,dpr->dr", contrast, found.root), axis=1)
        density = stats.norm.logpdf(value, found.mean @ contrast, sd)
        return _averaged(density - prior, chosen.shape)
    A = stated_on(post.priors.numbers, post.products)
    weights = np.linalg.solve(A.T, contrast)
    root, mean = np.einsum("ij,djr->dir", A, found.root), found.mean @ A.T
    own = [j for j in given if abs(weights[j]) > 1e-12 * np.abs(weights).max()]
    others = [j for j in given if j not in own]
    centre, sd = _conditional(mean, root @ np.swapaxes(root, -1, -2), weights, others, chosen.stated)
    if not own:
        return _averaged(stats.norm.logpdf(value, centre, sd) - prior, chosen.shape)
    # The likelihood of the combination is normal; the prior of one coefficient, scaled, is its own.
    alone, scale = post.priors.numbers.beta[own[0]], float(weights[own[0]])
    assert isinstance(alone, Distribution)
    place, weight = _nodes(centre, sd)
    area = logsumexp(
        np.log(weight)
        + stats.norm.logpdf(place, centre, sd)
        + alone.frozen().logpdf(place / scale)
        - np.log(abs(scale)),
        axis=0,
    )
    return _averaged(stats.norm.logpdf(value, centre, sd) - area, chosen.shape)


def _conditional(
    mean: Floats, covariance: Floats, weights: Floats, others: list[int], stated: Floats
) -> tuple[Floats, Floats]:
    """Mean and sd (D,) of a combination of normals, given the values of some of them."""
    centre = mean @ weights
    variance = np.einsum("i,dij,j->d", weights, covariance, weights)
    if others:
        inner = covariance[:, others][:, :, others]
        across = np.einsum("i,dij->dj", weights, covariance)[:, others]
        gain = np.linalg.solve(inner, across[:, :, None])[:, :, 0]
        centre = centre + np.einsum("dj,dj->d", gain, stated[:, others] - mean[:, others])
        variance = variance - np.einsum("dj,dj->d", gain, across)
    return centre, np.sqrt(variance)


def _nodes(centre: Floats, sd: Floats) -> tuple[Floats, Floats]:
    """Points and weights of an integral over a normal density within 8 standard deviations, (points, D)."""
    place, weight = np.polynomial.legendre.leggauss(200)
    return centre + 8 * place[:, None] * sd, 8 * weight[:, None] * sd


def sd_evidence(post: PosteriorChecks, level: int | None, effect: int, value: float) -> Evidence:
    """Evidence that a standard deviation (that of the residuals where level is None) has a value.

    Given all other variance parameters, and fixed effects that are sampled, its density is likelihood times prior over
    their integral, done by quadrature for each draw; all other effects are integrated out.
    """
    draws = post.parameters.sigma
    if level is not None:
        draws = np.sqrt(post.parameters.covariances[level][..., effect, effect])
    prior = require_density(post, level, effect, value)
    if _is_sampled(post) or _moves_others(post, level):
        return _kernel(draws, value, 0.0, np.inf, prior)
    chosen = _thinned(post, CROSSED_DRAWS if post.design.crossed else NESTED_DRAWS)
    spread = float(np.ptp(draws))
    low, high = max(0.0, float(draws.min()) - spread / 2), float(draws.max()) + spread / 2
    place, weight = np.polynomial.legendre.leggauss(NODES)
    nodes, weights = low + (place + 1) / 2 * (high - low), weight * (high - low) / 2
    logs = np.stack([_log_likelihood(post, chosen, level, effect, t) for t in (*nodes, value)])
    area = logsumexp(logs[:-1] + (np.log(weights) + sd_log_prior(post, level, effect, nodes))[:, None], axis=0)
    return _averaged(logs[-1] - area, chosen.shape)


def _averaged(logs: Floats, shape: tuple[int, int]) -> Evidence:
    """Ratios of exact conditional densities; said to rest on few where a handful of draws decides their mean."""
    ratios = np.exp(logs)
    total = float((ratios**2).sum())
    few = total == 0 or float(ratios.sum()) ** 2 / total < LEAST_COUNTING
    return Evidence(ratios.reshape(shape), FEW if few else EXACT)


def correlation_evidence(post: PosteriorChecks, level: int, pair: tuple[int, int], value: float) -> Evidence:
    """Evidence that a correlation has a value."""
    prior = correlation_log_prior(post, level, pair, value)
    draws = correlation(post.parameters.covariances[level], *pair)
    return _kernel(draws, value, -1.0, 1.0, prior)


def standard_error(values: Floats) -> float:
    """Monte Carlo error of the mean of (C, D) values; not a number where they are all the same."""
    import arviz_stats

    if np.ptp(values) == 0 or values.shape[1] < 4:
        return float("nan")
    size = float(np.asarray(arviz_stats.ess(values, method="mean")))
    return float(values.std(ddof=1) / np.sqrt(size))


@dataclass(frozen=True)
class _Chosen:
    """Draws at equal distances, chains one after the other; ``shape`` is (chains, draws).

    ``stated`` are the fixed effects as their priors are stated.
    """

    covariances: tuple[Floats, ...]
    sigma: Floats
    stated: Floats
    shape: tuple[int, int]


def _thinned(post: PosteriorChecks, limit: int) -> _Chosen:
    """No more draws than the limit."""
    found = post.parameters
    step = -(-found.sigma.size // limit)
    kept = found.sigma[:, ::step]
    covariances = tuple(all_draws(sigma[:, ::step]) for sigma in found.covariances)
    beta = all_draws(found.beta[:, ::step])
    stated = beta @ stated_on(post.priors.numbers, post.products).T
    return _Chosen(covariances, kept.ravel(), stated, kept.shape)


def _is_sampled(post: PosteriorChecks) -> bool:
    """Whether effects of crossed levels were sampled, because integrating them out takes too long at every draw."""
    raw = post.idata["unconstrained_posterior"]
    return any(given_name(level.name) in raw for level in post.design.levels)


def _moves_others(post: PosteriorChecks, level: int | None) -> bool:
    """Whether the prior of another parameter depends on this standard deviation."""
    priors = post.priors.numbers
    every = [sd for own in priors.levels for sd in own.sds]
    if any(isinstance(sd, IccPrior) for sd in every):
        return True
    return level is None and (priors.r2 is not None or any(isinstance(sd, Decov) for sd in every))


def _log_likelihood(post: PosteriorChecks, chosen: _Chosen, level: int | None, effect: int, value: float) -> Floats:
    """At the draws, with one standard deviation set to a value and all correlations left as they are."""
    moved, sigma = list(chosen.covariances), chosen.sigma
    if level is None:
        sigma = np.full_like(sigma, value)
    else:
        factor = value / np.sqrt(moved[level][:, effect, effect])
        changed = moved[level].copy()
        changed[:, effect, :] *= factor[:, None]
        changed[:, :, effect] *= factor[:, None]
        moved[level] = changed
    return log_marginal(post.design, post.products, post.priors.numbers, chosen.stated, sigma, moved)


def _kernel(draws: Floats, value: float, low: float, high: float, log_prior: float) -> Evidence:
    """A Gaussian kernel estimate of the posterior density, reflected at the bounds of the parameter.

    Bandwidth by Silverman (1986), Density Estimation, eq. 3.31. Not a number where hardly a draw lies near.
    """
    flat = draws.ravel()
    quartiles = np.quantile(flat, [0.25, 0.75])
    width = 0.9 * min(flat.std(ddof=1), float(np.ptp(quartiles)) / 1.34) * flat.size**-0.2
    terms = stats.norm.pdf(value, draws, width)
    for bound in (low, high):
        if np.isfinite(bound):
            terms = terms + stats.norm.pdf(value, 2 * bound - draws, width)
    if np.count_nonzero(np.abs(flat - value) < 2 * width) < LEAST_COUNTING:
        return Evidence(np.full(draws.shape, np.nan), FAR)
    return Evidence(np.asarray(terms) / np.exp(log_prior), KERNEL)
