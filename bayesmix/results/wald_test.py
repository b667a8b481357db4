"""Tests of linear hypotheses about the fixed effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bayesmix.errors import ArgumentError, refuse_unknown, require_coverage
from bayesmix.results.contrasts import contrast_table, joint_test
from bayesmix.results.degrees import COUNTED, ESTIMATED, TITLES, check_method
from bayesmix.results.hypotheses import read_hypotheses, vocabulary
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.term_hypotheses import fixed_terms
from bayesmix.tables import Header, format_summary, format_table
from bayesmix.tables.text import format_p


@dataclass(frozen=True, repr=False)
class WaldTest:
    """A test of hypotheses about the fixed effects, all of them at once and each alone.

    Parameters
    ----------
    table : DataFrame
        Index hypothesis; estimate, se, df, t, p, ci_low, ci_high of its left side.
    statistic : float
        F, or Wald's chi-square for ``df="chi2"``.
    num_df : int
        Number of hypotheses.
    den_df : float
        Denominator degrees of freedom, infinite for chi-square.
    p : float
    scale : float
        Kenward & Roger's factor, in the statistic already; 1 otherwise.
    df : str
        Where the degrees of freedom come from.
    """

    table: pd.DataFrame
    statistic: float
    num_df: int
    den_df: float
    p: float
    scale: float
    df: str

    def __repr__(self) -> str:
        if self.df == "chi2":
            joint = f"chi2 = {self.statistic:.4f} on {self.num_df} df"
        else:
            joint = f"F = {self.statistic:.4f} on {self.num_df} and {self.den_df:.2f} df"
        p = format_p(self.p)
        joint += f", p {p if p.startswith('<') else f'= {p}'}"
        if abs(self.scale - 1) > 5e-5:
            joint += f" (scaled by {self.scale:.4f})"
        note = self.table.attrs.get("note")
        table = format_table(self.table, {"df": 2})
        sections = [(f"Each alone ({TITLES[self.df]})", table), ("", f"\nAll at once: {joint}")]
        return format_summary(Header("Wald test of the fixed effects", []), sections, [note] if note else [])


def wald(
    fit: LikelihoodFit, hypothesis: Any, *, df: str = "satterthwaite", prob: float = 0.95, **unknown: Any
) -> WaldTest:
    """Test linear hypotheses about the fixed effects.

    Parameters
    ----------
    fit : LikelihoodFit
        By REML or ML.
    hypothesis : str, list of str, dict, or (q, p) array
        ``"meanses = sector = 0"``, ``"a - 2*b = 1, c = d"``; a list of such; ``{"ses": 2}``; or a matrix whose rows,
        times the fixed effects, are 0. Names are those of ``fixed_effects()``; the label of a term stands for its
        coefficient, or for all of them where it has several and they are set to 0.
    df : {"satterthwaite", "kenward-roger", "containment", "hlm", "between-within", "residual", "chi2"}
        Denominator degrees of freedom. Where they are counted for each fixed effect, the smallest among those involved.
    prob : float
        Coverage of the intervals.

    Returns
    -------
    WaldTest

    Raises
    ------
    ArgumentError
        An unknown name or ``df``; hypotheses that can not be read, repeat or contradict one another.

    References
    ----------
    Kuznetsova, Brockhoff & Christensen (2017), Journal of Statistical Software 82(13), section 2; Kenward & Roger
    (1997), Biometrics 53:983-997.

    Examples
    --------
    >>> import bayesmix as bx
    >>> formula = "math ~ meanses * cses + sector * cses + (cses | school)"
    >>> test = bx.wald(bx.Model(formula, bx.load_dataset("hsb")).reml(), "meanses = sector = 0")
    >>> round(test.statistic, 2), test.num_df, round(test.den_df, 2)
    (152.24, 2, 150.19)
    """
    refuse_unknown("wald", unknown, ("df", "prob"))
    if not isinstance(fit, LikelihoodFit):
        raise ArgumentError(
            f"wald was given a {type(fit).__name__}.", "Expected a fit by REML or ML.", "Pass model.reml()."
        )
    check_method(df, (*ESTIMATED, *COUNTED, "chi2"), fit.solution.reml)
    require_coverage(prob)
    terms = {term.label: term.columns.tolist() for term in fixed_terms(fit.design)}
    asked = read_hypotheses(hypothesis, vocabulary(fit.design.fixed_names, terms))
    table = contrast_table(fit, asked.contrasts, asked.values, asked.labels, df, prob).rename_axis("hypothesis")
    test = joint_test(fit, asked.contrasts, asked.values, df)
    statistic = test.statistic
    if df == "chi2":
        statistic *= test.num_df
        p = stats.chi2.sf(statistic, test.num_df)
    else:
        p = stats.f.sf(statistic, test.num_df, test.den_df)
    return WaldTest(table, statistic, test.num_df, test.den_df, float(np.asarray(p)), test.scale, df)
