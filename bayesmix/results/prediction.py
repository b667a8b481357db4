"""Predictions as tables: means, single responses and replicated data, of estimates or of draws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtri

from bayesmix.errors import ArgumentError, require_coverage
from bayesmix.inference.prediction import AVERAGED, MixedEquations, Rows, design_rows, mixed_equations, stack_rows
from bayesmix.inference.predictive_draws import (
    ParameterDraws,
    connected_rows,
    new_effects,
    predicted_draws,
    updated_effects,
)
from bayesmix.results.parameters import all_draws
from bayesmix.results.targets import Target, read_target

if TYPE_CHECKING:
    from bayesmix.results.bayes_fit import BayesFit
    from bayesmix.results.likelihood_fit import LikelihoodFit
    from bayesmix.results.surface.prediction import Predictions

Floats = NDArray[np.float64]

NORMAL_NOTE = "Intervals are normal, and take the variances as known; errors of fixed and group effects are counted."


def predict(
    fit: Predictions,
    new: Any,
    groups: str | None,
    kind: str,
    levels: Any,
    observed: Any,
    prob: float,
    draws: bool,
    seed: int | None,
) -> pd.DataFrame | xr.DataArray:
    """Read and check the request, and let the fit answer it."""
    require_coverage(prob)
    require_seed(seed)
    if not isinstance(draws, bool):
        raise ArgumentError(f"draws={draws!r}.", "Expected True or False.", "Write draws=True for all draws.")
    target = read_target(fit.design, new, groups, kind, levels, observed)
    found = fit.predict_target(target, prob, draws, seed)
    found.attrs["groups"] = target.groups
    found.attrs["note"] = " ".join([*target.notes, *([] if "note" not in found.attrs else [found.attrs["note"]])])
    return found


def require_seed(seed: int | None) -> None:
    """Refuse a seed that is none.

    Raises
    ------
    ArgumentError
    """
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0):
        raise ArgumentError(f"seed={seed!r}.", "Expected a whole number of at least 0.", "Correct seed.")


def equations_for(fit: LikelihoodFit, target: Target) -> MixedEquations:
    """The mixed model equations that answer a target."""
    known = target.has_known(fit.design)
    return mixed_equations(fit.design, fit.products, fit.solution, target.counts, known, target.observed)


def predict_from_estimates(fit: LikelihoodFit, target: Target, prob: float, draws: bool) -> pd.DataFrame:
    """Predictions with standard errors: mean, se, ci_low, ci_high."""
    if draws:
        raise ArgumentError(
            "draws=True, and a likelihood fit has none.",
            "Expected draws=False, or a posterior.",
            "Leave it out; model.sample() gives draws, fit.simulate() simulated responses.",
        )
    equations = equations_for(fit, target)
    mean = equations.means(target.rows)
    variance = equations.variances(equations.functionals(target.rows))
    if target.response:
        residual = np.full(target.rows.n, fit.sigma**2)
        residual /= 1.0 if target.rows.weights is None else target.rows.weights
        variance = variance + residual + equations.averaged_variances(target.rows)
    se = np.sqrt(np.maximum(variance, 0.0))
    half = float(ndtri(0.5 + prob / 2)) * se
    columns = {"mean": mean, "se": se, "ci_low": mean - half, "ci_high": mean + half}
    frame = pd.DataFrame(columns, index=target.index)
    frame.attrs["note"] = NORMAL_NOTE
    return frame


def predict_from_draws(
    fit: BayesFit, target: Target, prob: float, draws: bool, seed: int | None
) -> pd.DataFrame | xr.DataArray:
    """Predictions of a posterior: mean, sd, ci_low, ci_high, or all draws (chain, draw, row)."""
    parts = target_draws(fit, target, np.random.default_rng(seed))
    if draws:
        name = fit.design.specification.response.text if target.response else "mean"
        return draws_array(fit, collect(parts, fit.n_draws, target.rows.n), target.index, name)
    columns = {name: np.empty(target.rows.n) for name in ("mean", "sd", "ci_low", "ci_high")}
    for part, values in parts:
        columns["mean"][part] = values.mean(axis=0)
        columns["sd"][part] = values.std(axis=0, ddof=1)
        columns["ci_low"][part], columns["ci_high"][part] = np.quantile(
            values, [0.5 - prob / 2, 0.5 + prob / 2], axis=0, overwrite_input=True
        )
    return pd.DataFrame(columns, index=target.index)


def collect(parts: Iterator[tuple[slice, Floats]], n_draws: int, n: int) -> Floats:
    """All draws side by side, (D, n)."""
    values = np.empty((n_draws, n))
    for part, some in parts:
        values[:, part] = some
    return values


def draws_array(fit: BayesFit, values: Floats, index: pd.Index[Any], name: str) -> xr.DataArray:
    """Draws (D, n) with their names."""
    posterior = fit.idata["posterior"]
    coords: dict[str, Any] = {"chain": posterior["chain"].to_numpy(), "draw": posterior["draw"].to_numpy()}
    if not isinstance(index, pd.MultiIndex):
        coords["row"] = index.to_numpy()
    shape = len(coords["chain"]), len(coords["draw"]), -1
    return xr.DataArray(values.reshape(shape), dims=("chain", "draw", "row"), coords=coords, name=name)


def parameter_draws(fit: BayesFit, kept: slice | NDArray[np.int64] = slice(None)) -> ParameterDraws:
    """Parameters with chains one after the other, or some of them."""
    found = fit.parameters
    covariances = tuple(all_draws(sigma)[kept] for sigma in found.covariances)
    return ParameterDraws(all_draws(found.beta)[kept], all_draws(found.sigma)[kept], covariances)


def target_draws(fit: BayesFit, target: Target, rng: np.random.Generator) -> Iterator[tuple[slice, Floats]]:
    """Draws of a target, some rows at a time."""
    parameters = parameter_draws(fit)
    updated = _updated(fit, target, parameters, rng)
    effects, codes = [], []
    for number, (level, own) in enumerate(zip(fit.design.levels, target.rows.codes, strict=True)):
        used = np.unique(own[own != AVERAGED])
        values = np.empty((fit.n_draws, len(used), len(level.effects)))
        known = np.array([g < len(level.grouping.labels) and g not in updated[number] for g in used.tolist()], bool)
        fresh = np.array([g >= len(level.grouping.labels) and g not in updated[number] for g in used.tolist()], bool)
        if known.any():
            kept = fit.effect_values(number)
            values[:, known] = all_draws(kept)[:, used[known]]
        values[:, fresh] = new_effects(parameters.covariances[number], int(fresh.sum()), rng)
        for at in np.flatnonzero(~known & ~fresh):
            values[:, at] = updated[number][int(used[at])]
        effects.append(values)
        codes.append(np.where(own == AVERAGED, AVERAGED, np.searchsorted(used, own)))
    rows = target.rows
    numbered = Rows(rows.fixed, rows.offset, rows.effects, tuple(codes), rows.weights)
    return predicted_draws(numbered, parameters, effects, target.response, rng)


# Effects of one component: with more, every draw costs a factorisation of seconds.
MOST_EFFECTS = 600


def _updated(
    fit: BayesFit, target: Target, parameters: ParameterDraws, rng: np.random.Generator
) -> tuple[dict[int, Floats], ...]:
    """Effects of the groups that further rows inform, by level."""
    if target.observed is None:
        return tuple({} for _ in fit.design.levels)
    rows, y = target.observed
    seen, response = stack_rows(design_rows(fit.design), rows), np.concatenate([fit.design.response, y])
    at, component, sizes = connected_rows(seen, target.counts, fit.design.n)
    if max(sizes) > MOST_EFFECTS:
        raise ArgumentError(
            f"The rows observed belong with {max(sizes)} group effects that inform each other.",
            f"Expected at most {MOST_EFFECTS}, for which every draw is updated exactly.",
            "Fit the model to all rows, or predict from model.reml().",
        )
    return updated_effects(seen.take(at), response[at], component, parameters, rng)


def replicate(fit: BayesFit, draws: int | None, seed: int | None, groups: str) -> xr.DataTree:
    """Replicated responses of the rows used, beside the observed ones."""
    require_seed(seed)
    if groups not in ("known", "new"):
        raise ArgumentError(f"groups={groups!r} is not offered.", "Expected 'known' or 'new'.", "Choose one of these.")
    posterior = fit.idata["posterior"]
    chains, length = int(posterior.sizes["chain"]), int(posterior.sizes["draw"])
    if draws is not None and (
        isinstance(draws, bool) or not isinstance(draws, int | np.integer) or not 1 <= draws <= length
    ):
        raise ArgumentError(
            f"draws={draws!r}.",
            f"Expected a whole number from 1 to {length}, the draws of each chain.",
            "Leave it out for all of them.",
        )
    within = np.arange(length) if draws is None else np.linspace(0, length - 1, draws).round().astype(np.int64)
    kept = (np.arange(chains)[:, None] * length + within).ravel()
    rng = np.random.default_rng(seed)
    parameters = parameter_draws(fit, kept)
    effects = []
    for number, level in enumerate(fit.design.levels):
        if groups == "new":
            effects.append(new_effects(parameters.covariances[number], len(level.grouping.labels), rng))
        else:
            values = fit.effect_values(number)
            effects.append(all_draws(values)[kept])
    parts = predicted_draws(design_rows(fit.design), parameters, effects, True, rng)
    values = collect(parts, len(kept), fit.design.n).reshape(chains, len(within), -1)
    coords = {"chain": posterior["chain"].to_numpy(), "draw": posterior["draw"].to_numpy()[within]}
    replicated = xr.Dataset({"y": (("chain", "draw", "__obs__"), values)}, coords=coords, attrs={"groups": groups})
    observed = xr.Dataset({"y": (("__obs__",), fit.design.response)})
    return xr.DataTree.from_dict({"posterior_predictive": replicated, "observed_data": observed})
