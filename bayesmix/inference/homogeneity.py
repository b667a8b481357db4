"""Do the groups differ by more than sampling? Chi-square on the least-squares coefficients of each group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts
from bayesmix.inference.ml import MlSolution
from bayesmix.inference.own_coefficients import OwnCoefficients, VarianceParameters, own_coefficients

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
    parameters = VarianceParameters(np.array([solution.sigma]), tuple(sigma[None] for sigma in solution.covariances))
    starts = np.cumsum([0, *(level.n_groups for level in products.levels)])
    found = []
    for number, covariance in enumerate(solution.covariances):
        own = own_coefficients(products, number, parameters, solution.beta[None])
        top = number == len(products.levels) - 1
        parent = None if top else products.parent[starts[number] : starts[number + 1]]
        found.append(_one_level(own, np.diag(covariance), parent))
    return tuple(found)


def _one_level(own: OwnCoefficients, tau: Floats, parent: Integers | None) -> LevelHomogeneity:
    """The chi-squares of a level; within the parents where there are any."""
    usable = own.complete
    b, variance = own.values[0, usable], own.variances[0, usable]
    reliability = (tau / (tau + variance)).mean(axis=0) if len(variance) else np.full(len(tau), np.nan)
    parents = 0
    if parent is not None:
        _, of = np.unique(parent[usable], return_inverse=True)
        parents = int(of.max(initial=-1)) + 1
        for a in range(b.shape[1]):
            weight = np.bincount(of, 1 / variance[:, a], minlength=parents)
            b[:, a] -= (np.bincount(of, b[:, a] / variance[:, a], minlength=parents) / weight)[of]
    chisq = (b**2 / variance).sum(axis=0)
    return LevelHomogeneity(chisq, int(usable.sum()), int((~usable).sum()), parents, reliability)


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
