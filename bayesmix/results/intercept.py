"""What the intercept of a model is the mean of, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import Design
from bayesmix.design.coding import Atom, Contrast, Indicator, Measure, Power, atom_values
from bayesmix.design.rows import only_group
from bayesmix.specification import Call, Factor, Name
from bayesmix.specification.factors import render
from bayesmix.specification.terms import Expression

Floats = NDArray[np.float64]

# Means that were taken off elsewhere leave rounding.
_ROUNDING = 1e-6


def intercept_meaning(design: Design) -> str:
    """What the intercept means under the centring and coding of the predictors; see :meth:`Model.intercept_meaning`."""
    if "Intercept" not in design.fixed_names:
        return "The model has no intercept."
    where, remarks = [], []
    for factor, atoms in _decisive_atoms(design).items():
        if said := _zero_of(design, factor, atoms):
            where.append(said[0])
            remarks += said[1:]
    where += [f"the offset {factor.text} is 0" for factor in design.specification.offsets]
    varying = [level.name for level in design.levels if "Intercept" in level.effect_names]
    among = f", in a {' and a '.join(varying)} whose residual{'s are' if varying[1:] else ' is'} 0" if varying else ""
    conditions = f" where {_listed(where)}" if where else ""
    first = f"The intercept is the mean of {design.specification.response.text}{conditions}{among}."
    return " ".join([first, *dict.fromkeys(remarks)])


def _decisive_atoms(design: Design) -> dict[Factor, list[Atom]]:
    """The factors that decide where every column but the intercept is 0: of a product, one."""
    columns = [design.columns[place].atoms for place in design.fixed]
    found: dict[Factor, list[Atom]] = {}
    for atoms in sorted(columns, key=len):
        if not any(atom in found.get(atom.factor, ()) for atom in atoms):
            numbers = [atom for atom in atoms if isinstance(atom, Measure)]
            others = [atom for atom in atoms if atom.factor not in found or len(atoms) == 1]
            for atom in [*numbers, *others][:1]:
                found.setdefault(atom.factor, []).append(atom)
    return found


def _zero_of(design: Design, factor: Factor, atoms: list[Atom]) -> list[str]:
    """Where the columns of a factor are all 0, and remarks on it; empty where they never are."""
    match atoms[0]:
        case Indicator():
            return _reference(design, factor, atoms)
        case Contrast():
            return [f"the labels of {factor.text} count equally"]
        case Power():
            call = factor.expression
            assert isinstance(call, Call)
            inside = render(call.arguments[0])
            raw = len(call.arguments) > 2
            return [f"{inside} is 0"] if raw else [f"the columns of {factor.text} are 0 (their mean over the rows)"]
        case Measure():
            return _zero_of_number(design, factor)


def _reference(design: Design, factor: Factor, atoms: list[Atom]) -> list[str]:
    """The label without a column of its own."""
    coded = {atom.label for atom in atoms if isinstance(atom, Indicator)}
    left = [label for label in design.known_labels.get(factor.text, ()) if label not in coded]
    return [f"{factor.text} is {left[0]}"] if len(left) == 1 else []


def _zero_of_number(design: Design, factor: Factor) -> list[str]:
    """Where a number is 0: by the transform that made it, or else by its values."""
    group = only_group(design.specification)
    match factor.expression:
        case Call("centre" | "scale", (inside,)) as call:
            mean = design.memory.constants[call][0]
            what = _described(inside, group)
            return [
                f"{what} is at its mean over the rows ({mean:.4g})",
                *(f"The intercepts of groups are adjusted for their differences in {what}." for _ in design.levels[:1]),
            ]
        case Call("within", (inside, *names)):
            place = _groups(names, group)
            return [
                f"{render(inside)} is at the mean of its own {place}",
                *_of_group_means(design, render(inside), place),
            ]
        case Call("between", _) as call:
            return [f"{_described(call, group)} is 0", *_outside(design, factor)]
    return _zero_of_values(design, factor)


def _zero_of_values(design: Design, factor: Factor) -> list[str]:
    """The same for a column as it is in the data, which may have been centred there."""
    values = _values(design, factor)
    spread = _ROUNDING * float(np.std(values))
    for level in design.levels:
        sizes = np.bincount(level.grouping.codes)
        means = np.bincount(level.grouping.codes, weights=values) / sizes
        if np.abs(means).max() <= spread:
            said = f"{factor.text} is 0 (its mean in each {level.name})"
            return [said, *_of_group_means(design, factor.text, level.name)]
    if abs(float(values.mean())) <= spread:
        return [f"{factor.text} is 0 (its mean over the rows)"]
    return [f"{factor.text} is 0", *_outside(design, factor)]


def _of_group_means(design: Design, name: str, place: str) -> Iterator[str]:
    """What centring within groups makes of an intercept that varies."""
    if any("Intercept" in level.effect_names for level in design.levels):
        yield (
            f"With {name} centred within {place}, the intercept of each {place} is its own mean, "
            f"not adjusted for the mean of {name} there, unless that is a predictor too."
        )


def _outside(design: Design, factor: Factor) -> list[str]:
    """A warning where no row comes near 0."""
    values = _values(design, factor)
    low, high = float(values.min()), float(values.max())
    if low <= 0 <= high:
        return []
    return [
        f"{factor.text} runs from {low:.4g} to {high:.4g}, so that the intercept lies outside the data: "
        f"centre({render(factor.expression)}) gives one that does not."
    ]


def _values(design: Design, factor: Factor) -> Floats:
    """The values of a numeric factor, (n,)."""
    found = atom_values(Measure(factor), design.columns_read, design.memory, only_group(design.specification))
    return np.broadcast_to(found, design.n)


def _described(expression: Expression, group: str | None) -> str:
    """An expression in words where it is a group mean."""
    match expression:
        case Call("between", (inside, *names)):
            return f"the mean of {render(inside)} in a {_groups(names, group)}"
    return render(expression)


def _groups(names: Sequence[Expression], group: str | None) -> str:
    """The groups that ``within()`` and ``between()`` name, or mean."""
    named = [name.column for name in names if isinstance(name, Name)]
    return ":".join(named) or str(group)


def _listed(parts: list[str]) -> str:
    """Parts joined as in a sentence."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
