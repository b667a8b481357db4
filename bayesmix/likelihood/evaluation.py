"""One name for each compiled entry point, whichever kind of levels a model has."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from bayesmix.likelihood import crossed_kernels, given, kernels
from bayesmix.likelihood.coordinates import Coordinates

Floats = NDArray[np.float64]

# The compiled C function of each kind of model.
DENSITIES = {
    "nested": kernels.density_function,
    "crossed": crossed_kernels.crossed_density_function,
    "given": given.given_density_function,
}


def profiled(
    coordinates: Coordinates, theta: Floats, reml: bool, certify: bool = True
) -> tuple[float, Floats, Floats, Floats, float, Floats]:
    """Profiled deviance, its gradient in theta, dOmega by level, beta, r2 and the inverse of R_xx.

    Without ``certify`` dOmega of crossed levels may be left out, which saves a third of the time.
    """
    packed, body = coordinates.packed, coordinates.body
    found: tuple[float, Floats, Floats, Floats, float, Floats]
    if coordinates.crossed:
        found = crossed_kernels.crossed_profiled(theta, packed, body, reml, certify)
    else:
        found = kernels.profiled(theta, packed, body, reml)
    return found


def root_products(coordinates: Coordinates, roots: Floats) -> tuple[Floats, float]:
    """R = W'V^-1W and log|V|."""
    packed, body = coordinates.packed, coordinates.body
    if coordinates.crossed:
        R, logdet = crossed_kernels.crossed_root(roots, packed, body)
    else:
        R, logdet, _ = kernels.root_products(roots, packed, body)
    return R, float(logdet)


def effects(
    coordinates: Coordinates, roots: Floats, factors: Floats, v_root: Floats, sigma: float, out: Floats
) -> None:
    """Group effects given v at the root, in place of the standard normals in out (zeros: their means)."""
    kernel = crossed_kernels.crossed_effects if coordinates.crossed else kernels.effects
    kernel(coordinates.packed, coordinates.body, roots, factors, v_root, sigma, out)


def covariances(
    coordinates: Coordinates,
    roots: Floats,
    factors: Floats,
    D_root: Floats,
    N_root: Floats,
    variances: Floats,
    with_fixed: Floats,
) -> None:
    """Conditional covariances of the effects, and with the fixed effects, over sigma^2 (flat, by level)."""
    kernel = crossed_kernels.crossed_covariances if coordinates.crossed else kernels.covariances
    kernel(coordinates.packed, coordinates.body, roots, factors, D_root, N_root, variances, with_fixed)


def posterior(
    coordinates: Coordinates,
    prior: Floats,
    lam: Floats,
    factors: Floats,
    sigma: Floats,
    beta: Floats,
    effect_noise: Floats,
    given_effects: Floats | None = None,
) -> None:
    """Exact draws of beta and u for each draw of (lam, sigma), see :mod:`bayesmix.likelihood.kernels`.

    With ``given_effects`` (D, m), the crossed effects on the columns of D, only those of the nested levels are drawn.
    """
    if given_effects is not None:
        packed, body = coordinates.packed, coordinates.body
        given.given_posterior(packed, body, prior, lam, factors, sigma, given_effects, beta, effect_noise)
        return
    kernel = crossed_kernels.crossed_posterior if coordinates.crossed else kernels.posterior
    kernel(coordinates.packed, coordinates.body, prior, lam, factors, sigma, beta, effect_noise)


def log_density(
    vector: Floats, prior: Floats, lam: Floats, sigma: float, beta: Floats, kind: str = "nested"
) -> tuple[float, Floats, float, Floats]:
    """log p(y | Lambda, sigma[, beta]) in the user's units, with its gradient in lam, sigma and beta.

    Parameters
    ----------
    vector : array
        Layout and body in one.
    prior : array
        Kind (FLAT, NORMAL, EXPLICIT), mean (p,) and precision (p, p) of the inner fixed effects.
    lam : (k,) array
        Free entries of the absolute factors, Sigma = Lambda Lambda'.
    sigma : float
        Residual standard deviation.
    beta : (p,) or (0,) array
        Inner fixed effects where they are explicit; behind them the crossed effects on the columns of D, in inner
        units, where those are given.
    kind : {"nested", "crossed", "given"}
        What the levels are.

    Returns
    -------
    value, d_lam, d_sigma, d_beta
    """
    arrays = [np.ascontiguousarray(x, dtype=float) for x in (vector, prior, lam, beta)]
    out = np.empty(2 + arrays[2].size + arrays[3].size)
    at = [array.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for array in (*arrays, out)]
    sizes = [array.size for array in arrays]
    DENSITIES[kind]().ctypes(at[0], sizes[0], at[1], sizes[1], at[2], sizes[2], float(sigma), at[3], sizes[3], at[4])
    stop = 2 + sizes[2]
    return float(out[0]), out[2:stop].copy(), float(out[1]), out[stop:].copy()
