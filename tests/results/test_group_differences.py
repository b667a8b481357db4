"""Differences of groups: from the draws, and against the joint covariance of all effects by dense algebra."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests import dense
from tests.bayes import Fits
from tests.frames import dense_problem


def test_posterior(hsb_fits: Fits) -> None:
    """Draw by draw; every pair of three schools, for the intercept and at a value of ses."""
    posterior = hsb_fits.post.idata["posterior"]
    schools = ["8367", "1224", "1288"]

    def at(school: str, ses: float) -> np.ndarray:
        draws = [posterior[name].sel(school__factor_dim=school).to_numpy() for name in ("1|school", "ses|school")]
        return draws[0] + ses * draws[1]

    asked: list[tuple[dict[str, Any], float]] = [({}, 0.0), ({"at": {"ses": 0.7}}, 0.7)]
    for keywords, ses in asked:
        table = hsb_fits.post.group_differences(schools, prob=0.9, **keywords)
        assert list(table.index) == [("8367", "1224"), ("8367", "1288"), ("1224", "1288")]
        assert table.index.names == ["group", "other"]
        assert list(table.columns) == ["mean", "sd", "ci_low", "ci_high", "prob_greater"]
        for (group, other), row in table.iterrows():
            gap = at(group, ses) - at(other, ses)
            expected = [gap.mean(), gap.std(ddof=1), *np.quantile(gap, [0.05, 0.95]), (gap > 0).mean()]
            assert_allclose(row, expected, rtol=1e-9)


def test_estimates_and_posterior_agree(hsb_fits: Fits) -> None:
    schools = ["8367", "1224", "1288", "3427"]
    post, reml = (fit.group_differences(schools) for fit in (hsb_fits.post, hsb_fits.reml))
    assert_allclose(post["mean"], reml["estimate"], atol=0.15 * reml["se"].max())
    assert_allclose(post["sd"], reml["se"], rtol=0.05)
    assert_allclose(post["prob_greater"], stats.norm.cdf(reml["estimate"] / reml["se"]), atol=0.03)


def test_errors_of_a_difference(sleepstudy: Fits) -> None:
    """The covariance of the two, through the estimated fixed effects, is counted."""
    fit = sleepstudy.reml
    problem, covariances = dense_problem(fit)
    joint = dense.effects_posterior(problem, covariances, fit.sigma**2, dense.Flat())
    labels = list(fit.design.levels[0].grouping.labels)
    table = fit.group_differences(labels[:5], effect="Days", prob=0.8)
    assert list(table.columns) == ["estimate", "se", "ci_low", "ci_high"]
    for (group, other), row in table.iterrows():
        contrast = np.zeros(len(joint.mean))
        contrast[2 + 2 * labels.index(group) + 1] = 1.0
        contrast[2 + 2 * labels.index(other) + 1] = -1.0
        error = np.sqrt(contrast @ joint.covariance @ contrast)
        estimate = contrast @ joint.mean
        half = stats.norm.ppf(0.9) * error
        assert_allclose(row, [estimate, error, estimate - half, estimate + half], rtol=1e-6)


def test_labels(pastes: Fits, hsb_fits: Fits, dataset: Callable[[str], pd.DataFrame]) -> None:
    """As they are, as text, as numbers, and the cells of a nested grouping as a tuple."""
    fit = pastes.reml
    named = fit.group_differences(["A:a", "A:b"], "batch:cask")
    pd.testing.assert_frame_equal(named, fit.group_differences([("A", "a"), ("A", "b")], "batch:cask"))
    pd.testing.assert_frame_equal(
        hsb_fits.post.group_differences(["1224", "1288"]), hsb_fits.post.group_differences(np.array([1224, 1288]))
    )
    frame = dataset("exam")
    exam = bx.Model("normexam ~ 1 + (1 | school)", frame.assign(school=frame["school"].astype(int))).reml()
    assert list(exam.group_differences([3, "5", np.int64(7)]).index) == [(3, 5), (3, 7), (5, 7)]


def test_no_variance(dyestuff2: Fits) -> None:
    table = dyestuff2.reml.group_differences(["A", "B"])
    assert_allclose(table, 0.0, atol=1e-9)


def test_wrong_use(dyestuff: Fits, hsb_fits: Fits, hsb: pd.DataFrame) -> None:
    post = dyestuff.post
    example = r"Write group_differences\(\['A', 'B'\]\)"
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: post.group_differences("A"), example),
        (lambda: post.group_differences(7), example),
        (lambda: post.group_differences(None), example),
        (lambda: post.group_differences([]), "names 0 group"),
        (lambda: post.group_differences(["A"]), "names 1 group"),
        (lambda: post.group_differences(["A", "A"]), "names 'A' twice"),
        (lambda: post.group_differences(["A", "G"]), "no group 'G'"),
        (lambda: post.group_differences(["A", np.nan]), "no group nan"),
        (lambda: post.group_differences(["A", ["B"]]), r"no group \['B'\]"),
        (lambda: hsb_fits.reml.group_differences(["1224", "12888"]), "Did you mean '1288'"),
        (lambda: hsb_fits.post.group_differences([1224, 12888]), "Did you mean '1288'"),
        (lambda: post.group_differences(["A", "B"], prob=2), "prob=2"),
        (lambda: post.group_differences(["A", "B"], efect="Intercept"), "Write effect='Intercept'"),
        (lambda: bx.Model("math ~ ses", hsb).reml().group_differences(["1224", "1288"]), "no levels"),
    ]
    for call, said in cases:
        with pytest.raises(ArgumentError, match=said):
            call()
