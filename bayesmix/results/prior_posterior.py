"""Densities of every parameter before and after the data, for a plot of the two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from bayesmix.design import CrossProducts, Design
from bayesmix.errors import ArgumentError
from bayesmix.inference.distributions import Distribution, Flat
from bayesmix.inference.naming import sd_name, variable_name
from bayesmix.inference.prior_draws import draw_prior
from bayesmix.inference.priors import LKJ, BetaPrior, LevelPriors, Priors, SdPrior, stated_on
from bayesmix.results.components import correlation
from bayesmix.results.parameters import Parameters

Floats = NDArray[np.float64]
Density = Callable[[Floats], Floats]

# Draws behind the kernel estimate of a prior that has no density in closed form.
PRIOR_DRAWS = 20_000


@dataclass(frozen=True)
class Curve:
    """One parameter: its posterior draws, its prior density, and its bounds."""

    name: str
    draws: Floats
    prior: Density | None
    lower: float = -np.inf
    upper: float = np.inf


def prior_posterior_data(
    design: Design, products: CrossProducts, priors: Priors, parameters: Parameters, points: int
) -> pd.DataFrame:
    """Prior and posterior density of every parameter, on a grid that covers the posterior.

    Prior densities are exact where a parameter has a distribution of its own, kernel estimates of 20,000 draws where
    it shares one (decov, a prior of the ICC or of R2), and nan where it is flat. Posterior densities are kernel
    estimates, reflected at bounds.

    Returns
    -------
    DataFrame
        Index (parameter, point); x, prior, posterior. The intercept is that at the means of the other columns.
    """
    if isinstance(points, bool) or not isinstance(points, int | np.integer) or points < 2:
        raise ArgumentError(f"points={points!r}.", "Expected a whole number of at least 2.", "Try 200.")
    frames = {}
    for curve in _curves(design, products, priors, parameters):
        low, high = np.quantile(curve.draws, [0.001, 0.999])
        margin = 0.25 * (high - low)
        x = np.linspace(max(low - margin, curve.lower), min(high + margin, curve.upper), points)
        before = np.full(points, np.nan) if curve.prior is None else curve.prior(x)
        frames[curve.name] = pd.DataFrame(
            {"x": x, "prior": before, "posterior": reflected_density(curve.draws, x, curve.lower, curve.upper)}
        )
    return pd.concat(frames, names=["parameter", "point"])


def reflected_density(draws: Floats, x: Floats, lower: float = -np.inf, upper: float = np.inf) -> Floats:
    """A kernel estimate at x that loses nothing at the bounds."""
    if np.ptp(draws) == 0:
        return np.full(len(x), np.nan)
    kernel = stats.gaussian_kde(draws)
    density = kernel(x)
    for bound in (lower, upper):
        if np.isfinite(bound):
            density = density + kernel(2 * bound - x)
    return np.asarray(density)


def shared_density(draws: Floats, x: Floats, positive: bool) -> Floats:
    """A kernel estimate at x from draws with long tails: in logarithms, or with a width that tails do not stretch."""
    if positive:
        density, inside = np.full(len(x), np.nan), x > 0
        density[inside] = stats.gaussian_kde(np.log(draws))(np.log(x[inside])) / x[inside]
        return density
    quartiles = np.quantile(draws, [0.25, 0.75])
    # Silverman (1986), Density Estimation, eq. 3.31, as a multiple of the standard deviation.
    width = 0.9 * min(1.0, float(np.ptp(quartiles)) / 1.34 / draws.std(ddof=1)) * draws.size**-0.2
    return np.asarray(stats.gaussian_kde(draws, width)(x))


def _curves(design: Design, products: CrossProducts, priors: Priors, parameters: Parameters) -> Iterator[Curve]:
    """Every parameter, in the order of the table of priors."""
    after = _values(design, parameters, parameters.beta @ stated_on(priors, products).T)
    before: dict[str, Floats] = {}
    shared = [*priors.beta, *(sd for level in priors.levels for sd in level.sds)]
    if not priors.improper and any(not isinstance(prior, Distribution) for prior in shared):
        found = draw_prior(design, products, priors, PRIOR_DRAWS, np.random.default_rng(0))
        drawn = Parameters(found.stated[None], found.variances.sigma[None], _leading(found.variances.covariances))
        before = _values(design, drawn, drawn.beta)

    def density(name: str, prior: SdPrior | BetaPrior, lower: float) -> Density | None:
        if isinstance(prior, Distribution):
            return None if isinstance(prior, Flat) else prior.frozen().pdf
        if name not in before:
            return None
        return lambda x: shared_density(before[name], x, lower == 0)

    for term, prior in zip(design.fixed_names, priors.beta, strict=True):
        name = variable_name(term)
        yield Curve(name, after[name], density(name, prior, -np.inf))
    for level, own in zip(design.levels, priors.levels, strict=True):
        for effect, sd in zip(level.effect_names, own.sds, strict=True):
            name = sd_name(effect, level.name)
            yield Curve(name, after[name], density(name, sd, 0.0), 0.0)
        for i, j in level.pairs:
            name = _pair(level.name, level.effect_names[i], level.effect_names[j])
            size = next(stop - start for start, stop in level.blocks if start <= i < stop)
            yield Curve(name, after[name], _correlation_density(own, size), -1.0, 1.0)
    yield Curve("sigma", after["sigma"], density("sigma", priors.sigma, 0.0), 0.0)


def _values(design: Design, parameters: Parameters, stated: Floats) -> dict[str, Floats]:
    """Draws of every parameter, by name, (D,)."""
    found = {variable_name(name): stated[..., j].ravel() for j, name in enumerate(design.fixed_names)}
    for level, covariance in zip(design.levels, parameters.covariances, strict=True):
        for a, name in enumerate(level.effect_names):
            found[sd_name(name, level.name)] = np.sqrt(covariance[..., a, a]).ravel()
        for i, j in level.pairs:
            name = _pair(level.name, level.effect_names[i], level.effect_names[j])
            found[name] = correlation(covariance, i, j).ravel()
    return found | {"sigma": parameters.sigma.ravel()}


def _leading(covariances: tuple[Floats, ...]) -> tuple[Floats, ...]:
    """One chain."""
    return tuple(covariance[None] for covariance in covariances)


def _pair(level: str, one: str, other: str) -> str:
    """The name of one correlation."""
    return f"{variable_name(level)}_corr[{one},{other}]"


def _correlation_density(own: LevelPriors, size: int) -> Density | None:
    """Of one correlation among ``size`` effects: (1 + r)/2 is Beta(a, a) with a = eta + (size - 2)/2."""
    if isinstance(own.correlation, LKJ):
        a = own.correlation.eta + (size - 2) / 2
        return lambda r: np.asarray(stats.beta(a, a).pdf((r + 1) / 2) / 2)
    return (lambda r: np.full(len(r), 0.5)) if size == 2 else None
