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


# What one kind of fit has and the other has not, or other programs have.
ELSEWHERE = {
    "model": "bx.Model.from_fit(fit) is the model it was made from.",
    "formula": "It is .design.specification.formula; bx.Model.from_fit(fit) is the model it was made from.",
    "data": "bx.Model.from_fit(fit) is the model it was made from, with the rows used.",
    "anova": "F tests belong to estimates: model.reml().anova(); a posterior answers .hypothesis(...).",
    "vcov": "Of a posterior it is np.cov of the draws in .idata; of estimates model.reml().vcov().",
    "intervals": "Tables of a posterior have intervals: choose their coverage with prob=.",
    "simulate": "Of a posterior: .posterior_predictive(); of estimates model.reml().simulate().",
    "profile": "Profiles belong to estimates: model.reml().profile().",
    "bootstrap": "The bootstrap belongs to estimates: model.reml().bootstrap().",
    "influence": "Leaving out groups is for estimates: model.reml().influence().",
    "level_residuals": "Standardised residuals of groups are for estimates: model.reml().level_residuals().",
    "loo": "Cross-validation needs a posterior: model.sample().loo().",
    "waic": "Cross-validation needs a posterior: model.sample().loo().",
    "kfold": "Cross-validation needs a posterior: model.sample().kfold(by=...).",
    "hypothesis": "Probabilities need a posterior: model.sample().hypothesis(...); of estimates bx.wald(fit, ...).",
    "posterior_predictive": "Of estimates: .simulate().",
    "log_marginal_likelihood": "Evidence needs priors, and draws: model.sample().log_marginal_likelihood().",
    "prior_sensitivity": "Priors belong to a posterior: model.sample().",
    "save": "A likelihood fit is made again in milliseconds; a posterior has .save(path).",
    "idata": "Draws belong to a posterior: model.sample().idata.",
    "ranef": "Here it is called .group_effects().",
    "fixef": "Here it is called .fixed_effects().",
    "coef": "Here it is called .coefficients().",
    "VarCorr": "Here it is called .variance_components().",
    "params": "Here they are in .fixed_effects() and .variance_components().",
    "conf_int": "Here it is called .intervals().",
    "confint": "Here it is called .intervals().",
}


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

    def __getattr__(self, name: str) -> Any:
        # Reached only by names that are not there.
        hint = ELSEWHERE.get(name) if not name.startswith("_") else None
        text = f"'{type(self).__name__}' object has no attribute '{name}'"
        raise AttributeError(f"{text}. {hint}" if hint else text)

    def _need_levels(self) -> None:
        """Refuse what makes no sense without groups."""
        if not self.design.levels:
            raise ArgumentError("This model has no levels.", "Expected a formula with a bar.", "Add (1 | group).")
