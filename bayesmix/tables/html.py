"""Plain frames become HTML: semantic tables, everything escaped, nothing fetched from anywhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd

from bayesmix.tables.text import PROBABILITIES, Header, format_number, format_p

_PRINTED = re.compile(r"\s*[<>]?\s*[-+\u2212]?[\d.,]*(e[-+]?\d+)?\s*%?\s*")

# What pages show at the left; a column of numbers is at the right.
TEXT = ' class="text"'


def html_table(frame: pd.DataFrame, decimals: Mapping[str, int] | int = 4, caption: str = "") -> str:
    """A frame as a table: labels of rows and columns are header cells, with a scope each.

    Parameters
    ----------
    frame : DataFrame
        Index and columns of one or more levels; repeated outer labels of columns are joined, those of rows left blank.
    decimals : int or mapping of str to int
        Decimals of all columns, or by the innermost name of a column (4 where it is not there).
    caption : str

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> from bayesmix.tables import html_table
    >>> print(html_table(pd.DataFrame({"estimate": [2.5]}, index=pd.Index(["a<b"], name="term")), 1))
    <table>
    <thead>
    <tr><th scope="col" class="text">term</th><th scope="col">estimate</th></tr>
    </thead>
    <tbody>
    <tr><th scope="row">a&lt;b</th><td>2.5</td></tr>
    </tbody>
    </table>
    """
    lines = ["<table>", *([f"<caption>{escape(caption)}</caption>"] if caption else []), "<thead>"]
    lines += [*_head(frame), "</thead>", "<tbody>"]
    columns = [_cells(frame.iloc[:, number], decimals) for number in range(frame.shape[1])]
    opening = [f"<td{TEXT}>" if text else "<td>" for text in _are_texts(frame)]
    previous: tuple[str, ...] = ()
    for row, label in enumerate(frame.index):
        labels = tuple(map(str, label)) if isinstance(label, tuple) else (str(label),)
        shown = _blank_repeats(labels, previous)
        heads = "".join(f'<th scope="row">{escape(text)}</th>' for text in shown)
        cells = (f"{tag}{escape(column[row])}</td>" for tag, column in zip(opening, columns, strict=True))
        lines.append(f"<tr>{heads}{''.join(cells)}</tr>")
        previous = labels
    return "\n".join([*lines, "</tbody>", "</table>"])


def html_summary(header: Header, sections: Sequence[tuple[str, str]], notes: Sequence[str] = ()) -> str:
    """Title, facts, titled sections (already HTML) and notes as one section.

    Parameters
    ----------
    header : Header
    sections : sequence of (title, HTML)
        Titles are escaped, bodies are not.
    notes : sequence of str

    Returns
    -------
    str
    """
    lines = ["<section>", f"<h3>{escape(header.title)}</h3>"]
    if header.facts:
        facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in header.facts)
        lines.append(f"<dl>{facts}</dl>")
    for title, body in sections:
        lines += [*([f"<h4>{escape(title)}</h4>"] if title else []), body]
    lines += [f"<p>{escape(note)}</p>" for note in notes]
    return "\n".join([*lines, "</section>"])


def _head(frame: pd.DataFrame) -> list[str]:
    """Rows of column labels, outer ones over all their columns."""
    names = "".join(_column_head(str(name or ""), True) for name in frame.index.names)
    texts = _are_texts(frame)
    if not isinstance(frame.columns, pd.MultiIndex):
        return [f"<tr>{names}{''.join(map(_column_head, map(str, frame.columns), texts))}</tr>"]
    rows = []
    depth = frame.columns.nlevels
    for level in range(depth - 1):
        runs: list[tuple[tuple[str, ...], int]] = []
        for column in frame.columns:
            key = tuple(map(str, column[: level + 1]))
            runs = [*runs[:-1], (key, runs[-1][1] + 1)] if runs and runs[-1][0] == key else [*runs, (key, 1)]
        blank = f'<td colspan="{frame.index.nlevels}"></td>'
        cells = "".join(f'<th scope="colgroup" colspan="{width}">{escape(key[-1])}</th>' for key, width in runs)
        rows.append(f"<tr>{blank}{cells}</tr>")
    last = map(_column_head, (str(column[-1]) for column in frame.columns), texts)
    return [*rows, f"<tr>{names}{''.join(last)}</tr>"]


def _column_head(name: str, is_text: bool) -> str:
    """The header cell of one column."""
    return f'<th scope="col"{TEXT if is_text else ""}>{escape(name)}</th>'


def _are_texts(frame: pd.DataFrame) -> list[bool]:
    """Which columns hold words, to stand at the left; numbers that were printed as text are none."""
    columns = [frame.iloc[:, number].tolist() for number in range(frame.shape[1])]
    return [
        all(isinstance(value, str) for value in column) and not all(_PRINTED.fullmatch(value) for value in column)
        for column in columns
    ]


def _cells(column: pd.Series, decimals: Mapping[str, int] | int) -> list[str]:
    """The values of a column as text."""
    name = str(column.name[-1] if isinstance(column.name, tuple) else column.name)
    places = decimals if isinstance(decimals, int) else decimals.get(name, 4)
    return [format_p(value) if name in PROBABILITIES else format_number(value, places) for value in column]


def _blank_repeats(labels: tuple[str, ...], previous: tuple[str, ...]) -> tuple[str, ...]:
    """Row labels with the outer ones blank where they repeat."""
    outer = len(labels) - 1
    return tuple("" if i < outer and labels[: i + 1] == previous[: i + 1] else text for i, text in enumerate(labels))
