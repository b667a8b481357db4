"""Where levels are crossed: one of them, with those nested within it, as a model beside the effects of all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design, cross_products
from bayesmix.design.groups import build_tree, is_nested
from bayesmix.design.response import read_rows, with_response
from bayesmix.errors import ArgumentError
from bayesmix.inference.own_coefficients import OwnCoefficients, VarianceParameters, own_coefficients

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OwnLevels:
    """A level and those nested within it.

    Parameters
    ----------
    design : Design
        With these levels only.
    products : CrossProducts
        Of that design.
    levels : tuple of int
        Their numbers in the whole design, lowest first; the last is the level itself, whose groups, being those at the
        top, are in the order of their labels.
    """

    design: Design
    products: CrossProducts
    levels: tuple[int, ...]

    @property
    def number(self) -> int:
        """The level among these."""
        return len(self.levels) - 1

    def variances(self, sigma: Floats, covariances: Sequence[Floats]) -> VarianceParameters:
        """Of all draws (D,), (D, q, q) those of these levels."""
        return VarianceParameters(sigma, tuple(covariances[level] for level in self.levels))


def own_levels(design: Design, number: int) -> OwnLevels:
    """A level of a design with crossed levels, and those nested within it.

    Raises
    ------
    ArgumentError
        Levels nested within it cross each other.
    """
    groupings = [level.grouping for level in design.levels]
    own = groupings[number]
    below = [i for i, g in enumerate(groupings) if i != number and is_nested(g, own) and not is_nested(own, g)]
    chain = (*sorted(below, key=lambda i: -len(groupings[i].labels)), number)
    for lower, upper in pairwise(chain):
        if not is_nested(groupings[lower], groupings[upper]):
            raise ArgumentError(
                f"Levels '{groupings[lower].name}' and '{groupings[upper].name}' cross each other within '{own.name}'.",
                f"Expected the levels within '{own.name}' nested in each other, to be taken out one after the other.",
                "Compare group_effects() with the variance of their level instead.",
            )
    levels = tuple(design.levels[i] for i in chain)
    alone = replace(design, levels=levels, tree=build_tree([level.grouping for level in levels]))
    return OwnLevels(alone, cross_products(alone), chain)


def coefficients_beside(
    design: Design, own: OwnLevels, parameters: VarianceParameters, beta: Floats, effects: dict[int, Floats]
) -> OwnCoefficients:
    """What least squares within the groups says, the effects of all other levels taken off the response.

    By the equations of the mixed model (Henderson 1973, Animal Breeding and Genetics: Proceedings of a Symposium in
    Honor of J. L. Lush, pp. 10-41) partial pooling is the same function of these as in a nested model.

    Parameters
    ----------
    parameters : VarianceParameters
        Of the levels in ``own``, D draws.
    beta : (D, p) array
        Fixed effects.
    effects : dict of int to (D, J, q) arrays
        Of every other level by its number, groups in the order of their labels.

    Returns
    -------
    OwnCoefficients
        Groups in the order of their labels. Where nothing is nested within the level, values are linear in the effects
        of the others, and are given at the mean of those over the draws.
    """
    rows = read_rows(own.design, own.products)

    def beside(draws: slice) -> CrossProducts:
        rest = design.response.copy()
        for number, values in effects.items():
            level, mean = design.levels[number], values[draws].mean(axis=0)
            rest -= np.einsum("nq,nq->n", design.values[:, level.places], mean[level.grouping.codes])
        return with_response(own.design, own.products, rest, rows)

    found = own_coefficients(beside(slice(None)), own.number, parameters, beta)
    if own.number == 0 or len(beta) == 1:
        return found
    each = [slice(d, d + 1) for d in range(len(beta))]
    values = [own_coefficients(beside(d), own.number, parameters.part(d), beta[d]).values for d in each]
    return replace(found, values=np.concatenate(values))
