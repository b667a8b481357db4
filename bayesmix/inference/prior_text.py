"""A prior as a user writes it, in words or as an object of PreliZ, read into a distribution. Nothing is evaluated."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np

from bayesmix.errors import PriorError
from bayesmix.inference.distributions import (
    Beta,
    Cauchy,
    Distribution,
    Exponential,
    Flat,
    Gamma,
    HalfCauchy,
    HalfNormal,
    HalfStudentT,
    InverseGamma,
    Laplace,
    Logistic,
    LogNormal,
    Normal,
    StudentT,
    Uniform,
    Weibull,
)

# Each family with its numbers as PyMC and PreliZ name them, in the order of ours.
FAMILIES: dict[type[Distribution], tuple[str, ...]] = {
    Normal: ("mu", "sigma"),
    StudentT: ("nu", "mu", "sigma"),
    Cauchy: ("alpha", "beta"),
    Laplace: ("mu", "b"),
    Logistic: ("mu", "s"),
    Uniform: ("lower", "upper"),
    HalfNormal: ("sigma",),
    HalfStudentT: ("nu", "sigma"),
    HalfCauchy: ("beta",),
    Exponential: ("lam",),
    Gamma: ("alpha", "beta"),
    InverseGamma: ("alpha", "beta"),
    LogNormal: ("mu", "sigma"),
    Weibull: ("alpha", "beta"),
    Beta: ("alpha", "beta"),
}
_BY_NAME = {family.__name__.lower(): family for family in FAMILIES}
_BY_NAME |= {"doubleexponential": Laplace, "invgamma": InverseGamma, "halft": HalfStudentT}
# Families that PyMC also knows by mean and standard deviation.
_BY_MOMENTS: dict[type[Distribution], Callable[[float, float], tuple[float, float]]] = {
    Gamma: lambda mu, sigma: (mu**2 / sigma**2, mu / sigma**2),
}
_WISHART = ("wishart", "inversewishart", "invwishart")
_LISTED = ", ".join(family.__name__ for family in FAMILIES)


def read_distribution(value: Any) -> Distribution:
    """A distribution from ``"Normal(0, 2.5)"``, ``"student_t(3, 0, 2.5)"``, ``"flat"``, ours, or PreliZ's.

    Raises
    ------
    PriorError
        Another family, wrong numbers, or a PreliZ object that is discrete, truncated or without numbers.
    """
    if isinstance(value, Distribution):
        return value
    if isinstance(value, str):
        name, positional, named = read_call(value)
        if name == "flat" and not positional and not named:
            return Flat()
        return _build(name, positional, named, value)
    if type(value).__module__.split(".")[0] == "preliz":
        return _from_preliz(value)
    raise PriorError(
        f"A prior was given as {value!r}.",
        'Expected text such as "Normal(0, 2.5)", "flat", or a distribution of PreliZ.',
        "Write the prior as text.",
    )


def read_call(text: str) -> tuple[str, list[float], dict[str, float]]:
    """The name, without case and underscores, and the numbers of ``name(number, key=number)``."""
    problem = PriorError(
        f"The prior {text!r} can not be read.",
        'Expected a name with numbers, such as "Normal(0, 2.5)", "LKJ(2)" or "flat".',
        "Write it so.",
    )
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise problem from None
    if isinstance(node, ast.Name):
        return _plain(node.id), [], {}
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        raise problem
    positional = [_number(item) for item in node.args]
    named = {str(item.arg): _number(item.value) for item in node.keywords}
    if None in positional or None in named.values() or "None" in named:
        raise problem
    return (
        _plain(node.func.id),
        [x for x in positional if x is not None],
        {k: x for k, x in named.items() if x is not None},
    )


def _plain(name: str) -> str:
    """A name without case and underscores."""
    return name.replace("_", "").lower()


def _number(node: ast.expr) -> float | None:
    """A literal number, with its sign; None for anything else."""
    sign = 1.0
    while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        sign = -sign if isinstance(node.op, ast.USub) else sign
        node = node.operand
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return sign * float(node.value)
    return None


def _build(name: str, positional: list[float], named: dict[str, float], text: str) -> Distribution:
    """A distribution from its name and numbers, named ours or as PyMC does."""
    if name in _WISHART:
        raise _no_wishart(text)
    if name not in _BY_NAME:
        near = difflib.get_close_matches(name, _BY_NAME, n=1, cutoff=0.6)
        hint = f"Did you mean '{_BY_NAME[near[0]].__name__}'?" if near else "Choose one of these."
        raise PriorError(f"The prior {text!r} is of no known family.", f"Expected one of {_LISTED}, or flat.", hint)
    family = _BY_NAME[name]
    own = [field.name for field in fields(family)]
    alias = dict(zip(FAMILIES[family], own, strict=True)) | {word: word for word in own}
    if family in _BY_MOMENTS and set(named) == {"mu", "sigma"} and not positional:
        return family(**dict(zip(own, _BY_MOMENTS[family](named["mu"], named["sigma"]), strict=True)))
    given = dict(zip(own, positional, strict=False))
    for word, number in named.items():
        if alias.get(word) is None or alias[word] in given:
            given = {}
            break
        given[alias[word]] = number
    if len(positional) > len(own) or sorted(given) != sorted(own):
        raise PriorError(
            f"The prior {text!r} does not have the numbers of its family.",
            f"Expected {family.__name__}({', '.join(own)}).",
            "Give each of these once.",
        )
    return family(**given)


def _from_preliz(value: Any) -> Distribution:
    """The same distribution of ours."""
    name = type(value).__name__
    if getattr(value, "kind", None) != "continuous":
        raise PriorError(
            f"The prior {name} of PreliZ is {getattr(value, 'kind', 'no distribution')}.",
            "Expected a continuous distribution: every parameter of the model is a real number.",
            f"Choose one of {_LISTED}.",
        )
    family = next((family for family in FAMILIES if family.__name__ == name), None)
    if family is None:
        raise PriorError(
            f"The prior {name} of PreliZ is not offered here.", f"Expected one of {_LISTED}.", "Choose one of these."
        )
    numbers = [getattr(value, word, None) for word in FAMILIES[family]]
    if any(number is None for number in numbers):
        raise PriorError(
            f"The prior {name} of PreliZ has no numbers yet.",
            f"Expected {', '.join(FAMILIES[family])}.",
            "Fix them, or let PreliZ's maxent find them first.",
        )
    return family(*(float(number) for number in numbers if number is not None))


def positive(value: Distribution, about: str) -> Distribution:
    """A prior of a standard deviation; one that is symmetric around 0 is folded, as brms does.

    Raises
    ------
    PriorError
        Part of it lies below 0.
    """
    match value:
        case Normal(mean=0.0, sd=sd):
            return HalfNormal(sd)
        case StudentT(df=df, mean=0.0, scale=scale):
            return HalfStudentT(df, scale)
        case Cauchy(centre=0.0, scale=scale):
            return HalfCauchy(scale)
        case Laplace(mean=0.0, scale=scale):
            return Exponential(1 / scale)
    below = value.lower < 0 if isinstance(value, Uniform) else value.support == "real" and not isinstance(value, Flat)
    if below:
        raise PriorError(
            f"The prior {value} of {about} puts weight below 0.",
            "Expected a distribution of positive numbers, or one centred at 0, which is folded.",
            "Use HalfNormal, HalfStudentT, Gamma, LogNormal or another of these.",
        )
    return value


def share(value: Distribution, about: str) -> Beta:
    """A prior of a share between 0 and 1.

    Raises
    ------
    PriorError
        It is no Beta distribution, nor uniform between 0 and 1.
    """
    if isinstance(value, Beta):
        return value
    if isinstance(value, Uniform) and (value.lower, value.upper) == (0.0, 1.0):
        return Beta(1.0, 1.0)
    raise PriorError(f"The prior {value} of {about}.", 'Expected "Beta(a, b)" or "Uniform(0, 1)".', "Use one of these.")


def read_correlation(value: Any) -> float:
    """The eta of ``"LKJ(eta)"``.

    Raises
    ------
    PriorError
        Anything else; an inverse-Wishart prior with the reason.
    """
    if isinstance(value, str):
        name, positional, named = read_call(value)
        if name in _WISHART:
            raise _no_wishart(value)
        numbers = [*positional, *named.values()]
        if name in ("lkj", "lkjcorr", "lkjcholesky") and len(numbers) == 1 and set(named) <= {"eta"}:
            if not (numbers[0] > 0 and np.isfinite(numbers[0])):
                raise PriorError(f"{value!r}.", "Expected a positive eta.", "LKJ(1) is uniform, LKJ(2) pulls to 0.")
            return numbers[0]
    raise PriorError(
        f"The prior {value!r} of correlations is not offered.",
        'Expected "LKJ(eta)" with a positive eta.',
        "LKJ(1) is uniform over correlation matrices, LKJ(2) pulls them towards 0.",
    )


def _no_wishart(text: str) -> PriorError:
    """Why there is no such prior."""
    return PriorError(
        f"The prior {text!r}: (inverse-)Wishart priors are not offered.",
        "Expected priors of standard deviations and, apart, of correlations: an inverse-Wishart ties the two together "
        "(large correlations with large variances) and keeps small variances away from 0, however weak it looks.",
        'Set the sds, for instance "HalfStudentT(4, 5)", and the correlations, "LKJ(2)".',
    )
