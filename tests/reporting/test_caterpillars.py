"""Groups in order: places, intervals, colours and names."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.bayes import Fits


def drawn(ax: object) -> np.ndarray:
    """Intervals as (place, low, high), sorted by place."""
    segments = [segment for c in ax.collections if hasattr(c, "get_segments") for segment in c.get_segments()]
    return np.array(sorted((s[0, 1], s[0, 0], s[1, 0]) for s in segments))


def test_sorted_effects(hsb_reml: bx.LikelihoodFit) -> None:
    table = hsb_reml.group_effects(prob=0.8).xs("ses", level="effect")
    frame = bx.caterpillar_data(hsb_reml, effect="ses", prob=0.8)
    assert (np.diff(frame["estimate"]) >= 0).all()
    assert_array_equal(
        frame.loc[table.index, ["estimate", "ci_low", "ci_high"]], table[["estimate", "ci_low", "ci_high"]]
    )
    assert_array_equal(frame["apart"], (frame["ci_low"] > 0) | (frame["ci_high"] < 0))
    ax = bx.plot_caterpillar(hsb_reml, effect="ses", prob=0.8)
    assert_allclose(drawn(ax), np.c_[np.arange(160), frame["ci_low"], frame["ci_high"]])
    counts = [f"({int((~frame['apart']).sum())})", f"({int(frame['apart'].sum())})"]
    assert [text.get_text().split()[-1] for text in ax.get_legend().get_texts()] == counts
    assert "80 %" in ax.get_title()


def test_coefficients_beside_the_fixed_effect(four: bx.LikelihoodFit) -> None:
    fixed = four.fixed_effects().loc["x", "estimate"]
    frame = bx.caterpillar_data(four, effect="x", kind="coefficients")
    assert_allclose(frame["reference"], fixed)
    assert_allclose(frame["estimate"].sort_index(), four.coefficients().xs("x", level="effect")["estimate"])
    ax = bx.plot_caterpillar(four, effect="x", kind="coefficients")
    assert [text.get_text() for text in ax.get_yticklabels()] == [str(label) for label in frame.index]
    assert_allclose(ax.lines[0].get_xdata(), fixed)
    assert ax.get_xlabel() == "x of the group"


def test_apart_from_the_fixed_effect_and_not_from_zero(hsb_reml: bx.LikelihoodFit) -> None:
    """Every school's own intercept is positive; some of them differ from the fixed effect."""
    frame = bx.caterpillar_data(hsb_reml, kind="coefficients")
    fixed = hsb_reml.fixed_effects().loc["Intercept", "estimate"]
    assert (frame["ci_low"] > 0).all()
    assert_array_equal(frame["apart"], (frame["ci_low"] > fixed) | (frame["ci_high"] < fixed))
    assert 0 < frame["apart"].sum() < 160


def test_sizes(thousands: bx.LikelihoodFit, egsingle_reml: bx.LikelihoodFit) -> None:
    ax = bx.plot_caterpillar(thousands)
    assert (len(drawn(ax)), len(ax.get_yticks())) == (4000, 0)
    assert ax.figure.get_figheight() <= 10
    assert bx.plot_caterpillar(egsingle_reml, "schoolid").get_ylabel() == "schoolid (60, in order)"


def test_crossed_levels(crossed: bx.LikelihoodFit) -> None:
    assert len(drawn(bx.plot_caterpillar(crossed, "sample"))) == 6


def test_posterior_with_and_without_draws(sleepstudy: Fits) -> None:
    table = sleepstudy.post.group_effects().xs("Intercept", level="effect")
    assert_allclose(bx.caterpillar_data(sleepstudy.post)["estimate"].sort_index(), table["mean"])
    summary = replace(sleepstudy.post, effects=replace(sleepstudy.post.effects, effects=None))
    assert_allclose(bx.caterpillar_data(summary)["estimate"].sort_index(), table["mean"])
    with pytest.raises(ArgumentError, match="not kept"):
        bx.plot_caterpillar(summary, kind="coefficients")


@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        ({"kind": "effect"}, "kind='effect'"),
        ({"prob": 95}, "prob=95"),
        ({"effect": "age"}, "no effect 'age'"),
        ({"sort": False}, "no keyword 'sort'"),
        ({"ax": 1}, "matplotlib axes"),
    ],
)
def test_wrong_input(four: bx.LikelihoodFit, keywords: dict[str, object], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        bx.plot_caterpillar(four, **keywords)


def test_no_levels(flat: bx.LikelihoodFit) -> None:
    with pytest.raises(ArgumentError, match="no levels"):
        bx.plot_caterpillar(flat)
    with pytest.raises(ArgumentError, match="type NoneType"):
        bx.plot_caterpillar(None)
