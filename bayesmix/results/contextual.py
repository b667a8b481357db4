"""The contextual effect: by how much the slope between groups differs from the slope within them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import Design
from bayesmix.design.coding import Measure
from bayesmix.design.frame import Categories
from bayesmix.design.groups import read_cells
from bayesmix.design.rows import only_group
from bayesmix.design.transforms import calls_of, evaluate
from bayesmix.errors import ArgumentError, FormulaError
from bayesmix.specification import Call, Factor, Name, columns_of
from bayesmix.specification.factors import read_factor
from bayesmix.specification.scanner import scan
from bayesmix.specification.terms import Expression

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_ROUNDING = 1e-6
_ROWS = ("within", "between", "contextual")


@dataclass(frozen=True)
class Contexts:
    """Slopes of a predictor as combinations of fixed effects.

    Parameters
    ----------
    levels : tuple of str
        Groupings by which the predictor is split, lowest first.
    contrasts : (levels, 3, p) array
        Slope within, slope between, and between minus within.
    note : str or None
    """

    levels: tuple[str, ...]
    contrasts: Floats
    note: str | None


def contexts(design: Design, x: Any, level: str | None, within: Any, between: Any) -> Contexts:
    """How the fixed effects make the slopes of a predictor; see :meth:`Fit.contextual_effect`."""
    if within is not None or between is not None:
        return _named(design, x, level, within, between)
    factor = _read(x)
    _require_predictor(design, factor)
    splits = _splits(design, factor)
    weights, mixed = _weights(design, factor, splits)
    if mixed:
        raise ArgumentError(
            f"'{factor.text}' is also in '{mixed[0]}', so that it has no one slope.",
            f"Expected it as {factor.text}, within({factor.text}) and between({factor.text}), centred or scaled.",
            "Name two fixed effects by within=... and between=....",
        )
    if not splits:
        raise _unsplit(design, factor.text)
    slopes = np.stack([weights[:, component] for component in range(len(splits) + 1)])
    rows = np.stack([np.stack([slopes[k], slopes[k + 1], slopes[k + 1] - slopes[k]]) for k in range(len(splits))])
    for split, (low, high, gap) in zip(splits, rows, strict=True):
        if not (low.any() and high.any() and gap.any()):
            raise _unsplit(design, factor.text, split.name)
    names = tuple(split.name for split in splits)
    if level is not None:
        if level not in names:
            raise ArgumentError(
                f"level={level!r}, by which '{factor.text}' is not split.", f"Expected one of {', '.join(names)}.",
                "Choose one of these.",
            )  # fmt: skip
        rows, names = rows[[names.index(level)]], (level,)
    return Contexts(names, rows, _interaction_note(design, factor))


@dataclass(frozen=True)
class _Split:
    """A grouping that a predictor is split by."""

    name: str
    codes: Integers

    @property
    def count(self) -> int:
        return int(self.codes.max()) + 1


def _read(x: Any) -> Factor:
    """The predictor."""
    if not isinstance(x, str) or not x.strip():
        raise ArgumentError(f"The predictor is {x!r}.", "Expected its name.", 'Write "ses".')
    try:
        return read_factor(scan(x))
    except FormulaError:
        return Factor(x, Name(x))


def _require_predictor(design: Design, factor: Factor) -> None:
    """Refuse what the fixed part is not computed from, and what is no number."""
    columns = [design.columns[place] for place in design.fixed]
    used = [name for one in columns for atom in one.atoms for name in _measured(atom.factor.expression)]
    for name in columns_of(factor.expression) or (factor.text,):
        if name not in used:
            near = difflib.get_close_matches(name, used, n=1)
            raise ArgumentError(
                f"The fixed effects are not computed from '{name}'.",
                f"Expected one of {', '.join(dict.fromkeys(used)) or 'none'}.",
                (f"Did you mean '{near[0]}'? " if near else "")
                + "Columns that were centred before are named by within=... and between=....",
            )
        if isinstance(design.columns_read[name], Categories):
            raise ArgumentError(
                f"The predictor '{name}' holds categories.", "Expected numbers, which have means.", "Name another one."
            )


def _single(design: Design) -> list[tuple[int, Factor]]:
    """Fixed effects of one numeric factor, with their place."""
    columns = [design.columns[place].atoms for place in design.fixed]
    return [
        (j, atoms[0].factor) for j, atoms in enumerate(columns) if len(atoms) == 1 and isinstance(atoms[0], Measure)
    ]


def _splits(design: Design, factor: Factor) -> list[_Split]:
    """The groupings that the predictor is split by, each within the next."""
    found: list[_Split] = []
    for _, one in _single(design):
        for call in calls_of(one.expression):
            if call.function in ("within", "between") and factor.expression in _inside(call):
                found.append(_split_by(design, call))
        known = _known_mean(design, factor, one)
        if known is not None:
            found.append(known[0])
    distinct: list[_Split] = []
    for split in sorted(found, key=lambda split: -split.count):
        if not any(_same(split, other) for other in distinct):
            distinct.append(split)
    for lower, upper in pairwise(distinct):
        if len(np.unique(lower.codes * upper.count + upper.codes)) > lower.count:
            raise ArgumentError(
                f"'{factor.text}' is split by {lower.name} and by {upper.name}, none of which lies within the other.",
                "Expected groups within groups.",
                "Name two fixed effects by within=... and between=....",
            )
    return distinct


def _inside(expression: Expression) -> list[Expression]:
    """What transforms of groups, centre() and scale() are of, one inside the other."""
    match expression:
        case Call("within" | "between" | "centre" | "scale" | "I", (inner, *_)):
            return [inner, *_inside(inner)]
    return []


def _split_by(design: Design, call: Call) -> _Split:
    """The grouping of ``within()`` or ``between()``."""
    names = [name.column for name in call.arguments[1:] if isinstance(name, Name)]
    columns = tuple(names) or (str(only_group(design.specification)),)
    codes, _ = read_cells(columns, design.columns_read)
    name = next(
        (level.name for level in design.levels if set(level.grouping.columns) == set(columns)), ":".join(columns)
    )
    return _Split(name, np.unique(codes, return_inverse=True)[1])


def _same(one: _Split, other: _Split) -> bool:
    """Whether two groupings have the same groups."""
    pairs = len(np.unique(one.codes * other.count + other.codes))
    return pairs == one.count == other.count


def _known_mean(design: Design, factor: Factor, other: Factor) -> tuple[_Split, bool] | None:
    """Where a column of the data is the means of the predictor, or its deviations from them: of which groups."""
    if not isinstance(other.expression, Name) or other == factor:
        return None
    if not set(columns_of(factor.expression)) <= set(design.columns_read) or calls_of(factor.expression):
        return None
    group = only_group(design.specification)
    try:
        x = np.broadcast_to(evaluate(factor, design.columns_read, design.memory, group), design.n)
    except ValueError:
        return None
    values = evaluate(other, design.columns_read, design.memory, group)
    near = _ROUNDING * float(np.std(x))
    for level in design.levels[: len(design.levels) - len(design.crossed)]:
        codes = level.grouping.codes
        means = (np.bincount(codes, weights=x) / np.bincount(codes))[codes]
        for target, is_mean in ((means, True), (x - means, False)):
            if np.ptp(target) > near and np.abs(values - target).max() <= near:
                return _Split(level.name, codes), is_mean
    return None


def _weights(design: Design, factor: Factor, splits: Sequence[_Split]) -> tuple[Floats, list[str]]:
    """What each fixed effect multiplies of each component of the predictor, (p, splits + 1), lowest component first.

    The second result names the columns that are no sum of components.
    """
    weights = np.zeros((len(design.fixed), len(splits) + 1))
    mixed = []
    for place, other in _single(design):
        known = _known_mean(design, factor, other)
        if known is not None:
            at = next(k for k, split in enumerate(splits) if _same(split, known[0])) + 1
            weights[place, at:] = known[1]
            weights[place, :at] = not known[1]
            continue
        found = _components(design, factor.expression, other.expression, splits)
        if found is not None:
            weights[place] = found
        elif set(columns_of(factor.expression)) & set(_measured(other.expression)):
            mixed.append(other.text)
    return weights, mixed


def _measured(expression: Expression) -> tuple[str, ...]:
    """The columns that an expression is computed from, groupings left out."""
    match expression:
        case Call("within" | "between", (inner, *_)):
            return _measured(inner)
    return columns_of(expression)


def _components(design: Design, x: Expression, expression: Expression, splits: Sequence[_Split]) -> Floats | None:
    """The same for one expression, None where it is no sum of components."""
    if expression == x:
        return np.ones(len(splits) + 1)
    match expression:
        case Call("within" | "between" as kind, (inner, *_)) as call:
            found = _components(design, x, inner, splits)
            if found is None:
                return None
            split = _split_by(design, call)
            at = next(k for k, other in enumerate(splits) if _same(split, other)) + 1
            kept = np.arange(len(splits) + 1) >= at
            return np.where(kept if kind == "between" else ~kept, found, 0.0)
        case Call("centre" | "scale", (inner,)) as call:
            found = _components(design, x, inner, splits)
            return None if found is None else found / design.memory.constants[call][1]
        case Call("I", (inner,)):
            return _components(design, x, inner, splits)
    return None


def _unsplit(design: Design, text: str, name: str | None = None) -> ArgumentError:
    """The error where the model does not tell the two slopes apart."""
    place = name or (design.levels[-1].name if design.levels else "school")
    columns = next((level.grouping.columns for level in design.levels if level.name == place), (place,))
    between = f"between({text}, {', '.join(columns)})"
    return ArgumentError(
        f"The model does not have slopes of '{text}' within and between {name or 'groups'} of their own.",
        f"Expected {text} or its deviations from group means, and the group means, among the fixed effects.",
        f"Write {text} + {between} into the formula, or name two fixed effects by within=... and between=....",
    )


def _interaction_note(design: Design, factor: Factor) -> str | None:
    """A note where slopes depend on other predictors."""
    names = set(columns_of(factor.expression))
    columns = [design.columns[place] for place in design.fixed]
    products = [
        column.name
        for column in columns
        if len(column.atoms) > 1 and any(names & set(_measured(atom.factor.expression)) for atom in column.atoms)
    ]
    if not products:
        return None
    return f"Slopes where the other parts of {', '.join(products)} are 0."


def _named(design: Design, x: Any, level: str | None, within: Any, between: Any) -> Contexts:
    """The contrast of two fixed effects that were named."""
    if x is not None or level is not None or within is None or between is None:
        raise ArgumentError(
            "contextual_effect was given one of within and between, or something beside them.",
            "Expected a predictor, or the names of both fixed effects.",
            'Write contextual_effect("ses"), or contextual_effect(within="cses", between="meanses").',
        )
    rows = np.zeros((2, len(design.fixed)))
    for row, name in enumerate((within, between)):
        if name not in design.fixed_names:
            near = difflib.get_close_matches(str(name), design.fixed_names, n=1)
            raise ArgumentError(
                f"The model has no fixed effect {name!r}.", f"Expected one of {', '.join(design.fixed_names)}.",
                f"Did you mean '{near[0]}'?" if near else "Choose one of these.",
            )  # fmt: skip
        rows[row, design.fixed_names.index(name)] = 1.0
    if within == between:
        raise ArgumentError(f"within and between are both {within!r}.", "Expected two.", "Name the other one.")
    return Contexts((f"{between} - {within}",), np.stack([[*rows, rows[1] - rows[0]]]), None)


def context_table(found: Contexts, tabulate: Callable[[Floats, pd.Index[Any]], pd.DataFrame]) -> pd.DataFrame:
    """Rows within, between and contextual, of several splits under their names."""
    flat = found.contrasts.reshape(-1, found.contrasts.shape[-1])
    index: pd.Index[Any] = pd.Index(_ROWS, name="effect")
    if len(found.levels) > 1:
        index = pd.MultiIndex.from_product([found.levels, _ROWS], names=["level", "effect"])
    table = tabulate(flat, index)
    if found.note:
        table.attrs["note"] = " ".join([*([table.attrs["note"]] if "note" in table.attrs else []), found.note])
    return table
