"""What estimated variances add to the error of group effects: differentiated predictions, and a closed form."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.inference import prediction_error
from tests.bayes import Fits
from tests.dense import Dense
from tests.frames import dense_problem, random_frame


def entries(blocks: Sequence[tuple[int, int]], q: int) -> list[np.ndarray]:
    """Unit changes of the free entries of a covariance matrix."""
    found = []
    for start, stop in blocks:
        for a in range(start, stop):
            for b in range(a, stop):
                unit = np.zeros((q, q))
                unit[a, b] = unit[b, a] = 1.0
                found.append(unit)
    return found


def excess(fit: bx.LikelihoodFit) -> np.ndarray:
    """2 sum_ij W_ij B_i V B_j', B_i the derivative of the predictor's matrix by a variance, from a complex step."""
    problem, covariances = dense_problem(fit)
    sigma2, step = fit.sigma**2, 1e-30j
    _, V, P = matrix(problem, covariances, sigma2)
    slopes = [matrix(problem, covariances, sigma2 + step)[0].imag / 1e-30]
    directions = [problem.variance([0 * sigma for sigma in covariances])]
    for number, (level, own) in enumerate(zip(fit.design.levels, covariances, strict=True)):
        for unit in entries(level.blocks, len(own)):
            moved = [sigma + step * unit if i == number else sigma for i, sigma in enumerate(covariances)]
            slopes.append(matrix(problem, moved, sigma2)[0].imag / 1e-30)
            directions.append(problem.spread(number, unit))
    W = np.linalg.inv([[0.5 * np.sum((P @ one) * (P @ two).T) for one in directions] for two in directions])
    pairs = [(i, j) for i in range(len(W)) for j in range(len(W))]
    return 2 * np.sum([W[i, j] * ((slopes[i] @ V) * slopes[j]).sum(axis=1) for i, j in pairs], axis=0)


def matrix(problem: Dense, covariances: Sequence[np.ndarray], sigma2: complex) -> tuple[np.ndarray, ...]:
    """G Z'P, V and P."""
    V = problem.variance(covariances, sigma2)
    inverse = np.linalg.inv(V)
    X = problem.X
    P = inverse - inverse @ X @ np.linalg.solve(X.T @ inverse @ X, X.T @ inverse)
    rows = []
    for number, sigma in enumerate(covariances):
        Z = problem.effect_columns(number)
        rows.append(np.kron(np.eye(Z.shape[1] // len(sigma)), sigma) @ Z.T)
    return np.vstack(rows) @ P, V, P


@pytest.mark.parametrize(
    ("formula", "weights"),
    [
        ("y ~ x + (x | top)", None),
        ("y ~ x + (x || top)", "w"),
        ("y ~ f + offset(z) + (1 | top/inner)", "w"),
        ("y ~ 0 + x + (1 | top) + (x | judge)", None),
    ],
)
def test_against_differentiated_predictions(formula: str, weights: str | None) -> None:
    rng = np.random.default_rng(14)
    frame = random_frame(rng, n=110)
    judge = rng.integers(5, size=110)
    frame["y"] += 3 * rng.normal(size=5)[judge] + rng.normal(size=5)[judge] * (frame["x"] - 20)
    frame = frame.assign(judge=[f"judge {j}" for j in judge], w=rng.uniform(0.3, 3, size=110))
    frame["x"] = frame["x"] - 20
    fit = bx.Model(formula, frame, weights=weights).reml()
    assert not fit.singular
    corrected = [fit.group_effects(level.name, variance="corrected")["sd"] ** 2 for level in fit.design.levels]
    plain = [fit.group_effects(level.name, variance="prediction")["sd"] ** 2 for level in fit.design.levels]
    expected = excess(fit)
    assert (expected > 0).all()
    assert_allclose(np.concatenate(corrected) - np.concatenate(plain), expected, rtol=1e-6)


def test_balanced(dyestuff: Fits, dataset: Callable[[str], pd.DataFrame]) -> None:
    """The share kept is 1 - MSE/MSA, mean squares of 24 and 5 df: its variance times that of a mean's deviation."""
    frame = dataset("dyestuff")
    means = frame.groupby("Batch", observed=True)["Yield"].mean()
    between = 5 * means.var()
    within = ((frame["Yield"] - means.loc[frame["Batch"]].to_numpy()) ** 2).sum() / 24
    share = (within / between) ** 2 * (2 / 24 + 2 / 5)
    plain, corrected = (dyestuff.reml.group_effects(variance=kind)["sd"] ** 2 for kind in ("prediction", "corrected"))
    assert_allclose(corrected - plain, 2 * share * between / 5 * 5 / 6, rtol=1e-6)
    means = [dyestuff.reml.group_effects(variance=kind)["estimate"] for kind in ("prediction", "corrected")]
    assert_allclose(*means)


def test_no_variance(dyestuff2: Fits) -> None:
    """At the boundary the effects are 0 and would not have been at another estimate."""
    table = dyestuff2.reml.group_effects(variance="corrected")
    assert (table["estimate"] == 0).all()
    assert (table["sd"] > 0).all()
    assert (dyestuff2.reml.group_effects(variance="prediction")["sd"] == 0).all()


def test_refusals(dataset: Callable[[str], pd.DataFrame], monkeypatch: pytest.MonkeyPatch) -> None:
    model = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff"))
    with pytest.raises(ArgumentError, match="after ML"):
        model.ml().group_effects(variance="corrected")
    monkeypatch.setattr(prediction_error, "MOST_EFFECTS", 5)
    with pytest.raises(ArgumentError, match="6 effects"):
        model.reml().group_effects(variance="corrected")
