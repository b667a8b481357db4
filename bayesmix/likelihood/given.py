"""Crossed effects given instead of integrated out: they leave the response, and the rest of the model is nested.

Where the crossed levels have too many columns for a dense block at every step of a sampler, their effects are sampled
beside the variance parameters. With x the effects on the columns of D, y - Dx takes the place of y in the
cross-products, and every pass is that of a nested model.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import carray, types
from numpy.typing import NDArray

from bayesmix.likelihood.effects import draw_effects
from bayesmix.likelihood.kernels import (
    add_theta_part,
    density_root,
    draw_fixed,
    last_of,
    new_upper,
    scaled,
    set_last,
    sum_up,
    unpack,
)
from bayesmix.likelihood.layout import ALL_LEVELS, DENSE, GROUPS, HEADER, LENGTH, LEVELS, RECORD, RESPONSE_SCALE
from bayesmix.likelihood.passes import (
    ascend,
    assemble_roots,
    descend,
    fixed_basis,
    level_columns,
    level_sizes,
    residual_vector,
    theta_gradient,
    widest,
)
from bayesmix.likelihood.slots import integers
from bayesmix.likelihood.sources import SOURCE_HASH, cached, cached_c, njit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit
def leaf_slots(layout: Floats, body: Floats, K: int, leaves: int) -> tuple[Integers, Integers, Floats, Floats]:
    """First slot of each leaf, column of each slot, D'W by leaf slot, and D'D; without copying the last two."""
    groups = 0
    for level in range(int(layout[LEVELS])):
        groups += int(layout[HEADER + RECORD * level + GROUPS])
    at = groups + leaves * K * K
    starts = integers(body[at : at + leaves + 1])
    filled, m = starts[leaves], int(layout[DENSE])
    at += groups + 1
    slots = int(body[at])
    at += 1
    columns = integers(body[at : at + filled])
    at += 2 * slots
    sums = body[at : at + filled * K].reshape(filled, K)
    at += filled * K
    return starts, columns, sums, body[at : at + m * m].reshape(m, m)


@njit
def without_given(
    leaf: Floats, starts: Integers, columns: Integers, sums: Floats, gram: Floats, x: Floats
) -> tuple[Floats, Floats]:
    """The leaves' cross-products of [W | y - Dx], and half the slope of (y - Dx)'(y - Dx) in x."""
    K, leaves = leaf.shape[1], leaf.shape[2]
    y = K - 1
    out = leaf.copy()
    slope = np.zeros(x.shape[0])
    for g in range(leaves):
        for s in range(starts[g], starts[g + 1]):
            value = x[columns[s]]
            for c in range(y):
                out[c, y, g] -= sums[s, c] * value
                out[y, c, g] -= sums[s, c] * value
            slope[columns[s]] -= sums[s, y]
    total = 0.0
    for r in range(x.shape[0]):
        product = 0.0
        for c in range(x.shape[0]):
            product += gram[r, c] * x[c]
        total += x[r] * (2.0 * slope[r] + product)
        slope[r] += product
    out[y, y, 0] += total  # no effect lives on the response: it is summed up unchanged, wherever it stands
    return out, slope


@njit
def add_given_gradient(
    layout: Floats,
    parent: Integers,
    leaf: Floats,
    H: Floats,
    adjoint: Floats,
    starts: Integers,
    columns: Integers,
    sums: Floats,
    slope: Floats,
    d_x: Floats,
) -> None:
    """Add the derivative in x; leaf is that of :func:`without_given`, adjoint that of the leaves' parents."""
    K, leaves = leaf.shape[1], leaf.shape[2]
    y = K - 1
    _, m, _, _ = level_sizes(layout, 0)
    z = level_columns(layout, 0)
    G, pulled = np.empty(K), np.empty(m)
    for g in range(leaves):
        above = parent[g] - leaves
        for c in range(K):
            G[c] = adjoint[c, y, above]
        for i in range(m):
            pulled[i] = 0.0
            for c in range(K):
                pulled[i] += leaf[z[i], c, g] * adjoint[c, y, above]
        for i in range(m):
            for j in range(m):
                G[z[i]] -= H[i, j, g] * pulled[j]
        for s in range(starts[g], starts[g + 1]):
            for c in range(y):
                d_x[columns[s]] -= 2.0 * G[c] * sums[s, c]
    weight = adjoint[y, y, adjoint.shape[2] - 1]
    for r in range(d_x.shape[0]):
        d_x[r] += 2.0 * weight * slope[r]


def _build(source_hash: int) -> tuple[Any, ...]:
    """Compile the kernels against one state of the sources."""

    def given_density(
        vector_at: Any,
        vector_size: int,
        prior_at: Any,
        prior_size: int,
        lam_at: Any,
        lam_size: int,
        sigma: float,
        given_at: Any,
        given_size: int,
        out_at: Any,
    ) -> None:
        """As ``density``; in the place of beta stand beta (if it is explicit) and then x, both with their gradient."""
        source_hash  # noqa: B018  (a closure cell: Numba keys its cache on it)
        vector = carray(vector_at, (vector_size,))
        prior = carray(prior_at, (prior_size,))
        lam = carray(lam_at, (lam_size,))
        given = carray(given_at, (given_size,))
        out = carray(out_at, (2 + lam_size + given_size,))
        length = int(vector[LENGTH])
        layout, body = vector[:length], vector[length:]
        n_beta = given_size - int(layout[DENSE])
        parent, raw = unpack(layout, body)
        K, total = raw.shape[1], parent.shape[0]
        starts, columns, sums, gram = leaf_slots(layout, body, K, raw.shape[2])
        leaf, slope = without_given(raw, starts, columns, sums, gram, given[n_beta:])
        span, _ = widest(layout)
        upper = new_upper(parent, leaf)
        H = np.empty((span, span, total))
        E = np.empty((span, K, total))
        adjoint = new_upper(parent, leaf)
        d_omega = np.zeros((int(layout[ALL_LEVELS]), span, span))
        roots = assemble_roots(layout, scaled(lam, sigma))
        logdet = ascend(layout, parent, leaf, roots, upper, H, E, True)
        seed = np.zeros((K, K))
        density_root(layout, prior, sigma, given[:n_beta], last_of(upper), logdet, seed, out[: 2 + lam_size + n_beta])
        set_last(adjoint, seed)
        descend(layout, parent, leaf, upper, H, E, adjoint, d_omega)
        add_theta_part(theta_gradient(layout, roots, d_omega), lam, sigma, out)
        d_x = np.zeros(given_size - n_beta)
        add_given_gradient(layout, parent, leaf, H, adjoint, starts, columns, sums, slope, d_x)
        for r in range(d_x.shape[0]):
            out[2 + lam_size + n_beta + r] = -0.5 * d_x[r]

    @cached
    def given_posterior(
        layout: Floats,
        body: Floats,
        prior: Floats,
        lam: Floats,
        factors: Floats,
        sigma: Floats,
        x: Floats,
        beta: Floats,
        effect_noise: Floats,
    ) -> None:
        """As ``posterior``, for the nested levels, given x (D, m) on the columns of D in inner units."""
        source_hash  # noqa: B018
        parent, raw = unpack(layout, body)
        starts, columns, sums, gram = leaf_slots(layout, body, raw.shape[1], raw.shape[2])
        B = fixed_basis(layout)
        for d in range(sigma.shape[0]):
            inner = sigma[d] / layout[RESPONSE_SCALE]
            leaf, _ = without_given(raw, starts, columns, sums, gram, x[d])
            roots = assemble_roots(layout, scaled(lam[d], sigma[d]))
            _, upper = sum_up(layout, parent, leaf, roots)
            draw_fixed(B, last_of(upper), prior, inner, beta[d])
            if effect_noise.shape[1] > 0:
                relative = scaled(factors[d], sigma[d])
                v = residual_vector(B, beta[d])
                draw_effects(layout, parent, leaf, upper, roots, relative, v, inner, np.empty((0, 0)), effect_noise[d])

    return given_density, given_posterior


_density, given_posterior = _build(SOURCE_HASH)


@cache
def given_density_function() -> Any:
    """The compiled C function for models whose crossed effects are given."""
    pointer, size = types.CPointer(types.float64), types.intp
    arguments = (pointer, size, pointer, size, pointer, size, types.float64, pointer, size, pointer)
    return cached_c(types.void(*arguments), _density)
