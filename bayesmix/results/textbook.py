"""Textbook models as TOML files: data, formula or level equations, and published numbers, never code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from bayesmix.datasets import list_datasets, load_dataset
from bayesmix.errors import ArgumentError, BayesmixError, DataError
from bayesmix.results.distinct import require_distinct
from bayesmix.results.errata import Erratum, read_errata
from bayesmix.results.published import Published, read_published
from bayesmix.results.textbook_model import KEYS, TEXTS, mistaken_key, read_specification
from bayesmix.results.toml_file import TomlFile, nearest, read_toml_file
from bayesmix.specification import Specification


@dataclass(frozen=True)
class Textbook:
    """A model with the numbers that were published about it.

    Parameters
    ----------
    file : TomlFile
        Where it was read.
    title, note : str
        What it is, and what a reader should know.
    dataset : str or None
        Name of a data set that comes with bayesmix; None where the data are a CSV file.
    csv : Path or None
        The CSV file beside the TOML file.
    specification : Specification
        The model, read from a formula or from level equations.
    by_levels : bool
        Whether the file writes it level by level.
    method : {"REML", "ML"}
    means_by : str or None
        A grouping column: the model is fitted to one row per group, the means of the numeric columns.
    weights : str or None
        A column of precision weights.
    priors : str or dict
        A preset, or priors by name, as :class:`~bayesmix.model.Model` takes them.
    published : tuple of Published
    errata : tuple of Erratum

    Notes
    -----
    To fit it::

        book = bx.read_textbook("hsb_ses")
        fit = bx.Model(book.specification, book.data(), **book.options).reml()
        bx.compare(fit, *book.published)
    """

    file: TomlFile
    title: str
    note: str
    dataset: str | None
    csv: Path | None
    specification: Specification
    by_levels: bool
    method: Literal["REML", "ML"]
    means_by: str | None
    weights: str | None
    priors: str | Mapping[str, str]
    published: tuple[Published, ...]
    errata: tuple[Erratum, ...]

    @property
    def formula(self) -> str:
        """The formula, as written or as the level equations make it."""
        return self.specification.formula

    @property
    def options(self) -> dict[str, Any]:
        """What a model takes beside specification and data."""
        return {"weights": self.weights, "priors": self.priors}

    def place(self, error: BayesmixError) -> str:
        """File, line and key that an error of the model belongs to."""
        keys = mistaken_key(self.specification, tuple(self.file.content["model"].get("levels", ())), error)
        return f"{self.file.where(*keys)}, {keys[-1]}"

    def data(self) -> pd.DataFrame:
        """The data set or the CSV file, or the means of its groups.

        Raises
        ------
        ArgumentError
            A file that is no CSV, or means by a column that is not there.
        """
        frame = _read_csv(self.csv) if self.csv is not None else load_dataset(str(self.dataset))
        if self.means_by is None:
            return frame
        if self.means_by not in frame:
            name = self.csv.name if self.csv is not None else f"Data set '{self.dataset}'"
            raise ArgumentError(
                f"{self.file.where('model', 'means_by')}: {name} has no column '{self.means_by}'.",
                f"Expected one of {', '.join(map(str, frame.columns))}.",
                nearest(self.means_by, map(str, frame.columns)),
            )
        return frame.groupby(self.means_by, observed=True).mean(numeric_only=True).reset_index()


def shipped_textbooks() -> dict[str, Path]:
    """The textbook models that come with bayesmix, by name.

    Returns
    -------
    dict of str to Path

    Examples
    --------
    >>> import bayesmix as bx
    >>> "hsb_ses" in bx.shipped_textbooks()
    True
    """
    package = Path(str(files("bayesmix")))
    # Installed, they lie in the package; in a checkout beside it, where another package's folder could not be.
    checkout = package.parent / "models" if (package.parent / "pyproject.toml").is_file() else package / "models"
    folder = package / "models" if (package / "models").is_dir() else checkout
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_textbook(path: str | Path) -> Textbook:
    """Read a textbook model.

    Parameters
    ----------
    path : str or Path
        The name of one that comes with bayesmix, or a TOML file as ``models/README.md`` describes it.

    Returns
    -------
    Textbook

    Raises
    ------
    ArgumentError
        No such file, no TOML, or a key that is missing or should not be there; with the line.
    FormulaError
        A formula that can not be read, or equations of a level or a coefficient that is not there; with the line.

    Examples
    --------
    >>> import bayesmix as bx
    >>> bx.read_textbook("hsb_ses").formula
    'math ~ ses + (ses | school)'
    >>> bx.read_textbook("hsb_means").formula  # written as two equations
    'math ~ meanses + (1 | school)'
    """
    file = read_toml_file(_find(path))
    published = read_published(file)
    for key in ("title", "note"):
        _optional_text(file, file.content.get(key, ""), key)
    model = file.content.get("model")
    if not isinstance(model, dict):
        raise ArgumentError(
            f"{file.where('model')} has no [model].", "Expected data and formula.", "See models/README.md."
        )
    file.require_known(model, KEYS, "model")
    for key in TEXTS:
        _optional_text(file, model.get(key, ""), "model", key)
    method = model.get("method", "REML")
    if method not in ("REML", "ML"):
        raise ArgumentError(
            f"{file.where('model', 'method')}: method is {method!r}.", "Expected 'REML' or 'ML'.", "Choose one."
        )
    dataset, csv = _source(file, model)
    return Textbook(
        file,
        file.content.get("title", file.path.stem),
        file.content.get("note", ""),
        dataset,
        csv,
        read_specification(file, model),
        "equation" in model,
        method,
        model.get("means_by"),
        model.get("weights"),
        _priors(file, model.get("priors", "default")),
        published,
        read_errata(file, published),
    )


def _find(path: str | Path) -> str | Path:
    """The file of a shipped model by its name, or the path itself."""
    if not isinstance(path, str) or path.endswith(".toml"):
        return path
    shipped = shipped_textbooks()
    if path in shipped:
        return shipped[path]
    if path and Path(path).is_dir():
        books = [own.name for own in sorted(Path(path).glob("*.toml"))]
        raise ArgumentError(
            f"'{path}' is a directory.",
            "Expected one TOML file, or the name of a model that comes with bayesmix.",
            f"Add the name of a file: {', '.join(books[:5])}." if books else "It holds no .toml file; name another.",
        )
    if "/" in path or "\\" in path or Path(path).is_file():
        return path
    raise ArgumentError(
        f"There is no textbook model '{path}'.",
        f"Expected a TOML file or one of the {len(shipped)} names that 'bayesmix run --list' shows.",
        nearest(path, shipped, "Look at the list."),
    )


def _optional_text(file: TomlFile, value: Any, *keys: str) -> None:
    """Refuse what is no text."""
    if not isinstance(value, str):
        raise ArgumentError(
            f"{file.where(*keys)}: {keys[-1]} is {value!r}.", "Expected text.", f'Write {keys[-1]} = "...".'
        )


def _source(file: TomlFile, model: Mapping[str, Any]) -> tuple[str | None, Path | None]:
    """Where the rows come from: a data set of bayesmix, or a CSV file in the folder of the TOML file."""
    dataset, csv = model.get("data"), model.get("csv")
    if (dataset is None) == (csv is None):
        both = "data and csv" if csv is not None else "no data and no csv"
        raise ArgumentError(
            f"{file.where('model')}: {both}.",
            "Expected one of the two.",
            'For instance data = "hsb", or csv = "my.csv".',
        )
    if csv is None:
        names = list(list_datasets()["name"])
        if dataset not in names:
            raise ArgumentError(
                f"{file.where('model', 'data')}: there is no data set '{dataset}'.",
                f"Expected one of {', '.join(names)}.",
                nearest(str(dataset), names, 'For a file of your own write csv = "name.csv".'),
            )
        return str(dataset), None
    return None, _beside(file, csv)


def _beside(file: TomlFile, name: str) -> Path:
    """The path of a CSV file in the same folder; nothing that leads out of it."""
    where, folder = file.where("model", "csv"), file.path.resolve().parent
    if not name.endswith(".csv") or any(part in name for part in ("/", "\\", ":", "\0")):
        raise ArgumentError(
            f"{where}: csv is {name!r}.",
            "Expected the plain name of a .csv file in the folder of the TOML file.",
            'Put the file beside it and write csv = "name.csv".',
        )
    found = folder / name
    if not found.is_file() or found.is_symlink():
        kind = "is a link" if found.is_symlink() else "is not there"
        raise ArgumentError(
            f"{where}: '{name}' {kind}.", f"Expected a file beside {file.path.name}.", "Copy the data to this place."
        )
    return found


def _read_csv(path: Path) -> pd.DataFrame:
    """The rows of a CSV file."""
    try:
        line = pd.read_csv(path, compression=None, header=None, nrows=1, dtype=str, keep_default_na=False)
        require_distinct(name for name in line.iloc[0] if isinstance(name, str) and name)
        return pd.read_csv(path, compression=None)
    except DataError:
        raise
    except (ValueError, OSError) as problem:  # pandas' errors of parsing and decoding are ValueErrors
        raise ArgumentError(
            f"{path.name} can not be read as CSV: {str(problem).strip()}.",
            "Expected a header and rows of as many columns, in UTF-8.",
            "Check the file.",
        ) from None


def _priors(file: TomlFile, given: Any) -> str | dict[str, str]:
    """A preset, or priors by name, all of them text."""
    if isinstance(given, str):
        return given
    if not isinstance(given, dict):
        raise ArgumentError(
            f"{file.where('model', 'priors')}: priors is {given!r}.",
            "Expected the name of a preset, or a table.",
            'For instance [model.priors] and below it ses = "Normal(0, 5)".',
        )
    for name, prior in given.items():
        if not isinstance(prior, str):
            raise ArgumentError(
                f"{file.where('model', 'priors', name)}: the prior of {name} is {prior!r}.",
                "Expected text.",
                f'For instance "{name}" = "Normal(0, 5)".',
            )
    return dict(given)
