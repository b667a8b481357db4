"""One plain sentence on two sources: whether they agree, where not, and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayesmix.design import Design, Level
from bayesmix.results.agreement import few_groups, frame_differences, largest_differences, reasons_to_differ
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.conventions import Audit, Check, audit, other_method
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.published import Published
from bayesmix.results.readings import Reading

SHOWN = 4
# A printed number one unit of its last digit away, or this part of a standard error or of itself, is a slip of
# arithmetic.
SLIGHT_ERROR, SLIGHT_SHARE = 0.01, 1e-4

Row = tuple[str, str]


def differences(one: Reading, other: Reading) -> pd.Series:
    """Estimates of ``other`` minus those of ``one``, in the standard errors of ``one``."""
    return frame_differences(one.frame[one.frame["always"]], other.frame)


def rows_off(one: Reading, other: Reading) -> list[Row]:
    """Rows in which two fits do not agree, Monte Carlo error allowed for; no standard error, no conclusion."""
    both = frame_differences(one.frame[one.frame["always"]], other.frame)
    limits = largest_differences(one.frame[one.frame["always"]], other.frame)
    return [row for row in both.index if abs(both[row]) > limits[row]]


def fit_sentence(one: Reading, other: Reading) -> str:
    """On two fits of one model."""
    if isinstance(one.fit, LikelihoodFit) and isinstance(other.fit, LikelihoodFit):
        return _likelihood_sentence(one, one.fit, other, other.fit)
    if isinstance(one.fit, BayesFit) and isinstance(other.fit, BayesFit):
        return _posterior_sentence(one, one.fit, other, other.fit)
    like, post = (other, one) if isinstance(one.fit, BayesFit) else (one, other)
    assert isinstance(like.fit, LikelihoodFit) and isinstance(post.fit, BayesFit)
    return _mixed_sentence(like, with_article(post.name), post, reasons_to_differ(like.fit, post.fit))


def with_article(name: str) -> str:
    """A source as a sentence calls it: the posterior, but REML."""
    return f"the {name}" if name == "posterior" else name


def _mixed_sentence(like: Reading, called: str, post: Reading, reasons: list[str]) -> str:
    """A likelihood fit and a posterior."""
    off = rows_off(like, post)
    largest = differences(like, post).abs()
    if not off:
        where = largest.idxmax()
        text = (
            f"{like.name} and {called} agree: no posterior mean is further from its estimate than "
            f"{largest.max():.2f} standard errors ({where[0]} {where[1]})"
        )
        return f"{text}, although {' and '.join(reasons)}." if reasons else f"{text}."
    because = " and ".join(reasons) or "the posterior is skewed, so that its mean lies beyond its mode"
    named = ", ".join(f"{part} {parameter}" for part, parameter in off)
    return f"{like.name} and {called} differ in {named}: {because}."


def _likelihood_sentence(one: Reading, first: LikelihoodFit, other: Reading, second: LikelihoodFit) -> str:
    """REML and ML, or twice the same method."""
    off = rows_off(one, other)
    largest = differences(one, other).abs().max()
    verb = f"{other.name} differs from {one.name} in {_listed(off)}" if off else f"{other.name} agrees with {one.name}"
    if first.method == second.method:
        gap = second.criterion - first.criterion
        if abs(gap) < 1e-6 * max(1.0, abs(first.criterion)) and not off:
            return f"{verb}: both stand at the same optimum of the {first.method} criterion, {first.criterion:.4f}."
        better = other.name if gap < 0 else one.name
        lower = f"{better} has the lower {first.method} criterion, by {abs(gap):.4g}"
        return f"{verb}: {lower}, so only it can be the optimum."
    within = "" if off else f"no estimate moves by more than {largest:.2f} standard errors, and "
    reml, ml = (one, other) if first.method == "REML" else (other, one)
    return f"{verb}: {within}{_method_difference(reml, ml)}{_because(few_groups(first.design))}."


def _because(reasons: list[str]) -> str:
    """Reasons that make a difference larger."""
    return f", all the more as {' and '.join(reasons)}" if reasons else ""


def _method_difference(reml: Reading, ml: Reading) -> str:
    """By which factors ML variances are smaller, and by which the fixed effects they do not pay for explain it."""
    design = reml.fit.design
    ratio = (ml.frame["estimate"] / reml.frame["estimate"])[reml.frame["always"]]
    p = len(design.fixed_names)
    residual = float(ratio["residual", "var"])
    if not design.levels:
        share = f"{design.n - p}/{design.n}"
        return f"ML divides the sum of squares by n, REML by n - p: the factor is {residual:.4f} ({share})"
    parts = [f"{residual:.4f} for the residual"]
    for level in design.levels:
        groups, between = len(level.grouping.labels), _constant_within(design, level)
        for effect in level.effect_names:
            factor = ratio[level.name, f"var({effect})"]
            if not np.isfinite(factor):
                continue
            expected = ""
            if effect == "Intercept" and 0 < between < groups:
                expected = f" ({groups} groups less {between}: {1 - between / groups:.4f})"
            parts.append(f"{factor:.4f} for {level.name} var({effect}){expected}")
    listed = ", ".join(parts[:SHOWN])
    effects = "fixed effect" if p == 1 else f"{p} fixed effects"
    return f"ML does not count the {effects} as estimated, which makes its variances those of REML times {listed}"


def _constant_within(design: Design, level: Level) -> int:
    """Fixed effects that do not vary within the groups of a level: they are estimated from as many values as groups."""
    codes, count = level.grouping.codes, 0
    for column in design.fixed_values.T:
        first = np.empty(len(level.grouping.labels))
        first[codes] = column
        count += bool(np.all(first[codes] == column))
    return count


def _posterior_sentence(one: Reading, first: BayesFit, other: Reading, second: BayesFit) -> str:
    """Two posteriors: Monte Carlo error, or priors."""
    off = rows_off(one, other)
    largest = differences(one, other).abs()
    where = largest.idxmax()
    differ = first.priors != second.priors
    if not off:
        moved = f"no mean moves by more than {largest.max():.2f} posterior sds"
        text = f"{other.name} agrees with {with_article(one.name)}: {moved}"
        return f"{text} ({where[0]} {where[1]})" + (", although their priors differ." if differ else ".")
    because = "their priors differ" if differ else "with the same priors only Monte Carlo error is left, so check R-hat"
    verb = f"{other.name} differs from {with_article(one.name)} in {_listed(off)}"
    return f"{verb}: {because}{_because(few_groups(first.design))}."


def published_sentence(published: Published, name: str, reading: Reading, found: Audit) -> str:
    """On published numbers and a fit."""
    total, beside = len(found.checks), with_article(reading.name)
    conventions = _conventions(found)
    if found.agree:
        if isinstance(reading.fit, BayesFit):
            return f"{name} agrees with {beside}: all {total} printed numbers lie within what the posterior allows."
        how = "is reproduced to its last digit" if total == 1 else "are reproduced to the last digit"
        number = "the one printed number" if total == 1 else f"all {total} printed numbers"
        return f"{name} agrees with {beside}: {number} {how}{conventions}."
    off = list(dict.fromkeys((*check.row, check.column) for check in found.off))
    listed = _listed(
        [(part, parameter if column == "estimate" else f"{parameter} {column}") for part, parameter, column in off]
    )
    because = "; ".join(_why_off(published, reading, found))
    return f"{name} differs from {beside} in {listed} ({len(off)} of {total} numbers): {because}{conventions}."


def _conventions(found: Audit) -> str:
    """Under which convention standard errors were matched."""
    unmatched = {check.kind for check in found.off if check.column != "estimate"}
    parts = []
    if found.fixed and "fixed" not in unmatched:
        parts.append(f"the tests of fixed effects by {found.fixed}")
    if found.components and "component" not in unmatched:
        parts.append(f"the standard errors of variance components by the {found.components}")
    return f", {' and '.join(parts)}" if parts else ""


def _why_off(published: Published, reading: Reading, found: Audit) -> list[str]:
    """Why printed numbers are not ours, the plainest explanation alone where it covers all."""
    if isinstance(reading.fit, BayesFit):
        return few_groups(reading.fit.design) or ["a posterior mean under priors is not an estimate"]
    # Estimates and their errors depend on the method; where only t or df are off, a second fit would not explain them.
    other = other_method(reading) if any(check.column in ("estimate", "se") for check in found.off) else None
    if other is not None:
        tried = audit(published.entries, other, published.name)
        if len(tried.off) < len(found.off) and (tried.agree or len(tried.off) <= len(found.off) / 2):
            text = f"its numbers are those of {other.name}, and {_method_difference(*_ordered(reading, other))}"
            return [text if tried.agree else f"{text}, but for {_listed([check.row for check in tried.off])}"]
    if all(check.kind == "statistic" and check.row[1] in ("criterion", "loglik", "aic", "bic") for check in found.off):
        return [
            "programs differ in constants, in how they count parameters, and under REML by the coding of the columns"
        ]
    reasons, left = _small_slips(found.off)
    far = [check for check in left if check.column == "estimate"]
    errors = [check for check in left if check.column != "estimate"]
    if far:
        reasons.append(_far_off(far))
    if errors:
        shown = ", ".join(f"{check.printed.text}, ours {check.ours:.6g}" for check in errors[:SHOWN])
        names = {"fixed": found.fixed, "component": found.components}
        nearest = " and ".join(filter(None, (names[kind] for kind in sorted({check.kind for check in errors}))))
        columns = _listed(sorted({check.column for check in errors}))
        by = f" by {nearest}, the nearest" if nearest else ""
        reasons.append(f"no convention tried gives the printed {columns} ({shown}{by})")
    if reading.fit.singular:
        reasons.append("our estimate lies on a boundary, where programs stop at different points")
    if published.method is not None and published.method != reading.fit.method:
        reasons.append(f"it was fitted by {published.method}")
    return reasons


def _ordered(one: Reading, other: Reading) -> tuple[Reading, Reading]:
    """REML first."""
    return (one, other) if isinstance(one.fit, LikelihoodFit) and one.fit.method == "REML" else (other, one)


def _small_slips(off: Sequence[Check]) -> tuple[list[str], list[Check]]:
    """Misprints and rounding that explain a number, and the numbers that they do not explain."""
    reasons, left = [], []
    roots = [c for c in off if c.row[1].startswith("var") and c.ours > 0 and c.printed.agrees(float(np.sqrt(c.ours)))]
    squares = [c for c in off if c.row[1].startswith("sd") and c.printed.agrees(c.ours**2)]
    flipped = [c for c in off if c.ours != 0 and c.printed.value != 0 and c.printed.agrees(-c.ours)]
    cut = [c for c in off if c.printed.cuts(c.ours)]
    named = {
        "is printed as a variance but is the standard deviation": [c for c in roots if c.column == "estimate"],
        "is printed as a standard deviation but is the variance": [c for c in squares if c.column == "estimate"],
        "has the other sign, as under another reference level": flipped,
        "is cut off after its last digit, not rounded": cut,
    }
    taken: list[Check] = []
    for words, checks in named.items():
        new = [check for check in checks if check not in taken]
        taken += new
        if new:
            reasons.append(f"{_listed([check.row for check in new])} {words}")
    near = [check for check in off if check not in taken and _is_slight(check)]
    if near:
        units = max(abs(check.printed.off(check.ours)) for check in near)
        reasons.append(
            f"{_listed([check.row for check in near])} at most {units:.2f} units of the last printed digit away, as"
            " after rounding on the way or with a program that stopped short of the optimum"
        )
    left = [check for check in off if check not in taken and check not in near]
    return reasons, left


def _is_slight(check: Check) -> bool:
    """Whether a number is off by what rounding and an unfinished optimisation may do."""
    gap = abs(check.ours - check.printed.value)
    return bool(
        gap <= 1.001 * check.printed.unit
        or abs(check.difference) < SLIGHT_ERROR
        or gap < SLIGHT_SHARE * abs(check.printed.value)
    )


def _far_off(far: list[Check]) -> str:
    """The largest difference, in standard errors where there are any."""
    sized = [check for check in far if np.isfinite(check.difference)]
    worst = max(
        sized or far, key=lambda check: abs(check.difference) if sized else abs(check.ours - check.printed.value)
    )
    size = f", {abs(worst.difference):.2g} standard errors away" if sized else ""
    both = f"{worst.row[0]} {worst.row[1]} is {worst.ours:.6g} here and {worst.printed.text} there{size}"
    return f"{both}, so the rows, the model or the coding must differ"


def _listed(rows: Sequence[Row] | Sequence[str]) -> str:
    """Rows by name, the first few."""
    names = list(dict.fromkeys(row if isinstance(row, str) else f"{row[0]} {row[1]}" for row in rows))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN + 1 else ""
    return ", ".join(names[:SHOWN] if more else names) + more
