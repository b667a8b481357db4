"""What is concluded about factors of patients, physicians and hospitals, with and without their grouping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from bayesmix.errors import ArgumentError, DataError, refuse_unknown
from bayesmix.teaching.arguments import read_frame, require_share, shown
from bayesmix.teaching.hospitals import HOSPITAL, OUTCOMES, PATIENT, PHYSICIAN
from bayesmix.teaching.logistic import LogisticFit, fit_logistic

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def compare_conclusions(data: Any, outcomes: Any = None, *, alpha: float = 0.05, **unknown: Any) -> pd.DataFrame:
    """Traditional logistic regression of patients beside tests that count physicians and hospitals.

    Traditional: all factors at once, patients independent. Grouped: factors of patients and physicians are compared
    within hospitals (an intercept for each), with standard errors that allow for the clusters of physicians; then the
    intercepts of the hospitals are regressed on the factors of hospitals by least squares, with t tests on hospitals
    less factors less 1. The latter stands in for a multilevel logistic model, which is not fitted here.

    Three things are to be seen: the traditional tests of hospital factors are significant far too often; the
    traditional coefficients of physicians are too near to 0, because odds ratios of a whole population are smaller than
    those within a hospital; and the conclusions about hospitals often differ, while those about patients agree.

    Parameters
    ----------
    data : data frame
        From :func:`simulate_hospitals`, or with its columns.
    outcomes : str or sequence of str, optional
        Which outcomes; by default all nine.
    alpha : float
        Level at which an effect is called significant.

    Returns
    -------
    DataFrame
        Index (outcome, level, factor); traditional and grouped, the log odds ratios, each with ``_se`` and ``_p``;
        differ, whether only one of them is significant; truth, where the data still have it.

    References
    ----------
    Neuhaus & Jewell (1993), Biometrika 80:807-815, on smaller odds ratios in whole populations.

    Examples
    --------
    >>> import bayesmix as bx
    >>> frame = bx.simulate_hospitals(patients=20_000, physicians=1_000, hospitals=100, seed=1)
    >>> table = bx.compare_conclusions(frame)
    >>> table["differ"].groupby("level").mean().round(2).to_dict()
    {'hospital': 0.47, 'patient': 0.0, 'physician': 0.06}
    >>> hospitals = table.xs("hospital", level="level").query("truth == 0")
    >>> (hospitals[["traditional_p", "grouped_p"]] < 0.05).mean().round(2).tolist()
    [0.53, 0.03]
    """
    refuse_unknown("compare_conclusions", unknown, ("alpha",))
    level = require_share("alpha", alpha)
    wanted = _require_outcomes(outcomes)
    factors = [*PATIENT, *PHYSICIAN, *HOSPITAL]
    frame = read_frame(data, ["hospital", "physician", *factors, *wanted])
    if frame[["hospital", "physician", *factors, *wanted]].isna().any(axis=None):
        raise DataError("The data have missing values.", "Expected complete rows.", "Drop the rows that are not.")
    hospital, physician = (pd.factorize(frame[name])[0].astype(np.int64) for name in ("hospital", "physician"))
    per_hospital = frame.groupby(hospital)[list(HOSPITAL)].first().to_numpy(dtype=float)
    if len(per_hospital) <= len(HOSPITAL) + 1:
        raise DataError(
            f"The data have {len(per_hospital)} hospitals for {len(HOSPITAL)} factors of hospitals.",
            f"Expected at least {len(HOSPITAL) + 2}.",
            "Draw more hospitals.",
        )
    X = frame[factors].to_numpy(dtype=float)
    truth = frame.attrs.get("truth", {})
    parts = []
    for outcome in wanted:
        y = _zeros_and_ones(frame[outcome])
        naive = fit_logistic(y, X, np.zeros(len(y), np.int64), physician)
        within = fit_logistic(y, X[:, : -len(HOSPITAL)], hospital, physician)
        columns = _columns(naive, within, per_hospital)
        columns["differ"] = (columns["traditional_p"] < level) != (columns["grouped_p"] < level)
        if outcome in truth:
            columns["truth"] = np.array([truth[outcome].get(factor, np.nan) for factor in factors])
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts).set_axis(_index(wanted), axis=0)


def _index(outcomes: list[str]) -> pd.MultiIndex:
    """Rows of the table; made of codes, so that pandas knows them to be in order."""
    by_level = [PATIENT, PHYSICIAN, HOSPITAL]
    levels = np.repeat(np.arange(3), [len(factors) for factors in by_level])
    names = [outcomes, ["patient", "physician", "hospital"], [name for factors in by_level for name in factors]]
    rows, count = len(levels), len(outcomes)
    codes = [np.repeat(np.arange(count), rows), np.tile(levels, count), np.tile(np.arange(rows), count)]
    return pd.MultiIndex(levels=names, codes=codes, names=["outcome", "level", "factor"])


def _columns(naive: LogisticFit, within: LogisticFit, per_hospital: Floats) -> dict[str, NDArray[Any]]:
    """Estimates, standard errors and p-values of both analyses."""
    error = np.sqrt(np.diag(naive.vcov))
    robust = np.sqrt(np.diag(within.robust))
    beta, errors, df = _least_squares(within.intercepts, per_hospital)
    grouped = np.concatenate([within.beta, beta])
    grouped_error = np.concatenate([robust, errors])
    p = np.concatenate([2 * stats.norm.sf(np.abs(within.beta / robust)), 2 * stats.t.sf(np.abs(beta / errors), df)])
    return {
        "traditional": naive.beta,
        "traditional_se": error,
        "traditional_p": 2 * stats.norm.sf(np.abs(naive.beta / error)),
        "grouped": grouped,
        "grouped_se": grouped_error,
        "grouped_p": p,
    }


def _least_squares(y: Floats, Z: Floats) -> tuple[Floats, Floats, int]:
    """Slopes, their standard errors and degrees of freedom; hospitals without an intercept are left out."""
    there = ~np.isnan(y)
    X = np.column_stack([np.ones(there.sum()), Z[there]])
    if np.linalg.matrix_rank(X) < X.shape[1] or len(X) <= X.shape[1]:
        raise DataError(
            f"The factors of {len(X)} hospitals are collinear, or one of them is the same in all.",
            "Expected factors that vary, none a combination of the others.",
            "Draw more hospitals.",
        )
    root = np.linalg.qr(X, mode="r")
    inverse = np.linalg.inv(root)
    beta = inverse @ (inverse.T @ (X.T @ y[there]))
    df = len(X) - X.shape[1]
    variance = float(np.sum((y[there] - X @ beta) ** 2)) / df
    return beta[1:], np.sqrt(variance * np.sum(inverse**2, axis=1))[1:], df


def _require_outcomes(outcomes: Any) -> list[str]:
    """Names of outcomes."""
    if outcomes is None:
        return list(OUTCOMES)
    found = [outcomes] if isinstance(outcomes, str) else outcomes
    if not isinstance(found, list | tuple) or not found or not all(isinstance(name, str) for name in found):
        raise ArgumentError(
            f"outcomes={shown(outcomes)}.", "Expected names of columns.", "Leave it out for all nine outcomes."
        )
    return list(dict.fromkeys(found))


def _zeros_and_ones(column: pd.Series[Any]) -> Floats:
    """An outcome as numbers."""
    values = column.to_numpy()
    if not np.isin(values, [0, 1]).all():
        raise DataError(
            f"The outcome '{column.name}' has the value {shown(values[~np.isin(values, [0, 1])][0])}.",
            "Expected 0 and 1.",
            "Code the outcome as 0 and 1.",
        )
    return np.asarray(values, dtype=float)
