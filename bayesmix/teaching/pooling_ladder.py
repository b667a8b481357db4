"""The pooling ladder: from the regression of group means to the multilevel model, and what each rung gets wrong."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import Design
from bayesmix.errors import ArgumentError, ConvergenceError, refuse_unknown
from bayesmix.inference.ml import maximise
from bayesmix.model import Model
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.group_values import find_group
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.same_model import require_same_model
from bayesmix.tables import Header, format_summary, format_table, html_summary, html_table
from bayesmix.teaching.pooling_words import Facts, what_goes_wrong
from bayesmix.teaching.rungs import (
    Ladder,
    climb,
    coefficients,
    group_terms,
    products_without,
    read_rows,
    summaries,
    without_groups,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, repr=False)
class PoolingLadder:
    """The same data by every analysis from complete pooling to none, and by partial pooling.

    Parameters
    ----------
    design : Design
        Names and data.
    table : DataFrame
        Index (analysis, term); estimate, se, t, and sd, how far the coefficients of the groups lie apart: observed
        where each is estimated alone, estimated (a variance component's root) under partial pooling. Of group
        coefficients the estimate is their mean and the se that of the mean; missing is what an analysis can not say.
    analyses : DataFrame
        Index analysis; units (rows or groups analysed), parameters, df (residual), sigma, r2, adj_r2, F, gets_wrong.
    group_terms : DataFrame
        Index step; what the groups cost as fixed effects: df_extra, df, rss, F, p.
    groups : DataFrame
        Index group; n, and the coefficients of its own regression (missing where its rows do not determine them).
    influence : DataFrame
        Index (analysis, term); estimate and sd with all groups, and without those left out (REML fitted again; missing
        where the other groups do not determine an estimate).
    left_out : tuple
        The groups left out for ``influence``.
    fit : LikelihoodFit
        Partial pooling by REML.
    """

    design: Design
    table: pd.DataFrame
    analyses: pd.DataFrame
    group_terms: pd.DataFrame
    groups: pd.DataFrame
    influence: pd.DataFrame
    left_out: tuple[Any, ...]
    fit: LikelihoodFit

    @cached_property
    def shrinkage(self) -> pd.DataFrame:
        """No, partial and complete pooling of every group, for a picture; see ``fit.shrinkage()``."""
        return self.fit.shrinkage()

    def _header(self) -> Header:
        level = self.design.levels[0]
        sizes = np.bincount(level.grouping.codes)
        facts = [
            ("Formula", self.design.specification.formula),
            ("Rows", str(self.design.n)),
            ("Groups", f"{level.name} {len(sizes)}, of {sizes.min()} to {sizes.max()} rows"),
        ]
        return Header("The pooling ladder", facts)

    def _parts(self) -> list[tuple[str, pd.DataFrame, dict[str, int]]]:
        sizes = np.bincount(self.design.levels[0].grouping.codes)
        labels = self.design.levels[0].grouping.labels
        named = [f"{label} ({sizes[labels.index(label)]} rows)" for label in self.left_out]
        without = f"Without {', '.join(named[:3])}{', ...' if len(named) > 3 else ''}"
        whole = {"units": 0, "parameters": 0, "df": 0, "df_extra": 0, "F": 2}
        return [
            ("Coefficients", self.table, {}),
            ("Analyses", self.analyses.drop(columns="gets_wrong"), whole),
            ("Groups as fixed effects", self.group_terms, whole),
            (without, self.influence, {}),
        ]

    def __repr__(self) -> str:
        parts = [(title, format_table(frame, decimals)) for title, frame, decimals in self._parts()]
        lines = [
            textwrap.fill(f"{name}: {text}", 116, initial_indent="  ", subsequent_indent="    ")
            for name, text in self.analyses["gets_wrong"].items()
        ]
        return format_summary(self._header(), [*parts, ("What each gets wrong", "\n".join(lines))])

    def _repr_html_(self) -> str:
        parts = [(title, html_table(frame, decimals)) for title, frame, decimals in self._parts()]
        words = html_table(self.analyses[["gets_wrong"]])
        return html_summary(self._header(), [*parts, ("What each gets wrong", words)])


def pooling(model: Model, *fits: Any, leave_out: Any = None, **unknown: Any) -> PoolingLadder:
    """Analyse the data of a model as if they had no groups, as if groups were all there is, and as they are.

    The rungs: ``aggregated`` (least squares of the groups' means), ``disaggregated`` (of all rows, groups ignored:
    complete pooling), ``per group`` (a regression in each: no pooling), ``fixed groups`` (one regression with a
    coefficient of each group for each effect that varies), ``partial (REML)``, and other fits of the model.

    Parameters
    ----------
    model : Model
        With one grouping, without weights.
    *fits : LikelihoodFit or BayesFit
        Of this model: ``model.ml()``, a posterior.
    leave_out : label or list of labels, optional
        Groups without which all is done again; by itself the one whose own coefficients lie furthest out, in sds of
        each.

    Returns
    -------
    PoolingLadder
        ``.table``, ``.analyses``, ``.group_terms``, ``.groups``, ``.influence``, ``.shrinkage``.

    Raises
    ------
    ArgumentError
        No model of one grouping, weights, fits of other models, unknown groups.

    References
    ----------
    Gelman & Hill (2007), Data Analysis Using Regression and Multilevel/Hierarchical Models, chapter 12; Snijders &
    Bosker (2012), Multilevel Analysis, chapters 3 and 4.

    Examples
    --------
    >>> import bayesmix as bx
    >>> ladder = bx.pooling(bx.Model("normexam ~ standLRT + (standLRT | school)", bx.load_dataset("exam")))
    >>> ladder.table.xs("standLRT", level="term")["estimate"].round(3).tolist()
    [0.884, 0.595, 0.425, 0.425, 0.557]
    >>> ladder.left_out, ladder.groups.loc["48", ["n", "standLRT"]].round(2).tolist()
    (('48',), [2.0, -6.9])
    """
    refuse_unknown("pooling", unknown, ("leave_out",))
    design = _require_one_level(model)
    partial = _partial_fits(model, fits)
    fit = partial["partial (REML)"]
    assert isinstance(fit, LikelihoodFit)
    ladder = climb(read_rows(design))
    places = _left_out(design, ladder, leave_out)
    labels = design.levels[0].grouping.labels
    frames = coefficients(ladder) | {name: _partial(one, ladder) for name, one in partial.items()}
    less = climb(without_groups(ladder.rows, places))
    others = coefficients(less) | {"partial (REML)": _refitted(model, less, places)}
    return PoolingLadder(
        design,
        pd.concat(frames, names=["analysis"]),
        _analyses(ladder, partial),
        group_terms(ladder),
        _groups(design, ladder),
        _influence(frames, others),
        tuple(labels[i] for i in places),
        fit,
    )


def _require_one_level(model: Any) -> Design:
    """The design of a model that has rungs to climb."""
    if not isinstance(model, Model):
        raise ArgumentError(
            f"pooling was given {type(model).__name__}.", "Expected a Model.", "Pass the model, and its fits after it."
        )
    design = model.design
    if len(design.levels) != 1:
        found = ", ".join(f"'{level.name}'" for level in design.levels)
        raise ArgumentError(
            f"The model has the levels {found}." if found else "This model has no levels.",
            "Expected one grouping: its groups are averaged, ignored, taken alone and pooled.",
            "Write the formula with one bar; of several levels see fit.shrinkage().",
        )
    if design.weights is not None:
        raise ArgumentError(
            f"The model has weights ({design.weights_name}).",
            "Expected rows of one residual variance.",
            "Leave the weights out.",
        )
    return design


def _partial_fits(model: Model, fits: tuple[Any, ...]) -> dict[str, LikelihoodFit | BayesFit]:
    """Partial pooling by name, REML first."""
    found: dict[str, LikelihoodFit | BayesFit] = {}
    for fit in fits:
        if not isinstance(fit, LikelihoodFit | BayesFit):
            raise ArgumentError(
                f"pooling was given {type(fit).__name__} beside the model.",
                "Expected fits of it.",
                "Pass model.ml() or a posterior; groups to leave out go to leave_out=.",
            )
        require_same_model(model.design, fit.design)
        name = f"partial ({fit.method if isinstance(fit, LikelihoodFit) else 'Bayes'})"
        if name in found:
            raise ArgumentError(f"Two fits are {name}.", "Expected one of each kind.", "Compare them with bx.compare.")
        found[name] = fit
    reml = found.pop("partial (REML)", None)
    return {"partial (REML)": model.reml() if reml is None else reml} | found


def _partial(fit: LikelihoodFit | BayesFit, ladder: Ladder) -> pd.DataFrame:
    """Fixed effects of a fit, and the sds of its groups' effects."""
    names = list(ladder.rows.names)
    table = fit.fixed_effects().reindex(names)
    found = pd.DataFrame(index=pd.Index(names, name="term"))
    estimated = isinstance(fit, LikelihoodFit)
    found["estimate"], found["se"] = table["estimate" if estimated else "mean"], table["se" if estimated else "sd"]
    found["t"] = table["t"] if estimated else np.nan
    spread = np.sqrt(np.einsum("cdaa->cda", fit.parameters.covariances[0])).mean(axis=(0, 1))
    found["sd"] = pd.Series(spread, index=[names[i] for i in ladder.rows.effects]).reindex(names)
    return found


def _analyses(ladder: Ladder, partial: dict[str, LikelihoodFit | BayesFit]) -> pd.DataFrame:
    """Sizes and fit of every rung, and what it gets wrong."""
    table = summaries(ladder)
    fit = partial["partial (REML)"]
    assert isinstance(fit, LikelihoodFit)
    for name, one in partial.items():
        sigma = float(one.parameters.sigma.mean())
        table.loc[name] = [one.design.n, fit.n_parameters, np.nan, sigma, np.nan, np.nan, np.nan]
    table = table.astype({"units": int, "parameters": int})
    return table.assign(gets_wrong=pd.Series(what_goes_wrong(_facts(ladder, fit), list(table.index))))


def _facts(ladder: Ladder, fit: LikelihoodFit) -> Facts:
    """The numbers that the words name."""
    rows, frames = ladder.rows, coefficients(ladder)
    sizes = np.bincount(rows.codes, minlength=rows.n_groups)
    p = rows.X.shape[1]
    paired = [a for a, place in enumerate(rows.effects) if place < p]
    last = paired[-1] if paired else 0
    effect = rows.names[rows.effects[last]] if paired else None
    return Facts(
        level=fit.design.levels[0].name,
        rows=len(rows.y),
        groups=rows.n_groups,
        smallest=int(sizes.min()),
        largest=int(sizes.max()),
        design_effect=float(fit.design_effect()["estimate"].iloc[0]),
        effect=effect,
        observed_sd=float(frames["per group"].loc[rows.names[rows.effects[last]], "sd"]),
        partial_sd=float(np.sqrt(fit.parameters.covariances[0][0, 0, last, last])),
        excluded=int((~ladder.alone.complete).sum()),
        extra=ladder.fixed.rank - ladder.disaggregated.rank,
        unsaid=_missing(frames["fixed groups"].iloc[:p]),
        unsaid_alone=_missing(frames["per group"]),
        unsaid_means=_missing(frames["aggregated"].iloc[:p]),
    )


def _missing(table: pd.DataFrame) -> tuple[str, ...]:
    """Terms without an estimate."""
    return tuple(table.index[table["estimate"].isna()])


def _groups(design: Design, ladder: Ladder) -> pd.DataFrame:
    """Each group's own regression."""
    names = [ladder.rows.names[k] for k in ladder.alone.columns]
    index = pd.Index(design.levels[0].grouping.labels, name="group")
    table = pd.DataFrame(ladder.alone.beta, index=index, columns=names)
    table.insert(0, "n", np.bincount(ladder.rows.codes, minlength=len(index)))
    return table


def _left_out(design: Design, ladder: Ladder, asked: Any) -> Integers:
    """Places of the groups to leave out: those asked for, or the one furthest out."""
    if asked is None and ladder.rows.n_groups < 3:
        return np.array([], np.int64)  # nothing to compare is left
    if asked is None:
        beta = ladder.alone.beta
        if ladder.alone.complete.sum() < 2:
            return np.array([int(np.bincount(ladder.rows.codes).argmin())])
        spread = np.nanstd(beta, axis=0)
        far = np.abs(beta - np.nanmean(beta, axis=0)) / np.where(spread > 0, spread, 1.0)
        return np.array([int(np.nanargmax(np.where(np.isnan(far), -1.0, far).max(axis=1)))])
    wanted = list(asked) if isinstance(asked, list | tuple | set | np.ndarray | pd.Index | pd.Series) else [asked]
    places = np.unique(np.array([find_group(design, 0, label) for label in wanted], np.int64))
    if not 0 < len(places) < ladder.rows.n_groups - 1:
        raise ArgumentError(
            f"leave_out names {len(places)} of {ladder.rows.n_groups} groups.",
            "Expected at least one, and two that stay.",
            "Name the groups whose influence you want to see.",
        )
    return places


def _refitted(model: Model, less: Ladder, places: Integers) -> pd.DataFrame:
    """REML without some groups; missing where the others do not determine it."""
    found = pd.DataFrame(np.nan, index=pd.Index(less.rows.names, name="term"), columns=["estimate", "sd"])
    if np.isnan(less.disaggregated.beta).any():
        return found
    try:
        solution = maximise(products_without(model.products, places), True)
    except ConvergenceError:
        return found
    found.iloc[: len(solution.beta), 0] = solution.beta
    found.iloc[less.rows.effects, 1] = np.sqrt(np.diag(solution.covariances[0]))
    return found


def _influence(frames: dict[str, pd.DataFrame], others: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """With all groups and without some."""
    parts = {
        name: pd.DataFrame(
            {
                "estimate": frames[name]["estimate"],
                "without": other["estimate"],
                "change": other["estimate"] - frames[name]["estimate"],
                "sd": frames[name]["sd"],
                "sd_without": other["sd"],
            }
        )
        for name, other in others.items()
    }
    return pd.concat(parts, names=["analysis"])
