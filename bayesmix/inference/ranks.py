"""Ranks of fixed and group effects together, from which containment and residual degrees of freedom are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack, solve_triangular
from scipy.sparse.csgraph import connected_components

from bayesmix.errors import ArgumentError
from bayesmix.inference.threads import one_blas_thread

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Effects that share rows, directly or through others, are worked through as one dense matrix up to this size.
LARGEST = 5000
# A column is spanned by others when less than this share of its square is left.
TOLERANCE = 1e-10


@dataclass(frozen=True)
class Effects:
    """Columns that vary by group.

    Parameters
    ----------
    columns : (n, q) array
        In any basis; scaled and centred where the model allows.
    codes : (n,) int array
        Group of each row.
    """

    columns: Floats
    codes: Integers


def joint_rank(X: Floats, effects: Sequence[Effects]) -> int:
    """Rank of [X Z], Z the columns of all effects.

    Parameters
    ----------
    X : (n, p) array
        Fixed effects.
    effects : sequence of Effects
        Nested, crossed or neither; the same grouping may occur more than once.

    Returns
    -------
    int

    Raises
    ------
    ArgumentError
        More than 5,000 group effects hang together, as those of large crossed factors do.

    Examples
    --------
    >>> groups = np.array([0, 0, 1, 1])
    >>> joint_rank(np.ones((4, 1)), [Effects(np.ones((4, 1)), groups)])
    2
    """
    X = _scaled(X)
    Z = sparse.hstack([_spread(part) for part in effects], format="csr") if effects else sparse.csr_matrix((len(X), 0))
    squares = (Z.T @ Z).tocsr()
    with_fixed = Z.T @ X
    rank, left = 0, X.T @ X
    with one_blas_thread():
        for members in _components(squares):
            found, explained = _explained(squares[members][:, members].toarray(), with_fixed[members])
            rank += found
            left -= explained
    return rank + int((np.linalg.eigvalsh(left) > TOLERANCE * len(X)).sum())


def _scaled(columns: Floats) -> Floats:
    """Columns of mean square 1; those of zeros stay."""
    size = np.sqrt(np.einsum("ij,ij->j", columns, columns) / len(columns))
    return np.asarray(columns / np.where(size > 0, size, 1.0))


def _spread(part: Effects) -> sparse.csr_matrix:
    """Z of some effects, (n, J q), columns of length 1; a column of a group without rows of it stays 0."""
    n, q = part.columns.shape
    n_groups = int(part.codes.max()) + 1
    squares = np.stack([np.bincount(part.codes, c**2, n_groups) for c in part.columns.T], axis=1)
    size = np.sqrt(squares)
    values = part.columns / np.where(size > 0, size, 1.0)[part.codes]
    places = part.codes[:, None] * q + np.arange(q)
    return sparse.csr_matrix((values.ravel(), (np.repeat(np.arange(n), q), places.ravel())), shape=(n, n_groups * q))


def _components(squares: sparse.csr_matrix) -> list[Integers]:
    """Sets of columns that share no rows with one another, such as the groups of the top level with all below."""
    if squares.shape[0] == 0:
        return []
    _, label = connected_components(squares, directed=False)
    order = np.argsort(label, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(label))[:-1])
    largest = max(len(part) for part in parts)
    if largest > LARGEST:
        raise ArgumentError(
            f"Degrees of freedom from ranks were asked for, and {largest} group effects share rows with one another.",
            f"Expected at most {LARGEST}, or the dense matrix they make is too large.",
            "Use df='satterthwaite'.",
        )
    return parts


def _explained(squares: Floats, with_fixed: Floats) -> tuple[int, Floats]:
    """Rank of Z'Z, and the part X'Z (Z'Z)^- Z'X of the squares of X that Z spans."""
    factor, pivots, rank, _ = lapack.dpstrf(squares, tol=TOLERANCE, lower=1)
    kept = pivots[:rank] - 1
    half = solve_triangular(np.tril(factor[:rank, :rank]), with_fixed[kept], lower=True, check_finite=False)
    return int(rank), np.asarray(half.T @ half)


def independent(columns: Floats) -> Floats:
    """An orthonormal basis of what columns span, each counted at its own scale."""
    size = np.linalg.norm(columns, axis=0)
    left, sizes, _ = np.linalg.svd(columns / np.where(size > 0, size, 1.0), full_matrices=False)
    return np.asarray(left[:, sizes > 1e-12 * sizes.max(initial=0.0)])
