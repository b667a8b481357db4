"""Parametric bootstrap with names: replicates, intervals, and the likelihood-ratio test by simulation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.design.response import read_rows, with_response
from bayesmix.errors import ArgumentError, ConvergenceError, require_coverage
from bayesmix.inference.bootstrap import bootstrap, refit, repeat, require_counts
from bayesmix.inference.ml import MlSolution
from bayesmix.inference.simulation import is_nested, products_drawer, rows_drawer, simulated_rows
from bayesmix.results.components import component_values
from bayesmix.results.naming import group_order
from bayesmix.results.quantities import component_rows, fixed_rows, on_scale, require_scale, table_index

Floats = NDArray[np.float64]
Pair = Callable[[np.random.Generator], tuple[CrossProducts, CrossProducts]]

# Differences of two criteria below this are rounding.
ROUNDING = 1e-7


@dataclass(frozen=True, repr=False)
class Bootstrap:
    """Estimates from responses simulated from a fit.

    Parameters
    ----------
    design : Design
        Names.
    estimates : Series
        Of the fit itself, indexed (part, parameter).
    draws : DataFrame
        One row for each replicate that could be fitted, columns (part, parameter): fixed effects, then variances,
        covariances and correlations (nan where an effect has no variance).
    criterion : (R,) array
        -2 log (restricted) likelihood of each.
    n, n_failed, n_singular : int
        Responses asked for, without an optimum, and with an optimum on the boundary.
    complete : bool
        False where it was interrupted.
    """

    design: Design
    estimates: pd.Series
    draws: pd.DataFrame
    criterion: Floats
    n: int
    n_failed: int
    n_singular: int
    complete: bool

    def intervals(self, *, prob: float = 0.95, scale: str = "var") -> pd.DataFrame:
        """Percentile intervals (Efron & Tibshirani 1993, ch. 13).

        Parameters
        ----------
        prob : float
            Coverage.
        scale : {"var", "sd"}
            Show variances and covariances, or standard deviations.

        Returns
        -------
        DataFrame
            Index (part, parameter); estimate, ci_low, ci_high.
        """
        require_coverage(prob)
        require_scale(scale)
        p = len(self.design.fixed_names)
        rows = [*fixed_rows(self.design), *component_rows(self.design, scale)]
        values = np.hstack([self.draws.to_numpy()[:, :p], on_scale(self.design, self.draws.to_numpy()[:, p:], scale)])
        estimates = self.estimates.to_numpy()
        ends = [_quantiles(column, prob) for column in values.T]
        frame = pd.DataFrame(
            {
                "estimate": np.concatenate([estimates[:p], on_scale(self.design, estimates[p:], scale)]),
                "ci_low": [low for low, _ in ends],
                "ci_high": [high for _, high in ends],
            },
            index=table_index(rows),
        )
        frame.attrs["note"] = self._note(np.isnan(values).sum(axis=0), rows_named=frame.index)
        return frame

    def _note(self, undefined: NDArray[np.int64], rows_named: pd.MultiIndex) -> str:
        """What the intervals rest on."""
        count = len(self.draws)
        notes = [f"Percentiles of {count} parametric bootstrap replicates; {self.n_singular} of them singular."]
        if self.n_failed:
            notes.append(f"{self.n_failed} replicates had no optimum and are left out.")
        if not self.complete:
            notes.append(f"Interrupted: {self.n} were asked for.")
        for (part, parameter), number in zip(rows_named, undefined, strict=True):
            if number:
                notes.append(f"{part} {parameter} is undefined in {number}, where an effect has no variance.")
        return " ".join(notes)

    def __repr__(self) -> str:
        table = self.intervals()
        return f"{table.to_string()}\n{table.attrs['note']}"


def _quantiles(values: Floats, prob: float) -> tuple[float, float]:
    """Equal-tailed ends of what is defined."""
    defined = values[~np.isnan(values)]
    if defined.size == 0:
        return np.nan, np.nan
    low, high = np.quantile(defined, [0.5 - prob / 2, 0.5 + prob / 2])
    return float(low), float(high)


def bootstrap_estimates(
    design: Design, products: CrossProducts, solution: MlSolution, n: int, seed: int | None, progress: bool
) -> Bootstrap:
    """Simulate n responses from a fit and fit the model to each."""
    nested = is_nested(products)
    draw = products_drawer(products, solution) if nested else rows_drawer(design, products, solution)
    found = bootstrap(solution, draw, n, seed, progress)
    index = table_index([*fixed_rows(design), *component_rows(design, "var")])
    values = np.hstack([found.beta, component_values(design.levels, found.covariances, found.sigma**2)])
    estimates = np.concatenate(
        [solution.beta, component_values(design.levels, solution.covariances, np.array(solution.sigma**2))]
    )
    draws = pd.DataFrame(values, columns=index)
    draws.index.name = "replicate"
    singular = int(found.singular.sum())
    return Bootstrap(
        design, pd.Series(estimates, index=index), draws, found.criterion, n, found.n_failed, singular, found.complete
    )


# What one call of simulate returns at most: 8 GB.
MOST_NUMBERS = 1_000_000_000


def simulate_responses(
    design: Design,
    solution: MlSolution,
    n: int,
    seed: int | None,
    groups: str,
    means: Callable[[], tuple[Floats, ...]],
) -> Floats:
    """n new responses, (n, N).

    Parameters
    ----------
    groups : {"new", "known"}
        New group effects for each response, or those predicted.
    means : callable
        Predicted effects of each level, depth first.
    """
    require_counts(n, seed)
    if groups not in ("new", "known"):
        raise ArgumentError(f"groups={groups!r} is not offered.", "Expected 'new' or 'known'.", "Choose one of these.")
    if n * design.n > MOST_NUMBERS:
        raise ArgumentError(
            f"{n} responses of {design.n} rows are {n * design.n:.1e} numbers.",
            f"Expected at most {MOST_NUMBERS:.0e} at a time.",
            "Ask for fewer, several times, with different seeds.",
        )
    effects = None
    if groups == "known":
        effects = tuple(values[group_order(design, number)] for number, values in enumerate(means()))
    rng = np.random.default_rng(seed)
    return np.array([simulated_rows(design, solution, rng, effects) for _ in range(n)])


@dataclass(frozen=True)
class BootstrapTest:
    """A likelihood-ratio test by simulation.

    Parameters
    ----------
    statistic : float
        Criterion of the smaller model minus that of the larger.
    p : float
        (1 + number of simulated statistics at least as large) / (1 + their number); Davison & Hinkley (1997), 4.2.
    draws : (R,) array
        The simulated statistics.
    n_failed : int
        Responses to which a model could not be fitted.
    """

    statistic: float
    p: float
    draws: Floats
    n_failed: int


class Fitted(Protocol):
    """What a test needs of a fit."""

    @property
    def design(self) -> Design:
        """Names and data."""

    @property
    def products(self) -> CrossProducts:
        """What was fitted."""

    @property
    def solution(self) -> MlSolution:
        """The optimum."""


def bootstrap_lrt(
    small: Fitted, large: Fitted, *, n: int = 1000, seed: int | None = None, progress: bool = False
) -> BootstrapTest:
    """Compare two nested models by simulating from the smaller; no assumption about the boundary is needed.

    Parameters
    ----------
    small, large : LikelihoodFit
        Fits of the same rows by the same method, the smaller a special case of the larger.
    n, seed, progress
        Number of simulated responses, seed, and whether to show a bar.

    Returns
    -------
    BootstrapTest

    Raises
    ------
    ArgumentError
        Different rows or methods, REML fits with different fixed effects, or the larger fits worse.
    """
    require_counts(n, seed)
    statistic = _statistic(small.solution, large.solution)
    _require_nested(small, large, statistic)
    draw = _pair_drawer(small, large)
    rng = np.random.default_rng(seed)

    def replicate() -> float:
        first, second = draw(rng)
        found = _statistic(refit(first, small.solution), refit(second, large.solution))
        if found < 0:
            raise ConvergenceError(
                f"The larger model has a criterion higher by {-found:.4g}.",
                "Expected it to fit at least as well.",
                "Count the replicate as failed.",
            )
        return found

    found, failed, _ = repeat(replicate, n, progress)
    draws = np.array(found)
    p = (1 + np.count_nonzero(draws >= statistic)) / (1 + len(draws))
    return BootstrapTest(statistic, float(p), draws, failed)


def _statistic(small: MlSolution, large: MlSolution) -> float:
    """Difference of the criteria, 0 where it is rounding."""
    difference = small.criterion - large.criterion
    return 0.0 if abs(difference) < ROUNDING else float(difference)


def _pair_drawer(small: Fitted, large: Fitted) -> Pair:
    """Draws of one response as cross-products of both models; without rows where they share everything but effects."""
    one, two = small.products, large.products
    shared = (
        is_nested(one)
        and is_nested(two)
        and np.array_equal(one.sums, two.sums)
        and np.array_equal(one.fixed_basis, two.fixed_basis)
    )
    if shared:
        draw = products_drawer(one, small.solution)

        def from_products(rng: np.random.Generator) -> tuple[CrossProducts, CrossProducts]:
            first = draw(rng)
            return first, replace(two, sums=first.sums, response_fit=first.response_fit)

        return from_products
    rows = read_rows(small.design, one), read_rows(large.design, two)

    def from_rows(rng: np.random.Generator) -> tuple[CrossProducts, CrossProducts]:
        y = simulated_rows(small.design, small.solution, rng)
        return with_response(small.design, one, y, rows[0]), with_response(large.design, two, y, rows[1])

    return from_rows


def _require_nested(small: Fitted, large: Fitted, statistic: float) -> None:
    """Refuse what can not be nested."""
    one, two = small.design, large.design
    if not np.array_equal(one.response - one.offset, two.response - two.offset):
        raise ArgumentError(
            f"The fits are of {one.n} rows and of {two.n} rows, or of different responses.",
            "Expected the same rows and the same response.",
            "Fit both to the rows that are complete for the larger model.",
        )
    if small.solution.reml != large.solution.reml:
        raise ArgumentError(
            "One fit is by REML and the other by ML.", "Expected the same method.", "Fit both with .ml() or .reml()."
        )
    if small.solution.reml and one.fixed_names != two.fixed_names:
        raise ArgumentError(
            "The REML fits have different fixed effects.",
            "Expected the same fixed part, or their criteria can not be compared.",
            "Fit both with .ml().",
        )
    if statistic < 0:
        raise ArgumentError(
            f"The larger model has a criterion higher by {-statistic:.4g}.",
            "Expected it to fit at least as well as the smaller one.",
            "Check the order: bootstrap_lrt(small, large); the smaller must be a special case of the larger.",
        )
