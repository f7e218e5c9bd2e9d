"""A disk that is soon full: a small one of its own for root, else files that may not become larger."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SIZE = 256 * 1024 * 1024
"""Bytes of it."""


@dataclass(frozen=True, slots=True)
class Disk:
    """Where it is, and what a program on it is started with."""

    folder: Path
    prefix: tuple[str, ...] = ()
    """Words before the command."""

    @property
    def is_real(self) -> bool:
        """Whether it is full as a disk is. Where only files are limited, a database finds no room to remove anything."""
        return not self.prefix


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Disk]:
    """An empty one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        yield Disk(folder, ("prlimit", f"--fsize={SIZE // 2}"))
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], check=True)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
