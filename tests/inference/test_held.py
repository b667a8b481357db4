"""Posteriors with one parameter held: dense algebra, the models without it, and quadrature."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import logsumexp

import bayesmix as bx
from bayesmix.inference.draws import variance_draws
from bayesmix.inference.fixed_given import NormalPrior
from bayesmix.inference.folded import Folded, fold
from bayesmix.inference.held import (
    Contrast,
    Held,
    hold_coefficient,
    hold_contrast,
    hold_correlation,
    hold_sd,
)
from bayesmix.inference.importance import integrate
from bayesmix.inference.priors import stated_on
from tests import dense
from tests.bayes import dense_problem, shuffled_frame, user_prior
from tests.frames import random_frame


def folded(formula: str, frame: Any, priors: Any = "default", **options: Any) -> Folded:
    return folded_of(bx.Model(formula, frame, priors=priors, **options))


def folded_of(model: bx.Model) -> Folded:
    return fold(model.design, model.products, model.priors.numbers, {})


def integral(held: Held, rng: np.random.Generator, draws: int = 2000) -> tuple[float, float]:
    near = rng.normal(0, 0.7, size=(100, len(held.kept)))
    found = integrate(held.log_density, near, rng, draws)
    assert found.reliable
    return found.value, found.se


SETS: dict[str, Any] = {
    "default": "default",
    "bounded": {
        "sd(x | top)": "Uniform(0, 9)",
        "sigma": "Uniform(0.1, 20)",
        "x": "Uniform(-9, 7)",
        "z": "Laplace(0,1)",
    },
    "icc": {"icc(top:inner)": "Beta(2, 3)", "x": "Gamma(2, 2)"},
    "R2": {"R2": "Beta(2, 1.5)", "cor": "LKJ(1)"},
    "rstanarm": {"sigma": "Exponential(0.3)"},
}


@pytest.mark.parametrize("name", SETS)
def test_prior_and_likelihood_at_the_value(name: str, rng: np.random.Generator) -> None:
    """The whole density at points with that number, without the prior of its own coordinate."""
    target = folded("y ~ x + z + (x | top) + (1 | top:inner)", random_frame(rng), SETS[name])
    points = rng.uniform(-1.2, 1.2, size=(3, target.dimension))
    raw = target.values(points)
    every = target.log_priors(points)
    assert_allclose(every.sum(axis=1), target.log_prior(points), rtol=1e-12)
    whole = target.log_density(points)
    (top,) = [number for number, level in enumerate(target.design.levels) if level.name == "top"]
    kinds = [(hold_sd(target, None, 0, float(raw["sigma"][0])), "sigma")]
    if "x|top_sigma" in raw:
        kinds.append((hold_sd(target, top, 1, float(raw["x|top_sigma"][0])), "x|top_sigma"))
    share = "top_partial_0"
    held = hold_correlation(target, top, (1, 0), 2 * float(raw[share][0, 0]) - 1)
    assert held is not None
    kinds.append((held, share))
    if "x" in raw and name != "R2":
        kinds.append((hold_coefficient(target, target.design.fixed_names.index("x"), float(raw["x"][0])), "x"))
    assert len(kinds) == {"default": 3, "bounded": 4, "icc": 4, "R2": 3, "rstanarm": 3 - 1}[name] + (name == "rstanarm")
    names = [variable.name for variable in target.variables for _ in range(variable.size)]
    for one, variable in kinds:
        at = names.index(variable)
        assert list(one.kept) == [k for k in range(target.dimension) if k != at]
        moved = points.copy()
        moved[:, at] = points[0, at]
        expected = target.log_density(moved) - target.log_priors(moved)[:, at]
        assert_allclose(one.log_density(moved[:, one.kept]), expected, rtol=1e-9)
        assert_allclose(one.log_density(points[:1, one.kept]), whole[:1] - every[:1, at], rtol=1e-9)


SMALLER = {
    "of two": ("y ~ x + (x | top)", "y ~ x + (1 | top)", 1, {}),
    "the first of two": ("y ~ x + (x | top)", "y ~ x + (0 + x | top)", 0, {}),
    "uncorrelated": ("y ~ x + (x || top)", "y ~ x + (1 | top)", 1, {}),
    "the only one": ("y ~ x + (1 | top)", "y ~ x", 0, {}),
    "weights and offset": ("y ~ x + offset(z) + (x | top)", "y ~ x + offset(z) + (1 | top)", 1, {"weights": "w"}),
    "no intercept": ("y ~ 0 + x + (x | top)", "y ~ 0 + x + (1 | top)", 1, {}),
    "aliased": ("y ~ x + I(2*x) + (x | top)", "y ~ x + I(2*x) + (1 | top)", 1, {}),
    "crossed": ("y ~ x + (x | top) + (1 | f)", "y ~ x + (1 | top) + (1 | f)", 1, {}),
}


@pytest.mark.filterwarnings("ignore::bayesmix.BayesmixWarning")
@pytest.mark.parametrize("case", SMALLER)
def test_zero_is_the_model_without_it(case: str, rng: np.random.Generator) -> None:
    """At every point prior and likelihood are those of the smaller model, which the correlation left too."""
    formula, without, effect, options = SMALLER[case]
    frame = shuffled_frame(rng)
    frame = frame.assign(w=rng.uniform(0.2, 5, size=len(frame)))
    one, two = (bx.Model(text, frame, **options) for text in (formula, without))
    target, smaller = folded_of(one), folded_of(two)
    assert one.priors.numbers.beta == two.priors.numbers.beta
    (number,) = [number for number, level in enumerate(one.design.levels) if level.name == "top"]
    held = hold_sd(target, number, effect, 0.0)
    assert len(held.kept) == smaller.dimension
    points = rng.uniform(-1.2, 1.2, size=(4, smaller.dimension))
    assert_allclose(held.log_density(points), smaller.log_density(points), rtol=1e-9)


def test_zero_of_three_effects(rng: np.random.Generator) -> None:
    """Of effects after which others come, combinations of their partial correlations have no say: the same integral."""
    frame = random_frame(rng, n=150)
    last, first = (folded(f"y ~ x + z + ({text} | top)", frame) for text in ("x + z", "z + x"))
    assert last.design.levels[0].effect_names == ("Intercept", "x", "z")
    one, two = hold_sd(last, 0, 2, 0.0), hold_sd(first, 0, 1, 0.0)
    assert (len(one.kept), len(two.kept)) == (4, 5)
    (a, a_error), (b, b_error) = (integral(held, rng, 4000) for held in (one, two))
    # And that of the model of two effects, whose correlation matrix is a part of one of three: LKJ(eta + 1/2).
    smaller = folded("y ~ x + z + (x | top)", frame, {"cor": "LKJ(2.5)"})
    assert smaller.priors.beta == last.priors.beta
    c, c_error = integral(Held(smaller, np.arange(4), np.zeros(4)), rng, 4000)
    assert abs(a - c) < 4 * np.hypot(a_error, c_error)
    assert abs(b - c) < 4 * np.hypot(b_error, c_error)
    assert max(a_error, b_error, c_error) < 0.03


def test_correlations_of_four_effects(rng: np.random.Generator) -> None:
    """Those with the first effect are coordinates."""
    frame = random_frame(rng, n=150).assign(v=rng.normal(size=150))
    target = folded("y ~ x + z + v + (x + z + v | top)", frame)
    assert hold_correlation(target, 0, (1, 2), 0.3) is None
    for pair in ((0, 1), (2, 0), (0, 3)):
        held = hold_correlation(target, 0, pair, 0.3)
        assert held is not None
        whole = np.tile(held.filled, (2, 1))
        whole[:, held.kept] = rng.uniform(-1, 1, size=(2, len(held.kept)))
        found = variance_draws(target.design, target.priors, target.geometry, target.values(whole)).covariances[0]
        i, j = pair
        assert_allclose(found[:, i, j] / np.sqrt(found[:, i, i] * found[:, j, j]), 0.3)


@pytest.mark.parametrize("options", [{}, {"weights": "w"}])
def test_contrasts(options: dict[str, Any], rng: np.random.Generator) -> None:
    """p(y, c'beta = v) over the prior of c'beta, both as densities of normal vectors."""
    frame = random_frame(rng).assign(w=rng.uniform(0.2, 5, size=120))
    model = bx.Model("y ~ x + z + (x | top)", frame, **options)
    target, problem, prior = folded_of(model), dense_problem(model), user_prior(model)
    contrast, value, B = np.array([1.0, -2.0, 0.5]), 9.0, np.linalg.inv(prior.precision)
    own = stats.norm.logpdf(value, contrast @ prior.mean, np.sqrt(contrast @ B @ contrast))
    numbers = model.priors.numbers
    normal = NormalPrior(
        stated_on(numbers, model.products),
        np.array([each.mean for each in numbers.beta]),
        np.array([each.sd for each in numbers.beta]),
    )
    held = hold_contrast(target, Contrast(normal, contrast, value, float(own)))
    points = rng.uniform(-1, 1, size=(3, target.dimension))
    variances = variance_draws(model.design, numbers, target.geometry, target.values(points))
    A = np.vstack([problem.X, contrast])
    expected = []
    for i in range(3):
        sigma, Sigma = variances.sigma[i], variances.covariances[0][i]
        V = problem.variance([Sigma], sigma**2)
        both = A @ B @ A.T
        both[:-1, :-1] += V
        at = np.append(problem.y, value)
        expected.append(stats.multivariate_normal.logpdf(at, A @ prior.mean, both, allow_singular=False) - own)
    assert_allclose(held.log_density(points) - target.log_prior(points), expected, rtol=1e-8)


def test_a_contrast_beside_sampled_coefficients(rng: np.random.Generator) -> None:
    """With x given, z = v and the intercept out: the rest of the response at that x."""
    model = bx.Model("y ~ x + z + (1 | top)", random_frame(rng), priors={"x": "Laplace(0, 1)"})
    target, problem, numbers = folded_of(model), dense_problem(model), model.priors.numbers
    names, value = model.design.fixed_names, 1.7
    one, z = numbers.beta[0], numbers.beta[names.index("z")]
    normal = NormalPrior(
        stated_on(numbers, model.products), np.array([one.mean, 0, 0]), np.array([one.sd, np.inf, z.sd])
    )
    held = hold_contrast(
        target, Contrast(normal, np.array([0, 0, 1.0]), value, float(stats.norm.logpdf(value, z.mean, z.sd)))
    )
    points = rng.uniform(-1, 1, size=(3, target.dimension))
    raw = target.values(points)
    variances = variance_draws(model.design, numbers, target.geometry, raw)
    means = problem.X.mean(axis=0)
    expected = []
    for i, x in enumerate(raw["x"]):
        rest = dense.Dense(
            np.ones((120, 1)), problem.y - problem.X[:, 1] * x - problem.X[:, 2] * value, problem.columns, problem.codes
        )
        prior = dense.Normal(np.array([one.mean - means[1] * x - means[2] * value]), np.array([[one.sd**-2]]))
        expected.append(dense.log_density(rest, [variances.covariances[0][i]], variances.sigma[i] ** 2, prior))
    assert_allclose(held.log_density(points) - target.log_prior(points), expected, rtol=1e-8)


def test_far_from_everything(rng: np.random.Generator) -> None:
    """No warning and no nan where floats end, in any number of points."""
    target = folded("y ~ x + (x | top)", random_frame(rng))
    numbers = target.priors
    normal = NormalPrior(
        stated_on(numbers, target.products),
        np.array([each.mean for each in numbers.beta]),
        np.array([each.sd for each in numbers.beta]),
    )
    held = hold_contrast(target, Contrast(normal, np.array([0, 1.0]), 3.0, 0.0))
    points = np.array([[0, 0, 0, 0.0], [900, 0, 0, 0], [0, 400, 0, 0], [0, 0, 0, 800], [-300, 300, 300, 30]])
    found = held.log_density(points)
    assert np.isfinite(found[0])
    assert not np.isnan(found).any()
    assert held.log_density(points[1:2]) == -np.inf


def test_slopes_of_sleepstudy_by_quadrature(rng: np.random.Generator) -> None:
    """Of ``|`` and ``||``: over sigma and the sd that is left, dense."""
    data = bx.load_dataset("sleepstudy")
    small = bx.Model("Reaction ~ Days + (1 | Subject)", data)
    numbers, problem, prior = small.priors.numbers, dense_problem(small), user_prior(small)
    place, weight = np.polynomial.legendre.leggauss(14)
    sigma, sd = np.log(31) + 0.4 * place, np.log(38) + 1.3 * place
    logs = np.log(weight) + np.log(0.4), np.log(weight) + np.log(1.3)
    densities = numbers.sigma.frozen(), numbers.levels[0].sds[0].frozen()
    exact = logsumexp(
        [
            logs[0][i] + logs[1][j] + densities[0].logpdf(np.exp(s)) + s + densities[1].logpdf(np.exp(t)) + t
            + dense.log_density(problem, [np.array([[np.exp(2 * t)]])], np.exp(2 * s), prior)
            for i, s in enumerate(sigma)
            for j, t in enumerate(sd)
        ]
    )  # fmt: skip
    for bar in ("|", "||"):
        held = hold_sd(folded(f"Reaction ~ Days + (Days {bar} Subject)", data), 0, 1, 0.0)
        value, error = integral(held, rng)
        assert abs(value - exact) < 4 * error
        assert error < 0.01
