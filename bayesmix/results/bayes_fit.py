"""What a posterior says, with names on the numbers; reads like a likelihood fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.errors import ArgumentError, refuse_unknown, require_coverage
from bayesmix.inference.draws import EffectDraws
from bayesmix.inference.naming import effect_name, variable_name
from bayesmix.results.components import component_index, component_values
from bayesmix.results.fit import Fit
from bayesmix.results.group_tables import fitted_values
from bayesmix.results.group_values import each_level, with_fixed
from bayesmix.results.naming import group_frame, group_order
from bayesmix.results.parameters import Parameters, all_draws
from bayesmix.results.posterior import covariance_draws, draws_of
from bayesmix.results.posterior_summary import draws_in_words, posterior_summary
from bayesmix.results.prediction import predict_from_draws, replicate
from bayesmix.results.prior_table import PriorTable
from bayesmix.results.saved_fit import save_fit
from bayesmix.results.surface.cross_validation import CrossValidation
from bayesmix.results.surface.diagnosis import PosteriorDiagnosis
from bayesmix.results.surface.evidence import ModelEvidence
from bayesmix.results.targets import Target
from bayesmix.tables import Summary

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Keywords of estimates, and what to do instead.
_OF_ESTIMATES = {
    "df": "Degrees of freedom belong to estimates: model.reml().fixed_effects(df=...).",
    "se": "Standard errors belong to estimates: model.reml().variance_components(se=...); here there is the sd.",
    "variance": "Kinds of variance belong to estimates: model.reml().group_effects(variance=...); here there is one.",
    "style": "Layouts of other programs are for estimates: model.reml().summary(style=...).",
    "method": "Intervals here are equal-tailed, from the draws; choose their coverage with prob=.",
    "draws": "The draws are those of the posterior; leave it out.",
    "seed": "The draws are those of the posterior; leave it out.",
}


@dataclass(frozen=True, repr=False)
class BayesFit(Fit, PosteriorDiagnosis, CrossValidation, ModelEvidence):
    """A posterior; every table is a pandas DataFrame.

    Parameters
    ----------
    design : Design
        Names and data.
    products : CrossProducts
        What was fitted.
    priors : PriorTable
        As :attr:`Model.priors`; ``.numbers`` are what was sampled with.
    idata : DataTree
        All draws, as ArviZ reads them.
    effects : EffectDraws
        Means and sds of the group effects, also where their draws were not kept.
    """

    design: Design
    products: CrossProducts
    priors: PriorTable
    idata: xr.DataTree
    effects: EffectDraws

    @property
    def n_draws(self) -> int:
        """Draws over all chains."""
        sizes = self.idata["posterior"].sizes
        return int(sizes["chain"] * sizes["draw"])

    @property
    def divergences(self) -> int:
        """Divergent transitions after warm-up."""
        return int(self.idata["sample_stats"]["diverging"].sum())

    def draws_in_words(self) -> list[str]:
        """How many draws there are and how well they mixed; then what to do, where they did not."""
        return draws_in_words(self)

    @cached_property
    def parameters(self) -> Parameters:
        """Draws of fixed effects and variance parameters, (chains, draws, ...)."""
        beta = draws_of(self.idata, [variable_name(name) for name in self.design.fixed_names])
        covariances = tuple(covariance_draws(self.idata, level) for level in self.design.levels)
        return Parameters(beta, self.idata["posterior"]["sigma"].to_numpy(), covariances)

    def effect_values(self, number: int) -> Floats:
        """Draws of the effects of a level, (chains, draws, J, q), groups in the order of their labels.

        Raises
        ------
        ArgumentError
            The draws of the group effects were not kept.
        """
        if self.effects.effects is None:
            raise ArgumentError(
                "The draws of the group effects were not kept.",
                "Expected them for whatever is computed from group effects.",
                "Sample with group_effects=True.",
            )
        level = self.design.levels[number]
        posterior = self.idata["posterior"].to_dataset()
        return np.stack([posterior[effect_name(name, level.name)].to_numpy() for name in level.effect_names], axis=-1)

    def tabulate(self, values: Floats, index: pd.Index[Any], prob: float | None = None) -> pd.DataFrame:
        """A table of a derived quantity: mean, ci_low, ci_high."""
        columns = _group_summary(all_draws(values), 0.95 if prob is None else prob)
        return pd.DataFrame(columns, index=index)[["mean", "ci_low", "ci_high"]]

    def group_draws(self, number: int, weights: Floats, draws: int | None, seed: int | None) -> Floats:
        """The draws of the posterior, (chains, draws, J), by label."""
        given = {name: value for name, value in (("draws", draws), ("seed", seed)) if value is not None}
        refuse_unknown("ranks", given, ("level", "effect", "at", "best", "top", "prob"), _OF_ESTIMATES)
        return np.asarray(self.effect_values(number) @ weights)

    def difference_columns(
        self, number: int, weights: Floats, places: list[int], pairs: Integers, prob: float
    ) -> dict[str, Floats]:
        """mean, sd, ci_low, ci_high, prob_greater, from the differences of the draws."""
        draws = all_draws(self.effect_values(number)[:, :, places]) @ weights
        each = []
        for one, other in pairs:
            gap = draws[:, one] - draws[:, other]
            greater = (gap > 0).mean() + 0.5 * (gap == 0).mean()
            each.append({**_group_summary(gap, prob), "prob_greater": greater})
        return {name: np.array([row[name] for row in each]) for name in each[0]}

    def contrast_rows(self, contrasts: Floats, index: pd.Index[Any], prob: float, df: str | None) -> pd.DataFrame:
        """mean, sd, ci_low, ci_high of combinations (rows, p) of the fixed effects."""
        if df is not None:
            refuse_unknown("contextual_effect", {"df": df}, ("x", "level", "within", "between", "prob"), _OF_ESTIMATES)
        draws = all_draws(self.parameters.beta @ contrasts.T)
        return pd.DataFrame(_group_summary(draws, prob), index=index)

    def fixed_effects(self, *, prob: float = 0.95, **unknown: Any) -> pd.DataFrame:
        """Posterior of the fixed effects.

        Parameters
        ----------
        prob : float
            Coverage of the equal-tailed intervals.

        Returns
        -------
        DataFrame
            Index term; mean, sd, ci_low, ci_high, ess_bulk, ess_tail, r_hat.
        """
        refuse_unknown("fixed_effects", unknown, ("prob",), _OF_ESTIMATES)
        return summarise(self.parameters.beta, pd.Index(self.design.fixed_names, name="term"), prob)

    def variance_components(self, *, prob: float = 0.95, **unknown: Any) -> pd.DataFrame:
        """Posterior of variances, covariances and correlations of every level, and of the residual variance.

        Returns
        -------
        DataFrame
            Index (level, parameter); mean, sd, ci_low, ci_high, ess_bulk, ess_tail, r_hat.
        """
        refuse_unknown("variance_components", unknown, ("prob",), _OF_ESTIMATES)
        found = self.parameters
        values = component_values(self.design.levels, found.covariances, found.sigma**2)
        return summarise(values, component_index(self.design.levels), prob)

    def group_effects(self, level: str | None = None, *, prob: float = 0.95, **unknown: Any) -> pd.DataFrame:
        """Posterior of the effects of every group.

        Where only their summary was kept, the interval is the normal one; the frame says so in ``attrs["note"]``.

        Parameters
        ----------
        level : str, optional
            Which level; may be left out where there is one. With several, all of them are returned under one more
            index level.
        prob : float
            Coverage of the intervals.

        Returns
        -------
        DataFrame
            Index (group, effect); mean, sd, ci_low, ci_high.
        """
        self._need_levels()
        refuse_unknown("group_effects", unknown, ("level", "prob"), _OF_ESTIMATES)
        return each_level(self.design, level, lambda number: self._effect_table(number, prob))

    def _effect_table(self, number: int, prob: float) -> pd.DataFrame:
        """The effects of a level, from their draws or their summary."""
        names = self.design.levels[number].effect_names
        if self.effects.effects is not None:
            return group_frame(self.design, number, names, _group_summary(all_draws(self.effect_values(number)), prob))
        from_summary = self._from_summary(number, prob)
        frame = group_frame(self.design, number, names, from_summary)
        frame.attrs["note"] = (
            "Draws of the group effects were not kept; intervals are mean plus or minus normal quantiles."
        )
        return frame

    def coefficients(self, level: str | None = None, *, prob: float = 0.95, **unknown: Any) -> pd.DataFrame:
        """Posterior of fixed effect plus group effect, for every group and every effect of a level.

        Parameters
        ----------
        level : str, optional
            Which level; may be left out where there is one. With several, all of them are returned under one more
            index level.
        prob : float
            Coverage of the intervals.

        Returns
        -------
        DataFrame
            Index (group, effect); mean, sd, ci_low, ci_high.

        Raises
        ------
        ArgumentError
            The draws of the group effects were not kept.
        """
        self._need_levels()
        refuse_unknown("coefficients", unknown, ("level", "prob"), _OF_ESTIMATES)

        def table(number: int) -> pd.DataFrame:
            draws = with_fixed(self.design, number, self.effect_values(number), self.parameters.beta)
            names = self.design.levels[number].effect_names
            return group_frame(self.design, number, names, _group_summary(all_draws(draws), prob))

        return each_level(self.design, level, table)

    def predict_target(self, target: Target, prob: float, draws: bool, seed: int | None) -> pd.DataFrame | xr.DataArray:
        """Predictions of the posterior: mean, sd, ci_low, ci_high, or draws."""
        return predict_from_draws(self, target, prob, draws, seed)

    def fitted(self) -> Floats:
        """Posterior means of the fitted values with all group effects, for the rows used, (n,)."""
        return fitted_values(self.design, self.parameters.beta.mean(axis=(0, 1)), self.effects.means)

    def posterior_predictive(
        self, *, draws: int | None = None, groups: str = "known", seed: int | None = None, **unknown: Any
    ) -> xr.DataTree:
        """Replicated responses of the rows used, for posterior predictive checks.

        The fit's own ``idata`` is left as it is; what is returned has the observed responses beside the replicated
        ones, so that ``arviz.plot_ppc_dist`` reads it unaided.

        Parameters
        ----------
        draws : int, optional
            Draws of each chain, evenly spaced; by default all (8 bytes for each draw and row).
        groups : {"known", "new"}
            Keep the effects of the groups, or draw those of new groups in their place.
        seed : int, optional
            The same seed gives the same responses.

        Returns
        -------
        DataTree
            ``posterior_predictive`` and ``observed_data``, each with ``y``.

        Raises
        ------
        ArgumentError
            Another option, or group effects that were not kept.
        """
        refuse_unknown("posterior_predictive", unknown, ("draws", "groups", "seed"))
        return replicate(self, draws, seed, groups)

    def _from_summary(self, number: int, prob: float) -> dict[str, Floats]:
        """Columns from means and sds alone."""
        from scipy.special import ndtri

        require_coverage(prob)
        order = group_order(self.design, number)
        mean, sd = self.effects.means[number][order], self.effects.sds[number][order]
        half = float(ndtri(0.5 + prob / 2)) * sd
        return {"mean": mean, "sd": sd, "ci_low": mean - half, "ci_high": mean + half}

    def summary(self, *, prob: float = 0.95, **unknown: Any) -> Summary:
        """The posterior as text (HTML in a notebook).

        Parameters
        ----------
        prob : float
            Coverage of the intervals.

        Returns
        -------
        Summary
            A str.
        """
        refuse_unknown("summary", unknown, ("prob",), _OF_ESTIMATES)
        return posterior_summary(self, prob)

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def save(self, path: str | Path, **unknown: Any) -> Path:
        """Write draws, data and model to one netCDF file, which :func:`bayesmix.load` reads.

        ArviZ reads its draws unaided (``arviz.from_netcdf``). The group ``bayesmix`` holds the rows of every column
        that the formula reads, and formula and priors as JSON; a name that netCDF refuses is changed in the file only.

        Parameters
        ----------
        path : str or Path
            Where to; an existing file is replaced once the new one is complete.

        Returns
        -------
        Path

        Raises
        ------
        ArgumentError
            No path, or one where no file can be.
        FileError
            The file can not be written; what was there before is kept.
        """
        refuse_unknown("save", unknown, ())
        return save_fit(self, path)


def summarise(draws: Floats, index: pd.Index[Any], prob: float) -> pd.DataFrame:
    """Mean, sd, equal-tailed interval, effective sample sizes and R-hat of (chains, draws, k) values."""
    import arviz_stats

    require_coverage(prob)
    names = ["mean", "sd", "ci_low", "ci_high", "ess_bulk", "ess_tail", "r_hat"]
    if draws.shape[-1] == 0:
        return pd.DataFrame(columns=names, index=index, dtype=float)
    array = xr.DataArray(draws, dims=("chain", "draw", "row"))
    flat = draws.reshape(-1, draws.shape[-1])
    low, high = np.quantile(flat, [0.5 - prob / 2, 0.5 + prob / 2], axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):  # of draws that are all the same there is no R-hat
        size = [np.asarray(arviz_stats.ess(array, method=method)) for method in ("bulk", "tail")]
        r_hat = np.asarray(arviz_stats.rhat(array))
    values = [flat.mean(axis=0), flat.std(axis=0, ddof=1), low, high, *size, r_hat]
    return pd.DataFrame(dict(zip(names, values, strict=True)), index=index)


def _group_summary(draws: Floats, prob: float) -> dict[str, Floats]:
    """Columns from (D, ...) draws."""
    require_coverage(prob)
    low, high = np.quantile(draws, [0.5 - prob / 2, 0.5 + prob / 2], axis=0)
    return {"mean": draws.mean(axis=0), "sd": draws.std(axis=0, ddof=1), "ci_low": low, "ci_high": high}
