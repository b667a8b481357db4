"""``bayesmix show``, ``compare``, ``datasets`` and ``warmup``."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import bayesmix as bx
from bayesmix.cli import ahead
from tests.bayes import Fits

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def saved(dyestuff: Fits, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """A posterior, the first half of its chains, and one whose variances are far off."""
    folder = tmp_path_factory.mktemp("saved")
    half = replace(dyestuff.post, idata=dyestuff.post.idata.isel(chain=slice(0, 2)))
    moved = dyestuff.post.idata.copy(deep=True)
    moved["posterior"]["sigma"] = 3 * moved["posterior"]["sigma"]
    fits = {"one": dyestuff.post, "half": half, "other": replace(dyestuff.post, idata=moved)}
    return tuple(str(fit.save(folder / f"{name}.nc")) for name, fit in fits.items())  # type: ignore[return-value]


def test_show(command: Any, saved: tuple[str, ...], dyestuff: Fits) -> None:
    found = command("show", saved[0])
    assert (found.status, found.err) == (0, "") and found.out.strip() == str(dyestuff.post).strip()
    told = json.loads(command("show", saved[0], "--json").out)
    assert told["formula"] == "Yield ~ 1 + (1 | Batch)" and told["groups"] == {"Batch": 6}
    assert told["fixed_effects"][0]["mean"] == dyestuff.post.fixed_effects().loc["Intercept", "mean"]


def test_compare(command: Any, saved: tuple[str, ...]) -> None:
    same = command("compare", saved[0], saved[1])
    assert same.status == 0 and same.out.splitlines()[0] == "One beside half"
    other = command("compare", saved[0], saved[2], "--json")
    told = json.loads(other.out)
    assert other.status == 1 and told["agree"] is False and "residual" in told["verdict"]
    assert {row["source"] for row in told["table"]} == {"one", "other"}


def test_published_numbers_beside_a_posterior(command: Any, saved: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "printed.csv").write_text("part,parameter,estimate\nfixed,Intercept,1527.5\n")
    found = command("compare", saved[0], str(tmp_path / "printed.csv"))
    assert found.status == 0 and "1527.5" in found.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show"], "Missing argument 'FILE'"),
        (["show", "nowhere.nc"], "nowhere.nc"),
        (["show", __file__], "Error: "),
        (["show", "."], "Error: "),
        (["compare"], "compare was given 0 files."),
        (["compare", "one.nc"], "compare was given 1 file."),
        (["compare", "one.nc", "other.nc"], "one.nc"),
        (["datasets", "hbs"], "'bayesmix datasets' lists them."),
    ],
)
def test_wrong_input(arguments: list[str], words: str, command: Any) -> None:
    found = command(*arguments)
    assert (found.status, found.out) == (2, "") and words in found.err and "Traceback" not in found.err


def test_a_file_twice(command: Any, saved: tuple[str, ...]) -> None:
    assert command("compare", saved[0], saved[0]).status == 0


def test_another_model(command: Any, saved: tuple[str, ...], dyestuff2: Fits, tmp_path: Path) -> None:
    dyestuff2.post.save(tmp_path / "two.nc")
    found = command("compare", saved[0], str(tmp_path / "two.nc"))
    assert (found.status, found.out) == (2, "") and "The fits are of" in found.err


def test_datasets(command: Any) -> None:
    listed = command("datasets").out.splitlines()
    assert [line.split()[0] for line in listed] == list(bx.list_datasets()["name"])
    one = command("datasets", "hsb").out
    for column in bx.load_dataset("hsb"):
        assert f"  {column} " in one
    assert "Public, Catholic" in one and "Licence: " in one
    told = json.loads(command("datasets", "hsb", "--json").out)
    assert [column["name"] for column in told["columns"]] == list(bx.load_dataset("hsb"))
    assert len(json.loads(command("datasets", "--json").out)["datasets"]) == len(listed)


def test_warmup(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    stand_in = SimpleNamespace(fill_caches=lambda: called.append("filled"))
    monkeypatch.setattr(ahead, "import_module", lambda name: called.append(name) or stand_in)
    found = command("warmup")
    assert found.status == 0 and called == ["bayesmix.demonstration", "filled"]
    told = [line.split(":")[0] for line in found.err.splitlines()[1::2]]
    assert told == ["Likelihood of nested levels", "Likelihood of crossed levels", "Sampler"]


@pytest.mark.slow
def test_warmup_compiles() -> None:
    call = [sys.executable, "-m", "bayesmix", "warmup"]
    found = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert found.returncode == 0 and found.stderr.splitlines()[-1].startswith("Sampler: ")
