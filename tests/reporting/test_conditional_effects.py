"""Simple slopes and Johnson-Neyman regions: closed forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.bayes import Fits
from tests.fabricated import fabricated

CRITICAL = 1.959963984540054  # qnorm(.975)


def roots(fit: bx.LikelihoodFit, x: str, product: str) -> np.ndarray:
    """(b1 + b3 z)^2 = c^2 (v11 + 2 z v13 + z^2 v33), Bauer & Curran (2005), eq. 13."""
    beta, vcov = fit.fixed_effects()["estimate"], fit.vcov()
    a = beta[product] ** 2 - CRITICAL**2 * vcov.loc[product, product]
    b = 2 * beta[x] * beta[product] - 2 * CRITICAL**2 * vcov.loc[x, product]
    c = beta[x] ** 2 - CRITICAL**2 * vcov.loc[x, x]
    return np.sort(np.roots([a, b, c]).real)


def test_region_against_the_quadratic(interacting: bx.LikelihoodFit) -> None:
    found = bx.johnson_neyman(interacting, "meanses", "ses", values=(-20, 20))
    assert_allclose(found["low"].iloc[1:], roots(interacting, "meanses", "ses:meanses"), rtol=1e-6)
    assert found["slope"].tolist() == ["negative", "undecided", "positive"]
    assert (found["low"].iloc[0], found["high"].iloc[-1]) == (-20, 20)
    assert_array_equal(found["low"].iloc[1:], found["high"].iloc[:-1])
    ses = bx.load_dataset("hsb")["ses"]
    assert_allclose(found["rows"].sum(), 1)
    assert_allclose(found["rows"].iloc[2], (ses >= found["low"].iloc[2]).mean())


def test_slope_and_its_error(interacting: bx.LikelihoodFit) -> None:
    """With two interactions, at the reference sector, the most frequent one."""
    frame = bx.johnson_neyman_data(interacting, "ses", "meanses", values=(-1, 2), points=5)
    beta, vcov = interacting.fixed_effects()["estimate"], interacting.vcov()
    z = frame["meanses"]
    assert_allclose(frame["slope"], beta["ses"] + beta["ses:meanses"] * z, rtol=1e-9)
    product = "ses:meanses"
    variance = vcov.loc["ses", "ses"] + 2 * z * vcov.loc["ses", product] + z**2 * vcov.loc[product, product]
    assert_allclose(frame["ci_high"] - frame["slope"], CRITICAL * np.sqrt(variance), rtol=1e-8)


def test_drawn_region(interacting: bx.LikelihoodFit) -> None:
    ax = bx.plot_johnson_neyman(interacting, "meanses", "ses", values=(-20, 20))
    regions = bx.johnson_neyman(interacting, "meanses", "ses", values=(-20, 20))
    cuts = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"]
    assert_allclose(cuts, regions["low"].iloc[1:])
    assert_allclose((ax.patches[0].get_x(), ax.patches[0].get_width()), (cuts[0], cuts[1] - cuts[0]))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("ses", "slope of meanses")


def test_region_of_a_posterior(interacting: bx.LikelihoodFit, rng: np.random.Generator) -> None:
    """At its ends a quantile of b1 + b3 z over the draws is 0."""
    model = bx.Model("math ~ ses * meanses + (1 | school)", bx.load_dataset("hsb"))
    names = list(model.design.fixed_names)
    beta = rng.normal(size=(400, 4)) * 0.3
    beta[:, names.index("meanses")] += 1.0
    beta[:, names.index("ses:meanses")] += 1.5
    post = fabricated(model, rng, draws=200, beta=beta)
    found = bx.johnson_neyman(post, "meanses", "ses", prob=0.9)
    assert found["slope"].tolist() == ["negative", "undecided", "positive"]
    for z, share in zip(found["low"].iloc[1:], (0.95, 0.05), strict=True):
        slopes = beta[:, names.index("meanses")] + z * beta[:, names.index("ses:meanses")]
        assert_allclose(np.quantile(slopes, share), 0, atol=1e-8)
    frame = bx.johnson_neyman_data(post, "meanses", "ses", values=(0, 1), points=2)
    assert_allclose(frame["slope"].iloc[0], beta[:, names.index("meanses")].mean())
    with pytest.raises(ArgumentError, match="x itself"):
        bx.johnson_neyman(post, "ses", "ses")


def test_one_region(interacting: bx.LikelihoodFit) -> None:
    found = bx.johnson_neyman(interacting, "ses", "meanses", values=(0, 0.5))
    assert found[["low", "high", "slope"]].to_numpy().tolist() == [[0, 0.5, "positive"]]
    assert not bx.plot_johnson_neyman(interacting, "ses", "meanses", values=(0, 0.5)).patches


def test_simple_slopes(interacting: bx.LikelihoodFit) -> None:
    meanses = bx.load_dataset("hsb")["meanses"]
    frame = bx.effects_data(interacting, "ses", "meanses")
    values = frame["meanses"].drop_duplicates().to_numpy()
    assert_allclose(values, meanses.mean() + meanses.std() * np.array([-1, 0, 1]), rtol=1e-9)
    beta = interacting.fixed_effects()["estimate"]
    ax = bx.plot_effects(interacting, "ses", "meanses")
    for line, z in zip(ax.lines, values, strict=True):
        slope = np.ptp(line.get_ydata()) / np.ptp(line.get_xdata())
        assert_allclose(slope, beta["ses"] + beta["ses:meanses"] * z)
    assert len(ax.collections) == 3


def test_labels_and_categories(interacting: bx.LikelihoodFit) -> None:
    ax = bx.plot_effects(interacting, "sector", "meanses", [-0.5, 0.5])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["Public", "Catholic"]
    assert [line.get_label() for line in ax.lines] == ["meanses = -0.50", "meanses = 0.50"]
    ax = bx.plot_effects(interacting, "ses")
    assert [line.get_label() for line in ax.lines] == ["mean"]
    assert ax.get_ylabel() == "mean of math, 95 % band"


def test_posterior(sleepstudy: Fits) -> None:
    frame = bx.effects_data(sleepstudy.post, "Days", prob=0.8)
    draws = sleepstudy.post.parameters.beta.reshape(-1, 2) @ np.array([[1.0, 9.0]]).T
    last = frame.iloc[-1]
    assert_allclose(last["estimate"], draws.mean())
    assert_allclose([last["ci_low"], last["ci_high"]], np.quantile(draws, [0.1, 0.9]))


def test_no_levels(flat: bx.LikelihoodFit) -> None:
    assert len(bx.effects_data(flat, "Days")) == 10


@pytest.mark.parametrize(
    ("by", "keywords", "text"),
    [
        ("sectr", {}, "no predictor 'sectr'"),
        ("ses", {}, "x itself"),
        ("sector", {"values": ["State"]}, "no label 'State'"),
        ("meanses", {"values": []}, "No value"),
        ("meanses", {"prob": 0}, "prob=0"),
        (None, {"values": [1]}, "without by"),
    ],
)
def test_wrong_effects(interacting: bx.LikelihoodFit, by: str, keywords: dict[str, object], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        bx.plot_effects(interacting, "ses", by, **keywords)


@pytest.mark.parametrize(
    ("by", "keywords", "text"),
    [
        ("sector", {}, "is a category"),
        ("age", {}, "no predictor 'age'"),
        ("meanses", {"values": (1, 1)}, "two different"),
        ("meanses", {"values": "all"}, "two different"),
        ("meanses", {"values": (0, np.nan)}, "two different"),
        ("meanses", {"prob": "x"}, "prob='x'"),
        ("meanses", {"alpha": 0.05}, "no keyword 'alpha'"),
    ],
)
def test_wrong_regions(interacting: bx.LikelihoodFit, by: str, keywords: dict[str, object], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        bx.plot_johnson_neyman(interacting, "ses", by, **keywords)
    with pytest.raises(ArgumentError, match="type list"):
        bx.johnson_neyman([], "ses", by)
