"""Whether a variance is there at all: every test of it, and what a posterior says, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.errors import ArgumentError, BayesmixError
from bayesmix.inference.ml import MlSolution
from bayesmix.results.evidence import sd_evidence
from bayesmix.results.held_evidence import HeldEvidence
from bayesmix.results.homogeneity_table import homogeneity_table
from bayesmix.results.random_terms import Reduction, bar_text, ratio_test_without, term_labels
from bayesmix.results.sensitivity import LEAST_DRAWS

if TYPE_CHECKING:
    from bayesmix.results.surface.diagnosis import PosteriorDiagnosis

Floats = NDArray[np.float64]

# Share of the residual sd that an effect may add to a response by one sd of its column and still count as nothing.
NEGLIGIBLE = 0.05
# A test speaks below this p-value, a Bayes factor beyond this ratio (Jeffreys 1961, Theory of Probability, app. B).
LEVEL, SUBSTANTIAL = 0.05, 3.0

# With more group effects a Bayes factor takes seconds: it is not sought where so many posterior sds say that it is 0.
MOST_EFFECTS, FAR_AWAY = 1000, 6.0

TESTED = ["sd", "chisq", "df", "p", "p_mixture", "p_low", "p_high", "br_chi2", "br_df", "br_p"]
DRAWN = ["eps", "prob_below", "bf_zero", "bf_mcse"]

NOTE = (
    "sd is the estimate, or the posterior mean. chisq, df: likelihood ratio, by {method}, against the model without "
    "the effect and its covariances; p from chi-square on df is too large, p_mixture holds at the boundary (where its "
    "weights are not known it lies between p_low and p_high). br_*: do the groups' own least-squares coefficients "
    "scatter more than their errors allow (Bryk and Raudenbush)."
)
DRAWN_NOTE = (
    "prob_below is P(sd < eps), eps in units of the effect; bf_zero is the Bayes factor for sd = 0 against the prior "
    "that was fitted (Savage and Dickey), above 1 in favour of 0; it is the larger, the wider that prior."
)

TESTS_ALONE = "So say the tests alone; of draws there are too few."


def boundary_of_estimates(design: Design, products: CrossProducts, solution: MlSolution) -> pd.DataFrame:
    """The tests of every effect; see ``LikelihoodFit.boundary``."""
    sds = [np.sqrt(np.diag(sigma)) for sigma in solution.covariances]
    frame, reasons = _tests(design, products, solution, sds)
    return _finished(frame, [NOTE.format(method="REML" if solution.reml else "ML"), *reasons])


def boundary_of_draws(post: PosteriorDiagnosis, solution: MlSolution | BayesmixError, eps: Any) -> pd.DataFrame:
    """The tests of every effect, and what the posterior says; see ``BayesFit.boundary``.

    Parameters
    ----------
    post : BayesFit
    solution : MlSolution or BayesmixError
        The REML optimum, or why there is none.
    eps : float, mapping or None
    """
    design = post.design
    limits = effect_limits(design, float(post.parameters.sigma.mean()), eps)
    draws = [np.sqrt(np.einsum("...aa->...a", sigma)) for sigma in post.parameters.covariances]
    frame, reasons = _tests(design, post.products, solution, [sd.mean(axis=(0, 1)) for sd in draws])
    rows, far = [], HeldEvidence(post)
    few = post.parameters.sigma.shape[1] < LEAST_DRAWS
    if few:
        reasons.append(f"prob_below, bf_zero: fewer than {LEAST_DRAWS} draws of a chain say nothing of them.")
    for number, level in enumerate(design.levels):
        for a, name in enumerate(level.effect_names):
            limit = float(limits[number][a])
            if few:
                rows.append([limit, np.nan, np.nan, np.nan])
                continue
            below = float((draws[number][..., a] < limit).mean())
            factor, error, reason = _evidence(post, far, number, a, draws[number][..., a])
            rows.append([limit, below, factor, error])
            if reason:
                reasons.append(f"bf_zero of {name} at {level.name}: {reason}")
    frame[DRAWN] = np.array(rows, float).reshape(-1, len(DRAWN))
    found = _finished(frame, [NOTE.format(method="REML"), DRAWN_NOTE, *reasons])
    if few:
        found["reading"] = [f"{text} {TESTS_ALONE}" for text in found["reading"]]
    return found


def effect_limits(design: Design, sigma: float, eps: Any) -> tuple[Floats, ...]:
    """Below which sd each effect of each level counts as nothing, in units of the effect, (q,).

    By itself a twentieth of the residual sd over the sd of the effect's column (its root mean square where it does not
    vary): one sd of the predictor then changes the difference between groups by less than can be seen among residuals.

    Raises
    ------
    ArgumentError
        No positive number, or names of effects that the model has not.
    """
    if eps is None:
        found = []
        for level in design.levels:
            columns = design.values[:, level.places]
            spread = columns.std(axis=0)
            size = np.sqrt((columns**2).mean(axis=0))
            scale = np.where(spread > 1e-8 * size, spread, size)
            found.append(NEGLIGIBLE * sigma / np.where(scale > 0, scale, 1.0))
        return tuple(found)
    names = list(dict.fromkeys(name for level in design.levels for name in level.effect_names))
    given = dict(eps) if isinstance(eps, Mapping) else dict.fromkeys(names, eps)
    for name, value in given.items():
        if name not in names:
            raise ArgumentError(
                f"eps names {name!r}.", f"Expected effects: {', '.join(names)}.", "Write eps={'Intercept': 0.1}."
            )
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not (number and np.isfinite(value) and value > 0):
            raise ArgumentError(
                f"eps={value!r}.",
                "Expected a positive number in units of the effect: an sd below it counts as nothing.",
                "Leave it out, or write eps=0.1.",
            )
    own = effect_limits(design, sigma, None)
    return tuple(
        np.array([float(given.get(name, limit)) for name, limit in zip(level.effect_names, limits, strict=True)])
        for level, limits in zip(design.levels, own, strict=True)
    )


def _tests(
    design: Design, products: CrossProducts, solution: MlSolution | BayesmixError, sds: list[Floats]
) -> tuple[pd.DataFrame, list[str]]:
    """What needs no posterior, by (level, effect), and why numbers are missing."""
    index = pd.MultiIndex.from_tuples(
        [(level.name, name) for level in design.levels for name in level.effect_names], names=["level", "effect"]
    )
    frame = pd.DataFrame(np.nan, index=index, columns=TESTED)
    frame["sd"] = np.concatenate([np.zeros(0), *sds])
    if isinstance(solution, BayesmixError):
        return frame, [f"No tests: {solution}"]
    reasons, place = [], 0
    for number, level in enumerate(design.levels):
        for a, name in enumerate(level.effect_names):
            try:
                _, test = ratio_test_without(design, products, solution, number, without_effect(design, number, a))
                values = [test.chisq, test.df, test.p, test.p_mixture, test.p_low, test.p_high]
                frame.iloc[place, 1:7] = values
                if np.isnan(test.p_mixture):
                    reasons.append(
                        f"p_mixture of {name} at {level.name}: the smaller model has a variance of 0 or a correlation "
                        "of 1 itself, so that the weights are not known; see p_low and p_high."
                    )
            except BayesmixError as problem:
                reasons.append(f"No likelihood ratio for {name} at {level.name}: {problem}")
            place += 1
    try:
        found = homogeneity_table(design, products, solution)
        frame[["br_chi2", "br_df", "br_p"]] = found[["chi2", "df", "p"]].to_numpy(float)
        for name, row in found[found["df"] <= 0].iterrows():
            reasons.append(
                f"br_p of {name}: of {row['groups_used']:.0f} groups too few have coefficients of their own."
            )
    except BayesmixError as problem:
        reasons.append(f"No test of Bryk and Raudenbush: {problem}")
    return frame, reasons


def without_effect(design: Design, number: int, effect: int) -> Reduction:
    """A level without one effect and its covariances."""
    level = design.levels[number]
    labels, q = term_labels(level), len(level.effects)
    blocks, bars, at = [], [], 0
    for start, stop in level.blocks:
        kept = [i for i in range(start, stop) if i != effect]
        if kept:
            blocks.append((at, at + len(kept)))
            bars.append(bar_text([labels[i] for i in kept], level.name))
            at += len(kept)
    start = next(start for start, stop in level.blocks if start <= effect < stop)
    basis = np.delete(np.eye(q), effect, axis=1)
    return Reduction(level.effect_names[effect], start, " + ".join(bars), basis, tuple(blocks))


def _evidence(
    post: PosteriorDiagnosis, far: HeldEvidence, number: int, effect: int, draws: Floats
) -> tuple[float, float, str]:
    """The Bayes factor for sd = 0, its Monte Carlo error, and why there is none."""
    level = post.design.levels[number]
    size = sum(len(other.grouping.labels) * len(other.effects) for other in post.design.levels)
    away = float(draws.mean() / draws.std()) if np.ptp(draws) > 0 else 0.0
    if size > MOST_EFFECTS and away > FAR_AWAY:
        asked = f"sd({level.effect_names[effect]} | {level.name}) = 0"
        return (
            np.nan,
            np.nan,
            f"next to 0, the draws are {away:.0f} sds from there; post.hypothesis('{asked}') gives it.",
        )
    try:
        found = sd_evidence(post, far, number, effect, 0.0)
    except BayesmixError as problem:
        return np.nan, np.nan, f"{problem.found} {problem.expected}"
    reason = "" if "(" not in found.method else f"{found.method}: take it for its order of magnitude."
    return found.ratio, found.mcse, reason if np.isfinite(found.ratio) else "hardly a draw lies near 0."


def _finished(frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """With a sentence for each effect, and the notes."""
    frame["reading"] = [_reading(row) for _, row in frame.iterrows()] if len(frame) else []
    frame.attrs["note"] = " ".join(notes)
    return frame


def _reading(row: pd.Series) -> str:
    """How to read the numbers of one effect, the more so where they disagree."""
    ratio = _verdict(row["p_mixture"])
    if np.isnan(row["p_mixture"]) and np.isfinite(row["p_high"]):
        ratio = 1 if row["p_high"] < LEVEL else -1 if row["p_low"] >= LEVEL else 0
    scatter = _verdict(row["br_p"])
    factor = float(row.get("bf_zero", np.nan))
    draws = 0 if np.isnan(factor) else 1 if factor < 1 / SUBSTANTIAL else -1 if factor > SUBSTANTIAL else 0
    if not any((ratio, scatter, draws)):
        return "Undecided: no test speaks clearly."
    if all(vote >= 0 for vote in (ratio, scatter, draws)):
        return "It varies: nothing speaks against it."
    if all(vote <= 0 for vote in (ratio, scatter, draws)):
        return "Not to be told from 0: nothing speaks for a variance."
    parts = []
    if ratio * scatter < 0:
        one = "likelihood ratio" if ratio > 0 else "chi-square of the groups"
        parts.append(
            f"only the {one} sees it vary; the chi-square takes groups one by one, so that outlying groups and unequal "
            "residual variances count as variation"
        )
    if draws < 0:
        parts.append(
            "the Bayes factor favours 0 because the prior spreads over far larger sds; a narrower prior favours it less"
        )
    if draws > 0:
        parts.append("the Bayes factor favours a variance that a test does not reject as 0: the test has little power")
    return f"They disagree: {'; '.join(parts)}."


def _verdict(p: float) -> int:
    """1 where a test speaks for a variance, -1 where not, 0 without one."""
    return 0 if np.isnan(p) else 1 if p < LEVEL else -1
