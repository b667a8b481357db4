"""Group effects of fits, in the user's units and coordinates, against dense algebra on the user's own columns."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.inference.conditional import conditional_effects
from tests import dense
from tests.frames import dense_problem, random_frame

FORMULAS = [
    "y ~ x + (1 | top)",
    "y ~ x + (x | top)",
    "y ~ x + (x || top)",
    "y ~ x + (0 + x | top)",
    "y ~ 1 + (x + z | top)",  # effects without a fixed counterpart
    "y ~ x + z + (x | top/inner)",
    "y ~ x + (z | top) + (1 | top:inner)",
    "y ~ 0 + f + (x || top/inner)",
    "y ~ x * f + (0 + z | top) + (x | top:inner)",
    "y ~ x + offset(z) + (f | top)",
]


@pytest.fixture(params=FORMULAS)
def fit(request: pytest.FixtureRequest, rng: np.random.Generator) -> bx.LikelihoodFit:
    return bx.Model(request.param, random_frame(rng)).reml()


def by_level(fit: bx.LikelihoodFit, vector: np.ndarray) -> list[np.ndarray]:
    """(J, q) of each level, out of one vector."""
    at, parts = 0, []
    for level in fit.design.levels:
        J, q = len(level.grouping.labels), len(level.effects)
        parts.append(vector[at : at + J * q].reshape(J, q))
        at += J * q
    assert at == len(vector)
    return parts


def close(actual: np.ndarray, expected: np.ndarray) -> None:
    assert_allclose(actual, expected, rtol=1e-7, atol=1e-9 * np.abs(expected).max())


def test_means_and_covariances(fit: bx.LikelihoodFit) -> None:
    problem, covariances = dense_problem(fit)
    p, residual = problem.X.shape[1], fit.sigma**2
    joint = dense.effects_posterior(problem, covariances, residual, dense.Flat())
    given = dense.effects_posterior(problem, covariances, residual, dense.Explicit(joint.mean[:p]))
    found = conditional_effects(fit.products, fit.solution)
    close(fit.solution.beta, joint.mean[:p])
    close(fit.vcov().to_numpy(), joint.covariance[:p, :p])
    assert fit.design.tree is not None
    at = 0
    for number, level in enumerate(fit.design.levels):
        order = fit.design.tree.order[number]
        J, q = len(order), len(level.effects)
        close(found.means[number][order], given.mean[at : at + J * q].reshape(J, q))
        for group in range(J):
            part = slice(at + group * q, at + (group + 1) * q)
            place = order[group]
            scale = np.abs(covariances[number]).max()
            expected = [
                (found.covariances[number][place], given.covariance[part, part]),
                (found.prediction[number][place], joint.covariance[p:, p:][part, part]),
                (found.with_fixed[number][place], joint.covariance[:p, p:][:, part]),
            ]
            for ours, theirs in expected:
                assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8 * scale)
        at += J * q


def test_tables(fit: bx.LikelihoodFit) -> None:
    """Estimates and standard deviations with names on them: variances of three kinds, and of coefficients."""
    problem, covariances = dense_problem(fit)
    p = problem.X.shape[1]
    joint = dense.effects_posterior(problem, covariances, fit.sigma**2, dense.Flat())
    given = dense.effects_posterior(problem, covariances, fit.sigma**2, dense.Explicit(joint.mean[:p]))
    unshrunken = [
        np.broadcast_to(np.diag(S), (len(v.grouping.labels), len(S)))
        for S, v in zip(covariances, fit.design.levels, strict=True)
    ]
    prior = np.concatenate([part.ravel() for part in unshrunken])
    prediction = np.diag(joint.covariance)[p:]
    variances = {"conditional": np.diag(given.covariance), "prediction": prediction, "diagnostic": prior - prediction}
    scale = max(float(np.diag(S).max()) for S in covariances)
    for kind, expected in variances.items():
        for number, level in enumerate(fit.design.levels):
            table = fit.group_effects(level.name, variance=kind)
            index = pd.MultiIndex.from_product([level.grouping.labels, level.effect_names], names=["group", "effect"])
            pd.testing.assert_index_equal(table.index, index)
            close(table["estimate"].to_numpy(), by_level(fit, joint.mean[p:])[number].ravel())
            found = by_level(fit, expected)[number].ravel()
            assert_allclose(table["sd"] ** 2, found, rtol=1e-6, atol=1e-8 * scale)


def test_coefficients(fit: bx.LikelihoodFit) -> None:
    """A linear combination of beta and u, with the variance of that combination."""
    problem, covariances = dense_problem(fit)
    joint = dense.effects_posterior(problem, covariances, fit.sigma**2, dense.Flat())
    at = problem.X.shape[1]
    for level in fit.design.levels:
        table = fit.coefficients(level.name)
        for label in level.grouping.labels:
            for name in level.effect_names:
                weight = np.zeros(len(joint.mean))
                weight[at] = 1.0
                if name in fit.design.fixed_names:
                    weight[fit.design.fixed_names.index(name)] = 1.0
                at += 1
                row = table.loc[label, name]
                assert_allclose(row["estimate"], weight @ joint.mean, rtol=1e-7)
                variance = weight @ joint.covariance @ weight
                assert_allclose(row["sd"] ** 2, variance, rtol=1e-6, atol=1e-9 * fit.sigma**2)


def test_fitted_values(fit: bx.LikelihoodFit) -> None:
    problem, covariances = dense_problem(fit)
    p = problem.X.shape[1]
    joint = dense.effects_posterior(problem, covariances, fit.sigma**2, dense.Flat())
    Z = np.hstack([problem.effect_columns(level) for level in range(len(covariances))])
    expected = problem.X @ joint.mean[:p] + Z @ joint.mean[p:] + fit.design.offset
    assert_allclose(fit.fitted(), expected, rtol=1e-8)
    assert_allclose(fit.residuals(), fit.design.response - expected, rtol=0, atol=1e-7 * fit.sigma)


def test_criterion(fit: bx.LikelihoodFit) -> None:
    problem, covariances = dense_problem(fit)
    value = dense.profiled_deviance(problem, [S / fit.sigma**2 for S in covariances], True)
    assert_allclose(fit.criterion, value, rtol=1e-10)


def test_a_singular_fit(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Lambda = 0: every effect and every variance is 0, without a division by it."""
    fit = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2")).reml()
    found = conditional_effects(fit.products, fit.solution)
    for part in (found.means, found.covariances, found.prediction, found.with_fixed):
        assert_allclose(part[0], 0.0, atol=1e-10)
