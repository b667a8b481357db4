"""Maximum likelihood, restricted or not: quasi-Newton on the profiled criterion, exact Newton at the end, certified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag
from scipy.optimize import minimize

from bayesmix.design import CrossProducts
from bayesmix.errors import ArgumentError, ConvergenceError
from bayesmix.inference.alone import level_alone
from bayesmix.inference.certificate import Certificate, Descent, examine, on_effects
from bayesmix.inference.optimizer import METHODS, Optimizer
from bayesmix.inference.secant import minimise as minimise_by_secants
from bayesmix.inference.threads import one_blas_thread
from bayesmix.likelihood.coordinates import Coordinates, fit_coordinates
from bayesmix.likelihood.derivatives import SecondOrder, entries_of, profiled_deviance, second_order_pass
from bayesmix.likelihood.evaluation import profiled

Floats = NDArray[np.float64]


# Value, gradient, dOmega, beta, r2 and the inverse of R_xx at some theta.
Evaluation = tuple[float, Floats, Floats, Floats, float, Floats]

# With fewer groups than this at some level, more than one start is tried.
FEW_GROUPS = 20
# With more columns of crossed levels than this the criterion is dear: one start, and secants in place of second
# derivatives.
LARGE_BLOCK = 400


@dataclass(frozen=True)
class MlSolution:
    """The optimum, in the user's units and coordinates.

    Parameters
    ----------
    reml : bool
        Restricted likelihood or not.
    beta : (p,) array
        Fixed effects.
    vcov : (p, p) array
        Their covariance matrix.
    factors : tuple of (q, q) arrays
        Lambda of each level relative to sigma, lower triangular.
    sigma : float
        Residual standard deviation.
    criterion : float
        -2 log (restricted) likelihood.
    singular : bool
        Whether some direction of some level has no variance.
    certificate : Certificate
    inner_theta, inner_beta, inner_inverse : arrays
        The optimum in the coordinates of :func:`bayesmix.likelihood.coordinates.fit_coordinates`: free entries of the
        factors, fixed effects (of the inner response), and R_xx^-1.
    evaluations : int
        Of the criterion with its gradient.
    """

    reml: bool
    beta: Floats
    vcov: Floats
    factors: tuple[Floats, ...]
    sigma: float
    criterion: float
    singular: bool
    certificate: Certificate
    inner_theta: Floats
    inner_beta: Floats
    inner_inverse: Floats
    evaluations: int

    @property
    def covariances(self) -> tuple[Floats, ...]:
        """Sigma of each level, (q, q)."""
        return tuple(self.sigma**2 * factor @ factor.T for factor in self.factors)


@dataclass
class _Criterion:
    """The profiled criterion of one data set, counting its evaluations."""

    coordinates: Coordinates
    products: CrossProducts
    reml: bool
    trace: Callable[[int, float, Floats], object] | None = None
    evaluations: int = 0
    last: tuple[bytes, Evaluation] | None = None

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        value, gradient, *_ = self.at(theta)
        return (value, gradient) if np.isfinite(value) else (1e300, np.zeros_like(theta))

    def at(self, theta: Floats) -> Evaluation:
        """Everything the kernel returns: value, gradient, dOmega (nested levels only), beta, r2, R_xx^-1."""
        key = theta.tobytes()
        if self.last is None or self.last[0] != key:
            self.evaluations += 1
            self.last = key, profiled(self.coordinates, theta, self.reml, certify=False)
            if self.trace is not None:
                self.trace(self.evaluations, _in_units(self, self.last[1][0]), theta.copy())
        return self.last[1]

    def noise(self, theta: Floats) -> float:
        """What rounding adds to the value: of its sum, and of r2, a difference of sums of squares of size n."""
        value, *_, r2, _ = self.at(theta)
        n = self.products.n
        return float(1e-13 * abs(value) + np.finfo(float).eps * n * n / max(r2, 1e-300))

    def slopes(self, theta: Floats) -> tuple[Floats, ...]:
        """Derivatives in Omega of each level, (q, q), which a gradient of zero in theta leaves open.

        Where every factor has an inverse they follow from that gradient; else the kernel is asked for them.
        """
        layout = self.coordinates.layout
        _, gradient, d_omega, *_ = self.at(theta)
        if not self.coordinates.crossed:
            return on_effects(self.coordinates, d_omega)
        if min(_smallest_roots(self.coordinates, theta)) > 1e-3:
            weights = np.linalg.solve(omega_jacobian(self.coordinates, theta).T, gradient)
            lower = layout.factors(weights)
            return tuple((part + part.T) / 2 for part in lower)
        self.evaluations += 1
        return on_effects(self.coordinates, profiled(self.coordinates, theta, self.reml, certify=True)[2])

    def second_order(self, theta: Floats) -> SecondOrder:
        """The exact derivatives at theta."""
        return second_order_pass(self.coordinates, theta)


def maximise(
    products: CrossProducts, reml: bool = True, start: Floats | None = None, optimizer: Optimizer | None = None
) -> MlSolution:
    """Find the (restricted) maximum-likelihood estimate.

    Parameters
    ----------
    products : CrossProducts
        The data.
    reml : bool
        Restricted likelihood (default) or full likelihood.
    start : array, optional
        Free entries of the relative factors in fit coordinates to start from.
    optimizer : Optimizer, optional
        Limits and starting points.

    Returns
    -------
    MlSolution
        A point that passes the certificate, or from which no step gains more than rounding.

    Raises
    ------
    ConvergenceError
        No start led to a point that passes it.
    """
    with one_blas_thread():
        return _maximise(products, reml, start, optimizer or Optimizer())


def _maximise(products: CrossProducts, reml: bool, start: Floats | None, optimizer: Optimizer) -> MlSolution:
    """Search from every start that is needed, and certify."""
    coordinates = fit_coordinates(products)
    criterion = _Criterion(coordinates, products, reml, optimizer.trace)
    blocks = tuple(level.blocks for level in products.levels)
    if start is not None:
        start = _check_start(start, coordinates.layout.n_entries)
    large = coordinates.layout.n_dense > LARGE_BLOCK
    hessian = None
    if large:
        alone, hessian = _alone(products, reml, optimizer)
        starts = [alone if start is None else start]
    elif start is not None:
        starts = [start]
    else:
        starts = [_start(coordinates, scale) for scale in optimizer.scales]
        starts.sort(key=lambda theta: criterion(theta)[0])
    small = any(level.n_groups < FEW_GROUPS for level in products.levels) and not large
    best: tuple[float, Floats, Certificate] | None = None
    for theta in starts if coordinates.layout.n_entries else [np.zeros(0)]:
        found = _descend(criterion, blocks, theta, optimizer, hessian)
        if best is None or found[0] < best[0] - 1e-9 * abs(best[0]) or (found[2].holds and not best[2].holds):
            best = found
        if best[2].holds and not small and not _is_singular(coordinates, best[1]):
            break
    assert best is not None
    passed = best[2].holds or best[2].exhausted
    if not passed and criterion.at(best[1])[4] > 1e-14 * products.n:
        raise ConvergenceError(
            f"The optimiser stopped at criterion {_in_units(criterion, best[0]):.6f} with stationarity "
            f"{best[2].stationarity:.1e} and smallest eigenvalue {best[2].smallest_eigenvalue:.1e}.",
            "Expected both within 1e-6 of an optimum.",
            "Centre and scale the predictors, simplify the random part, or raise Optimizer(max_iterations=...).",
        )
    return _solution(criterion, best[1], best[2])


def _check_start(start: Floats, size: int) -> Floats:
    """Numbers, finite, as many as the factors have free entries."""
    try:
        values = np.array(start, dtype=float).ravel()
    except (TypeError, ValueError):
        values = np.full(1, np.nan)
    if values.size != size or not np.isfinite(values).all():
        raise ArgumentError(
            f"start is {start!r}.",
            f"Expected {size} finite numbers, the free entries of the relative covariance factors.",
            "Leave it out, or pass as many as fit.theta has.",
        )
    return values


def _in_units(criterion: _Criterion, value: float) -> float:
    """The criterion for the user's response and columns."""
    products = criterion.products
    nu = products.n - products.n_fixed if criterion.reml else products.n
    shift = 2 * criterion.coordinates.layout.log_jacobian if criterion.reml else 0.0
    return float(value + 2 * nu * np.log(products.response_scale) + shift - products.log_weights)


def _start(coordinates: Coordinates, scale: float) -> Floats:
    """Diagonal factors."""
    return coordinates.layout.theta(tuple(scale * np.eye(level.n_effects) for level in coordinates.layout.levels))


def _alone(products: CrossProducts, reml: bool, optimizer: Optimizer) -> tuple[Floats, Floats]:
    """Start and Hessian from fits of each level as if it were the only one."""
    thetas, hessians = [np.zeros(0)], []
    for number in range(len(products.levels)):
        alone = level_alone(products, number)
        criterion = _Criterion(fit_coordinates(alone), alone, reml)
        theta = _quasi_newton(criterion, _start(criterion.coordinates, optimizer.scales[0]), optimizer)
        on_diagonal = np.array([row == column for row, column in criterion.coordinates.layout.levels[0].entries])
        theta = np.where(on_diagonal & (np.abs(theta) < 0.05), 0.05, theta)  # at 0 there is no way out
        hessian = theta_hessian(criterion.coordinates, criterion.second_order(theta), products.n, reml, theta)
        values, vectors = np.linalg.eigh(hessian)
        hessians.append((vectors * np.maximum(np.abs(values), 1e-3 * np.abs(values).max(initial=1e-300))) @ vectors.T)
        thetas.append(theta)
    return np.concatenate(thetas), block_diag(*hessians)


def _descend(
    criterion: _Criterion,
    blocks: tuple[tuple[tuple[int, int], ...], ...],
    theta: Floats,
    optimizer: Optimizer,
    hessian: Floats | None = None,
) -> tuple[float, Floats, Certificate]:
    """From one start to a point that passes the certificate, leaving stationary points that are no minimum.

    With an approximate Hessian (where the exact one is dear) by secants, else by Newton's method at the end.
    """
    for _ in range(optimizer.max_restarts + 1):
        if hessian is None:
            theta = _quasi_newton(criterion, theta, optimizer)
            theta, decrement = _newton_polish(criterion, theta)
        else:
            theta, decrement = minimise_by_secants(criterion, theta, hessian, 1e-11, optimizer.max_iterations)
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


def _quasi_newton(criterion: _Criterion, theta: Floats, optimizer: Optimizer) -> Floats:
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


def _newton_polish(criterion: _Criterion, theta: Floats) -> tuple[Floats, float]:
    """Newton steps with the exact Hessian, kept while they lower the criterion; returns the last decrement."""
    decrement = 0.0
    if theta.size == 0:
        return theta, decrement
    value, gradient = criterion(theta)
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
    criterion: _Criterion, theta: Floats, step: Floats, value: float, gradient: Floats
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


def theta_hessian(coordinates: Coordinates, at: SecondOrder, n: int, reml: bool, theta: Floats) -> Floats:
    """Hessian of the profiled criterion in theta, by the chain rule through Omega = Lambda Lambda'."""
    deviance = profiled_deviance(at, n, reml)
    jacobian = omega_jacobian(coordinates, theta)
    hessian = jacobian.T @ deviance.hessian @ jacobian
    entries = entries_of(coordinates)
    first = {(entry.level, entry.row, entry.column): deviance.gradient[i] for i, entry in enumerate(entries)}
    for i, one in enumerate(entries):
        for j, two in enumerate(entries):
            if one.level == two.level and one.column == two.column:
                row, column = max(one.row, two.row), min(one.row, two.row)
                hessian[i, j] += first[one.level, row, column] * (2.0 if row == column else 1.0)
    return np.asarray(hessian)


def omega_jacobian(coordinates: Coordinates, theta: Floats) -> Floats:
    """dOmega/dtheta, (P, P): entries of Omega by free entries of Lambda."""
    factors = coordinates.layout.factors(theta)
    entries = entries_of(coordinates)
    jacobian = np.zeros((len(entries), len(entries)))
    for i, of in enumerate(entries):
        for j, by in enumerate(entries):
            if of.level == by.level:
                factor = factors[of.level]
                jacobian[i, j] = (of.row == by.row) * factor[of.column, by.column]
                jacobian[i, j] += (of.column == by.row) * factor[of.row, by.column]
    return jacobian


def _leave(criterion: _Criterion, theta: Floats, descent: Descent) -> Floats:
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


def _is_singular(coordinates: Coordinates, theta: Floats) -> bool:
    """Whether some factor, in fit coordinates, has a direction without variance (relative sd below 1e-4)."""
    return min(_smallest_roots(coordinates, theta)) < 1e-4


def _smallest_roots(coordinates: Coordinates, theta: Floats) -> list[float]:
    """Smallest singular value of each factor."""
    factors = coordinates.layout.factors(theta)
    return [np.inf, *(float(np.linalg.svd(factor, compute_uv=False)[-1]) for factor in factors if factor.size)]


def lower_factor(root: Floats) -> Floats:
    """The lower-triangular factor with non-negative diagonal of root root'."""
    lower = np.linalg.qr(root.T, mode="r").T
    signs = np.where(np.diag(lower) < 0, -1.0, 1.0)
    return np.asarray(np.tril(lower) * signs)


def _solution(criterion: _Criterion, theta: Floats, certificate: Certificate) -> MlSolution:
    """Back to the user's units and coordinates."""
    products, coordinates = criterion.products, criterion.coordinates
    theta = np.where(np.abs(theta) < 1e-9, 0.0, theta)  # an entry the data push to 0 is 0, not 1e-40
    value, _, _, inner_beta, r2, inverse = criterion.at(theta)
    if not r2 > 1e-14 * products.n:
        raise ConvergenceError(
            "The group effects fit the response without error, so that the likelihood grows without limit as the "
            "residual variance goes to 0.",
            "Expected residual variation within the groups.",
            "Check whether the response is constant within groups, or leave out effects.",
        )
    p, scale = products.n_fixed, products.response_scale
    nu = products.n - p if criterion.reml else products.n
    inner_sigma = float(np.sqrt(r2 / nu))
    back: Callable[[Floats], Floats] = partial(np.linalg.solve, coordinates.fixed)
    beta = products.response_fit + back(inner_beta) * scale
    half = back(np.linalg.cholesky(inverse)) * inner_sigma * scale if p else np.zeros((0, 0))
    criterion_value = _in_units(criterion, value)
    factors = tuple(
        lower_factor(np.linalg.solve(T, factor))
        for T, factor in zip(coordinates.levels, coordinates.layout.factors(theta), strict=True)
    )
    for array in (beta, inner_beta, inverse, theta, *factors):
        array.flags.writeable = False
    vcov = half @ half.T
    vcov.flags.writeable = False
    return MlSolution(
        criterion.reml, beta, vcov, factors, inner_sigma * scale, float(criterion_value),
        _is_singular(coordinates, theta), certificate, theta, inner_beta, inverse, criterion.evaluations,
    )  # fmt: skip
