"""One netCDF file written whole or not at all, and read only where its bytes are those that were written."""

from __future__ import annotations

import difflib
import re
import secrets
from collections.abc import Mapping
from mmap import ACCESS_READ, mmap
from os import replace
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

import xarray as xr

from bayesmix.errors import ArgumentError, FileError
from bayesmix.results.seal import read_seal, write_seal

FORMAT = 1
# An attribute of the root, by which a file of ours is known also when its seal is gone.
MARK = "bayesmix_fit"

_NOT_TEXT = re.compile("[\0\ud800-\udfff]")
_SAVED = "Expected a file that post.save(path) wrote."


def read_path(path: Any) -> Path:
    """A path as the user gave it, ``~`` resolved.

    Raises
    ------
    ArgumentError
        Something that is no path.
    """
    try:
        found = Path(path).expanduser()
    except (TypeError, RuntimeError):
        found = None
    if found is None or not str(path) or "\0" in str(path):
        raise ArgumentError(f"path={path!r}.", "Expected the path of a file.", "Write it as text: 'fit.nc'.")
    return found


def require_writable(target: Path) -> None:
    """Refuse a place where no file can be put.

    Raises
    ------
    ArgumentError
        There is no directory, or something that is no file.
    FileError
        The system does not say what is there.
    """
    if _kind(target.parent) != "directory":
        raise ArgumentError(
            f"There is no directory '{target.parent}'.",
            "Expected a path in an existing directory.",
            "Create it first.",
        )
    kind = _kind(target)
    if kind == "directory":
        raise ArgumentError(f"'{target}' is a directory.", "Expected the path of a file.", "Add a name: 'fit.nc'.")
    if kind == "device":
        raise ArgumentError(f"'{target}' is a device.", "Expected the path of a file.", "Choose another path.")


def write_tree(groups: Mapping[str, xr.Dataset], target: Path, version: str) -> None:
    """Write groups to a file; an existing one is replaced once the new one is complete and was read back.

    Parameters
    ----------
    groups : mapping of path to Dataset
        Names must be such as netCDF takes.
    target : Path
    version : str
        Of what writes.

    Raises
    ------
    FileError
        It can not be written, holds text that netCDF would cut, or does not read back as what was written; what was
        there before is kept.
    """
    _require_text(groups)
    place = target.resolve()
    partial = place.with_name(f".{place.name[:100]}.{secrets.token_hex(6)}.part")
    tree = xr.DataTree.from_dict(dict(groups))
    tree.attrs = {**tree.attrs, MARK: f"format {FORMAT}, version {version}"}
    try:
        tree.to_netcdf(partial, engine="netcdf4")
        write_seal(partial, FORMAT, version)
        with _opened(partial) as written:
            same = written.equals(tree)
        if not same:
            raise ValueError("read back, it is not what was written")
        replace(partial, place)
    except Exception as problem:
        raise FileError(
            f"'{target}' could not be written: {type(problem).__name__}: {problem}.",
            "Expected room on the disk, the right to write there, and in idata only what netCDF can hold.",
            "Choose another path, or take what you added out of idata. The file that was there is as it was.",
        ) from problem
    finally:
        partial.unlink(missing_ok=True)


def read_tree(path: Path) -> xr.DataTree:
    """Read a file of ours into memory, once its seal says that every byte is as it was written.

    Raises
    ------
    FileError
        There is no such file; it is not ours, from a later version, damaged or edited.
    """
    _require_file(path)
    try:
        seal = read_seal(path)
        if seal is None:
            raise _unsealed(path)
    except OSError as problem:
        raise FileError(f"'{path}' can not be read: {problem}.", _SAVED, "Check the rights of the file.") from problem
    if seal.format != FORMAT:
        raise FileError(
            f"'{path}' has format {seal.format}, written by bayesmix {seal.version}.",
            f"Expected format {FORMAT}, the newest that this version reads.",
            "Update bayesmix; its draws can be read with arviz.from_netcdf(path).",
        )
    if not seal.intact:
        raise _changed(path)
    try:
        with _opened(path) as tree:
            tree.load()
    except (OSError, RuntimeError, ValueError) as problem:
        raise FileError(f"'{path}' can not be read: {problem}.", _SAVED, "Update netCDF4 and xarray.") from problem
    tree.attrs = {name: value for name, value in tree.attrs.items() if name != MARK}
    return tree


def _require_text(groups: Mapping[str, xr.Dataset]) -> None:
    """Refuse text that netCDF cuts at a null character, or can not encode."""
    texts = [v for dataset in groups.values() for v in dataset.variables.values() if v.dtype.kind in "UOT"]
    for variable in texts:
        for value in map(str, variable.to_numpy().ravel()):
            if _NOT_TEXT.search(value):
                raise FileError(
                    f"The label {value!r} along '{', '.join(map(str, variable.dims))}' is no text for netCDF.",
                    "Expected labels without null characters and lone surrogates.",
                    "Clean the labels before building the model.",
                )


def _opened(path: Path) -> xr.DataTree:
    """A tree whose values are read when they are asked for, and not kept."""
    return xr.open_datatree(path.resolve(), engine="netcdf4", cache=False)


def _kind(path: Path) -> str:
    """What is at a path: a file, a directory, a device or nothing."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "nothing"
    except OSError as problem:
        remedy = "Choose a shorter name, or a place you may read."
        raise FileError(f"'{path}' can not be opened: {problem.strerror}.", "Expected a path.", remedy) from None
    return "file" if S_ISREG(mode) else "directory" if S_ISDIR(mode) else "device"


def _require_file(path: Path) -> None:
    """Refuse a path without a file."""
    kind = _kind(path)
    if kind == "file":
        return
    if kind != "nothing":
        raise FileError(f"'{path}' is a {kind}.", _SAVED, "Name a file.")
    try:
        beside = [other.name for other in path.parent.iterdir()]
    except OSError:
        beside = []
    near = difflib.get_close_matches(path.name, beside, n=1)
    hint = f"Did you mean '{path.with_name(near[0])}'?" if near else "Check the path and the working directory."
    raise FileError(f"There is no file '{path}'.", _SAVED, hint)


def _unsealed(path: Path) -> FileError:
    """Why a file has no seal: it is none of ours, or no longer whole."""
    with path.open("rb") as opened:
        start = opened.read(8)
        if not start:
            return FileError(f"'{path}' is empty.", _SAVED, "Copy the file again, or sample again.")
        with mmap(opened.fileno(), 0, access=ACCESS_READ) as contents:
            ours = contents.find(MARK.encode()) >= 0
    if ours:
        return _changed(path)
    if start.startswith((b"\x89HDF", b"CDF")):
        return FileError(
            f"'{path}' is a netCDF file, but not of a bayesmix fit.",
            _SAVED,
            "Read it with arviz.from_netcdf(path) or xarray.open_datatree(path).",
        )
    return FileError(f"'{path}' is no netCDF file.", _SAVED, "Check the path, or copy the file again.")


def _changed(path: Path) -> FileError:
    """The error for a file whose bytes are not those that were written."""
    return FileError(
        f"'{path}' is not as it was saved: it was cut off, damaged or edited.",
        "Expected draws, data and model as post.save(path) wrote them.",
        "Copy the file again or sample again; change a loaded fit in Python, not in its file.",
    )
