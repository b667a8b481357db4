"""The log likelihood of every row: against densities one by one, and leave-one-out against its closed form."""

from collections.abc import Callable

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.results import pointwise
from tests.bayes import Fits
from tests.exact_regression import exact_regression
from tests.fabricated import fabricated
from tests.frames import random_frame

FORMULAS = ("y ~ x + (x | top/inner)", "y ~ x * f + (x || top) + offset(z)", "y ~ 0 + (1 | top) + (0 + z | f)", "y ~ x")


def one_by_one(post: bx.BayesFit, chain: int, draw: int) -> np.ndarray:
    """Normal densities from the variables that ArviZ sees, found by the labels of the groups."""
    design, posterior = post.design, post.idata["posterior"].isel(chain=chain, draw=draw)
    values = []
    for i in range(design.n):
        mean = design.offset[i]
        for j, name in enumerate(design.fixed_names):
            mean += float(posterior[name]) * design.fixed_values[i, j]
        for level in design.levels:
            label = str(level.grouping.labels[level.grouping.codes[i]])
            for effect, place in zip(level.effect_names, level.places, strict=True):
                stem = "1" if effect == "Intercept" else effect
                u = posterior[f"{stem}|{level.name}"].sel({f"{level.name}__factor_dim": label})
                mean += float(u) * design.values[i, place]
        weight = 1.0 if design.weights is None else design.weights[i]
        values.append(stats.norm.logpdf(design.response[i], mean, float(posterior["sigma"]) / np.sqrt(weight)))
    return np.array(values)


@pytest.mark.filterwarnings("ignore::bayesmix.BayesmixWarning")
@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_densities(
    formula: str, weights: str | None, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = random_frame(rng, 40, 4).assign(w=rng.uniform(0.5, 2.0, size=40))
    post = fabricated(bx.Model(formula, frame, weights=weights), rng)
    monkeypatch.setattr(pointwise, "_CHUNK_BYTES", 3 * 8 * 40)  # the last part is not full
    values = post.with_log_likelihood()["log_likelihood"]["y"]
    assert values.dims == ("chain", "draw", "__obs__")
    for chain, draw in ((0, 0), (1, 2), (1, 4)):
        assert_allclose(values[chain, draw], one_by_one(post, chain, draw), rtol=1e-10)


def test_idata_is_not_changed(rng: np.random.Generator) -> None:
    post = fabricated(bx.Model("y ~ x + (1 | top)", random_frame(rng)), rng)
    before = post.idata.copy(deep=True)
    tree = post.with_log_likelihood()
    xr.testing.assert_identical(post.idata, before)
    assert set(tree.children) == {*before.children, "log_likelihood"}
    assert_array_equal(tree["log_likelihood"]["y"].sizes["__obs__"], tree["observed_data"]["y"].size)
    attributes = tree["log_likelihood"].attrs
    assert "conditional on the group effects" in attributes["note"]
    assert attributes["given"] == "the effects of top, beta and sigma"
    plain = fabricated(bx.Model("y ~ x", random_frame(rng)), rng).with_log_likelihood()
    assert "group" not in plain["log_likelihood"].attrs["note"]


def test_effects_that_were_not_kept(rng: np.random.Generator) -> None:
    post = fabricated(bx.Model("y ~ x + (1 | top)", random_frame(rng)), rng, keep=False)
    with pytest.raises(ArgumentError, match="group_effects=True"):
        post.with_log_likelihood()


@pytest.mark.parametrize("weights", [None, "w"])
def test_leave_one_out_has_a_closed_form(weights: str | None, rng: np.random.Generator) -> None:
    """Each row left out has a t distribution."""
    post, exact = exact_regression(rng, weights)
    found = az.loo(post.with_log_likelihood(), pointwise=True)
    assert_allclose(found.elpd_i, exact, atol=0.15)
    assert abs(found.elpd - sum(exact)) < 0.2
    assert not found.warning


def test_arviz_takes_it(dyestuff: Fits, dataset: Callable[[str], pd.DataFrame]) -> None:
    """As it takes the densities one by one."""
    tree = dyestuff.post.with_log_likelihood()
    found = az.loo(tree)
    posterior = dyestuff.post.idata["posterior"]
    frame = dataset("dyestuff")
    mean = posterior["Intercept"] + posterior["1|Batch"].sel(Batch__factor_dim=frame["Batch"].astype(str).to_list())
    values = stats.norm.logpdf(frame["Yield"].to_numpy(), mean, posterior["sigma"].to_numpy()[..., None])
    tree["log_likelihood"]["y"][:] = values
    assert_allclose(found.elpd, az.loo(tree).elpd, rtol=1e-10)
    assert_allclose(found.p, az.loo(tree).p, rtol=1e-8)
