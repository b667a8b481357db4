"""Numbers with the decimals of a printed page, and the command that shows them."""

from typing import Any

import numpy as np
import pytest

from bayesmix import cli


def printed(values: Any, decimals: int) -> list[str]:
    """Values rounded as a page would have them."""
    return [f"{value:.{decimals}f}" for value in np.ravel(np.asarray(values, dtype=float))]


def run_textbook(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What ``bayesmix run NAME --reml`` prints where every published number is reproduced."""
    with pytest.raises(SystemExit) as left:
        cli.main(["run", name, "--reml"])
    out, err = capsys.readouterr()
    assert left.value.code == 0, out + err
    assert "Every published number is reproduced" in out
    return out
