r"""Sections as Markdown that GitHub and pandoc show alike, pictures in files beside it.

GitHub drops images that are data within the text, so pictures are files. It also reads a formula between dollars as
Markdown before it is set: ``\\`` and ``\,`` lose a backslash, and underscores may become emphasis. Every formula
is therefore written as one row, in signs that both leave alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

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
from bayesmix.results.equations.page import Equations
from bayesmix.tables import markdown_table
from bayesmix.tables.paper_markdown import escape_markdown

# In the name of a column these are Markdown, or need an escape that Markdown takes away.
_UNSAFE = re.compile(r"\\[%#$&{}]|[*`<>|~]|\\backslash")


def markdown_page(title: str, sections: Sequence[Section], folder: str) -> tuple[str, dict[str, bytes]]:
    """The text, and the files of the pictures by their names.

    Parameters
    ----------
    title : str
    sections : sequence of Section
    folder : str
        Name of the directory beside the text that the pictures are put in.

    Returns
    -------
    (str, dict of str to bytes)
    """
    pictures: dict[str, bytes] = {}
    parts = [f"# {escape_markdown(title)}"]
    for section in sections:
        parts.append(f"## {escape_markdown(section.title)}")
        for block in section.blocks:
            parts.append(_block(block, folder))
            if isinstance(block, Picture):
                pictures[f"{block.name}.png"] = block.png
    return "\n\n".join(parts) + "\n", pictures


def _block(block: Block, folder: str) -> str:
    """One block."""
    match block:
        case Prose(text):
            return escape_markdown(text)
        case Heading(text):
            return f"### {escape_markdown(text)}"
        case Points(items):
            return "\n".join(f"- {escape_markdown(item)}" for item in items)
        case Facts(pairs):
            return "\n".join(f"- **{escape_markdown(a)}:** {escape_markdown(b)}" for a, b in pairs)
        case Grid(frame):
            return markdown_table(frame, DECIMALS)
        case Code(text, language):
            return fenced(text, language)
        case Formulas(equations):
            return _formulas(equations)
        case Picture(name, words, _):
            return f"![{escape_markdown(words)}]({quote(folder)}/{quote(name)}.png)"


def fenced(text: str, language: str = "") -> str:
    """Lines as they are, in a fence longer than any within.

    Examples
    --------
    >>> print(fenced("a ``` b", "python"))
    ````python
    a ``` b
    ````
    """
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _formulas(equations: Equations) -> str:
    """Titled formulas; text where a name has signs that Markdown would read."""
    parts = []
    for section in equations.sections:
        if section.step:
            continue
        parts.append(f"**{escape_markdown(section.title)}**")
        formulas = section.alone()
        if any(_UNSAFE.search(formula.replace(r"{\sim}", "")) for formula in formulas):
            parts.append(fenced("\n".join(section.text()), "text"))
        else:
            parts += [f"$$\n{plain_formula(formula)}\n$$" for formula in formulas]
    return "\n\n".join(parts)


def plain_formula(latex: str) -> str:
    r"""The same formula without what Markdown would read in it.

    Examples
    --------
    >>> plain_formula(r"\gamma_{10} \, \mathrm{mean\_ses}_{ij}")
    '\\gamma_ {10} \\ \\mathrm{mean\\underline{\\ }ses}_ {ij}'
    """
    found = latex.replace(r"\,", "\\ ").replace(r"\_", r"\underline{\ }")
    # An underscore before a blank can not begin emphasis.
    return re.sub(r" {2,}", " ", found.replace("_{", "_ {"))
