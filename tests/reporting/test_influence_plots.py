"""Influence of groups drawn: values, cut-offs, order, and as many names as can be read."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.bayes import Fits


@pytest.fixture(scope="session")
def exam() -> bx.LikelihoodFit:
    return bx.Model("normexam ~ standLRT + (standLRT | school)", bx.load_dataset("exam")).reml()


def marks(ax: object) -> np.ndarray:
    """Places and values of the lollipops, lowest first."""
    found = [c.get_offsets() for c in ax.collections if "cut-off" in c.get_label()]
    points = np.concatenate(found)
    return points[np.argsort(points[:, 1])]


def test_values_and_cut_offs(exam: bx.LikelihoodFit) -> None:
    frame, found = bx.influence_data(exam), exam.influence()
    cook = frame.loc["cooks_distance"]
    assert (np.diff(cook["value"]) <= 0).all()
    assert_array_equal(cook["value"], found.table["cooks_distance"].loc[cook.index])
    slope = frame.loc["standLRT"]
    assert_array_equal(slope["value"], found.coefficients["dfbetas"].xs("standLRT", level="term").loc[slope.index])
    assert_allclose(cook["cut"], 4 / 65)
    assert_allclose(slope["cut"], 2 / np.sqrt(65))
    assert_array_equal(slope["beyond"], slope["value"].abs() > 2 / np.sqrt(65))
    assert list(slope.index) == list(cook.index)
    assert cook.index[0] == "53"


def test_refitted(four: bx.LikelihoodFit) -> None:
    """Variances estimated anew without one group: another change."""
    refitted = four.influence(refit=True).table["cooks_distance"]
    frame = bx.influence_data(four, refit=True).loc["cooks_distance"]
    assert_allclose(frame["value"], refitted.loc[frame.index])
    held = bx.influence_data(four).loc["cooks_distance", "value"]
    assert not np.allclose(frame["value"], held.loc[frame.index])


def test_drawn(exam: bx.LikelihoodFit) -> None:
    axes = bx.plot_influence(exam)
    frame = bx.influence_data(exam)
    assert [panel.get_title() for panel in axes] == ["Cook's distance", "DFBETAs: Intercept", "DFBETAs: standLRT"]
    names = [text.get_text() for text in axes[0].get_yticklabels()]
    assert names == ["35 others", *[str(label) for label in frame.loc["cooks_distance"].index[:30]][::-1]]
    for panel, measure in zip(axes, ("cooks_distance", "Intercept", "standLRT"), strict=True):
        own = frame.loc[measure]
        assert_allclose(marks(panel), np.c_[own["value"][:30][::-1], np.arange(30)])
        others = next(c for c in panel.collections if c.get_label() == "other groups").get_offsets()
        assert_allclose(others, np.c_[own["value"][30:], np.full(35, -1)])
        beyond = next(c for c in panel.collections if c.get_label() == "beyond the cut-off").get_offsets()
        assert len(beyond) == own["beyond"][:30].sum()
        cuts = sorted(line.get_xdata()[0] for line in panel.lines if line.get_linestyle() == ":")
        cut = own["cut"].iloc[0]
        assert_allclose(cuts, [cut] if measure == "cooks_distance" else [-cut, cut])


def test_sizes(four: bx.LikelihoodFit, thousands: bx.LikelihoodFit) -> None:
    assert sorted(text.get_text() for text in bx.plot_influence(four)[0].get_yticklabels()) == list("0123")
    names = [text.get_text() for text in bx.plot_influence(thousands)[0].get_yticklabels()]
    assert (len(names), names[0]) == (31, "3,970 others")
    assert len(bx.plot_influence(thousands, groups=5)[0].get_yticklabels()) == 6


def test_chosen_terms(exam: bx.LikelihoodFit) -> None:
    assert len(bx.plot_influence(exam, terms="standLRT")) == 2
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{i}": rng.normal(size=60) for i in range(10)})
    frame = frame.assign(y=rng.normal(size=60), g=np.repeat(np.arange(6), 10))
    fit = bx.Model("y ~ " + " + ".join(f"x{i}" for i in range(10)) + " + (1 | g)", frame).reml()
    axes = bx.plot_influence(fit)
    largest = bx.influence_data(fit)["value"].abs().groupby(level="measure").max().drop("cooks_distance")
    shown = [panel.get_title().removeprefix("DFBETAs: ") for panel in axes[1:]]
    assert set(shown) == set(largest.nlargest(7).index)
    assert shown == [name for name in fit.fixed_effects().index if name in shown]


def test_groups_that_a_coefficient_needs() -> None:
    """Only group 0 has a label: without it its coefficient is not determined, and it is counted and not drawn."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(6), 5)
    label = np.where((g == 0) & (np.arange(30) % 2 == 0), "rare", "usual")
    fit = bx.Model("y ~ label + (1 | g)", pd.DataFrame({"y": rng.normal(size=30), "label": label, "g": g})).reml()
    axes = bx.plot_influence(fit)
    assert "0" not in [text.get_text() for text in axes[0].get_yticklabels()]
    assert axes[0].get_ylabel() == "g (1 without a value)"
    assert "Without g" in bx.influence_data(fit).attrs["note"]


def test_wrong_input(
    four: bx.LikelihoodFit, sleepstudy: Fits, flat: bx.LikelihoodFit, crossed: bx.LikelihoodFit
) -> None:
    for keywords, text in (
        ({"terms": "age"}, "no fixed effect 'age'"),
        ({"terms": [None]}, "no fixed effect None"),
        ({"groups": 0}, "groups=0"),
        ({"level": "school"}, "school"),
        ({"refit": "yes"}, "refit='yes'"),
        ({"cutoff": 1}, "no keyword 'cutoff'"),
    ):
        with pytest.raises(ArgumentError, match=text):
            bx.plot_influence(four, **keywords)
    with pytest.raises(ArgumentError, match="Expected a REML or ML fit"):
        bx.plot_influence(sleepstudy.post)
    with pytest.raises(ArgumentError, match="no levels"):
        bx.plot_influence(flat)
    with pytest.raises(ArgumentError, match="2 levels and none was named"):
        bx.plot_influence(crossed)
    fit = bx.Model("Yield ~ 0 + (1 | Batch)", bx.load_dataset("dyestuff2")).reml()
    with pytest.raises(ArgumentError, match="no fixed effects"):
        bx.plot_influence(fit)


def test_crossed_levels(crossed: bx.LikelihoodFit) -> None:
    """Each by its name, with the groups and numbers of the table; the sign is that of the change without a group."""
    for level, count in (("plate", 24), ("sample", 6)):
        found, frame = crossed.influence(level), bx.influence_data(crossed, level)
        own = frame.loc["cooks_distance", "value"]
        assert len(own) == count and own.is_monotonic_decreasing
        assert own.to_dict() == found.table["cooks_distance"].to_dict()
        signs = np.sign(frame.loc["Intercept", "value"])
        change = found.coefficients["change"].xs("Intercept", level="term")
        assert (signs == np.sign(change[signs.index])).all()
        assert len(bx.plot_influence(crossed, level)) == 2
