"""Group effects given the estimates: shrunken means and their covariances, from the passes down the tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts
from bayesmix.inference.ml import MlSolution
from bayesmix.likelihood.coordinates import Coordinates, fit_coordinates
from bayesmix.likelihood.evaluation import covariances, effects

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ConditionalEffects:
    """Effects of each level, groups in depth-first order, in the user's units.

    Parameters
    ----------
    means : tuple of (J, q) arrays
        Best linear unbiased predictions.
    covariances : tuple of (J, q, q) arrays
        Given the fixed effects (lme4's conditional variances).
    prediction : tuple of (J, q, q) arrays
        Prediction error variances, with the fixed effects estimated.
    with_fixed : tuple of (J, p, q) arrays
        Covariances of the estimated fixed effects and the effects, as in the posterior under a flat prior.
    """

    means: tuple[Floats, ...]
    covariances: tuple[Floats, ...]
    prediction: tuple[Floats, ...]
    with_fixed: tuple[Floats, ...]


def conditional_effects(products: CrossProducts, solution: MlSolution) -> ConditionalEffects:
    """Shrunken effects of every group at the estimates, with three kinds of covariance.

    Robinson (1991), "That BLUP is a good thing", Statistical Science 6:15-32.
    """
    coordinates = fit_coordinates(products)
    layout = coordinates.layout
    roots, factors = layout.roots(solution.inner_theta), _reported_factors(coordinates, solution.inner_theta)
    B = layout.fixed_basis
    residual = -B @ solution.inner_beta
    residual[-1] += 1.0
    shapes = [(level.n_groups, level.n_effects) for level in layout.levels]
    means = np.zeros(sum(J * q for J, q in shapes))
    effects(coordinates, roots, factors, residual, 1.0, means)
    inverse = solution.inner_inverse
    K, p = layout.width, layout.n_fixed
    given = _covariances(coordinates, roots, factors, np.zeros((K, K)), np.zeros((p, K)))
    predicted = _covariances(coordinates, roots, factors, B @ inverse @ B.T, -inverse @ B.T)
    sigma2 = solution.sigma**2
    back = np.linalg.inv(coordinates.fixed) if p else np.zeros((0, 0))
    return ConditionalEffects(
        tuple(products.response_scale * part for part in _split(means, shapes)),
        tuple(sigma2 * part for part in given[0]),
        tuple(sigma2 * part for part in predicted[0]),
        tuple(sigma2 * np.einsum("ab,jbq->jaq", back, part) for part in predicted[1]),
    )  # fmt: skip


def _reported_factors(coordinates: Coordinates, theta: Floats) -> Floats:
    """T^-1 Lambda of each level, flat: roots of the covariances of the user's effects."""
    parts = [
        np.linalg.solve(T, factor).ravel()
        for T, factor in zip(coordinates.levels, coordinates.layout.factors(theta), strict=True)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _covariances(
    coordinates: Coordinates, roots: Floats, factors: Floats, D: Floats, N: Floats
) -> tuple[list[Floats], list[Floats]]:
    """Run the D recursion from the root, and split its result by level."""
    layout = coordinates.layout
    p = layout.n_fixed
    squares = [(level.n_groups, level.n_effects, level.n_effects) for level in layout.levels]
    crossed = [(level.n_groups, p, level.n_effects) for level in layout.levels]
    variances = np.zeros(sum(int(np.prod(shape)) for shape in squares))
    with_fixed = np.zeros(sum(int(np.prod(shape)) for shape in crossed))
    D, N = np.ascontiguousarray(D), np.ascontiguousarray(N)
    covariances(coordinates, roots, factors, D, N, variances, with_fixed)
    return (
        _split(variances, squares),
        _split(with_fixed, crossed),
    )


def _split(flat: Floats, shapes: Sequence[tuple[int, ...]]) -> list[Floats]:
    """Cut a flat vector into parts of the given shapes."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    parts = np.split(flat, np.cumsum(sizes)[:-1]) if sizes else []
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
