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
    _require_same(design, fit.design)
    if isinstance(fit, CompoundSymmetry):
        covariance = np.array([[fit.covariance]])
        return VarianceValues((covariance,), fit.variance - fit.covariance, f"compound symmetry by {fit.method}")
    found = fit.parameters
    source = f"estimates by {fit.method}" if isinstance(fit, LikelihoodFit) else "posterior means of the variances"
    covariances = tuple(sigma.mean(axis=(0, 1)) for sigma in found.covariances)
    return VarianceValues(covariances, float((found.sigma**2).mean()), source)


def _require_same(design: Design, other: Design) -> None:
    """Refuse a fit of another model, or of other data."""
    same = other is design or (
        other.values.shape == design.values.shape
        and other.fixed_names == design.fixed_names
        and [(v.name, v.effect_names, v.blocks) for v in other.levels]
        == [(v.name, v.effect_names, v.blocks) for v in design.levels]
        and all(
            np.array_equal(a.grouping.codes, b.grouping.codes) for a, b in zip(other.levels, design.levels, strict=True)
        )
        and np.array_equal(other.values, design.values)
        and np.array_equal(other.response, design.response)
        and np.array_equal(_weights(other), _weights(design))
    )
    if not same:
        raise ArgumentError(
            f"The fit is of {other.specification.formula} on {other.n} rows.",
            f"Expected one of this model, {design.specification.formula} on {design.n} rows, and its data.",
            "Ask the model that was fitted.",
        )


def _weights(design: Design) -> Floats:
    return np.ones(design.n) if design.weights is None else design.weights


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
