"""Files of data: what comes out is what went in, and what is no data is refused with what it is."""

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayesmix as bx
from bayesmix.cli.data_files import read_data, with_labels
from bayesmix.errors import ArgumentError, BayesmixError, BayesmixWarning, DataError, FileError

FRAME = pd.DataFrame({"y": [1.5, 2.25, np.nan, 4.0], "g": ["a", "b", "a", "b"], "k": [1, 2, 3, 4]})


def as_csv(path: Path, **options: Any) -> str:
    FRAME.to_csv(path, index=False, **options)
    return str(path)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.csv", {}),
        ("a.CSV", {}),
        ("a.csv", {"encoding": "utf-8-sig"}),
        ("a.csv", {"na_rep": "."}),
        ("a.csv", {"na_rep": "NA"}),
        ("a.csv", {"sep": ";"}),
        ("a.csv", {"sep": ";", "decimal": ","}),
        ("a.csv", {"sep": "\t"}),
        ("a.tsv", {"sep": "\t"}),
        ("a.txt", {"sep": "\t"}),
        ("a.csv.gz", {}),
    ],
)
def test_text(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    pd.testing.assert_frame_equal(read_data(as_csv(tmp_path / name, **options)), FRAME)


def test_blanks_after_commas_and_commas_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("y, g,\n1, a,\n2, b,\n")
    pd.testing.assert_frame_equal(read_data(str(tmp_path / "a.csv")), pd.DataFrame({"y": [1, 2], "g": ["a", "b"]}))


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_columnar(ending: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = FRAME.assign(f=pd.Categorical(["z", "a", "z", "a"], categories=["z", "a"]))
    getattr(frame, f"to_{ending}")(tmp_path / f"a.{ending}")
    pd.testing.assert_frame_equal(read_data(str(tmp_path / f"a.{ending}")), frame)


def test_stata_with_value_labels(tmp_path: Path) -> None:
    frame = FRAME.assign(sex=[1.0, 0.0, 1.0, 1.0], item=[1, 2, 3, 7], plain=[0, 1, 0, 1])
    labels = {"sex": {0: "woman", 1: "man"}, "item": {1: "never", 7: "always"}}
    frame.to_stata(tmp_path / "a.dta", write_index=False, value_labels=labels)
    with pytest.warns(BayesmixWarning, match=r"Column 'item' has labels for some values only \(none for 2\)"):
        found = read_data(str(tmp_path / "a.dta"))
    assert list(found["sex"].cat.categories) == ["woman", "man"] and not found["sex"].cat.ordered
    assert list(found["sex"]) == ["man", "woman", "man", "man"]
    assert list(found["item"]) == [1, 2, 3, 7] and list(found["plain"]) == [0, 1, 0, 1]
    assert found["y"].isna().tolist() == FRAME["y"].isna().tolist()


@pytest.mark.parametrize(
    ("ending", "function"), [("sav", "read_sav"), ("por", "read_por"), ("sas7bdat", "read_sas7bdat")]
)
def test_spss_and_sas_by_a_stand_in(
    ending: str, function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pyreadstat answers: values, and the labels of values by column."""
    values = pd.DataFrame({"y": [1.0, 2.0, 3.0], "sector": [2.0, 1.0, np.nan]})
    labels = {"sector": {2.0: "Catholic", 1.0: "Public", 9.0: "Unknown"}}
    module = ModuleType("pyreadstat")
    answer = (values, SimpleNamespace(variable_value_labels=labels))
    monkeypatch.setattr(module, function, lambda path: answer, raising=False)
    monkeypatch.setitem(sys.modules, "pyreadstat", module)
    (tmp_path / f"a.{ending}").write_bytes(b"$FL2")
    found = read_data(str(tmp_path / f"a.{ending}"))
    assert list(found["sector"].cat.categories) == ["Public", "Catholic", "Unknown"]
    assert found["sector"].astype(object).tolist()[:2] == ["Catholic", "Public"] and found["sector"].isna()[2]
    assert list(found["y"]) == [1, 2, 3]


def labelled_frame() -> pd.DataFrame:
    """Codes whose order is not that of their labels, a code of missing values, and a number with one label."""
    sector = [3.0, 1.0, 2.0, 3.0, 9.0, 1.0]
    return pd.DataFrame(
        {"y": [1.0, 2.5, np.nan, 4.0, 5.0, 6.0], "sector": sector, "age": [7.0, 8.0, 9.0, 7.0, 8.0, 9.0]}
    )


LABELS = {"sector": {1.0: "Public", 2.0: "Other", 3.0: "Catholic", 9.0: "No answer"}}


def test_an_spss_file(tmp_path: Path) -> None:
    """Labels in the order of their codes; what SPSS is told to be missing is missing."""
    pyreadstat = pytest.importorskip("pyreadstat", reason="pyreadstat (extra 'files') is not installed")
    options: dict[str, Any] = {"variable_value_labels": LABELS, "missing_ranges": {"sector": [9.0]}}
    for name in ("a.sav", "b.zsav"):
        pyreadstat.write_sav(labelled_frame(), str(tmp_path / name), compress=name.endswith("zsav"), **options)
        found = read_data(str(tmp_path / name))
        assert list(found["sector"].cat.categories)[:3] == ["Public", "Other", "Catholic"]
        assert not found["sector"].cat.ordered
        assert found["sector"].astype(object).tolist()[:4] == ["Catholic", "Public", "Other", "Catholic"]
        assert found["sector"].isna().tolist() == [False] * 4 + [True, False]
        assert found["y"].isna().tolist() == [False, False, True, False, False, False]
        assert found["age"].tolist() == labelled_frame()["age"].tolist()


def test_an_spss_file_in_a_model(command: Any, tmp_path: Path, hsb: pd.DataFrame) -> None:
    """The same fit as of the frame: the reference is the first code, not the first label of the alphabet."""
    pyreadstat = pytest.importorskip("pyreadstat", reason="pyreadstat (extra 'files') is not installed")
    coded = hsb.assign(sector=hsb["sector"].cat.codes + 1.0, school=hsb["school"].astype(str))
    labels = {"sector": {1.0: "Public", 2.0: "Catholic"}}
    pyreadstat.write_sav(coded[["math", "school", "sector"]], str(tmp_path / "a.sav"), variable_value_labels=labels)
    found = command("fit", "math ~ sector + (1 | school)", str(tmp_path / "a.sav"), "--reml", "--json")
    rows = {row["term"]: row["estimate"] for row in json.loads(found.out)["fits"][0]["fixed_effects"]}
    ours = bx.Model("math ~ sector + (1 | school)", hsb).reml().fixed_effects()["estimate"]
    assert rows == pytest.approx(ours.to_dict(), rel=1e-9) and "sector[Catholic]" in rows


def test_other_files_of_statistics_programs(tmp_path: Path) -> None:
    """Stata by pyreadstat, with labels; SAS transport and SPSS portable, without."""
    pyreadstat = pytest.importorskip("pyreadstat", reason="pyreadstat (extra 'files') is not installed")
    frame = labelled_frame()
    codes = {name: {int(code): text for code, text in texts.items()} for name, texts in LABELS.items()}
    pyreadstat.write_dta(frame.astype({"sector": int}), str(tmp_path / "a.dta"), variable_value_labels=codes)
    found = read_data(str(tmp_path / "a.dta"))
    assert list(found["sector"].cat.categories) == ["Public", "Other", "Catholic", "No answer"]
    assert found["y"].isna().sum() == 1
    pyreadstat.write_xport(frame, str(tmp_path / "a.xpt"))
    assert read_data(str(tmp_path / "a.xpt"))["y"].tolist()[3:] == [4.0, 5.0, 6.0]
    pyreadstat.write_por(frame, str(tmp_path / "a.por"))
    assert read_data(str(tmp_path / "a.por")).rename(columns=str.lower)["age"].tolist() == frame["age"].tolist()


def test_a_package_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyreadstat", None)
    (tmp_path / "a.sav").write_bytes(b"$FL2")
    with pytest.raises(ArgumentError, match=r"pip install 'bayesmix\[files\]'"):
        read_data(str(tmp_path / "a.sav"))


def test_labels_leave_the_frame_as_it_is() -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    found = with_labels(frame, {"a": {1: "x", 2: "x"}, "gone": {1: "y"}})
    assert list(frame["a"]) == [1, 2] and list(found["a"]) == ["x", "x"] and list(found["a"].cat.categories) == ["x"]


def test_text_among_numbers_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("y,ses,g\n1,2,a\n2,1.5,7\n3,missing,b\n4,0,b\n")
    with pytest.warns(BayesmixWarning, match=r"'ses' holds text \('missing'\) among numbers") as told:
        read_data(str(tmp_path / "a.csv"))
    assert len(told) == 1


def test_a_data_set_comes_before_a_file_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dyestuff").write_text("y,g\n1,a\n")
    assert len(read_data("dyestuff")) == 30
    with pytest.raises(ArgumentError, match=r"'\./dyestuff' has no ending"):
        read_data("./dyestuff")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 4)


def truncated(path: Path) -> None:
    path.write_bytes(gzip.compress(b"y,g\n" + b"1,a\n" * 1000)[:40])


@pytest.mark.parametrize(
    ("name", "write", "kind", "words"),
    [
        ("a.csv", empty, FileError, "is empty"),
        ("a.csv", lambda path: path.mkdir(), FileError, "is a directory"),
        ("a.csv", binary, FileError, "holds bytes that no text has"),
        ("a.csv", lambda path: path.write_text("y,g\n", "utf-16"), FileError, "holds bytes that no text has"),
        ("a.csv", lambda path: path.write_bytes(b"y,g\n1,\xe9\n"), FileError, r"not in UTF-8: byte 0xe9 .* iconv"),
        ("a.csv", lambda path: path.write_text("y,g\n"), FileError, "has the names y, g and no rows"),
        ("a.tsv", lambda path: path.write_text("y\tg\n"), FileError, "has the names y, g and no rows"),
        ("a.csv", lambda path: path.write_text("y|g\n1|a\n"), FileError, r"read as one column, 'y\|g'"),
        ("a.tsv", lambda path: path.write_text("y,g\n1,a\n"), FileError, "read as one column, 'y,g'"),
        ("a.csv", lambda path: path.write_text("\n\n"), FileError, "can not be read as .csv"),
        ("a.csv", lambda path: path.write_text('y,g\n1,"a\n2,b\n'), FileError, "can not be read as .csv"),
        ("a.csv.gz", truncated, FileError, "can not be read as .csv"),
        ("a.parquet", binary, FileError, "can not be read as .parquet"),
        ("a.feather", binary, FileError, "can not be read as .feather"),
        ("a.dta", binary, FileError, "can not be read as .dta"),
        ("a.xlsx", binary, ArgumentError, "Save the data as .csv."),
        ("data", binary, ArgumentError, "has no ending"),
    ],
)
def test_what_is_no_data(
    name: str, write: Callable[[Path], Any], kind: type[BayesmixError], words: str, tmp_path: Path
) -> None:
    write(tmp_path / name)
    with pytest.raises(kind, match=words):
        read_data(str(tmp_path / name))


def test_a_misspelt_file_and_a_device(tmp_path: Path) -> None:
    as_csv(tmp_path / "pupils.csv")
    with pytest.raises(FileError, match=r"Did you mean '.*pupils\.csv'"):
        read_data(str(tmp_path / "pupil.csv"))
    with pytest.raises(FileError, match="is a device"):
        read_data("/dev/null")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "y,x,x,a\n1,2,3,b\n"),
        ("a.csv", "\ny, x,x\n1,2,3\n"),
        ("a.csv", '"y";"the x";"the x"\n1;2;3\n'),
        ("a.csv", "y\tx\tx\n1\t2\t3\n"),
        ("a.tsv", "y\tx\tx\n1\t2\t3\n"),
        ("a.txt", "NA,x,NA\n1,2,3\n"),
    ],
)
def test_doubled_names_of_text(name: str, text: str, tmp_path: Path) -> None:
    """As a model refuses them; pandas would name the second x.1."""
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=r"more than once\. Expected every column name once"):
        read_data(str(tmp_path / name))


def test_doubled_names_of_compressed_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"y,x,x\n1,2,3\n"))
    with pytest.raises(DataError, match="the column 'x' more than once"):
        read_data(str(tmp_path / "a.csv.gz"))


def test_names_that_look_doubled(tmp_path: Path) -> None:
    """A column that is called x.1, and commas at the end."""
    (tmp_path / "a.csv").write_text("y,x,x.1,,\n1,2,3,,\n")
    assert list(read_data(str(tmp_path / "a.csv")).columns) == ["y", "x", "x.1"]


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_doubled_names_of_columnar_files(ending: str, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table([pyarrow.array([1.0, 2.0])] * 3, names=["y", "x", "x"])
    module = pytest.importorskip(f"pyarrow.{ending}")
    getattr(module, "write_table" if ending == "parquet" else "write_feather")(table, tmp_path / f"a.{ending}")
    with pytest.raises(DataError, match="the column 'x' more than once"):
        read_data(str(tmp_path / f"a.{ending}"))


def test_doubled_names_of_statistics_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the reader gave them other names."""
    module = ModuleType("pyreadstat")
    answer = (FRAME, SimpleNamespace(variable_value_labels={}, column_names=["y", "g", "g"]))
    monkeypatch.setattr(module, "read_sav", lambda path: answer, raising=False)
    monkeypatch.setitem(sys.modules, "pyreadstat", module)
    (tmp_path / "a.sav").write_bytes(b"$FL2")
    with pytest.raises(DataError, match="the column 'g' more than once"):
        read_data(str(tmp_path / "a.sav"))
