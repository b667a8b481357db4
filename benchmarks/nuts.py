"""NUTS: smallest effective sample size per second of everything between formula and posterior."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.problems import PROBLEMS
from benchmarks.processes import answer, python, say
from benchmarks.tables import significant, spread, table, times

NAMES = ("hsb", "egsingle")
PROGRAMS = ("bayesmix", "bambi")
KINDS = {"first": "first fit in a process", "refit": "refit, other data"}
Runs = dict[str, list[dict[str, Any]]]


def report(quick: bool) -> str:
    """Effective draws per second, and what they are made of, as Markdown.

    Parameters
    ----------
    quick : bool
        Once instead of three times.
    """
    repeats = 1 if quick else 3
    measured = {name: _runs(name, repeats) for name in NAMES}
    parts = [
        "## NUTS: minimum bulk ESS per second",
        "**Bambi fits a simpler model**: independent intercepts and slopes, as it has no correlations. The minimum is "
        "over the fixed effects, sigma and the sds, which both have; bayesmix's is also given with its correlations. "
        "Seconds are wall time from formula and frame to posterior, group effects included, with compiling and without "
        f"imports; 4 chains of 1000 draws, each program's own warm-up, {repeats} process(es) with seeds 1, 2, ..., "
        "medians (quartiles). Disk caches are warm: an earlier process has compiled the same model. The refit, in the "
        "same process, is to the highest groups drawn with replacement. Ratios above 1: bayesmix is better.",
        _rates(measured),
        "### What the rates are made of",
        _details(measured),
    ]
    return "\n\n".join(parts)


def _runs(name: str, repeats: int) -> Runs:
    """Processes of both programs in turns, after one each that fills the caches."""
    runs: Runs = {program: [] for program in PROGRAMS}
    for repeat in range(repeats + 1):
        for program in PROGRAMS:
            command = python("-m", "benchmarks.workers.nuts", program, name)
            if repeat == 0:
                say(f"nuts: {name}, {program}, filling caches")
                answer([*command, "--draws", "20", "--tune", "20"])
            else:
                say(f"nuts: {name}, {program}, {repeat} of {repeats}")
                runs[program].append(answer([*command, "--seed", str(repeat)]))
    counts = {run["first"]["n_shared"] for found in runs.values() for run in found}
    if len(counts) > 1:
        raise RuntimeError(f"{name}: the programs do not report the same parameters ({sorted(counts)})")
    return runs


def _per_second(runs: list[dict[str, Any]], kind: str, which: str) -> list[float]:
    """ESS per second of every process."""
    return [run[kind][which] / run[kind]["seconds"] for run in runs]


def _rates(measured: dict[str, Runs]) -> str:
    """Ratios, then effective draws per second."""
    rows = []
    for name, runs in measured.items():
        for kind, words in KINDS.items():
            ours, everything = (_per_second(runs["bayesmix"], kind, which) for which in ("shared", "all"))
            theirs = _per_second(runs["bambi"], kind, "shared")
            ratios = [times(float(np.median(rate) / np.median(theirs))) for rate in (ours, everything)]
            rows.append([f"{PROBLEMS[name].label}, {words}", *ratios, *map(spread, (ours, everything, theirs))])
    header = ("Fit", "bayesmix : Bambi", "with correlations", "bayesmix ESS/s", "with correlations", "Bambi ESS/s")
    return table(header, rows)


def _details(measured: dict[str, Runs]) -> str:
    """Seconds, ESS and diagnostics of every program."""
    rows = []
    for name, runs in measured.items():
        for kind, words in KINDS.items():
            for program, label in zip(PROGRAMS, ("bayesmix", "Bambi with nutpie"), strict=True):
                found = [run[kind] for run in runs[program]]
                rows.append(
                    [
                        f"{PROBLEMS[name].label}, {words}, {label}",
                        spread([fit["seconds"] for fit in found]),
                        f"{np.median([fit['shared'] for fit in found]):.0f} ({found[0]['n_shared']})",
                        f"{np.median([fit['all'] for fit in found]):.0f} ({found[0]['n_all']})",
                        significant(max(fit["r_hat"] for fit in found), 4),
                        str(sum(fit["divergences"] for fit in found)),
                        spread([run["imports"] for run in runs[program]]),
                    ]
                )
    header = ("Fit", "seconds", "min ESS (parameters)", "with correlations", "max R-hat", "divergences", "imports, s")
    return table(header, rows)
