"""Hypotheses on whole terms of the fixed part, of types I, II and III, as contrasts of the fitted coefficients.

Type III asks what the coefficients of sum-to-zero coding ask: is the part of the fitted function of the labels zero
that belongs to a term when every combination of labels counts equally. It is read off the function itself, evaluated on
all combinations, so that it does not depend on how the factors are coded in the fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from bayesmix.design import Design
from bayesmix.design.coding import ModelColumn, column_values
from bayesmix.design.frame import Categories
from bayesmix.design.rank import aliased_columns
from bayesmix.errors import ArgumentError
from bayesmix.specification import Factor, columns_of

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Combinations of labels that are written out.
LARGEST_GRID = 200_000


@dataclass(frozen=True)
class TermColumns:
    """A term of the fixed part and its columns.

    Parameters
    ----------
    label : str
        ``ses:sector``.
    categories, measures : frozenset of Factor
        Its factors with labels, and its numbers.
    columns : (k,) int array
        Places among the fixed effects.
    """

    label: str
    categories: frozenset[Factor]
    measures: frozenset[Factor]
    columns: Integers

    def within(self, other: TermColumns) -> bool:
        """Whether another term is this one with more factors that have labels."""
        return self.measures == other.measures and self.categories < other.categories


def fixed_terms(design: Design) -> list[TermColumns]:
    """The terms of the fixed part that have columns left, the intercept among them, in their order."""
    of_column = [frozenset(atom.factor for atom in design.columns[i].atoms) for i in design.fixed]
    found = []
    for term in design.specification.fixed:
        factors = frozenset(term.factors)
        columns = np.array([i for i, own in enumerate(of_column) if own == factors], np.int64)
        if columns.size:
            categories = frozenset(f for f in factors if f.text in design.known_labels)
            found.append(TermColumns(term.label, categories, factors - categories, columns))
    return found


def sequential(design: Design, terms: Sequence[TermColumns]) -> dict[str, Floats]:
    """Type I: each term after those before it, (k, p) by label of the term."""
    order = np.concatenate([np.zeros(0, np.int64), *(term.columns for term in terms)])
    return {term.label: _swept(design, order, term.columns) for term in terms}


def each_after_unrelated(design: Design, terms: Sequence[TermColumns]) -> dict[str, Floats]:
    """Type II: each term after all that do not contain it, (k, p) by label of the term."""
    found = {}
    for term in terms:
        containing = [other for other in terms if term.within(other)]
        if containing:
            rest = [other for other in terms if other is not term and other not in containing]
            order = np.concatenate([other.columns for other in [*rest, term, *containing]])
            found[term.label] = _swept(design, order, term.columns)
        else:
            found[term.label] = np.eye(len(design.fixed))[term.columns]
    return found


def _swept(design: Design, order: Integers, wanted: Integers) -> Floats:
    """Coefficients of the wanted columns when those after them in the order are left out, in terms of all.

    Goodnight (1979), A tutorial on the SWEEP operator, The American Statistician 33:149-158.
    """
    upper = qr(design.fixed_values[:, order], mode="r")[0][: len(order)]
    places = [int(np.flatnonzero(order == column)[0]) for column in wanted]
    rows = np.zeros((len(wanted), len(order)))
    for row, place in zip(rows, places, strict=True):
        row[order] = upper[place] / upper[place, place]
    return rows


def averaged(design: Design, terms: Sequence[TermColumns]) -> dict[str, Floats]:
    """Type III: each term averaged over the labels of the terms that contain it, (k, p) by label of the term."""
    if sum(term.label != "Intercept" for term in terms) == 1:
        return sequential(design, terms)  # nothing to average over; the basis lmerTest takes
    return over_labels(design, terms)


def over_labels(design: Design, terms: Sequence[TermColumns]) -> dict[str, Floats]:
    """The parts of the fitted function of the labels that belong to each term, (k, p) by label of the term."""
    found = {term.label: np.zeros((0, len(design.fixed))) for term in terms}
    for measures in dict.fromkeys(term.measures for term in terms):
        family = [term for term in terms if term.measures == measures]
        factors = sorted(frozenset().union(*(term.categories for term in family)), key=lambda f: f.text)
        values = _on_grid(design, factors)
        columns = np.concatenate([term.columns for term in family])
        numbers = {int(column): _numbers_of(design, int(column)) for column in columns}
        owners = _owners(family)
        for term, own in product(family, dict.fromkeys(numbers.values())):
            shared = [column for column, key in numbers.items() if key == own]
            function = np.zeros_like(values)
            function[:, shared] = values[:, shared]
            owned = [part for part, owner in owners.items() if owner is term]
            rows = [_part(design, factors, part) @ function for part in _merged(owned, term.categories)]
            found[term.label] = np.vstack([found[term.label], *rows])
    return {label: _independent_rows(rows) for label, rows in found.items()}


def _owners(family: Sequence[TermColumns]) -> dict[frozenset[Factor], TermColumns]:
    """Which term each interaction of labels belongs to: its own if there is one, otherwise the first that holds it."""
    owners = {term.categories: term for term in reversed(family)}
    for term in family:
        subsets = chain.from_iterable(combinations(term.categories, size) for size in range(len(term.categories)))
        for part in map(frozenset, subsets):
            owners.setdefault(part, term)
    return owners


# Factors an interaction contrasts, and those whose labels it keeps apart.
Part = tuple[frozenset[Factor], frozenset[Factor]]


def _merged(owned: Sequence[frozenset[Factor]], categories: frozenset[Factor]) -> list[Part]:
    """Owned interactions; written as one where they amount to all labels of some factors, contrasts of the others."""
    every = {f for f in categories if all(part - {f} in owned for part in owned if f in part)}
    smallest = categories - every
    if set(owned) == {smallest | set(extra) for size in range(len(every) + 1) for extra in combinations(every, size)}:
        return [(smallest, frozenset(every))]
    return [(part, frozenset()) for part in owned]


def _part(design: Design, factors: Sequence[Factor], part: Part) -> Floats:
    """Functionals on the grid: differences to the first label, each label, or the mean over labels; (r, cells)."""
    contrasted, apart = part
    blocks = []
    for factor in factors:
        size = len(design.known_labels[factor.text])
        if factor in contrasted:
            blocks.append(np.column_stack([-np.ones(size - 1), np.eye(size - 1)]))
        else:
            blocks.append(np.eye(size) if factor in apart else np.full((1, size), 1 / size))
    out: Floats = np.ones((1, 1))
    for block in blocks:
        out = np.asarray(np.kron(out, block))
    return out


def _on_grid(design: Design, factors: Sequence[Factor]) -> Floats:
    """The part of each fixed effect that depends on labels, at all combinations of labels, (cells, p)."""
    labels = {_column_of(factor): design.known_labels[factor.text] for factor in factors}
    sizes = [len(known) for known in labels.values()]
    if prod(sizes) > LARGEST_GRID:
        raise ArgumentError(
            f"The factors {', '.join(labels)} have {prod(sizes)} combinations of labels.",
            f"Expected at most {LARGEST_GRID} to average over.",
            "Use type=1 or type=2.",
        )
    codes = np.indices(sizes).reshape(len(sizes), -1) if sizes else np.zeros((0, 1), np.int64)
    grid = {name: Categories(name, code, known) for (name, known), code in zip(labels.items(), codes, strict=True)}
    named = {factor.text for factor in factors}
    parts = [
        ModelColumn(tuple(atom for atom in design.columns[i].atoms if atom.factor.text in named)) for i in design.fixed
    ]
    return column_values(parts, grid, design.memory, None, codes.shape[1])


def _column_of(factor: Factor) -> str:
    """The column that holds the labels of a factor."""
    (column,) = columns_of(factor.expression)
    return column


def _numbers_of(design: Design, column: int) -> frozenset[Any]:
    """The atoms of a fixed effect that are numbers: only columns that share them add up to one function of labels."""
    atoms = design.columns[design.fixed[column]].atoms
    return frozenset(atom for atom in atoms if atom.factor.text not in design.known_labels)


def _independent_rows(rows: Floats) -> Floats:
    """Rows that are not combinations of those before them, as are some where combinations of labels were dropped."""
    return np.delete(rows, aliased_columns(rows.T, False), axis=0)
