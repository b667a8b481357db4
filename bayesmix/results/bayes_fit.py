"""What a posterior says, with names on the numbers; reads like a likelihood fit."""

from __future__ import annotations

from collections.abc import Sequence
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
from bayesmix.results.group_values import each_level, with_fixed
from bayesmix.results.naming import group_frame, group_order, weights_fact
from bayesmix.results.parameters import Parameters
from bayesmix.results.posterior import covariance_draws, draws_of
from bayesmix.results.posterior_hypotheses import hypothesis_table
from bayesmix.results.prior_posterior import prior_posterior_data
from bayesmix.results.prior_table import describe_priors
from bayesmix.results.sensitivity import has_few_groups, prior_sensitivity, sensitivity_notes
from bayesmix.tables import Header, format_summary, format_table

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

# Importance sampling from fewer draws of a chain says nothing.
LEAST_DRAWS = 100


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
        columns = _group_summary(_all_draws(values), 0.95 if prob is None else prob)
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
        draws = _all_draws(self.effect_values(number)[:, :, places]) @ weights
        each = []
        for one, other in pairs:
            gap = draws[:, one] - draws[:, other]
            greater = (gap > 0).mean() + 0.5 * (gap == 0).mean()
            each.append({**_group_summary(gap, prob), "prob_greater": greater})
        return {name: np.array([row[name] for row in each]) for name in each[0]}

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
            return group_frame(self.design, number, names, _group_summary(_all_draws(self.effect_values(number)), prob))
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
            return group_frame(self.design, number, names, _group_summary(_all_draws(draws), prob))

        return each_level(self.design, level, table)

    def hypothesis(
        self, hypothesis: str | Sequence[str], *, prob: float | None = None, draws: bool = False, **unknown: Any
    ) -> pd.DataFrame | xr.DataArray:
        """Probability and evidence of hypotheses about the parameters.

        Text is read, never run. Parameters: fixed effects as in :meth:`fixed_effects` (a term with one coefficient by
        its label), ``sigma``, ``sd(ses|school)``, ``var(...)``, ``cov(Intercept,ses|school)``, ``corr(...)`` and
        ``icc(school)``; the level may be left out where there is one. Between them numbers, ``+ - * / ^ ( )``, and
        ``sqrt``, ``exp``, ``log``, ``abs``.

        Parameters
        ----------
        hypothesis : str or list of str
            ``"ses > 2"``, ``"ses > 2*minority"``, ``"sd(ses) = 0"``; several may stand in one text, between commas.
        prob : float, optional
            Coverage of the intervals, 0.95 by itself.
        draws : bool
            Return the draws of left minus right in place of the table.

        Returns
        -------
        DataFrame or DataArray
            Index hypothesis; mean, sd, ci_low, ci_high of left minus right; probability, evidence_ratio, mcse, method.
            For ``<`` and ``>`` the evidence ratio is the posterior odds, counted over draws. For ``=`` it is the Bayes
            factor for equality, posterior over prior density (Savage and Dickey), and the probability the one that
            goes with prior odds of 1; the method says whether exact conditional densities were averaged
            (``rao-blackwell``) or a kernel was used. mcse is the Monte Carlo error of the evidence ratio (of a
            kernel without its bias).

        Raises
        ------
        ArgumentError
            Text that is no hypothesis, unknown names, equality of what has no prior density in closed form.
        PriorError
            Equality under an improper prior.

        References
        ----------
        Dickey (1971), Ann. Math. Statist. 42:204-223.

        Examples
        --------
        >>> import bayesmix as bx
        >>> post = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).sample()  # doctest: +SKIP
        >>> post.hypothesis(["ses > 2", "sd(ses) = 0"])  # doctest: +SKIP
        """
        refuse_unknown("hypothesis", unknown, ("prob", "draws"))
        return hypothesis_table(self, hypothesis, prob, draws)

    def _from_summary(self, number: int, prob: float) -> dict[str, Floats]:
        """Columns from means and sds alone."""
        from scipy.special import ndtri

        require_coverage(prob)
        order = group_order(self.design, number)
        mean, sd = self.effects.means[number][order], self.effects.sds[number][order]
        half = float(ndtri(0.5 + prob / 2)) * sd
        return {"mean": mean, "sd": sd, "ci_low": mean - half, "ci_high": mean + half}

    def summary(self, **unknown: Any) -> str:
        """The posterior as text."""
        refuse_unknown("summary", unknown, (), _OF_ESTIMATES)
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
        if has_few_groups(self.design) and self.parameters.sigma.shape[1] >= LEAST_DRAWS:
            notes += sensitivity_notes(self.design, self._sensitivity)
        if self.divergences:
            notes.append(f"{self.divergences} divergent transitions: sample again with target_accept=0.95.")
        if both["r_hat"].max() > 1.01:
            notes.append("Some R-hat exceeds 1.01: the chains disagree; sample with more tune and draws.")
        return notes

    def prior_sensitivity(self, **unknown: Any) -> pd.DataFrame:
        """How sensitive each parameter is to its priors and to the data, by power-scaling.

        In summaries it is said in words where a level has fewer than 20 groups.

        Returns
        -------
        DataFrame
            Index parameter; prior, likelihood (above 0.05 is sensitive), diagnosis. Kallioinen et al. (2024), Stat.
            Comput. 34:57.
        """
        refuse_unknown("prior_sensitivity", unknown, ())
        return self._sensitivity.copy()

    @cached_property
    def _sensitivity(self) -> pd.DataFrame:
        return prior_sensitivity(self.design, self.products, self.priors, self.idata, self.parameters)

    def prior_posterior(self, *, points: int = 200, **unknown: Any) -> pd.DataFrame:
        """Prior and posterior density of every parameter, for a plot of the two.

        Parameters
        ----------
        points : int
            Of each curve.

        Returns
        -------
        DataFrame
            Index (parameter, point); x, prior (nan where flat), posterior. The intercept is that at the means of the
            other columns, as its prior is stated.
        """
        refuse_unknown("prior_posterior", unknown, ("points",))
        return prior_posterior_data(self.design, self.products, self.priors, self.parameters, points)

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
    """Columns from (D, ...) draws."""
    require_coverage(prob)
    low, high = np.quantile(draws, [0.5 - prob / 2, 0.5 + prob / 2], axis=0)
    return {"mean": draws.mean(axis=0), "sd": draws.std(axis=0, ddof=1), "ci_low": low, "ci_high": high}
