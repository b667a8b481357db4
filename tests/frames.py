"""Random data frames with nested groupings, and fits as dense problems in the user's columns."""

import numpy as np
import pandas as pd

import bayesmix as bx
from tests.dense import Dense


def random_frame(rng: np.random.Generator, n: int = 120, groups: int = 8) -> pd.DataFrame:
    """Two nested groupings, codes of the inner repeated; predictors of large mean, so that coordinates matter."""
    top, inner = rng.integers(groups, size=n), rng.integers(3, size=n)
    x, z = 20 + 3 * rng.normal(size=n), rng.normal(size=n) - 2
    u, v = rng.normal(size=(groups, 2)) @ np.array([[6.0, 0.3], [0.0, 0.8]]), 3 * rng.normal(size=(groups, 3))
    y = 40 + 0.7 * x + u[top, 0] + u[top, 1] * (x - 20) + v[top, inner] + rng.normal(size=n)
    f = rng.choice(["a", "b", "c"], size=n)
    return pd.DataFrame({"y": y, "x": x, "z": z, "f": f, "top": top, "inner": inner})


def dense_problem(fit: bx.LikelihoodFit) -> tuple[Dense, list[np.ndarray]]:
    """Groups in the order of the tables; covariances of the estimates."""
    design = fit.design
    columns = tuple(design.values[:, level.places] for level in design.levels)
    codes = tuple(level.grouping.codes for level in design.levels)
    problem = Dense(design.fixed_values, design.response - design.offset, columns, codes, design.weights)
    return problem, [sigma.to_numpy() for sigma in fit.covariances().values()]


def awkward_frame(seed: int) -> pd.DataFrame:
    """Few rows in few groups, predictors far from 0 or of odd units, effects absent or large; some y rounded."""
    rng = np.random.default_rng(seed)
    n, groups = int(rng.integers(40, 120)), int(rng.integers(3, 9))
    top, inner = rng.integers(groups, size=n), rng.integers(2, size=n)
    x = rng.normal(size=n) * rng.choice([1e-3, 1, 100]) + rng.choice([0, 20, 1000])
    z, f = rng.normal(size=n), rng.choice(list("abc"), size=n)
    s = rng.choice([0, 0.01, 0.5, 3], size=3)
    y = rng.normal(size=n) + s[0] * rng.normal(size=groups)[top]
    y = y + s[1] * rng.normal(size=groups)[top] * (x - x.mean()) / x.std() + s[2] * rng.normal(size=groups)[top] * z
    if rng.random() < 0.2:
        y = np.round(y)
    return pd.DataFrame({"y": y, "x": x, "z": z, "f": f, "top": top, "inner": inner})


def flat_frame() -> pd.DataFrame:
    """Groups that differ in nothing: the residuals of each sum to zero, also along x."""
    rng = np.random.default_rng(3)
    e = rng.normal(size=(10, 6))
    basis, _ = np.linalg.qr(np.column_stack([np.ones(6), np.arange(6.0)]))
    x, g = np.tile(np.arange(6.0), 10) + 100, np.repeat(np.arange(10), 6)
    return pd.DataFrame({"y": (e - e @ basis @ basis.T).ravel() + 0.3 * x, "x": x, "g": g})
