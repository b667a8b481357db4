"""Checks of what a caller passes, each with what to write instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design.frame import read_columns
from bayesmix.errors import ArgumentError
from bayesmix.results.naming import require_count

Floats = NDArray[np.float64]


def require_seed(seed: Any) -> np.random.Generator:
    """A generator from a seed, or from none."""
    return np.random.default_rng(None if seed is None else require_count("seed", seed, 0))


def require_number(name: str, value: Any, least: float = -np.inf, most: float = np.inf) -> float:
    """Refuse what is no finite number between two ends, which are allowed."""
    if is_number(value) and least <= value <= most:
        return float(value)
    ends = {
        (False, False): "a finite number",
        (True, False): f"a finite number of at least {least:g}",
        (False, True): f"a finite number of at most {most:g}",
        (True, True): f"a number from {least:g} to {most:g}",
    }
    expected = ends[bool(np.isfinite(least)), bool(np.isfinite(most))]
    raise ArgumentError(f"{name}={shown(value)}.", f"Expected {expected}.", f"Correct {name}.")


def is_number(value: Any) -> bool:
    """Whether a value is one finite number."""
    return not isinstance(value, bool) and isinstance(value, int | float | np.number) and bool(np.isfinite(value))


def require_share(name: str, value: Any) -> float:
    """Refuse what is no number between 0 and 1, neither of which is allowed."""
    if not is_number(value) or not 0 < value < 1:
        raise ArgumentError(f"{name}={shown(value)}.", "Expected a number between 0 and 1.", f"Write {name}=0.05.")
    return float(value)


def require_several(name: str, values: Any) -> list[Any]:
    """One value or several of them (a sequence, an array, a column), as a list that is not empty."""
    plain = as_list(values)
    if plain is None:
        return [values]
    if not plain:
        raise ArgumentError(f"{name} is empty.", "Expected at least one value.", f"Give {name} a value.")
    return plain


def as_list(values: Any) -> list[Any] | None:
    """The elements of a sequence, an array or a column; None where the value is one."""
    plain = values.tolist() if hasattr(values, "tolist") else values
    return list(plain) if isinstance(plain, Sequence) and not isinstance(plain, str | bytes) else None


def require_flag(name: str, value: Any) -> bool:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool):
        raise ArgumentError(f"{name}={shown(value)}.", "Expected True or False.", f"Write {name}=False.")
    return value


def read_frame(data: Any, names: Iterable[str] = ()) -> pd.DataFrame:
    """Any data frame as a pandas frame of the caller's own columns, which must hold those named."""
    read_columns(data, names)
    found: pd.DataFrame = (
        pd.DataFrame(data) if isinstance(data, Mapping) else nw.from_native(data, eager_only=True).to_pandas()
    )
    return found


def shown(value: Any) -> str:
    """A value in a message, cut where it is long."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
