"""Sections of equations, laid out as text and as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesmix.design import Design
from bayesmix.errors import ArgumentError
from bayesmix.results.equations.lines import Distribution, Line, Section
from bayesmix.results.equations.marks import Amount, Node, Symbol
from bayesmix.results.equations.notation import require_notation
from bayesmix.results.equations.terms import Algebra, make_algebra
from bayesmix.results.fit import Fit
from bayesmix.results.intercept import intercept_meaning


@dataclass(frozen=True, repr=False)
class Equations:
    """A model as equations: by level, substituted step by step, and combined.

    Parameters
    ----------
    sections : tuple of Section
        Titled groups of lines.
    notes : tuple of str
        What a reader should know, in words.
    """

    sections: tuple[Section, ...]
    notes: tuple[str, ...]

    @property
    def text(self) -> str:
        """Unicode, in lines of at most 100 characters."""
        return "\n\n".join([*(section.block() for section in self.sections), *self.notes])

    @property
    def short(self) -> str:
        """The text without the steps of substitution and the notes."""
        return "\n\n".join(section.block() for section in self.sections if not section.step)

    @property
    def latex(self) -> str:
        r"""LaTeX of mathematics: one ``array`` of titles and ``aligned`` blocks, to stand between ``\[`` and ``\]``."""
        rows = [f"{section.latex_title()} \\\\\n{section.latex()}" for section in self.sections]
        return "\\begin{array}{l}\n" + " \\\\[2ex]\n".join(rows) + "\n\\end{array}"

    def __repr__(self) -> str:
        return self.text

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex}\n$$"


def model_equations(design: Design, notation: Any = "gamma", values: Any = None) -> Equations:
    """The equations of a model; see :meth:`bayesmix.Model.equations`."""
    name = require_notation(notation)
    covariances, residual, fixed = None, None, None
    if values is not None:
        fit = _same_model(design, values)
        beta = fit.parameters.beta.mean(axis=(0, 1))
        keys = [frozenset(design.columns[place].atoms) for place in design.fixed]
        fixed = dict(zip(keys, beta.tolist(), strict=True))
        covariances = [sigma.mean(axis=(0, 1)) for sigma in fit.parameters.covariances]
        residual = float((fit.parameters.sigma**2).mean())
    algebra, why = make_algebra(design, name, fixed)
    sections = _by_level(algebra) if why is None else ()
    notes = [why] if why else []
    if design.crossed:
        letters = [f"{algebra.notation.own_index(number)} {level.name}" for number, level in enumerate(design.levels)]
        notes.append(f"Indices: {', '.join(letters)}.")
    notes.append(intercept_meaning(design))
    if fixed is not None:
        notes.append("Numbers are estimates; of a posterior, its means.")
    found = (*sections, _combined(algebra), _distributions(algebra, covariances, residual))
    return Equations(found, tuple(notes))


def _same_model(design: Design, values: Any) -> Fit:
    """A fit, which must be of this model."""
    if not isinstance(values, Fit):
        raise ArgumentError(
            f"values is an object of type {type(values).__name__!r}.",
            "Expected a fit, whose estimates are filled in.",
            "Pass model.reml() or model.sample().",
        )
    theirs, ours = (
        (one.fixed_names, [(level.name, level.effect_names, level.blocks) for level in one.levels])
        for one in (values.design, design)
    )
    if theirs != ours:
        raise ArgumentError(
            f"values is a fit of '{values.design.specification.formula}'.",
            f"Expected one of '{design.specification.formula}'.",
            "Pass a fit of this model.",
        )
    return values


def _by_level(algebra: Algebra) -> tuple[Section, ...]:
    """The equations of every level, and what substitution makes of them."""
    design, notation = algebra.design, algebra.notation
    depth = len(design.levels)
    sections = [Section(f"Level 1 (rows {notation.indices(0)})", (Line(algebra.response, tuple(algebra.rows(0))),))]
    for number, level in enumerate(design.levels):
        equations = [
            Line(
                algebra.coefficient(number, frozenset(one.coefficient)),
                tuple(algebra.right_side(number + 1, one, number + 1)) or (Amount(0.0),),
            )
            for one in algebra.by_key[number].values()
        ]
        sections.append(
            Section(f"Level {number + 2} (groups {notation.own_index(number)})", tuple(equations), level.name)
        )
    for up_to in range(1, depth + 1):
        line = Line(algebra.response, tuple(algebra.rows(up_to)))
        sections.append(Section(f"Substituting level {up_to + 1}", (line,), step=True))
    return tuple(sections)


def _combined(algebra: Algebra) -> Section:
    """One equation, with the composite error in square brackets."""
    fixed, varying = algebra.combined()
    title = "Multiplied out, with the composite error in brackets" if algebra.form is not None else "Model"
    enclosed = len(fixed) if len(varying) > 1 else None
    return Section(title, (Line(algebra.response, (*fixed, *varying), enclosed),))


def _distributions(
    algebra: Algebra, covariances: Sequence[np.ndarray[Any, Any]] | None, residual: float | None
) -> Section:
    """What is known of residuals: normal, with means of 0 and these variances."""
    design, notation = algebra.design, algebra.notation
    lines = []
    for number, level in enumerate(design.levels):
        for start, stop in level.blocks:
            effects = [level.effects[a].atoms for a in range(start, stop)]
            symbols = [algebra.residual(number, columns) for columns in effects]
            order = sorted(range(len(symbols)), key=lambda a, symbols=symbols: symbols[a].numbers)  # type: ignore[misc]
            matrix: list[list[Node]] = []
            for a in order:
                orders = [(symbols[a].numbers[0], symbols[b].numbers[0]) for b in order]
                if covariances is None:
                    matrix.append([notation.variance(number, *pair) for pair in orders])
                else:
                    matrix.append([Amount(float(covariances[number][start + a, start + b])) for b in order])
            lines.append(Distribution(tuple(symbols[a] for a in order), tuple(map(tuple, matrix))))
    variance: Node = Symbol("sigma", (), "", "2") if residual is None else Amount(residual)
    weight = design.weights_name if design.weights is not None else None
    lines.append(Distribution((notation.error,), ((variance,),), weight))
    return Section("Residuals, independent of each other unless together in one bracket", tuple(lines))
