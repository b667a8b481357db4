"""Compiled code on disk is never older than its sources, and is done without where no directory can be written."""

import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayesmix.likelihood import kernels, sources
from tests.designs import Case, random_design

ROOT = Path(__file__).parents[2]
ROOM = ROOT / "bayesmix" / "likelihood"

# One kernel at one point in a process of its own: log|V|, and what was said on the way.
SCRIPT = """
import json, sys, warnings
import numpy as np
given = np.load(sys.argv[1])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from bayesmix.likelihood import kernels
    R, logdet, upper = kernels.root_products(given["roots"], given["packed"], given["body"])
    if len(sys.argv) > 2:
        kernels.density_function()
said = [[warning.category.__name__, str(warning.message)] for warning in caught]
print(json.dumps({"logdet": logdet, "file": kernels.__file__, "said": said}))
"""


# The up pass returns log|V|, a quarter too large once this stands below it.
BEFORE, AFTER = "return float(logdet - np.log(product))", "return float(logdet - np.log(product) + 0.25)"


@pytest.fixture
def point(tmp_path: Path) -> tuple[Path, float]:
    """A file with a design and a theta, and log|V| there."""
    design = random_design(np.random.default_rng(9), Case(2, 2, "overlapping", "correlated", False))
    roots = design.layout.roots(design.theta)
    path = tmp_path / "point.npz"
    np.savez(path, roots=roots, packed=design.packed, body=design.body, theta=design.theta)
    return path, float(kernels.root_products(roots, design.packed, design.body)[1])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with a copy of the package's sources, and nothing compiled."""
    folder = tmp_path / "copy"
    shutil.copytree(ROOT / "bayesmix", folder / "bayesmix", ignore=shutil.ignore_patterns("__pycache__", "data"))
    return folder


def evaluate(folder: Path, point: Path, *more: str, **environment: str) -> dict[str, object]:
    """Run the script on this copy; with one argument more also compile the C function of the density."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(point), *more],
        cwd=folder,
        env=clean | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, object] = json.loads(run.stdout)
    assert Path(str(found["file"])).is_relative_to(folder)
    return found


def compiled(cache: Path) -> dict[str, int]:
    """Files of compiled code and when they were written."""
    return {str(path.relative_to(cache)): path.stat().st_mtime_ns for path in cache.rglob("*.nb?")}


@pytest.mark.slow  # compiles three times
def test_an_edited_helper_changes_the_number(copy: Path, point: tuple[Path, float], tmp_path: Path) -> None:
    """In a file that no cached kernel stands in: Numba itself would not see it."""
    path, expected = point
    cache = tmp_path / "cache"
    first = evaluate(copy, path, NUMBA_CACHE_DIR=str(cache))
    assert_allclose(first["logdet"], expected, rtol=1e-12)
    written = compiled(cache)
    assert written
    again = evaluate(copy, path, NUMBA_CACHE_DIR=str(cache))
    assert again["logdet"] == first["logdet"]
    assert compiled(cache) == written  # from the cache, not compiled again

    passes = copy / "bayesmix" / "likelihood" / "passes.py"
    text = passes.read_text(encoding="utf-8")
    assert BEFORE in text
    passes.write_text(text.replace(BEFORE, AFTER), encoding="utf-8")
    edited = evaluate(copy, path, NUMBA_CACHE_DIR=str(cache))
    assert_allclose(edited["logdet"], expected + 0.25, rtol=1e-12)

    passes.write_text(text, encoding="utf-8")
    back = evaluate(copy, path, NUMBA_CACHE_DIR=str(cache))
    assert back["logdet"] == first["logdet"]


# The same density through a compiled PyTensor graph, which has a cache of its own.
GRAPH = """
import sys
import numpy as np
import pytensor
import pytensor.tensor as pt
from bayesmix.likelihood.operation import MarginalLikelihood
given = np.load(sys.argv[1])
vector, prior = np.concatenate([given["packed"], given["body"]]), np.zeros(1 + 3 + 9)
lam = pt.dvector("lam")
value = MarginalLikelihood()(vector, prior, lam, 1.3, np.zeros(0))[0]
print(repr(float(pytensor.function([lam], value, mode="NUMBA")(given["theta"]))))
"""


@pytest.mark.slow  # compiles twice
def test_an_edited_helper_changes_the_number_of_a_graph(copy: Path, point: tuple[Path, float], tmp_path: Path) -> None:
    """log|V| enters the log density with -1/2; both caches are those of the first run."""
    caches = {"NUMBA_CACHE_DIR": str(tmp_path / "n"), "PYTENSOR_FLAGS": f"base_compiledir={tmp_path / 'p'}"}

    def density() -> float:
        command = [sys.executable, "-c", GRAPH, str(point[0])]
        environment = os.environ | caches | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        return float(subprocess.run(command, cwd=copy, env=environment, capture_output=True, check=True).stdout)

    first = density()
    assert density() == first
    passes = copy / "bayesmix" / "likelihood" / "passes.py"
    text = passes.read_text(encoding="utf-8")
    passes.write_text(text.replace(BEFORE, AFTER), encoding="utf-8")
    assert_allclose(density(), first - 0.125, rtol=1e-12)


def test_every_compiled_file_is_in_the_hash() -> None:
    """A file with compiled functions that the hash leaves out would give old numbers."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in ROOM.glob("*.py")}
    compiled_files = {name for name, text in texts.items() if "@njit" in text or "@cached" in text}
    # Kernels on which no other rests have a hash of their own, tests/likelihood/test_left_out.py.
    assert compiled_files <= {*sources._KERNEL_FILES, "left_out.py"}
    assert {"blocks.py", "kernels.py"} <= compiled_files


@pytest.mark.parametrize("name", sources._KERNEL_FILES)
def test_the_hash_follows_every_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ROOM.glob("*.py"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(sources, "__file__", str(tmp_path / "sources.py"))
    before = sources._hash_sources()
    assert sources._hash_sources() == before
    with (tmp_path / name).open("a", encoding="utf-8") as file:
        file.write("\n# edited\n")
    assert sources._hash_sources() != before


def test_every_kernel_closes_over_the_hash() -> None:
    """Numba keys its cache on closure cells; a kernel of the module level would have none."""
    found = [value for _, value in inspect.getmembers(kernels) if type(value).__name__ == "CPUDispatcher"]
    cached = [kernel.py_func for kernel in found if type(kernel._cache).__name__ != "NullCache"]
    assert {"profiled", "second_order", "posterior"} <= {function.__name__ for function in cached}
    for function in [*cached, kernels._density]:
        assert inspect.getclosurevars(function).nonlocals["source_hash"] == sources.SOURCE_HASH


def test_a_kernel_without_the_hash_is_refused() -> None:
    def kernel(x: float) -> float:
        return x

    with pytest.raises(TypeError, match="kernel kernel does not close over the hash"):
        sources.cached(kernel)


@pytest.mark.slow  # compiles
def test_no_directory_can_be_written(copy: Path, point: tuple[Path, float], tmp_path: Path) -> None:
    """Numba tries the directory it was told, then the package's, then the user's: each lies below a file here.

    (Permissions would prove nothing where tests run as root.)
    """
    path, expected = point
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    (copy / "bayesmix" / "likelihood" / "__pycache__").write_text("", encoding="utf-8")
    nowhere = str(file / "cache")
    found = evaluate(copy, path, "density", NUMBA_CACHE_DIR=nowhere, XDG_CACHE_HOME=nowhere, HOME=nowhere)
    assert_allclose(found["logdet"], expected, rtol=1e-12)
    ((category, message),) = found["said"]  # type: ignore[misc]
    assert category == "BayesmixWarning"
    assert "compiled again in every process" in message
    assert "NUMBA_CACHE_DIR" in message
