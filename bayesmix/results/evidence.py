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
from scipy.special import expit, logsumexp

from bayesmix.inference.distributions import Distribution
from bayesmix.inference.held import contrast_given
from bayesmix.inference.importance import LARGEST_K, pareto_k
from bayesmix.inference.prior_draws import log_marginal
from bayesmix.inference.priors import Decov, IccPrior, stated_on
from bayesmix.results.components import correlation
from bayesmix.results.held_evidence import HeldEvidence, effects_are_sampled
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
IMPORTANCE = "importance"
# Draws that must count for a mean, or lie near a value.
LEAST_COUNTING = 50
# Of a mean over draws whose relative error is larger the integral is tried.
LARGEST_ERROR = 0.1

# Draws for which an integral over the parameter is done, and points of each integral.
NESTED_DRAWS, CROSSED_DRAWS, NODES = 500, 60, 32


@dataclass(frozen=True)
class Evidence:
    """A Bayes factor.

    Parameters
    ----------
    log_ratio : float
        Its logarithm.
    log_se : float
        Monte Carlo error of that; not a number where there is none that could be trusted.
    method : str
        ``"rao-blackwell"``: every draw contributes an exact conditional density; ``"kernel"``: a kernel estimate;
        ``"importance"``: far from the draws, the integral over all other parameters over p(y). Where that can not be
        done, ``"(few draws)"`` says that a handful decides, ``"(too far)"`` that hardly a draw lies near.
    """

    log_ratio: float
    log_se: float
    method: str

    @property
    def ratio(self) -> float:
        """The factor itself; 0 and inf beyond what floats can hold."""
        return float(np.exp(self.log_ratio)) if not self.log_ratio > 709 else float("inf")

    @property
    def mcse(self) -> float:
        """Monte Carlo error of the factor."""
        return self.ratio * self.log_se

    @property
    def probability(self) -> float:
        """That which goes with prior odds of 1."""
        return float(expit(self.log_ratio))


def contrast_evidence(post: PosteriorChecks, far: HeldEvidence, contrast: Floats, value: float) -> Evidence:
    """Evidence that a linear combination of the fixed effects has a value; normal given the variance parameters.

    One coefficient whose prior is not normal has, given everything else, a normal likelihood times that prior, whose
    integral is done by quadrature.
    """
    prior = contrast_log_prior(post, contrast, value)
    if effects_are_sampled(post):
        return _kernel(post.parameters.beta @ contrast, value, -np.inf, np.inf, prior)
    near = contrast_near_draws(post, contrast, value, prior)
    return near if _is_good(near) else _from_afar(far.contrast(contrast, value), near)


def contrast_near_draws(post: PosteriorChecks, contrast: Floats, value: float, prior: float) -> Evidence:
    """The mean of conditional densities over draws, over the prior's."""
    chosen = _thinned(post, 4000 if not post.design.crossed else NESTED_DRAWS)
    numbers = post.priors.numbers
    centre, sd = contrast_given(
        post.products, numbers, coefficient_prior(post), contrast, chosen.covariances, chosen.sigma, chosen.stated
    )
    density = stats.norm.logpdf(value, centre, sd)
    weights = np.linalg.solve(stated_on(numbers, post.products).T, contrast)
    own = [j for j in numbers.given if abs(weights[j]) > 1e-12 * np.abs(weights).max()]
    if not own:
        return _averaged(density - prior, chosen.shape)
    # The likelihood of the combination is normal; the prior of one coefficient, scaled, is its own.
    alone, scale = numbers.beta[own[0]], float(weights[own[0]])
    assert isinstance(alone, Distribution)
    place, weight = _nodes(centre, sd)
    area = logsumexp(
        np.log(weight)
        + stats.norm.logpdf(place, centre, sd)
        + alone.frozen().logpdf(place / scale)
        - np.log(abs(scale)),
        axis=0,
    )
    return _averaged(density - area, chosen.shape)


def _nodes(centre: Floats, sd: Floats) -> tuple[Floats, Floats]:
    """Points and weights of an integral over a normal density within 8 standard deviations, (points, D)."""
    place, weight = np.polynomial.legendre.leggauss(200)
    return centre + 8 * place[:, None] * sd, 8 * weight[:, None] * sd


def sd_evidence(post: PosteriorChecks, far: HeldEvidence, level: int | None, effect: int, value: float) -> Evidence:
    """Evidence that a standard deviation (that of the residuals where level is None) has a value."""
    prior = require_density(post, level, effect, value)
    if effects_are_sampled(post) or _moves_others(post, level):
        draws = post.parameters.sigma
        if level is not None:
            draws = np.sqrt(post.parameters.covariances[level][..., effect, effect])
        near = _kernel(draws, value, 0.0, np.inf, prior)
    else:
        near = sd_near_draws(post, level, effect, value)
    return near if _is_good(near) else _from_afar(far.sd(level, effect, value), near)


def sd_near_draws(post: PosteriorChecks, level: int | None, effect: int, value: float) -> Evidence:
    """The mean of conditional densities over draws, over the prior's.

    Given all other variance parameters, and fixed effects that are sampled, the density is likelihood times prior over
    their integral, done by quadrature for each draw; all other effects are integrated out.
    """
    draws = post.parameters.sigma
    if level is not None:
        draws = np.sqrt(post.parameters.covariances[level][..., effect, effect])
    chosen = _thinned(post, CROSSED_DRAWS if post.design.crossed else NESTED_DRAWS)
    spread = float(np.ptp(draws))
    low, high = max(0.0, float(draws.min()) - spread / 2), float(draws.max()) + spread / 2
    place, weight = np.polynomial.legendre.leggauss(NODES)
    nodes, weights = low + (place + 1) / 2 * (high - low), weight * (high - low) / 2
    logs = np.stack([_log_likelihood(post, chosen, level, effect, t) for t in (*nodes, value)])
    area = logsumexp(logs[:-1] + (np.log(weights) + sd_log_prior(post, level, effect, nodes))[:, None], axis=0)
    return _averaged(logs[-1] - area, chosen.shape)


def correlation_evidence(
    post: PosteriorChecks, far: HeldEvidence, level: int, pair: tuple[int, int], value: float
) -> Evidence:
    """Evidence that a correlation has a value."""
    prior = correlation_log_prior(post, level, pair, value)
    draws = correlation(post.parameters.covariances[level], *pair)
    near = _kernel(draws, value, -1.0, 1.0, prior)
    return near if _is_good(near) else _from_afar(far.correlation(level, pair, value), near)


def _is_good(near: Evidence) -> bool:
    """Whether enough draws lie near the value."""
    return near.method == KERNEL or (near.method == EXACT and near.log_se <= LARGEST_ERROR)


def _from_afar(found: tuple[float, float] | None, near: Evidence) -> Evidence:
    """The integral, or what the draws say where there is none."""
    return near if found is None else Evidence(*found, IMPORTANCE)


def _averaged(logs: Floats, shape: tuple[int, int]) -> Evidence:
    """The mean of exact conditional densities; without an error where a handful of draws decides it."""
    top = float(logs.max())
    if not np.isfinite(top):
        return Evidence(-np.inf, np.nan, FEW)
    ratios = np.exp(logs - top)
    mean = float(ratios.mean())
    value = float(np.log(mean)) + top
    if mean**2 / float((ratios**2).mean()) * ratios.size < LEAST_COUNTING or pareto_k(logs) > LARGEST_K:
        return Evidence(value, np.nan, FEW)
    error = standard_error(ratios.reshape(shape)) if np.ptp(ratios) > 0 else 0.0
    return Evidence(value, error / mean, EXACT)


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
        return Evidence(np.nan, np.nan, FAR)
    mean = float(np.mean(terms))
    return Evidence(float(np.log(mean)) - log_prior, standard_error(terms) / mean, KERNEL)
