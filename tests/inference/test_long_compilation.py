"""What is said while a kernel compiles."""

import time

import pytest

from bayesmix.inference import long_compilation
from bayesmix.inference.long_compilation import told_while_compiling


class Kernel:
    def __init__(self, *signatures: int) -> None:
        self.signatures = list(signatures)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_compilation, "_PATIENCE", 0.02)


@pytest.mark.parametrize(
    ("kernel", "progress", "said"),
    [(Kernel(), True, True), (Kernel(), False, False), (Kernel(1), True, False), (len, True, False)],
)
def test_once_and_only_if_it_takes_long(
    kernel: object, progress: bool, said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with told_while_compiling(kernel, progress):
        time.sleep(0.1)
    assert ("Compiling" in capsys.readouterr().out) == said


def test_what_is_loaded_is_not_compiled(capsys: pytest.CaptureFixture[str]) -> None:
    """Long work after the kernel is there says nothing, nor does work that is soon done."""
    kernel = Kernel()
    with told_while_compiling(kernel, True):
        kernel.signatures.append(1)
        time.sleep(0.1)
    with told_while_compiling(Kernel(), True):
        pass
    time.sleep(0.1)
    assert capsys.readouterr().out == ""
