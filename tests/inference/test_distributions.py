"""The families of priors: their density in the graph, on the whole line, and as SciPy has it; numbers checked."""

import dataclasses
from typing import Any

import numpy as np
import pymc as pm
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, stats

from bayesmix.errors import PriorError
from bayesmix.inference import prior_graph
from bayesmix.inference.distributions import (
    Beta,
    Cauchy,
    Distribution,
    Exponential,
    Flat,
    Gamma,
    HalfCauchy,
    HalfNormal,
    HalfStudentT,
    InverseGamma,
    Laplace,
    Logistic,
    LogNormal,
    Normal,
    StudentT,
    Uniform,
    Weibull,
)
from bayesmix.inference.prior_text import FAMILIES
from tests.bayes import INTERPRETED

EVERY: list[Distribution] = [
    Normal(0.4, 1.7), StudentT(3, 0.4, 1.7), Cauchy(0.4, 1.7), Laplace(0.4, 1.7), Logistic(0.4, 1.7),
    Uniform(0.1, 3.2), HalfNormal(1.7), HalfStudentT(3, 1.7), HalfCauchy(1.7), Exponential(1.7), Gamma(2.3, 1.7),
    InverseGamma(2.3, 1.7), LogNormal(0.4, 0.7), Weibull(2.3, 1.7), Beta(2.3, 1.7),
]  # fmt: skip
AT = np.array([0.15, 0.4, 0.9])
# PyMC holds logarithms of whole numbers, such as log(2) of folded densities, in single precision.
SINGLE = 3e-8


def names(items: list[Distribution]) -> list[str]:
    return [type(item).__name__ for item in items]


def test_every_family_is_here() -> None:
    assert {type(prior) for prior in EVERY} == set(FAMILIES)


@pytest.mark.parametrize("prior", EVERY, ids=names(EVERY))
def test_density_in_the_graph_is_that_of_scipy(prior: Distribution) -> None:
    """The graph's variable takes its moving numbers from data; PyMC and SciPy parametrise apart."""
    with pm.Model(check_bounds=False) as graph:
        numbers = prior_graph.Numbers(pm.Data("numbers", np.array(prior.numbers or (0.0,))))
        build = prior_graph.positive if prior.support == "positive" else prior_graph.coefficient
        variable = build("x", prior, numbers.take(len(prior.moving)))
    (value,) = graph.value_vars
    density = graph.compile_logp(jacobian=False, mode=INTERPRETED)
    transform = graph.rvs_to_transforms[variable]
    for x in AT:
        at = x if transform is None else transform.forward(np.asarray(x), *variable.owner.inputs).eval(mode=INTERPRETED)
        assert_allclose(density({value.name: np.asarray(at)}), prior.frozen().logpdf(x), rtol=1e-10, atol=SINGLE)


FOLDED: list[Distribution] = [prior for prior in EVERY if prior.folded]


@pytest.mark.parametrize("prior", FOLDED, ids=names(FOLDED))
def test_mirrored_density(prior: Distribution) -> None:
    """On the whole line half of the density on either side, so that |s| has the prior."""
    with pm.Model(check_bounds=False) as graph:
        prior_graph._MIRRORED[type(prior)]("s", prior, prior.numbers)
    density = graph.compile_logp(mode=INTERPRETED)
    for x in AT:
        for side in (-x, x):
            assert_allclose(
                density({"s": np.asarray(side)}), prior.frozen().logpdf(x) - np.log(2), rtol=1e-10, atol=SINGLE
            )


def test_only_these_are_folded() -> None:
    """An exponential has a kink at 0, a gamma or lognormal no weight there."""
    assert set(names(FOLDED)) == {"HalfNormal", "HalfStudentT", "HalfCauchy"}
    assert Flat.folded


@pytest.mark.parametrize("prior", EVERY, ids=names(EVERY))
def test_frozen_is_one_distribution(prior: Distribution) -> None:
    """Density, quantiles and draws belong together (the half t is ours)."""
    frozen = prior.frozen()
    shares = np.array([0.1, 0.5, 0.8])
    quantiles = frozen.ppf(shares)
    assert_allclose(frozen.cdf(quantiles), shares, rtol=1e-9)
    mass, _ = integrate.quad(frozen.pdf, quantiles[0], quantiles[2])
    assert_allclose(mass, 0.7, rtol=1e-6)
    draws = frozen.rvs(size=2000, random_state=np.random.default_rng(1))
    assert stats.kstest(draws, frozen.cdf).pvalue > 1e-3
    if prior.support == "positive":
        assert frozen.pdf(-0.1) == 0 and frozen.logpdf(-0.1) == -np.inf


def test_flat_has_no_distribution() -> None:
    with pytest.raises(PriorError):
        Flat().frozen()


@pytest.mark.parametrize(
    ("make", "numbers"),
    [
        (Normal, (0, -1)), (Normal, (0, 0)), (Normal, (np.nan, 1)), (Normal, (0, np.inf)), (StudentT, (0, 0, 1)),
        (HalfNormal, (-2,)), (Gamma, (2, -1)), (Exponential, ("a",)), (Exponential, (None,)), (Exponential, (True,)),
        (Uniform, (2, 1)), (Uniform, (1, 1)), (Beta, (0, 1)),
    ],
)  # fmt: skip
def test_wrong_numbers(make: Any, numbers: tuple[Any, ...]) -> None:
    with pytest.raises(PriorError) as caught:
        make(*numbers)
    assert make.__name__ in caught.value.found
    assert caught.value.expected and caught.value.remedy


@pytest.mark.parametrize("prior", EVERY, ids=names(EVERY))
def test_moving_and_fixed_numbers_are_all_of_them(prior: Distribution) -> None:
    """A kept graph is known by the numbers it does not take as data."""
    every = dataclasses.astuple(prior)
    assert len(prior.numbers) + len(prior.shape) - 1 == len(every)
    assert sorted([*prior.numbers, *prior.shape[1:]]) == sorted(every)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(prior, dataclasses.fields(prior)[0].name, 1.0)
