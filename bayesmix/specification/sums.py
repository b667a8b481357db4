"""A sum of terms: the fixed part of a formula, or what stands left in a bar.

0 and 1, offsets and bars are taken out first, each where R allows it; formulaic then works out the operators.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bayesmix.errors import FormulaError
from bayesmix.specification.algebra import (
    HIGHEST_POWER,
    MOST_FACTORS,
    MOST_TERMS,
    AlgebraError,
    TooManyTermsError,
    expand_products,
)
from bayesmix.specification.factors import OFFSET, read_factor, read_offset
from bayesmix.specification.refusals import locate_all, misplaced_offset, side_by_side, unexpected
from bayesmix.specification.scanner import Kind, Piece, closing_index, locate, quote
from bayesmix.specification.terms import INTERCEPT, Term

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from bayesmix.specification.terms import Expression, Factor

_SIGNS = frozenset({"+", "-"})
_MULTIPLIERS = frozenset({"*", "/", ":", "^", "%in%"})
_OPERANDS = frozenset({Kind.NAME, Kind.NUMBER, Kind.CALL, Kind.BAR})
_CONSTANT = "constant"  # stands for 0, 1, offsets and bars while formulaic works out the operators


class FactorTable:
    """The factors of one formula: one object for each expression, and one expression for each text.

    Parameters
    ----------
    response : Factor, optional
        Refused among the factors that are added later.
    """

    def __init__(self) -> None:
        self.response: Factor | None = None
        self._by_expression: dict[Expression, Factor] = {}
        self._by_text: dict[str, Factor] = {}

    def add(self, piece: Piece) -> Factor:
        """The factor a piece spells, the same for each spelling of one expression."""
        read = read_factor(piece.tokens)
        factor = self._by_expression.setdefault(read.expression, read)
        if self._by_text.setdefault(factor.text, factor) is not factor:
            raise FormulaError(
                f"The factor {locate(piece)} is named like another one, which is not the same.",
                "A column and a transform in one formula have different names.",
                "Rename the column.",
            )
        if factor is self.response:
            raise FormulaError(
                f"The response {locate(piece)} stands among the predictors.",
                "The response is explained by other columns.",
                "Remove it there, or write the column that was meant.",
            )
        return factor


def read_sum(
    pieces: Sequence[Piece], factors: FactorTable, *, within_bar: bool = False
) -> tuple[tuple[Term, ...], tuple[Factor, ...]]:
    """Terms and offsets of a sum.

    Parameters
    ----------
    pieces : sequence of Piece
        The sum, with a piece of kind ``BAR`` for each bar; at least one.
    factors : FactorTable
        The factors of the formula; new ones are added.
    within_bar : bool, optional
        Whether the sum stands left in a bar, where no offset is allowed.

    Returns
    -------
    terms : tuple of Term
        The intercept first where it is present, then by degree, then by appearance, as R orders them.
    offsets : tuple of Factor
        What stands in ``offset()``, in order of appearance.

    Raises
    ------
    FormulaError
        Where the pieces do not make a sum of terms.
    """
    _check_order(pieces)
    intercept = True
    offsets: dict[Factor, None] = {}
    placed: dict[Factor, str] = {}
    words: list[str] = []
    for at, (piece, (minus, multiplied)) in enumerate(zip(pieces, _contexts(pieces), strict=True)):
        if _follows(pieces, at, {"^"}):
            words.append(_power(pieces, at))
        elif piece.kind is Kind.NUMBER:
            intercept = _intercept(pieces, at, multiplied=multiplied) != minus
            words.append(_CONSTANT)
        elif piece.kind is Kind.BAR:
            _check_bar_place(piece, changed=minus or multiplied)
            words.append(_CONSTANT)
        elif piece.kind is Kind.CALL and piece.value == OFFSET:
            if minus or multiplied or within_bar:
                raise misplaced_offset(piece)
            offsets[read_offset(piece.tokens)] = None
            words.append(_CONSTANT)
        elif piece.kind in _OPERANDS:
            factor = factors.add(piece)
            words.append(placed.setdefault(factor, f"f{len(placed)}"))
        elif not (piece.value in _SIGNS and _follows(pieces, at, _SIGNS)):  # of several signs, the first stands for all
            words.append(piece.value)
    names = {word: factor for factor, word in placed.items()}
    products = _expand(words, pieces)
    terms = [Term(tuple(names[word] for word in product)) for product in products if product != (_CONSTANT,)]
    terms.sort(key=lambda term: len(term.factors))
    if intercept:
        terms.insert(0, INTERCEPT)
    _check_labels(terms, pieces)
    return tuple(terms), tuple(offsets)


def _follows(pieces: Sequence[Piece], at: int, operators: Collection[str]) -> bool:
    """Whether one of these operators stands before an index."""
    return at > 0 and pieces[at - 1].kind is Kind.OPERATOR and pieces[at - 1].value in operators


def _check_order(pieces: Sequence[Piece]) -> None:
    """Refuse pieces that have no place in a sum of terms, and operators and operands that do not alternate."""
    before: Piece | None = None
    for at, piece in enumerate(pieces):
        if piece.kind in (Kind.STRING, Kind.OTHER) or piece.text in ("[", "]", "{", "}"):
            raise unexpected(piece.tokens[0])
        starts = piece.kind in _OPERANDS or piece.kind is Kind.OPEN
        ended = before is not None and (before.kind in _OPERANDS or before.kind is Kind.CLOSE)
        if before is not None and starts and ended:
            raise side_by_side(before, piece)
        if not starts and not ended:  # an operator or closing bracket where an operand is due
            if piece.kind is Kind.CLOSE:
                raise _missing_operand(pieces[at - 1], "right of")
            if before is None or before.kind is Kind.OPEN:
                if piece.value not in _SIGNS:
                    raise _missing_operand(piece, "left of")
            elif not _sign_of_number(pieces, at):
                raise _two_operators(before, piece)
        before = piece
    if pieces[-1].kind is Kind.OPERATOR:
        raise _missing_operand(pieces[-1], "right of")


def _sign_of_number(pieces: Sequence[Piece], at: int) -> bool:
    """Whether a sign after another sign belongs to a number, as in ``x + -1``."""
    numbered = at + 1 < len(pieces) and pieces[at + 1].kind is Kind.NUMBER
    return numbered and pieces[at].value in _SIGNS and _follows(pieces, at, _SIGNS)


def _missing_operand(piece: Piece, side: str) -> FormulaError:
    """The error for a bracket or operator with nothing on one side."""
    return FormulaError(
        f"Nothing stands {side} {locate(piece)}.",
        "Operators stand between two operands, and brackets hold terms.",
        "Add the term that is missing, or remove the sign or bracket.",
    )


def _two_operators(before: Piece, piece: Piece) -> FormulaError:
    """The error for two operators side by side."""
    return FormulaError(
        f"The operators {locate(before)} and {locate(piece)} stand side by side.",
        "Operators stand between two operands.",
        "Remove one of the two, or add the term that is missing between them.",
    )


def _contexts(pieces: Sequence[Piece]) -> list[tuple[bool, bool]]:
    """For each piece, whether it is subtracted, and whether it or brackets around it are multiplied."""
    around = [(False, False)]
    contexts: list[tuple[bool, bool]] = []
    minus = False
    for at, piece in enumerate(pieces):
        if piece.kind is Kind.CLOSE:
            around.pop()
        if piece.kind in (Kind.CLOSE, Kind.OPERATOR):
            contexts.append(around[-1])
            minus = (minus != (piece.value == "-")) if piece.value in _SIGNS else False
            continue
        end = closing_index(pieces, at) if piece.kind is Kind.OPEN else at
        after = pieces[end + 1].value if end + 1 < len(pieces) else ""
        multiplied = around[-1][1] or after in _MULTIPLIERS or _follows(pieces, at, _MULTIPLIERS)
        contexts.append((around[-1][0] != minus, multiplied))
        minus = False
        if piece.kind is Kind.OPEN:
            around.append(contexts[-1])
    return contexts


def _power(pieces: Sequence[Piece], at: int) -> str:
    """The power that stands here, behind ``^``."""
    piece = pieces[at]
    towering = pieces[at + 1 : at + 2] and pieces[at + 1].value == "^"
    value = float(piece.value) if piece.kind is Kind.NUMBER and not towering else 0.0
    if not value.is_integer() or not 1 <= value <= HIGHEST_POWER:
        raise FormulaError(
            f"The power {locate(piece)} is not a whole number from 1 to {HIGHEST_POWER}.",
            "A power of terms is the highest order of their interactions, one number.",
            f"Write a whole number up to {HIGHEST_POWER}, or I(x^2) for the square of a column.",
        )
    return str(int(value))


def _intercept(pieces: Sequence[Piece], at: int, *, multiplied: bool) -> bool:
    """Whether a number among the terms is 1, and not 0."""
    piece = pieces[at]
    value = float(piece.value)
    if value in (0, 1) and not multiplied:
        return value == 1
    column = next((near.text for near in (*pieces[at + 1 : at + 3], *pieces[:at][-2:]) if near.kind is Kind.NAME), "x")
    raise FormulaError(
        f"The number {locate(piece)} is {'multiplied with a term' if multiplied else 'neither 0 nor 1'}.",
        "A number among the terms is 0 or 1 and stands alone: without or with an intercept.",
        "Write it outside of products." if value in (0, 1) else f"Write I({piece.text}*{column}) for a multiple.",
    )


def _check_bar_place(piece: Piece, *, changed: bool) -> None:
    """Refuse a bar that is subtracted or multiplied."""
    if changed:
        raise FormulaError(
            f"The bar {locate(piece)} is subtracted or multiplied.",
            "Bars are added to the fixed part.",
            "Write '+' before the bar, outside of other brackets.",
        )


def _expand(words: Sequence[str], pieces: Sequence[Piece]) -> tuple[tuple[str, ...], ...]:
    """The terms that words expand to; errors in terms of the pieces behind them."""
    try:
        return expand_products(" ".join(words))
    except TooManyTermsError as error:
        raise FormulaError(
            f"The piece {_locate_pieces(pieces)} has too many interactions.",
            f"A sum has at most {MOST_TERMS} terms, and its products at most {MOST_FACTORS} factors.",
            "Use a lower power or fewer '*', or write out the interactions that are meant.",
        ) from error
    except AlgebraError as error:
        raise FormulaError(
            f"The piece {_locate_pieces(pieces)} can not be read as a sum of terms: {error}.".replace("\n", " "),
            "Terms are joined by + - * / : ^ %in% and brackets.",
            "Write the terms out, joined by '+'.",
        ) from error


def _locate_pieces(pieces: Sequence[Piece]) -> str:
    """Several pieces and where they begin, for a message."""
    return locate_all([token for piece in pieces for token in piece.tokens])


def _check_labels(terms: Sequence[Term], pieces: Sequence[Piece]) -> None:
    """Refuse two terms that would have one name, as the column ``Intercept`` beside an intercept."""
    repeated = [label for label, times in Counter(term.label for term in terms).items() if times > 1]
    if repeated:
        names = [piece for piece in pieces if piece.kind is Kind.NAME]
        piece = next((name for name in names if ":" in name.value or name.value == "Intercept"), pieces[0])
        raise FormulaError(
            f"With the column {locate(piece)}, two terms are named {quote(repeated[0])}.",
            "Each term has a name of its own.",
            "Rename the column.",
        )
