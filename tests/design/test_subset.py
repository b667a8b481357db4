"""Cross-products without some rows: the fits are those of the data without them, priors and units those of all rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import bayesmix as bx
from bayesmix.design.subset import emptied, without_rows
from bayesmix.inference.ml import maximise
from tests.frames import random_frame

FORMULAS = ("y ~ x + (x | top)", "y ~ x + offset(z) + (1 | top/inner)", "y ~ x + (1 | top) + (1 | f)", "y ~ x * z")


@pytest.mark.filterwarnings("ignore::bayesmix.BayesmixWarning")
@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_fits_are_those_of_the_rows_kept(formula: str, weights: str | None, rng: np.random.Generator) -> None:
    """A group is left out whole: its effects are then those of no data."""
    frame = random_frame(rng, 150, 8).assign(w=rng.uniform(0.3, 3.0, size=150))
    kept = ((frame["top"] != 2) & (rng.random(150) < 0.9)).to_numpy()
    whole = bx.Model(formula, frame, weights=weights)
    rest = without_rows(whole.design, whole.products, kept)
    found, alone = maximise(rest, reml=True), bx.Model(formula, frame[kept], weights=weights).reml()
    assert rest.n == kept.sum() == rest.sizes.sum()
    assert_allclose(found.beta, alone.solution.beta, rtol=1e-6)
    assert_allclose(found.sigma, alone.solution.sigma, rtol=1e-6)
    assert_allclose(found.criterion, alone.solution.criterion, rtol=1e-9)
    for ours, theirs in zip(found.covariances, alone.solution.covariances, strict=True):
        assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::bayesmix.BayesmixWarning")
def test_coordinates_stay(rng: np.random.Generator) -> None:
    """What priors are stated on, and the shape of the compiled graph."""
    model = bx.Model("y ~ x + (x | top) + (1 | f)", random_frame(rng))
    kept = rng.random(model.n) < 0.5
    rest = without_rows(model.design, model.products, kept)
    for name in ("fixed_basis", "response_fit", "parent"):
        assert_array_equal(getattr(rest, name), getattr(model.products, name))
    assert rest.response_scale == model.products.response_scale
    assert rest.body.shape == model.products.body.shape
    assert_array_equal(without_rows(model.design, model.products, kept | True).body, model.products.body)


def test_emptied(rng: np.random.Generator) -> None:
    model = bx.Model("y ~ x + (x | top)", random_frame(rng))
    kept = model.design.levels[0].grouping.codes != 3
    empty = emptied(model.design, kept)
    assert_array_equal(empty.values[kept], model.design.values[kept])
    assert not empty.values[~kept].any()
