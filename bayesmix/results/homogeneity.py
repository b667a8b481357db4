"""The chi-square test that the groups of a level do not differ."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.results.homogeneity_table import homogeneity_table
from bayesmix.results.likelihood_fit import LikelihoodFit


def homogeneity_test(fit: LikelihoodFit, **unknown: Any) -> pd.DataFrame:
    """Test each variance by the spread of the groups' own coefficients (Bryk and Raudenbush).

    The chi-square asks whether least-squares coefficients of the groups scatter more than their sampling errors allow.
    It needs no refit and no boundary theory, but only groups that can estimate all of their coefficients.

    Parameters
    ----------
    fit : LikelihoodFit
        A fit whose levels are nested.

    Returns
    -------
    DataFrame
        Index (level, effect); chi2, df, p, groups_used, groups_excluded. df is the groups used less the fixed effects
        in the equation of that effect; below the top level, less the groups of the next level and the predictors that
        vary within them.

    Raises
    ------
    ArgumentError
        No levels, or levels that are crossed.

    References
    ----------
    Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., chapter 3. HLM takes its own estimate of the residual
    variance; here it is the fit's.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("math ~ 1 + (1 | school)", bx.load_dataset("hsb")).reml()
    >>> bx.homogeneity_test(fit)[["chi2", "df"]].round(2).values.tolist()
    [[1660.23, 159.0]]
    """
    refuse_unknown("homogeneity_test", unknown, ("fit",))
    if not isinstance(fit, LikelihoodFit):
        raise ArgumentError(
            f"homogeneity_test was given a {type(fit).__name__}.", "Expected a LikelihoodFit.", "Pass model.reml()."
        )
    return homogeneity_table(fit.design, fit.products, fit.solution).drop(columns="reliability")
