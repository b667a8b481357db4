"""Fits one problem by REML each time a line comes in: ``python -m benchmarks.workers.reml mixedlm hsb``."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable

import pandas as pd

from benchmarks.problems import PROBLEMS

Fit = Callable[[str, pd.DataFrame], Callable[[], float]]


def bayesmix_fit() -> Fit:
    """Formula and frame to a certified optimum; a new Model each time."""
    from bayesmix import Model

    def fit(formula: str, frame: pd.DataFrame) -> Callable[[], float]:
        found = Model(formula, frame).reml()
        return lambda: float(found.criterion)

    return fit


def mixedlm_fit() -> Fit:
    """The same with mixedlm as it comes."""
    from mixedlm import lmer

    def fit(formula: str, frame: pd.DataFrame) -> Callable[[], float]:
        found = lmer(formula, frame)
        return lambda: float(found.REMLcrit())

    return fit


PROGRAMS = {"bayesmix": bayesmix_fit, "mixedlm": mixedlm_fit}


def main() -> None:
    """Answer every line with seconds and criterion; reading the criterion is not timed."""
    program, name = sys.argv[1:]
    problem = PROBLEMS[name]
    frame = problem.frame()
    fit = PROGRAMS[program]()
    for _ in sys.stdin:
        gc.collect()
        begun = time.perf_counter()
        criterion = fit(problem.formula, frame)
        seconds = time.perf_counter() - begun
        print(json.dumps({"seconds": seconds, "criterion": criterion()}), flush=True)


if __name__ == "__main__":
    main()
