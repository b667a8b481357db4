"""Tables as articles print them: models side by side, no vertical lines, numbers aligned at the decimal point."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayesmix.tables.paper_html import paper_html
from bayesmix.tables.paper_latex import paper_latex
from bayesmix.tables.paper_layout import Section, aligned
from bayesmix.tables.paper_markdown import paper_markdown
from bayesmix.tables.paper_office import great_table, write_word


@dataclass(frozen=True, repr=False)
class PaperTable:
    """A table of one or more models, ready to be written in any format.

    Parameters
    ----------
    title : str
    models : tuple of (name, columns)
        Models from left to right, each with the heads of its columns.
    sections : tuple of Section
        Rows by subject; every cell is text already.
    notes : tuple of str
        Printed below.
    """

    title: str
    models: tuple[tuple[str, tuple[str, ...]], ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...]

    def to_latex(self, *, label: str | None = None) -> str:
        r"""LaTeX for a document that loads ``booktabs``.

        Greek letters are set as mathematics; names in other scripts than Latin and Greek need XeLaTeX or LuaLaTeX.

        Parameters
        ----------
        label : str, optional
            For ``\ref``.
        """
        return paper_latex(self.title, self.models, self.sections, self.notes, label)

    def to_html(self) -> str:
        """One HTML table with styles of its own; nothing is fetched from anywhere."""
        return paper_html(self.title, self.models, self.sections, self.notes)

    def to_markdown(self) -> str:
        """A table as GitHub reads it."""
        return paper_markdown(self.title, self.models, self.sections, self.notes)

    def to_docx(self, path: str | Path) -> Path:
        """Write a Word file; needs python-docx, which the extra ``tables`` installs.

        Raises
        ------
        ArgumentError
            No path, or python-docx is not installed.
        FileError
            The file can not be written.
        """
        return write_word(self.title, self.models, self.sections, self.notes, path)

    def to_great_table(self) -> Any:
        """A ``great_tables.GT``, to go on styling it; needs great-tables, which the extra ``tables`` installs.

        Raises
        ------
        ArgumentError
            great-tables is not installed.
        """
        return great_table(self.title, self.models, self.sections, self.notes)

    def __repr__(self) -> str:
        heads = [head for _, columns in self.models for head in columns]
        rows: list[tuple[str, tuple[str, ...]] | str] = []
        for section in aligned(self.sections, " ", " "):
            rows += [section.title, *((f"  {name}", cells) for name, cells in section.rows)]
        left = max(len(row if isinstance(row, str) else row[0]) for row in rows)
        widths = [
            max([len(head), *(len(row[1][i]) for row in rows if not isinstance(row, str))])
            for i, head in enumerate(heads)
        ]
        # A name that is wider than its columns widens the first of them.
        start, names = 0, []
        for name, columns in self.models:
            span = slice(start, start + len(columns))
            width = sum(widths[span]) + 2 * (len(columns) - 1)
            widths[start] += max(0, len(name) - width)
            names.append(name.ljust(max(width, len(name))))
            start += len(columns)
        lines = [self.title, "", (" " * left + "  " + "  ".join(names)).rstrip()]
        lines.append(_line("", heads, left, widths))
        lines += [row if isinstance(row, str) else _line(row[0], row[1], left, widths) for row in rows]
        return "\n".join([*lines, "", *(f"Note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        return self.to_html()


def _line(name: str, cells: Any, left: int, widths: list[int]) -> str:
    """One row of text."""
    return "  ".join([name.ljust(left), *(cell.rjust(w) for cell, w in zip(cells, widths, strict=True))]).rstrip()
