"""HTML tables: structure, scopes, escaping."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd

from bayesmix.tables import Header, html_summary, html_table


class Reader(HTMLParser):
    """Cells of every row by tag, and whether every tag is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[tuple[str, dict[str, str | None], str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append((tag, dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("th", "td"):
            tag, attrs, text = self.rows[-1][-1]
            self.rows[-1][-1] = (tag, attrs, text + data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


def wide() -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y<z>"), ("b", "x")], names=["part", "parameter"])
    columns = pd.MultiIndex.from_tuples([("one", "estimate"), ("one", "p"), ("<two>", "estimate")])
    return pd.DataFrame([[1.0, 1e-9, np.nan], [2.0, 0.5, 3.0], [4.0, 0.25, 5.0]], index=index, columns=columns)


def test_two_levels_of_columns() -> None:
    outer, inner, *body = read(html_table(wide(), {"estimate": 1})).rows
    assert [(attrs.get("colspan"), text) for _, attrs, text in outer] == [("2", ""), ("2", "one"), ("1", "<two>")]
    assert [text for *_, text in inner] == ["part", "parameter", "estimate", "p", "estimate"]
    assert all(tag == "th" and attrs["scope"] == "col" for tag, attrs, _ in inner)
    assert [[text for *_, text in row] for row in body] == [
        ["a", "x", "1.0", "<0.0001", ""],
        ["", "y<z>", "2.0", "0.5000", "3.0"],
        ["b", "x", "4.0", "0.2500", "5.0"],
    ]
    assert all([tag for tag, *_ in row] == ["th", "th", "td", "td", "td"] for row in body)


def test_everything_is_escaped() -> None:
    frame = pd.DataFrame({"<b>": ["<script>"]}, index=pd.Index(['"&'], name="<i>"))
    text = html_summary(Header("<h>", [("<k>", "<v>")]), [("<s>", html_table(frame, caption="<c>"))], ["<n>"])
    read(text)
    for raw in ("<b>", "<script", "<i>", "<h>", "<k>", "<v>", "<s>", "<n>", "<c>", '"&'):
        assert raw not in text
    for part in ("&lt;script&gt;", "&lt;n&gt;", "<caption>&lt;c&gt;</caption>", "<h4>&lt;s&gt;</h4>"):
        assert part in text
    assert "http" not in text and "style" not in text


def test_words_are_told_from_numbers() -> None:
    """Words stand at the left of a page, also in the head of their column."""
    head, row = read(
        html_table(pd.DataFrame({"a": ["x"], "b": [1.0], "c": ["-.11"]}, index=pd.Index(["r"], name="i")))
    ).rows
    assert [attrs.get("class") for _, attrs, _ in head] == ["text", "text", None, None]
    assert [attrs.get("class") for _, attrs, _ in row] == [None, "text", None, None]
