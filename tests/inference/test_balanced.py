"""Closed-form standard errors of variance components: an actual balanced design, and the treatment-centre numbers.

Source of the printed numbers: Sturdivant (2007), My Favorite (Mixed) Models, four treatment centres, 40 patients:
intercept 66.9 (10.2), slope -1.0 (.96), var(intercept) 412.8 (293.6), var(slope) 3.6 (2.6), covariance -38.1 (27.3).
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.inference.balanced import balanced_errors

J, M = 4, 10
COMPONENTS = [("centre", "var(Intercept)"), ("centre", "var(use)"), ("centre", "cov(Intercept,use)")]


@pytest.fixture(scope="module")
def centres() -> bx.LikelihoodFit:
    """Four centres with the same ten values of use, their lines far apart: an interior optimum."""
    rng = np.random.default_rng(2007)
    use = np.tile(np.arange(M) - 2.0, J)
    centre = np.repeat(np.arange(J), M)
    lines = np.array([[80.0, -2.0], [75.0, -1.2], [69.0, -2.5], [52.0, 1.5]])
    y = lines[centre, 0] + lines[centre, 1] * use + 2 * rng.normal(size=J * M)
    return bx.Model("y ~ use + (use | centre)", pd.DataFrame({"y": y, "use": use, "centre": centre})).reml()


def lines_of(fit: bx.LikelihoodFit) -> tuple[np.ndarray, np.ndarray, float]:
    """Each centre's least-squares line, (Z'Z)^-1 and the residual variance within centres."""
    y = fit.design.response.reshape(J, M)
    Z = np.column_stack([np.ones(M), np.arange(M) - 2.0])
    own = np.linalg.lstsq(Z, y.T, rcond=None)[0].T
    within = ((y - own @ Z.T) ** 2).sum() / (J * (M - 2))
    return own, np.linalg.inv(Z.T @ Z), within


def test_balanced_design_has_its_closed_form(centres: bx.LikelihoodFit) -> None:
    """REML of a balanced design: V is the covariance of the lines with J - 1, sigma^2 that within."""
    assert not centres.singular
    own, inverse, within = lines_of(centres)
    V, C = np.cov(own.T), within * inverse
    table = centres.variance_components(se="expected-ml")
    assert_allclose(table["estimate"]["residual", "var"], within, rtol=1e-8)
    assert_allclose(table["estimate"][COMPONENTS], (V - C)[[0, 1, 0], [0, 1, 1]], rtol=1e-6)
    assert_allclose(centres.vcov(), V / J, rtol=1e-8)
    errors = balanced_errors(V, J, sampling=C, residual_df=J * (M - 2))
    assert_allclose(table["se"][COMPONENTS], errors[[0, 1, 0], [0, 1, 1]], rtol=1e-6)
    assert_allclose(table["se"]["residual", "var"], within * np.sqrt(2 / (J * (M - 2))), rtol=1e-6)


def test_total_variance_alone_is_nearly_enough(centres: bx.LikelihoodFit) -> None:
    """V sqrt(2/J), with V = J SE(beta)^2 read off the fixed effects; what is left out, var(C), never lowers it."""
    V = J * centres.vcov().to_numpy()
    rough = balanced_errors(V, J)[[0, 1, 0], [0, 1, 1]]
    assert_allclose(rough[:2], np.diag(V) * np.sqrt(2 / J), rtol=1e-12)
    exact = centres.variance_components(se="expected-ml")["se"][COMPONENTS].to_numpy()
    assert (rough <= exact).all()
    assert_allclose(rough, exact, rtol=1e-3)
    # The variances between centres alone, without sampling, are too small.
    between = centres.covariances()["centre"].to_numpy()
    assert (balanced_errors(between, J)[[0, 1, 0], [0, 1, 1]] < rough).all()


def test_other_informations_give_other_errors(centres: bx.LikelihoodFit) -> None:
    """The expected REML information divides by J - 1: sqrt(2/3) instead of sqrt(2/4)."""
    own, inverse, within = lines_of(centres)
    found = centres.variance_components(se="expected-reml")["se"][COMPONENTS]
    errors = balanced_errors(np.cov(own.T), J - 1, sampling=within * inverse, residual_df=J * (M - 2))
    assert_allclose(found, errors[[0, 1, 0], [0, 1, 1]], rtol=1e-6)


def within_rounding(printed: float, digits: int, values: tuple[float, float]) -> bool:
    """Whether a number that may lie anywhere between two values may be printed so."""
    unit = 10.0**-digits
    return values[0] - unit / 2 <= printed <= values[1] + unit / 2


def test_treatment_centres_follow_from_the_errors_of_the_fixed_effects() -> None:
    """10.2 and .96 stand for anything that rounds to them."""
    identities = [4 * 10.2**2, 4 * 0.96**2]
    errors = balanced_errors(np.diag(identities), 4)
    assert [f"{v:.1f}" for v in identities] == ["416.2", "3.7"]
    assert f"{errors[0, 0]:.1f}" == "294.3"
    assert f"{errors[1, 1]:.2f}" == "2.61"
    for printed, digits, low, high in ((293.6, 1, 10.15, 10.25), (2.6, 1, 0.955, 0.965)):
        ends = [float(balanced_errors([[4 * se**2]], 4)[0, 0]) for se in (low, high)]
        assert within_rounding(printed, digits, (ends[0], ends[1]))
    V = np.array([[4 * 10.2**2, -38.1], [-38.1, 4 * 0.96**2]])
    assert f"{balanced_errors(V, 4)[0, 1]:.1f}" == "27.3"


def test_printed_variances_alone_give_others() -> None:
    """They leave out the sampling variance of a centre's own coefficient, so 291.9, 2.55 and 27.1 are not printed."""
    errors = balanced_errors([[412.8, -38.1], [-38.1, 3.6]], 4)
    assert [f"{errors[0, 0]:.1f}", f"{errors[1, 1]:.2f}", f"{errors[0, 1]:.1f}"] == ["291.9", "2.55", "27.1"]
    # Nor can rounding of 412.8 to one decimal make up for it.
    assert float(balanced_errors([[412.85]], 4)[0, 0]) < 293.55


def test_refusals() -> None:
    with pytest.raises(ArgumentError, match="symmetric"):
        balanced_errors([[1.0, 0.5], [0.4, 1.0]], 4)
    with pytest.raises(ArgumentError, match="n_groups=0"):
        balanced_errors([[1.0]], 0)
    with pytest.raises(ArgumentError, match="both or neither"):
        balanced_errors([[1.0]], 4, sampling=[[0.1]])
