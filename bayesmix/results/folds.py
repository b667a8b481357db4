"""K-fold cross-validation: the posterior sampled anew without each fold of groups or rows."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from arviz_stats.utils import ELPDDataLOOKFold
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError
from bayesmix.inference.leave_out import Units
from bayesmix.results.cross_validation import full_densities, listed, require_switch, standard_error
from bayesmix.results.left_out import hyperparameters, labelled, labels_of, name_of, pick_units, require_units
from bayesmix.results.naming import require_count
from bayesmix.results.refitted import Parts, refit_each, refit_settings, say_doubtful

if TYPE_CHECKING:
    from bayesmix.results.surface.cross_validation import CrossValidation

Integers = NDArray[np.int64]

# Units of a fold named in a message.
_NAMED = 3


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
    folds = make_folds(units, labels_of(post.design, units), count, seed)
    parts = Parts(units, folds, lambda i: _fold_name(post, units, folds[i]), "Folds")
    number = fold_numbers(units, folds)
    require_units(post, units, number[units.codes], parts.name)
    return _collected(post, parts, number, seed, bool(progress))


def _collected(
    post: CrossValidation, parts: Parts, number: Integers, seed: int | None, progress: bool
) -> ELPDDataLOOKFold:
    """The folds that are finished, as ArviZ holds them."""
    units = parts.units
    full, _ = full_densities(post, hyperparameters(post), units, progress)
    elpd, mcse = np.full(units.count, np.nan), np.full(units.count, np.nan)
    doubtful = np.zeros(units.count, bool)
    for refit in refit_each(post, parts, refit_settings(post, seed), progress):
        elpd[refit.members], mcse[refit.members] = refit.found.values, refit.found.mcse
        doubtful[refit.members] = refit.found.doubtful
    if doubtful.any():
        say_doubtful(listed(post, units, np.flatnonzero(doubtful)), int(doubtful.sum()))
    done = np.isfinite(elpd)
    total = elpd[done]
    values = labelled(post.design, units, elpd, "elpd_i", {"fold": number, "mcse": mcse})
    own = labelled(post.design, units, full - elpd, "p_kfold_i")
    dim = values.dims[0]
    return ELPDDataLOOKFold(
        elpd=float(total.sum()),
        se=standard_error(total),
        p=float((full - elpd)[done].sum()),
        n_samples=post.parameters.sigma.size,
        n_data_points=len(total),
        scale="log",
        warning=bool(doubtful.any()),
        good_k=None,
        elpd_i=values.isel({dim: done}),
        n_folds=len(parts.members),
        p_kfold_i=own.isel({dim: done}),
    )


def _fold_name(post: CrossValidation, units: Units, fold: Integers) -> str:
    """A fold by some of its members: the fold of Subject 308, 310, 335 and 3 more."""
    label = name_of(post.design, units)
    if len(fold) == 1:
        return label(int(fold[0]))
    labels = labels_of(post.design, units)
    others = [str(labels[int(g)]) for g in fold[1:_NAMED]]
    more = f" and {len(fold) - _NAMED} more" if len(fold) > _NAMED else ""
    return f"the fold of {', '.join([label(int(fold[0])), *others])}{more}"


def make_folds(units: Units, labels: pd.Index[Any], k: int, seed: int | None) -> list[Integers]:
    """Units in k folds at random, sizes equal to one; without a seed by a hash of the labels, which is the same always.

    Of the same labels the first has another hash than the second.
    """
    if seed is None:
        texts = pd.Series(list(map(str, labels)))
        numbered = texts + "\0" + texts.groupby(texts).cumcount().astype(str)
        hashes = [int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) for text in numbered]
        order = np.argsort(np.array(hashes, dtype=np.uint64), kind="stable")
    else:
        order = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,))).permutation(units.count)
    return [np.sort(part) for part in np.array_split(order, k)]


def fold_numbers(units: Units, folds: Sequence[Integers]) -> Integers:
    """Fold of each unit, (G,)."""
    number = np.empty(units.count, np.int64)
    for i, fold in enumerate(folds):
        number[fold] = i
    return number
