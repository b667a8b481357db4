"""What the estimates would be without one group, from the sums of products alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts
from bayesmix.errors import ConvergenceError
from bayesmix.inference.bootstrap import refit
from bayesmix.inference.ml import MlSolution
from bayesmix.inference.own_coefficients import ancestors
from bayesmix.likelihood.coordinates import Coordinates, fit_coordinates
from bayesmix.likelihood.kernels import root_products

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Below this share of its length over all rows a direction of the fixed effects has no rows left.
_GONE = 1e-9


@dataclass(frozen=True)
class WithoutGroup:
    """Estimates without each of some groups of a level, one group at a time.

    Parameters
    ----------
    groups : (G,) int array
        Depth-first places of the groups.
    sizes : (G,) array
        Rows of each.
    beta : (G, p) array
        Fixed effects without the group; nan where its absence leaves one undetermined, or no optimum was found.
    vcov : (G, p, p) array
        Their covariance matrices.
    covariances : tuple of (G, q, q) arrays
        Sigma of each level.
    sigma : (G,) array
        Residual standard deviation.
    vanished : (G, p) bool array
        Fixed effects that the other groups do not determine.
    alone : (G,) int array
        A level of which one group only would be left; -1 where there is none.
    failed : (G,) bool array
        Whether no optimum was found without the group.
    refitted : bool
        Whether the variances were estimated anew, or held.
    """

    groups: Integers
    sizes: Floats
    beta: Floats
    vcov: Floats
    covariances: tuple[Floats, ...]
    sigma: Floats
    vanished: Flags
    alone: Integers
    failed: Flags
    refitted: bool


def without_groups(
    products: CrossProducts, solution: MlSolution, number: int, groups: Integers, refitted: bool
) -> WithoutGroup:
    """Leave out the groups of a nested level one by one.

    With the variances held, beta_-g = (R_xx - S'_g,xx)^-1 (R_xy - S'_g,xy), S'_g = W_g'V_g^-1 W_g, which is generalised
    least squares without the rows of g; of a group below the top its ancestors are eliminated anew. With ``refitted``
    the model is fitted to the products without the group. Demidenko & Stukel (2005), Statistics in Medicine 24:893-909.

    Parameters
    ----------
    products : CrossProducts
        All levels nested.
    solution : MlSolution
        Their optimum.
    number : int
        Level, counted from the lowest.
    groups : (G,) int array
        Depth-first places of the groups to leave out.
    refitted : bool
        Estimate the variances anew.
    """
    held = _at_fixed_variances(products, solution, number, groups)
    if not refitted:
        return held
    leaf = ancestors(products, 0, number)
    beta, vcov, sigma = held.beta.copy(), held.vcov.copy(), held.sigma.copy()
    covariances = tuple(part.copy() for part in held.covariances)
    failed = held.failed.copy()
    for i, group in enumerate(groups):
        if held.vanished[i].any() or held.alone[i] >= 0:
            found = None
        else:
            found = _fit_without(products, solution, leaf == group)
            failed[i] = found is None
        beta[i] = np.nan if found is None else found.beta
        vcov[i] = np.nan if found is None else found.vcov
        sigma[i] = np.nan if found is None else found.sigma
        for level, part in enumerate(covariances):
            part[i] = np.nan if found is None else found.covariances[level]
    return replace(
        held, beta=beta, vcov=vcov, covariances=covariances, sigma=sigma, failed=failed, refitted=True
    )  # fmt: skip


def _fit_without(products: CrossProducts, solution: MlSolution, out: Flags) -> MlSolution | None:
    """The optimum without some of the lowest groups; None where there is none."""
    # A group without rows adds nothing to any sum, so the tree may stay as it is.
    sums, sizes = np.where(out[:, None, None], 0.0, products.sums), np.where(out, 0.0, products.sizes)
    rest = replace(products, n=round(sizes.sum()), sums=sums, sizes=sizes)
    try:
        return refit(rest, solution)
    except ConvergenceError:
        return None


def _at_fixed_variances(products: CrossProducts, solution: MlSolution, number: int, groups: Integers) -> WithoutGroup:
    """Generalised least squares without each group."""
    coordinates = fit_coordinates(products)
    B, p = coordinates.layout.fixed_basis, products.n_fixed
    leaf = ancestors(products, 0, number)
    sizes = np.bincount(leaf, products.sizes, products.levels[number].n_groups)[groups]
    vanished = _vanished(products, coordinates, leaf, groups, products.n - sizes)
    R = _root_without(products, coordinates, solution.inner_theta, number, groups)
    beta, vcov = np.full((len(groups), p), np.nan), np.full((len(groups), p, p), np.nan)
    fine = ~vanished.any(axis=1)
    back = np.linalg.inv(coordinates.fixed) if p else np.zeros((0, 0))
    inverse = np.linalg.inv(B.T @ R[fine] @ B)
    inner = np.einsum("gab,gb->ga", inverse, R[fine][:, :, -1] @ B)
    beta[fine] = products.response_fit + products.response_scale * inner @ back.T
    vcov[fine] = solution.sigma**2 * back @ inverse @ back.T
    count = len(groups)
    return WithoutGroup(
        groups, sizes, beta, vcov,
        tuple(np.repeat(sigma[None], count, axis=0) for sigma in solution.covariances),
        np.full(count, solution.sigma), vanished, _left_alone(products, number, groups), np.zeros(count, bool), False,
    )  # fmt: skip


def _root_without(
    products: CrossProducts, coordinates: Coordinates, theta: Floats, number: int, groups: Integers
) -> Floats:
    """R = W'V^-1W without each of the groups, (G, K, K)."""
    layout = coordinates.layout
    R, _, upper = root_products(layout.roots(theta), coordinates.packed, coordinates.body)
    roots = [level.basis @ factor for level, factor in zip(layout.levels, layout.factors(theta), strict=True)]
    first, lost = 0, np.zeros(0)
    for level in range(number, len(layout.levels)):
        place = ancestors(products, number, level)[groups]
        first = sum(v.n_groups for v in layout.levels[1:level])
        S = products.sums[place] if level == 0 else np.moveaxis(upper[:, :, first + place], -1, 0)
        z = layout.levels[level].columns
        whole = _eliminated(S, z, roots[level])
        lost = whole if level == number else whole - _eliminated(S - lost, z, roots[level])
    return np.asarray(R - lost)


def _eliminated(S: Floats, z: Integers, root: Floats) -> Floats:
    """S' = S - S[:,z] H S[z,:], H = B Lambda (I + Lambda'B' S[z,z] B Lambda)^-1 Lambda'B', of many groups."""
    rows = np.einsum("zq,gzk->gqk", root, S[:, z, :])
    M = np.eye(root.shape[1]) + rows[:, :, z] @ root
    return np.asarray(S - np.swapaxes(rows, 1, 2) @ np.linalg.solve(M, rows))


def _vanished(
    products: CrossProducts, coordinates: Coordinates, leaf: Integers, groups: Integers, n_left: Floats
) -> Flags:
    """Which of the user's fixed effects the rows of all other groups do not determine, (G, p)."""
    B, p = coordinates.layout.fixed_basis, products.n_fixed
    if p == 0:
        return np.zeros((len(groups), 0), bool)
    own = np.zeros((int(leaf.max(initial=-1)) + 1, p, p))
    np.add.at(own, leaf, B.T @ products.sums @ B)
    whole = B.T @ products.total @ B
    half = np.linalg.inv(np.linalg.cholesky(whole))
    values, vectors = np.linalg.eigh(half @ (whole - own[groups]) @ half.T)
    empty = values < _GONE
    # Directions of the user's coefficients in which the other rows say nothing; each entry by the size of its column.
    lengths = np.sqrt((coordinates.fixed**2).sum(axis=0))
    directions = lengths[:, None] * np.linalg.solve(coordinates.fixed, half.T @ vectors)
    size = np.sqrt((directions**2).sum(axis=2, keepdims=True))
    gone = ((np.abs(directions) > 1e-7 * size) & empty[:, None, :]).any(axis=2)
    return np.asarray(gone | (n_left <= p)[:, None])


def _left_alone(products: CrossProducts, number: int, groups: Integers) -> Integers:
    """The lowest level of which one group at most is left without each of the groups, -1 where none."""
    found = np.full(len(groups), -1, np.int64)
    for level in range(len(products.levels) - 1, -1, -1):
        J = products.levels[level].n_groups
        if level > number:
            inside = np.bincount(ancestors(products, number, level), minlength=J)
            left = J - (inside[ancestors(products, number, level)[groups]] == 1)
        else:
            left = J - np.bincount(ancestors(products, level, number), minlength=1)[groups]
        found[left < 2] = level
    return found


@dataclass(frozen=True)
class Influence:
    """How much each group matters.

    Parameters
    ----------
    cooks_distance, mdffits, covratio : (G,) arrays
        (beta_-g - beta)'C^-1(beta_-g - beta)/p with C the covariance of beta, with that of beta_-g, and the ratio of
        the determinants of the latter and the former.
    dfbetas : (G, p) array
        (beta_-g - beta) over the standard error of beta_-g.
    """

    cooks_distance: Floats
    mdffits: Floats
    covratio: Floats
    dfbetas: Floats


def influence_measures(beta: Floats, vcov: Floats, without: WithoutGroup) -> Influence:
    """Cook's distance, MDFFITS, COVRATIO and DFBETAS of groups; the sign of the last as in lme4.

    Cook (1977), Technometrics 19:15-18; Belsley, Kuh & Welsch (1980), Regression Diagnostics, chapter 2; for groups
    Christensen, Pearson & Johnson (1992), Technometrics 34:38-45.
    """
    p, count = len(beta), len(without.groups)
    change = without.beta - beta
    fine = np.isfinite(change).all(axis=1)
    cooks, mdffits, covratio = (np.full(count, np.nan) for _ in range(3))
    if p:
        # Entries by their own scale: predictors in odd units must not make a matrix singular.
        size = np.sqrt(np.diag(vcov))
        unit, C = change[fine] / size, without.vcov[fine] / np.outer(size, size)
        whole = vcov / np.outer(size, size)
        cooks[fine] = np.einsum("ga,ga->g", unit, np.linalg.solve(whole, unit.T).T) / p
        mdffits[fine] = np.einsum("ga,ga->g", unit, np.linalg.solve(C, unit[..., None])[..., 0]) / p
        covratio[fine] = np.exp(np.linalg.slogdet(C)[1] - np.linalg.slogdet(whole)[1])
    dfbetas = change / np.sqrt(np.einsum("gaa->ga", without.vcov))
    return Influence(cooks, mdffits, covratio, dfbetas)


def distances(values: Floats, covariances: Sequence[Floats] | Floats) -> Floats:
    """Mahalanobis distances u'C^-1u of (G, q) values, each with its covariance; directions without variance are 0.

    Snijders & Bosker (2012), Multilevel Analysis, 2nd ed., section 10.6.
    """
    C = np.asarray(covariances)
    size = np.sqrt(np.maximum(np.einsum("gaa->ga", C), 0.0))
    safe = np.where(size > 0, size, 1.0)
    roots, vectors = np.linalg.eigh(C / (safe[:, :, None] * safe[:, None, :]))
    along = np.einsum("gae,ga->ge", vectors, values / safe)
    varies = roots > 1e-9
    return np.asarray((np.where(varies, along, 0.0) ** 2 / np.where(varies, roots, 1.0)).sum(axis=1))
