"""Terms become columns, each a product of coded atoms, by R's rules (Chambers & Hastie 1992, ch. 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.design.frame import Categories, Column, as_categories
from bayesmix.design.transforms import Memory, evaluate
from bayesmix.errors import DesignError
from bayesmix.specification import INTERCEPT, Call, Factor, Name, Term

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """An atom that is a number: a column or a transform of columns."""

    factor: Factor

    @property
    def name(self) -> str:
        """As it stands in a column's name."""
        return self.factor.text


@dataclass(frozen=True)
class Indicator:
    """An atom that is 1 at one label of a categorical factor and 0 elsewhere."""

    factor: Factor
    label: Any

    @property
    def name(self) -> str:
        """As it stands in a column's name: ``sector[Catholic]``."""
        return f"{self.factor.text}[{self.label}]"


Atom = Measure | Indicator


@dataclass(frozen=True)
class ModelColumn:
    """One column of a model: a product of atoms; the empty product is the intercept."""

    atoms: tuple[Atom, ...]

    @property
    def name(self) -> str:
        """``Intercept``, ``ses``, ``ses:sector[Catholic]``."""
        return ":".join(atom.name for atom in self.atoms) or "Intercept"

    @property
    def key(self) -> frozenset[Atom]:
        """Identity of the values: ``a:b`` and ``b:a`` are one column."""
        return frozenset(self.atoms)


CONSTANT = ModelColumn(())


def categorical_column(factor: Factor, columns: Mapping[str, Column]) -> str | None:
    """The column behind a categorical factor, None where the factor is a number."""
    match factor.expression:
        case Name(column) if isinstance(columns[column], Categories):
            return column
        case Call("C", (Name(column),)):
            return column
    return None


def code_terms(terms: tuple[Term, ...], columns: Mapping[str, Column]) -> list[ModelColumn]:
    """Code a list of terms to full rank by R's rule.

    A factor within a term is coded by contrasts to its first label where the term without it is spanned by an earlier
    term (or is empty), and by one column for each label otherwise; without an intercept the first categorical factor
    of the formula gets a column for each label.
    """
    coded: list[ModelColumn] = []
    spared = INTERCEPT not in terms
    earlier: list[frozenset[Factor]] = []
    for term in terms:
        choices: list[list[Atom]] = []
        whole = frozenset(term.factors)
        for factor in term.factors:
            source = categorical_column(factor, columns)
            if source is None:
                choices.append([Measure(factor)])
                continue
            labels = as_categories(columns[source]).labels
            if len(labels) < 2:
                raise DesignError(
                    f"The predictor '{factor.text}' has one label, {labels[0]!r}, in the rows used.",
                    "Expected at least two to compare.",
                    f"Leave '{factor.text}' out, or check which rows have missing values.",
                )
            margin = whole - {factor}
            contrasted = not spared and (not margin or any(margin <= known for known in earlier))
            spared = False
            choices.append([Indicator(factor, label) for label in (labels[1:] if contrasted else labels)])
        # R lets the first factor vary fastest.
        coded += [ModelColumn(tuple(reversed(atoms))) for atoms in product(*reversed(choices))]
        if term.factors:
            earlier.append(whole)
    unique: dict[frozenset[Atom], ModelColumn] = {}
    for column in coded:
        unique.setdefault(column.key, column)
    return list(unique.values())


def atom_values(atom: Atom, columns: Mapping[str, Column], memory: Memory, group: str | None) -> Floats:
    """The (n,) values of an atom."""
    if isinstance(atom, Measure):
        return evaluate(atom.factor, columns, memory, group)
    source = categorical_column(atom.factor, columns)
    if source is None:
        assert isinstance(atom.factor.expression, Name)
        source = atom.factor.expression.column
    found = as_categories(columns[source])
    if atom.label not in found.labels:
        return np.zeros(len(found.codes))
    return np.asarray(found.codes == found.labels.index(atom.label), dtype=float)


def column_values(
    wanted: list[ModelColumn], columns: Mapping[str, Column], memory: Memory, group: str | None, n: int
) -> Floats:
    """The (n, k) matrix of the wanted columns; each atom is computed once."""
    atoms = {atom: None for column in wanted for atom in column.atoms}
    values = {atom: atom_values(atom, columns, memory, group) for atom in atoms}
    out = np.ones((n, len(wanted)), order="F")
    for place, column in enumerate(wanted):
        for atom in column.atoms:
            out[:, place] *= values[atom]
    return out
