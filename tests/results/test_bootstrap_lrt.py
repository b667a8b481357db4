"""The likelihood-ratio test by simulation: its null distribution, its p-value, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.results import bootstrap as module
from bayesmix.results.bootstrap import bootstrap_lrt
from tests.frames import random_frame

J, M = 8, 4


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    y = 0.6 * rng.normal(size=(J, 1)) + rng.normal(size=(J, M))
    return pd.DataFrame({"y": y.ravel(), "x": rng.normal(size=J * M), "g": np.repeat(np.arange(J), M)})


def test_one_variance(frame: pd.DataFrame) -> None:
    """Balanced layout, REML: the simulated statistic is 0 exactly where MSB <= MSW, which has an F probability."""
    small, large = (bx.Model(f"y ~ 1{bar}", frame).reml() for bar in ("", " + (1 | g)"))
    test = bootstrap_lrt(small, large, n=400, seed=1)
    assert_allclose(test.statistic, small.criterion - large.criterion)
    share = stats.f.cdf(1, J - 1, J * (M - 1))
    assert abs((test.draws == 0).mean() - share) < 4 * np.sqrt(share * (1 - share) / 400)
    assert test.p == (1 + (test.draws >= test.statistic).sum()) / 401
    assert (test.draws >= 0).all()
    # The statistic is a function of F = MSB/MSW that rises: so its p-value is that of the F test.
    y = frame["y"].to_numpy().reshape(J, M)
    F = M * y.mean(axis=1).var(ddof=1) / y.var(axis=1, ddof=1).mean()
    exact = stats.f.sf(F, J - 1, J * (M - 1))
    assert abs(test.p - exact) < 4 * np.sqrt(exact * (1 - exact) / 400) + 1 / 400


def test_fixed_effect_by_ml(frame: pd.DataFrame) -> None:
    """No random part: the statistic is n log(1 + t^2/(n - 2)), so its p-value is that of the t test."""
    small, large = (bx.Model(f, frame).ml() for f in ("y ~ 1", "y ~ x"))
    test = bootstrap_lrt(small, large, n=600, seed=1)
    X = large.design.fixed_values
    found = np.linalg.lstsq(X, frame["y"].to_numpy())
    s2 = found[1][0] / (J * M - 2)
    t = found[0][1] / np.sqrt(s2 * np.linalg.inv(X.T @ X)[1, 1])
    exact = 2 * stats.t.sf(abs(t), J * M - 2)
    assert abs(test.p - exact) < 4 * np.sqrt(exact * (1 - exact) / 600) + 1 / 600


def test_without_rows_where_the_models_share_their_columns(
    hsb_model: bx.Model, hsb_reml: bx.LikelihoodFit, hsb: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = bx.Model("math ~ ses + (1 | school)", hsb).reml()
    with monkeypatch.context() as patched:
        patched.setattr(module, "simulated_rows", None)
        fast = bootstrap_lrt(small, hsb_reml, n=60, seed=1)
    monkeypatch.setattr(module, "is_nested", lambda products: False)
    slow = bootstrap_lrt(small, hsb_reml, n=60, seed=2)
    assert_allclose(fast.statistic, 4.771, atol=5e-4)
    assert stats.ks_2samp(fast.draws, slow.draws).pvalue > 1e-3


def test_refused(frame: pd.DataFrame) -> None:
    null, large = (bx.Model(f, frame).ml() for f in ("y ~ 1 + (1 | g)", "y ~ x + (1 | g)"))
    with pytest.raises(ArgumentError, match="32 rows and of 31"):
        bootstrap_lrt(null, bx.Model("y ~ x + (1 | g)", frame.iloc[1:]).ml(), n=5)
    with pytest.raises(ArgumentError, match="by REML and the other by ML"):
        bootstrap_lrt(null, bx.Model("y ~ x + (1 | g)", frame).reml(), n=5)
    with pytest.raises(ArgumentError, match="different fixed effects"):
        bootstrap_lrt(*(bx.Model(f, frame).reml() for f in ("y ~ 1 + (1 | g)", "y ~ x + (1 | g)")), n=5)
    with pytest.raises(ArgumentError, match=r"bootstrap_lrt\(small, large\)"):
        bootstrap_lrt(large, null, n=5)
    with pytest.raises(ArgumentError, match="n=0"):
        bootstrap_lrt(null, large, n=0)


def test_levels_of_different_depth() -> None:
    """Fits with other trees share nothing but the rows."""
    frame = random_frame(np.random.default_rng(4), n=60, groups=5)
    small, large = (bx.Model(f"y ~ x + (1 | {group})", frame).reml() for group in ("top", "top/inner"))
    test = bootstrap_lrt(small, large, n=5, seed=1)
    assert test.draws.shape == (5,)
    assert test.n_failed == 0
