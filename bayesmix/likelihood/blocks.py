"""Small dense blocks: the arithmetic of one group, written as loops (a LAPACK call costs more than the block)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmix.likelihood.sources import njit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit
def cholesky(A, n):
    """Overwrite the lower triangle of A[:n, :n] with its Cholesky factor; return log|A| (nan if not positive)."""
    product = 1.0
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
            else:
                A[i, j] = s / A[j, j]
    return 2.0 * np.log(product)


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
def posterior_factor(S, g, z, L, C, Y, H, h):
    """Factor M = I + L'S_g[z,z]L = C C', write Y = C^-1 L' and H_h = L M^-1 L' = Y'Y; return log|M|.

    S, H and the like hold one matrix per group and come with the number of the group: views would be counted
    references, which cost more than the arithmetic.
    """
    m, q = L.shape
    for b in range(q):
        for i in range(m):
            s = 0.0
            for j in range(m):
                s += S[g, z[i], z[j]] * L[j, b]
            Y[b, i] = s
    for a in range(q):
        for b in range(a + 1):
            s = 0.0
            for i in range(m):
                s += L[i, a] * Y[b, i]
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
            H[h, i, j] = s
            H[h, j, i] = s
    return logdet


@njit
def rows_after(S, g, z, omega, A, E, h):
    """Write E_h = (I + S_g[z,z] Omega)^-1 S_g[z,:], the rows z of S_g after elimination, without subtracting.

    At variance ratios of 1e8 the subtraction S - S H S loses eight digits of these rows, the solve loses none.
    """
    m = z.shape[0]
    K = S.shape[1]
    for i in range(m):
        for j in range(m):
            s = 0.0
            for k in range(m):
                s += S[g, z[i], z[k]] * omega[k, j]
            A[i, j] = s
        A[i, i] += 1.0
        for c in range(K):
            E[h, i, c] = S[g, z[i], c]
    for k in range(m):
        pivot = k
        for i in range(k + 1, m):
            if abs(A[i, k]) > abs(A[pivot, k]):
                pivot = i
        if pivot != k:
            for c in range(m):
                A[k, c], A[pivot, c] = A[pivot, c], A[k, c]
            for c in range(K):
                E[h, k, c], E[h, pivot, c] = E[h, pivot, c], E[h, k, c]
        inverse = 1.0 / A[k, k]
        for i in range(k + 1, m):
            f = A[i, k] * inverse
            if f != 0.0:
                for c in range(k + 1, m):
                    A[i, c] -= f * A[k, c]
                for c in range(K):
                    E[h, i, c] -= f * E[h, k, c]
    for k in range(m - 1, -1, -1):
        inverse = 1.0 / A[k, k]
        for c in range(K):
            s = E[h, k, c]
            for j in range(k + 1, m):
                s -= A[k, j] * E[h, j, c]
            E[h, k, c] = s * inverse


@njit
def add_after(S, g, z, in_z, H, E, h, F, out, o):
    """Add S' = S - S[:,z] H S[z,:] of group g to out_o, rows and columns z taken from E; write F = H S[z,:]."""
    m = z.shape[0]
    K = S.shape[1]
    for a in range(m):
        for c in range(K):
            s = 0.0
            for b in range(m):
                s += H[h, a, b] * S[g, z[b], c]
            F[a, c] = s
    for r in range(K):
        i = in_z[r]
        for c in range(r + 1):
            j = in_z[c]
            if i >= 0 and j >= 0:
                s = 0.5 * (E[h, i, c] + E[h, j, r])
            elif i >= 0:
                s = E[h, i, c]
            elif j >= 0:
                s = E[h, j, r]
            else:
                s = S[g, r, c]
                for a in range(m):
                    s -= S[g, r, z[a]] * F[a, c]
            out[o, r, c] += s
            if r != c:
                out[o, c, r] += s
