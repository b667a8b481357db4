"""Which convention reproduces a printed standard error, t or number of degrees of freedom."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from bayesmix.errors import BayesmixError, BayesmixWarning
from bayesmix.inference.ml import maximise
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.printed import Printed
from bayesmix.results.published import Entry
from bayesmix.results.readings import Reading, find_row, read_fit

# Fixed effects agree within a quarter of a standard error; variances, whose posteriors are skewed, within one.
FIXED_LIMIT, VARIANCE_LIMIT = 0.25, 1.0

# In the order of preference where several reproduce as many numbers.
COMPONENT_CONVENTIONS = {
    "reml": "observed REML information",
    "expected-reml": "expected REML information",
    "ml": "observed ML information",
    "expected-ml": "expected ML information, as MLwiN",
}
FIXED_CONVENTIONS = {
    "z": "normal approximation",
    "satterthwaite": "Satterthwaite",
    "kenward-roger": "Kenward-Roger",
    "containment": "containment, as SAS",
    "hlm": "HLM",
    "between-within": "between-within",
    "residual": "residual degrees of freedom",
}


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

    row: tuple[str, str]
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
        The convention of the printed standard errors (and t, df), where it is not the one we use by default.
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


Lookup = Callable[[tuple[str, str], str], float]


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
            convention, best = _best_convention(printed, reading, kind, table)
            found[kind] = None if convention == next(iter(table)) else table.get(convention)
            checks += best
    return Audit(tuple(checks), found["fixed"], found["component"])


def _estimate(entry: Entry, row: tuple[str, str], reading: Reading) -> Check:
    """An estimate beside ours."""
    here = reading.frame.loc[row]
    ours, se = float(here["estimate"]), float(here["se"])
    difference = (ours - entry.estimate.value) / se if se > 0 else np.nan
    agrees = entry.estimate.agrees(ours)
    if isinstance(reading.fit, BayesFit) and not agrees and np.isfinite(difference):
        limit = FIXED_LIMIT if entry.kind == "fixed" else VARIANCE_LIMIT
        agrees = bool(abs(difference) <= limit + 3 * float(here["mcse"]) / se)
    return Check(row, "estimate", entry.estimate, ours, agrees, difference, entry.kind)


def _best_convention(
    printed: Sequence[tuple[tuple[str, str], str, Printed]], reading: Reading, kind: str, table: Mapping[str, str]
) -> tuple[str, list[Check]]:
    """The convention that reproduces most of what was printed; the first of those that reproduce as many."""
    best: tuple[str, list[Check]] | None = None
    for convention in table:
        lookup = _lookup(reading, kind, convention)
        if lookup is None:
            continue
        checks = []
        for row, column, number in printed:
            ours = lookup(row, column)
            checks.append(Check(row, column, number, ours, number.agrees(ours), np.nan, kind))
        if isinstance(reading.fit, BayesFit):
            # The sd of a posterior is no standard error: near it is as good as it gets.
            checks = [replace(check, agrees=_near(check)) for check in checks]
        if best is None or sum(c.agrees for c in checks) > sum(c.agrees for c in best[1]):
            best = convention, checks
        if all(check.agrees for check in best[1]):
            break
    assert best is not None
    return best


def _near(check: Check) -> bool:
    """Whether a posterior sd is within a third of a printed standard error; t and df are not asked for."""
    return check.column != "se" or bool(abs(check.ours - check.printed.value) <= check.printed.value / 3)


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


def component_error(row: tuple[str, str], errors: pd.Series, frame: pd.DataFrame) -> float:
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
