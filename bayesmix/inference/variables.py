"""The free variables of the marginal graph: their order, where the chains start, and the sampler's coordinates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design, Level
from bayesmix.inference.conditional import conditional_effects
from bayesmix.inference.distributions import Beta, Distribution, Uniform
from bayesmix.inference.geometry import Geometry
from bayesmix.inference.ml import MlSolution
from bayesmix.inference.naming import (
    R2_NAME,
    R2_SPLIT,
    coefficient_name,
    given_name,
    icc_name,
    offset_name,
    partial_name,
    sd_name,
    signed_name,
    size_name,
    split_name,
)
from bayesmix.inference.priors import R2D2, BetaPrior, Decov, IccPrior, LevelPriors, Priors, SdPrior, stated_on

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FreeVariable:
    """A free variable of the marginal graph.

    Parameters
    ----------
    name : str
    kind : {"log", "signed", "real", "odds", "share", "effects"}
        Positive; on the whole line; a coefficient, which is not jittered; between two bounds; a vector of shares;
        effects of a crossed level.
    size : int
        Numbers in it.
    columns : int
        The second length of a matrix, 0 for vectors and numbers.
    bounds : (lower, upper)
        Of ``"odds"``.
    """

    name: str
    kind: str
    size: int = 1
    columns: int = 0
    bounds: tuple[float, float] = (0.0, 1.0)


def free_variables(design: Design, priors: Priors, geometry: Geometry) -> tuple[FreeVariable, ...]:
    """The free variables of the marginal graph, in its order."""
    found = [_plain("sigma", priors.sigma, "log"), *_fixed_variables(design, priors, geometry)]
    for level, prior, signed in zip(design.levels, priors.levels, geometry.signed, strict=True):
        for first, number, q, sd in sd_parts(level, prior):
            if isinstance(sd, Decov):
                found.append(FreeVariable(size_name(level.name, number), "log"))
                if q > 1:
                    found.append(FreeVariable(split_name(level.name, number), "share", q - 1))
            elif isinstance(sd, IccPrior):
                found.append(FreeVariable(icc_name(level.name), "odds"))
            elif signed[first]:
                found.append(FreeVariable(signed_name(level.effect_names[first], level.name), "signed"))
            else:
                found.append(_plain(sd_name(level.effect_names[first], level.name), sd, "log"))
        for number, (start, stop) in enumerate(level.blocks):
            q = stop - start
            if q > 1:
                found.append(FreeVariable(partial_name(level.name, number), "share", q * (q - 1) // 2))
    for level, form in zip(design.levels, geometry.given, strict=True):
        if form is not None:
            J, q = len(level.grouping.labels), len(level.effects)
            found.append(FreeVariable(given_name(level.name), "effects", J * q, q))
    return tuple(found)


def sd_parts(level: Level, prior: LevelPriors) -> Iterator[tuple[int, int, int, SdPrior]]:
    """The sds of a level as they are sampled: first effect, number of its block, how many sds at once, and prior."""
    for number, (start, stop) in enumerate(level.blocks):
        if isinstance(prior.sds[start], Decov):
            yield start, number, stop - start, prior.sds[start]
        else:
            for effect in range(start, stop):
                yield effect, number, 1, prior.sds[effect]


def _plain(name: str, prior: SdPrior | BetaPrior, kind: str) -> FreeVariable:
    """A number by the support of its prior; ``kind`` where that is neither an interval nor positive."""
    if isinstance(prior, Uniform | Beta):
        return FreeVariable(name, "odds", bounds=(prior.lower, prior.upper))
    if isinstance(prior, Distribution) and prior.support == "positive":
        return FreeVariable(name, "log")
    return FreeVariable(name, kind)


def _fixed_variables(design: Design, priors: Priors, geometry: Geometry) -> Iterator[FreeVariable]:
    """Those of the fixed effects that are sampled."""
    r2 = priors.r2
    if r2 is not None:
        yield FreeVariable(R2_NAME, "odds")
        if len(r2.spreads) > 1:
            yield FreeVariable(R2_SPLIT, "share", len(r2.spreads) - 1)
    for j in priors.given:
        name = design.fixed_names[j]
        if j in geometry.offsets:
            yield FreeVariable(offset_name(name), "real")
        else:
            yield _plain(coefficient_name(name, len(priors.beta) == 1), priors.beta[j], "real")


def starting_values(
    design: Design, products: CrossProducts, solution: MlSolution, priors: Priors, geometry: Geometry
) -> list[Floats]:
    """Values of the free variables near the REML estimate, never at a boundary.

    Sds start at max(REML sd, 0.1 sigma / sqrt(mean S_g[z,z])), correlations within 0.9, what is bounded within the
    middle 96 % of its range.
    """
    values = [np.array([solution.sigma]), *_fixed_starts(products, solution, priors, geometry)]
    own = []
    for shape, covariance in zip(products.levels, solution.covariances, strict=True):
        inner = products.total[np.ix_(shape.columns, shape.columns)]
        information = np.einsum("iq,ij,jq->q", shape.basis, inner, shape.basis) / shape.n_groups
        own.append(np.maximum(np.sqrt(np.diag(covariance)), 0.1 * solution.sigma / np.sqrt(information)))
    for number, (level, prior, covariance) in enumerate(
        zip(design.levels, priors.levels, solution.covariances, strict=True)
    ):
        sds = own[number]
        for first, _, q, sd in sd_parts(level, prior):
            block = sds[first : first + q]
            if isinstance(sd, Decov):
                size = np.sqrt(np.mean(block**2))
                values.append(np.array([size / solution.sigma]))
                if q > 1:
                    values.append(_inside(broken_off(block**2 / np.sum(block**2))))
            elif isinstance(sd, IccPrior):
                others = sum(
                    own[k][v.effect_names.index("Intercept")] ** 2
                    for k, v in enumerate(design.levels)
                    if "Intercept" in v.effect_names
                )
                values.append(_inside(block**2 / (others + solution.sigma**2)))
            else:
                values.append(_within(sd, block))
        for start, stop in level.blocks:
            if stop - start > 1:
                values.append((_partials(covariance[start:stop, start:stop]) + 1) / 2)
    if any(geometry.given):
        means = conditional_effects(products, solution).means
        for number, form in enumerate(geometry.given):
            if form == "centred":
                values.append(means[number].ravel())
            elif form == "offset":
                values.append((means[number] @ np.linalg.pinv(solution.sigma * solution.factors[number]).T).ravel())
    values[0] = _within(priors.sigma, values[0])
    return values


def _fixed_starts(products: CrossProducts, solution: MlSolution, priors: Priors, geometry: Geometry) -> list[Floats]:
    """Starts of the fixed effects that are sampled."""
    if not priors.given:
        return []
    beta = stated_on(priors, products) @ solution.beta
    r2, values = priors.r2, []
    scales = {}
    if r2 is not None:
        places = [j for j, prior in enumerate(priors.beta) if isinstance(prior, R2D2)]
        parts = np.maximum((beta[places] * np.array(r2.spreads)) ** 2, 1e-3 * solution.sigma**2)
        share = _inside(np.array([parts.sum() / (parts.sum() + solution.sigma**2)]))
        values.append(share)
        phi = parts / parts.sum()
        if len(parts) > 1:
            sticks = _inside(broken_off(phi))
            values.append(sticks)
            phi = stick_parts(sticks)
        size = solution.sigma * np.sqrt(share / (1 - share))
        scales = {j: size * np.sqrt(f) / s for j, f, s in zip(places, phi, r2.spreads, strict=True)}
    for j in priors.given:
        value = np.array([beta[j]])
        values.append(value / scales[j] if j in geometry.offsets else _within(priors.beta[j], value))
    return values


def _within(prior: SdPrior | BetaPrior, value: Floats) -> Floats:
    """The value, moved into the support of the prior."""
    if isinstance(prior, Uniform | Beta):
        width = prior.upper - prior.lower
        return np.clip(value, prior.lower + 0.02 * width, prior.upper - 0.02 * width)
    if isinstance(prior, Distribution) and prior.support == "positive":
        return np.where(value > 0, value, prior.frozen().ppf(0.05))
    return value


def _inside(share: Floats) -> Floats:
    """Shares away from 0 and 1."""
    return np.clip(share, 0.02, 0.98)


def broken_off(shares: Floats) -> Floats:
    """The part of what is left that each share but the last takes, (q - 1,)."""
    left = np.cumsum(shares[::-1])[::-1]
    return np.asarray(shares[:-1] / left[:-1])


def stick_parts(sticks: Floats) -> Floats:
    """Shares from the parts broken off, (..., q)."""
    ones = np.ones((*sticks.shape[:-1], 1))
    left = np.cumprod(np.concatenate([ones, 1 - sticks], axis=-1), axis=-1)
    return np.asarray(left * np.concatenate([sticks, ones], axis=-1))


def _partials(covariance: Floats) -> Floats:
    """Canonical partial correlations of a covariance matrix, pulled inside (-0.9, 0.9), row by row."""
    sd = np.sqrt(np.diag(covariance))
    sd = np.where(sd > 0, sd, 1.0)
    correlation = np.clip(covariance / np.outer(sd, sd), -0.9, 0.9)
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    correlation = (vectors * np.maximum(values, 0.05)) @ vectors.T
    root = np.linalg.cholesky(correlation)
    root /= np.linalg.norm(root, axis=1, keepdims=True)
    partials: list[float] = []
    for i in range(1, len(root)):
        left = 1.0
        for k in range(i):
            partials.append(root[i, k] / np.sqrt(left))
            left = max(left - root[i, k] ** 2, 1e-12)
    return np.asarray(np.clip(np.array(partials), -0.9, 0.9))


def unconstrained(variables: tuple[FreeVariable, ...], values: list[Floats]) -> Floats:
    """The sampler's coordinates: logarithms, logits, or the value itself."""
    parts = []
    for variable, value in zip(variables, values, strict=True):
        if variable.kind == "log":
            parts.append(np.log(value))
        elif variable.kind in ("share", "odds"):
            lower, upper = variable.bounds
            parts.append(np.log(value - lower) - np.log(upper - value))
        else:
            parts.append(value)
    return np.concatenate(parts)


def jittered(variables: tuple[FreeVariable, ...], values: list[Floats], rng: np.random.Generator) -> list[Floats]:
    """One chain's start: a factor of up to e for sds, up to 1 in logits for correlations; coefficients as they are."""
    moved = []
    for variable, value in zip(variables, values, strict=True):
        shift = rng.uniform(-1.0, 1.0, size=value.shape)
        if variable.kind in ("share", "odds"):
            lower, upper = variable.bounds
            odds = (value - lower) / (upper - value) * np.exp(shift)
            moved.append((lower + upper * odds) / (1 + odds))
        elif variable.kind == "effects":
            moved.append(value + 0.2 * shift * np.std(value))
        elif variable.kind == "real":
            moved.append(value)
        else:
            moved.append(value * np.exp(shift))
    return moved
