"""Newton's method: quadratic functions, narrow valleys, saddles, plateaus and failures."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayesmix.inference.newton import minimise

Derivatives = tuple[float, np.ndarray, np.ndarray]


def rosenbrock(x: np.ndarray) -> Derivatives:
    a, b = x
    value = (1 - a) ** 2 + 100 * (b - a**2) ** 2
    gradient = np.array([-2 * (1 - a) - 400 * a * (b - a**2), 200 * (b - a**2)])
    return value, gradient, np.array([[2 - 400 * (b - 3 * a**2), -400 * a], [-400 * a, 200.0]])


def double_well(x: np.ndarray) -> Derivatives:
    """Stationary at 0, where it has a saddle; minima at +-1 of the first."""
    value = (x[0] ** 2 - 1) ** 2 + x[1] ** 2
    return value, np.array([4 * x[0] * (x[0] ** 2 - 1), 2 * x[1]]), np.diag([12 * x[0] ** 2 - 4, 2.0])


def test_valley() -> None:
    value, x, found = minimise(rosenbrock, np.array([-1.2, 1.0]))
    assert found
    assert_allclose(x, 1, rtol=1e-6)
    assert value < 1e-12


def test_variables_of_very_different_scales() -> None:
    units = np.array([1e3, 1e-3])

    def scaled(x: np.ndarray) -> Derivatives:
        value, gradient, hessian = rosenbrock(x * units)
        return value, gradient * units, hessian * np.outer(units, units)

    _, x, found = minimise(scaled, np.array([-1.2, 1.0]) / units, 2000)
    assert found
    assert_allclose(x * units, 1, rtol=1e-6)


@pytest.mark.parametrize("start", [[0.0, 0.0], [0.0, 0.7]])
def test_leaves_a_stationary_point_that_is_no_minimum(start: list[float]) -> None:
    value, x, found = minimise(double_well, np.array(start))
    assert found
    assert_allclose(np.abs(x), [1, 0], atol=1e-6)
    assert value < 1e-10


def test_plateau_at_infinity() -> None:
    value, _, found = minimise(lambda x: (float(np.exp(x[0])), np.exp(x), np.diag(np.exp(x))), np.zeros(1))
    assert found
    assert value < 1e-10


def test_nothing_to_move() -> None:
    assert minimise(lambda x: (3.0, x, np.zeros((0, 0))), np.zeros(0))[::2] == (3.0, True)


def test_failure_is_reported() -> None:
    assert not minimise(lambda x: (np.nan, np.ones(1), np.eye(1)), np.zeros(1))[2]
    assert not minimise(rosenbrock, np.array([-1.2, 1.0]), steps=2)[2]
