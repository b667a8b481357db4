"""Which fixed effects can be told apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# A column is aliased when less than this share of its length is new, the limit of R's and lme4's rank check.
TOLERANCE = 1e-7


def aliased_columns(X: Floats, centre: bool) -> list[int]:
    """Columns of X that are linear combinations of columns before them.

    Parameters
    ----------
    X : (n, p) array
        Columns of the fixed effects, in the user's units.
    centre : bool
        Whether the first is the constant, so that the others may be centred first.

    Returns
    -------
    list of int
        Ascending.
    """
    if X.shape[1] == 0:
        return []
    Q = X.copy()
    if centre:
        Q[:, 1:] -= Q[:, 1:].mean(axis=0)
    length = np.linalg.norm(Q, axis=0)
    raw = np.linalg.norm(X, axis=0)
    zero = length <= 1e-13 * np.maximum(raw, np.finfo(float).tiny)
    Q /= np.where(zero, 1.0, length)
    Q[:, zero] = 0.0
    if not zero.any() and np.linalg.eigvalsh(Q.T @ Q)[0] > 1e-6:
        return []
    dropped, kept = [], np.empty((X.shape[0], 0))
    for j in range(X.shape[1]):
        rest = Q[:, j]
        for _ in range(2):
            rest = rest - kept @ (kept.T @ rest)
        size = float(np.linalg.norm(rest))
        if zero[j] or size < TOLERANCE:
            dropped.append(j)
        else:
            kept = np.column_stack([kept, rest / size])
    return dropped
