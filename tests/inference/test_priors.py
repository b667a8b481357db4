"""Priors as numbers: the documented defaults, the flat preset, what is refused, and what the kernel is given."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import PriorError
from bayesmix.inference.distributions import Flat, HalfStudentT, Normal
from bayesmix.inference.presets import choose_priors
from bayesmix.inference.priors import (
    LKJ,
    LevelPriors,
    Priors,
    UniformPartials,
    beta_prior_vector,
)
from bayesmix.likelihood.coordinates import user_coordinates
from bayesmix.likelihood.evaluation import log_density
from bayesmix.likelihood.kernels import FLAT, NORMAL
from tests import dense
from tests.bayes import dense_problem, user_prior
from tests.frames import random_frame

# The defaults


def test_defaults_of_hsb(hsb: pd.DataFrame, hsb_model: bx.Model) -> None:
    """As documented, with sample standard deviations, n - 1."""
    mean_y, sd_y, sd_x = hsb["math"].mean(), hsb["math"].std(), hsb["ses"].std()
    priors = hsb_model.priors.numbers
    assert priors.preset == "default"
    intercept, slope = priors.beta
    assert isinstance(intercept, Normal) and isinstance(slope, Normal)
    assert_allclose([intercept.mean, intercept.sd], [mean_y, 2.5 * sd_y], rtol=1e-12)
    assert_allclose([slope.mean, slope.sd], [0.0, 2.5 * sd_y / sd_x], rtol=1e-12)
    (level,) = priors.levels
    assert level.correlation == LKJ(2.0)
    scales = []
    for prior in (*level.sds, priors.sigma):
        assert isinstance(prior, HalfStudentT)
        assert prior.df == 4
        scales.append(prior.scale)
    assert_allclose(scales, [sd_y, sd_y / sd_x, sd_y], rtol=1e-12)


def test_numbers_printed_for_hsb(hsb_model: bx.Model) -> None:
    """What the documentation shows: a change of a default changes this test."""
    text = [
        str(prior)
        for prior in (
            *hsb_model.priors.numbers.beta,
            *hsb_model.priors.numbers.levels[0].sds,
            hsb_model.priors.numbers.sigma,
        )
    ]
    assert text == [
        "Normal(12.75, 17.2)",
        "Normal(0, 22.06)",
        "HalfStudentT(4, 6.878)",
        "HalfStudentT(4, 8.826)",
        "HalfStudentT(4, 6.878)",
    ]
    assert str(hsb_model.priors.numbers.levels[0].correlation) == "LKJ(2)"


def test_offset_is_taken_from_the_response(rng: np.random.Generator) -> None:
    frame = random_frame(rng)
    with_offset = bx.Model("y ~ x + offset(z) + (1 | top)", frame).priors.numbers
    without = bx.Model("d ~ x + (1 | top)", frame.assign(d=frame["y"] - frame["z"])).priors.numbers
    assert_allclose(numbers(with_offset), numbers(without), rtol=1e-12)


def numbers(priors: Priors) -> list[float]:
    """Every number of the priors, in order."""
    every: list[float] = []
    for prior in (*priors.beta, *(sd for level in priors.levels for sd in level.sds), priors.sigma):
        every += dataclasses.astuple(prior)
    return every


def test_factors_and_effects_without_a_fixed_part(rng: np.random.Generator) -> None:
    """The sd of an indicator is that of its 0s and 1s; effects scale by their column, fixed or not."""
    frame = random_frame(rng)
    model = bx.Model("y ~ f + (z | top) + (1 | top:inner)", frame)
    sd_y = frame["y"].std()
    b, c = ((frame["f"] == label).astype(float).std() for label in "bc")
    assert_allclose([prior.sd for prior in model.priors.numbers.beta], 2.5 * sd_y / np.array([1, b, c]), rtol=1e-12)
    lower, upper = model.priors.numbers.levels
    assert [sd.scale for sd in lower.sds] == [pytest.approx(sd_y)]
    assert_allclose([sd.scale for sd in upper.sds], [sd_y, sd_y / frame["z"].std()], rtol=1e-12)


def test_without_an_intercept(rng: np.random.Generator) -> None:
    """Root mean squares for the fixed effects; sds of effects as ever."""
    frame = random_frame(rng)
    model = bx.Model("y ~ 0 + x + z + (0 + x | top)", frame)
    size = np.sqrt((frame["y"] ** 2).mean())
    expected = [2.5 * size / np.sqrt((frame[name] ** 2).mean()) for name in ("x", "z")]
    assert_allclose([prior.sd for prior in model.priors.numbers.beta], expected, rtol=1e-12)
    assert [prior.mean for prior in model.priors.numbers.beta] == [0.0, 0.0]
    assert_allclose(model.priors.numbers.levels[0].sds[0].scale, frame["y"].std() / frame["x"].std(), rtol=1e-12)


@pytest.mark.parametrize("formula", ["y ~ x + (x | top)", "y ~ 0 + x + (0 + x | top)", "y ~ x + f + (x + f | top)"])
def test_units(formula: str, rng: np.random.Generator) -> None:
    """Priors carry units: y in cents and x in centimetres is the same model."""
    frame = random_frame(rng)
    scaled = frame.assign(y=100 * frame["y"], x=0.01 * frame["x"])
    one, other = bx.Model(formula, frame), bx.Model(formula, scaled)
    for names, first, second in (
        (one.design.fixed_names, one.priors.numbers.beta, other.priors.numbers.beta),
        (one.design.levels[0].effect_names, one.priors.numbers.levels[0].sds, other.priors.numbers.levels[0].sds),
    ):
        for name, prior, moved in zip(names, first, second, strict=True):
            factor = 1e4 if name == "x" else 100
            spread = [p.sd if isinstance(p, Normal) else p.scale for p in (prior, moved)]
            assert_allclose(spread[1], factor * spread[0], rtol=1e-12)


def test_shift_of_a_predictor_changes_only_the_reported_intercept(rng: np.random.Generator) -> None:
    """The intercept's prior stands at the predictors' means, so x + 1000 has the same numbers."""
    frame = random_frame(rng)
    moved = frame.assign(x=frame["x"] + 1000)
    formula = "y ~ x + z + (x | top)"
    assert_allclose(
        numbers(bx.Model(formula, moved).priors.numbers), numbers(bx.Model(formula, frame).priors.numbers), rtol=1e-9
    )


def test_numbers_are_frozen(hsb_model: bx.Model) -> None:
    for part in (
        hsb_model.priors.numbers,
        hsb_model.priors.numbers.levels[0],
        hsb_model.priors.numbers.beta[0],
        hsb_model.priors.numbers.sigma,
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            part.anything = 1.0  # type: ignore[union-attr]
    assert all(type(number) is float for number in numbers(hsb_model.priors.numbers))


# Flat, and unknown


def test_flat_preset(rng: np.random.Generator) -> None:
    priors = bx.Model("y ~ x + (x | top/inner)", random_frame(rng), priors="flat").priors.numbers
    assert priors == Priors(
        "flat", (Flat(), Flat()), (LevelPriors((Flat(), Flat()), UniformPartials()),) * 2, Flat(), 0
    )
    assert priors.beta_is_flat
    assert [str(p) for p in (priors.sigma, priors.levels[0].correlation)] == ["flat", "uniform partial correlations"]


def test_default_is_not_flat(hsb_model: bx.Model) -> None:
    assert not hsb_model.priors.numbers.beta_is_flat


@pytest.mark.parametrize("preset", ["weak", "Default", "", None, 3, ["flat"]])
def test_unknown_preset(preset: Any, hsb: pd.DataFrame) -> None:
    with pytest.raises(PriorError) as caught:
        bx.Model("math ~ ses + (ses | school)", hsb, priors=preset)
    assert repr(preset) in caught.value.found
    assert ("'default'" if isinstance(preset, str) else "priors by name") in caught.value.expected
    assert caught.value.remedy


# The vector that the kernel takes

BETA = [
    "y ~ x + z + (x | top)",
    "y ~ x * f + (1 | top)",
    "y ~ 0 + x + z + (1 | top)",
    "y ~ 0 + f + x + (1 | top)",
    "y ~ 1 + (1 | top)",
]


def vector_density(model: bx.Model, theta: np.ndarray, sigma: float) -> float:
    coordinates = user_coordinates(model.products)
    vector = np.concatenate([coordinates.packed, coordinates.body])
    prior = beta_prior_vector(model.priors.numbers, coordinates, model.products)
    return log_density(vector, prior, theta, sigma, np.zeros(0))[0]


@pytest.mark.parametrize("shift", [0.0, 1e3])
@pytest.mark.parametrize("formula", BETA)
def test_vector_is_the_prior_of_the_users_coefficients(formula: str, shift: float, rng: np.random.Generator) -> None:
    """The inner mean and precision, mapped back: mean and covariance of the user's coefficients."""
    frame = random_frame(rng)
    model = bx.Model(formula, frame.assign(x=frame["x"] + shift))
    coordinates, products = user_coordinates(model.products), model.products
    packed = beta_prior_vector(model.priors.numbers, coordinates, products)
    p = products.n_fixed
    assert packed.shape == (1 + p + p * p,)
    assert packed[0] == NORMAL
    mean, precision = packed[1 : 1 + p], packed[1 + p :].reshape(p, p)
    back = np.linalg.inv(coordinates.fixed)
    expected = user_prior(model)
    found = products.response_fit + products.response_scale * back @ mean
    sds = np.sqrt(np.diag(np.linalg.inv(expected.precision)))
    assert_allclose(found, expected.mean, rtol=1e-9, atol=1e-9 * sds.max())
    spread = products.response_scale**2 * back @ np.linalg.inv(precision) @ back.T
    assert_allclose(spread / np.outer(sds, sds), np.linalg.inv(expected.precision) / np.outer(sds, sds), atol=1e-7)


@pytest.mark.parametrize("shift", [0.0, 1e3])
@pytest.mark.parametrize("formula", BETA)
def test_density_under_the_prior(formula: str, shift: float, rng: np.random.Generator) -> None:
    """The same through the likelihood, against N(X m, V + X P^-1 X'); effects are of z, which is not shifted."""
    frame = random_frame(rng)
    model = bx.Model(formula.replace("(x | top)", "(z | top)"), frame.assign(x=frame["x"] + shift))
    q = len(model.design.levels[0].effects)
    theta = np.array([1.7, -0.4, 0.9])[: q * (q + 1) // 2]
    factor = np.zeros((q, q))
    factor[np.tril_indices(q)] = [theta[0]] if q == 1 else theta
    if q == 2:  # theta goes column by column
        factor = np.array([[theta[0], 0.0], [theta[1], theta[2]]])
    # The oracle in coordinates with the mean of x taken out, where dense algebra keeps its digits.
    problem, prior = dense_problem(model), user_prior(model)
    if "Intercept" in model.design.fixed_names:
        means = problem.X.mean(axis=0)
        X = problem.X - means
        X[:, 0] = 1.0
        A = np.eye(X.shape[1])
        A[0] = means
        back = np.linalg.inv(A)
        problem = dense.Dense(X, problem.y, problem.columns, problem.codes)
        sd = np.array([beta.sd for beta in model.priors.numbers.beta])
        prior = dense.Normal(np.array([beta.mean for beta in model.priors.numbers.beta]), np.diag(sd**-2.0))
        assert_allclose(back @ prior.mean, user_prior(model).mean, rtol=1e-9)
    expected = dense.log_density(problem, [factor @ factor.T], 2.2**2, prior)
    assert_allclose(vector_density(model, theta, 2.2), expected, rtol=1e-9)


def test_a_constant_column_that_is_no_intercept(rng: np.random.Generator) -> None:
    """Without an intercept every prior is for the coefficient as it is, also where a column happens to be constant."""
    model = bx.Model("y ~ 0 + one + x + (1 | top)", random_frame(rng).assign(one=1.0))
    expected = dense.log_density(dense_problem(model), [np.array([[1.7**2]])], 2.2**2, user_prior(model))
    assert_allclose(vector_density(model, np.array([1.7]), 2.2), expected, rtol=1e-9)


def test_flat_vector(rng: np.random.Generator) -> None:
    model = bx.Model("y ~ x + z + (x | top)", random_frame(rng), priors="flat")
    packed = beta_prior_vector(model.priors.numbers, user_coordinates(model.products), model.products)
    assert packed.shape == (1 + 3 + 9,)
    assert packed[0] == FLAT
    assert not packed[1:].any()
    theta = np.array([1.7, -0.1, 0.3])
    factor = np.array([[1.7, 0.0], [-0.1, 0.3]])
    expected = dense.log_density(dense_problem(model), [factor @ factor.T], 2.2**2, dense.Flat())
    assert_allclose(vector_density(model, theta, 2.2), expected, rtol=1e-9)


def test_choose_priors_reads_the_design_alone(hsb_model: bx.Model) -> None:
    assert choose_priors("default", hsb_model.design) == hsb_model.priors.numbers
