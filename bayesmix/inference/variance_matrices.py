"""The matrices of y = X beta + Z u + e, u ~ N(0, G), e ~ N(0, R): what a textbook writes, and no fit needs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def effect_matrix(columns: Floats, codes: Integers, n_groups: int) -> sparse.csr_array:
    """Z of a level, (n, J q): in each row the q columns of its group, groups side by side.

    Parameters
    ----------
    columns : (n, q) array
    codes : (n,) int array
        Group of each row, below ``n_groups``.
    n_groups : int

    Examples
    --------
    >>> effect_matrix(np.array([[1.0], [1.0], [1.0]]), np.array([0, 0, 1]), 2).toarray().tolist()
    [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    """
    n, q = columns.shape
    places = codes[:, None] * q + np.arange(q)
    values = (columns.ravel(), (np.repeat(np.arange(n), q), places.ravel()))
    return without_zeros(sparse.csr_array(values, shape=(n, n_groups * q)))


def group_covariance(sigma: Floats, n_groups: int) -> sparse.csr_array:
    """G of a level, (J q, J q): Sigma once for each group along the diagonal."""
    return without_zeros(sparse.csr_array(sparse.kron(sparse.eye_array(n_groups), sparse.csr_array(sigma))))


def marginal_variance(Z: Any, G: Any, R: Any) -> sparse.csr_array:
    """V = Z G Z' + R, exactly symmetric (Laird & Ware 1982, Biometrics 38:963-974)."""
    spread = Z @ G @ Z.T
    return without_zeros(sparse.csr_array((spread + spread.T) / 2 + R))


def without_zeros(matrix: Any) -> sparse.csr_array:
    """Only what is not 0, columns in order."""
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix


def block_sizes(matrix: Any) -> Integers:
    """Sizes of the diagonal blocks of a symmetric matrix, whatever the order of its rows; the block of row 0 first."""
    return _sizes(connected_components(matrix, directed=False)[1])


def marginal_block_sizes(Z: Any, G: Any) -> Integers:
    """Those of Z G Z' + R, without making it: rows hang together through the effects they share."""
    shared = sparse.coo_array(Z @ G)
    n, q = shared.shape
    links = sparse.coo_array((np.ones(shared.nnz), (shared.row, n + shared.col)), shape=(n + q, n + q))
    return _sizes(connected_components(links, directed=False)[1][:n])


def _sizes(label: Integers) -> Integers:
    """How often each label occurs, in the order in which they first do."""
    _, first, count = np.unique(label, return_index=True, return_counts=True)
    return np.asarray(count[np.argsort(first)])


def filling(matrix: Any, height: int, width: int) -> Floats:
    """Share of the entries that are not 0 in the cells of a coarser grid over a matrix, (height, width)."""
    found = sparse.coo_array(matrix)
    m, n = matrix.shape
    rows, columns = np.arange(m) * height // m, np.arange(n) * width // n
    count = np.zeros((height, width))
    np.add.at(count, (rows[found.row], columns[found.col]), 1.0)
    return np.asarray(count / np.outer(np.bincount(rows), np.bincount(columns)))
