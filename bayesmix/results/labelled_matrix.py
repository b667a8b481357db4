"""A sparse matrix with names on its rows and columns, which shows its blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from bayesmix.errors import ArgumentError
from bayesmix.inference.variance_matrices import block_sizes, filling
from bayesmix.tables import Header, format_table, html_summary, html_table
from bayesmix.tables.text import format_number

Floats = NDArray[np.float64]

# Matrices of more entries are not made dense: half a gigabyte.
LARGEST = 60_000_000
# Up to so many rows and columns are shown in numbers; more as a picture of so many characters.
SHOWN = 12
PICTURE = (24, 48)


@dataclass(frozen=True, repr=False)
class LabelledMatrix:
    """A matrix of a model.

    Parameters
    ----------
    name : str
        ``"V"``.
    values : (m, n) sparse array
        In rows, only what is not 0.
    rows, columns : Index
        Labels.
    """

    name: str
    values: sparse.csr_array
    rows: pd.Index[Any]
    columns: pd.Index[Any]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return (len(self.rows), len(self.columns))

    @property
    def structure(self) -> str:
        """Its blocks in words: ``18 blocks of 10 x 10``, whatever the order of the rows."""
        m, n = self.shape
        if m == 0 or n == 0:
            return "empty"
        if self.values.nnz == 0:
            return "all 0"
        if m != n or not self.rows.equals(self.columns):
            share = self.values.nnz / (m * n)
            return "no zeros" if share == 1 else f"{format_number(100 * share, 1)} % of its entries are not 0"
        return blocks_in_words(block_sizes(self.values))

    def to_numpy(self) -> Floats:
        """All entries, (m, n).

        Raises
        ------
        ArgumentError
            There are more than 60 million.
        """
        if self.shape[0] * self.shape[1] > LARGEST:
            raise ArgumentError(
                f"{self.name} has {self.shape[0]} x {self.shape[1]} entries.",
                f"Expected at most {LARGEST:,} to write zeros out.",
                f"Take the sparse array {self.name}.values, or the matrices of some groups with groups=[...].",
            )
        return np.asarray(self.values.toarray())

    def to_frame(self) -> pd.DataFrame:
        """All entries with their labels."""
        return pd.DataFrame(self.to_numpy(), index=self.rows, columns=self.columns)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.to_numpy().astype(dtype or float, copy=False)

    @property
    def size(self) -> str:
        """``180 x 36``."""
        return f"{self.shape[0]} x {self.shape[1]}"

    def _title(self) -> str:
        return f"{self.name}, {self.size}, {self.structure}"

    def _part(self) -> pd.DataFrame | None:
        """What is shown in numbers, zeros as dots: all, or the first rows of a tall one; None where a picture is."""
        m, n = self.shape
        if n > SHOWN:
            return None
        tall = m > SHOWN
        if tall and m == n:
            return None
        part = self.values[: SHOWN // 2].toarray() if tall else self.values.toarray()
        cells = [[format_number(float(v)) if v != 0 else "." for v in row] for row in part]
        rows = _texts(self.rows[: len(part)])
        return pd.DataFrame(cells, index=rows, columns=[" ".join(label) for label in _texts(self.columns)])

    def _picture(self) -> str:
        """Where it is not 0, in fewer cells than it has."""
        share = filling(self.values, min(PICTURE[0], self.shape[0]), min(PICTURE[1], self.shape[1]))
        return "\n".join("".join("." if cell == 0 else "#" if cell > 0.5 else "+" for cell in row) for row in share)

    def text(self) -> str:
        """Numbers, or a picture."""
        part = self._part()
        return self._picture() if part is None else format_table(part)

    def html(self) -> str:
        """The same as HTML."""
        part = self._part()
        return f"<pre>{self._picture()}</pre>" if part is None else html_table(part)

    def _notes(self) -> list[str]:
        if self._part() is None:
            return [
                f"# is filled by more than half, + by less, . is 0. Numbers: {self.name}.values (sparse), "
                f"{self.name}.to_frame()."
            ]
        return [f"The first {SHOWN // 2} rows."] if self.shape[0] > SHOWN else []

    def __repr__(self) -> str:
        if 0 in self.shape:
            return self._title()
        return "\n".join([self._title(), self.text(), *self._notes()])

    def _repr_html_(self) -> str:
        header = Header(self._title(), [])
        return html_summary(header, [] if 0 in self.shape else [("", self.html())], self._notes())


def blocks_in_words(sizes: NDArray[np.int64]) -> str:
    """Diagonal blocks of a square matrix, by their sizes."""
    low, high, count = sizes.min(), sizes.max(), len(sizes)
    if high == 1:
        return "diagonal"
    if count == 1:
        return "one block"
    return f"{count} blocks of {low} x {low}" if low == high else f"{count} blocks, {low} x {low} to {high} x {high}"


def _texts(labels: pd.Index[Any]) -> pd.Index[Any]:
    """Labels as tuples of text, one part for each level of the index; as an index of as many levels."""
    parts = [[str(part) for part in (label if isinstance(label, tuple) else (label,))] for label in labels]
    return pd.MultiIndex.from_tuples([tuple(part) for part in parts], names=labels.names)
