"""Orthogonal polynomials: R's numbers, orthogonality where powers would have none, the same polynomial elsewhere."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayesmix.design.polynomials import Polynomials, orthogonal_polynomials

X = np.array([1.0, 2.0, 4.0, 4.0, 7.0, 11.0])
# R 4.2.2: attr(poly(c(1, 2, 4, 4, 7, 11), 3), "coefs")
ALPHA = [4.833333333333333, 7.2938487115544461, 5.4006289598969079]
NORM2 = [1, 6, 66.833333333333343, 600.41895261845377, 2979.3660287081352]


def alpha_and_norm2(found: Polynomials) -> tuple[np.ndarray, np.ndarray]:
    """What R remembers: centres of the recurrence, squared lengths of the polynomials with leading coefficient 1."""
    degree = len(found.lengths)
    alpha = found.centre + found.scale * np.array([found.steps[0, k, k] for k in range(degree)])
    return alpha, np.cumprod([1.0, found.constant**-2, *(found.scale * found.lengths) ** 2])


def test_recurrence_of_r() -> None:
    alpha, norm2 = alpha_and_norm2(orthogonal_polynomials(X, 3))
    assert_allclose(alpha, ALPHA, rtol=1e-13)
    assert_allclose(norm2, NORM2, rtol=1e-13)


def test_closed_form_on_equal_steps() -> None:
    """Gram polynomials of degree 1 and 2 on 1..n: x - m and (x - m)^2 - (n^2 - 1)/12, normalised."""
    n = 9
    x = np.arange(1.0, n + 1)
    one = x - x.mean()
    two = one**2 - (n**2 - 1) / 12
    expected = np.column_stack([one / np.linalg.norm(one), two / np.linalg.norm(two)])
    assert_allclose(orthogonal_polynomials(x, 2).at(x, 2), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("place", [0.0, 1e6, -1e8])
@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize("degree", [1, 5, 30])
def test_orthonormal_at_any_scale(place: float, unit: float, degree: int, rng: np.random.Generator) -> None:
    x = place + unit * rng.normal(size=300)
    Q = orthogonal_polynomials(x, degree).at(x, degree)
    assert_allclose(Q.T @ Q, np.eye(degree), atol=1e-13)
    assert_allclose(Q.sum(axis=0), 0.0, atol=1e-12)
    if abs(place) <= 100 * unit:
        # The column of a degree is a polynomial of that degree with positive leading coefficient.
        scaled = (x - x.mean()) / x.std()
        for k in range(1, min(degree, 5) + 1):
            fit = np.polynomial.Polynomial.fit(scaled, Q[:, k - 1], k)
            assert fit.convert().coef[-1] > 0
            assert_allclose(fit(scaled), Q[:, k - 1], atol=1e-10)


def test_as_many_degrees_as_values() -> None:
    """All of a saturated basis, each value twice."""
    x = np.repeat(np.arange(12.0), 2)
    Q = orthogonal_polynomials(x, 11).at(x, 11)
    assert_allclose(Q.T @ Q, np.eye(11), atol=1e-13)


def test_same_polynomials_elsewhere(rng: np.random.Generator) -> None:
    """Through as many points as it needs, a polynomial is known everywhere: inside and outside of its range."""
    x = 50 + rng.normal(size=80)
    found = orthogonal_polynomials(x, 4)
    new = np.array([46.0, 49.7, 50.0, 53.5])
    Q = found.at(x, 4)
    for k in range(4):
        through = np.polynomial.Polynomial.fit(x, Q[:, k], k + 1)
        assert_allclose(found.at(new, 4)[:, k], through(new), rtol=1e-9, atol=1e-11)
    assert_allclose(found.at(x[7:9], 4), Q[7:9], rtol=1e-13, atol=1e-15)
    assert_allclose(found.at(new, 2), found.at(new, 4)[:, :2], rtol=1e-14)
