"""How parameters are sampled, decided once from the REML fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts
from bayesmix.inference.distributions import Distribution
from bayesmix.inference.ml import MlSolution, maximise
from bayesmix.inference.priors import Priors, stated_on

Floats = NDArray[np.float64]

# Below this gain in REML deviance an sd is sampled on the whole line: three times the effective draws where the data
# say little about it (a funnel in logarithms), fewer where they say much.
SIGNED_BELOW = 10.0
# Crossed effects beyond this are sampled: a block of 400 takes 5 ms at every step.
LARGEST_BLOCK = 400


@dataclass(frozen=True)
class Geometry:
    """What is sampled, and on which scale.

    Parameters
    ----------
    signed : tuple of tuple of bool
        By level, for each effect, whether its sd is sampled on the whole line or in logarithms. Signed sds carry a
        symmetric density; the posterior of |s| and of the matching correlations is the same.
    given : tuple of {None, "centred", "offset"}
        By level, whether its effects are integrated out (None, everywhere unless said) or sampled, and then themselves
        or in units of their covariance.
    offsets : frozenset of int
        Fixed effects under a prior of R2 that are sampled in units of their prior sd.
    """

    signed: tuple[tuple[bool, ...], ...]
    given: tuple[str | None, ...] = ()
    offsets: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if not self.given:
            object.__setattr__(self, "given", (None,) * len(self.signed))


def choose_geometry(products: CrossProducts, solution: MlSolution, priors: Priors) -> Geometry:
    """Signed where removing the effect (and its covariances) raises the REML criterion by less than 10.

    A prior with a kink at 0, or without weight there, gains nothing from signs. Effects of crossed levels are given
    where together they are too many for a dense block at every step.
    """
    crossed = products.levels[products.n_nested :]
    given: list[str | None] = [None] * len(products.levels)
    if sum(level.n_groups * level.basis.shape[1] for level in crossed) > LARGEST_BLOCK:
        for number in range(products.n_nested, len(products.levels)):
            given[number] = _form(products, solution, number)
    signed = []
    for number, level in enumerate(products.levels):
        if given[number] is not None:
            signed.append((False,) * level.basis.shape[1])
            continue
        flags = []
        for effect, prior in enumerate(priors.levels[number].sds):
            if not (isinstance(prior, Distribution) and prior.folded):
                flags.append(False)
                continue
            reduced = maximise(without_effect(products, number, effect), reml=True)
            flags.append(reduced.criterion - solution.criterion < SIGNED_BELOW)
        signed.append(tuple(flags))
    return Geometry(tuple(signed), tuple(given), _offsets(products, solution, priors))


def _offsets(products: CrossProducts, solution: MlSolution, priors: Priors) -> frozenset[int]:
    """Fixed effects whose sd the prior of R2 governs and the data hardly tell from 0: in offsets, without a funnel."""
    if priors.r2 is None:
        return frozenset()
    stated = stated_on(priors, products)
    beta = stated @ solution.beta
    error = np.sqrt(np.diag(stated @ solution.vcov @ stated.T))
    governed = (j for j, prior in enumerate(priors.beta) if prior == priors.r2)
    return frozenset(j for j in governed if abs(beta[j]) < 3 * error[j])


def _form(products: CrossProducts, solution: MlSolution, number: int) -> str:
    """As they are where the data know every effect of a group better than its prior does, or else by their offsets."""
    level = products.levels[number]
    inner = products.total[np.ix_(level.columns, level.columns)]
    per_group = np.einsum("iq,ij,jq->q", level.basis, inner, level.basis) / level.n_groups
    weight = per_group * np.diag(solution.covariances[number]) / solution.sigma**2
    return "centred" if np.min(weight) > 1 else "offset"


def without_effect(products: CrossProducts, number: int, effect: int) -> CrossProducts:
    """The same data without one effect of one level."""
    level = products.levels[number]
    blocks = []
    for start, stop in level.blocks:
        begin, end = start - (start > effect), stop - (stop > effect)
        if end > begin:
            blocks.append((begin, end))
    reduced = replace(level, basis=np.delete(level.basis, effect, axis=1), blocks=tuple(blocks))
    levels = (*products.levels[:number], reduced, *products.levels[number + 1 :])
    return replace(products, levels=levels)
