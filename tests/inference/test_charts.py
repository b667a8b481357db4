"""Charts: what is held is held, in the user's effects; derivatives are those of the covariances."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayesmix.inference.charts import Chart, chain_rule, free_chart, held_chart
from tests.dense import central_difference

T = np.array([[1.0, 20.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.4]])  # centred and scaled effects of the user's
VALUES = {"sd": 0.7, "corr": -0.6, "cov": 0.35, "entry": 0.8}


def make(kind: str) -> Chart:
    if kind == "free":
        return free_chart(0, 0, 3)
    return held_chart(0, 0, 3, T, kind, 1 if kind == "sd" else 2, 1).at(VALUES[kind])


def numbers(chart: Chart, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(0.3, 1.2, chart.logarithms + len(chart.places))


def users_covariance(chart: Chart, x: np.ndarray) -> np.ndarray:
    back = np.linalg.inv(T)
    return back @ chart.covariance(chart.factor(x)[0]) @ back.T


@pytest.mark.parametrize("kind", VALUES)
def test_quantity_is_held(kind: str, rng: np.random.Generator) -> None:
    chart = make(kind)
    for _ in range(3):
        S = users_covariance(chart, numbers(chart, rng))
        found = {
            "sd": np.sqrt(S[1, 1]),
            "corr": S[2, 1] / np.sqrt(S[1, 1] * S[2, 2]),
            "cov": S[2, 1],
            "entry": np.linalg.cholesky(S)[2, 1],
        }[kind]
        assert_allclose(found, VALUES[kind], rtol=1e-10)


def test_no_variance_no_covariance(rng: np.random.Generator) -> None:
    chart = make("sd").at(0.0)
    S = users_covariance(chart, numbers(chart, rng))
    assert_allclose(S[1], 0, atol=1e-14)
    assert np.linalg.matrix_rank(S, tol=1e-10) == 2


@pytest.mark.parametrize("kind", [*VALUES, "free"])
def test_start_reproduces_a_covariance_that_has_the_value(kind: str, rng: np.random.Generator) -> None:
    chart = make(kind)
    L, _, _ = chart.factor(numbers(chart, rng))
    x = chart.start_from(chart.back @ L, 1.0)
    assert_allclose(chart.covariance(chart.factor(x)[0]), chart.covariance(L), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("kind", ["sd", "corr", "cov", "free"])
def test_chain_rule(kind: str, rng: np.random.Generator) -> None:
    """A function of two leading parameters and of two blocks, against differences."""
    charts = (make(kind), free_chart(1, 0, 2))
    columns = [np.triu_indices(chart.size) for chart in charts]
    size = 2 + 6 + 3
    A = rng.normal(size=(size, size))
    A, b = A + A.T, rng.normal(size=size)

    def entries(x: np.ndarray) -> np.ndarray:
        split = charts[0].logarithms + len(charts[0].places)
        parts = [x[:split], x[split:]]
        found = [chart.covariance(chart.factor(part)[0]) for chart, part in zip(charts, parts, strict=True)]
        return np.concatenate([S[row, column] for S, (column, row) in zip(found, columns, strict=True)])

    def function(x: np.ndarray) -> float:
        phi = np.concatenate([x[:2], entries(x[2:])])
        return float(b @ phi + 0.5 * phi @ A @ phi)

    def derivatives(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        phi = np.concatenate([x[:2], entries(x[2:])])
        return chain_rule(charts, x[2:], b + A @ phi, A, 2)

    x = np.concatenate([rng.normal(size=2), *(numbers(chart, rng) for chart in charts)])
    gradient, hessian = derivatives(x)
    assert_allclose(gradient, central_difference(function, x), rtol=1e-7, atol=1e-7 * np.abs(gradient).max())
    slope = central_difference(lambda at: derivatives(at)[0], x)
    assert_allclose(hessian, slope, rtol=1e-7, atol=1e-7 * np.abs(hessian).max())


def test_perfect_correlation(rng: np.random.Generator) -> None:
    chart = make("corr").at(1.0)
    evaluate = partial(users_covariance, chart)
    S = evaluate(numbers(chart, rng))
    assert_allclose(S[2, 1] ** 2, S[1, 1] * S[2, 2], rtol=1e-10)
