"""Sets of default priors: ours, none at all, and those of other programs, each scaled from the data once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import Design, Level
from bayesmix.errors import PriorError
from bayesmix.inference.distributions import Distribution, Exponential, Flat, HalfNormal, HalfStudentT, Normal, StudentT
from bayesmix.inference.priors import (
    LKJ,
    NO_CORRELATION,
    BetaPrior,
    Decov,
    LevelPriors,
    Priors,
    SdPrior,
    Sources,
    UniformPartials,
)

Floats = NDArray[np.float64]
Sourced = tuple[Distribution, str]


@dataclass(frozen=True)
class Scales:
    """What priors are scaled by, from the rows used, offset taken off the response.

    Parameters
    ----------
    y : (n,) array
        Response less offset.
    sd_y : float
        Divisor n - 1.
    sd_x : (k,) array
        Of each column of the design.
    size_x : (k,) array
        Root mean square of each column.
    unit : float
        Residual sd of a row of weight 1 over the average one; 1 without weights.
    offset, weighted : bool
        Whether the model has an offset, and weights.
    """

    y: Floats
    sd_y: float
    sd_x: Floats
    size_x: Floats
    unit: float
    offset: bool
    weighted: bool

    def told(self, words: str) -> str:
        """A rule in words, in which ``(y)`` is what is scaled by."""
        return words.replace("(y)", "(y - offset)") if self.offset else words

    def of_sigma(self, words: str) -> str:
        """The same for the scale of sigma, which is that of a row of weight 1."""
        return f"{self.told(words)}/sqrt(mean(1/w))" if self.weighted else self.told(words)

    def over(self, place: int) -> str:
        """What :meth:`spread` is."""
        return "sd(x)" if self.sd_x[place] > 0 else "rms(x)"

    def spread(self, place: int) -> float:
        """sd of a column with varying effects; the root mean square of one that is constant."""
        if place == 0:
            return 1.0
        return float(self.sd_x[place] if self.sd_x[place] > 0 else self.size_x[place])


def choose_priors(preset: str, design: Design) -> Priors:
    """Priors by preset.

    Parameters
    ----------
    preset : {"default", "flat", "brms", "rstanarm", "bambi"}
        ``"default"``: intercept at the predictors' means Normal(mean y, 2.5 sd y), slopes Normal(0, 2.5 sd y/sd x), sd
        of varying intercepts HalfStudentT(4, sd y), of varying slopes HalfStudentT(4, sd y/sd x), correlations LKJ(2),
        sigma HalfStudentT(4, sd y). Without an intercept, root mean squares take the place of sds of y and x for the
        fixed effects. With weights, the scale of sigma (the residual sd of a row of weight 1) is the one at which the
        residual variance, averaged over the rows, is that of y.

        ``"flat"``: constant everywhere, uniform partial correlations; its mode is the REML estimate.

        ``"brms"`` (Buerkner 2017, J. Stat. Softw. 80(1); ``default_prior`` of brms 2): slopes flat, intercept at the
        predictors' means StudentT(3, median y, s), every sd and sigma HalfStudentT(3, s), correlations LKJ(1), with
        s = max(2.5, mad y); median and mad (times 1.4826) rounded to one digit.

        ``"rstanarm"`` (Goodrich, Gabry, Ali & Brilleman, "Prior distributions for rstanarm models"): intercept at the
        predictors' means Normal(mean y, 2.5 sd y), slopes Normal(0, 2.5 sd y/sd x) with or without an intercept (a
        two-valued column by its sd too, as in recent versions, from memory), sigma Exponential(1/sd y), and for
        each bar decov(1, 1, 1): sds in units of sigma, sd_k = sigma tau sqrt(q pi_k) with tau ~ Gamma(1, 1) and pi ~
        Dirichlet(1), correlations LKJ(1). It is no product of priors of sds.

        ``"bambi"`` (Capretto et al. 2022, J. Stat. Softw. 103(15)): slopes Normal(0, 2.5 sd y/sd x), intercept at the
        predictors' means Normal(mean y, s) with s^2 = (2.5 sd y)^2 + sum (2.5 sd y/sd x)^2 mean(x)^2, sds of varying
        intercepts HalfNormal(s), of varying slopes HalfNormal(2.5 sd y/sd x), sigma HalfStudentT(4, sd y); sds with
        divisor n. Bambi has no correlated effects: where there are, LKJ(2).
    design : Design
        Data that give the scales.

    Raises
    ------
    PriorError
        Unknown preset.
    """
    if preset not in _PRESETS:
        raise PriorError(
            f"priors={preset!r} is not offered.",
            f"Expected one of {', '.join(map(repr, _PRESETS))}, or priors by name.",
            "Leave it out for the defaults.",
        )
    y = design.response - design.offset
    scales = Scales(
        y,
        float(np.std(y, ddof=1)),
        np.std(design.values, axis=0, ddof=1),
        np.sqrt(np.mean(design.values**2, axis=0)),
        1.0 if design.weights is None else float(np.sqrt(1 / np.mean(1 / design.weights))),
        bool(design.specification.offsets),
        design.weights is not None,
    )
    return _PRESETS[preset](design, scales)


def _assemble(
    preset: str,
    design: Design,
    beta: list[tuple[BetaPrior, str]],
    sd: Callable[[Level, int], tuple[SdPrior, str]],
    correlation: LKJ | UniformPartials,
    sigma: Sourced,
) -> Priors:
    """Priors with their sources from one rule for each kind of parameter; ``sd`` is asked for a column of a level."""
    by_level = [[sd(level, place) for place in level.places] for level in design.levels]
    levels = tuple(
        LevelPriors(tuple(prior for prior, _ in rows), correlation if level.pairs else NO_CORRELATION)
        for level, rows in zip(design.levels, by_level, strict=True)
    )
    sources = Sources(
        tuple(f"{preset}: {text}" for _, text in beta),
        tuple(tuple(f"{preset}: {text}" for _, text in rows) for rows in by_level),
        tuple(preset if level.pairs else "" for level in design.levels),
        f"{preset}: {sigma[1]}",
    )
    intercept = design.fixed_names.index("Intercept") if "Intercept" in design.fixed_names else None
    return Priors(preset, tuple(prior for prior, _ in beta), levels, sigma[0], intercept, sources)


def _normal_slopes(design: Design, scales: Scales, always_spread: bool = False) -> list[tuple[BetaPrior, str]]:
    """Normal priors of 2.5 sd y/sd x, and for the intercept of 2.5 sd y around the mean.

    Without an intercept root mean squares take the place of the sds, unless these are always asked for.
    """
    names = design.fixed_names
    found: list[tuple[BetaPrior, str]] = []
    for name, place in zip(names, design.fixed, strict=True):
        if name == "Intercept":
            found.append((Normal(float(scales.y.mean()), 2.5 * scales.sd_y), scales.told("mean(y), 2.5 sd(y)")))
        elif "Intercept" in names or always_spread:
            words = f"2.5 sd(y)/{scales.over(int(place))}"
            found.append((Normal(0.0, 2.5 * scales.sd_y / scales.spread(int(place))), scales.told(words)))
        else:
            size = float(np.sqrt(np.mean(scales.y**2)))
            found.append((Normal(0.0, 2.5 * size / float(scales.size_x[place])), scales.told("2.5 rms(y)/rms(x)")))
    return found


def _default(design: Design, scales: Scales) -> Priors:
    """Weakly informative, scaled by the data."""

    def sd(level: Level, place: int) -> tuple[SdPrior, str]:
        if place == 0:
            return HalfStudentT(4.0, scales.sd_y), scales.told("sd(y)")
        return HalfStudentT(4.0, scales.sd_y / scales.spread(place)), scales.told(f"sd(y)/{scales.over(place)}")

    sigma = HalfStudentT(4.0, scales.unit * scales.sd_y), scales.of_sigma("sd(y)")
    return _assemble("default", design, _normal_slopes(design, scales), sd, LKJ(2.0), sigma)


def _flat(design: Design, scales: Scales) -> Priors:
    """Constant densities, the ones under which the posterior mode is the REML estimate."""
    beta: list[tuple[BetaPrior, str]] = [(Flat(), "constant") for _ in design.fixed]
    return _assemble("flat", design, beta, lambda *_: (Flat(), "constant"), UniformPartials(), (Flat(), "constant"))


def _brms(design: Design, scales: Scales) -> Priors:
    """The priors brms chooses where none is given."""
    median = round(float(np.median(scales.y)), 1)
    deviations = np.abs(scales.y - np.median(scales.y))
    s = max(2.5, round(1.4826 * float(np.median(deviations)), 1))
    words = scales.told("max(2.5, mad(y))")
    beta: list[tuple[BetaPrior, str]] = [
        (StudentT(3.0, median, s), scales.told(f"median(y), {words}")) if name == "Intercept" else (Flat(), "flat")
        for name in design.fixed_names
    ]
    sd = HalfStudentT(3.0, s), words
    sigma = HalfStudentT(3.0, scales.unit * s), scales.of_sigma("max(2.5, mad(y))")
    return _assemble("brms", design, beta, lambda *_: sd, LKJ(1.0), sigma)


def _rstanarm(design: Design, scales: Scales) -> Priors:
    """The priors stan_lmer chooses where none is given."""
    rate = "sqrt(mean(1/w))/sd(y)" if scales.weighted else "1/sd(y)"
    sigma = Exponential(1 / (scales.unit * scales.sd_y)), scales.told(rate)
    beta = _normal_slopes(design, scales, always_spread=True)
    return _assemble("rstanarm", design, beta, lambda *_: (Decov(), "decov"), LKJ(1.0), sigma)


def _bambi(design: Design, scales: Scales) -> Priors:
    """The priors Bambi chooses where none is given; it divides by n."""
    to_n = np.sqrt(1 - 1 / design.n)
    sd_y = to_n * scales.sd_y
    names, means = design.fixed_names, design.values.mean(axis=0)
    slopes = [(name, place) for name, place in zip(names, design.fixed, strict=True) if name != "Intercept"]
    widths = {place: 2.5 * sd_y / (to_n * scales.spread(int(place))) for _, place in slopes}
    wide = float(np.sqrt((2.5 * sd_y) ** 2 + sum((widths[place] * means[place]) ** 2 for _, place in slopes)))
    words = scales.told("sqrt((2.5 sd(y))^2 + sum (2.5 sd(y)/sd(x) mean(x))^2)")
    beta: list[tuple[BetaPrior, str]] = [
        (Normal(float(scales.y.mean()), wide), scales.told(f"mean(y), {words}"))
        if name == "Intercept"
        else (Normal(0.0, widths[place]), scales.told(f"2.5 sd(y)/{scales.over(int(place))}"))
        for name, place in zip(names, design.fixed, strict=True)
    ]

    def sd(level: Level, place: int) -> tuple[SdPrior, str]:
        if place == 0:
            return HalfNormal(wide), words
        return HalfNormal(2.5 * sd_y / (to_n * scales.spread(place))), scales.told(f"2.5 sd(y)/{scales.over(place)}")

    sigma = HalfStudentT(4.0, scales.unit * sd_y), scales.of_sigma("sd(y)")
    return _assemble("bambi", design, beta, sd, LKJ(2.0), sigma)


_PRESETS: dict[str, Callable[[Design, Scales], Priors]] = {
    "default": _default,
    "flat": _flat,
    "brms": _brms,
    "rstanarm": _rstanarm,
    "bambi": _bambi,
}
