from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("max_iterations", 0, "a whole number of at least 1"),
        ("max_iterations", 10.0, "a whole number of at least 1"),
        ("max_restarts", -1, "a whole number of at least 0"),
        ("max_restarts", True, "a whole number of at least 0"),
        ("scales", (), "one or more positive numbers"),
        ("scales", (0.5, -1.0), "one or more positive numbers"),
        ("scales", 0.5, "one or more positive numbers"),
        ("scales", (float("inf"),), "one or more positive numbers"),
        ("scales", (float("nan"),), "one or more positive numbers"),
        ("method", "lbfgsb", "'lbfgs', 'bfgs', 'nelder-mead'"),
        ("tolerance", 0.0, "a positive number of at most 1"),
        ("tolerance", "tight", "a positive number of at most 1"),
        ("trace", True, "a function of (evaluation, criterion, theta)"),
    ],
)
def test_nonsense_is_refused(option: str, value: Any, expected: str) -> None:
    with pytest.raises(ArgumentError) as error:
        bx.Optimizer(**{option: value})
    assert f"{option}={value!r}" in error.value.found
    assert expected in error.value.expected


@pytest.mark.parametrize("method", ["bfgs", "nelder-mead"])
def test_every_method_finds_the_same_optimum(
    egsingle_model: bx.Model, egsingle_reml: bx.LikelihoodFit, method: str
) -> None:
    other = egsingle_model.reml(optimizer=bx.Optimizer(method=method))
    assert_allclose(other.criterion, egsingle_reml.criterion, rtol=0, atol=1e-8)
    assert_allclose(other.theta, egsingle_reml.theta, rtol=1e-6)
    assert other.solution.evaluations != egsingle_reml.solution.evaluations


def test_a_loose_first_phase_leaves_more_to_newton_and_not_less_precise(
    hsb_model: bx.Model, hsb_reml: bx.LikelihoodFit
) -> None:
    loose = hsb_model.reml(optimizer=bx.Optimizer(tolerance=1.0))
    assert loose.solution.evaluations != hsb_reml.solution.evaluations
    assert_allclose(loose.criterion, hsb_reml.criterion, rtol=0, atol=1e-8)


@pytest.mark.parametrize("reml", [True, False])
def test_trace_sees_every_evaluation(hsb_model: bx.Model, reml: bool) -> None:
    seen: list[tuple[int, float, np.ndarray]] = []
    optimizer = bx.Optimizer(trace=lambda *step: seen.append(step))
    fit = hsb_model.reml(optimizer=optimizer) if reml else hsb_model.ml(optimizer=optimizer)
    numbers, criteria, thetas = zip(*seen, strict=True)
    assert numbers == tuple(range(1, len(seen) + 1))
    assert_allclose(min(criteria), fit.criterion, rtol=0, atol=1e-8)
    assert all(theta.shape == (3,) for theta in thetas)
    assert not np.shares_memory(thetas[0], thetas[-1])


def test_what_is_traced_is_a_copy(hsb_model: bx.Model, hsb_reml: bx.LikelihoodFit) -> None:
    spoiled = hsb_model.reml(optimizer=bx.Optimizer(trace=lambda _, __, theta: theta.fill(9.0)))
    assert spoiled.solution.evaluations == hsb_reml.solution.evaluations
    assert spoiled.criterion == hsb_reml.criterion
