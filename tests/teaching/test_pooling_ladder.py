"""The pooling ladder: London schools and High School and Beyond as published, lm's rows, refits, what is refused."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.teaching.pooling_ladder import PoolingLadder
from tests.fabricated import fabricated
from tests.frames import random_frame
from tests.markup import read

ANALYSES = ["aggregated", "disaggregated", "per group", "fixed groups", "partial (REML)"]


@pytest.fixture(scope="module")
def exam_model(dataset: Callable[[str], pd.DataFrame]) -> bx.Model:
    return bx.Model("normexam ~ standLRT + (standLRT | school)", dataset("exam"))


@pytest.fixture(scope="module")
def exam(exam_model: bx.Model) -> PoolingLadder:
    return bx.pooling(exam_model, exam_model.ml())


@pytest.fixture(scope="module")
def hsb_ladder(hsb_model: bx.Model) -> PoolingLadder:
    return bx.pooling(hsb_model)


# London schools, mlmRev::Exam; digits of R 4.2.2 and lme4 1.1-31


def test_london_1_aggregated(exam: PoolingLadder) -> None:
    table = exam.table.loc["aggregated"]
    assert_allclose(table["estimate"], [0.004567, 0.883722], atol=5e-7)
    assert_allclose(table["se"], [0.039737, 0.116016], atol=5e-7)
    assert exam.analyses.loc["aggregated", "units"] == 65


def test_london_2_disaggregated(exam: PoolingLadder) -> None:
    table = exam.table.loc["disaggregated"]
    assert_allclose(table["estimate"], [-0.001191, 0.595057], atol=5e-7)
    assert_allclose(table["se"], [0.012642, 0.012730], atol=5e-7)
    assert exam.analyses.loc["disaggregated", "units"] == 4059


def test_london_3_per_school(exam: PoolingLadder) -> None:
    """Mean, sd and standard error of the mean of 65 intercepts and slopes."""
    table = exam.table.loc["per group"]
    assert_allclose(table["estimate"], [-0.068118, 0.424583], atol=5e-7)
    assert_allclose(table["sd"], [0.519174, 0.939371], atol=5e-7)
    assert_allclose(table["se"], [0.064396, 0.116515], atol=5e-7)
    assert_allclose(exam.groups.loc["28", ["Intercept", "standLRT"]].astype(float), [-0.773, 0.282], atol=5e-4)


def test_london_4_schools_as_fixed_effects(exam: PoolingLadder) -> None:
    """128 coefficients more: 64 main effects and 64 interactions, rank 130 for 2."""
    steps = exam.group_terms
    assert steps.index.tolist() == ["no groups", "main effects", "interactions"]
    assert steps["df_extra"].tolist() == [0, 64, 64]
    assert exam.analyses.loc["disaggregated", "parameters"] == 2
    assert exam.analyses.loc["fixed groups", "parameters"] == 130
    assert_allclose(exam.table.loc["fixed groups", "estimate"], exam.table.loc["per group", "estimate"], rtol=1e-9)
    assert_allclose(exam.table.loc["fixed groups", "sd"], exam.table.loc["per group", "sd"], rtol=1e-9)
    assert "128 more coefficients" in exam.analyses.loc["fixed groups", "gets_wrong"]


def test_london_5_partial_pooling(exam: PoolingLadder, dataset: Callable[[str], pd.DataFrame]) -> None:
    reml, ml = exam.table.loc["partial (REML)"], exam.table.loc["partial (ML)"]
    assert_allclose(reml["estimate"], [-0.01165, 0.55653], atol=5e-6)
    assert_allclose(reml["se"], [0.04011, 0.02011], atol=5e-6)
    assert_allclose(reml["sd"] ** 2, [0.09211841, 0.01496714], atol=2e-7)
    assert_allclose(ml["estimate"], [-0.011505, 0.556730], atol=5e-7)
    assert_allclose(ml["sd"] ** 2, [0.0904473, 0.0145357], atol=5e-8)
    assert_allclose(exam.analyses.loc["partial (REML)", "sigma"] ** 2, 0.55364139, atol=5e-8)
    assert_allclose(exam.fit.covariances()["school"].iloc[0, 1], 0.01834181, atol=1e-7)
    assert_allclose(exam.fit.criterion, 9327.6003, atol=5e-5)
    assert_allclose(exam.fit.fixed_effects()["df"], [60.653, 56.343], atol=5e-3)
    model = bx.Model("normexam ~ standLRT + (1 | school)", dataset("exam"))
    plain = bx.pooling(model, model.ml())
    ml = plain.table.loc["partial (ML)"]
    assert_allclose(ml["estimate"], [0.002391, 0.563371], atol=5e-7)
    assert_allclose(ml.loc["Intercept", "sd"] ** 2, 0.09213, atol=5e-6)
    assert_allclose(plain.analyses.loc["partial (ML)", "sigma"] ** 2, 0.56573, atol=5e-6)
    assert plain.group_terms["df_extra"].tolist() == [0, 64]


def test_london_school_of_two_pupils(exam: PoolingLadder) -> None:
    """School 48, slope -6.90: with it the slopes have mean .425 and sd .939, without it .539 and .177."""
    assert exam.left_out == ("48",)
    assert_allclose(exam.groups.loc["48", ["n", "standLRT"]].astype(float), [2, -6.90], atol=5e-3)
    slopes = exam.influence.xs("standLRT", level="term")
    assert_allclose(slopes.loc["per group", ["without", "sd_without"]].astype(float), [0.539, 0.177], atol=5e-4)
    assert_allclose(slopes["change"], slopes["without"] - slopes["estimate"])
    others = slopes.drop(["per group", "fixed groups"])
    assert (others["change"].abs() < 0.005).all()  # who counts pupils, or shrinks, does not mind two of them
    assert "sd 0.939, sampling error included, where the model finds 0.122" in exam.analyses.loc["per group"].gets_wrong


def test_left_out_by_itself(rng: np.random.Generator) -> None:
    """The group furthest out in one of its coefficients: g has a slope of its own, h is out in both, but by less."""
    frame = pd.DataFrame({"g": np.repeat(list("abcdefgh"), 10), "x": np.tile(np.linspace(-1, 1, 10), 8)})
    intercept = frame["g"].map(dict(zip("abcdefgh", [0.5, -0.5, 1, -1, 0.2, -0.2, 0, 1.5], strict=True)))
    slope = frame["g"].map(dict(zip("abcdefgh", [0.1, -0.1, 0.2, -0.2, 0.3, -0.3, 9, 2], strict=True)))
    frame["y"] = intercept + slope * frame["x"] + 0.01 * rng.normal(size=80)
    assert bx.pooling(bx.Model("y ~ x + (x | g)", frame)).left_out == ("g",)


def test_words_know_when_groups_do_not_matter(dataset: Callable[[str], pd.DataFrame]) -> None:
    words = bx.pooling(bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2"))).analyses["gets_wrong"]
    assert "here that costs little (design effect 1.0)" in words["disaggregated"]
    assert "the smallest" not in words["per group"]


def test_influence_is_a_refit(exam_model: bx.Model, dataset: Callable[[str], pd.DataFrame]) -> None:
    """Every analysis of the data without three schools."""
    left = ["48", "28", "7"]
    found = bx.pooling(exam_model, leave_out=left)
    assert sorted(found.left_out) == sorted(left)
    frame = dataset("exam")
    frame = frame[~frame["school"].isin(left)]
    again = bx.pooling(bx.Model("normexam ~ standLRT + (standLRT | school)", frame))
    assert found.influence.index.equals(again.table.index)
    assert_allclose(found.influence["without"], again.table["estimate"], rtol=1e-6)
    assert_allclose(found.influence["sd_without"], again.table["sd"], rtol=1e-5)


# High School and Beyond; digits of the slides and of R


def test_hsb_least_squares(hsb_ladder: PoolingLadder) -> None:
    table = hsb_ladder.table.loc["disaggregated"]
    assert_allclose(table["estimate"], [12.74740, 3.18387], atol=5e-6)
    assert_allclose(table["se"], [0.07569, 0.09712], atol=5e-6)
    assert_allclose(table["t"], [168.42, 32.78], atol=5e-3)
    one = hsb_ladder.analyses.loc["disaggregated"]
    assert one["df"] == 7183
    assert_allclose(one["sigma"], 6.416, atol=5e-4)
    assert_allclose(one["r2"], 0.1301, atol=5e-5)
    assert_allclose(one["F"], 1075, atol=0.5)
    residual = one["sigma"] ** 2 * one["df"]
    assert_allclose([residual * one["r2"] / (1 - one["r2"]), residual], [44233, 295644], atol=0.5)


def test_hsb_school_means(hsb_ladder: PoolingLadder) -> None:
    table = hsb_ladder.table.loc["aggregated"]
    assert_allclose(table["estimate"], [12.6573, 5.9093], atol=5e-5)
    assert_allclose(table["se"], [0.1533, 0.3714], atol=5e-5)
    assert_allclose(table["t"], [82.57, 15.91], atol=5e-3)
    one = hsb_ladder.analyses.loc["aggregated"]
    assert one["df"] == 158
    assert_allclose(one["sigma"], 1.939, atol=5e-4)
    assert_allclose([one["r2"], one["adj_r2"]], [0.6157, 0.6132], atol=5e-5)
    assert_allclose(one["F"], 253.1, atol=0.05)


def test_shrinkage_is_that_of_the_fit(hsb_ladder: PoolingLadder, hsb_reml: bx.LikelihoodFit) -> None:
    pd.testing.assert_frame_equal(hsb_ladder.shrinkage, hsb_reml.shrinkage())
    alone = hsb_ladder.groups[["Intercept", "ses"]].to_numpy().ravel()
    assert_allclose(alone, hsb_ladder.shrinkage["no_pooling"], rtol=1e-9)


# Other models


def test_predictors_of_the_groups(hsb: pd.DataFrame) -> None:
    """Groups as fixed effects, and groups alone, leave them nothing; nor do group means of what has mean 0 in each."""
    model = bx.Model("math ~ meanses*cses + sector*cses + (cses | school)", hsb)
    found = bx.pooling(model)
    unsaid = ["meanses", "sector[Catholic]", "meanses:cses", "sector[Catholic]:cses"]
    for name in ("per group", "fixed groups"):
        assert found.table.loc[name, "estimate"].isna().pipe(lambda said: said.index[said].tolist()) == unsaid
        assert "says nothing of, meanses" in found.analyses.loc[name, "gets_wrong"]
    means = found.table.loc["aggregated", "estimate"]
    assert means.index[means.isna()].tolist() == ["cses", "meanses:cses", "sector[Catholic]:cses"]
    plain = bx.Model("math ~ cses + (cses | school)", hsb)
    assert_allclose(
        found.analyses.loc["fixed groups", "sigma"], bx.pooling(plain).analyses.loc["fixed groups", "sigma"]
    )


def test_common_slopes_beside_the_groups(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Only the intercept varies: the slope beside school effects is the one within schools."""
    frame = dataset("exam")
    found = bx.pooling(bx.Model("normexam ~ standLRT + sex + (1 | school)", frame))
    columns = (
        pd.get_dummies(frame["sex"], dtype=float).iloc[:, 1:].assign(standLRT=frame["standLRT"])[["standLRT", "M"]]
    )
    means = columns.assign(y=frame["normexam"]).groupby(frame["school"], observed=True).transform("mean")
    slope = np.linalg.lstsq(columns - means[columns.columns], frame["normexam"] - means["y"], rcond=None)[0]
    assert_allclose(found.table.loc["fixed groups", "estimate"].iloc[1:], slope, rtol=1e-9)
    assert found.table.loc["fixed groups", "sd"].notna().tolist() == [True, False, False]
    # A regression of its own: schools of one sex have no coefficient of it.
    mixed = frame.groupby("school", observed=True)["sex"].nunique() == 2
    assert found.groups["standLRT"].notna().sum() == found.analyses.loc["per group", "units"] <= mixed.sum()
    assert "have too few rows, or no variation" in found.analyses.loc["per group", "gets_wrong"]


def test_an_effect_without_a_fixed_one(dataset: Callable[[str], pd.DataFrame]) -> None:
    found = bx.pooling(bx.Model("Reaction ~ 1 + (Days | Subject)", dataset("sleepstudy")))
    assert found.table.loc["disaggregated", "estimate"].isna().tolist() == [False, True]
    assert_allclose(found.table.loc[("per group", "Days"), "estimate"], 10.46729, atol=5e-6)  # sleepstudy, balanced
    assert found.analyses.loc["disaggregated", ["r2", "adj_r2"]].tolist() == [0, 0]
    assert found.group_terms["df_extra"].tolist() == [0, 17, 18]
    assert not found.analyses["gets_wrong"].str.contains("says nothing of").any()
    assert "coefficients of Intercept have sd 29," in found.analyses.loc["per group", "gets_wrong"]


def test_groups_as_fixed_effects_of_lm(dataset: Callable[[str], pd.DataFrame]) -> None:
    """R 4.2.2: anova of lm(Reaction ~ Days), ~ Days + Subject, ~ Days * Subject; means by contr.sum in the last."""
    found = bx.pooling(bx.Model("Reaction ~ Days + (Days | Subject)", dataset("sleepstudy")))
    steps = found.group_terms
    assert steps["df"].tolist() == [178, 161, 144]
    assert_allclose(steps["rss"], [405251.6174805, 154633.5092075, 94311.5078984], rtol=1e-10)
    assert_allclose(steps["F"].iloc[1:], [22.50926580217, 5.41782064569], rtol=1e-9)
    assert_allclose(steps["p"].iloc[1:], [2.49468164838e-32, 3.27185116764e-09], rtol=1e-7)
    row = found.analyses.loc["fixed groups", ["sigma", "r2", "adj_r2", "F"]].astype(float)
    assert_allclose(row, [25.591815626725, 0.833945243515, 0.793584712424, 20.662395191250], rtol=1e-9)
    table = found.table.loc["fixed groups"]
    assert_allclose(table["estimate"], [251.4051048485, 10.4672859596], rtol=1e-9)
    assert_allclose(table["se"], [3.545359680913, 0.664106714819], rtol=1e-9)
    # Balanced: partial pooling has the estimates of the groups' means, and their standard errors.
    assert_allclose(
        found.table.loc["per group", ["estimate", "se"]], found.table.loc["partial (REML)", ["estimate", "se"]]
    )


@pytest.mark.parametrize(
    "formula",
    ["y ~ 0 + x + (1 | top)", "y ~ x + (0 + x | top)", "y ~ x + f + offset(z) + (x || top)", "y ~ 0 + f + (1 | top)"],
)
def test_models_of_other_shapes(formula: str, rng: np.random.Generator) -> None:
    """The rungs as one reads them: disaggregated is the fit without the bar, fixed groups those of NumPy."""
    frame = random_frame(rng)
    model = bx.Model(formula, frame)
    found = bx.pooling(model)
    plain = bx.Model(formula.split(" + (")[0], frame).reml()
    table = found.table.loc["disaggregated"].loc[list(model.design.fixed_names)]
    assert_allclose(table["estimate"], plain.fixed_effects(df="residual")["estimate"], rtol=1e-7)
    assert_allclose(table["se"], plain.fixed_effects(df="residual")["se"], rtol=1e-7)
    assert_allclose(found.analyses.loc["disaggregated", "sigma"], plain.sigma, rtol=1e-8)
    design = model.design
    level = design.levels[0]
    own = design.values[:, level.places]
    dummies = [own * (level.grouping.codes == g)[:, None] for g in range(len(level.grouping.labels))]
    whole = np.column_stack([design.fixed_values, *dummies])
    y = design.response - design.offset
    rest = y - whole @ np.linalg.lstsq(whole, y, rcond=1e-12)[0]
    row = found.analyses.loc["fixed groups"]
    assert row["parameters"] == np.linalg.matrix_rank(whole, tol=1e-8 * np.linalg.norm(whole))
    assert_allclose(row["sigma"] ** 2 * row["df"], rest @ rest, rtol=1e-7)


def test_bayes(dataset: Callable[[str], pd.DataFrame], rng: np.random.Generator) -> None:
    """Means and sds of the draws; group effects are not needed."""
    model = bx.Model("Reaction ~ Days + (Days | Subject)", dataset("sleepstudy"))
    post = fabricated(model, rng, keep=False, draws=50)
    found = bx.pooling(model, post, model.reml())
    assert found.analyses.index.tolist() == [*ANALYSES, "partial (Bayes)"]
    table = found.table.loc["partial (Bayes)"]
    assert_allclose(table["estimate"], post.parameters.beta.mean(axis=(0, 1)), rtol=1e-12)
    assert_allclose(table["se"], post.fixed_effects()["sd"], rtol=1e-12)
    sds = np.sqrt(np.einsum("cdaa->cda", post.parameters.covariances[0]))
    assert_allclose(table["sd"], sds.mean(axis=(0, 1)), rtol=1e-12)
    assert "Needs priors" in found.analyses.loc["partial (Bayes)", "gets_wrong"]
    assert "With 18 groups" in found.analyses.loc["partial (REML)", "gets_wrong"]


# Display and refusals


def test_shown(exam: PoolingLadder) -> None:
    text = repr(exam)
    assert "Groups   school 65, of 2 to 198 rows" in text
    assert "Without 48 (2 rows)" in text
    assert all(f"  {name}: " in text for name in exam.analyses.index)
    assert max(map(len, text.splitlines())) <= 120
    reader = read(exam._repr_html_())
    assert ("h4", "What each gets wrong") in reader.found


def test_groups_without_which_nothing_is_left(rng: np.random.Generator) -> None:
    """A predictor that varies in one group only: missing without that group, and no error."""
    frame = pd.DataFrame({"y": rng.normal(size=24), "g": np.repeat(list("abcd"), 6)})
    frame["x"] = np.where(frame["g"] == "a", rng.normal(size=24), 0.1)
    found = bx.pooling(bx.Model("y ~ x + (1 | g)", frame), leave_out="a")
    assert found.influence.loc["partial (REML)", "without"].isna().all()
    assert np.isnan(found.influence.loc[("disaggregated", "x"), "without"])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda model, fit: bx.pooling(fit), "pooling was given LikelihoodFit"),
        (lambda model, fit: bx.pooling(model, "48"), "given str beside the model"),
        (lambda model, fit: bx.pooling(model, fit), "The fit is of"),
        (lambda model, fit: bx.pooling(model, model.ml(), model.ml()), r"Two fits are partial \(ML\)"),
        (lambda model, fit: bx.pooling(model, leave_out="48b"), "Did you mean '48'"),
        (lambda model, fit: bx.pooling(model, leave_out=[]), "names 0 of 65 groups"),
        (lambda model, fit: bx.pooling(model, leave_out=[str(i) for i in range(1, 65)]), "names 64 of 65 groups"),
        (lambda model, fit: bx.pooling(model, group="48"), "no keyword 'group'"),
    ],
)
def test_wrong_use(
    call: Callable[[bx.Model, bx.LikelihoodFit], object],
    words: str,
    exam_model: bx.Model,
    hsb_reml: bx.LikelihoodFit,
) -> None:
    with pytest.raises(ArgumentError, match=words):
        call(exam_model, hsb_reml)


def test_models_without_a_ladder(hsb: pd.DataFrame, dataset: Callable[[str], pd.DataFrame]) -> None:
    with pytest.raises(ArgumentError, match="no levels"):
        bx.pooling(bx.Model("math ~ ses", hsb))
    with pytest.raises(ArgumentError, match="levels 'batch:cask', 'batch'"):
        bx.pooling(bx.Model("strength ~ 1 + (1 | batch/cask)", dataset("pastes")))
    with pytest.raises(ArgumentError, match="has weights"):
        bx.pooling(bx.Model("math ~ ses + (1 | school)", hsb.assign(w=2.0), weights="w"))


def test_tables_are_aligned_with_the_terms(exam: PoolingLadder) -> None:
    assert exam.table.index.names == ["analysis", "term"]
    assert_array_equal(exam.table.index.get_level_values("analysis").unique(), [*ANALYSES, "partial (ML)"])
    assert exam.table.columns.tolist() == ["estimate", "se", "t", "sd"]
