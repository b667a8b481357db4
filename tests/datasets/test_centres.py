"""The look-alike of the treatment centres: what the script makes, and how near it comes to what was printed.

Source of the printed numbers: Sturdivant (2007), My Favorite (Mixed) Models. The data are no replication, so that each
tolerance is what makes the same story of it: a tenth of a slope, a point of an intercept, a tenth of a variance.
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
    return load_script("make_centres")


@pytest.fixture(scope="module")
def centres() -> pd.DataFrame:
    return bx.load_dataset("centres")


@pytest.fixture(scope="module")
def mixed(centres: pd.DataFrame) -> bx.LikelihoodFit:
    return bx.Model("outcome ~ use + (use | centre)", centres).reml()


def assert_near(found: object, printed: list[float], within: list[float]) -> None:
    """Each number within its own distance of the printed one."""
    assert (np.abs(np.asarray(found) - printed) <= within).all(), found


def least_squares(formula: str, frame: pd.DataFrame) -> pd.Series:
    return bx.Model(formula, frame).reml().fixed_effects()["estimate"]


def test_the_script_makes_the_shipped_values(script: ModuleType) -> None:
    """To one unit in the second decimal: sums may be taken in another order elsewhere."""
    with gzip.open(ROOT / "bayesmix" / "datasets" / "data" / "centres.csv.gz", "rt") as stream:
        shipped = stream.read().splitlines()
    made = script.table().splitlines()
    assert [line.rsplit(",", 1)[0] for line in made] == [line.rsplit(",", 1)[0] for line in shipped]
    values = [np.array([float(line.rsplit(",", 1)[1]) for line in lines[1:]]) for lines in (made, shipped)]
    assert_allclose(*values, atol=0.011)


def test_acceptance_1_5_design(centres: pd.DataFrame) -> None:
    assert (centres.groupby("centre", observed=True).size() == 10).all() and len(centres) == 40
    assert (centres["use"] >= 0).all()


def test_acceptance_1_5_pooled_line(centres: pd.DataFrame) -> None:
    """72.9 - 1.8 use, R squared .69."""
    beta = least_squares("outcome ~ use", centres)
    assert_near(beta, [72.9, -1.8], [1, 0.1])
    rest = centres["outcome"] - beta.iloc[0] - beta.iloc[1] * centres["use"]
    assert_allclose(
        1 - (rest**2).sum() / ((centres["outcome"] - centres["outcome"].mean()) ** 2).sum(), 0.69, atol=0.03
    )


def test_acceptance_1_5_lines_of_one_slope(centres: pd.DataFrame) -> None:
    """80.8 - 2 use - 2.9 D1 - 8.8 D2 - 15.8 D3."""
    beta = least_squares("outcome ~ centre + use", centres)
    assert_near(beta, [80.8, -2.9, -8.8, -15.8, -2.0], [1, 1, 1, 1, 0.15])


def test_acceptance_1_5_the_fourth_line_rises(centres: pd.DataFrame) -> None:
    """80.7 - 2 use - 2.9 D1 - 8.9 D2 - 44.1 D3 + 3.8 D3 use; R squared .97."""
    frame = centres.assign(rising=centres["use"] * (centres["centre"] == "4"))
    fit = bx.Model("outcome ~ centre + use + rising", frame).reml()
    table = fit.fixed_effects()
    assert_near(table["estimate"], [80.7, -2.9, -8.9, -44.1, -2.0, 3.8], [1, 1, 1, 1.5, 0.1, 0.2])
    assert table["p"].drop("centre[2]").lt(0.0001).all() and table.loc["centre[2]", "p"] < 0.01  # printed .0015
    assert_allclose(1 - fit.sigma**2 / centres["outcome"].var(), 0.97, atol=0.015)


def test_acceptance_1_5_mixed_model(mixed: bx.LikelihoodFit) -> None:
    """Intercept 66.9 (10.2), slope -1.0 (.96); 412.8, 3.6, -38.1, 4.0: six parameters."""
    table = mixed.fixed_effects(df="z")
    assert_near(table["estimate"], [66.9, -1.0], [0.1, 0.05])
    assert_allclose(table["se"], [10.2, 0.96], rtol=0.01)
    covariance = mixed.covariances()["centre"].to_numpy()
    assert_allclose(covariance[[0, 1, 0], [0, 1, 1]], [412.8, 3.6, -38.1], rtol=0.03)
    assert_allclose(mixed.sigma**2, 4.0, rtol=0.01)
    assert mixed.n_parameters == 6


def test_acceptance_1_5_correlation_near_minus_one(mixed: bx.LikelihoodFit) -> None:
    """-38.1 over the root of 412.8 and 3.6: -.988."""
    correlation = mixed.variance_components().loc[("centre", "corr(Intercept,use)"), "estimate"]
    assert_allclose(correlation, -38.1 / np.sqrt(412.8 * 3.6), atol=0.005)


def test_acceptance_1_5_lines_of_the_centres(mixed: bx.LikelihoodFit) -> None:
    lines = mixed.coefficients()["estimate"].unstack()
    assert_allclose(lines["Intercept"], [79.8, 78.6, 72.6, 36.7], atol=0.15)
    assert_allclose(lines["use"], [-1.86, -2.03, -1.98, 1.87], atol=0.02)
