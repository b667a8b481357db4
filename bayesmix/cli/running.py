"""``bayesmix run``: textbook models fitted and put beside their published numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

import bayesmix as bx
from bayesmix.cli.console import NOT_REPRODUCED, on_terminal, plain_warnings
from bayesmix.errors import ArgumentError, DataError, DesignError, FormulaError, PriorError
from bayesmix.results.errata import unexplained

if TYPE_CHECKING:
    from bayesmix.results.textbook import Textbook

_EXAMPLES = """
\b
Examples:
  bayesmix run hsb_ses               REML and posterior of a model that comes with bayesmix
  bayesmix run london_slopes --reml  without sampling, in a second
  bayesmix run my_model.toml --bayes --seed 1
  bayesmix run --list                which models there are

\b
Exit status: 0 where the likelihood fit reproduces every published number that has no stated erratum,
1 where it does not, 2 where the file or the command is wrong, 130 after Ctrl-C. A posterior alone reproduces
nothing: 0.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("file", required=False)
@click.option("--reml", is_flag=True, help="Fit by likelihood only: REML, or ML where the file says so.")
@click.option("--bayes", is_flag=True, help="Sample the posterior only.")
@click.option("--both", is_flag=True, help="Do both; so it is by default.")
@click.option("--seed", type=int, help="A whole number; the same seed gives the same draws.")
@click.option("--list", "listed", is_flag=True, help="List the models that come with bayesmix.")
def run(file: str | None, reml: bool, bayes: bool, both: bool, seed: int | None, listed: bool) -> int:
    """Fit a textbook model and print it beside its published numbers.

    FILE is a TOML file, or the name of a model that comes with bayesmix.
    """
    if listed:
        for name in bx.shipped_textbooks():
            click.echo(f"{name:24}{bx.read_textbook(name).title}")
        return 0
    if file is None:
        raise ArgumentError(
            "run was given no file.",
            "Expected a TOML file or the name of a model.",
            "For instance 'bayesmix run hsb_ses'; 'bayesmix run --list' has the names.",
        )
    with plain_warnings():
        book = bx.read_textbook(file)
        model = _model(book)
        click.echo(_heading(book))
        if book.by_levels:
            click.echo(f"\n{model.equations().short}")
        likelihood = reml or both or not bayes
        fits: list[Any] = []
        if likelihood:
            fits.append(model.reml() if book.method == "REML" else model.ml())
        if bayes or both or not reml:
            fits.append(model.sample(seed=seed, progress=on_terminal()))
        found = bx.compare(*fits, *book.published)
        click.echo(f"\n{found}\n")
        for fit in fits:
            if isinstance(fit, bx.BayesFit):
                click.echo("\n".join(f"Posterior: {line}" for line in fit.draws_in_words()))
    for erratum in book.errata:
        about = f" ({', '.join(erratum.numbers)})" if erratum.numbers else ""
        click.echo(f"Erratum of {erratum.source}{about}: {erratum.words}")
    if not likelihood:
        click.echo("A posterior mean is no estimate; run without --bayes to see whether the numbers are reproduced.")
        return 0
    left = unexplained(found, book.published, book.errata)
    for source, numbers in left.items():
        click.echo(f"Not reproduced, {source}: {', '.join(numbers)}.")
    if not left:
        click.echo("Every published number is reproduced" + (", errata aside." if book.errata else "."))
    return NOT_REPRODUCED if left else 0


def _heading(book: Textbook) -> str:
    """What is fitted to what, and where the numbers come from."""
    data = book.csv.name if book.csv is not None else f"data set {book.dataset}"
    means = f", means by {book.means_by}" if book.means_by else ""
    weights = f", weights {book.weights}" if book.weights else ""
    lines = [book.title, f"{book.formula}    ({data}{means}{weights})"]
    if book.priors != "default":
        named = {"preset": book.priors} if isinstance(book.priors, str) else book.priors
        lines.append("Priors: " + "; ".join(f"{name} {prior}" for name, prior in named.items()))
    lines += [f"{each.name}: {each.source}" for each in book.published if each.source]
    return "\n".join([*lines, *([book.note] if book.note else [])])


def _model(book: Textbook) -> bx.Model:
    """The model of a file; what is wrong with it is told with its line."""
    try:
        return bx.Model(book.specification, book.data(), **book.options)
    except (FormulaError, DataError, DesignError, PriorError) as error:
        raise type(error)(f"{book.place(error)}: {error.found}", error.expected, error.remedy) from None
