"""HSB under rstanarm's priors against the numbers of a run of rstanarm."""

import numpy as np
import pytest

import bayesmix as bx

# stan_lmer(math ~ ses + (ses | school)), default priors: posterior means and sds. Its run had about 680 effective
# draws; this is the Monte Carlo error of its means.
RSTANARM = {
    ("fixed", "Intercept"): (12.667, 0.193),
    ("fixed", "ses"): (2.400, 0.119),
    ("sigma", "sigma"): (6.0719, 0.0516),
    ("school", "var(Intercept)"): (4.848, 0.680),
    ("school", "cov(Intercept,ses)"): (-0.149, 0.294),
    ("school", "var(ses)"): (0.410, 0.234),
}
DRAWS = 680


@pytest.fixture(scope="module")
def post(hsb: object) -> bx.BayesFit:
    return bx.Model("math ~ ses + (ses | school)", hsb, priors="rstanarm").sample(seed=6, progress=False)


@pytest.mark.parametrize("row", RSTANARM)
def test_agreement(row: tuple[str, str], post: bx.BayesFit) -> None:
    """Means within 3 combined Monte Carlo errors; sds within a tenth, 3 errors of an sd from 680 draws being 8 %."""
    part, name = row
    mean, sd = RSTANARM[row]
    if part == "fixed":
        ours = post.fixed_effects().loc[name]
    elif part == "school":
        ours = post.variance_components().loc[row]
    else:
        sigma = post.parameters.sigma
        variance = post.variance_components().loc["residual", "var"]
        ours = {"mean": sigma.mean(), "sd": sigma.std(ddof=1), "ess_bulk": variance["ess_bulk"]}
    error = np.sqrt(sd**2 / DRAWS + ours["sd"] ** 2 / ours["ess_bulk"])
    assert abs(ours["mean"] - mean) < 3 * error
    assert abs(ours["sd"] / sd - 1) < 0.1


def test_the_defaults_of_bayesmix_differ(post: bx.BayesFit, hsb: object) -> None:
    """decov favours slopes that vary more than our default prior does: the comparison can tell the two apart."""
    ours = bx.Model("math ~ ses + (ses | school)", hsb).sample(seed=6, progress=False)
    one, two = (fit.variance_components().loc[("school", "var(ses)")] for fit in (post, ours))
    error = np.hypot(*(row["sd"] / np.sqrt(row["ess_bulk"]) for row in (one, two)))
    assert abs(one["mean"] - two["mean"]) > 4 * error
