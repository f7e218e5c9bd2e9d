"""What goes wrong in a command is one line, and exit status 1."""

import errno
import os

import pytest
import typer

from framedb.cli.output import failures
from framedb.errors import FrameDBError, NodeUnavailableError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NodeUnavailableError("no node answers"), "error: no node answers"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/node.json"), "/data/node.json cannot be written"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "a file cannot be written"),
    ],
)
def test_a_failure_is_one_line(error: Exception, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, failures():
        raise error
    assert caught.value.exit_code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert isinstance(error, FrameDBError) or "make room" in line


def test_what_nobody_expected_is_shown_whole() -> None:
    with pytest.raises(IsADirectoryError), failures():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), "/data")
