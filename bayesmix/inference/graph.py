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
from bayesmix.errors import PriorError
from bayesmix.inference.geometry import Geometry
from bayesmix.inference.naming import (
    correlation_name,
    effect_name,
    given_name,
    groups_dim,
    pairs_dim,
    partial_name,
    sd_name,
    signed_name,
    variable_name,
)
from bayesmix.inference.priors import LKJ, Flat, HalfStudentT, LevelPriors, Normal, Priors, beta_prior_vector
from bayesmix.likelihood.coordinates import block_entries, user_coordinates
from bayesmix.likelihood.operation import MarginalLikelihood

Floats = NDArray[np.float64]


def marginal_graph(design: Design, products: CrossProducts, priors: Priors, geometry: Geometry) -> pm.Model:
    """The graph that is sampled: free are sigma, the sds and the partial correlations of each level.

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
        Its data are ``cross_products``, ``beta_prior``, ``prior_scales`` and, with weights, ``log_weights``; with these
        exchanged, a compiled graph serves every model of the same shape.
    """
    coordinates = user_coordinates(products)
    vector = np.concatenate([coordinates.packed, coordinates.body])
    # The scales are positive by construction; checking them at every step costs graph and compile time.
    with pm.Model(coords=_coords(design), check_bounds=False) as model:
        cross_products = pm.Data("cross_products", vector)
        beta_prior = pm.Data("beta_prior", beta_prior_vector(priors, coordinates, products))
        scales = pm.Data("prior_scales", prior_scales(priors))
        sigma = _positive("sigma", priors.sigma, scales[0])
        factors: list[dict[tuple[int, int], Any]] = []
        used = 1
        for level, prior, signed in zip(design.levels, priors.levels, geometry.signed, strict=True):
            stop = used + len(level.effects)
            factors.append(_factor(level, prior, signed, [scales[i] for i in range(used, stop)]))
            used = stop
        lam = [entry for level, factor in zip(design.levels, factors, strict=True) for entry in _entries(level, factor)]
        theta = pt.stack(lam) if lam else pt.zeros((0,))
        others = [] if design.weights is None else [pm.Data("log_weights", products.log_weights)]
        signature, backs = ",()" * len(others), []
        kind = "crossed" if coordinates.crossed else "nested"
        effects = _given_effects(design, geometry, factors)
        if effects:
            maps = [level.basis / products.response_scale for level in coordinates.layout.levels[products.n_nested :]]
            others.append(pt.concatenate([(u @ B.T).flatten() for u, B in zip(effects, maps, strict=True)]))
            signature, kind = f"{signature},(m)", "given"
            backs = [np.linalg.pinv(B) for B in maps]
        pm.CustomDist(
            "y",
            design.offset,
            cross_products,
            beta_prior,
            theta,
            sigma,
            *others,
            logp=partial(_log_density, likelihood=MarginalLikelihood(kind), weighted=design.weights is not None),
            random=partial(_simulate, design=design, priors=priors, means=_means(products), backs=backs),
            signature=f"(n),(v),(b),(k),(){signature}->(n)",
            observed=design.response,
        )
    return model


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

    ``others`` are half the sum of the logarithms of the weights, if there are any, and given crossed effects, if any.
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
        sigma = _positive("sigma", priors.sigma, prior_scales(priors)[0])
        mean: Any = design.offset + _fixed_part(design, products, priors)
        for level, prior in zip(design.levels, priors.levels, strict=True):
            scales = [sd.scale if isinstance(sd, HalfStudentT) else 1.0 for sd in prior.sds]
            factor = _factor(level, prior, (False,) * len(level.effects), scales)
            rows = len(level.grouping.labels)
            offsets = pm.Normal(f"{variable_name(level.name)}_offset", shape=(rows, len(level.effects)))
            u = offsets @ _dense(factor, len(level.effects)).T
            for a, name in enumerate(level.effect_names):
                effect = pm.Deterministic(effect_name(name, level.name), u[:, a], dims=groups_dim(level.name))
                mean = mean + effect[level.grouping.codes] * design.values[:, level.places[a]]
        spread = sigma if design.weights is None else sigma / np.sqrt(design.weights)
        pm.Normal("y", mean, spread, observed=design.response)
    return model


def _fixed_part(design: Design, products: CrossProducts, priors: Priors) -> Any:
    """X beta with the prior of the intercept at the predictors' means; the intercept at zero is a deterministic."""
    X, means = design.fixed_values, _means(products)
    betas: dict[int, Any] = {}
    for j, (name, prior) in enumerate(zip(design.fixed_names, priors.beta, strict=True)):
        centred = name == "Intercept" and np.any(np.delete(means, j) != 0)
        label = "Intercept_centred" if centred else variable_name(name)
        betas[j] = pm.Flat(label) if isinstance(prior, Flat) else pm.Normal(label, prior.mean, prior.sd)
    total: Any = 0.0
    for j, name in enumerate(design.fixed_names):
        shift = means[j] if "Intercept" in design.fixed_names and name != "Intercept" else 0.0
        total = total + betas[j] * (X[:, j] - shift)
    if "Intercept" in design.fixed_names and betas[design.fixed_names.index("Intercept")].name != "Intercept":
        at = design.fixed_names.index("Intercept")
        slopes = sum(betas[j] * means[j] for j in betas if j != at)
        pm.Deterministic("Intercept", betas[at] - slopes)
    return total


def _means(products: CrossProducts) -> Floats:
    """Means of the columns of X: their coordinate on the constant, in which the weights are left out."""
    return np.asarray(products.fixed_basis[0] / np.sqrt(products.mean_weight))


def _coords(design: Design) -> dict[str, Any]:
    """Groups and correlated pairs of every level."""
    coords: dict[str, Any] = {}
    for level in design.levels:
        coords[groups_dim(level.name)] = [str(label) for label in level.grouping.labels]
        pairs = [f"{level.effect_names[i]},{level.effect_names[j]}" for i, j in level.pairs]
        if pairs:
            coords[pairs_dim(level.name)] = pairs
    return coords


def prior_scales(priors: Priors) -> Floats:
    """Scales of the priors of sigma and of every sd, in the order of the graph; 1 where a prior has none."""
    every = [priors.sigma, *(sd for level in priors.levels for sd in level.sds)]
    return np.array([prior.scale if isinstance(prior, HalfStudentT) else 1.0 for prior in every])


def _positive(name: str, prior: HalfStudentT | Flat, scale: Any) -> Any:
    """A positive parameter, sampled in logarithms."""
    if isinstance(prior, Flat):
        return pm.HalfFlat(name)
    return pm.HalfStudentT(name, nu=prior.df, sigma=scale)


def _signed(name: str, prior: HalfStudentT | Flat, scale: Any) -> Any:
    """A parameter on the whole line with the symmetric density of the same prior."""
    if isinstance(prior, Flat):
        return pm.Flat(name)
    return pm.StudentT(name, nu=prior.df, mu=0.0, sigma=scale)


def _factor(
    level: Level, prior: LevelPriors, signed: Sequence[bool], scales: Sequence[Any]
) -> dict[tuple[int, int], Any]:
    """Free entries of Lambda = diag(s) L, with |s| and the correlations recorded under their reported names."""
    sds, signs = [], []
    for name, sd_prior, whole_line, scale in zip(level.effect_names, prior.sds, signed, scales, strict=True):
        if whole_line:
            s = _signed(signed_name(name, level.name), sd_prior, scale)
            pm.Deterministic(sd_name(name, level.name), abs(s))
        else:
            s = _positive(sd_name(name, level.name), sd_prior, scale)
        sds.append(s)
        signs.append(pt.sign(s) if whole_line else None)
    entries: dict[tuple[int, int], Any] = {}
    roots: dict[tuple[int, int], Any] = {}
    for number, (start, stop) in enumerate(level.blocks):
        for (i, j), value in _cholesky(level, number, stop - start, prior).items():
            roots[start + i, start + j] = value
            entries[start + i, start + j] = sds[start + i] * value
    if level.pairs:
        correlations = []
        for i, j in level.pairs:
            start = next(b[0] for b in level.blocks if b[0] <= i < b[1])
            value = sum(roots[i, k] * roots[j, k] for k in range(start, i + 1))
            for sign in (signs[i], signs[j]):
                value = value if sign is None else value * sign
            correlations.append(value)
        pm.Deterministic(correlation_name(level.name), pt.stack(correlations), dims=pairs_dim(level.name))
    return entries


def _cholesky(level: Level, number: int, q: int, prior: LevelPriors) -> dict[tuple[int, int], Any]:
    """Cholesky factor of a correlation matrix from partial correlations, row by row.

    Under LKJ(eta) the partials of column k are independent, 2 Beta(a, a) - 1 with a = eta + (q - 2 - k)/2.
    """
    root: dict[tuple[int, int], Any] = {(0, 0): 1.0}
    if q == 1:
        return root
    places = [(i, k) for i in range(1, q) for k in range(i)]
    eta = prior.correlation.eta if isinstance(prior.correlation, LKJ) else None
    shapes = np.array([1.0 if eta is None else eta + (q - 2 - k) / 2 for _, k in places])
    share = pm.Beta(partial_name(level.name, number), shapes, shapes, shape=len(places))
    partial_at = {place: 2 * share[n] - 1 for n, place in enumerate(places)}
    for i in range(1, q):
        left: Any = 1.0
        for k in range(i):
            root[i, k] = partial_at[i, k] * pt.sqrt(left)
            left = left * (1 - partial_at[i, k] ** 2)
        root[i, i] = pt.sqrt(left)
    return root


def _entries(level: Level, factor: dict[tuple[int, int], Any]) -> list[Any]:
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
    means: Floats,
    backs: Sequence[Floats],
    rng: np.random.Generator,
    size: Any = None,
) -> Floats:
    """Draw the rows: fixed effects from their prior, group effects and residuals given the variance parameters.

    Crossed effects that are free variables come last among the others; ``backs`` lead from D's columns to them.
    """
    if priors.beta_is_flat and priors.beta:
        raise PriorError(
            "The fixed effects have flat priors.",
            "Expected proper priors to draw a response from.",
            "Use priors='default', or draw from the posterior.",
        )
    beta = np.array([rng.normal(prior.mean, prior.sd) for prior in priors.beta if isinstance(prior, Normal)])
    if "Intercept" in design.fixed_names:
        at = design.fixed_names.index("Intercept")
        beta[at] -= np.delete(means, at) @ np.delete(beta, at)
    y = offset + design.fixed_values @ beta
    used, at = 0, 0
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
