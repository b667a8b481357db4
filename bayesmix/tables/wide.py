"""Frames whose columns have two levels become aligned text: sources above, quantities below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby

import pandas as pd

from bayesmix.tables.text import format_number


def format_wide(frame: pd.DataFrame, decimals: Mapping[str, int] | int = 4, indent: int = 2) -> str:
    """Align a frame with two levels of columns; the outer name stands once, over its first columns.

    Parameters
    ----------
    frame : DataFrame
        Index of one or more levels; columns (outer, inner).
    decimals : int or mapping of str to int
        Decimals of all columns, or by inner name (4 where it is not there).
    indent : int

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> from bayesmix.tables import format_wide
    >>> columns = pd.MultiIndex.from_tuples([("REML", "estimate"), ("REML", "se"), ("ML", "estimate")])
    >>> print(format_wide(pd.DataFrame([[1.25, 0.5, 1.2]], index=pd.Index(["ses"], name="term"), columns=columns), 2))
      term  REML            ML
            estimate    se  estimate
      ses       1.25  0.50      1.20
    """
    labels = frame.index.to_frame(index=False).astype(str)
    repeated = labels.iloc[:, :-1].eq(labels.iloc[:, :-1].shift()).cummin(axis=1)
    labels.iloc[:, :-1] = labels.iloc[:, :-1].mask(repeated, "")
    names = [str(name or "") for name in frame.index.names]
    left = [[name, "", *labels.iloc[:, number]] for number, name in enumerate(names)]
    blocks = [_pad(column, str.ljust) for column in left]
    for outer, group in groupby(range(frame.shape[1]), key=lambda number: str(frame.columns[number][0])):
        body = _join([_inner(frame, number, decimals) for number in group])
        blocks.append(_pad([outer, *body], str.ljust))
    return "\n".join((" " * indent + "  ".join(row)).rstrip() for row in zip(*blocks, strict=True))


def _inner(frame: pd.DataFrame, number: int, decimals: Mapping[str, int] | int) -> list[str]:
    """One column below its outer name, aligned right."""
    name = str(frame.columns[number][1])
    places = decimals if isinstance(decimals, int) else decimals.get(name, 4)
    return _pad([name, *(format_number(value, places) for value in frame.iloc[:, number])], str.rjust)


def _join(columns: list[list[str]]) -> list[str]:
    """The columns of one outer name, side by side."""
    return ["  ".join(row) for row in zip(*columns, strict=True)]


def _pad(cells: list[str], justify: Callable[[str, int], str]) -> list[str]:
    """Cells of one width."""
    width = max(map(len, cells))
    return [justify(cell, width) for cell in cells]
