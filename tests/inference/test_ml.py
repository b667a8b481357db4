"""Maximum likelihood: the true optimum from anywhere, and what must not change it."""

import dataclasses
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mixedlm
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize

import bayesmix as bx
from bayesmix.design.products import grouped_sums, standardise
from bayesmix.inference.criterion import omega_jacobian, theta_hessian
from bayesmix.inference.ml import maximise
from bayesmix.likelihood.coordinates import fit_coordinates
from bayesmix.likelihood.derivatives import second_order_pass
from bayesmix.likelihood.kernels import profiled
from tests import dense
from tests.designs import Case, RandomDesign, cases, random_design
from tests.frames import dense_problem, random_frame

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "lme4.json").read_text(encoding="utf-8"))
CRITERIA = {model["id"]: model["criterion"] for model in REFERENCE["models"]}

few = settings(max_examples=12, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def products_of(formula: str, frame: pd.DataFrame) -> Any:
    return bx.Model(formula, frame).products


# Stationary points that are no minimum


def test_theta_zero_is_left(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Dyestuff at theta = 0: the gradient is exactly 0, 6.4 units above the optimum."""
    products = products_of("Yield ~ 1 + (1 | Batch)", dataset("dyestuff"))
    coordinates = fit_coordinates(products)
    value, gradient, *_ = profiled(np.zeros(1), coordinates.packed, coordinates.body, True)
    assert gradient == 0
    solution = maximise(products, reml=True, start=np.zeros(1))
    assert_allclose(solution.criterion, CRITERIA["dyestuff_reml"], rtol=0, atol=1e-6)
    at_zero = value + 2 * (products.n - 1) * np.log(products.response_scale)
    assert_allclose(at_zero - solution.criterion, 6.4, atol=0.05)
    assert not solution.singular


def test_a_factor_of_rank_one_is_left(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Exam: the best Lambda of rank 1 has gradient 0 and lies 21 units above the optimum."""
    products = products_of("normexam ~ standLRT + (standLRT | school)", dataset("exam"))
    coordinates = fit_coordinates(products)

    def restricted(free: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient, *_ = profiled(np.append(free, 0.0), coordinates.packed, coordinates.body, True)
        return value, gradient[:2]

    best = minimize(restricted, np.array([0.4, 0.1]), jac=True, method="BFGS", options={"gtol": 1e-6})
    trap = np.append(best.x, 0.0)
    _, gradient, *_ = profiled(trap, coordinates.packed, coordinates.body, True)
    assert np.abs(gradient).max() < 1e-4
    solution = maximise(products, reml=True, start=trap)
    assert_allclose(solution.criterion, CRITERIA["exam_rs_reml"], rtol=0, atol=1e-6)
    found = profiled(solution.inner_theta, coordinates.packed, coordinates.body, True)[0]
    assert_allclose(best.fun - found, 21, atol=0.5)


@pytest.mark.parametrize("start", [0.0, 1e-8, 0.3, 5.0, -2.0, 1e3])
def test_a_boundary_optimum_is_reached_from_anywhere(start: float, dataset: Callable[[str], pd.DataFrame]) -> None:
    products = products_of("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2"))
    for reml, name in ((True, "dyestuff2_reml"), (False, "dyestuff2_ml")):
        solution = maximise(products, reml=reml, start=np.array([start]))
        assert_allclose(solution.criterion, CRITERIA[name], rtol=0, atol=1e-6)
        assert solution.singular
        assert solution.certificate.holds
        assert_allclose(solution.covariances[0], 0.0, atol=1e-6 * solution.sigma**2)


STARTS = [np.zeros(6), np.array([1.0, 0, 1, 1, 0, 1]), np.array([-0.5, 0.2, -0.1, 3, -2, 0.01]), np.full(6, 20.0)]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("reml", [True, False])
def test_every_start_leads_to_the_optimum(start: np.ndarray, reml: bool, egsingle_model: bx.Model) -> None:
    solution = maximise(egsingle_model.products, reml=reml, start=start)
    assert_allclose(solution.criterion, CRITERIA["eg_rs_reml" if reml else "eg_rs_ml"], rtol=0, atol=1e-6)


def test_no_random_point_is_lower(rng: np.random.Generator) -> None:
    for formula in ("y ~ x + (x + z | top)", "y ~ f + (x | top/inner)", "y ~ x + (f || top) + (0 + z | top:inner)"):
        products = products_of(formula, random_frame(rng))
        solution = maximise(products, reml=True)
        coordinates = fit_coordinates(products)
        best = profiled(solution.inner_theta, coordinates.packed, coordinates.body, True)[0]
        for _ in range(200):
            theta = solution.inner_theta + rng.normal(size=len(solution.inner_theta)) * 10 ** rng.uniform(-4, 1)
            assert profiled(theta, coordinates.packed, coordinates.body, True)[0] >= best - 1e-9


# Against others


ORACLE = [
    "y ~ x + (1 | top)",
    "y ~ x + (x | top)",
    "y ~ x + z + (x + z | top)",
    "y ~ x * f + (z || top)",
    "y ~ f + (f | top)",
    "y ~ x + (0 + x | top)",
    "y ~ x + (1 | top/inner)",
    "y ~ x + (x | top/inner)",
    "y ~ z + (z | top) + (1 | top:inner)",
]


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("formula", ORACLE)
def test_not_above_mixedlm(formula: str, reml: bool, rng: np.random.Generator) -> None:
    """An independent program (a port of lme4 to Rust); where it stops early ours may be lower."""
    for _ in range(2):
        frame = random_frame(rng, n=90)
        model = bx.Model(formula, frame)
        ours = model.reml() if reml else model.ml()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = mixedlm.lmer(formula, frame.astype({"top": str, "inner": str}), REML=reml)
        theirs_criterion = theirs.REMLcrit() if reml else theirs.get_deviance()
        assert ours.criterion <= theirs_criterion + 1e-5
        # Lower only by what their optimiser left, never by a constant.
        problem, covariances = dense_problem(ours)
        value = dense.profiled_deviance(problem, [S / ours.sigma**2 for S in covariances], reml)
        assert_allclose(ours.criterion, value, rtol=1e-9)


# The Hessian that Newton's steps use


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("case", cases(), ids=str)
def test_hessian_in_theta(case: Case, reml: bool, rng: np.random.Generator) -> None:
    design: RandomDesign = random_design(rng, case)
    coordinates = design.coordinates

    def gradient(theta: np.ndarray) -> np.ndarray:
        return dense.complex_step(lambda at: dense.profiled_deviance(design.dense, design.covariances(at), reml), theta)

    at = second_order_pass(coordinates, design.theta)
    found = theta_hessian(coordinates, at, design.layout.n, reml, design.theta)
    expected = dense.central_difference(gradient, design.theta)
    assert_allclose(found, expected, rtol=1e-6, atol=1e-7 * np.abs(expected).max())
    assert_allclose(found, found.T, rtol=1e-10, atol=1e-10 * np.abs(found).max())


@pytest.mark.parametrize("case", cases(), ids=str)
def test_jacobian_of_omega(case: Case, rng: np.random.Generator) -> None:
    design = random_design(rng, case)

    def omega(theta: np.ndarray) -> np.ndarray:
        entries = [(level, *pair) for level, shape in enumerate(design.layout.levels) for pair in shape.entries]
        return np.array([design.covariances(theta)[level][row, column] for level, row, column in entries])

    expected = dense.central_difference(omega, design.theta).T
    assert_allclose(omega_jacobian(design.coordinates, design.theta), expected, rtol=1e-9, atol=1e-9)


# Invariance


def same_fit(one: bx.LikelihoodFit, two: bx.LikelihoodFit) -> None:
    assert_allclose(two.criterion, one.criterion, rtol=1e-10)
    assert_allclose(two.fixed_effects()["estimate"], one.fixed_effects()["estimate"], rtol=1e-6, atol=1e-7)
    assert_allclose(two.fixed_effects()["se"], one.fixed_effects()["se"], rtol=1e-6)
    scale = one.sigma**2
    for a, b in zip(one.covariances().values(), two.covariances().values(), strict=True):
        assert_allclose(b, a, rtol=1e-5, atol=1e-6 * scale)


FORMULA = "y ~ x + f + (x | top/inner)"


@few
@given(seed=seeds)
def test_permuting_rows_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = random_frame(rng)
    shuffled = frame.iloc[rng.permutation(len(frame))]
    one, two = bx.Model(FORMULA, frame).reml(), bx.Model(FORMULA, shuffled).reml()
    same_fit(one, two)
    assert_allclose(two.fitted(), one.fitted()[shuffled.index], rtol=1e-6, atol=1e-6)


@few
@given(seed=seeds, labels=st.lists(st.text(min_size=1, max_size=6), min_size=8, max_size=8, unique=True))
def test_relabelling_groups_changes_nothing(seed: int, labels: list[str]) -> None:
    frame = random_frame(np.random.default_rng(seed))
    renamed = frame.assign(top=[labels[code] for code in frame["top"]])
    one, two = bx.Model(FORMULA, frame).reml(), bx.Model(FORMULA, renamed).reml()
    same_fit(one, two)
    ours, theirs = one.group_effects("top")["estimate"], two.group_effects("top")["estimate"]
    for code in frame["top"].unique():
        assert_allclose(theirs.loc[labels[code]], ours.loc[code], rtol=1e-5, atol=1e-6)


@few
@given(seed=seeds, power=st.integers(-9, 9), reml=st.booleans())
def test_scaling_the_response(seed: int, power: int, reml: bool) -> None:
    """The criterion shifts by 2 nu log s, nu = N - p or N; estimates scale."""
    frame, s = random_frame(np.random.default_rng(seed)), 3.0 * 10.0**power
    models = [bx.Model(FORMULA, data) for data in (frame, frame.assign(y=s * frame["y"]))]
    one, two = (model.reml() if reml else model.ml() for model in models)
    nu = one.design.n - (len(one.design.fixed) if reml else 0)
    assert_allclose(two.criterion, one.criterion + 2 * nu * np.log(s), rtol=0, atol=1e-7 * nu)
    assert_allclose(two.sigma, s * one.sigma, rtol=1e-6)
    assert_allclose(two.fixed_effects()["estimate"], s * one.fixed_effects()["estimate"], rtol=1e-5, atol=1e-6 * s)
    relative = (cov / one.sigma**2 for cov in one.covariances().values())
    for a, b in zip(relative, two.covariances().values(), strict=True):
        assert_allclose(b / two.sigma**2, a, rtol=1e-5, atol=1e-6)


@few
@given(seed=seeds, reml=st.booleans())
def test_mixing_the_fixed_effects(seed: int, reml: bool) -> None:
    """X -> XA shifts the REML criterion by 2 log|det A| and leaves that of ML; beta becomes A^-1 beta."""
    rng = np.random.default_rng(seed)
    products = products_of("y ~ x + z + (x | top)", random_frame(rng))
    A = np.eye(3) + 0.4 * rng.normal(size=(3, 3))
    moved = dataclasses.replace(
        products, fixed_basis=products.fixed_basis @ A, response_fit=np.linalg.solve(A, products.response_fit)
    )
    one, two = maximise(products, reml), maximise(moved, reml)
    shift = 2 * np.linalg.slogdet(A)[1] if reml else 0.0
    assert_allclose(two.criterion, one.criterion + shift, rtol=0, atol=1e-7)
    assert_allclose(A @ two.beta, one.beta, rtol=1e-6, atol=1e-6)
    assert_allclose(A @ two.vcov @ A.T, one.vcov, rtol=1e-5, atol=1e-5 * np.abs(one.vcov).max())
    assert_allclose(two.sigma, one.sigma, rtol=1e-6)


@few
@given(seed=seeds, reml=st.booleans())
def test_no_variance_is_least_squares(seed: int, reml: bool) -> None:
    """At Lambda = 0 the criterion is that of a linear model: n log(2 pi RSS/nu) + nu [+ log|X'X|]."""
    frame = random_frame(np.random.default_rng(seed))
    products = products_of(FORMULA, frame)
    coordinates = fit_coordinates(products)
    zero = np.zeros(coordinates.layout.n_entries)
    value, _, _, beta, _, _ = profiled(zero, coordinates.packed, coordinates.body, reml)
    design = bx.Model(FORMULA, frame).design
    X, y = design.fixed_values, design.response
    coefficients, (rss,), *_ = np.linalg.lstsq(X, y, rcond=None)
    nu = len(y) - (X.shape[1] if reml else 0)
    expected = nu * (1 + np.log(2 * np.pi * rss / nu)) + (np.linalg.slogdet(X.T @ X)[1] if reml else 0.0)
    found = value + 2 * nu * np.log(products.response_scale) + (2 * coordinates.layout.log_jacobian if reml else 0.0)
    assert_allclose(found, expected, rtol=1e-10)
    back = products.response_fit + np.linalg.solve(coordinates.fixed, beta) * products.response_scale
    assert_allclose(back, coefficients, rtol=1e-8, atol=1e-8)


def test_many_fixed_effects(hsb: pd.DataFrame) -> None:
    """Every school a coefficient: log|R_xx| of 161 columns, whose determinant no float can hold."""
    fit = bx.Model("math ~ 0 + school + ses", hsb).reml()
    X, y = fit.design.fixed_values, fit.design.response
    beta, (rss,), *_ = np.linalg.lstsq(X, y, rcond=None)
    nu = len(y) - X.shape[1]
    expected = nu * (1 + np.log(2 * np.pi * rss / nu)) + np.linalg.slogdet(X.T @ X)[1]
    assert_allclose(fit.criterion, expected, rtol=1e-11)
    assert_allclose(fit.fixed_effects()["estimate"], beta, rtol=1e-8)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=seeds, J=st.integers(3, 9), m=st.integers(2, 7), tau=st.sampled_from([0.0, 0.3, 2.0]))
def test_balanced_one_way_layout(seed: int, J: int, m: int, tau: float) -> None:
    """Mean squares between and within: sigma^2 = MSW, tau^2 = (MSB - MSW)/m, or on the boundary one variance for all.

    Searle, Casella & McCulloch (1992), Variance Components, sections 3.7 and 3.8.
    """
    rng = np.random.default_rng(seed)
    y = tau * rng.normal(size=(J, 1)) + rng.normal(size=(J, m))
    means = y.mean(axis=1)
    between = m * ((means - means.mean()) ** 2).sum() / (J - 1)
    within = ((y - means[:, None]) ** 2).sum() / (J * (m - 1))
    total = ((y - y.mean()) ** 2).sum()
    frame = pd.DataFrame({"y": y.ravel(), "g": np.repeat(np.arange(J), m)})
    model = bx.Model("y ~ 1 + (1 | g)", frame)
    for fit, share, degrees in ((model.reml(), between, J * m - 1), (model.ml(), (1 - 1 / J) * between, J * m)):
        inside = share > within
        sigma2, tau2 = (within, (share - within) / m) if inside else (total / degrees, 0.0)
        # Close to the boundary the criterion is flat in tau^2: a digit less.
        assert_allclose(fit.sigma**2, sigma2, rtol=1e-6)
        assert_allclose(fit.covariances()["g"].iloc[0, 0], tau2, rtol=1e-5, atol=1e-6 * sigma2)
        assert_allclose(fit.fixed_effects()["estimate"], y.mean(), rtol=1e-9, atol=1e-12)
        assert_allclose(fit.fixed_effects()["se"], np.sqrt((sigma2 + m * tau2) / (J * m)), rtol=1e-6)
        shrinkage = m * tau2 / (sigma2 + m * tau2)
        expected = shrinkage * (means - means.mean())
        assert_allclose(fit.group_effects()["estimate"], expected, rtol=1e-4, atol=1e-5)


@few
@given(seed=seeds)
def test_merging_the_products_of_two_halves(seed: int) -> None:
    """Data split at random, reduced apart and added: the same fit to the last digits."""
    rng = np.random.default_rng(seed)
    model = bx.Model(FORMULA, random_frame(rng))
    design, products = model.design, model.products
    assert design.tree is not None
    residual = (design.response - design.fixed_values @ products.response_fit) / products.response_scale
    W = np.column_stack([np.ones(design.n), standardise(design.values[:, 1:]).values, residual])
    half = rng.random(design.n) < 0.5
    groups = len(products.sizes)
    parts = [grouped_sums(W[rows], design.tree.leaf[rows], groups) for rows in (half, ~half)]
    merged = dataclasses.replace(products, sums=parts[0] + parts[1])
    one, two = maximise(products), maximise(merged)
    assert_allclose(two.criterion, one.criterion, rtol=1e-11)
    assert_allclose(two.beta, one.beta, rtol=1e-7)
    for a, b in zip(one.covariances, two.covariances, strict=True):
        assert_allclose(b, a, rtol=1e-5, atol=1e-6 * one.sigma**2)


# Units of a predictor


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e6])
@pytest.mark.parametrize("formula", ["y ~ x + (x | top)", "y ~ x + (x || top)", "y ~ x + (0 + x | top/inner)"])
def test_units_of_a_predictor(formula: str, scale: float, rng: np.random.Generator) -> None:
    """Kilometres or millimetres: every term of ``|`` and ``||`` is invariant to scaling; REML shifts by log scale^2."""
    frame = random_frame(rng)
    one = bx.Model(formula, frame).reml()
    two = bx.Model(formula, frame.assign(x=scale * frame["x"])).reml()
    assert_allclose(two.criterion, one.criterion + 2 * np.log(scale), rtol=0, atol=1e-6)
    assert_allclose(
        two.fixed_effects().loc["x", "estimate"] * scale, one.fixed_effects().loc["x", "estimate"], rtol=1e-6
    )
    unit = [scale if name == "x" else 1.0 for name in one.design.levels[0].effect_names]
    for a, b in zip(one.covariances().values(), two.covariances().values(), strict=True):
        assert_allclose(b * np.outer(unit, unit), a, rtol=1e-5, atol=1e-6 * one.sigma**2)


# What is returned


def test_solution_can_not_be_changed(hsb_reml: bx.LikelihoodFit) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        hsb_reml.solution.sigma = 1.0  # type: ignore[misc]
    solution = hsb_reml.solution
    arrays = [solution.beta, solution.vcov, *solution.factors, solution.inner_theta, solution.inner_inverse]
    assert [array.flags.writeable for array in arrays] == [False] * len(arrays)


def test_a_fit_is_made_once(hsb_model: bx.Model) -> None:
    assert hsb_model.reml() is hsb_model.reml()


def test_method(hsb_model: bx.Model) -> None:
    assert hsb_model.reml().method == "REML"
    assert hsb_model.ml().method == "ML"
