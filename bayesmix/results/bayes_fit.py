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
from bayesmix.inference.naming import effect_name, given_name, variable_name
from bayesmix.inference.priors import Priors
from bayesmix.results.components import ICC_NOTE, component_index, component_values, has_slopes
from bayesmix.results.fit import Fit
from bayesmix.results.group_tables import fitted_values
from bayesmix.results.naming import group_frame, group_order, pick_level, weights_fact
from bayesmix.results.parameters import Parameters
from bayesmix.results.posterior import covariance_draws, draws_of
from bayesmix.results.prediction import predict_from_draws, replicate
from bayesmix.results.prior_words import describe_priors
from bayesmix.results.targets import Target
from bayesmix.tables import Header, format_summary, format_table

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

    def summary(self) -> str:
        """The posterior as text."""
        design = self.design
        fixed, components = self.fixed_effects(), self.variance_components()
        both = pd.concat([fixed, components])
        sizes = " · ".join(f"{level.name} {len(level.grouping.labels)}" for level in design.levels)
        missing = f" ({design.n_missing} left out: values missing)" if design.n_missing else ""
        chains = self.idata["posterior"].sizes
        largest = both["r_hat"].max()
        r_hat = "no R-hat from one chain" if np.isnan(largest) else f"largest R-hat {largest:.3f}"
        facts = [
            ("Formula", design.specification.formula),
            ("Rows", f"{design.n}{missing}"),
            *([("Groups", sizes)] if sizes else []),
            *weights_fact(design),
            (
                "Draws",
                f"{chains['chain']} chains of {chains['draw']}; {self.divergences} divergences; {r_hat}, "
                f"smallest bulk ESS {both['ess_bulk'].min():.0f}",
            ),
        ]
        shown = {"ess_bulk": 0, "ess_tail": 0, "r_hat": 3}
        sections = [
            ("Variance components", format_table(components, shown)),
            ("Fixed effects", format_table(fixed, shown)),
            ("Priors", describe_priors(self.design, self.priors)),
        ]
        if design.levels:
            sections.insert(1, ("Intraclass correlation", format_table(self.icc())))
        name = "Multilevel model" if design.levels else "Linear model"
        return format_summary(Header(f"{name}, posterior by NUTS", facts), sections, self._notes(both))

    def _notes(self, both: pd.DataFrame) -> list[str]:
        """What a reader must know besides the numbers."""
        notes = [*self.design.notes]
        sampled = [v for v in self.design.levels if given_name(v.name) in self.idata["unconstrained_posterior"]]
        if sampled:
            count = sum(len(level.grouping.labels) * len(level.effects) for level in sampled)
            notes.append(
                f"The {count} effects of {' and '.join(level.name for level in sampled)} were sampled beside the "
                "variance parameters: crossed, they are too many to be integrated out at every step."
            )
        if has_slopes(self.design.levels):
            notes.append(ICC_NOTE)
        if self.divergences:
            notes.append(f"{self.divergences} divergent transitions: sample again with target_accept=0.95.")
        if both["r_hat"].max() > 1.01:
            notes.append("Some R-hat exceeds 1.01: the chains disagree; sample with more tune and draws.")
        return notes

    def __repr__(self) -> str:
        return self.summary()

    def save(self, path: str | Path) -> Path:
        """Write all draws and the model's description to one netCDF file.

        Parameters
        ----------
        path : str or Path
            Where to; an existing file is replaced.

        Returns
        -------
        Path
        """
        target = Path(path)
        if not target.parent.is_dir():
            raise ArgumentError(
                f"There is no directory '{target.parent}'.",
                "Expected a path in an existing directory.",
                "Create it first.",
            )
        self.idata.to_netcdf(target)
        return target


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
