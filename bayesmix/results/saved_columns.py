"""The columns that a model reads as arrays and JSON, and back as a frame that is read as the same columns."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design.frame import Categories, Column
from bayesmix.errors import FileError


def describe_columns(columns: Mapping[str, Column]) -> tuple[list[dict[str, Any]], dict[str, NDArray[Any]]]:
    """Columns as what JSON can hold, and their values by the name they have in the file.

    Parameters
    ----------
    columns : mapping of str to Column
        Complete rows.

    Returns
    -------
    list of dict, dict of str to (n,) array
        Names of columns can be any text, so that the arrays are numbered; codes take as few bytes as they need.

    Raises
    ------
    FileError
        A label is an object that can not be written.
    """
    described: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    for number, (name, column) in enumerate(columns.items()):
        variable = f"column_{number}"
        if isinstance(column, Categories):
            labels = [_describe_label(label, name) for label in column.labels]
            described.append({"name": name, "variable": variable, "labels": labels, "ordered": column.ordered})
            arrays[variable] = column.codes.astype(np.min_scalar_type(-len(labels)))
        else:
            described.append({"name": name, "variable": variable})
            arrays[variable] = column.values
    return described, arrays


def describe_index(index: pd.Index[Any]) -> tuple[dict[str, Any] | None, dict[str, NDArray[Any]]]:
    """Labels of rows as an array, of anything but numbers with the labels as JSON.

    Labels that can not be written, as tuples, are left out: the rows are then numbered.
    """
    if isinstance(index, pd.RangeIndex) and (index.start, index.step) == (0, 1):
        return None, {}
    if index.dtype in (np.dtype(np.int64), np.dtype(np.float64)):
        return {"variable": "row_labels"}, {"row_labels": index.to_numpy()}
    codes, labels = pd.factorize(index)
    try:
        described = [_describe_label(label, "the index") for label in labels.tolist()]
    except FileError:
        return None, {}
    if (codes < 0).any():
        return None, {}
    return {"variable": "row_labels", "labels": described}, {"row_labels": codes.astype(np.int64)}


def rebuild_index(described: Mapping[str, Any] | None, arrays: Mapping[str, NDArray[Any]], n: int) -> pd.Index[Any]:
    """The labels that were described, 0 to n - 1 where none were."""
    if described is None:
        return pd.RangeIndex(n)
    values = arrays[described["variable"]]
    if "labels" not in described:
        return pd.Index(values)
    labels = np.array([_rebuild_label(label) for label in described["labels"]], dtype=object)
    return pd.Index(labels[values])


def rebuild_frame(described: Sequence[Mapping[str, Any]], arrays: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    """A frame whose columns are read as those that were described: the same values, labels and order."""
    columns: dict[str, Any] = {}
    for column in described:
        values = arrays[column["variable"]]
        if "labels" in column:
            # Of type object: pandas would make 1.0 of a label 1 beside 2.5, and dates of what is text.
            labels = pd.Index([_rebuild_label(label) for label in column["labels"]], dtype=object)
            columns[column["name"]] = pd.Categorical.from_codes(values, categories=labels, ordered=column["ordered"])
        else:
            columns[column["name"]] = values
    return pd.DataFrame(columns, copy=False)


def _describe_label(label: Any, column: str) -> Any:
    """Text, truth values and finite numbers as they are; all else with its type."""
    if type(label) in (str, bool, int) or (type(label) is float and math.isfinite(label)):
        return label
    if type(label) is float:
        return {"float": repr(label)}
    if isinstance(label, np.generic) and label.dtype.kind in "biufU":
        return {"numpy": label.dtype.str, "value": _describe_label(label.item(), column)}
    if isinstance(label, pd.Timestamp) and label.tz is None:
        return {"timestamp": label.isoformat(), "unit": label.unit}
    if isinstance(label, pd.Timedelta):
        return {"timedelta": int(label.asm8.astype(np.int64)), "unit": label.unit}
    if isinstance(label, pd.Interval):
        ends = [_describe_label(end, column) for end in (label.left, label.right)]
        return {"interval": ends, "closed": label.closed}
    if type(label) is datetime.date:
        return {"date": label.isoformat()}
    raise FileError(
        f"Column '{column}' has the label {label!r} of type {type(label).__name__}.",
        "Expected text, numbers, truth values, dates or intervals.",
        f"Make '{column}' text before building the model: frame['{column}'].astype(str).",
    )


def _rebuild_label(found: Any) -> Any:
    """The label that was described."""
    match found:
        case str() | bool() | int() | float():
            return found
        case {"float": text}:
            return float(text)
        case {"numpy": kind, "value": value} if np.dtype(kind).kind in "biufU":
            return np.dtype(kind).type(_rebuild_label(value))
        case {"timestamp": text, "unit": unit}:
            return pd.Timestamp(text).as_unit(unit)
        case {"timedelta": count, "unit": unit}:
            return pd.Timedelta(np.timedelta64(count, unit)).as_unit(unit)
        case {"interval": [left, right], "closed": closed}:
            return pd.Interval(_rebuild_label(left), _rebuild_label(right), closed)
        case {"date": text}:
            return datetime.date.fromisoformat(text)
    raise ValueError(f"no label: {found!r}")
