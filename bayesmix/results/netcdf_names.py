"""Names of variables and dimensions as netCDF takes them, and back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from hashlib import blake2b

import xarray as xr

# netCDF takes names of 255 bytes; what is longer is cut, and told apart by the end of a digest.
_LONGEST = 200
_FIRST = re.compile(r"[A-Za-z0-9_]")
# The library's own mark of a variable that shares the name of a dimension without being its coordinate.
_RESERVED = "_nc4_non_coord_"


def netcdf_names(tree: xr.DataTree) -> dict[str, str]:
    """What to call each variable and dimension that netCDF would refuse or change; all others keep their names.

    A name begins with a letter, a digit, ``_`` or any character beyond ASCII, holds no control characters, does not
    end in a blank, is composed (Unicode NFC) and not too long. Other characters become ``_x3C_``.

    Parameters
    ----------
    tree : DataTree

    Returns
    -------
    dict of str to str
        Name of the tree to name in the file; each is given once.

    Examples
    --------
    >>> import xarray as xr
    >>> from bayesmix.results.netcdf_names import netcdf_names
    >>> tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"<b>": 1.0, "1|school": 2.0})})
    >>> netcdf_names(tree)
    {'<b>': '_x3C_b>'}
    """
    names: dict[str, None] = {}
    for group in tree.subtree:
        dataset = group.to_dataset(inherit=False)
        names |= dict.fromkeys(map(str, [*dataset.variables, *dataset.dims]))
    taken = {name for name in names if _accepted(name) == name}
    renamed: dict[str, str] = {}
    for name in names:
        if name not in taken:
            renamed[name] = _free(_accepted(name), taken | set(renamed.values()))
    return renamed


def rename_all(tree: xr.DataTree, names: Mapping[str, str]) -> dict[str, xr.Dataset]:
    """The groups of a tree by path, their variables and dimensions renamed; the arrays are not copied."""
    groups = {}
    for group in tree.subtree:
        dataset = group.to_dataset(inherit=False)
        held = {*dataset.variables, *dataset.dims}
        groups[group.path] = dataset.rename({old: new for old, new in names.items() if old in held})
    return groups


def _accepted(name: str) -> str:
    """A name that netCDF takes and gives back; the same where it already is one."""
    text = unicodedata.normalize("NFC", name)
    text = re.sub(r"[\x00-\x1f\x7f/]", lambda found: _escape(found[0]), text)
    if text.endswith(" "):
        text = text[:-1] + _escape(" ")
    if not text or text.startswith(_RESERVED) or (text[0].isascii() and not _FIRST.match(text)):
        text = _escape(text[:1]) + text[1:]
    if len(text.encode()) > _LONGEST:
        end = blake2b(name.encode(), digest_size=6).hexdigest()
        text = f"{text.encode()[: _LONGEST - 20].decode(errors='ignore')}_{end}"
    return text


def _escape(character: str) -> str:
    """A character by its number."""
    return f"_x{ord(character):02X}_" if character else "_x_"


def _free(name: str, taken: set[str]) -> str:
    """The name, with a number where another has it."""
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate
