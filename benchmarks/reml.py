"""REML from formula to fit: bayesmix, mixedlm and lme4 in turns, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.problems import CHEM_SEED, PROBLEMS
from benchmarks.processes import ONE_THREAD, ROOT, environment, python, r_versions, say
from benchmarks.tables import spread, table, times

LME4 = Path(__file__).parent / "workers" / "lme4.R"
NAMES = ("hsb", "hsb_full", "exam", "egsingle", "chem", "chem_intercepts", "insteval")
SETTINGS: dict[str, dict[str, str]] = {
    "One BLAS thread": ONE_THREAD,
    "BLAS threads as the programs choose them": {},
}


@dataclass
class Timings:
    """Fits of one problem by one program.

    Parameters
    ----------
    first : list of float
        Seconds of the first fit of each process.
    later : list of float
        Seconds of all others.
    criteria : list of float
        -2 log restricted likelihood of every fit.
    """

    first: list[float] = field(default_factory=list)
    later: list[float] = field(default_factory=list)
    criteria: list[float] = field(default_factory=list)


@contextmanager
def contestant(command: list[str], setting: dict[str, str]) -> Iterator[Callable[[], tuple[float, float]]]:
    """A running worker, as a function that fits once and returns seconds and criterion."""
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(
            command, cwd=ROOT, env=environment(**setting), stdin=pipe, stdout=pipe, stderr=complaints, text=True
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        requests, answers = process.stdin, process.stdout

        def fit() -> tuple[float, float]:
            requests.write("fit\n")
            requests.flush()
            for line in answers:
                if line.startswith("{"):
                    found = json.loads(line)
                    return found["seconds"], found["criterion"]
            complaints.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended:\n{complaints.read()[-2000:]}")

        yield fit


def report(quick: bool) -> str:
    """Times, first fits and criteria as Markdown.

    Parameters
    ----------
    quick : bool
        One process and 3 rounds for each problem instead of 3 and 8 (slow problems: 1 and 4).
    """
    processes, rounds = (1, 3) if quick else (3, 8)
    programs = ["bayesmix", "mixedlm", *(["lme4"] if r_versions() else [])]
    with contestant(python("-m", "benchmarks.workers.reml", "bayesmix", "hsb"), {}) as fill_caches:
        fill_caches()
    measured = {
        title: {name: _race(name, programs, setting, processes, rounds) for name in NAMES}
        for title, setting in SETTINGS.items()
    }
    parts = [
        "## REML, formula to fit",
        f"The programs take turns, each in a process of its own: {processes} process(es) with {rounds} fits for every "
        "model (1 with 4 for InstEval). Seconds are measured inside the process, without imports. Medians (quartiles) "
        "in milliseconds, first fits apart; ratios above 1: bayesmix is faster.",
    ]
    for title, timings in measured.items():
        parts += [f"### {title}", _times(timings, programs, "later")]
    one_thread, *_ = measured.values()
    parts += ["### First fit in a process (one BLAS thread, disk caches warm)", _times(one_thread, programs, "first")]
    parts += ["### The optimum reached: -2 log restricted likelihood, last fit", _criteria(one_thread, programs)]
    formulas = [f"{PROBLEMS[name].label}: `{PROBLEMS[name].formula}`" for name in NAMES]
    parts.append(f"{'; '.join(formulas)} (seed {CHEM_SEED}).")
    return "\n\n".join(parts)


def _race(name: str, programs: list[str], setting: dict[str, str], processes: int, rounds: int) -> dict[str, Timings]:
    """Fit in turns: A B C A B C ..."""
    say(f"reml: {name}, {setting or 'BLAS threads not set'}")
    timings: dict[str, Timings] = defaultdict(Timings)
    problem = PROBLEMS[name]
    processes, rounds = (1, 4) if problem.slow else (processes, rounds)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "frame.csv"
        problem.frame().to_csv(file, index=False)
        r_command = ["Rscript", str(LME4), str(file), problem.formula, ",".join(problem.groupings)]
        commands = {
            program: r_command if program == "lme4" else python("-m", "benchmarks.workers.reml", program, name)
            for program in programs
        }
        for _ in range(processes):
            _rounds(commands, setting, rounds, timings)
    return dict(timings)


def _rounds(commands: dict[str, list[str]], setting: dict[str, str], rounds: int, timings: dict[str, Timings]) -> None:
    """One process of every program, fits in turns."""
    with ExitStack() as running:
        fits = {program: running.enter_context(contestant(command, setting)) for program, command in commands.items()}
        for number in range(rounds):
            for program, fit in fits.items():
                seconds, criterion = fit()
                (timings[program].later if number else timings[program].first).append(seconds)
                timings[program].criteria.append(criterion)


def _times(timings: dict[str, dict[str, Timings]], programs: list[str], which: Literal["first", "later"]) -> str:
    """Ratios, then milliseconds."""
    peers = programs[1:]
    header = ["Model", *(f"{peer} : bayesmix" for peer in peers), *(f"{program}, ms" for program in programs)]
    rows = []
    for name, found in timings.items():
        seconds = {program: getattr(found[program], which) for program in programs}
        ratios = [times(float(np.median(seconds[peer]) / np.median(seconds["bayesmix"]))) for peer in peers]
        rows.append([PROBLEMS[name].label, *ratios, *(spread(seconds[program], 1e3) for program in programs)])
    return table(header, rows)


def _criteria(timings: dict[str, dict[str, Timings]], programs: list[str]) -> str:
    """Criterion of bayesmix, and how much higher the others stopped."""
    peers = programs[1:]
    rows = []
    for name, found in timings.items():
        ours = found["bayesmix"].criteria[-1]
        higher = [f"{found[peer].criteria[-1] - ours:+.1e}" for peer in peers]
        rows.append([PROBLEMS[name].label, f"{len(PROBLEMS[name].frame()):,}", f"{ours:.6f}", *higher])
    return table(["Model", "rows", "bayesmix", *(f"{peer} - bayesmix" for peer in peers)], rows)
