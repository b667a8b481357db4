"""From raw variables to covariances, and the exact draws of beta and u given them, against dense conditioning."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import bayesmix as bx
from bayesmix.inference.draws import EffectDraws, VarianceDraws, effect_draws, variance_draws
from bayesmix.inference.naming import correlation_name, sd_name
from bayesmix.inference.variables import free_variables
from tests import dense
from tests.bayes import (
    compiled,
    covariances_of,
    dense_problem,
    geometry_of,
    graph_of,
    level_factor,
    random_values,
    shuffled_frame,
    user_prior,
)
from tests.frames import random_frame

FORMULAS = [
    "y ~ x + (1 | top)",
    "y ~ x + (x | top)",
    "y ~ x + (x || top)",
    "y ~ 0 + f + (0 + x | top)",
    "y ~ x + (1 | top) + (0 + x + z | top)",
    "y ~ x + z + (x + z | top)",
    "y ~ x + offset(z) + (z | top) + (x + z | top:inner)",
    "y ~ 0 + f + (f | top/inner)",
    "y ~ x + (x | code) + (1 | top)",  # groups whose labels are not in the order of the tree
    "y ~ x",
]


@pytest.fixture(params=FORMULAS)
def model(request: pytest.FixtureRequest, rng: np.random.Generator) -> bx.Model:
    return bx.Model(request.param, shuffled_frame(rng))


# Variances


@pytest.mark.parametrize("kind", ["log", "signed", "mixed"])
def test_factors_are_those_of_the_graph(model: bx.Model, kind: str, rng: np.random.Generator) -> None:
    """Several draws at once: factors as the formulas say, sds and correlations as the graph's deterministics."""
    graph = graph_of(model, kind)
    geometry = geometry_of(model, kind)
    variables = free_variables(model.design, model.priors.numbers, geometry)
    draws = [random_values(graph, rng) for _ in range(4)]
    raw = {v.name: np.array([values[v.name] for values in draws]) for v in variables}
    found = variance_draws(model.design, model.priors.numbers, geometry, raw)
    assert_array_equal(found.sigma, raw["sigma"])
    reported = compiled(list(graph.free_RVs), list(graph.deterministics))
    names = [variable.name for variable in graph.deterministics]
    for d, values in enumerate(draws):
        by_name = dict(zip(names, reported(*[values[v.name] for v in graph.free_RVs]), strict=True)) | values
        for number, level in enumerate(model.design.levels):
            assert_allclose(found.factors[number][d], level_factor(level, values), rtol=1e-12, atol=1e-14)
            sigma = found.covariances[number][d]
            assert_allclose(sigma, covariances_of(model, values)[number], rtol=1e-12, atol=1e-14)
            sds = np.sqrt(np.diag(sigma))
            for name, sd in zip(level.effect_names, sds, strict=True):
                assert_allclose(sd, by_name[sd_name(name, level.name)], rtol=1e-12)
            for at, (i, j) in enumerate(level.pairs):
                expected = by_name[correlation_name(level.name)][at]
                assert_allclose(sigma[i, j] / (sds[i] * sds[j]), expected, rtol=1e-10, atol=1e-13)


# Effects


def constant_variances(model: bx.Model, values: dict[str, Any], count: int) -> VarianceDraws:
    factors = [level_factor(level, values) for level in model.design.levels]
    many = tuple(np.tile(factor, (count, 1, 1)) for factor in factors)
    return VarianceDraws(np.full(count, float(values["sigma"])), many)


def draws_in_label_order(model: bx.Model, found: EffectDraws) -> np.ndarray:
    """(D, p + all effects), groups in the order of their labels, as the dense oracle has them."""
    parts = [found.beta]
    if model.design.levels:
        assert found.effects is not None and model.design.tree is not None
        for order, draws in zip(model.design.tree.order, found.effects, strict=True):
            parts.append(draws[:, order].reshape(len(draws), -1))
    return np.concatenate(parts, axis=1)


def conditional(model: bx.Model, values: dict[str, Any]) -> dense.Posterior:
    beta = dense.Flat() if model.priors.numbers.beta_is_flat else user_prior(model)
    return dense.effects_posterior(
        dense_problem(model), covariances_of(model, values), float(values["sigma"]) ** 2, beta
    )


def check_draws(draws: np.ndarray, expected: dense.Posterior) -> None:
    """Means and covariances within Monte Carlo error; directions without variance do not vary."""
    D = len(draws)
    sd = np.sqrt(np.diag(expected.covariance))
    moves = sd > 1e-9 * sd.max()
    assert_allclose(draws[:, ~moves], np.tile(expected.mean[~moves], (D, 1)), atol=1e-8 * sd.max())
    centred = (draws - expected.mean)[:, moves] / sd[moves]
    correlation = expected.covariance[np.ix_(moves, moves)] / np.outer(sd[moves], sd[moves])
    # 5 standard errors: about one such test in 2,000 fails by chance with 1,000 entries; seeds are fixed.
    assert np.abs(centred.mean(axis=0) * np.sqrt(D)).max() < 5
    found = centred.T @ centred / D
    error = np.sqrt((1 + correlation**2) / D)
    assert (np.abs(found - correlation) / error).max() < 5
    # All directions at once, those of tiny variance too.
    values, vectors = np.linalg.eigh(correlation)
    steep = values > 1e-10
    white = centred @ vectors[:, steep] / np.sqrt(values[steep])
    assert stats.kstest((white**2).sum(axis=1), stats.chi2(int(steep.sum())).cdf).pvalue > 1e-4


@pytest.mark.parametrize("priors", ["default", "flat"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_effects_against_dense_conditioning(formula: str, priors: str, rng: np.random.Generator) -> None:
    model = bx.Model(formula, shuffled_frame(rng, 90, 5), priors=priors)
    values = random_values(graph_of(model, "mixed"), rng)
    variances = constant_variances(model, values, 20_000)
    found = effect_draws(model.products, model.design, model.priors.numbers, variances, rng, keep=True)
    check_draws(draws_in_label_order(model, found), conditional(model, values))


@pytest.mark.parametrize("formula", ["y ~ x + (x | top)", "y ~ x + z + (x + z | top)", "y ~ x + (x | top/inner)"])
def test_effects_at_a_boundary(formula: str, rng: np.random.Generator) -> None:
    """A factor of rank 1 and an sd of exactly 0: no Cholesky factor of a covariance exists, and none is needed."""
    model = bx.Model(formula, random_frame(rng, 90, 5))
    values = dict(random_values(graph_of(model, "signed"), rng))
    for name, value in values.items():
        if "_partial_" in name:
            values[name] = np.where(np.arange(value.size) == 0, 1.0, 0.5)  # first correlation exactly 1
    lowest = model.design.levels[0]
    values[next(n for n in values if n.startswith(f"1|{lowest.name}_sigma"))] = np.asarray(0.0)
    found = effect_draws(
        model.products, model.design, model.priors.numbers, constant_variances(model, values, 20_000), rng, keep=True
    )
    check_draws(draws_in_label_order(model, found), conditional(model, values))


def test_each_draw_has_its_own_variances(rng: np.random.Generator) -> None:
    """Draws at three sets of variances in turns: each third has the conditional of its own."""
    model = bx.Model("y ~ x + (x | top)", random_frame(rng, 90, 5))
    graph = graph_of(model, "log")
    sets = [random_values(graph, rng, scale) for scale in (0.3, 2.0, 8.0)]
    parts = [constant_variances(model, values, 4000) for values in sets]
    sigma = np.stack([part.sigma for part in parts], axis=1).ravel()
    factors = np.stack([part.factors[0] for part in parts], axis=1).reshape(-1, 2, 2)
    found = effect_draws(
        model.products, model.design, model.priors.numbers, VarianceDraws(sigma, (factors,)), rng, keep=True
    )
    draws = draws_in_label_order(model, found)
    for number, values in enumerate(sets):
        check_draws(draws[number::3], conditional(model, values))


def test_draws_are_independent_of_each_other(rng: np.random.Generator) -> None:
    model = bx.Model("y ~ x + (x | top)", random_frame(rng, 90, 5))
    values = random_values(graph_of(model, "log"), rng)
    variances = constant_variances(model, values, 20_000)
    found = effect_draws(model.products, model.design, model.priors.numbers, variances, rng, keep=True)
    draws = draws_in_label_order(model, found)
    centred = (draws - draws.mean(axis=0)) / draws.std(axis=0)
    lagged = (centred[1:] * centred[:-1]).mean(axis=0) * np.sqrt(len(centred))
    assert np.abs(lagged).max() < 4.5


@pytest.fixture(params=["y ~ x + (x | top)", "y ~ x + (z | top) + (x + z | top:inner)"])
def drawn(request: pytest.FixtureRequest, rng: np.random.Generator) -> tuple[bx.Model, VarianceDraws]:
    """Variances that differ from draw to draw."""
    model = bx.Model(request.param, random_frame(rng))
    graph = graph_of(model, "log")
    sets = [random_values(graph, rng) for _ in range(20)]
    factors = tuple(
        np.tile(np.array([level_factor(level, values) for values in sets]), (50, 1, 1)) for level in model.design.levels
    )
    return model, VarianceDraws(np.tile([float(values["sigma"]) for values in sets], 50), factors)


def test_summary_is_that_of_the_draws(drawn: tuple[bx.Model, VarianceDraws]) -> None:
    """Kept or not, the same generator gives the same means and sds, and the same beta."""
    model, variances = drawn
    kept, summed = (
        effect_draws(model.products, model.design, model.priors.numbers, variances, np.random.default_rng(5), keep=keep)
        for keep in (True, False)
    )
    assert summed.effects is None
    assert kept.effects is not None
    assert_array_equal(kept.beta, summed.beta)
    for level, draws, mean, sd, other_mean, other_sd in zip(
        model.design.levels, kept.effects, kept.means, kept.sds, summed.means, summed.sds, strict=True
    ):
        assert draws.shape == (1000, len(level.grouping.labels), len(level.effects))
        assert_allclose(mean, draws.mean(axis=0), rtol=1e-9, atol=1e-12)
        assert_allclose(sd, draws.std(axis=0, ddof=1), rtol=1e-9)
        assert_allclose(other_mean, mean, rtol=1e-9, atol=1e-12)
        assert_allclose(other_sd, sd, rtol=1e-9)


@pytest.mark.parametrize("chunk_bytes", [1, 10_000])
def test_summary_in_chunks(drawn: tuple[bx.Model, VarianceDraws], chunk_bytes: int) -> None:
    """One draw at a time, or some: the summary of a thousand draws, within Monte Carlo error of the one in one go."""
    model, variances = drawn
    rng = np.random.default_rng(6)
    found = effect_draws(
        model.products, model.design, model.priors.numbers, variances, rng, keep=False, chunk_bytes=chunk_bytes
    )
    whole = effect_draws(model.products, model.design, model.priors.numbers, variances, rng, keep=True)
    assert found.beta.shape == whole.beta.shape
    z = (found.beta.mean(axis=0) - whole.beta.mean(axis=0)) / whole.beta.std(axis=0) * np.sqrt(500)
    assert np.abs(z).max() < 4.5
    for mean, sd, other_mean, other_sd in zip(found.means, found.sds, whole.means, whole.sds, strict=True):
        assert np.abs((mean - other_mean) / other_sd * np.sqrt(500)).max() < 4.5
        assert (
            np.abs(np.log(sd / other_sd)).max() < 0.25
        )  # draws are a mixture: 4.5 standard errors of a log sd and more


def test_a_large_mean_costs_the_summary_no_digits(rng: np.random.Generator) -> None:
    """Sums of squares are taken about a first mean: effects of 1e6 with an sd of 1."""
    frame = random_frame(rng)
    frame["y"] += 1e6 * np.sign(frame["top"] - 3.5)
    model = bx.Model("y ~ 0 + (1 | top)", frame)  # without an intercept to share the mean with
    variances = VarianceDraws(np.full(2000, 3.0), (np.full((2000, 1, 1), 1e6),))
    kept, summed = (
        effect_draws(model.products, model.design, model.priors.numbers, variances, np.random.default_rng(5), keep=keep)
        for keep in (True, False)
    )
    assert kept.effects is not None
    assert_allclose(summed.sds[0], kept.effects[0].std(axis=0, ddof=1), rtol=1e-6)


def test_the_seed_is_the_generators(drawn: tuple[bx.Model, VarianceDraws]) -> None:
    model, variances = drawn
    priors = model.priors.numbers
    first, second, third = (
        effect_draws(model.products, model.design, priors, variances, np.random.default_rng(seed), keep=True)
        for seed in (1, 1, 2)
    )
    assert_array_equal(first.beta, second.beta)
    assert (first.beta != third.beta).all()


def test_inputs_are_left_alone(drawn: tuple[bx.Model, VarianceDraws], rng: np.random.Generator) -> None:
    model, variances = drawn
    sigma, factors = variances.sigma.copy(), [factor.copy() for factor in variances.factors]
    effect_draws(model.products, model.design, model.priors.numbers, variances, rng, keep=True)
    assert_array_equal(variances.sigma, sigma)
    for factor, before in zip(variances.factors, factors, strict=True):
        assert_array_equal(factor, before)
