"""Likelihood-ratio tests between fits, refused where the likelihoods can not be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import Design
from bayesmix.errors import ArgumentError, ConvergenceError, refuse_unknown
from bayesmix.inference.likelihood_ratio import boundary_test
from bayesmix.inference.ml import maximise
from bayesmix.inference.nesting import random_nesting, span_map
from bayesmix.inference.singularity import boundary_dimensions
from bayesmix.results.bootstrap import bootstrap_lrt
from bayesmix.results.components import covariance_count
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.random_terms import random_parts, with_note
from bayesmix.tables import Header, format_summary, format_table

Floats = NDArray[np.float64]


@runtime_checkable
class Fittable(Protocol):
    """What can be fitted by either method: a Model."""

    @property
    def design(self) -> Design:
        """Formula and data together."""

    def reml(self) -> LikelihoodFit:
        """Fit by REML."""

    def ml(self) -> LikelihoodFit:
        """Fit by ML."""


@dataclass(frozen=True, repr=False)
class LikelihoodRatioTest:
    """Likelihood-ratio tests between nested fits, each against the one before it.

    Parameters
    ----------
    table : DataFrame
        Index formula; n_par, criterion, aic, bic, loglik, chisq, df, p, p_mixture, p_low, p_high.
    method : str
        ``"REML"`` or ``"ML"``.
    note : str
        What the p-values are, and what was done to make the fits comparable.
    """

    table: pd.DataFrame
    method: str
    note: str

    def __repr__(self) -> str:
        unknown = bool((self.table["p_mixture"].isna() & self.table["p"].notna()).any())
        shown = self.table if unknown else self.table.drop(columns=["p_low", "p_high"])
        decimals = {"n_par": 0, "df": 0, "aic": 2, "bic": 2}
        return format_summary(
            Header(f"Likelihood-ratio tests, {self.method} fits", []),
            [("", format_table(shown, decimals))],
            [self.note],
        )


def lrt(
    *fits: LikelihoodFit | Fittable,
    method: str | None = None,
    refit: bool = False,
    simulate: int = 0,
    seed: int | None = None,
    **unknown: Any,
) -> LikelihoodRatioTest:
    """Compare nested models by the likelihood-ratio test.

    Parameters
    ----------
    *fits : LikelihoodFit or Model
        Two or more over the same rows, in any order. Models are fitted here: by ML where their fixed parts differ, by
        REML where they are the same, or by the method of the fits beside them.
    method : {"ML", "REML"}, optional
        How models are fitted, and refitted with ``refit=True``.
    refit : bool
        Fit the models again, by ML unless ``method`` says otherwise, instead of refusing REML fits with different
        fixed parts, or fits by different methods.
    simulate : int
        Responses simulated from each smaller fit for one more p-value, ``p_simulated``, which needs no theory of
        boundaries; 0 for none.
    seed : int, optional
        The same seed gives the same simulated p-values.

    Returns
    -------
    LikelihoodRatioTest

    Raises
    ------
    ArgumentError
        Fits to different rows or responses, REML fits with different fixed parts, fits by different methods, models of
        which none contains the other or that have the same number of parameters.

    References
    ----------
    Stram & Lee (1994), Biometrics 50:1171-1177, for variances; Welham & Thompson (1997), J. R. Statist. Soc. B
    59:701-714, for why REML likelihoods with different fixed effects are not compared.

    Examples
    --------
    >>> import bayesmix as bx
    >>> hsb = bx.load_dataset("hsb")
    >>> models = [bx.Model(f"math ~ ses + ({left} | school)", hsb) for left in ("1", "ses")]
    >>> bx.lrt(*models).table[["chisq", "df", "p", "p_mixture"]].iloc[1].round(4).tolist()
    [4.7711, 2.0, 0.092, 0.0605]
    """
    refuse_unknown("lrt", unknown, ("method", "refit", "simulate", "seed"))
    if isinstance(simulate, bool) or not isinstance(simulate, int) or simulate < 0:
        raise ArgumentError(f"simulate={simulate!r}.", "Expected a whole number, 0 for none.", "Try simulate=1000.")
    for fit in fits:
        if not isinstance(fit, LikelihoodFit | Fittable):
            raise ArgumentError(
                f"lrt was given a {type(fit).__name__}.",
                "Expected fits by .reml() or .ml(), or models.",
                "Pass model.ml() or the model itself.",
            )
    if len(fits) < 2:
        raise ArgumentError(f"lrt was given {len(fits)} fit(s).", "Expected two or more.", "Pass lrt(small, large).")
    if method not in (None, "ML", "REML"):
        raise ArgumentError(f"method={method!r} is not offered.", "Expected 'ML' or 'REML'.", "Choose one of these.")
    if not isinstance(refit, bool):
        raise ArgumentError(f"refit={refit!r}.", "Expected True or False.", "Leave it out, or write refit=True.")
    first = fits[0].design
    for other in fits[1:]:
        _require_same_rows(first, other.design)
    ordered = sorted(_fitted(fits, method, refit), key=lambda fit: fit.n_parameters)
    found = _compare(ordered)
    if simulate == 0:
        return found
    pairs = [bootstrap_lrt(a, b, n=simulate, seed=seed) for a, b in pairwise(ordered)]
    table = found.table.assign(p_simulated=[np.nan, *(pair.p for pair in pairs)])
    return replace(
        found, table=table, note=f"{found.note} p_simulated is from {simulate} responses of the smaller fit."
    )


def _require_same_rows(one: Design, other: Design) -> None:
    """Refuse designs of different rows."""
    named = f"'{one.specification.formula}' and '{other.specification.formula}'"
    if one.n != other.n:
        raise ArgumentError(
            f"{named} are fitted to {one.n} and {other.n} rows.",
            "Expected the same rows: likelihoods of different data can not be compared.",
            "Drop the rows in which any column of either formula is missing, then fit both.",
        )
    if not (np.array_equal(one.response, other.response) and np.array_equal(one.offset, other.offset)):
        raise ArgumentError(
            f"{named} are fitted to different responses, offsets or rows.",
            "Expected the same response in the same rows: likelihoods of different data can not be compared.",
            "Fit both to one data frame with one response.",
        )
    if not np.array_equal(_weights(one), _weights(other)):
        raise ArgumentError(
            f"{named} are fitted with different weights.",
            "Expected the same weights: they are part of the likelihood, which weights divided by 2 change.",
            "Fit both with one choice of weights=.",
        )


def _weights(design: Design) -> Floats:
    """Weights of the rows; without any, all are 1."""
    return np.ones(design.n) if design.weights is None else design.weights


def _fitted(fits: Sequence[LikelihoodFit | Fittable], method: str | None, refit: bool) -> list[LikelihoodFit]:
    """Every model fitted by one method."""
    given = {fit.method for fit in fits if isinstance(fit, LikelihoodFit)}
    same = all(_same_span(fits[0].design, fit.design) for fit in fits[1:])
    if refit:
        wanted = method or "ML"
    elif given:
        wanted = "REML" if given == {"REML"} else "ML"
        if len(given) > 1 or (method is not None and method != wanted):
            listed = ", ".join(f"'{fit.design.specification.formula}' {_method_of(fit)}" for fit in fits)
            raise ArgumentError(
                f"The fits are by different methods: {listed}{f' (method={method!r})' if method else ''}.",
                "Expected all by ML, or all by REML.",
                "Fit all by .ml(), or pass refit=True.",
            )
    else:
        wanted = method or ("REML" if same else "ML")
    if wanted == "REML" and not same:
        raise ArgumentError(
            "The fixed parts differ and the method is REML.",
            "Expected the same fixed effects: the restricted likelihood is that of the residuals from the fixed part, "
            "so that models with different fixed parts explain different data.",
            "Fit both by .ml(), or pass refit=True to have that done.",
        )
    return [_by(fit, wanted) for fit in fits]


def _method_of(fit: LikelihoodFit | Fittable) -> str:
    """How a fit was made."""
    return f"({fit.method})" if isinstance(fit, LikelihoodFit) else "(not fitted)"


def _by(fit: LikelihoodFit | Fittable, method: str) -> LikelihoodFit:
    """The fit by a method; made where it is not there."""
    if not isinstance(fit, LikelihoodFit):
        return fit.reml() if method == "REML" else fit.ml()
    if fit.method == method:
        return fit
    return LikelihoodFit(fit.design, fit.products, maximise(fit.products, reml=method == "REML"))


def _same_span(one: Design, other: Design) -> bool:
    """Whether two fixed parts span the same functions."""
    if len(one.fixed) != len(other.fixed):
        return False
    return span_map(one.fixed_values, other.fixed_values) is not None


def _compare(fits: list[LikelihoodFit]) -> LikelihoodRatioTest:
    """Neighbours of a list ordered by parameters, smallest first."""
    shifts = np.array([_coding_shift(fits[0], fit) for fit in fits])
    rows = []
    for fit, shift in zip(fits, shifts, strict=True):
        criterion = fit.criterion + shift
        rows.append([fit.n_parameters, criterion, fit.aic + shift, fit.bic + shift, -criterion / 2, *[np.nan] * 6])
    undecided = []
    for i, (small, large) in enumerate(pairwise(fits)):
        chisq = rows[i][1] - rows[i + 1][1]
        rows[i + 1][5:], decided = _test(small, large, chisq)
        if not decided:
            undecided.append(large.design.specification.formula)
    columns = ["n_par", "criterion", "aic", "bic", "loglik", "chisq", "df", "p", "p_mixture", "p_low", "p_high"]
    index = pd.Index([fit.design.specification.formula for fit in fits], name="formula")
    table = with_note(pd.DataFrame(rows, columns=columns, index=index))
    table["n_par"] = table["n_par"].astype(int)
    note = str(table.attrs.pop("note"))
    if undecided:
        listed = ", ".join(f"'{formula}'" for formula in undecided)
        note += f" The data do not show whether {listed} contains the model before it; if not, no p-value holds."
    if np.any(shifts != 0):
        note += " The fixed parts are coded differently; REML criteria are given in the coding of the first fit."
    return LikelihoodRatioTest(table, fits[0].method, note)


def _coding_shift(reference: LikelihoodFit, fit: LikelihoodFit) -> float:
    """What a REML criterion gains when the same fixed part is coded as the reference codes it.

    With X = X_ref A, log|X'V^-1X| = log|X_ref'V^-1X_ref| + 2 log|det A|.
    """
    if fit.method != "REML" or np.array_equal(fit.design.fixed_values, reference.design.fixed_values):
        return 0.0
    A = span_map(reference.design.fixed_values, fit.design.fixed_values)
    assert A is not None
    return -2.0 * float(np.linalg.slogdet(A)[1])


def _test(small: LikelihoodFit, large: LikelihoodFit, chisq: float) -> tuple[list[float], bool]:
    """Statistic, df and tail probabilities of one pair, and whether it is known to be nested."""
    named = f"'{small.design.specification.formula}' and '{large.design.specification.formula}'"
    df = large.n_parameters - small.n_parameters
    if df == 0:
        raise ArgumentError(
            f"{named} both have {small.n_parameters} parameters.",
            "Expected one to contain the other, with more parameters.",
            "Compare them by .aic or .bic instead.",
        )
    nesting = random_nesting(random_parts(small.design), random_parts(large.design))
    contained = span_map(large.design.fixed_values, small.design.fixed_values) is not None
    rises = chisq < -1e-9 * max(1e3, abs(small.criterion))  # more than rounding
    if contained and nesting.nested and rises:
        raise ConvergenceError(
            f"Of {named} the larger, which contains the smaller, has a criterion that is {-chisq:.2g} higher.",
            "Expected it to be at least as low.",
            "Fit the larger one with more starts, Optimizer(scales=...), and pass the fits.",
        )
    if not contained or nesting.nested is False or rises:
        part = "fixed" if not contained else "random"
        raise ArgumentError(
            f"Of {named} the smaller is not a special case of the larger: its {part} part is not contained.",
            "Expected nested models; only then does the likelihood ratio have a chi-square distribution.",
            "Compare them by .aic or .bic, or test each against a model that contains both.",
        )
    chisq = max(chisq, 0.0)
    fixed = large.products.n_fixed - small.products.n_fixed
    if df == fixed and covariance_count(large.products) == covariance_count(small.products):
        boundary = null_boundary = 0
    else:
        boundary, null_boundary = nesting.boundary, boundary_dimensions(small.products, small.solution)
    found = boundary_test(chisq, df, boundary, null_boundary, fixed)
    if nesting.nested is None:
        return [chisq, df, found.p, np.nan, 0.0, found.p], False
    return [chisq, df, found.p, found.p_mixture, found.p_low, found.p_high], True
