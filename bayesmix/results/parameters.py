"""The parameters of a fit as arrays of one shape, whether estimated once or drawn many times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def all_draws(values: Floats) -> Floats:
    """Chains one after the other, (C D, ...), also where nothing follows."""
    return values.reshape(values.shape[0] * values.shape[1], *values.shape[2:])


@dataclass(frozen=True)
class Parameters:
    """Values of C chains of D draws; an estimate is one draw of one chain.

    Whatever follows from parameters is computed from these, with the two leading dimensions kept, so that one formula
    serves a likelihood fit and a posterior.

    Parameters
    ----------
    beta : (C, D, p) array
        Fixed effects, in the user's units.
    sigma : (C, D) array
        Residual standard deviation.
    covariances : tuple of (C, D, q, q) arrays
        Sigma of each level, in the order of ``Design.levels``.
    """

    beta: Floats
    sigma: Floats
    covariances: tuple[Floats, ...]
