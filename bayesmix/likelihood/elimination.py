"""Elimination of the effects of many groups at once: the same small block for each, vectorised over the groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmix.likelihood.sources import njit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Groups worked on at a time: few enough for their blocks to stay in cache, many enough to pay for starting a loop.
CHUNK = 128
# Where no pivot of M exceeds this, subtraction loses fewer than three digits, and refinement is left out.
WELL_CONDITIONED = 1e3


@njit
def factor_chunk(S: Floats, at: int, n: int, z: Integers, L: Floats, M: Floats, Y: Floats, H: Floats, h: int) -> float:
    """M = I + L'S[z,z]L = U D U' (U unit lower and D^-1, in place), Y = U^-1 L', H = Y'D^-1Y, for n groups.

    Returns the largest pivot. S is read from group ``at`` on, H written from group ``h`` on; the rest is scratch by
    place in the chunk.
    """
    m, q = L.shape
    for b in range(q):
        for i in range(m):
            for k in range(n):
                Y[b, i, k] = 0.0
            for j in range(m):
                w, r, c = L[j, b], z[i], z[j]
                for k in range(n):
                    Y[b, i, k] += w * S[r, c, at + k]
    for a in range(q):
        for b in range(a + 1):
            one = 1.0 if a == b else 0.0
            for k in range(n):
                M[a, b, k] = one
            for i in range(m):
                w = L[i, a]
                for k in range(n):
                    M[a, b, k] += w * Y[b, i, k]
    for b in range(q):
        for c in range(b):
            for k in range(n):
                M[b, b, k] -= M[b, c, k] * M[b, c, k] * M[c, c, k]
        for a in range(b + 1, q):
            for c in range(b):
                for k in range(n):
                    M[a, b, k] -= M[a, c, k] * M[b, c, k] * M[c, c, k]
            for k in range(n):
                M[a, b, k] /= M[b, b, k]
    for a in range(q):
        for i in range(m):
            w = L[i, a]
            for k in range(n):
                Y[a, i, k] = w
            for b in range(a):
                for k in range(n):
                    Y[a, i, k] -= M[a, b, k] * Y[b, i, k]
    for i in range(m):
        for j in range(i + 1):
            for k in range(n):
                H[i, j, h + k] = 0.0
    largest = 1.0
    for a in range(q):
        for k in range(n):
            largest = max(largest, M[a, a, k])
        for k in range(n):
            M[a, a, k] = 1.0 / M[a, a, k]
        for i in range(m):
            for j in range(i + 1):
                for k in range(n):
                    H[i, j, h + k] += Y[a, i, k] * Y[a, j, k] * M[a, a, k]
    for i in range(m):
        for j in range(i):
            for k in range(n):
                H[j, i, h + k] = H[i, j, h + k]
    return float(largest)


@njit
def times_rows(H: Floats, h: int, X: Floats, n: int, out: Floats) -> None:
    """out = H X over m rows, H from group h on."""
    m, K = X.shape[0], X.shape[1]
    for a in range(m):
        for c in range(K):
            for k in range(n):
                out[a, c, k] = 0.0
            for b in range(m):
                for k in range(n):
                    out[a, c, k] += H[a, b, h + k] * X[b, c, k]


@njit
def subtract_block(S: Floats, at: int, z: Integers, X: Floats, n: int, out: Floats, e: int) -> None:
    """Subtract S[z,z] X from out (from group e on)."""
    m, K = X.shape[0], X.shape[1]
    for a in range(m):
        for c in range(K):
            for b in range(m):
                r, s = z[a], z[b]
                for k in range(n):
                    out[a, c, e + k] -= S[r, s, at + k] * X[b, c, k]


@njit
def rows_chunk(
    S: Floats,
    at: int,
    n: int,
    z: Integers,
    omega: Floats,
    H: Floats,
    h: int,
    E: Floats,
    e: int,
    F: Floats,
    X: Floats,
    rest: Floats,
    refine: bool,
) -> None:
    """E = (I + S[z,z] Omega)^-1 S[z,:], the rows z of S after elimination, and F = H S[z,:].

    S - S H S alone loses eight digits of these rows at variance ratios of 1e8; one step of refinement (``refine``) with
    the residual of the defining equation brings them back, because (I + S Omega)^-1 = I - S H.
    """
    m, K = F.shape[0], F.shape[1]
    for a in range(m):
        r = z[a]
        for c in range(K):
            for k in range(n):
                X[a, c, k] = S[r, c, at + k]
                E[a, c, e + k] = X[a, c, k]
    times_rows(H, h, X, n, F)
    subtract_block(S, at, z, F, n, E, e)
    if not refine:
        return
    for a in range(m):
        for c in range(K):
            for k in range(n):
                rest[a, c, k] = X[a, c, k] - E[a, c, e + k]
            for k in range(n):
                X[a, c, k] = 0.0
            for b in range(m):
                w = omega[a, b]
                for k in range(n):
                    X[a, c, k] += w * E[b, c, e + k]
    subtract_block(S, at, z, X, n, rest, 0)
    times_rows(H, h, rest, n, X)
    for a in range(m):
        for c in range(K):
            for k in range(n):
                E[a, c, e + k] += rest[a, c, k]
    subtract_block(S, at, z, X, n, E, e)


@njit
def add_chunk(
    S: Floats,
    at: int,
    n: int,
    z: Integers,
    in_z: Integers,
    E: Floats,
    e: int,
    F: Floats,
    line: Floats,
    parent: Integers,
    first: int,
    shift: int,
    out: Floats,
) -> None:
    """Add S' = S - S[:,z] H S[z,:] of n groups to their parents in out; rows and columns z are taken from E.

    Groups ``first`` to ``first + n`` by global number, parents counted from ``shift``.
    """
    m, K = F.shape[0], F.shape[1]
    for r in range(K):
        i = in_z[r]
        for c in range(r + 1):
            j = in_z[c]
            if i >= 0 and j >= 0:
                for k in range(n):
                    line[k] = 0.5 * (E[i, c, e + k] + E[j, r, e + k])
            elif i >= 0:
                for k in range(n):
                    line[k] = E[i, c, e + k]
            elif j >= 0:
                for k in range(n):
                    line[k] = E[j, r, e + k]
            else:
                for k in range(n):
                    line[k] = S[r, c, at + k]
                for a in range(m):
                    s = z[a]
                    for k in range(n):
                        line[k] -= S[r, s, at + k] * F[a, c, k]
            add_to_parents(line, n, parent, first, shift, r, c, out)


@njit
def add_to_parents(line: Floats, n: int, parent: Integers, first: int, shift: int, r: int, c: int, out: Floats) -> None:
    """Add one entry of n groups to their parents; neighbours mostly share one."""
    k = 0
    while k < n:
        o = parent[first + k]
        s = 0.0
        while k < n and parent[first + k] == o:
            s += line[k]
            k += 1
        out[r, c, o - shift] += s
        if r != c:
            out[c, r, o - shift] += s


@njit
def adjoint_chunk(
    E: Floats,
    e: int,
    n: int,
    z: Integers,
    adjoint: Floats,
    parent: Integers,
    first: int,
    shift: int,
    EG: Floats,
    line: Floats,
    level: int,
    d_omega: Floats,
) -> None:
    """Add S'[z,z] - E G E' of n groups to dOmega of their level, G the adjoint of each group's parent."""
    m, K = EG.shape[0], EG.shape[1]
    for a in range(m):
        for c in range(K):
            for k in range(n):
                EG[a, c, k] = 0.0
    begin = 0
    while begin < n:  # one run of neighbours with the same parent after the other
        o, stop = parent[first + begin], begin + 1
        while stop < n and parent[first + stop] == o:
            stop += 1
        for a in range(m):
            for c in range(K):
                for b in range(K):
                    w = adjoint[b, c, o - shift]
                    for k in range(begin, stop):
                        EG[a, c, k] += E[a, b, e + k] * w
        begin = stop
    for a in range(m):
        for b in range(a + 1):
            for k in range(n):
                line[k] = 0.5 * (E[a, z[b], e + k] + E[b, z[a], e + k])
            for c in range(K):
                for k in range(n):
                    line[k] -= EG[a, c, k] * E[b, c, e + k]
            s = 0.0
            for k in range(n):
                s += line[k]
            d_omega[level, a, b] += s
            if a != b:
                d_omega[level, b, a] += s
