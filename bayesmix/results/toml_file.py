"""TOML files written by hand: read as data, names checked, every complaint with its line."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from bayesmix.errors import ArgumentError

# A model and its numbers are some kilobytes; a line is looked for by reading the file again and again.
MOST_BYTES = 1_000_000
MOST_LINES = 2_000

Key = str | int


@dataclass(frozen=True)
class TomlFile:
    """A TOML file and where its keys stand.

    Parameters
    ----------
    path : Path
    text : str
    content : dict
        Numbers with a decimal point are decimals, so that they keep their digits.
    """

    path: Path
    text: str
    content: Mapping[str, Any]

    def line(self, *keys: Key) -> int | None:
        """The line on which a key begins, from 1; None where there is no such key, or the file is too long to look.

        Names of tables and keys from outside in, places in a list as numbers.
        """
        lines = self.text.split("\n")
        if len(lines) > MOST_LINES:
            return None
        begun = 1
        for count in range(1, len(lines) + 1):
            try:
                content = tomllib.loads("\n".join(lines[:count]))
            except ValueError:  # in the middle of a value of several lines
                continue
            if _holds(content, keys):
                return begun
            begun = count + 1
        return None

    def where(self, *keys: Key) -> str:
        """File and line of a key, for an error."""
        line = self.line(*keys) if keys else None
        return self.path.name if line is None else f"{self.path.name}, line {line}"

    def require_known(self, table: Mapping[str, Any], offered: tuple[str, ...], *keys: Key) -> None:
        """Refuse keys of the table at ``keys`` that are not offered."""
        for key in table:
            if key not in offered:
                place = f"[{'.'.join(str(k) for k in keys if isinstance(k, str))}] " if keys else "The top "
                raise ArgumentError(
                    f"{self.where(*keys, key)}: {place}has a key '{key}'.",
                    f"Expected one of {', '.join(offered)}.",
                    nearest(key, offered),
                )


def _holds(content: Any, keys: tuple[Key, ...]) -> bool:
    """Whether a key is there."""
    for key in keys:
        there = key in content if isinstance(content, dict) else isinstance(content, list) and isinstance(key, int)
        if not there or (isinstance(content, list) and isinstance(key, int) and key >= len(content)):
            return False
        content = content[key]
    return True


def read_toml_file(path: str | Path) -> TomlFile:
    """Read a TOML file, which runs nothing.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    TomlFile

    Raises
    ------
    ArgumentError
        No such file, or no TOML; with the line.
    """
    file = existing_file(path)
    if file.stat().st_size > MOST_BYTES:
        raise ArgumentError(
            f"{file.name} has {file.stat().st_size} bytes.", f"Expected at most {MOST_BYTES}.", "Check the file."
        )
    try:
        text = file.read_text(encoding="utf-8-sig")
        content = tomllib.loads(text, parse_float=Decimal)
    # Deep nesting, a whole number of thousands of digits, and bytes that are no text are no TOML either.
    except (ValueError, RecursionError, OSError) as error:
        raise ArgumentError(f"{file.name} can not be read: {error}.", "Expected TOML.", "Correct the file.") from None
    return TomlFile(file, text, content)


def existing_file(path: str | Path) -> Path:
    """The path of a file that is there."""
    if not isinstance(path, str | Path):
        raise ArgumentError(f"path={path!r}.", "Expected the path of a CSV or TOML file.", "Pass text or a Path.")
    file = Path(path)
    if not file.is_file():
        raise ArgumentError(f"There is no file '{path}'.", "Expected a CSV or TOML file.", "Check the path.")
    return file


def nearest(name: str, offered: Iterable[str], otherwise: str = "Choose one of these.") -> str:
    """The remedy for a name that is not offered."""
    near = difflib.get_close_matches(str(name), list(offered), n=1, cutoff=0.4)
    return f"Did you mean '{near[0]}'?" if near else otherwise


def one_of(name: Any, offered: tuple[str, ...], found: str) -> None:
    """Refuse a name that is not offered."""
    if name not in offered:
        raise ArgumentError(f"{found} '{name}'.", f"Expected one of {', '.join(offered)}.", nearest(name, offered))
