"""Warnings that point at the line of whoever called, however deep they were said."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from bayesmix.errors import BayesmixWarning

# Frames of files below this are passed over.
_PACKAGE = str(Path(__file__).parents[1]) + os.sep


def warn_caller(message: str) -> None:
    """Warn of something in the model or the data, at the first line outside the package."""
    warnings.warn(message, BayesmixWarning, skip_file_prefixes=(_PACKAGE,))
