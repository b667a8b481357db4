"""Rows of interval tables: fixed effects and variance components by name, on the scale of variances or of sds."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import Design
from bayesmix.errors import ArgumentError
from bayesmix.inference.profile import Quantity
from bayesmix.likelihood.coordinates import block_entries

Floats = NDArray[np.float64]

SCALES = ("var", "sd")

# ``sd(ses | school)``.
_AT_LEVEL = re.compile(r"\s*(sd|var|corr|cov)\s*\((.+)\|([^|]+)\)\s*")

# How a user names parameters.
Names = str | tuple[str, str] | Sequence[str | tuple[str, str]] | None


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Parameters
    ----------
    part, parameter : str
        ``fixed``, a level, ``residual`` or ``theta``, and the name within it.
    quantity : Quantity
        What is profiled for it.
    squared : bool
        Whether the row shows the square of the quantity.
    """

    part: str
    parameter: str
    quantity: Quantity
    squared: bool = False

    def show(self, value: float) -> float:
        """A value of the quantity on the scale of the row."""
        return value**2 if self.squared else value


def require_scale(scale: str) -> None:
    """Refuse a scale that is not offered.

    Raises
    ------
    ArgumentError
    """
    if scale not in SCALES:
        raise ArgumentError(f"scale={scale!r} is not offered.", "Expected 'var' or 'sd'.", "Choose one of these.")


def fixed_rows(design: Design) -> list[Row]:
    """The fixed effects."""
    return [Row("fixed", name, Quantity("beta", 0, k)) for k, name in enumerate(design.fixed_names)]


def component_rows(design: Design, scale: str) -> list[Row]:
    """Every variance component; covariances only on the scale of variances, residual last."""
    rows = []
    for number, level in enumerate(design.levels):
        names = level.effect_names
        for i, name in enumerate(names):
            rows.append(Row(level.name, f"{scale}({name})", Quantity("sd", number, i, i), scale == "var"))
        for i, j in level.pairs:
            pair = f"({names[i]},{names[j]})"
            if scale == "var":
                rows.append(Row(level.name, f"cov{pair}", Quantity("cov", number, j, i)))
            rows.append(Row(level.name, f"corr{pair}", Quantity("corr", number, j, i)))
    return [*rows, Row("residual", scale, Quantity("sigma"), scale == "var")]


def theta_rows(design: Design) -> list[Row]:
    """The free entries of the relative factors, in the order of theta."""
    rows = []
    for number, level in enumerate(design.levels):
        names = level.effect_names
        for row, column in block_entries(level.blocks).tolist():
            label = names[row] if row == column else f"{names[column]},{names[row]}"
            rows.append(Row("theta", f"{level.name}: {label}", Quantity("theta", number, row, column)))
    return rows


def chosen_rows(
    design: Design, parameters: str | tuple[str, str] | Sequence[str | tuple[str, str]] | None
) -> list[Row]:
    """The rows a user names: a part, a parameter, or (part, parameter); by default all but covariances and theta.

    Raises
    ------
    ArgumentError
        A name fits none.
    """
    fixed = fixed_rows(design)
    if parameters is None:
        return [*fixed, *component_rows(design, "sd")]
    if not isinstance(parameters, str | tuple | list) or len(parameters) == 0:
        raise ArgumentError(
            f"parameters={parameters!r}.",
            "Expected the name of a part or a parameter, (part, parameter), or a list of these.",
            "Leave it out for all, or write parameters='fixed'.",
        )
    on_both = {(row.part, row.parameter): row for scale in ("sd", "var") for row in component_rows(design, scale)}
    known = [*fixed, *on_both.values(), *theta_rows(design)]
    pair = isinstance(parameters, tuple) and (parameters[0], parameters[-1]) in {(r.part, r.parameter) for r in known}
    wanted = [_as_in_tables(one) for one in ([parameters] if isinstance(parameters, str) or pair else parameters)]
    chosen: list[Row] = []
    for name in wanted:
        parts = [row for row in known if row.part == name and not row.squared and row.quantity.kind != "cov"]
        found = parts or [row for row in known if name in (row.parameter, (row.part, row.parameter))]
        if not found:
            names = list(dict.fromkeys(row.parameter for row in known))
            near = difflib.get_close_matches(str(name), names, n=1)
            raise ArgumentError(
                f"The fit has no parameter {name!r}.",
                f"Expected a part (fixed, residual, theta or a level) or one of {', '.join(names)}.",
                f"Did you mean {near[0]!r}?" if near else "Choose one of these.",
            )
        chosen += [row for row in found if row not in chosen]
    return chosen


def _as_in_tables(name: Any) -> Any:
    """(part, parameter) of ``sd(ses | school)`` and ``sigma``, as hypotheses and simulations write them."""
    if name == "sigma":
        return "residual", "sd"
    found = _AT_LEVEL.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        return name
    kind, effects, level = found.groups()
    return level.strip(), f"{kind}({','.join(effect.strip() for effect in effects.split(','))})"


def table_index(rows: Sequence[Row]) -> pd.MultiIndex:
    """Index (part, parameter)."""
    return pd.MultiIndex.from_tuples([(row.part, row.parameter) for row in rows], names=["part", "parameter"])


def on_scale(design: Design, values: Floats, scale: str) -> Floats:
    """Values in the order of the table of variance components, (..., C), in that of :func:`component_rows`."""
    if scale == "var":
        return values
    kinds = [row.quantity.kind for row in component_rows(design, "var")]
    kept = [i for i, kind in enumerate(kinds) if kind != "cov"]
    is_variance = np.array([kinds[i] in ("sd", "sigma") for i in kept])
    taken = values[..., kept]
    return np.asarray(np.where(is_variance, np.sqrt(np.where(is_variance, np.maximum(taken, 0), 0)), taken))
