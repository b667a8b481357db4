"""Draws of rows and of updated effects, exactly: noise is dictated instead of drawn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from bayesmix.inference import predictive_draws
from bayesmix.inference.prediction import AVERAGED, Rows
from bayesmix.inference.predictive_draws import (
    ParameterDraws,
    connected_rows,
    covariance_roots,
    new_effects,
    predicted_draws,
    updated_effects,
)
from tests import dense


class Dictated(np.random.Generator):
    """Gives the same numbers for every draw of a shape."""

    def __init__(self, values: object) -> None:
        super().__init__(np.random.PCG64(0))
        self.values = values

    def standard_normal(self, size: object = None, *args: object, **options: object) -> np.ndarray:  # type: ignore[override]
        return np.array(np.broadcast_to(np.asarray(self.values, float), size))  # type: ignore[call-overload]


def random_rows(rng: np.random.Generator, n: int) -> Rows:
    """Two crossed levels, weights and an offset."""
    return Rows(
        rng.normal(size=(n, 2)),
        rng.normal(size=n),
        (rng.normal(size=(n, 2)), np.ones((n, 1))),
        (rng.integers(4, size=n), rng.integers(3, size=n)),
        rng.uniform(0.2, 4.0, size=n),
    )


def parameters(rng: np.random.Generator, copies: int) -> ParameterDraws:
    """One point, many times."""
    root = rng.normal(size=(2, 2))
    one = rng.normal(size=2), rng.uniform(0.5, 2.0), (root @ root.T, np.array([[0.7]]))
    return ParameterDraws(
        np.tile(one[0], (copies, 1)), np.full(copies, one[1]), tuple(np.tile(S, (copies, 1, 1)) for S in one[2])
    )


@pytest.mark.parametrize("chunk", [10**7, 300])
def test_updated_effects(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """Mean and covariance of the exact conditional, crossed and weighted."""
    monkeypatch.setattr(predictive_draws, "CHUNK", chunk)
    rows, Q = random_rows(rng, 40), 4 * 2 + 3
    y, found = 3 * rng.normal(size=40), parameters(rng, Q)
    problem = dense.Dense(rows.fixed, y - rows.offset, rows.effects, rows.codes, rows.weights)
    expected = dense.effects_posterior(
        problem, [S[0] for S in found.covariances], found.sigma[0] ** 2, dense.Explicit(found.beta[0])
    )

    def effects(noise: object) -> np.ndarray:
        levels = updated_effects(rows, y, np.zeros(40, int), found, Dictated(noise))
        return np.concatenate([level[group] for level in levels for group in sorted(level)], axis=1)

    mean = effects(0.0)
    assert_allclose(mean, np.tile(expected.mean, (Q, 1)), rtol=1e-8, atol=1e-10)
    root = effects(np.eye(Q)) - mean
    assert_allclose(root.T @ root, expected.covariance, rtol=1e-7, atol=1e-9)


def test_predicted_rows(rng: np.random.Generator) -> None:
    rows, found = random_rows(rng, 6), parameters(rng, 3)
    codes = (np.array([0, 1, AVERAGED, AVERAGED, 0, 1]), np.array([0, AVERAGED, 1, AVERAGED, 2, 0]))
    rows = Rows(rows.fixed, rows.offset, rows.effects, codes, rows.weights)
    u = [rng.normal(size=(3, 2, 2)), rng.normal(size=(3, 3, 1))]
    ((part, mean),) = predicted_draws(rows, found, u, False, rng)
    ((_, response),) = predicted_draws(rows, found, u, True, Dictated(1.0))
    assert part == slice(0, 6)
    assert rows.weights is not None
    for d in range(3):
        for i in range(6):
            expected = rows.offset[i] + rows.fixed[i] @ found.beta[d]
            variance = found.sigma[d] ** 2 / rows.weights[i]
            for z, code, effects, sigma in zip(rows.effects, codes, u, found.covariances, strict=True):
                if code[i] == AVERAGED:
                    variance += z[i] @ sigma[d] @ z[i]
                else:
                    expected += z[i] @ effects[d, code[i]]
            assert_allclose(mean[d, i], expected)
            assert_allclose(response[d, i] - mean[d, i], np.sqrt(variance))


def test_roots_of_singular_matrices(rng: np.random.Generator) -> None:
    root = rng.normal(size=(5, 3, 1))
    singular = np.concatenate([root @ np.swapaxes(root, 1, 2), np.zeros((1, 3, 3))])
    found = covariance_roots(singular)
    assert_allclose(found @ np.swapaxes(found, 1, 2), singular, atol=1e-12)
    assert_allclose(new_effects(singular, 4, rng)[-1], 0.0)


def test_connected_rows() -> None:
    """Rows 0 to 5 were fitted, two more observed: one in a known upper group, one alone."""
    upper, lower = np.array([0, 0, 1, 1, 2, 2, 1, 3]), np.array([0, 1, 2, 2, 3, 4, 5, 6])
    rows = Rows(np.zeros((8, 0)), np.zeros(8), (np.ones((8, 2)), np.ones((8, 1))), (lower, upper))
    at, component, sizes = connected_rows(rows, (8, 4), 6)  # one lower group has no rows
    assert_array_equal(at, [2, 3, 6, 7])
    assert len(set(component[:3])) == 1 and component[3] != component[0]
    assert sorted(sizes) == [2 + 1, 2 * 2 + 1]
