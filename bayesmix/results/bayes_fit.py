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
from bayesmix.inference.priors import Priors
from bayesmix.results.components import component_index, component_values
from bayesmix.results.fit import Fit
from bayesmix.results.naming import group_frame, group_order, pick_level
from bayesmix.results.parameters import Parameters
from bayesmix.results.pointwise import add_log_likelihood
from bayesmix.results.posterior import covariance_draws, draws_of
from bayesmix.results.posterior_summary import posterior_summary
from bayesmix.results.saved_fit import save_fit
from bayesmix.tables import Summary

Floats = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class BayesFit(Fit):
    """A posterior; every table is a pandas DataFrame.

    Parameters
    ----------
    design : Design
        Names and data.
    products : CrossProducts
        What was fitted.
    priors : Priors
        The numbers used.
    idata : DataTree
        All draws, as ArviZ reads them.
    effects : EffectDraws
        Means and sds of the group effects, also where their draws were not kept.
    """

    design: Design
    products: CrossProducts
    priors: Priors
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
        return summarise(values, index, 0.95 if prob is None else prob)[["mean", "ci_low", "ci_high"]]

    def fixed_effects(self, *, prob: float = 0.95) -> pd.DataFrame:
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
        return summarise(self.parameters.beta, pd.Index(self.design.fixed_names, name="term"), prob)

    def variance_components(self, *, prob: float = 0.95) -> pd.DataFrame:
        """Posterior of variances, covariances and correlations of every level, and of the residual variance.

        Returns
        -------
        DataFrame
            Index (level, parameter); mean, sd, ci_low, ci_high, ess_bulk, ess_tail, r_hat.
        """
        found = self.parameters
        values = component_values(self.design.levels, found.covariances, found.sigma**2)
        return summarise(values, component_index(self.design.levels), prob)

    def group_effects(self, level: str | None = None, *, prob: float = 0.95) -> pd.DataFrame:
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
        if level is None and len(self.design.levels) > 1:
            return pd.concat(
                {v.name: self.group_effects(v.name, prob=prob) for v in self.design.levels}, names=["level"]
            )
        number = pick_level(self.design, level)
        names = self.design.levels[number].effect_names
        if self.effects.effects is not None:
            return group_frame(self.design, number, names, _group_summary(_all_draws(self.effect_values(number)), prob))
        from_summary = self._from_summary(number, prob)
        frame = group_frame(self.design, number, names, from_summary)
        frame.attrs["note"] = (
            "Draws of the group effects were not kept; intervals are mean plus or minus normal quantiles."
        )
        return frame

    def coefficients(self, level: str | None = None, *, prob: float = 0.95) -> pd.DataFrame:
        """Posterior of fixed effect plus group effect, for every group and every effect of a level.

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
        number = pick_level(self.design, level)
        draws = _all_draws(self.effect_values(number)).copy()
        places = list(self.design.fixed)
        beta = self.parameters.beta.reshape(len(draws), -1) if places else np.zeros((len(draws), 0))
        for a, place in enumerate(self.design.levels[number].places):
            if place in places:
                draws[:, :, a] += beta[:, places.index(place), None]
        return group_frame(self.design, number, self.design.levels[number].effect_names, _group_summary(draws, prob))

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
        refuse_unknown("summary", unknown, ("prob",))
        return posterior_summary(self, prob)

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def with_log_likelihood(self) -> xr.DataTree:
        """All draws, with the log likelihood of every row beside them, as ``arviz.loo`` reads it.

        Each row is given the effects of its groups, log p(y_i | beta, u, sigma): leaving out a row then asks how well
        other rows of known groups are predicted, not rows of new groups; the group's attributes say so. With weights
        the variance of a row is sigma^2 over its weight. ``idata`` itself is not changed. Takes 8 bytes for each draw
        of each row.

        Returns
        -------
        DataTree
            The groups of ``idata`` and ``log_likelihood``, variable y (chain, draw, row).

        Raises
        ------
        ArgumentError
            The draws of the group effects were not kept.

        References
        ----------
        Vehtari, Gelman and Gabry (2017), Practical Bayesian model evaluation using leave-one-out cross-validation and
        WAIC, Statistics and Computing 27:1413-1432, doi:10.1007/s11222-016-9696-4.

        Examples
        --------
        >>> import arviz as az  # doctest: +SKIP
        >>> az.loo(post.with_log_likelihood())  # doctest: +SKIP
        """
        effects = tuple(self.effect_values(number) for number in range(len(self.design.levels)))
        return add_log_likelihood(self.idata, self.design, self.parameters, effects)

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
    size = [np.asarray(arviz_stats.ess(array, method=method)) for method in ("bulk", "tail")]
    values = [flat.mean(axis=0), flat.std(axis=0, ddof=1), low, high, *size, np.asarray(arviz_stats.rhat(array))]
    return pd.DataFrame(dict(zip(names, values, strict=True)), index=index)


def _all_draws(values: Floats) -> Floats:
    """Chains one after the other, (C D, ...)."""
    return values.reshape(-1, *values.shape[2:])


def _group_summary(draws: Floats, prob: float) -> dict[str, Floats]:
    """Columns from (D, J, q) draws."""
    require_coverage(prob)
    low, high = np.quantile(draws, [0.5 - prob / 2, 0.5 + prob / 2], axis=0)
    return {"mean": draws.mean(axis=0), "sd": draws.std(axis=0, ddof=1), "ci_low": low, "ci_high": high}
