"""Values of predictors by name: typical ones in the places of those that are not given, and what is refused."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.design import Design
from bayesmix.errors import ArgumentError, BayesmixError
from bayesmix.results.points import points_along, points_at
from tests.frames import random_frame


@pytest.fixture
def frame(rng: np.random.Generator) -> pd.DataFrame:
    dose = pd.Categorical(rng.choice(["low", "mid", "high"], size=120), ["low", "mid", "high"], ordered=True)
    return random_frame(rng).assign(
        dose=dose, code=rng.choice([1, 2, 5], size=120), old=rng.random(120) < 0.3, **{"my x": rng.normal(size=120)}
    )


def design_of(bar: str, frame: pd.DataFrame) -> Design:
    return bx.Model(f"y ~ x + z + (0 + {bar} | top)", frame).design


@pytest.mark.parametrize(
    "bar", ["1 + x * f", "dose", "C(code) : x", "old", "`my x`", "poly(x, 3)", "scale(x)", "I(x^2)"]
)
def test_rows_come_back(bar: str, frame: pd.DataFrame) -> None:
    """Given every predictor of the rows, their columns of Z."""
    design = design_of(bar, frame)
    (found,) = points_at(design, frame).effects
    assert_allclose(found, design.values[:, design.levels[0].places], atol=1e-9)
    assert points_at(design, frame).note is None


def test_other_frames(frame: pd.DataFrame) -> None:
    """Polars and PyArrow; columns that the model does not read are left alone."""
    design = design_of("1 + x + f", frame)
    expected = points_at(design, frame.iloc[:5]).effects[0]
    rows = {"x": frame["x"].iloc[:5].tolist(), "f": frame["f"].iloc[:5].tolist(), "more": [0] * 5}
    for other in (pl.DataFrame(rows), pa.table(rows), pd.DataFrame(rows, index=list("vwxyz"))):
        assert_allclose(points_at(design, other).effects[0], expected)
    assert points_at(design, pd.DataFrame(rows, index=list("vwxyz"))).labels == tuple("vwxyz")


def test_typical_values(frame: pd.DataFrame) -> None:
    """Means of numbers, the most frequent of labels, each said in the note; predictors of the fixed part are not."""
    design = design_of("1 + x + f + z:old", frame)
    found = points_at(design, {"z": 2.0})
    label = frame["f"].value_counts().idxmax()
    row = frame.iloc[:1].assign(x=frame["x"].mean(), z=2.0, f=label, old=False)
    assert_allclose(found.effects[0], points_at(design, row).effects[0])
    assert found.note == (
        f"Predictors that were not named: x {frame['x'].mean():.4g} (mean), f {label} (most frequent), "
        "old False (most frequent)."
    )


def test_deviations_from_group_means(frame: pd.DataFrame) -> None:
    """They do not follow from a value of their column, so they are named themselves; else at their mean of 0."""
    design = bx.Model("y ~ x + (within(x, top) + z | top)", frame).design
    found = points_at(design, {"within(x, top)": 1.5, "z": 2})
    assert_allclose(found.effects[0], [[1.0, 1.5, 2.0]])
    assert_allclose(points_at(design, {"z": 2}).effects[0], [[1.0, 0.0, 2.0]], atol=1e-12)
    assert points_at(design, {"z": 2}).note == "Predictors that were not named: within(x, top) 0 (mean)."
    with pytest.raises(ArgumentError, match=r"Name 'within\(x, top\)'"):
        points_at(design, {"x": 2})
    along = points_along(design, "within(x, top)", None, None)
    assert len(along.labels) == 25
    centred = frame["x"] - frame.groupby("top")["x"].transform("mean")
    assert_allclose([along.labels[0], along.labels[-1]], [centred.min(), centred.max()])


def test_a_product_of_a_coded_column(frame: pd.DataFrame) -> None:
    """Its value would not follow, so it is asked for."""
    design = bx.Model("y ~ x + (I(x^2) * z | top)", frame).design
    with pytest.raises(ArgumentError, match=r"'I\(x\^2\):z' depends on 'I\(x\^2\)'"):
        points_at(design, {"I(x^2)": 4.0})
    found = points_at(design, {"I(x^2)": 4.0, "I(x^2):z": 8.0, "z": 2.0})
    assert_allclose(found.effects[0], [[1.0, 4.0, 2.0, 8.0]])


def test_values_by_themselves(frame: pd.DataFrame) -> None:
    """Labels in their order, few numbers as they are, many spaced equally."""
    assert points_along(design_of("dose", frame), "dose", None, None).labels == ("low", "mid", "high")
    assert points_along(design_of("C(code)", frame), "code", None, None).labels == (1, 2, 5)
    assert points_along(design_of("old", frame), "old", None, None).labels == (False, True)
    few = frame.assign(x=np.arange(120) % 4)
    assert points_along(design_of("x", few), "x", None, None).labels == (0.0, 1.0, 2.0, 3.0)
    many = points_along(design_of("x", frame), "x", None, None)
    assert_allclose(many.labels, np.linspace(frame["x"].min(), frame["x"].max(), 25))
    assert_allclose(many.effects[0][:, 0], many.labels)
    given = points_along(design_of("x + z", frame), "x", pd.Series([3, 1]), {"z": 7})
    assert_allclose(given.effects[0], [[3, 7], [1, 7]])


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ({"xx": 1}, "'xx'"),
        ({"y": 1}, "'y'"),
        ({"top": 1}, "'top'"),
        ({"x": np.nan}, "nan"),
        ({"x": np.inf}, "inf"),
        ({"x": "a"}, "'a'"),
        ({"x": None}, "None"),
        ({"x": True}, "True"),
        ({"x": [1, 2]}, "[1, 2]"),
        ({"f": "d"}, "'d'"),
        ({"f": ["a"]}, "['a']"),
        ({"f": np.nan}, "nan"),
        (pd.DataFrame({"xx": [1.0]}), "a data frame of xx"),
        (pd.DataFrame({"x": [1.0, np.nan]}), "nan"),
        (pd.DataFrame({"x": []}), "0 rows"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "more than once"),
        (pd.DataFrame({"f": ["a", None]}), "nan"),
        (3, "at=3"),
        ("x", "at='x'"),
        ([1], "at=[1]"),
    ],
)
def test_what_is_no_point(at: Any, words: str, frame: pd.DataFrame) -> None:
    with pytest.raises(BayesmixError) as caught:
        points_at(design_of("x + f", frame), at)
    assert words in caught.value.found


@pytest.mark.parametrize(
    ("x", "values", "at", "words"),
    [
        ("xx", None, None, "'xx'"),
        (None, None, None, "x=None"),
        (["x"], None, None, "x=['x']"),
        ("x", "abc", None, "values='abc'"),
        ("x", [], None, "values=[]"),
        ("x", 3, None, "values=3"),
        ("x", [1, 1], None, "values=[1, 1]"),
        ("x", [[1, 2]], None, "values=[[1, 2]]"),
        ("x", [1, np.nan], None, "nan"),
        ("f", ["a", "q"], None, "'q'"),
        ("x", None, {"x": 1}, "both"),
        ("x", None, {"zz": 1}, "'zz'"),
        ("x", None, 3, "at=3"),
    ],
)
def test_what_is_no_way_to_go(x: Any, values: Any, at: Any, words: str, frame: pd.DataFrame) -> None:
    with pytest.raises(ArgumentError) as caught:
        points_along(design_of("x + f", frame), x, values, at)
    assert words in caught.value.found
