"""Rows as a design reads them: complete ones, their offset and their response."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.design.coding import categorical_column
from bayesmix.design.frame import Categories, Column, Numbers, as_categories, read_columns
from bayesmix.design.transforms import Memory, evaluate
from bayesmix.design.weights import Weights
from bayesmix.errors import DataError
from bayesmix.specification import Factor, Specification, columns_of

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def complete_rows(
    specification: Specification, data: Any, weights: Weights | None
) -> tuple[dict[str, Column], Integers, int, dict[str, int]]:
    """The columns of the model at the rows where nothing is missing, these rows, and how many others there are.

    Last, the missing values of each column that has any.
    """
    columns = read_columns(data, specification.columns)
    missing = {name: column.missing for name, column in columns.items()}
    if weights is not None:
        missing.setdefault(weights.name, np.isnan(weights.values))
    total = len(next(iter(missing.values())))
    rows = np.flatnonzero(~np.logical_or.reduce(list(missing.values())))
    n = len(rows)
    if n == 0:
        worst = max(missing, key=lambda name: int(missing[name].sum()))
        raise DataError(
            f"None of the {total} rows is complete; '{worst}' is missing in {int(missing[worst].sum())} of them.",
            "Expected rows in which every column of the formula has a value.",
            f"Check how '{worst}' was read, or leave it out of the formula.",
        )
    if n < total or any(isinstance(column, Categories) for column in columns.values()):
        columns = {
            name: column if n == total and isinstance(column, Numbers) else column.take(rows)
            for name, column in columns.items()
        }
    holes = {name: int(where.sum()) for name, where in missing.items() if where.any()}
    return columns, rows, total - n, holes


def only_group(specification: Specification) -> str | None:
    """The grouping column that ``within(x)`` means where it names none."""
    groupings = {bar.grouping for bar in specification.groups}
    if len(groupings) == 1:
        (only,) = groupings
        if len(only) == 1:
            return only[0]
    return None


def sum_offsets(
    specification: Specification, columns: Mapping[str, Column], memory: Memory, group: str | None, n: int
) -> Floats:
    """The sum of the offsets, (n,)."""
    total = np.zeros(n)
    for factor in specification.offsets:
        total += evaluate(factor, columns, memory, group)
    return total


def response_values(factor: Factor, columns: Mapping[str, Column], memory: Memory, group: str | None) -> Floats:
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


def require_complete(columns: Mapping[str, Column], names: Iterable[str]) -> None:
    """Refuse new data with holes."""
    for name in dict.fromkeys(names):
        if columns[name].missing.any():
            raise DataError(
                f"Column '{name}' of the new data has {int(columns[name].missing.sum())} missing value(s).",
                "Expected complete rows.",
                "Drop those rows or fill the values in.",
            )
