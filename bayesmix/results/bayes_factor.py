"""Posteriors of the same data weighed against each other by their marginal likelihoods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import Design
from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.marginal_likelihood import LogMarginalLikelihood, decimals_of

Floats = NDArray[np.float64]

# Upper bounds and words: Kass & Raftery (1995), J. Amer. Statist. Assoc. 90:773-795, section 3.2, of 2 log B; Jeffreys
# (1961), Theory of Probability, 3rd ed., appendix B, of log10 B.
_SCALES = {
    "kass-raftery": (
        (2.0, "not worth more than a bare mention"),
        (6.0, "positive"),
        (10.0, "strong"),
        (np.inf, "very strong"),
    ),
    "jeffreys": (
        (0.5, "barely worth mentioning"),
        (1.0, "substantial"),
        (1.5, "strong"),
        (2.0, "very strong"),
        (np.inf, "decisive"),
    ),
}
_SOURCES = {"kass-raftery": "Kass & Raftery 1995", "jeffreys": "Jeffreys 1961"}
_NOTE = (
    "Bayes factors depend on the priors of the parameters the models do not share, however many the data; errors are "
    "Monte Carlo errors."
)


@dataclass(frozen=True, repr=False)
class BayesFactor:
    """How many times as probable the data are under one model as under another.

    Parameters
    ----------
    numerator, denominator : str
        Formulas.
    evidence : (LogMarginalLikelihood, LogMarginalLikelihood)
        Of the two.
    """

    numerator: str
    denominator: str
    evidence: tuple[LogMarginalLikelihood, LogMarginalLikelihood]

    @property
    def log(self) -> float:
        """Natural logarithm of the factor; above 0 it speaks for the numerator."""
        return float(self.evidence[0]) - float(self.evidence[1])

    @property
    def se(self) -> float:
        """Monte Carlo error of the natural logarithm; the two posteriors are independent."""
        return float(np.hypot(self.evidence[0].se, self.evidence[1].se))

    @property
    def log10(self) -> float:
        """Logarithm to base 10."""
        return self.log / float(np.log(10))

    @property
    def ratio(self) -> float:
        """The factor itself; inf beyond what floats can hold."""
        return float(np.exp(np.float64(self.log))) if self.log < 709 else float("inf")

    def in_words(self, scale: str = "kass-raftery") -> str:
        """What the factor is called.

        Parameters
        ----------
        scale : {"kass-raftery", "jeffreys"}
            Kass & Raftery (1995) on 2 log B, Jeffreys (1961) on log10 B.

        Examples
        --------
        >>> from bayesmix.results.bayes_factor import BayesFactor
        >>> from bayesmix.results.marginal_likelihood import LogMarginalLikelihood
        >>> known = dict(se=0.01, method="", dimension=1, draws=1, effective=1.0)
        >>> pair = tuple(LogMarginalLikelihood(value, **known) for value in (-10.0, -12.0))
        >>> BayesFactor("y ~ x", "y ~ 1", pair).in_words()
        "positive evidence for 'y ~ x'"
        """
        if not isinstance(scale, str) or scale not in _SCALES:
            raise ArgumentError(
                f"scale={scale!r} is not offered.", f"Expected one of {', '.join(_SCALES)}.", "Choose one of these."
            )
        size = abs(2 * self.log) if scale == "kass-raftery" else abs(self.log10)
        words = next(text for bound, text in _SCALES[scale] if size <= bound)
        if abs(self.log) <= 2 * self.se:
            return "evidence for neither: 0 is within twice the Monte Carlo error"
        favoured = self.numerator if self.log > 0 else self.denominator
        if "worth" in words:
            return f"evidence for '{favoured}' {words}"
        return f"{words} evidence for '{favoured}'"

    @property
    def table(self) -> pd.DataFrame:
        """One row: log_bf, se, log10_bf, bf, evidence (in words)."""
        row = {"log_bf": self.log, "se": self.se, "log10_bf": self.log10, "bf": self.ratio, "evidence": self.in_words()}
        frame = pd.DataFrame([row], index=pd.Index([f"{self.numerator} against {self.denominator}"], name="models"))
        frame.attrs["note"] = _NOTE
        return frame

    def __repr__(self) -> str:
        decimals = decimals_of(self.se)
        ratio = f"{self.ratio:.3g}" if np.isfinite(self.ratio) and self.ratio > 0 else f"10^{self.log10:.0f}"
        return "\n".join(
            [
                f"Bayes factor of '{self.numerator}' against '{self.denominator}': {ratio}",
                f"  log {self.log:.{decimals}f} ± {self.se:.{decimals}f}, log10 {self.log10:.{decimals}f}",
                f"  {self.in_words()} ({_SOURCES['kass-raftery']})",
                f"  {_NOTE}",
            ]
        )


def bayes_factor(
    post1: BayesFit, post0: BayesFit | None = None, *others: Any, seed: int | None = None, **unknown: Any
) -> BayesFactor:
    """The Bayes factor of one model against another, of the same rows and response.

    Parameters
    ----------
    post1, post0 : BayesFit
        Two posteriors under proper priors. Priors of parameters that both have should be the same, and those of the
        others be meant: they decide.
    seed : int, optional
        As of :meth:`BayesFit.log_marginal_likelihood`.

    Returns
    -------
    BayesFactor
        ``.log``, ``.se`` (of the log), ``.log10``, ``.ratio``, ``.in_words()``, ``.table``.

    Raises
    ------
    ArgumentError
        Fits of other rows, another response or other weights.
    PriorError, ConvergenceError
        As of :meth:`BayesFit.log_marginal_likelihood`.

    References
    ----------
    Kass & Raftery (1995), J. Amer. Statist. Assoc. 90:773-795.

    Examples
    --------
    >>> import bayesmix as bx
    >>> data = bx.load_dataset("sleepstudy")
    >>> formulas = ["Reaction ~ Days + (Days | Subject)", "Reaction ~ Days + (1 | Subject)"]
    >>> posts = [bx.Model(formula, data).sample(seed=1) for formula in formulas]  # doctest: +SKIP
    >>> bx.bayes_factor(*posts, seed=1)  # doctest: +SKIP
    """
    refuse_unknown("bayes_factor", unknown, ("seed",))
    given = (post1, *(() if post0 is None else (post0,)), *others)
    if len(given) != 2 or any(isinstance(fit, Mapping | list | tuple) for fit in given):
        raise ArgumentError(
            f"bayes_factor was given {_kinds(given)}.",
            "Expected two posteriors.",
            "Write bx.bayes_factor(post1, post0) with what model.sample() returned; more than two models, or models by "
            "name, are for bx.model_probabilities({...}).",
        )
    assert post0 is not None
    for fit in given:
        _require_posterior("bayes_factor", fit)
    require_same_data([post1.design, post0.design])
    evidence = (post1.log_marginal_likelihood(seed=seed), post0.log_marginal_likelihood(seed=seed))
    return BayesFactor(post1.design.specification.formula, post0.design.specification.formula, evidence)


def model_probabilities(
    fits: Mapping[str, BayesFit],
    *others: Any,
    prior: Mapping[str, float] | None = None,
    seed: int | None = None,
    **unknown: Any,
) -> pd.DataFrame:
    """Posterior probabilities of several models of the same rows and response.

    Parameters
    ----------
    fits : mapping of str to BayesFit
        Two or more posteriors, by the names they shall have.
    prior : mapping of str to float, optional
        Prior weights of all of them, positive; they are divided by their sum. By default all are the same.
    seed : int, optional
        As of :meth:`BayesFit.log_marginal_likelihood`.

    Returns
    -------
    DataFrame
        Index model; probability, mcse (of it), log_evidence, se, log_bf (against the most probable; its own is 0),
        prior, formula.

    Raises
    ------
    ArgumentError
        Fits of other rows, another response or other weights; prior weights that can not be.
    PriorError, ConvergenceError
        As of :meth:`BayesFit.log_marginal_likelihood`.

    References
    ----------
    Kass & Raftery (1995), J. Amer. Statist. Assoc. 90:773-795, section 2.

    Examples
    --------
    >>> import bayesmix as bx
    >>> bx.model_probabilities({"slope": post1, "no slope": post0}, seed=1)  # doctest: +SKIP
    """
    refuse_unknown("model_probabilities", unknown, ("prior", "seed"))
    named = isinstance(fits, Mapping) and not others
    if not named or len(fits) < 2:
        raise ArgumentError(
            f"model_probabilities was given {f'{len(fits)} model(s)' if named else _kinds((fits, *others))}.",
            "Expected two or more posteriors by name.",
            'Write bx.model_probabilities({"slope": post1, "no slope": post0}).',
        )
    for fit in fits.values():
        _require_posterior("model_probabilities", fit)
    require_same_data([fit.design for fit in fits.values()])
    before = _prior_probabilities(list(fits), prior)
    found = [fit.log_marginal_likelihood(seed=seed) for fit in fits.values()]
    logs, errors = np.array([float(each) for each in found]), np.array([each.se for each in found])
    weights = logs + np.log(before)
    after = np.exp(weights - weights.max())
    after /= after.sum()
    # Probability i moves by p_i (1 - p_i) with its own log evidence and by -p_i p_j with another's.
    moves = np.diag(after) - np.outer(after, after)
    table = pd.DataFrame(
        {
            "probability": after,
            "mcse": np.sqrt((moves * errors) ** 2 @ np.ones(len(errors))),
            "log_evidence": logs,
            "se": errors,
            "log_bf": logs - logs[int(after.argmax())],
            "prior": before,
            "formula": [fit.design.specification.formula for fit in fits.values()],
        },
        index=pd.Index(list(fits), name="model"),
    )
    table.attrs["note"] = f"Probabilities among these models only. {_NOTE}"
    return table


def _kinds(given: Sequence[Any]) -> str:
    """What something was, by type."""
    return " and ".join(type(each).__name__ for each in given)


def _prior_probabilities(names: list[str], prior: Any) -> Floats:
    """Weights of the models before the data, divided by their sum."""
    if prior is None:
        return np.full(len(names), 1 / len(names))
    example = ", ".join(f"{name!r}: 1" for name in names)
    if not isinstance(prior, Mapping) or set(prior) != set(names):
        raise ArgumentError(
            f"prior={prior!r}.", "Expected one weight for each model, by its name.", f"Write {{{example}}}."
        )
    for name, weight in prior.items():
        number = isinstance(weight, int | float | np.number) and not isinstance(weight, bool)
        if not number or not np.isfinite(weight) or weight <= 0:
            raise ArgumentError(
                f"prior[{name!r}]={weight!r}.",
                "Expected a positive number.",
                "Leave a model out instead of giving it 0.",
            )
    weights = np.array([float(prior[name]) for name in names])
    return np.asarray(weights / weights.sum())


def _require_posterior(function: str, fit: Any) -> None:
    """Refuse what is no posterior."""
    if not isinstance(fit, BayesFit):
        raise ArgumentError(
            f"{function} was given a {type(fit).__name__}.",
            "Expected posteriors: the evidence is an average over priors.",
            "Pass model.sample(); likelihood fits are compared by bx.lrt or .aic.",
        )


def require_same_data(designs: Sequence[Design]) -> None:
    """Refuse models whose marginal likelihoods are densities of different data.

    Offsets may differ: they are part of the mean, not of the data.

    Raises
    ------
    ArgumentError
    """
    one = designs[0]
    for other in designs[1:]:
        named = f"'{one.specification.formula}' and '{other.specification.formula}'"
        if one.n != other.n:
            raise ArgumentError(
                f"{named} are fitted to {one.n} and {other.n} rows.",
                "Expected the same rows: each row more makes the data less probable.",
                "Drop the rows in which any column of either formula is missing, then fit both.",
            )
        if not np.array_equal(one.response, other.response):
            texts = [design.specification.response.text for design in (one, other)]
            what = f"responses '{texts[0]}' and '{texts[1]}'" if texts[0] != texts[1] else "different responses or rows"
            raise ArgumentError(
                f"{named} are fitted to {what}.",
                "Expected the same response in the same rows: densities of different numbers can not be compared; "
                "that of a transformed response lacks the derivative of the transformation.",
                "Fit both to one data frame with one response.",
            )
        mine, theirs = (np.ones(one.n) if design.weights is None else design.weights for design in (one, other))
        if not np.array_equal(mine, theirs):
            raise ArgumentError(
                f"{named} are fitted with different weights.",
                "Expected the same weights: the prior of sigma means another residual variance under others.",
                "Fit both with one choice of weights=.",
            )
