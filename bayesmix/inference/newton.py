"""Newton's method with exact derivatives, kept away from saddles, for smooth functions of few variables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Where no step lowers the value, or steps run out along a nearly flat valley, a gain this small counts as none.
ENOUGH = 1e-8

Smooth = Callable[[Floats], tuple[float, Floats, Floats]]


def minimise(function: Smooth, start: Floats, steps: int = 200) -> tuple[float, Floats, bool]:
    """Minimise by Newton steps with the absolute values of the Hessian's eigenvalues (Dauphin et al. 2014, NeurIPS).

    Parameters
    ----------
    function : callable
        Value, gradient (m,) and Hessian (m, m) at x (m,).
    start : (m,) array
    steps : int
        At most so many.

    Returns
    -------
    value, x : float, (m,) array
    found : bool
        Whether one more step would gain no more than rounding, and no direction has negative curvature.

    Examples
    --------
    >>> import numpy as np
    >>> def bowl(x):
    ...     return float((x - 1) @ (x - 1)), 2 * (x - 1), 2 * np.eye(1)
    >>> minimise(bowl, np.zeros(1))[1]
    array([1.])
    """
    x = start
    value, gradient, hessian = function(x)
    if x.size == 0:
        return value, x, bool(np.isfinite(value))
    for _ in range(steps):
        if not np.isfinite(value):
            return value, x, False
        noise = 1e-14 * abs(value) + 1e-13
        curvature = np.sqrt(np.abs(np.diag(hessian)))
        unit = 1.0 / np.maximum(curvature, 1e-8 * curvature.max() or 1.0)  # variables of very different scales
        values, vectors = np.linalg.eigh(hessian * np.outer(unit, unit))
        vectors = unit[:, None] * vectors
        size = float(np.abs(values).max())
        bent = np.maximum(np.abs(values), max(1e-10 * size, 1e-300))
        along = vectors.T @ gradient / bent
        decrement = float(0.5 * gradient @ (vectors @ along))
        if decrement < 10 * noise:
            if values[0] > -1e-6 * size:
                return value, x, True
            moved = _leave(function, x, value - noise, vectors[:, 0] / np.abs(vectors[:, 0]).max())
            if moved is None:
                return value, x, True
        else:
            step = -vectors @ along
            longest = float((np.abs(step) / np.maximum(1.0, np.abs(x))).max())
            moved = _descend(function, x, value, step / max(1.0, longest), noise)
            if moved is None:
                break
        x, value, gradient, hessian = moved
    return value, x, decrement < ENOUGH * max(1.0, 1e-4 * abs(value))


def _descend(
    function: Smooth, x: Floats, value: float, step: Floats, noise: float
) -> tuple[Floats, float, Floats, Floats] | None:
    """The longest of a few steps that lowers the value."""
    for _ in range(30):
        found = function(x + step)
        if found[0] < value - 0.1 * noise:
            return x + step, *found
        step = step / 3
    return None


def _leave(function: Smooth, x: Floats, below: float, direction: Floats) -> tuple[Floats, float, Floats, Floats] | None:
    """A point below a saddle, along its direction of negative curvature; either sign, any length."""
    for length in (1.0, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4):
        for sign in (1.0, -1.0):
            found = function(x + sign * length * direction)
            if found[0] < below:
                return x + sign * length * direction, *found
    return None
