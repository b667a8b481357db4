"""Explained variance: Nakagawa and Johnson's R2, Gelman's Bayesian R2, and the decomposition of Rights and Sterba."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError
from bayesmix.results.components import level_variances
from bayesmix.results.derived import hand_out, require_choice
from bayesmix.results.moments import row_moments, row_weights, strata
from bayesmix.results.parameters import all_draws

if TYPE_CHECKING:
    from bayesmix.results.surface.core import Core

Floats = NDArray[np.float64]

METHODS = ("nakagawa", "gelman", "rights-sterba")

_NO_INTERCEPT = "Without an intercept the variance of the fixed part is still taken about its mean over the rows."
_CROSSED = (
    "Levels are crossed, so the fixed part is not split; v of a level is within its groups, m between their means."
)


def r2_table(fit: Core, method: str, prob: float | None, draws: bool) -> pd.DataFrame | xr.DataArray:
    """Explained shares of variance by one of three methods."""
    require_choice("method", method, METHODS)
    notes = [] if "Intercept" in fit.design.fixed_names or method == "gelman" else [_NO_INTERCEPT]
    if method == "nakagawa":
        values, names, axis = nakagawa(fit), ["marginal", "conditional"], "r2"
    elif method == "gelman":
        values, names, axis = gelman(fit)[..., None], ["conditional"], "r2"
    else:
        if not fit.design.levels:
            raise ArgumentError(
                "This model has no levels.",
                "Expected a formula with a bar for the decomposition within and between groups.",
                "Add (1 | group), or leave method out.",
            )
        values, names = rights_sterba(fit)
        axis = "part"
        notes += [_CROSSED] if fit.design.crossed else []
    return hand_out(fit, values, {axis: names}, prob, draws, " ".join(notes) or None)


def nakagawa(fit: Core) -> Floats:
    """Marginal and conditional R2, (C, D, 2).

    var(X beta) and that plus the variances of the levels, over the sum of both and the residual variance. Nakagawa &
    Schielzeth (2013), Methods Ecol. Evol. 4:133-142; slopes as in Johnson (2014), ibid. 5:944-946.
    """
    found = fit.parameters
    fixed = row_moments(fit.design).explained(found.beta)
    groups = np.zeros_like(fixed)
    if fit.design.levels:
        groups = level_variances(fit.products, found.covariances).sum(axis=-1)
    total = fixed + groups + found.sigma**2
    return np.stack([fixed / total, (fixed + groups) / total], axis=-1)


def gelman(fit: Core, chunk_bytes: int = 32_000_000) -> Floats:
    """Variance of the fitted values, group effects included, over itself plus the residual variance, (C, D).

    Gelman, Goodrich, Gabry & Vehtari (2019), American Statistician 73:307-309.
    """
    design, found = fit.design, fit.parameters
    shape = found.sigma.shape
    beta = all_draws(found.beta)
    effects = [fit.effect_values(number) for number in range(len(design.levels))]
    flat = [all_draws(values) for values in effects]
    share = row_weights(design)
    X, columns = design.fixed_values, [design.values[:, level.places] for level in design.levels]
    variance = np.empty(len(beta))
    step = max(1, chunk_bytes // (8 * design.n))
    for start in range(0, len(beta), step):
        part = slice(start, start + step)
        fitted = beta[part] @ X.T
        for level, Z, values in zip(design.levels, columns, flat, strict=True):
            for a in range(Z.shape[1]):
                fitted += values[part, :, a][:, level.grouping.codes] * Z[:, a]
        fitted -= (fitted @ share)[:, None]
        variance[part] = fitted**2 @ share
    variance = variance.reshape(shape) * design.n / (design.n - 1)
    return np.asarray(variance / (variance + found.sigma**2))


def rights_sterba(fit: Core) -> tuple[Floats, list[str]]:
    """Shares of the variance, and the R2 measures made of them, (C, D, parts).

    f: fixed part, within groups (f1), of the means of groups (f2, and f3, ... above); v: slopes that vary, along what
    their columns vary within groups; m: group effects at the means of their columns; sigma2: residual. Rights & Sterba
    (2019), Psychological Methods 24:309-338, with every column taken apart into group mean and deviation, so that
    shares do not depend on how predictors are centred.
    """
    found, apart = fit.parameters, strata(fit.design)
    fixed = [np.einsum("...i,ij,...j->...", found.beta, matrix, found.beta) for matrix in apart.fixed]
    slopes = _traces(found.covariances, apart.within)
    means = _traces(found.covariances, apart.between)
    names = [level.name for level in fit.design.levels]
    residual = found.sigma**2
    f, v, m = sum(fixed), sum(slopes), sum(means)
    total = f + v + m + residual
    rows: dict[str, Floats] = {}
    if not fit.design.crossed:
        rows |= {f"f{number + 1}": part / total for number, part in enumerate(fixed)}
    one = len(names) == 1
    rows |= {"v" if one else f"v({name})": part / total for name, part in zip(names, slopes, strict=True)}
    rows |= {"m" if one else f"m({name})": part / total for name, part in zip(names, means, strict=True)}
    rows["sigma2"] = residual / total
    rows |= {"R2_t(f)": f / total, "R2_t(fv)": (f + v) / total, "R2_t(fvm)": (f + v + m) / total}
    if one:
        within, between = fixed[0] + v + residual, fixed[1] + m
        rows |= {
            "R2_w(f1)": fixed[0] / within,
            "R2_w(v)": v / within,
            "R2_w(f1v)": (fixed[0] + v) / within,
        }
        with np.errstate(invalid="ignore"):  # no variance between groups: neither share is a number
            rows |= {"R2_b(f2)": fixed[1] / between, "R2_b(m)": m / between}
    return np.stack(list(rows.values()), axis=-1), list(rows)


def _traces(covariances: Sequence[Floats], matrices: Sequence[Floats]) -> list[Floats]:
    """tr(Sigma M) of each level."""
    return [np.einsum("...ij,ij->...", sigma, M) for sigma, M in zip(covariances, matrices, strict=True)]
