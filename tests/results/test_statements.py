"""Statements about parameters: arithmetic of draws, and what is no statement."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayesmix.errors import ArgumentError
from bayesmix.results.statements import Expression, Parameter, Statement, read_statements

DRAWS = {
    "a": np.array([[1.0, 2.0], [3.0, -4.0]]),
    "b[x y]": np.array([[0.5, 0.25], [2.0, 8.0]]),
    "sd( a | g )": np.array([[1.0, 1.5], [2.0, 2.5]]),
    "1|g_sigma": np.array([[7.0, 8.0], [9.0, 10.0]]),
    "log(a)": np.array([[4.0, 3.0], [2.0, 1.0]]),
    "a:c": np.array([[6.0, 6.5], [7.0, 7.5]]),
}
FIXED = ("a", "b[x y]", "log(a)", "a:c")


def expression(name: str) -> Expression:
    if name in FIXED:
        linear = np.zeros(len(FIXED) + 1)
        linear[FIXED.index(name)] = 1.0
        return Expression(DRAWS[name], linear)
    return Expression(DRAWS[name], None, Parameter(0) if "(" in name else None)


def read(text: str) -> list[Statement]:
    return read_statements(text, {name: lambda name=name: expression(name) for name in DRAWS}, len(FIXED))


a, b, s, t, log_a, ac = DRAWS.values()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a > 0", a),
        ("-a > 0", -a),
        ("+a > 0", a),
        ("2*a - b[x y]/4 + 1 > 0", 2 * a - b / 4 + 1),
        ("2 * (a - 3) * 4 > 0", 8 * (a - 3)),
        ("a - (b[x y] - a) > 0", 2 * a - b),
        ("a - b[x y] - a > 0", -b),
        ("a*b[x y] > 0", a * b),
        ("a/b[x y]/2 > 0", a / b / 2),
        ("a^2 > 0", a**2),
        ("-a^2 > 0", -(a**2)),
        ("a**2*3 > 0", 3 * a**2),
        ("2^3^2*a > 0", 512 * a),
        ("b[x y]^-1 > 0", 1 / b),
        ("b[x y]^0.5 > 0", np.sqrt(b)),
        ("sqrt(sd(a|g)^2 + 1|g_sigma^2) > 0", np.sqrt(s**2 + t**2)),
        ("sd( a |g ) > 0", s),
        ("log(b[x y]) > 0", np.log(b)),
        ("log(a) > 0", log_a),  # a predictor of that name
        ("log( a ) > 0", None),  # some draws of a are negative
        ("exp(a) + abs(a) > 0", np.exp(a) + np.abs(a)),
        ("`b[x y]` + `a` > 0", a + b),
        ("a:c > 0", ac),
        ("1e1*a > 0", 10 * a),
        (".5*a > 0", a / 2),
        ("sqrt(4)*a > 0", 2 * a),
    ],
)
def test_arithmetic(text: str, left: np.ndarray | None) -> None:
    if left is None:
        with pytest.raises(ArgumentError, match="some draws do not have"):
            read(text)
        return
    (found,) = read(text)
    assert_allclose(found.left.values, left)
    assert found.relation == ">"
    assert found.right.constant == 0


@pytest.mark.parametrize(
    ("text", "linear"),
    [
        ("a = 0", [1, 0, 0, 0, 0]),
        ("2*(a - 3*b[x y]) + 4 = 0", [2, -6, 0, 0, 4]),
        ("-a/2*3 = 0", [-1.5, 0, 0, 0, 0]),
        ("2^2*a + sqrt(9) = 0", [4, 0, 0, 0, 3]),
        ("a*b[x y] = 0", None),
        ("a^2 = 0", None),
        ("abs(a) = 0", None),
        ("a + sd(a|g) = 0", None),
    ],
)
def test_linear(text: str, linear: list[float] | None) -> None:
    """What is known to be linear in the fixed effects, and with which weights."""
    (found,) = read(text)
    if linear is None:
        assert found.left.linear is None
    else:
        assert_allclose(found.left.linear, linear)


def test_several() -> None:
    found = read("a > 1, sd(a|g) = 0 , 2 <= a:c")
    assert [one.text for one in found] == ["a > 1", "sd(a|g) = 0", "2 <= a:c"]
    assert [one.relation for one in found] == [">", "=", "<"]
    assert found[1].left.parameter == Parameter(0)
    assert read("a == 1")[0].relation == "="


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "position 1"),
        ("a", "compares nothing"),
        ("a >", "an operator or the end"),
        ("> a", "an operator or the end"),
        ("a > q", "'q'"),
        ("a > A", "'A'"),
        ("a > aa", "'aa'"),
        ("1 > 2", "two numbers"),
        ("0 < a < 1", "second relation"),
        ("a >> 1", "an operator or the end"),
        ("a => 1", "an operator or the end"),
        ("a != 1", "no operator"),
        ("a ~ 1", "no operator"),
        ("a > 1 2", "left over"),
        ("(a > 1", "not closed"),
        ("a > 1)", "left over"),
        ("a > 1,", "an operator or the end"),
        ("a / 0 > 1", "division by 0"),
        ("a > 1e999", "infinite"),
        ("a^0.5 > 1", "some draws"),
        ("sqrt(a) > 1", "some draws"),
        ("2 ^ (10000 * a) > 1", "some draws"),
        ("a.real > 1", "'a.real'"),
        ("__import__('os').system('true') > a", "'__import__'"),
        ("a if a else a > 1", "no operator"),
        ("sin(a) > 0", "'sin'"),
        ("`a > 1", "no parameter"),
    ],
)
def test_what_is_no_statement(text: str, words: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        read(text)
    assert words in caught.value.found


def test_the_nearest_name() -> None:
    with pytest.raises(ArgumentError, match=r"Did you mean 'b\[x y\]'"):
        read("b[x] > 1")
