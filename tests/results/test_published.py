"""Published numbers: the forms they are given in, the spelling of names, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.results.published import Published

SLIDE: dict[str, Any] = {
    "fixed": {"Intercept": ("12.6650", ".1898"), "ses": {"estimate": "2.3938", "se": ".1181"}},
    "variance_components": {("school", "var(Intercept)"): "4.8286", ("residual", "var"): "36.8302"},
}
TOML = """
[[published]]
name = "slide"
source = "slides"
[published.fixed]
Intercept = { estimate = 12.6650, se = ".1898" }  # a number of TOML keeps its digits
ses = { estimate = "2.3938", se = ".1181" }
[published.variance_components]
school = { "var(Intercept)" = "4.8286" }
residual = { var = "36.8302" }
"""


def contents(published: Published) -> list[tuple[Any, ...]]:
    return [
        (e.kind, e.part, e.parameter, e.estimate.text, None if e.se is None else e.se.text) for e in published.entries
    ]


EXPECTED = [
    ("fixed", "fixed", "Intercept", "12.6650", ".1898"),
    ("fixed", "fixed", "ses", "2.3938", ".1181"),
    ("component", "school", "var(Intercept)", "4.8286", None),
    ("component", "residual", "var", "36.8302", None),
]


def test_forms_say_the_same(tmp_path: Path) -> None:
    assert contents(bx.Published("slide", **SLIDE)) == EXPECTED
    frame = pd.DataFrame(
        {"estimate": ["12.6650", "2.3938", "4.8286", "36.8302"], "se": [".1898", ".1181", None, np.nan]},
        index=pd.MultiIndex.from_tuples([row[1:3] for row in EXPECTED]),
    )
    assert contents(Published.from_frame(frame, name="slide")) == EXPECTED
    csv = tmp_path / "slide.csv"
    frame.rename_axis(["part", "parameter"]).to_csv(csv)
    read = Published.from_csv(csv)
    assert contents(read) == EXPECTED
    assert (read.name, read.source) == ("slide", "slide.csv")
    toml = tmp_path / "any.toml"
    toml.write_text(TOML)
    read = Published.from_toml(toml)
    assert contents(read) == EXPECTED
    assert (read.name, read.source) == ("slide", "slides")


def test_a_frame_of_terms_alone() -> None:
    frame = pd.DataFrame({"estimate": [12.665]}, index=["Intercept"])
    (entry,) = Published.from_frame(frame, name="x").entries
    assert (entry.kind, entry.parameter, entry.estimate.digits) == ("fixed", "Intercept", 3)


def test_a_variance_with_its_square_root() -> None:
    found = bx.Published("x", variance_components={"school": {"var(ses)": {"estimate": "0.4129", "sd": "0.6426"}}})
    assert [(e.parameter, e.estimate.text) for e in found.entries] == [("var(ses)", "0.4129"), ("sd(ses)", "0.6426")]
    found = bx.Published("x", variance_components={("residual", "var"): {"estimate": "36.83", "sd": "6.07"}})
    assert [e.parameter for e in found.entries] == ["var", "sd"]


def test_numbers_can_not_be_changed_from_outside() -> None:
    fixed = {"ses": "2.39"}
    published = bx.Published("x", fixed=fixed)
    fixed["ses"] = "3"
    assert published.entries[0].estimate.text == "2.39"
    with pytest.raises(AttributeError):
        published.name = "y"  # type: ignore[misc]
    with pytest.raises(TypeError):
        published.fixed["ses"] = "3"  # type: ignore[index]


def test_repr() -> None:
    assert repr(bx.Published("x", **SLIDE, source="p. 3")) == (
        "Published 'x': 2 fixed effects, 2 variance components (p. 3)"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "holds no number"),
        ({"fixed": {"ses": "about 2"}}, "estimate of fixed ses of 'x' is 'about 2'"),
        ({"fixed": {"ses": {"se": "0.1"}}}, "has no estimate"),
        ({"fixed": {"ses": {"estimate": "2", "p": "<.001"}}}, "'p'"),
        ({"fixed": {"ses": {"estimate": "2", "sd": "1"}}}, "'sd'"),
        ({"fixed": [1, 2]}, "fixed of 'x' is list"),
        ({"variance_components": {"school": "4.8"}}, "variance component 'school'"),
        ({"variance_components": {("school", "variance"): "4.8"}}, "'variance' of school"),
        ({"variance_components": {("school", "cov(a,b)"): {"estimate": "4.8", "sd": "1"}}}, "has an sd"),
        ({"statistics": {"deviance": "4.8"}}, "'deviance'"),
        ({"fixed": {"ses": "2"}, "method": "MCMC"}, "'MCMC'"),
        ({"fixed": {3: "2"}}, "fixed 3 of 'x' is no name"),
    ],
)
def test_refusals(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        bx.Published("x", **arguments)
    assert words in caught.value.found
    assert caught.value.expected and caught.value.remedy


@pytest.mark.parametrize("name", [3, "", None])
def test_a_source_has_a_name(name: Any) -> None:
    with pytest.raises(ArgumentError, match="A source is called"):
        bx.Published(name, {"ses": "2"})


def test_frames_with_other_columns() -> None:
    with pytest.raises(ArgumentError, match="'std_err'"):
        Published.from_frame(pd.DataFrame({"estimate": [1.0], "std_err": [1.0]}, index=["ses"]), name="x")


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    for reader in (Published.from_toml, Published.from_csv):
        with pytest.raises(ArgumentError, match="no file"):
            reader(tmp_path / "none.toml")
    file = tmp_path / "x.toml"
    for text, words in (
        ("a = ", "can not be read"),
        ("[published]\nfixed = {}", r"no \[\[published\]\]"),
        ('[run]\ncode = "1"\n' + TOML, "'run'"),
        (TOML.replace("source", "sauce"), "'sauce'"),
    ):
        file.write_text(text)
        with pytest.raises(ArgumentError, match=words):
            Published.from_toml(file)


def test_one_of_several_tables(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(TOML + TOML.replace("slide", "book").replace("12.6650", "12.67"))
    assert Published.from_toml(file, name="book").entries[0].estimate.text == "12.67"
    for name in (None, "boek"):
        with pytest.raises(ArgumentError, match="'slide', 'book'"):
            Published.from_toml(file, name=name)
