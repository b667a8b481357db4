"""Level equations, as textbooks write them, to a :class:`~bayesmix.specification.terms.Specification`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bayesmix.errors import FormulaError, refuse_unknown
from bayesmix.specification.formula import parse_formula
from bayesmix.specification.level_options import read_blocks, read_fixed, read_nested
from bayesmix.specification.level_texts import Reader, write_bar, write_factor, write_sum
from bayesmix.specification.terms import INTERCEPT, LevelPredictor, Specification, Term


def levels(
    equation: str,
    levels: Mapping[str, Mapping[str, str]] | None = None,
    /,
    *,
    fixed: Any = None,
    correlated: Any = True,
    nested: Any = True,
    **short: Any,
) -> Specification:
    """A model written level by level.

    Each coefficient of a level may get an equation one level up: its predictors there, and a residual, which makes the
    coefficient vary between the groups. Substituting the equations into one another gives the formula of the model;
    products of predictors of different levels are its cross-level interactions.

    Parameters
    ----------
    equation : str
        Of the rows: ``"math ~ ses"``.
    levels : mapping of str to mapping of str to str
        For each level, lowest to highest, equations by the name of their coefficient: ``{"school": {"Intercept":
        "meanses + sector", "ses": "sector"}}``. An equation holds predictors of that level; ``""`` is a mean and a
        residual, ``"0 + x"`` has no mean. A level is named by the column of its groups. Coefficients of the second
        level are ``"Intercept"``, its predictors, and products as ``"ses:sector"``. With one level, or several, also
        as keywords: ``school={...}``.
    fixed : list of str or mapping of str to list of str, optional
        Coefficients whose equations have no residual; a plain list holds for every level.
    correlated : bool or list of list of str, or mapping of str to these
        Whether the residuals of a level are correlated with each other; or sets of them that are, each coefficient in
        one of them.
    nested : bool or mapping of str to bool
        Whether the groups of a level are named by its column together with those of the levels above it, ``child``
        within ``school`` as ``school:child``, as in ``(1 | school/child)``. False for codes that are unique, to name
        groups by the column alone.

    Returns
    -------
    Specification
        That of the formula it is equivalent to, which is its ``formula``.

    Raises
    ------
    FormulaError
        An equation that can not be read, of a coefficient or a level that is not there, or a term that arises twice.
        Whether predictors vary within the groups of their level shows when the model meets its data.

    References
    ----------
    Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., chapters 2 and 8.

    Examples
    --------
    >>> import bayesmix as bx
    >>> found = bx.levels("math ~ ses", school={"Intercept": "meanses + sector", "ses": "sector"})
    >>> found.formula
    'math ~ ses + meanses + sector + ses:sector + (ses | school)'
    >>> bx.levels("y ~ t", {"child": {"Intercept": "tx", "t": ""}, "school": {"Intercept": ""}}, fixed=["t"]).formula
    'y ~ t + tx + (1 | school:child) + (1 | school)'
    """
    strange = {name: value for name, value in short.items() if not isinstance(value, Mapping)}
    offered = ("fixed", "correlated", "nested")
    unlike = [name for name in strange if not difflib.get_close_matches(name, offered, n=1)]
    remedies = {name: f'For a level of that name write {name}={{"Intercept": ""}}.' for name in unlike}
    refuse_unknown("levels", strange, offered, remedies)
    return LevelEquations(equation, _gather(levels, short), fixed, correlated, nested).specification


def _gather(given: Any, short: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Equations of every level, from the mapping and from keywords."""
    if given is not None and not isinstance(given, Mapping):
        raise FormulaError(
            f"The levels are an object of type {type(given).__name__!r}.",
            "Expected equations by level and coefficient.",
            'Write {"school": {"Intercept": "", "ses": ""}}.',
        )
    twice = [name for name in short if name in (given or {})]
    if twice:
        raise FormulaError(
            f"Level '{twice[0]}' is given twice.", "Each level is given once.", "Remove it from one of the two places."
        )
    found = {**(given or {}), **short}
    for name, equations in found.items():
        if not isinstance(name, str) or not isinstance(equations, Mapping):
            raise FormulaError(
                f"Level {name!r} has {equations!r} for its equations.",
                "Expected equations by the name of their coefficient.",
                'Write {"Intercept": "", "ses": ""}, the names of coefficients and their predictors.',
            )
        if not equations:
            raise FormulaError(
                f"Level '{name}' has no equation.",
                "At least one coefficient varies between the groups of a level.",
                f'Write "{name}": {{"Intercept": ""}} for intercepts that vary, or leave the level out.',
            )
    if not found:
        raise FormulaError(
            "There are no levels.",
            "Expected equations of at least one level above the rows.",
            "Without groups the first equation is the model: pass it to Model as it is.",
        )
    return {name: dict(equations) for name, equations in found.items()}


@dataclass(frozen=True)
class LevelEquations:
    """The equations of a model, as :func:`levels` takes them.

    Parameters
    ----------
    equation : str
        Of the rows.
    levels : mapping of str to mapping of str to str
        Equations by level, lowest first, and coefficient.
    fixed, correlated, nested
        As in :func:`levels`.
    """

    equation: str
    levels: Mapping[str, Mapping[str, str]]
    fixed: Any = None
    correlated: Any = True
    nested: Any = True

    @property
    def specification(self) -> Specification:
        """The model that the equations make."""
        return _substitute(self)

    def __repr__(self) -> str:
        inside = [repr(self.equation), "{"]
        for name, equations in self.levels.items():
            inside.append(f"    {name!r}: {dict(equations)!r},")
        lines = [f"bx.levels(\n    {inside[0]},", *(f"    {line}" for line in inside[1:]), "    },"]
        options = (("fixed", self.fixed, None), ("correlated", self.correlated, True), ("nested", self.nested, True))
        lines += [f"    {name}={value!r}," for name, value, usual in options if value != usual]
        return "\n".join([*lines, ")"])


@dataclass
class _Coefficients:
    """Coefficients of the level reached so far, by the factors of their product, with what each came from."""

    terms: dict[frozenset[Any], Term] = field(default_factory=dict)
    origins: dict[frozenset[Any], str] = field(default_factory=dict)

    def add(self, term: Term, origin: str) -> None:
        """A new one, which may not be there already."""
        key = frozenset(term.factors)
        if key in self.origins:
            raise FormulaError(
                f"The term '{term.label}' arises twice: from {self.origins[key]} and from {origin}.",
                "After substitution each term stands there once; its two coefficients could not be told apart.",
                "Remove it from one of the two.",
            )
        self.terms[key], self.origins[key] = term, origin

    def find(self, term: Term, written: str, level: str) -> Term:
        """The one that an equation is of."""
        found = self.terms.get(frozenset(term.factors))
        if found is None:
            names = [known.label for known in self.terms.values()]
            near = difflib.get_close_matches(written, names, n=1, cutoff=0.5)
            raise FormulaError(
                f"Level '{level}' has an equation of '{written}', which is no coefficient of the level below.",
                f"Expected one of {', '.join(names) or 'none'}.",
                f"Did you mean '{near[0]}'?" if near else "Add it to the equation below, or remove this equation.",
            )
        return found


def _substitute(model: LevelEquations) -> Specification:
    """Equations put into one another, from the lowest level to the highest."""
    reader = Reader(model.equation)
    names = list(model.levels)
    no_residual = read_fixed(model.fixed, names, reader)
    blocks = read_blocks(model.correlated, names, reader)
    combined = read_nested(model.nested, names)
    groupings = _groupings(names, combined, reader)
    found = _Coefficients()
    for term in reader.first:
        found.add(term, "the equation of the rows")
    bars, predictors = [], []
    for name, grouping in zip(names, groupings, strict=True):
        equations = _read_equations(name, model.levels[name], found, reader)
        still = no_residual.for_level(name, [coefficient for coefficient, _ in equations])
        effects = [coefficient for coefficient, _ in equations if coefficient not in still]
        if not effects:
            raise FormulaError(
                f"At level '{name}' nothing varies: every equation is fixed.",
                "At least one equation of a level has a residual.",
                "Leave one coefficient out of fixed, or write the predictors into the equations of another level.",
            )
        bars += [write_bar(block, grouping, one) for block, one in blocks.for_level(name, effects)]
        for coefficient, terms in equations:
            _explain(name, coefficient, terms, found)
            predictors += [
                LevelPredictor(factor, grouping, name, coefficient.label) for term in terms for factor in term.factors
            ]
    no_residual.check_used()
    combination = sorted(found.terms.values(), key=lambda term: len(term.factors))
    offsets = [f"offset({write_factor(offset)})" for offset in reader.offsets]
    text = f"{write_factor(reader.response)} ~ {' + '.join([write_sum(combination), *offsets, *bars])}"
    return replace(parse_formula(text), level_predictors=tuple(dict.fromkeys(predictors)), by_levels=True)


def _groupings(names: Sequence[str], combined: Mapping[str, bool], reader: Reader) -> list[tuple[str, ...]]:
    """The columns that name the groups of each level."""
    found: list[tuple[str, ...]] = []
    above: tuple[str, ...] = ()
    for name in reversed(names):
        own = reader.grouping(name)
        if combined[name]:
            own = above + tuple(column for column in own if column not in above)
        if own in found or own == ():
            raise FormulaError(
                f"Level '{name}' has the groups of another level.", "Each level has its own groups.", "Remove one."
            )
        found.insert(0, own)
        above = own
    return found


def _read_equations(
    level: str, equations: Mapping[str, str], found: _Coefficients, reader: Reader
) -> list[tuple[Term, tuple[Term, ...]]]:
    """Coefficients of the level below, each with what explains it here."""
    read: dict[Term, tuple[Term, ...]] = {}
    for written, text in equations.items():
        coefficient = found.find(reader.coefficient(written, f"at level '{level}'"), str(written), level)
        if coefficient in read:
            raise FormulaError(
                f"Level '{level}' has two equations of '{coefficient.label}'.",
                "Each coefficient has one equation at a level.",
                "Join their predictors with '+'.",
            )
        terms = reader.predictors(text, coefficient.label, level)
        for term in terms:
            own = [factor.text for factor in term.factors if factor in coefficient.factors]
            if own:
                raise FormulaError(
                    f"In the equation of '{coefficient.label}' at level '{level}', '{own[0]}' explains its own slope.",
                    "A coefficient is explained by other predictors than its own.",
                    "Remove it there; for a curve write I(x^2) into the equation below.",
                )
        read[coefficient] = terms
    return list(read.items())


def _explain(level: str, coefficient: Term, terms: Sequence[Term], found: _Coefficients) -> None:
    """Put an equation in the place of its coefficient."""
    if INTERCEPT not in terms:
        del found.terms[frozenset(coefficient.factors)]
    for term in terms:
        if term != INTERCEPT:
            origin = f"the equation of '{coefficient.label}' at level '{level}'"
            found.add(Term(coefficient.factors + term.factors), origin)
