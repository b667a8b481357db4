"""Layout only: plain frames and a frozen header become text, HTML, LaTeX, Markdown or Word."""

from bayesmix.tables.html import html_summary, html_table
from bayesmix.tables.markdown import markdown_table
from bayesmix.tables.paper import PaperTable
from bayesmix.tables.paper_layout import Section
from bayesmix.tables.printout import Lines, Printout, Rules, Sheet, Summary
from bayesmix.tables.text import Header, format_number, format_summary, format_table
from bayesmix.tables.wide import format_wide

__all__ = [
    "Header",
    "Lines",
    "PaperTable",
    "Printout",
    "Rules",
    "Section",
    "Sheet",
    "Summary",
    "format_number",
    "format_summary",
    "format_table",
    "format_wide",
    "html_summary",
    "html_table",
    "markdown_table",
]
