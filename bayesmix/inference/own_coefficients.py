"""Least squares within each group of a nested level: what its own rows say, how precisely, and how far it is pulled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts
from bayesmix.likelihood.coordinates import Coordinates, fit_coordinates
from bayesmix.likelihood.kernels import root_products

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class VarianceParameters:
    """Variance parameters of D draws (one for an estimate).

    Parameters
    ----------
    sigma : (D,) array
        Residual standard deviation.
    covariances : tuple of (D, q, q) arrays
        Sigma of each level, in the user's units.
    """

    sigma: Floats
    covariances: tuple[Floats, ...]

    def part(self, draws: slice) -> VarianceParameters:
        """Some of the draws."""
        return VarianceParameters(self.sigma[draws], tuple(sigma[draws] for sigma in self.covariances))


@dataclass(frozen=True)
class OwnCoefficients:
    """Coefficients of the groups of one level, depth first, in the user's units.

    Parameters
    ----------
    values : (D, J, q) array
        Less the fixed effects and the effects of the levels above; nan where the group's rows do not determine them.
    variances : (D, J, q) array
        Their sampling variances v; nan likewise.
    complete : (J,) bool array
        Groups that determine all of their coefficients.
    """

    values: Floats
    variances: Floats
    complete: Flags


@dataclass(frozen=True)
class Information:
    """What the rows of each group say of its effects, in the coordinates of the fit.

    Parameters
    ----------
    rows : (D, J, q, K) array
        S'[z,:], after elimination of the levels below; one draw where there are none.
    square : (D, J, q, q) array
        A = S'[z,z].
    inverse : (D, J, q, q) array
        A generalised inverse of it.
    estimable : (J, q) bool array
        Which of the user's effects it determines.
    """

    rows: Floats
    square: Floats
    inverse: Floats
    estimable: Flags


def own_coefficients(
    products: CrossProducts, number: int, parameters: VarianceParameters, beta: Floats, above: Sequence[Floats] = ()
) -> OwnCoefficients:
    """What least squares within the groups of a level says, everything else of the model as it is.

    With A_g = S'_g[z,z] the products of group g after elimination of the levels below it, its coefficients are
    A_g^-1 S'_g[z,:] v, v the residual at the fixed effects and the effects above, with variance sigma^2 A_g^-1. At the
    lowest level S' is S, and this is ordinary least squares. Raudenbush & Bryk (2002), Hierarchical Linear Models,
    2nd ed., chapter 3.

    Parameters
    ----------
    number : int
        Level, counted from the lowest; all levels are nested.
    beta : (D, p) array
        Fixed effects.
    above : sequence of (D, J, q) arrays
        Effects of the levels above, the next one first, groups depth first.
    """
    coordinates = fit_coordinates(products)
    n_draws, J = len(parameters.sigma), products.levels[number].n_groups
    q = products.levels[number].basis.shape[1]
    values, variances = np.empty((n_draws, J, q)), np.empty((n_draws, J, q))
    complete = np.ones(J, bool)
    fixed = _information(products, coordinates, number, parameters.part(slice(1))) if number == 0 else None
    back = np.linalg.inv(coordinates.levels[number])
    for part in draw_chunks(n_draws, J * products.width * (q + 1)):
        some = parameters.part(part)
        found = fixed or _information(products, coordinates, number, some)
        v = _residuals(products, number, beta[part], [effects[part] for effects in above])
        own = (back @ found.inverse @ (found.rows @ v[..., None]))[..., 0]
        spread = np.einsum("djaa->dja", back @ found.inverse @ back.T)
        values[part] = np.where(found.estimable, own, np.nan)
        variances[part] = np.where(found.estimable, some.sigma[:, None, None] ** 2 * spread, np.nan)
        complete &= found.estimable.all(axis=1)
    return OwnCoefficients(values, variances, complete)


def mean_shrinkage(products: CrossProducts, number: int, parameters: VarianceParameters) -> Floats:
    """Sigma (Sigma + sigma^2 A^-1)^-1 of each group, depth first, averaged over the draws, (J, q, q).

    Written as Sigma A (Sigma A + sigma^2 I)^-1 it exists whatever the group's rows determine. Raudenbush & Bryk (2002),
    chapter 3.
    """
    coordinates = fit_coordinates(products)
    T = coordinates.levels[number]
    n_draws, J, q = len(parameters.sigma), products.levels[number].n_groups, len(T)
    total = np.zeros((J, q, q))
    fixed = _information(products, coordinates, number, parameters.part(slice(1))) if number == 0 else None
    for part in draw_chunks(n_draws, J * products.width * (q + 1)):
        some = parameters.part(part)
        found = fixed or _information(products, coordinates, number, some)
        pull = (T @ some.covariances[number] @ T.T)[:, None] @ found.square
        noise = some.sigma[:, None, None, None] ** 2 * np.eye(q)
        total += np.linalg.solve(np.swapaxes(pull + noise, -1, -2), np.swapaxes(pull, -1, -2)).sum(axis=0)
    return np.asarray(np.linalg.solve(T, np.swapaxes(total, -1, -2)) @ T / n_draws)


def draw_chunks(n_draws: int, numbers: int, limit: int = 4_000_000) -> list[slice]:
    """Parts of the draws that need no more than ``limit`` numbers at a time, ``numbers`` for each draw."""
    step = max(1, limit // max(numbers, 1))
    return [slice(start, min(start + step, n_draws)) for start in range(0, n_draws, step)]


def ancestors(products: CrossProducts, number: int, upper: int) -> Integers:
    """The group of a higher level that holds each group of a level, (J,), both depth first."""
    starts = np.cumsum([0, *(level.n_groups for level in products.levels)])
    found = np.arange(products.levels[number].n_groups)
    for level in range(number, upper):
        found = products.parent[starts[level] + found] - starts[level + 1]
    return np.asarray(found)


def _residuals(products: CrossProducts, number: int, beta: Floats, above: Sequence[Floats]) -> Floats:
    """v with W v = y - X beta - effects of the levels above, for each group, (D, J, K)."""
    v = -(beta - products.response_fit) @ products.fixed_basis.T
    v[:, -1] += products.response_scale
    v = np.repeat(v[:, None], products.levels[number].n_groups, axis=1)
    for upper, effects in enumerate(above, start=number + 1):
        level = products.levels[upper]
        v[:, :, level.columns] -= (effects @ level.basis.T)[:, ancestors(products, number, upper)]
    return np.asarray(v)


def _information(
    products: CrossProducts, coordinates: Coordinates, number: int, parameters: VarianceParameters
) -> Information:
    """The products of every group with the columns of its effects, and what they determine."""
    level = coordinates.layout.levels[number]
    if number == 0:
        rows = np.einsum("mq,jmk->jqk", level.basis, products.sums[:, level.columns, :])[None]
    else:
        sizes = [v.n_groups for v in products.levels]
        first = int(sum(sizes[1:number]))
        rows = np.empty((len(parameters.sigma), sizes[number], level.n_effects, products.width))
        for d, roots in enumerate(_roots(products, parameters)):
            *_, upper = root_products(roots, coordinates.packed, coordinates.body)
            rows[d] = np.einsum("mq,mkj->jqk", level.basis, upper[level.columns, :, first : first + sizes[number]])
    square = rows[..., level.columns] @ level.basis
    inverse, estimable = _solved(square, np.linalg.inv(coordinates.levels[number]))
    return Information(rows, square, inverse, estimable)


def _roots(products: CrossProducts, parameters: VarianceParameters) -> Floats:
    """B Lambda of every level over sigma, flat, for each draw; Lambda is the symmetric root, which always exists."""
    parts = []
    for level, covariance in zip(products.levels, parameters.covariances, strict=True):
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :] / parameters.sigma[:, None, None]
        parts.append((level.basis @ root).reshape(len(root), -1))
    return np.ascontiguousarray(np.concatenate(parts, axis=1))


def _solved(square: Floats, back: Floats) -> tuple[Floats, Flags]:
    """A generalised inverse of each matrix, and which of the user's effects (rows of ``back``) it determines."""
    size = np.sqrt(np.maximum(np.einsum("djaa->dja", square), 0.0))
    size = np.where(size > 1e-7 * size.max(initial=0.0, axis=1, keepdims=True), size, 0.0)
    safe = np.where(size > 0, size, 1.0)
    within = (size > 0)[..., :, None] & (size > 0)[..., None, :]
    unit = np.where(within, square / (safe[..., :, None] * safe[..., None, :]), 0.0)
    values, vectors = np.linalg.eigh(unit)
    empty = values < 1e-10
    inverse = np.einsum(
        "djae,dje,djbe->djab", vectors, np.where(empty, 0.0, 1 / np.where(empty, 1.0, values)), vectors, optimize=True
    ) / (safe[..., :, None] * safe[..., None, :])
    # An effect is determined if it is orthogonal to everything that the group's rows do not see.
    wanted = back / safe[0, :, None, :]
    seen = np.einsum("jab,jbe->jae", wanted, vectors[0])
    unseen = (np.where(empty[0][:, None, :], seen, 0.0) ** 2).sum(axis=-1)
    return inverse, np.asarray(unseen <= 1e-10 * (wanted**2).sum(axis=-1))
