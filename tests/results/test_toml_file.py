"""Lines of keys, against a file whose lines were counted by hand."""

from decimal import Decimal
from pathlib import Path

import pytest

from bayesmix.errors import ArgumentError
from bayesmix.results import toml_file
from bayesmix.results.toml_file import TomlFile, read_toml_file

TEXT = '''# a comment with [table] and key = 1
top = """
two
lines"""

[a]
x = 1 # y = 2
y = [
  1,
  2,
]
"b c" = { d = 1.50 }

[[list]]
x = 1

[[list]]
z.w = 3
'''


@pytest.fixture
def file(tmp_path: Path) -> TomlFile:
    path = tmp_path / "f.toml"
    path.write_text(TEXT)
    return read_toml_file(path)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("top",), 2),
        (("a",), 6),
        (("a", "x"), 7),
        (("a", "y"), 8),
        (("a", "b c"), 12),
        (("a", "b c", "d"), 12),
        (("list",), 14),
        (("list", 0, "x"), 15),
        (("list", 1), 17),
        (("list", 1, "z", "w"), 18),
        (("list", 2), None),
        (("list", "x"), None),
        (("a", 0), None),
        (("a", "z"), None),
    ],
)
def test_line(file: TomlFile, keys: tuple[str | int, ...], line: int | None) -> None:
    assert file.line(*keys) == line
    assert file.where(*keys) == ("f.toml" if line is None else f"f.toml, line {line}")


def test_windows_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert read_toml_file(path).line("list", 1, "z") == 18


def test_decimals_keep_their_digits(file: TomlFile) -> None:
    assert str(file.content["a"]["b c"]["d"]) == "1.50"
    assert isinstance(file.content["a"]["b c"]["d"], Decimal)


def test_a_long_file_has_no_lines(file: TomlFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toml_file, "MOST_LINES", 5)
    assert file.line("top") is None


def test_what_can_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.toml"
    for content in (b"\xff", b"a = \n", b"a = 1\na = 2\n", b"a\0"):
        path.write_bytes(content)
        with pytest.raises(ArgumentError, match=r"f.toml can not be read"):
            read_toml_file(path)
    monkeypatch.setattr(toml_file, "MOST_BYTES", 3)
    path.write_text("a = 1")
    with pytest.raises(ArgumentError, match="5 bytes"):
        read_toml_file(path)
    with pytest.raises(ArgumentError, match="no file"):
        read_toml_file(tmp_path)
