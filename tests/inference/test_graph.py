"""The PyMC graphs: densities against dense algebra, mode against REML, gradient against differences, simulation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, optimize, special, stats

import bayesmix as bx
from bayesmix.errors import PriorError
from bayesmix.inference.graph import explicit_graph
from bayesmix.inference.naming import correlation_name, partial_name, sd_name, signed_name
from bayesmix.inference.priors import moving_numbers
from bayesmix.likelihood.operation import MarginalLikelihood
from tests import dense
from tests.bayes import (
    INTERPRETED,
    compiled,
    covariances_of,
    dense_problem,
    graph_of,
    level_factor,
    log_prior,
    point,
    random_values,
    user_prior,
)
from tests.designs import RandomDesign, cases, random_design
from tests.frames import random_frame

FORMULAS = [
    "y ~ x + (1 | top)",
    "y ~ x + (x | top)",
    "y ~ x + (x || top)",
    "y ~ 0 + f + (0 + x | top)",
    "y ~ 1 + (1 | top) + (0 + x + z | top)",  # two blocks at a level
    "y ~ x + z + (x + z | top)",
    "y ~ x + (1 | top/inner)",
    "y ~ x + z + (x | top/inner)",
    "y ~ x + (z | top) + (x + z | top:inner)",
    "y ~ x * f + offset(z) + (0 + z | top) + (x | top:inner)",
    "y ~ x",
]
KINDS = ["log", "signed", "mixed"]


@pytest.fixture(params=FORMULAS)
def model(request: pytest.FixtureRequest, rng: np.random.Generator) -> bx.Model:
    return bx.Model(request.param, random_frame(rng))


def compiled_logp(graph: pm.Model, **options: Any) -> Callable[[dict[str, Any]], float]:
    """Numbers, not arrays: PyMC returns its buffer, which the next call overwrites."""
    function = graph.compile_logp(jacobian=False, mode=INTERPRETED, **options)
    return lambda at: float(function(at))


# The correlations


def lkj_log_constant(q: int, eta: float) -> float:
    """-log c_d of Lewandowski, Kurowicka & Joe (2009), equation 16: the density is exp of it times |C|^(eta - 1)."""
    k = np.arange(1, q)
    powers = ((2 * eta - 2 + q - k) * (q - k)).sum()
    shapes = eta + (q - k - 1) / 2
    return float(-powers * np.log(2) - ((q - k) * special.betaln(shapes, shapes)).sum())


@pytest.mark.parametrize("eta", [1.0, 2.0, 3.5])
def test_lkj_constant(eta: float) -> None:
    """The oracle itself, by quadrature: two and three effects."""
    two, _ = integrate.quad(lambda r: (1 - r**2) ** (eta - 1), -1, 1)
    assert_allclose(lkj_log_constant(2, eta), -np.log(two), rtol=1e-8)

    def slab(r: float, s: float) -> float:
        # Integrated over the third correlation in closed form: |C| = a (1 - w^2) along it, with w in (-1, 1).
        return ((1 - r**2) * (1 - s**2)) ** (eta - 0.5)

    three, _ = integrate.dblquad(slab, -1, 1, -1, 1)
    assert_allclose(lkj_log_constant(3, eta), -np.log(three * two), rtol=1e-7)


FORMULAS_BY_Q = {2: "y ~ x + (x | top)", 3: "y ~ x + (x + z | top)", 4: "y ~ x + (x + f | top)"}


def correlation_matrix(pairs: np.ndarray, q: int) -> np.ndarray:
    C = np.eye(q)
    C[np.triu_indices(q, 1)] = pairs
    return C + C.T - np.eye(q)


def reported_matrix(graph: pm.Model, values: dict[str, Any], q: int) -> np.ndarray:
    function = compiled(list(graph.free_RVs), graph[correlation_name("top")])
    return correlation_matrix(function(*[values[variable.name] for variable in graph.free_RVs]), q)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("q", FORMULAS_BY_Q)
def test_partials_are_lkj(q: int, kind: str, rng: np.random.Generator) -> None:
    """The density of the partials, carried to the reported correlations by the Jacobian, is c |C|^(eta - 1)."""
    model = bx.Model(FORMULAS_BY_Q[q], random_frame(rng))
    graph = graph_of(model, kind)
    share = next(variable for variable in graph.free_RVs if variable.name == partial_name("top", 0))
    log_density = compiled_logp(graph, vars=[share])
    inputs = [variable for variable in graph.free_RVs if variable.name != "sigma"]
    correlations = compiled(inputs, graph[correlation_name("top")])
    for _ in range(3):
        values = random_values(graph, rng)

        def reported(shares: np.ndarray, values: dict[str, Any] = values) -> np.ndarray:
            moved = values | {share.name: shares}
            return correlations(*[moved[variable.name] for variable in inputs])

        shares = values[share.name]
        jacobian = dense.central_difference(reported, shares, step=1e-4)
        C = correlation_matrix(reported(shares), q)
        expected = lkj_log_constant(q, 2.0) + np.log(np.linalg.det(C)) + np.log(np.abs(np.linalg.det(jacobian)))
        assert_allclose(log_density(point(graph, values)), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("q", [3, 4])
def test_partials_are_partial_correlations(q: int, rng: np.random.Generator) -> None:
    """Of effects i and k given those before k: from the inverse of the matrix of these."""
    graph = graph_of(bx.Model(FORMULAS_BY_Q[q], random_frame(rng)), "log")
    values = random_values(graph, rng)
    C = reported_matrix(graph, values, q)
    partials = iter(2 * values[partial_name("top", 0)] - 1)
    for i in range(1, q):
        for k in range(i):
            chosen = [*range(k), k, i]
            P = np.linalg.inv(C[np.ix_(chosen, chosen)])
            assert_allclose(-P[-1, -2] / np.sqrt(P[-1, -1] * P[-2, -2]), next(partials), rtol=1e-9)


def test_partials_agree_with_pymc(rng: np.random.Generator) -> None:
    """PyMC's own LKJ at three effects: a density in the entries of L, which the Jacobian of C = LL' brings to C."""
    graph = graph_of(bx.Model(FORMULAS_BY_Q[3], random_frame(rng)), "log")
    values = random_values(graph, rng)
    C = reported_matrix(graph, values, 3)
    L = np.linalg.cholesky(C)
    theirs = compiled([], pm.logp(pm.LKJCorr.dist(n=3, eta=2.0), L))() - np.array([2, 1, 0]) @ np.log(np.diag(L))
    assert_allclose(lkj_log_constant(3, 2.0) + np.log(np.linalg.det(C)), theirs, rtol=1e-9)


# The marginal graph


def dense_log_posterior(model: bx.Model, values: dict[str, Any]) -> float:
    sigma = float(values["sigma"])
    likelihood = dense.log_density(dense_problem(model), covariances_of(model, values), sigma**2, user_prior(model))
    return float(likelihood) + log_prior(model, values)


@pytest.mark.parametrize("kind", KINDS)
def test_marginal_graph_is_the_dense_density(model: bx.Model, kind: str, rng: np.random.Generator) -> None:
    graph = graph_of(model, kind)
    log_density = compiled_logp(graph)
    for _ in range(2):
        values = random_values(graph, rng)
        assert_allclose(log_density(point(graph, values)), dense_log_posterior(model, values), rtol=1e-10)


@pytest.mark.parametrize("formula", FORMULAS[4:-1:2])
def test_marginal_graph_gradient(formula: str, rng: np.random.Generator) -> None:
    """The derivative in the sampler's coordinates, signed sds on both sides of 0."""
    graph = graph_of(bx.Model(formula, random_frame(rng)), "mixed")
    log_density = compiled_logp(graph)
    gradient = graph.compile_dlogp(jacobian=False, mode=INTERPRETED)
    start = point(graph, random_values(graph, rng))
    names = [graph.rvs_to_values[variable].name for variable in graph.free_RVs]
    sizes = np.cumsum([start[name].size for name in names])[:-1]

    def along(flat: np.ndarray) -> float:
        parts = np.split(flat, sizes)
        return log_density({name: part.reshape(start[name].shape) for name, part in zip(names, parts, strict=True)})

    flat = np.concatenate([start[name].ravel() for name in names])
    expected = dense.central_difference(along, flat, step=1e-3)
    assert_allclose(gradient(start), expected, rtol=1e-6, atol=1e-7 * np.abs(expected).max())


@pytest.mark.parametrize("formula", ["y ~ x + (x | top)", "y ~ x + (x + z | top)", "y ~ x + z + (x | top/inner)"])
def test_flipping_a_sign_changes_nothing(formula: str, rng: np.random.Generator) -> None:
    """s_k -> -s_k with C -> DCD is the same Sigma under the same density."""
    model = bx.Model(formula, random_frame(rng))
    graph = graph_of(model, "signed")
    log_density = compiled_logp(graph)
    values = random_values(graph, rng)
    base = log_density(point(graph, values))
    inputs = [variable for variable in graph.free_RVs if variable.name != "sigma"]
    reported = compiled(inputs, list(graph.deterministics))
    recorded = reported(*[values[variable.name] for variable in inputs])
    for level in model.design.levels:
        q = len(level.effects)
        for effect in range(q):
            flipped = dict(values)
            name = signed_name(level.effect_names[effect], level.name)
            flipped[name] = -flipped[name]
            shares = flipped[partial_name(level.name, 0)].copy()
            for at, pair in enumerate((i, k) for i in range(q) for k in range(i)):
                if effect in pair:
                    shares[at] = 1 - shares[at]
            flipped[partial_name(level.name, 0)] = shares
            assert_allclose(log_density(point(graph, flipped)), base, rtol=1e-12)
            again = reported(*[flipped[variable.name] for variable in inputs])
            for one, other in zip(recorded, again, strict=True):
                assert_allclose(other, one, rtol=1e-12, atol=1e-12)
            lone = values | {name: -values[name]}
            assert abs(log_density(point(graph, lone)) - base) > 1e-6  # half a flip is another model


def test_reported_parameters(model: bx.Model, rng: np.random.Generator) -> None:
    """Deterministics are the sds and correlations of Sigma, under the names a posterior has."""
    graph = graph_of(model, "mixed")
    values = random_values(graph, rng)
    found = compiled(list(graph.free_RVs), list(graph.deterministics))(*[values[v.name] for v in graph.free_RVs])
    every = values | {variable.name: value for variable, value in zip(graph.deterministics, found, strict=True)}
    for level, sigma in zip(model.design.levels, covariances_of(model, values), strict=True):
        sds = np.sqrt(np.diag(sigma))
        for name, sd in zip(level.effect_names, sds, strict=True):
            assert_allclose(every[sd_name(name, level.name)], sd, rtol=1e-12)
        pairs = [sigma[i, j] / (sds[i] * sds[j]) for i, j in level.pairs]
        assert (correlation_name(level.name) in every) == bool(pairs)
        if pairs:
            assert_allclose(every[correlation_name(level.name)], pairs, rtol=1e-10, atol=1e-12)
            assert graph.named_vars_to_dims[correlation_name(level.name)] == (f"{level.name}__effect_pair",)
            names = [f"{level.effect_names[i]},{level.effect_names[j]}" for i, j in level.pairs]
            assert list(graph.coords[f"{level.name}__effect_pair"]) == names


def test_the_graph_changes_with_its_data(rng: np.random.Generator) -> None:
    """Cross-products, prior of beta and prior scales are data: exchanged, they make the graph of another model."""
    first, second = (bx.Model("y ~ x + (x | top)", random_frame(rng, n)) for n in (120, 90))
    graph, other = graph_of(first, "mixed"), graph_of(second, "mixed")
    values = random_values(graph, rng)
    with graph:
        pm.set_data({name: other[name].get_value() for name in ("cross_products", "beta_prior", "prior_numbers")})
    assert_allclose(compiled_logp(graph)(point(graph, values)), dense_log_posterior(second, values), rtol=1e-10)


# The mode


def flat_graph(formula: str, name: str) -> tuple[bx.Model, pm.Model]:
    model = bx.Model(formula, bx.load_dataset(name), priors="flat")
    return model, model.graph()


def unpack(graph: pm.Model, flat: np.ndarray) -> dict[str, Any]:
    """From one vector of sampler's coordinates to values of the free variables."""
    values, at = {}, 0
    for variable in graph.free_RVs:
        name = graph.rvs_to_values[variable].name
        shape = variable.type.shape
        size = int(np.prod(shape))
        part = flat[at : at + size].reshape(shape)
        values[variable.name] = (
            special.expit(part) if "_logodds__" in name else np.exp(part) if "_log__" in name else part
        )
        at += size
    return values


MODES = [
    ("Reaction ~ Days + (Days | Subject)", "sleepstudy"),
    ("Reaction ~ Days + (Days || Subject)", "sleepstudy"),
    ("Yield ~ 1 + (1 | Batch)", "dyestuff"),
    ("strength ~ 1 + (1 | batch/cask)", "pastes"),
]


@pytest.mark.parametrize(("formula", "name"), MODES)
def test_flat_mode_is_reml(formula: str, name: str) -> None:
    """Maximised by its own gradient from a far start, it meets REML's solution, and its value is REML's criterion."""
    model, graph = flat_graph(formula, name)
    reml = model.reml()
    log_density = compiled_logp(graph)
    gradient = graph.compile_dlogp(jacobian=False, mode=INTERPRETED)

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        at = point(graph, unpack(graph, flat))
        return -log_density(at), -gradient(at)

    spread = float(np.std(model.design.response))
    size = sum(int(np.prod(variable.type.shape)) for variable in graph.free_RVs)
    start = np.full(size, np.log(spread))
    for i, variable in enumerate(graph.free_RVs):
        if "_partial_" in variable.name:
            start[i] = 0.4
        elif variable.name.endswith("_signed"):
            start[i] = spread
    found = optimize.minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-7})
    hessian = dense.central_difference(lambda x: objective(x)[1], found.x, step=1e-4)
    mode = found.x - np.linalg.solve((hessian + hessian.T) / 2, objective(found.x)[1])
    values = unpack(graph, mode)
    assert_allclose(values["sigma"], reml.sigma, rtol=1e-6)
    for sigma, expected in zip(covariances_of(model, values), reml.covariances().values(), strict=True):
        assert_allclose(sigma, expected.to_numpy(), rtol=1e-6, atol=1e-6 * np.abs(expected.to_numpy()).max())
    assert_allclose(-2 * log_density(point(graph, values)), reml.criterion, rtol=1e-10)


@pytest.mark.parametrize(("formula", "name"), MODES)
def test_gradient_is_zero_at_reml(formula: str, name: str) -> None:
    """With the Jacobian of the sampler's coordinates the mode would be elsewhere."""
    model, graph = flat_graph(formula, name)
    reml = model.reml()
    values: dict[str, Any] = {"sigma": np.asarray(reml.sigma)}
    for level, covariance in zip(model.design.levels, reml.covariances().values(), strict=True):
        sds = np.sqrt(np.diag(covariance))
        for effect, sd in zip(level.effect_names, sds, strict=True):
            values[sd_name(effect, level.name)] = values[signed_name(effect, level.name)] = np.asarray(sd)
        if level.pairs:
            rho = covariance.to_numpy()[0, 1] / (sds[0] * sds[1])
            values[partial_name(level.name, 0)] = np.array([(1 + rho) / 2])
    at = point(graph, values)
    gradient = graph.compile_dlogp(jacobian=False, mode=INTERPRETED)(at)
    assert_allclose(gradient, 0.0, atol=1e-5)
    assert_allclose(-2 * compiled_logp(graph)(at), reml.criterion, rtol=1e-12)
    shifted = graph.compile_dlogp(jacobian=True, mode=INTERPRETED)(at)
    assert np.abs(shifted).max() > 0.05


def test_compiled_and_interpreted_graphs_agree(sleepstudy: Any, rng: np.random.Generator) -> None:
    """The one test here that compiles: the kernel called by its symbol, and by Python."""
    graph = sleepstudy.model.graph()
    values = random_values(graph, rng, scale=20.0)
    at = point(graph, values)
    assert_allclose(graph.compile_logp()(at), graph.compile_logp(mode=INTERPRETED)(at), rtol=1e-12)
    assert_allclose(graph.compile_dlogp()(at), graph.compile_dlogp(mode=INTERPRETED)(at), rtol=1e-9)
    assert_allclose(compiled_logp(graph)(at), dense_log_posterior(sleepstudy.model, values), rtol=1e-10)


# The explicit graph


@pytest.mark.parametrize(
    "formula", ["y ~ x + (x | top)", "y ~ 0 + f + (x || top/inner)", "y ~ x * f + offset(z) + (z | top)"]
)
def test_explicit_graph_is_the_textbook(formula: str, rng: np.random.Generator) -> None:
    """Density of fixed effects, standard normal offsets, rows and variance parameters, written out."""
    model = bx.Model(formula, random_frame(rng))
    design = model.design
    graph = explicit_graph(design, model.products, model.priors.numbers)
    values: dict[str, Any] = {}
    for variable in graph.free_RVs:
        shape = variable.type.shape
        kind = "share" if "_partial_" in variable.name else "sd" if variable.name.endswith("sigma") else "free"
        drawn = {"share": rng.uniform(0.1, 0.9, size=shape), "sd": 2 * rng.uniform(0.3, 1.5, size=shape)}
        values[variable.name] = drawn.get(kind, rng.normal(size=shape))
    beta, expected = [], log_prior(model, values)
    for name, prior in zip(design.fixed_names, model.priors.numbers.beta, strict=True):
        value = values["Intercept_centred" if name == "Intercept" else name]
        beta.append(float(value))
        expected += stats.norm.logpdf(value, prior.mean, prior.sd)
    if "Intercept" in design.fixed_names:
        beta[0] -= design.fixed_values.mean(axis=0)[1:] @ np.array(beta[1:])
    mean = design.offset + design.fixed_values @ np.array(beta)
    for level in design.levels:
        offsets = values[f"{level.name}_offset"]
        expected += stats.norm.logpdf(offsets).sum()
        u = offsets @ level_factor(level, values).T
        mean = mean + np.einsum("nq,nq->n", design.values[:, level.places], u[level.grouping.codes])
    expected += stats.norm.logpdf(design.response, mean, values["sigma"]).sum()
    assert_allclose(compiled_logp(graph)(point(graph, values)), expected, rtol=1e-10)
    if "Intercept" in design.fixed_names:
        inputs = [v for v in graph.free_RVs if v.name in values and values[v.name].ndim == 0]
        inputs = [v for v in inputs if v.name == "Intercept_centred" or v.name in design.fixed_names]
        at_zero = compiled(inputs, graph["Intercept"])
        assert_allclose(at_zero(*[values[v.name] for v in inputs]), beta[0], rtol=1e-10)


# Simulation


# PyMC compiles its forward samplers with Numba, and says so when a distribution is written in Python.
@pytest.mark.filterwarnings("ignore:Numba will use object mode:UserWarning")
def test_prior_predictive(sleepstudy: Any) -> None:
    graph = sleepstudy.model.graph()
    drawn = pm.sample_prior_predictive(draws=40, model=graph, random_seed=7)
    y = drawn["prior_predictive"]["y"].to_numpy()
    assert y.shape == (1, 40, sleepstudy.model.n)
    assert np.isfinite(y).all()
    prior = drawn["prior"].to_dataset()
    for name in ("sigma", "1|Subject_sigma", "Days|Subject_sigma"):
        assert prior[name].shape == (1, 40)
        assert (prior[name] > 0).all()
    assert prior["Subject_corr"].shape == (1, 40, 1)
    # Two draws are two data sets, and rows of a draw belong together.
    assert len(np.unique(y[0, :, 0])) == 40
    again = pm.sample_prior_predictive(draws=40, model=graph, random_seed=7)
    assert_allclose(again["prior_predictive"]["y"].to_numpy(), y)


@pytest.mark.parametrize(
    "formula", ["y ~ x + offset(z) + (x | top)", "y ~ 0 + f + (z | top) + (x || top:inner)", "y ~ x"]
)
def test_simulator_draws_from_the_dense_density(formula: str, rng: np.random.Generator) -> None:
    """At given variance parameters the rows are N(X m, X P^-1 X' + V): whitened draws are standard normal."""
    model = bx.Model(formula, random_frame(rng, 40, 5))
    graph = graph_of(model, "mixed")
    values = random_values(graph, rng)
    simulate = pm.compile(list(graph.free_RVs), graph["y"], mode=INTERPRETED, random_seed=5)
    draws = np.array([simulate(*[values[v.name] for v in graph.free_RVs]) for _ in range(400)])
    problem, prior = dense_problem(model), user_prior(model)
    V = problem.variance(covariances_of(model, values), float(values["sigma"]) ** 2)
    V = V + problem.X @ np.linalg.solve(prior.precision, problem.X.T)
    mean = problem.X @ prior.mean + model.design.offset
    white = np.linalg.solve(np.linalg.cholesky(V), (draws - mean).T).T
    assert stats.kstest(white.ravel(), "norm").pvalue > 1e-3
    assert stats.kstest((white**2).sum(axis=1), stats.chi2(model.n).cdf).pvalue > 1e-3
    z = white.sum(axis=0) / np.sqrt(len(white))
    assert stats.kstest(z, "norm").pvalue > 1e-3


@pytest.mark.parametrize("draw", ["prior predictive", "response"])
def test_flat_priors_simulate_nothing(draw: str) -> None:
    _, graph = flat_graph("Yield ~ 1 + (1 | Batch)", "dyestuff")
    # PyMC refuses a flat sigma by itself, where its turn comes before that of the response.
    refusals = (PriorError, NotImplementedError) if draw == "prior predictive" else PriorError
    with pytest.raises(refusals, match="flat"):
        if draw == "prior predictive":
            pm.sample_prior_predictive(draws=5, model=graph, random_seed=1, compile_kwargs={"mode": INTERPRETED})
        else:
            at = [np.asarray(50.0) for _ in graph.free_RVs]
            pm.compile(list(graph.free_RVs), graph["y"], mode=INTERPRETED, random_seed=1)(*at)


def test_prior_numbers(rng: np.random.Generator) -> None:
    model = bx.Model("y ~ x + (x | top/inner)", random_frame(rng))
    priors = model.priors.numbers
    expected = [priors.sigma.scale, *(sd.scale for level in priors.levels for sd in level.sds)]
    assert_allclose(moving_numbers(priors), expected)
    assert_allclose(
        moving_numbers(bx.Model("y ~ x + (x | top)", random_frame(rng), priors="flat").priors.numbers), [0.0]
    )


def test_graphviz(sleepstudy: Any) -> None:
    pytest.importorskip("graphviz")
    source = pm.model_to_graphviz(sleepstudy.model.graph()).source
    for name in ("sigma", "1|Subject_sigma", "Subject_corr", "cross_products", "y"):
        assert name in source


# The operation


def operation_inputs(rng: np.random.Generator, number: int, beta: int) -> tuple[RandomDesign, list[np.ndarray]]:
    """Layout and body, a prior of beta, and a point: lam, sigma, and beta where it is explicit."""
    design = random_design(rng, [case for case in cases() if not case.boundary][number], scale=1.7, log_jacobian=0.3)
    p = design.layout.n_fixed
    kind = 2.0 if beta else 1.0
    prior = np.concatenate([[kind], rng.normal(size=p), np.diag(rng.uniform(0.2, 2.0, size=p)).ravel()])
    vector = np.concatenate([design.packed, design.body])
    return design, [vector, prior, 2.9 * design.theta, np.asarray(2.9), rng.normal(size=p if beta else 0)]


@pytest.mark.parametrize("mode", [INTERPRETED, None], ids=["interpreted", "compiled"])
@pytest.mark.parametrize("explicit", [False, True])
def test_operation_gradient(mode: Any, explicit: bool, rng: np.random.Generator) -> None:
    symbols = [pt.vector("v"), pt.vector("b"), pt.vector("lam"), pt.scalar("sigma"), pt.vector("beta")]
    value = 3 * MarginalLikelihood()(*symbols)[0]
    slopes = pt.grad(value, symbols[2:])
    function = compiled(symbols, [value, *slopes], mode)
    for number in (0, 10, 20):
        _, inputs = operation_inputs(rng, number, explicit)
        _, d_lam, d_sigma, d_beta = function(*inputs)
        k = len(inputs[2])
        flat = np.concatenate([inputs[2], [inputs[3]], inputs[4]])
        expected = dense.central_difference(
            lambda x, inputs=inputs, k=k: function(*inputs[:2], x[:k], x[k], x[k + 1 :])[0], flat
        )
        size = np.abs(expected).max()
        assert_allclose(np.concatenate([d_lam, [d_sigma], d_beta]), expected, rtol=1e-6, atol=1e-7 * size)


def test_operation_has_shapes_without_being_evaluated(rng: np.random.Generator) -> None:
    symbols = [pt.vector("v"), pt.vector("b"), pt.vector("lam"), pt.scalar("sigma"), pt.vector("beta")]
    shapes = compiled(symbols, [x.shape for x in MarginalLikelihood()(*symbols)], "FAST_COMPILE")
    assert not any(isinstance(node.op, MarginalLikelihood) for node in shapes.maker.fgraph.apply_nodes)
    _, inputs = operation_inputs(rng, 10, True)
    assert [tuple(shape) for shape in shapes(*inputs)] == [(), inputs[2].shape, (), inputs[4].shape]


def test_second_derivatives_are_refused() -> None:
    symbols = [pt.vector("v"), pt.vector("b"), pt.vector("lam"), pt.scalar("sigma"), pt.vector("beta")]
    value = MarginalLikelihood()(*symbols)[0]
    slope = pt.grad(value, symbols[3])
    with pytest.raises(NotImplementedError, match="second derivatives"):
        pt.grad(slope, symbols[3])
