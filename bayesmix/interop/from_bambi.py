"""What a model of Bambi's says, in the terms of this package, where the two mean the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayesmix.design import Design
from bayesmix.errors import ArgumentError, DesignError, PriorError
from bayesmix.inference.distributions import Distribution, Flat
from bayesmix.inference.naming import sd_name, variable_name
from bayesmix.interop.bambi_priors import read_bambi_prior

_THERE = "Fit the model with Bambi."


@dataclass(frozen=True)
class Translation:
    """A model of Bambi's as this package takes it.

    Parameters
    ----------
    formula : str
        Names in backticks.
    data : DataFrame
        Columns of numbers, one for each column of Bambi's design, and one of labels for each grouping.
    priors : dict of str to Distribution
        By the name of the parameter.
    """

    formula: str
    data: pd.DataFrame
    priors: dict[str, Distribution]


def read_bambi(model: Any) -> Translation:
    """Translate a Bambi model.

    Nothing of its formula is evaluated again: columns are those that Bambi has computed.

    Raises
    ------
    ArgumentError
        No Bambi model.
    DesignError, PriorError
        A model or a prior that this package has not.
    """
    if type(model).__module__.split(".")[0] != "bambi" or type(model).__name__ != "Model":
        raise ArgumentError(
            f"from_bambi was given an object of type {type(model).__name__}.",
            "Expected a bambi.Model.",
            "Pass the model itself, not its formula or its posterior.",
        )
    _require_meaning(model)
    component = model.parameters["mu"]
    frame: dict[str, Any] = {}
    priors: dict[str, Distribution] = {}
    response = _put(frame, model.response_term.name, np.asarray(model.response_term.data, float))
    terms = ["1" if component.intercept_term is not None else "0"]
    if component.intercept_term is not None:
        priors["Intercept"] = _intercept_prior(model, component)
    for term in component.common_terms.values():
        for column, (name, values) in enumerate(_columns(term, term.data)):
            terms.append(f"`{_put(frame, name, values)}`")
            priors[variable_name(name)] = read_bambi_prior(term.name, term.prior, column)
    terms += [f"offset(`{_put(frame, t.name, np.ravel(t.data))}`)" for t in component.offset_terms.values()]
    for term in component.group_specific_terms.values():
        terms += _read_group_term(frame, priors, term)
    priors["sigma"] = read_bambi_prior("sigma", model.parameters["sigma"].prior)
    return Translation(f"`{response}` ~ {' + '.join(terms)}", pd.DataFrame(frame), priors)


def require_all_columns(design: Design) -> None:
    """Refuse a translation of which columns were dropped: in Bambi they stay, held by their priors.

    Raises
    ------
    DesignError
        With their names.
    """
    if design.dropped:
        raise DesignError(
            f"The columns {', '.join(design.dropped)} are combinations of the others.",
            "Expected none: here they are dropped, in Bambi their priors hold them, which is another model.",
            "Remove them from the Bambi model.",
        )


def _require_meaning(model: Any) -> None:
    """Refuse families, links and terms that are not here."""
    found = None
    if model.family.name != "gaussian":
        found = f"family '{model.family.name}'"
    elif model.family.link["mu"].name != "identity":
        found = f"link '{model.family.link['mu'].name}'"
    elif "sigma" not in model.marginal_parameters:
        found = "a formula for sigma"
    elif model.potentials:
        found = "potentials"
    elif model.parameters["mu"].hsgp_terms:
        found = "a Gaussian process"
    else:
        term = model.response_term
        kinds = ("censored", "constrained", "truncated", "weighted")
        found = next((f"a {kind} response" for kind in kinds if getattr(term, f"is_{kind}")), None)
    if found is not None:
        raise DesignError(
            f"The Bambi model has {found}.",
            "Expected family 'gaussian' with link 'identity', one sigma, and linear terms.",
            _THERE,
        )


def _intercept_prior(model: Any, component: Any) -> Distribution:
    """The prior of the intercept, which here is that at the means of the other columns."""
    prior = read_bambi_prior("Intercept", component.intercept_term.prior)
    if not model.center_predictors and component.common_terms and not isinstance(prior, Flat):
        raise PriorError(
            "The Bambi model has center_predictors=False: its prior of Intercept is that where all predictors are 0.",
            "Expected the prior of the intercept at the means of the predictors.",
            "Build the Bambi model with center_predictors=True, or with centred predictors.",
        )
    return prior


def _columns(term: Any, values: Any) -> list[tuple[str, Any]]:
    """The columns of a term with their names: that of the term, or with the level in brackets."""
    table = np.asarray(values, dtype=float)
    table = table[:, None] if table.ndim == 1 else table
    name, labels = _stem(term), _labels(term)
    if labels is None:
        labels = [str(k) for k in range(table.shape[1])] if table.shape[1] > 1 else None
    if labels is None:
        return [(name, table[:, 0])]
    return [(f"{name}[{label}]", table[:, k]) for k, label in enumerate(labels)]


def _stem(term: Any) -> str:
    """The name of what is multiplied with a coefficient: left of the bar, where there is one."""
    return _clean(term.name.split("|")[0])


def _labels(term: Any) -> list[str] | None:
    """Levels of a categorical term."""
    if not term.categorical:
        return None
    levels = term.term.expr.levels if "|" in term.name else term.levels
    return [str(level) for level in levels]


def _read_group_term(frame: dict[str, Any], priors: dict[str, Distribution], term: Any) -> list[str]:
    """The bars of a group-specific term, one for each column, with the priors of their standard deviations."""
    prior = term.prior
    sigma = prior.args.get("sigma")
    centre = prior.args.get("mu", 0.0)
    zero = not hasattr(centre, "args") and not np.any(np.asarray(centre, dtype=float))
    if prior.name != "Normal" or prior.dist is not None or not zero or not hasattr(sigma, "args"):
        raise PriorError(
            f"The effects '{term.name}' of the Bambi model have the prior {prior}.",
            "Expected normal effects around 0, with a prior of their standard deviation.",
            _THERE,
        )
    labels = np.array([str(group) for group in term.groups], dtype=object)
    group = _put(frame, _clean(term.name.split("|")[1]), labels[term.group_index])
    if term.kind == "intercept":
        priors[sd_name("Intercept", group)] = read_bambi_prior(f"{term.name}_sigma", sigma)
        return [f"(1 | `{group}`)"]
    bars = []
    for column, (name, values) in enumerate(_columns(term, term.predictor)):
        bars.append(f"(0 + `{_put(frame, name, values)}` | `{group}`)")
        priors[sd_name(name, group)] = read_bambi_prior(f"{term.name}_sigma", sigma, column)
    return bars


def _clean(name: str) -> str:
    """A name that can stand in backticks."""
    return name.replace("`", "")


def _put(frame: dict[str, Any], name: str, values: Any) -> str:
    """A column under its name, which must be free or hold the same."""
    own = _clean(name)
    if own in frame and not np.array_equal(frame[own], values):
        raise DesignError(
            f"'{own}' is the name of two things in the Bambi model.",
            "Expected a name for each: response, predictors, offsets and groupings.",
            "Copy one of them to a column of another name.",
        )
    frame[own] = values
    return own
