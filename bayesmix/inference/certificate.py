"""Is this point the optimum? A zero gradient in theta proves nothing at a boundary: theta = 0 is always stationary.

The conditions of Karush, Kuhn and Tucker in Omega, for each block of correlated effects: dOmega Lambda = 0, and no
negative eigenvalue of dOmega, else the criterion falls along that eigenvector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.likelihood.coordinates import Coordinates

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Certificate:
    """First-order optimality of a covariance estimate, relative to the number of groups of each level.

    Parameters
    ----------
    stationarity : float
        Largest entry of dOmega Lambda; 0 at an optimum.
    smallest_eigenvalue : float
        Of dOmega over all blocks; negative where variance should be added.
    newton_decrement : float
        What one more Newton step is expected to gain.
    """

    stationarity: float
    smallest_eigenvalue: float
    newton_decrement: float

    @property
    def holds(self) -> bool:
        """Whether the point passes, with the tolerance 1e-6."""
        return self.stationarity < 1e-6 and self.smallest_eigenvalue > -1e-6

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left to gain where rounding allows no more.

        In a valley so flat that the gradient along it is rounding (an intercept and a slope that vary independently
        over a predictor far from 0), stationarity stays above the tolerance although a Newton step would gain less
        than 1e-8.
        """
        return self.stationarity < 1e-4 and self.smallest_eigenvalue > -1e-6 and self.newton_decrement < 1e-8


@dataclass(frozen=True)
class Descent:
    """A direction in which adding variance lowers the criterion: direction direction' added to Omega of a block."""

    level: int
    start: int
    stop: int
    direction: Floats
    slope: float


def on_effects(coordinates: Coordinates, d_omega: Floats) -> tuple[Floats, ...]:
    """Derivatives in Omega of each level, (q, q), from those on inner columns, (levels, m, m)."""
    shapes = zip(coordinates.layout.levels, d_omega, strict=False)
    return tuple(v.basis.T @ d[: v.columns.size, : v.columns.size] @ v.basis for v, d in shapes)


def examine(
    coordinates: Coordinates,
    blocks: tuple[tuple[tuple[int, int], ...], ...],
    theta: Floats,
    slopes: Sequence[Floats],
) -> tuple[float, float, Descent | None]:
    """Stationarity, smallest eigenvalue, and the steepest direction of descent if there is one.

    Parameters
    ----------
    coordinates : Coordinates
    blocks : tuple of blocks, by level
    theta : array
        Relative factors in these coordinates.
    slopes : sequence of (q, q) arrays
        Derivative of the criterion in Omega of each level.
    """
    stationarity, smallest, steepest = 0.0, 0.0, None
    if not (np.isfinite(theta).all() and all(np.isfinite(slope).all() for slope in slopes)):
        return np.inf, -np.inf, None
    factors = coordinates.layout.factors(theta)
    for number, (level, factor) in enumerate(zip(coordinates.layout.levels, factors, strict=True)):
        derivative = slopes[number] / level.n_groups
        for start, stop in blocks[number]:
            block = derivative[start:stop, start:stop]
            root = factor[start:stop, start:stop]
            stationarity = max(stationarity, float(np.abs(block @ root).max(initial=0.0)))
            values, vectors = np.linalg.eigh(block)
            if values[0] < smallest:
                smallest = float(values[0])
                steepest = Descent(number, start, stop, vectors[:, 0], smallest)
    return stationarity, smallest, steepest
