"""Prior distributions as frozen numbers: scaled from the data once, and the same numbers ever after."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.errors import PriorError
from bayesmix.likelihood.coordinates import Coordinates
from bayesmix.likelihood.kernels import FLAT, NORMAL

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Normal:
    """Normal distribution."""

    mean: float
    sd: float

    def __str__(self) -> str:
        return f"Normal({self.mean:.4g}, {self.sd:.4g})"


@dataclass(frozen=True)
class HalfStudentT:
    """Student t distribution folded to the positive numbers; symmetric about 0 where a signed parameter takes it."""

    df: float
    scale: float

    def __str__(self) -> str:
        return f"HalfStudentT({self.df:g}, {self.scale:.4g})"


@dataclass(frozen=True)
class Flat:
    """Improper and constant."""

    def __str__(self) -> str:
        return "flat"


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
class LevelPriors:
    """Priors of one level: one for each sd, one for the correlations of every block."""

    sds: tuple[HalfStudentT | Flat, ...]
    correlation: LKJ | UniformPartials


@dataclass(frozen=True)
class Priors:
    """Priors of every parameter.

    Parameters
    ----------
    preset : str
        ``"default"`` or ``"flat"``.
    beta : tuple of Normal or Flat
        One for each fixed effect; that of ``Intercept`` is for the intercept at the means of the other columns.
    levels : tuple of LevelPriors
        Lowest level first.
    sigma : HalfStudentT or Flat
        Residual standard deviation.
    intercept : int or None
        Place of ``Intercept`` among the fixed effects.
    """

    preset: str
    beta: tuple[Normal | Flat, ...]
    levels: tuple[LevelPriors, ...]
    sigma: HalfStudentT | Flat
    intercept: int | None

    @property
    def beta_is_flat(self) -> bool:
        """Whether the fixed effects have no prior."""
        return all(isinstance(prior, Flat) for prior in self.beta)


def choose_priors(preset: str, design: Design) -> Priors:
    """Priors by preset.

    Parameters
    ----------
    preset : {"default", "flat"}
        ``"default"``: intercept at the predictors' means Normal(mean y, 2.5 sd y), slopes Normal(0, 2.5 sd y/sd x), sd
        of varying intercepts HalfStudentT(4, sd y), of varying slopes HalfStudentT(4, sd y/sd x), correlations LKJ(2),
        sigma HalfStudentT(4, sd y). Without an intercept, root mean squares take the place of sds of y and x for the
        fixed effects. With weights, the scale of sigma (the residual sd of a row of weight 1) is the one at which the
        residual variance, averaged over the rows, is that of y. ``"flat"``: constant everywhere, uniform partial
        correlations; its mode is the REML estimate.
    design : Design
        Data that give the scales.

    Raises
    ------
    PriorError
        Unknown preset.
    """
    if preset == "default":
        return _default_priors(design)
    if preset == "flat":
        return _flat_priors(design)
    raise PriorError(
        f"priors={preset!r} is not offered.", "Expected 'default' or 'flat'.", "Leave it out for the defaults."
    )


def _default_priors(design: Design) -> Priors:
    """Weakly informative, scaled by the data."""
    y = design.response - design.offset
    sd_y = float(np.std(y, ddof=1))
    sd_x = np.std(design.values, axis=0, ddof=1)
    mean_square = np.sqrt(np.mean(design.values**2, axis=0))
    names = design.fixed_names
    beta: list[Normal | Flat] = []
    for name, place in zip(names, design.fixed, strict=True):
        if name == "Intercept":
            beta.append(Normal(float(y.mean()), 2.5 * sd_y))
        elif "Intercept" in names:
            beta.append(Normal(0.0, 2.5 * sd_y / float(sd_x[place])))
        else:
            beta.append(Normal(0.0, 2.5 * float(np.sqrt(np.mean(y**2))) / float(mean_square[place])))
    levels = []
    for level in design.levels:
        sds: list[HalfStudentT | Flat] = []
        for place in level.places:
            spread = float(sd_x[place]) if place != 0 else 1.0
            sds.append(HalfStudentT(4.0, sd_y / (spread if spread > 0 else float(mean_square[place]))))
        levels.append(LevelPriors(tuple(sds), LKJ(2.0)))
    unit = 1.0 if design.weights is None else float(np.sqrt(1 / np.mean(1 / design.weights)))
    return Priors("default", tuple(beta), tuple(levels), HalfStudentT(4.0, unit * sd_y), _intercept(design))


def _flat_priors(design: Design) -> Priors:
    """Constant densities, the ones under which the posterior mode is the REML estimate."""
    beta = tuple(Flat() for _ in design.fixed)
    levels = tuple(LevelPriors(tuple(Flat() for _ in level.effects), UniformPartials()) for level in design.levels)
    return Priors("flat", beta, levels, Flat(), _intercept(design))


def _intercept(design: Design) -> int | None:
    """Place of the intercept among the fixed effects."""
    return design.fixed_names.index("Intercept") if "Intercept" in design.fixed_names else None


def require_proper(priors: Priors, design: Design) -> None:
    """Refuse to sample where flat sds leave the posterior improper.

    A level needs J - (fixed effects that are constant within its groups) >= 2 for each flat sd.

    Raises
    ------
    PriorError
        With the level and the count.
    """
    for level, prior in zip(design.levels, priors.levels, strict=True):
        if not any(isinstance(sd, Flat) for sd in prior.sds):
            continue
        codes, J = level.grouping.codes, len(level.grouping.labels)
        constant = 0
        for place in design.fixed:
            column = design.values[:, place]
            first = np.empty(J)
            first[codes] = column
            constant += bool(np.all(first[codes] == column))
        if J - constant < 2:
            raise PriorError(
                f"Level '{level.name}' has {J} groups and {constant} fixed effect(s) that are constant within them.",
                "Expected at least 2 groups more than such effects for a flat prior on a standard deviation, or the "
                "posterior is improper.",
                "Use priors='default'.",
            )


def beta_prior_vector(priors: Priors, coordinates: Coordinates, products: CrossProducts) -> Floats:
    """The prior of the inner fixed effects as the kernels take it: kind, mean (p,), precision (p, p)."""
    p = products.n_fixed
    if priors.beta_is_flat:
        return np.concatenate([[FLAT], np.zeros(p + p * p)])
    means = np.eye(p)  # from the user's coefficients to those the priors are on
    if priors.intercept is not None:
        means[priors.intercept] = products.fixed_basis[0] / np.sqrt(products.mean_weight)
    scaled = products.response_scale * np.linalg.solve(coordinates.fixed.T, means.T).T
    mean = np.array([prior.mean for prior in priors.beta if isinstance(prior, Normal)])
    sd = np.array([prior.sd for prior in priors.beta if isinstance(prior, Normal)])
    inner_mean = np.linalg.solve(scaled, mean - means @ products.response_fit)
    half = scaled / sd[:, None]
    return np.concatenate([[NORMAL], inner_mean, (half.T @ half).ravel()])
