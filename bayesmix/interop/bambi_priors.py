"""Priors as Bambi has them, and back; only those whose density is the same."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from bayesmix.errors import PriorError
from bayesmix.inference.distributions import Distribution, Flat
from bayesmix.inference.prior_text import FAMILIES

_BY_NAME = {family.__name__: family for family in FAMILIES}


def bambi_prior(name: str, prior: Any, positive: bool = False) -> Any:
    """A prior of Bambi.

    Parameters
    ----------
    name : str
        The parameter, for messages.
    prior : Distribution
        Ours.
    positive : bool
        Whether the parameter is a standard deviation.

    Raises
    ------
    PriorError
        Bambi has no such prior.
    """
    import bambi

    if isinstance(prior, Flat):
        return bambi.Prior("HalfFlat" if positive else "Flat", auto_scale=False)
    if not isinstance(prior, Distribution):
        raise PriorError(
            f"The prior of '{name}' is {prior}.",
            "Expected a distribution of this parameter alone: Bambi has no priors of R2, of shares of variance, nor "
            "of all standard deviations of a level together.",
            f'Set another first: model.with_priors({{"{name}": "HalfNormal(1)"}}).'
            if positive
            else "Set another preset, such as priors='default'.",
        )
    family = type(prior)
    values = [getattr(prior, entry.name) for entry in fields(prior)]
    return bambi.Prior(family.__name__, auto_scale=False, **dict(zip(FAMILIES[family], values, strict=True)))


def read_bambi_prior(name: str, prior: Any, column: int = 0) -> Distribution:
    """A prior of ours, of one column of a term.

    Parameters
    ----------
    name : str
        The parameter, for messages.
    prior : bambi.Prior
        Its numbers may be arrays, one for each column.
    column : int
        Which column.

    Raises
    ------
    PriorError
        A fixed number, a distribution of the user's own, or one that is not offered here.
    """
    given = getattr(prior, "name", None)
    if given in ("Flat", "HalfFlat") and prior.dist is None:
        return Flat()
    family = _BY_NAME.get(str(given))
    if family is None or prior.dist is not None or set(prior.args) != set(FAMILIES[family]):
        raise PriorError(
            f"The prior of '{name}' in the Bambi model is {prior}.",
            f"Expected one of {', '.join(_BY_NAME)} or Flat, with the numbers {_spelling(family)}.",
            "Give the term another prior, or fit the model with Bambi.",
        )
    return family(*(_number(name, prior.args[key], column) for key in FAMILIES[family]))


def _spelling(family: type[Distribution] | None) -> str:
    """The names of a family's numbers."""
    return "that PyMC calls by default" if family is None else ", ".join(FAMILIES[family])


def _number(name: str, value: Any, column: int) -> float:
    """One number of a prior; a prior of it has no place here."""
    try:
        numbers = np.atleast_1d(np.asarray(value, dtype=float)).ravel()
    except (TypeError, ValueError):
        numbers = np.zeros(0)
    if numbers.size == 0:
        raise PriorError(
            f"A number in the prior of '{name}' is itself {value}.",
            "Expected numbers.",
            "Give the term a prior with numbers, or fit the model with Bambi.",
        )
    return float(numbers[column if numbers.size > 1 else 0])
