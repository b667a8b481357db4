"""Every textbook model gives the numbers that were published about it, and a file can hold nothing else."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.results.errata import not_reproduced, unexplained
from bayesmix.results.textbook import Textbook, read_textbook, shipped_textbooks

MODELS = Path(__file__).parents[2] / "models"
FILES = sorted(path.stem for path in MODELS.glob("*.toml"))


def model_of(book: Textbook) -> bx.Model:
    return bx.Model(book.formula, book.data(), **book.options)


def fit_of(book: Textbook) -> bx.LikelihoodFit:
    model = model_of(book)
    return model.reml() if book.method == "REML" else model.ml()


def changed(name: str, old: str, new: str, folder: Path) -> Path:
    text = (MODELS / f"{name}.toml").read_text()
    assert old in text
    file = folder / "changed.toml"
    file.write_text(text.replace(old, new, 1))
    return file


@pytest.mark.parametrize("name", FILES)
def test_published_numbers_are_reproduced(name: str) -> None:
    book = read_textbook(name)
    found = bx.compare(fit_of(book), *book.published)
    assert unexplained(found, book.published, book.errata) == {}, found.verdict
    assert all(published.source for published in book.published)
    # An erratum about a number that is reproduced is itself a mistake.
    for source, numbers in not_reproduced(found, book.published).items():
        known = [number for each in book.errata if each.source == source for number in each.numbers]
        assert sorted(numbers) == sorted(known)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_posteriors_agree_with_their_likelihood_fits(name: str) -> None:
    """Fixed effects within a third of a standard error; where it is more, the file must be looked at."""
    book = read_textbook(name)
    post = model_of(book).sample(seed=20, progress=False, group_effects=False)
    assert float(post.fixed_effects()["r_hat"].max()) < 1.02
    found = bx.compare(fit_of(book), post, *book.published)
    difference = found.table["posterior"].loc["fixed", "difference_in_se"].abs()
    assert difference.max() < 1 / 3, found


def test_which_models_there_are() -> None:
    assert len(FILES) >= 33
    expected = {"hsb", "london", "batting", "sleepstudy", "orthodont", "egsingle", "dyestuff", "dyestuff2", "pastes"}
    assert {name.split("_")[0] for name in FILES} >= expected | {"penicillin", "machines"}
    assert list(shipped_textbooks()) == FILES


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("hsb_ses", '"4.8286"', '"4.8287"'),
        ("hsb_ses", '"0.1898"', '"0.1899"'),
        ("hsb_full", '"-1.64267"', '"-1.64268"'),
        ("batting", '"0.000105"', '"0.000106"'),
        ("hsb_null", '"0.18035"', '"0.18036"'),
        ("london_aggregated", '"65"', '"66"'),
        ("egsingle", '"59.84"', '"59.85"'),
    ],
)
def test_one_digit_more_or_less_is_seen(name: str, old: str, new: str, tmp_path: Path) -> None:
    book = read_textbook(changed(name, old, new, tmp_path))
    found = bx.compare(fit_of(book), *book.published)
    left = unexplained(found, book.published, book.errata)
    assert sum(map(len, left.values())) == 1, found.verdict


def test_an_erratum_covers_its_numbers_only(tmp_path: Path) -> None:
    book = read_textbook(changed("hsb_ses", ', "fixed ses df"]', "]", tmp_path))
    found = bx.compare(fit_of(book), *book.published)
    assert unexplained(found, book.published, book.errata) == {"lmerTest": ["fixed ses df"]}


def test_means_by() -> None:
    frame = read_textbook("london_aggregated").data()
    exam = bx.load_dataset("exam")
    assert len(frame) == 65
    own = exam[exam["school"] == "48"]["normexam"].mean()
    assert frame.set_index("school").loc["48", "normexam"] == pytest.approx(own, rel=1e-12)


def with_csv(folder: Path, name: str = "mine.csv", line: str = 'csv = "mine.csv"') -> Path:
    bx.load_dataset("dyestuff").to_csv(folder / name, index=False)
    return changed("dyestuff", 'data = "dyestuff"', line, folder)


def test_a_csv_file_beside_it(tmp_path: Path) -> None:
    book = read_textbook(with_csv(tmp_path))
    assert book.dataset is None and book.csv == tmp_path.resolve() / "mine.csv"
    found = bx.compare(fit_of(book), *book.published)
    assert found.agree
    pd.testing.assert_series_equal(book.data()["Yield"], bx.load_dataset("dyestuff")["Yield"])


@pytest.mark.parametrize(
    "name",
    [
        "../mine.csv",
        "/etc/passwd",
        "sub/mine.csv",
        "sub\\\\mine.csv",
        "C:mine.csv",
        "mine.toml",
        "",
        "..",
        "file:mine.csv",
    ],
)
def test_no_file_elsewhere(name: str, tmp_path: Path) -> None:
    bx.load_dataset("dyestuff").to_csv(tmp_path / "mine.csv", index=False)
    (tmp_path / "sub").mkdir()
    for folder in (tmp_path / "sub", tmp_path):
        file = with_csv(folder, line=f'csv = "{name}"')
        with pytest.raises(ArgumentError, match=r"changed.toml, line 4: csv is"):
            read_textbook(file)


def test_no_link_and_no_missing_file(tmp_path: Path) -> None:
    file = with_csv(tmp_path, "elsewhere.csv")
    with pytest.raises(ArgumentError, match=r"line 4: 'mine.csv' is not there"):
        read_textbook(file)
    (tmp_path / "mine.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(ArgumentError, match=r"line 4: 'mine.csv' is a link"):
        read_textbook(file)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'a,b\n"1,2\n', b"a\n1,2,3\n1,2,3,4\n"])
def test_what_is_no_csv(content: bytes, tmp_path: Path) -> None:
    file = with_csv(tmp_path)
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(ArgumentError, match=r"mine.csv can not be read as CSV"):
        read_textbook(file).data()


def test_priors_and_weights(tmp_path: Path) -> None:
    line = 'formula = "Yield ~ 1 + (1 | Batch)"'
    file = changed("dyestuff", line, f'{line}\npriors = {{ sigma = "HalfNormal(80)" }}\nweights = "w"', tmp_path)
    book = read_textbook(file)
    frame = book.data().assign(w=2.0)
    model = bx.Model(book.formula, frame, **book.options)
    assert model.priors["sigma"] == "HalfNormal(80)"
    assert model.design.weights is not None
    assert read_textbook(changed("dyestuff", line, f'{line}\npriors = "flat"', tmp_path)).priors == "flat"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('formula = "math', 'formulae = "math', r"line 5: \[model\] has a key 'formulae'.*Did you mean 'formula'"),
        ('data = "hsb"', "data = 3", "line 4: data is 3"),
        ('data = "hsb"', 'data = "hbs"', "line 4: there is no data set 'hbs'.*Did you mean 'hsb'"),
        ('data = "hsb"', "", "line 3: no data and no csv"),
        ('data = "hsb"', 'data = "hsb"\ncsv = "x.csv"', "line 3: data and csv"),
        ('formula = "math ~ 1 + (1 | school)"', "", "line 3: no formula"),
        ('method = "REML"', 'method = "EM"', "line 6: method is 'EM'"),
        ('method = "REML"', "method = [1]", "line 6: method is"),
        ('method = "REML"', "priors = 3", "line 6: priors is 3"),
        ('method = "REML"', "[model.priors]\nsigma = 2", "line 7: the prior of sigma is 2"),
        ('method = "REML"', "weights = []", "line 6: weights is"),
        ("[model]", "[modal]", "line 3: The top has a key 'modal'"),
        ("[model]", "[[model]]", "line 3 has no"),
        ("[published.fixed]", "[published.fxied]", "line 13: .published. has a key 'fxied'"),
        ('"12.636974"', '"twelve"', r"line 8, \[\[published\]\]: .*twelve"),
        ("[[published]]", "[published]", r"line 8 has no \[\[published\]\]"),
        ("title = ", "title = 3 #", "line 1: title is 3"),
        ("title = ", "title == ", "line 1"),
        ("title = ", "title = [[[[" * 5000 + "#", "can not be read"),
        ("title = ", "title = " + "9" * 5000 + " #", "can not be read"),
    ],
)
def test_what_a_file_must_not_hold(old: str, new: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=words) as caught:
        read_textbook(changed("hsb_null", old, new, tmp_path))
    assert "changed.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("numbers = []", "no words"),
        ('words = "w"\nnumber = []', "has a key 'number'"),
        ('words = "w"\nnumbers = ["fixed sees"]', "numbers has 'fixed sees'"),
        ('words = "w"\nnumbers = "fixed (Intercept)"', r"numbers has 'fixed \(Intercept\)'"),
        ('words = "w"\nnumbers = [{}]', "numbers has {}"),
        ('words = "w"\nsource = "slides"', "source is 'slides'"),
        ('words = "w"\nsource = 3', "source is 3"),
        ("words = 3", "no words"),
    ],
)
def test_what_an_erratum_must_not_hold(table: str, words: str, tmp_path: Path) -> None:
    text = (MODELS / "hsb_null.toml").read_text()
    place = text.count("\n") + 1
    with pytest.raises(ArgumentError, match=words) as caught:
        read_textbook(changed("hsb_null", text, f"{text}[[erratum]]\n{table}\n", tmp_path))
    assert caught.value.found.startswith("changed.toml, line ")
    assert int(caught.value.found.split("line ")[1].split(",")[0].split(":")[0]) in (place, place + 2)


def test_names_of_sources(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="have one name"):
        read_textbook(changed("hsb_ses", 'name = "lme4"', 'name = "slide"', tmp_path))
    with pytest.raises(ArgumentError, match="is called 'REML'"):
        read_textbook(changed("hsb_ses", 'name = "lme4"', 'name = "REML"', tmp_path))
    with pytest.raises(ArgumentError, match="source is None"):
        read_textbook(changed("hsb_ses", 'source = "lmerTest"\nnumbers', "numbers", tmp_path))


def test_a_file_without_a_model(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('[[published]]\n[published.fixed]\nses = "2"\n')
    with pytest.raises(ArgumentError, match="no \\[model\\]"):
        read_textbook(file)
    book = read_textbook(changed("hsb_schools", 'means_by = "school"', 'means_by = "schol"', tmp_path))
    with pytest.raises(ArgumentError, match=r"line 7: .*'schol'"):
        book.data()


@pytest.mark.parametrize("wrong", [None, 3, "hsb_sess", "hsb_sess.toml", "", "\0"])
def test_what_is_no_file(wrong: Any) -> None:
    with pytest.raises(ArgumentError):
        read_textbook(wrong)
