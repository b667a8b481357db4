"""Why two programs print one fit differently, in words and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayesmix.errors import ArgumentError
from bayesmix.results.criteria import consistent_aic
from bayesmix.results.dialects import hlm, sas, spss, stata
from bayesmix.results.dialects.conventions import TOPICS, Convention, convention_table, pick_convention
from bayesmix.results.dialects.estimates import fixed_table, highest_first, read_components
from bayesmix.results.dialects.labels import class_factors, r_effects, r_grouping
from bayesmix.tables import Header, format_number, format_summary, format_table, html_summary, html_table

if TYPE_CHECKING:
    from bayesmix.results.dialects.estimates import Component
    from bayesmix.results.likelihood_fit import LikelihoodFit

# A quantity by name with its value, None or nan where it is not printed.
Values = dict[str, Any]


@dataclass(frozen=True, repr=False)
class Differences:
    """What two programs print differently.

    Parameters
    ----------
    one, two : str
        The programs.
    table : DataFrame
        With a fit: index (topic, quantity); the value each program prints, missing where it prints none; the rule of
        each (``lme4_rule``), and why they differ. Without: index topic; the rules, and why.
    rules : DataFrame
        Index topic; the rule of each program, and why the numbers differ.
    same : tuple of str
        Topics on which the two agree.
    notes : tuple of str
        On the degrees of freedom of either.
    formula : str or None
        Of the fit.
    """

    one: str
    two: str
    table: pd.DataFrame
    rules: pd.DataFrame
    same: tuple[str, ...]
    notes: tuple[str, ...]
    formula: str | None

    def __repr__(self) -> str:
        words = [
            (f"{topic[0].upper()}{topic[1:]}", _paragraph(row, self.one, self.two))
            for topic, row in self.rules.iterrows()
        ]
        return format_summary(self._header(), [*self._values(as_html=False), *words], self._notes())

    def _repr_html_(self) -> str:
        sections = [*self._values(as_html=True), ("Rules", html_table(self.rules))]
        return html_summary(self._header(), sections, self._notes())

    def _header(self) -> Header:
        """Which programs, which fit."""
        facts = [] if self.formula is None else [("Formula", self.formula)]
        return Header(f"What {self.one} and {self.two} print differently", facts)

    def _values(self, as_html: bool) -> list[tuple[str, str]]:
        """The numbers, where there is a fit."""
        if self.formula is None:
            return []
        shown = self.table[[self.one, self.two]].map(_cell)
        return [("Numbers of this fit", html_table(shown) if as_html else format_table(shown))]

    def _notes(self) -> list[str]:
        """Where they agree, and what there is to know of degrees of freedom."""
        return [*([f"Both the same: {', '.join(self.same)}."] if self.same else []), *self.notes]


def explain_difference(one: str, two: str, *, fit: LikelihoodFit | None = None) -> Differences:
    """Say why two programs print one model differently.

    Parameters
    ----------
    one, two : {"lme4", "sas", "spss", "hlm", "mlwin", "stata"}
    fit : LikelihoodFit, optional
        With it the numbers that differ; without, the rules only.

    Returns
    -------
    Differences

    Raises
    ------
    ArgumentError
        An unknown program, or the same one twice.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
    >>> table = bx.explain_difference("lme4", "hlm", fit=fit).table
    >>> table.loc[("degrees of freedom", "df of ses"), ["lme4", "hlm"]].astype(float).round(2).tolist()
    [157.53, 159.0]
    """
    if fit is not None and not hasattr(fit, "solution"):
        raise ArgumentError(
            f"explain_difference was given fit={type(fit).__name__}.",
            "Expected a fit by REML or ML.",
            "Pass fit=model.reml(), or leave it out for the rules alone.",
        )
    return differences(one, two, fit)


def differences(one: str, two: str, fit: LikelihoodFit | None) -> Differences:
    """The comparison behind :func:`explain_difference`."""
    left, right = pick_convention(one, "one"), pick_convention(two, "two")
    if left is right:
        raise ArgumentError(
            f"explain_difference was given '{left.program}' twice.",
            "Expected two programs.",
            "Name another one, or print the fit by summary(style=...).",
        )
    names = left.program, right.program
    words = convention_table(names)
    by_title = {title: why for title, why in TOPICS.values()}
    apart = words[names[0]] != words[names[1]]
    if fit is None:
        rules = words[apart].assign(why=[by_title[str(topic)] for topic in words.index[apart]])
        same = tuple(map(str, words.index[~apart]))
        return Differences(*names, rules, rules, same, (), None)
    values = _compare(fit, left, right)
    met = [topic for topic in words.index if topic in values.index.get_level_values(0)]
    rules = words.loc[met].assign(why=[by_title[topic] for topic in met])
    same = tuple(str(topic) for topic in words.index if topic not in met)
    topics = values.index.get_level_values(0)
    for name in names:
        values[f"{name}_rule"] = rules[name].reindex(topics).to_numpy()
    values["why"] = rules["why"].reindex(topics).to_numpy()
    notes = tuple(dict.fromkeys(note for rule in (left, right) for note in fixed_table(fit, rule)[1]))
    return Differences(*names, values, rules, same, notes, fit.design.specification.formula)


def _compare(fit: LikelihoodFit, left: Convention, right: Convention) -> pd.DataFrame:
    """Every quantity that is not printed alike."""
    rows, index = [], []
    for topic, read in _READERS.items():
        one, two = read(fit, left), read(fit, right)
        for quantity in dict.fromkeys([*one, *two]):
            a, b = one.get(quantity), two.get(quantity)
            if not _equal(a, b):
                rows.append([a, b])
                index.append((TOPICS[topic][0], quantity))
    places = pd.MultiIndex.from_tuples(index, names=["topic", "quantity"])
    return pd.DataFrame(rows, index=places, columns=[left.program, right.program], dtype=object)


def _equal(a: Any, b: Any) -> bool:
    """Whether two values print alike."""
    missing = [value is None or (isinstance(value, float) and np.isnan(value)) for value in (a, b)]
    if any(missing):
        return all(missing)
    if isinstance(a, str) or isinstance(b, str):
        return bool(a == b)
    return bool(np.isclose(a, b, rtol=1e-9, atol=0))


def _methods(fit: LikelihoodFit, rule: Convention) -> Values:
    """How the program fits by default."""
    several = rule.program == "hlm" and len(fit.design.levels) > 1
    return {"fitted by default": "ML" if several else rule.default}


def _freedom(fit: LikelihoodFit, rule: Convention) -> Values:
    """Degrees of freedom and p-values of the fixed effects."""
    table, _ = fixed_table(fit, rule)
    found: Values = {}
    for name, row in table.iterrows():
        found[f"df of {name}"] = float(row["df"])
        found[f"p of {name}"] = float(row["p"])
    return found


def _of_components(fit: LikelihoodFit, rule: Convention) -> list[tuple[str, Component]]:
    """Variance components by our names."""
    found = read_components(fit, "observed" if rule.errors == "none" else rule.errors)
    named = []
    for part in found.parts:
        names = dict.fromkeys([part.first.name, part.second.name])
        kind = "var" if part.variance else "cov"
        named.append((f"{fit.design.levels[part.level].name} {kind}({','.join(names)})", part))
    return named


def _component_errors(fit: LikelihoodFit, rule: Convention) -> Values:
    """Standard errors of the variance components."""
    if rule.errors == "none":
        return {}
    found: Values = {f"se of {name}": part.se for name, part in _of_components(fit, rule)}
    return {**found, "se of residual var": read_components(fit, rule.errors).residual_se}


def _component_tests(fit: LikelihoodFit, rule: Convention) -> Values:
    """P-values of the variance components."""
    if rule.tests == "none" or not fit.design.levels:
        return {}
    if rule.tests == "homogeneity":
        tests, _ = hlm.effect_tests(fit)
        if tests is None:
            return {}
        return {f"p of {level} var({effect})": float(p) for (level, effect), p in tests["p"].items()}
    by = sas.z_probability if rule.tests == "one-sided" else spss.z_probability
    return {f"p of {name}": by(part) for name, part in _of_components(fit, rule)}


def _component_intervals(fit: LikelihoodFit, rule: Convention) -> Values:
    """Intervals of the variances."""
    if rule.intervals == "none":
        return {}
    found = {}
    for name, part in _of_components(fit, rule):
        low, high = part.interval()
        if np.isfinite(low):
            found[f"95 % of {name}"] = f"{format_number(low)} to {format_number(high)}"
    return found


def _criterion(fit: LikelihoodFit, rule: Convention) -> Values:
    """The criterion as it is printed."""
    minus_two = {"lme4": "REML criterion" if fit.method == "REML" else "deviance", "hlm": "Deviance"}
    if rule.program == "stata":
        return {"printed as": stata.criterion_name(fit), "value": fit.loglik}
    named = {"sas": sas.criterion_name(fit), "spss": spss.criterion_name(fit), "mlwin": "-2*loglikelihood"}
    return {"printed as": {**minus_two, **named}[rule.program], "value": fit.criterion}


def _information(fit: LikelihoodFit, rule: Convention) -> Values:
    """Information criteria with what they count."""
    if rule.program == "hlm":
        return {"parameters counted": hlm.estimated_parameters(fit)}
    if rule.counts is None or (rule.program == "lme4" and fit.method == "REML"):
        return {}
    row = fit.information_criteria().loc[rule.counts]
    found: Values = {"AIC": float(row["aic"]), "BIC": float(row["bic"])}
    if rule.program in ("sas", "spss"):
        found["AICC"] = float(row["aicc"])
    if rule.program == "spss":
        found["CAIC"] = consistent_aic(fit.criterion, int(row["k"]), int(row["n_bic"]))
    return {**found, "parameters counted": int(row["k"]), "n of BIC": int(row["n_bic"])}


def _scale(fit: LikelihoodFit, rule: Convention) -> Values:
    """Covariances, as such or as correlations."""
    found: Values = {}
    for name, part in _of_components(fit, rule):
        effects = name.split(" ", 1)[1]
        if part.variance or rule.program == "lme4":
            continue
        level = fit.design.levels[part.level].name
        found[f"{level} {effects}"] = part.estimate
    if rule.program in ("lme4", "hlm"):
        frame = fit.variance_components()
        for (level, parameter), row in frame.iterrows():
            if parameter.startswith("corr"):
                found[f"{level} {parameter}"] = float(row["estimate"])
            elif np.isfinite(row["sd"]):
                found[f"{level} {parameter.replace('var', 'sd', 1)}"] = float(row["sd"])
    return found


def _order(fit: LikelihoodFit, rule: Convention) -> Values:
    """Names of the parameters in the order of the program."""
    levels = fit.design.levels
    numbers = highest_first(fit) if rule.highest_first else list(range(len(levels)))
    names = []
    for number in numbers:
        parts = [part for _, part in _of_components(fit, rule) if part.level == number]
        if rule.program == "stata":
            parts = stata.ordered(tuple(parts))
        names += [_parameter_name(fit, rule, part) for part in parts]
    residual = {"stata": "var(Residual)", "hlm": "level-1", "mlwin": "Omega_e"}.get(rule.program, "Residual")
    return {"parameters": ", ".join([residual, *names] if rule.residual_first else [*names, residual])}


def _parameter_name(fit: LikelihoodFit, rule: Convention, part: Component) -> str:
    """A parameter as the program calls it."""
    level = fit.design.levels[part.level]
    match rule.program:
        case "sas":
            return sas.parameter_name(part)
        case "spss":
            return spss.parameter_name(fit, part)[1]
        case "stata":
            return stata.parameter_name(part)
        case "lme4":
            names = dict.fromkeys(r_effects([part.first, part.second]))
            return f"{r_grouping(level)} {' with '.join(names)}"
        case "hlm":
            return f"Tau({part.row},{part.column})"
    return f"Omega({part.row},{part.column})"


def _reference(fit: LikelihoodFit, rule: Convention) -> Values:
    """The reference label of every factor of the fixed part."""
    found: Values = {}
    for name in class_factors(fit.design.columns):
        labels = fit.design.known_labels.get(name)
        if labels and rule.program != "hlm":
            found[f"reference of {name}"] = str(labels[-1] if rule.program in ("sas", "spss") else labels[0])
    return found


_READERS = {
    "method": _methods,
    "freedom": _freedom,
    "component_errors": _component_errors,
    "component_tests": _component_tests,
    "component_intervals": _component_intervals,
    "criterion": _criterion,
    "information": _information,
    "scale": _scale,
    "order": _order,
    "reference": _reference,
}


def _cell(value: Any) -> str:
    """A value as text."""
    if value is None or (isinstance(value, float) and value != value):
        return "-"
    if isinstance(value, float) and np.isinf(value):
        return "z"
    return format_number(value)


def _paragraph(row: pd.Series, one: str, two: str) -> str:
    """Both rules and why."""
    width = max(len(one), len(two))
    return "\n".join([f"  {one.ljust(width)}  {row[one]}", f"  {two.ljust(width)}  {row[two]}", f"  {row['why']}"])
