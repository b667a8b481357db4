"""Crossed levels in fits and posteriors: the same model whether their effects are integrated out or sampled."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.inference import geometry, ml
from bayesmix.inference.alone import level_alone
from bayesmix.inference.geometry import Geometry, choose_geometry
from bayesmix.inference.graph import marginal_graph
from bayesmix.inference.secant import minimise
from bayesmix.inference.variables import free_variables, starting_values
from bayesmix.likelihood import evaluation
from bayesmix.likelihood.coordinates import user_coordinates
from bayesmix.likelihood.kernels import EXPLICIT, FLAT, NORMAL
from tests import dense
from tests.bayes import INTERPRETED, covariances_of, point, random_values, user_prior
from tests.dense import Dense, Explicit, Flat, Normal

FORMULAS = ["y ~ x + (1 | a) + (1 | c)", "y ~ x + (x | b/a) + (x | c) + (1 | d)"]


def frame(rng: np.random.Generator, n: int = 300) -> pd.DataFrame:
    a = rng.integers(30, size=n)
    c, d, x = rng.integers(12, size=n), rng.integers(6, size=n), rng.normal(size=n) + 1
    u = rng.normal(size=(30, 2)) * [1.0, 0.4]
    y = 3 + x + u[a, 0] + u[a, 1] * x + 1.5 * rng.normal(size=12)[c] + 0.7 * rng.normal(size=6)[d] + rng.normal(size=n)
    codes = {"a": a, "b": a // 5, "c": c, "d": d}
    return pd.DataFrame({"y": y, "x": x, **{k: [f"{k}{i:02}" for i in v] for k, v in codes.items()}})


@pytest.fixture(params=FORMULAS)
def model(request: pytest.FixtureRequest, rng: np.random.Generator) -> bx.Model:
    return bx.Model(request.param, frame(rng))


def nested_problem(model: bx.Model) -> Dense:
    """The nested levels alone, in the user's columns."""
    design = model.design
    levels = design.levels[: design.tree.depth]
    columns = tuple(design.values[:, level.places] for level in levels)
    y = design.response - design.offset
    return Dense(design.fixed_values, y, columns, tuple(level.grouping.codes for level in levels))


def crossed_part(model: bx.Model, effects: list[Any]) -> Any:
    """What given effects (J, q) add to every row."""
    total: Any = 0.0
    for level, u in zip(model.design.crossed, effects, strict=True):
        total = total + np.einsum("nq,nq->n", model.design.values[:, level.places], u[level.grouping.codes])
    return total


@pytest.mark.parametrize("kind", ["flat", "normal", "explicit"])
def test_density_given_crossed_effects(model: bx.Model, kind: str, rng: np.random.Generator) -> None:
    """y - Zu is normal around the rest of the model; value and gradient in everything."""
    products, coordinates = model.products, user_coordinates(model.products)
    layout, p, scale = coordinates.layout, products.n_fixed, products.response_scale
    shapes = [(v.n_groups, v.n_effects) for v in layout.levels[products.n_nested :]]
    maps = [v.basis / scale for v in layout.levels[products.n_nested :]]
    inner_mean, root = rng.normal(size=p), np.eye(p) + 0.2 * rng.normal(size=(p, p))
    precision = root @ root.T
    head = {"flat": FLAT, "normal": NORMAL, "explicit": EXPLICIT}[kind]
    numbers = np.concatenate([inner_mean, precision.ravel()])
    prior = np.concatenate([[head], np.zeros_like(numbers) if kind == "flat" else numbers])
    back = scale * np.linalg.inv(coordinates.fixed)  # from inner coefficients to the user's, around response_fit
    user_mean = products.response_fit + back @ inner_mean
    about: Any = {
        "flat": Flat(),
        "normal": Normal(user_mean, np.linalg.inv(back).T @ precision @ np.linalg.inv(back)),
        "explicit": Explicit(user_mean),
    }[kind]
    beta = inner_mean if kind == "explicit" else np.zeros(0)
    lam, sigma = rng.uniform(0.3, 1.3, layout.n_entries), 1.2
    effects = [rng.normal(size=shape) for shape in shapes]
    problem = nested_problem(model)

    def expected(lam: Any, sigma: Any, effects: list[Any]) -> Any:
        start, covariances = 0, []
        for level in layout.levels[: products.n_nested]:
            factor = np.zeros((level.n_effects,) * 2, np.asarray(lam).dtype)
            factor[level.entries[:, 0], level.entries[:, 1]] = lam[start : start + len(level.entries)]
            start += len(level.entries)
            covariances.append(factor @ factor.T)
        rest = replace(problem, y=problem.y - crossed_part(model, effects))
        return dense.log_density(rest, covariances, sigma**2, about)

    def on_columns(effects: list[Any]) -> Any:
        return np.concatenate([(u @ B.T).ravel() for u, B in zip(effects, maps, strict=True)])

    vector = np.concatenate([coordinates.packed, coordinates.body])
    given = np.concatenate([beta, on_columns(effects)])
    value, d_lam, d_sigma, d_given = evaluation.log_density(vector, prior, lam, sigma, given, "given")
    assert_allclose(value, expected(lam, sigma, effects), rtol=1e-11)
    slopes = dense.complex_step(lambda z: expected(z[:-1], z[-1], effects), np.append(lam, sigma))
    assert_allclose(np.append(d_lam, d_sigma), slopes, rtol=1e-8, atol=1e-8 * np.abs(slopes).max())
    direction = [rng.normal(size=shape) for shape in shapes]
    slope = dense.complex_step(
        lambda t: expected(lam, sigma, [u + t[0] * du for u, du in zip(effects, direction, strict=True)]), np.zeros(1)
    )
    assert_allclose(d_given[len(beta) :] @ on_columns(direction), slope[0], rtol=1e-9)


@pytest.mark.parametrize("form", ["centred", "offset"])
def test_graph_with_given_effects(model: bx.Model, form: str, rng: np.random.Generator) -> None:
    """Moved effects change the graph's density by those of the rows and of the effects."""
    design = model.design
    depth = design.tree.depth
    forms = tuple(None if level not in design.crossed else form for level in design.levels)
    chosen = Geometry(tuple((False,) * len(level.effects) for level in design.levels), forms)
    graph = marginal_graph(design, model.products, model.priors.numbers, chosen)
    assert [v.name for v in graph.free_RVs] == [v.name for v in free_variables(design, model.priors.numbers, chosen)]
    first = random_values(graph, rng)
    second = {**first, **{name: v for name, v in random_values(graph, rng).items() if name.endswith("_effects")}}
    covariances = covariances_of(model, first)
    log_density = graph.compile_logp(jacobian=False, mode=INTERPRETED)
    found, expected = [], []
    for values in (first, second):
        found.append(float(log_density(point(graph, values))))
        prior, effects = 0.0, []
        for level, covariance in zip(design.crossed, covariances[depth:], strict=True):
            u = values[f"{level.name}_effects"]
            if form == "offset":
                prior += stats.norm.logpdf(u).sum()
                u = u @ np.linalg.cholesky(covariance).T
            else:
                prior += stats.multivariate_normal.logpdf(u, np.zeros(len(covariance)), covariance).sum()
            effects.append(u)
        rest = nested_problem(model)
        rest = replace(rest, y=rest.y - crossed_part(model, effects))
        residual = float(values["sigma"]) ** 2
        expected.append(prior + dense.log_density(rest, covariances[:depth], residual, user_prior(model)))
    assert_allclose(found[1] - found[0], expected[1] - expected[0], rtol=1e-9)


def test_effects_are_given_beyond_a_limit(model: bx.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    reml = model.reml()
    assert not any(choose_geometry(model.products, reml.solution, model.priors.numbers).given)
    monkeypatch.setattr(geometry, "LARGEST_BLOCK", 10)
    chosen = choose_geometry(model.products, reml.solution, model.priors.numbers)
    depth = model.design.tree.depth
    assert set(chosen.given[:depth]) == {None}
    assert all(form in ("centred", "offset") for form in chosen.given[depth:])
    starts = starting_values(model.design, model.products, reml.solution, model.priors.numbers, chosen)
    variables = free_variables(model.design, model.priors.numbers, chosen)
    assert [len(value) for value in starts] == [v.size for v in variables]


def test_one_level_alone(model: bx.Model) -> None:
    """As a model of that level only would be fitted."""
    formulas = {"a": "(1 | a)", "c": "(1 | c)"} if len(model.levels) == 2 else {}
    formulas = formulas or {"b:a": "(x | b:a)", "b": "(x | b)", "c": "(x | c)", "d": "(1 | d)"}
    data = frame(np.random.default_rng(1))
    model = bx.Model(model.formula, data)
    for number, level in enumerate(model.levels):
        alone = ml.maximise(level_alone(model.products, number))
        expected = bx.Model(f"y ~ x + {formulas[level]}", data).reml()
        assert_allclose(alone.criterion, expected.criterion, rtol=1e-11)
        assert_allclose(alone.covariances[0], expected.solution.covariances[0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("reml", [True, False])
def test_secants_reach_the_optimum_of_newton(model: bx.Model, reml: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = ml.maximise(model.products, reml)
    monkeypatch.setattr(ml, "LARGE_BLOCK", 0)
    secant = ml.maximise(model.products, reml)
    assert secant.certificate.holds or secant.certificate.exhausted
    assert_allclose(secant.criterion, exact.criterion, rtol=1e-12)
    for ours, theirs in zip(secant.covariances, exact.covariances, strict=True):
        assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_secants_on_a_quadratic(rng: np.random.Generator) -> None:
    root = rng.normal(size=(4, 4))
    hessian, centre = root @ root.T + np.eye(4), rng.normal(size=4)

    def criterion(theta: np.ndarray) -> tuple[float, np.ndarray]:
        slope = hessian @ (theta - centre)
        return float(0.5 * (theta - centre) @ slope), slope

    found, decrement = minimise(criterion, np.zeros(4), hessian, 1e-20, 5)
    assert_allclose(found, centre, rtol=1e-10)  # one step with the exact Hessian
    assert decrement < 1e-20
    found, _ = minimise(criterion, np.zeros(4), np.eye(4), 1e-20, 100)
    assert_allclose(found, centre, rtol=1e-6)


@pytest.mark.slow  # two graphs
def test_the_posterior_is_the_same_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    data = frame(np.random.default_rng(5), n=800)
    model = bx.Model("y ~ x + (1 | a) + (x | c)", data)
    one = model.sample(seed=1, progress=False)
    monkeypatch.setattr(geometry, "LARGEST_BLOCK", 10)
    two = model.sample(seed=2, progress=False)
    assert "sampled beside" in repr(two)
    assert "sampled beside" not in repr(one)
    for table in ("fixed_effects", "variance_components"):
        first, second = getattr(one, table)(), getattr(two, table)()
        assert (second["r_hat"] < 1.02).all()
        error = np.sqrt(first["sd"] ** 2 / first["ess_bulk"] + second["sd"] ** 2 / second["ess_bulk"])
        assert (np.abs(first["mean"] - second["mean"]) < 5 * error).all()
        assert_allclose(second["sd"], first["sd"], rtol=0.15)
    for level in model.levels:
        first, second = one.group_effects(level), two.group_effects(level)
        assert (np.abs(first["mean"] - second["mean"]) < 0.25 * first["sd"]).all()
        assert_allclose(second["sd"], first["sd"], rtol=0.2)


@pytest.mark.slow  # two graphs
def test_kept_graphs_of_nested_and_crossed_levels_are_two() -> None:
    """Blocks, priors and geometry alike: only the levels' places differ."""
    data = frame(np.random.default_rng(6))
    nested, crossed = bx.Model("y ~ x + (1 | b/a)", data), bx.Model("y ~ x + (1 | a) + (1 | c)", data)
    for model in (nested, crossed):
        post, reml = model.sample(seed=1, progress=False), model.reml()
        assert (post.variance_components()["r_hat"] < 1.02).all()
        estimate, posterior = reml.fixed_effects(), post.fixed_effects()
        assert (np.abs(estimate["estimate"] - posterior["mean"]) < 0.5 * estimate["se"]).all()
