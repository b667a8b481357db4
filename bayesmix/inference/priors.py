"""Prior distributions of one model as frozen numbers, the same ever after; and what they become in the kernels."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts
from bayesmix.errors import PriorError
from bayesmix.inference.distributions import Beta, Distribution, Flat, Normal
from bayesmix.likelihood.coordinates import Coordinates
from bayesmix.likelihood.kernels import FLAT, NORMAL, PARTIAL

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LKJ:
    """Correlation matrices with density proportional to |C|^(eta - 1) (Lewandowski, Kurowicka & Joe 2009)."""

    eta: float

    def __str__(self) -> str:
        return f"LKJ({self.eta:g})"


@dataclass(frozen=True)
class UniformPartials:
    """Uniform canonical partial correlations; for two effects a uniform correlation."""

    def __str__(self) -> str:
        return "uniform partial correlations"


@dataclass(frozen=True)
class Decov:
    """rstanarm's prior of the sds of a block of q correlated effects: sd_k = sigma tau sqrt(q pi_k).

    tau ~ Gamma(shape, 1/scale) is the size of all of them relative to sigma, pi ~ Dirichlet(concentration) how they
    share it.
    """

    shape: float = 1.0
    scale: float = 1.0
    concentration: float = 1.0

    def __str__(self) -> str:
        return f"decov({self.shape:g}, {self.scale:g}, {self.concentration:g}) in units of sigma"


@dataclass(frozen=True)
class IccPrior:
    """A prior of the share of an intercept's variance in that of all intercepts and the residual."""

    share: Beta

    def __str__(self) -> str:
        return f"ICC ~ {self.share}"


@dataclass(frozen=True)
class R2D2:
    """A prior of the share R2 of variance that the fixed effects explain, of all but group effects.

    W = R2/(1 - R2) is shared out, phi ~ Dirichlet(concentration), and each coefficient is Normal(0, sigma
    sqrt(phi_j W)/sd(x_j)): exact for predictors that are not correlated (Zhang, Naughton, Bondell & Reich 2022).

    Parameters
    ----------
    share : Beta
        Of R2.
    concentration : float
    spreads : tuple of float
        sd(x_j), one for each of these coefficients.
    """

    share: Beta
    concentration: float
    spreads: tuple[float, ...]

    def __str__(self) -> str:
        return f"R2 ~ {self.share}, Dirichlet({self.concentration:g})"


SdPrior = Distribution | Decov | IccPrior
BetaPrior = Distribution | R2D2


@dataclass(frozen=True)
class LevelPriors:
    """Priors of one level: one for each sd, one for the correlations of every block.

    The effects of a block share one :class:`Decov`.
    """

    sds: tuple[SdPrior, ...]
    correlation: LKJ | UniformPartials


# Of a level whose effects do not correlate: without meaning, but one and the same.
NO_CORRELATION = LKJ(1.0)


@dataclass(frozen=True)
class Sources:
    """Where each prior comes from, in words; in the order of :class:`Priors`."""

    beta: tuple[str, ...] = ()
    sds: tuple[tuple[str, ...], ...] = ()
    correlations: tuple[str, ...] = ()
    sigma: str = ""


@dataclass(frozen=True)
class Priors:
    """Priors of every parameter.

    Parameters
    ----------
    preset : str
        Name of the preset the others were set in.
    beta : tuple of Distribution or R2D2
        One for each fixed effect; that of ``Intercept`` is for the intercept at the means of the other columns. An
        R2D2 prior is one for all but the intercept.
    levels : tuple of LevelPriors
        Lowest level first.
    sigma : Distribution
        Residual standard deviation.
    intercept : int or None
        Place of ``Intercept`` among the fixed effects.
    sources : Sources
    """

    preset: str
    beta: tuple[BetaPrior, ...]
    levels: tuple[LevelPriors, ...]
    sigma: Distribution
    intercept: int | None
    sources: Sources = field(default=Sources(), compare=False)

    @property
    def beta_is_flat(self) -> bool:
        """Whether the fixed effects have no prior."""
        return all(isinstance(prior, Flat) for prior in self.beta)

    @property
    def given(self) -> tuple[int, ...]:
        """Fixed effects that are sampled: those whose prior is neither normal nor flat."""
        return tuple(j for j, prior in enumerate(self.beta) if not isinstance(prior, Normal | Flat))

    @property
    def improper(self) -> bool:
        """Whether any prior does not integrate to 1."""
        every = [*self.beta, self.sigma, *(sd for level in self.levels for sd in level.sds)]
        return any(isinstance(prior, Flat) for prior in every)

    @property
    def r2(self) -> R2D2 | None:
        """The prior of R2, if there is one."""
        return next((prior for prior in self.beta if isinstance(prior, R2D2)), None)


def require_drawable(priors: Priors) -> None:
    """Refuse to draw from a prior that is flat somewhere.

    Raises
    ------
    PriorError
        With what is flat.
    """
    if priors.improper:
        flat = [str(j + 1) for j, prior in enumerate(priors.beta) if isinstance(prior, Flat)]
        which = "s" if len(flat) == len(priors.beta) else f" number {', '.join(flat)}"
        raise PriorError(
            f"The fixed effect{which} {'have' if which == 's' else 'has'} flat priors."
            if flat
            else "A standard deviation has flat priors.",
            "Expected proper priors to draw a response from.",
            "Use priors='default', set proper ones, or draw from the posterior.",
        )


def column_means(products: CrossProducts) -> Floats:
    """Means of the columns of X, (p,): their coordinate on the constant, in which the weights are left out."""
    return np.asarray(products.fixed_basis[0] / np.sqrt(products.mean_weight))


def stated_on(priors: Priors, products: CrossProducts) -> Floats:
    """From the user's coefficients to those the priors are on, (p, p)."""
    means = np.eye(products.n_fixed)
    if priors.intercept is not None:
        means[priors.intercept] = column_means(products)
    return means


def given_shift(priors: Priors, products: CrossProducts) -> Floats:
    """What the given coefficients lose before they enter the kernel, whose response is that left by least squares."""
    return (stated_on(priors, products) @ products.response_fit)[list(priors.given)]


def beta_prior_vector(priors: Priors, coordinates: Coordinates, products: CrossProducts) -> Floats:
    """The prior of the inner fixed effects as the kernels take it, see :mod:`bayesmix.likelihood.kernels`."""
    p = products.n_fixed
    if priors.beta_is_flat:
        return np.concatenate([[FLAT], np.zeros(p + p * p)])
    means = stated_on(priors, products)
    scaled = products.response_scale * np.linalg.solve(coordinates.fixed.T, means.T).T
    mean = np.array([prior.mean if isinstance(prior, Normal) else 0.0 for prior in priors.beta])
    root = np.array([1 / prior.sd if isinstance(prior, Normal) else 0.0 for prior in priors.beta])
    if all(isinstance(prior, Normal) for prior in priors.beta):
        inner_mean = np.linalg.solve(scaled, mean - means @ products.response_fit)
        half = scaled * root[:, None]
        return np.concatenate([[NORMAL], inner_mean, (half.T @ half).ravel()])
    return _partial_vector(priors, products, scaled, mean - means @ products.response_fit, root)


def _partial_vector(priors: Priors, products: CrossProducts, scaled: Floats, mean: Floats, root: Floats) -> Floats:
    """Those of no normal prior given, or flat beside normal ones.

    The others vary over the null space of the given ones' rows, in an orthonormal basis, so that far-off predictors
    cost no digits.
    """
    given = list(priors.given)
    rest = [j for j in range(len(priors.beta)) if j not in given]
    basis = np.linalg.svd(scaled[given])[2][len(given) :].T if given else np.eye(len(priors.beta))
    A = np.column_stack([np.linalg.inv(scaled)[:, given], basis])
    own = scaled[rest] @ basis
    half = own * root[rest, None]
    centre = np.linalg.solve(own, np.where(root[rest] > 0, mean[rest], 0.0)) if rest else np.zeros(0)
    normal = np.array([np.log(2 * np.pi) - 2 * np.log(root[j]) for j in rest if root[j] > 0])
    constant = normal.sum() - len(rest) * np.log(2 * np.pi) - 2 * np.linalg.slogdet(own)[1]
    return np.concatenate([[PARTIAL, len(given), constant], centre, (half.T @ half).ravel(), A.ravel()])


def moving_numbers(priors: Priors) -> Floats:
    """The numbers of the priors that a compiled graph takes as data, in the order of the graph's variables."""
    r2 = priors.r2
    every: list[SdPrior | BetaPrior] = [priors.sigma, *(priors.beta[j] for j in priors.given)]
    every = [prior for prior in every if not isinstance(prior, R2D2)] + ([] if r2 is None else [r2])
    every += [sd for level in priors.levels for sd in level.sds]
    found: list[float] = []
    for prior in every:
        if isinstance(prior, Distribution):
            found += prior.numbers
        elif isinstance(prior, R2D2):
            found += prior.spreads
    return np.array(found or [0.0])


def graph_key(priors: Priors) -> tuple[object, ...]:
    """What of the priors a compiled graph is tied to."""

    def key(prior: SdPrior | BetaPrior) -> object:
        if isinstance(prior, Distribution):
            return prior.shape
        if isinstance(prior, R2D2):
            return ("R2D2", prior.share, prior.concentration, len(prior.spreads))
        return (type(prior).__name__, *(getattr(prior, entry.name) for entry in fields(prior)))

    betas = tuple((j, key(priors.beta[j])) for j in priors.given)
    levels = tuple((*(key(sd) for sd in level.sds), str(level.correlation)) for level in priors.levels)
    return (key(priors.sigma), betas, levels)
