"""The profiled criterion of one data set as a function of theta, with its derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts
from bayesmix.inference.certificate import on_effects
from bayesmix.likelihood.coordinates import Coordinates
from bayesmix.likelihood.derivatives import SecondOrder, entries_of, profiled_deviance, second_order_pass
from bayesmix.likelihood.evaluation import profiled

Floats = NDArray[np.float64]

# Value, gradient, dOmega, beta, r2 and the inverse of R_xx at some theta.
Evaluation = tuple[float, Floats, Floats, Floats, float, Floats]


@dataclass
class Criterion:
    """The profiled criterion of one data set, counting its evaluations."""

    coordinates: Coordinates
    products: CrossProducts
    reml: bool
    trace: Callable[[int, float, Floats], object] | None = None
    evaluations: int = 0
    last: tuple[bytes, Evaluation] | None = None

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        """Value and gradient; out of range a value that no search keeps."""
        value, gradient, *_ = self.at(theta)
        return (value, gradient) if np.isfinite(value) else (1e300, np.zeros_like(theta))

    def at(self, theta: Floats) -> Evaluation:
        """Everything the kernel returns: value, gradient, dOmega (nested levels only), beta, r2, R_xx^-1."""
        key = theta.tobytes()
        if self.last is None or self.last[0] != key:
            self.evaluations += 1
            self.last = key, profiled(self.coordinates, theta, self.reml, certify=False)
            if self.trace is not None:
                self.trace(self.evaluations, in_units(self, self.last[1][0]), theta.copy())
        return self.last[1]

    def noise(self, theta: Floats) -> float:
        """What rounding adds to the value: of its sum, and of r2, a difference of sums of squares of size n."""
        value, *_, r2, _ = self.at(theta)
        n = self.products.n
        return float(1e-13 * abs(value) + np.finfo(float).eps * n * n / max(r2, 1e-300))

    def slopes(self, theta: Floats) -> tuple[Floats, ...]:
        """Derivatives in Omega of each level, (q, q), which a gradient of zero in theta leaves open.

        Where every factor has an inverse they follow from that gradient; else the kernel is asked for them.
        """
        layout = self.coordinates.layout
        _, gradient, d_omega, *_ = self.at(theta)
        if not self.coordinates.crossed:
            return on_effects(self.coordinates, d_omega)
        if min(smallest_roots(self.coordinates, theta)) > 1e-3:
            weights = np.linalg.solve(omega_jacobian(self.coordinates, theta).T, gradient)
            lower = layout.factors(weights)
            return tuple((part + part.T) / 2 for part in lower)
        self.evaluations += 1
        return on_effects(self.coordinates, profiled(self.coordinates, theta, self.reml, certify=True)[2])

    def second_order(self, theta: Floats) -> SecondOrder:
        """The exact derivatives at theta."""
        return second_order_pass(self.coordinates, theta)


def in_units(criterion: Criterion, value: float) -> float:
    """The criterion for the user's response and columns."""
    products = criterion.products
    nu = products.n - products.n_fixed if criterion.reml else products.n
    shift = 2 * criterion.coordinates.layout.log_jacobian if criterion.reml else 0.0
    return float(value + 2 * nu * np.log(products.response_scale) + shift - products.log_weights)


def smallest_roots(coordinates: Coordinates, theta: Floats) -> list[float]:
    """Smallest singular value of each factor."""
    factors = coordinates.layout.factors(theta)
    return [np.inf, *(float(np.linalg.svd(factor, compute_uv=False)[-1]) for factor in factors if factor.size)]


def theta_hessian(coordinates: Coordinates, at: SecondOrder, n: int, reml: bool, theta: Floats) -> Floats:
    """Hessian of the profiled criterion in theta, by the chain rule through Omega = Lambda Lambda'."""
    deviance = profiled_deviance(at, n, reml)
    jacobian = omega_jacobian(coordinates, theta)
    hessian = jacobian.T @ deviance.hessian @ jacobian
    entries = entries_of(coordinates)
    first = {(entry.level, entry.row, entry.column): deviance.gradient[i] for i, entry in enumerate(entries)}
    for i, one in enumerate(entries):
        for j, two in enumerate(entries):
            if one.level == two.level and one.column == two.column:
                row, column = max(one.row, two.row), min(one.row, two.row)
                hessian[i, j] += first[one.level, row, column] * (2.0 if row == column else 1.0)
    return np.asarray(hessian)


def omega_jacobian(coordinates: Coordinates, theta: Floats) -> Floats:
    """dOmega/dtheta, (P, P): entries of Omega by free entries of Lambda."""
    factors = coordinates.layout.factors(theta)
    entries = entries_of(coordinates)
    jacobian = np.zeros((len(entries), len(entries)))
    for i, of in enumerate(entries):
        for j, by in enumerate(entries):
            if of.level == by.level:
                factor = factors[of.level]
                jacobian[i, j] = (of.row == by.row) * factor[of.column, by.column]
                jacobian[i, j] += (of.column == by.row) * factor[of.row, by.column]
    return jacobian
