"""The page: whole, with nothing outside of it, every section, every number that the fits print."""

import base64
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixError, FileError
from bayesmix.reporting.blocks import Block, Section
from bayesmix.reporting.diagnosis import diagnostics
from bayesmix.reporting.markdown_page import markdown_page
from bayesmix.reporting.reproduction import reproduction
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
        "Model", "Data", "Priors", "REML", "Posterior", "Agreement", "Where the variance lies",
        "Groups and their shrinkage", "Diagnostics and advice", "How to cite and to repeat",
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
    assert len(images) == 6
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


# The same in Markdown


@pytest.fixture(scope="module")
def markdown(sleepstudy: Fits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bx.report(sleepstudy.reml, sleepstudy.post, path=tmp_path_factory.mktemp("text") / "sleep study.md")


def cells(text: str) -> list[str]:
    """Cells of all pipe tables, as they are read."""
    rows = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("| :--")]
    found = [cell.strip() for row in rows for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
    return [re.sub(r"\\(.)", r"\1", cell) for cell in found]


def test_both_say_the_same(page: Page, markdown: Path) -> None:
    """Sections in one order, every cell of every table, every picture."""
    text = markdown.read_text(encoding="utf-8")
    assert re.findall("^## (.*)$", text, re.MULTILINE) == page.all("h2")
    assert [head for head in re.findall("^### (.*)$", text, re.MULTILINE)] == page.all("h3")
    theirs = {cell for tag in ("td", "th") for cell in page.all(tag)}
    assert theirs - {""} == set(cells(text)) - {""}
    pictures = [attrs for tag, attrs in page.tags if tag == "img"]
    linked = re.findall(r"^!\[(.*?)\]\((.*?)\)$", text, re.MULTILINE)
    assert [words for words, _ in linked] == [attrs["alt"] for attrs in pictures]
    for (_, link), attrs in zip(linked, pictures, strict=True):
        assert link.startswith("sleep%20study_files/")
        data = (markdown.parent / unquote(link)).read_bytes()
        assert data == base64.b64decode(str(attrs["src"]).split(",", 1)[1])


def test_tables_have_as_many_cells_in_every_row(markdown: Path) -> None:
    blocks = [b for b in markdown.read_text(encoding="utf-8").split("\n\n") if b.startswith("|")]
    assert len(blocks) == 18
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_formulas_that_markdown_leaves_alone(tmp_path: Path) -> None:
    """No backslash that is an escape, no underscore that could begin emphasis; a name with worse signs as text."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"y_1": rng.normal(size=60), "x*_": rng.normal(size=60), "g": rng.integers(6, size=60)})
    for formula, as_text in (("y_1 ~ 1 + (1 | g)", 0), ("y_1 ~ `x*_` + (`x*_` | g)", 2)):
        text = bx.report(bx.Model(formula, frame).reml(), path=tmp_path / "page.md").read_text(encoding="utf-8")
        formulas = re.findall(r"\$\$\n(.*?)\n\$\$", text, re.DOTALL)
        assert formulas and all("\n" not in formula for formula in formulas)
        for formula in formulas:
            assert re.findall(r"\\[^A-Za-z ]", formula) == [] and "*" not in formula
            assert re.findall(r"(?<![A-Za-z0-9 ])_(?! )", formula) == []
        assert text.count("```text") == as_text
    assert r"\mathrm{Cov}(" not in text or "Var" in text


def test_covariances_one_by_one(markdown: Path) -> None:
    text = markdown.read_text(encoding="utf-8")
    assert r"\mathrm{Var}(u_ {1j}) = \tau_ {11}" in text and r"\mathrm{Cov}(u_ {0j}, u_ {1j}) = \tau_ {01}" in text


# What it says


def said(*fits: Any, path: Path, **options: Any) -> str:
    """The text of a report, escapes taken off."""
    text = bx.report(*fits, path=path / "page.md", **options).read_text(encoding="utf-8")
    return re.sub(r"\\([^A-Za-z ])", r"\1", text)


def words(blocks: Sequence[Block]) -> str:
    """The text of some blocks."""
    text, _ = markdown_page("", [Section("key", "", tuple(blocks))], "files")
    return re.sub(r"\\([^A-Za-z ])", r"\1", text)


def test_missing_values_are_accounted_for(tmp_path: Path, dataset: Callable[[str], pd.DataFrame]) -> None:
    frame = dataset("sleepstudy").assign(w=1.0)
    frame.loc[frame.index[:3], "Reaction"] = np.nan
    frame.loc[frame.index[2:7], "Days"] = np.nan
    frame.loc[frame.index[9], "w"] = np.nan
    fit = bx.Model("Reaction ~ Days + (1 | Subject)", frame, weights="w").reml()
    assert fit.design.missing_in == {"Reaction": 3, "Days": 5, "w": 1}
    text = said(fit, path=tmp_path)
    assert "8 of 180 rows (4.4%) have a missing value" in text
    assert "Missing values: Reaction 3, Days 5, w 1." in text
    assert "- **Rows used:** 172" in text and 'data, weights="w")' in text


def test_one_row(tmp_path: Path, dataset: Callable[[str], pd.DataFrame]) -> None:
    frame = dataset("sleepstudy")
    frame.loc[frame.index[3], "Days"] = np.nan
    fit = bx.Model("Reaction ~ Days + (1 | Subject)", frame).reml()
    text = said(fit, path=tmp_path)
    assert "1 of 180 rows (0.6%) has a missing value in some column of the model and was left out." in text
    assert "REML: 1 row with missing values left out." in str(bx.table(fit))


def test_weights_are_accounted_for(tmp_path: Path, dataset: Callable[[str], pd.DataFrame]) -> None:
    """A column of them among the columns and in the lines that repeat the fit; an array by itself."""
    frame = dataset("sleepstudy").assign(w=lambda f: 1 + f["Days"] % 3)
    text = said(bx.Model("Reaction ~ Days + (1 | Subject)", frame, weights="w").reml(), path=tmp_path)
    assert "data = ...  # the 180 rows with Reaction, Days, Subject, w\n" in text
    w = frame["w"]
    row = "| w | weights | " + " | ".join(format_number(float(v), 4) for v in (w.mean(), w.std(), w.min(), w.max()))
    assert row in text
    text = said(bx.Model("Reaction ~ Days + (1 | Subject)", frame, weights=w.to_numpy()).reml(), path=tmp_path)
    assert "data = ...  # the 180 rows with Reaction, Days, Subject\nweights = ...  # a number" in text
    text = said(bx.Model("Reaction ~ w + (1 | Subject)", frame, weights="w").reml(), path=tmp_path)
    assert "the 180 rows with Reaction, w, Subject\n" in text and text.count("| w | weights |") == 1


@pytest.mark.parametrize("ending", ["md", "html"])
def test_equations_say_what_their_indices_are(ending: str, crossed: bx.LikelihoodFit, tmp_path: Path) -> None:
    path = bx.report(crossed, path=tmp_path / f"page.{ending}")
    text = " ".join(Page(path).all("li")) if ending == "html" else path.read_text(encoding="utf-8")
    model = bx.Model(crossed.design.specification.formula, bx.load_dataset("penicillin"))
    notes = model.equations().notes
    assert "Indices: j plate, k sample." in notes and len(notes) == 3
    for note in notes:
        assert text.count(note) == 1
        assert note in unescape(model._repr_html_())


def test_sizes_of_groups(tmp_path: Path) -> None:
    """Fewest, mean and most rows; groups that can not estimate coefficients of their own are explained."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(8), [1, 1, 5, 6, 7, 8, 9, 11])
    frame = pd.DataFrame({"g": g, "x": rng.normal(size=48), "y": rng.normal(size=8)[g] + rng.normal(size=48)})
    text = said(bx.Model("y ~ x + (x | g)", frame).reml(), path=tmp_path)
    assert "| g | 8 | 1 - 6.0 - 11 | Intercept, x |" in text
    assert "groups_used: 6 of the 8 groups of g." in text
    text = said(bx.Model("y ~ x + (1 | g)", frame).reml(), path=tmp_path)
    assert "groups_used: " not in text


def test_a_singular_fit_has_advice(dyestuff2_reml: bx.LikelihoodFit, tmp_path: Path) -> None:
    text = said(dyestuff2_reml, path=tmp_path)
    (warning,) = dyestuff2_reml.diagnose().warnings
    assert warning.found == "The fit is singular: no variance of Intercept at Batch." and warning.found in text
    assert warning.actions and "```python\n" + "\n".join(warning.actions) in text
    assert 'df="kenward-roger"' in text


def test_the_group_that_the_estimates_hang_on(sleepstudy: Fits) -> None:
    """By Cook's distance, and the coefficient that it moves most."""
    found = sleepstudy.reml.influence()
    first = found.table["cooks_distance"].idxmax()
    own = found.coefficients.loc[first]
    term = own["dfbetas"].abs().idxmax()
    text = words(diagnostics([sleepstudy.reml], ["x"]))
    assert f"Subject: most depends on {first} (10 rows" in text
    change, share = own.loc[term, "change"], abs(own.loc[term, "dfbetas"])
    assert f"without it {term} changes by {change:.4g} ({share:.2f} standard errors)" in text
    above = int((found.table["cooks_distance"] > 4 / 18).sum())
    assert f"{above} of 18 groups exceed 4/J = 0.222" in text
    moved = (found.coefficients["dfbetas"].abs() > 2 / np.sqrt(18)).unstack("term").any(axis=1).sum()
    assert f"and {moved} of 18 move some fixed effect by more than 2/sqrt(J) = 0.471 standard errors" in text
    for column in ("mdffits", "covratio", "covtrace"):
        assert f"{column} " in text.split("| group")[0] or f"{column} " in text.rsplit("|", 1)[1]


def test_the_diagnosis_of_draws(sleepstudy: Fits) -> None:
    """Its verdict, checks, actions and boundary report, beside the estimates."""
    found = sleepstudy.post.diagnose(sleepstudy.reml)
    text = words(diagnostics([sleepstudy.reml, sleepstudy.post], ["x", "y"]))
    assert found.ok and found.verdict in text and sleepstudy.reml.diagnose().verdict in text
    for name, row in found.shown_table().iterrows():
        assert f"| {name} | {row['concerns']} | {row['value']} | {row['threshold']} | yes |" in text
    assert "difference from REML" in text and "bf_zero" in text
    shifted = sleepstudy.post.idata.copy(deep=True)
    shifted["posterior"]["Intercept"][0] += 100
    shifted["sample_stats"]["diverging"][0, :7] = True
    post = replace(sleepstudy.post, idata=shifted)
    text = words(diagnostics([post], ["x"]))
    assert "Do not use these draws yet" in text and re.search(r"\| divergences \| .* \| 7 \| 0 \| NO \|", text)
    for warning in post.diagnose().warnings:
        assert warning.found in text and "\n".join(warning.actions) in text


def test_the_lines_repeat_the_fit(tmp_path: Path, dataset: Callable[[str], pd.DataFrame]) -> None:
    """What is printed is run, and writes the same numbers."""
    frame = dataset("sleepstudy").assign(w=lambda f: 1 + f["Days"] % 2)
    model = bx.Model("Reaction ~ Days + (Days || Subject)", frame, weights="w")
    reml, ml = model.reml(), model.ml()
    text = bx.report(reml, ml, path=tmp_path / "page.md", command="bayesmix fit 'a b' c.csv").read_text()
    code = re.search("```python\n(.*?)```", text, re.DOTALL)
    assert code is not None and "```sh\nbayesmix fit 'a b' c.csv\n```" in text
    lines = code[1].replace("data = ...", "data = frame").replace('"report.html"', "target")
    target = tmp_path / "again.md"
    exec(lines, {"frame": frame, "target": target})
    assert target.read_text().replace("again_files", "page_files").split("## How")[0] == text.split("## How")[0]


def test_the_lines_repeat_the_priors(sleepstudy: Fits) -> None:
    """Priors that were set come back number by number; those of a share are left to the table."""
    data = bx.load_dataset("sleepstudy")
    for given, shown in (
        ({"Days": "Normal(0, 5)", "preset": "brms"}, "preset"),
        ("flat", 'priors="flat"'),
        ({"icc(Subject)": "Beta(2, 2)"}, "priors=..."),
    ):
        model = bx.Model(sleepstudy.reml.design.specification.formula, data, priors=given)
        text = words(reproduction([replace(sleepstudy.post, priors=model.priors)], None))
        line = next(line for line in text.splitlines() if line.startswith("model = "))
        assert shown in line
        if "..." not in line:
            again = eval(line.removeprefix("model = "), {"bx": bx, "data": data})
            assert again.priors.numbers == model.priors.numbers


def test_settings_of_the_draws(sleepstudy: Fits) -> None:
    text = words(reproduction([sleepstudy.post], None))
    assert 'post = model.sample(draws=1000, tune=300, chains=4, seed=20, sampler="nutpie")' in text
    assert "No seed was given" not in text
    idata = sleepstudy.post.idata.copy()
    del idata["posterior"].attrs["seed"]
    assert "No seed was given" in words(reproduction([replace(sleepstudy.post, idata=idata)], None))


def test_a_loaded_posterior_without_group_effects(sleepstudy: Fits, tmp_path: Path) -> None:
    """What can not be drawn without them is said to be so."""
    post = sleepstudy.post
    bare = replace(post, effects=replace(post.effects, effects=None))
    text = said(bare, path=tmp_path)
    assert "Shrinkage of Subject: not drawn. The draws of the group effects were not kept." in text
    assert "group_effects=False" in text
    loaded = bx.load(post.save(tmp_path / "post.nc"))
    assert "- **Rows used:** 180" in said(loaded, path=tmp_path)


def test_figures_are_closed(sleepstudy: Fits, tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    bx.report(sleepstudy.reml, path=tmp_path / "one.html")
    assert plt.get_fignums() == before


def test_estimates_alone(sleepstudy: Fits, tmp_path: Path) -> None:
    """No posterior: no priors, no agreement."""
    page = Page(bx.report(sleepstudy.reml, path=str(tmp_path / "one.html"), title="Sleep & <reaction>"))
    assert not {"Agreement", "Priors"} & set(page.all("h2"))
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
    [
        ("page.txt", ArgumentError),
        ("page", ArgumentError),
        (3, ArgumentError),
        (None, ArgumentError),
        ("a\0.html", ArgumentError),
        ("none/page.html", FileError),
        ("none/page.md", FileError),
        ("folder.html", FileError),
    ],
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
    for options in ({"file": "x"}, {"title": 3}, {"command": ["bayesmix"]}):
        with pytest.raises(ArgumentError):
            bx.report(sleepstudy.reml, path=path, **options)
    with pytest.raises(ArgumentError, match="report was given LikelihoodFit, LikelihoodFit, the same fit twice"):
        bx.report(sleepstudy.reml, sleepstudy.reml, path=path)
    assert not path.exists()
    with pytest.raises(ArgumentError, match="path=None"):
        bx.report(sleepstudy.reml)


# Opened in a browser

# A frame of its own, as a window can not be narrower than 500 px; measured within and told in the title.
_MEASURED = """<script>addEventListener("load", () => {
  const root = document.documentElement, images = [...document.images];
  const tables = [...document.querySelectorAll(".wide")];
  parent.document.title = JSON.stringify({
    width: innerWidth, page: root.scrollWidth, images: images.length,
    drawn: images.filter(i => i.naturalWidth > 100 && i.width <= innerWidth).length,
    loaded: performance.getEntriesByType("resource").filter(r => !r.name.startsWith("data:")).length,
    scrolling: tables.filter(t => t.scrollWidth > t.clientWidth && getComputedStyle(t).overflowX == "auto").length,
    background: getComputedStyle(root).colorScheme,
  });
})</script></body>"""


def measured(page: Path, width: int, *options: str) -> dict[str, Any]:
    """What a browser says of a page in a frame so wide; nothing may be said on the console."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no Chromium on this machine")
    inner = page.read_text(encoding="utf-8").replace("</body>", _MEASURED)
    frame = page.with_name("frame.html")
    frame.write_text(
        f'<meta charset="utf-8"><iframe width="{width}" height="9000" frameborder="0" '
        f'srcdoc="{escape(inner)}"></iframe>',
        encoding="utf-8",
    )
    own = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"]
    call = [browser, *own, "--window-size=1300,9000", *options, "--dump-dom", frame.as_uri()]
    found = subprocess.run(call, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0
    assert "CONSOLE" not in found.stderr
    told = re.search("<title>(.*?)</title>", found.stdout)
    assert told is not None
    return dict(json.loads(unescape(told[1])))


@pytest.fixture(
    scope="module",
    params=["hsb", pytest.param("egsingle", marks=pytest.mark.slow), pytest.param("crossed", marks=pytest.mark.slow)],
)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A page and how many images it has."""
    path = tmp_path_factory.mktemp(request.param) / "page.html"
    if request.param == "hsb":
        both = request.getfixturevalue("hsb_fits")
        return bx.report(both.reml, both.post, path=path), 6
    if request.param == "crossed":
        return bx.report(request.getfixturevalue("crossed"), path=path), 6
    model = request.getfixturevalue("egsingle_model")
    post = model.sample(draws=100, tune=150, chains=2, seed=1, group_effects="summary", progress=False)
    return bx.report(model.reml(), post, path=path), 8


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize(
    "scheme", ["--blink-settings=preferredColorScheme=0", "--blink-settings=preferredColorScheme=1"]
)
def test_in_a_browser(width: int, scheme: str, opened: tuple[Path, int]) -> None:
    """Every image drawn, nothing fetched, and a phone scrolls tables and not the page."""
    page, images = opened
    found = measured(page, width, scheme)
    assert found["width"] == found["page"] == width
    assert found["images"] == found["drawn"] == images
    assert found["loaded"] == 0
    assert (found["scrolling"] > 0) or width > 390


@pytest.mark.slow
def test_pandoc_reads_the_markdown(opened: tuple[Path, int], request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Every formula, table and picture is one to pandoc, which makes a Word file of them."""
    if shutil.which("pandoc") is None:
        pytest.skip("there is no pandoc on this machine")
    fit = request.getfixturevalue("egsingle_reml")
    path = bx.report(fit, path=tmp_path / "a b.md")
    call = ["pandoc", path.name, "-o", "page.html", "--mathml", "--standalone", "--metadata", "title=x"]
    found = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (found.returncode, found.stderr) == (0, "")
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    assert html.count("<math display=") == text.count("$$") // 2 > 10
    assert html.count("<table") == len(re.findall(r"^\| :--", text, re.MULTILINE)) > 8
    assert html.count("<img") == text.count("![") == 6
    call = ["pandoc", path.name, "-o", "page.docx"]
    found = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (found.returncode, found.stderr) == (0, "")
    with zipfile.ZipFile(tmp_path / "page.docx") as word:
        assert sum(name.startswith("word/media/") for name in word.namelist()) == 6
