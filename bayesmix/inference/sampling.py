"""NUTS over the variance parameters, with nutpie or PyMC; compiled graphs are kept and fed other data."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError, BayesmixWarning
from bayesmix.inference.graph import graph_data, marginal_graph
from bayesmix.inference.variables import FreeVariable, jittered, unconstrained

Floats = NDArray[np.float64]

# Warm-up and kept draws of all chains; beyond, the sampler's arrays end the process.
MOST_DRAWS = 100_000_000


@dataclass(frozen=True)
class Settings:
    """How long and how to sample.

    Parameters
    ----------
    draws, tune, chains : int
        Kept and warm-up draws of each chain, and the number of chains.
    cores : int or None
        Chains run at a time; None for as many as there are processors.
    seed : int or None
    sampler : {"nutpie", "pymc"}
    target_accept : float or None
        None for the sampler's own (0.8).
    progress : bool
        Whether to show a progress bar.
    """

    draws: int = 1000
    tune: int = 300
    chains: int = 4
    cores: int | None = None
    seed: int | None = None
    sampler: str = "nutpie"
    target_accept: float | None = None
    progress: bool = True

    def __post_init__(self) -> None:
        for name, least in (("draws", 4), ("tune", 1), ("chains", 1), ("cores", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is None and name in ("cores", "seed"):
                continue
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise ArgumentError(
                    f"{name}={value!r}.", f"Expected a whole number of at least {least}.", f"Correct {name}."
                )
        if not isinstance(self.progress, bool):
            raise ArgumentError(
                f"progress={self.progress!r}.", "Expected True or False.", "Leave it out, or write False."
            )
        self._require_size()
        if not isinstance(self.sampler, str) or self.sampler not in ("nutpie", "pymc"):
            raise ArgumentError(
                f"sampler={self.sampler!r} is not offered.", "Expected 'nutpie' or 'pymc'.", "Choose one of these."
            )
        target = self.target_accept
        if target is not None and not (isinstance(target, float | np.floating) and 0 < target < 1):
            raise ArgumentError(f"target_accept={target!r}.", "Expected a number between 0 and 1.", "Try 0.95.")

    def _require_size(self) -> None:
        """Refuse numbers beyond what the samplers can count, which end the process."""
        if self.seed is not None and self.seed >= 2**64:
            raise ArgumentError(
                f"seed={self.seed}.", f"Expected a whole number below 2^64, {2**64}.", "Choose a smaller one."
            )
        total = int(self.chains) * (int(self.draws) + int(self.tune))
        if total > MOST_DRAWS:
            raise ArgumentError(
                f"draws={self.draws}, tune={self.tune}, chains={self.chains}: {total} draws.",
                f"Expected at most {MOST_DRAWS}.",
                "A few thousand do for most posteriors.",
            )

    @property
    def workers(self) -> int:
        """Chains run at a time."""
        return self.cores or min(self.chains, os.cpu_count() or 1)


@dataclass(frozen=True)
class RawDraws:
    """What a sampler returned, free variables by name.

    Parameters
    ----------
    values : dict of (chains, draws) or (chains, draws, size) arrays
    stats : Dataset
        Sampler statistics by chain and draw.
    complete : bool
        False where sampling was interrupted and only finished chains were kept.
    """

    values: dict[str, Floats]
    stats: xr.Dataset
    complete: bool = True


# Compiled graphs by shape, each with the names its free variables had when it was compiled.
_compiled: dict[Any, tuple[Any, list[str]]] = {}
_KEPT = 64


def sample_graph(
    build: Callable[[], pm.Model],
    shape: Any,
    variables: tuple[FreeVariable, ...],
    start: list[Floats],
    settings: Settings,
) -> RawDraws:
    """Sample a marginal graph.

    Parameters
    ----------
    build : callable
        Makes the PyMC model. Where a graph of this shape is kept and this is a partial of ``marginal_graph``, only its
        data are made.
    shape : hashable
        Identifies graphs that differ only in data.
    variables : tuple of FreeVariable
        Its free variables, in order.
    start : list of arrays
        Values near which the chains start.
    settings : Settings
    """
    kept = settings.sampler == "nutpie" and shape in _compiled
    if kept and isinstance(build, partial) and build.func is marginal_graph:
        # Building the graph takes longer than sampling a small model, and PyMC forgets none.
        return _sample_nutpie(graph_data(*build.args), shape, variables, start, settings)
    model = build()
    names = [variable.name for variable in model.free_RVs]
    assert names == [variable.name for variable in variables], names
    if settings.sampler == "pymc":
        return _sample_pymc(model, variables, start, settings)
    if shape not in _compiled:
        _compile(model, shape, variables, settings)
    data = {variable.name: variable.get_value() for variable in model.data_vars}
    return _sample_nutpie(data, shape, variables, start, settings)


def _compile(model: pm.Model, shape: Any, variables: tuple[FreeVariable, ...], settings: Settings) -> None:
    """Compile a graph and keep it."""
    import nutpie

    if settings.progress:
        print("Compiling the model (some seconds; kept for the next fit of this shape).", flush=True)
    with _quiet_compilers():
        compiled = nutpie.compile_pymc_model(model, var_names=[variable.name for variable in variables])
    while len(_compiled) >= _KEPT:
        _compiled.pop(next(iter(_compiled)))
    _compiled[shape] = compiled, [variable.name for variable in variables]


def _sample_nutpie(
    data: dict[str, Any], shape: Any, variables: tuple[FreeVariable, ...], start: list[Floats], settings: Settings
) -> RawDraws:
    """Feed a kept graph; start near REML; keep finished chains when interrupted."""
    import nutpie

    compiled, own_names = _compiled[shape]
    held = {variable.name for variable in compiled.shared_var_keys}
    fed = compiled.with_data(**{name: value for name, value in data.items() if name in held})
    fed = replace(fed, initial_point_func=_initial_point(variables, start))
    options = {} if settings.target_accept is None else {"target_accept": settings.target_accept}
    seed = settings.seed if settings.seed is not None else int(np.random.SeedSequence().generate_state(1)[0])
    with _progress(settings) as callback:
        running = nutpie.sample(
            fed,
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            cores=settings.workers,
            seed=seed,
            save_warmup=False,
            progress_bar=settings.progress and callback is None,
            progress_callback=callback,
            blocking=False,
            **options,
        )
        try:
            tree, complete = running.wait(), True
        except KeyboardInterrupt:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about arrays that end early; what is kept is decided below
                tree, complete = running.abort(), False
    return _collect(tree, own_names, variables, settings, complete)


def _initial_point(variables: tuple[FreeVariable, ...], start: list[Floats]) -> Callable[[Any], Floats]:
    """A chain's start from its seed, in the sampler's coordinates."""

    def initial_point(seed: Any) -> Floats:
        return unconstrained(variables, jittered(variables, start, np.random.default_rng(seed)))

    return initial_point


def _collect(
    tree: Any, own_names: list[str], variables: tuple[FreeVariable, ...], settings: Settings, complete: bool
) -> RawDraws:
    """Arrays by this model's names (a kept graph has those of the model it was compiled for)."""
    dataset = tree["posterior"].to_dataset()
    found = {name: dataset[name].to_numpy() for name in dataset.data_vars}
    stats = tree["sample_stats"].to_dataset()
    finished = np.arange(stats.sizes["chain"])
    if not complete:
        first = next(iter(found.values()))
        finished = finished[:0]
        if first.shape[1] == settings.draws:
            missing = np.isnan(first).reshape(first.shape[0], -1).any(axis=1)
            finished = np.flatnonzero(~missing)
        if finished.size == 0:
            raise KeyboardInterrupt
        stats = stats.isel(chain=finished)
        warnings.warn(
            f"Interrupted: {finished.size} of {settings.chains} chains were finished and are kept.",
            BayesmixWarning,
            stacklevel=6,
        )
    values = {}
    for variable, name in zip(variables, own_names, strict=True):
        value = found[name][finished]
        flat = variable.kind in ("share", "effects")
        values[variable.name] = value.reshape(*value.shape[:2], -1) if flat else value
    return RawDraws(values, stats, complete)


def _sample_pymc(
    model: pm.Model, variables: tuple[FreeVariable, ...], start: list[Floats], settings: Settings
) -> RawDraws:
    """PyMC's own NUTS, started at the same places."""
    seeds = np.random.SeedSequence(settings.seed).spawn(settings.chains)
    starts = []
    for seed in seeds:
        moved = jittered(variables, start, np.random.default_rng(seed))
        starts.append({v.name: _shaped(v, value) for v, value in zip(variables, moved, strict=True)})
    options = {} if settings.target_accept is None else {"target_accept": settings.target_accept}
    if settings.progress:
        print("Compiling the model (some seconds).", flush=True)
    with _quiet_compilers(), _interrupts():
        tree = pm.sample(
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            cores=settings.workers,
            random_seed=settings.seed,
            model=model,
            initvals=starts,
            init="adapt_diag",
            nuts_sampler="pymc",
            var_names=[variable.name for variable in variables],
            progressbar=settings.progress,
            compute_convergence_checks=False,
            quiet=True,
            **options,
        )
    whole = tree["posterior"].sizes["chain"] == settings.chains
    return _collect(tree, [variable.name for variable in variables], variables, settings, whole)


def _shaped(variable: FreeVariable, value: Floats) -> Any:
    """A start as the graph has it: a number, a vector or a matrix."""
    if variable.columns:
        return value.reshape(-1, variable.columns)
    return value if variable.kind == "share" else value[0]


@contextmanager
def _interrupts() -> Iterator[None]:
    """PyMC, interrupted before any chain is finished, complains of too few samples: that was an interrupt."""
    try:
        yield
    except ValueError as problem:
        if "Not enough samples" in str(problem):
            raise KeyboardInterrupt from None
        raise


@contextmanager
def _progress(settings: Settings) -> Iterator[Any]:
    """PyMC's progress bar fed by nutpie; None where there is no such thing, and nutpie shows its own."""
    if not settings.progress:
        yield None
        return
    try:
        from pymc.progress_bar.progress import NutpieProgressBarManager
    except ImportError:
        yield None
        return
    manager = NutpieProgressBarManager(chains=settings.chains, draws=settings.draws, progressbar=True)
    with manager:
        yield manager.update


@contextmanager
def _quiet_compilers() -> Iterator[None]:
    """Hide what compilers say about their own internals; nothing of ours is hidden."""
    import numba

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", numba.NumbaWarning)
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"(pytensor|pymc|nutpie)\..*")
        # PyMC forks its workers on Linux; another way would run a script without a main guard once more.
        warnings.filterwarnings(
            "ignore", message=r".*use of fork\(\) may lead to deadlocks.*", category=DeprecationWarning
        )
        yield
