"""Repeated measures from one row for each person to one row for each measurement, and back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bayesmix.errors import ArgumentError, DataError, refuse_unknown
from bayesmix.teaching.arguments import as_list, read_frame, require_flag, shown


def to_long(
    data: Any,
    *,
    id: str,
    columns: Any,
    times: Any = None,
    time: str = "time",
    value: str = "y",
    keep_missing: bool = False,
    **unknown: Any,
) -> pd.DataFrame:
    """One row for each measurement, as mixed models want it, from one row for each person.

    Parameters
    ----------
    data : data frame
        One row for each person.
    id : str
        The column that names the person.
    columns : sequence of str, or mapping
        The columns that hold the measurements, in the order the rows are to have. A mapping of column to time,
        ``{"week0": 0, "week1": 1, "week6": 6}``, gives unequally spaced times; a mapping of name to list of columns,
        ``{"pain": [...], "dose": [...]}``, several measured variables.
    times : sequence, optional
        Time of each column; by default 1, 2, ...
    time, value : str
        What the new columns are called.
    keep_missing : bool
        Keep measurements that are missing. By itself they are left out: a model needs none in their place.

    Returns
    -------
    DataFrame
        Persons in the order of the data, each in that of columns: id, all other columns, time, then the measurements.

    Raises
    ------
    DataError, ArgumentError
        A column that is not there, a person who occurs twice, times that are not as many as columns, or two columns of
        one name.

    Examples
    --------
    >>> import bayesmix as bx, pandas as pd
    >>> wide = pd.DataFrame({"id": [1, 2], "week0": [3.0, 2.5], "week2": [3.6, None]})
    >>> bx.to_long(wide, id="id", columns={"week0": 0, "week2": 2}, time="week").values.tolist()
    [[1.0, 0.0, 3.0], [1.0, 2.0, 3.6], [2.0, 0.0, 2.5]]
    """
    refuse_unknown("to_long", unknown, ("id", "columns", "times", "time", "value", "keep_missing"))
    require_flag("keep_missing", keep_missing)
    measured, moments = _measurements(columns, times, value)
    wanted = [column for group in measured.values() for column in group]
    _require_names({"id": id, "time": time, "value": value})
    frame = read_frame(data, [id, *wanted])
    _require_persons(frame, id)
    kept = [name for name in frame if name not in wanted and name != id]
    _require_new([time, *measured], [id, *kept])
    n, m = len(frame), len(moments)
    # Stable order: person by person, in the order of time.
    order = np.argsort(np.tile(np.arange(n), m), kind="stable")
    parts = {name: pd.concat([frame[name]] * m, ignore_index=True) for name in [id, *kept]}
    parts[time] = pd.Series(np.repeat(np.array(moments), n))
    for name, group in measured.items():
        parts[name] = pd.concat([frame[column] for column in group], ignore_index=True)
    long = pd.DataFrame(parts).iloc[order].reset_index(drop=True)
    return long if keep_missing else long.dropna(subset=list(measured), how="all").reset_index(drop=True)


def to_wide(data: Any, *, id: str, time: str, values: Any = "y", **unknown: Any) -> pd.DataFrame:
    """One row for each person from one row for each measurement; what is not measured anew must not change.

    Parameters
    ----------
    data : data frame
        One row for each measurement.
    id, time : str
        The columns that name the person and the time.
    values : str or sequence of str
        The measured columns.

    Returns
    -------
    DataFrame
        Persons in the order in which they first occur: id, the columns that are constant for each person, then
        ``y_1``, ``y_2``, ..., the measured columns at each time in order, missing where there was no measurement.

    Raises
    ------
    DataError, ArgumentError
        A column that is not there, two measurements of a person at one time, or another column that changes.

    Examples
    --------
    >>> import bayesmix as bx
    >>> bx.to_wide(bx.load_dataset("growth12"), id="id", time="time")["y_4"].tolist()
    [5.1, 3.9, 5.1]
    """
    refuse_unknown("to_wide", unknown, ("id", "time", "values"))
    measured = [values] if isinstance(values, str) else values
    if not isinstance(measured, list | tuple) or not measured or not all(isinstance(name, str) for name in measured):
        raise ArgumentError(f"values={shown(values)}.", "Expected names of columns.", "Write values='y'.")
    _require_names({"id": id, "time": time})
    _require_distinct([id, time, *measured], "the columns")
    frame = read_frame(data, [id, time, *measured])
    for name in (id, time):
        _require_labels(frame, name)
    twice = frame[frame.duplicated([id, time])]
    if len(twice):
        person, moment = twice[[id, time]].iloc[0]
        raise DataError(
            f"{id} {shown(person)} has two rows at {time} {shown(moment)}.",
            "Expected one measurement of a person at a time.",
            "Take their mean, drop one, or name the times apart.",
        )
    persons = frame[id].drop_duplicates().reset_index(drop=True)
    fixed = [name for name in frame if name not in (id, time, *measured)]
    grouped = frame.groupby(id, sort=False, observed=True)
    for name in fixed:
        changing = grouped[name].nunique(dropna=False) > 1
        if changing.any():
            raise DataError(
                f"Column '{name}' changes within {id} {shown(changing.index[np.argmax(changing)])}.",
                "Expected columns that are measured once for each person, beside the measured ones.",
                f"Add '{name}' to values, or drop it.",
            )
    first = frame.drop_duplicates(id).set_index(id)[fixed]
    wide = frame.set_index([id, time])[list(measured)].unstack(time)
    moments = sorted(frame[time].unique(), key=_order_of(frame[time]))
    found = first.assign(**{f"{name}_{moment}": wide[name, moment] for name in measured for moment in moments})
    _require_distinct([id, *fixed, *(f"{name}_{moment}" for name in measured for moment in moments)], "the result")
    return found.reindex(persons).reset_index()


def _measurements(columns: Any, times: Any, value: str) -> tuple[dict[str, list[str]], list[Any]]:
    """The columns of each measured variable, and the times they share."""
    if isinstance(columns, Mapping) and columns and all(isinstance(entry, list | tuple) for entry in columns.values()):
        measured = {name: list(entry) for name, entry in columns.items()}
    elif isinstance(columns, Mapping):
        if times is not None:
            raise ArgumentError(
                "columns gives the times, and times is given too.", "Expected one of them.", "Leave times out."
            )
        measured, times = {value: list(columns)}, list(columns.values())
    else:
        plain = as_list(columns)
        measured = {value: [columns] if plain is None else plain}
    for name, group in measured.items():
        if not isinstance(name, str) or not group or not all(isinstance(column, str) for column in group):
            raise ArgumentError(
                f"columns={shown(columns)}.",
                "Expected names of columns, column to time, or name to a list of columns.",
                "Write columns=['y1', 'y2', 'y3'].",
            )
    wanted = [column for group in measured.values() for column in group]
    _require_distinct(wanted, "columns")
    count = len(next(iter(measured.values())))
    uneven = [name for name, group in measured.items() if len(group) != count]
    if uneven:
        raise ArgumentError(
            f"'{uneven[0]}' has {len(measured[uneven[0]])} columns and '{next(iter(measured))}' has {count}.",
            "Expected as many columns of each variable, one for each time.",
            "Add columns of missing values where a variable was not measured.",
        )
    return measured, _moments(times, count)


def _moments(times: Any, count: int) -> list[Any]:
    """Distinct times, as many as columns, in order."""
    if times is None:
        return list(range(1, count + 1))
    plain = as_list(times)
    moments = [times] if plain is None else plain
    odd = [moment for moment in moments if not isinstance(moment, Hashable) or pd.isna(moment)]
    if len(moments) != count or odd or len(set(moments)) < count:
        raise ArgumentError(
            f"times={shown(times)}.",
            f"Expected {count} different times, one for each column.",
            "Correct them, or leave times out for 1, 2, ...",
        )
    return moments


def _order_of(column: pd.Series[Any]) -> Any:
    """How times are put in order: as numbers or categories, else as text."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return list(column.cat.categories).index
    return (lambda moment: moment) if pd.api.types.is_numeric_dtype(column) else str


def _require_names(given: Mapping[str, Any]) -> None:
    """Refuse names that are no text."""
    for argument, name in given.items():
        if not isinstance(name, str) or not name:
            raise ArgumentError(
                f"{argument}={shown(name)}.", "Expected the name of a column.", f"Write {argument}='...'."
            )


def _require_distinct(names: list[str], where: str) -> None:
    """Refuse a name that occurs twice."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ArgumentError(f"'{twice}' occurs twice in {where}.", "Expected every name once.", "Rename or drop one.")


def _require_new(new: list[str], kept: list[str]) -> None:
    """Refuse new columns whose names are taken."""
    _require_distinct(new, "the new columns")
    taken = next((name for name in new if name in kept), None)
    if taken is not None:
        raise ArgumentError(
            f"The data have a column '{taken}' already.",
            "Expected other names for the new columns.",
            "Pass time=... or value=..., or drop the column first.",
        )


def _require_labels(frame: pd.DataFrame, name: str) -> None:
    """Refuse missing labels."""
    if frame[name].isna().any():
        raise DataError(
            f"Column '{name}' has {int(frame[name].isna().sum())} missing value(s).",
            "Expected a label in every row.",
            "Fill them in, or drop those rows.",
        )


def _require_persons(frame: pd.DataFrame, name: str) -> None:
    """Refuse missing persons, and persons with several rows."""
    _require_labels(frame, name)
    twice = frame.loc[frame[name].duplicated(), name]
    if len(twice):
        raise DataError(
            f"{name} {shown(twice.iloc[0])} has {int((frame[name] == twice.iloc[0]).sum())} rows.",
            "Expected one row for each person.",
            "Check the column, or whether the data are in long format already.",
        )
