"""Means of densities over the draws of a posterior, and how far off they may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.inference.bridge import effective_draws, relative_variance

Floats = NDArray[np.float64]

# In log units: small beside differences of 4, below which models are said to predict alike.
LARGEST_ERROR = 0.2
# Of densities with too heavy a tail an error of a fifth shows as anything from a tenth to a third.
_HIDDEN = 4.0
# Of fewer draws the tail has fewer than six values, to which no Pareto distribution is fitted.
LEAST_DRAWS = 30


@dataclass(frozen=True)
class DensityMeans:
    """Log means of G densities over D draws.

    Parameters
    ----------
    values : (G,) array
        Log of the mean density.
    mcse : (G,) array
        Monte Carlo error of it, in log units.
    k : (G,) array
        Shape of the Pareto distribution of the largest densities; nan of fewer than 30 draws. Near 1 and above the
        mean rests on a few draws, and so does its error.
    good_k : float
        Up to which so many draws do.
    """

    values: Floats
    mcse: Floats
    k: Floats
    good_k: float

    @property
    def doubtful(self) -> NDArray[np.bool_]:
        """Which of them may be off by more than a little."""
        heavy = self.k > self.good_k
        return ~(self.mcse <= np.where(heavy, LARGEST_ERROR / _HIDDEN, LARGEST_ERROR))


def good_shape(n_draws: int) -> float:
    """Largest Pareto k with which an average over so many draws is reliable.

    Vehtari, Simpson, Gelman, Yao & Gabry (2024), JMLR 25(72), section 3.2.4.
    """
    return float(min(1 - 1 / np.log10(n_draws), 0.7)) if n_draws > 1 else 0.0


def density_means(logs: Floats) -> DensityMeans:
    """Log mean densities with their errors.

    Parameters
    ----------
    logs : (chains, draws, G) array
        Log densities.

    Examples
    --------
    >>> import numpy as np
    >>> logs = np.random.default_rng(1).normal(size=(4, 1000, 1))
    >>> found = density_means(logs)
    >>> float(np.abs(found.values[0] - 0.5).round(1)), bool(found.doubtful[0])
    (0.0, False)
    """
    from arviz_stats.base import array_stats

    C, D, G = logs.shape
    top = logs.max(axis=(0, 1))
    shares = np.exp(logs - top)
    mcse, k = np.zeros(G), np.full(G, np.nan if C * D < LEAST_DRAWS else 0.0)
    for g in range(G):
        if np.ptp(shares[:, :, g]) == 0:
            continue
        effective = effective_draws(shares[:, :, g])
        mcse[g] = np.sqrt(relative_variance(shares[:, :, g]) / effective)
        if C * D >= LEAST_DRAWS:
            try:
                k[g] = array_stats.psislw(-logs[:, :, g].ravel())[1]
            except ValueError:  # the largest are all the same: no tail
                k[g] = 0.0
    return DensityMeans(top + np.log(shares.mean(axis=(0, 1))), mcse, k, good_shape(C * D))
