"""Least squares without a multilevel model: of all rows, of group means, of each group, with the groups as fixed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.design.rank import aliased_columns

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# A column is spanned by others within the groups when less than this share of its length is left.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Regression:
    """Least squares of n rows on p columns.

    Parameters
    ----------
    beta, se : (p,) arrays
        nan for a column that is a combination of those before it.
    n, rank : int
    rss : float
        Residual sum of squares.
    tss : float
        Sum of squares about the mean, or about 0 without a constant.
    constant : bool
        Whether the first column is the constant.
    """

    beta: Floats
    se: Floats
    n: int
    rank: int
    rss: float
    tss: float
    constant: bool

    @property
    def df(self) -> int:
        """Residual degrees of freedom."""
        return self.n - self.rank

    @property
    def sigma(self) -> float:
        """Residual standard deviation; nan where nothing is left to estimate it."""
        return float(np.sqrt(self.rss / self.df)) if self.df > 0 else np.nan

    @property
    def r2(self) -> float:
        """Share of the sum of squares explained."""
        if self.rank == self.constant:
            return 0.0
        return 1 - self.rss / self.tss if self.tss > 0 else np.nan

    @property
    def adj_r2(self) -> float:
        """The same with mean squares."""
        return 1 - (1 - self.r2) * (self.n - self.constant) / self.df if self.df > 0 else np.nan

    @property
    def F(self) -> float:  # noqa: N802
        """Mean square of all columns but the constant over the residual one."""
        k = self.rank - self.constant
        return (self.tss - self.rss) / k / self.sigma**2 if k > 0 and self.df > 0 else np.nan


def regress(X: Floats, y: Floats, constant: bool) -> Regression:
    """Least squares, aliased columns left out as R's lm leaves them out.

    Parameters
    ----------
    X : (n, p) array
    y : (n,) array
    constant : bool
        Whether the first column is the constant.

    Examples
    --------
    >>> found = regress(np.column_stack([np.ones(4), np.arange(4.0)]), np.array([1.0, 2.0, 4.0, 5.0]), True)
    >>> found.beta.round(2).tolist(), found.df, round(found.r2, 4)
    ([0.9, 1.4], 2, 0.98)
    """
    n, p = X.shape
    dropped = aliased_columns(X, constant)
    kept = np.array([j for j in range(p) if j not in dropped], np.int64)
    beta, se = np.full(p, np.nan), np.full(p, np.nan)
    solved, rest, inverse = _solve(X[:, kept], y)
    centred = y - y.mean() if constant else y
    found = Regression(beta, se, n, len(kept), float(rest @ rest), float(centred @ centred), constant)
    beta[kept] = solved
    se[kept] = found.sigma * np.sqrt(np.diag(inverse))
    return found


def group_means(values: Floats, codes: Integers, n_groups: int) -> Floats:
    """Means of (n, k) columns by group, (J, k); exactly equal where they differ by rounding alone."""
    first = values.mean(axis=0)
    size = np.bincount(codes, minlength=n_groups)
    sums = [np.bincount(codes, weights=column, minlength=n_groups) for column in (values - first).T]
    moved = np.stack(sums, axis=1) / size[:, None]
    moved[:, np.abs(moved).max(axis=0) <= 1e-12 * np.abs(values).max(axis=0)] = 0.0
    return np.asarray(first + moved)


@dataclass(frozen=True)
class GroupRegressions:
    """Least squares of every group.

    Parameters
    ----------
    columns : (q,) int array
        Which columns of X can be told apart within groups.
    beta : (J, q) array
        nan for a group whose rows do not determine all of them.
    rss : (J,) array
    rank : (J,) int array
    """

    columns: Integers
    beta: Floats
    rss: Floats
    rank: Integers

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Groups whose rows determine all coefficients."""
        return np.asarray(self.rank == len(self.columns))


def regress_groups(X: Floats, y: Floats, codes: Integers, n_groups: int) -> GroupRegressions:
    """A regression in each group, on the columns of X that are not spanned by those before them in every group.

    Parameters
    ----------
    X : (n, p) array
    y : (n,) array
    codes : (n,) int array
        Group of each row.
    n_groups : int
    """
    columns = within_columns(X, codes, n_groups)
    beta = np.full((n_groups, len(columns)), np.nan)
    rss, rank = np.zeros(n_groups), np.zeros(n_groups, np.int64)
    for g, rows in _rows(codes, n_groups):
        basis, _ = _independent(X[np.ix_(rows, columns)])
        rest = y[rows] - basis @ (basis.T @ y[rows])
        rss[g], rank[g] = rest @ rest, basis.shape[1]
        if rank[g] == len(columns):
            beta[g] = _solve(X[np.ix_(rows, columns)], y[rows])[0]
    return GroupRegressions(columns, beta, rss, rank)


def within_columns(X: Floats, codes: Integers, n_groups: int) -> Integers:
    """Columns of X that those before them do not span in every group, (q,)."""
    left = np.zeros(X.shape[1])
    kept: list[int] = []
    for k in range(X.shape[1]):
        for _, rows in _rows(codes, n_groups):
            basis, _ = _independent(X[np.ix_(rows, kept)])
            rest = X[rows, k] - basis @ (basis.T @ X[rows, k])
            left[k] += rest @ rest
        if left[k] > TOLERANCE**2 * (X[:, k] @ X[:, k]):
            kept.append(k)
    return np.array(kept, np.int64)


@dataclass(frozen=True)
class FixedGroups:
    """One least-squares fit of X and a set of coefficients for each group, with one residual variance.

    Parameters
    ----------
    beta, se : (p,) arrays
        Coefficients of X beside those of the groups; nan where these span the column.
    mean, mean_se : (q,) arrays
        Mean of the coefficients of the groups, each group counting once, and its standard error.
    groups : (J, q) array
        The coefficients; nan for a group that does not determine them.
    rank, n : int
    rss : float
    """

    beta: Floats
    se: Floats
    mean: Floats
    mean_se: Floats
    groups: Floats
    n: int
    rank: int
    rss: float

    @property
    def df(self) -> int:
        """Residual degrees of freedom."""
        return self.n - self.rank

    @property
    def sigma(self) -> float:
        """Residual standard deviation; nan where nothing is left to estimate it."""
        return float(np.sqrt(self.rss / self.df)) if self.df > 0 else np.nan


def regress_with_groups(X: Floats, Z: Floats, y: Floats, codes: Integers, n_groups: int) -> FixedGroups:
    """Least squares on X and on the columns of Z separately for every group (Frisch, Waugh and Lovell: Z first).

    Parameters
    ----------
    X : (n, p) array
    Z : (n, q) array
    y : (n,) array
    codes : (n,) int array
    n_groups : int
    """
    p, q = X.shape[1], Z.shape[1]
    rest, determined = np.column_stack([X, y]), np.zeros(n_groups, dtype=bool)
    rank = 0
    for g, rows in _rows(codes, n_groups):
        basis, full = _independent(Z[rows])
        rest[rows] -= basis @ (basis.T @ rest[rows])
        rank, determined[g] = rank + basis.shape[1], full
    size = np.linalg.norm(X, axis=0)
    spanned = np.linalg.norm(rest[:, :p], axis=0) <= TOLERANCE * size
    rest[:, :p][:, spanned] = 0.0
    free = regress(rest[:, :p], rest[:, p], False)
    beta, kept = np.where(np.isnan(free.beta), 0.0, free.beta), np.flatnonzero(~np.isnan(free.beta))
    inverse = _solve(rest[:, kept], rest[:, p])[2]
    n = len(y)
    sigma2 = free.rss / (n - rank - len(kept)) if n > rank + len(kept) else np.nan
    groups, own, slope = np.full((n_groups, q), np.nan), np.zeros(q), np.zeros((q, len(kept)))
    J = max(int(determined.sum()), 1)
    for g, rows in _rows(codes, n_groups):
        if determined[g]:
            groups[g], _, square = _solve(Z[rows], y[rows] - X[rows] @ beta)
            own += np.diag(square) / J**2
            slope += square @ Z[rows].T @ X[np.ix_(rows, kept)] / J
    se = np.full(p, np.nan)
    se[kept] = np.sqrt(sigma2 * np.diag(inverse))
    mean = groups[determined].mean(axis=0) if determined.any() else np.full(q, np.nan)
    mean_se = np.sqrt(sigma2 * (own + np.einsum("ak,kl,al->a", slope, inverse, slope)))
    mean_se = mean_se if determined.any() else np.full(q, np.nan)
    return FixedGroups(free.beta, se, mean, mean_se, groups, n, rank + len(kept), free.rss)


def _rows(codes: Integers, n_groups: int) -> Iterator[tuple[int, Integers]]:
    """The rows of each group."""
    order = np.argsort(codes, kind="stable")
    stops = np.cumsum(np.bincount(codes, minlength=n_groups))
    yield from ((g, rows) for g, rows in enumerate(np.split(order, stops[:-1])))


def _independent(columns: Floats) -> tuple[Floats, bool]:
    """An orthonormal basis of what columns span, each counted at its own scale, and whether they are independent."""
    size = np.linalg.norm(columns, axis=0)
    left, sizes, _ = np.linalg.svd(columns / np.where(size > 0, size, 1.0), full_matrices=False)
    kept = sizes > TOLERANCE * sizes.max(initial=0.0)
    return np.asarray(left[:, kept]), bool(kept.sum() == columns.shape[1])


def _solve(X: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Coefficients, residuals and (X'X)^-1 of independent columns, by QR at the scale of each."""
    size = np.linalg.norm(X, axis=0)
    Q, R = np.linalg.qr(X / size)
    beta = np.linalg.solve(R, Q.T @ y)
    root = np.linalg.solve(R, np.eye(len(R))) / size[:, None]
    rest = y - Q @ (Q.T @ y)
    return beta / size, rest - Q @ (Q.T @ rest), root @ root.T
