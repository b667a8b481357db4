"""Derivatives of the (restricted) likelihood in variances and covariances, exactly, from the second-order pass.

With R_i, R_ij, ld_i, ld_ij the derivatives of R = W'V^-1W and of log|V|, Newton steps and every information matrix are
small algebra on these arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.likelihood.coordinates import Coordinates
from bayesmix.likelihood.crossed_derivatives import crossed_second_order, entry_matrix
from bayesmix.likelihood.kernels import second_order

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Entry:
    """One free entry (row >= column) of the covariance matrix of a level."""

    level: int
    row: int
    column: int


@dataclass(frozen=True)
class SecondOrder:
    """R and log|V| with derivatives in P entries of Omega, at sigma^2 = 1, in inner units.

    Parameters
    ----------
    entries : tuple of Entry
        What the derivatives are taken in, level by level.
    omega : (P,) array
        Their values.
    fixed_basis : (K, p) array
        X = W fixed_basis.
    R : (K, K) array
    R1 : (P, K, K) array
    R2 : (P, P, K, K) array
    logdet : float
    ld1 : (P,) array
    ld2 : (P, P) array
    """

    entries: tuple[Entry, ...]
    omega: Floats
    fixed_basis: Floats
    R: Floats
    R1: Floats
    R2: Floats
    logdet: float
    ld1: Floats
    ld2: Floats


def entries_of(coordinates: Coordinates) -> tuple[Entry, ...]:
    """The free entries of every Omega, in the order of theta."""
    return tuple(
        Entry(level, int(row), int(column))
        for level, shape in enumerate(coordinates.layout.levels)
        for row, column in shape.entries
    )


def second_order_pass(coordinates: Coordinates, theta: Floats) -> SecondOrder:
    """Run the pass at theta (relative factors, in these coordinates)."""
    entries = entries_of(coordinates)
    walk = _walk if not coordinates.crossed else crossed_second_order
    R, R1, R2, logdet, ld1, ld2 = walk(coordinates, theta, [(e.level, e.row, e.column) for e in entries])
    squares = [factor @ factor.T for factor in coordinates.layout.factors(theta)]
    omega = np.array([squares[entry.level][entry.row, entry.column] for entry in entries])
    return SecondOrder(entries, omega, coordinates.layout.fixed_basis, R, R1, R2, float(logdet), ld1, ld2)


def _walk(
    coordinates: Coordinates, theta: Floats, entries: Sequence[tuple[int, int, int]]
) -> tuple[Floats, Floats, Floats, float, Floats, Floats]:
    """The compiled pass over a nested model."""
    layout = coordinates.layout
    span = max((level.columns.size for level in layout.levels), default=1)
    mats = np.zeros((len(entries), span, span))
    for i, entry in enumerate(entries):
        unit = entry_matrix(layout, *entry)
        mats[i, : len(unit), : len(unit)] = unit
    level_of = np.array([level for level, _, _ in entries], np.int64)
    R, R1, R2, logdet, ld1, ld2 = second_order(
        layout.roots(theta), coordinates.packed, coordinates.body, level_of, mats
    )
    n = len(entries)
    rows, columns = np.tril_indices(n)
    full_R2, full_ld2 = np.empty((n, n, *R.shape)), np.empty((n, n))
    full_R2[rows, columns] = full_R2[columns, rows] = R2
    full_ld2[rows, columns] = full_ld2[columns, rows] = ld2
    return R, R1, full_R2, logdet, ld1, full_ld2


@dataclass(frozen=True)
class Deviance:
    """A deviance f with gradient (P,) and Hessian (P, P)."""

    value: float
    gradient: Floats
    hessian: Floats


def profiled_deviance(at: SecondOrder, n: int, reml: bool) -> Deviance:
    """f(Omega) with beta and sigma profiled out, inner units (Bates et al. 2015, eqs 34 and 41)."""
    B = at.fixed_basis
    inverse, v = _solve_fixed(at)
    nu = n - B.shape[1] if reml else n
    r2 = float(v @ at.R @ v)
    Rv = at.R1 @ v
    quad1 = Rv @ v
    projected = Rv @ B
    quad2 = np.einsum("r,ijrs,s->ij", v, at.R2, v) - 2 * projected @ inverse @ projected.T
    value = at.logdet + nu * (1 + np.log(2 * np.pi * r2 / nu))
    gradient = at.ld1 + nu * quad1 / r2
    hessian = at.ld2 + nu * (quad2 / r2 - np.outer(quad1, quad1) / r2**2)
    if reml:
        trace1, trace2, log_xx = _fixed_traces(at, inverse)
        value, gradient, hessian = value + log_xx, gradient + trace1, hessian + trace2
    return Deviance(value, gradient, hessian)


def _solve_fixed(at: SecondOrder) -> tuple[Floats, Floats]:
    """R_xx^-1 and v = (-beta, 1)."""
    B = at.fixed_basis
    inverse = np.linalg.inv(B.T @ at.R @ B)
    v = -B @ (inverse @ (B.T @ at.R[:, -1]))
    v[-1] += 1.0
    return inverse, v


def _fixed_traces(at: SecondOrder, inverse: Floats) -> tuple[Floats, Floats, float]:
    """First and second derivatives of log|R_xx|, and its value."""
    B = at.fixed_basis
    P = np.einsum("ra,irs,sb->iab", B, at.R1, B)
    Q = np.einsum("ra,ijrs,sb->ijab", B, at.R2, B)
    scaled = inverse @ P
    first = np.einsum("iaa->i", scaled)
    second = np.einsum("ab,ijba->ij", inverse, Q) - np.einsum("iab,jba->ij", scaled, scaled)
    return first, second, -float(np.linalg.slogdet(inverse)[1])


def absolute_deviance(at: SecondOrder, n: int, sigma2: float, reml: bool) -> Deviance:
    """f(sigma^2, Sigma) with beta profiled out, Sigma = sigma^2 Omega; sigma^2 is the first parameter.

    The derivatives in sigma^2 follow from those in Sigma because V is homogeneous of degree 1 in all of them.
    """
    moved = _at_scale(at, n, sigma2)
    inverse, v = _solve_fixed(moved)
    Rv = moved.R1 @ v
    projected = Rv @ moved.fixed_basis
    value = moved.logdet + float(v @ moved.R @ v)
    gradient = moved.ld1 + Rv @ v
    hessian = moved.ld2 + np.einsum("r,ijrs,s->ij", v, moved.R2, v) - 2 * projected @ inverse @ projected.T
    if reml:
        trace1, trace2, log_xx = _fixed_traces(moved, inverse)
        value, gradient, hessian = value + log_xx, gradient + trace1, hessian + trace2
    nu = n - moved.fixed_basis.shape[1] if reml else n
    return Deviance(value + nu * np.log(2 * np.pi), gradient, hessian)


def _at_scale(at: SecondOrder, n: int, sigma2: float) -> SecondOrder:
    """The pass at V = sigma^2 (I + Z Omega Z'), in (sigma^2, Sigma)."""
    R, logdet = at.R / sigma2, at.logdet + n * np.log(sigma2)
    R1, ld1 = at.R1 / sigma2**2, at.ld1 / sigma2
    R2, ld2 = at.R2 / sigma2**3, at.ld2 / sigma2**2
    phi = at.omega * sigma2
    first_R = (-R - np.tensordot(phi, R1, 1)) / sigma2
    first_ld = (n - phi @ ld1) / sigma2
    cross_R = (-2 * R1 - np.tensordot(phi, R2, 1)) / sigma2
    cross_ld = (-ld1 - phi @ ld2) / sigma2
    both_R = (-2 * first_R - np.tensordot(phi, cross_R, 1)) / sigma2
    both_ld = (-first_ld - phi @ cross_ld) / sigma2
    P, K = len(phi) + 1, R.shape[0]
    all_R1, all_R2 = np.empty((P, K, K)), np.empty((P, P, K, K))
    all_ld1, all_ld2 = np.empty(P), np.empty((P, P))
    all_R1[0], all_R1[1:], all_ld1[0], all_ld1[1:] = first_R, R1, first_ld, ld1
    all_R2[0, 0], all_ld2[0, 0] = both_R, both_ld
    all_R2[0, 1:], all_R2[1:, 0], all_R2[1:, 1:] = cross_R, cross_R, R2
    all_ld2[0, 1:], all_ld2[1:, 0], all_ld2[1:, 1:] = cross_ld, cross_ld, ld2
    return SecondOrder(at.entries, phi, at.fixed_basis, R, all_R1, all_R2, logdet, all_ld1, all_ld2)


def information(at: SecondOrder, n: int, sigma2: float, kind: str) -> Floats:
    """Information on (sigma^2, Sigma) at the estimate, (P + 1, P + 1).

    ``"reml"`` and ``"ml"`` are observed (half the Hessian of the deviance); ``"expected-reml"`` and ``"expected-ml"``
    are their expectations. Searle, Casella & McCulloch (1992), ch. 6.
    """
    if kind in ("reml", "ml"):
        return absolute_deviance(at, n, sigma2, kind == "reml").hessian / 2
    moved = _at_scale(at, n, sigma2)
    if kind == "expected-ml":
        return -moved.ld2 / 2
    inverse, _ = _solve_fixed(moved)
    _, second, _ = _fixed_traces(moved, inverse)
    # E_ij = (-ld_ij - tr(Phi Q_ij) + tr(Phi P_i Phi P_j)) / 2, and `second` is the difference of the two traces.
    return (-moved.ld2 - second) / 2
