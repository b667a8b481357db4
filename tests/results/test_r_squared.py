"""Explained variance: published numbers, every row by hand, and what must not change it."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.bayes import Fits
from tests.frames import random_frame

SHARES = ["f1", "f2", "v", "m", "sigma2"]


def by_row(fit: bx.LikelihoodFit) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """X beta, and of each level the columns of its effects, Sigma, and the codes of its groups."""
    design = fit.design
    columns = [design.values[:, level.places] for level in design.levels]
    matrices = [sigma.to_numpy() for sigma in fit.covariances().values()]
    return design.fixed_values @ fit.solution.beta, columns, matrices, [v.grouping.codes for v in design.levels]


def quadratic(Z: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    return np.einsum("ni,ij,nj->n", Z, sigma, Z)


def group_means(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    return pd.DataFrame(values).groupby(codes).transform("mean").to_numpy()


def test_published(hsb_reml: bx.LikelihoodFit) -> None:
    """Nakagawa and Johnson's .0767 and .1886; Rights and Sterba's shares .0551 .0216 .0040 .1079 .8114."""
    assert_allclose(hsb_reml.r2()["estimate"], [0.0767, 0.1886], atol=5e-5)
    found = hsb_reml.r2(method="rights-sterba")["estimate"]
    assert_allclose(found[SHARES], [0.0551, 0.0216, 0.0040, 0.1079, 0.8114], atol=5e-5)


FORMULAS = ["y ~ x + z + (x | top)", "y ~ 0 + f + (x || top)", "y ~ x + (0 + x | top) + offset(z)"]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("weights", [None, "w"])
def test_every_row(formula: str, weights: str | None, rng: np.random.Generator) -> None:
    """Variances over the rows, each counted by its weight."""
    frame = random_frame(rng).assign(w=rng.uniform(0.3, 3.0, size=120))
    fit = bx.Model(formula, frame, weights=weights).reml()
    w = np.ones(120) if weights is None else frame["w"].to_numpy()
    fixed, (Z,), (sigma,), (codes,) = by_row(fit)
    var_fixed = np.average((fixed - np.average(fixed, weights=w)) ** 2, weights=w) * 120 / 119
    groups = np.average(quadratic(Z, sigma), weights=w)
    total = var_fixed + groups + fit.sigma**2
    assert_allclose(fit.r2()["estimate"], [var_fixed / total, (var_fixed + groups) / total], rtol=1e-9)

    count = np.bincount(codes, weights=w)

    def mean(values: np.ndarray) -> np.ndarray:
        return (np.array([np.bincount(codes, weights=w * v) for v in values.T]) / count).T[codes]

    middle, centre = mean(fixed[:, None])[:, 0], np.average(fixed, weights=w)
    parts = {
        "f1": np.average((fixed - middle) ** 2, weights=w),
        "f2": np.average((middle - centre) ** 2, weights=w),
        "v": np.average(quadratic(Z - mean(Z), sigma), weights=w),
        "m": np.average(quadratic(mean(Z), sigma), weights=w),
        "sigma2": fit.sigma**2,
    }
    whole = sum(parts.values())
    found = fit.r2(method="rights-sterba")["estimate"]
    assert_allclose(found[SHARES], [parts[name] / whole for name in SHARES], rtol=1e-8, atol=1e-14)
    within, between = parts["f1"] + parts["v"] + parts["sigma2"], parts["f2"] + parts["m"]
    expected = {
        "R2_t(f)": (parts["f1"] + parts["f2"]) / whole,
        "R2_t(fv)": (parts["f1"] + parts["f2"] + parts["v"]) / whole,
        "R2_t(fvm)": 1 - parts["sigma2"] / whole,
        "R2_w(f1)": parts["f1"] / within,
        "R2_w(v)": parts["v"] / within,
        "R2_w(f1v)": 1 - parts["sigma2"] / within,
        "R2_b(f2)": parts["f2"] / between,
        "R2_b(m)": parts["m"] / between,
    }
    assert_allclose(found[list(expected)], list(expected.values()), rtol=1e-8, atol=1e-14)
    assert set(found.index) == {*SHARES, *expected}


def test_three_levels(rng: np.random.Generator) -> None:
    """The fixed part by strata, slopes and means by level, against sums over the rows."""
    fit = bx.Model("y ~ x + z + (x | top/inner)", random_frame(rng)).reml()
    fixed, columns, matrices, codes = by_row(fit)
    lower, upper = (group_means(fixed[:, None], code)[:, 0] for code in codes)
    parts = {
        "f1": np.mean((fixed - lower) ** 2),
        "f2": np.mean((lower - upper) ** 2),
        "f3": np.mean((upper - fixed.mean()) ** 2),
    }
    for level, Z, sigma, code in zip(("top:inner", "top"), columns, matrices, codes, strict=True):
        parts[f"v({level})"] = np.mean(quadratic(Z - group_means(Z, code), sigma))
        parts[f"m({level})"] = np.mean(quadratic(group_means(Z, code), sigma))
    parts["sigma2"] = fit.sigma**2
    found = fit.r2(method="rights-sterba")["estimate"]
    whole = sum(parts.values())
    assert_allclose(found[list(parts)], np.array(list(parts.values())) / whole, rtol=1e-8)
    assert_allclose(found[list(parts)].sum(), 1.0)
    assert_allclose(found["R2_t(fvm)"], 1 - found["sigma2"])
    assert not any(name.startswith(("R2_w", "R2_b")) for name in found.index)
    # Whole, it is what Nakagawa's has, but for the divisor of the variance of the fixed part.
    marginal = float(fit.r2().loc["marginal", "estimate"])
    odds, other = marginal / (1 - marginal), found["R2_t(f)"] / (1 - found["R2_t(f)"])
    assert_allclose(odds / other, 120 / 119, rtol=1e-9)


def test_crossed(rng: np.random.Generator) -> None:
    """The fixed part is not split; the rest is as for nested levels."""
    frame = random_frame(rng).assign(kind=lambda d: "kind " + d["f"])
    fit = bx.Model("y ~ x + (x | top) + (1 | kind)", frame).reml()
    table = fit.r2(method="rights-sterba")
    fixed, columns, matrices, codes = by_row(fit)
    total = (
        fixed.var()
        + sum(np.mean(quadratic(Z, sigma)) for Z, sigma in zip(columns, matrices, strict=True))
        + fit.sigma**2
    )
    assert_allclose(table.loc["R2_t(f)", "estimate"], fixed.var() / total, rtol=1e-9)
    middle = group_means(columns[0], codes[0])
    assert_allclose(table.loc["v(top)", "estimate"], np.mean(quadratic(columns[0] - middle, matrices[0])) / total)
    assert "f1" not in table.index
    assert "crossed" in table.attrs["note"]


@pytest.mark.parametrize("change", [lambda x: x + 5, lambda x: 1000 * x, lambda x: x - x.mean()])
@pytest.mark.parametrize("method", ["nakagawa", "rights-sterba", "gelman"])
def test_location_and_scale_of_a_predictor(
    change: Callable[[pd.Series], pd.Series], method: str, hsb: pd.DataFrame, hsb_reml: bx.LikelihoodFit
) -> None:
    moved = bx.Model("math ~ ses + (ses | school)", hsb.assign(ses=change(hsb["ses"]))).reml()
    assert_allclose(moved.r2(method=method), hsb_reml.r2(method=method), atol=2e-6)


def test_units_of_the_response(hsb: pd.DataFrame, hsb_reml: bx.LikelihoodFit) -> None:
    moved = bx.Model("math ~ ses + (ses | school)", hsb.assign(math=1e4 + 0.01 * hsb["math"])).reml()
    for method in ("nakagawa", "rights-sterba", "gelman"):
        assert_allclose(moved.r2(method=method), hsb_reml.r2(method=method), atol=2e-6)


def test_centred_within_groups(hsb: pd.DataFrame) -> None:
    """Centred within schools, a predictor explains nothing between them, and its slopes are not in m."""
    fit = bx.Model("math ~ cses + (cses | school)", hsb).reml()
    found = fit.r2(method="rights-sterba")["estimate"]
    assert_allclose(found["f2"], 0.0, atol=1e-9)
    components = fit.variance_components()["estimate"]
    total = components["residual", "var"] / found["sigma2"]
    assert_allclose(found["m"], components["school", "var(Intercept)"] / total, rtol=1e-6)
    assert_allclose(found["v"], components["school", "var(cses)"] * hsb["cses"].var(ddof=0) / total, rtol=1e-6)


# Gelman's


def test_gelman_of_an_estimate(rng: np.random.Generator) -> None:
    """Variance of the fitted values, which an offset is no part of."""
    for formula in ("y ~ x + (x | top/inner)", "y ~ x + offset(z) + (1 | top)"):
        frame = random_frame(rng)
        fit = bx.Model(formula, frame).reml()
        fitted = fit.fitted() - (frame["z"] if "offset" in formula else 0)
        expected = np.var(fitted, ddof=1) / (np.var(fitted, ddof=1) + fit.sigma**2)
        assert_allclose(fit.r2(method="gelman").loc["conditional", "estimate"], expected, rtol=1e-9)


def test_gelman_of_draws(pastes: Fits) -> None:
    """Draw by draw from the variables of the posterior, and the same in chunks."""
    from bayesmix.results.r_squared import gelman

    posterior, design = pastes.post.idata["posterior"], pastes.model.design
    found = pastes.post.r2(method="gelman", draws=True)
    assert found.dims == ("chain", "draw", "r2")
    casks, batches = (level.grouping.codes for level in design.levels)
    for chain, draw in ((0, 0), (3, 517)):
        at = posterior.to_dataset().isel(chain=chain, draw=draw)
        fitted = at["1|batch:cask"].to_numpy()[casks] + at["1|batch"].to_numpy()[batches]
        variance = np.var(fitted, ddof=1)
        assert_allclose(found[chain, draw, 0], variance / (variance + float(at["sigma"]) ** 2), rtol=1e-9)
    assert_allclose(gelman(pastes.post, chunk_bytes=8 * 60 * 7), found[..., 0], rtol=1e-12)


def test_least_squares(hsb: pd.DataFrame) -> None:
    """Without levels every method has one R2: R2 and adjusted R2 of least squares lie around it."""
    fit = bx.Model("math ~ ses", hsb).reml()
    explained = np.var(fit.fitted(), ddof=1)
    expected = explained / (explained + fit.sigma**2)
    assert_allclose(fit.r2()["estimate"], expected)
    assert_allclose(fit.r2(method="gelman")["estimate"], expected)
    assert_allclose(expected, 0.1301, atol=5e-5)  # Zieffler's lm


# Draws


def test_draws(hsb_fits: Fits, hsb: pd.DataFrame) -> None:
    """From the variables of the posterior, draw by draw; intervals around the REML estimates."""
    post = hsb_fits.post
    posterior = post.idata["posterior"]
    one, ses = posterior["1|school_sigma"].to_numpy(), posterior["ses|school_sigma"].to_numpy()
    covariance = posterior["school_corr"].to_numpy()[..., 0] * one * ses
    x = hsb["ses"].to_numpy()
    fixed = posterior["ses"].to_numpy() ** 2 * x.var(ddof=1)
    groups = one**2 + 2 * covariance * x.mean() + ses**2 * np.mean(x**2)
    total = fixed + groups + posterior["sigma"].to_numpy() ** 2
    draws = post.r2(draws=True)
    assert_allclose(draws.sel(r2="marginal"), fixed / total)
    assert_allclose(draws.sel(r2="conditional"), (fixed + groups) / total)
    for method in ("nakagawa", "rights-sterba"):
        table, estimate = post.r2(method=method), hsb_fits.reml.r2(method=method)["estimate"]
        assert ((table["ci_low"] < estimate) & (estimate < table["ci_high"])).all()
    assert_allclose(post.r2(method="rights-sterba", draws=True).sel(part=SHARES).sum("part"), 1.0)


# What is refused


def test_refusals(hsb_fits: Fits, hsb: pd.DataFrame) -> None:
    post = dataclasses.replace(hsb_fits.post, effects=dataclasses.replace(hsb_fits.post.effects, effects=None))
    with pytest.raises(ArgumentError, match="group_effects=True"):
        post.r2(method="gelman")
    assert list(post.r2().index) == ["marginal", "conditional"]
    with pytest.raises(ArgumentError, match="method='nakagava'"):
        hsb_fits.reml.r2(method="nakagava")
    with pytest.raises(ArgumentError, match="no keyword 'metod'"):
        hsb_fits.reml.r2(metod="gelman")
    with pytest.raises(ArgumentError, match="no levels"):
        bx.Model("math ~ ses", hsb).reml().r2(method="rights-sterba")
    assert "Without an intercept" in bx.Model("math ~ 0 + ses + (1 | school)", hsb).reml().r2().attrs["note"]
