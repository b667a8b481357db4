"""The sections of a report, from data and equations to what to be careful about and how to repeat it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import Design
from bayesmix.design.frame import Categories
from bayesmix.reporting.blocks import Block, Facts, Formulas, Grid, Heading, Points, Prose, Section, grid, picture
from bayesmix.reporting.caterpillars import plot_caterpillar
from bayesmix.reporting.diagnosis import diagnostics
from bayesmix.reporting.partition import plot_variance_partition
from bayesmix.reporting.pooling_arrows import plot_shrinkage
from bayesmix.reporting.reproduction import reproduction
from bayesmix.reporting.side_by_side import plot_agreement, plot_prior_posterior
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.comparison import Comparison, compare
from bayesmix.results.components import ICC_NOTE, has_slopes
from bayesmix.results.degrees import TITLES
from bayesmix.results.equations import model_equations
from bayesmix.results.fit import Fit
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.model_page import level_table
from bayesmix.results.naming import weights_fact
from bayesmix.results.prior_table import INTERCEPT_NOTE

# Labels of a category that are written out.
_LABELS = 6


def report_sections(fits: Sequence[Fit], command: str | None = None) -> tuple[Section, ...]:
    """Everything a report says, in order, before it becomes a page.

    Parameters
    ----------
    fits : sequence of LikelihoodFit and BayesFit
        Of one model.
    command : str, optional
        The line of a shell that made them.

    Returns
    -------
    tuple of Section

    Raises
    ------
    ArgumentError
        Fits of different models.
    """
    # First, as it refuses what does not belong together.
    comparison = compare(*fits) if len(fits) > 1 else None
    design, names = fits[0].design, _names(fits)
    posts = [(fit, name) for fit, name in zip(fits, names, strict=True) if isinstance(fit, BayesFit)]
    likelihood = next((fit for fit in fits if isinstance(fit, LikelihoodFit)), None)
    found = [Section("model", "Model", tuple(_model(design))), Section("data", "Data", tuple(_data(design)))]
    if posts:
        found.append(Section("priors", "Priors", tuple(_priors(posts))))
    for number, (fit, name) in enumerate(zip(fits, names, strict=True)):
        found.append(Section(f"fit{number}", name, tuple(_results(fit))))
    if comparison is not None:
        found.append(Section("agreement", "Agreement", tuple(_agreement(fits, comparison))))
    if design.levels:
        found.append(Section("variance", "Where the variance lies", tuple(_variance(fits, names))))
        found.append(Section("groups", "Groups and their shrinkage", tuple(_groups(likelihood or fits[0]))))
    found.append(Section("diagnostics", "Diagnostics and advice", diagnostics(fits, names)))
    found.append(Section("repeat", "How to cite and to repeat", reproduction(fits, command)))
    return tuple(found)


def _names(fits: Sequence[Fit]) -> list[str]:
    """What each fit is called; those of a kind are numbered."""
    kinds = ["Posterior" if isinstance(fit, BayesFit) else getattr(fit, "method", "Estimates") for fit in fits]
    return [
        kind if kinds.count(kind) == 1 else f"{kind} {kinds[: place + 1].count(kind)}"
        for place, kind in enumerate(kinds)
    ]


def _model(design: Design) -> Iterator[Block]:
    """Formula and equations, and how to read them."""
    yield Facts((("Formula", design.specification.formula), *weights_fact(design)))
    equations = model_equations(design)
    yield Formulas(equations)
    # What the equations say of themselves, their indices among it, and what the intercept means.
    notes = [*equations.notes, *design.notes]
    if design.dropped:
        notes.append(f"Aliased with other columns and dropped: {', '.join(design.dropped)}.")
    yield Points(tuple(notes))


def _data(design: Design) -> Iterator[Block]:
    """Rows, what is missing, groups, and every column that the formula reads."""
    total = design.n + design.n_missing
    yield Facts((("Rows given", str(total)), ("Rows used", str(design.n)), ("Left out", str(design.n_missing))))
    if design.n_missing:
        listed = ", ".join(f"{name} {count}" for name, count in design.missing_in.items())
        where = f" Missing values: {listed}." if listed else ""
        verb, past = ("has", "was") if design.n_missing == 1 else ("have", "were")
        yield Prose(
            f"{design.n_missing} of {total} rows ({design.n_missing / total:.1%}) {verb} a missing value in some "
            f"column of the model and {past} left out.{where} The results hold where missing values do not depend on "
            "the response, given the predictors."
        )
    else:
        yield Prose("No row has a missing value in a column of the model.")
    if design.levels:
        yield Grid(level_table(design))
    yield Grid(_columns(design))


def _columns(design: Design) -> pd.DataFrame:
    """Numbers by their mean, sd and range; categories by their labels. Index column."""
    groupings = {name for bar in design.specification.groups for name in bar.grouping}
    rows: dict[str, tuple[str, float | None, float | None, float | None, float | None, str]] = {}
    for name, column in design.columns_read.items():
        if isinstance(column, Categories):
            labels = ", ".join(map(str, column.labels[:_LABELS])) + (", ..." if len(column.labels) > _LABELS else "")
            what = "grouping" if name in groupings else "categories"
            rows[name] = (what, None, None, None, None, f"{len(column.labels)}: {labels}")
        elif name in groupings:
            rows[name] = ("grouping", None, None, None, None, f"{len(set(column.values.tolist()))} groups")
        else:
            rows[name] = ("numbers", *_spread(column.values), "")
    if design.weights is not None and design.weights_name is not None:
        rows[design.weights_name] = ("weights", *_spread(design.weights), "")
    heads = ["kind", "mean", "sd", "min", "max", "values"]
    return pd.DataFrame(list(rows.values()), columns=heads, index=pd.Index(list(rows), name="column"))


def _spread(values: NDArray[Any]) -> tuple[float, float | None, float, float]:
    """Mean, sd, smallest and largest."""
    sd = float(values.std(ddof=1)) if len(values) > 1 else None
    return float(values.mean()), sd, float(values.min()), float(values.max())


def _priors(posts: Sequence[tuple[BayesFit, str]]) -> Iterator[Block]:
    """Distributions, what they were scaled by, and what became of them."""
    for post, name in posts:
        if len(posts) > 1:
            yield Heading(name)
        yield Grid(post.priors.table[["distribution", "source"]])
        if post.priors.numbers.intercept is not None and len(post.design.fixed_names) > 1:
            yield Prose(INTERCEPT_NOTE)
        stem = f"priors-{len(posts)}-{name.split()[-1]}" if len(posts) > 1 else "priors"
        yield picture(stem, "Prior and posterior of each parameter", lambda post=post: plot_prior_posterior(post))  # type: ignore[misc]


def _results(fit: Fit) -> Iterator[Block]:
    """Fixed effects and variance components."""
    assert isinstance(fit, LikelihoodFit | BayesFit)
    if isinstance(fit, LikelihoodFit):
        criteria = [("Criterion", fit.criterion), ("AIC", fit.aic), ("BIC", fit.bic)]
        yield Facts(tuple((name, f"{value:.2f}") for name, value in criteria))
        method = f"Tests by t with {TITLES['satterthwaite']}"
    else:
        yield Facts((("Draws", fit.draws_in_words()[0]),))
        method = "Mean, standard deviation and 95 % equal-tailed interval of the draws"
    yield Heading("Fixed effects")
    if fit.design.fixed_names:
        yield Prose(f"{method}.")
        yield Grid(fit.fixed_effects())
    else:
        yield Prose("The model has none.")
    yield Heading("Variance components")
    yield Grid(fit.variance_components())


def _agreement(fits: Sequence[Fit], comparison: Comparison) -> Iterator[Block]:
    """The verdict, the table and the picture."""
    yield Points(tuple(comparison.verdict.splitlines()))
    yield Grid(comparison._shown())
    yield picture("agreement", "Intervals side by side", lambda: plot_agreement(*fits))


def _variance(fits: Sequence[Fit], names: Sequence[str]) -> Iterator[Block]:
    """ICC and R2 of every fit, and the picture of the parts."""
    for fit, name in zip(fits, names, strict=True):
        if len(fits) > 1:
            yield Heading(name)
        yield Grid(fit.icc().add_prefix("ICC ", axis=1))
        yield Grid(fit.r2().add_prefix("R2 ", axis=1))
    if has_slopes(fits[0].design.levels):
        yield Prose(ICC_NOTE)
    yield picture("variance", f"Parts of the variance, {names[0]}", lambda: plot_variance_partition(fits[0]))


def _groups(fit: Fit) -> Iterator[Block]:
    """How far groups are pulled, and the groups in order."""
    yield Prose(
        "Reliability is the share of a group's own estimate that is kept; the rest is pulled to the regression."
    )
    table = grid(
        "Reliability", lambda: fit.reliability().rename(columns={"estimate": "reliability", "mean": "reliability"})
    )
    yield table
    if isinstance(table, Grid):
        yield from _unused(fit, table.frame)
    yield Prose(f"The pictures show the fit by {getattr(fit, 'method', 'NUTS')}.")
    for number, level in enumerate(fit.design.levels, start=1):
        name = level.name
        yield picture(f"shrinkage-{number}", f"Shrinkage of {name}", lambda name=name: plot_shrinkage(fit, name))  # type: ignore[misc]
        yield picture(f"effects-{number}", f"Effects of {name}", lambda name=name: plot_caterpillar(fit, name))  # type: ignore[misc]


def _unused(fit: Fit, reliability: pd.DataFrame) -> Iterator[Block]:
    """Why the reliability of a level is not that of all its groups."""
    used = reliability["groups_used"].groupby(level="level", sort=False).first()
    for level in fit.design.levels:
        count = len(level.grouping.labels)
        if level.name in used.index and used[level.name] < count:
            yield Prose(
                f"groups_used: {int(used[level.name])} of the {count} groups of {level.name}. The rows of the others "
                f"do not determine coefficients of their own ({', '.join(level.effect_names)}), as there are too few "
                "or a predictor does not vary among them; they are left out of the reliability, and of nothing else."
            )
