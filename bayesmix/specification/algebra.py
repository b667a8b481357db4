"""The operators of a formula, ``+ - * / : ^ %in% ()``, worked out by formulaic's parser on stand-ins for the factors.

formulaic sees words ``f0, f1, ...`` and operators only. Two of its operators are replaced: ``%in%`` is R's
(``b %in% a`` is the term ``a:b`` alone), and a power is not enumerated. All that multiply are limited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from formulaic.errors import FormulaParsingError
from formulaic.parser import (
    DefaultFormulaParser,
    DefaultOperatorResolver,
)
from formulaic.parser.types import Operator, OrderedSet

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_TERMS = 5_000
MOST_FACTORS = 500_000
HIGHEST_POWER = 10

_PRODUCTS = frozenset({"*", "/", ":"})

Products = tuple[tuple[str, ...], ...]


class TooManyTermsError(Exception):
    """The terms of a formula, or the products on the way to them, are more than is allowed."""


class AlgebraError(Exception):
    """formulaic's parser can not read the words it was given."""


def expand_products(words: str) -> Products:
    """The terms of a sum of products, in order of appearance.

    Parameters
    ----------
    words : str
        Plain words (``f0``), whole numbers as powers, operators and brackets, all parted by spaces.

    Returns
    -------
    tuple of tuple of str
        The words of each term. A term that appears again with its words in another order is left out.

    Raises
    ------
    TooManyTermsError
        Where the terms are more than :data:`MOST_TERMS`, or the products on the way to them have more than
        :data:`MOST_FACTORS` factors together.
    AlgebraError
        Where the words do not make a formula.

    Examples
    --------
    >>> expand_products("f0 * f1 - f0")
    (('f1',), ('f0', 'f1'))
    """
    parser = DefaultFormulaParser(operator_resolver=_Resolver(), include_intercept=False, feature_flags=set())
    try:
        terms = list(parser.get_terms(words))
    except FormulaParsingError as error:
        raise AlgebraError(str(error)) from error
    if len(terms) > MOST_TERMS:
        raise TooManyTermsError
    return tuple(tuple(factor.expr for factor in term.factors) for term in terms)


class _Resolver(DefaultOperatorResolver):  # type: ignore[misc]
    """formulaic's operators, with R's ``%in%``, a power that is not enumerated, and a limit on all products."""

    def __init__(self) -> None:
        super().__init__()
        self.factors = 0

    @property
    def operators(self) -> list[Any]:
        """The operators; those that multiply count their factors."""
        own = {"in": self._nest, "^": self._raise, "**": self._raise}
        changed = []
        for operator in super().operators:
            symbol = operator.symbol
            if symbol in own or symbol in _PRODUCTS:
                operation = own.get(symbol) or self._limit(operator.to_terms)
                # R: %in% binds more tightly than * and /, less than :
                precedence = 250 if symbol == "in" else operator.precedence
                changed.append(
                    Operator(
                        symbol,
                        arity=2,
                        precedence=precedence,
                        associativity=operator.associativity,
                        to_terms=operation,
                    )
                )
            else:
                changed.append(operator)
        return changed

    def _count(self, left: Any, right: Any) -> None:
        """Count the factors in the products of two sets of terms, before they are made."""
        if not left or not right:
            raise AlgebraError("a product with no terms on one side")
        for some, others in ((left, right), (right, left)):
            self.factors += len(some) * sum(len(term.factors) for term in others)
        if self.factors > MOST_FACTORS:
            raise TooManyTermsError

    def _limit(self, operation: Callable[..., Any]) -> Callable[[Any, Any], Any]:
        """The operation, counted."""

        def limited(left: Any, right: Any) -> Any:
            self._count(left, right)
            return operation(left, right)

        return limited

    def _nest(self, nested: Any, parents: Any) -> Any:
        """``nested %in% parents``: each nested term times all the parents."""
        self._count(nested, parents)
        common, *others = parents
        for parent in others:
            common = common * parent
        return OrderedSet(common * term for term in nested)

    def _raise(self, base: Any, power: Any) -> Any:
        """``base ^ power``: products of terms, repeated ones dropped at each step instead of at the end."""
        ((exponent,),) = [term.factors for term in power]
        terms = base
        for _ in range(int(exponent.expr) - 1):
            self._count(terms, base)
            terms = OrderedSet(left * right for left in terms for right in base)
        return terms
