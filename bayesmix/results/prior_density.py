"""Log densities of the priors at single values, for hypotheses that a parameter, or a sum of them, has that value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bayesmix.errors import PriorError
from bayesmix.inference.fixed_given import NormalPrior
from bayesmix.inference.naming import sd_name
from bayesmix.inference.priors import LKJ, Flat, HalfStudentT, Normal

if TYPE_CHECKING:
    from bayesmix.results.bayes_fit import BayesFit

Floats = NDArray[np.float64]

_IMPROPER = "Expected a proper prior: the evidence for a single value is relative to what the prior gave it."
_REMEDY = "Fit with priors='default', or ask for an inequality."


def coefficient_prior(post: BayesFit) -> NormalPrior:
    """The joint prior of the fixed effects; that of the intercept holds at the means of the other columns.

    Raises
    ------
    PriorError
        Some prior is neither normal nor flat.
    """
    names = post.design.fixed_names
    A, mean, sd = np.eye(len(names)), np.zeros(len(names)), np.full(len(names), np.inf)
    for j, (name, prior) in enumerate(zip(names, post.priors.beta, strict=True)):
        if isinstance(prior, Normal):
            mean[j], sd[j] = prior.mean, prior.sd
        elif not isinstance(prior, Flat):
            raise PriorError(
                f"The prior of '{name}' is {prior}.",
                "Expected normal or flat priors of fixed effects, whose sums have a density in closed form.",
                "Ask for an inequality.",
            )
    if "Intercept" in names:
        A[names.index("Intercept")] = post.design.fixed_values.mean(axis=0)
    return NormalPrior(A, mean, sd)


def contrast_log_prior(post: BayesFit, contrast: Floats, value: float) -> float:
    """Log prior density of a linear combination of the fixed effects at a value.

    Raises
    ------
    PriorError
        A flat prior, or one that is not normal, is involved.
    """
    prior = coefficient_prior(post)
    weights = np.linalg.solve(prior.combinations.T, contrast)
    used = np.abs(weights) > 1e-12 * np.abs(weights).max()
    flat = [name for name, on, sd in zip(post.design.fixed_names, used, prior.sd, strict=True) if on and np.isinf(sd)]
    if flat:
        raise PriorError(f"The prior of '{flat[0]}' is flat.", _IMPROPER, _REMEDY)
    sd = float(np.linalg.norm(weights[used] * prior.sd[used]))
    return float(stats.norm.logpdf(value, weights[used] @ prior.mean[used], sd))


def sd_log_prior(post: BayesFit, level: int | None, effect: int, values: Floats) -> Floats:
    """Log prior density of a standard deviation, that of the residuals where level is None.

    Raises
    ------
    PriorError
        The prior is flat, or has no density here.
    """
    prior = post.priors.sigma if level is None else post.priors.levels[level].sds[effect]
    name = "sigma"
    if level is not None:
        name = sd_name(post.design.levels[level].effect_names[effect], post.design.levels[level].name)
    if isinstance(prior, Flat):
        raise PriorError(f"The prior of '{name}' is flat.", _IMPROPER, _REMEDY)
    if not isinstance(prior, HalfStudentT):
        raise PriorError(
            f"The prior of '{name}' is {prior}.", "Expected a half Student t.", "Ask for an inequality instead."
        )
    return np.asarray(np.log(2) + stats.t.logpdf(values, prior.df, scale=prior.scale))


def correlation_log_prior(post: BayesFit, level: int, pair: tuple[int, int], value: float) -> float:
    """Log prior density of one correlation at a value.

    Under LKJ(eta) of q effects (1 + r)/2 is Beta(a, a) with a = eta - 1 + q/2: Lewandowski, Kurowicka & Joe (2009),
    J. Multivariate Anal. 100:1989-2001, section 3. Uniform partial correlations of two effects are LKJ(1).

    Raises
    ------
    PriorError
        The prior of the correlations has no marginal in closed form.
    """
    prior = post.priors.levels[level].correlation
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
