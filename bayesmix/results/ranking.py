"""Which group is best, with what probability: ranks of groups from draws of their effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import rankdata

from bayesmix.design import Design
from bayesmix.errors import ArgumentError, require_coverage
from bayesmix.results.group_values import combination
from bayesmix.results.naming import pick_level

if TYPE_CHECKING:
    from bayesmix.results.surface.core import Core

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Question:
    """What is ranked, and which end is best.

    Parameters
    ----------
    level, effect, at
        See :meth:`bayesmix.results.fit.Fit.ranks`.
    best : {"highest", "lowest"}
    draws, seed : int or None
        Of a simulation, where the fit is no posterior.
    """

    level: str | None
    effect: str | None
    at: Any
    best: str
    draws: int | None
    seed: int | None


@dataclass(frozen=True)
class TiedRanks:
    """Ranks from 1, the best, of the groups in each draw; tied groups share the places from first to last.

    Parameters
    ----------
    first, last : (C, D, J) arrays
    """

    first: Floats
    last: Floats

    @property
    def middle(self) -> Floats:
        """Their mean."""
        return 0.5 * (self.first + self.last)

    def share_up_to(self, place: int) -> Floats:
        """Share of a group's places that are no worse than one, (C, D, J)."""
        return np.clip((place - self.first + 1) / (self.last - self.first + 1), 0.0, 1.0)


def tied_ranks(values: Floats, best: str) -> TiedRanks:
    """Ranks along the last axis."""
    signed = -values if best == "highest" else values
    first = rankdata(signed, method="min", axis=-1).astype(float)
    return TiedRanks(first, rankdata(signed, method="max", axis=-1).astype(float))


def rank_table(fit: Core, question: Question, top: int | None, prob: float) -> pd.DataFrame:
    """See :meth:`bayesmix.results.fit.Fit.ranks`."""
    require_coverage(prob)
    number = pick_level(fit.design, question.level)
    labels = fit.design.levels[number].grouping.labels
    if top is not None and (
        isinstance(top, bool) or not isinstance(top, int | np.integer) or not 0 < top < len(labels)
    ):
        raise ArgumentError(
            f"top={top!r}.",
            f"Expected a whole number from 1 to {len(labels) - 1}: how many of the {len(labels)} groups count as top.",
            "Leave it out, or write top=10.",
        )
    ranks, name = _ranks(fit, number, question)
    J = len(labels)
    middle = ranks.middle.reshape(-1, J)
    low, median, high = np.quantile(middle, [0.5 - prob / 2, 0.5, 0.5 + prob / 2], axis=0, method="inverted_cdf")
    columns = {"mean": middle.mean(axis=0), "median": median, "ci_low": low, "ci_high": high}
    columns["prob_best"] = ranks.share_up_to(1).mean(axis=(0, 1))
    columns["prob_worst"] = 1 - ranks.share_up_to(J - 1).mean(axis=(0, 1))
    if top is not None:
        columns["prob_top"] = ranks.share_up_to(int(top)).mean(axis=(0, 1))
    frame = pd.DataFrame(columns, index=group_index(fit.design, number))
    frame.attrs["note"] = f"Rank 1 of {J} is the {question.best}; ranked: {name}."
    return frame


def rank_array(fit: Core, question: Question) -> xr.DataArray:
    """See :meth:`bayesmix.results.fit.Fit.rank_draws`."""
    number = pick_level(fit.design, question.level)
    ranks, _ = _ranks(fit, number, question)
    chains, draws, _ = ranks.first.shape
    coords = {"chain": np.arange(chains), "draw": np.arange(draws), "group": group_index(fit.design, number)}
    return xr.DataArray(ranks.middle, dims=("chain", "draw", "group"), coords=coords, name="rank")


def group_index(design: Design, number: int) -> pd.Index[Any]:
    """The labels of a level."""
    return pd.Index(list(design.levels[number].grouping.labels), name="group")


def _ranks(fit: Core, number: int, question: Question) -> tuple[TiedRanks, str]:
    """The ranks of every draw, and what is ranked."""
    if question.best not in ("highest", "lowest"):
        raise ArgumentError(
            f"best={question.best!r} is not offered.", "Expected 'highest' or 'lowest'.", "Choose one of these."
        )
    weights, name = combination(fit.design, number, question.effect, question.at)
    values = fit.group_draws(number, weights, question.draws, question.seed)
    return tied_ranks(values, question.best), name
