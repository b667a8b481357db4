"""A regression whose posterior and left-out densities are known in closed form."""

import numpy as np
import pandas as pd
from scipy import stats

import bayesmix as bx
from tests.fabricated import fabricated


def exact_regression(rng: np.random.Generator, weights: str | None) -> tuple[bx.BayesFit, list[float]]:
    """Exact draws of a regression with flat beta and log sigma, and the t density of each row left out.

    Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., section 14.2; with weights, of sqrt(w) times the row.
    """
    n, draws = 60, 4000
    x, w = rng.normal(size=n), rng.uniform(0.3, 3.0, size=n) if weights else np.ones(n)
    frame = pd.DataFrame({"y": 3 + 2 * x + rng.normal(size=n) / np.sqrt(w), "x": x, "w": w})
    X, y = np.column_stack([np.ones(n), x]) * np.sqrt(w)[:, None], frame["y"].to_numpy() * np.sqrt(w)

    def fit(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        inverse = np.linalg.inv(X[rows].T @ X[rows])
        beta = inverse @ X[rows].T @ y[rows]
        return beta, inverse, float(np.sum((y[rows] - X[rows] @ beta) ** 2) / (len(rows) - 2))

    exact = []
    for i in range(n):
        beta, inverse, variance = fit(np.delete(np.arange(n), i))
        scale = np.sqrt(variance * (1 + X[i] @ inverse @ X[i]))
        exact.append(float(stats.t.logpdf(y[i], n - 3, X[i] @ beta, scale) + np.log(w[i]) / 2))
    beta, inverse, variance = fit(np.arange(n))
    sigma = np.sqrt(variance * (n - 2) / rng.chisquare(n - 2, size=draws))
    drawn = beta + sigma[:, None] * (rng.normal(size=(draws, 2)) @ np.linalg.cholesky(inverse).T)
    model = bx.Model("y ~ x", frame, weights=weights, priors="flat")
    return fabricated(model, rng, chains=4, draws=draws // 4, beta=drawn, sigma=sigma), exact
