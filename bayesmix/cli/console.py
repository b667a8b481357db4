"""What the commands share: exit statuses, warnings as lines, and what is said while something takes long."""

from __future__ import annotations

import io
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
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


class _Notes(io.TextIOBase):
    """What is printed, kept line by line and said on standard error."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._begun = ""

    def writable(self) -> bool:
        """So that ``print`` takes it."""
        return True

    def write(self, text: str) -> int:
        """Every finished line."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in filter(str.strip, lines):
            self.lines.append(line.strip())
            click.echo(f"Note: {line.strip()}", err=True)
        return len(text)

    def finish(self) -> None:
        """A last line without an end."""
        if self._begun:
            self.write("\n")


@contextmanager
def nothing_printed(wanted: bool = True) -> Iterator[list[str]]:
    """Keep standard output free: what is printed meanwhile is said on standard error, and is in the list yielded.

    What writes to the descriptor itself, as compiled code may, goes to standard error too.
    """
    notes = _Notes()
    if not wanted:
        yield notes.lines
        return
    kept = None
    if sys.stdout is not None and sys.stderr is not None:  # closed by the shell, its number may be of another file
        sys.stdout.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
    try:
        with redirect_stdout(notes):
            yield notes.lines
    finally:
        notes.finish()
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)


def on_terminal() -> bool:
    """Whether somebody looks on, for whom a progress bar may be drawn."""
    return sys.stdout.isatty()
