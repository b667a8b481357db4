"""The way from a start to an optimum: quasi-Newton, Newton with exact derivatives, and out of stationary traps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from bayesmix.inference.certificate import Certificate, Descent, examine
from bayesmix.inference.criterion import Criterion, theta_hessian
from bayesmix.inference.optimizer import METHODS, Optimizer
from bayesmix.inference.secant import minimise as minimise_by_secants
from bayesmix.likelihood.coordinates import Coordinates

Floats = NDArray[np.float64]


def descend(
    criterion: Criterion,
    blocks: tuple[tuple[tuple[int, int], ...], ...],
    theta: Floats,
    optimizer: Optimizer,
    hessian: Floats | None = None,
    exact: bool = True,
) -> tuple[float, Floats, Certificate]:
    """From one start to a point that passes the certificate, leaving stationary points that are no minimum.

    With an approximate Hessian by secants, else by a quasi-Newton method without one; then, unless second derivatives
    are dear (not ``exact``), by Newton's method.
    """
    for _ in range(optimizer.max_restarts + 1):
        if hessian is None:
            theta, decrement = quasi_newton(criterion, theta, optimizer), 0.0
        else:
            goal = 1e-5 if exact else 1e-12
            theta, decrement = minimise_by_secants(criterion, theta, hessian, goal, optimizer.max_iterations)
        if exact:
            theta, decrement = newton_polish(criterion, theta)
        value = criterion.at(theta)[0]
        stationarity, smallest, descent = examine(criterion.coordinates, blocks, theta, criterion.slopes(theta))
        certificate = Certificate(stationarity, smallest, decrement)
        if certificate.holds or theta.size == 0:
            break
        if descent is not None and smallest < -1e-6:
            theta = _leave(criterion, theta, descent)
        else:
            theta = _turned(criterion.coordinates, blocks, theta)
    return value, theta, certificate


def quasi_newton(criterion: Criterion, theta: Floats, optimizer: Optimizer) -> Floats:
    """The first phase: to the neighbourhood of the optimum."""
    if theta.size == 0:
        return theta
    limit, tolerance = optimizer.max_iterations, optimizer.tolerance
    if optimizer.method == "nelder-mead":
        simplex = {"maxiter": limit * theta.size, "xatol": tolerance, "fatol": tolerance, "adaptive": True}
        found = minimize(lambda at: criterion(at)[0], theta, method=METHODS[optimizer.method], options=simplex)
        return np.asarray(found.x)
    options: dict[str, float] = {"maxiter": limit, "gtol": tolerance}
    if optimizer.method == "lbfgs":
        options |= {"maxfun": 4 * limit, "ftol": 1e-11}
    found = minimize(criterion, theta, jac=True, method=METHODS[optimizer.method], options=options)
    return np.asarray(found.x)


def newton_polish(criterion: Criterion, theta: Floats) -> tuple[Floats, float]:
    """Newton steps with the exact Hessian, kept while they lower the criterion; returns the last decrement."""
    decrement = 0.0
    if theta.size == 0:
        return theta, decrement
    value, gradient = criterion(theta)
    if not np.isfinite(criterion.at(theta)[0]):  # out of range, where no step leads back
        return theta, np.inf
    for _ in range(20):
        hessian = theta_hessian(
            criterion.coordinates, criterion.second_order(theta), criterion.products.n, criterion.reml, theta
        )
        values, vectors = np.linalg.eigh(hessian)
        steep = np.abs(values) > 1e-9 * np.abs(values).max()
        along = np.where(steep, vectors.T @ gradient / np.where(steep, np.abs(values), 1.0), 0.0)
        step, decrement = -vectors @ along, float(0.5 * (gradient @ (vectors @ along)))
        moved, new_value, new_gradient = _backtrack(criterion, theta, step, value, gradient)
        if moved is None:
            break
        theta, value, gradient = moved, new_value, new_gradient
        if decrement < 1e-13 * abs(value) and np.abs(step).max() < 1e-9 * max(1.0, float(np.abs(theta).max())):
            break
    return theta, decrement


def _backtrack(
    criterion: Criterion, theta: Floats, step: Floats, value: float, gradient: Floats
) -> tuple[Floats | None, float, Floats]:
    """The longest of a few steps that does not raise the criterion, or a smaller gradient at the same value."""
    noise = criterion.noise(theta)
    for _ in range(25):
        moved = theta + step
        new_value, new_gradient = criterion(moved)
        if new_value < value - noise or (
            new_value <= value + noise and np.linalg.norm(new_gradient) < np.linalg.norm(gradient)
        ):
            return moved, new_value, new_gradient
        if np.abs(step).max() < 1e-13:
            break
        step = step / 4
    return None, value, gradient


def _leave(criterion: Criterion, theta: Floats, descent: Descent) -> Floats:
    """Add variance along a direction in which the criterion falls; the best of a range of amounts."""
    layout = criterion.coordinates.layout
    candidates = [_add_variance(layout.factors(theta), descent, 10.0**power) for power in range(-6, 3)]
    return min((layout.theta(factors) for factors in candidates), key=lambda moved: criterion(moved)[0])


def _turned(coordinates: Coordinates, blocks: tuple[tuple[tuple[int, int], ...], ...], theta: Floats) -> Floats:
    """The same covariances by other factors, with their columns filled from the left.

    Where a leading effect has no variance, Lambda = [0 0; b c] leaves b and c undetermined and hides the slope in the
    first entry, which is proportional to b; [0 0; sqrt(b^2 + c^2) 0] shows it.
    """
    factors = [factor.copy() for factor in coordinates.layout.factors(theta)]
    for factor, parts in zip(factors, blocks, strict=True):
        for start, stop in parts:
            block = factor[start:stop, start:stop]
            size, column = np.abs(block).max(initial=0.0), 0
            for row in range(stop - start):
                if np.linalg.norm(block[row, column:]) > 1e-2 * size:
                    turn, _ = np.linalg.qr(block[row : row + 1, column:].T, mode="complete")
                    block[:, column:] = block[:, column:] @ turn
                    column += 1
            factor[start:stop, start:stop] = np.tril(block)
    return coordinates.layout.theta(tuple(factors))


def _add_variance(factors: tuple[Floats, ...], descent: Descent, amount: float) -> tuple[Floats, ...]:
    """Lower-triangular factors of Omega + amount * direction direction'."""
    changed = [factor.copy() for factor in factors]
    part = slice(descent.start, descent.stop)
    stacked = np.column_stack([changed[descent.level][part, part], np.sqrt(amount) * descent.direction])
    changed[descent.level][part, part] = np.linalg.qr(stacked.T, mode="r").T
    return tuple(changed)


def truncated(coordinates: Coordinates, blocks: tuple[tuple[tuple[int, int], ...], ...], theta: Floats) -> list[Floats]:
    """The same point with the smallest principal directions of one block taken out, for every block and rank below.

    A better optimum of lower rank may lie across a ridge that no path of falling values crosses.
    """
    factors = coordinates.layout.factors(theta)
    found = []
    for number, parts in enumerate(blocks):
        for start, stop in parts:
            left, sizes, _ = np.linalg.svd(factors[number][start:stop, start:stop])
            rank = int((sizes > 1e-4).sum())
            for kept in range(rank - 1, 0, -1):
                root = left * np.where(np.arange(len(sizes)) < kept, sizes, 0.0)
                changed = [factor.copy() for factor in factors]
                changed[number][start:stop, start:stop] = np.linalg.qr(root.T, mode="r").T
                found.append(coordinates.layout.theta(tuple(changed)))
    return found
