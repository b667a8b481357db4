"""A model as a notebook shows it: formula, equations, sizes and priors."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd

from bayesmix.design import Design
from bayesmix.inference.priors import Priors
from bayesmix.results.equations import model_equations
from bayesmix.results.naming import weights_fact
from bayesmix.results.prior_table import PriorTable
from bayesmix.tables import Header, html_summary, html_table


def model_html(design: Design, priors: Priors) -> str:
    """A model as HTML; every text of the user is escaped."""
    facts = [
        ("Formula", design.specification.formula),
        ("Rows", f"{design.n}" + (f" ({design.n_missing} left out: values missing)" if design.n_missing else "")),
        *weights_fact(design),
    ]
    equations = model_equations(design)
    sections = [("Equations", f"<pre>{escape(equations.short)}</pre>")]
    if design.levels:
        sections.append(("Levels, lowest first", html_table(level_table(design))))
    sections.append(("Priors", PriorTable(design, priors).html()))
    notes = [*equations.notes, *design.notes]
    if design.dropped:
        notes.append(f"Aliased and dropped: {', '.join(design.dropped)}.")
    name = "Multilevel model" if design.levels else "Linear model"
    return html_summary(Header(name, facts), sections, notes)


def level_table(design: Design) -> pd.DataFrame:
    """Groups and rows for each of them (fewest, mean, most), and the effects that vary; index level."""
    rows = []
    for level in design.levels:
        sizes = np.bincount(level.grouping.codes, minlength=len(level.grouping.labels))
        spread = f"{sizes.min()} - {sizes.mean():.1f} - {sizes.max()}"
        rows.append((len(sizes), spread, ", ".join(level.effect_names)))
    index = pd.Index([level.name for level in design.levels], name="level")
    return pd.DataFrame(rows, columns=["groups", "rows per group (min - mean - max)", "effects"], index=index)
