"""Log densities of the priors at single values, for hypotheses that a parameter, or a sum of them, has that value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bayesmix.errors import PriorError
from bayesmix.inference.distributions import Distribution, Flat, Normal
from bayesmix.inference.fixed_given import NormalPrior
from bayesmix.inference.naming import sd_name
from bayesmix.inference.priors import LKJ, stated_on

if TYPE_CHECKING:
    from bayesmix.results.surface.posterior import PosteriorChecks

Floats = NDArray[np.float64]

_IMPROPER = "Expected a proper prior: the evidence for a single value is relative to what the prior gave it."
_REMEDY = "Fit with priors='default', or ask for an inequality."


def coefficient_prior(post: PosteriorChecks) -> NormalPrior:
    """The joint prior of fixed effects that are all normal or flat; of the intercept at the other columns' means."""
    names = post.design.fixed_names
    mean, sd = np.zeros(len(names)), np.full(len(names), np.inf)
    for j, prior in enumerate(post.priors.numbers.beta):
        if isinstance(prior, Normal):
            mean[j], sd[j] = prior.mean, prior.sd
    return NormalPrior(stated_on(post.priors.numbers, post.products), mean, sd)


def contrast_log_prior(post: PosteriorChecks, contrast: Floats, value: float) -> float:
    """Log prior density of a linear combination of the fixed effects at a value.

    Raises
    ------
    PriorError
        A flat prior is involved, or one that is not normal in a sum.
    """
    weights = np.linalg.solve(stated_on(post.priors.numbers, post.products).T, contrast)
    used = np.flatnonzero(np.abs(weights) > 1e-12 * np.abs(weights).max())
    priors = [post.priors.numbers.beta[j] for j in used]
    names = [post.design.fixed_names[j] for j in used]
    for name, prior in zip(names, priors, strict=True):
        if isinstance(prior, Flat):
            raise PriorError(f"The prior of '{name}' is flat.", _IMPROPER, _REMEDY)
    if len(used) == 1 and isinstance(priors[0], Distribution):
        scale = float(weights[used[0]])
        density = float(priors[0].frozen().logpdf(value / scale)) - float(np.log(abs(scale)))
        return _positive_density(density, names[0], value / scale)
    normal = [prior for prior in priors if isinstance(prior, Normal)]
    if len(normal) < len(priors):
        name, prior = next((n, p) for n, p in zip(names, priors, strict=True) if not isinstance(p, Normal))
        raise PriorError(
            f"The prior of '{name}' is {prior}.",
            "Expected normal priors of fixed effects, whose sums have a density in closed form.",
            "Ask for an inequality.",
        )
    mean, sd = np.array([prior.mean for prior in normal]), np.array([prior.sd for prior in normal])
    return float(stats.norm.logpdf(value, weights[used] @ mean, np.linalg.norm(weights[used] * sd)))


def sd_log_prior(post: PosteriorChecks, level: int | None, effect: int, values: Floats) -> Floats:
    """Log prior density of a standard deviation, that of the residuals where level is None.

    Raises
    ------
    PriorError
        The prior is flat, or has no density here.
    """
    prior = post.priors.numbers.sigma if level is None else post.priors.numbers.levels[level].sds[effect]
    name = _sd_name(post, level, effect)
    if isinstance(prior, Flat):
        raise PriorError(f"The prior of '{name}' is flat.", _IMPROPER, _REMEDY)
    if not isinstance(prior, Distribution):
        raise PriorError(
            f"The prior of '{name}' is {prior}.",
            "Expected a prior of this standard deviation alone, whose density has a closed form.",
            "Ask for an inequality instead, or set one.",
        )
    return np.asarray(prior.frozen().logpdf(values))


def require_density(post: PosteriorChecks, level: int | None, effect: int, value: float) -> float:
    """Log prior density of a standard deviation at a value it can have.

    Raises
    ------
    PriorError
        The prior excludes the value, or is infinite there.
    """
    density = float(sd_log_prior(post, level, effect, np.array([value]))[0])
    return _positive_density(density, _sd_name(post, level, effect), value)


def _sd_name(post: PosteriorChecks, level: int | None, effect: int) -> str:
    """As the posterior has it."""
    if level is None:
        return "sigma"
    return sd_name(post.design.levels[level].effect_names[effect], post.design.levels[level].name)


def _positive_density(density: float, name: str, value: float) -> float:
    """The same, unless the prior gave the value no weight, or all."""
    if not np.isfinite(density):
        raise PriorError(
            f"The prior density of '{name}' at {value:g} is {'0' if density < 0 else 'infinite'}.",
            "Expected a value to which the prior gives a density: evidence is the posterior density over it.",
            "Ask for an inequality, or fit with a prior that allows the value.",
        )
    return density


def correlation_log_prior(post: PosteriorChecks, level: int, pair: tuple[int, int], value: float) -> float:
    """Log prior density of one correlation at a value.

    Under LKJ(eta) of q effects (1 + r)/2 is Beta(a, a) with a = eta - 1 + q/2: Lewandowski, Kurowicka & Joe (2009),
    J. Multivariate Anal. 100:1989-2001, section 3. Uniform partial correlations of two effects are LKJ(1).

    Raises
    ------
    PriorError
        The prior of the correlations has no marginal in closed form.
    """
    prior = post.priors.numbers.levels[level].correlation
    (block,) = [(start, stop) for start, stop in post.design.levels[level].blocks if start <= pair[0] < stop]
    q = block[1] - block[0]
    if isinstance(prior, LKJ):
        a = prior.eta - 1 + q / 2
    elif q == 2:
        a = 1.0
    else:
        raise PriorError(
            f"The prior of the correlations of '{post.design.levels[level].name}' is {prior}.",
            "Expected LKJ, of which one correlation has a density in closed form.",
            "Fit with priors='default', or ask for an inequality.",
        )
    return float(stats.beta.logpdf((1 + value) / 2, a, a) - np.log(2))
