"""Text to :class:`Specification`: what a model says, before any data."""

from bayesmix.specification.formula import parse_formula
from bayesmix.specification.levels import LevelEquations, levels
from bayesmix.specification.terms import (
    INTERCEPT,
    Arithmetic,
    Call,
    Factor,
    GroupTerm,
    LevelPredictor,
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
    "LevelEquations",
    "LevelPredictor",
    "Name",
    "Number",
    "Specification",
    "Term",
    "Word",
    "columns_of",
    "levels",
    "parse_formula",
]
