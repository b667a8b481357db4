"""Compiled kernels that are cached on disk and never older than their source.

Numba does not see an edited helper in another file, and PyTensor's cache does not see a kernel at all. Each cached
kernel therefore closes over a hash of all kernel sources (Numba keys its cache on closure cells), and the same hash
is what the PyTensor operation returns as its key.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from bayesmix.errors import BayesmixWarning

_KERNEL_FILES = (
    "sources.py",
    "layout.py",
    "blocks.py",
    "elimination.py",
    "passes.py",
    "effects.py",
    "curvature.py",
    "kernels.py",
    "slots.py",
    "dense.py",
    "crossed.py",
    "crossed_kernels.py",
    "given.py",
)


def _hash_sources() -> int:
    """A 62-bit hash of every file whose text decides what the kernels compute."""
    digest = hashlib.sha256(numba.__version__.encode())
    for name in _KERNEL_FILES:
        digest.update((Path(__file__).parent / name).read_bytes())
    return int.from_bytes(digest.digest()[:8], "big") >> 2


SOURCE_HASH = _hash_sources()
_warned: list[str] = []


def njit[Function: Callable[..., Any]](function: Function) -> Function:
    """Compile a part of a kernel, in memory; its kernel is what is cached.

    Without Python's checks for division by zero there is a third less to compile, and one shows as inf or nan.
    """
    compiled: Function = numba.njit(error_model="numpy", nogil=True)(function)
    return compiled


def inlined[Function: Callable[..., Any]](function: Function) -> Function:
    """Copy a part into the kernel that calls it: for large parts called once, which compile a fifth faster this way."""
    compiled: Function = numba.njit(error_model="numpy", nogil=True, inline="always")(function)
    return compiled


def cached[Function: Callable[..., Any]](function: Function) -> Function:
    """Compile a kernel with Numba, on disk where a cache directory can be written, in memory otherwise.

    The function must close over :data:`SOURCE_HASH`, see :mod:`bayesmix.likelihood.kernels`.
    """
    _require_hash(function)
    try:
        compiled: Function = numba.njit(cache=True, error_model="numpy", nogil=True)(function)
    except RuntimeError as problem:  # Numba: "cannot cache function ...: no locator available for file ..."
        _say_uncached(problem)
        compiled = njit(function)
    return compiled


def cached_c(signature: Any, function: Callable[..., None]) -> Any:
    """The same for a C function, compiled at once for one signature."""
    _require_hash(function)
    try:
        return numba.cfunc(signature, cache=True, error_model="numpy")(function)
    except RuntimeError as problem:
        _say_uncached(problem)
        return numba.cfunc(signature, error_model="numpy")(function)


def _require_hash(function: Callable[..., Any]) -> None:
    """A kernel that forgot the hash would outlive its source."""
    if not function.__closure__:
        raise TypeError(f"kernel {function.__name__} does not close over the hash of the sources")


def _say_uncached(problem: RuntimeError) -> None:
    """Once in a process."""
    if _warned:
        return
    _warned.append(str(problem))
    warnings.warn(
        f"No directory for compiled code can be written ({problem}); kernels are compiled again in every process. "
        "Set NUMBA_CACHE_DIR to a writable directory to keep them.",
        BayesmixWarning,
        stacklevel=3,
    )
