"""Whether draws can be trusted: what the chains, and the sampler, say of themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bayesmix.results.checks import Check, parameter_label, sample_again
from bayesmix.results.components import component_index, component_values
from bayesmix.results.naming import group_order

if TYPE_CHECKING:
    from bayesmix.results.surface.diagnosis import PosteriorDiagnosis

Floats = NDArray[np.float64]

# Vehtari, Gelman, Simpson, Carpenter & Buerkner (2021), Bayesian Anal. 16:667-718, section 4: limits of R-hat and of
# the effective sample size, with which the Monte Carlo error of a mean is at most a twentieth of the sd.
LARGEST_R_HAT, LEAST_ESS, LARGEST_ERROR = 1.01, 400, 0.05
# Betancourt (2016), arXiv:1604.00695, section 5.
LEAST_BFMI = 0.3
# Our own: this share of a chain (at least so many draws) without a move.
STUCK_SHARE, STUCK_DRAWS = 0.05, 10
# Fewer draws of a chain have no R-hat; fewer say nothing of energies.
LEAST_FOR_R_HAT, LEAST_FOR_ENERGY = 4, 20
# Of more group effects than this, only those whose chains differ most are looked at in full.
MOST_EFFECTS = 500
# Transitions that diverge before it can be said where.
LEAST_DIVERGENT = 5
# What the trees of either sampler are called when they could not grow further.
_DEPTH = ("maxdepth_reached", "reached_max_treedepth")


@dataclass(frozen=True)
class Quantities:
    """Draws (C, D, k) of k quantities, by name."""

    names: list[str]
    draws: Floats


def reported_parameters(post: PosteriorDiagnosis) -> Quantities:
    """Fixed effects, variances, covariances and correlations."""
    found, levels = post.parameters, post.design.levels
    components = component_values(levels, found.covariances, found.sigma**2)
    names = [*post.design.fixed_names, *(parameter_label(*row) for row in component_index(levels))]
    return Quantities(names, np.concatenate([found.beta, components], axis=-1))


def worst_effects(post: PosteriorDiagnosis) -> Quantities | None:
    """Group effects, of many of them those whose chains differ most; None where their draws were not kept."""
    kept = post.effects.effects
    if kept is None or not kept:
        return None
    shape = post.parameters.sigma.shape
    parts: list[tuple[float, str, Floats]] = []
    for number, level in enumerate(post.design.levels):
        draws = kept[number][:, group_order(post.design, number)].reshape(*shape, -1)
        spread = _split_r_hat(draws)
        names = [f"{a} | {level.name} {label}" for label in level.grouping.labels for a in level.effect_names]
        for place in np.argsort(-spread, kind="stable")[:MOST_EFFECTS]:
            parts.append((spread[place], names[place], draws[..., place]))
    parts.sort(key=lambda part: -part[0])
    chosen = parts[:MOST_EFFECTS]
    return Quantities([name for _, name, _ in chosen], np.stack([draws for *_, draws in chosen], axis=-1))


def _split_r_hat(draws: Floats) -> Floats:
    """R-hat of (C, D, k) values from half chains, without ranks: fast, to choose by; 0 where there is none."""
    half = draws.shape[1] // 2
    if half < 2:
        return np.zeros(draws.shape[-1])
    halves = np.concatenate([draws[:, :half], draws[:, -half:]])
    within, between = halves.var(axis=1, ddof=1).mean(axis=0), halves.mean(axis=1).var(axis=0, ddof=1)
    return np.asarray(np.divide(between, within, out=np.zeros_like(within), where=within > 0))


def draw_checks(post: PosteriorDiagnosis) -> tuple[list[Check], list[str]]:
    """All checks of the draws, and what could not be checked."""
    every, skipped = [*enough_checks(post), *stuck_checks(post)], []
    every += mixing_checks(post, reported_parameters(post), "parameters")
    effects = worst_effects(post)
    if effects is not None:
        every += mixing_checks(post, effects, "group effects")[:-1]  # of these the error is not said anywhere
    elif post.design.levels:
        skipped.append("Draws of the group effects were not kept; given the parameters they are exact and independent.")
    statistics = post.idata["sample_stats"].to_dataset()
    if "diverging" in statistics:
        every += divergence_checks(post)
    depth = next((name for name in _DEPTH if name in statistics), None)
    energy = statistics["energy"].to_numpy() if "energy" in statistics else None
    if depth is not None:
        every.append(_depth_check(post, statistics[depth].to_numpy()))
    if energy is not None and energy.shape[1] >= LEAST_FOR_ENERGY:
        every.append(_energy_check(post, energy))
    absent = [
        *(["divergences"] if "diverging" not in statistics else []),
        *(["tree depth"] if depth is None else []),
        *(["energies"] if energy is None else []),
    ]
    if absent:
        skipped.append(f"The sampler's statistics hold nothing on {', '.join(absent)}.")
    return every, skipped


def summary_checks(post: PosteriorDiagnosis) -> list[Check]:
    """What a summary warns of: chains that do not move or disagree, few effective draws, divergences."""
    mixing = mixing_checks(post, reported_parameters(post), "parameters")[:-1]
    statistics = post.idata["sample_stats"]
    return [*(divergence_checks(post) if "diverging" in statistics else []), *stuck_checks(post), *mixing]


def enough_checks(post: PosteriorDiagnosis) -> list[Check]:
    """Whether there are chains to compare, and draws to summarise."""
    chains, draws = post.parameters.sigma.shape
    asked = post.idata["posterior"].attrs
    checks = [Check("chains", "all", chains, 2, chains >= 2), Check("draws", "all", chains * draws, LEAST_ESS, True)]
    if chains < 2:
        checks[0] = Check(
            "chains", "all", chains, 2, False,
            brief="there is one chain only",
            found="One chain could stay in one corner of the posterior unseen; R-hat here compares its halves.",
            actions=(sample_again(asked, chains=4),),
        )  # fmt: skip
    if chains * draws < LEAST_ESS:
        checks[1] = Check(
            "draws", "all", chains * draws, LEAST_ESS, False,
            brief=f"{chains * draws} draws are too few",
            found=f"{chains * draws} draws, even if independent, give ends of intervals that are mostly noise.",
            actions=(sample_again(asked, draws=1000, chains=max(4, chains)),),
        )  # fmt: skip
    return checks


def stuck_checks(post: PosteriorDiagnosis) -> list[Check]:
    """Whether some chain stood still: a variance parameter, which are those that are sampled, did not change at all."""
    found = post.parameters
    variances = [np.einsum("...aa->...a", sigma) for sigma in found.covariances]
    moves = np.diff(np.concatenate([found.sigma[..., None], *variances], axis=-1), axis=1) != 0
    runs = np.array([max(_longest_run(~column) for column in chain.T) for chain in moves])
    limit = max(STUCK_DRAWS, STUCK_SHARE * found.sigma.shape[1])
    still = [int(chain) for chain in np.flatnonzero(runs > limit)]
    if not still:
        return [Check("draws without a move", f"chain {int(runs.argmax())}", float(runs.max()), limit, True)]
    asked, tune = post.idata["posterior"].attrs, max(1000, 2 * int(post.idata["posterior"].attrs.get("tune", 300)))
    checks = []
    for chain in still:
        frozen = runs[chain] == moves.shape[1]
        how = "never moved" if frozen else f"stood still for {runs[chain]} of its {moves.shape[1] + 1} draws"
        checks.append(
            Check(
                "draws without a move", f"chain {chain}", float(runs[chain]), limit, False,
                brief=f"chain {chain} {'never moved' if frozen else 'stood still'}",
                found=f"Chain {chain} {how}; a variance parameter repeats one value.",
                actions=(
                    sample_again(asked, tune=tune, target_accept=0.95),
                    "model.prior_predictive(seed=1)  # if it happens again: do the priors allow data like these?",
                ),
            )
        )  # fmt: skip
    return checks


def _longest_run(flags: NDArray[np.bool_]) -> int:
    """The longest run of True."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int((ends[1::2] - ends[::2]).max(initial=0))


def mixing(draws: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """R-hat, bulk and tail effective sample size, and Monte Carlo error of the mean over the sd, of (C, D, k) draws.

    Rank-normalised (Vehtari et al. 2021); one chain is taken for two, its halves. Not a number where draws are too few
    or all the same.
    """
    import arviz_stats
    import xarray as xr

    if draws.shape[0] == 1:
        half = draws.shape[1] // 2
        draws = np.concatenate([draws[:, :half], draws[:, half : 2 * half]])
    if draws.shape[1] < LEAST_FOR_R_HAT or draws.shape[2] == 0:
        nothing = np.full(draws.shape[2], np.nan)
        return nothing, nothing, nothing, nothing
    array = xr.DataArray(draws, dims=("chain", "draw", "row"))
    sd = draws.reshape(-1, draws.shape[-1]).std(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.asarray(arviz_stats.mcse(array, method="mean")) / sd
        sizes = [np.asarray(arviz_stats.ess(array, method=method)) for method in ("bulk", "tail")]
        r_hat = np.asarray(arviz_stats.rhat(array))
    return r_hat, sizes[0], sizes[1], np.asarray(error)


def mixing_checks(post: PosteriorDiagnosis, of: Quantities, what: str) -> list[Check]:
    """R-hat, effective sample sizes and Monte Carlo error of the worst of some quantities."""
    chains, draws = post.parameters.sigma.shape
    asked = post.idata["posterior"].attrs
    r_hat, bulk, tail, error = mixing(of.draws)
    if np.isnan(r_hat).all():
        why = f"{draws} draws of {chains} chain(s) have no R-hat" if draws < 8 else "no R-hat: nothing moves"
        action = sample_again(asked, draws=1000, chains=max(4, chains))
        return [
            Check(
                f"R-hat of {what}", "all", np.nan, LARGEST_R_HAT, False,
                brief=why, found=f"{why}.", actions=(action,),
            ),
            Check(f"Monte Carlo error of {what}", "all", np.nan, LARGEST_ERROR, True),
        ]  # fmt: skip
    checks = [
        _r_hat_check(of, what, r_hat, asked, draws),
        _size_check(of, f"bulk ESS of {what}", bulk, asked, draws),
        _size_check(of, f"tail ESS of {what}", tail, asked, draws),
        _error_check(of, what, error, asked, draws),
    ]
    # The first to fail is the cause of those after it: it is said once what to do.
    first = next((place for place, check in enumerate(checks) if not check.ok), len(checks))
    silent = [check if check.ok else replace(check, brief="", found="", actions=()) for check in checks[first + 1 :]]
    return [*checks[: first + 1], *silent]


def _r_hat_check(of: Quantities, what: str, r_hat: Floats, asked: Any, draws: int) -> Check:
    """The largest R-hat, and which chain is to blame."""
    worst = int(np.nanargmax(r_hat))
    value, name = float(r_hat[worst]), of.names[worst]
    if value <= LARGEST_R_HAT:
        return Check(f"R-hat of {what}", name, value, LARGEST_R_HAT, True)
    over = int((r_hat > LARGEST_R_HAT).sum())
    others = f", and too large for {over - 1} more" if over > 1 else ""
    tune = max(1000, 2 * int(asked.get("tune", 300)))
    return Check(
        f"R-hat of {what}", name, value, LARGEST_R_HAT, False,
        brief=f"chains disagree on {name} (R-hat {value:.3f})",
        found=f"R-hat exceeds {LARGEST_R_HAT}, the chains disagree: it is {value:.3f} for {name}{others}. "
        f"{chains_apart(of.draws[..., worst])}",
        actions=(
            sample_again(asked, tune=tune, draws=max(2000, 2 * draws)),
            "bx.compare(post, model.sample(seed=2), model.reml())  # do another run and REML find the same?",
        ),
    )  # fmt: skip


def chains_apart(values: Floats) -> str:
    """Which chains lie apart from the others, in a sentence.

    Parameters
    ----------
    values : (C, D) array
    """
    means = values.mean(axis=1)
    if len(means) == 1:
        first, last = np.array_split(values[0], 2)
        return f"Its first half has mean {first.mean():.4g}, its second {last.mean():.4g}: it had not settled."
    order = np.argsort(means)
    gaps = np.diff(means[order])
    cut = int(gaps.argmax()) + 1
    low, high = sorted(order[:cut].tolist()), sorted(order[cut:].tolist())
    if gaps[cut - 1] < 0.5 * np.median(values.std(axis=1)):
        return "No chain stands out: each drifts, or they differ in spread."
    few, rest = (low, high) if len(low) <= len(high) else (high, low)
    return (
        f"{_chains(few)} {'lies' if len(few) == 1 else 'lie'} apart (mean {means[few].mean():.4g}) from "
        f"{_chains(rest).lower()} (mean {means[rest].mean():.4g})."
    )


def _chains(numbers: list[int]) -> str:
    """``Chain 2``, ``Chains 0, 1 and 3``."""
    listed = " and ".join(filter(None, (", ".join(map(str, numbers[:-1])), str(numbers[-1]))))
    return f"{'Chain' if len(numbers) == 1 else 'Chains'} {listed}"


def _size_check(of: Quantities, name: str, size: Floats, asked: Any, draws: int) -> Check:
    """The smallest effective sample size, and how many draws it takes to mend it."""
    worst = int(np.nanargmin(size))
    value = float(size[worst])
    if value >= LEAST_ESS:
        return Check(name, of.names[worst], value, LEAST_ESS, True)
    kind = name.split(" of ")[0]
    unsure = "its mean is" if kind.startswith("bulk") else "the ends of its interval are"
    needed = int(-(-1.25 * draws * LEAST_ESS // (500 * max(value, 1.0))) * 500)
    more = sample_again(asked, draws=min(needed, 10 * draws) if draws >= 100 else 1000, tune=1000)
    actions = (more, sample_again(asked, target_accept=0.95, tune=1000))
    return Check(
        name, of.names[worst], value, LEAST_ESS, False,
        brief=f"the {kind} of {of.names[worst]} is {value:.0f}",
        found=f"The draws of {of.names[worst]} are worth {value:.0f} independent ones ({kind}): {unsure} uncertain.",
        actions=actions,
    )  # fmt: skip


def _error_check(of: Quantities, what: str, error: Floats, asked: Any, draws: int) -> Check:
    """The largest Monte Carlo error of a mean that is reported, in posterior sds."""
    worst = int(np.nanargmax(error))
    value, name = float(error[worst]), of.names[worst]
    if value <= LARGEST_ERROR:
        return Check(f"Monte Carlo error of {what}", name, value, LARGEST_ERROR, True)
    needed = int(np.ceil(min((value / LARGEST_ERROR) ** 2, 10.0) * max(draws, 100) / 500) * 500)
    return Check(
        f"Monte Carlo error of {what}", name, value, LARGEST_ERROR, False,
        brief=f"the mean of {name} has an error of {value:.2f} sd",
        found=f"Another run would move the mean of {name} by {value:.2f} of its posterior sd or so.",
        actions=(sample_again(asked, draws=max(needed, 1000)),),
    )  # fmt: skip


def divergence_checks(post: PosteriorDiagnosis) -> list[Check]:
    """How many transitions diverged, and where they gather (Betancourt & Girolami 2015, arXiv:1312.0906)."""
    diverging = post.idata["sample_stats"]["diverging"].to_numpy().astype(bool)
    count = int(diverging.sum())
    if not count:
        return [Check("divergences", "all", 0, 0, True)]
    asked = post.idata["posterior"].attrs
    name, small = _gathered(reported_parameters(post), diverging)
    where = f", where {name} is {'small' if small else 'large'}" if name else ""
    target = 0.99 if float(asked.get("target_accept", 0.8)) >= 0.95 else 0.95
    plural = "s" if count > 1 else ""
    return [
        Check(
            "divergences", name or "all", count, 0, False,
            brief=f"{count} transition{plural} diverged{where}",
            found=f"{count} divergent transition{plural}{where}: the sampler could not follow the posterior there, and "
            "what is reported may miss that part of it.",
            actions=(
                sample_again(asked, target_accept=target, tune=1000),
                "post.boundary()  # is there a variance that the data do not tell from 0? Leave its term out.",
            ),
        )
    ]  # fmt: skip


def _gathered(of: Quantities, diverging: NDArray[np.bool_]) -> tuple[str, bool]:
    """The quantity in whose ranks the divergent draws lie furthest to one side, and whether that is the low one."""
    count = int(diverging.sum())
    if count < LEAST_DIVERGENT:
        return "", False
    flat = of.draws.reshape(-1, of.draws.shape[-1])
    ranks = stats.rankdata(flat, axis=0) / len(flat)
    shift = ranks[diverging.ravel()].mean(axis=0) - 0.5
    worst = int(np.nanargmax(np.abs(shift)))
    # The mean of so many ranks has sd 1/sqrt(12 count) by chance.
    if abs(shift[worst]) < max(0.2, 3 / np.sqrt(12 * count)):
        return "", False
    return of.names[worst], bool(shift[worst] < 0)


def _depth_check(post: PosteriorDiagnosis, reached: Any) -> Check:
    """Transitions whose trajectory was cut off: slow, not wrong (Betancourt 2017, arXiv:1701.02434, section 6)."""
    count = int(reached.astype(bool).sum())
    if not count:
        return Check("trees cut off", "all", 0, 0, True)
    return Check(
        "trees cut off", "all", count, 0, False,
        brief=f"{count} trajectories were cut off at the largest tree depth",
        found=f"{count} of {reached.size} trajectories were cut off at the largest tree depth: draws are slow to move.",
        actions=(sample_again(post.idata["posterior"].attrs, tune=2000),),
    )  # fmt: skip


def _energy_check(post: PosteriorDiagnosis, energy: Floats) -> Check:
    """The smallest energy fraction of missing information, that of the chain it is from."""
    spread = energy.var(axis=1)
    steps = (np.diff(energy, axis=1) ** 2).mean(axis=1)
    fraction = np.divide(steps, spread, out=np.zeros_like(steps), where=spread > 0)
    worst = int(fraction.argmin())
    value = float(fraction[worst])
    if value >= LEAST_BFMI:
        return Check("E-BFMI", f"chain {worst}", value, LEAST_BFMI, True)
    return Check(
        "E-BFMI", f"chain {worst}", value, LEAST_BFMI, False,
        brief=f"chain {worst} hardly changes its energy (E-BFMI {value:.2f})",
        found=f"E-BFMI of chain {worst} is {value:.2f}: its energy changes in small steps, tails are seldom seen.",
        actions=(
            sample_again(post.idata["posterior"].attrs, tune=2000),
            "post.boundary()  # a variance near 0 has such tails; leave its term out, or give it a prior",
        ),
    )  # fmt: skip
