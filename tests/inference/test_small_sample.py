"""The whitened covariance of the fixed effects and its derivatives, against dense algebra in (sigma^2, Sigma)."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.inference.kenward_roger import adjusted_errors, kenward_roger_df, kenward_roger_test
from bayesmix.inference.satterthwaite import satterthwaite_df, satterthwaite_test
from bayesmix.inference.small_sample import differentiate_vcov, large_sample_test, standard_errors
from tests.frames import dense_problem, random_frame

FORMULAS = [
    "y ~ x + (1 | top)",
    "y ~ x + z + (x | top)",
    "y ~ x + (x || top)",
    "y ~ x + (0 + x | top)",
    "y ~ x * z + (1 | top/inner)",
    "y ~ x + f + (x | top) + (1 | top:inner)",
]


@dataclass(frozen=True)
class Slow:
    """Everything of the articles, from n x n matrices."""

    phi: np.ndarray  # covariance of the fixed effects
    slopes: np.ndarray  # its derivatives in (sigma^2, Sigma)
    observed: np.ndarray  # covariance of the variances, by the observed information
    expected: np.ndarray  # by the expected REML information
    P: np.ndarray
    Q: np.ndarray

    @property
    def adjusted(self) -> np.ndarray:
        """Kenward & Roger (1997), eq. 5; V is linear in its parameters."""
        m, total = len(self.P), np.zeros_like(self.phi)
        for i in range(m):
            for j in range(m):
                total += self.expected[i, j] * (self.Q[i, j] - self.P[i] @ self.phi @ self.P[j])
        return self.phi + 2 * self.phi @ total @ self.phi


def slow(fit: bx.LikelihoodFit) -> Slow:
    problem, covariances = dense_problem(fit)
    places = [
        (number, row, column)
        for number, level in enumerate(fit.design.levels)
        for start, stop in level.blocks
        for column in range(start, stop)
        for row in range(column, stop)
    ]
    bases = [np.eye(problem.n)]
    for level, row, column in places:
        matrix = np.zeros_like(covariances[level])
        matrix[row, column] = matrix[column, row] = 1.0
        bases.append(problem.spread(level, matrix))
    at = np.array([fit.sigma**2, *(covariances[level][row, column] for level, row, column in places)])
    X, y = problem.X, problem.y
    inverse = np.linalg.inv(np.tensordot(at, bases, 1))
    phi = np.linalg.inv(X.T @ inverse @ X)
    P = np.array([-X.T @ inverse @ one @ inverse @ X for one in bases])
    Q = np.array([[X.T @ inverse @ one @ inverse @ two @ inverse @ X for two in bases] for one in bases])
    K = inverse - inverse @ X @ phi @ X.T @ inverse
    traces = np.array([[np.sum((K @ one) * (K @ two).T) / 2 for two in bases] for one in bases])
    # Half the Hessian of the deviance, beta profiled out: y'K V_i K V_j K y less half the trace.
    Ky = K @ y
    lost = [K @ one for one in bases] if fit.method == "REML" else [inverse @ one for one in bases]
    observed = np.array([[Ky @ one @ K @ two @ Ky for two in bases] for one in bases])
    observed -= np.array([[np.sum(one * two.T) / 2 for two in lost] for one in lost])
    return Slow(phi, -phi @ P @ phi, np.linalg.inv(observed), np.linalg.inv(traces), P, Q)


@pytest.fixture(params=FORMULAS, scope="module")
def fit(request: pytest.FixtureRequest) -> bx.LikelihoodFit:
    # Large groups, so that every variance is well inside the parameter space, where any parameters give the same df.
    found = bx.Model(request.param, random_frame(np.random.default_rng(2), n=150, groups=10)).reml()
    assert not found.singular
    return found


@pytest.fixture(scope="module")
def reference(fit: bx.LikelihoodFit) -> Slow:
    return slow(fit)


@pytest.fixture
def contrasts(fit: bx.LikelihoodFit, rng: np.random.Generator) -> np.ndarray:
    """Two of them, in the units of the columns."""
    return rng.normal(size=(2, fit.products.n_fixed)) / np.sqrt(np.diag(fit.solution.vcov))


def slow_satterthwaite(reference: Slow, row: np.ndarray) -> float:
    slopes = np.array([row @ slope @ row for slope in reference.slopes])
    return float(2 * (row @ reference.phi @ row) ** 2 / (slopes @ reference.observed @ slopes))


def test_standard_errors(fit: bx.LikelihoodFit, contrasts: np.ndarray) -> None:
    sample = differentiate_vcov(fit.products, fit.solution)
    expected = np.sqrt(np.diag(contrasts @ fit.solution.vcov @ contrasts.T))
    assert_allclose(standard_errors(sample, contrasts), expected, rtol=1e-9)


def test_satterthwaite(fit: bx.LikelihoodFit, reference: Slow, contrasts: np.ndarray) -> None:
    sample = differentiate_vcov(fit.products, fit.solution)
    expected = [slow_satterthwaite(reference, row) for row in contrasts]
    assert_allclose(satterthwaite_df(sample, contrasts), expected, rtol=1e-5)


@pytest.mark.parametrize("formula", FORMULAS)
def test_satterthwaite_after_ml(formula: str) -> None:
    fit = bx.Model(formula, random_frame(np.random.default_rng(2), n=150, groups=10)).ml()
    assert not fit.singular
    contrasts = np.eye(fit.products.n_fixed)
    reference = slow(fit)
    expected = [slow_satterthwaite(reference, row) for row in contrasts]
    sample = differentiate_vcov(fit.products, fit.solution)
    assert_allclose(satterthwaite_df(sample, contrasts), expected, rtol=1e-5)
    assert sample.adjustment is None


def test_satterthwaite_of_several(fit: bx.LikelihoodFit, reference: Slow, contrasts: np.ndarray) -> None:
    """As lmerTest's contestMD: eigenvectors of L Phi L', a t test on each, the moment of F matched."""
    distance = contrasts @ fit.solution.beta
    values, vectors = np.linalg.eigh(contrasts @ reference.phi @ contrasts.T)
    nu = np.array([slow_satterthwaite(reference, row) for row in vectors.T @ contrasts])
    assert (nu > 2).all()
    E = (nu / (nu - 2)).sum()
    test = satterthwaite_test(differentiate_vcov(fit.products, fit.solution), contrasts, distance)
    assert test.num_df == 2
    assert test.scale == 1
    assert_allclose(test.statistic, ((vectors.T @ distance) ** 2 / values).sum() / 2, rtol=1e-6)
    assert_allclose(test.den_df, 2 * E / (E - 2), rtol=1e-5)


def test_kenward_roger(fit: bx.LikelihoodFit, reference: Slow, contrasts: np.ndarray) -> None:
    sample = differentiate_vcov(fit.products, fit.solution)
    expected = np.sqrt(np.diag(contrasts @ reference.adjusted @ contrasts.T))
    assert_allclose(adjusted_errors(sample, contrasts), expected, rtol=1e-7)
    assert (expected > standard_errors(sample, contrasts)).all()
    df = [slow_kenward_roger(reference, row[None, :])[0] for row in contrasts]
    assert_allclose(kenward_roger_df(sample, contrasts), df, rtol=1e-6)


def slow_kenward_roger(reference: Slow, L: np.ndarray) -> tuple[float, float]:
    """Denominator df and scale, term by term as in the article and in pbkrtest."""
    phi, P, W, q = reference.phi, reference.P, reference.expected, len(L)
    theta = L.T @ np.linalg.solve(L @ phi @ L.T, L)
    A1 = A2 = 0.0
    for i in range(len(P)):
        for j in range(len(P)):
            one, two = theta @ phi @ P[i] @ phi, theta @ phi @ P[j] @ phi
            A1 += W[i, j] * np.trace(one) * np.trace(two)
            A2 += W[i, j] * np.trace(one @ two)
    B = (A1 + 6 * A2) / (2 * q)
    g = ((q + 1) * A1 - (q + 4) * A2) / ((q + 2) * A2)
    c1, c2, c3 = (part / (3 * q + 2 * (1 - g)) for part in (g, q - g, q + 2 - g))
    mean = 1 / (1 - A2 / q)
    variance = 2 / q * (1 + c1 * B) / ((1 - c2 * B) ** 2 * (1 - c3 * B))
    rho = variance / (2 * mean**2)
    m = 4 + (q + 2) / (q * rho - 1)
    return m, m / (mean * (m - 2))


def test_kenward_roger_of_several(fit: bx.LikelihoodFit, reference: Slow, contrasts: np.ndarray) -> None:
    distance = contrasts @ fit.solution.beta
    df, scale = slow_kenward_roger(reference, contrasts)
    unscaled = distance @ np.linalg.solve(contrasts @ reference.adjusted @ contrasts.T, distance) / 2
    test = kenward_roger_test(differentiate_vcov(fit.products, fit.solution), contrasts, distance)
    assert test.num_df == 2
    assert_allclose(test.den_df, df, rtol=1e-6)
    assert_allclose(test.scale, scale, rtol=1e-6)
    assert_allclose(test.statistic, scale * unscaled, rtol=1e-6)


def test_large_sample(fit: bx.LikelihoodFit, contrasts: np.ndarray) -> None:
    distance = contrasts @ fit.solution.beta - 1
    test = large_sample_test(differentiate_vcov(fit.products, fit.solution), contrasts, distance, 17.0)
    V = contrasts @ fit.solution.vcov @ contrasts.T
    assert_allclose(test.statistic, distance @ np.linalg.solve(V, distance) / 2, rtol=1e-8)
    assert (test.num_df, test.den_df, test.scale) == (2, 17.0, 1.0)


def test_one_contrast_tested_alone_or_as_several(fit: bx.LikelihoodFit) -> None:
    """F is t squared, on the same df, unscaled."""
    sample = differentiate_vcov(fit.products, fit.solution)
    row = np.eye(fit.products.n_fixed)[[1]]
    beta = row @ fit.solution.beta
    one, two = satterthwaite_test(sample, row, beta), kenward_roger_test(sample, row, beta)
    assert_allclose(one.statistic, (beta / standard_errors(sample, row)) ** 2)
    assert_allclose(one.den_df, satterthwaite_df(sample, row))
    assert_allclose(two.statistic, (beta / adjusted_errors(sample, row)) ** 2)
    assert_allclose(two.den_df, kenward_roger_df(sample, row))
    assert_allclose(two.scale, 1.0)


def test_a_direction_that_is_no_parameter(rng: np.random.Generator) -> None:
    """``||`` over a factor counts a common intercept twice; the criterion is flat along it and the df do not see it."""
    frame = random_frame(rng, n=300, groups=12)
    frame["y"] += 4 * rng.normal(size=(12, 3))[frame["top"], frame["f"].map({"a": 0, "b": 1, "c": 2})]
    fits = [bx.Model(f"y ~ f + {part}", frame).reml() for part in ("(0 + f | top)", "(f || top)")]
    assert_allclose(fits[1].criterion, fits[0].criterion, rtol=1e-10)
    one, two = (differentiate_vcov(fit.products, fit.solution) for fit in fits)
    assert_allclose(satterthwaite_df(two, np.eye(3)), satterthwaite_df(one, np.eye(3)), rtol=1e-5)
    assert_allclose(kenward_roger_df(two, np.eye(3)), kenward_roger_df(one, np.eye(3)), rtol=1e-5)
    assert_allclose(adjusted_errors(two, np.eye(3)), adjusted_errors(one, np.eye(3)), rtol=1e-6)


@pytest.mark.parametrize("formula", ["y ~ x + (x | top)", "y ~ x + (1 | top/inner)"])
@pytest.mark.parametrize("shift, unit", [(1e6, 1.0), (0.0, 1e6), (-3e4, 1e-5)])
def test_units_and_means_of_a_column_do_not_matter(formula: str, shift: float, unit: float) -> None:
    frame = random_frame(np.random.default_rng(2), n=150, groups=10)
    moved = frame.assign(x=unit * (frame["x"] + shift))
    one, two = bx.Model(formula, frame).reml(), bx.Model(formula, moved).reml()
    row = np.array([[0.0, 1.0]])
    first, second = (differentiate_vcov(fit.products, fit.solution) for fit in (one, two))
    assert_allclose(unit * standard_errors(second, row), standard_errors(first, row), rtol=1e-6)
    assert_allclose(unit * adjusted_errors(second, row), adjusted_errors(first, row), rtol=1e-6)
    assert_allclose(satterthwaite_df(second, row), satterthwaite_df(first, row), rtol=1e-5)
    assert_allclose(kenward_roger_df(second, row), kenward_roger_df(first, row), rtol=1e-5)
    both = [satterthwaite_test(sample, np.eye(2)[::-1], fit.solution.beta[::-1]) for sample, fit in
            ((first, one), (second, two))]  # fmt: skip
    if shift == 0:
        assert_allclose(both[1].statistic, both[0].statistic, rtol=1e-6)


def test_least_squares_has_its_residual_df(hsb: object) -> None:
    """Exactly, by every method, and without an adjustment of the standard errors."""
    fit = bx.Model("math ~ ses + sector", hsb).reml()
    sample = differentiate_vcov(fit.products, fit.solution)
    for df in (satterthwaite_df(sample, np.eye(3)), kenward_roger_df(sample, np.eye(3))):
        assert_allclose(df, 7182, rtol=1e-10)
    assert_allclose(adjusted_errors(sample, np.eye(3)), standard_errors(sample, np.eye(3)), rtol=1e-12)
    test = kenward_roger_test(sample, np.eye(3)[1:], fit.solution.beta[1:])
    assert_allclose([test.den_df, test.scale], [7182, 1], rtol=1e-8)


def test_fifty_thousand_rows(rng: np.random.Generator) -> None:
    """An n x n matrix would take 20 GB."""
    n, groups = 50_000, 300
    g = rng.integers(groups, size=n)
    x = rng.normal(size=n)
    u = rng.normal(size=(groups, 2)) * [1.0, 0.3]
    frame = {"y": 1 + x + u[g, 0] + u[g, 1] * x + rng.normal(size=n), "x": x, "g": g}
    fit = bx.Model("y ~ x + (x | g)", frame).reml()
    sample = differentiate_vcov(fit.products, fit.solution)
    for df in (satterthwaite_df(sample, np.eye(2)), kenward_roger_df(sample, np.eye(2))):
        # Balanced but for chance: a random coefficient has one degree of freedom for each group but one.
        assert_allclose(df, groups - 1, rtol=0.01)


def test_results_are_frozen(hsb_reml: bx.LikelihoodFit) -> None:
    sample = differentiate_vcov(hsb_reml.products, hsb_reml.solution)
    assert sample.adjustment is not None
    for array in (sample.slopes, sample.inverse_hessian, sample.adjustment.weights):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0
