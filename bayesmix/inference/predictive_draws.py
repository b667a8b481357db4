"""Rows predicted from draws of a posterior: known groups, new ones, and new ones of which something was observed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from bayesmix.inference.prediction import AVERAGED, Rows

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Numbers held at a time where the result is larger.
CHUNK = 8_000_000


@dataclass(frozen=True)
class ParameterDraws:
    """Draws of what predictions rest on, chains one after the other.

    Parameters
    ----------
    beta : (D, p) array
    sigma : (D,) array
    covariances : tuple of (D, q, q) arrays
        Sigma of each level.
    """

    beta: Floats
    sigma: Floats
    covariances: tuple[Floats, ...]


def covariance_roots(covariances: Floats) -> Floats:
    """R with R R' = Sigma, of (D, q, q) matrices that may be singular."""
    values, vectors = np.linalg.eigh(covariances)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :])


def new_effects(covariances: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Effects of new groups, (D, count, q): an independent draw for every group and every draw of the parameters."""
    noise = rng.standard_normal((len(covariances), count, covariances.shape[-1]))
    return np.asarray(noise @ np.swapaxes(covariance_roots(covariances), -1, -2))


def predicted_draws(
    rows: Rows,
    parameters: ParameterDraws,
    effects: Sequence[Floats],
    response: bool,
    rng: np.random.Generator,
) -> Iterator[tuple[slice, Floats]]:
    """Draws of the mean or of a response of each row, (D, rows), some rows at a time.

    Parameters
    ----------
    rows : Rows
        With codes into ``effects``.
    parameters : ParameterDraws
    effects : sequence of (D, groups, q) arrays
        Of each level.
    response : bool
        Add what the levels averaged over and the residuals add, drawn for each row.
    """
    step = max(1, CHUNK // max(len(parameters.sigma), 1))
    for start in range(0, rows.n, step):
        part = slice(start, min(start + step, rows.n))
        some = rows.take(part)
        values = some.offset + parameters.beta @ some.fixed.T
        for u, columns, codes in zip(effects, some.effects, some.codes, strict=True):
            at = np.flatnonzero(codes != AVERAGED)
            values[:, at] += np.einsum("dnq,nq->dn", u[:, codes[at]], columns[at])
        if response:
            values += np.sqrt(_single_variances(some, parameters)) * rng.standard_normal(values.shape)
        yield part, values


def _single_variances(rows: Rows, parameters: ParameterDraws) -> Floats:
    """Variance of a response about the mean of its row, (D, n): residual, and levels averaged over."""
    inverse = np.ones(rows.n) if rows.weights is None else 1 / rows.weights
    total = parameters.sigma[:, None] ** 2 * inverse
    for sigma, columns, codes in zip(parameters.covariances, rows.effects, rows.codes, strict=True):
        at = np.flatnonzero(codes == AVERAGED)
        if at.size:
            total[:, at] += np.maximum(np.einsum("na,dab,nb->dn", columns[at], sigma, columns[at], optimize=True), 0.0)
    return np.asarray(total)


def connected_rows(seen: Rows, counts: Sequence[int], n_fitted: int) -> tuple[Integers, Integers, tuple[int, ...]]:
    """The rows whose groups are connected with those of further rows, which follow the first ``n_fitted``.

    Returns
    -------
    rows : (m,) int array
    component : (m,) int array
        Rows of different components share no group.
    sizes : tuple of int
        Effects of each component.
    """
    starts = np.concatenate([[0], np.cumsum(counts)]) + seen.n
    ends = np.concatenate([start + codes for start, codes in zip(starts, seen.codes, strict=False)])
    pairs = np.tile(np.arange(seen.n), len(seen.codes)), ends
    graph = sparse.coo_array((np.ones(len(ends)), pairs), shape=(int(starts[-1]),) * 2)
    labels = connected_components(graph, directed=False)[1]
    touched = np.unique(labels[n_fitted : seen.n])
    rows = np.flatnonzero(np.isin(labels[: seen.n], touched))
    effects = np.repeat([columns.shape[1] for columns in seen.effects], counts)
    sizes = np.bincount(labels[seen.n :], weights=effects, minlength=int(labels.max()) + 1)
    return rows, labels[rows], tuple(int(sizes[label]) for label in touched)


def updated_effects(
    seen: Rows,
    response: Floats,
    component: Integers,
    parameters: ParameterDraws,
    rng: np.random.Generator,
) -> tuple[dict[int, Floats], ...]:
    """Draws of the effects of the groups in some rows from their exact conditional given those rows.

    One for each draw of (beta, Sigma, sigma). With u = R b of every group, b is normal with the precision
    I + R'Z'WZR / sigma^2 and the mean (precision)^-1 R'Z'W (y - X beta) / sigma^2.

    Parameters
    ----------
    seen : Rows
        All rows that say something of these groups.
    response : (n,) array
    component : (n,) int array
        Rows of different components share no group, so that each is worked on by itself.
    parameters : ParameterDraws

    Returns
    -------
    tuple of {group: (D, q) array}
        For each level.
    """
    roots = [covariance_roots(sigma) for sigma in parameters.covariances]
    found: tuple[dict[int, Floats], ...] = tuple({} for _ in roots)
    for number in np.unique(component):
        at = np.flatnonzero(component == number)
        rows = seen.take(at)
        groups = [np.unique(codes) for codes in rows.codes]
        Z = np.hstack([_spread(z, codes, g) for z, codes, g in zip(rows.effects, rows.codes, groups, strict=True)])
        weighted = Z if rows.weights is None else Z * rows.weights[:, None]
        gram = weighted.T @ Z
        across = (response[at] - rows.offset) @ weighted - parameters.beta @ (rows.fixed.T @ weighted)
        noise = rng.standard_normal(across.shape)
        drawn = np.empty_like(across)
        step = max(1, CHUNK // max(gram.size, 1))
        for start in range(0, len(drawn), step):
            part = slice(start, start + step)
            R = _block_roots([root[part] for root in roots], [len(g) for g in groups])
            drawn[part] = _draw_given(R, gram, across[part], parameters.sigma[part], noise[part])
        first = 0
        for level, (g, root) in enumerate(zip(groups, roots, strict=True)):
            q = root.shape[-1]
            for group in g.tolist():
                found[level][group] = drawn[:, first : first + q]
                first += q
    return found


def _spread(columns: Floats, codes: Integers, groups: Integers) -> Floats:
    """Z of a level, (n, groups q)."""
    n, q = columns.shape
    out = np.zeros((n, len(groups), q))
    out[np.arange(n), np.searchsorted(groups, codes)] = columns
    return out.reshape(n, -1)


def _block_roots(roots: Sequence[Floats], counts: Sequence[int]) -> Floats:
    """R of all groups of a component, (D, Q, Q)."""
    sizes = [count * root.shape[-1] for root, count in zip(roots, counts, strict=True)]
    out = np.zeros((len(roots[0]), sum(sizes), sum(sizes)))
    at = 0
    for root, count in zip(roots, counts, strict=True):
        q = root.shape[-1]
        for _ in range(count):
            out[:, at : at + q, at : at + q] = root
            at += q
    return out


def _draw_given(R: Floats, gram: Floats, across: Floats, sigma: Floats, noise: Floats) -> Floats:
    """R b for b normal with precision I + R'GR / sigma^2 and right-hand side R'across / sigma^2, (D, Q)."""
    turned = np.swapaxes(R, -1, -2)
    scale = sigma[:, None] ** 2
    precision = np.eye(len(gram)) + turned @ gram @ R / scale[:, :, None]
    C = np.linalg.cholesky(precision)
    right = (turned @ across[:, :, None])[:, :, 0] / scale
    white = np.linalg.solve(C, right[:, :, None]) + noise[:, :, None]
    return np.asarray((R @ np.linalg.solve(np.swapaxes(C, -1, -2), white))[:, :, 0])
