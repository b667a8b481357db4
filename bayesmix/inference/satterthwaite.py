"""Satterthwaite's degrees of freedom, for one contrast and for several."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmix.inference.small_sample import FTest, SmallSample

Floats = NDArray[np.float64]


def satterthwaite_df(sample: SmallSample, contrasts: Floats) -> Floats:
    """Degrees of freedom of each contrast: twice the squared variance over the variance of that variance.

    Parameters
    ----------
    sample : SmallSample
        From :func:`bayesmix.inference.small_sample.differentiate_vcov`.
    contrasts : (q, p) array
        One contrast of the fixed effects in each row.

    Returns
    -------
    (q,) array
        By the observed information on theta and sigma, as lmerTest.

    References
    ----------
    Giesbrecht & Burns (1985), Biometrics 41:477-486; Kuznetsova, Brockhoff & Christensen (2017), Journal of Statistical
    Software 82(13), section 2.1.

    Examples
    --------
    >>> import bayesmix as bx
    >>> from bayesmix.inference.small_sample import differentiate_vcov
    >>> fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).reml()
    >>> float(satterthwaite_df(differentiate_vcov(fit.products, fit.solution), np.ones((1, 1)))[0].round(4))
    5.0
    """
    rows = sample.whiten(contrasts)
    return _df(sample, rows / np.linalg.norm(rows, axis=1)[:, None])


def satterthwaite_test(sample: SmallSample, contrasts: Floats, distance: Floats) -> FTest:
    """F test that several contrasts are all 0.

    Parameters
    ----------
    sample : SmallSample
    contrasts : (q, p) array
        Of rank q.
    distance : (q,) array
        Their estimates, less the hypothesised values.

    Returns
    -------
    FTest
        The denominator's degrees of freedom match the expectation of F, a sum of squares of independent t variables.

    References
    ----------
    Fai & Cornelius (1996), Journal of Statistical Computation and Simulation 54:363-378; Kuznetsova, Brockhoff &
    Christensen (2017), Journal of Statistical Software 82(13), section 2.1.

    Examples
    --------
    >>> import bayesmix as bx
    >>> from bayesmix.inference.small_sample import differentiate_vcov
    >>> fit = bx.Model("Reaction ~ Days + (Days | Subject)", bx.load_dataset("sleepstudy")).reml()
    >>> test = satterthwaite_test(differentiate_vcov(fit.products, fit.solution), np.eye(2), fit.solution.beta)
    >>> test.num_df, round(test.den_df, 3), round(test.statistic, 3)
    (2, 17.0, 749.96)
    """
    # Singular vectors of the whitened contrasts are the eigenvectors of their covariance matrix.
    left, sizes, right = np.linalg.svd(sample.whiten(contrasts), full_matrices=False)
    t = (left.T @ distance) / sizes
    return FTest(float(t @ t / len(t)), len(t), _matched_df(_df(sample, right)))


def _df(sample: SmallSample, rows: Floats) -> Floats:
    """Degrees of freedom of contrasts whitened to length 1, (q,)."""
    slopes = np.einsum("qa,kab,qb->qk", rows, sample.slopes, rows, optimize=True)
    spread = np.einsum("qk,kl,ql->q", slopes, sample.inverse_hessian, slopes)
    return np.asarray(1 / (1 / sample.residual_df + spread))


def _matched_df(df: Floats) -> float:
    """E(F) = sum of nu/(nu-2) over q, solved for the denominator; 2 where some nu has no such expectation."""
    if np.ptp(df) < 1e-8 * df[0]:
        return float(df.mean())
    if (df <= 2).any():
        return 2.0
    expectation = float((df / (df - 2)).sum())
    return 2 * expectation / (expectation - len(df))
