"""At which level a predictor varies: the highest level within whose groups it has one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bayesmix.design.coding import categorical_column
from bayesmix.design.frame import Column, Numbers, as_categories
from bayesmix.design.groups import Grouping, read_cells
from bayesmix.design.transforms import Memory, calls_of, evaluate, evaluate_power
from bayesmix.errors import DesignError
from bayesmix.specification import Call, Factor, Name, Specification
from bayesmix.specification.factors import render
from bayesmix.specification.terms import Term

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Group means that were computed elsewhere differ by rounding from row to row.
_ROUNDING = 1e-9
_MOST_NAMED = 5


def factor_values(
    factor: Factor, columns: Mapping[str, Column], memory: Memory, group: str | None, n: int
) -> NDArray[np.float64]:
    """A factor as numbers that are equal where it is, (n,): codes of a category, the first column of ``poly()``."""
    source = categorical_column(factor, columns)
    if source is not None:
        return as_categories(columns[source]).codes.astype(float)
    if isinstance(factor.expression, Call) and factor.expression.function == "poly":
        return evaluate_power(factor, 1, columns, memory, group)
    return np.broadcast_to(evaluate(factor, columns, memory, group), n)


def varying_groups(values: Floats, codes: Integers, groups: int) -> NDArray[np.bool_]:
    """Whether a column has different values within each group, (groups,).

    Examples
    --------
    >>> import numpy as np
    >>> varying_groups(np.array([1.0, 1.0, 2.0, 3.0]), np.array([0, 0, 1, 1]), 2).tolist()
    [False, True]
    """
    low, high = np.full(groups, np.inf), np.full(groups, -np.inf)
    np.minimum.at(low, codes, values)
    np.maximum.at(high, codes, values)
    return np.asarray(high - low > _ROUNDING * np.ptp(values))


def height_of(values: Floats, groupings: Sequence[Grouping]) -> int:
    """How many nested groupings, from the lowest, have one value of a column in each group."""
    for height, grouping in enumerate(groupings):
        if varying_groups(values, grouping.codes, len(grouping.labels)).any():
            return height
    return len(groupings)


def require_level_predictors(
    specification: Specification, columns: Mapping[str, Column], memory: Memory, group: str | None, n: int
) -> None:
    """Refuse predictors in the equation of a level that vary within its groups.

    Raises
    ------
    DesignError
        Names the groups.
    """
    for promised in specification.level_predictors:
        values = factor_values(promised.factor, columns, memory, group, n)
        codes, cells = read_cells(promised.grouping, columns)
        varying = np.flatnonzero(varying_groups(values, codes, len(cells)))
        if not len(varying):
            continue
        occurring = len(np.unique(codes))
        names = [":".join(map(str, cells[place])) for place in varying[:_MOST_NAMED]]
        more = ", ..." if len(varying) > _MOST_NAMED else ""
        text, grouping = promised.factor.text, ":".join(promised.grouping)
        numeric = isinstance(promised.factor.expression, Name) and isinstance(columns[text], Numbers)
        between = f"write between({text}, {', '.join(promised.grouping)}) for its means, or " if numeric else ""
        raise DesignError(
            f"The predictor '{text}' in the equation of '{promised.coefficient}' at level '{promised.level}' varies "
            f"within {len(varying)} of the {occurring} groups of '{grouping}': {', '.join(names)}{more}.",
            "A predictor of a level has one value in each of its groups.",
            f"Put it into the equation of a lower level; {between}correct these groups."
            if between
            else "Put it into the equation of a lower level, or correct these groups.",
        )


def require_contrasts(specification: Specification, columns: Mapping[str, Column]) -> None:
    """Refuse level equations in which a category varies without the coefficient it is a contrast to.

    A formula would give every label a column of its own there, so that the intercept (or slope) varied too.

    Raises
    ------
    DesignError
        Names the coefficient.
    """
    if not specification.by_levels:
        return
    for bar in specification.groups:
        for term in bar.effects:
            for factor in term.factors:
                rest = Term(tuple(other for other in term.factors if other != factor))
                if categorical_column(factor, columns) is not None and (rest not in bar.effects or not bar.correlated):
                    base = rest.label if rest.factors else "Intercept"
                    raise DesignError(
                        f"At level '{':'.join(bar.grouping)}' the coefficient of '{term.label}' varies, and {base}, to "
                        f"which its labels are contrasts, does not vary in correlation with it.",
                        f"'{factor.text}' holds categories: alone, each of its labels would vary, {base} with them.",
                        f"Give {base} an equation of that level, correlated with this one, or code '{factor.text}' as "
                        "0 and 1.",
                    )


def pooled_notes(
    specification: Specification, factors: Sequence[Factor], columns: Mapping[str, Column]
) -> tuple[str, ...]:
    """Say where ``within(x, class)`` takes one mean over all classes of one code, which the levels tell apart."""
    notes = []
    for call in dict.fromkeys(call for factor in factors for call in calls_of(factor.expression)):
        if call.function not in ("within", "between"):
            continue
        own = tuple(name.column for name in call.arguments[1:] if isinstance(name, Name))
        wider = [bar.grouping for bar in specification.groups if own and set(own) < set(bar.grouping)]
        if not wider or own in [bar.grouping for bar in specification.groups]:
            continue
        groups, cells = (len(np.unique(read_cells(grouping, columns)[0])) for grouping in (own, wider[0]))
        if groups < cells:
            text = f"{call.function}({render(call.arguments[0])}, "
            notes.append(
                f"{text}{', '.join(own)}) takes a mean over all rows of one {':'.join(own)}, of which there are "
                f"{groups}, and the level {':'.join(wider[0])} has {cells} groups. For the means of those write "
                f"{text}{', '.join(wider[0])})."
            )
    return tuple(notes)
