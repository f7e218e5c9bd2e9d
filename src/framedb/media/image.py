"""Encoded images into arrays."""

import base64
import binascii
from typing import Any, Literal, cast

import numpy as np
from av import Packet, VideoFrame
from av.codec import CodecContext
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from typing_extensions import Buffer

from framedb.errors import NotVideoError

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
# Decoders by the first bytes, never FFmpeg's own guess: that takes in playlists, which name files and URLs to open.
_CODECS = {
    _JPEG: "mjpeg", _PNG: "png", b"RIFF": "webp", b"GIF8": "gif", b"BM": "bmp", b"II*\0": "tiff", b"MM\0*": "tiff",
}  # fmt: skip
_BASE64_JPEG = b"/9j/"
# Markers that open a frame of an image: all SOFs but DHT, JPG and DAC, which share their range (ITU-T T.81, table B.1).
_SOF = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def decode_image(
    data: Buffer,
    *,
    format: Literal["rgb24", "bgr24", "gray"] = "rgb24",  # noqa: A002  (the field's word)
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """An image as a numpy uint8 array: HxWx3 for `rgb24` and `bgr24` (OpenCV's order), HxW for `gray`.

    Takes JPEG, PNG, WebP, GIF (its first picture), BMP and TIFF, and the older base64 text of a JPEG. Raises
    NotVideoError for what is no image.
    """
    encoded = _unwrapped(data)
    try:
        frame = _first_frame(encoded)
        if frame is None or frame.is_corrupt or _is_cut_off(encoded):
            raise NotVideoError(f"these {len(encoded)} bytes are a damaged image; was it written whole?")
        return np.asarray(frame.to_ndarray(format=format), dtype=np.uint8)
    except (FFmpegError, ValueError) as exc:
        if isinstance(exc, NotVideoError):
            raise
        raise NotVideoError(f"these {len(encoded)} bytes are no image (they begin {encoded[:8]!r})") from exc


def image_size(data: Buffer) -> tuple[int, int] | None:
    """Width and height in pixels of a JPEG (base64 text too) or PNG, from its header; None for anything else."""
    encoded = _unwrapped(data)
    if encoded.startswith(_PNG) and len(encoded) >= 24:
        return int.from_bytes(encoded[16:20], "big"), int.from_bytes(encoded[20:24], "big")
    if not encoded.startswith(_JPEG):
        return None
    at = 2
    while at + 9 <= len(encoded) and encoded[at] == 0xFF:
        if encoded[at + 1] in _SOF:
            return int.from_bytes(encoded[at + 7 : at + 9], "big"), int.from_bytes(encoded[at + 5 : at + 7], "big")
        at += 1 if encoded[at + 1] == 0xFF else 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    return None


def _unwrapped(data: Buffer) -> bytes:
    encoded = bytes(data)
    if not encoded.startswith(_BASE64_JPEG):
        return encoded
    try:
        return base64.b64decode(encoded)
    except binascii.Error as exc:
        raise NotVideoError(f"these {len(encoded)} bytes begin like the base64 text of a JPEG, and are none") from exc


def _is_cut_off(encoded: bytes) -> bool:
    """A JPEG whose last scan does not end: the decoder fills the rest with grey and says nothing."""
    return encoded.startswith(_JPEG) and encoded.rfind(b"\xff\xd9") < encoded.rfind(b"\xff\xda")


def _first_frame(encoded: bytes) -> VideoFrame | None:
    codec = next((codec for magic, codec in _CODECS.items() if encoded.startswith(magic)), None)
    if codec is None:
        raise NotVideoError(f"these {len(encoded)} bytes are no image (they begin {encoded[:8]!r})")
    context = cast(VideoCodecContext, CodecContext.create(codec, "r"))
    context.thread_count = 1
    frames = context.decode(Packet(encoded)) or context.decode(None)
    return frames[0] if frames else None
