"""Level equations and the formulas that they are."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bayesmix as bx
from bayesmix.errors import BayesmixError, DesignError, FormulaError
from bayesmix.specification import Specification, parse_formula
from bayesmix.specification.levels import LevelEquations

GROWTH = {
    "child": {"Intercept": "TX", "t": "TX"},
    "school": {"Intercept": "", "t": "", "TX": "", "t:TX": ""},
}

# Equation, levels, options, and lme4's formula, by substitution by hand.
MODELS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("y ~ 1", {"g": {"Intercept": ""}}, {}, "y ~ 1 + (1 | g)"),
    ("y ~ x", {"g": {"Intercept": ""}}, {}, "y ~ x + (1 | g)"),
    ("y ~ x", {"g": {"Intercept": "", "x": ""}}, {}, "y ~ x + (x | g)"),
    ("y ~ x", {"g": {"x": ""}}, {}, "y ~ x + (0 + x | g)"),
    ("y ~ 0 + x", {"g": {"x": "m"}}, {}, "y ~ 0 + x + x:m + (0 + x | g)"),
    ("y ~ x", {"g": {"Intercept": "m + s", "x": "s"}}, {}, "y ~ x + m + s + x:s + (x | g)"),
    ("y ~ x", {"g": {"Intercept": "m*s", "x": ""}}, {"fixed": ["x"]}, "y ~ x + m + s + m:s + (1 | g)"),
    ("y ~ x", {"g": {"(Intercept)": "m", "x": "m"}}, {"fixed": {"g": ["Intercept"]}}, "y ~ x + m + x:m + (0 + x | g)"),
    ("y ~ x", {"g": {"1": "", "x": "0 + m"}}, {}, "y ~ x:m + (x | g)"),
    ("y ~ x", {"g": {"Intercept": "0", "x": ""}}, {}, "y ~ 0 + x + (x | g)"),
    ("y ~ x * z", {"g": {"z:x": "m"}}, {},
     "y ~ x + z + x:z + x:z:m + (0 + x:z | g)"),
    ("y ~ x", {"g": {"Intercept": "", "x": ""}}, {"correlated": False}, "y ~ x + (x || g)"),
    ("y ~ x + z", {"g": {"Intercept": "", "x": "", "z": ""}}, {"correlated": [["x", "Intercept"], ["z"]]},
     "y ~ x + z + (x | g) + (0 + z | g)"),
    ("y ~ t", GROWTH, {}, "y ~ t*TX + (t | school:child) + (t*TX | school)"),
    ("y ~ t", GROWTH, {"nested": False}, "y ~ t*TX + (t | child) + (t*TX | school)"),
    ("y ~ t", GROWTH, {"correlated": {"child": False}, "nested": {"child": False}, "fixed": {"school": ["t", "t:TX"]}},
     "y ~ t*TX + (t || child) + (TX | school)"),
    ("y ~ t", {"c": {"Intercept": ""}, "s": {"t": "", "Intercept": "w"}, "d": {"w": ""}}, {},
     "y ~ t + w + (1 | d:s:c) + (t | d:s) + (0 + w | d)"),
    ("y ~ x", {"school:class": {"Intercept": ""}, "school": {"Intercept": ""}}, {},
     "y ~ x + (1 | school:class) + (1 | school)"),
    ("log(y) ~ `a b` + offset(log(e))", {"my school": {"`a b`": "`m m`"}}, {},
     "log(y) ~ `a b` + `m m`:`a b` + offset(log(e)) + (0 + `a b` | `my school`)"),
    ("y ~ within(x) + between(x)", {"g": {"Intercept": "", "within(x)": "scale(m)"}}, {},
     "y ~ within(x) + between(x) + within(x):scale(m) + (within(x) | g)"),
    ("y ~ x", {"g": {"Intercept": "`u0j`"}}, {}, "y ~ x + u0j + (1 | g)"),
]  # fmt: skip


def parts(specification: Specification) -> tuple[Any, ...]:
    """A specification with its terms as sets, products in any order."""
    products = lambda terms: {frozenset(term.factors) for term in terms}  # noqa: E731
    bars = [(frozenset(products(bar.effects)), bar.grouping, bar.correlated) for bar in specification.groups]
    return specification.response, products(specification.fixed), specification.offsets, bars


@pytest.mark.parametrize(("equation", "levels", "options", "formula"), MODELS)
def test_substitution(equation: str, levels: dict[str, Any], options: dict[str, Any], formula: str) -> None:
    """The terms of lme4's formula; and a specification that its own formula says."""
    found = bx.levels(equation, levels, **options)
    assert parts(found) == parts(parse_formula(formula))
    assert found == parse_formula(found.formula)
    assert repr(found) == repr(parse_formula(found.formula))


def test_growth_model_is_the_formula() -> None:
    """Every part in the order of the formula, not only the same sets."""
    found, formula = bx.levels("y ~ t", GROWTH), parse_formula("y ~ t*TX + (t | school:child) + (t*TX | school)")
    assert (found.fixed, found.groups) == (formula.fixed, formula.groups)


def test_short_form() -> None:
    short = bx.levels("y ~ x", g={"Intercept": "m"}, h={"Intercept": ""})
    assert short == bx.levels("y ~ x", {"g": {"Intercept": "m"}, "h": {"Intercept": ""}})


def test_what_the_data_must_keep() -> None:
    """Predictors with the groups within which they may not vary; no part of comparisons."""
    found = bx.levels("y ~ t", GROWTH | {"school": {"Intercept": "size"}})
    said = [(one.factor.text, one.grouping, one.level, one.coefficient) for one in found.level_predictors]
    assert said == [
        ("TX", ("school", "child"), "child", "Intercept"),
        ("TX", ("school", "child"), "child", "t"),
        ("size", ("school",), "school", "Intercept"),
    ]


Mistake = tuple[Callable[[], Any], list[str], list[str]]
MISTAKES: dict[str, Mistake] = {
    # What the user did, words of .found, words of .remedy.
    "unknown coefficient": (
        lambda: bx.levels("y ~ ses", g={"Intercept": "", "sess": ""}), ["'g'", "'sess'"], ["'ses'"]),
    "coefficient of a higher level": (
        lambda: bx.levels("y ~ t", {"c": {"TX": ""}, "s": {"Intercept": "TX"}}), ["'c'", "'TX'"], ["below"]),
    "two coefficients": (lambda: bx.levels("y ~ a + b", g={"a + b": ""}), ["'a + b'"], ["each"]),
    "same coefficient twice": (lambda: bx.levels("y ~ a*b", g={"a:b": "", "b:a": ""}), ["two", "'a:b'"], ["'+'"]),
    "intercept twice": (lambda: bx.levels("y ~ a", g={"1": "", "Intercept": ""}), ["two", "'Intercept'"], ["'+'"]),
    "same term twice": (
        lambda: bx.levels("y ~ a + m", g={"Intercept": "m"}), ["'m'", "twice", "rows", "'Intercept'"], ["two"]),
    "interaction twice": (lambda: bx.levels("y ~ a*m", g={"a": "m"}), ["'a:m'", "twice"], ["one of the two"]),
    "own slope": (lambda: bx.levels("y ~ a", g={"a": "a"}), ["'a'", "own slope"], ["I(x^2)"]),
    "response": (lambda: bx.levels("y ~ a", g={"a": "y"}), ["'a'", "'g'", "response 'y' at position 1"], ["Remove"]),
    "residual": (lambda: bx.levels("y ~ a", g={"a": "m + u1j"}), ["'u1j' at position 5"], ["`u1j`"]),
    "residual of rows": (lambda: bx.levels("y ~ a + e_ij", g={"a": ""}), ["rows", "'e_ij' at position 9"], ["`e_ij`"]),
    "bar in an equation": (lambda: bx.levels("y ~ a", g={"a": "(1 | g)"}), ["'|' at position 4"], ["bar"]),
    "bar in the first": (lambda: bx.levels("y ~ a + (1 | g)", g={"a": ""}), ["'|' at position 12"], ["Model"]),
    "tilde": (lambda: bx.levels("y ~ a", g={"a": "a ~ m"}), ["'~' at position 3"], ["left"]),
    "incomplete": (lambda: bx.levels("y ~ a", g={"a": "m +"}), ["'a' at level 'g'", "'+' at position 3"], ["missing"]),
    "code": (lambda: bx.levels("y ~ a", g={"a": "eval(m)"}), ["'eval' at position 1"], ["column"]),
    "offset above": (lambda: bx.levels("y ~ a", g={"a": "offset(m)"}), ["'offset(m)'"], ["offset"]),
    "number for an equation": (lambda: bx.levels("y ~ a", g={"a": 3}), ["3"], ["quotes"]),
    "None for an equation": (lambda: bx.levels("y ~ a", g={"a": None}), ["None"], ["quotes"]),
    "number for a coefficient": (lambda: bx.levels("y ~ a", g={3: ""}), ["3"], ["quotes"]),
    "list for equations": (lambda: bx.levels("y ~ a", {"g": ["a"]}), ["'g'", "['a']"], ["Intercept"]),
    "list for levels": (lambda: bx.levels("y ~ a", ["g"]), ["'list'"], ["school"]),
    "number for a level": (lambda: bx.levels("y ~ a", {3: {"a": ""}}), ["3"], ["Intercept"]),
    "empty level": (lambda: bx.levels("y ~ a", g={}), ["'g'", "no equation"], ["leave the level out"]),
    "no levels": (lambda: bx.levels("y ~ a"), ["no levels"], ["Model"]),
    "level twice": (lambda: bx.levels("y ~ a", {"g": {"a": ""}}, g={"a": ""}), ["'g'", "twice"], ["Remove"]),
    "same groups": (
        lambda: bx.levels("y ~ a", {"g": {"a": ""}, "`g`": {"a": ""}}), ["'g'", "another level"], ["Remove"]),
    "slash in a level": (lambda: bx.levels("y ~ a", {"g/h": {"a": ""}}), ["'g/h'", "several"], ["lowest first"]),
    "empty level name": (lambda: bx.levels("y ~ a", {"": {"a": ""}}), ["name of a level"], []),
    "nothing varies": (lambda: bx.levels("y ~ a", g={"a": "m"}, fixed=["a"]), ["'g'", "nothing varies"], ["fixed"]),
    "fixed unknown": (lambda: bx.levels("y ~ a", g={"a": ""}, fixed=["b"]), ["'b'", "any level"], ["Remove"]),
    "fixed at no level": (lambda: bx.levels("y ~ a", g={"a": ""}, fixed={"gg": ["a"]}), ["'gg'"], ["'g'"]),
    "fixed without equation": (
        lambda: bx.levels("y ~ ses", g={"ses": ""}, fixed={"g": ["sess"]}), ["'sess'", "'g'"], ["'ses'"]),
    "fixed as text": (lambda: bx.levels("y ~ a", g={"a": ""}, fixed="a"), ["'a'"], ["fixed=["]),
    "correlated as text": (lambda: bx.levels("y ~ a", g={"a": ""}, correlated="no"), ["'no'"], ["False"]),
    "correlated incomplete": (
        lambda: bx.levels("y ~ a", g={"a": "", "1": ""}, correlated=[["a"]]), ["'g'", "each"], ["missing"]),
    "nested as text": (lambda: bx.levels("y ~ a", g={"a": ""}, nested="no"), ["'no'"], ["False"]),
    "keyword": (lambda: bx.levels("y ~ a", g={"a": ""}, correlatd=False), ["'correlatd'"], ["correlated=False"]),
    "level without equations": (lambda: bx.levels("y ~ a", school=3), ["'school'"], ['school={"Intercept"']),
    "no text": (lambda: bx.levels(3, g={"a": ""}), ["rows", "'int'"], ["quotes"]),
    "no formula": (lambda: bx.levels("a + b", g={"a": ""}), ["rows", "'~'"], ["response"]),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    act, found, remedy = MISTAKES[name]
    with pytest.raises(BayesmixError) as caught:
        act()
    assert all(word in caught.value.found for word in found), caught.value.found
    assert all(word in caught.value.remedy for word in remedy), caught.value.remedy


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="abg01+-*:/^()|~`u j,.", max_size=12), st.sampled_from(["equation", "name", "level", "first"]))
def test_any_text(text: str, place: str) -> None:
    """Every text is read or refused in three parts; none crashes."""
    first, level, name, equation = "y ~ a*b", "g", "a", "m"
    match place:
        case "equation":
            equation = text
        case "name":
            name = text
        case "level":
            level = text
        case _:
            first = text
    try:
        found = bx.levels(first, {level: {name: equation}})
    except FormulaError:
        return
    assert found == parse_formula(found.formula)


def test_shown_as_the_call_that_makes_it() -> None:
    shown = repr(LevelEquations("y ~ x", {"g": {"Intercept": "m", "x": ""}}, {"g": ["x"]}, False))
    assert eval(shown, {"bx": bx}) == bx.levels("y ~ x", g={"Intercept": "m", "x": ""}, fixed=["x"], correlated=False)


@pytest.mark.parametrize(
    ("equation", "options"),
    [
        ("math ~ sex", {"school": {"sex": ""}}),
        ("math ~ sex", {"school": {"Intercept": "", "sex": ""}, "correlated": False}),
        ("math ~ ses * sex", {"school": {"Intercept": "", "ses:sex": "sector"}}),
    ],
)
def test_contrasts_need_what_they_are_contrasts_to(equation: str, options: dict[str, Any], hsb: pd.DataFrame) -> None:
    """Alone, every label would have a column of its own, and the intercept (or slope) would vary too."""
    with pytest.raises(DesignError, match="labels are contrasts"):
        bx.Model(bx.levels(equation, **options), hsb)


def test_contrasts_beside_the_intercept(hsb: pd.DataFrame) -> None:
    by_levels = bx.Model(bx.levels("math ~ sex", school={"Intercept": "", "sex": ""}), hsb)
    assert by_levels.reml().criterion == bx.Model("math ~ sex + (sex | school)", hsb).reml().criterion
