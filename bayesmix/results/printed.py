"""Numbers as they were printed: value and digits, and whether another number rounds to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from numbers import Real
from typing import Any

import numpy as np

from bayesmix.errors import ArgumentError

# A number that was computed, not printed, has more digits than any two programs share.
COMPUTED_DIGITS = 7
# Nobody prints more decimals, or more zeros before the point.
MOST_DIGITS = 100

_ESTIMATE_AND_ERROR = re.compile(r"^\s*(\S+)\s*\(\s*(\S+?)\s*\)\s*$")


@dataclass(frozen=True)
class Printed:
    """One printed number.

    Parameters
    ----------
    text : str
        As printed.
    value : float
    digits : int
        Decimals; negative where the last printed digit stands for tens or more.

    Examples
    --------
    >>> from bayesmix.results.printed import read_printed
    >>> slide = read_printed("4.8286")
    >>> slide.digits, slide.agrees(4.8286367), slide.agrees(4.8287)
    (4, True, False)
    """

    text: str
    value: float
    digits: int

    @property
    def unit(self) -> float:
        """One unit of the last printed digit."""
        return float(10.0**-self.digits)

    def off(self, number: float) -> float:
        """``number`` minus the printed value, in units of the last digit."""
        return (number - self.value) / self.unit

    def agrees(self, number: float, noise: float = 0.0) -> bool:
        """Whether ``number``, give or take ``noise``, rounds to what was printed (either way at a half)."""
        return bool(abs(number - self.value) <= (0.5 + 1e-6) * self.unit + noise)

    def cuts(self, number: float) -> bool:
        """Whether ``number`` cut off after the last digit, not rounded, is what was printed."""
        if not np.isfinite(number):
            return False
        # Through the shortest text: 0.2885 must not become 0.288499.
        return bool(Decimal(repr(float(number))).quantize(Decimal(1).scaleb(-self.digits), ROUND_DOWN) == self.exact)

    @property
    def exact(self) -> Decimal:
        """The value as a decimal."""
        return Decimal(_plain(self.text))


def read_printed(given: Any, where: str = "A published number") -> Printed:
    """Read a number as it was printed.

    Parameters
    ----------
    given : str, Decimal or number
        Text and decimals keep their digits, trailing zeros too. A number counts with the digits of its shortest form,
        up to 7 significant ones: 12.6650 is 12.665, and 4.828636743126 is 4.828637.
    where : str
        What an error should name.

    Returns
    -------
    Printed

    Raises
    ------
    ArgumentError
        Not a finite number.
    """
    try:
        text = given.strip() if isinstance(given, str) else _shortest(given)
        exact = Decimal(_plain(text))
    except (InvalidOperation, TypeError):
        exact, text = Decimal("nan"), repr(given)
    exponent = exact.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > MOST_DIGITS or abs(exact.adjusted()) > MOST_DIGITS:
        raise ArgumentError(
            f"{where} is {given!r}.",
            f"Expected a finite number of at most {MOST_DIGITS} decimals, or its digits as text.",
            'Write it as printed, with a decimal point: "12.6650".',
        )
    return Printed(text, float(exact), -exponent)


def split_error(given: Any) -> tuple[Any, Any]:
    """Estimate and standard error of ``"12.665 (.190)"`` or a pair; anything else is an estimate without error."""
    if isinstance(given, tuple | list) and len(given) == 2:
        return given[0], given[1]
    match = _ESTIMATE_AND_ERROR.match(given) if isinstance(given, str) else None
    return (match[1], match[2]) if match else (given, None)


def _plain(text: str) -> str:
    """ASCII signs, so that a minus copied from an article counts."""
    return text.replace("\N{MINUS SIGN}", "-").replace("\N{EN DASH}", "-")


def _shortest(number: Any) -> str:
    """The shortest text of a number, cut to the digits that programs share."""
    if isinstance(number, Decimal):
        return str(number)
    if isinstance(number, bool | np.bool_) or not isinstance(number, Real):
        raise TypeError
    value = float(number)
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    text = repr(value)
    if len(Decimal(text).as_tuple().digits) > COMPUTED_DIGITS:
        text = format(Decimal(f"{value:.{COMPUTED_DIGITS - 1}e}"), "f")
    return text
