"""The summary of a fit in our own layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from bayesmix.results.components import ICC_NOTE, has_slopes
from bayesmix.results.degrees import TITLES
from bayesmix.results.naming import weights_fact
from bayesmix.tables import Header, Summary, format_summary, format_table, html_summary, html_table

if TYPE_CHECKING:
    from bayesmix.results.likelihood_fit import LikelihoodFit


def native_summary(fit: LikelihoodFit) -> Summary:
    """Criterion, variance components and fixed effects."""
    design = fit.design
    sizes = " · ".join(f"{level.name} {len(level.grouping.labels)}" for level in design.levels)
    missing = f" ({design.n_missing} left out: values missing)" if design.n_missing else ""
    facts = [
        ("Formula", design.specification.formula),
        ("Rows", f"{design.n}{missing}"),
        *([("Groups", sizes)] if sizes else []),
        *weights_fact(design),
        ("Criterion", f"{fit.criterion:.4f}   AIC {fit.aic:.2f}   BIC {fit.bic:.2f}"),
    ]
    name = "Multilevel model" if design.levels else "Linear model"
    tables: list[tuple[str, pd.DataFrame, dict[str, int]]] = [
        ("Variance components", fit.variance_components(), {}),
        (f"Fixed effects ({TITLES['satterthwaite']})", fit.fixed_effects(), {"df": 2}),
    ]
    if design.levels:
        tables.insert(1, ("Intraclass correlation", fit.icc(), {}))
    header, notes = Header(f"{name}, fitted by {fit.method}", facts), _notes(fit)
    text = format_summary(header, [(title, format_table(frame, d)) for title, frame, d in tables], notes)
    html = html_summary(header, [(title, html_table(frame, d)) for title, frame, d in tables], notes)
    return Summary(text, html)


def _notes(fit: LikelihoodFit) -> list[str]:
    """What a reader must know besides the numbers."""
    notes = list(fit.design.notes)
    if fit.design.dropped:
        notes.append(f"Aliased and dropped: {', '.join(fit.design.dropped)}.")
    if has_slopes(fit.design.levels):
        notes.append(ICC_NOTE)
    if fit.singular:
        notes.append(
            "The fit is singular: a variance is zero or a correlation is 1. The estimate is the optimum, but the "
            "data do not support this many effects; simplify the random part or use priors. "
            ".singular_report() says which effects, and what to try."
        )
    return notes
