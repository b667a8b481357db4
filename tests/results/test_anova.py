"""Analysis-of-variance tables: against regressions of nested models, refits under other codings, and lmerTest."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.results.term_hypotheses import averaged, fixed_terms
from tests.frames import random_frame

FACTORS = {"f": ["a", "b", "c"], "g": ["u", "v"]}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Unbalanced, a factor of three and one of two labels, and the columns of their sum-to-zero coding."""
    rng = np.random.default_rng(4)
    found = random_frame(rng, n=160, groups=9)
    found["g"] = np.where(rng.random(160) < 0.3, "v", "u")
    for name, labels in FACTORS.items():
        for label in labels[1:]:
            found[f"{name}_{label}"] = 1.0 * (found[name] == label) - 1.0 * (found[name] == labels[0])
    return found


def sum_coded(formula: str) -> dict[str, list[str]]:
    """Each term of a formula as the products of sum-to-zero columns that make it up."""
    terms: dict[str, list[str]] = {}
    for term in formula.split(" + "):
        products = [""]
        for factor in term.split(":"):
            columns = [f"{factor}_{label}" for label in FACTORS[factor][1:]] if factor in FACTORS else [factor]
            products = [f"{start}:{column}".strip(":") for start in products for column in columns]
        terms[term] = products
    return terms


FIXED = [
    "f + g",
    "f + g + f:g",
    "x + f + x:f",
    "x + z + f + g + x:z + x:f + f:g",
    "x + f + g + x:f + x:g + f:g + x:f:g",
]


@pytest.mark.parametrize("fixed", FIXED)
@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_type_three_is_sum_to_zero_coding(fixed: str, df: str, frame: pd.DataFrame) -> None:
    """A refit with sum-to-zero columns, and a Wald test of those of each term."""
    fit = bx.Model(f"y ~ {fixed} + (1 | top)", frame).reml()
    terms = sum_coded(fixed)
    other = bx.Model(f"y ~ {' + '.join(c for part in terms.values() for c in part)} + (1 | top)", frame).reml()
    table = fit.anova(df=df)
    assert set(table.index) == set(terms)
    for term, columns in terms.items():
        expected = bx.wald(other, [f"{column} = 0" for column in columns], df=df)
        row = table.loc[term]
        assert row["num_df"] == expected.num_df
        assert_allclose(row["F"], expected.statistic, rtol=1e-6)
        # Fai and Cornelius' df depend on the basis a hypothesis is written in, when there are several.
        exact = df == "kenward-roger" or expected.num_df == 1
        assert_allclose(row["den_df"], expected.den_df, rtol=1e-5 if exact else 0.02)
        assert_allclose(row["p"], stats.f.sf(row["F"], row["num_df"], row["den_df"]))


def residual_squares(frame: pd.DataFrame, fixed: list[str]) -> float:
    found = bx.Model(f"y ~ {' + '.join(['1', *fixed])}", frame).reml()
    return found.sigma**2 * (len(frame) - found.products.n_fixed)


TERMS = ["x", "f", "g", "x:f", "f:g"]


def test_type_one_of_least_squares(frame: pd.DataFrame) -> None:
    """Sums of squares by which the residual falls, term after term; they add up."""
    table = bx.Model(f"y ~ {' + '.join(TERMS)}", frame).reml().anova(type=1)
    assert list(table.index) == TERMS
    for place, term in enumerate(TERMS):
        expected = residual_squares(frame, TERMS[:place]) - residual_squares(frame, TERMS[: place + 1])
        assert_allclose(table.loc[term, "sum_sq"], expected, rtol=1e-8)


def test_type_two_of_least_squares(frame: pd.DataFrame) -> None:
    """Each after all terms that do not contain it, which are those with more factors and the same numbers."""
    containing = {"x": ["x:f"], "f": ["f:g"], "g": ["f:g"], "x:f": [], "f:g": []}
    fit = bx.Model(f"y ~ {' + '.join(TERMS)}", frame).reml()
    table = fit.anova(type=2)
    for term in TERMS:
        rest = [other for other in TERMS if other != term and other not in containing[term]]
        expected = residual_squares(frame, rest) - residual_squares(frame, [*rest, term])
        assert_allclose(table.loc[term, "sum_sq"], expected, rtol=1e-8)
        assert_allclose(table.loc[term, "mean_sq"] * table.loc[term, "num_df"], expected, rtol=1e-8)
        assert_allclose(table.loc[term, "F"], table.loc[term, "mean_sq"] / fit.sigma**2)
    assert (table["den_df"] == fit.design.n - fit.products.n_fixed).all()


def test_numbers_contain_nothing(hsb: pd.DataFrame) -> None:
    """lmerTest: the slope of a number in the product of two numbers is where the other is 0, by types II and III."""
    fit = bx.Model("math ~ meanses * cses + sector * cses + (cses | school)", hsb).reml()
    one = bx.wald(fit, "meanses = 0")
    for type in (2, 3):
        row = fit.anova(type=type).loc["meanses"]
        assert_allclose(row[["F", "den_df"]].tolist(), [one.statistic, one.den_df], rtol=1e-8)
    assert_allclose(fit.anova().loc["cses", ["F", "den_df"]].tolist(), [357.57, 144.95], atol=0.005)


def test_without_an_intercept_a_factor_is_all_its_means(frame: pd.DataFrame) -> None:
    fit = bx.Model("y ~ 0 + f + z + (1 | top)", frame).reml()
    table = fit.anova()
    assert list(table.index) == ["f", "z"]
    expected = bx.wald(fit, "f[a] = f[b] = f[c] = 0")
    assert_allclose(table.loc["f", ["F", "den_df"]].tolist(), [expected.statistic, expected.den_df], rtol=1e-8)


def test_an_interaction_alone_holds_its_margins(frame: pd.DataFrame) -> None:
    """Slopes by label without a common slope: all of them 0."""
    fit = bx.Model("y ~ f + x:f + (1 | top)", frame).reml()
    expected = bx.wald(fit, "f[a]:x = f[b]:x = f[c]:x = 0", df="kenward-roger")
    row = fit.anova(df="kenward-roger").loc["x:f" if "x:f" in fit.anova().index else "f:x"]
    assert row["num_df"] == 3
    assert_allclose(row["F"], expected.statistic, rtol=1e-8)


def test_contrasts_are_written_to_the_first_label(frame: pd.DataFrame) -> None:
    """As lmerTest's: differences to the reference, averaged over the labels of the other factor."""
    design = bx.Model("y ~ f * g + (1 | top)", frame).design
    assert design.fixed_names == ("Intercept", "f[b]", "f[c]", "g[v]", "f[b]:g[v]", "f[c]:g[v]")
    found = averaged(design, fixed_terms(design))
    assert_allclose(found["f"], [[0, 1, 0, 0, 0.5, 0], [0, 0, 1, 0, 0, 0.5]], atol=1e-12)
    assert_allclose(found["g"], [[0, 0, 0, 1, 1 / 3, 1 / 3]], atol=1e-12)
    assert_allclose(found["f:g"], np.eye(6)[4:], atol=1e-12)


def test_one_term_is_taken_in_sequence(frame: pd.DataFrame) -> None:
    """Nothing to average over: lmerTest then writes the hypothesis by sweeping, which moves the df a little."""
    fit = bx.Model("y ~ f + (f | top)", frame).reml()
    pd.testing.assert_frame_equal(fit.anova(), fit.anova(type=1))
    X = fit.design.fixed_values
    upper = np.linalg.cholesky(X.T @ X).T
    L = (upper / np.diag(upper)[:, None])[1:]
    expected = bx.wald(fit, L)
    assert_allclose(fit.anova().loc["f", ["F", "den_df"]].tolist(), [expected.statistic, expected.den_df], rtol=1e-7)


def test_empty_cells(frame: pd.DataFrame) -> None:
    """What is left can be tested, and a note says that it is not the whole."""
    held = frame[(frame["f"] != "c") | (frame["g"] == "u")]
    with pytest.warns(bx.BayesmixWarning, match="linear combination"):
        model = bx.Model("y ~ f * g + (1 | top)", held)
    table = model.reml().anova()
    assert list(table["num_df"]) == [2, 1, 1]
    assert np.isfinite(table.to_numpy()).all()
    assert "aliased" in table.attrs["note"]


def test_shape(hsb_reml: bx.LikelihoodFit, dataset: Callable[[str], pd.DataFrame]) -> None:
    """The slide's 15126 and 410.7."""
    table = hsb_reml.anova()
    assert list(table.columns) == ["sum_sq", "mean_sq", "num_df", "den_df", "F", "p"]
    assert table.index.name == "term"
    assert list(table.index) == ["ses"]
    assert_allclose(table.loc["ses", "sum_sq"], 15126, atol=0.5)
    assert_allclose(table.loc["ses", "F"], 410.7, atol=0.05)
    assert "sum-to-zero" in table.attrs["note"]
    assert "Satterthwaite" in table.attrs["note"]
    empty = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff")).reml().anova()
    assert empty.empty
    assert list(empty.columns) == list(table.columns)


@pytest.mark.parametrize("df", ["containment", "hlm", "between-within", "residual"])
def test_counted_denominators(df: str, hsb_reml: bx.LikelihoodFit) -> None:
    row = hsb_reml.anova(df=df).loc["ses"]
    assert_allclose(row["den_df"], hsb_reml.fixed_effects(df=df).loc["ses", "df"])


def test_refusals(hsb_reml: bx.LikelihoodFit, hsb_model: bx.Model) -> None:
    for wrong in (4, "III", True, 2.5):
        with pytest.raises(ArgumentError, match="Expected 1, 2 or 3"):
            hsb_reml.anova(type=wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="df='z' is not offered"):
        hsb_reml.anova(df="z")
    with pytest.raises(ArgumentError, match="fit by ML"):
        hsb_model.ml().anova(df="kenward-roger")
    with pytest.raises(ArgumentError, match="no keyword 'ddf'"):
        hsb_reml.anova(ddf="satterthwaite")
