"""Fits of generated designs against dense algebra and mixedlm.

A design that fails is named by its number: ``generate(number)`` makes it again.
"""

from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.inference.information import component_covariance
from tests.generated import generate
from tests.oracle import dense_criterion, refit, small_sample

FAST, ALL = 40, 300

# Designs with a second optimum, 0.2 to 2.6 above the first, in which most searches end.
TWO_OPTIMA = (466, 580, 728, 1561)


def _marks(number: int, fast: int = FAST) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] if number >= fast else []


numbers = pytest.mark.parametrize("number", [pytest.param(number, marks=_marks(number)) for number in range(ALL)])
dear = pytest.mark.parametrize("number", [pytest.param(number, marks=_marks(number, 12)) for number in range(150)])


@cache
def fit_of(number: int) -> bx.LikelihoodFit:
    made = generate(number)
    model = bx.Model(made.formula, made.frame, weights=made.weights)
    return model.reml() if made.reml else model.ml()


@numbers
def test_criterion_is_that_of_dense_algebra(number: int) -> None:
    fit = fit_of(number)
    assert_allclose(fit.criterion, dense_criterion(fit), rtol=1e-9)


@numbers
def test_certificate_holds(number: int) -> None:
    assert fit_of(number).solution.certificate.holds


@numbers
def test_mixedlm_finds_nothing_better(number: int) -> None:
    """Never above its criterion; and where both are within 1e-8, no estimate is further than that allows.

    Near its minimum the criterion rises by the square of the distance in standard errors: 1e-8 is 1e-4 of one.
    """
    ours = fit_of(number)
    theirs = refit(ours)
    if theirs is None:
        pytest.skip("mixedlm gives up")
    assert ours.criterion <= theirs.criterion + 1e-6
    if abs(ours.criterion - theirs.criterion) > 1e-8:
        return
    errors = np.sqrt(np.diag(ours.solution.vcov))
    assert_allclose((ours.solution.beta - theirs.beta) / errors, 0, atol=2e-4)
    assert_allclose((ours.solution.vcov - theirs.vcov) / np.outer(errors, errors), 0, atol=1e-3)
    assert_allclose(ours.sigma, theirs.sigma, rtol=2e-4 / np.sqrt(2 * ours.design.n))
    spread = np.sqrt(np.diag(component_covariance(ours.products, ours.solution)))[1:]
    if ours.singular or "(f || " in ours.design.specification.formula:
        return  # a variance of the intercept beside one for each label is not determined by the data
    assert np.isfinite(spread).all()
    at = 0
    for level, own, other in zip(ours.design.levels, ours.solution.covariances, theirs.covariances, strict=True):
        for start, stop in level.blocks:
            for column in range(start, stop):
                for row in range(column, stop):
                    assert abs(own[row, column] - other[row, column]) <= 2e-4 * spread[at]
                    at += 1


@pytest.mark.parametrize("number", TWO_OPTIMA)
def test_other_starts_find_nothing_better(number: int, rng: np.random.Generator) -> None:
    """Searches from one start, random in size and direction; some of them end higher."""
    fit, made = fit_of(number), generate(number)
    model = bx.Model(made.formula, made.frame, weights=made.weights)
    search = model.reml if made.reml else model.ml
    starts = [rng.normal(size=len(fit.theta)) * rng.choice([0.1, 0.3, 2, 10]) for _ in range(20)]
    found = np.array([search(start=start).criterion for start in starts])
    assert fit.criterion <= found.min() + 1e-6
    assert found.max() > fit.criterion + 0.1


@dear
def test_small_sample_methods_are_those_of_dense_algebra(number: int) -> None:
    """Where the information on the variances is known to the digits that its inverse needs.

    On the boundary Satterthwaite's degrees of freedom depend on the parameters, which here are not lmerTest's.
    """
    fit = fit_of(number)
    slow = small_sample(fit)
    if slow.observed.min() > 1e-5 and not fit.singular:
        assert_allclose(fit.fixed_effects()["df"], slow.satterthwaite_df, rtol=1e-4)
    if fit.solution.reml:
        found = fit.fixed_effects(df="kenward-roger")
        assert np.isfinite(found["df"]).all()
        if slow.expected.min() > 1e-5:
            assert_allclose(found["se"], slow.kenward_roger_se, rtol=1e-5)


def test_designs_are_of_all_kinds() -> None:
    """Enough of them crossed, weighted, on the boundary and off it, by either method."""
    fits = [fit_of(number) for number in range(FAST)]
    shares = [
        np.mean([bool(fit.design.crossed) for fit in fits]),
        np.mean([fit.design.weights is not None for fit in fits]),
        np.mean([fit.singular for fit in fits]),
        np.mean([fit.solution.reml for fit in fits]),
    ]
    assert min(shares) > 0.1
    assert max(shares) < 0.9
