"""Profile likelihood with names: intervals, and the curves behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from bayesmix.design import CrossProducts, Design
from bayesmix.errors import ArgumentError, ConvergenceError, require_coverage
from bayesmix.inference.bounds import Bound, profile_curve, profile_interval
from bayesmix.inference.ml import MlSolution, maximise
from bayesmix.inference.profile import Profiler
from bayesmix.results.components import component_values
from bayesmix.results.quantities import (
    Names,
    Row,
    chosen_rows,
    component_rows,
    fixed_rows,
    on_scale,
    require_scale,
    table_index,
)


@dataclass(frozen=True, repr=False)
class Profile:
    """Profile deviances of some parameters.

    Parameters
    ----------
    data : DataFrame
        part, parameter, value, zeta (signed square root of the rise of the deviance, nearly normal) and deviance, in
        ascending order of value; the estimate is the row with zeta 0.
    criterion : {"ml", "reml"}
        The likelihood the variance components are profiled in; fixed effects always in the full likelihood.
    notes : tuple of str
        What could not be found.
    """

    data: pd.DataFrame
    criterion: str
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        names = self.data[["part", "parameter"]].drop_duplicates().agg(" ".join, axis=1)
        lines = [f"Profile of {len(names)} parameters ({self.criterion.upper()}): {', '.join(names)}"]
        return "\n".join([*lines, *self.notes])


@dataclass(frozen=True)
class Optima:
    """The optima that rows are profiled around."""

    products: CrossProducts
    ml: MlSolution
    components: MlSolution

    def profiler(self, row: Row) -> Profiler:
        """The profile of a row's quantity."""
        optimum = self.ml if row.quantity.kind == "beta" else self.components
        return Profiler(self.products, optimum, row.quantity)


def find_optima(products: CrossProducts, solution: MlSolution, criterion: str) -> Optima:
    """The ML optimum, and that of the criterion for the variance components; refitted where the fit is another.

    Raises
    ------
    ArgumentError
        Another criterion.
    """
    if criterion not in ("ml", "reml"):
        raise ArgumentError(
            f"criterion={criterion!r} is not offered.", "Expected 'ml' or 'reml'.", "Choose one of these."
        )
    ml = maximise(products, False) if solution.reml else solution
    if criterion == "ml":
        return Optima(products, ml, ml)
    return Optima(products, ml, solution if solution.reml else maximise(products, True))


def profile_table(
    design: Design, products: CrossProducts, solution: MlSolution, prob: float, scale: str, criterion: str = "ml"
) -> pd.DataFrame:
    """Profile-likelihood intervals of every parameter.

    Venzon & Moolgavkar (1988), Applied Statistics 37:87-94; Bates et al. (2015), section 5.1.

    Parameters
    ----------
    criterion : {"ml", "reml"}
        For variance components; fixed effects have none but the ML profile.

    Returns
    -------
    DataFrame
        Index (part, parameter); estimate (of the fit), ci_low, ci_high, low_at_boundary, high_at_boundary.
    """
    require_scale(scale)
    optima = find_optima(products, solution, criterion)
    rows = [*fixed_rows(design), *component_rows(design, scale)]
    components = component_values(design.levels, solution.covariances, np.array(solution.sigma**2))
    excess = float(stats.chi2.ppf(prob, 1))
    found, notes = [], [_criterion_note(solution, criterion)]
    for row in rows:
        low, high = _interval(optima.profiler(row), row, excess, notes)
        bounds = sorted((row.show(low.value), row.show(high.value)))
        found.append((*bounds, low.boundary, high.boundary))
    frame = pd.DataFrame(
        found, index=table_index(rows), columns=["ci_low", "ci_high", "low_at_boundary", "high_at_boundary"]
    )
    frame.insert(0, "estimate", np.concatenate([solution.beta, on_scale(design, components, scale)]))
    frame.attrs["note"] = " ".join(notes)
    return frame


def _interval(profiler: Profiler, row: Row, excess: float, notes: list[str]) -> tuple[Bound, Bound]:
    """Both bounds; nan with a note where there are none."""
    name = f"{row.part} {row.parameter}"
    none = Bound(np.nan, False, True)
    if np.isnan(profiler.estimate):
        notes.append(f"{name}: one of its effects has no variance, so that it has no profile.")
        return none, none
    try:
        low, high = profile_interval(profiler, excess)
    except ConvergenceError as problem:
        notes.append(f"{name}: {problem.found} {problem.remedy}")
        return none, none
    if not (low.monotone and high.monotone):
        notes.append(f"{name}: the profile is not monotone; the bounds are where it first rises high enough.")
    return low, high


def _criterion_note(solution: MlSolution, criterion: str) -> str:
    """Which likelihood was profiled."""
    if not solution.reml and criterion == "ml":
        return "Profiles of the ML deviance."
    if criterion == "ml":
        return (
            "Profiles of the ML deviance for all parameters, as lme4; the estimates are those of the REML fit. "
            "criterion='reml' profiles the REML criterion for the variance components."
        )
    return "Profiles of the REML criterion for the variance components, of the ML deviance for the fixed effects."


def profile_data(
    design: Design,
    products: CrossProducts,
    solution: MlSolution,
    parameters: Names,
    criterion: str,
    prob: float,
    points: int,
) -> Profile:
    """Profile curves.

    Parameters
    ----------
    parameters : str, (part, parameter), or a sequence of these, optional
        Parts (``"fixed"``, ``"school"``, ``"theta"``) or parameters; by default all but covariances and theta.
    prob : float
        The curves go as far as the bounds of intervals of this coverage.
    points : int
        On each side of the estimate.
    """
    require_coverage(prob)
    if isinstance(points, bool) or not isinstance(points, int | np.integer) or points < 1:
        raise ArgumentError(f"points={points!r}.", "Expected a whole number of at least 1.", "Correct points.")
    rows = chosen_rows(design, parameters)
    optima = find_optima(products, solution, criterion)
    excess = float(stats.chi2.ppf(prob, 1))
    frames, notes = [], []
    for row in rows:
        profiler = optima.profiler(row)
        name = f"{row.part} {row.parameter}"
        if np.isnan(profiler.estimate):
            notes.append(f"{name}: one of its effects has no variance, so that it has no profile.")
            continue
        try:
            curve = np.array(profile_curve(profiler, excess, points))
        except ConvergenceError as problem:
            notes.append(f"{name}: {problem.found} {problem.remedy}")
            continue
        zeta = np.sign(curve[:, 0] - profiler.estimate) * np.sqrt(curve[:, 1])
        frames.append(
            pd.DataFrame(
                {
                    "part": row.part,
                    "parameter": row.parameter,
                    "value": [row.show(value) for value in curve[:, 0]],
                    "zeta": zeta,
                    "deviance": profiler.optimum.criterion + curve[:, 1],
                }
            )
        )
    if not frames:
        raise ConvergenceError(" ".join(notes), "Expected at least one profile.", "Simplify the random part.")
    return Profile(pd.concat(frames, ignore_index=True), criterion, tuple(notes))
