"""Power by simulation against noncentral t distributions, its sizes and seeds, and what is refused."""

import signal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixError, DataError
from bayesmix.teaching import sample_size

FORMULA = "y ~ treated + (1 | school)"
TRUTH = {"Intercept": 1, "treated": 0.8, "sd(Intercept | school)": 0.8, "sigma": 1}
ARMS = {"treated": ("school", "binary")}


def run(*arguments: Any, **options: Any) -> pd.DataFrame:
    return bx.power(*arguments, **({"progress": False, "seed": 1} | options))


def noncentral(effect: float, se: float, df: float, alpha: float = 0.05) -> float:
    critical = stats.t.isf(alpha / 2, df)
    return float(stats.nct.sf(critical, df, effect / se) + stats.nct.cdf(-critical, df, effect / se))


def test_a_trial_of_schools_by_closed_form() -> None:
    """Balanced groups of equal variance: Wald's t is the t test of the means of 20 schools, on 18 df."""
    frame = bx.nested_frame({"school": 20, "pupil": 8}, predictors=ARMS, seed=1)
    for alpha in (0.05, 0.2):
        row = run(FORMULA, TRUTH, "treated", data=frame, n=300, alpha=alpha).iloc[0]
        se = np.sqrt(4 * (0.8**2 + 1 / 8) / 20)
        exact = noncentral(0.8, se, 18, alpha)
        assert abs(row["power"] - exact) < 4 * np.sqrt(exact * (1 - exact) / 300)
        assert abs(row["estimate"] - 0.8) < 4 * se / np.sqrt(300)
        assert abs(row["sd"] / se - 1) < 4 / np.sqrt(600)
        assert_allclose(row["df"], 18, rtol=1e-6)
        assert (row["n"], row["failed"]) == (300, 0)


def test_least_squares_and_rows_drawn_anew() -> None:
    """No groups; the predictor half 0 and half 1 of 40 rows in every study."""
    truth = {"Intercept": 0, "x": 0.9, "sigma": 1}
    found = run("y ~ x", truth, "x", sizes={"row": 40}, predictors={"x": ("row", "binary")}, n=400, df="residual")
    exact = noncentral(0.9, np.sqrt(4 / 40), 38)
    assert abs(found["power"].iloc[0] - exact) < 4 * np.sqrt(exact * (1 - exact) / 400)
    assert found.index.name == "row" and found["df"].iloc[0] == 38


def test_no_effect_gives_the_level() -> None:
    """Unequal groups, Satterthwaite: within four errors of .05; rows taken for independent: the exact closed form."""
    none = TRUTH | {"treated": 0}
    sizes = {"school": 16, "pupil": (4, 20)}
    found = run(FORMULA, none, "treated", sizes=sizes, predictors=ARMS, n=300)
    assert abs(found["power"].iloc[0] - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 300)
    assert found.index.names == ["school", "pupil"] and found.index[0] == (16, (4, 20))


def test_intervals_are_wilsons() -> None:
    found = run(FORMULA, TRUTH, "treated", sizes={"school": [8, 12], "pupil": 5}, predictors=ARMS, n=25)
    for row in found.itertuples():
        expected = stats.binomtest(round(row.power * 25), 25).proportion_ci(method="wilson")
        assert_allclose([row.ci_low, row.ci_high], [expected.low, expected.high])
        assert_allclose(row.mc_se, np.sqrt(row.power * (1 - row.power) / 25))


def test_seeds_and_sizes() -> None:
    """A size has studies of its own: they do not move with the sizes after it."""
    args = (FORMULA, TRUTH, "treated")
    grid = run(*args, sizes={"school": [6, 10], "pupil": [3, 5]}, predictors=ARMS, n=8)
    assert list(grid.index) == [(6, 3), (6, 5), (10, 3), (10, 5)]
    arrays = run(*args, sizes={"school": np.array([6, 10]), "pupil": range(3, 6, 2)}, predictors=ARMS, n=8)
    pd.testing.assert_frame_equal(arrays, grid)
    first = run(*args, sizes={"school": 6, "pupil": [3]}, predictors=ARMS, n=8)
    pd.testing.assert_frame_equal(first, grid.iloc[:1])
    other = run(*args, sizes={"school": 6, "pupil": 3}, predictors=ARMS, n=8, seed=2)
    assert other["estimate"].iloc[0] != first["estimate"].iloc[0]


def test_frames_under_their_names() -> None:
    """Crossed levels, whose responses are drawn row by row."""
    frame = pd.DataFrame({"a": np.repeat(np.arange(8), 12), "b": np.tile(list("uvwxyz"), 16)})
    frame["b"] = "rater " + frame["b"]
    frame["x"] = np.sin(np.arange(96.0))
    truth = {"Intercept": 0, "x": 1, "sd(Intercept | a)": 1, "sd(Intercept | b)": 1, "sigma": 1}
    frames = {"all": frame, "half": frame.iloc[::2]}
    found = run("y ~ x + (1 | a) + (1 | b)", truth, "x", data=frames, n=15)
    assert found.index.tolist() == ["all", "half"] and found.index.name == "data"
    assert found.loc["all", "se"] < found.loc["half", "se"]
    columns = {name: frame[name].tolist() for name in frame}
    whole = run("y ~ x + (1 | a) + (1 | b)", truth, "x", data=columns, n=15)
    assert_allclose(whole.loc["data"], found.loc["all"])


def test_what_was_finished_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the fifth study of the second of three sizes."""
    calls = []
    test = sample_size._test

    def interrupted(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 15:
            signal.raise_signal(signal.SIGINT)
        return test(*arguments)

    monkeypatch.setattr(sample_size, "_test", interrupted)
    with pytest.warns(bx.BayesmixWarning, match="5 of 10"):
        found = run(FORMULA, TRUTH, "treated", sizes={"school": [6, 8, 10], "pupil": 3}, predictors=ARMS, n=10)
    assert found["n"].tolist() == [10, 5]


def test_a_bar_changes_nothing() -> None:
    quiet = run(FORMULA, TRUTH, "treated", sizes={"school": 6, "pupil": 3}, predictors=ARMS, n=2)
    shown = bx.power(FORMULA, TRUTH, "treated", sizes={"school": 6, "pupil": 3}, predictors=ARMS, n=2, seed=1)
    pd.testing.assert_frame_equal(shown, quiet)


@pytest.mark.parametrize(
    ("change", "kind", "part"),
    [
        ({"effect": "treatd"}, ArgumentError, "no fixed effect 'treatd'"),
        ({"effect": None}, ArgumentError, "no fixed effect None"),
        ({"effect": ["treated"]}, ArgumentError, "no fixed effect ['treated']"),
        ({"sizes": None}, ArgumentError, "Neither sizes nor data"),
        ({"data": pd.DataFrame({"x": [1]})}, ArgumentError, "Both sizes and data"),
        ({"sizes": None, "data": pd.DataFrame({"x": [1]})}, ArgumentError, "data and predictors"),
        ({"sizes": None, "predictors": None, "data": pd.DataFrame({"x": [1]})}, DataError, "no column 'treated'"),
        ({"sizes": None, "predictors": None, "data": {"a": 3}}, DataError, "type int"),
        ({"sizes": None, "predictors": None, "data": {}}, DataError, "0 rows"),
        ({"sizes": {"school": [], "pupil": 3}}, ArgumentError, "sizes of 'school' is empty"),
        ({"sizes": {}}, ArgumentError, "The sizes are {}"),
        ({"sizes": 30}, ArgumentError, "The sizes are 30"),
        ({"sizes": {"school": [5, 0], "pupil": 3}}, ArgumentError, "size of 'school'=0"),
        ({"predictors": None}, DataError, "no column 'treated'"),
        ({"predictors": {"treated": "class"}}, ArgumentError, "'class'"),
        ({"parameters": {}}, ArgumentError, "lack 'Intercept', 'treated'"),
        ({"parameters": None}, ArgumentError, "The parameters are None"),
        ({"formula": 3}, ArgumentError, "The model is 3"),
        ({"n": 0}, ArgumentError, "n=0"),
        ({"seed": "a"}, ArgumentError, "seed='a'"),
        ({"alpha": 1}, ArgumentError, "alpha=1"),
        ({"df": "satterthwait"}, ArgumentError, "df='satterthwait'"),
        ({"progress": "no"}, ArgumentError, "progress='no'"),
        ({"nsim": 3}, ArgumentError, "no keyword 'nsim'"),
        ({"groups": [10]}, ArgumentError, "no keyword 'groups'"),
    ],
)
def test_refused(change: dict[str, Any], kind: type[BayesmixError], part: str) -> None:
    usual = {"formula": FORMULA, "parameters": TRUTH, "effect": "treated", "sizes": {"school": 6, "pupil": 3}}
    with pytest.raises(kind) as caught:
        bx.power(**(usual | {"predictors": ARMS, "n": 1, "progress": False} | change))
    assert part in caught.value.found


@pytest.mark.slow
def test_growth_in_three_levels_keeps_its_level_and_its_power() -> None:
    """Slopes that vary by child and school: no effect is found in 5 %, and the reported errors are those there are."""
    truth = {
        "Intercept": 0, "year": 0.5, "tx": 0, "year:tx": 0, "sigma": 0.6,
        "school:child": {"sd(Intercept)": 0.8, "sd(year)": 0.15, "corr(Intercept,year)": 0.3},
        "school": {"sd(Intercept)": 0.4, "sd(year)": 0.12, "corr(Intercept,year)": 0.2},
    }  # fmt: skip
    options = {
        "sizes": {"school": 30, "child": 8, "visit": 4},
        "predictors": {"tx": ("school", "binary"), "year": ("visit", "time")},
        "n": 600,
    }
    formula = "y ~ year * tx + (year | school/child)"
    none = run(formula, truth, "year:tx", **options).iloc[0]
    assert abs(none["power"] - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 600)
    assert abs(none["se"] / none["sd"] - 1) < 0.12
    some = run(formula, truth | {"year:tx": 0.2}, "year:tx", **options).iloc[0]
    exact = noncentral(0.2, some["sd"], some["df"])
    assert abs(some["power"] - exact) < 4 * np.sqrt(exact * (1 - exact) / 600) + 0.03  # the sd is itself estimated


def test_groups_that_their_predictor_takes_up() -> None:
    """Two schools and a treatment of schools: nothing is left to test with, which is an error and not a row."""
    with pytest.raises(ArgumentError, match="can not be analysed"):
        bx.power(
            "score ~ treated + (1 | school)",
            {"Intercept": 0, "treated": 0, "sd(Intercept | school)": 0.4, "sigma": 1},
            "treated",
            sizes={"school": 2, "pupil": 10},
            predictors={"treated": ("school", "binary")},
            n=5,
            seed=1,
            progress=False,
        )
