"""How the variance parameters are sampled, decided once from the REML fit, and where the chains start."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.inference.conditional import conditional_effects
from bayesmix.inference.ml import MlSolution, maximise
from bayesmix.inference.naming import given_name, partial_name, sd_name, signed_name

Floats = NDArray[np.float64]

# Below this gain in REML deviance an sd is sampled on the whole line: three times the effective draws where the data
# say little about it (a funnel in logarithms), fewer where they say much.
SIGNED_BELOW = 10.0
# Crossed effects beyond this are sampled: a block of 400 takes 5 ms at every step.
LARGEST_BLOCK = 400


@dataclass(frozen=True)
class Geometry:
    """What is sampled, and on which scale.

    Parameters
    ----------
    signed : tuple of tuple of bool
        By level, for each effect, whether its sd is sampled on the whole line or in logarithms. Signed sds carry a
        symmetric density; the posterior of |s| and of the matching correlations is the same.
    given : tuple of {None, "centred", "offset"}
        By level, whether its effects are integrated out (None, everywhere unless said) or sampled, and then themselves
        or in units of their covariance.
    """

    signed: tuple[tuple[bool, ...], ...]
    given: tuple[str | None, ...] = ()

    def __post_init__(self) -> None:
        if not self.given:
            object.__setattr__(self, "given", (None,) * len(self.signed))


@dataclass(frozen=True)
class FreeVariable:
    """A free variable of the marginal graph: its name, its kind (log, signed, share, effects) and its shape.

    ``columns`` is the second length of a matrix, 0 for vectors and numbers.
    """

    name: str
    kind: str
    size: int = 1
    columns: int = 0


def choose_geometry(products: CrossProducts, solution: MlSolution) -> Geometry:
    """Signed where removing the effect (and its covariances) raises the REML criterion by less than 10.

    Effects of crossed levels are given where together they are too many for a dense block at every step.
    """
    crossed = products.levels[products.n_nested :]
    given: list[str | None] = [None] * len(products.levels)
    if sum(level.n_groups * level.basis.shape[1] for level in crossed) > LARGEST_BLOCK:
        for number in range(products.n_nested, len(products.levels)):
            given[number] = _form(products, solution, number)
    signed = []
    for number, level in enumerate(products.levels):
        if given[number] is not None:
            signed.append((False,) * level.basis.shape[1])
            continue
        flags = []
        for effect in range(level.basis.shape[1]):
            reduced = maximise(without_effect(products, number, effect), reml=True)
            flags.append(reduced.criterion - solution.criterion < SIGNED_BELOW)
        signed.append(tuple(flags))
    return Geometry(tuple(signed), tuple(given))


def _form(products: CrossProducts, solution: MlSolution, number: int) -> str:
    """As they are where the data know every effect of a group better than the prior does, otherwise by their offsets."""
    level = products.levels[number]
    inner = products.total[np.ix_(level.columns, level.columns)]
    per_group = np.einsum("iq,ij,jq->q", level.basis, inner, level.basis) / level.n_groups
    weight = per_group * np.diag(solution.covariances[number]) / solution.sigma**2
    return "centred" if np.min(weight) > 1 else "offset"


def without_effect(products: CrossProducts, number: int, effect: int) -> CrossProducts:
    """The same data without one effect of one level."""
    level = products.levels[number]
    blocks = []
    for start, stop in level.blocks:
        begin, end = start - (start > effect), stop - (stop > effect)
        if end > begin:
            blocks.append((begin, end))
    reduced = replace(level, basis=np.delete(level.basis, effect, axis=1), blocks=tuple(blocks))
    levels = (*products.levels[:number], reduced, *products.levels[number + 1 :])
    return replace(products, levels=levels)


def free_variables(design: Design, geometry: Geometry) -> tuple[FreeVariable, ...]:
    """The free variables of the marginal graph, in its order."""
    found = [FreeVariable("sigma", "log")]
    for level, signed in zip(design.levels, geometry.signed, strict=True):
        for name, whole_line in zip(level.effect_names, signed, strict=True):
            if whole_line:
                found.append(FreeVariable(signed_name(name, level.name), "signed"))
            else:
                found.append(FreeVariable(sd_name(name, level.name), "log"))
        for number, (start, stop) in enumerate(level.blocks):
            q = stop - start
            if q > 1:
                found.append(FreeVariable(partial_name(level.name, number), "share", q * (q - 1) // 2))
    for level, form in zip(design.levels, geometry.given, strict=True):
        if form is not None:
            J, q = len(level.grouping.labels), len(level.effects)
            found.append(FreeVariable(given_name(level.name), "effects", J * q, q))
    return tuple(found)


def starting_values(
    design: Design, products: CrossProducts, solution: MlSolution, geometry: Geometry | None = None
) -> list[Floats]:
    """Values of the free variables near the REML estimate, never at a boundary.

    Sds start at max(REML sd, 0.1 sigma / sqrt(mean S_g[z,z])), correlations within 0.9.
    """
    values = [np.array([solution.sigma])]
    for level, shape, covariance in zip(design.levels, products.levels, solution.covariances, strict=True):
        inner = products.total[np.ix_(shape.columns, shape.columns)]
        information = np.einsum("iq,ij,jq->q", shape.basis, inner, shape.basis) / shape.n_groups
        sds = np.maximum(np.sqrt(np.diag(covariance)), 0.1 * solution.sigma / np.sqrt(information))
        values += [np.array([sd]) for sd in sds]
        for start, stop in level.blocks:
            if stop - start > 1:
                values.append((_partials(covariance[start:stop, start:stop]) + 1) / 2)
    if geometry is not None and any(geometry.given):
        means = conditional_effects(products, solution).means
        for number, form in enumerate(geometry.given):
            if form == "centred":
                values.append(means[number].ravel())
            elif form == "offset":
                values.append((means[number] @ np.linalg.pinv(solution.sigma * solution.factors[number]).T).ravel())
    return values


def _partials(covariance: Floats) -> Floats:
    """Canonical partial correlations of a covariance matrix, pulled inside (-0.9, 0.9), row by row."""
    sd = np.sqrt(np.diag(covariance))
    sd = np.where(sd > 0, sd, 1.0)
    correlation = np.clip(covariance / np.outer(sd, sd), -0.9, 0.9)
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    correlation = (vectors * np.maximum(values, 0.05)) @ vectors.T
    root = np.linalg.cholesky(correlation)
    root /= np.linalg.norm(root, axis=1, keepdims=True)
    partials: list[float] = []
    for i in range(1, len(root)):
        left = 1.0
        for k in range(i):
            partials.append(root[i, k] / np.sqrt(left))
            left = max(left - root[i, k] ** 2, 1e-12)
    return np.asarray(np.clip(np.array(partials), -0.9, 0.9))


def unconstrained(variables: tuple[FreeVariable, ...], values: list[Floats]) -> Floats:
    """The sampler's coordinates: logarithms, logits, or the value itself."""
    parts = []
    for variable, value in zip(variables, values, strict=True):
        if variable.kind == "log":
            parts.append(np.log(value))
        elif variable.kind == "share":
            parts.append(np.log(value) - np.log1p(-value))
        else:
            parts.append(value)
    return np.concatenate(parts)


def jittered(variables: tuple[FreeVariable, ...], values: list[Floats], rng: np.random.Generator) -> list[Floats]:
    """One chain's start: a factor of up to e for sds, up to 1 in logits for correlations."""
    moved = []
    for variable, value in zip(variables, values, strict=True):
        shift = rng.uniform(-1.0, 1.0, size=value.shape)
        if variable.kind == "share":
            moved.append(1 / (1 + (1 - value) / value * np.exp(-shift)))
        elif variable.kind == "effects":
            moved.append(value + 0.2 * shift * np.std(value))
        else:
            moved.append(value * np.exp(shift))
    return moved
