"""Each random term left out in turn, the model fitted again, and the two compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design, Level
from bayesmix.inference.likelihood_ratio import RatioTest, boundary_test
from bayesmix.inference.ml import MlSolution, maximise
from bayesmix.inference.nesting import RandomPart, random_nesting
from bayesmix.inference.singularity import boundary_dimensions
from bayesmix.results.components import parameter_count

Floats = NDArray[np.float64]

MIXTURE_NOTE = (
    "p is from chi-square on df, too large where a variance is tested; p_mixture is from the mixture that holds with "
    "a variance at 0, half chi-square on df - 1 and half on df, and equals p where no variance is tested."
)
BOUNDS_NOTE = (
    "Where p_mixture is missing its weights are not known (several variances at once, or the smaller model has a "
    "variance of 0 or a correlation of 1): it lies between p_low and p_high; a bootstrap from the smaller model can "
    "find it."
)


@dataclass(frozen=True)
class Reduction:
    """A level with one of its terms left out.

    Parameters
    ----------
    term : str
        What is left out: ``ses``.
    start : int
        First effect of the block it is left out of.
    formula : str
        The bars that remain, ``(1 | school)``; empty where the level goes.
    basis : (q, k) array
        Remaining effects as combinations of the level's.
    blocks : tuple of (start, stop)
        Which of them are correlated.
    """

    term: str
    start: int
    formula: str
    basis: Floats
    blocks: tuple[tuple[int, int], ...]


def term_labels(level: Level) -> list[str]:
    """The term behind each effect: ``Intercept``, ``ses``, ``sector`` for ``sector[Catholic]``."""
    return [":".join(atom.factor.text for atom in effect.atoms) or "Intercept" for effect in level.effects]


def bar_text(labels: list[str], level: str, correlated: bool = True) -> str:
    """A bar as one writes it: ``(1 | school)``, ``(ses | school)``, ``(0 + ses | school)``; empty without labels."""
    names = list(dict.fromkeys(labels))
    if not names:
        return ""
    slopes = [name for name in names if name != "Intercept"]
    left = slopes if slopes and "Intercept" in names else ["0", *slopes] if slopes else ["1"]
    return f"({' + '.join(left)} {'|' if correlated else '||'} {level})"


def reductions(design: Design, number: int) -> list[Reduction]:
    """What leaving out each term of a level gives, by the rules of lmerTest's ranova.

    (a + b | g) becomes (b | g) and (a | g); (a | g) becomes (1 | g); (1 | g) is left out, as is (0 + x | g) for a
    numeric x; (0 + f | g) for a factor f becomes (1 | g). A term that is part of another, as a of a:b, stays.
    Kuznetsova, Brockhoff & Christensen (2017), Journal of Statistical Software 82(13).
    """
    level = design.levels[number]
    labels = term_labels(level)
    found = []
    for start, stop in level.blocks:
        own = list(dict.fromkeys(labels[start:stop]))
        slopes = [label for label in own if label != "Intercept"]
        if len(own) == 1:
            found.append(_without(level, labels, start, stop, own[0], _spans_constant(design, level, start, stop)))
            continue
        for term in slopes:
            if not any(set(term.split(":")) < set(other.split(":")) for other in slopes):
                found.append(_without(level, labels, start, stop, term, False))
    return found


def _spans_constant(design: Design, level: Level, start: int, stop: int) -> bool:
    """Whether a block holds a column for each label of a factor, and no block of the level the intercept."""
    if stop - start == 1 or "Intercept" in level.effect_names:
        return False
    return bool(np.all(design.values[:, level.places[start:stop]].sum(axis=1) == 1.0))


def _without(level: Level, labels: list[str], start: int, stop: int, term: str, constant: bool) -> Reduction:
    """The level without the columns of a term in one block; or with their sum, the constant, in their place."""
    q = len(labels)
    columns: list[Floats] = []
    blocks, bars = [], []
    for a, b in level.blocks:
        kept = [i for i in range(a, b) if not (start <= i < stop and labels[i] == term)]
        parts, names = [np.eye(q)[i] for i in kept], [labels[i] for i in kept]
        if (a, b) == (start, stop) and constant:
            parts, names = [np.isin(np.arange(q), np.arange(a, b)).astype(float)], ["Intercept"]
        if parts:
            blocks.append((len(columns), len(columns) + len(parts)))
            bars.append(bar_text(names, level.name))
        columns += parts
    basis = np.array(columns).reshape(-1, q).T
    return Reduction(term, start, " + ".join(bars), basis, tuple(blocks))


def reduced_products(products: CrossProducts, number: int, reduction: Reduction) -> CrossProducts:
    """The cross-products with one level reduced; without effects it stays as groups that nothing varies by."""
    level = products.levels[number]
    changed = replace(level, basis=np.ascontiguousarray(level.basis @ reduction.basis), blocks=reduction.blocks)
    return replace(products, levels=(*products.levels[:number], changed, *products.levels[number + 1 :]))


def random_parts(design: Design) -> list[RandomPart]:
    """The effects of every level, row by row."""
    return [RandomPart(design.values[:, v.places], v.grouping.codes, v.blocks) for v in design.levels]


def random_terms_table(design: Design, products: CrossProducts, solution: MlSolution) -> pd.DataFrame:
    """Fit the model without each random term and compare; see ``LikelihoodFit.random_terms``."""
    rows, index = [], []
    for number, level in enumerate(design.levels):
        for reduction in reductions(design, number):
            loglik, test = ratio_test_without(design, products, solution, number, reduction)
            count = parameter_count(products) - test.df
            fitted = [reduction.formula, count, loglik, -2 * loglik + 2 * count]
            rows.append([*fitted, test.chisq, test.df, test.p, test.p_mixture, test.p_low, test.p_high])
            index.append((level.name, reduction.term))
    columns = ["left", "n_par", "loglik", "aic", "chisq", "df", "p", "p_mixture", "p_low", "p_high"]
    frame = pd.DataFrame(rows, columns=columns, index=pd.MultiIndex.from_tuples(index, names=["level", "term"]))
    return with_note(frame)


def ratio_test_without(
    design: Design, products: CrossProducts, solution: MlSolution, number: int, reduction: Reduction
) -> tuple[float, RatioTest]:
    """Log likelihood of the model with one level reduced, fitted by the same method, and the test against it.

    Raises
    ------
    ConvergenceError
        The smaller model has no optimum that passes the certificate.
    """
    level, parts = design.levels[number], random_parts(design)
    smaller = reduced_products(products, number, reduction)
    fit = maximise(smaller, solution.reml)
    kept = RandomPart(parts[number].effects @ reduction.basis, level.grouping.codes, reduction.blocks)
    small = [*parts[:number], *([kept] if reduction.blocks else []), *parts[number + 1 :]]
    df = parameter_count(products) - parameter_count(smaller)
    chisq = max(fit.criterion - solution.criterion, 0.0)
    boundary = random_nesting(small, parts).boundary
    return -fit.criterion / 2, boundary_test(chisq, df, boundary, boundary_dimensions(smaller, fit))


def with_note(frame: pd.DataFrame) -> pd.DataFrame:
    """Say in ``attrs["note"]`` what the p-values are."""
    unknown = bool((frame["p_mixture"].isna() & frame["p"].notna()).any())
    frame.attrs["note"] = f"{MIXTURE_NOTE} {BOUNDS_NOTE}" if unknown else MIXTURE_NOTE
    return frame
