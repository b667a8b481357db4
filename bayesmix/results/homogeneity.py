"""The chi-square test that the groups of a level do not differ."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from bayesmix.design import Design
from bayesmix.errors import ArgumentError
from bayesmix.inference.homogeneity import LevelHomogeneity, chain_depth, in_equation, level_homogeneity
from bayesmix.results.likelihood_fit import LikelihoodFit


def homogeneity_test(fit: LikelihoodFit) -> pd.DataFrame:
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
    if not isinstance(fit, LikelihoodFit):
        raise ArgumentError(
            f"homogeneity_test was given a {type(fit).__name__}.", "Expected a LikelihoodFit.", "Pass model.reml()."
        )
    design = fit.design
    if not design.levels:
        raise ArgumentError("This model has no levels.", "Expected a formula with a bar.", "Add (1 | group).")
    depth = chain_depth(fit.products)
    if depth < len(design.levels):
        crossed = ", ".join(f"'{level.name}'" for level in design.levels[depth:])
        raise ArgumentError(
            f"Level(s) {crossed} cross the others.",
            "Expected nested levels: a group's own coefficients do not exist where another grouping cuts across it.",
            "Test the variances with fit.random_terms().",
        )
    found = level_homogeneity(fit.products, fit.solution)
    rows, index = [], []
    for number, (level, test) in enumerate(zip(design.levels, found, strict=True)):
        for a, name in enumerate(level.effect_names):
            df = _degrees(design, number, a, test)
            p = float(stats.chi2.sf(test.chisq[a], df)) if df > 0 else np.nan
            rows.append([test.chisq[a], df, p, test.used, test.excluded])
            index.append((level.name, name))
    columns = ["chi2", "df", "p", "groups_used", "groups_excluded"]
    return pd.DataFrame(rows, columns=columns, index=pd.MultiIndex.from_tuples(index, names=["level", "effect"]))


def _degrees(design: Design, number: int, effect: int, test: LevelHomogeneity) -> int:
    """Groups used, less what was estimated to bring their coefficients to mean zero."""
    levels = design.levels
    X, z = design.fixed_values, design.values[:, levels[number].places[effect]]
    own = in_equation(X, z, levels[number].grouping.codes)
    if number + 1 < len(levels):
        own &= ~in_equation(X, z, levels[number + 1].grouping.codes)
    return test.used - test.parents - int(own.sum())
