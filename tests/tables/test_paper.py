"""Tables for papers, format by format: structure, escapes, and numbers at one decimal point."""

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from bayesmix.errors import ArgumentError, FileError
from bayesmix.tables import PaperTable, Section
from bayesmix.tables.paper_latex import escape_latex
from bayesmix.tables.paper_layout import aligned, fixed_decimals, missing_decimals, short_p
from tests.markup import read

NASTY = r"50% of {a_b} & c^2 ~ <d|e> #1 $x \end{tabular} *f* `g` [h]"
TABLE = PaperTable(
    f"Title {NASTY}",
    (("REML", ("Estimate", "SE", "p")), (f"Bayes {NASTY}", ("Mean", "SD"))),
    (
        Section(
            "Fixed effects", ((NASTY, ("-1.250", "0.100", "< .001", "-1.3", "0.1")), ("x", ("2", "", "—", "", "")))
        ),
        Section("Statistics", (("N", ("7185", "", "", "7185", "")),)),
    ),
    (f"Note {NASTY}.",),
)


def test_decimals() -> None:
    assert [fixed_decimals(x, 2) for x in (1.005e3, -0.004, float("nan"), float("-inf"), 1)] == [
        "1005.00",
        "0.00",
        "—",
        "-∞",
        "1.00",
    ]
    assert [fixed_decimals(x, 2, bounded=True) for x in (0.25, -0.25, 1.0, 10.5, -0.0)] == [
        ".25",
        "-.25",
        "1.00",
        "10.50",
        ".00",
    ]
    assert [short_p(p) for p in (0.0009, 0.001, 0.0514, 1.0, float("nan"))] == [
        "< .001",
        ".001",
        ".051",
        "> .999",
        "—",
    ]


def test_points_stand_below_each_other() -> None:
    cells = ["-1.250", "2", "", "—", "0.1", "< .001"]
    padded = [cell + gap.replace("0", "_") for cell, gap in zip(cells, missing_decimals(cells), strict=True)]
    assert padded == ["-1.250", "2.___", "", "—", "0.1__", "< .001"]
    assert missing_decimals(["7", "12"]) == ["", ""]
    (section,) = aligned([Section("s", (("a", ("1.5",)), ("b", ("22",))))], " ", " ")
    assert section.rows[0][1] == ("1.5",)
    assert section.rows[1][1] == ("22  ",)


def latex_rows(text: str) -> list[list[str]]:
    """Cells of the rows of a tabular."""
    body = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
    lines = [line.removesuffix(r" \\") for line in body.splitlines() if line.endswith(r"\\")]
    return [re.split(r"(?<!\\)&", line) for line in lines]


def test_latex() -> None:
    text = TABLE.to_latex(label="tab:one")
    bare = text.replace(r"\{", "").replace(r"\}", "")
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    stack = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert stack == []
    assert r"\begin{tabular}{@{}lrrrrr@{}}" in text
    assert "|" not in text and r"\label{tab:one}" in text
    for row in latex_rows(text):
        width = sum(int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", "&".join(row)))
        assert width + sum(r"\multicolumn" not in cell for cell in row) == 6
    assert r"$-$1.250 & 0.100 & \textless{} .001 & $-$1.3 & 0.1" in text
    assert r"\quad x & 2\phantom{.000} &  & --- &  &  \\" in text
    assert re.findall(r"(?<!\\)[%#]|(?<!\\)\$(?!-\$|$|-)", text.replace("$-$", "")) == []


def test_latex_escapes() -> None:
    assert escape_latex("a\\b\n c") == r"a\textbackslash{}b c"
    for label in ("", "a}b", "a b", 3):
        with pytest.raises(ArgumentError, match="label="):
            TABLE.to_latex(label=label)  # type: ignore[arg-type]


def test_markdown() -> None:
    lines = TABLE.to_markdown().splitlines()
    table = [line for line in lines if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table]
    assert {len(row) for row in cells} == {6}
    assert [cell.strip() for cell in cells[1]] == [":--", *["--:"] * 5]
    assert lines[1] == "" and lines[2] == table[0]
    assert cells[0][1].strip() == "REML: Estimate"
    assert r"\<d\|e\>" in cells[3][0]
    assert cells[3][1:4] == [" −1.250 ", " 0.100 ", r" \< .001 "]
    assert cells[4][1] == " 2\u2008\u2007\u2007\u2007 "


def test_html() -> None:
    text = TABLE.to_html()
    page = read(text)
    assert "border-left" not in text and "border-right" not in text and "http" not in text
    found = [content for tag, content in page.found if tag == "th"]
    assert "50% of {a_b} & c^2 ~ <d|e> #1 $x \\end{tabular} *f* `g` [h]" in found
    body = re.findall(r"<tr>(.*?)</tr>", text)
    for row in body:
        spans = [int(span or 1) for span in re.findall(r"<t[hd](?=[ >])(?:[^>]*?colspan=\"(\d+)\")?[^>]*>", row)]
        assert sum(spans) == 6
    assert TABLE._repr_html_() == text


def test_text() -> None:
    lines = repr(TABLE).splitlines()
    assert lines[0] == TABLE.title
    assert lines[3].split() == ["Estimate", "SE", "p", "Mean", "SD"]
    (row,) = [line for line in lines if line.startswith("  x ")]
    (other,) = [line for line in lines if line.startswith("  50%")]
    assert row.index("2") == other.index("1.250")
    end = lines[3].index("Estimate") + len("Estimate")
    assert other[:end].endswith("-1.250")


# Word and great-tables, by stand-ins that record what they are told


class Node:
    """A paragraph, run, cell or element."""

    def __init__(self, text: str = "") -> None:
        self.text, self.italic, self.children, self.attributes = text, False, [], {}
        self.alignment: Any = None

    def add_run(self, text: str) -> "Node":
        self.children.append(Node(text))
        return self.children[-1]

    def append(self, child: "Node") -> None:
        self.children.append(child)

    def set(self, name: str, value: str) -> None:
        self.attributes[name] = value

    def find(self, name: str) -> "Node | None":
        return next((child for child in self.children if child.text == name), None)


class Cell:
    def __init__(self) -> None:
        self.paragraphs, self.properties = [Node()], Node()
        self._tc = SimpleNamespace(get_or_add_tcPr=lambda: self.properties)
        self.merged: Cell | None = None

    def merge(self, other: "Cell") -> "Cell":
        return self

    @property
    def text(self) -> str:
        return "".join(run.text for run in self.paragraphs[0].children)


class Document:
    last: "Document"

    def __init__(self) -> None:
        self.paragraphs: list[Node] = []
        self.cells: list[list[Cell]] = []
        Document.last = self

    def add_paragraph(self) -> Node:
        self.paragraphs.append(Node())
        return self.paragraphs[-1]

    def add_table(self, rows: int, cols: int) -> Any:
        self.cells = [[Cell() for _ in range(cols)] for _ in range(rows)]
        return SimpleNamespace(cell=lambda row, column: self.cells[row][column])

    def save(self, path: str) -> None:
        Path(path).write_bytes(b"word")


@pytest.fixture
def word(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = SimpleNamespace(LEFT="left", RIGHT="right", CENTER="center")
    parts: dict[str, dict[str, Any]] = {
        "docx": {"Document": Document},
        "docx.enum": {},
        "docx.enum.text": {"WD_ALIGN_PARAGRAPH": sides},
        "docx.oxml": {"OxmlElement": Node},
        "docx.oxml.ns": {"qn": str},
    }
    for name, content in parts.items():
        module = ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.usefixtures("word")
def test_word(tmp_path: Path) -> None:
    path = TABLE.to_docx(tmp_path / "table.docx")
    assert path.read_bytes() == b"word"
    cells = Document.last.cells
    assert (len(cells), len(cells[0])) == (7, 6)
    assert [cell.text for cell in cells[1]] == ["", "Estimate", "SE", "p", "Mean", "SD"]
    assert cells[3][0].text.strip() == NASTY and cells[3][1].text == "−1.250"
    assert cells[3][1].paragraphs[0].alignment == "right"
    ruled = [bool(row[0].properties.children) for row in cells]
    assert ruled == [True, True, False, False, False, False, True]
    assert {side.text for row in cells for c in row for b in c.properties.children for side in b.children} == {
        "w:top",
        "w:bottom",
    }


@pytest.mark.usefixtures("word")
def test_where_a_word_file_can_not_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match="is a directory"):
        TABLE.to_docx(tmp_path)
    with pytest.raises(FileError, match="no directory"):
        TABLE.to_docx(tmp_path / "nowhere" / "table.docx")
    for path in ("", 3, None, "a\0b"):
        with pytest.raises(ArgumentError, match="path="):
            TABLE.to_docx(path)  # type: ignore[arg-type]

    def full(self: Document, path: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Document, "save", full)
    with pytest.raises(FileError, match="No space left"):
        TABLE.to_docx(tmp_path / "table.docx")


def test_a_real_word_file(tmp_path: Path) -> None:
    """Every cell, heads over their columns, title and note, as Word would read them."""
    docx = pytest.importorskip("docx", reason="python-docx (extra 'tables') is not installed")
    document = docx.Document(str(TABLE.to_docx(tmp_path / "table.docx")))
    (table,) = document.tables
    cells = [[cell.text.strip(" \u2003\u2007\u2008") for cell in row.cells] for row in table.rows]
    assert cells == [
        ["", "REML", "REML", "REML", f"Bayes {NASTY}", f"Bayes {NASTY}"],  # merged cells are met once for each column
        ["", "Estimate", "SE", "p", "Mean", "SD"],
        ["Fixed effects", "", "", "", "", ""],
        [NASTY, "−1.250", "0.100", "< .001", "−1.3", "0.1"],
        ["x", "2", "", "—", "", ""],
        ["Statistics", "", "", "", "", ""],
        ["N", "7185", "", "", "7185", ""],
    ]
    assert table.cell(0, 1)._tc is table.cell(0, 3)._tc and table.cell(0, 4)._tc is table.cell(0, 5)._tc
    texts = [paragraph.text for paragraph in document.paragraphs]
    assert texts[0] == f"Title {NASTY}" and texts[-1] == f"Note. Note {NASTY}."


def test_what_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docx", None)
    monkeypatch.setitem(sys.modules, "great_tables", None)
    with pytest.raises(ArgumentError, match=r"python-docx.*'tables'.*bayesmix\[tables\]"):
        TABLE.to_docx(tmp_path / "table.docx")
    with pytest.raises(ArgumentError, match="great-tables"):
        TABLE.to_great_table()


def test_great_table(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []

    class GT:
        def __init__(self, frame: Any, **options: Any) -> None:
            calls.append(("GT", {"frame": frame, **options}))

        def __getattr__(self, name: str) -> Any:
            return lambda **options: (calls.append((name, options)), self)[1]

    module = ModuleType("great_tables")
    module.__dict__["GT"] = GT
    monkeypatch.setitem(sys.modules, "great_tables", module)
    assert isinstance(TABLE.to_great_table(), GT)
    frame = calls[0][1]["frame"]
    assert frame.shape == (3, 7) and frame["part"].tolist() == ["Fixed effects", "Fixed effects", "Statistics"]
    spanners = [options for name, options in calls if name == "tab_spanner"]
    assert [spanner["columns"] for spanner in spanners] == [["c0", "c1", "c2"], ["c3", "c4"]]
    assert dict(calls)["cols_label"] == {"c0": "Estimate", "c1": "SE", "c2": "p", "c3": "Mean", "c4": "SD"}


def test_a_real_great_table() -> None:
    """Rows, spanners and heads, all of them shown as text."""
    pytest.importorskip("great_tables", reason="great-tables (extra 'tables') is not installed")
    page = read(TABLE.to_great_table().as_raw_html())
    texts = [text.strip(" \u2007\u2008") for _, text in page.found]
    for wanted in ("Fixed effects", "Statistics", "REML", f"Bayes {NASTY}", "Estimate", NASTY, "−1.250", "< .001"):
        assert any(wanted in text for text in texts), wanted
