"""From the sampler's raw variables to covariances, and on to exact draws of fixed and group effects."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design, Level
from bayesmix.inference.geometry import Geometry
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
from bayesmix.inference.priors import R2D2, Decov, IccPrior, LevelPriors, Priors, beta_prior_vector, given_shift
from bayesmix.inference.variables import sd_parts, stick_parts
from bayesmix.likelihood.coordinates import Coordinates, block_entries, user_coordinates
from bayesmix.likelihood.evaluation import posterior
from bayesmix.likelihood.layout import Layout

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class VarianceDraws:
    """Variance parameters of D draws.

    Parameters
    ----------
    sigma : (D,) array
        Residual standard deviation.
    factors : tuple of (D, q, q) arrays
        Lambda of each level, in units of the response per unit of the column; diagonals may be negative.
    """

    sigma: Floats
    factors: tuple[Floats, ...]

    @property
    def covariances(self) -> tuple[Floats, ...]:
        """Sigma of each level, (D, q, q)."""
        return tuple(factor @ np.swapaxes(factor, -1, -2) for factor in self.factors)


@dataclass(frozen=True)
class EffectDraws:
    """Exact draws of fixed and group effects.

    Parameters
    ----------
    beta : (D, p) array
    effects : tuple of (D, J, q) arrays or None
        Groups in depth-first order; None where only the summary was kept.
    means, sds : tuple of (J, q) arrays
        Over the draws.
    """

    beta: Floats
    effects: tuple[Floats, ...] | None
    means: tuple[Floats, ...]
    sds: tuple[Floats, ...]


def variance_draws(design: Design, priors: Priors, geometry: Geometry, raw: dict[str, Floats]) -> VarianceDraws:
    """Factors from raw variables, each (D,) or (D, size)."""
    every = [
        _level_sds(level, prior, signed, raw)
        for level, prior, signed in zip(design.levels, priors.levels, geometry.signed, strict=True)
    ]
    intercepts = [
        sds[:, level.effect_names.index("Intercept")] if "Intercept" in level.effect_names else np.zeros(len(sds))
        for level, sds in zip(design.levels, every, strict=True)
    ]
    factors = []
    for number, (level, prior, sds) in enumerate(zip(design.levels, priors.levels, every, strict=True)):
        for effect, sd in enumerate(prior.sds):
            if isinstance(sd, IccPrior):
                others = raw["sigma"] ** 2 + sum(s**2 for k, s in enumerate(intercepts) if k != number)
                sds[:, effect] = np.sqrt(sds[:, effect] / (1 - sds[:, effect]) * others)
        root = np.zeros((len(sds), len(level.effects), len(level.effects)))
        for block, (start, stop) in enumerate(level.blocks):
            if stop - start == 1:
                root[:, start, start] = 1.0
            else:
                partials = 2 * raw[partial_name(level.name, block)] - 1
                root[:, start:stop, start:stop] = correlation_roots(partials, stop - start)
        factors.append(sds[:, :, None] * root)
    return VarianceDraws(raw["sigma"], tuple(factors))


def _level_sds(level: Level, prior: LevelPriors, signed: Sequence[bool], raw: dict[str, Floats]) -> Floats:
    """Standard deviations of a level, (D, q); in place of one whose prior is on a share of variance, the share."""
    columns: list[Floats] = []
    for first, number, q, sd in sd_parts(level, prior):
        name = level.effect_names[first]
        if isinstance(sd, Decov):
            size = raw["sigma"] * raw[size_name(level.name, number)]
            sticks = raw[split_name(level.name, number)] if q > 1 else np.zeros((len(size), 0))
            columns += list((size[:, None] * np.sqrt(q * stick_parts(sticks))).T)
        elif isinstance(sd, IccPrior):
            columns.append(raw[icc_name(level.name)])
        else:
            columns.append(raw[signed_name(name, level.name) if signed[first] else sd_name(name, level.name)])
    return np.stack(columns, axis=-1)


def given_coefficient_draws(design: Design, priors: Priors, geometry: Geometry, raw: dict[str, Floats]) -> Floats:
    """Fixed effects that were sampled, as their priors are stated, (D, given)."""
    r2, scales = priors.r2, {}
    if r2 is not None:
        places = [j for j, prior in enumerate(priors.beta) if isinstance(prior, R2D2)]
        share = raw[R2_NAME]
        sticks = raw[R2_SPLIT] if len(places) > 1 else np.zeros((len(share), 0))
        size = raw["sigma"] * np.sqrt(share / (1 - share))
        phi = stick_parts(sticks)
        scales = {j: size * np.sqrt(phi[:, k]) / r2.spreads[k] for k, j in enumerate(places)}
    found = [np.zeros((len(raw["sigma"]), 0))]
    for j in priors.given:
        name = design.fixed_names[j]
        if j in geometry.offsets:
            found.append((raw[offset_name(name)] * scales[j])[:, None])
        else:
            found.append(raw[coefficient_name(name, len(priors.beta) == 1)][:, None])
    return np.concatenate(found, axis=1)


def correlation_roots(partials: Floats, q: int) -> Floats:
    """Cholesky factors of correlation matrices from partial correlations, (D, q, q)."""
    root = np.zeros((len(partials), q, q))
    root[:, 0, 0] = 1.0
    at = 0
    for i in range(1, q):
        left = np.ones(len(partials))
        for k in range(i):
            root[:, i, k] = partials[:, at] * np.sqrt(left)
            left = left * (1 - partials[:, at] ** 2)
            at += 1
        root[:, i, i] = np.sqrt(left)
    return root


def given_draws(
    design: Design, geometry: Geometry, variances: VarianceDraws, raw: dict[str, Floats]
) -> tuple[Floats, ...]:
    """Effects of the crossed levels that were sampled, (D, J, q) each; empty where all were integrated out."""
    found = []
    for number, (level, form) in enumerate(zip(design.levels, geometry.given, strict=True)):
        if form is not None:
            effects = raw[given_name(level.name)].reshape(len(variances.sigma), -1, len(level.effects))
            if form == "offset":
                effects = effects @ np.swapaxes(variances.factors[number], -1, -2)
            found.append(effects)
    return tuple(found)


def effect_draws(
    products: CrossProducts,
    design: Design,
    priors: Priors,
    variances: VarianceDraws,
    rng: np.random.Generator,
    keep: bool,
    given: Sequence[Floats] = (),
    fixed: Floats | None = None,
    chunk_bytes: int = 64_000_000,
) -> EffectDraws:
    """Draw beta and u from their exact conditional distribution, one draw for each draw of the variances.

    Parameters
    ----------
    given : sequence of (D, J, q) arrays
        Effects of the crossed levels where those were sampled.
    fixed : (D, k) array
        Fixed effects that were sampled, as their priors are stated.
    keep : bool
        Keep the draws of the group effects, or only their means and sds.
    chunk_bytes : int
        Memory for draws in work at a time when they are not kept.
    """
    coordinates = user_coordinates(products)
    layout = coordinates.layout
    prior = beta_prior_vector(priors, coordinates, products)
    shapes = [(level.n_groups, level.n_effects) for level in layout.levels]
    width = sum(J * q for J, q in shapes)
    n_draws = len(variances.sigma)
    lam = np.concatenate([np.zeros((n_draws, 0)), *_entries(design.levels, variances.factors)], axis=1)
    flat = np.concatenate([np.zeros((n_draws, 0)), *(f.reshape(n_draws, -1) for f in variances.factors)], axis=1)
    betas = np.empty((n_draws, products.n_fixed))
    kept = np.empty((n_draws, width)) if keep else None
    total, squares, origin = np.zeros(width), np.zeros(width), np.zeros(width)
    step = n_draws if keep else max(1, chunk_bytes // max(8 * width, 1))
    for start in range(0, n_draws, step):
        part = slice(start, min(start + step, n_draws))
        count = part.stop - part.start
        inner = rng.standard_normal((count, products.n_fixed))
        if priors.given:
            assert fixed is not None
            inner[:, : len(priors.given)] = fixed[part] - given_shift(priors, products)
        noise = (
            rng.standard_normal((count, width), out=kept) if kept is not None else rng.standard_normal((count, width))
        )
        nested = noise[:, : width - sum(effects[0].size for effects in given)]
        x = _on_columns(layout, [effects[part] for effects in given])
        _fill(coordinates, prior, lam[part], flat[part], variances.sigma[part], inner, nested, x)
        nested *= products.response_scale
        if given:
            noise[:, nested.shape[1] :] = np.concatenate([u[part].reshape(count, -1) for u in given], axis=1)
        betas[part] = inner
        if start == 0:
            origin = noise.mean(axis=0)
        total += (noise - origin).sum(axis=0)
        squares += ((noise - origin) ** 2).sum(axis=0)
    mean = total / n_draws
    sd = np.sqrt(np.maximum(squares / n_draws - mean**2, 0.0) * n_draws / max(n_draws - 1, 1))
    beta_user = products.response_fit + products.response_scale * np.linalg.solve(coordinates.fixed, betas.T).T
    return EffectDraws(
        beta_user,
        None if kept is None else tuple(_split(kept, shapes)),
        tuple(_split(mean + origin, shapes)),
        tuple(_split(sd, shapes)),
    )


def _fill(
    coordinates: Coordinates,
    prior: Floats,
    lam: Floats,
    flat: Floats,
    sigma: Floats,
    beta: Floats,
    effects: Floats,
    given: Floats | None,
) -> None:
    """Turn standard normals into draws, in place, the draws shared out over the processors."""
    bounds = np.linspace(0, len(sigma), (os.cpu_count() or 1) + 1).astype(int)
    parts = [slice(a, b) for a, b in pairwise(bounds.tolist())]
    with ThreadPoolExecutor(len(parts)) as pool:
        running = [
            pool.submit(
                posterior, coordinates, prior, lam[p], flat[p], sigma[p], beta[p], effects[p],
                None if given is None else given[p],
            )
            for p in parts
        ]  # fmt: skip
        for each in running:
            each.result()


def _on_columns(layout: Layout, given: Sequence[Floats]) -> Floats | None:
    """Given effects (D, J, q) on the columns of the crossed levels, in inner units, (D, m)."""
    if not given:
        return None
    maps = [level.basis / layout.response_scale for level in layout.levels[layout.n_nested :]]
    parts = [(u @ B.T).reshape(len(u), -1) for u, B in zip(given, maps, strict=True)]
    return np.ascontiguousarray(np.concatenate(parts, axis=1))


def _entries(levels: tuple[Level, ...], factors: tuple[Floats, ...]) -> list[Floats]:
    """Free entries of every level in the order of theta, (D, k)."""
    places = [block_entries(level.blocks) for level in levels]
    return [factor[:, at[:, 0], at[:, 1]] for at, factor in zip(places, factors, strict=True)]


def _split(flat: Floats, shapes: list[tuple[int, int]]) -> list[Floats]:
    """Cut the last axis by level and give each part its shape, (..., J, q)."""
    sizes = [J * q for J, q in shapes]
    parts = np.split(flat, np.cumsum(sizes)[:-1], axis=-1) if sizes else []
    return [part.reshape(*flat.shape[:-1], *shape) for part, shape in zip(parts, shapes, strict=True)]
