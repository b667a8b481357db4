"""Contrast matrices against their definitions, and against formulaic where it has the same ones."""

import numpy as np
import pandas as pd
import pytest
from formulaic import model_matrix
from numpy.testing import assert_allclose

from bayesmix.design.contrasts import contrast_matrix, contrast_names

SIZES = [2, 3, 5, 9]


@pytest.mark.parametrize("n", SIZES)
def test_sum(n: int) -> None:
    """Coefficients are deviations from the mean of all labels; the last is minus the sum of the others."""
    effects = np.column_stack([np.ones(n), contrast_matrix("Sum", n)])
    means = np.arange(n) ** 2.0
    coefficients = np.linalg.solve(effects, means)
    assert_allclose(coefficients, [means.mean(), *(means - means.mean())[:-1]], rtol=1e-12)


@pytest.mark.parametrize("n", SIZES)
def test_helmert(n: int) -> None:
    """Coefficient k is the difference of label k + 1 from the mean of those before it, over k + 1."""
    effects = np.column_stack([np.ones(n), contrast_matrix("Helmert", n)])
    means = np.arange(n) ** 2.0
    coefficients = np.linalg.solve(effects, means)
    expected = [(means[k] - means[:k].mean()) / (k + 1) for k in range(1, n)]
    assert_allclose(coefficients, [means.mean(), *expected], rtol=1e-12)


@pytest.mark.parametrize("n", [*SIZES, 60])
def test_poly(n: int) -> None:
    matrix = contrast_matrix("Poly", n)
    assert_allclose(matrix.T @ matrix, np.eye(n - 1), atol=1e-13)
    assert_allclose(matrix.sum(axis=0), 0.0, atol=1e-13)
    assert (np.diff(matrix[:, 0]) > 0).all()
    if n % 2:
        assert matrix[n // 2, 0] == 0


THEIRS = {"Sum": "contr.sum", "Helmert": "contr.helmert", "Poly": "contr.poly"}


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", THEIRS)
def test_as_formulaic(kind: str, n: int) -> None:
    labels = [f"l{i}" for i in range(n)]
    frame = pd.DataFrame({"u": pd.Categorical(labels, labels)})
    oracle = np.asarray(model_matrix(f"C(u, {THEIRS[kind]})", frame))[:, 1:]
    assert_allclose(contrast_matrix(kind, n), oracle, rtol=1e-12, atol=1e-12)


def test_names() -> None:
    labels = ["a", "b", "c", "d", "e", "f"]
    assert contrast_names("Sum", labels) == ("S.a", "S.b", "S.c", "S.d", "S.e")
    assert contrast_names("Helmert", labels[:3]) == ("H.b", "H.c")
    assert contrast_names("Poly", labels) == (".L", ".Q", ".C", "^4", "^5")
