"""What every fit holds, and how a derived quantity becomes a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.errors import ArgumentError
from bayesmix.results.parameters import Parameters

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Core(ABC):
    """Parameters, effects of groups and tables of one fit."""

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

    @abstractmethod
    def group_draws(self, number: int, weights: Floats, draws: int | None, seed: int | None) -> Floats:
        """Draws of a combination (q,) of the effects of every group of a level, (chains, draws, J), by label."""

    @abstractmethod
    def difference_columns(
        self, number: int, weights: Floats, places: list[int], pairs: Integers, prob: float
    ) -> dict[str, Floats]:
        """Columns of differences of a combination (q,) of effects; pairs (m, 2) of the groups at ``places``."""

    @abstractmethod
    def contrast_rows(self, contrasts: Floats, index: pd.Index[Any], prob: float, df: str | None) -> pd.DataFrame:
        """A table of combinations (rows, p) of the fixed effects, with the columns of ``fixed_effects()``."""

    def _need_levels(self) -> None:
        """Refuse what makes no sense without groups."""
        if not self.design.levels:
            raise ArgumentError("This model has no levels.", "Expected a formula with a bar.", "Add (1 | group).")
