"""The cross-products: what they are sums of, whatever the units and the order of the rows."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import bayesmix as bx
from bayesmix.design import CrossProducts
from bayesmix.design.products import grouped_sums, standardise


def test_grouped_sums(rng: np.random.Generator) -> None:
    W, leaf = rng.normal(size=(30, 4)), rng.integers(5, size=30)
    expected = [W[leaf == g].T @ W[leaf == g] for g in range(6)]
    assert_allclose(grouped_sums(W, leaf, 6), expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("mean", [0.0, 3.0, 1e8])
def test_standardise(mean: float, rng: np.random.Generator) -> None:
    columns = np.column_stack([mean + rng.normal(size=500), np.full(500, 7.25), 1e-6 * rng.normal(size=500)])
    found = standardise(columns)
    assert_allclose(found.values[:, [0, 2]].mean(axis=0), 0.0, atol=1e-15)
    assert_allclose((found.values[:, [0, 2]] ** 2).mean(axis=0), 1.0, rtol=1e-14)
    assert found.scales[1] == 0
    assert not found.values[:, 1].any()
    again = found.means + found.scales * found.values
    assert_allclose(again, columns, rtol=0, atol=1e-15 * np.abs(columns).max())


def rebuilt(model: bx.Model) -> tuple[np.ndarray, np.ndarray]:
    """W'W of the user's columns [fixed effects | response less offset] over all rows, from the cross-products."""
    products: CrossProducts = model.products
    K, p = products.width, products.n_fixed
    back = np.zeros((K, p + 1))
    back[:, :p] = products.fixed_basis
    back[:, p] = products.fixed_basis @ products.response_fit
    back[K - 1, p] += products.response_scale
    W = np.column_stack([model.design.fixed_values, model.design.response - model.design.offset])
    return back.T @ products.total @ back, W.T @ W


@pytest.mark.parametrize(
    "formula",
    [
        "math ~ ses + (ses | school)",
        "math ~ 0 + ses + (1 | school)",
        "math ~ ses * sector + (0 + cses | school)",
        "math ~ ses + offset(cses) + (1 | school)",
        "math ~ minority",
    ],
)
def test_products_hold_the_users_columns(formula: str, hsb: pd.DataFrame) -> None:
    found, expected = rebuilt(bx.Model(formula, hsb))
    assert_allclose(found, expected, rtol=1e-11, atol=1e-11 * np.abs(expected).max())


def test_effects_live_on_the_users_columns(hsb: pd.DataFrame) -> None:
    """Z'Z of a level over all rows."""
    model = bx.Model("math ~ ses + (cses + sector | school)", hsb)
    (level,) = model.products.levels
    inner = model.products.total[np.ix_(level.columns, level.columns)]
    Z = model.design.values[:, model.design.levels[0].places]
    assert_allclose(level.basis.T @ inner @ level.basis, Z.T @ Z, rtol=1e-11, atol=1e-8)


def test_products_are_by_lowest_group(egsingle_model: bx.Model) -> None:
    products, design = egsingle_model.products, egsingle_model.design
    assert design.tree is not None
    counts = np.bincount(design.tree.leaf)
    assert_allclose(products.sums[:, 0, 0], counts, rtol=1e-14)
    assert_array_equal(products.sizes, counts)
    assert products.n == counts.sum() == 7230


def test_columns_are_stored_once(hsb: pd.DataFrame) -> None:
    """A random slope's column is a fixed column too: constant, ses, response."""
    assert bx.Model("math ~ ses + (ses | school)", hsb).products.width == 3
    assert bx.Model("math ~ ses * sector + (ses:sector + sector:ses | school)", hsb).products.width == 6


def test_products_can_not_be_changed(hsb_model: bx.Model) -> None:
    products = hsb_model.products
    for array in (products.sums, products.sizes, products.parent):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_every_kind_of_frame_gives_identical_products(dataset: Callable[[str], pd.DataFrame]) -> None:
    import polars as pl
    import pyarrow as pa

    frame = dataset("egsingle")
    formula = "math ~ year + female + (year | schoolid/childid)"
    ours = bx.Model(formula, frame)
    # Polars would not know the order of pandas' categories: they are given as an enumeration.
    columns = {}
    for name in ("math", "year", "female", "schoolid", "childid"):
        column = frame[name]
        kind = pl.Enum(list(column.cat.categories)) if isinstance(column.dtype, pd.CategoricalDtype) else None
        columns[name] = pl.Series(column.to_list(), dtype=kind)
    for data in (pl.DataFrame(columns), pa.Table.from_pandas(frame)):
        theirs = bx.Model(formula, data)
        assert theirs.design.fixed_names == ours.design.fixed_names
        assert_array_equal(theirs.products.sums, ours.products.sums)
        assert_array_equal(theirs.products.parent, ours.products.parent)
        for one, two in zip(theirs.design.levels, ours.design.levels, strict=True):
            assert one.grouping.labels == two.grouping.labels
        assert theirs.products.response_scale == ours.products.response_scale
