from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.inference.singularity import boundary_dimensions, level_components
from tests.frames import flat_frame


def test_components_are_those_of_the_covariance(egsingle_reml: bx.LikelihoodFit) -> None:
    found = level_components(egsingle_reml.products, egsingle_reml.solution)
    for level, sigma in zip(found, egsingle_reml.solution.covariances, strict=True):
        values = np.linalg.eigvalsh(sigma)[::-1]
        assert_allclose((level.sds * egsingle_reml.sigma) ** 2, values, rtol=1e-9)
        assert_allclose(level.shares, values / values.sum(), rtol=1e-9)
        assert_allclose(level.loadings * values @ level.loadings.T, sigma, rtol=1e-9)
        assert level.nowhere.shape == (0, 2)
    assert boundary_dimensions(egsingle_reml.products, egsingle_reml.solution) == 0


def test_a_direction_without_variance_has_none(dataset: Callable[[str], pd.DataFrame]) -> None:
    fit = bx.Model("normexam ~ standLRT + sex + (sex | school)", dataset("exam")).reml()
    (level,) = level_components(fit.products, fit.solution)
    (direction,) = level.nowhere
    (sigma,) = fit.solution.covariances
    assert np.abs(direction).max() == 1.0
    assert direction @ sigma @ direction < 1e-8 * np.trace(sigma)
    assert boundary_dimensions(fit.products, fit.solution) == 1


@pytest.mark.parametrize(("bars", "dimensions"), [("(x | g)", 3), ("(x || g)", 2), ("(1 | g)", 1)])
def test_dimensions_where_nothing_varies(bars: str, dimensions: int) -> None:
    fit = bx.Model(f"y ~ x + {bars}", flat_frame()).reml()
    assert boundary_dimensions(fit.products, fit.solution) == dimensions
