"""The summary of a posterior, as text and as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayesmix.inference.naming import given_name
from bayesmix.results.chain_checks import summary_checks
from bayesmix.results.components import ICC_NOTE, has_slopes
from bayesmix.results.naming import weights_fact
from bayesmix.results.prior_table import describe_priors
from bayesmix.results.sensitivity import LEAST_DRAWS, has_few_groups, sensitivity_notes
from bayesmix.tables import Header, Summary, format_summary, format_table, html_summary, html_table

if TYPE_CHECKING:
    from bayesmix.results.bayes_fit import BayesFit

# Decimals of what is not in the units of the response.
_DECIMALS = {"ess_bulk": 0, "ess_tail": 0, "r_hat": 3}


def posterior_summary(fit: BayesFit, prob: float) -> Summary:
    """Draws and their quality, variance components, intraclass correlation, fixed effects and priors."""
    design = fit.design
    fixed, components = fit.fixed_effects(prob=prob), fit.variance_components(prob=prob)
    both = pd.concat([fixed, components])
    tables = [("Variance components", components), ("Fixed effects", fixed)]
    if design.levels:
        tables.insert(1, ("Intraclass correlation", fit.icc(prob=prob)))
    name = "Multilevel model" if design.levels else "Linear model"
    header, notes = Header(f"{name}, posterior by NUTS", _facts(fit, both)), _notes(fit)
    text = [(title, format_table(frame, _DECIMALS)) for title, frame in tables]
    html = [(title, html_table(frame, _DECIMALS)) for title, frame in tables]
    return Summary(
        format_summary(header, [*text, ("Priors", describe_priors(design, fit.priors.numbers))], notes),
        html_summary(header, [*html, ("Priors", fit.priors.html())], notes),
    )


def _facts(fit: BayesFit, both: pd.DataFrame) -> Sequence[tuple[str, str]]:
    """Formula, sizes, and how well the draws mixed."""
    design = fit.design
    sizes = " · ".join(f"{level.name} {len(level.grouping.labels)}" for level in design.levels)
    missing = f" ({design.n_missing} left out: values missing)" if design.n_missing else ""
    return [
        ("Formula", design.specification.formula),
        ("Rows", f"{design.n}{missing}"),
        *([("Groups", sizes)] if sizes else []),
        *weights_fact(design),
        ("Draws", _quality(fit, both)),
    ]


def draws_in_words(fit: BayesFit) -> list[str]:
    """How many draws there are and how well they mixed; then what to do where they did not."""
    both = pd.concat([fit.fixed_effects(), fit.variance_components()])
    return [_quality(fit, both), *_warnings(fit)]


def _quality(fit: BayesFit, both: pd.DataFrame) -> str:
    """Chains, draws, divergences, R-hat and effective sample size in one line."""
    chains = fit.idata["posterior"].sizes
    largest = both["r_hat"].max()
    r_hat = "no R-hat from one chain" if np.isnan(largest) else f"largest R-hat {largest:.3f}"
    return (
        f"{chains['chain']} chains of {chains['draw']}; {fit.divergences} divergences; {r_hat}, "
        f"smallest bulk ESS {both['ess_bulk'].min():.0f}"
    )


def _warnings(fit: BayesFit) -> list[str]:
    """What is wrong with the draws and the first thing to do, where something is."""
    found = [check for check in summary_checks(fit) if not check.ok and check.found]
    lines = [f"{check.found} {check.actions[0]}" for check in found]
    return [*lines, *(["post.diagnose() says more, and what else to do."] if found else [])]


def _notes(fit: BayesFit) -> list[str]:
    """What a reader must know besides the numbers."""
    levels = fit.design.levels
    notes = [*fit.design.notes]
    if fit.design.dropped:
        notes.append(f"Aliased and dropped: {', '.join(fit.design.dropped)}.")
    sampled = [level for level in levels if given_name(level.name) in fit.idata["unconstrained_posterior"]]
    if sampled:
        count = sum(len(level.grouping.labels) * len(level.effects) for level in sampled)
        notes.append(
            f"The {count} effects of {' and '.join(level.name for level in sampled)} were sampled beside the "
            "variance parameters: crossed, they are too many to be integrated out at every step."
        )
    if has_slopes(levels):
        notes.append(ICC_NOTE)
    if has_few_groups(fit.design) and fit.parameters.sigma.shape[1] >= LEAST_DRAWS:
        notes += sensitivity_notes(fit.design, fit.prior_sensitivity())
    return notes + _warnings(fit)
