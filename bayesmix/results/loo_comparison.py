"""Models by how well they predict what they have not seen: differences with paired standard errors, and weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import arviz_stats
import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats import ELPDData
from arviz_stats.utils import ELPDDataLOO
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.inference.density_means import LARGEST_ERROR
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.cross_validation import MOST_VARIANCE, ELPDDataWAIC, leave_one_out, ready_units
from bayesmix.results.left_out import coordinate, marks

Floats = NDArray[np.float64]

_NOTE = (
    "elpd_diff is the loss against the best model, se_diff its standard error from the paired differences, weight that "
    "of stacking. A difference below 4 is small whatever its error, and with fewer than 100 rows or groups se_diff is "
    "too small itself (Sivula, Magnusson, Matamoros & Vehtari 2025)."
)
# What each attribute of a result says, for a message.
_SAME = {"left_out": "what is left out", "response": "the response", "rows": "rows, response and groups"}


def loo_compare(
    models: Mapping[str, BayesFit | ELPDData], by: str | None = None, *, progress: bool = True, **unknown: Any
) -> pd.DataFrame:
    """Compare posteriors of the same rows by leave-one-out cross-validation, the best first.

    Parameters
    ----------
    models : mapping of str to BayesFit or ELPDData
        Posteriors, whose ``loo(by)`` is taken; or what ``loo``, ``waic`` or ``kfold`` returned, all of one kind, and of
        ``kfold`` of the same folds.
    by : str, optional
        The level whose groups are left out of the posteriors; by itself rows are. Estimates must have left out
        the same.
    progress : bool
        As of :meth:`BayesFit.loo`.

    Returns
    -------
    DataFrame
        Index model; elpd, p, elpd_diff (to the best, never above 0), se_diff (of the paired differences), weight
        (stacking), warning (how many estimates are not reliable, empty where none is). ``attrs["note"]`` says how to
        read them.

    Raises
    ------
    ArgumentError
        Fewer than two models, something that is no posterior, models of different rows, responses, groups or folds.

    Warns
    -----
    BayesmixWarning
        As of :meth:`BayesFit.loo`, with the name of the model.

    References
    ----------
    Vehtari, Gelman & Gabry (2017), Stat. Comput. 27:1413-1432, section 5; Yao, Vehtari, Simpson & Gelman (2018),
    Bayesian Analysis 13:917-1007, on stacking.

    Examples
    --------
    >>> import bayesmix as bx
    >>> bx.loo_compare({"slopes": post, "intercepts": other}, by="Subject")  # doctest: +SKIP
    """
    offered = {"level": "Write by= with the name of the level.", "reloo": "Pass what loo(reloo=True) returned."}
    refuse_unknown("loo_compare", unknown, ("by", "progress"), offered)
    _require_models(models)
    _require_comparable(models, by)
    found = {
        name: leave_one_out(model, by, False, None, progress, name) if isinstance(model, BayesFit) else model
        for name, model in models.items()
    }
    _require_same(found)
    values = np.column_stack([np.ravel(result.elpd_i) for result in found.values()])
    totals = values.sum(axis=0)
    best = int(np.argmax(totals))
    differences = values - values[:, [best]]
    frame = pd.DataFrame(
        {
            "elpd": totals,
            "p": [float(result.p) for result in found.values()],
            "elpd_diff": differences.sum(axis=0),
            "se_diff": np.sqrt(len(values) * differences.var(axis=0, ddof=1)),
            "weight": _stacking(values),
            "warning": [_warning(result) for result in found.values()],
        },
        index=pd.Index(list(found), name="model"),
    ).sort_values("elpd", ascending=False, kind="stable")
    frame.attrs["note"] = _NOTE
    return frame


def _require_models(models: Any) -> None:
    """Refuse what is no mapping of two posteriors or estimates with values of single rows."""
    example = 'Write bx.loo_compare({"slopes": post, "intercepts": other}).'
    if not isinstance(models, Mapping) or not all(isinstance(name, str) for name in models):
        raise ArgumentError(f"loo_compare was given {type(models).__name__}.", "Expected models by name.", example)
    if len(models) < 2:
        raise ArgumentError(f"loo_compare was given {len(models)} model(s).", "Expected at least two.", example)
    for name, model in models.items():
        if not isinstance(model, BayesFit | ELPDData):
            raise ArgumentError(
                f"'{name}' is a {type(model).__name__}.",
                "Expected a posterior, or what its loo(), waic() or kfold() returned.",
                "Sample it with model.sample(); estimates are compared by bx.lrt(...) or .aic.",
            )
        if isinstance(model, ELPDData) and model.elpd_i is None:
            raise ArgumentError(
                f"'{name}' has no values of single rows.",
                "Expected an estimate with elpd_i, on which paired differences rest.",
                "Compute it with pointwise=True.",
            )


def _require_comparable(models: Mapping[str, BayesFit | ELPDData], by: str | None) -> None:
    """Refuse, before anything is computed, posteriors and estimates that do not leave out the same."""
    found, kinds = {}, {}
    for name, model in models.items():
        kinds[name] = "loo" if isinstance(model, BayesFit) else model.kind
        if isinstance(model, BayesFit):
            found[name] = marks(model.design, ready_units(model, by, name))
            continue
        found[name] = _identity(model)
        if by is not None and found[name].get("left_out") != by:
            left = found[name].get("left_out")
            raise ArgumentError(
                f"by={by!r}, and '{name}' is an estimate of {'unknown rows or groups' if left is None else left}.",
                f"Expected estimates that left out the groups of {by}, or posteriors.",
                "Leave by out, or pass the posteriors themselves.",
            )
    first, *others = found.items()
    for name, own in others:
        if kinds[name] != kinds[first[0]]:
            raise ArgumentError(
                f"'{first[0]}' is {kinds[first[0]]} and '{name}' is {kinds[name]}.",
                "Expected estimates of one kind; of a posterior it is loo.",
                "Use the same method for all.",
            )
        _require_marks(first[0], first[1], name, own)


def _require_same(found: Mapping[str, ELPDData]) -> None:
    """Refuse estimates on another scale, or of different rows, groups or folds."""
    for name, result in found.items():
        if getattr(result, "scale", "log") != "log":
            raise ArgumentError(
                f"'{name}' is on the scale {result.scale}.",
                "Expected estimates on the log scale.",
                'Compute it with scale="log".',
            )
    first, *others = found.items()
    for name, result in others:
        _require_folds(first[0], first[1], name, result)
        if np.size(first[1].elpd_i) != np.size(result.elpd_i) or not _same_labels(first[1].elpd_i, result.elpd_i):
            raise ArgumentError(
                f"'{first[0]}' has {np.size(first[1].elpd_i)} values and '{name}' {np.size(result.elpd_i)}, or of "
                "other rows or groups.",
                "Expected values of the same rows or groups.",
                "Fit all models to the same rows, and finish every fold.",
            )
        mine, theirs = _beside(first[1], "fold"), _beside(result, "fold")
        if mine is not None and theirs is not None and not np.array_equal(mine, theirs):
            raise ArgumentError(
                f"'{first[0]}' and '{name}' are of other folds.",
                "Expected the same folds: what differs otherwise is what the models knew.",
                "Call kfold with one k and one seed, or without a seed, for all models.",
            )


def _require_marks(one: str, mine: Mapping[str, Any], other: str, theirs: Mapping[str, Any]) -> None:
    """Refuse estimates that do not predict the same rows of the same response."""
    for key, what in _SAME.items():
        if key in mine and key in theirs and mine[key] != theirs[key]:
            shown = "" if key == "rows" else f": {mine[key]} and {theirs[key]}"
            raise ArgumentError(
                f"'{one}' and '{other}' differ in {what}{shown}.",
                "Expected densities of the same response in the same rows, left out in the same groups.",
                "Fit all models to the complete rows of all their columns, and leave out the same level.",
            )


def _require_folds(one: str, first: ELPDData, other: str, result: ELPDData) -> None:
    """Refuse estimates by another number of folds."""
    counts = [getattr(each, "n_folds", None) for each in (first, result)]
    if counts[0] != counts[1]:
        raise ArgumentError(
            f"'{one}' is of {counts[0]} folds and '{other}' of {counts[1]}.",
            "Expected as many folds: with fewer of them less is known of what is left out.",
            "Call kfold with one k for all models.",
        )


def _identity(result: ELPDData) -> dict[str, Any]:
    """What the estimates are of, where they are ours."""
    return dict(result.elpd_i.attrs) if isinstance(result.elpd_i, xr.DataArray) else {}


def _beside(result: ELPDData, name: str) -> Floats | None:
    """What else is known of each value, where they are ours."""
    values = result.elpd_i
    if not isinstance(values, xr.DataArray) or "left_out" not in values.attrs:
        return None
    key = coordinate(name, str(values.dims[0]))
    return values.coords[key].to_numpy() if key in values.coords else None


def _same_labels(one: Any, other: Any) -> bool:
    """Whether two lists of values are of the same rows, as far as they say."""
    labels = [
        list(values.indexes[values.dims[0]]) if isinstance(values, xr.DataArray) and values.dims[0] in values.indexes
        else None
        for values in (one, other)
    ]  # fmt: skip
    return labels[0] is None or labels[1] is None or list(map(str, labels[0])) == list(map(str, labels[1]))


def _stacking(values: Floats) -> Floats:
    """Weights (models,) of the mixture that predicts best, by ArviZ.

    Each row less its best model: the weights are the same, and densities of large groups do not vanish.
    """
    shifted = values - values.max(axis=1, keepdims=True)
    names = [f"{number}" for number in range(values.shape[1])]
    results = {
        name: ELPDDataLOO(
            elpd=float(column.sum()), se=0.0, p=0.0, n_samples=1, n_data_points=len(column), scale="log",
            warning=False, good_k=0.7, elpd_i=xr.DataArray(column, dims=("unit",)),
        )
        for name, column in zip(names, shifted.T, strict=True)
    }  # fmt: skip
    # In ArviZ's table weights stand by rank: of models that tie, their order is that of its own sort.
    return np.asarray(arviz_stats.compare(results, method="stacking", round_to="none")["weight"][names], dtype=float)


def _warning(result: ELPDData) -> str:
    """How many of the estimates are not reliable."""
    mcse, said = _beside(result, "mcse"), []
    if isinstance(result, ELPDDataWAIC):
        said.append((int((result.p_waic_i > MOST_VARIANCE).sum()), f"variance > {MOST_VARIANCE}"))
    elif result.pareto_k is not None and result.good_k is not None:
        said.append((int((~(result.pareto_k <= result.good_k)).sum()), f"k > {result.good_k:.2f}"))
    if mcse is not None:
        said.append((int((mcse > LARGEST_ERROR).sum()), f"mcse > {LARGEST_ERROR}"))
    return "; ".join(f"{count} of {np.size(result.elpd_i)} {what}" for count, what in said if count)
