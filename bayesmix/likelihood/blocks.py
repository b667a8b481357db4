"""Small dense blocks: the arithmetic of one group, written as loops (a LAPACK call costs more than the block)."""

from __future__ import annotations

import numpy as np
from numba import njit as _njit

# Without Python's zero-division checks: a third less to compile, and a division by zero shows as inf or nan.
njit = _njit(error_model="numpy")


@njit
def cholesky(A, n):
    """Overwrite the lower triangle of A[:n, :n] with its Cholesky factor; return log|A| (nan if not positive)."""
    total = 0.0
    for i in range(n):
        for j in range(i + 1):
            s = A[i, j]
            for k in range(j):
                s -= A[i, k] * A[j, k]
            if i == j:
                if not s > 0.0:
                    return np.nan
                A[i, i] = np.sqrt(s)
                total += 2.0 * np.log(A[i, i])
            else:
                A[i, j] = s / A[j, j]
    return total


@njit
def solve_lower(C, n, b):
    """Overwrite the vector b with C^-1 b, C lower triangular."""
    for i in range(n):
        s = b[i]
        for k in range(i):
            s -= C[i, k] * b[k]
        b[i] = s / C[i, i]


@njit
def solve_upper(C, n, b):
    """Overwrite the vector b with C'^-1 b, C lower triangular."""
    for i in range(n - 1, -1, -1):
        s = b[i]
        for k in range(i + 1, n):
            s -= C[k, i] * b[k]
        b[i] = s / C[i, i]


@njit
def inverse_from_cholesky(C, n, out):
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
def add_into(out, X):
    """Add a matrix; as a loop, because NumPy's broadcasting costs seconds to compile."""
    for r in range(X.shape[0]):
        for c in range(X.shape[1]):
            out[r, c] += X[r, c]


@njit
def clear(X):
    """Set a matrix to zero."""
    for r in range(X.shape[0]):
        for c in range(X.shape[1]):
            X[r, c] = 0.0


@njit
def times(A, x):
    """The product A x; loops, because a BLAS call costs more than the product."""
    out = np.zeros(A.shape[0])
    for i in range(A.shape[0]):
        for j in range(A.shape[1]):
            out[i] += A[i, j] * x[j]
    return out


@njit
def posterior_factor(S, z, L, C, Y, H):
    """Factor M = I + L'S[z,z]L = C C', write Y = C^-1 L' and H = L M^-1 L' = Y'Y; return log|M|."""
    m, q = L.shape
    for a in range(q):
        for b in range(a + 1):
            s = 0.0
            for i in range(m):
                t = 0.0
                for j in range(m):
                    t += S[z[i], z[j]] * L[j, b]
                s += L[i, a] * t
            C[a, b] = s
        C[a, a] += 1.0
    logdet = cholesky(C, q)
    for i in range(m):
        for a in range(q):
            s = L[i, a]
            for b in range(a):
                s -= C[a, b] * Y[b, i]
            Y[a, i] = s / C[a, a]
    for i in range(m):
        for j in range(i + 1):
            s = 0.0
            for a in range(q):
                s += Y[a, i] * Y[a, j]
            H[i, j] = s
            H[j, i] = s
    return logdet


@njit
def rows_after(S, z, omega, A, E):
    """Write E = (I + S[z,z] Omega)^-1 S[z,:], the rows z of S after elimination, without subtracting.

    At variance ratios of 1e8 the subtraction S - S H S loses eight digits of these rows, the solve loses none.
    """
    m = z.shape[0]
    K = S.shape[0]
    for i in range(m):
        for j in range(m):
            s = 0.0
            for k in range(m):
                s += S[z[i], z[k]] * omega[k, j]
            A[i, j] = s
        A[i, i] += 1.0
        for c in range(K):
            E[i, c] = S[z[i], c]
    for k in range(m):
        pivot = k
        for i in range(k + 1, m):
            if abs(A[i, k]) > abs(A[pivot, k]):
                pivot = i
        if pivot != k:
            for c in range(m):
                A[k, c], A[pivot, c] = A[pivot, c], A[k, c]
            for c in range(K):
                E[k, c], E[pivot, c] = E[pivot, c], E[k, c]
        for i in range(k + 1, m):
            f = A[i, k] / A[k, k]
            if f != 0.0:
                for c in range(k + 1, m):
                    A[i, c] -= f * A[k, c]
                for c in range(K):
                    E[i, c] -= f * E[k, c]
    for k in range(m - 1, -1, -1):
        for c in range(K):
            s = E[k, c]
            for j in range(k + 1, m):
                s -= A[k, j] * E[j, c]
            E[k, c] = s / A[k, k]


@njit
def add_after(S, z, in_z, H, E, F, out):
    """Add S' = S - S[:,z] H S[z,:] to out, rows and columns z taken from E; write F = H S[z,:]."""
    m = z.shape[0]
    K = S.shape[0]
    for a in range(m):
        for c in range(K):
            s = 0.0
            for b in range(m):
                s += H[a, b] * S[z[b], c]
            F[a, c] = s
    for r in range(K):
        for c in range(r + 1):
            if in_z[r] >= 0 and in_z[c] >= 0:
                s = 0.5 * (E[in_z[r], c] + E[in_z[c], r])
            elif in_z[r] >= 0:
                s = E[in_z[r], c]
            elif in_z[c] >= 0:
                s = E[in_z[c], r]
            else:
                s = S[r, c]
                for a in range(m):
                    s -= S[r, z[a]] * F[a, c]
            out[r, c] += s
            if r != c:
                out[c, r] += s
