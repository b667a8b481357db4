"""``bayesmix show``, ``compare`` and ``datasets``: what there is already, looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import bayesmix as bx
from bayesmix.cli.console import DISAGREE, nothing_printed, plain_warnings
from bayesmix.cli.machine import comparison_record, fit_record, print_json, records
from bayesmix.datasets.catalogue import Dataset, read_catalogue
from bayesmix.errors import ArgumentError

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output, numbers in full.")

_SHOW = """\b
Examples:
  bayesmix show pupils.nc
  bayesmix show pupils.nc --json

\b
--json has the keys of one fit of 'bayesmix fit --json', and bayesmix, command, file, formula, rows, missing_rows,
groups. Exit status: 0, or 2 where the file is wrong.
"""

_COMPARE = """\b
Examples:
  bayesmix compare one.nc other.nc        two posteriors of one model, with other seeds or priors
  bayesmix compare mine.nc printed.csv    a posterior beside published numbers

\b
--json has bayesmix, command, files, agree, verdict, table (rows: source, part, parameter, estimate, se, ci_low,
ci_high, difference_in_se, digits, agrees).
Exit status: 0 where all agree, 1 where one does not, 2 where a file is wrong or the models differ.
"""

_DATASETS = """\b
Examples:
  bayesmix datasets            all of them
  bayesmix datasets hsb        one: its columns, source and terms

\b
--json has a list of name, title, rows, columns, source; with NAME one object, columns in full.
Exit status: 0, or 2 where there is no such data set.
"""


@click.command(epilog=_SHOW)
@click.argument("file")
@_JSON
def show(file: str, as_json: bool) -> int:
    """Print a posterior that was saved: FILE is what 'bayesmix fit --save' or post.save() wrote."""
    with plain_warnings():
        with nothing_printed(as_json):
            post = bx.load(file)
            facts = _model_facts(post) | fit_record(post) if as_json else {}
        if as_json:
            print_json("show", file=file, **facts)
        else:
            click.echo(post)
    return 0


def _model_facts(post: bx.BayesFit) -> dict[str, Any]:
    """Formula and sizes."""
    design = post.design
    return {
        "formula": design.specification.formula,
        "rows": design.n,
        "missing_rows": design.n_missing,
        "groups": {level.name: len(level.grouping.labels) for level in design.levels},
    }


@click.command(epilog=_COMPARE)
@click.argument("files", nargs=-1)
@_JSON
def compare(files: tuple[str, ...], as_json: bool) -> int:
    """Put saved posteriors of one model side by side, and numbers published about it.

    FILES are two or more: .nc files of posteriors, and .csv or .toml files of published numbers.
    """
    if len(files) < 2:
        raise ArgumentError(
            f"compare was given {len(files)} file{'' if len(files) == 1 else 's'}.",
            "Expected two or more, one of them a saved posterior.",
            "For instance 'bayesmix compare one.nc other.nc'.",
        )
    with plain_warnings(), nothing_printed(as_json):
        sources = [file if Path(file).suffix in (".csv", ".toml") else bx.load(file) for file in files]
        stems = [Path(file).stem for file in files]
        fits_only = len(set(stems)) == len(stems) and not any(isinstance(source, str) for source in sources)
        found = bx.compare(*sources, names=stems if fits_only else None)
    if as_json:
        print_json("compare", files=list(files), **comparison_record(found))
    else:
        click.echo(found)
    return 0 if found.agree else DISAGREE


@click.command(epilog=_DATASETS)
@click.argument("name", required=False)
@_JSON
def datasets(name: str | None, as_json: bool) -> int:
    """List the data sets that come with bayesmix, or describe the one called NAME."""
    if name is None:
        listed = bx.list_datasets()
        if as_json:
            print_json("datasets", datasets=records(listed))
        else:
            wide = max(map(len, listed["name"]))
            for row in listed.to_dict("records"):
                click.echo(f"{row['name']:{wide}}  {row['rows']:>6} x {row['columns']:<3} {row['title']}")
        return 0
    if name not in read_catalogue():
        try:
            bx.load_dataset(name)
        except ArgumentError as error:  # with the nearest name
            raise ArgumentError(error.found, error.expected, "'bayesmix datasets' lists them.") from None
    found = read_catalogue()[name]
    if as_json:
        columns = [
            {"name": c.name, "type": c.type, "description": c.description, "levels": c.levels, "count": c.count}
            for c in found.columns
        ]
        facts = {key: getattr(found, key) for key in ("title", "rows", "source", "publisher", "route", "licence")}
        print_json("datasets", name=name, **facts, columns=columns)
    else:
        click.echo(_describe(found))
    return 0


def _describe(found: Dataset) -> str:
    """Title, columns and origin of a data set."""
    wide = max(len(column.name) for column in found.columns)
    lines = [f"{found.name}: {found.title}", f"{found.rows} rows", ""]
    for column in found.columns:
        levels = f" ({', '.join(column.levels)})" if isinstance(column.levels, tuple) else ""
        lines.append(f"  {column.name:{wide}}  {column.type:8} {column.description}{levels}")
    return "\n".join([*lines, "", f"Source: {found.source}", f"Route: {found.route}", f"Licence: {found.licence}"])
