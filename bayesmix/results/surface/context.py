"""Predictors that are split into what lies within groups and what lies between them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bayesmix.errors import refuse_unknown, require_coverage
from bayesmix.results.contextual import context_table, contexts
from bayesmix.results.surface.core import Core


class Context(Core):
    """Slopes within and between groups."""

    def contextual_effect(
        self,
        x: str | None = None,
        *,
        level: str | None = None,
        within: str | None = None,
        between: str | None = None,
        df: str | None = None,
        prob: float = 0.95,
        **unknown: Any,
    ) -> pd.DataFrame:
        """Slope of a predictor within groups, slope between them, and the contextual effect, between minus within.

        It is what a group's mean of the predictor adds for a row whose own value stays the same. The model holds the
        predictor, or its deviations from group means, and the group means: ``within(ses) + between(ses)``, ``ses +
        between(ses)``, or columns of the data that are these (``ses + meanses``), centred or scaled. With groups
        within groups each split has its own contrast.

        Parameters
        ----------
        x : str, optional
            The predictor, ``"ses"``.
        level : str, optional
            One of the groupings it is split by; by itself all.
        within, between : str, optional
            In place of x, two fixed effects by name, for columns that were centred before.
        df : str, optional
            Of estimates: as in ``fixed_effects()``.
        prob : float
            Coverage of the intervals.

        Returns
        -------
        DataFrame
            Index within, between, contextual, under one more index level where there are several splits; columns as
            ``fixed_effects()``: estimate, se, df, t, p, ci_low, ci_high, or mean, sd, ci_low, ci_high.

        Raises
        ------
        ArgumentError
            The model does not have both slopes, or the predictor also enters in another way, as ``I(ses^2)``.

        References
        ----------
        Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., chapter 5.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("math ~ within(ses) + between(ses) + (1 | school)", bx.load_dataset("hsb")).reml()
        >>> fit.contextual_effect("ses")["estimate"].round(3).to_dict()
        {'within': 2.191, 'between': 5.866, 'contextual': 3.675}
        """
        refuse_unknown("contextual_effect", unknown, ("x", "level", "within", "between", "df", "prob"))
        require_coverage(prob)
        found = contexts(self.design, x, level, within, between)
        return context_table(found, lambda rows, index: self.contrast_rows(rows, index, prob, df))
