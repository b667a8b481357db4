"""Passes over crossed columns: what the tree's elimination does to W'D and D'D, slot by slot, up and down.

D holds the columns of the crossed levels. A slot is a column of D that occurs in a group of the nested chain, so that
a group is worked on with its own few columns only; the columns of D are eliminated last, as one dense block.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmix.likelihood.blocks import mirror
from bayesmix.likelihood.layout import DENSE, GROUPS, HEADER, LEAF_SLOTS, LEAVES, LEVELS, RECORD, SLOTS, WIDTH
from bayesmix.likelihood.passes import level_columns, level_sizes
from bayesmix.likelihood.sources import njit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit
def integers(x: Floats) -> Integers:
    """Floats that hold whole numbers, as such."""
    out = np.empty(x.shape[0], np.int64)
    for i in range(x.shape[0]):
        out[i] = int(x[i])
    return out


@njit
def unpack_crossing(layout: Floats, body: Floats) -> tuple[Integers, Integers, Integers, Floats, Floats]:
    """First slot of each group, column and parent of each slot, D'W by slot (leaves filled), and D'D."""
    groups = 0
    for level in range(int(layout[LEVELS])):
        groups += int(layout[HEADER + RECORD * level + GROUPS])
    K, m = int(layout[WIDTH]), int(layout[DENSE])
    slots, filled = int(layout[SLOTS]), int(layout[LEAF_SLOTS])
    at = groups + int(layout[LEAVES]) * K * K
    starts = integers(body[at : at + groups + 2])
    at += groups + 2
    columns = integers(body[at : at + slots])
    at += slots
    up = integers(body[at : at + slots])
    at += slots
    C = np.zeros((slots, K))
    for s in range(filled):
        for c in range(K):
            C[s, c] = body[at + s * K + c]
    at += filled * K
    gram = np.empty((m, m))
    for r in range(m):
        for c in range(m):
            gram[r, c] = body[at + r * m + c]
    return starts, columns, up, C, gram


@njit
def rows_of_group(S: Floats, at: int, z: Integers, out: Floats) -> None:
    """out = S[z,:] of one group, copied together because groups lie along memory."""
    for i in range(z.shape[0]):
        for c in range(S.shape[1]):
            out[i, c] = S[z[i], c, at]


@njit
def block_of_group(H: Floats, g: int, m: int, out: Floats) -> None:
    """out = H of one group."""
    for i in range(m):
        for j in range(m):
            out[i, j] = H[i, j, g]


@njit
def ascend_slots(
    layout: Floats,
    leaf: Floats,
    upper: Floats,
    H: Floats,
    starts: Integers,
    columns: Integers,
    up: Integers,
    C: Floats,
    HC: Floats,
    D: Floats,
) -> None:
    """Up pass over D'W and D'D, after the tree's own: C of every slot before its group's elimination, HC = H C[z,:].

    D loses C[z,:]'H C[z,:] of every group (its lower triangle; mirrored at the end); the root's slots end as
    D'V^-1W of the nested part.
    """
    K, leaves = leaf.shape[1], leaf.shape[2]
    span = HC.shape[1]
    rows, block = np.empty((span, K)), np.empty((span, span))
    for level in range(int(layout[LEVELS])):
        J, m, _, first = level_sizes(layout, level)
        z = level_columns(layout, level)
        S = leaf if level == 0 else upper
        shift = 0 if level == 0 else leaves
        for g in range(first, first + J):
            rows_of_group(S, g - shift, z, rows)
            block_of_group(H, g, m, block)
            for s in range(starts[g], starts[g + 1]):
                for i in range(m):
                    h = 0.0
                    for j in range(m):
                        h += block[i, j] * C[s, z[j]]
                    HC[s, i] = h
                o = up[s]
                for c in range(K):
                    C[o, c] += C[s, c]
                for i in range(m):
                    h = HC[s, i]
                    for c in range(K):
                        C[o, c] -= h * rows[i, c]
                at = columns[s]
                for t in range(starts[g], s + 1):
                    v = 0.0
                    for i in range(m):
                        v += C[s, z[i]] * HC[t, i]
                    D[at, columns[t]] -= v
    mirror(D)


@njit
def most_slots(starts: Integers, first: int, J: int) -> int:
    """Slots of the group that has most."""
    most = 0
    for g in range(first, first + J):
        most = max(most, starts[g + 1] - starts[g])
    return most


@njit
def descend_slots(
    layout: Floats,
    level: int,
    parent: Integers,
    leaf: Floats,
    upper: Floats,
    H: Floats,
    E: Floats,
    starts: Integers,
    columns: Integers,
    up: Integers,
    C: Floats,
    HC: Floats,
    G: Floats,
    crossed: Floats,
    adjoint: Floats,
    d_omega: Floats,
) -> None:
    """The crossed columns' share in one level's dOmega and in what its groups pass down.

    G (m, m) is the adjoint of D'D, the same at every level; crossed (slots, K) that of D'W, filled for the slots of
    the levels above; adjoint that of S, to which the tree's own pass has already been applied. With t = -H C[z,:]
    in rows z: crossed <- T crossed + t G, adjoint <- T adjoint T' + T crossed t' + t crossed' T' + t G t' + H.
    """
    K, leaves = leaf.shape[1], leaf.shape[2]
    J, m, _, first = level_sizes(layout, level)
    z = level_columns(layout, level)
    S = leaf if level == 0 else upper
    shift = 0 if level == 0 else leaves
    rows, block = np.empty((m, K)), np.empty((m, m))
    F, pulled, TC = np.empty((most_slots(starts, first, J), m)), np.empty(m), np.empty(K)
    for g in range(first, first + J):
        rows_of_group(S, g - shift, z, rows)
        block_of_group(H, g, m, block)
        begin, end = starts[g], starts[g + 1]
        for s in range(begin, end):  # F = C'[z,:], after the group's own elimination
            for i in range(m):
                F[s - begin, i] = C[s, z[i]]
                for j in range(m):
                    F[s - begin, i] -= rows[i, z[j]] * HC[s, j]
        for s in range(begin, end):
            line = G[columns[s]]
            for i in range(m):
                pulled[i] = 0.0
                for c in range(K):
                    pulled[i] += E[i, c, g] * crossed[up[s], c]
            for t in range(begin, s + 1):  # each pair once: what is added below is symmetrised
                w = line[columns[t]] if t < s else 0.5 * line[columns[t]]
                for i in range(m):
                    pulled[i] += F[t - begin, i] * w
            for i in range(m):
                for j in range(m):
                    d_omega[level, i, j] -= pulled[i] * F[s - begin, j]
                    d_omega[level, j, i] -= pulled[i] * F[s - begin, j]
        if level == 0:
            continue
        here = g - leaves
        for s in range(starts[g], starts[g + 1]):
            o = up[s]
            line = G[columns[s]]
            for c in range(K):
                TC[c] = crossed[o, c]
                crossed[s, c] = crossed[o, c]
            for i in range(m):
                v = 0.0
                for j in range(m):
                    for c in range(K):
                        v += block[i, j] * rows[j, c] * crossed[o, c]
                TC[z[i]] -= v
                for t in range(starts[g], starts[g + 1]):
                    v += HC[t, i] * line[columns[t]]
                crossed[s, z[i]] -= v
            for i in range(m):
                h = HC[s, i]
                for c in range(K):
                    adjoint[c, z[i], here] -= crossed[s, c] * h
                    adjoint[z[i], c, here] -= TC[c] * h
