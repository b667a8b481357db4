"""The design effect of a planned or published study, from the sizes of its groups and a correlation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.inference.clustering import excess_variance, mean_size
from bayesmix.teaching.arguments import as_list, is_number, require_number, require_several, shown

Floats = NDArray[np.float64]


def design_effect(n: Any, rho: float, *, rho_x: float = 1.0, **unknown: Any) -> float:
    """How many times larger groups make the variance of a mean, or of a slope, than independent rows would.

    1 + (n - 1) rho rho_x, under varying intercepts: exact for a mean, with n = sum n_j^2 / sum n_j where groups differ
    in size, and among groups of one size for a predictor of groups (rho_x = 1) and the least-squares slope of one
    predictor; where sizes differ these depend on which groups have which values. Of a fit:
    :meth:`LikelihoodFit.design_effect`.

    Parameters
    ----------
    n : float or (J,) array
        Rows of each group, at least 1: one number where all are equal (or on average), or the size of every group.
    rho : float
        Intraclass correlation of the response.
    rho_x : float
        That of the predictor whose slope is meant; 1 for a mean and for a predictor of groups.

    Returns
    -------
    float

    Raises
    ------
    ArgumentError
        Sizes below 1, or correlations that rows of such groups can not have.

    References
    ----------
    Kish (1965), Survey Sampling, section 5.4; Scott & Holt (1982), JASA 77:848-854.

    Examples
    --------
    >>> import bayesmix as bx
    >>> round(bx.design_effect(20, 0.1), 4)
    2.9
    >>> round(bx.design_effect([10, 20, 30], 0.1), 4)
    3.2333
    """
    refuse_unknown("design_effect", unknown, ("rho_x",))
    size = mean_size(_sizes(n))
    return float(1 + excess_variance(size, _correlation("rho", rho, size), _correlation("rho_x", rho_x, size)))


def effective_size(n: Any, rho: float, *, groups: int | None = None, rho_x: float = 1.0, **unknown: Any) -> float:
    """How many independent rows would say as much of a mean, or of a slope: rows over :func:`design_effect`.

    Parameters
    ----------
    n : float or (J,) array
        Rows of each group: one number, and how many ``groups``, or the size of every group.
    rho : float
        Intraclass correlation of the response.
    groups : int, optional
        Number of groups, where n is one number.
    rho_x : float
        That of the predictor whose slope is meant.

    Returns
    -------
    float

    Examples
    --------
    >>> import bayesmix as bx
    >>> round(bx.effective_size(20, 0.1, groups=30), 1)
    206.9
    >>> round(bx.effective_size([10, 20, 30], 0.1), 1)
    18.6
    """
    refuse_unknown("effective_size", unknown, ("groups", "rho_x"))
    sizes = _sizes(n)
    one = as_list(n) is None
    if one and groups is None:
        raise ArgumentError(
            f"n={shown(n)}, and groups is not given.",
            "Expected how many groups of this size there are, or the size of each.",
            "Write groups=30, or n=[10, 20, 30].",
        )
    if not one and groups is not None:
        raise ArgumentError(
            f"groups={shown(groups)}, and n gives the sizes of {sizes.size} groups.",
            "Expected one of the two.",
            "Leave groups out.",
        )
    rows = float(sizes[0] * require_number("groups", groups, 1)) if one else float(sizes.sum())
    return rows / design_effect(n, rho, rho_x=rho_x)


def _sizes(n: Any) -> Floats:
    """Sizes of groups, at least 1 each."""
    values = require_several("n", n)
    for value in values:
        if not is_number(value) or value < 1:
            raise ArgumentError(
                f"n={shown(value)}.",
                "Expected rows per group, numbers of at least 1.",
                "Write n=20, or the size of every group.",
            )
    return np.array(values, dtype=float)


def _correlation(name: str, value: Any, size: float) -> float:
    """A correlation between rows of groups of a size."""
    return require_number(name, value, -1 / (size - 1) if size > 2 else -1.0, 1.0)
