"""What leaving out needs of a posterior: draws of what is not integrated out, units with labels, and refits."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.design import Design
from bayesmix.errors import ArgumentError, ConvergenceError
from bayesmix.inference.leave_out import Hyperparameters, Units, log_predictive, require_determined, units_of
from bayesmix.inference.naming import variable_name
from bayesmix.inference.refits import given_of
from bayesmix.results.naming import pick_level
from bayesmix.results.parameters import all_draws

if TYPE_CHECKING:
    from bayesmix.results.surface.cross_validation import CrossValidation

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


def pick_units(design: Design, by: Any) -> Units:
    """Rows, or the groups of the level named."""
    if by is None:
        return units_of(design, None)
    if not design.levels:
        raise ArgumentError(
            f"by={by!r}, and the model has no levels.", "Expected rows to be left out.", "Leave by out, or add a level."
        )
    if not isinstance(by, str):
        names = ", ".join(f"'{level.name}'" for level in design.levels)
        raise ArgumentError(f"by={by!r}.", f"Expected the name of a level: {names}.", "Leave it out for rows.")
    return units_of(design, pick_level(design, by))


def labels_of(design: Design, units: Units) -> pd.Index[Any]:
    """Labels of the groups, or of the rows."""
    if units.level is None:
        return design.row_index
    return pd.Index(design.levels[units.level].grouping.labels, dtype=object, tupleize_cols=False)


def name_of(design: Design, units: Units) -> Callable[[int], str]:
    """A unit in words: school 1224, row 17."""
    labels = labels_of(design, units)
    kind = "row" if units.level is None else design.levels[units.level].name
    return lambda unit: f"{kind} {labels[unit]!s}"


def labelled(
    design: Design,
    units: Units,
    values: NDArray[Any],
    name: str,
    beside: Mapping[str, NDArray[Any]] | None = None,
) -> xr.DataArray:
    """Values of the units with their labels, and what tells whether another fit left out the same.

    ``beside`` are more numbers of each unit, as coordinates of the names :func:`coordinate` gives.
    """
    labels = labels_of(design, units)
    dim = "__obs__" if units.level is None else variable_name(design.levels[units.level].name)
    plain = np.empty(len(labels), dtype=object)  # pairs of an index of two columns stay pairs
    plain[:] = list(labels)
    coords: dict[str, Any] = {dim: plain if isinstance(labels, pd.MultiIndex) else labels.to_numpy()}
    coords |= {coordinate(key, dim): (dim, numbers) for key, numbers in (beside or {}).items()}
    return xr.DataArray(values, dims=(dim,), coords=coords, name=name, attrs=marks(design, units))


def coordinate(name: str, dim: str) -> str:
    """What numbers beside the values are called: ``fold``, and ``fold_i`` where that is a level."""
    return f"{name}_i" if name == dim else name


def marks(design: Design, units: Units) -> dict[str, str]:
    """What tells whether two fits predict the same: what is left out, of which response, in which rows."""
    kind = "rows" if units.level is None else design.levels[units.level].name
    return {"left_out": kind, "response": design.specification.response.text, "rows": _fingerprint(design, units)}


def _fingerprint(design: Design, units: Units) -> str:
    """A hash of the rows used, their response, and the group of each."""
    groups = [] if units.level is None else list(map(str, design.levels[units.level].grouping.labels))
    labels = json.dumps([list(map(str, design.row_index)), groups]).encode()
    parts = (labels, np.ascontiguousarray(design.response).tobytes(), np.ascontiguousarray(units.codes).tobytes())
    digest = blake2b(digest_size=12)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def hyperparameters(post: CrossValidation) -> Hyperparameters:
    """The draws of a posterior but for those of the effects that are integrated out."""
    found = post.parameters
    given = given_of(post.products, post.priors.numbers, all_draws(found.beta))
    return Hyperparameters(tuple(all_draws(S) for S in found.covariances), found.sigma.ravel(), given)


def densities(
    post: CrossValidation, draws: Hyperparameters, units: Units, chosen: Integers, progress: bool = False
) -> Floats:
    """log p(y_g | all other rows, draw), (D, G).

    Raises
    ------
    ConvergenceError
        A density that is not a number.
    """
    found = log_predictive(post.design, post.products, post.priors.numbers, draws, units, chosen, progress=progress)
    require_finite(found, post.design, units, chosen)
    return found


def require_finite(found: Floats, design: Design, units: Units, chosen: Integers) -> None:
    """Refuse what rounding has destroyed."""
    bad = ~np.isfinite(found)
    if bad.any():
        which = name_of(design, units)(int(chosen[np.argmax(bad.any(axis=0))]))
        raise ConvergenceError(
            f"The density of {which} given all others is not a number at {int(bad.any(axis=1).sum())} draws.",
            "Expected a posterior whose draws are all within reach of the arithmetic.",
            "Look at the draws: a sd may be 0 or enormous. Proper priors, or scaled columns, keep it in bounds.",
        )


def require_units(post: CrossValidation, units: Units, codes: Integers, names: Callable[[int], str]) -> None:
    """Refuse to leave out what a fixed effect rests on; codes (n,) say which rows go together."""
    require_determined(post.design, post.products, post.priors.numbers, codes, names)
