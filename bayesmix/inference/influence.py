"""What the estimates would be without one group, from the sums of products alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts
from bayesmix.errors import ConvergenceError
from bayesmix.inference.bootstrap import refit
from bayesmix.inference.long_work import one_by_one
from bayesmix.inference.ml import MlSolution
from bayesmix.inference.own_coefficients import ancestors
from bayesmix.inference.threads import one_blas_thread
from bayesmix.likelihood import evaluation
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
        Places of the groups, as they were asked for.
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
        The lowest level of which one group only would be left, where the variances are estimated anew; -1 where none.
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
    products: CrossProducts,
    solution: MlSolution,
    number: int,
    groups: Integers,
    refitted: bool,
    rest: Callable[[int], CrossProducts] | None = None,
    progress: bool = False,
) -> WithoutGroup:
    """Leave out the groups of a level one by one.

    With the variances held, beta_-g = R_xx^-1 R_xy of R = W'V^-1W over the other rows, generalised least squares
    without the rows of g. Where all levels are nested R = R - S'_g, S'_g = W_g'V_g^-1 W_g; of a group below the top its
    ancestors are eliminated anew. Where a level is crossed the rows of other groups share V^-1 with those of g, and R
    is computed from the products of the rows that remain. With ``refitted`` the model is fitted to these. Demidenko &
    Stukel (2005), Statistics in Medicine 24:893-909.

    Parameters
    ----------
    products : CrossProducts
    solution : MlSolution
        Their optimum.
    number : int
        Level, counted from the lowest.
    groups : (G,) int array
        Places of the groups to leave out, depth first; of a crossed level those of its labels.
    refitted : bool
        Estimate the variances anew.
    rest : callable, optional
        From a group to the products without its rows, which where levels are crossed have to be read.
    progress : bool
        Show a progress bar where groups are worked on one after the other.

    Returns
    -------
    WithoutGroup
        Of the first groups, where it was interrupted.

    Raises
    ------
    KeyboardInterrupt
        Interrupted before the first group was finished.
    """
    if rest is None:
        if not refitted:
            return _at_fixed_variances(products, solution, number, groups)
        rest = partial(_without_leaves, products, ancestors(products, 0, number))
    coordinates = fit_coordinates(products)

    def work(group: int) -> _One:
        left = rest(group)
        return _refitted(coordinates, products, left, solution) if refitted else _held(products, left, solution)

    with one_blas_thread():
        found = one_by_one([int(group) for group in groups], work, progress, "Groups left out")
    return _together(groups[: len(found)], found, solution, products, refitted)


@dataclass(frozen=True)
class _One:
    """The estimates without one group; None where there are none."""

    n_left: int
    vanished: Flags
    beta: Floats | None = None
    vcov: Floats | None = None
    solution: MlSolution | None = None
    alone: int = -1
    failed: bool = False


def _without_leaves(products: CrossProducts, leaf: Integers, group: int) -> CrossProducts:
    """The products of nested levels without a group, ``leaf`` its level's group of each of the lowest."""
    # A group without rows adds nothing to any sum, so the tree may stay as it is.
    out = leaf == group
    sums, sizes = np.where(out[:, None, None], 0.0, products.sums), np.where(out, 0.0, products.sizes)
    return replace(products, n=round(sizes.sum()), sums=sums, sizes=sizes)


def _refitted(coordinates: Coordinates, products: CrossProducts, left: CrossProducts, solution: MlSolution) -> _One:
    """The optimum without a group."""
    vanished = _vanished(coordinates, products.total, left.total[None], np.array([left.n]))[0]
    alone = _left_alone(left)
    if vanished.any() or alone >= 0:
        return _One(left.n, vanished, alone=alone)
    try:
        found = refit(left, solution)
    except ConvergenceError:
        return _One(left.n, vanished, failed=True)
    return _One(left.n, vanished, found.beta, found.vcov, found)


def _held(products: CrossProducts, left: CrossProducts, solution: MlSolution) -> _One:
    """Generalised least squares of the rows without a group."""
    coordinates = fit_coordinates(left)
    vanished = _vanished(coordinates, products.total, left.total[None], np.array([left.n]))[0]
    if vanished.any():
        return _One(left.n, vanished)
    R, _ = evaluation.root_products(coordinates, coordinates.layout.roots(solution.inner_theta))
    beta, vcov = _least_squares(products, coordinates, solution, R[None])
    return _One(left.n, vanished, beta[0], vcov[0])


def _together(
    groups: Integers, found: list[_One], solution: MlSolution, products: CrossProducts, refitted: bool
) -> WithoutGroup:
    """The estimates of all groups side by side."""
    count, p = len(found), len(solution.beta)
    beta, vcov, sigma = np.full((count, p), np.nan), np.full((count, p, p), np.nan), np.full(count, np.nan)
    covariances = tuple(np.full((count, *part.shape), np.nan) for part in solution.covariances)
    for i, one in enumerate(found):
        if one.beta is not None and one.vcov is not None:
            beta[i], vcov[i] = one.beta, one.vcov
        at = one.solution if refitted else solution
        if at is not None:
            sigma[i] = at.sigma
            for part, own in zip(covariances, at.covariances, strict=True):
                part[i] = own
    return WithoutGroup(
        groups, np.array([float(products.n - one.n_left) for one in found]), beta, vcov, covariances, sigma,
        np.array([one.vanished for one in found]).reshape(count, p), np.array([one.alone for one in found], np.int64),
        np.array([one.failed for one in found], bool), refitted,
    )  # fmt: skip


def _at_fixed_variances(products: CrossProducts, solution: MlSolution, number: int, groups: Integers) -> WithoutGroup:
    """Generalised least squares without each group, all levels nested."""
    coordinates = fit_coordinates(products)
    p, count = products.n_fixed, len(groups)
    leaf = ancestors(products, 0, number)
    sizes = np.bincount(leaf, products.sizes, products.levels[number].n_groups)[groups]
    own = np.zeros((products.levels[number].n_groups, products.width, products.width))
    np.add.at(own, leaf, products.sums)
    left = products.total - own[groups]
    vanished = _vanished(coordinates, products.total, left, products.n - sizes)
    R = _root_without(products, coordinates, solution.inner_theta, number, groups)
    beta, vcov = np.full((count, p), np.nan), np.full((count, p, p), np.nan)
    fine = ~vanished.any(axis=1)
    beta[fine], vcov[fine] = _least_squares(products, coordinates, solution, R[fine])
    return WithoutGroup(
        groups, sizes, beta, vcov,
        tuple(np.repeat(sigma[None], count, axis=0) for sigma in solution.covariances),
        np.full(count, solution.sigma), vanished, np.full(count, -1), np.zeros(count, bool), False,
    )  # fmt: skip


def _least_squares(
    products: CrossProducts, coordinates: Coordinates, solution: MlSolution, R: Floats
) -> tuple[Floats, Floats]:
    """beta = R_xx^-1 R_xy and its covariance from each (K, K) matrix R, in the user's units."""
    B = coordinates.layout.fixed_basis
    back = np.linalg.inv(coordinates.fixed) if products.n_fixed else np.zeros((0, 0))
    inverse = np.linalg.inv(B.T @ R @ B)
    inner = np.einsum("gab,gb->ga", inverse, R[:, :, -1] @ B)
    beta = products.response_fit + products.response_scale * inner @ back.T
    return beta, np.asarray(solution.sigma**2 * back @ inverse @ back.T)


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


def _vanished(coordinates: Coordinates, total: Floats, left: Floats, n_left: Floats | Integers) -> Flags:
    """Which of the user's fixed effects the rows left over do not determine, (G, p), from W'W of all and of these."""
    B = coordinates.layout.fixed_basis
    p = B.shape[1]
    if p == 0:
        return np.zeros((len(left), 0), bool)
    half = np.linalg.inv(np.linalg.cholesky(B.T @ total @ B))
    values, vectors = np.linalg.eigh(half @ (B.T @ left @ B) @ half.T)
    empty = values < _GONE
    # Directions of the user's coefficients in which the other rows say nothing; each entry by the size of its column.
    lengths = np.sqrt((coordinates.fixed**2).sum(axis=0))
    directions = lengths[:, None] * np.linalg.solve(coordinates.fixed, half.T @ vectors)
    size = np.sqrt((directions**2).sum(axis=2, keepdims=True))
    gone = ((np.abs(directions) > 1e-7 * size) & empty[:, None, :]).any(axis=2)
    return np.asarray(gone | (n_left <= p)[:, None])


def _left_alone(left: CrossProducts) -> int:
    """The lowest level of which one group at most has rows; -1 where there is none."""
    counts = []
    for number, level in enumerate(left.levels[: left.n_nested]):
        rows = np.bincount(ancestors(left, 0, number), left.sizes, level.n_groups)
        counts.append(int((rows > 0).sum()))
    if left.crossing is not None:
        crossed = left.levels[left.n_nested :]
        # Groups without rows keep their places, with sums of 0.
        columns = np.unique(left.crossing.columns[: len(left.crossing.sums)][left.crossing.sums.any(axis=1)])
        starts = np.cumsum([0, *(level.n_groups * level.columns.size for level in crossed)])
        inside = np.diff(np.searchsorted(columns, starts))
        counts += [int(n) // level.columns.size for n, level in zip(inside, crossed, strict=True)]
    return next((number for number, n in enumerate(counts) if n < 2), -1)


@dataclass(frozen=True)
class Influence:
    """How much each group matters.

    Parameters
    ----------
    cooks_distance, mdffits : (G,) arrays
        (beta_-g - beta)'C^-1(beta_-g - beta)/p with C the covariance of beta, and with that of beta_-g.
    covratio, covtrace : (G,) arrays
        |C_-g|/|C| and |tr(C^-1 C_-g) - p|: 1 and 0 where the group changes no precision.
    dfbetas : (G, p) array
        (beta_-g - beta) over the standard error of beta_-g.
    """

    cooks_distance: Floats
    mdffits: Floats
    covratio: Floats
    covtrace: Floats
    dfbetas: Floats


def influence_measures(beta: Floats, vcov: Floats, without: WithoutGroup) -> Influence:
    """Cook's distance, MDFFITS, COVRATIO, COVTRACE and DFBETAS of groups; the sign of the last as in lme4.

    Cook (1977), Technometrics 19:15-18; Belsley, Kuh & Welsch (1980), Regression Diagnostics, chapter 2; for groups
    Christensen, Pearson & Johnson (1992), Technometrics 34:38-45; as in HLMdiag, Loy & Hofmann (2014), Journal of
    Statistical Software 56(5), section 4.
    """
    p, count = len(beta), len(without.groups)
    change = without.beta - beta
    fine = np.isfinite(change).all(axis=1)
    cooks, mdffits, covratio, covtrace = (np.full(count, np.nan) for _ in range(4))
    if p:
        # Entries by their own scale: predictors in odd units must not make a matrix singular.
        size = np.sqrt(np.diag(vcov))
        unit, C = change[fine] / size, without.vcov[fine] / np.outer(size, size)
        whole = vcov / np.outer(size, size)
        cooks[fine] = np.einsum("ga,ga->g", unit, np.linalg.solve(whole, unit.T).T) / p
        mdffits[fine] = np.einsum("ga,ga->g", unit, np.linalg.solve(C, unit[..., None])[..., 0]) / p
        covratio[fine] = np.exp(np.linalg.slogdet(C)[1] - np.linalg.slogdet(whole)[1])
        covtrace[fine] = np.abs(np.einsum("gaa->g", np.linalg.solve(whole, C)) - p)
    dfbetas = change / np.sqrt(np.einsum("gaa->ga", without.vcov))
    return Influence(cooks, mdffits, covratio, covtrace, dfbetas)


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
