"""Values of predictors at which a derived quantity is wanted, as columns of the group effects."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import Design, ModelColumn
from bayesmix.design.coding import categorical_column
from bayesmix.design.frame import Categories, Column, Numbers, as_categories, read_columns
from bayesmix.design.transforms import calls_of
from bayesmix.errors import ArgumentError
from bayesmix.specification import Factor, columns_of

Floats = NDArray[np.float64]

# A predictor with no more values than this is shown at each of them.
FEW = 12


@dataclass(frozen=True)
class Points:
    """Some values of the predictors.

    Parameters
    ----------
    effects : tuple of (m, q) arrays
        Columns of the effects of each level.
    labels : tuple
        One for each point.
    note : str or None
        What predictors that were not named were set to.
    """

    effects: tuple[Floats, ...]
    labels: tuple[Any, ...]
    note: str | None


@dataclass(frozen=True)
class _Predictors:
    """What can be named: columns of the data, and coded columns that vary by group."""

    design: Design

    @property
    def effects(self) -> list[ModelColumn]:
        """Columns that vary by group, each once."""
        return list({column.key: column for level in self.design.levels for column in level.effects}.values())

    @property
    def data(self) -> list[str]:
        """Columns of the data that some column of the model reads."""
        return list(dict.fromkeys(name for column in self.design.columns for name in _reads(column)))

    @property
    def labelled(self) -> set[str]:
        """Those of them that are read as labels, and the groupings."""
        factors = {atom.factor for column in self.design.columns for atom in column.atoms}
        found = {categorical_column(factor, self.design.columns_read) for factor in factors}
        return {name for name in found if name is not None} | {
            name for level in self.design.levels for name in level.grouping.columns
        }

    @property
    def coded(self) -> dict[str, ModelColumn]:
        """Coded columns by name, those of the data and the constant apart."""
        return {column.name: column for column in self.effects if column.atoms and column.name not in self.data}

    def values(self, column: ModelColumn) -> Floats:
        """A column of the model at every row, (n,)."""
        return self.design.values[:, [other.key for other in self.design.columns].index(column.key)]

    def column(self, name: str) -> Column:
        """A column of the data as the model reads it."""
        column = self.design.columns_read[name]
        return as_categories(column) if name in self.labelled else column


def points_at(design: Design, at: Any) -> Points:
    """The one point of a mapping, or the rows of a data frame.

    Parameters
    ----------
    design : Design
    at : mapping of str to number or label, or data frame
        Predictors by name: columns of the data, or coded columns that vary by group, as ``within(ses)``. Columns of a
        frame that are neither are left alone.

    Raises
    ------
    ArgumentError
        Unknown names, values that are none.
    """
    known = _Predictors(design)
    if isinstance(at, Mapping):
        given = {str(name): [value] for name, value in at.items()}
        return _points(known, given, (0,))
    held = _columns_of(at)
    names = [name for name in (*known.data, *known.coded) if name in held]
    if not names:
        raise ArgumentError(
            f"at={_shown(at)} names no predictor.",
            f"Expected a dict or a data frame of {_listed(known)}.",
            f"Write at={{'{next(iter((*known.data, *known.coded)), 'x')}': ...}}.",
        )
    given = {name: _values(column) for name, column in read_columns(at, names).items()}
    count = len(given[names[0]])
    labels = tuple(at.index) if isinstance(at, pd.DataFrame) else tuple(range(count))
    return _points(known, given, labels)


def _columns_of(at: Any) -> list[str]:
    """Names of the columns of a data frame; none of anything else."""
    try:
        return list(nw.from_native(at, eager_only=True).columns)
    except nw.exceptions.DuplicateError:
        read_columns(at, ())  # which says so
        raise
    except TypeError:
        return []


def points_along(design: Design, x: Any, values: Any, at: Any) -> Points:
    """Points at which one predictor moves and all others stay.

    Parameters
    ----------
    design : Design
    x : str
        Predictor that moves.
    values : sequence, optional
        Where to; by itself its distinct values where they are few, or 25 numbers from its smallest to its largest.
    at : mapping, optional
        Where the others stay.

    Raises
    ------
    ArgumentError
        Unknown names, values that are none.
    """
    known = _Predictors(design)
    if not isinstance(x, str):
        raise ArgumentError(f"x={_shown(x)}.", f"Expected one of {_listed(known)}.", "Pass the name of a predictor.")
    if not (at is None or isinstance(at, Mapping)):
        raise ArgumentError(
            f"at={_shown(at)}.",
            "Expected a dict with a value for each predictor that stays where it is.",
            "Write at={'name': value}.",
        )
    fixed = {} if at is None else {str(name): value for name, value in at.items()}
    if x in fixed:
        raise ArgumentError(f"'{x}' is both x and in at.", "Expected it in one of the two.", f"Take '{x}' out of at.")
    _require_known(known, [x, *fixed])
    where = _default_values(known, x) if values is None else _listed_values(values)
    return _points(known, {name: [value] * len(where) for name, value in fixed.items()} | {x: where}, tuple(where))


def _points(known: _Predictors, given: dict[str, list[Any]], labels: tuple[Any, ...]) -> Points:
    """Encode typical values with the given ones in their places."""
    design, m = known.design, len(labels)
    _require_known(known, list(given))
    for name, values in given.items():
        for value in values:
            _require_value(known, name, value)
    columns: dict[str, Any] = {}
    for name in design.columns_read:
        column = known.column(name)
        values = given[name] if name in given and name in known.data else [_typical(column)] * m
        columns[name] = (
            np.array(values, dtype=float)
            if isinstance(column, Numbers) or isinstance(design.columns_read[name], Numbers)
            else pd.Categorical(values, categories=list(column.labels), ordered=column.ordered)
        )
    frame = pd.DataFrame(columns, index=range(m))
    plain = design.encode(frame, groups=False).effects
    effects = []
    for level, encoded in zip(design.levels, plain, strict=True):
        Z = encoded.copy()
        for a, effect in enumerate(level.effects):
            if effect.name in given and effect.name in known.coded:
                Z[:, a] = np.array(given[effect.name], dtype=float)
            elif _of_group(effect):
                _refuse_part(effect, given)
                Z[:, a] = _mean(known.values(effect))
            else:
                _refuse_coded_part(effect, given, known)
        effects.append(Z)
    return Points(tuple(effects), labels, _note(known, given))


def _refuse_part(column: ModelColumn, given: Mapping[str, Any]) -> None:
    """A deviation from a group's mean does not follow from the value of its column."""
    named = [name for name in _reads(column) if name in given]
    if named:
        raise ArgumentError(
            f"'{column.name}' does not follow from '{named[0]}' alone: it depends on the group.",
            f"Expected a value of '{column.name}' itself.",
            f"Name '{column.name}' in place of '{named[0]}'.",
        )


def _refuse_coded_part(column: ModelColumn, given: Mapping[str, Any], known: _Predictors) -> None:
    """A product whose factor was set by its coded name would keep the factor's typical value."""
    for atom in column.atoms:
        if atom.name in given and atom.name in known.coded:
            raise ArgumentError(
                f"'{column.name}' depends on '{atom.name}', which was given as a coded column.",
                f"Expected a value of '{column.name}' too, or of the columns of the data.",
                f"Name '{column.name}' beside it.",
            )


def _note(known: _Predictors, given: Mapping[str, Any]) -> str | None:
    """What was set to a typical value, where the group effects depend on it."""
    parts: dict[str, str] = {}
    for column in known.effects:
        if column.name in given:
            continue
        if _of_group(column):
            parts[column.name] = f"{column.name} {_mean(known.values(column)):.4g} (mean)"
            continue
        for name in _reads(column):
            if name not in given:
                read = known.column(name)
                typical = _typical(read)
                is_label = isinstance(read, Categories)
                parts[name] = f"{name} {typical} (most frequent)" if is_label else f"{name} {typical:.4g} (mean)"
    return f"Predictors that were not named: {', '.join(parts.values())}." if parts else None


def _reads(column: ModelColumn) -> list[str]:
    """Columns of the data behind a column of the model."""
    return [name for atom in column.atoms for name in columns_of(atom.factor.expression)]


def _of_group(column: ModelColumn) -> bool:
    """Whether a column is made from means of groups."""
    return any(_uses_means(atom.factor) for atom in column.atoms)


def _uses_means(factor: Factor) -> bool:
    """Whether a factor calls ``within()`` or ``between()``."""
    return any(call.function in ("within", "between") for call in calls_of(factor.expression))


def _typical(column: Column) -> Any:
    """The mean, or the most frequent label."""
    if isinstance(column, Numbers):
        return _mean(column.values)
    return column.labels[int(np.argmax(np.bincount(column.codes, minlength=len(column.labels))))]


def _mean(values: Floats) -> float:
    """The mean, 0 where rounding alone keeps it from 0."""
    mean = float(values.mean())
    return mean if abs(mean) > 1e-12 * float(np.abs(values).max()) else 0.0


def _default_values(known: _Predictors, x: str) -> list[Any]:
    """Every label, every one of few numbers, or 25 from the smallest to the largest."""
    if x in known.data:
        column = known.column(x)
        if isinstance(column, Categories):
            return list(column.labels)
        values = column.values
    else:
        values = known.values(known.coded[x])
    distinct = np.unique(values)
    return [float(v) for v in (distinct if len(distinct) <= FEW else np.linspace(distinct[0], distinct[-1], 25))]


def _listed_values(values: Any) -> list[Any]:
    """A sequence of values as a list."""
    if isinstance(values, Sequence | np.ndarray | pd.Series | pd.Index | range) and not isinstance(values, str):
        found = list(values)
        if found and np.ndim(found[0]) == 0 and len(set(map(str, found))) == len(found):
            return [value.item() if isinstance(value, np.generic) else value for value in found]
    raise ArgumentError(
        f"values={_shown(values)}.", "Expected a list of different values of the predictor.", "Write values=[0, 1, 2]."
    )


def _values(column: Column) -> list[Any]:
    """The entries of a column, missing ones as not a number."""
    if isinstance(column, Numbers):
        return [float(value) for value in column.values]
    return [column.labels[code] if code >= 0 else math.nan for code in column.codes.tolist()]


def _require_known(known: _Predictors, names: Sequence[str]) -> None:
    """Refuse names that are neither columns read nor coded columns."""
    offered = [*known.data, *known.coded]
    for name in names:
        if name not in offered:
            near = difflib.get_close_matches(name, offered, n=1, cutoff=0.4)
            raise ArgumentError(
                f"'{name}' is no predictor of the model.",
                f"Expected one of {_listed(known)}.",
                f"Did you mean '{near[0]}'?" if near else "Choose one of these.",
            )


def _require_value(known: _Predictors, name: str, value: Any) -> None:
    """Refuse what is no finite number, or none of the labels."""
    column = known.column(name) if name in known.data else None
    if isinstance(column, Categories):
        if np.ndim(value) > 0 or not any(value == label for label in column.labels):
            raise ArgumentError(
                f"'{name}' was given the value {_shown(value)}.",
                f"Expected one of its labels: {', '.join(map(repr, column.labels[:12]))}.",
                "Choose one of these.",
            )
        return
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        raise ArgumentError(
            f"'{name}' was given the value {_shown(value)}.",
            "Expected one finite number.",
            "For several points pass a data frame.",
        )


def _listed(known: _Predictors) -> str:
    """The names on offer."""
    return ", ".join((*known.data, *known.coded)) or "the predictors, of which the model has none"


def _shown(value: object) -> str:
    """A value in an error, cut where it is long."""
    if isinstance(value, pd.DataFrame):
        return f"a data frame of {', '.join(map(str, value.columns[:6]))}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
