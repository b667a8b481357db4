"""AIC, AICc and BIC as different programs count parameters and observations."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayesmix.design import CrossProducts, Design
from bayesmix.inference.homogeneity import chain_depth
from bayesmix.inference.ml import MlSolution
from bayesmix.results.components import covariance_count, parameter_count


def corrected_aic(criterion: float, k: int, n: int) -> float:
    """AIC with the small-sample correction of Hurvich & Tsai (1989), Biometrika 76:297-307; inf where n <= k + 1."""
    return criterion + 2 * k * n / (n - k - 1) if n > k + 1 else np.inf


def consistent_aic(criterion: float, k: int, n: int) -> float:
    """Bozdogan's criterion, CAIC: criterion + k (log n + 1) (Bozdogan 1987, Psychometrika 52:345-370)."""
    return float(criterion + k * (np.log(n) + 1))


def criteria_table(design: Design, products: CrossProducts, solution: MlSolution) -> pd.DataFrame:
    """Information criteria by program; see ``LikelihoodFit.information_criteria``.

    SAS: MIXED procedure, "Fit Statistics" (n of BIC: subjects, for crossed levels those of the first bar; parameters
    estimated as 0 not counted; n of AICc at least k + 2).
    """
    n, p = products.n, products.n_fixed
    total, covariances = parameter_count(products), covariance_count(products)
    rest = n - p if solution.reml else n
    fixed = 0 if solution.reml else p
    sas = covariances - _zero_variances(products, solution) + fixed
    rows = {
        "lme4": (total, n, n),
        "sas": (sas, max(rest, sas + 2), _subjects(design, products, rest)),
        "spss": (covariances + fixed, rest, rest),
        "stata": (total, n, n),
    }
    f = solution.criterion
    columns = {
        "aic": [f + 2 * k for k, _, _ in rows.values()],
        "aicc": [corrected_aic(f, k, m) for k, m, _ in rows.values()],
        "bic": [f + k * np.log(m) for k, _, m in rows.values()],
        "k": [k for k, _, _ in rows.values()],
        "n_aicc": [m for _, m, _ in rows.values()],
        "n_bic": [m for _, _, m in rows.values()],
    }
    return pd.DataFrame(columns, index=pd.Index(list(rows), name="program"))


def _zero_variances(products: CrossProducts, solution: MlSolution) -> int:
    """Variances without covariances that are estimated as 0."""
    blocks = [
        (sigma, start)
        for level, sigma in zip(products.levels, solution.covariances, strict=True)
        for start, stop in level.blocks
        if stop - start == 1
    ]
    return sum(bool(sigma[i, i] <= 1e-8 * solution.sigma**2) for sigma, i in blocks)


def _subjects(design: Design, products: CrossProducts, rest: int) -> int:
    """What SAS calls the effective number of subjects."""
    if not design.levels:
        return rest
    if chain_depth(products) == len(design.levels):
        return len(design.levels[-1].grouping.labels)
    first = set(design.specification.groups[0].grouping)
    return next(len(v.grouping.labels) for v in design.levels if set(v.grouping.columns) == first)
