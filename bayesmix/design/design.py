"""Specification and data together: coded columns, groups, and the encoding that new data go through."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design.coding import (
    CONSTANT,
    Contrast,
    ModelColumn,
    asked_contrast,
    categorical_column,
    code_terms,
    column_values,
)
from bayesmix.design.frame import Column, Numbers, as_categories, frame_length, read_columns
from bayesmix.design.groups import Grouping, Tree, build_tree, match_cells
from bayesmix.design.heights import pooled_notes, require_contrasts, require_level_predictors
from bayesmix.design.levels import Level, make_level, read_levels
from bayesmix.design.rank import aliased_columns
from bayesmix.design.rows import complete_rows, only_group, require_complete, response_values, sum_offsets
from bayesmix.design.transforms import Memory, calls_of, evaluate, learn, with_groups
from bayesmix.design.weights import positive_weights, read_weights
from bayesmix.errors import BayesmixWarning, DataError, DesignError
from bayesmix.specification import INTERCEPT, Call, Factor, Name, Specification, Word, columns_of
from bayesmix.specification.factors import render

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Encoded:
    """New data through the encoding of a fit.

    Parameters
    ----------
    fixed : (n, p) array
        Columns of the fixed effects.
    effects : tuple of (n, q) arrays
        Columns of the effects of each level.
    groups : tuple of (n,) int arrays or None
        Index into each level's labels, -1 for a label the fit has not seen; None where the data do not name the groups.
    offset : (n,) array
        Sum of the offsets.
    """

    fixed: Floats
    effects: tuple[Floats, ...]
    groups: tuple[Integers, ...] | None
    offset: Floats


@dataclass(frozen=True)
class Design:
    """A specification met with its data.

    Parameters
    ----------
    specification : Specification
        What was asked for.
    columns : tuple of ModelColumn
        The distinct columns of the model; the constant is the first.
    values : (n, k) array
        Their values, in the user's units.
    response, offset : (n,) arrays
        Response as given, and the sum of the offsets.
    fixed : (p,) int array
        Places of the fixed effects among the columns.
    dropped : tuple of str
        Aliased fixed effects that were left out.
    levels : tuple of Level
        The nested levels, lowest first, then those crossed with them.
    tree : Tree or None
        Depth-first numbering of the groups, None without levels.
    n_missing : int
        Rows left out because a value is missing.
    notes : tuple of str
        Readings of the formula that a user may not expect.
    weights : (n,) array or None
        Precision weights: the residual variance of a row is sigma^2 over its weight. None where all are 1.
    weights_name : str or None
        The column they are from, ``"given"`` for an array.
    columns_read : mapping of str to Column
        The complete rows of every column the formula reads.
    row_index : Index
        Labels of the rows used: those of a pandas frame, of others their numbers.
    missing_in : mapping of str to int
        Missing values of every column that has any; empty where the rows left out are not known any more.
    """

    specification: Specification
    columns: tuple[ModelColumn, ...]
    values: Floats
    response: Floats
    offset: Floats
    fixed: Integers
    dropped: tuple[str, ...]
    levels: tuple[Level, ...]
    tree: Tree | None
    n_missing: int
    notes: tuple[str, ...]
    memory: Memory
    known_labels: Mapping[str, tuple[Any, ...]]
    weights: Floats | None = None
    weights_name: str | None = None
    columns_read: Mapping[str, Column] = field(default_factory=dict)
    row_index: pd.Index[Any] = field(default_factory=lambda: pd.RangeIndex(0))
    missing_in: Mapping[str, int] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Rows used."""
        return len(self.response)

    @property
    def crossed(self) -> tuple[Level, ...]:
        """Levels outside the nested chain."""
        return self.levels[self.tree.depth :] if self.tree is not None else ()

    @property
    def fixed_names(self) -> tuple[str, ...]:
        """Names of the fixed effects."""
        return tuple(self.columns[i].name for i in self.fixed)

    @property
    def fixed_values(self) -> Floats:
        """X, (n, p)."""
        return self.values[:, self.fixed]

    @property
    def predictors(self) -> tuple[str, ...]:
        """Columns of the data that fixed effects, group effects and offsets are computed from."""
        used = _factors_of(self.columns)
        wanted = [name for factor in [*used, *self.specification.offsets] for name in columns_of(factor.expression)]
        group = only_group(self.specification)
        if group is not None and any(_needs_group(factor) for factor in used):
            wanted.append(group)
        return tuple(dict.fromkeys(wanted))

    def match_groups(
        self, data: Any, number: int, known: tuple[tuple[Any, ...], ...] | None = None
    ) -> tuple[Integers, tuple[tuple[Any, ...], ...]]:
        """The group of each row of new data at a level, and all groups, new ones after those known.

        Parameters
        ----------
        data : data frame
            Holds the columns of the grouping.
        number : int
            Which level.
        known : tuple of tuple, optional
            Groups known, by default those of the fit.

        Returns
        -------
        codes : (n,) int array
            Index into the groups.
        cells : tuple of tuple
            Labels of each group, one for each column of the grouping.
        """
        grouping = self.levels[number].grouping
        columns = read_columns(data, grouping.columns)
        require_complete(columns, grouping.columns)
        return match_cells(grouping.columns, grouping.cells if known is None else known, columns)

    def read_response(self, data: Any) -> Floats:
        """The response of other rows, (n,), through the transforms of the formula."""
        factor, group = self.specification.response, only_group(self.specification)
        needed = [group] if group is not None and _needs_group(factor) else []
        columns = read_columns(data, [*columns_of(factor.expression), *needed])
        require_complete(columns, columns)
        return evaluate(factor, columns, self.memory, group)

    def remember_groups(self, data: Any) -> Design:
        """The same design, where ``within()`` and ``between()`` know means of groups that the fit has not seen."""
        if not self.memory.group_means:
            return self
        columns = read_columns(data, self.predictors)
        require_complete(columns, columns)
        return replace(self, memory=with_groups(self.memory, columns, only_group(self.specification)))

    def encode(self, data: Any, groups: bool = True) -> Encoded:
        """Put new data through the same coding: levels, centres and group means are those of the fit.

        Parameters
        ----------
        data : data frame
            Holds every predictor; and the groupings when ``groups`` is true.
        groups : bool
            Whether to read the groupings.

        Returns
        -------
        Encoded

        Raises
        ------
        DataError
            A column is missing, holds missing values, or a label that a predictor did not have in the fit.
        """
        used = _factors_of(self.columns)
        group = only_group(self.specification)
        wanted = [*self.predictors]
        if groups:
            wanted += [name for level in self.levels for name in level.grouping.columns]
        columns = read_columns(data, dict.fromkeys(wanted))
        n = _length(columns, data)
        for factor in used:
            self._check_labels(factor, columns)
        require_complete(columns, wanted)
        values = column_values(list(self.columns), columns, self.memory, group, n)
        offset = sum_offsets(self.specification, columns, self.memory, group, n)
        indices = tuple(_known_groups(level.grouping, columns) for level in self.levels) if groups else None
        return Encoded(values[:, self.fixed], tuple(values[:, level.places] for level in self.levels), indices, offset)

    def _check_labels(self, factor: Factor, columns: Mapping[str, Column]) -> None:
        """Refuse labels of a predictor that the fit has not seen."""
        name = categorical_column(factor, columns)
        known = self.known_labels.get(factor.text)
        if known is None:
            return
        found = as_categories(columns[name or columns_of(factor.expression)[0]])
        unseen = [label for i, label in enumerate(found.labels) if label not in known and (found.codes == i).any()]
        if unseen:
            raise DataError(
                f"Column '{found.name}' of the new data has the label {unseen[0]!r}.",
                f"Expected one of the labels of the fit: {', '.join(map(repr, known))}.",
                "Recode the column, or fit a model to data that hold this label.",
            )


def build_design(specification: Specification, data: Any, weights: Any = None) -> Design:
    """Meet a specification with its data.

    Parameters
    ----------
    specification : Specification
        What to fit.
    data : data frame
        Any eager frame narwhals knows.
    weights : str or (rows,) array, optional
        Precision weights, by the name of their column or as an array.

    Returns
    -------
    Design

    Raises
    ------
    DataError, DesignError
        See the messages; each says what to do.
    """
    given = None if weights is None else read_weights(weights, data)
    columns, rows, n_missing, missing_in = complete_rows(specification, data, given)
    n, counted = len(rows), None if given is None else positive_weights(given, rows)
    group = only_group(specification)
    fixed_factors = [factor for term in specification.fixed for factor in term.factors]
    effect_factors = [f for bar in specification.groups for term in bar.effects for f in term.factors]
    factors = [specification.response, *specification.offsets, *fixed_factors, *effect_factors]
    memory = learn(factors, columns, group)
    offset = sum_offsets(specification, columns, memory, group, n)
    response = response_values(specification.response, columns, memory, group)

    fixed = code_terms(specification.fixed, columns)
    groupings, bars, depth, notes = read_levels(specification.groups, columns, n)
    wanted: dict[Any, ModelColumn] = {CONSTANT.key: CONSTANT}
    for column in [*fixed, *(effect for coded in bars for effect, _ in coded)]:
        wanted.setdefault(column.key, column)
    require_contrasts(specification, columns)
    require_level_predictors(specification, columns, memory, group, n)
    notes += _ordered_notes(tuple(wanted.values()), columns) + pooled_notes(specification, factors, columns)
    place = {key: i for i, key in enumerate(wanted)}
    values = column_values(list(wanted.values()), columns, memory, group, n)
    levels = tuple(make_level(grouping, coded, place, n) for grouping, coded in zip(groupings, bars, strict=True))
    places = np.array([place[column.key] for column in fixed], np.int64)
    dropped = aliased_columns(values[:, places], INTERCEPT in specification.fixed)
    names = [fixed[i].name for i in dropped]
    if names:
        _warn_aliased(names)
    places = np.delete(places, dropped)
    if n <= len(places):
        raise DesignError(
            f"There are {n} complete rows for {len(places)} fixed effects.",
            "Expected more rows than fixed effects.",
            "Leave terms out, or find the missing rows.",
        )
    for level in levels:
        if _spanned(level, values, places):
            warnings.warn(
                f"Level '{level.grouping.name}': each of its groups has fixed effects of its own for "
                f"{', '.join(level.effect_names)}, so that the data say nothing of their variance. Leave the level or "
                "the fixed effects out.",
                BayesmixWarning,
                stacklevel=3,
            )
    known = {f.text: as_categories(columns[c]).labels for f in factors if (c := categorical_column(f, columns))}
    tree = build_tree(groupings[:depth], groupings[depth:]) if groupings else None
    _freeze(values, response, offset, places, counted, *(level.places for level in levels))
    _freeze(*(grouping.codes for grouping in groupings))
    _freeze(*(column.values if isinstance(column, Numbers) else column.codes for column in columns.values()))
    return Design(
        specification, tuple(wanted.values()), values, response, offset, places, tuple(names), levels, tree, n_missing,
        notes, memory, known, counted, None if given is None else given.name, columns,
        _row_labels(data, rows, n + n_missing), missing_in,
    )  # fmt: skip


def _row_labels(data: Any, rows: Integers, total: int) -> pd.Index[Any]:
    """Labels of the rows used."""
    own = getattr(data, "index", None)
    index = own if isinstance(own, pd.Index) and len(own) == total else pd.RangeIndex(total)
    return index if len(rows) == total else index[rows]


def _freeze(*arrays: NDArray[Any] | None) -> None:
    """Make arrays read-only."""
    for array in arrays:
        if array is not None:
            array.flags.writeable = False


def _spanned(level: Level, values: Floats, fixed: Integers) -> bool:
    """Whether the fixed effects can do all that the effects of a level can."""
    J, q = len(level.grouping.labels), len(level.effects)
    if J * q > len(fixed):
        return False
    spread = np.zeros((len(values), J, q))
    spread[np.arange(len(values)), level.grouping.codes] = values[:, level.places]
    Z = spread.reshape(len(values), J * q)
    size = np.sqrt(np.mean(values[:, fixed] ** 2, axis=0))
    X = values[:, fixed] / np.where(size > 0, size, 1.0)
    rest = Z - X @ np.linalg.lstsq(X, Z, rcond=1e-10)[0]
    return bool(np.abs(rest).max() < 1e-8 * np.abs(Z).max())


def _warn_aliased(names: list[str]) -> None:
    """Say which fixed effects were left out."""
    listed = ", ".join(f"'{name}'" for name in names)
    warnings.warn(
        f"Fixed effects {listed}: each is a linear combination of the terms before it, so no coefficient can be told "
        "apart. Dropped, as lme4 does; remove them from the formula to silence this.",
        BayesmixWarning,
        stacklevel=4,
    )


def _ordered_notes(coded: tuple[ModelColumn, ...], columns: Mapping[str, Column]) -> tuple[str, ...]:
    """Say which factors were coded by trends because their labels are ordered."""
    trends: dict[str, list[str]] = {}
    for atom in dict.fromkeys(atom for column in coded for atom in column.atoms):
        source = categorical_column(atom.factor, columns)
        if isinstance(atom, Contrast) and asked_contrast(atom.factor) is None and source is not None:
            trends.setdefault(source, []).append(atom.name)
    notes = []
    for source, names in trends.items():
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        notes.append(
            f"'{source}' is ordered, so it is coded by orthogonal polynomial contrasts ({shown}), as in R. "
            f"Write {render(Call('C', (Name(source), Word('Treatment'))))} for differences from "
            f"{as_categories(columns[source]).labels[0]!r}."
        )
    return tuple(notes)


def _needs_group(factor: Factor) -> bool:
    """Whether a transform of the factor means the only grouping without naming it."""
    return any(
        call.function in ("within", "between") and len(call.arguments) == 1 for call in calls_of(factor.expression)
    )


def _factors_of(columns: tuple[ModelColumn, ...]) -> list[Factor]:
    """The factors behind coded columns, once each."""
    return list(dict.fromkeys(atom.factor for column in columns for atom in column.atoms))


def _length(columns: Mapping[str, Column], data: Any) -> int:
    """Rows of new data, also where the model reads no column of them."""
    for column in columns.values():
        return len(column.missing)
    return frame_length(data)


def _known_groups(grouping: Grouping, columns: Mapping[str, Column]) -> Integers:
    """The known group of each row of new data, -1 where it is new."""
    codes, _ = match_cells(grouping.columns, grouping.cells, columns)
    return np.where(codes < len(grouping.cells), codes, -1)
