"""The pieces of a specification: plain, frozen, and ignorant of any data."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Name:
    """A column of the data, by its exact name."""

    column: str


@dataclass(frozen=True)
class Number:
    """A literal number."""

    value: float


@dataclass(frozen=True)
class Word:
    """A word that is an option of a transform (``Sum``, ``raw``) or a label, and no column."""

    text: str


@dataclass(frozen=True)
class Arithmetic:
    """``+ - * / **`` on one (sign) or two operands, as inside ``I()``."""

    operator: str
    operands: tuple[Expression, ...]


@dataclass(frozen=True)
class Call:
    """A listed transform applied to its arguments; ``function`` is never looked up anywhere but in the list."""

    function: str
    arguments: tuple[Expression, ...]


Expression = Name | Number | Word | Arithmetic | Call


@dataclass(frozen=True)
class Factor:
    """One factor of a term, with the text it is named by; two factors of one text are the same factor."""

    text: str
    expression: Expression = field(compare=False)


@dataclass(frozen=True)
class Term:
    """A product of factors; the empty product is the intercept."""

    factors: tuple[Factor, ...] = ()

    @property
    def label(self) -> str:
        """The term as it is named: ``Intercept``, ``ses`` or ``ses:sector``."""
        return ":".join(factor.text for factor in self.factors) or "Intercept"


INTERCEPT = Term()


@dataclass(frozen=True)
class GroupTerm:
    """Effects that vary by group: one bar of a formula, ``a/b`` already taken apart.

    Parameters
    ----------
    effects : tuple of Term
        What stands left of the bar, with :data:`INTERCEPT` first where it is present.
    grouping : tuple of str
        The columns whose combinations name the groups, outermost first: ``("school", "child")`` for ``school:child``.
    correlated : bool
        True for ``|``, False for ``||``.
    """

    effects: tuple[Term, ...]
    grouping: tuple[str, ...]
    correlated: bool = True

    @property
    def level(self) -> str:
        """The name of the level: ``school`` or ``school:child``."""
        return ":".join(self.grouping)


@dataclass(frozen=True)
class LevelPredictor:
    """A predictor that was written into the equation of a level, within whose groups it may not vary.

    Parameters
    ----------
    factor : Factor
        The predictor.
    grouping : tuple of str
        The columns that name the groups of the level.
    level, coefficient : str
        Names of the level and of the coefficient that it explains, as written.
    """

    factor: Factor
    grouping: tuple[str, ...]
    level: str
    coefficient: str


@dataclass(frozen=True)
class Specification:
    """What a formula says: response, fixed part, offsets and bars, in the order of the text.

    Parameters
    ----------
    formula : str
        The formula, as written.
    response : Factor
        Left of the tilde.
    fixed : tuple of Term
        Fixed part, :data:`INTERCEPT` first where it is present, then by degree as R orders them.
    offsets : tuple of Factor
        Arguments of ``offset()``.
    groups : tuple of GroupTerm
        The bars.
    level_predictors : tuple of LevelPredictor
        What level equations promise of the data. The model is the same without it, so it does not count in comparisons.
    by_levels : bool
        Whether it was written level by level; it does not count either.
    """

    formula: str
    response: Factor
    fixed: tuple[Term, ...]
    offsets: tuple[Factor, ...] = ()
    groups: tuple[GroupTerm, ...] = ()
    level_predictors: tuple[LevelPredictor, ...] = field(default=(), compare=False, repr=False)
    by_levels: bool = field(default=False, compare=False, repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the data the model reads, in order of first use."""
        factors = [self.response]
        factors += [factor for term in self.fixed for factor in term.factors]
        factors += list(self.offsets)
        factors += [factor for group in self.groups for term in group.effects for factor in term.factors]
        names = [name for factor in factors for name in columns_of(factor.expression)]
        names += [name for group in self.groups for name in group.grouping]
        return tuple(dict.fromkeys(names))


def columns_of(expression: Expression) -> tuple[str, ...]:
    """The columns an expression reads, in order of first use."""
    match expression:
        case Name(column):
            return (column,)
        case Number() | Word():
            return ()
        case Arithmetic(operands=parts) | Call(arguments=parts):
            return tuple(dict.fromkeys(name for part in parts for name in columns_of(part)))
