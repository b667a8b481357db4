"""The summary of a posterior as HTML: the numbers of the text, in tables, and nothing of the user's run."""

import pickle

import numpy as np
import pandas as pd
import pytest

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.tables import Summary, format_number
from tests.bayes import Fits
from tests.fabricated import fabricated
from tests.frames import random_frame
from tests.markup import read


def test_html_has_every_number(hsb_fits: Fits) -> None:
    post = hsb_fits.post
    summary = post.summary()
    assert isinstance(summary, Summary)
    assert post._repr_html_() == summary._repr_html_()
    found = read(summary._repr_html_()).found
    cells = [text for tag, text in found if tag == "td"]
    for table in (post.fixed_effects(), post.variance_components(), post.icc()):
        for name, column in table.items():
            decimals = {"ess_bulk": 0, "ess_tail": 0, "r_hat": 3}.get(str(name), 4)
            assert {format_number(value, decimals) for value in column} <= set(cells)
    heads = {text for tag, text in found if tag == "th"}
    assert {"ses", "residual", "var(ses)", "corr(Intercept,ses)", "1|school_sigma", "school_corr", "mean"} <= heads
    assert {"LKJ(2)", "HalfStudentT(4, 6.878)", "default: sd(y)"} <= set(cells)
    assert [text for tag, text in found if tag == "h4"] == [
        "Variance components", "Intraclass correlation", "Fixed effects", "Priors",
    ]  # fmt: skip


def test_text_of_a_user_is_text(rng: np.random.Generator) -> None:
    """Names of columns and labels are escaped; the page has no colours of its own, so that it suits every theme."""
    frame = random_frame(rng).rename(columns={"x": "<b>", "top": "<script>alert(1)</script>"})
    frame["f"] = frame["f"].map({"a": "<i>", "b": "b", "c": "c"})
    model = bx.Model("y ~ `<b>` + f + (`<b>` | `<script>alert(1)</script>`)", frame)
    for page in (fabricated(model, rng)._repr_html_(), model._repr_html_()):
        tags = {tag for tag, _ in read(page).found}
        assert tags <= {
            "section",
            "h3",
            "h4",
            "dl",
            "dt",
            "dd",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "pre",
            "p",
        }
        assert "&lt;script&gt;" in page and "style" not in page and "color" not in page


def test_coverage(rng: np.random.Generator) -> None:
    post = fabricated(bx.Model("y ~ x + (1 | top)", random_frame(rng)), rng, draws=50)
    assert f"{post.fixed_effects(prob=0.5).iloc[1]['ci_low']:.4f}" in post.summary(prob=0.5)
    assert f"{post.icc(prob=0.5).iloc[0]['ci_low']:.4f}" in post.summary(prob=0.5)
    for prob in (95, "wide", None):
        with pytest.raises(ArgumentError, match="prob"):
            post.summary(prob=prob)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="no keyword 'style'"):
        post.summary(style="sas")


@pytest.mark.filterwarnings("ignore::bayesmix.BayesmixWarning")
def test_rows_weights_and_aliases(rng: np.random.Generator) -> None:
    frame = random_frame(rng).assign(w=2.0)
    frame.loc[4, "x"] = np.nan
    model = bx.Model("y ~ x + I(2 * x) + (1 | top)", frame, weights="w")
    for page in (fabricated(model, rng)._repr_html_(), model._repr_html_()):
        for part in (
            "119 (1 left out: values missing)",
            "w (residual variance sigma^2 / weight)",
            "Aliased and dropped",
        ):
            assert part in page


def test_a_summary_can_be_pickled(rng: np.random.Generator) -> None:
    summary = fabricated(bx.Model("y ~ x", random_frame(rng)), rng).summary()
    again = pickle.loads(pickle.dumps(summary))
    assert again == summary and again._repr_html_() == summary._repr_html_()
    assert isinstance(pd.Series([summary]).iloc[0], str)
