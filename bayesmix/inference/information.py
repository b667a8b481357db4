"""Covariance matrices of variance-component estimates, from the exact information."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts
from bayesmix.inference.ml import MlSolution
from bayesmix.inference.threads import one_blas_thread
from bayesmix.likelihood.coordinates import Coordinates, fit_coordinates
from bayesmix.likelihood.derivatives import SecondOrder, entries_of, information, second_order_pass

Floats = NDArray[np.float64]


def optimum_derivatives(products: CrossProducts, solution: MlSolution) -> SecondOrder:
    """The second-order pass at the optimum, in fit coordinates."""
    with one_blas_thread():
        return second_order_pass(fit_coordinates(products), solution.inner_theta)


def component_covariance(
    products: CrossProducts, solution: MlSolution, kind: str = "reml", at: SecondOrder | None = None
) -> Floats:
    """Inverse information on (sigma^2, free entries of every Sigma), in the user's units and coordinates.

    Parameters
    ----------
    kind : {"reml", "ml", "expected-reml", "expected-ml"}
    at : SecondOrder, optional
        From :func:`optimum_derivatives`, where a caller has it already.

    Returns
    -------
    (P + 1, P + 1) array
        sigma^2 first, then level by level in the order of theta; nan where the information is not positive definite.
    """
    coordinates = fit_coordinates(products)
    at = at or optimum_derivatives(products, solution)
    inner_sigma2 = (solution.sigma / products.response_scale) ** 2
    found = information(at, products.n, inner_sigma2, kind)
    size = len(found)
    scale = np.sqrt(np.abs(np.diag(found)))
    values = np.linalg.eigvalsh(found / np.outer(scale, scale)) if np.all(scale > 0) else np.array([-1.0])
    if values[0] <= 1e-10:
        return np.full((size, size), np.nan)
    jacobian = np.eye(size)
    jacobian[1:, 1:] = _entry_map(coordinates)
    return np.asarray(products.response_scale**4 * jacobian @ np.linalg.inv(found) @ jacobian.T)


def _entry_map(coordinates: Coordinates) -> Floats:
    """Entries of the user's Sigma = T^-1 Sigma_c T^-T as linear functions of the entries of Sigma_c."""
    entries = entries_of(coordinates)
    backs = [np.linalg.inv(T) for T in coordinates.levels]
    out = np.zeros((len(entries), len(entries)))
    for i, of in enumerate(entries):
        for j, by in enumerate(entries):
            if of.level == by.level:
                back = backs[of.level]
                out[i, j] = back[of.row, by.row] * back[of.column, by.column]
                if by.row != by.column:
                    out[i, j] += back[of.row, by.column] * back[of.column, by.row]
    return out
