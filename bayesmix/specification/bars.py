"""The bars of a formula: ``(effects | grouping)`` cut out of the fixed part, and their groupings taken apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bayesmix.errors import FormulaError
from bayesmix.specification.refusals import all_columns, side_by_side, unexpected
from bayesmix.specification.scanner import Kind, Piece, closing_index, locate, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_COLUMNS = 20

_BARS = frozenset({"|", "||"})


@dataclass(frozen=True, slots=True)
class Bar:
    """``(effects | grouping)``, its effects not yet read.

    Parameters
    ----------
    effects : tuple of Piece
        Left of the bar.
    groupings : tuple of tuple of str
        The columns of each grouping, outermost first: ``a/b`` is ``(("a",), ("a", "b"))``.
    correlated : bool
        True for ``|``, False for ``||``.
    whole : Piece
        The bar with its brackets.
    """

    effects: tuple[Piece, ...]
    groupings: tuple[tuple[str, ...], ...]
    correlated: bool
    whole: Piece


def take_bars(text: str, pieces: Sequence[Piece]) -> tuple[tuple[Piece, ...], tuple[Bar, ...]]:
    """The pieces with one of kind ``BAR`` for each bar, and the bars in their order.

    Parameters
    ----------
    text : str
        The formula.
    pieces : sequence of Piece
        Its right-hand side.

    Raises
    ------
    FormulaError
        For a bar without brackets, inside another one, with an empty side, or with a grouping that can not be read.
    """
    kept: list[Piece] = []
    bars: list[Bar] = []
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        if _is_bar(piece):
            raise _without_brackets(text, pieces, piece)
        if piece.text != "(":
            kept.append(piece)
            at += 1
            continue
        end = closing_index(pieces, at)
        inside = pieces[at + 1 : end]
        own = _own_bars(inside)
        if not own:
            kept.append(piece)
            at += 1
            continue
        tokens = tuple(token for part in pieces[at : end + 1] for token in part.tokens)
        whole = Piece(Kind.BAR, tokens, text[piece.start : pieces[end].end])
        bars.append(_read_bar(whole, inside, own))
        kept.append(whole)
        at = end + 1
    return tuple(kept), tuple(bars)


def _is_bar(piece: Piece) -> bool:
    """Whether a piece is a bar sign."""
    return piece.kind is Kind.OPERATOR and piece.value in _BARS


def _own_bars(pieces: Sequence[Piece]) -> list[int]:
    """Indices of the bar signs that stand in no further brackets."""
    depth = 0
    found = []
    for index, piece in enumerate(pieces):
        depth += (piece.kind is Kind.OPEN) - (piece.kind is Kind.CLOSE)
        if depth == 0 and _is_bar(piece):
            found.append(index)
    return found


def _read_bar(whole: Piece, inside: Sequence[Piece], own: Sequence[int]) -> Bar:
    """The bar in a pair of brackets, given the indices of its own bar signs."""
    at = own[0]
    sign = inside[at]
    nested = [piece for index, piece in enumerate(inside) if _is_bar(piece) and index not in own]
    if nested:
        raise FormulaError(
            f"The bar {locate(nested[0])} stands inside the bar {locate(whole)}.",
            "Bars stand beside one another, joined by '+'.",
            "Write each bar in brackets of its own, as in '(x | a) + (1 | b)'.",
        )
    if len(own) > 1:
        raise FormulaError(
            f"A second bar sign, {locate(inside[own[1]])}, stands in {locate(whole)}.",
            "One bar sign parts the effects from their grouping.",
            "Write two bars, as in '(x | a) + (x | b)', or 'a/b' for groups within groups.",
        )
    if at == 0:
        raise FormulaError(
            f"Nothing stands left of {locate(sign)}.",
            "Effects that vary by group stand left of a bar.",
            f"Write '(1 {sign.text} ...)' for intercepts that vary.",
        )
    if at == len(inside) - 1:
        raise FormulaError(
            f"Nothing stands right of {locate(sign)}.",
            "The column that names the groups stands right of a bar.",
            "Write its name after the bar, as in '(1 | school)'.",
        )
    groupings = read_grouping(inside[at + 1 :])
    return Bar(tuple(inside[:at]), groupings, sign.value == "|", whole)


def _without_brackets(text: str, pieces: Sequence[Piece], sign: Piece) -> FormulaError:
    """The error for a bar without brackets, with the formula as it should read."""
    summands = _summands(pieces)
    barred = [summand for summand in summands if any(map(_is_bar, summand))]
    clear = all(sum(map(_is_bar, summand)) == 1 and not _is_bar(summand[0]) for summand in barred if _own_bars(summand))
    clear = clear and not any(_is_bar(summand[-1]) for summand in barred)
    remedy = "Write each bar in brackets of its own, as in '(x | a) + (1 | b)'."
    if clear:
        corrected, at = "", 0
        for first, last in ((summand[0], summand[-1]) for summand in summands if _own_bars(summand)):
            corrected += f"{text[at : first.start]}({text[first.start : last.end]})"
            at = last.end
        remedy = f"Write {quote((corrected + text[at:]).strip(), limit=len(text) + len(pieces))}."
    return FormulaError(
        f"The bar {locate(sign)} is not in brackets.", "A bar stands in brackets, as in '(x | g)'.", remedy
    )


def _summands(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """What the plus signs outside of brackets join; a 0 or 1 between two of them belongs to a bar that follows."""
    summands: list[list[Piece]] = [[]]
    depth = 0
    for piece in pieces:
        depth += (piece.kind is Kind.OPEN) - (piece.kind is Kind.CLOSE)
        if depth == 0 and piece.kind is Kind.OPERATOR and piece.value == "+":
            summands.append([])
        else:
            summands[-1].append(piece)
    merged: list[list[Piece]] = []
    for index, summand in enumerate(summands):
        before = merged[-1] if index > 1 else []
        if _own_bars(summand) and [piece.text for piece in before] in (["0"], ["1"]):
            before.extend(summand)
        else:
            merged.append(summand)
    return [summand for summand in merged if summand]


def read_grouping(pieces: Sequence[Piece]) -> tuple[tuple[str, ...], ...]:
    """The columns of each grouping that stands right of a bar, outermost first.

    Parameters
    ----------
    pieces : sequence of Piece
        What stands right of the bar.

    Raises
    ------
    FormulaError
        For anything but columns joined by ``/`` and ``:``.

    Examples
    --------
    >>> from bayesmix.specification.scanner import fold_calls, scan
    >>> read_grouping(fold_calls("a/b:c", scan("a/b:c")))
    (('a',), ('a', 'b', 'c'))
    """
    names = [piece for piece in pieces if piece.kind is Kind.NAME]
    if len(names) > MOST_COLUMNS:
        raise FormulaError(
            f"The column {locate(names[MOST_COLUMNS])} is number {MOST_COLUMNS + 1} of its grouping.",
            f"A grouping has at most {MOST_COLUMNS} columns.",
            "Make the combination of several of them one column of the data.",
        )
    groupings, at = _read_nested(pieces, 0)
    if at < len(pieces):
        raise side_by_side(pieces[at - 1], pieces[at])
    for grouping in groupings:
        repeated = [name for name in grouping if grouping.count(name) > 1]
        if repeated:
            twice = [piece for piece in names if piece.value == repeated[0]][1]
            raise FormulaError(
                f"The column {locate(twice)} stands in its grouping a second time.",
                "Each column stands once in a grouping.",
                "Remove it, or write the column that was meant.",
            )
    return groupings


def _read_nested(pieces: Sequence[Piece], at: int) -> tuple[tuple[tuple[str, ...], ...], int]:
    """Groupings joined by ``/``, and the index after them."""
    groupings, at = _read_combined(pieces, at)
    while at < len(pieces) and pieces[at].kind is not Kind.CLOSE:
        if pieces[at].kind is not Kind.OPERATOR or pieces[at].value != "/":
            raise _not_grouping(pieces, at)
        inner, at = _read_combined(pieces, at + 1)
        groupings += tuple(groupings[-1] + grouping for grouping in inner)
    return groupings, at


def _read_combined(pieces: Sequence[Piece], at: int) -> tuple[tuple[tuple[str, ...], ...], int]:
    """Groupings joined by ``:``, and the index after them."""
    groupings, at = _read_atom(pieces, at)
    while at < len(pieces) and pieces[at].kind is Kind.OPERATOR and pieces[at].value == ":":
        sign = pieces[at]
        right, at = _read_atom(pieces, at + 1)
        if len(groupings) > 1 or len(right) > 1:
            raise FormulaError(
                f"A grouping with '/' is combined by {locate(sign)}.",
                "':' combines columns, and '/' stands outside of combinations.",
                "Write one bar for each grouping, as in '(1 | a:c) + (1 | a:b:c)'.",
            )
        groupings = (groupings[0] + right[0],)
    return groupings, at


def _read_atom(pieces: Sequence[Piece], at: int) -> tuple[tuple[tuple[str, ...], ...], int]:
    """A column or a grouping in brackets, and the index after it."""
    if at >= len(pieces):
        raise _incomplete(pieces[at - 1])
    piece = pieces[at]
    match piece.kind:
        case Kind.NAME:
            if not piece.text.strip("."):
                raise all_columns(piece)
            return ((piece.value,),), at + 1
        case Kind.OPEN if piece.text == "(":
            groupings, end = _read_nested(pieces, at + 1)
            return groupings, end + 1
        case Kind.CALL | Kind.NUMBER:
            what = "call" if piece.kind is Kind.CALL else "number"
            raise FormulaError(
                f"The grouping {locate(piece)} is a {what}.",
                "A grouping is a column, or columns joined by '/' or ':'.",
                "Make it a column of the data and write its name.",
            )
        case Kind.OPERATOR | Kind.CLOSE if at and pieces[at - 1].kind is not Kind.NAME:
            raise _incomplete(pieces[at - 1])
        case _:
            raise _not_grouping(pieces, at)


def _incomplete(piece: Piece) -> FormulaError:
    """The error for a grouping that ends too early."""
    return FormulaError(
        f"Nothing stands right of {locate(piece)} in a grouping.",
        "A grouping is a column, or columns joined by '/' or ':'.",
        "Write the column that is missing, or remove the sign.",
    )


def _not_grouping(pieces: Sequence[Piece], at: int) -> FormulaError:
    """The error for a piece that has no place in a grouping."""
    piece = pieces[at]
    if piece.kind in (Kind.NAME, Kind.NUMBER, Kind.CALL) or piece.text == "(":
        return side_by_side(pieces[at - 1], piece)
    if piece.kind is not Kind.OPERATOR:
        return unexpected(piece.tokens[0])
    return FormulaError(
        f"The operator {locate(piece)} stands in a grouping.",
        "A grouping is a column, or columns joined by '/' (groups within groups) or ':' (combinations).",
        "Write one bar for each grouping, as in '(x | a) + (x | b)'; a/(b + c) is '(x | a/b) + (x | a:c)'.",
    )
