"""The chi-square of every level against least squares and generalised least squares done group by group."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.inference.homogeneity import in_equation, level_homogeneity
from tests.frames import dense_problem


def by_hand(fit: bx.LikelihoodFit, number: int) -> tuple[np.ndarray, int, int]:
    """Chi-squares, groups used, parents of them: V of a group holds the levels below it."""
    problem, covariances = dense_problem(fit)
    rest = problem.y - problem.X @ fit.solution.beta
    codes, top = problem.codes[number], number == len(covariances) - 1
    found, of = [], []
    for g in range(codes.max() + 1):
        rows = np.flatnonzero(codes == g)
        Z, V = problem.columns[number][rows], fit.sigma**2 * np.eye(len(rows))
        for lower in range(number):
            V = V + problem.spread(lower, covariances[lower])[np.ix_(rows, rows)]
        if np.linalg.matrix_rank(Z) < Z.shape[1]:
            continue
        spread = np.linalg.inv(Z.T @ np.linalg.solve(V, Z))
        found.append((spread @ Z.T @ np.linalg.solve(V, rest[rows]), np.diag(spread)))
        of.append(0 if top else problem.codes[number + 1][rows[0]])
    b, variance = (np.array(part) for part in zip(*found, strict=True))
    parents = np.array(of)
    if not top:
        for parent in set(of):
            here = parents == parent
            b[here] -= (
                np.average(b[here], axis=0, weights=1 / variance[here])
                if b.shape[1] == 1
                else ((b[here] / variance[here]).sum(axis=0) / (1 / variance[here]).sum(axis=0))
            )
    return (b**2 / variance).sum(axis=0), len(b), 0 if top else len(set(of))


def frame(rng: np.random.Generator, n: int = 220) -> pd.DataFrame:
    """Groups within groups, some with a single row or with a slope that can not be estimated."""
    top, inner = rng.integers(6, size=n), rng.integers(9, size=n)
    x = 30 + rng.normal(size=n)
    x[(top == 1) & (inner < 4)] = 28.0
    u, v = rng.normal(size=(6, 2)), 2 * rng.normal(size=(6, 9))
    y = x + u[top, 0] + u[top, 1] * (x - 30) + v[top, inner] + rng.normal(size=n)
    return pd.DataFrame({"y": y, "x": x, "top": top, "half": inner // 5, "inner": inner})


@pytest.mark.parametrize(
    "bars",
    ["(x | top)", "(x || top)", "(x | top/inner)", "(1 | top/inner)", "(0 + x | top/inner)", "(1 | top/half/inner)"],
)
def test_against_each_group_by_itself(rng: np.random.Generator, bars: str) -> None:
    fit = bx.Model(f"y ~ x + {bars}", frame(rng)).reml()
    found = level_homogeneity(fit.products, fit.solution)
    for number, level in enumerate(found):
        chisq, used, parents = by_hand(fit, number)
        assert_allclose(level.chisq, chisq, rtol=1e-8)
        assert (level.used, level.parents) == (used, parents)
        assert level.used + level.excluded == len(fit.design.levels[number].grouping.labels)
    if bars == "(x | top/inner)":
        assert found[0].excluded > 0


def test_which_columns_belong_to_an_equation(rng: np.random.Generator) -> None:
    codes = np.repeat(np.arange(8), 5)
    x, w = 50 + rng.normal(size=40), rng.normal(size=8)[codes]
    X = np.column_stack([np.ones(40), x, w, w * x, x**2])
    assert in_equation(X, np.ones(40), codes).tolist() == [True, False, True, False, False]
    assert in_equation(X, x, codes).tolist() == [False, True, False, True, False]


def test_reliability_is_the_mean_over_groups(hsb: pd.DataFrame, hsb_reml: bx.LikelihoodFit) -> None:
    """tau/(tau + V) with V the diagonal of sigma^2 (Z'Z)^-1 of each school."""
    (found,) = level_homogeneity(hsb_reml.products, hsb_reml.solution)
    tau = np.diag(hsb_reml.covariances()["school"])
    shares = []
    for _, school in hsb.groupby("school", observed=True):
        Z = np.column_stack([np.ones(len(school)), school["ses"]])
        shares.append(tau / (tau + hsb_reml.sigma**2 * np.diag(np.linalg.inv(Z.T @ Z))))
    assert_allclose(found.reliability, np.mean(shares, axis=0), rtol=1e-10)
