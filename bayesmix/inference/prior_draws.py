"""Draws from the prior, and the log density of the prior and of the data at the draws of a posterior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design, Level
from bayesmix.inference.distributions import Distribution, Flat
from bayesmix.inference.draws import VarianceDraws, correlation_roots
from bayesmix.inference.naming import R2_NAME, R2_SPLIT
from bayesmix.inference.priors import (
    LKJ,
    R2D2,
    Decov,
    IccPrior,
    LevelPriors,
    Priors,
    beta_prior_vector,
    given_shift,
    require_drawable,
    stated_on,
)
from bayesmix.inference.variables import sd_parts, stick_parts
from bayesmix.likelihood.coordinates import block_entries, user_coordinates
from bayesmix.likelihood.evaluation import log_density
from bayesmix.likelihood.kernels import EXPLICIT

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PriorDraws:
    """D draws from the prior.

    Parameters
    ----------
    beta : (D, p) array
        Fixed effects, in the user's units.
    stated : (D, p) array
        The same as their priors are stated: the intercept at the means of the other columns.
    variances : VarianceDraws
    """

    beta: Floats
    stated: Floats
    variances: VarianceDraws


def draw_prior(design: Design, products: CrossProducts, priors: Priors, n: int, rng: np.random.Generator) -> PriorDraws:
    """Independent draws of every parameter from its prior.

    Raises
    ------
    PriorError
        Some prior is flat.
    """
    require_drawable(priors)
    sigma = _draw(priors.sigma, n, rng)
    stated = np.zeros((n, len(priors.beta)))
    r2 = priors.r2
    if r2 is not None:
        share = _draw(r2.share, n, rng)
        phi = rng.dirichlet(np.full(len(r2.spreads), r2.concentration), size=n)
        scales = sigma[:, None] * np.sqrt(phi * (share / (1 - share))[:, None]) / np.array(r2.spreads)
        places = [j for j, prior in enumerate(priors.beta) if isinstance(prior, R2D2)]
        stated[:, places] = scales * rng.standard_normal(scales.shape)
    for j, prior in enumerate(priors.beta):
        if isinstance(prior, Distribution):
            stated[:, j] = _draw(prior, n, rng)
    beta = np.linalg.solve(stated_on(priors, products), stated.T).T
    every = [_draw_sds(level, prior, sigma, rng) for level, prior in zip(design.levels, priors.levels, strict=True)]
    _turn_shares(design, priors, sigma, every)
    factors = []
    for level, own, sds in zip(design.levels, priors.levels, every, strict=True):
        root = np.zeros((n, len(level.effects), len(level.effects)))
        for start, stop in level.blocks:
            q = stop - start
            columns = np.array([k for i in range(1, q) for k in range(i)])
            eta = own.correlation.eta + (q - 2 - columns) / 2 if isinstance(own.correlation, LKJ) else 1.0
            partials = 2 * rng.beta(eta, eta, size=(n, len(columns))) - 1
            root[:, start:stop, start:stop] = correlation_roots(partials, q)
        factors.append(sds[:, :, None] * root)
    return PriorDraws(beta, stated, VarianceDraws(sigma, tuple(factors)))


def _draw(prior: Distribution, n: int, rng: np.random.Generator) -> Floats:
    """n draws of one distribution."""
    return np.asarray(prior.frozen().rvs(size=n, random_state=rng), dtype=float)


def _draw_sds(level: Level, prior: LevelPriors, sigma: Floats, rng: np.random.Generator) -> Floats:
    """Sds of a level, (n, q); a share of variance in place of one whose prior is on that."""
    columns: list[Floats] = []
    for _, _, q, sd in sd_parts(level, prior):
        if isinstance(sd, Decov):
            size = sigma * rng.gamma(sd.shape, sd.scale, size=len(sigma))
            shares = rng.dirichlet(np.full(q, sd.concentration), size=len(sigma))
            columns += list((size[:, None] * np.sqrt(q * shares)).T)
        else:
            columns.append(_draw(sd.share if isinstance(sd, IccPrior) else sd, len(sigma), rng))
    return np.stack(columns, axis=-1)


def _turn_shares(design: Design, priors: Priors, sigma: Floats, every: Sequence[Floats]) -> None:
    """Put the sd in the place of each share of variance."""
    at = [v.effect_names.index("Intercept") if "Intercept" in v.effect_names else None for v in design.levels]
    for number, prior in enumerate(priors.levels):
        for effect, sd in enumerate(prior.sds):
            if isinstance(sd, IccPrior):
                others = sigma**2
                for k, column in enumerate(at):
                    if k != number and column is not None:
                        others = others + every[k][:, column] ** 2
                share = every[number][:, effect]
                every[number][:, effect] = np.sqrt(share / (1 - share) * others)


def draw_responses(design: Design, found: PriorDraws, rng: np.random.Generator) -> tuple[Floats, tuple[Floats, ...]]:
    """A response of the rows used for each draw, (D, n), and the effects of the groups, (D, J, q) in label order."""
    y = design.offset + found.beta @ design.fixed_values.T
    effects = []
    for level, factor in zip(design.levels, found.variances.factors, strict=True):
        noise = rng.standard_normal((len(factor), len(level.grouping.labels), factor.shape[1]))
        u = noise @ np.swapaxes(factor, -1, -2)
        effects.append(u)
        for a, place in enumerate(level.places):
            y += u[:, level.grouping.codes, a] * design.values[:, place]
    spread = 1.0 if design.weights is None else 1 / np.sqrt(design.weights)
    y += found.variances.sigma[:, None] * spread * rng.standard_normal(y.shape)
    return y, tuple(effects)


def log_prior(
    design: Design,
    products: CrossProducts,
    priors: Priors,
    beta: Floats,
    sigma: Floats,
    covariances: Sequence[Floats],
    raw: Callable[[str], Floats],
) -> Floats:
    """Log density of the priors at D draws, each in the parameter it is stated for, (D,); flat ones count 0.

    Parameters
    ----------
    beta : (D, p) array
        In the user's units.
    sigma : (D,) array
    covariances : sequence of (D, q, q) arrays
    raw : callable
        Sampled variables by name, for a prior of R2.
    """
    total = _density(priors.sigma, sigma)
    stated = beta @ stated_on(priors, products).T
    r2 = priors.r2
    if r2 is not None:
        share = raw(R2_NAME)
        sticks = raw(R2_SPLIT) if len(r2.spreads) > 1 else np.zeros((len(share), 0))
        phi = stick_parts(sticks)
        places = [j for j, prior in enumerate(priors.beta) if isinstance(prior, R2D2)]
        scales = sigma[:, None] * np.sqrt(phi * (share / (1 - share))[:, None]) / np.array(r2.spreads)
        total = total + _density(r2.share, share) + (r2.concentration - 1) * np.log(phi).sum(axis=1)
        total = total - (np.log(scales) + 0.5 * (stated[:, places] / scales) ** 2).sum(axis=1)
    for j, prior in enumerate(priors.beta):
        if isinstance(prior, Distribution):
            total = total + _density(prior, stated[:, j])
    every = [np.sqrt(np.einsum("dqq->dq", covariance)) for covariance in covariances]
    intercepts = [
        sds[:, v.effect_names.index("Intercept")] ** 2
        for v, sds in zip(design.levels, every, strict=True)
        if "Intercept" in v.effect_names
    ]
    for level, own, sds, covariance in zip(design.levels, priors.levels, every, covariances, strict=True):
        for first, _, q, sd in sd_parts(level, own):
            block = sds[:, first : first + q]
            if isinstance(sd, Decov):
                squares = (block / sigma[:, None]) ** 2
                size, shares = np.sqrt(squares.mean(axis=1)), squares / squares.sum(axis=1, keepdims=True)
                total = total + (sd.shape - 1) * np.log(size) - size / sd.scale
                total = total + (sd.concentration - 1) * np.log(shares).sum(axis=1)
            elif isinstance(sd, IccPrior):
                total = total + _density(sd.share, block[:, 0] ** 2 / (sum(intercepts) + sigma**2))
            else:
                total = total + _density(sd, block[:, 0])
        if isinstance(own.correlation, LKJ):
            for start, stop in level.blocks:
                if stop - start > 1:
                    part = slice(start, stop)
                    scaled = covariance[:, part, part] / (sds[:, part, None] * sds[:, None, part])
                    total = total + (own.correlation.eta - 1) * np.linalg.slogdet(scaled)[1]
    return np.asarray(total)


def _density(prior: Distribution, values: Floats) -> Floats:
    """Log density at the values; 0 where flat."""
    return np.zeros(len(values)) if isinstance(prior, Flat) else np.asarray(prior.frozen().logpdf(values))


def log_likelihood(
    design: Design, products: CrossProducts, beta: Floats, sigma: Floats, covariances: Sequence[Floats]
) -> Floats:
    """log p(y | beta, sigma, Sigma) at D draws, the group effects integrated out, (D,)."""
    coordinates = user_coordinates(products)
    p = products.n_fixed
    prior = np.concatenate([[EXPLICIT], np.zeros(p + p * p)])
    inner = ((beta - products.response_fit) @ coordinates.fixed.T) / products.response_scale
    return _log_densities(design, products, prior, inner, sigma, covariances)


def log_marginal(
    design: Design,
    products: CrossProducts,
    priors: Priors,
    stated: Floats,
    sigma: Floats,
    covariances: Sequence[Floats],
) -> Floats:
    """log p(y | sigma, Sigma, fixed effects that are sampled) at D draws, all other effects integrated out, (D,).

    Parameters
    ----------
    stated : (D, p) array
        Fixed effects as their priors are stated; only those that are sampled are read.
    """
    prior = beta_prior_vector(priors, user_coordinates(products), products)
    given = stated[:, list(priors.given)] - given_shift(priors, products)
    return _log_densities(design, products, prior, given, sigma, covariances)


def _log_densities(
    design: Design,
    products: CrossProducts,
    prior: Floats,
    given: Floats,
    sigma: Floats,
    covariances: Sequence[Floats],
) -> Floats:
    """The compiled log density at each of D draws of covariances."""
    factors = []
    for level, covariance in zip(design.levels, covariances, strict=True):
        sds = np.sqrt(np.einsum("dqq->dq", covariance))
        root = np.zeros(covariance.shape)
        for start, stop in level.blocks:
            part = slice(start, stop)
            scale = np.where(sds[:, part] > 0, sds[:, part], 1.0)
            scaled = covariance[:, part, part] / (scale[:, :, None] * scale[:, None, :])
            # Correlations of 1 to rounding leave a pivot of 0.
            root[:, part, part] = np.linalg.cholesky(scaled + 1e-13 * np.eye(stop - start))
        factors.append(sds[:, :, None] * root)
    return log_densities(design, products, prior, given, sigma, factors)


def log_densities(
    design: Design,
    products: CrossProducts,
    prior: Floats,
    given: Floats,
    sigma: Floats,
    factors: Sequence[Floats],
) -> Floats:
    """log p(y | Lambda, sigma, what is given of the fixed effects) at D draws, (D,).

    Parameters
    ----------
    prior : array
        Of the inner fixed effects, see :mod:`bayesmix.likelihood.kernels`.
    given : (D, k) array
        Fixed effects as the kernel takes them.
    sigma : (D,) array
    factors : sequence of (D, q, q) arrays
        Lambda of each level.
    """
    coordinates = user_coordinates(products)
    vector = np.concatenate([coordinates.packed, coordinates.body])
    parts = [np.zeros((len(sigma), 0))]
    for level, factor in zip(design.levels, factors, strict=True):
        places = block_entries(level.blocks)
        parts.append(factor[:, places[:, 0], places[:, 1]])
    lam = np.concatenate(parts, axis=1)
    kind = "crossed" if coordinates.crossed else "nested"
    values = [log_density(vector, prior, lam[d], float(sigma[d]), given[d], kind)[0] for d in range(len(sigma))]
    shift = 0.0 if design.weights is None else float(products.log_weights) / 2
    return np.array(values) + shift
