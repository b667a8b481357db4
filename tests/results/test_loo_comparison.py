"""Models compared by cross-validation: against ArviZ, and refused where they do not predict the same."""

from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from arviz_stats import ELPDData
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixWarning
from bayesmix.results import cross_validation
from bayesmix.results.loo_comparison import _stacking
from tests.bayes import Fits
from tests.fabricated import fabricated
from tests.frames import random_frame

pytestmark = pytest.mark.filterwarnings("ignore:.*(Pareto k|WAIC).*:bayesmix.BayesmixWarning")

FORMULAS = {"full": "y ~ x + (1 | top)", "wrong": "y ~ z + (1 | top)", "empty": "y ~ 1 + (1 | top)"}


@pytest.fixture
def posts(rng: np.random.Generator) -> dict[str, bx.BayesFit]:
    """Made up draws do for a comparison."""
    frame = random_frame(rng)
    return {name: fabricated(bx.Model(formula, frame), rng, draws=50) for name, formula in FORMULAS.items()}


@pytest.mark.parametrize("by", [None, "top"])
def test_arviz_says_the_same(by: str | None, posts: dict[str, bx.BayesFit]) -> None:
    frame = bx.loo_compare(posts, by=by)
    results = {name: post.loo(by) for name, post in posts.items()}
    theirs = az.compare(results, round_to="none")
    assert frame.index.tolist() == theirs.index.tolist()
    assert frame.columns.tolist() == ["elpd", "p", "elpd_diff", "se_diff", "weight", "warning"]
    n = next(iter(results.values())).n_data_points
    assert_allclose(frame["elpd"], theirs["elpd"], rtol=1e-12)
    assert_allclose(frame["elpd_diff"], theirs["elpd_diff"], rtol=1e-9, atol=1e-9)
    assert_allclose(frame["se_diff"], theirs["dse"] * np.sqrt(n / (n - 1)), rtol=1e-9)  # divisor n - 1, as for elpd
    assert_allclose(frame["p"], theirs["p"])
    assert_allclose(frame["weight"].sum(), 1)
    assert frame["elpd_diff"].iloc[0] == 0
    assert (frame["elpd_diff"] <= 0).all()
    for name, result in results.items():
        count = int((~(result.pareto_k <= result.good_k)).sum())
        assert frame.loc[name, "warning"] == (f"{count} of {n} k > {result.good_k:.2f}" if count else "")
    assert "se_diff" in frame.attrs["note"]


def test_weights_survive_large_groups(rng: np.random.Generator) -> None:
    """Of a mixture: the weights at which its log score is highest, by a grid; densities of e^-2000 as well."""
    values = rng.normal(size=(40, 2))
    grid = np.linspace(0, 1, 2001)
    score = np.log(np.exp(values[:, :1]) * grid + np.exp(values[:, 1:]) * (1 - grid)).sum(axis=0)
    best = grid[np.argmax(score)]
    assert_allclose(_stacking(values), [best, 1 - best], atol=2e-3)
    assert_allclose(_stacking(values - 2000), _stacking(values), atol=1e-6)
    order = _stacking(values[:, ::-1])
    assert_allclose(order[::-1], _stacking(values), atol=2e-3)


def test_other_kinds_of_estimates(posts: dict[str, bx.BayesFit]) -> None:
    """What loo, waic and kfold return may be given, of one kind at a time."""
    loo = {name: post.loo("top") for name, post in posts.items()}
    pd.testing.assert_frame_equal(bx.loo_compare(loo), bx.loo_compare(posts, by="top"))
    waic = bx.loo_compare({name: post.waic("top") for name, post in posts.items()})
    assert waic["warning"].str.contains("variance > 0.4").any()
    mixed = {"full": posts["full"], "wrong": loo["wrong"]}
    assert bx.loo_compare(mixed, by="top").shape == (2, 6)
    with pytest.raises(ArgumentError, match="'full' is loo and 'wrong' is waic"):
        bx.loo_compare({"full": loo["full"], "wrong": posts["wrong"].waic("top")})
    with pytest.raises(ArgumentError, match="differ in what is left out: rows and top"):
        bx.loo_compare({"full": posts["full"].loo(), "wrong": loo["wrong"]})


def test_compare_takes_a_dict(posts: dict[str, bx.BayesFit]) -> None:
    pd.testing.assert_frame_equal(bx.compare(posts, by="top"), bx.loo_compare(posts, by="top"))
    with pytest.raises(ArgumentError, match=r"loo_compare has no keyword 'level'.*Write by="):
        bx.compare(posts, level="top")


def test_compare_takes_estimates(posts: dict[str, bx.BayesFit], sleepstudy: Fits) -> None:
    """Of posteriors by name nothing but by= and progress= is heard; likelihood fits are told where to go."""
    loo = {name: post.loo("top") for name, post in posts.items()}
    pd.testing.assert_frame_equal(bx.compare(loo), bx.loo_compare(loo))
    for given, name in (
        ({"prob": 0.9}, "prob"),
        ({"names": ["a", "b", "c"]}, "names"),
        ({"published": {}}, "published"),
    ):
        for models in (posts, loo):
            with pytest.raises(ArgumentError, match=f"given {name}= and posteriors by name.*Leave {name} out"):
                bx.compare(models, **given)
    with pytest.raises(ArgumentError, match=r"mapping of likelihood fits.*bx.loo_compare.*bx.compare\(one, other\)"):
        bx.compare({"a": sleepstudy.reml, "b": sleepstudy.model.ml()})


def test_what_was_left_out_is_checked(posts: dict[str, bx.BayesFit]) -> None:
    loo = {name: post.loo("top") for name, post in posts.items()}
    pd.testing.assert_frame_equal(bx.loo_compare(loo, by="top"), bx.loo_compare(loo))
    rows = {name: post.loo() for name, post in posts.items()}
    with pytest.raises(ArgumentError, match="by='top', and 'full' is an estimate of rows"):
        bx.loo_compare(rows, by="top")
    with pytest.raises(ArgumentError, match="by='school', and 'full' is an estimate of top"):
        bx.loo_compare(loo, by="school")
    foreign = az.loo(posts["wrong"].with_log_likelihood(), pointwise=True, reff=1.0)
    with pytest.raises(ArgumentError, match="'b' is an estimate of unknown rows or groups"):
        bx.loo_compare({"a": posts["full"], "b": foreign}, by="top")


def test_refused_before_it_is_computed(posts: dict[str, bx.BayesFit], monkeypatch: pytest.MonkeyPatch) -> None:
    """And the model is named."""

    def computed(*given: Any) -> None:
        raise AssertionError

    rng, frame = np.random.default_rng(1), random_frame(np.random.default_rng(1))
    plain = fabricated(bx.Model("y ~ x", frame), rng, draws=50)
    few = fabricated(bx.Model("y ~ x + (1 | top)", frame), rng, draws=5)
    rows = posts["wrong"].loo()
    monkeypatch.setattr(cross_validation, "densities", computed)
    for models, by, message in (
        ({"a": posts["full"], "b": plain}, "top", "Of 'b': by='top', and the model has no levels"),
        ({"a": posts["full"], "b": few}, "top", "Of 'b': The posterior has 10 draws"),
        ({"a": posts["full"], "b": plain}, "school", "Of 'a': The model has no level 'school'"),
        ({"a": posts["full"], "b": rows}, "top", "'b' is an estimate of rows"),
    ):
        with pytest.raises(ArgumentError, match=message):
            bx.loo_compare(models, by=by)


def test_warnings_name_the_model(posts: dict[str, bx.BayesFit]) -> None:
    """And the line that asked for the comparison."""
    with pytest.warns(BayesmixWarning) as said:
        bx.loo_compare(posts, by="top")
    texts = [str(each.message) for each in said]
    assert all(Path(each.filename) == Path(__file__) for each in said)
    assert {text.split(":")[0] for text in texts} <= set(posts)
    assert "Of 100 draws a k up to 0.50 is good" in texts[0]
    assert "sample more draws" in texts[0]


def test_uncertain_refits_are_counted(posts: dict[str, bx.BayesFit]) -> None:
    """Beside high k."""
    loo = {name: post.loo("top") for name, post in posts.items()}
    loo["full"].pareto_k[:] = 0.0
    loo["full"].elpd_i.coords["mcse"] = ("top", np.array([np.nan, 0.1, 0.3, 0.4, *[np.nan] * 4]))
    assert bx.loo_compare(loo).loc["full", "warning"] == "2 of 8 mcse > 0.2"


def test_other_rows_are_refused(rng: np.random.Generator) -> None:
    frame = random_frame(rng)
    other = frame.assign(z=frame["z"].where(frame.index > 3))
    one = fabricated(bx.Model("y ~ x + (1 | top)", frame), rng, draws=50)
    cases: dict[str, Any] = {
        "rows, response and groups": bx.Model("y ~ x + z + (1 | top)", other),
        "the response: y and log": bx.Model("log(y) ~ x + (1 | top)", frame),
        "rows, response": bx.Model("y ~ x + (1 | top)", frame.assign(y=frame["y"] + 1)),
        "rows, response and": bx.Model("y ~ x + (1 | top)", frame.assign(top=7 - frame["top"])),
    }
    for message, model in cases.items():
        with pytest.raises(ArgumentError, match=f"'a' and 'b' differ in {message}"):
            bx.loo_compare({"a": one, "b": fabricated(model, rng, draws=50)}, by="top")
    # The same rows: groups do not matter where none is left out, and two models may have other levels.
    bx.loo_compare({"a": one, "b": fabricated(bx.Model("y ~ x + (1 | top/inner)", frame), rng, draws=50)})


def test_estimates_from_elsewhere(posts: dict[str, bx.BayesFit]) -> None:
    """ArviZ's own have no marks; their number of values is all there is to check."""
    own = posts["full"].loo()
    foreign = az.loo(posts["wrong"].with_log_likelihood(), pointwise=True, reff=1.0)
    assert bx.loo_compare({"marginal": own, "conditional": foreign}).shape == (2, 6)
    short = az.loo(posts["wrong"].with_log_likelihood().isel(__obs__=slice(0, 50)), pointwise=True, reff=1.0)
    with pytest.raises(ArgumentError, match="'a' has 120 values and 'b' 50"):
        bx.loo_compare({"a": own, "b": short})
    none = ELPDData(
        elpd=0.0, se=0.0, p=0.0, n_samples=1, n_data_points=1, scale="log", warning=False, good_k=0.7
    )  # fmt: skip
    with pytest.raises(ArgumentError, match=r"'b' has no values of single rows.*pointwise=True"):
        bx.loo_compare({"a": own, "b": none})
    assert isinstance(own.elpd_i, xr.DataArray)


def test_wrong_use(posts: dict[str, bx.BayesFit], sleepstudy: Fits) -> None:
    post = posts["full"]
    for models, message in (
        ([post, post], "was given list. Expected models by name"),
        ({1: post, 2: post}, "Expected models by name"),
        ({"a": post}, r"was given 1 model\(s\)"),
        ({}, r"was given 0 model\(s\)"),
        ({"a": post, "b": sleepstudy.reml}, "'b' is a LikelihoodFit. Expected a posterior"),
        ({"a": post, "b": None}, "'b' is a NoneType"),
    ):
        with pytest.raises(ArgumentError, match=message):
            bx.loo_compare(models)
    with pytest.raises(ArgumentError, match="no level 'school'"):
        bx.loo_compare(posts, by="school")
    with pytest.raises(ArgumentError, match="Write by="):
        bx.loo_compare(posts, level="top")
