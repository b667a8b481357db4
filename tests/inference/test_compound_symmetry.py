"""One correlation within groups, of either sign: dense algebra, closed forms, the REML fit where it is positive."""

import contextlib

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ConvergenceError, DesignError
from bayesmix.inference.compound_symmetry import SymmetryPoint, fit_compound_symmetry, symmetry_sums
from tests import dense
from tests.bayes import dense_problem
from tests.frames import flat_frame, random_frame

BOTH = pytest.mark.parametrize("reml", [True, False])


def unequal_model(rng: np.random.Generator, formula: str = "y ~ x + f + offset(z) + (1 | top)") -> bx.Model:
    return bx.Model(formula, random_frame(rng, 60))


def omegas(model: bx.Model) -> list[float]:
    """Negative to nearly the end, about 0 and large."""
    lowest = -1 / model.products.sizes.max()
    return [0.99 * lowest, 0.4 * lowest, 0.0, 0.3, 20.0]


def point(model: bx.Model, omega: float, reml: bool) -> SymmetryPoint:
    sums = symmetry_sums(model.products)
    return SymmetryPoint(sums, reml, float(np.log1p(omega * sums.sizes[-1])))


@BOTH
def test_criterion_and_derivatives(reml: bool, rng: np.random.Generator) -> None:
    """Of the dense normal density, whose covariance may be negative too."""
    model = unequal_model(rng)
    problem = dense_problem(model)
    for omega in omegas(model):
        found = point(model, omega, reml)
        assert_allclose(found.omega, omega, rtol=1e-12, atol=1e-15)

        def deviance(at: np.ndarray) -> object:
            return dense.profiled_deviance(problem, [at.reshape(1, 1)], reml)

        assert_allclose(found.value, deviance(np.array([omega])), rtol=1e-11)
        assert_allclose(found.slope, dense.complex_step(deviance, np.array([omega]))[0], rtol=1e-8, atol=1e-8)

        log_sigma2 = np.log(found.r2 / found.nu) + 2 * np.log(model.products.response_scale)

        def gradient(at: np.ndarray, problem: dense.Dense = problem) -> np.ndarray:
            def absolute(both: np.ndarray) -> object:
                sigma2 = np.exp(both[1])
                return dense.absolute_deviance(problem, [sigma2 * both[:1].reshape(1, 1)], sigma2, reml)

            return dense.complex_step(absolute, at)

        hessian = dense.central_difference(gradient, np.array([omega, log_sigma2]), 1e-5)
        assert_allclose(found.hessian, hessian, rtol=1e-5, atol=1e-5 * np.abs(hessian).max())


@BOTH
@pytest.mark.parametrize(
    ("formula", "name"),
    [("Yield ~ 1 + (1 | Batch)", "dyestuff"), ("math ~ ses + (1 | school)", "hsb"), ("y ~ x + f + (1 | top)", "")],
)
def test_positive_correlation_is_the_varying_intercept(
    formula: str, name: str, reml: bool, rng: np.random.Generator
) -> None:
    model = bx.Model(formula, bx.load_dataset(name) if name else random_frame(rng))
    fit = model.reml() if reml else model.ml()
    found = fit_compound_symmetry(model.products, reml, 0.95)
    assert found.omega > 0
    assert_allclose(found.omega, fit.theta[0] ** 2, rtol=1e-6)
    assert_allclose(found.sigma2, fit.sigma**2, rtol=1e-7)
    assert_allclose(found.criterion, fit.criterion, rtol=1e-12)
    assert_allclose(found.beta, fit.solution.beta, rtol=1e-7)
    assert_allclose(found.vcov, fit.solution.vcov, rtol=1e-6)
    jacobian = np.array([[found.sigma2, found.sigma2 * found.omega], [0.0, found.sigma2]])
    errors = np.sqrt(np.diag(jacobian @ found.information @ jacobian.T))
    assert_allclose(errors, fit.variance_components(se="reml" if reml else "ml")["se"], rtol=1e-6)


def test_balanced_closed_form() -> None:
    """sigma^2 = MSE and sigma^2 (1 + n omega) = MSA, also where MSA < MSE."""
    frame = bx.load_dataset("dyestuff2")
    means = frame.groupby("Batch", observed=True)["Yield"].mean()
    residual = float(((frame["Yield"] - means.loc[frame["Batch"]].to_numpy()) ** 2).sum() / 24)
    between = float(5 * means.var())
    assert between < residual
    found = fit_compound_symmetry(bx.Model("Yield ~ 1 + (1 | Batch)", frame).products, True, 0.95)
    assert_allclose([found.sigma2, found.omega], [residual, (between / residual - 1) / 5], rtol=1e-9)
    assert_allclose(found.beta, frame["Yield"].mean(), rtol=1e-12)
    assert_allclose(found.vcov, between / 30, rtol=1e-9)


@BOTH
def test_optimum_and_interval_of_unequal_groups(reml: bool, rng: np.random.Generator) -> None:
    """Nothing of a fine grid lies below; at the ends of the interval the criterion has risen by its quantile."""
    g = np.repeat(np.arange(12), [2, 3, 3, 4, 5, 5, 6, 6, 6, 6, 6, 6])
    frame = pd.DataFrame({"y": rng.normal(size=len(g)), "x": rng.normal(size=len(g)), "top": g})
    frame["y"] -= 0.6 * frame.groupby("top")["y"].transform("mean")
    model = bx.Model("y ~ x + (1 | top)", frame)
    problem = dense_problem(model)
    found = fit_compound_symmetry(model.products, reml, 0.9)
    assert found.omega < 0
    lowest = -1 / model.products.sizes.max()
    grid = np.append(lowest + np.geomspace(1e-6, 3, 400), found.omega)
    values = np.array([dense.profiled_deviance(problem, [np.array([[omega]])], reml) for omega in grid])
    assert_allclose(found.criterion, values.min(), atol=1e-9)
    rise = stats.chi2.ppf(0.9, 1)
    for end in found.omega_interval:
        value = dense.profiled_deviance(problem, [np.array([[end]])], reml)
        assert_allclose(value - found.criterion, rise, rtol=1e-7)
    V = problem.variance([np.array([[found.omega * found.sigma2]])], found.sigma2)
    R = np.linalg.solve(V, problem.X)
    assert_allclose(found.beta, np.linalg.solve(problem.X.T @ R, R.T @ problem.y), rtol=1e-8)
    assert_allclose(found.vcov, np.linalg.inv(problem.X.T @ R), rtol=1e-8)
    assert_allclose(found.independent, dense.profiled_deviance(problem, [np.zeros((1, 1))], reml), rtol=1e-12)


def test_without_fixed_effects(rng: np.random.Generator) -> None:
    model = bx.Model("y ~ 0 + (1 | top)", random_frame(rng))
    found, fit = fit_compound_symmetry(model.products, False, 0.95), model.ml()
    assert_allclose([found.criterion, found.sigma2], [fit.criterion, fit.sigma**2], rtol=1e-7)


def test_unbounded_likelihood(rng: np.random.Generator) -> None:
    """One largest group, whose sum the intercept can fit: ML rises without bound at the end, REML does not."""
    frame = pd.DataFrame({"y": rng.normal(size=65), "g": np.repeat(np.arange(21), [3] * 20 + [5])})
    model = bx.Model("y ~ 1 + (1 | g)", frame)
    found = fit_compound_symmetry(model.products, False, 0.95)
    problem = dense_problem(model)
    end = dense.profiled_deviance(problem, [np.array([[-0.2 + 1e-9]])], False)
    assert found.unbounded and end < found.criterion
    for omega in (found.omega - 1e-3, found.omega + 1e-3):
        assert dense.profiled_deviance(problem, [np.array([[omega]])], False) > found.criterion
    assert_allclose(point(model, found.omega, False).slope, 0.0, atol=1e-9)


def test_no_optima_made_by_rounding() -> None:
    """One largest group again: REML is flat towards the end, and often without a maximum before it."""
    rng = np.random.default_rng(5)
    omegas = []
    for _ in range(40):
        frame = pd.DataFrame({"y": rng.normal(size=14), "g": np.repeat(np.arange(4), [3, 3, 3, 5])})
        frame["y"] -= 0.5 * frame.groupby("g")["y"].transform("mean")
        products = bx.Model("y ~ 1 + (1 | g)", frame).products
        with contextlib.suppress(ConvergenceError):
            omegas.append(fit_compound_symmetry(products, True, 0.95).omega)
    assert 0 < len(omegas) < 40
    assert min(omegas) > -0.2 + 1e-4


def test_no_maximum() -> None:
    """Residuals that sum to 0 in every group make the likelihood rise to the lowest correlation there is."""
    flat = bx.Model("y ~ x + (1 | g)", flat_frame())
    with pytest.raises(ConvergenceError, match="largest groups sum to nothing"):
        fit_compound_symmetry(flat.products, True, 0.95)
    frame = pd.DataFrame({"y": np.repeat([1.0, 2.0, 4.0], 4), "g": np.repeat(list("abc"), 4)})
    with pytest.raises(ConvergenceError, match="of each group are all equal"):
        fit_compound_symmetry(bx.Model("y ~ 1 + (1 | g)", frame).products, True, 0.95)


@pytest.mark.filterwarnings("ignore:Level 'g'")
def test_groups_that_are_fixed_effects_too(rng: np.random.Generator) -> None:
    frame = pd.DataFrame({"y": rng.normal(size=15), "g": np.repeat(list("abc"), 5)})
    with pytest.raises(DesignError, match="fit the means of the groups"):
        fit_compound_symmetry(bx.Model("y ~ g + (1 | g)", frame).products, True, 0.95)
