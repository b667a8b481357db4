"""Tables of group effects from a likelihood fit: shrunken effects, coefficients, and fitted values of the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from bayesmix.design import Design
from bayesmix.errors import ArgumentError, require_coverage
from bayesmix.inference.conditional import ConditionalEffects
from bayesmix.inference.ml import MlSolution
from bayesmix.results.naming import group_frame, group_order

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def effect_table(
    design: Design,
    solution: MlSolution,
    conditional: ConditionalEffects,
    number: int,
    variance: str,
    prob: float,
    excess: Callable[[], tuple[Floats, ...]],
) -> pd.DataFrame:
    """Shrunken effects of a level, index (group, effect); ``excess`` is what estimated variances add, by label."""
    kinds = ("conditional", "prediction", "diagnostic", "corrected")
    if variance not in kinds:
        raise ArgumentError(
            f"variance={variance!r} is not offered.", f"Expected one of {', '.join(kinds)}.", "Choose one of these."
        )
    order = group_order(design, number)
    mean = conditional.means[number][order]
    spread = conditional.covariances[number] if variance == "conditional" else conditional.prediction[number]
    if variance == "diagnostic":
        spread = solution.covariances[number] - spread
    square = np.einsum("jaa->ja", spread[order]) + (excess()[number] if variance == "corrected" else 0.0)
    sd = np.sqrt(np.maximum(square, 0.0))
    return group_frame(design, number, design.levels[number].effect_names, _with_interval(mean, sd, prob))


def coefficient_table(
    design: Design, solution: MlSolution, conditional: ConditionalEffects, number: int, prob: float
) -> pd.DataFrame:
    """Fixed effect plus group effect, with the error of both and their covariance."""
    order = group_order(design, number)
    mean = conditional.means[number][order].copy()
    spread = np.einsum("jaa->ja", conditional.prediction[number][order]).copy()
    crossed = conditional.with_fixed[number][order]
    places = list(design.fixed)
    for a, place in enumerate(design.levels[number].places):
        if place in places:
            f = places.index(place)
            mean[:, a] += solution.beta[f]
            spread[:, a] += solution.vcov[f, f] + 2 * crossed[:, f, a]
    sd = np.sqrt(np.maximum(spread, 0.0))
    return group_frame(design, number, design.levels[number].effect_names, _with_interval(mean, sd, prob))


def fitted_values(design: Design, beta: Floats, means: Sequence[Floats]) -> Floats:
    """Offset, fixed part and all group effects (J, q), groups in depth-first order, of the rows used, (n,)."""
    values = design.fixed_values @ beta + design.offset
    for number, level in enumerate(design.levels):
        mean = means[number][group_order(design, number)]
        values = values + np.einsum("nq,nq->n", design.values[:, level.places], mean[level.grouping.codes])
    return np.asarray(values)


def difference_columns(values: Floats, covariance: Floats, pairs: Integers, prob: float) -> dict[str, Floats]:
    """Differences of (k,) values with their (k, k) covariance, one for each pair (m, 2) of places."""
    one, other = pairs.T
    variance = covariance[one, one] + covariance[other, other] - 2 * covariance[one, other]
    return _with_interval(values[one] - values[other], np.sqrt(np.maximum(variance, 0.0)), prob, "se")


def _with_interval(mean: Floats, sd: Floats, prob: float, error: str = "sd") -> dict[str, Floats]:
    """Columns of an estimate with a normal interval."""
    require_coverage(prob)
    half = stats.norm.ppf(0.5 + prob / 2) * sd
    return {"estimate": mean, error: sd, "ci_low": mean - half, "ci_high": mean + half}
