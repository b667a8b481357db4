"""Groupings and the tree they make, found from the cells that occur."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import bayesmix as bx
from bayesmix.design.frame import read_columns
from bayesmix.design.groups import Grouping, build_tree, read_grouping


def groupings(frame: pd.DataFrame, *names: tuple[str, ...]) -> list[Grouping]:
    columns = read_columns(frame, frame.columns)
    return [read_grouping(name, columns, len(frame)) for name in names]


@pytest.fixture
def nested(rng: np.random.Generator) -> pd.DataFrame:
    """Three levels, codes of the lower ones repeated within the upper, rows in no order."""
    frame = pd.DataFrame(
        {"a": rng.integers(4, size=200), "b": rng.integers(3, size=200), "c": rng.integers(2, size=200)}
    )
    return frame.assign(a="a" + frame["a"].astype(str))


def test_one_column() -> None:
    (found,) = groupings(pd.DataFrame({"g": ["q", "p", "q", "r"]}), ("g",))
    assert found.name == "g"
    assert found.labels == ("p", "q", "r")
    assert_array_equal(found.codes, [1, 0, 1, 2])


def test_numbers_keep_their_order_and_kind() -> None:
    (found,) = groupings(pd.DataFrame({"g": [10, 9, 10, 100]}), ("g",))
    assert found.labels == (9, 10, 100)


def test_several_columns_make_one_label_outermost_first() -> None:
    frame = pd.DataFrame({"school": [7, 7, 3, 3, 3], "class": ["b", "a", "a", "a", "b"]})
    (found,) = groupings(frame, ("school", "class"))
    assert found.name == "school:class"
    assert found.labels == ("3:a", "3:b", "7:a", "7:b")
    assert_array_equal(found.codes, [3, 2, 0, 0, 1])


def test_only_cells_that_occur_are_groups() -> None:
    frame = pd.DataFrame({"a": [0, 0, 1, 1], "b": [0, 1, 2, 2]})
    (found,) = groupings(frame, ("a", "b"))
    assert found.labels == ("0:0", "0:1", "1:2")


def test_labels_are_unique_where_codes_hold_a_colon() -> None:
    """Two groups are never one line of a table."""
    frame = pd.DataFrame({"a": ["p:q", "p"] * 2, "b": ["r", "q:r"] * 2})
    (found,) = groupings(frame, ("a", "b"))
    assert len(set(found.labels)) == 2


def test_tree_is_depth_first(nested: pd.DataFrame) -> None:
    """Children of a group are neighbours, and groups of a level follow their parents' order."""
    levels = groupings(nested, ("a", "b", "c"), ("a", "b"), ("a",))
    tree = build_tree(levels)
    sizes = [len(level.labels) for level in levels]
    starts = np.cumsum([0, *sizes])
    assert len(tree.parent) == starts[-1]
    for number, order in enumerate(tree.order):
        assert_array_equal(np.sort(order), np.arange(sizes[number]))
        parents = tree.parent[starts[number] : starts[number + 1]]
        assert (np.diff(parents) >= 0).all()
    assert (tree.parent[starts[2] :] == starts[3]).all()


def test_parents_are_those_of_the_rows(nested: pd.DataFrame) -> None:
    levels = groupings(nested, ("a", "b", "c"), ("a", "b"), ("a",))
    tree = build_tree(levels)
    starts = np.cumsum([0, *(len(level.labels) for level in levels)])
    assert_array_equal(tree.leaf, tree.order[0][levels[0].codes])
    at = tree.leaf
    for number in (1, 2):
        at = tree.parent[starts[number - 1] + at] - starts[number]
        assert_array_equal(at, tree.order[number][levels[number].codes])


def test_slash_is_the_same_as_unique_codes(dataset: Callable[[str], pd.DataFrame]) -> None:
    """(1 | school/child) and (1 | school) + (1 | child): found from the cells, not from how they are written."""
    egsingle = dataset("egsingle")
    formulas = [
        "math ~ year + (year | schoolid/childid)",
        "math ~ year + (year | schoolid) + (year | childid)",
        "math ~ year + (year | childid) + (year | schoolid)",
        "math ~ year + (year | schoolid:childid) + (year | schoolid)",
    ]
    fits = [bx.Model(formula, egsingle).reml() for formula in formulas]
    for fit in fits[1:]:
        assert_allclose(fit.criterion, fits[0].criterion, rtol=0, atol=1e-9)
        assert_allclose(fit.theta, fits[0].theta, rtol=1e-9)
        assert_allclose(fit.fixed_effects()["estimate"], fits[0].fixed_effects()["estimate"], rtol=1e-9)
        assert_allclose(fit.fitted(), fits[0].fitted(), rtol=0, atol=1e-9)
    assert [level.name for level in fits[1].design.levels] == ["childid", "schoolid"]
    assert [level.name for level in fits[0].design.levels] == ["schoolid:childid", "schoolid"]


def test_the_chain_leaves_the_smallest_block(rng: np.random.Generator) -> None:
    """Groups in groups go to the tree, the factor with fewest effects is left to the dense block."""
    a = rng.integers(40, size=400)
    frame = pd.DataFrame({"a": a, "b": a // 4, "c": rng.permutation(a) % 15, "y": rng.normal(size=400)})
    frame = frame.assign(**{name: name + frame[name].astype(str) for name in "abc"})
    chosen = {
        "y ~ 1 + (1 | c) + (1 | b) + (1 | a)": (["a", "b", "c"], 2),
        "y ~ 1 + (1 | b) + (1 | c)": (["c", "b"], 1),
        "y ~ 1 + (1 + I(a2) + a3 | b) + (1 | c)": (["b", "c"], 1),
    }
    frame = frame.assign(a2=rng.normal(size=400), a3=rng.normal(size=400))
    for formula, (names, depth) in chosen.items():
        design = bx.Model(formula, frame).design
        assert ([level.name for level in design.levels], design.tree.depth) == (names, depth)


def test_crossed_codes_are_fitted_in_silence(dataset: Callable[[str], pd.DataFrame]) -> None:
    """One row in each cell: codes can not start anew."""
    penicillin = dataset("penicillin")
    model = bx.Model("diameter ~ 1 + (1 | plate) + (1 | sample)", penicillin)
    assert model.groups == {"plate": 24, "sample": 6}
    assert [level.name for level in model.design.crossed] == ["sample"]


def test_repeated_codes_are_fitted_as_written_with_one_warning() -> None:
    """Class 1 in every school, written as if it were unique."""
    frame = pd.DataFrame({"school": np.repeat([1, 2, 3], 6), "class": np.tile([1, 1, 1, 2, 2, 2], 3)})
    frame["y"] = np.sin(np.arange(18))
    with pytest.warns(bx.BayesmixWarning, match=r"class 1 .* every school.*write \(\.\.\. \| school/class\)") as found:
        crossed = bx.Model("y ~ 1 + (1 | school) + (1 | class)", frame)
    assert len(found) == 1
    assert found[0].filename == __file__
    assert crossed.groups == {"school": 3, "class": 2}
    assert bx.Model("y ~ 1 + (1 | school/class)", frame).groups == {"school:class": 6, "school": 3}


def test_slots_hold_the_sums_of_their_cells(rng: np.random.Generator) -> None:
    """D'W by slot, its way up, and D'D, from the rows."""
    a = rng.integers(12, size=90)
    frame = pd.DataFrame({"a": a, "b": a // 3, "c": rng.integers(5, size=90), "x": rng.normal(size=90)})
    frame = frame.assign(**{name: name + frame[name].astype(str) for name in "abc"}, y=rng.normal(size=90))
    model = bx.Model("y ~ x + (1 | b/a) + (x | c)", frame)
    crossing, design, products = model.products.crossing, model.design, model.products
    x = (frame["x"] - frame["x"].mean()) / frame["x"].std(ddof=0)
    rest = (frame["y"] - design.fixed_values @ products.response_fit) / products.response_scale
    W = np.column_stack([np.ones(90), x, rest])
    columns = [(frame["c"] == label) * z for label in sorted(frame["c"].unique()) for z in (np.ones(90), x)]
    D = np.column_stack(columns)
    assert_allclose(crossing.gram, D.T @ D, atol=1e-10)
    totals = {}
    leaves, starts = design.tree.leaf, crossing.starts
    for g in range(12):
        here = np.arange(starts[g], starts[g + 1])
        occurring = np.flatnonzero(np.abs(D[leaves == g]).sum(axis=0) > 0)
        assert crossing.columns[here].tolist() == occurring.tolist()
        assert_allclose(crossing.sums[here], D[leaves == g].T[occurring] @ W[leaves == g], atol=1e-10)
        for s in here:
            above = crossing.up[s]
            assert crossing.columns[above] == crossing.columns[s]
            assert starts[products.parent[g]] <= above < starts[products.parent[g] + 1]
            totals[above] = totals.get(above, 0) + crossing.sums[s]
    roots: dict[int, np.ndarray] = {}
    for s, total in totals.items():
        roots[crossing.up[s]] = roots.get(crossing.up[s], 0) + total
    assert_allclose([roots[starts[-2] + m] for m in range(10)], D.T @ W, atol=1e-10)
