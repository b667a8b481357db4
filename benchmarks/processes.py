"""Processes that are measured: their environment, their answers, and what is installed beside Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
ONE_THREAD = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}


def environment(**changed: str) -> dict[str, str]:
    """This process's environment, with the repository importable from any directory, and changes."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, **changed}


def python(*arguments: str) -> list[str]:
    """A command for the interpreter that runs this."""
    return [sys.executable, *arguments]


def answer(command: Sequence[str], **changed: str) -> Any:
    """Run a worker to its end and return its last line, read as JSON.

    Raises
    ------
    RuntimeError
        The worker failed; the message ends with what it wrote to stderr.
    """
    done = subprocess.run(command, cwd=ROOT, env=environment(**changed), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def say(text: str) -> None:
    """Progress, kept apart from the results."""
    print(text, file=sys.stderr, flush=True)


@cache
def r_versions() -> dict[str, str]:
    """Versions of R, lme4 and R's BLAS; empty where there is no R with lme4."""
    code = (
        'suppressMessages(library(lme4)); cat(paste(R.version$major, R.version$minor, sep = "."), '
        'as.character(packageVersion("lme4")), basename(extSoftVersion()[["BLAS"]]), sep = "\\n")'
    )
    try:
        done = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True)
    except FileNotFoundError:
        return {}
    return dict(zip(("R", "lme4", "BLAS of R"), done.stdout.split("\n"), strict=False)) if not done.returncode else {}
