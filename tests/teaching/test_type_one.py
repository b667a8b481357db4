"""Type I error of analysis of variance under intraclass correlation: closed form, simulation, properties."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, stats

import bayesmix as bx
from bayesmix.errors import ArgumentError

RHO = (0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
# The three figures of the Northwestern slides on correlated data, as numbers with three decimals.
PRINTED = {
    (2, 10): (0.05, 0.061, 0.106, 0.165, 0.276, 0.373, 0.534, 0.675, 0.828),
    (3, 10): (0.05, 0.064, 0.131, 0.223, 0.396, 0.538, 0.740, 0.872, 0.964),
    (5, 10): (0.05, 0.069, 0.169, 0.315, 0.572, 0.745, 0.918, 0.980, 0.998),
    (2, 100): (0.05, 0.166, 0.432, 0.572, 0.699, 0.766, 0.845, 0.898, 0.948),
}


@pytest.mark.parametrize(("k", "n"), PRINTED)
def test_acceptance_1_3_type_one_error(k: int, n: int) -> None:
    """All 36 values, each to its three decimals."""
    found = [bx.type1_error(k=k, n=n, rho=rho) for rho in RHO]
    assert_allclose(found, PRINTED[k, n], atol=5.000001e-4)
    assert_allclose(bx.type1_curve(k=k, n=n, rho=RHO)["type1_error"], found, rtol=1e-14)


def test_two_groups_by_quadrature() -> None:
    """Without the F distribution: t is a normal over a chi, so the rate is an integral over the chi-square."""
    n, rho = 4, 0.37
    df = 2 * (n - 1)
    critical = stats.t.isf(0.025, df)
    stretch = np.sqrt((1 + (n - 1) * rho) / (1 - rho))

    def rejected(s: float) -> float:
        return float(2 * stats.norm.sf(critical * np.sqrt(s / df) / stretch) * stats.chi2.pdf(s, df))

    expected, _ = integrate.quad(rejected, 0, np.inf, epsabs=1e-12)
    assert_allclose(bx.type1_error(k=2, n=n, rho=rho), expected, rtol=1e-8)


def test_coverage_of_the_interval_for_two_groups(rng: np.random.Generator) -> None:
    """1 minus the rate is how often the interval that takes rows for independent covers 0."""
    n, rho, count = 8, 0.25, 4000
    y = np.sqrt(rho) * rng.normal(size=(count, 2, 1)) + np.sqrt(1 - rho) * rng.normal(size=(count, 2, n))
    interval = stats.ttest_ind(y[:, 0], y[:, 1], axis=1).confidence_interval(0.95)
    covered = np.mean((interval.low < 0) & (interval.high > 0))
    expected = 1 - bx.type1_error(k=2, n=n, rho=rho)
    assert abs(covered - expected) < 4 * np.sqrt(expected * (1 - expected) / count)


def test_the_claimed_level_at_zero() -> None:
    for alpha in (0.001, 0.05, 0.5):
        assert_allclose(bx.type1_error(k=4, n=7, rho=0, alpha=alpha), alpha, rtol=1e-10)


def test_increasing_in_correlation_rows_and_groups() -> None:
    rho = np.linspace(-1 / 29, 1, 60)
    for k in (2, 7):
        assert (np.diff(bx.type1_curve(k=k, n=30, rho=rho)["type1_error"]) > 0).all()
    for other in (0.01, 0.3, 0.8):
        assert (np.diff([bx.type1_error(k=3, n=n, rho=other) for n in range(2, 200, 7)]) > 0).all()
        assert (np.diff([bx.type1_error(k=k, n=10, rho=other) for k in range(2, 15)]) > 0).all()


def test_the_ends() -> None:
    """At -1/(n - 1) all means are equal, at 1 all rows of a group are."""
    assert bx.type1_error(k=3, n=5, rho=-0.25) == 0
    assert bx.type1_error(k=3, n=4, rho=-1 / 3) == 0
    assert bx.type1_error(k=3, n=5, rho=1) == 1
    assert 0 < bx.type1_error(k=3, n=5, rho=-0.1) < 0.05
    assert bx.type1_error(k=2, n=2, rho=-1) == 0


def test_simulated_within_its_error() -> None:
    found = bx.type1_curve(k=(2, 5), n=(3, 10), rho=(-0.04, 0, 0.2, 0.7), simulate=4000, seed=1)
    assert found.shape == (16, 3)
    assert list(found.columns) == ["type1_error", "simulated", "mc_se"]
    z = (found["simulated"] - found["type1_error"]) / found["mc_se"]
    assert z.abs().max() < 4
    # The spread of 16 standardised errors: 4.6 and 34.3 are the .001 tails on either side of a chi-square of 16.
    assert 3.9 < (z**2).sum() < 39.3


def test_the_simulation_is_that_of_exchangeable_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn in pieces, the same seed gives the same numbers."""
    args = {"k": 3, "n": 4, "rho": 0.4, "simulate": 500, "seed": 3}
    whole = bx.type1_curve(**args)
    pd.testing.assert_frame_equal(whole, bx.type1_curve(**args))
    monkeypatch.setattr("bayesmix.teaching.type_one.CHUNK", 12 * 64)
    pd.testing.assert_frame_equal(whole, bx.type1_curve(**args))


def test_arrays_and_columns() -> None:
    rho = np.array([0, 0.1, 0.5])
    listed = bx.type1_curve(k=[2, 3], n=range(5, 7), rho=rho.tolist())
    assert len(listed) == 12
    pd.testing.assert_frame_equal(bx.type1_curve(k=np.array([2, 3]), n=(5, 6), rho=rho), listed)
    pd.testing.assert_frame_equal(bx.type1_curve(k=[2, 3], n=[5, 6], rho=pd.Series(rho)), listed)


def test_the_curve_by_itself() -> None:
    curve = bx.type1_curve()
    assert curve.index.names == ["k", "n", "rho"]
    assert len(curve) == 300 and set(curve.index.get_level_values("k")) == {2, 3, 5}


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        ({"k": 1}, "k=1"),
        ({"k": 2.5}, "k=2.5"),
        ({"k": None}, "k=None"),
        ({"k": True}, "k=True"),
        ({"n": 1}, "n=1"),
        ({"n": "ten"}, "n='ten'"),
        ({"rho": -0.2}, "rho=-0.2"),
        ({"rho": 1.01}, "rho=1.01"),
        ({"rho": float("nan")}, "rho=nan"),
        ({"rho": "high"}, "rho='high'"),
        ({"rho": [0.1, 0.2]}, "rho=[0.1, 0.2]"),
        ({"rho": np.array([0.1])}, "rho=array([0.1])"),
        ({"rho": None}, "rho=None"),
        ({"alpha": 0}, "alpha=0"),
        ({"alpha": 5}, "alpha=5"),
        ({"icc": 0.1}, "no keyword 'icc'"),
    ],
)
def test_refused(wrong: dict[str, object], part: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        bx.type1_error(**({"k": 2, "n": 10, "rho": 0.1} | wrong))
    assert part in caught.value.found


@pytest.mark.parametrize(
    "wrong", [{"k": []}, {"rho": []}, {"rho": [0.1, None]}, {"simulate": -1}, {"seed": 1.5}, {"rho": {"a": 1}}]
)
def test_refused_by_the_curve(wrong: dict[str, object]) -> None:
    with pytest.raises(ArgumentError):
        bx.type1_curve(**wrong)
