"""A posterior with one parameter held at a value: what is left to integrate over.

The integral of prior times likelihood over all other parameters, relative to the evidence, is the posterior over the
prior density at the value: Dickey (1971), Ann. Math. Statist. 42:204-223, read the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bayesmix.design import CrossProducts
from bayesmix.inference.distributions import Beta, Distribution, Uniform
from bayesmix.inference.draws import given_coefficient_draws, variance_draws
from bayesmix.inference.fixed_given import NormalPrior, fixed_given
from bayesmix.inference.folded import Folded
from bayesmix.inference.naming import coefficient_name, partial_name, sd_name
from bayesmix.inference.priors import Priors, stated_on

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Points whose matrices are held in memory together.
AT_ONCE = 1000


@dataclass(frozen=True)
class Contrast:
    """A value of a combination of fixed effects that are normal given everything else.

    Parameters
    ----------
    prior : NormalPrior
        Of the fixed effects; flat for those that are sampled.
    weights : (p,) array
        Of the user's coefficients.
    value : float
    log_prior : float
        Of the combination at the value.
    """

    prior: NormalPrior
    weights: Floats
    value: float
    log_prior: float


@dataclass(frozen=True)
class Held:
    """A posterior in folded coordinates, one number held; or none, and a combination of fixed effects instead.

    Parameters
    ----------
    folded : Folded
    kept : (k,) int array
        Coordinates that are left.
    filled : (d,) array
        Values of the coordinates that are not, as their priors are read.
    name : str or None
        The variable that is held.
    entry : int
        Which of its numbers.
    value : float
    contrast : Contrast or None
    """

    folded: Folded
    kept: Integers
    filled: Floats
    name: str | None = None
    entry: int = 0
    value: float = 0.0
    contrast: Contrast | None = None

    def log_density(self, points: Floats) -> Floats:
        """Log of prior times likelihood at (m, k) points of what is left, (m,); -inf beyond what floats can hold."""
        whole = np.tile(self.filled, (len(points), 1))
        whole[:, self.kept] = points
        with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
            found = self.folded.log_priors(whole)[:, self.kept].sum(axis=1)
            inside = np.isfinite(found)
            found[inside] += self._log_likelihood(whole[inside])
        return np.where(np.isfinite(found), found, -np.inf)

    def _log_likelihood(self, whole: Floats) -> Floats:
        """With the number held, or times the density of the combination over that of its prior."""
        raw = self.folded.values(whole)
        if self.name is not None:
            changed = raw[self.name].copy()
            changed[(..., self.entry) if changed.ndim > 1 else ...] = self.value
            raw[self.name] = changed
        found = self.folded.log_likelihood_of(raw)
        if self.contrast is None:
            return found
        for start in range(0, len(found), AT_ONCE):
            part = np.arange(start, min(start + AT_ONCE, len(found)))
            part = part[np.isfinite(found[part])]
            found[part] += self._where_it_can_be({name: values[part] for name, values in raw.items()}, len(part))
        return found

    def _where_it_can_be(self, raw: dict[str, Floats], n: int) -> Floats:
        """Log density of the combination over its prior's; -inf where variances so far apart leave no digit, (n,)."""
        if n == 0:
            return np.zeros(0)
        try:
            return self._contrast_density(raw)
        except np.linalg.LinAlgError:
            if n == 1:
                return np.array([-np.inf])
            each = [{name: values[i : i + 1] for name, values in raw.items()} for i in range(n)]
            return np.concatenate([self._where_it_can_be(one, 1) for one in each])

    def _contrast_density(self, raw: dict[str, Floats]) -> Floats:
        """The same, for points that are all good, (m,)."""
        assert self.contrast is not None
        design, priors, geometry = self.folded.design, self.folded.priors, self.folded.geometry
        variances = variance_draws(design, priors, geometry, raw)
        stated = np.zeros((len(variances.sigma), len(priors.beta)))
        stated[:, list(priors.given)] = given_coefficient_draws(design, priors, geometry, raw)
        products, own = self.folded.products, self.contrast
        centre, sd = contrast_given(
            products, priors, own.prior, own.weights, variances.covariances, variances.sigma, stated
        )
        return np.asarray(stats.norm.logpdf(own.value, centre, sd)) - own.log_prior


def contrast_given(
    products: CrossProducts,
    priors: Priors,
    normal: NormalPrior,
    contrast: Floats,
    covariances: tuple[Floats, ...],
    sigma: Floats,
    stated: Floats,
) -> tuple[Floats, Floats]:
    """Mean and sd of a combination of fixed effects, given D values of everything that is sampled, (D,) each.

    Of a sampled coefficient its likelihood, without its prior, given the other sampled ones.

    Parameters
    ----------
    normal : NormalPrior
        Flat for the sampled coefficients.
    contrast : (p,) array
        Of the user's coefficients.
    stated : (D, p) array
        Fixed effects as their priors are stated; those that are sampled are read.
    """
    found = fixed_given(products, normal, covariances, sigma)
    if not priors.given:
        return found.mean @ contrast, np.linalg.norm(np.einsum("p,dpr->dr", contrast, found.root), axis=1)
    A = stated_on(priors, products)
    weights = np.linalg.solve(A.T, contrast)
    root, mean = np.einsum("ij,djr->dir", A, found.root), found.mean @ A.T
    covariance = root @ np.swapaxes(root, -1, -2)
    others = [j for j in priors.given if abs(weights[j]) <= 1e-12 * np.abs(weights).max()]
    centre = mean @ weights
    variance = np.einsum("i,dij,j->d", weights, covariance, weights)
    if others:
        inner = covariance[:, others][:, :, others]
        across = np.einsum("i,dij->dj", weights, covariance)[:, others]
        gain = np.linalg.solve(inner, across[:, :, None])[:, :, 0]
        centre = centre + np.einsum("dj,dj->d", gain, stated[:, others] - mean[:, others])
        variance = variance - np.einsum("dj,dj->d", gain, across)
    return centre, np.sqrt(variance)


def hold_contrast(folded: Folded, contrast: Contrast) -> Held:
    """A combination of fixed effects, all with normal priors, at a value."""
    return Held(folded, np.arange(folded.dimension), np.zeros(folded.dimension), contrast=contrast)


def hold_coefficient(folded: Folded, place: int, value: float) -> Held:
    """A fixed effect that is sampled, as its prior is stated, at a value."""
    priors = folded.priors
    name = coefficient_name(folded.design.fixed_names[place], len(priors.beta) == 1)
    prior = priors.beta[place]
    assert isinstance(prior, Distribution)
    return _hold(folded, name, 0, value, _coordinate(prior, value))


def hold_sd(folded: Folded, level: int | None, effect: int, value: float) -> Held:
    """A standard deviation with a prior of its own, that of the residuals where level is None, at a value.

    Where it is 0, its partial correlations have no say and leave with it: all of those in the row of the last effect of
    a block, and the one of two effects. Those of an effect before others stay; some combinations of them are then
    as their prior has them.
    """
    priors, number = folded.priors, level
    if number is None:
        assert isinstance(priors.sigma, Distribution)
        return _hold(folded, "sigma", 0, value, _coordinate(priors.sigma, value))
    own = folded.design.levels[number]
    prior = priors.levels[number].sds[effect]
    assert isinstance(prior, Distribution)
    name = sd_name(own.effect_names[effect], own.name)
    held = _hold(folded, name, 0, value, _coordinate(prior, value) if value > 0 else 0.0)
    if value > 0:
        return held
    (block,) = [k for k, (start, stop) in enumerate(own.blocks) if start <= effect < stop]
    start, stop = own.blocks[block]
    if stop - start == 1:
        return held
    pairs = [(i, k) for i in range(stop - start) for k in range(i)]
    first = _first(folded, partial_name(own.name, block))
    row = effect - start
    left = {first + at for at, (i, _) in enumerate(pairs) if i == row or len(pairs) == 1}
    return replace(held, kept=np.array([at for at in held.kept if at not in left], np.int64))


def hold_correlation(folded: Folded, level: int, pair: tuple[int, int], value: float) -> Held | None:
    """A correlation at a value; None where it is no coordinate, as of two effects after the first of their block."""
    own = folded.design.levels[level]
    low, high = sorted(pair)
    (block,) = [k for k, (start, stop) in enumerate(own.blocks) if start <= low < stop]
    start = own.blocks[block][0]
    if low != start:
        return None
    # Partial correlations row by row; the first of a row is a correlation.
    entry = (high - start) * (high - start - 1) // 2
    share = (1 + value) / 2
    return _hold(folded, partial_name(own.name, block), entry, share, float(np.log(share) - np.log1p(-share)))


def _coordinate(prior: Distribution, value: float) -> float:
    """Logarithm, log odds, or the value itself, as the variable of this prior is folded."""
    if isinstance(prior, Uniform | Beta):
        share = np.clip((value - prior.lower) / (prior.upper - prior.lower), 1e-15, 1 - 1e-15)
        return float(np.log(share) - np.log1p(-share))
    return value


def _first(folded: Folded, name: str) -> int:
    """Where the coordinates of a variable begin."""
    sizes = [variable.size for variable in folded.variables]
    places = [variable.name for variable in folded.variables]
    return sum(sizes[: places.index(name)])


def _hold(folded: Folded, name: str, entry: int, value: float, coordinate: float) -> Held:
    """One number of a variable, whose coordinate is as said."""
    at = _first(folded, name) + entry
    (variable,) = [variable for variable in folded.variables if variable.name == name]
    filled = np.zeros(folded.dimension)
    filled[at] = np.log(value) if variable.kind == "log" and value > 0 else coordinate
    kept = np.delete(np.arange(folded.dimension), at)
    return Held(folded, kept, filled, name, entry, value)
