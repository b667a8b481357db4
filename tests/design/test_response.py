"""Another response for the same design: the cross-products a new design would have."""

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

import bayesmix as bx
from bayesmix.design import CrossProducts, cross_products
from bayesmix.design.response import read_rows, with_response
from bayesmix.errors import DataError
from tests.frames import random_frame

FORMULAS = ["y ~ x + (x | top/inner)", "y ~ 0 + x + offset(z) + (1 | top)", "y ~ x + f"]


def assert_same(one: CrossProducts, two: CrossProducts) -> None:
    for field in fields(CrossProducts):
        if field.name != "levels":
            assert_array_equal(getattr(one, field.name), getattr(two, field.name), err_msg=field.name)


@pytest.fixture(params=FORMULAS)
def model(request: pytest.FixtureRequest) -> bx.Model:
    return bx.Model(request.param, random_frame(np.random.default_rng(8)))


def test_own_response(model: bx.Model) -> None:
    assert_same(with_response(model.design, model.products, model.design.response), model.products)


def test_other_response(model: bx.Model, rng: np.random.Generator) -> None:
    y = 1000 + 50 * rng.normal(size=model.n)
    expected = cross_products(replace(model.design, response=y))
    found = with_response(model.design, model.products, y, read_rows(model.design, model.products))
    assert_same(found, expected)
    assert not found.sums.flags.writeable
    assert found.levels is model.products.levels


def test_own_products_are_left_alone(model: bx.Model, rng: np.random.Generator) -> None:
    before = model.products.sums.copy()
    with_response(model.design, model.products, rng.normal(size=model.n))
    assert_array_equal(model.products.sums, before)


def test_response_without_error() -> None:
    frame = pd.DataFrame({"y": np.arange(12.0) ** 2, "x": np.arange(12.0)})
    model = bx.Model("y ~ x", frame)
    with pytest.raises(DataError, match="without error"):
        with_response(model.design, model.products, 3 * frame["x"].to_numpy())
