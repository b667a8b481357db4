"""Frames of nested groups: counts, nesting, predictors, refusals."""

import pandas as pd
import pytest

import bayesmix as bx
from bayesmix.errors import ArgumentError


def test_equal_sizes() -> None:
    frame = bx.nested_frame({"school": 3, "class": 2, "pupil": 4})
    assert list(frame) == ["school", "class", "pupil"] and len(frame) == 24
    assert frame.nunique().tolist() == [3, 6, 24]
    assert frame.groupby("class")["school"].nunique().eq(1).all()
    assert frame.groupby("class").size().eq(4).all() and frame.groupby("school")["class"].nunique().eq(2).all()


def test_random_sizes() -> None:
    frame = bx.nested_frame({"school": 400, "class": (1, 3), "pupil": (5, 8)}, seed=1)
    classes, pupils = frame.groupby("school")["class"].nunique(), frame.groupby("class").size()
    assert set(classes) == {1, 2, 3} and set(pupils) == {5, 6, 7, 8}
    counts = classes.value_counts()
    assert (abs(counts - 400 / 3) < 5 * (400 * 2 / 9) ** 0.5).all()
    pd.testing.assert_frame_equal(frame, bx.nested_frame({"school": 400, "class": (1, 3), "pupil": (5, 8)}, seed=1))


def test_predictors_at_their_level() -> None:
    frame = bx.nested_frame(
        {"school": 51, "child": (2, 6), "visit": 4},
        predictors={
            "size": "school", "arm": ("school", "binary"), "half": ("child", "binary"),
            "year": ("visit", "time"), "ses": ("child", "normal"), "noise": "visit",
        },
        seed=2,
    )  # fmt: skip
    assert frame.groupby("school")[["size", "arm"]].nunique().eq(1).all(axis=None)
    assert frame.groupby("child")[["half", "ses"]].nunique().eq(1).all(axis=None)
    assert frame["noise"].nunique() == len(frame) and frame["size"].nunique() == 51
    assert frame.groupby("child")["year"].apply(list).map(lambda years: years == [0, 1, 2, 3]).all()
    assert frame.drop_duplicates("school")["arm"].sum() in (25, 26)
    children = frame.drop_duplicates("child").groupby("school")["half"]
    assert ((2 * children.sum() - children.size()).abs() <= 1).all()
    odd = children.size() % 2 == 1
    assert 0 < (2 * children.sum() > children.size())[odd].mean() < 1  # the odd one is treated at random
    pattern = children.apply(list).map(tuple)[children.size() == 4]
    assert pattern.nunique() == 6  # all ways to treat two of four


def test_one_level_is_rows() -> None:
    frame = bx.nested_frame({"row": 5}, predictors={"t": ("row", "time"), "x": ("row", "binary")})
    assert frame["row"].tolist() == [1, 2, 3, 4, 5] and frame["t"].tolist() == [0, 1, 2, 3, 4]
    assert frame["x"].sum() in (2, 3)


@pytest.mark.parametrize(
    ("sizes", "predictors", "part"),
    [
        ({}, None, "The sizes are {}"),
        (None, None, "The sizes are None"),
        ([10, 20], None, "The sizes are [10, 20]"),
        ({1: 10}, None, "The sizes are {1: 10}"),
        ({"school": 0}, None, "size of 'school'=0"),
        ({"school": 2.5}, None, "size of 'school'=2.5"),
        ({"school": (3, 2)}, None, "is (3, 2)"),
        ({"school": (1, 2, 3)}, None, "is (1, 2, 3)"),
        ({"school": "many"}, None, "'many'"),
        ({"school": 10**5, "pupil": 10**5}, None, "rows"),
        ({"school": 10}, "x", "predictors='x'"),
        ({"school": 10}, {"x": 3}, "'x' is 3"),
        ({"school": 10}, {"x": "scool"}, "'scool'"),
        ({"school": 10}, {"x": ("school", "gamma")}, "'gamma'"),
        ({"school": 10}, {"x": (["a"], "time")}, "['a']"),
        ({"school": 10}, {"school": "school"}, "'school'"),
    ],
)
def test_refused(sizes: object, predictors: object, part: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        bx.nested_frame(sizes, predictors=predictors)
    assert part in caught.value.found


def test_unknown_keywords_and_seeds() -> None:
    with pytest.raises(ArgumentError, match="Write seed=1"):
        bx.nested_frame({"a": 2}, random_seed=1)
    with pytest.raises(ArgumentError, match="seed='one'"):
        bx.nested_frame({"a": 2}, seed="one")
