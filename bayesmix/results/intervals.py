"""Interval tables by three methods: Wald, profile likelihood, parametric bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from bayesmix.design import CrossProducts, Design
from bayesmix.errors import ArgumentError, refuse_unknown, require_coverage
from bayesmix.inference.ml import MlSolution
from bayesmix.results.bootstrap import bootstrap_estimates
from bayesmix.results.profile import profile_table
from bayesmix.results.quantities import Row, component_rows, fixed_rows, on_scale, require_scale, table_index

Floats = NDArray[np.float64]

# Options of each method, with their defaults.
OPTIONS: dict[str, dict[str, Any]] = {
    "wald": {"df": None},
    "profile": {"criterion": "ml"},
    "bootstrap": {"n": 1000, "seed": None, "progress": True},
}


def interval_table(
    design: Design,
    products: CrossProducts,
    solution: MlSolution,
    method: str,
    prob: float,
    scale: str,
    options: dict[str, Any],
    tables: Callable[[str | None], tuple[pd.DataFrame, pd.DataFrame]],
) -> pd.DataFrame:
    """The table of one method.

    Parameters
    ----------
    options : dict
        What belongs to the method.
    tables : callable
        From degrees of freedom to the tables of fixed effects and variance components, for Wald's intervals.

    Raises
    ------
    ArgumentError
        A method, scale or option that is not offered.
    """
    if method not in OPTIONS:
        raise ArgumentError(
            f"method={method!r} is not offered.", f"Expected one of {', '.join(OPTIONS)}.", "Choose one of these."
        )
    defaults = OPTIONS[method]
    unknown = {name: value for name, value in options.items() if name not in defaults}
    refuse_unknown(f"intervals(method={method!r})", unknown, ("prob", "scale", *defaults))
    require_coverage(prob)
    require_scale(scale)
    chosen = {**defaults, **options}
    if method == "profile":
        return profile_table(design, products, solution, prob, scale, **chosen)
    if method == "bootstrap":
        return bootstrap_estimates(design, products, solution, **chosen).intervals(prob=prob, scale=scale)
    return wald_table(design, solution, *tables(chosen["df"]), prob, scale)


def wald_table(
    design: Design, solution: MlSolution, fixed: pd.DataFrame, components: pd.DataFrame, prob: float, scale: str
) -> pd.DataFrame:
    """Wald's intervals: fixed effects as they are, log sds, Fisher's z of correlations, covariances as they are.

    Pinheiro & Bates (2000), Mixed-Effects Models in S and S-PLUS, section 2.4.3.

    Parameters
    ----------
    fixed : DataFrame
        Index term; estimate, ci_low, ci_high.
    components : DataFrame
        Index (level, parameter), estimate and se.
    """
    rows = component_rows(design, "var")
    estimate, se = components["estimate"].to_numpy(), components["se"].to_numpy()
    half = stats.norm.ppf(0.5 + prob / 2)
    ends = np.array([_ends(row, *pair) for row, pair in zip(rows, zip(estimate, half * se, strict=True), strict=True)])
    ends[_on_boundary(design, solution)] = np.nan
    shown = on_scale(design, np.vstack([estimate, ends.T]), scale)
    frame = pd.DataFrame(shown.T, columns=["estimate", "ci_low", "ci_high"])
    index = table_index([*fixed_rows(design), *component_rows(design, scale)])
    frame = pd.concat([fixed[["estimate", "ci_low", "ci_high"]], frame]).set_axis(index)
    notes = ["Variances on the log scale, correlations on Fisher's z."] if design.levels else []
    if np.isnan(ends).any():
        notes.append(
            "nan: Wald intervals do not exist where a variance is 0, a correlation 1 or the information not positive "
            "definite; use method='profile'."
        )
    frame.attrs["note"] = " ".join(notes)
    return frame


def _ends(row: Row, estimate: float, width: float) -> tuple[float, float]:
    """Ends of an interval of half that width on the scale of the estimate, made symmetric where that is sensible."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if row.quantity.kind in ("sd", "sigma"):
            spread = np.exp(width / estimate)
            return estimate / spread, estimate * spread
        if row.quantity.kind == "corr":
            centre, width = np.arctanh(estimate), width / (1 - estimate**2)
            return float(np.tanh(centre - width)), float(np.tanh(centre + width))
    return estimate - width, estimate + width


def _on_boundary(design: Design, solution: MlSolution) -> NDArray[np.bool_]:
    """Components that concern an effect without variance, or are a correlation of 1."""
    fails: list[bool] = []
    for level, sigma in zip(design.levels, solution.covariances, strict=True):
        none = ~(np.diag(sigma) > 0)
        fails += none.tolist()
        for i, j in level.pairs:
            gone = bool(none[i] or none[j])
            fails += [gone, gone or bool(sigma[i, j] ** 2 >= (1 - 1e-9) * sigma[i, i] * sigma[j, j])]
    return np.array([*fails, False])
