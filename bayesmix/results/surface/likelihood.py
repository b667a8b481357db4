"""How sure estimates are: intervals, profiles, the bootstrap."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.errors import refuse_unknown
from bayesmix.inference.ml import MlSolution
from bayesmix.results.bootstrap import Bootstrap, bootstrap_estimates
from bayesmix.results.intervals import interval_table
from bayesmix.results.profile import Profile, profile_data
from bayesmix.results.quantities import Names
from bayesmix.results.surface.core import Core

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class LikelihoodIntervals(Core):
    """Intervals of all parameters, and simulations from the estimates."""

    solution: MlSolution

    @property
    @abstractmethod
    def method(self) -> str:
        """``"REML"`` or ``"ML"``."""

    @abstractmethod
    def fixed_effects(self, *, df: str = "satterthwaite", prob: float = 0.95, **unknown: Any) -> pd.DataFrame:
        """Fixed effects with t tests and intervals."""

    @abstractmethod
    def variance_components(self, *, se: str = "reml", **unknown: Any) -> pd.DataFrame:
        """Variances, covariances and correlations, with standard errors."""

    def intervals(
        self, method: str = "wald", *, prob: float = 0.95, scale: str = "var", **options: Any
    ) -> pd.DataFrame:
        """Intervals of all parameters.

        Parameters
        ----------
        method : {"wald", "profile", "bootstrap"}
            Normal intervals (variances on the log scale, correlations on Fisher's z; option ``df`` as in
            :meth:`fixed_effects`), profile likelihood (option ``criterion``, see :meth:`profile`), or percentiles of a
            parametric bootstrap (options ``n``, ``seed`` and ``progress``, see :meth:`bootstrap`).
        prob : float
            Coverage.
        scale : {"var", "sd"}
            Show variances and covariances, or standard deviations.

        Returns
        -------
        DataFrame
            Index (part, parameter); estimate, ci_low, ci_high, and for profiles low_at_boundary, high_at_boundary.
            ``attrs["note"]`` says what the intervals rest on, and why one is nan.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).reml()
        >>> fit.intervals("profile", scale="sd")["ci_low"].round(2).tolist()
        [1486.45, 12.2, 38.23]
        """

        def tables(df: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
            fixed = self.fixed_effects(prob=prob) if df is None else self.fixed_effects(df=df, prob=prob)
            return fixed, self.variance_components(se=self.method.lower())

        return interval_table(self.design, self.products, self.solution, method, prob, scale, options, tables)

    def profile(
        self, parameters: Names = None, *, criterion: str = "ml", prob: float = 0.99, points: int = 12, **unknown: Any
    ) -> Profile:
        """Profile deviances, for plots and a look at how far from normal the likelihood is.

        Parameters
        ----------
        parameters : str, (part, parameter), or a sequence of these, optional
            Parts (``"fixed"``, a level, ``"residual"``, ``"theta"``) or parameters (``"sd(ses)"``); by default all but
            covariances and theta.
        criterion : {"ml", "reml"}
            Of the variance components, ``"ml"`` as in lme4; fixed effects are profiled in the full likelihood.
        prob : float
            The curves go as far as the bounds of intervals of this coverage.
        points : int
            On each side of the estimate.
        """
        refuse_unknown("profile", unknown, ("parameters", "criterion", "prob", "points"))
        return profile_data(self.design, self.products, self.solution, parameters, criterion, prob, points)

    def bootstrap(self, n: int = 1000, *, seed: int | None = None, progress: bool = True, **unknown: Any) -> Bootstrap:
        """Parametric bootstrap: fit the model to n responses simulated from this fit.

        The same seed gives the same replicates; interrupted, those that are finished are kept.
        """
        refuse_unknown("bootstrap", unknown, ("n", "seed", "progress"))
        return bootstrap_estimates(self.design, self.products, self.solution, n, seed, progress)
