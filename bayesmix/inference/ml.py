"""Maximum likelihood, restricted or not: quasi-Newton on the profiled criterion, exact Newton at the end, certified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from bayesmix.design import CrossProducts
from bayesmix.errors import ArgumentError, ConvergenceError
from bayesmix.inference.alone import level_alone
from bayesmix.inference.certificate import Certificate
from bayesmix.inference.criterion import Criterion, in_units, smallest_roots, theta_hessian
from bayesmix.inference.optimizer import Optimizer
from bayesmix.inference.search import descend, quasi_newton, truncated
from bayesmix.inference.threads import one_blas_thread
from bayesmix.likelihood.coordinates import Coordinates, fit_coordinates

Floats = NDArray[np.float64]


# With fewer groups than this at some level, n^2 over the sum of squared sizes, more than one start is tried.
FEW_GROUPS = 20
# And where the effects of a level are so nearly a combination of each other: smallest over largest root of Lambda.
NARROW = 0.05
# Where independent effects live on columns whose means are this many standard deviations from 0, one more start.
FAR = 20.0
# With more columns of crossed levels than this the criterion is dear: one start, and no second derivatives.
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
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise ArgumentError(
            f"optimizer is {optimizer!r}.",
            "Expected an Optimizer.",
            "Write optimizer=bayesmix.Optimizer(method=...), or leave it out.",
        )
    with one_blas_thread():
        return _maximise(products, reml, start, optimizer or Optimizer())


def _maximise(products: CrossProducts, reml: bool, start: Floats | None, optimizer: Optimizer) -> MlSolution:
    """Search from every start that is needed, and certify."""
    coordinates = fit_coordinates(products)
    criterion = Criterion(coordinates, products, reml, optimizer.trace)
    blocks = tuple(level.blocks for level in products.levels)
    if start is not None:
        start = _check_start(start, coordinates.layout.n_entries)
    large = coordinates.layout.n_dense > LARGE_BLOCK
    scales = [*optimizer.scales, *(0.6 * spread for spread in _spreads(coordinates) if FAR < spread < 1e6)]
    plain = [_start(coordinates, scale) for scale in scales]
    starts: list[tuple[Floats, Floats | None]]
    if coordinates.crossed and optimizer.method == "lbfgs":
        alone, hessian = _alone(products, reml, optimizer)
        starts = [(alone if start is None else start, hessian)]
        starts += [] if large or start is not None else [(theta, None) for theta in plain[1:3]]
    elif start is not None:
        starts = [(start, None)]
    else:
        starts = [(theta, None) for theta in sorted(plain, key=lambda theta: criterion(theta)[0])]
    doubtful = not large and start is None and any(count < FEW_GROUPS for count in effective_groups(products))
    best: tuple[float, Floats, Certificate] | None = None
    for theta, guess in starts if coordinates.layout.n_entries else [(np.zeros(0), None)]:
        found = descend(criterion, blocks, theta, optimizer, guess, exact=not large)
        if best is None or _better(found, best):
            best = found
        if best[2].holds and not doubtful and not _is_narrow(coordinates, best[1]):
            break
    assert best is not None
    if not large and start is None and (doubtful or _is_narrow(coordinates, best[1])):
        for theta in truncated(coordinates, blocks, best[1]):
            found = descend(criterion, blocks, theta, optimizer)
            if _better(found, best):
                best = found
    passed = best[2].holds or best[2].exhausted
    if not passed and criterion.at(best[1])[4] > 1e-14 * products.n:
        raise ConvergenceError(
            f"The optimiser stopped at criterion {in_units(criterion, best[0]):.6f} with stationarity "
            f"{best[2].stationarity:.1e} and smallest eigenvalue {best[2].smallest_eigenvalue:.1e}.",
            "Expected both within 1e-6 of an optimum.",
            "Centre and scale the predictors, simplify the random part, or raise Optimizer(max_iterations=...).",
        )
    return _solution(criterion, best[1], best[2])


def _better(found: tuple[float, Floats, Certificate], best: tuple[float, Floats, Certificate]) -> bool:
    """Whether another start led to a better optimum; a point that does not pass is none, however low."""
    passes, passed = (each.holds or each.exhausted for each in (found[2], best[2]))
    lower = found[0] < best[0] - 1e-9 * abs(best[0])
    return (passes or not passed) and (lower or (passes and not passed))


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


def _start(coordinates: Coordinates, scale: float) -> Floats:
    """Diagonal factors."""
    return coordinates.layout.theta(tuple(scale * np.eye(level.n_effects) for level in coordinates.layout.levels))


def _spreads(coordinates: Coordinates) -> list[float]:
    """Condition number of the columns of each nested level's effects, as they are after centring where that is free."""
    found = []
    for level in coordinates.layout.levels[: coordinates.layout.n_nested]:
        sizes = np.linalg.svd(level.basis, compute_uv=False)
        if sizes.size and sizes[-1] > 0:
            found.append(float(sizes[0] / sizes[-1]))
    return found


def _alone(products: CrossProducts, reml: bool, optimizer: Optimizer) -> tuple[Floats, Floats]:
    """Start and Hessian from fits of each level as if it were the only one."""
    thetas, hessians = [np.zeros(0)], []
    for number in range(len(products.levels)):
        if not products.levels[number].blocks:
            continue
        alone = level_alone(products, number)
        criterion = Criterion(fit_coordinates(alone), alone, reml)
        theta = quasi_newton(criterion, _start(criterion.coordinates, optimizer.scales[0]), optimizer)
        on_diagonal = np.array([row == column for row, column in criterion.coordinates.layout.levels[0].entries])
        theta = np.where(on_diagonal & (np.abs(theta) < 0.05), 0.05, theta)  # at 0 there is no way out
        hessian = theta_hessian(criterion.coordinates, criterion.second_order(theta), products.n, reml, theta)
        values, vectors = np.linalg.eigh(hessian)
        hessians.append((vectors * np.maximum(np.abs(values), 1e-3 * np.abs(values).max(initial=1e-300))) @ vectors.T)
        thetas.append(theta)
    return np.concatenate(thetas), block_diag(*hessians)


def effective_groups(products: CrossProducts) -> list[float]:
    """n^2 over the sum of squared group sizes of each level: as many equal groups would say as much of a mean."""
    sizes, found, first = products.sizes, [], 0
    for number, level in enumerate(products.levels):
        if number >= products.n_nested:
            found.append(_effective_crossed(products, number))
            continue
        found.append(float(sizes.sum() ** 2 / (sizes**2).sum()))
        above = products.parent[first : first + level.n_groups] - first - level.n_groups
        first += level.n_groups
        sizes = np.bincount(above, weights=sizes)
    return found


def _effective_crossed(products: CrossProducts, number: int) -> float:
    """The same of a crossed level, whose sizes are the squares of the constant, where its effects hold that."""
    level, crossing = products.levels[number], products.crossing
    assert crossing is not None
    if level.columns[0] != 0:
        return float(level.n_groups)
    first = sum(other.n_groups * other.columns.size for other in products.levels[products.n_nested : number])
    m = level.columns.size
    sizes = np.diag(crossing.gram)[first : first + level.n_groups * m : m]
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def _is_narrow(coordinates: Coordinates, theta: Floats) -> bool:
    """Whether some direction of some level has hardly any variance beside another."""
    factors = coordinates.layout.factors(theta)
    roots = [np.linalg.svd(factor, compute_uv=False) for factor in factors if factor.size]
    return _is_singular(coordinates, theta) or any(root[-1] < NARROW * root[0] for root in roots)


def _is_singular(coordinates: Coordinates, theta: Floats) -> bool:
    """Whether some factor, in fit coordinates, has a direction without variance (relative sd below 1e-4)."""
    return min(smallest_roots(coordinates, theta)) < 1e-4


def lower_factor(root: Floats) -> Floats:
    """The lower-triangular factor with non-negative diagonal of root root'."""
    lower = np.linalg.qr(root.T, mode="r").T
    signs = np.where(np.diag(lower) < 0, -1.0, 1.0)
    return np.asarray(np.tril(lower) * signs)


def _solution(criterion: Criterion, theta: Floats, certificate: Certificate) -> MlSolution:
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
    criterion_value = in_units(criterion, value)
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
