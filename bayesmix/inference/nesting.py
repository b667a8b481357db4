"""Whether one model is a special case of another, found from columns and groups and not from the formulas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Share of a column's length that may lie outside a span it is said to be in.
TOLERANCE = 1e-7


@dataclass(frozen=True)
class RandomPart:
    """The effects of one level, row by row.

    Parameters
    ----------
    effects : (n, q) array
        Columns that vary by group.
    codes : (n,) int array
        Group of each row.
    blocks : tuple of (start, stop)
        Effects correlated with each other.
    """

    effects: Floats
    codes: Integers
    blocks: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Nesting:
    """What is known about a small random part within a large one.

    Parameters
    ----------
    nested : bool or None
        None where the data do not decide it.
    boundary : int
        Parameters of the large part that, where the small one is true, lie at a corner of what is allowed: k (k + 1)/2
        for k new variances in a block with each other's covariances. Their covariances with effects that vary already
        are not counted.
    """

    nested: bool | None
    boundary: int


def span_map(large: Floats, small: Floats) -> Floats | None:
    """The map A with small = large A, None where a column of small is not in the span of large.

    Parameters
    ----------
    large : (n, p) array
    small : (n, k) array

    Returns
    -------
    (p, k) array or None
    """
    if small.shape[1] == 0:
        return np.zeros((large.shape[1], 0))
    if large.shape[1] == 0:
        return None
    wide, narrow = np.linalg.norm(large, axis=0), np.linalg.norm(small, axis=0)
    wide, narrow = np.where(wide > 0, wide, 1.0), np.where(narrow > 0, narrow, 1.0)
    found = np.linalg.lstsq(large / wide, small / narrow, rcond=None)[0]
    rest = small / narrow - (large / wide) @ found
    if np.linalg.norm(rest, axis=0).max() > TOLERANCE:
        return None
    found[np.abs(found) < TOLERANCE] = 0.0
    return np.asarray(found / wide[:, None] * narrow)


def same_groups(one: Integers, other: Integers) -> bool:
    """Whether two codings part the rows in the same way."""
    pairs = len(np.unique(one * (int(other.max()) + 1) + other))
    return pairs == len(np.unique(one)) == len(np.unique(other))


def is_within(lower: Integers, upper: Integers) -> bool:
    """Whether every lower group lies in one upper group."""
    return len(np.unique(lower * (int(upper.max()) + 1) + upper)) == len(np.unique(lower))


def random_nesting(small: Sequence[RandomPart], large: Sequence[RandomPart]) -> Nesting:
    """Whether every covariance the small random part can have is one of the large part's.

    Levels are matched by their groups. A level that the large part does not have may still be contained: (1 | g:f) in
    (f | g), whose unstructured covariance includes compound symmetry.

    Parameters
    ----------
    small, large : sequence of RandomPart
        Over the same rows.

    Returns
    -------
    Nesting
    """
    maps: list[list[Floats]] = [[] for _ in large]
    decided = True
    for part in small:
        own = next((i for i, other in enumerate(large) if same_groups(part.codes, other.codes)), None)
        if own is not None:
            A = span_map(large[own].effects, part.effects)
            if A is None or not all(_one_block(A[:, a:b] @ A[:, a:b].T, large[own].blocks) for a, b in part.blocks):
                return Nesting(False, 0)
            maps[own].append(A)
            continue
        verdicts = [(i, _absorbed(part, other)) for i, other in enumerate(large) if is_within(part.codes, other.codes)]
        held = [(i, A) for i, (nested, A) in verdicts if nested]
        if held:
            maps[held[0][0]].append(held[0][1])
        elif any(nested is None for _, (nested, _) in verdicts):
            decided = False
        else:
            return Nesting(False, 0)
    if not decided:
        return Nesting(None, 0)
    missing = [
        stop - start - _rank([A[start:stop] for A in found])
        for other, found in zip(large, maps, strict=True)
        for start, stop in other.blocks
    ]
    return Nesting(True, sum(k * (k + 1) // 2 for k in missing))


def _rank(parts: list[Floats]) -> int:
    """Rank of matrices side by side, rows scaled."""
    if not parts:
        return 0
    joined = np.column_stack(parts)
    size = np.abs(joined).max(axis=1, initial=0.0)
    return int(np.linalg.matrix_rank(joined / np.where(size > 0, size, 1.0)[:, None], tol=1e-6))


def _one_block(square: Floats, blocks: tuple[tuple[int, int], ...]) -> bool:
    """Whether a covariance matrix is zero outside the blocks that are free."""
    inside = np.zeros(square.shape, bool)
    for start, stop in blocks:
        inside[start:stop, start:stop] = True
    size = np.sqrt(np.maximum(np.diag(square), 0))
    return bool((np.abs(square) <= 1e-9 * np.outer(size, size))[~inside].all())


def _absorbed(part: RandomPart, other: RandomPart) -> tuple[bool | None, Floats]:
    """Whether effects of groups within another level's groups are a case of that level's; None if undecided.

    In each upper group the lower ones have the covariance sum_c Z_c Omega Z_c'. That is Z C Z' for the upper effects Z
    when one C serves all groups. C is read from a group in which Z has full rank, and checked in all.
    """
    nothing = np.zeros((other.effects.shape[1], 0))
    pairs = [(a, b) for start, stop in part.blocks for a in range(start, stop) for b in range(start, a + 1)]
    found: list[Floats] | None = None
    spread = nothing
    order = np.argsort(other.codes, kind="stable")
    ends = np.flatnonzero(np.diff(other.codes[order])) + 1
    groups = [_distinct_rows(part, other, rows) for rows in np.split(order, ends)]
    groups.sort(key=lambda group: -int(np.linalg.matrix_rank(group[0])))
    for Z, columns in groups:
        A = span_map(Z, np.column_stack(columns))
        if A is None:
            return False, nothing
        if found is None:
            if np.linalg.matrix_rank(Z) < Z.shape[1]:
                return None, nothing
            children = columns[0].shape[1]
            maps = [A[:, i * children : (i + 1) * children] for i in range(len(columns))]
            found = [_symmetric(maps[a] @ maps[b].T) for a, b in pairs]
            spread = A
            if not all(_one_block(C, other.blocks) for C in found):
                return False, nothing
        for (a, b), C in zip(pairs, found, strict=True):
            theirs = _symmetric(columns[a] @ columns[b].T)
            if np.abs(Z @ C @ Z.T - theirs).max() > 1e-6 * np.abs(theirs).max():
                return False, nothing
    return True, spread


def _symmetric(matrix: Floats) -> Floats:
    """Half of matrix + matrix'."""
    return np.asarray((matrix + matrix.T) / 2)


def _distinct_rows(part: RandomPart, other: RandomPart, rows: Integers) -> tuple[Floats, list[Floats]]:
    """Upper effects of a group, and for each lower effect its column for every lower group; repeated rows once."""
    _, inner = np.unique(part.codes[rows], return_inverse=True)
    stacked = np.column_stack([inner, other.effects[rows], part.effects[rows]])
    stacked = np.unique(stacked, axis=0)
    child, q = stacked[:, 0].astype(int), other.effects.shape[1]
    belongs = child[:, None] == np.arange(int(child.max()) + 1)
    return stacked[:, 1 : q + 1], [belongs * column[:, None] for column in stacked[:, q + 1 :].T]
