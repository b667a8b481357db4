"""Every linear model of lme4's reference results, refitted here.

Tolerances, with the reason for each: the criterion to 1e-6 (the reference's expected decrease left is below 1e-10, and
a criterion of 47,000 is printed to 15 digits); estimates to 1e-5 relative, because a criterion at its minimum fixes
its argument to the root of its own precision only; near zero to 1e-6 of the residual variance (or of its root).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx

REFERENCE = json.loads((Path(__file__).parent / "lme4.json").read_text(encoding="utf-8"))
MODELS = {model["id"]: model for model in REFERENCE["models"]}
TESTS = json.loads((Path(__file__).parent / "degrees.json").read_text(encoding="utf-8"))["models"]

# Data sets under names of our own, and their columns where those were renamed.
DATASETS = {"Hsb82": "hsb"}
COLUMNS = {"Hsb82": {"mAch": "math"}}


@dataclass(frozen=True)
class Pair:
    """One model as lme4 has it and as it is fitted here."""

    theirs: dict[str, Any]
    ours: bx.LikelihoodFit

    @property
    def variance_floor(self) -> float:
        return 1e-6 * self.theirs["residual_variance"]

    @property
    def root_floor(self) -> float:
        return 1e-6 * self.theirs["sigma"]

    def level_name(self, group: str) -> str:
        """lme4 writes ``child:school``, bayesmix ``school:child``."""
        return ":".join(reversed(group.split(":")))

    def label(self, group: str, label: str) -> Any:
        return ":".join(reversed(label.split(":"))) if ":" in group else label

    def effect(self, name: str) -> str:
        """lme4 writes ``(Intercept)`` and ``MachineB``, bayesmix ``Intercept`` and ``Machine[B]``."""
        names = {f"{f}{label}": f"{f}[{label}]" for f, of in self.theirs["factors"].items() for label in of["levels"]}
        return {"(Intercept)": "Intercept", **names}.get(name, name)

    def terms(self) -> Iterator[tuple[str, list[str], dict[str, Any]]]:
        """Level, effects and record of every random term."""
        for term in self.theirs["random"]:
            yield self.level_name(term["group"]), [self.effect(name) for name in term["names"]], term

    def fixed_order(self) -> list[int]:
        """Our column of each of their fixed effects, matched by the sums of the columns and of their squares.

        Labels of a balanced factor have equal sums: of equals the first that is left is taken.
        """
        X = self.ours.design.fixed_values
        sums, squares = X.sum(axis=0), (X**2).sum(axis=0)
        assert X.shape[1] == self.theirs["n_fixed"]
        order: list[int] = []
        for column in self.theirs["fixed"]:
            distance = np.abs(sums - column["x_sum"]) + np.abs(squares - column["x_sumsq"])
            distance[order] = np.inf
            order.append(int(np.argmin(distance)))
            assert distance.min() <= 1e-8 * max(column["x_sumsq"], 1.0), f"no column is lme4's {column['name']}"
        return order


@pytest.fixture(scope="session")
def pair_of(dataset: Callable[[str], pd.DataFrame]) -> Callable[[str], Pair]:
    found: dict[str, Pair] = {}

    def pair(name: str) -> Pair:
        if name not in found:
            theirs = MODELS[name]
            formula = theirs["formula"]
            for old, new in COLUMNS.get(theirs["dataset"], {}).items():
                formula = formula.replace(old, new)
            data = dataset(DATASETS.get(theirs["dataset"], theirs["dataset"].lower()))
            model = bx.Model(formula, data)
            found[name] = Pair(theirs, model.reml() if theirs["method"] == "REML" else model.ml())
        return found[name]

    return pair


@pytest.fixture(params=MODELS)
def pair(request: pytest.FixtureRequest, pair_of: Callable[[str], Pair]) -> Pair:
    return pair_of(request.param)


def test_all_linear_models_are_here() -> None:
    assert len(MODELS) == len(TESTS) == 65
    names = [
        "sleepstudy",
        "Dyestuff",
        "Dyestuff2",
        "Pastes",
        "Machines",
        "Orthodont",
        "Exam",
        "Hsb82",
        "MathAchieve",
        "egsingle",
        "Penicillin",
        "InstEval",
    ]
    assert {model["dataset"] for model in MODELS.values()} == set(names)


def test_rows_and_groups(pair: Pair) -> None:
    sizes = {pair.level_name(group): size for group, size in pair.theirs["groups"].items()}
    assert pair.ours.design.n == pair.theirs["n"]
    assert {level.name: len(level.grouping.labels) for level in pair.ours.design.levels} == sizes


def test_fixed_effects_have_their_names(pair: Pair) -> None:
    names = [pair.ours.design.fixed_names[i].split(":") for i in pair.fixed_order()]
    theirs = [column["name"].split(":") for column in pair.theirs["fixed"]]
    assert [set(parts) for parts in names] == [{pair.effect(part) for part in parts} for parts in theirs]


def test_criterion(pair: Pair) -> None:
    # Both ways: the reference is the true optimum, a value below it would be a constant forgotten.
    assert_allclose(pair.ours.criterion, pair.theirs["criterion"], rtol=0, atol=1e-6)
    assert_allclose(pair.ours.loglik, pair.theirs["logLik"], rtol=0, atol=1e-6)


def test_information_criteria(pair: Pair) -> None:
    assert pair.ours.n_parameters == pair.theirs["n_par"]
    assert_allclose(pair.ours.aic, pair.theirs["AIC"], rtol=0, atol=1e-6)
    assert_allclose(pair.ours.bic, pair.theirs["BIC"], rtol=0, atol=1e-6)


def test_fixed_effects(pair: Pair) -> None:
    table = pair.ours.fixed_effects().iloc[pair.fixed_order()]
    for column in ("estimate", "se"):
        expected = [effect[column] for effect in pair.theirs["fixed"]]
        assert_allclose(table[column], expected, rtol=1e-5, atol=pair.root_floor)


def test_satterthwaite(pair: Pair) -> None:
    """To 1e-5: what an estimate that is known to 1e-6 leaves of a ratio of its derivatives."""
    table = pair.ours.fixed_effects().iloc[pair.fixed_order()]
    expected = pd.DataFrame(TESTS[pair.theirs["id"]]["satterthwaite"])
    assert_allclose(table["df"], expected["df"], rtol=1e-5)
    assert_allclose(table["t"], expected["t"], rtol=1e-5, atol=1e-5)
    assert_allclose(table["p"], expected["p"], rtol=1e-3, atol=1e-300)


@pytest.mark.parametrize("name", [name for name, tests in TESTS.items() if "kenward_roger" in tests])
def test_kenward_roger(name: str, pair_of: Callable[[str], Pair]) -> None:
    pair = pair_of(name)
    table = pair.ours.fixed_effects(df="kenward-roger").iloc[pair.fixed_order()]
    expected = pd.DataFrame(TESTS[name]["kenward_roger"])
    assert_allclose(table["se"], expected["se"], rtol=1e-7)
    assert_allclose(table["df"], expected["df"], rtol=1e-7)
    assert_allclose(table["t"], expected["t"], rtol=1e-6)
    assert_allclose(table["p"], expected["p"], rtol=1e-5)


@pytest.mark.parametrize("name", [name for name, tests in TESTS.items() if "anova_type3" in tests])
def test_type_three(name: str, pair_of: Callable[[str], Pair]) -> None:
    pair = pair_of(name)
    table = pair.ours.anova().rename(index=lambda label: frozenset(label.split(":")))
    expected = pd.DataFrame(TESTS[name]["anova_type3"])
    table = table.loc[[frozenset(label.split(":")) for label in expected["term"]]]
    assert list(table["num_df"]) == list(expected["num_df"])
    for column, tolerance in (("F", 1e-6), ("den_df", 1e-5), ("sum_sq", 1e-6)):
        assert_allclose(table[column], expected[column], rtol=tolerance)
    assert_allclose(table["p"], expected["p"], rtol=1e-3, atol=1e-300)


def test_covariance_of_fixed_effects(pair: Pair) -> None:
    order = pair.fixed_order()
    expected = np.array(pair.theirs["vcov"])
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    found = pair.ours.vcov().to_numpy()[np.ix_(order, order)]
    assert_allclose(found / scale, expected / scale, rtol=0, atol=2e-5)


def test_residual_variance(pair: Pair) -> None:
    assert_allclose(pair.ours.sigma, pair.theirs["sigma"], rtol=1e-5)
    table = pair.ours.variance_components()
    assert_allclose(table.loc[("residual", "var"), "estimate"], pair.theirs["residual_variance"], rtol=1e-5)


def test_variances_and_covariances(pair: Pair) -> None:
    table = pair.ours.variance_components()["estimate"]
    for level, names, term in pair.terms():
        for i, row in enumerate(names):
            assert_allclose(table[level, f"var({row})"], term["cov"][i][i], rtol=1e-5, atol=pair.variance_floor)
            for j, column in enumerate(names[:i]):
                found = table[level, f"cov({column},{row})"]
                assert_allclose(found, term["cov"][i][j], rtol=1e-5, atol=pair.variance_floor)
                if not pair.theirs["singular"]:
                    found = table[level, f"corr({column},{row})"]
                    assert_allclose(found, term["corr"][i][j], rtol=1e-5, atol=1e-5)


def test_independent_effects_have_no_covariance(pair: Pair) -> None:
    together = {(level, frozenset((a, b))) for level, names, _ in pair.terms() for a in names for b in names}
    for level, sigma in pair.ours.covariances().items():
        for a in sigma.index:
            for b in sigma.index:
                if (level, frozenset((a, b))) not in together:
                    assert sigma.loc[a, b] == 0


def test_theta(pair: Pair) -> None:
    """The factors entry by entry, and on the boundary, where they are not unique, Lambda Lambda'."""
    start = 0
    expected: dict[tuple[str, tuple[str, ...]], np.ndarray] = {}
    for level, names, _ in pair.terms():
        q = len(names)
        factor = np.zeros((q, q))
        columns, rows = np.triu_indices(q)
        factor[rows, columns] = pair.theirs["theta"][start : start + len(rows)]
        expected[level, tuple(names)] = factor
        start += len(rows)
    assert start == len(pair.theirs["theta"]) == len(pair.ours.theta)
    at = 0
    for level in pair.ours.design.levels:
        for first, last in level.blocks:
            theirs = expected[level.name, level.effect_names[first:last]]
            columns, rows = np.triu_indices(last - first)
            ours = np.zeros_like(theirs)
            ours[rows, columns] = pair.ours.theta[at : at + len(rows)]
            at += len(rows)
            if pair.theirs["singular"]:
                assert_allclose(ours @ ours.T, theirs @ theirs.T, rtol=1e-5, atol=1e-6)
            else:
                assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_singular(pair: Pair) -> None:
    assert pair.ours.singular is pair.theirs["singular"]


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model["icc"] is not None])
def test_intraclass_correlation(name: str, pair_of: Callable[[str], Pair]) -> None:
    """Of models with varying intercepts only; lme4's record has no others."""
    pair = pair_of(name)
    icc = pair.ours.icc()["estimate"]
    for group, value in pair.theirs["icc"].items():
        assert_allclose(icc[pair.level_name(group)], value, rtol=1e-5, atol=1e-6)


def test_group_effects(pair: Pair) -> None:
    for record in pair.theirs["ranef"]:
        table = pair.ours.group_effects(pair.level_name(record["group"]))["estimate"].unstack("effect")
        table = table[[pair.effect(name) for name in record["names"]]]
        labels = [pair.label(record["group"], label) for label in record["levels"]]
        assert_allclose(table.loc[labels], record["blup"], rtol=1e-5, atol=pair.root_floor)
        assert len(table) == record["n_levels"]
        length, floor = np.sqrt((table**2).sum()), pair.root_floor * np.sqrt(record["n_levels"])
        assert_allclose(length, np.sqrt(record["sumsq"]), rtol=1e-5, atol=floor)
        assert_allclose(table.sum(), record["sum"], rtol=0, atol=pair.root_floor * record["n_levels"])


def test_conditional_variances(pair: Pair) -> None:
    """Of effects of one term also their covariance, which the table does not show; lme4 keeps none between terms."""
    fit = pair.ours
    for record in pair.theirs["ranef"]:
        name = pair.level_name(record["group"])
        number = [level.name for level in fit.design.levels].index(name)
        level = fit.design.levels[number]
        table = fit.group_effects(name)["sd"].unstack("effect")
        names = [pair.effect(effect) for effect in record["names"]]
        labels = [pair.label(record["group"], label) for label in record["levels"]]
        expected = np.array(record["condvar"]).reshape(len(labels), len(names), len(names))
        diagonal = np.einsum("jaa->ja", expected)
        assert_allclose(table.loc[labels, names] ** 2, diagonal, rtol=1e-5, atol=pair.variance_floor)
        if len(level.blocks) == 1:
            assert level.effect_names == tuple(names)
            assert fit.design.tree is not None
            places = fit.design.tree.order[number][[level.grouping.labels.index(label) for label in labels]]
            found = fit._conditional.covariances[number][places]
            assert_allclose(found, expected, rtol=1e-5, atol=pair.variance_floor)


def test_fitted_values(pair: Pair) -> None:
    assert_allclose(pair.ours.fitted()[:5], pair.theirs["fitted_first5"], rtol=1e-5, atol=pair.root_floor)
    assert_allclose((pair.ours.residuals() ** 2).sum(), pair.theirs["ss_resid"], rtol=1e-5)


# Raudenbush & Bryk's school model: the numbers of lme4 at the true optimum by Newton steps.
def test_high_school_and_beyond(hsb_reml: bx.LikelihoodFit) -> None:
    fixed, components = hsb_reml.fixed_effects(), hsb_reml.variance_components()["estimate"]
    assert_allclose(fixed["estimate"], [12.665023, 2.393813], rtol=0, atol=5e-7)
    assert_allclose(fixed["se"], [0.189845, 0.118121], rtol=0, atol=5e-7)
    assert_allclose(components["school", "var(Intercept)"], 4.828637, rtol=0, atol=5e-7)
    assert_allclose(components["school", "var(ses)"], 0.412929, rtol=0, atol=5e-7)
    assert_allclose(components["school", "corr(Intercept,ses)"], -0.109256, rtol=0, atol=5e-7)
    assert_allclose(components["residual", "var"], 36.830165, rtol=0, atol=5e-7)
    assert_allclose(hsb_reml.criterion, 46640.398254, rtol=0, atol=5e-7)


def test_three_levels_with_slopes(egsingle_reml: bx.LikelihoodFit) -> None:
    """Three levels, random slopes at two."""
    assert_allclose(egsingle_reml.criterion, 16336.7394, rtol=0, atol=5e-5)
