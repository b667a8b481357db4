"""Terms become columns, each a product of coded atoms, by R's rules (Chambers & Hastie 1992, ch. 2)."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.design.contrasts import contrast_matrix, contrast_names
from bayesmix.design.frame import Categories, Column, as_categories
from bayesmix.design.transforms import Memory, evaluate, evaluate_power
from bayesmix.errors import DesignError
from bayesmix.specification import INTERCEPT, Call, Factor, Name, Number, Term, Word

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


@dataclass(frozen=True)
class Power:
    """An atom that is one column of ``poly()``: the orthogonal polynomial, or the power, of one degree."""

    factor: Factor
    degree: int

    @property
    def name(self) -> str:
        """As it stands in a column's name: ``poly(age, 2)[1]``."""
        return f"{self.factor.text}[{self.degree}]"


@dataclass(frozen=True)
class Contrast:
    """An atom that is a number for each label of a categorical factor.

    Parameters
    ----------
    factor : Factor
        What is coded.
    column : str
        Which of its contrasts.
    weights : tuple of (label, number)
        The contrast.
    """

    factor: Factor
    column: str
    weights: tuple[tuple[Any, float], ...]

    @property
    def name(self) -> str:
        """As it stands in a column's name: ``dose[.L]``, ``C(sector, Sum)[S.Public]``."""
        return f"{self.factor.text}[{self.column}]"


Atom = Measure | Indicator | Power | Contrast


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
        case Call("C", (Name(column), *_)):
            return column
    return None


def code_terms(terms: tuple[Term, ...], columns: Mapping[str, Column]) -> list[ModelColumn]:
    """Code a list of terms to full rank by R's rule.

    A factor within a term is coded by its contrasts (to its first label, unless ``C()`` asks for others or its labels
    are ordered) where the term without it is spanned by an earlier term (or is empty), and by one column for each label
    otherwise; without an intercept the first categorical factor of the formula gets a column for each label.
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
                choices.append(_numeric_atoms(factor))
                continue
            found = as_categories(columns[source])
            labels = found.labels
            if len(labels) < 2:
                raise DesignError(
                    f"The predictor '{factor.text}' has one label, {labels[0]!r}, in the rows used.",
                    "Expected at least two to compare.",
                    f"Leave '{factor.text}' out, or check which rows have missing values.",
                )
            margin = whole - {factor}
            contrasted = not spared and (not margin or any(margin <= known for known in earlier))
            spared = False
            every: list[Atom] = [Indicator(factor, label) for label in labels]
            choices.append(_contrast_atoms(factor, found) if contrasted else every)
        # R lets the first factor vary fastest.
        coded += [ModelColumn(tuple(reversed(atoms))) for atoms in product(*reversed(choices))]
        if term.factors:
            earlier.append(whole)
    unique: dict[frozenset[Atom], ModelColumn] = {}
    for column in coded:
        unique.setdefault(column.key, column)
    return list(unique.values())


def _numeric_atoms(factor: Factor) -> list[Atom]:
    """The columns of a factor that is no category: one, or one for each degree of ``poly()``."""
    match factor.expression:
        case Call("poly", (_, Number(degree), *_)):
            return [Power(factor, power) for power in range(1, int(degree) + 1)]
    return [Measure(factor)]


def asked_contrast(factor: Factor) -> str | None:
    """The contrasts a factor asks for, None where it leaves them to its labels."""
    match factor.expression:
        case Call("C", (_, Word(kind), *_)):
            return kind
    return None


def _contrast_atoms(factor: Factor, found: Categories) -> list[Atom]:
    """The contrasts of a categorical factor: as asked for; else trends where its labels are ordered, else treatment."""
    labels = found.labels
    kind = asked_contrast(factor) or ("Poly" if found.ordered else "Treatment")
    if kind == "Treatment":
        reference = _reference(factor, found)
        return [Indicator(factor, label) for label in labels if label != reference]
    matrix = contrast_matrix(kind, len(labels))
    return [
        Contrast(factor, name, tuple(zip(labels, weights.tolist(), strict=True)))
        for name, weights in zip(contrast_names(kind, labels), matrix.T, strict=True)
    ]


def _reference(factor: Factor, found: Categories) -> Any:
    """The label that treatment contrasts compare with: the one asked for, else the first."""
    wanted: float | str
    match factor.expression:
        case Call("C", (_, _, Number(value))):
            wanted, text = value, f"{value:.15g}"
        case Call("C", (_, _, Word(text))):
            wanted = text
        case _:
            return found.labels[0]
    same = [label for label in found.labels if label == wanted] or [x for x in found.labels if str(x) == text]
    if same:
        return same[0]
    near = difflib.get_close_matches(text, [str(label) for label in found.labels], n=1)
    raise DesignError(
        f"{factor.text}: the column '{found.name}' has no label {text!r}.",
        f"Expected one of {', '.join(str(label) for label in found.labels[:12])}.",
        f"Did you mean '{near[0]}'?" if near else "Name a label that occurs in the rows used.",
    )


def atom_values(atom: Atom, columns: Mapping[str, Column], memory: Memory, group: str | None) -> Floats:
    """The (n,) values of an atom."""
    if isinstance(atom, Measure):
        return evaluate(atom.factor, columns, memory, group)
    if isinstance(atom, Power):
        return evaluate_power(atom.factor, atom.degree, columns, memory, group)
    source = categorical_column(atom.factor, columns)
    if source is None:
        assert isinstance(atom.factor.expression, Name)
        source = atom.factor.expression.column
    found = as_categories(columns[source])
    if isinstance(atom, Contrast):
        weights = dict(atom.weights)
        return np.array([weights.get(label, 0.0) for label in found.labels])[found.codes]
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
