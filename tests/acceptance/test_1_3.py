"""Correlated data: the variance of an observation and the covariance of two, by time.

The 36 values of the type I error are in tests/teaching/test_type_one.py, the entries of fixtures A and B as symbols in
tests/results/test_matrices.py. Left to the figures: the three curves of the type I error. Left to later: residual
variances that differ by group or time.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from tests import dense
from tests.bayes import dense_problem
from tests.printed import printed

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
    found = bx.Model(sleep.design.specification, bx.load_dataset("sleepstudy")).matrices(sleep)
    assert_allclose(found.V_of("308"), covariance + residual * np.eye(10), rtol=1e-10)
    assert found.V.structure == "18 blocks of 10 x 10" and found.R.structure == "diagonal"
    correlation = covariance / np.sqrt(variance[:, None] * variance)
    found = sleep.within_group_correlation("Days", days)["estimate"].unstack().to_numpy()
    off = ~np.eye(10, dtype=bool)
    assert_allclose(found[off], correlation[off], rtol=1e-10)
    # The spread grows, and days further apart have less in common.
    assert np.all(np.diff(variance) > 0) and np.all(np.diff(correlation[0]) < 0)


# Rows of three people with 3, 2 and 2 visits, and of two with 3 and 2: sizes of Z, of G, and of the blocks of V.
FIXTURES = [
    ([3, 2, 2], "y ~ 1 + (1 | id)", {"id": 0.4, "residual": 0.1}, (7, 3), [3, 2, 2]),
    ([3, 2], "y ~ time + (time | id)", {"id": [[0.4, 0.05], [0.05, 0.2]], "residual": 0.1}, (5, 4), [3, 2]),
]


@pytest.mark.parametrize(("visits", "formula", "values", "shape", "blocks"), FIXTURES)
def test_fixtures_a_and_b(
    visits: list[int], formula: str, values: dict[str, object], shape: tuple[int, int], blocks: list[int]
) -> None:
    """V = ZGZ' + R, in blocks; sigma^2 on the diagonal alone."""
    rows = [(str(person), t, ROWS[person][t - 1]) for person, n in enumerate(visits, 1) for t in range(1, n + 1)]
    found = bx.Model(formula, pd.DataFrame(rows, columns=["id", "time", "y"])).matrices(values)
    Z, G, R, V = (matrix.to_numpy() for matrix in (found.Z, found.G, found.R, found.V))
    assert Z.shape == shape and G.shape == (shape[1], shape[1]) and V.shape == (shape[0], shape[0])
    assert_allclose(V, Z @ G @ Z.T + R, rtol=1e-14)
    assert_allclose(R, 0.1 * np.eye(len(V)), rtol=1e-14)
    inside = np.zeros_like(V, dtype=bool)
    for stop, n in zip(np.cumsum(blocks), blocks, strict=True):
        inside[stop - n : stop, stop - n : stop] = True
    assert (V[~inside] == 0).all() and (V[inside] > 0).all()
    # Times 1 and 2 of the first person: no residual variance in their covariance.
    expected = 0.4 if shape[1] == 3 else 0.4 + (1 + 2) * 0.05 + 1 * 2 * 0.2
    assert V[0, 1] == pytest.approx(expected, rel=1e-14)


def test_negative_correlation_within_groups(dataset: Callable[[str], pd.DataFrame]) -> None:
    """In closed form (MSB - MSW)/(MSB + (n - 1) MSW), below 0 where a variance of groups must stay at 0."""
    for name, negative in (("dyestuff2", True), ("dyestuff", False)):
        frame = dataset(name)
        model = bx.Model("Yield ~ 1 + (1 | Batch)", frame)
        groups = frame.groupby("Batch", observed=True)["Yield"]
        between, within = 5 * groups.mean().var(), groups.var().mean()
        found = model.compound_symmetry()
        assert found.rho == pytest.approx((between - within) / (between + 4 * within), rel=1e-6)
        assert (found.rho < 0) == negative == model.reml().singular
        V = model.matrices(found).V_of("A").to_numpy()
        assert V[0, 1] / V[0, 0] == pytest.approx(found.rho, rel=1e-10) and np.linalg.eigvalsh(V)[0] > 0
        if not negative:
            assert found.rho == pytest.approx(float(model.reml().icc().loc["Batch", "estimate"]), rel=1e-6)


def test_type_one_error_for_three_numbers_of_groups() -> None:
    """What three figures of k = 2, 3, 5 show: from .05 at no correlation upwards, the more the more groups."""
    curve = bx.type1_curve(k=(2, 3, 5), n=10, rho=np.linspace(0, 0.9, 19))["type1_error"].unstack("k").to_numpy()
    assert_allclose(curve[0], 0.05, rtol=1e-10)
    assert (np.diff(curve, axis=0) > 0).all() and (np.diff(curve[1:], axis=1) > 0).all()
    assert printed(curve[[2, 10, 18]], 3) == [
        "0.165", "0.223", "0.315", "0.534", "0.740", "0.918", "0.828", "0.964", "0.998",
    ]  # fmt: skip


def test_long_data(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Three people, too few for a slope that varies, enough for an intercept; from wide rows by one call."""
    wide = pd.DataFrame.from_dict(ROWS, orient="index", columns=["t1", "t2", "t3", "t4"]).rename_axis("id")
    frame = bx.to_long(wide.reset_index(), id="id", columns=["t1", "t2", "t3", "t4"])
    rows = [[person, visit, y] for person, row in ROWS.items() for visit, y in enumerate(row, 1)]
    assert frame.to_numpy().tolist() == rows
    assert frame["y"].tolist() == dataset("growth12")["y"].tolist()
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
        dense.absolute_deviance(problem, [fit.covariances()["Subject"].to_numpy()], fit.sigma**2, reml=True), rel=1e-9
    )


def test_boundaries_and_degrees_of_freedom_are_said() -> None:
    """Iterative estimation can end on a boundary, and denominators are not simple: both are in the result."""
    fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff2")).reml()
    assert fit.singular
    kinds = [fit.fixed_effects(df=kind)["df"].iloc[0] for kind in ("satterthwaite", "kenward-roger", "containment")]
    assert_allclose(kinds, [29, 5, 5], rtol=1e-6)
