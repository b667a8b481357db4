"""Do the groups differ by more than sampling? Chi-square on the least-squares coefficients of each group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts
from bayesmix.inference.ml import MlSolution
from bayesmix.likelihood.coordinates import Coordinates, fit_coordinates
from bayesmix.likelihood.kernels import root_products

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class LevelHomogeneity:
    """Chi-squares of the effects of one level.

    Parameters
    ----------
    chisq : (q,) array
    used, excluded : int
        Groups whose own coefficients can be estimated, and the others.
    parents : int
        Groups of the next level that hold groups used; 0 at the top, where nothing is taken out.
    reliability : (q,) array
        tau/(tau + V), averaged over the groups used; tau the variance of the effect, V that of a group's coefficient.
    """

    chisq: Floats
    used: int
    excluded: int
    parents: int
    reliability: Floats


def chain_depth(products: CrossProducts) -> int:
    """How many levels, counted from the lowest, form the nested chain."""
    sizes = np.cumsum([0, *(level.n_groups for level in products.levels)])
    return int(np.flatnonzero(sizes == len(products.parent))[0])


def level_homogeneity(products: CrossProducts, solution: MlSolution) -> tuple[LevelHomogeneity, ...]:
    """Chi-square of every effect of every level of the nested chain.

    With S_g the cross-products of group g after elimination of the levels below it, its coefficients are
    b = S_zz^-1 S_z v, v the residual at the estimated fixed effects, with variance V = sigma^2 S_zz^-1; the statistic
    is sum_g b_k^2/V_kk. Below the top level b is taken from its weighted mean within the parent. Raudenbush & Bryk
    (2002), chapter 3, with the fit's own fixed effects and residual variance.
    """
    coordinates = fit_coordinates(products)
    layout = coordinates.layout
    *_, upper = root_products(layout.roots(solution.inner_theta), coordinates.packed, coordinates.body)
    sizes = [level.n_groups for level in layout.levels]
    starts = np.cumsum([0, *sizes])
    found = []
    for number, J in enumerate(sizes):
        if number == 0:
            S = products.sums
        else:
            first = int(starts[number] - starts[1])
            S = np.moveaxis(upper[:, :, first : first + J], -1, 0)
        parent = products.parent[starts[number] : starts[number + 1]]
        found.append(_one_level(coordinates, solution, products.response_scale, number, S, parent))
    return tuple(found)


def _one_level(
    coordinates: Coordinates, solution: MlSolution, scale: float, number: int, S: Floats, parent: Integers
) -> LevelHomogeneity:
    """Coefficients of every group of a level, their variances and the chi-squares."""
    layout, level = coordinates.layout, coordinates.layout.levels[number]
    v = -layout.fixed_basis @ solution.inner_beta
    v[-1] += 1.0
    rows = np.einsum("mq,jmk->jqk", level.basis, S[:, level.columns, :])
    information = rows[:, :, level.columns] @ level.basis
    usable = _invertible(information)
    inverse = np.linalg.inv(information[usable])
    back = np.linalg.inv(coordinates.levels[number])
    b = np.einsum("aq,jqr,jrk,k->ja", back, inverse, rows[usable], v)
    variance = (solution.sigma / scale) ** 2 * np.einsum("aq,jqr,ar->ja", back, inverse, back)
    tau = np.diag(solution.covariances[number]) / scale**2
    reliability = (tau / (tau + variance)).mean(axis=0) if len(variance) else np.full(len(tau), np.nan)
    parents = 0
    if number < len(layout.levels) - 1:
        _, of = np.unique(parent[usable], return_inverse=True)
        parents = int(of.max(initial=-1)) + 1
        for a in range(b.shape[1]):
            weight = np.bincount(of, 1 / variance[:, a], minlength=parents)
            b[:, a] -= (np.bincount(of, b[:, a] / variance[:, a], minlength=parents) / weight)[of]
    chisq = (b**2 / variance).sum(axis=0)
    return LevelHomogeneity(chisq, int(usable.sum()), int((~usable).sum()), parents, reliability)


def _invertible(information: Floats) -> NDArray[np.bool_]:
    """Which of (J, q, q) matrices can be inverted, each brought to unit diagonal."""
    size = np.sqrt(np.maximum(np.einsum("jaa->ja", information), 0.0))
    largest = size.max(axis=0, initial=0.0)
    positive = (size > 1e-7 * largest).all(axis=1)
    safe = np.where(size > 0, size, 1.0)
    values = np.linalg.eigvalsh(information / (safe[:, :, None] * safe[:, None, :]))
    return np.asarray(positive & (values[:, 0] > 1e-10))


def in_equation(X: Floats, effect: Floats, codes: Integers) -> NDArray[np.bool_]:
    """Which columns are the effect times a number of each group: its mean and the predictors in its equation.

    Parameters
    ----------
    X : (n, p) array
        Fixed effects.
    effect : (n,) array
        The column that varies by group.
    codes : (n,) int array
        Group of each row.

    Returns
    -------
    (p,) bool array
    """
    length = np.bincount(codes, effect**2)
    found = []
    for column in X.T:
        by_group = np.bincount(codes, column * effect) / np.where(length > 0, length, 1.0)
        rest = column - by_group[codes] * effect
        found.append(bool(np.linalg.norm(rest) <= 1e-8 * np.linalg.norm(column)))
    return np.array(found, bool)
