"""A fit by other means: dense algebra at its own estimate, and mixedlm from start to end.

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


@dataclass(frozen=True)
class SmallSample:
    """Satterthwaite's and Kenward & Roger's numbers for every fixed effect, from (n, n) matrices."""

    satterthwaite_df: Floats
    kenward_roger_se: Floats
    observed: Floats  # eigenvalues of the observed information on the variances, scaled to a diagonal of 1
    expected: Floats  # and of the expected one


def small_sample(fit: bx.LikelihoodFit) -> SmallSample:
    """Kenward & Roger (1997), eq. 5, and Giesbrecht & Burns (1985), with variances relative to sigma^2."""
    problem, _ = dense_problem(fit)
    X, jacobian = _orthogonal(problem.X)
    bases, at = _variance_bases(fit)
    inverse = np.linalg.inv(np.tensordot(at, bases, 1))
    phi = np.linalg.inv(X.T @ inverse @ X)
    moved = [one @ inverse @ X for one in bases]
    P = np.array([-X.T @ inverse @ one for one in moved])
    Q = np.array([[one.T @ inverse @ two for two in moved] for one in moved])
    K = inverse - inverse @ X @ phi @ X.T @ inverse
    restricted = [K @ one for one in bases]
    expected = np.array([[np.sum(one * two.T) / 2 for two in restricted] for one in restricted])
    lost = restricted if fit.solution.reml else [inverse @ one for one in bases]
    Ky = K @ problem.y / fit.sigma
    pulled = [one @ Ky for one in bases]
    observed = np.array([[one @ K @ two for two in pulled] for one in pulled])
    observed -= np.array([[np.sum(one * two.T) / 2 for two in lost] for one in lost])
    (spread, observed_sizes), (weights, sizes) = _inverse_information(observed), _inverse_information(expected)
    total = np.tensordot(weights, Q, 2) - (P @ phi @ np.tensordot(weights, P, 1)).sum(axis=0)
    adjusted = phi + 2 * phi @ total @ phi
    contrasts = np.linalg.inv(jacobian)
    slopes = np.einsum("ca,kab,cb->ck", contrasts @ phi, P, contrasts @ phi)
    variances = np.einsum("ca,ab,cb->c", contrasts, phi, contrasts)
    df = 2 * variances**2 / np.einsum("ck,kl,cl->c", slopes, spread, slopes)
    errors = fit.sigma * np.sqrt(np.diag(contrasts @ adjusted @ contrasts.T))
    return SmallSample(df, errors, observed_sizes, sizes)


def _variance_bases(fit: bx.LikelihoodFit) -> tuple[Floats, Floats]:
    """V = sum of parameters times these, (k, n, n), the residual variance 1 the first of the parameters."""
    design = fit.design
    weights = np.ones(design.n) if design.weights is None else design.weights
    bases, at = [np.diag(1 / weights)], [1.0]
    for level, factor in zip(design.levels, fit.solution.factors, strict=True):
        codes = level.grouping.codes
        same = codes[:, None] == codes[None, :]
        for start, stop in level.blocks:
            Z, T = _orthogonal(design.values[:, level.places[start:stop]])
            root = (T.astype(np.longdouble) @ factor[start:stop, start:stop].astype(np.longdouble)).astype(float)
            for row, column in zip(*np.tril_indices(stop - start), strict=True):
                matrix = np.outer(Z[:, row], Z[:, column])
                bases.append(np.where(same, matrix if row == column else matrix + matrix.T, 0.0))
                at.append(float(root[row] @ root[column]))
    return np.array(bases), np.array(at)


def _inverse_information(information: Floats) -> tuple[Floats, Floats]:
    """Over the directions about which there is some, and the eigenvalues that tell."""
    scale = np.sqrt(np.abs(np.diag(information)))
    scale[scale == 0] = 1.0
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    known = values > 1e-10
    part = vectors[:, known] / scale[:, None]
    return part / values[known] @ part.T, values
