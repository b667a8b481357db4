"""Coordinates change the numbers the kernels see and never the model: densities of the response in the user's units."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.likelihood import evaluation, kernels
from bayesmix.likelihood.coordinates import Coordinates, block_entries, fit_coordinates, user_coordinates
from tests import dense

FORMULAS = [
    "y ~ x + (1 | g)",
    "y ~ x + (x | g)",
    "y ~ x + (x || g)",
    "y ~ x + (0 + x | g)",
    "y ~ 0 + x + (x + z | g)",
    "y ~ z + (x | g/h)",
    "y ~ f + offset(x) + (0 + f | g) + (z | g:h)",
    "y ~ x",
]


@pytest.fixture(params=FORMULAS)
def model(request: pytest.FixtureRequest, rng: np.random.Generator) -> bx.Model:
    n = 90
    frame = pd.DataFrame({"g": rng.integers(6, size=n), "h": rng.integers(3, size=n)})
    frame["f"] = rng.choice(["u", "v"], size=n)
    frame["x"], frame["z"] = 12 + 4 * rng.normal(size=n), -3 + 0.1 * rng.normal(size=n)
    frame["y"] = 100 + 5 * frame["x"] + 8 * rng.normal(size=6)[frame["g"]] + 20 * rng.normal(size=n)
    return bx.Model(request.param, frame)


@pytest.fixture(params=[user_coordinates, fit_coordinates])
def coordinates(request: pytest.FixtureRequest, model: bx.Model) -> Coordinates:
    found: Coordinates = request.param(model.products)
    return found


def problem_of(model: bx.Model) -> dense.Dense:
    design = model.design
    columns = tuple(design.values[:, level.places] for level in design.levels)
    codes = tuple(level.grouping.codes for level in design.levels)
    return dense.Dense(design.fixed_values, design.response - design.offset, columns, codes)


def user_covariances(coordinates: Coordinates, lam: np.ndarray) -> list[np.ndarray]:
    """Sigma of the user's effects: effects there = T (effects of the user)."""
    factors = coordinates.layout.factors(lam)
    roots = [np.linalg.solve(T, factor) for T, factor in zip(coordinates.levels, factors, strict=True)]
    return [root @ root.T for root in roots]


@pytest.mark.parametrize("prior", ["flat", "explicit"])
def test_density_in_the_users_units(
    model: bx.Model, coordinates: Coordinates, prior: str, rng: np.random.Generator
) -> None:
    layout, products = coordinates.layout, model.products
    p, sigma = layout.n_fixed, 17.0
    lam = sigma * rng.uniform(0.3, 1.0, size=layout.n_entries)
    beta = products.response_fit + rng.normal(size=p)
    inner = coordinates.fixed @ (beta - products.response_fit) / products.response_scale
    kind = kernels.FLAT if prior == "flat" else kernels.EXPLICIT
    vector = np.concatenate([coordinates.packed, coordinates.body])
    packed = np.concatenate([[kind], np.zeros(p + p * p)])
    value, *_ = evaluation.log_density(vector, packed, lam, sigma, inner)
    oracle = dense.Flat() if prior == "flat" else dense.Explicit(beta)
    expected = dense.log_density(problem_of(model), user_covariances(coordinates, lam), sigma**2, oracle)
    assert_allclose(value, expected, rtol=1e-10)


def test_user_coordinates_are_the_users(model: bx.Model) -> None:
    """theta there is the factor of the covariance of the user's own columns."""
    coordinates = user_coordinates(model.products)
    for T, level in zip(coordinates.levels, model.design.levels, strict=True):
        assert_allclose(T, np.eye(len(level.effects)), rtol=0, atol=0)


def test_only_what_is_invariant_is_centred(model: bx.Model) -> None:
    """T mixes effects only within a correlated block; those that vary independently it may only scale."""
    coordinates = fit_coordinates(model.products)
    for T, level in zip(coordinates.levels, model.design.levels, strict=True):
        for start, stop in level.blocks:
            block = T[start:stop, start:stop]
            mixes = bool((block != np.diag(np.diag(block))).any())
            assert stop - start > 1 or not mixes
            if stop - start > 1 and level.effect_names[start] == "Intercept":
                assert mixes
        for i in range(len(T)):
            for j in range(len(T)):
                if not any(start <= i < stop and start <= j < stop for start, stop in level.blocks):
                    assert T[i, j] == 0


def test_entries_run_down_the_columns_of_each_block() -> None:
    """lme4's order of theta."""
    assert block_entries(((0, 2), (2, 3))).tolist() == [[0, 0], [1, 0], [1, 1], [2, 2]]
    assert block_entries(()).shape == (0, 2)


def test_factors_and_theta_are_inverse(coordinates: Coordinates, rng: np.random.Generator) -> None:
    theta = rng.normal(size=coordinates.layout.n_entries)
    factors = coordinates.layout.factors(theta)
    assert (coordinates.layout.theta(factors) == theta).all()
    for factor in factors:
        assert (factor == np.tril(factor)).all()
