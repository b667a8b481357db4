"""Rows and groups left out of models with crossed levels, from the joint covariance of all effects.

A group of one factor shares its rows with groups of another, so that it is no branch of a tree. Of y = A c + e, with
A = [X | all Z], c the fixed and group effects and C their covariance given the rows known, over sigma^2, rows A_g have

    -2 log p(y_g | rest) = n log(2 pi sigma^2) + s log|I + s C G| + (r'r - s r'A_g C (I + s G C)^-1 A_g'r) / sigma^2

with G = A_g'A_g, r = y_g - A_g E(c), s = -1 where the rows are among those known and 1 where they are not. Only the
columns that occur in the rows matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.sparse import csr_array, diags_array

from bayesmix.design import CrossProducts, Design
from bayesmix.errors import DesignError
from bayesmix.inference.fixed_given import covariance_root
from bayesmix.inference.priors import Priors, beta_prior_vector
from bayesmix.likelihood.coordinates import user_coordinates
from bayesmix.likelihood.kernels import PARTIAL

if TYPE_CHECKING:
    from bayesmix.inference.leave_out import Hyperparameters

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Effects of all levels together: one matrix of this width is inverted for each draw (1,500: about a second).
MOST_EFFECTS = 1500
# Memory for covariances in work at a time.
_CHUNK_BYTES = 64_000_000


@dataclass(frozen=True)
class _Joint:
    """The model as y = A c + e in inner units, fixed effects that are given aside.

    Parameters
    ----------
    A : (n, m) sparse array
        Columns of the fixed effects integrated out, then of the effects of each level, group by group.
    places, values : (n, w) arrays
        The columns that each row has, and its values there.
    given : (n, j) array
        Columns of the fixed effects given.
    mean, precision : (k,), (k, k) arrays
        Prior of the former.
    spans : tuple of (first column, J, q)
        Of each level.
    """

    A: csr_array
    places: Integers
    values: Floats
    given: Floats
    mean: Floats
    precision: Floats
    spans: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class _Block:
    """Rows left out together, and what occurs in them.

    Parameters
    ----------
    rows : (n,) int array
    columns, own : (k,), (j,) int arrays
        Columns of A that occur in other rows too, and in these rows only.
    levels : tuple of int
        Level of each group of the latter.
    values, own_values : (n, k), (n, j) arrays
        The columns.
    """

    rows: Integers
    columns: Integers
    own: Integers
    levels: tuple[int, ...]
    values: Floats
    own_values: Floats


@dataclass(frozen=True)
class _Posterior:
    """What D draws say of the effects c.

    Parameters
    ----------
    roots : tuple of (D, q, q) arrays
        Of the covariances of each level, over sigma.
    s2 : (D,) array
        sigma^2, inner units.
    C : (D, m, m) array
        Covariance of c over sigma^2.
    effects : (D, m) array
        Mean of c.
    response : (D, n) array
        y less the fixed effects given.
    """

    roots: tuple[Floats, ...]
    s2: Floats
    C: Floats
    effects: Floats
    response: Floats


def crossed_densities(
    design: Design,
    products: CrossProducts,
    priors: Priors,
    draws: Hyperparameters,
    W: Floats,
    codes: Integers,
    chosen: Integers,
    kept: Flags | None,
) -> Floats:
    """log p(y_g | other rows, draw), (D, G), in inner units; see :func:`bayesmix.inference.leave_out.log_predictive`.

    Raises
    ------
    DesignError
        More effects than one dense matrix should hold.
    """
    joint = _joint(design, products, priors, W)
    m, n_draws = joint.A.shape[1], len(draws.sigma)
    known = joint.A if kept is None else csr_array(diags_array(kept.astype(float)) @ joint.A)
    gram = np.asarray((known.T @ known).toarray())
    single = len(np.unique(codes)) == len(codes)
    blocks = [] if single else _blocks(joint, codes, chosen)
    out = np.empty((n_draws, len(chosen)))
    step = max(1, _CHUNK_BYTES // (8 * (m * m + 2 * len(W))))
    for start in range(0, n_draws, step):
        part = slice(start, min(start + step, n_draws))
        found = _posterior(joint, products, draws, part, W[:, -1], known, gram)
        if single:
            out[part] = _row_densities(joint, found, chosen, kept is None)
        else:
            for g, block in enumerate(blocks):
                out[part, g] = _block_density(block, found, kept is None)
    return out


def _joint(design: Design, products: CrossProducts, priors: Priors, W: Floats) -> _Joint:
    """Columns and priors."""
    m = products.n_fixed + sum(level.n_groups * level.basis.shape[1] for level in products.levels)
    if m > MOST_EFFECTS:
        raise DesignError(
            f"The model has crossed levels and {m} effects.",
            f"Expected at most {MOST_EFFECTS}: their covariance is inverted at every draw.",
            "Leave out a level, or use post.with_log_likelihood(), which is conditional on the group effects.",
        )
    coordinates = user_coordinates(products)
    layout, p = coordinates.layout, products.n_fixed
    X, prior = W @ layout.fixed_basis, beta_prior_vector(priors, coordinates, products)
    n_given, mean, precision, A = integrated_part(prior, p)
    given, fixed = X @ A[:, :n_given], X @ A[:, n_given:]
    places, values = [np.repeat(np.arange(fixed.shape[1])[None], len(W), axis=0)], [fixed]
    spans, first = [], fixed.shape[1]
    for level, shape in zip(design.levels, products.levels, strict=True):
        J, q = shape.n_groups, shape.basis.shape[1]
        places.append(first + level.grouping.codes[:, None] * q + np.arange(q))
        values.append(W[:, shape.columns] @ shape.basis)
        spans.append((first, J, q))
        first += J * q
    at, own = np.concatenate(places, axis=1), np.concatenate(values, axis=1)
    rows = np.repeat(np.arange(len(W)), at.shape[1])
    A = csr_array((own.ravel(), (rows, at.ravel())), shape=(len(W), first))
    return _Joint(A, at, own, given, mean, precision, tuple(spans))


def integrated_part(prior: Floats, p: int) -> tuple[int, Floats, Floats, Floats]:
    """Number of fixed effects given, mean and precision of b, and A, where beta = A [given; b]."""
    if prior[0] != PARTIAL:
        return 0, prior[1 : 1 + p], prior[1 + p : 1 + p + p * p].reshape(p, p), np.eye(p)
    n_given = int(prior[1])
    m = p - n_given
    at = 3 + m + m * m
    return n_given, prior[3 : 3 + m], prior[3 + m : at].reshape(m, m), prior[at : at + p * p].reshape(p, p)


def _posterior(
    joint: _Joint,
    products: CrossProducts,
    draws: Hyperparameters,
    part: slice,
    y: Floats,
    known: csr_array,
    gram: Floats,
) -> _Posterior:
    """Condition the effects on the rows known."""
    sigma = draws.sigma[part]
    roots = tuple(covariance_root(S[part] / sigma[:, None, None] ** 2) for S in draws.covariances)
    s2 = (sigma / products.response_scale) ** 2
    count, m = len(s2), len(gram)
    response = y - draws.given[part] @ joint.given.T
    right = np.asarray(known.T @ response.T).T
    k = len(joint.mean)
    C, effects = np.empty((count, m, m)), np.empty((count, m))
    for d in range(count):
        own = [root[d] for root in roots]
        K = _scaled(joint, _scaled(joint, gram, own).T, own)
        K[np.arange(k, m), np.arange(k, m)] += 1.0
        K[:k, :k] += s2[d] * joint.precision
        h = _scaled(joint, right[d][:, None], own)[:, 0]
        h[:k] += s2[d] * joint.precision @ joint.mean
        C[d] = _inverse(K)
        effects[d] = _scaled(joint, (C[d] @ h)[:, None], own, back=True)[:, 0]
        C[d] = _scaled(joint, _scaled(joint, C[d], own, back=True).T, own, back=True)
    return _Posterior(roots, s2, C, effects, response)


def _scaled(joint: _Joint, matrix: Floats, roots: list[Floats], back: bool = False) -> Floats:
    """L'matrix (with ``back`` L matrix), L the block-diagonal root of the covariances of all effects."""
    out = matrix.copy()
    for (first, J, q), root in zip(joint.spans, roots, strict=True):
        part = slice(first, first + J * q)
        L = root if back else root.T
        out[part] = (L @ matrix[part].reshape(J, q, -1)).reshape(J * q, -1)
    return out


def _inverse(K: Floats) -> Floats:
    """The inverse of a positive definite matrix."""
    half, _ = dpotrf(K, lower=1)
    inverse, _ = dpotri(half, lower=1)
    lower = np.tril(inverse)
    return np.asarray(lower + np.tril(lower, -1).T)


def _blocks(joint: _Joint, codes: Integers, chosen: Integers) -> list[_Block]:
    """The rows of each unit and what occurs in them."""
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(int(codes.max()) + 2))
    everywhere = np.bincount(joint.places.ravel(), minlength=joint.A.shape[1])
    found = []
    for g in chosen:
        rows = order[starts[g] : starts[g + 1]]
        places, here = np.unique(joint.places[rows], return_counts=True)
        alone = (here == everywhere[places]) & (places >= len(joint.mean))
        columns, own = places[~alone], places[alone]
        levels: list[int] = []
        for number, (first, J, q) in enumerate(joint.spans):
            levels += [number] * int(((own >= first) & (own < first + J * q)).sum() // q)
        dense = np.asarray(joint.A[rows].toarray())
        found.append(_Block(rows, columns, own, tuple(levels), dense[:, columns], dense[:, own]))
    return found


def _block_density(block: _Block, found: _Posterior, seen: bool) -> Floats:
    """Of rows left out together, at each draw, (D,).

    Effects that occur in these rows only are taken with the residuals: left in C, where the rows were seen, they would
    leave I - C G nearly singular.
    """
    s = -1.0 if seen else 1.0
    s2, A, Z = found.s2, block.values, block.own_values
    C = found.C[:, block.columns[:, None], block.columns]
    r = found.response[:, block.rows] - found.effects[:, block.columns] @ A.T
    H, logdet = _own_effects(block, found.roots, len(s2))
    across, own = A.T @ Z, r @ Z
    pulled = np.einsum("dij,dj->di", H, own)
    G = A.T @ A - across @ H @ across.T
    Ar = r @ A - pulled @ across.T
    quad = (r**2).sum(axis=1) - (own * pulled).sum(axis=1)
    M = np.eye(len(block.columns)) + s * G @ C
    sign, size = np.linalg.slogdet(M)
    quad = quad - s * np.einsum("di,dij,dj->d", Ar, C, np.linalg.solve(M, Ar[:, :, None])[:, :, 0])
    logdet = logdet + s * np.where(sign > 0, size, np.nan)
    return np.asarray(-0.5 * (len(block.rows) * np.log(2 * np.pi * s2) + logdet + quad / s2))


def _own_effects(block: _Block, roots: tuple[Floats, ...], count: int) -> tuple[Floats, Floats]:
    """H = L (I + L'Z'Z L)^-1 L', (D, j, j), and log|I + L'Z'Z L| of the effects of these rows only."""
    j = len(block.own)
    L, first = np.zeros((count, j, j)), 0
    for level in block.levels:
        stop = first + roots[level].shape[1]
        L[:, first:stop, first:stop] = roots[level]
        first = stop
    back = np.swapaxes(L, 1, 2)
    M = np.eye(j) + back @ (block.own_values.T @ block.own_values) @ L
    return np.asarray(L @ np.linalg.solve(M, back)), np.asarray(np.linalg.slogdet(M)[1])


def _row_densities(joint: _Joint, found: _Posterior, chosen: Integers, seen: bool) -> Floats:
    """Of single rows, (D, G)."""
    s = -1.0 if seen else 1.0
    columns, values = joint.places[chosen], joint.values[chosen]
    spread, rest = np.empty((2, len(found.s2), len(chosen)))
    for d, C in enumerate(found.C):
        spread[d] = np.einsum("gi,gij,gj->g", values, C[columns[:, :, None], columns[:, None, :]], values)
        rest[d] = found.response[d, chosen] - np.einsum("gi,gi->g", values, found.effects[d][columns])
    left = 1 + s * spread
    quad = rest**2 / (left * found.s2[:, None])
    return np.asarray(-0.5 * (np.log(2 * np.pi * found.s2)[:, None] + s * np.log(left) + quad))
