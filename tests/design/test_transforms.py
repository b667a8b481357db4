"""Transforms, and what they remember for new data."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.design.frame import read_columns
from bayesmix.design.transforms import evaluate, learn
from bayesmix.errors import BayesmixWarning
from bayesmix.specification import parse_formula

FRAME = pd.DataFrame(
    {
        "y": [1.0, 2.0, 3.0, 4.0, 6.0],
        "x": [2.0, 3.0, 5.0, 7.0, 11.0],
        "z": [-1.0, 0.5, 2.0, 0.25, -4.0],
        "g": ["p", "p", "q", "q", "q"],
        "h": [1, 2, 1, 2, 1],
    }
)
X, Z = FRAME["x"].to_numpy(), FRAME["z"].to_numpy()
# By hand: means of x within p, p, q, q, q and within h.
MEANS_G = np.array([2.5, 2.5, 23 / 3, 23 / 3, 23 / 3])
MEANS_H = np.array([6.0, 5.0, 6.0, 5.0, 6.0])

VALUES = [
    ("log(x)", np.log(X)),
    ("log2(x)", np.log2(X)),
    ("log10(x)", np.log10(X)),
    ("log1p(x)", np.log1p(X)),
    ("exp(z)", np.exp(Z)),
    ("sqrt(x)", np.sqrt(X)),
    ("abs(z)", np.abs(Z)),
    ("I(x^2)", X**2),
    ("I(x**2)", X**2),
    ("I(2^x)", 2**X),
    ("I(-x^2)", -(X**2)),
    ("I(x^2^z)", X ** (2**Z)),
    ("I(x - z - 1)", X - Z - 1),
    ("I(x - (z - 1))", X - Z + 1),
    ("I(x/z*2)", X / Z * 2),
    ("I(+x + 0.5)", X + 0.5),
    ("log(x + exp(z))", np.log(X + np.exp(Z))),
    ("centre(x)", X - 5.6),
    ("center(x)", X - 5.6),
    # R's scale() divides by n - 1: the squares of x - 5.6 sum to 51.2.
    ("scale(x)", (X - 5.6) / np.sqrt(51.2 / 4)),
    ("scale(log(x))", (np.log(X) - np.log(X).mean()) / np.std(np.log(X), ddof=1)),
    ("between(x)", MEANS_G),
    ("within(x)", X - MEANS_G),
    ("between(x, h)", MEANS_H),
    ("within(x, h)", X - MEANS_H),
    ("I(within(x)^2)", (X - MEANS_G) ** 2),
    # Combinations of g and h: p1, p2, q1 (5 and 11), q2.
    ("between(x, g, h)", np.array([2.0, 3.0, 8.0, 7.0, 8.0])),
    ("within(x, g, h)", np.array([0.0, 0.0, -3.0, 0.0, 3.0])),
    ("within(between(x, g, h), g)", np.array([2.0, 3.0, 8.0, 7.0, 8.0]) - MEANS_G),
]


def values(text: str, data: pd.DataFrame, fitted: pd.DataFrame = FRAME) -> np.ndarray:
    """The factor on data, with what it learned on the data of a fit."""
    specification = parse_formula(f"y ~ {text} + (1 | g)")
    (term,) = [term for term in specification.fixed if term.factors]
    (factor,) = term.factors
    memory = learn([factor], read_columns(fitted, specification.columns), "g")
    return evaluate(factor, read_columns(data, specification.columns), memory, "g")


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_values(text: str, expected: np.ndarray) -> None:
    assert_allclose(values(text, FRAME), expected, rtol=1e-14, atol=1e-14)


NEW = pd.DataFrame(
    {"y": [0.0, 0.0, 0.0], "x": [100.0, 4.0, 8.0], "z": [0.0] * 3, "g": ["q", "new", "new"], "h": [2, 1, 1]}
)

REMEMBERED = [
    ("centre(x)", NEW["x"] - 5.6),
    ("scale(x)", (NEW["x"] - 5.6) / np.sqrt(51.2 / 4)),
    # Known groups keep their mean; a group that the fit has not seen has that of its own rows.
    ("between(x)", [23 / 3, 6.0, 6.0]),
    ("within(x)", [100 - 23 / 3, -2.0, 2.0]),
    ("between(x, h)", [5.0, 6.0, 6.0]),
    ("between(x, g, h)", [7.0, 6.0, 6.0]),
    ("log(x)", np.log(NEW["x"])),
]


@pytest.mark.parametrize(("text", "expected"), REMEMBERED)
def test_new_data_are_transformed_by_what_the_fit_learned(text: str, expected: np.ndarray) -> None:
    assert_allclose(values(text, NEW), expected, rtol=1e-14)


def test_what_is_constant_in_its_groups_is_zero_within(hsb: pd.DataFrame) -> None:
    """A predictor of schools has no deviations within schools: dropped with a warning, not fitted to rounding."""
    with pytest.warns(BayesmixWarning, match=r"within\(meanses\)"):
        model = bx.Model("math ~ within(meanses) + between(meanses) + (1 | school)", hsb)
    assert model.design.dropped == ("within(meanses)",)
    assert not model.design.values[:, 1].any()
