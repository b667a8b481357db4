"""No pooling, partial pooling, complete pooling of every group, and how far each is pulled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.inference.own_coefficients import OwnCoefficients, VarianceParameters, mean_shrinkage, own_coefficients
from bayesmix.results.group_values import each_level, fixed_counterparts, with_fixed
from bayesmix.results.naming import group_order
from bayesmix.results.own_levels import coefficients_beside, own_levels
from bayesmix.results.parameters import all_draws

if TYPE_CHECKING:
    from bayesmix.results.surface.core import Core

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def shrinkage_table(fit: Core, level: str | None, prob: float | None) -> pd.DataFrame:
    """See :meth:`bayesmix.results.fit.Fit.shrinkage`."""
    return each_level(fit.design, level, lambda number: _one_level(fit, number, prob))


def _one_level(fit: Core, number: int, prob: float | None) -> pd.DataFrame:
    """The table of a level; of a posterior, means over the draws."""
    design, found = fit.design, fit.parameters
    grouping, names = design.levels[number].grouping, design.levels[number].effect_names
    partial = with_fixed(design, number, fit.effect_values(number), found.beta)
    own = _own(fit, number, beside_others=True)
    values = with_fixed(design, number, own.values, all_draws(found.beta))
    spread = own.variances
    index = pd.MultiIndex.from_product([grouping.labels, names], names=["group", "effect"])
    reliability = _reliability(fit, number, spread).reshape(*found.sigma.shape, -1)
    complete = fixed_counterparts(design, number, fit.products.response_fit)
    J = len(grouping.labels)
    frame = pd.DataFrame(
        {
            "n": np.repeat(np.bincount(grouping.codes, minlength=J), len(names)),
            "no_pooling": values.mean(axis=0).ravel(),
            "se": np.sqrt(spread).mean(axis=0).ravel(),
            "partial_pooling": partial.mean(axis=(0, 1)).ravel(),
            "fixed": np.tile(fixed_counterparts(design, number, found.beta.mean(axis=(0, 1))), J),
            "complete_pooling": np.tile(complete, J),
        },
        index=index,
    )
    return frame.join(_named(fit.tabulate(reliability, index, prob)))


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Columns of a derived quantity as those of the reliability."""
    names = {"estimate": "reliability", "mean": "reliability"}
    return table.rename(columns={name: names.get(name, f"reliability_{name}") for name in table})


def reliability_table(fit: Core, prob: float | None) -> pd.DataFrame:
    """See :meth:`bayesmix.results.fit.Fit.reliability`."""
    design = fit.design
    values, used = [], []
    for number, level in enumerate(design.levels):
        own = _own(fit, number)
        each = _reliability(fit, number, own.variances)[:, own.complete]
        values.append(each.mean(axis=1) if own.complete.any() else np.full((len(each), len(level.effects)), np.nan))
        used += [int(own.complete.sum())] * len(level.effects)
    names = [(level.name, name) for level in design.levels for name in level.effect_names]
    index = pd.MultiIndex.from_tuples(names, names=["level", "effect"])
    draws = np.concatenate(values, axis=-1).reshape(*fit.parameters.sigma.shape, -1)
    return fit.tabulate(draws, index, prob).assign(groups_used=used)


def matrix_table(fit: Core, level: str | None) -> pd.DataFrame:
    """See :meth:`bayesmix.results.fit.Fit.shrinkage_matrices`."""
    design = fit.design

    def table(number: int) -> pd.DataFrame:
        if design.crossed:
            own = own_levels(design, number)
            values = mean_shrinkage(own.products, own.number, own.variances(*_variances(fit)))
        else:
            parameters = VarianceParameters(*_variances(fit))
            values = mean_shrinkage(fit.products, number, parameters)[group_order(design, number)]
        names, labels = list(design.levels[number].effect_names), design.levels[number].grouping.labels
        index = pd.MultiIndex.from_product([labels, names], names=["group", "effect"])
        return pd.DataFrame(values.reshape(-1, len(names)), index=index, columns=names)

    return each_level(design, level, table)


def _variances(fit: Core) -> tuple[Floats, tuple[Floats, ...]]:
    """Residual standard deviation and covariances of all levels, chains one after the other."""
    found = fit.parameters
    return found.sigma.ravel(), tuple(all_draws(sigma) for sigma in found.covariances)


def _own(fit: Core, number: int, beside_others: bool = False) -> OwnCoefficients:
    """Least squares within the groups, by label; the values only if the effects of other levels are to be read."""
    design, beta = fit.design, all_draws(fit.parameters.beta)
    if design.crossed:
        own = own_levels(design, number)
        parameters = own.variances(*_variances(fit))
        if not beside_others:
            return own_coefficients(own.products, own.number, parameters, beta)
        others = [i for i in range(len(design.levels)) if i not in own.levels]
        return coefficients_beside(design, own, parameters, beta, {i: all_draws(fit.effect_values(i)) for i in others})
    deep = []
    for upper in range(number + 1, len(design.levels) if beside_others else 0):
        values = all_draws(fit.effect_values(upper))
        placed = np.empty_like(values)
        placed[:, group_order(design, upper)] = values
        deep.append(placed)
    found = own_coefficients(fit.products, number, VarianceParameters(*_variances(fit)), beta, deep)
    return _by_label(found, group_order(design, number))


def _by_label(own: OwnCoefficients, order: Integers) -> OwnCoefficients:
    """Groups in the order of their labels instead of depth first."""
    return OwnCoefficients(own.values[:, order], own.variances[:, order], own.complete[order])


def _reliability(fit: Core, number: int, spread: Floats) -> Floats:
    """tau/(tau + v) of each draw, group and effect."""
    tau = np.einsum("daa->da", all_draws(fit.parameters.covariances[number]))[:, None]
    return np.asarray(tau / (tau + spread))
