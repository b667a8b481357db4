"""Profile likelihood against dense algebra, against refits, and against lme4."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ConvergenceError
from bayesmix.inference import profile
from bayesmix.inference.bounds import profile_curve, profile_interval
from bayesmix.inference.ml import maximise
from bayesmix.inference.profile import Profiler, Quantity
from bayesmix.inference.threads import one_blas_thread
from tests import dense
from tests.frames import dense_problem, random_frame

LME4 = json.loads((Path(__file__).parents[1] / "reference" / "lme4_profile.json").read_text(encoding="utf-8"))
EXCESS = float(stats.chi2.ppf(0.95, 1))

FORMULA = "y ~ x + (x | top) + (1 | top:inner)"
# Level 0 is top:inner with intercepts, level 1 is top with intercepts and slopes.
QUANTITIES = [
    Quantity("sd", 0),
    Quantity("sd", 1, 1, 1),
    Quantity("corr", 1, 1, 0),
    Quantity("cov", 1, 1, 0),
    Quantity("sigma"),
    Quantity("theta", 1, 1, 0),
    Quantity("theta", 0),
]
name = str


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Dense algebra of this size waits for threads longer than it computes."""
    with one_blas_thread():
        yield


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return random_frame(np.random.default_rng(2))


@pytest.fixture(scope="module")
def fits(frame: pd.DataFrame) -> dict[bool, bx.LikelihoodFit]:
    """ML and REML, by whether it is REML."""
    model = bx.Model(FORMULA, frame)
    fits = {False: model.ml(), True: model.reml()}
    assert not any(fit.singular for fit in fits.values())
    return fits


def profiler(fit: bx.LikelihoodFit, quantity: Quantity) -> Profiler:
    return Profiler(fit.products, fit.solution, quantity)


@pytest.mark.parametrize("quantity", [*QUANTITIES, Quantity("beta", 0, 1)], ids=name)
@pytest.mark.parametrize("reml", [False, True])
def test_derivatives(
    quantity: Quantity, reml: bool, fits: dict[bool, bx.LikelihoodFit], rng: np.random.Generator
) -> None:
    """Of the deviance with the quantity held at a value away from the estimate, at a point away from the optimum."""
    at = profiler(fits[reml], quantity)
    value = 0.8 * at.estimate
    x = at.start(value)
    x = x + 0.1 * rng.normal(size=len(x))
    _, gradient, hessian = at.deviance(value, x)
    expected = central_difference_of(lambda x: at.deviance(value, x)[0], x)
    assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6 * np.abs(gradient).max())
    expected = central_difference_of(lambda x: at.deviance(value, x)[1], x)
    assert_allclose(hessian, expected, rtol=1e-5, atol=1e-6 * np.abs(hessian).max())


def central_difference_of(function: Callable[[np.ndarray], Any], x: np.ndarray) -> np.ndarray:
    """Steps by the size of each number."""
    unit = np.maximum(np.abs(x), 0.01)
    return dense.central_difference(lambda moved: function(moved * unit), x / unit, 1e-3).T.T / unit.reshape(
        -1, *[1] * np.ndim(function(x))
    )


def entries(fit: bx.LikelihoodFit) -> list[tuple[int, int, int]]:
    """Level, row and column of every variance and covariance."""
    sizes = [len(level.effects) for level in fit.design.levels]
    return [(n, i, j) for n, q in enumerate(sizes) for j in range(q) for i in range(j, q)]


def quantity_of(quantity: Quantity, covariances: list[np.ndarray], residual: Any) -> Any:
    """The definition, on absolute covariances."""
    S, i, j = covariances[quantity.level], quantity.row, quantity.column
    match quantity.kind:
        case "sigma":
            return np.sqrt(residual)
        case "sd":
            return np.sqrt(S[i, i])
        case "cov":
            return S[i, j]
        case "corr":
            return S[i, j] / np.sqrt(S[i, i] * S[j, j])
    return S[i, j] / np.sqrt(S[j, j] * residual)  # theta, in the first column of a factor


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("quantity", QUANTITIES, ids=name)
def test_bounds_are_constrained_optima_of_the_right_deviance(
    quantity: Quantity, reml: bool, fits: dict[bool, bx.LikelihoodFit]
) -> None:
    """By dense algebra: the quantity is what it should be, the deviance has risen by the right amount, and its gradient
    is a multiple of the quantity's (Lagrange), so that no other parameter can lower it."""
    fit = fits[reml]
    at = profiler(fit, quantity)
    problem, _ = dense_problem(fit)
    places = entries(fit)

    def unpack(phi: np.ndarray) -> tuple[list[np.ndarray], Any]:
        moved = [np.zeros((len(level.effects),) * 2, phi.dtype) for level in fit.design.levels]
        for value, (level, i, j) in zip(phi[1:], places, strict=True):
            moved[level][i, j] = moved[level][j, i] = value
        return moved, phi[0]

    for bound in profile_interval(at, EXCESS):
        assert bound.monotone
        point = at.point(bound.value)
        if bound.boundary:
            assert quantity.kind == "corr"
            assert point.excess < EXCESS
            continue
        omegas = [factor @ factor.T for factor in at.factors(point)]
        sigma2 = residual_variance(fit, quantity, omegas, bound.value)
        phi = np.array([sigma2, *(sigma2 * omegas[level][i, j] for level, i, j in places)])
        assert_allclose(quantity_of(quantity, *unpack(phi)), bound.value, rtol=1e-8)
        unit = np.abs(phi)

        def deviance(v: np.ndarray, unit: np.ndarray = unit) -> Any:
            return dense.absolute_deviance(problem, *unpack(v * unit), fit.solution.reml)

        def held(v: np.ndarray, unit: np.ndarray = unit) -> Any:
            return quantity_of(quantity, *unpack(v * unit))

        assert_allclose(float(deviance(phi / unit)) - fit.criterion, EXCESS, atol=1e-6)
        slope, normal = dense.complex_step(deviance, phi / unit), dense.complex_step(held, phi / unit)
        along = normal * (slope @ normal) / (normal @ normal)
        assert np.linalg.norm(along) > 0.5
        assert_allclose(slope, along, rtol=0, atol=1e-4)  # a gain of less than 1e-8


def residual_variance(fit: bx.LikelihoodFit, quantity: Quantity, omegas: list[np.ndarray], value: float) -> float:
    """sigma^2 at a constrained optimum: by the constraint, or at its own optimum where the constraint has no scale."""
    omega = omegas[quantity.level]
    if quantity.kind == "sigma":
        return value**2
    if quantity.kind == "sd":
        return float(value**2 / omega[quantity.row, quantity.row])
    if quantity.kind == "cov":
        return float(value / omega[quantity.row, quantity.column])
    problem, _ = dense_problem(fit)
    V, X = problem.variance(omegas), problem.X
    R = np.linalg.solve(V, X)
    rest = problem.y - X @ np.linalg.solve(X.T @ R, R.T @ problem.y)
    nu = problem.n - X.shape[1] if fit.solution.reml else problem.n
    return float(rest @ np.linalg.solve(V, rest) / nu)


@pytest.mark.parametrize("k", [0, 1])
def test_fixed_effect_bounds_by_refitting(k: int, frame: pd.DataFrame, fits: dict[bool, bx.LikelihoodFit]) -> None:
    """Its column leaves the model and is subtracted from the response instead."""
    formula = ["moved ~ 0 + x", "moved ~ 1"][k] + FORMULA[len("y ~ x") :]
    for bound in profile_interval(profiler(fits[False], Quantity("beta", 0, k)), EXCESS):
        moved = frame["y"] - bound.value * (frame["x"] if k else 1.0)
        refitted = bx.Model(formula, frame.assign(moved=moved)).ml()
        assert_allclose(refitted.criterion - fits[False].criterion, EXCESS, atol=1e-6)


def test_linear_model_in_closed_form(frame: pd.DataFrame) -> None:
    """Without levels: n log(1 + t^2/(n - p)) for a fixed effect, n (s - 1 - log s), s = n-variance / sigma^2."""
    fit = bx.Model("y ~ x", frame).ml()
    n, se = len(frame), np.sqrt(np.diag(fit.solution.vcov))
    half = se[1] * np.sqrt(n * np.expm1(EXCESS / n))
    low, high = profile_interval(profiler(fit, Quantity("beta", 0, 1)), EXCESS)
    assert_allclose([low.value, high.value], fit.solution.beta[1] + half * np.array([-1, 1]), rtol=1e-7)
    for bound in profile_interval(profiler(fit, Quantity("sigma")), EXCESS):
        ratio = (fit.sigma / bound.value) ** 2
        assert_allclose(n * (ratio - 1 - np.log(ratio)), EXCESS, rtol=1e-6)


def _lme4_rows() -> list[Any]:
    rows = []
    for model in LME4["models"]:
        if model["dataset"] == "penicillin":
            continue  # crossed
        for row in model["intervals"]:
            label = f"{model['dataset']} {model['formula']}: {row['part']} {row['parameter']}"
            rows.append(pytest.param(model, row, id=label))
    return rows


@pytest.fixture(scope="module")
def tables(dataset: Callable[[str], pd.DataFrame]) -> Callable[[str, str], pd.DataFrame]:
    known: dict[tuple[str, str], pd.DataFrame] = {}

    def table(data: str, formula: str) -> pd.DataFrame:
        if (data, formula) not in known:
            known[data, formula] = bx.Model(formula, dataset(data)).reml().intervals("profile", scale="sd")
        return known[data, formula]

    return table


@pytest.mark.parametrize(("model", "row"), _lme4_rows())
def test_lme4(model: Any, row: Any, tables: Callable[[str, str], pd.DataFrame]) -> None:
    """lme4 interpolates between points of the profile, which errs by up to 2e-4 of the interval (Dyestuff)."""
    ours = tables(model["dataset"], model["formula"]).loc[(row["part"], row["parameter"])]
    width = row["high"] - row["low"]
    assert_allclose([ours["ci_low"], ours["ci_high"]], [row["low"], row["high"]], rtol=0, atol=3e-4 * width)
    assert ours["low_at_boundary"] == (row["low"] == 0)


def test_roots_of_lme4_deviance_function(tables: Callable[[str, str], pd.DataFrame]) -> None:
    """Where lme4's own interpolation fails, its deviance function and another optimiser; roots are found to 1e-9."""
    roots = LME4["hsb_roots"]
    table = tables("hsb", "math ~ ses + (ses | school)").loc["school"]
    assert_allclose(table.loc["sd(ses)", "ci_low"], roots["sd_ses_low"], rtol=1e-6)
    assert_allclose(table.loc["sd(ses)", "ci_high"], roots["sd_ses_high"], rtol=1e-6)
    corr = table.loc["corr(Intercept,ses)"]
    assert_allclose(corr["ci_high"], roots["corr_high"], rtol=1e-6)
    assert roots["corr_at_minus_1"] < EXCESS
    assert (corr["ci_low"], bool(corr["low_at_boundary"])) == (-1.0, True)


def test_deviance_at_a_correlation_of_1(hsb_model: bx.Model) -> None:
    at = profiler(hsb_model.ml(), Quantity("corr", 0, 1, 0))
    assert_allclose(at.point(-1.0).excess, LME4["hsb_roots"]["corr_at_minus_1"], atol=1e-6)


def test_estimate_on_the_boundary(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Dyestuff2: the variance is 0, so that only the upper bound is a root."""
    fit = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2")).ml()
    low, high = profile_interval(profiler(fit, Quantity("sd", 0)), EXCESS)
    assert (low.value, low.boundary, high.boundary) == (0.0, True, False)
    curve = profile_curve(profiler(fit, Quantity("sd", 0)), EXCESS, 5)
    assert [value for value, _ in curve] == pytest.approx(np.linspace(0, high.value, 6))


def test_curve(fits: dict[bool, bx.LikelihoodFit]) -> None:
    """Through the estimate, to both bounds, rising on both sides."""
    at = profiler(fits[False], Quantity("sd", 1, 1, 1))
    curve = np.array(profile_curve(at, EXCESS, 6))
    assert curve.shape == (13, 2)
    assert_allclose(curve[6], [at.estimate, 0])
    assert_allclose(curve[[0, -1], 1], EXCESS, atol=1e-6)
    assert (np.diff(curve[:7, 1]) < 0).all()
    assert (np.diff(curve[6:, 1]) > 0).all()


def test_variances_at_zero_are_left(rng: np.random.Generator) -> None:
    """Balanced one-way layout with an estimate of 0: less residual variance gives the groups max(0, SSB/J - s^2)/m."""
    J, m = 12, 4
    y = rng.normal(size=(J, m))
    y -= 0.8 * (y.mean(axis=1, keepdims=True) - y.mean())
    fit = bx.Model("y ~ 1 + (1 | g)", pd.DataFrame({"y": y.ravel(), "g": np.repeat(np.arange(J), m)})).ml()
    assert fit.singular
    between, within = m * ((y.mean(axis=1) - y.mean()) ** 2).sum(), ((y - y.mean(axis=1, keepdims=True)) ** 2).sum()
    at = profiler(fit, Quantity("sigma"))
    small = 0.5 * np.sqrt(between / J)
    for sigma in (0.9 * fit.sigma, small):
        total = max(sigma**2, between / J)  # sigma^2 + m tau^2
        deviance = J * (m - 1) * np.log(sigma**2) + J * np.log(total) + within / sigma**2 + between / total
        expected = deviance + J * m * np.log(2 * np.pi) - fit.criterion
        assert_allclose(at.point(sigma).excess, expected, atol=1e-6, rtol=1e-9)


def test_a_lower_optimum_is_not_passed_over(fits: dict[bool, bx.LikelihoodFit]) -> None:
    """A fit that stopped short is refused, never profiled as if it were the optimum."""
    solution = fits[False].solution
    short = replace(solution, beta=solution.beta + np.array([np.sqrt(solution.vcov[0, 0]), 0.0]))
    with pytest.raises(ConvergenceError, match="below that of the fit"):
        profile_interval(Profiler(fits[False].products, short, Quantity("beta", 0, 0)), EXCESS)


def test_a_second_optimum_is_found_out(fits: dict[bool, bx.LikelihoodFit], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where walking outward stays in a worse optimum, starts from elsewhere show it, and the search begins anew."""
    at = profiler(fits[False], Quantity("sd", 1, 1, 1))
    right = profile_interval(at, EXCESS)
    search = Profiler._minimise

    def stuck(self: Profiler, value: float, starts: list[np.ndarray]) -> tuple[float, np.ndarray]:
        deviance, x = search(self, value, starts)
        worse = 0.5 * abs(value / self.estimate - 1) if len(starts) == 1 else 0.0
        return deviance + worse, x

    monkeypatch.setattr(Profiler, "_minimise", stuck)
    found = profile_interval(at, EXCESS)
    assert_allclose([bound.value for bound in found], [bound.value for bound in right], rtol=1e-6)


def test_no_optimum(fits: dict[bool, bx.LikelihoodFit], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "minimise", lambda function, start: (0.0, start, False))
    with pytest.raises(ConvergenceError, match="could not be minimised with the sd held"):
        profile_interval(profiler(fits[False], Quantity("sd", 0)), EXCESS)


def test_undefined_correlation() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"y": rng.normal(size=60), "x": rng.normal(size=60), "g": np.arange(60) % 10})
    model = bx.Model("y ~ x + (x | g)", frame)
    solution = maximise(model.products, False)
    estimates = [Profiler(model.products, solution, Quantity("sd", 0, i, i)).estimate for i in (0, 1)]
    assert 0.0 in estimates
    assert np.isnan(Profiler(model.products, solution, Quantity("corr", 0, 1, 0)).estimate)
