"""The texts of level equations, read by the reader of formulas and written back as one formula."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bayesmix.errors import FormulaError
from bayesmix.specification.bars import read_grouping
from bayesmix.specification.factors import render
from bayesmix.specification.formula import LONGEST_FORMULA, parse_formula
from bayesmix.specification.scanner import Kind, Piece, fold_calls, is_plain, locate, scan, split_sides
from bayesmix.specification.sums import FactorTable, read_sum
from bayesmix.specification.terms import INTERCEPT, Factor, Name, Term

if TYPE_CHECKING:
    from collections.abc import Callable

_INTERCEPTS = ("Intercept", "(Intercept)", "1")
# u0j, U_0jk, e_ij, eps, residual: what stands for residuals in print.
_RESIDUAL = re.compile(r"(?:[uvreUVRE]|eps|epsilon|eta|[εηδυ])_?[0-9]*_?[ijk]{1,3}|eps|epsilon|ε|residuals?", re.ASCII)


class Reader:
    """Reads the equations of one model, so that one factor is one object in all of them.

    Parameters
    ----------
    equation : str
        Of the rows.

    Raises
    ------
    FormulaError
        It is no formula, or holds bars.
    """

    def __init__(self, equation: Any) -> None:
        whole = _named("the equation of the rows", lambda: parse_formula(equation))
        left, right = split_sides(equation)
        if whole.groups:
            sign = next(piece for piece in right if piece.value in ("|", "||") and piece.kind is Kind.OPERATOR)
            raise FormulaError(
                f"In the equation of the rows, the bar {locate(sign)} makes effects vary.",
                "Here an effect varies between groups by its equation at their level.",
                'Write "school": {"Intercept": "", "x": ""} for (x | school), or pass the formula to Model.',
            )
        self._factors = FactorTable()
        self.response = self._factors.add(left[0])
        self._factors.response = self.response
        self.first, self.offsets = read_sum(right, self._factors)
        _refuse_residuals(right, "the equation of the rows")

    def grouping(self, name: Any) -> tuple[str, ...]:
        """The columns of a level, by its name."""
        composed = not isinstance(name, str) or is_plain(name) or any(sign in name for sign in ":/`")
        text = name if composed or not name.strip() else f"`{name}`"
        groupings = _named("the name of a level", lambda: read_grouping(_pieces(text)))
        if len(groupings) != 1:
            raise FormulaError(
                f"The level '{name}' is written as several.",
                "Each level has equations of its own; its groups lie within those of the levels after it.",
                "Give each level by itself, lowest first.",
            )
        return groupings[0]

    def coefficient(self, written: Any, where: str) -> Term:
        """The product that a coefficient is of, by its name; ``where`` it stands is for messages."""
        if written in _INTERCEPTS:
            return INTERCEPT
        place = f"the name of a coefficient {where}"
        terms, _ = _named(place, lambda: read_sum(_pieces(written), self._factors, within_bar=True))
        slopes = [term for term in terms if term != INTERCEPT]
        if len(slopes) != 1:
            raise FormulaError(
                f"The name '{written}' {where} is not that of one coefficient.",
                "Expected Intercept, a term, or a product as 'a:b'.",
                "Write one equation for each coefficient.",
            )
        return slopes[0]

    def predictors(self, text: Any, coefficient: str, level: str) -> tuple[Term, ...]:
        """The terms of an equation, the intercept among them where the coefficient has a mean."""
        where = f"the equation of '{coefficient}' at level '{level}'"
        if isinstance(text, str) and not text.strip():
            return (INTERCEPT,)
        pieces = _named(where, lambda: _pieces(text))
        for piece in pieces:
            if piece.kind is Kind.OPERATOR and piece.value in ("|", "||", "~"):
                raise FormulaError(
                    f"In {where}, {locate(piece)} has no place.",
                    "An equation of a level holds its predictors, joined by '+'; its residual is added by itself.",
                    "Remove the bar." if piece.value != "~" else "Remove '~' and what stands left of it.",
                )
        _refuse_residuals(pieces, where)
        return _named(where, lambda: read_sum(pieces, self._factors, within_bar=True))[0]


def _pieces(text: Any) -> tuple[Piece, ...]:
    """The pieces of a text, which must be one."""
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_FORMULA:
        shown = repr(text)
        raise FormulaError(
            f"{shown if len(shown) < 60 else shown[:60] + '...'} is no such text.",
            f"Expected text of 1 to {LONGEST_FORMULA} characters.",
            "Write names of columns in quotes, joined by '+'.",
        )
    return fold_calls(text, scan(text))


def _named[T](where: str, read: Callable[[], T]) -> T:
    """What a reader finds; an error says in which text."""
    try:
        return read()
    except FormulaError as error:
        raise FormulaError(f"In {where}: {error.found}", error.expected, error.remedy) from None
    except RecursionError:
        raise FormulaError(
            f"In {where}, brackets are nested too deep.", "Expected few of them.", "Compute columns before fitting."
        ) from None


def _refuse_residuals(pieces: Sequence[Piece], where: str) -> None:
    """Refuse names that in print are those of residuals; in backticks they are columns."""
    for piece in pieces:
        if piece.kind is Kind.NAME and piece.text == piece.value and _RESIDUAL.fullmatch(piece.value):
            raise FormulaError(
                f"In {where}, {locate(piece)} reads like a residual written by hand.",
                "Each equation has a residual by itself, unless its coefficient is named in fixed.",
                f"Remove it; a column of that name is written in backticks, as in `{piece.value}`.",
            )


def write_factor(factor: Factor) -> str:
    """A factor as it is written in a formula, in backticks where it could be taken for something else."""
    if not isinstance(factor.expression, Name):
        return factor.text
    return f"`{factor.text}`" if _RESIDUAL.fullmatch(factor.text) else render(factor.expression)


def write_term(term: Term) -> str:
    """A term as it is written in a formula; 1 for the intercept."""
    return ":".join(map(write_factor, term.factors)) or "1"


def write_sum(terms: Sequence[Term]) -> str:
    """Terms as they are written in a formula, the intercept only where it must be."""
    slopes = [write_term(term) for term in terms if term != INTERCEPT]
    if INTERCEPT in terms:
        return " + ".join(slopes) or "1"
    return " + ".join(["0", *slopes])


def write_bar(effects: Sequence[Term], grouping: Sequence[str], correlated: bool) -> str:
    """A bar with its brackets."""
    columns = ":".join(render(Name(column)) for column in grouping)
    return f"({write_sum(effects)} {'|' if correlated else '||'} {columns})"
