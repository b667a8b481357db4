"""The log density of a Bambi model from its graph, and the same written out with SciPy."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

import bayesmix as bx
from bayesmix.inference.distributions import Flat
from bayesmix.inference.naming import effect_name, sd_name, variable_name
from tests.bayes import INTERPRETED, point

Values = Mapping[str, Any]


def graph_density(theirs: Any, values: Values) -> float:
    """Joint log density of the graph that Bambi builds, in the parameters' own scales."""
    graph = theirs.backend.model
    logp = graph.compile_logp(jacobian=False, mode=INTERPRETED)
    return float(logp(point(graph, values)))


def written_density(model: bx.Model, values: Values) -> float:
    """Rows, group effects in units of their sds, and priors; the intercept is that at the predictors' means."""
    design, priors = model.design, model.priors.numbers
    X = design.fixed_values
    if priors.intercept is not None:
        X = np.where(np.arange(X.shape[1]) == priors.intercept, X, X - X.mean(axis=0))
    beta = [float(values[variable_name(name)]) for name in design.fixed_names]
    mean = design.offset + X @ beta
    pairs = [(prior, value) for prior, value in zip(priors.beta, beta, strict=True)]
    pairs.append((priors.sigma, float(values["sigma"])))
    total = 0.0
    for level, chosen in zip(design.levels, priors.levels, strict=True):
        for place, name, prior in zip(level.places, level.effect_names, chosen.sds, strict=True):
            sd = float(values[sd_name(name, level.name)])
            z = np.asarray(values[f"{effect_name(name, level.name)}_offset"])
            mean = mean + design.values[:, place] * (sd * z)[level.grouping.codes]
            total += stats.norm.logpdf(z).sum()
            pairs.append((prior, sd))
    total += sum(float(p.frozen().logpdf(value)) for p, value in pairs if not isinstance(p, Flat))
    return float(total + stats.norm.logpdf(design.response, mean, float(values["sigma"])).sum())


def random_values(theirs: Any, rng: np.random.Generator) -> dict[str, Any]:
    """A value for every free variable of Bambi's graph, positive where it has to be."""
    graph = theirs.backend.model
    found = {}
    for name in (variable.name for variable in graph.free_RVs):
        shape = tuple(len(graph.coords[dim]) for dim in graph.named_vars_to_dims.get(name, ()))
        found[name] = np.asarray(rng.uniform(0.5, 2.0, shape) if name.endswith("sigma") else rng.normal(size=shape))
    return found
