"""Degrees of freedom that are counted for each fixed effect, not estimated: containment, HLM's, between-within."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.design.coding import ModelColumn
from bayesmix.design.products import standardise
from bayesmix.errors import ArgumentError
from bayesmix.inference.equations import Units, between_within_df, constant_columns, equation_df, is_chain
from bayesmix.inference.ranks import Effects, independent, joint_rank
from bayesmix.specification import Call, Factor, Name

Floats = NDArray[np.float64]

ESTIMATED = ("satterthwaite", "kenward-roger")
COUNTED = ("containment", "hlm", "between-within", "residual")

TITLES = {
    "satterthwaite": "Satterthwaite degrees of freedom",
    "kenward-roger": "Kenward-Roger standard errors and degrees of freedom",
    "containment": "containment degrees of freedom",
    "hlm": "degrees of freedom as HLM counts them",
    "between-within": "between-within degrees of freedom",
    "residual": "residual degrees of freedom",
    "z": "normal approximation",
    "chi2": "large-sample chi-square",
}

HLM_NOTE = (
    "HLM's rule: a fixed effect belongs to the equation of the highest level at which its chain still has a residual, "
    "and has the units of that level less the predictors of the equation less 1; without such a residual N - p. "
    "Versions of HLM differ in the latter."
)


def check_method(df: object, offered: Sequence[str], reml: bool) -> str:
    """A method that is offered, and that the fit allows.

    Raises
    ------
    ArgumentError
        Otherwise.
    """
    if not isinstance(df, str) or df not in offered:
        near = difflib.get_close_matches(df.lower(), offered, n=1, cutoff=0.3) if isinstance(df, str) else []
        remedy = f"Write df='{near[0]}'." if near else "Choose one of these."
        raise ArgumentError(f"df={df!r} is not offered.", f"Expected one of {', '.join(offered)}.", remedy)
    if df == "kenward-roger" and not reml:
        raise ArgumentError(
            "df='kenward-roger' was asked of a fit by ML.",
            "Kenward and Roger's method is derived for REML estimates.",
            "Fit with model.reml(), or use df='satterthwaite'.",
        )
    return df


def counted_df(design: Design, products: CrossProducts, method: str) -> tuple[Floats, str | None]:
    """Degrees of freedom of every fixed effect, (p,), and what a reader must know about them.

    Parameters
    ----------
    method : str
        One of ``COUNTED``.
    """
    X = design.fixed_values
    residual = np.full(X.shape[1], float(design.n - X.shape[1]))
    if method == "residual" or not design.levels:
        return residual, HLM_NOTE if method == "hlm" else None
    if method == "containment":
        return _containment(design, products)
    levels = [Units(level.grouping.codes, design.values[:, level.places]) for level in design.levels]
    if not is_chain(levels):
        names = ", ".join(level.name for level in design.levels)
        raise ArgumentError(
            f"df='{method}' was asked of crossed levels ({names}).",
            "Expected nested levels: the rule counts the units of one chain of equations.",
            "Use df='satterthwaite' or 'kenward-roger'.",
        )
    if method == "hlm":
        return equation_df(X, levels), HLM_NOTE
    return between_within_df(X, levels), None


def _containment(design: Design, products: CrossProducts) -> tuple[Floats, str | None]:
    """SAS's default: the smallest rank contribution of the group effects that contain a term by name.

    The contribution of an effect is the rank it adds to the fixed effects and the group effects before it, levels of
    few groups first, as they are written in SAS: after the effects of lower levels a higher one would add nothing.
    SAS/STAT User's Guide, PROC MIXED, option DDFM=CONTAIN.
    """
    contributions, rank = _contributions(design, products)
    rows = float(design.n - rank)
    df = np.empty(len(design.fixed))
    for place, number in enumerate(design.fixed):
        named = _variables(frozenset(atom.factor for atom in design.columns[number].atoms))
        df[place] = min((added for holds, added in contributions if named <= holds), default=rows)
    return df, _containment_note(design, df == rows)


def _contributions(design: Design, products: CrossProducts) -> tuple[list[tuple[set[str], int]], int]:
    """Variables of every group effect with the rank it adds, and the rank of [X Z]."""
    inner = standardise(design.values[:, 1:]).values
    W = np.column_stack([np.ones(design.n), inner, np.zeros(design.n)])
    X = W @ independent(products.fixed_basis)
    rank = joint_rank(X, [])
    parts: list[Effects] = []
    found = []
    for number in sorted(range(len(design.levels)), key=lambda at: products.levels[at].n_groups):
        level, columns = design.levels[number], products.levels[number].columns
        terms = _terms_of(level.effects)
        kept: list[int] = []
        for term in dict.fromkeys(terms):
            kept += [i for i, own in enumerate(terms) if own == term]
            basis = independent(products.levels[number].basis[:, kept])
            part = Effects(W[:, columns] @ basis, level.grouping.codes)
            total = joint_rank(X, [*parts, part])
            found.append((_variables(term) | set(level.grouping.columns), total - rank))
            rank = total
        parts.append(part)
    return found, rank


def _terms_of(effects: Sequence[ModelColumn]) -> list[frozenset[Factor]]:
    """The term each effect comes from: labels of one factor are one effect to SAS."""
    return [frozenset(atom.factor for atom in effect.atoms) for effect in effects]


def _variables(term: frozenset[Factor]) -> set[str]:
    """Names a term is made of; a transformed column is a variable of its own."""
    names = set()
    for factor in term:
        match factor.expression:
            case Name(column) | Call("C", (Name(column), *_)):
                names.add(column)
            case _:
                names.add(factor.text)
    return names


def _containment_note(design: Design, of_rows: NDArray[np.bool_]) -> str | None:
    """A warning where a predictor of groups is given the degrees of freedom of rows."""
    groups = np.zeros(len(design.fixed), dtype=bool)
    for level in design.levels:
        groups |= constant_columns(design.fixed_values, level.grouping.codes)
    names = [name for name, hit in zip(design.fixed_names, of_rows & groups, strict=True) if hit]
    if not names:
        return None
    return (
        f"Containment goes by names, as in SAS: no random effect contains {', '.join(names)}, so that the degrees of "
        "freedom count rows although the predictor is constant within groups. df='between-within', 'satterthwaite' or "
        "'kenward-roger' count groups."
    )
