"""Densities of groups and of rows given all others (or given a training set), at each draw of the variance parameters.

With W v the residuals at the best fixed effects and D their covariance over sigma^2, both carried down the tree to what
stands above a group (to a row's own group), a group of n rows with S' = W'V^-1 W and log|V| over its own effects and
those below has

    -2 log p(y_g | rest) = n log(2 pi sigma^2) + log|V| + s log|I + s D S'| + v'S'(I + s D S')^-1 v / sigma^2

where s = 1 if its rows are not among those that D and v are from, and s = -1 if they are. For one row S' = ww'.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.likelihood.blocks import cholesky, inverse_from_cholesky, times
from bayesmix.likelihood.effects import sandwich
from bayesmix.likelihood.elimination import CHUNK, add_chunk, factor_chunk, times_rows
from bayesmix.likelihood.kernels import EXPLICIT, PARTIAL, last_of, new_upper, partial_parts, product, unpack
from bayesmix.likelihood.layout import LEVELS, RESPONSE_SCALE
from bayesmix.likelihood.passes import (
    add_symmetric,
    ascend,
    fixed_basis,
    fixed_products,
    level_columns,
    level_root,
    level_sizes,
    positions,
    residual_vector,
    widest,
)
from bayesmix.likelihood.sources import SOURCE_HASH, cached, njit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit
def climb(layout: Floats, parent: Integers, leaf: Floats, roots: Floats, H: Floats, E: Floats) -> Floats:
    """The up pass, keeping H and E of every group; returns S of every group above the leaves, the root last."""
    upper = new_upper(parent, leaf)
    ascend(layout, parent, leaf, roots, upper, H, E, True)
    return upper


@njit
def fixed_effects(layout: Floats, prior: Floats, R: Floats, sigma: float, given: Floats, D: Floats, v: Floats) -> None:
    """At the root: v at the best fixed effects, and D their covariance over sigma^2; sigma in inner units."""
    B = fixed_basis(layout)
    K, p = B.shape
    if prior[0] == EXPLICIT:
        v0, others, mean, precision = residual_vector(B, given), B[:, :0].copy(), np.zeros(0), np.zeros((0, 0))
    elif prior[0] == PARTIAL:
        n_given, mean, precision, A = partial_parts(prior, p)
        v0, others = residual_vector(product(B, A, 0, n_given), given), product(B, A, n_given, p)
    else:
        v0, others = residual_vector(B, np.zeros(p)), B.copy()
        mean, precision = prior[1 : 1 + p], prior[1 + p : 1 + p + p * p].reshape(p, p)
    count, s2 = others.shape[1], sigma * sigma
    xx, _ = fixed_products(R, others)
    Rv = times(R, v0)
    P = xx / s2 + precision
    h = times(precision, mean)
    for a in range(count):
        for r in range(K):
            h[a] += others[r, a] * Rv[r] / s2
    inverse = np.zeros((count, count))
    cholesky(P, count)
    inverse_from_cholesky(P, count, inverse)
    best = times(inverse, h)
    for r in range(K):
        v[r] = v0[r]
        for a in range(count):
            v[r] -= others[r, a] * best[a]
        for c in range(K):
            D[r, c] = 0.0
    add_symmetric(D, others, inverse, 1.0 / s2)


@njit
def pass_down(
    S: Floats, at: int, z: Integers, H: Floats, g: int, D: Floats, v: Floats, T: Floats, D_out: Floats, v_out: Floats
) -> None:
    """What stands above the children of a group: T D T' + H at [z,z] and T v, T = I - H S[z,:] in rows z."""
    K, m = S.shape[0], z.shape[0]
    for r in range(K):
        for c in range(K):
            T[r, c] = 1.0 if r == c else 0.0
    for i in range(m):
        for j in range(m):
            h = H[i, j, g]
            for c in range(K):
                T[z[i], c] -= h * S[z[j], c, at]
    sandwich(T, D, K, D_out)
    for i in range(m):
        for j in range(m):
            D_out[z[i], z[j]] += H[i, j, g]
    for r in range(K):
        v_out[r] = 0.0
        for c in range(K):
            v_out[r] += T[r, c] * v[c]


@njit
def descend_to(
    layout: Floats, parent: Integers, leaves: int, upper: Floats, H: Floats, lowest: int, D: Floats, v: Floats
) -> None:
    """Fill D and v of every group of the levels from the top to the lowest asked for; the root's are there."""
    T = np.empty((upper.shape[0], upper.shape[0]))
    for level in range(int(layout[LEVELS]) - 1, lowest - 1, -1):
        J, _, _, first = level_sizes(layout, level)
        z = level_columns(layout, level)
        for g in range(first, first + J):
            above, here = parent[g] - leaves, g - leaves
            pass_down(upper, here, z, H, g, D[above], v[above], T, D[here], v[here])


@njit
def subtree_logdets(
    layout: Floats, parent: Integers, leaf: Floats, upper: Floats, roots: Floats, highest: int
) -> Floats:
    """log|V| of every group over its own effects and those below, to the highest level asked for."""
    leaves = leaf.shape[2]
    span, effects = widest(layout)
    M, Y = np.empty((effects, effects, CHUNK)), np.empty((effects, span, CHUNK))
    H = np.empty((span, span, CHUNK))
    out = np.zeros(parent.shape[0] + 1)
    for level in range(highest + 1):
        J, _, q, first = level_sizes(layout, level)
        z, L = level_columns(layout, level), level_root(layout, roots, level)
        S = leaf if level == 0 else upper
        shift = 0 if level == 0 else leaves
        for start in range(first, first + J, CHUNK):
            n = min(CHUNK, first + J - start)
            factor_chunk(S, start - shift, n, z, L, M, Y, H, 0)
            for k in range(n):
                for a in range(q):
                    out[start + k] -= np.log(M[a, a, k])
        if level < highest:
            for g in range(first, first + J):
                out[parent[g]] += out[g]
    return out


@njit
def solve_general(A: Floats, b: Floats) -> float:
    """Overwrite b with A^-1 b by elimination with pivots; return log|A|, nan where that is not positive."""
    n = A.shape[0]
    total, sign = 0.0, 1.0
    for k in range(n):
        pivot = k
        for r in range(k + 1, n):
            if abs(A[r, k]) > abs(A[pivot, k]):
                pivot = r
        if pivot != k:
            sign = -sign
            for c in range(n):
                A[k, c], A[pivot, c] = A[pivot, c], A[k, c]
            b[k], b[pivot] = b[pivot], b[k]
        if A[k, k] == 0.0:
            return np.nan
        total += np.log(abs(A[k, k]))
        sign = sign if A[k, k] > 0.0 else -sign
        for r in range(k + 1, n):
            w = A[r, k] / A[k, k]
            if w != 0.0:
                for c in range(k + 1, n):
                    A[r, c] -= w * A[k, c]
                b[r] -= w * b[k]
    for k in range(n - 1, -1, -1):
        for c in range(k + 1, n):
            b[k] -= A[k, c] * b[c]
        b[k] /= A[k, k]
    return float(total) if sign > 0.0 else np.nan


@njit
def block_density(S: Floats, D: Floats, v: Floats, seen: bool, s2: float, A: Floats, x: Floats) -> float:
    """s log|I + s D S| + v'S(I + s D S)^-1 v / sigma^2, s = -1 where the rows were seen."""
    K = v.shape[0]
    s = -1.0 if seen else 1.0
    for r in range(K):
        x[r] = v[r]
        for c in range(K):
            A[r, c] = 1.0 if r == c else 0.0
            for k in range(K):
                A[r, c] += s * D[r, k] * S[k, c, 0]
    value = s * solve_general(A, x)
    for r in range(K):
        for c in range(K):
            value += v[r] * S[r, c, 0] * x[c] / s2
    return float(value)


@njit
def row_density(w: Floats, D: Floats, v: Floats, seen: bool, s2: float) -> float:
    """The same of one row."""
    K = v.shape[0]
    spread, residual = 0.0, 0.0
    for r in range(K):
        residual += w[r] * v[r]
        for c in range(K):
            spread += w[r] * D[r, c] * w[c]
    s = -1.0 if seen else 1.0
    rest = 1.0 + s * spread
    return float(s * np.log(rest) + residual * residual / (rest * s2))


def _build(source_hash: int) -> tuple[Any, ...]:
    """Compile the kernels against one state of the sources."""

    @cached
    def group_densities(
        layout: Floats,
        body: Floats,
        whole: Floats,
        prior: Floats,
        roots: Floats,
        sigma: Floats,
        given: Floats,
        level: int,
        groups: Integers,
        sizes: Floats,
        out: Floats,
    ) -> None:
        """Fill out (D, G) with log p(y_g | y_-g, draw) of groups of a nested level, in inner units.

        body is of the rows trained on. whole is that of all rows, of which the groups' own are taken; empty where it
        is the same, and each group is then left out by itself. roots (D, size) hold B Lambda over sigma.
        """
        source_hash  # noqa: B018  (a closure cell: Numba keys its cache on it)
        parent, leaf = unpack(layout, body)
        seen = whole.shape[0] == 0
        own_leaf = leaf if seen else unpack(layout, whole)[1]
        K, leaves, total = leaf.shape[1], leaf.shape[2], parent.shape[0]
        span, _ = widest(layout)
        H, E = np.empty((span, span, total)), np.empty((span, K, total))
        own_H, own_E = (H, E) if seen else (np.empty((span, span, total)), np.empty((span, K, total)))
        _, m, _, first = level_sizes(layout, level)
        z = level_columns(layout, level)
        in_z, top = positions(z, K), np.zeros(1, np.int64)
        F, X, line = np.empty((m, K, 1)), np.empty((m, K, 1)), np.empty(1)
        A, x, after = np.empty((K, K)), np.empty(K), np.empty((K, K, 1))
        for d in range(sigma.shape[0]):
            inner = sigma[d] / layout[RESPONSE_SCALE]
            upper = climb(layout, parent, leaf, roots[d], H, E)
            own = upper if seen else climb(layout, parent, own_leaf, roots[d], own_H, own_E)
            D, v = np.zeros((upper.shape[2], K, K)), np.zeros((upper.shape[2], K))
            fixed_effects(layout, prior, last_of(upper), inner, given[d], D[-1], v[-1])
            descend_to(layout, parent, leaves, upper, H, level + 1, D, v)
            logdets = subtree_logdets(layout, parent, own_leaf, own, roots[d], level)
            S = own_leaf if level == 0 else own
            shift = 0 if level == 0 else leaves
            for i in range(groups.shape[0]):
                g = first + groups[i]
                for a in range(m):
                    for c in range(K):
                        X[a, c, 0] = S[z[a], c, g - shift]
                times_rows(own_H, g, X, 1, F)
                for r in range(K):
                    for c in range(K):
                        after[r, c, 0] = 0.0
                add_chunk(S, g - shift, 1, z, in_z, own_E, g, F, line, top, 0, 0, after)
                above = parent[g] - leaves
                value = sizes[i] * np.log(2.0 * np.pi * inner * inner) + logdets[g]
                value += block_density(after, D[above], v[above], seen, inner * inner, A, x)
                out[d, i] = -0.5 * value

    @cached
    def row_densities(
        layout: Floats,
        body: Floats,
        prior: Floats,
        roots: Floats,
        sigma: Floats,
        given: Floats,
        rows: Floats,
        leaf_of: Integers,
        places: Integers,
        seen: bool,
        out: Floats,
    ) -> None:
        """Fill out (D, n) with log p(y_i | y_-i, draw) of rows (n, K), in inner units.

        leaf_of (n,) is ascending, and row i goes to column places[i]. Where the rows are seen, body holds them.
        """
        source_hash  # noqa: B018
        parent, leaf = unpack(layout, body)
        K, leaves, total = leaf.shape[1], leaf.shape[2], parent.shape[0]
        span, _ = widest(layout)
        H, E = np.empty((span, span, max(total, 1))), np.empty((span, K, max(total, 1)))
        T, own_D, own_v = np.empty((K, K)), np.empty((K, K)), np.empty(K)
        z = level_columns(layout, 0) if total > 0 else np.empty(0, np.int64)
        for d in range(sigma.shape[0]):
            inner = sigma[d] / layout[RESPONSE_SCALE]
            s2 = inner * inner
            upper = climb(layout, parent, leaf, roots[d], H, E)
            D, v = np.zeros((upper.shape[2], K, K)), np.zeros((upper.shape[2], K))
            fixed_effects(layout, prior, last_of(upper), inner, given[d], D[-1], v[-1])
            descend_to(layout, parent, leaves, upper, H, 1, D, v)
            before = -1
            for i in range(rows.shape[0]):
                g = leaf_of[i]
                if g != before:
                    if total > 0:
                        above = parent[g] - leaves
                        pass_down(leaf, g, z, H, g, D[above], v[above], T, own_D, own_v)
                    else:
                        own_D[:] = D[-1]
                        own_v[:] = v[-1]
                    before = g
                value = np.log(2.0 * np.pi * s2) + row_density(rows[i], own_D, own_v, seen, s2)
                out[d, places[i]] = -0.5 * value

    return group_densities, row_densities


def _hash() -> int:
    """Of the kernel sources and of this file, on which no other kernel rests."""
    digest = hashlib.sha256(SOURCE_HASH.to_bytes(8, "big") + Path(__file__).read_bytes())
    return int.from_bytes(digest.digest()[:8], "big") >> 2


group_densities, row_densities = _build(_hash())
