"""Numbers read from a paper, a slide or another program's output, ready to be put beside a fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import pandas as pd

from bayesmix.errors import ArgumentError
from bayesmix.results.printed import Printed, read_printed, split_error
from bayesmix.results.toml_file import TomlFile, existing_file, one_of, read_toml_file

Kind = Literal["fixed", "component", "statistic"]

# What may be printed about one row, beside its estimate.
COLUMNS = ("estimate", "se", "t", "df", "sd")
STATISTICS = ("criterion", "loglik", "aic", "bic", "n", "p")
# The top of a TOML file; a model beside the numbers is for bayesmix.results.textbook.
TOML_KEYS = ("title", "note", "model", "published", "erratum")
TABLE_KEYS = ("name", "fixed", "variance_components", "statistics", "source", "method")
PARAMETERS = re.compile(r"^(?:(?:var|sd)(?:\(.+\))?|(?:cov|corr)\(.+\)|icc)$")


@dataclass(frozen=True)
class Entry:
    """What was printed about one parameter.

    Parameters
    ----------
    kind : {"fixed", "component", "statistic"}
    part : str
        ``"fixed"``, the level (or ``"residual"``), or ``"fit"``.
    parameter : str
        The fixed effect; ``var(x)``, ``sd(x)``, ``cov(x,z)``, ``corr(x,z)`` or ``icc``; or the statistic.
    estimate : Printed
    se, t, df : Printed or None
    """

    kind: Kind
    part: str
    parameter: str
    estimate: Printed
    se: Printed | None = None
    t: Printed | None = None
    df: Printed | None = None


@dataclass(frozen=True, repr=False)
class Published:
    """Published numbers of a model, as much or as little as was printed.

    A value is text with the digits as printed (``"12.6650"``), a number, text with a standard error
    (``"12.6650 (.1898)"``), a pair ``(estimate, se)``, or a mapping with ``estimate`` and any of ``se``, ``t``, ``df``
    (fixed effects) or ``se``, ``sd`` (variances). Digits are information: a printed number agrees with a fit that
    rounds to it. A number that is not text counts with the digits of its shortest form, so its trailing zeros are lost.

    Parameters
    ----------
    name : str
        What a comparison calls it.
    fixed : mapping of str to value
        By the name of the effect; lme4's spelling, ``(Intercept)`` and ``sectorCatholic``, is understood too.
    variance_components : mapping
        By (level, parameter), or a mapping of parameter to value by level. Parameters are ``var(x)``, ``sd(x)``,
        ``cov(x,z)``, ``corr(x,z)`` and ``icc``; the residual has ``("residual", "var")`` or ``("residual", "sd")``.
    statistics : mapping of str to value
        Any of ``criterion`` (-2 log likelihood), ``loglik``, ``aic``, ``bic``, ``n`` (rows), ``p`` (fixed effects).
    source : str
        Where the numbers were read.
    method : {"REML", "ML"}, optional
        How they were fitted, where the source says so.

    Raises
    ------
    ArgumentError
        Something in it is no number, or no parameter.

    Examples
    --------
    >>> import bayesmix as bx
    >>> slide = bx.Published(
    ...     "slide",
    ...     fixed={"(Intercept)": "12.6650 (0.1898)", "ses": {"estimate": "2.3938", "se": "0.1181"}},
    ...     variance_components={("school", "var(Intercept)"): "4.8286", ("residual", "sd"): "6.0688"},
    ... )
    >>> slide
    Published 'slide': 2 fixed effects, 2 variance components
    >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
    >>> bx.compare(fit, slide).verdict
    'slide agrees with REML: all 6 printed numbers are reproduced to the last digit.'
    """

    name: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    variance_components: Mapping[Any, Any] = field(default_factory=dict)
    statistics: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    method: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ArgumentError(f"A source is called {self.name!r}.", "Expected text.", 'For instance name="slide".')
        for part in ("fixed", "variance_components", "statistics"):
            given = getattr(self, part)
            if not isinstance(given, Mapping):
                raise ArgumentError(
                    f"{part} of '{self.name}' is {type(given).__name__}.",
                    "Expected a mapping of names to values.",
                    "For a data frame use Published.from_frame, for a file from_csv or from_toml.",
                )
            object.__setattr__(self, part, MappingProxyType(dict(given)))
        if self.method not in (None, "REML", "ML"):
            raise ArgumentError(
                f"method of '{self.name}' is {self.method!r}.", "Expected 'REML', 'ML' or None.", "Leave it out."
            )
        if not self.entries:
            raise ArgumentError(
                f"'{self.name}' holds no number.",
                "Expected fixed effects, variance components or statistics.",
                'For instance fixed={"ses": "2.3938 (0.1181)"}.',
            )

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything printed, in the order given."""
        found = [entry for name, value in self.fixed.items() for entry in self._read("fixed", "fixed", name, value)]
        for (level, parameter), value in _flat(self.variance_components, self.name):
            if not PARAMETERS.match(parameter):
                raise ArgumentError(
                    f"'{self.name}' has a variance component '{parameter}' of {level}.",
                    "Expected var(x), sd(x), cov(x,z), corr(x,z) or icc, or var or sd of the residual.",
                    f"For instance ({level!r}, 'var(Intercept)').",
                )
            found += self._read("component", level, parameter, value)
        for name, value in self.statistics.items():
            one_of(name, STATISTICS, f"'{self.name}' has a statistic")
            found += self._read("statistic", "fit", name, value)
        return tuple(found)

    def _read(self, kind: Kind, part: str, parameter: str, value: Any) -> list[Entry]:
        """One entry, and a second where a variance is printed with its square root."""
        where = f"{part} {parameter} of '{self.name}'"
        if not isinstance(parameter, str):
            raise ArgumentError(f"{where} is no name.", "Expected text.", "Name the effect, for instance 'ses'.")
        if not isinstance(value, Mapping):
            estimate, se = split_error(value)
            value = {"estimate": estimate, **({} if se is None else {"se": se})}
        offered = {"fixed": COLUMNS[:4], "component": ("estimate", "se", "sd"), "statistic": ("estimate",)}[kind]
        for column in value:
            one_of(column, offered, f"{where} has")
        if "estimate" not in value:
            raise ArgumentError(f"{where} has no estimate.", "Expected one.", 'Write {"estimate": ..., "se": ...}.')
        numbers = {column: read_printed(number, f"{column} of {where}") for column, number in value.items()}
        sd = numbers.pop("sd", None)
        if sd is None:
            return [Entry(kind, part, parameter, **numbers)]
        if not parameter.startswith("var"):
            raise ArgumentError(
                f"{where} has an sd.", "Expected one beside a variance only.", "Leave it out, or give it a row."
            )
        return [Entry(kind, part, parameter, **numbers), Entry(kind, part, "sd" + parameter.removeprefix("var"), sd)]

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, *, name: str, source: str = "", method: str | None = None) -> Published:
        """Read a data frame.

        Parameters
        ----------
        frame : DataFrame
            Rows by fixed effect, or by part and parameter (two levels of the index, or columns ``part`` and
            ``parameter``); ``part`` is ``fixed``, a level, ``residual`` or ``fit``. Columns ``estimate`` and any of
            ``se``, ``t``, ``df``, ``sd``; what is missing was not printed. Others are refused.
        name, source, method : str
            As for :class:`Published`.

        Returns
        -------
        Published

        Examples
        --------
        >>> import bayesmix as bx, pandas as pd
        >>> columns = {"estimate": ["12.6650", "2.3938"], "se": [".1898", ".1181"]}
        >>> frame = pd.DataFrame(columns, index=["Intercept", "ses"])
        >>> bx.Published.from_frame(frame, name="slide")
        Published 'slide': 2 fixed effects
        """
        if not isinstance(frame, pd.DataFrame):
            raise ArgumentError(
                f"from_frame was given a {type(frame).__name__}.", "Expected a DataFrame.", "Pass pd.DataFrame(...)."
            )
        table = frame
        if "parameter" in table:
            keys = ["part", "parameter"] if "part" in table else ["parameter"]
            table = table.set_index(keys)
        if table.index.has_duplicates:
            twice = table.index[table.index.duplicated()][0]
            raise ArgumentError(f"The frame has the row {twice!r} twice.", "Expected every row once.", "Remove one.")
        for column in table.columns:
            one_of(column, COLUMNS, f"The table of '{name}' has")
        parts: dict[str, dict[Any, Any]] = {"fixed": {}, "components": {}, "statistics": {}}
        for label, row in table.iterrows():
            part, parameter = map(str, label if isinstance(label, tuple) else ("fixed", label))
            value = {column: number for column, number in row.items() if not _is_missing(number)}
            if part == "fixed" and not PARAMETERS.match(parameter):
                parts["fixed"][parameter] = value
            elif part == "fit":
                parts["statistics"][parameter] = value
            else:
                parts["components"][part, parameter] = value
        return cls(name, parts["fixed"], parts["components"], parts["statistics"], source, method)

    @classmethod
    def from_csv(cls, path: str | Path, *, name: str | None = None, source: str = "") -> Published:
        """Read a CSV file with the columns of :meth:`from_frame`; digits are kept as written.

        Parameters
        ----------
        path : str or Path
        name : str, optional
            By default the name of the file.
        source : str

        Returns
        -------
        Published
        """
        file = existing_file(path)
        try:
            table = pd.read_csv(file, dtype=str)
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as problem:
            raise ArgumentError(
                f"{file} can not be read as CSV: {str(problem).strip()}.",
                "Expected a header and rows of as many columns, in UTF-8.",
                "Check the file, or pass a data frame to Published.from_frame.",
            ) from problem
        return cls.from_frame(table, name=name or file.stem, source=source or file.name)

    @classmethod
    def from_toml(cls, path: str | Path, *, name: str | None = None) -> Published:
        """Read published numbers from a TOML file, which is data and runs nothing.

        Parameters
        ----------
        path : str or Path
            A file with one or several ``[[published]]`` tables, whose keys are the parameters of :class:`Published`.
        name : str, optional
            Which of several.

        Returns
        -------
        Published

        Raises
        ------
        ArgumentError
            No such file, no such table, or a key it should not have.
        """
        found = read_published(read_toml_file(path))
        if name is None and len(found) == 1:
            return found[0]
        names = [each.name for each in found]
        if name not in names:
            raise ArgumentError(
                f"{path} holds {', '.join(map(repr, names))}" + (" and none was named." if name is None else "."),
                "Expected the name of one of them.",
                f"Write from_toml({str(path)!r}, name={names[0]!r}).",
            )
        return found[names.index(name)]

    def __repr__(self) -> str:
        counts = [
            (len(self.fixed), "fixed effect"),
            (len(list(_flat(self.variance_components, self.name))), "variance component"),
            (len(self.statistics), "statistic"),
        ]
        listed = ", ".join(f"{count} {noun}{'s' * (count > 1)}" for count, noun in counts if count)
        return f"Published {self.name!r}: {listed}" + (f" ({self.source})" if self.source else "")


def as_published(given: Any, number: int = 1) -> Published | None:
    """Published numbers in any of the forms a comparison takes; None where it is none of them.

    Parameters
    ----------
    given : Published, mapping, DataFrame or path of a .csv or .toml file
        A mapping has the parameters of :class:`Published`.
    number : int
        For the name of what has none.
    """
    if isinstance(given, Published):
        return given
    if isinstance(given, pd.DataFrame):
        return Published.from_frame(given, name="published" if number == 1 else f"published {number}")
    if isinstance(given, Mapping):
        return from_mapping(given, "published" if number == 1 else f"published {number}")
    if isinstance(given, str | Path) and Path(given).suffix in (".csv", ".toml"):
        return Published.from_csv(given) if Path(given).suffix == ".csv" else Published.from_toml(given)
    return None


def from_mapping(given: Mapping[str, Any], name: str) -> Published:
    """Published numbers from a mapping with the parameters of :class:`Published`."""
    for key in given:
        one_of(key, TABLE_KEYS, f"'{given.get('name', name)}' has a key")
    return Published(**{"name": name, **given})


def read_published(file: TomlFile) -> tuple[Published, ...]:
    """Every [[published]] table of a TOML file, and nothing else at its top that should not be there."""
    file.require_known(file.content, TOML_KEYS)
    tables = file.content.get("published")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ArgumentError(
            f"{file.where('published')} has no [[published]] table.",
            "Expected at least one.",
            "Write [[published]] with two brackets, and see models/README.md.",
        )
    return tuple(_read_table(file, number, len(tables) == 1) for number in range(len(tables)))


def _read_table(file: TomlFile, number: int, single: bool) -> Published:
    """One [[published]] table; what is wrong in it is told with its line."""
    table = file.content["published"][number]
    file.require_known(table, TABLE_KEYS, "published", number)
    try:
        return from_mapping(table, file.path.stem if single else f"{file.path.stem} {number + 1}")
    except ArgumentError as error:
        where = file.where("published", number)
        raise ArgumentError(f"{where}, [[published]]: {error.found}", error.expected, error.remedy) from None


def _flat(given: Mapping[Any, Any], name: str) -> Iterable[tuple[tuple[str, str], Any]]:
    """Variance components by (level, parameter)."""
    for key, value in given.items():
        if isinstance(key, tuple) and len(key) == 2:
            yield (str(key[0]), str(key[1])), value
        elif isinstance(key, str) and isinstance(value, Mapping):
            yield from (((key, str(parameter)), number) for parameter, number in value.items())
        else:
            raise ArgumentError(
                f"'{name}' has a variance component {key!r}.",
                "Expected (level, parameter), or a level with a mapping of its parameters.",
                "For instance ('school', 'var(Intercept)').",
            )


def _is_missing(value: Any) -> bool:
    """Whether a cell of a table is empty."""
    return bool(pd.isna(value)) or (isinstance(value, str) and not value.strip())
