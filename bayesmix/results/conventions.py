"""Which convention reproduces a printed standard error, t or number of degrees of freedom."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from bayesmix.errors import ArgumentError, BayesmixError, BayesmixWarning
from bayesmix.inference.ml import maximise
from bayesmix.results.agreement import FIXED_LIMIT, VARIANCE_LIMIT
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.printed import Printed
from bayesmix.results.published import Entry
from bayesmix.results.readings import Reading, find_row, read_fit

# In the order of preference where several reproduce as many numbers.
COMPONENT_CONVENTIONS = {
    "reml": "observed REML information",
    "expected-reml": "expected REML information",
    "ml": "observed ML information",
    "expected-ml": "expected ML information (as MLwiN)",
}
FIXED_CONVENTIONS = {
    "z": "normal approximation",
    "satterthwaite": "Satterthwaite",
    "kenward-roger": "Kenward-Roger",
    "containment": "containment (as SAS)",
    "hlm": "HLM's rule",
    "between-within": "between-within",
    "residual": "residual degrees of freedom",
}


Row = tuple[str, str]


@dataclass(frozen=True)
class Check:
    """One printed number beside ours.

    Parameters
    ----------
    row : (part, parameter)
    column : {"estimate", "se", "t", "df"}
    printed : Printed
    ours : float
    agrees : bool
        Whether ours rounds to it; beside a posterior, whether they differ by no more than a posterior and an estimate
        may.
    difference : float
        Of an estimate, in our standard errors.
    kind : {"fixed", "component", "statistic"}
    """

    row: Row
    column: str
    printed: Printed
    ours: float
    agrees: bool
    difference: float
    kind: str


@dataclass(frozen=True)
class Audit:
    """Every number of a source beside those of one fit.

    Parameters
    ----------
    checks : tuple of Check
    fixed, components : str or None
        The conventions that the printed standard errors (and t, df) follow, where it is not the default one.
    """

    checks: tuple[Check, ...]
    fixed: str | None
    components: str | None

    @cached_property
    def off(self) -> tuple[Check, ...]:
        """The numbers that are not reproduced."""
        return tuple(check for check in self.checks if not check.agrees)

    @property
    def agree(self) -> bool:
        """Whether there are none."""
        return not self.off


Lookup = Callable[[Row, str], float]


def audit(entries: Sequence[Entry], reading: Reading, source: str) -> Audit:
    """Look for every printed number in a fit, its errors under the convention that reproduces most of them.

    Parameters
    ----------
    entries : sequence of Entry
    reading : Reading
    source : str
        What errors should call the source.

    Returns
    -------
    Audit
    """
    rows = [(entry, find_row(entry, reading.frame, source)) for entry in entries]
    _refuse_repeated([row for _, row in rows], source)
    # A posterior has no criterion: there is nothing to put beside a printed one.
    rows = [(entry, row) for entry, row in rows if np.isfinite(reading.frame.loc[row, "estimate"])]
    checks = [_estimate(entry, row, reading) for entry, row in rows]
    found: dict[str, str | None] = {"fixed": None, "component": None}
    for kind, table in (("fixed", FIXED_CONVENTIONS), ("component", COMPONENT_CONVENTIONS)):
        printed = [
            (row, column, number)
            for entry, row in rows
            for column in ("se", "t", "df")
            if entry.kind == kind and (number := getattr(entry, column)) is not None
        ]
        if printed:
            found[kind], best = _best_conventions(printed, reading, kind, table)
            checks += best
    return Audit(tuple(checks), found["fixed"], found["component"])


def _refuse_repeated(rows: Sequence[Row], source: str) -> None:
    """Refuse two numbers for one parameter."""
    for number, row in enumerate(rows):
        if row in rows[:number]:
            raise ArgumentError(
                f"'{source}' gives {row[0]} {row[1]} twice.", "Expected every parameter once.", "Leave one out."
            )


def _estimate(entry: Entry, row: Row, reading: Reading) -> Check:
    """An estimate beside ours."""
    here = reading.frame.loc[row]
    ours, se = float(here["estimate"]), float(here["se"])
    difference = (ours - entry.estimate.value) / se if se > 0 else np.nan
    agrees = entry.estimate.agrees(ours)
    if isinstance(reading.fit, BayesFit) and not agrees and np.isfinite(difference):
        limit = FIXED_LIMIT if entry.kind == "fixed" else VARIANCE_LIMIT
        agrees = bool(abs(difference) <= limit + 3 * float(here["mcse"]) / se)
    return Check(row, "estimate", entry.estimate, ours, agrees, difference, entry.kind)


def _best_conventions(
    printed: Sequence[tuple[Row, str, Printed]], reading: Reading, kind: str, table: Mapping[str, str]
) -> tuple[str | None, list[Check]]:
    """The conventions that reproduce most of what was printed, in words, and the checks under the first of them.

    None where the one we use by default is among them. Degrees of freedom printed as whole numbers fit several
    conventions after rounding: those that come closest count.
    """
    tried: dict[str, tuple[tuple[int, float], list[Check]]] = {}
    for convention in table:
        lookup = _lookup(reading, kind, convention)
        if lookup is None:
            continue
        checks = [
            _spread_check(row, column, number, lookup(row, column), reading, kind) for row, column, number in printed
        ]
        apart = sum(abs(check.printed.off(check.ours)) for check in checks if check.column == "df")
        tried[convention] = (-sum(check.agrees for check in checks), apart), checks
        if len(tried) == 1 and all(check.agrees for check in checks):
            break
    best = min(key for key, _ in tried.values())
    chosen = [convention for convention, (key, _) in tried.items() if key == best]
    words = None if chosen[0] == next(iter(table)) else " or ".join(table[convention] for convention in chosen)
    return words, tried[chosen[0]][1]


def _spread_check(row: Row, column: str, number: Printed, ours: float, reading: Reading, kind: str) -> Check:
    """A standard error, t or df beside ours."""
    agrees = number.agrees(ours)
    if isinstance(reading.fit, BayesFit):
        # The sd of a posterior is no standard error: near it is as good as it gets, and t and df are not asked for.
        agrees = column != "se" or bool(abs(ours - number.value) <= number.value / 3)
    return Check(row, column, number, ours, agrees, np.nan, kind)


def _lookup(reading: Reading, kind: str, convention: str) -> Lookup | None:
    """Standard errors, t and df under a convention; None where the fit does not offer it."""
    fit = reading.fit
    if isinstance(fit, BayesFit):
        spread = reading.frame["se"]
        return (lambda row, column: float(spread[row]) if column == "se" else np.nan) if _is_first(convention) else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BayesmixWarning)
            if kind == "fixed":
                fixed = fit.fixed_effects(df=convention)
                return lambda row, column: float(fixed.loc[row[1], column])
            errors = fit.variance_components(se=convention)["se"]
    except BayesmixError:
        return None
    return lambda row, _: component_error(row, errors, reading.frame)


def _is_first(convention: str) -> bool:
    """Whether a convention is the one tried first."""
    return convention in (next(iter(FIXED_CONVENTIONS)), next(iter(COMPONENT_CONVENTIONS)))


def component_error(row: Row, errors: pd.Series, frame: pd.DataFrame) -> float:
    """The standard error of a variance component, or by the delta method of its square root."""
    part, parameter = row
    if not parameter.startswith("sd"):
        return float(errors.get(row, np.nan))
    variance = float(errors.get((part, "var" + parameter[2:]), np.nan))
    sd = float(frame.loc[row, "estimate"])
    return variance / (2 * sd) if sd > 0 else np.nan


def other_method(reading: Reading) -> Reading | None:
    """The same model by ML where the reading is of REML, and the other way round."""
    if not isinstance(reading.fit, LikelihoodFit):
        return None
    fit = reading.fit
    other = LikelihoodFit(fit.design, fit.products, maximise(fit.products, reml=not fit.solution.reml))
    return read_fit(other.method, other, 0.95)
