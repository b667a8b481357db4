"""Groups that the estimates hang on, and groups that lie far out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import pandas as pd

from bayesmix.errors import refuse_unknown
from bayesmix.inference.conditional import ConditionalEffects
from bayesmix.inference.ml import MlSolution
from bayesmix.results.group_values import each_level
from bayesmix.results.influence import GroupInfluence, group_influence, level_residuals
from bayesmix.results.surface.core import Core


class GroupDiagnostics(Core):
    """Influence and standardised residuals of groups."""

    solution: MlSolution

    @property
    @abstractmethod
    def _conditional(self) -> ConditionalEffects:
        """Shrunken effects with their covariances."""

    def influence(
        self,
        level: str | None = None,
        *,
        refit: bool = False,
        groups: Sequence[Any] | None = None,
        progress: bool = True,
        **unknown: Any,
    ) -> GroupInfluence:
        """What the estimates would be without each group.

        Parameters
        ----------
        level : str, optional
            Which level; may be left out where there is one.
        refit : bool
            Estimate the variances anew without each group. By default they are held, and the fixed effects are exactly
            those of generalised least squares without the group's rows. That is one pass over all groups where levels
            are nested, and one for each group where some are crossed.
        groups : sequence of labels, optional
            Only these; by default all.
        progress : bool
            Show a progress bar where groups are worked on one after the other. Ctrl-C keeps those that are finished.

        Returns
        -------
        GroupInfluence
            ``.table`` (index group; n, cooks_distance, mdffits, covratio, covtrace), ``.coefficients`` (index (group,
            term); estimate and se without the group, change, dfbetas), with ``refit`` ``.components`` (index (group,
            level, parameter); estimate, change). change is the estimate without the group less that with it, dfbetas
            change over the se without the group: both are positive where leaving the group out raises the estimate, as
            in lme4's ``dfbetas(influence(fit, group))``; Belsley, Kuh & Welsch have the other sign. Where the other
            groups do not determine a coefficient the numbers are nan and ``.note`` names group and coefficient.

        Raises
        ------
        ArgumentError
            No levels, or an unknown level or group.

        References
        ----------
        Cook (1977), Technometrics 19:15-18; Belsley, Kuh & Welsch (1980), Regression Diagnostics, chapter 2;
        Christensen, Pearson & Johnson (1992), Technometrics 34:38-45; Snijders &
        Bosker (2012), Multilevel Analysis, 2nd ed., section 10.7; Loy & Hofmann (2014), Journal of Statistical
        Software 56(5).

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("normexam ~ standLRT + (standLRT | school)", bx.load_dataset("exam")).reml()
        >>> fit.influence().coefficients.loc[("53", "Intercept"), "change"].round(4)
        np.float64(-0.011)
        >>> fit.influence(refit=True, groups=["53"]).coefficients["change"].round(4).tolist()
        [-0.0087, -0.0075]
        """
        self._need_levels()
        refuse_unknown("influence", unknown, ("level", "refit", "groups", "progress"))
        return group_influence(self.design, self.products, self.solution, level, refit, groups, progress)

    def level_residuals(self, level: str | None = None, **unknown: Any) -> pd.DataFrame:
        """Residuals of the groups, each over its own standard deviation, for plots of their distribution.

        Parameters
        ----------
        level : str, optional
            Which level; with several and none named, all of them under one more index level.

        Returns
        -------
        DataFrame
            Index (group, effect); residual (the shrunken effect), sd (the root of its diagnostic variance: that of the
            prediction itself, fixed effects estimated), standardised (nan where an effect does not vary), mahalanobis
            (of all effects of the group together, the same in each of its rows; near chi-square with as many degrees of
            freedom as effects).

        References
        ----------
        Goldstein (2011), Multilevel Statistical Models, 4th ed., section 2.10; Snijders & Bosker (2012), Multilevel
        Analysis, 2nd ed., section 10.6.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).reml()
        >>> fit.level_residuals()["standardised"].round(2).tolist()
        [-0.52, 0.01, 0.84, -0.68, 1.67, -1.33]
        """
        self._need_levels()
        refuse_unknown("level_residuals", unknown, ("level",))
        design, solution = self.design, self.solution
        return each_level(design, level, lambda k: level_residuals(design, solution, self._conditional, k))
