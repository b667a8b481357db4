"""Every style prints every kind of fit, as text and as HTML."""

import re
from collections.abc import Callable

import pytest

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.results.dialects.conventions import CONVENTIONS
from bayesmix.results.dialects.styles import printout
from bayesmix.tables import Sheet, Summary
from tests.markup import read

Fitted = Callable[[str, str], bx.LikelihoodFit]

KINDS = [
    "rows", "intercepts", "slopes", "three_effects", "three_levels", "four_levels", "double_bar", "labels",
    "labels_alone", "ordered", "crossed", "weights", "offset", "transforms", "contrasts", "slope_only", "no_fixed",
    "singular", "singular_matrix",
]  # fmt: skip


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", CONVENTIONS)
def test_every_style_prints_every_fit(style: str, kind: str, method: str, fitted: Fitted) -> None:
    fit = fitted(kind, method)
    text = fit.summary(style=style)
    assert isinstance(text, str)
    # Nothing of Python's own shows, and no number is missing without a sign of it.
    assert not re.search(r"\bnan\b|\bNone\b|array\(|\bdtype\b", str(text))
    assert f"those of this fit by {method}." in text
    page = printout(fit, style)
    sheets = [part for part in page.parts if isinstance(part, Sheet)]
    for sheet in sheets:
        assert all(len(row) in (0, len(sheet.head)) for row in sheet.rows)
        assert sheet.rows
    # Each number of the text is in the HTML.
    found = {cell.strip() for _, cell in read(text._repr_html_()).found}
    assert {cell.strip() for sheet in sheets for row in sheet.rows for cell in row if cell.strip()} <= found


@pytest.mark.parametrize("style", CONVENTIONS)
def test_labels_are_escaped(style: str, fitted: Fitted) -> None:
    html = fitted("labels", "REML").summary(style=style)._repr_html_()
    assert "<&>" not in html
    assert "low&lt;&amp;&gt;" in fitted("labels_alone", "REML").summary(style=style)._repr_html_() or style == "hlm"


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_layout(kind: str, fitted: Fitted) -> None:
    fit = fitted(kind, "REML")
    summary = fit.summary()
    assert isinstance(summary, Summary)
    assert str(summary) == repr(fit) == summary
    found = [cell for _, cell in read(summary._repr_html_()).found]
    assert fit.design.specification.formula in found
    assert f"{fit.sigma**2:.4f}" in found


@pytest.mark.parametrize(
    ("style", "kind", "words"),
    [
        ("hlm", "crossed", "HCM2"),
        ("hlm", "rows", "no model without a second level"),
        ("hlm", "double_bar", "printed as 0"),
        ("hlm", "three_levels", "HLM3 fits by full maximum likelihood"),
        ("stata", "crossed", "_all: R.varname"),
        ("stata", "weights", "no precision weights"),
        ("stata", "offset", "no offset"),
        ("stata", "slopes", "covariance(unstructured)"),
        ("sas", "labels", "last label as reference"),
        ("sas", "offset", "no offset"),
        ("sas", "singular", "On the boundary SAS prints 0"),
        ("spss", "weights", "REGWGT=weight"),
        ("spss", "ordered", "last label of a factor"),
        ("hlm", "four_levels", "HLM4 fits by full maximum likelihood"),
        ("sas", "three_effects", "not of full rank"),
        ("mlwin", "intercepts", "could not be checked"),
        ("mlwin", "crossed", "crossed levels by constraints"),
        ("lme4", "rows", "lm() does"),
        ("lme4", "singular", "boundary (singular) fit: see help('isSingular')"),
    ],
)
def test_what_a_program_would_not_do_is_said(style: str, kind: str, words: str, fitted: Fitted) -> None:
    assert words in fitted(kind, "REML").summary(style=style)


def test_rows_left_out_are_counted(fitted: Fitted) -> None:
    fit = fitted("intercepts", "REML")
    assert re.search(r"Number of Observations Not Used +6\n", fit.summary(style="sas"))
    assert "(394 of 400 cases in use)" in fit.summary(style="mlwin")


def test_capitals_do_not_matter(fitted: Fitted) -> None:
    fit = fitted("intercepts", "REML")
    assert fit.summary(style="SAS") == fit.summary(style="sas")


@pytest.mark.parametrize(("style", "near"), [("sass", "sas"), ("lmer", "lme4"), ("xtmixed", "stata"), ("spps", "spss")])
def test_an_unknown_style_is_answered(style: str, near: str, fitted: Fitted) -> None:
    with pytest.raises(ArgumentError, match="lme4, sas, spss, hlm, mlwin, stata") as error:
        fitted("intercepts", "REML").summary(style=style)
    assert error.value.remedy == f"Did you mean '{near}'?"


def test_wrong_use(fitted: Fitted) -> None:
    fit = fitted("intercepts", "REML")
    with pytest.raises(ArgumentError, match="Choose one of these"):
        fit.summary(style=3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="no keyword 'stile'"):
        fit.summary(stile="sas")


def test_polynomials_have_no_labels(fitted: Fitted) -> None:
    fit = fitted("transforms", "REML")
    assert "last label" not in fit.summary(style="spss") + fit.summary(style="sas")
    assert re.search(r"poly\(z, 2\) 1 +-1\.11", fit.summary(style="sas"))


def test_stata_names_factors_before_numbers(fitted: Fitted) -> None:
    assert "dose#c.x" in fitted("ordered", "REML").summary(style="stata")
    assert re.search(r"kind#c\.x +\|\n +mid +\|", fitted("rows", "REML").summary(style="stata"))


def test_what_is_not_known_of_sas_is_said() -> None:
    formula = "diameter ~ 1 + (1 | plate) + (1 | sample)"
    crossed = bx.Model(formula, bx.load_dataset("penicillin")).reml()
    nested = bx.Model("diameter ~ 1 + (1 | plate)", bx.load_dataset("penicillin")).reml()
    assert "for BIC could not be checked" in crossed.summary(style="sas")
    assert "for BIC could not be checked" not in nested.summary(style="sas")
