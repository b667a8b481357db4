"""Wide to long and back: the printed table, unequal and missing times, several variables, refusals."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixError, DataError

WIDE = pd.DataFrame(
    {
        "id": ["1", "2", "3"],
        "group": ["1", "1", "1"],
        "t1": [3.0, 2.5, 3.5],
        "t2": [3.6, 2.8, 3.9],
        "t3": [4.4, 3.2, 4.2],
        "t4": [5.1, 3.9, 5.1],
    }
)
TIMES = ["t1", "t2", "t3", "t4"]


def test_acceptance_1_3_the_printed_table() -> None:
    """The slide prints id, group, time, y, person by person."""
    printed = [
        [1, 1, 1, 3.0], [1, 1, 2, 3.6], [1, 1, 3, 4.4], [1, 1, 4, 5.1],
        [2, 1, 1, 2.5], [2, 1, 2, 2.8], [2, 1, 3, 3.2], [2, 1, 4, 3.9],
        [3, 1, 1, 3.5], [3, 1, 2, 3.9], [3, 1, 3, 4.2], [3, 1, 4, 5.1],
    ]  # fmt: skip
    long = bx.to_long(WIDE, id="id", columns=TIMES)
    assert list(long) == ["id", "group", "time", "y"]
    assert long.astype(float).to_numpy().tolist() == printed
    shipped = bx.load_dataset("growth12").astype({"id": str, "group": str})
    pd.testing.assert_frame_equal(long.astype({"id": str, "group": str}), shipped)
    back = bx.to_wide(shipped, id="id", time="time")
    assert list(back) == ["id", "group", "y_1", "y_2", "y_3", "y_4"]
    pd.testing.assert_frame_equal(back.set_axis(list(WIDE), axis=1), WIDE, check_dtype=False)


def test_unequal_spacing_and_missing_times() -> None:
    wide = WIDE.assign(t2=[3.6, np.nan, 3.9], t4=[5.1, np.nan, np.nan])
    long = bx.to_long(wide, id="id", columns={"t1": 0, "t2": 0.5, "t3": 3, "t4": 9}, time="week", value="pain")
    assert list(long) == ["id", "group", "week", "pain"]
    assert long[["id", "week"]].to_numpy().tolist() == [
        ["1", 0.0], ["1", 0.5], ["1", 3.0], ["1", 9.0], ["2", 0.0], ["2", 3.0], ["3", 0.0], ["3", 0.5], ["3", 3.0],
    ]  # fmt: skip
    assert long["pain"].notna().all() and long.index.tolist() == list(range(9))
    kept = bx.to_long(wide, id="id", columns=TIMES, times=np.array([0, 0.5, 3, 9]), keep_missing=True)
    assert len(kept) == 12 and kept["y"].isna().sum() == 3
    back = bx.to_wide(long, id="id", time="week", values="pain")
    assert list(back) == ["id", "group", "pain_0.0", "pain_0.5", "pain_3.0", "pain_9.0"]
    np.testing.assert_array_equal(back.iloc[:, 2:].to_numpy(), wide[TIMES].to_numpy())


def test_long_data_with_missing_times_are_fitted() -> None:
    """Twelve rows less two: the model takes what is there."""
    wide = WIDE.assign(t2=[3.6, np.nan, 3.9], t4=[5.1, 3.9, np.nan])
    model = bx.Model("y ~ time + (1 | id)", bx.to_long(wide, id="id", columns=TIMES))
    assert model.n == 10 and model.groups == {"id": 3}


def test_several_variables() -> None:
    wide = pd.DataFrame(
        {"id": [7, 3], "p0": [1.0, 2], "p1": [3.0, np.nan], "d0": [0, 5], "d1": [5, 5], "sex": ["F", "M"]}
    )
    long = bx.to_long(wide, id="id", columns={"pain": ["p0", "p1"], "dose": ("d0", "d1")}, times=[0, 1])
    assert list(long) == ["id", "sex", "time", "pain", "dose"]
    assert long["id"].tolist() == [7, 7, 3, 3]  # one of the two variables is there
    assert long["dose"].tolist() == [0, 5, 5, 5]
    back = bx.to_wide(long, id="id", time="time", values=["pain", "dose"])
    assert list(back) == ["id", "sex", "pain_0", "pain_1", "dose_0", "dose_1"]
    np.testing.assert_array_equal(back.drop(columns="sex"), wide.drop(columns="sex"))
    pd.testing.assert_frame_equal(
        bx.to_long(pl.from_pandas(wide), id="id", columns=["p0", "p1"]).drop(columns=["d0", "d1", "sex"]),
        bx.to_long(wide, id="id", columns=["p0", "p1"]).drop(columns=["d0", "d1", "sex"]),
    )


def test_random_frames_return(rng: np.random.Generator) -> None:
    names = [f"m{i}" for i in range(5)]
    wide = pd.DataFrame(rng.normal(size=(30, 5)), columns=names).mask(rng.random((30, 5)) < 0.3)
    wide = wide.assign(m0=1.0, id=rng.permutation(30))
    long = bx.to_long(wide, id="id", columns=names, times=[10, 9, 2, 1, 0])
    shuffled = long.iloc[rng.permutation(len(long))]
    back = bx.to_wide(shuffled, id="id", time="time").set_index("id").loc[wide["id"]]
    assert list(back) == ["y_0", "y_1", "y_2", "y_9", "y_10"]  # as numbers, not as text
    np.testing.assert_array_equal(back[["y_10", "y_9", "y_2", "y_1", "y_0"]], wide[names])


def test_times_that_are_labels() -> None:
    long = bx.to_long(WIDE, id="id", columns=TIMES[:2], times=["pre", "post"]).drop(columns=["t3", "t4"])
    assert list(bx.to_wide(long, id="id", time="time"))[2:] == ["y_post", "y_pre"]
    ordered = long.assign(time=pd.Categorical(long["time"], ["pre", "post"]))
    assert list(bx.to_wide(ordered, id="id", time="time"))[2:] == ["y_pre", "y_post"]


@pytest.mark.parametrize(
    ("options", "kind", "part"),
    [
        ({"id": "person"}, DataError, "no column 'person'"),
        ({"columns": ["t1", "t22"]}, DataError, "no column 't22'"),
        ({"id": None}, ArgumentError, "id=None"),
        ({"columns": None}, ArgumentError, "columns=None"),
        ({"columns": []}, ArgumentError, "columns=[]"),
        ({"columns": {}}, ArgumentError, "columns={}"),
        ({"columns": [1, 2]}, ArgumentError, "columns=[1, 2]"),
        ({"columns": ["t1", "t1"]}, ArgumentError, "'t1' occurs twice"),
        ({"columns": {"a": ["t1", "t2"], "b": ["t3"]}}, ArgumentError, "'b' has 1 columns"),
        ({"times": [1, 2]}, ArgumentError, "times=[1, 2]"),
        ({"times": [1, 1, 2, 3]}, ArgumentError, "times=[1, 1, 2, 3]"),
        ({"times": [1, 2, 3, None]}, ArgumentError, "times=[1, 2, 3, None]"),
        ({"times": [1, 2, 3, [4]]}, ArgumentError, "times=[1, 2, 3, [4]]"),
        ({"times": 4}, ArgumentError, "times=4"),
        ({"columns": {"t1": 0, "t2": 0}}, ArgumentError, "times=[0, 0]"),
        ({"columns": {"t1": 0, "t2": 1}, "times": [0, 1]}, ArgumentError, "times is given too"),
        ({"time": "group"}, ArgumentError, "a column 'group' already"),
        ({"value": "id"}, ArgumentError, "a column 'id' already"),
        ({"time": "y"}, ArgumentError, "'y' occurs twice"),
        ({"id": "group"}, DataError, "group '1' has 3 rows"),
        ({"keep_missing": "no"}, ArgumentError, "keep_missing='no'"),
        ({"id_vars": "id"}, ArgumentError, "no keyword 'id_vars'"),
    ],
)
def test_to_long_refuses(options: dict[str, Any], kind: type[BayesmixError], part: str) -> None:
    with pytest.raises(kind) as caught:
        bx.to_long(WIDE, **({"id": "id", "columns": TIMES} | options))
    assert part in caught.value.found


def test_to_long_refuses_missing_persons_and_what_is_no_frame() -> None:
    with pytest.raises(DataError, match="1 missing value"):
        bx.to_long(WIDE.assign(id=["1", None, "3"]), id="id", columns=TIMES)
    for wrong in (None, 3, pd.DataFrame()):
        with pytest.raises(DataError):
            bx.to_long(wrong, id="id", columns=TIMES)


@pytest.mark.parametrize(
    ("change", "options", "kind", "part"),
    [
        ({}, {"id": "person"}, DataError, "no column 'person'"),
        ({}, {"time": None}, ArgumentError, "time=None"),
        ({}, {"values": []}, ArgumentError, "values=[]"),
        ({}, {"values": 3}, ArgumentError, "values=3"),
        ({}, {"values": "x"}, DataError, "no column 'x'"),
        ({}, {"values": ["y", "time"]}, ArgumentError, "'time' occurs twice"),
        ({"time": 1}, {}, DataError, "id '1' has two rows at time 1"),
        ({"extra": range(12)}, {}, DataError, "'extra' changes within id '1'"),
        ({"time": None}, {}, DataError, "12 missing value"),
        ({"y_1": 0}, {}, ArgumentError, "'y_1' occurs twice"),
        ({}, {"value": "y"}, ArgumentError, "no keyword 'value'"),
    ],
)
def test_to_wide_refuses(change: dict[str, Any], options: dict[str, Any], kind: type[BayesmixError], part: str) -> None:
    long = bx.load_dataset("growth12").assign(**change)
    with pytest.raises(kind) as caught:
        bx.to_wide(long, **({"id": "id", "time": "time"} | options))
    assert part in caught.value.found
