import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.inference.nesting import random_nesting, same_groups, span_map
from bayesmix.results.random_terms import random_parts
from tests.frames import random_frame


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    data = random_frame(np.random.default_rng(5), n=400)
    return data.assign(cell=data["top"] * 3 + data["inner"], x2=2 * data["x"] - 7, other=np.arange(400) % 5)


CONTAINED = [
    ("", "(1 | top)", 1),
    ("", "(x | top)", 3),
    ("(1 | top)", "(x | top)", 1),
    ("(1 | top)", "(x || top)", 1),
    ("(x || top)", "(x | top)", 0),
    ("(1 | top)", "(x + z | top)", 3),
    ("(1 | top)", "(x + z || top)", 2),
    ("(x | top)", "(x + z | top)", 1),
    ("(x2 | top)", "(x | top)", 0),
    ("(1 | top)", "(1 | top/inner)", 1),
    ("(1 | cell)", "(1 | top/inner)", 1),
    ("(x | top)", "(x | top/inner)", 3),
    ("(1 | top/inner)", "(x | top/inner)", 2),
    ("(1 | top)", "(0 + f | top)", 3),
    ("(1 | top)", "(f | top)", 3),
    ("(0 + f | top)", "(f | top)", 0),
    ("(1 | top/f)", "(f | top)", 0),
    ("(1 | top:f)", "(f | top)", 0),
    ("(1 | top:f)", "(f || top)", 1),
    ("(1 | top)", "(f || top)", 6),
    ("(1 | top) + (0 + x | top)", "(x + z | top)", 1),
]

NOT_CONTAINED = [
    ("(x | top)", "(x || top)"),
    ("(0 + x | top)", "(1 | top)"),
    ("(x2 || top)", "(x || top)"),
    ("(0 + x2 | top)", "(x || top)"),
    ("(1 | top)", "(1 | top:inner)"),
    ("(1 | top:inner)", "(1 | top)"),
    ("(1 | top:inner)", "(x | top)"),
]


def parts(frame: pd.DataFrame, bars: str) -> list:
    return random_parts(bx.Model(f"y ~ x + {bars}" if bars else "y ~ x", frame).design)


@pytest.mark.parametrize(("small", "large", "boundary"), CONTAINED)
def test_contained(frame: pd.DataFrame, small: str, large: str, boundary: int) -> None:
    found = random_nesting(parts(frame, small), parts(frame, large))
    assert found.nested is True
    assert found.boundary == boundary


@pytest.mark.parametrize(("small", "large"), NOT_CONTAINED)
def test_not_contained(frame: pd.DataFrame, small: str, large: str) -> None:
    assert random_nesting(parts(frame, small), parts(frame, large)).nested is False


def test_compound_symmetry_with_a_cell_missing(frame: pd.DataFrame) -> None:
    kept = frame[~((frame["top"] == 0) & (frame["f"] == "b"))]
    found = random_nesting(parts(kept, "(1 | top/f)"), parts(kept, "(f | top)"))
    assert found.nested is True
    assert found.boundary == 0


def test_compound_symmetry_where_no_group_shows_all_labels(frame: pd.DataFrame) -> None:
    kept = frame[frame["f"] != np.array(["a", "b", "c"])[frame["top"] % 3]]
    assert random_nesting(parts(kept, "(1 | top/f)"), parts(kept, "(f | top)")).nested is None


def test_one_span_is_not_one_covariance() -> None:
    """Two subgroups a group, told apart by a column whose step differs: so would the covariance, group by group."""
    rng = np.random.default_rng(1)
    group, half = np.repeat(np.arange(10), 8), np.tile([0, 1], 40)
    frame = pd.DataFrame({"y": rng.normal(size=80), "group": group, "half": half, "x": rng.normal(size=80)})
    same, varying = frame.assign(t=half), frame.assign(t=half * (1 + group % 2))
    assert random_nesting(parts(same, "(1 | group:half)"), parts(same, "(t | group)")).nested is True
    assert random_nesting(parts(varying, "(1 | group:half)"), parts(varying, "(t | group)")).nested is False


def test_span_map(rng: np.random.Generator) -> None:
    X = np.column_stack([np.ones(50), 1e3 + rng.normal(size=50), 1e-3 * rng.normal(size=50)])
    A = rng.normal(size=(3, 2))
    assert_allclose(span_map(X, X @ A), A, rtol=1e-8)
    far = X + np.array([0, 1e7, 0])
    assert span_map(far, 2 * far[:, 1:2] - 3) is not None
    assert span_map(far, far[:, 1:2] + 1e-3 * rng.normal(size=(50, 1))) is None
    assert span_map(X, X[:, :0]).shape == (3, 0)
    assert span_map(X[:, :0], X) is None


def test_groups_are_compared_by_rows_not_by_labels() -> None:
    codes = np.array([0, 0, 1, 2, 2])
    assert same_groups(codes, np.array([2, 2, 0, 1, 1]))
    assert not same_groups(codes, np.array([0, 0, 1, 1, 1]))
    assert not same_groups(codes, np.array([0, 1, 1, 2, 2]))
