"""From the text of a formula to a :class:`~bayesmix.specification.terms.Specification`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayesmix.errors import FormulaError
from bayesmix.specification.bars import take_bars
from bayesmix.specification.refusals import locate_all, unexpected
from bayesmix.specification.scanner import Kind, Piece, locate, quote, split_sides
from bayesmix.specification.sums import FactorTable, read_sum
from bayesmix.specification.terms import Call, GroupTerm, Specification

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bayesmix.specification.bars import Bar

LONGEST_FORMULA = 10_000


def parse_formula(text: str) -> Specification:
    """Read a formula in the notation of lme4.

    The formula is data: names are kept as they are, only listed transforms may be called, and nothing is evaluated.

    Parameters
    ----------
    text : str
        A response, ``~`` and predictors, such as ``"math ~ ses * sector + (ses | school)"``.

    Returns
    -------
    Specification
        Response, fixed part in R's order (intercept, then by degree), offsets, and bars with ``a/b`` taken apart,
        outermost first.

    Raises
    ------
    FormulaError
        Where the text is not such a formula; the message says what was found where, what was expected, and what to do.

    References
    ----------
    Bates, Maechler, Bolker and Walker (2015), Fitting linear mixed-effects models using lme4, Journal of Statistical
    Software 67(1), section 2.1, doi:10.18637/jss.v067.i01; R's ``formula`` help page for the fixed part.

    Examples
    --------
    >>> specification = parse_formula("math ~ sector * cses + (cses | school)")
    >>> [term.label for term in specification.fixed]
    ['Intercept', 'sector', 'cses', 'sector:cses']
    >>> specification.groups[0].level, [term.label for term in specification.groups[0].effects]
    ('school', ['Intercept', 'cses'])
    """
    _check_text(text)
    try:
        return _read_formula(text)
    except RecursionError as error:
        raise FormulaError(
            f"The formula {quote(text)} is nested too deep to be read.",
            "A formula has few brackets and signs inside one another.",
            "Remove brackets that change nothing, or compute columns before fitting.",
        ) from error


def _check_text(text: object) -> None:
    """Refuse what is not text, is blank, or is too long."""
    if not isinstance(text, str):
        raise FormulaError(
            f"The formula is an object of type {type(text).__name__!r}.",
            "A formula is text, as in 'y ~ x + (1 | g)'.",
            "Write the formula in quotes.",
        )
    if not text.strip():
        raise FormulaError(
            "The formula is empty.",
            "A formula is a response, '~' and its predictors, as in 'y ~ x + (1 | g)'.",
            "Write the formula.",
        )
    if len(text) > LONGEST_FORMULA:
        raise FormulaError(
            f"The formula {quote(text)} has {len(text)} characters.",
            f"A formula has at most {LONGEST_FORMULA} characters.",
            "Gather columns before fitting, or give them shorter names.",
        )


def _read_formula(text: str) -> Specification:
    """The specification of a text that is not blank."""
    left, right = split_sides(text)
    factors = FactorTable()
    response = factors.add(_check_response(left))
    if isinstance(response.expression, Call) and response.expression.function == "poly":
        raise FormulaError(
            f"The response {locate_all([token for piece in left for token in piece.tokens])} has several columns.",
            "The response is one column or one listed transform of columns, as in 'log(y)'.",
            "Write the name of the column alone; polynomials belong among the predictors.",
        )
    factors.response = response
    fixed_pieces, bars = take_bars(text, right)
    fixed, offsets = read_sum(fixed_pieces, factors)
    groups = tuple(group for bar in bars for group in _read_bar(bar, factors))
    return Specification(text, response, fixed, offsets, groups)


def _check_response(pieces: Sequence[Piece]) -> Piece:
    """The one piece left of the tilde."""
    for piece in pieces:
        if piece.kind is Kind.STRING or (piece.kind is Kind.OTHER and piece.text != ","):
            raise unexpected(piece.tokens[0])
        if piece.value in ("|", "||") and piece.kind is Kind.OPERATOR:
            raise FormulaError(
                f"The bar {locate(piece)} stands in the response.",
                "Bars stand right of '~'.",
                "Move the bar behind '~'.",
            )
    tokens = [token for piece in pieces for token in piece.tokens]
    if len(pieces) == 1 and pieces[0].kind in (Kind.NAME, Kind.CALL):
        return pieces[0]
    if any(piece.text in (",", "+") for piece in pieces):
        raise FormulaError(
            f"There is more than one response in {locate_all(tokens)}.",
            "The response is one column or one listed transform of columns, as in 'log(y)'.",
            "Fit one model for each response, or write I(...) around a sum that is meant as one.",
        )
    raise FormulaError(
        f"The response {locate_all(tokens)} is not a single column.",
        "The response is one column or one listed transform of columns, as in 'log(y)'.",
        "Write the name of the column alone, or I(...) around arithmetic.",
    )


def _read_bar(bar: Bar, factors: FactorTable) -> tuple[GroupTerm, ...]:
    """The group terms of a bar, one for each of its groupings."""
    effects, _ = read_sum(bar.effects, factors, within_bar=True)
    if not effects:
        raise FormulaError(
            f"No effect is left in the bar {locate(bar.whole)}.",
            "At least one effect, an intercept or a slope, varies by group.",
            "Add an effect, or remove the bar.",
        )
    return tuple(GroupTerm(effects, grouping, bar.correlated) for grouping in bar.groupings)
