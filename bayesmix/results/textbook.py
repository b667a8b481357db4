"""Textbook models as TOML files: data, formula and published numbers, never code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from bayesmix.datasets import load_dataset
from bayesmix.errors import ArgumentError
from bayesmix.results.published import Published, known_keys, nearest, published_tables, read_toml

_MODEL = ("data", "formula", "method", "means_by")


@dataclass(frozen=True)
class Textbook:
    """A model with the numbers that were published about it.

    Parameters
    ----------
    title, note : str
        What it is, and what a reader should know.
    dataset : str
        Name of a data set that comes with bayesmix.
    formula : str
    method : {"REML", "ML"}
    means_by : str or None
        A grouping column: the model is fitted to one row per group, the means of the numeric columns.
    published : tuple of Published

    Notes
    -----
    To fit it::

        book = read_textbook("models/hsb_ses.toml")
        fit = bx.Model(book.formula, book.data()).reml()
        bx.compare(fit, *book.published)
    """

    title: str
    note: str
    dataset: str
    formula: str
    method: Literal["REML", "ML"]
    means_by: str | None
    published: tuple[Published, ...]

    def data(self) -> pd.DataFrame:
        """The data set, or the means of its groups."""
        frame = load_dataset(self.dataset)
        if self.means_by is None:
            return frame
        if self.means_by not in frame:
            raise ArgumentError(
                f"Data set '{self.dataset}' has no column '{self.means_by}'.",
                f"Expected one of {', '.join(frame.columns)}.",
                nearest(self.means_by, frame.columns),
            )
        return frame.groupby(self.means_by, observed=True).mean(numeric_only=True).reset_index()


def read_textbook(path: str | Path) -> Textbook:
    """Read a textbook model.

    Parameters
    ----------
    path : str or Path
        A TOML file as ``models/README.md`` describes it.

    Returns
    -------
    Textbook

    Raises
    ------
    ArgumentError
        No such file, no TOML, or a key that is missing or should not be there.
    """
    file = Path(path)
    content = read_toml(file)
    model = content.get("model")
    if not isinstance(model, dict):
        raise ArgumentError(f"{file.name} has no [model].", "Expected data and formula.", "See models/README.md.")
    known_keys(model, _MODEL, f"[model] of {file.name}")
    for key in ("data", "formula"):
        if not isinstance(model.get(key), str):
            raise ArgumentError(f"[model] of {file.name} has no {key}.", "Expected text.", f'Add {key} = "...".')
    method = model.get("method", "REML")
    if method not in ("REML", "ML"):
        raise ArgumentError(f"method of {file.name} is {method!r}.", "Expected 'REML' or 'ML'.", "Choose one.")
    return Textbook(
        content.get("title", file.stem),
        content.get("note", ""),
        model["data"],
        model["formula"],
        method,
        model.get("means_by"),
        published_tables(content, file),
    )
