"""The operators: against R's rules written out here, and against formulae."""

import string
import time
from itertools import product

import pytest
from formulae import model_description
from hypothesis import given, settings
from hypothesis import strategies as st

from bayesmix.errors import FormulaError
from bayesmix.specification import algebra, parse_formula

# R's rules, src/library/stats/src/model.c: a term is a set of variables, a formula a list of terms without repeats.
Terms = list[frozenset[str]]


def unique(terms: Terms) -> Terms:
    return list(dict.fromkeys(terms))


def union(terms: Terms) -> frozenset[str]:
    return frozenset().union(*terms)


def power(base: Terms, exponent: int) -> Terms:
    return unique([union(list(chosen)) for chosen in product(base, repeat=exponent)])


R = {
    "+": lambda left, right: unique(left + right),  # PlusTerms
    "-": lambda left, right: [term for term in left if term not in right],  # DeleteTerms
    ":": lambda left, right: unique([a | b for a in left for b in right]),  # InteractTerms
    "*": lambda left, right: unique(left + right + [a | b for a in left for b in right]),  # CrossTerms
    "/": lambda left, right: unique(left + [union(left) | b for b in right]),  # NestTerms
    "%in%": lambda left, right: unique([union(right) | a for a in left]),  # InTerms
}


@st.composite
def sums(draw: st.DrawFn, depth: int = 3) -> tuple[str, Terms]:
    """A formula in full brackets, with its terms by R's rules."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        name = draw(st.sampled_from("abcd"))
        return name, [frozenset(name)]
    left, left_terms = draw(sums(depth - 1))
    if draw(st.integers(0, 4)) == 0:
        exponent = draw(st.integers(1, 3))
        return f"({left}){draw(st.sampled_from(['^', '**']))}{exponent}", power(left_terms, exponent)
    operator = draw(st.sampled_from(list(R)))
    right, right_terms = draw(sums(depth - 1))
    return f"({left} {operator} {right})", R[operator](left_terms, right_terms)


def fixed_sets(formula: str) -> Terms:
    return [frozenset(factor.text for factor in term.factors) for term in parse_formula(formula).fixed]


@settings(max_examples=150, deadline=None)
@given(sums())
def test_terms_and_their_order_are_those_of_r(drawn: tuple[str, Terms]) -> None:
    text, terms = drawn
    try:
        found = fixed_sets(f"y ~ {text}")
    except FormulaError as error:
        assert "no terms on one side" in error.found  # (a - a):b, which we refuse
        return
    assert found == [frozenset(), *sorted(terms, key=len)]


SAFE = [
    "a*b + c",
    "a*b*c",
    "(a + b + c)**2",
    "(a + b + c)**2 - a:b",
    "(a + b)*(c + d)",
    "(a + b):(c + d)",
    "a/b",
    "a/b/c",
    "a/(b + c)",
    "(a + b)/c",
    "a + b:c*d",
    "a*b - a",
    "a:b + a:b + b",
    "a + b - a + a",
]


@pytest.mark.parametrize("intercept", ["", "0 + ", "1 + "])
@pytest.mark.parametrize("right", SAFE)
def test_terms_are_those_of_formulae(right: str, intercept: str) -> None:
    text = f"y ~ {intercept}{right}"  # only ever these texts: formulae runs what it is given
    terms = model_description(text).common_terms
    theirs = {frozenset() if term.name == "Intercept" else frozenset(term.name.split(":")) for term in terms}
    assert set(fixed_sets(text)) == theirs


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a + b*c", "a + (b*c)"),
        ("a*b:c", "a*(b:c)"),
        ("a/b*c", "(a/b)*c"),
        ("a*b/c", "(a*b)/c"),
        ("a:b^2", "a:(b^2)"),
        ("a - b*c + d", "(a - (b*c)) + d"),
        # R: %in% is stronger than * and /, weaker than :
        ("a*b %in% c", "a*(b %in% c)"),
        ("a %in% b:c", "a %in% (b:c)"),
        ("a %in% b/c", "(a %in% b)/c"),
    ],
)
def test_precedence_is_that_of_r(text: str, plain: str) -> None:
    assert fixed_sets(f"y ~ {text}") == fixed_sets(f"y ~ {plain}")


def test_nested_names_follow_what_they_are_in() -> None:
    # R's help page: a + b %in% a is a + a:b
    assert [term.label for term in parse_formula("y ~ a + b %in% a").fixed] == ["Intercept", "a", "a:b"]


def test_power_within_the_limit_is_fast() -> None:
    # 10^10 products when enumerated
    begun = time.process_time()
    assert len(parse_formula("y ~ (a+b+c+d+e+f+g+h+i+j)^10").fixed) == 2**10
    assert time.process_time() - begun < 5


NAMES = [a + b for a in string.ascii_lowercase for b in string.ascii_lowercase]


@pytest.mark.parametrize(
    "right",
    [
        "(" + "+".join(NAMES[:60]) + ")^10",
        "*".join(NAMES[:13]),
        "*".join(NAMES),
        "(" + "+".join(NAMES[:300]) + "):(" + "+".join(NAMES[300:600]) + ")",
        "/".join(NAMES),
        "+".join(["(a*b*c*d*e*f*g*h*i*j*k)"] * 400),
    ],
    ids=["power", "cross", "long cross", "interact", "nest", "repeated"],
)
def test_explosions_are_refused_soon(right: str) -> None:
    begun = time.process_time()
    with pytest.raises(FormulaError, match="too many interactions") as caught:
        parse_formula(f"y ~ {right}")
    assert time.process_time() - begun < 5
    assert "at position 5" in caught.value.found
    assert "lower power" in caught.value.remedy


def test_cross_of_twelve_is_not_refused() -> None:
    assert len(parse_formula("y ~ " + "*".join(NAMES[:12])).fixed) == 2**12


def test_errors_of_formulaic_become_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(algebra.AlgebraError):
        algebra.expand_products("f0 + + * f1")
    monkeypatch.setattr("bayesmix.specification.sums.expand_products", lambda words: algebra.expand_products("f0 f1"))
    with pytest.raises(FormulaError, match="can not be read as a sum of terms") as caught:
        parse_formula("y ~ x")
    assert "'x' at position 5" in caught.value.found
