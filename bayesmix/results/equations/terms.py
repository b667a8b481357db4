"""The coefficients of a model: their symbols, their equations, and what substitution makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bayesmix.design import Design
from bayesmix.design.coding import Atom
from bayesmix.design.level_form import crossed_homes, factor_heights
from bayesmix.results.equations.marks import Amount, Node, Symbol, Variable, multiply
from bayesmix.results.equations.notation import Notation
from bayesmix.specification.hierarchy import Equation, LevelForm, take_apart, too_high

Columns = tuple[Atom, ...]
Key = frozenset[Atom]
Numbers = tuple[int, ...]


@dataclass(frozen=True)
class Algebra:
    """One model in one notation.

    Parameters
    ----------
    design : Design
    notation : Notation
    form : LevelForm or None
        None where there are no equations by level.
    indices : mapping of Atom to str
        Of each coded column.
    values : mapping of frozenset of Atom to float, or None
        Numbers in the place of the fixed effects.
    """

    design: Design
    notation: Notation
    form: LevelForm[Atom] | None
    indices: Mapping[Atom, str]
    values: Mapping[Key, float] | None

    def variables(self, columns: Columns) -> list[Variable]:
        """Coded columns with the indices of what they vary between."""
        lowest_first = sorted(columns, key=lambda atom: -len(self.indices[atom]))
        return [Variable(atom.name, self.indices[atom], self.notation.bracketed) for atom in lowest_first]

    @property
    def fixed(self) -> list[Columns]:
        """The columns of each fixed effect."""
        return [self.design.columns[place].atoms for place in self.design.fixed]

    @property
    def response(self) -> Variable:
        """The response, with the indices of the rows."""
        return Variable(self.design.specification.response.text, self.notation.indices(0))

    @property
    def offsets(self) -> list[Node]:
        """What is added with a coefficient of 1."""
        return [Variable(factor.text, self.notation.indices(0)) for factor in self.design.specification.offsets]

    @cached_property
    def by_key(self) -> list[dict[Key, Equation[Atom]]]:
        """Equations of each level by the product of their coefficient."""
        return [{frozenset(one.coefficient): one for one in here} for here in self.form.equations] if self.form else []

    @cached_property
    def numbers(self) -> list[dict[Key, Numbers]]:
        """The number of each coefficient of the rows, then one more for each level: 0 for a mean, then 1, 2, ..."""
        if self.form is None:
            return [dict(zip(map(frozenset, self.fixed), _counted(self.fixed), strict=True))]
        found = [dict(zip(map(frozenset, self.form.first), _counted(self.form.first), strict=True))]
        for equations in self.form.equations:
            here: dict[Key, Numbers] = {}
            for one in equations:
                path = found[-1][frozenset(one.coefficient)]
                for predictor, (number,) in zip(one.predictors, _counted(one.predictors), strict=True):
                    here[frozenset(one.coefficient + predictor)] = (*path, number)
            found.append(here)
        return found

    def coefficient(self, level: int, key: Key) -> Node:
        """The symbol of a coefficient, explained one level further up; of a fixed effect its number where given."""
        last = level == len(self.by_key)
        if last and self.values is not None:
            return Amount(self.values[key])
        numbers = self.numbers[level][key]
        if last and self.notation.consecutive:
            numbers = dict(zip(map(frozenset, self.fixed), _counted(self.fixed), strict=True))[key]
        return self.notation.coefficient(level, numbers, self._reach(level, key))

    def _reach(self, level: int, key: Key) -> str:
        """Indices of the groups that a coefficient differs between; none for a fixed effect."""
        for above in range(level, len(self.by_key)):
            equation = self.by_key[above][key]
            if equation.residual or any(equation.predictors):
                return self.notation.own_index(above)
        return ""

    def residual(self, number: int, columns: Columns) -> Symbol:
        """What the groups of a level add to the coefficient of a product."""
        return self.notation.residual(number, self._orders[number][frozenset(columns)])

    @cached_property
    def _orders(self) -> list[dict[Key, int]]:
        """The number of each residual: at the lowest level that of its coefficient, above it in order."""
        found = []
        for number, level in enumerate(self.design.levels):
            keys = [frozenset(effect.atoms) for effect in level.effects]
            if self.form is not None and number == 0:
                found.append({key: self.numbers[0][key][0] for key in keys})
                continue
            if self.form is not None:
                keys = [frozenset(one.coefficient) for one in self.form.equations[number] if one.residual]
            found.append({key: count for key, (count,) in zip(keys, _counted([tuple(k) for k in keys]), strict=True)})
        return found

    def right_side(self, level: int, equation: Equation[Atom], up_to: int) -> list[Node]:
        """An equation of a level (1 the lowest), its coefficients replaced by equations as far as a level."""
        terms = []
        for predictor in equation.predictors:
            key = frozenset(equation.coefficient + predictor)
            terms.append(multiply(self.expand(level, key, up_to), self.variables(predictor)))
        return [*terms, *([self.residual(level - 1, equation.coefficient)] if equation.residual else [])]

    def expand(self, level: int, key: Key, up_to: int) -> Sequence[Node]:
        """A coefficient of a level, replaced by its equations as far as a level."""
        if level >= up_to:
            return [self.coefficient(level, key)]
        return self.right_side(level + 1, self.by_key[level][key], up_to)

    def rows(self, up_to: int) -> list[Node]:
        """The equation of the rows, with the levels as far as one put into it."""
        assert self.form is not None
        terms = [multiply(self.expand(0, frozenset(one), up_to), self.variables(one)) for one in self.form.first]
        return [*terms, *self.offsets, self.notation.error]

    def combined(self) -> tuple[list[Node], list[Node]]:
        """The fixed part, and what varies about it: residuals of the highest level first, that of the row last."""
        last = len(self.by_key)
        fixed = [multiply([self.coefficient(last, frozenset(one))], self.variables(one)) for one in self.fixed]
        varying: list[Node] = []
        for number in reversed(range(len(self.design.levels))):
            effects = [effect.atoms for effect in self.design.levels[number].effects]
            effects.sort(key=lambda one, orders=self._orders[number]: orders[frozenset(one)])  # type: ignore[misc]
            varying += [multiply([self.residual(number, one)], self.variables(one)) for one in effects]
        return [*fixed, *self.offsets], [*varying, self.notation.error]


def _counted(products: Sequence[Columns]) -> list[Numbers]:
    """A number for each product: 0 for the empty one, the others from 1."""
    others = iter(range(1, len(products) + 1))
    return [(0,) if not product else (next(others),) for product in products]


def make_algebra(design: Design, notation: str, values: Mapping[Key, float] | None) -> tuple[Algebra, str | None]:
    """A model in a notation, and why it has no equations by level where it has none."""
    found, homes = factor_heights(design), crossed_homes(design)
    columns = [
        *(design.columns[place] for place in design.fixed),
        *(one for lev in design.levels for one in lev.effects),
    ]
    atoms = list(dict.fromkeys(atom for column in columns for atom in column.atoms))
    heights = {atom: found[atom.factor] for atom in atoms}
    varying = [[effect.atoms for effect in level.effects] for level in design.levels]
    chain = len(design.levels) - len(design.crossed)
    why = _without_levels(design, varying, heights)
    letters = Notation(notation, chain, len(design.crossed), why is None)
    indices = {
        atom: letters.own_index(homes[atom.factor])
        if heights[atom] == 0 and atom.factor in homes
        else letters.indices(heights[atom])
        for atom in atoms
    }
    form = None
    if why is None:
        fixed = [design.columns[place].atoms for place in design.fixed]
        form = take_apart(fixed, varying, heights.__getitem__)
    return Algebra(design, letters, form, indices, values), why


def _without_levels(design: Design, varying: list[list[Columns]], heights: Mapping[Atom, int]) -> str | None:
    """Why a model has no equations by level; None where it has them."""
    if not design.levels:
        return ""
    if design.crossed:
        return "The levels are crossed, not each within the next: the combined equation is all there is."
    high = too_high(varying, heights.__getitem__)
    if high is None:
        return None
    level, product = high
    name = ":".join(atom.name for atom in product)
    return (
        f"The effect of {name} varies between the groups of {design.levels[level - 1].name}, within which it has one "
        "value: there is no equation of its slope, and the combined equation is all there is."
    )
