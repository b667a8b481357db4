"""Small dense blocks: the arithmetic of one group, written as loops (a LAPACK call costs more than the block).

Arrays with one matrix for each group have the group as last index, (rows, columns, groups): passes over many groups
then run along memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmix.likelihood.sources import njit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit
def cholesky(A: Floats, n: int) -> float:
    """Overwrite the lower triangle of A[:n, :n] with its Cholesky factor; return log|A| (nan if not positive)."""
    total, product = 0.0, 1.0
    for i in range(n):
        for j in range(i + 1):
            s = A[i, j]
            for k in range(j):
                s -= A[i, k] * A[j, k]
            if i == j:
                if not s > 0.0:
                    return np.nan
                A[i, i] = np.sqrt(s)
                product *= A[i, i]
                if not 1e-100 < product < 1e100:  # one logarithm for many factors, but no overflow
                    total += np.log(product)
                    product = 1.0
            else:
                A[i, j] = s / A[j, j]
    return float(2.0 * (total + np.log(product)))


@njit
def solve_lower(C: Floats, n: int, b: Floats) -> None:
    """Overwrite the vector b with C^-1 b, C lower triangular."""
    for i in range(n):
        s = b[i]
        for k in range(i):
            s -= C[i, k] * b[k]
        b[i] = s / C[i, i]


@njit
def solve_upper(C: Floats, n: int, b: Floats) -> None:
    """Overwrite the vector b with C'^-1 b, C lower triangular."""
    for i in range(n - 1, -1, -1):
        s = b[i]
        for k in range(i + 1, n):
            s -= C[k, i] * b[k]
        b[i] = s / C[i, i]


@njit
def inverse_from_cholesky(C: Floats, n: int, out: Floats) -> None:
    """Write (C C')^-1 to out."""
    column = np.zeros(n)
    for j in range(n):
        for i in range(n):
            column[i] = 0.0
        column[j] = 1.0
        solve_lower(C, n, column)
        solve_upper(C, n, column)
        for i in range(n):
            out[i, j] = column[i]


@njit
def add_into(out: Floats, X: Floats) -> None:
    """Add a matrix; as a loop, because NumPy's broadcasting costs seconds to compile."""
    for r in range(X.shape[0]):
        for c in range(X.shape[1]):
            out[r, c] += X[r, c]


@njit
def clear(X: Floats) -> None:
    """Set a matrix to zero."""
    for r in range(X.shape[0]):
        for c in range(X.shape[1]):
            X[r, c] = 0.0


@njit
def times(A: Floats, x: Floats) -> Floats:
    """The product A x; loops, because a BLAS call costs more than the product."""
    out = np.zeros(A.shape[0])
    for i in range(A.shape[0]):
        for j in range(A.shape[1]):
            out[i] += A[i, j] * x[j]
    return out


@njit
def mirror(A: Floats) -> None:
    """Copy the lower triangle to the upper one, tile by tile."""
    n, tile = A.shape[0], 32
    for top in range(0, n, tile):
        for left in range(0, top + 1, tile):
            for r in range(top, min(top + tile, n)):
                for c in range(left, min(left + tile, r)):
                    A[c, r] = A[r, c]
