"""Frames of nested groups without data: who belongs to whom, and predictors at each level."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.results.naming import require_count
from bayesmix.teaching.arguments import require_seed, shown

Integers = NDArray[np.int64]

KINDS = ("normal", "binary", "time")
MOST_ROWS = 20_000_000


def nested_frame(
    sizes: Mapping[str, Any], *, predictors: Mapping[str, Any] | None = None, seed: int | None = None, **unknown: Any
) -> pd.DataFrame:
    """A frame of nested groups, with predictors at the level you name.

    Parameters
    ----------
    sizes : mapping
        From the highest level to the lowest, which is the rows: ``{"school": 20, "class": (2, 4), "pupil": 25}`` is 20
        schools, each of 2, 3 or 4 classes (equally likely), each of 25 pupils. The first entry counts groups in all,
        the others those in each group above.
    predictors : mapping, optional
        By name the level and the kind, ``("school", "binary")``; a level alone means ``"normal"``. Kinds: ``"normal"``,
        standard normal; ``"binary"``, 0 or 1, within each group above half of the members each, at random; ``"time"``,
        0, 1, 2, ... within each group above.
    seed : int, optional
        The same seed gives the same frame.

    Returns
    -------
    DataFrame
        One row for each member of the lowest level: a column for each level, numbers from 1 that are never used again
        in another group, then the predictors.

    Raises
    ------
    ArgumentError
        Sizes below 1, or levels and kinds that are none.

    Examples
    --------
    >>> import bayesmix as bx
    >>> frame = bx.nested_frame({"school": 2, "pupil": 3}, predictors={"treated": ("school", "binary")}, seed=1)
    >>> frame.values.tolist()
    [[1, 1, 0], [1, 2, 0], [1, 3, 0], [2, 4, 1], [2, 5, 1], [2, 6, 1]]
    """
    refuse_unknown("nested_frame", unknown, ("predictors", "seed"))
    rng = require_seed(seed)
    counted = read_sizes(sizes)
    parents: list[Integers] = []
    for low, high in counted.values():
        above = len(parents[-1]) if parents else 1
        if above * high > MOST_ROWS:
            raise ArgumentError(
                f"The sizes {shown(dict(sizes))} make up to {above * high:.1e} rows.",
                f"Expected at most {MOST_ROWS:.0e}.",
                "Make the groups fewer or smaller.",
            )
        members = np.full(above, low) if low == high else rng.integers(low, high + 1, above)
        parents.append(np.repeat(np.arange(above), members))
    names = list(counted)
    member: dict[str, Integers] = {names[-1]: np.arange(len(parents[-1]))}
    for name, lower, upward in zip(names[-2::-1], names[:0:-1], parents[:0:-1], strict=True):
        member[name] = upward[member[lower]]
    frame = pd.DataFrame({name: member[name] + 1 for name in names})
    for name, (level, kind) in read_predictors(predictors, names).items():
        frame[name] = _predictor(kind, parents[names.index(level)], rng)[member[level]]
    return frame


def read_sizes(sizes: Any) -> dict[str, tuple[int, int]]:
    """The smallest and the largest size of each level."""
    if not isinstance(sizes, Mapping) or not sizes or not all(isinstance(name, str) and name for name in sizes):
        raise ArgumentError(
            f"The sizes are {shown(sizes)}.",
            "Expected sizes by the name of the level, highest first.",
            'Write {"school": 20, "pupil": 25}.',
        )
    found = {}
    for name, size in sizes.items():
        ends = size if isinstance(size, tuple | list) else (size, size)
        if len(ends) != 2:
            raise ArgumentError(
                f"The size of '{name}' is {shown(size)}.",
                "Expected a whole number, or (smallest, largest).",
                f"Write '{name}': 20, or '{name}': (15, 25).",
            )
        low, high = (require_count(f"size of '{name}'", end, 1) for end in ends)
        if high < low:
            raise ArgumentError(
                f"The size of '{name}' is {shown(size)}.", "Expected (smallest, largest).", f"Write ({high}, {low})."
            )
        found[name] = (low, high)
    return found


def read_predictors(predictors: Any, levels: list[str]) -> dict[str, tuple[str, str]]:
    """Level and kind of each predictor."""
    if predictors is None:
        return {}
    if not isinstance(predictors, Mapping):
        raise ArgumentError(
            f"predictors={shown(predictors)}.",
            "Expected a level and a kind by name.",
            f'Write predictors={{"x": ("{levels[-1]}", "normal")}}.',
        )
    found = {}
    for name, wanted in predictors.items():
        level, kind = (wanted, "normal") if isinstance(wanted, str) else _pair(name, wanted)
        if not isinstance(name, str) or name in levels:
            raise ArgumentError(f"A predictor is called {name!r}.", "Expected a name that no level has.", "Rename it.")
        for what, value, offered in (("level", level, levels), ("kind", kind, KINDS)):
            if value not in offered:
                near = difflib.get_close_matches(str(value), offered, n=1)
                raise ArgumentError(
                    f"The {what} of the predictor '{name}' is {shown(value)}.",
                    f"Expected one of {', '.join(offered)}.",
                    f"Did you mean '{near[0]}'?" if near else "Choose one of these.",
                )
        found[name] = (level, kind)
    return found


def _pair(name: Any, wanted: Any) -> tuple[Any, Any]:
    """A level and a kind."""
    if not isinstance(wanted, tuple | list) or len(wanted) != 2:
        raise ArgumentError(
            f"The predictor {name!r} is {shown(wanted)}.",
            "Expected a level, or (level, kind).",
            f"The kinds are {', '.join(KINDS)}.",
        )
    return wanted[0], wanted[1]


def _predictor(kind: str, parent: Integers, rng: np.random.Generator) -> NDArray[Any]:
    """Values of each member of a level, whose groups above are given in order."""
    if kind == "normal":
        return rng.standard_normal(len(parent))
    first = np.searchsorted(parent, parent)
    if kind == "time":
        return np.arange(len(parent)) - first
    # Members in random order within their group; every second is treated, beginning at random.
    shuffled = np.lexsort((rng.random(len(parent)), parent))
    place = np.empty(len(parent), np.int64)
    place[shuffled] = np.arange(len(parent)) - first
    return np.asarray((place + rng.integers(0, 2, parent[-1] + 1)[parent]) % 2)
