"""What a posterior of good draws rests on: groups, priors, boundaries, and whether REML finds the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from bayesmix.design import Design
from bayesmix.errors import BayesmixError
from bayesmix.inference.distributions import Distribution, Flat
from bayesmix.inference.ml import MlSolution
from bayesmix.inference.naming import sd_name, variable_name
from bayesmix.inference.priors import BetaPrior, SdPrior, stated_on
from bayesmix.results.agreement import frame_differences, largest_differences, reasons_to_differ
from bayesmix.results.boundary import effect_limits
from bayesmix.results.checks import Check, parameter_label, sample_again
from bayesmix.results.components import component_table, correlation
from bayesmix.results.sensitivity import LEAST_DRAWS, SENSITIVE, has_few_groups
from bayesmix.results.simpler import groups_as_fixed, wider_prior, without_correlations, without_term

if TYPE_CHECKING:
    from bayesmix.results.likelihood_fit import LikelihoodFit
    from bayesmix.results.surface.diagnosis import PosteriorDiagnosis

Floats = NDArray[np.float64]

# Gelman & Hill (2007), Data Analysis Using Regression and Multilevel/Hierarchical Models, section 11.5: with fewer
# groups there is little to estimate a variance between them from.
LEAST_GROUPS = 5
# Our own: the density of a sd at 0 over its highest; the share of draws with a correlation beyond 0.95; the
# probability under the prior of an estimate so far out.
LARGEST_AT_ZERO, EXTREME, LARGEST_EXTREME, LEAST_PROBABLE = 0.5, 0.95, 0.25, 0.01
# A known reason excuses a difference of so many times what is allowed without one.
EXCUSED = 4
# Columns of crossed effects beyond which power-scaling takes minutes.
MOST_CROSSED = 500
# Points of a prior's quantiles, and of a density.
NODES, GRID = 2000, 100


def model_checks(
    post: PosteriorDiagnosis,
    solution: MlSolution | BayesmixError,
    components: Floats | None,
    reml: LikelihoodFit | None,
) -> tuple[list[Check], list[str]]:
    """All checks of what the posterior rests on, and what could not be checked.

    Parameters
    ----------
    post : BayesFit
    solution : MlSolution or BayesmixError
        The REML optimum, or why there is none.
    components : (P + 1, P + 1) array or None
        Covariance matrix of its variance parameters.
    reml : LikelihoodFit or None
        To compare with.
    """
    skipped: list[str] = []
    every = group_checks(post.design)
    if post.parameters.sigma.shape[1] < LEAST_DRAWS:
        skipped.append(f"Priors, boundaries: fewer than {LEAST_DRAWS} draws of a chain say nothing of them.")
    else:
        crossed = sum(len(level.grouping.labels) * len(level.effects) for level in post.design.crossed)
        if crossed > MOST_CROSSED and not has_few_groups(post.design):
            skipped.append("Sensitivity to priors: it takes minutes here; post.prior_sensitivity() gives it.")
        else:
            every += sensitivity_checks(post)
        every += [*zero_checks(post), *correlation_checks(post)]
    if isinstance(solution, BayesmixError) or components is None:
        skipped.append(f"Priors against the data: there is no REML fit. {solution}")
    else:
        every += conflict_checks(post, solution, components)
    if reml is not None:
        every += agreement_checks(post, reml)
    return every, skipped


def group_checks(design: Design, method: str | None = None) -> list[Check]:
    """Whether every level has groups enough, for a posterior or for estimates by a method (``"REML"``, ``"ML"``)."""
    checks = []
    for number, level in enumerate(design.levels):
        count = len(level.grouping.labels)
        if count >= LEAST_GROUPS:
            checks.append(Check("groups", level.name, count, LEAST_GROUPS, True, "model"))
            continue
        prior = f'{{"{sd_name(level.effect_names[0], level.name)}": "HalfNormal({design.response.std():.3g})"}}'
        actions = (
            f"other = model.with_priors({prior}).sample(seed=1)  # what you know of it",
            "bx.compare(post, other)  # report both",
        )
        if method is not None:
            actions = (
                f'model.{method.lower()}().intervals(method="profile")  # how far the data determine it',
                f"post = model.with_priors({prior}).sample(seed=1)  # with what you know of it",
            )
        fixed = groups_as_fixed(design, number)
        checks.append(
            Check(
                "groups", level.name, count, LEAST_GROUPS, False, "model",
                brief=f"{level.name} has {count} groups",
                found=f"{count} groups of {level.name} say little of the variance between groups: "
                f"{'its prior decides' if method is None else 'its estimate is poorly known'}.",
                actions=(*actions, *([f"{fixed}  # or let the groups differ by fixed effects"] if fixed else [])),
            )
        )  # fmt: skip
    return checks


def sensitivity_checks(post: PosteriorDiagnosis) -> list[Check]:
    """Power-scaling (Kallioinen et al. 2024): parameters that move with their priors; else the one nearest to it."""
    with np.errstate(all="ignore"):
        frame = post.prior_sensitivity()
    known = frame[frame["prior"].notna()]
    if known.empty:
        return []
    moved = known[known["prior"] >= SENSITIVE]
    if moved.empty:
        name = str(known["prior"].idxmax())
        return [Check("prior sensitivity", name, float(known.loc[name, "prior"]), SENSITIVE, True, "model")]
    return [
        _sensitive(post, str(name), float(row["prior"]), float(row["likelihood"])) for name, row in moved.iterrows()
    ]


def _sensitive(post: PosteriorDiagnosis, name: str, prior: float, likelihood: float) -> Check:
    """One parameter that moves with its priors."""
    if likelihood < SENSITIVE:
        brief = f"the priors decide {name}"
        why = "it hardly moves with the data: the prior is strong, or the data say little"
    else:
        brief = f"{name} moves with its priors"
        why = f"it moves with the data as well ({likelihood:.2f}): the two pull apart, or the data are few"
    wider = wider_prior(post.design, post.priors.numbers, name)
    return Check(
        "prior sensitivity", name, prior, SENSITIVE, False, "model",
        brief=brief,
        found=f"{name} moves with its priors (power-scaling {prior:.2f}); {why}.",
        actions=(
            wider or 'other = bx.Model(model.formula, data, priors="default").sample(seed=1)',
            "bx.compare(post, other)  # report both where they differ",
            "post.prior_posterior()  # the two densities, for a plot",
        ),
    )  # fmt: skip


def conflict_checks(post: PosteriorDiagnosis, solution: MlSolution, components: Floats) -> list[Check]:
    """Estimates that a prior did not expect: Evans & Moshonov (2006), Bayesian Anal. 1:893-914.

    The probability of an estimate as far out under its prior predictive distribution, that of the prior blurred by the
    standard error.
    """
    found = {}
    for name, prior, estimate, se in _estimates_with_priors(post, solution, components):
        if isinstance(prior, Distribution) and not isinstance(prior, Flat) and np.isfinite(se) and se > 0:
            found[name] = prior_tail(prior, estimate, se), prior, estimate
    if not found:
        return []
    off = [name for name, (tail, *_) in found.items() if tail < LEAST_PROBABLE]
    if not off:
        least = min(found, key=lambda name: found[name][0])
        return [Check("data under the prior", least, found[least][0], LEAST_PROBABLE, True, "model")]
    return [_conflict(post, name, *found[name]) for name in off]


def _estimates_with_priors(
    post: PosteriorDiagnosis, solution: MlSolution, components: Floats
) -> Iterator[tuple[str, SdPrior | BetaPrior, float, float]]:
    """Name, prior, estimate and standard error of every parameter, fixed effects as their priors are stated."""
    priors, design = post.priors.numbers, post.design
    A = stated_on(priors, post.products)
    centre, error = A @ solution.beta, np.sqrt(np.diag(A @ solution.vcov @ A.T))
    for name, beta, value, se in zip(design.fixed_names, priors.beta, centre, error, strict=True):
        yield variable_name(name), beta, float(value), float(se)
    table = component_table(design.levels, solution.covariances, solution.sigma**2, components)
    for level, own in zip(design.levels, priors.levels, strict=True):
        for effect, sd in zip(level.effect_names, own.sds, strict=True):
            row = table.loc[(level.name, f"var({effect})")]
            yield sd_name(effect, level.name), sd, float(row["sd"]), _sd_error(row)
    residual = table.loc[("residual", "var")]
    yield "sigma", priors.sigma, float(residual["sd"]), _sd_error(residual)


def prior_tail(prior: Distribution, estimate: float, error: float) -> float:
    """Prior predictive probability of an estimate as far out as this one.

    Both tails count, but for a prior whose density falls from 0 on, under which nothing small is a surprise.
    """
    frozen = prior.frozen()
    quantiles = frozen.ppf((np.arange(NODES) + 0.5) / NODES)
    above = float(stats.norm.cdf((quantiles - estimate) / error).mean())
    low, middle = frozen.pdf(quantiles[[NODES // 20, NODES // 2]])
    return above if quantiles[0] >= 0 and low > middle else 2 * min(above, 1 - above)


def _sd_error(row: pd.Series) -> float:
    """The standard error of a sd from that of its variance; none at 0."""
    return float(row["se"] / (2 * row["sd"])) if row["sd"] > 0 else float("nan")


def _conflict(post: PosteriorDiagnosis, name: str, tail: float, prior: Distribution, estimate: float) -> Check:
    """One prior that did not expect the data."""
    wider = wider_prior(post.design, post.priors.numbers, name)
    return Check(
        "data under the prior", name, tail, LEAST_PROBABLE, False, "model",
        brief=f"the prior of {name} is in conflict with the data",
        found=f"The data say {estimate:.4g} for {name}; under its prior {prior} something as far out has probability "
        f"{tail:.2g}. Prior and data are in conflict.",
        actions=(
            "model.priors.table  # are the prior, the units of the columns and the reference levels as meant?",
            *([wider] if wider else []),
            "bx.compare(post, other, model.reml())" if wider else "bx.compare(post, model.reml())",
        ),
    )  # fmt: skip


def zero_checks(post: PosteriorDiagnosis) -> list[Check]:
    """Whether a sd of 0 is about as plausible as any: its density there over its highest."""
    limits = effect_limits(post.design, float(post.parameters.sigma.mean()), None)
    checks = []
    for number, level in enumerate(post.design.levels):
        for a, name in enumerate(level.effect_names):
            draws = np.sqrt(post.parameters.covariances[number][..., a, a]).ravel()
            label, value = f"sd({name} | {level.name})", density_at_zero(draws)
            if not value > LARGEST_AT_ZERO:
                checks.append(Check("density at 0", label, value, LARGEST_AT_ZERO, True, "model"))
                continue
            eps = float(limits[number][a])
            below = float((draws < eps).mean())
            simpler = without_term(post.design, number, a)
            checks.append(
                Check(
                    "density at 0", label, value, LARGEST_AT_ZERO, False, "model",
                    brief=f"{label} may be 0",
                    found=f"The posterior of {label} is at 0 {value:.0%} as high as anywhere (P(sd < {eps:.3g}) = "
                    f"{below:.2f}): the data do not tell it from 0.",
                    actions=(
                        "post.boundary()  # the tests, side by side",
                        *([f"{simpler}  # without it"] if simpler else []),
                        "post.prior_posterior()  # how much of this is the prior?",
                    ),
                )
            )  # fmt: skip
    return checks


def density_at_zero(draws: Floats) -> float:
    """Density of positive draws at 0 over its maximum, by a kernel that is reflected there.

    Silverman (1986), Density Estimation, eq. 3.31; draws that are all the same have none.
    """
    quartiles = np.quantile(draws, [0.25, 0.75])
    width = 0.9 * min(draws.std(ddof=1), float(np.ptp(quartiles)) / 1.34) * draws.size**-0.2
    if not width > 0:
        return float("nan")
    x = np.linspace(0.0, float(np.quantile(draws, 0.99)), GRID)[:, None]
    density = np.exp(-0.5 * ((x - draws) / width) ** 2).mean(axis=1)
    density += np.exp(-0.5 * ((x + draws) / width) ** 2).mean(axis=1)
    return float(density[0] / density.max())


def correlation_checks(post: PosteriorDiagnosis) -> list[Check]:
    """Whether a correlation is near 1 or -1: two effects that are one."""
    checks = []
    for number, level in enumerate(post.design.levels):
        for i, j in level.pairs:
            draws = correlation(post.parameters.covariances[number], i, j).ravel()
            label = f"corr({level.effect_names[i]},{level.effect_names[j]} | {level.name})"
            value = float((np.abs(draws) > EXTREME).mean())
            if value <= LARGEST_EXTREME:
                checks.append(Check("|correlation| > 0.95", label, value, LARGEST_EXTREME, True, "model"))
                continue
            apart = without_correlations(post.design, number)
            simpler = without_term(post.design, number, j)
            sign = "1" if np.nanmedian(draws) > 0 else "-1"
            checks.append(
                Check(
                    "|correlation| > 0.95", label, value, LARGEST_EXTREME, False, "model",
                    brief=f"{label} is near {sign}",
                    found=f"{label} is beyond {EXTREME} in {value:.0%} of the draws: of the two effects one almost "
                    "determines the other.",
                    actions=(
                        *([f"{apart}  # without correlations"] if apart else []),
                        *([f"{simpler}  # or without the second effect"] if simpler else []),
                        f'other = model.with_priors({{"cor({level.name})": "LKJ(4)"}}).sample(seed=1)',
                    ),
                )
            )  # fmt: skip
    return checks


def agreement_checks(post: PosteriorDiagnosis, reml: LikelihoodFit) -> list[Check]:
    """Whether posterior means lie where the estimates do, by the rule of ``bx.compare``.

    The largest difference in standard errors, of those beyond their limit where there are any. Where a reason is known
    and the difference not too large for it, all is well; the difference and the reason are what was found.
    """
    one, other = _estimates(reml), _means(post)
    gaps = frame_differences(one, other).abs().dropna()
    if gaps.empty:
        return []
    limits = largest_differences(one, other)[gaps.index]
    off = gaps[gaps > limits]
    row = (gaps if off.empty else off).idxmax()
    name, label, value, limit = f"difference from {reml.method}", _row_label(row), float(gaps[row]), float(limits[row])
    if off.empty:
        return [Check(name, label, value, limit, True, "model")]
    reasons = reasons_to_differ(reml, post)
    extreme = off.index.get_level_values(1).str.startswith("corr(") & (one.loc[off.index, "estimate"].abs() > EXTREME)
    beyond = off[~extreme & ~((off <= EXCUSED * limits[off.index]) & bool(reasons))]
    if extreme.any():
        reasons = [*reasons, "near 1 or -1 a standard error of a correlation means nothing"]
    listed = ", ".join(map(_row_label, off.index))
    found = f"Posterior and {reml.method} differ in {listed}, most in {label}, by {value:.2f} standard errors"
    brief = f"{label} lies {value:.1f} standard errors from {reml.method}"
    if beyond.empty:
        text = f"{found}: {' and '.join(reasons)}."
        return [Check(name, label, value, limit, True, "model", f"{brief}, for a known reason", text)]
    excuse = f"{', '.join(map(_row_label, beyond.index))} too far for {' and '.join(reasons)}"
    return [
        Check(
            name, label, value, limit, False, "model",
            brief=brief,
            found=f"{found}, {excuse if reasons else 'without a known reason'}.",
            actions=(
                f"{sample_again(post.idata['posterior'].attrs, draws=4000, tune=1000)}  # is it chance?",
                f"bx.compare(post, model.{reml.method.lower()}())",
                "model.priors.table  # are all priors as meant?",
            ),
        )
    ]  # fmt: skip


def _row_label(row: tuple[str, str]) -> str:
    """A fixed effect by its term, a component as hypotheses call it."""
    return row[1] if row[0] == "fixed" else parameter_label(*row)


def _estimates(fit: LikelihoodFit) -> pd.DataFrame:
    """Estimates with their errors, by (part, parameter)."""
    fixed = fit.fixed_effects(df="z").assign(kind="fixed")
    return _joined(fixed, fit.variance_components(se=fit.method.lower()).assign(kind="component"), mcse=0.0)


def _means(post: PosteriorDiagnosis) -> pd.DataFrame:
    """Posterior means with their Monte Carlo errors."""
    names = {"mean": "estimate", "sd": "se"}
    fixed, components = (frame.rename(columns=names) for frame in (post.fixed_effects(), post.variance_components()))
    frame = _joined(fixed.assign(kind="fixed"), components.assign(kind="component"), mcse=0.0)
    return frame.assign(mcse=frame["se"] / np.sqrt(pd.concat([fixed, components])["ess_bulk"].to_numpy()))


def _joined(fixed: pd.DataFrame, components: pd.DataFrame, mcse: float) -> pd.DataFrame:
    """Fixed effects above the components."""
    above = fixed.set_axis(pd.MultiIndex.from_arrays([["fixed"] * len(fixed), fixed.index.astype(str)]))
    return pd.concat([above, components])[["estimate", "se", "kind"]].assign(mcse=mcse)
