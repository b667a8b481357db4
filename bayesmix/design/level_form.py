"""From a formula and its data to level equations, where the model has such a form."""

from __future__ import annotations

from itertools import pairwise

from bayesmix.design.coding import code_terms
from bayesmix.design.design import Design
from bayesmix.design.heights import Floats, factor_values, height_of, varying_groups
from bayesmix.design.rows import only_group
from bayesmix.errors import DesignError
from bayesmix.specification import Factor, GroupTerm, LevelEquations, Specification, Term
from bayesmix.specification.factors import render
from bayesmix.specification.hierarchy import Equation, take_apart, too_high
from bayesmix.specification.level_texts import write_factor, write_sum, write_term
from bayesmix.specification.terms import Name


def factor_heights(design: Design) -> dict[Factor, int]:
    """For each factor of the formula, how many nested levels, from the lowest, do not see it vary in their groups."""
    chain = [level.grouping for level in design.levels[: design.tree.depth if design.tree is not None else 0]]
    return {factor: height_of(values, chain) for factor, values in _values_by_factor(design).items()}


def crossed_homes(design: Design) -> dict[Factor, int]:
    """The number of the first crossed level that does not see a factor vary in its groups, for those that have one."""
    found: dict[Factor, int] = {}
    first = len(design.levels) - len(design.crossed)
    for factor, values in _values_by_factor(design).items() if design.crossed else ():
        for number, level in enumerate(design.crossed, start=first):
            if not varying_groups(values, level.grouping.codes, len(level.grouping.labels)).any():
                found.setdefault(factor, number)
    return found


def _values_by_factor(design: Design) -> dict[Factor, Floats]:
    """The values of every factor of the fixed part and of the bars."""
    specification, group = design.specification, only_group(design.specification)
    terms = [*specification.fixed, *(term for bar in specification.groups for term in bar.effects)]
    factors = dict.fromkeys(factor for term in terms for factor in term.factors)
    return {one: factor_values(one, design.columns_read, design.memory, group, design.n) for one in factors}


def level_equations(design: Design) -> LevelEquations:
    """The level equations of a model; see :meth:`bayesmix.Model.level_equations`."""
    _require_chain(design)
    heights = factor_heights(design)
    bars = _bars_by_level(design)
    varying = [[term.factors for bar in here for term in bar.effects] for here in bars]
    high = too_high(varying, heights.__getitem__)
    if high is not None:
        level, product = high
        name = design.levels[level - 1].name
        raise _no_form(
            f"the effect of '{Term(product).label}' varies between the groups of '{name}', within which "
            f"'{next(factor.text for factor in product if heights[factor] >= level)}' does not vary"
        )
    form = take_apart([term.factors for term in design.specification.fixed], varying, heights.__getitem__)
    names, nested = _level_names([here[0].grouping for here in bars])
    written: dict[str, dict[str, str]] = {}
    fixed: dict[str, list[str]] = {}
    for name, equations in zip(names, form.equations, strict=True):
        said = [one for one in equations if not one.trivial]
        written[name] = {_label(one): write_sum([Term(product) for product in one.predictors]) for one in said}
        written[name] = {label: "" if text == "1" else text for label, text in written[name].items()}
        if without := [_label(one) for one in said if not one.residual]:
            fixed[name] = without
    correlated = {name: _blocks(here) for name, here in zip(names, bars, strict=True)}
    offsets = "".join(f" + offset({write_factor(offset)})" for offset in design.specification.offsets)
    first = write_sum([Term(product) for product in form.first])
    found = LevelEquations(
        f"{write_factor(design.specification.response)} ~ {first}{offsets}",
        written,
        fixed or None,
        True if all(value is True for value in correlated.values()) else correlated,
        True if all(nested.values()) else nested,
    )
    _check_coding(design, found.specification)
    return found


def _require_chain(design: Design) -> None:
    """Refuse models without levels, and crossed ones."""
    if not design.levels:
        raise _no_form("it has no levels; its one equation is the formula")
    if design.crossed:
        names = ", ".join(level.name for level in design.levels)
        raise _no_form(f"its levels ({names}) are crossed, not each within the next")


def _no_form(reason: str) -> DesignError:
    """The error where there is no level form."""
    return DesignError(
        f"This model can not be written level by level: {reason}.",
        "Expected nested levels, and effects that vary between groups of predictors that vary within them.",
        "model.equations() shows it in one combined equation.",
    )


def _bars_by_level(design: Design) -> list[list[GroupTerm]]:
    """The bars of each level, lowest level first."""
    bars = design.specification.groups
    return [[bar for bar in bars if set(bar.grouping) == set(level.grouping.columns)] for level in design.levels]


def _level_names(groupings: list[tuple[str, ...]]) -> tuple[list[str], dict[str, bool]]:
    """The name of each level as ``levels()`` takes it, and whether it is nested by name in the one above."""
    names, nested = [], {}
    for lower, upper in pairwise([*groupings, ()]):
        inside = lower[: len(upper)] == upper and len(lower) > len(upper)
        name = ":".join(render(Name(column)) for column in (lower[len(upper) :] if inside else lower))
        names.append(name)
        nested[name] = inside
    return names, nested


def _label(equation: Equation[Factor]) -> str:
    """A coefficient as the key of its equation."""
    return write_term(Term(equation.coefficient)) if equation.coefficient else "Intercept"


def _blocks(bars: list[GroupTerm]) -> bool | list[list[str]]:
    """Which effects of a level are correlated, as ``levels()`` takes it."""
    sets: list[list[str]] = []
    for bar in bars:
        labels = [write_term(term) if term.factors else "Intercept" for term in bar.effects]
        sets += [labels] if bar.correlated else [[label] for label in labels]
    if len(sets) == 1:
        return True
    return False if all(len(one) == 1 for one in sets) else sets


def _check_coding(design: Design, found: Specification) -> None:
    """Refuse equations whose order of terms, without main effects, codes categories in another way."""
    terms = (design.specification.fixed, found.fixed)
    before, after = ({column.key for column in code_terms(one, design.columns_read)} for one in terms)
    if before != after:
        raise _no_form(
            "an intercept or main effects of categories are left out, and in the order of substitution the terms would "
            "be coded in another way"
        )
