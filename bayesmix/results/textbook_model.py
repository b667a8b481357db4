"""The model of a textbook file, as a formula or level by level, and where in the file a mistake of it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from bayesmix.errors import ArgumentError, BayesmixError, FormulaError, PriorError
from bayesmix.results.toml_file import Key, TomlFile
from bayesmix.specification import Specification, columns_of, levels, parse_formula
from bayesmix.specification.level_texts import Reader

TEXTS = ("data", "csv", "formula", "equation", "means_by", "weights")
OPTIONS = ("fixed", "correlated", "nested")
# What [model] may hold.
KEYS = (*TEXTS[:4], "levels", *OPTIONS, "method", "means_by", "weights", "priors")
# Looking for a wrong equation makes the model again and again.
_MOST_EQUATIONS = 200

_Options = dict[str, Any]
_Tables = Mapping[str, Mapping[str, Any]]


def read_specification(file: TomlFile, model: Mapping[str, Any]) -> Specification:
    """The model that a file writes as ``formula``, or as ``equation`` and ``[model.levels]``.

    Parameters
    ----------
    file : TomlFile
    model : mapping
        Its ``[model]`` table.

    Returns
    -------
    Specification

    Raises
    ------
    ArgumentError
        Neither or both forms, or what is no text or table; with the line.
    FormulaError
        A formula or equations that make no model; with the line and the key.
    """
    written = [key for key in ("formula", "equation") if model.get(key)]
    if len(written) != 1:
        both = "formula and equation" if written else "no formula and no equation"
        raise ArgumentError(
            f"{file.where('model')}: {both}.",
            "Expected one of the two, as text.",
            'Write formula = "y ~ x + (x | g)", or equation = "y ~ x" and [model.levels.g].',
        )
    if written == ["equation"]:
        return _read_levels(file, model)
    for key in ("levels", *OPTIONS):
        if key in model:
            raise ArgumentError(
                f"{file.where('model', key)}: {key} beside a formula.",
                "Expected it beside an equation; a formula says everything itself.",
                f"Remove {key}, or write equation in place of formula.",
            )
    try:
        return parse_formula(model["formula"])
    except FormulaError as error:
        raise _placed(file, ("model", "formula"), error) from None


def _read_levels(file: TomlFile, model: Mapping[str, Any]) -> Specification:
    """A model written level by level."""
    tables = model.get("levels")
    if not isinstance(tables, dict) or not tables:
        where = file.where("model", "levels" if "levels" in model else "equation")
        raise ArgumentError(
            f"{where}: an equation without [model.levels].",
            "Expected a table of equations for each level.",
            'Write [model.levels.school] and below it Intercept = "", or formula in place of equation.',
        )
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ArgumentError(
                f"{file.where('model', 'levels', name)}: level '{name}' is {table!r}.",
                "Expected a table of equations by the name of their coefficient.",
                f'Write [model.levels.{name}] and below it Intercept = "".',
            )
        for coefficient, text in table.items():
            if not isinstance(text, str):
                raise ArgumentError(
                    f"{file.where('model', 'levels', name, coefficient)}: the equation of '{coefficient}' is {text!r}.",
                    "Expected text.",
                    f"Write {coefficient} above [model.levels]."
                    if coefficient in KEYS
                    else f'Write {coefficient} = "", or predictors joined by "+".',
                )
    options = {key: model[key] for key in OPTIONS if key in model}
    try:
        return levels(model["equation"], tables, **options)
    except FormulaError as error:
        raise _placed(file, _place(model["equation"], tables, options, error), error) from None


def _place(equation: str, tables: _Tables, options: _Options, error: FormulaError) -> tuple[Key, ...]:
    """The first key with which the model has the mistake, and without which it has not."""
    if sum(map(len, tables.values())) > _MOST_EQUATIONS:
        return ("model", "levels")
    try:
        Reader(equation)
    except FormulaError:
        return ("model", "equation")
    for keys, part, chosen in chain(_by_equation(tables), _by_option(tables, options)):
        try:
            levels(equation, part, **chosen)
        except FormulaError as found:
            if found.found == error.found:
                return keys
    return ("model", "levels")


def _by_equation(tables: _Tables) -> Iterator[tuple[tuple[Key, ...], _Tables, _Options]]:
    """The equations one after the other, without options."""
    part: dict[str, dict[str, Any]] = {}
    for name, table in tables.items():
        part[name] = {}
        if not table:
            yield ("model", "levels", name), part, {}
        for coefficient, text in table.items():
            part[name][coefficient] = text
            yield ("model", "levels", name, coefficient), part, {}


def _by_option(tables: _Tables, options: _Options) -> Iterator[tuple[tuple[Key, ...], _Tables, _Options]]:
    """All equations, and the options one after the other."""
    chosen: _Options = {}
    for key, value in options.items():
        chosen[key] = value
        yield ("model", key), tables, chosen


def mistaken_key(specification: Specification, level_names: Sequence[str], error: BayesmixError) -> tuple[Key, ...]:
    """The key of a file that an error about model and data belongs to.

    Parameters
    ----------
    specification : Specification
    level_names : sequence of str
        Levels of which the file has equations; none beside a formula.
    error : BayesmixError

    Returns
    -------
    tuple of str
    """
    if isinstance(error, PriorError):
        return ("model", "priors")
    if not level_names:
        return ("model", "formula")
    for predictor in specification.level_predictors:
        if f"equation of '{predictor.coefficient}' at level '{predictor.level}'" in error.found:
            return ("model", "levels", predictor.level, predictor.coefficient)
    for predictor in specification.level_predictors:
        if any(f"'{column}'" in error.found for column in columns_of(predictor.factor.expression)):
            return ("model", "levels", predictor.level, predictor.coefficient)
    for name in level_names:
        if f"'{name}'" in error.found:
            return ("model", "levels", name)
    return ("model", "equation")


def _placed(file: TomlFile, keys: tuple[Key, ...], error: FormulaError) -> FormulaError:
    """An error that begins with file, line and key."""
    remedy = error.remedy
    if keys[:2] == ("model", "levels") and keys[-1] in KEYS:
        remedy = f"If {keys[-1]} is meant for [model], write it above [model.levels]; else: {remedy}"
    return FormulaError(f"{file.where(*keys)}, {keys[-1]}: {error.found}", error.expected, remedy)
