"""Work that takes a while: a progress bar, and an interrupt that keeps what was finished."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed, asked between pieces: inside compiled code an interrupt becomes another error."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def progress_bar(n: int, progress: bool, title: str) -> Iterator[Callable[[], None]]:
    """A progress bar, as a function that moves it on by one."""
    if not progress:
        yield lambda: None
        return
    from rich.progress import Progress

    bar = Progress(transient=True)
    if not (bar.console.is_terminal or bar.console.is_jupyter):  # a log would get its empty lines
        yield lambda: None
        return
    with bar as shown:
        task = shown.add_task(title, total=n)
        yield lambda: shown.advance(task)


def one_by_one[Item, Found](
    items: Sequence[Item], work: Callable[[Item], Found], progress: bool, title: str
) -> list[Found]:
    """What work makes of each item; of the first ones where it was interrupted.

    Raises
    ------
    KeyboardInterrupt
        Interrupted before the first was finished.
    """
    found: list[Found] = []
    with progress_bar(len(items), progress, title) as advance, asked_to_stop() as stop:
        try:
            for item in items:
                if stop():
                    break
                found.append(work(item))
                advance()
        except KeyboardInterrupt:  # in a thread that has no signals
            pass
    if items and not found:
        raise KeyboardInterrupt
    return found
