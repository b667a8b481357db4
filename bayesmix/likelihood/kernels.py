"""The compiled entry points. Everything that is fitted, sampled or predicted goes through these.

``layout`` is described in :mod:`bayesmix.likelihood.layout`; ``body`` holds the global number of each group's parent
and then the (K, K, J) cross-products of the lowest groups, depth first. All kernels take the same two types, so that
their parts are compiled once.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import carray, types
from numpy.typing import NDArray

from bayesmix.likelihood.blocks import cholesky, inverse_from_cholesky, solve_upper, times
from bayesmix.likelihood.curvature import walk_second_order
from bayesmix.likelihood.effects import draw_effects, effect_covariances
from bayesmix.likelihood.elimination import CHUNK
from bayesmix.likelihood.layout import (
    GROUPS,
    HEADER,
    LEAVES,
    LENGTH,
    LEVELS,
    LOG_JACOBIAN,
    RECORD,
    RESPONSE_SCALE,
    ROWS,
    WIDTH,
)
from bayesmix.likelihood.passes import (
    ascend,
    assemble_roots,
    descend,
    explicit_gradient,
    explicit_root,
    fixed_basis,
    fixed_products,
    marginal_root,
    profiled_root,
    residual_vector,
    theta_gradient,
    widest,
)
from bayesmix.likelihood.sources import SOURCE_HASH, cached, cached_c, inlined, njit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Prior of the inner fixed effects beta: the kind, and what it needs.
#   FLAT, NORMAL   integrated out; mean (p,) and precision (p, p)
#   EXPLICIT       given, all of them
#   PARTIAL        beta = A [given; b], b integrated out: how many are given, a constant of the value in -2 log units,
#                  then mean and precision of b and A (p, p), whose first columns belong to those given
FLAT, NORMAL, EXPLICIT, PARTIAL = 0.0, 1.0, 2.0, 3.0


@njit
def unpack(layout: Floats, body: Floats) -> tuple[Integers, Floats]:
    """The parents of all groups and the leaf cross-products, out of the one flat body."""
    total = 0
    for level in range(int(layout[LEVELS])):
        total += int(layout[HEADER + RECORD * level + GROUPS])
    parent = np.empty(total, np.int64)
    for g in range(total):
        parent[g] = int(body[g])
    K = int(layout[WIDTH])
    leaves = int(layout[LEAVES])
    return parent, body[total : total + leaves * K * K].reshape(K, K, leaves)


@njit
def scaled(x: Floats, divisor: float) -> Floats:
    """x / divisor, as a loop."""
    out = np.empty(x.shape[0])
    for i in range(x.shape[0]):
        out[i] = x[i] / divisor
    return out


@njit
def new_upper(parent: Integers, leaf: Floats) -> Floats:
    """Room for S of every group above the leaves and, last, of the root."""
    return np.zeros((leaf.shape[1], leaf.shape[1], max(parent.shape[0] - leaf.shape[2], 0) + 1))


@njit
def last_of(upper: Floats) -> Floats:
    """The matrix of the root, (K, K)."""
    K = upper.shape[0]
    out = np.empty((K, K))
    for r in range(K):
        for c in range(K):
            out[r, c] = upper[r, c, upper.shape[2] - 1]
    return out


@njit
def set_last(upper: Floats, matrix: Floats) -> None:
    """Write the matrix of the root."""
    for r in range(matrix.shape[0]):
        for c in range(matrix.shape[1]):
            upper[r, c, upper.shape[2] - 1] = matrix[r, c]


@inlined
def sum_up(layout: Floats, parent: Integers, leaf: Floats, roots: Floats) -> tuple[float, Floats]:
    """The up pass alone: log|V| and S of every group above the leaves."""
    K = leaf.shape[1]
    span, _ = widest(layout)
    upper = new_upper(parent, leaf)
    scratch = np.empty((span, span, CHUNK)), np.empty((span, K, CHUNK))
    logdet = ascend(layout, parent, leaf, roots, upper, scratch[0], scratch[1], False)
    return logdet, upper


@njit
def partial_parts(prior: Floats, p: int) -> tuple[int, Floats, Floats, Floats]:
    """Of a PARTIAL prior: number given, mean and precision of the others, and A."""
    n_given = int(prior[1])
    m = p - n_given
    at = 3 + m + m * m
    return n_given, prior[3 : 3 + m], prior[3 + m : at].reshape(m, m), prior[at : at + p * p].reshape(p, p)


@njit
def product(A: Floats, B: Floats, first: int, last: int) -> Floats:
    """A times the columns of B from first to before last."""
    out = np.zeros((A.shape[0], last - first))
    for i in range(A.shape[0]):
        for j in range(last - first):
            for k in range(A.shape[1]):
                out[i, j] += A[i, k] * B[k, first + j]
    return out


@njit
def draw_fixed(B: Floats, R: Floats, prior: Floats, sigma: float, out: Floats) -> None:
    """Replace the standard normals in out, which stand behind given values, by a draw of beta given the variances."""
    if prior[0] == EXPLICIT:
        return
    p = B.shape[1]
    if prior[0] == PARTIAL:
        n_given, mean, precision, A = partial_parts(prior, p)
        v0 = residual_vector(product(B, A, 0, n_given), out[:n_given])
        draw_normal(product(B, A, n_given, p), R, v0, mean, precision, sigma, out[n_given:])
        beta = times(A, out)
        for a in range(p):
            out[a] = beta[a]
    else:
        precision = prior[1 + p : 1 + p + p * p].reshape(p, p)
        draw_normal(B, R, residual_vector(B, np.zeros(p)), prior[1 : 1 + p], precision, sigma, out)


@njit
def draw_normal(B: Floats, R: Floats, v0: Floats, mean: Floats, precision: Floats, sigma: float, out: Floats) -> None:
    """Replace the standard normals in out by a draw of b, which enters v0 as -B b, given the variances."""
    K, p = B.shape
    xx, _ = fixed_products(R, B)
    Rv = times(R, v0)
    P = xx / sigma**2 + precision
    h = times(precision, mean)
    for a in range(p):
        for r in range(K):
            h[a] += B[r, a] * Rv[r] / sigma**2
    inverse = np.zeros((p, p))
    cholesky(P, p)
    inverse_from_cholesky(P, p, inverse)
    centre = times(inverse, h)
    solve_upper(P, p, out)
    for a in range(p):
        out[a] += centre[a]


@njit
def density_root(
    layout: Floats,
    prior: Floats,
    sigma: float,
    beta: Floats,
    R: Floats,
    logdet: float,
    seed: Floats,
    out: Floats,
) -> None:
    """The root's part of out = value, d_sigma (at fixed Omega), d_lam (not yet), d_beta; adds the adjoint of R."""
    B = fixed_basis(layout)
    p = B.shape[1]
    scale = layout[RESPONSE_SCALE]
    n_lam = out.shape[0] - 2 - beta.shape[0]
    inner = sigma / scale
    d_beta = np.zeros(beta.shape[0])
    constant = -layout[ROWS] * np.log(scale)
    if prior[0] == EXPLICIT:
        v = residual_vector(B, beta)
        value, d_sigma = explicit_root(layout, R, logdet, inner, v, seed)
        explicit_gradient(R, v, B, inner, d_beta)
    elif prior[0] == PARTIAL:
        n_given, mean, precision, A = partial_parts(prior, p)
        own = product(B, A, 0, n_given)
        v0, others = residual_vector(own, beta), product(B, A, n_given, p)
        value, d_sigma, v = marginal_root(layout, R, logdet, inner, v0, others, mean, precision, seed)
        explicit_gradient(R, v, own, inner, d_beta)
        value += prior[2]
    else:
        mean = prior[1 : 1 + p]
        precision = prior[1 + p : 1 + p + p * p].reshape(p, p)
        v0 = residual_vector(B, np.zeros(p))
        value, d_sigma, v = marginal_root(layout, R, logdet, inner, v0, B, mean, precision, seed)
        if prior[0] == FLAT:
            value -= p * np.log(2.0 * np.pi)
            constant += p * np.log(scale) - layout[LOG_JACOBIAN]
        else:
            value -= cholesky(precision.copy(), p)
    for a in range(beta.shape[0]):
        out[2 + n_lam + a] = -0.5 * d_beta[a]
    out[0] = constant - 0.5 * value
    out[1] = -0.5 * d_sigma / scale


@njit
def add_theta_part(gradient: Floats, lam: Floats, sigma: float, out: Floats) -> None:
    """From the gradient in theta = lam / sigma to those in lam and sigma."""
    for k in range(lam.shape[0]):
        out[1] += 0.5 * gradient[k] * lam[k] / sigma**2
        out[2 + k] = -0.5 * gradient[k] / sigma


def _build(source_hash: int) -> tuple[Any, ...]:
    """Compile the kernels against one state of the sources."""

    @cached
    def profiled(
        theta: Floats, layout: Floats, body: Floats, reml: bool
    ) -> tuple[float, Floats, Floats, Floats, float, Floats]:
        """Profiled deviance, its gradient in theta, dOmega by level, beta, r2 and the inverse of R_xx."""
        source_hash  # noqa: B018  (a closure cell: Numba keys its cache on it)
        parent, leaf = unpack(layout, body)
        K = leaf.shape[1]
        total = parent.shape[0]
        span, _ = widest(layout)
        upper = new_upper(parent, leaf)
        H = np.empty((span, span, max(total, 1)))
        E = np.empty((span, K, max(total, 1)))
        adjoint = new_upper(parent, leaf)
        d_omega = np.zeros((max(int(layout[LEVELS]), 1), span, span))
        roots = assemble_roots(layout, theta)
        logdet = ascend(layout, parent, leaf, roots, upper, H, E, True)
        seed = np.zeros((K, K))
        value, beta, r2, inverse = profiled_root(layout, last_of(upper), logdet, reml, seed)
        set_last(adjoint, seed)
        descend(layout, parent, leaf, upper, H, E, adjoint, d_omega)
        return value, theta_gradient(layout, roots, d_omega), d_omega, beta, r2, inverse

    @cached
    def root_products(roots: Floats, layout: Floats, body: Floats) -> tuple[Floats, float, Floats]:
        """R = W'V^-1W, log|V| and the S of every group above the leaves, (K, K, groups), the root last."""
        source_hash  # noqa: B018
        parent, leaf = unpack(layout, body)
        logdet, upper = sum_up(layout, parent, leaf, roots)
        return last_of(upper), logdet, upper

    def density(
        vector_at: Any,
        vector_size: int,
        prior_at: Any,
        prior_size: int,
        lam_at: Any,
        lam_size: int,
        sigma: float,
        beta_at: Any,
        beta_size: int,
        out_at: Any,
    ) -> None:
        """The C function behind :func:`log_density`; fills out = value, d_sigma, d_lam, d_beta."""
        source_hash  # noqa: B018
        vector = carray(vector_at, (vector_size,))
        prior = carray(prior_at, (prior_size,))
        lam = carray(lam_at, (lam_size,))
        beta = carray(beta_at, (beta_size,))
        out = carray(out_at, (2 + lam_size + beta_size,))
        length = int(vector[LENGTH])
        layout = vector[:length]
        parent, leaf = unpack(layout, vector[length:])
        K = leaf.shape[1]
        total = parent.shape[0]
        span, _ = widest(layout)
        upper = new_upper(parent, leaf)
        H = np.empty((span, span, max(total, 1)))
        E = np.empty((span, K, max(total, 1)))
        adjoint = new_upper(parent, leaf)
        d_omega = np.zeros((max(int(layout[LEVELS]), 1), span, span))
        roots = assemble_roots(layout, scaled(lam, sigma))
        logdet = ascend(layout, parent, leaf, roots, upper, H, E, True)
        seed = np.zeros((K, K))
        density_root(layout, prior, sigma, beta, last_of(upper), logdet, seed, out)
        set_last(adjoint, seed)
        descend(layout, parent, leaf, upper, H, E, adjoint, d_omega)
        add_theta_part(theta_gradient(layout, roots, d_omega), lam, sigma, out)

    @cached
    def second_order(
        roots: Floats, layout: Floats, body: Floats, level_of: Integers, mats: Floats
    ) -> tuple[Floats, Floats, Floats, float, Floats, Floats]:
        """R, R_i, R_ij, log|V| and its ld_i, ld_ij, in the entries of Omega (packed pairs i >= j)."""
        source_hash  # noqa: B018
        parent, leaf = unpack(layout, body)
        K = leaf.shape[1]
        n = level_of.shape[0]
        depth = int(layout[LEVELS]) + 1
        total = parent.shape[0]
        span, _ = widest(layout)
        upper = new_upper(parent, leaf)
        H = np.empty((span, span, max(total, 1)))
        E = np.empty((span, K, max(total, 1)))
        one = np.zeros((depth, n, K, K))
        two = np.zeros((depth, n * (n + 1) // 2, K, K))
        ld1 = np.zeros(n)
        ld2 = np.zeros(n * (n + 1) // 2)
        logdet = ascend(layout, parent, leaf, roots, upper, H, E, True)
        walk_second_order(layout, parent, leaf, upper, H, E, level_of, mats, one, two, ld1, ld2)
        return last_of(upper), one[depth - 1], two[depth - 1], logdet, ld1, ld2

    @cached
    def effects(
        layout: Floats, body: Floats, roots: Floats, factors: Floats, v_root: Floats, sigma: float, out: Floats
    ) -> None:
        """Group effects given v at the root, in place of the standard normals in out (zeros: their means)."""
        source_hash  # noqa: B018
        parent, leaf = unpack(layout, body)
        _, upper = sum_up(layout, parent, leaf, roots)
        draw_effects(layout, parent, leaf, upper, roots, factors, v_root, sigma, np.empty((0, 0)), out)

    @cached
    def covariances(
        layout: Floats,
        body: Floats,
        roots: Floats,
        factors: Floats,
        D_root: Floats,
        N_root: Floats,
        variances: Floats,
        with_fixed: Floats,
    ) -> None:
        """Conditional covariances of the effects, and with the fixed effects, over sigma^2 (flat, by level)."""
        source_hash  # noqa: B018
        parent, leaf = unpack(layout, body)
        _, upper = sum_up(layout, parent, leaf, roots)
        effect_covariances(layout, parent, leaf, upper, roots, factors, D_root, N_root, variances, with_fixed)

    @cached
    def posterior(
        layout: Floats,
        body: Floats,
        prior: Any,
        lam: Floats,
        factors: Floats,
        sigma: Floats,
        beta: Floats,
        effect_noise: Floats,
    ) -> None:
        """Exact draws of beta and u for each draw of (lam, sigma), in place of the standard normals given.

        lam (D, k) free entries and factors (D, f) full factors, both absolute; sigma (D,); beta (D, p) normals, or the
        values themselves of those that were sampled, in front; effect_noise (D, effects). Results are in inner units.
        """
        source_hash  # noqa: B018
        parent, leaf = unpack(layout, body)
        scale = layout[RESPONSE_SCALE]
        B = fixed_basis(layout)
        for d in range(sigma.shape[0]):
            inner = sigma[d] / scale
            roots = assemble_roots(layout, scaled(lam[d], sigma[d]))
            _, upper = sum_up(layout, parent, leaf, roots)
            draw_fixed(B, last_of(upper), prior, inner, beta[d])
            if effect_noise.shape[1] > 0:
                v = residual_vector(B, beta[d])
                relative = scaled(factors[d], sigma[d])
                draw_effects(layout, parent, leaf, upper, roots, relative, v, inner, np.empty((0, 0)), effect_noise[d])

    return profiled, root_products, density, second_order, effects, covariances, posterior


profiled, root_products, _density, second_order, effects, covariances, posterior = _build(SOURCE_HASH)


@cache
def density_function() -> Any:
    """The compiled C function that compiled graphs call by its symbol; its code is not copied into each of them."""
    pointer, size = types.CPointer(types.float64), types.intp
    arguments = (pointer, size, pointer, size, pointer, size, types.float64, pointer, size, pointer)
    return cached_c(types.void(*arguments), _density)
