"""The log marginal likelihood of a model, as a number that knows its error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.errors import ArgumentError, PriorError
from bayesmix.inference.bridge import BridgeEstimate, bridge
from bayesmix.inference.distributions import Flat
from bayesmix.inference.folded import Folded, fold
from bayesmix.inference.geometry import LARGEST_BLOCK
from bayesmix.inference.naming import sd_name
from bayesmix.inference.priors import Priors
from bayesmix.inference.threads import one_blas_thread
from bayesmix.results.caller import warn_caller

if TYPE_CHECKING:
    from bayesmix.results.surface.evidence import ModelEvidence

METHOD = "bridge sampling, normal proposal"
# In log units; a Bayes factor is then off by a tenth.
LARGEST_ERROR = 0.1
# Halves of the draws that differ by more than so many errors: the error is not to be trusted.
LARGEST_DISAGREEMENT = 4.0
# Draws used by themselves; where a large block of crossed effects is integrated out at each, fewer.
MOST_DRAWS, MOST_WITH_BLOCK = 20_000, 1_000


class LogMarginalLikelihood(float):
    """log p(y) of a model, a float with its Monte Carlo error.

    Attributes
    ----------
    se : float
        Monte Carlo error, in log units.
    method : str
    dimension : int
        Parameters that were integrated over draws; the others were integrated exactly.
    draws : int
        Draws of the posterior that were used, and as many of the proposal.
    effective : float
        As many independent draws tell as much.
    """

    __slots__ = ("dimension", "draws", "effective", "method", "se")

    se: float
    method: str
    dimension: int
    draws: int
    effective: float

    def __new__(
        cls, value: float, *, se: float, method: str, dimension: int, draws: int, effective: float
    ) -> LogMarginalLikelihood:
        """A number and what is known of it."""
        made = super().__new__(cls, value)
        every = {"se": se, "method": method, "dimension": dimension, "draws": draws, "effective": effective}
        for name, given in every.items():
            object.__setattr__(made, name, given)
        return made

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"A result is not changed: '{name}' can not be set.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"A result is not changed: '{name}' can not be removed.")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (float(self), self.se, self.method, self.dimension, self.draws, self.effective)

    def __copy__(self) -> LogMarginalLikelihood:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> LogMarginalLikelihood:
        return self

    def __repr__(self) -> str:
        decimals = decimals_of(self.se)
        return (
            f"log p(y) = {float(self):.{decimals}f} ± {self.se:.{decimals}f} (Monte Carlo error; {self.method}, "
            f"{self.dimension} parameter{'s' * (self.dimension != 1)}, {self.draws} draws worth {self.effective:.0f})"
        )


def _rebuild(
    value: float, se: float, method: str, dimension: int, draws: int, effective: float
) -> LogMarginalLikelihood:
    return LogMarginalLikelihood(value, se=se, method=method, dimension=dimension, draws=draws, effective=effective)


def decimals_of(error: float) -> int:
    """Decimals that show an error with two digits, at least 1 and at most 6."""
    if not np.isfinite(error) or error <= 0:
        return 4
    return int(np.clip(1 - np.floor(np.log10(error)), 1, 6))


def marginal_likelihood(post: ModelEvidence, seed: int | None, draws: int | None) -> LogMarginalLikelihood:
    """log p(y) by bridge sampling over the parameters that were sampled; see the method of a posterior.

    Raises
    ------
    ArgumentError
        Options that can not be, or draws that were removed.
    PriorError
        An improper prior.
    ConvergenceError
        Chains that do not agree.
    """
    for name, value, least in (("seed", seed, 0), ("draws", draws, 1)):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ArgumentError(
                f"{name}={value!r}.", f"Expected a whole number of at least {least}.", f"Correct {name}."
            )
    require_all_proper(post.design, post.priors.numbers)
    folded, points = folded_draws(post.design, post.products, post.priors.numbers, post.idata)
    of_each = max(1, (draws or _usual_limit(post)) // points.shape[0])
    step = -(-points.shape[1] // of_each)
    with one_blas_thread():
        found = bridge(folded.log_density, points[:, ::step], np.random.default_rng(seed))
    _warn(found)
    return LogMarginalLikelihood(
        found.value,
        se=found.se,
        method=METHOD,
        dimension=found.dimension,
        draws=found.draws,
        effective=found.effective,
    )


def _usual_limit(post: ModelEvidence) -> int:
    """Fewer draws where every density takes a large dense block."""
    crossed = post.products.levels[post.products.n_nested :]
    block = sum(level.n_groups * level.basis.shape[1] for level in crossed)
    return MOST_WITH_BLOCK if block > LARGEST_BLOCK else MOST_DRAWS


def folded_draws(
    design: Design, products: CrossProducts, priors: Priors, idata: xr.DataTree
) -> tuple[Folded, NDArray[np.float64]]:
    """A posterior in folded coordinates and its draws in them, (C, D, d).

    Raises
    ------
    ArgumentError
        Draws that were removed.
    """
    sampled = _sampled(idata)
    folded = fold(design, products, priors, sampled)
    missing = [variable.name for variable in folded.variables if variable.name not in _readable(design, sampled)]
    if missing:
        raise _without_draws(f"no '{missing[0]}' in 'unconstrained_posterior'")
    return folded, folded.coordinates(sampled)


def _sampled(idata: xr.DataTree) -> dict[str, Any]:
    """Draws of the sampler's variables, (C, D) or (C, D, size)."""
    if "unconstrained_posterior" not in idata.children:
        raise _without_draws("no group 'unconstrained_posterior'")
    raw = idata["unconstrained_posterior"].to_dataset()
    return {str(name): raw[name].to_numpy() for name in raw.data_vars}


def _readable(design: Design, sampled: dict[str, Any]) -> set[str]:
    """What there is, with the plain names of the sds that were sampled on the whole line."""
    names = set(sampled)
    for level in design.levels:
        for effect in level.effect_names:
            plain = sd_name(effect, level.name)
            if f"{plain}_signed" in names:
                names.add(plain)
    return names


def _without_draws(what: str) -> ArgumentError:
    """The answer to a posterior from which draws were removed."""
    return ArgumentError(
        f"The posterior's idata has {what}.",
        "Expected the draws of what was sampled, from which the density is integrated.",
        "Sample again and keep idata whole; post.save(path) keeps all of it.",
    )


def require_all_proper(design: Design, priors: Priors) -> None:
    """Refuse priors that do not integrate to 1, by name.

    Raises
    ------
    PriorError
    """
    flat = [name for name, prior in zip(design.fixed_names, priors.beta, strict=True) if isinstance(prior, Flat)]
    for level, own in zip(design.levels, priors.levels, strict=True):
        flat += [
            sd_name(effect, level.name)
            for effect, sd in zip(level.effect_names, own.sds, strict=True)
            if isinstance(sd, Flat)
        ]
    flat += ["sigma"] if isinstance(priors.sigma, Flat) else []
    if flat:
        several = len(flat) > 1
        raise PriorError(
            f"The prior{'s' * several} of {', '.join(repr(name) for name in flat)} {'are' if several else 'is'} flat.",
            "Expected proper priors: a flat one has no constant, and the evidence would be any number times it.",
            "Sample with priors='default', or set proper ones by model.with_priors({...}).",
        )


def _warn(found: BridgeEstimate) -> None:
    """Say when the error is large, or not to be trusted."""
    if not found.se <= LARGEST_ERROR:
        warn_caller(
            f"The Monte Carlo error of log p(y) is {found.se:.2g}, more than {LARGEST_ERROR}. Sample more draws."
        )
    gap = abs(found.halves[0] - found.halves[1])
    if found.disagreement > LARGEST_DISAGREEMENT and gap > LARGEST_ERROR / 2:
        warn_caller(
            f"The two halves of the draws give log p(y) {gap:.2g} apart, {found.disagreement:.1f} times the error of "
            "their difference: the error is larger than it says. Sample more draws."
        )
