"""Which equation a fixed effect belongs to."""

import numpy as np
from numpy.testing import assert_array_equal

from bayesmix.inference.equations import Units, between_within_df, constant_columns, equation_df, is_chain

SCHOOL = np.repeat(np.arange(12), 10)
CLASS = np.repeat(np.arange(40), 3)
ONES = np.ones((120, 1))


def columns(seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A predictor of rows, of classes and of schools."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=120), rng.normal(size=40)[CLASS], rng.normal(size=12)[SCHOOL]


def test_intercepts_and_slopes_as_outcomes() -> None:
    """12 units; two equations of the school level, each with its own predictors."""
    x, _, w = columns()
    X = np.column_stack([np.ones(120), w, x, x * w, x * w**2])
    level = Units(SCHOOL, np.column_stack([np.ones(120), x]))
    assert_array_equal(equation_df(X, [level]), [10, 10, 9, 9, 9])


def test_slopes_without_residual_have_the_rows() -> None:
    x, _, w = columns()
    X = np.column_stack([np.ones(120), w, x, x * w])
    assert_array_equal(equation_df(X, [Units(SCHOOL, ONES)]), [10, 10, 116, 116])
    assert_array_equal(equation_df(X, []), [116] * 4)


def test_three_levels() -> None:
    """The intercept of a school explains those of its classes: one coefficient of their equation beside v."""
    x, v, w = columns()
    school = (np.arange(40) // 4)[CLASS]
    w = np.random.default_rng(2).normal(size=10)[school]
    X = np.column_stack([np.ones(120), w, v, x, x * v])
    both = np.column_stack([np.ones(120), x])
    chain = [Units(CLASS, both), Units(school, ONES)]
    assert is_chain(chain)
    assert_array_equal(equation_df(X, chain), [8, 8, 38, 38, 38])
    assert_array_equal(equation_df(X, [Units(CLASS, both), Units(school, both)]), [8, 8, 38, 9, 38])


def test_more_predictors_than_units() -> None:
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(120), rng.normal(size=(12, 13))[SCHOOL]])
    assert_array_equal(equation_df(X, [Units(SCHOOL, ONES)]), 0)


def test_between_within() -> None:
    """With one level as SAS: units less columns constant in them, rows less units less the other columns."""
    x, v, w = columns()
    X = np.column_stack([np.ones(120), w, x, x * w])
    assert_array_equal(between_within_df(X, [Units(SCHOOL, ONES)]), [10, 10, 106, 106])
    school = (np.arange(40) // 4)[CLASS]
    w = np.random.default_rng(2).normal(size=10)[school]
    X = np.column_stack([np.ones(120), w, v, x])
    assert_array_equal(between_within_df(X, [Units(CLASS, ONES), Units(school, ONES)]), [8, 8, 29, 79])


def test_constant_columns() -> None:
    """Also far from 0, and with one group all zero."""
    x, _, w = columns()
    X = np.column_stack([np.ones(120), 1e6 + x, 1e6 + w, np.where(SCHOOL == 3, 0.0, w), np.where(SCHOOL == 3, x, 0.0)])
    assert_array_equal(constant_columns(X, SCHOOL), [True, False, True, True, False])


def test_crossed_levels_are_no_chain() -> None:
    assert not is_chain([Units(np.arange(120) % 20, ONES), Units(SCHOOL, ONES)])
