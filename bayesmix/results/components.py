"""Variance components by name, and what follows from them, for one estimate or for many draws alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Level

Floats = NDArray[np.float64]

RESIDUAL = ("residual", "var")


def component_index(levels: Sequence[Level]) -> pd.MultiIndex:
    """Rows of a table of variance components: variances, then covariances with correlations, residual last."""
    rows = []
    for level in levels:
        names = level.effect_names
        rows += [(level.name, f"var({name})") for name in names]
        for i, j in level.pairs:
            rows += [(level.name, f"cov({names[i]},{names[j]})"), (level.name, f"corr({names[i]},{names[j]})")]
    return pd.MultiIndex.from_tuples([*rows, RESIDUAL], names=["level", "parameter"])


def component_values(levels: Sequence[Level], covariances: Sequence[Floats], residual: Floats) -> Floats:
    """Values in the order of :func:`component_index`; any leading dimensions (draws) are kept.

    Parameters
    ----------
    levels : sequence of Level
    covariances : sequence of (..., q, q) arrays
        Sigma of each level.
    residual : (...) array
        Residual variance.
    """
    values = []
    for level, sigma in zip(levels, covariances, strict=True):
        values += [sigma[..., i, i] for i in range(len(level.effects))]
        for i, j in level.pairs:
            values += [sigma[..., i, j], correlation(sigma, i, j)]
    return np.stack([*values, residual], axis=-1)


def correlation(sigma: Floats, i: int, j: int) -> Floats:
    """Correlation of two effects; not a number where one has no variance."""
    product = sigma[..., i, i] * sigma[..., j, j]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(product > 0, sigma[..., i, j] / np.sqrt(product), np.nan))


def level_variances(products: CrossProducts, covariances: Sequence[Floats]) -> Floats:
    """Variance each level adds to an observation, averaged over the rows, (..., levels).

    tr(Sigma Z'Z)/N; with intercepts only this is the variance itself. With weights the average is weighted. Johnson
    (2014), Methods Ecol. Evol. 5:944-946.
    """
    values = []
    for level, sigma in zip(products.levels, covariances, strict=True):
        inner = products.total[np.ix_(level.columns, level.columns)]
        mean_square = level.basis.T @ inner @ level.basis / (products.n * products.mean_weight)
        values.append(np.einsum("...ij,ij->...", sigma, mean_square))
    return np.stack(values, axis=-1)


def has_slopes(levels: Sequence[Level]) -> bool:
    """Whether anything but an intercept varies."""
    return any(level.effect_names != ("Intercept",) for level in levels)


ICC_NOTE = (
    "With varying slopes the variance between groups depends on the predictors; the ICC uses its average over the rows."
)


def parameter_count(products: CrossProducts) -> int:
    """Fixed effects, free entries of every covariance matrix, and the residual variance."""
    return products.n_fixed + covariance_count(products)


def covariance_count(products: CrossProducts) -> int:
    """Free entries of every covariance matrix, and the residual variance."""
    sizes = [stop - start for level in products.levels for start, stop in level.blocks]
    return sum(q * (q + 1) // 2 for q in sizes) + 1


def component_table(
    levels: Sequence[Level], covariances: Sequence[Floats], residual: float, covariance: Floats
) -> pd.DataFrame:
    """Estimates, their roots where they are variances, and standard errors.

    Parameters
    ----------
    levels : sequence of Level
    covariances : sequence of (q, q) arrays
        Sigma of each level.
    residual : float
        Residual variance.
    covariance : (P + 1, P + 1) array
        Of the estimates: residual variance, then level by level in the order of theta.
    """
    estimate = component_values(levels, covariances, np.array(residual))
    index = component_index(levels)
    is_variance = np.array([parameter.startswith("var") for _, parameter in index])
    sd = np.where(is_variance, np.sqrt(np.where(is_variance, np.maximum(estimate, 0), 0)), np.nan)
    return pd.DataFrame({"estimate": estimate, "sd": sd, "se": _errors(levels, covariances, covariance)}, index=index)


def _errors(levels: Sequence[Level], covariances: Sequence[Floats], covariance: Floats) -> Floats:
    """Standard errors in the order of the table; of correlations by the delta method."""
    errors: list[float] = []
    at = 1
    for level, sigma in zip(levels, covariances, strict=True):
        place = {}
        for start, stop in level.blocks:
            for column in range(start, stop):
                for row in range(column, stop):
                    place[row, column] = at
                    at += 1
        errors += [float(covariance[place[i, i], place[i, i]]) for i in range(len(level.effects))]
        for i, j in level.pairs:
            errors.append(float(covariance[place[j, i], place[j, i]]))
            where = [place[j, i], place[i, i], place[j, j]]
            product = sigma[i, i] * sigma[j, j]
            if product <= 0:
                errors.append(np.nan)
                continue
            rho = sigma[i, j] / np.sqrt(product)
            slope = np.array([1 / np.sqrt(product), -rho / (2 * sigma[i, i]), -rho / (2 * sigma[j, j])])
            errors.append(float(slope @ covariance[np.ix_(where, where)] @ slope))
    variances = np.array([*errors, covariance[0, 0]])
    return np.sqrt(np.where(variances >= 0, variances, np.nan))
