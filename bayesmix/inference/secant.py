"""Quasi-Newton minimisation of criteria that are dear to evaluate, from a start and a Hessian nearly right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def minimise(
    criterion: Callable[[Floats], tuple[float, Floats]],
    theta: Floats,
    hessian: Floats,
    tolerance: float,
    max_iterations: int,
) -> tuple[Floats, float]:
    """Minimise with the BFGS update of an approximate Hessian; the full step is always tried first.

    Parameters
    ----------
    criterion : callable
        Value and gradient.
    theta : (k,) array
        Start.
    hessian : (k, k) array
        Positive definite.
    tolerance : float
        Stop when the gradient, in the metric of the inverse Hessian, promises to gain less than this.
    max_iterations : int

    Returns
    -------
    theta, decrement
        The minimum and the gain that one more step promises. Nocedal & Wright (2006), ch. 6.
    """
    value, gradient = criterion(theta)
    inverse = np.linalg.inv(hessian)
    decrement = float(0.5 * gradient @ inverse @ gradient)
    for _ in range(max_iterations):
        if decrement < tolerance:
            break
        step = -inverse @ gradient
        moved, new_value, new_gradient = _backtrack(criterion, theta, step, value, gradient)
        if moved is None:
            break
        change, slope = moved - theta, new_gradient - gradient
        curvature = change @ slope
        if curvature > 1e-10 * np.linalg.norm(change) * np.linalg.norm(slope):
            left = np.eye(len(theta)) - np.outer(change, slope) / curvature
            inverse = left @ inverse @ left.T + np.outer(change, change) / curvature
        theta, value, gradient = moved, new_value, new_gradient
        decrement = float(0.5 * gradient @ inverse @ gradient)
    return theta, decrement


def _backtrack(
    criterion: Callable[[Floats], tuple[float, Floats]], theta: Floats, step: Floats, value: float, gradient: Floats
) -> tuple[Floats | None, float, Floats]:
    """The step or a shorter one that lowers the value; where rounding hides that, the slope along it."""
    slope, noise = float(gradient @ step), 1e-13 * abs(value)
    length = 1.0
    for _ in range(20):
        moved = theta + length * step
        new_value, new_gradient = criterion(moved)
        gain = value - new_value
        if gain > max(-1e-4 * length * slope, noise):
            return moved, new_value, new_gradient
        if abs(gain) <= noise and abs(new_gradient @ step) < 0.9 * abs(slope):
            return moved, new_value, new_gradient
        # The minimum of the parabola through both values and the slope at the start.
        parabola = -slope * length**2 / (2 * (new_value - value - slope * length))
        length = min(max(parabola, 0.1 * length), 0.5 * length) if np.isfinite(parabola) else 0.1 * length
    return None, value, gradient
