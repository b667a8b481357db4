"""Priors as users write them: read, folded, refused."""

from typing import Any

import numpy as np
import pytest

from bayesmix.errors import PriorError
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
    Laplace,
    Normal,
    StudentT,
    Uniform,
)
from bayesmix.inference.prior_text import positive, read_correlation, read_distribution, share


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Normal(0, 2.5)", Normal(0, 2.5)),
        ("normal( -1.5 , 2 )", Normal(-1.5, 2)),
        ("Normal(mu=1, sigma=2)", Normal(1, 2)),
        ("Normal(0, sd=2)", Normal(0, 2)),
        ("student_t(3, 0, 2.5)", StudentT(3, 0, 2.5)),
        ("StudentT(nu=3, mu=0, sigma=2.5)", StudentT(3, 0, 2.5)),
        ("half_student_t(3, 1e-2)", HalfStudentT(3, 0.01)),
        ("HalfNormal(+2)", HalfNormal(2)),
        ("Exponential(rate=2)", Exponential(2)),
        ("exponential(2)", Exponential(2)),
        ("double_exponential(0, 1)", Laplace(0, 1)),
        ("Gamma(alpha=2, beta=3)", Gamma(2, 3)),
        ("Uniform(-1, 1)", Uniform(-1, 1)),
        ("flat", Flat()),
        ("Flat", Flat()),
        (Normal(0, 1), Normal(0, 1)),
    ],
)
def test_read(text: Any, expected: Distribution) -> None:
    assert read_distribution(text) == expected


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Norml(0, 1)", "Did you mean 'Normal'?"),
        ("Normal(0)", "Normal(mean, sd)"),
        ("Normal(0, 1, 2)", "Normal(mean, sd)"),
        ("Normal(0, sigma=1, sd=2)", "Normal(mean, sd)"),
        ("Normal(0, tau=1)", "Normal(mean, sd)"),
        ("Normal(0, -1)", "positive"),
        ("Normal(0, 1e999)", "finite"),
        ("Normal", "Normal(mean, sd)"),
        ("", "can not be read"),
        ("Normal(0, 1", "can not be read"),
        ("Normal(0, 1).real", "can not be read"),
        ("Normal(0, x)", "can not be read"),
        ("Normal(0, 1 + 1)", "can not be read"),
        ("Normal(*[0, 1])", "can not be read"),
        ("Normal(**{'mu': 0})", "can not be read"),
        ("__import__('os').system('true')", "can not be read"),
        ("open('x')", "can not be read"),
        ("(" * 5000, "can not be read"),
        ("InverseWishart(3)", "inverse-Wishart"),
        (3, "Expected text"),
        (None, "Expected text"),
        (np.zeros(2), "Expected text"),
    ],
)
def test_refused(text: Any, hint: str) -> None:
    with pytest.raises(PriorError) as caught:
        read_distribution(text)
    assert hint in str(caught.value)
    assert caught.value.found and caught.value.expected and caught.value.remedy


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Normal(0, 2), HalfNormal(2)),
        (StudentT(3, 0, 2), HalfStudentT(3, 2)),
        (Cauchy(0, 2), HalfCauchy(2)),
        (Laplace(0, 2), Exponential(0.5)),
        (Exponential(2), Exponential(2)),
        (Uniform(0, 5), Uniform(0, 5)),
        (Flat(), Flat()),
    ],
)
def test_folding(given: Distribution, expected: Distribution) -> None:
    """The density of the folded one is twice that of the given, on positive numbers."""
    found = positive(given, "sigma")
    assert found == expected
    if not isinstance(given, Flat) and found != given:
        x = np.array([0.3, 2.0])
        np.testing.assert_allclose(found.frozen().pdf(x), 2 * given.frozen().pdf(x), rtol=1e-12)


@pytest.mark.parametrize("given", [Normal(1, 2), StudentT(3, -1, 2), Uniform(-1, 5)])
def test_weight_below_zero(given: Distribution) -> None:
    with pytest.raises(PriorError, match="below 0"):
        positive(given, "sigma")


def test_share() -> None:
    assert share(Uniform(0, 1), "R2") == Beta(1, 1)
    assert share(Beta(2, 3), "R2") == Beta(2, 3)
    for wrong in (Uniform(0, 2), Normal(0.5, 0.1), Flat()):
        with pytest.raises(PriorError, match="R2"):
            share(wrong, "R2")


def test_correlation() -> None:
    assert read_correlation("LKJ(2)") == 2
    assert read_correlation("lkj_corr(eta=1.5)") == 1.5
    for wrong in ("LKJ(0)", "LKJ(-1)", "LKJ", "LKJ(1, 2)", "LKJ(n=2)", "Normal(0, 1)", 2, None):
        with pytest.raises(PriorError):
            read_correlation(wrong)
    with pytest.raises(PriorError, match="inverse-Wishart"):
        read_correlation("InverseWishart(3)")


def test_preliz() -> None:
    """The same numbers, in whichever way PreliZ was told them."""
    pz = pytest.importorskip("preliz")
    assert read_distribution(pz.Normal(1, 2)) == Normal(1, 2)
    assert read_distribution(pz.StudentT(3, 0, 2)) == StudentT(3, 0, 2)
    assert read_distribution(pz.HalfStudentT(4, 2)) == HalfStudentT(4, 2)
    assert read_distribution(pz.Exponential(2)) == Exponential(2)
    assert read_distribution(pz.Gamma(mu=2, sigma=1)) == Gamma(4, 2)
    x = np.array([0.2, 0.7])
    for theirs in (
        pz.Cauchy(0, 2), pz.Laplace(0, 2), pz.Logistic(0, 2), pz.Uniform(0, 2), pz.HalfNormal(2), pz.HalfCauchy(2),
        pz.InverseGamma(2, 3), pz.LogNormal(0.1, 0.5), pz.Weibull(2, 3), pz.Beta(2, 3), pz.Exponential(2),
    ):  # fmt: skip
        np.testing.assert_allclose(read_distribution(theirs).frozen().pdf(x), theirs.pdf(x), rtol=1e-9)
    for wrong, hint in (
        (pz.Poisson(3), "discrete"),
        (pz.Normal(), "no numbers"),
        (pz.SkewNormal(0, 1, 2), "not offered"),
    ):
        with pytest.raises(PriorError, match=hint):
            read_distribution(wrong)


def stand_in(name: str, kind: str, **numbers: float) -> Any:
    """An object as PreliZ makes them: a class of its name in a module of preliz, its numbers as attributes."""
    return type(name, (), {"__module__": "preliz.distributions", "kind": kind, **numbers})()


def test_what_is_read_of_preliz() -> None:
    """The name of the class, the kind, and the numbers by their names; without PreliZ."""
    assert read_distribution(stand_in("StudentT", "continuous", nu=3.0, mu=0.0, sigma=2.0)) == StudentT(3, 0, 2)
    for wrong, hint in (
        (stand_in("Poisson", "discrete", mu=3.0), "discrete"),
        (stand_in("Normal", "continuous", mu=0.0), "no numbers"),
        (stand_in("Truncated", "continuous"), "not offered"),
        (stand_in("Normal", "continuous", mu=0.0, sigma=-1.0), "positive"),
    ):
        with pytest.raises(PriorError, match=hint):
            read_distribution(wrong)
