"""Pictures without a screen, fits to draw, and no figure left open."""

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import bayesmix as bx
from tests.bayes import hsb_fits, sleepstudy

__all__ = ["hsb_fits", "sleepstudy"]

mpl.use("Agg", force=True)


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Figures are closed and no global style was touched."""
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before


def grouped_frame(groups: int, rows: int, seed: int = 1) -> pd.DataFrame:
    """y on x with varying intercepts and slopes."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), rows)
    x, u = rng.normal(size=groups * rows), rng.normal(size=(groups, 2))
    y = 1 + u[g, 0] + (0.5 + 0.4 * u[g, 1]) * x + rng.normal(size=groups * rows)
    return pd.DataFrame({"y": y, "x": x, "g": g})


@pytest.fixture(scope="session")
def four() -> bx.LikelihoodFit:
    return bx.Model("y ~ x + (x | g)", grouped_frame(4, 12)).reml()


@pytest.fixture(scope="session")
def thousands() -> bx.LikelihoodFit:
    return bx.Model("y ~ x + (x | g)", grouped_frame(4000, 6)).reml()


@pytest.fixture(scope="session")
def interacting() -> bx.LikelihoodFit:
    """A cross-level interaction of two numbers and one with a category."""
    return bx.Model("math ~ ses * meanses + ses * sector + (1 | school)", bx.load_dataset("hsb")).reml()


@pytest.fixture(scope="session")
def flat() -> bx.LikelihoodFit:
    """No levels."""
    return bx.Model("Reaction ~ Days", bx.load_dataset("sleepstudy")).reml()


@pytest.fixture(scope="session")
def crossed() -> bx.LikelihoodFit:
    return bx.Model("diameter ~ 1 + (1 | plate) + (1 | sample)", bx.load_dataset("penicillin")).reml()


@pytest.fixture(scope="session")
def dyestuff2_reml() -> bx.LikelihoodFit:
    """No variance between groups."""
    return bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff2")).reml()


@pytest.fixture(scope="session")
def dyestuff_reml() -> bx.LikelihoodFit:
    """Balanced, one effect."""
    return bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).reml()
