"""Files of data become a data frame; what can not be read is refused with what it is."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from bayesmix.datasets.catalogue import load_dataset, read_catalogue
from bayesmix.errors import ArgumentError, BayesmixWarning, DataError, FileError
from bayesmix.results.distinct import require_distinct
from bayesmix.results.netcdf_file import read_path

_KINDS = ".csv, .tsv, .txt, .parquet, .feather, .sav, .zsav, .por, .dta, .sas7bdat or .xpt"


def read_data(name: str) -> pd.DataFrame:
    """Read a file by its ending, or a data set by its name.

    Parameters
    ----------
    name : str
        Name of a data set, or path of a file.

    Returns
    -------
    DataFrame
        Columns with value labels are unordered categories, in the order of their codes, where every value that occurs
        has a label; numbers with a note where some have none.

    Raises
    ------
    FileError
        There is no such file, or it is empty, a directory, or not what its ending says.
    DataError
        Two columns have one name.
    ArgumentError
        Another ending, or one that needs a package which is not installed.
    """
    path = read_path(name)
    if name in read_catalogue():  # no file of that name can be read: it has no ending
        return load_dataset(name)
    _require_file(path, name)
    suffix = path.suffixes[-2] if path.suffix.lower() == ".gz" and len(path.suffixes) > 1 else path.suffix
    reader = _READERS.get(suffix.lower())
    if reader is None:
        raise ArgumentError(
            f"'{name}' ends in '{path.suffix}'." if path.suffix else f"'{name}' has no ending.",
            f"Expected {_KINDS}.",
            "Save the data as .csv." if path.suffix else "Rename the file after what it holds.",
        )
    try:
        frame = reader(path)
    except (DataError, FileError, ArgumentError):
        raise
    except UnicodeDecodeError as problem:
        raise FileError(
            f"'{name}' is not in UTF-8: byte {problem.object[problem.start]:#04x} stands for no character there.",
            "Expected text in UTF-8, which any spreadsheet can save ('CSV UTF-8').",
            f"Save it so, or convert it: iconv -f windows-1252 -t utf-8 '{path.name}' > 'utf8-{path.name}'",
        ) from None
    except ImportError as problem:
        raise ArgumentError(
            f"Reading '{name}' needs a package that is not installed ({problem.name or problem}).",
            "Expected pyarrow for .parquet and .feather, pyreadstat for SPSS and SAS.",
            "Install them with: pip install 'bayesmix[files]'",
        ) from None
    except Exception as problem:
        words = " ".join(str(problem).split())[:200]
        raise FileError(
            f"'{name}' can not be read as {suffix} ({type(problem).__name__}: {words}).",
            "Expected a file that is what its ending says.",
            "Check how it was written, or save the data as .csv.",
        ) from None
    _require_table(frame, name)
    return frame


def _require_table(frame: pd.DataFrame, name: str) -> None:
    """Refuse names without rows, and a table that was read as one column."""
    if len(frame) == 0:
        raise FileError(
            f"'{name}' has the names {', '.join(map(str, frame.columns))} and no rows."
            if len(frame.columns)
            else f"'{name}' holds neither names nor rows.",
            "Expected a row for every observation.",
            "Check how it was written.",
        )
    only = str(frame.columns[0])
    found = next((sign for sign in "|;\t,:" if sign in only), None)
    if len(frame.columns) == 1 and found is not None:
        raise FileError(
            f"'{name}' was read as one column, '{only}'.",
            "Expected names separated by commas, semicolons or tabs.",
            f"Save it with one of these in place of {found!r}, or give it the ending of what separates: .csv or .tsv.",
        )


def _require_file(path: Path, name: str) -> None:
    """Refuse what is no file, or an empty one."""
    if path.is_dir():
        raise FileError(f"'{name}' is a directory.", "Expected a file of data.", "Add the name of the file.")
    if not path.exists():
        near = difflib.get_close_matches(name.casefold(), read_catalogue(), n=1)
        beside = [p.name for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, beside, n=1)
        hint = f"Did you mean '{path.with_name(close[0])}'?" if close else None
        hint = f"Did you mean the data set '{near[0]}'?" if hint is None and near else hint
        raise FileError(
            f"There is no file '{name}'.",
            "Expected a file of data, or the name of a data set.",
            hint or "Check the path; 'bayesmix datasets' lists the data sets.",
        )
    if not path.is_file():
        raise FileError(f"'{name}' is a device.", "Expected a file of data.", "Save the data in a file first.")
    if path.stat().st_size == 0:
        raise FileError(f"'{name}' is empty.", "Expected names in the first line and rows below.", "Check the file.")


def _read_text(path: Path, separator: str | None) -> pd.DataFrame:
    """A table of text; '.' is missing, as SAS and Stata write it."""
    compressed = path.suffix.lower() == ".gz"
    first = "" if compressed else _first_line(path)
    options: dict[str, Any] = {"encoding": "utf-8-sig", "na_values": ["."], "skipinitialspace": True}
    options |= {"compression": "gzip" if compressed else None, "low_memory": False}

    def own_names(sep: str) -> list[str]:
        """The first line as it is written: pandas makes ``x``, ``x.1`` of two columns ``x``."""
        line = pd.read_csv(path, sep=sep, header=None, nrows=1, dtype=str, keep_default_na=False, **options)
        return [name for name in line.iloc[0] if isinstance(name, str) and name]

    if separator is None and ";" in first and "," not in first:
        # Spreadsheets of countries with a decimal comma: whichever reading makes more columns numbers.
        require_distinct(own_names(";"))
        frames = [pd.read_csv(path, sep=";", decimal=decimal, **options) for decimal in ".,"]
        return _told(max(frames, key=lambda frame: len(frame.select_dtypes("number").columns)))
    if separator is None and "\t" in first and "," not in first:
        separator = "\t"
    require_distinct(own_names(separator or ","))
    frame = pd.read_csv(path, sep=separator or ",", index_col=False, **options)
    unnamed = [column for column in frame.columns if str(column).startswith("Unnamed:") and frame[column].isna().all()]
    return _told(frame.drop(columns=unnamed))


def _read_columnar(path: Path, kind: str) -> pd.DataFrame:
    """A Parquet or Feather file, whose own names are looked at first: pandas may not read doubled ones."""
    module = import_module(f"pyarrow.{kind}")
    schema = module.read_schema(path) if kind == "parquet" else module.read_table(path, memory_map=True).schema
    require_distinct(schema.names)
    return getattr(pd, f"read_{kind}")(path)


def _told(frame: pd.DataFrame) -> pd.DataFrame:
    """The same; columns of numbers with some text among them are told of, as they are read as categories."""
    for name in frame.columns:
        column = frame[name].dropna()
        if pd.api.types.is_numeric_dtype(column) or column.empty:
            continue
        text = column[pd.to_numeric(column, errors="coerce").isna()]
        if 0 < len(text) < len(column) / 2:
            warnings.warn(
                f"Column '{name}' holds text ({str(text.iloc[0])[:40]!r}) among numbers: it is read as categories. "
                "Empty cells, NA and . are missing values.",
                BayesmixWarning,
                stacklevel=2,
            )
    return frame


def _first_line(path: Path) -> str:
    """The first line of a text; refused where it is none."""
    with path.open("rb") as file:
        start = file.read(65536)
    if b"\0" in start:
        raise FileError(
            f"'{path}' holds bytes that no text has.",
            f"Expected text (UTF-8), or the ending of what it is: {_KINDS}.",
            "Check what the file is, or save the data as .csv in UTF-8.",
        )
    lines = start.decode("utf-8", errors="replace").splitlines()
    return next((line for line in lines if line.strip()), "")


def _read_stata(path: Path) -> pd.DataFrame:
    """A file of Stata; labels in the order of their codes."""
    with pd.io.stata.StataReader(path, convert_categoricals=False) as reader:
        plain = reader.read()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about values without a label: told below
        labelled = pd.read_stata(path, order_categoricals=False)
    labels: dict[str, dict[Any, str]] = {}
    for name in plain.columns:
        if isinstance(labelled[name].dtype, pd.CategoricalDtype):
            pairs = pd.DataFrame({"value": plain[name], "label": labelled[name].astype(object)}).dropna()
            pairs = pairs.drop_duplicates().sort_values("value")
            labels[name] = {v: t for v, t in zip(pairs["value"], pairs["label"], strict=True) if isinstance(t, str)}
    return with_labels(plain, labels)


def _read_labelled(path: Path, function: str) -> pd.DataFrame:
    """A file of SPSS or SAS, read by pyreadstat."""
    frame, meta = getattr(import_module("pyreadstat"), function)(str(path))
    require_distinct(getattr(meta, "column_names", None) or frame.columns)
    return with_labels(frame, meta.variable_value_labels)


def with_labels(frame: pd.DataFrame, labels: Mapping[str, Mapping[Any, str]]) -> pd.DataFrame:
    """Values replaced by their labels, unordered categories in the order of the codes.

    Parameters
    ----------
    frame : DataFrame
        Values.
    labels : mapping of column to mapping of value to label
        A column with a value that has no label stays as it is, with a note: labels of end points and of missing
        values do not make a number a category.

    Returns
    -------
    DataFrame
        A new one.
    """
    found = frame.copy()
    for name, texts in labels.items():
        if name not in frame or not texts:
            continue
        column = frame[name]
        bare = [value for value in pd.unique(column.dropna()) if value not in texts]
        if bare:
            warnings.warn(
                f"Column '{name}' has labels for some values only (none for {bare[0]}): it is read as it is, "
                "without labels.",
                BayesmixWarning,
                stacklevel=2,
            )
            continue
        ordered = [texts[value] for value in sorted(texts)]
        found[name] = pd.Categorical(column.map(texts), categories=list(dict.fromkeys(ordered)))
    return found


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": lambda path: _read_text(path, None),
    ".txt": lambda path: _read_text(path, None),
    ".tsv": lambda path: _read_text(path, "\t"),
    ".tab": lambda path: _read_text(path, "\t"),
    ".parquet": lambda path: _read_columnar(path, "parquet"),
    ".feather": lambda path: _read_columnar(path, "feather"),
    ".dta": _read_stata,
    ".sav": lambda path: _read_labelled(path, "read_sav"),
    ".zsav": lambda path: _read_labelled(path, "read_sav"),
    ".por": lambda path: _read_labelled(path, "read_por"),
    ".sas7bdat": lambda path: _read_labelled(path, "read_sas7bdat"),
    ".xpt": lambda path: _read_labelled(path, "read_xport"),
}
