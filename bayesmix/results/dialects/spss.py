"""The fit as SPSS MIXED prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from bayesmix.results.anova import intercept_test
from bayesmix.results.criteria import consistent_aic
from bayesmix.results.dialects.conventions import CONVENTIONS
from bayesmix.results.dialects.estimates import (
    Component,
    fixed_columns,
    fixed_table,
    highest_first,
    read_components,
    wald_interval,
)
from bayesmix.results.dialects.labels import class_factors, labelled, spss_subject
from bayesmix.results.term_hypotheses import fixed_terms
from bayesmix.tables import Printout, Rules, Sheet
from bayesmix.tables.significant import without_zero

if TYPE_CHECKING:
    from bayesmix.results.likelihood_fit import LikelihoodFit

RULE = CONVENTIONS["spss"]

_RULES = Rules(indent=2, centred=True, top="-", head="-", bottom="-")


def print_spss(fit: LikelihoodFit) -> Printout:
    """Printout of MIXED with PRINT=SOLUTION TESTCOV.

    IBM SPSS Statistics Algorithms, MIXED.
    """
    fixed, notes = _fixed_effects(fit)
    parts = [_dimension(fit), _criteria(fit), *_type_three(fit), *fixed, _components(fit)]
    title = f"Mixed Model Analysis. Dependent Variable: {fit.design.specification.response.text}"
    return Printout(title, tuple(parts), tuple([*notes, *_notes(fit)]), _RULES)


def _number(value: float, decimals: int) -> str:
    """A number without the zero before its point; blank if missing."""
    return "" if np.isnan(value) else without_zero(f"{value:.{decimals}f}")


def format_significance(p: float) -> str:
    """As SPSS prints it."""
    return "" if np.isnan(p) else "<.001" if p < 5e-4 else without_zero(f"{p:.3f}")


def _dimension(fit: LikelihoodFit) -> Sheet:
    """Effects with their numbers of parameters."""
    rows = []
    levels = fit.design.levels
    for term in fixed_terms(fit.design):
        rows.append(("Fixed Effects", term.label.replace(":", " * "), str(len(term.columns)), "", ""))
    total = len(fit.design.fixed) + 1
    for number in highest_first(fit):
        for start, stop in levels[number].blocks:
            q = stop - start
            structure, count = ("Unstructured", q * (q + 1) // 2) if q > 1 else ("Variance Components", 1)
            name = _effects(fit, number, start, stop)
            rows.append(("Random Effects", f"{name} ({structure})", str(count), "", spss_subject(levels[number])))
            total += count
    rows.append(("Residual", "", "1", "", ""))
    rows.append(("Total", "", str(total), "", ""))
    kept = tuple((a if i == 0 or rows[i - 1][0] != a else "", b, c, e) for i, (a, b, c, _, e) in enumerate(rows))
    return Sheet("Model Dimension", ("", "", "Number of\nParameters", "Subject\nVariables"), kept, labels=2)


def _effects(fit: LikelihoodFit, number: int, start: int, stop: int) -> str:
    """``Intercept + ses``."""
    return " + ".join(labelled(effect, " * ", "Intercept") for effect in fit.design.levels[number].effects[start:stop])


def criterion_name(fit: LikelihoodFit) -> str:
    """What the criterion is called."""
    return "-2 Restricted Log Likelihood" if fit.method == "REML" else "-2 Log Likelihood"


def _criteria(fit: LikelihoodFit) -> Sheet:
    """Criterion and information criteria."""
    row = fit.information_criteria().loc[RULE.counts]
    rows = [
        (criterion_name(fit), fit.criterion),
        ("Akaike's Information Criterion (AIC)", row["aic"]),
        ("Hurvich and Tsai's Criterion (AICC)", row["aicc"]),
        ("Bozdogan's Criterion (CAIC)", consistent_aic(fit.criterion, int(row["k"]), int(row["n_bic"]))),
        ("Schwarz's Bayesian Criterion (BIC)", row["bic"]),
    ]
    return Sheet("Information Criteria", ("", ""), tuple((name, f"{value:.3f}") for name, value in rows))


def _type_three(fit: LikelihoodFit) -> list[Sheet]:
    """Type III tests of fixed effects, the intercept among them."""
    table = fit.anova(type=3, df=RULE.df)
    tests = table[["num_df", "den_df", "F", "p"]].astype(float)
    found = [(str(name).replace(":", " * "), *row.tolist()) for name, row in tests.iterrows()]
    constant = intercept_test(fit, RULE.df)
    if constant is not None:
        p = float(stats.f.sf(constant.statistic, constant.num_df, constant.den_df))
        found.insert(0, ("Intercept", float(constant.num_df), constant.den_df, constant.statistic, p))
    rows = [(n, f"{a:.0f}", _number(b, 3), _number(f, 3), format_significance(p)) for n, a, b, f, p in found]
    head = ("Source", "Numerator\ndf", "Denominator\ndf", "F", "Sig.")
    return [Sheet("Type III Tests of Fixed Effects", head, tuple(rows))] if rows else []


def _fixed_effects(fit: LikelihoodFit) -> tuple[list[Sheet], list[str]]:
    """Estimates of fixed effects with intervals."""
    table, notes = fixed_table(fit, RULE)
    if table.empty:
        return [], notes
    rows = []
    for column, (_, row) in zip(fixed_columns(fit), table.iterrows(), strict=True):
        limits = _number(row["ci_low"], 6), _number(row["ci_high"], 6)
        tested = _number(row["df"], 3), _number(row["t"], 3), format_significance(row["p"])
        name = labelled(column, " * ", "Intercept")
        rows.append((name, _number(row["estimate"], 6), _number(row["se"], 6), *tested, *limits))
    return [Sheet("Estimates of Fixed Effects", _head("df", "t"), tuple(rows))], notes


def _head(*tests: str) -> tuple[str, ...]:
    """Names of the columns of a table of estimates."""
    return ("Parameter", "Estimate", "Std. Error", *tests, "Sig.", "95% CI\nLower Bound", "95% CI\nUpper Bound")


def parameter_name(fit: LikelihoodFit, part: Component) -> tuple[str, str]:
    """Effects with their subject, and the place in the matrix."""
    level = fit.design.levels[part.level]
    start, stop = level.blocks[part.block]
    place = f"UN ({part.row + 1},{part.column + 1})" if part.size > 1 else "Variance"
    return f"{_effects(fit, part.level, start, stop)} [subject = {spss_subject(level)}]", place


def z_probability(part: Component) -> float:
    """Two-sided, of variances too."""
    return float(2 * stats.norm.sf(abs(part.z)))


def _components(fit: LikelihoodFit) -> Sheet:
    """Covariance parameters: the residual first, then the highest level."""
    found = read_components(fit, RULE.errors)
    z = found.residual / found.residual_se
    limits = wald_interval(found.residual, found.residual_se, True)
    rows = [("Residual", "", *_component_cells(found.residual, found.residual_se, z, limits))]
    last = ""
    for number in highest_first(fit):
        for part in found.of_level(number):
            name, place = parameter_name(fit, part)
            cells = _component_cells(part.estimate, part.se, part.z, part.interval())
            rows.append((name if name != last else "", place, *cells))
            last = name
    head = _head("Wald Z")
    return Sheet("Estimates of Covariance Parameters", (head[0], "", *head[1:]), tuple(rows), labels=2)


def _component_cells(estimate: float, se: float, z: float, limits: tuple[float, float]) -> tuple[str, ...]:
    """Estimate, error, Wald Z, two-sided p and interval."""
    p = float(2 * stats.norm.sf(abs(z)))
    bounds = _number(limits[0], 6), _number(limits[1], 6)
    return _number(estimate, 6), _number(se, 6), _number(z, 3), format_significance(p), *bounds


def _notes(fit: LikelihoodFit) -> list[str]:
    """What SPSS would do differently."""
    notes = []
    if class_factors(fit.design.columns):
        notes.append("SPSS takes the last label of a factor as reference; here the coding is that of the fit.")
    if fit.singular:
        notes.append(
            "On the boundary SPSS warns that a covariance parameter is redundant and prints neither standard error nor "
            "test for it."
        )
    if fit.design.weights_name:
        notes.append(f"Weights are SPSS's residual weights: REGWGT={fit.design.weights_name}.")
    if fit.design.specification.offsets:
        notes.append("MIXED has no offset: in SPSS subtract it from the dependent variable first.")
    return notes
