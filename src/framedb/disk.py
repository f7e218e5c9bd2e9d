"""Room on a disk, which is never filled to its last byte: everything else on it would fail too."""

import errno
import os
from pathlib import Path

LEFT_TO_OTHERS = 256 * 1024 * 1024
"""Bytes, on any disk of 2 GiB and more; on a smaller one, an eighth of it."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def room(path: Path) -> int:
    """Bytes that may still be written to the disk of an existing file or folder; below 0 if there are too many already."""
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize - min(LEFT_TO_OTHERS, disk.f_blocks * disk.f_frsize // 8)


def check_room(path: Path, size: int) -> None:
    """Raises OSError, the one of a full disk, if there is no room for so many more bytes."""
    if room(path) < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def is_full(error: OSError) -> bool:
    """Whether it says that a disk is full, or that its owner has no more of it."""
    return error.errno in _FULL
