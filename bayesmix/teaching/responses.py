"""Responses of a design drawn from parameters that were chosen, as frames that can be fitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import Design, build_design
from bayesmix.design.frame import Categories, Column
from bayesmix.errors import ArgumentError, DataError, refuse_unknown
from bayesmix.inference.simulation import KnownTruth, simulated_rows
from bayesmix.model import Model
from bayesmix.results.bootstrap import MOST_NUMBERS
from bayesmix.results.naming import require_count
from bayesmix.specification import Name, Specification, parse_formula
from bayesmix.teaching.arguments import read_frame, require_seed, shown
from bayesmix.teaching.truth import read_truth

Floats = NDArray[np.float64]


def simulate(
    model: Model | str | Specification,
    parameters: Mapping[Any, Any],
    *,
    data: Any = None,
    weights: Any = None,
    n: int = 1,
    seed: int | None = None,
    **unknown: Any,
) -> list[pd.DataFrame]:
    """Draw responses of a model from parameters you choose, as frames ready to be fitted.

    Parameters
    ----------
    model : Model, or a formula with ``data``
        Its rows, predictors and groups are kept. The response need not be among the columns of ``data``.
    parameters : mapping
        Every parameter by name: fixed effects (``"Intercept"``, ``"sector[Catholic]"``), ``"sigma"``, and for each
        level standard deviations and correlations, ``"sd(ses | school)"`` and ``"corr(Intercept, ses | school)"``. Also
        understood: ``var`` and ``cov`` for ``sd`` and ``corr``; the sd as a posterior calls it, ``"ses|school_sigma"``;
        (level, parameter) as the tables of a fit have them, ``("school", "sd(ses)")``; a mapping of these by level; and
        by level a whole covariance matrix.
    data : data frame, optional
        Predictors and groupings, for a formula; no value of them may be missing.
    weights : str or (rows,) array, optional
        Precision weights, for a formula: the residual variance is sigma^2 over the weight.
    n : int
        How many data sets.
    seed : int, optional
        The same seed gives the same data sets.

    Returns
    -------
    list of DataFrame
        n frames. Of a formula, copies of ``data`` with the response; of a model, the columns it reads (and its weights:
        ``weights`` where they came as an array) with another response.

    Raises
    ------
    ArgumentError
        A parameter is missing, unknown, or has a value that no model can have; each is named.

    See Also
    --------
    LikelihoodFit.simulate : Responses from the estimates of a fit.
    coverage : Draw the same data sets, fit each, and count what their intervals hold.

    Examples
    --------
    >>> import bayesmix as bx
    >>> frame = bx.nested_frame({"school": 200, "pupil": 10}, predictors={"ses": "pupil"}, seed=1)
    >>> truth = {"Intercept": 50, "ses": 3, "sd(Intercept | school)": 4, "sigma": 8}
    >>> (drawn,) = bx.simulate("score ~ ses + (1 | school)", truth, data=frame, seed=2)
    >>> bx.Model("score ~ ses + (1 | school)", drawn).reml().fixed_effects()["estimate"].round(1).tolist()
    [49.5, 3.2]
    """
    refuse_unknown("simulate", unknown, ("data", "weights", "n", "seed"), {"groups": "Group effects are drawn anew."})
    count, rng = require_count("n", n, 1), require_seed(seed)
    if isinstance(model, Model):
        if data is not None or weights is not None:
            raise ArgumentError(
                "A model was given, and data or weights too.",
                "Expected one of the two: a model has its own.",
                "Leave them out, or give the formula in place of the model.",
            )
        design = model.design
        response = response_name(design.specification)
        frame = frame_of(design)
    else:
        specification = read_formula(model)
        response = response_name(specification)
        frame, design = open_design(specification, data, weights)
    if count * design.n > MOST_NUMBERS:
        raise ArgumentError(
            f"{count} data sets of {design.n} rows are {count * design.n:.1e} numbers.",
            f"Expected at most {MOST_NUMBERS:.0e} at a time.",
            "Ask for fewer, several times, with different seeds.",
        )
    truth = read_truth(design, parameters)
    return [frame.assign(**{response: draw_rows(design, truth, rng)}) for _ in range(count)]


def draw_rows(design: Design, truth: KnownTruth, rng: np.random.Generator) -> Floats:
    """One response, (n,), of numbers that a computer holds."""
    with np.errstate(over="ignore", invalid="ignore"):
        y = simulated_rows(design, truth, rng)
    if not np.isfinite(y).all():
        raise ArgumentError(
            "The parameters and predictors give responses that are infinite.",
            "Expected values that a computer can hold, up to 1e308.",
            "Choose other units.",
        )
    return y


def read_formula(model: Any) -> Specification:
    """A formula as text or already read."""
    if isinstance(model, Specification):
        return model
    if not isinstance(model, str):
        raise ArgumentError(
            f"The model is {shown(model)}.",
            "Expected a Model, or a formula with data=...",
            "Write bx.simulate(model, parameters); of a fit call fit.simulate().",
        )
    return parse_formula(model)


def response_name(specification: Specification) -> str:
    """The column of the response, which no transform may hide."""
    expression = specification.response.expression
    if not isinstance(expression, Name):
        raise ArgumentError(
            f"The response is '{specification.response.text}'.",
            "Expected a column itself: what is drawn is the response as the model has it.",
            "Write the formula with a plain name, and transform the simulated column back yourself.",
        )
    return expression.column


def open_design(specification: Specification, data: Any, weights: Any = None) -> tuple[pd.DataFrame, Design]:
    """The data as a pandas frame with a response to be replaced, and their design.

    Raises
    ------
    DataError
        Some row is not complete.
    """
    if data is None:
        raise ArgumentError(
            "A formula was given, and no data.",
            "Expected the predictors and groupings of every row.",
            "Pass data=..., for example bx.nested_frame({'school': 20, 'pupil': 25}).",
        )
    frame = read_frame(data)
    frame = frame.assign(**{response_name(specification): np.arange(len(frame), dtype=float)})
    design = build_design(specification, frame, weights)
    if design.n_missing:
        raise DataError(
            f"{design.n_missing} of the {len(frame)} rows have a missing value.",
            "Expected complete predictors, groupings and weights: each row is given a response.",
            "Drop those rows or fill the values in.",
        )
    return frame, design


def frame_of(design: Design) -> pd.DataFrame:
    """The columns a design was made of, its complete rows only."""
    columns = {name: _values(column) for name, column in design.columns_read.items()}
    frame = pd.DataFrame(columns)
    if design.weights is not None:
        name = "weights" if design.weights_name in (None, "given") else design.weights_name
        frame[name] = design.weights
    return frame


def _values(column: Column) -> Any:
    """A column as pandas holds it."""
    if isinstance(column, Categories):
        return pd.Categorical.from_codes(column.codes, list(column.labels), ordered=column.ordered)
    return column.values.copy()
