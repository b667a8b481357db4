"""The density that is integrated: dense algebra, the graph that was sampled, and integrals of its priors over all."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.inference.draws import correlation_roots, given_coefficient_draws, variance_draws
from bayesmix.inference.folded import Folded, fold
from bayesmix.inference.graph import marginal_graph
from bayesmix.inference.naming import partial_name, sd_name
from bayesmix.inference.priors import given_shift
from tests import dense
from tests.bayes import INTERPRETED, Fits, dense_problem, shuffled_frame, user_prior
from tests.frames import random_frame

FORMULA = "y ~ x + z + (x | top) + (1 | top:inner)"
SETS: dict[str, Any] = {
    "default": "default",
    "coefficients": {"Intercept": "Cauchy(40, 9)", "x": "Gamma(2, 2)", "z": "Uniform(-9, 7)"},
    "sds": {"sd(top)": "Exponential(1)", "sd(x | top)": "LogNormal(0, 1)", "sigma": "Gamma(2, 0.7)", "cor": "LKJ(0.7)"},
    "bounded sds": {"1|top:inner_sigma": "Uniform(0, 30)", "sigma": "InverseGamma(3, 6)", "cor": "LKJ(1)"},
    "folded": {"sd": "HalfNormal(4)", "sigma": "HalfCauchy(3)", "x": "Laplace(0, 1)"},
    "icc": {"icc(top)": "Beta(2, 3)", "sd(top:inner)": "Weibull(2, 3)"},
    "R2": {"R2": "Beta(2, 1.5)"},
    "rstanarm": "rstanarm",
}


def folded(model: bx.Model, sampled: dict[str, np.ndarray] | None = None) -> Folded:
    return fold(model.design, model.products, model.priors.numbers, sampled or {})


def some_points(target: Folded, rng: np.random.Generator, m: int = 3) -> np.ndarray:
    return rng.uniform(-1.2, 1.2, size=(m, target.dimension))


@pytest.mark.parametrize("name", SETS)
def test_the_density_of_the_graph(name: str, rng: np.random.Generator) -> None:
    """That which is sampled with every sd in logarithms, its Jacobian with it."""
    model = bx.Model(FORMULA, random_frame(rng), priors=SETS[name])
    for offsets in ({}, {"x_offset": np.zeros(1)}) if name == "R2" else ({},):
        target = folded(model, offsets)
        graph = marginal_graph(model.design, model.products, model.priors.numbers, target.geometry)
        value = graph.compile_logp(jacobian=True, mode=INTERPRETED)
        points = some_points(target, rng, 2)
        expected = []
        for point in points:
            at: dict[str, Any] = {}
            start = 0
            for variable, rv in zip(target.variables, graph.free_RVs, strict=True):
                part = point[start : start + variable.size]
                start += variable.size
                at[graph.rvs_to_values[rv].name] = part if variable.kind == "share" else part[0]
            expected.append(float(value(at)))
        # The graph holds some constants of Beta densities to single precision.
        assert_allclose(target.log_density(points), expected, rtol=1e-9)


@pytest.mark.parametrize("name", SETS)
def test_priors_integrate_to_one(name: str, rng: np.random.Generator) -> None:
    """The coordinates are independent under the prior: the integrals along each line, over the value, give 1."""
    model = bx.Model("y ~ x + z + (x + z | top) + (1 | top:inner)", random_frame(rng), priors=SETS[name])
    offsets = {f"{term}_offset": np.zeros(1) for term in ("x", "z")} if name == "R2" else {}
    target = folded(model, offsets)
    base = some_points(target, rng, 1)[0]
    here = float(target.log_prior(base[None])[0])
    place, weight = np.polynomial.legendre.leggauss(30)
    # Far out in few steps, as a Cauchy prior has it, and with a border at 0, where Laplace's has its edge.
    steps = (np.arange(-36, 36)[:, None] + (place + 1) / 2).ravel() / 3
    along, weights = 2 * np.sinh(steps), np.tile(weight / 6, 72) * 2 * np.cosh(steps)
    total = here
    for k in range(target.dimension):
        moved = np.tile(base, (len(along), 1))
        moved[:, k] = along
        with np.errstate(all="ignore"):
            total += np.log(weights @ np.nan_to_num(np.exp(target.log_prior(moved) - here)))
    assert_allclose(total, 0.0, atol=1e-3 if name == "coefficients" else 1e-6)


def test_partial_correlations_have_the_prior_of_their_matrix(rng: np.random.Generator) -> None:
    """LKJ(eta) in three effects: ratios of |C|^(eta - 1), times the change of volume by differences."""
    model = bx.Model("y ~ x + z + (x + z | top)", random_frame(rng), priors={"cor": "LKJ(2.5)"})
    target = folded(model)
    points = some_points(target, rng, 2)
    points[:, :-3] = points[0, :-3]

    def correlations(partials: np.ndarray) -> np.ndarray:
        root = correlation_roots(np.tanh(partials / 2)[None], 3)[0]
        return (root @ root.T)[np.tril_indices(3, -1)]

    logs = []
    for point in points:
        r = correlations(point[-3:])
        C = np.eye(3)
        C[np.tril_indices(3, -1)] = r
        C = C + np.tril(C, -1).T
        slope = dense.central_difference(correlations, point[-3:], 1e-3)
        logs.append(1.5 * np.linalg.slogdet(C)[1] + np.linalg.slogdet(slope)[1])
    found = target.log_prior(points)
    assert_allclose(found[1] - found[0], logs[1] - logs[0], rtol=1e-8)


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "weights": (FORMULA, {"weights": "w"}),
    "offset": ("y ~ x + offset(z) + (x || top)", {}),
    "three levels, weights, offset": ("y ~ x + offset(z) + (x | top) + (1 | top:inner)", {"weights": "w"}),
    "crossed": ("y ~ x + (x | top) + (1 | f)", {}),
    "crossed with a chain": ("y ~ x + (1 | top/inner) + (x | code)", {"weights": "w"}),
    "no levels": ("y ~ x + z", {"weights": "w"}),
    "no intercept": ("y ~ 0 + x + (0 + x | top)", {}),
    "no fixed effects": ("y ~ 0 + (1 | top)", {}),
    "aliased": ("y ~ x + I(2*x) + (1 | top)", {}),
    "far-off predictor": ("y ~ big + (big | top)", {}),
}


@pytest.mark.filterwarnings("ignore::bayesmix.BayesmixWarning")
@pytest.mark.parametrize("case", CASES)
def test_marginal_density_is_the_dense_one(case: str, rng: np.random.Generator) -> None:
    """The multivariate normal density of all rows, at hyperparameters that are given."""
    formula, options = CASES[case]
    frame = shuffled_frame(rng)
    frame = frame.assign(w=rng.uniform(0.2, 5, size=len(frame)), big=1e4 + frame["x"])
    model = bx.Model(formula, frame, **options)
    target = folded(model)
    points = some_points(target, rng)
    variances = variance_draws(model.design, model.priors.numbers, target.geometry, target.values(points))
    problem, prior = dense_problem(model), user_prior(model)
    expected = [
        dense.log_density(problem, [sigma[i] for sigma in variances.covariances], variances.sigma[i] ** 2, prior)
        for i in range(len(points))
    ]
    # At a predictor of mean 1e4 the dense algebra has 1e-8 left.
    assert_allclose(target.log_likelihood(points), expected, rtol=1e-7 if "far" in case else 1e-10)


def test_scipy_says_the_same(rng: np.random.Generator) -> None:
    """By scipy's multivariate normal, written out for one model: weights, an offset, two nested levels."""
    frame = random_frame(rng).assign(w=rng.uniform(0.2, 5, size=120))
    model = bx.Model("y ~ offset(z) + (1 | top) + (1 | top:inner)", frame, weights="w")
    target = folded(model)
    sds = np.array([1.7, 0.9, 2.1])  # sigma, then the levels from below
    V = np.diag(sds[0] ** 2 / frame["w"].to_numpy())
    inner = 3 * frame["top"].to_numpy() + frame["inner"].to_numpy()
    V += sds[1] ** 2 * (inner[:, None] == inner) + sds[2] ** 2 * (
        frame["top"].to_numpy()[:, None] == frame["top"].to_numpy()
    )
    prior = model.priors.numbers.beta[0]
    V += prior.sd**2
    expected = stats.multivariate_normal.logpdf(frame["y"], prior.mean + frame["z"], V)
    assert [variable.name for variable in target.variables] == ["sigma", "1|top:inner_sigma", "1|top_sigma"]
    assert_allclose(target.log_likelihood(np.log(sds)[None]), [expected], rtol=1e-10)


def test_coefficients_that_are_given(rng: np.random.Generator) -> None:
    """The others integrated against their normal priors, constants and all."""
    model = bx.Model(FORMULA, random_frame(rng), priors={"x": "Laplace(0, 1)"})
    target = folded(model)
    points = some_points(target, rng)
    raw = target.values(points)
    variances = variance_draws(model.design, model.priors.numbers, target.geometry, raw)
    problem, names = dense_problem(model), model.design.fixed_names
    means = model.design.fixed_values.mean(axis=0)
    one, z = (model.priors.numbers.beta[names.index(name)] for name in ("Intercept", "z"))
    A = np.array([[1.0, means[2]], [0.0, 1.0]])
    precision = A.T @ np.diag([one.sd**-2, z.sd**-2]) @ A
    for i, value in enumerate(raw["x"]):
        # The intercept's prior holds at the means of both other columns.
        mean = np.linalg.solve(A, np.array([one.mean - means[1] * value, z.mean]))
        rest = dense.Dense(problem.X[:, [0, 2]], problem.y - problem.X[:, 1] * value, problem.columns, problem.codes)
        expected = dense.log_density(
            rest, [sigma[i] for sigma in variances.covariances], variances.sigma[i] ** 2, dense.Normal(mean, precision)
        )
        assert_allclose(target.log_likelihood(points[i : i + 1]), [expected], rtol=1e-10)
    fixed = given_coefficient_draws(model.design, model.priors.numbers, target.geometry, raw)
    assert np.any(given_shift(model.priors.numbers, model.products) != 0)
    assert_allclose(fixed[:, 0], raw["x"])


@pytest.mark.parametrize("name", ["dyestuff2", "hsb_fits", "sleepstudy", "pastes"])
def test_folding_changes_no_covariance(name: str, request: pytest.FixtureRequest) -> None:
    """The covariances of folded draws are those reported, whatever signs were sampled."""
    fits: Fits = request.getfixturevalue(name)
    raw = fits.post.idata["unconstrained_posterior"].to_dataset()
    sampled = {str(key): raw[key].to_numpy() for key in raw.data_vars}
    target = folded(fits.model, sampled)
    points = target.coordinates(sampled)
    flat = points.reshape(-1, target.dimension)
    found = variance_draws(fits.model.design, fits.model.priors.numbers, target.geometry, target.values(flat))
    for ours, reported in zip(found.covariances, fits.post.parameters.covariances, strict=True):
        assert_allclose(ours, reported.reshape(ours.shape), rtol=1e-9, atol=1e-12)
    signed = [key for key in sampled if key.endswith("_signed")]
    assert bool(signed) == (name != "sleepstudy")
    if name == "hsb_fits":
        assert (sampled[signed[0]] < 0).any()
        assert (target.values(flat)["ses|school_sigma"] > 0).all()
        share = target.values(flat)[partial_name("school", 0)][:, 0]
        negative = (sampled[signed[0]] < 0).ravel()
        before = sampled[partial_name("school", 0)].reshape(-1)
        assert_allclose(share[negative], 1 - before[negative])
        assert_allclose(share[~negative], before[~negative])


def test_units_of_the_response(rng: np.random.Generator) -> None:
    """y in other units, its data-scaled priors with it: N log c and no more."""
    frame, c = random_frame(rng), 1e3
    one, two = (bx.Model(FORMULA, frame.assign(y=frame["y"] * scale)) for scale in (1.0, c))
    target, other = folded(one), folded(two)
    points = some_points(target, rng)
    moved = points.copy()
    for k, variable in enumerate([v for v in target.variables for _ in range(v.size)]):
        moved[:, k] += np.log(c) if variable.kind == "log" else 0.0
    assert_allclose(other.log_density(moved), target.log_density(points) - len(frame) * np.log(c), rtol=1e-11)


def test_what_floats_can_not_hold(rng: np.random.Generator) -> None:
    target = folded(bx.Model(FORMULA, random_frame(rng)))
    points = some_points(target, rng, 4)
    points[0, 0], points[1, 1], points[2, -1] = 800.0, -800.0, 60.0
    found = target.log_density(points)
    assert not np.isnan(found).any()
    assert np.isfinite(found[3])
    assert found[0] == -np.inf


def test_names(rng: np.random.Generator) -> None:
    """Signed variables and effects of groups among the draws are read, and not needed."""
    frame = pd.DataFrame(random_frame(rng))
    model = bx.Model("y ~ x + (x || top)", frame)
    name = sd_name("x", "top")
    sampled = {
        "sigma": np.full((1, 2), 2.0),
        sd_name("Intercept", "top"): np.full((1, 2), 3.0),
        f"{name}_signed": np.array([[-0.5, 0.5]]),
        "top_effects": np.zeros((1, 2, 16)),
    }
    target = folded(model, sampled)
    assert_allclose(target.coordinates(sampled), np.log(np.broadcast_to([2.0, 3.0, 0.5], (1, 2, 3))))
