"""Up and down the tree: W'V^-1W and log|V| from the leaves to the root, and their exact derivatives back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmix.likelihood.blocks import cholesky, inverse_from_cholesky, times
from bayesmix.likelihood.elimination import CHUNK, WELL_CONDITIONED, add_chunk, adjoint_chunk, factor_chunk, rows_chunk
from bayesmix.likelihood.layout import (
    ALL_LEVELS,
    AT_BASIS,
    AT_COLUMNS,
    AT_ENTRIES,
    AT_FIXED,
    AT_ROOT,
    EFFECTS,
    ENTRIES,
    ENTRY_COUNT,
    ENTRY_FIRST,
    FIRST,
    FIXED,
    GROUPS,
    HEADER,
    LEVELS,
    RECORD,
    ROOT_SIZE,
    ROWS,
    SPAN,
    WIDTH,
)
from bayesmix.likelihood.sources import inlined, njit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit
def level_sizes(layout: Floats, level: int) -> tuple[int, int, int, int]:
    """Groups J, inner columns m, effects q and first group of a level."""
    at = HEADER + RECORD * level
    return int(layout[at + GROUPS]), int(layout[at + SPAN]), int(layout[at + EFFECTS]), int(layout[at + FIRST])


@njit
def level_columns(layout: Floats, level: int) -> Integers:
    """The inner columns z of a level."""
    at = HEADER + RECORD * level
    m = int(layout[at + SPAN])
    start = int(layout[at + AT_COLUMNS])
    z = np.empty(m, np.int64)
    for i in range(m):
        z[i] = int(layout[start + i])
    return z


@njit
def positions(z: Integers, K: int) -> Integers:
    """Where each of K columns stands in z, -1 where it does not."""
    at = np.full(K, -1, np.int64)
    for i in range(z.shape[0]):
        at[z[i]] = i
    return at


@njit
def level_root(layout: Floats, roots: Floats, level: int) -> Floats:
    """L = B Lambda of a level, shape (m, q)."""
    at = HEADER + RECORD * level
    m = int(layout[at + SPAN])
    q = int(layout[at + EFFECTS])
    start = int(layout[at + AT_ROOT])
    return roots[start : start + m * q].reshape(m, q)


@njit
def outer(L: Floats) -> Floats:
    """L L'."""
    m, q = L.shape
    omega = np.zeros((m, m))
    for i in range(m):
        for j in range(m):
            for a in range(q):
                omega[i, j] += L[i, a] * L[j, a]
    return omega


@njit
def widest(layout: Floats) -> tuple[int, int]:
    """Largest m and largest q of all levels, at least 1."""
    m, q = 1, 1
    for level in range(int(layout[ALL_LEVELS])):
        _, span, effects, _ = level_sizes(layout, level)
        m = max(m, span)
        q = max(q, effects)
    return m, q


@inlined
def ascend(
    layout: Floats, parent: Integers, leaf: Floats, roots: Floats, upper: Floats, H: Floats, E: Floats, keep: bool
) -> float:
    """Up pass. Fills upper (S of every group above the leaves, the root last), returns log|V|.

    With ``keep``, H and E = S'[z,:] of every group stay for the way down; without, they are scratch for one chunk.
    """
    K, leaves = leaf.shape[1], leaf.shape[2]
    n_levels = int(layout[LEVELS])
    if n_levels == 0:
        for r in range(K):
            for c in range(K):
                upper[r, c, 0] += leaf[r, c, 0]
        return 0.0
    _, effects = widest(layout)
    M = np.empty((effects, effects, CHUNK))
    line = np.empty(CHUNK)
    logdet, product = 0.0, 1.0
    for level in range(n_levels):
        J, m, q, first = level_sizes(layout, level)
        z = level_columns(layout, level)
        in_z = positions(z, K)
        L = level_root(layout, roots, level)
        omega = outer(L)
        Y = np.empty((max(q, 1), m, CHUNK))
        F = np.empty((m, K, CHUNK))
        X = np.empty((m, K, CHUNK))
        rest = np.empty((m, K, CHUNK))
        S = leaf if level == 0 else upper
        shift = 0 if level == 0 else leaves
        for start in range(first, first + J, CHUNK):
            n = min(CHUNK, first + J - start)
            slot = start if keep else 0
            at = start - shift
            largest = factor_chunk(S, at, n, z, L, M, Y, H, slot)
            refine = not largest < WELL_CONDITIONED
            rows_chunk(S, at, n, z, omega, H, slot, E, slot, F, X, rest, refine)
            add_chunk(S, at, n, z, in_z, E, slot, F, line, parent, start, leaves, upper)
            for b in range(q):
                for k in range(n):
                    product *= M[b, b, k]
                    if not 1e-100 < product < 1e100:  # one logarithm for many factors, but no overflow
                        logdet -= np.log(product)
                        product = 1.0
    return float(logdet - np.log(product))


@inlined
def descend(
    layout: Floats,
    parent: Integers,
    leaf: Floats,
    upper: Floats,
    H: Floats,
    E: Floats,
    adjoint: Floats,
    d_omega: Floats,
) -> None:
    """Down pass. From the adjoint of R at the root (its last entry) to dOmega of every level, (levels, m, m)."""
    for level in range(int(layout[LEVELS]) - 1, -1, -1):
        descend_level(layout, level, parent, leaf, upper, H, E, adjoint, d_omega)


@njit
def descend_level(
    layout: Floats,
    level: int,
    parent: Integers,
    leaf: Floats,
    upper: Floats,
    H: Floats,
    E: Floats,
    adjoint: Floats,
    d_omega: Floats,
) -> None:
    """dOmega of one level, and the adjoint of its groups for the level below."""
    K, leaves = leaf.shape[1], leaf.shape[2]
    line = np.empty(CHUNK)
    J, m, _, first = level_sizes(layout, level)
    z = level_columns(layout, level)
    EG = np.empty((m, K, CHUNK))
    F = np.empty((m, K))
    FG = np.empty((m, K))
    for start in range(first, first + J, CHUNK):
        n = min(CHUNK, first + J - start)
        adjoint_chunk(E, start, n, z, adjoint, parent, start, leaves, EG, line, level, d_omega)
    if level > 0:
        for g in range(first, first + J):
            pass_adjoint(upper, g - leaves, z, H, g, parent[g] - leaves, F, FG, adjoint)


@njit
def pass_adjoint(
    S: Floats, at: int, z: Integers, H: Floats, g: int, above: int, F: Floats, FG: Floats, adjoint: Floats
) -> None:
    """The adjoint of the children of g, T G T' + H at [z,z] with T = I - H S[z,:] in rows z."""
    m = z.shape[0]
    K = S.shape[0]
    for a in range(m):
        for c in range(K):
            s = 0.0
            for b in range(m):
                s += H[a, b, g] * S[z[b], c, at]
            F[a, c] = s
    for a in range(m):
        for c in range(K):
            s = 0.0
            for k in range(K):
                s += F[a, k] * adjoint[k, c, above]
            FG[a, c] = s
    for r in range(K):
        for c in range(K):
            adjoint[r, c, at] = adjoint[r, c, above]
    for a in range(m):
        for c in range(K):
            adjoint[z[a], c, at] -= FG[a, c]
            adjoint[c, z[a], at] -= FG[a, c]
    for a in range(m):
        for b in range(m):
            s = H[a, b, g]
            for k in range(K):
                s += FG[a, k] * F[b, k]
            adjoint[z[a], z[b], at] += s


@njit
def fixed_basis(layout: Floats) -> Floats:
    """The (K, p) map from fixed effects to inner columns."""
    K = int(layout[WIDTH])
    p = int(layout[FIXED])
    start = int(layout[AT_FIXED])
    return layout[start : start + K * p].reshape(K, p)


@njit
def fixed_products(R: Floats, B: Floats) -> tuple[Floats, Floats]:
    """R_xx and R_xy of the fixed effects, from R over the inner columns (the response is the last)."""
    K, p = B.shape
    RB = np.zeros((K, p))
    for r in range(K):
        for a in range(p):
            s = 0.0
            for c in range(K):
                s += R[r, c] * B[c, a]
            RB[r, a] = s
    xx = np.zeros((p, p))
    for a in range(p):
        for b in range(p):
            s = 0.0
            for r in range(K):
                s += B[r, a] * RB[r, b]
            xx[a, b] = s
    return xx, RB[K - 1].copy()


@njit
def residual_vector(B: Floats, beta: Floats) -> Floats:
    """v: minus the fixed part at its columns, 1 at the response, so that Wv = y - X beta."""
    K, p = B.shape
    v = np.zeros(K)
    v[K - 1] = 1.0
    for r in range(K):
        for a in range(p):
            v[r] -= B[r, a] * beta[a]
    return v


@njit
def quadratic(R: Floats, v: Floats) -> float:
    """v'Rv."""
    total = 0.0
    for r in range(v.shape[0]):
        for c in range(v.shape[0]):
            total += v[r] * R[r, c] * v[c]
    return total


@njit
def add_symmetric(G: Floats, B: Floats, inverse: Floats, weight: float) -> None:
    """Add weight * B inverse B' to G."""
    K, p = B.shape
    for r in range(K):
        for a in range(p):
            s = 0.0
            for b in range(p):
                s += B[r, b] * inverse[b, a]
            for c in range(K):
                G[r, c] += weight * s * B[c, a]


@inlined
def profiled_root(
    layout: Floats, R: Floats, logdet: float, reml: bool, G: Floats
) -> tuple[float, Floats, float, Floats]:
    """Profiled deviance at the root, beta and sigma at their optima; adds its adjoint to G.

    Returns value, beta, r2 and the inverse of R_xx. Bates et al. (2015), eqs 34 and 41.
    """
    B = fixed_basis(layout)
    p = B.shape[1]
    n = layout[ROWS]
    xx, beta = fixed_products(R, B)
    inverse = np.zeros((p, p))
    log_xx = cholesky(xx, p)
    inverse_from_cholesky(xx, p, inverse)
    beta = times(inverse, beta)
    v = residual_vector(B, beta)
    r2 = quadratic(R, v)
    nu = n - p if reml else n
    value = logdet + nu * (1.0 + np.log(2.0 * np.pi * r2 / nu))
    for r in range(v.shape[0]):
        for c in range(v.shape[0]):
            G[r, c] += nu / r2 * v[r] * v[c]
    if reml:
        value += log_xx
        add_symmetric(G, B, inverse, 1.0)
    return value, beta, r2, inverse


@inlined
def marginal_root(
    layout: Floats,
    R: Floats,
    logdet: float,
    sigma: float,
    v0: Floats,
    B: Floats,
    mean: Floats,
    precision: Floats,
    G: Floats,
) -> tuple[float, float, Floats]:
    """-2 log of the density of W v0 - X b times exp(-(b - mean)'precision (b - mean)/2), integrated over b.

    B (K, p) maps b to the inner columns; without fixed effects outside b, v0 is 1 at the response. The constants of
    the prior of b and of the integral are left out. Adds the adjoint of R to G; returns the value, its derivative in
    sigma at fixed Omega, and v at the best b.
    """
    K, p = B.shape
    n = layout[ROWS]
    s2 = sigma * sigma
    xx, _ = fixed_products(R, B)
    Rv = times(R, v0)
    P = xx / s2 + precision
    h = times(precision, mean)
    for a in range(p):
        for r in range(K):
            h[a] += B[r, a] * Rv[r] / s2
    inverse = np.zeros((p, p))
    log_p = cholesky(P, p)
    inverse_from_cholesky(P, p, inverse)
    b = times(inverse, h)
    v = v0.copy()
    for r in range(K):
        for a in range(p):
            v[r] -= B[r, a] * b[a]
    quad = quadratic(R, v)
    value = n * np.log(2.0 * np.pi * s2) + logdet + log_p + quad / s2 + quadratic(precision, b - mean)
    trace = 0.0
    for a in range(p):
        for c in range(p):
            trace += inverse[a, c] * xx[c, a]
    for r in range(K):
        for c in range(K):
            G[r, c] += v[r] * v[c] / s2
    add_symmetric(G, B, inverse, 1.0 / s2)
    return value, 2.0 * (n - trace / s2 - quad / s2) / sigma, v


@inlined
def explicit_root(layout: Floats, R: Floats, logdet: float, sigma: float, v: Floats, G: Floats) -> tuple[float, float]:
    """-2 log density of Wv, nothing integrated, and its derivative in sigma; adds its adjoint to G."""
    n = layout[ROWS]
    s2 = sigma * sigma
    quad = quadratic(R, v)
    for r in range(v.shape[0]):
        for c in range(v.shape[0]):
            G[r, c] += v[r] * v[c] / s2
    return n * np.log(2.0 * np.pi * s2) + logdet + quad / s2, 2.0 * (n - quad / s2) / sigma


@njit
def explicit_gradient(R: Floats, v: Floats, B: Floats, sigma: float, d_beta: Floats) -> None:
    """Add the gradient of v'Rv / sigma^2 in coefficients that enter v as -B beta."""
    Rv = times(R, v)
    for a in range(B.shape[1]):
        for r in range(B.shape[0]):
            d_beta[a] -= 2.0 * B[r, a] * Rv[r] / sigma**2


@njit
def assemble_roots(layout: Floats, theta: Floats) -> Floats:
    """L = B Lambda(theta) of every level, flat."""
    roots = np.zeros(int(layout[ROOT_SIZE]))
    for level in range(int(layout[ALL_LEVELS])):
        at = HEADER + RECORD * level
        _, m, q, _ = level_sizes(layout, level)
        basis = int(layout[at + AT_BASIS])
        entries = int(layout[at + AT_ENTRIES])
        first = int(layout[at + ENTRY_FIRST])
        start = int(layout[at + AT_ROOT])
        for k in range(int(layout[at + ENTRY_COUNT])):
            row = int(layout[entries + 2 * k])
            column = int(layout[entries + 2 * k + 1])
            for i in range(m):
                roots[start + i * q + column] += layout[basis + i * q + row] * theta[first + k]
    return roots


@njit
def theta_gradient(layout: Floats, roots: Floats, d_omega: Floats) -> Floats:
    """From dOmega of nested levels to the gradient in theta."""
    d_roots = np.zeros(roots.shape[0])
    add_root_gradient(layout, roots, d_omega, d_roots)
    return gather_theta(layout, d_roots)


@njit
def add_root_gradient(layout: Floats, roots: Floats, d_omega: Floats, d_roots: Floats) -> None:
    """Add dOmega L of every nested level, flat as the roots are."""
    for level in range(int(layout[LEVELS])):
        _, m, q, _ = level_sizes(layout, level)
        start = int(layout[HEADER + RECORD * level + AT_ROOT])
        L = level_root(layout, roots, level)
        for i in range(m):
            for b in range(q):
                for j in range(m):
                    d_roots[start + i * q + b] += d_omega[level, i, j] * L[j, b]


@njit
def gather_theta(layout: Floats, d_roots: Floats) -> Floats:
    """The free entries of B' 2 dOmega L."""
    gradient = np.zeros(int(layout[ENTRIES]))
    for level in range(int(layout[ALL_LEVELS])):
        at = HEADER + RECORD * level
        _, m, q, _ = level_sizes(layout, level)
        basis = int(layout[at + AT_BASIS])
        entries = int(layout[at + AT_ENTRIES])
        first = int(layout[at + ENTRY_FIRST])
        start = int(layout[at + AT_ROOT])
        for k in range(int(layout[at + ENTRY_COUNT])):
            row = int(layout[entries + 2 * k])
            column = int(layout[entries + 2 * k + 1])
            for i in range(m):
                gradient[first + k] += 2.0 * layout[basis + i * q + row] * d_roots[start + i * q + column]
    return gradient
