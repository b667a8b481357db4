"""Sheets, lines and notes as text and as HTML."""

import copy
import pickle

from bayesmix.tables import Lines, Printout, Rules, Sheet, Summary
from tests.markup import read

SHEET = Sheet("Effects", ("", "Estimate", "Std\nError"), (("a<b", "12.5", "1"), (), ("c", "-1", "0.25")))


def test_lines_of_a_program() -> None:
    page = Printout("Fit", (SHEET,), (), Rules(top="=", head="-", bottom="=", bar=True))
    assert str(page).splitlines() == [
        "Fit",
        "",
        "Effects",
        "======================",
        "    |              Std",
        "    |  Estimate  Error",
        "----+-----------------",
        "a<b |      12.5      1",
        "----+-----------------",
        "c   |        -1   0.25",
        "======================",
    ]


def test_centred_and_indented() -> None:
    page = Printout("Fit", (Sheet("T", ("name", "value"), (("ab", "1"),)),), ("Said.",), Rules(indent=2, centred=True))
    assert str(page).splitlines() == ["Fit", "", "       T", "  name  value", "  ab        1", "", "Note: Said."]


def test_close_lines_follow_without_a_blank() -> None:
    page = Printout("Fit", (Lines(("one",), close=True), Lines(("two",)), Lines(("three",), close=True)), (), Rules())
    assert str(page) == "Fit\none\n\ntwo\nthree"


def test_html() -> None:
    page = Printout("A & B", (SHEET, Lines(("x  <  y",)), Sheet("", ("p",), (("1",),), labels=0)), ("<b>",), Rules())
    found = read(page._repr_html_()).found
    assert ("h3", "A & B") in found
    assert ("th", "a<b") in found
    assert ("th", "Std Error") in found
    assert ("td", "0.25") in found
    assert ("pre", "x  <  y") in found
    assert ("p", "<b>") in found


def test_a_summary_is_text() -> None:
    made = Summary("one\ntwo", "<p>one</p>")
    assert made == "one\ntwo"
    assert repr(made) == str(made) == "one\ntwo"
    assert "two" in made
    assert made._repr_html_() == "<p>one</p>"
    for other in (copy.copy(made), pickle.loads(pickle.dumps(made))):
        assert other == made
        assert other._repr_html_() == made._repr_html_()
