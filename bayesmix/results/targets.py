"""What is to be predicted: new data, and whose effects, read and checked once for both kinds of fit."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import Design
from bayesmix.design.frame import frame_columns
from bayesmix.design.weights import GIVEN, positive_weights, read_weights
from bayesmix.errors import ArgumentError, BayesmixWarning, DataError
from bayesmix.inference.prediction import AVERAGED, Rows, design_rows
from bayesmix.results.naming import pick_level

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Cells = tuple[tuple[Any, ...], ...]

GROUPS = ("known", "new", "population")
KINDS = ("mean", "response")


@dataclass(frozen=True)
class Target:
    """Rows to predict, and what of their groups is known.

    Parameters
    ----------
    rows : Rows
        With the groups of each level numbered: those of the fit, those observed, others.
    counts : tuple of int
        Groups of each level, new ones included.
    groups : {"known", "new", "population"}
        Whose effects.
    response : bool
        A single response instead of its mean.
    observed : (Rows, (n,) array) or None
        Further rows of new groups, and their response.
    index : Index
        Of the table.
    notes : tuple of str
        What a reader of the table must know.
    """

    rows: Rows
    counts: tuple[int, ...]
    groups: str
    response: bool
    observed: tuple[Rows, Floats] | None
    index: pd.Index[Any]
    notes: tuple[str, ...]

    def has_known(self, design: Design) -> bool:
        """Whether effects of groups of the fit are asked for."""
        sizes = [len(level.grouping.labels) for level in design.levels]
        pairs = zip(self.rows.codes, sizes, strict=True)
        return any(bool(((codes != AVERAGED) & (codes < size)).any()) for codes, size in pairs)


def read_target(design: Design, new: Any, groups: str | None, kind: str, levels: Any, observed: Any) -> Target:
    """Read the arguments of ``predict``.

    Raises
    ------
    ArgumentError, DataError
        See the messages.
    """
    _check_options(design, groups, kind, levels)
    chosen = None if levels is None else _chosen_levels(design, levels)
    if observed is not None:
        _check_observed(design, new, groups, levels)
    groups = _resolve_groups(design, new, groups, chosen, observed)
    included = () if groups == "population" else tuple(range(len(design.levels))) if chosen is None else chosen
    notes: list[str] = []
    further: tuple[Rows, Floats] | None = None
    known: list[Cells] = [level.grouping.cells for level in design.levels]
    if observed is not None:
        design = design.remember_groups(observed)
        found, known = _matched(design, observed, included, known, True)
        weights = _row_weights(design, observed, "The rows observed", notes)
        further = _encode(design, observed, found, weights), design.read_response(observed)
        _warn_of_used(design, *further)
    response = kind == "response"
    if new is None:
        whole = design_rows(design)
        codes = tuple(c if number in included else np.full(whole.n, AVERAGED) for number, c in enumerate(whole.codes))
        rows = Rows(whole.fixed, whole.offset, whole.effects, codes, whole.weights)
    else:
        found, known = _matched(design, new, included, known, groups == "new")
        weights = _row_weights(design, new, "The rows predicted", notes) if response else None
        rows = _encode(design, new, found, weights)
    own = design.row_index if new is None else getattr(new, "index", None)
    index = own if isinstance(own, pd.Index) and len(own) == rows.n else pd.RangeIndex(rows.n)
    notes = [*_group_notes(design, groups, response, included, known, further), *notes]
    return Target(rows, tuple(len(cells) for cells in known), groups, response, further, index, tuple(notes))


def _check_options(design: Design, groups: str | None, kind: str, levels: Any) -> None:
    """Refuse words that are not offered, and groups where there are none."""
    for name, value, offered in (("groups", groups, GROUPS), ("kind", kind, KINDS)):
        if not (value is None and name == "groups") and value not in offered:
            listed = ", ".join(repr(word) for word in offered)
            raise ArgumentError(
                f"{name}={value!r} is not offered.", f"Expected one of {listed}.", "Choose one of these."
            )
    if not design.levels and (groups in ("known", "new") or levels is not None):
        raise ArgumentError(
            "This model has no levels, so there are no groups to predict for.",
            "Expected neither groups nor levels.",
            "Leave them out.",
        )
    if groups == "population" and levels is not None:
        raise ArgumentError(
            f"groups='population' takes no group effects, and levels={levels!r} asks for some.",
            "Expected one of the two.",
            "Leave groups out to take the effects of these levels and average over the others.",
        )


def _chosen_levels(design: Design, levels: Any) -> tuple[int, ...]:
    """Numbers of the levels named."""
    if isinstance(levels, str):
        levels = [levels]
    if not isinstance(levels, Sequence) or not levels or not all(isinstance(name, str) for name in levels):
        names = ", ".join(repr(level.name) for level in design.levels)
        raise ArgumentError(
            f"levels={levels!r}.", f"Expected names of levels ({names}).", "For no level write groups='population'."
        )
    return tuple(sorted({pick_level(design, name) for name in levels}))


def _check_observed(design: Design, new: Any, groups: str | None, levels: Any) -> None:
    """Observations go with new groups, and with all levels."""
    if not design.levels or groups not in (None, "new") or levels is not None or new is None:
        raise ArgumentError(
            "observed= was given with " + ("a model without levels." if not design.levels else "other options."),
            "Expected new data, groups='new' and all levels: observations inform the effects of new groups.",
            "Write predict(new, groups='new', observed=frame).",
        )


def _resolve_groups(design: Design, new: Any, groups: str | None, chosen: tuple[int, ...] | None, observed: Any) -> str:
    """Whose effects, where that was not said."""
    if groups is not None:
        return groups
    if observed is not None:
        return "new"
    if not design.levels:
        return "population"
    if new is None or chosen is not None:
        return "known"
    present = frame_columns(new)
    named = [name for level in design.levels for name in level.grouping.columns]
    absent = [name for name in dict.fromkeys(named) if name not in present]
    if not absent:
        return "known"
    if len(absent) == len(set(named)):
        return "population"
    usable = [level.name for level in design.levels if not set(level.grouping.columns) & set(absent)]
    remedy = f"levels={usable!r} to average over the others, or " if usable else ""
    raise DataError(
        f"The new data name some groupings, but not {', '.join(repr(name) for name in absent)}.",
        f"Expected all of {', '.join(dict.fromkeys(named))}, or none.",
        f"Add the column, or pass {remedy}groups='population'.",
    )


def _matched(
    design: Design, data: Any, included: tuple[int, ...], known: list[Cells], unseen: bool
) -> tuple[tuple[Integers | None, ...], list[Cells]]:
    """Groups of each row at the levels included, and the groups of each level with those that are new."""
    codes: list[Integers | None] = []
    cells: list[Cells] = []
    for number, before in enumerate(known):
        if number not in included:
            codes.append(None)
            cells.append(before)
            continue
        found, after = design.match_groups(data, number, before)
        _refuse_lookalikes(design.levels[number].grouping.name, before, after[len(before) :])
        if not unseen and len(after) > len(before):
            grouping = design.levels[number].grouping
            labels = ", ".join(_label(cell) for cell in after[len(before) :][:3])
            more = ", ..." if len(after) - len(before) > 3 else ""
            examples = ", ".join(_label(cell) for cell in before[:3])
            raise DataError(
                f"The new data have {len(after) - len(before)} group(s) of '{grouping.name}' that the fit has not seen "
                f"({labels}{more}).",
                f"Expected groups of the fit, as {examples}.",
                "Pass groups='new' to predict for new groups, or groups='population' for none in particular.",
            )
        codes.append(found)
        cells.append(after)
    return tuple(codes), cells


def _refuse_lookalikes(name: str, known: Cells, new: Cells) -> None:
    """A label that reads as one of the fit but is of another type is a slip, not a new group."""
    spelt = {tuple(map(_plain, cell)): cell for cell in known} if new else {}
    for cell in new:
        twin = spelt.get(tuple(map(_plain, cell)))
        if twin is not None:
            kinds = " and ".join(dict.fromkeys(type(part).__name__ for part in (cell[0], twin[0])))
            raise DataError(
                f"The new data have the group {_label(cell)} of '{name}', the fit has {_label(twin)}: the same text, "
                f"of different types ({kinds}).",
                "Expected labels of the type they had in the fit.",
                f"Convert the column, for instance new['{name}'].astype(...).",
            )


def _plain(label: Any) -> str:
    """A label as text; whole floats as whole numbers."""
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label)


def _warn_of_used(design: Design, observed: Rows, response: Floats) -> None:
    """Say where rows observed look like rows of the fit, which would count twice."""
    if not observed.n:
        return
    ours = design_rows(design)
    used = set(map(tuple, np.column_stack([ours.fixed, *ours.codes, design.response]).tolist()))
    rows = np.column_stack([observed.fixed, *observed.codes, response]).tolist()
    twice = sum(tuple(row) in used for row in rows)
    if twice:
        warnings.warn(
            f"{twice} of the {len(rows)} rows observed have the group, the predictors and the response of rows of the "
            "fit. If they are the same rows they count twice: observed= is for further rows.",
            BayesmixWarning,
            stacklevel=4,
        )


def _label(cell: tuple[Any, ...]) -> str:
    """A group as it is quoted in messages."""
    return repr(cell[0]) if len(cell) == 1 else repr(":".join(map(str, cell)))


def _encode(design: Design, data: Any, codes: tuple[Integers | None, ...], weights: Floats | None) -> Rows:
    """Columns and groups of other rows."""
    found = design.encode(data, groups=False)
    n = len(found.offset)
    numbers = tuple(np.full(n, AVERAGED) if code is None else code for code in codes)
    return Rows(found.fixed, found.offset, found.effects, numbers, weights)


def _row_weights(design: Design, data: Any, whose: str, notes: list[str]) -> Floats | None:
    """Weights of other rows: from the column of the fit; 1 where the fit was given an array."""
    if design.weights is None or design.weights_name is None:
        return None
    name = design.weights_name
    if name == GIVEN:
        notes.append(f"{whose} have weight 1: the weights of the fit were an array, not a column.")
        return None
    if name not in frame_columns(data):
        raise DataError(
            f"{whose} have no column '{name}', from which the fit took its weights.",
            "Expected a weight for each: the residual variance is sigma^2 over it.",
            f"Add the column '{name}' (1 for the residual variance sigma^2).",
        )
    weights = read_weights(name, data)
    return positive_weights(weights, np.arange(len(weights.values)))


def _group_notes(
    design: Design,
    groups: str,
    response: bool,
    included: tuple[int, ...],
    known: list[Cells],
    observed: tuple[Rows, Floats] | None,
) -> list[str]:
    """Which effects are in a prediction, in words."""
    names = [level.name for level in design.levels]
    if not names:
        return []
    averaged = [name for number, name in enumerate(names) if number not in included]
    notes = []
    if averaged and groups == "population":
        notes.append("Population: group effects at their mean, 0; the model is linear, so this is also the average.")
    elif averaged:
        notes.append(f"Averaged over {' and '.join(averaged)}: effects at their mean, 0.")
    if averaged and response:
        notes.append("Each row is a response of groups of its own: their variance is added.")
    if groups == "new":
        counts = [
            f"{len(known[number]) - len(design.levels[number].grouping.cells)} of {names[number]}"
            for number in included
        ]
        notes.append(f"New groups: {', '.join(counts)}; their effects are independent.")
    if observed is not None:
        notes.append(
            f"{observed[0].n} further rows inform the group effects, given fixed effects and variances of the fit, "
            "which they do not change."
        )
    return notes
