"""A specification met with its data, and new data put through the same encoding."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import bayesmix as bx
from bayesmix.design import Design, build_design
from bayesmix.errors import DataError, DesignError
from bayesmix.specification import parse_formula


@pytest.fixture
def frame(rng: np.random.Generator) -> pd.DataFrame:
    n = 60
    frame = pd.DataFrame({"y": rng.normal(size=n), "x": 5 + rng.normal(size=n), "z": rng.normal(size=n)})
    frame["sector"] = pd.Categorical(rng.choice(["Public", "Catholic"], size=n), ["Public", "Catholic", "Other"])
    frame["g"], frame["h"] = rng.integers(6, size=n), rng.integers(2, size=n)
    return frame


def design(formula: str, data: object) -> Design:
    return build_design(parse_formula(formula), data)


# Names


def test_names(frame: pd.DataFrame) -> None:
    """As Bambi writes them."""
    found = design("y ~ x * sector + log(x) + (x + sector | g)", frame)
    assert found.fixed_names == ("Intercept", "x", "sector[Catholic]", "log(x)", "x:sector[Catholic]")
    assert found.levels[0].effect_names == ("Intercept", "x", "sector[Catholic]")


def test_names_with_spaces_and_unicode(frame: pd.DataFrame) -> None:
    renamed = frame.rename(columns={"x": "my var", "z": "größe", "g": "_code.of school"})
    found = design("y ~ `my var` + größe + (größe | `_code.of school`)", renamed)
    assert found.fixed_names == ("Intercept", "my var", "größe")
    assert found.levels[0].name == "_code.of school"


# Rows


def test_missing_rows_are_dropped_and_counted(frame: pd.DataFrame) -> None:
    """Where any column of the formula is missing, and in no other column."""
    holes = frame.astype({"g": float})
    holes.loc[3, "x"] = holes.loc[[3, 7], "y"] = holes.loc[11, "g"] = np.nan
    holes.loc[20, "sector"] = None
    holes.loc[:50, "z"] = np.nan
    model = bx.Model("y ~ x + sector + (1 | g)", holes)
    assert model.design.n_missing == 4
    assert model.n == 56
    complete = bx.Model("y ~ x + sector + (1 | g)", frame.drop([3, 7, 11, 20]))
    assert_array_equal(model.products.sums, complete.products.sums)
    assert "4 left out" in model.reml().summary()
    assert "left out" not in complete.reml().summary()


def test_missing_offset_and_group_of_within(frame: pd.DataFrame) -> None:
    holes = frame.copy()
    holes.loc[5, "z"] = np.nan
    assert design("y ~ x + offset(z) + (1 | g)", holes).n_missing == 1
    holes = frame.astype({"h": float})
    holes.loc[[8, 9], "h"] = np.nan
    assert design("y ~ within(x, h) + (1 | g)", holes).n_missing == 2


def test_labels_of_dropped_rows_are_dropped(frame: pd.DataFrame) -> None:
    """Public is left, and no more a reference; Other never occurred."""
    other = frame.assign(sector=frame["sector"].astype(str).where(frame.index > 3, "Rare"))
    holes = other.copy()
    holes.loc[:3, "y"] = np.nan
    assert "sector[Rare]" in design("y ~ 0 + sector + (1 | g)", other).fixed_names
    assert design("y ~ 0 + sector + (1 | g)", holes).fixed_names == ("sector[Catholic]", "sector[Public]")


def test_a_group_seen_in_dropped_rows_only_is_no_group(frame: pd.DataFrame) -> None:
    holes = frame.copy()
    holes.loc[holes["g"] == 2, "y"] = np.nan
    assert design("y ~ x + (1 | g)", holes).levels[0].grouping.labels == (0, 1, 3, 4, 5)


def test_the_callers_frame_is_not_changed(frame: pd.DataFrame) -> None:
    frame.loc[4, "x"] = np.nan
    before = frame.copy(deep=True)
    bx.Model("y ~ scale(x) + sector + within(z) + (x | g)", frame).reml()
    pd.testing.assert_frame_equal(frame, before)


def test_later_changes_of_the_frame_do_not_reach_the_design(frame: pd.DataFrame) -> None:
    found = design("y ~ x + (1 | g)", frame)
    before = found.response.copy()
    frame.loc[:, "y"] = 0.0
    assert_array_equal(found.response, before)


def test_index_and_order_of_the_frame_do_not_matter(frame: pd.DataFrame) -> None:
    shuffled = frame.sample(frac=1, random_state=8)
    one, two = design("y ~ x + (1 | g)", frame), design("y ~ x + (1 | g)", shuffled)
    assert_array_equal(two.response, one.response[shuffled.index])


# Terms


def test_offset(frame: pd.DataFrame) -> None:
    """An offset is a coefficient of 1: subtracted before, added to the fitted values after."""
    fit = bx.Model("y ~ x + offset(z) + offset(2*x) + (1 | g)", frame).reml()
    moved = bx.Model("d ~ x + (1 | g)", frame.assign(d=frame["y"] - frame["z"] - 2 * frame["x"])).reml()
    assert_allclose(fit.criterion, moved.criterion, rtol=1e-12)
    assert_allclose(fit.fixed_effects()["estimate"], moved.fixed_effects()["estimate"], rtol=1e-9)
    assert_allclose(fit.fitted(), moved.fitted() + frame["z"] + 2 * frame["x"], rtol=1e-9)
    assert_allclose(fit.residuals(), moved.residuals(), rtol=0, atol=1e-9)


def test_no_bars_is_least_squares(frame: pd.DataFrame) -> None:
    fit = bx.Model("y ~ x * sector", frame).reml()
    X = fit.design.fixed_values
    expected, rss, *_ = np.linalg.lstsq(X, frame["y"], rcond=None)
    assert_allclose(fit.fixed_effects()["estimate"], expected, rtol=1e-9)
    sigma2 = rss[0] / (len(frame) - X.shape[1])
    assert_allclose(fit.sigma**2, sigma2, rtol=1e-10)
    assert_allclose(fit.vcov(), sigma2 * np.linalg.inv(X.T @ X), rtol=1e-8)


def test_bars_over_the_same_cells_are_one_level(frame: pd.DataFrame) -> None:
    found = design("y ~ x + (1 | g) + (0 + x | g) + (0 + z | h:g) + (1 | g:h)", frame)
    assert [level.name for level in found.levels] == ["h:g", "g"]
    assert found.levels[1].effect_names == ("Intercept", "x")
    assert found.levels[1].blocks == ((0, 1), (1, 2))


def test_double_bar_is_the_same_as_bars_apart(frame: pd.DataFrame) -> None:
    one = bx.Model("y ~ x + (x || g)", frame)
    two = bx.Model("y ~ x + (1 | g) + (0 + x | g)", frame)
    assert one.design.levels[0].blocks == two.design.levels[0].blocks
    assert_allclose(one.reml().criterion, two.reml().criterion, rtol=1e-13)


def test_double_bar_over_a_factor(frame: pd.DataFrame) -> None:
    """As lme4: (1 | g) and one block of correlated indicators, with a note."""
    found = design("y ~ 1 + (x + sector || g)", frame)
    level = found.levels[0]
    assert level.effect_names == ("Intercept", "x", "sector[Public]", "sector[Catholic]")
    assert level.blocks == ((0, 1), (1, 2), (2, 4))
    (note,) = found.notes
    assert "sector" in note
    assert "correlated" in note
    assert "(0 + sector | g)" in note
    assert note in bx.Model("y ~ 1 + (x + sector || g)", frame).reml().summary()


def test_double_bar_over_polynomials(frame: pd.DataFrame) -> None:
    """As lme4: (1 | g) + (0 + poly(x, 2) | g), with a note; criterion of that formula."""
    model = bx.Model("y ~ x + (poly(x, 2) || g)", frame)
    level = model.design.levels[0]
    assert level.effect_names == ("Intercept", "poly(x, 2)[1]", "poly(x, 2)[2]")
    assert level.blocks == ((0, 1), (1, 3))
    (note,) = model.design.notes
    assert "'poly(x, 2)' has several columns" in note
    apart = bx.Model("y ~ x + (1 | g) + (0 + poly(x, 2) | g)", frame)
    assert_allclose(model.reml().criterion, apart.reml().criterion, rtol=1e-12)


def test_fixed_and_random_polynomials_are_the_same_columns(frame: pd.DataFrame) -> None:
    found = design("y ~ poly(x, 2) + (poly(x, 2) | g)", frame)
    assert len(found.columns) == 3
    assert_array_equal(found.fixed, found.levels[0].places)


def test_polynomials_are_those_of_the_rows_used(frame: pd.DataFrame) -> None:
    holes = frame.copy()
    holes.loc[:4, "z"] = np.nan
    found = design("y ~ poly(x, 3) + z", holes).fixed_values[:, 1:4]
    assert_allclose(found.T @ found, np.eye(3), atol=1e-14)


def test_ordered_factor(frame: pd.DataFrame) -> None:
    """Trends instead of differences are a reading that is said, once for a column, with the way out of it."""
    frame["dose"] = pd.Categorical(np.resize(["low", "mid", "high"], len(frame)), ["low", "mid", "high"], ordered=True)
    found = design("y ~ dose * x + (dose | g)", frame)
    assert found.fixed_names == ("Intercept", "dose[.L]", "dose[.Q]", "x", "dose[.L]:x", "dose[.Q]:x")
    assert found.levels[0].effect_names == ("Intercept", "dose[.L]", "dose[.Q]")
    (note,) = found.notes
    assert "'dose' is ordered" in note
    assert "(dose[.L], dose[.Q])" in note
    assert "Write C(dose, Treatment) for differences from 'low'." in note
    for formula in ("y ~ C(dose, Treatment) + (1 | g)", "y ~ C(dose, Poly)", "y ~ 0 + dose", "y ~ x + (1 | dose)"):
        assert design(formula, frame).notes == ()
    # The same fit but for the coefficients.
    one, two = bx.Model("y ~ dose + (1 | g)", frame).reml(), bx.Model("y ~ C(dose, Treatment) + (1 | g)", frame).reml()
    assert_allclose(one.fitted(), two.fitted(), rtol=1e-8, atol=1e-8)
    assert "dose[.Q]" in one.summary()
    assert "'dose' is ordered" in one.summary()


def test_labels_that_do_not_occur_are_not_in_a_contrast(frame: pd.DataFrame) -> None:
    """Other never occurs: two labels, one contrast."""
    assert design("y ~ C(sector, Sum)", frame).fixed_names == ("Intercept", "C(sector, Sum)[S.Public]")


def test_an_effect_twice_at_a_level_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(DesignError) as caught:
        design("y ~ x + (1 | g) + (x | g)", frame)
    assert "'Intercept' varies twice at level 'g'" in caught.value.found
    assert "once" in caught.value.expected
    assert "0 +" in caught.value.remedy


def test_aliased_columns_leave_the_design(frame: pd.DataFrame) -> None:
    with pytest.warns(bx.BayesmixWarning, match="'w'.*Dropped"):
        found = design("y ~ x + w + z + (w | g)", frame.assign(w=3 - 2 * frame["x"]))
    assert found.dropped == ("w",)
    assert found.fixed_names == ("Intercept", "x", "z")
    assert found.levels[0].effect_names == ("Intercept", "w")  # it may vary by group all the same


def test_arrays_of_a_design_can_not_be_changed(frame: pd.DataFrame) -> None:
    """Each stage's output is a frozen dataclass with read-only arrays."""
    found = design("y ~ x + (x | g)", frame)
    assert found.tree is not None
    arrays = [found.values, found.response, found.offset, found.fixed, found.levels[0].places]
    arrays += [found.levels[0].grouping.codes, found.tree.leaf, found.tree.parent]
    weighted = build_design(parse_formula("y ~ x"), frame.assign(w=2.0), "w")
    assert weighted.weights is not None
    arrays.append(weighted.weights)
    assert [array.flags.writeable for array in arrays] == [False] * len(arrays)


# New data


@pytest.fixture
def varied(frame: pd.DataFrame) -> Design:
    return design("y ~ scale(x) * sector + between(z, g) + offset(z) + (x | g/h)", frame)


def test_encoding_the_data_of_the_fit(varied: Design, frame: pd.DataFrame) -> None:
    found = varied.encode(frame)
    assert_array_equal(found.fixed, varied.fixed_values)
    assert_array_equal(found.offset, varied.offset)
    assert found.groups is not None
    for number, level in enumerate(varied.levels):
        assert_array_equal(found.effects[number], varied.values[:, level.places])
        assert_array_equal(found.groups[number], level.grouping.codes)


CODED = [
    "poly(x, 4)", "poly(log(x), 2, raw)", "poly(x, 2) * sector", "C(sector, Sum) * x", "C(h, Helmert)",
    "C(g, Poly) + z", "C(g, Treatment, 3)", "dose + dose:x", "poly(within(x, g), 2) + offset(2*z) + offset(x)",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Level 'g'")
@pytest.mark.parametrize("right", CODED)
def test_encoding_polynomials_and_contrasts(right: str, frame: pd.DataFrame) -> None:
    """Rows of the fit, in any order and number, are what they were; in plain text, and from another kind of frame."""
    frame["dose"] = pd.Categorical(np.resize(["low", "mid", "high"], len(frame)), ["low", "mid", "high"], ordered=True)
    found = design(f"y ~ {right} + (1 | g)", frame)
    rows = np.array([31, 2, 2, 17])
    new = frame.iloc[rows].astype({"dose": str, "sector": str})
    if "within" in right:
        rows, new = np.arange(len(frame)), frame
    for data in (new, pl.DataFrame({name: new[name].to_list() for name in new})):
        encoded = found.encode(data)
        assert_allclose(encoded.fixed, found.fixed_values[rows], rtol=1e-12, atol=1e-14)
        assert_array_equal(encoded.offset, found.offset[rows])


@pytest.mark.parametrize("right", ["C(sector, Sum)", "C(sector, Helmert)", "C(sector, Poly)", "C(sector, Treatment)"])
def test_unknown_labels_of_a_contrast_are_refused(right: str, frame: pd.DataFrame) -> None:
    found = design(f"y ~ {right}", frame)
    with pytest.raises(DataError, match=r"label 'Other'. Expected one of the labels of the fit: 'Public', 'Catholic'"):
        found.encode(frame.head(3).assign(sector="Other"))


def test_encoding_few_rows_remembers_levels_and_constants(varied: Design, frame: pd.DataFrame) -> None:
    """One label of the factor and other means and deviations in the new data: none of it counts."""
    rows = frame[frame["sector"] == "Catholic"].head(4).assign(sector="Catholic")
    found = varied.encode(rows)
    assert_array_equal(found.fixed, varied.fixed_values[rows.index])
    mean, sd = frame["x"].mean(), frame["x"].std(ddof=1)
    assert_allclose(found.fixed[:, 1], (rows["x"] - mean) / sd, rtol=1e-13)


def test_encoding_other_frames(varied: Design, frame: pd.DataFrame) -> None:
    polars = pl.DataFrame({name: frame[name].to_list() for name in frame})
    expected = varied.encode(frame)
    found = varied.encode(polars)
    assert_array_equal(found.fixed, expected.fixed)
    assert found.groups is not None
    assert expected.groups is not None
    for ours, theirs in zip(found.groups, expected.groups, strict=True):
        assert_array_equal(ours, theirs)


def test_encoding_without_response_and_groups(varied: Design, frame: pd.DataFrame) -> None:
    """The grouping of between(z, g) is a predictor, and needed; h is not."""
    found = varied.encode(frame.drop(columns=["y", "h"]), groups=False)
    assert found.groups is None
    assert_array_equal(found.fixed, varied.fixed_values)


def test_unknown_groups_are_marked(varied: Design, frame: pd.DataFrame) -> None:
    found = varied.encode(frame.head(3).assign(g=[0, 99, 1], h=[0, 0, 77]))
    assert found.groups is not None
    lowest, highest = found.groups
    assert highest[1] == -1
    assert highest[0] == 0
    assert highest[2] == 1
    assert lowest[1] == lowest[2] == -1
    assert varied.levels[0].grouping.labels[lowest[0]] == "0:0"


def test_new_groups_are_numbered_after_those_known(varied: Design, frame: pd.DataFrame) -> None:
    """In label order; further data go on from there; labels that do not occur get no number."""
    rows = frame.head(4).assign(g=[0, 99, 98, 99])
    codes, cells = varied.match_groups(rows, 1)
    known = len(varied.levels[1].grouping.labels)
    assert codes.tolist() == [0, known + 1, known, known + 1]
    assert cells[known:] == ((98,), (99,))
    more, cells = varied.match_groups(rows.assign(g=pd.Categorical([97, 99, 99, 0], [5, 96, 97, 99, 0])), 1, cells)
    assert more.tolist() == [known + 2, known + 1, known + 1, 0]
    assert cells[known:] == ((98,), (99,), (97,))
    inner, _ = varied.match_groups(rows.assign(h=[0, 0, 0, 1]), 0)
    assert len(set(inner[1:])) == 3 and (inner[1:] >= len(varied.levels[0].grouping.labels)).all()
    with pytest.raises(DataError, match="1 missing"):
        varied.match_groups(rows.assign(g=[0, None, 1, 2]), 1)


def test_what_a_design_reads(frame: pd.DataFrame) -> None:
    found = design("log(y + 9) ~ scale(x) * sector + offset(z) + (1 | g)", frame)
    assert found.predictors == ("x", "sector", "z")
    assert_allclose(found.read_response(frame.tail(3)), np.log(frame["y"].tail(3) + 9))
    with pytest.raises(DataError, match="'y'"):
        found.read_response(frame.drop(columns="y"))
    assert found.remember_groups(frame) is found
    assert design("y ~ within(x) + (1 | g)", frame).predictors == ("x", "g")


def test_group_means_that_are_remembered(frame: pd.DataFrame) -> None:
    """Means of new groups from one set of rows, used in another; those of known groups stay."""
    found = design("y ~ between(x, g) + (1 | g)", frame)
    rows = frame.head(4).assign(g=[0, 99, 99, 99], x=[100.0, 1.0, 2.0, 6.0])
    later = found.remember_groups(rows).encode(rows.tail(1), groups=False).fixed[:, 1]
    assert_allclose(later, 3.0)
    known = found.remember_groups(rows).encode(rows.head(1), groups=False).fixed[:, 1]
    assert_allclose(known, frame.loc[frame["g"] == 0, "x"].mean())
    assert_allclose(found.encode(rows.tail(1), groups=False).fixed[:, 1], 6.0)


def test_unknown_labels_of_a_predictor_are_refused(varied: Design, frame: pd.DataFrame) -> None:
    with pytest.raises(DataError) as caught:
        varied.encode(frame.head(2).assign(sector=["Public", "Charter"]))
    assert "'sector'" in caught.value.found
    assert "'Charter'" in caught.value.found
    assert "'Public', 'Catholic'" in caught.value.expected
    assert "Recode" in caught.value.remedy


def test_labels_that_do_not_occur_in_the_new_data_are_no_matter(varied: Design, frame: pd.DataFrame) -> None:
    labels = frame["sector"].head(5).astype(str)
    declared = frame.head(5).assign(sector=pd.Categorical(labels, ["Charter", "Public", "Catholic"]))
    assert_array_equal(varied.encode(declared).fixed, varied.fixed_values[:5])


def test_missing_values_in_new_data_are_refused(varied: Design, frame: pd.DataFrame) -> None:
    holes = frame.head(3).copy()
    holes.loc[1, "x"] = np.nan
    with pytest.raises(DataError) as caught:
        varied.encode(holes)
    assert "'x'" in caught.value.found
    assert "1 missing" in caught.value.found
    assert "complete" in caught.value.expected


def test_a_missing_column_of_new_data_is_named(varied: Design, frame: pd.DataFrame) -> None:
    with pytest.raises(DataError) as caught:
        varied.encode(frame.drop(columns="x"))
    assert "no column 'x'" in caught.value.found


def test_between_in_new_data_without_groups(frame: pd.DataFrame) -> None:
    """between(z) means the only grouping of the model, which is a predictor then, whether groups are read or not."""
    found = design("y ~ between(z) + (1 | g)", frame)
    assert_array_equal(found.encode(frame, groups=False).fixed, found.fixed_values)
    with pytest.raises(DataError) as caught:
        found.encode(frame.drop(columns="g"), groups=False)
    assert "no column 'g'" in caught.value.found


@pytest.mark.parametrize("kind", [dict, pd.DataFrame])
def test_rows_of_new_data_for_an_intercept(kind: type, frame: pd.DataFrame) -> None:
    """A model that reads no column of the new data has a row for each of theirs."""
    found = design("y ~ 1 + (1 | g)", frame)
    new = kind({"x": [1.0, 2.0, 3.0, 4.0]})
    assert_array_equal(found.encode(new, groups=False).fixed, np.ones((4, 1)))


def test_a_level_that_the_fixed_effects_span_is_named(frame: pd.DataFrame) -> None:
    """Every group with a coefficient of its own leaves nothing for its variance."""
    data = frame.assign(h=[f"h{i % 4}" for i in range(len(frame))])
    with pytest.warns(bx.BayesmixWarning, match="Level 'h': each of its groups has fixed effects of its own") as found:
        bx.Model("y ~ h + (1 | h)", data)
    assert found[0].filename == __file__
    bx.Model("y ~ x + (1 | h)", data)
