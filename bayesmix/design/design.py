"""Specification and data together: coded columns, groups, and the encoding that new data go through."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.design.coding import CONSTANT, ModelColumn, categorical_column, code_terms, column_values
from bayesmix.design.frame import Categories, Column, Numbers, as_categories, frame_length, read_columns
from bayesmix.design.groups import Grouping, Tree, build_tree, read_grouping
from bayesmix.design.products import CrossProducts, LevelProducts, Standardised, grouped_sums, standardise
from bayesmix.design.rank import aliased_columns
from bayesmix.design.transforms import Memory, calls_of, evaluate, learn
from bayesmix.errors import BayesmixWarning, DataError, DesignError
from bayesmix.specification import INTERCEPT, Factor, GroupTerm, Specification, columns_of

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


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
        Lowest level first.
    tree : Tree or None
        Depth-first numbering of the groups, None without levels.
    n_missing : int
        Rows left out because a value is missing.
    notes : tuple of str
        Readings of the formula that a user may not expect.
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

    @property
    def n(self) -> int:
        """Rows used."""
        return len(self.response)

    @property
    def fixed_names(self) -> tuple[str, ...]:
        """Names of the fixed effects."""
        return tuple(self.columns[i].name for i in self.fixed)

    @property
    def fixed_values(self) -> Floats:
        """X, (n, p)."""
        return self.values[:, self.fixed]

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
        wanted = [name for factor in used for name in columns_of(factor.expression)]
        for factor in self.specification.offsets:
            wanted += columns_of(factor.expression)
        group = _only_group(self.specification)
        if group is not None and any(_needs_group(factor) for factor in used):
            wanted.append(group)
        if groups:
            wanted += [name for level in self.levels for name in level.grouping.columns]
        columns = read_columns(data, dict.fromkeys(wanted))
        n = _length(columns, data)
        for factor in used:
            self._check_labels(factor, columns)
        for name in dict.fromkeys(wanted):
            if columns[name].missing.any():
                raise DataError(
                    f"Column '{name}' of the new data has {int(columns[name].missing.sum())} missing value(s).",
                    "Expected complete rows.",
                    "Drop those rows or fill the values in.",
                )
        values = column_values(list(self.columns), columns, self.memory, group, n)
        offset = _sum_offsets(self.specification, columns, self.memory, group, n)
        indices = tuple(_match_groups(level.grouping, columns) for level in self.levels) if groups else None
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


def build_design(specification: Specification, data: Any) -> Design:
    """Meet a specification with its data.

    Parameters
    ----------
    specification : Specification
        What to fit.
    data : data frame
        Any eager frame narwhals knows.

    Returns
    -------
    Design

    Raises
    ------
    DataError, DesignError
        See the messages; each says what to do.
    """
    columns, n, n_missing = _complete_rows(specification, data)
    group = _only_group(specification)
    fixed_factors = [factor for term in specification.fixed for factor in term.factors]
    effect_factors = [f for bar in specification.groups for term in bar.effects for f in term.factors]
    factors = [specification.response, *specification.offsets, *fixed_factors, *effect_factors]
    memory = learn(factors, columns, group)
    offset = _sum_offsets(specification, columns, memory, group, n)
    response = _read_response(specification.response, columns, memory, group)

    fixed = code_terms(specification.fixed, columns)
    groupings, bars, notes = _read_levels(specification.groups, columns, n)
    wanted: dict[Any, ModelColumn] = {CONSTANT.key: CONSTANT}
    for column in [*fixed, *(effect for coded in bars for effect, _ in coded)]:
        wanted.setdefault(column.key, column)
    place = {key: i for i, key in enumerate(wanted)}
    values = column_values(list(wanted.values()), columns, memory, group, n)
    levels = tuple(_level(grouping, coded, place, n) for grouping, coded in zip(groupings, bars, strict=True))
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
    labels = {f.text: as_categories(columns[c]).labels for f in factors if (c := categorical_column(f, columns))}
    tree = build_tree(groupings) if groupings else None
    arrays = [values, response, offset, places, *(level.places for level in levels)]
    for array in (*arrays, *(grouping.codes for grouping in groupings)):
        array.flags.writeable = False
    return Design(
        specification, tuple(wanted.values()), values, response, offset, places, tuple(names), levels, tree, n_missing,
        notes, memory, labels,
    )  # fmt: skip


def cross_products(design: Design) -> CrossProducts:
    """Reduce a design to its sums of products by group, the only thing a fit reads.

    Raises
    ------
    DataError
        The predictors fit the response without error.
    """
    inner = standardise(design.values[:, 1:])
    n, k = inner.values.shape
    basis = _inner_basis(inner)
    response, fit, scale = _least_squares(design, inner)
    W = np.empty((n, k + 2), order="F")
    W[:, 0], W[:, 1:-1], W[:, -1] = 1.0, inner.values, response
    if design.tree is None:
        leaf, sizes = np.zeros(n, np.int64), np.array([float(n)])
        parent = np.zeros(0, np.int64)
    else:
        leaf, parent = design.tree.leaf, design.tree.parent
        sizes = np.bincount(leaf).astype(float)
    levels = []
    for level in design.levels:
        maps = basis[:, level.places]
        on = np.flatnonzero(np.any(maps != 0, axis=1))
        levels.append(LevelProducts(len(level.grouping.labels), on, np.ascontiguousarray(maps[on]), level.blocks))
    sums = grouped_sums(W, leaf, len(sizes))
    for array in (sums, sizes, parent):
        array.flags.writeable = False
    return CrossProducts(n, sums, sizes, parent, tuple(levels), basis[:, design.fixed], fit, scale)


def _inner_basis(inner: Standardised) -> Floats:
    """Map from every column of the design to the inner columns, (K, k + 1)."""
    k = len(inner.means)
    basis = np.zeros((k + 2, k + 1))
    basis[0, 0] = 1.0
    basis[0, 1:] = inner.means
    basis[np.arange(1, k + 1), np.arange(1, k + 1)] = inner.scales
    return basis


def _least_squares(design: Design, inner: Standardised) -> tuple[Floats, Floats, float]:
    """The response as scaled residual of least squares, the coefficients, and the scale."""
    y = design.response - design.offset
    unit = float(np.abs(y).max())  # so that squares neither overflow nor vanish, whatever the units
    y = y / unit
    places = design.fixed
    centred = len(places) > 0 and places[0] == 0
    X = design.values[:, places]
    if centred:
        X = np.column_stack([np.ones(design.n), inner.values[:, places[1:] - 1]])
    size = np.sqrt(np.einsum("ij,ij->j", X, X))
    X = X / size
    fit = np.zeros(len(places))
    rest = y - y.mean() if centred else y.copy()
    if centred:
        fit[0] = y.mean() * size[0]
    for _ in range(2):  # the second pass removes what rounding left of the first
        step = np.linalg.solve(X.T @ X, X.T @ rest) if len(places) else fit
        fit += step
        rest -= X @ step
    scale = float(np.sqrt(rest @ rest / design.n))
    if not scale > 1e-13:
        raise DataError(
            f"The fixed effects fit the response '{design.specification.response.text}' without error.",
            "Expected some residual variation.",
            "Check whether the response is computed from a predictor.",
        )
    fit /= size
    if centred:
        fit[1:] /= inner.scales[places[1:] - 1]
        fit[0] -= inner.means[places[1:] - 1] @ fit[1:]
    return rest / scale, fit * unit, scale * unit


def _complete_rows(specification: Specification, data: Any) -> tuple[dict[str, Column], int, int]:
    """The columns of the model at the rows where none is missing."""
    columns = read_columns(data, specification.columns)
    missing = {name: column.missing for name, column in columns.items()}
    total = len(next(iter(missing.values())))
    gone = np.logical_or.reduce(list(missing.values()))
    n = int(total - gone.sum())
    if n == 0:
        worst = max(missing, key=lambda name: int(missing[name].sum()))
        raise DataError(
            f"None of the {total} rows is complete; '{worst}' is missing in {int(missing[worst].sum())} of them.",
            "Expected rows in which every column of the formula has a value.",
            f"Check how '{worst}' was read, or leave it out of the formula.",
        )
    rows = np.flatnonzero(~gone)
    if n < total or any(isinstance(column, Categories) for column in columns.values()):
        columns = {
            name: column if n == total and isinstance(column, Numbers) else column.take(rows)
            for name, column in columns.items()
        }
    return columns, n, total - n


def _only_group(specification: Specification) -> str | None:
    """The grouping column that ``within(x)`` means where it names none."""
    groupings = {bar.grouping for bar in specification.groups}
    if len(groupings) == 1:
        (only,) = groupings
        if len(only) == 1:
            return only[0]
    return None


def _sum_offsets(
    specification: Specification, columns: Mapping[str, Column], memory: Memory, group: str | None, n: int
) -> Floats:
    """The sum of the offsets, (n,)."""
    total = np.zeros(n)
    for factor in specification.offsets:
        total += evaluate(factor, columns, memory, group)
    return total


def _read_response(factor: Factor, columns: Mapping[str, Column], memory: Memory, group: str | None) -> Floats:
    """The response: numbers, finite, not all the same."""
    if categorical_column(factor, columns) is not None:
        labels = as_categories(columns[columns_of(factor.expression)[0]]).labels
        raise DataError(
            f"The response '{factor.text}' holds text or categories ({', '.join(map(str, labels[:3]))}"
            f"{', ...' if len(labels) > 3 else ''}).",
            "Expected numbers.",
            "Convert it to numbers; for a yes/no outcome a linear model is not the right one.",
        )
    values = evaluate(factor, columns, memory, group)
    if np.ptp(values) == 0:
        raise DataError(
            f"The response '{factor.text}' is {values.flat[0]:g} in every row.",
            "Expected a response that varies.",
            "Check the column, or how rows were filtered.",
        )
    return values


CodedBar = list[tuple[ModelColumn, int]]


def _read_levels(
    bars: tuple[GroupTerm, ...], columns: Mapping[str, Column], n: int
) -> tuple[list[Grouping], list[CodedBar], tuple[str, ...]]:
    """Groupings lowest first, each with its coded effects and the number of the block they belong to."""
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
    return [grouping for grouping, _ in found], [coded for _, coded in found], tuple(notes)


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
            notes.append(
                f"({term.label} || {bar.level}): '{term.label}' is categorical; its {len(block)} effects are "
                f"correlated with each other and independent of the rest, (0 + {term.label} | {bar.level}), as in lme4."
            )
    return blocks


def _level(grouping: Grouping, coded: CodedBar, place: Mapping[Any, int], n: int) -> Level:
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


def _warn_aliased(names: list[str]) -> None:
    """Say which fixed effects were left out."""
    listed = ", ".join(f"'{name}'" for name in names)
    warnings.warn(
        f"Fixed effects {listed}: each is a linear combination of the terms before it, so no coefficient can be told "
        "apart. Dropped, as lme4 does; remove them from the formula to silence this.",
        BayesmixWarning,
        stacklevel=4,
    )


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


def _match_groups(grouping: Grouping, columns: Mapping[str, Column]) -> Integers:
    """The known group of each row of new data, -1 where it is new."""
    parts = [as_categories(columns[name]) for name in grouping.columns]
    known = {cell: i for i, cell in enumerate(grouping.cells)}
    if len(parts) == 1:
        lookup = np.array([known.get((label,), -1) for label in parts[0].labels], np.int64)
        return lookup[parts[0].codes]
    rows = zip(*(part.codes.tolist() for part in parts), strict=True)
    found = (tuple(part.labels[code] for part, code in zip(parts, row, strict=True)) for row in rows)
    return np.array([known.get(cell, -1) for cell in found], np.int64)
