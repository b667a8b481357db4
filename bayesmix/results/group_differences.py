"""Do two groups differ? Every pair of some groups, with the covariance of their effects."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import Design
from bayesmix.errors import ArgumentError, require_coverage
from bayesmix.results.group_values import combination, find_group
from bayesmix.results.naming import pick_level

if TYPE_CHECKING:
    from bayesmix.results.surface.core import Core

Floats = NDArray[np.float64]


def difference_table(
    fit: Core, groups: Any, level: str | None, effect: str | None, at: Any, prob: float
) -> pd.DataFrame:
    """See :meth:`bayesmix.results.fit.Fit.group_differences`."""
    require_coverage(prob)
    number = pick_level(fit.design, level)
    weights, name = combination(fit.design, number, effect, at)
    places = _places(fit.design, number, groups)
    pairs = np.array(list(combinations(range(len(places)), 2)))
    labels = [fit.design.levels[number].grouping.labels[place] for place in places]
    index = pd.MultiIndex.from_tuples([(labels[i], labels[j]) for i, j in pairs], names=["group", "other"])
    frame = pd.DataFrame(fit.difference_columns(number, weights, places, pairs, prob), index=index)
    frame.attrs["note"] = f"Group less other: {name}."
    return frame


def _places(design: Design, number: int, groups: Any) -> list[int]:
    """The groups asked for, at least two and no one twice."""
    labels = design.levels[number].grouping.labels
    example = f"Write group_differences([{labels[0]!r}, {labels[1]!r}])."
    if groups is None or isinstance(groups, str | bytes) or not hasattr(groups, "__iter__"):
        raise ArgumentError(f"groups={groups!r}.", "Expected a list of two or more labels.", example)
    given = list(groups)
    places = [find_group(design, number, label) for label in given]
    if len(places) < 2:
        raise ArgumentError(f"groups names {len(places)} group.", "Expected two or more labels.", example)
    for i, place in enumerate(places):
        if place in places[:i]:
            raise ArgumentError(f"groups names {given[i]!r} twice.", "Expected different groups.", "Name it once.")
    return places
