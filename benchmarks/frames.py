"""What the sides write and read: frames that do not compress, under keys of one camera."""

from typing import Any

import numpy as np

from framedb.frame import CameraKey, from_microseconds

KEYS = 16
"""Frames go round these keys, so that memory stays the same however often a side runs."""

SOURCE = "bench:camera"


def picture() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A 1080p BGR frame: 6.2 MB."""
    return np.random.default_rng(1).integers(0, 255, (1080, 1920, 3), dtype=np.uint8)


def jpegs(number: int, size: int) -> list[bytes]:
    """Bytes that look like JPEGs to whoever looks at their beginning."""
    random = np.random.default_rng(2)
    return [b"\xff\xd8\xff\xe0" + random.bytes(size - 4) for _ in range(number)]


def frame_key(number: int) -> str:
    """The camera's key for the frame of that number."""
    site, camera = SOURCE.split(":")
    return str(CameraKey(site, camera, from_microseconds(1_750_000_000_000_000 + 40_000 * number)))


def plain_key(number: int) -> str:
    """A key for those who keep no index."""
    return f"bench-plain-{number}"
