"""Priors as PyMC variables: standard deviations with their correlations, and fixed effects that are sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmix.design import Design, Level
from bayesmix.inference.distributions import (
    Beta,
    Cauchy,
    Distribution,
    Exponential,
    Flat,
    Gamma,
    HalfCauchy,
    HalfNormal,
    HalfStudentT,
    InverseGamma,
    Laplace,
    Logistic,
    LogNormal,
    Normal,
    StudentT,
    Uniform,
    Weibull,
)
from bayesmix.inference.geometry import Geometry
from bayesmix.inference.naming import (
    R2_NAME,
    R2_SPLIT,
    coefficient_name,
    correlation_name,
    icc_name,
    offset_name,
    pairs_dim,
    partial_name,
    sd_name,
    signed_name,
    size_name,
    split_name,
)
from bayesmix.inference.priors import LKJ, R2D2, Decov, IccPrior, LevelPriors, Priors
from bayesmix.inference.variables import sd_parts

# A variable of each family from its name, the distribution and its moving numbers.
_FAMILIES: dict[type[Distribution], Callable[[str, Any, Sequence[Any]], Any]] = {
    Normal: lambda name, d, x: pm.Normal(name, mu=x[0], sigma=x[1]),
    StudentT: lambda name, d, x: pm.StudentT(name, nu=d.df, mu=x[0], sigma=x[1]),
    Cauchy: lambda name, d, x: pm.Cauchy(name, alpha=x[0], beta=x[1]),
    Laplace: lambda name, d, x: pm.Laplace(name, mu=x[0], b=x[1]),
    Logistic: lambda name, d, x: pm.Logistic(name, mu=x[0], s=x[1]),
    Uniform: lambda name, d, x: pm.Uniform(name, lower=d.lower, upper=d.upper),
    HalfNormal: lambda name, d, x: pm.HalfNormal(name, sigma=x[0]),
    HalfStudentT: lambda name, d, x: pm.HalfStudentT(name, nu=d.df, sigma=x[0]),
    HalfCauchy: lambda name, d, x: pm.HalfCauchy(name, beta=x[0]),
    Exponential: lambda name, d, x: pm.Exponential(name, lam=x[0]),
    Gamma: lambda name, d, x: pm.Gamma(name, alpha=d.alpha, beta=x[0]),
    InverseGamma: lambda name, d, x: pm.InverseGamma(name, alpha=d.alpha, beta=x[0]),
    LogNormal: lambda name, d, x: pm.LogNormal(name, mu=x[0], sigma=x[1]),
    Weibull: lambda name, d, x: pm.Weibull(name, alpha=d.alpha, beta=x[0]),
    Beta: lambda name, d, x: pm.Beta(name, alpha=d.alpha, beta=d.beta),
}
# The same, mirrored at 0, for a standard deviation sampled on the whole line.
_MIRRORED: dict[type[Distribution], Callable[[str, Any, Sequence[Any]], Any]] = {
    HalfNormal: lambda name, d, x: pm.Normal(name, mu=0.0, sigma=x[0]),
    HalfStudentT: lambda name, d, x: pm.StudentT(name, nu=d.df, mu=0.0, sigma=x[0]),
    HalfCauchy: lambda name, d, x: pm.Cauchy(name, alpha=0.0, beta=x[0]),
    Flat: lambda name, d, x: pm.Flat(name),
}


def coefficient(name: str, prior: Distribution, numbers: Sequence[Any]) -> Any:
    """A fixed effect."""
    return pm.Flat(name) if isinstance(prior, Flat) else _FAMILIES[type(prior)](name, prior, numbers)


def positive(name: str, prior: Distribution, numbers: Sequence[Any]) -> Any:
    """A positive parameter, sampled in logarithms (or logits, between two bounds)."""
    return pm.HalfFlat(name) if isinstance(prior, Flat) else _FAMILIES[type(prior)](name, prior, numbers)


class Numbers:
    """The moving numbers of the priors, handed out in the order of the graph's variables."""

    def __init__(self, source: Any) -> None:
        self._source, self._used = source, 0

    def take(self, count: int) -> list[Any]:
        """The next numbers."""
        found = [self._source[i] for i in range(self._used, self._used + count)]
        self._used += count
        return found


def given_coefficients(
    design: Design, priors: Priors, sigma: Any, numbers: Numbers, offsets: frozenset[int] = frozenset()
) -> dict[int, Any]:
    """The fixed effects whose prior is neither normal nor flat, by place."""
    own = {
        j: numbers.take(len(prior.moving)) for j in priors.given if isinstance(prior := priors.beta[j], Distribution)
    }
    scales = dict(_r2_scales(priors, sigma, numbers))
    found = {}
    for j in priors.given:
        name, prior = design.fixed_names[j], priors.beta[j]
        label = coefficient_name(name, len(priors.beta) == 1)
        if isinstance(prior, Distribution):
            found[j] = coefficient(label, prior, own[j])
        elif j in offsets:
            found[j] = pm.Normal(offset_name(name), 0.0, 1.0) * scales[j]
        else:
            found[j] = pm.Normal(label, 0.0, scales[j])
    return found


def _r2_scales(priors: Priors, sigma: Any, numbers: Numbers) -> Iterator[tuple[int, Any]]:
    """sigma sqrt(phi_j R2/(1 - R2))/sd(x_j) of each coefficient under a prior of R2."""
    prior = priors.r2
    if prior is None:
        return
    spreads = numbers.take(len(prior.spreads))
    share = positive(R2_NAME, prior.share, ())
    phi = _split(R2_SPLIT, len(spreads), prior.concentration)
    places = [j for j, each in enumerate(priors.beta) if isinstance(each, R2D2)]
    for j, part, spread in zip(places, phi, spreads, strict=True):
        yield j, sigma * pt.sqrt(part * share / (1 - share)) / spread


def _split(name: str, q: int, concentration: float) -> list[Any]:
    """Dirichlet(concentration) shares: the parts broken off a stick are Beta(c, c (q - 1 - k))."""
    if q == 1:
        return [1.0]
    rest = concentration * np.arange(q - 1, 0, -1)
    sticks = pm.Beta(name, concentration, rest, shape=q - 1)
    left: Any = 1.0
    shares = []
    for k in range(q - 1):
        shares.append(left * sticks[k])
        left = left * (1 - sticks[k])
    return [*shares, left]


Entries = dict[tuple[int, int], Any]


def level_factors(design: Design, priors: Priors, geometry: Geometry, sigma: Any, numbers: Numbers) -> list[Entries]:
    """Free entries of Lambda = diag(s) L of every level, |s| and the correlations recorded under their reported names.

    An intercept with a prior of its share of variance comes last: its sd depends on all the others.
    """
    parts = [
        _sds_and_roots(level, prior, signed, sigma, numbers)
        for level, prior, signed in zip(design.levels, priors.levels, geometry.signed, strict=True)
    ]
    intercepts = [
        sds[level.effect_names.index("Intercept")]
        for level, (sds, _) in zip(design.levels, parts, strict=True)
        if "Intercept" in level.effect_names
    ]
    for level, prior, (sds, _) in zip(design.levels, priors.levels, parts, strict=True):
        for effect, sd in enumerate(prior.sds):
            if isinstance(sd, IccPrior):
                share = sds[effect]
                others = sum((s**2 for s in intercepts if s is not share), sigma**2)
                sds[effect] = pt.sqrt(share / (1 - share) * others)
                pm.Deterministic(sd_name(level.effect_names[effect], level.name), sds[effect])
    return [
        _record(level, sds, roots, signed)
        for level, (sds, roots), signed in zip(design.levels, parts, geometry.signed, strict=True)
    ]


def _sds_and_roots(
    level: Level, prior: LevelPriors, signed: Sequence[bool], sigma: Any, numbers: Numbers
) -> tuple[list[Any], Entries]:
    """The sds of a level (a share in place of one whose prior is on that), and the roots of its correlations."""
    sds: list[Any] = []
    for first, number, q, sd in sd_parts(level, prior):
        name = sd_name(level.effect_names[first], level.name)
        if isinstance(sd, Decov):
            size = pm.Gamma(size_name(level.name, number), alpha=sd.shape, beta=1 / sd.scale)
            shares = _split(split_name(level.name, number), q, sd.concentration)
            for effect, share in zip(level.effect_names[first : first + q], shares, strict=True):
                sds.append(pm.Deterministic(sd_name(effect, level.name), sigma * size * pt.sqrt(q * share)))
        elif isinstance(sd, IccPrior):
            sds.append(positive(icc_name(level.name), sd.share, ()))
        elif signed[first]:
            s = _MIRRORED[type(sd)](
                signed_name(level.effect_names[first], level.name), sd, numbers.take(len(sd.moving))
            )
            pm.Deterministic(name, abs(s))
            sds.append(s)
        else:
            sds.append(positive(name, sd, numbers.take(len(sd.moving))))
    roots: Entries = {}
    for number, (start, stop) in enumerate(level.blocks):
        for (i, j), value in _cholesky(level, number, stop - start, prior).items():
            roots[start + i, start + j] = value
    return sds, roots


def _record(level: Level, sds: list[Any], roots: Entries, signed: Sequence[bool]) -> Entries:
    """Entries of Lambda; the correlations, with the signs of the sds, under their name."""
    if level.pairs:
        correlations = []
        for i, j in level.pairs:
            start = next(b[0] for b in level.blocks if b[0] <= i < b[1])
            value = sum(roots[i, k] * roots[j, k] for k in range(start, i + 1))
            for k in (i, j):
                value = value * pt.sign(sds[k]) if signed[k] else value
            correlations.append(value)
        pm.Deterministic(correlation_name(level.name), pt.stack(correlations), dims=pairs_dim(level.name))
    return {(i, j): sds[i] * value for (i, j), value in roots.items()}


def _cholesky(level: Level, number: int, q: int, prior: LevelPriors) -> Entries:
    """Cholesky factor of a correlation matrix from partial correlations, row by row.

    Under LKJ(eta) the partials of column k are independent, 2 Beta(a, a) - 1 with a = eta + (q - 2 - k)/2.
    """
    root: Entries = {(0, 0): 1.0}
    if q == 1:
        return root
    places = [(i, k) for i in range(1, q) for k in range(i)]
    eta = prior.correlation.eta if isinstance(prior.correlation, LKJ) else None
    shapes = np.array([1.0 if eta is None else eta + (q - 2 - k) / 2 for _, k in places])
    share = pm.Beta(partial_name(level.name, number), shapes, shapes, shape=len(places))
    partial_at = {place: 2 * share[n] - 1 for n, place in enumerate(places)}
    for i in range(1, q):
        left: Any = 1.0
        for k in range(i):
            root[i, k] = partial_at[i, k] * pt.sqrt(left)
            left = left * (1 - partial_at[i, k] ** 2)
        root[i, i] = pt.sqrt(left)
    return root
