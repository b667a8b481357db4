"""Every kind of fit, each made once."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest

import bayesmix as bx
from tests.frames import random_frame


def _frame() -> pd.DataFrame:
    """Four levels of predictors, labels with signs that HTML must escape, weights, an offset and missing values."""
    rng = np.random.default_rng(20)
    frame = random_frame(rng, n=400)
    cell = frame["top"] * 3 + frame["inner"]
    labels = np.array(["low<&>", "mid", "high"])[rng.integers(0, 3, 400)]
    frame = frame.assign(
        kind=pd.Categorical(labels, ["low<&>", "mid", "high"]),
        dose=pd.Categorical(labels, ["low<&>", "mid", "high"], ordered=True),
        of_cell=rng.normal(size=24)[cell],
        weight=rng.uniform(0.5, 2, 400),
        known=rng.normal(size=400),
        crossing=np.array([f"item {i}" for i in range(7)])[rng.integers(0, 7, 400)],
        pair=frame["top"] // 2,
    )
    frame.loc[:5, "x"] = np.nan
    return frame


# Formula and weights by the kind of model.
MODELS: dict[str, tuple[str, str | None]] = {
    "rows": ("y ~ x * kind", None),
    "intercepts": ("y ~ x + (1 | top)", None),
    "slopes": ("y ~ x * of_cell + kind + (x | top)", None),
    "three_effects": ("y ~ x + z + (x + z | top)", None),
    "three_levels": ("y ~ x + of_cell + of_cell:x + (x | top/inner)", None),
    "four_levels": ("y ~ x + (1 | pair/top/inner)", None),
    "double_bar": ("y ~ x + z + (x + z || top)", None),
    "labels": ("y ~ x + (kind | top)", None),
    "labels_alone": ("y ~ 0 + kind + (0 + kind | top)", None),
    "ordered": ("y ~ dose * x + (1 | top)", None),
    "crossed": ("y ~ x + (x | top) + (1 | crossing)", None),
    "weights": ("y ~ x + (x | top)", "weight"),
    "offset": ("y ~ x + offset(known) + (1 | top)", None),
    "transforms": ("y ~ poly(z, 2) + scale(x) + (scale(x) | top)", None),
    "contrasts": ("y ~ C(kind, Sum) + (C(kind, Sum) | top)", None),
    "slope_only": ("y ~ x + (0 + z | top)", None),
    "no_fixed": ("y ~ 0 + (1 | top)", None),
}


@cache
def _fit(kind: str, method: str) -> bx.LikelihoodFit:
    if kind == "singular":
        model = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff2"))
    elif kind == "singular_matrix":
        model = bx.Model("math ~ ses * sector + (ses | school)", bx.load_dataset("hsb"))
    else:
        formula, weights = MODELS[kind]
        model = bx.Model(formula, _frame(), weights=weights)
    return model.reml() if method == "REML" else model.ml()


@pytest.fixture(scope="session")
def fitted() -> Callable[[str, str], bx.LikelihoodFit]:
    """A fit by the kind of model and the method."""
    return _fit
