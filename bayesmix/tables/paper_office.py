"""A table for a paper through programs that may not be installed: Word by python-docx, and great-tables."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from bayesmix.errors import ArgumentError, FileError
from bayesmix.tables.paper_layout import Models, Section, aligned, typographic


def write_word(title: str, models: Models, sections: Sequence[Section], notes: Sequence[str], path: str | Path) -> Path:
    """A Word file with one table, lines above and below the heads and at the end."""
    target = _target(path)
    docx = _optional("docx", "python-docx", "to_docx")
    columns = sum(len(heads) for _, heads in models)
    parts = aligned(sections, "\u2008", "\u2007")
    document = docx.Document()
    document.add_paragraph().add_run(title).italic = True
    table = document.add_table(rows=2 + sum(1 + len(part.rows) for part in parts), cols=1 + columns)
    at = 1
    for name, heads in models:
        cell = table.cell(0, at)
        _write(cell.merge(table.cell(0, at + len(heads) - 1)) if len(heads) > 1 else cell, name, "center")
        for head in heads:
            _write(table.cell(1, at), head, "right")
            at += 1
    row = 2
    for part in parts:
        _write(table.cell(row, 0), part.title, "left", italic=True)
        for number, (label, cells) in enumerate(part.rows, start=row + 1):
            _write(table.cell(number, 0), f"\u2003{label}", "left")
            for column, text in enumerate(cells, start=1):
                _write(table.cell(number, column), typographic(text), "right")
        row += 1 + len(part.rows)
    for number, sides in ((0, ("top",)), (1, ("bottom",)), (row - 1, ("bottom",))):
        for column in range(columns + 1):
            _rule(table.cell(number, column), sides)
    if notes:
        paragraph = document.add_paragraph()
        paragraph.add_run("Note. ").italic = True
        paragraph.add_run(" ".join(notes))
    try:
        document.save(str(target))
    except OSError as problem:
        raise FileError(
            f"'{target}' can not be written: {problem.strerror or problem}.",
            "Expected a path that can be written.",
            "Choose another path, or close the program that holds the file.",
        ) from problem
    return target


def great_table(title: str, models: Models, sections: Sequence[Section], notes: Sequence[str]) -> Any:
    """Rows grouped by section, columns under the name of their model."""
    gt = _optional("great_tables", "great-tables", "to_great_table")
    names = [f"c{number}" for number in range(sum(len(heads) for _, heads in models))]
    heads = [head for _, own in models for head in own]
    rows = [
        [part.title, label, *(typographic(cell) for cell in cells)]
        for part in aligned(sections, "\u2008", "\u2007")
        for label, cells in part.rows
    ]
    frame = pd.DataFrame(rows, columns=["part", "label", *names])
    made = gt.GT(frame, rowname_col="label", groupname_col="part").tab_header(title=title)
    start = 0
    for number, (name, own) in enumerate(models):
        # An id of its own: two models may be called alike.
        made = made.tab_spanner(label=name, columns=names[start : start + len(own)], id=f"m{number}")
        start += len(own)
    made = made.cols_label(**dict(zip(names, heads, strict=True))).cols_align(align="right", columns=names)
    for note in notes:
        made = made.tab_source_note(source_note=note)
    return made


def _optional(module: str, package: str, method: str) -> Any:
    """A package of the extra ``tables``.

    Raises
    ------
    ArgumentError
        It is not installed.
    """
    try:
        return import_module(module)
    except ImportError as problem:
        raise ArgumentError(
            f"{method} needs {package}, which is not installed.",
            "Expected the packages of the extra 'tables'.",
            "Install them with: pip install 'bayesmix[tables]'; or use to_html, to_markdown or to_latex.",
        ) from problem


def _target(path: Any) -> Path:
    """Where to write.

    Raises
    ------
    ArgumentError, FileError
        No path, or one in no directory.
    """
    if not isinstance(path, str | Path) or not str(path) or "\0" in str(path):
        raise ArgumentError(f"path={path!r}.", "Expected the path of a file.", "Write it as text: 'table.docx'.")
    target = Path(path).expanduser()
    if target.is_dir() or not target.parent.is_dir():
        where = "is a directory" if target.is_dir() else "lies in no directory that exists"
        raise FileError(f"'{target}' {where}.", "Expected the path of a file.", "Write a name in an existing one.")
    return target


def _write(cell: Any, text: str, side: str, italic: bool = False) -> None:
    """Text in a cell of a Word table."""
    paragraph = cell.paragraphs[0]
    paragraph.alignment = getattr(import_module("docx.enum.text").WD_ALIGN_PARAGRAPH, side.upper())
    paragraph.add_run(text).italic = italic


def _rule(cell: Any, sides: Sequence[str]) -> None:
    """Lines at sides of a cell of a Word table; python-docx has no call for them, the file format has."""
    element, qualified = import_module("docx.oxml").OxmlElement, import_module("docx.oxml.ns").qn
    properties = cell._tc.get_or_add_tcPr()
    if properties.find(qualified("w:tcBorders")) is not None:
        return  # a merged cell is met once for each column
    borders = element("w:tcBorders")
    for side in sides:
        line = element(f"w:{side}")
        line.set(qualified("w:val"), "single")
        line.set(qualified("w:sz"), "8")
        borders.append(line)
    properties.append(borders)
