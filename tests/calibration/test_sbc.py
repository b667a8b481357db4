"""Simulation-based calibration of three kinds of models, and of a likelihood that is wrong; coverage of intervals.

A calibration fails below .001 (the smallest of the p-values, adjusted for their number), alerts below .05. Of the
shares of truths inside intervals, some thirty in each calibration, none may be 4 Monte Carlo errors from the nominal
one. Seeds are fixed; a replication that failed is repeated by ``bx.sbc(...).replay(number)``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytensor.tensor as pt
import pytest

import bayesmix as bx
from bayesmix.inference import graph, sampling
from bayesmix.teaching.calibration_verdict import FAIL
from tests.calibration.studies import Plan, draw_data

pytestmark = pytest.mark.slow

SHARES = ("50", "80", "95")


def report(name: str, found: Any) -> None:
    """Wall time and numbers, shown by ``pytest -s``."""
    print(f"\n{name}: {found.seconds:.0f} s, {found.fits_per_second:.1f} fits a second\n{found!r}")


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("dyestuff", "Yield ~ 1 + (1 | Batch)"),
        ("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
        ("pastes", "strength ~ 1 + (1 | batch/cask)"),
    ],
)
def test_the_posterior_is_calibrated(name: str, formula: str, dataset: Callable[[str], pd.DataFrame]) -> None:
    """1,000 replications; the sampler makes hardly any fit fail, diverge or mix too slowly."""
    found = bx.sbc(bx.Model(formula, dataset(name)), n=1000, seed=1, progress=False)
    report(name, found)
    table, runs = found.table, found.runs
    assert len(found.ranks) >= 998
    assert table["p_adjusted"].min() >= FAIL, found
    for share in SHARES:
        away = (table[f"coverage_{share}"] - float(share) / 100) / table[f"mc_se_{share}"]
        assert (away.abs() < 4).all(), (share, away)
    assert (runs["divergences"] > 0).mean() < 0.01
    assert (runs["ess"] >= found.draws).mean() > 0.99


def half_determinant(groups: int, rows: int) -> Callable[..., Any]:
    """The log density with half of log|V|, as far as groups make it, forgotten; of balanced varying intercepts."""
    right = graph._log_density

    def wrong(
        value: Any, offset: Any, vector: Any, beta_prior: Any, theta: Any, sigma: Any, *rest: Any, **options: Any
    ):
        density = right(value, offset, vector, beta_prior, theta, sigma, *rest, **options)
        return density + groups / 4 * pt.log1p(rows * (theta[0] / sigma) ** 2)

    return wrong


def test_a_wrong_determinant_is_found(dataset: Callable[[str], pd.DataFrame], monkeypatch: pytest.MonkeyPatch) -> None:
    """Six batches of five: half of the determinant makes the groups differ too much; 200 replications show it."""
    monkeypatch.setattr(graph, "_log_density", half_determinant(6, 5))
    monkeypatch.setattr(sampling, "_compiled", {})
    found = bx.sbc(bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff")), n=200, seed=1, progress=False)
    report("half of the determinant", found)
    assert found.verdict.startswith("Not calibrated: ranks of")
    assert found.table.loc["sd(Intercept | Batch)", "p_adjusted"] < FAIL
    assert found.table.loc["sd(Intercept | Batch)", "z"] < -4


def test_a_wrong_count_of_rows_is_found(
    dataset: Callable[[str], pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power of sigma forgotten, as if two of thirty rows were missing: 400 replications show it."""
    right = graph._log_density

    def wrong(
        value: Any, offset: Any, vector: Any, beta_prior: Any, theta: Any, sigma: Any, *rest: Any, **options: Any
    ):
        return right(value, offset, vector, beta_prior, theta, sigma, *rest, **options) + 2 * pt.log(sigma)

    monkeypatch.setattr(graph, "_log_density", wrong)
    monkeypatch.setattr(sampling, "_compiled", {})
    found = bx.sbc(bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff")), n=400, seed=1, progress=False)
    report("a power of sigma", found)
    assert found.table.loc["sigma", "p_adjusted"] < FAIL


def test_intervals_with_many_groups() -> None:
    """200 groups of 3 to 8 rows, 400 data sets of one truth: REML and the posterior hold 95 %.

    The error of a share is .011; alert and failure are three of them away.
    """
    rng = np.random.default_rng(3)
    plan = Plan("y ~ x + (x | g)", np.resize([3, 5, 8], 200))
    frame = draw_data(plan, np.array([2.0, 0.1]), np.array([[1.0, 0.2], [0.2, 0.5]]), 1.5, rng).frame
    truth = {"Intercept": 2, "x": 0.1, "g": np.array([[1.0, 0.2], [0.2, 0.5]]), "sigma": 1.5}
    found = bx.coverage(bx.Model(plan.formula, frame), truth, n=400, draws=400, tune=200, seed=5, progress=False)
    print(f"\n{found.round(4).to_string()}")
    error = np.sqrt(0.95 * 0.05 / 400)
    assert (np.abs(found["coverage"] - 0.95) < 3 * error).all(), found
    assert (found["failed"] == 0).all() and (found["no_interval"] <= 4).all()
    assert (found["bias"].abs() < 4 * found["bias_se"] + 0.02 * found["truth"].abs()).all()
    # Power of the test of x: 0.1 over a standard error of about sqrt((.5 + 1.5^2/5.3)/200).
    assert 0.2 < found.loc[("reml", "x"), "power"] < 0.5
