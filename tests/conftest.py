"""What tests of several rooms share: data, one model and its fits, and generators."""

import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest

import bayesmix as bx


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator of the test's own, the same in every order of the tests."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))


@cache
def _frame(name: str) -> pd.DataFrame:
    return bx.load_dataset(name)


@pytest.fixture(scope="session")
def dataset() -> Callable[[str], pd.DataFrame]:
    """A data set by name; each caller has its own copy."""
    return lambda name: _frame(name).copy()


@pytest.fixture(scope="session")
def hsb() -> pd.DataFrame:
    return _frame("hsb")


@pytest.fixture(scope="session")
def hsb_model(hsb: pd.DataFrame) -> bx.Model:
    return bx.Model("math ~ ses + (ses | school)", hsb)


@pytest.fixture(scope="session")
def hsb_reml(hsb_model: bx.Model) -> bx.LikelihoodFit:
    return hsb_model.reml()


@pytest.fixture(scope="session")
def egsingle_model() -> bx.Model:
    """Three levels, two correlated effects at both: the model in which a mistake shows."""
    return bx.Model("math ~ year + (year | schoolid/childid)", _frame("egsingle"))


@pytest.fixture(scope="session")
def egsingle_reml(egsingle_model: bx.Model) -> bx.LikelihoodFit:
    return egsingle_model.reml()
