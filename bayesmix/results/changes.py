"""What comparisons and slopes make of predictions: functions by their names, labels and steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError

Floats = NDArray[np.float64]

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "diff": lambda reference, contrast: contrast - reference,
    "ratio": lambda reference, contrast: contrast / reference,
    "lift": lambda reference, contrast: (contrast - reference) / reference,
}
SLOPES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "dydx": lambda derivative, x, y: derivative,
    "eyex": lambda derivative, x, y: derivative * x / y,
    "eydx": lambda derivative, x, y: derivative / y,
    "dyex": lambda derivative, x, y: derivative * x,
}

# Steps of a derivative, in standard deviations of the predictor; nearer to 0 in shares of the value.
STEP, LEAST_STEP = 1e-3, 1e-6


def pick_function(argument: str, given: Any, offered: dict[str, Any], posterior: bool) -> Any:
    """A listed function by its name, or the user's own."""
    if isinstance(given, str) and given in offered:
        return offered[given]
    if callable(given) and posterior:
        return given
    names = ", ".join(repr(name) for name in offered)
    functions = " or a function" if posterior else "; a function of your own needs draws"
    raise ArgumentError(
        f"{argument}={given!r} is not offered here.", f"Expected one of {names}{functions}.", "Choose one of these."
    )


def function_name(given: Any) -> str:
    """The name of a function."""
    return given if isinstance(given, str) else str(getattr(given, "__name__", "function"))


def value_label(value: Any) -> str:
    """A value in a label."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def difference_steps(x: Floats, sd: float, eps: float | None) -> Floats:
    """Step of the differences at each value."""
    if eps is None:
        near = np.where(x == 0, sd, np.minimum(np.abs(x), sd))
        return np.asarray(np.maximum(STEP * near, LEAST_STEP * sd))
    if isinstance(eps, bool) or not isinstance(eps, int | float) or not (0 < eps < np.inf):
        raise ArgumentError(f"eps={eps!r}.", "Expected a positive number.", "Leave it out.")
    return np.full(len(x), float(eps))
