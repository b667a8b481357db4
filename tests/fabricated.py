"""Posteriors whose draws are made up: the surface of a posterior needs no sampling, and no graph is compiled."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import bayesmix as bx
from bayesmix.inference.draws import EffectDraws, VarianceDraws
from bayesmix.inference.sampling import RawDraws
from bayesmix.results.posterior import build_idata

Floats = NDArray[np.float64]


def fabricated(
    model: bx.Model,
    rng: np.random.Generator,
    *,
    keep: bool = True,
    chains: int = 2,
    draws: int = 5,
    beta: Floats | None = None,
    sigma: Floats | None = None,
) -> bx.BayesFit:
    """A posterior of a model, random numbers for the draws that are not given, (chains draws, ...).

    Group effects are kept, or only their means and sds.
    """
    design, total = model.design, chains * draws
    sigma = rng.uniform(0.5, 2.0, size=total) if sigma is None else sigma
    factors = []
    for level in design.levels:
        q = len(level.effects)
        root = np.tril(rng.normal(size=(total, q, q)))
        for start, stop in level.blocks:
            root[:, start:stop, :start] = 0.0
        factors.append(root)
    sizes = [(len(level.grouping.labels), len(level.effects)) for level in design.levels]
    effects = tuple(rng.normal(size=(total, *size)) for size in sizes)
    summary = tuple(u.mean(axis=0) for u in effects), tuple(u.std(axis=0, ddof=1) for u in effects)
    beta = rng.normal(size=(total, len(design.fixed))) if beta is None else beta
    drawn = EffectDraws(beta, effects if keep else None, *summary)
    raw = RawDraws({"sigma": sigma.reshape(chains, draws)}, _statistics(chains, draws))
    attributes: dict[str, Any] = {"formula": model.formula, "sampler": "none"}
    idata = build_idata(design, (), raw, VarianceDraws(sigma, tuple(factors)), drawn, attributes)
    return bx.BayesFit(design, model.products, model.priors, idata, drawn)


def _statistics(chains: int, draws: int) -> xr.Dataset:
    """No divergences."""
    coords = {"chain": np.arange(chains), "draw": np.arange(draws)}
    return xr.Dataset({"diverging": (("chain", "draw"), np.zeros((chains, draws), dtype=bool))}, coords=coords)
