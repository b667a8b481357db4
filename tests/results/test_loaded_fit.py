"""Files that are not, or no longer, a saved posterior; and one that is, read in another process."""

import dataclasses
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayesmix as bx
from bayesmix.errors import BayesmixError, FileError
from bayesmix.results import loaded_fit, netcdf_file, seal
from tests.fabricated import fabricated

READER = """
import sys
import warnings
warnings.simplefilter("error")
from numba.core.event import install_recorder
import bayesmix as bx
with install_recorder("numba:compile") as compiled:
    post = bx.load(sys.argv[1])
    tables = [post.fixed_effects(), post.variance_components(), post.icc(), post.group_effects(), post.coefficients()]
assert len(compiled.buffer) == 0 and "nutpie" not in sys.modules
print(post.summary())
for table in tables:
    print([value.hex() for value in table.to_numpy().ravel()])
"""


def post_of(dataset: Callable[[str], pd.DataFrame], rng: np.random.Generator) -> bx.BayesFit:
    return fabricated(bx.Model("Reaction ~ Days + (Days | Subject)", dataset("sleepstudy")), rng, draws=50)


@pytest.fixture
def saved(rng: np.random.Generator, dataset: Callable[[str], pd.DataFrame], tmp_path: Path) -> Path:
    return fabricated(bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff")), rng).save(tmp_path / "fit.nc")


def test_another_process(rng: np.random.Generator, dataset: Callable[[str], pd.DataFrame], tmp_path: Path) -> None:
    """Every digit is the same, nothing is compiled and nothing warns."""
    post = post_of(dataset, rng)
    path = post.save(tmp_path / "fit.nc")
    found = subprocess.run(
        [sys.executable, "-c", READER, str(path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert found.returncode == 0, found.stderr
    tables = [post.fixed_effects(), post.variance_components(), post.icc(), post.group_effects(), post.coefficients()]
    digits = [str([value.hex() for value in table.to_numpy().ravel()]) for table in tables]
    assert found.stdout.splitlines() == [*post.summary().splitlines(), *digits]


# Damage


def test_every_byte_counts(saved: Path, rng: np.random.Generator) -> None:
    """One bit that has changed anywhere, in names, draws, data or the seal itself, is noticed before it is read."""
    whole = saved.read_bytes()
    places = {*rng.integers(len(whole), size=150).tolist(), 0, 8, *range(len(whole) - 150, len(whole))}
    for place in places:
        broken = bytearray(whole)
        broken[place] ^= 1 << int(rng.integers(8))
        saved.write_bytes(broken)
        with pytest.raises(FileError, match=r"not as it was saved|has format"):
            bx.load(saved)


@pytest.mark.parametrize("share", [0.0, 1e-4, 0.1, 0.5, 0.99, 0.9999])
def test_cut_off(share: float, saved: Path) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(FileError, match=r"not as it was saved|is empty|no netCDF file"):
        bx.load(saved)


def test_more_than_was_written(saved: Path) -> None:
    with saved.open("ab") as opened:
        opened.write(b"\n")
    with pytest.raises(FileError, match="not as it was saved"):
        bx.load(saved)


def test_edited(saved: Path) -> None:
    """By a program that knows netCDF."""
    with netCDF4.Dataset(saved, "a") as opened:
        opened["posterior"]["sigma"][0, 0] = 1.0
    with pytest.raises(FileError, match=r"not as it was saved.*change a loaded fit in Python"):
        bx.load(saved)


def test_written_again_by_another_program(saved: Path) -> None:
    """A copy that xarray makes has no seal, and is known all the same."""
    with xr.open_datatree(saved) as tree:
        tree.to_netcdf(saved.with_name("copy.nc"))
    with pytest.raises(FileError, match="not as it was saved"):
        bx.load(saved.with_name("copy.nc"))


# Other files


def test_a_newer_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netcdf_file, "FORMAT", netcdf_file.FORMAT + 1)
    fit = bx.load(_rewritten(saved))
    newer = fit.save(saved.with_name("newer.nc"))
    monkeypatch.undo()
    found = rf"format {netcdf_file.FORMAT + 1}, written by bayesmix {re.escape(bx.__version__)}.*Update bayesmix"
    with pytest.raises(FileError, match=found):
        bx.load(newer)


def _rewritten(path: Path) -> Path:
    """With the seal of the format in force."""
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b"\nbayesmix fit, format")])
    seal.write_seal(path, netcdf_file.FORMAT, bx.__version__)
    return path


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_64BIT"])
def test_netcdf_of_other_origin(format: Any, tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "other.nc"
    xr.Dataset({"sigma": ("draw", rng.normal(size=9))}).to_netcdf(path, format=format)
    with pytest.raises(FileError, match=r"not of a bayesmix fit.*arviz\.from_netcdf"):
        bx.load(path)


@pytest.mark.parametrize("contents", [b"y,x\n1,2\n", b"PK\x03\x04", b"\x00" * 5000])
def test_no_netcdf(contents: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.nc"
    path.write_bytes(contents)
    with pytest.raises(FileError, match="is no netCDF file"):
        bx.load(path)


def test_no_file(saved: Path) -> None:
    with pytest.raises(FileError, match=r"no file.*Did you mean '.*fit\.nc'"):
        bx.load(saved.with_name("fti.nc"))
    with pytest.raises(FileError, match="no file"):
        bx.load(saved / "below")
    with pytest.raises(FileError, match=r"no file.*Check the path"):
        bx.load(saved.parent / "nowhere" / "fit.nc")
    with pytest.raises(FileError, match="is a directory"):
        bx.load(saved.parent)
    with pytest.raises(FileError, match="is a device"):
        bx.load("/dev/null")


# Files that are sealed and wrong all the same


CHANGES: dict[str, Callable[[str], str]] = {
    "no JSON": lambda model: model[:-1],
    "nested too deep": lambda model: "[" * 100_000 + "]" * 100_000,
    "a list": lambda model: "[]",
    "no formula": lambda model: model.replace('"formula"', '"formulas"'),
    "a formula that runs": lambda model: model.replace("Yield ~ 1", "Yield ~ __import__('os').getcwd()"),
    "another formula": lambda model: model.replace("Yield ~ 1 +", "Yield ~ 0 +"),
    "another column": lambda model: model.replace('"name": "Yield"', '"name": "yield"'),
    "another label": lambda model: model.replace('["A"', '["Z"'),
    "a label of no kind": lambda model: model.replace('["A"', '[{"numpy": "O", "value": 1}'),
    "no prior": lambda model: model.replace("HalfStudentT", "Popen"),
    "fewer priors": lambda model: re.sub(r'"beta": \[[^]]*\]', '"beta": []', model),
    "a prior of text": lambda model: re.sub(r'"df": [0-9.]+', '"df": "four"', model),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_model_that_was_forged(change: str, saved: Path) -> None:
    """Whatever the JSON says, it is read as data: a model or an error, and nothing is run."""
    with xr.open_datatree(saved) as tree:
        groups = {node.path: node.to_dataset(inherit=False).load() for node in tree.subtree}
    model = str(groups["/bayesmix"]["model"].item())
    forged = CHANGES[change](model)
    assert forged != model
    groups["/bayesmix"]["model"] = ((), forged)
    netcdf_file.write_tree(groups, saved, bx.__version__)
    with pytest.raises(FileError, match="No fit can be made of"):
        bx.load(saved)


def test_columns_that_a_version_codes_otherwise(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of which the design of the same data differs refuses, rather than give numbers of another model."""
    build = loaded_fit.build_design

    def other(*given: Any) -> Any:
        design = build(*given)
        return dataclasses.replace(design, values=-2.0 * design.values)

    monkeypatch.setattr(loaded_fit, "build_design", other)
    with pytest.raises(BayesmixError, match=r"other sizes.*version of bayesmix that wrote it"):
        bx.load(saved)
