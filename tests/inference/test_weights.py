"""Precision weights: V = Z Sigma Z' + sigma^2 diag(1/w) in fits, effects, graphs and draws, against dense algebra."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.inference.conditional import conditional_effects
from bayesmix.inference.draws import VarianceDraws, effect_draws
from bayesmix.inference.graph import explicit_graph
from bayesmix.inference.information import component_covariance
from bayesmix.inference.naming import partial_name, sd_name
from tests import bayes, dense
from tests.bayes import INTERPRETED, compiled, covariances_of, graph_of, level_factor, log_prior, point, random_values
from tests.frames import dense_problem, random_frame

FORMULAS = [
    "y ~ x + (x | top)",
    "y ~ x + z + (x || top)",
    "y ~ 0 + f + (0 + x | top)",
    "y ~ x + offset(z) + (x | top) + (1 | top:inner)",
    "y ~ poly(x, 2) + (1 | top/inner)",
    "y ~ x * f",
]


def weighted_frame(rng: np.random.Generator, n: int = 120, groups: int = 8) -> pd.DataFrame:
    """Weights far from 1, over a range of twenty, noise to match."""
    frame = random_frame(rng, n, groups)
    w = 30 * np.exp(rng.uniform(-1.5, 1.5, size=n))
    return frame.assign(w=w, y=frame["y"] + 6 * rng.normal(size=n) / np.sqrt(w))


@pytest.fixture(params=FORMULAS)
def model(request: pytest.FixtureRequest, rng: np.random.Generator) -> bx.Model:
    return bx.Model(request.param, weighted_frame(rng), weights="w")


# The criterion and its optimum


@pytest.mark.parametrize("method", ["reml", "ml"])
def test_criterion_is_the_dense_one(model: bx.Model, method: str) -> None:
    fit = getattr(model, method)()
    problem, covariances = dense_problem(fit)
    relative = [sigma / fit.sigma**2 for sigma in covariances]
    assert_allclose(fit.criterion, dense.profiled_deviance(problem, relative, method == "reml"), rtol=1e-10)
    absolute = dense.absolute_deviance(problem, covariances, fit.sigma**2, method == "reml")
    assert_allclose(fit.criterion, absolute, rtol=1e-10)


def test_no_covariance_near_the_estimate_is_better(model: bx.Model, rng: np.random.Generator) -> None:
    fit = model.reml()
    problem, covariances = dense_problem(fit)
    for _ in range(10):
        moved = [sigma * np.exp(0.05 * rng.normal()) for sigma in covariances]
        other = dense.absolute_deviance(problem, moved, fit.sigma**2 * np.exp(0.05 * rng.normal()), True)
        assert other >= fit.criterion - 1e-9


def test_weighted_least_squares(rng: np.random.Generator) -> None:
    """Without levels everything is in closed form."""
    frame = weighted_frame(rng)
    X, y, w = np.column_stack([np.ones(len(frame)), frame["x"]]), frame["y"].to_numpy(), frame["w"].to_numpy()
    inverse = np.linalg.inv(X.T @ (w[:, None] * X))
    beta = inverse @ X.T @ (w * y)
    rest = y - X @ beta
    sigma2 = rest @ (w * rest) / (len(y) - 2)
    fit = bx.Model("y ~ x", frame, weights="w").reml()
    assert_allclose(fit.solution.beta, beta, rtol=1e-10)
    assert_allclose(fit.sigma**2, sigma2, rtol=1e-12)
    assert_allclose(fit.vcov(), sigma2 * inverse, rtol=1e-9)
    log_likelihood = stats.norm.logpdf(y, X @ beta, np.sqrt((len(y) - 2) / len(y) * sigma2 / w)).sum()
    assert_allclose(bx.Model("y ~ x", frame, weights="w").ml().loglik, log_likelihood, rtol=1e-12)


@pytest.mark.parametrize("formula", ["y ~ x + (x | top)", "y ~ x + (x || top) + (1 | top:inner)"])
@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_unit_of_the_weights_is_that_of_sigma(unit: float, formula: str, rng: np.random.Generator) -> None:
    """Weights times c is sigma^2 times c, and nothing else; equal weights are none."""
    frame = random_frame(rng)
    plain = bx.Model(formula, frame).reml()
    fit = bx.Model(formula, frame, weights=np.full(len(frame), unit)).reml()
    assert_allclose(fit.criterion, plain.criterion, rtol=1e-12)
    assert_allclose(fit.sigma**2, unit * plain.sigma**2, rtol=1e-6)
    assert_allclose(fit.vcov(), plain.vcov(), rtol=1e-6, atol=1e-6 * plain.vcov().to_numpy().max())
    for level, sigma in fit.covariances().items():
        expected = plain.covariances()[level].to_numpy()
        assert_allclose(sigma, expected, rtol=1e-5, atol=1e-5 * expected.max())
    assert_allclose(fit.residuals(kind="pearson"), np.sqrt(unit) * plain.residuals(), rtol=1e-5, atol=1e-5)


def test_means_of_replicates(rng: np.random.Generator) -> None:
    """Means of k rows with weights k say all that the rows do, but for what varies among replicates.

    log p(rows) = log p(means) + sum over means of -(k - 1)/2 log(2 pi sigma^2) - log(k)/2 - SS/(2 sigma^2), at any
    sigma and Sigma; here at the estimate from the rows, in the densities of the graphs.
    """
    frame = random_frame(rng, 60, 6)
    k = rng.integers(1, 5, size=len(frame))
    rows = frame.loc[np.repeat(frame.index, k)].reset_index(drop=True)
    rows["y"] += 2 * rng.normal(size=len(rows))
    cell = np.repeat(np.arange(len(frame)), k)
    means = frame.assign(y=rows["y"].groupby(cell).mean().to_numpy(), k=k)
    formula = "y ~ x + (x | top)"
    many = bx.Model(formula, rows, priors="flat")
    few = bx.Model(formula, means, weights="k", priors="flat")
    fit = many.reml()
    squares = float(((rows["y"] - means["y"].to_numpy()[cell]) ** 2).sum())
    extra = -(k - 1).sum() / 2 * np.log(2 * np.pi * fit.sigma**2) - np.log(k).sum() / 2 - squares / (2 * fit.sigma**2)
    assert_allclose(at_estimate(few, fit) + extra, at_estimate(many, fit), rtol=1e-12)
    assert_allclose(-2 * at_estimate(many, fit), fit.criterion, rtol=1e-12)


def at_estimate(model: bx.Model, fit: bx.LikelihoodFit) -> float:
    """Log density of the marginal graph of a model with one level, two effects and flat priors, at a fit's estimate."""
    graph = graph_of(model, "log")
    (sigma,) = (matrix.to_numpy() for matrix in fit.covariances().values())
    sds = np.sqrt(np.diag(sigma))
    values: dict[str, Any] = {"sigma": np.asarray(fit.sigma)}
    for effect, sd in zip(model.design.levels[0].effect_names, sds, strict=True):
        values[sd_name(effect, "top")] = np.asarray(sd)
    values[partial_name("top", 0)] = np.array([(1 + sigma[0, 1] / sds.prod()) / 2])
    return float(graph.compile_logp(jacobian=False, mode=INTERPRETED)(point(graph, values)))


# What follows from the estimates


def test_effects_and_their_covariances(model: bx.Model) -> None:
    fit = model.reml()
    problem, covariances = dense_problem(fit)
    p = problem.X.shape[1]
    joint = dense.effects_posterior(problem, covariances, fit.sigma**2, dense.Flat())
    assert_allclose(fit.solution.beta, joint.mean[:p], rtol=1e-7, atol=1e-9 * np.abs(joint.mean).max())
    scale = np.abs(joint.covariance[:p, :p]).max()
    assert_allclose(fit.vcov(), joint.covariance[:p, :p], rtol=1e-7, atol=1e-9 * scale)
    found = conditional_effects(fit.products, fit.solution)
    at = p
    for number, level in enumerate(fit.design.levels):
        assert fit.design.tree is not None
        order = fit.design.tree.order[number]
        J, q = len(order), len(level.effects)
        expected = joint.mean[at : at + J * q].reshape(J, q)
        assert_allclose(found.means[number][order], expected, rtol=1e-7, atol=1e-8 * np.abs(expected).max())
        block = joint.covariance[at : at + J * q, at : at + J * q].reshape(J, q, J, q)
        spread = np.einsum("jajb->jab", block)
        assert_allclose(found.prediction[number][order], spread, rtol=1e-6, atol=1e-8 * np.abs(spread).max())
        at += J * q


@pytest.mark.parametrize("kind", ["reml", "ml"])
def test_standard_errors_of_components(kind: str, rng: np.random.Generator) -> None:
    fit = bx.Model("y ~ x + (x | top)", weighted_frame(rng, 160, 12), weights="w").reml()
    problem, (sigma,) = dense_problem(fit)
    at = np.array([fit.sigma**2, sigma[0, 0], sigma[1, 0], sigma[1, 1]])
    unit = np.abs(at)

    def deviance(values: np.ndarray) -> Any:
        v = values * unit
        return dense.absolute_deviance(problem, [np.array([[v[1], v[2]], [v[2], v[3]]])], v[0], kind == "reml")

    hessian = dense.central_difference(lambda v: dense.complex_step(deviance, v), at / unit, 2e-4)
    expected = np.linalg.inv(hessian / 2) * np.outer(unit, unit)
    found = component_covariance(fit.products, fit.solution, kind)
    assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


# Graphs and draws


@pytest.mark.parametrize("kind", ["log", "mixed"])
def test_marginal_graph(model: bx.Model, kind: str, rng: np.random.Generator) -> None:
    graph = graph_of(model, kind)
    values = random_values(graph, rng)
    problem, prior = bayes.dense_problem(model), bayes.user_prior(model)
    expected = log_prior(model, values)
    expected += dense.log_density(problem, covariances_of(model, values), float(values["sigma"]) ** 2, prior)
    assert_allclose(
        float(graph.compile_logp(jacobian=False, mode=INTERPRETED)(point(graph, values))), expected, rtol=1e-9
    )


def test_the_graph_changes_with_its_data(rng: np.random.Generator) -> None:
    """The weights too are data of the graph; a graph without weights has none."""
    first, second = (bx.Model(FORMULAS[0], weighted_frame(rng, n), weights="w") for n in (120, 90))
    graph, other = graph_of(first, "mixed"), graph_of(second, "mixed")
    values = random_values(graph, rng)
    at = point(graph, values)
    with graph:
        pm.set_data({variable.name: variable.get_value() for variable in other.data_vars})
    found, expected = (float(g.compile_logp(jacobian=False, mode=INTERPRETED)(at)) for g in (graph, other))
    assert_allclose(found, expected, rtol=1e-13)
    plain = graph_of(bx.Model(FORMULAS[0], random_frame(rng)), "mixed")
    assert {v.name for v in graph.data_vars} - {v.name for v in plain.data_vars} == {"log_weights"}


def test_explicit_graph(model: bx.Model, rng: np.random.Generator) -> None:
    """Rows are normal with sd sigma / sqrt(w); the rest of the graph knows no weights."""
    design = model.design
    graph = explicit_graph(design, model.products, model.priors.numbers)
    inputs = list(graph.free_RVs)
    values = {variable.name: rng.uniform(0.1, 0.9, size=variable.type.shape) for variable in inputs}
    mean, spread = compiled(inputs, list(graph["y"].owner.inputs[-2:]))(*[values[v.name] for v in inputs])
    assert_allclose(np.broadcast_to(spread, design.n), values["sigma"] / np.sqrt(design.weights), rtol=1e-12)
    assert mean.shape == (design.n,)


def test_marginal_and_explicit_graph_have_one_intercept(rng: np.random.Generator) -> None:
    """The prior of the intercept is the one at the plain means of the predictors, in both."""
    model = bx.Model("y ~ x", weighted_frame(rng), weights="w")
    graph = explicit_graph(model.design, model.products, model.priors.numbers)
    at = {"Intercept_centred": np.asarray(2.0), "x": np.asarray(3.0)}
    found = compiled([graph["Intercept_centred"], graph["x"]], graph["Intercept"])(*at.values())
    assert_allclose(found, 2.0 - 3.0 * model.design.fixed_values[:, 1].mean(), rtol=1e-12)


def test_simulator(rng: np.random.Generator) -> None:
    """Whitened by the dense covariance, simulated rows are standard normal."""
    model = bx.Model("y ~ x + (x | top)", weighted_frame(rng, 40, 5), weights="w")
    graph = graph_of(model, "mixed")
    values = random_values(graph, rng)
    values["sigma"] = np.asarray(20.0)
    simulate = pm.compile(list(graph.free_RVs), graph["y"], mode=INTERPRETED, random_seed=5)
    draws = np.array([simulate(*[values[v.name] for v in graph.free_RVs]) for _ in range(400)])
    problem, prior = bayes.dense_problem(model), bayes.user_prior(model)
    V = problem.variance(covariances_of(model, values), 400.0) + problem.X @ np.linalg.solve(
        prior.precision, problem.X.T
    )
    white = np.linalg.solve(np.linalg.cholesky(V), (draws - problem.X @ prior.mean).T).T
    assert stats.kstest(white.ravel(), "norm").pvalue > 1e-3
    assert stats.kstest((white**2).sum(axis=1), stats.chi2(model.n).cdf).pvalue > 1e-3


def test_draws_of_effects(rng: np.random.Generator) -> None:
    """Mean and covariance of 20,000 exact draws, in Monte Carlo standard errors."""
    model = bx.Model("y ~ x + (x | top)", weighted_frame(rng, 60, 4), weights="w")
    values = random_values(graph_of(model, "log"), rng)
    factor, sigma, count = level_factor(model.design.levels[0], values), 6.0, 20_000
    variances = VarianceDraws(np.full(count, sigma), (np.tile(factor, (count, 1, 1)),))
    found = effect_draws(model.products, model.design, model.priors.numbers, variances, rng, keep=True)
    assert found.effects is not None
    assert model.design.tree is not None
    drawn = np.column_stack([found.beta, found.effects[0][:, model.design.tree.order[0]].reshape(count, -1)])
    expected = dense.effects_posterior(
        bayes.dense_problem(model), [factor @ factor.T], sigma**2, bayes.user_prior(model)
    )
    error = (drawn.mean(axis=0) - expected.mean) / np.sqrt(np.diag(expected.covariance) / count)
    assert np.abs(error).max() < 4.5
    assert_allclose(drawn.var(axis=0) / np.diag(expected.covariance), 1.0, atol=0.06)


def test_prior_of_sigma_follows_the_unit_of_the_weights(rng: np.random.Generator) -> None:
    """The average of sigma^2 / w has the scale of the variance of y."""
    frame = weighted_frame(rng)
    one, two = (
        bx.Model("y ~ x + (1 | top)", frame.assign(w=c * frame["w"]), weights="w").priors.numbers for c in (1.0, 9.0)
    )
    assert_allclose(two.sigma.scale, 3 * one.sigma.scale, rtol=1e-12)
    assert one.levels == two.levels
    assert one.beta == two.beta
    average = np.sqrt(np.mean(one.sigma.scale**2 / frame["w"]))
    assert_allclose(average, frame["y"].std(), rtol=1e-12)


@pytest.mark.slow
def test_posterior_agrees_with_reml(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Compiled and sampled: sleepstudy's variances are well known but for the small number of groups."""
    frame = dataset("sleepstudy")
    model = bx.Model("Reaction ~ Days + (Days | Subject)", frame.assign(w=1 + frame["Days"] % 3), weights="w")
    reml, post = model.reml(), model.sample(seed=4, cores=2, progress=False)
    assert_allclose(post.fixed_effects()["mean"], reml.fixed_effects()["estimate"], rtol=0.02)
    assert_allclose(post.fixed_effects()["sd"], reml.fixed_effects()["se"], rtol=0.2)
    residual = post.variance_components().loc[("residual", "var")]
    assert abs(residual["mean"] - reml.sigma**2) < residual["sd"]
    assert post.divergences == 0
    assert "w (residual variance sigma^2 / weight)" in post.summary()
