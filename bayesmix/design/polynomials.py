"""Polynomials that are orthonormal on the values of a column, and stay the same polynomials on other values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Polynomials:
    """Orthonormal polynomials of degree 0 to d, as the coefficients by which each follows from those before it.

    Parameters
    ----------
    centre, scale : float
        The variable is (x - centre) / scale, within [-1, 1] on the values it was made from.
    constant : float
        The polynomial of degree 0.
    steps : (2, d, d) array
        Column k of the first holds the products of the variable times polynomial k with the polynomials up to it: but
        for rounding, R's alpha on the diagonal and its ratios of norm2 above it. The second holds what the first left
        over of them, which a repetition needs to stay orthogonal (Brubeck, Nakatsukasa & Trefethen 2021, SIAM Review
        63:405-415, sections 2 and 3).
    lengths : (d,) array
        What the rest is divided by.
    """

    centre: float
    scale: float
    constant: float
    steps: Floats
    lengths: Floats

    def at(self, x: Floats, degree: int) -> Floats:
        """Values of the polynomials of degree 1 to ``degree`` at x, (n, degree)."""
        t = (x - self.centre) / self.scale
        Q = np.empty((len(t), degree + 1), order="F")
        Q[:, 0] = self.constant
        for k in range(degree):
            rest = t * Q[:, k]
            for step in self.steps:
                rest -= Q[:, : k + 1] @ step[: k + 1, k]
            Q[:, k + 1] = rest / self.lengths[k]
        return Q[:, 1:]


def orthogonal_polynomials(x: Floats, degree: int) -> Polynomials:
    """The polynomials of degree 0 to ``degree`` that are orthonormal on x, leading coefficients positive.

    Parameters
    ----------
    x : (n,) array
        Values, more than ``degree`` of them different.
    degree : int
        The highest.

    Returns
    -------
    Polynomials

    Notes
    -----
    Those of R's ``poly``: Kennedy & Gentle (1980), Statistical Computing, pp. 343-344. Each is made orthogonal to all
    before it twice, since a recurrence over three terms loses orthogonality as the degree rises.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(1.0, 7.0)
    >>> orthogonal_polynomials(x, 2).at(x, 2)[0].round(7)
    array([-0.5976143,  0.5455447])
    """
    centre = float(x.mean())
    scale = float(np.abs(x - centre).max())
    t = (x - centre) / scale
    constant = 1 / np.sqrt(len(x))
    Q = np.empty((len(x), degree + 1), order="F")
    Q[:, 0] = constant
    steps, lengths = np.zeros((2, degree, degree)), np.empty(degree)
    for k in range(degree):
        rest = t * Q[:, k]
        for step in steps:
            step[: k + 1, k] = Q[:, : k + 1].T @ rest
            rest -= Q[:, : k + 1] @ step[: k + 1, k]
        lengths[k] = np.linalg.norm(rest)
        Q[:, k + 1] = rest / lengths[k]
    for array in (steps, lengths):
        array.flags.writeable = False
    return Polynomials(centre, scale, float(constant), steps, lengths)
