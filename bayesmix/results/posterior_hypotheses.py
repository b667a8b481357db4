"""What a posterior says of hypotheses about its parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError
from bayesmix.inference.naming import sd_name, variable_name
from bayesmix.results.components import correlation
from bayesmix.results.derived import hand_out
from bayesmix.results.evidence import (
    Evidence,
    contrast_evidence,
    correlation_evidence,
    sd_evidence,
    standard_error,
)
from bayesmix.results.held_evidence import HeldEvidence
from bayesmix.results.hypotheses import vocabulary
from bayesmix.results.shares import average_icc
from bayesmix.results.statements import Expression, Parameter, Statement, read_statements
from bayesmix.results.term_hypotheses import fixed_terms

if TYPE_CHECKING:
    from bayesmix.results.surface.posterior import PosteriorChecks

Floats = NDArray[np.float64]

COUNTED = "draws"


def hypothesis_table(
    post: PosteriorChecks, hypothesis: Any, prob: float | None, draws: bool
) -> pd.DataFrame | xr.DataArray:
    """Read hypotheses and weigh each, or return the draws of left minus right."""
    texts = [hypothesis] if isinstance(hypothesis, str) else hypothesis
    if not isinstance(texts, Sequence) or not texts or not all(isinstance(text, str) for text in texts):
        raise ArgumentError(
            f"The hypothesis is {hypothesis!r}.", "Expected text, or a list of texts.", "Write it as 'ses > 2'."
        )
    words = parameter_words(post)
    found = [one for text in texts for one in read_statements(text, words, len(post.design.fixed_names))]
    for statement in found:
        _require_content(statement)
    shape = post.parameters.sigma.shape
    values = np.stack([np.broadcast_to(one.left.values - one.right.values, shape) for one in found], axis=-1)
    labels = {"hypothesis": [one.text for one in found]}
    if draws:
        return hand_out(post, values, labels, prob, draws)
    table = hand_out(post, values, labels, prob, draws)
    table.insert(1, "sd", values.reshape(-1, len(found)).std(axis=0, ddof=1))
    far = HeldEvidence(post)
    rows = [_weigh(post, far, one, values[..., place]) for place, one in enumerate(found)]
    return table.assign(**pd.DataFrame(rows, index=table.index))


def _require_content(statement: Statement) -> None:
    """Refuse what holds or fails whatever the data."""
    left, right = statement.left.linear, statement.right.linear
    if left is not None and right is not None and not np.any(left[:-1] != right[:-1]):
        raise ArgumentError(
            f"The hypothesis '{statement.text}' says nothing of any parameter.",
            "Expected one that the data can tell something about.",
            "Remove it.",
        )


def _weigh(post: PosteriorChecks, far: HeldEvidence, statement: Statement, difference: Floats) -> dict[str, Any]:
    """Probability and evidence of one hypothesis, and where they are from."""
    if statement.relation == "=":
        found = _equality(post, far, statement)
        probability, ratio, error, method = found.probability, found.ratio, found.mcse, found.method
    else:
        holds = (difference > 0 if statement.relation == ">" else difference < 0).astype(float)
        probability, method = float(holds.mean()), COUNTED
        ratio = probability / (1 - probability) if probability < 1 else float("inf")
        error = standard_error(holds) / (1 - probability) ** 2 if probability < 1 else float("nan")
    return {"probability": probability, "evidence_ratio": ratio, "mcse": error, "method": method}


def _equality(post: PosteriorChecks, far: HeldEvidence, statement: Statement) -> Evidence:
    """Posterior over prior density of what is said to have one value."""
    left, right = statement.left, statement.right
    if left.linear is not None and right.linear is not None:
        rest = left.linear - right.linear
        return contrast_evidence(post, far, rest[:-1], -float(rest[-1]))
    one, value = (left, right.constant) if left.parameter is not None else (right, left.constant)
    if one.parameter is None or value is None:
        raise ArgumentError(
            f"The hypothesis '{statement.text}' equates what has no prior density in closed form.",
            "Expected a sum of fixed effects, one standard deviation, or one correlation, equal to a number.",
            "Ask for an inequality, or set an sd to 0 in place of its variance or an ICC.",
        )
    level, effects = one.parameter.level, one.parameter.effects
    if level is not None and one.parameter.is_correlation:
        if not -1 < value < 1:
            raise _outside(statement, "correlation", value, "Write one between -1 and 1.")
        return correlation_evidence(post, far, level, effects, value)
    if not (value > 0 or (value == 0 and level is not None)):
        raise _outside(statement, "standard deviation", value, "Write a positive number.")
    return sd_evidence(post, far, level, effects[0], value)


def _outside(statement: Statement, what: str, value: float, remedy: str) -> ArgumentError:
    """The answer to equality with a value that a parameter can not have."""
    return ArgumentError(
        f"The hypothesis '{statement.text}' sets a {what} to {value:g}.", "Expected a value that it can have.", remedy
    )


def parameter_words(post: PosteriorChecks) -> dict[str, Callable[[], Expression]]:
    """Every name of a parameter: ``ses``, ``sigma``, ``sd(ses|school)``, ``corr(Intercept,ses)``, ``icc(school)``.

    The level may be left out where there is one; sds may have their names in the posterior, ``ses|school_sigma``. A
    fixed effect goes before a parameter of the same name.
    """
    design = post.design
    fixed: dict[str, Callable[[], Expression]] = {}
    for place, name in enumerate(design.fixed_names):
        fixed[name] = fixed[variable_name(name)] = partial(_fixed, post, name, (place,))
    terms = {term.label: term.columns.tolist() for term in fixed_terms(design)}
    for word, places in vocabulary(design.fixed_names, terms).words.items():
        fixed.setdefault(
            word, fixed[design.fixed_names[places[0]]] if len(places) == 1 else partial(_fixed, post, word, places)
        )
    others: dict[str, Callable[[], Expression]] = {}
    others["sigma"] = others["sd(residual)"] = partial(_sigma, post)
    others["var(residual)"] = partial(_covariance, post, None, (0, 0))
    for number in range(len(design.levels)):
        others |= _level_words(post, number)
    return fixed | {word: make for word, make in others.items() if word not in fixed}


def _level_words(post: PosteriorChecks, number: int) -> dict[str, Callable[[], Expression]]:
    """Names of the variance parameters of a level; a space stands for any number of them."""
    level, words = post.design.levels[number], dict[str, Callable[[], Expression]]()
    alone = len(post.design.levels) == 1
    ends = ["", f" | {level.name}"] if alone else [f" | {level.name}"]
    for word in (f"icc( {level.name} )", *(["icc"] if alone else [])):
        words[word] = words.get(f"icc( {level.name} )", partial(_icc, post, number))
    for a, name in enumerate(level.effect_names):
        sd, variance = partial(_sd, post, number, a), partial(_covariance, post, number, (a, a))
        words |= {f"sd( {name}{end} )": sd for end in ends} | {sd_name(name, level.name): sd}
        words |= {f"var( {name}{end} )": variance for end in ends}
    for i, j in level.pairs:
        both = [f"{level.effect_names[a]} , {level.effect_names[b]}" for a, b in ((i, j), (j, i))]
        for kind, make in (("cov", _covariance), ("corr", _correlation)):
            found = partial(make, post, number, (i, j))
            words |= {f"{kind}( {names}{end} )": found for names in both for end in ends}
    return words


def _fixed(post: PosteriorChecks, word: str, places: tuple[int, ...]) -> Expression:
    """A fixed effect."""
    names = post.design.fixed_names
    if len(places) > 1:
        raise ArgumentError(
            f"'{word}' has {len(places)} coefficients.",
            f"Expected one of {', '.join(names[place] for place in places)}.",
            "Name one of these.",
        )
    linear = np.zeros(len(names) + 1)
    linear[places[0]] = 1.0
    return Expression(post.parameters.beta[..., places[0]], linear)


def _sigma(post: PosteriorChecks) -> Expression:
    """The residual standard deviation."""
    return Expression(post.parameters.sigma, None, Parameter(None))


def _sd(post: PosteriorChecks, number: int, effect: int) -> Expression:
    """The standard deviation of an effect."""
    values = np.sqrt(post.parameters.covariances[number][..., effect, effect])
    return Expression(values, None, Parameter(number, (effect, effect)))


def _covariance(post: PosteriorChecks, number: int | None, pair: tuple[int, int]) -> Expression:
    """A variance or covariance; the residual variance where the level is None."""
    if number is None:
        return Expression(post.parameters.sigma**2)
    return Expression(post.parameters.covariances[number][..., pair[0], pair[1]])


def _correlation(post: PosteriorChecks, number: int, pair: tuple[int, int]) -> Expression:
    """The correlation of two effects."""
    values = correlation(post.parameters.covariances[number], *pair)
    return Expression(values, None, Parameter(number, pair))


def _icc(post: PosteriorChecks, number: int) -> Expression:
    """A level's share of the variance, as :meth:`BayesFit.icc` has it."""
    return Expression(average_icc(post, "share")[..., number])
