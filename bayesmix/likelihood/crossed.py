"""Effects of a model with crossed levels: means, draws and covariances, the dense block first, then down the tree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmix.likelihood.blocks import add_into
from bayesmix.likelihood.dense import add_outer, backward, invert, root_times, times_transposed_root
from bayesmix.likelihood.effects import add_given_above, effect_map, level_factor, rows_times, sandwich
from bayesmix.likelihood.elimination import factor_chunk
from bayesmix.likelihood.layout import ALL_LEVELS, LEVELS
from bayesmix.likelihood.passes import level_columns, level_root, level_sizes, widest
from bayesmix.likelihood.slots import most_slots
from bayesmix.likelihood.sources import njit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit
def draw_dense(
    layout: Floats,
    roots: Floats,
    factors: Floats,
    M: Floats,
    X: Floats,
    v: Floats,
    sigma: float,
    out: Floats,
) -> Floats:
    """Replace the normals in ``out`` by the crossed effects given v; returns what they are on the columns of D.

    M holds the Cholesky factor of I + L'DL and X its inverse times L'C: u = Lambda w, w = M'^-1 (X v + sigma N).
    """
    w = np.empty((M.shape[0], 1))
    for e in range(M.shape[0]):
        w[e, 0] = sigma * out[e]
        for c in range(v.shape[0]):
            w[e, 0] += X[e, c] * v[c]
    backward(M, w)
    at, m = 0, 0
    for level in range(int(layout[LEVELS]), int(layout[ALL_LEVELS])):
        J, span, q, _ = level_sizes(layout, level)
        Lambda = level_factor(layout, factors, level)
        for g in range(J):
            for a in range(q):
                s = 0.0
                for b in range(q):
                    s += Lambda[a, b] * w[at + g * q + b, 0]
                out[at + g * q + a] = s
        at += J * q
        m += J * span
    x = np.empty((m, 1))
    root_times(layout, roots, w, x)
    return x[:, 0].copy()


@njit
def pull_of(layout: Floats, starts: Integers, columns: Integers, C: Floats, x: Floats) -> Floats:
    """C_g[z,:] x of every group of the tree, (m, groups)."""
    span, _ = widest(layout)
    out = np.zeros((span, starts.shape[0] - 2))
    for level in range(int(layout[LEVELS])):
        J, m, _, first = level_sizes(layout, level)
        z = level_columns(layout, level)
        for g in range(first, first + J):
            for s in range(starts[g], starts[g + 1]):
                for i in range(m):
                    out[i, g] += C[s, z[i]] * x[columns[s]]
    return out


@njit
def crossed_effect_covariances(
    layout: Floats,
    parent: Integers,
    leaf: Floats,
    upper: Floats,
    starts: Integers,
    columns: Integers,
    up: Integers,
    C: Floats,
    M: Floats,
    X: Floats,
    roots: Floats,
    factors: Floats,
    D_root: Floats,
    N_root: Floats,
    variances: Floats,
    with_fixed: Floats,
) -> None:
    """As :func:`bayesmix.likelihood.effects.effect_covariances`, with crossed levels; destroys M and X.

    Carried down are the covariances of v at the inner columns, of v there with v at D's columns (by slot), and of v
    at D's columns (the same at every level), where v at D is minus the crossed effects.
    """
    K, p = leaf.shape[1], N_root.shape[0]
    root = starts[starts.shape[0] - 2]
    m_dense = starts[starts.shape[0] - 1] - root
    backward(M, X)
    invert(M)
    HC = np.empty((m_dense, K))
    root_times(layout, roots, X, HC)
    chain, chain_fixed = dense_covariances(layout, factors, M, X, D_root, N_root, variances, with_fixed)
    LM = np.empty((m_dense, M.shape[0]))
    root_times(layout, roots, M, LM)
    G = np.zeros((m_dense, m_dense))
    times_transposed_root(layout, roots, LM, G)
    add_outer(HC, D_root, G)
    crossed = np.zeros((C.shape[0], K))
    N_dense = np.zeros((p, m_dense))
    for r in range(m_dense):
        for c in range(K):
            for k in range(K):
                crossed[root + r, c] -= HC[r, k] * D_root[k, c]
            for a in range(p):
                N_dense[a, r] -= N_root[a, c] * HC[r, c]
    D_all = np.zeros((upper.shape[2], K, K))
    N_all = np.zeros((upper.shape[2], p, K))
    add_into(D_all[-1], D_root)
    add_into(N_all[-1], N_root)
    walk_covariances(
        layout, parent, leaf, upper, starts, columns, up, C, G, crossed, N_dense, D_all, N_all, roots, factors,
        variances[:chain], with_fixed[:chain_fixed],
    )  # fmt: skip


@njit
def dense_covariances(
    layout: Floats,
    factors: Floats,
    inverse: Floats,
    MC: Floats,
    D_root: Floats,
    N_root: Floats,
    variances: Floats,
    with_fixed: Floats,
) -> tuple[int, int]:
    """Lambda M^-1 Lambda' + A D A' and N A' of the crossed effects, A = Lambda M^-1 L'C; returns where they begin."""
    K, p = MC.shape[1], N_root.shape[0]
    total, total_fixed = variances.shape[0], with_fixed.shape[0]
    for level in range(int(layout[LEVELS]), int(layout[ALL_LEVELS])):
        J, _, q, _ = level_sizes(layout, level)
        total -= J * q * q
        total_fixed -= J * p * q
    begin, begin_fixed = total, total_fixed
    at = 0
    for level in range(int(layout[LEVELS]), int(layout[ALL_LEVELS])):
        J, _, q, _ = level_sizes(layout, level)
        Lambda = level_factor(layout, factors, level)
        A, spread = np.empty((q, K)), np.empty((q, q))
        for g in range(J):
            first = at + g * q
            for a in range(q):
                for c in range(K):
                    A[a, c] = 0.0
                    for b in range(q):
                        A[a, c] += Lambda[a, b] * MC[first + b, c]
            variance = variances[total + g * q * q : total + (g + 1) * q * q].reshape(q, q)
            sandwich(A, D_root, q, variance)
            for a in range(q):
                for b in range(q):
                    spread[a, b] = 0.0
                    for k in range(q):
                        for h in range(q):
                            spread[a, b] += Lambda[a, k] * inverse[first + k, first + h] * Lambda[b, h]
            add_into(variance, spread)
            fixed = with_fixed[total_fixed + g * p * q : total_fixed + (g + 1) * p * q].reshape(p, q)
            for r in range(p):
                for a in range(q):
                    s = 0.0
                    for c in range(K):
                        s += N_root[r, c] * A[a, c]
                    fixed[r, a] = s
        at += J * q
        total += J * q * q
        total_fixed += J * p * q
    return begin, begin_fixed


@njit
def walk_covariances(
    layout: Floats,
    parent: Integers,
    leaf: Floats,
    upper: Floats,
    starts: Integers,
    columns: Integers,
    up: Integers,
    C: Floats,
    G: Floats,
    crossed: Floats,
    N_dense: Floats,
    D_all: Floats,
    N_all: Floats,
    roots: Floats,
    factors: Floats,
    variances: Floats,
    with_fixed: Floats,
) -> None:
    """The covariances of the nested effects, top down."""
    K, leaves, p = leaf.shape[1], leaf.shape[2], N_dense.shape[0]
    span, effects = widest(layout)
    M, Y = np.empty((effects, effects, 1)), np.empty((effects, span, 1))
    H, spread = np.empty((span, span, 1)), np.empty((effects, effects))
    P, F = np.empty((effects, span)), np.empty((effects, K))
    stop, stop_fixed = variances.shape[0], with_fixed.shape[0]
    for level in range(int(layout[LEVELS]) - 1, -1, -1):
        J, m, q, first = level_sizes(layout, level)
        z = level_columns(layout, level)
        L, Lambda = level_root(layout, roots, level), level_factor(layout, factors, level)
        S = leaf if level == 0 else upper
        begin, begin_fixed = stop - J * q * q, stop_fixed - J * p * q
        FD = np.empty((q, most_slots(starts, first, J)))
        for g in range(J):
            at = g if level == 0 else first + g - leaves
            above = parent[first + g] - leaves
            slot, end = starts[first + g], starts[first + g + 1]
            factor_chunk(S, at, 1, z, L, M, Y, H, 0)
            effect_map(M, Y, Lambda, m, spread, P)
            rows_times(P, S, at, z, q, F)
            slots_times(P, C, slot, end, z, q, FD)
            variance = variances[begin + g * q * q : begin + (g + 1) * q * q].reshape(q, q)
            sandwich(F, D_all[above], q, variance)
            add_given_above(M, spread, q, variance)
            add_slot_covariances(F, FD, slot, end, columns, up, crossed, G, q, variance)
            fixed = with_fixed[begin_fixed + g * p * q : begin_fixed + (g + 1) * p * q].reshape(p, q)
            for r in range(p):
                for a in range(q):
                    s = 0.0
                    for c in range(K):
                        s += N_all[above, r, c] * F[a, c]
                    for t in range(slot, end):
                        s += N_dense[r, columns[t]] * FD[a, t - slot]
                    fixed[r, a] = s
            if level > 0:
                pass_covariances(
                    S, at, z, H, slot, end, columns, up, C, G, crossed, N_dense, above, first + g - leaves, D_all, N_all
                )  # fmt: skip
        stop, stop_fixed = begin, begin_fixed


@njit
def slots_times(P: Floats, C: Floats, slot: int, end: int, z: Integers, q: int, out: Floats) -> None:
    """out = P C[z,:] over the slots of a group."""
    for a in range(q):
        for s in range(slot, end):
            v = 0.0
            for i in range(z.shape[0]):
                v += P[a, i] * C[s, z[i]]
            out[a, s - slot] = v


@njit
def add_slot_covariances(
    F: Floats,
    FD: Floats,
    slot: int,
    end: int,
    columns: Integers,
    up: Integers,
    crossed: Floats,
    G: Floats,
    q: int,
    out: Floats,
) -> None:
    """Add F cov FD' + FD cov' F' + FD G FD'."""
    for s in range(slot, end):
        for a in range(q):
            v = 0.0
            for c in range(F.shape[1]):
                v += F[a, c] * crossed[up[s], c]
            for t in range(slot, end):
                v += 0.5 * FD[a, t - slot] * G[columns[t], columns[s]]
            for b in range(q):
                out[a, b] += v * FD[b, s - slot]
                out[b, a] += v * FD[b, s - slot]


@njit
def pass_covariances(
    S: Floats,
    at: int,
    z: Integers,
    H: Floats,
    slot: int,
    end: int,
    columns: Integers,
    up: Integers,
    C: Floats,
    G: Floats,
    crossed: Floats,
    N_dense: Floats,
    above: int,
    here: int,
    D_all: Floats,
    N_all: Floats,
) -> None:
    """What a group's children see: T D T' and the like, T = I - H S[z,:] in rows z, and t = -H C[z,:] for the slots."""
    m, K, p = z.shape[0], S.shape[0], N_dense.shape[0]
    T, t = np.zeros((K, K)), np.zeros((end - slot, m))
    for c in range(K):
        T[c, c] = 1.0
    for i in range(m):
        for j in range(m):
            for c in range(K):
                T[z[i], c] -= H[i, j, 0] * S[z[j], c, at]
            for s in range(slot, end):
                t[s - slot, i] -= H[i, j, 0] * C[s, z[j]]
    sandwich(T, D_all[above], K, D_all[here])
    for i in range(m):
        for j in range(m):
            D_all[here, z[i], z[j]] += H[i, j, 0]
    TC = np.empty(K)
    for s in range(slot, end):
        for r in range(K):
            TC[r] = 0.0
            for c in range(K):
                TC[r] += T[r, c] * crossed[up[s], c]
        for r in range(K):
            crossed[s, r] = TC[r]
        for i in range(m):
            for o in range(slot, end):
                crossed[s, z[i]] += t[o - slot, i] * G[columns[o], columns[s]]
        for i in range(m):
            for r in range(K):
                D_all[here, r, z[i]] += crossed[s, r] * t[s - slot, i]
                D_all[here, z[i], r] += TC[r] * t[s - slot, i]
    for a in range(p):
        for r in range(K):
            v = 0.0
            for c in range(K):
                v += N_all[above, a, c] * T[r, c]
            N_all[here, a, r] = v
        for i in range(m):
            for s in range(slot, end):
                N_all[here, a, z[i]] += N_dense[a, columns[s]] * t[s - slot, i]


@njit
def all_scores(
    layout: Floats,
    parent: Integers,
    leaf: Floats,
    upper: Floats,
    H: Floats,
    starts: Integers,
    columns: Integers,
    C: Floats,
    D: Floats,
    taken: Floats,
    out: Floats,
) -> None:
    """Z'V^-1W of every group of every level on its inner columns, (rows, K), level after level.

    taken = H_D C (m, K) is what the crossed effects take for each column of W. A group of the tree has
    (I - S_zz H)(S[z,:] V - C[z,:] taken), with V the (K, K) map from a column of W to what its parent passes down.
    """
    K, leaves = leaf.shape[1], leaf.shape[2]
    root = starts[parent.shape[0]]
    V = np.zeros((upper.shape[2], K, K))
    for c in range(K):
        V[-1, c, c] = 1.0
    stop = 0
    for level in range(int(layout[LEVELS])):
        J, m, _, _ = level_sizes(layout, level)
        stop += J * m
    for r in range(D.shape[0]):
        for c in range(K):
            out[stop + r, c] = C[root + r, c]
            for k in range(D.shape[0]):
                out[stop + r, c] -= D[r, k] * taken[k, c]
    for level in range(int(layout[LEVELS]) - 1, -1, -1):
        J, m, _, first = level_sizes(layout, level)
        z = level_columns(layout, level)
        S = leaf if level == 0 else upper
        shift = 0 if level == 0 else leaves
        pulled, own = np.empty((m, K)), np.empty((m, K))
        begin = stop - J * m
        for j in range(J):
            g = first + j
            above = parent[g] - leaves
            for i in range(m):
                for c in range(K):
                    pulled[i, c] = 0.0  # C[z,:] taken
                    own[i, c] = 0.0  # S[z,:] V
                    for k in range(K):
                        own[i, c] += S[z[i], k, g - shift] * V[above, k, c]
                for s in range(starts[g], starts[g + 1]):
                    for c in range(K):
                        pulled[i, c] += C[s, z[i]] * taken[columns[s], c]
                for c in range(K):
                    own[i, c] -= pulled[i, c]
            for i in range(m):
                for c in range(K):
                    v = own[i, c]  # (I - S_zz H) (S[z,:] V - C[z,:] taken)
                    for a in range(m):
                        for b in range(m):
                            v -= S[z[i], z[a], g - shift] * H[a, b, g] * own[b, c]
                    out[begin + j * m + i, c] = v
            if level > 0:
                here = g - leaves
                for r in range(K):
                    for c in range(K):
                        V[here, r, c] = V[above, r, c]
                for i in range(m):
                    for c in range(K):
                        for b in range(m):
                            V[here, z[i], c] -= H[i, b, g] * own[b, c]
        stop = begin
