"""Directions in which group effects have no variance, and the principal components of their covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts
from bayesmix.inference.ml import MlSolution
from bayesmix.likelihood.coordinates import fit_coordinates

Floats = NDArray[np.float64]

# Relative standard deviation, in fit coordinates, below which a direction counts as without variance.
ZERO = 1e-4


@dataclass(frozen=True)
class LevelComponents:
    """Principal components of the effects of one level, largest first.

    Parameters
    ----------
    sds : (q,) array
        Standard deviation along each, relative to sigma, as lme4's rePCA.
    shares : (q,) array
        Of the sum of the variances; 0 where nothing varies.
    loadings : (q, q) array
        Components by column, unit length, in the user's effects.
    blocks : tuple of int
        The block of each direction below.
    nowhere : (k, q) array
        Combinations a with Var(a'u) = 0, largest weight (of effects brought to one scale) 1.
    """

    sds: Floats
    shares: Floats
    loadings: Floats
    blocks: tuple[int, ...]
    nowhere: Floats


def level_components(products: CrossProducts, solution: MlSolution) -> tuple[LevelComponents, ...]:
    """Principal components of every level, and the directions without variance.

    Components are those of the user's effects and depend on their units (Bates et al. 2015, arXiv:1506.04967);
    whether a direction has variance does not, and is judged in centred and scaled columns.

    Parameters
    ----------
    products : CrossProducts
        What was fitted.
    solution : MlSolution
        The optimum.

    Returns
    -------
    tuple of LevelComponents
        Level by level, lowest first.
    """
    coordinates = fit_coordinates(products)
    inner = coordinates.layout.factors(solution.inner_theta)
    found = []
    for level, factor, T, root in zip(products.levels, solution.factors, coordinates.levels, inner, strict=True):
        loadings, sds, _ = np.linalg.svd(factor)
        total = float(sds @ sds)
        blocks, nowhere = [], [np.zeros((0, len(T)))]
        for number, (start, stop) in enumerate(level.blocks):
            vectors, values, _ = np.linalg.svd(root[start:stop, start:stop])
            for direction in vectors.T[values < ZERO]:
                blocks.append(number)
                nowhere.append(_in_user_effects(direction, T, start, stop)[None, :])
        shares = sds**2 / total if total > 0 else np.zeros_like(sds)
        signs = np.where(loadings.max(axis=0, initial=0.0) >= -loadings.min(axis=0, initial=0.0), 1.0, -1.0)
        found.append(LevelComponents(sds, shares, loadings * signs, tuple(blocks), np.vstack(nowhere)))
    return tuple(found)


def _in_user_effects(direction: Floats, T: Floats, start: int, stop: int) -> Floats:
    """Weights of the user's effects in a combination of centred and scaled ones; rounding is zero."""
    weights = np.zeros(len(T))
    weights[start:stop] = direction @ T[start:stop, start:stop]
    sizes = np.abs(weights / np.diag(T))
    largest = int(sizes.argmax())
    weights[sizes < 1e-3 * sizes[largest]] = 0.0
    return np.asarray(weights / weights[largest])


def boundary_dimensions(products: CrossProducts, solution: MlSolution) -> int:
    """Parameters at a corner of what is allowed: k (k + 1)/2 for k directions without variance in a block."""
    total = 0
    for level in level_components(products, solution):
        for block in set(level.blocks):
            k = level.blocks.count(block)
            total += k * (k + 1) // 2
    return total
