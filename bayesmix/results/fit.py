"""What every fit can be asked, estimated or drawn: one reading surface, one formula for each quantity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.results.components import ICC_NOTE, has_slopes, level_variances
from bayesmix.results.parameters import Parameters

Floats = NDArray[np.float64]


class Fit(ABC):
    """Base of :class:`LikelihoodFit` and :class:`BayesFit`; methods only orchestrate, numbers happen in functions."""

    design: Design
    products: CrossProducts

    @property
    @abstractmethod
    def parameters(self) -> Parameters:
        """Fixed effects and variance parameters, (chains, draws, ...)."""

    @abstractmethod
    def effect_values(self, number: int) -> Floats:
        """Effects of every group of a level, (chains, draws, J, q), groups in the order of their labels."""

    @abstractmethod
    def tabulate(self, values: Floats, index: pd.Index[Any], prob: float | None = None) -> pd.DataFrame:
        """A table of a derived quantity from (chains, draws, rows) values.

        Of an estimate: the column ``estimate``. Of a posterior: ``mean``, ``ci_low``, ``ci_high``.
        """

    # Shares of variance

    def icc(self, *, prob: float | None = None, **unknown: Any) -> pd.DataFrame:
        """Share of the variance that lies between the groups of each level.

        With varying slopes the variance of a level is its average over the rows, tr(Sigma Z'Z)/N; the frame says so in
        ``attrs["note"]``. With weights the average is weighted, and the residual variance that of a row of weight 1.

        Parameters
        ----------
        prob : float, optional
            Coverage of the intervals of a posterior, 0.95 by itself; an estimate has none.

        Returns
        -------
        DataFrame
            Index level; estimate, or mean, ci_low, ci_high.
        """
        self._need_levels()
        refuse_unknown("icc", unknown, ("prob",))
        variances = level_variances(self.products, self.parameters.covariances)
        total = variances.sum(axis=-1) + self.parameters.sigma**2
        index = pd.Index([level.name for level in self.design.levels], name="level")
        frame = self.tabulate(variances / total[..., None], index, prob)
        if has_slopes(self.design.levels):
            frame.attrs["note"] = ICC_NOTE
        return frame

    # Groups

    # Prediction

    # Checks

    def _need_levels(self) -> None:
        """Refuse what makes no sense without groups."""
        if not self.design.levels:
            raise ArgumentError("This model has no levels.", "Expected a formula with a bar.", "Add (1 | group).")
