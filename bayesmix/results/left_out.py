"""What leaving out needs of a posterior: draws of what is not integrated out, units with labels, and refits."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.design import Design
from bayesmix.errors import ArgumentError, BayesmixWarning, ConvergenceError
from bayesmix.inference.leave_out import Hyperparameters, Units, log_predictive, require_determined, units_of
from bayesmix.inference.long_work import asked_to_stop, progress_bar
from bayesmix.inference.naming import variable_name
from bayesmix.inference.refits import given_of, sample_without
from bayesmix.inference.sampling import Settings
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


def labelled(design: Design, units: Units, values: NDArray[Any], name: str) -> xr.DataArray:
    """Values of the units with their labels, and what tells whether another fit left out the same."""
    labels = labels_of(design, units)
    kind = "rows" if units.level is None else design.levels[units.level].name
    dim = "__obs__" if units.level is None else variable_name(kind)
    coords = {} if isinstance(labels, pd.MultiIndex) else {dim: labels.to_numpy()}
    attributes = {"left_out": kind, "response": design.specification.response.text, "rows": _fingerprint(design, units)}
    return xr.DataArray(values, dims=(dim,), coords=coords, name=name, attrs=attributes)


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


def densities(post: CrossValidation, draws: Hyperparameters, units: Units, chosen: Integers) -> Floats:
    """log p(y_g | all other rows, draw), (D, G).

    Raises
    ------
    ConvergenceError
        A density that is not a number.
    """
    found = log_predictive(post.design, post.products, post.priors.numbers, draws, units, chosen)
    return _finite(found, post, units, chosen)


def _finite(found: Floats, post: CrossValidation, units: Units, chosen: Integers) -> Floats:
    """Refuse what rounding has destroyed."""
    bad = ~np.isfinite(found)
    if bad.any():
        which = name_of(post.design, units)(int(chosen[np.argmax(bad.any(axis=0))]))
        raise ConvergenceError(
            f"The density of {which} given all others is not a number at {int(bad.any(axis=1).sum())} draws.",
            "Expected a posterior whose draws are all within reach of the arithmetic.",
            "Look at the draws: a sd may be 0 or enormous. Proper priors, or scaled columns, keep it in bounds.",
        )
    return found


def require_units(post: CrossValidation, units: Units, codes: Integers, names: Callable[[int], str]) -> None:
    """Refuse to leave out what a fixed effect rests on; codes (n,) say which rows go together."""
    require_determined(post.design, post.products, post.priors.numbers, codes, names)


def refit_settings(post: CrossValidation, seed: int | None) -> Settings:
    """How the posterior was sampled, with another seed."""
    posterior = post.idata["posterior"]
    asked = posterior.attrs
    target = asked.get("target_accept")
    return Settings(
        draws=int(posterior.sizes["draw"]),
        tune=int(asked.get("tune", 300)),
        chains=int(posterior.sizes["chain"]),
        seed=seed,
        sampler="pymc" if asked.get("sampler") == "pymc" else "nutpie",
        target_accept=None if target is None else float(target),
        progress=False,
    )


def refit_each(
    post: CrossValidation, units: Units, parts: Sequence[Integers], seed: int | None, progress: bool, title: str
) -> list[tuple[Integers, Floats]]:
    """Sample the posterior without each part of the units; log mean density (G,) of each part, given the rest.

    Ctrl-C ends it after the refit in work; what is finished is returned.
    """
    done: list[tuple[Integers, Floats]] = []
    seeds = np.random.SeedSequence(seed).generate_state(len(parts), np.uint32)
    with progress_bar(len(parts), progress, title) as advance, asked_to_stop() as stop:
        try:
            for part, own in zip(parts, seeds, strict=True):
                if stop():
                    break
                done.append((part, _refit(post, units, part, int(own))))
                advance()
        except KeyboardInterrupt:  # in a thread that has no signals
            pass
    if len(done) < len(parts):
        if not done:
            raise KeyboardInterrupt
        said = f"Interrupted: {len(done)} of {len(parts)} refits were finished and are kept."
        warnings.warn(said, BayesmixWarning, stacklevel=4)
    return done


def _refit(post: CrossValidation, units: Units, part: Integers, seed: int) -> Floats:
    """log p(y_g | rows without those of the part), averaged over the posterior of these rows, (G,)."""
    from scipy.special import logsumexp

    priors, kept = post.priors.numbers, ~np.isin(units.codes, part)
    draws = sample_without(post.design, post.products, priors, kept, refit_settings(post, seed))
    found = log_predictive(post.design, post.products, priors, draws, units, part, kept)
    return np.asarray(logsumexp(_finite(found, post, units, part), axis=0) - np.log(len(found)))
