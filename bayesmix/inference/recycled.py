"""Data sets drawn from a model, and its posterior for each on code that is compiled once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.design.response import read_rows, with_response
from bayesmix.inference.ml import MlSolution, maximise
from bayesmix.inference.posterior import PosteriorDraws, draw_posterior
from bayesmix.inference.prior_draws import PriorDraws, draw_prior
from bayesmix.inference.priors import Priors
from bayesmix.inference.sampling import Settings
from bayesmix.inference.simulation import KnownTruth, is_nested, simulated_rows, tree_drawer

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# A posterior that mixes too slowly is drawn again with this many times the draws, at most so often.
LONGER, ATTEMPTS = 4, 3
# Draws that are not independent are thinned from at least this many effective ones for each that is kept.
SPARE = 2.0


@dataclass(frozen=True)
class DrawnData:
    """A data set drawn from the prior.

    Parameters
    ----------
    found : PriorDraws
        One draw of the parameters.
    effects : tuple of (J, q) arrays
        Group effects, in depth-first order as those of a posterior.
    products : CrossProducts
        The response.
    """

    found: PriorDraws
    effects: tuple[Floats, ...]
    products: CrossProducts


def prior_drawer(design: Design, products: CrossProducts, priors: Priors) -> Callable[[np.random.Generator], DrawnData]:
    """Draws of parameters from their priors and of data sets from these: without rows where all levels are nested.

    Parameters
    ----------
    design, products : Design, CrossProducts
        Predictors and groups; the response is not read.
    priors : Priors
        Proper ones.

    Returns
    -------
    callable
        From a generator to a data set.
    """
    respond = _responder(design, products)

    def draw(rng: np.random.Generator) -> DrawnData:
        found = draw_prior(design, products, priors, 1, rng)
        sigma = float(found.variances.sigma[0])
        truth = KnownTruth(found.beta[0], tuple(factor[0] / sigma for factor in found.variances.factors), sigma)
        return DrawnData(found, *respond(truth, rng))

    return draw


def _responder(
    design: Design, products: CrossProducts
) -> Callable[[KnownTruth, np.random.Generator], tuple[tuple[Floats, ...], CrossProducts]]:
    """Group effects and a response for given parameters."""
    if is_nested(products):
        from_tree = tree_drawer(products)

        def nested(truth: KnownTruth, rng: np.random.Generator) -> tuple[tuple[Floats, ...], CrossProducts]:
            drawn, effects = from_tree(truth, rng)
            return effects, drawn

        return nested
    rows = read_rows(design, products)
    assert design.tree is not None
    orders = design.tree.order

    def crossed(truth: KnownTruth, rng: np.random.Generator) -> tuple[tuple[Floats, ...], CrossProducts]:
        by_label, effects = [], []
        for level, factor, order in zip(design.levels, truth.factors, orders, strict=True):
            noise = rng.standard_normal((len(level.grouping.labels), len(level.effects)))
            by_label.append(truth.sigma * noise @ factor.T)
            placed = np.empty_like(noise)
            placed[order] = by_label[-1]
            effects.append(placed)
        y = simulated_rows(design, truth, rng, tuple(by_label))
        return tuple(effects), with_response(design, products, y, rows)

    return crossed


def posterior_of(
    design: Design,
    priors: Priors,
    products: CrossProducts,
    settings: Settings,
    solution: MlSolution | None = None,
    group_effects: bool = True,
) -> PosteriorDraws:
    """The posterior for another response of a design, as :meth:`bayesmix.Model.sample` draws it.

    Each sd is signed or in logarithms by the REML fit to that response, so that a model with k sds compiles at most
    2^k graphs, each once.

    Parameters
    ----------
    solution : MlSolution, optional
        The REML fit, where it is known already.
    group_effects : bool
        Keep their draws.
    """
    return draw_posterior(design, products, priors, solution or maximise(products), settings, group_effects)


@dataclass(frozen=True)
class Thinned:
    """Draws of a posterior that are nearly independent.

    Parameters
    ----------
    values : (L, Q) array
        Draws of the quantities.
    effective : float
        Smallest effective number over the quantities before thinning.
    total : int
        Draws before thinning.
    divergences : int
    """

    values: Floats
    effective: float
    total: int
    divergences: int


def thinned_posterior(
    sample: Callable[[Settings], PosteriorDraws],
    mixing: Callable[[PosteriorDraws], Floats],
    values: Callable[[PosteriorDraws, Integers], Floats],
    keep: int,
    settings: Settings,
) -> Thinned:
    """Keep L draws of a posterior, equally far apart, sampling longer where fewer than 2 L are effective.

    How long is decided by the effective numbers alone, which know nothing of the truth.

    Parameters
    ----------
    sample : callable
        From settings to a posterior.
    mixing : callable
        From a posterior to the quantities whose effective numbers count, (chains * draws, M), chain after chain.
    values : callable
        From a posterior and places of draws to the quantities at these, (L, Q).
    keep : int
        L.
    settings : Settings
        Those of the first attempt; its draws are multiplied by 4 in the second and in the third.
    """
    for attempt in range(ATTEMPTS):
        found = sample(replace(settings, draws=settings.draws * LONGER**attempt))
        chains, draws = found.raw.values["sigma"].shape[:2]
        effective = float(effective_numbers(mixing(found).reshape(chains, draws, -1)).min())
        if effective >= SPARE * keep:
            break
    total = chains * draws
    places = ((np.arange(keep) + 0.5) * total / keep).astype(np.int64)
    divergences = int(found.raw.stats["diverging"].sum())
    return Thinned(values(found, places), effective, total, divergences)


def effective_numbers(values: Floats) -> Floats:
    """Effective number of draws for the mean of each quantity, (C, D, Q) to (Q,); D of what does not vary.

    Geyer's (1992) initial monotone sequence of the autocorrelations that chains share: Vehtari et al. (2021), Bayesian
    Analysis 16:667-718, equations 10 to 13. Chains are split in halves.
    """
    half = values.shape[1] // 2
    parts = np.concatenate([values[:, :half], values[:, -half:]])
    m, n = parts.shape[:2]
    centred = parts - parts.mean(axis=1, keepdims=True)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(centred, size, axis=1)) ** 2
    covariance = np.fft.irfft(spectrum, size, axis=1)[:, :n] / n
    within = covariance[:, 0].mean(axis=0) * n / (n - 1)
    between = parts.mean(axis=1).var(axis=0, ddof=1)
    total = within * (n - 1) / n + between
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = 1 - (within - covariance.mean(axis=0) * n / (n - 1)) / total
    rho[0] = 1.0
    pairs = rho[: n - n % 2].reshape(n // 2, 2, -1).sum(axis=1)
    # Sums of neighbours are positive and fall; from the first that is not, there is noise alone.
    positive = np.logical_and.accumulate(pairs > 0, axis=0)
    falling = np.minimum.accumulate(np.where(positive, pairs, 0.0), axis=0)
    tau = np.maximum(2 * falling.sum(axis=0) - 1, 1 / np.log10(m * n))
    return np.asarray(np.where(total > 0, m * n / tau, float(m * n)))
