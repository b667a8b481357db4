"""The data sets are those recorded, in the checkout and in what is built from it."""

import csv
import doctest
import gzip
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayesmix.datasets import catalogue, list_datasets, load_dataset
from bayesmix.datasets.catalogue import read_catalogue
from bayesmix.errors import ArgumentError

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "bayesmix"
DATA = PACKAGE / "datasets" / "data"

# Rows and columns, then one column and its sum over the distributed values, summed as exact decimals.
# The sums do not come from the loader: they were taken from the text of the R packages' data with Python's Decimal.
RECORDED = {
    "sleepstudy": (180, 3, "Reaction", "53731.4205"),
    "dyestuff": (30, 2, "Yield", "45825"),
    "dyestuff2": (30, 2, "Yield", "169.968"),
    "pastes": (60, 4, "strength", "3603.2"),
    "penicillin": (144, 3, "diameter", "3308"),
    "machines": (54, 3, "score", "3221.1"),
    "orthodont": (108, 4, "distance", "2594.5"),
    "exam": (4059, 10, "normexam", "-0.4619362"),
    "hsb": (7185, 8, "math", "91593.321"),
    "mathachieve": (7185, 11, "MathAch", "91593.321"),
    "egsingle": (7230, 12, "math", "-3881.963"),
    "insteval": (73421, 7, "y", "235369"),
    # The printed means: 20 players with 10 averages of .28499 by day and 10 of .28499 - .004502 by night, six decimals.
    "batting": (400, 3, "average", "113.0956"),
    # The centre of the lines of 40 made-up rows: 10 sum (intercept + slope middle), outcomes of two decimals.
    "centres": (40, 3, "outcome", "2215.126"),
    # The printed rows: 16.1 + 12.4 + 16.7.
    "growth12": (12, 4, "y", "45.2"),
    "contraception": (1934, 6, "age", "4.2507"),
    "guimmun": (2159, 13, "pcInd81", "1007.2848896"),
    "cbpp": (56, 4, "incidence", "99"),
    "grouseticks": (403, 7, "TICKS", "2567"),
}
# Not the data of a study, but data of our own with its published statistics, or like them; and a printed table.
REBUILT, LOOKALIKE, PRINTED = {"batting"}, {"centres"}, {"growth12"}
# Sums of rounded values: 400 of six decimals, at most 5e-7 each and 1e-5 in all by chance (measured: 3e-6); 40 of two.
ROUNDED = {"batting": 1e-5, "centres": 0.1}


@pytest.mark.parametrize("name", RECORDED)
def test_size_and_sum_are_those_recorded(name: str) -> None:
    rows, columns, column, total = RECORDED[name]
    frame = load_dataset(name)
    assert frame.shape == (rows, columns)
    assert frame[column].sum() == pytest.approx(float(total), rel=1e-12, abs=ROUNDED.get(name, 1e-9))


@pytest.mark.parametrize("name", RECORDED)
def test_frame_has_the_types_and_levels_of_the_catalogue(name: str) -> None:
    record = read_catalogue()[name]
    frame = load_dataset(name)
    assert len(frame) == record.rows
    assert list(frame.columns) == [column.name for column in record.columns]
    assert not frame.isna().any(axis=None)
    for column in record.columns:
        values = frame[column.name]
        if column.type != "factor":
            assert values.dtype == {"real": np.float64, "integer": np.int64}[column.type]
            continue
        levels = list(values.cat.categories)
        assert not values.cat.ordered
        assert all(isinstance(level, str) for level in levels)
        assert set(values) == set(levels)  # none unused, none lost
        assert len(levels) == column.count
        assert levels == (sorted(levels, key=int) if column.levels == "by number" else list(column.levels))


@pytest.mark.parametrize("name", RECORDED)
def test_every_value_is_the_one_written_in_the_file(name: str) -> None:
    frame = load_dataset(name)
    with gzip.open(DATA / f"{name}.csv.gz", "rt", newline="") as stream:
        written = list(csv.DictReader(stream))
    for column in read_catalogue()[name].columns:
        read = str if column.type == "factor" else float
        assert frame[column.name].tolist() == [read(row[column.name]) for row in written]


def test_hsb_has_its_columns_and_levels() -> None:
    hsb = load_dataset("hsb")
    assert list(hsb) == ["school", "math", "ses", "cses", "meanses", "sector", "minority", "sex"]
    levels = {name: list(hsb[name].cat.categories) for name in ("sector", "minority", "sex")}
    assert levels == {"sector": ["Public", "Catholic"], "minority": ["No", "Yes"], "sex": ["Male", "Female"]}
    assert list(hsb["school"].cat.categories[:3]) == ["1224", "1288", "1296"]
    np.testing.assert_allclose(hsb["cses"], hsb["ses"] - hsb["meanses"], atol=1e-13)
    means = hsb.groupby("school", observed=True)["ses"].transform("mean")
    np.testing.assert_allclose(hsb["meanses"], means, atol=1e-13)


def test_hsb_and_mathachieve_are_the_same_pupils() -> None:
    hsb, achieve = load_dataset("hsb"), load_dataset("mathachieve")
    pairs = {"school": "School", "math": "MathAch", "ses": "SES", "sector": "Sector", "sex": "Sex"}
    for ours, theirs in pairs.items():
        pd.testing.assert_series_equal(hsb[ours], achieve[theirs], check_names=False)


def test_children_of_egsingle_stay_in_one_school() -> None:
    frame = load_dataset("egsingle")
    assert frame.groupby("childid", observed=True)["schoolid"].nunique().eq(1).all()


def test_each_call_gives_a_new_frame() -> None:
    first = load_dataset("dyestuff")
    first.loc[0, "Yield"] = 0
    assert load_dataset("dyestuff").loc[0, "Yield"] == 1545


def test_the_list_names_every_file_once() -> None:
    listed = list_datasets()
    assert list(listed) == ["name", "title", "rows", "columns", "source"]
    assert set(listed["name"]) == set(RECORDED) == {path.name.removesuffix(".csv.gz") for path in DATA.iterdir()}
    assert listed["name"].is_unique
    for row in listed.itertuples():
        assert RECORDED[row.name][:2] == (row.rows, row.columns)


@pytest.mark.parametrize(("wrong", "nearest"), [("hbs", "hsb"), ("Hsb82", "hsb"), ("sleep", "sleepstudy")])
def test_an_unknown_name_is_answered_with_the_nearest(wrong: str, nearest: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        load_dataset(wrong)
    assert repr(wrong) in caught.value.found
    assert f"nearest name is {nearest!r}" in caught.value.expected
    assert f"load_dataset({nearest!r})" in caught.value.remedy


@pytest.mark.parametrize("wrong", [None, 3, ["hsb"]])
def test_a_name_that_is_no_text_is_refused(wrong: object) -> None:
    with pytest.raises(ArgumentError, match="There is no data set"):
        load_dataset(wrong)


@pytest.mark.parametrize("name", RECORDED)
def test_every_set_has_its_study_publisher_route_and_citation(name: str) -> None:
    record = read_catalogue()[name]
    assert all(column.description for column in record.columns)
    text = (PACKAGE / "datasets" / "LICENSES.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert section is not None
    for part in ("Study", "Publisher", "Route", "Citation"):
        assert f"- {part}: " in section[1]
    if name in REBUILT:
        assert "rebuilt from published summary statistics; not the raw data" in section[1].replace("\n  ", " ").lower()
        assert "published summary statistics" in record.route and "not the raw data" in record.title
    elif name in LOOKALIKE:
        assert "a look-alike; not the original data" in section[1].replace("\n  ", " ").lower()
        assert "not the original data" in record.title and "look-alike" in record.title
    elif name in PRINTED:
        assert "typed from the printed table" in section[1] and "typed from the printed table" in record.route
    else:
        package = re.search(r"R package \w+ [\d.-]+", record.route)
        assert package is not None and package[0] in section[1]
    assert record.licence in section[1]


def test_the_examples_run() -> None:
    outcome = doctest.testmod(catalogue)
    assert outcome.attempted >= 5
    assert outcome.failed == 0


@pytest.mark.slow
def test_the_wheel_and_the_sdist_hold_every_file_and_the_wheel_loads_every_set(tmp_path: Path) -> None:
    dist, target = tmp_path / "dist", tmp_path / "target"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(dist)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = dist.glob("*.whl")
    (sdist,) = dist.glob("*.tar.gz")

    wanted = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    wanted = {path for path in wanted if "__pycache__" not in path and not path.endswith(".DS_Store")}
    assert len([path for path in wanted if path.endswith(".csv.gz")]) == len(RECORDED)
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert wanted - inside == set()
    licences = {path.split(".dist-info/licenses/")[1] for path in inside if ".dist-info/licenses/" in path}
    assert licences == {"LICENSE", "bayesmix/datasets/LICENSES.md"}
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert wanted - packed == set()

    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from bayesmix.datasets import catalogue, list_datasets, load_dataset\n"
        "assert catalogue.__file__.startswith(sys.argv[1]), catalogue.__file__\n"
        "for name, rows in list_datasets()[['name', 'rows']].itertuples(index=False):\n"
        "    assert len(load_dataset(name)) == rows, name\n"
        "    print(name)\n"
    )
    run = [sys.executable, "-I", "-c", script, str(target)]
    loaded = subprocess.run(run, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.split()
    assert set(loaded) == set(RECORDED)
