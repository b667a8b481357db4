"""What the small-sample methods read: the precision of the fixed effects and how it moves with the variances.

Everything is held in whitened form: with c'beta = w'e, e of covariance I, a contrast is its vector w and its standard
error is |w|. In these coordinates neither the units of the columns nor their means cost any digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts
from bayesmix.inference.criterion import omega_jacobian, theta_hessian
from bayesmix.inference.ml import MlSolution
from bayesmix.inference.threads import one_blas_thread
from bayesmix.likelihood.coordinates import Coordinates, fit_coordinates
from bayesmix.likelihood.derivatives import SecondOrder, information, second_order_pass

Floats = NDArray[np.float64]

# Directions of theta along which the criterion is this flat are no parameters, as in lmerTest.
FLAT = 1e-8


@dataclass(frozen=True)
class Adjustment:
    """What Kenward & Roger's method adds: m parameters, sigma^2 first, in which V is linear.

    Parameters
    ----------
    slopes : (m, p, p) array
        C'P_iC, P_i the derivatives of X'V^-1X.
    weights : (m, m) array
        W, the inverse of the expected REML information.
    excess : (p, p) array
        C'(2U)C: the adjusted covariance is C (I + excess) C'.
    """

    slopes: Floats
    weights: Floats
    excess: Floats


@dataclass(frozen=True)
class SmallSample:
    """Covariance CC' of the fixed effects and its derivatives, whitened by C.

    Parameters
    ----------
    coordinates : (p, p) array
        T; the fixed effects in fit coordinates are T beta.
    root : (p, p) array
        Lower triangular; C = T^-1 root.
    residual_df : float
        nu, what the residual variance was divided by: N - p under REML, N under ML (N - p without levels).
    slopes : (k, p, p) array
        C^-1 (dCC'/dtheta_k) C^-T along the profile, sigma^2 following theta.
    inverse_hessian : (k, k) array
        Of the profiled criterion in theta, over the directions that are not flat.
    adjustment : Adjustment or None
        None after ML.
    """

    coordinates: Floats
    root: Floats
    residual_df: float
    slopes: Floats
    inverse_hessian: Floats
    adjustment: Adjustment | None

    def whiten(self, contrasts: Floats) -> Floats:
        """Contrasts of the user's coefficients, (q, p), as rows w = c'C."""
        return np.asarray(np.linalg.solve(self.coordinates.T, contrasts.T).T @ self.root)


@dataclass(frozen=True)
class FTest:
    """A test of several contrasts at once.

    Parameters
    ----------
    statistic : float
        F, already scaled.
    num_df, den_df : float
    scale : float
        The factor F was multiplied with, 1 but for Kenward & Roger's method.
    """

    statistic: float
    num_df: int
    den_df: float
    scale: float = 1.0


def differentiate_vcov(products: CrossProducts, solution: MlSolution, at: SecondOrder | None = None) -> SmallSample:
    """Differentiate the covariance of the fixed effects at the estimate.

    Parameters
    ----------
    products : CrossProducts
        What was fitted.
    solution : MlSolution
        The optimum.
    at : SecondOrder, optional
        The second-order pass there, where a caller has it already.

    Returns
    -------
    SmallSample
        From one second-order pass; nothing is of the size of the data.
    """
    with one_blas_thread():
        coordinates = fit_coordinates(products)
        at = at or second_order_pass(coordinates, solution.inner_theta)
        inverse = solution.inner_inverse
        root = np.linalg.cholesky(inverse) if len(inverse) else inverse
        slopes, inverse_hessian = _along_profile(products, solution, coordinates, at, root)
        nu = products.n - products.n_fixed if solution.reml or not products.levels else products.n
        adjustment = _adjustment(products.n, at, root) if solution.reml else None
    arrays = [slopes, inverse_hessian]
    if adjustment is not None:
        arrays += [adjustment.slopes, adjustment.weights, adjustment.excess]
    for array in arrays:
        array.flags.writeable = False
    return SmallSample(coordinates.fixed, solution.sigma * root, float(nu), slopes, inverse_hessian, adjustment)


def _along_profile(
    products: CrossProducts, solution: MlSolution, coordinates: Coordinates, at: SecondOrder, root: Floats
) -> tuple[Floats, Floats]:
    """Derivatives of the whitened covariance by theta, and the inverse Hessian of the profiled criterion.

    With r2(theta) the residual sum of squares, CC' = r2/nu R_xx^-1, so that its derivative is that of log r2 times the
    identity, less root' (dR_xx) root.
    """
    theta, p = solution.inner_theta, products.n_fixed
    if theta.size == 0:
        return np.zeros((0, p, p)), np.zeros((0, 0))
    B = at.fixed_basis
    v = -B @ solution.inner_beta
    v[-1] += 1.0
    jacobian = omega_jacobian(coordinates, theta)
    moved = jacobian.T @ ((at.R1 @ v) @ v) / float(v @ at.R @ v)
    half = B @ root
    by_omega = half.T @ at.R1 @ half
    slopes = moved[:, None, None] * np.eye(p) - np.tensordot(jacobian.T, by_omega, 1)
    hessian = theta_hessian(coordinates, at, products.n, solution.reml, theta)
    return slopes, _invert_steep(hessian, _sizes(coordinates, theta))


def _sizes(coordinates: Coordinates, theta: Floats) -> Floats:
    """A natural step for each entry of theta: the size of its level's factor, at least 1."""
    factors = coordinates.layout.factors(theta)
    largest = [
        np.full(len(level.entries), max(1.0, float(np.abs(factor).max(initial=0.0))))
        for level, factor in zip(coordinates.layout.levels, factors, strict=True)
    ]
    return np.concatenate(largest)


def _invert_steep(hessian: Floats, sizes: Floats) -> Floats:
    """Pseudo-inverse over the directions in which the criterion rises."""
    values, vectors = np.linalg.eigh(hessian * np.outer(sizes, sizes))
    steep = values > FLAT
    part = sizes[:, None] * vectors[:, steep]
    return np.asarray(part / values[steep] @ part.T)


def _adjustment(n: int, at: SecondOrder, root: Floats) -> Adjustment:
    """P_i and Q_ij of Kenward & Roger (1997), eq. 5, at sigma^2 = 1; derivatives by sigma^2 follow by homogeneity."""
    half = at.fixed_basis @ root
    p, m = len(root), len(at.omega) + 1
    P, Q = np.empty((m, p, p)), np.empty((m, m, p, p))
    P[1:], Q[1:, 1:] = half.T @ at.R1 @ half, half.T @ at.R2 @ half
    P[0] = -np.eye(p) - np.tensordot(at.omega, P[1:], 1)  # half' R half = I
    Q[0, 1:] = Q[1:, 0] = -2 * P[1:] - np.tensordot(at.omega, Q[1:, 1:], 1)
    Q[0, 0] = -2 * P[0] - np.tensordot(at.omega, Q[1:, 0], 1)
    W = _invert_information(information(at, n, 1.0, "expected-reml"))
    # Q_ij here is Q_ij + Q_ji of the article.
    excess = np.tensordot(W, Q, 2) - 2 * (P @ np.tensordot(W, P, 1)).sum(axis=0)
    return Adjustment(P, W, (excess + excess.T) / 2)


def _invert_information(found: Floats) -> Floats:
    """Inverse of a positive semi-definite matrix, over the directions about which there is information."""
    scale = np.sqrt(np.where(np.diag(found) > 0, np.diag(found), 1.0))
    values, vectors = np.linalg.eigh(found / np.outer(scale, scale))
    known = values > 1e-10
    part = vectors[:, known] / scale[:, None]
    return np.asarray(part / values[known] @ part.T)


def standard_errors(sample: SmallSample, contrasts: Floats) -> Floats:
    """Standard errors of contrasts of the fixed effects, (q,), at the estimated variances."""
    return np.asarray(np.linalg.norm(sample.whiten(contrasts), axis=1))


def large_sample_test(sample: SmallSample, contrasts: Floats, distance: Floats, den_df: float) -> FTest:
    """F test of contrasts of rank q with given denominator degrees of freedom; Wald's chi-square over q if infinite."""
    left, sizes, _ = np.linalg.svd(sample.whiten(contrasts), full_matrices=False)
    t = (left.T @ distance) / sizes
    return FTest(float(t @ t / len(t)), len(t), den_df)
