"""Slopes within and between groups, and their difference."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.fabricated import fabricated
from tests.frames import random_frame

SPLIT = "math ~ within(ses) + between(ses) + (1 | school)"

# One model in many spellings: all have the same two slopes.
SAME = [
    "math ~ ses + between(ses) + (1 | school)",
    "math ~ within(ses) + ses + (1 | school)",
    "math ~ ses + meanses + (1 | school)",
    "math ~ ses + cses + (1 | school)",
    "math ~ within(ses, school) + centre(between(ses, school)) + (1 | school)",
    "math ~ scale(within(ses)) + scale(between(ses)) + (1 | school)",
    "math ~ I(within(ses)) + centre(ses) + (1 | school)",
]


@pytest.fixture(scope="module")
def split(hsb: pd.DataFrame) -> pd.DataFrame:
    return bx.Model(SPLIT, hsb).reml().contextual_effect("ses")


def test_difference_of_the_two_coefficients(hsb: pd.DataFrame) -> None:
    """Coefficients, their errors, and that of their difference from the covariance matrix; the test is Wald's."""
    fit = bx.Model(SPLIT, hsb).reml()
    table = fit.contextual_effect("ses")
    fixed, V = fit.fixed_effects(), fit.vcov().to_numpy()
    assert_allclose(table.loc["within"], fixed.loc["within(ses)"], rtol=1e-10)
    assert_allclose(table.loc["between"], fixed.loc["between(ses)"], rtol=1e-10)
    assert_allclose(table.loc["contextual", "se"], np.sqrt(V[2, 2] + V[1, 1] - 2 * V[1, 2]), rtol=1e-10)
    test = bx.wald(fit, np.array([[0, -1, 1]])).table
    assert_allclose(table.loc["contextual"], test.iloc[0], rtol=1e-10)


@pytest.mark.parametrize("formula", SAME)
def test_spellings(formula: str, hsb: pd.DataFrame, split: pd.DataFrame) -> None:
    table = bx.Model(formula, hsb).reml().contextual_effect("ses")
    assert_allclose(table, split, rtol=1e-5)


def test_named_columns(hsb: pd.DataFrame, split: pd.DataFrame) -> None:
    fit = bx.Model("math ~ cses + meanses + (1 | school)", hsb).reml()
    assert_allclose(fit.contextual_effect(within="cses", between="meanses"), split, rtol=1e-5)
    small = fit.contextual_effect(within="cses", between="meanses", df="kenward-roger", prob=0.5)
    assert_allclose(small.loc["between", "df"], fit.fixed_effects(df="kenward-roger").loc["meanses", "df"], rtol=1e-10)
    wide, narrow = ((t["ci_high"] - t["ci_low"]).loc["contextual"] for t in (split, small))
    assert narrow < 0.4 * wide


def test_three_levels_by_hand(rng: np.random.Generator) -> None:
    """Groups within groups: the same slopes as from columns of means made by hand."""
    frame = random_frame(rng, 300)
    cell = [frame["top"], frame["inner"]]
    upper, lower = frame.groupby("top")["x"].transform("mean"), frame["x"].groupby(cell).transform("mean")
    hand = frame.assign(a=frame["x"] - lower, b=lower - upper, c=upper)
    bars = "(1 | top/inner)"
    beta = bx.Model(f"y ~ a + b + c + {bars}", hand).reml().fixed_effects()["estimate"]
    wanted = [beta["a"], beta["b"], beta["b"] - beta["a"], beta["b"], beta["c"], beta["c"] - beta["b"]]
    for terms in (
        "within(x, top, inner) + within(between(x, top, inner), top) + between(x, top)",
        "x + between(x, top, inner) + between(x, top)",
        "within(x, top, inner) + between(x, top, inner) + between(x, top)",
    ):
        table = bx.Model(f"y ~ {terms} + {bars}", frame).reml().contextual_effect("x")
        assert list(table.index.get_level_values("level").unique()) == ["top:inner", "top"]
        assert_allclose(table["estimate"], wanted, rtol=1e-5)
    one = bx.Model(f"y ~ {terms} + {bars}", frame).reml().contextual_effect("x", level="top")
    assert_allclose(one["estimate"], wanted[3:], rtol=1e-5)


def test_interactions_are_said(hsb: pd.DataFrame) -> None:
    table = bx.Model("math ~ ses*sector + between(ses) + (1 | school)", hsb).reml().contextual_effect("ses")
    assert table.attrs["note"] == "Slopes where the other parts of ses:sector[Catholic] are 0."


def test_posterior(hsb: pd.DataFrame, rng: np.random.Generator) -> None:
    """The difference draw by draw; group effects need not be kept."""
    post = fabricated(bx.Model("math ~ ses + between(ses) + (1 | school)", hsb), rng, draws=50, keep=False)
    table = post.contextual_effect("ses", prob=0.9)
    draws = post.parameters.beta.reshape(-1, 3)
    for name, slope in {"within": draws[:, 1], "between": draws[:, 1:].sum(axis=1), "contextual": draws[:, 2]}.items():
        wanted = [slope.mean(), slope.std(ddof=1), *np.quantile(slope, [0.05, 0.95])]
        assert_allclose(table.loc[name, ["mean", "sd", "ci_low", "ci_high"]], wanted, rtol=1e-10)
    with pytest.raises(ArgumentError, match="df") as caught:
        post.contextual_effect("ses", df="z")
    assert "model.reml()" in caught.value.remedy


def test_without_levels(hsb: pd.DataFrame) -> None:
    """Least squares, by numpy."""
    table = bx.Model("math ~ ses + between(ses, school)", hsb).reml().contextual_effect("ses")
    X = np.column_stack([np.ones(len(hsb)), hsb["ses"], hsb.groupby("school", observed=True)["ses"].transform("mean")])
    assert_allclose(table.loc["contextual", "estimate"], np.linalg.lstsq(X, hsb["math"])[0][2], rtol=1e-8)


MISTAKES: dict[str, tuple[str, Callable[[bx.LikelihoodFit], object], str, str]] = {
    "not split": ("math ~ ses + (1 | school)", lambda fit: fit.contextual_effect("ses"), "'ses'", "between(ses, "),
    "no between": ("math ~ within(ses) + (1 | school)", lambda fit: fit.contextual_effect("ses"), "'ses'", "between"),
    "square": ("math ~ I(ses^2) + ses + between(ses) + (1 | school)", lambda fit: fit.contextual_effect("ses"),
               "'I(ses^2)'", "within="),
    "misspelt": (SPLIT, lambda fit: fit.contextual_effect("sess"), "'sess'", "'ses'"),
    "categories": ("math ~ sector + (1 | school)", lambda fit: fit.contextual_effect("sector"), "'sector'", "another"),
    "number": (SPLIT, lambda fit: fit.contextual_effect(3), "3", "ses"),  # type: ignore[arg-type]
    "nothing": (SPLIT, lambda fit: fit.contextual_effect(), "None", "ses"),
    "one name": (SPLIT, lambda fit: fit.contextual_effect(within="within(ses)"), "one of within", "meanses"),
    "unknown name": (SPLIT, lambda fit: fit.contextual_effect(within="within(ses)", between="betwen(ses)"),
                     "'betwen(ses)'", "'between(ses)'"),
    "same names": (SPLIT, lambda fit: fit.contextual_effect(within="within(ses)", between="within(ses)"), "both",
                   "other"),
    "level": (SPLIT, lambda fit: fit.contextual_effect("ses", level="class"), "'class'", "Choose"),
    "df": (SPLIT, lambda fit: fit.contextual_effect("ses", df="satterthwait"), "'satterthwait'", "satterthwaite"),
    "prob": (SPLIT, lambda fit: fit.contextual_effect("ses", prob=95), "95", "0.95"),
    "keyword": (SPLIT, lambda fit: fit.contextual_effect("ses", levels="school"), "'levels'", "level="),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, hsb: pd.DataFrame) -> None:
    formula, act, found, remedy = MISTAKES[name]
    fit = bx.Model(formula, hsb[:600].assign(school=hsb["school"][:600].astype(str))).reml()
    with pytest.raises(ArgumentError) as caught:
        act(fit)
    assert found in caught.value.found and remedy in caught.value.remedy, caught.value


def test_splits_that_cross(rng: np.random.Generator) -> None:
    frame = random_frame(rng)
    fit = bx.Model("y ~ x + between(x, top) + between(x, f) + (1 | top)", frame).reml()
    with pytest.raises(ArgumentError, match="none of which lies within the other"):
        fit.contextual_effect("x")
