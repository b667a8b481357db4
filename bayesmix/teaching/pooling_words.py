"""What each rung of the pooling ladder gets wrong, in words, with the numbers of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Facts:
    """Numbers that the words name.

    Parameters
    ----------
    level : str
        The grouping.
    rows, groups, smallest, largest : int
        Rows, groups, and rows of the smallest and of the largest group.
    design_effect : float
        Of a mean, under the multilevel model.
    effect : str or None
        An effect that varies by group about a fixed effect, the last of them.
    observed_sd, partial_sd : float
        Its sd over the groups' own regressions, and under the model; not read without an effect.
    excluded : int
        Groups that have no regression of their own.
    extra : int
        Coefficients more with groups as fixed effects.
    unsaid, unsaid_alone, unsaid_means : tuple of str
        Terms that the fixed groups, the groups alone and their means can say nothing of.
    """

    level: str
    rows: int
    groups: int
    smallest: int
    largest: int
    design_effect: float
    effect: str | None
    observed_sd: float
    partial_sd: float
    excluded: int
    extra: int
    unsaid: tuple[str, ...]
    unsaid_alone: tuple[str, ...]
    unsaid_means: tuple[str, ...]


def what_goes_wrong(facts: Facts, analyses: Sequence[str]) -> dict[str, str]:
    """A text for each analysis."""
    words = {
        "aggregated": _aggregated(facts),
        "disaggregated": _disaggregated(facts),
        "per group": _alone(facts),
        "fixed groups": _fixed(facts),
        "partial (REML)": _partial(facts),
        "partial (ML)": (
            "As by REML, but variances come out too small, as if the fixed effects were known; with few groups by much."
        ),
        "partial (Bayes)": (
            "Needs priors, which matter where groups are few; what it adds is that uncertainty about the variances "
            "reaches every other number."
        ),
    }
    return {name: words[name] for name in analyses}


def _aggregated(facts: Facts) -> str:
    text = (
        f"Compares groups and not their members: a slope between the means need not hold within any "
        f"{facts.level} (the ecological fallacy). {facts.rows} rows become {facts.groups}, "
    )
    if facts.smallest < facts.largest:
        text += f"and the mean of {facts.smallest} rows counts as much as that of {facts.largest}."
    else:
        text += "and the spread within groups is lost."
    return text + _unsaid(facts.unsaid_means)


def _disaggregated(facts: Facts) -> str:
    text, effect = f"Counts {facts.rows} rows as independent", f"{facts.design_effect:.1f}"
    if facts.design_effect < 1.05:
        text += f"; here that costs little (design effect {effect}), as one knows after looking at the groups."
    else:
        text += (
            f". Rows of one {facts.level} are alike: the variance of a mean is about {effect} times what this says "
            "(the design effect), and predictors of the groups suffer likewise."
        )
    return text + " One slope mixes differences within groups with those between."


def _alone(facts: Facts) -> str:
    text = "Believes every group as it stands"
    if facts.smallest < facts.largest:
        text += f", the smallest ({facts.smallest} rows) as much as the largest ({facts.largest})"
    if facts.effect is not None and np.isfinite(facts.observed_sd):
        text += (
            f": the groups' own coefficients of {facts.effect} have sd {facts.observed_sd:.3g}, sampling error "
            f"included, where the model finds {facts.partial_sd:.3g}."
        )
    else:
        text += ": what differs by chance is taken for a difference of groups."
    if facts.excluded:
        text += f" {facts.excluded} of them have too few rows, or no variation, for a regression of their own."
    return text + _unsaid(facts.unsaid_alone)


def _fixed(facts: Facts) -> str:
    return (
        f"Spends {facts.extra} more coefficients to say the same of each group, with one residual variance; it speaks "
        "of these groups only, not of those they come from." + _unsaid(facts.unsaid)
    )


def _partial(facts: Facts) -> str:
    text = (
        "Assumes that the groups are a sample, their effects normal and unrelated to the predictors; estimates of "
        "single groups are biased towards the mean, which is the price of their smaller error."
    )
    if facts.groups < 20:
        text += f" With {facts.groups} groups the variances are poorly known, and are taken as known."
    return text


def _unsaid(terms: tuple[str, ...]) -> str:
    return f" It can not tell apart, and so says nothing of, {', '.join(terms)}." if terms else ""
