"""What a program prints: titled tables of text cells, plain lines and notes, laid out as text or HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd

from bayesmix.tables.html import html_summary, html_table
from bayesmix.tables.text import Header


@dataclass(frozen=True)
class Rules:
    """How a program draws its tables.

    Parameters
    ----------
    indent, gap : int
        Blanks before a line and between columns.
    centred : bool
        Titles over the middle of the table.
    top, head, bottom : str
        Character of the line above the table, below its head and at its end; empty for none.
    bar : bool
        A vertical bar after the labels, crossed by the lines.
    under : str
        Character under the title; empty for none.
    """

    indent: int = 0
    gap: int = 2
    centred: bool = False
    top: str = ""
    head: str = ""
    bottom: str = ""
    bar: bool = False
    under: str = ""


@dataclass(frozen=True)
class Sheet:
    """A table of text.

    Parameters
    ----------
    title : str
    head : tuple of str
        Names of the columns, with line breaks where they take several lines.
    rows : tuple of tuple of str
        A row that is empty draws a line.
    labels : int
        Columns on the left that name the row.
    left : tuple of int
        Other columns that are aligned left.
    plain : bool
        Without the lines of the program's tables.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1
    left: tuple[int, ...] = ()
    plain: bool = False


@dataclass(frozen=True)
class Lines:
    """Lines as they stand.

    Parameters
    ----------
    lines : tuple of str
    close : bool
        Without a blank line before them.
    """

    lines: tuple[str, ...]
    close: bool = False


@dataclass(frozen=True, repr=False)
class Printout:
    """A fit as a program prints it.

    Parameters
    ----------
    title : str
    parts : tuple of Sheet or Lines
        From top to bottom.
    notes : tuple of str
        What the program would print differently, and what a reader must know.
    rules : Rules

    Examples
    --------
    >>> from bayesmix.tables.printout import Printout, Rules, Sheet
    >>> sheet = Sheet("Fit Statistics", ("", "Value"), (("AIC", "12.5"), ("BIC", "9.0")))
    >>> print(Printout("A fit", (sheet,), ("By hand.",), Rules(head="-")))
    A fit
    <BLANKLINE>
    Fit Statistics
         Value
    ----------
    AIC   12.5
    BIC    9.0
    <BLANKLINE>
    Note: By hand.
    """

    title: str
    parts: tuple[Sheet | Lines, ...]
    notes: tuple[str, ...]
    rules: Rules

    def __str__(self) -> str:
        blocks = [[self.title]]
        for part in self.parts:
            lines = _sheet_lines(part, self.rules) if isinstance(part, Sheet) else list(part.lines)
            if isinstance(part, Lines) and part.close:
                blocks[-1] += lines
            else:
                blocks.append(lines)
        if self.notes:
            blocks.append([f"Note: {note}" for note in self.notes])
        return "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        sections = []
        for part in self.parts:
            body = _sheet_html(part) if isinstance(part, Sheet) else _pre(part.lines)
            sections.append((part.title if isinstance(part, Sheet) else "", body))
        return html_summary(Header(self.title, []), sections, self.notes)


class Summary(str):
    """Text that a notebook shows as HTML and a terminal as it is."""

    __slots__ = ("_html",)
    _html: str

    def __new__(cls, text: str, html: str) -> Summary:
        """Text with its HTML."""
        made = super().__new__(cls, text)
        made._html = html
        return made

    def __reduce__(self) -> tuple[type[Summary], tuple[str, str]]:
        return Summary, (str.__str__(self), self._html)

    def __repr__(self) -> str:
        return str.__str__(self)

    def _repr_html_(self) -> str:
        return self._html


def _sheet_html(sheet: Sheet) -> str:
    """A sheet as an HTML table; lines between rows are left out."""
    rows = [row for row in sheet.rows if row]
    names = [name.replace("\n", " ") for name in sheet.head]
    k = max(sheet.labels, 1)
    if k == 1:
        index = pd.Index([row[0] for row in rows], name=names[0])
    else:
        index = pd.MultiIndex.from_tuples([row[:k] for row in rows], names=names[:k])
    return html_table(pd.DataFrame([list(row[k:]) for row in rows], index=index, columns=names[k:]))


def _pre(lines: Sequence[str]) -> str:
    """Lines whose blanks matter."""
    return f"<pre>{escape(chr(10).join(lines))}</pre>"


def _sheet_lines(sheet: Sheet, rules: Rules) -> list[str]:
    """A sheet as aligned text."""
    if sheet.plain:
        rules = Rules(rules.indent, rules.gap)
    heads = _broken(sheet.head)
    rows = [row for row in sheet.rows if row]
    widths = [max(len(row[i]) for row in [*heads, *rows]) for i in range(len(sheet.head))]
    lefts = {*range(sheet.labels), *sheet.left}
    body = [_line(row, widths, lefts, sheet.labels, rules) for row in heads]
    head = len(body)
    body += [_line(row, widths, lefts, sheet.labels, rules) if row else "" for row in sheet.rows]
    width = max(len(line) for line in body)
    cross = len(_join(widths[: sheet.labels], rules)) + 1 if rules.bar else None
    separator = _rule(rules.head or rules.top, width, cross)
    drawn = [line if row else separator for line, row in zip(body[head:], sheet.rows, strict=True)]
    top = [_rule(rules.top, width, None)] if rules.top else []
    under = [_rule(rules.head, width, cross)] if rules.head and head else []
    bottom = [_rule(rules.bottom, width, None)] if rules.bottom else []
    lines = [*top, *body[:head], *under, *drawn, *bottom]
    if sheet.title:
        title = sheet.title.center(width).rstrip() if rules.centred else sheet.title
        lines = [title, *([rules.under * len(sheet.title)] if rules.under else []), *lines]
    return [" " * rules.indent + line for line in lines]


def _broken(head: Sequence[str]) -> list[tuple[str, ...]]:
    """Names of columns as rows of text, the last of which is full; none where all are empty."""
    parts = [name.split("\n") for name in head]
    depth = max(map(len, parts))
    padded = [[""] * (depth - len(part)) + part for part in parts]
    return [row for row in zip(*padded, strict=True) if any(row)]


def _join(widths: Sequence[int], rules: Rules) -> str:
    """Blanks in place of cells."""
    return (" " * rules.gap).join(" " * width for width in widths)


def _line(row: Sequence[str], widths: Sequence[int], lefts: set[int], labels: int, rules: Rules) -> str:
    """One row of cells."""
    cells = [
        cell.ljust(width) if i in lefts else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    gap = " " * rules.gap
    if not rules.bar:
        return gap.join(cells)
    return f"{gap.join(cells[:labels])} |{gap}{gap.join(cells[labels:])}"


def _rule(character: str, width: int, cross: int | None) -> str:
    """A line, with a cross where the bar is."""
    line = character * width
    return line if cross is None or not character else f"{line[:cross]}+{line[cross + 1 :]}"
