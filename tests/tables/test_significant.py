"""Number formats against R's own, and against numbers as SAS and Stata printed them."""

import json
from pathlib import Path

import numpy as np
import pytest

from bayesmix.tables.significant import format_eight, format_general, format_jointly, format_probabilities

R = json.loads((Path(__file__).parents[1] / "reference" / "printouts.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", R["formats"], ids=lambda case: " ".join(case["text"]))
def test_one_count_of_decimals(case: dict) -> None:
    assert format_jointly(case["values"], 4) == case["text"]


@pytest.mark.parametrize("case", R["probabilities"], ids=lambda case: " ".join(case["text"]))
def test_probabilities(case: dict) -> None:
    assert format_probabilities(case["values"]) == case["text"]


def test_what_is_not_finite() -> None:
    assert format_jointly([np.nan, np.inf, -np.inf, 2.5], 4) == [" NaN", " Inf", "-Inf", " 2.5"]
    assert format_general(np.nan) == format_eight(np.nan) == "."


@pytest.mark.parametrize(
    ("value", "text"),
    [(8.2740, "8.2740"), (0.08534, "0.08534"), (37.5565, "37.5565"), (0.01436, "0.01436"), (124.0, "124.00"),
     (-0.7629, "-0.7629"), (0.3132, "0.3132"), (0.02131, "0.02131"), (0.06540, "0.06540")],
)  # fmt: skip
def test_eight_characters(value: float, text: str) -> None:
    """PROC MIXED output of Snijders & Bosker, table 8.1, Kreft & de Leeuw and Hox as UCLA's pages show it."""
    assert format_eight(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(12.636972, "12.63697"), (0.2443937, ".2443937"), (-1.35939, "-1.35939"), (13.8441, "13.8441"),
     (0.0525962, ".0525962"), (-3.795494, "-3.795494"), (40.464809, "40.46481"), (-1.02343, "-1.02343")],
)  # fmt: skip
def test_general_format(value: float, text: str) -> None:
    """Numbers in Stata output of the school study and of a depression trial, as UCLA's pages show it."""
    assert format_general(value) == text
