"""A fit's criterion by two other programs: dense algebra at its own estimate, and mixedlm from start to end.

Both are given the columns of the design, orthogonal where the model allows it: full blocks of effects and the fixed
effects span the same models in any basis, and then neither has an excuse for digits lost.
"""

import warnings
from dataclasses import dataclass, replace

import mixedlm
import numpy as np
import pandas as pd
from numpy.typing import NDArray

import bayesmix as bx
from tests import dense
from tests.frames import dense_problem

Floats = NDArray[np.float64]


def dense_criterion(fit: bx.LikelihoodFit) -> float:
    """-2 log (restricted) likelihood at the fit's covariances, from V itself.

    Z Lambda is formed in long double: far from 0, a slope and its intercept all but cancel.
    """
    problem, _ = dense_problem(fit)
    reml = fit.solution.reml
    X, jacobian = _orthogonal(problem.X)
    factors = fit.solution.factors
    columns = tuple(
        (own.astype(np.longdouble) @ factor.astype(np.longdouble)).astype(float)
        for own, factor in zip(problem.columns, factors, strict=True)
    )
    inner = replace(problem, X=X, columns=columns)
    value = dense.profiled_deviance(inner, [np.eye(len(factor)) for factor in factors], reml)
    return float(value + (2 * np.log(np.abs(np.diag(jacobian))).sum() if reml else 0.0))


@dataclass(frozen=True)
class Refit:
    """What mixedlm found, in the user's columns."""

    criterion: float
    beta: Floats
    vcov: Floats
    sigma: float
    covariances: tuple[Floats, ...]


def refit(fit: bx.LikelihoodFit) -> Refit | None:
    """The same model by mixedlm; None where it gives up."""
    design, reml = fit.design, fit.solution.reml
    X, jacobian = _orthogonal(design.fixed_values)
    rest = design.response - design.offset
    unit = float(rest.std())
    frame = pd.DataFrame({"y": rest / unit, **{f"x{i}": column for i, column in enumerate(X.T)}})
    bars, maps = [], []
    for number, level in enumerate(design.levels):
        frame[f"g{number}"] = pd.Categorical([f"g{code}" for code in level.grouping.codes])
        T = np.zeros((len(level.effects),) * 2)
        for start, stop in level.blocks:
            own = design.values[:, level.places[start:stop]]
            columns, T[start:stop, start:stop] = _orthogonal(own)
            names = [f"z{number}_{i}" for i in range(start, stop)]
            frame = frame.assign(**dict(zip(names, columns.T, strict=True)))
            bars.append(f"(0 + {' + '.join(names)} | g{number})")
        maps.append(T)
    fixed = " + ".join(f"x{i}" for i in range(X.shape[1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = mixedlm.lmer(f"y ~ 0 + {fixed} + {' + '.join(bars)}", frame, REML=reml, weights=design.weights)
        except RuntimeError:
            return None
    nu = design.n - X.shape[1] if reml else design.n
    shift = 2 * nu * np.log(unit) + (2 * np.log(np.abs(np.diag(jacobian))).sum() if reml else 0.0)
    back = np.linalg.inv(jacobian)
    sigma = float(found.sigma) * unit
    return Refit(
        float(found.deviance + shift),
        back @ found.beta * unit,
        back @ found.vcov() @ back.T * unit**2,
        sigma,
        tuple(_covariances(fit, found.theta, maps, sigma)),
    )


def _orthogonal(columns: Floats) -> tuple[Floats, Floats]:
    """Columns = found @ T, those found orthogonal with mean square 1, T upper triangular."""
    Q, R = np.linalg.qr(columns)
    root = np.sqrt(len(columns))
    return Q * root, R / root


def _covariances(fit: bx.LikelihoodFit, theta: Floats, maps: list[Floats], sigma: float) -> list[Floats]:
    """Sigma of each level from mixedlm's factors, block after block and row by row."""
    found, at = [], 0
    for level, T in zip(fit.design.levels, maps, strict=True):
        factor = np.zeros_like(T)
        for start, stop in level.blocks:
            rows, columns = np.tril_indices(stop - start)
            factor[start + rows, start + columns] = theta[at : at + len(rows)]
            at += len(rows)
        root = np.linalg.solve(T, factor) * sigma
        found.append(root @ root.T)
    return found
