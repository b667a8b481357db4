"""Evidence that a parameter has a value far from all draws: the integral with it held there, over p(y)."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError, ConvergenceError
from bayesmix.inference.bridge import BridgeEstimate, bridge
from bayesmix.inference.distributions import Flat
from bayesmix.inference.folded import Folded
from bayesmix.inference.held import Contrast, Held, hold_coefficient, hold_contrast, hold_correlation, hold_sd
from bayesmix.inference.importance import integrate
from bayesmix.inference.naming import given_name
from bayesmix.inference.priors import stated_on
from bayesmix.inference.threads import one_blas_thread
from bayesmix.results.marginal_likelihood import LARGEST_DISAGREEMENT, folded_draws
from bayesmix.results.prior_density import coefficient_prior, contrast_log_prior

if TYPE_CHECKING:
    from bayesmix.results.surface.posterior import PosteriorChecks

Floats = NDArray[np.float64]

# Draws of the proposal, and of the posterior for p(y), where a density takes microseconds, or milliseconds.
NESTED, CROSSED = 8000, 1000


class HeldEvidence:
    """Log Bayes factors of values of one posterior's parameters, from integrals over all others.

    Each method returns the logarithm and its Monte Carlo error, or None where no such integral, or none whose error can
    be trusted, is to be had: crossed effects that were sampled for their number, a flat prior of a standard deviation,
    chains that do not agree, draws that were removed, or weights of which a handful decides.

    Parameters
    ----------
    post : PosteriorChecks
    seed : int
        Of the proposals: the same posterior gives the same number.
    """

    def __init__(self, post: PosteriorChecks, seed: int = 0) -> None:
        self._post = post
        self._seed = seed

    def sd(self, level: int | None, effect: int, value: float) -> tuple[float, float] | None:
        """That a standard deviation (that of the residuals where level is None) has a value."""
        if self._whole is None:
            return None
        return self._log_factor(hold_sd(self._whole[0], level, effect, value))

    def correlation(self, level: int, pair: tuple[int, int], value: float) -> tuple[float, float] | None:
        """That a correlation has a value; None too where neither of the two is the first effect of its block."""
        if self._whole is None:
            return None
        held = hold_correlation(self._whole[0], level, pair, value)
        return None if held is None else self._log_factor(held)

    def contrast(self, contrast: Floats, value: float) -> tuple[float, float] | None:
        """That a combination of fixed effects has a value."""
        if self._whole is None:
            return None
        folded = self._whole[0]
        weights = np.linalg.solve(stated_on(folded.priors, folded.products).T, contrast)
        own = [j for j in folded.priors.given if abs(weights[j]) > 1e-12 * np.abs(weights).max()]
        if own:
            return self._log_factor(hold_coefficient(folded, own[0], value / float(weights[own[0]])))
        log_prior = contrast_log_prior(self._post, contrast, value)
        return self._log_factor(
            hold_contrast(folded, Contrast(coefficient_prior(self._post), contrast, value, log_prior))
        )

    def _log_factor(self, held: Held) -> tuple[float, float] | None:
        """The integral over p(y)."""
        assert self._whole is not None
        _, points, evidence = self._whole
        rng = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(1,)))
        with one_blas_thread():
            found = integrate(held.log_density, points[:, held.kept], rng, self._draws)
        if not found.reliable:
            return None
        return found.value - evidence.value, float(np.hypot(found.se, evidence.se))

    @property
    def _draws(self) -> int:
        return CROSSED if self._post.design.crossed else NESTED

    @cached_property
    def _whole(self) -> tuple[Folded, Floats, BridgeEstimate] | None:
        """The posterior, its draws (m, d), and p(y), up to the constants of flat priors of fixed effects."""
        design, priors = self._post.design, self._post.priors.numbers
        flat = isinstance(priors.sigma, Flat) or any(isinstance(sd, Flat) for own in priors.levels for sd in own.sds)
        if flat or effects_are_sampled(self._post):
            return None
        try:
            folded, points = folded_draws(design, self._post.products, priors, self._post.idata)
            step = -(-points.shape[0] * points.shape[1] // self._draws)
            points = points[:, ::step]
            with one_blas_thread():
                found = bridge(folded.log_density, points, np.random.default_rng(self._seed))
        except (ArgumentError, ConvergenceError):
            return None
        if found.disagreement > LARGEST_DISAGREEMENT:
            return None
        return folded, points.reshape(-1, folded.dimension), found


def effects_are_sampled(post: PosteriorChecks) -> bool:
    """Whether effects of crossed levels were sampled, because integrating them out takes too long at every draw."""
    if "unconstrained_posterior" not in post.idata.children:
        return False
    raw = post.idata["unconstrained_posterior"]
    return any(given_name(level.name) in raw for level in post.design.levels)
