"""Profile likelihood: the deviance as a function of one quantity, minimised exactly over everything else.

Each point of a profile is a constrained optimum, found by Newton's method with exact derivatives. Bates et al. (2015),
J. Stat. Softw. 67(1), section 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts
from bayesmix.errors import ConvergenceError
from bayesmix.inference.charts import Chart, chain_rule, free_chart, held_chart
from bayesmix.inference.ml import MlSolution, lower_factor
from bayesmix.inference.newton import minimise
from bayesmix.likelihood.coordinates import Coordinates, fit_coordinates
from bayesmix.likelihood.derivatives import (
    Deviance,
    SecondOrder,
    absolute_deviance,
    profiled_deviance,
    second_order_pass,
)

Floats = NDArray[np.float64]

# Fresh starts have relative standard deviations of at least this: where a variance is 0, every point is stationary.
FLOOR = 0.1
# Rounding of the deviance that is forgiven, over its size.
SLACK = 1e-11


@dataclass(frozen=True)
class Quantity:
    """What is profiled.

    Parameters
    ----------
    kind : {"beta", "sigma", "sd", "corr", "cov", "theta"}
        A fixed effect, the residual sd, an sd, correlation or covariance of the effects of a level, or an entry of a
        relative factor.
    level : int
    row, column : int
        Which effects, or which fixed effect (row).
    """

    kind: str
    level: int = 0
    row: int = 0
    column: int = 0

    @property
    def limits(self) -> tuple[float, float]:
        """Ends of its range."""
        if self.kind == "corr":
            return -1.0, 1.0
        if self.kind in ("sd", "sigma") or (self.kind == "theta" and self.row == self.column):
            return 0.0, np.inf
        return -np.inf, np.inf


@dataclass(frozen=True)
class Point:
    """A constrained optimum: the value held, the deviance over the optimum's, and the free numbers."""

    value: float
    excess: float
    x: Floats


@dataclass(frozen=True)
class Profiler:
    """The profile of one quantity of one data set.

    Parameters
    ----------
    products : CrossProducts
    optimum : MlSolution
        Of the likelihood that is profiled.
    quantity : Quantity
    """

    products: CrossProducts
    optimum: MlSolution
    quantity: Quantity

    @cached_property
    def coordinates(self) -> Coordinates:
        """Where the optimisation happens."""
        return fit_coordinates(self.products)

    @cached_property
    def estimate(self) -> float:
        """The quantity at the optimum, in the user's units; nan for a correlation with an effect of no variance."""
        quantity, optimum = self.quantity, self.optimum
        if quantity.kind == "beta":
            return float(optimum.beta[quantity.row])
        if quantity.kind == "sigma":
            return optimum.sigma
        factor = optimum.factors[quantity.level]
        if quantity.kind == "theta":
            return float(factor[quantity.row, quantity.column])
        sigma = optimum.covariances[quantity.level]
        i, j = quantity.row, quantity.column
        units = np.linalg.norm(np.linalg.inv(self.coordinates.levels[quantity.level]), axis=1)
        none = np.sqrt(np.diag(sigma)) < 1e-4 * optimum.sigma * units
        if quantity.kind == "sd":
            return 0.0 if none[i] else float(np.sqrt(sigma[i, i]))
        if none[i] or none[j]:
            return np.nan if quantity.kind == "corr" else 0.0
        if quantity.kind == "cov":
            return float(sigma[i, j])
        return float(np.clip(sigma[i, j] / np.sqrt(sigma[i, i] * sigma[j, j]), -1, 1))

    @property
    def relative(self) -> bool:
        """Whether sigma is profiled out and the factors are relative to it."""
        return self.quantity.kind in ("beta", "theta")

    @cached_property
    def charts(self) -> tuple[Chart, ...]:
        """The blocks of all levels, the one in question turned."""
        charts = []
        quantity = self.quantity
        for number, level in enumerate(self.products.levels):
            for start, stop in level.blocks:
                inside = start <= quantity.row < stop and quantity.kind not in ("beta", "sigma")
                if number == quantity.level and inside:
                    T = self.coordinates.levels[number][start:stop, start:stop]
                    kind = "entry" if quantity.kind == "theta" else quantity.kind
                    row, column = quantity.row - start, quantity.column - start
                    charts.append(held_chart(number, start, stop, T, kind, row, column))
                else:
                    charts.append(free_chart(number, start, stop))
        return tuple(charts)

    def _charts_at(self, value: float) -> tuple[Chart, ...]:
        """The charts with the quantity held, in inner units."""
        units = {"sd": self.products.response_scale, "cov": self.products.response_scale**2}
        return tuple(chart.at(value / units.get(self.quantity.kind, 1.0)) for chart in self.charts)

    def start(self, value: float, floor: float = 0.0) -> Floats:
        """Free numbers near the optimum with the quantity held."""
        sigma = 1.0 if self.relative else self.optimum.sigma / self.products.response_scale
        factors = self.coordinates.layout.factors(self.optimum.inner_theta)
        parts = [
            chart.start_from(
                sigma * factors[chart.level][chart.start : chart.stop, chart.start : chart.stop], sigma, floor
            )
            for chart in self._charts_at(value)
        ]
        log_variance = [] if self.relative or self.quantity.kind == "sigma" else [2 * np.log(sigma)]
        return np.concatenate([log_variance, *parts])

    def deviance(self, value: float, x: Floats) -> tuple[float, Floats, Floats]:
        """The deviance with its gradient and Hessian in the free numbers (inner units)."""
        charts = self._charts_at(value)
        lead, variance = self._lead(value, x)
        at = second_order_pass(self.coordinates, self._theta(charts, x[lead:], np.sqrt(variance)))
        found = self._evaluate(at, value, variance)
        gradient, hessian = chain_rule(charts, x[lead:], found.gradient, found.hessian, 0 if self.relative else 1)
        if self.quantity.kind == "sigma":
            gradient, hessian = gradient[1:], hessian[1:, 1:]
        elif lead:
            slope = gradient[0] * variance
            scale = np.ones(len(gradient))
            scale[0] = variance
            gradient, hessian = gradient * scale, hessian * np.outer(scale, scale)
            hessian[0, 0] += slope
        return found.value, gradient, hessian

    def _evaluate(self, at: SecondOrder, value: float, variance: float) -> Deviance:
        """The deviance in the entries of the covariance matrices."""
        n, reml = self.products.n, self.optimum.reml
        if self.quantity.kind == "theta":
            return profiled_deviance(at, n, reml)
        if self.quantity.kind == "beta":
            return profiled_deviance(self._with_fixed(at, value), n, False)
        return absolute_deviance(at, n, variance, reml)

    def _with_fixed(self, at: SecondOrder, value: float) -> SecondOrder:
        """The same pass with one fixed effect held: its column leaves X, the response becomes y - value * column."""
        products, k = self.products, self.quantity.row
        basis = products.fixed_basis
        others = np.linalg.qr(np.delete(basis, k, axis=1))[0]
        own = basis[:, k]
        for _ in range(2):  # what the other columns make up for is rounding when it is large
            own = own - others @ (others.T @ own)
        move = np.eye(products.width)
        move[:, -1] += (products.response_fit[k] - value) / products.response_scale * own
        R1, R2 = move.T @ at.R1 @ move, move.T @ at.R2 @ move
        return replace(at, fixed_basis=others, R=move.T @ at.R @ move, R1=R1, R2=R2)

    def _theta(self, charts: tuple[Chart, ...], x: Floats, sigma: float) -> Floats:
        """Free entries of the relative factors in fit coordinates."""
        layout = self.coordinates.layout
        factors = [np.zeros((level.n_effects, level.n_effects)) for level in layout.levels]
        begin = 0
        for chart in charts:
            stop = begin + chart.logarithms + len(chart.places)
            part = slice(chart.start, chart.stop)
            L, _, _ = chart.factor(x[begin:stop])
            factors[chart.level][part, part] = lower_factor(chart.back @ L) / sigma
            begin = stop
        return layout.theta(tuple(factors))

    def factors(self, point: Point) -> tuple[Floats, ...]:
        """Relative covariance factors of every level at a constrained optimum, in the user's coordinates."""
        lead, variance = self._lead(point.value, point.x)
        theta = self._theta(self._charts_at(point.value), point.x[lead:], np.sqrt(variance))
        inner = self.coordinates.layout.factors(theta)
        return tuple(np.linalg.solve(T, factor) for T, factor in zip(self.coordinates.levels, inner, strict=True))

    def _lead(self, value: float, x: Floats) -> tuple[int, float]:
        """How many free numbers come before those of the charts, and sigma^2 in inner units (1 where profiled out)."""
        if self.relative:
            return 0, 1.0
        if self.quantity.kind == "sigma":
            return 0, (value / self.products.response_scale) ** 2
        return 1, float(np.exp(x[0]))

    @cached_property
    def lowest(self) -> float:
        """The deviance at the optimum, in inner units."""
        return self._minimise(self.estimate, [self.start(self.estimate)])[0]

    def point(self, value: float, x: Floats | None = None, fresh: bool = False) -> Point:
        """The constrained optimum at a value, from the free numbers of a neighbour.

        Parameters
        ----------
        fresh : bool
            Start from the optimum too, with no variance near 0.

        Raises
        ------
        ConvergenceError
            No start led to an optimum, or to one below that of the fit.
        """
        start = self.start(value)
        starts = [start if x is None or len(x) != len(start) else x]
        if fresh:
            starts.append(self.start(value, FLOOR))
        deviance, found = self._minimise(value, starts)
        excess = deviance - self.lowest
        if excess < -1e-6 - SLACK * abs(self.lowest):
            raise ConvergenceError(
                f"A deviance {-excess:.2g} below that of the fit was found at {value:g}.",
                "Expected none below it.",
                "Fit again from other starting points, Optimizer(scales=...), and profile that fit.",
            )
        return Point(value, max(excess, 0.0), found)

    def _minimise(self, value: float, starts: list[Floats]) -> tuple[float, Floats]:
        """The best of several descents."""
        best: tuple[float, Floats] | None = None
        for start in starts:
            deviance, x, found = minimise(lambda x: self.deviance(value, x), start)
            if found and (best is None or deviance < best[0]):
                best = deviance, x
        if best is None:
            raise ConvergenceError(
                f"The deviance could not be minimised with the {self.quantity.kind} held at {value:g}.",
                "Expected an optimum of the other parameters.",
                "Simplify the random part, or centre and scale the predictors.",
            )
        return best
