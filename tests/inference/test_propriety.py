"""Flat priors of standard deviations: refused where the posterior has no integral, by its tail in dense algebra."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import PriorError
from bayesmix.inference.distributions import Flat
from bayesmix.inference.priors import stated_on
from bayesmix.inference.propriety import require_proper
from tests import dense
from tests.bayes import dense_problem

# Of two levels with the same groups there is a warning; here they are meant.
pytestmark = pytest.mark.filterwarnings("ignore:Levels .*have the same:bayesmix.errors.BayesmixWarning")


def groups_of(count: int, rng: np.random.Generator, rows: int = 20) -> pd.DataFrame:
    """Groups with a predictor that varies within them, and two that do not; every group has one class."""
    top = np.repeat(np.arange(count), rows)
    u, v, w = rng.normal(size=(3, count))
    x = rng.normal(size=len(top))
    y = 2 * u[top] + x + rng.normal(size=len(top))
    labels = pd.Series(top).map("c{}".format)
    return pd.DataFrame({"y": y, "x": x, "v": v[top], "w": w[top], "top": top, "one": labels})


def check(model: bx.Model) -> None:
    require_proper(model.priors.numbers, model.design, model.products)


def tail(model: bx.Model, places: list[tuple[int, int]]) -> float:
    """d log p(y | sds)/d log s as the sds at these places grow together, the others and sigma at 1."""
    priors = model.priors.numbers
    back = np.linalg.inv(stated_on(priors, model.products))
    precision = np.diag([0.0 if isinstance(prior, Flat) else prior.sd**-2 for prior in priors.beta])
    mean = np.array([0.0 if isinstance(prior, Flat) else prior.mean for prior in priors.beta])
    about = dense.Partial(np.zeros(0), mean, precision, back)

    def log_density(size: float) -> float:
        covariances = []
        for number, level in enumerate(model.design.levels):
            sds = [size if (number, a) in places else 1.0 for a in range(len(level.effects))]
            covariances.append(np.diag(np.square(sds)))
        return float(dense.log_density(dense_problem(model), covariances, 1.0, about))

    return (log_density(2e4) - log_density(1e4)) / np.log(2)


CASES: list[tuple[str, Any, int, list[tuple[int, int]]]] = [
    ("y ~ 1 + (1 | top)", "flat", 3, [(0, 0)]),
    ("y ~ x + (1 | top)", "flat", 3, [(0, 0)]),  # x varies within groups
    ("y ~ w + (1 | top)", "flat", 4, [(0, 0)]),
    ("y ~ 0 + x + (0 + x | top)", "flat", 3, [(0, 0)]),  # the fixed slope takes one of the groups
    ("y ~ x + x:w + x:v + (0 + x | top)", "flat", 5, [(0, 0)]),  # cross-level interactions take two more
    ("y ~ w + x + (0 + x | top)", "flat", 3, [(0, 0)]),  # predictors of the groups take none of the slopes
    ("y ~ x + (1 | top)", {"1|top_sigma": "flat"}, 2, [(0, 0)]),  # a proper prior takes nothing
    ("y ~ x + (1 | top)", {"1|top_sigma": "flat", "Intercept": "flat"}, 3, [(0, 0)]),
    ("y ~ 1 + (1 | top/one)", "flat", 4, [(0, 0), (1, 0)]),  # two variances of which only the sum is seen
    ("y ~ 0 + (1 | top)", "flat", 2, [(0, 0)]),
]


@pytest.mark.parametrize(("formula", "priors", "groups", "places"), CASES)
def test_groups_needed(
    formula: str, priors: Any, groups: int, places: list[tuple[int, int]], rng: np.random.Generator
) -> None:
    """Enough groups: the density falls faster than any power that diverges; one group less: it does not."""
    enough = bx.Model(formula, groups_of(groups, rng), priors=priors)
    check(enough)
    power = tail(enough, places)
    assert_allclose(power, round(power), atol=1e-3)
    assert power < -len(places) - 0.5
    if groups == 2:
        return  # one group is refused at the door
    few = bx.Model(formula, groups_of(groups - 1, rng), priors=priors)
    assert tail(few, places) > -len(places) - 0.5
    with pytest.raises(PriorError) as caught:
        check(few)
    assert f"at 'top' ({groups - 1} groups)" in caught.value.found
    assert f"leave {-round(tail(few, places))} independent" in caught.value.found
    assert f"at least {len(places) + 1}" in caught.value.expected
    assert "default" in caught.value.remedy
    check(bx.Model(formula, groups_of(groups - 1, rng)))  # defaults are proper whatever the data


def test_sampling_refuses_an_improper_posterior(rng: np.random.Generator) -> None:
    model = bx.Model("y ~ 1 + (1 | top)", groups_of(2, rng), priors="flat")
    with pytest.raises(PriorError, match=r"'top' \(2 groups\)"):
        model.sample(seed=1, progress=False)


def test_the_improper_level_is_named(rng: np.random.Generator) -> None:
    """Two schools with many classes: the upper level is the trouble."""
    frame = groups_of(2, rng).assign(inner=lambda d: np.arange(len(d)) % 5)
    model = bx.Model("y ~ 1 + (1 | top/inner)", frame, priors="flat")
    with pytest.raises(PriorError, match=r"Intercept at 'top' \(2 groups\) has"):
        check(model)


def test_one_variance_under_two_names(rng: np.random.Generator) -> None:
    """Many groups, each with one class: the two can not be told apart, but their integral exists."""
    check(bx.Model("y ~ 1 + (1 | top/one)", groups_of(12, rng), priors="flat"))
