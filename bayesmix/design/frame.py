"""The door: any data frame narwhals knows becomes plain columns of numbers or categories."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.errors import DataError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Numbers:
    """A numeric column: (n,) floats, nan where missing."""

    name: str
    values: Floats

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Where the value is missing, (n,)."""
        return np.isnan(self.values)

    def take(self, rows: Integers) -> Numbers:
        """Only these rows."""
        return Numbers(self.name, self.values[rows])


@dataclass(frozen=True)
class Categories:
    """A categorical column: (n,) codes into labels, -1 where missing; labels in the order that coding follows.

    ``ordered`` says that their order means more than which comes first, as in an ordered categorical of pandas.
    """

    name: str
    codes: Integers
    labels: tuple[Any, ...]
    ordered: bool = False

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Where the value is missing, (n,)."""
        return self.codes < 0

    def take(self, rows: Integers) -> Categories:
        """Only these rows; labels that no longer occur are dropped, as R's ``droplevels`` does."""
        codes = self.codes[rows]
        used = np.bincount(codes, minlength=len(self.labels)) > 0
        if used.all():
            return Categories(self.name, codes, self.labels, self.ordered)
        renumber = np.cumsum(used) - 1
        labels = tuple(label for label, keep in zip(self.labels, used, strict=True) if keep)
        return Categories(self.name, renumber[codes], labels, self.ordered)


Column = Numbers | Categories


def read_columns(data: Any, names: Iterable[str]) -> dict[str, Column]:
    """Read the named columns of a data frame.

    Parameters
    ----------
    data : data frame
        pandas, Polars, PyArrow, or any other eager frame narwhals knows.
    names : iterable of str
        Columns wanted.

    Returns
    -------
    dict of str to Numbers or Categories
        Booleans and text are categories (text sorted, ``False`` before ``True``), as in R.

    Raises
    ------
    DataError
        The object is no data frame, holds no rows, or lacks a column.
    """
    if isinstance(data, Mapping):
        try:
            data = pd.DataFrame(data)
        except ValueError as problem:
            raise DataError(
                f"The columns do not make a table ({problem}).",
                "Expected columns of one length.",
                "Check their lengths.",
            ) from None
    try:
        frame = nw.from_native(data, eager_only=True)
    except nw.exceptions.DuplicateError as problem:
        twice = ", ".join(f"'{name}'" for name in _repeated(data))
        raise DataError(
            f"The data hold the column {twice or problem} more than once.",
            "Expected every column name once.",
            "Rename or drop the copies.",
        ) from None
    except TypeError:
        raise DataError(
            f"The data are an object of type {type(data).__name__}.",
            "Expected a data frame (pandas, Polars, PyArrow, or another that narwhals knows).",
            "Wrap the data in pandas.DataFrame(...), or collect a lazy frame first.",
        ) from None
    if len(frame) == 0:
        raise DataError(
            "The data frame has 0 rows.",
            "Expected at least one row.",
            "Check how the data were read or filtered.",
        )
    available = frame.columns
    columns: dict[str, Column] = {}
    for name in names:
        if name not in available:
            raise _unknown_column(name, available)
        columns[name] = _read_column(name, frame.get_column(name))
    return columns


def _repeated(data: Any) -> list[str]:
    """Names that occur more than once among the columns of a pandas frame."""
    names = [str(name) for name in getattr(data, "columns", [])]
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]


def _unknown_column(name: str, available: list[str]) -> DataError:
    """The error for a column that is not there, with the nearest name."""
    folded = {str(column).casefold(): str(column) for column in available}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    hint = f"Did you mean '{folded[near[0]]}'?" if near else "Check the spelling; names with spaces go in backticks."
    stem = name.split(".")[0]
    if "." in name and stem in available:
        hint = f"'{name}' is read as one column name (attributes are never looked up). Did you mean '{stem}'?"
    shown = ", ".join(str(column) for column in available[:12]) + (", ..." if len(available) > 12 else "")
    return DataError(f"The data have no column '{name}'.", f"Expected one of: {shown}.", hint)


def _read_column(name: str, series: nw.Series[Any]) -> Column:
    """One column, by its type."""
    dtype = series.dtype
    if dtype.is_numeric():
        values = series.to_numpy() if series.null_count() == 0 else series.cast(nw.Float64()).to_pandas().to_numpy()
        return Numbers(name, np.array(values, dtype=float))  # a copy: what the caller does later must not reach a fit
    if isinstance(dtype, nw.Boolean):
        items = series.to_list()
        codes = np.array([-1 if item is None or item is pd.NA else int(item) for item in items], np.int64)
        return Categories(name, codes, (False, True))
    if isinstance(dtype, (nw.Categorical, nw.Enum)):
        return _read_categorical(name, series)
    if isinstance(dtype, (nw.String, nw.Object)):
        return _read_text(name, series)
    if isinstance(dtype, (nw.Date, nw.Datetime, nw.Duration, nw.Time)):
        return _factorise(name, pd.Series(series.to_list(), dtype=object).astype("string"))
    raise DataError(
        f"Column '{name}' has type {dtype}.",
        "Expected numbers, text, categories or booleans.",
        f"Convert '{name}' before building the model.",
    )


def _read_categorical(name: str, series: nw.Series[Any]) -> Categories:
    """A categorical column with its own order of categories; only pandas tells whether that order has a meaning."""
    native = series.to_native()
    if isinstance(native, pd.Series):
        codes = native.cat.codes.to_numpy().astype(np.int64)
        return Categories(name, codes, tuple(native.cat.categories), bool(native.cat.ordered))
    labels = tuple(series.cat.get_categories().to_list())
    code = {label: i for i, label in enumerate(labels)}
    codes = np.array([-1 if item is None else code[item] for item in series.to_list()], np.int64)
    return Categories(name, codes, labels)


def _read_text(name: str, series: nw.Series[Any]) -> Column:
    """Text, or Python objects: numbers where all of them are numbers, labels otherwise."""
    items = pd.Series(series.to_list(), dtype=object)
    items = items.where(items.notna(), None)
    present = items.dropna()
    if isinstance(series.dtype, nw.Object) and len(present):
        kinds = {type(item) for item in present}
        if all(issubclass(kind, (int, float, np.number)) and kind is not bool for kind in kinds):
            return Numbers(name, items.astype(float).to_numpy())
        if not all(issubclass(kind, (str, bool, int, float, np.generic)) for kind in kinds):
            odd = next(kind.__name__ for kind in kinds if not issubclass(kind, (str, bool, int, float, np.generic)))
            raise DataError(
                f"Column '{name}' holds objects of type {odd}.",
                "Expected numbers, text, categories or booleans.",
                f"Convert '{name}' before building the model.",
            )
        if len(kinds) > 1:
            items = items.map(str, na_action="ignore")
    return _factorise(name, items)


def _factorise(name: str, items: pd.Series[Any]) -> Categories:
    """Codes and sorted labels."""
    codes, labels = pd.factorize(items, sort=True)
    return Categories(name, codes.astype(np.int64), tuple(labels))


def frame_length(data: Any) -> int:
    """Rows of a data frame, or of the columns of a mapping."""
    return len(nw.from_native(pd.DataFrame(data) if isinstance(data, Mapping) else data, eager_only=True))


def frame_columns(data: Any) -> tuple[str, ...]:
    """Names of the columns of a data frame, which is refused as in :func:`read_columns`."""
    read_columns(data, ())
    frame = nw.from_native(pd.DataFrame(data) if isinstance(data, Mapping) else data, eager_only=True)
    return tuple(frame.columns)


def as_categories(column: Column) -> Categories:
    """A column read as labels: numbers become sorted labels, whole numbers stay whole."""
    if isinstance(column, Categories):
        return column
    present = ~column.missing
    if np.isinf(column.values).any():
        raise DataError(
            f"Column '{column.name}' has {int(np.isinf(column.values).sum())} infinite value(s).",
            "Expected finite labels.",
            "Recode infinite values as missing, or remove those rows.",
        )
    labels, inverse = np.unique(column.values[present], return_inverse=True)
    codes = np.full(len(column.values), -1, np.int64)
    codes[present] = inverse
    return Categories(
        column.name, codes, tuple(int(v) if v == np.floor(v) and abs(v) < 2**53 else float(v) for v in labels)
    )
