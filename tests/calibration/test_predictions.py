"""Coverage of 95 % prediction intervals in simulation, for groups the fit has and has not seen.

Each data set gives one share of intervals that hold the truth; shares of different data sets are independent, so that
the Monte Carlo error of their mean is their standard deviation over the root of their number. Alert and failure are
four of these errors away.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import bayesmix as bx

pytestmark = pytest.mark.slow

FORMULA = "y ~ x + (x | g)"
BETA, SIGMA = np.array([2.0, 0.5]), 1.0
ROOT = np.array([[0.8, 0.0], [0.2, 0.5]])
NEW = 20


@dataclass(frozen=True)
class Simulated:
    """A data set, rows to predict, and the truth of their means and responses."""

    frame: pd.DataFrame
    new: pd.DataFrame
    observed: pd.DataFrame
    mean: np.ndarray
    response: np.ndarray


def simulate(rng: np.random.Generator, groups: int, rows: int = 5) -> Simulated:
    """Known groups first; of the others the first half has three rows that the fit does not see."""
    total = groups + NEW
    u = rng.standard_normal((total, 2)) @ ROOT.T
    labels = np.array([f"g{i:03d}" for i in range(total)])

    def draw(g: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
        x = rng.uniform(-1, 2, size=len(g))
        mean = BETA[0] + u[g, 0] + (BETA[1] + u[g, 1]) * x
        return pd.DataFrame({"g": labels[g], "x": x, "y": mean + SIGMA * rng.standard_normal(len(g))}), mean

    frame, _ = draw(np.repeat(np.arange(groups), rows))
    observed, _ = draw(np.repeat(np.arange(groups, groups + NEW // 2), 3))
    new, mean = draw(np.concatenate([np.arange(NEW), np.arange(groups, total)]))
    return Simulated(frame, new.drop(columns="y"), observed, mean, new["y"].to_numpy())


def kinds(data: Simulated) -> Iterator[tuple[str, pd.DataFrame, dict[str, object], np.ndarray]]:
    """What is predicted, and the truth."""
    half = NEW + NEW // 2
    known, observed, unseen = slice(0, NEW), slice(NEW, half), slice(half, None)
    yield "known mean", data.new[known], {}, data.mean[known]
    yield "known response", data.new[known], {"kind": "response"}, data.response[known]
    yield "new mean", data.new[unseen], {"groups": "new"}, data.mean[unseen]
    yield "new response", data.new[unseen], {"groups": "new", "kind": "response"}, data.response[unseen]
    yield "population response", data.new[unseen][["x"]], {"kind": "response"}, data.response[unseen]
    yield "observed mean", data.new[observed], {"observed": data.observed}, data.mean[observed]


def coverages(fit: Callable[[bx.Model], bx.LikelihoodFit | bx.BayesFit], groups: int, count: int) -> pd.DataFrame:
    """Mean coverage of each kind, and its Monte Carlo error."""
    shares: dict[str, list[float]] = {}
    for seed in range(count):
        data = simulate(np.random.default_rng(seed), groups)
        found = fit(bx.Model(FORMULA, data.frame))
        for kind, new, options, truth in kinds(data):
            table = found.predict(new, seed=seed, **options)  # type: ignore[arg-type]
            inside = (table["ci_low"] < truth) & (truth < table["ci_high"])
            shares.setdefault(kind, []).append(float(inside.mean()))
    table = pd.DataFrame(shares)
    return pd.DataFrame({"coverage": table.mean(), "error": table.std() / np.sqrt(count)})


def test_reml() -> None:
    """The intervals take the variances as known, so they hold where many groups estimate them."""
    found = coverages(lambda model: model.reml(), groups=400, count=300)
    assert (found["error"] < 0.005).all(), found
    assert (np.abs(found["coverage"] - 0.95) < 4 * found["error"]).all(), found


def test_reml_of_few_groups() -> None:
    """With 60 groups of 5 rows they fall short, by less than two points; single responses hardly do."""
    found = coverages(lambda model: model.reml(), groups=60, count=1000)
    assert (found["error"] < 0.003).all(), found
    assert (found["coverage"] > 0.93 - 4 * found["error"]).all(), found
    assert (found["coverage"] < 0.95 + 4 * found["error"]).all(), found
    responses = found[found.index.str.endswith("response")]
    assert (np.abs(responses["coverage"] - 0.95) < 0.005 + 4 * responses["error"]).all(), found


def test_posterior() -> None:
    found = coverages(
        lambda model: model.sample(draws=500, chains=2, cores=2, seed=1, progress=False), groups=30, count=150
    )
    assert (found["error"] < 0.01).all(), found
    assert (np.abs(found["coverage"] - 0.95) < 4 * found["error"]).all(), found
