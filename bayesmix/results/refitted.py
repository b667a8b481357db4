"""Posteriors sampled anew without some rows or groups, and what they say of these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayesmix.errors import BayesmixError, ConvergenceError, PriorError
from bayesmix.inference.density_means import LARGEST_ERROR, DensityMeans, density_means
from bayesmix.inference.leave_out import Units, log_predictive
from bayesmix.inference.long_work import asked_to_stop, progress_bar
from bayesmix.inference.posterior import SamplingPlan
from bayesmix.inference.refits import plan_refits, require_proper_without, sample_without
from bayesmix.inference.sampling import Settings
from bayesmix.results.caller import warn_caller
from bayesmix.results.left_out import require_finite

if TYPE_CHECKING:
    from bayesmix.results.surface.cross_validation import CrossValidation

Integers = NDArray[np.int64]

# Failures named in a warning.
_NAMED = 3
# What a refit may fail with that is no fault in the code: samplers raise RuntimeError where no chain can start.
_FAILURES = (BayesmixError, np.linalg.LinAlgError, RuntimeError)


@dataclass(frozen=True)
class Parts:
    """What is left out, part by part.

    Parameters
    ----------
    units : Units
    members : sequence of (G,) int arrays
        The units of each part.
    name : callable
        What to call a part by its number.
    title : str
        Of the progress bar.
    """

    units: Units
    members: Sequence[Integers]
    name: Callable[[int], str]
    title: str


@dataclass(frozen=True)
class Refitted:
    """Units predicted by the posterior without them.

    Parameters
    ----------
    members : (G,) int array
        The units.
    found : DensityMeans
        Their log densities given the other rows, averaged over that posterior.
    """

    members: Integers
    found: DensityMeans


def refit_settings(post: CrossValidation, seed: int | None) -> Settings:
    """How the posterior was sampled, with another seed."""
    posterior = post.idata["posterior"]
    asked = posterior.attrs
    target = asked.get("target_accept")
    return Settings(
        draws=int(posterior.sizes["draw"]),
        tune=int(asked.get("tune", 300)),
        chains=int(posterior.sizes["chain"]),
        seed=seed,
        sampler="pymc" if asked.get("sampler") == "pymc" else "nutpie",
        target_accept=None if target is None else float(target),
        progress=False,
    )


def with_enough_draws(settings: Settings) -> Settings:
    """At least as many draws, and as long a warm-up, as by default."""
    usual = Settings()
    least = -(-usual.draws * usual.chains // settings.chains)
    return replace(settings, draws=max(settings.draws, least), tune=max(settings.tune, usual.tune))


def refit_each(post: CrossValidation, parts: Parts, settings: Settings, progress: bool) -> list[Refitted]:
    """Sample the posterior without each part of the units, and predict it.

    Ctrl-C ends it after the refit in work, and a refit that fails is passed over; what is finished is returned.

    Raises
    ------
    PriorError
        Before the first, where without a part the posterior is improper.
    ConvergenceError
        All of them failed.
    """
    count = len(parts.members)
    _require_proper(post, parts)
    plan = plan_refits(post.design, post.products, post.priors.numbers)
    done: list[Refitted] = []
    failed: list[tuple[int, Exception]] = []
    seeds = np.random.SeedSequence(settings.seed).generate_state(count, np.uint32)
    with progress_bar(count, progress, parts.title) as advance, asked_to_stop() as stop:
        try:
            for number, members in enumerate(parts.members):
                if stop():
                    break
                try:
                    own = replace(settings, seed=int(seeds[number]))
                    done.append(Refitted(members, _refit(post, parts.units, members, plan, own)))
                except _FAILURES as problem:
                    failed.append((number, problem))
                advance()
        except KeyboardInterrupt:  # in a thread that has no signals
            pass
    if not done and len(failed) < count:
        raise KeyboardInterrupt
    if failed:
        _say_failed(parts, failed)
    if len(done) + len(failed) < count:
        warn_caller(f"Interrupted: {len(done)} of {count} refits were finished and are kept.")
    return done


def _require_proper(post: CrossValidation, parts: Parts) -> None:
    """Refuse at once what would be refused after hours."""
    for number, members in enumerate(parts.members):
        kept = ~np.isin(parts.units.codes, members)
        try:
            require_proper_without(post.design, post.products, post.priors.numbers, kept)
        except PriorError as problem:
            found = f"Without {parts.name(number)}: {problem.found}"
            raise PriorError(found, problem.expected, problem.remedy) from problem


def _refit(
    post: CrossValidation, units: Units, members: Integers, plan: SamplingPlan, settings: Settings
) -> DensityMeans:
    """log p(y_g | rows without those of the part), averaged over the posterior of these rows, (G,)."""
    priors, kept = post.priors.numbers, ~np.isin(units.codes, members)
    draws = sample_without(post.design, post.products, priors, plan, kept, settings)
    found = log_predictive(post.design, post.products, priors, draws, units, members, kept)
    require_finite(found, post.design, units, members)
    return density_means(found.reshape(-1, settings.draws, len(members)))


def _say_failed(parts: Parts, failed: list[tuple[int, Exception]]) -> None:
    """Which refits failed and why: a warning where others were finished, else an error."""
    count = len(parts.members)
    shown = "; ".join(f"without {parts.name(number)}: {problem}" for number, problem in failed[:_NAMED])
    shown += f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    if len(failed) == count:
        raise ConvergenceError(
            f"Every refit failed; {shown}",
            "Expected a posterior that can be sampled without what is left out.",
            "Set priors that say more, or leave out less at a time.",
        ) from failed[0][1]
    warn_caller(f"{len(failed)} of {count} refits failed, and the result is without them; {shown}")


def say_doubtful(listed: str, some: int) -> None:
    """Estimates from refits that are uncertain themselves."""
    warn_caller(
        f"{listed} {'is' if some == 1 else 'are'} predicted by the posterior sampled without "
        f"{'it' if some == 1 else 'them'} with a Monte Carlo error above {LARGEST_ERROR}, or one that can not be told "
        "(a high Pareto k of the densities); elpd_i['mcse'] has the errors. Sample the model with more draws and call "
        "again: refits take as many."
    )
