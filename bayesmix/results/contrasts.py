"""Tables and F tests of linear combinations of the fixed effects, whatever the degrees of freedom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from bayesmix.inference.kenward_roger import adjusted_errors, kenward_roger_df, kenward_roger_test
from bayesmix.inference.satterthwaite import satterthwaite_df, satterthwaite_test
from bayesmix.inference.small_sample import FTest, large_sample_test, standard_errors
from bayesmix.results.degrees import counted_df

if TYPE_CHECKING:
    from bayesmix.results.likelihood_fit import LikelihoodFit

Floats = NDArray[np.float64]

ASYMPTOTIC = ("z", "chi2")


def contrast_table(
    fit: LikelihoodFit, contrasts: Floats, values: Floats, labels: Sequence[str], df: str, prob: float
) -> pd.DataFrame:
    """Estimate and t test of each linear combination.

    Parameters
    ----------
    fit : LikelihoodFit
    contrasts : (q, p) array
    values : (q,) array
        Hypothesised, subtracted in the tests only.
    labels : sequence of str
        Index of the table.
    df : str
        A method that :func:`bayesmix.results.degrees.check_method` let pass.
    prob : float
        Coverage of the intervals.

    Returns
    -------
    DataFrame
        estimate, se, df, t, p, ci_low, ci_high; a rule that needs explaining in ``attrs["note"]``.
    """
    estimate = contrasts @ fit.solution.beta
    se, degrees, note = _errors(fit, contrasts, df)
    t = (estimate - values) / se
    half = stats.t.ppf(0.5 + prob / 2, degrees) * se
    columns = {
        "estimate": estimate,
        "se": se,
        "df": degrees,
        "t": t,
        "p": 2 * stats.t.sf(np.abs(t), degrees),
        "ci_low": estimate - half,
        "ci_high": estimate + half,
    }
    table = pd.DataFrame(columns, index=list(labels))
    if note:
        table.attrs["note"] = note
    return table


def joint_test(fit: LikelihoodFit, contrasts: Floats, values: Floats, df: str) -> FTest:
    """F test that linear combinations of rank q have these values.

    Where degrees of freedom are counted, the denominator has the smallest among the fixed effects involved.
    """
    distance = contrasts @ fit.solution.beta - values
    if df == "satterthwaite":
        return satterthwaite_test(fit._small_sample, contrasts, distance)
    if df == "kenward-roger":
        return kenward_roger_test(fit._small_sample, contrasts, distance)
    _, degrees, _ = _errors(fit, contrasts, df)
    return large_sample_test(fit._small_sample, contrasts, distance, float(degrees.min()))


def _errors(fit: LikelihoodFit, contrasts: Floats, df: str) -> tuple[Floats, Floats, str | None]:
    """Standard errors, degrees of freedom, and a note on the latter."""
    sample = fit._small_sample
    if df == "kenward-roger":
        return adjusted_errors(sample, contrasts), kenward_roger_df(sample, contrasts), None
    se = standard_errors(sample, contrasts)
    if df == "satterthwaite":
        return se, satterthwaite_df(sample, contrasts), None
    if df in ASYMPTOTIC:
        return se, np.full(len(se), np.inf), None
    counted, note = counted_df(fit.design, fit.products, df)
    involved = np.abs(contrasts) > 1e-10 * np.abs(contrasts).max(
        axis=1, keepdims=True, initial=0.0
    )  # recoding leaves rounding
    return se, np.array([counted[row].min() for row in involved]), note
