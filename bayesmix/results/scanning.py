"""Text with names in it, read from left to right and never run."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable

from bayesmix.errors import ArgumentError

_NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BOUNDARY = re.compile(r"[\w.\[\]:`(]")


class Scanner(ABC):
    """A place in a text, and what stands there: a known name, a number, or a symbol.

    Parameters
    ----------
    text : str
    spellings : iterable of str
        Known names; spaces in them stand for any number of spaces in the text.
    symbols : str
        Characters that are symbols.
    """

    def __init__(self, text: str, spellings: Iterable[str], symbols: str) -> None:
        self._text, self._at = text, 0
        longest = sorted(spellings, key=len, reverse=True)
        self._spellings = [(word, re.compile(r"\s*".join(map(re.escape, word.split())))) for word in longest]
        self._symbol = re.compile(f"[{re.escape(symbols)}]")
        self._word = re.compile(rf"`[^`]*`|[^\s{re.escape(symbols)}]+")

    @abstractmethod
    def _unreadable(self, what: str) -> ArgumentError:
        """The answer to text that can not be read."""

    def _name(self) -> str | None:
        """The longest known name that stands here, with or without backticks."""
        quoted = self._text.startswith("`", self._at)
        for word, pattern in self._spellings:
            found = pattern.match(self._text, self._at + quoted)
            if not found:
                continue
            if quoted and self._text.startswith("`", found.end()):
                self._at = found.end() + 1
                return word
            if not quoted and not _BOUNDARY.match(self._text, found.end()):
                self._at = found.end()
                return word
        return None

    def _number(self) -> float | None:
        """The number that stands here."""
        number = _NUMBER.match(self._text, self._at)
        if number is None or _BOUNDARY.match(self._text, number.end()):
            return None
        self._at = number.end()
        value = float(number.group())
        if not math.isfinite(value):
            raise ArgumentError(
                f"The hypothesis holds the number {number.group()}, which is infinite.",
                "Expected finite numbers.",
                "Write a smaller number.",
            )
        return value

    def _unknown_word(self) -> str | None:
        """What stands here and is neither a name nor a number nor a symbol."""
        found = self._word.match(self._text, self._at)
        return found.group() if found else None

    def _peek(self) -> str:
        """The symbol that comes next, after spaces; empty where there is none."""
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        found = self._symbol.match(self._text, self._at)
        return found.group() if found else ""

    def _take(self, symbol: str) -> bool:
        """Step over a symbol if it comes next."""
        if self._peek() != symbol:
            return False
        self._at += 1
        return True

    def _end(self) -> None:
        """Refuse what is left over."""
        if self._peek() or self._at < len(self._text):
            raise self._unreadable("something left over")
