"""Text to :class:`Specification`: what a model says, before any data."""

from bayesmix.specification.formula import parse_formula
from bayesmix.specification.terms import (
    INTERCEPT,
    Arithmetic,
    Call,
    Factor,
    GroupTerm,
    Name,
    Number,
    Specification,
    Term,
    Word,
    columns_of,
)

__all__ = [
    "INTERCEPT",
    "Arithmetic",
    "Call",
    "Factor",
    "GroupTerm",
    "Name",
    "Number",
    "Specification",
    "Term",
    "Word",
    "columns_of",
    "parse_formula",
]
