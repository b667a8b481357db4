"""What data sets there are, what their columns mean, and how a file becomes a data frame."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

import pandas as pd

from bayesmix.errors import ArgumentError

Levels = tuple[str, ...] | Literal["by number"] | None


@dataclass(frozen=True)
class Column:
    """One column of a data set.

    Parameters
    ----------
    name : str
        Its name in the file and in the frame.
    type : {"real", "integer", "factor"}
        float64, int64, or an unordered categorical of strings.
    description : str
        What it measures, with the unit.
    levels : tuple of str, "by number" or None
        The categories of a factor in order; "by number" for codes that are whole numbers; None for a number.
    count : int or None
        How many levels a factor has.
    """

    name: str
    type: Literal["real", "integer", "factor"]
    description: str
    levels: Levels = None
    count: int | None = None


@dataclass(frozen=True)
class Dataset:
    """One data set of the catalogue; `LICENSES.md` beside the files has the full citations.

    Parameters
    ----------
    name : str
        What `load_dataset` calls it.
    title : str
        One line on what was observed.
    source : str
        The study.
    publisher : str
        Who published the study or its data.
    route : str
        How the values came here.
    licence : str
        The terms of that route.
    rows : int
        Number of rows.
    columns : tuple of Column
        In the order of the file.
    """

    name: str
    title: str
    source: str
    publisher: str
    route: str
    licence: str
    rows: int
    columns: tuple[Column, ...]


@cache
def read_catalogue() -> Mapping[str, Dataset]:
    """Read the catalogue, once per process.

    Returns
    -------
    mapping of str to Dataset
        By name, in the order of the catalogue; it can not be changed.

    Examples
    --------
    >>> from bayesmix.datasets.catalogue import read_catalogue
    >>> read_catalogue()["sleepstudy"].columns[1].description
    'day of the experiment, from 0; days 0 and 1 are training, day 2 the baseline'
    """
    text = files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8")
    return MappingProxyType({name: _dataset(name, entry) for name, entry in tomllib.loads(text).items()})


def load_dataset(name: str) -> pd.DataFrame:
    """Load one of the data sets that come with bayesmix.

    Parameters
    ----------
    name : str
        Name of the data set, as `list_datasets` gives it.

    Returns
    -------
    pandas.DataFrame
        A new frame on each call. Numbers are float64 or int64, factors and the codes of groups
        unordered categoricals of strings whose order is the recorded one.

    Raises
    ------
    ArgumentError
        If there is no data set of that name; the error names the nearest one.

    Examples
    --------
    >>> from bayesmix.datasets import load_dataset
    >>> hsb = load_dataset("hsb")
    >>> hsb.shape
    (7185, 8)
    >>> round(float(hsb["math"].mean()), 5)
    12.74785
    >>> list(hsb["sector"].cat.categories)
    ['Public', 'Catholic']
    """
    catalogue = read_catalogue()
    if not isinstance(name, str) or name not in catalogue:
        raise _unknown(name, tuple(catalogue))
    columns = catalogue[name].columns
    with files(__package__).joinpath("data", f"{name}.csv.gz").open("rb") as stream:
        frame = pd.read_csv(stream, compression="gzip", dtype={column.name: _dtype(column) for column in columns})
    for column in columns:
        if column.levels == "by number":
            codes, numbers = pd.factorize(frame[column.name], sort=True)
            frame[column.name] = pd.Categorical.from_codes(codes, [str(number) for number in numbers])
    return frame


def list_datasets() -> pd.DataFrame:
    """List the data sets that come with bayesmix.

    Returns
    -------
    pandas.DataFrame
        One row per data set, with columns name, title, rows, columns (how many) and source.

    Examples
    --------
    >>> from bayesmix.datasets import list_datasets
    >>> list_datasets().set_index("name").loc["hsb", ["rows", "columns"]].tolist()
    [7185, 8]
    """
    return pd.DataFrame(
        [
            {"name": d.name, "title": d.title, "rows": d.rows, "columns": len(d.columns), "source": d.source}
            for d in read_catalogue().values()
        ]
    )


def _dataset(name: str, entry: Mapping[str, Any]) -> Dataset:
    """Turn one table of the catalogue into a record."""
    facts = {key: value for key, value in entry.items() if key != "columns"}
    return Dataset(name=name, columns=tuple(_column(*item) for item in entry["columns"].items()), **facts)


def _column(name: str, entry: Mapping[str, Any]) -> Column:
    """Turn one column of the catalogue into a record."""
    if not isinstance(entry.get("levels"), list):
        return Column(name=name, **entry)
    levels = tuple(entry["levels"])
    return Column(name=name, type=entry["type"], description=entry["description"], levels=levels, count=len(levels))


def _dtype(column: Column) -> str | pd.CategoricalDtype:
    """Name the type in which pandas reads a column."""
    if isinstance(column.levels, tuple):
        return pd.CategoricalDtype(list(column.levels))
    return "float64" if column.type == "real" else "int64"


def _unknown(name: object, names: tuple[str, ...]) -> ArgumentError:
    """Say that there is no such data set, and which one is nearest."""
    nearest = difflib.get_close_matches(str(name).casefold(), names, n=1, cutoff=0.0)[0]
    return ArgumentError(
        found=f"There is no data set {name!r}.",
        expected=f"The nearest name is {nearest!r}; the others are {', '.join(n for n in names if n != nearest)}.",
        remedy=f"Use load_dataset({nearest!r}), or see list_datasets().",
    )
