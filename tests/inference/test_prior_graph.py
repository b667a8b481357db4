"""Every kind of prior in both graphs: densities against dense algebra and SciPy, and the way from raw draws back."""

from typing import Any

import numpy as np
import pymc as pm
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.inference.distributions import Distribution, Flat, Normal
from bayesmix.inference.draws import effect_draws, given_coefficient_draws, variance_draws
from bayesmix.inference.geometry import Geometry
from bayesmix.inference.graph import explicit_graph, marginal_graph
from bayesmix.inference.naming import correlation_name, partial_name, sd_name
from bayesmix.inference.prior_draws import log_likelihood, log_prior
from bayesmix.inference.priors import moving_numbers, stated_on
from bayesmix.inference.variables import free_variables, jittered, starting_values, unconstrained
from tests import dense
from tests.bayes import INTERPRETED, compiled, correlation_root, dense_problem, geometry_of, point
from tests.frames import random_frame

FORMULA = "y ~ x + z + (x | top) + (1 | top:inner)"
SETS: dict[str, Any] = {
    "one coefficient": {"z": "StudentT(3, 0, 2)"},
    "the intercept": {"Intercept": "Laplace(30, 9)"},
    "all coefficients": {"Intercept": "Cauchy(40, 9)", "x": "Gamma(2, 2)", "z": "Uniform(-9, 7)"},
    "flat beside normal": {"x": "flat"},
    "flat beside given": {"x": "flat", "z": "Logistic(0, 2)"},
    "sds": {"sd(top)": "Exponential(1)", "sd(x | top)": "LogNormal(0, 1)", "sigma": "Gamma(2, 0.7)"},
    "bounded sds": {"1|top:inner_sigma": "Uniform(0, 30)", "sigma": "InverseGamma(3, 6)", "cor": "LKJ(1)"},
    "mirrored": {"sd": "HalfNormal(4)", "ses": None},
    "icc": {"icc(top)": "Beta(2, 3)"},
    "icc of the lower level": {"icc(top:inner)": "Uniform(0, 1)", "sd(top)": "HalfCauchy(5)"},
    "R2": {"R2": "Beta(2, 1.5)"},
    "R2 and the intercept": {"R2": "Beta(2, 1.5)", "Intercept": "StudentT(4, 40, 9)"},
    "rstanarm": "rstanarm",
    "brms": "brms",
    "bambi": "bambi",
    "rstanarm and one more": {"preset": "rstanarm", "z": "Laplace(0, 1)", "sd(top:inner)": "HalfNormal(3)"},
}
SETS["mirrored"].pop("ses")


@pytest.fixture(params=SETS)
def model(request: pytest.FixtureRequest, rng: np.random.Generator) -> bx.Model:
    return bx.Model(FORMULA, random_frame(rng), priors=SETS[request.param])


def geometry_for(model: bx.Model, kind: str) -> Geometry:
    """Signed where the kind says so and the prior allows it; in offsets every other coefficient under R2."""
    wanted, priors = geometry_of(model, kind), model.priors.numbers
    signed = tuple(
        tuple(flag and isinstance(sd, Distribution) and sd.folded for flag, sd in zip(flags, own.sds, strict=True))
        for flags, own in zip(wanted.signed, priors.levels, strict=True)
    )
    offsets = {j for j, prior in enumerate(priors.beta) if prior == priors.r2 and kind == "signed"}
    return Geometry(signed, (), frozenset(offsets))


def random_point(model: bx.Model, geometry: Geometry, rng: np.random.Generator) -> dict[str, Any]:
    """Values of the free variables inside their support."""
    values: dict[str, Any] = {}
    for variable in free_variables(model.design, model.priors.numbers, geometry):
        lower, upper = variable.bounds
        if variable.kind == "share":
            values[variable.name] = rng.uniform(0.1, 0.9, size=variable.size)
        elif variable.kind == "odds":
            values[variable.name] = np.asarray(lower + (upper - lower) * rng.uniform(0.2, 0.8))
        elif variable.kind == "log":
            values[variable.name] = np.asarray(rng.uniform(0.5, 3.0))
        else:
            values[variable.name] = np.asarray(rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 3.0))
    return values


def expected_parts(model: bx.Model, values: dict[str, Any]) -> tuple[float, list[np.ndarray], dict[int, float]]:
    """From the raw values by the definitions: log prior of them all, Sigma of the levels, given coefficients."""
    priors, total = model.priors.numbers, 0.0
    sigma = float(values["sigma"])
    total += priors.sigma.frozen().logpdf(sigma)
    given: dict[int, float] = {}
    if priors.r2 is not None:
        r2, share, v = priors.r2, float(values["fixed_R2"]), values["fixed_split"]
        total += stats.beta(r2.share.alpha, r2.share.beta).logpdf(share) + stats.beta(1, 1).logpdf(v[0])
        phi = np.array([v[0], 1 - v[0]])
        scales = sigma * np.sqrt(phi * share / (1 - share)) / model.design.fixed_values[:, 1:].std(axis=0, ddof=1)
        for k, name in enumerate(("x", "z")):
            offset = f"{name}_offset"
            given[k + 1] = float(values[offset] * scales[k] if offset in values else values[name])
            total += (
                stats.norm.logpdf(values[offset]) if offset in values else stats.norm(0, scales[k]).logpdf(given[k + 1])
            )
    for j, (name, prior) in enumerate(zip(model.design.fixed_names, priors.beta, strict=True)):
        if isinstance(prior, Distribution) and not isinstance(prior, Normal | Flat):
            given[j] = float(values["Intercept_centred" if name == "Intercept" else name])
            total += prior.frozen().logpdf(given[j])
    every: list[np.ndarray] = []
    for level, own in zip(model.design.levels, priors.levels, strict=True):
        sds, q = [], len(level.effects)
        decov = type(own.sds[0]).__name__ == "Decov"
        if decov:
            tau = float(values[f"{level.name}_tau_0"])
            v = values.get(f"{level.name}_split_0", np.zeros(0))
            pi = np.array([v[0], 1 - v[0]]) if q == 2 else np.ones(1)
            total += stats.gamma(1).logpdf(tau)  # Dirichlet(1, 1) is uniform
            sds = list(sigma * tau * np.sqrt(q * pi))
        for name, sd in zip(level.effect_names, own.sds, strict=True):
            plain = sd_name(name, level.name)
            if isinstance(sd, Distribution):
                signed = f"{plain}_signed" in values
                sds.append(float(values[f"{plain}_signed" if signed else plain]))
                total += sd.frozen().logpdf(abs(sds[-1])) - (np.log(2) if signed else 0)
            elif not decov:
                sds.append(np.nan)
                total += sd.share.frozen().logpdf(float(values[f"{level.name}_icc"]))
        root = np.eye(q)
        if q == 2:
            shares = values[partial_name(level.name, 0)]
            eta = own.correlation.eta
            total += stats.beta(eta, eta).logpdf(shares[0])
            root = correlation_root(2 * shares - 1, 2)
        every.append(np.array(sds)[:, None] * root)
    for number, (level, factor) in enumerate(zip(model.design.levels, every, strict=True)):
        if np.isnan(factor[0, 0]):
            share = float(values[f"{level.name}_icc"])
            rest = sigma**2 + every[1 - number][0, 0] ** 2
            factor[0] = [np.sqrt(share / (1 - share) * rest), *np.zeros(len(factor) - 1)]
    return total, [factor @ factor.T for factor in every], given


def dense_partial(model: bx.Model, given: dict[int, float]) -> tuple[dense.Partial, float]:
    """The normal and flat coefficients integrated, in the coordinates their priors are stated in."""
    priors = model.priors.numbers
    back = np.linalg.inv(stated_on(priors, model.products))
    rest = [j for j in range(len(priors.beta)) if j not in given]
    normal = [prior if isinstance(prior, Normal) else None for prior in (priors.beta[j] for j in rest)]
    mean = np.array([0.0 if prior is None else prior.mean for prior in normal])
    precision = np.diag([0.0 if prior is None else prior.sd**-2 for prior in normal])
    constant = sum(-0.5 * np.log(2 * np.pi) - np.log(prior.sd) for prior in normal if prior is not None)
    order = sorted(given)
    values = np.array([given[j] for j in order])
    return dense.Partial(values, mean, precision, back[:, [*order, *rest]]), float(constant)


@pytest.mark.parametrize("kind", ["log", "signed"])
def test_marginal_graph(model: bx.Model, kind: str, rng: np.random.Generator) -> None:
    """Prior of the free variables, and the rows with the other coefficients integrated by dense algebra."""
    priors, geometry = model.priors.numbers, geometry_for(model, kind)
    graph = marginal_graph(model.design, model.products, priors, geometry)
    assert [v.name for v in graph.free_RVs] == [v.name for v in free_variables(model.design, priors, geometry)]
    log_density = graph.compile_logp(jacobian=False, mode=INTERPRETED)
    for _ in range(2):
        values = random_point(model, geometry, rng)
        total, covariances, given = expected_parts(model, values)
        about, constant = dense_partial(model, given)
        rows = dense.log_density(dense_problem(model), covariances, float(values["sigma"]) ** 2, about)
        at = raw_point(model, graph, geometry, values)
        assert_allclose(log_density(at), total + rows + constant, rtol=1e-9)
        reported = compiled(list(graph.free_RVs), list(graph.deterministics))
        found = dict(zip([d.name for d in graph.deterministics],
                         reported(*[values[v.name] for v in graph.free_RVs]), strict=True))  # fmt: skip
        for level, covariance in zip(model.design.levels, covariances, strict=True):
            for a, name in enumerate(level.effect_names):
                sd = found.get(sd_name(name, level.name), values.get(sd_name(name, level.name)))
                assert_allclose(sd, np.sqrt(covariance[a, a]), rtol=1e-10)
            if level.pairs:
                rho = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
                assert_allclose(found[correlation_name(level.name)], [rho], rtol=1e-9, atol=1e-12)


def raw_point(model: bx.Model, graph: pm.Model, geometry: Geometry, values: dict[str, Any]) -> dict[str, Any]:
    """In the coordinates of the sampler, as PyMC names them, by our own transforms."""
    found = {}
    for variable, rv in zip(free_variables(model.design, model.priors.numbers, geometry), graph.free_RVs, strict=True):
        moved = unconstrained((variable,), [np.atleast_1d(values[variable.name])])
        found[graph.rvs_to_values[rv].name] = moved if variable.kind == "share" else moved[0]
    return found


def test_gradient(model: bx.Model, rng: np.random.Generator) -> None:
    """Of the marginal graph, in the sampler's coordinates, by differences of its value."""
    priors, geometry = model.priors.numbers, geometry_for(model, "signed")
    graph = marginal_graph(model.design, model.products, priors, geometry)
    log_density, gradient = graph.compile_logp(mode=INTERPRETED), graph.compile_dlogp(mode=INTERPRETED)
    at = raw_point(model, graph, geometry, random_point(model, geometry, rng))
    names = [variable.name for variable in graph.value_vars]
    sizes = [np.size(at[name]) for name in names]

    def value(flat: np.ndarray) -> Any:
        parts = np.split(flat, np.cumsum(sizes)[:-1])
        return log_density({name: part.reshape(np.shape(at[name])) for name, part in zip(names, parts, strict=True)})

    start = np.concatenate([np.ravel(at[name]) for name in names])
    expected = dense.central_difference(value, start, 1e-4)
    assert_allclose(gradient(at), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_explicit_graph(model: bx.Model, rng: np.random.Generator) -> None:
    """The textbook graph has the same priors, of the same parameters; its rows are normal around X beta + Z u."""
    priors = model.priors.numbers
    graph = explicit_graph(model.design, model.products, priors)
    plain = Geometry(tuple((False,) * len(level.effects) for level in model.design.levels))
    values = random_point(model, plain, rng)
    total, _, given = expected_parts(model, values)
    stated = np.zeros(len(priors.beta))
    for j, (name, prior) in enumerate(zip(model.design.fixed_names, priors.beta, strict=True)):
        if j in given:
            stated[j] = given[j]
            continue
        label = "Intercept_centred" if name == "Intercept" else name
        stated[j] = values[label] = np.asarray(rng.normal())
        total += prior.frozen().logpdf(stated[j]) if isinstance(prior, Normal) else 0.0
    for variable in graph.free_RVs:
        if variable.name.endswith("_offset"):
            values[variable.name] = rng.normal(size=variable.type.shape)
            total += stats.norm.logpdf(values[variable.name]).sum()
    names = [variable.name for variable in graph.free_RVs]
    found = compiled(list(graph.free_RVs), [graph["y"].owner.inputs[-2]])(*[values[name] for name in names])[0]
    total += stats.norm(found, values["sigma"]).logpdf(model.design.response).sum()
    at = point(graph, values) | {
        graph.rvs_to_values[rv].name: np.log(values[rv.name] - lower) - np.log(upper - values[rv.name])
        for rv in graph.free_RVs
        if graph.rvs_to_values[rv].name.endswith("_interval__")
        for lower, upper in [bounds_of(model, rv.name)]
    }
    assert_allclose(graph.compile_logp(jacobian=False, mode=INTERPRETED)(at), total, rtol=1e-9)
    X = model.design.fixed_values
    offsets = {name for name in values if name.endswith("_offset")}
    for name in offsets:
        values[name] = np.zeros_like(values[name])
    mean = compiled(list(graph.free_RVs), [graph["y"].owner.inputs[-2]])(*[values[name] for name in names])[0]
    beta = np.linalg.solve(stated_on(priors, model.products), stated)
    assert_allclose(mean, X @ beta, rtol=1e-9)


def bounds_of(model: bx.Model, name: str) -> tuple[float, float]:
    plain = Geometry(tuple((False,) * len(level.effects) for level in model.design.levels))
    every = free_variables(model.design, model.priors.numbers, plain)
    return next(variable.bounds for variable in every if variable.name == name)


def test_from_raw_draws_back(model: bx.Model, rng: np.random.Generator) -> None:
    """Covariances and given coefficients of several draws; the coefficients keep their values in the exact draws."""
    priors, geometry = model.priors.numbers, geometry_for(model, "signed")
    points = [random_point(model, geometry, rng) for _ in range(5)]
    raw = {name: np.stack([values[name] for values in points]) for name in points[0]}
    variances = variance_draws(model.design, priors, geometry, raw)
    fixed = given_coefficient_draws(model.design, priors, geometry, raw)
    for d, values in enumerate(points):
        _, covariances, given = expected_parts(model, values)
        for found, expected in zip(variances.covariances, covariances, strict=True):
            assert_allclose(found[d], expected, rtol=1e-10, atol=1e-12)
        assert_allclose(fixed[d], [given[j] for j in sorted(given)], rtol=1e-12)
    found = effect_draws(model.products, model.design, priors, variances, rng, True, fixed=fixed)
    stated = found.beta @ stated_on(priors, model.products).T
    assert_allclose(stated[:, list(priors.given)], fixed, rtol=1e-8, atol=1e-8)
    rest = [j for j in range(3) if j not in priors.given]
    assert (stated[0, rest] != stated[1, rest]).all()


def test_starts(model: bx.Model, rng: np.random.Generator) -> None:
    """Inside the support of every prior, jittered or not, with a finite density."""
    priors, geometry = model.priors.numbers, geometry_for(model, "signed")
    variables = free_variables(model.design, priors, geometry)
    values = starting_values(model.design, model.products, model.reml().solution, priors, geometry)
    assert [len(value) for value in values] == [variable.size for variable in variables]
    graph = marginal_graph(model.design, model.products, priors, geometry)
    log_density = graph.compile_logp(mode=INTERPRETED)
    for start in (values, *(jittered(variables, values, rng) for _ in range(5))):
        at = raw_point(model, graph, geometry, {v.name: x for v, x in zip(variables, start, strict=True)})
        assert np.isfinite(log_density(at))


def test_numbers_are_data(model: bx.Model) -> None:
    """As many as the graph takes."""
    graph = marginal_graph(model.design, model.products, model.priors.numbers, geometry_for(model, "log"))
    assert_allclose(graph["prior_numbers"].get_value(), moving_numbers(model.priors.numbers))


def test_log_prior_is_that_of_the_graph(model: bx.Model, rng: np.random.Generator) -> None:
    """Up to constants and to the parameter a prior is stated for: from reported values, differences between points."""
    priors, geometry = model.priors.numbers, geometry_for(model, "log")
    points = [random_point(model, geometry, rng) for _ in range(3)]
    parts = [expected_parts(model, values) for values in points]
    stated = np.array([[part[2].get(j, 0.4 * j) for j in range(3)] for part in parts])
    expected = np.array([part[0] for part in parts])
    for j, prior in enumerate(priors.beta):
        if isinstance(prior, Normal):
            expected = expected + prior.frozen().logpdf(stated[:, j])
    beta = np.linalg.solve(stated_on(priors, model.products), stated.T).T
    sigma = np.array([float(values["sigma"]) for values in points])
    covariances = [np.stack([part[1][k] for part in parts]) for k in range(2)]
    raw = {name: np.stack([values[name] for values in points]) for name in points[0]}
    found = log_prior(model.design, model.products, priors, beta, sigma, covariances, raw.__getitem__)
    assert_allclose(np.diff(found), np.diff(expected), rtol=1e-8, atol=1e-8)
    rows = log_likelihood(model.design, model.products, beta, sigma, covariances)
    for d in range(3):
        about = dense.Explicit(beta[d])
        exact = dense.log_density(dense_problem(model), [S[d] for S in covariances], sigma[d] ** 2, about)
        assert_allclose(rows[d], exact, rtol=1e-9)
