"""Models and priors near the one that was fitted, as code to paste."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace

from bayesmix.design import Design
from bayesmix.errors import FormulaError
from bayesmix.inference.distributions import Distribution, Flat
from bayesmix.inference.priors import LKJ, Priors
from bayesmix.results.random_terms import term_labels
from bayesmix.results.sensitivity import parameter_names
from bayesmix.specification import GroupTerm, Specification, Term, parse_formula
from bayesmix.specification.factors import render
from bayesmix.specification.scanner import is_plain

# Numbers of a distribution that are its width, and those that are one over it.
_WIDTHS, _RATES = ("sd", "scale"), ("rate",)


def model_call(design: Design, groups: Sequence[GroupTerm], extra: Sequence[str] = ()) -> str | None:
    """The call that makes the model with these bars, and more fixed terms, in place of its own.

    Parameters
    ----------
    design : Design
    groups : sequence of GroupTerm
    extra : sequence of str
        Fixed terms, as written.

    Returns
    -------
    str or None
        None where the formula would not be read as meant.
    """
    own = design.specification
    text = _formula(own, groups, extra)
    try:
        again = parse_formula(text)
    except FormulaError:
        return None
    if again.groups != tuple(groups) or (not extra and again.fixed != own.fixed):
        return None
    weights = "" if design.weights_name is None else f", weights={_weights(design.weights_name)}"
    return f"model = bx.Model({json.dumps(text, ensure_ascii=False)}, data{weights})"


def _weights(name: str) -> str:
    """The column, or the name that an array goes by."""
    return "weights" if name == "given" else json.dumps(name, ensure_ascii=False)


def _formula(own: Specification, groups: Sequence[GroupTerm], extra: Sequence[str]) -> str:
    """A formula of the same response and fixed part."""
    fixed = _sum(own.fixed)
    offsets = [f"offset({render(factor.expression)})" for factor in own.offsets]
    bars = [f"({_sum(bar.effects)} {'|' if bar.correlated else '||'} {_grouping(bar)})" for bar in groups]
    return f"{render(own.response.expression)} ~ {' + '.join([fixed, *offsets, *extra, *bars])}"


def _sum(terms: Sequence[Term]) -> str:
    """Terms as written: the intercept by itself as 1, its absence as 0."""
    named = [":".join(render(factor.expression) for factor in term.factors) for term in terms if term.factors]
    if any(not term.factors for term in terms):
        return " + ".join(named) or "1"
    return " + ".join(["0", *named])


def _grouping(bar: GroupTerm) -> str:
    """``school`` or ``school:child``, in backticks where they are needed."""
    return ":".join(name if is_plain(name) else f"`{name}`" for name in bar.grouping)


def without_term(design: Design, number: int, effect: int) -> str | None:
    """The model in which the term of one effect does not vary over a level."""
    level, label = design.levels[number], term_labels(design.levels[number])[effect]
    kept: list[GroupTerm] = []
    for bar in design.specification.groups:
        if set(bar.grouping) == set(level.grouping.columns):
            left = tuple(term for term in bar.effects if term.label != label)
            kept += [replace(bar, effects=left)] if left else []
        else:
            kept.append(bar)
    return model_call(design, kept)


def without_correlations(design: Design, number: int) -> str | None:
    """The model in which the effects of a level are independent."""
    columns = set(design.levels[number].grouping.columns)
    kept = [
        replace(bar, correlated=False) if set(bar.grouping) == columns and len(bar.effects) > 1 else bar
        for bar in design.specification.groups
    ]
    return model_call(design, kept) if tuple(kept) != design.specification.groups else None


def groups_as_fixed(design: Design, number: int) -> str | None:
    """The model in which the groups of a level differ by fixed effects; None where that is another question."""
    level = design.levels[number]
    columns = level.grouping.columns
    if len(columns) > 1 or level.effect_names != ("Intercept",) or not is_plain(columns[0]):
        return None
    first = {int(code): row for row, code in enumerate(level.grouping.codes)}
    rows = [first[int(code)] for code in level.grouping.codes]
    X = design.fixed_values
    constant = [name for name, same in zip(design.fixed_names, (X[rows] == X).all(axis=0), strict=True) if same]
    if constant != ["Intercept"]:
        return None
    kept = [bar for bar in design.specification.groups if set(bar.grouping) != set(columns)]
    return model_call(design, kept, (f"C({columns[0]})",))


def named_priors(design: Design, priors: Priors) -> dict[str, object]:
    """Every prior by the name of its variable in the posterior."""
    every: list[object] = [*priors.beta]
    for level, own in zip(design.levels, priors.levels, strict=True):
        every += [*own.sds, *([own.correlation] if level.pairs else [])]
    return dict(zip(parameter_names(design), [*every, priors.sigma], strict=True))


def wider_prior(design: Design, priors: Priors, variable: str) -> str | None:
    """The call that gives a parameter a prior of twice the width; None where it has none of its own."""
    name = variable.split("[")[0]
    prior = named_priors(design, priors).get(variable, named_priors(design, priors).get(name))
    wide: object = None
    if isinstance(prior, LKJ):
        name, wide = name, LKJ(1.0)
    elif isinstance(prior, Distribution) and not isinstance(prior, Flat):
        name = variable
        own = {field.name: float(getattr(prior, field.name)) for field in fields(prior)}
        changed = {key: 2 * value for key, value in own.items() if key in _WIDTHS}
        changed |= {key: value / 2 for key, value in own.items() if key in _RATES}
        wide = replace(prior, **changed) if changed else None
    if wide is None or str(wide) == str(prior):
        return None
    return f'other = model.with_priors({{{json.dumps(name, ensure_ascii=False)}: "{wide}"}}).sample(seed=1)'
