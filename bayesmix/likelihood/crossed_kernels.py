"""The compiled entry points for models with crossed levels; those of nested models are in ``kernels``.

The passes up and down the tree are the same. What is added are the crossed columns, slot by slot beside them, and
their elimination as a dense block at the root. Arguments are those of :mod:`bayesmix.likelihood.kernels`, with the
crossing behind the cross-products in ``body``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import carray, types
from numpy.typing import NDArray

from bayesmix.likelihood.crossed import all_scores, crossed_effect_covariances, draw_dense, pull_of
from bayesmix.likelihood.dense import backward, dense_adjoints, dense_effects, eliminate_dense, root_times
from bayesmix.likelihood.effects import draw_effects
from bayesmix.likelihood.kernels import (
    add_theta_part,
    density_root,
    draw_fixed,
    last_of,
    new_upper,
    scaled,
    set_last,
    unpack,
)
from bayesmix.likelihood.layout import ALL_LEVELS, DENSE, GROUPS, HEADER, LENGTH, LEVELS, RECORD, RESPONSE_SCALE, SPAN
from bayesmix.likelihood.passes import (
    add_root_gradient,
    ascend,
    assemble_roots,
    descend_level,
    fixed_basis,
    gather_theta,
    profiled_root,
    residual_vector,
    widest,
)
from bayesmix.likelihood.slots import ascend_slots, descend_slots, unpack_crossing
from bayesmix.likelihood.sources import SOURCE_HASH, cached, cached_c, njit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit
def climb(layout: Floats, body: Floats, roots: Floats) -> Any:
    """Up to the root: the tree, the slots, the dense block; and everything the ways down need."""
    parent, leaf = unpack(layout, body)
    K, total = leaf.shape[1], parent.shape[0]
    span, _ = widest(layout)
    upper = new_upper(parent, leaf)
    H = np.empty((span, span, total))
    E = np.empty((span, K, total))
    logdet = ascend(layout, parent, leaf, roots, upper, H, E, True)
    starts, columns, up, C, D = unpack_crossing(layout, body)
    HC = np.empty((starts[total], span))
    ascend_slots(layout, leaf, upper, H, starts, columns, up, C, HC, D)
    mq = dense_effects(layout)
    DL, M, X = np.empty((int(layout[DENSE]), mq)), np.empty((mq, mq)), np.empty((mq, K))
    R = last_of(upper)
    logdet += eliminate_dense(layout, roots, D, C[starts[total] :], DL, M, X, R)
    return (parent, leaf, upper, H, E), (starts, columns, up, C, HC), (D, DL, M, X), R, logdet


@njit
def climb_down(
    layout: Floats, roots: Floats, tree: Any, slots: Any, dense: Any, seed: Floats, certify: bool
) -> tuple[Floats, Floats]:
    """From the adjoint of R at the root to the gradient in theta, and dOmega by level."""
    parent, leaf, upper, H, E = tree
    starts, columns, up, C, HC = slots
    D, DL, M, X = dense
    span, _ = widest(layout)
    root = starts[parent.shape[0]]
    adjoint = new_upper(parent, leaf)
    crossed = np.zeros(C.shape)
    d_omega = np.zeros((int(layout[ALL_LEVELS]), span, span))
    d_roots = np.zeros(roots.shape[0])
    G = dense_adjoints(layout, roots, seed, C[root:], D, DL, M, X, crossed[root:], d_omega, d_roots, certify)
    set_last(adjoint, seed)
    for level in range(int(layout[LEVELS]) - 1, -1, -1):
        descend_level(layout, level, parent, leaf, upper, H, E, adjoint, d_omega)
        descend_slots(
            layout, level, parent, leaf, upper, H, E, starts, columns, up, C, HC, G, crossed, adjoint, d_omega
        )
    add_root_gradient(layout, roots, d_omega, d_roots)
    return gather_theta(layout, d_roots), d_omega


@njit
def draw_all(
    layout: Floats,
    roots: Floats,
    factors: Floats,
    tree: Any,
    slots: Any,
    dense: Any,
    v: Floats,
    sigma: float,
    out: Floats,
) -> None:
    """Replace the standard normals in out by the effects of all levels given v at the root."""
    parent, leaf, upper, _, _ = tree
    starts, columns, _, C, _ = slots
    _, _, M, X = dense
    nested = out.shape[0] - M.shape[0]
    x = draw_dense(layout, roots, factors, M, X, v, sigma, out[nested:])
    pull = pull_of(layout, starts, columns, C, x)
    draw_effects(layout, parent, leaf, upper, roots, factors, v, sigma, pull, out[:nested])


def _build(source_hash: int) -> tuple[Any, ...]:
    """Compile the kernels against one state of the sources; each way up or down once, put together in Python."""

    @cached
    def up_kernel(layout: Floats, body: Floats, roots: Floats) -> Any:
        """:func:`climb`."""
        source_hash  # noqa: B018  (a closure cell: Numba keys its cache on it)
        return climb(layout, body, roots)

    @cached
    def down_kernel(
        layout: Floats, roots: Floats, tree: Any, slots: Any, dense: Any, seed: Floats, certify: bool
    ) -> tuple[Floats, Floats]:
        """:func:`climb_down`."""
        source_hash  # noqa: B018
        return climb_down(layout, roots, tree, slots, dense, seed, certify)

    @cached
    def root_kernel(
        layout: Floats, R: Floats, logdet: float, reml: bool, seed: Floats
    ) -> tuple[float, Floats, float, Floats]:
        """:func:`bayesmix.likelihood.passes.profiled_root`."""
        source_hash  # noqa: B018
        return profiled_root(layout, R, logdet, reml, seed)

    @cached
    def scores_kernel(layout: Floats, roots: Floats, tree: Any, slots: Any, dense: Any, scores: Floats) -> None:
        """Z'V^-1W of all groups."""
        source_hash  # noqa: B018
        parent, leaf, upper, H, _ = tree
        starts, columns, _, C, _ = slots
        D, _, M, X = dense
        taken, MX = np.empty((D.shape[0], X.shape[1])), X.copy()
        backward(M, MX)
        root_times(layout, roots, MX, taken)
        all_scores(layout, parent, leaf, upper, H, starts, columns, C, D, taken, scores)

    @cached
    def draw_kernel(
        layout: Floats,
        roots: Floats,
        factors: Floats,
        tree: Any,
        slots: Any,
        dense: Any,
        v: Floats,
        sigma: float,
        out: Floats,
    ) -> None:
        """:func:`draw_all`."""
        source_hash  # noqa: B018
        draw_all(layout, roots, factors, tree, slots, dense, v, sigma, out)

    @cached
    def fixed_kernel(layout: Floats, R: Floats, prior: Floats, sigma: float, out: Floats) -> Floats:
        """A draw of beta in place of the normals in out, unless it is explicit; returns v."""
        source_hash  # noqa: B018
        B = fixed_basis(layout)
        draw_fixed(B, R, prior, sigma, out)
        return residual_vector(B, out)

    @cached
    def covariance_kernel(
        layout: Floats,
        roots: Floats,
        factors: Floats,
        tree: Any,
        slots: Any,
        dense: Any,
        D_root: Floats,
        N_root: Floats,
        variances: Floats,
        with_fixed: Floats,
    ) -> None:
        """:func:`bayesmix.likelihood.crossed.crossed_effect_covariances`."""
        source_hash  # noqa: B018
        parent, leaf, upper, _, _ = tree
        starts, columns, up, C, _ = slots
        _, _, M, X = dense
        crossed_effect_covariances(
            layout, parent, leaf, upper, starts, columns, up, C, M, X, roots, factors, D_root, N_root, variances,
            with_fixed,
        )  # fmt: skip

    @cached
    def roots_kernel(layout: Floats, theta: Floats) -> Floats:
        """:func:`bayesmix.likelihood.passes.assemble_roots`."""
        source_hash  # noqa: B018
        return assemble_roots(layout, theta)

    def crossed_density(
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
        """As ``density``."""
        source_hash  # noqa: B018
        vector = carray(vector_at, (vector_size,))
        prior = carray(prior_at, (prior_size,))
        lam = carray(lam_at, (lam_size,))
        beta = carray(beta_at, (beta_size,))
        out = carray(out_at, (2 + lam_size + beta_size,))
        length = int(vector[LENGTH])
        layout = vector[:length]
        roots = assemble_roots(layout, scaled(lam, sigma))
        tree, slots, dense, R, logdet = climb(layout, vector[length:], roots)
        seed = np.zeros(R.shape)
        density_root(layout, prior, sigma, beta, R, logdet, seed, out)
        gradient, _ = climb_down(layout, roots, tree, slots, dense, seed, False)
        add_theta_part(gradient, lam, sigma, out)

    return (
        up_kernel,
        down_kernel,
        root_kernel,
        scores_kernel,
        draw_kernel,
        fixed_kernel,
        covariance_kernel,
        roots_kernel,
        crossed_density,
    )


_up, _down, _root, _scores, _draw, _fixed, _covariances, _roots, _density = _build(SOURCE_HASH)


def crossed_profiled(
    theta: Floats, layout: Floats, body: Floats, reml: bool, certify: bool
) -> tuple[float, Floats, Floats, Floats, float, Floats]:
    """As ``profiled``; dOmega of the crossed levels is filled where ``certify`` asks for it."""
    roots = _roots(layout, theta)
    tree, slots, dense, R, logdet = _up(layout, body, roots)
    seed = np.zeros(R.shape)
    value, beta, r2, inverse = _root(layout, R, logdet, reml, seed)
    gradient, d_omega = _down(layout, roots, tree, slots, dense, seed, certify)
    return value, gradient, d_omega, beta, r2, inverse


def crossed_root(roots: Floats, layout: Floats, body: Floats) -> tuple[Floats, float]:
    """R = W'V^-1W and log|V|."""
    _, _, _, R, logdet = _up(layout, body, roots)
    return R, logdet


def crossed_scores(roots: Floats, layout: Floats, body: Floats) -> tuple[Floats, float, Floats, Floats]:
    """R, log|V|, Z'V^-1W of all groups (rows, K), and dlog|V|/dOmega by level, all on inner columns."""
    tree, slots, dense, R, logdet = _up(layout, body, roots)
    nested = int(layout[LEVELS])
    rows = sum(int(layout[HEADER + RECORD * n + GROUPS] * layout[HEADER + RECORD * n + SPAN]) for n in range(nested))
    scores = np.empty((rows + int(layout[DENSE]), len(R)))
    _scores(layout, roots, tree, slots, dense, scores)
    _, d_omega = _down(layout, roots, tree, slots, dense, np.zeros(R.shape), True)
    return R, logdet, scores, d_omega


def crossed_effects(
    layout: Floats, body: Floats, roots: Floats, factors: Floats, v_root: Floats, sigma: float, out: Floats
) -> None:
    """As ``effects``."""
    tree, slots, dense, _, _ = _up(layout, body, roots)
    _draw(layout, roots, factors, tree, slots, dense, v_root, sigma, out)


def crossed_covariances(
    layout: Floats,
    body: Floats,
    roots: Floats,
    factors: Floats,
    D_root: Floats,
    N_root: Floats,
    variances: Floats,
    with_fixed: Floats,
) -> None:
    """As ``covariances``."""
    tree, slots, dense, _, _ = _up(layout, body, roots)
    _covariances(layout, roots, factors, tree, slots, dense, D_root, N_root, variances, with_fixed)


def crossed_posterior(
    layout: Floats,
    body: Floats,
    prior: Floats,
    lam: Floats,
    factors: Floats,
    sigma: Floats,
    beta: Floats,
    effect_noise: Floats,
) -> None:
    """As ``posterior``."""
    scale = layout[RESPONSE_SCALE]
    for d, one in enumerate(sigma):
        roots = _roots(layout, lam[d] / one)
        tree, slots, dense, R, _ = _up(layout, body, roots)
        v = _fixed(layout, R, prior, one / scale, beta[d])
        if effect_noise.shape[1] > 0:
            _draw(layout, roots, factors[d] / one, tree, slots, dense, v, one / scale, effect_noise[d])


@cache
def crossed_density_function() -> Any:
    """The compiled C function for models with crossed levels."""
    pointer, size = types.CPointer(types.float64), types.intp
    arguments = (pointer, size, pointer, size, pointer, size, types.float64, pointer, size, pointer)
    return cached_c(types.void(*arguments), _density)
