"""Shares of variance: sums, positions of the bars, and what is named."""

import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError
from tests.bayes import Fits


def spans(ax: object) -> list[tuple[float, float, float]]:
    return sorted((round(p.get_y() + p.get_height() / 2, 6), p.get_x(), p.get_width()) for p in ax.patches)


def test_levels_are_the_icc(egsingle_reml: bx.LikelihoodFit, sleepstudy: Fits) -> None:
    frame = bx.variance_partition_data(egsingle_reml)
    assert_allclose(frame["share"].iloc[:2], egsingle_reml.icc()["estimate"])
    assert_allclose(frame["share"].sum(), 1)
    assert_allclose(bx.variance_partition_data(sleepstudy.post)["share"].iloc[0], sleepstudy.post.icc()["mean"])


@pytest.mark.parametrize("method", ["levels", "rights-sterba"])
def test_bars_are_full(hsb_reml: bx.LikelihoodFit, egsingle_reml: bx.LikelihoodFit, method: str) -> None:
    """Each bar begins at 0, has no gaps, and ends at 1."""
    for fit in (hsb_reml, egsingle_reml):
        ax = bx.plot_variance_partition(fit, method=method)
        for place in range(len(ax.get_yticks())):
            end = 0.0
            for _, left, width in [span for span in spans(ax) if span[0] == place]:
                assert_allclose(left, end, atol=1e-9)
                end = left + width
            assert_allclose(end, 1)


def test_within_and_between(interacting: bx.LikelihoodFit) -> None:
    """Every source of a bar has the proportions that it has in the total."""
    frame = bx.variance_partition_data(interacting, method="rights-sterba")["share"]
    total = frame["total"]
    within = total[["f1", "v", "sigma2"]]
    assert_allclose(frame["within"], within / within.sum())
    between = total[["f2", "m"]]
    assert_allclose(frame["between"], between / between.sum())


def test_labels(interacting: bx.LikelihoodFit, egsingle_reml: bx.LikelihoodFit) -> None:
    def names(fit: bx.LikelihoodFit) -> list[str]:
        legend = bx.plot_variance_partition(fit, method="rights-sterba").get_legend()
        return [text.get_text() for text in legend.get_texts()]

    assert "fixed part, within (f1)" in names(interacting)
    assert names(interacting)[-1] == "residual (sigma2)"
    assert {"fixed part, level 3 (f3)", "means of groups: schoolid"} <= set(names(egsingle_reml))


def test_crossed(crossed: bx.LikelihoodFit) -> None:
    assert_allclose(bx.variance_partition_data(crossed)["share"].sum(), 1)
    bx.plot_variance_partition(crossed, method="rights-sterba")


def test_no_variance_between_groups(dyestuff2_reml: bx.LikelihoodFit) -> None:
    """Nothing between groups: shares of it are no numbers, and nothing is drawn for them."""
    ax = bx.plot_variance_partition(dyestuff2_reml, method="rights-sterba")
    assert not [span for span in spans(ax) if span[0] == 2]
    ax.figure.canvas.draw()


def test_wrong_input(flat: bx.LikelihoodFit, four: bx.LikelihoodFit) -> None:
    for method in ("levels", "rights-sterba"):
        with pytest.raises(ArgumentError, match="no levels"):
            bx.plot_variance_partition(flat, method=method)
    with pytest.raises(ArgumentError, match="method='r2'"):
        bx.plot_variance_partition(four, method="r2")
    with pytest.raises(ArgumentError, match="no keyword 'kind'"):
        bx.plot_variance_partition(four, kind="r2")
    with pytest.raises(ArgumentError, match="type int"):
        bx.variance_partition_data(3)
