"""Every textbook model gives the numbers that were published about it."""

from pathlib import Path

import pytest

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.results.textbook import read_textbook

MODELS = Path(__file__).parents[2] / "models"
FILES = sorted(path.stem for path in MODELS.glob("*.toml"))


def fit_of(name: str) -> bx.LikelihoodFit:
    book = read_textbook(MODELS / f"{name}.toml")
    model = bx.Model(book.formula, book.data())
    return model.reml() if book.method == "REML" else model.ml()


@pytest.mark.parametrize("name", FILES)
def test_published_numbers_are_reproduced(name: str) -> None:
    book = read_textbook(MODELS / f"{name}.toml")
    found = bx.compare(fit_of(name), *book.published)
    assert found.agree, found.verdict
    for published in book.published:
        assert published.source
        assert f"{published.name} agrees with {book.method}: all " in found.verdict


def test_which_models_there_are() -> None:
    assert len(FILES) == 14
    assert {name.split("_")[0] for name in FILES} == {"hsb", "london", "batting"}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("hsb_ses", '"4.8286"', '"4.8287"'),
        ("hsb_ses", '"0.1898"', '"0.1899"'),
        ("hsb_full", '"-1.64267"', '"-1.64268"'),
        ("batting", '"0.000105"', '"0.000106"'),
        ("hsb_null", '"0.18035"', '"0.18036"'),
        ("london_aggregated", '"65"', '"66"'),
    ],
)
def test_one_digit_more_or_less_is_seen(name: str, old: str, new: str, tmp_path: Path) -> None:
    text = (MODELS / f"{name}.toml").read_text()
    assert old in text
    file = tmp_path / "changed.toml"
    file.write_text(text.replace(old, new, 1))
    found = bx.compare(fit_of(name), *read_textbook(file).published)
    assert not found.agree


def test_means_by() -> None:
    frame = read_textbook(MODELS / "london_aggregated.toml").data()
    exam = bx.load_dataset("exam")
    assert len(frame) == 65
    own = exam[exam["school"] == "48"]["normexam"].mean()
    assert frame.set_index("school").loc["48", "normexam"] == pytest.approx(own, rel=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('formula = "math', 'formulae = "math', "'formulae'"),
        ('data = "hsb"', "data = 3", "no data"),
        ('method = "REML"', 'method = "EM"', "'EM'"),
        ("[model]", "[modal]", "'modal'"),
    ],
)
def test_what_a_file_must_not_hold(old: str, new: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text((MODELS / "hsb_null.toml").read_text().replace(old, new, 1))
    with pytest.raises(ArgumentError, match=words):
        read_textbook(file)


def test_a_file_without_a_model(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('[[published]]\n[published.fixed]\nses = "2"\n')
    with pytest.raises(ArgumentError, match="no \\[model\\]"):
        read_textbook(file)
    with pytest.raises(ArgumentError, match="'schol'"):
        text = (MODELS / "hsb_schools.toml").read_text().replace('means_by = "school"', 'means_by = "schol"')
        file.write_text(text)
        read_textbook(file).data()
