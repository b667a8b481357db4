"""What the commands share: exit statuses, warnings as lines, and what is said while something takes long."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from bayesmix.errors import BayesmixWarning

# Exit statuses beside 0; 2 is also what click answers to a wrong option.
NOT_REPRODUCED = DISAGREE = 1
WRONG_INPUT, INTERRUPTED = 2, 130


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Warnings of bayesmix as a line on standard error, without the place in the code; others as they are."""
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *rest: Any, **options: Any) -> None:
            if issubclass(category, BayesmixWarning):
                click.echo(f"Note: {message}", err=True)
            else:
                shown(message, category, *rest, **options)

        warnings.simplefilter("always", BayesmixWarning)
        warnings.showwarning = show
        yield


@contextmanager
def told(work: str, quiet: bool = False) -> Iterator[None]:
    """Say on standard error what is being done and how long it took; nothing where a progress bar says it."""
    if quiet:
        yield
        return
    click.echo(f"{work} ...", err=True)
    started = time.perf_counter()
    yield
    click.echo(f"{work}: {time.perf_counter() - started:.1f} s.", err=True)


def on_terminal() -> bool:
    """Whether somebody looks on, for whom a progress bar may be drawn."""
    return sys.stdout.isatty()
