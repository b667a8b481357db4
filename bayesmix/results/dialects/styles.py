"""The summary of a fit in the layout and by the conventions of a program."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bayesmix.results.dialects.conventions import pick_convention
from bayesmix.results.dialects.hlm import print_hlm
from bayesmix.results.dialects.lme4 import print_lme4
from bayesmix.results.dialects.mlwin import print_mlwin
from bayesmix.results.dialects.native import native_summary
from bayesmix.results.dialects.sas import print_sas
from bayesmix.results.dialects.spss import print_spss
from bayesmix.results.dialects.stata import print_stata
from bayesmix.tables import Printout, Summary

if TYPE_CHECKING:
    from bayesmix.results.likelihood_fit import LikelihoodFit

_PRINTERS = {
    "lme4": print_lme4,
    "sas": print_sas,
    "spss": print_spss,
    "hlm": print_hlm,
    "mlwin": print_mlwin,
    "stata": print_stata,
}


def summarise(fit: LikelihoodFit, style: str | None) -> Summary:
    """Text that is HTML in a notebook.

    Parameters
    ----------
    fit : LikelihoodFit
    style : {None, "lme4", "sas", "spss", "hlm", "mlwin", "stata"}
        Our own layout, or that of a program.

    Returns
    -------
    Summary

    Raises
    ------
    ArgumentError
        Another style.
    """
    if style is None:
        return native_summary(fit)
    page = printout(fit, style)
    return Summary(str(page), page._repr_html_())


def printout(fit: LikelihoodFit, style: str) -> Printout:
    """The tables and lines of a program's output, with what it would not print this way in notes."""
    rule = pick_convention(style, "style")
    page = _PRINTERS[rule.program](fit)
    design = fit.design
    whose = f"Layout and conventions of {rule.title}; the numbers are those of this fit by {fit.method}."
    common = list(design.notes)
    if design.dropped:
        common.append(f"Aliased and dropped: {', '.join(design.dropped)}.")
    if fit.singular and rule.errors != "none" and any(part != part for part in fit.variance_components()["se"]):
        common.append("The fit is singular: the information is not of full rank, and standard errors are left out.")
    return replace(page, notes=(*page.notes, *common, whose))
