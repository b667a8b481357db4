"""One netCDF file written whole or not at all, and read only where its contents are those that were written."""

from __future__ import annotations

import difflib
import json
import secrets
import warnings
from collections.abc import Mapping
from hashlib import blake2b
from os import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayesmix.errors import ArgumentError, FileError

FORMAT = 1
# What marks a file as ours; attributes of its root.
FORMAT_KEY, VERSION_KEY, DIGEST_KEY = "bayesmix_format", "bayesmix_version", "bayesmix_digest"

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
    """
    if not target.parent.is_dir():
        raise ArgumentError(
            f"There is no directory '{target.parent}'.",
            "Expected a path in an existing directory.",
            "Create it first.",
        )
    if target.is_dir():
        raise ArgumentError(f"'{target}' is a directory.", "Expected the path of a file.", "Add a name: 'fit.nc'.")
    if target.exists() and not target.is_file():
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
        It can not be written, or does not read back as what was written; what was there before is kept.
    """
    place = target.resolve()
    partial = place.with_name(f".{place.name[:100]}.{secrets.token_hex(6)}.part")
    tree = xr.DataTree.from_dict(dict(groups))
    tree.attrs = {**tree.attrs, FORMAT_KEY: FORMAT, VERSION_KEY: version}
    raw = {
        group.path: {
            name: {"_FillValue": None} for name, v in group.to_dataset(inherit=False).variables.items() if _is_float(v)
        }
        for group in tree.subtree
    }
    try:
        tree.attrs[DIGEST_KEY] = contents_digest(tree)
        tree.to_netcdf(partial, engine="netcdf4", encoding={path: found for path, found in raw.items() if found})
        with _opened(partial) as written:
            same = contents_digest(written) == tree.attrs[DIGEST_KEY]
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
    """Read a file of ours into memory, its contents checked against their digest.

    Raises
    ------
    FileError
        There is no such file; it is not ours, from a later version, damaged or edited.
    """
    _require_file(path)
    try:
        with _opened(path) as tree:
            attributes = dict(tree.attrs)
            ours = FORMAT_KEY in attributes
            known = ours and int(attributes[FORMAT_KEY]) == FORMAT
            if known:
                tree.load()
                same = contents_digest(tree) == attributes.get(DIGEST_KEY)
    except Exception as problem:  # a broken file can raise anything
        raise _unreadable(path, problem) from problem
    if not ours:
        raise FileError(
            f"'{path}' is a netCDF file, but not of a bayesmix fit.",
            _SAVED,
            "Read it with arviz.from_netcdf(path) or xarray.open_datatree(path).",
        )
    if not known:
        raise FileError(
            f"'{path}' has format {attributes[FORMAT_KEY]}, written by bayesmix {attributes.get(VERSION_KEY)}.",
            f"Expected format {FORMAT}, the newest that this version reads.",
            "Update bayesmix; its draws can be read with arviz.from_netcdf(path).",
        )
    if not same:
        raise FileError(
            f"The contents of '{path}' are not those that were saved: it was damaged or edited.",
            "Expected draws, data and model as post.save(path) wrote them.",
            "Copy the file again or sample again; change a loaded fit in Python, not in its file.",
        )
    return tree


def contents_digest(tree: xr.DataTree) -> str:
    """A digest of every name, attribute and value of a tree, in no order that a file could change."""
    found = blake2b(digest_size=32)
    for group in sorted(tree.subtree, key=lambda one: one.path):
        dataset = group.to_dataset(inherit=False)
        attributes = {name: value for name, value in dataset.attrs.items() if name != DIGEST_KEY}
        found.update(_line(group.path, _plain(attributes)))
        for name in sorted(map(str, dataset.variables)):
            variable = dataset.variables[name]
            values = variable.to_numpy()
            text = values.dtype.kind in "UOST"
            kind = "text" if text else values.dtype.newbyteorder("<").str
            found.update(_line(name, _plain(variable.attrs), list(variable.dims), list(values.shape), kind))
            if text:
                found.update(_line(values.ravel().tolist()))
            else:
                flat = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(-1)
                found.update(flat.view(np.uint8).data)
    return found.hexdigest()


def _line(*parts: Any) -> bytes:
    """Parts as one line of JSON."""
    return json.dumps(parts, sort_keys=True).encode() + b"\n"


def _plain(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes as text and numbers of Python; of an array with one entry that entry, as netCDF returns it."""
    arrays = {str(name): np.asarray(value) for name, value in attributes.items()}
    return {name: array.item() if array.size == 1 else array.tolist() for name, array in arrays.items()}


def _is_float(variable: xr.Variable) -> bool:
    """Whether xarray would mark missing values of a variable, and thereby change their bits."""
    return bool(variable.dtype.kind == "f")


def _opened(path: Path) -> xr.DataTree:
    """A tree whose values are read when they are asked for, and not kept."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of attributes that a broken file has; its digest is checked
        return xr.open_datatree(path.resolve(), engine="netcdf4", cache=False)


def _require_file(path: Path) -> None:
    """Refuse a path without a file."""
    if path.is_file():
        return
    if path.is_dir():
        raise FileError(f"'{path}' is a directory.", _SAVED, "Name the file in it.")
    if path.exists():
        raise FileError(f"'{path}' is a device.", _SAVED, "Name a file.")
    beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=1)
    hint = f"Did you mean '{path.with_name(near[0])}'?" if near else "Check the path and the working directory."
    raise FileError(f"There is no file '{path}'.", _SAVED, hint)


def _unreadable(path: Path, problem: Exception) -> FileError:
    """Why a file could not be read: it is no netCDF file at all, or was one."""
    try:
        with path.open("rb") as opened:
            start = opened.read(8)
    except OSError as refused:
        return FileError(f"'{path}' can not be opened: {refused}.", _SAVED, "Check the rights of the file.")
    if start != b"\x89HDF\r\n\x1a\n":
        found = "is empty" if not start else "is no netCDF file"
        return FileError(f"'{path}' {found}.", _SAVED, "Check the path, or copy the file again.")
    return FileError(
        f"'{path}' is damaged: {type(problem).__name__}: {problem}.", _SAVED, "Copy the file again, or sample again."
    )
