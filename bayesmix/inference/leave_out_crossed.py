"""Rows and groups left out of models with crossed levels, from the joint covariance of all effects.

A group of one factor shares its rows with groups of another, so that it is no branch of a tree. Of y = A c + e, with
A = [X | all Z], c the fixed and group effects and C their covariance given the rows known, over sigma^2, rows A_g have

    -2 log p(y_g | rest) = n log(2 pi sigma^2) + s log|I + s C G| + (r'r - s r'A_g C (I + s G C)^-1 A_g'r) / sigma^2

with G = A_g'A_g, r = y_g - A_g E(c), s = -1 where the rows are among those known and 1 where they are not. Only the columns that
occur in the rows matter.
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
    """Rows left out together: which, the columns of A that occur in them, their values and products."""

    rows: Integers
    columns: Integers
    values: Floats
    products: Floats


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
        s2 = (draws.sigma[part] / products.response_scale) ** 2
        C, rest = _posterior(joint, products, draws, part, W[:, -1], known, gram, s2)
        if single:
            out[part] = _row_densities(joint, C, rest, s2, chosen, kept is None)
        else:
            for g, block in enumerate(blocks):
                out[part, g] = _block_density(block, C, rest, s2, kept is None)
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
    s2: Floats,
) -> tuple[Floats, Floats]:
    """Of each draw: C, (D, m, m), and y - A E(c) of all rows, (D, n)."""
    roots = [covariance_root(S[part] / draws.sigma[part, None, None] ** 2) for S in draws.covariances]
    count, m = len(s2), len(gram)
    response = y - draws.given[part] @ joint.given.T
    right = np.asarray(known.T @ response.T).T
    k = len(joint.mean)
    C, rest = np.empty((count, m, m)), np.empty((count, len(y)))
    for d in range(count):
        own = [root[d] for root in roots]
        K = _scaled(joint, _scaled(joint, gram, own).T, own)
        K[np.arange(k, m), np.arange(k, m)] += 1.0
        K[:k, :k] += s2[d] * joint.precision
        h = _scaled(joint, right[d][:, None], own)[:, 0]
        h[:k] += s2[d] * joint.precision @ joint.mean
        C[d] = _inverse(K)
        effects = _scaled(joint, (C[d] @ h)[:, None], own, back=True)[:, 0]
        rest[d] = response[d] - joint.A @ effects
        C[d] = _scaled(joint, _scaled(joint, C[d], own, back=True).T, own, back=True)
    return C, rest


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
    found = []
    for g in chosen:
        rows = order[starts[g] : starts[g + 1]]
        columns = np.unique(joint.places[rows])
        values = np.asarray(joint.A[rows].toarray()[:, columns])
        found.append(_Block(rows, columns, values, values.T @ values))
    return found


def _block_density(block: _Block, C: Floats, rest: Floats, s2: Floats, seen: bool) -> Floats:
    """Of rows left out together, at each draw, (D,)."""
    s = -1.0 if seen else 1.0
    own, r = C[:, block.columns[:, None], block.columns], rest[:, block.rows]
    Ar = r @ block.values
    M = np.eye(len(block.columns)) + s * block.products @ own
    sign, logdet = np.linalg.slogdet(M)
    pulled = np.einsum("di,dij,dj->d", Ar, own, np.linalg.solve(M, Ar[:, :, None])[:, :, 0])
    quad = (r**2).sum(axis=1) - s * pulled
    value = len(block.rows) * np.log(2 * np.pi * s2) + s * np.where(sign > 0, logdet, np.nan) + quad / s2
    return np.asarray(-0.5 * value)


def _row_densities(joint: _Joint, C: Floats, rest: Floats, s2: Floats, chosen: Integers, seen: bool) -> Floats:
    """Of single rows, (D, G)."""
    s = -1.0 if seen else 1.0
    columns, values = joint.places[chosen], joint.values[chosen]
    spread = np.empty((len(C), len(chosen)))
    for d in range(len(C)):
        spread[d] = np.einsum("gi,gij,gj->g", values, C[d][columns[:, :, None], columns[:, None, :]], values)
    left = 1 + s * spread
    quad = rest[:, chosen] ** 2 / (left * s2[:, None])
    return np.asarray(-0.5 * (np.log(2 * np.pi * s2)[:, None] + s * np.log(left) + quad))
