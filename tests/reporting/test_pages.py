"""The page: whole, with nothing outside of it, every section, every number that the fits print."""

import base64
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixError, FileError
from bayesmix.tables import format_number
from tests.bayes import Fits

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Elements, texts and addresses; every tag closed in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.append((self.open[-1], data))

    def all(self, tag: str) -> list[str]:
        return [text for own, text in self.texts if own == tag]


@pytest.fixture(scope="module")
def page(sleepstudy: Fits, tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = tmp_path_factory.mktemp("page") / "sleep.html"
    assert bx.report(sleepstudy.reml, sleepstudy.post, path=path) == path
    return Page(path)


def test_sections(page: Page) -> None:
    assert page.all("h2") == [
        "Model and data", "REML", "Posterior", "Diagnostics", "Agreement", "Where the variance lies", "Groups",
        "Residuals", "How to cite and to repeat",
    ]  # fmt: skip
    anchors = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    places = [f"#{attrs['id']}" for tag, attrs in page.tags if tag == "h2"]
    assert anchors == places


def test_nothing_is_outside(page: Page) -> None:
    """No address but anchors and the images themselves; no script; readable at the width of a phone."""
    for tag, attrs in page.tags:
        assert tag not in ("script", "link", "iframe")
        for name in ("src", "href"):
            value = attrs.get(name)
            assert value is None or value.startswith(("#", "data:image/png;base64,"))
    assert "width=device-width" in str([attrs for tag, attrs in page.tags if tag == "meta"])
    style = "".join(page.all("style"))
    for word in ("overflow-x", "@media print", "color-scheme: light dark", "max-width"):
        assert word in style
    assert "url(" not in style


def test_images(page: Page) -> None:
    """PNG files, each with a text."""
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(images) == 5
    for attrs in images:
        assert attrs["alt"]
        data = base64.b64decode(str(attrs["src"]).split(",", 1)[1])
        assert data.startswith(b"\x89PNG") and len(data) > 5000


def test_numbers(page: Page, sleepstudy: Fits) -> None:
    cells = set(page.all("td"))
    for table in (sleepstudy.reml.variance_components(), sleepstudy.post.icc()):
        assert {format_number(value, 4) for value in table.iloc[:, 0]} <= cells
    assert "HalfStudentT(4, 56.33)" in cells
    code = "".join(page.all("pre"))
    assert 'bx.Model("Reaction ~ Days + (Days | Subject)", data)' in code
    assert "seed=20" in code and "chains=4" in code


def test_figures_are_closed(sleepstudy: Fits, tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    bx.report(sleepstudy.reml, path=tmp_path / "one.html")
    assert plt.get_fignums() == before


def test_estimates_alone(sleepstudy: Fits, tmp_path: Path) -> None:
    """No posterior: no priors, no agreement."""
    page = Page(bx.report(sleepstudy.reml, path=str(tmp_path / "one.html"), title="Sleep & <reaction>"))
    assert "Agreement" not in page.all("h2") and "Priors" not in page.all("h4")
    assert "".join(page.all("h1")) == "Sleep & <reaction>"


@pytest.mark.parametrize(
    ("formula", "name"),
    [
        ("math ~ year + (year | schoolid/childid)", "egsingle"),
        ("diameter ~ 1 + (1 | plate) + (1 | sample)", "penicillin"),
        ("math ~ ses", "hsb"),
        ("Yield ~ 0 + (1 | Batch)", "dyestuff2"),
    ],
)
def test_other_models(formula: str, name: str, dataset: Callable[[str], pd.DataFrame], tmp_path: Path) -> None:
    """Three levels, crossed levels, no levels, no fixed effects."""
    page = Page(bx.report(bx.Model(formula, dataset(name)).reml(), path=tmp_path / "page.html"))
    assert any(tag == "img" for tag, _ in page.tags)


def test_text_of_a_user_is_text(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"y": rng.normal(size=60), "<b>": rng.normal(size=60), "g": rng.integers(6, size=60)})
    page = Page(bx.report(bx.Model("y ~ `<b>` + (1 | g)", frame).reml(), path=tmp_path / "page.html"))
    assert all(tag != "b" for tag, _ in page.tags)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("page.txt", ArgumentError), (3, ArgumentError), ("none/page.html", FileError), ("folder.html", FileError)],
)
def test_wrong_paths(path: Any, kind: type[BayesmixError], sleepstudy: Fits, tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(kind) as caught:
        bx.report(sleepstudy.reml, path=tmp_path / path if isinstance(path, str) else path)
    assert caught.value.found and caught.value.expected and caught.value.remedy


def test_wrong_fits(sleepstudy: Fits, hsb_reml: bx.LikelihoodFit, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    for fits in ((), (sleepstudy.model,), (sleepstudy.reml, hsb_reml)):
        with pytest.raises(ArgumentError):
            bx.report(*fits, path=path)
    with pytest.raises(ArgumentError):
        bx.report(sleepstudy.reml, path=path, file="x")
    assert not path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1200])
def test_in_a_browser(width: int, sleepstudy: Fits, tmp_path: Path) -> None:
    """No message on the console, and every image drawn at its size, on a phone and on a desk."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no Chromium on this machine")
    path = bx.report(sleepstudy.reml, sleepstudy.post, path=tmp_path / "sleep.html")
    count = (
        "<script>addEventListener('load', () => { document.title = [...document.images]"
        ".filter(i => i.complete && i.naturalWidth > 100 && i.width <= innerWidth).length })</script></body>"
    )
    probe = tmp_path / "probe.html"
    probe.write_text(path.read_text(encoding="utf-8").replace("</body>", count), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", f"--window-size={width},2000"]
    found = subprocess.run(
        [browser, *options, "--dump-dom", probe.as_uri()], capture_output=True, text=True, timeout=120
    )
    assert found.returncode == 0
    assert "CONSOLE" not in found.stderr
    assert "<title>5</title>" in found.stdout
