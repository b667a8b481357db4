"""What a new process costs: imports, and ``python -m bayesmix`` on a machine that has compiled nothing yet."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.processes import answer, environment, python, say
from benchmarks.tables import spread, table, times

STATEMENTS = ("import bayesmix", "from bayesmix import Model", "from mixedlm import lmer", "import bambi")


def report_imports(quick: bool) -> str:
    """Import times as Markdown.

    Parameters
    ----------
    quick : bool
        3 processes for each statement instead of 10.
    """
    repeats = 3 if quick else 10
    say("import")
    seconds: dict[str, list[float]] = {statement: [] for statement in STATEMENTS}
    for repeat in range(repeats + 1):
        for statement in STATEMENTS:
            code = f"import time; begun = time.perf_counter(); {statement}; print(time.perf_counter() - begun)"
            found = float(answer(python("-c", code)))
            if repeat:  # the first one writes the byte code
                seconds[statement].append(found)
    longest = float(np.median(seconds["import bambi"]))
    rows = [
        [f"`{statement}`", times(longest / float(np.median(found))), spread(found)]
        for statement, found in seconds.items()
    ]
    return "\n\n".join(
        [
            "## Import",
            f"Fresh processes, byte code compiled, {repeats} each in turns; medians (quartiles).",
            table(("Statement", "`import bambi` : this", "seconds"), rows),
        ]
    )


def report_cold(quick: bool) -> str:
    """Wall and processor seconds of ``python -m bayesmix``, caches empty and then filled, as Markdown.

    Parameters
    ----------
    quick : bool
        Once instead of three times.
    """
    repeats = 1 if quick else 3
    runs: dict[str, list[tuple[float, float]]] = {"cold": [], "warm": []}
    for repeat in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            for state, found in runs.items():
                say(f"cold: {state}, {repeat + 1} of {repeats}")
                found.append(_main_job(Path(folder)))
    words = {"cold": "empty caches", "warm": "the same caches, second run"}
    warm = float(np.median([wall for wall, _ in runs["warm"]]))
    rows = []
    for state, found in runs.items():
        wall, cpu = (list(part) for part in zip(*found, strict=True))
        rows.append([words[state], times(float(np.median(wall)) / warm), spread(wall), spread(cpu)])
    return "\n\n".join(
        [
            "## The work of `make run`",
            "`python -m bayesmix` with new directories for Numba's and PyTensor's compiled code (byte code of the "
            f"installed packages is there); {repeats} time(s), medians (quartiles).",
            table(("Run", "wall : second run", "wall, s", "processor, s"), rows),
        ]
    )


def _main_job(folder: Path) -> tuple[float, float]:
    """Wall and processor seconds of one run with its caches in a folder."""
    flags = ",".join(filter(None, [os.environ.get("PYTENSOR_FLAGS"), f"base_compiledir={folder / 'pytensor'}"]))
    changed = environment(NUMBA_CACHE_DIR=str(folder / "numba"), PYTENSOR_FLAGS=flags)
    with (folder / "output.txt").open("w+") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(
            python("-m", "bayesmix"), cwd=folder, env=changed, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            raise RuntimeError(f"python -m bayesmix failed:\n{output.read()[-2000:]}")
    return wall, usage.ru_utime + usage.ru_stime
