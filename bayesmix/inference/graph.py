"""Models as PyMC graphs: marginal (group effects and fixed effects integrated out) and explicit, one posterior."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design, Level
from bayesmix.inference.distributions import Flat, Normal
from bayesmix.inference.geometry import Geometry
from bayesmix.inference.naming import (
    coefficient_name,
    effect_name,
    given_name,
    groups_dim,
    pairs_dim,
    variable_name,
)
from bayesmix.inference.prior_graph import (
    Entries,
    Numbers,
    coefficient,
    given_coefficients,
    level_factors,
    positive,
)
from bayesmix.inference.priors import (
    Priors,
    beta_prior_vector,
    column_means,
    given_shift,
    moving_numbers,
    require_drawable,
    stated_on,
)
from bayesmix.likelihood.coordinates import block_entries, user_coordinates
from bayesmix.likelihood.operation import MarginalLikelihood

Floats = NDArray[np.float64]


def marginal_graph(design: Design, products: CrossProducts, priors: Priors, geometry: Geometry) -> pm.Model:
    """The graph that is sampled: free are sigma, the sds and the partial correlations of each level.

    Fixed effects with a prior that is neither normal nor flat are free too.

    Parameters
    ----------
    design, products : Design, CrossProducts
        Names and data.
    priors : Priors
        Numbers.
    geometry : Geometry
        Which sds are signed.

    Returns
    -------
    pymc.Model
        Its data are ``cross_products``, ``beta_prior``, ``prior_numbers`` and, with weights, ``log_weights``, with
        fixed effects that are sampled ``given_shift``; with these exchanged, a compiled graph serves every model of
        the same shape.
    """
    coordinates = user_coordinates(products)
    data = graph_data(design, products, priors, geometry)
    # The numbers are valid by construction; checking them at every step costs graph and compile time.
    with pm.Model(coords=_coords(design), check_bounds=False) as model:
        cross_products = pm.Data("cross_products", data["cross_products"])
        beta_prior = pm.Data("beta_prior", data["beta_prior"])
        numbers = Numbers(pm.Data("prior_numbers", data["prior_numbers"]))
        sigma = positive("sigma", priors.sigma, numbers.take(len(priors.sigma.moving)))
        betas = given_coefficients(design, priors, sigma, numbers, geometry.offsets)
        factors = level_factors(design, priors, geometry, sigma, numbers)
        lam = [entry for level, factor in zip(design.levels, factors, strict=True) for entry in _entries(level, factor)]
        theta = pt.stack(lam) if lam else pt.zeros((0,))
        others = [pm.Data("log_weights", data["log_weights"])] if "log_weights" in data else []
        signature, backs = ",()" * len(others), []
        given: list[Any] = []
        if betas:
            shift = pm.Data("given_shift", data["given_shift"])
            given.append(pt.stack([betas[j] for j in priors.given]) - shift)
        kind = "crossed" if coordinates.crossed else "nested"
        effects = _given_effects(design, geometry, factors)
        if effects:
            maps = [level.basis / products.response_scale for level in coordinates.layout.levels[products.n_nested :]]
            given += [(u @ B.T).flatten() for u, B in zip(effects, maps, strict=True)]
            kind = "given"
            backs = [np.linalg.pinv(B) for B in maps]
        if given:
            others.append(pt.concatenate(given))
            signature = f"{signature},(m)"
        pm.CustomDist(
            "y",
            design.offset,
            cross_products,
            beta_prior,
            theta,
            sigma,
            *others,
            logp=partial(_log_density, likelihood=MarginalLikelihood(kind), weighted=design.weights is not None),
            random=partial(_simulate, design=design, priors=priors, products=products, backs=backs),
            signature=f"(n),(v),(b),(k),(){signature}->(n)",
            observed=design.response,
        )
    return model


def graph_data(
    design: Design, products: CrossProducts, priors: Priors, geometry: Geometry
) -> dict[str, Floats | float]:
    """The data of :func:`marginal_graph` of the same arguments, by name, without the graph."""
    coordinates = user_coordinates(products)
    data: dict[str, Floats | float] = {
        "cross_products": np.concatenate([coordinates.packed, coordinates.body]),
        "beta_prior": beta_prior_vector(priors, coordinates, products),
        "prior_numbers": moving_numbers(priors),
    }
    if design.weights is not None:
        data["log_weights"] = products.log_weights
    if priors.given:
        data["given_shift"] = given_shift(priors, products)
    return data


def _log_density(
    value: Any,
    offset: Any,
    vector: Any,
    beta_prior: Any,
    theta: Any,
    sigma: Any,
    *others: Any,
    likelihood: MarginalLikelihood,
    weighted: bool,
) -> Any:
    """Log density of all rows; the rows themselves are inside the cross-products, those of sqrt(w) y with weights.

    ``others`` are half the sum of the logarithms of the weights, if there are any, and what is given, if anything:
    fixed effects, then crossed effects.
    """
    given = others[-1] if len(others) > weighted else np.zeros(0)
    density = likelihood(vector, beta_prior, theta, sigma, given)[0]
    return density + others[0] / 2 if weighted else density


def _given_effects(design: Design, geometry: Geometry, factors: Sequence[Any]) -> list[Any]:
    """The effects of crossed levels as free variables, (J, q) each: themselves, or in units of their covariance."""
    effects = []
    for level, form, factor in zip(design.levels, geometry.given, factors, strict=True):
        if form is None:
            continue
        J, q = len(level.grouping.labels), len(level.effects)
        name = given_name(level.name)
        if form == "offset":
            effects.append(pm.Normal(name, 0.0, 1.0, shape=(J, q)) @ _dense(factor, q).T)
        elif q == 1:
            effects.append(pm.Normal(name, 0.0, factor[0, 0], shape=(J, q)))
        else:
            effects.append(pm.MvNormal(name, np.zeros(q), chol=_dense(factor, q), shape=(J, q)))
    return effects


def explicit_graph(design: Design, products: CrossProducts, priors: Priors) -> pm.Model:
    """The textbook graph: fixed and group effects are free variables, rows are normal around their sum."""
    with pm.Model(coords=_coords(design)) as model:
        numbers = Numbers(moving_numbers(priors))
        sigma = positive("sigma", priors.sigma, numbers.take(len(priors.sigma.moving)))
        betas = given_coefficients(design, priors, sigma, numbers)
        mean: Any = design.offset + _fixed_part(design, products, priors, betas)
        plain = Geometry(tuple((False,) * len(level.effects) for level in design.levels))
        factors = level_factors(design, priors, plain, sigma, numbers)
        for level, factor in zip(design.levels, factors, strict=True):
            rows = len(level.grouping.labels)
            offsets = pm.Normal(f"{variable_name(level.name)}_offset", shape=(rows, len(level.effects)))
            u = offsets @ _dense(factor, len(level.effects)).T
            for a, name in enumerate(level.effect_names):
                effect = pm.Deterministic(effect_name(name, level.name), u[:, a], dims=groups_dim(level.name))
                mean = mean + effect[level.grouping.codes] * design.values[:, level.places[a]]
        spread = sigma if design.weights is None else sigma / np.sqrt(design.weights)
        pm.Normal("y", mean, spread, observed=design.response)
    return model


def _fixed_part(design: Design, products: CrossProducts, priors: Priors, betas: dict[int, Any]) -> Any:
    """X beta with the prior of the intercept at the predictors' means; the intercept at zero is a deterministic.

    ``betas`` are those with a prior that is neither normal nor flat.
    """
    X, means = design.fixed_values, column_means(products)
    alone = len(priors.beta) == 1
    betas = dict(betas)
    for j, (name, prior) in enumerate(zip(design.fixed_names, priors.beta, strict=True)):
        if isinstance(prior, Flat | Normal):
            betas[j] = coefficient(coefficient_name(name, alone), prior, prior.numbers)
    at = priors.intercept
    total: Any = 0.0
    for j in range(len(priors.beta)):
        shift = 0.0 if at is None or j == at else means[j]
        total = total + betas[j] * (X[:, j] - shift)
    if at is not None and not alone:
        slopes = sum(betas[j] * means[j] for j in betas if j != at)
        pm.Deterministic("Intercept", betas[at] - slopes)
    return total


def _coords(design: Design) -> dict[str, Any]:
    """Groups and correlated pairs of every level."""
    coords: dict[str, Any] = {}
    for level in design.levels:
        coords[groups_dim(level.name)] = [str(label) for label in level.grouping.labels]
        pairs = [f"{level.effect_names[i]},{level.effect_names[j]}" for i, j in level.pairs]
        if pairs:
            coords[pairs_dim(level.name)] = pairs
    return coords


def _entries(level: Level, factor: Entries) -> list[Any]:
    """Free entries of a level in the order of theta."""
    return [factor[row, column] for row, column in block_entries(level.blocks).tolist()]


def _dense(factor: dict[tuple[int, int], Any], q: int) -> Any:
    """The (q, q) factor as one symbolic matrix."""
    return pt.stack([pt.stack([pt.as_tensor(factor.get((i, j), 0.0)) for j in range(q)]) for i in range(q)])


def _simulate(
    offset: Floats,
    vector: Floats,
    beta_prior: Floats,
    theta: Floats,
    sigma: Floats,
    *others: Floats,
    design: Design,
    priors: Priors,
    products: CrossProducts,
    backs: Sequence[Floats],
    rng: np.random.Generator,
    size: Any = None,
) -> Floats:
    """Draw the rows: fixed effects from their prior, group effects and residuals given the variance parameters.

    What is free stands last among the others: fixed effects, then crossed effects; ``backs`` lead from D's columns to
    these.
    """
    require_drawable(priors)
    n_given = len(priors.given)
    stated = np.array([rng.normal(prior.mean, prior.sd) if isinstance(prior, Normal) else 0.0 for prior in priors.beta])
    if n_given:
        stated[list(priors.given)] = others[-1][:n_given] + given_shift(priors, products)
    beta = np.linalg.solve(stated_on(priors, products), stated)
    y = offset + design.fixed_values @ beta
    used, at = 0, n_given
    for number, level in enumerate(design.levels):
        q, places = len(level.effects), block_entries(level.blocks)
        factor = np.zeros((q, q))
        factor[places[:, 0], places[:, 1]] = theta[used : used + len(places)]
        used += len(places)
        J, back = len(level.grouping.labels), number - len(design.levels) + len(backs)
        if back >= 0:
            width = backs[back].shape[1]
            u = others[-1][at : at + J * width].reshape(J, width) @ backs[back].T
            at += J * width
        else:
            u = rng.standard_normal((J, q)) @ factor.T
        y = y + np.einsum("nq,nq->n", design.values[:, level.places], u[level.grouping.codes])
    noise = sigma * rng.standard_normal(design.n)
    return np.asarray(y + (noise if design.weights is None else noise / np.sqrt(design.weights)))
