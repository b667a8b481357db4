"""Second-order pass: first and second derivatives of W'V^-1W and of log|V| in the entries of every Omega, exactly.

V = I + sum Z Omega Z' is linear in the entries, so the derivatives follow from one more walk up the tree. Groups are
visited depth first and only the open group of each level is held: memory does not grow with the number of groups.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmix.likelihood.blocks import add_into, clear
from bayesmix.likelihood.layout import LEVELS
from bayesmix.likelihood.passes import level_columns, level_sizes, widest
from bayesmix.likelihood.sources import njit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit
def pair(i: int, j: int) -> int:
    """Place of the pair (i, j), either way round, in a packed triangle."""
    if i < j:
        i, j = j, i
    return i * (i + 1) // 2 + j


@njit
def add_projected(X: Floats, z: Integers, F: Floats, rows: Floats, out: Floats) -> None:
    """Add T'XT to out, with T = I - F in rows z; rows is scratch (m, K). X is symmetric."""
    m = z.shape[0]
    K = X.shape[0]
    for a in range(m):
        for c in range(K):
            s = X[z[a], c]
            for b in range(m):
                s -= 0.5 * X[z[a], z[b]] * F[b, c]
            rows[a, c] = s
    for r in range(K):
        for c in range(r + 1):
            s = X[r, c]
            for a in range(m):
                s -= F[a, r] * rows[a, c] + rows[a, r] * F[a, c]
            out[r, c] += s
            if r != c:
                out[c, r] += s


@njit
def add_symmetric_product(U: Floats, V: Floats, m: int, weight: float, out: Floats) -> None:
    """Add weight * (U'V + V'U) to out, over the first m rows of U and V."""
    K = out.shape[0]
    for r in range(K):
        for c in range(K):
            s = 0.0
            for a in range(m):
                s += U[a, r] * V[a, c] + V[a, r] * U[a, c]
            out[r, c] += weight * s


@njit
def product_rows(b: Floats, E: Floats, m: int, out: Floats) -> None:
    """out = b E over the first m rows."""
    for i in range(m):
        for c in range(E.shape[1]):
            s = 0.0
            for j in range(m):
                s += b[i, j] * E[j, c]
            out[i, c] = s


@njit
def trace_with(H: Floats, X: Floats, z: Integers) -> float:
    """tr(H X[z,z])."""
    s = 0.0
    for i in range(z.shape[0]):
        for j in range(z.shape[0]):
            s += H[i, j] * X[z[j], z[i]]
    return s


@njit
def columns_times(X: Floats, z: Integers, B: Floats, m: int, out: Floats) -> None:
    """out = (X[z,:])' seen through B: out[a, :] = sum_i B[a, i] X[z[i], :], over m rows."""
    for a in range(m):
        for c in range(X.shape[0]):
            s = 0.0
            for i in range(m):
                s += B[a, i] * X[z[i], c]
            out[a, c] = s


@njit
def lower_pairs(
    one: Floats,
    two: Floats,
    n_low: int,
    z: Integers,
    H: Floats,
    F: Floats,
    rows: Floats,
    work: Floats,
    to_two: Floats,
    ld1: Floats,
    ld2: Floats,
    to_one: Floats,
) -> None:
    """Derivatives in the entries of lower levels, carried through this group's elimination."""
    m = z.shape[0]
    K = F.shape[1]
    HX = np.empty((m, K))
    for i in range(n_low):
        ld1[i] += trace_with(H, one[i], z)
        # rows of A_i T: A_i[z,:] - A_i[z,z]F, one (m, K) block each
        for a in range(m):
            for c in range(K):
                s = one[i, z[a], c]
                for b in range(m):
                    s -= one[i, z[a], z[b]] * F[b, c]
                work[i, a, c] = s
    for i in range(n_low):
        columns_times(one[i], z, H, m, HX)  # H A_i[z,:]
        product_rows(H, work[i], m, rows)  # H (A_iT)[z,:]
        for j in range(i + 1):
            k = pair(i, j)
            ld2[k] += trace_with(H, two[k], z)
            for a in range(m):
                for b in range(m):
                    s = 0.0
                    for c in range(m):
                        s += H[a, c] * one[j, z[c], z[b]]
                    ld2[k] -= HX[b, z[a]] * s
            add_symmetric_product(rows, work[j], m, -1.0, to_two[k])
    for i in range(n_low):
        for j in range(i + 1):
            k = pair(i, j)
            add_projected(two[k], z, F, rows, to_two[k])
        add_projected(one[i], z, F, rows, to_one[i])


@njit
def own_pairs(
    E: Floats,
    z: Integers,
    mats: Floats,
    first: int,
    count: int,
    own: Floats,
    to_one: Floats,
    to_two: Floats,
    ld1: Floats,
    ld2: Floats,
) -> None:
    """Derivatives in this level's own entries, with E = A'[z,:] after elimination."""
    m = z.shape[0]
    K = E.shape[1]
    D = np.empty((m, m))
    U = np.empty((m, K))
    for i in range(m):
        for j in range(m):
            D[i, j] = 0.5 * (E[i, z[j]] + E[j, z[i]])
    for i in range(first, first + count):
        product_rows(mats[i], E, m, own[i])  # b_i E
        add_symmetric_product(E, own[i], m, -0.5, to_one[i])
        for a in range(m):
            for b in range(m):
                ld1[i] += D[a, b] * mats[i, b, a]
    for i in range(first, first + count):
        product_rows(D, own[i], m, U)  # A'_zz b_i E
        for j in range(first, i + 1):
            k = pair(i, j)
            add_symmetric_product(own[j], U, m, 1.0, to_two[k])
            for a in range(m):
                for b in range(m):
                    ld2[k] -= U[a, z[b]] * mats[j, b, a]


@njit
def mixed_pairs(
    moved: Floats,
    E: Floats,
    z: Integers,
    mats: Floats,
    own: Floats,
    n_low: int,
    first: int,
    count: int,
    to_two: Floats,
    ld2: Floats,
) -> None:
    """Derivatives in one lower and one own entry; moved holds a_i = T'A_iT of this group."""
    m = z.shape[0]
    K = E.shape[1]
    U = np.empty((m, K))
    for i in range(n_low):
        for a in range(m):
            for c in range(K):
                U[a, c] = moved[i, z[a], c]
        for j in range(first, first + count):
            k = pair(i, j)
            add_symmetric_product(U, own[j], m, -1.0, to_two[k])
            for a in range(m):
                for b in range(m):
                    ld2[k] += U[a, z[b]] * mats[j, b, a]


@njit
def walk_second_order(
    layout: Floats,
    parent: Integers,
    leaf: Floats,
    upper: Floats,
    H: Floats,
    E: Floats,
    level_of: Integers,
    mats: Floats,
    one: Floats,
    two: Floats,
    ld1: Floats,
    ld2: Floats,
) -> None:
    """Fill the last slots of one, two (levels + 1 of each) with R_i, R_ij; ld1, ld2 likewise.

    upper, H and E come from the up pass. level_of: (P,) level of each entry, ascending; mats: (P, m, m) its constant
    derivative of Omega on inner columns.
    """
    K, leaves = leaf.shape[1], leaf.shape[2]
    n_levels = int(layout[LEVELS])
    n_entries = level_of.shape[0]
    span, _ = widest(layout)
    covariance = np.empty((span, span))
    after = np.empty((span, K))
    projection = np.empty((span, K))
    rows = np.empty((span, K))
    work = np.empty((max(n_entries, 1), span, K))
    own = np.empty((max(n_entries, 1), span, K))
    moved = np.zeros((max(n_entries, 1), K, K))
    columns = np.empty((max(n_levels, 1), span), np.int64)
    lower = np.zeros(n_levels + 1, np.int64)  # entries of levels below each level
    for level in range(n_levels):
        z = level_columns(layout, level)
        for i in range(z.shape[0]):
            columns[level, i] = z[i]
    for i in range(n_entries):
        for level in range(level_of[i] + 1, n_levels + 1):
            lower[level] += 1
    for start in range(leaves if n_levels > 0 else 0):
        g = start
        for level in range(n_levels):
            _, m, _, _ = level_sizes(layout, level)
            z = columns[level, :m]
            n_low, count = lower[level], lower[level + 1] - lower[level]
            for a in range(m):
                for b in range(m):
                    covariance[a, b] = H[a, b, g]
                for k in range(K):
                    after[a, k] = E[a, k, g]
            if n_low > 0:
                project(upper, g - leaves, z, covariance, projection)
                for i in range(n_low):
                    clear(moved[i])
                lower_pairs(
                    one[level],
                    two[level],
                    n_low,
                    z,
                    covariance,
                    projection,
                    rows,
                    work,
                    two[level + 1],
                    ld1,
                    ld2,
                    moved,
                )
                for i in range(n_low):
                    add_into(one[level + 1, i], moved[i])
            own_pairs(after, z, mats, n_low, count, own, one[level + 1], two[level + 1], ld1, ld2)
            if n_low > 0:
                mixed_pairs(moved, after, z, mats, own, n_low, n_low, count, two[level + 1], ld2)
                for i in range(n_low):
                    clear(one[level, i])
                for k in range(pair(n_low, 0)):
                    clear(two[level, k])
            if level + 1 == n_levels:
                break
            above = parent[g]
            if start + 1 < leaves and ancestor(parent, start + 1, level + 1) == above:
                break  # the parent is still open
            g = above


@njit
def project(S: Floats, at: int, z: Integers, covariance: Floats, out: Floats) -> None:
    """out = H S[z,:]."""
    m = z.shape[0]
    for a in range(m):
        for c in range(S.shape[1]):
            s = 0.0
            for b in range(m):
                s += covariance[a, b] * S[z[b], c, at]
            out[a, c] = s


@njit
def ancestor(parent: Integers, leaf: int, steps: int) -> int:
    """The group ``steps`` levels above a leaf."""
    g = leaf
    for _ in range(steps):
        g = parent[g]
    return g
