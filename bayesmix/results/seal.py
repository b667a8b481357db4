"""A line at the end of a file by which every change of its bytes shows before anything reads them.

The libraries that read netCDF trust what they read: a damaged file can end the process. HDF5 allows bytes behind the
end of its own, so that the file stays one that any program reads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

_DIGEST_BYTES = 32
_PATTERN = re.compile(rb"\nbayesmix fit, format (\d{1,9}), by ([ -~]{1,60}), blake2b ([0-9a-f]{64})\n\Z")
_LONGEST = 256
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Seal:
    """What the last line of a file says.

    Parameters
    ----------
    format : int
    version : str
        Of what wrote it.
    intact : bool
        Whether the bytes before it are those that were sealed.
    """

    format: int
    version: str
    intact: bool


def write_seal(path: Path, number: int, version: str) -> None:
    """Add the last line to a finished file."""
    line = f"\nbayesmix fit, format {number}, by {version}, blake2b ".encode()
    with path.open("ab") as opened:
        opened.write(line)
    digest = _digest(path, path.stat().st_size)
    with path.open("ab") as opened:
        opened.write(f"{digest}\n".encode())


def read_seal(path: Path) -> Seal | None:
    """The seal of a file, None where its last line is none."""
    size = path.stat().st_size
    with path.open("rb") as opened:
        opened.seek(max(0, size - _LONGEST))
        found = _PATTERN.search(opened.read())
    if found is None:
        return None
    digest = found[3].decode()
    intact = _digest(path, size - len(digest) - 1) == digest
    return Seal(int(found[1]), found[2].decode(), intact)


def _digest(path: Path, size: int) -> str:
    """Of the first bytes of a file."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    with path.open("rb") as opened:
        while size > 0 and (block := opened.read(min(size, _BLOCK))):
            digest.update(block)
            size -= len(block)
    return digest.hexdigest()
