"""Hypotheses on the fixed effects, as text that is read and never run: ``"meanses = sector = 0, a - 2*b = 1"``."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError
from bayesmix.results.scanning import Scanner

Floats = NDArray[np.float64]

_SYMBOLS = "=,+-*/()"
_EXAMPLE = "Write it as 'ses = 0', 'a = b', 'a - 2*b = 1', or several of these separated by commas."


@dataclass(frozen=True)
class Hypotheses:
    """L beta = values.

    Parameters
    ----------
    contrasts : (q, p) array
        L, of rank q.
    values : (q,) array
    labels : tuple of str
        One for each row, as text.
    """

    contrasts: Floats
    values: Floats
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """The words of hypotheses about one fit.

    Parameters
    ----------
    names : tuple of str
        Fixed effects, in order.
    words : mapping of str to tuple of int
        Every spelling of a fixed effect or a term, and the fixed effects it stands for.
    """

    names: tuple[str, ...]
    words: Mapping[str, tuple[int, ...]]


def vocabulary(names: Sequence[str], terms: Mapping[str, Sequence[int]]) -> Vocabulary:
    """Fixed effects by name and terms by label, the factors of a product in any order."""
    words: dict[str, tuple[int, ...]] = {}
    for label, places in terms.items():
        for spelling in _orders(label):
            words.setdefault(spelling, tuple(places))
    for place, name in enumerate(names):
        for spelling in _orders(name):
            words[spelling] = (place,)
    for place, name in enumerate(names):
        words[name] = (place,)
    return Vocabulary(tuple(names), words)


def _orders(name: str) -> list[str]:
    """A product with its factors in any order."""
    parts = name.split(":")
    return [":".join(order) for order in permutations(parts)] if len(parts) <= 4 else [name]


def read_hypotheses(given: Any, known: Vocabulary) -> Hypotheses:
    """Hypotheses as a contrast matrix.

    Parameters
    ----------
    given : str, sequence of str, mapping of str to number, or (q, p) array
        ``"a = b = 0, c = 2"``; a list of such; ``{"a": 0, "a - b": 2}``; or a matrix whose rows, times the fixed
        effects, are 0 (a data frame: columns by name).
    known : Vocabulary

    Returns
    -------
    Hypotheses

    Raises
    ------
    ArgumentError
        An unknown name, text that is no hypothesis, hypotheses that say the same twice or contradict one another.

    Examples
    --------
    >>> found = read_hypotheses("a - 2*b = 1", vocabulary(["Intercept", "a", "b"], {}))
    >>> found.contrasts.tolist(), found.values.tolist()
    ([[0.0, 1.0, -2.0]], [1.0])
    """
    if isinstance(given, str):
        rows = _read_text(given, known)
    elif isinstance(given, Mapping):
        rows = _read_mapping(given, known)
    elif isinstance(given, Sequence) and given and all(isinstance(part, str) for part in given):
        rows = np.vstack([_read_text(part, known) for part in given])
    else:
        rows = _read_matrix(given, known)
    labels = tuple(_label(row, known.names) for row in rows)
    _check_rank(rows, labels)
    return Hypotheses(rows[:, :-1].copy(), rows[:, -1].copy() + 0.0, labels)


def _read_mapping(given: Mapping[Any, Any], known: Vocabulary) -> Floats:
    """One hypothesis for each key."""
    rows = []
    for key, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
            raise ArgumentError(
                f"The hypothesis on {key!r} has the value {value!r}.", "Expected a finite number.", _EXAMPLE
            )
        left = _Reader(str(key), known).side_alone()
        rows += _equal([left, _constant(float(value), len(known.names))], str(key))
    if not rows:
        raise _nothing(given)
    return np.array(rows)


def _read_matrix(given: Any, known: Vocabulary) -> Floats:
    """Rows of a matrix, each times the fixed effects equal to 0."""
    p = len(known.names)
    if np.ndim(given) == 0 or len(given) == 0:
        raise _nothing(given)
    if isinstance(given, pd.DataFrame):
        strange = [str(column) for column in given.columns if column not in known.names]
        if strange:
            raise _unknown(strange[0], known)
        given = given.reindex(columns=list(known.names), fill_value=0.0)
    try:
        matrix = np.atleast_2d(np.array(given, dtype=float))
    except (TypeError, ValueError):
        raise _nothing(given) from None
    if matrix.ndim != 2 or matrix.shape[1] != p or not len(matrix) or not np.isfinite(matrix).all():
        raise ArgumentError(
            f"The matrix of hypotheses has shape {matrix.shape}.",
            f"Expected finite numbers in {p} columns, one for each of {', '.join(known.names)}.",
            "Add columns of zeros for fixed effects that a hypothesis leaves out.",
        )
    return np.column_stack([matrix, np.zeros(len(matrix))])


def _read_text(text: str, known: Vocabulary) -> Floats:
    """The rows of hypotheses separated by commas."""
    return np.array(_Reader(text, known).hypotheses())


def _nothing(given: object) -> ArgumentError:
    """The answer to what is no hypothesis at all."""
    return ArgumentError(
        f"The hypothesis is {given!r}.",
        "Expected text, a list of texts, a dict of names and values, or a matrix with a column for each fixed effect.",
        _EXAMPLE,
    )


def _unknown(word: str, known: Vocabulary) -> ArgumentError:
    """The answer to a name that is none, with the nearest."""
    word = word.strip("`")
    folded = {name.casefold(): name for name in known.words}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.4)
    hint = f"Did you mean '{folded[near[0]]}'?" if near else "Choose one of these."
    return ArgumentError(
        f"The hypothesis names '{word}', which is no fixed effect.", f"Expected one of {', '.join(known.names)}.", hint
    )


def _constant(value: float, p: int) -> Floats:
    """A side that is a number: its last entry, (1, p + 1)."""
    side = np.zeros((1, p + 1))
    side[0, -1] = value
    return side


def _is_constant(side: Floats) -> bool:
    """Whether a side names no fixed effect."""
    return not side[:, :-1].any()


def _equal(sides: list[Floats], text: str) -> list[Floats]:
    """Rows (contrast, value) of sides that are all equal."""
    constants = [side for side in sides if _is_constant(side)]
    if len(constants) == len(sides) or len(constants) > 1:
        raise ArgumentError(
            f"The hypothesis '{text.strip()}' sets {'two numbers' if len(constants) > 1 else 'a number'} equal.",
            "Expected fixed effects, and at most one number among them.",
            _EXAMPLE,
        )
    to_number = [(side, constants[0]) for side in sides if constants and side is not constants[0]]
    pairs = to_number or list(pairwise(sides))
    rows = []
    for left, right in pairs:
        if len(left) != len(right) and not (_is_constant(right) and right[0, -1] == 0):
            raise ArgumentError(
                f"The hypothesis '{text.strip()}' has a term of {max(len(left), len(right))} coefficients.",
                "Expected such a term to be set to 0, all coefficients at once.",
                "Name single coefficients, as they stand in fixed_effects(), for anything else.",
            )
        for row in left - right:
            rows.append(np.append(row[:-1], -row[-1]))
    return rows


def _label(row: Floats, names: Sequence[str]) -> str:
    """A row as text."""
    text = ""
    for weight, name in zip(row[:-1], names, strict=True):
        if weight:
            size = "" if abs(weight) == 1 else f"{abs(weight):g}*"
            sign = (" - " if weight < 0 else " + ") if text else ("-" if weight < 0 else "")
            text += f"{sign}{size}{name}"
    return f"{text or '0'} = {row[-1] + 0.0:g}"


def _check_rank(rows: Floats, labels: Sequence[str]) -> None:
    """Refuse rows that follow from, or contradict, those before them."""
    kept: list[Floats] = []
    for row, label in zip(rows, labels, strict=True):
        size = np.linalg.norm(row[:-1])
        if size == 0:
            raise ArgumentError(
                f"The hypothesis '{label}' names no fixed effect.", "Expected one that the data can test.", _EXAMPLE
            )
        rest = row / size
        for _ in range(2):
            for other in kept:
                rest = rest - (rest[:-1] @ other[:-1]) * other
        left = np.linalg.norm(rest[:-1])
        if left < 1e-8:
            agrees = abs(rest[-1]) <= 1e-8 * max(1.0, abs(row[-1] / size))
            raise ArgumentError(
                f"The hypothesis '{label}' {'follows from' if agrees else 'contradicts'} those before it.",
                "Expected hypotheses that say something new each and can hold together.",
                "Remove it.",
            )
        kept.append(rest / left)


class _Reader(Scanner):
    """Reads one text from left to right; sides are (r, p + 1) arrays: fixed effects, then the number."""

    def __init__(self, text: str, known: Vocabulary) -> None:
        super().__init__(text, known.words, _SYMBOLS)
        self._known = known

    def hypotheses(self) -> list[Floats]:
        """All rows, of chains separated by commas."""
        rows: list[Floats] = []
        while True:
            start = self._at
            sides = [self._side()]
            while self._take("="):
                self._take("=")
                sides.append(self._side())
            written = self._text[start : self._at]
            rest = self._text[self._at :].strip()
            if rest and not rest.startswith(","):
                raise ArgumentError(
                    f"The hypothesis '{self._text[start:].strip()}' can not be read from '{rest}' on.",
                    "Expected sums of numbers times fixed effects, '=' between them, and commas between hypotheses.",
                    _EXAMPLE,
                )
            if len(sides) == 1:
                raise ArgumentError(
                    f"The hypothesis '{written.strip()}' has no '='.",
                    "Expected what the fixed effects are equal to.",
                    f"Write '{written.strip()} = 0'.",
                )
            rows += _equal(sides, written)
            if not self._take(","):
                break
        self._end()
        return rows

    def side_alone(self) -> Floats:
        """The text as one side."""
        side = self._side()
        self._end()
        return side

    def _side(self) -> Floats:
        """Products with signs between them."""
        total = self._signed()
        while (sign := self._peek()) and sign in "+-":
            self._at += 1
            total = self._single(total) + (1 if sign == "+" else -1) * self._single(self._product())
        return total

    def _signed(self) -> Floats:
        """A first product, perhaps with a sign."""
        sign = 1.0
        while (symbol := self._peek()) and symbol in "+-":
            self._at += 1
            sign = -sign if symbol == "-" else sign
        return sign * self._product()

    def _product(self) -> Floats:
        """Operands with ``*`` or ``/`` between them, of which one at most names fixed effects."""
        value = self._operand()
        while (symbol := self._peek()) and symbol in "*/":
            self._at += 1
            other = self._operand()
            if symbol == "*" and _is_constant(value):
                value, other = other, value
            if not _is_constant(other) or (symbol == "/" and other[0, -1] == 0):
                raise self._unreadable("a product or quotient of fixed effects, or a division by 0")
            value = value * other[0, -1] if symbol == "*" else value / other[0, -1]
        return value

    def _operand(self) -> Floats:
        """A number, a name, or a side in brackets."""
        p = len(self._known.names)
        self._peek()
        word = self._name()
        if word is not None:
            places = self._known.words[word]
            side = np.zeros((len(places), p + 1))
            side[np.arange(len(places)), list(places)] = 1.0
            return side
        if self._take("("):
            inner = self._side()
            if not self._take(")"):
                raise self._unreadable("a bracket that is not closed")
            return inner
        number = self._number()
        if number is not None:
            return _constant(number, p)
        unknown = self._unknown_word()
        if unknown:
            raise _unknown(unknown, self._known)
        raise self._unreadable("an operator or the end where a name or a number belongs")

    def _single(self, side: Floats) -> Floats:
        """A side that is no term of several coefficients, which can not be added."""
        if len(side) > 1:
            raise self._unreadable("a sum with a term of several coefficients")
        return side

    def _unreadable(self, what: str) -> ArgumentError:
        """The answer to text that is no hypothesis."""
        return ArgumentError(
            f"The hypothesis '{self._text}' holds {what} (position {self._at + 1}).",
            "Expected fixed effects, numbers, + - * / ( ) and =.",
            _EXAMPLE,
        )
