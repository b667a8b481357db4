"""The transforms a formula may call, and what may stand in each of their places."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

from bayesmix.errors import FormulaError
from bayesmix.specification.scanner import locate, quote
from bayesmix.specification.terms import Arithmetic, Call, Name, Number, Word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bayesmix.specification.scanner import Token
    from bayesmix.specification.terms import Expression

HIGHEST_DEGREE = 100

CONTRASTS = ("Treatment", "Sum", "Helmert", "Poly")
"""Contrasts that ``C()`` offers, by the names of their words."""

_TRUE, _FALSE = frozenset({"raw", "TRUE", "True", "true", "T"}), frozenset({"FALSE", "False", "false", "F"})


class Argument(Enum):
    """What may stand as an argument of a transform."""

    NUMERIC = "an expression of columns and numbers"
    COLUMN = "the name of a column"
    DEGREE = f"a whole number from 1 to {HIGHEST_DEGREE}"
    RAW = "the word raw"
    CONTRAST = f"one of the words {', '.join(CONTRASTS)}"
    LABEL = "a label of the column"


@dataclass(frozen=True, slots=True)
class Transform:
    """One listed transform.

    Parameters
    ----------
    name : str
        Its name in a :class:`~bayesmix.specification.terms.Call`.
    arguments : tuple of Argument
        What each argument may be, in their order.
    required : int
        How many arguments must be given.
    numeric : bool
        Whether it may stand inside arithmetic and other transforms.
    keywords : tuple of str
        Names by which arguments may be given, one for each place; empty where there is none.
    """

    name: str
    arguments: tuple[Argument, ...] = (Argument.NUMERIC,)
    required: int = 1
    numeric: bool = True
    keywords: tuple[str, ...] = ()


_GROUPED = (Argument.NUMERIC, Argument.COLUMN, Argument.COLUMN, Argument.COLUMN)  # within(x, school, class)
_CODED = (Argument.COLUMN, Argument.CONTRAST, Argument.LABEL)
_POWERS = (Argument.NUMERIC, Argument.DEGREE, Argument.RAW)

TRANSFORMS: Mapping[str, Transform] = MappingProxyType(
    {
        "C": Transform("C", _CODED, numeric=False, keywords=("", "contr", "reference")),
        "I": Transform("I"),
        "abs": Transform("abs"),
        "between": Transform("between", _GROUPED),
        "center": Transform("centre"),
        "centre": Transform("centre"),
        "exp": Transform("exp"),
        "log": Transform("log"),
        "log10": Transform("log10"),
        "log1p": Transform("log1p"),
        "log2": Transform("log2"),
        "poly": Transform("poly", _POWERS, numeric=False, keywords=("", "degree", "raw")),
        "scale": Transform("scale"),
        "sqrt": Transform("sqrt"),
        "within": Transform("within", _GROUPED),
    }
)
"""Every transform a formula may call, by the name it is called by."""


def contrast_word(text: str) -> str | None:
    """The contrast a word means, whatever its case and with or without R's ``contr.``; None where it means none."""
    bare = text.lower().removeprefix("contr.")
    return next((name for name in CONTRASTS if name.lower() == bare), None)


def read_option(kind: Argument, argument: Expression, function: Token) -> Expression | None:
    """An argument that is no expression of columns: a degree, a word or a label; None where it says what holds anyway.

    Parameters
    ----------
    kind : Argument
        What may stand there.
    argument : Expression
        What stands there, read as if it were one of columns.
    function : Token
        The name of the transform, for the message.

    Raises
    ------
    FormulaError
        It is something else.
    """
    match kind, argument:
        case Argument.DEGREE, Number(value) if value.is_integer() and 1 <= value <= HIGHEST_DEGREE:
            return argument
        case Argument.RAW, Name(word) if word in _TRUE | _FALSE:
            return Word("raw") if word in _TRUE else None
        case Argument.CONTRAST, Name(word) if name := contrast_word(word):
            return Word(name)
        case Argument.LABEL, Name(word):
            return Word(word)
        case Argument.LABEL, Number():
            return argument
        case Argument.LABEL, Arithmetic("-", (Number(value),)):
            return Number(-value)
    raise _wrong_option(kind, argument, function)


def _wrong_option(kind: Argument, argument: Expression, function: Token) -> FormulaError:
    """The error for a degree, word or label that is none."""
    match argument:
        case Name(word):
            given = quote(word)
        case Number(value):
            given = quote(f"{value:g}")
        case _:
            given = "an expression"
    found, remedy = _REFUSED[kind]
    if kind is Argument.CONTRAST and isinstance(argument, Name):
        offered = {name.lower(): name for name in CONTRASTS}
        near = difflib.get_close_matches(argument.column.lower().removeprefix("contr."), offered, n=1)
        remedy = f"Write '{offered[near[0]]}' if that is meant." if near else remedy
    return FormulaError(f"The {found} of {locate(function)} is {given}.", f"Expected {kind.value}.", remedy)


_REFUSED = {
    Argument.DEGREE: ("degree", "Write the degree as a number, as in 'poly(x, 2)'."),
    Argument.RAW: ("option", "Write 'poly(x, 2, raw)' for plain powers, 'poly(x, 2)' for orthogonal polynomials."),
    Argument.CONTRAST: ("contrast", "Write it as in 'C(x, Sum)', or compute other contrasts before fitting."),
    Argument.LABEL: ("reference", "Write it as in 'C(x, Treatment, b)', in backticks where it is no plain name."),
}


def make_call(transform: Transform, arguments: list[Expression | None], function: Token) -> Call:
    """A call with what was left out written down, so that two spellings of one thing are one expression.

    Parameters
    ----------
    transform : Transform
        What is called.
    arguments : list of Expression or None
        One for each place, None where none was given.
    function : Token
        The name of the transform, for the message.

    Raises
    ------
    FormulaError
        A reference for contrasts that have none.
    """
    for place, kind in enumerate(transform.arguments):
        if arguments[place] is None and kind is Argument.DEGREE:
            arguments[place] = Number(1.0)
        if arguments[place] is None and kind is Argument.CONTRAST and arguments[place + 1] is not None:
            arguments[place] = Word("Treatment")
    match arguments:
        case [_, Word(contrast), reference] if contrast in CONTRASTS and contrast != "Treatment" and reference:
            raise FormulaError(
                f"The contrast '{contrast}' of {locate(function)} is given a reference.",
                "Only Treatment contrasts compare with one label.",
                "Leave the reference out, or write 'Treatment'.",
            )
    return Call(transform.name, tuple(argument for argument in arguments if argument is not None))
