"""An overview of mixed models: treatment centres, batting averages, shrunken residuals and tests of parameters.

The identities of the treatment centres' standard errors are in tests/inference/test_balanced.py, their look-alike data
against all numbers of the slides in tests/datasets/test_centres.py, the batting data in tests/datasets/test_batting.py,
the claims about 100,000 patients over several seeds in tests/teaching/test_hospitals.py. Left to the figures: the lines
of the centres. Left to later: fits of guImmun and of the study of hospitals, marginal models under a logit.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from tests.bayes import dense_problem
from tests.printed import printed, run_textbook


@pytest.fixture(scope="module")
def batting(dataset: Callable[[str], pd.DataFrame]) -> bx.LikelihoodFit:
    return bx.Model("average ~ time + (1 | player)", dataset("batting")).reml()


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("batting", ["0.2850", "0.0052", "54.77", "-0.0045", "0.0010", "-4.38", "0.000531", "0.000105"]),
        ("batting", ["19.00", "379.00", "containment (as SAS)"]),
        ("centres", ["66.9", "10.2", "-1.0", "412.8", "293.6", "-38.1", "27.3", "these look alike"]),
        ("batting_pooled", ["0.2850", "0.0017", "162.87", "0.0025", "-1.82"]),
    ],
)
def test_the_command(name: str, numbers: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = run_textbook(name, capsys)
    assert [number for number in numbers if number not in out] == []


@pytest.fixture(scope="module")
def centres(dataset: Callable[[str], pd.DataFrame]) -> bx.Model:
    return bx.Model("outcome ~ use + (use | centre)", dataset("centres"))


def test_both_notations(centres: bx.Model) -> None:
    """Emphasis on the hierarchy: two levels of equations. On fixed and random: y = X beta + Z u + e."""
    text = centres.equations().text
    assert "Level 1 (rows ij)" in text and "β₀ⱼ = γ₀₀ + u₀ⱼ" in text and "[u₀ⱼ + u₁ⱼ useᵢⱼ + εᵢⱼ]" in text
    fit = centres.reml()
    found = centres.matrices(fit)
    u = fit.group_effects()["estimate"].to_numpy()
    assert found.Z.columns.get_level_values("effect").tolist() == ["Intercept", "use"] * 4
    predicted = found.X.to_numpy() @ fit.fixed_effects()["estimate"].to_numpy() + found.Z.to_numpy() @ u
    assert_allclose(predicted, fit.fitted()[found.order], rtol=1e-10)
    assert fit.n_parameters == 6


def test_variance_and_shrunken_residuals_by_matrices(centres: bx.Model) -> None:
    """V = Z Omega Z' + W, and u = Omega Z'V^-1(y - X beta), intercepts 66.9 + (12.9, 11.7, 5.7, -30.2) on the slide."""
    fit = centres.reml()
    found = centres.matrices(fit)
    X, Z, G, R, V = (matrix.to_numpy() for matrix in (found.X, found.Z, found.G, found.R, found.V))
    assert_allclose(V, Z @ G @ Z.T + R, rtol=1e-12)
    assert_allclose(G, np.kron(np.eye(4), fit.covariances()["centre"]), rtol=1e-12)
    beta = np.linalg.solve(X.T @ np.linalg.solve(V, X), X.T @ np.linalg.solve(V, found.y))
    assert_allclose(beta, fit.fixed_effects()["estimate"], rtol=1e-8)
    u = G @ Z.T @ np.linalg.solve(V, found.y - X @ beta)
    assert_allclose(u, fit.group_effects()["estimate"], rtol=1e-7)
    assert_allclose(u.reshape(4, 2), [[12.9, -0.86], [11.7, -1.03], [5.7, -0.98], [-30.2, 2.87]], atol=0.15)


def test_predictors_of_centres_by_levels(centres: bx.Model, dataset: Callable[[str], pd.DataFrame]) -> None:
    """A predictor z of centres for intercepts and for slopes, as equations and as a formula."""
    frame = dataset("centres")
    frame["z"] = frame["centre"].map({"1": 0.0, "2": 1.0, "3": 0.5, "4": 3.0}).astype(float)
    by_levels = bx.Model(bx.levels("outcome ~ use", centre={"Intercept": "z", "use": "z"}), frame)
    assert "β₁ⱼ = γ₁₀ + γ₁₁ zⱼ + u₁ⱼ" in by_levels.equations().text
    plain = bx.Model("outcome ~ use * z + (use | centre)", frame).reml()
    assert_allclose(by_levels.reml().fixed_effects()["estimate"], plain.fixed_effects()["estimate"], rtol=1e-5)


@pytest.mark.slow
def test_priors_move_a_correlation_near_minus_one(centres: bx.Model) -> None:
    """-.98 by REML; the prior of correlations, LKJ(2) with mean 0, draws it towards 0 where centres are four."""
    post = centres.sample(seed=20, progress=False, target_accept=0.95)
    row = post.variance_components().loc[("centre", "corr(Intercept,use)")]
    reml = centres.reml().variance_components().loc[("centre", "corr(Intercept,use)"), "estimate"]
    assert printed(reml, 3) == ["-0.984"]
    assert row["mean"] > reml + 0.02 and row["r_hat"] < 1.02


def test_three_claims_about_hospitals() -> None:
    """Patients: the same conclusions. Hospitals: others, and overstated. Physicians: effects too near to 0."""
    size = {"patients": 30_000, "physicians": 1_500, "hospitals": 120, "hospital_sd": 1.2}
    table = pd.concat([bx.compare_conclusions(bx.simulate_hospitals(**size, seed=seed)) for seed in range(5)])
    differ = table["differ"].groupby("level").mean()
    assert differ["patient"] < 0.05 and differ["physician"] < 0.2 and differ["hospital"] > 0.44
    none = table.xs("hospital", level="level").query("truth == 0")
    false = (none[["traditional_p", "grouped_p"]] < 0.05).mean()
    assert false["traditional_p"] > 0.5
    assert abs(false["grouped_p"] - 0.05) < 4 * np.sqrt(0.05 * 0.95 / len(none))
    physicians = table.xs("specialist", level="factor")
    share = physicians["traditional"] / physicians["truth"]
    # Zeger, Liang & Albert (1988): smaller by 1/sqrt(1 + .346 variance), here of hospitals and physicians together.
    assert abs(share.mean() - 1 / np.sqrt(1 + 0.346 * (1.2**2 + 0.3**2))) < 4 * share.sem()
    nearer = physicians["traditional"] - physicians["grouped"]
    assert nearer.mean() < -3 * nearer.sem()


def test_batting_errors_and_p_values(batting: bx.LikelihoodFit, dataset: Callable[[str], pd.DataFrame]) -> None:
    assert printed(batting.fixed_effects()["se"], 6) == ["0.005203", "0.001027"]
    pooled = bx.Model("average ~ time", dataset("batting")).reml().fixed_effects()
    assert printed(pooled["se"], 8) == ["0.00174983", "0.00247463"]
    assert printed(pooled.loc["time[night]", "p"], 4) == ["0.0696"]
    assert_allclose(batting.fixed_effects()["df"], [19.38, 379], atol=5e-3)


def test_batting_predictions(batting: bx.LikelihoodFit) -> None:
    """The first four players; player 3 by day is .29772 on the slide, .29771 from its own sums."""
    new = pd.DataFrame({"player": ["1", "2", "3", "4"] * 2, "time": ["day"] * 4 + ["night"] * 4})
    found = printed(batting.predict(new)["mean"], 5)
    assert found[:4] == ["0.25004", "0.27048", "0.29771", "0.26979"]
    assert found[4:] == ["0.24554", "0.26598", "0.29321", "0.26529"]


def test_shrunken_residuals(dataset: Callable[[str], pd.DataFrame]) -> None:
    """r = R'V^-1 (y - X beta), R = Z Omega; with varying intercepts n tau^2/(n tau^2 + sigma^2) (mean of residuals)."""
    frame = dataset("sleepstudy")
    for formula in ("Reaction ~ Days + (1 | Subject)", "Reaction ~ Days + (Days | Subject)"):
        model = bx.Model(formula, frame)
        fit = model.reml()
        omega = fit.covariances()["Subject"].to_numpy()
        V = dense_problem(model).variance([omega], fit.sigma**2)
        residuals = frame["Reaction"].to_numpy() - fit.predict(groups="population")["mean"].to_numpy()
        solved = np.linalg.solve(V, residuals)
        Z = np.column_stack([np.ones(len(frame)), frame["Days"]])[:, : len(omega)]
        codes = frame["Subject"].cat.codes.to_numpy()
        shrunken = np.vstack([omega @ Z[codes == j].T @ solved[codes == j] for j in range(18)])
        assert_allclose(fit.group_effects()["estimate"].to_numpy().reshape(18, -1), shrunken, rtol=1e-6, atol=1e-8)
        if len(omega) == 1:
            tau, sigma2 = omega[0, 0], fit.sigma**2
            means = pd.Series(residuals).groupby(codes).mean()
            assert_allclose(shrunken[:, 0], 10 * tau / (10 * tau + sigma2) * means, rtol=1e-10)


def test_conditional_and_diagnostic_variances(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Omega - R'V^-1 R is left where beta is known; a prediction varies by R'PR, P = V^-1 less its part along X."""
    model = bx.Model("Reaction ~ Days + (Days | Subject)", dataset("sleepstudy"))
    fit = model.reml()
    omega = fit.covariances()["Subject"].to_numpy()
    inverse = np.linalg.inv(dense_problem(model).variance([omega], fit.sigma**2))
    X = model.design.fixed_values
    P = inverse - inverse @ X @ np.linalg.solve(X.T @ inverse @ X, X.T @ inverse)
    R = np.column_stack([np.ones(10), np.arange(10)]) @ omega
    conditional = fit.group_effects()["sd"].to_numpy()[:2]
    assert_allclose(conditional**2, np.diag(omega - R.T @ inverse[:10, :10] @ R), rtol=1e-6)
    diagnostic = fit.group_effects(variance="diagnostic")["sd"].to_numpy()[:2]
    assert_allclose(diagnostic**2, np.diag(R.T @ P[:10, :10] @ R), rtol=1e-6)


def test_deviance_difference(dataset: Callable[[str], pd.DataFrame]) -> None:
    """D1 - D2 on the parameters added, with the same fixed part by REML as by ML."""
    frame = dataset("sleepstudy")
    one, two = bx.Model("Reaction ~ Days + (1 | Subject)", frame), bx.Model("Reaction ~ Days + (Days | Subject)", frame)
    for small, large in ((one.reml(), two.reml()), (one.ml(), two.ml())):
        found = bx.lrt(small, large).table.iloc[1]
        assert found["chisq"] == pytest.approx(small.criterion - large.criterion, rel=1e-10)
        assert found["df"] == 2
    other = bx.Model("Reaction ~ 1 + (Days | Subject)", frame)
    with pytest.raises(bx.BayesmixError):
        bx.lrt(other.reml(), two.reml(), refit=False)


def test_wald_in_small_samples(dataset: Callable[[str], pd.DataFrame]) -> None:
    """The same ratio, against normal and against t with few degrees of freedom."""
    fit = bx.Model("Reaction ~ Days + (Days | Subject)", dataset("sleepstudy")).reml()
    by_z, by_t = fit.fixed_effects(df="z").loc["Days"], fit.fixed_effects(df="kenward-roger").loc["Days"]
    assert by_z["t"] == pytest.approx(by_z["estimate"] / by_z["se"], rel=1e-12)
    assert by_t["df"] == pytest.approx(17, rel=1e-6) and by_t["p"] > by_z["p"]


def test_predictors_of_higher_levels(dataset: Callable[[str], pd.DataFrame]) -> None:
    """For intercepts and for slopes, at the second level and at the third."""
    formula = "math ~ year * lowinc + year * black + (year | schoolid/childid)"
    table = bx.Model(formula, dataset("egsingle")).reml().fixed_effects()
    assert {"year:lowinc", "year:black[1]", "lowinc", "black[1]"} <= set(table.index)
    assert (table.loc[["lowinc", "year:lowinc", "black[1]"], "t"] < -2).all()
