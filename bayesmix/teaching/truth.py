"""Parameters by name, as the ones responses are to be drawn from: every one of the model, and no other."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import Design, Level
from bayesmix.errors import ArgumentError
from bayesmix.inference.simulation import KnownTruth
from bayesmix.teaching.arguments import is_number, shown

Floats = NDArray[np.float64]
Key = tuple[str, str]

# ``sd(ses | school)``: what, of which effects, at which level.
AT_LEVEL = re.compile(r"^\s*(sd|var|corr?|cov)\s*\((.+)\|([^|]+)\)\s*$")
# ``ses|school_sigma``: the same as a posterior calls it.
AS_DRAWN = re.compile(r"^([^|]+)\|(.+)_sigma$")
WHOLE = "covariance matrix"


def read_truth(design: Design, parameters: Any) -> KnownTruth:
    """Parameters of a design from their names.

    Parameters
    ----------
    design : Design
    parameters : mapping
        See :func:`bayesmix.teaching.responses.simulate`.

    Raises
    ------
    ArgumentError
        Names that are none, are missing, or say one thing twice; values that no model can have.
    """
    given = _flatten(parameters)
    taken: set[Key] = set()
    missing: list[str] = []
    beta = []
    for name in design.fixed_names:
        value = _take(given, taken, [("fixed", name)])
        if value is None:
            missing.append(f"'{name}'")
        beta.append(0.0 if value is None else value)
    residual = _spread(given, taken, ("residual", "sd"), ("residual", "var"))
    if residual is None:
        missing.append("'sigma'")
    covariances = [_covariance(level, given, taken, missing) for level in design.levels]
    _refuse_others(design, given, taken)
    if missing:
        raise ArgumentError(
            f"The parameters lack {', '.join(missing)}.",
            "Expected a value for every parameter of the model.",
            f"Add {missing[0]}: ..., with 0 for an effect or a correlation that should not be there.",
        )
    sigma = float(residual or 0.0)
    if not sigma > 0:
        raise ArgumentError(
            "sigma=0.", "Expected a residual standard deviation above 0.", "Write a small one, such as 0.001."
        )
    roots = tuple(_root(level, matrix) / sigma for level, matrix in zip(design.levels, covariances, strict=True))
    return KnownTruth(np.array(beta, dtype=float), roots, sigma)


def _flatten(parameters: Any) -> dict[Key, Any]:
    """Every way of naming a parameter as (part, parameter), spaces taken out."""
    parameters = parameters.to_dict() if isinstance(parameters, pd.Series) else parameters
    if not isinstance(parameters, Mapping):
        raise ArgumentError(
            f"The parameters are {shown(parameters)}.",
            "Expected values by name.",
            'Write {"Intercept": 0, "sd(Intercept | school)": 1, "sigma": 2}.',
        )
    found: dict[Key, Any] = {}
    for key, value in parameters.items():
        for (part, parameter), entry in _entries(key, value):
            place = (_squeeze(part), _squeeze(parameter))
            if place in found:
                raise ArgumentError(
                    f"The parameter {_show(*place)} is given twice.", "Expected it once.", "Remove one of them."
                )
            found[place] = entry
    return found


def _entries(key: Any, value: Any) -> Iterable[tuple[Key, Any]]:
    """One entry of the parameters: a fixed effect, sigma, a parameter of a level, or several of them."""
    if isinstance(key, tuple) and len(key) == 2 and all(isinstance(part, str) for part in key):
        return [(key, value)]
    if not isinstance(key, str):
        raise ArgumentError(
            f"A parameter is called {shown(key)}.",
            "Expected text, or (level, parameter).",
            'Write "ses", "sd(ses | school)" or ("school", "sd(ses)").',
        )
    if isinstance(value, Mapping):
        return [((key, str(name)), entry) for name, entry in value.items()]
    if not isinstance(value, str) and np.ndim(value) == 2:
        return [((key, WHOLE), value)]
    matched = AT_LEVEL.match(key)
    if matched is not None:
        kind, names, level = matched.groups()
        return [((level, f"{kind}({names})"), value)]
    drawn = AS_DRAWN.match(key)
    if drawn is not None:
        effect = drawn[1].strip()
        return [((drawn[2], f"sd({'Intercept' if effect == '1' else effect})"), value)]
    if key in ("sigma", "sigma2"):
        return [(("residual", "sd" if key == "sigma" else "var"), value)]
    return [(("fixed", key), value)]


def _squeeze(text: str) -> str:
    """A name without spaces, the two words for a correlation as one."""
    bare = "".join(text.split())
    return f"corr({bare[4:]}" if bare.startswith("cor(") else bare


def _take(given: Mapping[Key, Any], taken: set[Key], keys: list[Key]) -> float | None:
    """The number under one of several names, None where it is not given."""
    places = [place for part, name in keys if (place := (_squeeze(part), _squeeze(name))) in given]
    if not places:
        return None
    if len(places) > 1:
        raise ArgumentError(
            f"{_show(*places[0])} and {_show(*places[1])} are both given.",
            "Expected one of them: each says the other.",
            "Remove one.",
        )
    value = given[places[0]]
    if not is_number(value):
        raise ArgumentError(
            f"{_show(*places[0])} is {shown(value)}.", "Expected a finite number.", f"Correct {_show(*places[0])}."
        )
    taken.add(places[0])
    return float(value)


def _spread(given: Mapping[Key, Any], taken: set[Key], sd: Key, variance: Key) -> float | None:
    """A standard deviation from itself or its square."""
    value = _take(given, taken, [sd, variance])
    if value is not None and value < 0:
        raise ArgumentError(
            f"{_show(*sd)} or its square is {value:g}.", "Expected 0 or more.", "Turn its sign, or correct it."
        )
    if value is not None and (_squeeze(variance[0]), _squeeze(variance[1])) in taken:
        return float(np.sqrt(value))
    return value


def _covariance(level: Level, given: Mapping[Key, Any], taken: set[Key], missing: list[str]) -> Floats:
    """Sigma of a level, (q, q)."""
    place = (_squeeze(level.name), _squeeze(WHOLE))
    if place in given:
        taken.add(place)
        return _whole(level, given[place])
    names = level.effect_names
    sds = []
    for name in names:
        sd = _spread(given, taken, (level.name, f"sd({name})"), (level.name, f"var({name})"))
        if sd is None:
            missing.append(f"'sd({name} | {level.name})'")
        sds.append(0.0 if sd is None else sd)
    matrix = np.diag(np.square(sds))
    for i, j in level.pairs:
        either = [(names[i], names[j]), (names[j], names[i])]
        corr = [(level.name, f"corr({a},{b})") for a, b in either]
        cov = [(level.name, f"cov({a},{b})") for a, b in either]
        value = _take(given, taken, [*corr, *cov])
        if value is None:
            missing.append(f"'corr({names[i]}, {names[j]} | {level.name})'")
            continue
        named = any((_squeeze(part), _squeeze(name)) in taken for part, name in cov)
        if not named and abs(value) > 1:
            raise ArgumentError(
                f"{_show(*corr[0])} is {value:g}.", "Expected a correlation from -1 to 1.", "Correct it, or give cov()."
            )
        matrix[i, j] = matrix[j, i] = value if named else value * sds[i] * sds[j]
    return matrix


def _whole(level: Level, value: Any) -> Floats:
    """A covariance matrix given as such."""
    q = len(level.effects)
    try:
        matrix = np.array(value, dtype=float)
    except (TypeError, ValueError):
        matrix = np.full((q, q), np.nan)
    if matrix.shape != (q, q) or not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T, rtol=1e-8):
        raise ArgumentError(
            f"The covariance matrix of '{level.name}' is {shown(value)}.",
            f"Expected a symmetric {q} x {q} matrix of finite numbers, for {', '.join(level.effect_names)}.",
            "Correct it, or give standard deviations and correlations by name.",
        )
    for i, j in combinations(range(q), 2):
        if (i, j) not in level.pairs and matrix[i, j] != 0:
            names = level.effect_names
            raise ArgumentError(
                f"The covariance matrix of '{level.name}' has {matrix[i, j]:g} for {names[i]} and {names[j]}.",
                "Expected 0: these effects are independent in the model.",
                "Set it to 0, or write | for || in the formula.",
            )
    return matrix


def _root(level: Level, matrix: Floats) -> Floats:
    """A root of a covariance matrix that may be singular."""
    values, vectors = np.linalg.eigh(matrix)
    if values.min() < -1e-10 * max(np.abs(values).max(), 1e-300):
        raise ArgumentError(
            f"The variances and correlations of '{level.name}' make no covariance matrix "
            f"(smallest eigenvalue {values.min():.3g}).",
            "Expected variances of at least 0 for every combination of effects.",
            "Move the correlations towards 0.",
        )
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _refuse_others(design: Design, given: Mapping[Key, Any], taken: set[Key]) -> None:
    """Answer a parameter the model does not have with the nearest one."""
    others = [place for place in given if place not in taken]
    if not others:
        return
    part, name = others[0]
    dropped = [term for term in design.dropped if part == "fixed" and _squeeze(term) == name]
    if dropped:
        raise ArgumentError(
            f"The fixed effect '{dropped[0]}' is a combination of others and was dropped.",
            f"Expected values for {', '.join(design.fixed_names)}.",
            "Remove it from the parameters and from the formula.",
        )
    known = [*design.fixed_names, "sigma"]
    for level in design.levels:
        known += [f"sd({effect} | {level.name})" for effect in level.effect_names]
        known += [f"corr({level.effect_names[i]}, {level.effect_names[j]} | {level.name})" for i, j in level.pairs]
    label = _show(part, name)
    near = difflib.get_close_matches(label.strip("'"), known, n=1, cutoff=0.4)
    raise ArgumentError(
        f"The model has no parameter {label}.",
        f"Expected {', '.join(known)}.",
        f"Did you mean '{near[0]}'?" if near else "Remove it.",
    )


def _show(part: str, name: str) -> str:
    """A parameter as a user would write it."""
    if part == "fixed":
        return f"'{name}'"
    if part == "residual":
        return "'sigma'" if name == "sd" else "'sigma2'" if name == "var" else f"'{name}' of residual"
    if name == _squeeze(WHOLE):
        return f"the covariance matrix of '{part}'"
    matched = re.match(r"^(\w+)\((.+)\)$", name)
    return f"'{matched[1]}({matched[2]} | {part})'" if matched else f"'{name}' of {part}"
