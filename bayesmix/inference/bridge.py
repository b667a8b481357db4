"""The integral of a density from draws of it, by bridge sampling with a normal proposal.

Meng & Wong (1996), Statistica Sinica 6:831-860; Gronau et al. (2017), J. Math. Psychol. 81:80-97.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import brentq
from scipy.special import expit

from bayesmix.errors import ArgumentError, ConvergenceError

Floats = NDArray[np.float64]
LogDensity = Callable[[Floats], Floats]

# Chains that have not met say nothing of the whole.
LARGEST_R_HAT = 1.1
# Draws in each half for every coordinate, below which the proposal is a guess.
LEAST_PER_COORDINATE = 10
# And in each half of each chain.
_LEAST_IN_HALF = 4


@dataclass(frozen=True)
class BridgeEstimate:
    """A log integral, estimated twice.

    Parameters
    ----------
    value : float
        Mean of the two halves.
    se : float
        Its Monte Carlo error.
    halves : (value, value)
        Proposal from the first halves of the chains and bridge to the second halves; and the other way round.
    errors : (float, float)
        Of each.
    dimension : int
        Coordinates.
    draws : int
        Used, of all chains together.
    effective : float
        As many independent draws tell as much (median over the coordinates).
    """

    value: float
    se: float
    halves: tuple[float, float]
    errors: tuple[float, float]
    dimension: int
    draws: int
    effective: float

    @property
    def disagreement(self) -> float:
        """Difference of the halves in units of its error."""
        error = float(np.hypot(*self.errors))
        return abs(self.halves[0] - self.halves[1]) / error if error > 0 else 0.0


def bridge(log_density: LogDensity, draws: Floats, rng: np.random.Generator) -> BridgeEstimate:
    """Log of the integral of a density over R^d.

    Half of each chain gives the mean and covariance of a normal proposal, the other half is bridged to as many draws
    of that; then the halves change places, so that no draw is lost and none is on both sides at once. The error of
    each is that of Fruehwirth-Schnatter (2004), Econometrics Journal 7:143-167, eq. 14-16, with the effective number
    of the draws in the place of a spectral density.

    Parameters
    ----------
    log_density : callable
        From (m, d) points to (m,) log densities, not normalised; -inf where the density is 0.
    draws : (C, D, d) array
        C chains of D draws from it.
    rng : Generator

    Returns
    -------
    BridgeEstimate

    Raises
    ------
    ArgumentError
        Too few draws.
    ConvergenceError
        Chains in different places, or a proposal that misses the density altogether.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> draws = rng.normal(3, 2, size=(4, 1000, 1))
    >>> found = bridge(lambda x: -0.5 * ((x[:, 0] - 3) / 2) ** 2, draws, rng)
    >>> round(found.value, 2), round(float(np.log(2 * np.sqrt(2 * np.pi))), 2)
    (1.61, 1.61)
    """
    n_chains, n_draws, d = draws.shape
    middle = n_draws // 2
    least = 2 * max(_LEAST_IN_HALF, -(-LEAST_PER_COORDINATE * d // n_chains))
    if n_draws < least:
        raise ArgumentError(
            f"There {'is 1 chain' if n_chains == 1 else f'are {n_chains} chains'} of {n_draws} draws of {d} "
            f"parameter{'s' * (d != 1)}.",
            f"Expected at least {least} draws in each chain, {n_chains * least} in all.",
            "Sample more draws, and use all of them.",
        )
    require_mixed(draws)
    halves = (draws[:, :middle], draws[:, middle:])
    densities = [log_density(half.reshape(-1, d)).reshape(half.shape[:2]) for half in halves]
    if not np.all(np.isfinite(np.concatenate(densities, axis=1))):
        raise ConvergenceError(
            "The density is not a finite number at a draw of the posterior.",
            "Expected draws from the density that is integrated.",
            "Sample again; with a standard deviation that runs off to infinity, set a prior with lighter tails.",
        )
    found = [_half(log_density, halves[1 - k], halves[k], densities[k], rng) for k in (1, 0)]
    values, errors = (found[0][0], found[1][0]), (found[0][1], found[1][1])
    return BridgeEstimate(
        float(np.mean(values)),
        float(np.hypot(*errors) / 2),
        values,
        errors,
        d,
        n_chains * n_draws,
        sum(part[2] for part in found),
    )


def require_mixed(draws: Floats) -> None:
    """Refuse chains that are in different places, or that do not move; of one chain, its halves.

    Parameters
    ----------
    draws : (C, D, d) array

    Raises
    ------
    ConvergenceError
        With R-hat.
    """
    import arviz_stats

    if np.any(np.ptp(draws, axis=1) == 0):
        raise ConvergenceError(
            "A chain does not move: all its draws of a parameter are the same.",
            "Expected chains that each go over the whole posterior.",
            "Sample again, with another seed and target_accept=0.95.",
        )
    alone = len(draws) == 1
    if alone:  # R-hat is of two chains at least
        middle = draws.shape[1] // 2
        draws = np.concatenate([draws[:, :middle], draws[:, middle : 2 * middle]])
    worst = max(float(np.asarray(arviz_stats.rhat(draws[:, :, k]))) for k in range(draws.shape[2]))
    if not worst <= LARGEST_R_HAT:
        raise ConvergenceError(
            f"The {'two halves of the chain' if alone else 'chains'} do not agree: R-hat is {worst:.3g}.",
            f"Expected at most {LARGEST_R_HAT}: an integral needs draws of the whole posterior.",
            "Sample with a longer tune= and target_accept=0.95, and look at the chains.",
        )


def _half(
    log_density: LogDensity, fitted: Floats, kept: Floats, densities: Floats, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Log integral, error, and effective draws, from a proposal fitted to some draws and bridged to others."""
    d = kept.shape[2]
    flat = fitted.reshape(-1, d)
    mean, root = flat.mean(axis=0), np.linalg.cholesky(np.atleast_2d(np.cov(flat, rowvar=False)))
    noise = rng.standard_normal((kept.shape[0] * kept.shape[1], d))
    constant = -0.5 * d * np.log(2 * np.pi) - np.log(np.diag(root)).sum()
    standard = solve_triangular(root, (kept.reshape(-1, d) - mean).T, lower=True).T
    at_draws = densities - (constant - 0.5 * (standard**2).sum(axis=1)).reshape(densities.shape)
    at_proposals = log_density(mean + noise @ root.T) - (constant - 0.5 * (noise**2).sum(axis=1))
    effective = float(np.median([effective_draws(kept[:, :, k]) for k in range(d)]))
    value, error = bridge_root(at_draws, at_proposals, effective)
    return value, error, effective


def bridge_root(at_draws: Floats, at_proposals: Floats, effective: float) -> tuple[float, float]:
    """Log of the ratio of two integrals, and its error, from log ratios of their integrands.

    The optimal bridge of Meng & Wong (1996), eq. 4.1, is the fixed point of an iteration that may take long to
    converge, or not converge. Written as an equality of two means of logistic functions, one rising and the other
    falling in the log ratio, it has one root and is always found.

    Parameters
    ----------
    at_draws : (C, D) array
        Log of density over proposal at draws from the density.
    at_proposals : (M,) array
        The same at independent draws from the proposal.
    effective : float
        As many independent draws the C D are worth; it weighs the two sides.

    Returns
    -------
    value, se : float

    Raises
    ------
    ConvergenceError
        The density is 0 at every proposal.
    """
    reached = at_proposals[np.isfinite(at_proposals)]
    if not reached.size:
        raise ConvergenceError(
            "The density is 0 wherever the proposal looked.",
            "Expected a posterior near which a normal distribution finds something.",
            "Sample more draws.",
        )
    odds = np.log(at_proposals.size / effective)
    share = effective / (effective + at_proposals.size)

    def gap(value: float) -> float:
        rising = expit(value + odds - at_draws).mean() / (1 - share)
        return float(rising - expit(at_proposals - value - odds).mean() / share)

    low, high = min(at_draws.min(), reached.min()), max(at_draws.max(), reached.max())
    wide = 50 + abs(odds)
    value = float(brentq(gap, low - wide, high + wide, xtol=1e-12, rtol=1e-14))
    from_draws, from_proposals = expit(value + odds - at_draws), expit(at_proposals - value - odds)
    square = relative_variance(from_proposals) / from_proposals.size
    if np.ptp(from_draws) > 0:
        square += relative_variance(from_draws) / effective_draws(from_draws)
    return value, float(np.sqrt(square))


def relative_variance(values: Floats) -> float:
    """Variance over squared mean."""
    return float(values.var(ddof=1) / values.mean() ** 2)


def effective_draws(values: Floats) -> float:
    """As many independent draws give the mean of (C, D) values as well; no more than there are."""
    import arviz_stats

    return min(float(np.asarray(arviz_stats.ess(values, method="mean"))), float(values.size))
