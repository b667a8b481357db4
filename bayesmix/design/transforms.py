"""Expressions become numbers; what a transform learns from the data (means, scales, group means) is remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.design.frame import Categories, Column, Numbers, as_categories
from bayesmix.design.groups import read_cells
from bayesmix.design.polynomials import Polynomials, orthogonal_polynomials
from bayesmix.errors import DataError
from bayesmix.specification.terms import Arithmetic, Call, Expression, Factor, Name, Number, Word, columns_of

Floats = NDArray[np.float64]

_ELEMENTWISE: Mapping[str, Callable[[Floats], Floats]] = MappingProxyType(
    {
        "log": np.log,
        "log2": np.log2,
        "log10": np.log10,
        "log1p": np.log1p,
        "exp": np.exp,
        "sqrt": np.sqrt,
        "abs": np.abs,
    }
)


@dataclass(frozen=True)
class Memory:
    """What transforms learned from the data of the fit.

    Parameters
    ----------
    constants : mapping of Call to (mean, scale)
        For ``centre`` and ``scale``.
    group_means : mapping of Call to {label: mean}
        For ``within`` and ``between``.
    polynomials : mapping of Call to Polynomials
        For ``poly``.
    """

    constants: Mapping[Call, tuple[float, float]] = field(default_factory=dict)
    group_means: Mapping[Call, Mapping[Any, float]] = field(default_factory=dict)
    polynomials: Mapping[Call, Polynomials] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("constants", "group_means", "polynomials"):
            object.__setattr__(self, name, MappingProxyType(getattr(self, name)))

    def __reduce__(self) -> tuple[type[Memory], tuple[dict[Any, Any], ...]]:
        # Views of dicts can not be pickled, and a fit is sent to other processes.
        return Memory, (dict(self.constants), dict(self.group_means), dict(self.polynomials))


def learn(factors: list[Factor], columns: Mapping[str, Column], default_group: str | None) -> Memory:
    """Remember what the transforms of these factors need to be applied to other data."""
    constants: dict[Call, tuple[float, float]] = {}
    group_means: dict[Call, Mapping[Any, float]] = {}
    polynomials: dict[Call, Polynomials] = {}
    memory = Memory(constants, group_means, polynomials)  # shows what is learned below
    for factor in factors:
        for call in calls_of(factor.expression):
            if call in constants or call in group_means or call in polynomials:
                continue
            if call.function == "poly" and not _is_raw(call):
                polynomials[call] = _learn_polynomials(factor, call, columns, memory, default_group)
            elif call.function in ("centre", "scale"):
                values = _evaluate(call.arguments[0], columns, memory, default_group)
                sd = float(np.std(values, ddof=1)) if call.function == "scale" else 1.0
                if not sd > 0:
                    raise DataError(
                        f"{factor.text}: every value is {values[0]:g}.",
                        "Expected at least two different values to scale by.",
                        "Drop the term or the scaling.",
                    )
                constants[call] = (float(np.mean(values)), sd)
            elif call.function in ("within", "between"):
                values = _evaluate(call.arguments[0], columns, memory, default_group)
                group_means[call] = _means_by_label(values, _group_of(call, columns, default_group))
    return memory


def with_groups(memory: Memory, columns: Mapping[str, Column], default_group: str | None) -> Memory:
    """The same memory with means of the groups that it does not know yet."""
    means = {}
    for call, known in memory.group_means.items():
        values = _evaluate(call.arguments[0], columns, memory, default_group)
        means[call] = {**_means_by_label(values, _group_of(call, columns, default_group)), **known}
    return Memory(memory.constants, means, memory.polynomials)


def _means_by_label(values: Floats, group: Categories) -> dict[Any, float]:
    """Mean of each label."""
    sums = np.bincount(group.codes, weights=values, minlength=len(group.labels))
    counts = np.bincount(group.codes, minlength=len(group.labels))
    return dict(zip(group.labels, (sums / np.maximum(counts, 1)).tolist(), strict=True))


def _is_raw(call: Call) -> bool:
    """Whether ``poly()`` means plain powers."""
    return len(call.arguments) > 2


def _learn_polynomials(
    factor: Factor, call: Call, columns: Mapping[str, Column], memory: Memory, default_group: str | None
) -> Polynomials:
    """The polynomials that are orthogonal on the data of the fit."""
    inside, degree = call.arguments[:2]
    assert isinstance(degree, Number)
    with np.errstate(all="ignore"):
        values = np.asarray(_evaluate(inside, columns, memory, default_group), dtype=float)
    _check_finite(factor, values)
    different = len(np.unique(values))
    if different <= degree.value:
        raise DataError(
            f"{factor.text}: the degree is {degree.value:g}, and there are {different} different values.",
            "Expected a degree below their number.",
            f"Write {different - 1} or less." if different > 1 else "Drop the term.",
        )
    return orthogonal_polynomials(values, int(degree.value))


def evaluate(factor: Factor, columns: Mapping[str, Column], memory: Memory, default_group: str | None) -> Floats:
    """The numbers of one factor, (n,).

    Raises
    ------
    DataError
        Text where numbers are needed, or a result that is infinite or not a number; the first row is named.
    """
    with np.errstate(all="ignore"):
        values = np.asarray(_evaluate(factor.expression, columns, memory, default_group), dtype=float)
    if not np.isfinite(values.sum()):
        _check_finite(factor, values)
    return values


def evaluate_power(
    factor: Factor, degree: int, columns: Mapping[str, Column], memory: Memory, default_group: str | None
) -> Floats:
    """One column of ``poly()``, (n,); errors as :func:`evaluate`."""
    call = factor.expression
    assert isinstance(call, Call)
    with np.errstate(all="ignore"):
        inside = np.asarray(_evaluate(call.arguments[0], columns, memory, default_group), dtype=float)
        values = inside**degree if _is_raw(call) else memory.polynomials[call].at(inside, degree)[:, -1]
    _check_finite(factor, values)
    return np.asarray(values)


def _check_finite(factor: Factor, values: Floats) -> None:
    """Refuse what a fit could only turn into nonsense."""
    bad = ~np.isfinite(values)
    if not bad.any():
        return
    row = int(np.flatnonzero(bad)[0])
    name = factor.text
    if isinstance(factor.expression, Name):
        raise DataError(
            f"Column '{name}' has {int(bad.sum())} infinite value(s), the first in complete row {row + 1}.",
            "Expected finite numbers.",
            "Recode infinite values as missing, or remove those rows.",
        )
    given = ", ".join(f"'{column}'" for column in columns_of(factor.expression))
    raise DataError(
        f"{name} is infinite or not a number in {int(bad.sum())} row(s), the first being complete row {row + 1}.",
        f"Expected values of {given} for which {name} is a finite number.",
        "Recode those values as missing, or use another transform (log1p for zeros).",
    )


def calls_of(expression: Expression) -> list[Call]:
    """All calls inside an expression, inner ones first."""
    match expression:
        case Call(arguments=parts):
            return [call for part in parts for call in calls_of(part)] + [expression]
        case Arithmetic(operands=parts):
            return [call for part in parts for call in calls_of(part)]
        case _:
            return []


def _group_of(call: Call, columns: Mapping[str, Column], default_group: str | None) -> Categories:
    """The grouping of ``within(x, g)`` or ``between(x, g)``; of several columns their combinations."""
    names = [name.column for name in call.arguments[1:] if isinstance(name, Name)]
    if len(names) == 1:
        return as_categories(columns[names[0]])
    if names:
        codes, cells = read_cells(tuple(names), columns)
        return Categories(":".join(names), codes, tuple(cells))
    if default_group is None:
        raise DataError(
            f"{call.function}() names no grouping, and the model has not exactly one.",
            "Expected a grouping column as second argument where there is not exactly one level.",
            f"Write {call.function}(x, school) with your grouping.",
        )
    return as_categories(columns[default_group])


def _evaluate(expression: Expression, columns: Mapping[str, Column], memory: Memory, group: str | None) -> Floats:
    """The numbers of an expression; a number stays a scalar."""
    match expression:
        case Name(column):
            found = columns[column]
            if not isinstance(found, Numbers):
                raise DataError(
                    f"Column '{column}' holds categories ({', '.join(str(x) for x in found.labels[:3])}, ...).",
                    "Expected numbers: it stands in a transform or in arithmetic, or was numeric in the fit.",
                    f"Use '{column}' on its own, or convert it to numbers.",
                )
            return found.values
        case Number(value):
            return np.float64(value)  # type: ignore[return-value]
        case Arithmetic(operator, operands):
            parts = [_evaluate(part, columns, memory, group) for part in operands]
            return _arithmetic(operator, parts)
        case Call(function, arguments):
            return _call(expression, function, arguments, columns, memory, group)
        case Word():
            raise TypeError(expression)


def _arithmetic(operator: str, parts: list[Floats]) -> Floats:
    """One operator on one or two operands."""
    match operator, parts:
        case "-", [x]:
            return -x
        case "+", [x]:
            return x
        case "+", [x, y]:
            return x + y
        case "-", [x, y]:
            return x - y
        case "*", [x, y]:
            return x * y
        case "/", [x, y]:
            return x / y
        case _:
            return np.power(parts[0], parts[1])


def _call(
    call: Call,
    function: str,
    arguments: tuple[Expression, ...],
    columns: Mapping[str, Column],
    memory: Memory,
    group: str | None,
) -> Floats:
    """One listed transform."""
    values = _evaluate(arguments[0], columns, memory, group)
    if function in _ELEMENTWISE:
        return _ELEMENTWISE[function](values)
    if function in ("centre", "scale"):
        mean, scale = memory.constants[call]
        return (values - mean) / scale
    if function in ("within", "between"):
        groups = _group_of(call, columns, group)
        known = {**_means_by_label(values, groups), **memory.group_means[call]}
        means = np.array([known[label] for label in groups.labels])
        between = means[groups.codes]
        if function == "between":
            return between
        # What is constant in a group is 0 within it, not the rounding of its mean.
        within = values - between
        return np.where(np.abs(within) <= 1e-12 * np.abs(between), 0.0, within)
    return values
