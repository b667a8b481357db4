"""Standard errors of variance components in closed form, where every group has the same design."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesmix.errors import ArgumentError

Floats = NDArray[np.float64]


def balanced_errors(
    total: ArrayLike, n_groups: int, *, sampling: ArrayLike | None = None, residual_df: int | None = None
) -> Floats:
    """Standard errors of the covariance matrix between groups, by the expected ML information.

    With the same design in every group the groups' own coefficients are J draws from N(beta, V), V = Sigma + C the sum
    of the covariance between groups and that of sampling within one. Their variances are var(V_ij) = (V_ii V_jj +
    V_ij^2)/J, so that the standard error of a variance is V sqrt(2/J). Subtracting C = sigma^2 (Z'Z)^-1, estimated
    from the rows within groups, adds 2 C_ij^2 / df, which is small.

    Parameters
    ----------
    total : (q, q) array
        V; with fixed effects for the same columns and nothing between groups, J times their covariance matrix.
    n_groups : int
        J.
    sampling : (q, q) array, optional
        C; without it the estimate of V alone.
    residual_df : int, optional
        Degrees of freedom of sigma^2 within groups, J (m - q) for m rows each; where ``sampling`` is given.

    Returns
    -------
    (q, q) array
        Standard errors of variances on the diagonal and of covariances beside it, in units of the response squared
        (over the units of the columns). Program output that divides by J here and by J - 1 in the estimate, as MLwiN's
        RIGLS, has the expected ML information at REML estimates: this, with V from the REML fit.

    Raises
    ------
    ArgumentError
        No symmetric matrix, fewer than one group, or one of ``sampling`` and ``residual_df`` without the other.

    References
    ----------
    Anderson (2003), An Introduction to Multivariate Statistical Analysis, 3rd ed., section 3.4; Searle, Casella &
    McCulloch (1992), Variance Components, section 3.8.

    Examples
    --------
    Four treatment centres with standard error 10.2 of the mean intercept: V = 4 x 10.2^2.

    >>> balanced_errors([[4 * 10.2**2]], 4).round(1).tolist()
    [[294.3]]
    """
    V = np.atleast_2d(np.asarray(total, dtype=float))
    if V.ndim != 2 or V.shape[0] != V.shape[1] or not np.allclose(V, V.T, rtol=1e-8, atol=0.0):
        raise ArgumentError(f"total has shape {V.shape}.", "Expected a symmetric matrix.", "Pass V, or [[v]] for one.")
    if n_groups < 1:
        raise ArgumentError(f"n_groups={n_groups}.", "Expected at least 1.", "Count the groups.")
    if (sampling is None) != (residual_df is None):
        raise ArgumentError(
            "Only one of sampling and residual_df was given.", "Expected both or neither.", "Add the other."
        )
    variances = np.diag(V)
    squares = (np.outer(variances, variances) + V**2) / n_groups
    if sampling is not None and residual_df is not None:
        squares = squares + 2 * np.atleast_2d(np.asarray(sampling, dtype=float)) ** 2 / residual_df
    return np.asarray(np.sqrt(squares))
