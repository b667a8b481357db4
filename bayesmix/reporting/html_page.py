"""Sections as one HTML page: no network, no scripts, images inside; for a phone and for paper, by day and by night."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from bayesmix.reporting.blocks import (
    DECIMALS,
    Block,
    Code,
    Facts,
    Formulas,
    Grid,
    Heading,
    Picture,
    Points,
    Prose,
    Section,
)
from bayesmix.tables import html_table

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.2; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #8886; white-space: nowrap; }
.text { text-align: left; }
tbody th { text-align: left; font-weight: normal; }
thead th:first-child { text-align: left; }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: 0 1rem; }
dt { font-weight: 600; }
dd { margin: 0; }
pre { overflow-x: auto; overflow-wrap: normal; font-size: .9rem; padding: .6rem; border: 1px solid #8886; }
figure { margin: 1rem 0; }
img { max-width: 100%; height: auto; background: white; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
@media print {
  body { max-width: none; } nav { display: none; } h2 { break-after: avoid; } figure, table { break-inside: avoid; }
  pre, .wide { overflow: visible; } pre { white-space: pre-wrap; }
}
"""


def html_page(title: str, sections: Sequence[Section]) -> str:
    """The whole page; every text is escaped.

    Parameters
    ----------
    title : str
    sections : sequence of Section

    Returns
    -------
    str
    """
    links = "\n".join(f'<a href="#{part.key}">{escape(part.title)}</a>' for part in sections)
    body = "\n".join(_section(part) for part in sections)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n<nav>\n{links}\n</nav>\n"
        f"{body}\n</body>\n</html>\n"
    )


def _section(part: Section) -> str:
    """A section under its title."""
    blocks = "\n".join(_block(block) for block in part.blocks)
    return f'<section>\n<h2 id="{part.key}">{escape(part.title)}</h2>\n{blocks}\n</section>'


def _block(block: Block) -> str:
    """One block."""
    match block:
        case Prose(text):
            return f"<p>{escape(text)}</p>"
        case Heading(text):
            return f"<h3>{escape(text)}</h3>"
        case Points(items):
            return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"
        case Facts(pairs):
            return f"<dl>{''.join(f'<dt>{escape(a)}</dt><dd>{escape(b)}</dd>' for a, b in pairs)}</dl>"
        case Grid(frame):
            # Reached by the keyboard too, as it may be wider than a phone.
            return f'<div class="wide" tabindex="0">{html_table(frame, DECIMALS)}</div>'
        case Code(text, _):
            return f"<pre>{escape(text)}</pre>"
        case Formulas(equations):
            return f"<pre>{escape(equations.short)}</pre>"
        case Picture(_, words, png):
            data = base64.b64encode(png).decode("ascii")
            return f'<figure><img alt="{escape(words)}" src="data:image/png;base64,{data}"></figure>'
