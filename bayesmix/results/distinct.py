"""Names of columns, as a file has them, each once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bayesmix.errors import DataError


def require_distinct(names: Iterable[Any]) -> None:
    """Refuse names that occur twice, as a model does; to be asked before pandas makes ``x``, ``x.1`` of them.

    Parameters
    ----------
    names : iterable of str

    Raises
    ------
    DataError
        With the names.

    Examples
    --------
    >>> require_distinct(["y", "x", "x.1"])
    """
    own = [str(name) for name in names]
    twice = [name for name in dict.fromkeys(own) if own.count(name) > 1]
    if twice:
        raise DataError(
            f"The data hold the column {', '.join(map(repr, twice))} more than once.",
            "Expected every column name once.",
            "Rename or drop the copies.",
        )
