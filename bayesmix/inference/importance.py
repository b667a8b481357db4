"""The integral of a density from somewhere near its mode, by importance sampling with a t proposal that adapts to it.

Bugallo et al. (2017), IEEE Signal Processing Magazine 34(4):60-79; diagnosis by Vehtari et al. (2024), J. Mach. Learn.
Res. 25(72).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.special import gammaln, logsumexp

Floats = NDArray[np.float64]
LogDensity = Callable[[Floats], Floats]

# Degrees of freedom of the proposal: tails heavier than those of a posterior in logarithms and log odds.
DF = 5.0
# Draws of every stage of the adaptation, and stages at most.
STAGE, STAGES = 600, 8
# Of a stage's weights, tempered if need be, so large a part must count for moments; from the other on it is done.
TEMPERED, ENOUGH = 0.15, 0.6
# Times that the last stage is done again, its proposal fitted to the one before, where its error is not reliable.
TRIES = 3
# Points to look at before the search of the mode, and times it begins anew: a first step may go too far.
LOOKED_AT, RESTARTS = 200, 6
# Shape of the tail of the weights beyond which their variance is no error, and the share of draws that must count: with
# less a proposal of a few dimensions misses tails that it should have seen.
LARGEST_K, LEAST_SHARE = 0.7, 0.1
_FAR_BELOW = -1e250


@dataclass(frozen=True)
class ImportanceEstimate:
    """A log integral.

    Parameters
    ----------
    value, se : float
        And its Monte Carlo error.
    effective : float
        As many draws from the density itself tell as much.
    pareto_k : float
        Shape of the tail of the importance weights; -inf of a density without coordinates.
    draws : int
    """

    value: float
    se: float
    effective: float
    pareto_k: float
    draws: int

    @property
    def reliable(self) -> bool:
        """Whether the error is one."""
        if not np.isfinite(self.value) or not np.isfinite(self.se):
            return False
        return self.pareto_k < LARGEST_K and self.effective >= LEAST_SHARE * self.draws


@dataclass(frozen=True)
class _Proposal:
    """A t distribution with scale matrix RR', stretched along each of the axes R, to either side by its own factor.

    Geweke (1989), Econometrica 57:1317-1339, section 5: the logarithm of an sd about which little is known has a long
    tail to the left only.

    Parameters
    ----------
    centre : (d,) array
    root : (d, d) array
        R, lower triangular.
    sides : (2, d) array
        Factors below and above the centre.
    """

    centre: Floats
    root: Floats
    sides: Floats

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """n points (n, d) and their log densities (n,)."""
        d = len(self.centre)
        wide = np.sqrt(DF / rng.chisquare(DF, size=n))
        noise = rng.standard_normal((n, d)) * wide[:, None]
        stretch = np.where(noise < 0, self.sides[0], self.sides[1])
        constant = gammaln((DF + d) / 2) - gammaln(DF / 2) - 0.5 * d * np.log(DF * np.pi)
        constant -= np.log(np.abs(np.diag(self.root))).sum()
        logs = constant - 0.5 * (DF + d) * np.log1p((noise**2).sum(axis=1) / DF) - np.log(stretch).sum(axis=1)
        return self.centre + (noise * stretch) @ self.root.T, logs


def integrate(log_density: LogDensity, near: Floats, rng: np.random.Generator, draws: int = 8000) -> ImportanceEstimate:
    """Log of the integral of a density over R^d, without draws from it.

    From the densest of some points the mode is searched; a t proposal with the curvature there is moved to the mean and
    covariance of its weighted draws, with weights tempered as long as few of them count, until most do. The integral is
    the mean weight of fresh draws, and its error that of a mean of independent numbers.

    Parameters
    ----------
    log_density : callable
        From (m, d) points to (m,) log densities, not normalised; -inf where the density is 0.
    near : (m, d) array
        Points that may be far from the mode, but give the size of steps; more than d.
    rng : Generator
    draws : int
        Of the last stage.

    Returns
    -------
    ImportanceEstimate

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> near = rng.normal(0, 1, size=(100, 1))
    >>> found = integrate(lambda x: -0.5 * ((x[:, 0] - 30) / 2) ** 2, near, rng)
    >>> round(found.value, 1), round(float(np.log(2 * np.sqrt(2 * np.pi))), 1)
    (1.6, 1.6)
    >>> found.reliable
    True
    """
    d = near.shape[1]
    if d == 0:
        return ImportanceEstimate(float(log_density(near[:1])[0]), 0.0, 1.0, -np.inf, 1)
    proposal = _at_mode(log_density, near)
    for stage in range(STAGES):
        points, own = proposal.draw(STAGE, rng)
        logs = log_density(points) - own
        if not np.isfinite(logs).any():
            break
        proposal = _moved(points, logs)
        if stage > 0 and _counting(logs) > ENOUGH * STAGE:
            break
    found = _estimate(log_density, proposal, draws, rng)
    for _ in range(TRIES if found[0].effective > 0.01 * draws else 0):
        if found[0].reliable or not np.isfinite(found[0].value):
            break
        found = _estimate(log_density, _moved(*found[1:]), draws, rng)
    return found[0]


def _estimate(
    log_density: LogDensity, proposal: _Proposal, draws: int, rng: np.random.Generator
) -> tuple[ImportanceEstimate, Floats, Floats]:
    """The mean weight of draws, with the draws and their log weights."""
    points, own = proposal.draw(draws, rng)
    logs = log_density(points) - own
    if not np.isfinite(logs).any():
        return ImportanceEstimate(-np.inf, np.inf, 0.0, np.inf, draws), points, logs
    weights = np.exp(logs - logs.max())
    value = float(np.log(weights.mean()) + logs.max())
    se = float(weights.std(ddof=1) / weights.mean() / np.sqrt(draws))
    return ImportanceEstimate(value, se, _counting(logs), pareto_k(logs), draws), points, logs


def pareto_k(logs: Floats) -> float:
    """Shape of the tail of weights, given their logarithms; above 0.7 a mean of them is decided by what was not seen.

    Vehtari et al. (2024), J. Mach. Learn. Res. 25(72), section 2.3.
    """
    from arviz_stats.base import array_stats

    flat = logs.ravel()[np.isfinite(logs.ravel())]
    if np.ptp(flat) < 1e-9:
        return -np.inf
    # ArviZ takes log likelihoods, whose negative are the log weights.
    return float(array_stats.psislw(flat.max() - flat)[1])


def _counting(logs: Floats) -> float:
    """Effective sample size of weights: squared sum over sum of squares."""
    return float(np.exp(2 * logsumexp(logs) - logsumexp(2 * logs)))


def _moved(points: Floats, logs: Floats) -> _Proposal:
    """Fitted to weighted draws, the weights raised to the largest power at which enough of them count.

    The axes are those of the covariance; along each the centre is the median, and the two factors are the roots of the
    mean squares to either side.
    """
    n, d = points.shape
    inside = np.isfinite(logs)
    points, logs = points[inside], logs[inside] - logs[inside].max()
    wanted = min(max(TEMPERED * n, 10 * d), 0.9 * len(logs))
    power = 1.0
    if _counting(logs) < wanted:
        power = float(brentq(lambda x: _counting(x * logs) - wanted, 0.0, 1.0))
    weights = np.exp(power * logs)
    weights /= weights.sum()
    mean = weights @ points
    apart = points - mean
    root = _root((apart * weights[:, None]).T @ apart)
    along = np.linalg.solve(root, apart.T).T
    middle, sides = np.empty(d), np.ones((2, d))
    for k in range(d):
        order = np.argsort(along[:, k])
        middle[k] = along[order[np.searchsorted(np.cumsum(weights[order]), 0.5)], k]
        from_middle = along[:, k] - middle[k]
        for side, there in enumerate((from_middle < 0, from_middle > 0)):
            if weights[there].sum() > 0.1:
                sides[side, k] = np.sqrt(weights[there] @ from_middle[there] ** 2 / weights[there].sum())
    return _Proposal(mean + root @ middle, root, sides)


def _at_mode(log_density: LogDensity, near: Floats) -> _Proposal:
    """A proposal with the curvature at the mode, searched in coordinates in which the points are round."""
    d = near.shape[1]
    centre = near.mean(axis=0)
    axes = _root(np.atleast_2d(np.cov(near, rowvar=False)))
    looked = near[:: max(1, len(near) // LOOKED_AT)]
    start = np.linalg.solve(axes, looked[int(np.argmax(log_density(looked)))] - centre)

    def value(z: Floats) -> Floats:
        return np.asarray(np.maximum(log_density(centre + z @ axes.T), _FAR_BELOW))

    def with_slope(z: Floats) -> tuple[float, Floats]:
        step = 1e-4
        found = value(z + step * np.vstack([np.zeros(d), np.eye(d), -np.eye(d)]))
        slope = (found[1 : d + 1] - found[d + 1 :]) / (2 * step)
        return -float(found[0]), -np.clip(slope, -1e100, 1e100)

    mode, height = start, -np.inf
    for _ in range(RESTARTS):
        search = minimize(with_slope, mode, jac=True, method="BFGS", options={"gtol": 1e-2, "maxiter": 200})
        mode, gain, height = search.x, -float(search.fun) - height, -float(search.fun)
        if gain < 1:
            break
    sizes, directions = np.linalg.eigh(_curvature(value, mode))
    # No wider than ten times the points, where there is hardly any curvature, or one of the wrong sign.
    spread = directions / np.sqrt(np.maximum(sizes, 0.01))
    return _Proposal(centre + axes @ mode, _root(axes @ spread @ spread.T @ axes.T), np.ones((2, d)))


def _curvature(value: LogDensity, at: Floats) -> Floats:
    """Minus the matrix of second derivatives, by central differences, (d, d); that of the points beside an edge."""
    d, step = len(at), 0.02
    pairs = [(i, j) for i in range(d) for j in range(i + 1)]
    signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
    unit = step * np.eye(d)
    around = value(np.array([at + a * unit[i] + b * unit[j] for i, j in pairs for a, b in signs]))
    found = np.zeros((d, d))
    for (i, j), (pp, pm, mp, mm) in zip(pairs, around.reshape(-1, 4), strict=True):
        edge = min(pp, pm, mp, mm) <= _FAR_BELOW
        found[i, j] = found[j, i] = float(i == j) if edge else -(pp - pm - mp + mm) / (4 * step**2)
    return np.nan_to_num(np.clip(found, -1e12, 1e12))


def _root(matrix: Floats) -> Floats:
    """B with BB' the matrix, lower triangular; directions without any extent get a little."""
    scale = np.sqrt(np.diag(matrix))
    scale = np.where(scale > 0, scale, 1e-8)
    rounded = matrix / np.outer(scale, scale)
    np.fill_diagonal(rounded, 1.0)
    return np.asarray(scale[:, None] * np.linalg.cholesky(rounded + 1e-9 * np.eye(len(matrix))))
