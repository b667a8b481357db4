"""Models as graphs: nodes, parents, what is sampled, and a layout in which nothing hides anything."""

import warnings
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.inference import geometry
from bayesmix.reporting.model_graphs import _nodes, containers
from bayesmix.reporting.node_layout import HEADER, HEIGHT, MOST_NODES, Placed, Plate, layout
from tests.bayes import Fits


def wide_frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    columns = {f"x{i}": rng.normal(size=200) for i in range(12)}
    groups = {"a": rng.integers(0, 10, 200), "b": rng.choice(list("pqrs"), 200), "c": rng.integers(0, 3, 200)}
    groups["d"] = rng.integers(0, 2, 200)
    return pd.DataFrame({**columns, **groups, "y": rng.normal(size=200), "w": rng.uniform(1, 2, 200)})


FORMULAS = {
    "no levels": "y ~ x0",
    "independent": "y ~ x0 + (x0 + x1 || a)",
    "many": "y ~ " + " + ".join(f"x{i}" for i in range(12)) + " + (x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 | a)",
    "nested": "y ~ 0 + (1 | c/b/a)",
    "crossed": "y ~ x0 + (x0 | a) + (1 | b)",
    "nested slopes": "y ~ x0 + (x0 | c/a)",
    "written apart": "y ~ 1 + (1 | a:c) + (1 | c)",
    "nested and crossed": "y ~ 1 + (1 | b/a) + (1 | c)",
    "two chains": "y ~ x0 + (x0 | b/a) + (1 | c/d)",
    "two in one": "y ~ 1 + (1 | b) + (1 | b:a) + (x0 | b:c)",
    "in both": "y ~ 1 + (1 | a) + (1 | a:b) + (1 | b)",
    "all crossed": "y ~ 1 + (1 | a) + (1 | b) + (1 | c) + (1 | d)",
}
INSIDE = {
    "no levels": {},
    "crossed": {"a": "", "b": ""},
    "nested": {"c": "", "c:b": "c", "c:b:a": "c:b"},
    "written apart": {"c": "", "a:c": "c"},
    "nested and crossed": {"b": "", "b:a": "b", "c": ""},
    "two chains": {"b": "", "b:a": "b", "c": "", "c:d": "c"},
    "two in one": {"b": "", "b:a": "b", "b:c": "b"},
    "all crossed": {"a": "", "b": "", "c": "", "d": ""},
}


@pytest.fixture(scope="session")
def graphs() -> dict[str, bx.Model]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Groupings are fitted as crossed")
        return {name: bx.Model(formula, wide_frame()) for name, formula in FORMULAS.items()}


def test_nodes_are_those_of_the_posterior(sleepstudy: Fits) -> None:
    frame = bx.graph_data(sleepstudy.model)
    dims = sleepstudy.post.idata["posterior"].data_vars
    reported = {name for name in dims if "Subject__factor_dim" not in dims[name].dims}
    kinds = frame["kind"]
    assert set(frame.index[~kinds.isin(["effects", "response"])]) == reported
    assert frame.loc["1 + Days|Subject", "parents"] == ("1|Subject_sigma", "Days|Subject_sigma", "Subject_corr")
    assert frame.loc["Reaction", "parents"] == ("Intercept", "Days", "1 + Days|Subject", "sigma")
    assert frame.loc["1 + Days|Subject", "plate"] == "Subject"
    priors = sleepstudy.model.priors
    assert all(frame.loc[name, "distribution"] == priors[name] for name in reported)


def test_what_is_sampled(sleepstudy: Fits) -> None:
    """As PyMC's own graphs say."""
    explicit = {variable.name for variable in sleepstudy.model.graph(marginal=False).free_RVs}
    frame = bx.graph_data(sleepstudy.model, marginal=False)
    assert {"Days", "sigma"} <= explicit
    assert set(frame["role"]) == {"sampled", "observed"}
    marginal = {variable.name for variable in sleepstudy.model.graph().free_RVs}
    drawn = bx.graph_data(sleepstudy.model)["role"]
    assert list(drawn.index[drawn == "drawn"]) == ["Intercept", "Days", "1 + Days|Subject"]
    assert not marginal & set(drawn.index[drawn == "drawn"])


def test_fixed_effects_with_other_priors_are_sampled() -> None:
    model = bx.Model("y ~ x0 + (1 | a)", wide_frame(), priors={"x0": "StudentT(3, 0, 1)"}, weights="w")
    frame = bx.graph_data(model)
    assert frame.loc[["Intercept", "x0"], "role"].tolist() == ["drawn", "sampled"]
    assert frame.loc["y", "distribution"] == "Normal(mean, sigma/√w)"


def test_crossed_effects_that_are_too_many(graphs: dict[str, bx.Model], monkeypatch: pytest.MonkeyPatch) -> None:
    assert bx.graph_data(graphs["crossed"])["role"]["1|b"] == "drawn"
    monkeypatch.setattr(geometry, "LARGEST_BLOCK", 3)
    role = bx.graph_data(graphs["crossed"])["role"]
    assert role[["1|b", "1 + x0|a"]].tolist() == ["sampled", "drawn"]


def arranged(model: bx.Model) -> tuple[list[Placed], dict[str, Plate]]:
    nodes = list(_nodes("test", model, True))
    within = containers(model.design)
    assert set(within) == set(model.groups)
    placed, plates = layout(nodes, within, {name: name for name in [*within, "rows"]})
    return placed, {plate.label: plate for plate in plates}


@pytest.mark.parametrize("name", list(FORMULAS))
def test_plates_lie_where_levels_are_nested(graphs: dict[str, bx.Model], name: str) -> None:
    """Each in its own and in those around that, apart from all others; names at the top of their plates are free."""
    within = containers(graphs[name].design)
    assert within == INSIDE.get(name, within)
    _, plates = arranged(graphs[name])
    for one, other in combinations(within, 2):
        pair = plates[one], plates[other]
        for inner, outer, holds in ((one, other, pair), (other, one, pair[::-1])):
            names, (own, hull) = _around(within, inner), holds
            inside = hull.left < own.left and own.right < hull.right and hull.bottom < own.bottom
            inside = inside and own.top <= hull.top - HEADER
            apart = own.top < hull.bottom or hull.top < own.bottom
            assert (inside and not apart) if outer in names else not inside
            assert apart or outer in names or inner in _around(within, outer)
    rows = plates["rows"]
    chain = all(list(within.values()).count(outer) == 1 for outer in within.values())
    for plate in (plates[level] for level in within):
        inside = plate.left < rows.left and rows.right < plate.right and plate.bottom < rows.bottom
        assert inside if chain else rows.top < plate.bottom


def _around(within: dict[str, str], name: str) -> list[str]:
    """Every level in whose plate one lies."""
    return [within[name], *_around(within, within[name])] if within[name] else []


def box(place: Placed) -> tuple[float, float, float, float]:
    half = place.node.width / 2
    return place.x - half, place.y - HEIGHT / 2, place.x + half, place.y + HEIGHT / 2


@pytest.mark.parametrize("name", list(FORMULAS))
def test_nothing_overlaps(graphs: dict[str, bx.Model], name: str) -> None:
    placed, plates = arranged(graphs[name])
    for one, other in combinations([box(place) for place in placed], 2):
        assert min(one[2], other[2]) <= max(one[0], other[0]) or min(one[3], other[3]) <= max(one[1], other[1])
    for place in placed:
        left, low, right, high = box(place)
        for label, plate in plates.items():
            within = plate.left <= left and right <= plate.right and plate.bottom <= low and high <= plate.top
            apart = right <= plate.left or plate.right <= left or high <= plate.bottom or plate.top <= low
            assert within or apart
            if place.node.plate == label:
                assert within


def test_plates_lie_in_each_other(graphs: dict[str, bx.Model]) -> None:
    _, plates = arranged(graphs["nested"])
    for outer, inner in pairwise(plates[name] for name in ("c", "c:b", "c:b:a", "rows")):
        assert outer.left < inner.left < inner.right < outer.right
        assert outer.bottom < inner.bottom < inner.top < outer.top
    _, plates = arranged(graphs["crossed"])
    assert plates["a"].bottom > plates["b"].top or plates["b"].bottom > plates["a"].top


@pytest.mark.parametrize("name", list(FORMULAS))
def test_words_are_inside_their_nodes(graphs: dict[str, bx.Model], name: str) -> None:
    ax = bx.plot_graph(graphs[name])
    ax.figure.canvas.draw()
    boxes = [patch.get_window_extent() for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    for text in ax.texts:
        words = text.get_window_extent()
        if text.get_text():
            assert any(
                b.x0 <= words.x0 and words.x1 <= b.x1 and b.y0 - 1 <= words.y0 and words.y1 <= b.y1 for b in boxes
            )


def test_many_of_a_kind_are_counted(graphs: dict[str, bx.Model]) -> None:
    ax = bx.plot_graph(graphs["many"])
    words = [text.get_text() for text in ax.texts]
    assert "6 more: x6, …" in words
    assert "3 more: x6|a_sigma, …" in words
    assert sum(word.startswith("x") and word.endswith("_sigma") for word in words) == MOST_NODES - 2
    assert len(bx.graph_data(graphs["many"])) == 13 + 1 + 10 + 1 + 1 + 1


def test_counts_on_plates_and_outlines(sleepstudy: Fits) -> None:
    ax = bx.plot_graph(sleepstudy.model)
    assert {"Subject: 18", "rows: 180"} <= {text.get_text() for text in ax.texts}
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == ["sampled", "integrated out, drawn exactly afterwards", "observed"]
    textbook = bx.plot_graph(sleepstudy.model, marginal=False, ax=Figure(figsize=(4, 3)).subplots())
    assert [text.get_text() for text in textbook.get_legend().get_texts()] == ["sampled", "observed"]
    assert max(text.get_fontsize() for text in textbook.texts if text.get_text()) < 9


def test_wrong_input(sleepstudy: Fits) -> None:
    for wrong in (sleepstudy.reml, sleepstudy.post, "y ~ x", None):
        with pytest.raises(ArgumentError, match="Expected a model"):
            bx.plot_graph(wrong)
    with pytest.raises(ArgumentError, match="marginal='no'"):
        bx.graph_data(sleepstudy.model, marginal="no")
    with pytest.raises(ArgumentError, match="no keyword 'rankdir'"):
        bx.plot_graph(sleepstudy.model, rankdir="LR")
    with pytest.raises(ArgumentError, match="matplotlib axes"):
        bx.plot_graph(sleepstudy.model, ax=3)
