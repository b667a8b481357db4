"""What a saved posterior holds, that it comes back as it was, and that no older file is lost over it."""

import dataclasses
import json
import stat
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_array_equal

import bayesmix as bx
from bayesmix.design.frame import Numbers
from bayesmix.errors import ArgumentError, BayesmixError, FileError
from bayesmix.results import netcdf_file
from tests.bayes import Fits, fits, shuffled_frame
from tests.fabricated import fabricated
from tests.frames import random_frame

exactly: Callable[..., None] = lambda one, two: pd.testing.assert_frame_equal(one, two, check_exact=True)  # noqa: E731


def assert_same(found: bx.BayesFit, post: bx.BayesFit) -> None:
    """Every table to the last digit, every draw, and what predictions and further fits are made from."""
    assert found.summary() == post.summary()
    exactly(found.fixed_effects(), post.fixed_effects())
    exactly(found.variance_components(), post.variance_components())
    if post.design.levels:
        exactly(found.icc(), post.icc())
        exactly(found.group_effects(), post.group_effects())
    if post.effects.effects is not None:
        for level in post.design.levels:
            exactly(found.coefficients(level.name), post.coefficients(level.name))
    xr.testing.assert_identical(found.idata, post.idata)
    assert found.priors == post.priors
    assert_same_arrays(found.effects, post.effects)
    assert_same_arrays(found.products, post.products)
    assert_same_arrays(found.design, post.design)


def assert_same_arrays(found: Any, expected: Any) -> None:
    """Frozen dataclasses, arrays and all that they are made of: the same types, values and order."""
    assert type(found) is type(expected)
    if dataclasses.is_dataclass(expected):
        for field in dataclasses.fields(expected):
            assert_same_arrays(getattr(found, field.name), getattr(expected, field.name))
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        assert_array_equal(found, expected)
    elif isinstance(expected, pd.Index):
        pd.testing.assert_index_equal(found, expected, exact="equiv")
    elif isinstance(expected, tuple | list):
        assert len(found) == len(expected)
        for one, two in zip(found, expected, strict=True):
            assert_same_arrays(one, two)
    elif hasattr(expected, "keys"):
        assert list(found) == list(expected)
        for name in expected:
            assert_same_arrays(found[name], expected[name])
    else:
        assert found == expected


def round_trip(post: bx.BayesFit, path: Path) -> bx.BayesFit:
    return bx.load(post.save(path))


# There and back


def test_level_equations(tmp_path: Path, rng: np.random.Generator) -> None:
    """A model of level equations is saved by the formula that it is."""
    frame = random_frame(rng)
    frame["m"] = frame["top"] ** 2.0
    model = bx.Model(bx.levels("y ~ x", inner={"x": ""}, top={"Intercept": "m", "x": "m"}), frame)
    post = fabricated(model, rng)
    found = round_trip(post, tmp_path / "fit.nc")
    assert found.design.specification == model.specification and found.design.specification.level_predictors == ()
    exactly(found.fixed_effects(), post.fixed_effects())


@pytest.mark.parametrize("name", ["dyestuff", "pastes", "sleepstudy", "hsb"])
def test_sampled(name: str, tmp_path: Path) -> None:
    post = fits(name).post
    assert_same(round_trip(post, tmp_path / "fit.nc"), post)


FORMULAS = (
    "y ~ x + (x | top/inner)",
    "y ~ x + (1 | top) + (x | code)",
    "y ~ x * f + (x || top)",
    "y ~ 0 + f + (0 + x | top)",
    "log(y) ~ poly(x, 2) + scale(z) + within(x, top) + offset(I(z / 10)) + (1 | top)",
    "y ~ x + (1 | f) + (1 | top)",
    "y ~ C(inner, Sum) + x + I(2 * x) + (1 | top)",
    "y ~ 0 + (1 | top)",
    "y ~ x",
)


@pytest.mark.filterwarnings("ignore::bayesmix.BayesmixWarning")
@pytest.mark.parametrize("weights", [None, "w", "x", "array"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_designs(formula: str, weights: str | None, rng: np.random.Generator, tmp_path: Path) -> None:
    """Nested, crossed, ``||``, no intercept, no levels, transforms, offsets, aliased columns, weights of every kind."""
    frame = shuffled_frame(rng).assign(w=rng.uniform(0.5, 2.0, size=120))
    given = rng.uniform(0.5, 2.0, size=120) if weights == "array" else weights
    model = bx.Model(formula, frame, weights=given, priors="flat" if weights == "w" else "default")
    post = fabricated(model, rng, keep=weights != "x")
    found = round_trip(post, tmp_path / "fit.nc")
    assert_same(found, post)
    new = frame.iloc[:9]
    assert_same_arrays(found.design.encode(new), post.design.encode(new))


def test_missing_rows_notes_and_aliases(rng: np.random.Generator, tmp_path: Path) -> None:
    """They are said again in the summary; what was warned of at the fit is not warned of again."""
    frame = random_frame(rng)
    frame.loc[[3, 50], "x"] = np.nan
    frame["w"] = np.where(np.arange(len(frame)) == 7, np.nan, 1.0 + frame["inner"])
    with pytest.warns(bx.BayesmixWarning, match="linear combination"):
        model = bx.Model("y ~ x + I(2 * x) + (f || top)", frame, weights="w")
    assert model.design.notes and model.design.dropped
    found = round_trip(fabricated(model, rng), tmp_path / "fit.nc")  # warnings are errors here
    assert found.design.n_missing == 3
    summary = found.summary()
    for part in ("3 left out", "Aliased and dropped: I(2*x)", "categorical", "w (residual variance"):
        assert part in summary


def test_saved_twice(pastes: Fits, tmp_path: Path) -> None:
    """A loaded fit is a fit: saved again and loaded again it is still the same."""
    first = round_trip(pastes.post, tmp_path / "one.nc")
    assert_same(round_trip(first, tmp_path / "two.nc"), pastes.post)


def test_groups_of_idata_that_a_user_added(dyestuff: Fits, tmp_path: Path) -> None:
    post = dataclasses.replace(dyestuff.post, idata=dyestuff.post.with_log_likelihood())
    post.idata["posterior"].attrs["remark"] = "of a user"
    found = round_trip(post, tmp_path / "fit.nc")
    xr.testing.assert_identical(found.idata, post.idata)


def test_sums_over_draws(rng: np.random.Generator, tmp_path: Path) -> None:
    """The last digit of a mean depends on the order of the draws in memory: that of a fit is that of its file."""
    post = fabricated(bx.Model("y ~ x + (x | top) + (1 | code)", shuffled_frame(rng)), rng, draws=200)
    found = round_trip(post, tmp_path / "fit.nc")
    for name, variable in post.idata["posterior"].data_vars.items():
        mean = found.idata["posterior"][name].mean(("chain", "draw"))
        assert_array_equal(mean, variable.mean(("chain", "draw")))
    thinned = dataclasses.replace(post, idata=post.idata.isel(draw=slice(None, None, 3)))
    found = round_trip(thinned, tmp_path / "fit.nc")
    exactly(found.group_effects("top"), thinned.group_effects("top"))
    exactly(found.coefficients("code"), thinned.coefficients("code"))
    exactly(found.fixed_effects(), thinned.fixed_effects())
    exactly(found.variance_components(), thinned.variance_components())


def test_draws_that_arviz_has_read(dyestuff: Fits, tmp_path: Path) -> None:
    """With the group of ours that a file has; it is written anew."""
    path = dyestuff.post.save(tmp_path / "fit.nc")
    with az.from_netcdf(path) as tree:
        again = dataclasses.replace(dyestuff.post, idata=tree.load())
    assert_same(round_trip(again, tmp_path / "again.nc"), dyestuff.post)


# Names and labels


def labelled(rng: np.random.Generator, labels: list[Any], column: str = "g") -> pd.DataFrame:
    n = 60
    places = rng.permutation(np.arange(n) % len(labels))
    named = pd.Series([labels[i] for i in places], dtype=object)
    return pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n), column: named})


LABELS: dict[str, list[Any]] = {
    "integers": [3, 11, -2],
    "large integers": [2**60, 2**60 + 1, 5],
    "floats": [1.5, 2.0, -3.25, 0.1 + 0.2],
    "text": ["b", "a", ""],
    "blanks": [" ", "  ", "a "],
    "mixed": [1, "1a", 2.5],
    "truth": [True, False],
    "signs": ["a/b", "c:d", "x|y", "÷", '"', "<b>", "_x3C_"],
    "unicode": ["é", "e\u0301", "日本", "\u2028"],
    "numpy text": [np.str_("a"), np.str_("b")],
}
CATEGORIES: dict[str, Any] = {
    "ordered": pd.CategoricalDtype(["lo", "mid", "hi", "unused"], ordered=True),
    "integers": pd.CategoricalDtype([3, 1, 2]),
    "whole and broken": pd.CategoricalDtype(pd.Index([2, 0.5, 1], dtype=object)),
    "numpy": pd.CategoricalDtype(pd.Index([np.int8(2), np.float32(0.1)], dtype=object)),
    "infinite": pd.CategoricalDtype([1.0, np.inf]),
    "times": pd.CategoricalDtype(pd.to_datetime(["2020-02-01 12:00:00.5", "2019-01-01 00:00:00.0"])),
    "spans": pd.CategoricalDtype(pd.to_timedelta(["3 days", "1 ns"])),
    "dates": pd.CategoricalDtype([date(2020, 2, 1), date(2019, 1, 1)]),
    "intervals": pd.interval_range(0, 3).to_series().astype("category").dtype,
}


@pytest.mark.parametrize("formula", ["y ~ x + (x | g)", "y ~ 0 + g * x"])
@pytest.mark.parametrize("kind", LABELS)
def test_labels(kind: str, formula: str, rng: np.random.Generator, tmp_path: Path) -> None:
    post = fabricated(bx.Model(formula, labelled(rng, LABELS[kind])), rng)
    assert_same(round_trip(post, tmp_path / "fit.nc"), post)


@pytest.mark.parametrize("formula", ["y ~ x + (x | g)", "y ~ 0 + g * x"])
@pytest.mark.parametrize("kind", CATEGORIES)
def test_categories(kind: str, formula: str, rng: np.random.Generator, tmp_path: Path) -> None:
    """The labels of a categorical keep their type and their order."""
    dtype = CATEGORIES[kind]
    frame = labelled(rng, list(dtype.categories[:3]))
    frame["g"] = pd.Categorical(frame["g"], dtype=dtype)
    post = fabricated(bx.Model(formula, frame), rng)
    assert_same(round_trip(post, tmp_path / "fit.nc"), post)


def test_a_label_that_can_not_be_written(rng: np.random.Generator, tmp_path: Path) -> None:
    frame = labelled(rng, ["a", "b", "c"])
    frame["g"] = pd.Categorical([(1, 2), (3, 4), (5, 6)] * 20)
    with pytest.raises(FileError, match=r"label \(1, 2\) of type tuple.*astype\(str\)"):
        fabricated(bx.Model("y ~ x + (1 | g)", frame), rng).save(tmp_path / "fit.nc")
    with pytest.raises(FileError, match=r"'a\\x00b' along 'g__factor_dim'"):
        fabricated(bx.Model("y ~ x + (1 | g)", labelled(rng, ["a\0b", "c"])), rng).save(tmp_path / "fit.nc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "column",
    ["<b>", " a ", "e\u0301", "(x)", "|x", "a\tb", "-", "%", "größe in m²", "日本", "x" * 300, "y" * 254 + "é",
     "_x3C_b>", "a/b", "a:b", "chain_", "bayesmix", "column_0", "model", "row", "_FillValue", "coordinates"],
)  # fmt: skip
def test_names(column: str, rng: np.random.Generator, tmp_path: Path) -> None:
    """Any name of a column comes back, and ArviZ reads the file unaided."""
    frame = labelled(rng, ["a", "b", "c"], column).assign(**{f"{column}.x": rng.normal(size=60)})
    post = fabricated(bx.Model(f"y ~ `{column}.x` + (`{column}.x` | `{column}`)", frame), rng)
    path = post.save(tmp_path / "fit.nc")
    assert_same(bx.load(path), post)
    with az.from_netcdf(path) as tree:
        assert len(tree["posterior"].data_vars) == len(post.idata["posterior"].data_vars)
        assert_array_equal(tree["posterior"]["sigma"], post.idata["posterior"]["sigma"])


def test_names_that_netcdf_takes_for_one(rng: np.random.Generator, tmp_path: Path) -> None:
    """Composed and decomposed letters, and a name that looks like an escaped one."""
    frame = pd.DataFrame({name: rng.normal(size=60) for name in ("y", "\xe9", "e\u0301", "<", "_x3C_")})
    post = fabricated(bx.Model("y ~ \xe9 + e\u0301 + `<` + `_x3C_`", frame), rng)
    assert_same(round_trip(post, tmp_path / "fit.nc"), post)


# What the file is to others


def test_arviz_reads_it_unaided(pastes: Fits, tmp_path: Path) -> None:
    path = pastes.post.save(tmp_path / "fit.nc")
    with az.from_netcdf(path) as tree:
        exactly(az.summary(tree, round_to="none"), az.summary(pastes.post.idata, round_to="none"))
        assert list(tree["posterior"].data_vars) == list(pastes.post.idata["posterior"].data_vars)


def test_the_model_is_readable_text(pastes: Fits, tmp_path: Path) -> None:
    """JSON in a variable of its own; the numbers of the priors at full precision."""
    with xr.open_datatree(pastes.post.save(tmp_path / "fit.nc")) as tree:
        model = json.loads(tree["bayesmix"]["model"].item())
    assert model["formula"] == "strength ~ 1 + (1 | batch/cask)"
    assert model["priors"]["sigma"]["scale"] == pastes.model.priors.numbers.sigma.scale
    assert [column["name"] for column in model["columns"]] == ["strength", "batch", "cask"]
    assert model["names"] == {}


def test_provenance(dyestuff: Fits, tmp_path: Path) -> None:
    """Settings, seed, versions and times of the sampling are attributes, in memory and in the file."""
    for post in (dyestuff.post, round_trip(dyestuff.post, tmp_path / "fit.nc")):
        attributes = post.idata["posterior"].attrs
        settings = {"sampler": "nutpie", "draws": 1000, "tune": 300, "chains": 4, "seed": 20}
        assert {name: attributes[name] for name in settings} == settings
        assert "target_accept" not in attributes  # left to the sampler
        assert attributes["bayesmix_version"] == bx.__version__
        assert {"pymc_version", "arviz_version", "inference_library_version"} <= set(attributes)
        assert pd.Timestamp(attributes["created_at"]).tzinfo is not None
        assert 0 < attributes["sampling_time"] < 3600


# Where it can not be written


@pytest.mark.parametrize("path", [3, None, b"fit.nc", True, "", ["fit.nc"], "a\0b", np.float64(1)])
def test_no_path(path: Any, rng: np.random.Generator, dataset: Callable[[str], pd.DataFrame]) -> None:
    post = fabricated(bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff")), rng)
    for call in (post.save, bx.load):
        with pytest.raises(ArgumentError, match="Expected the path of a file"):
            call(path)
    for call in (post.save, bx.load):
        with pytest.raises(ArgumentError, match="no keyword 'engine'"):
            call("fit.nc", engine="h5")


def test_no_place(rng: np.random.Generator, dataset: Callable[[str], pd.DataFrame], tmp_path: Path) -> None:
    post = fabricated(bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff")), rng)
    with pytest.raises(ArgumentError, match="no directory"):
        post.save(tmp_path / "nowhere" / "fit.nc")
    with pytest.raises(ArgumentError, match="is a directory"):
        post.save(tmp_path)
    with pytest.raises(ArgumentError, match="is a device"):
        post.save("/dev/null")
    with pytest.raises(FileError, match="shorter name"):
        post.save(tmp_path / ("x" * 300))
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_followed(rng: np.random.Generator, dataset: Callable[[str], pd.DataFrame], tmp_path: Path) -> None:
    """The file it points to is replaced, as by any program that writes."""
    post = fabricated(bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff")), rng)
    (tmp_path / "link.nc").symlink_to(tmp_path / "file.nc")
    post.save(tmp_path / "link.nc")
    assert (tmp_path / "link.nc").is_symlink()
    assert bx.load(tmp_path / "file.nc").summary() == post.summary()
    assert stat.S_IMODE((tmp_path / "file.nc").stat().st_mode) & stat.S_IRUSR


@pytest.mark.parametrize("failure", [OSError("no room"), KeyboardInterrupt(), RuntimeError("NetCDF: HDF error")])
@pytest.mark.parametrize("step", ["write_seal", "_opened", "replace"])
def test_what_was_there_is_kept(
    step: str,
    failure: BaseException,
    rng: np.random.Generator,
    dataset: Callable[[str], pd.DataFrame],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever goes wrong, the older file is as it was, and no half of a new one is left beside it."""
    post = fabricated(bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff")), rng)
    path = post.save(tmp_path / "fit.nc")
    before = path.read_bytes()

    def fail(*_: Any) -> None:
        raise failure

    monkeypatch.setattr(netcdf_file, step, fail)
    kind = KeyboardInterrupt if isinstance(failure, KeyboardInterrupt) else FileError
    with pytest.raises(kind, match=None if kind is KeyboardInterrupt else "The file that was there is as it was"):
        post.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_does_not_read_back(dyestuff: Fits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that loses a digit is noticed while the older file is still there."""
    path = dyestuff.post.save(tmp_path / "fit.nc")
    before = path.read_bytes()
    read = netcdf_file._opened

    def lossy(place: Path) -> xr.DataTree:
        tree = read(place).load()
        tree["posterior"]["sigma"][3, 17] += 1e-12
        return tree

    monkeypatch.setattr(netcdf_file, "_opened", lossy)
    with pytest.raises(FileError, match="read back, it is not what was written"):
        dyestuff.post.save(path)
    assert path.read_bytes() == before


def test_what_netcdf_can_not_hold(dyestuff: Fits, tmp_path: Path) -> None:
    idata = dyestuff.post.idata.copy()
    idata["posterior"].attrs["nothing"] = None
    with pytest.raises(FileError, match="take what you added out of idata"):
        dataclasses.replace(dyestuff.post, idata=idata).save(tmp_path / "fit.nc")
    assert list(tmp_path.iterdir()) == []


def test_a_specification_that_is_not_its_formula(
    rng: np.random.Generator, dataset: Callable[[str], pd.DataFrame], tmp_path: Path
) -> None:
    """Only the formula is written: a model that says more than its formula would come back as another."""
    post = fabricated(bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff")), rng)
    specification = dataclasses.replace(post.design.specification, formula="Yield ~ 1")
    other = dataclasses.replace(post, design=dataclasses.replace(post.design, specification=specification))
    with pytest.raises(BayesmixError, match="not what its formula"):
        other.save(tmp_path / "fit.nc")


def test_numbers_keep_their_bits(rng: np.random.Generator, tmp_path: Path) -> None:
    """Denormal numbers and minus zero."""
    frame = pd.DataFrame({"y": rng.normal(size=20), "x": [5e-324, -0.0, 1 / 3, 2.0**-1074 * 3] * 5})
    post = fabricated(bx.Model("y ~ x", frame), rng)
    found = round_trip(post, tmp_path / "fit.nc").design.columns_read["x"]
    assert isinstance(found, Numbers)
    assert found.values.tobytes() == frame["x"].to_numpy().tobytes()


@pytest.mark.parametrize(
    "index",
    [
        [5, 3, 9, 7],
        ["a", "b", "a", "ü"],
        pd.date_range("2020-01-01", periods=4),
        [1.5, 2.5, np.inf, 4.0],
        pd.RangeIndex(10, 14),
    ],
    ids=["whole", "text", "dates", "floats", "range"],
)
def test_labels_of_rows(index: Any, tmp_path: Path) -> None:
    """Predictions of the rows used stand under the labels of these rows, in the file too."""
    frame = random_frame(np.random.default_rng(2), n=40)
    frame.index = pd.Index(np.resize(np.asarray(pd.Index(index), dtype=object), 40)).infer_objects()
    frame.iloc[3, 0] = np.nan
    post = fabricated(bx.Model("y ~ x + (1 | top)", frame), np.random.default_rng(3))
    assert post.predict().index.equals(frame.index.delete(3))
    found = round_trip(post, tmp_path / "fit.nc")
    pd.testing.assert_index_equal(found.predict().index, post.predict().index)


def test_labels_of_rows_that_can_not_be_written(tmp_path: Path) -> None:
    frame = random_frame(np.random.default_rng(2), n=40)
    frame.index = pd.MultiIndex.from_product([range(4), range(10)])
    post = fabricated(bx.Model("y ~ x + (1 | top)", frame), np.random.default_rng(3))
    assert post.predict().index.equals(frame.index)
    assert round_trip(post, tmp_path / "fit.nc").predict().index.equals(pd.RangeIndex(40))
