"""Letters and indices of the three notations: what each level's coefficients and residuals are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bayesmix.results.derived import require_choice
from bayesmix.results.equations.marks import Symbol

NOTATIONS = ("gamma", "beta", "mu")

_INDICES = "ijklmnop"
_COEFFICIENTS = {
    "gamma": ("beta", "gamma", "delta", "zeta", "kappa", "lambda"),
    "beta": ("b", "c", "d", "f", "g", "h"),
    "mu": ("beta", "pi", "kappa", "lambda", "nu", "zeta"),
}
_LAST = {"gamma": "", "beta": "beta", "mu": "mu"}
_RESIDUALS = ("R", "U", "V", "W", "S", "Q")


@dataclass(frozen=True)
class Notation:
    """How the symbols of a model are written.

    Parameters
    ----------
    name : {"gamma", "beta", "mu"}
        Raudenbush and Bryk's, with a letter for each level and a number for each step; fixed effects numbered through
        with residuals v, groups before rows in the indices; or fixed effects mu with residuals eta.
    chain : int
        Nested levels above the rows.
    crossed : int
        Levels outside of them.
    by_level : bool
        Whether there are equations of several levels, or the combined one alone.
    """

    name: str
    chain: int
    crossed: int
    by_level: bool

    @property
    def consecutive(self) -> bool:
        """Whether fixed effects are numbered through."""
        return self.name != "gamma" or not self.by_level

    @property
    def bracketed(self) -> bool:
        """Whether predictors stand in brackets."""
        return self.name == "mu"

    def indices(self, height: int) -> str:
        """Of what varies between the groups of a nested level, and between those above it; 0 are the rows."""
        if self.crossed or self.name != "beta":
            return _INDICES[: self.chain + 1][height:] + (self._crossed_letters if height == 0 else "")
        return _INDICES[: self.chain + 1 - height]

    def own_index(self, number: int) -> str:
        """Of the groups of a level, by its number: those of the level and, where it is nested, the levels above."""
        if number < self.chain:
            return self.indices(number + 1)
        return self._crossed_letters[number - self.chain]

    @property
    def _crossed_letters(self) -> str:
        letters = _INDICES[self.chain + 1 :] + "abcdfgh"
        return letters[: self.crossed]

    def coefficient(self, level: int, numbers: tuple[int, ...], indices: str) -> Symbol:
        """A coefficient that is explained one level further up; at the last level a fixed effect."""
        letters = _COEFFICIENTS[self.name]
        letter = letters[min(level, len(letters) - 1)]
        if (level == self.chain and _LAST[self.name]) or not self.by_level:
            letter = _LAST[self.name] or ("gamma" if self.chain + self.crossed else "beta")
        return Symbol(letter, numbers, indices, f"({level + 1})" if level >= len(letters) else "")

    def residual(self, number: int, order: int) -> Symbol:
        """What the groups of a level, by its number, add to a coefficient."""
        several = self.chain + self.crossed > 1
        mark = f"({number + 2})" if several else ""
        if self.name == "gamma":
            letter = _RESIDUALS[number + 1] if several and number + 1 < len(_RESIDUALS) else "U" if several else "u"
            mark = "" if number + 1 < len(_RESIDUALS) else mark
        else:
            letter = "v" if self.name == "beta" else "eta"
        return Symbol(letter, (order,), self.own_index(number), mark)

    @property
    def error(self) -> Symbol:
        """What is left of a row."""
        several = self.name == "gamma" and self.chain + self.crossed > 1
        return Symbol("R" if several else "varepsilon", (), self.indices(0))

    def variance(self, number: int, one: int, other: int) -> Symbol:
        """A variance or covariance of residuals of a level."""
        mark = f"({number + 2})" if self.chain + self.crossed > 1 else ""
        return Symbol("tau", (min(one, other), max(one, other)), "", mark)


def require_notation(name: Any) -> str:
    """Refuse what is no notation."""
    require_choice("notation", name, NOTATIONS)
    return str(name)
