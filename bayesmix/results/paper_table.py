"""Fits as tables for papers: what each says of every parameter, in text cells of one shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayesmix.errors import ArgumentError, refuse_unknown, require_coverage
from bayesmix.results.components import RESIDUAL
from bayesmix.results.degrees import TITLES
from bayesmix.results.surface.core import Core
from bayesmix.results.surface.likelihood import LikelihoodIntervals
from bayesmix.results.surface.posterior import PosteriorChecks
from bayesmix.tables.paper import PaperTable
from bayesmix.tables.paper_layout import Section, fixed_decimals, short_p

# What may stand beside the estimates.
SHOWN = ("se", "ci", "p")
OPTIONS = ("show", "prob", "df", "names", "decimals", "title")
# More decimals than this are never shown.
_MOST = 8
# Outer label of fixed effects: what no level is called.
_FIXED = ""

Row = tuple[str, str]


@dataclass(frozen=True)
class Column:
    """One fit as a table shows it.

    Parameters
    ----------
    name : str
    heads : tuple of str
        Columns: estimate or mean, se or sd, LL, UL, p.
    keys : tuple of str
        The same as columns of the frames.
    fixed, components : DataFrame
        Index (part, parameter); value, error, low, high, p.
    statistics : mapping of str to str
    """

    name: str
    heads: tuple[str, ...]
    keys: tuple[str, ...]
    fixed: pd.DataFrame
    components: pd.DataFrame
    statistics: dict[str, str]


def table(
    *fits: Any,
    show: str | Sequence[str] = ("se", "ci"),
    prob: float = 0.95,
    df: str | None = None,
    names: Sequence[str] | None = None,
    decimals: int = 2,
    title: str | None = None,
    **unknown: Any,
) -> PaperTable:
    r"""Fits side by side as an article prints them, in the style of the American Psychological Association (2020).

    Fixed effects, variance components and statistics of one or more fits, estimates and posteriors in adjacent columns,
    of one model or of several. Numbers have the decimals that show two digits of the smallest standard error of their
    row, and stand with their points below each other.

    Parameters
    ----------
    *fits : LikelihoodFit and BayesFit
    show : sequence of {"se", "ci", "p"}
        What stands beside each estimate: standard error (posterior sd), interval, p-value of a fixed effect (of
        estimates only).
    prob : float
        Coverage of the intervals: of fixed effects by t, of variances on the log scale, of posteriors equal-tailed.
    df : str, optional
        Degrees of freedom of estimates, as in ``fixed_effects()``.
    names : sequence of str, optional
        What to call the fits.
    decimals : int
        At least so many.
    title : str, optional

    Returns
    -------
    PaperTable
        ``.to_latex()``, ``.to_html()``, ``.to_markdown()``, ``.to_docx(path)``, ``.to_great_table()``.

    Raises
    ------
    ArgumentError
        No fit, something else than fits, or an option that is not offered.

    Examples
    --------
    >>> import bayesmix as bx
    >>> model = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff"))
    >>> print("\n".join(repr(bx.table(model.reml(), model.ml(), show="se")).splitlines()[:9]))
    Multilevel models of Yield
    <BLANKLINE>
                             REML               ML
                             Estimate       SE  Estimate       SE
    Fixed effects
      Intercept               1527.50    19.38   1527.50    17.69
    Variance components
      Batch, var(Intercept)   1764.05  1432.75   1388.33  1093.79
      Residual variance       2451.25   707.61   2451.25   707.61
    """
    refuse_unknown("table", unknown, OPTIONS)
    shown = _check(fits, show, prob, df, decimals, title)
    called = _names(fits, names)
    columns = [_column(fit, name, shown, prob, df) for fit, name in zip(fits, called, strict=True)]
    sections = [
        Section("Fixed effects", _rows(columns, lambda c: c.fixed, decimals)),
        Section("Variance components", _rows(columns, lambda c: c.components, decimals)),
        Section("Statistics", _statistics(columns)),
    ]
    return PaperTable(
        title or _title(fits),
        tuple((column.name, column.heads) for column in columns),
        tuple(section for section in sections if section.rows),
        tuple(_notes(fits, called, shown, prob, df)),
    )


def _check(fits: Sequence[Any], show: Any, prob: Any, df: Any, decimals: Any, title: Any) -> tuple[str, ...]:
    """Refuse what is no fit and no option; what to show, in order."""
    wrong = [type(fit).__name__ for fit in fits if not isinstance(fit, LikelihoodIntervals | PosteriorChecks)]
    if not fits or wrong:
        raise ArgumentError(
            f"table was given {f'a {wrong[0]}' if wrong else 'nothing'}.",
            "Expected one or more fits (LikelihoodFit or BayesFit).",
            "Pass model.reml() and model.sample(), each by itself.",
        )
    require_coverage(prob)
    wanted = [show] if isinstance(show, str) else show
    if not isinstance(wanted, Sequence) or any(each not in SHOWN for each in wanted):
        raise ArgumentError(f"show={show!r}.", f"Expected some of {', '.join(SHOWN)}.", 'Write show=("se", "ci").')
    if isinstance(decimals, bool) or not isinstance(decimals, int | np.integer) or not 0 <= decimals <= _MOST:
        raise ArgumentError(f"decimals={decimals!r}.", f"Expected a whole number from 0 to {_MOST}.", "Write 2.")
    if title is not None and not isinstance(title, str):
        raise ArgumentError(f"title={title!r}.", "Expected a text.", "Leave it out, or write one.")
    estimates = any(isinstance(fit, LikelihoodIntervals) for fit in fits)
    if not estimates and (df is not None or "p" in wanted):
        raise ArgumentError(
            f"{'p-values' if df is None else f'df={df!r}'} for posteriors only.",
            "Expected a fit by REML or ML among them.",
            "Leave it out; of a posterior .hypothesis(...) gives probabilities.",
        )
    return tuple(each for each in SHOWN if each in wanted)


def _names(fits: Sequence[Any], names: Any) -> list[str]:
    """A name for each fit: its method, numbered where two have the same."""
    if names is not None:
        named = list(names) if isinstance(names, Sequence) and not isinstance(names, str) else [names]
        if len(named) != len(fits) or not all(isinstance(name, str) for name in named):
            raise ArgumentError(
                f"names={names!r} for {len(fits)} fit{'s' if len(fits) > 1 else ''}.",
                "Expected a text for each fit.",
                "Leave names out, or add.",
            )
        twice = [name for name in dict.fromkeys(named) if named.count(name) > 1]
        if twice:
            raise ArgumentError(
                f"names={names!r} has {twice[0]!r} more than once.",
                "Expected a text of its own for each fit.",
                "Leave names out, or tell them apart.",
            )
        return named
    methods = [fit.method if isinstance(fit, LikelihoodIntervals) else "Bayes" for fit in fits]
    if len(set(methods)) == len(methods):
        return methods
    return [f"Model {number} ({method})" for number, method in enumerate(methods, start=1)]


def _column(fit: Any, name: str, shown: tuple[str, ...], prob: float, df: str | None) -> Column:
    """What a fit shows."""
    bayes = isinstance(fit, PosteriorChecks)
    heads, keys = ["Mean" if bayes else "Estimate"], ["value"]
    if "se" in shown:
        heads, keys = [*heads, "SD" if bayes else "SE"], [*keys, "error"]
    if "ci" in shown:
        heads, keys = [*heads, "LL", "UL"], [*keys, "low", "high"]
    if "p" in shown and not bayes:
        heads, keys = [*heads, "p"], [*keys, "p"]
    fixed, components = _posterior(fit, prob) if bayes else _estimates(fit, prob, df)
    return Column(name, tuple(heads), tuple(keys), fixed, components, _facts(fit))


def _estimates(fit: Any, prob: float, df: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fixed effects and variance components of a REML or ML fit."""
    own = {"estimate": "value", "se": "error", "ci_low": "low", "ci_high": "high"}
    fixed = fit.fixed_effects(prob=prob) if df is None else fit.fixed_effects(df=df, prob=prob)
    components = fit.variance_components(se=fit.method.lower())
    bounds = fit.intervals("wald", prob=prob, df="z").iloc[len(fixed) :]
    components = components.assign(low=bounds["ci_low"].to_numpy(), high=bounds["ci_high"].to_numpy())
    return _by_part(fixed.rename(columns=own)), components.rename(columns=own)


def _posterior(fit: Any, prob: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same of a posterior."""
    own = {"mean": "value", "sd": "error", "ci_low": "low", "ci_high": "high"}
    fixed, components = fit.fixed_effects(prob=prob), fit.variance_components(prob=prob)
    return _by_part(fixed.rename(columns=own)), components.rename(columns=own)


def _by_part(frame: pd.DataFrame) -> pd.DataFrame:
    """Fixed effects with an outer label, as variance components have one."""
    return frame.set_axis(pd.MultiIndex.from_tuples([(_FIXED, term) for term in frame.index], names=["part", "term"]))


def _facts(fit: Any) -> dict[str, str]:
    """Statistics of a fit by their label."""
    design: Any = fit.design
    found = {"N": str(design.n)}
    found |= {f"Groups ({level.name})": str(len(level.grouping.labels)) for level in design.levels}
    if design.levels:
        shares = fit.icc()
        found |= {f"ICC ({name})": _share(value) for name, value in shares.iloc[:, 0].items()}
    found |= {f"R² ({name})": _share(value) for name, value in fit.r2().iloc[:, 0].items()}
    if isinstance(fit, LikelihoodIntervals):
        estimates: Any = fit
        found["REML criterion" if fit.method == "REML" else "Deviance"] = fixed_decimals(estimates.criterion, 2)
        found |= {"AIC": fixed_decimals(estimates.aic, 2), "BIC": fixed_decimals(estimates.bic, 2)}
    return found


def _share(value: Any) -> str:
    """A share of variance."""
    return fixed_decimals(float(value), 2, bounded=True)


def _rows(
    columns: Sequence[Column], part: Callable[[Column], pd.DataFrame], decimals: int
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Every parameter of any fit, levels together, in the order of the first that has it; the residual last."""
    found: dict[Row, None] = {row: None for column in columns for row in part(column).index}
    parts = list(dict.fromkeys(outer for outer, _ in found))
    ordered = sorted(found, key=lambda row: (row == RESIDUAL, parts.index(row[0])))
    made = []
    for row in ordered:
        there = {n: part(column).loc[[row]].iloc[0] for n, column in enumerate(columns) if row in part(column).index}
        places = _places([values["error"] for values in there.values()], decimals)
        cells: list[str] = []
        for n, column in enumerate(columns):
            cells += (
                [_cell(there[n], key, row, places) for key in column.keys] if n in there else [""] * len(column.keys)
            )
        made.append((_label(row), tuple(cells)))
    return tuple(made)


def _places(errors: Sequence[float], decimals: int) -> int:
    """Decimals that show two digits of the smallest error."""
    known = [error for error in errors if np.isfinite(error) and error > 0]
    return min(_MOST, max([decimals, *(1 - int(np.floor(np.log10(error))) for error in known)]))


def _cell(values: pd.Series, key: str, row: Row, places: int) -> str:
    """One number as text; variance components have no p."""
    if key == "p":
        return short_p(float(values["p"])) if row[0] == _FIXED else ""
    return fixed_decimals(float(values[key]), places, bounded=row[0] != _FIXED and row[1].startswith("corr"))


def _label(row: Row) -> str:
    """What a row is called."""
    part, parameter = row
    if part == _FIXED:
        return parameter
    return "Residual variance" if row == RESIDUAL else f"{part}, {parameter.replace(',', ', ')}"


def _statistics(columns: Sequence[Column]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Statistics of the fits, each in the first of its columns."""
    order = ("N", "Groups", "ICC", "R²", "REML criterion", "Deviance", "AIC", "BIC")
    labels = dict.fromkeys(label for column in columns for label in column.statistics)
    ordered = sorted(labels, key=lambda label: next(i for i, name in enumerate(order) if label.startswith(name)))
    return tuple(
        (
            label,
            tuple(
                text
                for column in columns
                for text in (column.statistics.get(label, ""), *[""] * (len(column.keys) - 1))
            ),
        )
        for label in ordered
    )


def _title(fits: Sequence[Core]) -> str:
    """What was modelled."""
    responses = dict.fromkeys(fit.design.specification.response.text for fit in fits)
    kind = "Multilevel" if any(fit.design.levels for fit in fits) else "Linear"
    return f"{kind} model{'s' if len(fits) > 1 else ''} of {' and '.join(responses)}"


def _notes(fits: Sequence[Any], names: Sequence[str], shown: tuple[str, ...], prob: float, df: str | None) -> list[str]:
    """What the columns are, and what a reader must know of each fit."""
    estimates = [fit for fit in fits if isinstance(fit, LikelihoodIntervals)]
    bayes = len(estimates) < len(fits)
    notes = []
    if "se" in shown:
        words = ["SE = standard error"] * bool(estimates) + ["SD = posterior standard deviation"] * bayes
        notes.append("; ".join(words) + ".")
    if "ci" in shown:
        kinds = ["confidence"] * bool(estimates) + ["credible"] * bayes
        notes.append(f"LL and UL = limits of the {100 * prob:g}% {' or '.join(kinds)} interval.")
    if estimates and ("ci" in shown or "p" in shown):
        notes.append(f"Fixed effects of estimates: {TITLES[df or 'satterthwaite']}.")
    restricted = [fit for fit in estimates if fit.method == "REML"]
    if len({tuple(fit.design.fixed_names) for fit in restricted}) > 1:
        notes.append("REML criteria, AIC and BIC of models with different fixed effects can not be compared.")
    if len({fit.design.n for fit in fits}) > 1:
        notes.append("The models were fitted to different numbers of rows.")
    for fit, name in zip(fits, names, strict=True):
        notes += _remarks(fit, name)
    return notes


def _remarks(fit: Any, name: str) -> list[str]:
    """What is out of the ordinary about a fit."""
    design: Any = fit.design
    rows = "1 row" if design.n_missing == 1 else f"{design.n_missing} rows"
    found = [f"{name}: {rows} with missing values left out."] if design.n_missing else []
    if design.dropped:
        found.append(f"{name}: aliased and dropped: {', '.join(design.dropped)}.")
    if design.weights_name is not None:
        found.append(f"{name}: weighted by {design.weights_name}.")
    if isinstance(fit, LikelihoodIntervals):
        estimates: Any = fit
        if estimates.singular:
            found.append(f"{name}: the fit is singular; — = not available.")
    elif getattr(fit, "divergences", 0):
        found.append(f"{name}: {fit.divergences} divergent transitions.")
    return found
