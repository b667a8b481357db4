"""One BLAS thread inside a fit: its matrices are small, and threads waiting for each other cost more than they add."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy as np  # noqa: F401  (its BLAS must be loaded before the libraries are listed)
import scipy.linalg  # noqa: F401
from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    """The loaded BLAS libraries; listing them takes milliseconds, so it is done once."""
    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[Any]:
    """A context in which BLAS runs on one thread; the caller's setting returns at its end."""
    limited: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return limited
