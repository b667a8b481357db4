"""The variances that matrices are filled with: of a fit, means of a posterior, or given by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import Design, Level
from bayesmix.errors import ArgumentError
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.compound_symmetry import CompoundSymmetry
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.same_model import require_same_model

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class VarianceValues:
    """Numbers for G and R.

    Parameters
    ----------
    covariances : tuple of (q, q) arrays
        Sigma of each level.
    residual : float
        Residual variance, of a row of weight 1.
    source : str
        Where they are from.
    """

    covariances: tuple[Floats, ...]
    residual: float
    source: str


def read_values(design: Design, fit: Any) -> VarianceValues:
    """Of a fit of this model, or of a mapping of levels to covariance matrices with "residual".

    Raises
    ------
    ArgumentError
        A fit of another model, or values that are no covariance matrices.
    """
    if isinstance(fit, Mapping):
        return _given(design, fit)
    if not isinstance(fit, LikelihoodFit | BayesFit | CompoundSymmetry):
        raise ArgumentError(
            f"matrices was given {type(fit).__name__}.",
            "Expected a fit of this model, or variances by the name of their level.",
            'Pass model.reml(), a posterior, or {"school": [[4, 0], [0, 1]], "residual": 36}.',
        )
    require_same_model(design, fit.design)
    if isinstance(fit, CompoundSymmetry):
        covariance = np.array([[fit.covariance]])
        return VarianceValues((covariance,), fit.variance - fit.covariance, f"compound symmetry by {fit.method}")
    found = fit.parameters
    source = f"estimates by {fit.method}" if isinstance(fit, LikelihoodFit) else "posterior means of the variances"
    covariances = tuple(sigma.mean(axis=(0, 1)) for sigma in found.covariances)
    return VarianceValues(covariances, float((found.sigma**2).mean()), source)


def _given(design: Design, values: Mapping[Any, Any]) -> VarianceValues:
    """Covariances by level, and the residual variance."""
    names = [level.name for level in design.levels]
    example = "{" + ", ".join(f"{name!r}: ..." for name in [*names, "residual"]) + "}"
    if set(values) != {*names, "residual"}:
        raise ArgumentError(
            f"matrices was given variances of {', '.join(map(repr, values)) or 'nothing'}.",
            f"Expected one entry each for {', '.join(map(repr, [*names, 'residual']))}.",
            f"Write {example}.",
        )
    residual = _square("residual", values["residual"], 1)
    if not residual[0, 0] > 0:
        raise ArgumentError(
            f"The residual variance is {values['residual']!r}.", "Expected a positive number.", f"Write {example}."
        )
    covariances = tuple(_covariance(level, values[level.name]) for level in design.levels)
    return VarianceValues(covariances, float(residual[0, 0]), "given")


def _covariance(level: Level, value: Any) -> Floats:
    """A covariance matrix of the effects of a level."""
    sigma = _square(level.name, value, len(level.effects))
    free = np.zeros(sigma.shape, dtype=bool)
    for start, stop in level.blocks:
        free[start:stop, start:stop] = True
    named = ", ".join(level.effect_names)
    if (sigma[~free] != 0).any():
        raise ArgumentError(
            f"The matrix of '{level.name}' has covariances that the model does not have.",
            f"Expected 0 between effects that vary independently ({named}).",
            "Write | in place of || for correlated effects.",
        )
    if not np.allclose(sigma, sigma.T, rtol=1e-10, atol=0.0) or np.linalg.eigvalsh(sigma)[0] < -1e-10 * np.trace(sigma):
        raise ArgumentError(
            f"The matrix of '{level.name}' is {sigma.tolist()}.",
            f"Expected a covariance matrix of {named}: symmetric, no negative eigenvalue.",
            "A negative covariance within groups is fitted by model.compound_symmetry().",
        )
    return sigma


def _square(name: str, value: Any, q: int) -> Floats:
    """A (q, q) array of finite numbers; a number alone where q is 1."""
    try:
        found = np.atleast_2d(np.asarray(value, dtype=float))
    except (TypeError, ValueError):
        found = np.full((1, 1), np.nan)
    if found.shape != (q, q) or not np.isfinite(found).all():
        raise ArgumentError(
            f"The variances of '{name}' are {value!r}.",
            f"Expected {'a finite number' if q == 1 else f'a matrix of {q} x {q} finite numbers'}.",
            "Give variances and covariances, not standard deviations.",
        )
    return found
