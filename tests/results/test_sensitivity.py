"""Power-scaling sensitivity: what is flagged, when it is said, and that the densities behind it are the right ones."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.results.sensitivity import FEW_GROUPS, parameter_names
from tests.bayes import Fits


def test_table(sleepstudy: Fits) -> None:
    """A row for every parameter that has a prior; the defaults are weak beside 180 rows."""
    frame = sleepstudy.post.prior_sensitivity()
    assert frame.columns.tolist() == ["prior", "likelihood", "diagnosis"]
    assert frame.index.tolist() == [
        "Intercept", "Days", "1|Subject_sigma", "Days|Subject_sigma", "Subject_corr[Intercept,Days]", "sigma",
    ]  # fmt: skip
    assert (frame["likelihood"] > 0.05).all()
    assert (frame.loc[["Intercept", "Days", "sigma"], "prior"] < 0.02).all()
    frame.loc[:, "prior"] = 9.0
    assert (sleepstudy.post.prior_sensitivity()["prior"] < 1).all()  # a copy


def test_a_prior_in_conflict(dyestuff: Fits) -> None:
    """The data say 1527 with an error of 19 or so, the prior 1400 with 20: both pull."""
    model = dyestuff.model.with_priors({"Intercept": "Normal(1400, 20)"})
    post = model.sample(seed=3, progress=False)
    frame = post.prior_sensitivity()
    assert frame.loc["Intercept", "diagnosis"] == "prior and data may conflict"
    (note,) = [line for line in str(post.summary()).splitlines() if "Few groups" in line]
    assert "Batch (6)" in note and "Intercept (" in note and "another prior" in note


def test_a_prior_that_decides(dyestuff: Fits) -> None:
    """Where the prior leaves nothing open the data move nothing."""
    post = dyestuff.model.with_priors({"Intercept": "Normal(1527, 0.1)"}).sample(seed=3, progress=False)
    frame = post.prior_sensitivity()
    assert frame.loc["Intercept", "likelihood"] < 0.05
    assert frame.loc["Intercept", "prior"] > 0.05
    assert frame.loc["Intercept", "diagnosis"] == "the prior is strong or the data say little"


def test_size_of_the_sensitivity(dyestuff: Fits) -> None:
    """Against powers of the prior taken in earnest: the posteriors of prior^0.8 and prior^1.25, sampled."""
    base = {"Intercept": "Normal(1500, 15)"}
    frame = dyestuff.model.with_priors(base).sample(seed=5, progress=False).prior_sensitivity()
    means = []
    for power in (0.8, 1.25):
        # A normal density to a power is normal, of a variance divided by it; the other priors are weak.
        changed = {"Intercept": f"Normal(1500, {15 / np.sqrt(power)})"}
        means.append(dyestuff.model.with_priors(changed).sample(seed=5, progress=False).fixed_effects()["mean"].iloc[0])
    assert means[0] > means[1] + 1  # a stronger prior pulls towards 1500
    assert frame["prior"].idxmax() == "Intercept"


def test_said_where_groups_are_few(sleepstudy: Fits, hsb_fits: Fits, pastes: Fits) -> None:
    """18 subjects and 10 batches are few, 160 schools are not."""
    assert len(sleepstudy.model.design.levels[0].grouping.labels) < FEW_GROUPS
    assert "Few groups at Subject (18)" in str(sleepstudy.post.summary())
    assert "Few groups at batch (10)" in str(pastes.post.summary())
    assert "Few groups" not in str(hsb_fits.post.summary())


def test_names_are_variables_of_the_posterior(pastes: Fits) -> None:
    for name in parameter_names(pastes.model.design):
        assert name in pastes.post.idata["posterior"]


def test_unknown_keyword(sleepstudy: Fits) -> None:
    with pytest.raises(ArgumentError):
        sleepstudy.post.prior_sensitivity(alpha=0.9)


# Prior and posterior densities


def test_curves(sleepstudy: Fits) -> None:
    """Prior densities exact, posterior densities that integrate to 1, both where the posterior is."""
    curves = sleepstudy.post.prior_posterior(points=300)
    assert curves.index.names == ["parameter", "point"]
    priors = sleepstudy.model.priors.numbers
    (level,) = priors.levels
    expected = {
        "Intercept": priors.beta[0].frozen().pdf,
        "Days": priors.beta[1].frozen().pdf,
        "1|Subject_sigma": level.sds[0].frozen().pdf,
        "Days|Subject_sigma": level.sds[1].frozen().pdf,
        "Subject_corr[Intercept,Days]": lambda r: stats.beta(2, 2).pdf((r + 1) / 2) / 2,
        "sigma": priors.sigma.frozen().pdf,
    }
    assert list(dict.fromkeys(curves.index.get_level_values(0))) == list(expected)
    for name, density in expected.items():
        curve = curves.loc[name]
        assert_allclose(curve["prior"], density(curve["x"].to_numpy()), rtol=1e-10)
        assert_allclose(np.trapezoid(curve["posterior"], curve["x"]), 1.0, atol=5e-3)
    assert curves.loc["sigma", "x"].min() >= 0
    assert curves.loc["Subject_corr[Intercept,Days]", "x"].abs().max() <= 1


def test_the_intercept_is_the_one_its_prior_is_for(sleepstudy: Fits) -> None:
    """At the mean of Days: the peak stands at the mean response, 298.5, not at 251."""
    curve = sleepstudy.post.prior_posterior().loc["Intercept"]
    assert abs(curve["x"].iloc[curve["posterior"].argmax()] - 298.5) < 10


def test_kernel_at_a_bound(dyestuff2: Fits) -> None:
    """The posterior of a sd near 0 is highest there; without reflection it would drop by half."""
    curve = dyestuff2.post.prior_posterior().loc["1|Batch_sigma"]
    draws = dyestuff2.post.idata["posterior"]["1|Batch_sigma"].to_numpy().ravel()
    width = np.quantile(draws, 0.1)
    assert_allclose(curve["posterior"].iloc[0], 0.1 / width, rtol=0.15)


def test_shared_and_flat_priors(dyestuff: Fits) -> None:
    """decov has no density in closed form: its kernel estimate is near that of sigma tau; a flat prior is nan."""
    frame = bx.load_dataset("dyestuff")
    shared = bx.Model("Yield ~ 1 + (1 | Batch)", frame, priors="rstanarm").priors
    post = replace_priors(dyestuff.post, shared)
    curve = post.prior_posterior().loc["1|Batch_sigma"]
    rate = shared.numbers.sigma.rate
    rng = np.random.default_rng(2)
    draws = rng.exponential(1 / rate, 400_000) * rng.exponential(1.0, 400_000)
    near = curve[(curve["x"] > 20) & (curve["x"] < 90)]
    for x, density in near[["x", "prior"]].iloc[::20].to_numpy():
        assert_allclose(density, np.mean(np.abs(draws - x) < 2) / 4, rtol=0.25)
    flat = replace_priors(dyestuff.post, bx.Model("Yield ~ 1 + (1 | Batch)", frame, priors="flat").priors)
    assert flat.prior_posterior()["prior"].isna().all()


def replace_priors(post: bx.BayesFit, priors: object) -> bx.BayesFit:
    import dataclasses

    return dataclasses.replace(post, priors=priors)


@pytest.mark.parametrize("points", [1, 0, 2.5, True, "x", None])
def test_wrong_points(points: object, dyestuff: Fits) -> None:
    with pytest.raises(ArgumentError):
        dyestuff.post.prior_posterior(points=points)


def test_frame_is_plain(dyestuff: Fits) -> None:
    assert isinstance(dyestuff.post.prior_posterior(points=5), pd.DataFrame)
    assert len(dyestuff.post.prior_posterior(points=5)) == 3 * 5
