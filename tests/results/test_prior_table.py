"""The table of priors: addresses, one change at a time, what is refused."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayesmix as bx
from bayesmix.errors import PriorError
from tests.frames import random_frame
from tests.markup import read

FORMULA = "y ~ x + z + (x | top) + (1 | top:inner)"


@pytest.fixture
def model(rng: np.random.Generator) -> bx.Model:
    return bx.Model(FORMULA, random_frame(rng))


def test_table_of_hsb(hsb_model: bx.Model) -> None:
    table = hsb_model.priors.table
    assert table.columns.tolist() == ["class", "coefficient", "level", "distribution", "source"]
    assert table.index.tolist() == ["Intercept", "ses", "1|school_sigma", "ses|school_sigma", "school_corr", "sigma"]
    assert table["class"].tolist() == ["Intercept", "b", "sd", "sd", "cor", "sigma"]
    assert table.loc["ses|school_sigma"].tolist() == [
        "sd", "ses", "school", "HalfStudentT(4, 8.826)", "default: sd(y)/sd(x)",
    ]  # fmt: skip
    assert hsb_model.priors["ses"] == "Normal(0, 22.06)"
    assert "means of the other columns" in table.attrs["note"]


def test_repr(hsb_model: bx.Model) -> None:
    text = repr(hsb_model.priors)
    for cell in hsb_model.priors.table.astype(str).to_numpy().ravel():
        assert cell in text
    document = read(hsb_model.priors._repr_html_())
    assert ("td", "HalfStudentT(4, 8.826)") in document.found


ADDRESSES = {
    "Intercept": ["Intercept"],
    "z": ["z", " z "],
    "1|top_sigma": ["1|top_sigma", "1 | top_sigma", "sd(Intercept | top)", "sd(1|top)"],
    "x|top_sigma": ["x|top_sigma", "sd(x | top)"],
    "1|top:inner_sigma": ["1|top:inner_sigma", "sd(Intercept|top:inner)", "sd(top:inner)"],
    "sigma": ["sigma"],
}


@pytest.mark.parametrize(("name", "address"), [(n, a) for n, addresses in ADDRESSES.items() for a in addresses])
def test_one_change_changes_one(name: str, address: str, model: bx.Model) -> None:
    """The row and its source; nothing else, and not the model it came from."""
    before = model.priors.table
    after = model.with_priors({address: "Exponential(0.5)"}).priors.table
    assert after.loc[name, "distribution"] == "Exponential(0.5)"
    assert after.loc[name, "source"] == "set"
    pd.testing.assert_frame_equal(after.drop(index=name), before.drop(index=name))
    pd.testing.assert_frame_equal(model.priors.table, before)


def test_numbers_of_the_others_are_the_same_objects(model: bx.Model) -> None:
    before, after = model.priors.numbers, model.with_priors({"cor(top)": "LKJ(4)"}).priors.numbers
    assert after.levels[1].correlation.eta == 4
    assert after.levels[1].sds is before.levels[1].sds
    assert after.beta is before.beta and after.sigma is before.sigma and after.levels[0] is before.levels[0]


def test_classes(model: bx.Model) -> None:
    assert model.with_priors({"b": "Normal(0, 1)"}).priors.table["source"].tolist().count("set") == 2
    everything = model.with_priors({"sd": "HalfNormal(1)", "cor": "LKJ(1)", "1|top_sigma": "HalfNormal(2)"}).priors
    assert [everything[name] for name in ("1|top_sigma", "x|top_sigma", "1|top:inner_sigma", "top_corr")] == [
        "HalfNormal(2)", "HalfNormal(1)", "HalfNormal(1)", "LKJ(1)",
    ]  # fmt: skip
    level = model.with_priors({"sd(top)": "HalfNormal(3)"}).priors
    assert level["x|top_sigma"] == "HalfNormal(3)" and level["1|top:inner_sigma"].startswith("HalfStudentT")


def test_a_set_with_changes(rng: np.random.Generator) -> None:
    frame = random_frame(rng)
    brms, changed = (
        bx.Model(FORMULA, frame, priors="brms"),
        bx.Model(FORMULA, frame, priors={"preset": "brms", "z": "Normal(0, 1)"}),
    )
    pd.testing.assert_frame_equal(brms.priors.table.drop(index="z"), changed.priors.table.drop(index="z"))
    again = bx.Model(FORMULA, frame, priors=changed.priors)
    pd.testing.assert_frame_equal(again.priors.table, changed.priors.table)


def test_the_reml_fit_is_shared(model: bx.Model) -> None:
    """Priors do not touch it, so that it is not made twice."""
    first = model.reml()
    assert model.with_priors({"z": "Normal(0, 1)"}).reml() is first


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"zz": "Normal(0, 1)"}, "Did you mean 'z'?"),
        ({"x|top_sigm": "HalfNormal(1)"}, "Did you mean 'x|top_sigma'?"),
        ({"school_corr": "LKJ(1)"}, "no parameter 'school_corr'"),
        ({"z|top_sigma": "HalfNormal(1)"}, "no parameter"),
        ({3: "Normal(0, 1)"}, "no parameter '3'"),
        ({"sigma": "Normal(1, 1)"}, "below 0"),
        ({"sd(top)": "HalfNormal(-1)"}, "positive"),
        ({"z": "LKJ(2)"}, "no known family"),
        ({"cor": "Normal(0, 1)"}, "LKJ(eta)"),
        ({"cor(top)": "InverseWishart(3)"}, "inverse-Wishart"),
        ({"sd": "InverseWishart(3)"}, "inverse-Wishart"),
        ({"z": None}, "Expected text"),
        ({"icc(school)": "Beta(1, 1)"}, "no level 'school'"),
        ({"icc(top)": "Normal(0, 1)"}, "Beta(a, b)"),
        ({"icc(top)": "Beta(1, 1)", "icc(top:inner)": "Beta(1, 1)"}, "Expected one"),
        ({"R2": "HalfNormal(1)"}, "Beta(a, b)"),
        ({"R2": "Beta(1, 1)", "z": "Normal(0, 1)"}, "both set a prior of 'z'"),
        ({"preset": "rstanarm", "x|top_sigma": "HalfNormal(1)"}, "share decov"),
        ({"preset": "weak"}, "'weak'"),
        ({"preset": 3}, "preset=3"),
        ("weak", "'weak'"),
        (3, "priors by name"),
    ],
)
def test_refused(changes: Any, hint: str, rng: np.random.Generator) -> None:
    with pytest.raises(PriorError) as caught:
        bx.Model(FORMULA, random_frame(rng), priors=changes)
    assert hint in str(caught.value)
    assert caught.value.found and caught.value.expected and caught.value.remedy


def test_with_priors_of_no_mapping(model: bx.Model) -> None:
    with pytest.raises(PriorError):
        model.with_priors("brms")


def test_unknown_name_in_the_table(model: bx.Model) -> None:
    with pytest.raises(PriorError, match="Did you mean"):
        model.priors["sigm"]


def test_r2_needs_a_predictor(rng: np.random.Generator) -> None:
    with pytest.raises(PriorError, match="no fixed effect"):
        bx.Model("y ~ 1 + (1 | top)", random_frame(rng), priors={"R2": "Beta(1, 1)"})


def test_a_column_called_r2(rng: np.random.Generator) -> None:
    """A column of this name is a coefficient like any other."""
    frame = random_frame(rng).assign(R2=lambda d: d["z"])
    priors = bx.Model("y ~ x + R2 + (1 | top)", frame, priors={"R2": "Normal(0, 3)"}).priors
    assert priors["R2"] == "Normal(0, 3)" and priors["x"].startswith("Normal(0,")
