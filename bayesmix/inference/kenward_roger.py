"""Kenward & Roger's adjusted covariance, degrees of freedom and scaled F, from cross-products."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmix.inference.small_sample import Adjustment, FTest, SmallSample

Floats = NDArray[np.float64]


def adjusted_errors(sample: SmallSample, contrasts: Floats) -> Floats:
    """Standard errors that count the error of the variance estimates.

    Parameters
    ----------
    sample : SmallSample
        Of a REML fit.
    contrasts : (q, p) array
        One contrast of the fixed effects in each row.

    Returns
    -------
    (q,) array
        Roots of the diagonal of L Phi_A L', Phi_A the adjusted covariance.

    References
    ----------
    Kenward & Roger (1997), Biometrics 53:983-997, eq. 5.

    Examples
    --------
    >>> import bayesmix as bx
    >>> from bayesmix.inference.small_sample import differentiate_vcov
    >>> fit = bx.Model("Reaction ~ Days + (1 | Subject)", bx.load_dataset("sleepstudy")).reml()
    >>> [float(se) for se in adjusted_errors(differentiate_vcov(fit.products, fit.solution), np.eye(2)).round(5)]
    [9.74672, 0.80422]
    """
    rows = sample.whiten(contrasts)
    adjusted = np.eye(rows.shape[1]) + _adjustment_of(sample).excess
    squares = np.einsum("qa,ab,qb->q", rows, adjusted, rows)
    return np.asarray(np.sqrt(np.where(squares >= 0, squares, np.nan)))  # negative where a variance is not identified


def kenward_roger_df(sample: SmallSample, contrasts: Floats) -> Floats:
    """Degrees of freedom of each contrast, (q,); parameters as :func:`adjusted_errors`.

    For one contrast the method of the article reduces to 2/A, A = A_1 = A_2, and its F is not scaled.
    """
    adjustment = _adjustment_of(sample)
    rows = sample.whiten(contrasts)
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    slopes = np.einsum("qa,kab,qb->qk", rows, adjustment.slopes, rows, optimize=True)
    return np.asarray(2 / np.einsum("qk,kl,ql->q", slopes, adjustment.weights, slopes))


def kenward_roger_test(sample: SmallSample, contrasts: Floats, distance: Floats) -> FTest:
    """Scaled F test that several contrasts are all 0.

    Parameters
    ----------
    sample : SmallSample
        Of a REML fit.
    contrasts : (q, p) array
        Of rank q.
    distance : (q,) array
        Their estimates, less the hypothesised values.

    Returns
    -------
    FTest
        As pbkrtest's ``KRmodcomp``.

    References
    ----------
    Kenward & Roger (1997), Biometrics 53:983-997, section 3; Halekoh & Hojsgaard (2014), Journal of Statistical
    Software 59(9), section 4.

    Examples
    --------
    >>> import bayesmix as bx
    >>> from bayesmix.inference.small_sample import differentiate_vcov
    >>> fit = bx.Model("score ~ Machine + (1 | Worker)", bx.load_dataset("machines")).reml()
    >>> test = kenward_roger_test(differentiate_vcov(fit.products, fit.solution), np.eye(3)[1:], fit.solution.beta[1:])
    >>> round(test.statistic, 4), test.num_df, round(test.den_df, 4), round(test.scale, 4)
    (87.7982, 2, 46.0, 1.0)
    """
    adjustment = _adjustment_of(sample)
    left, sizes, right = np.linalg.svd(sample.whiten(contrasts), full_matrices=False)
    q = len(sizes)
    t = (left.T @ distance) / sizes
    unscaled = float(t @ np.linalg.solve(np.eye(q) + right @ adjustment.excess @ right.T, t)) / q
    den_df, scale = _moments_matched(q, *_spreads(adjustment, right))
    return FTest(scale * unscaled, q, den_df, scale)


def _adjustment_of(sample: SmallSample) -> Adjustment:
    """The adjustment, which a caller must not ask for after ML."""
    assert sample.adjustment is not None
    return sample.adjustment


def _spreads(adjustment: Adjustment, right: Floats) -> tuple[float, float]:
    """A_1 and A_2 of the article, for contrasts whitened to orthonormal rows."""
    slopes = right @ adjustment.slopes @ right.T
    traces = np.einsum("kaa->k", slopes)
    first = float(traces @ adjustment.weights @ traces)
    second = float(np.einsum("kl,kab,lba->", adjustment.weights, slopes, slopes, optimize=True))
    return first, second


def _moments_matched(q: int, A1: float, A2: float) -> tuple[float, float]:
    """Denominator df and scale for which F has its approximate mean and variance, as pbkrtest guards them."""
    B = (A1 + 6 * A2) / (2 * q)
    g = ((q + 1) * A1 - (q + 4) * A2) / ((q + 2) * A2)
    below = 3 * q + 2 * (1 - g)
    c1, c2, c3 = g / below, (q - g) / below, (q + 2 - g) / below
    top, first, second = 1 + c1 * B, 1 - c2 * B, 1 - c3 * B
    top = 0.0 if abs(top) < 1e-10 else top
    mean = 1 - A2 / q
    ratio = 1.0 if abs(mean) < 1e-14 and abs(first) < 1e-14 else mean / first
    rho = ratio**2 * top / second / q
    df = 4 + (q + 2) / (q * rho - 1)
    return df, 1.0 if abs(df - 2) < 1e-2 else df * mean / (df - 2)
