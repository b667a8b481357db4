"""All parameters of a model side by side, under the names by which :func:`bayesmix.simulate` takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.inference.naming import variable_name
from bayesmix.results.components import correlation, level_variances
from bayesmix.results.naming import group_order

Floats = NDArray[np.float64]


def parameter_names(design: Design) -> list[str]:
    """Fixed effects, sds and correlations of each level, sigma: ``"ses"``, ``"sd(ses | school)"``, ``"sigma"``.

    A fixed effect of the last name is called ``"sigma_"``, as in a posterior.
    """
    names = [variable_name(name) if name == "sigma" else name for name in design.fixed_names]
    for level in design.levels:
        own = level.effect_names
        names += [f"sd({name} | {level.name})" for name in own]
        names += [f"corr({own[i]}, {own[j]} | {level.name})" for i, j in level.pairs]
    return [*names, "sigma"]


def parameter_values(design: Design, beta: Floats, sigma: Floats, covariances: Sequence[Floats]) -> Floats:
    """Values in the order of the names, (D, P).

    Parameters
    ----------
    design : Design
    beta : (D, p) array
    sigma : (D,) array
    covariances : sequence of (D, q, q) arrays
    """
    columns = list(beta.T)
    for level, covariance in zip(design.levels, covariances, strict=True):
        columns += list(np.sqrt(np.einsum("dqq->qd", covariance)))
        columns += [correlation(covariance, i, j) for i, j in level.pairs]
    return np.stack([*columns, sigma], axis=-1)


def icc_names(design: Design) -> list[str]:
    """``"icc(school)"``."""
    return [f"icc({level.name})" for level in design.levels]


def icc_values(products: CrossProducts, sigma: Floats, covariances: Sequence[Floats]) -> Floats:
    """Share of variance of each level, averaged over the rows, (D, levels)."""
    if not covariances:
        return np.zeros((len(sigma), 0))
    parts = level_variances(products, covariances)
    return np.asarray(parts / (parts.sum(axis=-1, keepdims=True) + sigma[:, None] ** 2))


def group_names(design: Design) -> list[str]:
    """Every effect of the first and of the last group of each level, ``"ses | school[1224]"``."""
    return [
        f"{name} | {level.name}[{label}]"
        for level in design.levels
        for label in (level.grouping.labels[0], level.grouping.labels[-1])
        for name in level.effect_names
    ]


def group_values(design: Design, effects: Sequence[Floats]) -> Floats:
    """Those effects from all of them, (D, J, q) of each level in depth-first order, to (D, number)."""
    columns = []
    for number in range(len(design.levels)):
        order = group_order(design, number)
        columns += [effects[number][:, order[place], :] for place in (0, -1)]
    return np.concatenate(columns, axis=1) if columns else np.zeros((0, 0))
