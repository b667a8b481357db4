"""Parts of a table for a paper, and the numbers of a column brought to one decimal point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

Models = Sequence[tuple[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Section:
    """Rows of one subject.

    Parameters
    ----------
    title : str
    rows : tuple of (label, cells)
        As many cells as the table has columns, blank where a model has no such row.
    """

    title: str
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def fixed_decimals(value: float, decimals: int, bounded: bool = False) -> str:
    """A number with fixed decimals; what is bounded by 1 without the zero before its point, missing as a dash.

    Examples
    --------
    >>> fixed_decimals(-0.1093, 2), fixed_decimals(-0.1093, 2, bounded=True), fixed_decimals(-0.001, 2)
    ('-0.11', '-.11', '0.00')
    """
    if not abs(value) < float("inf"):
        return "—" if value != value else "∞" if value > 0 else "-∞"
    text = f"{value:.{decimals}f}" if abs(value) < 1e9 else f"{value:.{decimals}e}"
    if text.startswith("-") and not any(digit in text for digit in "123456789"):
        text = text[1:]
    return text.replace("0.", ".", 1) if bounded and text.startswith(("0.", "-0.")) else text


def short_p(value: float) -> str:
    """A p-value as APA style has it.

    Examples
    --------
    >>> short_p(0.0312), short_p(0.0002), short_p(0.9996)
    ('.031', '< .001', '> .999')
    """
    if value != value:
        return "—"
    return "< .001" if value < 0.001 else "> .999" if value > 0.9995 else f"{value:.3f}".removeprefix("0")


def missing_decimals(cells: Sequence[str]) -> list[str]:
    """What each number of a column lacks on its right to end where the longest does: "", "0", ".00"; blanks lack none.

    Examples
    --------
    >>> missing_decimals(["12.665", "0.19", "7185", ""])
    ['', '0', '.000', '']
    """
    decimals = [len(cell.partition(".")[2]) if _is_number(cell) else -1 for cell in cells]
    most = max(decimals, default=-1)
    found = []
    for count in decimals:
        lacking = most - max(count, 0)
        found.append("" if count < 0 or most == 0 else ("." if count == 0 else "") + "0" * lacking)
    return found


def aligned(sections: Sequence[Section], point: str, digit: str) -> tuple[Section, ...]:
    """Cells padded on their right with blanks as wide as a point and a digit."""
    return filled(sections, lambda lacking: lacking.replace(".", point).replace("0", digit))


def filled(
    sections: Sequence[Section], pad: Callable[[str], str], cell: Callable[[str], str] = str
) -> tuple[Section, ...]:
    """Every cell in another form, with what takes the place of the decimals that it lacks."""
    rows = [cells for section in sections for _, cells in section.rows]
    lacking = list(zip(*(missing_decimals(column) for column in zip(*rows, strict=True)), strict=True))
    made, at = [], 0
    for section in sections:
        new = []
        for label, cells in section.rows:
            new.append((label, tuple(cell(text) + pad(gap) for text, gap in zip(cells, lacking[at], strict=True))))
            at += 1
        made.append(replace(section, rows=tuple(new)))
    return tuple(made)


def typographic(text: str) -> str:
    """A number with a minus sign in place of the hyphen."""
    return "−" + text[1:] if text.startswith("-") and _is_number(text) else text


def _is_number(cell: str) -> bool:
    """Whether a cell holds digits."""
    return any(character.isdigit() for character in cell)
