"""Parametric bootstrap: distributions known exactly, seeds, failures, interrupts."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import bayesmix as bx
from bayesmix.design import CrossProducts
from bayesmix.errors import ArgumentError, BayesmixWarning, ConvergenceError
from bayesmix.inference import bootstrap as module
from bayesmix.inference.bootstrap import bootstrap, refit
from bayesmix.inference.ml import maximise
from bayesmix.inference.simulation import Draw, products_drawer, rows_drawer

J, M = 24, 5


@pytest.fixture(scope="module")
def one_way() -> bx.LikelihoodFit:
    """A balanced layout whose estimates are interior in practically every replicate."""
    rng = np.random.default_rng(6)
    y = 50 + 2 * rng.normal(size=(J, 1)) + rng.normal(size=(J, M))
    return bx.Model("y ~ 1 + (1 | g)", pd.DataFrame({"y": y.ravel(), "g": np.repeat(np.arange(J), M)})).reml()


@pytest.mark.parametrize("rows", [False, True])
def test_balanced_one_way_layout(rows: bool, one_way: bx.LikelihoodFit) -> None:
    """sigma^2 and sigma^2 + m tau^2 are independent multiples of chi-squares (Searle et al. 1992, ch. 3)."""
    fit = one_way
    draw: Draw = products_drawer(fit.products, fit.solution)
    if rows:
        draw = rows_drawer(fit.design, fit.products, fit.solution)
    found = bootstrap(fit.solution, draw, 400, seed=4)
    total = fit.sigma**2 + M * fit.solution.covariances[0][0, 0]
    within = J * (M - 1) * found.sigma**2 / fit.sigma**2
    between = (J - 1) * (found.sigma**2 + M * found.covariances[0][:, 0, 0]) / total
    mean = (found.beta[:, 0] - fit.solution.beta[0]) / np.sqrt(total / (J * M))
    assert stats.kstest(within, stats.chi2(J * (M - 1)).cdf).pvalue > 1e-3
    assert stats.kstest(between, stats.chi2(J - 1).cdf).pvalue > 1e-3
    assert stats.kstest(mean, stats.norm.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(within, between)[0, 1]) < 4 / np.sqrt(400)
    assert (found.n_failed, found.complete, found.singular.sum()) == (0, True, 0)


def test_refits_are_the_fits_of_their_responses(hsb_model: bx.Model, hsb_reml: bx.LikelihoodFit) -> None:
    """Started at the estimate or anywhere: the same optimum."""
    draw = products_drawer(hsb_model.products, hsb_reml.solution)
    found = bootstrap(hsb_reml.solution, draw, 10, seed=9)
    rng = np.random.default_rng(9)
    again = [maximise(draw(rng), True) for _ in range(10)]
    assert_allclose(found.criterion, [fit.criterion for fit in again], atol=1e-6)
    assert_allclose(found.beta, [fit.beta for fit in again], rtol=1e-5)


def test_own_response_gives_the_fit_again(hsb_model: bx.Model, hsb_reml: bx.LikelihoodFit) -> None:
    again = refit(hsb_model.products, hsb_reml.solution)
    assert_allclose(again.criterion, hsb_reml.criterion, atol=1e-8)
    assert_allclose(again.beta, hsb_reml.solution.beta, rtol=1e-7)


def test_seed(one_way: bx.LikelihoodFit) -> None:
    draw = products_drawer(one_way.products, one_way.solution)
    first, same, other = (bootstrap(one_way.solution, draw, 5, seed=seed).sigma for seed in (1, 1, 2))
    assert_array_equal(first, same)
    assert not np.isin(first, other).any()


def failing(draw: Draw, problems: dict[int, type[BaseException]]) -> Draw:
    """A draw that goes wrong at some of its calls."""
    calls = iter(range(1000))

    def other(rng: np.random.Generator) -> CrossProducts:
        problem = problems.get(next(calls))
        if problem is ConvergenceError:
            raise ConvergenceError("a", "b", "c")
        if problem is not None:
            raise problem
        return draw(rng)

    return other


def test_failures_are_counted(one_way: bx.LikelihoodFit) -> None:
    draw = products_drawer(one_way.products, one_way.solution)
    found = bootstrap(one_way.solution, failing(draw, {1: ConvergenceError, 3: ConvergenceError}), 6, seed=1)
    assert (len(found.sigma), found.n_failed) == (4, 2)
    with pytest.raises(ConvergenceError, match="None of 2"):
        bootstrap(one_way.solution, failing(draw, dict.fromkeys(range(2), ConvergenceError)), 2, seed=1)


def test_interrupt_keeps_what_is_finished(one_way: bx.LikelihoodFit) -> None:
    draw = products_drawer(one_way.products, one_way.solution)
    with pytest.warns(BayesmixWarning, match="3 of 10 replicates"):
        found = bootstrap(one_way.solution, failing(draw, {3: KeyboardInterrupt}), 10, seed=1)
    assert not found.complete
    assert_array_equal(found.sigma, bootstrap(one_way.solution, draw, 3, seed=1).sigma)
    with pytest.raises(KeyboardInterrupt):
        bootstrap(one_way.solution, failing(draw, {0: KeyboardInterrupt}), 10, seed=1)


def test_second_optima_are_looked_for(
    one_way: bx.LikelihoodFit, dataset: Callable[[str], pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With few groups, or an optimum on the boundary, a refit does not rest on the one start at the estimate."""
    starts: list[bool] = []

    def watched(products: CrossProducts, reml: bool, start: np.ndarray | None = None) -> object:
        starts.append(start is not None)
        return maximise(products, reml, start)

    monkeypatch.setattr(module, "maximise", watched)
    refit(one_way.products, one_way.solution)
    assert starts == [True]
    rng = np.random.default_rng(1)
    noise = bx.Model("y ~ 1 + (1 | g)", pd.DataFrame({"y": rng.normal(size=J * M), "g": np.repeat(np.arange(J), M)}))
    solution = noise.reml().solution
    assert solution.singular
    starts.clear()
    refit(noise.products, solution)
    assert starts == [True, False]
    starts.clear()
    few = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2"))
    refit(few.products, few.ml().solution)
    assert starts == [False]


@pytest.mark.parametrize(("name", "value"), [("n", 0), ("n", 2.5), ("n", True), ("seed", -1), ("seed", "a")])
def test_wrong_numbers(name: str, value: object, one_way: bx.LikelihoodFit) -> None:
    draw = products_drawer(one_way.products, one_way.solution)
    options = {"n": 5, "seed": 1, name: value}
    with pytest.raises(ArgumentError, match=f"{name}="):
        bootstrap(one_way.solution, draw, **options)  # type: ignore[arg-type]


def test_progress(one_way: bx.LikelihoodFit, capsys: pytest.CaptureFixture[str]) -> None:
    draw = products_drawer(one_way.products, one_way.solution)
    bootstrap(one_way.solution, draw, 3, seed=1, progress=False)
    assert capsys.readouterr().out == ""
    bootstrap(one_way.solution, draw, 3, seed=1, progress=True)
