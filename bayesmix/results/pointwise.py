"""The log likelihood of every row, draw by draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmix.design import Design
from bayesmix.results.parameters import Parameters, all_draws

Floats = NDArray[np.float64]

# Memory for residuals in work at a time.
_CHUNK_BYTES = 64_000_000


def pointwise_log_likelihood(design: Design, parameters: Parameters, effects: Sequence[Floats]) -> Floats:
    """log p(y_i | beta, u, sigma) of every row.

    Parameters
    ----------
    design : Design
        Rows, weights and offset.
    parameters : Parameters
        (C, D, ...) draws.
    effects : sequence of (C, D, J, q) arrays
        Of each level, groups in the order of their labels.

    Returns
    -------
    (C, D, N) array
        Normal densities with variance sigma^2 / w_i.
    """
    shape, n = parameters.sigma.shape, design.n
    sigma = parameters.sigma.reshape(-1, 1)
    beta = parameters.beta.reshape(len(sigma), parameters.beta.shape[-1])
    flat = [all_draws(u) for u in effects]
    log_weights = 0.0 if design.weights is None else 0.5 * np.log(design.weights)
    root_weights = 1.0 if design.weights is None else np.sqrt(design.weights)
    out = np.empty((len(sigma), n))
    step = max(1, _CHUNK_BYTES // (8 * n))
    for start in range(0, len(sigma), step):
        part = slice(start, start + step)
        rest = out[part]
        np.matmul(beta[part], design.fixed_values.T, out=rest)
        for u, level in zip(flat, design.levels, strict=True):
            for a, place in enumerate(level.places):
                rest += u[part, :, a][:, level.grouping.codes] * design.values[:, place]
        np.subtract(design.response - design.offset, rest, out=rest)
        rest *= root_weights / sigma[part]
        np.square(rest, out=rest)
        rest *= -0.5
        rest += log_weights - 0.5 * np.log(2 * np.pi) - np.log(sigma[part])
    return out.reshape(*shape, n)


def add_log_likelihood(
    idata: xr.DataTree, design: Design, parameters: Parameters, effects: Sequence[Floats]
) -> xr.DataTree:
    """A tree of the same groups and ``log_likelihood``, whose attributes say what each row is given."""
    values = pointwise_log_likelihood(design, parameters, effects)
    names = ", ".join(level.name for level in design.levels)
    given = f"the effects of {names}, beta and sigma" if names else "beta and sigma"
    attributes = {
        "given": given,
        "note": f"log p(y_i | {given}): conditional on the group effects, so that leave-one-out asks for another row "
        "of a known group."
        if names
        else f"log p(y_i | {given}).",
        "response": design.specification.response.text,
    }
    coords = {name: idata["posterior"].coords[name].to_numpy() for name in ("chain", "draw")}
    group = xr.Dataset({"y": (("chain", "draw", "__obs__"), values)}, coords=coords, attrs=attributes)
    groups = {node.path: node.to_dataset(inherit=False) for node in idata.subtree}
    return xr.DataTree.from_dict({**groups, "/log_likelihood": group})
