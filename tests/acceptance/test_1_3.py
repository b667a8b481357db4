"""Correlated data: the variance of an observation and the covariance of two, by time.

With other parts of the package: matrices and fixtures A and B, long and wide data, the type I error of the naive test,
compound symmetry. Left to later: residual variances that differ by group or time.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from tests import dense
from tests.bayes import dense_problem

# The twelve rows of the page: four visits of three people.
ROWS = {1: (3.0, 3.6, 4.4, 5.1), 2: (2.5, 2.8, 3.2, 3.9), 3: (3.5, 3.9, 4.2, 5.1)}


@pytest.fixture(scope="module")
def sleep(dataset: Callable[[str], pd.DataFrame]) -> bx.LikelihoodFit:
    return bx.Model("Reaction ~ Days + (Days | Subject)", dataset("sleepstudy")).reml()


def test_variance_of_an_observation_and_covariance_of_two(sleep: bx.LikelihoodFit) -> None:
    """s00 + 2t s01 + t^2 s11 + sigma^2, and s00 + (t + t') s01 + tt' s11: no sigma^2 beside the diagonal.

    The page prints + sigma^2 in the off-diagonal entries of its V_1 too; the residuals are independent there.
    """
    s00, s11, s01, residual = sleep.variance_components()["estimate"].iloc[[0, 1, 2, 4]]
    days = np.arange(10.0)
    variance = s00 + 2 * days * s01 + days**2 * s11 + residual
    assert_allclose(sleep.variance_curve("Days", days).loc["total", "estimate"], variance, rtol=1e-10)
    covariance = s00 + (days[:, None] + days) * s01 + days[:, None] * days * s11
    found = sleep.within_group_correlation("Days", days, kind="covariance")["estimate"].unstack().to_numpy()
    assert_allclose(found, covariance, rtol=1e-10)
    V = dense_problem(bx.Model(sleep.design.specification, bx.load_dataset("sleepstudy"))).variance(
        [covariance_of(sleep)], residual
    )
    assert_allclose(V[:10, :10], covariance + residual * np.eye(10), rtol=1e-10)
    assert_allclose(V[:10, 10:], 0, atol=1e-12)
    correlation = covariance / np.sqrt(variance[:, None] * variance)
    found = sleep.within_group_correlation("Days", days)["estimate"].unstack().to_numpy()
    off = ~np.eye(10, dtype=bool)
    assert_allclose(found[off], correlation[off], rtol=1e-10)
    # The spread grows, and days further apart have less in common.
    assert np.all(np.diff(variance) > 0) and np.all(np.diff(correlation[0]) < 0)


def covariance_of(fit: bx.LikelihoodFit) -> np.ndarray:
    return fit.covariances()["Subject"].to_numpy()


def test_long_data(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Three people of two groups, too few for a slope that varies, enough for an intercept."""
    frame = pd.DataFrame(
        [(person, visit, y) for person, row in ROWS.items() for visit, y in enumerate(row, 1)],
        columns=["id", "time", "y"],
    )
    assert frame.shape == (12, 3)
    fit = bx.Model("y ~ time + (1 | id)", frame).reml()
    # Balanced: the slope is that of the means, and its variance that within people.
    means = frame.groupby("time")["y"].mean()
    slope = np.polyfit(means.index, means, 1)[0]
    assert fit.fixed_effects().loc["time", "estimate"] == pytest.approx(slope, rel=1e-10)
    residuals = frame["y"] - frame.groupby("id")["y"].transform("mean") - slope * (frame["time"] - 2.5)
    assert fit.sigma**2 == pytest.approx(float((residuals**2).sum()) / 8, rel=1e-7)


def test_population_mean_and_the_mean_of_a_subject(sleep: bx.LikelihoodFit) -> None:
    """beta0, and beta0 + b0i."""
    beta = sleep.fixed_effects()["estimate"]["Intercept"]
    effects = sleep.group_effects()["estimate"].xs("Intercept", level="effect")
    own = sleep.coefficients("Subject")["estimate"].xs("Intercept", level="effect")
    assert_allclose(own, beta + effects, rtol=1e-12)
    assert abs(effects.sum()) < 1e-6


def test_unequal_spacing_and_missing_times(dataset: Callable[[str], pd.DataFrame]) -> None:
    """A third of the rows gone, at random: the deviance is that of the dense normal density of the rest."""
    frame = dataset("sleepstudy")
    frame = frame[np.random.default_rng(5).random(len(frame)) > 1 / 3]
    model = bx.Model("Reaction ~ Days + (Days | Subject)", frame)
    fit = model.reml()
    assert frame.groupby("Subject", observed=True).size().nunique() > 2
    problem = dense_problem(model)
    assert fit.criterion == pytest.approx(
        dense.absolute_deviance(problem, [covariance_of(fit)], fit.sigma**2, reml=True), rel=1e-9
    )


def test_boundaries_and_degrees_of_freedom_are_said() -> None:
    """Iterative estimation can end on a boundary, and denominators are not simple: both are in the result."""
    fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff2")).reml()
    assert fit.singular
    kinds = [fit.fixed_effects(df=kind)["df"].iloc[0] for kind in ("satterthwaite", "kenward-roger", "containment")]
    assert_allclose(kinds, [29, 5, 5], rtol=1e-6)
