"""Logistic regression with an intercept for each of many groups, and errors that allow for clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from bayesmix.errors import ConvergenceError, DataError
from bayesmix.inference.threads import one_blas_thread

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

STEPS = 50


@dataclass(frozen=True)
class LogisticFit:
    """Maximum likelihood with free intercepts.

    Parameters
    ----------
    beta : (p,) array
        Coefficients, log odds ratios.
    vcov : (p, p) array
        Their covariance if rows are independent.
    robust : (p, p) array
        The same allowing for clusters (Liang & Zeger 1986, Biometrika 73:13-22).
    intercepts : (G,) array
        One for each group; nan where all its outcomes are the same, so that its rows say nothing.
    """

    beta: Floats
    vcov: Floats
    robust: Floats
    intercepts: Floats


def fit_logistic(y: Floats, X: Floats, groups: Integers, clusters: Integers) -> LogisticFit:
    """Fit by Newton's method; the intercepts are eliminated from each step, so that their number costs nothing.

    Parameters
    ----------
    y : (n,) array
        0 or 1.
    X : (n, p) array
        Predictors, none of them constant within every group.
    groups, clusters : (n,) int arrays
        Whose intercepts are free (all 0 for one intercept), and whose rows may be correlated.

    Raises
    ------
    DataError
        All outcomes are the same, or predictors are collinear within groups.
    ConvergenceError
        Some predictor separates the outcomes.
    """
    with one_blas_thread():
        return _fit(y, X, groups, clusters)


def _fit(y: Floats, X: Floats, groups: Integers, clusters: Integers) -> LogisticFit:
    """The same, on one thread."""
    size = np.bincount(groups).astype(float)
    share = np.bincount(groups, weights=y) / size
    informative = (share > 0) & (share < 1)
    if not informative.any():
        raise DataError(
            "All outcomes of every group are the same.", "Expected both 0 and 1.", "Check how the outcome is coded."
        )
    rows = informative[groups]
    y, X, clusters = y[rows], X[rows], clusters[rows]
    kept = np.flatnonzero(informative)
    codes = np.searchsorted(kept, groups[rows])
    intercepts, beta = logit(share[kept]), np.zeros(X.shape[1])
    for _ in range(STEPS):
        p = expit(intercepts[codes] + X @ beta)
        D, C, S = _information(p, X, codes, len(kept))
        rest = y - p
        score = np.bincount(codes, weights=rest, minlength=len(kept))
        step = _solve(S, X.T @ rest - C.T @ (score / D))
        beta = beta + step
        intercepts = intercepts + (score - C @ step) / D
        if np.abs(step).max(initial=0.0) < 1e-9 and np.abs(score).max() < 1e-6 * len(y):
            break
    else:
        raise ConvergenceError(
            f"Logistic regression did not converge in {STEPS} steps.",
            "Expected outcomes that no predictor separates.",
            "Draw more patients, or leave a factor out.",
        )
    p = expit(intercepts[codes] + X @ beta)
    D, C, S = _information(p, X, codes, len(kept))
    bread = _solve(S, np.eye(len(beta)))
    influence = (X - (C / D[:, None])[codes]) * (y - p)[:, None]
    count = int(clusters.max()) + 1
    sums = np.column_stack([np.bincount(clusters, weights=column, minlength=count) for column in influence.T])
    used = np.count_nonzero(np.bincount(clusters))
    found = np.full(len(size), np.nan)
    found[kept] = intercepts
    return LogisticFit(beta, bread, bread @ (sums.T @ sums) @ bread * used / (used - 1), found)


def _information(p: Floats, X: Floats, codes: Integers, count: int) -> tuple[Floats, Floats, Floats]:
    """Information of the intercepts (diagonal), with the predictors, and of these with the intercepts eliminated."""
    w = p * (1 - p)
    D = np.bincount(codes, weights=w, minlength=count)
    C = np.column_stack([np.bincount(codes, weights=w * column, minlength=count) for column in X.T])
    return D, C, X.T @ (w[:, None] * X) - C.T @ (C / D[:, None])


def _solve(S: Floats, right: Floats) -> Floats:
    """Solve with the information of the predictors, which must have full rank."""
    scale = np.sqrt(np.maximum(np.diag(S), 1e-300))
    if np.linalg.cond(S / np.outer(scale, scale)) > 1e10:
        raise DataError(
            "The predictors are collinear within groups, or one of them is constant there.",
            "Expected predictors that vary, none a combination of the others.",
            "Leave one out, or draw more groups.",
        )
    return np.asarray(np.linalg.solve(S, right))
