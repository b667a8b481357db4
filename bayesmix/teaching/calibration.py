"""Simulation-based calibration: truths drawn from the prior must be nowhere special in their posteriors."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts
from bayesmix.errors import ArgumentError, PriorError, refuse_unknown
from bayesmix.inference.bootstrap import repeat, require_counts
from bayesmix.inference.distributions import Flat
from bayesmix.inference.posterior import KEPT_BYTES, PosteriorDraws
from bayesmix.inference.prior_draws import log_likelihood
from bayesmix.inference.recycled import (
    ATTEMPTS,
    LONGER,
    DrawnData,
    Thinned,
    posterior_of,
    prior_drawer,
    thinned_posterior,
)
from bayesmix.inference.sampling import Settings
from bayesmix.inference.threads import one_blas_thread
from bayesmix.inference.uniformity import rank_among
from bayesmix.model import Model
from bayesmix.results.naming import require_count
from bayesmix.teaching.calibration_verdict import Calibration
from bayesmix.teaching.parameter_values import (
    group_names,
    group_values,
    icc_names,
    icc_values,
    parameter_names,
    parameter_values,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Draws of each chain in the first attempt, for each of the draws that are kept; there are two chains.
ASKED, CHAINS = 2.5, 2
MOST_KEPT = 10_000
LOG_LIKELIHOOD = "log likelihood"


def sbc(
    model: Model,
    *,
    n: int = 200,
    draws: int = 99,
    tune: int = 300,
    target_accept: float | None = None,
    seed: int | None = None,
    cores: int | None = None,
    progress: bool = True,
    **unknown: Any,
) -> Calibration:
    """Check a model's sampler by simulation: parameters from the prior, data from them, ranks in the posterior.

    In each of n replications every parameter is drawn from its prior (with the numbers the model has, never rescaled to
    simulated data), then group effects and a response for its predictors and groups; the model is fitted to that
    response as :meth:`Model.sample` does, and the true value ranked among draws of the posterior. If likelihood,
    priors and sampler agree, ranks are uniform.

    Ranked are fixed effects, standard deviations, correlations, intraclass correlations, the effects of the first and
    the last group of each level (unless there are too many groups to keep their draws), and the log likelihood of the
    data at the parameters (group effects integrated out), which depends on the data too and so notices mistakes that
    leave every parameter by itself uniform.

    Each posterior is sampled by two chains and thinned to L draws equally far apart; where fewer than 2 L of them are
    effective, it is sampled again four and sixteen times as long. The rank is the number of the L draws below the
    truth, 0 to L.

    The sampler's code is compiled once for each choice of the scales of the standard deviations, which is made by the
    REML fit to the simulated response: some seconds each, at most 2^k for k of them.

    Parameters
    ----------
    model : Model
        With proper priors. Its response is not read.
    n : int
        Replications.
    draws : int
        L, draws of each posterior among which the truth is ranked.
    tune : int
        Warm-up draws of each chain.
    target_accept : float, optional
        As in :meth:`Model.sample`.
    seed : int, optional
        The same seed gives the same replications, whatever n.
    cores : int, optional
        Chains run at a time; by default as many as there are processors.
    progress : bool
        Show a progress bar. Interrupted, the finished replications are kept.

    Returns
    -------
    Calibration

    Raises
    ------
    PriorError
        Some prior is flat; with its parameter.
    ArgumentError
        Something that is no model, or no number.

    See Also
    --------
    coverage : Intervals of REML and of the posterior at parameters you choose.

    References
    ----------
    Talts, Betancourt, Simpson, Vehtari & Gelman (2018), arXiv:1804.06788. Modrák, Moon, Kim, Bürkner, Huurre,
    Faltejsková, Gelman & Vehtari (2023), Bayesian Analysis, doi:10.1214/23-BA1404, for the log likelihood.

    Examples
    --------
    >>> import bayesmix as bx
    >>> model = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff"))
    >>> found = bx.sbc(model, n=1000, seed=1)  # doctest: +SKIP
    >>> print(found.verdict)  # doctest: +SKIP
    """
    offered = ("n", "draws", "tune", "target_accept", "seed", "cores", "progress")
    refuse_unknown("sbc", unknown, offered, {"chains": "Each posterior is drawn by two chains."})
    require_model("sbc", model)
    require_counts(n, seed)
    if require_count("draws", draws, 9) > MOST_KEPT:
        raise ArgumentError(f"draws={draws}.", f"Expected at most {MOST_KEPT}.", "Some hundred tell as much.")
    first = int(np.ceil(ASKED * draws))
    settings = Settings(first, tune, CHAINS, cores, seed, target_accept=target_accept, progress=progress)
    require_proper_priors(model)
    entropy = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else int(seed)
    study = Study(model, draws, settings, entropy)
    started = time.perf_counter()
    count = iter(range(n))
    with one_blas_thread():
        found, _, complete = repeat(lambda: study.replication(next(count)), n, progress, "Calibration")
    return Calibration(study, tuple(found), n, time.perf_counter() - started, complete)


@dataclass(frozen=True)
class Replication:
    """One data set drawn from the prior, and its posterior.

    Parameters
    ----------
    number : int
    truth : (Q,) array
        Quantities at the parameters drawn.
    ranks : (Q,) int array
        0 to L.
    draws : Thinned or None
        None where the fit failed.
    problem : str
        Why, otherwise empty.
    """

    number: int
    truth: Floats
    ranks: Integers
    draws: Thinned | None
    problem: str


class Study:
    """What the replications of one calibration share.

    Parameters
    ----------
    model : Model
    keep : int
        L.
    settings : Settings
        Of the sampler's first attempt.
    entropy : int
        The seed, drawn where none was given.
    """

    def __init__(self, model: Model, keep: int, settings: Settings, entropy: int) -> None:
        self.model, self.keep, self.settings, self.entropy = model, keep, settings, entropy
        longest = CHAINS * settings.draws * LONGER ** (ATTEMPTS - 1)
        count = sum(level.n_groups * level.basis.shape[1] for level in model.products.levels)
        self._with_groups = 0 < 8 * count * longest <= KEPT_BYTES
        self._draw: Callable[[np.random.Generator], DrawnData] = prior_drawer(
            model.design, model.products, model.priors.numbers
        )

    @property
    def names(self) -> list[str]:
        """What is ranked."""
        design = self.model.design
        groups = group_names(design) if self._with_groups else []
        return [*parameter_names(design), *icc_names(design), *groups, LOG_LIKELIHOOD]

    def replication(self, number: int) -> Replication:
        """Draw a data set, fit it, and rank its truth; a fit that fails is reported, not raised."""
        rng = np.random.default_rng(np.random.SeedSequence(self.entropy, spawn_key=(number,)))
        data = self._draw(rng)
        variances = data.found.variances
        effects = tuple(u[None] for u in data.effects)
        truth = self._values(data.products, data.found.beta, variances.sigma, variances.covariances, effects)[0]
        settings = Settings(
            self.settings.draws,
            self.settings.tune,
            CHAINS,
            self.settings.cores,
            int(rng.integers(2**32)),
            target_accept=self.settings.target_accept,
            progress=False,
        )
        try:
            thinned = thinned_posterior(
                lambda chosen: self._sample(data.products, chosen),
                self._parameters,
                lambda found, places: self._posterior_values(data.products, found, places),
                self.keep,
                settings,
            )
        except (ValueError, RuntimeError, ArithmeticError) as problem:  # of optimiser and sampler: a result, and shown
            return Replication(number, truth, np.full(len(truth), -1), None, str(problem))
        return Replication(number, truth, rank_among(truth, thinned.values, rng), thinned, "")

    def _sample(self, products: CrossProducts, settings: Settings) -> PosteriorDraws:
        """The posterior of a data set."""
        model = self.model
        return posterior_of(model.design, model.priors.numbers, products, settings, group_effects=self._with_groups)

    def _parameters(self, found: PosteriorDraws) -> Floats:
        """What must mix: parameters alone, which every other quantity follows from."""
        variances = found.variances
        return parameter_values(self.model.design, found.effects.beta, variances.sigma, variances.covariances)

    def _posterior_values(self, products: CrossProducts, found: PosteriorDraws, places: Integers) -> Floats:
        """The quantities at some of the draws."""
        covariances = tuple(covariance[places] for covariance in found.variances.covariances)
        effects = tuple(u[places] for u in found.effects.effects or ())
        return self._values(products, found.effects.beta[places], found.variances.sigma[places], covariances, effects)

    def _values(
        self,
        products: CrossProducts,
        beta: Floats,
        sigma: Floats,
        covariances: tuple[Floats, ...],
        effects: tuple[Floats, ...],
    ) -> Floats:
        """The quantities, (D, Q)."""
        design = self.model.design
        parts = [parameter_values(design, beta, sigma, covariances), icc_values(products, sigma, covariances)]
        parts += [group_values(design, effects)] if self._with_groups else []
        likelihood = log_likelihood(design, products, beta, sigma, covariances)
        return np.concatenate([*parts, likelihood[:, None]], axis=1)


def require_model(function: str, model: Any) -> None:
    """Refuse what is no model."""
    if not isinstance(model, Model):
        raise ArgumentError(
            f"{function} was given an object of type {type(model).__name__}.",
            "Expected a Model.",
            f"Write bx.{function}(bx.Model(formula, data), ...); of a fit, bx.Model.from_fit(fit).",
        )


def require_proper_priors(model: Model) -> None:
    """Refuse flat priors, from which nothing can be drawn.

    Raises
    ------
    PriorError
        With every parameter that has one.
    """
    design, priors = model.design, model.priors.numbers
    flat = [name for name, prior in zip(design.fixed_names, priors.beta, strict=True) if isinstance(prior, Flat)]
    for level, own in zip(design.levels, priors.levels, strict=True):
        named = zip(level.effect_names, own.sds, strict=True)
        flat += [f"sd({name} | {level.name})" for name, prior in named if isinstance(prior, Flat)]
    flat += ["sigma"] if isinstance(priors.sigma, Flat) else []
    if flat:
        raise PriorError(
            f"The prior{'s' * (len(flat) > 1)} of {', '.join(flat)} {'are' if len(flat) > 1 else 'is'} flat.",
            "Expected proper priors: truths are drawn from them.",
            "Use priors='default', or set proper ones with model.with_priors.",
        )
