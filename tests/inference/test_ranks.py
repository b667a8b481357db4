"""Ranks of fixed and group effects together, against dense matrices."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayesmix.errors import ArgumentError
from bayesmix.inference import ranks
from bayesmix.inference.ranks import Effects, independent, joint_rank


def dense_rank(X: np.ndarray, effects: list[Effects]) -> int:
    """Of [X Z] written out, its columns scaled."""
    parts = [X]
    for part in effects:
        indicator = part.codes[:, None] == np.arange(part.codes.max() + 1)
        parts += [indicator * column[:, None] for column in part.columns.T]
    full = np.hstack(parts)
    size = np.linalg.norm(full, axis=0)
    return int(np.linalg.matrix_rank(full / np.where(size > 0, size, 1.0), tol=1e-6))


@pytest.mark.parametrize("seed", range(30))
def test_random_designs(seed: int) -> None:
    """Nested, crossed, or twice the same grouping; slopes that are also fixed; predictors of groups; tiny groups."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(12, 60))
    top = rng.integers(5, size=n)
    inner = np.unique(top * 3 + rng.integers(3, size=n), return_inverse=True)[1]
    other = np.unique(rng.integers(6, size=n), return_inverse=True)[1]
    top = np.unique(top, return_inverse=True)[1]
    ones, x, w = np.ones(n), rng.normal(size=n), rng.normal(size=top.max() + 1)[top]
    X = np.column_stack([ones, x, w, x * w])[:, : int(rng.integers(1, 5))]
    columns = np.column_stack([ones, x, np.round(x)])
    effects = [
        Effects(columns[:, : int(rng.integers(1, 4))], codes) for codes in (inner, top, other) if rng.random() < 0.7
    ]
    if rng.random() < 0.3:
        effects.append(Effects(columns[:, 1:2], top))
    assert joint_rank(X, effects) == dense_rank(X, effects)


def test_no_effects_and_no_fixed_effects() -> None:
    X = np.column_stack([np.ones(6), np.arange(6.0), 2 * np.arange(6.0)])
    assert joint_rank(X, []) == 2
    assert joint_rank(np.zeros((6, 0)), [Effects(np.ones((6, 1)), np.array([0, 0, 1, 1, 2, 2]))]) == 3


def test_balanced_two_way_layout() -> None:
    """a + b - 1 in two crossed factors."""
    plate, sample = np.repeat(np.arange(24), 6), np.tile(np.arange(6), 24)
    effects = [Effects(np.ones((144, 1)), codes) for codes in (plate, sample)]
    assert joint_rank(np.ones((144, 1)), effects) == 29


def test_too_many_effects_hang_together(monkeypatch: pytest.MonkeyPatch) -> None:
    plate, sample = np.repeat(np.arange(24), 6), np.tile(np.arange(6), 24)
    effects = [Effects(np.ones((144, 1)), codes) for codes in (plate, sample)]
    monkeypatch.setattr(ranks, "LARGEST", 29)
    with pytest.raises(ArgumentError, match="30 group effects share rows"):
        joint_rank(np.ones((144, 1)), effects)
    # As many in parts that share no rows are no obstacle.
    assert joint_rank(np.ones((144, 1)), [Effects(np.ones((144, 1)), np.arange(144) // 2)]) == 72


def test_independent_columns() -> None:
    basis = independent(np.array([[1.0, 1e6, 2e6], [0.0, 1.0, 2.0], [0.0, 0.0, 0.0]]))
    assert basis.shape == (3, 2)
    assert_allclose(basis.T @ basis, np.eye(2), atol=1e-12)
    assert_allclose(basis[2], 0, atol=1e-12)
