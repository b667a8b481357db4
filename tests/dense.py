"""A linear mixed model the slow way: V is built from its Z's, row by row, and solved. Plain NumPy, nothing of bayesmix.

Every function is analytic in its parameters, so that a derivative is the imaginary part of a value at a complex step,
exact to rounding (Squire & Trapp 1998, SIAM Review 40:110-112): transposes are never conjugated.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Dense:
    """y = X beta + sum over levels of Z u + e; a row of Z is zero but for the q columns of its group.

    With weights the variance of e is divided by them.
    """

    X: Array
    y: Array
    columns: tuple[Array, ...]
    codes: tuple[NDArray[np.int64], ...]
    weights: Array | None = None

    @property
    def n(self) -> int:
        return len(self.y)

    def effect_columns(self, level: int) -> Array:
        """(n, J q), the effects of a group side by side."""
        columns, codes = self.columns[level], self.codes[level]
        n, q = columns.shape
        out = np.zeros((n, codes.max() + 1, q))
        out[np.arange(n), codes] = columns
        return out.reshape(n, -1)

    def spread(self, level: int, matrix: Array) -> Array:
        """Z (I x matrix) Z' of a level, (n, n)."""
        same = self.codes[level][:, None] == self.codes[level][None, :]
        return np.where(same, self.columns[level] @ matrix @ self.columns[level].T, 0.0)

    def variance(self, covariances: Sequence[Array], residual: Any = 1.0) -> Array:
        """residual * diag(1/weights) + sum of Z Sigma Z'."""
        total = residual * np.diag(np.ones(self.n) if self.weights is None else 1 / self.weights)
        for level, covariance in enumerate(covariances):
            total = total + self.spread(level, covariance)
        return total


def log_determinant(matrix: Array) -> Any:
    if matrix.size == 0:
        return 0.0
    sign, size = np.linalg.slogdet(matrix)
    return size + np.log(sign) if np.iscomplexobj(matrix) else size


def profiled_deviance(problem: Dense, covariances: Sequence[Array], reml: bool) -> Any:
    """-2 log (restricted) likelihood with beta and sigma at their optima; covariances relative to sigma^2."""
    X, y = problem.X, problem.y
    V = problem.variance(covariances)
    R = np.linalg.solve(V, X)
    xx = X.T @ R
    rest = y - X @ np.linalg.solve(xx, R.T @ y)
    r2 = rest @ np.linalg.solve(V, rest)
    nu = len(y) - X.shape[1] if reml else len(y)
    value = log_determinant(V) + nu * (1 + np.log(2 * np.pi * r2 / nu))
    return value + log_determinant(xx) if reml else value


def absolute_deviance(problem: Dense, covariances: Sequence[Array], residual: Any, reml: bool) -> Any:
    """-2 log (restricted) likelihood with only beta at its optimum; absolute covariances."""
    if reml:
        return -2 * log_density(problem, covariances, residual, Flat())
    X, y = problem.X, problem.y
    V = problem.variance(covariances, residual)
    R = np.linalg.solve(V, X)
    beta = np.linalg.solve(X.T @ R, R.T @ y)
    return -2 * log_density(problem, covariances, residual, Explicit(beta))


@dataclass(frozen=True)
class Flat:
    """beta integrated over a density of 1."""


@dataclass(frozen=True)
class Normal:
    """beta ~ N(mean, precision^-1), integrated."""

    mean: Array
    precision: Array


@dataclass(frozen=True)
class Explicit:
    """beta given."""

    beta: Array


@dataclass(frozen=True)
class Partial:
    """beta = A [given; b]: b integrated against exp(-(b - mean)'precision (b - mean)/2), which may be flat."""

    given: Array
    mean: Array
    precision: Array
    A: Array


def normal_log_density(y: Array, mean: Array, V: Array) -> Any:
    rest = y - mean
    return -0.5 * (len(y) * np.log(2 * np.pi) + log_determinant(V) + rest @ np.linalg.solve(V, rest))


def log_density(
    problem: Dense, covariances: Sequence[Array], residual: Any, beta: Flat | Normal | Explicit | Partial
) -> Any:
    """log p(y), beta as said."""
    X, y = problem.X, problem.y
    V = problem.variance(covariances, residual)
    match beta:
        case Explicit(value):
            return normal_log_density(y, X @ value, V)
        case Normal(mean, precision):
            return normal_log_density(y, X @ mean, V + X @ np.linalg.solve(precision, X.T))
        case Flat():
            # The integral over beta of N(y; X beta, V) is that density at the best beta times the volume under it.
            R = np.linalg.solve(V, X)
            xx = X.T @ R
            best = np.linalg.solve(xx, R.T @ y)
            volume = 0.5 * (X.shape[1] * np.log(2 * np.pi) - log_determinant(xx))
            return normal_log_density(y, X @ best, V) + volume
        case Partial(given, mean, precision, A):
            y, X = y - X @ A[:, : len(given)] @ given, X @ A[:, len(given) :]
            curvature = X.T @ np.linalg.solve(V, X) + precision
            best = np.linalg.solve(curvature, X.T @ np.linalg.solve(V, y) + precision @ mean)
            volume = 0.5 * (X.shape[1] * np.log(2 * np.pi) - log_determinant(curvature))
            return normal_log_density(y, X @ best, V) + volume - 0.5 * (best - mean) @ precision @ (best - mean)


@dataclass(frozen=True)
class Posterior:
    """Mean and covariance of (beta, all u) given y; without what was given of beta."""

    mean: Array
    covariance: Array


def effects_posterior(
    problem: Dense, covariances: Sequence[Array], residual: float, beta: Flat | Normal | Explicit | Partial
) -> Posterior:
    """By conditioning the joint normal of y and u, or of y, beta and u, level after level in the order of codes."""
    X, y = problem.X, problem.y
    Zs = [problem.effect_columns(level) for level in range(len(covariances))]
    Z = np.hstack(Zs) if Zs else np.zeros((problem.n, 0))
    prior = np.zeros((Z.shape[1], Z.shape[1]))
    at = 0
    for part, covariance in zip(Zs, covariances, strict=True):
        stop = at + part.shape[1]
        prior[at:stop, at:stop] = np.kron(np.eye(part.shape[1] // len(covariance)), covariance)
        at = stop
    V = problem.variance(covariances, residual)
    gain = np.linalg.solve(V, Z @ prior).T
    given = prior - gain @ Z @ prior
    match beta:
        case Explicit(value):
            return Posterior(gain @ (y - X @ value), given)
        case Normal(mean, precision):
            weight, right = precision, precision @ mean
        case Flat():
            weight, right = np.zeros((X.shape[1],) * 2), np.zeros(X.shape[1])
        case Partial(value, mean, precision, A):
            y, X = y - X @ A[:, : len(value)] @ value, X @ A[:, len(value) :]
            weight, right = precision, precision @ mean
    R = np.linalg.solve(V, X)
    spread = np.linalg.inv(X.T @ R + weight)
    centre = spread @ (R.T @ y + right)
    slope = -gain @ X
    mean = np.concatenate([centre, gain @ (y - X @ centre)])
    crossed = spread @ slope.T
    return Posterior(mean, np.block([[spread, crossed], [crossed.T, given + slope @ crossed]]))


def complex_step(function: Callable[[Array], Any], at: Array) -> Array:
    """The gradient of an analytic function of a vector."""
    step = 1e-30
    gradient = []
    for i in range(len(at)):
        moved = at.astype(complex)
        moved[i] += 1j * step
        gradient.append(np.imag(function(moved)) / step)
    return np.array(gradient)


def central_difference(function: Callable[[Array], Any], at: Array, step: float = 1e-4) -> Array:
    """The derivative of a (vector) function by each entry of a vector, to fourth order in the step."""
    columns = []
    for i in range(len(at)):
        move = np.zeros(len(at))
        move[i] = step
        near = np.asarray(function(at + move)) - np.asarray(function(at - move))
        far = np.asarray(function(at + 2 * move)) - np.asarray(function(at - 2 * move))
        columns.append((8 * near - far) / (12 * step))
    return np.array(columns).reshape(len(at), *np.shape(function(at)))
