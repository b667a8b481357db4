"""Fits of one model and published numbers side by side, and one sentence on each: whether it agrees, and why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import pandas as pd
from arviz_stats import ELPDData
from scipy.special import ndtri

from bayesmix.errors import ArgumentError, refuse_unknown, require_coverage
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.conventions import Audit, audit
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.loo_comparison import loo_compare
from bayesmix.results.published import Published, as_published
from bayesmix.results.readings import Reading, read_fit
from bayesmix.results.verdicts import fit_sentence, published_sentence, rows_off, with_article
from bayesmix.tables import Header, format_summary, format_table, format_wide, html_summary, html_table

_SHOWN = {"difference_in_se": 2, "width_ratio": 2, "last_digits": 2, "df": 2, "t": 2}
# Left out of the text, kept in the table.
_QUIET = ("digits", "ci_low", "ci_high", "width_ratio", "mcse")

Fit = LikelihoodFit | BayesFit
Row = tuple[str, str]


@dataclass(frozen=True, repr=False)
class Comparison:
    """Fits and published numbers side by side.

    Parameters
    ----------
    table : DataFrame
        Index (part, parameter). For one likelihood fit and one posterior: estimate, se, mean, sd, ci_low, ci_high,
        difference_in_se, width_ratio, mcse. Otherwise columns (source, quantity), where the quantities are estimate
        and se of a likelihood fit; mean, sd, ci_low, ci_high and mcse of a posterior; for all but the first fit
        difference_in_se. Published numbers have value, digits (decimals printed), agrees, last_digits (ours minus
        theirs in units of the last digit), and where printed se, t, df, each with its ``_agrees``.
    verdict : str
        One sentence for each source but the first: whether it agrees, and if not, where and why.
    agree : bool
        Whether all of them do.
    long : DataFrame
        One row for each source and parameter: source, part, parameter, estimate, se, ci_low, ci_high,
        difference_in_se, digits, agrees.
    names : tuple of str
        The sources.
    """

    table: pd.DataFrame
    verdict: str
    agree: bool
    long: pd.DataFrame
    names: tuple[str, ...]

    @property
    def title(self) -> str:
        """What stands beside what."""
        first, *others, last = map(with_article, self.names)
        listed = f"{', '.join(others)} and {last}" if others else last
        return f"{first[0].upper()}{first[1:]} beside {listed}"

    def _shown(self) -> pd.DataFrame:
        """The table as it is printed."""
        frame = self.table
        if isinstance(frame.columns, pd.MultiIndex):
            frame = frame.loc[:, [column for column in frame.columns if column[1] not in _QUIET]]
        columns = {number: _cells(frame.columns[number], self.table) for number in range(frame.shape[1])}
        return pd.DataFrame(columns, index=frame.index).set_axis(frame.columns, axis=1)

    def __repr__(self) -> str:
        frame = self._shown()
        wide = isinstance(frame.columns, pd.MultiIndex)
        body = format_wide(frame, _SHOWN) if wide else format_table(frame, _SHOWN)
        return format_summary(Header(self.title, []), [("", body)], self.verdict.splitlines())

    def _repr_html_(self) -> str:
        return html_summary(
            Header(self.title, []), [("", html_table(self._shown(), _SHOWN))], self.verdict.splitlines()
        )


@overload
def compare(
    models: Mapping[str, BayesFit | ELPDData], /, *, by: str | None = None, progress: bool = True
) -> pd.DataFrame: ...


@overload
def compare(
    *fits: Fit | Published | Any, published: Any = None, prob: float = 0.95, names: Sequence[str] | None = None
) -> Comparison: ...


def compare(
    *fits: Fit | Published | Any,
    published: Any = None,
    prob: float = 0.95,
    names: Sequence[str] | None = None,
    **unknown: Any,
) -> Comparison | pd.DataFrame:
    """Put fits of one model, and numbers published about it, side by side.

    Parameters
    ----------
    *fits : LikelihoodFit, BayesFit and Published
        Two or more in any order, at least one of them a fit; the fits of the same formula to the same rows. One mapping
        of posteriors by name, of any models of the same rows, or of what their ``loo``, ``waic`` or ``kfold`` returned,
        is handed to :func:`bayesmix.loo_compare`, which takes ``by=`` and ``progress=`` and nothing else.
    published : Published, mapping, DataFrame, path of a .csv or .toml file, or a list of these
        More published numbers; see :class:`~bayesmix.results.published.Published`. They may cover a part of the model.
    prob : float
        Coverage of the intervals.
    names : sequence of str, optional
        What to call the sources, in the order given, published ones last.

    Returns
    -------
    Comparison
        Differences are in standard errors (posterior sds) of the first fit. A published number agrees where ours
        rounds to it: with the likelihood fit of the method it states, otherwise with the likelihood fit that
        reproduces most of it; without a likelihood fit, where it lies within what the posterior allows. A published
        standard error agrees where one of the usual conventions reproduces it, which the verdict names.
        Fits agree where fixed effects differ by at most .25 and variance components by at most 1 standard error of the
        first. With one likelihood fit and one posterior alone, ``difference_in_se`` is (posterior mean - estimate) /
        standard error; ``width_ratio`` the width of the posterior interval over that of the normal interval; ``mcse``
        the Monte Carlo standard error of the mean.

    Raises
    ------
    ArgumentError
        Fewer than two sources, no fit, fits of different models, or published parameters that the model has not.

    Examples
    --------
    >>> import bayesmix as bx
    >>> model = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff"))
    >>> found = bx.compare(model.reml(), model.ml())
    >>> found.table["ML"].loc["Batch", "difference_in_se"].round(2).tolist()
    [-0.26]
    >>> book = bx.Published("book", fixed={"Intercept": "1527.5"}, variance_components={"residual": {"var": "2451"}})
    >>> bx.compare(model.reml(), book).agree
    True
    """
    if len(fits) == 1 and isinstance(fits[0], Mapping) and _by_name(fits[0], published, prob, names):
        return loo_compare(fits[0], **unknown)
    refuse_unknown("compare", unknown, ("published", "prob", "names"))
    require_coverage(prob)
    sources = _sources(fits, published)
    called = _names(sources, names)
    readings = [
        read_fit(name, s, prob) for name, s in zip(called, sources, strict=True) if not isinstance(s, Published)
    ]
    prints = [(name, source) for name, source in zip(called, sources, strict=True) if isinstance(source, Published)]
    for other in readings[1:]:
        _same_model(readings[0].fit, other.fit)
    audits = [(name, source, *_audit(name, source, readings)) for name, source in prints]
    pair = _pair(readings) if not prints else None
    one = pair[0] if pair else readings[0]
    others = [reading for reading in readings if reading is not one]
    sentences = [fit_sentence(one, other) for other in others]
    sentences += [published_sentence(source, name, beside, found) for name, source, beside, found in audits]
    agree = not any(_off(one, other) for other in others) and all(found.agree for *_, found in audits)
    long = _long(one, others, audits)
    table = _pair_table(*pair, prob) if pair else _wide_table(one, others, audits, called)
    order = (pair[0].name, pair[1].name) if pair else called
    return Comparison(table, "\n".join(sentences), agree, long, tuple(order))


def _by_name(models: Mapping[Any, Any], published: Any, prob: float, names: Any) -> bool:
    """Whether a mapping is of posteriors, or of estimates of how well they predict, which are compared as such."""
    kinds = tuple(models.values())
    if any(isinstance(model, BayesFit | ELPDData) for model in kinds):
        for name, given in (("published", published is not None), ("prob", prob != 0.95), ("names", names is not None)):
            if given:
                raise ArgumentError(
                    f"compare was given {name}= and posteriors by name.",
                    "Expected by= alone: these are compared by leave-one-out cross-validation.",
                    f"Leave {name} out, or pass fits of one model: bx.compare(one, other).",
                )
        return True
    if any(isinstance(model, LikelihoodFit) for model in kinds):
        raise ArgumentError(
            "compare was given a mapping of likelihood fits.",
            "Expected fits of one model one after the other; models by name, of posteriors, go to bx.loo_compare.",
            "Write bx.compare(one, other); different models are compared by bx.lrt(one, other) or .aic.",
        )
    return False


def _sources(fits: tuple[Any, ...], published: Any) -> list[Fit | Published]:
    """Everything to compare, published numbers read."""
    given = [*fits]
    if published is not None:
        several = isinstance(published, Sequence) and not isinstance(published, str)
        given += list(published) if several else [published]
    found: list[Fit | Published] = []
    for each in given:
        source = each if isinstance(each, LikelihoodFit | BayesFit) else as_published(each, len(found))
        if source is None:
            raise ArgumentError(
                f"compare was given {_kinds(given)}.",
                "Expected fits (LikelihoodFit or BayesFit) and published numbers.",
                "Pass model.reml(), model.sample(), or bx.Published(...).",
            )
        found.append(source)
    distinct = len({id(source) for source in found})
    if len(found) < 2 or distinct < len(found) or all(isinstance(source, Published) for source in found):
        same = ", the same twice" if distinct < len(found) else ""
        raise ArgumentError(
            f"compare was given {_kinds(given) or 'nothing'}{same}.",
            "Expected at least two different sources, one of them a fit.",
            "Pass model.reml() and model.sample(), or a fit and bx.Published(...).",
        )
    return found


def _kinds(given: Sequence[Any]) -> str:
    """What something was, by type."""
    return " and ".join(type(each).__name__ for each in given)


def _names(sources: Sequence[Fit | Published], names: Sequence[str] | None) -> list[str]:
    """A name for each source; those of a kind are numbered."""
    if names is not None:
        named = [names] if isinstance(names, str) else list(names)
        if len(named) != len(sources) or len(set(named)) < len(named) or not all(isinstance(n, str) for n in named):
            raise ArgumentError(
                f"names={names!r} for {len(sources)} sources.",
                "Expected as many different texts as sources.",
                "Leave names out, or write one for each.",
            )
        return named
    found: list[str] = []
    for source in sources:
        plain = (
            "posterior"
            if isinstance(source, BayesFit)
            else source.method
            if isinstance(source, LikelihoodFit)
            else source.name
        )
        number, name = 1, plain
        while name in found:
            number += 1
            name = f"{plain} {number}"
        found.append(name)
    return found


def _same_model(one: Fit, other: Fit) -> None:
    """Refuse fits of different models or data."""
    shapes = [[(v.name, v.effect_names, v.blocks) for v in fit.design.levels] for fit in (one, other)]
    same = one.design.fixed_names == other.design.fixed_names and shapes[0] == shapes[1]
    ours, theirs = (np.ones(f.design.n) if f.design.weights is None else f.design.weights for f in (one, other))
    if not same or not np.array_equal(one.design.response, other.design.response) or not np.array_equal(ours, theirs):
        raise ArgumentError(
            f"The fits are of '{one.design.specification.formula}' ({one.design.n} rows) and "
            f"'{other.design.specification.formula}' ({other.design.n} rows).",
            "Expected the same effects, the same rows, the same response and the same weights.",
            "Fit both from one Model. To choose between models: bx.loo_compare({...}) and bx.bayes_factor(a, b) of "
            "posteriors, bx.lrt(a, b) of estimates.",
        )


def _pair(readings: Sequence[Reading]) -> tuple[Reading, Reading] | None:
    """The likelihood fit and the posterior, where there is one of each and nothing else."""
    if len(readings) != 2 or isinstance(readings[0].fit, BayesFit) == isinstance(readings[1].fit, BayesFit):
        return None
    first, second = readings
    return (second, first) if isinstance(first.fit, BayesFit) else (first, second)


def _audit(name: str, source: Published, readings: Sequence[Reading]) -> tuple[Reading, Audit]:
    """Published numbers beside the fit they belong to: that of their method, or the one that reproduces most."""
    candidates = [r for r in readings if isinstance(r.fit, LikelihoodFit)] or list(readings[:1])
    if source.method is not None:
        stated = [r for r in candidates if isinstance(r.fit, LikelihoodFit) and r.fit.method == source.method]
        candidates = stated or candidates
    found = [(reading, audit(source.entries, reading, name)) for reading in candidates]
    return min(found, key=lambda each: len(each[1].off))


def _off(one: Reading, other: Reading) -> list[Row]:
    """Rows in which two fits do not agree; a posterior is measured in the standard errors of a likelihood fit."""
    turned = isinstance(one.fit, BayesFit) and isinstance(other.fit, LikelihoodFit)
    return rows_off(other, one) if turned else rows_off(one, other)


def _pair_table(like: Reading, post: Reading, prob: float) -> pd.DataFrame:
    """A likelihood fit and a posterior by row."""
    rows = like.frame["always"]
    table = like.frame.loc[rows, ["estimate", "se"]].copy()
    posterior = post.frame[post.frame["always"]]
    for column, ours in {"mean": "estimate", "sd": "se", "ci_low": "ci_low", "ci_high": "ci_high"}.items():
        table[column] = posterior[ours]
    table["difference_in_se"] = (table["mean"] - table["estimate"]) / table["se"]
    table["width_ratio"] = (table["ci_high"] - table["ci_low"]) / (2 * float(ndtri(0.5 + prob / 2)) * table["se"])
    table["mcse"] = posterior["mcse"]
    return table


Audited = tuple[str, Published, Reading, Audit]


def _wide_table(
    one: Reading, others: Sequence[Reading], audits: Sequence[Audited], order: Sequence[str]
) -> pd.DataFrame:
    """Columns by source, rows of the model and those that somebody printed."""
    rows = _rows(one, audits)
    parts = {one.name: _fit_columns(one, rows)}
    for other in others:
        columns = _fit_columns(other, rows)
        moved = other.frame.loc[rows, "estimate"] - one.frame.loc[rows, "estimate"]
        columns.insert(2, "difference_in_se", moved / one.frame.loc[rows, "se"])
        parts[other.name] = columns
    for name, source, beside, found in audits:
        parts[name] = _published_columns(source, beside, found).reindex(rows)
    return pd.concat({name: parts[name] for name in order}, axis=1, names=["source", "quantity"])


def _rows(one: Reading, audits: Sequence[Audited]) -> pd.Index[Any]:
    """Rows of the model in their order, with square roots and statistics where they were printed."""
    printed = {check.row for *_, found in audits for check in found.checks}
    return one.frame.index[one.frame["always"] | one.frame.index.isin(list(printed))]


def _fit_columns(reading: Reading, rows: pd.Index[Any]) -> pd.DataFrame:
    """Columns of a fit."""
    frame = reading.frame.loc[rows]
    if isinstance(reading.fit, LikelihoodFit):
        return frame[["estimate", "se"]]
    return frame[["estimate", "se", "ci_low", "ci_high", "mcse"]].rename(columns={"estimate": "mean", "se": "sd"})


def _published_columns(source: Published, beside: Reading, found: Audit) -> pd.DataFrame:
    """Columns of published numbers, for the rows they have."""
    table: dict[Row, dict[str, Any]] = {}
    for check in found.checks:
        row = table.setdefault(check.row, {})
        if check.column == "estimate":
            row |= {"value": check.printed.value, "digits": check.printed.digits, "agrees": check.agrees}
            row["last_digits"] = check.printed.off(check.ours)
        else:
            row |= {check.column: check.printed.value, f"{check.column}_agrees": check.agrees}
    quantities = list(dict.fromkeys(column for row in table.values() for column in row))
    index = pd.MultiIndex.from_tuples(list(table), names=["part", "parameter"])
    frame = pd.DataFrame({q: [row.get(q) for row in table.values()] for q in quantities}, index=index)
    kinds = {q: "boolean" if q.endswith("agrees") else "Int64" if q == "digits" else "float64" for q in quantities}
    return frame.astype(kinds)


def _long(one: Reading, others: Sequence[Reading], audits: Sequence[Audited]) -> pd.DataFrame:
    """One row for each source and parameter."""
    rows = _rows(one, audits)
    reference = one.frame.loc[rows]
    frames = []
    for reading in (one, *others):
        frame = reading.frame.loc[rows, ["estimate", "se", "ci_low", "ci_high"]].reset_index()
        moved = (reading.frame.loc[rows, "estimate"] - reference["estimate"]) / reference["se"]
        frames.append(frame.assign(source=reading.name, difference_in_se=moved.to_numpy()))
    for name, source, beside, found in audits:
        printed = _published_columns(source, beside, found).rename(columns={"value": "estimate"})
        moved = (printed["estimate"] - one.frame["estimate"].reindex(printed.index)) / one.frame["se"].reindex(
            printed.index
        )
        kept = printed.reindex(columns=["estimate", "se", "digits", "agrees"]).reset_index()
        frames.append(kept.assign(source=name, difference_in_se=moved.to_numpy()))
    columns = ["estimate", "se", "ci_low", "ci_high", "difference_in_se", "digits", "agrees"]
    long = pd.concat(frames, ignore_index=True).reindex(columns=["source", "part", "parameter", *columns])
    return long.astype({**dict.fromkeys(columns[:5], "float64"), "digits": "Int64", "agrees": "boolean"})


def _cells(column: Any, table: pd.DataFrame) -> pd.Series:
    """A column as it is shown: printed numbers with their digits, answers in words."""
    values = table[column]
    if str(values.dtype) == "boolean":
        return values.map({True: "yes", False: "no"}).astype(object).where(values.notna(), "")
    if isinstance(column, tuple) and column[1] == "value":
        digits = table[column[0], "digits"]
        texts = ["" if pd.isna(d) else f"{v:.{max(int(d), 0)}f}" for v, d in zip(values, digits, strict=True)]
        return pd.Series(texts, index=values.index)
    return values
