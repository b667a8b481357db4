"""``bayesmix fit``: the numbers of the library, in text and for machines; wrong input in one paragraph."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import bayesmix as bx
from bayesmix import cli
from bayesmix.cli import fitting
from bayesmix.reporting import pages
from bayesmix.results.dialects import styles
from tests.bayes import Fits

ROOT = Path(__file__).parents[2]
FORMULA = "Yield ~ 1 + (1 | Batch)"


@pytest.fixture
def csv(tmp_path: Path) -> str:
    bx.load_dataset("dyestuff").to_csv(tmp_path / "dye.csv", index=False)
    return str(tmp_path / "dye.csv")


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch, dyestuff: Fits) -> list[dict[str, Any]]:
    """Sampling is answered with a posterior that is there already; the keywords it was asked with."""
    calls: list[dict[str, Any]] = []

    def sample(self: bx.Model, **options: Any) -> bx.BayesFit:
        calls.append(options)
        return dyestuff.post

    monkeypatch.setattr(bx.Model, "sample", sample)
    return calls


def interrupt_after(chains: int, monkeypatch: pytest.MonkeyPatch, post: bx.BayesFit) -> None:
    """Sampling is interrupted when so many chains are finished."""

    def sample(self: bx.Model, **options: Any) -> bx.BayesFit:
        if not chains:
            raise KeyboardInterrupt
        return replace(post, idata=post.idata.isel(chain=slice(0, chains)))

    monkeypatch.setattr(bx.Model, "sample", sample)


def test_reml_of_a_csv_file(command: Any, csv: str) -> None:
    found = command("fit", FORMULA, csv, "--reml")
    assert (found.status, found.err) == (0, "")
    # Davies & Goldsmith's dyestuff: REML variances 1764.05 and 2451.25 (closed form of a balanced layout).
    assert "1764.0500" in found.out and "2451.2500" in found.out and "posterior" not in found.out


def test_maximum_likelihood_and_a_style(command: Any, csv: str) -> None:
    found = command("fit", FORMULA, csv, "--ml", "--style", "lme4")
    model = bx.Model(FORMULA, bx.load_dataset("dyestuff"))
    assert found.status == 0 and found.out.strip() == str(model.ml().summary(style="lme4")).strip()
    assert set(fitting.STYLES) == set(styles._PRINTERS)


def test_both_by_default(command: Any, csv: str, sampled: list[dict[str, Any]], tmp_path: Path) -> None:
    saved = tmp_path / "out.nc"
    found = command("fit", FORMULA, csv, "--seed", "3", "--draws", "500", "--save", str(saved))
    assert found.status == 0 and sampled == [{"seed": 3, "progress": False, "draws": 500, "tune": 300, "chains": 4}]
    for words in ("fitted by REML", "posterior by NUTS", "REML beside the posterior", f"saved to {saved}."):
        assert words in found.out
    assert found.err.splitlines()[0] == "Sampling 4 chains of 500 ..." and "\r" not in found.err
    assert bx.load(saved).n_draws == 4000


def test_the_posterior_alone(command: Any, csv: str, sampled: list[dict[str, Any]]) -> None:
    found = command("fit", FORMULA, csv, "--bayes")
    assert found.status == 0 and "by REML" not in found.out and found.out.startswith("Multilevel model, posterior")


def test_progress_is_for_terminals(
    command: Any, csv: str, sampled: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert command("fit", FORMULA, csv, "--bayes").err == ""
    command("fit", FORMULA, csv, "--bayes", "--json")
    assert [call["progress"] for call in sampled] == [True, False]


def test_json_has_every_digit(command: Any, csv: str, sampled: list[dict[str, Any]], dyestuff: Fits) -> None:
    found = command("fit", FORMULA, csv, "--both", "--ml", "--json", "--seed", "1")
    told = json.loads(found.out)
    keys = "bayesmix command formula data rows missing_rows groups weights seed priors notes fits comparison saved"
    assert list(told) == [*keys.split(), "report", "interrupted"]
    assert told["rows"] == 30 and told["groups"] == {"Batch": 6} and told["interrupted"] is False
    reml, ml, post = told["fits"]
    assert (reml["method"], ml["method"], post["method"]) == ("REML", "ML", "posterior")
    assert reml["criterion"] == dyestuff.reml.criterion and post["chains"] == 4
    (row,) = post["fixed_effects"]
    assert row == {"term": "Intercept", **dyestuff.post.fixed_effects().loc["Intercept"].to_dict()}
    levels = [(row["level"], row["parameter"], row["estimate"]) for row in reml["variance_components"]]
    table = dyestuff.reml.variance_components()["estimate"]
    assert levels == [(*index, value) for index, value in table.items()]
    assert {row["source"] for row in told["comparison"]["table"]} == {"REML", "ML", "posterior"}


def test_json_has_no_numbers_that_are_none(command: Any) -> None:
    found = command("fit", "Yield ~ 1 + (1 | Batch)", "dyestuff2", "--reml", "--json")
    assert "NaN" not in found.out and json.loads(found.out)["fits"][0]["singular"] is True
    assert json.loads(found.out)["comparison"] is None


def test_missing_values_weights_and_priors(
    command: Any, tmp_path: Path, sampled: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = bx.load_dataset("dyestuff").assign(w=[1.0, 2.0] * 15)
    frame.loc[[2, 9], "Yield"] = None
    frame.to_csv(tmp_path / "w.csv", index=False)
    found = command("fit", FORMULA, str(tmp_path / "w.csv"), "--reml", "--weights", "w", "--json", "--priors", "brms")
    told = json.loads(found.out)
    assert (told["rows"], told["missing_rows"], told["weights"]) == (28, 2, "w")
    model = bx.Model(FORMULA, frame, weights="w", priors="brms")
    assert told["fits"][0]["criterion"] == pytest.approx(model.reml().criterion, abs=1e-9)
    assert told["priors"] == model.priors.table["distribution"].to_dict()


def test_notes_are_told_to_both(command: Any, tmp_path: Path) -> None:
    frame = bx.load_dataset("dyestuff").assign(x=range(30))
    frame.assign(double=2 * frame["x"]).to_csv(tmp_path / "x.csv", index=False)
    found = command("fit", "Yield ~ x + double + (1 | Batch)", str(tmp_path / "x.csv"), "--reml", "--json")
    (note,) = json.loads(found.out)["notes"]
    assert "double" in note and found.err == f"Note: {note}\n"


SAID = "The draws of 320 group effects would take 215 MB; only their means and sds are kept."


@pytest.fixture
def talkative(monkeypatch: pytest.MonkeyPatch, dyestuff: Fits) -> None:
    """Sampling prints a line, one without an end, and something behind Python's back."""

    def sample(self: bx.Model, **options: Any) -> bx.BayesFit:
        print(SAID, flush=True)
        print("And so on", end="")
        os.write(1, b"compiled code\n")
        return dyestuff.post

    monkeypatch.setattr(bx.Model, "sample", sample)


def test_nothing_but_json_is_printed(talkative: None, csv: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["fit", FORMULA, csv, "--bayes", "--json"])
    out, err = capfd.readouterr()
    assert json.loads(out)["notes"] == [SAID, "And so on"]
    for line in (f"Note: {SAID}\n", "Note: And so on\n", "compiled code\n"):
        assert line in err
    os.write(1, b"as before")
    assert capfd.readouterr().out == "as before"


def test_notes_of_sampling_are_on_standard_error(talkative: None, csv: str, command: Any) -> None:
    found = command("fit", FORMULA, csv, "--bayes")
    assert SAID not in found.out and f"Note: {SAID}\n" in found.err


@pytest.mark.parametrize("how", [[], ["--json"]])
def test_an_interrupt_keeps_finished_chains(
    how: list[str], command: Any, csv: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dyestuff: Fits
) -> None:
    interrupt_after(2, monkeypatch, dyestuff.post)
    found = command("fit", FORMULA, csv, "--save", str(tmp_path / "some.nc"), *how)
    assert found.status == 130 and found.err.endswith("Interrupted.\n")
    assert bx.load(tmp_path / "some.nc").idata["posterior"].sizes["chain"] == 2
    assert json.loads(found.out)["interrupted"] is True if how else "2 chains of 1000" in found.out


def test_an_interrupt_before_any_chain(
    command: Any, csv: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dyestuff: Fits
) -> None:
    interrupt_after(0, monkeypatch, dyestuff.post)
    found = command("fit", FORMULA, csv, "--save", str(tmp_path / "none.nc"))
    assert found.status == 130 and "fitted by REML" in found.out and not (tmp_path / "none.nc").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit"], "Missing argument 'FORMULA'"),
        (["fit", FORMULA], "Missing argument 'DATA'"),
        (["fit", "dye.csv", FORMULA, "--reml"], "Expected the formula first."),
        (["fit", FORMULA, "dyestuf"], "Did you mean the data set 'dyestuff'?"),
        (["fit", FORMULA, "nowhere.csv"], "There is no file 'nowhere.csv'."),
        (["fit", "Yeild ~ 1 + (1 | Batch)", "dyestuff"], "Did you mean 'Yield'?"),
        (["fit", "Yield ~ 1 + (1 | Batch", "dyestuff"], "Error: "),
        (["fit", "Yield ~ open('x') + (1 | Batch)", "dyestuff"], "Error: "),
        (["fit", "", "dyestuff"], "The formula is empty."),
        (["fit", FORMULA, ""], "Expected the path of a file."),
        (["fit", FORMULA, "dyestuff", "--weights", "w"], "'w'"),
        (["fit", FORMULA, "dyestuff", "--priors", "brm"], "--priors 'brm' is not offered."),
        (["fit", FORMULA, "dyestuff", "--style", "excel"], "'excel' is not one of"),
        (["fit", FORMULA, "dyestuff", "--reml", "--save", "x.nc"], "--save x.nc is for the posterior"),
        (["fit", FORMULA, "dyestuff", "--bayes", "--style", "sas"], "--style sas is for printed likelihood fits"),
        (["fit", FORMULA, "dyestuff", "--json", "--style", "sas"], "--style sas is for printed likelihood fits"),
        (["fit", FORMULA, "dyestuff", "--save", "/nowhere/x.nc"], "There is no directory '/nowhere'."),
        (["fit", FORMULA, "dyestuff", "--bayes", "--seed", "-1"], "seed=-1."),
        (["fit", FORMULA, "dyestuff", "--bayes", "--chains", "0"], "chains=0."),
        (["fit", FORMULA, "dyestuff", "--draws", "0"], "Error: draws=0."),
        (["fit", FORMULA, "dyestuff", "--json", "--tune", "0"], "Error: tune=0."),
        (["fit", FORMULA, "dyestuff", "--save", "x.txt"], "Error: --save x.txt. Expected the path of a .nc file."),
    ],
)
def test_wrong_input(arguments: list[str], words: str, command: Any) -> None:
    found = command(*arguments)
    assert (found.status, found.out) == (2, "")
    assert words in found.err and "Traceback" not in found.err
    assert not found.err.startswith("Error") or found.err.count("\n") == 1 + 3 * found.err.startswith("Usage")


def test_help_documents_every_key(command: Any) -> None:
    text = " ".join(command("fit", "--help").out.split())
    assert 'bayesmix fit "math ~ ses + (ses | school)" hsb --reml' in text and "Exit status: 0" in text
    for key in ("missing_rows", "fixed_effects", "variance_components", "comparison", "interrupted", "singular"):
        assert key in text
    assert "fit" in command("--help").out and "warmup" in command("--help").out


def test_from_a_shell(csv: str) -> None:
    call = [sys.executable, "-m", "bayesmix", "fit", "Yield ~ 1 + (1 | Bach)", csv]
    found = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("Error: The data have no column 'Bach'.") and found.stderr.count("\n") == 1


def test_standard_output_may_be_closed(csv: str) -> None:
    call = f"exec {shlex.join([sys.executable, '-m', 'bayesmix', 'fit', FORMULA, csv, '--reml', '--json'])} >&-"
    found = subprocess.run(["sh", "-c", call], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


# The graph is compiled before, so that the signal comes while chains are sampled, a few at a time.
_INTERRUPTED = """
import os, signal, sys, threading
import bayesmix as bx
from bayesmix.cli import main
formula = "math ~ ses + (ses | school)"
bx.Model(formula, bx.load_dataset("hsb")).sample(draws=20, tune=20, progress=False, seed=1)
threading.Timer(6, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
size = ["--draws", "2000", "--chains", "900", "--seed", "1"]
main(["fit", formula, "hsb", "--bayes", *size, "--save", sys.argv[1]])
"""


@pytest.mark.slow
def test_ctrl_c_keeps_finished_chains(tmp_path: Path) -> None:
    saved = tmp_path / "kept.nc"
    call = [sys.executable, "-c", _INTERRUPTED, str(saved)]
    found = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert found.returncode == 130 and "Traceback" not in found.stderr and "\r" not in found.stderr
    kept = bx.load(saved).idata["posterior"].sizes["chain"]
    assert 0 < kept < 900 and f"{kept} chains of 2000" in found.stdout
    assert found.stderr.splitlines()[-1] == "Interrupted."


def test_reading_is_the_same_as_in_python(command: Any, tmp_path: Path, hsb: pd.DataFrame) -> None:
    hsb.to_parquet(tmp_path / "hsb.parquet")
    found = command("fit", "math ~ ses + sector + (ses | school)", str(tmp_path / "hsb.parquet"), "--reml", "--json")
    ours = bx.Model("math ~ ses + sector + (ses | school)", hsb).reml()
    rows = {row["term"]: row["estimate"] for row in json.loads(found.out)["fits"][0]["fixed_effects"]}
    assert rows == ours.fixed_effects()["estimate"].to_dict()


def test_report(command: Any, csv: str, tmp_path: Path) -> None:
    """A page about the fits; a path that is none is refused before fitting."""
    page = tmp_path / "out.html"
    found = command("fit", FORMULA, csv, "--reml", "--report", str(page))
    assert found.status == 0
    assert f"Report written to {page}." in found.out
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    found = command("fit", FORMULA, csv, "--reml", "--report", str(tmp_path / "out.pdf"))
    assert found.status == 2 and ".html" in found.err
    assert pages.HTML + pages.MARKDOWN == fitting.REPORTS


def test_a_report_says_which_command_wrote_it(command: Any, csv: str, tmp_path: Path) -> None:
    """Also with the quotes that the shell took off, and from a list of arguments."""
    page = tmp_path / "out report.md"
    arguments = ["fit", FORMULA, csv, "--reml", "--report", str(page)]
    assert command(*arguments).status == 0
    line = page.read_text(encoding="utf-8").split("```sh\n")[1].split("\n")[0]
    assert shlex.split(line) == ["bayesmix", *arguments]
    assert f"'{FORMULA}'" in line
    assert (tmp_path / "out report_files" / "residuals.png").read_bytes().startswith(b"\x89PNG")
