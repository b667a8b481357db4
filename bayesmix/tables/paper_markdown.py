"""A table for a paper as GitHub's Markdown reads it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bayesmix.tables.paper_layout import Models, Section, aligned, typographic


def escape_markdown(text: str) -> str:
    r"""Text that Markdown shows as it is, also inside a table.

    Examples
    --------
    >>> escape_markdown("a|b_c*d")
    'a\\|b\\_c\\*d'
    """
    return re.sub(r"([\\`*_\[\]<>|~#$&])", r"\\\1", " ".join(text.split()))


def paper_markdown(title: str, models: Models, sections: Sequence[Section], notes: Sequence[str]) -> str:
    """Title, table and notes; GitHub knows one row of heads, so a column's has the name of its model before it."""
    one = len(models) == 1
    heads = [head if one else f"{name}: {head}" for name, own in models for head in own]
    rows = [["", *map(escape_markdown, heads)], [":--", *["--:"] * len(heads)]]
    # Figure and punctuation spaces: as wide as digits and points where digits are of one width.
    for section in aligned(sections, "\u2008", "\u2007"):
        rows.append([f"*{escape_markdown(section.title)}*", *[""] * len(heads)])
        rows += [[escape_markdown(label), *(_cell(cell) for cell in cells)] for label, cells in section.rows]
    lines = [f"**{escape_markdown(title)}**", "", *(f"| {' | '.join(row)} |" for row in rows)]
    if notes:
        lines += ["", "*Note.* " + " ".join(map(escape_markdown, notes))]
    return "\n".join(lines)


def _cell(text: str) -> str:
    """A number as it is; the padding must not be folded."""
    shown = typographic(text)
    return shown.replace("<", r"\<").replace(">", r"\>")
