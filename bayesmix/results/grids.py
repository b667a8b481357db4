"""Rows at which a fit is looked at: those of the data, or a grid of chosen values and typical ones."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from bayesmix.design import Design
from bayesmix.design.coding import categorical_column
from bayesmix.design.frame import Categories, Column, Numbers, as_categories
from bayesmix.errors import ArgumentError

Floats = NDArray[np.float64]

# A numeric predictor of at most so many whole values is shown at each of them, any other at so many equal steps.
STEPS = 50
# Values of a contrast, of which every pair is compared.
MOST_COMPARED = 40


@dataclass(frozen=True)
class Predictors:
    """What a model is computed from, and typical values of it.

    Parameters
    ----------
    columns : mapping of str to Column
        The complete rows of every predictor; numbers that the formula takes as labels are categories.
    n : int
        Rows used.
    """

    columns: Mapping[str, Column]
    n: int

    def column(self, name: Any) -> Column:
        """A predictor by its name."""
        if isinstance(name, str) and name in self.columns:
            return self.columns[name]
        near = difflib.get_close_matches(str(name), self.columns, n=1, cutoff=0.4)
        raise ArgumentError(
            f"The model has no predictor {name!r}.",
            f"Expected one of {', '.join(self.columns)}." if self.columns else "It has none.",
            f"Did you mean '{near[0]}'?" if near else "Choose one of these.",
        )

    def series(self, name: str, values: Sequence[Any] | Floats | None = None) -> pd.Series[Any]:
        """Values of a predictor, those of the rows used by themselves, in the type of the data."""
        column = self.column(name)
        if isinstance(column, Numbers):
            return pd.Series(column.values if values is None else np.asarray(values, float), name=name)
        if values is None:
            codes = column.codes
        else:
            number = {label: code for code, label in enumerate(column.labels)}
            codes = np.array([number[value] for value in values], np.int64)
        return pd.Series(pd.Categorical.from_codes(codes, list(column.labels), column.ordered), name=name)

    def frame(self) -> pd.DataFrame:
        """Every predictor at the rows used."""
        return pd.DataFrame({name: self.series(name) for name in self.columns}, index=pd.RangeIndex(self.n))

    def read_values(self, name: str, values: Any) -> pd.Series[Any]:
        """Values that a user asks for.

        Raises
        ------
        ArgumentError
            Not numbers where the predictor is one, or a label that the fit has not seen.
        """
        column = self.column(name)
        single = isinstance(values, str) or not isinstance(values, Sequence | np.ndarray | pd.Series | pd.Index | range)
        listed = [values] if single else list(values)
        if not listed:
            raise ArgumentError(f"No value was given for '{name}'.", "Expected at least one.", "Add values.")
        if isinstance(column, Categories):
            unseen = [v for v in listed if not any(v == label for label in column.labels)]
            if unseen:
                labels = ", ".join(map(repr, column.labels[:12]))
                raise ArgumentError(
                    f"'{name}' has no label {unseen[0]!r}.", f"Expected one of {labels}.", "Name labels of the fit."
                )
        elif not all(_is_finite(value) for value in listed):
            odd = next(value for value in listed if not _is_finite(value))
            raise ArgumentError(
                f"'{name}' is a number, and {odd!r} is none.", "Expected finite numbers.", "Correct it."
            )
        return self.series(name, listed)

    def typical(self, name: str) -> pd.Series[Any]:
        """The mean of a number, the most frequent label (the first of several) of a category."""
        column = self.column(name)
        if isinstance(column, Numbers):
            return self.series(name, [float(column.values.mean())])
        return self.series(name, [column.labels[int(np.bincount(column.codes).argmax())]])

    def spread(self, name: str) -> pd.Series[Any]:
        """Every label; every value of a number of few whole ones; otherwise equal steps over its range."""
        column = self.column(name)
        if isinstance(column, Categories):
            return self.series(name, column.labels)
        different = np.unique(column.values)
        if len(different) <= STEPS and (different == np.floor(different)).all():
            return self.series(name, different)
        return self.series(name, np.linspace(different[0], different[-1], STEPS))

    def contrasted(self, contrast: Any) -> pd.Series[Any]:
        """Values to compare: as asked for; else every label, or half a unit on either side of the mean."""
        name, values = single_entry("contrast", contrast)
        column = self.column(name)
        if values is not None:
            found = self.read_values(name, values)
        elif isinstance(column, Categories):
            found = self.series(name, column.labels)
        else:
            mean = float(column.values.mean())
            found = self.series(name, [mean - 0.5, mean + 0.5])
        if len(found) < 2:
            raise ArgumentError(
                f"contrast has one value of '{name}'.", "Expected at least two to compare.", "Add another value."
            )
        if len(found) > MOST_COMPARED:
            raise ArgumentError(
                f"contrast has {len(found)} values of '{name}', {len(found) * (len(found) - 1) // 2} pairs.",
                f"Expected at most {MOST_COMPARED} values.",
                f"Name those to compare, as in contrast={{{name!r}: [...]}}.",
            )
        return found


def _is_finite(value: Any) -> bool:
    """Whether it is a finite number."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))


def single_entry(argument: str, given: Any) -> tuple[str, Any]:
    """A name, or a name with its values."""
    if isinstance(given, str):
        return given, None
    if isinstance(given, Mapping) and len(given) == 1:
        ((name, values),) = given.items()
        return name, values
    raise ArgumentError(
        f"{argument}={given!r}.",
        "Expected the name of one predictor, or {name: values}.",
        f"Write {argument}='x', or {argument}={{'x': ...}}.",
    )


def read_predictors(design: Design, groupings: bool) -> Predictors:
    """The predictors of a model, and its groupings where they are wanted."""
    names = list(design.predictors)
    if groupings:
        names += [name for level in design.levels for name in level.grouping.columns]
    labelled = {
        name
        for column in design.columns
        for atom in column.atoms
        if (name := categorical_column(atom.factor, design.columns_read)) is not None
    }
    labelled |= {name for level in design.levels for name in level.grouping.columns}
    columns = {
        name: as_categories(design.columns_read[name]) if name in labelled else design.columns_read[name]
        for name in dict.fromkeys(names)
    }
    return Predictors(columns, design.n)


def build_grid(predictors: Predictors, conditional: Any, focal: str | None) -> pd.DataFrame:
    """Rows to look at, without the focal predictor; ``conditional`` as in Bambi's ``interpret``.

    None: the rows used. Otherwise every combination of the values of the predictors named, the others at typical ones.
    """
    if conditional is None:
        return predictors.frame().drop(columns=[focal] if focal else [])
    if isinstance(conditional, str):
        conditional = [conditional]
    if isinstance(conditional, Mapping):
        chosen = {
            name: predictors.spread(name) if values is None else predictors.read_values(name, values)
            for name, values in conditional.items()
        }
    elif isinstance(conditional, Sequence):
        chosen = {name: predictors.spread(name) for name in conditional}
    else:
        raise ArgumentError(
            f"conditional={conditional!r}.",
            "Expected None, a name, a list of names, or {name: values}.",
            "Leave it out for the rows of the data.",
        )
    if focal in chosen:
        raise ArgumentError(
            f"conditional names '{focal}', whose change is asked for.", "Expected other predictors.", "Leave it out."
        )
    rest = {name: predictors.typical(name) for name in predictors.columns if name not in chosen and name != focal}
    grid = pd.DataFrame(index=[0])
    for values in [*chosen.values(), *rest.values()]:
        grid = grid.merge(values.to_frame(), how="cross")
    return grid


@dataclass(frozen=True)
class Averages:
    """Which rows are averaged, as (k, n) weights, and the values they share."""

    weights: Any
    shared: pd.DataFrame


def read_averages(grid: pd.DataFrame, average_by: Any) -> Averages | None:
    """Weights of averages over everything, or within the values of columns."""
    n = len(grid)
    if average_by is None:
        return None
    if isinstance(average_by, str) and average_by == "all":
        return Averages(sparse.csr_array(np.full((1, n), 1 / n)), pd.DataFrame(index=[0]))
    names = [average_by] if isinstance(average_by, str) else average_by
    if not isinstance(names, Sequence) or not names or any(name not in list(grid.columns) for name in names):
        raise ArgumentError(
            f"average_by={average_by!r}.",
            f"Expected 'all', or among {', '.join(map(str, grid.columns))}."
            if len(grid.columns)
            else "Expected 'all'.",
            "Correct the name.",
        )
    grouped = grid.groupby(list(names), observed=True, sort=True)
    number = grouped.ngroup().to_numpy()
    counts = np.bincount(number)
    weights = sparse.csr_array((1 / counts[number], (number, np.arange(n))), shape=(len(counts), n))
    return Averages(weights, grouped.size().index.to_frame(index=False))
