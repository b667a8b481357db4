"""Influence of groups with names: against refits without their rows, and what can not be left out."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.bayes import Fits
from tests.frames import random_frame
from tests.markup import read

FORMULA = "normexam ~ standLRT + (standLRT | school)"


@pytest.fixture(scope="module")
def exam(dataset: Callable[[str], pd.DataFrame]) -> bx.LikelihoodFit:
    return bx.Model(FORMULA, dataset("exam")).reml()


@pytest.fixture(scope="module")
def sleepstudy_reml(dataset: Callable[[str], pd.DataFrame]) -> bx.LikelihoodFit:
    return bx.Model("Reaction ~ Days + (Days | Subject)", dataset("sleepstudy")).reml()


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
    for label in frame["school"].unique()[::5]:
        other = bx.Model(FORMULA, frame[frame["school"] != label]).reml()
        part = found.coefficients.loc[label]
        se = other.fixed_effects(df="z")["se"]
        assert_allclose(part["estimate"], other.solution.beta, atol=1e-6 * se.max())
        assert_allclose(part["se"], se, rtol=1e-5)
        assert_allclose(part["dfbetas"], (other.solution.beta - exam.solution.beta) / se, atol=1e-4)
        components = other.variance_components()["estimate"]
        assert_allclose(found.components.loc[label]["estimate"], components, rtol=1e-4, atol=1e-6)
        assert_allclose(found.components.loc[label]["change"], components - whole, atol=1e-5)
        change = part["change"].to_numpy()
        cook = change @ np.linalg.solve(exam.solution.vcov, change) / 2
        assert_allclose(found.table.loc[label, "cooks_distance"], cook, rtol=1e-6)


def test_as_lme4(sleepstudy_reml: bx.LikelihoodFit) -> None:
    """influence(), dfbeta(), dfbetas() and cooks.distance() of lme4 1.1-31, which multiplies the last by (J - p)/J."""
    found = sleepstudy_reml.influence(refit=True, groups=["308", "309", "310"])
    change = [[0.42426093, -0.66455391], [2.72647996, 0.48267650], [2.81887526, 0.25602277]]
    dfbetas = [[0.058724853, -0.44892746], [0.410876392, 0.30988975], [0.427614176, 0.15834352]]
    assert_allclose(found.coefficients["change"].unstack("term", sort=False), change, rtol=1e-5)
    assert_allclose(found.coefficients["dfbetas"].unstack("term", sort=False), dfbetas, rtol=1e-4)
    assert_allclose(found.table["cooks_distance"] * 16 / 18, [0.08214848, 0.13202204, 0.09824188], rtol=1e-4)


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
    with pytest.raises(ArgumentError, match="crossed"):
        bx.Model("diameter ~ 1 + (1 | plate) + (1 | sample)", dataset("penicillin")).reml().influence("plate")


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
