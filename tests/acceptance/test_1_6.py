"""Further reference values: growth, three levels, and what a fit explains.

Left to later, with families other than the normal: guImmun, guPrenat, Contraception, cbpp, grouseticks, epil2, Mmmec.
Data sets that are not shipped: Chem97, bdf, star, ScotsSec, Oxboys, Gcsemv.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from tests.printed import printed, run_textbook


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("sleepstudy", ["251.405", "10.4673", "612.090", "35.0717", "9.60433", "654.941", "1743.6283", "17.00"]),
        ("sleepstudy_uncorrelated", ["627.569", "35.8582", "653.584", "1743.6693"]),
        ("egsingle", ["-0.779160", "0.763125", "0.640474", "0.0112579", "0.0467871", "59.84", "55.34"]),
        ("egsingle", ["0.168558", "0.0112639", "0.0173396", "0.301433", "16336.7394"]),
        ("egsingle_null", ["0.324276", "0.570457", "1.52389"]),
        ("orthodont", ["16.3406", "0.784375", "-0.304830", "3.29863"]),
        ("orthodont_slopes", ["0.660185", "-2.14549", "-0.485029"]),
        ("pastes", ["60.0533", "8.43367", "1.65731"]),
        ("penicillin", ["22.9722", "0.716908", "3.73092"]),
        ("machines", ["52.3556", "13.9095", "22.8584"]),
        ("dyestuff", ["1527.50", "1764.05", "2451.25"]),
        ("dyestuff2", ["5.66560", "0.000000", "13.8063"]),
    ],
)
def test_the_command(name: str, numbers: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = run_textbook(name, capsys)
    assert [number for number in numbers if number not in out] == []


def test_sleepstudy_by_kenward_and_roger(dataset: Callable[[str], pd.DataFrame]) -> None:
    """6.824557 and 1.545789 at the optimum, on 17 degrees of freedom each."""
    fit = bx.Model("Reaction ~ Days + (Days | Subject)", dataset("sleepstudy")).reml()
    table = fit.fixed_effects(df="kenward-roger")
    assert printed(table["se"], 6) == ["6.824557", "1.545789"]
    assert_allclose(table["df"], 17, rtol=1e-6)
    assert printed(fit.fixed_effects()["df"], 2) == ["17.00", "17.00"]


def test_sleepstudy_in_closed_form(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Balanced: the covariance of the eighteen lines less that of sampling, (Z'Z)^-1 sigma^2.

    lme4's default search stops at 612.08975, 9.60434 and 654.94104; the optimum has 612.08994, 9.60433 and 654.94103.
    """
    frame = dataset("sleepstudy").sort_values(["Subject", "Days"])
    y, Z = frame["Reaction"].to_numpy().reshape(18, 10), np.column_stack([np.ones(10), np.arange(10)])
    lines = np.linalg.lstsq(Z, y.T, rcond=None)[0].T
    residual = ((y - lines @ Z.T) ** 2).sum() / (18 * 8)
    sigma = np.cov(lines.T) - residual * np.linalg.inv(Z.T @ Z)
    fit = bx.Model("Reaction ~ Days + (Days | Subject)", frame).reml()
    found = fit.variance_components()["estimate"].iloc[[0, 1, 2, 4]]
    assert_allclose(found, [sigma[0, 0], sigma[1, 1], sigma[0, 1], residual], rtol=1e-7)
    assert printed(found, 5) == ["612.08994", "35.07166", "9.60433", "654.94103"]
    assert printed(fit.criterion, 6) == ["1743.628272"]


def test_what_the_model_of_high_school_and_beyond_explains(hsb_reml: bx.LikelihoodFit) -> None:
    assert printed(hsb_reml.r2()["estimate"], 3) == ["0.077", "0.189"]
    assert printed(hsb_reml.icc()["estimate"], 3) == ["0.121"]


@pytest.mark.slow
def test_crossed_ratings(dataset: Callable[[str], pd.DataFrame]) -> None:
    """InstEval, 73,421 rows and three crossed levels: lme4 1.1-31 at the optimum."""
    fit = bx.Model("y ~ service + (1 | s) + (1 | d) + (1 | dept)", dataset("insteval")).reml()
    assert printed(fit.criterion, 4) == ["237733.8341"]
    assert_allclose(fit.variance_components()["estimate"], [0.105998, 0.265221, 0.006912, 1.386500], rtol=1e-4)
