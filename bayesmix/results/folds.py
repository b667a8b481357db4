"""K-fold cross-validation: the posterior sampled anew without each fold of groups or rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from arviz_stats.utils import ELPDDataLOOKFold
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError
from bayesmix.inference.leave_out import Units
from bayesmix.results.cross_validation import full_densities, require_switch, standard_error
from bayesmix.results.left_out import (
    hyperparameters,
    labelled,
    labels_of,
    name_of,
    pick_units,
    refit_each,
    require_units,
)
from bayesmix.results.naming import require_count

if TYPE_CHECKING:
    from bayesmix.results.surface.cross_validation import CrossValidation

Integers = NDArray[np.int64]


def k_fold(post: CrossValidation, by: Any, k: Any, seed: Any, progress: Any) -> ELPDDataLOOKFold:
    """Groups (rows) in k random folds of equal size; each predicted by the rows outside its fold."""
    require_switch("progress", progress)
    units = pick_units(post.design, by)
    count = require_count("k", k, 2)
    if seed is not None:
        require_count("seed", seed, 0)
    if count > units.count:
        kind = "rows" if units.level is None else f"groups of {post.design.levels[units.level].name}"
        raise ArgumentError(
            f"k={k}, and there are {units.count} {kind}.",
            "Expected at most one fold for each.",
            f"Write k={units.count} to leave out one at a time, or use loo().",
        )
    folds = make_folds(units, count, seed)
    _require_folds(post, units, folds)
    full, _ = full_densities(post, hyperparameters(post), units)
    elpd, fold_of = np.full(units.count, np.nan), np.zeros(units.count, np.int64)
    for number, fold in enumerate(folds):
        fold_of[fold] = number
    for fold, found in refit_each(post, units, folds, seed, bool(progress), "Folds"):
        elpd[fold] = found
    done = np.isfinite(elpd)
    total, n_draws = elpd[done], post.parameters.sigma.size
    values, own = (labelled(post.design, units, x, name) for x, name in ((elpd, "elpd_i"), (full - elpd, "p_kfold_i")))
    dim = values.dims[0]
    values = values.assign_coords(fold=(dim, fold_of)).isel({dim: done})
    return ELPDDataLOOKFold(
        elpd=float(total.sum()),
        se=standard_error(total),
        p=float((full - elpd)[done].sum()),
        n_samples=n_draws,
        n_data_points=len(total),
        scale="log",
        warning=False,
        good_k=None,
        elpd_i=values,
        n_folds=count,
        p_kfold_i=own.isel({dim: done}),
    )


def make_folds(units: Units, k: int, seed: int | None) -> list[Integers]:
    """Units in k folds at random, sizes equal to one."""
    order = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,))).permutation(units.count)
    return [np.sort(part) for part in np.array_split(order, k)]


def _require_folds(post: CrossValidation, units: Units, folds: list[Integers]) -> None:
    """Every fixed effect must be determined without each fold."""
    number = np.empty(units.count, np.int64)
    for i, fold in enumerate(folds):
        number[fold] = i
    labels, label = labels_of(post.design, units), name_of(post.design, units)

    def name(i: int) -> str:
        fold = folds[i]
        first = label(int(fold[0]))
        return first if len(fold) == 1 else f"the fold of {first} to {labels[int(fold[-1])]}"

    require_units(post, units, number[units.codes], name)
