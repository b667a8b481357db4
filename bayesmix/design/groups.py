"""Groupings become codes, and codes a tree, found from the cells that occur and not from how they are written."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.design.frame import Column, as_categories
from bayesmix.errors import BayesmixWarning, DesignError

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
    codes, cells = read_cells(columns, data)
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


def read_cells(columns: tuple[str, ...], data: Mapping[str, Column]) -> tuple[Integers, list[tuple[Any, ...]]]:
    """The combination of labels of each row, and the combinations, in label order."""
    parts = [as_categories(data[column]) for column in columns]
    codes = parts[0].codes
    cells: list[tuple[Any, ...]] = [(label,) for label in parts[0].labels]
    for part in parts[1:]:
        pairs, codes = np.unique(codes * len(part.labels) + part.codes, return_inverse=True)
        outer, inner = np.divmod(pairs, len(part.labels))
        cells = [(*cells[i], part.labels[j]) for i, j in zip(outer.tolist(), inner.tolist(), strict=True)]
    return codes, cells


def match_cells(
    columns: tuple[str, ...], known: Sequence[tuple[Any, ...]], data: Mapping[str, Column]
) -> tuple[Integers, tuple[tuple[Any, ...], ...]]:
    """The group of each row of other data, and all groups: those known, then those that are new, in label order."""
    codes, cells = read_cells(columns, data)
    numbers = {cell: i for i, cell in enumerate(known)}
    used = np.unique(codes)
    for i in used.tolist():
        numbers.setdefault(cells[i], len(numbers))
    found = np.full(len(cells), -1, np.int64)
    found[used] = [numbers[cells[i]] for i in used.tolist()]
    return found[codes], tuple(numbers)


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
        For each level, lowest first, the place of each label in the depth-first numbering; crossed levels, which come
        last, are numbered as their labels.
    parent : (sum J,) int array
        Global number of the parent of each group, level after level in depth-first order; sum J is the root.
    leaf : (n,) int array
        Lowest group of each row, depth-first number.
    depth : int
        Number of nested levels; levels after these are crossed.
    """

    order: tuple[Integers, ...]
    parent: Integers
    leaf: Integers
    depth: int


def build_tree(groupings: Sequence[Grouping], crossed: Sequence[Grouping] = ()) -> Tree:
    """Number the groups of nested groupings (lowest first) depth first; those of crossed ones keep their order."""
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
    order += [np.arange(len(grouping.labels)) for grouping in crossed]
    for array in (parent, leaf, *order):
        array.flags.writeable = False
    return Tree(tuple(order), parent, leaf, len(groupings))


def _map_up(lower: Grouping, upper: Grouping) -> Integers:
    """The upper group of each lower group, which lies in one only."""
    upward = np.empty(len(lower.labels), np.int64)
    upward[lower.codes] = upper.codes
    return upward


def is_nested(lower: Grouping, upper: Grouping) -> bool:
    """Whether every lower group lies within one upper group."""
    return bool((_map_up(lower, upper)[lower.codes] == upper.codes).all())


def choose_chain(groupings: Sequence[Grouping], effects: Sequence[int]) -> tuple[int, ...]:
    """Which groupings the tree takes, lowest first: nested in each other, and leaving the fewest effects outside.

    Parameters
    ----------
    groupings : sequence of Grouping
        Sorted by number of groups, largest first.
    effects : sequence of int
        Effects of each group.
    """
    count = len(groupings)
    nested = {(i, j): is_nested(groupings[i], groupings[j]) for i, j in combinations(range(count), 2)}
    sizes = [len(grouping.labels) * q for grouping, q in zip(groupings, effects, strict=True)]
    chains = [
        chain
        for length in range(count, 0, -1)
        for chain in combinations(range(count), length)
        if all(nested[pair] for pair in pairwise(chain))
    ]
    return max(chains, key=lambda chain: sum(sizes[i] for i in chain), default=())


def repeated_codes(inner: Grouping, outer: Grouping, n: int) -> bool:
    """Whether the labels of ``inner`` look as if they started anew in every group of ``outer``.

    So they do where each outer group uses nearly all labels up to its last one, labels are shared by most outer
    groups, and the cells of the two hold several rows each; a table with one row in each cell is crossed by design.
    """
    if len(inner.columns) > 1 or len(outer.columns) > 1 or not all(_is_code(label) for label in inner.labels):
        return False
    cells = np.unique(outer.codes * len(inner.labels) + inner.codes)
    if 2 * len(cells) > n:
        return False
    group, label = np.divmod(cells, len(inner.labels))
    used = np.bincount(group)
    last = np.zeros(len(outer.labels), np.int64)
    np.maximum.at(last, group, label + 1)
    shared = np.bincount(label).mean()
    return bool(np.median(used / last) >= 0.75 and used.max() > 1 and shared > 1.5)


def _is_code(label: Any) -> bool:
    """An integer, digits or a single letter."""
    text = str(label)
    return isinstance(label, int | np.integer) or text.isdigit() or (len(text) == 1 and text.isalpha())


def warn_repeated(groupings: Sequence[Grouping], n: int) -> None:
    """Name both readings where codes of groupings seem to start anew in every group of another."""
    pairs = [
        (inner.name, outer.name, inner.labels[0])
        for outer, inner in permutations(groupings, 2)
        if len(inner.labels) <= len(outer.labels)
        and not is_nested(outer, inner)
        and not is_nested(inner, outer)
        and repeated_codes(inner, outer, n)
    ]
    if pairs:
        inner, outer, label = pairs[0]
        named = " and ".join(f"'{inner}' with '{outer}'" for inner, outer, _ in pairs)
        warnings.warn(
            f"Groupings are fitted as crossed ({named}): {inner} {label!r} is taken to be one group, the same in "
            f"every {outer}. If its codes start anew in each {outer}, write (... | {outer}/{inner}).",
            BayesmixWarning,
            stacklevel=5,
        )
