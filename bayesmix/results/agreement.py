"""Whether a posterior and an estimate say the same, and why they may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import numpy as np
import pandas as pd

from bayesmix.design import Design
from bayesmix.inference.distributions import Distribution, Flat
from bayesmix.inference.priors import BetaPrior, SdPrior
from bayesmix.results.sensitivity import FEW_GROUPS

if TYPE_CHECKING:
    from bayesmix.results.likelihood_fit import LikelihoodFit
    from bayesmix.results.surface.diagnosis import PosteriorDiagnosis

# Fixed effects agree within a quarter of a standard error; variances, whose posteriors are skewed, within one.
FIXED_LIMIT, VARIANCE_LIMIT = 0.25, 1.0


def frame_differences(one: pd.DataFrame, other: pd.DataFrame) -> pd.Series:
    """Column estimate of ``other`` minus that of ``one``, in the column se of ``one``, for the rows of ``one``."""
    return (other.loc[one.index, "estimate"] - one["estimate"]) / one["se"]


def largest_differences(one: pd.DataFrame, other: pd.DataFrame) -> pd.Series:
    """How large these may be: a limit by kind of parameter, and three Monte Carlo errors (column mcse)."""
    se = one["se"].where(one["se"] > 0)
    noise = 3 * np.hypot(one["mcse"], other.loc[one.index, "mcse"]) / se
    limit = np.where(one["kind"] == "fixed", FIXED_LIMIT, VARIANCE_LIMIT)
    return limit + noise.where(np.isfinite(noise), 0.0)


def reasons_to_differ(like: LikelihoodFit, post: PosteriorDiagnosis) -> list[str]:
    """Why a posterior mean and an estimate may differ."""
    reasons = few_groups(like.design)
    if like.singular:
        reasons.append(f"the {like.method} estimate lies on a boundary, where a posterior mean cannot")
    table, components = like.fixed_effects(df="z"), like.variance_components(se=like.method.lower())
    for name, prior in zip(like.design.fixed_names, post.priors.numbers.beta, strict=True):
        if _proper(prior) and np.diff(prior.frozen().ppf([0.16, 0.84]))[0] / 2 < 5 * table.loc[name, "se"]:
            reasons.append(f"the prior of {name} matters ({prior}, standard error {table.loc[name, 'se']:.3g})")
    for level, priors in zip(like.design.levels, post.priors.numbers.levels, strict=True):
        for a, spread in enumerate(priors.sds):
            if _proper(spread) and _pulls(spread, components.loc[level.name, f"var({level.effect_names[a]})"]):
                reasons.append(f"the prior of the sd of {level.effect_names[a]} at {level.name} matters ({spread})")
    return reasons


def _proper(prior: SdPrior | BetaPrior) -> TypeGuard[Distribution]:
    """Whether a prior has quantiles of its own."""
    return isinstance(prior, Distribution) and not isinstance(prior, Flat)


def _pulls(prior: Distribution, row: pd.Series) -> bool:
    """Whether a prior of a sd moves the maximum of its likelihood by more than a tenth of a standard error.

    It does so by the square of the error times the slope of the log density; on a boundary, where there is no error,
    it does.
    """
    sd = float(row["sd"])
    if not (sd > 0 and np.isfinite(row["se"])):
        return True
    error, step = float(row["se"]) / (2 * sd), 1e-4 * sd
    below, above = prior.frozen().logpdf([sd - step, sd + step])
    return bool(error * abs(above - below) / (2 * step) > 0.1)


def few_groups(design: Design) -> list[str]:
    """Levels from which little can be learnt."""
    sizes = [(level.name, len(level.grouping.labels)) for level in design.levels]
    return [f"level {name} has few groups ({size})" for name, size in sizes if size < FEW_GROUPS]
