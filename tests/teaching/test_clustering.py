"""Design effects of planned studies."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError


def compound(sizes: list[int], rho: float) -> np.ndarray:
    """Correlation matrix of rows in groups of these sizes."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    return np.where(group[:, None] == group, rho, 0.0) + (1 - rho) * np.eye(len(group))


@pytest.mark.parametrize("sizes", [[5, 5, 5], [1, 2, 9, 4], [2, 2]])
@pytest.mark.parametrize("rho", [-0.05, 0.0, 0.2, 1.0])
def test_variance_of_a_mean(sizes: list[int], rho: float) -> None:
    """1'R1 over n, by dense algebra."""
    R = compound(sizes, rho)
    expected = R.sum() / len(R)
    assert_allclose(bx.design_effect(sizes, rho), expected)
    assert_allclose(bx.effective_size(sizes, rho), len(R) / expected)


def test_variance_of_a_slope(rng: np.random.Generator) -> None:
    """x'Rx over x'x of a centred predictor, whose own correlation is that over all pairs of rows of a group."""
    R = compound([6] * 5, 0.3)
    x = np.repeat(rng.normal(size=5), 6) + rng.normal(size=30)
    x -= x.mean()
    groups = x.reshape(5, 6)
    rho_x = (np.sum(groups.sum(axis=1) ** 2) - x @ x) / (5 * (x @ x))
    assert_allclose(bx.design_effect(6, 0.3, rho_x=rho_x), x @ R @ x / (x @ x))


def test_one_number_and_equal_sizes() -> None:
    """1 + (n - 1) rho, of the foundation slides."""
    assert_allclose(bx.design_effect(25, 0.05), 1 + 24 * 0.05)
    assert_allclose(bx.design_effect(np.full(8, 25), 0.05), bx.design_effect(25, 0.05))
    assert_allclose(bx.effective_size(25, 0.05, groups=8), bx.effective_size([25] * 8, 0.05))
    assert bx.effective_size(25, 0, groups=8) == 200
    assert_allclose(bx.effective_size(25, 1, groups=8), 8)


def test_the_formula_is_that_of_a_fit(hsb: pd.DataFrame) -> None:
    fit = bx.Model("math ~ 1 + (1 | school)", hsb).reml()
    rho = float(fit.icc().loc["school", "estimate"])
    sizes = hsb.groupby("school", observed=True).size()
    assert_allclose(bx.design_effect(sizes, rho), fit.design_effect().loc["school", "estimate"], rtol=1e-14)
    assert_allclose(bx.design_effect(30, rho), fit.design_effect(n=30).loc["school", "estimate"], rtol=1e-14)


@pytest.mark.parametrize(
    ("n", "options", "part"),
    [
        (0, {}, "n=0"),
        ([10, None], {}, "n=None"),
        ("ten", {}, "n='ten'"),
        (float("nan"), {}, "n=nan"),
        ([], {}, "n is empty"),
        ([[1, 2], [3, 4]], {}, "n=[1, 2]"),
        (20, {"rho": 2}, "rho=2"),
        (20, {"rho": -0.2}, "rho=-0.2"),
        (20, {"rho": None}, "rho=None"),
        (20, {"rho_x": "x"}, "rho_x='x'"),
        (20, {"icc": 0.1}, "no keyword 'icc'"),
    ],
)
def test_refused(n: object, options: dict[str, object], part: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        bx.design_effect(n, **({"rho": 0.1} | options))
    assert part in caught.value.found


@pytest.mark.parametrize(
    ("n", "options", "part"),
    [(20, {}, "groups is not given"), ([20, 30], {"groups": 2}, "groups=2"), (20, {"groups": 0}, "groups=0")],
)
def test_effective_size_refuses(n: object, options: dict[str, object], part: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        bx.effective_size(n, 0.1, **options)
    assert part in caught.value.found
