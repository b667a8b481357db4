"""The chi-square of a likelihood ratio, where variances under test lie on the boundary of what they may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class RatioTest:
    """A likelihood-ratio statistic with its tail probabilities.

    Parameters
    ----------
    chisq : float
        Fall of the criterion.
    df : int
        Parameters more.
    p : float
        From chi-square on df, as if no parameter had a boundary; too large where variances are tested.
    p_mixture : float
        From the mixture of chi-squares that holds at the boundary; nan where its weights are not known.
    p_low, p_high : float
        Bounds on the latter; equal to it where it is known.
    """

    chisq: float
    df: int
    p: float
    p_mixture: float
    p_low: float
    p_high: float


def boundary_test(chisq: float, df: int, boundary: int, null_boundary: int = 0, fixed: int = 0) -> RatioTest:
    """Tail probabilities of a likelihood ratio with some of its parameters on the boundary.

    With one variance among them, and its covariances with effects that vary already, the ratio is distributed as
    half chi-square on df - 1 and half on df (Self & Liang 1987, case 6; Stram & Lee 1994). With more than one the
    weights depend on the data; half and half on the two smallest and on the two largest df are bounds (Perlman 1969;
    Silvapulle & Sen 2005, chapter 3). Where the small model lies on the boundary itself, its own parameters there
    count as df for the upper bound, and nothing but the fixed effects for the lower.

    Parameters
    ----------
    chisq : float
        Fall of the criterion.
    df : int
        Parameters more.
    boundary : int
        Those of them at a corner under the small model, see :class:`bayesmix.inference.nesting.Nesting`.
    null_boundary : int
        The same for the parameters of the small model at its estimate.
    fixed : int
        Fixed effects among the parameters tested.

    Returns
    -------
    RatioTest

    Examples
    --------
    >>> found = boundary_test(4.771, 2, boundary=1)
    >>> round(found.p, 4), round(found.p_mixture, 4)
    (0.092, 0.0605)
    """
    p = chi_square_tail(chisq, df)
    if df == fixed or boundary == null_boundary == 0:
        low = high = p
    elif null_boundary:
        low, high = chi_square_tail(chisq, fixed), chi_square_tail(chisq, df + null_boundary)
    else:
        low, high = _half_and_half(chisq, df - boundary), _half_and_half(chisq, df - 1)
    known = low == high
    return RatioTest(chisq, df, p, low if known else np.nan, low, high)


def chi_square_tail(value: float, df: int) -> float:
    """P(chi-square > value); on 0 df it is 0 with certainty."""
    if df == 0:
        return float(value <= 0)
    return float(stats.chi2.sf(value, df))


def _half_and_half(value: float, df: int) -> float:
    """Half chi-square on df, half on df + 1."""
    return 0.5 * chi_square_tail(value, df) + 0.5 * chi_square_tail(value, df + 1)
