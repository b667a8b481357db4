"""Groups: how far each is shrunken, how they rank, by how much they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.errors import refuse_unknown
from bayesmix.results.group_differences import difference_table
from bayesmix.results.ranking import Question, rank_array, rank_table
from bayesmix.results.shrinkage import matrix_table, reliability_table, shrinkage_table
from bayesmix.results.surface.core import Core

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Groups(Core):
    """Groups one by one and against each other."""

    def shrinkage(self, level: str | None = None, *, prob: float | None = None, **unknown: Any) -> pd.DataFrame:
        """What each group's rows say alone, what the model makes of it, and how far it trusts them.

        ``no_pooling`` is least squares within the group: on the columns that vary at the level, the other fixed effects
        and the effects of the levels above held as they are, the levels below taken out by their own variances. Where
        all fixed effects vary and there is one level it is the regression of the group alone; nan where its rows do not
        determine it. ``partial_pooling`` is :meth:`coefficients`, pulled from there towards ``fixed``, the fixed effect
        (0 where there is none); ``complete_pooling`` is least squares over all rows, groups ignored. ``reliability`` is
        tau/(tau + v), tau the variance of the effect and v that of ``no_pooling``: with a varying intercept alone,
        partial pooling = fixed + reliability (no pooling - fixed).

        Where levels are crossed the effects of all others are held as predicted, those of the levels nested within the
        groups excepted, which are taken out by their variances. The reliability then is that of a comparison of groups
        under the same others (in a balanced layout the generalizability coefficient of relative decisions); it leaves
        out what is not known of the others, which 1 - sd^2/tau with the sd of :meth:`group_effects` counts.

        Parameters
        ----------
        level : str, optional
            Which level; with several and none named, all of them under one more index level.
        prob : float, optional
            Coverage of the intervals of a posterior, 0.95 by itself; an estimate has none.

        Returns
        -------
        DataFrame
            Index (group, effect); n (rows), no_pooling, se, partial_pooling, fixed, complete_pooling, reliability. Of a
            posterior these are means, with reliability_ci_low and reliability_ci_high.

        Raises
        ------
        ArgumentError
            No levels, levels nested within the groups that cross each other, or draws of the group effects that were
            not kept.

        References
        ----------
        Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., chapters 3 and 12; Brennan (2001),
        Generalizability Theory, chapter 2; Henderson (1975), Biometrics 31:423-447.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
        >>> row = fit.shrinkage().loc["1224", "ses"]
        >>> row[["no_pooling", "partial_pooling", "fixed", "reliability"]].round(3).tolist()
        [2.509, 2.504, 2.394, 0.169]
        """
        self._need_levels()
        refuse_unknown("shrinkage", unknown, ("level", "prob"))
        return shrinkage_table(self, level, prob)

    def shrinkage_matrices(self, level: str | None = None, **unknown: Any) -> pd.DataFrame:
        """Share of a group's own deviation that is kept: Sigma (Sigma + v)^-1, v the variance of no pooling.

        Several effects borrow from each other: partial pooling less fixed is this matrix times no pooling less fixed,
        see :meth:`shrinkage`. It exists also where a group's rows do not determine no pooling.

        Parameters
        ----------
        level : str, optional
            Which level; with several and none named, all of them under one more index level.

        Returns
        -------
        DataFrame
            Index (group, effect), one column for each effect; of a posterior the mean.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
        >>> fit.shrinkage_matrices().loc["1224"].round(3).values.tolist()
        [[0.844, -0.314], [-0.048, 0.183]]
        """
        self._need_levels()
        refuse_unknown("shrinkage_matrices", unknown, ("level",))
        return matrix_table(self, level)

    def reliability(self, *, prob: float | None = None, **unknown: Any) -> pd.DataFrame:
        """Reliability of each effect, the mean of tau/(tau + v) over the groups, as HLM prints it.

        It rises with the variance between groups and with their size. Groups whose rows do not determine all of their
        coefficients are left out.

        Parameters
        ----------
        prob : float, optional
            Coverage of the intervals of a posterior, 0.95 by itself; an estimate has none.

        Returns
        -------
        DataFrame
            Index (level, effect); estimate, or mean, ci_low, ci_high; groups_used.

        References
        ----------
        Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., chapter 3.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
        >>> fit.reliability()["estimate"].round(3).tolist()
        [0.797, 0.177]
        """
        self._need_levels()
        refuse_unknown("reliability", unknown, ("prob",))
        return reliability_table(self, prob)

    def ranks(
        self,
        level: str | None = None,
        *,
        effect: str | None = None,
        at: Mapping[str, Any] | None = None,
        best: str = "highest",
        top: int | None = None,
        prob: float = 0.95,
        draws: int | None = None,
        seed: int | None = None,
        **unknown: Any,
    ) -> pd.DataFrame:
        """Where each group stands among the others, and with what probability it is the best.

        The ranks of every draw are summarised, not the draws of every group: groups that can not be told apart get
        wide intervals and middling means. Of a likelihood fit the draws are simulated, fixed and group effects from
        their joint distribution at the estimated variances; a posterior counts the variances' uncertainty too.

        Parameters
        ----------
        level : str, optional
            Which level; may be left out where there is one.
        effect : str, optional
            What is ranked; the intercept by itself.
        at : mapping, optional
            Values of the predictors whose effects vary: ranks the groups there, ``at={"ses": 1}``, all other predictors
            held equal, those of the groups themselves too (a school's sector counts for nothing here; for whole
            predictions see :meth:`predict`).
        best : {"highest", "lowest"}
            Which end has rank 1.
        top : int, optional
            Adds the probability to be among so many.
        prob : float
            Coverage of the intervals.
        draws, seed : int, optional
            Of a likelihood fit: how many to simulate (4,000), and from where.

        Returns
        -------
        DataFrame
            Index group; mean, median, ci_low, ci_high (of the rank), prob_best, prob_worst, and prob_top.

        References
        ----------
        Goldstein & Spiegelhalter (1996), J. R. Stat. Soc. A 159:385-443; Laird & Louis (1989), J. Educ. Stat. 14:29-46.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).reml()
        >>> table = fit.ranks(seed=1)
        >>> table["prob_best"].idxmax(), table["prob_worst"].idxmax()
        ('E', 'F')
        """
        self._need_levels()
        refuse_unknown("ranks", unknown, ("level", "effect", "at", "best", "top", "prob", "draws", "seed"))
        return rank_table(self, Question(level, effect, at, best, draws, seed), top, prob)

    def rank_draws(
        self,
        level: str | None = None,
        *,
        effect: str | None = None,
        at: Mapping[str, Any] | None = None,
        best: str = "highest",
        draws: int | None = None,
        seed: int | None = None,
        **unknown: Any,
    ) -> xr.DataArray:
        """The rank of each group in each draw; what :meth:`ranks` summarises, with the same parameters.

        Returns
        -------
        DataArray
            (chain, draw, group); tied groups share the mean of their places.
        """
        self._need_levels()
        refuse_unknown("rank_draws", unknown, ("level", "effect", "at", "best", "draws", "seed"))
        return rank_array(self, Question(level, effect, at, best, draws, seed))

    def group_differences(
        self,
        groups: Sequence[Any],
        level: str | None = None,
        *,
        effect: str | None = None,
        at: Mapping[str, Any] | None = None,
        prob: float = 0.95,
        **unknown: Any,
    ) -> pd.DataFrame:
        """By how much groups differ, pair by pair, the covariance of their effects counted.

        Shrunken effects of many groups may be compared without a correction for their number (Gelman, Hill & Yajima
        2012, J. Res. Educ. Eff. 5:189-211): what chance would add has been taken out.

        Parameters
        ----------
        groups : sequence of labels
            Two or more; every pair of them is compared.
        level : str, optional
            Which level; may be left out where there is one.
        effect : str, optional
            What is compared; the intercept by itself.
        at : mapping, optional
            Values of the predictors whose effects vary: compares the groups there, ``at={"ses": 1}``, all other
            predictors held equal, those of the groups themselves too.
        prob : float
            Coverage of the intervals.

        Returns
        -------
        DataFrame
            Index (group, other), group less other; estimate, se (root of the prediction error variance, fixed effects
            estimated), ci_low, ci_high. Of a posterior mean, sd, ci_low, ci_high, prob_greater: the probability that
            group is above other.

        Raises
        ------
        ArgumentError
            Fewer than two groups, or an unknown label, answered with the nearest.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
        >>> fit.group_differences(["1288", "1224"]).round(3).iloc[0].tolist()
        [2.014, 1.359, -0.65, 4.677]
        """
        self._need_levels()
        refuse_unknown("group_differences", unknown, ("groups", "level", "effect", "at", "prob"))
        return difference_table(self, groups, level, effect, at, prob)
