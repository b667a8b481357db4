"""Microseconds for one value of the log likelihood with its gradient; they do not grow with the rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

import bayesmix as bx
from bayesmix.inference.priors import beta_prior_vector
from bayesmix.likelihood.coordinates import fit_coordinates, user_coordinates
from bayesmix.likelihood.evaluation import log_density
from bayesmix.likelihood.kernels import profiled
from benchmarks.problems import PROBLEMS
from benchmarks.processes import say
from benchmarks.tables import spread, table, times

BATCH_SECONDS = 0.02


def report(quick: bool) -> str:
    """Microseconds for three data sets as Markdown.

    Parameters
    ----------
    quick : bool
        5 batches of about 20 ms for each instead of 40.
    """
    batches = 5 if quick else 40
    say("likelihood")
    models = {
        "HSB": _model("hsb"),
        "HSB, every row 10 times": _model("hsb", copies=10),
        "egsingle": _model("egsingle"),
    }
    calls = {name: (_criterion(model), _density(model)) for name, model in models.items()}
    counts = {name: tuple(_batch_size(call) for call in pair) for name, pair in calls.items()}
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in models}
    for _ in range(batches):
        for name, pair in calls.items():
            for call, count, seconds in zip(pair, counts[name], found[name], strict=True):
                seconds.append(_seconds(call, count) / count)
    base = [float(np.median(seconds)) for seconds in found["HSB"]]
    rows = []
    for name, model in models.items():
        ratios = [times(float(np.median(s)) / b) for s, b in zip(found[name], base, strict=True)]
        groups = ", ".join(f"{count:,}" for count in model.groups.values())
        rows.append([name, *ratios, *(spread(s, 1e6) for s in found[name]), f"{model.n:,}", groups])
    header = ("Data", "REML : HSB", "density : HSB", "REML, µs", "density, µs", "rows", "groups, lowest level first")
    return "\n\n".join(
        [
            "## One log likelihood with its gradient",
            "REML: the profiled criterion that is minimised; density: the marginal log density that NUTS samples, with "
            f"the prior of the fixed effects. {batches} batches in turns, each call from Python with its cost; medians "
            "(quartiles) in microseconds.",
            table(header, rows),
        ]
    )


def _model(name: str, copies: int = 1) -> bx.Model:
    """A model of the problem's rows, each so many times."""
    return bx.Model(PROBLEMS[name].formula, pd.concat([PROBLEMS[name].frame()] * copies, ignore_index=True))


def _criterion(model: bx.Model) -> Callable[[], Any]:
    """The kernel REML calls, at relative standard deviations of 0.6."""
    coordinates = fit_coordinates(model.products)
    layout = coordinates.layout
    theta = layout.theta(tuple(0.6 * np.eye(level.n_effects) for level in layout.levels))
    return partial(profiled, theta, coordinates.packed, coordinates.body, True)


def _density(model: bx.Model) -> Callable[[], Any]:
    """The kernel NUTS calls, at the REML estimate."""
    coordinates = user_coordinates(model.products)
    fit = model.reml()
    vector = np.concatenate([coordinates.packed, coordinates.body])
    prior = beta_prior_vector(model.priors.numbers, coordinates, model.products)
    return partial(log_density, vector, prior, fit.theta * fit.sigma, fit.sigma, np.zeros(0))


def _seconds(call: Callable[[], Any], count: int) -> float:
    """Seconds of so many calls."""
    begun = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - begun


def _batch_size(call: Callable[[], Any]) -> int:
    """How many calls make a batch; the first, which loads or compiles the kernel, is not counted."""
    call()
    return max(1, round(BATCH_SECONDS / (_seconds(call, 10) / 10)))
