"""Shrinkage drawn: what is where, in which order, and what is left out."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver
from numpy.testing import assert_allclose, assert_array_equal

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.bayes import Fits


def arrows(ax: object) -> Quiver:
    return next(artist for artist in ax.collections if isinstance(artist, Quiver))


def test_data_is_the_table_in_order(hsb_reml: bx.LikelihoodFit) -> None:
    frame, table = bx.shrinkage_data(hsb_reml), hsb_reml.shrinkage()
    assert_array_equal(frame.loc[table.index].to_numpy(), table.to_numpy())
    first = frame.xs("Intercept", level="effect")["no_pooling"].to_numpy()
    assert (np.diff(first) >= 0).all()
    assert len(first) == 160


def test_one_effect(four: bx.LikelihoodFit) -> None:
    frame = bx.shrinkage_data(four, effect="Intercept").droplevel("effect")
    ax = bx.plot_shrinkage(four, effect="Intercept")
    quiver = arrows(ax)
    assert_allclose(quiver.X, frame["no_pooling"])
    assert_allclose(quiver.X + quiver.U, frame["partial_pooling"])
    assert_array_equal(quiver.Y, np.arange(4))
    assert [text.get_text() for text in ax.get_yticklabels()] == [str(label) for label in frame.index]
    lines = {line.get_label(): line.get_xdata()[0] for line in ax.lines}
    assert_allclose(lines["complete pooling"], frame["complete_pooling"].iloc[0])
    assert_allclose(lines["fixed effect"], four.fixed_effects().loc["Intercept", "estimate"])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Intercept", "g")


def test_plane(hsb_reml: bx.LikelihoodFit) -> None:
    frame = bx.shrinkage_data(hsb_reml)
    x, y = (frame.xs(name, level="effect") for name in ("Intercept", "ses"))
    ax = bx.plot_shrinkage(hsb_reml)
    quiver = arrows(ax)
    assert_allclose(np.c_[quiver.X, quiver.Y], np.c_[x["no_pooling"], y["no_pooling"]])
    assert_allclose(np.c_[quiver.X + quiver.U, quiver.Y + quiver.V], np.c_[x["partial_pooling"], y["partial_pooling"]])
    sizes = next(c for c in ax.collections if c.get_label().startswith("no pooling")).get_sizes()
    assert_allclose(sizes / sizes[0], x["n"] / x["n"].iloc[0])
    left, right = ax.get_xlim()
    assert (x["partial_pooling"].between(left, right)).all()


def test_far_outliers_are_counted(egsingle_model: bx.Model) -> None:
    fit, level = egsingle_model.reml(), "schoolid:childid"
    frame = bx.shrinkage_data(fit, level)
    ax = bx.plot_shrinkage(fit, level)
    x, y = (frame.xs(name, level="effect")["no_pooling"] for name in ("Intercept", "year"))
    inside = x.isna() | x.between(*ax.get_xlim()) & y.between(*ax.get_ylim())
    assert 0 < (~inside).sum() < 172
    assert ax.get_legend().get_title().get_text() == f"{(~inside).sum()} outside the picture"


def test_groups_without_an_estimate_of_their_own(hsb: object) -> None:
    """A school of one row has no slope of its own: no arrow, but a dot."""
    frame = hsb[hsb["school"].isin(sorted(hsb["school"].unique())[:30])]
    lonely = frame[frame["school"] == frame["school"].iloc[0]].index[1:]
    fit = bx.Model("math ~ ses + (ses | school)", frame.drop(index=lonely)).reml()
    ax = bx.plot_shrinkage(fit)
    dots = next(c for c in ax.collections if c.get_label() == "partial pooling")
    assert (arrows(ax).N, len(dots.get_offsets())) == (29, 30)
    assert "1 without an estimate of their own" in ax.get_legend().get_title().get_text()
    assert np.isnan(bx.shrinkage_data(fit)["no_pooling"].iloc[-1])


def test_many_groups_have_no_names(thousands: bx.LikelihoodFit) -> None:
    ax = bx.plot_shrinkage(thousands, effect="Intercept")
    assert arrows(ax).N == 4000
    assert len(ax.get_yticks()) == 0
    assert ax.get_ylabel() == "g (4,000, by no pooling)"
    ax.figure.canvas.draw()


def test_levels(egsingle_reml: bx.LikelihoodFit) -> None:
    ax = bx.plot_shrinkage(egsingle_reml, "schoolid")
    assert arrows(ax).N == 60
    with pytest.raises(ArgumentError, match="none was named"):
        bx.plot_shrinkage(egsingle_reml)


def test_posterior(sleepstudy: Fits) -> None:
    frame = bx.shrinkage_data(sleepstudy.post, effect="Days").droplevel("effect")
    assert_allclose(
        frame["partial_pooling"].sort_index(), sleepstudy.post.coefficients().xs("Days", level="effect")["mean"]
    )
    summary = replace(sleepstudy.post.effects, effects=None)
    with pytest.raises(ArgumentError, match="not kept"):
        bx.plot_shrinkage(replace(sleepstudy.post, effects=summary))


def test_own_axes(four: bx.LikelihoodFit) -> None:
    ax = Figure().subplots()
    assert bx.plot_shrinkage(four, ax=ax) is ax


@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        ({"effect": "age"}, "no effect 'age'"),
        ({"effect": ("x", "x")}, "two different"),
        ({"effect": ()}, "two different"),
        ({"effect": 3}, "no effect '3'"),
        ({"level": "class"}, "no level 'class'"),
        ({"ax": "here"}, "matplotlib axes"),
        ({"colour": "red"}, "no keyword 'colour'"),
    ],
)
def test_wrong_input(four: bx.LikelihoodFit, keywords: dict[str, object], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        bx.plot_shrinkage(four, **keywords)


def test_crossed_levels(crossed: bx.LikelihoodFit) -> None:
    frame = bx.shrinkage_data(crossed, "plate")
    assert len(frame) == 24
    assert bx.plot_shrinkage(crossed, "plate").get_ylabel() == "plate"


def test_what_has_no_shrinkage(flat: bx.LikelihoodFit, crossed: bx.LikelihoodFit) -> None:
    with pytest.raises(ArgumentError, match="no levels"):
        bx.plot_shrinkage(flat)
    with pytest.raises(ArgumentError, match="none was named"):
        bx.plot_shrinkage(crossed)
    with pytest.raises(ArgumentError, match="type str"):
        bx.shrinkage_data("math ~ ses")
