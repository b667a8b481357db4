"""Centring inside changes digits and never the model."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from tests import dense
from tests.frames import dense_problem


def frame(rng: np.random.Generator, mean: float, ratio: float = 1.0, n: int = 400) -> pd.DataFrame:
    """x with this mean and sd 1; group effects with ratio times the variance of the residual.

    x - mean is exact: both are multiples of 2^-20, so that what is fitted to one is what is fitted to the other.
    """
    g = rng.integers(20, size=n)
    x = np.round(rng.normal(size=n) * 2**20) / 2**20
    u = np.sqrt(ratio) * rng.normal(size=(20, 2)) @ np.array([[1.0, 0.5], [0.0, 0.6]])
    y = 3 + 0.5 * x + u[g, 0] + u[g, 1] * x + rng.normal(size=n)
    out = pd.DataFrame({"y": y, "x": x + mean, "centred": x, "g": g})
    assert (out["x"] - mean == out["centred"]).all()
    return out


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("ratio", [1.0, 1e8])
@pytest.mark.parametrize("mean", [1e3, 1e6])
def test_a_predictor_far_from_zero(mean: float, ratio: float, reml: bool, rng: np.random.Generator) -> None:
    """y ~ x + (x | g) is the same model after centring; |T| = 1, so the criterion does not shift."""
    data = frame(rng, mean, ratio)
    far, near = bx.Model("y ~ x + (x | g)", data), bx.Model("y ~ centred + (centred | g)", data)
    one, two = (far.reml(), near.reml()) if reml else (far.ml(), near.ml())
    # nu log r2, where r2 is what a downdate leaves of a sum of squares larger by the ratio of variances.
    noise = 4 * len(data) * np.finfo(float).eps * ratio
    assert_allclose(one.criterion, two.criterion, rtol=1e-10, atol=noise)
    for column in ("estimate", "se"):
        slopes = one.fixed_effects().loc["x", column], two.fixed_effects().loc["centred", column]
        assert_allclose(*slopes, rtol=1e-5)
    assert_allclose(one.sigma, two.sigma, rtol=1e-5)
    ours, theirs = one.covariances()["g"], two.covariances()["g"]
    assert_allclose(ours.loc["x", "x"], theirs.loc["centred", "centred"], rtol=1e-5)
    effects = one.group_effects()["estimate"].unstack("effect"), two.group_effects()["estimate"].unstack("effect")
    scale = np.sqrt(theirs.loc["centred", "centred"])
    assert_allclose(effects[0]["x"], effects[1]["centred"], rtol=1e-5, atol=1e-6 * scale)
    # u + v x = (u + v mean) + v (x - mean)
    assert_allclose(
        effects[0]["Intercept"] + mean * effects[0]["x"], effects[1]["Intercept"], rtol=0, atol=1e-5 * scale
    )
    assert_allclose(one.fitted(), two.fitted(), rtol=0, atol=1e-6 * two.sigma * np.sqrt(ratio))


@pytest.mark.parametrize("mean", [1e3, 1e6])
def test_three_levels_far_from_zero(mean: float, dataset: Callable[[str], pd.DataFrame]) -> None:
    """Calendar years in the place of years since the start."""
    egsingle = dataset("egsingle")
    data = egsingle.assign(later=egsingle["year"] + mean)
    one = bx.Model("math ~ later + (later | schoolid/childid)", data).reml()
    two = bx.Model("math ~ year + (year | schoolid/childid)", data).reml()
    assert_allclose(one.criterion, two.criterion, rtol=0, atol=1e-6)
    assert_allclose(one.fixed_effects().loc["later"], two.fixed_effects().loc["year"], rtol=1e-6)
    for level in ("schoolid:childid", "schoolid"):
        slopes = one.covariances()[level].loc["later", "later"], two.covariances()[level].loc["year", "year"]
        assert_allclose(*slopes, rtol=1e-5)


NOT_INVARIANT = ["y ~ x + (x || g)", "y ~ x + (0 + x | g)", "y ~ x + (0 + x | g) + (1 | g)", "y ~ 0 + x + (0 + x | g)"]


@pytest.mark.parametrize("formula", NOT_INVARIANT)
def test_what_is_not_invariant_is_not_changed(formula: str, rng: np.random.Generator) -> None:
    """``||`` and slopes alone mean the user's x: the optimum over the user's own Sigma, by dense algebra."""
    data = frame(rng, mean=2.0, n=150)
    fit = bx.Model(formula, data).reml()
    problem, covariances = dense_problem(fit)
    value = dense.profiled_deviance(problem, [S / fit.sigma**2 for S in covariances], True)
    assert_allclose(fit.criterion, value, rtol=1e-10)
    diagonal = np.diag(covariances[0]) / fit.sigma**2

    def deviance(variances: np.ndarray) -> float:
        found: float = dense.profiled_deviance(problem, [np.diag(variances)], True)
        return found

    slope = dense.complex_step(deviance, diagonal)
    # Stationary where a variance is positive, rising where it is 0.
    assert (np.where(diagonal > 1e-6, np.abs(slope) * diagonal, -slope) < 1e-4).all()
    centred = bx.Model(formula.replace("x", "centred"), data).reml()
    assert abs(centred.criterion - fit.criterion) > 0.1


def test_double_bar_of_sleepstudy(dataset: Callable[[str], pd.DataFrame]) -> None:
    """1743.6693; centred in thoughtlessness 1753.55."""
    sleepstudy = dataset("sleepstudy")
    fit = bx.Model("Reaction ~ Days + (Days || Subject)", sleepstudy).reml()
    assert_allclose(fit.criterion, 1743.6693, rtol=0, atol=5e-5)
    centred = sleepstudy.assign(Days=sleepstudy["Days"] - sleepstudy["Days"].mean())
    wrong = bx.Model("Reaction ~ Days + (Days || Subject)", centred).reml()
    assert_allclose(wrong.criterion, 1753.55, rtol=0, atol=5e-3)


def test_double_bar_far_from_zero(rng: np.random.Generator) -> None:
    """Independent effects of a predictor with mean 1e3: against dense algebra, which still has the digits there."""
    data = frame(rng, mean=1e3, n=150)
    fit = bx.Model("y ~ x + (x || g)", data).reml()
    problem, covariances = dense_problem(fit)
    value = dense.profiled_deviance(problem, [S / fit.sigma**2 for S in covariances], True)
    assert_allclose(fit.criterion, value, rtol=1e-8)


@pytest.mark.parametrize("reml", [True, False])
def test_a_response_far_from_zero(reml: bool, rng: np.random.Generator) -> None:
    """y + 1e8: only the intercept moves."""
    data = frame(rng, mean=0.0)
    data["far"] = data["y"] + 1e8
    data["near"] = data["far"] - 1e8
    models = [bx.Model(f"{y} ~ x + (x | g)", data) for y in ("far", "near")]
    one, two = (model.reml() if reml else model.ml() for model in models)
    assert_allclose(one.criterion, two.criterion, rtol=0, atol=1e-6)
    assert_allclose(one.fixed_effects().loc["x"], two.fixed_effects().loc["x"], rtol=1e-6)
    assert_allclose(one.fixed_effects()["se"], two.fixed_effects()["se"], rtol=1e-6)
    assert_allclose(one.fixed_effects().loc["Intercept", "estimate"] - 1e8, two.fixed_effects().iloc[0, 0], atol=1e-7)
