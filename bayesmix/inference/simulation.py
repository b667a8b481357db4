"""New responses from a fit: as cross-products without rows, or row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.design.response import read_rows, with_response

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator], CrossProducts]

# Eigenvalues of W'W below this share of the largest are rounding.
RANK_TOLERANCE = 1e-10


class Truth(Protocol):
    """What responses are drawn from: an optimum, or parameters someone chose."""

    @property
    def beta(self) -> Floats:
        """Fixed effects, (p,)."""

    @property
    def factors(self) -> tuple[Floats, ...]:
        """A root of the covariance of each level relative to sigma, (q, q)."""

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""


@dataclass(frozen=True)
class KnownTruth:
    """Parameters that were chosen, or drawn from their priors.

    Parameters
    ----------
    beta : (p,) array
        Fixed effects.
    factors : tuple of (q, q) arrays
        A root of the covariance of each level relative to sigma.
    sigma : float
        Residual standard deviation.
    """

    beta: Floats
    factors: tuple[Floats, ...]
    sigma: float


def is_nested(products: CrossProducts) -> bool:
    """Whether every level is part of the tree of groups."""
    return products.crossing is None


def products_drawer(products: CrossProducts, solution: Truth) -> Draw:
    """Draws of the cross-products of a nested design with a new response, without its rows.

    In a lowest group, y = W a + e with a = the sum of what the effects of the group and of those above it add. So
    W'y = W'W a + W'e and y'y = a'W'W a + 2 a'W'e + e'e, with W'e = sigma U z for W'W = U U' and z standard normal, and
    e'e = sigma^2 (z'z + chi-square on the rows left): exact, and the same work whatever the number of rows.

    Parameters
    ----------
    products : CrossProducts
    solution : Truth
        The truth of the simulation.

    Returns
    -------
    callable
        From a generator to cross-products.
    """
    draw = tree_drawer(products)
    return lambda rng: draw(solution, rng)[0]


def tree_drawer(
    products: CrossProducts,
) -> Callable[[Truth, np.random.Generator], tuple[CrossProducts, tuple[Floats, ...]]]:
    """The same for any truth, with the group effects drawn: (J, q) of each level in depth-first order."""
    scale = products.response_scale
    inner = products.sums[:, :-1, :-1]
    values, vectors = np.linalg.eigh(inner)
    kept = values > RANK_TOLERANCE * values[:, -1:]
    roots = vectors * np.sqrt(np.where(kept, values, 0.0))[:, None, :]
    left = np.maximum(products.sizes - kept.sum(axis=1), 0.0)
    starts = np.concatenate([[0], np.cumsum([level.n_groups for level in products.levels])])

    def draw(solution: Truth, rng: np.random.Generator) -> tuple[CrossProducts, tuple[Floats, ...]]:
        a = np.zeros((0, products.width - 1))
        effects: list[Floats] = []
        for number in range(len(products.levels) - 1, -1, -1):
            level = products.levels[number]
            noise = rng.standard_normal((level.n_groups, level.basis.shape[1]))
            u = noise @ (solution.sigma / scale * solution.factors[number]).T
            effects.insert(0, scale * u)
            own = np.zeros((level.n_groups, products.width - 1))
            own[:, level.columns] = u @ level.basis.T
            if number + 1 < len(products.levels):
                own += a[products.parent[starts[number] : starts[number + 1]] - starts[number + 1]]
            a = own
        if not products.levels:
            a = np.zeros((1, products.width - 1))
        z = np.where(kept, rng.standard_normal(kept.shape), 0.0)
        noise = solution.sigma / scale * np.einsum("jrk,jk->jr", roots, z)
        squares = (z**2).sum(axis=1) + rng.chisquare(np.maximum(left, 1.0)) * (left > 0)
        across = np.einsum("jrk,jk->jr", inner, a) + noise
        sums = products.sums.copy()
        sums[:, :-1, -1] = sums[:, -1, :-1] = across
        sums[:, -1, -1] = ((across + noise) * a).sum(axis=1) + (solution.sigma / scale) ** 2 * squares
        sums.flags.writeable = False
        return replace(products, sums=sums, response_fit=solution.beta), tuple(effects)

    return draw


def rows_drawer(design: Design, products: CrossProducts, solution: Truth) -> Draw:
    """The same by simulating every row, for any design."""
    rows = read_rows(design, products)

    def draw(rng: np.random.Generator) -> CrossProducts:
        return with_response(design, products, simulated_rows(design, solution, rng), rows)

    return draw


def simulated_rows(
    design: Design, solution: Truth, rng: np.random.Generator, effects: tuple[Floats, ...] | None = None
) -> Floats:
    """One new response, (n,): fixed part, group effects and residuals.

    Parameters
    ----------
    effects : tuple of (J, q) arrays, optional
        Group effects of each level in label order; by default new ones are drawn.
    """
    y = design.fixed_values @ solution.beta + design.offset
    for number, level in enumerate(design.levels):
        if effects is None:
            shape = len(level.grouping.labels), len(level.effects)
            u = solution.sigma * rng.standard_normal(shape) @ solution.factors[number].T
        else:
            u = effects[number]
        y = y + np.einsum("nq,nq->n", design.values[:, level.places], u[level.grouping.codes])
    noise = solution.sigma * rng.standard_normal(design.n)
    return np.asarray(y + (noise if design.weights is None else noise / np.sqrt(design.weights)))
