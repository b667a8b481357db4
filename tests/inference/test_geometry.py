"""Which sds are signed."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.inference.geometry import SIGNED_BELOW, Geometry, choose_geometry, without_effect
from bayesmix.inference.ml import maximise
from tests.frames import random_frame

# The choice


def test_geometry_of_hsb(hsb_model: bx.Model, hsb_reml: bx.LikelihoodFit) -> None:
    """The intercept's sd is worth hundreds of units of deviance, the slope's 4.8."""
    assert choose_geometry(hsb_model.products, hsb_reml.solution, hsb_model.priors.numbers) == Geometry(
        ((False, True),)
    )


@pytest.mark.parametrize(
    ("formula", "name", "signed"),
    [
        ("Reaction ~ Days + (Days | Subject)", "sleepstudy", ((False, False),)),
        ("Yield ~ 1 + (1 | Batch)", "dyestuff", ((True,),)),
        ("Yield ~ 1 + (1 | Batch)", "dyestuff2", ((True,),)),
        ("strength ~ 1 + (1 | batch/cask)", "pastes", ((False,), (True,))),
        ("math ~ ses", "hsb", ()),
    ],
)
def test_geometry_of(
    formula: str, name: str, signed: tuple[tuple[bool, ...], ...], dataset: Callable[[str], pd.DataFrame]
) -> None:
    """Against the difference of two REML criteria, one of them without the effect."""
    model = bx.Model(formula, dataset(name))
    solution = model.reml().solution
    assert choose_geometry(model.products, solution, model.priors.numbers).signed == signed
    for number, flags in enumerate(signed):
        for effect, flag in enumerate(flags):
            gain = maximise(without_effect(model.products, number, effect)).criterion - solution.criterion
            assert gain >= -1e-6
            assert flag == (gain < SIGNED_BELOW)


WITHOUT = [
    ("y ~ x + (x | top)", 0, 0, "y ~ x + (0 + x | top)"),
    ("y ~ x + (x | top)", 0, 1, "y ~ x + (1 | top)"),
    ("y ~ x + (1 | top)", 0, 0, "y ~ x"),
    ("y ~ x + (x || top)", 0, 0, "y ~ x + (0 + x | top)"),
    ("y ~ x + (x || top)", 0, 1, "y ~ x + (1 | top)"),
    ("y ~ x + (x + z | top)", 0, 0, "y ~ x + (0 + x + z | top)"),
    ("y ~ x + (x + z | top)", 0, 1, "y ~ x + (z | top)"),
    ("y ~ x + (x + z | top)", 0, 2, "y ~ x + (x | top)"),
    ("y ~ x + (1 | top) + (0 + x + z | top)", 0, 0, "y ~ x + (0 + x + z | top)"),
    ("y ~ x + (1 | top) + (0 + x + z | top)", 0, 1, "y ~ x + (1 | top) + (0 + z | top)"),
    ("y ~ x + (x | top/inner)", 0, 1, "y ~ x + (x | top) + (1 | top:inner)"),
    ("y ~ x + (x | top/inner)", 1, 0, "y ~ x + (0 + x | top) + (x | top:inner)"),
    ("y ~ x + (1 | top/inner)", 0, 0, "y ~ x + (1 | top)"),
    ("y ~ x + (1 | top/inner)", 1, 0, "y ~ x + (1 | top:inner)"),
]


@pytest.mark.parametrize(("formula", "number", "effect", "reduced"), WITHOUT)
def test_without_effect_is_the_smaller_formula(
    formula: str, number: int, effect: int, reduced: str, rng: np.random.Generator
) -> None:
    frame = random_frame(rng)
    expected = bx.Model(reduced, frame).reml()
    products = without_effect(bx.Model(formula, frame).products, number, effect)
    found = maximise(products)
    assert_allclose(found.criterion, expected.criterion, rtol=1e-9)
    assert_allclose(found.sigma, expected.sigma, rtol=1e-5)
    assert_allclose(found.beta, expected.solution.beta, rtol=1e-5, atol=1e-6)
    left = [sigma for sigma in found.covariances if sigma.size]
    for sigma, other in zip(left, expected.covariances().values(), strict=True):
        assert_allclose(sigma, other.to_numpy(), rtol=1e-4, atol=1e-4 * expected.sigma**2)


def test_without_effect_changes_nothing_in_place(hsb_model: bx.Model) -> None:
    before = [(v.basis.copy(), v.blocks) for v in hsb_model.products.levels]
    without_effect(hsb_model.products, 0, 1)
    for level, (basis, blocks) in zip(hsb_model.products.levels, before, strict=True):
        assert_allclose(level.basis, basis)
        assert level.blocks == blocks
