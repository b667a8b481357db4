"""Draws and density of a posterior in coordinates without bounds and without signs: log sds, log odds of shares.

A standard deviation sampled on the whole line has a posterior with two halves that are mirror images. Folded onto the
positive ones, with the partial correlations turned to match, the posterior of |s| and C is the same and has one mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, expit

from bayesmix.design import CrossProducts, Design, Level
from bayesmix.inference.distributions import Beta, Distribution, Gamma, Normal, Uniform
from bayesmix.inference.draws import given_coefficient_draws, variance_draws
from bayesmix.inference.geometry import Geometry
from bayesmix.inference.naming import (
    R2_NAME,
    R2_SPLIT,
    coefficient_name,
    icc_name,
    offset_name,
    partial_name,
    sd_name,
    signed_name,
    size_name,
    split_name,
)
from bayesmix.inference.prior_draws import log_densities
from bayesmix.inference.priors import LKJ, R2D2, Decov, IccPrior, LevelPriors, Priors, beta_prior_vector, given_shift
from bayesmix.inference.variables import FreeVariable, free_variables, sd_parts
from bayesmix.likelihood.coordinates import user_coordinates

Floats = NDArray[np.float64]
# Two numbers for each share: those of its Beta distribution.
Shapes = tuple[Floats, Floats]
Raw = Mapping[str, Floats]

# Shares nearer to 0 or 1 have log odds that rounding decides.
_EDGE = 1e-15


@dataclass(frozen=True)
class Folded:
    """The posterior of one model in folded coordinates, fixed effects with normal priors and group effects integrated.

    Parameters
    ----------
    design, products, priors : Design, CrossProducts, Priors
    geometry : Geometry
        Every sd in logarithms, no effects of groups.
    variables : tuple of FreeVariable
        What the coordinates belong to, in their order.
    """

    design: Design
    products: CrossProducts
    priors: Priors
    geometry: Geometry
    variables: tuple[FreeVariable, ...]

    @property
    def dimension(self) -> int:
        """How many coordinates there are."""
        return sum(variable.size for variable in self.variables)

    def coordinates(self, raw: Raw) -> Floats:
        """Of draws by the names they were sampled under, (C, D) or (C, D, size) each: (C, D, d)."""
        turned = _turned(self.design, raw)
        return np.concatenate([_unbound(variable, turned[variable.name]) for variable in self.variables], axis=-1)

    def values(self, points: Floats) -> dict[str, Floats]:
        """Back from (m, d) points to numbers by name, (m,) each; vectors of shares (m, size)."""
        found, at = {}, 0
        for variable in self.variables:
            part = points[:, at : at + variable.size]
            at += variable.size
            if variable.kind == "log":
                value = np.exp(part)
            elif variable.kind in ("odds", "share"):
                lower, upper = variable.bounds
                value = lower + (upper - lower) * expit(part)
            else:
                value = part
            found[variable.name] = value if variable.kind == "share" else value[:, 0]
        return found

    def log_priors(self, points: Floats) -> Floats:
        """Log density of the prior of each coordinate at (m, d) points, with every constant, (m, d)."""
        known = _densities(self.design, self.priors, self.geometry)
        scales = self._r2_scales(points) if self.priors.r2 is not None else {}
        found, at = np.empty(points.shape), 0
        for variable in self.variables:
            own = slice(at, at + variable.size)
            part = points[:, own]
            at += variable.size
            if variable.name in scales:
                scale = scales[variable.name][:, None]
                found[:, own] = -0.5 * np.log(2 * np.pi) - np.log(scale) - 0.5 * (part / scale) ** 2
                continue
            prior = known[variable.name]
            if not isinstance(prior, Distribution):
                a, b = prior
                # log s and log(1 - s) of a share s; the density of its odds has one more of each than its own.
                found[:, own] = -a * np.logaddexp(0.0, -part) - b * np.logaddexp(0.0, part) - betaln(a, b)
            elif variable.kind == "log":
                found[:, own] = prior.frozen().logpdf(np.exp(part)) + part
            else:
                found[:, own] = prior.frozen().logpdf(part)
        return found

    def log_prior(self, points: Floats) -> Floats:
        """Log density of the priors in these coordinates at (m, d) points, with every constant, (m,)."""
        return np.asarray(self.log_priors(points).sum(axis=1))

    def log_likelihood(self, points: Floats) -> Floats:
        """log p(y | variance parameters, fixed effects that are sampled) at (m, d) points, (m,)."""
        return self.log_likelihood_of(self.values(points))

    def log_likelihood_of(self, raw: dict[str, Floats]) -> Floats:
        """The same of numbers by name, (m,) or (m, size) each; sds may be 0."""
        variances = variance_draws(self.design, self.priors, self.geometry, raw)
        fixed = given_coefficient_draws(self.design, self.priors, self.geometry, raw)
        prior = beta_prior_vector(self.priors, user_coordinates(self.products), self.products)
        inner = fixed - given_shift(self.priors, self.products)
        return log_densities(self.design, self.products, prior, inner, variances.sigma, variances.factors)

    def log_density(self, points: Floats) -> Floats:
        """Log of prior times likelihood at (m, d) points, (m,); -inf where a number leaves what floats can hold."""
        with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
            found = self.log_prior(points)
            inside = np.isfinite(found)
            found[inside] += self.log_likelihood(points[inside])
        return np.where(np.isnan(found), -np.inf, found)

    def _r2_scales(self, points: Floats) -> dict[str, Floats]:
        """Prior sd of each coefficient under a prior of R2 that is sampled as it is, by its name."""
        places = [j for j in self.priors.given if isinstance(self.priors.beta[j], R2D2)]
        all_offsets = Geometry(self.geometry.signed, offsets=frozenset(places))
        ones = {offset_name(self.design.fixed_names[j]): np.ones(len(points)) for j in places}
        found = given_coefficient_draws(self.design, self.priors, all_offsets, self.values(points) | ones)
        alone = len(self.priors.beta) == 1
        return {
            coefficient_name(self.design.fixed_names[j], alone): found[:, k]
            for k, j in enumerate(self.priors.given)
            if j in places and j not in self.geometry.offsets
        }


def fold(design: Design, products: CrossProducts, priors: Priors, sampled: Raw) -> Folded:
    """The folded coordinates that go with what was sampled.

    Parameters
    ----------
    design, products, priors : Design, CrossProducts, Priors
        Proper priors.
    sampled : mapping of str to array
        Draws of the sampler's variables; effects of crossed levels among them are not read, but integrated out.
    """
    names = design.fixed_names
    offsets = frozenset(j for j in priors.given if offset_name(names[j]) in sampled)
    geometry = Geometry(tuple((False,) * len(level.effects) for level in design.levels), offsets=offsets)
    return Folded(design, products, priors, geometry, free_variables(design, priors, geometry))


def _turned(design: Design, raw: Raw) -> dict[str, Floats]:
    """Draws with every sd positive: turning effect i turns its partial correlations with all others."""
    found = dict(raw)
    for level in design.levels:
        signs: list[Floats | float] = []
        for name in level.effect_names:
            signed = raw.get(signed_name(name, level.name))
            signs.append(1.0 if signed is None else np.where(signed < 0, -1.0, 1.0))
            if signed is not None:
                found[sd_name(name, level.name)] = np.abs(signed)
        for number, (start, stop) in enumerate(level.blocks):
            if stop - start > 1:
                name = partial_name(level.name, number)
                pairs = [(i, k) for i in range(start, stop) for k in range(start, i)]
                share = np.array(raw[name])
                for at, (i, k) in enumerate(pairs):
                    share[..., at] = np.where(np.asarray(signs[i]) * signs[k] < 0, 1 - share[..., at], share[..., at])
                found[name] = share
    return found


def _unbound(variable: FreeVariable, value: Floats) -> Floats:
    """Logarithms, log odds, or the number itself, (C, D, size)."""
    wide = value if variable.kind == "share" else value[..., None]
    if variable.kind == "log":
        return np.log(wide)
    if variable.kind in ("odds", "share"):
        lower, upper = variable.bounds
        share = np.clip((wide - lower) / (upper - lower), _EDGE, 1 - _EDGE)
        return np.asarray(np.log(share) - np.log1p(-share))
    return wide


def _densities(design: Design, priors: Priors, geometry: Geometry) -> dict[str, Distribution | Shapes]:
    """The prior of each variable but the coefficients under a prior of R2 that are sampled as they are."""
    found: dict[str, Distribution | Shapes] = {"sigma": _bounded(priors.sigma)}
    r2 = priors.r2
    if r2 is not None:
        found[R2_NAME] = _bounded(r2.share)
        found[R2_SPLIT] = stick_shapes(len(r2.spreads), r2.concentration)
    for j in priors.given:
        name, prior = design.fixed_names[j], priors.beta[j]
        if j in geometry.offsets:
            found[offset_name(name)] = Normal(0.0, 1.0)
        elif isinstance(prior, Distribution):
            found[coefficient_name(name, len(priors.beta) == 1)] = _bounded(prior)
    for level, own in zip(design.levels, priors.levels, strict=True):
        found |= _level_densities(level, own)
    return found


def _level_densities(level: Level, own: LevelPriors) -> dict[str, Distribution | Shapes]:
    """Those of the sds and partial correlations of a level."""
    found: dict[str, Distribution | Shapes] = {}
    for first, number, q, sd in sd_parts(level, own):
        if isinstance(sd, Decov):
            found[size_name(level.name, number)] = Gamma(sd.shape, 1 / sd.scale)
            found[split_name(level.name, number)] = stick_shapes(q, sd.concentration)
        elif isinstance(sd, IccPrior):
            found[icc_name(level.name)] = _bounded(sd.share)
        else:
            found[sd_name(level.effect_names[first], level.name)] = _bounded(sd)
    eta = own.correlation.eta if isinstance(own.correlation, LKJ) else None
    for number, (start, stop) in enumerate(level.blocks):
        q = stop - start
        columns = np.array([k for i in range(1, q) for k in range(i)])
        # Lewandowski, Kurowicka & Joe (2009), section 2.4: partials of column k are 2 Beta(a, a) - 1.
        a = np.ones(len(columns)) if eta is None else eta + (q - 2 - columns) / 2
        found[partial_name(level.name, number)] = (a, a)
    return found


def stick_shapes(parts: int, concentration: float) -> Shapes:
    """Beta distributions of the parts broken off a stick, whose lengths are Dirichlet."""
    left = np.arange(parts - 1, 0, -1, dtype=float)
    return np.full(parts - 1, concentration), np.asarray(concentration * left)


def _bounded(prior: Distribution) -> Distribution | Shapes:
    """Between two bounds: the shapes of the Beta distribution of the place between them."""
    if isinstance(prior, Uniform):
        return np.ones(1), np.ones(1)
    if isinstance(prior, Beta):
        return np.array([prior.alpha]), np.array([prior.beta])
    return prior
