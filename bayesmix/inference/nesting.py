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
    # Around their means where that is allowed: columns far from 0 are otherwise alike to most of their digits.
    constant = np.flatnonzero((np.ptp(large, axis=0) == 0) & (large[0] != 0))[:1]
    centre = constant.size > 0
    wide, scale = _unit_columns(large, centre)
    narrow, length = _unit_columns(small, centre)
    found = np.linalg.lstsq(wide, narrow, rcond=None)[0]
    if np.linalg.norm(narrow - wide @ found, axis=0).max() > TOLERANCE:
        return None
    found[np.abs(found) < TOLERANCE] = 0.0
    found = found / scale[:, None] * length
    if centre:
        found[constant] = (small.mean(axis=0) - large.mean(axis=0) @ found) / large[0, constant]
    return np.asarray(found)


def _unit_columns(columns: Floats, centre: bool) -> tuple[Floats, Floats]:
    """Columns of length 1, around their means if asked for, and their lengths; 0 where that leaves only rounding."""
    moved = columns - columns.mean(axis=0) if centre else columns
    length = np.linalg.norm(moved, axis=0)
    kept = length > 1e-13 * np.linalg.norm(columns, axis=0)
    return np.where(kept, moved / np.where(kept, length, 1.0), 0.0), np.where(kept, length, 1.0)


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
    pieces = [(other, block) for other in large for block in other.blocks]
    maps: list[list[Floats]] = [[] for _ in pieces]
    decided = True
    for part in small:
        for block in part.blocks:
            verdicts = [_contained(part, block, other, own) for other, own in pieces]
            held = next((i for i, (nested, _) in enumerate(verdicts) if nested), None)
            if held is not None:
                maps[held].append(verdicts[held][1])
            elif any(nested is None for nested, _ in verdicts):
                decided = False
            else:
                return Nesting(False, 0)
    if not decided:
        return Nesting(None, 0)
    missing = [stop - start - _rank(found) for (_, (start, stop)), found in zip(pieces, maps, strict=True)]
    return Nesting(True, sum(k * (k + 1) // 2 for k in missing))


def _contained(
    part: RandomPart, block: tuple[int, int], other: RandomPart, own: tuple[int, int]
) -> tuple[bool | None, Floats]:
    """Whether a block of one level is a case of a block of another; with its effects on those of the other."""
    lower, upper = part.effects[:, slice(*block)], other.effects[:, slice(*own)]
    nothing = np.zeros((upper.shape[1], 0))
    if same_groups(part.codes, other.codes):
        A = span_map(upper, lower)
        return (False, nothing) if A is None else (True, A)
    if not is_within(part.codes, other.codes):
        return False, nothing
    return _absorbed(lower, part.codes, upper, other.codes)


def _rank(parts: list[Floats]) -> int:
    """Rank of matrices side by side, rows scaled."""
    if not parts:
        return 0
    joined = np.column_stack(parts)
    size = np.abs(joined).max(axis=1, initial=0.0)
    return int(np.linalg.matrix_rank(joined / np.where(size > 0, size, 1.0)[:, None], tol=1e-6))


def _absorbed(lower: Floats, codes: Integers, upper: Floats, above: Integers) -> tuple[bool | None, Floats]:
    """Whether correlated effects of groups inside another level's groups are a case of that level's; None if undecided.

    In each upper group the lower ones have the covariance sum_c Z_c Omega Z_c'. That is Z C Z' for the upper effects Z
    when one C serves all groups. C is read from a group in which Z has full rank, and checked in all.
    """
    nothing = np.zeros((upper.shape[1], 0))
    pairs = [(a, b) for a in range(lower.shape[1]) for b in range(a + 1)]
    squares: list[Floats] | None = None
    spread = nothing
    order = np.argsort(above, kind="stable")
    ends = np.flatnonzero(np.diff(above[order])) + 1
    groups = [_distinct_rows(lower[rows], codes[rows], upper[rows]) for rows in np.split(order, ends)]
    groups.sort(key=lambda group: -int(np.linalg.matrix_rank(group[0])))
    for Z, columns in groups:
        A = span_map(Z, np.column_stack(columns))
        if A is None:
            return False, nothing
        if squares is None:
            if np.linalg.matrix_rank(Z) < Z.shape[1]:
                return None, nothing
            maps = np.split(A, len(columns), axis=1)
            squares = [_symmetric(maps[a] @ maps[b].T) for a, b in pairs]
            spread = A
        for (a, b), C in zip(pairs, squares, strict=True):
            theirs = _symmetric(columns[a] @ columns[b].T)
            if np.abs(Z @ C @ Z.T - theirs).max() > 1e-6 * np.abs(theirs).max():
                return False, nothing
    return True, spread


def _symmetric(matrix: Floats) -> Floats:
    """Half of matrix + matrix'."""
    return np.asarray((matrix + matrix.T) / 2)


def _distinct_rows(lower: Floats, codes: Integers, upper: Floats) -> tuple[Floats, list[Floats]]:
    """Upper effects of a group, and for each lower effect its column for every lower group; repeated rows once."""
    _, inner = np.unique(codes, return_inverse=True)
    stacked = np.unique(np.column_stack([inner, upper, lower]), axis=0)
    child, q = stacked[:, 0].astype(int), upper.shape[1]
    belongs = child[:, None] == np.arange(int(child.max()) + 1)
    return stacked[:, 1 : q + 1], [belongs * column[:, None] for column in stacked[:, q + 1 :].T]
