"""The crossed columns as one dense block at the root: eliminated last, with LAPACK."""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba import types
from numba.extending import get_cython_function_address
from numpy.typing import NDArray

from bayesmix.likelihood.blocks import mirror
from bayesmix.likelihood.layout import ALL_LEVELS, LEVELS
from bayesmix.likelihood.passes import level_root, level_sizes
from bayesmix.likelihood.sources import njit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def _external(module: str, name: str, arguments: int) -> Any:
    """A LAPACK or BLAS routine, called by a symbol so that cached code finds it in every process."""
    symbol = f"bayesmix_{name}"
    llvm.add_symbol(symbol, get_cython_function_address(f"scipy.linalg.{module}", name))
    return types.ExternalFunction(symbol, types.void(*(types.uintp,) * arguments))


_dpotrf = _external("cython_lapack", "dpotrf", 5)
_dpotri = _external("cython_lapack", "dpotri", 5)
_dgemm = _external("cython_blas", "dgemm", 13)


@njit
def factor(M: Floats) -> float:
    """Overwrite the lower triangle of M with its Cholesky factor; return log|M| (nan if not positive)."""
    if M.shape[0] == 0:
        return 0.0
    size = np.array([M.shape[0]], np.int32)
    flag = np.zeros(1, np.int32)
    side = np.array([85], np.uint8)  # "U": LAPACK reads columns first, so that this is our lower triangle
    _dpotrf(side.ctypes.data, size.ctypes.data, M.ctypes.data, size.ctypes.data, flag.ctypes.data)
    if flag[0] != 0:
        return np.nan
    total = 0.0
    for i in range(M.shape[0]):
        total += np.log(M[i, i])
    return 2.0 * total


@njit
def invert(C: Floats) -> None:
    """Overwrite a Cholesky factor with the inverse of C C', both triangles."""
    if C.shape[0] == 0:
        return
    size = np.array([C.shape[0]], np.int32)
    flag = np.zeros(1, np.int32)
    side = np.array([85], np.uint8)
    _dpotri(side.ctypes.data, size.ctypes.data, C.ctypes.data, size.ctypes.data, flag.ctypes.data)
    mirror(C)


@njit
def product(A: Floats, B: Floats, out: Floats) -> None:
    """out = A B for (m, k) and (k, n) matrices along memory."""
    if A.shape[1] == 0:
        for r in range(out.shape[0]):
            for c in range(out.shape[1]):
                out[r, c] = 0.0
        return
    sizes = np.array([B.shape[1], A.shape[0], A.shape[1]], np.int32)
    weights = np.array([1.0, 0.0])
    plain = np.array([78], np.uint8)  # "N"; LAPACK sees the transposes, so B comes first
    n, m, k = sizes[0:].ctypes.data, sizes[1:].ctypes.data, sizes[2:].ctypes.data
    one, nothing = weights[0:].ctypes.data, weights[1:].ctypes.data
    _dgemm(
        plain.ctypes.data, plain.ctypes.data, n, m, k, one, B.ctypes.data, n, A.ctypes.data, k, nothing,
        out.ctypes.data, n,
    )  # fmt: skip


@njit
def forward(C: Floats, X: Floats) -> None:
    """Overwrite X with C^-1 X, C lower triangular."""
    for i in range(C.shape[0]):
        for k in range(i):
            w = C[i, k]
            for c in range(X.shape[1]):
                X[i, c] -= w * X[k, c]
        for c in range(X.shape[1]):
            X[i, c] /= C[i, i]


@njit
def backward(C: Floats, X: Floats) -> None:
    """Overwrite X with C'^-1 X, C lower triangular."""
    for i in range(C.shape[0] - 1, -1, -1):
        for c in range(X.shape[1]):
            X[i, c] /= C[i, i]
        for k in range(i):
            w = C[i, k]
            for c in range(X.shape[1]):
                X[k, c] -= w * X[i, c]


@njit
def dense_effects(layout: Floats) -> int:
    """Effects of all crossed levels."""
    total = 0
    for level in range(int(layout[LEVELS]), int(layout[ALL_LEVELS])):
        J, _, q, _ = level_sizes(layout, level)
        total += J * q
    return total


@njit
def times_root(layout: Floats, roots: Floats, A: Floats, out: Floats) -> None:
    """out = A L over the columns of D, L the block-diagonal root of all crossed levels."""
    for r in range(A.shape[0]):
        at = 0
        for level in range(int(layout[LEVELS]), int(layout[ALL_LEVELS])):
            J, m, q, first = level_sizes(layout, level)
            L = level_root(layout, roots, level)
            for g in range(J):
                for b in range(q):
                    v = 0.0
                    for a in range(m):
                        v += A[r, first + g * m + a] * L[a, b]
                    out[r, at + g * q + b] = v
            at += J * q


@njit
def root_times(layout: Floats, roots: Floats, A: Floats, out: Floats) -> None:
    """out = L A over the columns of D."""
    at = 0
    for level in range(int(layout[LEVELS]), int(layout[ALL_LEVELS])):
        J, m, q, first = level_sizes(layout, level)
        L = level_root(layout, roots, level)
        for g in range(J):
            for a in range(m):
                for c in range(A.shape[1]):
                    v = 0.0
                    for b in range(q):
                        v += L[a, b] * A[at + g * q + b, c]
                    out[first + g * m + a, c] = v
        at += J * q


@njit
def transposed_root_times(layout: Floats, roots: Floats, A: Floats, out: Floats) -> None:
    """out = L'A over the columns of D."""
    at = 0
    for level in range(int(layout[LEVELS]), int(layout[ALL_LEVELS])):
        J, m, q, first = level_sizes(layout, level)
        L = level_root(layout, roots, level)
        for g in range(J):
            for b in range(q):
                for c in range(A.shape[1]):
                    v = 0.0
                    for a in range(m):
                        v += L[a, b] * A[first + g * m + a, c]
                    out[at + g * q + b, c] = v
        at += J * q


@njit
def eliminate_dense(
    layout: Floats, roots: Floats, D: Floats, C: Floats, DL: Floats, M: Floats, X: Floats, R: Floats
) -> float:
    """Eliminate all crossed effects: R -= C'HC, and log|M|, M = I + L'DL (left as its Cholesky factor).

    D (m, m) and C (m, K) come from :func:`bayesmix.likelihood.slots.ascend_slots`; DL = D L and X = M^-1/2 L'C are
    filled.
    """
    times_root(layout, roots, D, DL)
    transposed_root_times(layout, roots, DL, M)
    for i in range(M.shape[0]):
        M[i, i] += 1.0
    logdet = factor(M)
    transposed_root_times(layout, roots, C, X)
    forward(M, X)
    K = C.shape[1]
    for e in range(X.shape[0]):
        for r in range(K):
            for c in range(K):
                R[r, c] -= X[e, r] * X[e, c]
    return float(logdet)


@njit
def dense_adjoints(
    layout: Floats,
    roots: Floats,
    seed: Floats,
    C: Floats,
    D: Floats,
    DL: Floats,
    M: Floats,
    X: Floats,
    crossed: Floats,
    d_omega: Floats,
    d_roots: Floats,
    certify: bool,
) -> Floats:
    """From the adjoint of R to dOmega L of every crossed level and the adjoints of D'W and D'D.

    Destroys M (then its inverse) and X. ``crossed`` (m, K) is filled; returned is the adjoint of D'D, (m, m). dOmega
    itself, which costs one more product of full size, is filled on request only; without it, dOmega L in d_roots is
    what the gradient needs.
    """
    m, K = C.shape
    mq = M.shape[0]
    backward(M, X)  # M^-1 L'C
    invert(M)
    HC = np.empty((m, K))
    root_times(layout, roots, X, HC)
    after = C.copy()  # S'[D,:] = C - D H C
    for r in range(m):
        for k in range(m):
            w = D[r, k]
            for c in range(K):
                after[r, c] -= w * HC[k, c]
    G = np.empty((m, m))
    LM = np.empty((m, mq))
    root_times(layout, roots, M, LM)
    times_transposed_root(layout, roots, LM, G)
    add_outer(HC, seed, G)
    for r in range(m):
        for c in range(K):
            v = 0.0
            for k in range(K):
                v += HC[r, k] * seed[k, c]
            crossed[r, c] = -v
    gather_gradient(layout, roots, seed, after, D, DL, M, d_omega, d_roots, certify)
    return G


@njit
def times_transposed_root(layout: Floats, roots: Floats, A: Floats, out: Floats) -> None:
    """out = A L' over the columns of D."""
    for r in range(A.shape[0]):
        at = 0
        for level in range(int(layout[LEVELS]), int(layout[ALL_LEVELS])):
            J, m, q, first = level_sizes(layout, level)
            L = level_root(layout, roots, level)
            for g in range(J):
                for a in range(m):
                    v = 0.0
                    for b in range(q):
                        v += A[r, at + g * q + b] * L[a, b]
                    out[r, first + g * m + a] = v
            at += J * q


@njit
def add_outer(A: Floats, seed: Floats, G: Floats) -> None:
    """Add A seed A' to G."""
    K = A.shape[1]
    row = np.empty(K)
    for r in range(A.shape[0]):
        for c in range(K):
            row[c] = 0.0
            for k in range(K):
                row[c] += A[r, k] * seed[k, c]
        for s in range(A.shape[0]):
            v = 0.0
            for c in range(K):
                v += row[c] * A[s, c]
            G[r, s] += v


@njit
def gather_gradient(
    layout: Floats,
    roots: Floats,
    seed: Floats,
    after: Floats,
    D: Floats,
    DL: Floats,
    inverse: Floats,
    d_omega: Floats,
    d_roots: Floats,
    certify: bool,
) -> None:
    """dOmega L of each crossed level, sum over its groups c of (D L M^-1)[c,c] - S'[c,:] G S'[:,c] L."""
    K = after.shape[1]
    mq = inverse.shape[0]
    DLM = np.empty((0, 0))
    if certify:
        DLM = np.empty(DL.shape)
        product(DL, inverse, DLM)
    at, place = 0, 0
    for level in range(int(layout[ALL_LEVELS])):
        J, m, q, first = level_sizes(layout, level)
        if level < int(layout[LEVELS]):
            place += m * q
            continue
        L = level_root(layout, roots, level)
        quad = np.zeros((m, m))
        for g in range(J):
            for a in range(m):
                r = first + g * m + a
                for b in range(a + 1):
                    s = first + g * m + b
                    v = 0.0
                    for k in range(K):
                        for c in range(K):
                            v += after[r, k] * seed[k, c] * after[s, c]
                    quad[a, b] += v
                    if certify:
                        v = D[r, s]
                        for k in range(mq):
                            v -= DLM[r, k] * DL[s, k]
                        d_omega[level, a, b] += v
                for b in range(q):
                    v = 0.0
                    for k in range(mq):
                        v += DL[r, k] * inverse[at + g * q + b, k]
                    d_roots[place + a * q + b] += v
        for a in range(m):
            for b in range(a + 1):
                if certify:
                    d_omega[level, a, b] -= quad[a, b]
                    d_omega[level, b, a] = d_omega[level, a, b]
                quad[b, a] = quad[a, b]
        for a in range(m):
            for b in range(q):
                for c in range(m):
                    d_roots[place + a * q + b] -= quad[a, c] * L[c, b]
        at += J * q
        place += m * q
