"""Ranks of groups: counted draw by draw, and in closed form from the differences of every pair."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixError
from bayesmix.results.ranking import tied_ranks
from tests.bayes import Fits, shuffled_frame


def counted(values: np.ndarray) -> np.ndarray:
    """1 plus how many others are higher, (draws, groups)."""
    return 1 + (values[:, None, :] > values[:, :, None]).sum(axis=-1)


def draws(fits: Fits, name: str) -> np.ndarray:
    values = fits.post.idata["posterior"][name].to_numpy()
    return values.reshape(-1, values.shape[-1])


def test_posterior(dyestuff: Fits) -> None:
    ranks = counted(draws(dyestuff, "1|Batch"))
    table = dyestuff.post.ranks(top=2)
    assert list(table.columns) == ["mean", "median", "ci_low", "ci_high", "prob_best", "prob_worst", "prob_top"]
    assert table.index.name == "group"
    assert list(table.index) == list("ABCDEF")
    assert_allclose(table["mean"], ranks.mean(axis=0))
    assert_allclose(table["prob_best"], (ranks == 1).mean(axis=0))
    assert_allclose(table["prob_worst"], (ranks == 6).mean(axis=0))
    assert_allclose(table["prob_top"], (ranks <= 2).mean(axis=0))
    assert_allclose(table[["prob_best", "prob_worst", "prob_top"]].sum(), [1, 1, 2])
    assert_allclose(table["mean"].mean(), 3.5)
    within = (ranks >= table["ci_low"].to_numpy()) & (ranks <= table["ci_high"].to_numpy())
    assert (within.mean(axis=0) >= 0.95).all()
    assert table["prob_best"].idxmax() == "E"
    assert table["prob_worst"].idxmax() == "F"
    assert "Rank 1 of 6 is the highest" in table.attrs["note"]


def test_the_other_end(dyestuff: Fits) -> None:
    highest, lowest = dyestuff.post.ranks(), dyestuff.post.ranks(best="lowest")
    assert_allclose(highest["mean"] + lowest["mean"], 7)
    assert_allclose(highest["prob_best"], lowest["prob_worst"])


def test_draws_of_ranks(dyestuff: Fits) -> None:
    array = dyestuff.post.rank_draws()
    assert array.dims == ("chain", "draw", "group")
    assert dict(array.sizes) == {"chain": 4, "draw": 1000, "group": 6}
    assert_array_equal(array.coords["group"], list("ABCDEF"))
    assert_array_equal(array.to_numpy().reshape(-1, 6), counted(draws(dyestuff, "1|Batch")))


def test_which_school_is_best(hsb_fits: Fits) -> None:
    """160 schools, by intercept, by slope and by what they expect at a value of ses; estimate and posterior agree."""
    intercepts, slopes = draws(hsb_fits, "1|school"), draws(hsb_fits, "ses|school")
    asked: list[tuple[dict[str, Any], np.ndarray]] = [
        ({}, intercepts),
        ({"effect": "ses"}, slopes),
        ({"at": {"ses": -1.5}}, intercepts - 1.5 * slopes),
    ]
    some = slice(0, 4000, 40)
    for keywords, values in asked:
        array = hsb_fits.post.rank_draws("school", **keywords).to_numpy().reshape(-1, 160)
        assert_array_equal(array[some], counted(values[some]))
        best = hsb_fits.post.ranks(**keywords)["prob_best"]
        assert_allclose(best, (values == values.max(axis=1, keepdims=True)).mean(axis=0))
        assert_allclose(best.sum(), 1)
    post, reml = (fit.ranks(**extra) for fit, extra in ((hsb_fits.post, {}), (hsb_fits.reml, {"seed": 1})))
    assert post["prob_best"].idxmax() == reml["prob_best"].idxmax()
    assert np.corrcoef(post["mean"], reml["mean"])[0, 1] > 0.999
    # One variance is known and the other not; of 4,000 draws each has a Monte Carlo error of at most .008.
    assert_allclose(post["prob_best"], reml["prob_best"], atol=0.03)


def expected_ranks(fit: bx.LikelihoodFit, level: str | None = None, **keywords: Any) -> pd.Series:
    """1 plus the probabilities that each other group is above: normal, from the table of differences."""
    labels = list(fit.group_effects(level).index.get_level_values("group").unique())
    pairs = fit.group_differences(labels, level, **keywords)
    above = stats.norm.cdf(pairs["estimate"] / pairs["se"])
    expected = pd.Series(1.0, labels)
    for (group, other), chance in zip(pairs.index, above, strict=True):
        expected[other] += chance
        expected[group] += 1 - chance
    return expected


@pytest.mark.parametrize(
    ("name", "formula", "level", "keywords"),
    [
        ("dyestuff", "Yield ~ 1 + (1 | Batch)", None, {}),
        ("sleepstudy", "Reaction ~ Days + (Days | Subject)", None, {"effect": "Days"}),
        ("sleepstudy", "Reaction ~ Days + (Days || Subject)", None, {"at": {"Days": 9}}),
        ("pastes", "strength ~ 1 + (1 | batch/cask)", "batch", {}),
        ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", "sample", {}),
    ],
)
def test_expected_ranks_at_the_estimates(
    name: str, formula: str, level: str | None, keywords: dict[str, Any], dataset: Callable[[str], pd.DataFrame]
) -> None:
    """Within 5 standard errors of 20,000 draws; those of a rank are no wider than J/2."""
    fit = bx.Model(formula, dataset(name)).reml()
    table = fit.ranks(level, seed=3, draws=20_000, **keywords)
    expected = expected_ranks(fit, level, **keywords)
    assert_allclose(table["mean"], expected.loc[table.index], atol=5 * len(table) / 2 / np.sqrt(20_000))
    assert table["mean"].idxmin() == expected.idxmin()


def test_labels_in_another_order_than_the_tree() -> None:
    fit = bx.Model("y ~ x + (1 | top) + (1 | code)", shuffled_frame(np.random.default_rng(4))).reml()
    assert fit.design.tree is not None
    assert (np.diff(fit.design.tree.order[0]) < 0).any()
    table = fit.ranks("code", seed=3)
    expected = expected_ranks(fit, "code").loc[table.index]
    assert_allclose(table["mean"], expected, atol=5 * len(table) / 2 / np.sqrt(4000))
    assert np.corrcoef(table["mean"], expected)[0, 1] > 0.99


def test_seed(dyestuff: Fits) -> None:
    one, again, other = (dyestuff.reml.ranks(seed=seed, draws=200) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, again)
    assert (one["mean"] != other["mean"]).any()
    assert dyestuff.reml.rank_draws(seed=1, draws=200).shape == (1, 200, 6)


def test_ties() -> None:
    ranks = tied_ranks(np.array([[[2.0, 5.0, 2.0, 1.0]]]), "highest")
    assert_array_equal(ranks.middle[0, 0], [2.5, 1, 2.5, 4])
    assert_array_equal(ranks.share_up_to(1)[0, 0], [0, 1, 0, 0])
    assert_array_equal(ranks.share_up_to(2)[0, 0], [0.5, 1, 0.5, 0])
    assert_array_equal(ranks.share_up_to(3)[0, 0], [1, 1, 1, 0])


def test_no_variance(dyestuff2: Fits) -> None:
    """Nothing to rank: every batch is as likely the best."""
    table = dyestuff2.reml.ranks(seed=1, draws=50, top=3)
    assert_allclose(table["mean"], 3.5)
    assert_allclose(table[["prob_best", "prob_worst"]], 1 / 6)
    assert_allclose(table["prob_top"], 0.5)


def test_values_of_predictors(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Categories and transforms go through the coding of the fit."""
    frame = dataset("hsb").iloc[:800]
    frame["school"] = frame["school"].cat.remove_unused_categories()
    fit = bx.Model("math ~ sex + poly(ses, 2) + (sex + poly(ses, 2) | school)", frame).ml()
    at = {"sex": "Male", "ses": 0.5}
    columns = fit.design.encode(pd.DataFrame({"sex": ["Male"], "ses": [0.5]}), groups=False).effects[0][0]
    values = fit.group_effects()["estimate"].to_numpy().reshape(-1, 4) @ columns
    pair = fit.group_differences(["1224", "1288"], at=at)
    labels = list(fit.design.levels[0].grouping.labels)
    assert_allclose(pair["estimate"], values[labels.index("1224")] - values[labels.index("1288")])
    assert "sex = Male, ses = 0.5" in pair.attrs["note"]
    wrong: list[tuple[Any, str]] = [
        ({"sex": "Male"}, "does not name 'ses'"),
        ({"sex": "male", "ses": 1}, "label 'male'"),
        ({"sex": "Male", "ses": "high"}, "finite number"),
        ({"sex": "Male", "ses": np.nan}, "finite number"),
        ({"sex": ["Male"], "ses": 1}, "one label"),
        ({"sex": "Male", "ses": [1, 2]}, "finite number"),
        ({"sex": "Male", "ses": 1, "sector": "Public"}, "'sector', whose effect does not vary"),
        ("ses", r"Write at=\{'sex': ..., 'ses': ...\}"),
        (1.5, "at=1.5"),
    ]
    for value, said in wrong:
        with pytest.raises(BayesmixError, match=said):
            fit.ranks(at=value)


def test_wrong_use(dyestuff: Fits, hsb_reml: bx.LikelihoodFit, hsb: pd.DataFrame, pastes: Fits) -> None:
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: hsb_reml.ranks(effect="sess"), r"no effect 'sess'.*effect='ses'"),
        (lambda: hsb_reml.ranks(effect=2), "no effect '2'"),
        (lambda: hsb_reml.ranks(effect="ses", at={"ses": 1}), "both given"),
        (lambda: hsb_reml.ranks(best="first"), "'highest' or 'lowest'"),
        (lambda: hsb_reml.ranks(top=0), "from 1 to 159"),
        (lambda: hsb_reml.ranks(top=160), "from 1 to 159"),
        (lambda: hsb_reml.ranks(top=2.5), "from 1 to 159"),
        (lambda: hsb_reml.ranks(prob=95), "prob=95"),
        (lambda: hsb_reml.ranks(draws=0), "draws=0"),
        (lambda: hsb_reml.ranks(seed="a"), "seed='a'"),
        (lambda: hsb_reml.ranks(random_seed=1), "Write seed=1"),
        (lambda: hsb_reml.ranks("shool"), "Did you mean 'school'"),
        (lambda: dyestuff.post.ranks(draws=100), "draws are those of the posterior"),
        (lambda: dyestuff.post.ranks(seed=1), "draws are those of the posterior"),
        (lambda: dyestuff.post.ranks(at={"Days": 1}), "only the intercept varies"),
        (lambda: dyestuff.post.rank_draws(top=2), "no keyword 'top'"),
        (lambda: pastes.post.ranks(), "Pass level="),
        (lambda: bx.Model("math ~ ses", hsb).reml().ranks(), "no levels"),
        (
            lambda: bx.Model("math ~ within(ses) + (within(ses) | school)", hsb).reml().ranks(at={"ses": 1}),
            "another value in every group",
        ),
    ]
    for call, said in cases:
        with pytest.raises(ArgumentError, match=said):
            call()
