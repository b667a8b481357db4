"""Influence of groups with names: against refits without their rows, and what can not be left out."""

import signal
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixWarning
from bayesmix.inference import influence, long_work
from tests.bayes import Fits
from tests.dense import Dense
from tests.frames import dense_problem, random_frame
from tests.markup import read

FORMULA = "normexam ~ standLRT + (standLRT | school)"
PLATES = "diameter ~ 1 + (1 | plate) + (1 | sample)"


@pytest.fixture(scope="module")
def exam(dataset: Callable[[str], pd.DataFrame]) -> bx.LikelihoodFit:
    return bx.Model(FORMULA, dataset("exam")).reml()


def test_school_53(exam: bx.LikelihoodFit) -> None:
    """Change in the intercept without the school: -.01096 with the variances held, -.00869 estimated anew."""
    held = exam.influence()
    anew = exam.influence(refit=True, groups=["53"])
    assert_allclose(held.coefficients.loc[("53", "Intercept"), "change"], -0.01096, atol=5e-6)
    assert_allclose(anew.coefficients.loc[("53", "Intercept"), "change"], -0.00869, atol=5e-6)
    assert "variances held" in repr(held) and "variances held" in held.note
    assert "estimated anew" in repr(anew) and "estimated anew" in anew.note
    assert not held.refit and held.components is None
    assert anew.refit


def test_refitted_is_a_fit_without_the_rows(exam: bx.LikelihoodFit, dataset: Callable[[str], pd.DataFrame]) -> None:
    frame = dataset("exam")
    found = exam.influence(refit=True)
    assert found.components is not None
    whole = exam.variance_components()["estimate"]
    assert len(found.table) == 65
    for label in found.table.index:
        other = bx.Model(FORMULA, frame[frame["school"] != label]).reml()
        part = found.coefficients.loc[label]
        se = other.fixed_effects(df="z")["se"]
        assert_allclose((part["estimate"] - other.solution.beta) / se, 0.0, rtol=0, atol=1e-6)
        assert_allclose(part["se"], se, rtol=1e-5)
        assert_allclose(part["dfbetas"], (other.solution.beta - exam.solution.beta) / se, atol=1e-4)
        components = other.variance_components()["estimate"]
        assert_allclose(found.components.loc[label]["estimate"], components, rtol=1e-4, atol=1e-6)
        assert_allclose(found.components.loc[label]["change"], components - whole, atol=1e-5)
        change = part["change"].to_numpy()
        cook = change @ np.linalg.solve(exam.solution.vcov, change) / 2
        assert_allclose(found.table.loc[label, "cooks_distance"], cook, rtol=1e-6)


@pytest.mark.parametrize("level", ["top:inner", "top"])
def test_refitted_with_several_levels(level: str) -> None:
    frame = random_frame(np.random.default_rng(8), n=200)
    formula = "y ~ x + (1 | top/inner)"
    fit = bx.Model(formula, frame).ml()
    labels = fit.influence(level).table.index[:3]
    found = fit.influence(level, refit=True, groups=list(labels))
    names = frame["top"].astype(str) + ":" + frame["inner"].astype(str) if level == "top:inner" else frame["top"]
    for label in labels:
        other = bx.Model(formula, frame[names != label]).ml()
        assert_allclose(found.coefficients.loc[label, "estimate"], other.solution.beta, rtol=1e-5)
        components = other.variance_components()["estimate"].to_numpy()
        assert found.components is not None
        assert_allclose(found.components.loc[label]["estimate"], components, rtol=1e-3)
        assert found.table.loc[label, "n"] == (names == label).sum()


# The variances held: least squares of the rows that remain


def check_least_squares(fit: bx.LikelihoodFit, level: str, labels: Sequence[Any]) -> None:
    """Against V of the rows that remain, a block for each group of the highest level, one if some are crossed."""
    problem, covariances = dense_problem(fit)
    number = [own.name for own in fit.design.levels].index(level)
    codes = problem.codes[number]
    block = np.zeros(problem.n, int) if fit.design.crossed else problem.codes[-1]

    def sums(rows: np.ndarray) -> np.ndarray:
        weights = None if problem.weights is None else problem.weights[rows]
        part = Dense(
            problem.X[rows], problem.y[rows], tuple(c[rows] for c in problem.columns),
            tuple(c[rows] for c in problem.codes), weights,
        )  # fmt: skip
        W = np.column_stack([part.X, part.y])
        return np.asarray(part.X.T @ np.linalg.solve(part.variance(covariances, fit.sigma**2), W))

    own = np.array([sums(np.flatnonzero(block == b)) for b in range(block.max() + 1)])
    found = fit.influence(level, groups=list(labels))
    for label in labels:
        out = codes == fit.design.levels[number].grouping.labels.index(label)
        rest = own.sum(axis=0)
        for b in np.unique(block[out]):
            rest = rest - own[b] + sums(np.flatnonzero((block == b) & ~out))
        vcov = np.linalg.inv(rest[:, :-1])
        se, part = np.sqrt(np.diag(vcov)), found.coefficients.loc[label]
        assert_allclose(part["estimate"], vcov @ rest[:, -1], rtol=1e-8, atol=1e-8 * se.max())
        assert_allclose(part["se"], se, rtol=1e-8)
        assert_allclose(part["dfbetas"], (vcov @ rest[:, -1] - fit.solution.beta) / se, rtol=1e-6, atol=1e-8)
        assert found.table.loc[label, "n"] == out.sum()


def test_every_school(exam: bx.LikelihoodFit, hsb_reml: bx.LikelihoodFit) -> None:
    for fit in (exam, hsb_reml):
        check_least_squares(fit, "school", fit.design.levels[0].grouping.labels)


def test_children_within_schools(egsingle_reml: bx.LikelihoodFit) -> None:
    check_least_squares(egsingle_reml, "schoolid:childid", egsingle_reml.design.levels[0].grouping.labels[::150])


def test_pastes(pastes: Fits) -> None:
    for level in pastes.reml.design.levels:
        check_least_squares(pastes.reml, level.name, level.grouping.labels)


# Crossed levels


@pytest.fixture(scope="module")
def penicillin(dataset: Callable[[str], pd.DataFrame]) -> bx.LikelihoodFit:
    return bx.Model(PLATES, dataset("penicillin")).reml()


def test_plates_and_samples(penicillin: bx.LikelihoodFit) -> None:
    for level in penicillin.design.levels:
        check_least_squares(penicillin, level.name, level.grouping.labels)


def crossed_frame(seed: int, n: int = 150) -> pd.DataFrame:
    """Two nested groupings and one that crosses both; a predictor of large mean, weights."""
    rng = np.random.default_rng(seed)
    frame = random_frame(rng, n=n)
    judge = rng.integers(6, size=n)
    slopes = rng.normal(size=6)
    y = frame["y"] + 2 * rng.normal(size=6)[judge] + slopes[judge] * (frame["x"] - 20)
    return frame.assign(y=y, judge=[f"judge {j}" for j in judge], w=rng.uniform(0.3, 3, size=n))


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x + z + (x | top) + (x || judge)",
        "y ~ 0 + f + offset(z) + (1 | top/inner) + (x | judge)",
        "y ~ x + (1 | top/inner) + (0 + x | judge)",
    ],
)
def test_crossed_levels(formula: str, weights: str | None) -> None:
    fit = bx.Model(formula, crossed_frame(3), weights=weights).reml()
    assert fit.design.crossed
    for level in fit.design.levels:
        check_least_squares(fit, level.name, level.grouping.labels)


@pytest.mark.parametrize(
    ("formula", "weights"),
    [("y ~ x + (1 | top) + (x | judge)", "w"), ("y ~ f + offset(z) + (1 | top/inner) + (1 | judge)", None)],
)
def test_refitted_with_crossed_levels(formula: str, weights: str | None) -> None:
    """A model of the rows that remain; the response is not shifted, the labels of f are all there."""
    frame = crossed_frame(5)
    fit = bx.Model(formula, frame, weights=weights).reml()
    names = {"top": frame["top"], "judge": frame["judge"]}
    for level, rows in names.items():
        labels = sorted(rows.unique())[:2]
        found = fit.influence(level, refit=True, groups=labels)
        assert found.components is not None
        for label in labels:
            other = bx.Model(formula, frame[rows != label], weights=weights).reml()
            se = other.fixed_effects(df="z")["se"]
            part = found.coefficients.loc[label]
            assert_allclose(part["estimate"], other.solution.beta, rtol=0, atol=1e-6 * se.min())
            assert_allclose(part["se"], se, rtol=1e-6)
            components = other.variance_components()["estimate"]
            assert_allclose(found.components.loc[label]["estimate"], components, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("refit", [False, True])
def test_a_coefficient_that_vanishes_with_crossed_levels(refit: bool) -> None:
    """Only the rows of judge 2 have the label d."""
    frame = crossed_frame(7)
    own = frame["judge"] == "judge 2"
    frame.loc[own & (frame["x"] > frame["x"].median()), "f"] = "d"
    fit = bx.Model("y ~ f + x + (1 | top) + (1 | judge)", frame).reml()
    found = fit.influence("judge", refit=refit)
    assert "Without judge 'judge 2' the other rows do not determine 'f[d]'." in found.note
    assert found.note.count("Without") == 1
    assert found.table["cooks_distance"].isna().tolist() == [label == "judge 2" for label in found.table.index]
    others = fit.influence("top", refit=refit, groups=[1]).coefficients
    kept = bx.Model("y ~ f + x + (1 | top) + (1 | judge)", frame[frame["top"] != 1]).reml()
    assert others.loc[1].index.tolist() == list(fit.design.fixed_names) == list(kept.design.fixed_names)


@pytest.mark.parametrize("effects", ["1", "x", "0 + x"])
def test_a_crossed_level_of_which_one_group_would_be_left(effects: str) -> None:
    """The second judge has rows in group 2 of the other level only: each has something to lose without the other."""
    frame = crossed_frame(9)
    frame["judge"] = np.where((frame["top"] == 2) & (frame["x"] > 20), "second", "first")
    fit = bx.Model(f"y ~ x + (1 | top) + ({effects} | judge)", frame).reml()
    found = fit.influence("judge", refit=True)
    assert "Without judge 'second' level 'judge' would have one group." in found.note
    assert "Without judge 'first' level 'top' would have one group." in found.note
    found = fit.influence("top", refit=True, groups=[1, 2])
    assert "Without top 2 level 'judge' would have one group." in found.note
    assert found.note.count("Without") == 1
    assert np.isfinite(found.coefficients.loc[1, "estimate"]).all()
    assert found.coefficients.loc[2, "estimate"].isna().all()


def test_an_interrupt_keeps_what_is_finished(penicillin: bx.LikelihoodFit, monkeypatch: pytest.MonkeyPatch) -> None:
    work, calls = influence.refit, []

    def interrupted(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return work(*arguments)

    monkeypatch.setattr(influence, "refit", interrupted)
    with pytest.warns(BayesmixWarning, match="2 of 24 groups"):
        found = penicillin.influence("plate", refit=True, progress=False)
    assert found.table.index.tolist() == ["a", "b"]
    assert found.components is not None
    assert len(found.components) == 6
    calls.append(1)
    monkeypatch.setattr(long_work, "asked_to_stop", lambda: nullcontext(lambda: True))
    with pytest.raises(KeyboardInterrupt):
        penicillin.influence("plate")


def test_a_coefficient_that_vanishes_is_named() -> None:
    """Only the rows of group 2 have the label d: without them its coefficient has nothing to rest on."""
    frame = random_frame(np.random.default_rng(4))
    frame.loc[frame["top"] == 2, "f"] = ["d", "a"] * ((frame["top"] == 2).sum() // 2) + ["d"] * (
        (frame["top"] == 2).sum() % 2
    )
    fit = bx.Model("y ~ f + x + (1 | top)", frame).reml()
    for refit in (False, True):
        found = fit.influence(refit=refit)
        assert "Without top 2 the other rows do not determine 'f[d]'." in found.note
        assert found.note.count("Without") == 1
        assert found.table["cooks_distance"].isna().tolist() == [i == 2 for i in found.table.index]
        assert found.coefficients.loc[2, "estimate"].isna().all()
        assert "f[d]" in repr(found)


def test_a_level_of_which_one_group_would_be_left() -> None:
    frame = random_frame(np.random.default_rng(4), groups=2)
    fit = bx.Model("y ~ x + (1 | top/inner)", frame).reml()
    assert "would have one group" not in fit.influence("top").note
    found = fit.influence("top", refit=True)
    assert "Without top 0 level 'top' would have one group." in found.note
    assert found.coefficients["estimate"].isna().all()
    assert "would have" not in fit.influence("top:inner", refit=True).note


def test_wrong_input(exam: bx.LikelihoodFit, dyestuff: Fits, dataset: Callable[[str], pd.DataFrame]) -> None:
    with pytest.raises(ArgumentError, match="no level 'schol'"):
        exam.influence("schol")
    with pytest.raises(ArgumentError, match="no group 'nowhere'"):
        exam.influence(groups=["nowhere"])
    with pytest.raises(ArgumentError, match="Write groups="):
        exam.influence(groups="53")
    with pytest.raises(ArgumentError, match="empty"):
        exam.influence(groups=[])
    with pytest.raises(ArgumentError, match="refit='yes'"):
        exam.influence(refit="yes")
    with pytest.raises(ArgumentError, match="no keyword 'refited'"):
        exam.influence(refited=True)
    with pytest.raises(ArgumentError, match="no levels"):
        bx.Model("normexam ~ standLRT", dataset("exam")).reml().influence()
    with pytest.raises(ArgumentError, match="no fixed effects"):
        bx.Model("normexam ~ 0 + (1 | school)", dataset("exam")).reml().influence()
    with pytest.raises(AttributeError, match="for estimates"):
        dyestuff.post.influence()
    with pytest.raises(ArgumentError, match="progress=1"):
        exam.influence(progress=1)


def test_html(exam: bx.LikelihoodFit) -> None:
    page = read(exam.influence()._repr_html_())
    assert sum(tag == "th" and text == "53" for tag, text in page.found) == 1


def test_level_residuals(exam: bx.LikelihoodFit) -> None:
    table = exam.level_residuals()
    effects = exam.group_effects(variance="diagnostic")
    assert_allclose(table["residual"], effects["estimate"])
    assert_allclose(table["sd"], effects["sd"])
    assert_allclose(table["standardised"], effects["estimate"] / effects["sd"])
    far = table["mahalanobis"].unstack("effect")
    assert_allclose(far.iloc[:, 0], far.iloc[:, 1])
    with pytest.raises(ArgumentError, match="no keyword 'prob'"):
        exam.level_residuals(prob=0.9)


def test_an_effect_that_does_not_vary(dyestuff2: Fits) -> None:
    table = dyestuff2.reml.level_residuals()
    assert table["standardised"].isna().all()
    assert (table["mahalanobis"] == 0).all()


def test_without_fixed_effects_the_variances_are_shown() -> None:
    found = bx.Model("y ~ 0 + (1 | top)", random_frame(np.random.default_rng(1))).reml().influence(refit=True)
    assert found.components is not None
    change = found.components["change"].xs("var(Intercept)", level="parameter").droplevel("level")
    first = change.abs().idxmax()
    lines = repr(found).splitlines()
    assert "change in top var(Intercept)" in lines[5]
    assert lines[6].split()[0] == str(first) and f"{change[first]:.4f}" in lines[6]
