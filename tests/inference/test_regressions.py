"""Least squares of rows, means and groups against NumPy, and of rows with dummies of the groups."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayesmix.inference.regressions import group_means, regress, regress_groups, regress_with_groups, within_columns

J = 6


@pytest.fixture
def data(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X = constant, a column within groups (of large mean), one of the groups, and their product; a group of 1 row."""
    codes = rng.permutation(np.repeat(np.arange(J), [1, 4, 5, 6, 7, 9]))
    x, w = 50 + rng.normal(size=len(codes)), rng.normal(size=J)[codes]
    X = np.column_stack([np.ones(len(codes)), x, w, x * w])
    return X, rng.normal(size=len(codes)) + 0.3 * x, codes


def dummies(Z: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Z once for every group."""
    return np.concatenate([Z * (codes == g)[:, None] for g in range(J)], axis=1)


def test_regress(data: tuple[np.ndarray, ...]) -> None:
    X, y, _ = data
    found = regress(X, y, True)
    beta, (rss,), *_ = np.linalg.lstsq(X, y, rcond=None)
    assert_allclose(found.beta, beta, rtol=1e-7)
    assert_allclose(found.rss, rss, rtol=1e-10)
    errors = np.sqrt(rss / (len(y) - 4) * np.diag(np.linalg.inv(X.T @ X)))
    assert_allclose(found.se, errors, rtol=1e-6)
    tss = ((y - y.mean()) ** 2).sum()
    assert_allclose([found.r2, found.F], [1 - rss / tss, (tss - rss) / 3 / (rss / (len(y) - 4))], rtol=1e-9)
    assert_allclose(found.adj_r2, 1 - (rss / (len(y) - 4)) / (tss / (len(y) - 1)), rtol=1e-9)


def test_regress_without_a_constant(data: tuple[np.ndarray, ...]) -> None:
    """R compares with 0 then."""
    X, y, _ = data
    found = regress(X[:, 1:2], y, False)
    slope = X[:, 1] @ y / (X[:, 1] @ X[:, 1])
    rss = ((y - slope * X[:, 1]) ** 2).sum()
    assert_allclose([found.beta[0], found.r2], [slope, 1 - rss / (y @ y)], rtol=1e-10)
    assert_allclose(found.adj_r2, 1 - rss / (len(y) - 1) / (y @ y / len(y)), rtol=1e-10)


def test_aliased_columns_are_left_out(data: tuple[np.ndarray, ...]) -> None:
    X, y, _ = data
    found, plain = regress(np.column_stack([X[:, :2], 3 - 2 * X[:, 1], X[:, 2]]), y, True), regress(X[:, :3], y, True)
    assert np.isnan(found.beta[2]) and np.isnan(found.se[2])
    assert_allclose(found.beta[[0, 1, 3]], plain.beta)
    assert found.df == plain.df


def test_nothing_left(data: tuple[np.ndarray, ...]) -> None:
    X, y, _ = data
    found = regress(X[:2, :2], y[:2], True)
    assert found.df == 0
    assert np.isnan([found.sigma, found.adj_r2, found.F, *found.se]).all()
    assert np.isfinite(found.beta).all()


def test_group_means(data: tuple[np.ndarray, ...]) -> None:
    X, _, codes = data
    centred = X[:, 1] - group_means(X[:, 1:2], codes, J)[codes, 0]
    found = group_means(np.column_stack([X, 1000 + centred]), codes, J)
    for g in range(J):
        assert_allclose(found[g, :4], X[codes == g].mean(axis=0), rtol=1e-12)
    assert len(set(found[:, 0])) == 1 and len(set(found[:, 4])) == 1


def test_each_group(data: tuple[np.ndarray, ...]) -> None:
    """Columns of the groups are spanned by the constant; the group of one row determines nothing."""
    X, y, codes = data
    assert within_columns(X, codes, J).tolist() == [0, 1]
    assert within_columns(X[:, 1:], codes, J).tolist() == [0, 1]
    found = regress_groups(X, y, codes, J)
    assert found.complete.tolist() == [False, True, True, True, True, True]
    assert np.isnan(found.beta[0]).all()
    for g in range(1, J):
        own = codes == g
        beta, (rss,), *_ = np.linalg.lstsq(X[own, :2], y[own], rcond=None)
        assert_allclose(found.beta[g], beta, rtol=1e-6)
        assert_allclose(found.rss[g], rss, rtol=1e-8)


@pytest.mark.parametrize("effects", [[0], [0, 1]])
def test_groups_as_fixed(effects: list[int], data: tuple[np.ndarray, ...]) -> None:
    """The same fit with dummy columns; the mean of the groups is a linear combination of their coefficients."""
    X, y, codes = data
    Z = X[:, effects]
    found = regress_with_groups(X, Z, y, codes, J)
    spread = dummies(Z, codes)
    own = [k for k in (1, 3) if k not in effects and effects == [0]]
    whole = np.column_stack([spread, X[:, own]])
    inverse = np.linalg.pinv(whole.T @ whole, rcond=1e-12)
    beta = inverse @ whole.T @ y
    rss = ((y - whole @ beta) ** 2).sum()
    assert found.rank == np.linalg.matrix_rank(whole)
    assert_allclose(found.rss, rss, rtol=1e-6)
    sigma2 = rss / found.df
    assert_allclose(found.sigma**2, sigma2, rtol=1e-6)
    counted = range(0 if effects == [0] else 1, J)  # the group of one row has no slope of its own
    for a in range(len(effects)):
        weights = np.zeros(whole.shape[1])
        weights[[g * len(effects) + a for g in counted]] = 1 / len(counted)
        assert_allclose(found.mean[a], weights @ beta, rtol=1e-4)
        assert_allclose(found.mean_se[a], np.sqrt(sigma2 * weights @ inverse @ weights), rtol=1e-4)
    assert_allclose(found.beta[own], beta[spread.shape[1] :], rtol=1e-4)
    assert_allclose(found.se[own], np.sqrt(sigma2 * np.diag(inverse)[spread.shape[1] :]), rtol=1e-4)
    assert np.isnan(found.beta[[k for k in range(4) if k not in own]]).all()
    assert np.isnan(found.groups[0]).all() == (effects == [0, 1])
