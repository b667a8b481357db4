"""What rows that are alike within groups cost: Kish's design effect, in the one place where it is written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def mean_size(sizes: NDArray[Any]) -> float:
    """Rows per group as they bear on a mean, sum n_j^2 / sum n_j."""
    return float(np.sum(np.square(sizes)) / np.sum(sizes))


def excess_variance(n: Any, rho: Any, rho_x: Any = 1.0) -> Any:
    """The design effect less 1, (n - 1) rho rho_x; Kish (1965), section 5.4, Scott & Holt (1982)."""
    return rho * (n - 1) * rho_x
