"""The options of level equations: which residuals are left out, and which are correlated."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bayesmix.errors import FormulaError
from bayesmix.specification.terms import Term

if TYPE_CHECKING:
    from bayesmix.specification.level_texts import Reader

Blocks = list[tuple[Sequence[Term], bool]]


def _by_level(option: str, given: Any, names: Sequence[str]) -> Mapping[str, Any] | None:
    """An option that was given by level, None where it holds for every level."""
    if not isinstance(given, Mapping):
        return None
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
            raise FormulaError(
                f"{option} names the level {name!r}, which has no equations.",
                f"Expected one of {', '.join(names)}.",
                f"Did you mean '{near[0]}'?" if near else "Choose one of these.",
            )
    return given


def _list_of_names(option: str, given: Any) -> Sequence[str]:
    """A list of names of coefficients."""
    if isinstance(given, str) or not isinstance(given, Sequence) or not all(isinstance(name, str) for name in given):
        raise FormulaError(
            f"{option}={given!r}.", "Expected a list of coefficients.", f'Write {option}=["ses"], or by level.'
        )
    return given


@dataclass
class Fixed:
    """Coefficients whose equations have no residual.

    Parameters
    ----------
    wanted : mapping of str to dict of Term to str
        By level, with what was written.
    everywhere : dict of Term to str
        At every level that has an equation of them.
    """

    wanted: Mapping[str, dict[Term, str]]
    everywhere: dict[Term, str]
    used: set[Term] = field(default_factory=set)

    def for_level(self, level: str, coefficients: Sequence[Term]) -> list[Term]:
        """Those of a level whose equations are of these coefficients."""
        known = {frozenset(term.factors): term for term in coefficients}
        found = []
        for term, written in self.wanted.get(level, {}).items():
            if frozenset(term.factors) not in known:
                raise _no_equation("fixed", written, level, coefficients)
            found.append(known[frozenset(term.factors)])
        for term in self.everywhere:
            if frozenset(term.factors) in known:
                found.append(known[frozenset(term.factors)])
                self.used.add(term)
        return found

    def check_used(self) -> None:
        """Refuse a coefficient that has no equation at any level."""
        for term, written in self.everywhere.items():
            if term not in self.used:
                raise FormulaError(
                    f"fixed names '{written}', which has no equation at any level.",
                    "Expected coefficients that have one; without an equation a coefficient is fixed anyway.",
                    "Remove it, or write the coefficient that was meant.",
                )


def _no_equation(option: str, written: str, level: str, coefficients: Sequence[Term]) -> FormulaError:
    """The error for an option that names a coefficient without an equation."""
    names = [term.label for term in coefficients]
    near = difflib.get_close_matches(written, names, n=1, cutoff=0.5)
    return FormulaError(
        f"{option} names '{written}', which has no equation at level '{level}'.",
        f"Expected one of {', '.join(names)}.",
        f"Did you mean '{near[0]}'?" if near else "Remove it; without an equation a coefficient does not vary.",
    )


def read_fixed(given: Any, names: Sequence[str], reader: Reader) -> Fixed:
    """The option ``fixed``."""
    if given is None or given is False:
        return Fixed({}, {})
    by_level = _by_level("fixed", given, names)
    if by_level is None:
        return Fixed({}, {reader.coefficient(name, "in fixed"): name for name in _list_of_names("fixed", given)})
    return Fixed(
        {
            level: {
                reader.coefficient(name, f"in fixed at level {level!r}"): name
                for name in _list_of_names("fixed", wanted)
            }
            for level, wanted in by_level.items()
        },
        {},
    )


@dataclass
class Correlated:
    """Which residuals are correlated.

    Parameters
    ----------
    wanted : mapping of str to (bool or list of (list of Term))
        By level; True where it is not there.
    """

    wanted: Mapping[str, bool | list[list[Term]]]

    def for_level(self, level: str, effects: Sequence[Term]) -> Blocks:
        """Sets of effects of a level, each with whether those in it are correlated."""
        wanted = self.wanted.get(level, True)
        if isinstance(wanted, bool):
            return [(effects, wanted)]
        known = {frozenset(term.factors): term for term in effects}
        given = [frozenset(term.factors) for block in wanted for term in block]
        if Counter(given) != Counter(known.keys()):
            raise FormulaError(
                f"The sets of correlated residuals at level '{level}' do not hold each coefficient that varies once.",
                f"Expected {', '.join(term.label for term in effects)}, each in one of them.",
                "Add what is missing, and remove what is there twice or does not vary.",
            )
        return [([known[frozenset(term.factors)] for term in block], True) for block in wanted]


def read_blocks(given: Any, names: Sequence[str], reader: Reader) -> Correlated:
    """The option ``correlated``."""
    by_level = _by_level("correlated", given, names)
    chosen = dict.fromkeys(names, given) if by_level is None else by_level
    found: dict[str, bool | list[list[Term]]] = {}
    for level, one in chosen.items():
        if isinstance(one, bool):
            found[level] = one
        elif isinstance(one, Sequence) and not isinstance(one, str) and one:
            blocks = [_list_of_names("correlated", block) for block in one]
            found[level] = [
                [reader.coefficient(name, f"in correlated at level {level!r}") for name in block]
                for block in blocks
                if block
            ]
        else:
            raise FormulaError(
                f"correlated={given!r}.",
                "Expected True, False, or sets of coefficients, for all levels or by level.",
                'Write correlated=False, or correlated={"school": False}.',
            )
    return Correlated(found)


def read_nested(given: Any, names: Sequence[str]) -> dict[str, bool]:
    """The option ``nested``."""
    by_level = _by_level("nested", given, names)
    chosen = dict.fromkeys(names, given) if by_level is None else {**dict.fromkeys(names, True), **by_level}
    if not all(isinstance(one, bool) for one in chosen.values()):
        raise FormulaError(
            f"nested={given!r}.", "Expected True or False, for all levels or by level.", "Leave it out, or write False."
        )
    return chosen
