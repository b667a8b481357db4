"""What a fit says, row by row, in one shape for likelihood fits and posteriors; and published names found among it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayesmix.errors import ArgumentError
from bayesmix.results.bayes_fit import BayesFit, summarise
from bayesmix.results.components import component_index
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.posterior import covariance_draws
from bayesmix.results.published import STATISTICS, Entry
from bayesmix.results.spelling import row_key

_COLUMNS = ["estimate", "se", "ci_low", "ci_high", "mcse"]


@dataclass(frozen=True)
class Reading:
    """A fit by a name, with its numbers.

    Parameters
    ----------
    name : str
        What the comparison calls it.
    fit : LikelihoodFit or BayesFit
    frame : DataFrame
        Index (part, parameter); kind (fixed, component, statistic), always (whether a comparison of fits has the
        row), estimate (posterior mean), se (posterior sd), ci_low, ci_high, mcse (0 for a likelihood fit).
    """

    name: str
    fit: LikelihoodFit | BayesFit
    frame: pd.DataFrame


def read_fit(name: str, fit: LikelihoodFit | BayesFit, prob: float) -> Reading:
    """Fixed effects, variance components, their square roots, intraclass correlations and statistics of a fit."""
    parts = _read_posterior(fit, prob) if isinstance(fit, BayesFit) else _read_likelihood(fit, prob)
    fixed, components, roots, shares, statistics = parts
    frames = [_labelled(fixed, "fixed", True)]
    for level in dict.fromkeys(components.index.get_level_values(0)):
        for row in components.loc[[level]].index:
            frames.append(_labelled(components.loc[[row]], "component", True))
            if row in roots.index:
                frames.append(_labelled(roots.loc[[row]].rename({row[1]: "sd" + row[1][3:]}, level=1), "component"))
        if (level, "icc") in shares.index:
            frames.append(_labelled(shares.loc[[(level, "icc")]], "component"))
    frames.append(_labelled(statistics, "statistic"))
    frame = pd.concat(frames).rename_axis(["part", "parameter"])
    return Reading(name, fit, frame)


def _labelled(frame: pd.DataFrame, kind: str, always: bool = False) -> pd.DataFrame:
    """A part of a reading; rows that are not always shown are those somebody printed."""
    columns = frame.reindex(columns=_COLUMNS).fillna({"mcse": 0.0}).astype(float)
    return columns.assign(kind=kind, always=always)


def _fixed_part(frame: pd.DataFrame) -> pd.DataFrame:
    """Fixed effects under the outer label ``fixed``."""
    return pd.concat({"fixed": frame}, names=["part", "parameter"])


def _read_likelihood(fit: LikelihoodFit, prob: float) -> tuple[pd.DataFrame, ...]:
    """The parts of a REML or ML fit; the error of a square root by the delta method."""
    components = fit.variance_components()
    variances = components[components.index.get_level_values(1).str.startswith("var")]
    sd = np.sqrt(variances["estimate"])
    roots = pd.DataFrame({"estimate": sd, "se": variances["se"] / (2 * sd.where(sd > 0))})
    statistics = [fit.criterion, fit.loglik, fit.aic, fit.bic, *_sizes(fit)]
    return (
        _fixed_part(fit.fixed_effects(df="z", prob=prob)),
        components.drop(columns="sd"),
        roots,
        _shares(fit.icc()[["estimate"]] if fit.design.levels else pd.DataFrame(columns=["estimate"])),
        _statistics(statistics),
    )


def _read_posterior(post: BayesFit, prob: float) -> tuple[pd.DataFrame, ...]:
    """The parts of a posterior; square roots draw by draw."""
    design = post.design
    draws = [covariance_draws(post.idata, level) for level in design.levels]
    columns = [np.sqrt(np.einsum("...aa->...a", sigma)) for sigma in draws]
    sds = np.concatenate([*columns, post.idata["posterior"]["sigma"].to_numpy()[..., None]], axis=-1)
    index = component_index(design.levels)
    roots = summarise(sds, index[index.get_level_values(1).str.startswith("var")], prob)
    shares: pd.DataFrame = post.icc(prob=prob) if design.levels else pd.DataFrame(columns=["mean"])
    return (
        _fixed_part(_renamed(post.fixed_effects(prob=prob))),
        _renamed(post.variance_components(prob=prob)),
        _renamed(roots),
        _shares(shares.rename(columns={"mean": "estimate"})),
        _statistics([np.nan, np.nan, np.nan, np.nan, *_sizes(post)]),
    )


def _renamed(frame: pd.DataFrame) -> pd.DataFrame:
    """A posterior summary in the words of a reading."""
    return frame.rename(columns={"mean": "estimate", "sd": "se"}).assign(mcse=frame["sd"] / np.sqrt(frame["ess_bulk"]))


def _shares(frame: pd.DataFrame) -> pd.DataFrame:
    """Intraclass correlations by (level, ``icc``)."""
    index = pd.MultiIndex.from_tuples([(name, "icc") for name in frame.index], names=["part", "parameter"])
    return frame.set_axis(index) if len(frame) else frame


def _sizes(fit: LikelihoodFit | BayesFit) -> list[float]:
    """Rows and fixed effects."""
    return [float(fit.design.n), float(len(fit.design.fixed_names))]


def _statistics(values: list[float]) -> pd.DataFrame:
    """Statistics of the whole fit by (``fit``, name)."""
    index = pd.MultiIndex.from_product([["fit"], STATISTICS], names=["part", "parameter"])
    return pd.DataFrame({"estimate": values}, index=index)


def find_row(entry: Entry, frame: pd.DataFrame, source: str) -> tuple[str, str]:
    """The row of a reading that an entry is about.

    Raises
    ------
    ArgumentError
        There is none; with the nearest.
    """
    own = frame[frame["kind"] == entry.kind]
    wanted = row_key(entry.part, entry.parameter, entry.kind)
    for part, parameter in own.index:
        if row_key(part, parameter, entry.kind) == wanted:
            return str(part), str(parameter)
    if entry.kind == "component":
        offered = [f"{part} {parameter}" for part, parameter in own.index]
        name, noun = f"{entry.part} {entry.parameter}", "variance component"
    else:
        offered, name, noun = list(own.index.get_level_values(1)), entry.parameter, "fixed effect"
    near = difflib.get_close_matches(name, offered, n=1, cutoff=0.4)
    raise ArgumentError(
        f"'{source}' has a {noun} '{name}', which the model has not.",
        f"Expected one of {', '.join(offered)}.",
        f"Did you mean '{near[0]}'?" if near else "Leave it out, or fit the model that it belongs to.",
    )
