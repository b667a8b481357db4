"""The fit as Stata's ``mixed`` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from bayesmix.design.coding import Atom, Measure
from bayesmix.results.contrasts import joint_test
from bayesmix.results.dialects.conventions import CONVENTIONS
from bayesmix.results.dialects.estimates import (
    Component,
    Components,
    NoGroups,
    against_no_groups,
    fixed_columns,
    fixed_table,
    group_sizes,
    highest_first,
    read_components,
    wald_interval,
)
from bayesmix.results.dialects.labels import stata_effect, stata_variable
from bayesmix.tables import Lines, Printout, Rules, Sheet
from bayesmix.tables.significant import format_general

if TYPE_CHECKING:
    from bayesmix.results.likelihood_fit import LikelihoodFit

RULE = CONVENTIONS["stata"]

_RULES = Rules(gap=3, top="-", head="-", bottom="-", bar=True)

# Width of Stata's results window in characters.
_WIDTH = 78


def print_stata(fit: LikelihoodFit) -> Printout:
    """Printout of ``mixed ..., variance``.

    Stata Multilevel Mixed-Effects Reference Manual, mixed.
    """
    table, notes = fixed_table(fit, RULE)
    parts: list[Sheet | Lines] = [
        *_groups(fit),
        Lines(tuple(_header(fit))),
        *_fixed_effects(fit, table),
        _components(fit),
        *_against_linear(fit),
    ]
    return Printout(f"Mixed-effects {fit.method} regression", tuple(parts), tuple([*notes, *_notes(fit)]), _RULES)


def _sizes(fit: LikelihoodFit, number: int) -> tuple[str, str, str, str]:
    """Groups of a level, and fewest, mean and most rows of them."""
    sizes = group_sizes(fit.design.levels[number])
    return f"{len(sizes):,}", f"{sizes.min():,}", f"{sizes.mean():,.1f}", f"{sizes.max():,}"


def _groups(fit: LikelihoodFit) -> list[Sheet]:
    """Numbers of groups where there are several levels."""
    if len(fit.design.levels) < 2:
        return []
    rows = tuple((fit.design.levels[i].grouping.columns[-1], *_sizes(fit, i)) for i in highest_first(fit))
    head = ("Group Variable", "No. of\nGroups", "Obs per Group\nMinimum", "\nAverage", "\nMaximum")
    return [Sheet("", head, rows)]


def criterion_name(fit: LikelihoodFit) -> str:
    """What the criterion is called."""
    return "Log restricted-likelihood" if fit.method == "REML" else "Log likelihood"


def _header(fit: LikelihoodFit) -> list[str]:
    """Sizes on the right, the likelihood on the left of Wald's test."""
    pairs = [("Number of obs", f"{fit.design.n:,}")]
    left = [""]
    if len(fit.design.levels) == 1:
        count, smallest, mean, largest = _sizes(fit, 0)
        pairs += [("Number of groups", count), ("Obs per group: min", smallest), ("avg", mean), ("max", largest)]
        left += [f"Group variable: {fit.design.levels[0].grouping.columns[-1]}", "", "", ""]
    names = [name for name in fit.design.fixed_names if name != "Intercept"]
    chi2, p = ".", "."
    if names:
        L = np.eye(len(fit.design.fixed))[[i for i, n in enumerate(fit.design.fixed_names) if n != "Intercept"]]
        test = joint_test(fit, L, np.zeros(len(L)), "chi2")
        value = test.statistic * test.num_df
        chi2, p = f"{value:.2f}", f"{stats.chi2.sf(value, test.num_df):.4f}"
    pairs += [(f"Wald chi2({len(names)})", chi2), ("Prob > chi2", p)]
    loglik = format_general(fit.loglik, 8, 5)
    left += ["", f"{criterion_name(fit)} = {loglik}"]
    right = [f"{name.rjust(20)} = {value.rjust(9)}" for name, value in pairs]
    return [one.ljust(_WIDTH - len(two)) + two for one, two in zip(left, right, strict=True)]


def _cells(estimate: float, se: float, limits: tuple[float, float]) -> tuple[str, str, str, str]:
    """Estimate, error and interval."""
    low, high = limits
    return format_general(estimate), format_general(se), format_general(low), format_general(high)


def _fixed_effects(fit: LikelihoodFit, table: pd.DataFrame) -> list[Sheet]:
    """Coefficients, labels of factors under their names, the constant last."""
    if table.empty:
        return []
    rows: list[tuple[str, ...]] = []
    constant: list[tuple[str, ...]] = []
    heading = ""
    for column, (_, row) in zip(fixed_columns(fit), table.iterrows(), strict=True):
        name, label = stata_effect(column)
        estimate, se, low, high = _cells(row["estimate"], row["se"], (row["ci_low"], row["ci_high"]))
        values = estimate, se, f"{row['t']:.2f}", f"{row['p']:.3f}", low, high
        if name and name != heading:
            rows.append((name, *[""] * 6))
        heading = name
        (rows if column.atoms else constant).append(((" " * 2 if name else "") + label, *values))
    response = fit.design.specification.response.text
    head = (response, "Coefficient", "Std. err.", "z", "P>|z|", "[95% conf.", "interval]")
    return [Sheet("", head, tuple([*rows, *constant]))]


def _structure(count: int, correlated: bool) -> str:
    """Stata's name for a covariance matrix."""
    return "Unstructured" if correlated else "Identity" if count == 1 else "Independent"


def parameter_name(part: Component) -> str:
    """``var(ses)``, ``cov(ses,_cons)``: the constant after the slopes."""
    if part.variance:
        return f"var({stata_variable(part.first)})"
    names = sorted([part.first, part.second], key=lambda column: not column.atoms)
    return f"cov({','.join(stata_variable(column) for column in names)})"


def ordered(parts: tuple[Component, ...]) -> list[Component]:
    """Variances of slopes, of the constant, then covariances with the constant last."""
    variances = [part for part in parts if part.variance]
    covariances = sorted([part for part in parts if not part.variance], key=lambda part: (part.column, part.row))
    ends = [part for part in covariances if not (part.first.atoms and part.second.atoms)]
    middle = [part for part in covariances if part not in ends]
    slopes = sorted(variances, key=lambda part: not part.first.atoms)
    return [*slopes, *middle, *ends]


def _components(fit: LikelihoodFit) -> Sheet:
    """Random-effects parameters, highest level first."""
    found = read_components(fit, RULE.errors)
    rows: list[tuple[str, ...]] = []
    for number in highest_first(fit):
        level = fit.design.levels[number]
        alone = sum(stop - start == 1 for start, stop in level.blocks)
        for title, parts in _blocks(found, number, alone):
            rows.append((f"{level.grouping.columns[-1]}: {title}", *[""] * 4))
            for part in ordered(parts):
                rows.append((f"  {parameter_name(part)}", *_cells(part.estimate, part.se, part.interval())))
            rows.append(())
    limits = wald_interval(found.residual, found.residual_se, True)
    rows.append(("  var(Residual)", *_cells(found.residual, found.residual_se, limits)))
    head = ("Random-effects parameters", "Estimate", "Std. err.", "[95% conf.", "interval]")
    return Sheet("", head, tuple(rows))


def _blocks(found: Components, number: int, alone: int) -> list[tuple[str, tuple[Component, ...]]]:
    """Covariance matrices of a level by name; effects that are correlated with none together."""
    parts = found.of_level(number)
    single = tuple(part for part in parts if part.size == 1)
    blocks = [(_structure(alone, False), single)] if single else []
    for block in dict.fromkeys(part.block for part in parts if part.size > 1):
        blocks.append((_structure(0, True), tuple(part for part in parts if part.block == block)))
    return blocks


def _against_linear(fit: LikelihoodFit) -> list[Lines]:
    """Likelihood ratio against no group effects."""
    if not fit.design.levels:
        return []
    test = against_no_groups(fit)
    return [Lines(tuple(_ratio_lines(test)))]


def _ratio_lines(test: NoGroups) -> list[str]:
    """One variance: the mixture of chi-squares on 0 and 1; more: chi-square, conservative."""
    if test.df == 1:
        p = test.p / 2 if test.chisq > 0 else 1.0
        return [f"LR test vs. linear model: chibar2(01) = {test.chisq:.2f}    Prob >= chibar2 = {p:.4f}"]
    line = f"LR test vs. linear model: chi2({test.df}) = {test.chisq:.2f}    Prob > chi2 = {test.p:.4f}"
    return [line, "", "Note: LR test is conservative and provided only for reference."]


def _notes(fit: LikelihoodFit) -> list[str]:
    """What Stata would do differently."""
    design = fit.design
    notes = []
    if fit.method == "REML":
        notes.append("mixed fits by ML unless told reml.")
    if any(stop - start > 1 for level in design.levels for start, stop in level.blocks):
        notes.append("Without covariance(unstructured) Stata's random effects are independent.")
    if design.crossed:
        names = ", ".join(level.name for level in design.crossed)
        notes.append(f"In Stata crossed effects ({names}) are written || _all: R.varname and labelled _all.")
    if _label_effects(fit):
        notes.append("Random effects of labels need indicator variables in Stata; their names are made up here.")
    if fit.singular:
        notes.append("On the boundary Stata prints a variance near 0 and often no standard errors.")
    if design.weights_name:
        notes.append("mixed has no precision weights; residuals(independent, by()) is the nearest.")
    if design.specification.offsets:
        notes.append("mixed has no offset: in Stata subtract it from the dependent variable first.")
    return notes


def _label_effects(fit: LikelihoodFit) -> bool:
    """Whether anything but a number or the constant varies."""
    atoms: list[Atom] = [atom for level in fit.design.levels for effect in level.effects for atom in effect.atoms]
    return any(not isinstance(atom, Measure) for atom in atoms)
