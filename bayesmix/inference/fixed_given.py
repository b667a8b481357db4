"""Fixed effects given variance parameters: their exact normal distribution, and the likelihood without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts
from bayesmix.likelihood.coordinates import user_coordinates
from bayesmix.likelihood.evaluation import root_products
from bayesmix.likelihood.layout import Layout

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NormalPrior:
    """Independent normals on combinations of the fixed effects, A beta ~ N(mean, sd^2).

    Parameters
    ----------
    combinations : (p, p) array
        A, of full rank.
    mean, sd : (p,) arrays
        An infinite sd is a flat prior.
    """

    combinations: Floats
    mean: Floats
    sd: Floats


@dataclass(frozen=True)
class FixedGiven:
    """Of D values of the variance parameters.

    Parameters
    ----------
    mean : (D, p) array
        Of the fixed effects given variance parameters and data.
    root : (D, p, p) array
        B with covariance BB'.
    log_likelihood : (D,) array
        log p(y | variance parameters), fixed and group effects integrated out, up to a constant that is the same for
        all D.
    """

    mean: Floats
    root: Floats
    log_likelihood: Floats


def fixed_given(
    products: CrossProducts, prior: NormalPrior, covariances: Sequence[Floats], sigma: Floats
) -> FixedGiven:
    """Condition the fixed effects on each of D values of the variance parameters.

    Lindley & Smith (1972), J. R. Statist. Soc. B 34:1-41, with the group effects integrated out.

    Parameters
    ----------
    products : CrossProducts
    prior : NormalPrior
    covariances : sequence of (D, q, q) arrays
        Sigma of each level.
    sigma : (D,) array
        Residual standard deviation.
    """
    coordinates = user_coordinates(products)
    layout, T, scale = coordinates.layout, coordinates.fixed, products.response_scale
    D, B = len(sigma), layout.fixed_basis
    roots = inner_roots(layout, covariances, sigma)
    R, logdet = np.empty((D, layout.width, layout.width)), np.empty(D)
    for d in range(D):
        R[d], logdet[d] = root_products(coordinates, roots[d])
    # Everything below is of T (beta - b), b the least-squares fit.
    A = np.linalg.solve(T.T, prior.combinations.T).T / prior.sd[:, None]
    rest = (prior.mean - prior.combinations @ products.response_fit) / prior.sd
    size = scale / sigma**2
    precision = B.T @ R @ B / sigma[:, None, None] ** 2 + A.T @ A
    right = (B.T @ R[:, :, -1:])[:, :, 0] * size[:, None] + A.T @ rest
    centre = np.linalg.solve(precision, right[:, :, None])[:, :, 0]
    half = np.linalg.cholesky(precision)
    misfit = R[:, -1, -1] * scale * size - np.einsum("dp,dp->d", right, centre)
    logs = np.log(np.einsum("dpp->dp", half)).sum(axis=1)
    log_likelihood = -0.5 * (2 * products.n * np.log(sigma) + logdet + misfit) - logs
    mean = products.response_fit + np.linalg.solve(T, centre.T).T
    inverse = np.linalg.inv(half)
    return FixedGiven(mean, np.linalg.solve(T, np.swapaxes(inverse, -1, -2)), log_likelihood)


def inner_roots(layout: Layout, covariances: Sequence[Floats], sigma: Floats) -> Floats:
    """B Lambda over sigma of every level at D draws, flat as the kernels take it, (D, size)."""
    D = len(sigma)
    parts = [np.zeros((D, 0))]
    for level, matrix in zip(layout.levels, covariances, strict=True):
        parts.append((level.basis @ covariance_root(matrix / sigma[:, None, None] ** 2)).reshape(D, -1))
    return np.concatenate(parts, axis=1)


def covariance_root(matrix: Floats) -> Floats:
    """Square roots of (D, q, q) covariance matrices, singular ones too."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :])
