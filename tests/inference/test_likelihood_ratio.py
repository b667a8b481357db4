import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from bayesmix.inference.likelihood_ratio import boundary_test


def tail(value: float, *weights: float) -> float:
    """Chi-squares on 0, 1, 2, ... df, weighted."""
    return sum(w * (stats.chi2.sf(value, df) if df else value <= 0) for df, w in enumerate(weights))


def test_no_boundary_no_mixture() -> None:
    found = boundary_test(4.771, 2, boundary=0)
    assert found.p == found.p_mixture == found.p_low == found.p_high == stats.chi2.sf(4.771, 2)


@pytest.mark.parametrize(
    ("df", "weights"), [(1, (0.5, 0.5)), (2, (0, 0.5, 0.5)), (3, (0, 0, 0.5, 0.5))], ids=["first", "second", "third"]
)
def test_the_qth_correlated_effect(df: int, weights: tuple[float, ...]) -> None:
    """Stram & Lee (1994), cases 1 to 3."""
    found = boundary_test(3.2, df, boundary=1)
    assert_allclose([found.p_mixture, found.p_low, found.p_high], tail(3.2, *weights), rtol=1e-14)
    assert found.p == stats.chi2.sf(3.2, df)


def test_nothing_gained_is_no_evidence() -> None:
    found = boundary_test(0.0, 1, boundary=1)
    assert found.p == found.p_mixture == 1.0


def test_two_independent_variances_lie_within_the_bounds() -> None:
    """Independent estimates: weights 1/4, 1/2, 1/4."""
    for value in (0.1, 1.0, 4.0, 20.0):
        found = boundary_test(value, 2, boundary=2)
        assert np.isnan(found.p_mixture)
        assert found.p_low < tail(value, 0.25, 0.5, 0.25) < found.p_high < found.p


def squared_length(matrices: np.ndarray) -> np.ndarray:
    return np.einsum("jab,jab->j", matrices, matrices)


def projected(matrices: np.ndarray) -> np.ndarray:
    """Nearest positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrices)
    return np.einsum("jak,jk,jbk->jab", vectors, np.maximum(values, 0), vectors)


@pytest.mark.parametrize("null", ["nothing varies", "intercept at 0"])
def test_a_covariance_matrix_lies_within_the_bounds(rng: np.random.Generator, null: str) -> None:
    """The limit of the likelihood ratio, with information the identity: projections of a normal symmetric matrix."""
    raw = rng.normal(size=(100_000, 2, 2))
    Z = (raw + raw.transpose(0, 2, 1)) / 2
    Z[:, [0, 1], [0, 1]] = raw[:, [0, 1], [0, 1]]
    # Off the diagonal an entry counts twice in the length, and has half the variance: normal in 3 dimensions.
    ratio = squared_length(projected(Z))
    if null == "intercept at 0":
        ratio = ratio - np.maximum(Z[:, 0, 0], 0) ** 2
    df, boundary, null_boundary = (3, 3, 0) if null == "nothing varies" else (2, 1, 1)
    for value in (0.5, 2.0, 5.0):
        found = boundary_test(value, df, boundary, null_boundary)
        assert np.isnan(found.p_mixture)
        share = float((ratio > value).mean())
        assert found.p_low <= share <= found.p_high


def test_fixed_effects_beside_a_boundary_of_the_null() -> None:
    assert boundary_test(3.0, 2, boundary=0, null_boundary=3, fixed=2).p_mixture == stats.chi2.sf(3.0, 2)
    assert boundary_test(3.0, 2, boundary=1, null_boundary=1, fixed=1).p_low == stats.chi2.sf(3.0, 1)
