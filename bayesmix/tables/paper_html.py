"""A table for a paper in HTML: horizontal rules only, header cells with a scope, styles within."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bayesmix.tables.paper_layout import Models, Section, aligned, typographic

_TABLE = "border-collapse:collapse;border-top:1.5px solid;border-bottom:1.5px solid;font-variant-numeric:tabular-nums"
_NAME = "text-align:center;border-bottom:1px solid;padding:.2em .6em"
_HEAD = "text-align:right;border-bottom:1px solid;padding:.2em .6em"
_PART = "text-align:left;font-weight:normal;font-style:italic;padding:.4em .6em .1em 0"
_LABEL = "text-align:left;font-weight:normal;padding:.1em .6em .1em 1em"
_CELL = "text-align:right;white-space:pre;padding:.1em .6em"


def paper_html(title: str, models: Models, sections: Sequence[Section], notes: Sequence[str]) -> str:
    """One table element, its notes in the foot."""
    columns = sum(len(heads) for _, heads in models)
    lines = [f'<table style="{_TABLE}">', f"<caption>{escape(title)}</caption>", "<thead>"]
    names = "".join(
        f'<th scope="colgroup" colspan="{len(heads)}" style="{_NAME}">{escape(name)}</th>' for name, heads in models
    )
    heads = "".join(f'<th scope="col" style="{_HEAD}">{escape(head)}</th>' for _, own in models for head in own)
    lines += [f"<tr><td></td>{names}</tr>", f'<tr><td style="{_HEAD}"></td>{heads}</tr>', "</thead>"]
    for section in aligned(sections, "\u2008", "\u2007"):
        part = f'<th scope="rowgroup" colspan="{columns + 1}" style="{_PART}">{escape(section.title)}</th>'
        lines += ["<tbody>", f"<tr>{part}</tr>"]
        for label, cells in section.rows:
            values = "".join(f'<td style="{_CELL}">{escape(typographic(cell))}</td>' for cell in cells)
            lines.append(f'<tr><th scope="row" style="{_LABEL}">{escape(label)}</th>{values}</tr>')
        lines.append("</tbody>")
    if notes:
        text = escape(" ".join(notes))
        foot = f'<td colspan="{columns + 1}" style="border-top:1px solid;text-align:left"><em>Note.</em> {text}</td>'
        lines += ["<tfoot>", f"<tr>{foot}</tr>", "</tfoot>"]
    return "\n".join([*lines, "</table>"])
