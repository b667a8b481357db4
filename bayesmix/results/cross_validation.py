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

from bayesmix.errors import ArgumentError, BayesmixWarning, ConvergenceError
from bayesmix.inference.leave_out import Hyperparameters, Units
from bayesmix.inference.naming import correlation_name, sd_name
from bayesmix.results.left_out import (
    densities,
    hyperparameters,
    labelled,
    name_of,
    pick_units,
    refit_each,
    require_units,
)
from bayesmix.results.naming import require_count

if TYPE_CHECKING:
    from bayesmix.results.surface.cross_validation import CrossValidation

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Memory for log densities in work at a time; smoothing their weights takes some times as much.
_CHUNK_BYTES = 64_000_000
# Above this variance of a log density WAIC may be far off (Vehtari, Gelman & Gabry 2017, section 2.2).
MOST_VARIANCE = 0.4
# Of 25 draws the 5 largest weights are smoothed, the fewest that can be.
LEAST_DRAWS = 25
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


def leave_one_out(post: CrossValidation, by: Any, reloo: Any, seed: int | None, progress: Any) -> ELPDData:
    """PSIS over the draws of the variance parameters, and exact refits where its tail is too heavy."""
    for name, value in (("reloo", reloo), ("progress", progress)):
        require_switch(name, value)
    if seed is not None:
        require_count("seed", seed, 0)
    units = pick_units(post.design, by)
    _require_draws(post)
    require_units(post, units, units.codes, name_of(post.design, units))
    draws, efficiency = hyperparameters(post), _relative_efficiency(post)
    shape = post.parameters.sigma.shape
    parts, full = [], np.empty(units.count)
    for chosen in _chunks(units, len(draws.sigma)):
        values = densities(post, draws, units, chosen)
        full[chosen] = _log_mean(values)
        parts.append(_smoothed(values.reshape(*shape, -1), efficiency))
    elpd = np.concatenate([np.ravel(part.elpd_i) for part in parts])
    k = np.concatenate([np.ravel(part.pareto_k) for part in parts])
    high = np.flatnonzero(~(k <= parts[0].good_k))
    if high.size and reloo:
        for part, found in refit_each(post, units, [np.array([g]) for g in high], seed, bool(progress), "Refits"):
            elpd[part], k[part] = found, 0.0
        high = np.flatnonzero(~(k <= parts[0].good_k))
    if high.size:
        _warn_high(post, units, high, by, parts[0].good_k)
    return replace(
        parts[0],
        elpd=float(elpd.sum()),
        se=standard_error(elpd),
        p=float((full - elpd).sum()),
        n_data_points=units.count,
        warning=bool(high.size),
        elpd_i=labelled(post.design, units, elpd, "elpd_i"),
        pareto_k=labelled(post.design, units, k, "pareto_k"),
        p_loo_i=labelled(post.design, units, full - elpd, "p_loo_i"),
        log_weights=None,
    )


def widely_applicable(post: CrossValidation, by: Any) -> ELPDDataWAIC:
    """WAIC from means and variances of the same log densities."""
    units = pick_units(post.design, by)
    require_units(post, units, units.codes, name_of(post.design, units))
    draws = hyperparameters(post)
    full, variance = full_densities(post, draws, units)
    elpd = full - variance
    high = np.flatnonzero(variance > MOST_VARIANCE)
    if high.size:
        written = "" if by is None else f"by={by!r}"
        warnings.warn(
            f"WAIC: the log density of {_listed(post, units, high)} has a variance over {MOST_VARIANCE}, where WAIC "
            f"may be far off. Use loo({written}), which tells where it can not be trusted.",
            BayesmixWarning,
            stacklevel=3,
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


def full_densities(post: CrossValidation, draws: Hyperparameters, units: Units) -> tuple[Floats, Floats]:
    """Log of the mean density of each unit given all others, and the variance of its log, over the draws, (G,)."""
    full, variance = np.empty(units.count), np.empty(units.count)
    for chosen in _chunks(units, len(draws.sigma)):
        values = densities(post, draws, units, chosen)
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
    """A tail of five weights, a fifth of all, is the least that can be smoothed."""
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


def _listed(post: CrossValidation, units: Units, which: Integers) -> str:
    """How many units, and the first of them."""
    label = name_of(post.design, units)
    kind = "rows" if units.level is None else f"groups of {post.design.levels[units.level].name}"
    shown = ", ".join(label(int(g)).split(" ", 1)[1] for g in which[:_NAMED]) + (", ..." if len(which) > _NAMED else "")
    return f"{len(which)} of {units.count} {kind} ({shown})"


def _warn_high(post: CrossValidation, units: Units, high: Integers, by: Any, good: float) -> None:
    """Say which estimates are not reliable, and what to do."""
    written = "" if by is None else f"by={by!r}, "
    verb = "has" if len(high) == 1 else "have"
    warnings.warn(
        f"{_listed(post, units, high)} {verb} a Pareto k above {good:.2f}: without each of them the posterior is "
        f"another one, and their estimates are not reliable. loo({written}reloo=True) samples the model again without "
        "each.",
        BayesmixWarning,
        stacklevel=4,
    )
