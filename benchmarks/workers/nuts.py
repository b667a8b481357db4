"""First fit and refit by NUTS in one process: ``python -m benchmarks.workers.nuts bambi hsb --seed 1``."""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

CHAINS = 4
Sample = Callable[[pd.DataFrame], Any]


def bayesmix_sampler(formula: str, draws: int, tune: int | None, seed: int) -> Sample:
    """Everything bayesmix needs is imported when this returns."""
    import nutpie  # noqa: F401

    from bayesmix import Model

    options: dict[str, Any] = {} if tune is None else {"tune": tune}

    def sample(frame: pd.DataFrame) -> Any:
        return Model(formula, frame).sample(draws=draws, chains=CHAINS, seed=seed, progress=False, **options).idata

    return sample


def bambi_sampler(formula: str, draws: int, tune: int | None, seed: int) -> Sample:
    """Everything Bambi needs is imported when this returns."""
    import bambi
    import nutpie  # noqa: F401

    options: dict[str, Any] = {} if tune is None else {"tune": tune}

    def sample(frame: pd.DataFrame) -> Any:
        return bambi.Model(formula, frame).fit(
            draws=draws,
            chains=CHAINS,
            random_seed=seed,
            inference_method="nutpie",
            progressbar=False,
            **options,
        )

    return sample


def quality(idata: Any) -> dict[str, Any]:
    """Smallest bulk ESS of fixed effects, sigma and sds, the same with correlations, R-hat and divergences."""
    import arviz as az

    posterior = idata["posterior"].to_dataset()
    names = [str(name) for name in posterior.data_vars if not any("factor_dim" in str(d) for d in posterior[name].dims)]
    ess = {name: _extreme(az.ess(idata, var_names=[name]), np.min) for name in names}
    shared = [name for name in names if not name.endswith("_corr")]
    return {
        "shared": min(ess[name] for name in shared),
        "all": min(ess.values()),
        "n_shared": sum(posterior[name][0, 0].size for name in shared),
        "n_all": sum(posterior[name][0, 0].size for name in names),
        "r_hat": max(_extreme(az.rhat(idata, var_names=[name]), np.max) for name in names),
        "divergences": int(idata["sample_stats"]["diverging"].sum()),
    }


def _extreme(tree: Any, of: Callable[[Any], Any]) -> float:
    """Smallest or largest value of a diagnostic of one variable."""
    values = tree.to_dataset() if hasattr(tree, "to_dataset") else tree
    return float(of([of(values[name].to_numpy()) for name in values.data_vars]))


def main() -> None:
    """Print seconds of the imports, and seconds and quality of both fits."""
    parser = argparse.ArgumentParser()
    parser.add_argument("program", choices=("bayesmix", "bambi"))
    parser.add_argument("problem")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--tune", type=int)
    options = parser.parse_args()
    warnings.simplefilter("ignore")

    begun = time.perf_counter()
    make = bayesmix_sampler if options.program == "bayesmix" else bambi_sampler
    from benchmarks.problems import PROBLEMS, bootstrap, for_bambi

    problem = PROBLEMS[options.problem]
    formula = problem.bambi_formula if options.program == "bambi" else problem.formula
    assert formula is not None
    sample = make(formula, options.draws, options.tune, options.seed)
    imports = time.perf_counter() - begun

    frames = [problem.frame(), bootstrap(problem, problem.frame(), options.seed)]
    if options.program == "bambi":
        frames = [for_bambi(problem, frame) for frame in frames]
    fits = []
    for frame in frames:
        begun = time.perf_counter()
        idata = sample(frame)
        seconds = time.perf_counter() - begun
        fits.append({"seconds": seconds, **quality(idata)})
    print(json.dumps({"imports": imports, "first": fits[0], "refit": fits[1]}))


if __name__ == "__main__":
    main()
