"""Bounds and curves of a profile: each bound is a root of the profile itself and not of an interpolation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from bayesmix.errors import ConvergenceError
from bayesmix.inference.profile import Point, Profiler
from bayesmix.inference.threads import one_blas_thread


@dataclass(frozen=True)
class Bound:
    """One end of a profile interval.

    Parameters
    ----------
    value : float
        nan where none was found.
    boundary : bool
        The deviance stays below its limit up to the end of the range.
    monotone : bool
        The deviance was never seen to fall on the way from the estimate.
    """

    value: float
    boundary: bool
    monotone: bool


def profile_interval(profiler: Profiler, excess: float) -> tuple[Bound, Bound]:
    """Where the profile deviance exceeds its minimum by so much, below and above the estimate.

    Raises
    ------
    ConvergenceError
        A constrained optimum was not found.
    """
    with one_blas_thread():
        return _bound(profiler, -1, excess), _bound(profiler, 1, excess)


def profile_curve(profiler: Profiler, excess: float, points: int) -> list[tuple[float, float]]:
    """Values with their excess deviance, from one bound to the other, the estimate in between.

    Parameters
    ----------
    excess : float
        How far the curve goes on both sides.
    points : int
        On each side.
    """
    with one_blas_thread():
        centre = profiler.estimate, 0.0
        sides = []
        for direction in (-1, 1):
            end = _bound(profiler, direction, excess).value
            point = profiler.point(profiler.estimate)
            side = []
            for value in np.linspace(profiler.estimate, end, points + 1)[1:] if end != profiler.estimate else []:
                point = profiler.point(float(value), point.x)
                side.append((point.value, point.excess))
            sides.append(side)
    return [*reversed(sides[0]), centre, *sides[1]]


def _bound(profiler: Profiler, direction: int, excess: float) -> Bound:
    """Walk outward until the deviance is high enough, find the root, and try it from fresh starts."""
    limit = profiler.quantity.limits[(direction + 1) // 2]
    if profiler.estimate == limit:
        return Bound(limit, True, True)
    for fresh in (False, True):
        inside, outside, monotone = _bracket(profiler, direction, limit, excess, fresh)
        if outside is None:
            return Bound(limit, True, monotone)
        root = _root(profiler, inside, outside, excess, fresh)
        again = profiler.point(root.value, root.x, True)
        if abs(again.excess - excess) < 1e-5 * max(1.0, excess):
            return Bound(root.value, False, monotone)
    raise ConvergenceError(
        f"The profile of the {profiler.quantity.kind} jumps near {root.value:g}.",
        "Expected a continuous profile.",
        "Read the profile itself, fit.profile(...), or use method='bootstrap'.",
    )


def _bracket(
    profiler: Profiler, direction: int, limit: float, excess: float, fresh: bool
) -> tuple[Point, Point | None, bool]:
    """The last point below the excess and the first above it (None: the limit is reached below it)."""
    centre = profiler.estimate
    inside, monotone = profiler.point(centre), True
    step = _first_step(profiler)
    for _ in range(200):
        value = centre + direction * step
        if profiler.quantity.kind == "sigma" and direction < 0:
            value = centre * np.exp(-step / centre)  # 0 is never reached
        elif direction * (value - limit) >= 0:
            value = limit
        point = profiler.point(float(value), inside.x, fresh)
        monotone = monotone and bool(point.excess > inside.excess - 1e-6)
        if point.excess >= excess:
            return inside, point, monotone
        if value == limit:
            return point, None, monotone
        inside = point
        ahead = 1.05 * np.sqrt(excess / max(point.excess, 1e-12))
        step *= float(np.clip(ahead, 1.1, 2.0))
    raise ConvergenceError(
        f"The deviance of the {profiler.quantity.kind} rises by {inside.excess:.2g} only up to {inside.value:g}.",
        f"Expected it to rise by {excess:.2f}.",
        "The data do not bound this parameter; simplify the model.",
    )


def _first_step(profiler: Profiler) -> float:
    """About a third of the way to a usual bound."""
    quantity, optimum = profiler.quantity, profiler.optimum
    if quantity.kind == "beta":
        return float(0.7 * np.sqrt(optimum.vcov[quantity.row, quantity.row]))
    if quantity.kind == "sigma":
        return float(0.5 * optimum.sigma / np.sqrt(profiler.products.n))
    if quantity.kind == "corr":
        return 0.1
    if quantity.kind == "theta":
        return float(0.1 * max(abs(profiler.estimate), np.abs(optimum.factors[quantity.level]).max(), 0.1))
    units = np.linalg.norm(np.linalg.inv(profiler.coordinates.levels[quantity.level]), axis=1) * optimum.sigma
    sds = np.maximum(np.sqrt(np.diag(optimum.covariances[quantity.level])), 0.1 * units)
    return float(0.2 * sds[quantity.row] * (sds[quantity.column] if quantity.kind == "cov" else 1.0))


def _root(profiler: Profiler, inside: Point, outside: Point, excess: float, fresh: bool) -> Point:
    """Where the deviance has risen by the excess: a root of its square root, which is nearly linear."""
    seen = {inside.value: inside, outside.value: outside}
    latest = [outside]

    def height(value: float) -> float:
        if value not in seen:
            seen[value] = profiler.point(value, latest[-1].x, fresh)
            latest.append(seen[value])
        return float(np.sqrt(seen[value].excess) - np.sqrt(excess))

    solve: Callable[..., float] = brentq
    value = solve(height, inside.value, outside.value, xtol=1e-10 * abs(outside.value - inside.value), rtol=1e-10)
    height(value)
    return seen[value]
