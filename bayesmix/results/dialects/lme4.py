"""The fit as ``summary()`` of lme4, with lmerTest loaded, prints it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.results.dialects.conventions import CONVENTIONS
from bayesmix.results.dialects.estimates import bars, correlation_matrix, fixed_columns, fixed_table
from bayesmix.results.dialects.labels import r_effects, r_grouping
from bayesmix.tables import Lines, Printout, Rules, Sheet
from bayesmix.tables.significant import format_jointly, format_probabilities, round_jointly

if TYPE_CHECKING:
    from bayesmix.results.likelihood_fit import LikelihoodFit

Floats = NDArray[np.float64]

RULE = CONVENTIONS["lme4"]

# Significant digits of R's print() of a summary, from its option digits = 7.
DIGITS = 4
# With more fixed effects lme4 prints no correlations.
MOST_CORRELATED = 20

_STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"), (0.1, "."), (1.0, ""))
_LEGEND = "Signif. codes:  0 '***' 0.001 '**' 0.01 '*' 0.05 '.' 0.1 ' ' 1"


def print_lme4(fit: LikelihoodFit) -> Printout:
    """Printout of lme4 1.1 with lmerTest 3.1.

    Bates, Maechler, Bolker & Walker (2015), Journal of Statistical Software 67(1); Kuznetsova, Brockhoff & Christensen
    (2017), Journal of Statistical Software 82(13).
    """
    table, notes = fixed_table(fit, RULE)
    by = "REML" if fit.method == "REML" else "maximum likelihood "
    title = f"Linear mixed model fit by {by}. t-tests use Satterthwaite's method ['lmerModLmerTest']"
    parts = [
        Lines((f"Formula: {fit.design.specification.formula}", *_weights(fit)), close=True),
        _criterion(fit),
        _scaled_residuals(fit),
        _random_effects(fit),
        Lines((_sizes(fit),), close=True),
        *_fixed_effects(fit, table),
        *_correlations(fit),
    ]
    if not fit.design.levels:
        notes.append("lme4 fits no model without a random effect; lm() does. This is the layout it would have.")
    if fit.singular:
        notes.append("boundary (singular) fit: see help('isSingular')")
    return Printout(title, tuple(parts), tuple(notes), Rules(gap=1))


def _weights(fit: LikelihoodFit) -> list[str]:
    """The line that names the weights."""
    return [f"Weights: {fit.design.weights_name}"] if fit.design.weights_name else []


def _criterion(fit: LikelihoodFit) -> Lines | Sheet:
    """REML criterion in one line; under ML a table."""
    if fit.method == "REML":
        return Lines((f"REML criterion at convergence: {round(fit.criterion, 1):.7g}",))
    values = [round(value, 1) for value in (fit.aic, fit.bic, fit.loglik, fit.criterion)]
    cells = [*(text.strip() for text in format_jointly(values, 7)), f"{fit.design.n - fit.n_parameters}"]
    head = ("AIC", "BIC", "logLik", "deviance", "df.resid")
    width = max(map(len, [*head, *cells]))  # R pads a named vector to one width
    return Sheet("", tuple(name.rjust(width) for name in head), (tuple(cells),), labels=0)


def _scaled_residuals(fit: LikelihoodFit) -> Sheet:
    """Quartiles of the residuals over sigma."""
    quartiles = np.quantile(fit.residuals(kind="pearson") / fit.sigma, [0, 0.25, 0.5, 0.75, 1])
    cells = format_jointly(round_jointly(quartiles.tolist(), DIGITS + 1), DIGITS)
    return Sheet("Scaled residuals:", ("Min", "1Q", "Median", "3Q", "Max"), (tuple(cells),), labels=0)


def _random_effects(fit: LikelihoodFit) -> Sheet:
    """Variances, standard deviations and correlations of every bar, those with most groups first."""
    levels = fit.design.levels
    order = sorted(bars(fit), key=lambda bar: -len(levels[bar[0]].grouping.labels))
    met: Counter[str] = Counter()
    labels, variances = [], []
    correlations: list[list[str]] = []
    for number, start, stop in order:
        name = r_grouping(levels[number])
        shown = f"{name}.{met[name]}" if met[name] else name
        met[name] += 1
        sigma, effects = fit.solution.covariances[number], r_effects(levels[number].effects)
        for i in range(start, stop):
            labels.append((f" {shown}" if i == start else "", effects[i]))
            variances.append(float(sigma[i, i]))
        correlations += _triangle(correlation_matrix(sigma[start:stop, start:stop]), 2)
    labels.append((" Residual", ""))
    variances.append(fit.sigma**2)
    correlations.append([])
    width = max(map(len, correlations))
    cells = zip(format_jointly(variances, DIGITS), format_jointly(np.sqrt(variances), DIGITS), strict=True)
    rows = [
        (*label, *pair, *row, *[""] * (width - len(row)))
        for label, pair, row in zip(labels, cells, correlations, strict=True)
    ]
    head = (" Groups", "Name", "Variance", "Std.Dev.", *(["Corr"] if width else []), *[""] * (width - 1))
    return Sheet("Random effects:", head, tuple(rows), labels=2, left=tuple(range(2, len(head))))


def _sizes(fit: LikelihoodFit) -> str:
    """Rows, and groups of each level."""
    levels = sorted(fit.design.levels, key=lambda level: -len(level.grouping.labels))
    sizes = "; ".join(f"{r_grouping(level)}, {len(level.grouping.labels)}" for level in levels)
    return f"Number of obs: {fit.design.n}{f', groups:  {sizes}' if sizes else ''}"


def _fixed_effects(fit: LikelihoodFit, table: pd.DataFrame) -> list[Sheet | Lines]:
    """The coefficients as R's printCoefmat() writes them."""
    if table.empty:
        return [Lines(("No fixed effect coefficients",))]
    names = r_effects(fixed_columns(fit))
    block = table[["estimate", "se"]].to_numpy().ravel().tolist()
    degrees = round_jointly(table["df"].tolist(), DIGITS)
    shown = [value for value in [*block, *table["df"].tolist()] if np.isfinite(value) and value != 0]
    smallest = min((abs(value) for value in shown), default=1.0)
    decimals = max(1, DIGITS - 1 - int(np.floor(np.log10(smallest))))
    cells = format_jointly([round(value, decimals) for value in [*block, *degrees]], DIGITS)
    t = format_jointly(np.round(table["t"], DIGITS - 1), DIGITS)
    p = format_probabilities(table["p"].tolist(), DIGITS - 1)
    count = len(names)
    rows = [
        (names[i], cells[2 * i], cells[2 * i + 1], cells[2 * count + i], t[i], p[i].rjust(8), _star(table["p"].iloc[i]))
        for i in range(count)
    ]
    head = ("", "Estimate", "Std. Error", "df", "t value", "Pr(>|t|)", "")
    sheet = Sheet("Fixed effects:", head, tuple(tuple(map(str.strip, row)) for row in rows), left=(6,))
    return [sheet, Lines(("---", _LEGEND), close=True)] if (table["p"] < _STARS[-2][0]).any() else [sheet]


def _star(p: float) -> str:
    """The mark of a p-value."""
    return next((mark for limit, mark in _STARS if p < limit), "")


def _correlations(fit: LikelihoodFit) -> list[Sheet]:
    """Correlations of the fixed effects, lower triangle, names abbreviated."""
    names = r_effects(fixed_columns(fit))
    if not 1 < len(names) <= MOST_CORRELATED:
        return []
    values = correlation_matrix(fit.solution.vcov)
    cells = _triangle(values, 3)
    rows = [(name, *cells[i], *[""] * (len(names) - 1 - i)) for i, name in enumerate(abbreviate(names, 11)) if i]
    head = ("", *abbreviate(names, 6)[:-1])
    return [Sheet("Correlation of Fixed Effects:", head, tuple(rows), left=tuple(range(1, len(head))))]


def _triangle(matrix: Floats, decimals: int) -> list[list[str]]:
    """Rows below the diagonal as text of one width."""
    cells = [[f"{value:.{decimals}f}" if np.isfinite(value) else "NaN" for value in row] for row in matrix]
    width = max(len(cell) for row in cells for cell in row)
    return [[cell.rjust(width) for cell in row[:i]] for i, row in enumerate(cells)]


def abbreviate(names: list[str], length: int) -> list[str]:
    """Names shortened as by R's abbreviate(), longer where two would be the same.

    Examples
    --------
    >>> abbreviate(["(Intercept)", "sectorPublic", "sexMale"], 6)
    ['(Intr)', 'sctrPb', 'sexMal']
    """
    lengths = [length] * len(names)
    while True:
        short = [_shorten(name, size) for name, size in zip(names, lengths, strict=True)]
        twice = {text for text, count in Counter(short).items() if count > 1}
        same = [i for i, text in enumerate(short) if text in twice and short[i] != names[i]]
        if not same:
            return short
        for i in same:
            lengths[i] += 1


def _shorten(name: str, length: int) -> str:
    """Drop lower-case vowels, then lower-case letters, then anything, from the right; at the end of a word first."""
    for letters in ("aeiou", "abcdefghijklmnopqrstuvwxyz"):
        for at_end in (True, False):
            for place in reversed(range(1, len(name))):
                if len(name) - name.count(" ") <= length:
                    return name if len(name) <= length else name.replace(" ", "")
                last = place == len(name) - 1 or name[place + 1] == " "
                if name[place] in letters and name[place - 1] != " " and (last or not at_end):
                    name = name[:place] + name[place + 1 :]
    return name.replace(" ", "")[: max(length, 1)]
