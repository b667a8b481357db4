"""Groupings become codes, and codes a tree, found from the cells that occur and not from how they are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.design.frame import Column, as_categories
from bayesmix.errors import DesignError

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Grouping:
    """The groups of one level.

    Parameters
    ----------
    name : str
        ``school`` or ``school:child``.
    columns : tuple of str
        The columns that name the groups, outermost first.
    codes : (n,) int array
        Group of each row, an index into labels.
    labels : tuple
        One label for each group: the value itself for one column, ``outer:inner`` text for more.
    cells : tuple of tuple
        The values themselves, one tuple for each group.
    """

    name: str
    columns: tuple[str, ...]
    codes: Integers
    labels: tuple[Any, ...]
    cells: tuple[tuple[Any, ...], ...]


def read_grouping(columns: tuple[str, ...], data: Mapping[str, Column], n: int) -> Grouping:
    """The groups that occur, in label order.

    Raises
    ------
    DesignError
        There is only one group, or as many groups as rows.
    """
    name = ":".join(columns)
    parts = [as_categories(data[column]) for column in columns]
    codes = parts[0].codes
    cells: list[tuple[Any, ...]] = [(label,) for label in parts[0].labels]
    for part in parts[1:]:
        pairs, codes = np.unique(codes * len(part.labels) + part.codes, return_inverse=True)
        outer, inner = np.divmod(pairs, len(part.labels))
        cells = [(*cells[i], part.labels[j]) for i, j in zip(outer.tolist(), inner.tolist(), strict=True)]
    labels = _labels(cells)
    if len(labels) < 2:
        raise DesignError(
            f"Grouping '{name}' has {len(labels)} group.",
            "A level needs at least 2.",
            "Drop the level or check the column.",
        )
    if len(labels) >= n:
        raise DesignError(
            f"Grouping '{name}' has {len(labels)} groups in {n} rows.",
            "A level needs fewer groups than rows, or its effects are the residuals.",
            f"Drop the level, or check that '{name}' is the column you mean.",
        )
    return Grouping(name, columns, codes, labels, tuple(cells))


def _labels(cells: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Values of one column as they are, of several joined by colons; quoted where colons inside make two equal."""
    if all(len(cell) == 1 for cell in cells):
        return tuple(cell[0] for cell in cells)
    joined = tuple(":".join(map(str, cell)) for cell in cells)
    return joined if len(set(joined)) == len(joined) else tuple(":".join(map(repr, cell)) for cell in cells)


@dataclass(frozen=True)
class Tree:
    """Nested groupings, numbered depth first so that the children of a group are neighbours.

    Parameters
    ----------
    order : tuple of (J,) int arrays
        For each level, lowest first, the place of each label in the depth-first numbering.
    parent : (sum J,) int array
        Global number of the parent of each group, level after level in depth-first order; sum J is the root.
    leaf : (n,) int array
        Lowest group of each row, depth-first number.
    """

    order: tuple[Integers, ...]
    parent: Integers
    leaf: Integers


def build_tree(groupings: list[Grouping]) -> Tree:
    """Number the groups of nested groupings (lowest first) depth first.

    Raises
    ------
    DesignError
        Two groupings cross; a pair of cells that shows it is named.
    """
    maps = [_map_up(lower, upper) for lower, upper in pairwise(groupings)]
    order: list[Integers] = []
    keys = np.zeros(0, np.int64)
    for level in range(len(groupings) - 1, -1, -1):
        J = len(groupings[level].labels)
        # Place of the parent first, own label second.
        keys = np.arange(J) if level == len(groupings) - 1 else order[0][maps[level]] * J + np.arange(J)
        place = np.empty(J, np.int64)
        place[np.argsort(keys, kind="stable")] = np.arange(J)
        order.insert(0, place)
    sizes = [len(grouping.labels) for grouping in groupings]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    parent = np.full(int(starts[-1]), starts[-1], np.int64)
    for level, upward in enumerate(maps):
        parent[starts[level] + order[level]] = starts[level + 1] + order[level + 1][upward]
    leaf = order[0][groupings[0].codes]
    for array in (parent, leaf, *order):
        array.flags.writeable = False
    return Tree(tuple(order), parent, leaf)


def _map_up(lower: Grouping, upper: Grouping) -> Integers:
    """The upper group of each lower group."""
    upward = np.empty(len(lower.labels), np.int64)
    upward[lower.codes] = upper.codes
    crossing = np.flatnonzero(upward[lower.codes] != upper.codes)
    if crossing.size == 0:
        return upward
    row = int(crossing[0])
    label = lower.labels[lower.codes[row]]
    first, second = upper.labels[upward[lower.codes[row]]], upper.labels[upper.codes[row]]
    outer, inner = upper.name, lower.columns[-1]
    raise DesignError(
        f"Groupings '{lower.name}' and '{upper.name}' cross: {lower.name} {label!r} is seen with {upper.name} "
        f"{first!r} and with {second!r}.",
        f"Expected every {lower.name} within one {upper.name}; crossed groupings are not fitted.",
        f"If codes of '{lower.name}' repeat from one {upper.name} to the next, write (... | {outer}/{inner}) or "
        f"(... | {outer}:{inner}); otherwise drop one of the two.",
    )
