"""Leave-one-out cross-validation and WAIC of rows and of groups, on the likelihood without group and fixed effects."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import arviz_stats
import numpy as np
import xarray as xr
from arviz_stats import ELPDData
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesmix.errors import ArgumentError, BayesmixError, ConvergenceError
from bayesmix.inference.density_means import LEAST_DRAWS
from bayesmix.inference.leave_out import Hyperparameters, Units
from bayesmix.inference.naming import correlation_name, sd_name
from bayesmix.results.caller import warn_caller
from bayesmix.results.left_out import densities, hyperparameters, labelled, name_of, pick_units, require_units
from bayesmix.results.naming import require_count
from bayesmix.results.refitted import Parts, Refitted, refit_each, refit_settings, say_doubtful, with_enough_draws

if TYPE_CHECKING:
    from bayesmix.results.surface.cross_validation import CrossValidation

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Memory for log densities in work at a time; smoothing their weights takes some times as much.
_CHUNK_BYTES = 64_000_000
# Above this variance of a log density WAIC may be far off (Vehtari, Gelman & Gabry 2017, section 2.2).
MOST_VARIANCE = 0.4
# The largest Pareto k that is good with any number of draws; with fewer than some 2,200 it is smaller.
_GOOD = 0.7
# Units named in a warning.
_NAMED = 5


@dataclass(kw_only=True, repr=False)
class ELPDDataWAIC(ELPDData):  # type: ignore[misc]  # ArviZ has no types
    """WAIC, as ArviZ holds its estimates.

    Parameters
    ----------
    p_waic_i : DataArray
        Variance of the log density of each unit over the draws.
    """

    _kind: ClassVar[str] = "waic"

    p_waic_i: xr.DataArray


def leave_one_out(
    post: CrossValidation, by: Any, reloo: Any, seed: int | None, progress: Any, called: str | None = None
) -> ELPDData:
    """PSIS over the draws of the variance parameters, and exact refits where its tail is too heavy.

    ``called`` is the name of the model in messages, where there are several.
    """
    for name, value in (("reloo", reloo), ("progress", progress)):
        require_switch(name, value)
    if seed is not None:
        require_count("seed", seed, 0)
    units = ready_units(post, by, called)
    draws, efficiency = hyperparameters(post), _relative_efficiency(post)
    shape = post.parameters.sigma.shape
    parts, full = [], np.empty(units.count)
    for chosen in _chunks(units, len(draws.sigma)):
        values = densities(post, draws, units, chosen, bool(progress))
        full[chosen] = _log_mean(values)
        parts.append(_smoothed(values.reshape(*shape, -1), efficiency))
    good = parts[0].good_k
    elpd = np.concatenate([np.ravel(part.elpd_i) for part in parts])
    k = np.concatenate([np.ravel(part.pareto_k) for part in parts])
    high = np.flatnonzero(~(k <= good))
    refits = _refits(post, units, high, seed, bool(progress)) if high.size and reloo else []
    mcse, doubtful = np.full(units.count, np.nan), np.zeros(units.count, bool)
    for refit in refits:
        members, found = refit.members, refit.found
        elpd[members], mcse[members], doubtful[members] = found.values, found.mcse, found.doubtful
        k[members] = np.where(found.doubtful, found.k, 0.0)
    high = high[np.isnan(mcse[high])]
    if high.size:
        _warn_high(post, units, high, by, good, called)
    if doubtful.any():
        say_doubtful(listed(post, units, np.flatnonzero(doubtful)), int(doubtful.sum()))
    return replace(
        parts[0],
        elpd=float(elpd.sum()),
        se=standard_error(elpd),
        p=float((full - elpd).sum()),
        n_data_points=units.count,
        warning=bool(high.size or doubtful.any()),
        elpd_i=labelled(post.design, units, elpd, "elpd_i", {"mcse": mcse} if refits else None),
        pareto_k=labelled(post.design, units, k, "pareto_k"),
        p_loo_i=labelled(post.design, units, full - elpd, "p_loo_i"),
        log_weights=None,
    )


def ready_units(post: CrossValidation, by: Any, called: str | None = None) -> Units:
    """What is left out, once it is sure that it can be; ``called`` as in :func:`leave_one_out`.

    Raises
    ------
    BayesmixError
        An unknown level, too few draws, or a fixed effect that rests on what is left out.
    """
    try:
        units = pick_units(post.design, by)
        _require_draws(post)
        require_units(post, units, units.codes, name_of(post.design, units))
    except BayesmixError as problem:
        if called is None:
            raise
        raise type(problem)(f"Of '{called}': {problem.found}", problem.expected, problem.remedy) from problem
    return units


def _refits(post: CrossValidation, units: Units, high: Integers, seed: int | None, progress: bool) -> list[Refitted]:
    """One refit without each unit, of which at least the usual number of draws are taken."""
    name = name_of(post.design, units)
    parts = Parts(units, [np.array([g]) for g in high], lambda number: name(int(high[number])), "Refits")
    return refit_each(post, parts, with_enough_draws(refit_settings(post, seed)), progress)


def widely_applicable(post: CrossValidation, by: Any, progress: Any) -> ELPDDataWAIC:
    """WAIC from means and variances of the same log densities."""
    require_switch("progress", progress)
    units = pick_units(post.design, by)
    require_units(post, units, units.codes, name_of(post.design, units))
    draws = hyperparameters(post)
    full, variance = full_densities(post, draws, units, bool(progress))
    elpd = full - variance
    high = np.flatnonzero(variance > MOST_VARIANCE)
    if high.size:
        written = "" if by is None else f"by={by!r}"
        warn_caller(
            f"WAIC: the log density of {listed(post, units, high)} has a variance over {MOST_VARIANCE}, where WAIC "
            f"may be far off. Use loo({written}), which tells where it can not be trusted."
        )
    return ELPDDataWAIC(
        elpd=float(elpd.sum()),
        se=standard_error(elpd),
        p=float(variance.sum()),
        n_samples=len(draws.sigma),
        n_data_points=units.count,
        scale="log",
        warning=bool(high.size),
        good_k=None,
        elpd_i=labelled(post.design, units, elpd, "elpd_i"),
        p_waic_i=labelled(post.design, units, variance, "p_waic_i"),
    )


def full_densities(
    post: CrossValidation, draws: Hyperparameters, units: Units, progress: bool = False
) -> tuple[Floats, Floats]:
    """Log of the mean density of each unit given all others, and the variance of its log, over the draws, (G,)."""
    full, variance = np.empty(units.count), np.empty(units.count)
    for chosen in _chunks(units, len(draws.sigma)):
        values = densities(post, draws, units, chosen, progress)
        full[chosen], variance[chosen] = _log_mean(values), values.var(axis=0, ddof=1)
    return full, variance


def require_switch(name: str, value: Any) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool | np.bool_):
        raise ArgumentError(f"{name}={value!r}.", "Expected True or False.", f"Write {name}=True, or leave it out.")


def standard_error(values: Floats) -> float:
    """Of the sum of independent values, as ArviZ has it."""
    return float(np.sqrt(len(values) * np.var(values, ddof=1)))


def _log_mean(values: Floats) -> Floats:
    """Log of the mean density over draws, (G,)."""
    return np.asarray(logsumexp(values, axis=0) - np.log(len(values)))


def _chunks(units: Units, n_draws: int) -> Iterator[Integers]:
    """Units a few at a time."""
    step = max(1, _CHUNK_BYTES // (8 * n_draws))
    for start in range(0, units.count, step):
        yield np.arange(start, min(start + step, units.count))


def _smoothed(values: Floats, efficiency: float) -> Any:
    """ArviZ's own estimate from (chains, draws, units) log densities; what it warns of is said later, with names."""
    likelihood = xr.Dataset({"y": (("chain", "draw", "unit"), values)})
    empty = xr.Dataset(coords={"chain": np.arange(values.shape[0]), "draw": np.arange(values.shape[1])})
    tree = xr.DataTree.from_dict({"posterior": empty, "log_likelihood": likelihood})
    # Weights that differ by hundreds of powers overflow there; their k is then no number, and said to be high.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.filterwarnings("ignore", message="Estimated shape parameter", category=UserWarning)
        warnings.filterwarnings("ignore", message="The point-wise LOO is the same", category=UserWarning)
        try:
            return arviz_stats.loo(tree, pointwise=True, reff=efficiency)
        except ValueError as problem:
            raise ConvergenceError(
                f"Importance sampling failed: {problem}",
                "Expected draws whose densities differ.",
                "Look at the draws, and sample the model again.",
            ) from problem


def _require_draws(post: CrossValidation) -> None:
    """A tail of six weights, a fifth of all, is the least that can be smoothed."""
    count = post.parameters.sigma.size
    if count < LEAST_DRAWS:
        raise ArgumentError(
            f"The posterior has {count} draws.",
            f"Expected at least {LEAST_DRAWS}, of whose weights the largest are smoothed.",
            "Sample more; 4,000 is usual.",
        )


def _relative_efficiency(post: CrossValidation) -> float:
    """Mean effective draws of what was sampled, as a share of the draws."""
    posterior = post.idata["posterior"].to_dataset()
    if posterior.sizes["chain"] == 1:
        return 1.0
    names = ["sigma"]
    for level in post.design.levels:
        names += [sd_name(effect, level.name) for effect in level.effect_names]
        names += [correlation_name(level.name)] * bool(level.pairs)
    with np.errstate(all="ignore"):  # draws that are not finite are refused where their densities are
        sizes = arviz_stats.ess(posterior[names], method="mean")
    found = np.concatenate([np.ravel(sizes[name]) for name in names])
    share = float(np.nanmean(found)) / post.parameters.sigma.size if np.isfinite(found).any() else 1.0
    return min(share, 1.0)


def listed(post: CrossValidation, units: Units, which: Integers) -> str:
    """How many units, and the first of them."""
    label = name_of(post.design, units)
    kind = "rows" if units.level is None else f"groups of {post.design.levels[units.level].name}"
    shown = ", ".join(label(int(g)).split(" ", 1)[1] for g in which[:_NAMED]) + (", ..." if len(which) > _NAMED else "")
    return f"{len(which)} of {units.count} {kind} ({shown})"


def _warn_high(post: CrossValidation, units: Units, high: Integers, by: Any, good: float, called: str | None) -> None:
    """Say which estimates are not reliable, and what to do."""
    written = "" if by is None else f"by={by!r}, "
    verb, count = "has" if len(high) == 1 else "have", post.parameters.sigma.size
    few = ""
    if good < _GOOD:
        few = (
            f" Of {count} draws a k up to {good:.2f} is good, of 2,200 one up to {_GOOD}: sample more draws, 4,000 are "
            "usual."
        )
    warn_caller(
        f"{'' if called is None else f'{called}: '}{listed(post, units, high)} {verb} a Pareto k above {good:.2f}: "
        "without each of them the posterior is another one, and their estimates are not reliable."
        f"{few} loo({written}reloo=True) samples the model again without each."
    )
