"""What in fits calls for caution, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np
import pandas as pd
from scipy.stats import norm

from bayesmix.errors import ArgumentError
from bayesmix.reporting.blocks import Block, Grid, Heading, Points, Prose, picture
from bayesmix.reporting.residual_plots import plot_residuals, residuals_data
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.fit import Fit
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.posterior_summary import LEAST_DRAWS
from bayesmix.results.sensitivity import FEW_GROUPS, has_few_groups, sensitivity_notes

# Vehtari et al. (2021): R-hat below 1.01, and 100 effective draws for each of four chains.
R_HAT, ESS = 1.01, 400
# Groups named beside the largest Cook's distances.
_NAMED = 5
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
    for fit, name in zip(fits, names, strict=True):
        found.append(Heading(name))
        found += _draws(fit) if isinstance(fit, BayesFit) else _optimum(fit)
    # One picture is enough: fits of one model have nearly the same residuals.
    shown = next((fit for fit in fits if isinstance(fit, LikelihoodFit)), fits[0])
    found += [Heading("Residuals"), *_residuals(shown)]
    if shown.design.levels:
        found += [Heading("Influence of groups"), *_influence(shown)]
    return tuple(found)


def _optimum(fit: Fit) -> Iterator[Block]:
    """Whether the optimum is one, and what it lacks."""
    assert isinstance(fit, LikelihoodFit)
    certificate = fit.solution.certificate
    yield Prose(
        f"The optimum is certified: conditions of the first order hold within {certificate.stationarity:.1e} "
        "(relative, 1e-6 is allowed)."
        if fit.design.levels
        else "Least squares: the optimum is exact."
    )
    few = [level for level in fit.design.levels if len(level.grouping.labels) < FEW_GROUPS]
    advice: list[str] = []
    if fit.singular:
        found = fit.singular_report()
        listed = "; ".join(f"{text} at {level}" for level, text in found.directions)
        yield Prose(f"The fit is singular: there is no variance of {listed}. What to try:")
        advice += found.advice
    if few:
        listed = " and ".join(f"{level.name} ({len(level.grouping.labels)})" for level in few)
        tests = 'df="kenward-roger"' if fit.method == "REML" else "model.reml(), as ML underestimates variances"
        advice.append(
            f"Few groups at {listed}: their variances are poorly known. Take intervals of them from "
            f'intervals(method="profile") or a posterior, and tests of fixed effects with {tests}.'
        )
    yield Points(tuple(advice)) if advice else Prose("Nothing else calls for caution.")


def _draws(fit: Fit) -> Iterator[Block]:
    """How well the draws mixed, beside what is wanted; and what to do."""
    assert isinstance(fit, BayesFit)
    both = pd.concat([fit.fixed_effects(), fit.variance_components()])
    sizes = fit.idata["posterior"].sizes
    r_hat, bulk, tail = both["r_hat"].max(), both["ess_bulk"].min(), both["ess_tail"].min()
    one = sizes["chain"] == 1
    shown = "none from one chain" if one else f"{r_hat:.3f}"
    rows = {
        "largest R-hat": (shown, f"at most {R_HAT}", not one and r_hat <= R_HAT),
        "smallest bulk ESS": (f"{bulk:.0f}", f"at least {ESS}", bulk >= ESS),
        "smallest tail ESS": (f"{tail:.0f}", f"at least {ESS}", tail >= ESS),
        "divergent transitions": (str(fit.divergences), "0", fit.divergences == 0),
    }
    cells = [(value, wanted, "yes" if good else "no") for value, wanted, good in rows.values()]
    yield Prose(f"{sizes['chain']} chains of {sizes['draw']} draws.")
    yield Grid(pd.DataFrame(cells, index=pd.Index(list(rows), name="check"), columns=["found", "wanted", "met"]))
    advice = list(_advice(fit, r_hat, min(bulk, tail)))
    if has_few_groups(fit.design) and sizes["draw"] >= LEAST_DRAWS:
        advice += sensitivity_notes(fit.design, fit.prior_sensitivity())
    if all(good for *_, good in rows.values()):
        yield Prose("The draws can be used as they are.")
    if advice:
        yield Points(tuple(advice))


def _advice(fit: BayesFit, r_hat: float, least: float) -> Iterator[str]:
    """What to do where the draws are not good enough."""
    sizes = fit.idata["posterior"].sizes
    if sizes["chain"] == 1:
        yield "One chain can not be compared with others: sample at least 4."
    if r_hat > R_HAT:
        yield "The chains disagree: sample again with tune=1000 and more draws; use no number of these."
    elif least < ESS:
        draws = 100 * ceil(1.2 * sizes["draw"] * ESS / max(least, 1.0) / 100)
        yield f"Too few effective draws for stable intervals: sample with draws={draws}."
    if fit.divergences:
        yield (
            f"{fit.divergences} transitions diverged, so that a part of the posterior may be missed: sample again with "
            "target_accept=0.95; if they stay, give the variances closer priors."
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
    for level in fit.design.levels:
        try:
            found = fit.influence(level.name)
        except ArgumentError as reason:
            yield Prose(str(reason))
            return
        table = found.table.sort_values("cooks_distance", ascending=False, kind="stable")
        first = table.index[0]
        if not table["cooks_distance"].notna().any():
            yield Prose(found.note)
            continue
        moved = found.coefficients.loc[[first]].droplevel("group")
        term = moved["dfbetas"].abs().idxmax()
        change, share = moved.loc[term, "change"], moved.loc[term, "dfbetas"]
        limit = 4 / len(table)
        above = int((table["cooks_distance"] > limit).sum())
        yield Prose(
            f"{level.name}: most depends on {first} ({int(table.loc[first, 'n'])} rows, Cook's distance "
            f"{table.loc[first, 'cooks_distance']:.3f}): without it {term} changes by {change:.4g} "
            f"({abs(share):.2f} standard errors). {above} of {len(table)} groups exceed 4/J = {limit:.3g}, beyond "
            "which a group deserves a look; variances held at their estimates."
        )
        yield Grid(table.head(_NAMED))
