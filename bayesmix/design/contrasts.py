"""Contrast matrices of R: how the labels of a factor become one column fewer than there are labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.design.polynomials import orthogonal_polynomials

Floats = NDArray[np.float64]


def contrast_matrix(kind: str, n: int) -> Floats:
    """One row for each of n labels, one column for each contrast.

    Parameters
    ----------
    kind : {"Sum", "Helmert", "Poly"}
        R's ``contr.sum``, ``contr.helmert`` or ``contr.poly``.
    n : int
        Labels, at least 2.

    Returns
    -------
    (n, n - 1) array
        Sum: a label against the mean of all. Helmert: a label against those before it. Poly: linear, quadratic, ...
        trend over equally spaced labels, orthonormal.

    References
    ----------
    Chambers & Hastie (1992), Statistical Models in S, section 2.3.2.

    Examples
    --------
    >>> contrast_matrix("Helmert", 3)
    array([[-1., -1.],
           [ 1., -1.],
           [ 0.,  2.]])
    """
    if kind == "Sum":
        return np.vstack([np.eye(n - 1), -np.ones(n - 1)])
    if kind == "Helmert":
        below = np.arange(n)[:, None] - np.arange(1, n)[None, :]
        return np.where(below < 0, -1.0, np.where(below == 0, np.arange(1.0, n), 0.0))
    scores = np.arange(n, dtype=float)
    matrix = orthogonal_polynomials(scores, n - 1).at(scores, n - 1)
    matrix[np.abs(matrix) < 1e-15] = 0.0  # the middle label of a symmetric contrast
    return matrix


def contrast_names(kind: str, labels: Sequence[Any]) -> tuple[str, ...]:
    """Names of the columns of :func:`contrast_matrix`.

    ``S.a`` for the label a against the mean, ``H.b`` for the label b against those before it, ``.L``, ``.Q``, ``.C``,
    ``^4`` for trends.

    Examples
    --------
    >>> contrast_names("Sum", ["a", "b", "c"])
    ('S.a', 'S.b')
    """
    if kind == "Sum":
        return tuple(f"S.{label}" for label in labels[:-1])
    if kind == "Helmert":
        return tuple(f"H.{label}" for label in labels[1:])
    return tuple([".L", ".Q", ".C"][k - 1] if k < 4 else f"^{k}" for k in range(1, len(labels)))
