"""How a criterion is minimised: limits, starting points, the method of the first phase, and a look at every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError

Floats = NDArray[np.float64]

# First phases on offer, by scipy's name.
METHODS = {"lbfgs": "L-BFGS-B", "bfgs": "BFGS", "nelder-mead": "Nelder-Mead"}


@dataclass(frozen=True)
class Optimizer:
    """How the criterion is minimised.

    Parameters
    ----------
    max_iterations : int
        Of the quasi-Newton phase, for each start.
    max_restarts : int
        Times the search may leave a point that is stationary but no minimum.
    scales : tuple of float
        Relative standard deviations at which the search may start. The first start is the one with the lowest
        criterion; the others follow where the optimum lies near the boundary or a level has fewer than 20 groups
        (counted by their sizes, n^2 over the sum of squares), for there a second optimum is not rare. With crossed
        levels the first start comes from fits of each level alone, and the second and third scale may follow; beyond
        400 crossed effects none does.
    method : {"lbfgs", "bfgs", "nelder-mead"}
        Of the first phase, which Newton steps follow whatever it is. Another method is a check on the optimum.
    tolerance : float
        Gradient in fit coordinates at which the first phase ends; for ``"nelder-mead"``, the size of its simplex. The
        point that is reported passes its certificate at 1e-6 in any case.
    trace : callable, optional
        Called at every evaluation with its number, the criterion and the free entries of the relative factors in fit
        coordinates: ``trace=print``.

    Raises
    ------
    ArgumentError
        A value that makes no sense.
    """

    max_iterations: int = 500
    max_restarts: int = 10
    scales: tuple[float, ...] = (0.6, 0.1, 3.0, 20.0)
    method: str = "lbfgs"
    tolerance: float = 1e-4
    trace: Callable[[int, float, Floats], object] | None = None

    def __post_init__(self) -> None:
        """Refuse what no search can use."""
        for name, least in (("max_iterations", 1), ("max_restarts", 0)):
            count = getattr(self, name)
            if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < least:
                raise _refusal(name, count, f"a whole number of at least {least}")
        scales = self.scales
        if not isinstance(scales, tuple | list) or not scales or not all(_is_positive(scale) for scale in scales):
            raise _refusal("scales", scales, "one or more positive numbers")
        if self.method not in METHODS:
            raise _refusal("method", self.method, f"one of {', '.join(map(repr, METHODS))}")
        if not _is_positive(self.tolerance) or self.tolerance > 1:
            raise _refusal("tolerance", self.tolerance, "a positive number of at most 1")
        if self.trace is not None and not callable(self.trace):
            raise _refusal("trace", self.trace, "a function of (evaluation, criterion, theta)")


def _is_positive(value: object) -> bool:
    """Whether a value is a number above 0."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return is_number and 0 < float(value) < np.inf  # type: ignore[arg-type]


def _refusal(name: str, value: object, expected: str) -> ArgumentError:
    """The answer to an option of the optimiser that makes no sense."""
    return ArgumentError(f"Optimizer({name}={value!r}).", f"Expected {expected}.", "Leave it out for the default.")
