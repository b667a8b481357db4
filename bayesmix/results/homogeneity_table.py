"""Chi-squares of homogeneity with names, and the reliability of groups' own coefficients."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from bayesmix.design import CrossProducts, Design
from bayesmix.errors import ArgumentError
from bayesmix.inference.homogeneity import LevelHomogeneity, chain_depth, in_equation, level_homogeneity
from bayesmix.inference.ml import MlSolution


def homogeneity_table(design: Design, products: CrossProducts, solution: MlSolution) -> pd.DataFrame:
    """The test of every effect of every level; see :func:`bayesmix.results.homogeneity.homogeneity_test`.

    Returns
    -------
    DataFrame
        Index (level, effect); chi2, df, p, groups_used, groups_excluded, reliability.
    """
    if not design.levels:
        raise ArgumentError("This model has no levels.", "Expected a formula with a bar.", "Add (1 | group).")
    depth = chain_depth(products)
    if depth < len(design.levels):
        crossed = ", ".join(f"'{level.name}'" for level in design.levels[depth:])
        raise ArgumentError(
            f"Level(s) {crossed} cross the others.",
            "Expected nested levels: a group's own coefficients do not exist where another grouping cuts across it.",
            "Test the variances with fit.random_terms().",
        )
    found = level_homogeneity(products, solution)
    rows, index = [], []
    for number, (level, test) in enumerate(zip(design.levels, found, strict=True)):
        for a, name in enumerate(level.effect_names):
            df = _degrees(design, number, a, test)
            p = float(stats.chi2.sf(test.chisq[a], df)) if df > 0 else np.nan
            rows.append([test.chisq[a], df, p, test.used, test.excluded, test.reliability[a]])
            index.append((level.name, name))
    columns = ["chi2", "df", "p", "groups_used", "groups_excluded", "reliability"]
    return pd.DataFrame(rows, columns=columns, index=pd.MultiIndex.from_tuples(index, names=["level", "effect"]))


def _degrees(design: Design, number: int, effect: int, test: LevelHomogeneity) -> int:
    """Groups used, less what was estimated to bring their coefficients to mean zero."""
    levels = design.levels
    X, z = design.fixed_values, design.values[:, levels[number].places[effect]]
    own = in_equation(X, z, levels[number].grouping.codes)
    if number + 1 < len(levels):
        own &= ~in_equation(X, z, levels[number + 1].grouping.codes)
    return test.used - test.parents - int(own.sum())
