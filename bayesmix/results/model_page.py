"""A model as a notebook shows it: formula, equation, sizes and priors."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import pandas as pd

from bayesmix.design import Design, Level
from bayesmix.inference.priors import Priors
from bayesmix.results.naming import weights_fact
from bayesmix.results.prior_table import PriorTable
from bayesmix.tables import Header, html_summary, html_table

_DIGITS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def model_html(design: Design, priors: Priors) -> str:
    """A model as HTML; every text of the user is escaped."""
    facts = [
        ("Formula", design.specification.formula),
        ("Rows", f"{design.n}" + (f" ({design.n_missing} left out: values missing)" if design.n_missing else "")),
        *weights_fact(design),
    ]
    sections = [("Equation", f"<pre>{escape(chr(10).join(equation_lines(design)))}</pre>")]
    if design.levels:
        sections.append(("Levels, lowest first", html_table(level_table(design))))
    sections.append(("Priors", PriorTable(design, priors).html()))
    notes = [*design.notes]
    if design.dropped:
        notes.append(f"Aliased and dropped: {', '.join(design.dropped)}.")
    name = "Multilevel model" if design.levels else "Linear model"
    return html_summary(Header(name, facts), sections, notes)


def level_table(design: Design) -> pd.DataFrame:
    """Groups and rows for each of them, and the effects that vary; index level."""
    rows = []
    for level in design.levels:
        groups = len(level.grouping.labels)
        rows.append((groups, f"{design.n / groups:.1f}", ", ".join(level.effect_names)))
    index = pd.Index([level.name for level in design.levels], name="level")
    return pd.DataFrame(rows, columns=["groups", "rows per group", "effects"], index=index)


def equation_lines(design: Design) -> list[str]:
    """The model in one equation, and the distributions of what varies in it.

    Examples
    --------
    >>> import bayesmix as bx
    >>> from bayesmix.results.model_page import equation_lines
    >>> model = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb"))
    >>> for line in equation_lines(model.design):
    ...     print(line)
    math = β₀ + β₁ ses + u₀[school] + u₁[school] ses + e
    (u₀, u₁)[school] ~ Normal(0, Σ[school])
    e ~ Normal(0, σ²)
    """
    first = 0 if "Intercept" in design.fixed_names else 1
    parts = [_product(f"β{_subscript(first + j)}", name) for j, name in enumerate(design.fixed_names)]
    distributions: list[str] = []
    for level in design.levels:
        effects = enumerate(level.effect_names)
        parts += [_product(f"u{_subscript(a)}[{level.name}]", effect) for a, effect in effects]
        distributions += _distributions(level)
    parts += [factor.text for factor in design.specification.offsets]
    residual = "e ~ Normal(0, σ²)" if design.weights is None else f"e ~ Normal(0, σ² / {design.weights_name})"
    return [f"{design.specification.response.text} = {' + '.join([*parts, 'e'])}", *distributions, residual]


def _distributions(level: Level) -> Iterator[str]:
    """One line for each set of correlated effects."""
    for start, stop in level.blocks:
        names = [f"u{_subscript(a)}" for a in range(start, stop)]
        if len(names) == 1:
            yield f"{names[0]}[{level.name}] ~ Normal(0, τ{_subscript(start)}²[{level.name}])"
        else:
            yield f"({', '.join(names)})[{level.name}] ~ Normal(0, Σ[{level.name}])"


def _product(coefficient: str, name: str) -> str:
    """A coefficient times its column."""
    return coefficient if name == "Intercept" else f"{coefficient} {name}"


def _subscript(number: int) -> str:
    """A number in small digits."""
    return str(number).translate(_DIGITS)
