"""Coding of terms by R's rules.

Where formulae codes as R does it is the oracle, column by column. Where it does not, the columns are written out as
R's ``model.matrix`` gives them: ``TermCode`` of R's model.c codes a factor of a term by contrasts where the rest of the
term is empty or inside an *earlier* term, by all its labels otherwise, and without an intercept ``modelmatrix`` codes
the first factor it meets by all its labels. (Chambers & Hastie 1992, Statistical Models in S, p. 38.)
"""

import formulae
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from bayesmix.design.coding import ModelColumn, code_terms, column_values
from bayesmix.design.frame import read_columns
from bayesmix.design.transforms import learn
from bayesmix.errors import DesignError
from bayesmix.specification import parse_formula


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Every cell of three factors occurs; the labels of b are in no alphabetical order.

    The categoricals are ordered, because formulae sorts the labels of those that are not; `code` takes the order away.
    """
    rng = np.random.default_rng(20)
    cells = pd.MultiIndex.from_product([["a1", "a2"], ["b3", "b1", "b2"], ["u", "v"]], names=["a", "b", "c"]).to_frame()
    frame = pd.concat([cells] * 4, ignore_index=True)
    frame["a"] = pd.Categorical(frame["a"], ["a1", "a2"], ordered=True)
    frame["b"] = pd.Categorical(frame["b"], ["b3", "b1", "b2"], ordered=True)
    for name in ("x", "z", "y"):
        frame[name] = rng.normal(size=len(frame))
    return frame


def code(right: str, frame: pd.DataFrame) -> tuple[list[ModelColumn], np.ndarray]:
    ordered = frame.select_dtypes("category").columns
    frame = frame.assign(**{name: frame[name].cat.as_unordered() for name in ordered})
    specification = parse_formula(f"y ~ {right}")
    columns = read_columns(frame, specification.columns)
    factors = [factor for term in specification.fixed for factor in term.factors]
    coded = code_terms(specification.fixed, columns)
    return coded, column_values(coded, columns, learn(factors, columns, None), None, len(frame))


AGREED = [
    "a", "0 + a", "0 + x", "a + b", "0 + a + b", "0 + b + a", "0 + a:b", "a + a:b", "b + a:b", "a*b", "0 + a*b",
    "a*b*c", "x:a", "x + x:a", "a + x:a", "0 + x:a", "0 + x + a", "a*x", "x:z", "0 + x:z + a", "a*b*x",
    "0 + a + a:x", "0 + a:x + b", "(a + b + x)^2", "a*b*c - a:b:c",
]  # fmt: skip


@pytest.mark.parametrize("right", AGREED)
def test_as_formulae_where_it_follows_r(right: str, frame: pd.DataFrame) -> None:
    coded, values = code(right, frame)
    # formulae reads ^ as Python does.
    oracle = formulae.design_matrices(f"y ~ {right.replace('^', '**')}", frame).common
    names = [label for term in oracle.terms.values() for label in term.labels]
    theirs = dict(zip(names, np.asarray(oracle.design_matrix).T, strict=True))
    assert {column.name for column in coded} == set(theirs)
    for column, found in zip(coded, values.T, strict=True):
        assert_array_equal(found, theirs[column.name])
    assert np.linalg.matrix_rank(values) == len(coded)


# right side, columns as R gives them, rank of the matrix.
WRITTEN_OUT = [
    # Neither margin of a:b is in the formula: all labels of both, one column more than can be told apart.
    (
        "a:b",
        "Intercept a[a1]:b[b3] a[a2]:b[b3] a[a1]:b[b1] a[a2]:b[b1] a[a1]:b[b2] a[a2]:b[b2]",
        6,
    ),
    # The first factor without an intercept has all its labels even where x has a column of its own.
    ("0 + x + x:a", "x x:a[a1] x:a[a2]", 2),
    # a and b each come earlier, but no earlier term holds the two, nor either of them with c.
    (
        "a + b + a:b:c",
        "Intercept a[a2] b[b1] b[b2] "
        "a[a1]:b[b3]:c[u] a[a2]:b[b3]:c[u] a[a1]:b[b1]:c[u] a[a2]:b[b1]:c[u] a[a1]:b[b2]:c[u] a[a2]:b[b2]:c[u] "
        "a[a1]:b[b3]:c[v] a[a2]:b[b3]:c[v] a[a1]:b[b1]:c[v] a[a2]:b[b1]:c[v] a[a1]:b[b2]:c[v] a[a2]:b[b2]:c[v]",
        12,
    ),
    # a/b is a + a:b: a comes earlier, b does not. formulae builds a term more.
    ("a/b", "Intercept a[a2] a[a1]:b[b1] a[a2]:b[b1] a[a1]:b[b2] a[a2]:b[b2]", 6),
    ("a/x", "Intercept a[a2] a[a1]:x a[a2]:x", 4),
    # The rest of the second term lies inside the first, so its last factor is coded by contrasts.
    ("x:a + x:b", "Intercept x:a[a1] x:a[a2] x:b[b1] x:b[b2]", 5),
    (
        "a:b + a:c",
        "Intercept a[a1]:b[b3] a[a2]:b[b3] a[a1]:b[b1] a[a2]:b[b1] a[a1]:b[b2] a[a2]:b[b2] a[a1]:c[v] a[a2]:c[v]",
        8,
    ),
    # Terms are sorted by degree before they are coded, so that x:a comes after x and a however it is written.
    ("x:a + x + a", "Intercept x a[a2] x:a[a2]", 4),
    # Only the first factor is spared, not the first of each term.
    ("0 + a:b + c", "c[u] c[v] a[a1]:b[b3] a[a2]:b[b3] a[a1]:b[b1] a[a2]:b[b1] a[a1]:b[b2] a[a2]:b[b2]", 7),
    ("1", "Intercept", 1),
]


@pytest.mark.parametrize(("right", "names", "rank"), WRITTEN_OUT)
def test_as_r_where_formulae_differs(right: str, names: str, rank: int, frame: pd.DataFrame) -> None:
    coded, values = code(right, frame)
    assert [column.name for column in coded] == names.split()
    assert np.linalg.matrix_rank(values) == rank


def test_no_columns_without_terms(frame: pd.DataFrame) -> None:
    assert code("0", frame)[0] == []


def test_a_label_marks_its_rows(frame: pd.DataFrame) -> None:
    coded, values = code("b + x:b", frame)
    found = dict(zip([column.name for column in coded], values.T, strict=True))
    assert_array_equal(found["b[b1]"], frame["b"] == "b1")
    assert_array_equal(found["x:b[b2]"], np.where(frame["b"] == "b2", frame["x"], 0.0))
    assert_array_equal(found["Intercept"], np.ones(len(frame)))


def test_the_first_factor_of_an_interaction_varies_fastest(frame: pd.DataFrame) -> None:
    names = [column.name for column in code("0 + b:a", frame)[0]]
    expected = [f"b[{b}]:a[{a}]" for a in ("a1", "a2") for b in ("b3", "b1", "b2")]
    assert names == expected


def test_order_of_categories_is_respected(frame: pd.DataFrame) -> None:
    """Of unordered categoricals too: the first is the reference, whatever the alphabet says."""
    unordered = frame.assign(b=pd.Categorical(frame["b"].astype(str), ["b2", "b3", "b1"]))
    assert [column.name for column in code("b", unordered)[0]] == ["Intercept", "b[b3]", "b[b1]"]


def test_text_is_coded_in_sorted_order(frame: pd.DataFrame) -> None:
    text = frame.assign(b=frame["b"].astype(str))
    assert [column.name for column in code("b", text)[0]] == ["Intercept", "b[b2]", "b[b3]"]


def test_booleans_are_categories(frame: pd.DataFrame) -> None:
    """As in R: False is the reference."""
    told = frame.assign(high=frame["x"] > 0)
    coded, values = code("high", told)
    assert [column.name for column in coded] == ["Intercept", "high[True]"]
    assert_array_equal(values[:, 1], told["high"])


def kept_order(right: str, frame: pd.DataFrame) -> list[str]:
    """Names as they are with the order of the categoricals left in place."""
    specification = parse_formula(f"y ~ {right}")
    return [column.name for column in code_terms(specification.fixed, read_columns(frame, specification.columns))]


def test_ordered_labels_are_coded_by_trends(frame: pd.DataFrame) -> None:
    """Where a factor is coded by contrasts; and never where C() says otherwise."""
    assert kept_order("b", frame) == ["Intercept", "b[.L]", "b[.Q]"]
    assert kept_order("0 + b", frame) == ["b[b3]", "b[b1]", "b[b2]"]
    assert kept_order("C(b)", frame) == ["Intercept", "C(b)[.L]", "C(b)[.Q]"]
    assert kept_order("C(b, Treatment)", frame) == ["Intercept", "C(b, Treatment)[b1]", "C(b, Treatment)[b2]"]
    assert kept_order("C(b, Sum)", frame) == ["Intercept", "C(b, Sum)[S.b3]", "C(b, Sum)[S.b1]"]
    assert kept_order("a:b", frame)[1:3] == ["a[a1]:b[b3]", "a[a2]:b[b3]"]
    assert kept_order("c + c:b", frame)[2:] == ["c[u]:b[.L]", "c[v]:b[.L]", "c[u]:b[.Q]", "c[v]:b[.Q]"]


def test_asked_contrasts_follow_the_rule_of_full_rank(frame: pd.DataFrame) -> None:
    for right, names in {
        "0 + C(b, Sum)": "C(b, Sum)[b3] C(b, Sum)[b1] C(b, Sum)[b2]",
        "C(b, Sum):x": "Intercept C(b, Sum)[b3]:x C(b, Sum)[b1]:x C(b, Sum)[b2]:x",
        "x + C(b, Sum):x": "Intercept x C(b, Sum)[S.b3]:x C(b, Sum)[S.b1]:x",
        "C(b, Helmert)": "Intercept C(b, Helmert)[H.b1] C(b, Helmert)[H.b2]",
        "C(b, Treatment, b1)": "Intercept C(b, Treatment, b1)[b3] C(b, Treatment, b1)[b2]",
    }.items():
        coded, values = code(right, frame)
        assert " ".join(column.name for column in coded) == names
        assert np.linalg.matrix_rank(values) == len(coded)


@pytest.mark.parametrize(("reference", "names"), [("10", "2 3"), ("-1", ""), ("2", "3 10")])
def test_reference_among_numbers(reference: str, names: str, frame: pd.DataFrame) -> None:
    counted = frame.assign(k=np.tile([2, 10, 3, 10], 12))
    if not names:
        with pytest.raises(DesignError, match=r"'k' has no label '-1'. Expected one of 2, 3, 10\."):
            code(f"C(k, Treatment, {reference})", counted)
        return
    coded, _ = code(f"C(k, Treatment, {reference})", counted)
    assert [column.name for column in coded[1:]] == [f"C(k, Treatment, {reference})[{name}]" for name in names.split()]


def test_reference_that_is_no_label(frame: pd.DataFrame) -> None:
    with pytest.raises(DesignError, match=r"no label 'bb1'. Expected one of b3, b1, b2. Did you mean 'b1'"):
        code("C(b, Treatment, bb1)", frame)


def test_powers_of_poly_are_columns(frame: pd.DataFrame) -> None:
    coded, values = code("a*poly(x, 2) + poly(x, 2):z", frame)
    names = ["Intercept", "a[a2]", "poly(x, 2)[1]", "poly(x, 2)[2]"]
    names += ["a[a2]:poly(x, 2)[1]", "a[a2]:poly(x, 2)[2]", "poly(x, 2)[1]:z", "poly(x, 2)[2]:z"]
    assert [column.name for column in coded] == names
    assert_allclose(values[:, 6], values[:, 2] * frame["z"], rtol=1e-14)
    _, raw = code("poly(x, 3, raw)", frame)
    assert_allclose(raw, np.vander(frame["x"], 4, increasing=True), rtol=1e-14)


def test_numbers_as_categories(frame: pd.DataFrame) -> None:
    """C(k) of whole numbers, in the order of the numbers and not of their text."""
    counted = frame.assign(k=np.tile([2, 10, 1, 10], 12))
    coded, values = code("C(k)", counted)
    assert [column.name for column in coded] == ["Intercept", "C(k)[2]", "C(k)[10]"]
    assert_array_equal(values[:, 2], counted["k"] == 10)


def test_one_column_however_its_factors_are_ordered() -> None:
    """The same values are one column of the design, and so one column of the cross-products."""
    frame = pd.DataFrame({"y": [1.0, 2.0, 4.0], "x": [1.0, 3.0, 2.0], "z": [2.0, 2.0, 5.0]})
    (one,), _ = code("0 + x:z", frame)
    (two,), _ = code("0 + z:x", frame)
    assert one.key == two.key
    assert one.name == "x:z"
    assert two.name == "z:x"
