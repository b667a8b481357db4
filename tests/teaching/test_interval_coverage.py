"""Coverage of REML and posterior: the same data as simulate, statistics from their definition, refusals."""

import os
import signal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixWarning, ConvergenceError, PriorError
from bayesmix.inference.sampling import Settings
from bayesmix.teaching import interval_coverage as module
from bayesmix.teaching.interval_coverage import _row
from tests.bayes import Fits

DYESTUFF = {"Intercept": 1500.0, "sd(Intercept | Batch)": 40.0, "sigma": 50.0}
# Batches that hardly differ: every data set is sampled with the graph of dyestuff.
LITTLE = DYESTUFF | {"sd(Intercept | Batch)": 5.0}


def by_hand(model: bx.Model, truth: dict[str, float], n: int, seed: int, **options: Any) -> list[pd.DataFrame]:
    """Tables of intervals of fits to the frames of simulate."""
    frames = bx.simulate(model, truth, n=n, seed=seed)
    fits = [bx.Model(model.formula, frame).reml() for frame in frames]
    return [fit.intervals(scale="sd", **options) for fit in fits]


@pytest.mark.parametrize("options", [{}, {"prob": 0.8, "df": "z"}])
def test_reml_on_the_data_of_simulate(options: dict[str, Any]) -> None:
    """Two correlated effects: every column from estimates and intervals of fits made one by one."""
    model = bx.Model("Reaction ~ Days + (Days | Subject)", bx.load_dataset("sleepstudy"))
    truth = {"Intercept": 250, "Days": 2, "sd(Intercept | Subject)": 25, "sd(Days | Subject)": 3, "sigma": 25}
    truth["corr(Intercept, Days | Subject)"] = 0.1
    found = bx.coverage(model, truth, n=12, methods="reml", seed=4, progress=False, **options)
    tables = by_hand(model, truth, 12, 4, **options)
    names = ["Intercept", "Days", "sd(Intercept | Subject)", "sd(Days | Subject)"]
    names += ["corr(Intercept, Days | Subject)", "sigma"]
    assert found.index.tolist() == [("reml", name) for name in names]
    for k, name in enumerate(names):
        own = found.loc[("reml", name)]
        estimate, low, high = np.array([table.iloc[k][["estimate", "ci_low", "ci_high"]] for table in tables]).T
        estimate, low, high = (np.asarray(part, dtype=float) for part in (estimate, low, high))
        error = estimate - truth[name]
        share = np.mean((low <= truth[name]) & (truth[name] <= high))
        assert_allclose(
            own[["truth", "mean", "bias", "rmse", "coverage", "n", "no_interval", "failed"]].astype(float),
            [truth[name], estimate.mean(), error.mean(), np.sqrt((error**2).mean()), share, 12, np.isnan(low).sum(), 0],
            rtol=1e-4,
            atol=1e-5,
        )
        assert_allclose(own["coverage_se"], np.sqrt(share * (1 - share) / 12), atol=1e-12)
        assert_allclose(own["width"], np.nanmedian(high - low), rtol=1e-4)
        if name in ("Intercept", "Days") or name.startswith("corr"):
            assert_allclose(own["power"], np.mean((low > 0) | (high < 0)), atol=1e-12)
        else:
            assert np.isnan(own["power"])
    assert 0 < found.loc[("reml", "Days"), "power"] < 1


def test_profiles() -> None:
    model = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff"))
    found = bx.coverage(model, DYESTUFF, n=3, methods=["reml"], intervals="profile", seed=1, progress=False)
    tables = by_hand(model, DYESTUFF, 3, 1, method="profile")
    width = np.median([table["ci_high"].iloc[1] - table["ci_low"].iloc[1] for table in tables])
    assert_allclose(found.loc[("reml", "sd(Intercept | Batch)"), "width"], width, rtol=1e-4)


def test_posteriors_of_the_same_data(dyestuff: Fits) -> None:
    """Means and quantiles of posteriors of the frames of simulate, under the model's priors, within sampling error."""
    options: dict[str, Any] = {"draws": 800, "tune": 200, "chains": 2}
    found = bx.coverage(dyestuff.model, LITTLE, n=2, seed=6, progress=False, **options)
    assert found.index.get_level_values("method").unique().tolist() == ["reml", "bayes"]
    frames = bx.simulate(dyestuff.model, LITTLE, n=2, seed=6)
    models = [bx.Model(dyestuff.model.formula, frame, priors=dyestuff.model.priors) for frame in frames]
    posts = [model.sample(seed=9, progress=False, draws=1000, chains=2) for model in models]
    sigma = [post.idata["posterior"]["sigma"].to_numpy().ravel() for post in posts]
    own = found.loc[("bayes", "sigma")]
    assert_allclose(own["mean"], np.mean([s.mean() for s in sigma]), rtol=0.03)
    assert_allclose(own["width"], np.median([np.quantile(s, 0.975) - np.quantile(s, 0.025) for s in sigma]), rtol=0.12)
    again = bx.coverage(dyestuff.model, LITTLE, n=2, methods="bayes", seed=6, progress=False, **options)
    pd.testing.assert_frame_equal(again, found.loc[["bayes"]])


def test_statistics() -> None:
    """Four fits of a truth of 1: one misses, one has no interval, one leaves out 0 below, one above."""
    kept = np.array([[1.0, 0.5, 2.0], [3.0, 2.0, 4.0], [-1.0, -2.0, 1.5], [0.0, np.nan, np.nan]])
    row = _row(kept, 1.0, True, 5)
    assert_allclose(row["bias"], -0.25)
    assert_allclose(row["bias_se"], np.std([0, 2, -2, -1], ddof=1) / 2)
    assert_allclose(row["rmse"], np.sqrt(9 / 4))
    assert_allclose(row["rmse_se"], np.std([0, 4, 4, 1], ddof=1) / (2 * 1.5 * 2))
    assert (row["coverage"], row["power"], row["no_interval"], row["failed"]) == (0.5, 0.5, 1, 1)
    assert_allclose([row["coverage_se"], row["width"]], [0.25, 2.0])
    none = _row(np.zeros((0, 3)), 1.0, True, 2)
    assert np.isnan(none["coverage"]) and none["failed"] == 2


def test_failed_fits(dyestuff: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    """A posterior that fails leaves REML alone; where REML fails, both do."""

    def fail(*args: Any, **kwargs: Any) -> None:
        raise ConvergenceError("No optimum.", "Expected one.", "Try again.")

    with monkeypatch.context() as patch:
        patch.setattr(module, "posterior_of", fail)
        found = bx.coverage(dyestuff.model, DYESTUFF, n=2, seed=1, progress=False)
        assert found["failed"].groupby(level="method").max().to_dict() == {"bayes": 2, "reml": 0}
    monkeypatch.setattr(module, "maximise", fail)
    found = bx.coverage(dyestuff.model, DYESTUFF, n=2, seed=1, progress=False)
    assert (found["failed"] == 2).all() and found["coverage"].isna().all()


def test_data_without_residuals_count_as_failed(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A predictor drawn with the generator of the residuals: one response of three is a multiple of it."""
    x = rng.normal(size=12)
    model = bx.Model("y ~ x", pd.DataFrame({"x": x, "y": rng.normal(size=12)}))
    responses = iter([2 * x, rng.normal(size=12), rng.normal(size=12)])
    monkeypatch.setattr(module, "draw_rows", lambda *args: next(responses))
    found = bx.coverage(model, {"Intercept": 0, "x": 1, "sigma": 1}, n=3, methods="reml", progress=False)
    assert (found["failed"] == 1).all() and (found["n"] == 2).all()


def test_interrupted(dyestuff: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = module.draw_rows

    def pressed(*args: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return draw(*args)

    monkeypatch.setattr(module, "draw_rows", pressed)
    with pytest.warns(BayesmixWarning, match="Interrupted: 1 of 4"):
        found = bx.coverage(dyestuff.model, DYESTUFF, n=4, methods="reml", seed=1, progress=False)
    assert (found["n"] == 1).all()


def test_no_levels_and_weights(rng: np.random.Generator) -> None:
    """A plain regression with weights: t intervals hold 95 %, within four errors of 120 data sets."""
    frame = pd.DataFrame({"x": rng.normal(size=12), "w": rng.uniform(0.2, 3, 12), "y": rng.normal(size=12)})
    model = bx.Model("y ~ x", frame, weights="w")
    truth = {"Intercept": 1, "x": 0, "sigma": 2}
    found = bx.coverage(model, truth, n=120, methods="reml", seed=2, progress=False)
    error = np.sqrt(0.95 * 0.05 / 120)
    assert (np.abs(found["coverage"].iloc[:2] - 0.95) < 4 * error).all()
    assert abs(found.loc[("reml", "x"), "power"] - 0.05) < 4 * error


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"methods": "ml"}, "methods='ml'"),
        ({"methods": []}, r"methods=\[\]"),
        ({"methods": 3}, "methods=3"),
        ({"intervals": "bootstrap"}, "intervals='bootstrap'"),
        ({"df": "satterthwait"}, "df='satterthwaite'"),
        ({"prob": 95}, "prob=95"),
        ({"n": -1}, "n=-1"),
        ({"chains": 0}, "chains=0"),
        ({"level": 0.9}, "Write prob=0.9"),
        ({"sampler": "pymc"}, "no keyword 'sampler'"),
    ],
)
def test_refused(dyestuff: Fits, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        bx.coverage(dyestuff.model, DYESTUFF, **options)


def test_parameters_and_models(dyestuff: Fits) -> None:
    with pytest.raises(ArgumentError, match="lack"):
        bx.coverage(dyestuff.model, {"Intercept": 1})
    with pytest.raises(ArgumentError, match="no parameter"):
        bx.coverage(dyestuff.model, DYESTUFF | {"day": 1})
    with pytest.raises(ArgumentError, match="Expected a Model"):
        bx.coverage("y ~ x", DYESTUFF)  # type: ignore[arg-type]
    frame = bx.load_dataset("dyestuff")
    few = bx.Model("Yield ~ 1 + (1 | Batch)", frame[frame["Batch"].isin(["A", "B"])], priors="flat")
    with pytest.raises(PriorError, match="flat"):
        bx.coverage(few, DYESTUFF)
    assert Settings().tune == 300  # as the default here
