"""The command, called as a shell would call it."""

from typing import Any, NamedTuple

import pytest

from bayesmix import cli
from tests.bayes import dyestuff, dyestuff2

__all__ = ["dyestuff", "dyestuff2"]


class Answer(NamedTuple):
    status: Any
    out: str
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> Answer:
        with pytest.raises(SystemExit) as left:
            cli.main(arguments)
        return Answer(left.value.code, *capsys.readouterr())

    return call
