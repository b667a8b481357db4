"""Plain frames become aligned text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

# Columns of a table printed as p-values.
PROBABILITIES = ("p", "p_mixture", "p_low", "p_high", "br_p")


@dataclass(frozen=True)
class Header:
    """What stands above the tables of a summary.

    Parameters
    ----------
    title : str
        One line.
    facts : sequence of (name, value)
        Printed one per line, names aligned.
    """

    title: str
    facts: Sequence[tuple[str, str]]


def format_number(value: Any, decimals: int = 4) -> str:
    """A number with fixed decimals, in scientific form where those would hide it; text unchanged; missing as blank."""
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    if isinstance(value, int | np.integer):
        return str(int(value))
    if np.isinf(value):
        return "inf" if value > 0 else "-inf"
    small = decimals >= 4 and 0 < abs(value) < 0.5 * 10.0**-decimals
    return f"{value:.2e}" if small or abs(value) >= 1e9 else f"{value:.{decimals}f}"


def format_p(value: float) -> str:
    """A p-value as articles print it."""
    return "" if np.isnan(value) else "<0.0001" if value < 1e-4 else f"{value:.4f}"


def format_table(frame: pd.DataFrame, decimals: Mapping[str, int] | int = 4, indent: int = 2) -> str:
    """Align a frame: index left, values right; repeated outer labels of a MultiIndex blank."""
    labels = _index_cells(frame.index)
    body = []
    for name in frame.columns:
        places = decimals if isinstance(decimals, int) else decimals.get(str(name), 4)
        cells = [format_p(v) if name in PROBABILITIES else format_number(v, places) for v in frame[name]]
        body.append([str(name), *cells])
    columns = [[head, *cells] for head, cells in labels] + body
    widths = [max(len(cell) for cell in column) for column in columns]
    lines = []
    for row in zip(*columns, strict=True):
        cells = [
            cell.ljust(width) if i < len(labels) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((" " * indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def _index_cells(index: pd.Index[Any]) -> list[tuple[str, list[str]]]:
    """Columns of row labels."""
    if not isinstance(index, pd.MultiIndex):
        return [(str(index.name or ""), [str(label) for label in index])]
    parts = []
    for depth, name in enumerate(index.names):
        cells = [str(label[depth]) for label in index]
        if depth < index.nlevels - 1:
            cells = ["" if i and index[i][: depth + 1] == index[i - 1][: depth + 1] else c for i, c in enumerate(cells)]
        parts.append((str(name or ""), cells))
    return parts


def format_summary(header: Header, sections: Sequence[tuple[str, str]], notes: Sequence[str] = ()) -> str:
    """Title, facts, titled sections and notes as one text."""
    width = max((len(name) for name, _ in header.facts), default=0)
    lines = [header.title, "=" * len(header.title)]
    lines += [f"{name.ljust(width)}  {value}" for name, value in header.facts]
    for title, body in sections:
        lines += ["", title, body] if title else [body]
    if notes:
        lines += ["", *(f"Note: {note}" for note in notes)]
    return "\n".join(lines)
