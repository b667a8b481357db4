"""Which equation of a multilevel model each fixed effect belongs to, and the degrees of freedom counted from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Units:
    """One level of a nested chain.

    Parameters
    ----------
    codes : (n,) int array
        Group of each row.
    effects : (n, q) array
        Columns that vary by group.
    """

    codes: Integers
    effects: Floats

    @property
    def number(self) -> int:
        """J."""
        return int(self.codes.max()) + 1


def is_chain(levels: Sequence[Units]) -> bool:
    """Whether every group of a level lies in one group of the level after it."""
    return all(
        len(np.unique(lower.codes * upper.number + upper.codes)) == lower.number for lower, upper in pairwise(levels)
    )


def equation_df(X: Floats, levels: Sequence[Units]) -> Floats:
    """HLM's degrees of freedom: units of the equation, less its coefficients.

    A fixed effect belongs to the equation of an effect e at the highest level where it is e times something constant
    within groups, that is where its chain of equations still has a residual. Without one it has N - p.

    Parameters
    ----------
    X : (n, p) array
        Fixed effects.
    levels : sequence of Units
        A nested chain, lowest level first.

    Returns
    -------
    (p,) array
        At least 0.

    References
    ----------
    Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., eq. 3.83.

    Examples
    --------
    >>> school = np.repeat(np.arange(10), 5)
    >>> X = np.column_stack([np.ones(50), np.tile(np.arange(5.0), 10)])
    >>> equation_df(X, [Units(school, X)])
    array([9., 9.])
    """
    n, p = X.shape
    memberships = [_memberships(X, level) for level in levels]
    home: list[tuple[int, int] | None] = [None] * p
    for column in range(p):
        for number in reversed(range(len(levels))):
            found = np.flatnonzero(memberships[number][column])
            if found.size:
                home[column] = (number, int(found[0]))
                break
    df = np.full(p, float(n - p))
    for number, effect in {place for place in home if place is not None}:
        own = [column for column in range(p) if home[column] == (number, effect)]
        # What higher equations explain are coefficients of this one too, each once.
        above = {
            place
            for place in home
            if place is not None
            and place[0] > number
            and _memberships(levels[place[0]].effects[:, [place[1]]], levels[number])[0, effect]
        }
        df[own] = max(levels[number].number - len(own) - len(above), 0)
    return df


def between_within_df(X: Floats, levels: Sequence[Units]) -> Floats:
    """Units of the highest level at which a column is constant, less those of the level above and its columns.

    Parameters and returns as :func:`equation_df`. Pinheiro & Bates (2000), Mixed-Effects Models in S and S-PLUS,
    section 2.4.2; with one level SAS's BETWITHIN.
    """
    n, p = X.shape
    home = np.full(p, -1)
    for number, level in enumerate(levels):
        home[constant_columns(X, level.codes)] = number
    units = [n, *(level.number for level in levels), 0]
    df = np.empty(p)
    for number in range(-1, len(levels)):
        own = home == number
        df[own] = max(units[number + 1] - units[number + 2] - int(own.sum()), 0)
    return df


def constant_columns(X: Floats, codes: Integers) -> NDArray[np.bool_]:
    """Which columns do not vary within groups, (p,)."""
    return np.asarray(_memberships(X, Units(codes, np.ones((len(X), 1))))[:, 0])


def _memberships(X: Floats, level: Units) -> NDArray[np.bool_]:
    """Whether each column is each effect of a level times a constant of each group, (p, q)."""
    found = np.zeros((X.shape[1], level.effects.shape[1]), dtype=bool)
    for number, effect in enumerate(level.effects.T):
        # The row of each group in which the effect is largest tells the constant.
        order = np.lexsort((-np.abs(effect), level.codes))
        first = order[np.searchsorted(level.codes[order], np.arange(level.number))]
        size = np.where(effect[first] != 0, effect[first], 1.0)
        constants = np.where((effect[first] != 0)[:, None], X[first] / size[:, None], 0.0)
        left = np.abs(X - constants[level.codes] * effect[:, None]).max(axis=0)
        found[:, number] = left <= 1e-10 * np.abs(X).max(axis=0)
    return found
