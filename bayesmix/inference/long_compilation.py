"""What is said while a kernel compiles, which it does once on a machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# A kernel kept on disk is loaded within this time, in seconds.
_PATIENCE = 2.0


@contextmanager
def told_while_compiling(kernel: Any, progress: bool) -> Iterator[None]:
    """Say that a kernel is being compiled where the work begins with that and it takes more than a moment.

    Parameters
    ----------
    kernel : Numba dispatcher
        It has signatures once it is compiled, or loaded.
    progress : bool
        Say nothing where False.
    """
    if not progress or getattr(kernel, "signatures", True):
        yield
        return

    def say() -> None:
        if not kernel.signatures:
            print("Compiling the densities of what is left out (up to a minute; kept for later calls).", flush=True)

    timer = threading.Timer(_PATIENCE, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
