"""Errors that more than one reader of a formula raises, each with its own three parts."""

from __future__ import annotations

import difflib
from itertools import pairwise
from typing import TYPE_CHECKING

from bayesmix.errors import FormulaError
from bayesmix.specification.scanner import Kind, locate, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bayesmix.specification.scanner import Piece, Token

_COMPARISONS = frozenset({"==", "!=", "<=", ">=", "<", ">", "!"})
_NEARBY = {
    "factor": "C",
    "as.factor": "C",
    "categorical": "C",
    "ln": "log",
    "standardize": "scale",
    "zscore": "scale",
}


def locate_all(tokens: Sequence[Token]) -> str:
    """Several tokens and where they begin, for a message."""
    words = [tokens[0].text]
    for before, token in pairwise(tokens):
        words.append(" " * (token.start > before.end) + token.text)
    return f"{quote(''.join(words))} at position {tokens[0].start + 1}"


def unexpected(token: Token) -> FormulaError:
    """The error for a token that has no place in any formula."""
    if token.kind is Kind.STRING:
        return FormulaError(
            f"The string {locate(token)} is not a column.",
            "A formula holds columns, numbers and listed transforms, no strings.",
            "Write a column whose name needs quoting in backticks, as in `my var`.",
        )
    if token.text in ("[", "]", "$"):
        return FormulaError(
            f"The subscript {locate(token)} takes a piece out of an object.",
            "A formula names whole columns of the data.",
            "Make that piece a column of the data and write its name.",
        )
    if token.text in _COMPARISONS:
        return FormulaError(
            f"The comparison {locate(token)} is not arithmetic.",
            "Transforms hold columns, numbers, + - * / ^ and listed transforms.",
            "Make the comparison a column of the data and write its name.",
        )
    if token.text == "=":
        return FormulaError(
            f"The keyword argument or assignment {locate(token)} has no meaning here.",
            "Arguments of a transform are given by their place, and '~' joins response and predictors.",
            "Remove the keyword and its value, or write '~' for '='.",
        )
    return FormulaError(
        f"The character {locate(token)} has no meaning here.",
        "A formula is written with names, numbers, + - * / : ^ %in% ~ | ( ) and listed transforms.",
        "Remove it; a column name that holds it is written in backticks.",
    )


def side_by_side(before: Token | Piece, token: Token | Piece) -> FormulaError:
    """The error for two operands with no operator between them."""
    if before.text == "lambda":
        return FormulaError(
            f"A function is defined by {locate(before)}.",
            "A formula only names columns and listed transforms.",
            "Compute the column before fitting; for a column named lambda, add the operator that is missing after it.",
        )
    if token.text.startswith(".") and token.start == before.end:
        return FormulaError(
            f"The attribute {locate(token)} is taken from what stands before it.",
            "A formula names columns and listed transforms, and has no attributes or methods.",
            "Compute the column before fitting and write its name; a name with a dot goes wholly into backticks.",
        )
    return FormulaError(
        f"No operator stands between {locate(before)} and {locate(token)}.",
        "Operands are joined by operators.",
        "Add the operator that is missing; a name with a space in it is written in backticks, as in `my var`.",
    )


def all_columns(token: Token | Piece) -> FormulaError:
    """The error for a lone dot, which is all other columns in R."""
    return FormulaError(
        f"A dot alone, {locate(token)}, stands for all other columns in R.",
        "A formula names each column it uses.",
        "Write the names of the columns, joined by '+'.",
    )


def operator_inside(token: Token, caller: str) -> FormulaError:
    """The error for an operator of the formula's algebra inside a transform, by the name of the latter."""
    if token.text == ":" and caller in ("within", "between"):
        return FormulaError(
            f"The operator {locate(token)} stands in the grouping of '{caller}'.",
            "Several columns of a grouping are parted by commas.",
            f"Write it as in '{caller}(x, school, class)'.",
        )
    return FormulaError(
        f"The operator {locate(token)} stands inside a transform.",
        "Inside a transform the operators are + - * / ^, and they are arithmetic.",
        "Close the bracket of the transform before it, or compute the column before fitting.",
    )


def misplaced_offset(token: Token | Piece) -> FormulaError:
    """The error for an offset that is not a term of its own."""
    return FormulaError(
        f"The offset {locate(token)} is not a term of its own in the fixed part.",
        "An offset is added to the fixed part; it is not multiplied, subtracted, transformed or put inside a bar.",
        "Write it as in 'y ~ x + offset(log(exposure)) + (1 | g)'.",
    )


def unlisted_call(token: Token, listed: Iterable[str]) -> FormulaError:
    """The error for a call of something that is not a listed transform."""
    names = list(listed)
    last = token.value.rsplit(".", 1)[-1]
    same = [name for name in names if name.lower() == last.lower()]
    near = [_NEARBY[token.value]] if token.value in _NEARBY else same or difflib.get_close_matches(last, names, n=1)
    suggestion = f"Write {quote(near[0])} if that is meant; otherwise compute" if near else "Compute"
    return FormulaError(
        f"The call {locate(token)} is not a listed transform.",
        f"The listed transforms are {', '.join(names)}, and offset as a term.",
        f"{suggestion} the column before fitting and write its name.",
    )
