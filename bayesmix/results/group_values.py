"""What a question about groups is asked of: which groups, which effect, or the effects at values of predictors."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import Design
from bayesmix.design.frame import Column, Numbers
from bayesmix.design.transforms import calls_of
from bayesmix.errors import ArgumentError
from bayesmix.results.naming import pick_level
from bayesmix.specification import columns_of

Floats = NDArray[np.float64]


def each_level(design: Design, level: str | None, table: Callable[[int], pd.DataFrame]) -> pd.DataFrame:
    """The table of a level; without a name and with several levels those of all, under one more index level."""
    if level is None and len(design.levels) > 1:
        frames = {v.name: table(number) for number, v in enumerate(design.levels)}
        joined = pd.concat(frames, names=["level"])
        joined.attrs = next(iter(frames.values())).attrs
        return joined
    return table(pick_level(design, level))


def with_fixed(design: Design, number: int, effects: Floats, beta: Floats) -> Floats:
    """Fixed effect plus group effect, (..., J, q); an effect without a fixed counterpart stays as it is.

    Parameters
    ----------
    effects : (..., J, q) array
    beta : (..., p) array
    """
    return effects + fixed_counterparts(design, number, beta)[..., None, :]


def fixed_counterparts(design: Design, number: int, beta: Floats) -> Floats:
    """The fixed effect of each effect of a level, 0 where there is none, (..., q)."""
    places = list(design.fixed)
    own = [places.index(place) if place in places else None for place in design.levels[number].places]
    none = np.zeros(beta.shape[:-1])
    return np.stack([none if f is None else beta[..., f] for f in own], axis=-1)


def find_group(design: Design, number: int, label: Any) -> int:
    """The place of a group among the labels of its level, by its label, its cells, or the text of either.

    Raises
    ------
    ArgumentError
        With the nearest label.
    """
    grouping = design.levels[number].grouping
    if isinstance(label, tuple) and label in grouping.cells:
        return grouping.cells.index(label)
    exact = [i for i, known in enumerate(grouping.labels) if type(known) is type(label) and known == label]
    texts = [str(known) for known in grouping.labels]
    found = exact or [i for i, known in enumerate(texts) if known == str(label)]
    if len(found) == 1:
        return found[0]
    near = difflib.get_close_matches(str(label), texts, n=1, cutoff=0.0)[0]
    raise ArgumentError(
        f"Level '{grouping.name}' has no group {label!r}.",
        f"Expected one of its {len(texts)} labels, {grouping.labels[0]!r} to {grouping.labels[-1]!r}.",
        f"Did you mean {grouping.labels[texts.index(near)]!r}?",
    )


def combination(design: Design, number: int, effect: Any, at: Any) -> tuple[Floats, str]:
    """Weights (q,) of a group's effects in what is asked for, and what to call it.

    Parameters
    ----------
    effect : str or None
        One effect; None for the intercept, or the only effect.
    at : mapping or None
        Values of the predictors whose effects vary: the sum of the effects there.
    """
    level = design.levels[number]
    names = list(level.effect_names)
    if at is not None:
        if effect is not None:
            raise ArgumentError(
                f"effect={effect!r} and at={at!r} were both given.",
                "Expected one of them: an effect, or the sum of all effects at values of the predictors.",
                "Leave one out.",
            )
        return _weights_at(design, number, at)
    if effect is None:
        effect = "Intercept" if "Intercept" in names or len(names) > 1 else names[0]
    if effect not in names:
        near = difflib.get_close_matches(str(effect), names, n=1)
        raise ArgumentError(
            f"Level '{level.name}' has no effect '{effect}'.",
            f"Expected one of {', '.join(names)}.",
            f"Write effect={(near or names)[0]!r}.",
        )
    weights = np.zeros(len(names))
    weights[names.index(effect)] = 1.0
    return weights, str(effect)


def _weights_at(design: Design, number: int, at: Any) -> tuple[Floats, str]:
    """The columns of the effects of a level at given values of its predictors."""
    level = design.levels[number]
    factors = [atom.factor for column in level.effects for atom in column.atoms]
    needed = list(dict.fromkeys(name for factor in factors for name in columns_of(factor.expression)))
    grouped = [f.text for f in factors if any(c.function in ("within", "between") for c in calls_of(f.expression))]
    example = "{" + ", ".join(f"{name!r}: ..." for name in needed) + "}"
    expected = f"Expected a value for each predictor whose effect varies by {level.name}: {', '.join(needed)}."
    if not needed or grouped:
        what = f"'{grouped[0]}' has another value in every group" if grouped else "only the intercept varies"
        raise ArgumentError(f"at={at!r}, but {what}.", "Expected no at.", "Leave it out, or name an effect=.")
    if not isinstance(at, Mapping):
        raise ArgumentError(f"at={at!r}.", expected, f"Write at={example}.")
    for name in at:
        if name not in needed:
            raise ArgumentError(f"at names {name!r}, whose effect does not vary.", expected, f"Write at={example}.")
    missing = [name for name in needed if name not in at]
    if missing:
        raise ArgumentError(f"at does not name '{missing[0]}'.", expected, f"Write at={example}.")
    row = {name: [_first(column)] for name, column in design.columns_read.items()}
    for name, value in at.items():
        number_wanted = isinstance(design.columns_read[name], Numbers)
        is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool) and np.isfinite(value)
        if (number_wanted and not is_number) or (not number_wanted and not np.isscalar(value)):
            raise ArgumentError(
                f"at gives {name} the value {value!r}.",
                f"Expected one {'finite number' if number_wanted else 'label'}.",
                f"Write at={example}.",
            )
        row[name] = [value]
    encoded = design.encode(pd.DataFrame(row), groups=False)
    where = ", ".join(f"{name} = {value}" for name, value in at.items())
    return encoded.effects[number][0], f"the effects at {where}"


def _first(column: Column) -> Any:
    """The value in the first row."""
    return column.values[0] if isinstance(column, Numbers) else column.labels[column.codes[0]]
