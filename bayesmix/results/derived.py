"""How a derived quantity is handed out: as a table, or as the draws behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError

if TYPE_CHECKING:
    from bayesmix.results.surface.core import Core

Floats = NDArray[np.float64]

# Names of axes that are not for predictors.
_TAKEN = ("chain", "draw", "level", "part", "row")

# By name of each axis, its labels; the order is that of the axes.
Labels = Mapping[str, Sequence[Any]]


def hand_out(
    fit: Core, values: Floats, labels: Labels, prob: float | None, draws: bool, note: str | None = None
) -> pd.DataFrame | xr.DataArray:
    """A table indexed by the labels, or the draws with the same labels as coordinates.

    Parameters
    ----------
    fit : Core
        Whose estimate or posterior it is.
    values : (C, D, ...) array
        One axis for each entry of ``labels`` after chains and draws; an estimate is one draw of one chain.
    labels : mapping of str to sequence
    prob : float, optional
        Coverage of the intervals of a table.
    draws : bool
        Whether to return draws.
    note : str, optional
        What a reader must know; in ``attrs["note"]`` of either.
    """
    if not isinstance(draws, bool):
        raise ArgumentError(f"draws={draws!r}.", "Expected True or False.", "Leave it out for a table.")
    found = _array(values, labels, prob) if draws else _table(fit, values, labels, prob)
    if note:
        found.attrs["note"] = note
    return found


def _array(values: Floats, labels: Labels, prob: float | None) -> xr.DataArray:
    """Draws with their labels."""
    if prob is not None:
        raise ArgumentError(
            f"prob={prob!r}, but draws have no intervals.", "Expected either of the two.", "Leave prob or draws out."
        )
    coords: dict[str, Any] = {"chain": np.arange(values.shape[0]), "draw": np.arange(values.shape[1])}
    coords |= {name: list(of) for name, of in labels.items()}
    return xr.DataArray(values, coords=coords, dims=tuple(coords))


def _table(fit: Core, values: Floats, labels: Labels, prob: float | None) -> pd.DataFrame:
    """Rows in the order of the labels, the last of them running fastest."""
    if len(labels) == 1:
        ((name, only),) = labels.items()
        index: pd.Index[Any] = pd.Index(list(only), name=name)
    else:
        index = pd.MultiIndex.from_product([list(of) for of in labels.values()], names=list(labels))
    return fit.tabulate(values.reshape(*values.shape[:2], -1), index, prob)


def axis_of(predictor: str) -> str:
    """A predictor as the name of an axis; one that other axes need ends in "_"."""
    return f"{predictor}_" if predictor in _TAKEN else predictor


def require_choice(name: str, value: object, offered: Sequence[str]) -> None:
    """Refuse a word that is not among those offered.

    Raises
    ------
    ArgumentError
    """
    if not isinstance(value, str) or value not in offered:
        raise ArgumentError(
            f"{name}={value!r} is not offered.",
            f"Expected one of {', '.join(map(repr, offered))}.",
            "Choose one of these.",
        )
