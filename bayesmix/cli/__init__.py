"""The command ``bayesmix``: models fitted, compared and shown without writing Python."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

import click

import bayesmix as bx
from bayesmix.cli.ahead import warmup
from bayesmix.cli.console import INTERRUPTED, WRONG_INPUT
from bayesmix.cli.fitting import fit
from bayesmix.cli.looking import compare, datasets, show
from bayesmix.cli.running import run
from bayesmix.errors import BayesmixError

__all__ = ["commands", "main"]

_EXAMPLES = """\b
Examples:
  bayesmix fit "math ~ ses + (ses | school)" hsb --reml
  bayesmix fit "math ~ ses + (ses | school)" pupils.csv --seed 1 --save pupils.nc
  bayesmix show pupils.nc
  bayesmix compare one.nc other.nc
  bayesmix datasets
  bayesmix run hsb_ses

\b
Each command has its own help: bayesmix fit --help.
Exit status: 0, 1 where numbers disagree (compare, run), 2 where something is wrong with the input, 130 after Ctrl-C.
"""


def main(arguments: Sequence[str] | None = None, program: str = "bayesmix") -> None:
    """Run the command and leave with its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the command line.
    program : str
        How the command was called.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        # As it was written, for a report that says how it was made.
        status = commands.main(
            given, prog_name=program, standalone_mode=False, obj=shlex.join([*program.split(), *given])
        )
    except BayesmixError as error:
        click.echo(f"Error: {error}", err=True)
        status = WRONG_INPUT
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        status = INTERRUPTED
    sys.exit(status)


@click.group(epilog=_EXAMPLES)
@click.version_option(bx.__version__, prog_name="bayesmix")
def commands() -> None:
    """Bayesian multilevel models, beside the exact REML fit that checks them."""


for _command in (fit, run, compare, show, datasets, warmup):
    commands.add_command(_command)
