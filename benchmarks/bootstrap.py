"""Parametric bootstrap: seconds for 1,000 refits, responses drawn without rows and with them, beside lme4."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import bayesmix as bx
from bayesmix.inference.bootstrap import bootstrap
from bayesmix.inference.simulation import products_drawer, rows_drawer
from benchmarks.problems import PROBLEMS, Problem
from benchmarks.processes import ONE_THREAD, environment, r_versions, say
from benchmarks.tables import spread, table, times

NAMES = ("hsb", "exam", "egsingle")
REFITS = 1000
LME4_REFITS = 40

# Simulates and refits as bootMer does, by lme4's own functions.
LME4 = """
suppressMessages(library(lme4))
arguments <- commandArgs(trailingOnly = TRUE)
frame <- read.csv(arguments[1], stringsAsFactors = TRUE)
for (name in strsplit(arguments[3], ",")[[1]]) frame[[name]] <- factor(frame[[name]])
fit <- lmer(as.formula(arguments[2]), frame)
n <- as.integer(arguments[4])
begun <- Sys.time()
invisible(suppressMessages(suppressWarnings(bootMer(fit, fixef, nsim = n, seed = 1))))
cat("seconds", as.numeric(Sys.time() - begun, units = "secs"), "\\n")
"""


def report(quick: bool) -> str:
    """Seconds for 1,000 refits of three models as Markdown.

    Parameters
    ----------
    quick : bool
        50 refits in 1 round instead of 1,000 in 3; of lme4 5 instead of 40. Seconds are given for 1,000.
    """
    refits, rounds = (50, 1) if quick else (REFITS, 3)
    rows = []
    for name in NAMES:
        say(f"bootstrap: {name}")
        problem = PROBLEMS[name]
        model = bx.Model(problem.formula, problem.frame())
        solution = model.reml().solution
        drawers = [products_drawer(model.products, solution), rows_drawer(model.design, model.products, solution)]
        runs = [partial(bootstrap, solution, draw, refits, seed=1) for draw in drawers]
        for draw in drawers:
            bootstrap(solution, draw, 3, seed=1)  # loads the kernels
        without, with_rows = ([_seconds(run) * REFITS / refits for _ in range(rounds)] for run in runs)
        lme4 = [_lme4_seconds(problem, 5 if quick else LME4_REFITS)] if r_versions() else []
        ratio = times(lme4[0] / sorted(without)[rounds // 2]) if lme4 else ""
        shown = f"{lme4[0]:.0f}" if lme4 else "not installed"
        rows.append([problem.label, ratio, spread(without), spread(with_rows), shown])
    header = ("Model", "lme4 : bayesmix", "without rows, s", "row by row, s", "lme4, s")
    return "\n\n".join(
        [
            "## Parametric bootstrap: 1,000 REML refits",
            f"New responses from the fit, and the model fitted to each. {rounds} run(s) of {refits} refits, one "
            f"process, one BLAS thread inside a fit; medians (quartiles) in seconds for {REFITS:,}. lme4: `bootMer` "
            f"with {5 if quick else LME4_REFITS} refits at its default tolerance, seconds scaled to {REFITS:,}.",
            table(header, rows),
        ]
    )


def _seconds(run: Callable[[], Any]) -> float:
    """Seconds of one call."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def _lme4_seconds(problem: Problem, refits: int) -> float:
    """Seconds lme4 would take for 1,000."""
    with tempfile.TemporaryDirectory() as folder:
        file, script = Path(folder) / "frame.csv", Path(folder) / "bootstrap.R"
        problem.frame().to_csv(file, index=False)
        script.write_text(LME4)
        command = ["Rscript", str(script), str(file), problem.formula, ",".join(problem.groupings), str(refits)]
        done = subprocess.run(command, env=environment(**ONE_THREAD), capture_output=True, text=True)
    found = re.search(r"seconds ([\d.e+-]+)", done.stdout)
    if found is None:
        raise RuntimeError(f"lme4 failed:\n{done.stderr[-2000:]}")
    return float(found[1]) * REFITS / refits
