"""The kernels of what is left out have a cache of their own, which is as old as their sources."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayesmix.likelihood import left_out


def test_hash_knows_both_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The helpers in other files, and this file."""
    before = left_out._hash()
    assert before == left_out.group_densities.py_func.__closure__[0].cell_contents
    with monkeypatch.context() as changed:
        changed.setattr(left_out, "SOURCE_HASH", left_out.SOURCE_HASH + 1)
        assert left_out._hash() != before
    edited = tmp_path / "left_out.py"
    edited.write_text(Path(left_out.__file__).read_text() + "\n")
    monkeypatch.setattr(left_out, "__file__", str(edited))
    assert left_out._hash() != before


def test_solve_general(rng: np.random.Generator) -> None:
    """With a zero on the diagonal, so that rows change places, and of a negative determinant."""
    A, b = rng.normal(size=(5, 5)), rng.normal(size=5)
    A[0, 0] = 0.0
    sign, logdet = np.linalg.slogdet(A)
    if sign < 0:
        A[0] *= -1
    x = b.copy()
    assert_allclose(left_out.solve_general(A.copy(), x), logdet, rtol=1e-12)
    assert_allclose(A @ x, b, rtol=1e-10)
    A[0] *= -1
    assert np.isnan(left_out.solve_general(A.copy(), b.copy()))
    assert np.isnan(left_out.solve_general(np.zeros((2, 2)), np.zeros(2)))
