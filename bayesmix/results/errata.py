"""Printed numbers that are known to be wrong, and what a comparison leaves unexplained beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from bayesmix.errors import ArgumentError
from bayesmix.results.published import Entry, Published
from bayesmix.results.spelling import row_key
from bayesmix.results.toml_file import TomlFile, nearest

if TYPE_CHECKING:
    from bayesmix.results.comparison import Comparison

_ERRATUM = ("words", "source", "numbers")
# What a comparison calls the fits.
_FITS = ("REML", "ML", "posterior")


@dataclass(frozen=True)
class Erratum:
    """What is wrong in a source.

    Parameters
    ----------
    words : str
        What is printed, what is right, and why.
    source : str
        Name of the published table it is about.
    numbers : tuple of str
        Printed numbers of the table that no fit reproduces, as ``"fixed ses"`` or, for what stands beside an estimate,
        ``"fixed ses df"``. Empty where the mistake is not among the numbers of the table.
    """

    words: str
    source: str
    numbers: tuple[str, ...] = ()


def read_errata(file: TomlFile, published: Sequence[Published]) -> tuple[Erratum, ...]:
    """Every [[erratum]] table of a file; its numbers must have been printed.

    Raises
    ------
    ArgumentError
        A key that should not be there, no words, an unknown source, or a number that it does not have.
    """
    names = [each.name for each in published]
    if len(set(names)) < len(names):
        raise ArgumentError(
            f"{file.path.name}: two [[published]] tables have one name, {', '.join(names)}.",
            "Expected a name of its own for each.",
            "Change one of the names.",
        )
    for name in set(names) & set(_FITS):
        raise ArgumentError(
            f"{file.path.name}: a [[published]] table is called '{name}'.",
            f"Expected another name than those of the fits, {', '.join(_FITS)}.",
            "Name it after its source.",
        )
    tables = file.content.get("erratum", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ArgumentError(
            f"{file.where('erratum')}: erratum is no list of tables.", "Expected [[erratum]].", "Write two brackets."
        )
    return tuple(_read(file, number, table, published) for number, table in enumerate(tables))


def _read(file: TomlFile, number: int, table: dict[str, Any], published: Sequence[Published]) -> Erratum:
    """One [[erratum]] table."""
    file.require_known(table, _ERRATUM, "erratum", number)
    where = f"{file.where('erratum', number)}, [[erratum]]"
    words, source = table.get("words"), table.get("source", published[0].name)
    if not isinstance(words, str) or not words:
        raise ArgumentError(f"{where}: no words.", "Expected what is wrong.", 'Write words = "...".')
    named = {each.name: each for each in published}
    if not isinstance(source, str) or source not in named or (len(named) > 1 and "source" not in table):
        raise ArgumentError(
            f"{where}: source is {table.get('source')!r}.",
            f"Expected one of {', '.join(named)}.",
            "Name the [[published]] table that the erratum is about.",
        )
    numbers = table.get("numbers", [])
    offered = {_called(*key): key for entry in named[source].entries for key in _printed(entry)}
    for given in numbers if isinstance(numbers, list) else [numbers]:
        if not isinstance(numbers, list) or not isinstance(given, str) or given not in offered:
            raise ArgumentError(
                f"{where}: numbers has {given!r}.",
                f"Expected a list of what '{source}' printed: {', '.join(offered)}.",
                nearest(str(given), offered),
            )
    return Erratum(words, source, tuple(numbers))


def _printed(entry: Entry) -> list[tuple[str, str, str]]:
    """Part, parameter and column of every number of an entry."""
    columns = ["estimate", *(column for column in ("se", "t", "df") if getattr(entry, column) is not None)]
    return [(entry.part, entry.parameter, column) for column in columns]


def _called(part: str, parameter: str, column: str) -> str:
    """How an erratum names a number."""
    return f"{part} {parameter}" if column == "estimate" else f"{part} {parameter} {column}"


def not_reproduced(found: Comparison, published: Sequence[Published]) -> dict[str, list[str]]:
    """Printed numbers that the comparison does not reproduce, by source, named as an erratum names them.

    Parameters
    ----------
    found : Comparison
        Of one or several fits and all of ``published``.
    published : sequence of Published

    Returns
    -------
    dict of str to list of str
    """
    disagreeing: dict[str, list[str]] = {}
    for source in published:
        answers = found.table[source.name]
        names = []
        for entry in source.entries:
            row = _row(entry, answers)
            if row is None:  # a posterior alone has no criterion
                continue
            for part, parameter, column in _printed(entry):
                answer = answers.loc[row, "agrees" if column == "estimate" else f"{column}_agrees"]
                if not pd.isna(answer) and not answer:
                    names.append(_called(part, parameter, column))
        disagreeing[source.name] = names
    return disagreeing


def _row(entry: Entry, answers: pd.DataFrame) -> tuple[str, str] | None:
    """The row of a comparison that holds an entry, however its source spells the name."""
    wanted = row_key(entry.part, entry.parameter, entry.kind)
    rows = [(str(part), str(parameter)) for part, parameter in answers.index]
    return next((row for row in rows if row_key(*row, entry.kind) == wanted), None)


def unexplained(found: Comparison, published: Sequence[Published], errata: Sequence[Erratum]) -> dict[str, list[str]]:
    """As :func:`not_reproduced`, without what an erratum explains; empty where nothing is left."""
    known = {(each.source, number) for each in errata for number in each.numbers}
    left = {
        source: [name for name in names if (source, name) not in known]
        for source, names in not_reproduced(found, published).items()
    }
    return {source: names for source, names in left.items() if names}
