"""How far a posterior moves when its priors, or its likelihood, are made a little stronger or weaker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.inference.naming import correlation_name, sd_name, variable_name
from bayesmix.inference.prior_draws import log_likelihood, log_prior
from bayesmix.inference.priors import Priors
from bayesmix.results.parameters import Parameters, all_draws

Floats = NDArray[np.float64]

# Kallioinen et al.: above this a parameter is called sensitive.
SENSITIVE = 0.05
# Groups below this number leave a variance to its prior.
FEW_GROUPS = 20
# Importance sampling from fewer draws of a chain says nothing of priors.
LEAST_DRAWS = 100
# Draws beyond this add time and no digit that is shown.
MOST_DRAWS = 2000


def parameter_names(design: Design) -> list[str]:
    """The variables of a posterior that have priors."""
    found = [variable_name(name) for name in design.fixed_names]
    for level in design.levels:
        found += [sd_name(name, level.name) for name in level.effect_names]
        found += [correlation_name(level.name)] if level.pairs else []
    return [*found, "sigma"]


def prior_sensitivity(
    design: Design, products: CrossProducts, priors: Priors, idata: xr.DataTree, parameters: Parameters
) -> pd.DataFrame:
    """Power-scaling sensitivity of every parameter to all priors together, and to the likelihood.

    The density of the priors, each in the parameter it is stated for, is raised to the powers 0.99 and 1.01; so is
    that of the data, the group effects integrated out. Kallioinen, Paananen, Buerkner & Vehtari (2024), Stat. Comput.
    34:57; computed by ArviZ.

    Returns
    -------
    DataFrame
        Index parameter; prior, likelihood (above 0.05 is sensitive), diagnosis in words.
    """
    import arviz_stats

    chains, draws = parameters.sigma.shape
    step = -(-chains * draws // MOST_DRAWS)
    raw = idata["unconstrained_posterior"].to_dataset()

    def flat(values: Floats) -> Floats:
        kept = values[:, ::step]
        return all_draws(kept)

    beta, sigma = flat(parameters.beta), flat(parameters.sigma)
    covariances = [flat(covariance) for covariance in parameters.covariances]
    density = log_prior(design, products, priors, beta, sigma, covariances, lambda name: flat(raw[name].to_numpy()))
    names = parameter_names(design)
    posterior = idata["posterior"].to_dataset()[names].isel(draw=slice(None, None, step))
    shape = (chains, posterior.sizes["draw"])
    likelihood = log_likelihood(design, products, beta, sigma, covariances)
    tree = xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "log_prior": xr.Dataset({"prior": (("chain", "draw"), density.reshape(shape))}),
            "log_likelihood": xr.Dataset({"y": (("chain", "draw"), likelihood.reshape(shape))}),
        }
    )
    rows: list[tuple[str, float, float]] = []
    # Flat priors, to any power, are flat.
    moved = ["prior", "likelihood"] if np.ptp(density) > 0 else ["likelihood"]
    found = {group: arviz_stats.psense(tree, group=group) for group in moved}
    found.setdefault("prior", 0 * found["likelihood"])
    for name in names:
        labels = _labels(name, posterior)
        pairs = [np.ravel(found[group][name].to_numpy()) for group in ("prior", "likelihood")]
        rows += [(label, float(a), float(b)) for label, a, b in zip(labels, *pairs, strict=True)]
    frame = pd.DataFrame(
        {"prior": [row[1] for row in rows], "likelihood": [row[2] for row in rows]},
        index=pd.Index([row[0] for row in rows], name="parameter"),
    )
    frame["diagnosis"] = [_diagnose(a, b) for a, b in zip(frame["prior"], frame["likelihood"], strict=True)]
    return frame


def _labels(name: str, posterior: xr.Dataset) -> Sequence[str]:
    """One name for each number of a variable."""
    variable = posterior[name]
    if variable.ndim == 2:
        return [name]
    return [f"{name}[{label}]" for label in variable[variable.dims[-1]].to_numpy()]


def _diagnose(prior: float, likelihood: float) -> str:
    """What the two say together."""
    if np.isnan(prior) or prior < SENSITIVE:
        return ""
    if likelihood < SENSITIVE:
        return "the prior is strong or the data say little"
    return "prior and data may conflict"


def sensitivity_notes(design: Design, frame: pd.DataFrame) -> list[str]:
    """What to tell a reader whose level has few groups."""
    few = [v for v in design.levels if len(v.grouping.labels) < FEW_GROUPS]
    listed = " and ".join(f"{level.name} ({len(level.grouping.labels)})" for level in few)
    moved = frame[frame["diagnosis"] != ""]
    if moved.empty:
        return [
            f"Few groups at {listed}; no parameter is sensitive to the priors (power-scaling, largest "
            f"{frame['prior'].max():.2f})."
        ]
    rows = zip(moved.index, moved["prior"], moved["diagnosis"], strict=True)
    parts = [f"{name} ({value:.2f}: {why})" for name, value, why in rows]
    return [
        f"Few groups at {listed}: sensitive to the priors (power-scaling above {SENSITIVE}) are {'; '.join(parts)}. "
        "Report results under another prior beside these."
    ]


def has_few_groups(design: Design) -> bool:
    """Whether some level has so few groups that its priors matter."""
    return any(len(level.grouping.labels) < FEW_GROUPS for level in design.levels)
