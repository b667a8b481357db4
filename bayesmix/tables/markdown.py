"""Plain frames become Markdown tables, with every sign of a user's text shown as it is."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from bayesmix.tables.paper_markdown import escape_markdown
from bayesmix.tables.text import PROBABILITIES, format_number, format_p


def markdown_table(frame: pd.DataFrame, decimals: Mapping[str, int] | int = 4) -> str:
    r"""A frame as a pipe table, as GitHub and pandoc read it.

    Parameters
    ----------
    frame : DataFrame
        Index and columns of one or more levels. Markdown has one row of heads: outer names of columns stand before the
        inner ones; every row has all its labels.
    decimals : int or mapping of str to int
        Decimals of all columns, or by the innermost name of a column (4 where it is not there).

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> from bayesmix.tables import markdown_table
    >>> print(markdown_table(pd.DataFrame({"estimate": [2.5]}, index=pd.Index(["a|b"], name="term")), 1))
    | term | estimate |
    | :-- | --: |
    | a\|b | 2.5 |
    """
    heads = [str(name or "") for name in frame.index.names]
    columns = []
    for number in range(frame.shape[1]):
        label = frame.columns[number]
        parts = tuple(map(str, label)) if isinstance(label, tuple) else (str(label),)
        heads.append(": ".join(parts))
        places = decimals if isinstance(decimals, int) else decimals.get(parts[-1], 4)
        show = format_p if parts[-1] in PROBABILITIES else lambda value, places=places: format_number(value, places)
        columns.append([show(value) for value in frame.iloc[:, number]])
    depth = frame.index.nlevels
    text = [all(isinstance(value, str) for value in frame.iloc[:, number]) for number in range(frame.shape[1])]
    rule = [*([":--"] * depth), *(":--" if left else "--:" for left in text)]
    rows = [_row(heads), f"| {' | '.join(rule)} |"]
    for place, label in enumerate(frame.index):
        labels = list(map(str, label)) if isinstance(label, tuple) else [str(label)]
        rows.append(_row([*labels, *(column[place] for column in columns)]))
    return "\n".join(rows)


def _row(cells: list[str]) -> str:
    """One line."""
    return f"| {' | '.join(map(escape_markdown, cells))} |"
