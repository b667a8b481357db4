"""Data drawn from priors, in nested and crossed designs, and thinned draws of chains that remember."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy.signal import lfilter

import bayesmix as bx
from bayesmix.inference.conditional import conditional_effects
from bayesmix.inference.ml import maximise
from bayesmix.inference.recycled import effective_numbers, prior_drawer, thinned_posterior
from bayesmix.inference.sampling import Settings
from bayesmix.inference.uniformity import rank_among, uniform_p
from tests.bayes import Fits, shuffled_frame

NEARLY = {"sigma": "HalfStudentT(4, 0.02)"}


@pytest.mark.filterwarnings("ignore:Groupings are fitted as crossed")
@pytest.mark.parametrize(
    ("formula", "weights"),
    [
        ("y ~ x + (x | top) + (1 | top:inner)", None),
        ("y ~ x + (x || top)", "w"),
        ("y ~ x + offset(z) + (1 | top) + (1 | cross)", None),
        ("y ~ x + (1 | top) + (1 | code) + (x | cross)", "w"),
        ("y ~ x + (1 | top) + (1 | code)", None),
        ("y ~ 0 + x + (0 + x | top)", None),
        ("y ~ x", "w"),
    ],
)
def test_drawn_data(formula: str, weights: str | None, rng: np.random.Generator) -> None:
    """With hardly any residuals a fit predicts the truth: every effect at its group, in the user's units."""
    frame = shuffled_frame(rng, n=240, groups=8)
    frame = frame.assign(w=rng.uniform(0.5, 2, 240), cross=rng.choice(list("uvw"), 240))
    model = bx.Model(formula, frame, weights=weights).with_priors(NEARLY)
    data = prior_drawer(model.design, model.products, model.priors.numbers)(rng)
    solution = maximise(data.products)
    u = conditional_effects(data.products, solution).means
    assert_allclose(solution.sigma, data.found.variances.sigma[0], rtol=0.4)
    fitted, truth = model.design.fixed_values @ solution.beta, model.design.fixed_values @ data.found.beta[0]
    for number, level in enumerate(model.design.levels):
        Z, order = model.design.values[:, level.places], model.design.tree.order[number]  # type: ignore[union-attr]
        rows = order[level.grouping.codes]
        fitted = fitted + (Z * u[number][rows]).sum(axis=1)
        truth = truth + (Z * data.effects[number][rows]).sum(axis=1)
    assert np.std(truth) > 20 * solution.sigma
    weights = 1.0 if weights is None else np.sqrt(frame["w"])
    assert (np.abs(fitted - truth) * weights).max() < 5 * solution.sigma


def autoregressive(rng: np.random.Generator, shape: tuple[int, ...], rho: float) -> np.ndarray:
    """Stationary chains along the last axis, normal with variance 1."""
    noise = np.sqrt(1 - rho**2) * rng.standard_normal(shape)
    noise[..., 0] /= np.sqrt(1 - rho**2)
    return np.asarray(lfilter([1.0], [1.0, -rho], noise, axis=-1))


def test_effective_numbers(rng: np.random.Generator) -> None:
    """(1 - rho)/(1 + rho) of the draws in first-order chains, negative rho too; the estimate has an error of some %."""
    for rho in (-0.5, 0.0, 0.6, 0.9):
        chains = autoregressive(rng, (4, 20000), rho)
        assert_allclose(effective_numbers(chains[..., None])[0] / 80000, (1 - rho) / (1 + rho), rtol=0.15)
    assert effective_numbers(np.ones((2, 50, 1)))[0] == 100


def test_effective_numbers_of_arviz(rng: np.random.Generator) -> None:
    """Chains of five kinds, two of them apart, within 5 %: the two end the sum of autocorrelations a lag apart."""
    import arviz_stats

    values = np.stack([autoregressive(rng, (4, 1000), rho) for rho in (-0.3, 0.0, 0.5, 0.8, 0.8)], axis=-1)
    values[:2, :, -1] += 0.3
    array = xr.DataArray(values, dims=("chain", "draw", "row"))
    expected = np.asarray(arviz_stats.ess(array, method="mean"))
    assert_allclose(effective_numbers(values), expected, rtol=0.05)


def chain_sampler(rng: np.random.Generator, rho: float) -> Any:
    """A posterior that is standard normal whatever the data, by two chains that remember."""

    def sample(settings: Settings) -> Any:
        values = autoregressive(rng, (2, settings.draws), rho)
        raw = SimpleNamespace(values={"sigma": values}, stats=xr.Dataset({"diverging": ("chain", [0, 1])}))
        return SimpleNamespace(raw=raw)

    return sample


def flat(found: Any) -> np.ndarray:
    return np.asarray(found.raw.values["sigma"].reshape(-1, 1))


def test_chains_that_remember_pass(rng: np.random.Generator) -> None:
    """Thinned, autocorrelated draws give uniform ranks; as many neighbours of one chain do not."""
    keep, rho = 49, 0.9
    settings = Settings(draws=125, progress=False)
    ranks, raw = [], []
    for _ in range(600):
        sample, truth = chain_sampler(rng, rho), rng.standard_normal(1)
        found = thinned_posterior(sample, flat, lambda own, places: flat(own)[places], keep, settings)
        assert found.values.shape == (keep, 1) and found.divergences == 1
        assert found.total > 250  # some 13 effective draws of 250 are not enough
        ranks.append(rank_among(truth, found.values, rng)[0])
        raw.append(rank_among(truth, autoregressive(rng, (keep,), rho)[:, None], rng)[0])
    assert uniform_p(np.array(ranks), keep) > 0.01
    assert uniform_p(np.array(raw), keep) < 1e-6


def test_good_chains_are_drawn_once(rng: np.random.Generator) -> None:
    found = thinned_posterior(
        chain_sampler(rng, 0.0), flat, lambda own, places: flat(own)[places], 20, Settings(draws=200)
    )
    assert found.total == 400
    assert 250 < found.effective <= 800


def test_kept_graphs_are_not_built(dyestuff: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same draws from the data of a graph as from the graph itself; nothing is built for another response."""
    from bayesmix.inference import graph, sampling

    options: dict[str, Any] = {"draws": 50, "tune": 50, "chains": 1, "seed": 3, "progress": False}
    fed = dyestuff.model.sample(**options).idata["posterior"]
    with monkeypatch.context() as patch:
        patch.setattr(sampling, "marginal_graph", None)  # no longer known as that: built
        built = dyestuff.model.sample(**options).idata["posterior"]
    pd.testing.assert_series_equal(
        pd.Series(fed["sigma"].to_numpy()[0]), pd.Series(built["sigma"].to_numpy()[0]), rtol=1e-12
    )

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("built")

    monkeypatch.setattr(graph.pm, "Model", refuse)
    dyestuff.model.sample(**options)
