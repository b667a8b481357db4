"""The joint distribution of all effects given the data, at the estimates: exact draws, and covariances of groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from bayesmix.design import CrossProducts, Design
from bayesmix.inference.ml import MlSolution
from bayesmix.inference.own_coefficients import draw_chunks
from bayesmix.likelihood.coordinates import block_entries, user_coordinates
from bayesmix.likelihood.evaluation import posterior
from bayesmix.likelihood.kernels import FLAT

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def draw_at_estimates(
    products: CrossProducts, solution: MlSolution, number: int, weights: Floats, count: int, rng: np.random.Generator
) -> Floats:
    """Draws of a combination of the effects of each group of a level, (count, J), groups depth first.

    Variance parameters are held at their estimates, the fixed effects are drawn with the group effects.

    Parameters
    ----------
    weights : (q,) array
        The combination.
    """
    coordinates = user_coordinates(products)
    shapes = [(level.n_groups, level.basis.shape[1]) for level in products.levels]
    stops = np.cumsum([J * q for J, q in shapes])
    factors = [solution.sigma * factor for factor in solution.factors]
    places = [block_entries(level.blocks) for level in products.levels]
    lam = np.concatenate([factor[at[:, 0], at[:, 1]] for at, factor in zip(places, factors, strict=True)])
    flat = np.concatenate([factor.ravel() for factor in factors])
    p = products.n_fixed
    prior = np.concatenate([[FLAT], np.zeros(p + p * p)])
    found = np.empty((count, shapes[number][0]))
    for part in draw_chunks(count, int(stops[-1])):
        size = part.stop - part.start
        beta, effects = rng.standard_normal((size, p)), rng.standard_normal((size, int(stops[-1])))
        entries, whole = np.tile(lam, (size, 1)), np.tile(flat, (size, 1))
        posterior(coordinates, prior, entries, whole, np.full(size, solution.sigma), beta, effects)
        own = effects[:, stops[number] - np.prod(shapes[number]) : stops[number]].reshape(size, *shapes[number])
        found[part] = products.response_scale * own @ weights
    return found


def prediction_covariance(
    design: Design, solution: MlSolution, number: int, weights: Floats, groups: Sequence[int]
) -> Floats:
    """Covariance of the prediction errors of a combination of the effects of some groups, (k, k).

    From Henderson's mixed model equations, written for the effects in units of their standard deviations so that a
    variance of 0 is allowed: with u = Lambda b, cov(beta, b) = sigma^2 [X'X, X'Z Lambda; ., Lambda'Z'Z Lambda + I]^-1.
    Henderson (1975), Biometrics 31:423-447; Bates et al. (2015), J. Stat. Softw. 67(1), section 3.

    Parameters
    ----------
    weights : (q,) array
        The combination.
    groups : sequence of int
        Places in the order of the labels.
    """
    root = np.ones(design.n) if design.weights is None else np.sqrt(design.weights)
    rows = np.arange(design.n)
    blocks, starts = [], [0]
    for level, factor in zip(design.levels, solution.factors, strict=True):
        values = root[:, None] * design.values[:, level.places] @ factor
        q = values.shape[1]
        columns = level.grouping.codes[:, None] * q + np.arange(q)
        shape = (design.n, len(level.grouping.labels) * q)
        blocks.append(sparse.csc_matrix((values.ravel(), (np.repeat(rows, q), columns.ravel())), shape))
        starts.append(starts[-1] + shape[1])
    # Any basis of the fixed effects will do; the fewest fill-ins come with these last.
    X, _ = np.linalg.qr(root[:, None] * design.fixed_values)
    Z = sparse.hstack(blocks, format="csc")
    mixed = sparse.csc_matrix(Z.T @ X)
    inner = Z.T @ Z + sparse.identity(Z.shape[1], format="csc")
    system = sparse.block_array([[inner, mixed], [mixed.T, sparse.identity(X.shape[1])]], format="csc")
    solver = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    wanted = np.zeros((system.shape[0], len(groups)))
    for k, group in enumerate(groups):
        q = len(weights)
        at = starts[number] + group * q
        wanted[at : at + q, k] = solution.factors[number].T @ weights
    return np.asarray(solution.sigma**2 * wanted.T @ solver.solve(wanted))
