"""Second derivatives of W'V^-1W and of log|V| where levels cross.

With A = Z'V^-1Z, B = Z'V^-1W and E_i the derivative of the effects' covariance in its i-th entry,
R_i = -B'E_iB, R_ij = B'(E_iAE_j + E_jAE_i)B, ld_i = tr(AE_i), ld_ij = -tr(AE_iAE_j). Up to a few thousand effects A is
formed; beyond, R_i and ld_i, which are exact at any size, are differenced.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

from bayesmix.likelihood.coordinates import Coordinates
from bayesmix.likelihood.crossed_kernels import crossed_scores
from bayesmix.likelihood.layout import Layout

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Entries = Sequence[tuple[int, int, int]]
Derivatives = tuple[Floats, Floats, Floats, float, Floats, Floats]

# Largest A (columns of all effects) that is formed.
LARGEST = 1000
# Step of the differences, relative to the covariances.
STEP = 1e-4


def crossed_second_order(coordinates: Coordinates, theta: Floats, entries: Entries) -> Derivatives:
    """R, R_i, R_ij, log|V|, ld_i and ld_ij at theta, in the entries (level, row, column) of Omega."""
    if sum(level.n_groups * level.columns.size for level in coordinates.layout.levels) <= LARGEST:
        return _dense(coordinates, theta, entries)
    return _differenced(coordinates, theta, entries)


def entry_matrix(layout: Layout, level: int, row: int, column: int) -> Floats:
    """Derivative of B Omega B' of a level in one entry of Omega, on its inner columns, (m, m)."""
    basis = layout.levels[level].basis
    both = np.outer(basis[:, row], basis[:, column])
    return np.asarray(both if row == column else both + both.T)


def _dense(coordinates: Coordinates, theta: Floats, entries: Entries) -> Derivatives:
    """By A itself."""
    layout = coordinates.layout
    ZZ, ZW, WW = _gather(coordinates)
    roots = [level.basis @ factor for level, factor in zip(layout.levels, layout.factors(theta), strict=True)]
    both = np.column_stack([ZZ, ZW])
    bounds = np.cumsum([0, *(v.n_groups * v.columns.size for v in layout.levels)])
    part = [slice(*bounds[level : level + 2]) for level in range(len(layout.levels))]
    rooted = np.vstack([_by_group(root.T, both[rows]) for root, rows in zip(roots, part, strict=True)])  # L'[Z'Z Z'W]
    left = [_by_group(root.T, rooted[:, rows].T) for root, rows in zip(roots, part, strict=True)]
    M = np.vstack(left)
    M[np.diag_indices(len(M))] += 1.0
    C = cholesky(M, lower=True, check_finite=False)
    X = solve_triangular(C, rooted, lower=True, check_finite=False)
    Xz, Xw = X[:, : len(ZZ)], X[:, len(ZZ) :]
    A, B, R = ZZ - Xz.T @ Xz, ZW - Xz.T @ Xw, WW - Xw.T @ Xw
    units = [entry_matrix(layout, *entry) for entry in entries]
    moved = [_by_group(unit, B[part[e[0]]]) for unit, e in zip(units, entries, strict=True)]
    P, K = len(entries), layout.width
    R1, R2, ld1, ld2 = np.empty((P, K, K)), np.empty((P, P, K, K)), np.empty(P), np.empty((P, P))
    for i, (one, _, _) in enumerate(entries):
        R1[i] = -B[part[one]].T @ moved[i]
        ld1[i] = np.trace(_by_group(units[i], A[part[one], part[one]]))
        for j, (two, _, _) in enumerate(entries[: i + 1]):
            between = A[part[one], part[two]]
            pulled = moved[i].T @ between @ moved[j]
            R2[i, j] = R2[j, i] = pulled + pulled.T
            turned = _by_group(units[j], _by_group(units[i], between).T)  # (E_i A E_j)'
            ld2[i, j] = ld2[j, i] = -np.einsum("rc,cr->", between, turned)
    return R, R1, R2, float(2 * np.log(np.diag(C)).sum()), ld1, ld2


def _by_group(block: Floats, rows: Floats) -> Floats:
    """(I x block) rows: a small block times the rows of every group."""
    return np.asarray((block @ rows.reshape(-1, block.shape[1], rows.shape[1])).reshape(-1, rows.shape[1]))


def _gather(coordinates: Coordinates) -> tuple[Floats, Floats, Floats]:
    """Z'Z, Z'W and W'W on inner columns, out of the cross-products."""
    layout, body = coordinates.layout, coordinates.body
    nested = layout.levels[: layout.n_nested]
    K, leaves, total = layout.width, nested[0].n_groups, sum(v.n_groups for v in nested)
    parent = body[:total].astype(np.int64)
    at = total + leaves * K * K
    sums = np.moveaxis(body[total:at].reshape(K, K, leaves), -1, 0)
    columns = body[at + total + 2 :][: layout.slots[1]].astype(np.int64)
    starts = body[at : at + leaves + 1].astype(np.int64)
    at += total + 2 + 2 * layout.slots[0]
    crossed = body[at : at + layout.slots[1] * K].reshape(-1, K)
    gram = body[at + layout.slots[1] * K :].reshape(layout.n_dense, layout.n_dense)
    places = _ancestors(layout, parent)
    width = sum(v.n_groups * v.columns.size for v in layout.levels)
    dense = width - layout.n_dense
    ZZ, ZW = np.zeros((width, width)), np.zeros((width, K))
    ZZ[dense:, dense:] = gram
    np.add.at(ZW, dense + columns, crossed)
    leaf = np.repeat(np.arange(leaves), np.diff(starts))
    for place, level in zip(places, nested, strict=True):
        np.add.at(ZW, place, sums[:, level.columns, :])
        for other, above in zip(places, nested, strict=True):
            np.add.at(ZZ, (place[:, :, None], other[:, None, :]), sums[:, level.columns][:, :, above.columns])
        rows, shared = place[leaf], crossed[:, level.columns]
        np.add.at(ZZ, (rows, dense + columns[:, None]), shared)
        np.add.at(ZZ, (dense + columns[:, None], rows), shared)
    return ZZ, ZW, np.asarray(sums.sum(axis=0))


def _ancestors(layout: Layout, parent: Integers) -> list[Integers]:
    """Of each nested level, the rows of Z'Z that each leaf's group has, (leaves, m)."""
    places = []
    group, first, offset = np.arange(layout.levels[0].n_groups), 0, 0
    for level in layout.levels[: layout.n_nested]:
        m = level.columns.size
        places.append(offset + group[:, None] * m + np.arange(m))
        offset += level.n_groups * m
        group = parent[first + group] - first - level.n_groups
        first += level.n_groups
    return places


def _differenced(coordinates: Coordinates, theta: Floats, entries: Entries) -> Derivatives:
    """By differences of the exact first derivatives along directions that keep every Omega positive."""
    layout = coordinates.layout
    omegas = [factor @ factor.T for factor in layout.factors(theta)]
    R, logdet, R1, ld1 = _first_order(coordinates, omegas, entries)
    P, K = len(entries), layout.width
    along_R, along_ld = np.empty((P, P, K, K)), np.empty((P, P))
    directions = np.zeros((P, P))
    for i, (level, row, column) in enumerate(entries):
        unit = np.zeros(len(omegas[level]))
        scale = np.sqrt(np.maximum(np.diag(omegas[level]), 1e-4))
        unit[row] += scale[row]
        unit[column] += scale[column] * (row != column)
        step = np.outer(unit, unit)
        smallest = np.linalg.eigvalsh(omegas[level] - 10 * STEP * step)[0]
        offsets = (-1.0, 1.0) if smallest > 0 else (1.0, 2.0, 3.0, 4.0)
        found = []
        for offset in offsets:
            moved = [omega + offset * STEP * step if n == level else omega for n, omega in enumerate(omegas)]
            found.append(_first_order(coordinates, moved, entries)[2:])
        along_R[i] = _slope([R1, *(one for one, _ in found)], len(offsets)) / STEP
        along_ld[i] = _slope([ld1, *(one for _, one in found)], len(offsets)) / STEP
        for j, (other, r, c) in enumerate(entries):
            directions[i, j] = step[r, c] if other == level else 0.0
    back = np.linalg.inv(directions)
    R2, ld2 = np.einsum("ij,jkrs->ikrs", back, along_R), back @ along_ld
    R2, ld2 = (R2 + np.swapaxes(R2, 0, 1)) / 2, (ld2 + ld2.T) / 2
    return R, R1, R2, logdet, ld1, ld2


def _slope(values: list[Floats], count: int) -> Floats:
    """Derivative at the first value from those at -1 and 1, or at 1 to 4, steps."""
    if count == 2:
        return (values[2] - values[1]) / 2
    return (-25 * values[0] + 48 * values[1] - 36 * values[2] + 16 * values[3] - 3 * values[4]) / 12


def _first_order(
    coordinates: Coordinates, omegas: list[Floats], entries: Entries
) -> tuple[Floats, float, Floats, Floats]:
    """R, log|V|, R_i and ld_i at given Omegas."""
    layout = coordinates.layout
    parts = []
    for level, omega in zip(layout.levels, omegas, strict=True):
        values, vectors = np.linalg.eigh(omega)
        parts.append((level.basis @ (vectors * np.sqrt(np.maximum(values, 0.0)))).ravel())
    R, logdet, scores, d_omega = crossed_scores(np.concatenate(parts), coordinates.packed, coordinates.body)
    bounds = np.cumsum([0, *(v.n_groups * v.columns.size for v in layout.levels)])
    R1, ld1 = np.empty((len(entries), *R.shape)), np.empty(len(entries))
    for i, entry in enumerate(entries):
        unit, m = entry_matrix(layout, *entry), layout.levels[entry[0]].columns.size
        B = scores[bounds[entry[0]] : bounds[entry[0] + 1]].reshape(-1, m, layout.width)
        R1[i] = -np.einsum("gak,ab,gbl->kl", B, unit, B, optimize=True)
        ld1[i] = np.sum(d_omega[entry[0], :m, :m] * unit)
    return R, float(logdet), R1, ld1
