"""Which fixed effects can be told apart."""

import numpy as np
import pytest

from bayesmix.design.rank import aliased_columns


@pytest.fixture
def predictors(rng: np.random.Generator) -> np.ndarray:
    return np.column_stack([np.ones(50), rng.normal(size=(50, 3))])


def test_full_rank(predictors: np.ndarray) -> None:
    assert aliased_columns(predictors, True) == []


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_the_later_column_goes(predictors: np.ndarray, scale: float) -> None:
    """Whatever its units."""
    assert aliased_columns(np.column_stack([predictors, scale * (predictors[:, 1] - 2 * predictors[:, 3])]), True) == [
        4
    ]
    assert aliased_columns(np.column_stack([scale * predictors[:, 1], predictors[:, 1:]]), False) == [1]


def test_a_constant_beside_the_constant(predictors: np.ndarray) -> None:
    assert aliased_columns(np.column_stack([predictors[:, :2], np.full(50, 7.3), predictors[:, 2:]]), True) == [2]


def test_a_column_of_zeros(predictors: np.ndarray) -> None:
    assert aliased_columns(np.column_stack([predictors, np.zeros(50)]), True) == [4]
    assert aliased_columns(np.column_stack([predictors[:, 1:], np.zeros(50)]), False) == [3]


def test_all_labels_beside_the_constant() -> None:
    labels = np.arange(12) % 3
    indicators = np.column_stack([labels == k for k in range(3)]).astype(float)
    assert aliased_columns(np.column_stack([np.ones(12), indicators]), True) == [3]
    assert aliased_columns(indicators, False) == []


def test_a_large_mean_is_no_alias(predictors: np.ndarray) -> None:
    """Calendar years: a mean of 1e6 standard deviations is a constant to seven digits, and no constant."""
    assert aliased_columns(np.column_stack([predictors[:, 0], 1e6 + predictors[:, 1]]), True) == []


def test_nearly_aliased_columns_stay(predictors: np.ndarray) -> None:
    """R's limit: a column is dropped when less than 1e-7 of it is new."""
    near, nearer = predictors[:, 1] + 1e-5 * predictors[:, 2], predictors[:, 1] + 1e-9 * predictors[:, 2]
    assert aliased_columns(np.column_stack([predictors[:, :2], near]), True) == []
    assert aliased_columns(np.column_stack([predictors[:, :2], nearer]), True) == [2]


def test_no_columns() -> None:
    assert aliased_columns(np.zeros((5, 0)), False) == []
