"""Simulated data sets with the truth beside them, and their fits: what every statistic of a calibration is taken from.

A statistic is a function of one study, ``(truth, fit)`` pairs: its share over many data sets is compared with what was
promised, in units of its Monte Carlo error.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

import bayesmix as bx

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """A data set and what it was drawn from.

    ``effects`` (J, q) are those of the groups in the data, ``new_effects`` (q,) those of one that is not.
    """

    frame: pd.DataFrame
    beta: Floats
    covariance: Floats
    sigma: float
    effects: Floats
    new_effects: Floats


@dataclass(frozen=True)
class Plan:
    """Sizes: rows of each group, (J,); one predictor within groups where slopes vary."""

    formula: str
    sizes: NDArray[np.int64]

    @property
    def group(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(len(self.sizes)), self.sizes)


def draw_data(plan: Plan, beta: Floats, covariance: Floats, sigma: float, rng: np.random.Generator) -> Truth:
    """Rows of y = (beta + u)'(1, x) + e, as many effects as the covariance has."""
    J, q = len(plan.sizes), len(covariance)
    columns = np.column_stack([np.ones(plan.sizes.sum()), rng.normal(size=plan.sizes.sum())])
    effects = rng.multivariate_normal(np.zeros(q), covariance, size=J + 1, method="cholesky")
    mean = columns[:, : len(beta)] @ beta + np.einsum("nq,nq->n", columns[:, :q], effects[plan.group])
    y = mean + sigma * rng.normal(size=len(mean))
    frame = pd.DataFrame({"y": y, "x": columns[:, 1], "g": plan.group})
    return Truth(frame, beta, covariance, sigma, effects[:J], effects[J])


def reml_study(
    plan: Plan, beta: Floats, covariance: Floats, sigma: float, count: int, seed: int
) -> Iterator[tuple[Truth, bx.LikelihoodFit]]:
    """Data sets of one truth, and their REML fits."""
    for stream in np.random.SeedSequence(seed).spawn(count):
        truth = draw_data(plan, beta, covariance, sigma, np.random.default_rng(stream))
        yield truth, bx.Model(plan.formula, truth.frame).reml()


def posterior_study(
    plan: Plan, mean: float, scale: float, count: int, seed: int, **settings: Any
) -> Iterator[tuple[Truth, bx.BayesFit]]:
    """Varying intercepts, the truth of each data set drawn from the prior that fits it.

    The prior is the default one of a reference data set whose response has this mean and sd: intercept
    Normal(mean, 2.5 sd), both sds HalfStudentT(4, sd). Its numbers are kept for all data sets.
    """
    reference = draw_data(plan, np.array([0.0]), np.eye(1), 1.0, np.random.default_rng(seed)).frame
    y = reference["y"]
    reference["y"] = mean + scale * (y - y.mean()) / y.std()
    priors = bx.Model(plan.formula, reference).priors
    for number, stream in enumerate(np.random.SeedSequence(seed).spawn(count)):
        rng = np.random.default_rng(stream)
        beta = np.array([rng.normal(mean, 2.5 * scale)])
        tau, sigma = np.abs(stats.t.rvs(4, scale=scale, size=2, random_state=rng))
        truth = draw_data(plan, beta, np.array([[tau**2]]), float(sigma), rng)
        model = bx.Model(plan.formula, truth.frame, priors=priors)
        yield truth, model.sample(seed=number, progress=False, **settings)


@dataclass(frozen=True)
class Coverage:
    """Share of truths inside their intervals, over data sets, and the Monte Carlo error of the share."""

    share: float
    error: float


@dataclass(frozen=True)
class Statistic:
    """A table with ci_low and ci_high, and the true values its intervals should hold, in the same order."""

    table: Callable[[Any], pd.DataFrame]
    truth: Callable[[Truth], Floats]


def coverage(study: Iterable[tuple[Truth, Any]], statistics: dict[str, Statistic]) -> dict[str, Coverage]:
    """Of several statistics of the same fits.

    The error counts that the groups of a data set share their estimates: it is that of the mean over data sets.
    """
    inside: dict[str, list[float]] = {name: [] for name in statistics}
    for truth, fit in study:
        for name, statistic in statistics.items():
            frame, values = statistic.table(fit), statistic.truth(truth).ravel()
            inside[name].append(float(((frame["ci_low"] <= values) & (values <= frame["ci_high"])).mean()))
    return {
        name: Coverage(float(np.mean(shares)), float(np.std(shares, ddof=1) / np.sqrt(len(shares))))
        for name, shares in inside.items()
    }
