"""Predicted rows and the covariance of their errors, against dense algebra on the user's own columns."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.inference import prediction
from bayesmix.inference.prediction import (
    AVERAGED,
    Functionals,
    MixedEquations,
    Rows,
    design_rows,
    mixed_equations,
    stack_rows,
)
from tests import dense
from tests.frames import dense_problem, random_frame

FORMULAS = [
    "y ~ x + (1 | top)",
    "y ~ x + (x || top)",
    "y ~ 1 + (x + z | top)",  # effects without a fixed counterpart
    "y ~ x + z + (x | top/inner)",
    "y ~ 0 + f + (x || top/inner)",
    "y ~ x * f + (0 + z | top) + (x | top:inner)",
    "y ~ x + offset(z) + (f | top)",
    "y ~ x + (z | top) + (1 | shift)",  # crossed
    "y ~ 0 + (1 | top/inner) + (x | shift)",  # crossed, without fixed effects
    "y ~ x + z",
]


@pytest.fixture(params=[(formula, weighted) for formula in FORMULAS for weighted in (False, True)], ids=str)
def fit(request: pytest.FixtureRequest, rng: np.random.Generator) -> bx.LikelihoodFit:
    formula, weighted = request.param
    shift = rng.choice(["day", "late", "night", "off"], size=120)
    frame = random_frame(rng).assign(w=rng.uniform(0.3, 3.0, size=120), shift=shift)
    return bx.Model(formula, frame, weights="w" if weighted else None).reml()


@dataclass(frozen=True)
class Joint:
    """Mean and covariance of (beta, u) with the groups of every level, and the weights of rows on them."""

    mean: np.ndarray
    covariance: np.ndarray
    counts: tuple[int, ...]

    def loadings(self, rows: Rows) -> np.ndarray:
        parts = [rows.fixed]
        for columns, codes, J in zip(rows.effects, rows.codes, self.counts, strict=True):
            spread = np.zeros((rows.n, J, columns.shape[1]))
            for i in np.flatnonzero(codes != AVERAGED):
                spread[i, codes[i]] = columns[i]
            parts.append(spread.reshape(rows.n, -1))
        return np.hstack(parts)


def joint_posterior(fit: bx.LikelihoodFit, counts: tuple[int, ...], further: tuple[Rows, np.ndarray] | None) -> Joint:
    """beta from the rows of the fit alone; group effects given beta from all rows; new groups by their variance."""
    problem, covariances = dense_problem(fit)
    p, residual = problem.X.shape[1], fit.sigma**2
    first = dense.effects_posterior(problem, covariances, residual, dense.Flat())
    beta, spread = first.mean[:p], first.covariance[:p, :p]
    rows, y = design_rows(fit.design), fit.design.response
    if further is not None:
        rows, y = stack_rows(rows, further[0]), np.concatenate([y, further[1]])
    # Groups without rows are given one of no weight at all: a row of zeros that the response fits.
    empty = Rows(
        np.zeros((sum(counts), p)), np.zeros(sum(counts)),
        tuple(np.zeros((sum(counts), z.shape[1])) for z in rows.effects),
        tuple(np.minimum(np.arange(sum(counts)), J - 1) for J in counts),
    )  # fmt: skip
    whole = stack_rows(rows, empty)
    response = np.concatenate([y - rows.offset, np.zeros(sum(counts))])
    extended = dense.Dense(whole.fixed, response, whole.effects, whole.codes, whole.weights)

    def given(value: np.ndarray) -> dense.Posterior:
        return dense.effects_posterior(extended, covariances, residual, dense.Explicit(value))

    at = given(beta)
    slope = np.array([given(beta + unit).mean - at.mean for unit in np.eye(p)]).T.reshape(len(at.mean), p)
    crossed = spread @ slope.T
    covariance = np.block([[spread, crossed], [crossed.T, at.covariance + slope @ crossed]])
    return Joint(np.concatenate([beta, at.mean]), covariance, counts)


def random_rows(fit: bx.LikelihoodFit, counts: tuple[int, ...], rng: np.random.Generator, n: int) -> Rows:
    """Columns of rows of the fit, moved; groups known, new, or averaged over."""
    whole = design_rows(fit.design)
    pick = rng.integers(whole.n, size=n)
    some = whole.take(pick)
    codes = tuple(rng.integers(AVERAGED, J, size=n) for J in counts)
    moved = tuple(z * rng.uniform(0.5, 1.5, size=z.shape) for z in some.effects)
    fixed = some.fixed * rng.uniform(0.5, 1.5, size=some.fixed.shape)
    return Rows(fixed, some.offset, moved, codes, some.weights)


def check(equations: MixedEquations, joint: Joint, rows: Rows) -> None:
    loadings = joint.loadings(rows)
    expected = loadings @ joint.covariance @ loadings.T
    scale = np.abs(expected).max()
    functionals = equations.functionals(rows)
    mean = rows.offset + loadings @ joint.mean
    assert_allclose(equations.means(rows), mean, rtol=1e-8, atol=1e-8 * np.abs(mean).max(initial=0.0))
    assert_allclose(equations.variances(functionals), np.diag(expected), rtol=1e-7, atol=1e-9 * scale)
    assert_allclose(equations.covariance(functionals), expected, rtol=1e-6, atol=1e-9 * scale)
    weights = np.linspace(-1, 2, 3 * rows.n).reshape(3, rows.n)
    combined = equations.covariance(functionals.combine(weights))
    assert_allclose(combined, weights @ expected @ weights.T, rtol=1e-6, atol=1e-8 * np.abs(combined).max())


def sizes(fit: bx.LikelihoodFit, more: int = 0) -> tuple[int, ...]:
    return tuple(len(level.grouping.labels) + more for level in fit.design.levels)


@pytest.mark.parametrize("n", [7, 300])  # fewer and more rows than effects: two ways to the same variances
def test_known_and_new_groups(fit: bx.LikelihoodFit, rng: np.random.Generator, n: int) -> None:
    counts = sizes(fit, 2)
    equations = mixed_equations(fit.design, fit.products, fit.solution, counts, True)
    check(equations, joint_posterior(fit, counts, None), random_rows(fit, counts, rng, n))


def test_further_rows(fit: bx.LikelihoodFit, rng: np.random.Generator) -> None:
    """Some of groups that are new at every level, some of new groups within known ones; one new group stays empty."""
    if not fit.design.levels:
        return
    counts = sizes(fit, 3)
    rows = random_rows(fit, counts, rng, 6)
    codes = tuple(np.array([J, J, J + 1, J + 1, J, 0]) for J in sizes(fit))
    if len(codes) > 1:
        codes[-1][4] = 1
    further = Rows(rows.fixed, rows.offset, rows.effects, codes, rows.weights), 40 + 5 * rng.normal(size=6)
    equations = mixed_equations(fit.design, fit.products, fit.solution, counts, True, further)
    check(equations, joint_posterior(fit, counts, further), random_rows(fit, counts, rng, 40))


def test_small_chunks(monkeypatch: pytest.MonkeyPatch, egsingle_reml: bx.LikelihoodFit) -> None:
    fit = egsingle_reml
    equations = mixed_equations(fit.design, fit.products, fit.solution, sizes(fit), True)
    wanted = equations.functionals(design_rows(fit.design).take(np.arange(0, 7230, 3)))
    expected = equations.variances(wanted)
    monkeypatch.setattr(prediction, "CHUNK", 17)
    assert_allclose(equations.variances(wanted), expected, rtol=1e-12)
    some = Functionals(wanted.effects[:40], wanted.fixed[:40])
    assert_allclose(equations.variances(some), expected[:40], rtol=1e-9)


def test_rows_of_the_fit(egsingle_reml: bx.LikelihoodFit, hsb_reml: bx.LikelihoodFit) -> None:
    """The passes down the tree say the same."""
    for fit in (egsingle_reml, hsb_reml):
        equations = mixed_equations(fit.design, fit.products, fit.solution, sizes(fit), True)
        assert_allclose(equations.means(design_rows(fit.design)), fit.fitted(), rtol=1e-8, atol=1e-10)


def test_new_effects_alone(hsb_reml: bx.LikelihoodFit) -> None:
    """Without known groups no row is read: z'Sigma z and x'Vx."""
    fit = hsb_reml
    equations = mixed_equations(fit.design, fit.products, fit.solution, sizes(fit, 1), False)
    x = np.array([[1.0, 0.5], [1.0, -2.0]])
    known_as_new = Rows(x, np.zeros(2), (x,), (np.array([160, AVERAGED]),))
    sigma, V = fit.covariances()["school"].to_numpy(), fit.vcov().to_numpy()
    fixed, group = np.einsum("na,ab,nb->n", x, V, x), np.einsum("na,ab,nb->n", x, sigma, x)
    assert_allclose(equations.variances(equations.functionals(known_as_new)), fixed + group * [1, 0])
    assert_allclose(equations.averaged_variances(known_as_new), group * [0, 1])


def test_far_from_zero() -> None:
    """A predictor a million standard deviations from 0 leaves the errors as they are."""
    rng = np.random.default_rng(5)
    g, x = np.repeat(np.arange(12), 10), rng.normal(size=120)
    u = rng.normal(size=(12, 2))
    frame = pd.DataFrame({"g": g, "x": x, "y": u[g, 0] + (1 + u[g, 1]) * x + rng.normal(size=120)})
    near = bx.Model("y ~ x + (x | g)", frame).reml().predict(kind="response")
    far = bx.Model("y ~ x + (x | g)", frame.assign(x=x + 1e6)).reml().predict(kind="response")
    assert_allclose(far, near, rtol=1e-6, atol=1e-6)


def test_singular(rng: np.random.Generator) -> None:
    """No variance between groups: least squares."""
    frame = bx.load_dataset("dyestuff2")
    found = bx.Model("Yield ~ 1 + (1 | Batch)", frame).reml().predict()
    assert_allclose(found["mean"], frame["Yield"].mean())
    assert_allclose(found["se"], frame["Yield"].std() / np.sqrt(30))
