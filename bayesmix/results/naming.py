"""Names of levels, groups and effects on arrays that come in depth-first order."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import Design
from bayesmix.errors import ArgumentError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def pick_level(design: Design, name: str | None) -> int:
    """The number of a level by its name; without a name the only one."""
    names = [level.name for level in design.levels]
    if name is None and len(names) == 1:
        return 0
    if name in names:
        return names.index(name)
    if name is None:
        raise ArgumentError(
            f"The model has {len(names)} levels and none was named.",
            f"Expected one of {', '.join(names)}.",
            "Pass level=...",
        )
    parts = [own for own in names if sorted(own.split(":")) == sorted(str(name).split(":"))]
    parts += [own for own in names if own.split(":")[0 if len(names) == 1 else -1] == str(name)]
    near = parts[:1] or difflib.get_close_matches(str(name), names, n=1, cutoff=0.4)
    hint = f"Did you mean '{near[0]}'?" if near else "Choose one of these."
    raise ArgumentError(f"The model has no level '{name}'.", f"Expected one of {', '.join(names)}.", hint)


def require_count(name: str, value: Any, least: int) -> int:
    """Refuse what is no whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ArgumentError(f"{name}={value!r}.", f"Expected a whole number of at least {least}.", f"Correct {name}.")
    return int(value)


def group_order(design: Design, number: int) -> Integers:
    """Depth-first place of each group of a level, in the order of its labels."""
    assert design.tree is not None
    return design.tree.order[number]


def group_frame(design: Design, number: int, effects: Sequence[str], columns: Mapping[str, Floats]) -> pd.DataFrame:
    """A frame indexed (group, effect) from (J, q) arrays in label order."""
    labels = design.levels[number].grouping.labels
    index = pd.MultiIndex.from_product([labels, list(effects)], names=["group", "effect"])
    return pd.DataFrame({name: np.ravel(values) for name, values in columns.items()}, index=index)


def weights_fact(design: Design) -> list[tuple[str, str]]:
    """The line of a summary that says which weights were used; none without weights."""
    if design.weights_name is None:
        return []
    return [("Weights", f"{design.weights_name} (residual variance sigma^2 / weight)")]
