"""Means of densities: their errors against repetition, and means that rest on a few draws."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayesmix.inference.density_means import density_means, good_shape


@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_the_error_is_honest(spread: float, rng: np.random.Generator) -> None:
    """The mean of a lognormal variable is exp(s^2/2); 200 repetitions spread as each of them says."""
    logs = spread * rng.normal(size=(4, 250, 200))
    found = density_means(logs)
    typical = np.sqrt(np.mean(found.mcse**2))
    off = found.values - spread**2 / 2
    assert abs(off.mean()) < 4 * typical / np.sqrt(200)
    assert 0.8 < off.std(ddof=1) / typical < 1.25  # the sd of 200 errors is uncertain by 5 %
    assert not found.doubtful.any()


def test_few_draws_that_count(rng: np.random.Generator) -> None:
    """Densities over many powers of e: the mean is that of the largest, and so is its error."""
    found = density_means(np.stack([8 * rng.normal(size=(4, 500)), 0.1 * rng.normal(size=(4, 500))], axis=-1))
    assert found.k[0] > found.good_k
    assert found.doubtful.tolist() == [True, False]
    correlated = np.repeat(rng.normal(size=(4, 10, 1)) * 2, 50, axis=1)
    assert density_means(correlated).mcse[0] > 0.2


def test_constant_densities_and_tails() -> None:
    """No error, no tail; and no tail to look at among 29 draws."""
    found = density_means(np.full((2, 50, 1), -700.0))
    assert_allclose([found.values[0], found.mcse[0], found.k[0]], [-700, 0, 0])
    tied = np.zeros((2, 50, 1))
    tied[0, 0] = -1.0
    assert density_means(tied).k[0] == 0
    assert np.isnan(density_means(np.arange(29.0).reshape(1, 29, 1) / 100).k[0])
    assert density_means(np.arange(30.0).reshape(1, 30, 1) / 100).mcse[0] > 0


def test_good_shape() -> None:
    """1 - 1/log10(S), at most .7 (Vehtari, Simpson, Gelman, Yao & Gabry 2024): two thirds of 1,000 draws."""
    assert_allclose([good_shape(1000), good_shape(100), good_shape(10**6)], [2 / 3, 0.5, 0.7])
