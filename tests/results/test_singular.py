from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.frames import flat_frame


def line_frame() -> pd.DataFrame:
    """The same, but every group is turned around x = 103: intercept and slope have one source."""
    frame = flat_frame()
    turn = np.random.default_rng(4).normal(size=10)
    return frame.assign(y=frame["y"] + turn[frame["g"]] * (frame["x"] - 103))


def test_one_turning_point() -> None:
    """Var(u0 + 103 u1) = 0; relative to the larger of the two in centred columns, u0 / 103 + u1."""
    report = bx.Model("y ~ x + (x | g)", line_frame()).reml().singular_report()
    assert report.singular
    assert report.directions == (("g", "Intercept + 103 x"),) or report.directions == (("g", "0.00971 Intercept + x"),)
    assert report.table["share"].tolist() == pytest.approx([1.0, 0.0], abs=1e-6)
    assert any("(x || g)" in line and "(x | g)" in line for line in report.advice)
    assert "Without x: (1 | g) at g." in report.advice
    assert "sample()" in report.advice[-1]


def test_table_is_that_of_rePCA(hsb_reml: bx.LikelihoodFit) -> None:  # noqa: N802
    """sd = sigma times the singular values of Lambda; shares add to 1."""
    report = hsb_reml.singular_report()
    assert not report.singular
    assert report.directions == report.advice == ()
    values = np.linalg.eigvalsh(hsb_reml.covariances()["school"])[::-1]
    assert_allclose(report.table["sd"] ** 2, values, rtol=1e-9)
    assert_allclose(report.table["relative_sd"] * hsb_reml.sigma, report.table["sd"], rtol=1e-14)
    assert_allclose(report.table["share"], values / values.sum(), rtol=1e-9)
    text = repr(report)
    assert "not singular" in text
    assert "Intercept" in text
    assert "What to try" not in text


def test_nothing_varies() -> None:
    report = bx.Model("y ~ x + (x || g)", flat_frame()).reml().singular_report()
    assert set(report.directions) == {("g", "Intercept"), ("g", "x")}
    assert "x does not vary between the groups of g." in report.advice
    assert "Without x: (1 | g) at g." in report.advice
    assert not any("correlation" in line for line in report.advice[:-1])


def test_a_single_intercept(dataset: Callable[[str], pd.DataFrame]) -> None:
    fit = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2")).reml()
    report = fit.singular_report()
    assert report.directions == (("Batch", "Intercept"),)
    assert report.advice[:2] == (
        "Intercept does not vary between the groups of Batch.",
        "Without Intercept: no bar over Batch.",
    )
    text = repr(report)
    assert "Batch: no variance of Intercept" in text
    assert "What to try" in text
    assert ".singular_report()" in fit.summary()


def test_a_factor_is_not_split_by_double_bars(dataset: Callable[[str], pd.DataFrame]) -> None:
    report = bx.Model("normexam ~ standLRT + sex + (sex | school)", dataset("exam")).reml().singular_report()
    ((level, direction),) = report.directions
    assert level == "school"
    assert direction.endswith("Intercept + sex[M]")
    assert not any("||" in line for line in report.advice)


def test_without_levels(hsb: pd.DataFrame) -> None:
    with pytest.raises(ArgumentError, match="no levels"):
        bx.Model("math ~ ses", hsb).reml().singular_report()
