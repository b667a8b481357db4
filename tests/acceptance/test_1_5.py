"""An overview of mixed models: treatment centres, batting averages, shrunken residuals and tests of parameters.

The identities of the treatment centres' standard errors are in tests/inference/test_balanced.py, the batting data in
tests/datasets/test_batting.py. With other parts of the package: look-alike data of the treatment centres, matrices,
the simulator of patients, physicians and hospitals. Left to later: fits of guImmun and of that study, marginal models
under a logit.
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
        ("batting_pooled", ["0.2850", "0.0017", "162.87", "0.0025", "-1.82"]),
    ],
)
def test_the_command(name: str, numbers: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = run_textbook(name, capsys)
    assert [number for number in numbers if number not in out] == []


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
