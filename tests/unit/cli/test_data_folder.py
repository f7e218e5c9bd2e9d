"""A data folder that cannot be one is refused before anything is started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from framedb.cli.serving import private_folder
from framedb.errors import InvalidInputError

NOBODY = 65534


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """The process's own, as it was."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@contextmanager
def as_somebody() -> Iterator[None]:
    """Not as root, who may write anywhere."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_it_is_made_with_all_above_it_for_its_user_alone(tmp_path: Path) -> None:
    private_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    private_folder(tmp_path / "a" / "b")


def test_a_folder_of_somebody_else_is_refused() -> None:
    with TemporaryDirectory(prefix="framedb-test-") as name:
        folder = Path(name)
        folder.chmod(0o555)
        for data_dir in (folder, folder / "below"):
            with as_somebody(), pytest.raises(InvalidInputError, match=rf"{data_dir} cannot be written .*--data-dir"):
                private_folder(data_dir)
        assert list(folder.iterdir()) == []


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for data_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InvalidInputError, match="cannot be written to"):
            private_folder(data_dir)
