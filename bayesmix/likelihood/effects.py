"""Group effects given the data: means, exact draws and covariances, one K-vector (or matrix) carried down the tree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmix.likelihood.blocks import add_into
from bayesmix.likelihood.elimination import CHUNK, factor_chunk
from bayesmix.likelihood.layout import LEVELS
from bayesmix.likelihood.passes import level_columns, level_root, level_sizes, widest
from bayesmix.likelihood.sources import njit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit
def level_factor(layout: Floats, factors: Floats, level: int) -> Floats:
    """The (q, q) factor Lambda of a level, in the coordinates in which its effects are reported."""
    start = 0
    for below in range(level):
        _, _, q, _ = level_sizes(layout, below)
        start += q * q
    _, _, q, _ = level_sizes(layout, level)
    return factors[start : start + q * q].reshape(q, q)


@njit
def effect_map(M: Floats, Y: Floats, Lambda: Floats, m: int, spread: Floats, P: Floats) -> None:
    """P = Lambda M^-1 L', the map from S[z,:]v to the mean of u, and spread = Lambda U'^-1, so that P = spread D^-1 Y.

    M and Y are those of one group, as :func:`bayesmix.likelihood.elimination.factor_chunk` leaves them.
    """
    q = Lambda.shape[0]
    for a in range(q):
        for i in range(q):
            s = Lambda[a, i]
            for k in range(i):
                s -= M[i, k, 0] * spread[a, k]
            spread[a, i] = s
        for i in range(m):
            s = 0.0
            for b in range(q):
                s += spread[a, b] * M[b, b, 0] * Y[b, i, 0]
            P[a, i] = s


@njit
def draw_effects(
    layout: Floats,
    parent: Integers,
    leaf: Floats,
    upper: Floats,
    roots: Floats,
    factors: Floats,
    v_root: Floats,
    sigma: float,
    pull: Floats,
    out: Floats,
) -> None:
    """Replace the standard normals in ``out`` by group effects given v at the root (zeros there give the means).

    out holds the effects of all groups, level after level, (J, q) each. With M = U D U' and Y = U^-1 L',
    u = Lambda U'^-1 w, w = D^-1 Y S[z,:] v_parent + sigma D^-1/2 N, and Y'w is what v loses at z on the way down.
    pull (m, groups), or empty, is what crossed effects take from S[z,:] v_parent.
    """
    K, leaves = leaf.shape[1], leaf.shape[2]
    span, effects = widest(layout)
    M = np.empty((effects, effects, CHUNK))
    Y = np.empty((effects, span, CHUNK))
    H = np.empty((span, span, CHUNK))
    w = np.empty((effects, CHUNK))
    carried = np.empty((K, upper.shape[2]))
    for c in range(K):
        carried[c, upper.shape[2] - 1] = v_root[c]
    stop = out.shape[0]
    for level in range(int(layout[LEVELS]) - 1, -1, -1):
        J, _, q, first = level_sizes(layout, level)
        z = level_columns(layout, level)
        L = level_root(layout, roots, level)
        Lambda = level_factor(layout, factors, level)
        S = leaf if level == 0 else upper
        shift = 0 if level == 0 else leaves
        start = stop - J * q
        for g in range(0, J, CHUNK):
            n = min(CHUNK, J - g)
            factor_chunk(S, first + g - shift, n, z, L, M, Y, H, 0)
            whitened_effects(
                S, first + g - shift, n, z, M, Y, carried, parent, first + g, leaves, sigma, pull, out,
                start + g * q, q, w,
            )  # fmt: skip
            if level > 0:
                for k in range(n):
                    above, here = parent[first + g + k] - leaves, first + g + k - leaves
                    for c in range(K):
                        carried[c, here] = carried[c, above]
                    for i in range(z.shape[0]):
                        for a in range(q):
                            carried[z[i], here] -= Y[a, i, k] * w[a, k]
            colour_effects(M, Lambda, n, w, out, start + g * q)
        stop = start


@njit
def whitened_effects(
    S: Floats,
    at: int,
    n: int,
    z: Integers,
    M: Floats,
    Y: Floats,
    carried: Floats,
    parent: Integers,
    first: int,
    leaves: int,
    sigma: float,
    pull: Floats,
    out: Floats,
    place: int,
    q: int,
    w: Floats,
) -> None:
    """w = D^-1 Y S[z,:] v_parent + sigma D^-1/2 N for n groups; the diagonal of M holds D^-1, N stands in out."""
    m = z.shape[0]
    for a in range(q):
        for k in range(n):
            w[a, k] = 0.0
    for i in range(m):
        for k in range(n):
            above = parent[first + k] - leaves
            s = 0.0
            for c in range(S.shape[1]):
                s += S[z[i], c, at + k] * carried[c, above]
            if pull.shape[0] > 0:
                s -= pull[i, first + k]
            for a in range(q):
                w[a, k] += Y[a, i, k] * s
    for a in range(q):
        for k in range(n):
            w[a, k] = M[a, a, k] * w[a, k] + sigma * np.sqrt(M[a, a, k]) * out[place + k * q + a]


@njit
def colour_effects(M: Floats, Lambda: Floats, n: int, w: Floats, out: Floats, place: int) -> None:
    """u = Lambda U'^-1 w for n groups, U unit lower in M."""
    q = Lambda.shape[0]
    for a in range(q - 1, -1, -1):
        for b in range(a + 1, q):
            for k in range(n):
                w[a, k] -= M[b, a, k] * w[b, k]
    for k in range(n):
        for a in range(q):
            s = 0.0
            for b in range(q):
                s += Lambda[a, b] * w[b, k]
            out[place + k * q + a] = s


@njit
def effect_covariances(
    layout: Floats,
    parent: Integers,
    leaf: Floats,
    upper: Floats,
    roots: Floats,
    factors: Floats,
    D_root: Floats,
    N_root: Floats,
    variances: Floats,
    with_fixed: Floats,
) -> None:
    """Covariances, over sigma^2, of the effects and of fixed and group effects; the D recursion.

    D_root = 0 gives the variance given beta (what lme4 reports), D_root = X-part R_xx^-1 the prediction error variance.
    N_root is the (p, K) covariance of beta and v at the root. variances: (J, q, q) of all levels, flat; with_fixed:
    (J, p, q) likewise.
    """
    K, leaves = leaf.shape[1], leaf.shape[2]
    p = N_root.shape[0]
    span, effects = widest(layout)
    M = np.empty((effects, effects, 1))
    Y = np.empty((effects, span, 1))
    H = np.empty((span, span, 1))
    spread = np.empty((effects, effects))
    P = np.empty((effects, span))
    T = np.empty((K, K))
    F = np.empty((effects, K))
    D_all = np.zeros((upper.shape[2], K, K))
    N_all = np.zeros((upper.shape[2], p, K))
    add_into(D_all[-1], D_root)
    add_into(N_all[-1], N_root)
    stop, stop_fixed = variances.shape[0], with_fixed.shape[0]
    for level in range(int(layout[LEVELS]) - 1, -1, -1):
        J, m, q, first = level_sizes(layout, level)
        z = level_columns(layout, level)
        L = level_root(layout, roots, level)
        Lambda = level_factor(layout, factors, level)
        S = leaf if level == 0 else upper
        start, start_fixed = stop - J * q * q, stop_fixed - J * p * q
        for g in range(J):
            at = g if level == 0 else first + g - leaves
            above = parent[first + g] - leaves
            factor_chunk(S, at, 1, z, L, M, Y, H, 0)
            effect_map(M, Y, Lambda, m, spread, P)
            rows_times(P, S, at, z, q, F)
            variance = variances[start + g * q * q : start + (g + 1) * q * q].reshape(q, q)
            sandwich(F, D_all[above], q, variance)
            add_given_above(M, spread, q, variance)
            crossed = with_fixed[start_fixed + g * p * q : start_fixed + (g + 1) * p * q].reshape(p, q)
            for r in range(p):
                for a in range(q):
                    s = 0.0
                    for c in range(K):
                        s += N_all[above, r, c] * F[a, c]
                    crossed[r, a] = s
            if level > 0:
                here = first + g - leaves
                for r in range(K):
                    for c in range(K):
                        T[r, c] = 1.0 if r == c else 0.0
                for i in range(m):
                    for c in range(K):
                        s = 0.0
                        for j in range(m):
                            s += H[i, j, 0] * S[z[j], c, at]
                        T[z[i], c] -= s
                sandwich(T, D_all[above], K, D_all[here])
                for i in range(m):
                    for j in range(m):
                        D_all[here, z[i], z[j]] += H[i, j, 0]
                for r in range(p):
                    for c in range(K):
                        s = 0.0
                        for k in range(K):
                            s += N_all[above, r, k] * T[c, k]
                        N_all[here, r, c] = s
        stop, stop_fixed = start, start_fixed


@njit
def rows_times(P: Floats, S: Floats, at: int, z: Integers, q: int, F: Floats) -> None:
    """F = P S[z,:]."""
    for a in range(q):
        for c in range(S.shape[1]):
            s = 0.0
            for i in range(z.shape[0]):
                s += P[a, i] * S[z[i], c, at]
            F[a, c] = s


@njit
def sandwich(F: Floats, D: Floats, n: int, out: Floats) -> None:
    """out = F D F' over the first n rows of F."""
    K = D.shape[0]
    row = np.empty(K)
    for a in range(n):
        for c in range(K):
            s = 0.0
            for k in range(K):
                s += F[a, k] * D[k, c]
            row[c] = s
        for b in range(n):
            s = 0.0
            for c in range(K):
                s += row[c] * F[b, c]
            out[a, b] = s


@njit
def add_given_above(M: Floats, spread: Floats, q: int, out: Floats) -> None:
    """Add Lambda M^-1 Lambda' = spread D^-1 spread', the covariance of u given everything above it."""
    for a in range(q):
        for b in range(q):
            for i in range(q):
                out[a, b] += spread[a, i] * M[i, i, 0] * spread[b, i]
