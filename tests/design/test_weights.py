"""Weights at the door, and in the cross-products."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import bayesmix as bx


@pytest.fixture
def frame(rng: np.random.Generator) -> pd.DataFrame:
    n = 60
    frame = pd.DataFrame({"y": rng.normal(size=n), "x": 5 + rng.normal(size=n), "w": rng.uniform(0.2, 9.0, size=n)})
    return frame.assign(g=rng.integers(6, size=n))


FORMULA = "y ~ x + (x | g)"

KINDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "array": lambda frame: frame["w"].to_numpy(),
    "list": lambda frame: frame["w"].to_list(),
    "series": lambda frame: frame["w"],
    "polars series": lambda frame: pl.Series(frame["w"].to_list()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_array_is_as_good_as_a_column(kind: str, frame: pd.DataFrame) -> None:
    column = bx.Model(FORMULA, frame, weights="w")
    given = bx.Model(FORMULA, frame, weights=KINDS[kind](frame))
    assert_array_equal(given.design.weights, frame["w"])
    assert_array_equal(given.products.sums, column.products.sums)
    assert given.products.log_weights == column.products.log_weights
    assert (column.design.weights_name, given.design.weights_name) == ("w", "given")


def test_columns_of_another_frame(frame: pd.DataFrame) -> None:
    """Whole numbers among them."""
    frame = frame.assign(w=np.arange(1, 61))
    polars = pl.DataFrame({name: frame[name].to_list() for name in frame})
    one, two = (bx.Model(FORMULA, data, weights="w") for data in (frame, polars))
    assert_array_equal(one.products.sums, two.products.sums)


def test_a_series_goes_by_its_index(frame: pd.DataFrame) -> None:
    shuffled = frame.sample(frac=1, random_state=3)
    found = bx.Model(FORMULA, shuffled, weights=shuffled["w"])
    assert_array_equal(found.design.weights, shuffled["w"])


def test_a_missing_weight_is_a_missing_value(frame: pd.DataFrame) -> None:
    holes = frame.copy()
    holes.loc[[3, 40], "w"] = np.nan
    holes.loc[7, "x"] = np.nan
    found = bx.Model(FORMULA, holes, weights="w")
    assert found.design.n_missing == 3
    rest = bx.Model(FORMULA, frame.drop([3, 7, 40]), weights="w")
    assert_array_equal(found.products.sums, rest.products.sums)
    assert_array_equal(found.design.weights, rest.design.weights)
    assert "3 left out" in found.reml().summary()


def test_an_array_has_the_rows_of_the_data(frame: pd.DataFrame) -> None:
    """Also those left out, whose weights may be anything."""
    holes = frame.copy()
    holes.loc[7, "x"] = np.nan
    weights = frame["w"].to_numpy().copy()
    weights[7] = -1.0
    assert_array_equal(bx.Model(FORMULA, holes, weights=weights).design.weights, np.delete(weights, 7))


def test_a_column_may_be_named_given(frame: pd.DataFrame) -> None:
    """As weights from an array are in messages: its missing values still count."""
    holes = frame.rename(columns={"x": "given"})
    holes.loc[7, "given"] = np.nan
    assert bx.Model("y ~ given", holes, weights=frame["w"]).design.n_missing == 1


def test_the_weights_may_be_a_predictor(frame: pd.DataFrame) -> None:
    assert bx.Model("y ~ x + w + (1 | g)", frame, weights="w").design.fixed_names == ("Intercept", "x", "w")


def test_products_hold_the_weighted_columns(frame: pd.DataFrame) -> None:
    """[X | y]'diag(w)[X | y], by group, from the inner columns."""
    model = bx.Model("y ~ x + offset(2*w) + (x | g)", frame, weights="w")
    products, design = model.products, model.design
    p = products.n_fixed
    back = np.zeros((products.width, p + 1))
    back[:, :p] = products.fixed_basis
    back[:, p] = products.fixed_basis @ products.response_fit
    back[-1, p] += products.response_scale
    W = np.column_stack([design.fixed_values, design.response - design.offset])
    assert design.tree is not None
    for group, inner in enumerate(products.sums):
        rows = W[design.tree.leaf == group]
        expected = rows.T @ (frame["w"].to_numpy()[design.tree.leaf == group][:, None] * rows)
        assert_allclose(back.T @ inner @ back, expected, rtol=1e-11, atol=1e-11 * np.abs(expected).max())
    (level,) = products.levels
    Z = design.values[:, design.levels[0].places]
    inner = products.total[np.ix_(level.columns, level.columns)]
    assert_allclose(level.basis.T @ inner @ level.basis, Z.T @ (frame["w"].to_numpy()[:, None] * Z), rtol=1e-11)
    assert_allclose(products.log_weights, np.log(frame["w"]).sum(), rtol=1e-13)
    assert_allclose(products.mean_weight, frame["w"].mean(), rtol=1e-13)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_inner_columns_do_not_feel_the_unit(unit: float, frame: pd.DataFrame) -> None:
    """What the optimiser sees is of size 1 whatever the weights are counted in."""
    one, other = (bx.Model(FORMULA, frame.assign(w=c * frame["w"]), weights="w").products for c in (1.0, unit))
    assert_allclose(other.sums, one.sums, rtol=1e-9, atol=1e-9 * np.abs(one.sums).max())
    assert_allclose(one.total[0, 0], one.n, rtol=1e-12)
    assert_allclose(one.total[-1, -1], one.n, rtol=1e-12)


def test_equal_weights_are_none(frame: pd.DataFrame) -> None:
    plain, ones = bx.Model(FORMULA, frame).products, bx.Model(FORMULA, frame, weights=np.ones(60)).products
    assert_array_equal(ones.sums, plain.sums)
    assert (ones.response_scale, ones.log_weights) == (plain.response_scale, 0.0)
