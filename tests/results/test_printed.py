"""Printed numbers: their digits, and what rounds to them."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from bayesmix.errors import ArgumentError
from bayesmix.results.printed import read_printed, split_error


@pytest.mark.parametrize(
    ("given", "value", "digits"),
    [
        ("12.6650", 12.665, 4),
        (" .1898 ", 0.1898, 4),
        ("\N{MINUS SIGN}0.11", -0.11, 2),
        ("36", 36.0, 0),
        ("1.2e-5", 1.2e-5, 6),
        ("1.5e3", 1500.0, -2),
        (12.6650, 12.665, 3),
        (160, 160.0, 0),
        (np.float64(0.41), 0.41, 2),
        (np.int64(7), 7.0, 0),
        (4.828636743126, 4.828637, 6),
        (Decimal("0.50"), 0.5, 2),
        (-1.2345678e-5, -1.234568e-5, 11),
    ],
)
def test_value_and_digits(given: Any, value: float, digits: int) -> None:
    printed = read_printed(given)
    assert printed.value == pytest.approx(value, rel=1e-12)
    assert printed.digits == digits


@pytest.mark.parametrize("given", ["", "4,83", "<.0001", "nan", "inf", None, True, np.nan, [1], float("inf")])
def test_no_number(given: Any) -> None:
    with pytest.raises(ArgumentError, match="se of ses is") as caught:
        read_printed(given, "se of ses")
    assert "finite number" in caught.value.expected


def test_half_a_unit_either_way() -> None:
    printed = read_printed("4.8286")
    assert printed.agrees(4.82855) and printed.agrees(4.82865)
    assert not printed.agrees(4.828549) and not printed.agrees(4.828651)
    assert printed.agrees(4.8288, noise=2e-4)
    assert not printed.agrees(np.nan)
    assert printed.off(4.8288) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("text", "number", "cut"),
    [
        ("0.116", 0.116515, True),
        ("0.117", 0.116515, False),
        ("-0.116", -0.116515, True),
        ("0.2885", 0.2885, True),
        ("0.116", np.nan, False),
        ("\N{MINUS SIGN}1.5", -1.59, True),
    ],
)
def test_cut_off_not_rounded(text: str, number: float, cut: bool) -> None:
    assert read_printed(text).cuts(number) is cut


@pytest.mark.parametrize("text", ["1e400", "1e-400", "1e999999999", "-1e-999999999", "9e101", "0." + "0" * 101])
def test_numbers_that_nobody_prints(text: str) -> None:
    with pytest.raises(ArgumentError, match="at most 100 decimals"):
        read_printed(text)


def test_estimate_with_its_error() -> None:
    assert split_error("12.6650 (.1898)") == ("12.6650", ".1898")
    assert split_error("-0.0045( 0.001027 )") == ("-0.0045", "0.001027")
    assert split_error((1.5, 0.2)) == (1.5, 0.2)
    assert split_error("12.6650") == ("12.6650", None)
    assert split_error(3) == (3, None)
