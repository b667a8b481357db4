"""The text of a formula as tokens with positions, split into what stands left and right of the tilde.

Nothing here knows what a name means. A call such as ``log(x + 1)`` is kept in one piece, so that the brackets left over
are those of the formula's own algebra.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from bayesmix.errors import FormulaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DEEPEST_NESTING = 50
_QUOTED_LENGTH = 60

_NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_OPERATORS = ("%in%", "**", "||", "~", "|", "+", "-", "*", "/", ":", "^")
_TWO_CHARACTERS = ("==", "!=", "<=", ">=", "&&")
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_LOOKALIKES = {"\u2212": "-", "\u2013": "-", "\u2014": "-", "\u223c": "~", "\u02dc": "~", "\u00d7": "*", "\u2217": "*"}


class Kind(Enum):
    """What a token or a piece is."""

    NAME = "name"
    NUMBER = "number"
    OPERATOR = "operator"
    OPEN = "open"
    CLOSE = "close"
    STRING = "string"
    OTHER = "other"
    CALL = "call"
    BAR = "bar"


@dataclass(frozen=True, slots=True)
class Token:
    """The smallest part of a formula.

    Parameters
    ----------
    kind : Kind
        What it is.
    text : str
        As written, with backticks where there are any.
    start : int
        Index of its first character in the formula, from 0.
    value : str
        The text, without the backticks of a name.
    """

    kind: Kind
    text: str
    start: int
    value: str

    @property
    def end(self) -> int:
        """Index after its last character."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Piece:
    """One operand, operator or bracket of the formula's algebra: a token, a whole call, or a whole bar.

    Parameters
    ----------
    kind : Kind
        What it is.
    tokens : tuple of Token
        What it is made of.
    text : str
        As written.
    """

    kind: Kind
    tokens: tuple[Token, ...]
    text: str

    @property
    def start(self) -> int:
        """Index of its first character in the formula, from 0."""
        return self.tokens[0].start

    @property
    def end(self) -> int:
        """Index after its last character."""
        return self.tokens[-1].end

    @property
    def value(self) -> str:
        """The column of a name, the symbol of an operator."""
        return self.tokens[0].value


def quote(text: str, limit: int = _QUOTED_LENGTH) -> str:
    """Text between quotes for a message: shortened, and with characters that do not print spelled out."""
    shown = text if len(text) <= limit else text[: limit - 3] + "..."
    return "'" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown) + "'"


def locate(found: Token | Piece) -> str:
    """A token or piece and where it stands, for a message: ``'x' at position 5``."""
    return f"{quote(found.text)} at position {found.start + 1}"


def is_plain(name: str) -> bool:
    """Whether a column name can be written without backticks."""
    return _starts_name(name, 0) and _name_end(name, 0) == len(name) and bool(name.strip("."))


def scan(text: str) -> tuple[Token, ...]:
    """Tokens of a formula, its brackets checked.

    Raises
    ------
    FormulaError
        For a backtick or quote that is not closed, brackets that do not match, a name that begins with a digit.
    """
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        tokens.append(_token_at(text, at))
        at = tokens[-1].end
    _check_brackets(tokens)
    return tuple(tokens)


def _starts_name(text: str, at: int) -> bool:
    """Whether a name, not a number, begins here."""
    character = text[at : at + 1]
    if character == ".":
        return not text[at + 1 : at + 2].isdecimal()
    return character.isidentifier()


def _name_end(text: str, at: int) -> int:
    """Index after the name that begins here."""
    while at < len(text) and (text[at] == "." or text[at].isalnum() or ("a" + text[at]).isidentifier()):
        at += 1
    return at


def _token_at(text: str, at: int) -> Token:
    """The token that begins here, where there is no space."""
    character = text[at]
    if character == "`":
        return _backticked(text, at)
    if character in "'\"":
        return _string(text, at)
    if number := _NUMBER.match(text, at):
        return _number(text, at, number.end())
    if _starts_name(text, at):
        name = text[at : _name_end(text, at)]
        return Token(Kind.NAME, name, at, name)
    for kind, symbols in ((Kind.OTHER, _TWO_CHARACTERS), (Kind.OPERATOR, _OPERATORS)):
        for symbol in symbols:
            if text.startswith(symbol, at):
                return Token(kind, symbol, at, "^" if symbol == "**" else symbol)
    token = Token(Kind.OTHER, character, at, character)
    if character in _LOOKALIKES:
        raise FormulaError(
            f"The character {locate(token)} only looks like {quote(_LOOKALIKES[character])}.",
            "Operators are the plain characters + - * / : ^ ~ |.",
            f"Type {quote(_LOOKALIKES[character])} in its place.",
        )
    if character in _CLOSING:
        return Token(Kind.OPEN, character, at, character)
    if character in _CLOSING.values():
        return Token(Kind.CLOSE, character, at, character)
    return token


def _backticked(text: str, at: int) -> Token:
    """The name in backticks that begins here, taken as it is."""
    end = text.find("`", at + 1)
    if end < 0:
        raise FormulaError(
            f"The backtick that begins {locate(Token(Kind.OTHER, text[at:], at, ''))} is not closed.",
            "A name in backticks ends with a backtick.",
            "Add the closing backtick after the name.",
        )
    token = Token(Kind.NAME, text[at : end + 1], at, text[at + 1 : end])
    if not token.value:
        raise FormulaError(
            f"The backticks {locate(token)} hold no name.",
            "Backticks hold the name of a column.",
            "Write the name between the backticks, as in `my var`.",
        )
    return token


def _string(text: str, at: int) -> Token:
    """The quoted string that begins here; a backslash protects the character after it."""
    end = at + 1
    while end < len(text) and text[end] != text[at]:
        end += 2 if text[end] == "\\" else 1
    if end >= len(text):
        raise FormulaError(
            f"The quote that begins {locate(Token(Kind.OTHER, text[at:], at, ''))} is not closed.",
            "A formula holds no strings.",
            "Write a column whose name needs quoting in backticks, as in `my var`.",
        )
    return Token(Kind.STRING, text[at : end + 1], at, text[at + 1 : end])


def _number(text: str, at: int, end: int) -> Token:
    """The number that ends there, unless it runs into a name."""
    name_end = _name_end(text, end)
    word = text[at:name_end]
    if name_end > end:
        raise FormulaError(
            f"The name {locate(Token(Kind.NAME, word, at, word))} begins with a digit.",
            "A name without backticks begins with a letter, a dot or an underscore.",
            f"Write `{word}` in backticks for the column, or I({text[at:end]}*{text[end:name_end]}) for a product.",
        )
    return Token(Kind.NUMBER, word, at, word)


def _check_brackets(tokens: Iterable[Token]) -> None:
    """Refuse brackets that do not match, or are nested too deep."""
    opened: list[Token] = []
    for token in tokens:
        if token.kind is Kind.OPEN:
            opened.append(token)
            if len(opened) > DEEPEST_NESTING:
                raise FormulaError(
                    f"The bracket {locate(token)} is number {len(opened)} inside one another.",
                    f"At most {DEEPEST_NESTING} brackets stand inside one another.",
                    "Remove brackets that change nothing, or compute the column before fitting.",
                )
        elif token.kind is Kind.CLOSE:
            if not opened:
                raise FormulaError(
                    f"The bracket {locate(token)} closes nothing.",
                    "Every closing bracket has an opening one before it.",
                    "Remove it, or add the bracket that opens.",
                )
            opener = opened.pop()
            if _CLOSING[opener.text] != token.text:
                raise FormulaError(
                    f"The bracket {locate(token)} stands where {locate(opener)} is open.",
                    f"{quote(opener.text)} is closed by {quote(_CLOSING[opener.text])}.",
                    f"Put {quote(_CLOSING[opener.text])} in its place.",
                )
    if opened:
        raise FormulaError(
            f"The bracket {locate(opened[-1])} is not closed.",
            "Every opening bracket has a closing one after it.",
            f"Add {quote(_CLOSING[opened[-1].text])} where it ends.",
        )


def split_sides(text: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """What stands left and right of the tilde.

    Parameters
    ----------
    text : str
        The formula.

    Returns
    -------
    left, right : tuple of Piece
        Neither is empty.

    Raises
    ------
    FormulaError
        Where the text can not be taken apart.
    """
    tokens = scan(text)
    tildes = [token for token in tokens if token.value == "~" and token.kind is Kind.OPERATOR]
    if not tildes:
        raise FormulaError(
            f"The formula {quote(text)} has no '~'.",
            "A formula is a response, '~' and its predictors, as in 'y ~ x + (1 | g)'.",
            "Write the response and '~' before the predictors.",
        )
    if len(tildes) > 1:
        raise FormulaError(
            f"A second {locate(tildes[1])} follows the one at position {tildes[0].start + 1}.",
            "A formula has one '~', between response and predictors.",
            "Remove one of the two.",
        )
    at = tokens.index(tildes[0])
    left, right = tokens[:at], tokens[at + 1 :]
    if sum((token.kind is Kind.OPEN) - (token.kind is Kind.CLOSE) for token in left):
        raise FormulaError(
            f"The {locate(tildes[0])} stands inside brackets.",
            "'~' stands outside of all brackets, between response and predictors.",
            "Remove the brackets around it.",
        )
    if not left:
        raise FormulaError(
            f"Nothing stands left of {locate(tildes[0])}.",
            "The response stands left of '~'.",
            "Write the column to be explained before '~'.",
        )
    if not right:
        raise FormulaError(
            f"Nothing stands right of {locate(tildes[0])}.",
            "Predictors stand right of '~'.",
            "Write '~ 1' for a model with an intercept only.",
        )
    return fold_calls(text, left), fold_calls(text, right)


def fold_calls(text: str, tokens: Sequence[Token]) -> tuple[Piece, ...]:
    """Pieces of a part of a formula: each call in one piece, every other token its own.

    Parameters
    ----------
    text : str
        The formula the tokens come from.
    tokens : sequence of Token
        Part of it, with matching brackets.
    """
    pieces: list[Piece] = []
    at = 0
    while at < len(tokens):
        token, end, kind = tokens[at], at + 1, tokens[at].kind
        if kind is Kind.NAME and token.text == token.value and end < len(tokens) and tokens[end].text == "(":
            end, kind = closing_index(tokens, end) + 1, Kind.CALL
        whole = tuple(tokens[at:end])
        pieces.append(Piece(kind, whole, text[token.start : whole[-1].end]))
        at = end
    return tuple(pieces)


def closing_index(items: Sequence[Token | Piece], at: int) -> int:
    """Index of the bracket that closes the one at an index."""
    depth = 0
    for index in range(at, len(items)):
        depth += (items[index].kind is Kind.OPEN) - (items[index].kind is Kind.CLOSE)
        if depth == 0:
            return index
    raise IndexError(at)
