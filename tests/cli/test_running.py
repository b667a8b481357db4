"""``bayesmix run``: what it prints, its exit status, and that nobody meets a traceback."""

import os
import re
import runpy
import signal
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest

import bayesmix as bx
from bayesmix import cli
from bayesmix.errors import BayesmixWarning

ROOT = Path(__file__).parents[2]


@pytest.fixture
def no_sampling(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Keywords of every call of sample, which answers with an interrupt."""
    calls: list[dict[str, Any]] = []

    def sample(self: bx.Model, **options: Any) -> None:
        calls.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(bx.Model, "sample", sample)
    return calls


def changed(folder: Path, old: str, new: str, name: str = "dyestuff") -> str:
    text = (ROOT / "models" / f"{name}.toml").read_text()
    assert old in text
    (folder / "mine.toml").write_text(text.replace(old, new, 1))
    return str(folder / "mine.toml")


def test_a_shipped_model_by_its_name(command: Any) -> None:
    found = command("run", "hsb_ses", "--reml")
    assert found.status == 0 and found.err == ""
    assert "math ~ ses + (ses | school)" in found.out and "Zieffler" in found.out
    assert "REML beside slide, lme4 and lmerTest" in found.out
    for number in ("12.6650", "2.3938", "36.8302", "12.665023"):
        assert number in found.out
    assert "Erratum of lmerTest (fixed (Intercept) df, fixed ses df): Degrees" in found.out
    assert found.out.endswith("Every published number is reproduced, errata aside.\n")


def test_a_file_and_a_number_that_is_not_reproduced(command: Any, tmp_path: Path) -> None:
    found = command("run", changed(tmp_path, '"319.6543"', '"319.6544"'), "--reml")
    assert found.status == 1
    assert found.out.endswith("Not reproduced, lme4: fit criterion.\n")


def test_both_by_default_and_the_seed(command: Any) -> None:
    both, alone = command("run", "dyestuff", "--seed", "1"), command("run", "dyestuff", "--seed", "1", "--bayes")
    assert both.status == 0 and alone.status == 0
    assert "REML beside the posterior and lme4" in both.out and "The posterior beside lme4" in alone.out
    assert "1527.5" in both.out and "2451.25" in both.out
    row = next(line.split() for line in alone.out.splitlines() if "var(Intercept)" in line)
    mean, sd = row[2], row[3]
    assert f"  {mean}  {sd}  " in both.out
    for found in (both, alone):
        assert re.search(r"Posterior: 4 chains of 1000; \d+ divergences; largest R-hat 1\.\d", found.out)
    assert "REML" not in alone.out and "reproduced." in alone.out


def test_priors_of_the_file(command: Any, no_sampling: list[dict[str, Any]], tmp_path: Path) -> None:
    priors = '[model.priors]\nsigma = "HalfNormal(80)"\n"sd(Batch)" = "HalfNormal(50)"'
    out = command("run", changed(tmp_path, 'method = "REML"', priors)).out
    assert "Priors: sigma HalfNormal(80); sd(Batch) HalfNormal(50)" in out
    assert "Priors: preset brms" in command("run", changed(tmp_path, 'method = "REML"', 'priors = "brms"')).out


def test_equations_of_a_model_written_by_levels(command: Any) -> None:
    found = command("run", "hsb_means", "--reml")
    assert found.status == 0 and "math ~ meanses + (1 | school)    (data set hsb)" in found.out
    assert "Level 2 (groups j): school\n  β₀ⱼ = γ₀₀ + γ₀₁ meansesⱼ + u₀ⱼ\n" in found.out
    assert "Level 2" not in command("run", "hsb_random", "--reml").out


def test_maximum_likelihood_where_the_file_says_so(command: Any) -> None:
    found = command("run", "hsb_ses_ml", "--reml")
    assert found.status == 0 and "ML beside lme4" in found.out


@pytest.mark.parametrize("options", [[], ["--both"], ["--bayes"], ["--reml", "--bayes"]])
def test_sampling_interrupted(options: list[str], command: Any, no_sampling: list[dict[str, Any]]) -> None:
    found = command("run", "dyestuff", "--seed", "7", *options)
    assert found.status == 130
    assert found.err.strip() == "Interrupted."
    assert no_sampling == [{"seed": 7, "progress": False}]


def test_progress_on_a_terminal(
    command: Any, no_sampling: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    command("run", "dyestuff")
    assert no_sampling == [{"seed": None, "progress": True}]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], "Error: run was given no file."),
        (["run", "hsb_sess"], "Did you mean 'hsb_ses'?"),
        (["run", "nowhere.toml"], "Error: There is no file 'nowhere.toml'."),
        (["run", "."], "Error: '.' is a directory. Expected one TOML file, or the name of a model"),
        (["run", "models/"], "Add the name of a file: batting"),
        (["run", "/dev/null"], "Error: There is no file '/dev/null'."),
        (["run", ""], "no textbook model"),
        (["run", "hsb_ses", "--seed", "one"], "Invalid value for '--seed'"),
        (["run", "dyestuff", "--bayes", "--seed", "-3"], "Error: seed=-3."),
        (["run", "hsb_ses", "--fast"], "No such option '--fast'"),
        (["run", "hsb_ses", "more"], "unexpected extra argument"),
        (["fitt"], "No such command 'fitt'"),
    ],
)
def test_wrong_commands(arguments: list[str], words: str, command: Any) -> None:
    found = command(*arguments)
    assert found.status == 2
    assert words in found.err and "Traceback" not in found.err


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("title =", "title", "mine.toml can not be read"),
        ('data = "dyestuff"', 'data = "dyestuf"', "mine.toml, line 4: there is no data set 'dyestuf'"),
        ("formula =", "formul =", "mine.toml, line 5: [model] has a key 'formul'"),
        ("Yield ~ 1", "Yield ~ ~ 1", "mine.toml, line 5, formula: "),
        ("Yield ~ 1", "Yeild ~ 1", "mine.toml, line 5, formula: "),
        ("Yield ~ 1", "Yield ~ open(1)", "mine.toml, line 5, formula: "),
        ("| Batch", "| Batsch", "mine.toml, line 5, formula: "),
        ('method = "REML"', '[model.priors]\nsgma = "HalfNormal(1)"', "mine.toml, line 6, priors: "),
        ('method = "REML"', 'priors = "flatt"', "mine.toml, line 6, priors: "),
        ('method = "REML"', 'weights = "w"', "mine.toml, line "),
        ('"(Intercept)" =', "slope =", "'slope'"),
        ('"319.6543"', "1e400", "line 8, [[published]]: "),
        ('data = "dyestuff"', 'csv = "../x.csv"', "mine.toml, line 4: csv is '../x.csv'"),
    ],
)
def test_wrong_files(old: str, new: str, words: str, command: Any, tmp_path: Path) -> None:
    found = command("run", changed(tmp_path, old, new), "--reml")
    assert found.status == 2
    assert found.out == "" or "'slope'" in words
    assert found.err.startswith("Error: ") and words in found.err
    assert found.err.count("\n") == 1


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("meansees", "mine.toml, line 10, Intercept: The data have no column 'meansees'"),
        ("u0j", "mine.toml, line 10, Intercept: In the equation of 'Intercept' at level 'school'"),
        ("sex", "mine.toml, line 10, Intercept: The predictor 'sex' in the equation of 'Intercept' at level 'school'"),
    ],
)
def test_wrong_equations(new: str, words: str, command: Any, tmp_path: Path) -> None:
    file = changed(tmp_path, 'Intercept = "meanses"', f'Intercept = "{new}"', "hsb_means")
    found = command("run", file, "--reml")
    assert found.status == 2 and found.out == ""
    assert words in found.err and found.err.count("\n") == 1


def test_warnings_are_one_line(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(self: bx.Model) -> Any:
        warnings.warn("Something to know.", BayesmixWarning, stacklevel=1)
        raise KeyboardInterrupt

    monkeypatch.setattr(bx.Model, "reml", warn)
    assert command("run", "dyestuff", "--reml").err == "Note: Something to know.\n\nInterrupted.\n"


def test_help_and_lists(command: Any) -> None:
    found = command("run", "--help")
    assert found.status == 0 and "bayesmix run hsb_ses " in found.out and "Exit status: 0" in found.out
    listed = command("run", "--list").out.splitlines()
    assert [line.split()[0] for line in listed] == sorted(path.stem for path in (ROOT / "models").glob("*.toml"))
    assert command("--version").out.split()[-1] == bx.__version__
    assert "run" in command("--help").out


def test_the_module_without_arguments_is_the_demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []

    class Begun(Exception):  # noqa: N818
        pass

    def begin(*arguments: Any, **options: Any) -> None:
        raise Begun

    monkeypatch.setattr(cli, "main", lambda **options: called.append(options))
    monkeypatch.setattr(subprocess, "Popen", begin)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(sys, "argv", ["bayesmix"])
    with pytest.raises(Begun):
        runpy.run_module("bayesmix", run_name="__main__")
    assert called == []
    monkeypatch.setattr(sys, "argv", ["bayesmix", "run", "--list"])
    runpy.run_module("bayesmix", run_name="__main__")
    assert called == [{"program": "python -m bayesmix"}]


def test_the_command_starts_without_the_samplers() -> None:
    """Help and mistakes are answered at once, and an interrupt while packages load is one of the command's."""
    script = "import sys; import bayesmix.cli; print({'pymc', 'numba', 'arviz', 'scipy'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_as_a_module() -> None:
    call = [sys.executable, "-m", "bayesmix", "run", "dyestuff", "--reml"]
    found = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (found.returncode, found.stderr) == (0, "")
    assert "Every published number is reproduced." in found.stdout


@pytest.mark.slow
def test_a_signal_while_sampling() -> None:
    """Ctrl-C some seconds into the work, wherever that is."""
    call = [sys.executable, "-c", "from bayesmix.cli import main; main()", "run", "insteval", "--both"]
    call[-2] = "hsb_full"
    running = subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    running.stdout.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(4)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "Interrupted." in err and "Traceback" not in err


@pytest.mark.slow
def test_the_wheel_holds_the_models_and_the_command(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
        names = archive.namelist()
        entries = archive.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    assert "bayesmix = bayesmix.cli:main" in entries
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from bayesmix.results.textbook import read_textbook, shipped_textbooks\n"
        "assert all(str(path).startswith(sys.argv[1]) for path in shipped_textbooks().values())\n"
        "print(*(read_textbook(name).file.path.stem for name in shipped_textbooks()))\n"
    )
    call = [sys.executable, "-I", "-c", script, str(tmp_path / "installed")]
    found = subprocess.run(call, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.split()
    assert found == sorted(path.stem for path in (ROOT / "models").glob("*.toml"))
