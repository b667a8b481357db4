"""What every printout needs of a fit: variance components one by one, fixed effects, the test against no groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from bayesmix.design import Level
from bayesmix.design.coding import ModelColumn
from bayesmix.errors import ArgumentError
from bayesmix.inference.alone import rows_alone
from bayesmix.inference.ml import maximise
from bayesmix.results.components import covariance_count
from bayesmix.results.dialects.conventions import Convention

if TYPE_CHECKING:
    from bayesmix.results.likelihood_fit import LikelihoodFit

# A variance is 0 below this share of the residual variance.
NO_VARIANCE = 1e-8

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Component:
    """A variance or covariance that is a parameter of the fit.

    Parameters
    ----------
    level : int
        Number of its level, lowest first.
    block : int
        Number of its covariance matrix within the level.
    size : int
        Effects of that matrix.
    row, column : int
        Its place there, row >= column, counted from 0.
    first, second : ModelColumn
        The effects of column and row.
    estimate, se : float
    """

    level: int
    block: int
    size: int
    row: int
    column: int
    first: ModelColumn
    second: ModelColumn
    estimate: float
    se: float

    @property
    def variance(self) -> bool:
        """Whether it is one."""
        return self.row == self.column

    @property
    def z(self) -> float:
        """Estimate over standard error."""
        return self.estimate / self.se if self.se > 0 else np.nan

    def interval(self, prob: float = 0.95) -> tuple[float, float]:
        """Wald interval, of a variance by its logarithm."""
        return wald_interval(self.estimate, self.se, self.variance, prob)


@dataclass(frozen=True)
class Components:
    """All of them.

    Parameters
    ----------
    parts : tuple of Component
        Level by level, lowest first; lower triangles row by row.
    residual, residual_se : float
    """

    parts: tuple[Component, ...]
    residual: float
    residual_se: float

    def of_level(self, number: int) -> tuple[Component, ...]:
        """Those of one level."""
        return tuple(part for part in self.parts if part.level == number)


def wald_interval(estimate: float, se: float, by_logarithm: bool, prob: float = 0.95) -> tuple[float, float]:
    """Estimate -/+ z se, or exp of that of the logarithm; nan without a standard error."""
    z = float(stats.norm.ppf(0.5 + prob / 2))
    if not se > 0 or (by_logarithm and not estimate > 0):
        return np.nan, np.nan
    if not by_logarithm:
        return estimate - z * se, estimate + z * se
    half = z * se / estimate
    return estimate * float(np.exp(-half)), estimate * float(np.exp(half))


def read_components(fit: LikelihoodFit, errors: str) -> Components:
    """Variance components with standard errors by a convention's information.

    Parameters
    ----------
    errors : {"observed", "expected-ml", "none"}
        Observed: of the likelihood that was maximised. A variance alone that is estimated as 0 has no standard error.
    """
    kind = errors if errors == "expected-ml" else fit.method.lower()
    frame = fit.variance_components(se=kind)
    rows = iter(zip(frame["estimate"].tolist(), frame["se"].tolist(), strict=True))
    parts: list[Component] = []
    for number, level in enumerate(fit.design.levels):
        found = {(i, i): next(rows) for i in range(len(level.effects))}
        for i, j in level.pairs:
            found[j, i] = next(rows)
            next(rows)  # the correlation
        for block, (start, stop) in enumerate(level.blocks):
            for i in range(start, stop):
                for j in range(start, i + 1):
                    effects = level.effects[j], level.effects[i]
                    places = number, block, stop - start, i - start, j - start
                    estimate, se = found[i, j]
                    at_zero = stop - start == 1 and estimate <= NO_VARIANCE * fit.sigma**2
                    parts.append(Component(*places, *effects, estimate, np.nan if at_zero else se))
    return Components(tuple(parts), *next(rows))


def fixed_columns(fit: LikelihoodFit) -> tuple[ModelColumn, ...]:
    """The columns of the fixed effects."""
    return tuple(fit.design.columns[i] for i in fit.design.fixed)


def fixed_table(fit: LikelihoodFit, rule: Convention) -> tuple[pd.DataFrame, list[str]]:
    """Fixed effects with the program's degrees of freedom, and notes; normal where they can not be counted."""
    try:
        table = fit.fixed_effects(df=rule.df)
    except ArgumentError as error:
        table = fit.fixed_effects(df="z").assign(df=np.nan)
        return table, [f"Degrees of freedom: {error.found} p-values are from the normal distribution."]
    return table, [table.attrs["note"]] if "note" in table.attrs and len(table) else []


def group_sizes(level: Level) -> Integers:
    """Rows of each group."""
    return np.asarray(np.bincount(level.grouping.codes, minlength=len(level.grouping.labels)))


def correlation_matrix(covariance: Floats) -> Floats:
    """Correlations of a covariance matrix; nan beside a variance of 0."""
    sd = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(covariance / np.outer(sd, sd))


def bars(fit: LikelihoodFit) -> list[tuple[int, int, int]]:
    """Covariance matrices as (level, start, stop), lowest level first."""
    return [(number, *block) for number, level in enumerate(fit.design.levels) for block in level.blocks]


def highest_first(fit: LikelihoodFit) -> list[int]:
    """Numbers of the levels, that with fewest groups first."""
    levels = fit.design.levels
    return sorted(range(len(levels)), key=lambda number: (len(levels[number].grouping.labels), -number))


@dataclass(frozen=True)
class NoGroups:
    """The fit against the same fixed part without group effects.

    Parameters
    ----------
    chisq : float
        Fall of the criterion.
    df : int
        Variance parameters, the residual variance not counted.
    p : float
        From chi-square on df.
    """

    chisq: float
    df: int
    p: float


def against_no_groups(fit: LikelihoodFit) -> NoGroups:
    """Likelihood ratio of all group effects together."""
    alone = maximise(rows_alone(fit.products), fit.solution.reml)
    df = covariance_count(fit.products) - 1
    chisq = max(alone.criterion - fit.criterion, 0.0)
    return NoGroups(chisq, df, float(stats.chi2.sf(chisq, df)))
