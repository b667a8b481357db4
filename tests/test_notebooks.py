"""What the stored outputs of the notebooks must not hold, and the assignment beside its solution."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def read_cells(path: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return cells


def sources(name: str) -> list[str]:
    return ["".join(cell["source"]) for cell in read_cells(FOLDER / name)]


def questions(name: str) -> list[str]:
    return re.findall(r"\*\*(q\d+)\.\*\* (.*(?:\n.+)*)", "\n\n".join(sources(name)))


def checking_cell(name: str) -> str:
    (cell,) = (source for source in sources(name) if "KEYS = {" in source)
    return cell


def test_nine_chapters_are_there_in_order() -> None:
    assert [path.name[0] for path in NOTEBOOKS] == list("1234567889")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stored_without_warnings_progress_or_paths(path: Path) -> None:
    outputs = [output for cell in read_cells(path) for output in cell.get("outputs", [])]
    assert outputs
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert not re.search(r"(?:/home/|/root/|/tmp/|/Users/|site-packages|Warning:|it/s\b)", json.dumps(outputs))


def test_the_solution_answers_every_question_of_the_assignment() -> None:
    asked = questions("8_assignment.ipynb")
    assert len(asked) == 13
    assert questions("8_solution.ipynb") == asked
    assert checking_cell("8_solution.ipynb") == checking_cell("8_assignment.ipynb")


def test_the_assignment_checks_answers_of_all_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers within one of the last decimal, letters however typed, and no answer at all."""
    room: dict[str, Any] = {}
    exec(checking_cell("8_assignment.ipynb"), room)
    cases = [
        ("q1", 0.16834, 3),
        ("q1", 0.169, 3),
        ("q1", 0.1701, 3),
        ("q1", None, 3),
        ("q7", " B", None),
        ("q7", "c", None),
    ]
    for case in cases:
        room["check"](*case)
    said = [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()]
    assert said == ["right", "right", "not right", "not answered yet", "right", "not right"]
