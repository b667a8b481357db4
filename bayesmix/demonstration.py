"""``python -m bayesmix`` without arguments: the main job on real data."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

import bayesmix as bx
from bayesmix.inference.draws import effect_draws, variance_draws
from bayesmix.inference.geometry import Geometry
from bayesmix.inference.graph import marginal_graph
from bayesmix.inference.sampling import Settings, sample_graph
from bayesmix.inference.variables import free_variables

FORMULA = "math ~ ses + (ses | school)"
# A REML fit that takes longer than this has compiled, so there is something to compile for the sampler too.
COLD_SECONDS = 4.0


def main() -> None:
    """Fit the High School & Beyond model by REML and by NUTS, compare, and save the posterior."""
    print(f"High School & Beyond: {FORMULA}, 7,185 pupils in 160 schools,")
    print("by REML, then by NUTS from the same likelihood, then side by side.")
    print("The first time on a machine, compiling takes about half a minute; after that some seconds.\n", flush=True)
    begun = time.perf_counter()
    ahead = compile_ahead()
    model = bx.Model(FORMULA, bx.load_dataset("hsb"))
    started = time.perf_counter()
    print(model.reml(), "\n", flush=True)
    finish(ahead, cold=time.perf_counter() - started > COLD_SECONDS)
    post = model.sample(seed=20)
    print(post, "\n")
    print(bx.compare(model.reml(), post), "\n")
    path = post.save(Path("hsb.nc"))
    print(
        f"Posterior saved to {path} ({path.stat().st_size / 1e6:.1f} MB). {time.perf_counter() - begun:.0f} s in all."
    )


def compile_ahead() -> subprocess.Popen[bytes] | None:
    """Compile what sampling needs in a second process, into the caches on disk, while this one fits by REML."""
    if (os.cpu_count() or 1) < 2:
        return None
    job = "from bayesmix.demonstration import fill_caches; fill_caches()"
    quiet = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-c", job], stdin=quiet, stdout=quiet, stderr=quiet)


def fill_caches() -> None:
    """Compile the sampler's graph and the exact draws of this model, whose geometry is known, without the REML fit."""
    model = bx.Model(FORMULA, bx.load_dataset("hsb"))
    geometry = Geometry(((False, True),))
    variables = free_variables(model.design, model.priors.numbers, geometry)
    build = partial(marginal_graph, model.design, model.products, model.priors.numbers, geometry)
    start = [np.array([value]) for value in (6.0, 2.0, 0.6, 0.5)]
    raw = sample_graph(build, "ahead", variables, start, Settings(draws=4, tune=2, chains=1, seed=1, progress=False))
    flat = {name: value[0] for name, value in raw.values.items()}
    variances = variance_draws(model.design, model.priors.numbers, geometry, flat)
    effect_draws(model.products, model.design, model.priors.numbers, variances, np.random.default_rng(1), keep=True)


def finish(ahead: subprocess.Popen[bytes] | None, cold: bool) -> None:
    """Wait for the second process where it spares this one a compilation, end it where the caches were warm."""
    if ahead is None:
        return
    try:
        if cold:
            ahead.wait()
    finally:
        ahead.kill()
        ahead.wait()


if __name__ == "__main__":
    main()
