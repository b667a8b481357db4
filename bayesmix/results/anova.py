"""The analysis-of-variance table of the fixed part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from bayesmix.errors import ArgumentError
from bayesmix.inference.small_sample import FTest
from bayesmix.results.contrasts import joint_test
from bayesmix.results.degrees import COUNTED, ESTIMATED, TITLES, check_method
from bayesmix.results.term_hypotheses import (
    averaged,
    each_after_unrelated,
    fixed_terms,
    over_labels,
    sequential,
)

if TYPE_CHECKING:
    from bayesmix.results.likelihood_fit import LikelihoodFit

COLUMNS = ["sum_sq", "mean_sq", "num_df", "den_df", "F", "p"]

_TYPES = {
    1: (sequential, "Type I: each term after those before it."),
    2: (each_after_unrelated, "Type II: each term after all terms that do not contain it."),
    3: (
        averaged,
        "Type III: coefficients as under sum-to-zero coding, averaged over the labels of the factors a term interacts "
        "with; numbers it interacts with stay at 0. This is not t squared of the coefficient table.",
    ),
}


def anova_table(fit: LikelihoodFit, type: int, df: str) -> pd.DataFrame:
    """F tests of the terms of the fixed part.

    Parameters
    ----------
    fit : LikelihoodFit
    type : {1, 2, 3}
        Each term after those before it; after all that do not contain it; or by its sum-to-zero coefficients.
    df : {"satterthwaite", "kenward-roger", "containment", "hlm", "between-within", "residual"}
        Degrees of freedom of the denominator.

    Returns
    -------
    DataFrame
        Index term, without the intercept; sum_sq, mean_sq (F times the residual variance), num_df, den_df, F, p. What
        the type means is in ``attrs["note"]``.

    Raises
    ------
    ArgumentError
        Another type or ``df``, or one that the fit does not allow.

    References
    ----------
    Kuznetsova, Brockhoff & Christensen (2017), lmerTest package, Journal of Statistical Software 82(13).

    Examples
    --------
    >>> import bayesmix as bx
    >>> formula = "math ~ meanses * cses + sector * cses + (cses | school)"
    >>> fit = bx.Model(formula, bx.load_dataset("hsb")).reml()
    >>> fit.anova().loc["cses", ["den_df", "F"]].round(2).tolist()
    [144.95, 357.57]
    """
    check_method(df, (*ESTIMATED, *COUNTED), fit.solution.reml)
    if isinstance(type, bool) or type not in _TYPES:
        raise ArgumentError(f"type={type!r}.", "Expected 1, 2 or 3.", "Type 3 is the default.")
    hypotheses, note = _TYPES[type]
    terms = fixed_terms(fit.design)
    contrasts = hypotheses(fit.design, terms)
    rows = {}
    for term in terms:
        L = contrasts[term.label]
        if term.label == "Intercept" or len(L) == 0:
            continue
        test = joint_test(fit, L, np.zeros(len(L)), df)
        mean_square = test.statistic * fit.sigma**2
        p = stats.f.sf(test.statistic, test.num_df, test.den_df)
        rows[term.label] = [test.num_df * mean_square, mean_square, test.num_df, test.den_df, test.statistic, p]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS).rename_axis("term")
    notes = [note, f"{TITLES[df][0].upper()}{TITLES[df][1:]}."]
    if fit.design.dropped:
        notes.append(f"Without the aliased {', '.join(fit.design.dropped)}, what a term tests depends on the coding.")
    table.attrs["note"] = " ".join(notes)
    return table.astype({"num_df": int})


def intercept_test(fit: LikelihoodFit, df: str) -> FTest | None:
    """Type III test of the intercept: the mean over the labels of all factors, numbers at 0; None without one."""
    terms = fixed_terms(fit.design)
    if all(term.label != "Intercept" for term in terms):
        return None
    L = over_labels(fit.design, terms)["Intercept"]
    return joint_test(fit, L, np.zeros(len(L)), df) if len(L) else None
