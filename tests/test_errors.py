"""Wrong input: each mistake has its own error, in three parts, at the door."""

import contextlib
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import (
    ArgumentError,
    BayesmixError,
    BayesmixWarning,
    ConvergenceError,
    DataError,
    DesignError,
    FormulaError,
    PriorError,
)

N = 40


def pupils() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"math": rng.normal(50, 10, N), "ses": rng.normal(size=N), "school": np.repeat(range(8), 5)})
    frame["class"] = np.tile([1, 1, 1, 2, 2], 8)
    frame["sector"] = np.where(frame["school"] < 4, "Public", "Catholic")
    frame["math"] += rng.normal(0, 8, 8)[frame["school"]]
    return frame


def with_value(column: str, value: Any, row: int = 6) -> pd.DataFrame:
    frame = pupils().astype({column: type(value)})
    frame.loc[row, column] = value
    return frame


def fit(formula: str, data: Any) -> Callable[[], Any]:
    """What a user does: model, then fit; to be called inside the test."""
    return lambda: bx.Model(formula, data() if callable(data) else data).reml()


Mistake = tuple[type[BayesmixError], Callable[[], Any], list[str], list[str], list[str]]

STANDARD = "math ~ ses + (1 | school)"

# Kind, what the user did, and key words of .found, .expected and .remedy.
MISTAKES: dict[str, Mistake] = {
    # Columns
    "unknown column": (
        DataError,
        fit("math ~ sess + (1 | school)", pupils),
        ["no column 'sess'"],
        ["one of", "math, ses, school, class, sector"],
        ["Did you mean 'ses'?"],
    ),
    "unknown column in another case": (
        DataError,
        fit("math ~ SES + (1 | school)", pupils),
        ["no column 'SES'"],
        ["ses"],
        ["Did you mean 'ses'?"],
    ),
    "unknown grouping": (
        DataError,
        fit("math ~ ses + (1 | shcool)", pupils),
        ["no column 'shcool'"],
        ["one of"],
        ["Did you mean 'school'?"],
    ),
    "unknown response": (
        DataError,
        fit("maths ~ ses + (1 | school)", pupils),
        ["no column 'maths'"],
        ["one of"],
        ["Did you mean 'math'?"],
    ),
    "unknown column like no other": (
        DataError,
        fit("math ~ zzz + (1 | school)", pupils),
        ["no column 'zzz'"],
        ["one of"],
        ["Check the spelling", "backticks"],
    ),
    "attribute of a column": (
        DataError,
        fit("math ~ ses.values + (1 | school)", pupils),
        ["no column 'ses.values'"],
        ["one of"],
        ["attributes are never looked up", "'ses'"],
    ),
    # The frame
    "a list": (DataError, fit(STANDARD, [1, 2, 3]), ["type list"], ["data frame", "pandas"], ["pandas.DataFrame"]),
    "nothing": (DataError, fit(STANDARD, None), ["type NoneType"], ["data frame"], ["pandas.DataFrame"]),
    "an array": (DataError, fit(STANDARD, np.eye(3)), ["type ndarray"], ["data frame"], ["pandas.DataFrame"]),
    "a series": (DataError, fit(STANDARD, pd.Series([1.0])), ["type Series"], ["data frame"], ["pandas.DataFrame"]),
    "the name of a file": (DataError, fit(STANDARD, "hsb.csv"), ["type str"], ["data frame"], ["pandas.DataFrame"]),
    "an empty frame": (
        DataError,
        fit(STANDARD, lambda: pupils().iloc[:0]),
        ["0 rows"],
        ["at least one row"],
        ["read or filtered"],
    ),
    "a frame without columns": (DataError, fit(STANDARD, pd.DataFrame()), ["0 rows"], ["row"], ["read"]),
    "a column twice": (
        DataError,
        fit(STANDARD, lambda: pd.concat([pupils(), pupils()[["ses"]]], axis=1)),
        ["'ses'"],
        ["once"],
        ["Rename"],
    ),
    # Rows
    "all values of a column missing": (
        DataError,
        fit(STANDARD, lambda: pupils().assign(ses=np.nan)),
        ["None of the 40 rows", "'ses' is missing in 40"],
        ["every column of the formula has a value"],
        ["'ses'", "leave it out"],
    ),
    "no row complete": (
        DataError,
        fit(
            STANDARD,
            lambda: pupils().assign(
                ses=np.where(np.arange(N) < 30, np.nan, 0.5), math=np.where(np.arange(N) < 30, 1.0, np.nan)
            ),
        ),
        ["None of the 40 rows", "'ses' is missing in 30"],
        ["every column"],
        ["'ses'"],
    ),
    # Values
    "infinite predictor": (
        DataError,
        fit(STANDARD, lambda: with_value("ses", np.inf)),
        ["'ses'", "1 infinite", "row 7"],
        ["finite"],
        ["missing", "remove those rows"],
    ),
    "infinite response": (
        DataError,
        fit(STANDARD, lambda: with_value("math", -np.inf)),
        ["'math'", "1 infinite", "row 7"],
        ["finite"],
        ["missing"],
    ),
    "infinite slope of a group": (
        DataError,
        fit("math ~ 1 + (ses | school)", lambda: with_value("ses", np.inf)),
        ["'ses'", "1 infinite"],
        ["finite"],
        ["missing"],
    ),
    "infinite offset": (
        DataError,
        fit("math ~ 1 + offset(ses) + (1 | school)", lambda: with_value("ses", np.inf)),
        ["'ses'", "1 infinite"],
        ["finite"],
        ["missing"],
    ),
    "log of zero": (
        DataError,
        fit("math ~ log(ses) + (1 | school)", lambda: pupils().assign(ses=np.arange(N) % 10)),
        ["log(ses)", "4 row(s)", "row 1"],
        ["'ses'", "finite"],
        ["log1p"],
    ),
    "root of a negative number": (
        DataError,
        fit("sqrt(math) ~ ses + (1 | school)", lambda: with_value("math", -4.0)),
        ["sqrt(math)", "1 row(s)", "row 7"],
        ["'math'"],
        ["another transform"],
    ),
    "division by zero": (
        DataError,
        fit("math ~ I(1/ses) + (1 | school)", lambda: with_value("ses", 0.0)),
        ["I(1/ses)", "1 row(s)", "row 7"],
        ["'ses'"],
        ["missing"],
    ),
    "scaling by nothing": (
        DataError,
        fit("math ~ scale(ses) + (1 | school)", lambda: pupils().assign(ses=3.0)),
        ["scale(ses)", "3"],
        ["two different values"],
        ["Drop"],
    ),
    "arithmetic on a category": (
        DataError,
        fit("math ~ I(2*sector) + (1 | school)", pupils),
        ["'sector'", "Catholic, Public"],
        ["numbers"],
        ["'sector' on its own"],
    ),
    "transform of a category": (
        DataError,
        fit("math ~ log(sector) + (1 | school)", pupils),
        ["'sector'", "categories"],
        ["numbers"],
        ["convert"],
    ),
    "within without a grouping": (
        DataError,
        fit("math ~ within(ses) + (1 | school/class)", pupils),
        ["within()", "no grouping"],
        ["second argument"],
        ["within(x, school)"],
    ),
    # The response
    "text response": (
        DataError,
        fit("sector ~ ses + (1 | school)", pupils),
        ["'sector'", "text or categories", "Catholic, Public"],
        ["numbers"],
        ["Convert"],
    ),
    "boolean response": (
        DataError,
        fit("passed ~ ses + (1 | school)", lambda: pupils().assign(passed=lambda frame: frame["math"] > 50)),
        ["'passed'", "False, True"],
        ["numbers"],
        ["yes/no"],
    ),
    "constant response": (
        DataError,
        fit(STANDARD, lambda: pupils().assign(math=7)),
        ["'math' is 7 in every row"],
        ["varies"],
        ["column", "filtered"],
    ),
    "response computed from a predictor": (
        DataError,
        fit(STANDARD, lambda: pupils().assign(math=lambda frame: 3 - 2 * frame["ses"])),
        ["'math'", "without error"],
        ["residual variation"],
        ["computed from a predictor"],
    ),
    # Levels
    "one group": (
        DesignError,
        fit(STANDARD, lambda: pupils().assign(school="only")),
        ["Grouping 'school' has 1 group"],
        ["at least 2"],
        ["Drop the level", "column"],
    ),
    "one group after missing rows": (
        DesignError,
        fit(STANDARD, lambda: pupils().assign(ses=lambda frame: frame["ses"].where(frame["school"] == 3))),
        ["Grouping 'school' has 1 group"],
        ["at least 2"],
        ["Drop the level"],
    ),
    "as many groups as rows": (
        DesignError,
        fit("math ~ ses + (1 | pupil)", lambda: pupils().assign(pupil=range(N))),
        ["'pupil' has 40 groups in 40 rows"],
        ["fewer groups than rows"],
        ["'pupil'"],
    ),
    "more effects than rows": (
        DesignError,
        fit("math ~ ses + (ses + I(ses^2) | class)", lambda: pupils().assign(**{"class": np.arange(N) // 3})),
        ["'class'", "14 groups with 3 effects", "42 effects in 40 rows"],
        ["fewer effects than rows"],
        ["Leave out"],
    ),
    "more fixed effects than rows": (
        DesignError,
        fit("math ~ C(pupil) + (1 | school)", lambda: pupils().assign(pupil=range(N))),
        ["40 complete rows for 40 fixed effects"],
        ["more rows than fixed effects"],
        ["Leave terms out"],
    ),
    "an effect twice": (
        DesignError,
        fit("math ~ ses + (ses | school) + (ses || school)", pupils),
        ["varies twice at level 'school'"],
        ["once"],
        ["0 +"],
    ),
    # The formula
    "brackets forgotten": (
        FormulaError,
        fit("math ~ ses + ses | school", pupils),
        ["'|'", "not in brackets"],
        ["(x | g)"],
        ["(ses | school)"],
    ),
    "unbalanced brackets": (FormulaError, fit("math ~ ses + (1 | school", pupils), ["'('"], ["bracket"], [")"]),
    "an import": (
        FormulaError,
        fit("math ~ __import__('os') + (1 | school)", pupils),
        ["__import__"],
        ["listed"],
        ["before fitting"],
    ),
    "an attribute": (
        FormulaError,
        fit("math ~ ses.__class__() + (1 | school)", pupils),
        ["ses.__class__"],
        ["listed"],
        ["before fitting"],
    ),
    "a call that is not listed": (
        FormulaError,
        fit("math ~ ln(ses) + (1 | school)", pupils),
        ["'ln'", "not a listed transform"],
        ["log1p"],
        ["'log'"],
    ),
    "a formula that is no text": (FormulaError, fit(3, pupils), ["'int'"], ["text"], ["quotes"]),  # type: ignore[arg-type]
    "a degree too high": (
        DataError,
        fit("math ~ poly(class, 2) + (1 | school)", pupils),
        ["poly(class, 2)", "degree is 2", "2 different values"],
        ["below"],
        ["Write 1 or less"],
    ),
    "polynomials of what is not finite": (
        DataError,
        fit("math ~ poly(log(school), 2) + (1 | school)", pupils),
        ["poly(log(school), 2)", "not a number in 5 row(s)"],
        ["finite"],
        ["log1p"],
    ),
    "powers beyond all numbers": (
        DataError,
        fit("math ~ poly(exp(math), 40, raw) + (1 | school)", pupils),
        ["poly(exp(math), 40, raw)", "infinite"],
        ["'math'"],
        ["another transform"],
    ),
    "polynomials of a category": (
        DataError,
        fit("math ~ poly(sector, 2) + (1 | school)", pupils),
        ["'sector' holds categories"],
        ["numbers"],
        ["convert"],
    ),
    "an unknown contrast": (
        FormulaError,
        fit("math ~ C(sector, Hemlert) + (1 | school)", pupils),
        ["contrast of 'C'", "'Hemlert'"],
        ["Treatment, Sum, Helmert, Poly"],
        ["Write 'Helmert'"],
    ),
    "a reference that is no label": (
        DesignError,
        fit("math ~ C(sector, Treatment, Privat) + (1 | school)", pupils),
        ["'sector' has no label 'Privat'"],
        ["Catholic, Public"],
        ["label"],
    ),
    # Weights
    "an unknown column of weights": (
        DataError,
        lambda: bx.Model(STANDARD, pupils(), weights="precision"),
        ["no column 'precision'"],
        ["math, ses, school"],
        ["spelling"],
    ),
    "weights of text": (
        DataError,
        lambda: bx.Model(STANDARD, pupils(), weights="sector"),
        ["'sector'", "categories (Catholic, Public)"],
        ["numbers"],
        ["column"],
    ),
    "a negative weight": (
        DataError,
        lambda: bx.Model(STANDARD, pupils(), weights="ses"),
        ["of the weights 'ses' are not positive", "complete row"],
        ["positive, finite"],
        ["Leave out rows"],
    ),
    "a weight of zero": (
        DataError,
        lambda: bx.Model(STANDARD, pupils(), weights="school"),
        ["5 of the weights 'school' are not positive, the first 0 in complete row 1"],
        ["sigma^2 over its weight"],
        ["Leave out rows"],
    ),
    "an infinite weight": (
        DataError,
        lambda: bx.Model(STANDARD, pupils(), weights=np.where(np.arange(N) == 7, np.inf, 1.0)),
        ["1 of the weights are not positive, the first inf in complete row 8"],
        ["finite"],
        ["Leave out rows"],
    ),
    "a missing weight in an array": (
        DataError,
        lambda: bx.Model(STANDARD, pupils(), weights=np.where(np.arange(N) == 7, np.nan, 1.0)),
        ["1 of the weights are missing, the first in row 8"],
        ["positive number for each row"],
        ["column of the data"],
    ),
    "too few weights": (
        DataError,
        lambda: bx.Model(STANDARD, pupils(), weights=[1.0, 2.0]),
        ["shape (2,)", "40 rows"],
        ["one weight for each row"],
        ["column"],
    ),
    "a table of weights": (
        DataError,
        lambda: bx.Model(STANDARD, pupils(), weights=np.ones((N, 1))),
        ["shape (40, 1)"],
        ["one weight for each row"],
        ["column"],
    ),
    "a single weight": (
        DataError,
        lambda: bx.Model(STANDARD, pupils(), weights=2.0),
        ["shape ()"],
        ["one weight for each row"],
        ["column"],
    ),
    "weights that are no numbers": (
        DataError,
        lambda: bx.Model(STANDARD, pupils(), weights=["a"] * N),
        ["type list", "not all numbers"],
        ["name of a column"],
        ["weights='column'"],
    ),
    "weights of other rows": (
        DataError,
        lambda: bx.Model(STANDARD, pupils(), weights=pd.Series(1.0, index=range(1, N + 1))),
        ["index is not that of the data"],
        ["same index"],
        ["to_numpy()"],
    ),
    "an unknown kind of residuals": (
        ArgumentError,
        lambda: bx.Model(STANDARD, pupils()).reml().residuals(kind="working"),
        ["kind='working'"],
        ["'response' or 'pearson'"],
        ["one of these"],
    ),
    # Arguments
    "unknown family": (
        ArgumentError,
        lambda: bx.Model(STANDARD, pupils(), family="poisson"),
        ["family='poisson'"],
        ["'gaussian'"],
        ["Leave it out"],
    ),
    "unknown level": (
        ArgumentError,
        lambda: bx.Model(STANDARD, pupils()).reml().group_effects("scool"),
        ["no level 'scool'"],
        ["school"],
        ["Did you mean 'school'?"],
    ),
    "no level named of two": (
        ArgumentError,
        lambda: bx.Model("math ~ 1 + (1 | school/class)", pupils()).reml().ranks(),
        ["2 levels"],
        ["school:class, school"],
        ["level="],
    ),
    "group effects without groups": (
        ArgumentError,
        lambda: bx.Model("math ~ ses", pupils()).reml().group_effects(),
        ["no levels"],
        ["bar"],
        ["(1 | group)"],
    ),
    "shares without groups": (
        ArgumentError,
        lambda: bx.Model("math ~ ses", pupils()).reml().icc(),
        ["no levels"],
        ["bar"],
        ["(1 | group)"],
    ),
    "unknown variance of group effects": (
        ArgumentError,
        lambda: bx.Model(STANDARD, pupils()).reml().group_effects(variance="posterior"),
        ["variance='posterior'"],
        ["conditional, prediction, diagnostic, corrected"],
        ["Choose"],
    ),
    "unknown degrees of freedom": (
        ArgumentError,
        lambda: bx.Model(STANDARD, pupils()).reml().fixed_effects(df="kenward"),
        ["df='kenward'"],
        ["satterthwaite, kenward-roger, containment, hlm, between-within, residual, z"],
        ["df='kenward-roger'"],
    ),
    "Kenward-Roger after ML": (
        ArgumentError,
        lambda: bx.Model(STANDARD, pupils()).ml().fixed_effects(df="kenward-roger"),
        ["df='kenward-roger'", "ML"],
        ["REML"],
        ["model.reml()"],
    ),
    "unknown term in a hypothesis": (
        ArgumentError,
        lambda: bx.wald(bx.Model(STANDARD, pupils()).reml(), "sse = 0"),
        ["'sse'"],
        ["Intercept, ses"],
        ["'ses'"],
    ),
    "unknown standard errors": (
        ArgumentError,
        lambda: bx.Model(STANDARD, pupils()).reml().variance_components(se="riglS"),
        ["se='riglS'"],
        ["reml, ml, expected-reml, expected-ml"],
        ["Choose"],
    ),
    "unknown data set": (
        ArgumentError,
        lambda: bx.load_dataset("hbs"),
        ["'hbs'"],
        ["'hsb'"],
        ["load_dataset('hsb')"],
    ),
    "start of another length": (
        ArgumentError,
        lambda: bx.Model("math ~ ses + (ses | school)", pupils()).reml(start=np.array([1.0])),
        ["start", "1"],
        ["3"],
        [],
    ),
    "start that is no number": (
        ArgumentError,
        lambda: bx.Model(STANDARD, pupils()).reml(start=np.array([np.nan])),
        ["start"],
        ["finite"],
        [],
    ),
    # Optimisation: nowhere to go from theta = 0, which is stationary and no minimum.
    "no convergence": (
        ConvergenceError,
        lambda: bx.Model(STANDARD, pupils()).reml(start=np.zeros(1), optimizer=bx.Optimizer(max_restarts=0)),
        ["criterion", "eigenvalue"],
        ["optimum"],
        ["Optimizer"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake(mistake: str) -> None:
    kind, act, found, expected, remedy = MISTAKES[mistake]
    with pytest.raises(BayesmixError) as caught:
        act()
    error = caught.value
    assert type(error) is kind
    for part, words in ((error.found, found), (error.expected, expected), (error.remedy, remedy)):
        assert part.strip()
        assert part == part.strip()
        for word in words:
            assert word in part
    assert str(error) == f"{error.found} {error.expected} {error.remedy}"


# Mistakes that are one and the same to bayesmix.
SAME = [
    {"an empty frame", "a frame without columns"},
    {"infinite predictor", "infinite slope of a group", "infinite offset"},
    {"group effects without groups", "shares without groups"},
    {"one group", "one group after missing rows"},
    {"arithmetic on a category", "transform of a category", "polynomials of a category"},
]


def test_each_mistake_has_its_own_message() -> None:
    said: dict[str, set[str]] = {}
    for name, (_, act, *_) in MISTAKES.items():
        with contextlib.suppress(Exception):  # test_mistake tells of those that are no BayesmixError
            try:
                act()
            except BayesmixError as error:
                said.setdefault(str(error), set()).add(name)
    assert len(said) > 40
    for names in said.values():
        assert len(names) == 1 or names in SAME


@pytest.mark.parametrize(
    "kind", [ArgumentError, BayesmixError, ConvergenceError, DataError, DesignError, FormulaError, PriorError]
)
def test_errors_survive_another_process(kind: type[BayesmixError]) -> None:
    again = pickle.loads(pickle.dumps(kind("Found.", "Expected.", "Remedy.")))
    assert type(again) is kind
    assert (again.found, again.expected, again.remedy) == ("Found.", "Expected.", "Remedy.")
    assert isinstance(again, ValueError)


# What is fitted all the same, and said


def test_aliased_columns_are_dropped_as_lme4_does() -> None:
    frame = pupils().assign(pct=lambda frame: 100 * frame["ses"] + 3, twice=lambda frame: frame["math"] * 0 + 2)
    with pytest.warns(BayesmixWarning) as caught:
        fit = bx.Model("math ~ ses + pct + sector + twice + (1 | school)", frame).reml()
    (warning,) = caught
    assert "'pct', 'twice'" in str(warning.message)
    assert "combination" in str(warning.message)
    assert warning.filename == __file__  # the line of the user's that asked for it
    without = bx.Model("math ~ ses + sector + (1 | school)", frame).reml()
    assert fit.design.fixed_names == without.design.fixed_names
    assert_allclose(fit.criterion, without.criterion, rtol=1e-12)
    assert "Aliased and dropped: pct, twice." in fit.summary()
    assert "Aliased" not in without.summary()


def test_a_factor_of_one_label_is_not_dropped_in_silence() -> None:
    """R refuses it; here an error or a warning must name it."""
    frame = pupils().assign(region="north")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            bx.Model("math ~ ses + region + (1 | school)", frame)
            said = " ".join(str(warning.message) for warning in caught)
        except BayesmixError as error:
            said = str(error)
    assert "region" in said


def test_a_singular_fit_is_a_fact_and_no_error(dataset: Callable[[str], pd.DataFrame]) -> None:
    fit = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2")).reml()
    assert fit.singular is True
    assert "singular" in fit.summary()
    assert "simplify" in fit.summary()


@pytest.mark.parametrize("power", [-200, -120, 120, 200])
def test_extreme_units_of_the_response(power: int) -> None:
    """Fitted, or refused with the reason: no criterion that is not a number."""
    frame = pupils()
    expected = bx.Model(STANDARD, frame).reml().criterion + 2 * (N - 2) * power * np.log(10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            found = bx.Model(STANDARD, frame.assign(math=frame["math"] * 10.0**power)).reml().criterion
        except BayesmixError as error:
            assert "without error" not in error.found  # which would be untrue
            return
    assert_allclose(found, expected, rtol=1e-9)


def test_a_likelihood_without_a_maximum_is_no_fit() -> None:
    """The response is a property of the school: no residual, the likelihood grows for ever as sigma falls."""
    frame = pupils().assign(math=lambda frame: 3.0 * frame["school"] ** 2)
    with pytest.raises(BayesmixError):
        bx.Model(STANDARD, frame).reml()


def test_what_the_other_kind_of_fit_has(hsb_reml: bx.LikelihoodFit) -> None:
    """A name of another program, or of the posterior, is answered with ours; still an AttributeError."""
    with pytest.raises(AttributeError, match=r"model\.sample"):
        hsb_reml.hypothesis("ses > 2")  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="group_effects"):
        hsb_reml.ranef()  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"no attribute .nothing.$"):
        hsb_reml.nothing  # noqa: B018  # type: ignore[attr-defined]
    assert not hasattr(hsb_reml, "idata")
