"""Shares of variance: intraclass correlations, variance functions, design effects, R2."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.errors import refuse_unknown
from bayesmix.results.r_squared import r2_table
from bayesmix.results.shares import correlation_between, design_effects, icc_along, icc_table, variance_along
from bayesmix.results.surface.core import Core

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class SharesOfVariance(Core):
    """What of the variance lies where."""

    def icc(
        self,
        *,
        definition: str = "share",
        adjusted: bool = True,
        at: Any = None,
        prob: float | None = None,
        draws: bool = False,
        **unknown: Any,
    ) -> pd.DataFrame | xr.DataArray:
        """Intraclass correlation of each level.

        With varying slopes the variance of a level is its average over the rows, tr(Sigma Z'Z)/N; the frame says so in
        ``attrs["note"]``. With weights the average is weighted, and the residual variance that of a row of weight 1.

        Parameters
        ----------
        definition : {"share", "correlation"}
            The level's share of the variance; or the correlation of two observations of one of its groups: its share
            plus those of the levels in whose groups its own lie (child plus school for children, school for schools;
            for crossed levels their own share, unless they happen to be nested).
        adjusted : bool
            Whether the variance of the fixed part over the rows is left out of the total (adjusted ICC, after fixed
            effects) or counted (unadjusted).
        at : mapping or data frame, optional
            Values of predictors at which to take the variances in place of their average, ``{"ses": 1}``: columns of
            the data, or coded columns that vary by group. Predictors that are not named stay at their mean, or their
            most frequent label, as the note says.
        prob : float, optional
            Coverage of the intervals of a posterior, 0.95 by itself; an estimate has none.
        draws : bool
            Return the draws, with chain and draw before the same labels, in place of the table.

        Returns
        -------
        DataFrame or DataArray
            Index level, or (row, level) for a data frame; estimate, or mean, ci_low, ci_high.

        References
        ----------
        Snijders & Bosker (2012), Multilevel Analysis, sections 3.3 and 4.9; Nakagawa, Johnson & Schielzeth (2017),
        J. R. Soc. Interface 14:20170213, for adjusted and unadjusted.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("math ~ year + (year | schoolid/childid)", bx.load_dataset("egsingle")).reml()
        >>> fit.icc(definition="correlation")["estimate"].round(4).tolist()
        [0.7501, 0.1702]
        """
        self._need_levels()
        refuse_unknown("icc", unknown, ("definition", "adjusted", "at", "prob", "draws"))
        return icc_table(self, definition, adjusted, at, prob, draws)

    def icc_curve(
        self,
        x: str,
        values: Any = None,
        *,
        level: str | None = None,
        definition: str = "share",
        at: Any = None,
        prob: float | None = None,
        draws: bool = False,
        **unknown: Any,
    ) -> pd.DataFrame | xr.DataArray:
        """Intraclass correlation as a function of a predictor, which it is where slopes vary.

        Parameters
        ----------
        x : str
            The predictor: a column of the data, or a coded column that varies by group, as ``within(ses)``.
        values : sequence, optional
            Where; by itself the distinct values where they are few, or 25 from the smallest to the largest.
        level : str, optional
            Which level; by itself all.
        at : mapping, optional
            Values of other predictors; those not named as in :meth:`icc`.
        definition, prob, draws
            As in :meth:`icc`.

        Returns
        -------
        DataFrame or DataArray
            Index x, or (level, x) for several levels; estimate, or mean, ci_low, ci_high.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
        >>> fit.icc_curve("ses", [-2, 0, 2])["estimate"].round(4).tolist()
        [0.1616, 0.1159, 0.1373]
        """
        self._need_levels()
        refuse_unknown("icc_curve", unknown, ("values", "level", "definition", "at", "prob", "draws"))
        return icc_along(self, x, values, level, definition, at, prob, draws)

    def variance_curve(
        self,
        x: str,
        values: Any = None,
        *,
        at: Any = None,
        prob: float | None = None,
        draws: bool = False,
        **unknown: Any,
    ) -> pd.DataFrame | xr.DataArray:
        """Variance of an observation, given the fixed part, as a function of a predictor.

        With an intercept and a slope that vary it is s00 + 2 x s01 + x^2 s11 + sigma^2.

        Parameters
        ----------
        x, values, at, prob, draws
            As in :meth:`icc_curve`.

        Returns
        -------
        DataFrame or DataArray
            Index (part, x), parts the levels, residual and total; estimate, or mean, ci_low, ci_high.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("Reaction ~ Days + (Days | Subject)", bx.load_dataset("sleepstudy")).reml()
        >>> fit.variance_curve("Days", [0, 9]).loc["total", "estimate"].round(1).tolist()
        [1267.0, 4280.7]
        """
        self._need_levels()
        refuse_unknown("variance_curve", unknown, ("values", "at", "prob", "draws"))
        return variance_along(self, x, values, at, prob, draws)

    def within_group_correlation(
        self,
        x: str,
        values: Any = None,
        *,
        level: str | None = None,
        kind: str = "correlation",
        at: Any = None,
        prob: float | None = None,
        draws: bool = False,
        **unknown: Any,
    ) -> pd.DataFrame | xr.DataArray:
        """Correlation of two observations of one group, one at x and one at x', given the fixed part.

        Their covariance is z(x)'Sigma z(x'), summed over the level and the levels in whose groups its own lie: two
        observations of one child share its school too; of one school they are of two children. They are two
        observations also where x = x': there the correlation is the ICC at x, and the covariance has no sigma^2.

        Parameters
        ----------
        kind : {"correlation", "covariance"}
        x, values, level, at, prob, draws
            As in :meth:`icc_curve`.

        Returns
        -------
        DataFrame or DataArray
            Index (x, x'), or (level, x, x') for several levels; ``["estimate"].unstack()`` makes it a matrix.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("Reaction ~ Days + (Days | Subject)", bx.load_dataset("sleepstudy")).reml()
        >>> fit.within_group_correlation("Days", [0, 4, 9])["estimate"].unstack().round(3).loc[0].tolist()
        [0.483, 0.419, 0.3]
        """
        self._need_levels()
        refuse_unknown("within_group_correlation", unknown, ("values", "level", "kind", "at", "prob", "draws"))
        return correlation_between(self, x, values, level, kind, at, prob, draws)

    def design_effect(
        self,
        *,
        n: float | None = None,
        predictor: str | None = None,
        prob: float | None = None,
        draws: bool = False,
        **unknown: Any,
    ) -> pd.DataFrame | xr.DataArray:
        """How many times larger groups make the variance of a mean, or of a slope, than independent rows would.

        1 + (n - 1) rho for a mean, and for a predictor with an intraclass correlation of its own 1 + (n - 1) rho_x rho;
        rho is the level's share of the variance. Exact for means and least-squares slopes of one predictor under
        varying intercepts.

        Parameters
        ----------
        n : float, optional
            Rows per group; by itself sum n_j^2 / sum n_j of the data, which is the size where all are equal.
        predictor : str, optional
            A column of the model; its correlation over pairs of rows of a group is taken from the data.
        prob, draws
            As in :meth:`icc`.

        Returns
        -------
        DataFrame or DataArray
            Index level, with several levels also ``all`` of them together; estimate, or mean, ci_low, ci_high. The note
            says what n and rho_x are.

        References
        ----------
        Kish (1965), Survey Sampling, section 5.4; Scott & Holt (1982), JASA 77:848-854.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).reml()
        >>> round(float(fit.design_effect().loc["Batch", "estimate"]), 4)
        2.6739
        """
        self._need_levels()
        refuse_unknown("design_effect", unknown, ("n", "predictor", "prob", "draws"))
        return design_effects(self, n, predictor, prob, draws)

    def r2(
        self, method: str = "nakagawa", *, prob: float | None = None, draws: bool = False, **unknown: Any
    ) -> pd.DataFrame | xr.DataArray:
        """Explained shares of variance.

        An offset is taken off the response first. Rows count by their weights, and the residual variance is that of a
        row of weight 1.

        Parameters
        ----------
        method : {"nakagawa", "gelman", "rights-sterba"}
            ``"nakagawa"``: marginal (fixed part) and conditional (fixed part and groups), slopes by Johnson's average
            over the rows; variances over rows have divisor n - 1, those of ``"rights-sterba"`` n.
            ``"gelman"``: variance of the fitted values, group effects included, over itself plus
            sigma^2; of an estimate, at the predicted effects. ``"rights-sterba"``: shares f1, f2 (fixed part within and
            between groups), v (slopes that vary), m (means of groups) and sigma2, which sum to 1, and the measures
            R2_t, R2_w, R2_b made of them; with three nested levels f1, f2, f3 from the lowest, and v and m of each
            level; with crossed levels f as a whole only.
        prob, draws
            As in :meth:`icc`.

        Returns
        -------
        DataFrame or DataArray
            Index r2, or part for Rights and Sterba; estimate, or mean, ci_low, ci_high.

        Raises
        ------
        ArgumentError
            Draws of group effects that were not kept; no levels to decompose.

        References
        ----------
        Nakagawa & Schielzeth (2013), Methods Ecol. Evol. 4:133-142; Johnson (2014), ibid. 5:944-946; Gelman, Goodrich,
        Gabry & Vehtari (2019), American Statistician 73:307-309; Rights & Sterba (2019), Psychological Methods
        24:309-338.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
        >>> fit.r2()["estimate"].round(4).tolist()
        [0.0767, 0.1886]
        """
        refuse_unknown("r2", unknown, ("method", "prob", "draws"))
        return r2_table(self, method, prob, draws)
