"""The optimality certificate: stationary in Omega, and no direction in which added variance lowers the criterion."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.inference.certificate import Certificate, examine, on_effects
from bayesmix.likelihood.coordinates import fit_coordinates
from bayesmix.likelihood.kernels import profiled
from tests import dense
from tests.designs import Case, cases, random_design


def certificate(model: bx.Model, theta: np.ndarray) -> tuple[Certificate, object]:
    coordinates = fit_coordinates(model.products)
    _, _, d_omega, *_ = profiled(theta, coordinates.packed, coordinates.body, True)
    blocks = tuple(level.blocks for level in model.products.levels)
    stationarity, smallest, descent = examine(coordinates, blocks, theta, on_effects(coordinates, d_omega))
    return Certificate(stationarity, smallest, 0.0), descent


def test_theta_zero_is_refused(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Dyestuff at theta = 0: dOmega = -45.9, here by its 6 groups."""
    model = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff"))
    found, descent = certificate(model, np.zeros(1))
    assert found.stationarity == 0
    assert_allclose(6 * found.smallest_eigenvalue, -45.9, atol=0.05)
    assert not found.holds
    assert descent is not None


def test_a_boundary_optimum_passes(dataset: Callable[[str], pd.DataFrame]) -> None:
    model = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2"))
    found, descent = certificate(model, np.zeros(1))
    assert found.holds
    assert descent is None


def test_the_optimum_passes_and_its_neighbours_do_not(
    egsingle_reml: bx.LikelihoodFit, egsingle_model: bx.Model
) -> None:
    theta = egsingle_reml.solution.inner_theta
    assert egsingle_reml.solution.certificate.holds
    assert certificate(egsingle_model, theta)[0].holds
    for i in range(len(theta)):
        moved = theta.copy()
        moved[i] += 1e-3
        assert not certificate(egsingle_model, moved)[0].holds


@pytest.mark.parametrize("case", [case for case in cases() if not case.boundary], ids=str)
def test_slope_of_the_descent(case: Case, rng: np.random.Generator) -> None:
    """Adding a little variance along the direction changes the criterion by its slope, per group."""
    design = random_design(rng, case)
    layout, coordinates = design.layout, design.coordinates
    blocks = tuple(((0, level.n_effects),) for level in layout.levels)
    theta = 0.02 * design.theta  # far below the optimum, so that there is a descent
    value, _, d_omega, *_ = profiled(theta, coordinates.packed, coordinates.body, True)
    _, smallest, descent = examine(coordinates, blocks, theta, on_effects(coordinates, d_omega))
    if descent is None:
        assert smallest == 0
        return
    assert descent.slope == smallest < 0
    amount = 1e-7
    omega = design.covariances(theta)[descent.level] + amount * np.outer(descent.direction, descent.direction)
    factors = design.factors(theta)
    factors[descent.level] = np.linalg.cholesky(omega)
    moved = dense.profiled_deviance(design.dense, [f @ f.T for f in factors], True)
    n_groups = layout.levels[descent.level].n_groups
    assert_allclose((moved - value) / amount / n_groups, descent.slope, rtol=1e-3)


def test_nothing_that_is_no_number_passes(hsb_model: bx.Model) -> None:
    coordinates = fit_coordinates(hsb_model.products)
    blocks = tuple(level.blocks for level in hsb_model.products.levels)
    stationarity, smallest, _ = examine(coordinates, blocks, np.ones(3), [np.full((2, 2), np.nan)])
    assert not Certificate(stationarity, smallest, 0.0).holds


def test_tolerance() -> None:
    assert Certificate(9e-7, -9e-7, 0.0).holds
    assert not Certificate(2e-6, 0.0, 0.0).holds
    assert not Certificate(0.0, -2e-6, 0.0).holds
