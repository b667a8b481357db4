"""Bayes factors and model probabilities: against densities at a point, in words of the books; what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixError, PriorError
from bayesmix.results.bayes_factor import BayesFactor
from bayesmix.results.marginal_likelihood import LogMarginalLikelihood
from tests.bayes import Fits
from tests.evidence import null_posterior
from tests.fabricated import fabricated
from tests.frames import random_frame

Dataset = Callable[[str], pd.DataFrame]


def made(log: float, se: float = 0.01) -> BayesFactor:
    """Of that logarithm."""
    pair = [
        LogMarginalLikelihood(value, se=se / np.sqrt(2), method="", dimension=1, draws=8, effective=8.0)
        for value in (log - 100, -100.0)
    ]
    return BayesFactor("y ~ x", "y ~ 1", (pair[0], pair[1]))


@pytest.fixture(scope="session")
def nulls(dataset: Dataset) -> dict[str, bx.BayesFit]:
    """The models without batches; their priors are those of the models with them."""
    return {name: null_posterior(bx.Model("Yield ~ 1", dataset(name)), seed=9) for name in ("dyestuff", "dyestuff2")}


@pytest.mark.parametrize("name", ["dyestuff", "dyestuff2"])
def test_savage_and_dickey_agree(name: str, nulls: dict[str, bx.BayesFit], request: pytest.FixtureRequest) -> None:
    """An sd of 0 is the smaller model; its posterior over its prior density is the Bayes factor for that."""
    fits: Fits = request.getfixturevalue(name)
    assert nulls[name].priors.numbers.beta == fits.post.priors.numbers.beta
    assert nulls[name].priors.numbers.sigma == fits.post.priors.numbers.sigma
    row = fits.post.hypothesis("sd(Intercept) = 0").iloc[0]
    found = bx.bayes_factor(nulls[name], fits.post, seed=1)
    error = np.hypot(row["mcse"] / row["evidence_ratio"], found.se)
    assert abs(np.log(row["evidence_ratio"]) - found.log) < 4 * error
    assert error < 0.15
    assert_allclose(found.log, found.evidence[0] - found.evidence[1])
    # The data speak for batches in the one and against them in the other (Box & Tiao 1973, section 5.1).
    assert (found.log > 0) == (name == "dyestuff2")


def test_numbers_of_one_factor() -> None:
    found = made(np.log(20.0))
    assert_allclose([found.ratio, found.log10, found.se], [20.0, np.log10(20.0), 0.01])
    table = found.table
    assert list(table.columns) == ["log_bf", "se", "log10_bf", "bf", "evidence"]
    assert list(table.index) == ["y ~ x against y ~ 1"]
    assert_allclose(table.iloc[0][["log_bf", "se", "log10_bf", "bf"]].astype(float), [found.log, 0.01, found.log10, 20])
    assert "priors" in table.attrs["note"]
    text = repr(found)
    assert "'y ~ x' against 'y ~ 1': 20\n" in text
    assert "log 2.996 ± 0.010" in text
    assert "positive evidence for 'y ~ x' (Kass & Raftery 1995)" in text
    assert "10^869" in repr(made(2000.0))
    assert made(2000.0).ratio == np.inf
    assert "10^-869" in repr(made(-2000.0))


@pytest.mark.parametrize(
    ("scale", "ratio", "words"),
    [
        ("kass-raftery", 2.7, "evidence for 'y ~ x' not worth more than a bare mention"),
        ("kass-raftery", 2.8, "positive evidence for 'y ~ x'"),
        ("kass-raftery", 20.0, "positive evidence for 'y ~ x'"),
        ("kass-raftery", 21.0, "strong evidence for 'y ~ x'"),
        ("kass-raftery", 148.0, "strong evidence for 'y ~ x'"),
        ("kass-raftery", 149.0, "very strong evidence for 'y ~ x'"),
        ("kass-raftery", 1 / 21, "strong evidence for 'y ~ 1'"),
        ("jeffreys", 3.0, "evidence for 'y ~ x' barely worth mentioning"),
        ("jeffreys", 3.3, "substantial evidence for 'y ~ x'"),
        ("jeffreys", 11.0, "strong evidence for 'y ~ x'"),
        ("jeffreys", 35.0, "very strong evidence for 'y ~ x'"),
        ("jeffreys", 101.0, "decisive evidence for 'y ~ x'"),
        ("jeffreys", 1 / 101, "decisive evidence for 'y ~ 1'"),
    ],
)
def test_words_of_the_books(scale: str, ratio: float, words: str) -> None:
    """By 2 log B at 2, 6 and 10, which Kass & Raftery (1995), p. 777, round to 3, 20 and 150; by half powers of 10."""
    assert made(float(np.log(ratio))).in_words(scale) == words


def test_within_its_error() -> None:
    assert made(0.5, se=0.3).in_words() == "evidence for neither: 0 is within twice the Monte Carlo error"
    with pytest.raises(ArgumentError, match="kass-raftery"):
        made(1.0).in_words("smith")


def test_model_probabilities(dyestuff2: Fits, nulls: dict[str, bx.BayesFit]) -> None:
    fits = {"batches": dyestuff2.post, "none": nulls["dyestuff2"]}
    table = bx.model_probabilities(fits, seed=1)
    assert list(table.columns) == ["probability", "mcse", "log_evidence", "se", "log_bf", "prior", "formula"]
    assert list(table.index) == ["batches", "none"]
    assert list(table["prior"]) == [0.5, 0.5]
    factor = bx.bayes_factor(nulls["dyestuff2"], dyestuff2.post, seed=1)
    assert_allclose(table["probability"], [1 / (1 + factor.ratio), factor.ratio / (1 + factor.ratio)])
    assert_allclose(table["log_bf"], [-factor.log, 0.0])
    p = table["probability"].iloc[0]
    assert_allclose(table["mcse"], p * (1 - p) * factor.se)
    assert list(table["formula"]) == ["Yield ~ 1 + (1 | Batch)", "Yield ~ 1"]
    weighted = bx.model_probabilities(fits, prior={"none": 1, "batches": 3}, seed=1)
    assert list(weighted["prior"]) == [0.75, 0.25]
    odds = weighted["probability"] / table["probability"]
    assert_allclose(odds["batches"] / odds["none"], 3.0)


def test_models_of_far_less_evidence(nulls: dict[str, bx.BayesFit], dataset: Dataset) -> None:
    """Probabilities of 0 are numbers, without overflow."""
    data = dataset("dyestuff")
    wrong = null_posterior(bx.Model("Yield ~ 0 + one", data.assign(one=1e-3)), seed=2)
    table = bx.model_probabilities({"a": nulls["dyestuff"], "b": wrong}, seed=1)
    assert table["probability"].between(0, 1).all()
    assert_allclose(table["probability"].sum(), 1.0)


def test_other_data_are_refused(dyestuff: Fits, dataset: Dataset, rng: np.random.Generator) -> None:
    data = dataset("dyestuff")
    others = {
        "30 and 29 rows": bx.Model("Yield ~ 1", data.iloc[1:]),
        r"responses 'Yield' and 'log\(Yield\)'": bx.Model("log(Yield) ~ 1", data),
        "different responses or rows": bx.Model("Yield ~ 1", data.assign(Yield=data["Yield"] / 10)),
        "different weights": bx.Model("Yield ~ 1", data, weights=np.linspace(1, 2, 30)),
    }
    for words, model in others.items():
        post = fabricated(model, rng)
        with pytest.raises(ArgumentError, match=words):
            bx.bayes_factor(dyestuff.post, post)
        with pytest.raises(ArgumentError, match=words):
            bx.model_probabilities({"a": dyestuff.post, "b": post})


def test_an_offset_may_differ(nulls: dict[str, bx.BayesFit], dataset: Dataset) -> None:
    """It is part of the mean; a constant one is a prior of the intercept moved by as much."""
    data = dataset("dyestuff").assign(shift=10.0)
    prior = bx.Model("Yield ~ 1", data).priors.numbers.beta[0]
    priors = {"Intercept": f"Normal({prior.mean - 10!r}, {prior.sd!r})"}
    model = bx.Model("Yield ~ 1 + offset(shift)", data, priors=priors)
    priors_of = nulls["dyestuff"].priors.numbers
    model = model.with_priors({"sigma": f"HalfStudentT(4, {priors_of.sigma.scale!r})"})
    found = bx.bayes_factor(null_posterior(model, seed=3), nulls["dyestuff"], seed=1)
    assert abs(found.log) < 4 * found.se


def test_what_is_no_posterior(dyestuff: Fits, rng: np.random.Generator) -> None:
    post: Any = dyestuff.post
    for wrong in (dyestuff.reml, dyestuff.model, None, "post", -168.6):
        with pytest.raises(ArgumentError, match=r"model\.sample\(\)"):
            bx.bayes_factor(post, wrong)
        with pytest.raises(ArgumentError, match=r"model\.sample\(\)"):
            bx.model_probabilities({"a": post, "b": wrong})
    with pytest.raises(ArgumentError, match="model_probabilities"):
        bx.bayes_factor({"a": post, "b": post}, post)  # type: ignore[arg-type]
    for given in (({"a": post, "b": post},), ([post, post],), (post,), (post, post, post)):
        with pytest.raises(ArgumentError, match=r"bayes_factor was given .*Expected two posteriors.*\(post1, post0\)"):
            bx.bayes_factor(*given)
    with pytest.raises(ArgumentError, match=r"given BayesFit and BayesFit\. .*Write bx\.model_probabilities\(\{"):
        bx.model_probabilities(post, post)
    with pytest.raises(ArgumentError, match=r"given list\. "):  # not the whole of both
        bx.model_probabilities([post, post])  # type: ignore[arg-type]
    for wrong in ([post, post], {"a": post}, post, None):
        with pytest.raises(ArgumentError, match="two or more"):
            bx.model_probabilities(wrong)
    flat = fabricated(bx.Model("y ~ x + (1 | top)", random_frame(rng), priors="flat"), rng)
    with pytest.raises(PriorError, match="'Intercept'"):
        bx.bayes_factor(flat, flat)


@pytest.mark.parametrize(
    "wrong",
    [
        {"prior": {"a": 1}},
        {"prior": {"a": 1, "c": 1}},
        {"prior": [0.5, 0.5]},
        {"prior": {"a": 1, "b": 0}},
        {"prior": {"a": 1, "b": -1}},
        {"prior": {"a": 1, "b": np.nan}},
        {"prior": {"a": 1, "b": "1"}},
        {"prior": {"a": 1, "b": True}},
        {"seed": -3},
        {"random_seed": 1},
        {"priors": {"a": 1, "b": 1}},
    ],
)
def test_wrong_options(wrong: dict[str, Any], dyestuff: Fits) -> None:
    with pytest.raises(BayesmixError):
        bx.model_probabilities({"a": dyestuff.post, "b": dyestuff.post}, **wrong)
    if "prior" not in wrong:
        with pytest.raises(BayesmixError):
            bx.bayes_factor(dyestuff.post, dyestuff.post, **wrong)


def weak_slopes(seed: int) -> pd.DataFrame:
    """Data of sleepstudy's shape whose slopes vary little, and correlate with the intercepts."""
    rng = np.random.default_rng(seed)
    frame = bx.load_dataset("sleepstudy")
    subject = pd.factorize(frame["Subject"])[0]
    noise = rng.normal(size=(18, 2))
    u0, u1 = 25 * noise[:, 0], 1.5 * (0.4 * noise[:, 0] + noise[:, 1])
    mean = 250 + 10 * frame["Days"] + u0[subject] + u1[subject] * frame["Days"]
    return frame.assign(Reaction=mean + 25 * rng.normal(size=len(frame)))


@pytest.mark.slow  # three graphs
def test_slope_variance_and_correlation() -> None:
    """Savage and Dickey need the smaller model to be the larger one at a value, all other priors the same.

    For an sd of 0 that is the model without the effect, as the correlation then has no say; for a correlation of 0 it
    is ``||``. Weak slopes, so that draws lie near both values.
    """
    data = weak_slopes(3)
    slopes = {"both": "(Days | Subject)", "apart": "(Days || Subject)", "none": "(1 | Subject)"}
    models = {name: bx.Model(f"Reaction ~ Days + {part}", data) for name, part in slopes.items()}
    whole = models["both"].priors.numbers
    for model in models.values():
        assert (model.priors.numbers.beta, model.priors.numbers.sigma) == (whole.beta, whole.sigma)
        assert model.priors.numbers.levels[0].sds[0] == whole.levels[0].sds[0]
    posts = {name: model.sample(seed=7, draws=2000, progress=False) for name, model in models.items()}
    table = posts["both"].hypothesis(["sd(Days) = 0", "corr(Intercept, Days) = 0"])
    for (_, row), name in zip(table.iterrows(), ("none", "apart"), strict=True):
        found = bx.bayes_factor(posts[name], posts["both"], seed=7)
        error = np.hypot(row["mcse"] / row["evidence_ratio"], found.se)
        # A kernel has a bias of its own, of the order of the square of its width.
        bias = 0.05 if row["method"] == "kernel" else 0.0
        assert abs(np.log(row["evidence_ratio"]) - found.log) < 3 * error + bias
        assert error < 0.1
    apart = posts["apart"].hypothesis("sd(Days) = 0").iloc[0]
    found = bx.bayes_factor(posts["none"], posts["apart"], seed=7)
    error = np.hypot(apart["mcse"] / apart["evidence_ratio"], found.se)
    assert abs(np.log(apart["evidence_ratio"]) - found.log) < 3 * error


@pytest.mark.slow  # three graphs
@pytest.mark.parametrize("bar", ["|", "||"])
def test_overwhelming_evidence(bar: str, dataset: Dataset) -> None:
    """Of sleepstudy's slopes, and of their mean: far from all draws, where few conditional densities count."""
    data = dataset("sleepstudy")
    whole, level, fixed = (
        bx.Model(f"Reaction ~ {terms}", data).sample(seed=7, progress=False)
        for terms in (f"Days + (Days {bar} Subject)", "Days + (1 | Subject)", f"1 + (Days {bar} Subject)")
    )
    table = whole.hypothesis(["sd(Days) = 0", "Days = 0"])
    assert list(table["method"]) == ["importance"] * 2
    for (_, row), small in zip(table.iterrows(), (level, fixed), strict=True):
        found = bx.bayes_factor(whole, small, seed=8)
        error = np.hypot(row["mcse"] / row["evidence_ratio"], found.se)
        assert abs(-np.log(row["evidence_ratio"]) - found.log) < 3 * error
        assert error < 0.02
        assert "very strong evidence for" in found.in_words()


@pytest.mark.slow  # one graph
def test_a_slope_far_out(hsb_fits: Fits, dataset: Dataset) -> None:
    """A hundred log units from all draws."""
    small = bx.Model("math ~ 1 + (ses | school)", dataset("hsb")).sample(seed=7, progress=False)
    found = bx.bayes_factor(hsb_fits.post, small, seed=8)
    row = hsb_fits.post.hypothesis("ses = 0").iloc[0]
    error = np.hypot(row["mcse"] / row["evidence_ratio"], found.se)
    assert abs(-np.log(row["evidence_ratio"]) - found.log) < 3 * error
    assert error < 0.05
