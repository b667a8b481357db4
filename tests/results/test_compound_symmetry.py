"""Negative correlations within groups: R's gls, closed forms, what is refused."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError, DesignError
from tests.markup import read


@pytest.fixture(scope="module")
def unequal() -> bx.Model:
    """Groups of 2 to 6 rows, made without random numbers so that R makes the same."""
    g, i = np.repeat(np.arange(1, 6), np.arange(2, 7)), np.arange(1, 21)
    x = (7 * i) % 11
    return bx.Model("y ~ x + (1 | g)", pd.DataFrame({"g": g, "x": x, "y": np.round(10 * np.sin(1.7 * i) + x, 3)}))


@pytest.fixture(scope="module")
def dyestuff2(dataset: Callable[[str], pd.DataFrame]) -> bx.Model:
    return bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2"))


# nlme 3.1-162: gls(y ~ x, d, correlation = corCompSymm(form = ~1 | g), method = ...), control: tolerance 1e-12, optim.
# -2 log likelihood, variance, rho; its optimiser stops at 1e-6 of rho.
GLS = {
    "REML": (128.561014997332, 46.970412857669, -0.098676053364, [4.86939224588, 0.17279012732], [2.97204, 0.515321]),
    "ML": (131.123316353426, 42.811293731568, -0.123277983439, [4.81544692476, 0.185917084681], [2.963265, 0.523183]),
}


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_gls(method: str, unequal: bx.Model) -> None:
    criterion, variance, rho, beta, se = GLS[method]
    found = unequal.compound_symmetry(method=method)
    assert_allclose(found.criterion, criterion, rtol=1e-10)
    assert_allclose([found.variance, found.rho], [variance, rho], rtol=1e-5)
    effects = found.fixed_effects()
    assert_allclose(effects["estimate"], beta, rtol=1e-5)
    # Standard errors of an ML fit are printed times sqrt(N/(N - p)).
    assert_allclose(effects["se"] * (1 if method == "REML" else np.sqrt(20 / 18)), se, rtol=1e-5)
    assert (effects["df"] == 18).all()
    if method == "REML":
        # gls(y ~ x, d, method = "REML")
        assert_allclose(found.chisq, 129.021685573 - criterion, atol=1e-8)
        # summary(f)$tTable
        assert_allclose(effects["p"], [0.118699344755, 0.741270684521], rtol=1e-5)


def test_dyestuff2(dyestuff2: bx.Model) -> None:
    """gls finds rho -0.09702840 and criterion 161.2092168; the varying intercept stays at 0, 161.8282778 (lme4)."""
    found = dyestuff2.compound_symmetry()
    table = found.table
    assert_allclose(found.rho, -0.0970284032212, rtol=1e-7)  # where its optimiser stops
    assert_allclose(found.criterion, 161.209216775582, rtol=1e-11)
    assert_allclose(table.loc["variance", "estimate"], 13.6239768132, rtol=1e-8)
    assert_allclose(table.loc["rho", "estimate"], found.rho)
    assert_allclose(table.loc["covariance", "estimate"], found.rho * found.variance, rtol=1e-12)
    assert_allclose(table.loc["residual", "estimate"], found.variance - found.covariance, rtol=1e-12)
    assert_allclose(found.chisq, dyestuff2.reml().criterion - found.criterion, atol=1e-9)
    assert_allclose(found.p, stats.chi2.sf(found.chisq, 1))
    assert found.lowest_rho == -0.25
    assert found.lowest_rho < table.loc["rho", "ci_low"] < 0 < table.loc["rho", "ci_high"]
    assert_allclose([found.aic, found.loglik], [167.209216776, -80.6046083878], rtol=1e-10)  # summary(gls)


def test_errors_in_closed_form(dyestuff2: bx.Model) -> None:
    """Balanced: MSA and MSE are independent, of variance 2 MS^2/df; so is what is made of them by the delta method."""
    found = dyestuff2.compound_symmetry()
    mse, msa, n = found.variance - found.covariance, found.variance + 4 * found.covariance, 5
    spread = np.array([2 * msa**2 / 5, 2 * mse**2 / 24])
    slopes = {
        "rho": [n * mse / (msa + (n - 1) * mse) ** 2, -n * msa / (msa + (n - 1) * mse) ** 2],
        "covariance": [1 / n, -1 / n],
        "variance": [1 / n, 1 - 1 / n],
        "residual": [0.0, 1.0],
    }
    for name, slope in slopes.items():
        assert_allclose(found.table.loc[name, "se"], np.sqrt(np.square(slope) @ spread), rtol=1e-8)


def test_simulated_negative_correlation(rng: np.random.Generator) -> None:
    """200 groups of 4 with rho = -0.2, the end being -1/3: found within four of its standard errors, and tested."""
    rho, sigma2 = -0.2, 3.0
    root = np.linalg.cholesky(sigma2 * ((1 - rho) * np.eye(4) + rho))
    y = 10 + rng.normal(size=(200, 4)) @ root.T
    frame = pd.DataFrame({"y": y.ravel(), "g": np.repeat(np.arange(200), 4)})
    model = bx.Model("y ~ 1 + (1 | g)", frame)
    found = model.compound_symmetry()
    row = found.table.loc["rho"]
    assert abs(row["estimate"] - rho) < 4 * row["se"]
    assert row["ci_high"] < 0 and found.p < 1e-6
    assert model.reml().singular
    assert found.fixed_effects().loc["Intercept", "se"] < model.reml().fixed_effects().loc["Intercept", "se"]


def test_coverage_narrows_the_interval(unequal: bx.Model) -> None:
    wide, narrow = unequal.compound_symmetry().table, unequal.compound_symmetry(prob=0.5).table
    assert (narrow["ci_high"] < wide["ci_high"]).all()
    assert (narrow["ci_low"] > wide["ci_low"]).all()


def test_shown(dyestuff2: bx.Model) -> None:
    found = dyestuff2.compound_symmetry()
    assert "chi2 = 0.6191 on 1 df, p = 0.4314 (two-sided" in repr(found)
    assert "rho may be as low as -0.2500" in repr(found)
    assert "The correlation is negative" in repr(found)
    assert ("td", "-0.0970") in read(found._repr_html_()).found


@pytest.mark.parametrize(
    "formula",
    ["math ~ ses", "math ~ ses + (ses | school)", "math ~ ses + (0 + ses | school)", "math ~ 1 + (1 | school/sex)"],
)
def test_other_models_are_refused(formula: str, hsb: pd.DataFrame) -> None:
    with pytest.raises(DesignError, match="one grouping with a varying intercept alone"):
        bx.Model(formula, hsb).compound_symmetry()


def test_wrong_use(dyestuff2: bx.Model, dataset: Callable[[str], pd.DataFrame]) -> None:
    with pytest.raises(ArgumentError, match="method='reml' is not offered"):
        dyestuff2.compound_symmetry(method="reml")
    with pytest.raises(ArgumentError, match="prob=95"):
        dyestuff2.compound_symmetry(prob=95)
    with pytest.raises(ArgumentError, match="no keyword 'seed'"):
        dyestuff2.compound_symmetry(seed=1)
    for name in ("reml", "REML"):
        with pytest.raises(ArgumentError, match=r"Write method='ML'"):
            dyestuff2.compound_symmetry(**{name: False})
    frame = dataset("dyestuff2").assign(w=1.5)
    with pytest.raises(ArgumentError, match="has weights"):
        bx.Model("Yield ~ 1 + (1 | Batch)", frame, weights="w").compound_symmetry()


@pytest.mark.slow
@pytest.mark.parametrize("rho", [-0.15, 0.0, 0.3])
def test_coverage_of_the_interval(rho: float, rng: np.random.Generator) -> None:
    """40 groups of 2 to 5 rows, 600 data sets: intervals hold rho 95 times in 100, a true 0 is rejected five times.

    Four binomial standard errors either way are .036.
    """
    sizes = np.tile([2, 3, 4, 5], 10)
    g = np.repeat(np.arange(40), sizes)
    roots = {n: np.linalg.cholesky((1 - rho) * np.eye(n) + rho) for n in (2, 3, 4, 5)}
    held, rejected = [], []
    for _ in range(600):
        y = np.concatenate([roots[n] @ rng.normal(size=n) for n in sizes])
        found = bx.Model("y ~ 1 + (1 | g)", pd.DataFrame({"y": y, "g": g})).compound_symmetry()
        low, high = found.table.loc["rho", ["ci_low", "ci_high"]]
        held.append(low <= rho <= high)
        rejected.append(found.p < 0.05)
    assert abs(np.mean(held) - 0.95) < 0.036
    if rho == 0:
        assert abs(np.mean(rejected) - 0.05) < 0.036
