"""The table of README.md names tests that exist, and all of this folder."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent


def functions_of(file: Path) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE))


def test_every_test_has_its_row() -> None:
    named: set[tuple[Path, str]] = set()
    for section in (FOLDER / "README.md").read_text().split("\n## ")[1:]:
        heading = re.search(r"`(test_\w+\.py)`", section)
        assert heading is not None
        for file, test in re.findall(r"`(?:([\w/]+\.py)::)?(test_\w+)`", section):
            own = FOLDER / (file or heading[1])
            named.add((own if own.is_file() else FOLDER.parents[1] / file, test))
    assert [(str(file), test) for file, test in named if test not in functions_of(file)] == []
    written = {(file, test) for file in FOLDER.glob("test_1_*.py") for test in functions_of(file)}
    assert sorted(test for _, test in written - named) == []
