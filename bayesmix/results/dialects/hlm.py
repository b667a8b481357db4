"""The fit as HLM prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayesmix.errors import ArgumentError
from bayesmix.results.components import covariance_count, parameter_count
from bayesmix.results.dialects.coefficients import Coefficient, read_coefficients
from bayesmix.results.dialects.conventions import CONVENTIONS
from bayesmix.results.dialects.estimates import correlation_matrix, fixed_columns, fixed_table
from bayesmix.results.homogeneity_table import homogeneity_table
from bayesmix.tables import Lines, Printout, Rules, Sheet

if TYPE_CHECKING:
    from bayesmix.results.likelihood_fit import LikelihoodFit

RULE = CONVENTIONS["hlm"]

_RULES = Rules(indent=1, top="-", head="-", bottom="-")


def print_hlm(fit: LikelihoodFit) -> Printout:
    """Printout of HLM2 or HLM3.

    Raudenbush, Bryk, Cheong, Congdon & du Toit (2011), HLM 7: Hierarchical Linear and Nonlinear Modeling.
    """
    levels = fit.design.levels
    depth = len(levels) - len(fit.design.crossed)
    # Crossed groupings have no place in a tree of equations: their effects are named one by one, as a level's own.
    named, effects = read_coefficients(fit.design, fixed_columns(fit), [v.effects for v in levels[:depth]])
    for level in levels[depth:]:
        effects = (*effects, read_coefficients(fit.design, (), [level.effects])[1][0])
    tests, notes = effect_tests(fit)
    table, more = fixed_table(fit, RULE)
    parts: list[Sheet | Lines] = [
        Lines(tuple(_specification(fit))),
        Lines((f"Sigma_squared = {fit.sigma**2:12.5f}",)),
        *(sheet for number in range(len(levels)) for sheet in _tau(fit, number, effects[number])),
        *_reliability(tests, effects[:depth]),
        Lines((f"The value of the log-likelihood function = {fit.loglik:.6E}",)),
        *_fixed_effects(named, table),
        _variance_components(fit, effects, tests),
        Lines(tuple(_statistics(fit))),
    ]
    return Printout(f"HLM{len(levels) + 1}", tuple(parts), tuple([*notes, *more, *_notes(fit)]), _RULES)


def effect_tests(fit: LikelihoodFit) -> tuple[pd.DataFrame | None, list[str]]:
    """Chi-squares and reliabilities of every effect; None where groups have no coefficients of their own."""
    try:
        tests = homogeneity_table(fit.design, fit.products, fit.solution)
    except ArgumentError as error:
        return None, [f"No chi-square tests and reliabilities: {error.found}"]
    left_out = [
        f"{int(row['groups_used'])} of {int(row['groups_used'] + row['groups_excluded'])} units of {level} that had "
        "sufficient data for computation"
        for level, row in tests.groupby(level=0, sort=False).first().iterrows()
        if row["groups_excluded"]
    ]
    source = "Chi-squares use the residual variance of the fit; HLM stops its iterations earlier, with other digits."
    if not left_out:
        return tests, [source]
    return tests, [
        source,
        f"The chi-square statistics and reliabilities are based on only {'; '.join(left_out)}. Fixed effects and "
        "variance components are based on all the data.",
    ]


def _specification(fit: LikelihoodFit) -> list[str]:
    """Units, method and outcome."""
    design = fit.design
    method = "restricted maximum likelihood" if fit.method == "REML" else "full maximum likelihood"
    lines = [f"The maximum number of level-1 units = {design.n}"]
    for number, level in enumerate(design.levels):
        lines.append(f"The maximum number of level-{number + 2} units = {len(level.grouping.labels)} ({level.name})")
    if design.weights_name:
        lines.append(f"Precision weighting: {design.weights_name}")
    return [
        *lines,
        f"Method of estimation: {method}",
        f"The outcome variable is {design.specification.response.text.upper()}",
    ]


def _row_name(effect: Coefficient) -> str:
    """``INTRCPT1,B0``."""
    return f"{effect.names[-1].removesuffix(' slope')},{effect.codes[-1]}"


def _tau(fit: LikelihoodFit, number: int, effects: tuple[Coefficient, ...]) -> list[Sheet]:
    """The covariance matrix of a level, and as correlations."""
    sigma = fit.solution.covariances[number]
    of = f" ({fit.design.levels[number].name})" if len(fit.design.levels) > 1 else ""
    correlations = correlation_matrix(sigma)
    sheets = []
    for title, matrix, decimals in ((f"Tau{of}", sigma, 5), (f"Tau (as correlations){of}", correlations, 3)):
        rows = [
            (_row_name(effect), *(f"{value:.{decimals}f}" if np.isfinite(value) else "." for value in row))
            for effect, row in zip(effects, matrix, strict=True)
        ]
        sheets.append(Sheet(title, ("", *[""] * len(effects)), tuple(rows), plain=True))
    return sheets


def _reliability(tests: pd.DataFrame | None, effects: tuple[tuple[Coefficient, ...], ...]) -> list[Sheet]:
    """Reliability of the groups' own coefficients."""
    if tests is None:
        return []
    every = [effect for level in effects for effect in level]
    rows = [
        (f"{effect.names[-1].removesuffix(' slope')}, {effect.codes[-1]}", f"{value:.3f}")
        for effect, value in zip(every, tests["reliability"], strict=True)
    ]
    return [Sheet("", ("Random coefficient", "Reliability estimate"), tuple(rows))]


def format_probability(p: float) -> str:
    """As HLM 7 prints it."""
    return "." if np.isnan(p) else "<0.001" if p < 5e-4 else f"{p:.3f}"


def _fixed_effects(named: tuple[Coefficient, ...], table: pd.DataFrame) -> list[Sheet]:
    """Coefficients under the equations they belong to."""
    if table.empty:
        return []
    rows: list[tuple[str, ...]] = []
    last: tuple[str, ...] = ()
    for i in sorted(range(len(named)), key=lambda i: [(len(code), code) for code in named[i].codes]):
        effect, row = named[i], table.iloc[i]
        outer = effect.codes[:-1]
        for step, code in enumerate(outer):
            if last[: step + 1] != outer[: step + 1]:
                rows.append((f"{'  ' * step}For {effect.names[step]}, {code}", *[""] * 5))
        last = outer
        df = "." if np.isnan(row["df"]) else f"{row['df']:.0f}"
        values = f"{row['estimate']:.6f}", f"{row['se']:.6f}", f"{row['t']:.3f}", df, format_probability(row["p"])
        rows.append((f"{'  ' * len(outer)}{effect.names[-1]}, {effect.codes[-1]}", *values))
    head = ("Fixed Effect", "Coefficient", "Standard\nError", "t-ratio", "Approx.\nd.f.", "p-value")
    return [Sheet("Final estimation of fixed effects:", head, tuple(rows))]


def _variance_components(
    fit: LikelihoodFit, effects: tuple[tuple[Coefficient, ...], ...], tests: pd.DataFrame | None
) -> Sheet:
    """Standard deviations and variances with the test of homogeneity, level 1 after level 2."""
    letters = ("R", "U") if len(effects) > 1 else ("U",)
    level_one = ("level-1, E" if len(effects) > 1 else "level-1, R", f"{fit.sigma:.5f}", f"{fit.sigma**2:.5f}", "", "",
                 "")  # fmt: skip
    rows: list[tuple[str, ...]] = []
    at = 0
    for number, level in enumerate(effects):
        variances = np.diag(fit.solution.covariances[number])
        letter = letters[min(number, len(letters) - 1)]
        for effect, variance in zip(level, variances, strict=True):
            cells = f"{np.sqrt(variance):.5f}", f"{variance:.5f}"
            rows.append((f"{effect.names[-1]}, {letter}{effect.place}", *cells, *_test_cells(tests, at)))
            at += 1
        if number == 0:
            rows.append(level_one)
            if len(effects) > 1:
                rows.append(())
    if not effects:
        rows.append(level_one)
    head = ("Random Effect", "Standard\nDeviation", "Variance\nComponent", "d.f.", "Chi-square", "p-value")
    return Sheet("Final estimation of variance components:", head, tuple(rows))


def _test_cells(tests: pd.DataFrame | None, at: int) -> tuple[str, str, str]:
    """Degrees of freedom, chi-square and p of one effect."""
    if tests is None:
        return ".", ".", "."
    row = tests.iloc[at]
    return f"{row['df']:.0f}", f"{row['chi2']:.5f}", format_probability(row["p"])


def estimated_parameters(fit: LikelihoodFit) -> int:
    """As HLM counts: under REML covariance parameters only."""
    return covariance_count(fit.products) if fit.method == "REML" else parameter_count(fit.products)


def _statistics(fit: LikelihoodFit) -> list[str]:
    """Deviance and what was estimated."""
    return [
        "Statistics for current covariance components model",
        "--------------------------------------------------",
        f"Deviance                       = {fit.criterion:.6f}",
        f"Number of estimated parameters = {estimated_parameters(fit)}",
    ]


def _notes(fit: LikelihoodFit) -> list[str]:
    """What HLM would do differently."""
    design = fit.design
    notes = []
    if not design.levels:
        notes.append("HLM fits no model without a second level; this is the layout it would have.")
    if design.crossed:
        names = ", ".join(level.name for level in design.crossed)
        notes.append(f"HLM2 and HLM3 have nested levels only; crossed ones ({names}) need its module HCM2.")
    if len(design.levels) > 1 and fit.method == "REML":
        module = f"HLM{len(design.levels) + 1}"
        notes.append(f"{module} fits by full maximum likelihood; fit by model.ml() for its numbers.")
    if any(len(level.blocks) > 1 for level in design.levels):
        notes.append("Covariances that are no parameters are printed as 0; HLM estimates all of Tau unless told.")
    if fit.singular:
        notes.append("HLM keeps Tau inside the boundary and stops or warns where the estimate lies on it.")
    if design.specification.offsets:
        notes.append("HLM has no offset: subtract it from the outcome first.")
    return notes
