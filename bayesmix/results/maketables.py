"""What the package maketables asks a fit: a frame of coefficients, and statistics by key."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bayesmix.results.surface.core import Core
from bayesmix.results.surface.likelihood import LikelihoodIntervals


def coefficient_table(fit: Core) -> pd.DataFrame:
    """Fixed effects in the columns that maketables knows: b, se, t, p, ci95l, ci95u.

    A posterior has neither t nor p, which are nan there.
    """
    source: Any = fit
    names = {"mean": "b", "sd": "se", "estimate": "b", "ci_low": "ci95l", "ci_high": "ci95u"}
    frame: pd.DataFrame = source.fixed_effects(prob=0.95).rename(columns=names)
    return frame.reindex(columns=["b", "se", "t", "p", "ci95l", "ci95u"], fill_value=np.nan).rename_axis("Coefficient")


def statistic(fit: Core, key: str) -> Any:
    """N, n_groups, method, sigma and what :func:`deviations` names; of estimates aic, bic, ll, criterion too.

    None for any other key.
    """
    design = fit.design
    sizes = [f"{len(level.grouping.labels)} {level.name}" for level in design.levels]
    bayes = not isinstance(fit, LikelihoodIntervals)
    estimates: Any = fit
    found: dict[str, Any] = {"N": design.n, "n_groups": ", ".join(sizes) or None}
    found |= {"method": "Bayes" if bayes else estimates.method, "sigma": float(fit.parameters.sigma.mean())}
    found |= deviations(fit)
    own = {} if bayes else {"aic": "aic", "bic": "bic", "ll": "loglik", "criterion": "criterion"}
    return float(getattr(estimates, own[key])) if key in own else found.get(key)


def deviations(fit: Core) -> dict[str, float]:
    """Standard deviations of the group effects by key, ``sd(ses | school)``: estimates, or means of the posterior."""
    return {
        f"sd({name} | {level.name})": float(np.sqrt(covariance[..., a, a]).mean())
        for level, covariance in zip(fit.design.levels, fit.parameters.covariances, strict=True)
        for a, name in enumerate(level.effect_names)
    }
