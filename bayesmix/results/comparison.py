"""REML and the posterior side by side, and one sentence on whether they agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from bayesmix.errors import ArgumentError, require_coverage
from bayesmix.inference.priors import HalfStudentT, Normal
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.tables import Header, format_summary, format_table

# Fixed effects agree within a quarter of a standard error; variances, whose posteriors are skewed, within one.
FIXED_LIMIT, VARIANCE_LIMIT = 0.25, 1.0
FEW_GROUPS = 20


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two fits of one model side by side.

    Parameters
    ----------
    table : DataFrame
        Index (part, parameter); estimate, se, mean, sd, ci_low, ci_high, difference_in_se, width_ratio, mcse.
    verdict : str
        Whether they agree, and if not, why.
    agree : bool
    """

    table: pd.DataFrame
    verdict: str
    agree: bool

    def __repr__(self) -> str:
        shown = {"difference_in_se": 2, "width_ratio": 2}
        return format_summary(
            Header("REML beside the posterior", []), [("", format_table(self.table, shown))], [self.verdict]
        )


def compare(first: LikelihoodFit | BayesFit, second: LikelihoodFit | BayesFit, *, prob: float = 0.95) -> Comparison:
    """Put a likelihood fit and a posterior of the same model side by side.

    Parameters
    ----------
    first, second : LikelihoodFit and BayesFit, in either order
        Fits of the same formula to the same rows.
    prob : float
        Coverage of the intervals.

    Returns
    -------
    Comparison
        ``difference_in_se`` is (posterior mean - estimate) / standard error; ``width_ratio`` the width of the posterior
        interval over that of the normal interval; ``mcse`` the Monte Carlo standard error of the mean.

    Raises
    ------
    ArgumentError
        Not one fit of each kind, or fits of different models.
    """
    require_coverage(prob)
    fits = sorted((first, second), key=lambda fit: isinstance(fit, BayesFit))
    like, post = fits
    if not isinstance(like, LikelihoodFit) or not isinstance(post, BayesFit):
        kinds = " and ".join(type(fit).__name__ for fit in (first, second))
        raise ArgumentError(
            f"compare was given {kinds}.",
            "Expected one LikelihoodFit and one BayesFit.",
            "Pass model.reml() and model.sample().",
        )
    same = like.design.fixed_names == post.design.fixed_names and [
        (v.name, v.effect_names, v.blocks) for v in like.design.levels
    ] == [(v.name, v.effect_names, v.blocks) for v in post.design.levels]
    if not same or not np.array_equal(like.design.response, post.design.response):
        raise ArgumentError(
            f"The fits are of '{like.design.specification.formula}' ({like.design.n} rows) and "
            f"'{post.design.specification.formula}' ({post.design.n} rows).",
            "Expected the same effects, the same rows and the same response.",
            "Fit both from one Model.",
        )
    table = _table(like, post, prob)
    off = _disagreements(table, len(like.design.fixed_names))
    return Comparison(table, _verdict(like, post, table, off), not off)


def _table(like: LikelihoodFit, post: BayesFit, prob: float) -> pd.DataFrame:
    """Both fits by row."""
    estimates = pd.concat(
        [_prefixed(like.fixed_effects()[["estimate", "se"]]), like.variance_components()[["estimate", "se"]]]
    )
    posterior = pd.concat([_prefixed(post.fixed_effects(prob=prob)), post.variance_components(prob=prob)])
    table = pd.concat([estimates, posterior[["mean", "sd", "ci_low", "ci_high"]].set_axis(estimates.index)], axis=1)
    table["difference_in_se"] = (table["mean"] - table["estimate"]) / table["se"]
    table["width_ratio"] = (table["ci_high"] - table["ci_low"]) / (2 * float(ndtri(0.5 + prob / 2)) * table["se"])
    table["mcse"] = (posterior["sd"] / np.sqrt(posterior["ess_bulk"])).to_numpy()
    table.index = table.index.set_names(["part", "parameter"])
    return table


def _prefixed(frame: pd.DataFrame) -> pd.DataFrame:
    """Fixed effects under the outer label ``fixed``."""
    return pd.concat({"fixed": frame}, names=["level", "parameter"])


def _disagreements(table: pd.DataFrame, n_fixed: int) -> list[tuple[str, str]]:
    """Rows in which the two do not agree, the fixed effects being the first; no standard error, no conclusion."""
    off = []
    for number, ((part, parameter), row) in enumerate(table.iterrows()):
        limit = FIXED_LIMIT if number < n_fixed else VARIANCE_LIMIT
        noise = 3 * row["mcse"] / row["se"] if row["se"] > 0 else np.nan
        if abs(row["difference_in_se"]) > limit + (noise if np.isfinite(noise) else 0.0):
            off.append((part, parameter))
    return off


def _verdict(like: LikelihoodFit, post: BayesFit, table: pd.DataFrame, off: list[tuple[str, str]]) -> str:
    """One plain sentence."""
    largest = table["difference_in_se"].abs()
    reasons = _reasons(like, post)
    if not off:
        where = largest.idxmax()
        text = (
            f"REML and the posterior agree: no posterior mean is further from its estimate than "
            f"{largest.max():.2f} standard errors ({where[0]} {where[1]})"
        )
        return f"{text}, although {' and '.join(reasons)}." if reasons else f"{text}."
    named = ", ".join(f"{part} {parameter}" for part, parameter in off)
    because = " and ".join(reasons) or "the posterior is skewed, so that its mean lies beyond its mode"
    return f"REML and the posterior differ in {named}: {because}."


def _reasons(like: LikelihoodFit, post: BayesFit) -> list[str]:
    """Why a posterior mean and a REML estimate may differ."""
    reasons = []
    for level in like.design.levels:
        if len(level.grouping.labels) < FEW_GROUPS:
            reasons.append(f"level {level.name} has few groups ({len(level.grouping.labels)})")
    if like.singular:
        reasons.append("the REML estimate lies on a boundary, where a posterior mean cannot")
    table = like.fixed_effects()
    for name, prior in zip(like.design.fixed_names, post.priors.beta, strict=True):
        if isinstance(prior, Normal) and prior.sd < 5 * table.loc[name, "se"]:
            reasons.append(f"the prior of {name} matters ({prior}, standard error {table.loc[name, 'se']:.3g})")
    for level, sigma, priors in zip(like.design.levels, like.solution.covariances, post.priors.levels, strict=True):
        for a, spread in enumerate(priors.sds):
            if isinstance(spread, HalfStudentT) and spread.scale < 2 * np.sqrt(sigma[a, a]):
                reasons.append(f"the prior of the sd of {level.effect_names[a]} at {level.name} matters ({spread})")
    return reasons
