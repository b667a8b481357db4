"""Z, G and V against dense algebra; their blocks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from bayesmix.inference.variance_matrices import (
    block_sizes,
    effect_matrix,
    filling,
    group_covariance,
    marginal_block_sizes,
    marginal_variance,
)
from tests import dense


def test_one_level(rng: np.random.Generator) -> None:
    codes = rng.integers(4, size=15)
    columns, root = rng.normal(size=(15, 2)), rng.normal(size=(2, 2))
    problem = dense.Dense(np.ones((15, 1)), np.zeros(15), (columns,), (codes,))
    J = codes.max() + 1
    Z, G = effect_matrix(columns, codes, J), group_covariance(root @ root.T, J)
    assert_allclose(Z.toarray(), problem.effect_columns(0), rtol=0)
    assert_allclose(G.toarray(), np.kron(np.eye(J), root @ root.T), rtol=0)
    V = marginal_variance(Z, G, 2.5 * sparse.eye_array(15))
    assert_allclose(V.toarray(), problem.variance([root @ root.T], 2.5), rtol=1e-13)
    assert_array_equal(V.toarray(), V.toarray().T)


def test_blocks_in_any_order(rng: np.random.Generator) -> None:
    """Three groups of 1, 3 and 4 rows, mixed."""
    codes = np.array([2, 1, 2, 0, 1, 2, 1, 2])
    Z, G = effect_matrix(np.ones((8, 1)), codes, 3), group_covariance(np.eye(1), 3)
    V = marginal_variance(Z, G, sparse.eye_array(8))
    assert block_sizes(V).tolist() == marginal_block_sizes(Z, G).tolist() == [4, 3, 1]


def test_what_has_no_variance_joins_nothing() -> None:
    Z, G = effect_matrix(np.ones((4, 1)), np.array([0, 0, 1, 1]), 2), group_covariance(np.zeros((1, 1)), 2)
    assert G.nnz == 0
    assert marginal_block_sizes(Z, G).tolist() == [1, 1, 1, 1]


def test_effects_without_rows_in_common() -> None:
    """Intercept and slope are 0 in turns, and join the rows of a group through their covariance only."""
    columns = np.array([[1.0, 0.0], [0.0, 1.0]])
    Z = effect_matrix(columns, np.zeros(2, np.int64), 1)
    joined, apart = group_covariance(np.array([[1.0, 0.5], [0.5, 1.0]]), 1), group_covariance(np.eye(2), 1)
    assert marginal_block_sizes(Z, joined).tolist() == [2]
    assert marginal_block_sizes(Z, apart).tolist() == [1, 1]


@pytest.mark.parametrize("size", [(3, 2), (7, 5), (4, 10)])
def test_filling(size: tuple[int, int], rng: np.random.Generator) -> None:
    full = rng.integers(2, size=(7, 10))
    found = filling(sparse.csr_array(full), *size)
    rows, columns = np.arange(7) * size[0] // 7, np.arange(10) * size[1] // 10
    for i in range(size[0]):
        for j in range(size[1]):
            assert_allclose(found[i, j], full[np.ix_(rows == i, columns == j)].mean())
