"""Whether a fit is one of this model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import Design
from bayesmix.errors import ArgumentError

Floats = NDArray[np.float64]


def require_same_model(design: Design, other: Design) -> None:
    """Refuse a fit of another model, or of other data.

    Parameters
    ----------
    design : Design
        Of the model that is asked.
    other : Design
        Of the fit it is given; the same object, or equal in all that a fit reads.

    Raises
    ------
    ArgumentError
    """
    same = other is design or (
        other.values.shape == design.values.shape
        and other.fixed_names == design.fixed_names
        and [(v.name, v.effect_names, v.blocks) for v in other.levels]
        == [(v.name, v.effect_names, v.blocks) for v in design.levels]
        and all(
            np.array_equal(a.grouping.codes, b.grouping.codes) for a, b in zip(other.levels, design.levels, strict=True)
        )
        and np.array_equal(other.values, design.values)
        and np.array_equal(other.response, design.response)
        and np.array_equal(_weights(other), _weights(design))
    )
    if not same:
        raise ArgumentError(
            f"The fit is of {other.specification.formula} on {other.n} rows.",
            f"Expected one of this model, {design.specification.formula} on {design.n} rows, and its data.",
            "Ask the model that was fitted.",
        )


def _weights(design: Design) -> Floats:
    return np.ones(design.n) if design.weights is None else design.weights
