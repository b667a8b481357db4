"""``bayesmix fit``: a formula and a file of data, fitted and printed."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click

import bayesmix as bx
from bayesmix.cli.console import INTERRUPTED, nothing_printed, on_terminal, plain_warnings, told
from bayesmix.cli.data_files import read_data
from bayesmix.cli.machine import comparison_record, fit_record, print_json
from bayesmix.errors import ArgumentError, BayesmixWarning, PriorError
from bayesmix.results.netcdf_file import read_path, require_writable

# The layouts of LikelihoodFit.summary, listed here so that help and mistakes are answered before anything is loaded.
STYLES = ("lme4", "sas", "spss", "hlm", "mlwin", "stata")
# What a saved posterior is called, so that compare knows it from published numbers.
SAVED = ".nc"
# The endings that bayesmix.report takes, for the same reason.
REPORTS = (".html", ".htm", ".md", ".markdown")
_CHAINS = 4

_EXAMPLES = """\b
Examples:
  bayesmix fit "math ~ ses + (ses | school)" hsb --reml
  bayesmix fit "math ~ ses + (ses | school)" pupils.csv --seed 1 --save pupils.nc
  bayesmix fit "math ~ ses + (ses | school)" pupils.csv --report pupils.html
  bayesmix fit "score ~ time + (time | school/child)" growth.sav --ml --style spss
  bayesmix fit "y ~ x + (1 | g)" data.parquet --reml --json > fit.json

\b
Quotes around the formula keep the shell from reading it. Missing values are left out and counted.
DATA is .csv, .tsv or .txt (UTF-8, with names in the first line; also .gz), .parquet, .feather, .sav, .zsav, .por,
.dta, .sas7bdat, .xpt, or the name of a data set (bayesmix datasets). Value labels become categories where every
value of a column has one, in the order of their codes.

\b
--json prints one object: bayesmix (version), command, formula, data, rows, missing_rows, groups (count by level),
weights, seed, priors (by parameter), notes, fits, comparison, saved, report,
  interrupted.
  fits         method "REML", "ML" or "posterior"; fixed_effects and variance_components (lists of rows);
               likelihood: criterion, loglik, aic, bic, singular; posterior: chains, draws, divergences
  comparison   agree, verdict, table, or null for one fit
What is not a finite number is null; notes and errors are on standard error too.

\b
Exit status: 0, 2 where formula, data or options are wrong, 130 after Ctrl-C (chains that were finished are printed
and saved). That REML and posterior differ is no error: see comparison.
"""


@dataclass(frozen=True)
class _Wanted:
    """Which fits, and how the posterior is sampled and kept."""

    methods: tuple[str, ...]
    seed: int | None
    draws: int
    tune: int
    chains: int
    save: Path | None
    report: Path | None
    quiet: bool


@dataclass(frozen=True)
class _Made:
    """What a call made."""

    model: bx.Model
    fits: tuple[Any, ...]
    posts: tuple[bx.BayesFit, ...]
    comparison: bx.Comparison | None
    saved: str | None
    page: str | None
    interrupted: bool


@click.command(epilog=_EXAMPLES)
@click.argument("formula")
@click.argument("data")
@click.option("--reml", is_flag=True, help="Fit by restricted maximum likelihood.")
@click.option("--ml", is_flag=True, help="Fit by maximum likelihood.")
@click.option("--bayes", is_flag=True, help="Sample the posterior.")
@click.option("--both", is_flag=True, help="REML and the posterior; so it is by default.")
@click.option("--seed", type=int, help="A whole number; the same seed gives the same draws.")
@click.option("--weights", metavar="COLUMN", help="Precision weights.")
@click.option("--priors", metavar="NAME", default="default", help="default, flat, brms, rstanarm or bambi.")
@click.option("--draws", type=int, default=1000, show_default=True, help="Draws of each chain.")
@click.option("--tune", type=int, default=300, show_default=True, help="Warm-up draws of each chain.")
@click.option("--chains", type=int, default=_CHAINS, show_default=True)
@click.option("--save", metavar="FILE", help="Save the posterior (.nc), for show, compare and bx.load().")
@click.option("--report", metavar="FILE", help="Write a page about the fits (.html, or .md with pictures beside).")
@click.option("--style", type=click.Choice(STYLES), help="Print likelihood fits in the layout of a program.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output, numbers in full.")
@click.pass_obj
def fit(written: str | None, /, formula: str, data: str, style: str | None, as_json: bool, **options: Any) -> int:
    """Fit FORMULA (in the notation of lme4) to DATA."""
    wanted = _read_options(options, style, as_json)
    if "~" in data and "~" not in formula:
        raise ArgumentError(
            f"The formula is '{formula}' and the data '{data}'.",
            "Expected the formula first.",
            f"""Write: bayesmix fit "{data}" {formula}""",
        )
    with plain_warnings(), warnings.catch_warnings():
        notes = _noted()
        with nothing_printed(as_json) as printed:
            made = _make(formula, data, style, wanted, options, written)
            facts = _facts(made, formula, data, wanted, options, notes) if as_json else {}
        if as_json:
            facts["notes"] += printed
            print_json("fit", **facts)
        else:
            texts = [str(each) for each in (*made.posts, made.comparison) if each is not None]
            texts += [] if made.saved is None else [f"Posterior saved to {made.saved}."]
            texts += [] if made.page is None else [f"Report written to {made.page}."]
            click.echo("\n\n".join(texts), nl=bool(texts))
    if made.interrupted:
        click.echo("Interrupted.", err=True)
    return INTERRUPTED if made.interrupted else 0


def _make(
    formula: str, data: str, style: str | None, wanted: _Wanted, options: dict[str, Any], written: str | None
) -> _Made:
    """Read, fit, compare, save and report; printed are only likelihood fits, before sampling."""
    frame = read_data(data)
    sizes: dict[str, Any] = {"draws": wanted.draws, "tune": wanted.tune, "chains": wanted.chains, "seed": wanted.seed}
    if "bayes" in wanted.methods:
        # What sampling would refuse, before minutes of fitting; only here, as it loads everything.
        import_module("bayesmix.inference.sampling").Settings(**sizes)
    model = _model(formula, frame, options["weights"], options["priors"])
    fits = _likelihood_fits(model, wanted)
    if not wanted.quiet:  # shown before sampling, which may take long and be interrupted
        click.echo("\n".join(f"{each.summary(style=style)}\n" for each in fits), nl=bool(fits))
    posts = [_sample(model, wanted, sizes)] if "bayes" in wanted.methods else []
    interrupted = any(post.idata["posterior"].sizes["chain"] < wanted.chains for post in posts)
    saved = str(posts[0].save(wanted.save)) if posts and wanted.save is not None else None
    fits = [*fits, *posts]
    found = bx.compare(*fits) if len(fits) > 1 else None
    page = None if wanted.report is None else str(bx.report(*fits, path=wanted.report, command=written))
    return _Made(model, tuple(fits), tuple(posts), found, saved, page, interrupted)


def _facts(
    made: _Made, formula: str, data: str, wanted: _Wanted, options: dict[str, Any], notes: list[str]
) -> dict[str, Any]:
    """What the JSON says, in the order of its keys."""
    model = made.model
    facts = {"formula": formula, "data": data, "rows": model.n, "missing_rows": model.design.n_missing}
    facts |= {"groups": model.groups, "weights": options["weights"], "seed": wanted.seed}
    facts |= {"priors": model.priors.table["distribution"].to_dict(), "notes": [*model.design.notes, *notes]}
    facts |= {"fits": [fit_record(each) for each in made.fits]}
    facts |= {"comparison": None if made.comparison is None else comparison_record(made.comparison)}
    return facts | {"saved": made.saved, "report": made.page, "interrupted": made.interrupted}


def _read_options(options: dict[str, Any], style: str | None, as_json: bool) -> _Wanted:
    """Options that go together, refused before anything is read."""
    methods = [name for name in ("reml", "ml", "bayes") if options[name]]
    if options["both"] or not methods:
        methods = ["reml", *(["ml"] if options["ml"] else []), "bayes"]
    sampled = "bayes" in methods
    for name, needed in (("save", sampled), ("style", methods != ["bayes"] and not as_json)):
        value = style if name == "style" else options[name]
        if value is not None and not needed:
            of = (
                "the posterior, which is not sampled"
                if name == "save"
                else "printed likelihood fits, and there is none"
            )
            raise ArgumentError(
                f"--{name} {value} is for {of}.",
                "Expected options that go together.",
                "Add --bayes." if name == "save" else "Leave it out, or add --reml without --json.",
            )
    save = None if options["save"] is None else read_path(options["save"])
    if save is not None:
        if save.suffix.lower() != SAVED:
            raise ArgumentError(f"--save {save}.", f"Expected the path of a {SAVED} file.", f"Name it fit{SAVED}.")
        require_writable(save)  # now, not after minutes of sampling
    report = None if options["report"] is None else read_path(options["report"])
    if report is not None:
        if report.suffix.lower() not in REPORTS:
            raise ArgumentError(
                f"--report {report}.", "Expected the path of an .html or .md file.", "Name it report.html."
            )
        require_writable(report)
    sizes: dict[str, Any] = {name: options[name] for name in ("seed", "draws", "tune", "chains")}
    return _Wanted(tuple(methods), save=save, report=report, quiet=as_json, **sizes)


def _noted() -> list[str]:
    """A list that fills with what is warned of; it is still shown."""
    notes: list[str] = []
    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **options: Any) -> None:
        if issubclass(category, BayesmixWarning):
            notes.append(str(message))
        shown(message, category, *rest, **options)

    warnings.showwarning = show
    return notes


def _model(formula: str, frame: Any, weights: str | None, priors: str) -> bx.Model:
    """The model; what is wrong with the priors is said in the words of the command."""
    try:
        return bx.Model(formula, frame, weights=weights, priors=priors)
    except PriorError as error:
        raise PriorError(error.found.replace("priors=", "--priors "), error.expected, error.remedy) from None


def _likelihood_fits(model: bx.Model, wanted: _Wanted) -> list[Any]:
    """REML and maximum likelihood, whichever is wanted."""
    calls = {"reml": model.reml, "ml": model.ml}
    return [call() for name, call in calls.items() if name in wanted.methods]


def _sample(model: bx.Model, wanted: _Wanted, sizes: dict[str, Any]) -> bx.BayesFit:
    """The posterior; fewer chains where it was interrupted, KeyboardInterrupt where none was finished."""
    progress = not wanted.quiet and on_terminal()
    # Where a bar is drawn, standard output is the terminal that it is drawn on.
    free = not (progress or wanted.quiet)
    with told(f"Sampling {wanted.chains} chains of {wanted.draws}", quiet=progress), nothing_printed(free):
        return model.sample(progress=progress, **sizes)
