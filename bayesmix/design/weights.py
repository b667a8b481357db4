"""Precision weights at the door: a column of the data, or one number for each of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design.frame import Numbers, frame_length, read_columns
from bayesmix.errors import DataError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# The name of weights that are no column.
GIVEN = "given"


@dataclass(frozen=True)
class Weights:
    """Weights as they came.

    Parameters
    ----------
    name : str
        The column they are from; ``"given"`` for an array.
    values : (rows of the data,) array
        Not a number where a column has none.
    """

    name: str
    values: Floats


def read_weights(weights: Any, data: Any) -> Weights:
    """Read weights given by the name of a column or as an array.

    Parameters
    ----------
    weights : str or (rows,) array
        Precisions: the residual variance of row i is sigma^2 / w_i.
    data : data frame
        The data they belong to.

    Raises
    ------
    DataError
        Weights that are no numbers, are as many as something else, or an array with missing ones.
    """
    if isinstance(weights, str):
        column = read_columns(data, [weights])[weights]
        if not isinstance(column, Numbers):
            raise DataError(
                f"The weights '{weights}' hold text or categories ({', '.join(map(str, column.labels[:3]))}).",
                "Expected a column of numbers.",
                "Name the column that holds the weights.",
            )
        return Weights(weights, column.values)
    own = getattr(data, "index", None)
    if isinstance(weights, pd.Series) and isinstance(own, pd.Index) and not weights.index.equals(own):
        raise DataError(
            "The weights are a Series whose index is not that of the data.",
            "Expected the same index, so that each weight belongs to its row.",
            "Make them a column of the data and pass its name, or pass weights.to_numpy() if they are in its order.",
        )
    try:
        native = nw.from_native(weights, series_only=True, pass_through=True)
        values = np.array(native.to_numpy() if isinstance(native, nw.Series) else native, dtype=float)
    except (TypeError, ValueError):
        raise DataError(
            f"The weights are an object of type {type(weights).__name__}, not all numbers.",
            "Expected the name of a column, or one number for each row.",
            "Pass weights='column', or an array.",
        ) from None
    rows = frame_length(data)
    if values.shape != (rows,):
        raise DataError(
            f"The weights have shape {values.shape}, and the data {rows} rows.",
            "Expected one weight for each row of the data, also those left out for missing values.",
            "Make them a column of the data and pass its name.",
        )
    if np.isnan(values).any():
        raise DataError(
            f"{int(np.isnan(values).sum())} of the weights are missing, the first in row "
            f"{int(np.flatnonzero(np.isnan(values))[0]) + 1}.",
            "Expected a positive number for each row.",
            "Fill them in; rows are left out where the weights are a column of the data.",
        )
    return Weights(GIVEN, values)


def positive_weights(weights: Weights, rows: Integers) -> Floats:
    """The weights of the rows used.

    Raises
    ------
    DataError
        Zero, negative or infinite; the first row is named.
    """
    values = weights.values[rows]
    bad = ~((values > 0) & np.isfinite(values))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        named = "" if weights.name == GIVEN else f" '{weights.name}'"
        raise DataError(
            f"{int(bad.sum())} of the weights{named} are not positive, the first {values[row]:g} in complete row "
            f"{row + 1}.",
            "Expected positive, finite numbers: the residual variance of a row is sigma^2 over its weight.",
            "Leave out rows that should not count.",
        )
    return values
