"""What a singular fit is singular in, and what to try."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design, Level
from bayesmix.design.coding import Measure
from bayesmix.inference.ml import MlSolution
from bayesmix.inference.singularity import LevelComponents, level_components
from bayesmix.results.random_terms import bar_text, reductions, term_labels
from bayesmix.tables import Header, format_summary, format_table

Floats = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class SingularReport:
    """Principal components of the random effects, directions without variance, and advice.

    Parameters
    ----------
    singular : bool
        Whether the fit lies on the boundary.
    table : DataFrame
        Index (level, component); sd (of the component), relative_sd (over sigma, as lme4's rePCA), share (of the
        level's variance, as there), and direction: the component as a combination of effects.
    directions : tuple of (level, text)
        Combinations of effects that have no variance.
    advice : tuple of str
        What to try, with formulas.
    """

    singular: bool
    table: pd.DataFrame
    directions: tuple[tuple[str, str], ...]
    advice: tuple[str, ...]

    def __repr__(self) -> str:
        if self.singular:
            found = [f"  {level}: no variance of {text}" for level, text in self.directions]
            verdict = "The fit is singular: the optimum lies on the boundary of the covariance matrices."
            sections = [("Directions without variance", "\n".join(found))]
            sections.append(("What to try", "\n".join(f"  {line}" for line in self.advice)))
        else:
            verdict, sections = "The fit is not singular: every combination of effects varies.", []
        components = ("Principal components of the group effects", format_table(self.table))
        return format_summary(Header(verdict, []), [components, *sections])


def report_singularity(design: Design, products: CrossProducts, solution: MlSolution) -> SingularReport:
    """Principal components of every level and, where some direction has no variance, what to do."""
    components = level_components(products, solution)
    rows, index, directions, advice = [], [], [], []
    for number, (level, found) in enumerate(zip(design.levels, components, strict=True)):
        for c, (sd, share) in enumerate(zip(found.sds, found.shares, strict=True)):
            rows.append([sd * solution.sigma, sd, share, _combination(found.loadings[:, c], level.effect_names)])
            index.append((level.name, c + 1))
        directions += [(level.name, _combination(weights, level.effect_names)) for weights in found.nowhere]
        advice += _advice(design, number, found)
    if directions:
        advice.append(
            "Or keep the model and use priors: Model(...).sample() keeps variances above 0 and correlations inside "
            "(-1, 1), and says how little the data know of them."
        )
    columns = ["sd", "relative_sd", "share", "direction"]
    names = ["level", "component"]
    table = pd.DataFrame(rows, columns=columns, index=pd.MultiIndex.from_tuples(index, names=names))
    return SingularReport(bool(directions), table, tuple(directions), tuple(advice))


def _combination(weights: Floats, names: tuple[str, ...]) -> str:
    """``Intercept - 0.43 ses``; weights that print as 0 are left out."""
    text = ""
    for weight, name in zip(weights, names, strict=True):
        size = f"{abs(weight):.3g}"
        if abs(weight) < 5e-4:
            continue
        sign = "-" if weight < 0 else "+"
        lead = f" {sign} " if text else sign.replace("+", "")
        text += f"{lead}{name}" if size == "1" else f"{lead}{size} {name}"
    return text or "0"


def _advice(design: Design, number: int, found: LevelComponents) -> list[str]:
    """What to try at one level."""
    level = design.levels[number]
    labels = term_labels(level)
    lines: list[str] = []
    for block in dict.fromkeys(found.blocks):
        start, stop = level.blocks[block]
        bare = _without_variance(level, found, block)
        lines += [f"{name} does not vary between the groups of {level.name}." for name in bare]
        if len(bare) < found.blocks.count(block):
            lines.append(
                f"Effects at {level.name} determine each other; with two of them, their correlation is 1 or -1."
            )
        if stop - start > 1 and _is_numeric(level, start, stop):
            without = bar_text(labels[start:stop], level.name, correlated=False)
            lines.append(f"Without correlations: {without} for {bar_text(labels[start:stop], level.name)}.")
        for reduction in reductions(design, number):
            if reduction.start == start:
                left = f"{reduction.formula} at {level.name}" if reduction.formula else f"no bar over {level.name}"
                lines.append(f"Without {reduction.term}: {left}.")
    return lines


def _is_numeric(level: Level, start: int, stop: int) -> bool:
    """Whether every term is one column of numbers; ``||`` would leave the columns of others correlated."""
    return all(isinstance(atom, Measure) for effect in level.effects[start:stop] for atom in effect.atoms)


def _without_variance(level: Level, found: LevelComponents, block: int) -> list[str]:
    """Single effects that have no variance."""
    alone = []
    for of, weights in zip(found.blocks, found.nowhere, strict=True):
        involved = np.flatnonzero(weights)
        if of == block and len(involved) == 1:
            alone.append(level.effect_names[int(involved[0])])
    return alone
