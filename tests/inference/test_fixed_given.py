"""Fixed effects given variance parameters, against dense algebra on the user's columns."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.inference.fixed_given import NormalPrior, fixed_given
from tests import dense
from tests.bayes import dense_problem
from tests.frames import random_frame

CASES = [
    ("y ~ x + (x | top)", None),
    ("y ~ x + z + (x | top/inner)", None),
    ("y ~ 0 + f + (x || top) + offset(z)", None),
    ("y ~ x * z + (1 | top) + (x | kind)", None),
    ("y ~ x + (x | top)", "w"),
    ("y ~ x + z", None),
]


@pytest.mark.parametrize(("formula", "weights"), CASES)
@pytest.mark.parametrize("flat", [False, True])
def test_against_dense(formula: str, weights: str | None, flat: bool, rng: np.random.Generator) -> None:
    """Mean, covariance and differences of log likelihood at draws with and without full rank."""
    frame = random_frame(rng).assign(w=rng.uniform(0.3, 3.0, size=120), kind=lambda d: "kind " + d["f"])
    model = bx.Model(formula, frame, weights=weights)
    p = model.products.n_fixed
    A = np.eye(p) + 0.3 * rng.normal(size=(p, p))
    mean, sd = rng.normal(size=p), np.full(p, np.inf) if flat else rng.uniform(0.5, 3.0, size=p)
    sigma = np.array([0.8, 2.0, 5.0])
    covariances = []
    for level in model.design.levels:
        q = len(level.effects)
        roots = rng.normal(size=(3, q, q))
        roots[2, :, -1] = 0.0  # on the boundary
        covariances.append(roots @ np.swapaxes(roots, 1, 2))
    found = fixed_given(model.products, NormalPrior(A, mean, sd), covariances, sigma)
    problem = dense_problem(model)
    beta = dense.Flat() if flat else dense.Normal(np.linalg.solve(A, mean), A.T @ np.diag(sd**-2) @ A)
    logs = []
    for d in range(3):
        at = [matrix[d] for matrix in covariances]
        expected = dense.effects_posterior(problem, at, sigma[d] ** 2, beta)
        assert_allclose(found.mean[d], expected.mean[:p], rtol=1e-7, atol=1e-8)
        V = expected.covariance[:p, :p]
        assert_allclose(found.root[d] @ found.root[d].T, V, rtol=1e-6, atol=1e-9 * np.abs(V).max())
        logs.append(dense.log_density(problem, at, sigma[d] ** 2, beta))
    assert_allclose(np.diff(found.log_likelihood), np.diff(logs), rtol=1e-8)
