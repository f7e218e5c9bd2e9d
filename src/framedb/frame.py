"""The frame: what FrameDB stores, and the keys it goes by.

A frame is a key, bytes, and what is known about the bytes. Keys of cameras are readable and sort by time:
`frame:{site}:{camera}:{time}`, the time in UTC with microseconds.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
from typing_extensions import Buffer

from framedb.errors import InvalidFrameError, InvalidKeyError

MAX_KEY_BYTES = 1024
"""The longest legal key, in bytes of UTF-8."""

RESERVED_PREFIX = "fdb:"
"""Keys with this prefix are FrameDB's own."""

NO_SOURCE = "_"
"""The source of keys that were put without one. It has no time index, no caps and no default TTL."""

_SOURCE = re.compile(r"[A-Za-z0-9._:?-]{1,128}")
_NAME = re.compile(r"[A-Za-z0-9._?-]{1,126}")
_CAMERA_KEY = re.compile(
    rf"frame:({_NAME.pattern}):({_NAME.pattern}):(\d{{8}}T\d{{6}}\.\d{{6}}Z|\d\d_\d\d_\d{{4}}-\d\d_\d\d_\d\d)", re.ASCII
)
_TIME_FORMAT = "%Y%m%dT%H%M%S.%fZ"
_LOCAL_TIME_FORMAT = "%m_%d_%Y-%H_%M_%S"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def utc_now() -> datetime:
    """The present, in UTC with microseconds."""
    return datetime.now(UTC)


def to_microseconds(time: datetime) -> int:
    """Microseconds since 1970 of an aware datetime, exactly. Raises InvalidFrameError for a naive one."""
    if time.tzinfo is None:
        raise InvalidFrameError(f"{time.isoformat()} has no time zone: give UTC, e.g. datetime.now(UTC)")
    return (time - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The UTC datetime that many microseconds after 1970."""
    return _EPOCH + microseconds * _MICROSECOND


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a source, or any value that is kept by key."""

    key: str
    """Its name, unique; at most 1024 bytes of UTF-8."""
    data: Buffer = field(repr=False)
    """The encoded image, or the raw bytes of an array (C order). Any buffer; never copied on the way in."""
    source: str = NO_SOURCE
    """The camera, video job or program it came from: `{site}:{camera}` for cameras, also when only the key says so."""
    captured_at: datetime = field(default_factory=utc_now)
    """When it was captured, UTC, microseconds."""
    encoding: str = "bytes"
    """What the bytes are: jpeg, png, ..., `raw` (an array; see shape and dtype) or `bytes` (anything)."""
    width: int | None = None
    """Pixels."""
    height: int | None = None
    """Pixels."""
    pts: int | None = None
    """The file's or stream's own timestamp, in ticks of `time_base`."""
    time_base: Fraction | None = None
    """Seconds per tick of `pts`."""
    keyframe: bool = False
    """It was decodable by itself in the stream it came from."""
    corrupt: bool = False
    """The decoder met damage in it."""
    shape: tuple[int, ...] | None = None
    """Shape of the array, for `raw`: (height, width, channels) of an image."""
    dtype: str | None = None
    """numpy dtype of the array, for `raw`: e.g. `|u1`."""

    def __post_init__(self) -> None:
        if self.source == NO_SOURCE:
            object.__setattr__(self, "source", source_of(self.key))

    @property
    def pts_seconds(self) -> float | None:
        """`pts` in seconds, or None where the stream has no timestamps."""
        if self.pts is None or self.time_base is None:
            return None
        return float(self.pts * self.time_base)

    @property
    def nbytes(self) -> int:
        """Number of bytes of the data."""
        return memoryview(self.data).nbytes

    def view(self) -> memoryview:
        """The data as flat bytes, uncopied. Raises InvalidFrameError for a buffer that does not lie in one piece."""
        view = memoryview(self.data)
        if not view.nbytes:
            return memoryview(b"")
        try:
            return view.cast("B")
        except TypeError as exc:
            raise InvalidFrameError(f"{self.key}: its data must lie in one piece: make the array contiguous") from exc

    def array(self) -> np.ndarray[Any, np.dtype[Any]]:
        """The data as an array of `shape` and `dtype`, without a copy: read-only where the data are.

        Raises InvalidFrameError when the frame is no array, or its bytes do not fill the shape.
        """
        if self.shape is None or self.dtype is None:
            raise InvalidFrameError(f"{self.key} holds {self.encoding!r}, not an array: decode it instead")
        try:
            return np.frombuffer(memoryview(self.data), dtype=np.dtype(self.dtype)).reshape(self.shape)
        except (TypeError, ValueError) as exc:
            raise InvalidFrameError(
                f"{self.key}: {self.nbytes} bytes are no {self.dtype} array of {self.shape}"
            ) from exc

    @classmethod
    def from_array(
        cls,
        key: str,
        array: np.ndarray[Any, np.dtype[Any]],
        *,
        source: str = NO_SOURCE,
        captured_at: datetime | None = None,
    ) -> "Frame":
        """A raw frame over `array`'s own memory (copied only if it is not C-contiguous).

        Raises InvalidFrameError for an array of objects, or of records, whose dtype has no short name to be kept by.
        """
        contiguous = np.asarray(array, order="C")
        if contiguous.dtype.hasobject or np.dtype(contiguous.dtype.str) != contiguous.dtype:
            raise InvalidFrameError(f"{key}: an array of {contiguous.dtype} cannot be kept: give one of plain numbers")
        image = contiguous.ndim in (2, 3)
        return cls(
            key,
            contiguous.reshape(-1).view(np.uint8).data,  # as bytes: not every dtype has a buffer of its own
            source=source,
            captured_at=captured_at or utc_now(),
            encoding="raw",
            width=contiguous.shape[1] if image else None,
            height=contiguous.shape[0] if image else None,
            shape=contiguous.shape,
            dtype=contiguous.dtype.str,
        )


@dataclass(frozen=True, slots=True)
class CameraKey:
    """The parts of a camera frame's key."""

    site: str
    camera: str
    captured_at: datetime
    """UTC."""

    @property
    def source(self) -> str:
        """The source the frame belongs to."""
        return f"{self.site}:{self.camera}"

    def __str__(self) -> str:
        return f"frame:{self.site}:{self.camera}:{self.captured_at.astimezone(UTC).strftime(_TIME_FORMAT)}"


def camera_source(site: str, camera: str) -> str:
    """The source id of a camera. Raises InvalidKeyError for a name that would break its keys."""
    for kind, name in (("site", site), ("camera", camera)):
        if not _NAME.fullmatch(name):
            raise InvalidKeyError(f"{kind} name {name!r} is not legal: use letters, digits and . _ ? - (no colon)")
    return check_source(f"{site}:{camera}")


def parse_key(key: str) -> CameraKey | None:
    """The parts of a camera frame's key, in today's form or the older local-time one, or None for any other key.

    The older form (`frame:site:camera:01_14_2024-17_45_00`) carries local time of the machine that reads it.
    """
    match = _CAMERA_KEY.fullmatch(key)
    if match is None:
        return None
    site, camera, time = match.groups()
    try:
        if time.endswith("Z"):
            captured_at = datetime.fromisoformat(time)
        else:
            captured_at = datetime.strptime(time, _LOCAL_TIME_FORMAT).astimezone(UTC)
    except ValueError:  # a 13th month
        return None
    return CameraKey(site, camera, captured_at)


def source_of(key: str) -> str:
    """The source a key belongs to by its own form, or `_`."""
    match = _CAMERA_KEY.fullmatch(key)
    return f"{match[1]}:{match[2]}" if match else NO_SOURCE


def check_key(key: str) -> str:
    """`key` itself, if it may be written. Raises InvalidKeyError otherwise."""
    size = len(key.encode("utf-8", "surrogatepass"))
    if not key:
        raise InvalidKeyError("the key is empty: give it a name")
    if size > MAX_KEY_BYTES:
        raise InvalidKeyError(f"the key has {size} bytes; at most {MAX_KEY_BYTES} are legal (it begins {key[:40]!r})")
    if key.startswith(RESERVED_PREFIX):
        raise InvalidKeyError(f"{key!r}: keys that begin with {RESERVED_PREFIX!r} are FrameDB's own")
    try:
        key.encode()
    except UnicodeEncodeError as exc:
        raise InvalidKeyError(f"{key!r} is not valid UTF-8") from exc
    return key


def check_source(source: str) -> str:
    """`source` itself, if it is a legal source id. Raises InvalidKeyError otherwise."""
    if not _SOURCE.fullmatch(source):
        raise InvalidKeyError(f"source id {source!r} is not legal: 1 to 128 of letters, digits and . _ : ? -")
    return source


def guess_encoding(data: Buffer) -> str:
    """`jpeg`, `png` or `base64-jpeg` (the older form) if the first bytes say so, else `bytes`."""
    start = bytes(memoryview(data).cast("B")[:8]) if memoryview(data).nbytes else b""
    for encoding, magic in (("jpeg", b"\xff\xd8\xff"), ("png", b"\x89PNG\r\n\x1a\n"), ("base64-jpeg", b"/9j/")):
        if start.startswith(magic):
            return encoding
    return "bytes"
