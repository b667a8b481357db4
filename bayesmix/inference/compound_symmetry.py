"""Compound symmetry: one correlation within groups, which may be negative, by (restricted) maximum likelihood.

V_g = sigma^2 (I + omega 11') with omega > -1/n_max, where a varying intercept has omega >= 0. Groups differ to the
likelihood by their sizes alone: those of n rows are added up before anything is searched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq, minimize_scalar

from bayesmix.design import CrossProducts
from bayesmix.errors import ConvergenceError, DesignError

Floats = NDArray[np.float64]

# The search runs over s = log(1 + omega n_max), the whole line; further to the left rounding makes optima of its own.
LOWEST, HIGHEST = -16.0, 25.0
STARTS = 206


@dataclass(frozen=True)
class SymmetrySums:
    """What the likelihood of compound symmetry reads.

    Parameters
    ----------
    n : int
        Rows.
    sizes : (k,) array
        The distinct numbers of rows of a group, the last the largest.
    counts : (k,) array
        Groups of each size.
    within : (p + 1, p + 1) array
        W'W about the means of the groups, W the columns of the fixed effects in an orthonormal basis and the response.
    between : (k, p + 1, p + 1) array
        Sum over the groups of a size of s s', s the sums of W over a group's rows.
    triangle : (p, p) array
        T of the basis: coefficients there are T (beta - response_fit) / response_scale.
    response_fit : (p,) array
    response_scale : float
    """

    n: int
    sizes: Floats
    counts: Floats
    within: Floats
    between: Floats
    triangle: Floats
    response_fit: Floats
    response_scale: float

    @property
    def n_fixed(self) -> int:
        """Number of fixed effects p."""
        return len(self.triangle)


def symmetry_sums(products: CrossProducts) -> SymmetrySums:
    """Add groups of one size up; the cross-products are those of a single level, without weights."""
    basis, triangle = np.linalg.qr(products.fixed_basis)
    maps = np.zeros((products.width, products.n_fixed + 1))
    maps[:, :-1], maps[-1, -1] = basis, 1.0
    sums = products.sums[:, 0] @ maps
    sizes, kind = np.unique(products.sizes, return_inverse=True)
    between = np.zeros((len(sizes), *maps.shape[1:] * 2))
    np.add.at(between, kind, sums[:, :, None] * sums[:, None, :])
    within = maps.T @ products.total @ maps - np.tensordot(1 / sizes, between, axes=1)
    return SymmetrySums(
        products.n,
        sizes,
        np.bincount(kind).astype(float),
        within,
        between,
        triangle,
        products.response_fit,
        products.response_scale,
    )


@dataclass(frozen=True)
class SymmetryPoint:
    """The criterion at one omega, sigma and beta at their optima, with its derivatives.

    With d = 1 + omega n: log|V| = sum log d and R = W'V^-1W = S - sum (omega/d) s s'. As 1/n - omega/d = 1/(n d) this
    is the products within groups plus s s'/(n d), a sum in which no digits are lost; (1/(n d))' = -1/d^2.

    Parameters
    ----------
    sums : SymmetrySums
    reml : bool
    s : float
        log(1 + omega n_max).
    """

    sums: SymmetrySums
    reml: bool
    s: float

    @cached_property
    def omega(self) -> float:
        """Covariance within groups over sigma^2."""
        return float(np.expm1(self.s) / self.sums.sizes[-1])

    @cached_property
    def d(self) -> Floats:
        """1 + omega n of each size, without cancellation where the largest nearly vanishes."""
        share = self.sums.sizes / self.sums.sizes[-1]
        return np.asarray((1 - share) + np.exp(self.s) * share)

    @property
    def nu(self) -> int:
        """Rows the residual variance is estimated from."""
        return self.sums.n - self.sums.n_fixed if self.reml else self.sums.n

    @cached_property
    def products(self) -> Floats:
        """R, (p + 1, p + 1)."""
        return self.sums.within + self._weighted(1 / (self.sums.sizes * self.d))

    @cached_property
    def inverse(self) -> Floats:
        """R_xx^-1."""
        return np.asarray(np.linalg.inv(self.products[:-1, :-1]))

    @cached_property
    def direction(self) -> Floats:
        """v: minus the fixed effects, and 1."""
        return np.append(-self.inverse @ self.products[:-1, -1], 1.0)

    @cached_property
    def r2(self) -> float:
        """Generalised residual sum of squares."""
        return float(self.direction @ self.products @ self.direction)

    @cached_property
    def value(self) -> float:
        """-2 log (restricted) likelihood, in the user's units."""
        sums = self.sums
        variance = self.r2 / self.nu * sums.response_scale**2
        found = sums.counts @ np.log(self.d) + self.nu * (1 + np.log(2 * np.pi * variance))
        if self.reml:
            found += np.linalg.slogdet(self.products[:-1, :-1])[1] + 2 * np.linalg.slogdet(sums.triangle)[1]
        return float(found)

    @cached_property
    def slope(self) -> float:
        """Derivative of the value in omega."""
        R1, v = self._weighted(-(self.d**-2)), self.direction
        found = self.sums.counts @ (self.sums.sizes / self.d) + self.nu * (v @ R1 @ v) / self.r2
        if self.reml:
            found += np.sum(self.inverse * R1[:-1, :-1])
        return float(found)

    @cached_property
    def hessian(self) -> Floats:
        """Second derivatives in (omega, log sigma^2), (2, 2), neither profiled out."""
        R1, R2, v = self._weighted(-(self.d**-2)), self._weighted(2 * self.sums.sizes / self.d**3), self.direction
        moved = (R1 @ v)[:-1]
        squares = v @ R2 @ v - 2 * moved @ self.inverse @ moved
        logs = -self.sums.counts @ (self.sums.sizes / self.d) ** 2
        if self.reml:
            step = self.inverse @ R1[:-1, :-1]
            logs += np.sum(self.inverse * R2[:-1, :-1]) - np.sum(step * step.T)
        share = self.nu / self.r2
        mixed = -share * (v @ R1 @ v)
        return np.array([[logs + share * squares, mixed], [mixed, float(self.nu)]])

    def _weighted(self, weights: Floats) -> Floats:
        """Sum over the sizes of weight s s'."""
        return np.asarray(np.tensordot(weights, self.sums.between, axes=1))


@dataclass(frozen=True)
class SymmetrySolution:
    """The optimum, in the user's units.

    Parameters
    ----------
    reml : bool
    beta : (p,) array
    vcov : (p, p) array
    omega : float
        Covariance within groups over sigma^2.
    sigma2 : float
        Variance less covariance, what the rows of a group do not share.
    information : (2, 2) array
        Covariance matrix of (omega, log sigma^2), from the observed information.
    criterion, independent : float
        -2 log (restricted) likelihood here, and with omega = 0.
    omega_interval : (low, high)
        Profile likelihood interval of omega.
    unbounded : bool
        Whether the likelihood is higher at the lower end of the range.
    largest : int
        Rows of the largest group.
    """

    reml: bool
    beta: Floats
    vcov: Floats
    omega: float
    sigma2: float
    information: Floats
    criterion: float
    independent: float
    omega_interval: tuple[float, float]
    unbounded: bool
    largest: int


def fit_compound_symmetry(products: CrossProducts, reml: bool, prob: float) -> SymmetrySolution:
    """Search the criterion over omega in (-1/n_max, infinity), from a grid so that no second optimum is missed.

    Where the fixed effects can fit the sums of all groups of the largest size, the likelihood is unbounded at the lower
    end of the range (or flat there, if restricted): the estimate is the best maximum inside.

    Parameters
    ----------
    products : CrossProducts
        Of a single level with a varying intercept, without weights.
    reml : bool
        Restricted likelihood or not.
    prob : float
        Coverage of the interval of omega.

    Raises
    ------
    ConvergenceError
        No maximum inside: the residuals of the groups sum to nothing, or do not vary within them.
    DesignError
        The fixed effects fit the means of the groups without error, so that the data say nothing of a correlation.
    """
    sums = symmetry_sums(products)
    _require_groups(sums)

    def at(s: float) -> SymmetryPoint:
        return SymmetryPoint(sums, reml, s)

    grid = np.linspace(LOWEST, HIGHEST, STARTS)
    values = np.array([at(float(s)).value for s in grid])
    dips = _dips(values)
    if len(dips) == 0:
        low = values[0] < values[-1]
        end = "the largest groups sum to nothing" if low else "each group are all equal"
        raise ConvergenceError(
            f"The likelihood has no maximum inside its range: it rises up to the end, as if the residuals of {end}.",
            "Expected residuals that vary between groups and within them, and several groups of the largest size.",
            "Look at the data: a response made to sum to a constant in each group has no free correlation, and the sum "
            "of one largest group can be fitted by the fixed effects.",
        )
    place = int(dips[values[dips].argmin()])
    best = _optimum(at, float(grid[place - 1]), float(grid[place + 1]))
    interval = _interval(at, grid, values, best, float(stats.chi2.ppf(prob, 1)))
    return _in_units(best, at(0.0).value, interval, bool(values[0] < best.value))


def _require_groups(sums: SymmetrySums) -> None:
    """Refuse fixed effects that span the groups: with P = I - X (X'X)^-1 X' nothing is left of Z'P Z."""
    squares = sums.between[:, :-1, :-1]
    total = sums.within[:-1, :-1] + np.tensordot(1 / sums.sizes, squares, axes=1)
    explained = np.trace(np.linalg.solve(total, squares.sum(axis=0)))
    if not explained < (1 - 1e-8) * sums.n:
        raise DesignError(
            "The fixed effects fit the means of the groups without error.",
            "Expected groups that differ in more than their predictors.",
            "Leave out the fixed effects of the groups; a correlation within groups can not be told beside them.",
        )


def _dips(values: Floats) -> NDArray[np.int64]:
    """Places of local minima with a higher value somewhere on both sides; a plateau has some from rounding."""
    inside = 1 + np.flatnonzero((values[1:-1] < values[:-2]) & (values[1:-1] <= values[2:]))
    before, after = np.maximum.accumulate(values), np.maximum.accumulate(values[::-1])[::-1]
    return np.asarray(inside[np.minimum(before, after)[inside] > values[inside] + 1e-6])


def _optimum(at: Callable[[float], SymmetryPoint], low: float, high: float) -> SymmetryPoint:
    """The lowest point between two of the grid: a search, and Newton's steps for its last digits."""
    found = at(float(minimize_scalar(lambda s: at(s).value, bounds=(low, high), method="bounded").x))
    for _ in range(4):
        H = found.hessian
        curvature = H[0, 0] - H[0, 1] ** 2 / H[1, 1]
        if not curvature > 0:
            break
        share = 1 + (found.omega - found.slope / curvature) * found.sums.sizes[-1]
        if not np.exp(low) < share < np.exp(high):
            break
        found = at(float(np.log(share)))
    return found


def _in_units(
    best: SymmetryPoint, independent: float, interval: tuple[float, float], unbounded: bool
) -> SymmetrySolution:
    """The optimum for the user's response and columns."""
    sums = best.sums
    sigma2 = best.r2 / best.nu * sums.response_scale**2
    half = np.linalg.solve(sums.triangle, best.inverse) * sigma2
    return SymmetrySolution(
        reml=best.reml,
        beta=sums.response_fit - sums.response_scale * np.linalg.solve(sums.triangle, best.direction[:-1]),
        vcov=np.linalg.solve(sums.triangle, half.T),
        omega=best.omega,
        sigma2=sigma2,
        information=2 * np.linalg.inv(best.hessian),
        criterion=best.value,
        independent=independent,
        omega_interval=interval,
        unbounded=unbounded,
        largest=int(sums.sizes[-1]),
    )


def _interval(
    at: Callable[[float], SymmetryPoint], grid: Floats, values: Floats, best: SymmetryPoint, rise: float
) -> tuple[float, float]:
    """Where the profiled criterion has risen so far on both sides; the end of the range where it does not."""
    goal = best.value + rise
    found = []
    for side, end in ((-1, -1 / best.sums.sizes[-1]), (1, np.inf)):
        beyond = grid[(side * (grid - best.s) > 0) & (values > goal)]
        if len(beyond) == 0:
            found.append(float(end))
            continue
        stop = float(beyond[np.abs(beyond - best.s).argmin()])
        found.append(at(float(brentq(lambda s: at(s).value - goal, best.s, stop, xtol=1e-12))).omega)
    return found[0], found[1]
