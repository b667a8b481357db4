"""What the estimation of the variances adds to the prediction error of group effects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import block_diag

from bayesmix.design import CrossProducts, Design
from bayesmix.errors import ArgumentError
from bayesmix.inference.information import component_covariance
from bayesmix.inference.ml import MlSolution
from bayesmix.inference.threads import one_blas_thread
from bayesmix.likelihood.coordinates import block_entries
from bayesmix.likelihood.derivatives import SecondOrder

Floats = NDArray[np.float64]

# Effects of all groups: they are worked on as one dense matrix, and with more the correction is nothing.
MOST_EFFECTS = 3000


def estimation_excess(
    design: Design, products: CrossProducts, solution: MlSolution, at: SecondOrder | None = None
) -> tuple[Floats, ...]:
    """Mean squared error of the shrunken effects beyond the prediction error variance at the estimates.

    The effects are G Z'Py with P = V^-1 - V^-1X(X'V^-1X)^-1X'V^-1. With t = Z'Py, of covariance T = Z'PZ, and E_i the
    derivative of G by a variance or covariance, they move by (I - G T) E_i t, so that the estimation of these adds
    K = sum_ij W_ij (I - G T) E_i T E_j (I - G T)', W the inverse expected information (Kackar & Harville 1984, JASA
    79:853-862). The prediction error variance at the estimates is on average too small by as much again, which makes it
    2 K (Prasad & Rao 1990, JASA 85:163-171; Datta & Lahiri 2000, Statistica Sinica 10:613-627).

    Parameters
    ----------
    design : Design
    products : CrossProducts
    solution : MlSolution
        A REML optimum.
    at : SecondOrder, optional
        The second-order pass there.

    Returns
    -------
    tuple of (J, q) arrays
        2 K of the effects of each level, on its diagonal; groups in the order of their labels.

    Raises
    ------
    ArgumentError
        A fit by ML, more effects than one dense matrix can have, or variances of which the data say nothing.
    """
    sizes = [(len(level.grouping.labels), len(level.effects)) for level in design.levels]
    _require(solution, sum(J * q for J, q in sizes))
    W = component_covariance(products, solution, "expected-reml", at)
    if np.isnan(W).any():
        raise ArgumentError(
            "The data say nothing of some variance or covariance.",
            "Expected information on all of them for variance='corrected'.",
            "Leave out the effect, or use variance='prediction'.",
        )
    with one_blas_thread():
        added = _added(design, solution, W)
    stops = np.cumsum([J * q for J, q in sizes])
    return tuple(part.reshape(shape) for part, shape in zip(np.split(2 * added, stops[:-1]), sizes, strict=True))


def _require(solution: MlSolution, count: int) -> None:
    """Refuse fits that have no correction, or one too large to be computed."""
    if not solution.reml:
        raise ArgumentError(
            "variance='corrected' after ML.",
            "Expected a REML fit: the correction supposes variances without bias.",
            "Use model.reml(), or variance='prediction'.",
        )
    if count > MOST_EFFECTS:
        raise ArgumentError(
            f"The levels have {count} effects in all.",
            f"Expected at most {MOST_EFFECTS} for variance='corrected', which matters where groups are few.",
            "Use variance='prediction'.",
        )


def _added(design: Design, solution: MlSolution, W: Floats) -> Floats:
    """The diagonal of K, effects level after level, those of a group side by side."""
    factors = [np.kron(np.eye(len(v.grouping.labels)), f) for v, f in zip(design.levels, solution.factors, strict=True)]
    root = block_diag(*factors)
    A = _projected_products(design)
    inner = root.T @ A @ root + np.eye(len(A))
    sigma2 = solution.sigma**2
    T = (A - A @ root @ np.linalg.solve(inner, root.T @ A)) / sigma2
    G = sigma2 * root @ root.T
    keep = np.eye(len(A)) - G @ T
    # The effects do not change when all variances are multiplied by one number: hence their derivative by sigma^2.
    moved = [-keep @ G / sigma2, *(keep @ E for E in _directions(design))]
    weighted = [sum(w * M for w, M in zip(row, moved, strict=True)) for row in W]
    return np.asarray(sum(((M @ T) * N).sum(axis=1) for M, N in zip(moved, weighted, strict=True)))


def _projected_products(design: Design) -> Floats:
    """Z'MZ of the effects of all levels, M = I - X(X'X)^-1X', rows times the root of their weight."""
    root = np.ones(design.n) if design.weights is None else np.sqrt(design.weights)
    blocks, rows = [], np.arange(design.n)
    for level in design.levels:
        values = root[:, None] * design.values[:, level.places]
        q = values.shape[1]
        columns = level.grouping.codes[:, None] * q + np.arange(q)
        shape = (design.n, len(level.grouping.labels) * q)
        blocks.append(sparse.csc_matrix((values.ravel(), (np.repeat(rows, q), columns.ravel())), shape))
    Z = sparse.hstack(blocks, format="csc")
    X, _ = np.linalg.qr(root[:, None] * design.fixed_values)
    across = Z.T @ X
    return np.asarray((Z.T @ Z).toarray() - across @ across.T)


def _directions(design: Design) -> list[Floats]:
    """The derivatives of G, in the order of theta."""
    sizes = [len(level.grouping.labels) * len(level.effects) for level in design.levels]
    found = []
    for number, level in enumerate(design.levels):
        first = sum(sizes[:number])
        own = slice(first, first + sizes[number])
        for row, column in block_entries(level.blocks):
            entry = np.zeros((len(level.effects),) * 2)
            entry[row, column] = entry[column, row] = 1.0
            E = np.zeros((sum(sizes), sum(sizes)))
            E[own, own] = np.kron(np.eye(len(level.grouping.labels)), entry)
            found.append(E)
    return found
