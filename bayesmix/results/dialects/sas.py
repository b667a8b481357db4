"""The fit as SAS PROC MIXED prints it, with the options COVTEST and SOLUTION."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from bayesmix.errors import ArgumentError
from bayesmix.results.dialects.conventions import CONVENTIONS
from bayesmix.results.dialects.estimates import (
    Component,
    against_no_groups,
    fixed_columns,
    fixed_table,
    group_sizes,
    highest_first,
    read_components,
)
from bayesmix.results.dialects.labels import class_factors, labelled, labels_by_factor, sas_effect, sas_subject
from bayesmix.tables import Printout, Rules, Sheet
from bayesmix.tables.significant import format_eight

if TYPE_CHECKING:
    from bayesmix.results.likelihood_fit import LikelihoodFit

RULE = CONVENTIONS["sas"]

# Labels of a class variable that are listed.
MOST_LABELS = 12


def print_sas(fit: LikelihoodFit) -> Printout:
    """Printout of PROC MIXED.

    SAS/STAT User's Guide, The MIXED Procedure, "Default Output".
    """
    fixed, notes = _fixed_effects(fit)
    tests, more = _type_three(fit)
    parts = [
        _model_information(fit),
        *_class_levels(fit),
        _dimensions(fit),
        _observations(fit),
        _components(fit),
        _fit_statistics(fit),
        *_null_model(fit),
        *fixed,
        *tests,
    ]
    return Printout("The Mixed Procedure", tuple(parts), tuple([*notes, *more, *_notes(fit)]), _RULES)


_RULES = Rules(indent=2, gap=3, centred=True)


def _structure(fit: LikelihoodFit) -> str:
    """What SAS calls the covariance structure of the RANDOM statements."""
    sizes = {stop - start for level in fit.design.levels for start, stop in level.blocks}
    if not sizes:
        return "Diagonal"
    single, several = min(sizes) == 1, max(sizes) > 1
    names = [*(["Unstructured"] if several else []), *(["Variance Components"] if single else [])]
    return ", ".join(names)


def _model_information(fit: LikelihoodFit) -> Sheet:
    """Dependent variable, structure and methods."""
    design = fit.design
    subjects = [sas_subject(design.levels[number]) for number in highest_first(fit)]
    rows = [("Dependent Variable", design.specification.response.text)]
    if design.weights_name:
        rows.append(("Weight Variable", design.weights_name))
    rows.append(("Covariance Structure", _structure(fit)))
    if subjects:
        rows.append((f"Subject Effect{'s' if len(subjects) > 1 else ''}", ", ".join(subjects)))
    rows += [
        ("Estimation Method", fit.method),
        ("Residual Variance Method", "Profile"),
        ("Fixed Effects SE Method", "Model-Based"),
        ("Degrees of Freedom Method", "Containment" if subjects else "Residual"),
    ]
    return Sheet("Model Information", ("", ""), tuple(rows), left=(1,))


def _class_levels(fit: LikelihoodFit) -> list[Sheet]:
    """Class variables: groupings and factors, with their labels."""
    design = fit.design
    rows: list[tuple[str, str, str]] = []
    for number in highest_first(fit):
        grouping = design.levels[number].grouping
        for place, column in enumerate(grouping.columns):
            labels = tuple(dict.fromkeys(cell[place] for cell in grouping.cells))
            if all(column != known for known, *_ in rows):
                rows.append((column, str(len(labels)), _listed(labels)))
    for name in class_factors(design.columns):
        labels = design.known_labels.get(name, ())
        if labels:
            rows.append((name, str(len(labels)), _listed(labels)))
    return [Sheet("Class Level Information", ("Class", "Levels", "Values"), tuple(rows), left=(2,))] if rows else []


def _listed(labels: tuple[object, ...]) -> str:
    """The first labels."""
    return " ".join(map(str, labels[:MOST_LABELS])) + (" ..." if len(labels) > MOST_LABELS else "")


def _dimensions(fit: LikelihoodFit) -> Sheet:
    """Covariance parameters, columns of X and Z, subjects."""
    levels = fit.design.levels
    count = sum(q * (q + 1) // 2 for level in levels for q in (stop - start for start, stop in level.blocks)) + 1
    z = "Columns in Z per Subject"
    if len(levels) == 1:
        subjects, largest = len(levels[0].grouping.labels), int(group_sizes(levels[0]).max())
        columns = len(levels[0].effects)
    elif levels and not fit.design.crossed:
        top = levels[-1]
        subjects, largest = len(top.grouping.labels), int(group_sizes(top).max())
        columns = _columns_per_subject(fit)
    else:
        subjects, largest, z = 1, fit.design.n, "Columns in Z"
        columns = sum(len(level.effects) * len(level.grouping.labels) for level in levels)
    rows = [
        ("Covariance Parameters", count),
        ("Columns in X", len(fit.design.fixed)),
        (z, columns),
        ("Subjects", subjects),
        ("Max Obs per Subject", largest),
    ]
    return Sheet("Dimensions", ("", ""), tuple((name, str(value)) for name, value in rows))


def _columns_per_subject(fit: LikelihoodFit) -> int:
    """Columns of Z of the top group that has most of them."""
    *lower, top = fit.design.levels
    total = np.full(len(top.grouping.labels), len(top.effects))
    for level in lower:
        pairs = np.unique(np.column_stack([top.grouping.codes, level.grouping.codes]), axis=0)
        total += len(level.effects) * np.bincount(pairs[:, 0], minlength=len(total))
    return int(total.max())


def _observations(fit: LikelihoodFit) -> Sheet:
    """Rows read, used and left out."""
    used, missing = fit.design.n, fit.design.n_missing
    rows = [("Read", used + missing), ("Used", used), ("Not Used", missing)]
    named = tuple((f"Number of Observations {name}", str(value)) for name, value in rows)
    return Sheet("Number of Observations", ("", ""), named)


def parameter_name(part: Component) -> str:
    """``UN(2,1)``, or the effect where it stands alone."""
    return f"UN({part.row + 1},{part.column + 1})" if part.size > 1 else labelled(part.first, "*", "Intercept")


def z_probability(part: Component) -> float:
    """Of a variance one-sided, of a covariance two-sided."""
    return float(stats.norm.sf(part.z)) if part.variance else float(2 * stats.norm.sf(abs(part.z)))


def format_probability(p: float) -> str:
    """As SAS prints it."""
    return "." if np.isnan(p) else "<.0001" if p < 1e-4 else f"{p:.4f}"


def _components(fit: LikelihoodFit) -> Sheet:
    """Covariance parameters with Wald tests, highest level first."""
    found = read_components(fit, RULE.errors)
    rows = []
    for number in highest_first(fit):
        for part in found.of_level(number):
            z = "." if np.isnan(part.z) else f"{part.z:.2f}"
            values = format_eight(part.estimate), format_eight(part.se), z, format_probability(z_probability(part))
            rows.append((parameter_name(part), sas_subject(fit.design.levels[number]), *values))
    z_residual = found.residual / found.residual_se
    tail = format_probability(float(stats.norm.sf(z_residual)))
    z = "." if np.isnan(z_residual) else f"{z_residual:.2f}"
    rows.append(("Residual", "", format_eight(found.residual), format_eight(found.residual_se), z, tail))
    head = ("Cov Parm", "Subject", "Estimate", "Standard\nError", "Z\nValue", "Pr Z")
    return Sheet("Covariance Parameter Estimates", head, tuple(rows), labels=2)


def criterion_name(fit: LikelihoodFit) -> str:
    """What the criterion is called."""
    return "-2 Res Log Likelihood" if fit.method == "REML" else "-2 Log Likelihood"


def _fit_statistics(fit: LikelihoodFit) -> Sheet:
    """Criterion and information criteria."""
    row = fit.information_criteria().loc[RULE.counts]
    names = [(f"{name.upper()} (Smaller is Better)", row[name]) for name in ("aic", "aicc", "bic")]
    rows = [(criterion_name(fit), fit.criterion), *names]
    return Sheet("Fit Statistics", ("", ""), tuple((name, f"{value:.1f}") for name, value in rows))


def _null_model(fit: LikelihoodFit) -> list[Sheet]:
    """Likelihood ratio against independent rows."""
    if not fit.design.levels:
        return []
    test = against_no_groups(fit)
    row = (str(test.df), f"{test.chisq:.2f}", format_probability(test.p))
    return [Sheet("Null Model Likelihood Ratio Test", ("DF", "Chi-Square", "Pr > ChiSq"), (row,), labels=0)]


def _fixed_effects(fit: LikelihoodFit) -> tuple[list[Sheet], list[str]]:
    """Solution for fixed effects, with a column for each factor."""
    table, notes = fixed_table(fit, RULE)
    if table.empty:
        return [], notes
    columns = fixed_columns(fit)
    factors = class_factors(columns)
    rows = []
    for column, (_, row) in zip(columns, table.iterrows(), strict=True):
        labels = labels_by_factor(column)
        df = "." if np.isnan(row["df"]) else f"{row['df']:.3g}" if row["df"] % 1 else f"{row['df']:.0f}"
        values = format_eight(row["estimate"]), format_eight(row["se"]), df
        tested = f"{row['t']:.2f}", format_probability(row["p"])
        rows.append((sas_effect(column), *(labels.get(name, "") for name in factors), *values, *tested))
    head = ("Effect", *factors, "Estimate", "Standard\nError", "DF", "t Value", "Pr > |t|")
    return [Sheet("Solution for Fixed Effects", head, tuple(rows), labels=1 + len(factors))], notes


def _type_three(fit: LikelihoodFit) -> tuple[list[Sheet], list[str]]:
    """Type 3 tests of fixed effects."""
    try:
        table = fit.anova(type=3, df=RULE.df)
    except ArgumentError as error:
        return [], [f"No Type 3 tests: {error.found}"]
    rows = [
        (str(name).replace(":", "*"), f"{row['num_df']:.0f}", f"{row['den_df']:.0f}", f"{row['F']:.2f}",
         format_probability(row["p"]))
        for name, row in table.iterrows()
    ]  # fmt: skip
    head = ("Effect", "Num\nDF", "Den\nDF", "F Value", "Pr > F")
    return [Sheet("Type 3 Tests of Fixed Effects", head, tuple(rows))] if rows else [], []


def _notes(fit: LikelihoodFit) -> list[str]:
    """What SAS would do differently."""
    notes = ["The iteration history is left out."]
    if fit.design.crossed:
        notes.append("Of crossed levels, which number of groups SAS takes for BIC could not be checked.")
    if class_factors(fit.design.columns):
        notes.append(
            "SAS has a column of X for every label of a class variable and takes the last label as reference; here "
            "the coding is that of the fit, and the columns in X are those estimated."
        )
    if fit.singular:
        notes.append(
            "On the boundary SAS prints 0 without standard error for a variance alone, and for a matrix that the "
            "estimated G matrix is not positive definite; for the latter its estimates can differ from these."
        )
    if fit.design.specification.offsets:
        notes.append("MODEL has no offset: in SAS subtract it from the dependent variable first.")
    return notes
