"""Prediction: of rows that were used, of new ones, and what is left."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.results.prediction import predict
from bayesmix.results.surface.core import Core
from bayesmix.results.targets import Target

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Predictions(Core):
    """What the fit expects of rows."""

    @abstractmethod
    def predict_target(self, target: Target, prob: float, draws: bool, seed: int | None) -> pd.DataFrame | xr.DataArray:
        """Predictions of rows that were read and checked."""

    @abstractmethod
    def fitted(self) -> Floats:
        """Fitted values with all group effects, for the rows used, (n,)."""

    def predict(
        self,
        new: Any = None,
        *,
        groups: str | None = None,
        kind: str = "mean",
        levels: str | Sequence[str] | None = None,
        observed: Any = None,
        prob: float = 0.95,
        draws: bool = False,
        seed: int | None = None,
        **unknown: Any,
    ) -> pd.DataFrame | xr.DataArray:
        """Predict means or single responses, for known groups, new ones, or none in particular.

        Parameters
        ----------
        new : data frame, optional
            Predictors (and groupings); by default the rows used.
        groups : {"known", "new", "population"}, optional
            ``"known"`` takes the effects of the groups of the fit, ``"new"`` too, and gives every group that the fit
            has not seen effects of its own, independent of the others and the same in all its rows: a new child in a
            known school has the school's effects. ``"population"`` takes no group effects. By default ``"known"``
            where ``new`` names the groupings, else ``"population"``.
        kind : {"mean", "response"}
            The mean of a row, or a single response: residual variance (over the row's weight) is added, and the
            variance of every level that is averaged over.
        levels : str or sequence of str, optional
            Take the effects of these levels only, and average over the others.
        observed : data frame, optional
            Rows of new groups with their response, predictors and groupings. Group effects are conditioned on them
            exactly, given fixed effects and variances, which stay those of the fit (of each draw). Groups that share
            a higher group with these rows are informed too. Rows that the fit has used would count twice.
        prob : float
            Coverage of the equal-tailed intervals. Those of a likelihood fit are normal, take the variances as known
            and count the errors of fixed and group effects, and their covariances; with 60 groups of 5 rows 95 %
            intervals of means held 93 to 94 % in simulation. A posterior counts the errors of the variances too.
        draws : bool
            All draws of a posterior instead of a table.
        seed : int, optional
            For the effects of new groups and for responses of a posterior; the same seed gives the same draws.

        Returns
        -------
        DataFrame or DataArray
            Indexed as ``new``: mean, se (sd of a posterior), ci_low, ci_high; or draws (chain, draw, row).
            ``attrs["groups"]`` and ``attrs["note"]`` say whose effects are in them.

        Raises
        ------
        DataError, ArgumentError
            Columns, labels or groups that are missing or that the fit does not know.

        Notes
        -----
        Errors of a likelihood fit are those of best linear unbiased prediction (Henderson 1975, Biometrics
        31:423-447). Draws of new groups given rows observed come from the normal conditional of their effects.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
        >>> fit.predict({"ses": [0.0, 1.0], "school": ["1224", "9586"]})[["mean", "se"]].round(3)
             mean     se
        0  11.060  0.842
        1  15.638  0.781
        """
        names = ("new", "groups", "kind", "levels", "observed", "prob", "draws", "seed")
        refuse_unknown("predict", unknown, names)
        return predict(self, new, groups, kind, levels, observed, prob, draws, seed)

    def residuals(self, *, kind: str = "response", **unknown: Any) -> Floats:
        """Residuals of the rows used, (n,).

        Parameters
        ----------
        kind : {"response", "pearson"}
            Response minus fitted value, or that times the root of the row's weight, which has one variance for all
            rows, sigma^2. Without weights they are the same.

        Raises
        ------
        ArgumentError
            Another kind.
        """
        refuse_unknown("residuals", unknown, ("kind",))
        if kind not in ("response", "pearson"):
            raise ArgumentError(
                f"kind={kind!r} is not offered.", "Expected 'response' or 'pearson'.", "Choose one of these."
            )
        rest = self.design.response - self.fitted()
        weights = self.design.weights if kind == "pearson" else None
        return np.asarray(rest if weights is None else np.sqrt(weights) * rest)
