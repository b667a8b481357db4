"""What the sections of a report are made of: said once, and shown by whichever page is written."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmix.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

    from bayesmix.results.equations.page import Equations

# Decimals of the columns of tables by their name; the others have 4.
DECIMALS = MappingProxyType(
    {
        "ess_bulk": 0, "ess_tail": 0, "r_hat": 3, "df": 2, "t": 2, "difference_in_se": 2, "width_ratio": 2,
        "cooks_distance": 3, "mdffits": 3, "covratio": 3, "reliability": 3, "share": 3,
    }
)  # fmt: skip


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Heading:
    """A title within a section."""

    text: str


@dataclass(frozen=True)
class Points:
    """A list, in which every point stands by itself."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Names with values."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Grid:
    """A frame shown as a table."""

    frame: pd.DataFrame


@dataclass(frozen=True)
class Code:
    """Lines of a program, in its language."""

    text: str
    language: str


@dataclass(frozen=True)
class Formulas:
    """The equations of a model."""

    equations: Equations


@dataclass(frozen=True)
class Picture:
    """A plot.

    Parameters
    ----------
    name : str
        Of a file, without its ending.
    words : str
        What is seen, for those who do not see it.
    png : bytes
    """

    name: str
    words: str
    png: bytes


Block = Prose | Heading | Points | Facts | Grid | Code | Formulas | Picture


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Parameters
    ----------
    key : str
        Of links to it.
    title : str
    blocks : tuple of Block
    """

    key: str
    title: str
    blocks: tuple[Block, ...]


def picture(name: str, words: str, draw: Callable[[], Any]) -> Block:
    """A plot, drawn now and closed; the reason where it can not be drawn."""
    import matplotlib.pyplot as plt

    try:
        drawn = draw()
    except ArgumentError as reason:
        return Prose(f"{words}: not drawn. {reason}")
    figure = np.ravel(drawn)[0].figure
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    return Picture(name, words, buffer.getvalue())


def grid(words: str, make: Callable[[], pd.DataFrame]) -> Block:
    """A table; the reason where the fit has none."""
    try:
        return Grid(make())
    except ArgumentError as reason:
        return Prose(f"{words}: {reason}")
