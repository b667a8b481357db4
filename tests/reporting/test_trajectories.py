"""Lines of groups: by hand from the coefficients, over each group's own range, beside its rows."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.bayes import Fits


def test_lines_are_the_coefficients(sleepstudy: Fits) -> None:
    """With one predictor a group's line is its coefficients; of the population the fixed effects."""
    for fit, column in ((sleepstudy.reml, "estimate"), (sleepstudy.post, "mean")):
        frame = bx.trajectories_data(fit, "Days", points=4)
        own = frame[frame["line"] == "group"]
        each = fit.coefficients()[column].unstack().loc[own["group"]]
        assert_allclose(own["value"], each["Intercept"].to_numpy() + each["Days"].to_numpy() * own["Days"], rtol=1e-9)
        everyone = frame[frame["line"] == "population"]
        beta = fit.fixed_effects()[column]
        assert_allclose(everyone["value"], beta["Intercept"] + beta["Days"] * everyone["Days"], rtol=1e-12)
        assert own["group"].nunique() == 18


def test_each_group_has_its_own_range(hsb_reml: bx.LikelihoodFit, hsb: pd.DataFrame) -> None:
    frame = bx.trajectories_data(hsb_reml, "ses")
    own = frame[frame["line"] == "group"].groupby("group")["ses"]
    data = hsb.groupby("school", observed=True)["ses"]
    assert_allclose(own.min().loc[data.min().index], data.min())
    assert_allclose(own.max().loc[data.max().index], data.max())


def test_other_predictors_are_those_of_the_group(hsb: pd.DataFrame) -> None:
    """meanses and sector are constant in a school, minority is not: its most frequent label."""
    fit = bx.Model("math ~ ses + meanses + sector + minority + (ses | school)", hsb).reml()
    frame = bx.group_fits_data(fit, "ses", groups=["1224", "9586"], points=3)
    beta = fit.fixed_effects()["estimate"]
    for school in ("1224", "9586"):
        rows = hsb[hsb["school"] == school]
        part = frame[frame["group"] == school]
        line = part[part["line"] == "fixed"]
        expected = (
            beta["Intercept"]
            + beta["ses"] * line["ses"]
            + beta["meanses"] * rows["meanses"].iloc[0]
            + beta["sector[Catholic]"] * (rows["sector"].iloc[0] == "Catholic")
            + beta["minority[Yes]"] * (rows["minority"].mode()[0] == "Yes")
        )
        assert_allclose(line["value"], expected, rtol=1e-10)
        u = fit.group_effects()["estimate"].loc[school]
        own = part[part["line"] == "group"]
        assert_allclose(own["value"], expected.to_numpy() + u["Intercept"] + u["ses"] * own["ses"], rtol=1e-10)
        seen = part[part["line"] == "observed"]
        assert_allclose(np.sort(seen["value"]), np.sort(rows["math"]))


def test_effects_of_the_levels_above(egsingle_reml: bx.LikelihoodFit) -> None:
    """A child's line has the effects of its school; a school's has none of its children."""
    child = egsingle_reml.design.levels[0].grouping.labels[700]
    school = child.split(":")[0]
    low, high = (egsingle_reml.group_effects(name)["estimate"] for name in ("schoolid:childid", "schoolid"))
    beta = egsingle_reml.fixed_effects()["estimate"]
    for level, label, u in (
        ("schoolid:childid", child, low.loc[child] + high.loc[school]),
        ("schoolid", school, high.loc[school]),
    ):
        frame = bx.trajectories_data(egsingle_reml, "year", level, groups=[label], points=2)
        own = frame[frame["line"] == "group"]
        slope = beta["year"] + u["year"]
        assert_allclose(own["value"], beta["Intercept"] + u["Intercept"] + slope * own["year"], rtol=1e-9)


def test_observed(dataset: object, sleepstudy: Fits, egsingle_reml: bx.LikelihoodFit) -> None:
    frame = bx.trajectories_data(sleepstudy.reml, "Days", kind="observed")
    own = frame[frame["line"] == "group"].set_index(["group", "Days"])["value"]
    data = dataset("sleepstudy").set_index(["Subject", "Days"])["Reaction"]
    assert_allclose(own, data.loc[own.index])
    several = bx.trajectories_data(egsingle_reml, "year", "schoolid", kind="observed", groups=3)
    assert not several.duplicated(["group", "year"]).any()


def test_drawn_lines(thousands: bx.LikelihoodFit, sleepstudy: Fits) -> None:
    ax = bx.plot_trajectories(sleepstudy.reml, "Days")
    frame = bx.trajectories_data(sleepstudy.reml, "Days")
    segments = ax.collections[0].get_segments()
    first = frame[frame["group"] == frame["group"].iloc[0]]
    assert len(segments) == 18
    assert_allclose(segments[0], first[["Days", "value"]])
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("Days", "Reaction", "18 groups of Subject")
    ax = bx.plot_trajectories(thousands, "x")
    assert len(ax.collections[0].get_segments()) == 300
    assert ax.get_title() == "300 of 4,000 groups of g"


def test_panels(thousands: bx.LikelihoodFit, four: bx.LikelihoodFit) -> None:
    axes = bx.plot_group_fits(four, "x")
    assert [panel.get_title() for panel in axes] == ["0", "1", "2", "3"]
    assert [len(panel.collections[0].get_offsets()) for panel in axes] == [12] * 4
    frame = bx.group_fits_data(four, "x", groups=[2])
    assert_allclose(axes[2].lines[0].get_ydata(), frame.loc[frame["line"] == "group", "value"])
    assert len(axes[0].figure.axes) == 4
    assert len(bx.plot_group_fits(thousands, "x")) == 12
    assert len(bx.plot_group_fits(four, "x", groups=3)[0].figure.axes) == 3


def test_weights_and_offset(rng: np.random.Generator) -> None:
    g = np.repeat(np.arange(6), 10)
    x, w = rng.normal(size=60), rng.uniform(0.5, 2, 60)
    frame = pd.DataFrame({"y": 2 * x + rng.normal(size=6)[g] + rng.normal(size=60), "x": x, "g": g, "w": w, "o": 3.0})
    fit = bx.Model("y ~ x + offset(o) + (1 | g)", frame, weights="w").reml()
    own = bx.trajectories_data(fit, "x", groups=[4], points=2)
    line = own[own["line"] == "group"]
    each = fit.coefficients()["estimate"].loc[4, "Intercept"] + fit.fixed_effects().loc["x", "estimate"] * line["x"]
    assert_allclose(line["value"], 3 + each, rtol=1e-9)


@pytest.mark.parametrize(
    ("x", "keywords", "text"),
    [
        ("z", {}, "no predictor 'z'"),
        ("g", {}, "is a category"),
        ("x", {"groups": [9]}, "no group 9"),
        ("x", {"groups": 0}, "groups=0"),
        ("x", {"groups": []}, "groups is empty"),
        ("x", {"groups": 2.5}, "groups=2.5"),
        ("x", {"kind": "both"}, "kind='both'"),
        ("x", {"level": "h"}, "no level 'h'"),
        ("x", {"by": "g"}, "no keyword 'by'"),
    ],
)
def test_wrong_input(four: bx.LikelihoodFit, x: str, keywords: dict[str, object], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        bx.plot_trajectories(four, x, **keywords)


def test_no_levels(flat: bx.LikelihoodFit) -> None:
    for plot in (bx.plot_trajectories, bx.plot_group_fits):
        with pytest.raises(ArgumentError, match="no levels"):
            plot(flat, "Days")
        with pytest.raises(ArgumentError, match="type dict"):
            plot({}, "Days")
