r"""A table for a paper in LaTeX: rules of ``booktabs``, no other package; missing decimals are set as phantoms."""

from __future__ import annotations

from collections.abc import Sequence

from bayesmix.errors import ArgumentError
from bayesmix.tables.greek import GREEK
from bayesmix.tables.paper_layout import Models, Section, filled

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "—": "---",
    "–": "--",
    "²": r"\textsuperscript{2}",
    "−": "$-$",
    **{letter: f"${command}$" for letter, command in GREEK.items()},
    "∞": r"$\infty$",
}


def escape_latex(text: str) -> str:
    r"""Text that LaTeX prints as it is.

    Examples
    --------
    >>> escape_latex("50% of a_b & {c}")
    '50\\% of a\\_b \\& \\{c\\}'
    """
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))


def paper_latex(
    title: str, models: Models, sections: Sequence[Section], notes: Sequence[str], label: str | None
) -> str:
    """A floating table.

    Raises
    ------
    ArgumentError
        A label that LaTeX could not read.
    """
    if label is not None and (not isinstance(label, str) or not label or set(label) & set("\\{}%#&~^$ \n")):
        raise ArgumentError(
            f"label={label!r}.", "Expected letters, digits and any of : - _ . /", "Write it like 'tab:model'."
        )
    columns = sum(len(heads) for _, heads in models)
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{escape_latex(title)}}}"]
    if label:
        lines.append(rf"\label{{{label}}}")
    lines += [rf"\begin{{tabular}}{{@{{}}l{'r' * columns}@{{}}}}", r"\toprule"]
    names, rules, at = [], [], 2
    for name, heads in models:
        names.append(rf"\multicolumn{{{len(heads)}}}{{c}}{{{escape_latex(name)}}}")
        rules.append(rf"\cmidrule(lr){{{at}-{at + len(heads) - 1}}}")
        at += len(heads)
    lines += [f" & {' & '.join(names)} \\\\", " ".join(rules)]
    below = [rf"\multicolumn{{1}}{{c}}{{{escape_latex(head)}}}" for _, own in models for head in own]
    lines += [f" & {' & '.join(below)} \\\\", r"\midrule"]
    for number, section in enumerate(filled(sections, _phantom, _cell)):
        lines += [r"\addlinespace"] if number else []
        lines.append(rf"\multicolumn{{{columns + 1}}}{{@{{}}l}}{{\textit{{{escape_latex(section.title)}}}}} \\")
        lines += [rf"\quad {escape_latex(name)} & {' & '.join(cells)} \\" for name, cells in section.rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    if notes:
        text = " ".join(escape_latex(note) for note in notes)
        lines += ["", r"\smallskip", rf"\parbox{{\linewidth}}{{\footnotesize\textit{{Note.}} {text}}}"]
    return "\n".join([*lines, r"\end{table}"])


def _phantom(lacking: str) -> str:
    """A blank as wide as the decimals that a number lacks."""
    return rf"\phantom{{{lacking}}}" if lacking else ""


def _cell(text: str) -> str:
    """A number with a minus sign."""
    return "$-$" + escape_latex(text[1:]) if text.startswith("-") else escape_latex(text)
