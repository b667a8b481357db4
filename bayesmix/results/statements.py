"""Statements about the parameters of a posterior, read as text and never run: ``"ses > 2*minority"``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError
from bayesmix.results.scanning import Scanner

Floats = NDArray[np.float64]

_EXAMPLE = "Write it as 'ses > 2', 'a = b', 'sd(ses) > 0.5', or 'a > b^2'."

_FUNCTIONS: Mapping[str, Callable[[Floats], Floats]] = {
    "sqrt": np.sqrt, "exp": np.exp, "log": np.log, "abs": np.abs,
}  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One variance parameter.

    Parameters
    ----------
    level : int or None
        Its level; None for the residuals.
    effects : (int, int)
        The effects of a correlation; of a standard deviation the same effect twice.
    """

    level: int | None
    effects: tuple[int, int] = (0, 0)

    @property
    def is_correlation(self) -> bool:
        """Whether it is of two effects."""
        return self.effects[0] != self.effects[1]


@dataclass(frozen=True)
class Expression:
    """Draws of some arithmetic of the parameters, and what else is known of it.

    Parameters
    ----------
    values : (C, D) or () array
    linear : (p + 1,) array or None
        Weights of the fixed effects and the constant, where it is linear in the fixed effects alone.
    parameter : Parameter or None
        Where it is one standard deviation or correlation.
    """

    values: Floats
    linear: Floats | None = None
    parameter: Parameter | None = None

    @property
    def constant(self) -> float | None:
        """The number it is, where it names no parameter."""
        return None if self.linear is None or self.linear[:-1].any() else float(self.linear[-1])


@dataclass(frozen=True)
class Statement:
    """A relation between two expressions.

    Parameters
    ----------
    text : str
        As written.
    relation : str
        ``"<"``, ``">"`` or ``"="``.
    left, right : Expression
    """

    text: str
    relation: str
    left: Expression
    right: Expression


def read_statements(text: str, words: Mapping[str, Callable[[], Expression]], n_fixed: int) -> list[Statement]:
    """Statements separated by commas.

    Parameters
    ----------
    text : str
    words : mapping of str to function
        Every name of a parameter, and what makes its expression.
    n_fixed : int
        Number of fixed effects.

    Raises
    ------
    ArgumentError
        An unknown name, or text that is no statement.

    Examples
    --------
    >>> one = lambda: Expression(np.array([[1.0, 3.0]]), np.array([1.0, 0.0]))
    >>> (found,) = read_statements("2*ses - 1 > 0", {"ses": one}, 1)
    >>> found.relation, found.left.values.tolist(), found.left.linear.tolist()
    ('>', [[1.0, 5.0]], [2.0, -1.0])
    """
    return _Reader(text, words, n_fixed).statements()


class _Reader(Scanner):
    """Reads one text from left to right."""

    def __init__(self, text: str, words: Mapping[str, Callable[[], Expression]], n_fixed: int) -> None:
        super().__init__(text, words, "=<>,+-*/^()")
        self._words, self._n_fixed = words, n_fixed

    def statements(self) -> list[Statement]:
        """All of them."""
        found = [self._statement()]
        while self._take(","):
            found.append(self._statement())
        self._end()
        return found

    def _statement(self) -> Statement:
        """Two sides and the relation between them."""
        start = self._at
        left = self._sum()
        relation = self._peek()
        if relation not in ("<", ">", "="):
            if relation or self._at < len(self._text):
                raise self._unreadable("something that is no operator")
            written = self._text[start:].strip()
            raise ArgumentError(
                f"The hypothesis '{written}' compares nothing.", "Expected '<', '>' or '='.", f"Write '{written} > 0'."
            )
        self._at += 1
        if self._text.startswith("=", self._at):
            self._at += 1
        right = self._sum()
        if self._peek() in ("<", ">", "="):
            raise self._unreadable("a second relation; write two hypotheses")
        written = self._text[start : self._at].strip()
        if left.constant is not None and right.constant is not None:
            raise ArgumentError(f"The hypothesis '{written}' compares two numbers.", "Expected parameters.", _EXAMPLE)
        return Statement(written, relation, left, right)

    def _sum(self) -> Expression:
        """Products with signs between them."""
        total = self._signed()
        while (sign := self._peek()) and sign in "+-":
            self._at += 1
            weight, other = (1.0 if sign == "+" else -1.0), self._product()
            linear = None
            if total.linear is not None and other.linear is not None:
                linear = total.linear + weight * other.linear
            total = Expression(total.values + weight * other.values, linear)
        return total

    def _signed(self) -> Expression:
        """A product, perhaps with signs before it."""
        sign = 1.0
        while (symbol := self._peek()) and symbol in "+-":
            self._at += 1
            sign = -sign if symbol == "-" else sign
        value = self._product()
        return value if sign > 0 else _scaled(value, -1.0)

    def _product(self) -> Expression:
        """Powers with ``*`` or ``/`` between them."""
        value = self._power()
        while (symbol := self._peek()) and symbol in "*/":
            self._at += 1
            other = self._power()
            if symbol == "/" and other.constant == 0:
                raise self._unreadable("a division by 0")
            if other.constant is not None:
                value = _scaled(value, other.constant if symbol == "*" else 1 / other.constant)
            elif symbol == "*" and value.constant is not None:
                value = _scaled(other, value.constant)
            elif symbol == "*":
                value = Expression(value.values * other.values)
            else:
                with np.errstate(all="ignore"):
                    value = Expression(np.asarray(value.values / other.values))
                self._require_numbers(value.values)
        return value

    def _power(self) -> Expression:
        """An operand, perhaps with a number as exponent."""
        base = self._operand()
        if not self._take("^") and not self._take_stars():
            return base
        exponent = _scaled(self._power(), -1.0) if self._take("-") else self._power()
        with np.errstate(all="ignore"):
            values = np.asarray(base.values**exponent.values)
        self._require_numbers(values)
        if base.constant is not None and exponent.constant is not None:
            return self._number_expression(float(values))
        return Expression(values)

    def _take_stars(self) -> bool:
        """Step over ``**`` if it comes next."""
        if self._peek() == "*" and self._text.startswith("**", self._at):
            self._at += 2
            return True
        return False

    def _operand(self) -> Expression:
        """A number, a parameter, a function, or a sum in brackets."""
        self._peek()
        word = self._name()
        if word is not None:
            return self._words[word]()
        if self._take("("):
            return self._bracket()
        number = self._number()
        if number is not None:
            return self._number_expression(number)
        unknown = self._unknown_word()
        if unknown is not None and unknown in _FUNCTIONS and self._text.startswith("(", self._at + len(unknown)):
            self._at += len(unknown) + 1
            inner = self._bracket()
            with np.errstate(all="ignore"):
                values = _FUNCTIONS[unknown](inner.values)
            self._require_numbers(values)
            return Expression(values) if inner.constant is None else self._number_expression(float(values))
        if unknown:
            raise self._unknown(unknown)
        raise self._unreadable("an operator or the end where a parameter or a number belongs")

    def _bracket(self) -> Expression:
        """What is left of a bracket."""
        inner = self._sum()
        if not self._take(")"):
            raise self._unreadable("a bracket that is not closed")
        return inner

    def _number_expression(self, value: float) -> Expression:
        """A number."""
        return Expression(np.array(value), np.append(np.zeros(self._n_fixed), value))

    def _require_numbers(self, values: Floats) -> None:
        """Refuse roots and logarithms of negative draws."""
        if not np.isfinite(values).all():
            raise self._unreadable("a quotient, power, root or logarithm that some draws do not have")

    def _unknown(self, word: str) -> ArgumentError:
        """The answer to a name that is none, with the nearest."""
        word = word.strip("`")
        first = {id(make): name for name, make in reversed(list(self._words.items()))}  # one spelling of each
        names = ["".join(name.split(" ")) if "(" in name else name for name in reversed(list(first.values()))]
        folded = {name.casefold(): name for name in names}
        near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.4)
        return ArgumentError(
            f"The hypothesis '{self._text}' names '{word}', which is no parameter.",
            f"Expected one of {', '.join(names)}.",
            f"Did you mean '{folded[near[0]]}'?" if near else "Choose one of these.",
        )

    def _unreadable(self, what: str) -> ArgumentError:
        """The answer to text that is no hypothesis."""
        return ArgumentError(
            f"The hypothesis '{self._text}' holds {what} (position {self._at + 1}).",
            "Expected parameters, numbers, + - * / ^ ( ) and one of < > =.",
            _EXAMPLE,
        )


def _scaled(value: Expression, factor: float) -> Expression:
    """An expression times a number."""
    return Expression(value.values * factor, None if value.linear is None else value.linear * factor)
