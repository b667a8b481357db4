"""Data frames of any kind at the door, and their columns."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from bayesmix.design.frame import Categories, Numbers, as_categories, read_columns
from bayesmix.errors import DataError


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "real": [1.5, np.nan, -2.0, 0.25],
            "whole": [3, 1, 2, 3],
            "yes": [True, False, True, True],
            "text": ["beta", "alpha", None, "beta"],
            "factor": pd.Categorical(["lo", "hi", "lo", None], ["lo", "mid", "hi"]),
        }
    )


def same(one: Numbers | Categories, two: Numbers | Categories) -> None:
    assert type(one) is type(two)
    assert one.name == two.name
    if isinstance(one, Numbers) and isinstance(two, Numbers):
        assert_array_equal(one.values, two.values)
    elif isinstance(one, Categories) and isinstance(two, Categories):
        assert_array_equal(one.codes, two.codes)
        assert one.labels == two.labels


def test_columns_of_pandas(frame: pd.DataFrame) -> None:
    columns = read_columns(frame, frame.columns)
    same(columns["real"], Numbers("real", np.array([1.5, np.nan, -2.0, 0.25])))
    same(columns["whole"], Numbers("whole", np.array([3.0, 1.0, 2.0, 3.0])))
    same(columns["yes"], Categories("yes", np.array([1, 0, 1, 1]), (False, True)))
    same(columns["text"], Categories("text", np.array([1, 0, -1, 1]), ("alpha", "beta")))
    same(columns["factor"], Categories("factor", np.array([0, 2, 0, -1]), ("lo", "mid", "hi")))


def test_other_frames_hold_the_same(frame: pd.DataFrame) -> None:
    columns = read_columns(frame, frame.columns)
    polars = pl.DataFrame(
        {
            "real": [1.5, None, -2.0, 0.25],
            "whole": [3, 1, 2, 3],
            "yes": [True, False, True, True],
            "text": ["beta", "alpha", None, "beta"],
            "factor": pl.Series(["lo", "hi", "lo", None], dtype=pl.Enum(["lo", "mid", "hi"])),
        }
    )
    arrow = pa.Table.from_pandas(frame)
    for other in (polars, arrow):
        found = read_columns(other, frame.columns)
        for name, column in columns.items():
            same(found[name], column)


def test_a_mapping_is_a_frame() -> None:
    columns = read_columns({"x": [1.0, 2.0]}, ["x"])
    assert_array_equal(columns["x"].values, [1.0, 2.0])


def test_integers_with_missing_values() -> None:
    """Nullable integers, of either library."""
    nullable = pd.DataFrame({"k": pd.array([1, None, 3], dtype="Int64")})
    for data in (nullable, pl.DataFrame({"k": [1, None, 3]}), pa.table({"k": [1, None, 3]})):
        column = read_columns(data, ["k"])["k"]
        assert_array_equal(column.values, [1.0, np.nan, 3.0])
        assert_array_equal(column.missing, [False, True, False])


def test_booleans_with_missing_values() -> None:
    nullable = pd.DataFrame({"b": pd.array([True, None, False], dtype="boolean")})
    for data in (nullable, pl.DataFrame({"b": [True, None, False]}), pa.table({"b": [True, None, False]})):
        same(read_columns(data, ["b"])["b"], Categories("b", np.array([1, -1, 0]), (False, True)))


def test_python_objects() -> None:
    """Numbers where all are numbers, labels otherwise; None and nan are missing in both."""
    data = pd.DataFrame({"n": [1, None, 2.5], "m": ["a", np.nan, 7]}, dtype=object)
    columns = read_columns(data, ["n", "m"])
    same(columns["n"], Numbers("n", np.array([1.0, np.nan, 2.5])))
    same(columns["m"], Categories("m", np.array([1, -1, 0]), ("7", "a")))


def test_dates_are_labels_in_order_of_time() -> None:
    days = [datetime.date(2024, 3, 1), datetime.date(2023, 12, 24), datetime.date(2024, 3, 1)]
    column = read_columns(pl.DataFrame({"day": days}), ["day"])["day"]
    same(column, Categories("day", np.array([1, 0, 1]), ("2023-12-24", "2024-03-01")))


def test_unused_labels_are_dropped_with_the_rows() -> None:
    column = Categories("f", np.array([0, 2, 0, 1]), ("lo", "mid", "hi"))
    same(column.take(np.array([0, 1, 2])), Categories("f", np.array([0, 1, 0]), ("lo", "hi")))


def test_numbers_as_labels() -> None:
    """Whole numbers are labels without a point, in order of size."""
    same(
        as_categories(Numbers("k", np.array([10.0, 2.0, np.nan, 10.0]))),
        Categories("k", np.array([1, 0, -1, 1]), (2, 10)),
    )
    assert as_categories(Numbers("k", np.array([0.5, 2.0]))).labels == (0.5, 2)
    assert [type(label) for label in as_categories(Numbers("k", np.array([0.5, 2.0]))).labels] == [float, int]


def test_a_lazy_frame_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        read_columns(pl.DataFrame({"x": [1.0]}).lazy(), ["x"])
    assert "LazyFrame" in caught.value.found
    assert "collect" in caught.value.remedy


def test_a_column_of_lists_is_refused() -> None:
    for data in (pl.DataFrame({"x": [[1, 2], [3]]}), pd.DataFrame({"x": [[1, 2], [3]]})):
        with pytest.raises(DataError) as caught:
            read_columns(data, ["x"])
        assert "'x'" in caught.value.found
        assert "list" in caught.value.found.lower()
        assert "Convert 'x'" in caught.value.remedy
