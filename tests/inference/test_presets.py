"""Presets against what the programs they are named after print."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.inference.distributions import Exponential, Flat, HalfNormal, HalfStudentT, Normal, StudentT
from bayesmix.inference.priors import LKJ, Decov
from tests.frames import random_frame

Data = Callable[[str], pd.DataFrame]


def test_brms_of_sleepstudy(dataset: Data) -> None:
    """brms prints student_t(3, 288.7, 59.3), and student_t(3, 0, 59.3) for sds and sigma (from memory)."""
    priors = bx.Model("Reaction ~ Days + (Days | Subject)", dataset("sleepstudy"), priors="brms").priors.numbers
    assert priors.beta == (StudentT(3, 288.7, 59.3), Flat())
    assert priors.levels[0].sds == (HalfStudentT(3, 59.3),) * 2
    assert priors.levels[0].correlation == LKJ(1)
    assert priors.sigma == HalfStudentT(3, 59.3)


def test_brms_has_a_least_scale(rng: np.random.Generator) -> None:
    frame = random_frame(rng)
    frame["y"] = frame["y"] / 1000
    assert bx.Model("y ~ x + (1 | top)", frame, priors="brms").priors.numbers.sigma == HalfStudentT(3, 2.5)


def test_rstanarm_of_hsb(hsb: pd.DataFrame) -> None:
    """Scales 2.5 sd(y), 2.5 sd(y)/sd(x) and 1/sd(y); decov(1, 1, 1) for the bar."""
    priors = bx.Model("math ~ ses + (ses | school)", hsb, priors="rstanarm").priors.numbers
    intercept, slope = priors.beta
    sd_y, sd_x = hsb["math"].std(), hsb["ses"].std()
    assert_allclose(
        [intercept.mean, intercept.sd, slope.mean, slope.sd], [hsb["math"].mean(), 2.5 * sd_y, 0, 2.5 * sd_y / sd_x]
    )
    assert isinstance(priors.sigma, Exponential)
    assert_allclose(priors.sigma.rate, 1 / sd_y, rtol=1e-12)
    assert priors.levels[0].sds == (Decov(1, 1, 1),) * 2 and priors.levels[0].correlation == LKJ(1)


@pytest.mark.filterwarnings("ignore:For backward compatibility:DeprecationWarning")  # pandas, about formulae
@pytest.mark.parametrize("formula", ["math ~ ses + (ses | school)", "math ~ ses * sector + minority + (1 | school)"])
def test_bambi(formula: str, hsb: pd.DataFrame) -> None:
    """Bambi's own numbers; its slope and intercept are of independent effects."""
    import bambi

    frame = hsb.assign(
        school=hsb["school"].astype(str), sector=hsb["sector"].astype(str), minority=hsb["minority"].astype(str)
    )
    theirs = bambi.Model(formula.replace("(ses | school)", "(1 | school) + (0 + ses | school)"), frame)
    component = theirs.parameters["mu"]
    model = bx.Model(formula, frame, priors="bambi")
    priors, names = model.priors.numbers, model.design.fixed_names
    found = dict(zip(names, priors.beta, strict=True))
    assert isinstance(found["Intercept"], Normal)
    arguments = component.intercept_term.prior.args
    assert_allclose([found["Intercept"].mean, found["Intercept"].sd], [arguments["mu"], arguments["sigma"]], rtol=1e-10)
    expected: list[float] = []
    for term in component.common_terms.values():
        expected += np.atleast_1d(term.prior.args["sigma"]).tolist()
    widths = sorted(prior.sd for name, prior in found.items() if name != "Intercept")
    assert_allclose(widths, sorted(expected), rtol=1e-10)
    for term in component.group_specific_terms.values():
        effect = "Intercept" if term.kind == "intercept" else "ses"
        prior = priors.levels[0].sds[model.design.levels[0].effect_names.index(effect)]
        assert isinstance(prior, HalfNormal)
        assert_allclose(prior.scale, float(np.squeeze(term.prior.args["sigma"].args["sigma"])), rtol=1e-10)
    assert isinstance(priors.sigma, HalfStudentT)
    assert_allclose(priors.sigma.scale, float(theirs.parameters["sigma"].prior.args["sigma"]), rtol=1e-10)


@pytest.mark.parametrize("preset", ["default", "flat", "brms", "rstanarm", "bambi"])
def test_every_prior_has_a_source(preset: str, rng: np.random.Generator) -> None:
    """Also without an intercept, with weights, with an effect that has no fixed counterpart, and crossed."""
    frame = random_frame(rng).assign(w=lambda d: 1 + d["z"] ** 2, inner=lambda d: "c" + d["inner"].astype(str))
    for formula in (
        "y ~ 0 + x + (z | top)",
        "y ~ x + f + (f || top) + (1 | inner)",
        "y ~ x",
        "y ~ 0 + f + (1 | top/inner)",
    ):
        table = bx.Model(formula, frame, weights="w", priors=preset).priors.table
        assert table["source"].str.startswith(preset).all()


def test_scales_are_free_of_the_offset(rng: np.random.Generator) -> None:
    frame = random_frame(rng)
    for preset in ("brms", "rstanarm", "bambi"):
        one = bx.Model("y ~ x + offset(z) + (1 | top)", frame, priors=preset).priors.table
        two = bx.Model("d ~ x + (1 | top)", frame.assign(d=frame["y"] - frame["z"]), priors=preset).priors.table
        pd.testing.assert_frame_equal(one.drop(columns="source"), two.drop(columns="source"))


WORDS = {
    "default": ("mean(y), 2.5 sd(y)", "2.5 sd(y)/sd(x)", "sd(y)", "sd(y)/sqrt(mean(1/w))"),
    "brms": ("median(y), max(2.5, mad(y))", "flat", "max(2.5, mad(y))", "max(2.5, mad(y))/sqrt(mean(1/w))"),
    "rstanarm": ("mean(y), 2.5 sd(y)", "2.5 sd(y)/sd(x)", "decov", "sqrt(mean(1/w))/sd(y)"),
}


@pytest.mark.parametrize("preset", list(WORDS))
def test_sources_say_what_was_computed(preset: str, rng: np.random.Generator) -> None:
    """From the response less the offset; sigma is that of a row of weight 1, the sds of groups are not."""
    frame = random_frame(rng).assign(w=lambda d: 1 + d["z"] ** 2)
    names = ["Intercept", "x", "1|top_sigma", "sigma"]
    model = bx.Model("y ~ x + offset(z) + (1 | top)", frame, weights="w", priors=preset)
    expected = [f"{preset}: {text.replace('(y)', '(y - offset)')}" for text in WORDS[preset]]
    assert model.priors.table["source"][names].tolist() == expected
    assert f"[{expected[0]}]" in repr(model)
    plain = bx.Model("y ~ x + (1 | top)", frame, priors=preset).priors.table["source"]
    *others, sigma = WORDS[preset]
    assert plain[names[:3]].tolist() == [f"{preset}: {text}" for text in others]
    unweighted = {"rstanarm": "1/sd(y)"}.get(preset, sigma.removesuffix("/sqrt(mean(1/w))"))
    assert plain["sigma"] == f"{preset}: {unweighted}"


def test_the_numbers_are_those_of_the_sources(rng: np.random.Generator) -> None:
    """The words, computed."""
    frame = random_frame(rng).assign(w=lambda d: 1 + d["z"] ** 2, c=3.0)
    y, unit = frame["y"] - frame["z"], np.sqrt((1 / frame["w"]).mean())
    model = bx.Model("y ~ x + offset(z) + (0 + c | top)", frame, weights="w")
    priors = model.priors.numbers
    intercept, sd = priors.beta[0], priors.levels[0].sds[0]
    assert isinstance(intercept, Normal) and isinstance(sd, HalfStudentT) and isinstance(priors.sigma, HalfStudentT)
    assert_allclose([intercept.mean, intercept.sd], [y.mean(), 2.5 * y.std()])
    assert_allclose(priors.sigma.scale, y.std() / unit)
    assert_allclose(sd.scale, y.std() / 3)
    assert model.priors.table.loc["c|top_sigma", "source"] == "default: sd(y - offset)/rms(x)"
    rate = bx.Model("y ~ x + offset(z) + (1 | top)", frame, weights="w", priors="rstanarm").priors.numbers.sigma
    assert isinstance(rate, Exponential)
    assert_allclose(rate.rate, unit / y.std())
