"""Fixed and group effects as coefficients of equations, one equation for each coefficient of the level below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayesmix.design import Design
from bayesmix.design.coding import ModelColumn
from bayesmix.inference.homogeneity import in_equation
from bayesmix.results.dialects.labels import upper_name

# Letters of coefficients from the highest level down: gamma, beta, pi, and psi in HLM4.
_COEFFICIENTS = "GBPSABCDEF"


@dataclass(frozen=True)
class Coefficient:
    """A coefficient in a tree of equations.

    Parameters
    ----------
    names : tuple of str
        The equations it stands in, from level 1 up, and last its own predictor: ``("SES slope", "SECTOR")``.
    codes : tuple of str
        Their coefficients: ``("B1", "G11")``.
    """

    names: tuple[str, ...]
    codes: tuple[str, ...]

    @property
    def place(self) -> str:
        """The digits of its own code: ``11``."""
        return self.codes[-1][1:]


def read_coefficients(
    design: Design, fixed: Sequence[ModelColumn], effects: Sequence[Sequence[ModelColumn]]
) -> tuple[tuple[Coefficient, ...], tuple[tuple[Coefficient, ...], ...]]:
    """Name every fixed effect, and every effect of each nested level.

    A column belongs to the equation of the smallest of its factors' products that it is a multiple of, constant within
    groups: of ``ses:sector`` with sector constant within schools that is the slope of ses.

    Parameters
    ----------
    fixed : sequence of ModelColumn
    effects : sequence of sequences of ModelColumn
        Of each nested level, lowest first.

    Returns
    -------
    (p,) tuple of Coefficient, and one tuple for each level
        Fixed effects by their codes: intercepts before slopes, level by level.
    """
    depth = len(effects)
    paths = [(*(_base(design, column, number) for number in range(depth)), column) for column in fixed]
    varying = [
        [(*(_base(design, column, lower) for lower in range(number)), column) for column in level]
        for number, level in enumerate(effects)
    ]
    known: dict[tuple[ModelColumn, ...], list[ModelColumn]] = {}
    for path in [*paths, *(path for level in varying for path in level)]:
        for step, column in enumerate(path):
            own = known.setdefault(path[:step], [])
            first = path[step - 1] if step else ModelColumn(())
            if not own:
                own.append(first)
            if column not in own:
                own.append(column)
    letters = _COEFFICIENTS[: depth + 1][::-1]
    named = tuple(_coefficient(path, known, letters) for path in paths)
    return named, tuple(tuple(_coefficient(path, known, letters) for path in level) for level in varying)


def _base(design: Design, column: ModelColumn, number: int) -> ModelColumn:
    """The smallest product of its factors that a column is a multiple of within the groups of a level."""
    codes = design.levels[number].grouping.codes
    values = _values(design, column)
    candidates = [other for other in design.columns if other.key < column.key]
    for other in sorted(candidates, key=lambda other: len(other.atoms)):
        if in_equation(values[:, None], _values(design, other), codes)[0]:
            return other
    return column


def _values(design: Design, column: ModelColumn) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Values of a column of the design."""
    place = next(i for i, other in enumerate(design.columns) if other.key == column.key)
    return np.asarray(design.values[:, place])


def _coefficient(
    path: tuple[ModelColumn, ...], known: dict[tuple[ModelColumn, ...], list[ModelColumn]], letters: str
) -> Coefficient:
    """Names and codes along a path."""
    names, codes, digits = [], [], ""
    for step, column in enumerate(path):
        below = path[step - 1] if step else ModelColumn(())
        if column.key == below.key:
            names.append(f"INTRCPT{step + 1}")
        else:
            atoms = [atom for atom in column.atoms if atom not in below.atoms]
            names.append(upper_name(atoms) + (" slope" if step == 0 and len(letters) > 1 else ""))
        digits += _digit(known[path[:step]].index(column))
        codes.append(letters[step] + digits)
    return Coefficient(tuple(names), tuple(codes))


def _digit(place: int) -> str:
    """One character for each place."""
    return str(place) if place < 10 else f"({place})"
