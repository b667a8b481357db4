"""First and second derivatives in variances and covariances against dense algebra."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayesmix.likelihood import derivatives
from bayesmix.likelihood.derivatives import SecondOrder, second_order_pass
from tests import dense
from tests.designs import Case, RandomDesign, cases, random_design

SIGMA2 = 2.3
WITHOUT_LEVELS = Case(0, 1, "equal", "correlated", False)


@pytest.fixture(params=[*cases(), WITHOUT_LEVELS], ids=str)
def design(request: pytest.FixtureRequest, rng: np.random.Generator) -> RandomDesign:
    return random_design(rng, request.param)


@pytest.fixture
def found(design: RandomDesign) -> SecondOrder:
    return second_order_pass(design.coordinates, design.theta)


def entries(design: RandomDesign) -> list[tuple[int, np.ndarray]]:
    """Level and symmetric 0/1 matrix of every free entry of a covariance matrix."""
    listed = []
    for level, shape in enumerate(design.layout.levels):
        for row, column in shape.entries:
            matrix = np.zeros((shape.n_effects,) * 2)
            matrix[row, column] = matrix[column, row] = 1.0
            listed.append((level, matrix))
    return listed


def omega_values(design: RandomDesign) -> np.ndarray:
    covariances = design.covariances(design.theta)
    pairs = [(level, row, column) for level, shape in enumerate(design.layout.levels) for row, column in shape.entries]
    return np.array([covariances[level][row, column] for level, row, column in pairs])


def covariances_from(design: RandomDesign, values: np.ndarray) -> list[np.ndarray]:
    """Covariance matrices out of their free entries; of any type of number."""
    out = [np.zeros((shape.n_effects,) * 2, values.dtype) for shape in design.layout.levels]
    for value, (level, matrix) in zip(values, entries(design), strict=True):
        out[level] = out[level] + value * matrix
    return out


def variance_slopes(design: RandomDesign) -> list[np.ndarray]:
    return [design.dense.spread(level, matrix) for level, matrix in entries(design)]


def close(actual: Any, expected: Any, rtol: float = 1e-9) -> None:
    """Relative to the largest entry: some of the entries are zero."""
    assert_allclose(actual, expected, rtol=rtol, atol=rtol * max(np.abs(expected).max(initial=0.0), 1e-3))


def test_value_and_entries(design: RandomDesign, found: SecondOrder) -> None:
    V = design.dense.variance(design.covariances(design.theta))
    close(found.R, design.W.T @ np.linalg.solve(V, design.W), 1e-10)
    assert_allclose(found.logdet, dense.log_determinant(V), rtol=1e-10, atol=1e-10)
    assert_allclose(found.omega, omega_values(design), rtol=1e-14)
    expected = [
        (level, int(row), int(column)) for level, s in enumerate(design.layout.levels) for row, column in s.entries
    ]
    assert [(entry.level, entry.row, entry.column) for entry in found.entries] == expected


def test_first_derivatives(design: RandomDesign, found: SecondOrder) -> None:
    """R_i = -W'V^-1 V_i V^-1 W, ld_i = tr(V^-1 V_i)."""
    solved = np.linalg.inv(design.dense.variance(design.covariances(design.theta)))
    half = solved @ design.W
    for i, slope in enumerate(variance_slopes(design)):
        close(found.R1[i], -half.T @ slope @ half)
        close(found.ld1[i], np.trace(solved @ slope))


def test_second_derivatives(design: RandomDesign, found: SecondOrder) -> None:
    """R_ij = W'V^-1 (V_i V^-1 V_j + V_j V^-1 V_i) V^-1 W, ld_ij = -tr(V^-1 V_i V^-1 V_j)."""
    solved = np.linalg.inv(design.dense.variance(design.covariances(design.theta)))
    half = solved @ design.W
    slopes = variance_slopes(design)
    for i, one in enumerate(slopes):
        for j, two in enumerate(slopes):
            inner = half.T @ one @ solved @ two @ half
            close(found.R2[i, j], inner + inner.T)
            close(found.ld2[i, j], -np.trace(solved @ one @ solved @ two))


def gradient_by_step(function: Callable[[np.ndarray], Any]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda at: dense.complex_step(function, at)


@pytest.mark.parametrize("reml", [True, False])
def test_profiled_deviance(design: RandomDesign, found: SecondOrder, reml: bool) -> None:
    def deviance(values: np.ndarray) -> Any:
        return dense.profiled_deviance(design.dense, covariances_from(design, values), reml)

    result = derivatives.profiled_deviance(found, design.layout.n, reml)
    at = omega_values(design)
    assert_allclose(result.value, deviance(at), rtol=1e-10)
    close(result.gradient, gradient_by_step(deviance)(at))
    close(result.hessian, dense.central_difference(gradient_by_step(deviance), at), 1e-6)


@pytest.mark.parametrize("reml", [True, False])
def test_absolute_deviance(design: RandomDesign, found: SecondOrder, reml: bool) -> None:
    """In (sigma^2, Sigma): the derivatives in sigma^2 come from homogeneity, here from dense V."""

    def deviance(values: np.ndarray) -> Any:
        return dense.absolute_deviance(design.dense, covariances_from(design, values[1:]), values[0], reml)

    result = derivatives.absolute_deviance(found, design.layout.n, SIGMA2, reml)
    at = np.concatenate([[SIGMA2], SIGMA2 * omega_values(design)])
    assert_allclose(result.value, deviance(at), rtol=1e-10)
    close(result.gradient, gradient_by_step(deviance)(at))
    close(result.hessian, dense.central_difference(gradient_by_step(deviance), at), 1e-6)
    kind = "reml" if reml else "ml"
    information = derivatives.information(found, design.layout.n, SIGMA2, kind)
    assert_allclose(information, result.hessian / 2, rtol=1e-14)


@pytest.mark.parametrize("kind", ["expected-reml", "expected-ml"])
def test_expected_information(design: RandomDesign, found: SecondOrder, kind: str) -> None:
    """tr(Q V_i Q V_j) / 2 with Q = V^-1, or P = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1 for REML."""
    V = SIGMA2 * design.dense.variance(design.covariances(design.theta))
    X = design.dense.X
    Q = np.linalg.inv(V)
    if kind == "expected-reml":
        Q = Q - Q @ X @ np.linalg.solve(X.T @ Q @ X, X.T @ Q)
    slopes = [np.eye(design.dense.n), *variance_slopes(design)]
    expected = np.array([[np.trace(Q @ one @ Q @ two) / 2 for two in slopes] for one in slopes])
    close(derivatives.information(found, design.layout.n, SIGMA2, kind), expected)
