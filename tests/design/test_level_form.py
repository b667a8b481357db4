"""Formulas taken apart into level equations, and put together again."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.design import Design, build_design, cross_products
from bayesmix.design.level_form import crossed_homes, factor_heights, level_equations
from bayesmix.errors import BayesmixWarning, DesignError
from bayesmix.specification import LevelEquations, Specification, parse_formula


def nested_frame() -> pd.DataFrame:
    """Rows in classes in schools, class codes repeated; x, t, f vary in classes, m and k in schools, s and w above."""
    rng = np.random.default_rng(5)
    school, klass = np.repeat(np.arange(12), 20), np.tile(np.repeat([1, 2, 3, 4], 5), 12)
    cell = 4 * school + klass - 1
    return pd.DataFrame(
        {
            "school": school,
            "class": klass,
            "room": cell,
            "x": rng.normal(size=240),
            "t": np.tile(np.arange(5.0), 48),
            "day": [f"day {i}" for i in np.tile(np.arange(5), 48)],
            "f": rng.choice(list("pq"), size=240),
            "m": rng.normal(size=48)[cell],
            "k": rng.choice(list("abc"), size=48)[cell],
            "s": rng.normal(size=12)[school],
            "w": np.where(np.arange(12) % 2, "state", "church")[school],
            "y": rng.normal(size=240),
        }
    )


FRAME = nested_frame()
HEIGHTS = {"x": 0, "t": 0, "f": 0, "m": 1, "k": 1, "s": 2, "w": 2}


@pytest.mark.filterwarnings("ignore:Fixed effects 'poly")
def test_heights() -> None:
    """As the frame was made; of transforms too."""
    terms = "x + t + f + m + k + s + w + poly(x, 2) + poly(s, 2) + within(m, school) + between(x, school) + log(s + 9)"
    design = build_design(parse_formula(f"y ~ {terms} + (1 | school/class)"), FRAME)
    found = {factor.text: height for factor, height in factor_heights(design).items()}
    others = {"poly(x, 2)": 0, "poly(s, 2)": 2, "within(m, school)": 1, "between(x, school)": 2, "log(s+9)": 2}
    assert found == HEIGHTS | others
    crossed = build_design(parse_formula("y ~ s + m + t + (1 | school) + (1 | day)"), FRAME)
    assert {factor.text: number for factor, number in crossed_homes(crossed).items()} == {"t": 1}


def products_of(specification: Specification) -> tuple[Any, ...]:
    """Response, fixed terms and blocks of each grouping, each without an order."""
    blocks: dict[tuple[str, ...], set[Any]] = {}
    for bar in specification.groups:
        terms = frozenset(frozenset(term.factors) for term in bar.effects)
        blocks.setdefault(bar.grouping, set()).update([terms] if bar.correlated else [frozenset([t]) for t in terms])
    return specification.response, {frozenset(term.factors) for term in specification.fixed}, blocks


def assert_same_products(one: Design, two: Design) -> None:
    """The cross-products of two designs whose columns stand in another order."""
    places = [[column.key for column in two.columns].index(column.key) for column in one.columns]
    places.append(len(places))
    ours, theirs = cross_products(one), cross_products(two)
    assert_allclose(theirs.sums[:, places][:, :, places], ours.sums, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(theirs.parent, ours.parent)
    for before, after in zip(one.levels, two.levels, strict=True):
        assert (before.grouping.name, before.grouping.labels) == (after.grouping.name, after.grouping.labels)
        assert {effect.key for effect in before.effects} == {effect.key for effect in after.effects}
    assert {one.columns[j].key for j in one.fixed} == {two.columns[j].key for j in two.fixed}


def lacks_margins(specification: Specification) -> bool:
    """Whether the fixed part has no intercept, or a product without all the terms inside it."""
    terms = {frozenset(term.factors) for term in specification.fixed}
    return any(term - {factor} not in terms for term in terms for factor in term)


@st.composite
def formulas(draw: st.DrawFn) -> str:
    """Formulas with a level form: fixed terms of any heights, effects of terms lower than their level."""
    words = sorted(HEIGHTS)
    pairs = [f"{a}:{b}" for a, b in product(words, words) if a < b]
    terms = draw(st.lists(st.sampled_from([*words, *pairs, "x:m:s"]), max_size=6, unique=True))
    sign = draw(st.sampled_from(["1", "1", "0"]))
    bars = []
    for number, grouping in enumerate(
        draw(st.sampled_from([("school:class", "school"), ("room", "school"), ("school",)]))
    ):
        level = 2 if grouping == "school" else 1
        allowed = [word for word in ("x", "t", "m") if HEIGHTS[word] < (level if number or level == 1 else 1)]
        effects = draw(st.lists(st.sampled_from(allowed), max_size=2, unique=True))
        start = draw(st.sampled_from(["1", "1", "0"])) if effects else "1"
        bars.append(f"({' + '.join([start, *effects])} {draw(st.sampled_from(['|', '||']))} {grouping})")
    return f"y ~ {' + '.join([sign, *terms, *bars])}"


@pytest.mark.filterwarnings("ignore:Fixed effects")
@settings(max_examples=60, deadline=None)
@given(formulas())
def test_formula_to_levels_to_formula(formula: str) -> None:
    """The identity, up to the order of terms; equations made of equations are the same to the letter."""
    design = build_design(parse_formula(formula), FRAME)
    try:
        equations = level_equations(design)
    except DesignError as error:
        assert "coded in another way" in error.found and lacks_margins(design.specification)
        return
    found = equations.specification
    assert products_of(found) == products_of(design.specification)
    again = build_design(found, FRAME)
    assert_same_products(design, again)
    assert level_equations(again) == equations
    assert level_equations(again).specification == found


GROWTH = "y ~ t*k + (t | school:class) + (t*k | school)"

FORMS = [
    ("y ~ x*s + m + (x | school/class)",
     LevelEquations("y ~ x", {"class": {"Intercept": "m", "x": ""}, "school": {"Intercept": "s", "x": "s"}})),
    (GROWTH, LevelEquations("y ~ t", {"class": {"Intercept": "k", "t": "k"},
                                      "school": {"Intercept": "", "t": "", "k": "", "t:k": ""}})),
    ("y ~ x*w + (1 | school) + (0 + x | school)",
     LevelEquations("y ~ x", {"school": {"Intercept": "w", "x": "w"}}, None, {"school": False})),
    ("y ~ x*w + (1 | school)", LevelEquations("y ~ x", {"school": {"Intercept": "w", "x": "w"}}, {"school": ["x"]})),
    ("y ~ x + (1 | room) + (1 | school)",
     LevelEquations("y ~ x", {"room": {"Intercept": ""}, "school": {"Intercept": ""}},
                    nested={"room": False, "school": True})),
    ("y ~ x + t + (x | school) + (0 + t | school)",
     LevelEquations("y ~ x + t", {"school": {"Intercept": "", "x": "", "t": ""}}, None,
                    {"school": [["Intercept", "x"], ["t"]]})),
    ("log(y + 9) ~ x:w + offset(m) + (0 + x | school)",
     LevelEquations("log(y+9) ~ x + offset(m)", {"school": {"x": "0 + w"}})),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "expected"), FORMS)
def test_equations(formula: str, expected: LevelEquations) -> None:
    assert level_equations(build_design(parse_formula(formula), FRAME)) == expected


def test_growth_model_round_trips() -> None:
    """Terms and bars in the very order of the formula."""
    found = level_equations(build_design(parse_formula(GROWTH), FRAME)).specification
    wanted = parse_formula(GROWTH)
    assert (found.fixed, found.groups) == (wanted.fixed, wanted.groups)


NO_FORM = [
    ("y ~ x", "no levels"),
    ("y ~ x + (1 | school) + (1 | day)", "crossed"),
    ("y ~ s + (s | school)", "'s' varies between the groups of 'school', within which 's' does not vary"),
    ("y ~ m + (x:m | school/class)", "'x:m' varies between the groups of 'school:class', within which 'm'"),
]


@pytest.mark.parametrize(("formula", "reason"), NO_FORM)
def test_no_level_form(formula: str, reason: str) -> None:
    with pytest.raises(DesignError, match="level by level") as caught:
        level_equations(build_design(parse_formula(formula), FRAME))
    assert reason in caught.value.found


def test_names_that_read_like_residuals() -> None:
    frame = FRAME.rename(columns={"x": "e_ij", "m": "u0j"})
    design = build_design(parse_formula("y ~ e_ij*u0j + (e_ij | school/class)"), frame)
    assert products_of(level_equations(design).specification) == products_of(design.specification)


def test_predictor_that_varies_within_its_level() -> None:
    """Refused with the groups; group means computed elsewhere vary by rounding alone."""
    frame = FRAME.assign(almost=FRAME["s"])
    frame.loc[[3, 50], "almost"] += 0.1
    with pytest.raises(DesignError) as caught:
        bx.Model(bx.levels("y ~ x", school={"Intercept": "s", "x": "almost"}), frame)
    assert "'almost' in the equation of 'x' at level 'school' varies within 2 of the 12 groups" in caught.value.found
    assert caught.value.found.endswith(": 0, 2.") and "between(almost, school)" in caught.value.remedy
    frame.loc[7, "w"] = "state"
    with pytest.raises(DesignError, match=r"'w' .* 1 of the 12") as caught:
        bx.Model(bx.levels("y ~ x", school={"Intercept": "w"}), frame)
    assert "between" not in caught.value.remedy
    rounded = FRAME.assign(s=FRAME["s"] * (1 + 1e-15 * np.arange(240)))
    assert bx.Model(bx.levels("y ~ x", school={"Intercept": "s"}), rounded).n == 240
    with pytest.raises(DesignError, match=r"'f' .* varies within"):
        bx.Model(bx.levels("y ~ x", {"class": {"x": "f"}, "school": {"x": ""}}), FRAME)


def test_means_over_repeated_codes_are_noted() -> None:
    """Class 1 of every school is one class where the means name the class alone."""
    (note,) = build_design(parse_formula("y ~ within(x, class) + (1 | school/class)"), FRAME).notes
    assert "of which there are 4, and the level school:class has 48 groups" in note
    assert note.endswith("write within(x, school, class).")
    for formula in (
        "y ~ within(x, school, class) + between(x, school) + (1 | school/class)",
        "y ~ within(x, room) + (1 | school:room)",
        "y ~ within(x) + (1 | school)",
    ):
        assert build_design(parse_formula(formula), FRAME).notes == ()


def test_levels_in_the_wrong_order() -> None:
    """Highest first: schools within rooms are the rooms again, which a warning says, and not of other effects."""
    with pytest.warns(BayesmixWarning, match=r"have the same 48 groups.*lowest level"):
        bx.Model("y ~ x + (1 | room) + (1 | school:room)", FRAME)
    with pytest.warns(BayesmixWarning, match="'room:school' and 'room' have the same 48 groups"):
        bx.Model(bx.levels("y ~ x", school={"Intercept": ""}, room={"Intercept": ""}), FRAME)
    assert bx.Model("y ~ x + (1 | room) + (0 + x | school:room)", FRAME).n == 240
