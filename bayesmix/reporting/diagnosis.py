"""What in fits calls for caution, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import norm

from bayesmix.errors import ArgumentError
from bayesmix.reporting.blocks import Block, Code, Grid, Heading, Points, Prose, picture
from bayesmix.reporting.residual_plots import plot_residuals, residuals_data
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.diagnosis import Diagnosis
from bayesmix.results.fit import Fit
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.sensitivity import FEW_GROUPS

# Groups named beside the largest Cook's distances.
_NAMED = 5
_MEASURES = (
    "Cook's distance is the change of all fixed effects together when the group is left out, squared, in units of "
    "their covariance, over their number; mdffits the same in units of their covariance without the group. covratio is "
    "the determinant of the covariance without the group over that with it (above 1 the group adds precision), "
    "covtrace how far the trace of this ratio is from the number of fixed effects (0: it adds none); Christensen, "
    "Pearson & Johnson (1992), Loy & Hofmann (2014)."
)
# Residuals beyond so many sigmas are counted.
_FAR = 3.0


def diagnostics(fits: Sequence[Fit], names: Sequence[str]) -> tuple[Block, ...]:
    """Optimum or draws of every fit, its residuals, and the groups it hangs on.

    Parameters
    ----------
    fits : sequence of LikelihoodFit and BayesFit
    names : sequence of str
        What each is called.

    Returns
    -------
    tuple of Block
    """
    found: list[Block] = []
    likelihood = next((fit for fit in fits if isinstance(fit, LikelihoodFit)), None)
    for fit, name in zip(fits, names, strict=True):
        found.append(Heading(name))
        if isinstance(fit, BayesFit):
            found += _told(fit.diagnose(likelihood))
        else:
            assert isinstance(fit, LikelihoodFit)
            found += [*_told(fit.diagnose()), *_optimum(fit)]
    # One picture is enough: fits of one model have nearly the same residuals.
    shown = likelihood or fits[0]
    found += [Heading("Residuals"), *_residuals(shown)]
    if shown.design.levels:
        found += [Heading("Influence of groups"), *_influence(shown)]
    return tuple(found)


def _told(found: Diagnosis) -> Iterator[Block]:
    """The verdict, what to do, and every check behind it."""
    yield Prose(found.verdict)
    for warning in found.warnings:
        yield Prose(warning.found)
        yield Code("\n".join(warning.actions), "python")
    if len(found.table):
        yield Grid(found.shown_table())
    if len(found.boundary):
        yield Prose("Is there a variance at all?")
        yield Grid(found.shown_boundary())
    if notes := found.notes():
        yield Points(tuple(notes))


def _optimum(fit: LikelihoodFit) -> Iterator[Block]:
    """How sure the optimum is, and what few groups leave open."""
    certificate = fit.solution.certificate
    yield Prose(
        f"The optimum is certified: conditions of the first order hold within {certificate.stationarity:.1e} "
        "(relative, 1e-6 is allowed)."
        if fit.design.levels
        else "Least squares: the optimum is exact."
    )
    few = [level for level in fit.design.levels if len(level.grouping.labels) < FEW_GROUPS]
    if few:
        listed = " and ".join(f"{level.name} ({len(level.grouping.labels)})" for level in few)
        tests = 'df="kenward-roger"' if fit.method == "REML" else "model.reml(), as ML underestimates variances"
        yield Prose(
            f"Few groups at {listed}: their variances are poorly known. Take intervals of them from "
            f'intervals(method="profile") or a posterior, and tests of fixed effects with {tests}.'
        )


def _residuals(fit: Fit) -> Iterator[Block]:
    """Rows that lie far out, and the plots."""
    scaled = residuals_data(fit)["scaled"].to_numpy()
    far, expected = int((np.abs(scaled) > _FAR).sum()), 2 * len(scaled) * norm.sf(_FAR)
    text = f"{far} of {len(scaled)} rows lie more than {_FAR:g} sigma from their fitted value (a normal distribution: "
    text += f"{expected:.1f})."
    if far > 5 * max(expected, 1):
        text += " The tails are heavy: look at these rows, and at the result without them."
    yield Prose(text)
    yield Prose(
        "To look for: a red line that leaves zero (a predictor acts otherwise than linearly), a fan (the residual "
        "variance depends on the level of the response), and points that leave the diagonal."
    )
    yield picture("residuals", "Residuals by fitted value, and normal quantiles", lambda: plot_residuals(fit))


def _influence(fit: Fit) -> Iterator[Block]:
    """The groups without which the fixed effects would change most."""
    if not isinstance(fit, LikelihoodFit):
        yield Prose("What estimates would be without each group is for a fit by REML: model.reml().influence().")
        return
    told = False
    for level in fit.design.levels:
        try:
            found = fit.influence(level.name)
        except ArgumentError as reason:
            yield Prose(str(reason))
            break
        table = found.table.sort_values("cooks_distance", ascending=False, kind="stable")
        first = table.index[0]
        if not table["cooks_distance"].notna().any():
            yield Prose(found.note)
            continue
        moved = found.coefficients.loc[[first]].droplevel("group")
        term = moved["dfbetas"].abs().idxmax()
        change, share = moved.loc[term, "change"], moved.loc[term, "dfbetas"]
        J = len(table)
        limit, beyond = 4 / J, 2 / np.sqrt(J)
        above = int((table["cooks_distance"] > limit).sum())
        far = int((found.coefficients["dfbetas"].abs() > beyond).groupby(level="group").any().sum())
        yield Prose(
            f"{level.name}: most depends on {first} ({int(table.loc[first, 'n'])} rows, Cook's distance "
            f"{table.loc[first, 'cooks_distance']:.3f}): without it {term} changes by {change:.4g} "
            f"({abs(share):.2f} standard errors). {above} of {J} groups exceed 4/J = {limit:.3g}, and {far} of {J} "
            f"move some fixed effect by more than 2/sqrt(J) = {beyond:.3g} standard errors (DFBETAs), beyond which a "
            "group deserves a look; variances held at their estimates."
        )
        yield Grid(table.head(_NAMED))
        told = True
    if told:
        yield Prose(_MEASURES)
