"""The rebuilt batting data: what the script makes, and every number that was printed.

Source of the printed numbers: Sturdivant (2007), My Favorite (Mixed) Models, slides on SAS PROC MIXED.
"""

import gzip
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from tests.scripts import load_script

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("rebuild_batting")


@pytest.fixture(scope="module")
def batting() -> pd.DataFrame:
    return bx.load_dataset("batting")


@pytest.fixture(scope="module")
def mixed(batting: pd.DataFrame) -> bx.LikelihoodFit:
    return bx.Model("average ~ time + (1 | player)", batting).reml()


def test_the_script_makes_the_shipped_values(script: ModuleType) -> None:
    """To one unit in the sixth decimal: sums may be taken in another order elsewhere."""
    with gzip.open(ROOT / "bayesmix" / "datasets" / "data" / "batting.csv.gz", "rt") as stream:
        shipped = stream.read().splitlines()
    made = script.table().splitlines()
    assert [line.rsplit(",", 1)[0] for line in made] == [line.rsplit(",", 1)[0] for line in shipped]
    values = [np.array([float(line.rsplit(",", 1)[1]) for line in lines[1:]]) for lines in (made, shipped)]
    assert_allclose(*values, atol=1.5e-6)


def test_design(batting: pd.DataFrame) -> None:
    """19 = players - 1, and 379 = rows - players - 1, the printed denominator degrees of freedom."""
    sizes = batting.groupby(["player", "time"], observed=True).size()
    assert (sizes == 10).all() and len(sizes) == 40
    assert len(batting) - 20 - 1 == 379


def test_observed_means(batting: pd.DataFrame) -> None:
    times = batting.groupby("time", observed=True)["average"].mean()
    # The slide prints .28048 by night, which is .28499 - .004502 cut off, not rounded.
    assert f"{times['day']:.5f}" == "0.28499"
    assert f"{times['night']:.6f}" == "0.280488"
    cells = batting.groupby(["player", "time"], observed=True)["average"].mean().unstack()
    printed = [[0.24943, 0.24545], [0.26905, 0.26712], [0.29949, 0.29169], [0.26852, 0.26626]]
    assert_allclose(cells.iloc[:4], printed, atol=5e-6)


def test_mixed_model(mixed: bx.LikelihoodFit) -> None:
    fixed, components = mixed.fixed_effects(df="z"), mixed.variance_components()["estimate"]
    assert list(fixed.index) == ["Intercept", "time[night]"]
    assert [f"{v:.4f}" for v in fixed["estimate"]] == ["0.2850", "-0.0045"]
    assert [f"{v:.6f}" for v in fixed["se"]] == ["0.005203", "0.001027"]
    assert [f"{v:.2f}" for v in fixed["t"]] == ["54.77", "-4.38"]
    assert [f"{v:.6f}" for v in components] == ["0.000531", "0.000105"]


def test_least_squares(batting: pd.DataFrame) -> None:
    fixed = bx.Model("average ~ time", batting).reml().fixed_effects(df="z")
    assert [f"{v:.4f}" for v in fixed["estimate"]] == ["0.2850", "-0.0045"]
    assert [f"{v:.8f}" for v in fixed["se"]] == ["0.00174983", "0.00247463"]
    assert [f"{v:.2f}" for v in fixed["t"]] == ["162.87", "-1.82"]


def test_predictions(mixed: bx.LikelihoodFit) -> None:
    """Player 3 by day is printed .29772: its unrounded value lies within one unit of the last digit, at .29771."""
    effects = mixed.group_effects("player")["estimate"].xs("Intercept", level="effect")
    beta = mixed.fixed_effects(df="z")["estimate"]
    day = beta["Intercept"] + effects.loc[["1", "2", "3", "4"]]
    found = np.column_stack([day, day + beta["time[night]"]])
    printed = np.array([[0.25004, 0.24554], [0.27048, 0.26598], [0.29772, 0.29321], [0.26979, 0.26529]])
    off = np.abs(found - printed) / 1e-5
    assert off[2, 0] <= 1.0
    off[2, 0] = 0.0
    assert (off <= 0.5).all(), off
