"""The joint distribution of all effects at the estimates, against dense algebra."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.inference.at_estimates import draw_at_estimates, prediction_covariance
from tests import dense
from tests.bayes import shuffled_frame
from tests.frames import dense_problem

FORMULAS = [
    "y ~ x + (1 | top)",
    "y ~ 1 + (x + z | top)",
    "y ~ 0 + (x || top)",
    "y ~ x + z + (x | top/inner)",
    "y ~ x + (1 | code) + (x | f)",  # crossed
]


@pytest.fixture(params=[(formula, weighted) for formula in FORMULAS for weighted in (False, True)], ids=str)
def fit(request: pytest.FixtureRequest) -> bx.LikelihoodFit:
    formula, weighted = request.param
    frame = shuffled_frame(np.random.default_rng(11))
    frame["f"] = "lab " + frame["f"]  # no code that might start anew
    weights = np.exp(np.random.default_rng(12).normal(size=len(frame))) if weighted else None
    return bx.Model(formula, frame, weights=weights).reml()


def level_parts(fit: bx.LikelihoodFit) -> list[tuple[np.ndarray, np.ndarray]]:
    """Means (J, q) and covariances (J, q, J, q) of each level, fixed effects integrated, groups by label."""
    problem, covariances = dense_problem(fit)
    joint = dense.effects_posterior(problem, covariances, fit.sigma**2, dense.Flat())
    at, parts = problem.X.shape[1], []
    for level in fit.design.levels:
        J, q = len(level.grouping.labels), len(level.effects)
        part = slice(at, at + J * q)
        parts.append((joint.mean[part].reshape(J, q), joint.covariance[part, part].reshape(J, q, J, q)))
        at += J * q
    return parts


def test_covariance_between_groups(fit: bx.LikelihoodFit) -> None:
    rng = np.random.default_rng(2)
    for number, (mean, covariance) in enumerate(level_parts(fit)):
        J, q = mean.shape
        weights, groups = rng.normal(size=q), rng.permutation(J)[:5]
        found = prediction_covariance(fit.design, fit.solution, number, weights, groups.tolist())
        expected = np.einsum("a,jakb,b->jk", weights, covariance, weights)[np.ix_(groups, groups)]
        assert_allclose(found, expected, rtol=1e-6, atol=1e-8 * expected.max())


def test_draws(fit: bx.LikelihoodFit) -> None:
    """Mean and covariance within 5 standard errors of 20,000 draws."""
    count = 20_000
    assert fit.design.tree is not None
    for number, (mean, covariance) in enumerate(level_parts(fit)):
        weights = np.linspace(1.0, 0.5, mean.shape[1])
        order = fit.design.tree.order[number]
        rng = np.random.default_rng(7)
        found = draw_at_estimates(fit.products, fit.solution, number, weights, count, rng)[:, order]
        expected = np.einsum("a,jakb,b->jk", weights, covariance, weights)
        sd = np.sqrt(np.diag(expected))
        assert (np.abs(found.mean(axis=0) - mean @ weights) < 5 * sd / np.sqrt(count)).all()
        error = np.sqrt((np.outer(sd, sd) ** 2 + expected**2) / count)
        assert (np.abs(np.cov(found.T) - expected) < 5 * error).all()


def test_without_variance(dataset: Callable[[str], pd.DataFrame]) -> None:
    """A variance of 0: no group differs, in any draw."""
    fit = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2")).reml()
    assert_allclose(prediction_covariance(fit.design, fit.solution, 0, np.ones(1), [0, 3]), 0.0, atol=1e-12)
    draws = draw_at_estimates(fit.products, fit.solution, 0, np.ones(1), 10, np.random.default_rng(1))
    assert_allclose(draws, 0.0, atol=1e-12)
