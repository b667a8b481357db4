"""Marginal likelihoods of balanced layouts by quadrature, nothing of the likelihood of bayesmix in them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import logsumexp

import bayesmix as bx
from bayesmix.inference.folded import fold
from tests.fabricated import fabricated

Floats = NDArray[np.float64]


def over_quantiles(priors: Sequence[Callable[[Floats], Floats]], log_density: Callable[..., Floats], n: int) -> float:
    """Log of the mean of a density over independent priors, given as quantile functions, by Gauss-Legendre."""
    place, weight = np.polynomial.legendre.leggauss(n)
    values = np.meshgrid(*(np.asarray(ppf((place + 1) / 2)) for ppf in priors), indexing="ij")
    weights = np.meshgrid(*([np.log(weight / 2)] * len(priors)), indexing="ij")
    return float(logsumexp(log_density(*values) + sum(weights)))


def one_way(y: Floats, group: Floats, mean: float, sd: float) -> Callable[[Floats, Floats], Floats]:
    """log p(y | sigma, tau) of a balanced layout, the mean Normal(mean, sd) integrated: V has three eigenvalues."""
    labels, codes = np.unique(group, return_inverse=True)
    means = np.bincount(codes, weights=y) / np.bincount(codes)
    n, J, size = len(y), len(labels), len(y) / len(labels)
    within = float(((y - means[codes]) ** 2).sum())
    between = float(size * ((means - y.mean()) ** 2).sum())

    def log_density(sigma: Floats, tau: Floats) -> Floats:
        low, mid = sigma**2, sigma**2 + size * tau**2
        top = mid + n * sd**2
        logs = n * np.log(2 * np.pi) + (n - J) * np.log(low) + (J - 1) * np.log(mid) + np.log(top)
        return -0.5 * (logs + within / low + between / mid + n * (y.mean() - mean) ** 2 / top)

    return log_density


def null_posterior(model: bx.Model, seed: int, draws: int = 1000) -> bx.BayesFit:
    """Exact, independent draws of sigma of a model without levels, by the quantiles of its posterior on a grid."""
    rng = np.random.default_rng(seed)
    target = fold(model.design, model.products, model.priors.numbers, {})
    spread = np.log(model.design.response.std()) + np.linspace(-8, 4, 4001)
    share = np.exp(target.log_density(spread[:, None]) - target.log_density(spread[:, None]).max())
    mass = np.cumsum(share) / share.sum()
    sigma = np.exp(np.interp(rng.uniform(size=4 * draws), mass, spread))
    made = fabricated(model, rng, chains=4, draws=draws, sigma=sigma)
    group = xr.Dataset({"sigma": (("chain", "draw"), sigma.reshape(4, draws))})
    groups = {node.path: node.to_dataset(inherit=False) for node in made.idata.subtree}
    return replace(made, idata=xr.DataTree.from_dict({**groups, "/unconstrained_posterior": group}))


def with_raw(post: bx.BayesFit, change: Callable[[xr.Dataset], xr.Dataset | None]) -> bx.BayesFit:
    """The posterior with the draws of the sampler's variables changed, or without them."""
    groups = {node.path: node.to_dataset(inherit=False) for node in post.idata.subtree}
    changed = change(groups.pop("/unconstrained_posterior"))
    groups |= {} if changed is None else {"/unconstrained_posterior": changed}
    return replace(post, idata=xr.DataTree.from_dict(groups))


def apart(raw: xr.Dataset) -> xr.Dataset:
    """Chains that have not met."""
    return raw.assign(sigma=raw["sigma"] * xr.DataArray([1.0, 1.0, 1.0, 3.0], dims="chain"))
