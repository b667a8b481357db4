"""The distributions a prior may have, each with its numbers checked; a prior is data, never code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from scipy import stats

from bayesmix.errors import PriorError


@dataclass(frozen=True)
class Distribution:
    """One continuous distribution.

    ``support`` is ``"real"``, ``"positive"`` or ``"interval"``. ``moving`` names the numbers a compiled graph takes as
    data; the others are part of the graph. ``folded`` says that the density, mirrored at 0, is smooth there, so that a
    standard deviation with this prior may be sampled on the whole line.
    """

    support: ClassVar[str] = "real"
    moving: ClassVar[tuple[str, ...]] = ()
    positive: ClassVar[tuple[str, ...]] = ()
    folded: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not np.isfinite(value):
                raise PriorError(
                    f"{type(self).__name__}: {field.name}={value!r}.", "Expected a finite number.", "Correct it."
                )
            if field.name in self.positive and value <= 0:
                raise PriorError(
                    f"{type(self).__name__}: {field.name}={value!r}.", "Expected a positive number.", "Correct it."
                )
            object.__setattr__(self, field.name, float(value))

    def __str__(self) -> str:
        numbers = [f"{getattr(self, field.name):.4g}" for field in fields(self)]
        return f"{type(self).__name__}({', '.join(numbers)})"

    @property
    def numbers(self) -> tuple[float, ...]:
        """The numbers that are data of a compiled graph."""
        return tuple(getattr(self, name) for name in self.moving)

    @property
    def shape(self) -> tuple[Any, ...]:
        """What a compiled graph is tied to: the family and its other numbers."""
        others = tuple(getattr(self, field.name) for field in fields(self) if field.name not in self.moving)
        return (type(self).__name__, *others)

    def frozen(self) -> Any:
        """The same distribution of SciPy.

        Raises
        ------
        PriorError
            The prior is flat.
        """
        if type(self) not in _OF_SCIPY:
            raise PriorError(f"The prior is {self}.", "Expected a proper distribution.", "Set one.")
        return _OF_SCIPY[type(self)](self)


@dataclass(frozen=True)
class Normal(Distribution):
    """Normal distribution."""

    mean: float
    sd: float
    moving, positive = ("mean", "sd"), ("sd",)


@dataclass(frozen=True)
class StudentT(Distribution):
    """Student t distribution, shifted and scaled."""

    df: float
    mean: float
    scale: float
    moving, positive = ("mean", "scale"), ("df", "scale")


@dataclass(frozen=True)
class Cauchy(Distribution):
    """Cauchy distribution."""

    centre: float
    scale: float
    moving, positive = ("centre", "scale"), ("scale",)


@dataclass(frozen=True)
class Laplace(Distribution):
    """Double exponential distribution."""

    mean: float
    scale: float
    moving, positive = ("mean", "scale"), ("scale",)


@dataclass(frozen=True)
class Logistic(Distribution):
    """Logistic distribution."""

    mean: float
    scale: float
    moving, positive = ("mean", "scale"), ("scale",)


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform distribution between two bounds."""

    lower: float
    upper: float
    support = "interval"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lower >= self.upper:
            raise PriorError(f"{self}.", "Expected the lower bound below the upper one.", "Exchange or correct them.")


@dataclass(frozen=True)
class HalfNormal(Distribution):
    """Normal distribution around 0, folded to the positive numbers."""

    scale: float
    support, moving, positive, folded = "positive", ("scale",), ("scale",), True


@dataclass(frozen=True)
class HalfStudentT(Distribution):
    """Student t distribution around 0, folded to the positive numbers."""

    df: float
    scale: float
    support, moving, positive, folded = "positive", ("scale",), ("df", "scale"), True


@dataclass(frozen=True)
class HalfCauchy(Distribution):
    """Cauchy distribution around 0, folded to the positive numbers."""

    scale: float
    support, moving, positive, folded = "positive", ("scale",), ("scale",), True


@dataclass(frozen=True)
class Exponential(Distribution):
    """Exponential distribution with mean 1/rate."""

    rate: float
    support, moving, positive = "positive", ("rate",), ("rate",)


@dataclass(frozen=True)
class Gamma(Distribution):
    """Gamma distribution with mean shape/rate."""

    alpha: float
    rate: float
    support, moving, positive = "positive", ("rate",), ("alpha", "rate")


@dataclass(frozen=True)
class InverseGamma(Distribution):
    """Distribution of scale/x where x is Gamma(alpha, 1)."""

    alpha: float
    scale: float
    support, moving, positive = "positive", ("scale",), ("alpha", "scale")


@dataclass(frozen=True)
class LogNormal(Distribution):
    """Distribution of exp(x) where x is Normal(mean, sd)."""

    mean: float
    sd: float
    support, moving, positive = "positive", ("mean", "sd"), ("sd",)


@dataclass(frozen=True)
class Weibull(Distribution):
    """Weibull distribution."""

    alpha: float
    scale: float
    support, moving, positive = "positive", ("scale",), ("alpha", "scale")


@dataclass(frozen=True)
class Beta(Distribution):
    """Beta distribution on (0, 1), for shares of variance."""

    alpha: float
    beta: float
    support, positive = "interval", ("alpha", "beta")
    lower: ClassVar[float] = 0.0
    upper: ClassVar[float] = 1.0


@dataclass(frozen=True)
class Flat(Distribution):
    """Improper and constant."""

    folded = True

    def __str__(self) -> str:
        return "flat"


class _HalfT:
    """The half t distribution, which SciPy does not have."""

    def __init__(self, df: float, scale: float) -> None:
        self._t = stats.t(df, 0, scale)

    def pdf(self, x: Any) -> Any:
        return np.where(np.asarray(x) < 0, 0.0, 2 * self._t.pdf(x))

    def logpdf(self, x: Any) -> Any:
        return np.where(np.asarray(x) < 0, -np.inf, np.log(2) + self._t.logpdf(x))

    def cdf(self, x: Any) -> Any:
        return np.where(np.asarray(x) < 0, 0.0, 2 * self._t.cdf(x) - 1)

    def ppf(self, share: Any) -> Any:
        return self._t.ppf((1 + np.asarray(share)) / 2)

    def rvs(self, size: Any = None, random_state: Any = None) -> Any:
        return np.abs(self._t.rvs(size=size, random_state=random_state))


_OF_SCIPY: dict[type[Distribution], Callable[[Any], Any]] = {
    Normal: lambda d: stats.norm(d.mean, d.sd),
    StudentT: lambda d: stats.t(d.df, d.mean, d.scale),
    Cauchy: lambda d: stats.cauchy(d.centre, d.scale),
    Laplace: lambda d: stats.laplace(d.mean, d.scale),
    Logistic: lambda d: stats.logistic(d.mean, d.scale),
    Uniform: lambda d: stats.uniform(d.lower, d.upper - d.lower),
    HalfNormal: lambda d: stats.halfnorm(0, d.scale),
    HalfStudentT: lambda d: _HalfT(d.df, d.scale),
    HalfCauchy: lambda d: stats.halfcauchy(0, d.scale),
    Exponential: lambda d: stats.expon(0, 1 / d.rate),
    Gamma: lambda d: stats.gamma(d.alpha, 0, 1 / d.rate),
    InverseGamma: lambda d: stats.invgamma(d.alpha, 0, d.scale),
    LogNormal: lambda d: stats.lognorm(d.sd, 0, np.exp(d.mean)),
    Weibull: lambda d: stats.weibull_min(d.alpha, 0, d.scale),
    Beta: lambda d: stats.beta(d.alpha, d.beta),
}
