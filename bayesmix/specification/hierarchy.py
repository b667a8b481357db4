"""Products of predictors taken apart into equations, one level at a time, and put together again.

A product is a tuple of parts; a part is whatever the caller multiplies (a factor of a formula, a coded column). Each
has a height: the highest level within whose groups it does not vary, 0 where it varies between the rows of a lowest
group.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Equation[P: Hashable]:
    """What one coefficient is explained by, one level up.

    Parameters
    ----------
    coefficient : tuple
        The product it is the coefficient of; empty for the intercept.
    predictors : tuple of tuple
        Products; the empty one, first where it is there, is the mean of the coefficient.
    residual : bool
        Whether the coefficient varies between the groups beyond what the predictors say.
    """

    coefficient: tuple[P, ...]
    predictors: tuple[tuple[P, ...], ...]
    residual: bool

    @property
    def trivial(self) -> bool:
        """Whether it says only that the coefficient is the same in all groups."""
        return self.predictors == ((),) and not self.residual


@dataclass(frozen=True)
class LevelForm[P: Hashable]:
    """A model as equations.

    Parameters
    ----------
    first : tuple of tuple
        The products of the equation of the rows.
    equations : tuple of tuple of Equation
        For each level, lowest first, one equation for each coefficient of the level below.
    """

    first: tuple[tuple[P, ...], ...]
    equations: tuple[tuple[Equation[P], ...], ...]


def take_apart[P: Hashable](
    fixed: Sequence[tuple[P, ...]], varying: Sequence[Sequence[tuple[P, ...]]], height: Callable[[P], int]
) -> LevelForm[P]:
    """The level form of a model whose levels are nested.

    Parameters
    ----------
    fixed : sequence of tuple
        Products with a fixed effect.
    varying : sequence of sequence of tuple
        For each level, lowest first, the products whose effects vary between its groups; none of their parts may be
        as high as the level (see :func:`too_high`).
    height : callable
        Of a part.

    Examples
    --------
    >>> form = take_apart([(), ("ses",), ("sector",), ("ses", "sector")], [[(), ("ses",)]], {"ses": 0, "sector": 1}.get)
    >>> form.first
    ((), ('ses',))
    >>> [(one.coefficient, one.predictors) for one in form.equations[0]]
    [((), ((), ('sector',))), (('ses',), ((), ('sector',)))]
    """
    current = _distinct(fixed)
    equations = []
    for level in range(len(varying), 0, -1):
        effects = {frozenset(product) for product in varying[level - 1]}
        known = _distinct([*(_part(product, height, 0, level) for product in current), *varying[level - 1]])
        # As substitution orders them, so that equations of equations are the same.
        below = tuple(sorted(known, key=lambda product: (len(product), sorted(height(part) for part in product))))
        here = []
        for coefficient in below:
            explained = [
                _part(product, height, level, len(varying) + 1)
                for product in current
                if frozenset(_part(product, height, 0, level)) == frozenset(coefficient)
            ]
            here.append(Equation(coefficient, _distinct(explained), frozenset(coefficient) in effects))
        equations.append(tuple(here))
        current = below
    return LevelForm(current, tuple(reversed(equations)))


def too_high[P: Hashable](
    varying: Sequence[Sequence[tuple[P, ...]]], height: Callable[[P], int]
) -> tuple[int, tuple[P, ...]] | None:
    """The first effect that varies between groups within which its own predictor does not: its level and product."""
    for level, products in enumerate(varying, start=1):
        for product in products:
            if any(height(part) >= level for part in product):
                return level, product
    return None


def _part[P: Hashable](product: tuple[P, ...], height: Callable[[P], int], low: int, high: int) -> tuple[P, ...]:
    """The parts of a product whose height is at least ``low`` and below ``high``."""
    return tuple(part for part in product if low <= height(part) < high)


def _distinct[P: Hashable](products: Sequence[tuple[P, ...]]) -> tuple[tuple[P, ...], ...]:
    """Products once each, whatever the order of their parts, by their number of parts."""
    found: dict[frozenset[P], tuple[P, ...]] = {}
    for product in products:
        found.setdefault(frozenset(product), product)
    return tuple(sorted(found.values(), key=len))
