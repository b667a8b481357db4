"""Predictions, comparisons and slopes: what a model says of its predictors, row by row or on average."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ndtri

from bayesmix.design.frame import Categories
from bayesmix.errors import ArgumentError, refuse_unknown, require_coverage
from bayesmix.inference.prediction import Functionals, MixedEquations
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.changes import COMPARISONS, SLOPES, difference_steps, function_name, pick_function, value_label
from bayesmix.results.grids import Averages, build_grid, read_averages, read_predictors, single_entry
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.prediction import NORMAL_NOTE, draws_array, equations_for, target_draws
from bayesmix.results.targets import Target, read_target

Floats = NDArray[np.float64]
# From the predictions of several rows to a quantity; ``part`` says which rows they are.
Quantity = Callable[[Sequence[Any], slice], Any]

# More rows than this have no joint covariance.
MOST_JOINT = 1000


@dataclass(frozen=True, repr=False)
class Interpretation:
    """A table, and what it was computed from.

    Parameters
    ----------
    summary : DataFrame
        One row for each quantity: of a likelihood fit estimate, se, ci_low, ci_high; of a posterior mean, sd, ci_low,
        ci_high.
    draws : DataArray or None
        Of a posterior: (chain, draw, row), rows as in the table.
    covariance : DataFrame or None
        Of a likelihood fit: of the estimates, where there are at most 1000.
    """

    summary: pd.DataFrame
    draws: xr.DataArray | None
    covariance: pd.DataFrame | None

    def __repr__(self) -> str:
        return repr(self.summary)

    def _repr_html_(self) -> str:
        return str(self.summary.to_html())


def predictions(
    fit: LikelihoodFit | BayesFit,
    conditional: Any = None,
    *,
    average_by: Any = None,
    target: str = "mean",
    groups: str = "population",
    use_hdi: bool = False,
    prob: float = 0.95,
    **unknown: Any,
) -> Interpretation:
    """Predicted means at the rows of the data, on a grid, or on average.

    Argument names are those of Bambi's ``interpret.predictions``. Averages are taken within each draw (of a likelihood
    fit, with the covariances between rows), not over the ends of intervals; intervals are equal-tailed.

    Parameters
    ----------
    fit : LikelihoodFit or BayesFit
    conditional : str, list of str, or mapping of str to values, optional
        Predictors to vary: every label of a category, every value of a predictor of few whole numbers, otherwise 50
        equal steps; or the values given. All others are held at their mean, or at their most frequent label. By
        default the rows used.
    average_by : str or list of str, optional
        Average within the values of these columns; ``"all"`` over everything.
    target : {"mean"}
        For single responses see ``fit.predict(new, kind="response")``.
    groups : {"population", "known"}
        Without group effects, or with those of the groups of the fit.
    use_hdi : {False}
        For highest-density intervals apply ArviZ's ``hdi`` to the draws.
    prob : float
        Coverage.

    Returns
    -------
    Interpretation

    Raises
    ------
    ArgumentError
        Names, labels or options that are not there.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("math ~ ses * sector + (ses | school)", bx.load_dataset("hsb")).reml()
    >>> bx.predictions(fit, "sector").summary[["sector", "estimate", "se"]].round(3)
         sector  estimate     se
    0    Public    11.752  0.232
    1  Catholic    13.882  0.257
    """
    refuse_unknown("predictions", unknown, ("conditional", "average_by", "target", "groups", "use_hdi", "prob"))
    _check_options(fit, target, groups, use_hdi, prob)
    grid = build_grid(read_predictors(fit.design, groups == "known"), conditional, None)
    averages = read_averages(grid, average_by)
    part = _Part({}, [grid], lambda values, rows: values[0])
    return _interpret(fit, [part], grid, averages, groups, prob)


def comparisons(
    fit: LikelihoodFit | BayesFit,
    contrast: Any,
    conditional: Any = None,
    *,
    average_by: Any = None,
    target: str = "mean",
    comparison: str | Callable[[Any, Any], Any] = "diff",
    groups: str = "population",
    use_hdi: bool = False,
    prob: float = 0.95,
    **unknown: Any,
) -> Interpretation:
    """By how much predicted means change from one value of a predictor to another.

    Argument names are those of Bambi's ``interpret.comparisons``; see :func:`predictions` for those not listed.

    Parameters
    ----------
    fit : LikelihoodFit or BayesFit
    contrast : str or mapping of one str to values
        What is compared: every pair of labels of a category; half a unit on either side of the mean of a number; or
        the values given, the first of a pair being the reference.
    comparison : {"diff", "ratio", "lift"} or callable
        Difference, ratio, or relative difference; a function of (reference, contrast) arrays only for posteriors.
        Standard errors of a likelihood fit are exact for differences, by the delta method otherwise.

    Returns
    -------
    Interpretation
        Its summary has term, estimate_type and value (``reference_vs_contrast``) first.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("math ~ ses * sector + (ses | school)", bx.load_dataset("hsb")).reml()
    >>> found = bx.comparisons(fit, "sector", {"ses": [-1, 1]})
    >>> found.summary[["value", "ses", "estimate", "se"]].round(3)
                    value  ses  estimate     se
    0  Public_vs_Catholic -1.0     3.443  0.373
    1  Public_vs_Catholic  1.0     0.816  0.439
    """
    offered = ("contrast", "conditional", "average_by", "target", "comparison", "groups", "use_hdi", "prob")
    refuse_unknown("comparisons", unknown, offered)
    _check_options(fit, target, groups, use_hdi, prob)
    compare = pick_function("comparison", comparison, COMPARISONS, isinstance(fit, BayesFit))
    predictors = read_predictors(fit.design, groups == "known")
    values = predictors.contrasted(contrast)
    name = str(values.name)
    grid = build_grid(predictors, conditional, name)
    parts = []
    for i, j in combinations(range(len(values)), 2):
        frames = [grid.assign(**{name: predictors.series(name, [values.iloc[k]] * len(grid))}) for k in (i, j)]
        label = f"{value_label(values.iloc[i])}_vs_{value_label(values.iloc[j])}"
        named = {"term": name, "estimate_type": function_name(comparison), "value": label}
        parts.append(_Part(named, frames, lambda pair, rows: compare(pair[0], pair[1])))
    return _interpret(fit, parts, grid, read_averages(grid, average_by), groups, prob)


def slopes(
    fit: LikelihoodFit | BayesFit,
    wrt: Any,
    conditional: Any = None,
    *,
    average_by: Any = None,
    eps: float | None = None,
    slope: str | Callable[[Any, Any, Any], Any] = "dydx",
    target: str = "mean",
    groups: str = "population",
    use_hdi: bool = False,
    prob: float = 0.95,
    **unknown: Any,
) -> Interpretation:
    """The derivative of predicted means by a predictor.

    Argument names are those of Bambi's ``interpret.slopes``; see :func:`predictions` for those not listed. At the rows
    used the derivative is taken at each row's own value of the predictor, so that ``average_by="all"`` is the average
    slope. Differences are central and of fourth order, exact for powers up to the fourth.

    Parameters
    ----------
    fit : LikelihoodFit or BayesFit
    wrt : str or mapping of one str to a number
        The predictor; or the predictor and where to take the slope. On a grid its mean by default.
    eps : float, optional
        Step of the differences; by default a thousandth of the predictor's standard deviation, or of its value.
    slope : {"dydx", "eyex", "eydx", "dyex"} or callable
        Derivative; elasticity; the relative change of the mean; or that by a relative change of the predictor. A
        function of (derivative, x, mean) arrays only for posteriors.

    Returns
    -------
    Interpretation
        Its summary has term, estimate_type and value (of the predictor, where it is one) first.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("math ~ ses * sector + (ses | school)", bx.load_dataset("hsb")).reml()
    >>> bx.slopes(fit, "ses", "sector").summary[["sector", "estimate", "se"]].round(3)
         sector  estimate     se
    0    Public     2.958  0.143
    1  Catholic     1.644  0.161
    """
    offered = ("wrt", "conditional", "average_by", "eps", "slope", "target", "groups", "use_hdi", "prob")
    refuse_unknown("slopes", unknown, offered)
    _check_options(fit, target, groups, use_hdi, prob)
    scaled = pick_function("slope", slope, SLOPES, isinstance(fit, BayesFit))
    predictors = read_predictors(fit.design, groups == "known")
    name, value = single_entry("wrt", wrt)
    column = predictors.column(name)
    if isinstance(column, Categories):
        raise ArgumentError(
            f"'{name}' is a category.", "Expected a number to take a slope by.", f"Call comparisons(fit, {name!r})."
        )
    grid = build_grid(predictors, conditional, name)
    if value is not None:
        at = predictors.read_values(name, value).to_numpy()
        if len(at) > 1:
            raise ArgumentError(f"wrt has {len(at)} values of '{name}'.", "Expected one number.", "Call once for each.")
        x = np.full(len(grid), at[0])
    elif conditional is None:
        x = column.values
    else:
        x = np.full(len(grid), column.values.mean())
    h = difference_steps(x, float(column.values.std()), eps)
    moves = [x, x - 2 * h, x - h, x + h, x + 2 * h]
    h = (moves[3] - moves[2]) / 2  # as it was rounded
    frames = [grid.assign(**{name: moved}) for moved in moves]

    def quantity(values: Sequence[Any], rows: slice) -> Any:
        derivative = (values[1] - 8 * values[2] + 8 * values[3] - values[4]) / (12 * h[rows])
        return scaled(derivative, x[rows], values[0])

    averages = read_averages(grid, average_by)
    named: dict[str, Any] = {"term": name, "estimate_type": function_name(slope)}
    if averages is None or len(np.unique(x)) == 1:
        named["value"] = x if averages is None else x[0]
    part = _Part(named, frames, quantity)
    return _interpret(fit, [part], grid, averages, groups, prob)


@dataclass(frozen=True)
class _Part:
    """Rows of the table that share a quantity: first columns, the frames it is computed from, and how."""

    named: dict[str, Any]
    frames: list[pd.DataFrame]
    quantity: Quantity


def _interpret(
    fit: LikelihoodFit | BayesFit,
    parts: list[_Part],
    grid: pd.DataFrame,
    averages: Averages | None,
    groups: str,
    prob: float,
) -> Interpretation:
    """The table of all parts, one below the other."""
    context = grid if averages is None else averages.shared
    blocks = []
    for part in parts:
        named = {key: np.resize(np.asarray(value), len(context)) for key, value in part.named.items()}
        blocks.append(pd.concat([pd.DataFrame(named, index=context.index), context], axis=1))
    summary = pd.concat(blocks, ignore_index=True)
    weights = None if averages is None else averages.weights
    # Read when their turn comes: many pairs of many rows need not be held at once.
    pairs = (
        (part, [read_target(fit.design, frame, groups, "mean", None, None) for frame in part.frames]) for part in parts
    )
    if isinstance(fit, BayesFit):
        values = np.concatenate([_part_draws(fit, part, own, weights) for part, own in pairs], axis=1)
        low, high = np.quantile(values, [0.5 - prob / 2, 0.5 + prob / 2], axis=0)
        columns = {"mean": values.mean(axis=0), "sd": values.std(axis=0, ddof=1), "ci_low": low, "ci_high": high}
        draws = draws_array(fit, values, pd.RangeIndex(len(summary)), "estimate")
        found = Interpretation(summary.assign(**columns), draws, None)
    else:
        found = _from_estimates(fit, pairs, weights, summary, prob)
        found.summary.attrs["note"] = NORMAL_NOTE
    found.summary.attrs["groups"] = groups
    return found


def _part_draws(fit: BayesFit, part: _Part, targets: list[Target], weights: Any) -> Floats:
    """Draws of a quantity, (D, rows) or (D, averages)."""
    n = targets[0].rows.n
    out = np.zeros((fit.n_draws, n if weights is None else weights.shape[0]))
    streams = [target_draws(fit, target, np.random.default_rng(0)) for target in targets]  # nothing is drawn
    for parts in zip(*streams, strict=True):
        rows = parts[0][0]
        values = np.asarray(part.quantity([some for _, some in parts], rows), dtype=float)
        if weights is None:
            out[:, rows] = values
        else:
            out += (weights[:, rows] @ values.T).T
    return out


def _from_estimates(
    fit: LikelihoodFit, pairs: Iterator[tuple[_Part, list[Target]]], weights: Any, summary: pd.DataFrame, prob: float
) -> Interpretation:
    """Estimates with standard errors: linear functions of the effects, or the functions nearest to them."""
    estimates, linear = [], []
    equations: MixedEquations | None = None
    for part, targets in pairs:
        equations = equations or equations_for(fit, targets[0])
        means = [equations.means(target.rows) for target in targets]
        everything = slice(0, len(means[0]))
        value = np.asarray(part.quantity(means, everything), dtype=float)
        total: Functionals | None = None
        for number, target in enumerate(targets):
            # By a step along the imaginary axis, exact to rounding (Squire & Trapp 1998, SIAM Review 40:110-112).
            moved = [mean + (1e-30j if k == number else 0.0) for k, mean in enumerate(means)]
            gradient = np.imag(part.quantity(moved, everything)) / 1e-30
            own = equations.functionals(target.rows).combine(sparse.diags_array(gradient))
            total = own if total is None else total.plus(own)
        assert total is not None
        estimates.append(value if weights is None else weights @ value)
        linear.append(total if weights is None else total.combine(weights))
    assert equations is not None
    estimate, joint = np.concatenate(estimates), Functionals.stacked(linear)
    covariance = None
    if len(estimate) <= MOST_JOINT:
        covariance = pd.DataFrame(equations.covariance(joint))
        variance = np.diag(covariance.to_numpy())
    else:
        variance = equations.variances(joint)
    se = np.sqrt(np.maximum(variance, 0.0))
    half = float(ndtri(0.5 + prob / 2)) * se
    columns = {"estimate": estimate, "se": se, "ci_low": estimate - half, "ci_high": estimate + half}
    return Interpretation(summary.assign(**columns), None, covariance)


def _check_options(fit: Any, target: str, groups: str, use_hdi: bool, prob: float) -> None:
    """Refuse what is not offered."""
    if not isinstance(fit, LikelihoodFit | BayesFit):
        raise ArgumentError(
            f"The fit is an object of type {type(fit).__name__}.",
            "Expected what model.reml(), model.ml() or model.sample() returned.",
            "Fit the model first.",
        )
    require_coverage(prob)
    if target != "mean":
        raise ArgumentError(
            f"target={target!r} is not offered.",
            "Expected 'mean'.",
            "For single responses call fit.predict(new, kind='response').",
        )
    if groups not in ("population", "known"):
        raise ArgumentError(
            f"groups={groups!r} is not offered.", "Expected 'population' or 'known'.", "Choose one of these."
        )
    if groups == "known" and not fit.design.levels:
        raise ArgumentError("This model has no levels.", "Expected groups='population'.", "Leave groups out.")
    if use_hdi:
        raise ArgumentError(
            f"use_hdi={use_hdi!r}, and intervals are equal-tailed.",
            "Expected False.",
            "Leave it out; of a posterior, arviz.hdi(result.draws) gives highest-density intervals.",
        )
