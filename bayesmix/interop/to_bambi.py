"""A model as one of Bambi's, where the two mean the same."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import Design, Level
from bayesmix.errors import DesignError
from bayesmix.inference.naming import variable_name
from bayesmix.inference.priors import Priors
from bayesmix.interop.bambi_priors import bambi_prior

Floats = NDArray[np.float64]

# The sum of the offsets, as a column.
OFFSET = "offset"


def build_bambi(design: Design, priors: Priors) -> Any:
    """A Bambi model of the same likelihood and the same priors, not yet built.

    Bambi is given columns of numbers that are computed here, one for each coded column, under the names that they have
    here; of a formula it sees their names in backticks and nothing else.

    Parameters
    ----------
    design : Design
        Columns and groups.
    priors : Priors
        Numbers.

    Returns
    -------
    bambi.Model

    Raises
    ------
    DesignError
        Correlated effects, weights, or a name that Bambi can not read.
    PriorError
        A prior that Bambi has not.
    """
    import bambi

    _require_meaning(design)
    frame: dict[str, Any] = {}
    text = design.specification.response.text.replace("`", "")
    response = _put(frame, text if text == "y" else variable_name(text), design.response)
    terms = ["1" if priors.intercept is not None else "0"]
    own: dict[str, Any] = {}
    for place, name, prior in zip(design.fixed, design.fixed_names, priors.beta, strict=True):
        if name == "Intercept":
            own[name] = bambi_prior(name, prior)
        else:
            column = _put(frame, variable_name(name), design.values[:, place])
            terms.append(f"`{column}`")
            own[column] = bambi_prior(column, prior)
    if design.specification.offsets:
        terms.append(f"offset(`{_put(frame, OFFSET, design.offset)}`)")
    for level, chosen in zip(design.levels, priors.levels, strict=True):
        found = _group_terms(frame, design, level)
        terms += [text for text, _ in found]
        for (_, name), sd in zip(found, chosen.sds, strict=True):
            sigma = bambi_prior(f"{name}_sigma", sd, positive=True)
            own[name] = bambi.Prior("Normal", auto_scale=False, mu=0.0, sigma=sigma)
    own["sigma"] = bambi_prior("sigma", priors.sigma, positive=True)
    formula = f"`{response}` ~ {' + '.join(terms)}"
    try:
        with warnings.catch_warnings():
            # Of pandas 3, about a call inside formulae.
            warnings.filterwarnings("ignore", message="For backward compatibility, 'str' dtypes")
            return bambi.Model(formula, pd.DataFrame(frame), priors=own, auto_scale=False, center_predictors=True)
    except ValueError as problem:
        raise DesignError(
            f"Bambi refuses the model '{formula}': {problem}",
            "Expected a model that both programs have.",
            "Change the model, or sample it here.",
        ) from problem


def _require_meaning(design: Design) -> None:
    """Refuse what Bambi would read as another model."""
    for level in design.levels:
        if level.pairs:
            i, j = level.pairs[0]
            effects = f"'{level.effect_names[i]}' and '{level.effect_names[j]}'"
            raise DesignError(
                f"The effects {effects} of level '{level.name}' are correlated.",
                "Expected independent effects: Bambi has no others, its (x | g) is lme4's (x || g).",
                "Write || in place of |, which is another model, or sample this one here.",
            )
    if design.weights is not None:
        raise DesignError(
            f"The model has precision weights ({design.weights_name}).",
            "Expected none: Bambi's weighted() multiplies the log density of a row, which is another model.",
            "Leave the weights out, or sample this model here.",
        )


def _group_terms(frame: dict[str, Any], design: Design, level: Level) -> list[tuple[str, str]]:
    """Each effect of a level as a bar of its own, and Bambi's name for it."""
    labels = np.array([str(label) for label in level.grouping.labels], dtype=object)
    group = _put(frame, variable_name(level.name), labels[level.grouping.codes])
    found = []
    for place, name in zip(level.places, level.effect_names, strict=True):
        if name == "Intercept":
            found.append((f"(1 | `{group}`)", f"1|{group}"))
        else:
            column = _put(frame, variable_name(name), design.values[:, place])
            found.append((f"(0 + `{column}` | `{group}`)", f"{column}|{group}"))
    return found


def _put(frame: dict[str, Any], name: str, values: Any) -> str:
    """A column under its name, which must be free or hold the same; a reserved name has ended in "_" before."""
    if not name or any(sign in name for sign in "`|\n\r"):
        raise DesignError(
            f"Bambi can not read a column called '{name}'.",
            "Expected a name without backtick, bar and line break.",
            "Rename the column.",
        )
    if name in frame and not np.array_equal(frame[name], values):
        raise DesignError(
            f"'{name}' is the name of two things in the model.",
            "Expected a name for each, as Bambi finds them by name: response, predictors, groupings and 'offset'.",
            "Rename or copy one of the columns.",
        )
    frame[name] = values
    return name
