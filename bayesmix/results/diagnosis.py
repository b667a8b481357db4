"""A diagnosis: every check of a fit in one table, a verdict in one sentence, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.errors import BayesmixError
from bayesmix.inference.ml import MlSolution
from bayesmix.results.boundary import boundary_of_draws, boundary_of_estimates
from bayesmix.results.chain_checks import draw_checks
from bayesmix.results.checks import Check
from bayesmix.results.posterior_checks import group_checks, model_checks
from bayesmix.results.simpler import without_correlations, without_term
from bayesmix.results.singular import report_singularity
from bayesmix.tables import Header, format_summary, format_table, html_summary, html_table

if TYPE_CHECKING:
    from bayesmix.results.likelihood_fit import LikelihoodFit
    from bayesmix.results.surface.diagnosis import PosteriorDiagnosis
    from bayesmix.results.surface.likelihood import LikelihoodIntervals

Floats = NDArray[np.float64]

# Things named in a verdict.
MOST_NAMED = 3
_SHORT = ["sd", "p", "p_mixture", "p_low", "p_high", "br_p", "prob_below", "bf_zero"]


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """What was looked at in a fit, and what to do about it.

    Parameters
    ----------
    verdict : str
        One sentence.
    ok : bool
        Whether every check came out well.
    checks : tuple of Check
        Each with value, limit, and, where it is beyond the limit, what was found and what to do.
    not_checked : tuple of str
        What could not be looked at, and why.
    report : callable
        Makes the boundary report, which takes some seconds where there are many groups.
    """

    verdict: str
    ok: bool
    checks: tuple[Check, ...]
    not_checked: tuple[str, ...]
    report: Callable[[], pd.DataFrame] = field(compare=False)

    @cached_property
    def boundary(self) -> pd.DataFrame:
        """Every test of a variance of 0, as of ``.boundary()``, by (level, effect); made when first asked for."""
        return self.report()

    @property
    def warnings(self) -> tuple[Check, ...]:
        """The checks that did not come out well, those of the draws first; what follows from one before is left out."""
        found = [check for check in self.checks if not check.ok and check.found]
        return tuple(sorted(found, key=lambda check: check.about != "draws"))

    @property
    def table(self) -> pd.DataFrame:
        """Index check; concerns, value, threshold, ok, about."""
        rows = [[c.concerns, float(c.value), float(c.limit), c.ok, c.about] for c in self.checks]
        index = pd.Index([check.name for check in self.checks], name="check")
        frame = pd.DataFrame(rows, columns=["concerns", "value", "threshold", "ok", "about"], index=index)
        return frame.astype({"value": float, "threshold": float, "ok": bool})

    def shown_table(self) -> pd.DataFrame:
        """The table with words for yes and no, and numbers of four digits."""
        texts = {name: [f"{value:.4g}" for value in self.table[name]] for name in ("value", "threshold")}
        return self.table.assign(**texts, ok=["yes" if ok else "NO" for ok in self.table["ok"]])

    def shown_boundary(self) -> pd.DataFrame:
        """The columns of the boundary report that fit a page."""
        known = self.boundary["p_mixture"].notna() | self.boundary["p"].isna()
        hidden = ("p_low", "p_high") if known.all() else ()
        names = [name for name in _SHORT if name in self.boundary and name not in hidden]
        return self.boundary[names]

    def notes(self) -> list[str]:
        """What the checks did not cover, and how to read the boundary report."""
        found = [check.found for check in self.checks if check.ok and check.found]
        readings = [f"{name} at {level}: {text}" for (level, name), text in self.boundary["reading"].items()]
        return [*found, *readings, *self.not_checked]

    def __repr__(self) -> str:
        sections = [("", self.verdict)]
        sections += [(check.found, "\n".join(f"    {line}" for line in check.actions)) for check in self.warnings]
        sections.append(("All checks", format_table(self.shown_table())))
        if len(self.boundary):
            sections.append(("Is there a variance at all?", format_table(self.shown_boundary())))
        return format_summary(Header("Diagnosis", []), sections, self.notes())

    def _repr_html_(self) -> str:
        sections = [("", f"<p>{escape(self.verdict)}</p>")]
        sections += [(check.found, f"<pre>{escape(chr(10).join(check.actions))}</pre>") for check in self.warnings]
        sections.append(("All checks", html_table(self.shown_table())))
        if len(self.boundary):
            sections.append(("Is there a variance at all?", html_table(self.shown_boundary())))
        return html_summary(Header("Diagnosis", []), sections, self.notes())


def diagnose_draws(
    post: PosteriorDiagnosis,
    solution: MlSolution | BayesmixError,
    components: Floats | None,
    reml: LikelihoodFit | None,
) -> Diagnosis:
    """Check draws, priors and boundaries of a posterior; see ``BayesFit.diagnose``."""
    draws, skipped = draw_checks(post)
    model, also = model_checks(post, solution, components, reml)
    checks = (*draws, *model)
    bad = [check for check in checks if not check.ok]
    report = partial(boundary_of_draws, post, solution, None)
    return Diagnosis(_verdict(checks), not bad, checks, (*skipped, *also), report)


def _verdict(checks: Sequence[Check]) -> str:
    """The draws first: what rests on them is of no use before they are good."""
    draws = [check for check in checks if check.about == "draws" and not check.ok]
    model = [check for check in checks if check.about == "model" and not check.ok]
    if draws:
        return f"Do not use these draws yet: {_listed(draws)}."
    r_hat = max(check.value for check in checks if check.name.startswith("R-hat"))
    size = min(check.value for check in checks if "ESS" in check.name)
    fine = f"R-hat at most {r_hat:.3f}, effective sample size at least {size:.0f}"
    if model:
        return f"The draws are good ({fine}), but {_listed(model)}."
    excused = [check for check in checks if check.ok and check.brief]
    but = f", except that {_listed(excused)}" if excused else ""
    return f"The draws are good ({fine}), and nothing speaks against what they say{but}."


def _listed(checks: Sequence[Check]) -> str:
    """The first few findings, and how many more."""
    briefs = list(dict.fromkeys(check.brief for check in checks if check.brief))
    named = briefs[:MOST_NAMED]
    more = len(briefs) - len(named)
    return "; ".join([*named, *([f"and {more} more"] if more else [])])


def diagnose_estimates(fit: LikelihoodIntervals) -> Diagnosis:
    """Check a likelihood fit; see ``LikelihoodFit.diagnose``."""
    checks = group_checks(fit.design, fit.method)
    if fit.design.levels:
        checks.append(_singular_check(fit))
    report = partial(boundary_of_estimates, fit.design, fit.products, fit.solution)
    bad = [check for check in checks if not check.ok]
    start = f"The {fit.method} criterion is at its optimum"
    verdict = f"{start}, but {_listed(bad)}." if bad else f"{start}, inside the parameter space."
    return Diagnosis(verdict, not bad, tuple(checks), (), report)


def _singular_check(fit: LikelihoodIntervals) -> Check:
    """Directions in which nothing varies."""
    design = fit.design
    report = report_singularity(design, fit.products, fit.solution)
    if not report.singular:
        return Check("directions without variance", "all", 0, 0, True, "model")
    level, text = report.directions[0]
    number = next(k for k, own in enumerate(design.levels) if own.name == level)
    smallest = int(np.diag(fit.solution.covariances[number]).argmin())
    calls = (without_correlations(design, number), without_term(design, number, smallest))
    words = ("without correlations", f"without the effect {design.levels[number].effect_names[smallest]}")
    simpler = [f"{call}  # {word}" for call, word in zip(calls, words, strict=True) if call]
    count = len(report.directions)
    return Check(
        "directions without variance", level, count, 0, False, "model",
        brief=f"it lies on the boundary: no variance of {text} between the groups of {level}",
        found="The fit is singular: no variance of "
        + ", ".join(f"{text} at {level}" for level, text in report.directions)
        + ".",
        actions=(*simpler[:2], "post = model.sample(seed=1)  # priors keep variances above 0"),
    )  # fmt: skip
