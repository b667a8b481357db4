"""Folds: the same for the same labels, paired in comparisons, with labels and numbers that do not collide."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import bayesmix as bx
from bayesmix.errors import ArgumentError, PriorError
from bayesmix.inference.density_means import DensityMeans
from bayesmix.inference.leave_out import Units
from bayesmix.results import refitted
from bayesmix.results.folds import fold_numbers, make_folds
from tests.fabricated import fabricated
from tests.frames import random_frame


def units(count: int) -> Units:
    return Units(None, np.arange(count), count)


def numbers(labels: Any, k: int, seed: int | None = None) -> NDArray[np.int64]:
    folds = make_folds(units(len(labels)), pd.Index(labels), k, seed)
    assert {len(fold) for fold in folds} <= {len(labels) // k, -(-len(labels) // k)}
    assert_array_equal(np.sort(np.concatenate(folds)), np.arange(len(labels)))
    return fold_numbers(units(len(labels)), folds)


@pytest.fixture
def no_sampling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refits whose result is the number of rows in each fold."""

    def refit(post: Any, units: Units, members: Any, *others: Any) -> DensityMeans:
        values = -members.astype(float)
        return DensityMeans(values, np.zeros(len(values)), np.zeros(len(values)), 0.7)

    monkeypatch.setattr(refitted, "_refit", refit)


def test_without_a_seed_folds_follow_from_labels(rng: np.random.Generator) -> None:
    """Whatever the order; random to look at, so that blocks of labels do not share a fold."""
    labels = rng.permutation(200)
    found = pd.Series(numbers(labels, 7), index=labels)
    other = pd.Series(numbers(np.sort(labels), 7), index=np.sort(labels))
    pd.testing.assert_series_equal(found.sort_index(), other)
    assert other.nunique() == other.head(40).nunique() == 7
    assert abs(np.corrcoef(other.index, other)[0, 1]) < 4 / np.sqrt(200)
    assert_array_equal(numbers(labels.astype(str), 7), found)


def test_labels_that_repeat() -> None:
    """As of frames put one below the other: each has a place of its own."""
    found = numbers(["a"] * 60, 3)
    assert np.bincount(found[:20], minlength=3).min() > 0
    pairs = pd.MultiIndex.from_product([["a", "b"], range(10)])
    assert_array_equal(numbers(pairs, 4), numbers(list(pairs), 4))


def test_with_a_seed() -> None:
    assert_array_equal(numbers(range(50), 5, 1), numbers(range(50), 5, 1))
    assert (numbers(range(50), 5, 1) != numbers(range(50), 5, 2)).any()


def test_folds_pair(no_sampling: None, rng: np.random.Generator) -> None:
    """By themselves, by one seed, and not otherwise."""
    frame = random_frame(rng)
    posts = [fabricated(bx.Model(f"y ~ {x} + (1 | top)", frame), rng, draws=50) for x in ("x", "1")]

    def kfolds(*settings: dict[str, Any]) -> dict[str, Any]:
        return {
            name: post.kfold("top", progress=False, **own)
            for name, post, own in zip("ab", posts, settings, strict=True)
        }

    assert bx.loo_compare(kfolds({"k": 3}, {"k": 3})).shape == (2, 6)
    assert bx.loo_compare(kfolds({"k": 3, "seed": 4}, {"k": 3, "seed": 4})).shape == (2, 6)
    with pytest.raises(ArgumentError, match="'a' is of 3 folds and 'b' of 4"):
        bx.loo_compare(kfolds({"k": 3}, {"k": 4}))
    with pytest.raises(ArgumentError, match=r"'a' and 'b' are of other folds\..*one k and one seed"):
        bx.loo_compare(kfolds({"k": 3, "seed": 4}, {"k": 3, "seed": 5}))
    with pytest.raises(ArgumentError, match="'a' is loo and 'b' is loo_kfold"):
        bx.loo_compare({"a": posts[0], "b": kfolds({"k": 3}, {"k": 3})["b"]}, by="top")


@pytest.mark.parametrize("name", ["fold", "mcse"])
def test_levels_with_names_of_ours(name: str, no_sampling: None, rng: np.random.Generator) -> None:
    """The labels stay, and the numbers have another name."""
    frame = random_frame(rng).rename(columns={"top": name})
    found = fabricated(bx.Model(f"y ~ x + (1 | {name})", frame), rng, draws=50).kfold(name, k=4, progress=False)
    assert found.elpd_i[name].to_numpy().tolist() == list(range(8))
    assert found.elpd_i[f"{name}_i"].sizes == {name: 8}
    other = fabricated(bx.Model(f"y ~ x + (1 | {name})", frame), rng, draws=50).kfold(name, k=4, seed=1, progress=False)
    with pytest.raises(ArgumentError, match="other folds"):
        bx.loo_compare({"a": found, "b": other})


@pytest.mark.filterwarnings("ignore:.*Pareto k.*:bayesmix.BayesmixWarning")
def test_rows_with_two_labels(no_sampling: None, rng: np.random.Generator) -> None:
    frame = random_frame(rng)
    frame.index = pd.MultiIndex.from_arrays([frame["top"], np.arange(len(frame))], names=["a", "b"])
    post = fabricated(bx.Model("y ~ x + (1 | top)", frame), rng, draws=50)
    for found in (post.loo(), post.kfold(k=3, progress=False)):
        assert found.elpd_i["__obs__"].to_numpy().tolist() == list(frame.index)
    again = post.kfold(k=3, progress=False)
    assert bx.loo_compare({"a": again, "b": again}).shape == (2, 6)


def test_the_fold_that_is_improper(no_sampling: None, dataset: Any, rng: np.random.Generator) -> None:
    """Named, and said before any is sampled."""
    frame = dataset("dyestuff").query("Batch in ['A', 'B', 'C']")
    post = fabricated(bx.Model("Yield ~ 1 + (1 | Batch)", frame, priors="flat"), rng)
    with pytest.raises(PriorError, match=r"Without Batch [ABC]: .*flat priors, and the data leave 1 independent"):
        post.kfold("Batch", k=3, progress=False)
