"""The posterior of a model from its cross-products: geometry from REML, NUTS, then exact draws."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.errors import ArgumentError
from bayesmix.inference.draws import (
    EffectDraws,
    VarianceDraws,
    effect_draws,
    given_coefficient_draws,
    given_draws,
    variance_draws,
)
from bayesmix.inference.geometry import Geometry, choose_geometry
from bayesmix.inference.graph import marginal_graph
from bayesmix.inference.ml import MlSolution
from bayesmix.inference.naming import require_distinct
from bayesmix.inference.priors import IccPrior, Priors, graph_key
from bayesmix.inference.propriety import require_proper
from bayesmix.inference.sampling import RawDraws, Settings, sample_graph
from bayesmix.inference.threads import one_blas_thread
from bayesmix.inference.variables import FreeVariable, free_variables, starting_values

Floats = NDArray[np.float64]

# Draws of group effects beyond this are kept only on request.
KEPT_BYTES = 200_000_000


@dataclass(frozen=True)
class SamplingPlan:
    """How a posterior is sampled, and near which values its chains start.

    Parameters
    ----------
    geometry : Geometry
    start : list of arrays
        Values of the free variables, in their order.
    """

    geometry: Geometry
    start: list[Floats]


@dataclass(frozen=True)
class PosteriorDraws:
    """All draws of one posterior.

    Parameters
    ----------
    variables : tuple of FreeVariable
        What was sampled.
    raw : RawDraws
        Their draws.
    variances : VarianceDraws
        Covariance factors and sigma.
    effects : EffectDraws
        Fixed and group effects, drawn exactly.
    """

    variables: tuple[FreeVariable, ...]
    raw: RawDraws
    variances: VarianceDraws
    effects: EffectDraws


def draw_posterior(
    design: Design,
    products: CrossProducts,
    priors: Priors,
    solution: MlSolution,
    settings: Settings,
    group_effects: bool | str | None,
) -> PosteriorDraws:
    """Sample the marginal graph and complete the draws.

    Parameters
    ----------
    group_effects : bool, "summary" or None
        Keep the draws of the group effects, only their means and sds (``"summary"``, False), or decide by size.
    """
    keep = _keep_effects(group_effects, products, settings)
    require_distinct(design.fixed_names)
    require_proper(priors, design, products)
    return draw_by_plan(design, products, priors, plan_sampling(design, products, priors, solution), settings, keep)


def plan_sampling(design: Design, products: CrossProducts, priors: Priors, solution: MlSolution) -> SamplingPlan:
    """Geometry and start from the REML estimate."""
    geometry = choose_geometry(products, solution, priors)
    return SamplingPlan(geometry, starting_values(design, products, solution, priors, geometry))


def draw_by_plan(
    design: Design, products: CrossProducts, priors: Priors, plan: SamplingPlan, settings: Settings, keep: bool
) -> PosteriorDraws:
    """Sample the marginal graph from a plan, which may be that of other rows, and complete the draws.

    The posterior must be proper; an estimate from these products need not exist.

    Parameters
    ----------
    keep : bool
        Keep the draws of the group effects.
    """
    if priors.r2 is not None and settings.target_accept is None:  # little R2 leaves coefficients a narrow neck
        settings = replace(settings, target_accept=0.95)
    geometry = plan.geometry
    variables = free_variables(design, priors, geometry)
    blocks = tuple(level.blocks for level in products.levels)
    weighted, alone = design.weights is not None, len(design.fixed) == 1
    shape: tuple[Any, ...] = (blocks, products.n_nested, geometry, graph_key(priors), priors.beta_is_flat, weighted)
    shape = (*shape, _roles(design, priors), alone)
    if any(geometry.given):  # what the graph holds besides its data: sizes, and maps to the inner columns
        crossed = products.levels[products.n_nested :]
        maps = tuple((level.n_groups, level.basis.tobytes()) for level in crossed)
        shape = (*shape, maps, products.response_scale)
    build = partial(marginal_graph, design, products, priors, geometry)
    with one_blas_thread():  # chains side by side, each with its own threads, would wait for one another
        raw = sample_graph(build, shape, variables, plan.start, settings)
    flat = {name: value.reshape(-1, *value.shape[2:]) for name, value in raw.values.items()}
    variances = variance_draws(design, priors, geometry, flat)
    # A stream of its own: the sampler has used the seed itself.
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(1,)))
    given = given_draws(design, geometry, variances, flat)
    fixed = given_coefficient_draws(design, priors, geometry, flat)
    with one_blas_thread():
        effects = effect_draws(products, design, priors, variances, rng, keep, given=given, fixed=fixed)
    return PosteriorDraws(variables, raw, variances, effects)


def _roles(design: Design, priors: Priors) -> tuple[int, ...]:
    """Where the intercepts are, on which the share of variance rests that a prior is on."""
    if not any(isinstance(sd, IccPrior) for level in priors.levels for sd in level.sds):
        return ()
    return tuple(v.effect_names.index("Intercept") if "Intercept" in v.effect_names else -1 for v in design.levels)


def _keep_effects(group_effects: bool | str | None, products: CrossProducts, settings: Settings) -> bool:
    """Whether draws of group effects are kept."""
    summary = isinstance(group_effects, str) and group_effects == "summary"
    if not (group_effects is None or isinstance(group_effects, bool) or summary):
        raise ArgumentError(
            f"group_effects={group_effects!r}.",
            "Expected True, False, 'summary' or None.",
            "Leave it out to decide by size.",
        )
    if group_effects is None:
        count = sum(level.n_groups * level.basis.shape[1] for level in products.levels)
        size = 8 * count * settings.draws * settings.chains
        if size > KEPT_BYTES:
            print(
                f"The draws of {count} group effects would take {size / 1e6:.0f} MB; only their means and sds are kept "
                "(group_effects=True keeps all).",
                flush=True,
            )
        return bool(size <= KEPT_BYTES)
    return group_effects is True
