"""Every textbook model gives the numbers that were published about it, and a file can hold nothing else."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError, DataError, DesignError, FormulaError
from bayesmix.results.errata import not_reproduced, unexplained
from bayesmix.results.textbook import Textbook, read_textbook, shipped_textbooks

MODELS = Path(__file__).parents[2] / "models"
FILES = sorted(path.stem for path in MODELS.glob("*.toml"))


def model_of(book: Textbook) -> bx.Model:
    return bx.Model(book.specification, book.data(), **book.options)


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
    assert len(FILES) >= 36
    expected = {"hsb", "london", "batting", "sleepstudy", "orthodont", "egsingle", "dyestuff", "dyestuff2", "pastes"}
    assert {name.split("_")[0] for name in FILES} >= expected | {"penicillin", "machines", "centres"}
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


# Models written level by level, and what they are as formulas.
BY_LEVELS = {
    "hsb_full": "math ~ meanses*cses + sector*cses + (cses | school)",
    "hsb_fixed_slopes": "math ~ meanses*cses + sector*cses + (1 | school)",
    "hsb_means": "math ~ meanses + (1 | school)",
    "egsingle_growth": "math ~ year*black + (year | schoolid:childid) + (year*black | schoolid)",
}


def assert_same_fit(book: Textbook, formula: str) -> None:
    """The numbers of a formula, whatever the order of its terms and of the columns in them."""

    def by_term(values: pd.Series) -> pd.Series:
        return values.rename(lambda name: ":".join(sorted(name.split(":")))).sort_index()

    ours, theirs = fit_of(book), bx.Model(formula, book.data()).reml()
    assert ours.criterion == pytest.approx(theirs.criterion, rel=1e-10)
    for column in ("estimate", "se"):
        one, other = (by_term(fit.fixed_effects(df="z")[column]) for fit in (ours, theirs))
        assert list(one.index) == list(other.index)
        assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    assert list(ours.covariances()) == list(theirs.covariances())
    for level, covariance in theirs.covariances().items():
        found = ours.covariances()[level].loc[covariance.index, covariance.columns]
        assert_allclose(found, covariance, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", BY_LEVELS)
def test_levels_give_the_fit_of_the_formula(name: str) -> None:
    book = read_textbook(name)
    assert book.by_levels and not read_textbook("hsb_random").by_levels
    assert_same_fit(book, BY_LEVELS[name])


def test_which_are_written_by_levels() -> None:
    assert [name for name in FILES if read_textbook(name).by_levels] == sorted(BY_LEVELS)


FULL = """
[model]
data = "hsb"
equation = "math ~ ses"

[model.levels.school]
Intercept = "meanses + sector"
ses = "sector"

[[published]]
[published.fixed]
Intercept = "12.1"
"""
SCHOOL = "[model.levels.school]"
EQUATIONS = FULL[FULL.index(SCHOOL) : FULL.index("\n[[published]]")]


def written(text: str, folder: Path) -> Path:
    file = folder / "mine.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("options", "formula"),
    [
        ("", "math ~ ses*sector + meanses + (ses | school)"),
        ('fixed = ["ses"]', "math ~ ses*sector + meanses + (1 | school)"),
        ("correlated = false", "math ~ ses*sector + meanses + (ses || school)"),
        ("correlated = { school = [['ses'], ['Intercept']] }", "math ~ ses*sector + meanses + (ses || school)"),
        ("fixed = { school = ['Intercept'] }\nnested = false", "math ~ ses*sector + meanses + (0 + ses | school)"),
    ],
)
def test_options_of_levels(options: str, formula: str, tmp_path: Path) -> None:
    book = read_textbook(written(FULL.replace(SCHOOL, f"{options}\n{SCHOOL}"), tmp_path))
    assert_same_fit(book, formula)


def test_order_and_nesting_of_levels(tmp_path: Path) -> None:
    """Tables from the lowest level to the highest; names of children are unique."""
    text = FULL.replace("hsb", "egsingle").replace("math ~ ses", "math ~ year").replace('ses = "sector"', "year = ''")
    child = "[model.levels.childid]\nIntercept = 'black'\nyear = ''\n"
    text = text.replace(SCHOOL, f"nested = false\n{child}[model.levels.schoolid]").replace("meanses + sector", "")
    book = read_textbook(written(text, tmp_path))
    assert book.formula == "math ~ year + black + (year | childid) + (year | schoolid)"
    joined = read_textbook(written(text.replace("nested = false", ""), tmp_path))
    assert "(year | schoolid:childid)" in joined.formula


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('ses = "sector"', 'sess = "sector"', "line 8, sess: Level 'school' has an equation of 'sess'"),
        ('ses = "sector"', 'ses = "sector +"', "line 8, ses: In the equation of 'ses' at level 'school'"),
        ('ses = "sector"', 'ses = "u1j"', "line 8, ses: .*residual"),
        ('ses = "sector"', 'ses = "sector"\nmeanses = ""', "line 9, meanses: Level 'school' has an equation of"),
        ('ses = "sector"', 'ses = "open(1)"', "line 8, ses: "),
        ('ses = "sector"', 'ses = "ses"', "line 8, ses: .*explains its own slope"),
        ('ses = "sector"', "ses = 3", "line 8: the equation of 'ses' is 3"),
        ('ses = "sector"', "ses = ['sector']", r"line 8: the equation of 'ses' is \['sector'\]"),
        ("math ~ ses", "math ~ ses +", "line 4, equation: In the equation of the rows"),
        ("math ~ ses", "math ~ ses + (1 | school)", "line 4, equation: In the equation of the rows, the bar"),
        ("math ~ ses", "", "line 2: no formula and no equation"),
        ('"math ~ ses"', "3", "line 4: equation is 3"),
        ("equation = ", 'formula = "math ~ ses"\nequation = ', "line 2: formula and equation"),
        ("equation = ", "formula = ", "line 6: levels beside a formula"),
        (SCHOOL, f'fixed = ["sess"]\n{SCHOOL}', "line 6, fixed: fixed names 'sess'"),
        (SCHOOL, f'fixed = "ses"\n{SCHOOL}', "line 6, fixed: fixed='ses'"),
        (SCHOOL, f'fixed = ["ses", "Intercept"]\n{SCHOOL}', "line 6, fixed: .*nothing varies"),
        (SCHOOL, f"fixed = {{ scool = ['ses'] }}\n{SCHOOL}", "line 6, fixed: fixed names the level 'scool'"),
        (SCHOOL, f"correlated = 0.5\n{SCHOOL}", "line 6, correlated: "),
        (SCHOOL, f"correlated = [['ses']]\n{SCHOOL}", "line 6, correlated: "),
        (SCHOOL, f'nested = "no"\n{SCHOOL}', "line 6, nested: "),
        (SCHOOL, f"fixd = []\n{SCHOOL}", r"line 6: \[model\] has a key 'fixd'"),
        (SCHOOL, f"[model.levels.empty]\n{SCHOOL}", "line 6, empty: Level 'empty' has no equation"),
        (
            'ses = "sector"',
            'ses = ""\nmethod = "ML"',
            "line 9, method: .*If method is meant for .model., write",
        ),
        ('ses = "sector"', 'ses = ""\nfixed = ["ses"]', "line 9: .* Write fixed above .model.levels"),
        (SCHOOL, '[model.levels."a/b"]', "line 7, Intercept: The level 'a/b' is written as several"),
        (SCHOOL, '[model.levels.""]', "line 7, Intercept: "),
        (EQUATIONS, "levels = { school = 3 }\n", "line 6: level 'school' is 3"),
        (EQUATIONS, "levels = 3\n", "line 6: an equation without"),
        (f"{SCHOOL}\n", "[[model.levels]]\n", "line 6: an equation without"),
        (f"{SCHOOL}\n", "[model.prior]\n", r"line 6: \[model\] has a key 'prior'"),
    ],
)
def test_what_levels_must_not_hold(old: str, new: str, words: str, tmp_path: Path) -> None:
    assert old in FULL
    with pytest.raises((ArgumentError, FormulaError), match=f"mine.toml, {words}"):
        read_textbook(written(FULL.replace(old, new, 1), tmp_path))


def test_an_equation_alone(tmp_path: Path) -> None:
    text = FULL[: FULL.index(SCHOOL)] + FULL[FULL.index("[[published]]") :]
    with pytest.raises(ArgumentError, match="line 4: an equation without"):
        read_textbook(written(text, tmp_path))


def test_an_error_of_the_data_has_the_line_of_its_equation(tmp_path: Path) -> None:
    book = read_textbook(written(FULL.replace('ses = "sector"', 'ses = "sex"'), tmp_path))
    with pytest.raises(DesignError) as caught:
        model_of(book)
    assert book.place(caught.value) == "mine.toml, line 8, ses"
    book = read_textbook(written(FULL.replace("levels.school", "levels.scool"), tmp_path))
    with pytest.raises(DataError) as missing:
        model_of(book)
    assert book.place(missing.value) == "mine.toml, line 6, scool"
    assert book.place(DesignError("Something else.", "", "")) == "mine.toml, line 4, equation"


def test_many_equations_are_refused_in_time(tmp_path: Path) -> None:
    """More of them than anybody writes: the place of the mistake is not looked for."""
    lines = "\n".join(f'x{number} = ""' for number in range(1500))
    with pytest.raises(FormulaError, match="levels: Level 'school' has an equation of 'x0'"):
        read_textbook(written(FULL.replace('ses = "sector"', lines), tmp_path))


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


def test_a_csv_file_with_doubled_names(tmp_path: Path) -> None:
    file = with_csv(tmp_path)
    (tmp_path / "mine.csv").write_text("Batch,Yield,Yield\nA,1,2\nB,2,3\n")
    with pytest.raises(DataError, match="the column 'Yield' more than once"):
        read_textbook(file).data()


def test_priors_and_weights(tmp_path: Path) -> None:
    line = 'formula = "Yield ~ 1 + (1 | Batch)"'
    file = changed("dyestuff", line, f'{line}\npriors = {{ sigma = "HalfNormal(80)" }}\nweights = "w"', tmp_path)
    book = read_textbook(file)
    frame = book.data().assign(w=2.0)
    model = bx.Model(book.specification, frame, **book.options)
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
