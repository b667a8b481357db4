"""Bars become levels: groupings lowest first, each with its coded effects and their blocks."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.design.coding import ModelColumn, Power, code_terms
from bayesmix.design.frame import Column
from bayesmix.design.groups import Grouping, choose_chain, is_nested, read_grouping, warn_repeated
from bayesmix.errors import BayesmixWarning, DesignError
from bayesmix.specification import GroupTerm

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Coded effects of a grouping, each with the number of the block it belongs to.
CodedBar = list[tuple[ModelColumn, int]]


@dataclass(frozen=True)
class Level:
    """One level of the model, as the data have it.

    Parameters
    ----------
    grouping : Grouping
        Its groups.
    effects : tuple of ModelColumn
        The q columns that vary by group.
    places : (q,) int array
        Where they stand among the design's columns.
    blocks : tuple of (start, stop)
        Effects correlated with each other.
    """

    grouping: Grouping
    effects: tuple[ModelColumn, ...]
    places: Integers
    blocks: tuple[tuple[int, int], ...]

    @property
    def name(self) -> str:
        """``school`` or ``school:child``."""
        return self.grouping.name

    @property
    def effect_names(self) -> tuple[str, ...]:
        """``Intercept``, ``ses``."""
        return tuple(effect.name for effect in self.effects)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs (i, j), i < j, of effects whose covariance is a parameter."""
        return tuple((i, j) for start, stop in self.blocks for i in range(start, stop) for j in range(i + 1, stop))


def read_levels(
    bars: tuple[GroupTerm, ...], columns: Mapping[str, Column], n: int
) -> tuple[list[Grouping], list[CodedBar], int, tuple[str, ...]]:
    """Groupings, each with its coded effects and the number of the block they belong to.

    The nested ones come first, lowest first, then the crossed ones; how many are nested is the third result.
    """
    notes: list[str] = []
    by_cells: dict[frozenset[str], list[GroupTerm]] = {}
    for bar in bars:
        by_cells.setdefault(frozenset(bar.grouping), []).append(bar)
    found: list[tuple[Grouping, CodedBar]] = []
    for members in by_cells.values():
        coded: CodedBar = []
        block = 0
        for bar in members:
            for terms in _blocks_of(bar, columns, notes):
                coded += [(column, block) for column in terms]
                block += 1
        found.append((read_grouping(members[0].grouping, columns, n), coded))
    found.sort(key=lambda item: -len(item[0].labels))
    chain = choose_chain([grouping for grouping, _ in found], [len(coded) for _, coded in found])
    found = [found[i] for i in chain] + [item for i, item in enumerate(found) if i not in chain]
    warn_repeated([grouping for grouping, _ in found], n)
    _warn_same_groups(found)
    return [grouping for grouping, _ in found], [coded for _, coded in found], len(chain), tuple(notes)


def _warn_same_groups(found: Sequence[tuple[Grouping, CodedBar]]) -> None:
    """Say which levels have the same groups and an effect in common."""
    for (one, ours), (other, theirs) in combinations(found, 2):
        shared = {column.key for column, _ in ours} & {column.key for column, _ in theirs}
        if shared and len(one.labels) == len(other.labels) and is_nested(one, other):
            name = next(column.name for column, _ in ours if column.key in shared)
            warnings.warn(
                f"Levels '{one.name}' and '{other.name}' have the same {len(one.labels)} groups, so that the data can "
                f"not tell their variances of {name} apart. Leave one out; level equations are given lowest level "
                "first.",
                BayesmixWarning,
                stacklevel=5,
            )


def _blocks_of(bar: GroupTerm, columns: Mapping[str, Column], notes: list[str]) -> list[list[ModelColumn]]:
    """The sets of correlated effects of a bar: one for ``|``; for ``||`` one for each term, as lme4 expands it."""
    if not bar.effects:
        raise DesignError(
            f"The bar over '{bar.level}' has no effects left.",
            "Expected at least one column that varies by group.",
            f"Write (1 | {bar.level}) for varying intercepts.",
        )
    if bar.correlated:
        return [code_terms(bar.effects, columns)]
    blocks = [code_terms((term,), columns) for term in bar.effects]
    for term, block in zip(bar.effects, blocks, strict=True):
        if len(block) > 1:
            powers = any(isinstance(atom, Power) for atom in block[0].atoms)
            notes.append(
                f"({term.label} || {bar.level}): '{term.label}' {'has several columns' if powers else 'is categorical'}"
                f"; its {len(block)} effects are correlated with each other and independent of the rest, "
                f"(0 + {term.label} | {bar.level}), as in lme4."
            )
    return blocks


def make_level(grouping: Grouping, coded: CodedBar, place: Mapping[Any, int], n: int) -> Level:
    """A level, with the number of its effects checked against the rows."""
    effects = tuple(column for column, _ in coded)
    names = [column.name for column in effects]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DesignError(
            f"The effect '{twice}' varies twice at level '{grouping.name}'.",
            "Expected every effect once at a level; its variance could not be told apart.",
            "Remove it from one of the bars, for example with 0 +.",
        )
    count = len(grouping.labels) * len(effects)
    if count >= n:
        raise DesignError(
            f"Level '{grouping.name}' has {len(grouping.labels)} groups with {len(effects)} effects each, "
            f"{count} effects in {n} rows.",
            "Expected fewer effects than rows, or they can not be told from the residuals.",
            "Leave out effects of this level, or the level.",
        )
    blocks: list[tuple[int, int]] = []
    numbers = [block for _, block in coded]
    for block in dict.fromkeys(numbers):
        start = numbers.index(block)
        blocks.append((start, start + numbers.count(block)))
    return Level(grouping, effects, np.array([place[c.key] for c in effects], np.int64), tuple(blocks))
