"""Densities of what is left out: against dense normal densities with and without it, for every kind of model."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.design.subset import inner_rows
from bayesmix.errors import DesignError
from bayesmix.inference import leave_out_crossed
from bayesmix.inference.leave_out import Hyperparameters, log_predictive, require_determined, units_of
from bayesmix.inference.leave_out_crossed import crossed_densities
from bayesmix.inference.priors import given_shift
from bayesmix.inference.threads import one_blas_thread
from tests import dense
from tests.bayes import dense_problem, shuffled_frame, user_prior

NESTED = (
    "y ~ x + z + (x | top)",
    "y ~ x + offset(z) + (x || top)",
    "y ~ x + (x | top/inner)",
    "y ~ 0 + x + (0 + z | top/inner)",
    "y ~ x * f",
    "y ~ x + (1 | inner:top) + (x | half)",
    "y ~ x + (1 | half/top/inner)",
)
CROSSED = ("y ~ x + (x | top) + (1 | f)", "y ~ x + (1 | top/inner) + (0 + x | f)", "y ~ z + (z || top) + (1 | inner)")
PRIORS = ("default", "flat", {"x": "flat"}, {"x": "StudentT(4, 0, 2)"}, {"x": "StudentT(4, 0, 2)", "Intercept": "flat"})


def frame(rng: np.random.Generator) -> pd.DataFrame:
    """Three nested groupings and one that crosses them."""
    found = shuffled_frame(rng, 110, 6)
    return found.assign(half=found["top"] // 3, w=rng.uniform(0.3, 3.0, size=110))


def drawn(model: bx.Model, rng: np.random.Generator, n: int = 2) -> Hyperparameters:
    """Variance parameters away from 0, every effect of the same size, and values of the given fixed effects."""
    covariances = []
    for level in model.design.levels:
        root = np.tril(rng.normal(size=(n, len(level.effects), len(level.effects))))
        for start, stop in level.blocks:
            root[:, start:stop, :start] = 0.0
        root /= np.sqrt(np.mean(model.design.values[:, level.places] ** 2, axis=0))[:, None]
        covariances.append(root @ np.swapaxes(root, 1, 2))
    shift = given_shift(model.priors.numbers, model.products)
    return Hyperparameters(tuple(covariances), rng.uniform(0.5, 2.0, size=n), rng.normal(size=(n, len(shift))) - shift)


@dataclass(frozen=True)
class Oracle:
    """Dense densities of rows of a model at one draw."""

    model: bx.Model
    draws: Hyperparameters

    def prior(self, d: int) -> dense.Partial:
        """That of the user's coefficients, the intercept's at the means of the other columns of all rows."""
        priors, design = self.model.priors.numbers, self.model.design
        p = len(design.fixed)
        A = np.eye(p)
        if "Intercept" in design.fixed_names:
            A[design.fixed_names.index("Intercept")] = design.fixed_values.mean(axis=0)
        given = list(priors.given)
        rest = [j for j in range(p) if j not in given]
        kinds = [type(priors.beta[j]).__name__ for j in rest]
        mean = np.array([priors.beta[j].mean if k == "Normal" else 0.0 for j, k in zip(rest, kinds, strict=True)])
        root = np.array([1 / priors.beta[j].sd if k == "Normal" else 0.0 for j, k in zip(rest, kinds, strict=True)])
        values = self.draws.given[d] + given_shift(priors, self.model.products)
        return dense.Partial(values, mean, np.diag(root**2), np.linalg.inv(A)[:, [*given, *rest]])

    def density(self, rows: np.ndarray, d: int) -> float:
        """log p(y of the rows), up to what is the same for all rows."""
        whole = dense_problem(self.model)
        problem = dense.Dense(
            whole.X[rows],
            whole.y[rows],
            tuple(columns[rows] for columns in whole.columns),
            tuple(codes[rows] for codes in whole.codes),
            None if whole.weights is None else whole.weights[rows],
        )
        covariances = [sigma[d] for sigma in self.draws.covariances]
        return float(dense.log_density(problem, covariances, self.draws.sigma[d] ** 2, self.prior(d)))


def agree(model: bx.Model, rng: np.random.Generator) -> None:
    """On one thread: the matrices are small."""
    with one_blas_thread():
        agree_everywhere(model, rng)


def agree_everywhere(model: bx.Model, rng: np.random.Generator) -> None:
    """Rows and groups of every level, left out one by one, and predicted from a part of the rows."""
    draws = drawn(model, rng)
    oracle = Oracle(model, draws)
    everything = np.arange(model.n)
    whole = [oracle.density(everything, d) for d in range(2)]
    for level in (None, *range(len(model.design.levels))):
        units = units_of(model.design, level)
        chosen = rng.permutation(units.count)[:2]
        found = log_predictive(model.design, model.products, model.priors.numbers, draws, units)
        assert found.shape == (2, units.count)
        for d in range(2):
            exact = [whole[d] - oracle.density(everything[units.codes != g], d) for g in chosen]
            assert_allclose(found[d, chosen], exact, rtol=1e-10, atol=1e-10)
        if units.count < 3:
            continue
        kept = ~np.isin(units.codes, chosen)
        found = log_predictive(model.design, model.products, model.priors.numbers, draws, units, chosen, kept)
        for d in range(2):
            base = oracle.density(everything[kept], d)
            exact = [oracle.density(everything[kept | (units.codes == g)], d) - base for g in chosen]
            assert_allclose(found[d], exact, rtol=1e-10, atol=1e-10)


@pytest.mark.filterwarnings("ignore::bayesmix.BayesmixWarning")
@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("priors", ["default", "flat"])
@pytest.mark.parametrize("formula", [*NESTED, *CROSSED])
def test_dense(formula: str, priors: str, weights: str | None, rng: np.random.Generator) -> None:
    agree(bx.Model(formula, frame(rng), priors=priors, weights=weights), rng)


@pytest.mark.filterwarnings("ignore::bayesmix.BayesmixWarning")
@pytest.mark.parametrize("priors", PRIORS[2:], ids=str)
@pytest.mark.parametrize("formula", ["y ~ x + z + (x | top/inner)", CROSSED[0]])
def test_priors_of_several_kinds(formula: str, priors: dict[str, str], rng: np.random.Generator) -> None:
    """Some fixed effects given, some flat, some normal."""
    agree(bx.Model(formula, frame(rng), priors=priors), rng)


def test_units_of_the_response(rng: np.random.Generator) -> None:
    """In other units of the response every row's density is divided by the factor."""
    data = frame(rng)
    one, other = (bx.Model("y ~ x + (x | top)", data.assign(y=f * data["y"]), priors="flat") for f in (1.0, 1e3))
    draws = drawn(one, rng)
    scaled = Hyperparameters(tuple(1e6 * s for s in draws.covariances), 1e3 * draws.sigma, draws.given)
    for level in (None, 0):
        found = log_predictive(one.design, one.products, one.priors.numbers, draws, units_of(one.design, level))
        theirs = log_predictive(
            other.design, other.products, other.priors.numbers, scaled, units_of(other.design, level)
        )
        n = np.bincount(units_of(one.design, level).codes)
        assert_allclose(theirs, found - n * np.log(1e3), rtol=1e-10)


def test_two_algorithms(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested levels through the joint covariance of all effects, in parts of 2 draws."""
    model = bx.Model("y ~ x + (x | top/inner)", frame(rng), weights="w")
    draws, numbers = drawn(model, rng, 5), model.priors.numbers
    monkeypatch.setattr(leave_out_crossed, "_CHUNK_BYTES", 1)
    W, shift = inner_rows(model.design), -np.log(model.products.response_scale) + np.log(model.design.weights) / 2
    for level in (None, 0, 1):
        units = units_of(model.design, level)
        chosen = np.arange(units.count)
        found = crossed_densities(model.design, model.products, numbers, draws, W, units.codes, chosen, None)
        found += np.bincount(units.codes, shift)
        assert_allclose(log_predictive(model.design, model.products, numbers, draws, units), found, rtol=1e-9)


def test_a_singular_covariance(rng: np.random.Generator) -> None:
    """Correlations of 1 and sds of 0: the density is that of the model without the effect."""
    data = frame(rng)
    model, smaller = (
        bx.Model("y ~ x + (x | top)", data, priors="flat"),
        bx.Model("y ~ x + (1 | top)", data, priors="flat"),
    )
    sigma, none = np.array([1.0]), np.zeros((1, 0))
    intercepts = Hyperparameters((np.array([[[2.0, 0.0], [0.0, 0.0]]]),), sigma, none)
    same = Hyperparameters((np.array([[[2.0]]]),), sigma, none)
    for level in (None, 0):
        found = [
            log_predictive(m.design, m.products, m.priors.numbers, draws, units_of(m.design, level))
            for m, draws in ((model, intercepts), (smaller, same))
        ]
        assert_allclose(*found, rtol=1e-10)


@pytest.mark.filterwarnings("ignore::bayesmix.BayesmixWarning")
def test_too_many_crossed_effects(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leave_out_crossed, "MOST_EFFECTS", 5)
    model = bx.Model("y ~ x + (1 | top) + (1 | f)", frame(rng))
    with pytest.raises(DesignError, match="crossed levels and 11 effects"):
        log_predictive(
            model.design, model.products, model.priors.numbers, drawn(model, rng), units_of(model.design, None)
        )


Names = Callable[[int], str]


@pytest.mark.filterwarnings("ignore::bayesmix.BayesmixWarning")
@pytest.mark.parametrize("formula", ["y ~ x + b + (1 | top)", "y ~ x + b + (1 | top) + (1 | f)"])
def test_what_a_fixed_effect_rests_on(formula: str, rng: np.random.Generator) -> None:
    """b varies in one group only, and in one row of another model. Under a prior of the intercept b is determined."""
    data = frame(rng)
    data["b"] = np.where(data["top"] == 4, rng.normal(size=len(data)), 0.0)
    model = bx.Model(formula, data, priors={"b": "flat", "Intercept": "flat"})
    level = [v.name for v in model.design.levels].index("top")
    units = units_of(model.design, level)
    parts = (model.design, model.products)
    with pytest.raises(DesignError, match="Without group 4 the other rows do not determine 'b', whose prior is flat"):
        require_determined(*parts, model.priors.numbers, units.codes, lambda g: f"group {g}")
    for proper in ("default", {"b": "flat"}):
        numbers = bx.Model(formula, data, priors=proper).priors.numbers
        require_determined(*parts, numbers, units.codes, lambda g: f"group {g}")
    require_determined(*parts, model.priors.numbers, np.arange(model.n), lambda g: f"row {g}")
    require_determined(*parts, model.priors.numbers, np.where(units.codes == 4, -1, 0), lambda g: f"group {g}")
    data["b"] = (np.arange(len(data)) == 17).astype(float)
    single = bx.Model(formula, data, priors="flat")
    with pytest.raises(DesignError, match="Without row 17 the other rows do not determine 'b'"):
        require_determined(
            single.design, single.products, single.priors.numbers, np.arange(single.n), lambda g: f"row {g}"
        )


def test_several_are_named(rng: np.random.Generator) -> None:
    """Without either half nothing is known of the difference between them."""
    data = frame(rng).astype({"half": str})
    model = bx.Model("y ~ 0 + half + (1 | top)", data, priors="flat")
    codes = (data["half"] == "1").to_numpy().astype(int)
    with pytest.raises(
        DesignError, match=r"Without half 0, half 1 the other rows do not determine 'half.0.', 'half.1.'"
    ):
        require_determined(model.design, model.products, model.priors.numbers, codes, lambda g: f"half {g}")


def test_user_prior_is_the_oracles(rng: np.random.Generator) -> None:
    """The oracle's prior, where all are normal, is the one that other tests state."""
    model = bx.Model("y ~ x + z + (1 | top)", frame(rng))
    oracle, stated = Oracle(model, drawn(model, rng)).prior(0), user_prior(model)
    A = np.linalg.inv(oracle.A)
    assert_allclose(A.T @ oracle.precision @ A, stated.precision, rtol=1e-10)
