"""The fit as the Equations window of MLwiN shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayesmix.design.coding import Atom, ModelColumn
from bayesmix.results.dialects.conventions import CONVENTIONS
from bayesmix.results.dialects.estimates import Components, fixed_columns, highest_first, read_components
from bayesmix.results.dialects.labels import plain_name
from bayesmix.tables import Lines, Printout, Rules, Sheet

if TYPE_CHECKING:
    from bayesmix.results.likelihood_fit import LikelihoodFit

RULE = CONVENTIONS["mlwin"]

# Indices of rows and groups, and residuals, from the lowest level up.
INDICES = "ijklmnop"
EFFECTS = "uvfghst"


def print_mlwin(fit: LikelihoodFit) -> Printout:
    """Printout of MLwiN's equations, estimates with standard errors in brackets.

    Rasbash, Steele, Browne & Goldstein (2012), A User's Guide to MLwiN, v2.26, chapter 2.
    """
    method = "RIGLS" if fit.method == "REML" else "IGLS"
    found = read_components(fit, RULE.errors)
    parts: list[Sheet | Lines] = [
        Lines(tuple(_equations(fit))),
        *_matrices(fit, found),
        Lines((_residual(fit, found), "", _deviance(fit, method))),
        *_ratios(fit),
    ]
    return Printout(f"Equations ({method})", tuple(parts), tuple(_notes(fit, method)), Rules(indent=2))


def bracketed(estimate: float, se: float) -> str:
    """``0.557(0.020)``."""
    return f"{estimate:.3f}({se:.3f})" if se == se else f"{estimate:.3f}(.)"


def _index(fit: LikelihoodFit, number: int) -> str:
    """Indices of the groups of a level: ``j``, ``jk``, ``k``; crossed levels have one each."""
    levels = len(fit.design.levels)
    nested = levels - len(fit.design.crossed)
    letters = INDICES[1:]
    return letters[number:nested] if number < nested else letters[number]


def _varying(fit: LikelihoodFit) -> dict[frozenset[Atom], list[tuple[int, int]]]:
    """Levels and numbers of the effects on each column."""
    found: dict[frozenset[Atom], list[tuple[int, int]]] = {}
    for number, level in enumerate(fit.design.levels):
        for place, effect in enumerate(level.effects):
            found.setdefault(effect.key, []).append((number, place))
    return found


def _equations(fit: LikelihoodFit) -> list[str]:
    """The response, and an equation for every coefficient that varies."""
    every = INDICES[: len(fit.design.levels) + 1]
    response = f"{fit.design.specification.response.text}_{every}"
    columns = list(fixed_columns(fit))
    varying = _varying(fit)
    keys = [column.key for column in columns]
    random_only = _columns_without(fit, keys)
    errors = np.sqrt(np.diag(fit.solution.vcov))
    terms, equations = [], []
    numbered = [*zip(columns, fit.solution.beta.tolist(), errors.tolist(), strict=True)]
    for number, (column, estimate, se) in enumerate([*numbered, *((c, np.nan, np.nan) for c in random_only)]):
        parts = [f"{EFFECTS[level]}{number}_{_index(fit, level)}" for level, _ in varying.get(column.key, [])]
        constant = not column.atoms
        if constant:
            parts.append(f"e0_{every}")
        size = bracketed(estimate, se) if estimate == estimate else ""
        name = f"b{number}{f'_{every if constant else _widest(fit, varying, column)}' if parts else ''}"
        shown = plain_name(column, "cons")
        terms.append(f"{name} {shown}" if parts else f"{size} {shown}")
        if parts:
            equations.append(f"{name} = {' + '.join([*([size] if size else []), *parts])}")
    if all(column.atoms for column in [*columns, *random_only]):
        terms.append(f"e0_{every}")
    offsets = [factor.text for factor in fit.design.specification.offsets]
    return [f"{response} ~ N(XB, Omega)", f"{response} = {' + '.join([*terms, *offsets])}", *equations]


def _columns_without(fit: LikelihoodFit, keys: list[frozenset[Atom]]) -> list[ModelColumn]:
    """Columns that vary and have no fixed effect."""
    found: dict[frozenset[Atom], ModelColumn] = {}
    for level in fit.design.levels:
        for effect in level.effects:
            if effect.key not in keys:
                found.setdefault(effect.key, effect)
    return list(found.values())


def _widest(fit: LikelihoodFit, varying: dict[frozenset[Atom], list[tuple[int, int]]], column: ModelColumn) -> str:
    """Indices a coefficient needs."""
    used = {letter for level, _ in varying[column.key] for letter in _index(fit, level)}
    return "".join(sorted(used))


def _matrices(fit: LikelihoodFit, found: Components) -> list[Sheet]:
    """Omega of every level, highest first; 0 where a covariance is no parameter."""
    sheets = []
    numbers = _numbers(fit)
    for number in highest_first(fit):
        level = fit.design.levels[number]
        names = [f"{EFFECTS[number]}{numbers[e.key]}_{_index(fit, number)}" for e in level.effects]
        cells = {
            (level.blocks[part.block][0] + part.row, level.blocks[part.block][0] + part.column): part
            for part in found.of_level(number)
        }
        rows = []
        for i, name in enumerate(names):
            row = [bracketed(cells[i, j].estimate, cells[i, j].se) if (i, j) in cells else "0" for j in range(i + 1)]
            rows.append((name, *row, *[""] * (len(names) - 1 - i)))
        title = f"[{', '.join(names)}] ~ N(0, Omega_{EFFECTS[number]}), {level.name}: Omega_{EFFECTS[number]} ="
        sheets.append(Sheet(title, ("", *[""] * len(names)), tuple(rows)))
    return sheets


def _numbers(fit: LikelihoodFit) -> dict[frozenset[Atom], int]:
    """Number of the coefficient of each column."""
    keys = [column.key for column in fixed_columns(fit)]
    keys += [column.key for column in _columns_without(fit, keys)]
    return {key: number for number, key in enumerate(keys)}


def _residual(fit: LikelihoodFit, found: Components) -> str:
    """The residual variance."""
    every = INDICES[: len(fit.design.levels) + 1]
    return f"[e0_{every}] ~ N(0, Omega_e): Omega_e = {bracketed(found.residual, found.residual_se)}"


def _deviance(fit: LikelihoodFit, method: str) -> str:
    """The criterion, and the rows used."""
    n, total = fit.design.n, fit.design.n + fit.design.n_missing
    return f"-2*loglikelihood({method} Deviance) = {fit.criterion:.3f}({n} of {total} cases in use)"


def _ratios(fit: LikelihoodFit) -> list[Sheet]:
    """Estimates over standard errors, which the window leaves to its reader."""
    table = fit.fixed_effects(df=RULE.df)
    rows = [
        (plain_name(column, "cons"), f"{row['estimate']:.3f}", f"{row['se']:.3f}", f"{row['t']:.3f}", f"{row['p']:.3f}")
        for column, (_, row) in zip(fixed_columns(fit), table.iterrows(), strict=True)
    ]
    return [Sheet("Fixed part", ("", "Estimate", "S.E.", "z", "p-value"), tuple(rows))] if rows else []


def _notes(fit: LikelihoodFit, method: str) -> list[str]:
    """What MLwiN would do differently."""
    notes = ["Standard errors of variances are from the expected information of the full likelihood."]
    if fit.design.fixed_names:
        notes.append("z and p-value are not in MLwiN's window; the table is added for its reader.")
    if method == "RIGLS":
        notes.append(
            "Which deviance MLwiN shows after RIGLS could not be checked; here it is -2 log restricted likelihood."
        )
    if fit.design.crossed:
        notes.append("MLwiN fits crossed levels by constraints on a third level, or by MCMC.")
    if fit.singular:
        notes.append("MLwiN sets variances that become negative to 0, with all their covariances.")
    if fit.design.weights_name:
        notes.append("Weights in MLwiN are sampling weights; precision weights enter as 1/sqrt(weight) times e0.")
    if fit.design.specification.offsets:
        notes.append("An offset is a coefficient constrained to 1 in MLwiN.")
    return notes
