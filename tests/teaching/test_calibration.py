"""Calibration: what is refused, what is repeated, and verdicts on ranks that are known to be good or bad."""

import os
import signal
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixWarning, ConvergenceError, PriorError
from bayesmix.inference.recycled import Thinned
from bayesmix.teaching import calibration
from bayesmix.teaching.calibration import Replication, Study
from bayesmix.teaching.calibration_verdict import Calibration
from tests.bayes import Fits

# Groups that differ little, so that every sd is signed: the graph that dyestuff itself was sampled with.
LITTLE = {"sd(Intercept | Batch)": "HalfStudentT(4, 2)", "sigma": "HalfStudentT(4, 100)"}
SMALL: dict[str, Any] = {"n": 3, "draws": 19, "tune": 150, "seed": 3, "progress": False}


@pytest.fixture(scope="module")
def model(dyestuff: Fits) -> bx.Model:
    return dyestuff.model.with_priors(LITTLE)


@pytest.fixture(scope="module")
def found(model: bx.Model) -> Calibration:
    return bx.sbc(model, **SMALL)


def of_ranks(columns: dict[str, Any], L: int = 99, **changes: Any) -> Calibration:
    """A calibration with these ranks, without any fit."""
    ranks = np.stack(list(columns.values()), axis=1)
    study = SimpleNamespace(names=list(columns), keep=L, entropy=1, model=SimpleNamespace(formula="y ~ x"))
    draws = Thinned(np.zeros((L, len(columns))), 300.0, 500, 0)
    replications = tuple(Replication(i, np.zeros(len(own)), own, draws, "") for i, own in enumerate(ranks))
    given: dict[str, Any] = {"replications": replications, "requested": len(ranks), "complete": True, **changes}
    return Calibration(study, seconds=10.0, **given)  # type: ignore[arg-type]


def test_a_few(found: Calibration) -> None:
    names = ["Intercept", "sd(Intercept | Batch)", "sigma", "icc(Batch)"]
    names += ["Intercept | Batch[A]", "Intercept | Batch[F]", "log likelihood"]
    assert list(found.ranks) == list(found.table.index) == names
    assert found.ranks.shape == (3, 7)
    assert found.ranks.min().min() >= 0 and found.ranks.max().max() <= 19
    assert found.failures.empty and (found.runs["ess"] > 0).all()
    assert found.fits_per_second == 3 / found.seconds
    assert "3 replications, 7 quantities" in found.verdict
    assert "Yield ~ 1 + (1 | Batch)" in repr(found) and "<table" in found._repr_html_()
    truths = found.truths
    tau2, sigma2 = truths["sd(Intercept | Batch)"] ** 2, truths["sigma"] ** 2
    assert_allclose(truths["icc(Batch)"], tau2 / (tau2 + sigma2))


def test_the_same_again(found: Calibration, model: bx.Model) -> None:
    """A seed repeats; fewer replications are the first of more; one alone is the same."""
    fewer = bx.sbc(model, **{**SMALL, "n": 2})
    pd.testing.assert_frame_equal(fewer.ranks, found.ranks.iloc[:2])
    again = found.replay(1)
    assert again.shape == (19, 7)
    assert again.attrs["rank"] == found.ranks.loc[1].to_dict()
    assert again.attrs["truth"] == found.truths.loc[1].to_dict()
    assert_array_equal((again < pd.Series(again.attrs["truth"])).sum(), found.ranks.loc[1])
    with pytest.raises(ArgumentError, match="number=3"):
        found.replay(3)


def test_a_seed_is_drawn(model: bx.Model) -> None:
    one = bx.sbc(model, **{**SMALL, "n": 1, "seed": None})
    pd.testing.assert_frame_equal(one.ranks, bx.sbc(model, **{**SMALL, "n": 1, "seed": one.seed}).ranks)


def test_log_likelihood(model: bx.Model) -> None:
    """The last quantity is the normal density of the rows: here of one data set drawn without rows, by its sums."""
    study = Study(model, 19, calibration.Settings(progress=False), 5)
    data = study._draw(np.random.default_rng(5))
    sigma2, tau2 = data.found.variances.sigma[0] ** 2, data.found.variances.covariances[0][0, 0, 0]
    products, n = data.products, 5
    # Sums of y - beta and of its square in each batch; the response is beta + scale times the last column.
    constant = products.fixed_basis[0, 0]
    sums = products.sums[:, 0, -1] * products.response_scale / constant * constant
    squares = products.sums[:, -1, -1] * products.response_scale**2
    between = sums**2 / n
    total = -0.5 * ((squares - between) / sigma2 + between / (sigma2 + n * tau2)).sum()
    total -= 0.5 * 6 * (n * np.log(2 * np.pi) + (n - 1) * np.log(sigma2) + np.log(sigma2 + n * tau2))
    variances = data.found.variances
    effects = tuple(u[None] for u in data.effects)
    values = study._values(products, data.found.beta, variances.sigma, variances.covariances, effects)
    assert_allclose(values[0, -1], total, rtol=1e-9)


def test_uniform_ranks(rng: np.random.Generator) -> None:
    good = of_ranks({name: rng.integers(0, 100, 400) for name in "abc"})
    assert good.table["ok"].all() and good.verdict.startswith("No sign of miscalibration: 400 replications")
    frame = good.ecdf
    assert ((frame["lower"] <= frame["difference"]) & (frame["difference"] <= frame["upper"])).all()
    assert frame.groupby("quantity").size().eq(99).all()
    assert_allclose(good.table["coverage_95"], 0.95, atol=4 * 0.0109)
    assert_allclose(good.table["mc_se_95"], np.sqrt(0.95 * 0.05 / 400))
    assert np.abs(good.table["z"]).max() < 4


def test_bad_ranks(rng: np.random.Generator) -> None:
    """The shifted quantity is named, its mean is far off and its curve outside the band; the other one is fine."""
    shifted = np.floor(100 * rng.beta(1.6, 1, 400)).astype(int)
    bad = of_ranks({"fine": rng.integers(0, 100, 400), "shifted": shifted})
    assert bad.verdict.startswith("Not calibrated: ranks of shifted are not uniform.")
    assert bad.table["ok"].tolist() == [True, False]
    assert bad.table.loc["shifted", "z"] > 4
    frame = bad.ecdf
    outside = (frame["difference"] < frame["lower"]) | (frame["difference"] > frame["upper"])
    assert set(frame.loc[outside, "quantity"]) == {"shifted"}
    wide = of_ranks({"wide": np.floor(100 * rng.beta(2, 2, 400)).astype(int)})
    assert wide.table.loc["wide", "coverage_50"] > 0.6


def test_between_the_thresholds() -> None:
    """Uniform but for a dent: p between .001 and .05."""
    ranks = np.concatenate([np.repeat(np.arange(100), 4), np.full(11, 99)])
    found = of_ranks({"a": ranks})
    assert 0.001 < found.table.loc["a", "p"] < 0.05
    assert found.verdict.startswith("In doubt")
    assert "another seed" in found.verdict


def test_what_stands_against_it(rng: np.random.Generator) -> None:
    good = of_ranks({"a": rng.integers(0, 100, 50)})
    failed = Replication(50, np.zeros(1), np.array([-1]), None, "no optimum")
    slow = Replication(51, np.zeros(1), np.array([4]), Thinned(np.zeros((99, 1)), 50.0, 8000, 7), "")
    found = of_ranks({"a": np.arange(3)}, replications=(*good.replications, failed, slow), requested=60, complete=False)
    assert len(found.ranks) == 51 and found.failures.index.tolist() == [50]
    assert found.failures.loc[50, "problem"] == "no optimum"
    for words in (
        "Interrupted: 52 of 60", "1 fits failed", "1 posteriors had divergent transitions, 7 in all",
        "1 posteriors had fewer than 99 effective draws",
    ):  # fmt: skip
        assert words in found.verdict
    assert "the verdict is in doubt" not in found.verdict
    many = of_ranks({"a": np.arange(3)}, replications=(*good.replications, failed, failed))
    assert "the verdict is in doubt" in many.verdict
    none = of_ranks({"a": np.arange(3)}, replications=(failed,))
    assert none.ecdf.empty and "No fit succeeded" in repr(none) and "No fit" in none._repr_html_()
    with pytest.raises(ArgumentError, match="No replication"):
        none.table  # noqa: B018


def test_failures_are_listed(model: bx.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise ConvergenceError("No optimum.", "Expected one.", "Try again.")

    monkeypatch.setattr(calibration, "posterior_of", fail)
    found = bx.sbc(model, **SMALL)
    assert len(found.failures) == 3 and found.ranks.empty
    assert found.failures.loc[2, "problem"] == "No optimum. Expected one. Try again."


def test_interrupted(model: bx.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the second replication: it is finished, and kept with the first."""
    replication = Study.replication

    def pressed(self: Study, number: int) -> Replication:
        if number == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return replication(self, number)

    monkeypatch.setattr(Study, "replication", pressed)
    with pytest.warns(BayesmixWarning, match="Interrupted: 2 of 3"):
        found = bx.sbc(model, **SMALL)
    assert len(found.ranks) == 2 and "Interrupted: 2 of 3 replications" in found.verdict


def test_many_groups_are_left_out(model: bx.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "KEPT_BYTES", 1000)
    found = bx.sbc(model, **{**SMALL, "n": 1})
    assert list(found.ranks) == ["Intercept", "sd(Intercept | Batch)", "sigma", "icc(Batch)", "log likelihood"]


def test_flat_priors(dyestuff: Fits) -> None:
    flat = bx.Model(dyestuff.model.formula, bx.load_dataset("dyestuff"), priors="flat")
    with pytest.raises(PriorError, match=r"The priors of Intercept, sd\(Intercept \| Batch\), sigma are flat"):
        bx.sbc(flat)
    with pytest.raises(PriorError, match="The prior of Intercept is flat"):
        bx.sbc(dyestuff.model.with_priors({"Intercept": "flat"}))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n": 0}, "n=0"),
        ({"n": 2.5}, r"n=2\.5"),
        ({"seed": -1}, "seed=-1"),
        ({"draws": 5}, "draws=5"),
        ({"draws": "many"}, "draws='many'"),
        ({"draws": 10**9}, "at most 10000"),
        ({"tune": 0}, "tune=0"),
        ({"cores": True}, "cores=True"),
        ({"progress": 1}, "progress=1"),
        ({"target_accept": 2.0}, r"target_accept=2\.0"),
        ({"chains": 4}, "two chains"),
        ({"random_seed": 1}, "Write seed=1"),
        ({"nsim": 10}, "Write n=10"),
    ],
)
def test_refused(model: bx.Model, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        bx.sbc(model, **options)


def test_no_model(dyestuff: Fits) -> None:
    for other in ("y ~ x", None, dyestuff.post):
        with pytest.raises(ArgumentError, match="Expected a Model"):
            bx.sbc(other)  # type: ignore[arg-type]
