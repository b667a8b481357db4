"""Three-level logistic data: what is drawn, the regression that reads it, and three claims about ignoring groups."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import optimize
from scipy.special import expit

import bayesmix as bx
from bayesmix.errors import ArgumentError, ConvergenceError, DataError
from bayesmix.teaching.hospitals import EFFECTS, HOSPITAL, OUTCOMES, PATIENT, PHYSICIAN
from bayesmix.teaching.logistic import fit_logistic


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return bx.simulate_hospitals(patients=40_000, physicians=2_000, hospitals=150, seed=4)


@pytest.fixture(scope="module")
def table(frame: pd.DataFrame) -> pd.DataFrame:
    return bx.compare_conclusions(frame)


# The data


def test_shape_of_the_data(frame: pd.DataFrame) -> None:
    assert frame.shape == (40_000, 2 + 9 + 9)
    assert frame["hospital"].nunique() == 150 and frame["physician"].nunique() == 2_000
    by_physician, by_hospital = frame.groupby("physician"), frame.groupby("hospital")
    assert by_physician["hospital"].nunique().eq(1).all()
    assert by_physician[list(PHYSICIAN)].nunique().eq(1).all(axis=None)
    assert by_hospital[list(HOSPITAL)].nunique().eq(1).all(axis=None)
    size = np.log(by_hospital.size())
    assert_allclose(by_hospital["volume"].first(), (size - size.mean()) / size.std(ddof=0))
    assert frame[list(OUTCOMES)].isin([0, 1]).all(axis=None)
    pd.testing.assert_frame_equal(
        frame, bx.simulate_hospitals(patients=40_000, physicians=2_000, hospitals=150, seed=4)
    )


def test_odds_and_spread_are_those_asked_for() -> None:
    """No factors left: log odds of hospitals of 1,000 patients vary by hospital_sd beyond their sampling variance."""
    drawn = bx.simulate_hospitals(
        patients=200_000, physicians=200, hospitals=200, hospital_sd=0.7, physician_sd=0, seed=2
    )
    for name in ("fatal_2", "process_2"):
        y, codes = drawn[name].to_numpy(dtype=float), drawn["hospital"].to_numpy() - 1
        fit = fit_logistic(y, drawn[[*PATIENT]].to_numpy(dtype=float), codes, codes)
        fitted = expit(fit.intercepts[codes] + drawn[[*PATIENT]].to_numpy() @ fit.beta)
        noise = 1 / np.bincount(codes, weights=fitted * (1 - fitted))
        spread = fit.intercepts.var(ddof=1) - noise.mean()
        # Physicians are hospitals here: specialist and experience, .3 and -.1, are part of the spread.
        expected = 0.7**2 + 0.3**2 * 0.3 * 0.7 + 0.1**2 + sum(
            value**2 * np.var(drawn.groupby("hospital")[factor].first())
            for factor, value in drawn.attrs["truth"][name].items() if factor in HOSPITAL
        )  # fmt: skip
        assert abs(spread - expected) < 4 * expected * np.sqrt(2 / 199)
        assert (np.abs(fit.beta - [EFFECTS[factor] for factor in PATIENT]) < 4 * np.sqrt(np.diag(fit.vcov))).all()


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        ({"patients": 10}, "patients=10"),
        ({"physicians": 100}, "physicians=100"),
        ({"hospitals": 1}, "hospitals=1"),
        ({"hospital_sd": -1}, "hospital_sd=-1"),
        ({"physician_sd": None}, "physician_sd=None"),
        ({"patients": 10**9}, "patients=1000000000"),
        ({"seed": 0.5}, "seed=0.5"),
        ({"n": 100}, "no keyword 'n'"),
    ],
)
def test_simulation_refuses(wrong: dict[str, object], part: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        bx.simulate_hospitals(**wrong)
    assert part in caught.value.found


# The regression


def test_four_fold_table() -> None:
    """Log odds ratio and Woolf's standard error."""
    counts = np.array([[30, 12], [20, 35]])
    x, y = (np.repeat(values, counts.ravel()).astype(float) for values in ([0, 0, 1, 1], [0, 1, 0, 1]))
    fit = fit_logistic(y, x[:, None], np.zeros(97, np.int64), np.arange(97))
    assert_allclose(fit.beta[0], np.log(30 * 35 / (12 * 20)))
    assert_allclose(fit.vcov[0, 0], (1 / counts).sum())
    assert_allclose(fit.intercepts[0], np.log(12 / 30))


def test_free_intercepts_are_those_of_dummy_columns(rng: np.random.Generator) -> None:
    """Beta by a general optimiser, the covariances by dense algebra."""
    codes = np.repeat(np.arange(6), [20, 35, 50, 30, 25, 40])
    clusters = np.arange(200) // 4
    X = rng.normal(size=(200, 2)) + 0.3 * codes[:, None]
    y = (rng.random(200) < expit(X @ [0.8, -0.5] + rng.normal(size=6)[codes])).astype(float)
    W = np.column_stack([X, np.eye(6)[codes]])

    def minus(b: np.ndarray) -> tuple[float, np.ndarray]:
        eta = W @ b
        return float(np.logaddexp(0, eta).sum() - y @ eta), W.T @ (expit(eta) - y)

    b = optimize.minimize(minus, np.zeros(8), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    p = expit(W @ b)
    bread = np.linalg.inv(W.T @ ((p * (1 - p))[:, None] * W))
    scores = np.array([(W * (y - p)[:, None])[clusters == c].sum(axis=0) for c in range(50)])
    robust = bread @ scores.T @ scores @ bread * 50 / 49
    fit = fit_logistic(y, X, codes, clusters)
    assert_allclose(fit.beta, b[:2], atol=1e-6)
    assert_allclose(fit.intercepts, b[2:], atol=1e-6)
    assert_allclose(fit.vcov, bread[:2, :2], rtol=1e-5)
    assert_allclose(fit.robust, robust[:2, :2], rtol=1e-5)


def test_groups_of_one_outcome_say_nothing(rng: np.random.Generator) -> None:
    codes = np.repeat(np.arange(5), 40)
    x = rng.normal(size=(200, 1))
    y = (rng.random(200) < 0.5).astype(float)
    y[codes == 2] = 0
    fit = fit_logistic(y, x, codes, codes)
    rows = codes != 2
    other = fit_logistic(y[rows], x[rows], codes[rows] - (codes[rows] > 2), codes[rows])
    assert np.isnan(fit.intercepts[2])
    assert_allclose(fit.beta, other.beta)
    assert_allclose(fit.robust, other.robust)


def test_separation_and_collinearity_are_refused() -> None:
    x = np.arange(20.0)
    one = np.zeros(20, np.int64)
    with pytest.raises((ConvergenceError, DataError)):
        fit_logistic((x > 9).astype(float), x[:, None], one, one)
    with pytest.raises(DataError, match="collinear"):
        fit_logistic((x % 2), np.column_stack([x, 2 * x]), one, one)
    with pytest.raises(DataError, match="same"):
        fit_logistic(np.ones(20), x[:, None], one, one)


# The three claims


def test_acceptance_1_5_hospital_factors_are_overstated(table: pd.DataFrame) -> None:
    """Of those without effect the traditional test finds more than five times .05, that of hospitals what it should."""
    none = table.xs("hospital", level="level").query("truth == 0")
    assert len(none) == 30
    assert (none["traditional_p"] < 0.05).mean() > 5 * 0.05
    assert (none["grouped_p"] < 0.05).mean() < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 30)
    every = table.xs("hospital", level="level")
    z = [(every[name] / every[f"{name}_se"]).abs().median() for name in ("traditional", "grouped")]
    assert z[0] > 2 * z[1]


def test_acceptance_1_5_physician_factors_are_understated() -> None:
    """In magnitude: log odds ratios of a population are smaller by 1/sqrt(1 + .346 variance), here 1.5^2 and .3^2.

    Zeger, Liang & Albert (1988), Biometrics 44:1049-1060, for normal effects.
    """
    drawn = bx.simulate_hospitals(patients=60_000, physicians=4_000, hospitals=300, hospital_sd=1.5, seed=3)
    found = bx.compare_conclusions(drawn).xs("specialist", level="factor")
    ratio = found["traditional"] / found["truth"]
    within = found["grouped"] / found["truth"]
    assert abs(within.mean() - 1 / np.sqrt(1 + 0.346 * 0.09)) < 4 * within.std() / 3
    assert abs(ratio.mean() - 1 / np.sqrt(1 + 0.346 * 2.34)) < 4 * ratio.std() / 3
    assert ratio.mean() < 0.9 * within.mean()


def test_acceptance_1_5_conclusions_differ_for_hospitals_only(table: pd.DataFrame) -> None:
    """44 % in the study; here a large share too, and none of those about patients."""
    differ = table["differ"].groupby("level").mean()
    assert differ["hospital"] > 0.3
    assert differ["patient"] == 0
    assert differ["physician"] < 0.2


def test_the_table(frame: pd.DataFrame, table: pd.DataFrame) -> None:
    assert table.index.names == ["outcome", "level", "factor"] and len(table) == 81
    one = bx.compare_conclusions(frame, "fatal_2", alpha=0.01)
    pd.testing.assert_frame_equal(one.drop(columns="differ"), table.loc[["fatal_2"]].drop(columns="differ"))
    significant = one[["traditional_p", "grouped_p"]] < 0.01
    assert (one["differ"] == (significant["traditional_p"] != significant["grouped_p"])).all()
    bare = pd.DataFrame(frame.to_dict("list"))
    assert "truth" not in bx.compare_conclusions(bare, ["fatal_2"])


def test_hospital_tests_are_least_squares_of_intercepts(frame: pd.DataFrame, table: pd.DataFrame) -> None:
    codes = frame["hospital"].to_numpy() - 1
    X = frame[[*PATIENT, *PHYSICIAN]].to_numpy(dtype=float)
    fit = fit_logistic(frame["process_1"].to_numpy(dtype=float), X, codes, codes)
    hospitals = frame.groupby("hospital")[list(HOSPITAL)].first().assign(a=fit.intercepts)
    expected = bx.Model(f"a ~ {' + '.join(HOSPITAL)}", hospitals).reml().fixed_effects().iloc[1:]
    found = table.loc["process_1", "hospital"]
    assert_allclose(found["grouped"], expected["estimate"], rtol=1e-6)
    assert_allclose(found["grouped_p"], expected["p"], rtol=1e-5)


def test_comparison_refuses(frame: pd.DataFrame) -> None:
    small = frame[frame["hospital"] <= 30]
    for wrong, kind, part in [
        (small.drop(columns="age"), DataError, "no column 'age'"),
        (small.assign(age=np.nan), DataError, "missing values"),
        (small[small["hospital"] <= 4], DataError, "4 hospitals"),
        (small.assign(urban=1), DataError, "collinear"),
        (small.assign(specialist=1), DataError, "collinear"),
        (small.assign(fatal_1=2), DataError, "the value 2"),
        (small.assign(fatal_1=0), DataError, "the same"),
        (None, DataError, "NoneType"),
    ]:
        with pytest.raises(kind) as caught:
            bx.compare_conclusions(wrong, "fatal_1")
        assert part in caught.value.found
    for outcomes in (3, [], ["fatal_1", 2]):
        with pytest.raises(ArgumentError, match="outcomes="):
            bx.compare_conclusions(small, outcomes)
    with pytest.raises(DataError, match="no column 'fatal'"):
        bx.compare_conclusions(small, "fatal")
    with pytest.raises(ArgumentError, match="alpha=2"):
        bx.compare_conclusions(small, alpha=2)


@pytest.mark.slow
def test_hundred_thousand_patients_over_several_seeds() -> None:
    """The study's size: tests of hospitals hold their level; its own share, 44 %, is among those that can be had."""
    tables = [bx.compare_conclusions(bx.simulate_hospitals(seed=seed)) for seed in range(8)]
    none = pd.concat(tables).xs("hospital", level="level").query("truth == 0")
    rate = (none["grouped_p"] < 0.05).mean()
    assert abs(rate - 0.05) < 4 * np.sqrt(0.05 * 0.95 / len(none))
    assert (none["traditional_p"] < 0.05).mean() > 0.6
    smaller = bx.compare_conclusions(bx.simulate_hospitals(hospital_sd=0.15, seed=1))
    assert 0.2 < smaller["differ"].groupby("level").mean()["hospital"] < 0.7
