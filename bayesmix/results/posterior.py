"""The ArviZ adapter: draws become a DataTree that ArviZ reads unaided, and are read back from it by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmix.design import Design, Level
from bayesmix.inference.draws import EffectDraws, VarianceDraws
from bayesmix.inference.naming import (
    correlation_name,
    effect_name,
    groups_dim,
    pairs_dim,
    sd_name,
    variable_name,
)
from bayesmix.inference.prior_draws import PriorDraws
from bayesmix.inference.sampling import RawDraws
from bayesmix.inference.variables import FreeVariable
from bayesmix.results.components import correlation
from bayesmix.results.naming import group_order

Floats = NDArray[np.float64]


def build_idata(
    design: Design,
    variables: tuple[FreeVariable, ...],
    raw: RawDraws,
    variances: VarianceDraws,
    effects: EffectDraws,
    attributes: dict[str, Any],
) -> xr.DataTree:
    """Posterior (what is reported), unconstrained_posterior (what was sampled), sample_stats and observed_data."""
    shape = raw.values["sigma"].shape
    posterior: dict[str, Any] = {}
    coords: dict[str, Any] = {"chain": np.arange(shape[0]), "draw": np.arange(shape[1])}
    for j, name in enumerate(design.fixed_names):
        posterior[variable_name(name)] = (("chain", "draw"), effects.beta[:, j].reshape(shape))
    posterior["sigma"] = (("chain", "draw"), raw.values["sigma"])
    for level, sigma in zip(design.levels, variances.covariances, strict=True):
        for a, name in enumerate(level.effect_names):
            posterior[sd_name(name, level.name)] = (("chain", "draw"), np.sqrt(sigma[:, a, a]).reshape(shape))
        if level.pairs:
            values = np.stack([correlation(sigma, i, j) for i, j in level.pairs], axis=-1).reshape(*shape, -1)
            posterior[correlation_name(level.name)] = (("chain", "draw", pairs_dim(level.name)), values)
            coords[pairs_dim(level.name)] = [f"{level.effect_names[i]},{level.effect_names[j]}" for i, j in level.pairs]
    for number, level in enumerate(design.levels):
        if effects.effects is None:
            break
        order = group_order(design, number)
        dim = groups_dim(level.name)
        coords[dim] = [str(label) for label in level.grouping.labels]
        for a, name in enumerate(level.effect_names):
            draws = effects.effects[number][:, order, a].reshape(*shape, -1)
            posterior[effect_name(name, level.name)] = (("chain", "draw", dim), draws)
    internal = {
        variable.name: (("chain", "draw", f"{variable.name}_dim_0")[: value.ndim], value)
        for variable in variables
        for value in (raw.values[variable.name],)
    }
    # In one order of memory, as a file returns them: sums over draws depend on it in their last digit.
    posterior = {name: (dims, np.ascontiguousarray(values)) for name, (dims, values) in posterior.items()}
    stats = raw.stats.drop_vars([name for name in raw.stats.data_vars if raw.stats[name].dtype == object])
    return xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(posterior, coords=coords, attrs=attributes),
            "unconstrained_posterior": xr.Dataset(internal, coords={"chain": coords["chain"], "draw": coords["draw"]}),
            "sample_stats": stats,
            "observed_data": xr.Dataset({"y": (("__obs__",), design.response)}),
        }
    )


def build_prior(
    design: Design, found: PriorDraws, y: Floats, effects: Sequence[Floats], attributes: dict[str, Any]
) -> xr.DataTree:
    """Draws from the prior, named as those of a posterior: groups prior, prior_predictive and observed_data."""
    prior: dict[str, Any] = {}
    coords: dict[str, Any] = {"chain": np.arange(1), "draw": np.arange(len(y))}
    draws = ("chain", "draw")
    for j, name in enumerate(design.fixed_names):
        prior[variable_name(name)] = (draws, found.beta[None, :, j])
    prior["sigma"] = (draws, found.variances.sigma[None])
    for level, sigma, u in zip(design.levels, found.variances.covariances, effects, strict=True):
        dim = groups_dim(level.name)
        coords[dim] = [str(label) for label in level.grouping.labels]
        for a, name in enumerate(level.effect_names):
            prior[sd_name(name, level.name)] = (draws, np.sqrt(sigma[None, :, a, a]))
            prior[effect_name(name, level.name)] = ((*draws, dim), u[None, :, :, a])
        if level.pairs:
            values = np.stack([correlation(sigma, i, j) for i, j in level.pairs], axis=-1)
            prior[correlation_name(level.name)] = ((*draws, pairs_dim(level.name)), values[None])
            coords[pairs_dim(level.name)] = [f"{level.effect_names[i]},{level.effect_names[j]}" for i, j in level.pairs]
    rows = {"chain": coords["chain"], "draw": coords["draw"]}
    return xr.DataTree.from_dict(
        {
            "prior": xr.Dataset(prior, coords=coords, attrs=attributes),
            "prior_predictive": xr.Dataset({"y": ((*draws, "__obs__"), y[None])}, coords=rows),
            "observed_data": xr.Dataset({"y": (("__obs__",), design.response)}),
        }
    )


def draws_of(idata: xr.DataTree, names: Sequence[str]) -> Floats:
    """Scalar variables side by side, (chains, draws, len(names))."""
    posterior = idata["posterior"].to_dataset()
    empty = np.zeros((*posterior["sigma"].shape, 0))
    return np.concatenate([empty, *(posterior[name].to_numpy()[..., None] for name in names)], axis=-1)


def covariance_draws(idata: xr.DataTree, level: Level) -> Floats:
    """Sigma of a level, (chains, draws, q, q), from the reported sds and correlations."""
    sds = draws_of(idata, [sd_name(name, level.name) for name in level.effect_names])
    matrix = np.zeros((*sds.shape, sds.shape[-1])) + np.eye(sds.shape[-1])
    if level.pairs:
        values = idata["posterior"].to_dataset()[correlation_name(level.name)].to_numpy()
        for at, (i, j) in enumerate(level.pairs):
            matrix[..., i, j] = matrix[..., j, i] = values[..., at]
    return np.asarray(matrix * sds[..., :, None] * sds[..., None, :])
