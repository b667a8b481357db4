"""Hypotheses as text, dictionaries and matrices."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from bayesmix.errors import ArgumentError
from bayesmix.results.hypotheses import Vocabulary, read_hypotheses, vocabulary

NAMES = ["Intercept", "a", "b", "f[x y]", "f[-1]", "g[yes]", "a:g[yes]", "I(a^2)", "log(b + 1)", "my var", "1st", "my"]
TERMS = {"a": [1], "b": [2], "f": [3, 4], "g": [5], "a:g": [6], "my var": [9]}


@pytest.fixture
def known() -> Vocabulary:
    return vocabulary(NAMES, TERMS)


def row(value: float = 0.0, **weights: float) -> list[float]:
    """A row of contrasts and value, by places written p1, p2."""
    out = [0.0] * len(NAMES)
    for place, weight in weights.items():
        out[int(place[1:])] = weight
    return [*out, value]


@pytest.mark.parametrize(
    "text, rows",
    [
        ("a = 0", [row(p1=1)]),
        ("a = 2", [row(2, p1=1)]),
        ("a == 2", [row(2, p1=1)]),
        ("2 = a", [row(2, p1=1)]),
        ("a = b", [row(p1=1, p2=-1)]),
        ("a=b=g", [row(p1=1, p2=-1), row(p2=1, p5=-1)]),
        ("a = b = 0", [row(p1=1), row(p2=1)]),
        ("0 = a = b", [row(p1=1), row(p2=1)]),
        ("a = 3 = b", [row(3, p1=1), row(3, p2=1)]),
        ("a - 2*b = 1", [row(1, p1=1, p2=-2)]),
        ("-a + b*2 = -1.5e1", [row(-15, p1=-1, p2=2)]),
        ("(a + b)/2 - b = 1", [row(1, p1=0.5, p2=-0.5)]),
        ("-(a - 3) = 2*b", [row(-3, p1=-1, p2=-2)]),
        ("2*(a - 1) = 4", [row(6, p1=2)]),
        ("a + 1 = b + 2", [row(1, p1=1, p2=-1)]),
        ("a = 0, b = 1", [row(p1=1), row(1, p2=1)]),
        ("f = 0", [row(p3=1), row(p4=1)]),
        ("a = f = 0", [row(p1=1), row(p3=1), row(p4=1)]),
        ("f[x y] = f[-1]", [row(p3=1, p4=-1)]),
        ("f[x  y] = 1", [row(1, p3=1)]),
        ("g = 0", [row(p5=1)]),
        ("g[yes] = 0", [row(p5=1)]),
        ("a:g = 0", [row(p6=1)]),
        ("g:a = 0", [row(p6=1)]),
        ("g[yes]:a = 0", [row(p6=1)]),
        ("I(a^2) = 0", [row(p7=1)]),
        ("log(b + 1) - 2*a = 0", [row(p8=1, p1=-2)]),
        ("my var = 0", [row(p9=1)]),
        ("`my var` - `a` = 0", [row(p9=1, p1=-1)]),
        ("my = my var", [row(p11=1, p9=-1)]),
        ("1st = 1", [row(1, p10=1)]),
        ("Intercept = 10", [row(10, p0=1)]),
    ],
)  # fmt: skip
def test_text(text: str, rows: list[list[float]], known: Vocabulary) -> None:
    found = read_hypotheses(text, known)
    expected = np.array(rows)
    assert_allclose(found.contrasts, expected[:, :-1])
    assert_allclose(found.values, expected[:, -1])
    assert len(found.labels) == len(rows)


def test_labels(known: Vocabulary) -> None:
    found = read_hypotheses("b = a = -1, 2*f[x y] - 0.5*f[-1] = 3", known)
    assert found.labels == ("b = -1", "a = -1", "2*f[x y] - 0.5*f[-1] = 3")
    assert read_hypotheses("-a = b", known).labels == ("-a - b = 0",)


def test_labels_are_hypotheses(known: Vocabulary) -> None:
    first = read_hypotheses("(a - 2*b)/4 = 1, g - f[x y] = a:g", known)
    again = read_hypotheses(list(first.labels), known)
    assert_allclose(again.contrasts, first.contrasts)
    assert_allclose(again.values, first.values)


def test_other_forms(known: Vocabulary) -> None:
    p = len(NAMES)
    expected = np.array([row(p1=1), row(2, p1=1, p2=-1)])
    matrix = np.eye(p)[[1, 2]]
    for given in (["a = 0", "a - b = 2"], {"a": 0, "a - b": 2}, ("a=0", "a-b=2")):
        found = read_hypotheses(given, known)
        assert_allclose(np.column_stack([found.contrasts, found.values]), expected)
    for given in (matrix, matrix.tolist(), pd.DataFrame({"b": [0, 1], "a": [1, 0]})):
        found = read_hypotheses(given, known)
        assert_allclose(found.contrasts, matrix)
        assert_allclose(found.values, 0)
    assert read_hypotheses(matrix[0], known).contrasts.shape == (1, p)


@pytest.mark.parametrize(
    "given, message",
    [
        ("aa = 0", "names 'aa'.*Did you mean 'a'"),
        ("G[Yes] = 0", r"names 'G\[Yes\]'.*Did you mean 'g\[yes\]'"),
        ("a:zz = 0", "names 'a:zz'"),
        ("`other` = 0", "names 'other'"),
        ("zzzzzzzz = 0", "Choose one of these"),
        ("a", "has no '='.*Write 'a = 0'"),
        ("a, b = 0", "'a' has no '='"),
        ("a = 1 = 2", "two numbers"),
        ("1 = 2", "two numbers"),
        ("a - a = 0", "sets two numbers equal"),
        ("a = a", "names no fixed effect"),
        ("a = 0, 2*a = 0", "follows from those before"),
        ("a = 0, 2*a = 1", "contradicts those before"),
        ("a = b, b = g, a = g", "'a - g\\[yes\\] = 0' follows"),
        ("f = 1", "a term of 2 coefficients"),
        ("f = a", "a term of 2 coefficients"),
        ("f + a = 0", "a sum with a term"),
        ("a*b = 0", "a product or quotient"),
        ("1/a = 0", "a product or quotient"),
        ("a/0 = 1", "division by 0"),
        ("a = ", "where a name or a number belongs"),
        ("= 0", "where a name or a number belongs"),
        ("a = 0,", "where a name or a number belongs"),
        ("(a = 0", "not closed"),
        ("a = 0 b = 0", "can not be read from"),
        ("a = 0; b = 0", "can not be read from"),
        ("a = 1e", "names '1e'"),
        ("", "where a name or a number belongs"),
        ({}, "The hypothesis is {}"),
        ([], r"The hypothesis is \[\]"),
        (None, "The hypothesis is None"),
        (3, "The hypothesis is 3"),
        ({"a": "b"}, "the value 'b'"),
        ({"a": True}, "the value True"),
        ({"a": float("inf")}, "the value inf"),
        ({"a = 0": 1}, "something left over"),
        ([[1.0, 2.0]], r"shape \(1, 2\)"),
        (np.full((1, len(NAMES)), np.nan), "finite"),
        ([["x"] * len(NAMES)], "Expected text"),
        (np.zeros((1, len(NAMES))), "names no fixed effect"),
        (pd.DataFrame({"c": [1.0]}), "names 'c'"),
    ],
)
def test_refusals(given: Any, message: str, known: Vocabulary) -> None:
    with pytest.raises(ArgumentError, match=message):
        read_hypotheses(given, known)


def test_nothing_is_run(known: Vocabulary) -> None:
    for text in ("__import__('os').system('true') = 0", "a.__class__ = 0", "exec(a) = 0", "a ** 2 = 0"):
        with pytest.raises(ArgumentError):
            read_hypotheses(text, known)
