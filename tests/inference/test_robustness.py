"""Awkward data: whatever the design, an optimum is found from the default start, and a better one is not left behind.

Seeds that failed once are kept.
"""

import numpy as np
import pytest

import bayesmix as bx
from bayesmix.errors import DesignError
from tests.frames import awkward_frame

FORMULAS = [
    "y ~ x + (x | top)",
    "y ~ x + z + (x + z | top)",
    "y ~ f + (f | top)",
    "y ~ x + (x | top/inner)",
    "y ~ x + (x + z | top) + (x | top:inner)",
    "y ~ x + (x || top/inner)",
    "y ~ 1 + (x + f || top)",
    "y ~ x + (0 + f | top)",
]

# Of 7,900 fits to seeds 25 to 519: all others passed. Six are nearly singular, stationary to 1e-5 and no further, and
# two of those are plain models; the last has a second optimum, 42 units lower, at large relative variances.
KEPT = [
    (42, "y ~ x + (x + z | top) + (x | top:inner)", False),
    (135, "y ~ x + (x | top)", True),
    (224, "y ~ 1 + (x + f || top)", False),
    (380, "y ~ 1 + (x + f || top)", True),
    (383, "y ~ 1 + (x + f || top)", False),
    (519, "y ~ 1 + (x + f || top)", False),
    (158, "y ~ 1 + (x + f || top)", True),
]


def fit(model: bx.Model, reml: bool, optimizer: bx.Optimizer | None = None) -> bx.LikelihoodFit:
    return model.reml(optimizer=optimizer) if reml else model.ml(optimizer=optimizer)


@pytest.mark.parametrize(("seed", "formula", "reml"), KEPT)
def test_kept_seeds(seed: int, formula: str, reml: bool) -> None:
    model = bx.Model(formula, awkward_frame(seed))
    found = fit(model, reml)
    assert np.isfinite(found.criterion)
    others = [fit(model, reml, bx.Optimizer(scales=(scale,))).criterion for scale in (10.0, 30.0)]
    assert found.criterion <= min(others) + 1e-6


def one_seed(seed: int) -> None:
    frame = awkward_frame(seed)
    for formula in FORMULAS:
        try:
            model = bx.Model(formula, frame)
        except DesignError:  # more effects than rows
            continue
        for reml in (True, False):
            found = fit(model, reml)
            other = fit(model, reml, bx.Optimizer(scales=(10.0,)))
            assert found.criterion <= other.criterion + 1e-6, (formula, reml)


@pytest.mark.parametrize("seed", range(6))
def test_random_designs(seed: int) -> None:
    one_seed(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1060))
def test_many_random_designs(seed: int) -> None:
    one_seed(seed)
